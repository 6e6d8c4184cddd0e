/* What the tests of this room share: random numbers from a seed, origins, contents and rows by hand. */
#pragma once
#include "../../conflict/planted.h"
#include "../../conflict/policy.h"
#include "../../conflict/row.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
static inline uint64_t row_draw(uint64_t *seed, uint64_t below) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static inline origin_ref row_origin(struct origins *t, const char *dc) {
    struct origin o = {.node = 1, .incarnation = 1};
    snprintf(o.dc, sizeof o.dc, "%s", dc);
    return origins_intern(t, &o);
}

#define COLUMNS_MAX 4
/* A hash as content, from names and values in turn, ended by NULL; the bytes live in `b`. */
static inline struct slice hash_content(struct buf *b, uint64_t expires_ms, const char *const *words) {
    struct content_column columns[COLUMNS_MAX];
    size_t n = 0;
    for (; words[2 * n]; n++) columns[n] = (struct content_column){slice_text(words[2 * n]), slice_text(words[2 * n + 1])};
    content_make(b, CONTENT_HASH, expires_ms, columns, n);
    return buf_slice_of(b);
}
static inline struct slice text_content(struct buf *b, const char *text, uint64_t expires_ms) {
    content_make_string(b, expires_ms, slice_text(text));
    return buf_slice_of(b);
}

static inline bool row_holds(const struct row *r, enum cell_kind kind, struct slice name, struct dot d) {
    const struct cell *c = row_cell(r, kind, name);
    for (uint32_t i = 0; c && i < c->count; i++)
        if (dot_equal(cell_versions(r, c)[i].dot, d)) return true;
    return false;
}

/* A cluster of datacenters with one node each, as rules want it. */
static inline void cluster_of(struct cluster *c, const char *const *names, const int32_t *priorities, uint32_t count) {
    memset(c, 0, sizeof *c);
    snprintf(c->name, sizeof c->name, "test");
    snprintf(c->rest.name, sizeof c->rest.name, "*");
    c->rest.policy = POLICY_MERGE;
    c->dcs_count = c->nodes_count = count;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(c->dcs[i].name, sizeof c->dcs[i].name, "%s", names[i]);
        c->dcs[i].priority = priorities[i];
        c->dcs[i].nodes_count = 1;
        c->nodes[i] = (struct cluster_node){.dc = i, .node = 1};
        snprintf(c->nodes[i].name, sizeof c->nodes[i].name, "%s-1", names[i]);
    }
}

/* ---- a row by hand, change after change; every state goes through its bytes ---- */

#define RIG_KEPT 1024

struct rig {
    struct origins *t;
    origin_ref a, b, c; /* refs are not in canonical order */
    struct row row, before, next;
    struct row_news news; /* of the last change; borrows from `before` and `next` */
    struct buf scratch;   /* of the last view */
    struct delta delta;
    struct vv stable, deps;
    bool keep_below;
    const struct closed_row *closed;
    void *kept[RIG_KEPT]; /* contents and bytes that rows borrow from */
    int kept_count;
};

static inline struct rig rig(void) {
    struct rig g = {.t = origins_create()};
    g.c = row_origin(g.t, "c");
    g.a = row_origin(g.t, "a");
    g.b = row_origin(g.t, "b");
    return g;
}
static inline void rig_finish(struct rig *g) {
    row_finish(&g->row), row_finish(&g->before), row_finish(&g->next), row_news_finish(&g->news), delta_finish(&g->delta);
    buf_finish(&g->scratch), vv_finish(&g->stable), vv_finish(&g->deps), origins_destroy(g->t);
    while (g->kept_count > 0) free(g->kept[--g->kept_count]);
}

static inline struct slice rig_keep(struct rig *g, struct buf b) {
    if (g->kept_count == RIG_KEPT) abort();
    g->kept[g->kept_count++] = b.p;
    return buf_slice_of(&b);
}
static inline struct slice rig_text(struct rig *g, const char *text, uint64_t expires_ms) {
    struct buf b = {0};
    text_content(&b, text, expires_ms);
    return rig_keep(g, b);
}

#define DOT(o, number) ((struct dot){(o), (number)})
#define KNOWS(...)     ((const struct dot[]){__VA_ARGS__, {0, 0}}) /* deps, or what was not seen */
#define NOTHING_KNOWN  ((const struct dot[]){{0, 0}})
#define NONE           ((struct slice){0})

static inline void rig_apply(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, const struct dot *unseen,
                             const struct change *c) {
    struct change change = *c;
    uint32_t unseen_count = 0;
    while (unseen[unseen_count].n) unseen_count++;
    change.unseen = unseen;
    change.unseen_count = unseen_count;
    if (c->op == CHANGE_RECORD) unseen_count = 0; /* those that were looked at */
    vv_clear(&g->deps);
    for (; knows->n; knows++) vv_set(&g->deps, knows->origin, knows->n);
    struct row_change how = {.context = {&g->deps, self, unseen, unseen_count},
                             .stamp = stamp,
                             .change = &change,
                             .delta = &g->delta,
                             .stable = &g->stable,
                             .keep_below = g->keep_below,
                             .closed = g->closed,
                             .origins = g->t};
    if (c->op == CHANGE_MERGE && !delta_decode(&g->delta, c->content, self, stamp, g->t)) abort();
    row_apply(&g->row, &how, &g->next, &g->news);
    struct row swap = g->before;
    g->before = g->row;
    g->row = swap;
    row_clear(&g->row);
    g->row.form = g->next.form;
    if (g->next.cells_count == 0) return;
    struct buf bytes = {0};
    row_encode(&g->next, g->t, &bytes);
    if (!row_decode(rig_keep(g, bytes), true, g->t, &g->row)) abort();
}

static inline void rig_put(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, const char *text) {
    rig_apply(g, self, stamp, knows, NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_text(g, text, 0)});
}
static inline void rig_delete(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows) {
    rig_apply(g, self, stamp, knows, NOTHING_KNOWN, &(struct change){.op = CHANGE_DELETE});
}

/* No handler settles just those that were looked at. */
static inline void rig_record(struct rig *g, struct dot self, const struct dot *knows, const struct dot *looked_at) {
    struct buf why = {0};
    hash_content(&why, 0, (const char *const[]){"handler", "x", "reason", "crashed", NULL});
    rig_apply(g, self, 9, knows, looked_at, &(struct change){.op = CHANGE_RECORD, .content = rig_keep(g, why)});
}

/* A delta of a few operations, in order of cells. */
static inline void rig_merge_unseen(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, const struct dot *unseen, uint8_t flags,
                                    enum content_type type, uint32_t count, const struct delta_op *ops) {
    struct delta d = {.flags = flags, .type = type, .ops = (struct delta_op *)ops, .ops_count = count};
    struct buf bytes = {0};
    delta_encode(&d, g->t, &bytes);
    rig_apply(g, self, stamp, knows, unseen, &(struct change){.op = CHANGE_MERGE, .content = rig_keep(g, bytes)});
}
static inline void rig_merge(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, uint8_t flags, enum content_type type,
                             uint32_t count, const struct delta_op *ops) {
    rig_merge_unseen(g, self, stamp, knows, NOTHING_KNOWN, flags, type, count, ops);
}

#define AMOUNT(n) ((amount_t)(n)*100000000 * 1000000000)
static inline struct delta_op op_string(const char *value) {
    return (struct delta_op){.kind = CELL_STRING, .flags = OP_PUT, .value = slice_text(value)};
}
static inline struct delta_op op_field(const char *name, const char *value) {
    return (struct delta_op){.kind = CELL_FIELD, .flags = OP_PUT, .name = slice_text(name), .value = slice_text(value)};
}
static inline struct delta_op op_remove(enum cell_kind kind, const char *name) {
    return (struct delta_op){.kind = kind, .flags = OP_REMOVE, .name = slice_text(name)};
}
static inline struct delta_op op_member(const char *name) {
    return (struct delta_op){.kind = CELL_MEMBER, .flags = OP_PUT, .name = slice_text(name)};
}
/* `room`: 8 bytes that stay; 0: for ever. */
static inline struct delta_op op_expiry(uint64_t ms, uint8_t *room) {
    for (int i = 0; i < 8; i++) room[i] = (uint8_t)(ms >> 8 * i);
    return (struct delta_op){.kind = CELL_EXPIRY, .flags = OP_PUT, .value = SLICE(room, ms ? 8 : 0)};
}
static inline struct delta_op op_count(enum cell_kind kind, const char *name, struct dot self, uint64_t birth, int64_t total) {
    return (struct delta_op){.kind = kind,
                             .flags = OP_COUNT,
                             .name = slice_text(name),
                             .count = {.origin = self.origin, .birth = birth, .n = self.n, .total = AMOUNT(total)}};
}

/* What readers see under a policy, without DC priorities or marks: text of a string, "(deleted)", or the bytes of anything else. */
static inline struct slice rig_view(struct rig *g, enum policy p, const struct rules *rules) {
    struct table_rule table = {.name = "*", .policy = p};
    struct slice c = row_view(&g->row, &table, rules, g->t, &g->scratch).content;
    if (c.n == 0) return slice_text("(deleted)");
    return content_type(c) == CONTENT_STRING ? content_string(c) : c;
}
