/* Events and blocks of events: what the log holds and the links carry (DESIGN, section 4).
 *
 * event body:  u64 stamp, u64 previous (checksum of the origin's previous event body, 0 for the first),
 *              varint count of deps, dots in canonical order (the difference to the deps of the origin's previous event; never its own origin),
 *              varint count of changes (>= 1), changes
 *
 * change:      u8 op, slice key, varint count of unseen, dots in canonical order, then by op
 *              PUT     slice content
 *              MERGE   slice delta (delta.h)
 *              ANSWER  slice content (nothing: a tombstone), u8 generation (>= 1), u64 inputs
 *              RECORD  slice content (a hash)
 *
 *              unseen: live siblings that the writer had not seen; for RECORD the siblings that were looked at, two or more
 *
 * block:       u8 version (EVENT_VERSION), origin, varint first number, varint count (>= 1), then for each event: slice body
 *
 * A body is made once, at its origin, and is the same bytes in every log and on every link. An event changes a row once. */
#pragma once
#include "delta.h"
#include "vv.h"

#define EVENT_VERSION   2
#define EVENT_BYTES_MAX (8u * 1024 * 1024)

#define CHANGE_OPS(X)                                                                                                                                \
    X(PUT, 1, "the row's new content")                                                                                                               \
    X(DELETE, 2, "a tombstone")                                                                                                                      \
    X(REAP, 3, "remove what was seen and had expired; no version is added")                                                                          \
    X(MERGE, 4, "operations on cells, of a table that merges")                                                                                       \
    X(ANSWER, 5, "the row's new content, as a handler answered")                                                                                     \
    X(RECORD, 6, "a handler gave no answer for just these siblings: they stay as they are; no version is added. The content, a hash, says why")
enum change_op {
#define X(name, number, doc) CHANGE_##name = number,
    CHANGE_OPS(X)
#undef X
};
const char *change_op_name(enum change_op op);

struct change {
    enum change_op op;
    struct slice key;
    struct slice content;     /* PUT, ANSWER, RECORD; MERGE: the delta */
    const struct dot *unseen; /* unseen_count of them */
    uint32_t unseen_count;
    uint8_t generation; /* ANSWER: one more than the greatest among the siblings that it settles */
    uint64_t inputs;    /* ANSWER: names the siblings, the handlers and their settings that it was made of (conflict/handler.h) */
};

/* One decoded event. Slices borrow from the bytes that it was decoded from; the arrays belong to it and are reused by the next decode. */
struct event {
    struct dot dot;
    stamp_t stamp;
    uint64_t previous;
    uint64_t checksum; /* of its own body */
    struct slice body;
    struct dot *deps;
    uint32_t deps_count, deps_cap;
    struct change *changes;
    uint32_t changes_count, changes_cap;
    struct dot *unseen_pool;
    uint32_t unseen_count, unseen_cap;
    uint32_t *slots; /* room for the search for equal keys */
    uint32_t slots_cap;
    struct delta delta; /* room for the check of a MERGE */
};
void event_finish(struct event *e);
/* The whole body is checked (contents, canonical order, limits) before anything is returned. False: malformed; `e` must not be used. */
bool event_decode(struct event *e, struct dot dot, struct slice body, struct origins *t);
uint64_t event_checksum(struct slice body);

/* ---- writing a body: begin, deps in canonical order, changes, end ---- */
void event_begin(struct buf *out, stamp_t stamp, uint64_t previous, const struct dot *deps, uint32_t deps_count, uint32_t changes_count,
                 const struct origins *t);
void event_change(struct buf *out, const struct change *c, const struct origins *t);

/* ---- blocks ---- */
struct block {
    origin_ref origin;
    uint64_t first;
    uint32_t count;
    struct slice bodies; /* count slices, each with its length */
};
bool block_decode(struct block *ret, struct slice bytes, struct origins *t); /* checks the frame of every body, not the bodies */
/* Header only; the caller appends `count` bodies with buf_slice. */
void block_begin(struct buf *out, origin_ref origin, uint64_t first, uint32_t count, const struct origins *t);
/* The bodies of a block in order: start with `struct reader r = reader_of(block.bodies)`, then read_slice(&r) count times. */
