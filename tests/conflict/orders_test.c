/* Every order of delivery gives the same row: exhaustively for a few events, at random for many, against the plain definition of section 5. */
#include "rows.h"

TestSuite(orders);

/* ---- 3 origins x 2 operations x {put, delete}: all contexts, all orders ---- */

#define ORIGINS 3
#define EVENTS  (2 * ORIGINS)
#define STATES  27 /* how many of each origin's two events are applied */

struct world {
    struct origins *t;
    origin_ref refs[ORIGINS]; /* canonical order a, b, c; refs are not */
    struct vv deps[EVENTS];
    uint8_t knows[EVENTS]; /* bit e: event e is in the context */
    bool deletes[EVENTS];
    stamp_t stamps[EVENTS];
    struct buf contents[EVENTS];
    uint64_t rows_checked;
};

static int index_of(const uint8_t *applied) { return applied[0] * 9 + applied[1] * 3 + applied[2]; }

/* Event e is the (e % 2 + 1)-th of origin e / 2. */
static uint8_t set_of(const uint8_t *counts) {
    uint8_t set = 0;
    for (int e = 0; e < EVENTS; e++)
        if (e % 2 < counts[e / 2]) set |= (uint8_t)(1 << e);
    return set;
}

/* The versions in the set that no event in the set covers. */
static uint8_t defined_row(const struct world *w, uint8_t set) {
    uint8_t row = set;
    for (int e = 0; e < EVENTS; e++)
        if (set >> e & 1) row &= (uint8_t)~w->knows[e];
    return row;
}

static struct version version_of(const struct world *w, int e) {
    struct slice content = w->deletes[e] ? SLICE(NULL, 0) : buf_slice_of(&w->contents[e]);
    return (struct version){{w->refs[e / 2], (uint64_t)(e % 2 + 1)}, w->stamps[e], content};
}

static uint8_t apply(struct world *w, uint8_t row, int e) {
    struct version v[EVENTS + 1];
    struct siblings s = {v, 0, EVENTS + 1};
    for (int i = 0; i < EVENTS; i++)
        if (row >> i & 1) v[s.n++] = version_of(w, i);
    struct version new = version_of(w, e);
    put(&s, &w->deps[e], new.dot, new.stamp, new.content, w->t);
    uint8_t after = 0;
    int before = -1;
    for (uint32_t i = 0; i < s.n; i++) {
        int event = -1;
        for (int o = 0; o < ORIGINS; o++)
            if (w->refs[o] == s.v[i].dot.origin) event = 2 * o + (int)s.v[i].dot.n - 1;
        cr_assert(event > before, "siblings out of canonical order");
        before = event;
        after |= (uint8_t)(1 << event);
    }
    int winner = -1;
    for (int i = 0; i < EVENTS; i++)
        if ((after >> i & 1) && (winner < 0 || w->stamps[i] >= w->stamps[winner])) winner = i;
    cr_assert(dot_equal(s.v[policy_winner(POLICY_LWW, &s, w->t)].dot, version_of(w, winner).dot));
    return after;
}

/* From every state that can be reached, by every event that can come next: the row depends on the state alone. */
static void all_orders(struct world *w) {
    int row_at[STATES];
    memset(row_at, -1, sizeof row_at);
    row_at[0] = 0;
    for (uint8_t n = 0; n < STATES; n++) { /* a state comes after all states below it */
        uint8_t applied[] = {(uint8_t)(n / 9), (uint8_t)(n / 3 % 3), (uint8_t)(n % 3)};
        if (row_at[n] < 0) continue;
        for (int o = 0; o < ORIGINS; o++) {
            if (applied[o] == 2) continue;
            int e = 2 * o + applied[o];
            if ((w->knows[e] & set_of(applied)) != w->knows[e]) continue; /* its deps have not come */
            uint8_t row = apply(w, (uint8_t)row_at[n], e);
            applied[o]++;
            int next = index_of(applied);
            cr_assert_eq(row, defined_row(w, set_of(applied)));
            cr_assert(row_at[next] < 0 || row_at[next] == row, "two orders, two rows");
            row_at[next] = row;
            applied[o]--;
            w->rows_checked++;
        }
    }
}

/* Contexts must hold the contexts of what they hold, and nothing may know itself. */
static bool closed(const struct world *w) {
    for (int e = 0; e < EVENTS; e++)
        for (int d = 0; d < EVENTS; d++)
            if (w->knows[e] >> d & 1)
                if ((w->knows[d] & w->knows[e]) != w->knows[d] || (w->knows[d] >> e & 1)) return false;
    return true;
}

static void set_stamps(struct world *w) {
    for (int round = 0; round < EVENTS; round++)
        for (int e = 0; e < EVENTS; e++) {
            w->stamps[e] = 1;
            for (int d = 0; d < EVENTS; d++)
                if ((w->knows[e] >> d & 1) && w->stamps[d] >= w->stamps[e]) w->stamps[e] = w->stamps[d] + 1;
        }
}

static void set_deps(struct world *w, int e, const uint8_t *counts) {
    vv_clear(&w->deps[e]);
    for (int o = 0; o < ORIGINS; o++) vv_set(&w->deps[e], w->refs[o], counts[o]);
    w->knows[e] = set_of(counts);
}

static void all_contexts(struct world *w, int e) {
    if (e == EVENTS) {
        if (!closed(w)) return;
        set_stamps(w);
        for (int ops = 0; ops < 1 << EVENTS; ops++) {
            for (int i = 0; i < EVENTS; i++) w->deletes[i] = ops >> i & 1;
            all_orders(w);
        }
        return;
    }
    int own = e / 2;
    for (uint8_t x = 0; x < 3; x++)
        for (uint8_t y = 0; y < 3; y++) {
            uint8_t counts[ORIGINS];
            counts[own] = (uint8_t)(e % 2);
            counts[(own + 1) % 3] = x;
            counts[(own + 2) % 3] = y;
            set_deps(w, e, counts);
            if (e % 2 == 1 && (w->knows[e - 1] & w->knows[e]) != w->knows[e - 1]) continue; /* a node forgets nothing */
            all_contexts(w, e + 1);
        }
}

Test(orders, three_origins_with_two_puts_or_deletes_each_give_one_row_in_all_orders, .timeout = 300) {
    struct world w = {.t = origins_create()};
    w.refs[2] = origin_named(w.t, "c", 1, 1);
    w.refs[0] = origin_named(w.t, "a", 1, 1);
    w.refs[1] = origin_named(w.t, "b", 1, 1);
    for (int e = 0; e < EVENTS; e++) text_content(&w.contents[e], (char[]){(char)('p' + e), 0}, 0);
    all_contexts(&w, 0);
    cr_assert(w.rows_checked > 1000000, "only %llu rows", (unsigned long long)w.rows_checked);
    for (int e = 0; e < EVENTS; e++) vv_finish(&w.deps[e]), buf_finish(&w.contents[e]);
    origins_destroy(w.t);
}

/* ---- many events, stale contexts, reaps, late delivery: against a list of all that was applied ---- */

#define REPLICAS   4
#define STEPS      60
#define UNSEEN_MAX 8

struct made {
    struct dot dot;
    struct vv deps;
    struct dot unseen[UNSEEN_MAX];
    uint32_t unseen_count;
    enum change_op op;
    stamp_t stamp;
    struct buf content;
};

struct model {
    uint64_t seed;
    struct origins *t;
    origin_ref refs[REPLICAS];
    struct made made[STEPS];
    uint32_t made_count;
    struct vv vv[REPLICAS];
    struct siblings rows[REPLICAS];
};

static bool knows(const struct made *e, struct dot d) {
    for (uint32_t i = 0; i < e->unseen_count; i++)
        if (dot_equal(e->unseen[i], d)) return false;
    return d.origin == e->dot.origin ? d.n < e->dot.n : vv_covers(&e->deps, d);
}

static bool in_defined_row(const struct model *m, const struct vv *vv, const struct made *v) {
    if (v->op == CHANGE_REAP || !vv_covers(vv, v->dot)) return false;
    for (uint32_t i = 0; i < m->made_count; i++)
        if (vv_covers(vv, m->made[i].dot) && knows(&m->made[i], v->dot)) return false;
    return true;
}

static void check_row(const struct model *m, int replica) {
    const struct siblings *s = &m->rows[replica];
    uint32_t expected = 0;
    for (uint32_t i = 0; i < m->made_count; i++) {
        bool there = in_defined_row(m, &m->vv[replica], &m->made[i]);
        expected += there;
        cr_assert_eq(holds(s, m->made[i].dot), there);
    }
    cr_assert_eq(s->n, expected);
    for (uint32_t i = 1; i < s->n; i++) cr_assert(dot_compare(m->t, s->v[i - 1].dot, s->v[i].dot) < 0);
}

static void deliver(struct model *m, int replica, const struct made *e) {
    struct context c = {.deps = &e->deps, .self = e->dot, .unseen = e->unseen, .unseen_count = e->unseen_count};
    siblings_apply(&m->rows[replica], &c, e->op, e->stamp, buf_slice_of(&e->content), m->t);
    vv_set(&m->vv[replica], e->dot.origin, e->dot.n);
    check_row(m, replica);
}

static void make(struct model *m, int replica) {
    struct made *e = &m->made[m->made_count++];
    origin_ref own = m->refs[replica];
    *e = (struct made){.dot = {own, vv_get(&m->vv[replica], own) + 1}, .stamp = draw_below(&m->seed, 50) + 1};
    vv_copy(&e->deps, &m->vv[replica]);
    uint64_t kind = draw_below(&m->seed, 10);
    e->op = kind < 6 ? CHANGE_PUT : kind < 9 ? CHANGE_DELETE : CHANGE_REAP;
    if (e->op == CHANGE_PUT) text_content(&e->content, "v", draw_below(&m->seed, 3));
    const struct siblings *s = &m->rows[replica];
    for (uint32_t i = 0; i < s->n && e->unseen_count < UNSEEN_MAX; i++)
        if (s->v[i].content.n && draw_below(&m->seed, 3) == 0) e->unseen[e->unseen_count++] = s->v[i].dot; /* of live ones alone */
    deliver(m, replica, e);
}

static bool can_come(const struct model *m, int replica, const struct made *e) {
    const struct vv *vv = &m->vv[replica];
    if (vv_get(vv, e->dot.origin) != e->dot.n - 1) return false;
    for (int i = 0; i < REPLICAS; i++)
        if (m->refs[i] != e->dot.origin && vv_get(&e->deps, m->refs[i]) > vv_get(vv, m->refs[i])) return false;
    return true;
}

static bool deliver_something(struct model *m, int replica) {
    uint32_t start = (uint32_t)draw_below(&m->seed, STEPS);
    for (uint32_t i = 0; i < m->made_count; i++) {
        const struct made *e = &m->made[(start + i) % m->made_count];
        if (!can_come(m, replica, e)) continue;
        deliver(m, replica, e);
        return true;
    }
    return false;
}

static void run_model(uint64_t seed) {
    static const char *const dcs[] = {"d", "b", "a", "c"};
    struct model m = {.seed = seed, .t = origins_create()};
    struct buf first = {0}, other = {0};
    for (int i = 0; i < REPLICAS; i++) m.refs[i] = origin_named(m.t, dcs[i], 1, 1);
    for (int step = 0; step < 4 * STEPS; step++) {
        int replica = (int)draw_below(&m.seed, REPLICAS);
        if (m.made_count < STEPS && draw_below(&m.seed, 4) == 0)
            make(&m, replica);
        else if (m.made_count > 0)
            deliver_something(&m, replica);
    }
    for (int i = 0; i < REPLICAS; i++)
        while (deliver_something(&m, i)) {}
    for (int i = 0; i < REPLICAS; i++) {
        cr_assert_eq(vv_compare(&m.vv[i], &m.vv[0]), VV_EQUAL);
        cr_assert_eq(m.rows[i].n, m.rows[0].n);
        if (m.rows[i].n == 0) continue;
        cr_assert(slice_equal(encoded_row(&m.rows[i], m.t, &other), encoded_row(&m.rows[0], m.t, &first)));
        cr_assert_eq(policy_winner(POLICY_LWW, &m.rows[i], m.t), policy_winner(POLICY_LWW, &m.rows[0], m.t));
    }
    for (int i = 0; i < REPLICAS; i++) vv_finish(&m.vv[i]), siblings_finish(&m.rows[i]);
    for (uint32_t i = 0; i < m.made_count; i++) vv_finish(&m.made[i].deps), buf_finish(&m.made[i].content);
    buf_finish(&first), buf_finish(&other), origins_destroy(m.t);
}

Test(orders, random_schedules_give_the_row_that_the_definition_gives, .timeout = 300) {
    for (uint64_t seed = 1; seed <= 2000; seed++) run_model(seed);
}
