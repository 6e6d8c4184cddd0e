/* The child side of the admission check: the handler's code runs here, and nowhere else. */
#include "check_imports.h"
#include "check_run.h"
#include "handler_load.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define LEAK_WARM_UP   4
#define LEAK_CALLS     32
#define LEAK_BYTES_MIN 8 /* of each call: the smallest piece of memory is larger */
#define STACK_BYTES    (48u * 1024)
#define MEMORY_MAX     (1024ull * 1024 * 1024) /* as in a node */

/* Where a sanitizer counts what is allocated. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static int answers = -1;                   /* where records go */
static volatile sig_atomic_t case_running; /* for the signal handler */

static void write_all(const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    while (n > 0) {
        ssize_t written = write(answers, p, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) _exit(0); /* nobody listens any more */
        p += written, n -= (size_t)written;
    }
}

static void record(enum check_record kind, uint32_t at, struct slice bytes) {
    uint8_t head[9] = {(uint8_t)kind};
    for (int i = 0; i < 4; i++) head[1 + i] = (uint8_t)(at >> 8 * i), head[5 + i] = (uint8_t)(bytes.n >> 8 * i);
    write_all(head, sizeof head);
    write_all(bytes.p, bytes.n);
}

static void looped(int signal_number) {
    record(RECORD_LOOPED, (uint32_t)case_running, (struct slice){0});
    _exit(0);
}

static void limit_call(unsigned ms) {
    struct itimerval t = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
    setitimer(ITIMER_PROF, &t, NULL);
}

/* ---- conditions ---- */
static uint8_t stack_fill;

/* Leaves the stack below full of one byte, where the handler's variables come to lie. */
static void __attribute__((noinline)) fill_stack(void) {
    uint8_t bytes[STACK_BYTES];
    memset(bytes, stack_fill, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* Before the handler is loaded, so that neither it nor its memory lies where it did. */
static void shift_addresses(void) {
    size_t pages = 3 + (size_t)getpid() % 61;
    void *hole = mmap(NULL, pages * 4096 * 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *piece = malloc(4096 + pages * 112);
    __asm__ volatile("" : : "r"(hole), "r"(piece) : "memory"); /* both stay */
}

static void impose(enum check_condition condition, void *library) {
    if (condition == CHECK_TIME) imports_pretend_clock(library);
    if (condition != CHECK_PLACE) return;
    imports_pretend_place(library);
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) setlocale(LC_ALL, "C.UTF-8");
}

/* ---- calls ---- */
static void call(const struct truce_handler *h, struct slice request, struct buf *ret_answer) {
    struct handler_request q;
    buf_clear(ret_answer);
    if (!handler_request_decode(&q, request)) _exit(99);
    fill_stack();
    limit_call(CHECK_CALL_CPU_MS);
    handler_call(h, &q, ret_answer);
    limit_call(0);
    handler_request_finish(&q);
}

static size_t allocated(void) {
    if (__sanitizer_get_current_allocated_bytes != NULL) return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void measure_leak(const struct truce_handler *h, uint32_t at, struct slice request, struct buf *answer) {
    for (int i = 0; i < LEAK_WARM_UP; i++) call(h, request, answer);
    size_t before = allocated();
    for (int i = 0; i < LEAK_CALLS; i++) call(h, request, answer);
    size_t after = allocated();
    if (after <= before || after - before < (size_t)LEAK_CALLS * LEAK_BYTES_MIN) return;
    struct buf bytes = {0};
    buf_u64(&bytes, (after - before) / LEAK_CALLS);
    record(RECORD_LEAK, at, buf_slice_of(&bytes));
    buf_finish(&bytes);
}

static void run_case(const struct truce_handler *h, enum check_condition condition, uint32_t at, struct slice request) {
    struct buf first = {0}, next = {0};
    case_running = (sig_atomic_t)at;
    record(RECORD_BEGIN, at, (struct slice){0});
    call(h, request, &first);
    record(RECORD_FIRST, at, buf_slice_of(&first));
    for (uint32_t i = 1; condition == CHECK_REPEATED && i < CHECK_REPEATS; i++) {
        call(h, request, &next);
        if (slice_equal(buf_slice_of(&first), buf_slice_of(&next))) continue;
        record(RECORD_SECOND, at, buf_slice_of(&next));
        break;
    }
    if (condition == CHECK_REPEATED) measure_leak(h, at, request, &next);
    buf_finish(&first);
    buf_finish(&next);
}

/* ---- describing ---- */
static void tell_import(void *arg, const char *symbol, const char *words) {
    struct buf line = {0};
    buf_printf(&line, "%s()\t%s", symbol, words);
    record(RECORD_IMPORT, 0, buf_slice_of(&line));
    buf_finish(&line);
}

/* The settings that are meant first, then some that are wrong: to refuse them is well, to crash or hang is not. */
static void try_settings(const struct truce_handler *h, const char *settings) {
    static const char *const wrong[] = {"{}", "[]", "null", "{\"\": {}}", "{\"a\": -1, \"b\": [1e300, \"\"]}", "", "{"};
    char why[256] = "";
    if (h->check_settings == NULL) return;
    record(RECORD_BEGIN, 0, (struct slice){0});
    limit_call(CHECK_CALL_CPU_MS);
    int code = h->check_settings(settings, why, sizeof why);
    why[sizeof why - 1] = '\0';
    if (code != 0 && why[0] == '\0') snprintf(why, sizeof why, "check_settings() returned %d", code);
    if (code != 0) record(RECORD_SETTINGS, 0, slice_text(why));
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        record(RECORD_BEGIN, i + 1, (struct slice){0});
        limit_call(CHECK_CALL_CPU_MS);
        h->check_settings(wrong[i], why, sizeof why);
    }
    limit_call(0);
}

static void describe(const struct loaded_handler *l, const char *settings) {
    struct buf b = {0};
    buf_slice(&b, slice_text(l->handler->name));
    buf_slice(&b, slice_text(l->handler->version != NULL ? l->handler->version : ""));
    buf_slice(&b, slice_text(l->handler->summary != NULL ? l->handler->summary : ""));
    buf_u32(&b, l->handler->flags);
    record(RECORD_HANDLER, 0, buf_slice_of(&b));
    buf_finish(&b);
    imports_banned(l->library, tell_import, NULL);
    try_settings(l->handler, settings);
}

/* ---- the process ---- */
static void read_input(struct buf *ret) {
    for (ssize_t n = 1; n != 0;) {
        n = read(0, buf_reserve(ret, 65536), 65536);
        if (n < 0 && errno != EINTR) _exit(98);
        if (n > 0) ret->n += (size_t)n;
    }
}

/* The handler may write where it likes: not among the records. */
static void set_apart(void) {
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    answers = fcntl(1, F_DUPFD_CLOEXEC, 100);
    for (int fd = 0; fd < 3; fd++) dup2(nothing, fd);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (__sanitizer_get_current_allocated_bytes == NULL) setrlimit(RLIMIT_AS, &(struct rlimit){MEMORY_MAX, MEMORY_MAX});
    signal(SIGPROF, looped);
}

static char *text_of(struct slice s) {
    char *text = xcalloc(s.n + 1, 1);
    if (s.n > 0) memcpy(text, s.p, s.n);
    return text;
}

int check_child(void) {
    struct buf input = {0}, why = {0};
    read_input(&input);
    set_apart();
    struct reader r = reader_of(buf_slice_of(&input));
    enum check_condition condition = (enum check_condition)read_u8(&r);
    char *path = text_of(read_slice(&r)), *settings = text_of(read_slice(&r));
    uint64_t count = read_varint(&r);
    struct loaded_handler l;
    stack_fill = condition == CHECK_MEMORY ? 0xa5 : 0x5a;
    if (condition == CHECK_ADDRESSES) shift_addresses();
    limit_call(CHECK_CALL_CPU_MS * 4);
    if (!handler_load(&l, path, &why)) {
        record(RECORD_REFUSED, 0, buf_slice_of(&why));
        return 0;
    }
    limit_call(0);
    if (count == 0) describe(&l, settings);
    impose(condition, l.library);
    for (uint32_t i = 0; i < count; i++) {
        struct slice request = read_slice(&r);
        if (r.bad) return 97;
        run_case(l.handler, condition, i, request);
    }
    record(RECORD_DONE, 0, (struct slice){0});
    _exit(0); /* what the handler left behind for the end of the process does not run */
}
