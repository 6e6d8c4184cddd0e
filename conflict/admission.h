/* The admission check (DESIGN, section 6): may this handler be enabled, or can it diverge, crash, hang or leak? Its code runs in child processes
 * alone.
 *
 * The handler answers hundreds of made up conflicts and all recorded ones, again and again, each time with one thing changed: in another process,
 * called twice, in another order, with other bytes in fresh memory, other addresses, another time, another place. Whatever changes an answer is
 * refused, with the smallest conflict found that shows it. */
#pragma once
#include "check_run.h"

struct admission_plan {
    const char *path;     /* NAME.so */
    const char *settings; /* JSON object; NULL: {} */
    const char *recorded; /* file of conflicts (HANDLERS.md); NULL: none */
    const char *program;  /* `PROGRAM handler answer-cases` is check_child() */
};
enum admission_verdict { ADMISSION_ADMITTED = 0, ADMISSION_REJECTED = 1, ADMISSION_UNUSABLE = 2 /* the plan: no such file, wrong settings... */ };

/* Appends what came out, in words, to *words; *ret_record (NULL where UNUSABLE) is what to keep beside the file, the caller's. */
enum admission_verdict admission_check(const struct admission_plan *plan, struct buf *words, json_t **ret_record);
/* Writes the record to x.so.admitted. False: *why. */
bool admission_write(const char *path, const json_t *record, struct buf *why);

/* ---- check_probe.c: one thing that may go wrong, looked for in a batch ---- */
enum check_probe_kind { PROBE_CONDITION, PROBE_REGROUP, PROBE_EXPECT };
struct check_probe {
    enum check_probe_kind kind;
    enum check_condition condition;
};
/* What was found, and in which case. */
struct check_example {
    uint32_t at;
    enum check_end end;
    int signal;
    uint64_t leaked;          /* bytes a call */
    struct buf first, second; /* answers; empty: there was none */
    char how_first[160], how_second[160];
    struct buf why; /* further words */
};
void check_example_finish(struct check_example *e);
/* True: found, in the first case that shows it. */
bool check_probe_run(const struct check_handler *h, struct check_probe p, const struct check_cases *cases, struct check_example *ret);

/* ---- check_regroup.c ---- */
bool check_regroup(const struct check_handler *h, const struct check_cases *cases, struct check_example *ret);
