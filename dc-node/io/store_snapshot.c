/* Pointers, and what is as it was at the end of a flush: snapshots. */
#include "store_parts.h"

#include <stdlib.h>
#include <string.h>

#define KEY_POINTER   'p' /* u64 hash, slice key, slice origin: its value is u64 number, u64 checksum */
#define POINTER_BYTES 16u

/* Both databases at one point: the log's when the flush began, the rows' when it had ended. */
struct store_snapshot {
    const rocksdb_snapshot_t *log, *rows;
    rocksdb_readoptions_t *read_log, *read_rows;
};

/* ---- pointers ---- */
static struct slice pointer_name(struct buf *b, uint64_t hash, struct slice key, struct slice origin) {
    buf_clear(b);
    buf_u8(b, KEY_POINTER);
    put_u64_be(buf_reserve(b, 8), hash);
    b->n += 8;
    buf_slice(b, key);
    buf_slice(b, origin);
    return buf_slice_of(b);
}

void store_batch_drops(rocksdb_writebatch_t *batch, const struct flush *f, struct buf *scratch) {
    struct reader r = reader_of(buf_slice_of(&f->drops));
    while (r.p < r.end) {
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r), origin = read_slice(&r), name = pointer_name(scratch, hash, key, origin);
        rocksdb_writebatch_delete(batch, (const char *)name.p, name.n);
    }
}

void store_batch_pointers(rocksdb_writebatch_t *batch, const struct flush *f, const struct stored_row *row, struct buf *scratch) {
    struct buf origin = {0};
    for (const struct row_touch *t = &row->touch; t; t = t->next) {
        if (t->dot.n == 0 || vv_covers(&f->stable, t->dot)) continue;
        buf_clear(&origin);
        origin_encode(f->origins, t->dot.origin, &origin);
        struct slice name = pointer_name(scratch, row->hash, stored_key(row), buf_slice_of(&origin));
        uint8_t value[POINTER_BYTES];
        put_u64_be(value, t->dot.n);
        put_u64_be(value + 8, hash64_seeded(SLICE(value, 8), hash64(name)));
        rocksdb_writebatch_put(batch, (const char *)name.p, name.n, (const char *)value, sizeof value);
    }
    buf_finish(&origin);
}

static bool pointer_check(struct slice name, struct slice value) {
    if (name.n < 9 || value.n != POINTER_BYTES) return false;
    struct reader r = reader_of(SLICE(name.p + 9, name.n - 9));
    read_slice(&r);
    read_slice(&r);
    return read_done(&r) && get_u64_be(value.p + 8) == hash64_seeded(SLICE(value.p, 8), hash64(name));
}

int store_pointers_scan(struct store *store, struct store_snapshot *of, uint64_t from, uint32_t pointers_max, struct buf *out, uint64_t *ret_next) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_iterator_t *i = rocksdb_create_iterator(s->rows, of ? of->read_rows : s->read_once);
    uint8_t start[9] = {KEY_POINTER};
    put_u64_be(start + 1, from);
    uint64_t latest = 0;
    uint32_t found = 0;
    bool more = false;
    for (rocksdb_iter_seek(i, (const char *)start, sizeof start); rocksdb_iter_valid(i); rocksdb_iter_next(i)) {
        struct slice name, value;
        name.p = (const uint8_t *)rocksdb_iter_key(i, &name.n);
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (name.n < 1 || name.p[0] != KEY_POINTER) break;
        if (!pointer_check(name, value)) {
            int failed = store_damaged(s, "pointers", name);
            rocksdb_iter_destroy(i);
            return failed;
        }
        uint64_t hash = get_u64_be(name.p + 1);
        if (found >= pointers_max && hash != latest) {
            *ret_next = hash;
            more = true;
            break;
        }
        latest = hash;
        buf_u64(out, hash);
        buf_put(out, name.p + 9, name.n - 9);
        buf_u64(out, get_u64_be(value.p));
        found++;
    }
    return iterator_end(s, i, "reading pointers") < 0 ? STORE_FAILED : more;
}

/* ---- snapshots ---- */
void store_snapshot_begin(struct rocks_store *s) {
    struct store_snapshot *of = xcalloc(1, sizeof *of);
    of->log = rocksdb_create_snapshot(s->log);
    s->snapshot_begun = of;
}

void store_snapshot_end(struct rocks_store *s) {
    struct store_snapshot *of = s->snapshot_begun;
    of->rows = rocksdb_create_snapshot(s->rows);
    of->read_log = rocksdb_readoptions_create();
    of->read_rows = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(of->read_log, 0);
    rocksdb_readoptions_set_fill_cache(of->read_rows, 0);
    rocksdb_readoptions_set_snapshot(of->read_log, of->log);
    rocksdb_readoptions_set_snapshot(of->read_rows, of->rows);
    s->snapshot_begun = NULL;
    s->snapshot_made = of;
}

struct store_snapshot *store_snapshot_take(struct store *store) {
    struct rocks_store *s = rocks_store_of(store);
    struct store_snapshot *of = s->snapshot_made;
    s->snapshot_made = NULL;
    return of;
}

void store_snapshot_release(struct store *store, struct store_snapshot *of) {
    struct rocks_store *s = rocks_store_of(store);
    if (of == NULL) return;
    if (of->read_log) rocksdb_readoptions_destroy(of->read_log);
    if (of->read_rows) rocksdb_readoptions_destroy(of->read_rows);
    if (of->log) rocksdb_release_snapshot(s->log, of->log);
    if (of->rows) rocksdb_release_snapshot(s->rows, of->rows);
    free(of);
}

void store_snapshots_close(struct rocks_store *s) {
    store_snapshot_release(&s->base, s->snapshot_begun);
    store_snapshot_release(&s->base, s->snapshot_made);
    s->snapshot_begun = s->snapshot_made = NULL;
}

int store_snapshot_get_row(struct store *store, struct store_snapshot *of, uint64_t hash, struct slice key, struct buf *out) {
    return store_rows_get_with(store, of->read_rows, hash, key, out);
}

int store_snapshot_scan_rows(struct store *store, struct store_snapshot *of, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next) {
    return store_rows_scan_with(store, of->read_rows, from, rows_max, out, ret_next);
}

int store_snapshot_scan_losses(struct store *store, struct store_snapshot *of, struct slice after, uint32_t records_max, struct buf *out) {
    return store_log_scan_losses_with(store, of->read_log, after, records_max, out);
}
