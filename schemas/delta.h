/* What a change does to a row of a table that merges (DESIGN, section 6): operations on cells, the effect of commands, never the commands.
 *
 *   u8 flags (DELTA_CLEAR), u8 type (CONTENT_NONE where the change says nothing of the row's type), varint count, then operations, strictly
 *   ascending by (kind, name); no operation at all only with DELTA_CLEAR:
 *
 *   u8 kind, u8 flags (OP_PUT ..., one at least), slice name (FIELD and MEMBER; else nothing), then for each flag, in this order
 *     OP_PUT    slice value (STRING, FIELD: the register; EXPIRY: u64 ms since 1970, or nothing: for ever; MEMBER: nothing)
 *     OP_COUNT  STRING and FIELD: varint birth (>= 1, <= the event's number), amount total,
 *               varint reset n (0: none; <= the event's number), and where n > 0: amount reset total, dot reset by
 *     OP_RESET  STRING and FIELD: varint count (>= 1), then in canonical order of origins: origin, varint birth, varint n (>= birth), amount total
 *     OP_UNSEEN STRING and FIELD, with OP_PUT: varint count (>= 1), dots in canonical order, all of them among the change's unseen
 *
 * amount: a signed 128-bit number of 10^-17 (counter.h), as two u64, the low one first. Everything has one encoding; another is malformed. */
#pragma once
#include "content.h"
#include "origin.h"
#include "stamp.h"

enum cell_kind {
    CELL_ROW = 0,    /* the whole row, of tables that do not merge; never in a delta */
    CELL_STRING = 1, /* register and counter of a string row; has no name */
    CELL_FIELD = 2,  /* register and counter of a hash column */
    CELL_MEMBER = 3, /* a member of a set */
    CELL_EXPIRY = 4, /* when the row ends; has no name */
};
#define CELL_KINDS 5

enum { DELTA_CLEAR = 1 }; /* every version of the row that the context covers goes */
enum {
    OP_PUT = 1,     /* covered versions of the cell go; a new one comes */
    OP_REMOVE = 2,  /* covered versions of the cell go; never together with OP_PUT */
    OP_COUNT = 4,   /* the origin's running total, after this change */
    OP_RESET = 8,   /* totals seen and taken away: counting starts there again */
    OP_UNSEEN = 16, /* with OP_PUT: which of the change's unseen dots were versions of this cell */
};

__extension__ typedef __int128 amount_t; /* in 10^-17 */

/* The running total of one origin in one counter. */
struct counter {
    origin_ref origin;
    uint64_t birth, n; /* numbers of its first event here and of its latest */
    amount_t total;
    stamp_t stamp;    /* of the latest */
    uint64_t reset_n; /* 0: none */
    amount_t reset_total;
    struct dot reset_by; /* the event that reset it; n == 0: none */
};
/* A total that a change has seen and takes away. */
struct counter_reset {
    origin_ref origin;
    uint64_t birth, n;
    amount_t total;
};

struct delta_op {
    enum cell_kind kind;
    uint8_t flags;
    struct slice name, value;
    struct counter count; /* OP_COUNT; origin, n and stamp are the event's */
    const struct counter_reset *resets;
    uint32_t resets_count;
    const struct dot *unseen; /* OP_UNSEEN */
    uint32_t unseen_count;
};

/* Decoded; slices borrow from the bytes, arrays belong to it and are reused. */
struct delta {
    uint8_t flags;
    enum content_type type;
    struct delta_op *ops;
    uint32_t ops_count, ops_cap;
    struct counter_reset *resets;
    uint32_t resets_count, resets_cap;
    struct dot *unseen;
    uint32_t unseen_count, unseen_cap;
};
#define DELTA_BYTES_MAX (8u * 1024 * 1024) /* more than any content: resets and unseen dots come on top of it */
void delta_finish(struct delta *d);
/* False: malformed. `self` is the event's dot and `stamp` its stamp: they complete OP_COUNT. */
bool delta_decode(struct delta *d, struct slice bytes, struct dot self, stamp_t stamp, struct origins *t);
/* Ops must be in order. Appends. */
void delta_encode(const struct delta *d, const struct origins *t, struct buf *out);
