#include "happenings.h"

#include "../../schemas/bytes.h"

#include <assert.h>
#include <stdlib.h>

void happenings_finish(struct happenings *h) {
    free(h->heap);
    free(h->now);
    *h = (struct happenings){0};
}

/* ---- what is due at once ---- */

static void ring_grow(struct happenings *h) {
    size_t cap = h->now_cap ? h->now_cap * 2 : 64;
    struct happening *ring = xmalloc(cap * sizeof *ring);
    for (size_t i = 0; i < h->now_n; i++) ring[i] = h->now[(h->now_first + i) & (h->now_cap - 1)];
    free(h->now);
    h->now = ring;
    h->now_cap = cap;
    h->now_first = 0;
}

static void ring_add(struct happenings *h, struct happening what) {
    if (h->now_n == h->now_cap) ring_grow(h);
    h->now[(h->now_first + h->now_n++) & (h->now_cap - 1)] = what;
}

static struct happening ring_take(struct happenings *h) {
    struct happening first = h->now[h->now_first];
    h->now_first = (h->now_first + 1) & (h->now_cap - 1);
    h->now_n--;
    return first;
}

/* ---- the heap ---- */

static bool before(const struct happening *a, const struct happening *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void heap_add(struct happenings *h, struct happening what) {
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 256;
        h->heap = xrealloc(h->heap, h->cap * sizeof *h->heap);
    }
    size_t at = h->n++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (before(&h->heap[parent], &what)) break;
        h->heap[at] = h->heap[parent];
        at = parent;
    }
    h->heap[at] = what;
}

static struct happening heap_take(struct happenings *h) {
    struct happening first = h->heap[0], last = h->heap[--h->n];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->n) break;
        if (child + 1 < h->n && before(&h->heap[child + 1], &h->heap[child])) child++;
        if (before(&last, &h->heap[child])) break;
        h->heap[at] = h->heap[child];
        at = child;
    }
    if (h->n > 0) h->heap[at] = last;
    return first;
}

/* ---- both ---- */

void happenings_add(struct happenings *h, struct happening what) {
    what.sequence = h->sequence++;
    if (what.at_us <= h->now_us)
        ring_add(h, what);
    else
        heap_add(h, what);
}

bool happenings_any(const struct happenings *h) { return h->now_n > 0 || h->n > 0; }

bool happenings_due(const struct happenings *h, uint64_t until_us) {
    return (h->now_n > 0 && h->now_us <= until_us) || (h->n > 0 && h->heap[0].at_us <= until_us);
}

struct happening happenings_take(struct happenings *h) {
    assert(happenings_any(h));
    if (h->now_n > 0 && (h->n == 0 || h->heap[0].at_us > h->now_us)) return ring_take(h);
    h->now_us = h->heap[0].at_us;
    return heap_take(h);
}
