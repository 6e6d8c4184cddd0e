/* How the rows of a transfer come to count: all at once, for readers, for messages and after any crash (ARCHITECTURE.md, "Transfers").
 *
 * When all are staged, one commit says that they count. From then on the node takes no requests and no events, and joins the staged rows with its own
 * in steps; flushes that end meanwhile keep the old VV, and the place that was reached. The last flush has the new VV. With it the node goes on. */
#include "engine_transfer.h"

#define STEP_BYTES (512u * 1024)
#define STEP_ROWS  512u

/* ---- what the sender knew of origins ---- */

bool fold_sources(struct engine *e) {
    struct transfer *t = e->transfer;
    struct reader r = reader_of(buf_slice_of(&t->sources));
    for (uint32_t i = 0; i < t->news_count; i++) vv_finish(&t->news[i].latest.deps);
    t->news_count = 0;
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
        struct source_news news = {.origin = origin_decode(&r, e->origins)};
        news.latest.checksum = read_u64(&r);
        news.latest.stamp = read_u64(&r);
        vv_decode(&r, e->origins, &news.latest.deps);
        if (r.bad || vv_get(&t->vv, news.origin) <= vv_get(&e->vv, news.origin)) {
            vv_finish(&news.latest.deps);
            continue;
        }
        GROW(t->news, t->news_count, t->news_cap);
        t->news[t->news_count++] = news;
    }
    return read_done(&r);
}

static void find_joined(struct engine *e) {
    struct transfer *t = e->transfer;
    vv_copy(&t->joined, &e->vv);
    if (!bug(e, BUG_TRANSFER_OF_ONE))
        vv_join(&t->joined, &t->vv);
    else if (t->news_count)
        vv_raise(&t->joined, t->news[0].origin, vv_get(&t->vv, t->news[0].origin));
}

void fold_begin(struct engine *e) {
    struct transfer *t = e->transfer;
    if (!fold_sources(e)) engine_fail(e, "the origins of a transfer are malformed");
    find_joined(e);
    t->state = TRANSFER_FOLDING;
    t->fold = FOLD_ROWS;
    buf_clear(&t->fold_after);
    t->fold_hash = t->merged_hash = 0;
    t->merged_fold = FOLD_ROWS;
    buf_clear(&t->merged_after);
    e->digest_before = e->digest;
    e->folding = true;
    t->changed = true;
    if (e->observer.joining) e->observer.joining(e->observer.arg, &t->joined);
}

/* ---- rows ---- */

static void join_row(struct engine *e, struct slice key, const struct row *theirs, struct reader *pointers, struct slice records, bool journal) {
    struct transfer *t = e->transfer;
    uint64_t hash = hash64(key);
    struct stored_row *old = engine_get_row(e, hash, key);
    if (e->updates.fatal || !engine_read_row(e, key, NULL)) return;
    row_join(&e->row, &e->vv, theirs, &t->vv, &e->row_after, e->origins);
    if (journal) journal_join(e, key, &e->row, &e->row_after, records);
    bool open = rules_of(e->rules, key)->policy == POLICY_HANDLER && row_open(&e->row_after);
    struct stored_row *row = engine_put_row(e, hash, key, old, &e->row_after, NULL);
    for (uint64_t n = pointers ? read_varint(pointers) : 0; n > 0 && !pointers->bad; n--) {
        struct dot d = {.origin = origin_decode(pointers, e->origins)};
        d.n = read_varint(pointers);
        if (pointers->bad || vv_covers(&e->vv, d)) continue; /* the own pointers say as much, or more */
        if (!bug(e, BUG_POINTERS_STAY)) rows_touch(row, d);
    }
    if (open) handlers_consider(e, key);
    if (engine_is_definition(key)) rules_follow(e, key);
}

void fold_row(struct engine *e, struct slice key, struct slice staged, bool journal) {
    struct transfer *t = e->transfer;
    struct reader r = reader_of(staged);
    struct slice row = read_slice(&r);
    row_clear(&t->theirs);
    if (row.n && !row_decode(row, true, e->origins, &t->theirs)) {
        engine_fail(e, "a staged row of a transfer is damaged");
        return;
    }
    struct reader pointers = r;
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
        origin_decode(&r, e->origins);
        read_varint(&r);
    }
    read_varint(&r); /* count of the records */
    join_row(e, key, &t->theirs, &pointers, SLICE(r.p, (size_t)(r.end - r.p)), journal);
}

static bool memory_is_full(const struct engine *e) {
    return e->rows.flushing && e->rows.dirty_bytes + e->rows.frozen_bytes > e->rows.cache_bytes_max;
}

static void fold_staged(struct engine *e) {
    struct transfer *t = e->transfer;
    struct buf page = {0};
    size_t head = strlen(TRANSFER_ROW_PREFIX) + 8;
    int n = e->store->ops->scan_metas(e->store, slice_text(TRANSFER_ROW_PREFIX), buf_slice_of(&t->fold_after), STEP_BYTES, &page);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&page));
    for (int i = 0; i < n && !e->updates.fatal; i++) {
        struct slice name = read_slice(&r), staged = read_slice(&r);
        bool merged = t->merged_fold > FOLD_ROWS || slice_compare(name, buf_slice_of(&t->merged_after)) <= 0;
        fold_row(e, SLICE(name.p + head, name.n - head), staged, !merged);
        buf_clear(&t->fold_after);
        buf_put(&t->fold_after, name.p, name.n);
    }
    if (n == 0) t->fold = t->full ? FOLD_OTHERS : FOLD_DONE;
    buf_finish(&page);
}

/* ---- rows that did not come: in a full transfer they are joined with absence ---- */

static bool is_staged(struct engine *e, uint64_t hash, struct slice key) {
    struct buf name = {0}, value = {0};
    buf_text(&name, TRANSFER_ROW_PREFIX);
    for (int shift = 56; shift >= 0; shift -= 8) buf_u8(&name, (uint8_t)(hash >> shift));
    buf_put(&name, key.p, key.n);
    int there = e->store->ops->get_meta(e->store, buf_slice_of(&name), &value);
    if (there < 0) engine_fail(e, "%s", e->store->why);
    buf_finish(&name);
    buf_finish(&value);
    return there != 0;
}

static void note_key(void *keys, struct stored_row *row) {
    if (!row->row_bytes) return;
    buf_u64(keys, row->hash);
    buf_slice(keys, stored_key(row));
}

static void fold_others(struct engine *e) {
    struct transfer *t = e->transfer;
    struct buf page = {0}, keys = {0};
    uint64_t next = 0, from = t->fold_hash;
    int more = e->store->ops->scan_rows(e->store, from, STEP_ROWS, &page, &next);
    if (more < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&page));
    while (r.p < r.end) {
        buf_u64(&keys, read_u64(&r));
        buf_slice(&keys, read_slice(&r));
        read_slice(&r);
    }
    rows_each(&e->rows, from, more > 0 ? next - 1 : UINT64_MAX, note_key, &keys);
    struct row nothing = {0};
    r = reader_of(buf_slice_of(&keys));
    while (r.p < r.end && !e->updates.fatal) {
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r);
        bool merged = hash < t->merged_hash;
        if (engine_get_row(e, hash, key) && !is_staged(e, hash, key)) join_row(e, key, &nothing, NULL, SLICE(NULL, 0), !merged);
    }
    t->fold_hash = next;
    if (more <= 0) t->fold = FOLD_DONE;
    buf_finish(&page);
    buf_finish(&keys);
}

/* ---- one step after the other ---- */

static bool is_beyond_merged(const struct transfer *t) {
    if (t->fold != t->merged_fold) return t->fold > t->merged_fold;
    return t->fold == FOLD_ROWS ? slice_compare(buf_slice_of(&t->fold_after), buf_slice_of(&t->merged_after)) > 0 : t->fold_hash > t->merged_hash;
}

void fold_step(struct engine *e) {
    struct transfer *t = e->transfer;
    if (t->fold == FOLD_DONE || memory_is_full(e)) return;
    if (t->fold == FOLD_ROWS)
        fold_staged(e);
    else
        fold_others(e);
    if (is_beyond_merged(t)) {
        t->merged_fold = (uint8_t)t->fold;
        buf_clear(&t->merged_after);
        buf_put(&t->merged_after, t->fold_after.p, t->fold_after.n);
        t->merged_hash = t->fold_hash;
        t->changed = true;
    }
    if (t->fold != FOLD_DONE) return;
    if (t->full) vv_join(&e->pointer_floor, &t->floor);
    e->flush_wanted = true;
}

void transfer_freeze(struct engine *e, struct flush *f) {
    struct transfer *t = e->transfer;
    t->flushing = e->folding && t->fold == FOLD_DONE;
    serve_freeze(e, f);
}

static void follow_vv(struct engine *e) {
    struct transfer *t = e->transfer;
    for (uint32_t i = 0; i < t->news_count; i++) {
        struct source *src = engine_source(e, t->news[i].origin);
        if (!vv_covers(&t->joined, (struct dot){t->news[i].origin, vv_get(&t->vv, t->news[i].origin)})) continue;
        src->checksum = t->news[i].latest.checksum;
        src->stamp = t->news[i].latest.stamp;
        vv_copy(&src->deps, &t->news[i].latest.deps);
        engine_note_moved(e, t->news[i].origin, src);
        vv_raise(&e->resumed, t->news[i].origin, vv_get(&t->vv, t->news[i].origin));
        vv_raise(&e->tail.base, t->news[i].origin, vv_get(&t->vv, t->news[i].origin)); /* they are in no block here */
        engine_note_stamp(e, src->stamp);
    }
    vv_copy(&e->vv, &t->joined);
}

void fold_finish(struct engine *e) {
    e->folding = false;
    e->transfer->flushing = false;
    follow_vv(e);
    links_begin_anew(e);
    transfer_clear(e, false);
    handlers_sweep(e);
    if (e->observer.joined) e->observer.joined(e->observer.arg);
    engine_apply_waiting(e);
}
