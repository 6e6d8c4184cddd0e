/* What the engine asks of a store. dc-node/io has it over RocksDB, dc-node/sim in memory with crashes that lose what was not synced.
 *
 * Four kinds of records: `log` (blocks of events, by origin and number), `rows` (by hash and key, with their pointers), `conflicts` (the journal),
 * `meta`.
 * The log makes a write durable; rows are derived from it and follow in flushes. A flush and its checkpoint become visible together or not at all,
 * in order, and need not survive a crash before `flush` says so; whatever else was committed survives a crash of the process, and with
 * `sync` one of the machine.
 * Every call returns 0 or a positive answer, or STORE_FAILED: the disk failed or a record is damaged; the node must stop (store->why says what and
 * where). */
#pragma once
#include "../../schemas/event.h"

#define STORE_FAILED (-1)

/* What follows from a row's siblings. */
struct row_facts {
    uint64_t digest;     /* its term in the digest */
    uint64_t expires_ms; /* 0: never */
    bool tombstone;      /* holds nothing but tombstones: to be found by store_ops.scan_tombstones */
    bool live;           /* has a version that is no tombstone, or a counter that counts */
    bool counts;         /* has counters */
};

/* An event that has changed a row since it was last flushed: of each origin the latest. */
struct row_touch {
    struct dot dot; /* n == 0: none */
    struct row_touch *next;
};

/* A row in memory: immutable once made, so that a flush can read it on another thread. */
struct stored_row {
    uint64_t hash; /* hash64(key): rows are ordered by (hash, key), which makes SCAN stateless */
    struct row_facts facts;
    uint64_t expires_indexed_ms;   /* facts.expires_ms when last flushed: its index entry goes with the next flush if it is another now */
    uint32_t key_bytes, row_bytes; /* row_bytes == 0: there is no such row (any more) */
    bool tombstone_indexed;        /* was a row of tombstones alone when last flushed */
    struct row_touch touch;        /* become its pointers with the flush */
    /* the engine's own marks; a flush does not look at them */
    bool dirty, frozen, superseded, referenced;
    uint32_t dirty_slot;
    struct stored_row *next;
    uint8_t bytes[]; /* key, then row */
};
static inline struct slice stored_key(const struct stored_row *r) { return SLICE(r->bytes, r->key_bytes); }
static inline struct slice stored_value(const struct stored_row *r) { return SLICE(r->bytes + r->key_bytes, r->row_bytes); }

/* All rows that changed since the last flush, and the checkpoint: what the engine needs to know of the state that they make complete.
 *
 * A pointer stands for events that may have left the log: (row, origin) -> the latest number of that origin that changed the row. The store puts one
 * for each touch of a row; but none for what is in `stable`. */
struct flush {
    struct stored_row **rows; /* the store may sort them, by (hash, key) */
    size_t rows_count;
    struct buf checkpoint;
    const struct origins *origins; /* that touches are of */
    struct vv stable;
    struct buf drops; /* pointers that go, before the new ones are put: u64 hash, slice key, slice origin */
    bool snapshot;    /* the state that it makes is wanted, with the journal as committed when it begins (snapshot_take) */
};

struct log_block {
    origin_ref origin;
    uint64_t first, last;
    struct slice bytes; /* a block (schemas/event.h) */
};
struct log_trim {
    origin_ref origin;
    uint64_t upto; /* blocks whose last number is <= upto may go */
};
struct named_record {
    struct slice name, value; /* value.n == 0: remove it */
};
/* One atomic batch. */
struct commit {
    struct log_block *blocks;
    size_t blocks_count;
    struct named_record *losses; /* into `conflicts` */
    size_t losses_count;
    struct named_record *metas;
    size_t metas_count;
    struct log_trim *trims;
    size_t trims_count;
    bool must_sync; /* terms and votes: durable even where writes are not */
};

struct store;
/* Rows, pointers and journal as they were: of one moment, whatever is written later. */
struct store_snapshot;
struct store_ops {
    /* ---- reads: called by the engine inside a step ---- */
    /* Appends the row; 1: found, 0: none. */
    int (*get_row)(struct store *s, uint64_t hash, struct slice key, struct buf *out);
    /* Rows from hash `from` on, whole hashes at a time, at least one if there is any, about rows_max: appends u64 hash, slice key, slice row for
     * each. 1: there may be more, from *ret_next; 0: that was all. */
    int (*scan_rows)(struct store *s, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next);
    /* Keys of rows flushed as tombstone, after key `after` (empty: from the start); appends slices; returns how many. */
    int (*scan_tombstones)(struct store *s, struct slice after, uint32_t keys_max, struct buf *out);
    /* Keys of rows flushed with an expiry in (after_ms, upto_ms]; appends u64 expires_ms, slice key; returns how many. */
    int (*scan_expiries)(struct store *s, uint64_t after_ms, uint64_t upto_ms, uint32_t keys_max, struct buf *out);
    /* Blocks of one origin, the first being the one that holds number `from`, about bytes_max (at least one block if there is any);
     * appends slices; returns how many. 0: number `from` is not in the log. */
    int (*read_log)(struct store *s, const struct origin *o, uint64_t from, size_t bytes_max, struct buf *out);
    /* Each origin in the log: appends slice origin (origin_encode), u64 first, u64 last; returns how many. */
    int (*scan_log)(struct store *s, struct buf *out);
    int (*get_meta)(struct store *s, struct slice name, struct buf *out); /* 1, 0 */
    int (*get_loss)(struct store *s, struct slice name, struct buf *out); /* a journal record; 1, 0 */
    /* Journal records after name `after`: appends slice name, slice record; returns how many. */
    int (*scan_losses)(struct store *s, struct slice after, uint32_t records_max, struct buf *out);
    /* The checkpoint of the last flush that survived; 1, 0. */
    int (*get_checkpoint)(struct store *s, struct buf *out);
    /* Records of meta whose names begin with `prefix`, after name `after` (empty: from the first), at most about bytes_max, at least one if there is
     * any: appends slice name, slice value; returns how many. */
    int (*scan_metas)(struct store *s, struct slice prefix, struct slice after, size_t bytes_max, struct buf *out);
    /* Pointers from hash `from` on, whole hashes at a time, about pointers_max: appends u64 hash, slice key, slice origin, u64 number for each. 1:
     * there may be more, from *ret_next; 0: that was all. `of` NULL: as they are. */
    int (*scan_pointers)(struct store *s, struct store_snapshot *of, uint64_t from, uint32_t pointers_max, struct buf *out, uint64_t *ret_next);

    /* ---- snapshots; all are given back before the store is closed ---- */
    struct store_snapshot *(*snapshot_take)(struct store *s); /* of the latest flush that wanted one; NULL: it was taken */
    void (*snapshot_release)(struct store *s, struct store_snapshot *of);
    int (*snapshot_get_row)(struct store *s, struct store_snapshot *of, uint64_t hash, struct slice key, struct buf *out);
    int (*snapshot_scan_rows)(struct store *s, struct store_snapshot *of, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next);
    int (*snapshot_scan_losses)(struct store *s, struct store_snapshot *of, struct slice after, uint32_t records_max, struct buf *out);

    /* ---- writes: called by the host, from the engine's updates ---- */
    int (*commit)(struct store *s, const struct commit *c, const struct origins *t, bool sync);
};

struct store {
    const struct store_ops *ops;
    char why[512]; /* of the last failure */
    bool damaged;  /* what failed is what was stored: it is not what was written */
    bool broken;   /* what failed is the disk */
};
