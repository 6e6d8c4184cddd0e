/* Merged rows: what a delta does to the cells (DESIGN, section 6). */
#include "planted.h"
#include "row_build.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- one cell ---- */

struct merging {
    const struct row *old;
    const struct row_change *how;
    struct row *ret;
    struct row_news *news;
    bool made; /* old was made of a whole row just now */
};

/* Elements of another type than the change writes are covered too: readers of the shown type did not see them. */
static bool of_other_type(const struct delta *d, enum cell_kind kind) {
    enum content_type type = cell_type(kind);
    return conflict_planted != CONFLICT_BUG_TYPES_HIDDEN && d->type != CONTENT_NONE && type != CONTENT_NONE && type != d->type;
}

static bool goes(const struct merging *m, const struct version *v, enum cell_kind kind, const struct delta_op *op) {
    const struct delta *d = m->how->delta;
    bool removes = (d->flags & DELTA_CLEAR) || of_other_type(d, kind) || (op && (op->flags & (OP_PUT | OP_REMOVE)));
    if (!removes) return false;
    if (conflict_planted == CONFLICT_BUG_NO_CONTEXT || (conflict_planted == CONFLICT_BUG_DELETE_ALL && (d->flags & DELTA_CLEAR)) ||
        (conflict_planted == CONFLICT_BUG_REMOVE_WINS && op && (op->flags & OP_REMOVE)))
        return true;
    return context_covers(&m->how->context, v->dot);
}

static void merge_versions(const struct merging *m, const struct cell *before, const struct delta_op *op, const struct cell *after) {
    const struct delta *d = m->how->delta;
    struct cell named = {.kind = after->kind, .name = after->name};
    for (uint32_t i = 0; before && i < before->count; i++) {
        const struct version *v = &cell_versions(m->old, before)[i];
        if (!goes(m, v, named.kind, op))
            row_add_version(m->ret, v);
        else if (m->news->types_before && cell_type(named.kind) != CONTENT_NONE && ((d->flags & DELTA_CLEAR) || cell_type(named.kind) != d->type))
            news_add_lost(m->news, &named, v, true);
    }
    if (!op || !(op->flags & OP_PUT)) return;
    struct version v = {.dot = m->how->context.self, .stamp = m->how->stamp, .content = op->value};
    row_insert_version(m->ret, &v, m->how->origins);
}

static void reset_counter(struct counter *c, const struct delta_op *op, struct dot by) {
    for (uint32_t i = 0; op && i < op->resets_count; i++)
        if (op->resets[i].origin == c->origin) counter_reset_by(c, &op->resets[i], by);
}

static void add_counter(const struct merging *m, struct counter c) {
    if (!counter_collectable(&c, m->how->stable)) row_add_counter(m->ret, &c);
}

static void merge_counters(const struct merging *m, const struct cell *before, const struct delta_op *op) {
    const struct counter *arrives = op && (op->flags & OP_COUNT) ? &op->count : NULL;
    for (uint32_t i = 0; before && i < before->counters_count; i++) {
        struct counter c = cell_counters(m->old, before)[i];
        int order = arrives ? origins_compare(m->how->origins, arrives->origin, c.origin) : 1;
        if (order < 0) {
            add_counter(m, *arrives);
            arrives = NULL;
        }
        reset_counter(&c, op, m->how->context.self);
        if (order == 0) {
            c = counter_join(&c, arrives);
            arrives = NULL;
        }
        add_counter(m, c);
    }
    if (arrives) add_counter(m, *arrives);
}

static void merge_cell(const struct merging *m, const struct cell *before, const struct delta_op *op) {
    struct cell *after = row_add_cell(m->ret, op ? op->kind : before->kind, op ? op->name : before->name);
    merge_versions(m, before, op, after);
    after = &m->ret->cells[m->ret->cells_count - 1];
    if (after->kind == CELL_STRING || after->kind == CELL_FIELD) {
        bool arrives = op && (op->flags & OP_PUT);
        step_stack(&(struct cell_step){m->old, before, m->ret, arrives, arrives ? op->unseen : NULL, arrives ? op->unseen_count : 0, m->made}, m->how,
                   m->news);
        merge_counters(m, before, op);
        after = &m->ret->cells[m->ret->cells_count - 1];
    }
    if (!after->count && !after->counters_count && !after->stack) m->ret->cells_count--;
}

/* Old cells and operations, both in order of (kind, name). */
static void merge_cells(const struct merging *m) {
    const struct delta *d = m->how->delta;
    uint32_t i = 0, k = 0;
    while (i < m->old->cells_count || k < d->ops_count) {
        const struct cell *before = i < m->old->cells_count ? &m->old->cells[i] : NULL;
        const struct delta_op *op = k < d->ops_count ? &d->ops[k] : NULL;
        int order = !before ? 1 : !op ? -1 : cell_compare(before->kind, before->name, op->kind, op->name);
        merge_cell(m, order <= 0 ? before : NULL, order >= 0 ? op : NULL);
        i += order <= 0;
        k += order >= 0;
    }
}

void merge_apply(const struct row *old, const struct row_change *how, struct row *ret, struct row_news *news) {
    struct row made = {0};
    if (old->form == ROW_WHOLE && old->cells_count) {
        const struct cell *whole = &old->cells[0];
        news_of_form(old, whole, news);
        row_as_merged(old, &made, how->origins);
        old = &made;
        news->types_before = row_types_collide(old);
    }
    merge_cells(&(struct merging){old, how, ret, news, old == &made});
    ret->made = made.made;
    made.made = NULL;
    row_finish(&made);
}

/* ---- a whole row as cells ---- */

struct element {
    enum cell_kind kind;
    struct slice name;
    struct version v;
};
struct elements {
    struct element *e;
    size_t n, cap;
};

static void add_element(struct elements *l, enum cell_kind kind, struct slice name, struct slice value, const struct version *of) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->e = xrealloc(l->e, l->cap * sizeof *l->e);
    }
    l->e[l->n++] = (struct element){kind, name, {.dot = of->dot, .stamp = of->stamp, .content = value}};
}

static void elements_of(struct elements *l, const struct version *v, uint8_t *expiry) {
    struct slice name, value;
    uint64_t ms = content_expires_ms(v->content);
    for (int i = 0; i < 8; i++) expiry[i] = (uint8_t)(ms >> 8 * i);
    add_element(l, CELL_EXPIRY, (struct slice){0}, SLICE(expiry, ms ? 8 : 0), v);
    if (content_type(v->content) == CONTENT_STRING) {
        add_element(l, CELL_STRING, (struct slice){0}, content_string(v->content), v);
        return;
    }
    bool hash = content_type(v->content) == CONTENT_HASH;
    struct content_columns each = content_columns(v->content);
    while (content_next(&each, &name, &value)) add_element(l, hash ? CELL_FIELD : CELL_MEMBER, name, hash ? value : (struct slice){0}, v);
}

/* In order of cells; of one cell in the order in which they came, which is that of dots. */
static int by_cell(const void *a, const void *b) {
    const struct element *x = a, *y = b;
    int order = cell_compare(x->kind, x->name, y->kind, y->name);
    return order ? order : (x->v.inputs < y->v.inputs ? -1 : 1);
}

/* Siblings that live together were concurrent: one episode, as if each had seen none of the others. */
static void stack_together(struct row *r, const struct origins *t) {
    const struct cell *c = &r->cells[r->cells_count - 1];
    if (c->count < 2 || (c->kind != CELL_STRING && c->kind != CELL_FIELD)) return;
    struct blocks *s = row_add_stack(r);
    c = &r->cells[r->cells_count - 1];
    const struct version *v = cell_versions(r, c);
    struct dot *before = xmalloc(c->count * sizeof *before);
    struct vv nothing = {0};
    blocks_of_one(s, v[0].dot);
    for (uint32_t i = 1; i < c->count; i++) {
        before[i - 1] = v[i - 1].dot;
        struct context unseen = {.deps = &nothing, .self = v[i].dot, .unseen = before, .unseen_count = i};
        blocks_arrive(s, &unseen, before, i, NULL, t);
    }
    free(before);
}

void row_as_merged(const struct row *whole, struct row *ret, const struct origins *t) {
    assert(whole->form == ROW_WHOLE);
    row_clear(ret);
    ret->form = ROW_MERGED;
    struct elements l = {0};
    ret->made = xmalloc(8 * (size_t)whole->versions_count + 1);
    for (uint32_t i = 0; i < whole->versions_count; i++)
        if (whole->versions[i].content.n) elements_of(&l, &whole->versions[i], ret->made + (size_t)8 * i);
    for (size_t i = 0; i < l.n; i++) l.e[i].v.inputs = i;
    if (l.n) qsort(l.e, l.n, sizeof *l.e, by_cell);
    for (size_t i = 0; i < l.n; i++) {
        if (!i || cell_compare(l.e[i].kind, l.e[i].name, l.e[i - 1].kind, l.e[i - 1].name) != 0) {
            if (i) stack_together(ret, t);
            row_add_cell(ret, l.e[i].kind, l.e[i].name);
        }
        l.e[i].v.inputs = 0;
        row_add_version(ret, &l.e[i].v);
    }
    if (l.n) stack_together(ret, t);
    free(l.e);
}
