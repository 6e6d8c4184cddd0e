/* How much of the log is kept, and the pointers that stand for what is not (DESIGN, section 8, "Bounded log, unbounded cut").
 *
 * A pointer is put with every flush for each origin that has changed a row since the last, unless that is stable already: so the pointers of what is
 * flushed are there before the log may drop it, and say of every row which events it holds that some node may lack. They go in sweeps when they are
 * stable. `pointer_floor` is what they say nothing of. */
#include "state.h"

#define SWEEP_POINTERS   4096u /* looked at in one sweep */
#define DROPS_BYTES_MAX  (256u * 1024)
#define FLUSH_LOG_PART   8u /* rows are flushed when this part of the budget was logged since they last were */
#define RETAINED_PART    4u /* of the budget, kept though it is stable */
#define UNSTABLE_PART(n) ((n) / 4 * 3)

static uint64_t budget(const struct engine *e) { return e->options.cluster->log_bytes_max; }

/* ---- the log ---- */

/* Marks in the log, of which the oldest kept is the latest that lies far enough back. */
void log_mark(struct engine *e) {
    struct log_mark *m = e->log_marks;
    uint64_t span = UNSTABLE_PART(budget(e)), now = e->count.log_bytes;
    if (e->log_marks_count && now - m[e->log_marks_count - 1].log_bytes <= span / (LOG_MARKS - 2)) return;
    while (e->log_marks_count == LOG_MARKS || (e->log_marks_count > 1 && now - m[1].log_bytes >= span)) {
        vv_finish(&m[0].vv);
        memmove(m, m + 1, --e->log_marks_count * sizeof *m);
    }
    m[e->log_marks_count] = (struct log_mark){.log_bytes = now};
    vv_copy(&m[e->log_marks_count++].vv, &e->vv);
}

/* The latest mark that lies so far back; NULL: there is none. */
static const struct vv *marked(const struct engine *e, uint64_t bytes) {
    const struct vv *found = NULL;
    for (uint32_t i = 0; i < e->log_marks_count; i++)
        if (e->count.log_bytes - e->log_marks[i].log_bytes >= bytes) found = &e->log_marks[i].vv;
    return found;
}

/* What rows hold may go: where everybody has it, but for a quarter of the budget, for nodes that come back with less than they had; past the budget
 * whoever lacks it, for then pointers stand for it. */
void log_trim(struct engine *e) {
    struct vv upto = {0};
    if (e->room == ROOM_NONE) return;
    const struct vv *old = marked(e, budget(e) / RETAINED_PART), *oldest = marked(e, UNSTABLE_PART(budget(e)));
    if (old) vv_copy(&upto, old);
    vv_meet(&upto, &e->stable);
    if (oldest) vv_join(&upto, oldest);
    if (!bug(e, BUG_TRIM_EARLY)) vv_meet(&upto, &e->flushed_vv);
    for (origin_ref o = 0; o < upto.len; o++) {
        if (vv_get(&upto, o) <= vv_get(&e->trimmed, o)) continue;
        vv_set(&e->trimmed, o, vv_get(&upto, o));
        GROW(e->trims, e->trims_count, e->trims_cap);
        e->trims[e->trims_count++] = (struct log_trim){o, vv_get(&upto, o)};
    }
    vv_finish(&upto);
}

bool pointers_want_flush(const struct engine *e) {
    return (e->snapshot_wanted && !e->folding) || e->pointer_drops.n >= DROPS_BYTES_MAX ||
           e->count.log_bytes - e->log_bytes_frozen > budget(e) / FLUSH_LOG_PART;
}

/* ---- pointers ---- */

void pointers_freeze(struct engine *e, struct flush *f) {
    f->origins = e->origins;
    vv_copy(&f->stable, &e->stable);
    vv_join(&e->pointer_floor, &e->stable);
    struct buf swap = f->drops;
    f->drops = e->pointer_drops;
    e->pointer_drops = swap;
    buf_clear(&e->pointer_drops);
    e->log_bytes_frozen = e->count.log_bytes;
}

/* Finds pointers of what is stable by now; they go with the next flush. */
void pointers_sweep(struct engine *e) {
    if (e->pointer_drops.n >= DROPS_BYTES_MAX || e->rows.flushing) return; /* what a flush under way puts is not seen yet */
    buf_clear(&e->page);
    uint64_t next = 0;
    int more = e->store->ops->scan_pointers(e->store, NULL, e->pointers_from, SWEEP_POINTERS, &e->page, &next);
    if (more < 0) {
        engine_fail(e, "%s", e->store->why);
        return;
    }
    struct reader r = reader_of(buf_slice_of(&e->page));
    while (r.p < r.end) {
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r), name = read_slice(&r);
        uint64_t n = read_u64(&r);
        struct reader origin = reader_of(name);
        origin_ref o = origin_decode(&origin, e->origins);
        if (o == ORIGIN_NONE || n > vv_get(&e->stable, o)) continue;
        buf_u64(&e->pointer_drops, hash);
        buf_slice(&e->pointer_drops, key);
        buf_slice(&e->pointer_drops, name);
    }
    e->pointers_from = more ? next : 0;
}

/* ---- in the checkpoint: u64 bytes logged, varint count, marks (u64 bytes, vv); vv floor ---- */

void pointers_checkpoint(const struct engine *e, struct buf *out) {
    buf_u64(out, e->count.log_bytes);
    buf_varint(out, e->log_marks_count);
    for (uint32_t i = 0; i < e->log_marks_count; i++) {
        buf_u64(out, e->log_marks[i].log_bytes);
        vv_encode(&e->log_marks[i].vv, e->origins, out);
    }
    vv_encode(&e->pointer_floor, e->origins, out);
}

void pointers_recover(struct engine *e, struct reader *r) {
    e->count.log_bytes = e->log_bytes_frozen = read_u64(r);
    uint64_t count = read_varint(r);
    if (count > LOG_MARKS) read_refuse(r);
    for (; e->log_marks_count < count && !r->bad; e->log_marks_count++) {
        e->log_marks[e->log_marks_count].log_bytes = read_u64(r);
        vv_decode(r, e->origins, &e->log_marks[e->log_marks_count].vv);
    }
    vv_decode(r, e->origins, &e->pointer_floor);
}

void pointers_finish(struct engine *e) {
    for (uint32_t i = 0; i < e->log_marks_count; i++) vv_finish(&e->log_marks[i].vv);
    vv_finish(&e->pointer_floor);
    vv_finish(&e->resumed);
    buf_finish(&e->pointer_drops);
}
