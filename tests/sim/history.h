/* What happened in a simulated world: every event that was ever made, what each node has applied, and an independent oracle of the rows.
 *
 * The oracle is DESIGN section 5 in its plainest form and calls nothing of conflict/ but the hash of the digest: a row at a version vector is the set
 * of the versions in it that no change in it covers. Checkers look at the history only, so that a history made by hand tests them. */
#pragma once
#include "../../conflict/row.h"

struct h_event;

struct h_change {
    struct h_event *event;
    uint32_t key;
    enum change_op op;
    struct slice content; /* owned */
    struct dot *unseen;
    uint32_t unseen_count;
    struct h_change *seen; /* what readers saw at its origin just before it was made; NULL: nothing was there */
    bool known;            /* somebody who saw it overwrote it */
    uint32_t journaled;    /* nodes whose journal holds it, a bit each */
};

struct h_event {
    struct dot dot; /* origins are those of the history */
    stamp_t stamp;
    uint64_t checksum, previous;
    struct vv deps; /* whole; without its own origin */
    struct h_change *changes;
    uint32_t changes_count;
    uint32_t node, run;
    uint64_t wall_ms; /* of its node, when it was made */
    uint32_t index;   /* in order of making, which is a causal order */
};

struct h_source {
    struct h_event **events; /* by number - 1 */
    uint64_t n, cap;
    uint32_t node, run;
};

struct h_key {
    struct slice name; /* owned */
    struct h_change **changes;
    uint32_t n, cap;
};

/* A row as the oracle has it at one node: unordered. */
struct h_row {
    struct h_change **v;
    uint32_t n, cap;
    uint64_t digest;
};

struct h_node {
    bool alive;
    uint32_t run;
    struct vv vv;
    uint64_t vv_hash;   /* a sum over its dots */
    uint64_t digest;    /* by the oracle */
    struct h_row *rows; /* by key */
    uint32_t rows_count;
    origin_ref *refs; /* engine's ref -> history's */
    uint32_t refs_count;
    struct vv synced, made, latest; /* what survives a crash of the machine, of the process; what may at most */
    uint64_t wall_ms_greatest;
};

struct h_digest {
    uint64_t vv_hash, digest;
    uint32_t node;
    bool used;
};

struct history {
    struct origins *origins;
    uint64_t clock_bound_ms;
    bool clock_was_off; /* some clock was off by more than half the bound: two of them may have differed by more than the bound */
    struct h_source *sources;
    uint32_t sources_count;
    struct h_event **events;
    uint32_t events_count, events_cap;
    struct h_key *keys;
    uint32_t keys_count, keys_cap;
    uint32_t *keys_index, keys_index_size;
    struct h_node *nodes;
    uint32_t nodes_count;
    struct h_digest *digests;
    uint32_t digests_count, digests_size;
    char failure[2048]; /* empty: nothing is wrong. "I4: ..." */
};

struct history *history_create(uint32_t nodes, uint64_t clock_bound_ms);
void history_destroy(struct history *h); /* NULL is accepted */
/* Keeps the first failure. */
void history_fail(struct history *h, const char *invariant, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline bool history_failed(const struct history *h) { return h->failure[0] != 0; }

uint32_t history_key(struct history *h, struct slice name);
struct h_event *history_event(const struct history *h, struct dot d); /* NULL: never made */
origin_ref history_ref(struct history *h, uint32_t node, const struct origins *t, origin_ref engine_ref);
bool h_covers(const struct h_change *c, struct dot d);
bool h_in(const struct vv *vv, const struct h_change *c);

/* The node runs from now on, with the state of this VV. */
void history_started(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t);
void history_stopped(struct history *h, uint32_t node);
/* A node applies an event: it is recorded when it is its own, looked up when not. NULL: nobody made it, or its content differs (I10 is reported). */
struct h_event *history_applies(struct history *h, uint32_t node, const struct event *e, bool own, const struct origins *t, uint64_t wall_ms);
/* Afterwards: the oracle's rows of that node. */
void history_apply(struct history *h, uint32_t node, struct h_event *e);

/* ---- the oracle ---- */
const struct h_row *history_row(const struct history *h, uint32_t node, uint32_t key);
/* What readers see under lww; NULL: no version at all. */
struct h_change *h_winner(const struct history *h, const struct h_row *row);
uint64_t h_expire_ms(const struct h_row *row); /* 0: never */
/* From the definition, for comparing with the rows kept step by step: is this version in the row at this VV? */
bool history_is_sibling(const struct history *h, const struct vv *vv, const struct h_change *v);
/* Text of a dot, in one of a few static buffers. */
const char *h_dot(const struct history *h, struct dot d);
