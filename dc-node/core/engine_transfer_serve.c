/* Giving a transfer: batches of rows from one snapshot, each for one question (ARCHITECTURE.md, "Transfers"). What is under way is known by the asker
 * alone; here is a snapshot, kept while it is asked for. */
#include "engine_transfer.h"

#define BATCH_POINTERS  2048u
#define BATCH_ROWS      128u
#define BATCH_RECORDS   256u
#define BATCH_BYTES_MAX (1024u * 1024)
#define BATCH_PART      64u /* of the memory */
#define PIECE_BYTES     (256u * 1024)
#define SNAPSHOT_US     30000000u /* kept so long after it was last asked for */

struct snapshot {
    uint64_t id;
    struct store_snapshot *of; /* NULL: its flush is under way */
    struct vv vv, floor;
    struct buf sources;
    uint32_t users;
};

struct transfer_served {
    uint64_t transfer; /* 0: none */
    bool waits;        /* for a snapshot */
    struct snapshot *snapshot;
    struct vv vv, staged_vv;
    uint64_t staged_upto;
    bool was_full, full;
    uint32_t window_bytes;
    uint64_t asked_us;
};

struct serving {
    struct transfer_served peers[NODES_MAX];
    struct snapshot *freezing;
};

/* ---- snapshots ---- */

static void let_go(struct engine *e, struct snapshot *s) {
    if (!s || --s->users) return;
    if (s->of) e->store->ops->snapshot_release(e->store, s->of);
    vv_finish(&s->vv);
    vv_finish(&s->floor);
    buf_finish(&s->sources);
    free(s);
}

static void end_serving(struct engine *e, struct transfer_served *s) {
    let_go(e, s->snapshot);
    vv_finish(&s->vv);
    vv_finish(&s->staged_vv);
    *s = (struct transfer_served){0};
}

void serve_finish(struct engine *e) {
    struct serving *v = e->serving;
    if (!v) return;
    for (uint32_t i = 0; i < NODES_MAX; i++) end_serving(e, &v->peers[i]);
    let_go(e, v->freezing);
    free(v);
    e->serving = NULL;
}

void serve_freeze(struct engine *e, struct flush *f) {
    if (!e->snapshot_wanted || e->folding) return;
    e->snapshot_wanted = false;
    f->snapshot = true;
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->id = prng_next(&e->prng) | 1;
    s->users = 1;
    vv_copy(&s->vv, &e->vv);
    vv_copy(&s->floor, &e->pointer_floor);
    engine_put_sources(e, &s->sources);
    e->serving->freezing = s;
}

/* ---- what a batch holds ---- */

/* About: a batch ends with a whole hash. */
static size_t batch_bytes(const struct engine *e) {
    uint64_t part = e->cluster->memory_bytes_max / BATCH_PART;
    return part < BATCH_BYTES_MAX ? (size_t)part : BATCH_BYTES_MAX;
}

static void put_pointers(struct slice group, struct buf *out) {
    uint64_t n = 0;
    for (struct reader r = reader_of(group); r.p < r.end; n++) {
        read_slice(&r);
        read_u64(&r);
    }
    buf_varint(out, n);
    for (struct reader r = reader_of(group); r.p < r.end;) {
        struct slice origin = read_slice(&r);
        buf_put(out, origin.p, origin.n);
        buf_varint(out, read_u64(&r));
    }
}

static void put_records(struct engine *e, const struct snapshot *s, struct slice key, struct buf *out) {
    struct buf prefix = {0}, after = {0}, page = {0}, records = {0};
    uint64_t count = 0;
    journal_name_row(key, &prefix);
    buf_put(&after, prefix.p, prefix.n);
    for (bool more = true; more && !e->updates.fatal;) {
        buf_clear(&page);
        int n = e->store->ops->snapshot_scan_losses(e->store, s->of, buf_slice_of(&after), 16, &page);
        if (n < 0) engine_fail(e, "%s", e->store->why);
        struct reader r = reader_of(buf_slice_of(&page));
        more = n == 16;
        for (int i = 0; i < n; i++) {
            struct slice name = read_slice(&r), value = read_slice(&r);
            if (name.n < prefix.n || memcmp(name.p, prefix.p, prefix.n) != 0) {
                more = false;
                break;
            }
            buf_slice(&records, name);
            buf_slice(&records, value);
            count++;
            buf_clear(&after);
            buf_put(&after, name.p, name.n);
        }
    }
    buf_varint(out, count);
    buf_put(out, records.p, records.n);
    struct buf *bufs[] = {&prefix, &after, &page, &records};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
}

static void put_row(struct engine *e, const struct snapshot *s, struct slice key, struct slice row, struct slice pointers, struct buf *batch) {
    struct buf staged = {0};
    buf_slice(&staged, row);
    put_pointers(pointers, &staged);
    put_records(e, s, key, &staged);
    buf_slice(batch, key);
    buf_slice(batch, buf_slice_of(&staged));
    buf_finish(&staged);
}

/* Is one of the pointers beyond the VV? */
static bool is_beyond(struct engine *e, struct slice pointers, const struct vv *vv) {
    struct reader r = reader_of(pointers);
    while (r.p < r.end) {
        struct reader origin = reader_of(read_slice(&r));
        origin_ref o = origin_decode(&origin, e->origins);
        if (read_u64(&r) > (o == ORIGIN_NONE ? 0 : vv_get(vv, o))) return true;
    }
    return false;
}

static bool is_wanted(struct engine *e, const struct transfer_served *s, uint64_t hash, struct slice pointers) {
    if (hash < s->staged_upto) return is_beyond(e, pointers, &s->staged_vv);
    return s->full || is_beyond(e, pointers, &s->vv);
}

/* A place in the order of rows: all hashes below are done. */
struct place {
    bool end;
    uint64_t hash;
};

static struct place place_of(struct slice from) {
    struct place p = {0};
    for (size_t i = 0; from.n == 8 && i < 8; i++) p.hash = p.hash << 8 | from.p[i];
    return p;
}

/* One key of a page of pointers: all of its own, from its first on. */
struct group {
    uint64_t hash;
    struct slice key, pointers; /* each: slice origin, u64 number */
    struct buf bytes;
};

static bool next_group(struct reader *r, struct group *g) {
    if (r->p >= r->end) return false;
    buf_clear(&g->bytes);
    g->hash = read_u64(r);
    g->key = read_slice(r);
    for (bool same = true; same;) {
        buf_slice(&g->bytes, read_slice(r));
        buf_u64(&g->bytes, read_u64(r));
        struct reader ahead = *r;
        same = ahead.p < ahead.end && read_u64(&ahead) == g->hash && slice_equal(read_slice(&ahead), g->key);
        if (same) *r = ahead;
    }
    g->pointers = buf_slice_of(&g->bytes);
    return true;
}

static int read_row(struct engine *e, const struct snapshot *s, uint64_t hash, struct slice key, struct buf *row) {
    buf_clear(row);
    if (bug(e, BUG_TRANSFER_FUZZY)) {
        const struct stored_row *now = engine_get_row(e, hash, key);
        if (now) buf_put(row, stored_value(now).p, stored_value(now).n);
        return now != NULL;
    }
    int there = e->store->ops->snapshot_get_row(e->store, s->of, hash, key, row);
    if (there < 0) engine_fail(e, "%s", e->store->why);
    return there;
}

/* Rows that pointers name. */
static struct place batch_of_changed(struct engine *e, const struct transfer_served *s, struct place from, struct buf *batch) {
    struct buf page = {0}, row = {0};
    struct group g = {0};
    uint64_t next = 0, last = from.hash;
    int more = e->store->ops->scan_pointers(e->store, s->snapshot->of, from.hash, BATCH_POINTERS, &page, &next);
    if (more < 0) engine_fail(e, "%s", e->store->why);
    struct place end = {.end = more <= 0, .hash = next};
    struct reader r = reader_of(buf_slice_of(&page));
    while (next_group(&r, &g) && !e->updates.fatal) {
        if (batch->n >= batch_bytes(e) && g.hash != last) {
            end = (struct place){.hash = g.hash};
            break;
        }
        last = g.hash;
        if (!is_wanted(e, s, g.hash, g.pointers)) continue;
        read_row(e, s->snapshot, g.hash, g.key, &row);
        put_row(e, s->snapshot, g.key, buf_slice_of(&row), g.pointers, batch);
    }
    buf_finish(&page);
    buf_finish(&row);
    buf_finish(&g.bytes);
    return end;
}

/* The batch ends before the first hash at which its rows are this much. */
static void shorten(struct slice rows, size_t bytes_max, struct place *end) {
    struct reader r = reader_of(rows);
    uint64_t last = 0;
    for (size_t bytes = 0; r.p < r.end;) {
        uint64_t hash = read_u64(&r);
        if (bytes >= bytes_max && hash != last) {
            if (end->end || hash < end->hash) *end = (struct place){.hash = hash};
            return;
        }
        last = hash;
        bytes += read_slice(&r).n;
        bytes += read_slice(&r).n;
    }
}

/* All rows that are there; those of which there are pointers alone come in the same order of hashes. */
static struct place batch_of_all(struct engine *e, const struct transfer_served *s, struct place from, struct buf *batch) {
    struct buf rows = {0}, page = {0}, row = {0};
    struct group g = {0};
    uint64_t next_row = 0, next_pointer = 0;
    int more_rows = e->store->ops->snapshot_scan_rows(e->store, s->snapshot->of, from.hash, BATCH_ROWS, &rows, &next_row);
    int more = e->store->ops->scan_pointers(e->store, s->snapshot->of, from.hash, BATCH_POINTERS, &page, &next_pointer);
    if (more_rows < 0 || more < 0) engine_fail(e, "%s", e->store->why);
    struct place end = {.end = more_rows <= 0 && more <= 0, .hash = UINT64_MAX};
    if (more_rows > 0) end.hash = next_row;
    if (more > 0 && next_pointer < end.hash) end.hash = next_pointer;
    shorten(buf_slice_of(&rows), batch_bytes(e), &end);
    struct reader r = reader_of(buf_slice_of(&rows)), p = reader_of(buf_slice_of(&page));
    for (struct slice none = {0}; r.p < r.end;) { /* first rows without pointers: their keys are not among those of the page */
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r), value = read_slice(&r);
        bool pointed = false;
        for (struct reader look = p; !pointed && next_group(&look, &g) && g.hash <= hash;) {
            pointed = g.hash == hash && slice_equal(g.key, key);
            if (g.hash < hash) p = look;
        }
        if ((end.end || hash < end.hash) && !pointed && is_wanted(e, s, hash, none)) put_row(e, s->snapshot, key, value, none, batch);
    }
    p = reader_of(buf_slice_of(&page));
    while (next_group(&p, &g) && !e->updates.fatal) {
        if ((!end.end && g.hash >= end.hash) || !is_wanted(e, s, g.hash, g.pointers)) continue;
        read_row(e, s->snapshot, g.hash, g.key, &row);
        put_row(e, s->snapshot, g.key, buf_slice_of(&row), g.pointers, batch);
    }
    struct buf *bufs[] = {&rows, &page, &row, &g.bytes};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
    return end;
}

/* ---- the journal of rows that are gone: of a full transfer, after the rows ---- */

static bool key_of_record(struct engine *e, struct slice name, struct slice record, struct slice *ret) {
    struct loss l;
    struct episode ep;
    switch (journal_record_kind(name)) {
    case JOURNAL_LOSS:
        if (!loss_decode(record, e->origins, &l)) return false;
        *ret = l.key;
        return true;
    case JOURNAL_EPISODE:
        if (!episode_decode(record, e->origins, &ep)) return false;
        *ret = ep.key;
        episode_finish(&ep);
        return true;
    default: return false;
    }
}

/* It came with the rows. */
static bool has_come(struct engine *e, const struct snapshot *s, struct slice key) {
    struct buf bytes = {0};
    struct group g = {0};
    uint64_t next, hash = hash64(key);
    bool came = read_row(e, s, hash, key, &bytes) > 0;
    buf_clear(&bytes);
    if (!came && e->store->ops->scan_pointers(e->store, s->of, hash, 1, &bytes, &next) < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&bytes));
    while (!came && next_group(&r, &g)) came = g.hash == hash && slice_equal(g.key, key);
    buf_finish(&bytes);
    buf_finish(&g.bytes);
    return came;
}

/* From after a record's name on; `next` becomes the name of the latest. False: that was all. */
static bool batch_of_journal(struct engine *e, const struct transfer_served *s, struct slice from, struct buf *batch, struct buf *next) {
    struct buf page = {0}, row_name = {0};
    struct slice start = from.n ? from : slice_text("r"), none = {0};
    int n = e->store->ops->snapshot_scan_losses(e->store, s->snapshot->of, start, BATCH_RECORDS, &page);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    bool more = n == (int)BATCH_RECORDS;
    struct reader r = reader_of(buf_slice_of(&page));
    buf_put(next, from.p, from.n);
    for (int i = 0; i < n && !e->updates.fatal; i++) {
        struct slice name = read_slice(&r), record = read_slice(&r), key;
        more &= name.n > 0 && name.p[0] == 'r';
        if (!more && (name.n == 0 || name.p[0] != 'r')) break;
        if (next->n >= row_name.n && row_name.n && name.n >= row_name.n && memcmp(name.p, row_name.p, row_name.n) == 0) {
            buf_clear(next);
            buf_put(next, name.p, name.n);
            continue; /* of the row before */
        }
        if (batch->n >= batch_bytes(e)) {
            more = true;
            break;
        }
        buf_clear(next);
        buf_put(next, name.p, name.n);
        buf_clear(&row_name);
        if (!key_of_record(e, name, record, &key)) continue;
        journal_name_row(key, &row_name);
        if (!has_come(e, s->snapshot, key)) put_row(e, s->snapshot, key, none, none, batch);
    }
    buf_finish(&page);
    buf_finish(&row_name);
    return more;
}

/* ---- answers ---- */

static void send_end(struct engine *e, uint32_t peer, const struct message *asked, enum transfer_end how) {
    const struct transfer_served *s = &e->serving->peers[peer];
    struct message m = {.type = MESSAGE_TRANSFER_END};
    m.transfer_end.transfer = asked ? asked->transfer_ask.transfer : s->transfer;
    m.transfer_end.snapshot = asked ? asked->transfer_ask.snapshot : 0;
    m.transfer_end.how = how;
    if (how == TRANSFER_WHOLE) {
        m.transfer_end.vv = s->snapshot->vv;
        m.transfer_end.floor = s->snapshot->floor;
        m.transfer_end.sources = buf_slice_of(&s->snapshot->sources);
    }
    links_send(e, peer, &m);
}

static void send_pieces(struct engine *e, uint32_t peer, struct message *m, struct slice batch, uint64_t offset) {
    const struct transfer_served *s = &e->serving->peers[peer];
    uint64_t end = offset + (s->window_bytes > PIECE_BYTES ? s->window_bytes : PIECE_BYTES);
    if (offset > batch.n) return;
    do {
        size_t n = batch.n - offset < PIECE_BYTES ? (size_t)(batch.n - offset) : PIECE_BYTES;
        m->transfer_rows.offset = offset;
        m->transfer_rows.total = batch.n;
        m->transfer_rows.bytes = SLICE(batch.p + offset, n);
        links_send(e, peer, m);
        offset += n;
    } while (offset < batch.n && offset < end);
}

static void send_batch(struct engine *e, uint32_t peer, uint8_t phase, struct slice from, uint64_t offset) {
    const struct transfer_served *s = &e->serving->peers[peer];
    struct buf batch = {0}, next = {0};
    struct message m = {.type = MESSAGE_TRANSFER_ROWS};
    m.transfer_rows.transfer = s->transfer;
    m.transfer_rows.snapshot = s->snapshot->id;
    m.transfer_rows.full = s->full;
    m.transfer_rows.vv = s->snapshot->vv;
    m.transfer_rows.phase = m.transfer_rows.next_phase = phase;
    m.transfer_rows.from = from;
    if (phase == TRANSFER_OF_ROWS) {
        struct place end = s->full ? batch_of_all(e, s, place_of(from), &batch) : batch_of_changed(e, s, place_of(from), &batch);
        if (end.end) m.transfer_rows.next_phase = s->full ? TRANSFER_OF_JOURNAL : TRANSFER_DONE;
        for (int shift = 56; !end.end && shift >= 0; shift -= 8) buf_u8(&next, (uint8_t)(end.hash >> shift));
    } else if (!batch_of_journal(e, s, from, &batch, &next)) {
        m.transfer_rows.next_phase = TRANSFER_DONE;
        buf_clear(&next);
    }
    m.transfer_rows.next = buf_slice_of(&next);
    if (!e->updates.fatal) send_pieces(e, peer, &m, buf_slice_of(&batch), offset);
    buf_finish(&batch);
    buf_finish(&next);
}

/* ---- questions ---- */

static void want_snapshot(struct engine *e, uint32_t peer, const struct message *m) {
    struct transfer_served *s = &e->serving->peers[peer];
    end_serving(e, s);
    s->transfer = m->transfer_ask.transfer;
    s->waits = true;
    s->was_full = m->transfer_ask.full;
    s->window_bytes = m->transfer_ask.window_bytes;
    s->staged_upto = m->transfer_ask.staged_upto;
    vv_copy(&s->vv, &m->transfer_ask.vv);
    vv_copy(&s->staged_vv, &m->transfer_ask.staged_vv);
    e->snapshot_wanted = true;
}

void serve_ask(struct engine *e, uint32_t peer, const struct message *m) {
    if (!e->serving) e->serving = xcalloc(1, sizeof *e->serving);
    struct transfer_served *s = &e->serving->peers[peer];
    bool known = s->snapshot && s->transfer == m->transfer_ask.transfer;
    if (!m->transfer_ask.snapshot && !known) {
        if (!s->waits || s->transfer != m->transfer_ask.transfer) want_snapshot(e, peer, m);
        s->asked_us = e->now.mono_us;
        return;
    }
    if (!known || (m->transfer_ask.snapshot && m->transfer_ask.snapshot != s->snapshot->id)) {
        send_end(e, peer, m, TRANSFER_GONE);
        return;
    }
    s->asked_us = e->now.mono_us;
    if (m->transfer_ask.phase == TRANSFER_DONE)
        send_end(e, peer, m, TRANSFER_WHOLE);
    else
        send_batch(e, peer, m->transfer_ask.phase, m->transfer_ask.from, m->transfer_ask.offset);
}

/* Whatever is staged from an earlier snapshot must be in this one, or known by its pointers to have changed since. */
static bool goes_on(const struct engine *e, const struct transfer_served *s) {
    if (!s->staged_upto || bug(e, BUG_TRANSFER_ANY_SENDER)) return true;
    if (s->full && !s->was_full) return false;
    return vv_includes(&s->snapshot->vv, &s->staged_vv) && vv_includes(&s->staged_vv, &s->snapshot->floor);
}

static void begin_serving(struct engine *e, uint32_t peer) {
    struct transfer_served *s = &e->serving->peers[peer];
    s->waits = false;
    s->snapshot = e->serving->freezing;
    s->snapshot->users++;
    s->full = (s->was_full && s->staged_upto) || (!vv_includes(&s->vv, &s->snapshot->floor) && !bug(e, BUG_TRANSFER_NO_FLOOR));
    if (goes_on(e, s)) {
        send_batch(e, peer, TRANSFER_OF_ROWS, SLICE(NULL, 0), 0);
        return;
    }
    send_end(e, peer, NULL, TRANSFER_ANEW);
    end_serving(e, s);
}

void serve_flushed(struct engine *e) {
    if (!e->serving || !e->serving->freezing) return;
    struct snapshot *s = e->serving->freezing;
    s->of = e->store->ops->snapshot_take(e->store);
    for (uint32_t i = 0; i < NODES_MAX && s->of && !e->updates.fatal; i++)
        if (e->serving->peers[i].waits) begin_serving(e, i);
    e->serving->freezing = NULL;
    let_go(e, s);
}

void serve_tick(struct engine *e) {
    for (uint32_t i = 0; e->serving && i < NODES_MAX; i++) {
        struct transfer_served *s = &e->serving->peers[i];
        if (s->transfer && e->now.mono_us - s->asked_us > SNAPSHOT_US) end_serving(e, s);
    }
}
