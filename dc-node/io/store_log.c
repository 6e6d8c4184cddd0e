#include "store_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TRIM_BLOCKS_MAX  65536u             /* per commit: about a tenth of a second; what is left goes with the next commits */
#define BLOCK_TAIL       16u                /* u64 last number, u64 checksum */
#define RECORD_TAIL      8u                 /* u64 checksum */
#define BATCH_KEEP_BYTES (4u * 1024 * 1024) /* a batch that was larger gives its memory back */
#define META_OF_ENGINE   'e'
#define META_OF_STORE    's'

/* ---- the origins in the log ---- */
static void log_key(const struct log_state *l, uint64_t first, struct buf *out) {
    buf_clear(out);
    buf_put(out, l->prefix, l->prefix_n);
    put_u64_be(buf_reserve(out, 8), first);
    out->n += 8;
}

static void log_prefix(struct log_state *l) {
    size_t n = strlen(l->origin.dc) + 1;
    memcpy(l->prefix, l->origin.dc, n);
    l->prefix[n++] = (uint8_t)(l->origin.node >> 8);
    l->prefix[n++] = (uint8_t)l->origin.node;
    put_u64_be(l->prefix + n, l->origin.incarnation);
    l->prefix_n = n + 8;
}

static bool log_key_parse(struct slice key, struct origin *ret, uint64_t *ret_first) {
    const uint8_t *zero = memchr(key.p, 0, key.n);
    if (zero == NULL) return false;
    size_t dc_n = (size_t)(zero - key.p);
    if (dc_n > NAME_LEN_MAX || key.n != dc_n + 1 + 2 + 8 + 8) return false;
    *ret = (struct origin){.node = (uint16_t)(zero[1] << 8 | zero[2]), .incarnation = get_u64_be(zero + 3)};
    memcpy(ret->dc, key.p, dc_n);
    *ret_first = get_u64_be(zero + 11);
    return true;
}

static struct log_state *log_state_find(struct rocks_store *s, const struct origin *o) {
    for (uint32_t n = 0; n < s->logs_count; n++) {
        uint32_t i = (s->logs_latest + n) % s->logs_count;
        const struct origin *have = &s->logs[i].origin;
        if (have->incarnation != o->incarnation || have->node != o->node || strcmp(have->dc, o->dc) != 0) continue;
        s->logs_latest = i;
        return &s->logs[i];
    }
    return NULL;
}

static struct log_state *log_state_add(struct rocks_store *s, const struct origin *o, uint64_t first) {
    if (s->logs_count == s->logs_cap) {
        s->logs_cap = s->logs_cap ? 2 * s->logs_cap : 16;
        s->logs = xrealloc(s->logs, s->logs_cap * sizeof *s->logs);
    }
    struct log_state *l = &s->logs[s->logs_count++];
    *l = (struct log_state){.origin = *o, .lowest = first};
    log_prefix(l);
    return l;
}

/* ---- records with their checksum ---- */
static uint64_t block_checksum(struct slice key, struct slice bytes, uint64_t last) { return hash64_seeded(bytes, hash64(key) ^ last); }

/* The block and its last number, after its checksum was verified. */
static bool block_check(struct slice key, struct slice value, struct slice *ret_bytes, uint64_t *ret_last) {
    if (value.n < BLOCK_TAIL) return false;
    struct reader tail = reader_of(SLICE(value.p + value.n - BLOCK_TAIL, BLOCK_TAIL));
    *ret_bytes = SLICE(value.p, value.n - BLOCK_TAIL);
    *ret_last = read_u64(&tail);
    return read_u64(&tail) == block_checksum(key, *ret_bytes, *ret_last);
}

static uint64_t record_checksum(struct slice name, struct slice value) { return hash64_seeded(value, hash64(name)); }

static bool record_check(struct slice name, struct slice value, struct slice *ret) {
    if (value.n < RECORD_TAIL) return false;
    struct reader tail = reader_of(SLICE(value.p + value.n - RECORD_TAIL, RECORD_TAIL));
    *ret = SLICE(value.p, value.n - RECORD_TAIL);
    return read_u64(&tail) == record_checksum(name, *ret);
}

/* ---- commit ---- */
static void batch_put(struct rocks_store *s, enum log_family family, struct slice key, struct slice value, struct slice tail) {
    const char *keys[] = {(const char *)key.p};
    const char *values[] = {(const char *)value.p, (const char *)tail.p};
    rocksdb_writebatch_putv_cf(s->batch, s->families[family], 1, keys, &key.n, 2, values, (const size_t[]){value.n, tail.n});
}

static void batch_block(struct rocks_store *s, const struct log_block *b, const struct origins *t) {
    assert(b->first >= 1 && b->last >= b->first);
    const struct origin *o = origins_get(t, b->origin);
    struct log_state *l = log_state_find(s, o);
    if (l == NULL) l = log_state_add(s, o, b->first);
    if (l->last == 0) l->lowest = b->first;
    if (b->last > l->last) l->last = b->last;
    log_key(l, b->first, &s->name);
    buf_clear(&s->value);
    buf_u64(&s->value, b->last);
    buf_u64(&s->value, block_checksum(buf_slice_of(&s->name), b->bytes, b->last));
    batch_put(s, FAMILY_LOG, buf_slice_of(&s->name), b->bytes, buf_slice_of(&s->value));
}

static void batch_record(struct rocks_store *s, enum log_family family, struct slice name, struct slice value) {
    if (value.n == 0) {
        rocksdb_writebatch_delete_cf(s->batch, s->families[family], (const char *)name.p, name.n);
        return;
    }
    buf_clear(&s->value);
    buf_u64(&s->value, record_checksum(name, value));
    batch_put(s, family, name, value, buf_slice_of(&s->value));
}

static void batch_meta(struct rocks_store *s, const struct named_record *m) {
    buf_clear(&s->name);
    buf_u8(&s->name, META_OF_ENGINE);
    buf_put(&s->name, m->name.p, m->name.n);
    batch_record(s, FAMILY_META, buf_slice_of(&s->name), m->value);
}

/* Deletes whole blocks up to l->trim_upto, *left at most. */
static int batch_trim(struct rocks_store *s, struct log_state *l, uint32_t *left) {
    rocksdb_iterator_t *i = rocksdb_create_iterator_cf(s->log, s->read_once, s->families[FAMILY_LOG]);
    log_key(l, l->lowest, &s->name);
    rocksdb_iter_seek(i, (const char *)s->name.p, s->name.n);
    for (;; rocksdb_iter_next(i)) {
        struct slice key = {0}, value = {0}, bytes;
        bool ours = rocksdb_iter_valid(i);
        if (ours) {
            key.p = (const uint8_t *)rocksdb_iter_key(i, &key.n);
            ours = key.n == l->prefix_n + 8 && memcmp(key.p, l->prefix, l->prefix_n) == 0;
        }
        if (!ours) {
            /* what this batch itself brings lies above and is kept */
            l->lowest = l->lowest > l->trim_upto ? l->lowest : l->trim_upto + 1;
            l->trim_upto = 0;
            break;
        }
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        uint64_t last;
        if (!block_check(key, value, &bytes, &last)) {
            int failed = store_damaged(s, "log", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        l->lowest = get_u64_be(key.p + l->prefix_n);
        if (last > l->trim_upto) l->trim_upto = 0;
        if (last > l->trim_upto || *left == 0) break;
        rocksdb_writebatch_delete_cf(s->batch, s->families[FAMILY_LOG], (const char *)key.p, key.n);
        l->lowest = last + 1;
        --*left;
    }
    return iterator_end(s, i, "log");
}

static int batch_trims(struct rocks_store *s, const struct commit *c, const struct origins *t) {
    for (size_t n = 0; n < c->trims_count; n++) {
        struct log_state *l = log_state_find(s, origins_get(t, c->trims[n].origin));
        if (l != NULL && c->trims[n].upto >= l->lowest && c->trims[n].upto > l->trim_upto) l->trim_upto = c->trims[n].upto;
    }
    uint32_t left = TRIM_BLOCKS_MAX;
    for (uint32_t n = 0; n < s->logs_count && left > 0; n++)
        if (s->logs[n].trim_upto > 0 && batch_trim(s, &s->logs[n], &left) < 0) return STORE_FAILED;
    return 0;
}

int store_log_commit(struct store *store, const struct commit *c, const struct origins *t, bool sync) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_writebatch_clear(s->batch);
    if (batch_trims(s, c, t) < 0) return STORE_FAILED;
    for (size_t i = 0; i < c->blocks_count; i++) batch_block(s, &c->blocks[i], t);
    for (size_t i = 0; i < c->losses_count; i++) batch_record(s, FAMILY_CONFLICTS, c->losses[i].name, c->losses[i].value);
    for (size_t i = 0; i < c->metas_count; i++) batch_meta(s, &c->metas[i]);
    char *message = NULL;
    rocksdb_write(s->log, sync ? s->write_synced : s->write, s->batch, &message);
    if (message) return store_fail(s, "writing the log", message);
    size_t bytes;
    rocksdb_writebatch_data(s->batch, &bytes);
    if (bytes > BATCH_KEEP_BYTES) {
        rocksdb_writebatch_destroy(s->batch);
        s->batch = rocksdb_writebatch_create();
    }
    return 0;
}

/* ---- reads ---- */
int store_log_survey(struct rocks_store *s) {
    rocksdb_iterator_t *i = rocksdb_create_iterator_cf(s->log, s->read_once, s->families[FAMILY_LOG]);
    rocksdb_iter_seek_to_first(i);
    while (rocksdb_iter_valid(i)) {
        struct slice key, value, bytes;
        struct origin o;
        uint64_t first;
        key.p = (const uint8_t *)rocksdb_iter_key(i, &key.n);
        if (!log_key_parse(key, &o, &first)) {
            int failed = store_damaged(s, "log", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        struct log_state *l = log_state_add(s, &o, first);
        log_key(l, UINT64_MAX, &s->name);
        rocksdb_iter_seek_for_prev(i, (const char *)s->name.p, s->name.n);
        if (!rocksdb_iter_valid(i)) break; /* what lies there cannot be read: its error is told below */
        key.p = (const uint8_t *)rocksdb_iter_key(i, &key.n);
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (!block_check(key, value, &bytes, &l->last)) {
            int failed = store_damaged(s, "log", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        rocksdb_iter_seek(i, (const char *)s->name.p, s->name.n);
    }
    return iterator_end(s, i, "log");
}

int store_log_scan(struct store *store, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    int found = 0;
    for (uint32_t i = 0; i < s->logs_count; i++) {
        const struct log_state *l = &s->logs[i];
        if (l->last < l->lowest) continue; /* all of it was trimmed */
        buf_clear(&s->value);
        buf_slice(&s->value, slice_text(l->origin.dc));
        buf_varint(&s->value, l->origin.node);
        buf_u64(&s->value, l->origin.incarnation);
        buf_slice(out, buf_slice_of(&s->value));
        buf_u64(out, l->lowest);
        buf_u64(out, l->last);
        found++;
    }
    return found;
}

int store_log_read(struct store *store, const struct origin *o, uint64_t from, size_t bytes_max, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    struct log_state *l = log_state_find(s, o);
    if (l == NULL || from < l->lowest || from > l->last) return 0;
    rocksdb_iterator_t *i = rocksdb_create_iterator_cf(s->log, s->read_once, s->families[FAMILY_LOG]);
    log_key(l, from, &s->name);
    rocksdb_iter_seek_for_prev(i, (const char *)s->name.p, s->name.n);
    int found = 0;
    size_t bytes_before = out->n;
    for (; rocksdb_iter_valid(i); rocksdb_iter_next(i)) {
        struct slice key, value, bytes;
        uint64_t last;
        key.p = (const uint8_t *)rocksdb_iter_key(i, &key.n);
        if (key.n != l->prefix_n + 8 || memcmp(key.p, l->prefix, l->prefix_n) != 0) break;
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (!block_check(key, value, &bytes, &last)) {
            int failed = store_damaged(s, "log", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        if (last < from) break; /* a gap holds `from` */
        buf_slice(out, bytes);
        found++;
        if (out->n - bytes_before >= bytes_max) break;
    }
    return iterator_end(s, i, "log") < 0 ? STORE_FAILED : found;
}

static int record_get(struct rocks_store *s, enum log_family family, const char *what, struct slice name, struct buf *out) {
    if (s->failed) return STORE_FAILED;
    char *message = NULL;
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned_cf(s->log, s->read, s->families[family], (const char *)name.p, name.n, &message);
    if (message) return store_fail(s, what, message);
    if (found == NULL) return 0;
    struct slice value, record;
    value.p = (const uint8_t *)rocksdb_pinnableslice_value(found, &value.n);
    bool good = record_check(name, value, &record);
    if (good) buf_put(out, record.p, record.n);
    rocksdb_pinnableslice_destroy(found);
    return good ? 1 : store_damaged(s, what, name);
}

int store_log_get_meta(struct store *store, struct slice name, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    buf_clear(&s->name);
    buf_u8(&s->name, META_OF_ENGINE);
    buf_put(&s->name, name.p, name.n);
    return record_get(s, FAMILY_META, "meta", buf_slice_of(&s->name), out);
}

static struct slice own_name(struct rocks_store *s, const char *name) {
    buf_clear(&s->name);
    buf_u8(&s->name, META_OF_STORE);
    buf_text(&s->name, name);
    return buf_slice_of(&s->name);
}

int store_meta_get_own(struct rocks_store *s, const char *name, struct buf *out) {
    return record_get(s, FAMILY_META, "meta", own_name(s, name), out);
}

char *store_meta_try(struct rocks_store *s, const char *name, struct slice value) {
    rocksdb_writebatch_clear(s->batch);
    batch_record(s, FAMILY_META, own_name(s, name), value);
    char *message = NULL;
    rocksdb_write(s->log, s->write_synced, s->batch, &message);
    return message;
}

int store_meta_put_own(struct rocks_store *s, const char *name, struct slice value) {
    char *message = store_meta_try(s, name, value);
    return message ? store_fail(s, "writing the store's format", message) : 0;
}

int store_log_get_loss(struct store *store, struct slice name, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    return s->failed ? STORE_FAILED : record_get(s, FAMILY_CONFLICTS, "conflicts", name, out);
}

int store_log_scan_losses(struct store *store, struct slice after, uint32_t records_max, struct buf *out) {
    return store_log_scan_losses_with(store, rocks_store_of(store)->read_once, after, records_max, out);
}

int store_log_scan_losses_with(struct store *store, const rocksdb_readoptions_t *how, struct slice after, uint32_t records_max, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_iterator_t *i = rocksdb_create_iterator_cf(s->log, how, s->families[FAMILY_CONFLICTS]);
    rocksdb_iter_seek(i, (const char *)after.p, after.n);
    uint32_t found = 0;
    for (; found < records_max && rocksdb_iter_valid(i); rocksdb_iter_next(i)) {
        struct slice name, value, record;
        name.p = (const uint8_t *)rocksdb_iter_key(i, &name.n);
        if (slice_equal(name, after)) continue;
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (!record_check(name, value, &record)) {
            int failed = store_damaged(s, "conflicts", name);
            rocksdb_iter_destroy(i);
            return failed;
        }
        buf_slice(out, name);
        buf_slice(out, record);
        found++;
    }
    return iterator_end(s, i, "conflicts") < 0 ? STORE_FAILED : (int)found;
}

int store_log_scan_metas(struct store *store, struct slice prefix, struct slice after, size_t bytes_max, struct buf *out) {
    struct rocks_store *s = rocks_store_of(store);
    if (s->failed) return STORE_FAILED;
    rocksdb_iterator_t *i = rocksdb_create_iterator_cf(s->log, s->read_once, s->families[FAMILY_META]);
    struct slice from = after.n ? after : prefix;
    buf_clear(&s->name);
    buf_u8(&s->name, META_OF_ENGINE);
    buf_put(&s->name, from.p, from.n);
    rocksdb_iter_seek(i, (const char *)s->name.p, s->name.n);
    size_t bytes_before = out->n;
    int found = 0;
    for (; rocksdb_iter_valid(i) && (found == 0 || out->n - bytes_before < bytes_max); rocksdb_iter_next(i)) {
        struct slice key, name, value, record;
        key.p = (const uint8_t *)rocksdb_iter_key(i, &key.n);
        value.p = (const uint8_t *)rocksdb_iter_value(i, &value.n);
        if (key.n < 1 + prefix.n || key.p[0] != META_OF_ENGINE || memcmp(key.p + 1, prefix.p, prefix.n) != 0) break;
        name = SLICE(key.p + 1, key.n - 1);
        if (slice_equal(name, after)) continue;
        if (!record_check(key, value, &record)) {
            int failed = store_damaged(s, "meta", key);
            rocksdb_iter_destroy(i);
            return failed;
        }
        buf_slice(out, name);
        buf_slice(out, record);
        found++;
    }
    return iterator_end(s, i, "meta") < 0 ? STORE_FAILED : found;
}
