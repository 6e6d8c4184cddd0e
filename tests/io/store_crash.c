/* Kills a process that writes to a store, at random moments, and looks at what is there afterwards: every block that was acknowledged, no hole, and
 * rows that fit their checkpoint.
 *
 * store-crash [CYCLES]; the last line is `N passed, N failed`. With `--open DIR FD` it tells FD why DIR cannot be opened, for a test of the lock. */
#include "../../dc-node/core/prng.h"
#include "store_help.h"
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define KEYS        2000u
#define FLUSH_EVERY 40u /* commits */

/* The writer tells here what it has been promised. */
struct promises {
    _Atomic uint64_t committed; /* block n holds number n alone */
    _Atomic uint64_t flushed;   /* the latest checkpoint that is durable */
};

static uint64_t value_at(uint32_t key, uint64_t upto) {
    /* The row of a key holds the highest number n <= upto that changed it: number n changes key n * 7919 mod KEYS. */
    uint64_t n = upto;
    while (n > 0 && (n * 7919) % KEYS != key) n--;
    return n;
}

static void row_name(uint32_t key, char out[static 20]) { snprintf(out, 20, "key-%u", key); }

static void writer(const char *dir, struct promises *p, uint64_t from, uint64_t checkpoint, bool sync) {
    struct buf why = {0};
    struct store *s;
    if (store_open(&s, dir, &options_of_tests, &why) < 0) {
        fprintf(stderr, "writer: %.*s\n", (int)why.n, (const char *)why.p);
        _exit(3);
    }
    struct origins *t = origins_create();
    origin_ref o = origins_intern(t, &(struct origin){.dc = "us", .node = 1, .incarnation = 5});
    struct flush_waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0};
    struct flush f = {0};
    uint64_t flushing = 0;
    static struct stored_row *rows[KEYS];
    for (uint64_t n = from;; n++) {
        char text[600];
        int size = snprintf(text, sizeof text, "block %" PRIu64 " %0500d", n, 0);
        if (commit_block(s, t, o, n, n, SLICE(text, size), checkpoint, sync) < 0) _exit(4);
        p->committed = n;
        if (n % FLUSH_EVERY != 0) continue;
        if (flushing && flush_wait(&w) < 0) _exit(5);
        if (flushing) p->flushed = checkpoint = flushing;
        for (size_t i = 0; i < f.rows_count; i++) free(rows[i]);
        f.rows = rows;
        f.rows_count = 0;
        for (uint64_t m = checkpoint + 1; m <= n; m++) {
            char key[20], value[20];
            row_name((uint32_t)((m * 7919) % KEYS), key);
            snprintf(value, sizeof value, "%" PRIu64, m);
            rows[f.rows_count++] = row_make(key, value);
        }
        buf_clear(&f.checkpoint);
        buf_printf(&f.checkpoint, "%" PRIu64, n);
        flushing = n;
        w.is_done = false;
        store_flush_start(s, &f, flush_waiter_done, &w);
    }
}

static uint64_t number_of(struct slice text) {
    uint64_t v = 0;
    for (size_t i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) v = v * 10 + (text.p[i] - '0');
    return v;
}

#define WRONG(...) return (printf(__VA_ARGS__), printf("\n"), false)

static bool look(struct store *s, const struct promises *p, uint64_t *ret_last, uint64_t *ret_checkpoint) {
    struct buf out = {0};
    struct origin o = {.dc = "us", .node = 1, .incarnation = 5};
    uint64_t checkpoint = 0, first = 0, last = 0;
    int have = s->ops->get_checkpoint(s, &out);
    if (have < 0) WRONG("%s", s->why);
    if (have) checkpoint = number_of(buf_slice_of(&out));
    buf_clear(&out);
    if (s->ops->scan_log(s, &out) > 0) {
        struct reader r = reader_of(buf_slice_of(&out));
        read_slice(&r);
        first = read_u64(&r);
        last = read_u64(&r);
    }
    if (last < p->committed) WRONG("block %" PRIu64 " was acknowledged, the log ends at %" PRIu64, p->committed, last);
    if (checkpoint < p->flushed) WRONG("checkpoint %" PRIu64 " was durable, it is %" PRIu64, p->flushed, checkpoint);
    if (checkpoint > last) WRONG("rows are ahead of the log: checkpoint %" PRIu64 ", log to %" PRIu64, checkpoint, last);
    if (last > 0 && first > checkpoint + 1) WRONG("the log begins at %" PRIu64 ", the checkpoint is %" PRIu64, first, checkpoint);
    uint64_t next = first;
    while (last > 0 && next <= last) {
        buf_clear(&out);
        int n = s->ops->read_log(s, &o, next, 100000, &out);
        if (n <= 0) WRONG("block %" PRIu64 ": %s", next, n < 0 ? s->why : "not there");
        struct reader r = reader_of(buf_slice_of(&out));
        for (int i = 0; i < n; i++, next++) {
            struct slice block = read_slice(&r);
            if (block.n < 506 || number_of(SLICE(block.p + 6, block.n - 6)) != next) WRONG("block %" PRIu64 " holds another's content", next);
        }
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        char name[20];
        row_name(key, name);
        buf_clear(&out);
        int found = s->ops->get_row(s, hash64(slice_text(name)), slice_text(name), &out);
        if (found < 0) WRONG("%s", s->why);
        uint64_t value = found ? number_of(buf_slice_of(&out)) : 0;
        if (value != value_at(key, checkpoint))
            WRONG("%s holds %" PRIu64 ", at checkpoint %" PRIu64 " it was %" PRIu64, name, value, checkpoint, value_at(key, checkpoint));
    }
    buf_finish(&out);
    *ret_last = last;
    *ret_checkpoint = checkpoint;
    return true;
}

static bool cycle(const char *dir, struct promises *p, struct prng *r, uint64_t *last, uint64_t *checkpoint) {
    bool sync = prng_chance(r, 1, 2);
    pid_t child = fork();
    if (child == 0) writer(dir, p, *last + 1, *checkpoint, sync);
    bool while_opening = prng_chance(r, 1, 5);
    for (int i = 0; !while_opening && i < 20000 && p->committed <= *last; i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = (long)prng_below(r, 150) * 1000000}, NULL);
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) WRONG("the writer ended with %d", WEXITSTATUS(status));
    /* looked at in a process of its own, so that none that forks has threads */
    int tell[2];
    uint64_t found[2] = {0, 0};
    if (pipe(tell) != 0) abort();
    pid_t looker = fork();
    if (looker == 0) {
        struct buf why = {0};
        struct store *s;
        bool good = store_open(&s, dir, &options_of_tests, &why) == 0;
        if (!good) printf("%.*s\n", (int)why.n, (const char *)why.p);
        good = good && look(s, p, &found[0], &found[1]);
        fflush(stdout);
        if (!good || write(tell[1], found, sizeof found) != (ssize_t)sizeof found) _exit(1);
        store_close(s);
        _exit(0);
    }
    close(tell[1]);
    bool good = read(tell[0], found, sizeof found) == (ssize_t)sizeof found;
    close(tell[0]);
    waitpid(looker, &status, 0);
    *last = found[0];
    *checkpoint = found[1];
    return good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int tell_open(const char *dir, int fd) {
    struct buf why = {0};
    struct store *s;
    if (store_open(&s, dir, &options_of_tests, &why) == 0) buf_text(&why, "it could be opened");
    bool failed = write(fd, why.p, why.n) < 0;
    buf_finish(&why);
    return failed;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--open") == 0) return tell_open(argv[2], atoi(argv[3]));
    int cycles = argc > 1 ? atoi(argv[1]) : 20, passed = 0, failed = 0;
    char dir[256];
    directory_make(dir, sizeof dir);
    struct promises *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct prng r;
    prng_seed(&r, (uint64_t)time(NULL));
    uint64_t last = 0, checkpoint = 0;
    for (int i = 0; i < cycles && failed == 0; i++) {
        if (cycle(dir, p, &r, &last, &checkpoint))
            passed++;
        else
            failed++;
    }
    printf("%" PRIu64 " blocks, checkpoint %" PRIu64 "%s%s\n", last, checkpoint, failed ? ", kept in " : "", failed ? dir : "");
    if (!failed) directory_remove(dir);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
