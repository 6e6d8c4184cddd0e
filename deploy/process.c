#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "dc-node"

/* A small file of /proc or of ours, zero-terminated; -1: it cannot be read. */
static ssize_t read_small(const char *path, char *ret, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, ret, cap - 1);
    close(fd);
    if (n >= 0) ret[n] = '\0';
    return n;
}

static bool is_dc_node(pid_t pid) {
    char path[64], exe[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    if (n <= 0) return false;
    exe[n] = '\0';
    char *gone = strstr(exe, " (deleted)"); /* built anew since it was started */
    if (gone != NULL) *gone = '\0';
    return strcmp(basename(exe), PROGRAM) == 0;
}

static bool has_data_dir(pid_t pid, const char *data) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    ssize_t n = read_small(path, line, sizeof line);
    for (const char *p = line; n > 0 && p < line + n; p += strlen(p) + 1) {
        const char *next = p + strlen(p) + 1;
        if (strcmp(p, "--data") == 0 && next < line + n) return strcmp(next, data) == 0;
    }
    return false;
}

static bool is_stopped(pid_t pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_small(path, line, sizeof line) <= 0) return false;
    const char *state = strrchr(line, ')');
    return state != NULL && state[1] == ' ' && (state[2] == 'T' || state[2] == 't');
}

struct process process_of(const struct local *l, uint32_t node) {
    char *pid_path = local_node_path(l, node, "pid"), *data = local_node_path(l, node, NULL), text[32];
    pid_t pid = read_small(pid_path, text, sizeof text) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
    struct process ret = {0};
    if (pid > 1 && is_dc_node(pid) && has_data_dir(pid, data)) ret = (struct process){pid, is_stopped(pid)};
    free(pid_path);
    free(data);
    return ret;
}

int process_open(const struct local *l, uint32_t node) {
    struct process p = process_of(l, node);
    int fd = p.pid ? pidfd_open(p.pid, 0) : -1;
    /* Looked at again: the descriptor holds whoever has the pid now. */
    if (fd >= 0 && process_of(l, node).pid == p.pid) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

bool process_signal(int process, int signal_number) { return pidfd_send_signal(process, signal_number, NULL, 0) == 0; }

bool process_wait_gone(int process, uint32_t timeout_ms) {
    struct pollfd p = {.fd = process, .events = POLLIN};
    return poll(&p, 1, (int)timeout_ms) == 1;
}

static char *join(const char *dir, const char *name) {
    struct buf b = {0};
    buf_printf(&b, "%s/%s", dir, name);
    buf_u8(&b, 0);
    return (char *)b.p;
}

char *process_find_program(struct buf *why) {
    const char *named = getenv("TRUCE_DC_NODE");
    if (named != NULL && *named) {
        if (access(named, X_OK) == 0) return xstrdup(named);
        buf_printf(why, "TRUCE_DC_NODE is %s: %s", named, strerror(errno));
        return NULL;
    }
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    const char *dir = dirname(exe);
    static const char *const places[] = {PROGRAM, "../dc-node/io/" PROGRAM};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *path = join(dir, places[i]);
        if (access(path, X_OK) == 0) return path;
        free(path);
    }
    buf_printf(why, "the program " PROGRAM " is not beside truce (%s); name it in TRUCE_DC_NODE", dir);
    return NULL;
}

/* In the child, before anything else of the node. */
static void take_setting(const struct process_setting *s, pid_t parent) {
    if (s->dies_with_parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)) _exit(126);
    if (s->net_space && setns(s->net_space, CLONE_NEWNET) != 0) _exit(126);
    if (s->faults)
        setenv("TRUCE_FAULTS", s->faults, 1);
    else
        unsetenv("TRUCE_FAULTS");
}

/* In the child: nothing is left of the parent but the two paths. */
static _Noreturn void become_node(const char *program, const char *cluster, const char *name, const char *data, int log, int pid_file) {
    setsid();
    char text[32];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    int zero = open("/dev/null", O_RDONLY);
    if (write(pid_file, text, (size_t)n) != n || dup2(zero, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    signal(SIGPIPE, SIG_DFL);
    execl(program, PROGRAM, "--cluster", cluster, "--node", name, "--data", data, (char *)NULL);
    dprintf(2, "truce: %s: %s\n", program, strerror(errno));
    _exit(127);
}

pid_t process_start(const struct local *l, uint32_t node, const char *program, const struct process_setting *s, struct buf *why) {
    char *data = local_node_path(l, node, NULL), *log_path = local_node_path(l, node, "log"), *pid_path = local_node_path(l, node, "pid");
    char *cluster = local_path(l, "cluster.json");
    pid_t pid = -1, parent = getpid();
    int log = -1, pid_file = -1;
    if (mkdir(data, 0777) == 0 || errno == EEXIST) log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log >= 0) pid_file = open(pid_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (pid_file >= 0) pid = fork();
    if (pid == 0) take_setting(s, parent);
    if (pid == 0) become_node(program, cluster, node_name(l, node), data, log, pid_file);
    if (pid < 0) buf_printf(why, "%s: %s", data, strerror(errno));
    if (log >= 0) close(log);
    if (pid_file >= 0) close(pid_file);
    free(data), free(log_path), free(pid_path), free(cluster);
    return pid < 0 ? 0 : pid;
}

/* The last line that is not empty. */
static void last_line(const char *path, struct buf *out) {
    FILE *f = fopen(path, "re");
    char *line = NULL, *last = NULL;
    size_t cap = 0;
    while (f != NULL && getline(&line, &cap, f) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (*line == '\0') continue;
        free(last);
        last = xstrdup(line);
    }
    if (f != NULL) fclose(f);
    buf_printf(out, "%s", last ? last : "(it left no word)");
    free(line);
    free(last);
}

bool process_ended(const struct local *l, uint32_t node, pid_t child, struct buf *why) {
    int status;
    if (waitpid(child, &status, WNOHANG) != child) return false;
    char *log = local_node_path(l, node, "log");
    buf_printf(why, "%s ended", node_name(l, node));
    if (WIFSIGNALED(status)) buf_printf(why, " by signal %d", WTERMSIG(status));
    buf_printf(why, ": ");
    last_line(log, why);
    free(log);
    return true;
}
