/* Which events must be kept from a datacenter for a while, so that writers there do not know of them too early. */
#include "capture_steps.h"

#include <stdlib.h>

#define LOOK_BACK_MAX 2000u /* entries of a row */

static void add(struct held_backs *h, struct held_back one) {
    if (h->count == h->cap) h->list = xrealloc(h->list, (h->cap = h->cap ? h->cap * 2 : 64) * sizeof *h->list);
    h->list[h->count++] = one;
}

/* The first entry of each other datacenter that event f did not know, of one row. */
static void look_at_row(const struct capture *c, const struct captured_row *row, size_t f, size_t first[static DCS_MAX]) {
    size_t i = row->count, looked = 0;
    while (i > 0 && row->entries[i - 1].event >= f) i--;
    for (; i > 0 && looked < LOOK_BACK_MAX; i--, looked++) {
        const struct row_entry *e = &row->entries[i - 1];
        bool knew = capture_knew(c, f, e->event);
        if (!knew && c->events[e->event].dc != c->events[f].dc && e->event < first[c->events[e->event].dc]) first[c->events[e->event].dc] = e->event;
        if (knew && e->after_all) return;
    }
}

/* A client with a context of its own knew less than its node. */
static bool knew_less(const struct captured *e) {
    for (uint32_t i = 0; i < e->event.changes_count; i++)
        if (e->event.changes[i].op != CHANGE_RECORD && e->event.changes[i].unseen_count) return true;
    return false;
}

/* Did its last writer know something that was made elsewhere since event `begins`? */
static bool knew_since(const struct capture *c, const struct held_back *h, size_t begins) {
    for (uint32_t d = 0; d < c->cluster->dcs_count; d++) {
        size_t known = d == h->to ? SIZE_MAX : capture_latest_known(c, h->last, d);
        if (known != SIZE_MAX && known >= begins) return true;
    }
    return false;
}

static int by_first(const void *a, const void *b) {
    const struct held_back *x = a, *y = b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x->last > y->last) - (x->last < y->last);
}

void held_backs_find(const struct capture *c, const struct captured_rows *rows, struct held_backs *ret) {
    struct held_back *open[DCS_MAX][DCS_MAX] = {0};
    struct held_backs all = {0};
    *ret = (struct held_backs){0};
    for (size_t f = 0; f < c->count; f++) {
        const struct captured *e = &c->events[f];
        size_t first[DCS_MAX];
        if (e->left_out || knew_less(e)) continue;
        for (uint32_t d = 0; d < DCS_MAX; d++) first[d] = SIZE_MAX;
        for (uint32_t k = 0; k < e->event.changes_count; k++) {
            const struct captured_row *row = captured_row(rows, e->event.changes[k].key);
            if (row) look_at_row(c, row, f, first);
        }
        for (uint32_t d = 0; d < c->cluster->dcs_count; d++)
            if (first[d] != SIZE_MAX) add(&all, (struct held_back){d, e->dc, first[d], f});
    }
    if (all.count > 1) qsort(all.list, all.count, sizeof *all.list, by_first);
    ret->list = xcalloc(all.count + 1, sizeof *ret->list);
    for (size_t i = 0; i < all.count; i++) {
        struct held_back h = all.list[i], *before = open[h.from][h.to];
        bool joins = before && h.first <= before->last;
        if (joins && h.last <= before->last) continue;
        if (knew_since(c, &h, joins ? before->first : h.first)) continue; /* what it needs was made meanwhile: its context has to do */
        if (joins) {
            before->last = h.last;
        } else {
            ret->list[ret->count] = h;
            open[h.from][h.to] = &ret->list[ret->count++];
        }
    }
    free(all.list);
}
