/* Questions about rows, to this node and to others; and the jobs of sessions that ask them: quorum reads, verification, repair.
 *
 * A question goes to several nodes at once and is asked again where no answer comes. Every answer names the VV at which it holds: all of it, on disk,
 * at one moment. Whoever has lost what its disk had does not tell; of single rows, on which quorum
 * reads count, not before it is admitted to votes again. */
#pragma once
#include "inbox.h"

#define ASK_SILENT_US 3000000u           /* who has not answered for so long is not waited for */
#define ASK_BYTES_MAX (8u * 1024 * 1024) /* of keys in a question, of rows in an answer */

struct told {
    bool asked, came;
    enum row_outcome outcome; /* where it came */
    uint64_t upto;
    struct vv vv;
    struct buf args;
    uint32_t argc;
};
struct question {
    struct engine *e;
    uint64_t id;
    enum row_ask what;
    uint64_t from, to;
    struct vv vv;
    struct buf args;
    uint32_t argc;
    uint64_t asked_us, again_us;
    UT_hash_handle hh;
    uint32_t nodes_count;
    struct told told[]; /* by node */
};

/* ---- engine_ask.c ---- */
struct question *question_create(struct engine *e, enum row_ask what);
void question_destroy(struct question *q); /* NULL is accepted */
void question_add(struct question *q, struct slice arg);
/* Asks these nodes (by index; this one answers at once). A question that was asked already is asked anew: what was told is forgotten. */
void question_ask(struct question *q, const bool *nodes);
/* All of them have answered. Asks again those that have not. */
bool question_answered(struct question *q);
uint64_t question_wake_us(const struct question *q);
/* A node whose answer is not waited for any more. */
void question_give_up(struct question *q, uint32_t node);
static inline bool told_well(const struct told *t) { return t->came && t->outcome == ROW_DONE; }
/* The i-th of the slices that were told. */
struct slice told_arg(const struct told *t, uint32_t i);
uint64_t told_u64(struct slice arg, uint32_t i); /* the i-th number in it */
/* Members that can be reached now, this one too: of one DC, or (DCS_MAX) of all. Returns how many members there are. */
uint32_t nodes_to_ask(const struct engine *e, uint32_t dc, bool *ret);

/* What a session waits for while it asks. First in each job. */
struct rows_job {
    struct engine *e;
    bool (*step)(struct session_entry *se); /* true: done, and answered */
    void (*finish)(struct rows_job *j);     /* frees it */
    uint64_t wake_us;                       /* set by step: look again then, if nothing comes */
};
void rows_job_begin(struct engine *e, struct session_entry *se, struct rows_job *j);

/* ---- engine_tell.c ---- */
/* Who votes here, as this node knows it; never 0. */
uint64_t tell_voters(const struct engine *e);
/* This node's answer; slices go to `args`, told->row_told.args is left to the caller. */
void tell(struct engine *e, const struct message *ask, struct message *told, struct buf *args);
/* A row's state, verified; false: damaged. `bytes` may be nothing. */
bool tell_decode(struct engine *e, struct slice bytes, struct row *ret);
/* Rows of hashes from-to, as they stand in memory or else in the store, in no order: about so many, then it ends. Returns the hash up to which all
 * were given. */
uint64_t rows_walk(struct engine *e, uint64_t from, uint64_t to, size_t rows_max,
                   void (*each)(void *arg, uint64_t hash, struct slice key, struct slice row), void *arg);

/* ---- engine_differ.c ---- */
/* Which of the states told are right: the largest number of nodes that tell the same, where it is more than half of those that tell. False: none. */
bool differ_majority(struct engine *e, struct slice key, const struct question *states, uint64_t *ret_term);
/* A map: the row, and for each node what it has and in what it differs from the majority. */
void differ_reply(struct engine *e, struct reply *reply, struct slice key, const struct question *states);
uint64_t differ_term(struct engine *e, struct slice key, const struct told *t); /* of the one row told */
