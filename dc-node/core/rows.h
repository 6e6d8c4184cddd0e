/* Rows in memory: those that changed since the last flush (dirty), those being flushed (frozen), and a cache of what was read (clean).
 *
 * A row is never changed in place: a write makes a new one, so that a flush can read the old one on another thread. Buckets lie in order of hash, so
 * that a scan can merge memory with the store. Memory: `cache_bytes_max` for all; clean rows are evicted (second chance) to stay below it. */
#pragma once
#include "store.h"

struct rows {
    struct store *store;
    struct stored_row **buckets;
    uint32_t bits;       /* 2^bits buckets; the bucket is the hash's highest bits */
    uint32_t hand;       /* of the eviction */
    size_t count, bytes; /* all rows held, frozen and superseded ones included */
    size_t dirty_bytes, frozen_bytes;
    struct stored_row **dirty;
    size_t dirty_count, dirty_cap;
    struct flush flush; /* under way when flushing */
    bool flushing;
    size_t cache_bytes_max;
    struct buf scratch;
};

void rows_init(struct rows *r, struct store *store, size_t cache_bytes_max);
void rows_finish(struct rows *r);
/* The row, from memory or from the store; *ret is NULL where there is none. Valid until it is put again or rows_evict(). 0 or STORE_FAILED. */
int rows_get(struct rows *r, uint64_t hash, struct slice key, struct stored_row **ret, int (*load)(void *arg, struct stored_row *row), void *arg);
/* Only from memory; NULL: not here (which says nothing about the store). */
struct stored_row *rows_peek(const struct rows *r, uint64_t hash, struct slice key);
/* A new state of a row; row.n == 0: it is gone. Returns it, for the caller to fill digest, expires_ms, tombstone and live. */
struct stored_row *rows_put(struct rows *r, uint64_t hash, struct slice key, struct slice row);
/* A row just put was changed by this event. */
void rows_touch(struct stored_row *row, struct dot by);
/* All dirty rows become the flush; the caller fills its checkpoint. NULL: one is under way, or nothing is dirty and !even_if_none. */
struct flush *rows_freeze(struct rows *r, bool even_if_none);
void rows_flushed(struct rows *r);
void rows_evict(struct rows *r);
/* Rows held in memory with from <= hash <= to, in order of hash: calls each. */
void rows_each(struct rows *r, uint64_t from, uint64_t to, void (*each)(void *arg, struct stored_row *row), void *arg);
