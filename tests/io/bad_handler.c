/* Handlers that do what none should, and some that are merely good for tests; built once for each BEHAVIOUR, by its name. */
#include "../../conflict/truce_handler.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define IS(word) (strcmp(TEXT(BEHAVIOUR), word) == 0)

static int answer_text(struct truce_answer *a, const char *text) {
    a->ops->begin(a, TRUCE_STRING, 0);
    return a->ops->column(a, (struct truce_bytes){"", 0}, (struct truce_bytes){text, strlen(text)});
}

static int answer_number(struct truce_answer *a, unsigned long long n) {
    char text[24], *at = text + sizeof text;
    *--at = 0;
    do *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return answer_text(a, at);
}

static void wait_ms(long ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&left, NULL);
}

static void write_raw(const void *bytes, size_t n) {
    for (int fd = 3; fd < 10; fd++)
        if (write(fd, bytes, n) == (ssize_t)n) return;
}

static volatile int zero;
static unsigned long long calls;

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    calls++;
    if (IS("first")) return a->ops->pick(a, 0);
    if (IS("second")) return a->ops->pick(a, 1);
    if (IS("delete")) return a->ops->remove(a);
    if (IS("recorder")) return a->ops->record(a);
    if (IS("passer")) return a->ops->pass(a);
    if (IS("crash")) {
        signal(SIGSEGV, SIG_DFL); /* no sanitizer is to have it first */
        raise(SIGSEGV);
    }
    if (IS("moody") && c->siblings[0]->columns->value.n == 5 && memcmp(c->siblings[0]->columns->value.p, "crash", 5) == 0) abort();
    if (IS("moody")) return a->ops->pick(a, 0);
    if (IS("exit")) _exit(3);
    if (IS("deaf")) return 7;
    if (IS("counter")) return answer_number(a, calls);
    if (IS("clock")) return answer_number(a, (unsigned long long)time(NULL) * 1000003 + (unsigned long long)getpid());
    if (IS("sleepy")) wait_ms(400);
    if (IS("sleepy")) return a->ops->pick(a, 0);
    if (IS("garbage")) write_raw("\3\0\0\0abc", 7);
    if (IS("flood")) write_raw("\377\377\377\377", 4);
    if (IS("closer")) {
        close(3);
        close(4);
        wait_ms(60000);
    }
    if (IS("eater")) {
        for (size_t n = 0; n < 4096; n++)
            if (malloc(1024 * 1024) == NULL) return answer_number(a, n);
        return answer_text(a, "there is no end to memory");
    }
    while (IS("loop")) zero = 0;
    return a->ops->pick(a, 0);
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
#ifdef WANTS_BASE
    .flags = TRUCE_WANTS_BASE,
#endif
    .struct_size = sizeof(struct truce_handler),
    .name = TEXT(BEHAVIOUR),
    .version = "1",
    .summary = "for tests alone",
    .decide = decide,
};
