/* Three-way merge of columns, for handlers that have the base: what one side changed counts, what two sides changed differently is a conflict. */
#pragma once
#include <stdbool.h>
#include <truce_handler.h>

static inline const struct truce_column *three_way_find(const struct truce_sibling *s, struct truce_bytes name) {
    return s != NULL && (s->type == TRUCE_HASH || s->type == TRUCE_SET) ? truce_find(s, name) : NULL;
}

static inline bool three_way_same(const struct truce_column *a, const struct truce_column *b) {
    return a == b || (a != NULL && b != NULL && truce_equal(a->value, b->value));
}

/* What column `name` becomes: true, and the column, or NULL: it is not there. False: changed in two ways. */
static inline bool three_way_column(const struct truce_conflict *c, struct truce_bytes name, const struct truce_column **ret) {
    const struct truce_column *base = three_way_find(c->base, name);
    bool changed = false;
    *ret = base;
    for (size_t i = 0; i < c->siblings_count; i++) {
        const struct truce_column *here = three_way_find(c->siblings[i], name);
        if (three_way_same(here, base)) continue;
        if (changed && !three_way_same(here, *ret)) return false;
        changed = true;
        *ret = here;
    }
    return true;
}

static inline void three_way_least(const struct truce_sibling *s, const struct truce_bytes *after, const struct truce_bytes **least) {
    if (s == NULL || (s->type != TRUCE_HASH && s->type != TRUCE_SET)) return;
    size_t low = 0, high = s->columns_count;
    while (after != NULL && low < high) {
        size_t middle = low + (high - low) / 2;
        if (truce_compare(s->columns[middle].name, *after) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < s->columns_count && (*least == NULL || truce_compare(s->columns[low].name, **least) < 0)) *least = &s->columns[low].name;
}

/* The next name, in order, that any version or the base has; `after` NULL: the first. NULL: there is none. */
static inline const struct truce_bytes *three_way_next(const struct truce_conflict *c, const struct truce_bytes *after) {
    const struct truce_bytes *least = NULL;
    for (size_t i = 0; i < c->siblings_count; i++) three_way_least(c->siblings[i], after, &least);
    three_way_least(c->base, after, &least);
    return least;
}

/* Are all versions hashes, or deletes? (Who deleted the row removed every column that he had seen.) */
static inline bool three_way_hashes(const struct truce_conflict *c) {
    for (size_t i = 0; i < c->siblings_count; i++) {
        if (c->siblings[i]->type != TRUCE_HASH && c->siblings[i]->type != TRUCE_DELETED) return false;
    }
    return true;
}

/* Of the expiries of all rows the longest; 0 is for ever. */
static inline uint64_t three_way_expiry(const struct truce_conflict *c) {
    uint64_t longest = 1;
    for (size_t i = 0; i < c->siblings_count; i++) {
        uint64_t here = c->siblings[i]->expires_ms;
        if (c->siblings[i]->type == TRUCE_DELETED) continue;
        if (longest != 0 && (here == 0 || here > longest)) longest = here;
    }
    return longest;
}
