#include "disk_room.h"
#include "store_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Keys of the rows database:
 *   'c'                       the checkpoint
 *   'p' u64 hash, ...         a pointer (store_snapshot.c)
 *   'r' u64 hash, key         a row; u64s most significant byte first, so that rows lie in the order of (hash, key)
 *   's' name                  own records of the store
 *   't' key                   a row of tombstones alone
 *   'x' u64 expires_ms, key   a row that expires
 * Values carry their checksum; index entries have none, for RocksDB's own covers their keys. */
#define KEY_CHECKPOINT 'c'
#define KEY_ROW        'r'
#define KEY_OWN        's'
#define KEY_TOMBSTONE  't'
#define KEY_EXPIRY     'x'
#define ROW_TAIL       4u
#define RECORD_TAIL    8u
#define SMALL_BUCKET   32u

static uint32_t row_checksum(uint64_t hash, struct slice row) { return (uint32_t)hash64_seeded(row, hash); }

static bool row_check(uint64_t hash, struct slice value, struct slice *ret_row) {
    if (value.n < ROW_TAIL) return false;
    struct reader tail = reader_of(SLICE(value.p + value.n - ROW_TAIL, ROW_TAIL));
    *ret_row = SLICE(value.p, value.n - ROW_TAIL);
    return read_u32(&tail) == row_checksum(hash, *ret_row);
}

static void key_begin(struct buf *b, char kind) {
    buf_clear(b);
    buf_u8(b, (uint8_t)kind);
}

static void key_number(struct buf *b, uint64_t v) {
    put_u64_be(buf_reserve(b, 8), v);
    b->n += 8;
}

static struct slice key_make(struct buf *b, char kind, uint64_t number, struct slice key) {
    key_begin(b, kind);
    key_number(b, number);
    buf_put(b, key.p, key.n);
    return buf_slice_of(b);
}

/* ---- reads ---- */
static int value_get(struct rocks_store *s, const rocksdb_readoptions_t *how, struct slice key, const char *what, rocksdb_pinnableslice_t **ret) {
    if (s->failed) return STORE_FAILED;
    char *message = NULL;
    *ret = rocksdb_get_pinned(s->rows, how, (const char *)key.p, key.n, &message);
    if (message) return store_fail(s, what, message);
    return *ret ? 1 : 0;
}

int store_rows_get_with(struct store *store, const rocksdb_readoptions_t *how, uint64_t hash, struct slice key, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    struct slice name = key_make(&s->name, KEY_ROW, hash, key), value, row;
    rocksdb_pinnableslice_t *found;
    int have = value_get(s, how, name, "reading a row", &found);
    if (have <= 0) return have;
    value.p = (const uint8_t *)rocksdb_pinnableslice_value(found, &value.n);
    bool good = row_check(hash, value, &row);
    if (good) buf_put(out, row.p, row.n);
    rocksdb_pinnableslice_destroy(found);
    return good ? 1 : store_damaged(s, "rows", key);
}

int store_rows_get(struct store *store, uint64_t hash, struct slice key, struct buf *out) {
    return store_rows_get_with(store, rocks_store_of(store)->read_row, hash, key, out);
}

static int own_record_get(struct rocks_store *s, struct slice name, const char *what, struct buf *out) {
    struct slice value;
    rocksdb_pinnableslice_t *found;
    int have = value_get(s, s->read, name, what, &found);
    if (have <= 0) return have;
    value.p = (const uint8_t *)rocksdb_pinnableslice_value(found, &value.n);
    bool good = value.n >= RECORD_TAIL;
    if (good) {
        struct reader tail = reader_of(SLICE(value.p + value.n - RECORD_TAIL, RECORD_TAIL));
        value.n -= RECORD_TAIL;
        good = read_u64(&tail) == hash64_seeded(value, hash64(name));
    }
    if (good) buf_put(out, value.p, value.n);
    rocksdb_pinnableslice_destroy(found);
    return good ? 1 : store_damaged(s, what, name);
}

int store_rows_get_checkpoint(struct store *store, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    key_begin(&s->name, KEY_CHECKPOINT);
    return own_record_get(s, buf_slice_of(&s->name), "reading the checkpoint", out);
}

/* True: the iterator stands at a key of this kind. */
static bool at_kind(const rocksdb_iterator_t *i, char kind, struct slice *ret_key) {
    if (!rocksdb_iter_valid(i)) return false;
    ret_key->p = (const uint8_t *)rocksdb_iter_key(i, &ret_key->n);
    return ret_key->n >= 1 && ret_key->p[0] == (uint8_t)kind;
}

int store_rows_scan(struct store *store, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next) {
    return store_rows_scan_with(store, rocks_store_of(store)->read_once, from, rows_max, out, ret_next);
}

int store_rows_scan_with(struct store *store, const rocksdb_readoptions_t *how, uint64_t from, uint32_t rows_max, struct buf *out,
                         uint64_t *ret_next) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_iterator_t *i = rocksdb_create_iterator(s->rows, how);
    struct slice start = key_make(&s->name, KEY_ROW, from, SLICE(NULL, 0)), key, value, row;
    uint64_t latest = 0;
    uint32_t found = 0;
    bool more = false;
    for (rocksdb_iter_seek(i, (const char *)start.p, start.n); at_kind(i, KEY_ROW, &key); rocksdb_iter_next(i)) {
        uint64_t hash = key.n >= 9 ? get_u64_be(key.p + 1) : 0;
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (key.n < 9 || !row_check(hash, value, &row)) {
            int failed = store_damaged(s, "rows", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        if (found >= rows_max && hash != latest) {
            *ret_next = hash;
            more = true;
            break;
        }
        latest = hash;
        buf_u64(out, hash);
        buf_slice(out, SLICE(key.p + 9, key.n - 9));
        buf_slice(out, row);
        found++;
    }
    return iterator_end(s, i, "reading rows") < 0 ? STORE_FAILED : more;
}

int store_rows_scan_tombstones(struct store *store, struct slice after, uint32_t keys_max, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_iterator_t *i = rocksdb_create_iterator(s->rows, s->read_once);
    key_begin(&s->name, KEY_TOMBSTONE);
    buf_put(&s->name, after.p, after.n);
    struct slice key;
    uint32_t found = 0;
    rocksdb_iter_seek(i, (const char *)s->name.p, s->name.n);
    for (; found < keys_max && at_kind(i, KEY_TOMBSTONE, &key); rocksdb_iter_next(i)) {
        struct slice name = SLICE(key.p + 1, key.n - 1);
        if (after.n > 0 && slice_equal(name, after)) continue;
        buf_slice(out, name);
        found++;
    }
    return iterator_end(s, i, "reading tombstones") < 0 ? STORE_FAILED : (int)found;
}

int store_rows_scan_expiries(struct store *store, uint64_t after_ms, uint64_t upto_ms, uint32_t keys_max, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    if (after_ms == UINT64_MAX) return 0;
    rocksdb_iterator_t *i = rocksdb_create_iterator(s->rows, s->read_once);
    struct slice start = key_make(&s->name, KEY_EXPIRY, after_ms + 1, SLICE(NULL, 0)), key;
    uint32_t found = 0;
    rocksdb_iter_seek(i, (const char *)start.p, start.n);
    for (; found < keys_max && at_kind(i, KEY_EXPIRY, &key) && key.n >= 9; rocksdb_iter_next(i)) {
        uint64_t expires_ms = get_u64_be(key.p + 1);
        if (expires_ms > upto_ms) break;
        buf_u64(out, expires_ms);
        buf_slice(out, SLICE(key.p + 9, key.n - 9));
        found++;
    }
    return iterator_end(s, i, "reading expiries") < 0 ? STORE_FAILED : (int)found;
}

/* ---- own records ---- */
static struct slice own_name(struct rocks_store *s, const char *name) {
    key_begin(&s->name, KEY_OWN);
    buf_text(&s->name, name);
    return buf_slice_of(&s->name);
}

int store_rows_get_own(struct rocks_store *s, const char *name, struct buf *out) {
    return own_record_get(s, own_name(s, name), "rows' own record", out);
}

static char *rows_flush_now(struct rocks_store *s) {
    char *message = NULL;
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, 1);
    rocksdb_flush(s->rows, o, &message);
    rocksdb_flushoptions_destroy(o);
    return message;
}

int store_rows_put_own(struct rocks_store *s, const char *name, struct slice value) {
    struct slice key = own_name(s, name);
    buf_clear(&s->value);
    buf_put(&s->value, value.p, value.n);
    buf_u64(&s->value, hash64_seeded(value, hash64(key)));
    char *message = NULL;
    rocksdb_put(s->rows, s->write_rows, (const char *)key.p, key.n, (const char *)s->value.p, s->value.n, &message);
    if (!message) message = rows_flush_now(s);
    return message ? store_fail(s, "writing the rows' format", message) : 0;
}

/* ---- flush: rows in order of (hash, key) ---- */
#define BATCH_RECORDS 1000
#define REST_S        15
#define ROW_OVERHEAD  64u /* of its entries, indexes and pointers */
#define ROOM_AGAIN_NS 100000000
#define REST_SHARE    8              /* at rest what was flushed is merged when it is at least this part of all */
#define MARK_BEGUN    "sflush-begun" /* own records, each the number of a flush */
#define MARK_ENDED    "sflush-ended"
#define MARK_LOG      "slog-reach" /* RocksDB's sequence number in the log: it reaches at least as far, or has lost its end */

struct ordered {
    uint64_t hash;
    struct stored_row *row;
};

static int ordered_compare(const void *a, const void *b) {
    const struct ordered *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return slice_compare(stored_key(x->row), stored_key(y->row));
}

static void bucket_sort(struct ordered *v, size_t n) {
    if (n > SMALL_BUCKET) {
        qsort(v, n, sizeof *v, ordered_compare);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct ordered moved = v[i];
        size_t at = i;
        for (; at > 0 && ordered_compare(&v[at - 1], &moved) > 0; at--) v[at] = v[at - 1];
        v[at] = moved;
    }
}

/* Hashes are spread evenly, so one pass by their highest bits leaves buckets of a few rows. */
static void rows_sort(struct flush *f) {
    unsigned bits = 1;
    while (bits < 20 && ((size_t)8 << bits) < f->rows_count) bits++;
    size_t buckets = (size_t)1 << bits;
    uint32_t *begin = xcalloc(buckets + 1, sizeof *begin);
    struct ordered *v = xmalloc((f->rows_count + 1) * sizeof *v);
    for (size_t i = 0; i < f->rows_count; i++) begin[(f->rows[i]->hash >> (64 - bits)) + 1]++;
    for (size_t b = 0; b < buckets; b++) begin[b + 1] += begin[b];
    for (size_t i = 0; i < f->rows_count; i++) v[begin[f->rows[i]->hash >> (64 - bits)]++] = (struct ordered){f->rows[i]->hash, f->rows[i]};
    for (size_t b = 0, from = 0; b < buckets; from = begin[b++]) bucket_sort(v + from, begin[b] - from); /* begin[b] is the bucket's end by now */
    for (size_t i = 0; i < f->rows_count; i++) f->rows[i] = v[i].row;
    free(v);
    free(begin);
}

static void batch_row(rocksdb_writebatch_t *batch, const struct stored_row *r) {
    uint8_t head[9] = {KEY_ROW};
    put_u64_be(head + 1, r->hash);
    const char *keys[] = {(const char *)head, (const char *)r->bytes};
    const size_t key_n[] = {sizeof head, r->key_bytes};
    if (r->row_bytes == 0) {
        rocksdb_writebatch_deletev(batch, 2, keys, key_n);
        return;
    }
    uint32_t checksum = row_checksum(r->hash, stored_value(r));
    const uint8_t tail[ROW_TAIL] = {(uint8_t)checksum, (uint8_t)(checksum >> 8), (uint8_t)(checksum >> 16), (uint8_t)(checksum >> 24)};
    const char *values[] = {(const char *)r->bytes + r->key_bytes, (const char *)tail};
    rocksdb_writebatch_putv(batch, 2, keys, key_n, 2, values, (const size_t[]){r->row_bytes, sizeof tail});
}

static void batch_index(rocksdb_writebatch_t *batch, struct slice entry, bool add) {
    if (add)
        rocksdb_writebatch_put(batch, (const char *)entry.p, entry.n, "", 0);
    else
        rocksdb_writebatch_delete(batch, (const char *)entry.p, entry.n);
}

static void batch_indexes(rocksdb_writebatch_t *batch, const struct stored_row *r, struct buf *entry) {
    bool there = r->row_bytes > 0, tombstone = there && r->facts.tombstone;
    if (tombstone != r->tombstone_indexed) {
        key_begin(entry, KEY_TOMBSTONE);
        buf_put(entry, r->bytes, r->key_bytes);
        batch_index(batch, buf_slice_of(entry), tombstone);
    }
    uint64_t expires_ms = there ? r->facts.expires_ms : 0;
    if (expires_ms == r->expires_indexed_ms) return;
    if (r->expires_indexed_ms) batch_index(batch, key_make(entry, KEY_EXPIRY, r->expires_indexed_ms, stored_key(r)), false);
    if (expires_ms) batch_index(batch, key_make(entry, KEY_EXPIRY, expires_ms, stored_key(r)), true);
}

static void batch_own(rocksdb_writebatch_t *batch, struct slice key, struct slice value, struct buf *scratch) {
    buf_clear(scratch);
    buf_u64(scratch, hash64_seeded(value, hash64(key)));
    const char *values[] = {(const char *)value.p, (const char *)scratch->p};
    rocksdb_writebatch_putv(batch, 1, (const char *[]){(const char *)key.p}, &key.n, 2, values, (const size_t[]){value.n, scratch->n});
}

static void batch_mark(rocksdb_writebatch_t *batch, const char *name, uint64_t number, struct buf *scratch) {
    uint8_t value[8];
    put_u64_be(value, number);
    batch_own(batch, slice_text(name), SLICE(value, sizeof value), scratch);
}

/* Into the memtable of `rows`, which is empty at the start and without limit: nothing of it reaches a file before rows_flush_now(), which writes all
 * of it as one. So small batches are as good as one large, without its copy. RocksDB alone could decide otherwise, when a disk that was full has room
 * again: the marks at both ends tell an opened store whether its latest flush is whole. */
static char *write_rows(struct rocks_store *s, const struct flush *f) {
    char *message = NULL;
    struct buf scratch = {0};
    const char checkpoint_key[] = {KEY_CHECKPOINT};
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    batch_mark(batch, MARK_BEGUN, ++s->flushes, &scratch);
    s->log_marked = rocksdb_get_latest_sequence_number(s->log);
    batch_mark(batch, MARK_LOG, s->log_marked, &scratch);
    store_batch_drops(batch, f, &scratch);
    for (size_t i = 0; i < f->rows_count && !message; i++) {
        batch_row(batch, f->rows[i]);
        batch_indexes(batch, f->rows[i], &scratch);
        store_batch_pointers(batch, f, f->rows[i], &scratch);
        if (rocksdb_writebatch_count(batch) < BATCH_RECORDS) continue;
        rocksdb_write(s->rows, s->write_rows, batch, &message);
        rocksdb_writebatch_clear(batch);
    }
    batch_own(batch, SLICE(checkpoint_key, sizeof checkpoint_key), buf_slice_of(&f->checkpoint), &scratch);
    batch_mark(batch, MARK_ENDED, s->flushes, &scratch);
    if (!message) rocksdb_write(s->rows, s->write_rows, batch, &message);
    rocksdb_writebatch_destroy(batch);
    buf_finish(&scratch);
    return message;
}

static int mark_get(struct rocks_store *s, const char *name, uint64_t *ret) {
    struct buf value = {0};
    int have = own_record_get(s, slice_text(name), "rows' own record", &value);
    *ret = have == 1 && value.n == 8 ? get_u64_be(value.p) : 0;
    buf_finish(&value);
    return have < 0 ? STORE_FAILED : 0;
}

int store_rows_check(struct rocks_store *s) {
    uint64_t begun, ended;
    if (mark_get(s, MARK_BEGUN, &begun) < 0 || mark_get(s, MARK_ENDED, &ended) < 0 || mark_get(s, MARK_LOG, &s->log_marked) < 0) return STORE_FAILED;
    s->flushes = begun;
    if (begun == ended && rocksdb_get_latest_sequence_number(s->log) >= s->log_marked) return 0;
    s->failed = s->base.damaged = true;
    if (begun != ended)
        snprintf(s->base.why, sizeof s->base.why, "%s: rows: flush %llu is not whole", s->dir, (unsigned long long)begun);
    else
        snprintf(s->base.why, sizeof s->base.why, "%s: the log has lost its end: it does not reach as far as its rows know", s->dir);
    return STORE_FAILED;
}

void store_rows_mark_log(struct rocks_store *s) {
    uint64_t reach = rocksdb_get_latest_sequence_number(s->log);
    if (reach == s->log_marked) return;
    uint8_t value[8];
    put_u64_be(value, reach);
    store_rows_put_own(s, &MARK_LOG[1], SLICE(value, sizeof value));
}

/* NULL, or RocksDB's message. */
static char *flush_run(struct rocks_store *s, struct flush *f) {
    rows_sort(f);
    for (size_t i = 0; i < f->rows_count; i++) s->flushed_bytes += f->rows[i]->row_bytes + f->rows[i]->key_bytes;
    char *message = write_rows(s, f);
    if (!message) rocksdb_flush_wal(s->log, 1, &message); /* first the log: rows that become durable never run ahead of it */
    if (!message) message = rows_flush_now(s);
    if (!message && f->snapshot) store_snapshot_end(s);
    return message;
}

/* ---- rest: what was left unmerged for the sake of speed is merged when nothing was written for a while ---- */
static char *merge_eagerly(struct rocks_store *s, bool eager) {
    const char *keys[] = {"level0_file_num_compaction_trigger"}, *values[] = {eager ? "1" : LEVEL0_FILES};
    char *message = NULL;
    if (s->eager == eager) return NULL;
    s->eager = eager;
    rocksdb_set_options(s->rows, 1, keys, values, &message);
    if (!message) rocksdb_set_options_cf(s->log, s->families[FAMILY_LOG], 1, keys, values, &message);
    return message;
}

static char *flush_log(struct rocks_store *s) {
    char *message = NULL;
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, 1);
    for (int i = FAMILY_LOG; i < FAMILIES && !message; i++) rocksdb_flush_cf(s->log, o, s->families[i], &message);
    rocksdb_flushoptions_destroy(o);
    return message;
}

static char *rest(struct rocks_store *s) {
    uint64_t rows_bytes = 0;
    rocksdb_property_int(s->rows, "rocksdb.live-sst-files-size", &rows_bytes);
    if (s->flushed_bytes * REST_SHARE < rows_bytes) return NULL;                                   /* little to win, much to merge */
    if (disk_free_bytes(s->dir) < s->flushed_bytes + rows_bytes + 2 * s->spare_bytes) return NULL; /* merging takes room before it gives some */
    s->flushed_bytes = 0;
    char *message = flush_log(s);
    return message ? message : merge_eagerly(s, true);
}

/* A flush begins when all of it fits on the disk: RocksDB would go on with one that failed in ways of its own. False: the store closes. */
static bool flush_await_room(struct rocks_store *s, const struct flush *f) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->rows_count; i++) bytes += f->rows[i]->row_bytes + f->rows[i]->key_bytes + ROW_OVERHEAD;
    while (disk_free_bytes(s->dir) < bytes + bytes / 4 + 2 * DISK_ROOM_MIN) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += ROOM_AGAIN_NS;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        atomic_store(&s->waits_for_room, true);
        pthread_mutex_lock(&s->lock);
        if (!s->stop) pthread_cond_timedwait(&s->wake, &s->lock, &until);
        bool stop = s->stop;
        pthread_mutex_unlock(&s->lock);
        if (stop) return false;
    }
    atomic_store(&s->waits_for_room, false);
    return true;
}

/* The next flush; NULL: there is none for a while (rest), or the store closes. */
static struct flush *flush_await(struct rocks_store *s) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += REST_S;
    int late = 0;
    while (s->flush == NULL && !s->stop && late == 0)
        late = s->flushed_bytes ? pthread_cond_timedwait(&s->wake, &s->lock, &until) : pthread_cond_wait(&s->wake, &s->lock);
    return s->flush;
}

void *store_rows_flush_thread(void *store) {
    struct rocks_store *s = store;
    pthread_setname_np(pthread_self(), "rows-flush");
    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct flush *f = flush_await(s);
        if (f == NULL && s->stop) break;
        store_done_fn *done = s->done;
        void *arg = s->done_arg;
        pthread_mutex_unlock(&s->lock);
        if (f && !flush_await_room(s, f)) return NULL;
        char *message = merge_eagerly(s, false);
        if (!message) message = f ? flush_run(s, f) : rest(s);
        if (message) snprintf(s->flush_why, sizeof s->flush_why, "%s: %s: %s", s->dir, f ? "flushing rows" : "merging at rest", message);
        pthread_mutex_lock(&s->lock);
        if (f) s->flush = NULL;
        pthread_mutex_unlock(&s->lock);
        if (f) done(arg, message == NULL ? 0 : tells_damage(message) ? STORE_DAMAGED : STORE_FAILED, s->flush_why);
        rocksdb_free(message);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
