/* The checkers of the invariants (FAULTS, part 2). Each looks at a history and reports what is broken with history_fail(). */
#pragma once
#include "../../conflict/journal.h"
#include "../core/store.h"
#include "history.h"
#include "linear.h"

/* ---- check_dots.c: I4 causality, I8 exactly once, I10 identity; just before the event counts at the node ---- */
void check_applies(struct history *h, uint32_t node, const struct h_event *e);
/* For an event just made: its deps are what its node has applied. */
void check_deps(struct history *h, const struct h_event *e);

/* ---- check_clocks.c: I11; for an event just made ---- */
void check_stamp(struct history *h, const struct h_event *e);
/* The node's clock shows this, and the true time is that. */
void check_clock_shows(struct history *h, uint32_t node, uint64_t wall_ms, uint64_t true_ms);

/* ---- check_convergence.c: I1, and the oracle; after every step ---- */
void check_state(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t, uint64_t digest);
void check_converged(struct history *h); /* at rest: all nodes run and have one VV */

/* ---- check_recovery.c: persist comes first, so what was committed is there after a crash ---- */
enum durability { DURABLE_SYNCED, DURABLE_MADE, DURABLE_MAYBE };
/* What the node has applied so far was committed. */
void check_committed(struct history *h, uint32_t node, enum durability how);
void check_crashed(struct history *h, uint32_t node, bool machine);
/* After history_started(). */
void check_recovered(struct history *h, uint32_t node);

/* ---- check_log.c: I12; when it is to be committed ---- */
struct pointers { /* what a node's store has: is there one of that origin, with that number or a later one? */
    bool (*points)(void *arg, struct slice key, const struct origin *o, uint64_t n);
    void *arg;
};
void check_trimmed(struct history *h, uint32_t node, const struct log_trim *trim, const struct origins *t, const struct pointers *p);

/* ---- check_bounds.c: I16 ---- */
void check_memory(struct history *h, uint32_t node, uint64_t bytes, uint64_t bytes_max);

/* ---- check_writes.c: I2 no lost write, I3 none from a failed one, I8 counters; at rest ---- */
enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_UNKNOWN };
void check_journaled(struct history *h, uint32_t node, const struct loss *l, const struct origins *t);
void check_accounted(struct history *h);
/* A write of a unique value, looked for from that change of the key on; returns its event, NULL: none. `promised`: what was acknowledged must be
 * there. */
struct h_event *check_write(struct history *h, uint32_t key, uint32_t from, struct slice value, enum outcome outcome, bool promised);
/* WAIT said that so many other nodes have it on disk. */
void check_replicas(struct history *h, const struct h_event *e, uint64_t replicas);
void check_counter(struct history *h, struct slice key, uint64_t ok, uint64_t unknown, bool promised);

/* ---- check_episodes.c: I7; at rest ---- */
struct h_episodes *h_episodes_now(struct history *h);
void h_episodes_free(struct h_episodes *s);
/* One that a node's journal has. */
void check_episode(struct history *h, struct h_episodes *s, uint32_t node, const struct episode *ep, const struct origins *t);
/* All that it has were told. */
void check_episodes_complete(struct history *h, const struct h_episodes *s, uint32_t node);

/* ---- check_handlers.c: I15; at rest ---- */
/* Every row is settled, or was recorded, where all nodes have handlers. */
void check_answers(struct history *h, bool all_have_handlers);

/* ---- check_leaders.c: I13 leadership, and of I14 that a new leader has what was acknowledged ---- */
/* It has said so in a message: in this term; that it votes for that node (itself: that it is a candidate). */
void check_term(struct history *h, uint32_t node, uint64_t term, uint64_t now_us); /* what leaves at one moment is in no order */
void check_vote(struct history *h, uint32_t node, uint64_t term, uint32_t candidate, uint64_t now_us);
/* After a step: it leads in this term, and takes writes. */
void check_leads(struct history *h, uint32_t node, uint64_t term);
/* A client was told that a majority of the event's DC has it; `term` of its leader, then or later. */
void check_majority(struct history *h, struct h_event *e, uint64_t term);

/* ---- check_linear.c: I14 ---- */
/* What clients did with one row, by linearizable reads and `majority` writes of one DC. False: the search was given up. */
bool check_linear(struct history *h, struct slice key, struct linear_op *ops, uint32_t count);
/* What quorum reads of the row were answered: each with what a majority had acknowledged before it, or with something later; of two the second may be
 * the older one. `ops` as above, `reads` LINEAR_READ all. */
void check_quorum_reads(struct history *h, struct slice key, const struct linear_op *ops, uint32_t count, const struct linear_op *reads, uint32_t n);
/* At rest: readers see no version that did not know of a write that was acknowledged by a majority. Of rows that one DC alone writes. */
void check_not_beaten(struct history *h, uint32_t key);

/* ---- check_reads.c: I3 no phantom, I5 atomic visibility, I6 no resurrected delete ---- */
struct h_read {
    uint32_t node, key;
    struct vv vv;                  /* of the node when it read */
    struct buf expected;           /* what the oracle shows then, for ever; n == 0: nothing */
    const struct h_change *winner; /* whose version that is; NULL: of a merged row, or nothing */
    uint64_t expires_ms, wall_ms;  /* of the row then, 0: never; the latest that its clock, or where one was off any clock, has shown */
    struct slice content;          /* what was read, for ever; n == 0: nothing */
};
/* Replaces what *ret holds. */
void h_read_now(const struct history *h, uint32_t node, uint32_t key, uint64_t wall_ms, struct h_read *ret);
void h_read_finish(struct h_read *r);
void check_read(struct history *h, const struct h_read *r);
/* The rows of a node: how many have a live version, how many readers see, and the sum of the hashes of these keys. */
struct h_keys {
    uint64_t live, count, sum;
};
struct h_keys h_keys_now(const struct history *h, uint32_t node);
/* `sum` NULL: it is the count of rows that live, readers see them or not. */
void check_keys(struct history *h, uint32_t node, const struct h_keys *expected, uint64_t count, const uint64_t *sum);
/* Rows that are only ever written together, with one value: what one transaction read of them. n == 0: absent. */
void check_group_read(struct history *h, uint32_t node, const struct slice *values, uint32_t count);
