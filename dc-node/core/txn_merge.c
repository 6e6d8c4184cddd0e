/* Transactions on rows whose table merges: commands become operations on cells, and at the end one delta (schemas/delta.h).
 *
 * txn_row.ops: u8 kind, u8 flags (OP_PUT, OP_REMOVE or OP_COUNT), slice name, slice value; OP_COUNT: the amount instead of a value. */
#include "../../conflict/planted.h"
#include "state.h"

/* ---- saying it ---- */

static void add_op(struct txn_row *row, enum cell_kind kind, uint8_t flags, struct slice name, struct slice value) {
    buf_u8(&row->ops, (uint8_t)kind);
    buf_u8(&row->ops, flags);
    buf_slice(&row->ops, name);
    buf_slice(&row->ops, value);
}

static enum cell_kind kind_of(enum content_type type) {
    return type == CONTENT_STRING ? CELL_STRING : type == CONTENT_HASH ? CELL_FIELD : CELL_MEMBER;
}

void txn_op_expiry(struct txn_row *row, uint64_t expires_ms) {
    uint8_t ms[8];
    for (int i = 0; i < 8; i++) ms[i] = (uint8_t)(expires_ms >> 8 * i);
    add_op(row, CELL_EXPIRY, OP_PUT, (struct slice){0}, SLICE(ms, expires_ms ? sizeof ms : 0));
}

void txn_op_replace(struct txn_row *row) {
    struct slice content = buf_slice_of(&row->content), name, value;
    row->clear = true;
    if (!content.n) return;
    row->type = content_type(content);
    if (row->type == CONTENT_STRING) {
        add_op(row, CELL_STRING, OP_PUT, (struct slice){0}, content_string(content));
    } else {
        struct content_columns each = content_columns(content);
        while (content_next(&each, &name, &value))
            add_op(row, kind_of(row->type), OP_PUT, name, row->type == CONTENT_HASH ? value : (struct slice){0});
    }
    txn_op_expiry(row, content_expires_ms(content));
}

/* A row that reads as absent begins anew: nothing that is left of it counts any more. */
static void begin_op(struct txn_row *row, bool was_absent, enum content_type type) {
    row->clear = was_absent;
    row->type = type;
}

void txn_op_columns(struct txn_row *row, bool was_absent, enum content_type type, const struct content_column *columns, size_t count) {
    begin_op(row, was_absent, type);
    for (size_t i = 0; i < count; i++)
        add_op(row, kind_of(type), OP_PUT, columns[i].name, type == CONTENT_HASH ? columns[i].value : (struct slice){0});
}

void txn_op_remove(struct txn_row *row, enum content_type type, const struct slice *names, size_t count) {
    begin_op(row, false, type);
    for (size_t i = 0; i < count; i++) add_op(row, kind_of(type), OP_REMOVE, names[i], (struct slice){0});
}

void txn_op_add(struct txn_row *row, bool was_absent, enum content_type type, struct slice name, amount_t amount) {
    begin_op(row, was_absent, type);
    add_op(row, kind_of(type), OP_COUNT, name, SLICE(&amount, sizeof amount));
}

/* ---- folding it ---- */

struct folded {
    enum cell_kind kind;
    uint8_t flags;
    uint32_t order;
    struct slice name, value;
    amount_t amount;
};
struct fold {
    struct folded *ops;
    uint32_t count, cap;
    bool clear;
    enum content_type type;
};

static void read_ops(struct fold *f, const struct txn_row *row) {
    struct reader r = reader_of(buf_slice_of(&row->ops));
    while (r.p < r.end) {
        GROW(f->ops, f->count, f->cap);
        struct folded *op = &f->ops[f->count];
        *op = (struct folded){.order = f->count++};
        op->kind = (enum cell_kind)read_u8(&r);
        op->flags = read_u8(&r);
        op->name = read_slice(&r);
        op->value = read_slice(&r);
        if (!(op->flags & OP_COUNT)) continue;
        memcpy(&op->amount, op->value.p, sizeof op->amount);
        op->value = (struct slice){0};
    }
}

static int by_cell(const void *a, const void *b) {
    const struct folded *x = a, *y = b;
    int order = x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : slice_compare(x->name, y->name);
    return order ? order : (x->order < y->order ? -1 : 1);
}

/* Operations of one cell become one: the last register counts, and what was added since. */
static void fold_cells(struct fold *f) {
    uint32_t n = 0;
    if (f->count > 1) qsort(f->ops, f->count, sizeof *f->ops, by_cell);
    for (uint32_t i = 0; i < f->count; i++) {
        struct folded *op = &f->ops[i], *into = n ? &f->ops[n - 1] : NULL;
        if (!into || into->kind != op->kind || !slice_equal(into->name, op->name)) {
            f->ops[n++] = *op;
        } else if (op->flags & OP_COUNT) {
            into->flags |= OP_COUNT;
            into->amount = amount_add(into->amount, op->amount);
        } else {
            into->flags = op->flags;
            into->value = op->value;
            into->amount = 0;
        }
    }
    f->count = n;
}

/* ---- what the row's counters say to it ---- */

static bool seen(const struct txn *t, const struct counter *c) { return !t->context || c->n <= vv_get(t->context, c->origin); }

/* Totals that this change takes away: of a cell that it clears, sets, or removes, or whose type it replaces. */
static void add_resets(const struct txn *t, struct delta *d, const struct cell *c, struct delta_op *op) {
    enum content_type type = c->kind == CELL_STRING ? CONTENT_STRING : CONTENT_HASH;
    bool resets = (d->flags & DELTA_CLEAR) || (op->flags & (OP_PUT | OP_REMOVE)) || (d->type != CONTENT_NONE && d->type != type);
    const struct row *r = t->row;
    for (uint32_t i = 0; resets && i < c->counters_count; i++) {
        const struct counter *k = &cell_counters(r, c)[i];
        if (!counter_live(k) || !seen(t, k)) continue;
        GROW(d->resets, d->resets_count, d->resets_cap);
        d->resets[d->resets_count++] = (struct counter_reset){k->origin, k->birth, k->n, k->total};
        op->resets_count++;
        op->flags |= OP_RESET;
    }
}

/* Versions of the cell that a WITH context does not cover. */
static void add_unseen(const struct txn *t, struct delta *d, const struct cell *c, struct delta_op *op) {
    const struct row *r = t->row;
    if (!t->context || !(op->flags & OP_PUT) || (c->kind != CELL_STRING && c->kind != CELL_FIELD)) return;
    for (uint32_t i = 0; i < c->count; i++) {
        struct dot dot = cell_versions(r, c)[i].dot;
        if (vv_covers(t->context, dot)) continue;
        GROW(d->unseen, d->unseen_count, d->unseen_cap);
        d->unseen[d->unseen_count++] = dot;
        op->unseen_count++;
        op->flags |= OP_UNSEEN;
    }
}

/* The own running total after this change. */
static struct counter own_total(const struct txn *t, const struct cell *c, const struct delta *d, const struct delta_op *op, amount_t amount) {
    const struct engine *e = t->engine;
    struct dot self = {e->own, (e->own == ORIGIN_NONE ? 0 : vv_get(&e->vv, e->own)) + 1};
    struct counter total = {.origin = self.origin, .birth = self.n, .n = self.n};
    for (uint32_t i = 0; c && i < c->counters_count; i++) {
        if (cell_counters(t->row, c)[i].origin != self.origin) continue;
        total = cell_counters(t->row, c)[i];
        for (uint32_t k = 0; k < op->resets_count; k++) {
            const struct counter_reset *r = &d->resets[d->resets_count - op->resets_count + k];
            if (r->origin == self.origin) counter_reset_by(&total, r, self);
        }
        total.n = self.n;
    }
    total.total = amount_add(total.total, amount);
    return total;
}

static struct delta_op *new_op(struct delta *d, enum cell_kind kind, struct slice name) {
    GROW(d->ops, d->ops_count, d->ops_cap);
    struct delta_op *op = &d->ops[d->ops_count++];
    *op = (struct delta_op){.kind = kind, .name = name};
    return op;
}

/* One cell: what is there (NULL: nothing), and what is done to it (NULL: only what follows from the rest). */
static void put_cell(const struct txn *t, struct delta *d, const struct cell *c, const struct folded *f) {
    struct delta_op *op = new_op(d, f ? f->kind : c->kind, f ? f->name : c->name);
    if (f) {
        op->flags = f->flags;
        op->value = f->value;
    }
    if (c) add_resets(t, d, c, op);
    if (c) add_unseen(t, d, c, op);
    if (f && (f->flags & OP_COUNT)) op->count = own_total(t, c, d, op, f->amount);
    if (!op->flags) d->ops_count--;
}

/* The operations, and those that the row's counters ask for, both in order of cells. */
static void put_cells(const struct txn *t, const struct fold *f, struct delta *d) {
    const struct row *r = t->row;
    uint32_t i = 0, k = 0;
    while (i < r->cells_count || k < f->count) {
        const struct cell *c = i < r->cells_count ? &r->cells[i] : NULL;
        const struct folded *op = k < f->count ? &f->ops[k] : NULL;
        int order = !c ? 1 : !op ? -1 : c->kind != op->kind ? (c->kind < op->kind ? -1 : 1) : slice_compare(c->name, op->name);
        if (order < 0 && c->counters_count) put_cell(t, d, c, NULL);
        if (order >= 0) put_cell(t, d, order ? NULL : c, op);
        i += order <= 0;
        k += order >= 0;
    }
}

/* Resets and unseen dots lie in their arrays in the order of the operations; they may have moved while they grew. */
static void point_into_arrays(struct delta *d) {
    uint32_t resets = 0, unseen = 0;
    for (uint32_t i = 0; i < d->ops_count; i++) {
        d->ops[i].resets = d->resets + resets;
        d->ops[i].unseen = d->unseen + unseen;
        resets += d->ops[i].resets_count;
        unseen += d->ops[i].unseen_count;
    }
}

/* What the delta has to look at of the row as it stands: its counters, and under a WITH context its versions. */
static const struct row *row_below(struct txn *t, const struct txn_row *of) {
    struct engine *e = t->engine;
    struct stored_row *stored = engine_get_row(e, of->hash, buf_slice_of(&of->key));
    row_clear(&e->row);
    if (stored && (stored->facts.counts || (t->context && stored->facts.live))) row_decode(stored_value(stored), false, e->origins, &e->row);
    if (e->row.form == ROW_MERGED || !e->row.cells_count) return &e->row;
    row_as_merged(&e->row, &e->row_after, e->origins);
    return &e->row_after;
}

void txn_fold_merge(struct txn *t, struct txn_row *const *latest_first, uint32_t count, struct change *ret) {
    struct engine *e = t->engine;
    struct fold f = {0};
    for (uint32_t i = count; i-- > 0;) {
        const struct txn_row *row = latest_first[i];
        if (row->clear) f = (struct fold){.ops = f.ops, .cap = f.cap, .clear = true};
        if (row->type != CONTENT_NONE) f.type = row->type;
        read_ops(&f, row);
    }
    fold_cells(&f);
    t->row = row_below(t, latest_first[0]);
    struct delta *d = &e->delta;
    d->ops_count = d->resets_count = d->unseen_count = 0;
    d->flags = f.clear ? DELTA_CLEAR : 0;
    d->type = f.type;
    put_cells(t, &f, d);
    point_into_arrays(d);
    size_t at = t->deltas.n;
    delta_encode(d, e->origins, &t->deltas);
    *ret = (struct change){.op = CHANGE_MERGE, .key = ret->key, .content = SLICE((uint8_t *)at, t->deltas.n - at)};
    free(f.ops);
}
