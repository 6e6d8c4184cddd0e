#include "handler_process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES  (64u * 1024)
#define END_WAIT_MS 50 /* between the end of the connection and that of the process */

extern char **environ;

/* No fork(): what RocksDB and nng do at a fork is not to be had. */
static int spawn(pid_t *ret, int end, const char *program, char *const argv[]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0); /* signals from the terminal are for the node */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(ret, program ? program : "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool handler_process_start(struct handler_process *p, const char *program, const char *path, uint64_t hash, struct buf *why) {
    assert(p->pid == 0);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        buf_printf(why, "no sockets for its process: %s", strerror(errno));
        return false;
    }
    char hash_text[17], name[] = "dc-node", argument[] = HANDLER_ARGUMENT, path_text[4096];
    snprintf(hash_text, sizeof hash_text, "%016" PRIx64, hash);
    snprintf(path_text, sizeof path_text, "%s", path);
    char *const argv[] = {name, argument, path_text, hash_text, NULL};
    int error = spawn(&p->pid, ends[1], program, argv);
    close(ends[1]);
    if (error == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) {
        p->fd = ends[0];
        p->sent = 0;
        buf_clear(&p->sending);
        buf_clear(&p->received);
        return true;
    }
    close(ends[0]);
    p->pid = 0;
    buf_printf(why, "its process could not be started: %s", strerror(error));
    return false;
}

void handler_process_send(struct handler_process *p, struct slice request) {
    assert(!handler_process_sending(p));
    buf_clear(&p->sending);
    p->sent = 0;
    buf_u32(&p->sending, (uint32_t)request.n);
    buf_put(&p->sending, request.p, request.n);
    handler_process_write(p);
}

bool handler_process_sending(const struct handler_process *p) { return p->sent < p->sending.n; }

void handler_process_write(struct handler_process *p) {
    while (handler_process_sending(p)) {
        ssize_t n = send(p->fd, p->sending.p + p->sent, p->sending.n - p->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        p->sent = n < 0 ? p->sending.n : p->sent + (size_t)n; /* where it has ended, reading will tell */
    }
}

/* What was read as a frame goes; what came after it stays. */
static void forget_frame(struct handler_process *p) {
    struct reader r = reader_of(buf_slice_of(&p->received));
    size_t n = 4 + (size_t)read_u32(&r);
    memmove(p->received.p, p->received.p + n, p->received.n - n);
    p->received.n -= n;
}

static bool whole_frame(const struct handler_process *p, struct slice *ret) {
    struct reader r = reader_of(buf_slice_of(&p->received));
    uint32_t n = read_u32(&r);
    *ret = read_bytes(&r, n);
    return !r.bad;
}

enum heard handler_process_read(struct handler_process *p, struct slice *ret_frame) {
    struct slice frame;
    if (p->received.n && whole_frame(p, &frame)) forget_frame(p); /* it was handed out */
    while (!whole_frame(p, ret_frame)) {
        struct reader r = reader_of(buf_slice_of(&p->received));
        if (p->received.n >= 4 && read_u32(&r) > HANDLER_REQUEST_BYTES_MAX) return HEARD_TOO_MUCH;
        ssize_t n = recv(p->fd, buf_reserve(&p->received, READ_BYTES), READ_BYTES, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return HEARD_NOTHING;
        if (n <= 0) return HEARD_END;
        p->received.n += (size_t)n;
    }
    return HEARD_FRAME;
}

uint64_t handler_process_cpu_us(const struct handler_process *p) {
    clockid_t clock;
    struct timespec t;
    if (p->pid == 0 || clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* 0: it still runs. */
static pid_t wait_for(pid_t pid, int *ret_status, int flags) {
    pid_t got;
    do got = waitpid(pid, ret_status, flags);
    while (got < 0 && errno == EINTR);
    return got;
}

/* It may be on its way out: then its own status tells more than that of a kill. */
static pid_t ended_by_itself(const struct handler_process *p, int *ret_status) {
    pid_t got = wait_for(p->pid, ret_status, WNOHANG);
    struct pollfd none = {.fd = -1};
    char byte;
    if (got == 0 && recv(p->fd, &byte, 1, MSG_PEEK) != 0) return 0; /* the connection is open: it has not begun to end */
    for (int i = 0; got == 0 && i < END_WAIT_MS; i++) {
        poll(&none, 1, 1);
        got = wait_for(p->pid, ret_status, WNOHANG);
    }
    return got;
}

enum ending handler_process_end(struct handler_process *p, int *ret_number) {
    int status = 0;
    assert(p->pid > 0);
    bool alone = ended_by_itself(p, &status) == p->pid;
    if (!alone) {
        kill(p->pid, SIGKILL);
        wait_for(p->pid, &status, 0);
    }
    close(p->fd);
    p->pid = 0;
    buf_finish(&p->sending);
    buf_finish(&p->received);
    p->sent = 0;
    bool by_signal = WIFSIGNALED(status);
    if (ret_number) *ret_number = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    if (by_signal && WTERMSIG(status) == SIGKILL) return alone ? ENDING_KILLED_BEFORE : ENDING_KILLED;
    return by_signal ? ENDING_SIGNAL : ENDING_EXIT;
}
