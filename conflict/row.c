#include "planted.h"
#include "row_build.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

void row_finish(struct row *r) {
    for (uint32_t i = 0; i < r->stacks_cap; i++) blocks_finish(&r->stacks[i]);
    free(r->cells);
    free(r->versions);
    free(r->counters);
    free(r->stacks);
    free(r->below);
    free(r->made);
    *r = (struct row){0};
}

#define SCRATCH_MAX 16384u /* versions whose memory is kept for the next row */

void row_clear(struct row *r) {
    if (r->versions_cap > SCRATCH_MAX) row_finish(r); /* do not hold on to what one huge row needed */
    r->form = ROW_WHOLE;
    r->cells_count = r->versions_count = r->counters_count = r->stacks_count = r->below_count = 0;
    r->recorded = 0;
    r->recorded_why = (struct slice){0};
    free(r->made);
    r->made = NULL;
}

void row_news_finish(struct row_news *n) {
    for (uint32_t i = 0; i < n->kept_cap; i++) blocks_finish(&n->kept[i]);
    free(n->lost);
    free(n->cells);
    free(n->kept);
    *n = (struct row_news){0};
}

/* ---- building ---- */

struct cell *row_add_cell(struct row *r, enum cell_kind kind, struct slice name) {
    ROW_GROW(r->cells, r->cells_count, r->cells_cap);
    struct cell *c = &r->cells[r->cells_count++];
    *c = (struct cell){.kind = kind, .name = name, .first = r->versions_count, .counters_first = r->counters_count};
    return c;
}

static struct cell *last_cell(struct row *r) {
    assert(r->cells_count);
    return &r->cells[r->cells_count - 1];
}

void row_add_version(struct row *r, const struct version *v) {
    ROW_GROW(r->versions, r->versions_count, r->versions_cap);
    r->versions[r->versions_count++] = *v;
    last_cell(r)->count++;
}

void row_add_counter(struct row *r, const struct counter *c) {
    ROW_GROW(r->counters, r->counters_count, r->counters_cap);
    r->counters[r->counters_count++] = *c;
    last_cell(r)->counters_count++;
}

void row_insert_version(struct row *r, const struct version *v, const struct origins *t) {
    struct cell *c = last_cell(r);
    uint32_t at = c->count;
    for (; at > 0; at--) {
        struct version *below = &r->versions[c->first + at - 1];
        int order = dot_compare(t, below->dot, v->dot);
        if (order == 0) {
            *below = *v;
            return;
        }
        if (order < 0) break;
    }
    row_add_version(r, v);
    struct version *place = &r->versions[c->first + at];
    memmove(place + 1, place, (c->count - 1 - at) * sizeof *place);
    *place = *v;
}

struct blocks *row_add_stack(struct row *r) {
    if (r->stacks_count == r->stacks_cap) {
        uint32_t cap = r->stacks_cap ? r->stacks_cap * 2 : 1;
        r->stacks = xrealloc(r->stacks, cap * sizeof *r->stacks);
        memset(r->stacks + r->stacks_cap, 0, (cap - r->stacks_cap) * sizeof *r->stacks);
        r->stacks_cap = cap;
    }
    struct blocks *s = &r->stacks[r->stacks_count++];
    blocks_clear(s);
    last_cell(r)->stack = r->stacks_count;
    return s;
}

void row_drop_stack(struct row *r) {
    assert(last_cell(r)->stack == r->stacks_count);
    r->stacks_count--;
    last_cell(r)->stack = 0;
}

void row_add_below(struct row *r, const struct below *b) {
    ROW_GROW(r->below, r->below_count, r->below_cap);
    r->below[r->below_count++] = *b;
}

void cell_stack(const struct row *r, const struct cell *c, struct blocks *ret) {
    if (c && c->stack)
        blocks_copy(ret, &r->stacks[c->stack - 1]);
    else if (c && c->count == 1)
        blocks_of_one(ret, cell_versions(r, c)->dot);
    else
        blocks_clear(ret);
}

bool cell_has_episode(const struct row *r, const struct cell *c) {
    if (!c || !c->stack) return false;
    const struct blocks *s = &r->stacks[c->stack - 1];
    for (uint32_t i = 0; i < s->n; i++)
        if (s->b[i].episode) return true;
    return false;
}

/* ---- asking ---- */

int cell_compare(enum cell_kind a_kind, struct slice a_name, enum cell_kind b_kind, struct slice b_name) {
    return a_kind != b_kind ? (a_kind < b_kind ? -1 : 1) : slice_compare(a_name, b_name);
}

enum content_type cell_type(enum cell_kind kind) {
    switch (kind) {
    case CELL_STRING: return CONTENT_STRING;
    case CELL_FIELD: return CONTENT_HASH;
    case CELL_MEMBER: return CONTENT_SET;
    case CELL_ROW:
    case CELL_EXPIRY: break;
    }
    return CONTENT_NONE;
}

const struct cell *row_cell(const struct row *r, enum cell_kind kind, struct slice name) {
    uint32_t low = 0, high = r->cells_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = cell_compare(r->cells[middle].kind, r->cells[middle].name, kind, name);
        if (order == 0) return &r->cells[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool cell_live(const struct row *r, const struct cell *c) {
    const struct version *v = cell_versions(r, c);
    if (c->kind != CELL_ROW && c->count) return true;
    for (uint32_t i = 0; i < c->count; i++)
        if (v[i].content.n) return true;
    const struct counter *counters = cell_counters(r, c);
    for (uint32_t i = 0; i < c->counters_count; i++)
        if (counter_live(&counters[i])) return true;
    return false;
}

bool row_live(const struct row *r) {
    for (uint32_t i = 0; i < r->cells_count; i++)
        if (r->cells[i].kind != CELL_EXPIRY && cell_live(r, &r->cells[i])) return true;
    return false;
}

bool cell_open(const struct row *r, const struct cell *c) {
    if (c->kind == CELL_MEMBER || c->kind == CELL_EXPIRY) return false;
    const struct version *v = cell_versions(r, c);
    for (uint32_t i = 1; i < c->count; i++)
        if (!slice_equal(v[i].content, v[0].content)) return true;
    return false;
}

bool row_open(const struct row *r) {
    for (uint32_t i = 0; i < r->cells_count; i++)
        if (cell_open(r, &r->cells[i])) return true;
    return false;
}

bool row_types_collide(const struct row *r) {
    if (r->form != ROW_MERGED || r->cells_count < 2) return false;
    enum content_type seen = CONTENT_NONE;
    for (uint32_t i = 0; i < r->cells_count; i++) {
        enum content_type type = cell_type(r->cells[i].kind);
        if (type == CONTENT_NONE || type == seen || !cell_live(r, &r->cells[i])) continue;
        if (seen != CONTENT_NONE) return true;
        seen = type;
    }
    return false;
}

bool row_counts(const struct row *r) { return r->counters_count > 0; }

uint64_t row_siblings_hash(const struct row *r, const struct origins *t) {
    uint64_t h = 1;
    if (r->form != ROW_WHOLE) return 0;
    for (uint32_t i = 0; i < r->versions_count; i++) {
        uint64_t parts[3] = {h, origins_hash(t, r->versions[i].dot.origin), r->versions[i].dot.n};
        h = hash64(SLICE(parts, sizeof parts));
    }
    return h;
}

const struct version *row_base(const struct row *r) {
    if (r->form != ROW_WHOLE || !r->cells_count || !r->cells[0].stack) return NULL;
    const struct blocks *stack = &r->stacks[r->cells[0].stack - 1];
    const struct row_block *top = stack->n ? &stack->b[stack->n - 1] : NULL;
    if (!top || !top->episode) return NULL;
    const struct version *found = NULL;
    for (uint32_t i = 0; i < r->below_count; i++) {
        const struct below *b = &r->below[i];
        if (!block_holds(stack, top, b->above) || (b->v.dot.n && block_holds(stack, top, b->v.dot))) continue;
        if (found && !dot_equal(found->dot, b->v.dot)) return NULL; /* two: none of them is the base */
        found = &b->v;
    }
    return found;
}

static bool dot_stable(struct dot d, const struct vv *stable) { return !d.n || vv_covers(stable, d); }

bool row_collectable(const struct row *r, const struct vv *stable) {
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (!dot_stable(r->versions[i].dot, stable)) return false;
    for (uint32_t i = 0; i < r->counters_count; i++)
        if (!counter_collectable(&r->counters[i], stable)) return false;
    for (uint32_t i = 0; i < r->stacks_count; i++)
        for (uint32_t k = 0; k < r->stacks[i].ranges_count; k++) {
            const struct range *range = &r->stacks[i].ranges[k];
            if (vv_get(stable, range->origin) < range->upto) return false;
        }
    for (uint32_t i = 0; i < r->below_count; i++)
        if (!dot_stable(r->below[i].above, stable)) return false;
    return true;
}

/* ---- digest ---- */

/* Murmur3's finalizer: every bit of the sum's terms depends on every bit of what they are of. */
static uint64_t mix(uint64_t h) {
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static uint64_t dot_hash(struct dot d, const struct origins *t) { return mix(origins_hash(t, d.origin) + d.n * UINT64_C(0x9e3779b97f4a7c15)); }

static uint64_t version_term(uint64_t cell_hash, const struct version *v, const struct origins *t) {
    return mix(hash64_seeded(v->content, cell_hash) ^ dot_hash(v->dot, t));
}

static uint64_t counter_term(uint64_t cell_hash, const struct counter *c, const struct origins *t) {
    amount_t left = c->total - c->reset_total;
    return mix(hash64_seeded(SLICE(&left, sizeof left), cell_hash) ^ dot_hash((struct dot){c->origin, c->n}, t));
}

uint64_t row_digest(struct slice key, const struct row *r, const struct origins *t) {
    if (!row_live(r)) return 0;
    uint64_t key_hash = hash64(key), sum = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        uint64_t cell_hash = c->kind == CELL_ROW ? key_hash : hash64_seeded(c->name, key_hash + c->kind);
        for (uint32_t k = 0; k < c->count; k++) sum += version_term(cell_hash, &cell_versions(r, c)[k], t);
        for (uint32_t k = 0; k < c->counters_count; k++)
            if (counter_live(&cell_counters(r, c)[k])) sum += counter_term(cell_hash, &cell_counters(r, c)[k], t);
    }
    return sum;
}
