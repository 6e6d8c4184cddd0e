/* The process in which one handler's code runs: it has nothing of the node but a socket, and can do no lasting harm by crashing, looping or eating
 * memory. */
#include "../../conflict/handler_load.h"
#include "handler_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMORY_BYTES_MAX (1024u * 1024 * 1024) /* of addresses: many times the largest request */
#define CPU_S_MAX        30u                   /* of one call, if the node should be too slow to end it */
#define EXIT_CONNECTION  2
#define EXIT_PREPARATION 3

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define ADDRESSES_ARE_FREE 0 /* shadow memory takes terabytes of them */
#else
#define ADDRESSES_ARE_FREE 1
#endif

static void limit(int what, rlim_t most) {
    struct rlimit l;
    if (getrlimit((__rlimit_resource_t)what, &l) != 0) return;
    l.rlim_cur = most;
    if (l.rlim_max != RLIM_INFINITY && l.rlim_cur > l.rlim_max) l.rlim_cur = l.rlim_max;
    setrlimit((__rlimit_resource_t)what, &l);
}

/* Signals that end a node in good order come to its children too, and must not look like a crash: a child ends with its connection. */
static void take_no_signals(void) {
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
}

/* The socket, out of the way of what a handler may print or read; negative: it cannot be. */
static int prepare(void) {
    take_no_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    if (ADDRESSES_ARE_FREE) limit(RLIMIT_AS, MEMORY_BYTES_MAX);
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0) return -1;
    close(null);
    return fd;
}

static bool put(int fd, struct slice frame) {
    struct buf b = {0};
    buf_u32(&b, (uint32_t)frame.n);
    buf_put(&b, frame.p, frame.n);
    size_t done = 0;
    while (done < b.n) {
        ssize_t n = write(fd, b.p + done, b.n - done);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) done += (size_t)n;
    }
    bool good = done == b.n;
    buf_finish(&b);
    return good;
}

static bool get_bytes(int fd, struct buf *out, size_t wanted) {
    buf_clear(out);
    buf_reserve(out, wanted);
    while (out->n < wanted) {
        ssize_t n = read(fd, out->p + out->n, wanted - out->n);
        if (n == 0 || (n < 0 && errno != EINTR)) return false;
        if (n > 0) out->n += (size_t)n;
    }
    return true;
}

static bool get(int fd, struct buf *frame) {
    if (!get_bytes(fd, frame, 4)) return false;
    struct reader r = reader_of(buf_slice_of(frame));
    uint32_t n = read_u32(&r);
    return n <= HANDLER_REQUEST_BYTES_MAX && get_bytes(fd, frame, n);
}

static bool is_of_hash(const char *path, uint64_t wanted, struct buf *why) {
    uint64_t hash;
    if (!handler_file_hash(path, &hash, why)) return false;
    if (hash != wanted) buf_printf(why, "%s is another file now: its hash is %016" PRIx64 ", not %016" PRIx64, path, hash, wanted);
    return hash == wanted;
}

/* The code that runs is that of the hash: it is looked at before, so that nothing else is run, and after, for a file that was replaced in between. */
static bool load(struct loaded_handler *ret, const char *path, uint64_t hash, struct buf *why) {
    return is_of_hash(path, hash, why) && handler_load(ret, path, why) && is_of_hash(path, hash, why);
}

static void guard_time(void) {
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == 0) limit(RLIMIT_CPU, (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + CPU_S_MAX);
}

static void run(const struct truce_handler *handler, struct slice bytes, struct buf *answer) {
    struct handler_request q = {0};
    buf_clear(answer);
    guard_time();
    if (handler_request_decode(&q, bytes))
        handler_call(handler, &q, answer);
    else
        handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_FAILED, .why = slice_text("could not be asked: the request is malformed")},
                              answer);
    handler_request_finish(&q);
}

int handler_child(const char *path, const char *hash) {
    struct loaded_handler loaded = {0};
    struct buf frame = {0}, answer = {0};
    int fd = prepare();
    if (fd < 0) return EXIT_PREPARATION;
    if (!load(&loaded, path, strtoull(hash, NULL, 16), &frame)) return put(fd, buf_slice_of(&frame)) ? 0 : EXIT_CONNECTION;
    if (!put(fd, SLICE(NULL, 0))) return EXIT_CONNECTION;
    while (get(fd, &frame)) {
        run(loaded.handler, buf_slice_of(&frame), &answer);
        if (!put(fd, buf_slice_of(&answer))) return EXIT_CONNECTION;
    }
    _exit(0); /* nothing of the handler's runs at the end */
}
