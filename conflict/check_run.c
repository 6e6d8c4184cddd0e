/* The parent side: starts a child under given conditions, hands it the batch, and reads what it answers until it ends. */
#include "check_run.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *check_condition_words(enum check_condition c) {
    static const char *const words[] = {
#define X(name, text) text,
        CHECK_CONDITIONS(X)
#undef X
    };
    return words[c];
}

void check_answers_finish(struct check_answers *a) {
    for (uint32_t i = 0; i < a->n; i++) {
        buf_finish(&a->first[i]);
        buf_finish(&a->second[i]);
    }
    free(a->first);
    free(a->second);
    free(a->leaked);
    buf_finish(&a->why);
    *a = (struct check_answers){0};
}

/* ---- starting ---- */
/* Every allocation shows what its memory holds: no small pieces are kept back, and all are filled. */
static void memory_words(enum check_condition c, struct buf *malloc_words, struct buf *sanitizer_words) {
    unsigned fill = c == CHECK_MEMORY ? 0xc3 : 0x3c;
    buf_printf(malloc_words, "MALLOC_PERTURB_=%u", fill);
    buf_printf(sanitizer_words,
               "ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
               "max_malloc_fill_size=1073741824:malloc_fill_byte=%u",
               fill);
}

static void start_child(const struct check_handler *h, enum check_condition c, int input, int output) {
    static const char *const plain[] = {"PATH=/usr/bin:/bin", "HOME=/", "LANG=C", "TZ=UTC"};
    static const char *const other[] = {
        "PATH=/bin",          "HOME=/tmp/elsewhere", "LANG=de_DE.UTF-8",      "LC_ALL=de_DE.UTF-8", "USER=somebody-else",
        "HOSTNAME=elsewhere", "DC=elsewhere",        "TZ=Pacific/Kiritimati", "LOGNAME=else",       "TRUCE_NODE=elsewhere-elsewhere"};
    struct buf malloc_words = {0}, sanitizer_words = {0};
    memory_words(c, &malloc_words, &sanitizer_words);
    buf_u8(&malloc_words, 0), buf_u8(&sanitizer_words, 0);
    const char *environment[16];
    size_t n = 0;
    for (size_t i = 0; i < (c == CHECK_PLACE ? sizeof other : sizeof plain) / sizeof other[0]; i++)
        environment[n++] = (c == CHECK_PLACE ? other : plain)[i];
    environment[n++] = (const char *)malloc_words.p;
    environment[n++] = (const char *)sanitizer_words.p;
    environment[n++] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0";
    environment[n] = NULL;
    if (c != CHECK_ADDRESSES) personality(ADDR_NO_RANDOMIZE); /* where it is forbidden, addresses differ in every process */
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || (c == CHECK_PLACE && chdir("/tmp") != 0)) _exit(96);
    const char *argv[] = {"truce", "handler", "answer-cases", NULL};
    execve(h->program, (char **)(uintptr_t)argv, (char **)(uintptr_t)environment);
    _exit(96);
}

static int batch_file(const struct check_handler *h, enum check_condition c, const struct check_cases *cases, const uint32_t *order) {
    struct buf b = {0}, request = {0};
    buf_u8(&b, (uint8_t)c);
    buf_slice(&b, slice_text(h->path));
    buf_slice(&b, slice_text(h->settings));
    buf_varint(&b, cases->n);
    for (uint32_t i = 0; i < cases->n; i++) {
        buf_clear(&request);
        check_case_encode(&cases->c[order[i]], h->name, h->settings, &request);
        buf_slice(&b, buf_slice_of(&request));
    }
    int fd = memfd_create("truce-handler-check", MFD_CLOEXEC);
    size_t done = 0;
    for (ssize_t n = 0; fd >= 0 && done < b.n && n >= 0; done += n > 0 ? (size_t)n : 0) n = write(fd, b.p + done, b.n - done);
    if (fd >= 0) lseek(fd, 0, SEEK_SET);
    buf_finish(&b);
    buf_finish(&request);
    return fd;
}

/* ---- reading ---- */
struct reading {
    struct check_answers *a;
    const uint32_t *order;
    bool done;
    struct buf *imports, *settings_why, *handler; /* describing; else NULL */
};

static void take_lines(struct buf *to, struct slice line) {
    if (to == NULL) return;
    buf_put(to, line.p, line.n);
    buf_u8(to, '\n');
}

static void take_record(struct reading *g, uint8_t kind, uint32_t at, struct slice bytes) {
    struct check_answers *a = g->a;
    if (kind == RECORD_BEGIN) a->at = a->n > 0 && at < a->n ? g->order[at] : at;
    if (kind == RECORD_DONE) g->done = true;
    if (kind == RECORD_LOOPED) a->end = CHECK_LOOPED;
    if (kind == RECORD_IMPORT) take_lines(g->imports, bytes);
    if (kind == RECORD_SETTINGS && g->settings_why != NULL) buf_put(g->settings_why, bytes.p, bytes.n);
    if (kind == RECORD_HANDLER && g->handler != NULL) buf_put(g->handler, bytes.p, bytes.n);
    if (kind == RECORD_REFUSED) {
        a->end = CHECK_NOT_LOADED;
        buf_put(&a->why, bytes.p, bytes.n);
    }
    if (at >= a->n) return;
    uint32_t i = g->order[at];
    struct reader r = reader_of(bytes);
    if (kind == RECORD_FIRST) buf_put(&a->first[i], bytes.p, bytes.n);
    if (kind == RECORD_SECOND) buf_put(&a->second[i], bytes.p, bytes.n);
    if (kind == RECORD_LEAK) a->leaked[i] = read_u64(&r);
}

/* Takes the whole records of the buffer out of it. */
static void take_records(struct reading *g, struct buf *in) {
    size_t at = 0;
    while (in->n - at >= 9) {
        struct reader r = reader_of(SLICE(in->p + at, in->n - at));
        uint8_t kind = read_u8(&r);
        uint32_t number = read_u32(&r), n = read_u32(&r);
        if ((size_t)(r.end - r.p) < n) break;
        take_record(g, kind, number, SLICE(r.p, n));
        at += 9 + n;
    }
    memmove(in->p, in->p + at, in->n - at);
    in->n -= at;
}

/* Would it run, if the machine let it? One that sleeps waits for something that a handler must not wait for. */
static bool wants_to_run(pid_t child) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL) fclose(f);
    const char *name_end = n > 0 ? strrchr(text, ')') : NULL; /* the state stands behind the name */
    return name_end != NULL && name_end[1] == ' ' && (name_end[2] == 'R' || name_end[2] == 'D');
}

/* Until the child has closed its end, or sleeps for too long. */
static void read_answers(struct reading *g, int from, pid_t child) {
    struct buf in = {0};
    int silent = 0;
    for (ssize_t n = 1; n > 0;) {
        int ready = poll(&(struct pollfd){.fd = from, .events = POLLIN}, 1, CHECK_HANG_MS);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0 && ++silent < CHECK_STARVED_MAX && wants_to_run(child)) continue;
        if (ready <= 0) {
            g->a->end = CHECK_LOOPED;
            kill(child, SIGKILL);
            break;
        }
        silent = 0;
        n = read(from, buf_reserve(&in, 65536), 65536);
        if (n > 0) in.n += (size_t)n;
        if (n > 0) take_records(g, &in);
    }
    buf_finish(&in);
}

static void run(const struct check_handler *h, enum check_condition c, const struct check_cases *cases, struct reading *g) {
    int output[2] = {-1, -1}, input = batch_file(h, c, cases, g->order), status = 0;
    pid_t child = input >= 0 && pipe(output) == 0 ? fork() : -1;
    if (child == 0) start_child(h, c, input, output[1]);
    if (input >= 0) close(input);
    if (output[1] >= 0) close(output[1]);
    if (child > 0) {
        read_answers(g, output[0], child);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    }
    if (output[0] >= 0) close(output[0]);
    struct check_answers *a = g->a;
    if (a->end != CHECK_DONE || g->done) return;
    if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) >= 96 && WEXITSTATUS(status) <= 99)) {
        a->end = CHECK_NOT_LOADED;
        buf_printf(&a->why, "no child process could be run (%s)", child < 0 ? strerror(errno) : h->program);
        return;
    }
    a->end = WIFSIGNALED(status) ? CHECK_CRASHED : CHECK_EXITED;
    a->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void check_run(const struct check_handler *h, enum check_condition condition, const struct check_cases *cases, struct check_answers *ret) {
    *ret = (struct check_answers){
        .first = xcalloc(cases->n + 1, sizeof *ret->first),
        .second = xcalloc(cases->n + 1, sizeof *ret->second),
        .leaked = xcalloc(cases->n + 1, sizeof *ret->leaked),
        .n = cases->n,
    };
    uint32_t *order = xcalloc(cases->n + 1, sizeof *order);
    for (uint32_t i = 0; i < cases->n; i++) order[i] = condition == CHECK_ORDER ? cases->n - 1 - i : i;
    struct reading g = {.a = ret, .order = order};
    run(h, condition, cases, &g);
    free(order);
}

/* ---- describing ---- */
/* What the handler says of itself, as far as it can be shown on a line. */
static void copy_slice(char *ret, size_t size, struct slice s) {
    size_t n = s.n < size - 1 ? s.n : size - 1;
    for (size_t i = 0; i < n; i++) ret[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? (char)s.p[i] : '?';
    ret[n] = '\0';
}

bool check_describe(struct check_handler *h, struct buf *ret_imports, struct buf *ret_settings_why, struct buf *why) {
    struct check_answers a = {0};
    struct check_cases none = {0};
    struct buf handler = {0};
    uint32_t order = 0;
    struct reading g = {.a = &a, .order = &order, .imports = ret_imports, .settings_why = ret_settings_why, .handler = &handler};
    run(h, CHECK_FIRST, &none, &g);
    const char *while_what = handler.n > 0 ? "while its check_settings() looked at settings" : "while it was loaded";
    if (a.end == CHECK_NOT_LOADED) buf_printf(why, "%.*s", (int)a.why.n, (const char *)a.why.p);
    if (a.end == CHECK_CRASHED) buf_printf(why, "it crashed (%s) %s", strsignal(a.signal), while_what);
    if (a.end == CHECK_LOOPED) buf_printf(why, "it did not come back %s", while_what);
    if (a.end == CHECK_EXITED) buf_printf(why, "it ended its process %s", while_what);
    struct reader r = reader_of(buf_slice_of(&handler));
    copy_slice(h->name, sizeof h->name, read_slice(&r));
    copy_slice(h->version, sizeof h->version, read_slice(&r));
    copy_slice(h->summary, sizeof h->summary, read_slice(&r));
    h->flags = read_u32(&r);
    bool ok = a.end == CHECK_DONE;
    check_answers_finish(&a);
    buf_finish(&handler);
    return ok;
}
