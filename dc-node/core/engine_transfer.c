/* Taking a transfer: asking for rows, and staging them until all are there (ARCHITECTURE.md, "Transfers"). */
#include "engine_transfer.h"
#include <stdio.h>

#define ASK_RETRY_US     1000000u
#define SENDER_LOST_US   15000000u /* nothing came for so long: another sender will do */
#define CLEAR_BYTES      (1024u * 1024)
#define WINDOW_BYTES_ASK (4u * 1024 * 1024)

/* ---- what is to be committed ---- */

void transfer_put(struct engine *e, struct slice name, struct slice value) {
    struct transfer *t = e->transfer;
    if (t->puts_given) {
        t->puts_given = false;
        t->puts_count = 0;
        buf_clear(&t->put_bytes);
    }
    GROW(t->puts, t->puts_count, t->puts_cap);
    struct record_put *p = &t->puts[t->puts_count++];
    *p = (struct record_put){t->put_bytes.n, name.n, t->put_bytes.n + name.n, value.n};
    buf_put(&t->put_bytes, name.p, name.n);
    buf_put(&t->put_bytes, value.p, value.n);
}

/* u8 state, slice name of the peer, u64 id, u64 snapshot, u8 phase, slice from, u8 full, vv, u64 staged_upto, vv staged, u64 rows, u64 bytes, u8
 * again, slice sources, vv floor, vv joined, u64 digest before, u8 merged fold, slice merged after, u64 merged hash. */
static void put_state(struct engine *e) {
    struct transfer *t = e->transfer;
    struct buf b = {0};
    buf_u8(&b, (uint8_t)t->state);
    buf_slice(&b, slice_text(e->cluster->nodes[t->peer].name));
    buf_u64(&b, t->id);
    buf_u64(&b, t->snapshot);
    buf_u8(&b, t->phase);
    buf_slice(&b, buf_slice_of(&t->from));
    buf_u8(&b, t->full);
    vv_encode(&t->vv, e->origins, &b);
    buf_u64(&b, t->staged_upto);
    vv_encode(&t->staged_vv, e->origins, &b);
    buf_u64(&b, t->rows);
    buf_u64(&b, t->bytes);
    buf_u8(&b, t->again);
    buf_slice(&b, buf_slice_of(&t->sources));
    vv_encode(&t->floor, e->origins, &b);
    vv_encode(&t->joined, e->origins, &b);
    buf_u64(&b, e->digest_before);
    buf_u8(&b, t->merged_fold);
    buf_slice(&b, buf_slice_of(&t->merged_after));
    buf_u64(&b, t->merged_hash);
    transfer_put(e, slice_text(TRANSFER_NAME), t->state == TRANSFER_NONE ? SLICE(NULL, 0) : buf_slice_of(&b));
    buf_finish(&b);
}

static bool read_state(struct engine *e, struct slice bytes) {
    struct transfer *t = e->transfer;
    struct reader r = reader_of(bytes);
    uint8_t state = read_u8(&r);
    int peer = cluster_find(e->cluster, read_slice(&r));
    t->id = read_u64(&r);
    t->snapshot = read_u64(&r);
    t->phase = read_u8(&r);
    struct slice from = read_slice(&r);
    t->full = read_u8(&r);
    vv_decode(&r, e->origins, &t->vv);
    t->staged_upto = read_u64(&r);
    vv_decode(&r, e->origins, &t->staged_vv);
    t->rows = read_u64(&r);
    t->bytes = read_u64(&r);
    t->again = read_u8(&r);
    struct slice sources = read_slice(&r);
    vv_decode(&r, e->origins, &t->floor);
    vv_decode(&r, e->origins, &t->joined);
    e->digest_before = read_u64(&r);
    t->merged_fold = read_u8(&r);
    struct slice merged = read_slice(&r);
    t->merged_hash = read_u64(&r);
    if (!read_done(&r) || state > TRANSFER_CLEARING) return false;
    buf_put(&t->from, from.p, from.n);
    buf_put(&t->sources, sources.p, sources.n);
    buf_put(&t->merged_after, merged.p, merged.n);
    t->state = (enum transfer_state)state;
    t->peer = peer < 0 ? e->self : (uint32_t)peer;
    return true;
}

void transfer_records(struct engine *e, struct commit *c) {
    struct transfer *t = e->transfer;
    if (e->room != ROOM_ENOUGH) return;
    if (t->changed) put_state(e);
    t->changed = false;
    if (t->puts_given || !t->puts_count) return;
    size_t n = c->metas_count + t->puts_count;
    if (n > t->metas_cap) t->metas = xrealloc(t->metas, (t->metas_cap = n * 2) * sizeof *t->metas);
    if (c->metas_count) memcpy(t->metas, c->metas, c->metas_count * sizeof *t->metas);
    for (size_t i = 0; i < t->puts_count; i++) {
        const struct record_put *p = &t->puts[i];
        t->metas[c->metas_count + i] = (struct named_record){SLICE(t->put_bytes.p + p->name_at, p->name_n),
                                                             SLICE(t->put_bytes.p + p->value_at, p->value_n)};
    }
    c->metas = t->metas;
    c->metas_count = n;
    t->puts_given = true;
}

/* ---- its life ---- */

void transfer_init(struct engine *e) { e->transfer = xcalloc(1, sizeof *e->transfer); }

void transfer_create(struct engine *e) {
    struct transfer *t = e->transfer;
    buf_clear(&e->text);
    int there = e->store->ops->get_meta(e->store, slice_text(TRANSFER_NAME), &e->text);
    if (there < 0) engine_fail(e, "%s", e->store->why);
    if (there <= 0) return;
    if (!read_state(e, buf_slice_of(&e->text)) || (t->state == TRANSFER_FOLDING && !fold_sources(e))) {
        engine_fail(e, "the record of a transfer in the store is damaged");
    } else if (t->state == TRANSFER_FOLDING && vv_includes(&e->vv, &t->joined)) { /* its last flush was durable */
        transfer_clear(e, false);
    } else if (t->state == TRANSFER_FOLDING) {
        e->folding = true;
        if (bug(e, BUG_TRANSFER_VV_FIRST)) fold_finish(e);
    } else if (t->state == TRANSFER_STAGING && t->peer == e->self) { /* that node is no member any more */
        transfer_clear(e, false);
    }
}

void transfer_finish(struct engine *e) {
    struct transfer *t = e->transfer;
    if (!t) return;
    serve_finish(e);
    struct buf *bufs[] = {&t->from, &t->batch, &t->sources, &t->fold_after, &t->merged_after, &t->put_bytes};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
    struct vv *vectors[] = {&t->vv, &t->staged_vv, &t->floor, &t->joined};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) vv_finish(vectors[i]);
    for (uint32_t i = 0; i < t->news_count; i++) vv_finish(&t->news[i].latest.deps);
    row_finish(&t->theirs);
    free(t->news);
    free(t->puts);
    free(t->metas);
    free(t);
    e->transfer = NULL;
}

static void ask(struct engine *e) {
    struct transfer *t = e->transfer;
    struct message m = {.type = MESSAGE_TRANSFER_ASK};
    uint64_t share = e->cluster->memory_bytes_max / 16;
    m.transfer_ask.transfer = t->id;
    m.transfer_ask.snapshot = t->snapshot;
    m.transfer_ask.phase = t->phase;
    m.transfer_ask.from = buf_slice_of(&t->from);
    m.transfer_ask.offset = t->batch.n;
    m.transfer_ask.window_bytes = share < WINDOW_BYTES_ASK ? (uint32_t)share : WINDOW_BYTES_ASK;
    m.transfer_ask.full = t->full;
    m.transfer_ask.vv = e->vv;
    m.transfer_ask.staged_upto = t->staged_upto;
    m.transfer_ask.staged_vv = t->staged_vv;
    links_send(e, t->peer, &m); /* the vectors are borrowed */
    t->asked_us = e->now.mono_us;
}

static void begin(struct engine *e, uint32_t peer) {
    struct transfer *t = e->transfer;
    t->state = TRANSFER_STAGING;
    t->peer = peer;
    t->id = prng_next(&e->prng) | 1;
    t->snapshot = t->rows = t->bytes = t->staged_upto = 0;
    t->phase = TRANSFER_OF_ROWS;
    t->full = t->whole = t->again = false;
    buf_clear(&t->from);
    buf_clear(&t->batch);
    vv_clear(&t->vv);
    vv_clear(&t->staged_vv);
    t->heard_us = e->now.mono_us;
    t->changed = true;
    ask(e);
}

void transfer_clear(struct engine *e, bool again) {
    struct transfer *t = e->transfer;
    t->state = TRANSFER_CLEARING;
    t->again = again;
    t->changed = true;
}

void transfer_offered(struct engine *e, uint32_t peer) {
    struct transfer *t = e->transfer;
    t->offers[peer] = true;
    if (t->state == TRANSFER_NONE) begin(e, peer);
}

static void clear_step(struct engine *e) {
    struct transfer *t = e->transfer;
    buf_clear(&e->page);
    int n = e->store->ops->scan_metas(e->store, slice_text(TRANSFER_ROW_PREFIX), SLICE(NULL, 0), CLEAR_BYTES, &e->page);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&e->page));
    for (int i = 0; i < n; i++) {
        struct slice name = read_slice(&r);
        read_slice(&r);
        transfer_put(e, name, SLICE(NULL, 0));
    }
    if (n) return;
    t->state = TRANSFER_NONE;
    t->changed = true;
    if (t->again && t->offers[t->peer]) begin(e, t->peer);
}

void transfer_updates(struct engine *e) {
    if (!e->updates.fatal && e->room == ROOM_ENOUGH && e->transfer->state == TRANSFER_CLEARING && !e->ack_early_held) clear_step(e);
}

void transfer_fold_updates(struct engine *e) {
    struct transfer *t = e->transfer;
    if (!e->updates.fatal && e->room == ROOM_ENOUGH && t->state == TRANSFER_STAGING && t->whole) fold_begin(e);
}

/* From another sender all begins anew: what is staged is as of a VV that it may not have. */
static void find_other_sender(struct engine *e) {
    struct transfer *t = e->transfer;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (i == t->peer || !t->offers[i] || !link_reachable(e, i)) continue;
        t->peer = i;
        if (bug(e, BUG_TRANSFER_ANY_SENDER)) {
            t->heard_us = e->now.mono_us;
            ask(e);
        } else {
            transfer_clear(e, true);
        }
        return;
    }
}

void transfer_tick(struct engine *e) {
    struct transfer *t = e->transfer;
    serve_tick(e);
    if (e->room != ROOM_ENOUGH) return; /* it goes on when there is room */
    if (t->state == TRANSFER_FOLDING) fold_step(e);
    if (t->state != TRANSFER_STAGING || t->whole) return;
    if (e->now.mono_us - t->heard_us > (bug(e, BUG_TRANSFER_ANY_SENDER) ? ASK_RETRY_US : SENDER_LOST_US)) find_other_sender(e);
    if (t->state == TRANSFER_STAGING && e->links[t->peer].connected && e->now.mono_us - t->asked_us > ASK_RETRY_US) ask(e);
}

uint64_t transfer_wake_us(const struct engine *e) {
    const struct transfer *t = e->transfer;
    if (e->room != ROOM_ENOUGH) return UINT64_MAX;
    bool waits = e->rows.flushing && (t->fold == FOLD_DONE || e->rows.dirty_bytes + e->rows.frozen_bytes > e->rows.cache_bytes_max);
    if (t->state == TRANSFER_FOLDING) return waits ? UINT64_MAX : e->now.mono_us;
    return t->state == TRANSFER_CLEARING ? e->now.mono_us : UINT64_MAX;
}

/* ---- what comes ---- */

/* One row's part of a batch: slice row, varint count of pointers (origin, varint number), varint count of records (slice name, slice value). */
static bool well_formed(struct engine *e, struct slice staged) {
    struct reader r = reader_of(staged);
    struct slice row = read_slice(&r);
    if (row.n && !row_decode(row, true, e->origins, &e->transfer->theirs)) return false;
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
        origin_decode(&r, e->origins);
        read_varint(&r);
    }
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
        read_slice(&r);
        read_slice(&r);
    }
    return read_done(&r);
}

static void stage_row(struct engine *e, struct slice key, struct slice staged) {
    struct buf name = {0};
    buf_text(&name, TRANSFER_ROW_PREFIX);
    uint64_t hash = hash64(key);
    for (int shift = 56; shift >= 0; shift -= 8) buf_u8(&name, (uint8_t)(hash >> shift));
    buf_put(&name, key.p, key.n);
    transfer_put(e, buf_slice_of(&name), staged);
    buf_finish(&name);
    e->transfer->rows++;
    if (bug(e, BUG_TRANSFER_LIVE)) fold_row(e, key, staged, false);
}

/* False: it is malformed. */
static bool stage_batch(struct engine *e, struct slice batch, bool check_only) {
    struct reader r = reader_of(batch);
    while (r.p < r.end && !r.bad) {
        struct slice key = read_slice(&r), staged = read_slice(&r);
        if (r.bad || (check_only && !well_formed(e, staged))) return false;
        if (!check_only) stage_row(e, key, staged);
    }
    return !r.bad;
}

static void take_rows(struct engine *e, const struct message *m) {
    struct transfer *t = e->transfer;
    if (!t->snapshot) {
        t->snapshot = m->transfer_rows.snapshot;
        t->full = m->transfer_rows.full;
        vv_copy(&t->vv, &m->transfer_rows.vv);
    }
    bool next = m->transfer_rows.snapshot == t->snapshot && m->transfer_rows.phase == t->phase && m->transfer_rows.offset == t->batch.n &&
                slice_equal(m->transfer_rows.from, buf_slice_of(&t->from));
    if (!next) return; /* came twice, or after what was lost */
    buf_put(&t->batch, m->transfer_rows.bytes.p, m->transfer_rows.bytes.n);
    t->bytes += m->transfer_rows.bytes.n;
    if (t->batch.n < m->transfer_rows.total) {
        if (e->now.mono_us - t->asked_us > ASK_RETRY_US / 2) ask(e);
        return;
    }
    if (!stage_batch(e, buf_slice_of(&t->batch), true)) {
        snprintf(e->links[t->peer].refusal, sizeof e->links[t->peer].refusal, "a batch of rows is malformed");
        transfer_clear(e, false);
        return;
    }
    stage_batch(e, buf_slice_of(&t->batch), false);
    buf_clear(&t->batch);
    t->phase = m->transfer_rows.next_phase;
    buf_clear(&t->from);
    buf_put(&t->from, m->transfer_rows.next.p, m->transfer_rows.next.n);
    t->changed = true;
    ask(e);
}

/* The snapshot is gone: a new one brings what has changed since. */
static void take_gone(struct engine *e) {
    struct transfer *t = e->transfer;
    uint64_t upto = t->phase == TRANSFER_OF_ROWS ? 0 : UINT64_MAX;
    for (size_t i = 0; t->phase == TRANSFER_OF_ROWS && t->from.n == 8 && i < 8; i++) upto = upto << 8 | t->from.p[i];
    if (upto > t->staged_upto) {
        t->staged_upto = upto;
        vv_copy(&t->staged_vv, &t->vv);
    }
    if (!t->staged_upto) t->full = false;
    t->id = prng_next(&e->prng) | 1; /* what answers earlier questions does not know what is staged now */
    t->snapshot = 0;
    t->phase = TRANSFER_OF_ROWS;
    buf_clear(&t->from);
    buf_clear(&t->batch);
    t->changed = true;
    ask(e);
}

static void take_end(struct engine *e, const struct message *m) {
    struct transfer *t = e->transfer;
    switch (m->transfer_end.how) {
    case TRANSFER_WHOLE:
        if (t->phase != TRANSFER_DONE || m->transfer_end.snapshot != t->snapshot) return;
        vv_copy(&t->floor, &m->transfer_end.floor);
        buf_clear(&t->sources);
        buf_put(&t->sources, m->transfer_end.sources.p, m->transfer_end.sources.n);
        t->whole = fold_sources(e);
        if (!t->whole) transfer_clear(e, false);
        break;
    case TRANSFER_GONE:
        if (t->snapshot && m->transfer_end.snapshot == t->snapshot) take_gone(e);
        break;
    case TRANSFER_ANEW:
        if (!t->snapshot && t->staged_upto) transfer_clear(e, true);
        break;
    }
}

void transfer_take(struct engine *e, uint32_t peer, const struct message *m) {
    struct transfer *t = e->transfer;
    if (m->type == MESSAGE_TRANSFER_ASK) {
        serve_ask(e, peer, m);
        return;
    }
    uint64_t id = m->type == MESSAGE_TRANSFER_ROWS ? m->transfer_rows.transfer : m->transfer_end.transfer;
    if (t->state != TRANSFER_STAGING || t->whole || peer != t->peer || id != t->id || e->room != ROOM_ENOUGH) return;
    t->heard_us = e->now.mono_us;
    if (m->type == MESSAGE_TRANSFER_ROWS)
        take_rows(e, m);
    else
        take_end(e, m);
}

/* ---- what others ask ---- */

const struct vv *transfer_vv(const struct engine *e) {
    return e->transfer && e->folding && e->transfer->fold == FOLD_DONE ? &e->transfer->joined : &e->vv;
}

const struct source *transfer_source(struct engine *e, origin_ref o) {
    const struct transfer *t = e->transfer;
    for (uint32_t i = 0; transfer_vv(e) != &e->vv && i < t->news_count; i++)
        if (t->news[i].origin == o) return &t->news[i].latest;
    return engine_source(e, o);
}

void transfer_checkpoint(const struct engine *e, struct buf *out) {
    const struct transfer *t = e->transfer;
    bool part = e->folding && t->fold != FOLD_DONE;
    buf_u8(out, part ? (uint8_t)t->fold : FOLD_ROWS);
    buf_slice(out, part ? buf_slice_of(&t->fold_after) : SLICE(NULL, 0));
    buf_u64(out, part ? t->fold_hash : 0);
}

void transfer_recover(struct engine *e, struct reader *r) {
    struct transfer *t = e->transfer;
    uint8_t fold = read_u8(r);
    struct slice after = read_slice(r);
    t->fold_hash = read_u64(r);
    if (fold >= FOLD_DONE) read_refuse(r);
    t->fold = fold;
    buf_put(&t->fold_after, after.p, after.n);
}

void transfer_flushed(struct engine *e) {
    if (e->transfer->flushing) fold_finish(e);
    serve_flushed(e);
}

void transfer_figures(const struct engine *e, uint64_t *ret_rows, uint64_t *ret_bytes) {
    *ret_rows = e->transfer->rows;
    *ret_bytes = e->transfer->bytes;
}

bool transfer_words(const struct engine *e, uint32_t peer, char *text, size_t n) {
    const struct transfer *t = e->transfer;
    if (peer != t->peer || (t->state != TRANSFER_STAGING && t->state != TRANSFER_FOLDING)) return false;
    uint64_t rows = t->rows, place = 0;
    for (size_t i = 0; i < 8 && t->phase == TRANSFER_OF_ROWS && t->from.n == 8; i++) place = place << 8 | t->from.p[i];
    uint64_t all = place >> 48 ? rows * 65536 / (place >> 48) : rows; /* rows lie evenly over the hashes */
    const char *from = e->cluster->nodes[peer].name;
    if (t->state == TRANSFER_FOLDING || t->phase != TRANSFER_OF_ROWS)
        snprintf(text, n, "transfer: all %llu rows from %s are here, and are being joined", (unsigned long long)rows, from);
    else if (!rows)
        snprintf(text, n, "transfer: asking %s for rows", from);
    else
        snprintf(text, n, "transfer: %llu of about %llu rows from %s", (unsigned long long)rows, (unsigned long long)all, from);
    return true;
}
