#include "blocks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "planted.h"

#define RANGE_BYTES_MIN 13u /* origin 11, two numbers */
#define BLOCK_BYTES_MIN (2u + RANGE_BYTES_MIN)

/* Blocks and ranges lie in the same order without gaps: where the blocks from i on go, they are the last of the ranges. */

/* ---- memory ---- */

void blocks_finish(struct blocks *s) {
    free(s->b);
    free(s->ranges);
    *s = (struct blocks){0};
}

void blocks_clear(struct blocks *s) { s->n = s->ranges_count = 0; }

static void *grown(void *p, uint32_t *cap, uint32_t n, size_t size) {
    uint32_t to = *cap ? *cap : 4;
    while (to < n) to *= 2;
    *cap = to;
    return xrealloc(p, to * size);
}

static void reserve(struct blocks *s, uint32_t blocks, uint32_t ranges) {
    if (blocks > s->cap) s->b = grown(s->b, &s->cap, blocks, sizeof *s->b);
    if (ranges > s->ranges_cap) s->ranges = grown(s->ranges, &s->ranges_cap, ranges, sizeof *s->ranges);
}

void blocks_copy(struct blocks *to, const struct blocks *from) {
    if (to == from) return;
    reserve(to, from->n, from->ranges_count);
    to->n = from->n;
    to->ranges_count = from->ranges_count;
    if (from->n > 0) memcpy(to->b, from->b, from->n * sizeof *to->b);
    if (from->ranges_count > 0) memcpy(to->ranges, from->ranges, from->ranges_count * sizeof *to->ranges);
}

/* ---- ranges ---- */

static struct range range_of(struct dot d) { return (struct range){d.origin, d.n - 1, d.n}; }
static bool range_holds(const struct range *r, struct dot d) { return r->origin == d.origin && r->after < d.n && d.n <= r->upto; }

/* The ranges from `from` on, which are in canonical order, become those of the smallest block that holds them and x. */
static void range_add(struct blocks *s, uint32_t from, struct range x, const struct origins *t) {
    uint32_t at = s->ranges_count;
    for (uint32_t i = from; i < s->ranges_count; i++) {
        struct range *r = &s->ranges[i];
        if (r->origin != x.origin) continue;
        if (x.after < r->after) r->after = x.after;
        if (x.upto > r->upto) r->upto = x.upto;
        return;
    }
    while (at > from && origins_compare(t, s->ranges[at - 1].origin, x.origin) > 0) at--;
    reserve(s, 0, s->ranges_count + 1);
    memmove(s->ranges + at + 1, s->ranges + at, (s->ranges_count - at) * sizeof x);
    s->ranges[at] = x;
    s->ranges_count++;
}

static void push(struct blocks *s, bool episode, const struct range *ranges, uint32_t count) {
    assert(count >= 1);
    reserve(s, s->n + 1, s->ranges_count + count);
    memcpy(s->ranges + s->ranges_count, ranges, count * sizeof *ranges);
    s->b[s->n++] = (struct row_block){episode, s->ranges_count, count};
    s->ranges_count += count;
}

static void insert_lowest(struct blocks *s, bool episode, const struct range *ranges, uint32_t count) {
    assert(count >= 1);
    reserve(s, s->n + 1, s->ranges_count + count);
    for (uint32_t i = s->n; i > 0; i--) {
        s->b[i] = s->b[i - 1];
        s->b[i].first += count;
    }
    memmove(s->ranges + count, s->ranges, s->ranges_count * sizeof *ranges);
    memcpy(s->ranges, ranges, count * sizeof *ranges);
    s->b[0] = (struct row_block){episode, 0, count};
    s->n++;
    s->ranges_count += count;
}

/* ---- questions ---- */

bool block_holds(const struct blocks *s, const struct row_block *b, struct dot d) {
    for (uint32_t i = 0; i < b->count; i++)
        if (range_holds(&s->ranges[b->first + i], d)) return true;
    return false;
}

static const struct row_block *block_of(const struct blocks *s, struct dot d) {
    for (uint32_t i = 0; i < s->n; i++)
        if (block_holds(s, &s->b[i], d)) return &s->b[i];
    return NULL;
}

const struct row_block *blocks_episode_of(const struct blocks *s, struct dot d) {
    const struct row_block *b = block_of(s, d);
    return b != NULL && b->episode ? b : NULL;
}

struct dot block_number(const struct blocks *s, const struct row_block *b, const struct origins *t) {
    assert(b->count >= 1);
    const struct range *first = &s->ranges[b->first];
    assert(b->count == 1 || origins_compare(t, first->origin, first[1].origin) < 0);
    return (struct dot){first->origin, first->upto};
}

void blocks_of_one(struct blocks *s, struct dot only) {
    assert(only.n >= 1);
    struct range r = range_of(only);
    blocks_clear(s);
    push(s, false, &r, 1);
}

bool blocks_are_of_one(const struct blocks *s, struct dot only) {
    if (s->n != 1 || s->b[0].episode || s->ranges_count != 1) return false;
    return range_holds(s->ranges, only) && s->ranges[0].upto == only.n && s->ranges[0].after == only.n - 1;
}

/* ---- cuts: a stack falls apart into what lies below and what lies beyond ---- */

struct cut {
    const struct context *context; /* beyond is what it does not cover */
    const struct blocks *overlaps; /* or, where it is not NULL: what overlaps these ranges, of one block */
};

static const struct range *range_find(const struct blocks *s, origin_ref o) {
    for (uint32_t i = 0; i < s->ranges_count; i++)
        if (s->ranges[i].origin == o) return &s->ranges[i];
    return NULL;
}

/* Where r is cut: it is beyond from the next number on. */
static uint64_t cut_at(const struct cut *cut, const struct range *r) {
    if (cut->overlaps != NULL) {
        const struct range *with = range_find(cut->overlaps, r->origin);
        return with != NULL ? with->after : UINT64_MAX;
    }
    uint64_t upto = context_upto(cut->context, r->origin);
    for (uint32_t i = 0; i < cut->context->unseen_count; i++) {
        struct dot d = cut->context->unseen[i];
        if (range_holds(r, d) && d.n <= upto) upto = d.n - 1;
    }
    return upto;
}

static bool cut_meets(const struct cut *cut, const struct range *r) {
    if (r->upto <= cut_at(cut, r)) return false;
    return cut->overlaps == NULL || r->after < range_find(cut->overlaps, r->origin)->upto;
}

/* The lowest block that has something beyond the cut; s->n: there is none. */
static uint32_t lowest_beyond(const struct blocks *s, const struct cut *cut) {
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t j = 0; j < s->b[i].count; j++)
            if (cut_meets(cut, &s->ranges[s->b[i].first + j])) return i;
    return s->n;
}

/* Everything from block i on goes from the stack and into `upper`, the ranges of one block: of a run what is beyond the cut, an episode as a whole.
 */
static void take_upper(struct blocks *s, uint32_t i, const struct cut *cut, struct blocks *upper, const struct origins *t) {
    assert(i < s->n);
    struct row_block *b = &s->b[i];
    uint32_t end = b->first + b->count, kept = b->first;
    for (uint32_t j = b->first; j < end; j++) {
        struct range r = s->ranges[j];
        uint64_t at = b->episode ? r.after : cut_at(cut, &r);
        if (at < r.upto) range_add(upper, 0, (struct range){r.origin, at > r.after ? at : r.after, r.upto}, t);
        if (at > r.after) s->ranges[kept++] = (struct range){r.origin, r.after, at < r.upto ? at : r.upto};
    }
    for (uint32_t j = end; j < s->ranges_count; j++) range_add(upper, 0, s->ranges[j], t);
    b->count = kept - b->first;
    s->n = b->count > 0 ? i + 1 : i;
    s->ranges_count = kept;
}

/* ---- arrival ---- */

/* A sibling that the writer had not seen may have left the stack meanwhile: with its episode, or alone. */
static void put_back_unseen(struct blocks *s, const struct context *c, const struct closed_episodes *closed) {
    struct blocks episode = {0};
    for (uint32_t i = 0; i < c->unseen_count; i++) {
        struct dot d = c->unseen[i];
        if (d.n > context_upto(c, d.origin) || block_of(s, d) != NULL) continue;
        if (conflict_planted != CONFLICT_BUG_NEVER_REOPEN && closed != NULL && closed->take(closed->arg, d, &episode)) {
            assert(episode.n == 1 && episode.b[0].episode && episode.b[0].count == episode.ranges_count);
            insert_lowest(s, true, episode.ranges, episode.ranges_count);
        } else {
            struct range alone = range_of(d);
            insert_lowest(s, false, &alone, 1);
        }
    }
    blocks_finish(&episode);
}

static void join_run(struct blocks *s, struct dot self, const struct origins *t) {
    struct range r = range_of(self);
    if (s->n == 0 || s->b[s->n - 1].episode) {
        push(s, false, &r, 1);
        return;
    }
    struct row_block *top = &s->b[s->n - 1];
    range_add(s, top->first, r, t);
    top->count = s->ranges_count - top->first;
}

static void remove_block(struct blocks *s, uint32_t i) {
    struct row_block gone = s->b[i];
    uint32_t end = gone.first + gone.count;
    memmove(s->ranges + gone.first, s->ranges + end, (s->ranges_count - end) * sizeof *s->ranges);
    s->ranges_count -= gone.count;
    s->n--;
    for (; i < s->n; i++) {
        s->b[i] = s->b[i + 1];
        s->b[i].first -= gone.count;
    }
}

/* The planted bug HEAD_ONLY: an episode of the arriving version with those siblings that it does not cover. */
static bool arrive_at_heads(struct blocks *s, const struct context *c, const struct dot *live, uint32_t live_count, const struct origins *t) {
    struct blocks upper = {0};
    for (uint32_t i = 0; i < live_count; i++) {
        if (context_covers(c, live[i])) continue;
        const struct row_block *b = blocks_episode_of(s, live[i]);
        if (b != NULL) {
            for (uint32_t j = 0; j < b->count; j++) range_add(&upper, 0, s->ranges[b->first + j], t);
            remove_block(s, (uint32_t)(b - s->b));
        }
        range_add(&upper, 0, range_of(live[i]), t);
    }
    bool conflict = upper.ranges_count > 0;
    if (conflict) {
        range_add(&upper, 0, range_of(c->self), t);
        push(s, true, upper.ranges, upper.ranges_count);
    }
    blocks_finish(&upper);
    return conflict;
}

bool blocks_arrive(struct blocks *s, const struct context *c, const struct dot *live, uint32_t live_count, const struct closed_episodes *closed,
                   const struct origins *t) {
    assert(c->self.n >= 1);
    if (conflict_planted == CONFLICT_BUG_HEAD_ONLY) return arrive_at_heads(s, c, live, live_count, t);
    if (c->unseen_count > 0) put_back_unseen(s, c, closed);
    struct cut cut = {.context = c};
    uint32_t lowest = lowest_beyond(s, &cut);
    if (lowest == s->n) {
        join_run(s, c->self, t);
        return false;
    }
    struct blocks upper = {0};
    take_upper(s, lowest, &cut, &upper, t);
    range_add(&upper, 0, range_of(c->self), t);
    push(s, true, upper.ranges, upper.ranges_count);
    blocks_finish(&upper);
    return true;
}

/* ---- collection ---- */

/* How far a run's range may go: what is stable, below its first live version. */
static uint64_t collectable_upto(const struct range *r, const struct dot *live, uint32_t live_count, const struct vv *stable) {
    uint64_t upto = vv_get(stable, r->origin);
    for (uint32_t i = 0; i < live_count; i++)
        if (range_holds(r, live[i]) && live[i].n <= upto) upto = live[i].n - 1;
    return upto;
}

static bool episode_collectable(const struct blocks *s, const struct row_block *b, const struct dot *live, uint32_t live_count,
                                const struct vv *stable) {
    for (uint32_t i = 0; i < b->count; i++)
        if (s->ranges[b->first + i].upto > vv_get(stable, s->ranges[b->first + i].origin)) return false;
    for (uint32_t i = 0; i < live_count; i++)
        if (block_holds(s, b, live[i])) return false;
    return true;
}

void blocks_collect(struct blocks *s, const struct dot *live, uint32_t live_count, const struct vv *stable) {
    uint32_t blocks = 0, kept = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        struct row_block b = s->b[i];
        uint32_t first = kept;
        if (b.episode && episode_collectable(s, &b, live, live_count, stable)) continue;
        for (uint32_t j = b.first; j < b.first + b.count; j++) {
            struct range r = s->ranges[j];
            uint64_t upto = b.episode ? 0 : collectable_upto(&r, live, live_count, stable);
            if (upto > r.after) r.after = upto;
            if (r.after < r.upto) s->ranges[kept++] = r;
        }
        if (kept > first) s->b[blocks++] = (struct row_block){b.episode, first, kept - first};
    }
    s->n = blocks;
    s->ranges_count = kept;
}

/* ---- join ---- */

/* Both have what the other has not: that, and whatever overlaps it on either side with all above, is one episode on top of the rest of one side. */
static void join_on_top(struct blocks *p, uint32_t p_new, const struct cut *by_q, struct blocks *q, uint32_t q_new, const struct cut *by_p,
                        struct blocks *ret, const struct origins *t) {
    struct blocks upper = {0};
    struct cut overlap = {.overlaps = &upper};
    take_upper(p, p_new, by_q, &upper, t);
    take_upper(q, q_new, by_p, &upper, t);
    for (bool more = true; more;) {
        uint32_t at = lowest_beyond(p, &overlap);
        more = at < p->n;
        if (more) take_upper(p, at, &overlap, &upper, t);
        at = lowest_beyond(q, &overlap);
        if (at == q->n) continue;
        more = true;
        take_upper(q, at, &overlap, &upper, t);
    }
    blocks_copy(ret, p->ranges_count >= q->ranges_count ? p : q);
    push(ret, true, upper.ranges, upper.ranges_count);
    blocks_finish(&upper);
}

void blocks_join(const struct blocks *p, const struct vv *p_vv, const struct blocks *q, const struct vv *q_vv, struct blocks *ret,
                 const struct origins *t) {
    assert(ret != p && ret != q);
    struct context p_all = {.deps = p_vv, .self = {ORIGIN_NONE, 1}}, q_all = {.deps = q_vv, .self = {ORIGIN_NONE, 1}};
    struct cut by_p = {.context = &p_all}, by_q = {.context = &q_all};
    uint32_t p_new = lowest_beyond(p, &by_q), q_new = lowest_beyond(q, &by_p);
    if (conflict_planted == CONFLICT_BUG_JOIN_WITHOUT_BLOCKS) {
        blocks_copy(ret, q);
    } else if (q_new == q->n) {
        blocks_copy(ret, p);
    } else if (p_new == p->n) {
        blocks_copy(ret, q);
    } else {
        struct blocks p_rest = {0}, q_rest = {0};
        blocks_copy(&p_rest, p);
        blocks_copy(&q_rest, q);
        join_on_top(&p_rest, p_new, &by_q, &q_rest, q_new, &by_p, ret, t);
        blocks_finish(&p_rest);
        blocks_finish(&q_rest);
    }
}

/* ---- bytes ---- */

static void encode_one(const struct blocks *s, const struct row_block *b, const struct origins *t, struct buf *out) {
    buf_u8(out, b->episode);
    buf_varint(out, b->count);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct range *r = &s->ranges[b->first + i];
        origin_encode(t, r->origin, out);
        buf_varint(out, r->after);
        buf_varint(out, r->upto);
    }
}

void block_encode(const struct blocks *s, const struct row_block *b, const struct origins *t, struct buf *out) {
    buf_varint(out, 1);
    encode_one(s, b, t, out);
}

void blocks_encode(const struct blocks *s, const struct origins *t, struct buf *out) {
    buf_varint(out, s->n);
    for (uint32_t i = 0; i < s->n; i++) encode_one(s, &s->b[i], t, out);
}

static void decode_ranges(struct reader *r, struct origins *t, struct blocks *ret, uint32_t count) {
    uint32_t first = ret->ranges_count;
    reserve(ret, 0, first + count);
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        struct range x;
        x.origin = origin_decode(r, t);
        x.after = read_varint(r);
        x.upto = read_varint(r);
        if (r->bad || x.after >= x.upto || (i > 0 && origins_compare(t, ret->ranges[ret->ranges_count - 1].origin, x.origin) >= 0)) {
            read_refuse(r);
        } else {
            ret->ranges[ret->ranges_count++] = x;
        }
    }
}

static bool count_fits(const struct reader *r, uint64_t count, size_t bytes_min) { return count <= (size_t)(r->end - r->p) / bytes_min; }

bool blocks_decode(struct reader *r, struct origins *t, struct blocks *ret) {
    blocks_clear(ret);
    uint64_t blocks = read_varint(r);
    if (!count_fits(r, blocks, BLOCK_BYTES_MIN)) read_refuse(r);
    for (uint64_t i = 0; i < blocks && !r->bad; i++) {
        uint8_t episode = read_u8(r);
        uint64_t count = read_varint(r);
        if (episode > 1 || count == 0 || !count_fits(r, count, RANGE_BYTES_MIN)) {
            read_refuse(r);
            break;
        }
        reserve(ret, ret->n + 1, 0);
        ret->b[ret->n++] = (struct row_block){episode == 1, ret->ranges_count, (uint32_t)count};
        decode_ranges(r, t, ret, (uint32_t)count);
    }
    if (r->bad) blocks_clear(ret);
    return !r->bad;
}
