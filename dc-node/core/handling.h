/* What the files about handlers share: rows that are to be settled, handlers as they are here, and what went wrong last. */
#pragma once
#include "state.h"
#include <utlist.h>

#define OPEN_ROWS_MAX      4096u   /* more are found again by the sweep */
#define HANDLERS_ASKED_MAX 64u     /* under way at a time, of all handlers together ... */
#define HANDLER_ASKED_MAX  16u     /* ... and of one, so that a slow one does not delay the others */
#define LOOKS_MAX          256u    /* at rows, with one run of the engine */
#define RANK_DELAY_US      300000u /* a datacenter leaves a row to those before it for so long each */
#define SWEEP_PAGE         2048u   /* journal records */
#define SWEEP_PAGE_US      100000u
#define SWEEP_REST_US      (8 * SWEEP_PAGE_US) /* between passes, for each page */
#define SWEEP_PERIOD_US    5000000u
#define FAILURES_KEPT      16u
#define FAILURE_NAMES_MAX  128u

/* A row whose siblings a handler is to settle. */
struct open_row {
    struct open_row *prev, *next; /* of its list */
    enum { ROW_READY, ROW_LATER, ROW_HELD, ROW_ASKED } state;
    uint64_t siblings, text_hash; /* row_siblings_hash(), and of the table's definition, when it was looked at last; 0: never */
    uint64_t request_hash;        /* of the latest request */
    uint64_t since_us, due_us;    /* since when it has been so; LATER */
    uint32_t at;                  /* which of the chain has its turn */
    uint32_t handler;             /* HELD, ASKED: index into handlers */
    uint64_t run;                 /* ASKED */
    size_t request_bytes;
    UT_hash_handle hh, hh_run;
    size_t key_bytes;
    uint8_t key[];
};
static inline struct slice open_row_key(const struct open_row *r) { return SLICE(r->key, r->key_bytes); }

struct handler_here {
    struct known_handler known;
    bool listed; /* the host has it */
    uint32_t asked;
    uint64_t runs, failures;
    struct open_row *held; /* rows that wait for their turn */
};

struct handling {
    struct open_row *rows, *asked; /* by key; by run */
    struct open_row *ready, *later;
    uint64_t later_due_us;
    struct handler_here *handlers;
    uint32_t handlers_count, handlers_cap, asked_count;
    size_t asked_bytes, asked_bytes_max;
    bool full; /* the first of the ready rows would go beyond them: it waits for an answer */
    uint64_t runs;
    struct buf request, content, key, requests; /* scratch; the last: of the runs under construction */
    struct handler_run *out;
    size_t *out_at; /* where their requests begin */
    size_t out_count, out_cap, out_at_cap;

    uint32_t sweep_table; /* of the rules, where the sweep goes on */
    struct buf sweep_after;
    uint64_t sweep_due_us;
    uint32_t sweep_pages; /* in this pass */
    bool overflowed;      /* rows were forgotten since the pass began: the next follows at once */

    struct handler_failure {
        char handler[FAILURE_NAMES_MAX], reason[HANDLER_REASON_BYTES_MAX + 1];
        struct buf key;
    } failures[FAILURES_KEPT]; /* a ring */
    uint64_t failures_kept;    /* were ever put into it */
    uint64_t failures_count;
};

/* A row that was found recorded: after a restart somebody must still be told why. */
void handlers_remember(struct engine *e, struct slice key, struct slice why);
/* NULL: the host has none of that name. */
struct handler_here *handler_here(struct engine *e, const char *name);
/* Why it cannot run here; NULL: it can. `hash`: what the definition asks for; 0: whatever is installed. */
const char *handler_unusable(struct engine *e, const char *name, uint64_t hash);
