/* The clients' state, shared by workload.c, operations.c and outcomes.c. */
#pragma once
#include "resp.h"
#include "workload.h"

#define COMMANDS_MAX 8
#define WORDS_MAX    12
#define GROUP_KEYS   3
#define MIXED_KEYS   3 /* of numbers, and of rows of any type */

/* A unique value on its way into a row. */
struct write {
    uint32_t key, from;   /* the key, and how many changes it had before */
    uint32_t transaction; /* writes of one transaction share it; 0: alone */
    char value[24];
    enum outcome outcome;
    bool watched;      /* it replaces what was read under WATCH */
    char replaces[24]; /* that, up to its ';'; empty: nothing was there */
};

/* Increments of a row that nothing else writes. */
struct tally {
    char name[24];
    uint64_t ok, unknown;
};

/* A row that one DC alone writes, at `majority`, and reads linearizably, or from a majority. */
struct linear_row {
    char name[NAME_LEN_MAX + 20];
    bool counts;
    uint32_t key;
    struct linear_ops {
        struct linear_op *v;
        uint32_t count, cap;
    } ops, quorum_reads;
};
#define LINEAR_ROWS 3 /* of a DC; the last is a counter */

struct agent;
struct command {
    struct agent *agent;
    struct buf bytes; /* of its words */
    uint32_t ends[WORDS_MAX], words;
    struct buf reply;
    bool returned, taken;
    enum { CHECK_NOTHING, CHECK_ROW, CHECK_KEYS } check;
    struct h_read read; /* ROW */
    struct h_keys keys; /* KEYS */
    char reply_type;    /* of an answer that is no error; 0: any */
    uint32_t write;     /* index + 1; 0: writes nothing that is followed */
    struct tally *tally;
    uint64_t amount; /* of its increment */
    uint64_t called_us, answered_us;
};

struct agent {
    struct workload *load;
    uint32_t node, client;
    struct command commands[COMMANDS_MAX];
    uint32_t count, returned;
    bool busy;
    bool reader;
    uint32_t next_read;              /* of a reader: the key to go on with */
    void (*finish)(struct agent *a); /* all replies are there, or will not come */
    uint32_t watches;                /* commands before MULTI */
    char context[2048];              /* of an earlier read; empty: none */
    struct linear_row *row;          /* that it is about */
};

struct workload {
    struct world *world;
    struct history *history;
    struct workload_options options;
    struct prng prng;
    struct agent *agents;
    uint32_t agents_count, readers; /* the readers come last */
    bool going;
    uint32_t values, transactions;
    struct write *writes;
    uint32_t writes_count, writes_cap;
    struct tally tallies[DCS_MAX];
    bool tallies_shared; /* every DC increments each; else one alone */
    struct linear_row linear[DCS_MAX][LINEAR_ROWS];
    struct workload_counts counts;
    struct buf scratch;
};

static inline uint64_t load_draw(struct workload *l, uint64_t below) { return prng_below(&l->prng, below); }
static inline struct slice word_of(const struct command *c, uint32_t i) {
    uint32_t start = i > 0 ? c->ends[i - 1] : 0;
    return SLICE(c->bytes.p + start, c->ends[i] - start);
}

/* ---- operations.c: fills the agent's commands and says how they are finished ---- */
void operation_draw(struct agent *a);
void operation_read(struct agent *a, uint32_t number);
uint32_t operation_reads(const struct workload *l);                          /* how many of these there are */
struct command *say(struct agent *a, const char *first, const char *second); /* one more; the second may be NULL */
void word(struct command *c, const char *text);
void number_word(struct command *c, uint64_t number);
/* A value that is written once in the whole run, with padding. */
struct write *unique_word(struct command *c, const char *key, uint32_t transaction);

/* ---- linear_rows.c: rows that one DC alone writes ---- */
void linear_create(struct workload *l);
void linear_destroy(struct workload *l);
void linear_draw(struct agent *a);
void linear_check_rest(struct workload *l);

/* ---- outcomes.c: what the replies mean; finish functions ---- */
void finish_commands(struct agent *a); /* each for itself */
enum outcome outcome_of(const struct command *c);
void finish_transaction(struct agent *a); /* the last is EXEC */
void finish_group_read(struct agent *a);  /* MGET, or GETs between MULTI and EXEC */
void finish_context(struct agent *a);
void finish_wait(struct agent *a);   /* a write, then WAIT */
void finish_verify(struct agent *a); /* TRUCE.VERIFY: no rows are damaged in these worlds */
/* At the end: a write under WATCH replaced what had been read. */
void check_watched(struct workload *l, const struct write *w, const struct h_event *e);
