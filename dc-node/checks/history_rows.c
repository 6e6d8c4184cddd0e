/* The oracle's rows: sets of versions and of single increments, and what a change takes away and adds. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

static const struct slice nothing = {0};

/* ---- reading a change ---- */

static struct h_op *add_op(struct h_change *c, enum cell_kind kind, uint8_t flags, struct slice name, struct slice value) {
    c->ops = xrealloc(c->ops, (c->ops_count + 1) * sizeof *c->ops);
    c->ops[c->ops_count] = (struct h_op){.change = c, .kind = kind, .flags = flags, .name = name, .value = value};
    return &c->ops[c->ops_count++];
}

/* How much more than its origin had, of what is not reset. */
static amount_t amount_of(const struct h_row *row, const struct h_op *op, const struct counter *count) {
    amount_t amount = count->total - count->reset_total;
    struct dot self = op->change->event->dot;
    uint64_t reset = 0;
    for (uint32_t i = 0; i < op->resets_count; i++)
        if (op->resets[i].origin == self.origin) reset = op->resets[i].n;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        struct dot d = e->op->change->event->dot;
        if (e->counts && d.origin == self.origin && d.n > reset && e->kind == op->kind && slice_equal(e->name, op->name)) amount -= e->op->amount;
    }
    return amount;
}

static void read_delta(struct history *h, const struct h_row *row, struct h_change *c, uint32_t node, struct dot self, const struct origins *t) {
    struct delta d = {0};
    if (!delta_decode(&d, c->content, self, c->event->stamp, (struct origins *)t))
        history_fail(h, "encoding", "a delta of node %u is malformed", node);
    c->clear = d.flags & DELTA_CLEAR;
    c->type = d.type;
    c->ops = xcalloc(d.ops_count, sizeof *c->ops);
    for (uint32_t i = 0; i < d.ops_count; i++) {
        const struct delta_op *from_op = &d.ops[i];
        struct h_op *op = &c->ops[c->ops_count++];
        *op = (struct h_op){.change = c, .kind = from_op->kind, .flags = from_op->flags, .name = from_op->name, .value = from_op->value};
        op->resets_count = from_op->resets_count;
        op->resets = xmalloc(op->resets_count * sizeof *op->resets + 1);
        for (uint32_t k = 0; k < op->resets_count; k++) {
            op->resets[k] = (struct dot){history_ref(h, node, t, from_op->resets[k].origin), from_op->resets[k].n};
            if (op->resets[k].origin != c->event->dot.origin && op->resets[k].n > vv_get(&c->event->deps, op->resets[k].origin))
                history_fail(h, "I4", "%s takes away what its origin had not applied", h_dot(h, c->event->dot));
        }
        op->unseen_count = from_op->unseen_count;
        op->unseen = xmalloc(op->unseen_count * sizeof *op->unseen + 1);
        for (uint32_t k = 0; k < op->unseen_count; k++)
            op->unseen[k] = (struct dot){history_ref(h, node, t, from_op->unseen[k].origin), from_op->unseen[k].n};
        if (op->flags & OP_COUNT) op->amount = amount_of(row, op, &from_op->count);
    }
    delta_finish(&d);
}

static void add_saw(struct h_change *c, struct h_op *op) {
    c->saw = xrealloc(c->saw, (c->saw_count + 1) * sizeof(struct h_op *));
    c->saw[c->saw_count++] = op;
}

static void note_what_was_seen(struct history *h, uint32_t node, const struct h_row *row, struct h_change *c) {
    enum content_type shown = h_shown_type(h, node, row);
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        if (e->counts || e->kind == CELL_EXPIRY || !h_removes(c, e)) continue;
        bool read = e->kind == CELL_MEMBER || h_winner(h, node, c->key, e->kind, e->name) == e;
        if (read && h_type_of(e->kind) == shown) add_saw(c, e->op);
    }
}

bool h_row_doubtful(const struct h_row *row) {
    for (uint32_t i = 0; i < row->n; i++)
        for (uint32_t k = 0; row->v[i].op->change->op == CHANGE_ANSWER && k < i; k++) {
            const struct h_change *a = row->v[i].op->change, *b = row->v[k].op->change;
            if (b->op == CHANGE_ANSWER && a->inputs == b->inputs && !slice_equal(a->content, b->content)) return true;
        }
    return false;
}

void h_change_read(struct history *h, uint32_t node, struct h_change *c, const struct change *from, struct dot self, const struct origins *t) {
    const struct h_row *row = history_row(h, node, c->key);
    c->inputs = from->inputs;
    c->generation = from->generation;
    c->settles_doubt = from->op == CHANGE_ANSWER && h_row_doubtful(row);
    switch (from->op) {
    case CHANGE_MERGE: read_delta(h, row, c, node, self, t); break;
    case CHANGE_RECORD: return;
    case CHANGE_REAP: c->clear = true; break;
    default: c->clear = true; add_op(c, CELL_ROW, OP_PUT, nothing, c->content);
    }
    note_what_was_seen(h, node, row, c);
    h_view(h, node, c->key, &c->was);
    c->was_ending = h_expire_ms(row) > 0;
}

void h_change_finish(struct h_change *c) {
    for (uint32_t i = 0; i < c->ops_count; i++) {
        free(c->ops[i].resets);
        free(c->ops[i].unseen);
    }
    free(c->ops);
    free(c->saw);
    free(c->unseen);
    free((void *)c->content.p);
    buf_finish(&c->was);
}

/* ---- what it takes away ---- */

static const struct h_op *op_on(const struct h_change *c, const struct h_element *e) {
    for (uint32_t i = 0; i < c->ops_count; i++)
        if (c->ops[i].kind == e->kind && slice_equal(c->ops[i].name, e->name)) return &c->ops[i];
    return NULL;
}

static bool resets(const struct h_change *c, const struct h_element *e) {
    const struct h_op *op = op_on(c, e);
    struct dot d = e->op->change->event->dot;
    for (uint32_t i = 0; op && i < op->resets_count; i++)
        if (op->resets[i].origin == d.origin && d.n <= op->resets[i].n) return true;
    return false;
}

bool h_removes(const struct h_change *c, const struct h_element *e) {
    if (c->op == CHANGE_RECORD) return false;
    bool whole = c->op != CHANGE_MERGE;
    if (whole && e->kind != CELL_ROW) return true; /* the form has changed */
    if (e->counts) return resets(c, e);
    enum content_type type = h_type_of(e->kind);
    bool may = whole || c->clear || (c->type != CONTENT_NONE && type != CONTENT_NONE && type != c->type);
    if (!may) {
        const struct h_op *op = op_on(c, e);
        may = op && (op->flags & (OP_PUT | OP_REMOVE));
    }
    return may && h_covers(c, e->op->change->event->dot);
}

/* ---- the row ---- */

static struct h_row *row_of(struct h_node *n, uint32_t key) {
    if (key >= n->rows_count) {
        uint32_t count = key + 64;
        n->rows = xrealloc(n->rows, count * sizeof *n->rows);
        memset(n->rows + n->rows_count, 0, (count - n->rows_count) * sizeof *n->rows);
        n->rows_count = count;
    }
    return &n->rows[key];
}

const struct h_row *history_row(const struct history *h, uint32_t node, uint32_t key) {
    static const struct h_row none;
    return key < h->nodes[node].rows_count ? &h->nodes[node].rows[key] : &none;
}

static void add_element(struct h_row *row, struct h_op *op, enum cell_kind kind, struct slice name, struct slice value, bool counts) {
    if (row->n == row->cap) {
        row->cap = row->cap ? row->cap * 2 : 4;
        row->v = xrealloc(row->v, row->cap * sizeof *row->v);
    }
    row->v[row->n++] = (struct h_element){.op = op, .kind = kind, .name = name, .value = value, .counts = counts};
}

/* The siblings of a whole row become the cells of a merged one. */
void h_make_cells(struct h_row *row) {
    struct h_row cells = {0};
    for (uint32_t i = 0; i < row->n; i++) {
        struct h_op *op = row->v[i].op;
        struct slice content = row->v[i].value, name, value;
        if (content.n == 0) continue;
        uint64_t ms = content_expires_ms(content);
        for (int k = 0; k < 8; k++) op->expiry[k] = (uint8_t)(ms >> 8 * k);
        add_element(&cells, op, CELL_EXPIRY, nothing, SLICE(op->expiry, ms ? 8 : 0), false);
        if (content_type(content) == CONTENT_STRING) {
            add_element(&cells, op, CELL_STRING, nothing, content_string(content), false);
            continue;
        }
        bool hash = content_type(content) == CONTENT_HASH;
        struct content_columns each = content_columns(content);
        while (content_next(&each, &name, &value)) add_element(&cells, op, hash ? CELL_FIELD : CELL_MEMBER, name, hash ? value : nothing, false);
    }
    free(row->v);
    cells.digest = row->digest;
    *row = cells;
}

/* ---- its digest: the row's own function, over a row made of what the oracle has, each version and each origin's increments in a cell of its own
 * ---- */

/* Each origin's increments of one cell are counted together, with the first of them. */
static struct counter *counter_of(const struct row *row, const uint32_t *cell_of, const struct h_element *e) {
    origin_ref origin = e->op->change->event->dot.origin;
    for (uint32_t i = 0; i < row->counters_count; i++) {
        const struct cell *c = &row->cells[cell_of[i]];
        if (row->counters[i].origin == origin && c->kind == e->kind && slice_equal(c->name, e->name)) return &row->counters[i];
    }
    return NULL;
}

static void count(struct counter *c, const struct h_element *e) {
    struct dot d = e->op->change->event->dot;
    c->total += e->op->amount;
    if (d.n > c->n) c->n = d.n;
}

static uint64_t digest_of(const struct history *h, uint32_t key, const struct h_row *from) {
    static struct row row;
    static struct h_room { /* that it is made in */
        struct cell *cells;
        struct version *versions;
        struct counter *counters;
        uint32_t *cell_of; /* by counter */
        uint32_t cap;
    } room;
    if (from->n > room.cap) {
        room.cap = from->n * 2;
        room.cells = xrealloc(room.cells, room.cap * sizeof *room.cells);
        room.versions = xrealloc(room.versions, room.cap * sizeof *room.versions);
        room.counters = xrealloc(room.counters, room.cap * sizeof *room.counters);
        room.cell_of = xrealloc(room.cell_of, room.cap * sizeof *room.cell_of);
    }
    row = (struct row){.cells = room.cells, .versions = room.versions, .counters = room.counters};
    row.form = from->n > 0 && from->v[0].kind != CELL_ROW ? ROW_MERGED : ROW_WHOLE;
    for (uint32_t i = 0; i < from->n; i++) {
        const struct h_element *e = &from->v[i];
        struct cell c = {.kind = e->kind, .name = e->name, .first = row.versions_count, .counters_first = row.counters_count};
        struct counter *known = e->counts ? counter_of(&row, room.cell_of, e) : NULL;
        if (known) {
            count(known, e);
            continue;
        }
        if (e->counts) {
            c.counters_count = 1;
            room.cell_of[row.counters_count] = row.cells_count;
            row.counters[row.counters_count] = (struct counter){.origin = e->op->change->event->dot.origin, .birth = 1};
            count(&row.counters[row.counters_count++], e);
        } else {
            c.count = 1;
            row.versions[row.versions_count++] = (struct version){e->op->change->event->dot, e->op->change->event->stamp, e->value, 0, 0};
        }
        row.cells[row.cells_count++] = c;
    }
    return row_digest(h->keys[key].name, &row, h->origins);
}

void h_row_apply(struct history *h, struct h_node *n, struct h_change *c) {
    if (c->op == CHANGE_RECORD) return;
    struct h_row *row = row_of(n, c->key);
    if (c->op == CHANGE_MERGE && row->n > 0 && row->v[0].kind == CELL_ROW) h_make_cells(row);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->n; i++)
        if (!h_removes(c, &row->v[i])) row->v[kept++] = row->v[i];
    row->n = kept;
    for (uint32_t i = 0; i < c->ops_count; i++) {
        struct h_op *op = &c->ops[i];
        if (op->flags & OP_PUT) add_element(row, op, op->kind, op->name, op->value, false);
        if (op->flags & OP_COUNT) add_element(row, op, op->kind, op->name, nothing, true);
    }
    n->digest -= row->digest;
    row->digest = digest_of(h, c->key, row);
    n->digest += row->digest;
}
