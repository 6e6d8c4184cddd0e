/* Blocks: which versions of a cell were concurrent, in bounded space (DESIGN, section 6, "Episodes are canonical").
 *
 * A cell keeps its versions that are not yet known stable as a stack of blocks in causal order, the lowest first. A block is a range of numbers for
 * each of its origins, nothing more. A RUN is a chain of versions each of which knew all before it; an EPISODE is a set of two or more connected by
 * concurrency. An arriving version takes the lowest block that holds a version outside its context, and all above it, into one episode with itself;
 * if there is none it joins the run on top. A function of the events applied: equal at equal version vectors, in any order of arrival.
 *
 * Only the numbers of versions of this cell count within a range; others in it mean nothing. */
#pragma once
#include "row_parts.h"

struct range {
    origin_ref origin;
    uint64_t after, upto; /* numbers after < n <= upto */
};
struct row_block {
    bool episode;
    uint32_t first, count; /* ranges, in canonical order of origins */
};
struct blocks {
    struct row_block *b; /* lowest first */
    uint32_t n, cap;
    struct range *ranges;
    uint32_t ranges_count, ranges_cap;
};
void blocks_finish(struct blocks *s);
void blocks_clear(struct blocks *s);
void blocks_copy(struct blocks *to, const struct blocks *from);
/* The stack of a cell of which nothing but one version is to be known: a run of it. */
void blocks_of_one(struct blocks *s, struct dot only);
/* Is it just that? Then it need not be kept. */
bool blocks_are_of_one(const struct blocks *s, struct dot only);

/* Where episodes are that have left the stack: the journal. */
struct closed_episodes {
    /* The closed episode of this cell that holds `member` goes to *ret, as the only block; false: there is none. It is in the stack again now. */
    bool (*take)(void *arg, struct dot member, struct blocks *ret);
    void *arg;
};
/* A version arrives: c->self. `live` (count of them) are the cell's siblings before it. True: it is in an episode, which is on top. c->unseen
 * must be versions of this cell alone: one of another cell of the row would count as one of this. */
bool blocks_arrive(struct blocks *s, const struct context *c, const struct dot *live, uint32_t live_count, const struct closed_episodes *closed,
                   const struct origins *t);
/* What is stable leaves: an episode as a whole, when none of its versions is live; of a run what is below its first live version. */
void blocks_collect(struct blocks *s, const struct dot *live, uint32_t live_count, const struct vv *stable);
/* Stacks of the same cell at two version vectors: the stack at both together, for transfers. */
void blocks_join(const struct blocks *p, const struct vv *p_vv, const struct blocks *q, const struct vv *q_vv, struct blocks *ret,
                 const struct origins *t);

/* The episode that holds d; NULL: it is in none. */
const struct row_block *blocks_episode_of(const struct blocks *s, struct dot d);
bool block_holds(const struct blocks *s, const struct row_block *b, struct dot d);
/* What names an episode: of the latest dots that it holds of each origin, the smallest. (The smallest of all its dots is not known from ranges.) */
struct dot block_number(const struct blocks *s, const struct row_block *b, const struct origins *t);

/* varint count of blocks, each: u8 episode, varint count of ranges, each: origin, varint after, varint upto. Appends. */
void blocks_encode(const struct blocks *s, const struct origins *t, struct buf *out);
bool blocks_decode(struct reader *r, struct origins *t, struct blocks *ret); /* false: malformed */
void block_encode(const struct blocks *s, const struct row_block *b, const struct origins *t, struct buf *out);
