#include "store.h"

#include "table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct log_record {
    uint64_t first, last;
    struct slice bytes; /* owned */
};
struct log {
    struct log_record *blocks; /* ascending */
    size_t n, cap;
};

/* How to take back one part of a commit that is not durable yet. */
struct undo {
    uint64_t commit;
    enum { UNDO_RECORD, UNDO_BLOCK_ADDED, UNDO_BLOCK_REMOVED } what;
    struct table *table;   /* RECORD */
    struct record *name;   /* RECORD: what to remove or replace; owned */
    struct record *before; /* RECORD: what was there, NULL: nothing; owned */
    origin_ref origin;     /* BLOCK_* */
    struct log_record block;
};

struct store_snapshot {
    struct table rows, pointers, losses;
};

struct sim_store {
    struct store base;
    struct origins *origins; /* the store's own: engines come and go */
    struct log *logs;        /* by ref */
    uint32_t logs_count;
    struct table rows;       /* name: u64 hash, most significant byte first, then the key */
    struct table tombstones; /* name: the key */
    struct table expiries;   /* name: u64 expires_ms, most significant byte first, then the key; entries may be stale */
    struct table pointers;   /* name: as pointer_name() makes it; value: u64 number */
    struct table losses, metas;
    struct buf checkpoint;
    struct buf name; /* scratch */

    bool flushing;
    struct flush_copy {
        struct record **rows;
        struct flush_mark {
            uint64_t expires_ms;
            bool tombstone;
        } * marks;
        size_t n;
        struct record **pointers; /* to be put, n of them */
        size_t pointers_n, pointers_cap;
        struct buf drops, checkpoint;
        struct store_snapshot *snapshot; /* wanted: its journal */
        uint64_t commit;
    } flush;
    struct store_snapshot *made; /* and not yet taken */

    uint64_t commits; /* of which the undo list knows those not yet durable */
    struct undo *undo;
    size_t undo_n, undo_cap;
    uint64_t fail_in; /* 0: never */
    bool fail_applied, failed;
    enum disk_room room;
    uint64_t damaged_in; /* reads; 0: never */
    bool damaged;
};

static struct sim_store *of(struct store *s) { return (struct sim_store *)s; }

/* ---- names of rows and expiries ---- */

static void put_big_endian(struct buf *b, uint64_t v) {
    for (int shift = 56; shift >= 0; shift -= 8) buf_u8(b, (uint8_t)(v >> shift));
}

static uint64_t big_endian(struct slice name) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | name.p[i];
    return v;
}

static struct slice key_after_u64(struct slice name) { return SLICE(name.p + 8, name.n - 8); }

static struct slice numbered_name(struct buf *scratch, uint64_t number, struct slice key) {
    buf_clear(scratch);
    put_big_endian(scratch, number);
    buf_put(scratch, key.p, key.n);
    return buf_slice_of(scratch);
}

/* ---- reads ---- */

static bool finds_damage(struct sim_store *s) {
    if (s->damaged_in > 0 && --s->damaged_in == 0) s->damaged = true;
    if (s->damaged) snprintf(s->base.why, sizeof s->base.why, "simulated: a record is damaged");
    return s->damaged;
}

void sim_store_damage(struct sim_store *s, uint64_t n) { s->damaged_in = n; }

bool sim_store_damaged(const struct sim_store *s) { return s->damaged; }

static int row_in(struct store *base, const struct table *rows, uint64_t hash, struct slice key, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct record *r = table_find(rows, numbered_name(&of(base)->name, hash, key));
    if (!r) return 0;
    buf_put(out, record_value(r).p, record_value(r).n);
    return 1;
}

static int get_row(struct store *base, uint64_t hash, struct slice key, struct buf *out) { return row_in(base, &of(base)->rows, hash, key, out); }

/* Whole hashes at a time, about `max` records; `put` appends one. */
static int scan_hashes(struct store *base, const struct table *t, uint64_t from, uint32_t max, struct buf *out, uint64_t *ret_next,
                       void (*put)(struct buf *out, const struct record *r)) {
    if (finds_damage(of(base))) return STORE_FAILED;
    uint64_t last = from;
    uint32_t count = 0;
    for (size_t at = table_seek(t, numbered_name(&of(base)->name, from, SLICE("", 0))); at < t->n; at++, count++) {
        uint64_t hash = big_endian(record_name(t->records[at]));
        if (count > 0 && count >= max && hash != last) {
            *ret_next = hash;
            return 1;
        }
        buf_u64(out, hash);
        put(out, t->records[at]);
        last = hash;
    }
    return 0;
}

static void put_row(struct buf *out, const struct record *r) {
    buf_slice(out, key_after_u64(record_name(r)));
    buf_slice(out, record_value(r));
}

static int scan_rows(struct store *base, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next) {
    return scan_hashes(base, &of(base)->rows, from, rows_max, out, ret_next, put_row);
}

/* u64 hash, most significant byte first, slice key, slice origin. */
static struct slice pointer_name(struct buf *scratch, uint64_t hash, struct slice key, struct slice origin) {
    buf_clear(scratch);
    put_big_endian(scratch, hash);
    buf_slice(scratch, key);
    buf_slice(scratch, origin);
    return buf_slice_of(scratch);
}

static void put_pointer(struct buf *out, const struct record *r) {
    struct slice name = key_after_u64(record_name(r)), value = record_value(r);
    buf_put(out, name.p, name.n);
    buf_put(out, value.p, value.n);
}

static int scan_pointers(struct store *base, struct store_snapshot *snapshot, uint64_t from, uint32_t pointers_max, struct buf *out,
                         uint64_t *ret_next) {
    return scan_hashes(base, snapshot ? &snapshot->pointers : &of(base)->pointers, from, pointers_max, out, ret_next, put_pointer);
}

static int scan_tombstones(struct store *base, struct slice after, uint32_t keys_max, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct table *t = &of(base)->tombstones;
    int count = 0;
    for (size_t at = table_seek(t, after); at < t->n && (uint32_t)count < keys_max; at++) {
        if (slice_equal(record_name(t->records[at]), after)) continue;
        buf_slice(out, record_name(t->records[at]));
        count++;
    }
    return count;
}

static int scan_expiries(struct store *base, uint64_t after_ms, uint64_t upto_ms, uint32_t keys_max, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct sim_store *s = of(base);
    if (after_ms == UINT64_MAX) return 0;
    int count = 0;
    for (size_t at = table_seek(&s->expiries, numbered_name(&s->name, after_ms + 1, SLICE("", 0))); at < s->expiries.n; at++) {
        struct slice name = record_name(s->expiries.records[at]);
        if (big_endian(name) > upto_ms || (uint32_t)count >= keys_max) break;
        buf_u64(out, big_endian(name));
        buf_slice(out, key_after_u64(name));
        count++;
    }
    return count;
}

static struct log *log_of(struct sim_store *s, const struct origin *o) {
    origin_ref ref = origins_intern(s->origins, o);
    assert(ref != ORIGIN_NONE);
    if (ref >= s->logs_count) {
        s->logs = xrealloc(s->logs, (ref + 1) * sizeof *s->logs);
        memset(s->logs + s->logs_count, 0, (ref + 1 - s->logs_count) * sizeof *s->logs);
        s->logs_count = ref + 1;
    }
    return &s->logs[ref];
}

/* The place of the first block whose last number is >= n. */
static size_t log_seek(const struct log *l, uint64_t n) {
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->blocks[middle].last < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int read_log(struct store *base, const struct origin *o, uint64_t from, size_t bytes_max, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct log *l = log_of(of(base), o);
    size_t at = log_seek(l, from);
    if (at == l->n || l->blocks[at].first > from) return 0;
    int count = 0;
    size_t bytes = 0;
    for (; at < l->n && (count == 0 || bytes + l->blocks[at].bytes.n <= bytes_max); at++, count++) {
        buf_slice(out, l->blocks[at].bytes);
        bytes += l->blocks[at].bytes.n;
    }
    return count;
}

static int by_origin(const void *a, const void *b, void *origins) { return origins_compare(origins, *(const origin_ref *)a, *(const origin_ref *)b); }

static int scan_log(struct store *base, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct sim_store *s = of(base);
    origin_ref *refs = xmalloc((s->logs_count + 1) * sizeof *refs);
    uint32_t count = 0;
    for (origin_ref o = 0; o < s->logs_count; o++)
        if (s->logs[o].n > 0) refs[count++] = o;
    qsort_r(refs, count, sizeof *refs, by_origin, s->origins);
    struct buf name = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct log *l = &s->logs[refs[i]];
        buf_clear(&name);
        origin_encode(s->origins, refs[i], &name);
        buf_slice(out, buf_slice_of(&name));
        buf_u64(out, l->blocks[0].first);
        buf_u64(out, l->blocks[l->n - 1].last);
    }
    buf_finish(&name);
    free(refs);
    return (int)count;
}

static int get_meta(struct store *base, struct slice name, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct record *r = table_find(&of(base)->metas, name);
    if (!r) return 0;
    buf_put(out, record_value(r).p, record_value(r).n);
    return 1;
}

static int get_loss(struct store *base, struct slice name, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct record *r = table_find(&of(base)->losses, name);
    if (!r) return 0;
    buf_put(out, record_value(r).p, record_value(r).n);
    return 1;
}

static int scan_metas(struct store *base, struct slice prefix, struct slice after, size_t bytes_max, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct table *t = &of(base)->metas;
    size_t from = out->n;
    int count = 0;
    for (size_t at = table_seek(t, after.n ? after : prefix); at < t->n && (count == 0 || out->n - from < bytes_max); at++) {
        struct slice name = record_name(t->records[at]);
        if (slice_equal(name, after)) continue;
        if (name.n < prefix.n || memcmp(name.p, prefix.p, prefix.n) != 0) break;
        buf_slice(out, name);
        buf_slice(out, record_value(t->records[at]));
        count++;
    }
    return count;
}

static int losses_in(struct store *base, const struct table *t, struct slice after, uint32_t records_max, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    int count = 0;
    for (size_t at = table_seek(t, after); at < t->n && (uint32_t)count < records_max; at++) {
        if (slice_equal(record_name(t->records[at]), after)) continue;
        buf_slice(out, record_name(t->records[at]));
        buf_slice(out, record_value(t->records[at]));
        count++;
    }
    return count;
}

static int scan_losses(struct store *base, struct slice after, uint32_t records_max, struct buf *out) {
    return losses_in(base, &of(base)->losses, after, records_max, out);
}

static int get_checkpoint(struct store *base, struct buf *out) {
    if (finds_damage(of(base))) return STORE_FAILED;
    struct sim_store *s = of(base);
    buf_put(out, s->checkpoint.p, s->checkpoint.n);
    return s->checkpoint.n > 0;
}

/* ---- commits, and taking them back ---- */

static struct undo *undo_add(struct sim_store *s) {
    if (s->undo_n == s->undo_cap) {
        s->undo_cap = s->undo_cap ? s->undo_cap * 2 : 32;
        s->undo = xrealloc(s->undo, s->undo_cap * sizeof *s->undo);
    }
    struct undo *u = &s->undo[s->undo_n++];
    *u = (struct undo){.commit = s->commits};
    return u;
}

static void undo_free(struct undo *u) {
    free(u->name);
    free(u->before);
    if (u->what == UNDO_BLOCK_REMOVED) free((void *)u->block.bytes.p);
}

/* Commits up to this one are durable: nothing of them will be taken back. */
static void forget_undo(struct sim_store *s, uint64_t upto) {
    size_t gone = 0;
    while (gone < s->undo_n && s->undo[gone].commit <= upto) undo_free(&s->undo[gone++]);
    if (gone > 0) memmove(s->undo, s->undo + gone, (s->undo_n - gone) * sizeof *s->undo);
    s->undo_n -= gone;
}

static void log_insert(struct log *l, struct log_record r) {
    size_t at = log_seek(l, r.first);
    assert(at == l->n || l->blocks[at].first > r.last);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->blocks = xrealloc(l->blocks, l->cap * sizeof *l->blocks);
    }
    memmove(l->blocks + at + 1, l->blocks + at, (l->n - at) * sizeof *l->blocks);
    l->blocks[at] = r;
    l->n++;
}

static struct log_record log_take(struct log *l, size_t at) {
    struct log_record r = l->blocks[at];
    l->n--;
    memmove(l->blocks + at, l->blocks + at + 1, (l->n - at) * sizeof *l->blocks);
    return r;
}

static void remove_block(struct sim_store *s, origin_ref origin, size_t at) {
    struct undo *u = undo_add(s);
    u->what = UNDO_BLOCK_REMOVED;
    u->origin = origin;
    u->block = log_take(&s->logs[origin], at);
}

static void commit_block(struct sim_store *s, const struct log_block *b, const struct origins *t) {
    const struct origin *o = origins_get(t, b->origin);
    assert(b->first >= 1 && b->first <= b->last && b->bytes.n > 0);
    struct log *l = log_of(s, o);
    origin_ref origin = (origin_ref)(l - s->logs);
    for (size_t at = log_seek(l, b->first); at < l->n && l->blocks[at].first <= b->last;) remove_block(s, origin, at);
    uint8_t *bytes = xmalloc(b->bytes.n);
    memcpy(bytes, b->bytes.p, b->bytes.n);
    struct log_record r = {b->first, b->last, SLICE(bytes, b->bytes.n)};
    log_insert(l, r);
    struct undo *u = undo_add(s);
    u->what = UNDO_BLOCK_ADDED;
    u->origin = origin;
    u->block = r;
}

static void commit_trim(struct sim_store *s, const struct log_trim *trim, const struct origins *t) {
    struct log *l = log_of(s, origins_get(t, trim->origin));
    while (l->n > 0 && l->blocks[0].last <= trim->upto) remove_block(s, (origin_ref)(l - s->logs), 0);
}

static void commit_record(struct sim_store *s, struct table *t, const struct named_record *n) {
    struct undo *u = undo_add(s);
    u->what = UNDO_RECORD;
    u->table = t;
    u->name = record_create(n->name, SLICE("", 0));
    u->before = n->value.n > 0 ? table_put(t, record_create(n->name, n->value)) : table_remove(t, n->name);
}

static void apply_commit(struct sim_store *s, const struct commit *c, const struct origins *t) {
    s->commits++;
    for (size_t i = 0; i < c->blocks_count; i++) commit_block(s, &c->blocks[i], t);
    for (size_t i = 0; i < c->losses_count; i++) commit_record(s, &s->losses, &c->losses[i]);
    for (size_t i = 0; i < c->metas_count; i++) commit_record(s, &s->metas, &c->metas[i]);
    for (size_t i = 0; i < c->trims_count; i++) commit_trim(s, &c->trims[i], t);
}

bool sim_store_has_room(const struct sim_store *s, const struct commit *c) {
    return s->room == ROOM_ENOUGH || (s->room == ROOM_LOW && c->blocks_count == 0);
}

static int commit(struct store *base, const struct commit *c, const struct origins *t, bool sync) {
    struct sim_store *s = of(base);
    if (!sim_store_has_room(s, c)) {
        snprintf(base->why, sizeof base->why, "simulated: no space is left on the disk");
        return STORE_FAILED;
    }
    if (s->failed || (s->fail_in > 0 && --s->fail_in == 0)) {
        if (!s->failed && s->fail_applied) apply_commit(s, c, t);
        s->failed = true;
        snprintf(base->why, sizeof base->why, "simulated: the disk refuses commit %llu", (unsigned long long)s->commits);
        return STORE_FAILED;
    }
    apply_commit(s, c, t);
    if (sync) sim_store_sync(s);
    return 0;
}

static void take_back(struct sim_store *s, struct undo *u) {
    if (u->what == UNDO_RECORD) {
        if (u->before)
            free(table_put(u->table, u->before));
        else
            free(table_remove(u->table, record_name(u->name)));
        u->before = NULL;
        undo_free(u);
        return;
    }
    struct log *l = &s->logs[u->origin];
    if (u->what == UNDO_BLOCK_REMOVED) {
        log_insert(l, u->block);
        return;
    }
    size_t at = log_seek(l, u->block.first);
    assert(at < l->n && l->blocks[at].bytes.p == u->block.bytes.p);
    free((void *)log_take(l, at).bytes.p);
}

void sim_store_sync(struct sim_store *s) { forget_undo(s, s->commits); }

uint64_t sim_store_commits(const struct sim_store *s) { return s->commits; }

void sim_store_fail_commits(struct sim_store *s, uint64_t n, bool applied) {
    s->fail_in = n;
    s->fail_applied = applied;
}

void sim_store_fill(struct sim_store *s, enum disk_room room) { s->room = room; }

/* ---- snapshots ---- */

static struct table table_copy(const struct table *t) {
    struct table c = {.records = xmalloc(t->n * sizeof(struct record *) + 1), .n = t->n, .cap = t->n};
    for (size_t i = 0; i < t->n; i++) c.records[i] = record_create(record_name(t->records[i]), record_value(t->records[i]));
    return c;
}

static struct store_snapshot *snapshot_take(struct store *base) {
    struct store_snapshot *made = of(base)->made;
    of(base)->made = NULL;
    return made;
}

static void snapshot_release(struct store *base, struct store_snapshot *snapshot) {
    (void)base;
    if (!snapshot) return;
    sim_table_finish(&snapshot->rows);
    sim_table_finish(&snapshot->pointers);
    sim_table_finish(&snapshot->losses);
    free(snapshot);
}

static int snapshot_get_row(struct store *base, struct store_snapshot *snapshot, uint64_t hash, struct slice key, struct buf *out) {
    return row_in(base, &snapshot->rows, hash, key, out);
}

static int snapshot_scan_rows(struct store *base, struct store_snapshot *snapshot, uint64_t from, uint32_t rows_max, struct buf *out,
                              uint64_t *ret_next) {
    return scan_hashes(base, &snapshot->rows, from, rows_max, out, ret_next, put_row);
}

static int snapshot_scan_losses(struct store *base, struct store_snapshot *snapshot, struct slice after, uint32_t records_max, struct buf *out) {
    return losses_in(base, &snapshot->losses, after, records_max, out);
}

/* ---- flushes ---- */

static int by_name(const void *a, const void *b) {
    const struct stored_row *x = *(struct stored_row *const *)a, *y = *(struct stored_row *const *)b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return slice_compare(stored_key(x), stored_key(y));
}

static void copy_pointers(struct sim_store *s, const struct flush *f, const struct stored_row *r) {
    struct buf origin = {0}, value = {0};
    for (const struct row_touch *t = &r->touch; t; t = t->next) {
        if (t->dot.n == 0 || vv_covers(&f->stable, t->dot)) continue;
        buf_clear(&origin);
        buf_clear(&value);
        origin_encode(f->origins, t->dot.origin, &origin);
        buf_u64(&value, t->dot.n);
        if (s->flush.pointers_n == s->flush.pointers_cap) {
            s->flush.pointers_cap = s->flush.pointers_cap ? s->flush.pointers_cap * 2 : 32;
            s->flush.pointers = xrealloc(s->flush.pointers, s->flush.pointers_cap * sizeof *s->flush.pointers);
        }
        struct slice name = pointer_name(&s->name, r->hash, stored_key(r), buf_slice_of(&origin));
        s->flush.pointers[s->flush.pointers_n++] = record_create(name, buf_slice_of(&value));
    }
    buf_finish(&origin);
    buf_finish(&value);
}

void sim_store_flush_begin(struct sim_store *s, const struct flush *f) {
    assert(!s->flushing);
    assert(f->checkpoint.n > 0);
    s->flushing = true;
    if (f->rows_count > 1) qsort(f->rows, f->rows_count, sizeof(struct stored_row *), by_name);
    s->flush = (struct flush_copy){.n = f->rows_count, .commit = s->commits};
    s->flush.rows = xmalloc(f->rows_count * sizeof(struct record *) + 1);
    s->flush.marks = xcalloc(f->rows_count + 1, sizeof *s->flush.marks);
    for (size_t i = 0; i < f->rows_count; i++) {
        const struct stored_row *r = f->rows[i];
        assert(r->hash == hash64(stored_key(r)));
        s->flush.rows[i] = record_create(numbered_name(&s->name, r->hash, stored_key(r)), stored_value(r));
        s->flush.marks[i].expires_ms = r->row_bytes > 0 ? r->facts.expires_ms : 0;
        s->flush.marks[i].tombstone = r->row_bytes > 0 && r->facts.tombstone;
        copy_pointers(s, f, r);
    }
    buf_put(&s->flush.checkpoint, f->checkpoint.p, f->checkpoint.n);
    buf_put(&s->flush.drops, f->drops.p, f->drops.n);
    if (!f->snapshot) return;
    s->flush.snapshot = xcalloc(1, sizeof *s->flush.snapshot);
    s->flush.snapshot->losses = table_copy(&s->losses);
}

/* Stale entries are told from others by nobody until they are as many as the rows; then the index is thinned out. */
static void thin_out_expiries(struct sim_store *s) {
    if (s->expiries.n < 64 || s->expiries.n < 4 * s->rows.n) return;
    size_t kept = 0;
    for (size_t i = 0; i < s->expiries.n; i++) {
        struct slice key = key_after_u64(record_name(s->expiries.records[i]));
        if (table_find(&s->rows, numbered_name(&s->name, hash64(key), key)))
            s->expiries.records[kept++] = s->expiries.records[i];
        else
            free(s->expiries.records[i]);
    }
    s->expiries.n = kept;
}

static void index_row(struct sim_store *s, struct slice key, const struct flush_mark *m) {
    free(m->tombstone ? table_put(&s->tombstones, record_create(key, SLICE("", 0))) : table_remove(&s->tombstones, key));
    if (m->expires_ms == 0) return;
    struct slice name = numbered_name(&s->name, m->expires_ms, key);
    free(table_put(&s->expiries, record_create(name, SLICE("", 0))));
}

static void flush_free(struct flush_copy *f) {
    free(f->rows);
    free(f->marks);
    free(f->pointers);
    buf_finish(&f->drops);
    buf_finish(&f->checkpoint);
    *f = (struct flush_copy){0};
}

static void flush_pointers(struct sim_store *s) {
    struct reader r = reader_of(buf_slice_of(&s->flush.drops));
    while (r.p < r.end) {
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r), origin = read_slice(&r);
        free(table_remove(&s->pointers, pointer_name(&s->name, hash, key, origin)));
    }
    for (size_t i = 0; i < s->flush.pointers_n; i++) free(table_put(&s->pointers, s->flush.pointers[i]));
}

void sim_store_flush_end(struct sim_store *s) {
    assert(s->flushing);
    forget_undo(s, s->flush.commit);
    for (size_t i = 0; i < s->flush.n; i++) index_row(s, key_after_u64(record_name(s->flush.rows[i])), &s->flush.marks[i]);
    table_merge(&s->rows, s->flush.rows, s->flush.n);
    flush_pointers(s);
    if (s->flush.snapshot) {
        snapshot_release(&s->base, s->made);
        s->made = s->flush.snapshot;
        s->made->rows = table_copy(&s->rows);
        s->made->pointers = table_copy(&s->pointers);
    }
    buf_clear(&s->checkpoint);
    buf_put(&s->checkpoint, s->flush.checkpoint.p, s->flush.checkpoint.n);
    flush_free(&s->flush);
    s->flushing = false;
    thin_out_expiries(s);
}

bool sim_store_flushing(const struct sim_store *s) { return s->flushing; }

static void flush_lose(struct sim_store *s) {
    for (size_t i = 0; i < s->flush.n; i++) free(s->flush.rows[i]);
    for (size_t i = 0; i < s->flush.pointers_n; i++) free(s->flush.pointers[i]);
    snapshot_release(&s->base, s->flush.snapshot);
    flush_free(&s->flush);
    s->flushing = false;
}

uint64_t sim_store_pointer(struct sim_store *s, struct slice key, const struct origin *o) {
    struct buf name = {0}, origin = {0};
    origin_ref ref = origins_intern(s->origins, o);
    uint64_t n = 0;
    if (ref != ORIGIN_NONE) {
        origin_encode(s->origins, ref, &origin);
        struct record *r = table_find(&s->pointers, pointer_name(&name, hash64(key), key, buf_slice_of(&origin)));
        struct reader value = r ? reader_of(record_value(r)) : reader_of(SLICE(NULL, 0));
        n = r ? read_u64(&value) : 0;
    }
    buf_finish(&name);
    buf_finish(&origin);
    return n;
}

/* ---- crashes ---- */

void sim_store_crash(struct sim_store *s, enum crash kind, struct prng *p) {
    s->failed = false;
    s->fail_in = 0;
    if (s->flushing) {
        if (prng_chance(p, 1, 2))
            sim_store_flush_end(s);
        else
            flush_lose(s);
    }
    snapshot_release(&s->base, snapshot_take(&s->base));
    if (kind == CRASH_PROCESS || s->undo_n == 0) return;
    uint64_t durable = s->undo[0].commit - 1;
    uint64_t survives = durable + prng_below(p, s->commits - durable + 1);
    while (s->undo_n > 0 && s->undo[s->undo_n - 1].commit > survives) take_back(s, &s->undo[--s->undo_n]);
    s->commits = survives;
    sim_store_sync(s);
}

/* ---- */

static const struct store_ops ops = {
    .get_row = get_row,
    .scan_rows = scan_rows,
    .scan_tombstones = scan_tombstones,
    .scan_expiries = scan_expiries,
    .read_log = read_log,
    .scan_log = scan_log,
    .get_meta = get_meta,
    .get_loss = get_loss,
    .scan_losses = scan_losses,
    .get_checkpoint = get_checkpoint,
    .scan_metas = scan_metas,
    .scan_pointers = scan_pointers,
    .snapshot_take = snapshot_take,
    .snapshot_release = snapshot_release,
    .snapshot_get_row = snapshot_get_row,
    .snapshot_scan_rows = snapshot_scan_rows,
    .snapshot_scan_losses = snapshot_scan_losses,
    .commit = commit,
};

struct sim_store *sim_store_create(void) {
    struct sim_store *s = xcalloc(1, sizeof *s);
    s->base.ops = &ops;
    s->origins = origins_create();
    return s;
}

struct store *sim_store_base(struct sim_store *s) {
    return &s->base;
}

struct sim_store *sim_store_copy(const struct sim_store *s) {
    struct sim_store *c = sim_store_create();
    for (origin_ref o = 0; o < s->logs_count; o++)
        for (size_t i = 0; i < s->logs[o].n; i++) {
            struct slice from = s->logs[o].blocks[i].bytes;
            uint8_t *bytes = xmalloc(from.n);
            memcpy(bytes, from.p, from.n);
            struct log_record r = {s->logs[o].blocks[i].first, s->logs[o].blocks[i].last, SLICE(bytes, from.n)};
            log_insert(log_of(c, origins_get(s->origins, o)), r);
        }
    c->rows = table_copy(&s->rows);
    c->tombstones = table_copy(&s->tombstones);
    c->expiries = table_copy(&s->expiries);
    c->pointers = table_copy(&s->pointers);
    c->losses = table_copy(&s->losses);
    c->metas = table_copy(&s->metas);
    buf_put(&c->checkpoint, s->checkpoint.p, s->checkpoint.n);
    c->commits = s->commits;
    return c;
}

void sim_store_destroy(struct sim_store *s) {
    if (!s) return;
    if (s->flushing) flush_lose(s);
    sim_store_sync(s);
    free(s->undo);
    for (uint32_t o = 0; o < s->logs_count; o++) {
        for (size_t i = 0; i < s->logs[o].n; i++) free((void *)s->logs[o].blocks[i].bytes.p);
        free(s->logs[o].blocks);
    }
    free(s->logs);
    sim_table_finish(&s->rows);
    sim_table_finish(&s->tombstones);
    sim_table_finish(&s->expiries);
    sim_table_finish(&s->pointers);
    sim_table_finish(&s->losses);
    sim_table_finish(&s->metas);
    snapshot_release(&s->base, s->made);
    buf_finish(&s->checkpoint);
    buf_finish(&s->name);
    origins_destroy(s->origins);
    free(s);
}
