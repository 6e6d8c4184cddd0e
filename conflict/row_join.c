/* The join of two states of a row, for transfers (DESIGN, section 8): a version stays unless the other side has seen it and no longer has it. */
#include "planted.h"
#include "row_build.h"
#include <stdlib.h>

struct side {
    const struct row *row;
    const struct vv *vv;
};

static bool has_version(const struct row *r, const struct cell *c, struct dot d) {
    for (uint32_t i = 0; c && i < c->count; i++)
        if (dot_equal(cell_versions(r, c)[i].dot, d)) return true;
    return false;
}

static void take_versions(const struct side *from, const struct cell *c, const struct side *other, const struct cell *o, struct row *ret,
                          const struct origins *t) {
    for (uint32_t i = 0; c && i < c->count; i++) {
        const struct version *v = &cell_versions(from->row, c)[i];
        bool dropped = vv_covers(other->vv, v->dot) && !has_version(other->row, o, v->dot);
        if (!dropped || conflict_planted == CONFLICT_BUG_JOIN_AS_UNION) row_insert_version(ret, v, t);
    }
}

/* An entry that the other side has collected is gone. */
static bool counter_stays(const struct counter *c, const struct side *other) { return c->n > vv_get(other->vv, c->origin); }

static void take_counters(const struct side *p, const struct cell *c, const struct side *q, const struct cell *o, struct row *ret,
                          const struct origins *t) {
    uint32_t i = 0, k = 0, c_count = c ? c->counters_count : 0, o_count = o ? o->counters_count : 0;
    while (i < c_count || k < o_count) {
        const struct counter *a = i < c_count ? &cell_counters(p->row, c)[i] : NULL, *b = k < o_count ? &cell_counters(q->row, o)[k] : NULL;
        int order = !a ? 1 : !b ? -1 : origins_compare(t, a->origin, b->origin);
        struct counter joined;
        if (order == 0) {
            joined = counter_join(a, b);
            row_add_counter(ret, &joined);
        } else if (order < 0 ? counter_stays(a, q) : counter_stays(b, p)) {
            row_add_counter(ret, order < 0 ? a : b);
        }
        i += order <= 0;
        k += order >= 0;
    }
}

static void join_stacks(const struct side *p, const struct cell *c, const struct side *q, const struct cell *o, struct row *ret,
                        const struct origins *t) {
    struct blocks a = {0}, b = {0};
    cell_stack(p->row, c, &a);
    cell_stack(q->row, o, &b);
    struct blocks *joined = row_add_stack(ret);
    blocks_join(&a, p->vv, &b, q->vv, joined, t);
    const struct cell *after = &ret->cells[ret->cells_count - 1];
    if (!joined->n || (after->count == 1 && blocks_are_of_one(joined, cell_versions(ret, after)->dot))) row_drop_stack(ret);
    blocks_finish(&a);
    blocks_finish(&b);
}

static void join_cell(const struct side *p, const struct cell *c, const struct side *q, const struct cell *o, struct row *ret,
                      const struct origins *t) {
    const struct cell *any = c ? c : o;
    row_add_cell(ret, any->kind, any->name);
    take_versions(p, c, q, o, ret, t);
    take_versions(q, o, p, c, ret, t);
    if (any->kind == CELL_ROW || any->kind == CELL_STRING || any->kind == CELL_FIELD) join_stacks(p, c, q, o, ret, t);
    take_counters(p, c, q, o, ret, t);
    const struct cell *after = &ret->cells[ret->cells_count - 1];
    if (!after->count && !after->counters_count && !after->stack) ret->cells_count--;
}

static void join_below(const struct side *p, struct row *ret) {
    for (uint32_t i = 0; i < p->row->below_count; i++) {
        bool there = false;
        for (uint32_t k = 0; k < ret->below_count; k++)
            there |= dot_equal(ret->below[k].above, p->row->below[i].above) && dot_equal(ret->below[k].v.dot, p->row->below[i].v.dot);
        if (!there) row_add_below(ret, &p->row->below[i]);
    }
}

static bool knows_all_of(const struct side *s, const struct row *r) {
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (!vv_covers(s->vv, r->versions[i].dot)) return false;
    for (uint32_t i = 0; i < r->counters_count; i++)
        if (vv_get(s->vv, r->counters[i].origin) < r->counters[i].n) return false;
    return true;
}

/* Behind a barrier: whoever made a row of the later form knew all that there was of the earlier one. */
static bool is_later_form(const struct side *p, const struct side *q) {
    bool p_knows = knows_all_of(p, q->row), q_knows = knows_all_of(q, p->row);
    return p_knows != q_knows ? p_knows : vv_includes(p->vv, q->vv);
}

void row_join(const struct row *p, const struct vv *p_vv, const struct row *q, const struct vv *q_vv, struct row *ret, const struct origins *t) {
    row_clear(ret);
    struct side a = {p, p_vv}, b = {q, q_vv};
    struct row nothing = {.form = p->form};
    struct vv nowhere = {0};
    if (p->cells_count && q->cells_count && p->form != q->form) {
        struct side unknown = {&nothing, &nowhere}; /* what the earlier form had is in the later one: that it lacks something says nothing */
        *(is_later_form(&a, &b) ? &b : &a) = unknown;
    }
    ret->form = a.row->cells_count ? a.row->form : b.row->form;
    uint32_t i = 0, k = 0;
    while (i < a.row->cells_count || k < b.row->cells_count) {
        const struct cell *c = i < a.row->cells_count ? &a.row->cells[i] : NULL, *o = k < b.row->cells_count ? &b.row->cells[k] : NULL;
        int order = !c ? 1 : !o ? -1 : cell_compare(c->kind, c->name, o->kind, o->name);
        join_cell(&a, order <= 0 ? c : NULL, &b, order >= 0 ? o : NULL, ret, t);
        i += order <= 0;
        k += order >= 0;
    }
    if (ret->form == ROW_WHOLE && ret->cells_count) {
        join_below(&a, ret);
        join_below(&b, ret);
    }
    uint64_t now = row_siblings_hash(ret, t);
    const struct row *recorded = p->recorded && p->recorded == now ? p : NULL;
    if (q->recorded && q->recorded == now && (!recorded || slice_compare(q->recorded_why, recorded->recorded_why) < 0)) recorded = q;
    if (!recorded) return;
    ret->recorded = recorded->recorded;
    ret->recorded_why = recorded->recorded_why;
}
