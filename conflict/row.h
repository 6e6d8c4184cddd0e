/* Rows: siblings, what a change does to them, what readers see of them (DESIGN, section 5).
 *
 * A row is the set of its live versions ("siblings"), each with its dot and stamp; the version vector of the node does the rest. A sibling goes only
 * when a later change's context covers it; no policy throws anything away. A version without content is a tombstone.
 * After: DottedDB (Goncalves et al., SRDS 2017), dotted version vectors (Preguica et al. 2010). */
#pragma once
#include "../schemas/cluster.h"
#include "../schemas/event.h"

struct version {
    struct dot dot;
    stamp_t stamp;
    struct slice content; /* n == 0: a tombstone */
};

/* In canonical order of dots. Contents are borrowed. */
struct siblings {
    struct version *v;
    uint32_t n, cap;
};
void siblings_finish(struct siblings *s);
bool siblings_live(const struct siblings *s); /* at least one is no tombstone */

/* What a change knew of its row: the deps of its event and its origin's smaller numbers, less the siblings that its writer had not seen. */
struct context {
    const struct vv *deps; /* of the origin, when it made the event; its own component is not looked at */
    struct dot self;
    const struct dot *unseen;
    uint32_t unseen_count;
};
bool context_covers(const struct context *c, struct dot d);

/* Apply one change: siblings that the context covers go; PUT and DELETE add their version. */
void siblings_apply(struct siblings *s, const struct context *c, enum change_op op, stamp_t stamp, struct slice content, const struct origins *t);

/* What readers see: the index of the winner by policy, tombstones competing like any other. s->n >= 1. */
uint32_t policy_winner(enum policy p, const struct siblings *s, const struct origins *t);
/* When the row reads as absent, ms since 1970: of live siblings the longest counts; 0: for ever. */
uint64_t siblings_expire_ms(const struct siblings *s);

/* Bytes of a row on disk and in memory: u8 version, varint count (>= 1), then per sibling: dot, u64 stamp, slice content (empty: tombstone);
 * u64 checksum of all that. Appends. */
void row_encode(const struct siblings *s, const struct origins *t, struct buf *out);
/* Checks checksum and form when `verify`; contents borrow from `bytes`. False: damaged. */
bool row_decode(struct slice bytes, bool verify, struct origins *t, struct siblings *ret);

/* The row's term in the digest: a sum over siblings of hash(key, dot, content); 0 for a row of tombstones alone. */
uint64_t row_digest(struct slice key, const struct siblings *s, const struct origins *t);
