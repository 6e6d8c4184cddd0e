/* The conflict journal across a transfer: of each row two journals become one, as if all events had been applied here (DESIGN, section 6).
 *
 * Losses are added. Episodes of a cell that share a version are one: as the joined row's stack has it, or where it has left that, as the side has it
 * that knows more of it. */
#include "engine_journal.h"

struct told {
    struct episode ep;
    bool own, gone;
};
struct joining {
    struct engine *e;
    struct slice key;
    struct told *told;
    uint32_t count, cap;
    struct buf own; /* bytes of own records */
};

static void add_told(struct joining *j, struct slice record, bool own) {
    struct told t = {.own = own};
    if (!episode_decode(record, j->e->origins, &t.ep)) {
        journal_damaged(j->e);
        return;
    }
    GROW(j->told, j->count, j->cap);
    j->told[j->count++] = t;
}

static void read_own(struct joining *j) {
    struct journal_walk w;
    struct slice name, record;
    struct buf prefix = {0};
    uint64_t n = 0;
    journal_name_row(j->key, &prefix);
    walk_begin(&w, j->e, buf_slice_of(&prefix), SLICE(NULL, 0), 64);
    for (; walk_next(&w, &name, &record);)
        if (journal_record_kind(name) == JOURNAL_EPISODE) {
            buf_slice(&j->own, record);
            n++;
        }
    walk_finish(&w);
    buf_finish(&prefix);
    struct reader r = reader_of(buf_slice_of(&j->own));
    for (; n > 0; n--) add_told(j, read_slice(&r), true);
}

/* Losses go in at once. */
static void read_theirs(struct joining *j, struct slice records) {
    struct reader r = reader_of(records);
    struct buf there = {0};
    while (r.p < r.end) {
        struct slice name = read_slice(&r), record = read_slice(&r);
        buf_clear(&there);
        if (journal_record_kind(name) == JOURNAL_EPISODE) {
            add_told(j, record, false);
        } else if (journal_record_kind(name) == JOURNAL_LOSS && !journal_get(j->e, name, &there)) {
            journal_put(j->e, name, record);
            journal_put_time(j->e, name);
            j->e->journal.entries++;
        }
    }
    buf_finish(&there);
}

static bool overlap(const struct blocks *s, const struct row_block *a, const struct blocks *u, const struct row_block *b) {
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t k = 0; k < b->count; k++) {
            const struct range *x = &s->ranges[a->first + i], *y = &u->ranges[b->first + k];
            if (x->origin == y->origin && x->after < y->upto && y->after < x->upto) return true;
        }
    return false;
}

static bool of_cell(const struct told *t, uint8_t kind, struct slice name) { return t->ep.kind == kind && slice_equal(t->ep.name, name); }

/* Events that it holds. */
static uint64_t extent(const struct blocks *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->ranges_count; i++) n += s->ranges[i].upto - s->ranges[i].after;
    return n;
}

/* All that share a version with it are told by it now. */
static void take_in(struct joining *j, struct episode *into, bool by_stack) {
    struct engine *e = j->e;
    bool had = false;
    for (uint32_t i = 0; i < j->count; i++) {
        struct told *t = &j->told[i];
        bool same = &t->ep == into;
        if (t->gone || !of_cell(t, into->kind, into->name)) continue;
        if (!same && !overlap(&into->members, &into->members.b[0], &t->ep.members, &t->ep.members.b[0])) continue;
        if (t->ep.began_ms < into->began_ms) into->began_ms = t->ep.began_ms;
        if (by_stack && !into->open && !t->ep.open && (!into->closed_by.n || !t->own)) into->closed_by = t->ep.closed_by;
        had |= t->own;
        t->gone = !same;
        if (!same && !dot_equal(t->ep.number, into->number)) journal_absorb(e, into, t->ep.number, t->own);
    }
    if (!into->open && !into->closed_by.n) into->closed_by = into->number; /* by one of the events of the transfer */
    if (!had) e->count.conflicts++;
    journal_put_joined(e, into);
}

/* Those that the joined row's stacks hold. */
static void follow_stack(struct joining *j, const struct row *after, const struct cell *c) {
    const struct blocks *s = &after->stacks[c->stack - 1];
    const struct row_block *top = NULL;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->b[i].episode) top = &s->b[i];
    for (uint32_t i = 0; i < s->n; i++) {
        if (!s->b[i].episode) continue;
        struct row_block only = {.episode = true, .count = s->b[i].count};
        struct episode ep = {.key = j->key,
                             .kind = (uint8_t)c->kind,
                             .name = c->name,
                             .number = block_number(s, &s->b[i], j->e->origins),
                             .members = {.b = &only, .n = 1, .ranges = s->ranges + s->b[i].first, .ranges_count = s->b[i].count},
                             .open = &s->b[i] == top && cell_open(after, c),
                             .began_ms = j->e->now.wall_ms,
                             .changed_ms = j->e->now.wall_ms};
        take_in(j, &ep, true);
    }
}

/* Those that have left them: of several that share a version the largest, closed rather than open. */
static void follow_rest(struct joining *j) {
    for (;;) {
        struct told *best = NULL;
        for (uint32_t i = 0; i < j->count; i++) {
            struct told *t = &j->told[i];
            if (t->gone || (best && extent(&t->ep.members) < extent(&best->ep.members))) continue;
            if (best && extent(&t->ep.members) == extent(&best->ep.members) && (t->ep.open || !best->ep.open)) continue;
            best = t;
        }
        if (!best) return;
        bool same_types = best->ep.kind == CELL_TYPES && best->own;
        if (!same_types) {
            if (best->ep.open && best->ep.kind != CELL_TYPES) { /* no version of it is left */
                best->ep.open = false;
                best->ep.closed_by = best->ep.number;
                best->ep.changed_ms = j->e->now.wall_ms;
            }
            take_in(j, &best->ep, false);
        }
        best->gone = true;
    }
}

static uint64_t open_cells(const struct row *r) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) n += r->cells[i].stack && cell_open(r, &r->cells[i]);
    return n;
}

void journal_join(struct engine *e, struct slice key, const struct row *before, const struct row *after, struct slice records) {
    struct joining j = {.e = e, .key = key};
    uint64_t conflicts = e->count.conflicts, open = e->count.open_conflicts, entries = e->journal.entries;
    read_own(&j);
    read_theirs(&j, records);
    e->count.open_conflicts += open_cells(after) - open_cells(before);
    for (uint32_t i = 0; i < after->cells_count; i++)
        if (after->cells[i].stack) follow_stack(&j, after, &after->cells[i]);
    follow_rest(&j);
    journal_types_joined(e, key, before, after);
    if (conflicts != e->count.conflicts || open != e->count.open_conflicts || entries != e->journal.entries) journal_put_counts(e);
    for (uint32_t i = 0; i < j.count; i++) episode_finish(&j.told[i].ep);
    free(j.told);
    buf_finish(&j.own);
}
