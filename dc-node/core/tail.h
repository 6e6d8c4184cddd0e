/* The tail of the log in memory: the latest blocks, in the order in which they were applied here (which is a causal order), for the links that are up
 * to date. Blocks of the step under way stay at least until they were committed. */
#pragma once
#include "store.h"

struct tail_block {
    origin_ref origin;
    uint64_t first, last;
    uint64_t stamp; /* of its first event */
    uint32_t n;
    uint8_t bytes[];
};

struct tail {
    struct tail_block **blocks; /* a ring */
    size_t cap;
    uint64_t begin, end;  /* positions; block i is blocks[i % cap] */
    uint64_t uncommitted; /* positions from here on are not committed */
    size_t bytes, bytes_max;
    struct vv base; /* everything below the tail: what was evicted, or was there at the start */
};

void tail_init(struct tail *t, size_t bytes_max, const struct vv *base);
void tail_finish(struct tail *t);
/* Room for a block of n bytes, to be filled by the caller. */
struct tail_block *tail_add(struct tail *t, origin_ref origin, uint64_t first, uint64_t last, size_t n);
static inline struct tail_block *tail_at(const struct tail *t, uint64_t position) { return t->blocks[position % t->cap]; }
/* What is there was committed: evict down to bytes_max. */
void tail_committed(struct tail *t);
