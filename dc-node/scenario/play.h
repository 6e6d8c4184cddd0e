/* Plays a scenario on a stage: its steps in their time, its clients, its expectations; and says how it ended. */
#pragma once
#include "stage.h"

/* As exit codes (DESIGN, section 10). */
enum verdict { VERDICT_PASS = 0, VERDICT_EXPECTATION = 1, VERDICT_BAD_FILE = 2, VERDICT_NOT_CONVERGED = 3, VERDICT_INVARIANT = 4 };
const char *verdict_words(enum verdict v); /* "passed", "an expectation failed" ... */

/* A row at the end, as TRUCE.EXPLAIN tells of it at the first running node of each DC. */
struct final_row {
    char *key;
    json_t *shown;             /* the value that readers see, as predicates have it; the first DC's */
    json_t *explain;           /* of that DC: TRUCE.EXPLAIN key JSON */
    json_t *others;            /* {"eu": value ...} of the DCs that show another; NULL: all alike */
    uint32_t siblings, losers; /* live versions; entries of the journal */
    bool open;
};

struct outcome {
    enum verdict verdict;
    char failure[2048];     /* "cut.json:21: step 9 (expect): GET a is "1" at eu-1, expected "2""; empty when it passed */
    uint32_t failed_step;   /* 0: none in particular */
    uint64_t length_us;     /* how long it was played */
    struct final_row *rows; /* in order of key */
    uint32_t rows_count;
    uint64_t conflicts_open;
    json_t *replies;                 /* of `do` steps: {"3": reply ...} by number of step */
    json_t *workloads;               /* {"carts": {"kind", "ok", "failed", "unknown", "holds", "why"} ...} */
    json_t *notes;                   /* what the stage could not do, in words */
    uint64_t trace_hash, happenings; /* of the simulated stage, filled by who made it; else 0 */
    uint64_t events;                 /* that the first of those nodes has applied */
};
void outcome_finish(struct outcome *o);

struct play_options {
    uint64_t seed;      /* of the workloads' clients */
    bool rows;          /* fill outcome.rows */
    uint32_t sample_us; /* how often the record gets samples; 0: never */
    /* Called before each step is begun, for --step; may be NULL. False: the play ends here. */
    bool (*before_step)(void *arg, const struct step *s);
    /* Called when it is over, before the outcome asks the nodes what became of the rows; may be NULL. */
    void (*ended)(void *arg);
    void *arg;
};
/* The stage's nodes are not yet started: the play starts those that are not down. */
void play(struct stage *s, const struct play_options *o, struct outcome *ret);
