#include "happenings.h"

#include "../../schemas/bytes.h"

#include <assert.h>
#include <stdlib.h>

void happenings_finish(struct happenings *h) {
    free(h->heap);
    *h = (struct happenings){0};
}

static bool before(const struct happening *a, const struct happening *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void happenings_add(struct happenings *h, struct happening what) {
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 256;
        h->heap = xrealloc(h->heap, h->cap * sizeof *h->heap);
    }
    what.sequence = h->sequence++;
    size_t at = h->n++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (before(&h->heap[parent], &what)) break;
        h->heap[at] = h->heap[parent];
        at = parent;
    }
    h->heap[at] = what;
}

const struct happening *happenings_first(const struct happenings *h) { return h->n > 0 ? &h->heap[0] : NULL; }

struct happening happenings_take(struct happenings *h) {
    assert(h->n > 0);
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
