#include "rows.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void forget_touches(struct stored_row *row) {
    while (row->touch.next) {
        struct row_touch *t = row->touch.next;
        row->touch.next = t->next;
        free(t);
    }
    row->touch.dot.n = 0;
}

static void free_row(struct stored_row *row) {
    forget_touches(row);
    free(row);
}

static size_t size_of(const struct stored_row *row) { return sizeof *row + row->key_bytes + row->row_bytes + 16; }
static uint32_t bucket_of(const struct rows *r, uint64_t hash) { return (uint32_t)(hash >> (64 - r->bits)); }

void rows_init(struct rows *r, struct store *store, size_t cache_bytes_max) {
    *r = (struct rows){.store = store, .cache_bytes_max = cache_bytes_max, .bits = 6};
    while (r->bits < 24 && ((size_t)256 << r->bits) < cache_bytes_max) r->bits++;
    r->buckets = xcalloc((size_t)1 << r->bits, sizeof *r->buckets);
}

void rows_finish(struct rows *r) {
    for (size_t i = 0; r->flushing && i < r->flush.rows_count; i++)
        if (r->flush.rows[i]->superseded) free_row(r->flush.rows[i]);
    for (size_t b = 0; b < (size_t)1 << r->bits; b++)
        for (struct stored_row *row = r->buckets[b], *next; row; row = next) {
            next = row->next;
            free_row(row);
        }
    free(r->buckets);
    free(r->dirty);
    free(r->flush.rows);
    buf_finish(&r->flush.checkpoint);
    vv_finish(&r->flush.stable);
    buf_finish(&r->flush.drops);
    buf_finish(&r->scratch);
}

static struct stored_row **place_of(const struct rows *r, uint64_t hash, struct slice key) {
    struct stored_row **at = &r->buckets[bucket_of(r, hash)];
    while (*at && !((*at)->hash == hash && slice_equal(stored_key(*at), key))) at = &(*at)->next;
    return at;
}

struct stored_row *rows_peek(const struct rows *r, uint64_t hash, struct slice key) {
    struct stored_row *row = *place_of(r, hash, key);
    if (row) row->referenced = true;
    return row;
}

static struct stored_row *make(struct rows *r, uint64_t hash, struct slice key, struct slice row) {
    struct stored_row *new = xmalloc(sizeof *new + key.n + row.n);
    *new = (struct stored_row){.hash = hash, .key_bytes = (uint32_t)key.n, .row_bytes = (uint32_t)row.n, .referenced = true};
    memcpy(new->bytes, key.p, key.n);
    if (row.n) memcpy(new->bytes + key.n, row.p, row.n);
    r->count++;
    r->bytes += size_of(new);
    return new;
}

static void release(struct rows *r, struct stored_row *row) {
    assert(!row->dirty || row->superseded);
    r->count--;
    r->bytes -= size_of(row);
    free_row(row);
}

int rows_get(struct rows *r, uint64_t hash, struct slice key, struct stored_row **ret, int (*load)(void *, struct stored_row *), void *arg) {
    struct stored_row *row = rows_peek(r, hash, key);
    if (!row) {
        buf_clear(&r->scratch);
        int found = r->store->ops->get_row(r->store, hash, key, &r->scratch);
        if (found < 0) return STORE_FAILED;
        if (found) {
            row = make(r, hash, key, buf_slice_of(&r->scratch));
            if (load(arg, row) != 0) {
                release(r, row);
                return STORE_FAILED;
            }
            row->tombstone_indexed = row->facts.tombstone;
            row->expires_indexed_ms = row->facts.expires_ms;
            struct stored_row **head = &r->buckets[bucket_of(r, hash)];
            row->next = *head;
            *head = row;
        }
    }
    *ret = row && row->row_bytes ? row : NULL;
    return 0;
}

struct stored_row *rows_put(struct rows *r, uint64_t hash, struct slice key, struct slice row) {
    struct stored_row **at = place_of(r, hash, key), *old = *at;
    struct stored_row *new = make(r, hash, key, row);
    new->dirty = true;
    r->dirty_bytes += size_of(new);
    if (old) {
        new->next = old->next;
        new->tombstone_indexed = old->frozen ? old->facts.tombstone : old->tombstone_indexed;
        new->expires_indexed_ms = old->frozen ? old->facts.expires_ms : old->expires_indexed_ms;
    }
    *at = new;
    if (old && old->dirty && !old->frozen) { /* takes its place among the dirty */
        new->dirty_slot = old->dirty_slot;
        r->dirty[new->dirty_slot] = new;
        r->dirty_bytes -= size_of(old);
        new->touch = old->touch;
        old->touch.next = NULL;
        old->dirty = false;
        release(r, old);
        return new;
    }
    if (old && old->frozen)
        old->superseded = true;
    else if (old)
        release(r, old);
    if (r->dirty_count == r->dirty_cap) {
        r->dirty_cap = r->dirty_cap ? r->dirty_cap * 2 : 64;
        r->dirty = xrealloc(r->dirty, r->dirty_cap * sizeof *r->dirty);
    }
    new->dirty_slot = (uint32_t)r->dirty_count;
    r->dirty[r->dirty_count++] = new;
    return new;
}

void rows_touch(struct stored_row *row, struct dot by) {
    struct row_touch *t = &row->touch;
    while (t->dot.n && t->dot.origin != by.origin && t->next) t = t->next;
    if (t->dot.n && t->dot.origin != by.origin) t = t->next = xcalloc(1, sizeof *t);
    if (t->dot.n < by.n) t->dot = by;
}

struct flush *rows_freeze(struct rows *r, bool even_if_none) {
    if (r->flushing || (!r->dirty_count && !even_if_none)) return NULL;
    for (size_t i = 0; i < r->dirty_count; i++) r->dirty[i]->frozen = true;
    free(r->flush.rows);
    r->flush.rows = r->dirty;
    r->flush.rows_count = r->dirty_count;
    r->dirty = NULL;
    r->dirty_count = r->dirty_cap = 0;
    r->frozen_bytes = r->dirty_bytes;
    r->dirty_bytes = 0;
    r->flushing = true;
    buf_clear(&r->flush.checkpoint);
    buf_clear(&r->flush.drops);
    r->flush.snapshot = false;
    return &r->flush;
}

static void unlink_row(struct rows *r, struct stored_row *row) {
    struct stored_row **at = &r->buckets[bucket_of(r, row->hash)];
    while (*at != row) at = &(*at)->next;
    *at = row->next;
}

void rows_flushed(struct rows *r) {
    assert(r->flushing);
    for (size_t i = 0; i < r->flush.rows_count; i++) {
        struct stored_row *row = r->flush.rows[i];
        row->dirty = row->frozen = false;
        forget_touches(row);
        row->tombstone_indexed = row->facts.tombstone;
        row->expires_indexed_ms = row->facts.expires_ms;
        if (row->superseded) {
            release(r, row);
        } else if (!row->row_bytes) {
            unlink_row(r, row);
            release(r, row);
        }
    }
    free(r->flush.rows);
    r->flush.rows = NULL;
    r->flush.rows_count = 0;
    r->frozen_bytes = 0;
    r->flushing = false;
}

void rows_evict(struct rows *r) {
    size_t busy = r->dirty_bytes + r->frozen_bytes, least = r->cache_bytes_max / 8;
    size_t room = busy + least < r->cache_bytes_max ? r->cache_bytes_max - busy
                                                    : least; /* for clean rows; never so few that a sweep finds next to none */
    size_t buckets = (size_t)1 << r->bits;
    for (size_t swept = 0; r->bytes > busy + room && swept < 2 * buckets; swept++) {
        struct stored_row **at = &r->buckets[r->hand];
        while (*at) {
            struct stored_row *row = *at;
            if (row->dirty || row->referenced) {
                row->referenced = false;
                at = &row->next;
            } else {
                *at = row->next;
                release(r, row);
            }
        }
        r->hand = (uint32_t)((r->hand + 1) & (buckets - 1));
    }
}

static int by_hash(const void *a, const void *b) {
    const struct stored_row *x = *(struct stored_row *const *)a, *y = *(struct stored_row *const *)b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return slice_compare(stored_key(x), stored_key(y));
}

void rows_each(struct rows *r, uint64_t from, uint64_t to, void (*each)(void *, struct stored_row *), void *arg) {
    struct stored_row **found = NULL;
    size_t cap = 0;
    for (uint32_t b = bucket_of(r, from); b <= bucket_of(r, to); b++) {
        size_t n = 0;
        for (struct stored_row *row = r->buckets[b]; row; row = row->next) {
            if (row->hash < from || row->hash > to) continue;
            if (n == cap) found = xrealloc(found, (cap = cap ? cap * 2 : 8) * sizeof *found);
            found[n++] = row;
        }
        if (n > 1) qsort(found, n, sizeof *found, by_hash);
        for (size_t i = 0; i < n; i++) each(arg, found[i]);
    }
    free(found);
}
