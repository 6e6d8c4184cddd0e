/* Every history of three datacenters with two operations each, in every causal order of delivery, against the plain definition (plain.h): equal
 * states, equal episodes, and the expected winners at equal version vectors, under every policy.
 *
 * A history is what each event knew (490 ways, up to the names of datacenters), and what each does. The state of a set of events is made once by each
 * event that can come last in it, from the memorised state without it: so all orders of delivery are gone through.
 *
 *   exhaustive [--all] [--bugs]      --all: six operations of all eight kinds too (hours); --bugs: only the planted ones */
#include "plain.h"
#include "rows.h"

#include <time.h>

#define SETS     27 /* how many of each origin's two events are applied */
#define ACTS_MAX 8
#define NOTHING  SLICE(NULL, 0)

struct phase {
    const char *name;
    enum act acts[ACTS_MAX]; /* ended by repetition of the first, or by the count */
    uint32_t acts_count;
    bool merged;              /* the row's form at first */
    enum act after[ACTS_MAX]; /* of events beyond a barrier; after_count 0: there is none */
    uint32_t after_count;
    bool all_structures; /* not only up to the names of datacenters */
};

struct state {
    uint32_t at, bytes;
    uint64_t digest;
    bool there, absent;
};

struct world {
    struct origins *t;
    origin_ref refs[ORIGINS];
    struct vv deps[EVENTS];
    struct vv nothing;
    struct cluster *cluster;
    struct rules *rules, *marking;
    uint8_t marked;
    const struct phase *phase;
    struct plain_history h;
    uint8_t before_barrier;
    const enum act *choices[EVENTS];
    uint32_t choices_count[EVENTS], chosen[EVENTS];
    struct state *memory[1 << EVENTS];
    struct buf arena;
    uint64_t applied, states, structures;
    char failure[512];
    struct row old, at_origin, new;
    struct row_news news;
    struct delta delta;
    struct buf encoded, change_bytes, scratch, expected;
};

static const int priorities[ORIGINS] = {9, 1, 5};
static bool in(uint8_t set, int e) { return set >> e & 1; }

static uint8_t set_of(const uint8_t *counts) {
    uint8_t set = 0;
    for (int e = 0; e < EVENTS; e++)
        if (e % 2 < counts[e / 2]) set |= (uint8_t)(1 << e);
    return set;
}

static void fail(struct world *w, const char *what, uint8_t set) {
    if (w->failure[0]) return;
    int n = snprintf(w->failure, sizeof w->failure, "%s at", what);
    for (int e = 0; e < EVENTS && n < (int)sizeof w->failure - 80; e++) {
        if (!in(set, e)) continue;
        n += snprintf(w->failure + n, sizeof w->failure - (size_t)n, " %c%d@%llu %s [", 'a' + e / 2, e % 2 + 1, (unsigned long long)w->h.stamps[e],
                      act_name(w->h.acts[e]));
        for (int d = 0; d < EVENTS; d++)
            if (in(w->h.knows[e], d)) n += snprintf(w->failure + n, sizeof w->failure - (size_t)n, "%c%d", 'a' + d / 2, d % 2 + 1);
        n += snprintf(w->failure + n, sizeof w->failure - (size_t)n, "]");
    }
}

/* ---- the memory of states ---- */

static uint32_t place(const struct world *w, uint8_t set, bool count) {
    uint32_t at = 0, times = 1;
    for (int e = 0; e < EVENTS; e++) {
        if (!in(set, e)) continue;
        at += w->chosen[e] * times;
        times *= w->choices_count[e];
    }
    return count ? times : at;
}
static struct state *state_of(struct world *w, uint8_t set) { return &w->memory[set][place(w, set, false)]; }

static void load(struct world *w, uint8_t set, struct row *ret) {
    const struct state *s = state_of(w, set);
    row_clear(ret);
    if (s->bytes == 0) {
        ret->form = w->phase->merged ? ROW_MERGED : ROW_WHOLE;
        return;
    }
    if (!row_decode(SLICE(w->arena.p + s->at, s->bytes), false, w->t, ret)) fail(w, "a row cannot be decoded", set);
}

/* ---- changes, as a leader would log them ---- */

static uint32_t seen_totals(const struct row *r, enum cell_kind kind, struct slice name, struct counter_reset *out) {
    const struct cell *c = row_cell(r, kind, name);
    uint32_t n = 0;
    for (uint32_t i = 0; c && i < c->counters_count; i++) {
        const struct counter *k = &cell_counters(r, c)[i];
        if (counter_live(k)) out[n++] = (struct counter_reset){k->origin, k->birth, k->n, k->total};
    }
    return n;
}

static struct counter counted(const struct world *w, const struct row *r, enum cell_kind kind, struct slice name, int e) {
    const struct cell *c = row_cell(r, kind, name);
    struct counter own = {.origin = w->refs[e / 2], .birth = (uint64_t)(e % 2 + 1)};
    for (uint32_t i = 0; c && i < c->counters_count; i++)
        if (cell_counters(r, c)[i].origin == own.origin) own = cell_counters(r, c)[i];
    own.n = (uint64_t)(e % 2 + 1);
    own.stamp = w->h.stamps[e];
    own.total += plain_amount(e) * (amount_t)100000000 * 1000000000;
    return own;
}

/* What the delta of event e says of one cell; false: nothing. */
static bool make_op(struct world *w, int e, const struct effect *what, enum cell_kind kind, struct delta_op *op, struct counter_reset *resets,
                    char text[static 16]) {
    static const struct slice cell_names[CELL_KINDS] = {[CELL_FIELD] = {(const uint8_t *)"f", 1}, [CELL_MEMBER] = {(const uint8_t *)"m", 1}};
    *op = (struct delta_op){.kind = kind, .name = cell_names[kind]};
    if (what->puts >> kind & 1) {
        uint64_t ms = plain_expiry_ms(&w->h, e);
        op->flags |= OP_PUT;
        if (kind == CELL_STRING || kind == CELL_FIELD) op->value = plain_register(e, text);
        if (kind == CELL_EXPIRY && ms) {
            for (int i = 0; i < 8; i++) text[i] = (char)(ms >> (8 * i));
            op->value = SLICE(text, 8);
        }
    } else if (what->removes >> kind & 1)
        op->flags |= OP_REMOVE;
    if (what->counts == (int)kind) {
        op->flags |= OP_COUNT;
        op->count = counted(w, &w->at_origin, kind, op->name, e);
    }
    if (what->resets >> kind & 1) {
        op->resets = resets;
        op->resets_count = seen_totals(&w->at_origin, kind, op->name, resets);
        if (op->resets_count) op->flags |= OP_RESET;
    }
    return op->flags != 0;
}

static void make_delta(struct world *w, int e) {
    struct effect what = effect_of(&w->h, e, true);
    struct delta_op ops[CELL_KINDS];
    struct counter_reset resets[CELL_KINDS][ORIGINS];
    char text[CELL_KINDS][16];
    struct delta d = {.flags = what.clear ? DELTA_CLEAR : 0, .type = what.type, .ops = ops};
    for (enum cell_kind kind = CELL_STRING; kind <= CELL_EXPIRY; kind++)
        d.ops_count += make_op(w, e, &what, kind, &ops[d.ops_count], resets[kind], text[kind]);
    delta_encode(&d, w->t, &w->change_bytes);
}

static void make_change(struct world *w, int e, struct change *c) {
    static const enum change_op ops[] = {
        [ACT_PUT] = CHANGE_PUT, [ACT_PUT_SAME] = CHANGE_PUT, [ACT_DELETE] = CHANGE_DELETE, [ACT_ANSWER] = CHANGE_ANSWER};
    buf_clear(&w->change_bytes);
    *c = (struct change){.key = slice_text("k"), .op = act_merges(w->h.acts[e]) ? CHANGE_MERGE : ops[w->h.acts[e]]};
    if (c->op == CHANGE_MERGE)
        make_delta(w, e);
    else
        plain_content(&w->h, e, &w->change_bytes);
    if (c->op == CHANGE_ANSWER) {
        c->generation = 1;
        c->inputs = 7;
    }
    c->content = buf_slice_of(&w->change_bytes);
}

/* The state of `before` and event e, in w->new and w->encoded. */
static void apply(struct world *w, uint8_t before, int e) {
    struct dot self = {w->refs[e / 2], (uint64_t)(e % 2 + 1)};
    struct change change;
    load(w, before, &w->old);
    buf_clear(&w->encoded);
    w->applied++;
    if (act_defines(w->h.acts[e])) {
        if (w->old.cells_count) row_encode(&w->old, w->t, &w->encoded);
        return;
    }
    load(w, w->h.knows[e], &w->at_origin);
    make_change(w, e, &change);
    struct row_change how = {
        .context = {.deps = &w->deps[e], .self = self}, .stamp = w->h.stamps[e], .change = &change, .stable = &w->nothing, .origins = w->t};
    if (change.op == CHANGE_MERGE) {
        if (!delta_decode(&w->delta, change.content, self, how.stamp, w->t)) fail(w, "a delta cannot be decoded", (uint8_t)(before | 1 << e));
        how.delta = &w->delta;
    }
    row_apply(&w->old, &how, &w->new, &w->news);
    if (w->new.cells_count) row_encode(&w->new, w->t, &w->encoded);
}

/* ---- what must hold of a state ---- */

static uint8_t live_in(const struct world *w, const struct row *r, enum cell_kind kind) {
    uint8_t set = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        for (uint32_t k = 0; c->kind == kind && k < c->count; k++)
            for (int o = 0; o < ORIGINS; o++)
                if (w->refs[o] == cell_versions(r, c)[k].dot.origin) set |= (uint8_t)(1 << (2 * o + (int)cell_versions(r, c)[k].dot.n - 1));
    }
    return set;
}

static struct slice name_of(enum cell_kind kind) { return kind == CELL_FIELD ? SLICE("f", 1) : kind == CELL_MEMBER ? SLICE("m", 1) : NOTHING; }

/* The number of an episode: of the latest of each origin, the smallest; origins are in canonical order here. */
static bool number_is(const struct world *w, const struct row *r, const struct cell *c, const struct row_block *b, uint8_t members) {
    int e = 0;
    while (!in(members, e)) e++;
    if (e % 2 == 0 && in(members, e + 1)) e++;
    struct dot number = block_number(&r->stacks[c->stack - 1], b, w->t);
    return number.origin == w->refs[e / 2] && number.n == (uint64_t)(e % 2 + 1);
}

static void check_episodes(struct world *w, const struct row *r, const struct plain_row *plain, enum cell_kind kind) {
    uint8_t expected[EVENTS], ever = plain->ever[kind];
    uint32_t n = plain_episodes(&w->h, ever, expected), found = 0, blocks = 0;
    const struct cell *c = row_cell(r, kind, name_of(kind));
    const struct blocks *s = c && c->stack ? &r->stacks[c->stack - 1] : NULL;
    for (uint32_t i = 0; s && i < s->n; i++) {
        uint8_t members = 0;
        if (!s->b[i].episode) continue;
        blocks++;
        for (int e = 0; e < EVENTS; e++)
            if (in(ever, e) && block_holds(s, &s->b[i], (struct dot){w->refs[e / 2], (uint64_t)(e % 2 + 1)})) members |= (uint8_t)(1 << e);
        for (uint32_t k = 0; k < n; k++)
            if (expected[k] == members && number_is(w, r, c, &s->b[i], members)) found++;
    }
    if (found != n || blocks != n) fail(w, "I7: other episodes than brute force finds", plain->set);
}

static void check_view(struct world *w, const struct row *r, const struct plain_row *plain, enum policy p, const struct rules *rules,
                       uint8_t marked) {
    struct table_rule table = {.name = "*", .policy = p};
    if (plain->merged && p != POLICY_MERGE) return;
    struct view v = row_view(r, &table, rules, w->t, &w->scratch);
    plain_view(&w->h, plain, p == POLICY_HANDLER ? POLICY_RECORD : p, priorities, marked, &w->expected);
    if (!slice_equal(v.content, buf_slice_of(&w->expected))) {
        char text[64];
        snprintf(text, sizeof text, "readers see another value under %s", policy_name(p));
        fail(w, text, plain->set);
    }
    bool waits = (p == POLICY_RECORD || p == POLICY_HANDLER) && plain_differs(&w->h, plain);
    if (!plain->merged && v.conflict != waits) fail(w, "the mark of a conflict", plain->set);
    if (v.content.n && row_expires_ms(r) != content_expires_ms(v.content)) fail(w, "two times of expiry", plain->set);
}

static void check_views(struct world *w, const struct row *r, const struct plain_row *plain) {
    if (plain->merged) {
        check_view(w, r, plain, POLICY_MERGE, w->rules, 0);
        return;
    }
    check_view(w, r, plain, POLICY_LWW, w->rules, 0);
    check_view(w, r, plain, POLICY_PRIORITY, w->rules, 0);
    check_view(w, r, plain, POLICY_RECORD, w->rules, 0);
    check_view(w, r, plain, POLICY_HANDLER, w->rules, 0);
    check_view(w, r, plain, POLICY_LWW, w->marking, w->marked);
    check_view(w, r, plain, POLICY_PRIORITY, w->marking, w->marked);
    if (row_open(r) != plain_differs(&w->h, plain)) fail(w, "open, or not", plain->set);
}

/* Definitions of the table, in every position: the last one among those that nothing covers, by (stamp, origin), counts. */
static void check_definitions(struct world *w, const struct row *r, const struct plain_row *plain) {
    static const char *const policies[] = {"lww", "priority", "record"};
    static const enum policy policy_of[] = {POLICY_LWW, POLICY_PRIORITY, POLICY_RECORD};
    uint8_t definitions = 0;
    struct dot live[EVENTS];
    uint32_t live_count = 0;
    for (int e = 0; e < EVENTS; e++)
        if (in(plain->set, e) && act_defines(w->h.acts[e])) definitions |= (uint8_t)(1 << e);
    for (int e = 0; e < EVENTS; e++) {
        bool covered = false;
        for (int f = 0; f < EVENTS; f++) covered |= in(definitions, f) && in(w->h.knows[f], e);
        if (in(definitions, e) && !covered) live[live_count++] = (struct dot){w->refs[e / 2], (uint64_t)(e % 2 + 1)};
    }
    int last = plain_last(&w->h, definitions, 0);
    if (last < 0) return;
    struct rules *rules = rules_create(w->cluster);
    struct buf content = {0}, why = {0};
    int which = w->h.acts[last] - ACT_DEFINE_LWW;
    hash_content(&content, 0, (const char *const[]){"conflict", policies[which], NULL});
    rules_define(rules, slice_text(RULES_TABLE_PREFIX "t"), buf_slice_of(&content), live, live_count, w->t, &why);
    const struct table_rule *table = rules_of(rules, slice_text("t:k"));
    plain_view(&w->h, plain, policy_of[which], priorities, 0, &w->expected);
    if (!slice_equal(row_view(r, table, rules, w->t, &w->scratch).content, buf_slice_of(&w->expected)))
        fail(w, "readers see another value under the defined policy", plain->set);
    buf_finish(&content);
    buf_finish(&why);
    rules_destroy(rules);
}

static void check_state(struct world *w, uint8_t set, struct state *s) {
    struct plain_row plain;
    struct slice bytes = buf_slice_of(&w->encoded);
    plain_row(&w->h, set, &plain);
    row_clear(&w->old);
    if (bytes.n && !row_decode(bytes, true, w->t, &w->old)) fail(w, "a row cannot be decoded", set);
    if (!bytes.n) w->old.form = plain.merged ? ROW_MERGED : ROW_WHOLE;
    const struct row *r = &w->old;
    if (bytes.n) {
        buf_clear(&w->scratch);
        row_encode(r, w->t, &w->scratch);
        if (!slice_equal(bytes, buf_slice_of(&w->scratch))) fail(w, "a row is other bytes once more", set);
    }
    for (enum cell_kind kind = 0; kind < CELL_KINDS; kind++)
        if (live_in(w, r, kind) != plain.live[kind]) fail(w, "other versions are live", set);
    if (w->phase->after_count == 0) {
        check_episodes(w, r, &plain, CELL_ROW);
        check_episodes(w, r, &plain, CELL_STRING);
        check_episodes(w, r, &plain, CELL_FIELD);
    }
    check_views(w, r, &plain);
    check_definitions(w, r, &plain);
    s->digest = row_digest(slice_text("k"), r, w->t);
    plain_view(&w->h, &plain, plain.merged ? POLICY_MERGE : POLICY_LWW, priorities, 0, &w->expected);
    s->absent = w->expected.n == 0;
    uint8_t any = 0;
    for (int kind = 0; kind < CELL_KINDS; kind++) any |= kind == CELL_EXPIRY ? 0 : plain.live[kind] | plain.counted[kind];
    bool live = plain.merged ? any != 0 : row_live(r);
    if (row_live(r) != live || (s->digest != 0) != live) fail(w, "a digest of a row without anything live, or none of a live one", set);
}

/* Which of several resets of one total is remembered is not a function of what was applied: nobody reads it. */
static void forget_who_reset(struct row *r) {
    for (uint32_t i = 0; i < r->counters_count; i++)
        if (r->counters[i].reset_n) r->counters[i].reset_by = (struct dot){r->counters[i].origin, r->counters[i].reset_n};
}

static bool same_as(struct world *w, const struct state *s) {
    struct slice a = buf_slice_of(&w->encoded), b = SLICE(w->arena.p + s->at, s->bytes);
    if (slice_equal(a, b)) return true;
    if (!a.n || !b.n || !row_decode(a, true, w->t, &w->old) || !row_decode(b, true, w->t, &w->new)) return false;
    forget_who_reset(&w->old);
    forget_who_reset(&w->new);
    buf_clear(&w->scratch);
    buf_clear(&w->expected);
    row_encode(&w->old, w->t, &w->scratch);
    row_encode(&w->new, w->t, &w->expected);
    return slice_equal(buf_slice_of(&w->scratch), buf_slice_of(&w->expected));
}

/* By the event that came last in it: for the first time it is checked, then it is compared. */
static void arrive(struct world *w, uint8_t set, int e) {
    struct state *s = state_of(w, set);
    w->h.absent = 0;
    for (int f = 0; f < EVENTS; f++)
        if (in(set, f) && state_of(w, w->h.knows[f])->absent) w->h.absent |= (uint8_t)(1 << f);
    apply(w, (uint8_t)(set & ~(1 << e)), e);
    if (s->there) {
        if (!same_as(w, s)) fail(w, "I1: two orders, two rows", set);
        return;
    }
    w->states++;
    check_state(w, set, s);
    s->there = true;
    s->bytes = (uint32_t)w->encoded.n;
    s->at = (uint32_t)w->arena.n;
    buf_put(&w->arena, w->encoded.p, w->encoded.n);
}

/* ---- all sets of events of a structure, all that they may do ---- */

static bool next_choice(struct world *w, uint8_t set) {
    for (int e = 0; e < EVENTS; e++) {
        if (!in(set, e)) continue;
        if (++w->chosen[e] < w->choices_count[e]) return true;
        w->chosen[e] = 0;
    }
    return false;
}

static void all_choices(struct world *w, uint8_t set) {
    memset(w->chosen, 0, sizeof w->chosen);
    do {
        for (int e = 0; e < EVENTS; e++)
            if (in(set, e)) w->h.acts[e] = w->choices[e][w->chosen[e]];
        for (int e = 0; e < EVENTS; e++) {
            bool known = false;
            for (int f = 0; f < EVENTS; f++) known |= in(set, f) && in(w->h.knows[f], e);
            if (in(set, e) && !known) arrive(w, set, e);
        }
    } while (!w->failure[0] && next_choice(w, set));
}

static void all_sets(struct world *w) {
    buf_clear(&w->arena);
    for (int e = 0; e < EVENTS; e++) {
        bool after = w->phase->after_count && !in(w->before_barrier, e);
        w->choices[e] = after ? w->phase->after : w->phase->acts;
        w->choices_count[e] = after ? w->phase->after_count : w->phase->acts_count;
    }
    for (uint8_t n = 0; n < SETS && !w->failure[0]; n++) {
        const uint8_t counts[] = {n / 9, n / 3 % 3, n % 3};
        uint8_t set = set_of(counts);
        bool whole = true;
        for (int e = 0; e < EVENTS; e++) whole &= !in(set, e) || (w->h.knows[e] & set) == w->h.knows[e];
        if (!whole) continue;
        w->memory[set] = xcalloc(place(w, set, true), sizeof *w->memory[set]);
        if (set == 0)
            w->memory[0][0] = (struct state){.there = true, .absent = true};
        else
            all_choices(w, set);
    }
    for (int set = 0; set < 1 << EVENTS; set++) {
        free(w->memory[set]);
        w->memory[set] = NULL;
    }
}

static bool without_barrier; /* a broken rule: who writes in the new form need not know what was written in the old one */

/* Everything beyond a barrier knows everything before it. */
static void all_barriers(struct world *w) {
    if (w->phase->after_count == 0) {
        all_sets(w);
        return;
    }
    for (uint8_t n = 1; n < SETS - 1 && !w->failure[0]; n++) {
        const uint8_t counts[] = {n / 9, n / 3 % 3, n % 3};
        bool barrier = true;
        w->before_barrier = set_of(counts);
        for (int e = 0; e < EVENTS; e++) {
            uint8_t knows = w->h.knows[e], before = w->before_barrier;
            barrier &= in(before, e) ? (knows & ~before) == 0 : without_barrier || (knows & before) == before;
        }
        if (barrier) all_sets(w);
    }
}

/* ---- all structures ---- */

static void all_structures(struct world *w, int e) {
    if (w->failure[0]) return;
    if (e == EVENTS) {
        if (!plain_is_closed(&w->h) || (!w->phase->all_structures && !plain_is_first_of_its_renamings(&w->h))) return;
        w->structures++;
        plain_set_stamps(&w->h, w->structures);
        all_barriers(w);
        return;
    }
    int own = e / 2;
    for (uint8_t n = 0; n < 9; n++) {
        uint8_t *counts = w->h.counts[e];
        counts[own] = (uint8_t)(e % 2);
        counts[(own + 1) % 3] = n / 3;
        counts[(own + 2) % 3] = n % 3;
        vv_clear(&w->deps[e]);
        for (int o = 0; o < ORIGINS; o++) vv_set(&w->deps[e], w->refs[o], o == own ? 0 : counts[o]);
        w->h.knows[e] = set_of(counts);
        if (e % 2 == 1 && (w->h.knows[e - 1] & w->h.knows[e]) != w->h.knows[e - 1]) continue; /* a node forgets nothing */
        all_structures(w, e + 1);
    }
}

/* ---- phases ---- */

static const struct phase phases[] = {
    {.name = "whole rows: put, delete", .acts = {ACT_PUT, ACT_DELETE}, .acts_count = 2, .all_structures = true},
    {.name = "whole rows: put, delete, answers", .acts = {ACT_PUT, ACT_DELETE, ACT_ANSWER}, .acts_count = 3},
    {.name = "whole rows: put, equal puts", .acts = {ACT_PUT, ACT_PUT_SAME}, .acts_count = 2, .all_structures = true},
    {.name = "whole rows: put, changes of policy", .acts = {ACT_PUT, ACT_DEFINE_PRIORITY, ACT_DEFINE_RECORD}, .acts_count = 3},
    {.name = "strings that merge", .acts = {ACT_SET, ACT_INCR, ACT_DEL, ACT_EXPIRE}, .acts_count = 4, .merged = true},
    {.name = "hashes that merge", .acts = {ACT_HSET, ACT_HINCR, ACT_HDEL, ACT_DEL}, .acts_count = 4, .merged = true},
    {.name = "sets that merge", .acts = {ACT_SADD, ACT_SREM, ACT_DEL, ACT_EXPIRE}, .acts_count = 4, .merged = true},
    {.name = "types that collide", .acts = {ACT_SET, ACT_HINCR, ACT_SADD, ACT_DEL}, .acts_count = 4, .merged = true},
    {.name = "from merged to whole rows",
     .acts = {ACT_SET, ACT_HINCR, ACT_SADD, ACT_DEL},
     .acts_count = 4,
     .merged = true,
     .after = {ACT_PUT, ACT_DELETE},
     .after_count = 2},
    {.name = "from whole to merged rows",
     .acts = {ACT_PUT, ACT_DELETE},
     .acts_count = 2,
     .after = {ACT_INCR, ACT_HSET, ACT_SADD, ACT_EXPIRE},
     .after_count = 4},
};
static const struct phase everything = {.name = "all operations that merge",
                                        .acts = {ACT_SET, ACT_INCR, ACT_HSET, ACT_HDEL, ACT_SADD, ACT_SREM, ACT_DEL, ACT_EXPIRE},
                                        .acts_count = 8,
                                        .merged = true};

static void world_begin(struct world *w) {
    static const char *const names[ORIGINS] = {"a", "b", "c"};
    *w = (struct world){.t = origins_create(), .cluster = xcalloc(1, sizeof *w->cluster)};
    for (int o = ORIGINS; o-- > 0;) w->refs[o] = row_origin(w->t, names[o]); /* refs are in another order than names */
    cluster_of(w->cluster, names, (const int32_t[]){priorities[0], priorities[1], priorities[2]}, ORIGINS);
    w->cluster->tables_count = 1;
    snprintf(w->cluster->tables[0].name, sizeof w->cluster->tables[0].name, "t");
    w->cluster->tables[0].policy = POLICY_LWW;
    w->rules = rules_create(w->cluster);
    w->marking = rules_create(w->cluster);
    struct buf key = {0}, content = {0}, why = {0};
    buf_text(&key, RULES_MARK_PREFIX);
    origin_format(origins_get(w->t, w->refs[1]), &key);
    hash_content(&content, 0, (const char *const[]){"2-2", "a clock that was off", NULL});
    rules_define(w->marking, buf_slice_of(&key), buf_slice_of(&content), &(struct dot){w->refs[1], 1}, 1, w->t, &why);
    w->marked = 1 << 3;
    buf_finish(&key);
    buf_finish(&content);
    buf_finish(&why);
}

static void world_end(struct world *w) {
    for (int e = 0; e < EVENTS; e++) vv_finish(&w->deps[e]);
    rules_destroy(w->rules);
    rules_destroy(w->marking);
    free(w->cluster);
    row_finish(&w->old);
    row_finish(&w->at_origin);
    row_finish(&w->new);
    row_news_finish(&w->news);
    delta_finish(&w->delta);
    buf_finish(&w->arena);
    buf_finish(&w->encoded);
    buf_finish(&w->change_bytes);
    buf_finish(&w->scratch);
    buf_finish(&w->expected);
    origins_destroy(w->t);
}

static bool run(const struct phase *p, bool quiet, char *failure, size_t size) {
    struct world w;
    clock_t began = clock();
    world_begin(&w);
    w.phase = p;
    w.h.merged_at_first = p->merged;
    all_structures(&w, 0);
    if (!quiet)
        printf("%-46s %llu structures, %llu states, %llu deliveries, %.1f s%s%s\n", p->name, (unsigned long long)w.structures,
               (unsigned long long)w.states, (unsigned long long)w.applied, (double)(clock() - began) / CLOCKS_PER_SEC,
               w.failure[0] ? "\n  FAILS: " : "", w.failure);
    snprintf(failure, size, "%s", w.failure);
    world_end(&w);
    return !failure[0];
}

/* ---- bugs that these histories must find ---- */

static const struct {
    const char *name;
    enum conflict_bug bug;
    const char *shows_in; /* what a phase's name begins with */
} planted[] = {
    {"NO_CONTEXT", CONFLICT_BUG_NO_CONTEXT, "whole rows: put, delete"},
    {"EAGER_LWW", CONFLICT_BUG_EAGER_LWW, "whole rows: put, delete"},
    {"HEAD_ONLY", CONFLICT_BUG_HEAD_ONLY, "whole rows: put, delete"},
    {"ANSWER_UNSEEN", CONFLICT_BUG_ANSWER_UNSEEN, "whole rows: put, delete, answers"},
    {"RECORD_BY_STAMP", CONFLICT_BUG_RECORD_BY_STAMP, "whole rows: put, delete"},
    {"REMOVE_WINS", CONFLICT_BUG_REMOVE_WINS, "hashes"},
    {"DELETE_ALL", CONFLICT_BUG_DELETE_ALL, "strings"},
    {"TYPES_HIDDEN", CONFLICT_BUG_TYPES_HIDDEN, "types"},
    {"EXPIRY_SHORTEST", CONFLICT_BUG_EXPIRY_SHORTEST, "strings"},
};

static bool found(enum conflict_bug bug, const char *shows_in, char *failure, size_t size) {
    bool holds = true;
    conflict_planted = bug;
    for (size_t k = 0; k < sizeof phases / sizeof *phases && holds; k++)
        if (strncmp(phases[k].name, shows_in, strlen(shows_in)) == 0) holds = run(&phases[k], true, failure, size);
    conflict_planted = CONFLICT_BUG_NONE;
    return !holds;
}

int main(int argc, char **argv) {
    bool all = false, bugs = false;
    for (int i = 1; i < argc; i++) {
        all |= strcmp(argv[i], "--all") == 0;
        bugs |= strcmp(argv[i], "--bugs") == 0;
    }
    unsigned passed = 0, failed = 0;
    char failure[512];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t k = 0; !bugs && k < sizeof phases / sizeof *phases; k++) run(&phases[k], false, failure, sizeof failure) ? passed++ : failed++;
    if (all) run(&everything, false, failure, sizeof failure) ? passed++ : failed++;
    for (size_t k = 0; k < sizeof planted / sizeof *planted; k++) {
        bool shows = found(planted[k].bug, planted[k].shows_in, failure, sizeof failure);
        printf("%-16s %s: %.150s\n", planted[k].name, shows ? "found" : "NOT FOUND", failure);
        shows ? passed++ : failed++;
    }
    without_barrier = true;
    bool is_found = found(CONFLICT_BUG_NONE, "from", failure, sizeof failure);
    printf("%-16s %s: %.150s\n", "no barrier", is_found ? "found" : "NOT FOUND", failure);
    is_found ? passed++ : failed++;
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
