#include "tail.h"
#include <assert.h>
#include <stdlib.h>

void tail_init(struct tail *t, size_t bytes_max, const struct vv *base) {
    *t = (struct tail){.bytes_max = bytes_max};
    vv_copy(&t->base, base);
}

void tail_finish(struct tail *t) {
    for (uint64_t i = t->begin; i < t->end; i++) free(tail_at(t, i));
    free(t->blocks);
    vv_finish(&t->base);
}

static void grow(struct tail *t) {
    size_t cap = t->cap ? t->cap * 2 : 64;
    struct tail_block **blocks = xmalloc(cap * sizeof *blocks);
    for (uint64_t i = t->begin; i < t->end; i++) blocks[i % cap] = tail_at(t, i);
    free(t->blocks);
    t->blocks = blocks;
    t->cap = cap;
}

struct tail_block *tail_add(struct tail *t, origin_ref origin, uint64_t first, uint64_t last, size_t n) {
    if (t->end - t->begin == t->cap) grow(t);
    struct tail_block *b = xmalloc(sizeof *b + n);
    *b = (struct tail_block){.origin = origin, .first = first, .last = last, .n = (uint32_t)n};
    t->blocks[t->end++ % t->cap] = b;
    t->bytes += sizeof *b + n;
    return b;
}

void tail_committed(struct tail *t) {
    t->uncommitted = t->end;
    while (t->bytes > t->bytes_max && t->begin < t->end) {
        struct tail_block *b = tail_at(t, t->begin++);
        vv_raise(&t->base, b->origin, b->last);
        t->bytes -= sizeof *b + b->n;
        free(b);
    }
}
