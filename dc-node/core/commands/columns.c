#include "commands.h"
#include <assert.h>
#include <stdlib.h>

void slices_finish(struct slices *l) {
    free(l->p);
    *l = (struct slices){0};
}

void slices_add(struct slices *l, struct slice s) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->p = xrealloc(l->p, l->cap * sizeof *l->p);
    }
    l->p[l->n++] = s;
}

static int by_bytes(const void *a, const void *b) { return slice_compare(*(const struct slice *)a, *(const struct slice *)b); }

void slices_unique(struct slices *l) {
    if (l->n < 2) return;
    qsort(l->p, l->n, sizeof *l->p, by_bytes);
    size_t kept = 1;
    for (size_t i = 1; i < l->n; i++)
        if (!slice_equal(l->p[i], l->p[kept - 1])) l->p[kept++] = l->p[i];
    l->n = kept;
}

static int by_name(const void *a, const void *b) { return slice_compare((*(struct lookup *const *)a)->name, (*(struct lookup *const *)b)->name); }

/* Columns are sorted by name: with the questions sorted too, one pass answers them all. */
static void answer_sorted(struct slice content, struct lookup **l, size_t count) {
    qsort(l, count, sizeof *l, by_name);
    struct content_columns columns = content_columns(content);
    struct slice name, value = {0};
    bool more = content_next(&columns, &name, &value);
    for (size_t i = 0; i < count; i++) {
        while (more && slice_compare(name, l[i]->name) < 0) more = content_next(&columns, &name, &value);
        if (!more) return;
        if (!slice_equal(name, l[i]->name)) continue;
        l[i]->found = true;
        l[i]->value = value;
    }
}

struct lookup *lookup_columns(const struct call *c, struct slice content, uint32_t first, uint32_t step, size_t *ret_count) {
    size_t count = (c->argc - first + step - 1) / step;
    struct lookup *l = xcalloc(count, sizeof *l);
    for (size_t i = 0; i < count; i++) l[i].name = arg(c, first + (uint32_t)i * step);
    *ret_count = count;
    if (row_absent(content)) return l;
    if (count <= 2) {
        for (size_t i = 0; i < count; i++) l[i].found = content_find(content, l[i].name, &l[i].value);
        return l;
    }
    struct lookup **sorted = xmalloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) sorted[i] = &l[i];
    answer_sorted(content, sorted, count);
    free(sorted);
    return l;
}

void lookups_where(const struct lookup *l, size_t count, bool found, struct slices *ret) {
    for (size_t i = 0; i < count; i++)
        if (l[i].found == found) slices_add(ret, l[i].name);
    slices_unique(ret);
}

void column_at(struct slice content, uint64_t i, struct slice *ret_name, struct slice *ret_value) {
    struct content_columns columns = content_columns(content);
    bool found = false;
    for (uint64_t k = 0; k <= i; k++) found = content_next(&columns, ret_name, ret_value);
    assert(found);
}

void remove_columns(struct call *c, enum content_type type) {
    struct slice key = arg(c, 1), content;
    size_t count;
    if (!want_type(c, key, type, &content)) return;
    struct lookup *asked = lookup_columns(c, content, 2, 1, &count);
    struct slices found = {0};
    lookups_where(asked, count, true, &found);
    bool done = true;
    if (found.n == 1)
        done = txn_remove_column(c->txn, key, found.p[0]);
    else if (found.n > 1)
        done = txn_remove_columns(c->txn, key, found.p, found.n);
    if (done)
        reply_integer(c->reply, (int64_t)found.n);
    else
        txn_refuse(c, key);
    slices_finish(&found);
    free(asked);
}
