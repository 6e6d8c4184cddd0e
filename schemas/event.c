#include "event.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_BYTES_MIN 3u /* op, empty key, no unseen */
#define BODY_BYTES_MIN   (8u + 8 + 1 + 1 + CHANGE_BYTES_MIN)
#define PAIRWISE_MAX     8u     /* so many keys are compared each with each */
#define SCRATCH_MAX      16384u /* entries that an event keeps for the next decode */

const char *change_op_name(enum change_op op) {
    switch (op) {
#define X(name, number, doc)                                                                                                                         \
    case CHANGE_##name: return #name;
        CHANGE_OPS(X)
#undef X
    }
    return "?";
}

uint64_t event_checksum(struct slice body) { return hash64(body); }

void event_finish(struct event *e) {
    free(e->deps);
    free(e->changes);
    free(e->unseen_pool);
    free(e->slots);
    delta_finish(&e->delta);
    *e = (struct event){0};
}

/* ---- decoding ---- */
/* The array with room for one more: doubled at need. */
static void *with_room(void *array, uint32_t count, uint32_t *cap, size_t size) {
    if (count < *cap) return array;
    *cap = *cap == 0 ? 16 : *cap * 2;
    return xrealloc(array, *cap * size);
}

/* Do not hold on to what one huge event needed. */
static void drop_large_scratch(struct event *e) {
    const struct delta *d = &e->delta;
    bool small = e->deps_cap <= SCRATCH_MAX && e->changes_cap <= SCRATCH_MAX && e->unseen_cap <= SCRATCH_MAX && e->slots_cap <= 4 * SCRATCH_MAX;
    if (small && d->ops_cap <= SCRATCH_MAX && d->resets_cap <= SCRATCH_MAX && d->unseen_cap <= SCRATCH_MAX) return;
    event_finish(e);
}

/* A count of things of at least `bytes_min` each: more than can follow is a fault. */
static uint32_t read_count(struct reader *r, size_t bytes_min) {
    uint64_t count = read_varint(r);
    if (count > (size_t)(r->end - r->p) / bytes_min) read_refuse(r);
    return r->bad ? 0 : (uint32_t)count;
}

static void read_deps(struct reader *r, struct event *e, struct origins *t) {
    e->deps_count = 0;
    uint32_t count = read_count(r, DOT_BYTES_MIN);
    for (uint32_t i = 0; i < count; i++) {
        struct dot d = dot_decode(r, t);
        if (r->bad) return;
        if (d.origin == e->dot.origin || (i > 0 && origins_compare(t, e->deps[i - 1].origin, d.origin) >= 0)) return read_refuse(r);
        e->deps = with_room(e->deps, i, &e->deps_cap, sizeof *e->deps);
        e->deps[e->deps_count++] = d;
    }
}

static void read_unseen(struct reader *r, struct event *e, struct change *c, struct origins *t) {
    c->unseen_count = read_count(r, DOT_BYTES_MIN);
    struct dot before = {0};
    for (uint32_t i = 0; i < c->unseen_count; i++) {
        struct dot d = dot_decode(r, t);
        if (r->bad) return;
        if (i > 0 && dot_compare(t, before, d) >= 0) return read_refuse(r);
        if (d.origin == e->dot.origin && d.n >= e->dot.n) return read_refuse(r); /* no event knows of itself or later ones */
        e->unseen_pool = with_room(e->unseen_pool, e->unseen_count, &e->unseen_cap, sizeof *e->unseen_pool);
        e->unseen_pool[e->unseen_count++] = before = d;
    }
}

/* Dots that versions of single cells have are among the unseen of their change; both are in canonical order. */
static bool unseen_within(const struct delta *d, const struct dot *all, uint32_t count, const struct origins *t) {
    for (uint32_t i = 0; d->unseen_count != 0 && i < d->ops_count; i++) {
        const struct delta_op *op = &d->ops[i];
        uint32_t at = 0;
        for (uint32_t k = 0; k < op->unseen_count; k++) {
            while (at < count && dot_compare(t, all[at], op->unseen[k]) < 0) at++;
            if (at == count || !dot_equal(all[at], op->unseen[k])) return false;
        }
    }
    return true;
}

static bool read_delta(struct reader *r, struct event *e, struct change *c, struct origins *t) {
    c->content = read_slice(r);
    if (r->bad || !delta_decode(&e->delta, c->content, e->dot, e->stamp, t)) return false;
    const struct dot *all = c->unseen_count == 0 ? NULL : e->unseen_pool + (e->unseen_count - c->unseen_count);
    return unseen_within(&e->delta, all, c->unseen_count, t);
}

/* What follows the unseen, by op. False: not allowed. */
static bool read_effect(struct reader *r, struct event *e, struct change *c, struct origins *t) {
    switch (c->op) {
    case CHANGE_DELETE:
    case CHANGE_REAP: return true;
    case CHANGE_PUT: c->content = read_slice(r); return content_check(c->content);
    case CHANGE_MERGE: return read_delta(r, e, c, t);
    case CHANGE_ANSWER:
        c->content = read_slice(r);
        c->generation = read_u8(r);
        c->inputs = read_u64(r);
        return c->generation >= 1 && (c->content.n == 0 || content_check(c->content));
    case CHANGE_RECORD:
        c->content = read_slice(r);
        return c->unseen_count >= 2 && content_type(c->content) == CONTENT_HASH && content_check(c->content);
    }
    return false;
}

static void read_change(struct reader *r, struct event *e, struct change *c, struct origins *t) {
    uint8_t op = read_u8(r);
    *c = (struct change){.op = (enum change_op)op, .key = read_slice(r)};
    if (r->bad || c->key.n > KEY_BYTES_MAX) return read_refuse(r);
    read_unseen(r, e, c, t);
    if (r->bad) return;
    if (!read_effect(r, e, c, t)) read_refuse(r);
}

static void read_changes(struct reader *r, struct event *e, struct origins *t) {
    e->changes_count = e->unseen_count = 0;
    uint32_t count = read_count(r, CHANGE_BYTES_MIN);
    if (count == 0) return read_refuse(r);
    for (uint32_t i = 0; i < count; i++) {
        e->changes = with_room(e->changes, i, &e->changes_cap, sizeof *e->changes);
        read_change(r, e, &e->changes[i], t);
        if (r->bad) return;
        e->changes_count++;
    }
}

/* The pool may have moved while it grew. */
static void point_into_pool(struct event *e) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < e->changes_count; i++) {
        struct change *c = &e->changes[i];
        c->unseen = c->unseen_count == 0 ? NULL : e->unseen_pool + at;
        at += c->unseen_count;
    }
}

/* With a hash seeded by the event's checksum, so that keys cannot be chosen to collide. */
static bool keys_distinct_by_hash(struct event *e) {
    uint32_t slots = 16;
    while (slots < 2 * e->changes_count) slots *= 2;
    if (slots > e->slots_cap) {
        e->slots = xrealloc(e->slots, slots * sizeof *e->slots);
        e->slots_cap = slots;
    }
    memset(e->slots, 0xff, slots * sizeof *e->slots);
    for (uint32_t i = 0; i < e->changes_count; i++) {
        struct slice key = e->changes[i].key;
        uint32_t at = (uint32_t)hash64_seeded(key, e->checksum) & (slots - 1);
        for (; e->slots[at] != UINT32_MAX; at = (at + 1) & (slots - 1)) {
            if (slice_equal(e->changes[e->slots[at]].key, key)) return false;
        }
        e->slots[at] = i;
    }
    return true;
}

static bool keys_distinct(struct event *e) {
    if (e->changes_count > PAIRWISE_MAX) return keys_distinct_by_hash(e);
    for (uint32_t i = 1; i < e->changes_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (slice_equal(e->changes[i].key, e->changes[k].key)) return false;
        }
    }
    return true;
}

bool event_decode(struct event *e, struct dot dot, struct slice body, struct origins *t) {
    assert(dot.n >= 1);
    if (body.n < BODY_BYTES_MIN || body.n > EVENT_BYTES_MAX) return false;
    drop_large_scratch(e);
    struct reader r = reader_of(body);
    e->dot = dot;
    e->body = body;
    e->stamp = read_u64(&r);
    e->previous = read_u64(&r);
    read_deps(&r, e, t);
    if (r.bad) return false;
    read_changes(&r, e, t);
    if (!read_done(&r)) return false;
    point_into_pool(e);
    e->checksum = event_checksum(body);
    return keys_distinct(e);
}

/* ---- encoding ---- */
void event_begin(struct buf *out, stamp_t stamp, uint64_t previous, const struct dot *deps, uint32_t deps_count, uint32_t changes_count,
                 const struct origins *t) {
    assert(changes_count >= 1);
    buf_u64(out, stamp);
    buf_u64(out, previous);
    buf_varint(out, deps_count);
    for (uint32_t i = 0; i < deps_count; i++) {
        assert(i == 0 || origins_compare(t, deps[i - 1].origin, deps[i].origin) < 0);
        dot_encode(t, deps[i], out);
    }
    buf_varint(out, changes_count);
}

void event_change(struct buf *out, const struct change *c, const struct origins *t) {
    assert(c->op >= CHANGE_PUT && c->op <= CHANGE_RECORD && c->key.n <= KEY_BYTES_MAX);
    assert(c->op != CHANGE_RECORD || c->unseen_count >= 2);
    buf_u8(out, (uint8_t)c->op);
    buf_slice(out, c->key);
    buf_varint(out, c->unseen_count);
    for (uint32_t i = 0; i < c->unseen_count; i++) {
        assert(i == 0 || dot_compare(t, c->unseen[i - 1], c->unseen[i]) < 0);
        dot_encode(t, c->unseen[i], out);
    }
    if (c->op == CHANGE_DELETE || c->op == CHANGE_REAP) return;
    buf_slice(out, c->content);
    if (c->op != CHANGE_ANSWER) return;
    assert(c->generation >= 1);
    buf_u8(out, c->generation);
    buf_u64(out, c->inputs);
}

/* ---- blocks ---- */
bool block_decode(struct block *ret, struct slice bytes, struct origins *t) {
    struct reader r = reader_of(bytes);
    if (read_u8(&r) != EVENT_VERSION) return false;
    origin_ref origin = origin_decode(&r, t);
    uint64_t first = read_varint(&r);
    uint32_t count = read_count(&r, 1 + BODY_BYTES_MIN);
    if (r.bad || first == 0 || count == 0 || first > UINT64_MAX - (count - 1)) return false;
    struct slice bodies = SLICE(r.p, (size_t)(r.end - r.p));
    for (uint32_t i = 0; i < count; i++) {
        struct slice body = read_slice(&r);
        if (r.bad || body.n < BODY_BYTES_MIN || body.n > EVENT_BYTES_MAX) return false;
    }
    if (!read_done(&r)) return false;
    *ret = (struct block){.origin = origin, .first = first, .count = count, .bodies = bodies};
    return true;
}

void block_begin(struct buf *out, origin_ref origin, uint64_t first, uint32_t count, const struct origins *t) {
    assert(first >= 1 && count >= 1);
    buf_u8(out, EVENT_VERSION);
    origin_encode(t, origin, out);
    buf_varint(out, first);
    buf_varint(out, count);
}
