/* The admission check's child processes: each loads the handler, and answers a batch of conflicts under conditions of its own. */
#pragma once
#include "check_case.h"

/* What one process does otherwise than the first. */
#define CHECK_CONDITIONS(X)                                                                                                                          \
    X(FIRST, "the first run")                                                                                                                        \
    X(AGAIN, "another process, with nothing else changed")                                                                                           \
    X(REPEATED, "called again at once, in the same process")                                                                                         \
    X(ORDER, "other conflicts before it: the same conflicts in another order")                                                                       \
    X(MEMORY, "other bytes in fresh memory, on the stack and on the heap")                                                                           \
    X(ADDRESSES, "other addresses of its code, stack and heap")                                                                                      \
    X(TIME, "another time")                                                                                                                          \
    X(PLACE, "another place: host, user, process, directory, environment, language and time zone")
enum check_condition {
#define X(name, words) CHECK_##name,
    CHECK_CONDITIONS(X)
#undef X
};
const char *check_condition_words(enum check_condition c);

#define CHECK_REPEATS     12u /* calls of each conflict under REPEATED */
#define CHECK_CALL_CPU_MS 500u
#define CHECK_HANG_MS     2000 /* asleep for so long in a call */
#define CHECK_STARVED_MAX 15   /* so many times that, where it would run if the machine let it */

struct check_handler {
    const char *path, *settings, *program; /* program: `PROGRAM handler answer-cases` is check_child() */
    char name[NAME_LEN_MAX + 1];
    char version[64], summary[256];
    uint32_t flags;
};

/* How a process ended, or what one call did. */
enum check_end {
    CHECK_DONE,
    CHECK_CRASHED, /* by a signal */
    CHECK_LOOPED,  /* beyond CHECK_CALL_CPU_MS, or asleep for CHECK_HANG_MS */
    CHECK_EXITED,  /* the handler ended its process */
    CHECK_NOT_LOADED,
};
struct check_answers {
    struct buf *first;  /* of each case; empty: not reached */
    struct buf *second; /* of a repeated call, where it differed; else empty */
    uint64_t *leaked;   /* bytes for each call */
    uint32_t n;
    enum check_end end;
    int signal;
    uint32_t at; /* the case under way when it ended */
    struct buf why;
};
void check_answers_finish(struct check_answers *a);
/* Runs all cases in a child process. A fault of this machine (no process, no memory file) is CHECK_NOT_LOADED with a why. */
void check_run(const struct check_handler *h, enum check_condition condition, const struct check_cases *cases, struct check_answers *ret);

/* Loads it in a child: name, version, flags. ret_imports: lines "time()\treads a clock"; ret_settings_why: what its check_settings() says, empty:
 * good. False: *why (it cannot be loaded, or crashed or looped while it was). */
bool check_describe(struct check_handler *h, struct buf *ret_imports, struct buf *ret_settings_why, struct buf *why);

/* The child: reads a batch on standard input, answers on standard output. Returns the process's exit code. */
int check_child(void);

/* ---- the batch: u8 condition, slice path, slice settings, varint count, slices of requests; no request: describe.
 * The answers: u8 kind, u32 case, u32 bytes, bytes ---- */
enum check_record {
    RECORD_BEGIN = 'B',
    RECORD_FIRST = 'A',
    RECORD_SECOND = 'D',
    RECORD_LEAK = 'L',
    RECORD_LOOPED = 'T',
    RECORD_REFUSED = 'R',
    RECORD_IMPORT = 'I',
    RECORD_SETTINGS = 'S',
    RECORD_HANDLER = 'H',
    RECORD_DONE = 'Z'
};
