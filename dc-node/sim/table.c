#include "table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct record *record_create(struct slice name, struct slice value) {
    assert(name.n <= UINT32_MAX && value.n <= UINT32_MAX);
    struct record *r = xmalloc(sizeof *r + name.n + value.n);
    r->name_bytes = (uint32_t)name.n;
    r->value_bytes = (uint32_t)value.n;
    if (name.n > 0) memcpy(r->bytes, name.p, name.n);
    if (value.n > 0) memcpy(r->bytes + name.n, value.p, value.n);
    return r;
}

void sim_table_finish(struct table *t) {
    for (size_t i = 0; i < t->n; i++) free(t->records[i]);
    free(t->records);
    *t = (struct table){0};
}

size_t table_seek(const struct table *t, struct slice name) {
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(record_name(t->records[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct table *t, size_t at, struct slice name) { return at < t->n && slice_equal(record_name(t->records[at]), name); }

struct record *table_find(const struct table *t, struct slice name) {
    size_t at = table_seek(t, name);
    return is_at(t, at, name) ? t->records[at] : NULL;
}

static void table_reserve(struct table *t, size_t n) {
    if (n <= t->cap) return;
    t->cap = t->cap * 2 > n ? t->cap * 2 : n + 16;
    t->records = xrealloc(t->records, t->cap * sizeof(struct record *));
}

struct record *table_put(struct table *t, struct record *r) {
    size_t at = table_seek(t, record_name(r));
    if (is_at(t, at, record_name(r))) {
        struct record *old = t->records[at];
        t->records[at] = r;
        return old;
    }
    table_reserve(t, t->n + 1);
    memmove(t->records + at + 1, t->records + at, (t->n - at) * sizeof(struct record *));
    t->records[at] = r;
    t->n++;
    return NULL;
}

struct record *table_remove(struct table *t, struct slice name) {
    size_t at = table_seek(t, name);
    if (!is_at(t, at, name)) return NULL;
    struct record *old = t->records[at];
    t->n--;
    memmove(t->records + at, t->records + at + 1, (t->n - at) * sizeof(struct record *));
    return old;
}

void table_merge(struct table *t, struct record **changes, size_t n) {
    struct table merged = {0};
    table_reserve(&merged, t->n + n);
    size_t old = 0;
    for (size_t i = 1; i < n; i++) assert(slice_compare(record_name(changes[i - 1]), record_name(changes[i])) < 0);
    for (size_t i = 0; i < n; i++) {
        int order = -1;
        while (old < t->n && (order = slice_compare(record_name(t->records[old]), record_name(changes[i]))) < 0)
            merged.records[merged.n++] = t->records[old++];
        if (old < t->n && order == 0) free(t->records[old++]);
        if (changes[i]->value_bytes > 0)
            merged.records[merged.n++] = changes[i];
        else
            free(changes[i]);
    }
    while (old < t->n) merged.records[merged.n++] = t->records[old++];
    free(t->records);
    *t = merged;
}
