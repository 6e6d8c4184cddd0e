/* Counters against an unbounded oracle, which has one entry for each increment, and from which a delete removes those that it had seen: the value at
 * 2 to 4 nodes is the same at every step, with deletes, counting again after them, negative amounts, deliveries in any causal order, joins, and
 * collection of what is wholly reset.
 *
 * usage: counters-oracle [SCHEDULES [FIRST_SEED [VARIANT]]]
 * Without a variant all are run: `totals`, as built, must not fail, each other way to count must be found wrong. */
#include "../../conflict/counter.h"
#include "../../conflict/planted.h"
#include "../../dc-node/core/prng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX    4
#define STEPS_MAX    40
#define MASK(i)      (UINT64_C(1) << (i))
#define COUNT_OF(a)  (sizeof(a) / sizeof *(a))
#define SEARCHED_MAX 100000u
#define UNIT         ((amount_t)12345678901234567) /* of amounts, so that they have a fraction */

enum way {
    TOTALS, /* as built */
    DELTA,  /* an increment carries its amount, not the total */
    SUMS,   /* for each origin a sum; a delete removes the entries whose number it covers */
    NEGATE, /* a delete takes away the value seen, as a decrement */
};
struct variant {
    const char *name;
    enum way way;
    enum conflict_bug bug;
};
static const struct variant variants[] = {
    {.name = "totals", .way = TOTALS},
    {.name = "delta", .way = DELTA},
    {.name = "sums", .way = SUMS},
    {.name = "negate", .way = NEGATE},
    {.name = "drop-early", .way = TOTALS, .bug = CONFLICT_BUG_COUNTER_DROP_EARLY},
};

enum kind { INCREMENT, DELETE, AGAIN, ELSEWHERE }; /* AGAIN: a delete and an increment in one transaction */
struct logged {
    uint64_t deps[NODES_MAX];
    enum kind kind;
    amount_t amount, taken; /* of the increment; NEGATE: by the delete */
    int increment;          /* its name in the oracle */
    struct counter count;   /* TOTALS: the origin's entry after the increment */
    struct counter_reset resets[NODES_MAX];
    uint32_t resets_count;
};
struct node {
    uint64_t vv[NODES_MAX];
    struct counter entries[NODES_MAX]; /* by origin; n == 0: none */
    uint64_t oracle;                   /* increments that count */
    uint64_t reported[NODES_MAX][NODES_MAX];
};
struct increment {
    struct dot dot;
    amount_t amount;
};
struct world {
    enum way way;
    struct prng random;
    struct origins *origins;
    uint32_t nodes_count;
    struct node nodes[NODES_MAX];
    struct logged log[NODES_MAX][STEPS_MAX + 1];
    uint64_t log_count[NODES_MAX];
    struct increment increments[STEPS_MAX];
    int increments_count;
    char fault[200];
};

static uint32_t below(struct world *w, uint32_t n) { return (uint32_t)prng_below(&w->random, n); }

static bool includes(const uint64_t *whole, const uint64_t *part) {
    for (int o = 0; o < NODES_MAX; o++) {
        if (part[o] > whole[o]) return false;
    }
    return true;
}

/* Increments of the mask that the vector covers. */
static uint64_t covered_by(const struct world *w, uint64_t mask, const uint64_t *vv) {
    uint64_t covered = 0;
    for (; mask != 0; mask &= mask - 1) {
        int i = __builtin_ctzll(mask);
        if (w->increments[i].dot.n <= vv[w->increments[i].dot.origin]) covered |= MASK(i);
    }
    return covered;
}

static amount_t value_by_oracle(const struct world *w, const struct node *node) {
    amount_t sum = 0;
    for (uint64_t left = node->oracle; left != 0; left &= left - 1) sum += w->increments[__builtin_ctzll(left)].amount;
    return sum;
}

/* ---- what an event does ---- */
static void add_amount(struct counter *c, struct dot dot, amount_t amount) {
    if (c->n == 0) *c = (struct counter){.origin = dot.origin, .birth = dot.n};
    c->n = dot.n;
    c->total = amount_add(c->total, amount);
}

static void count(struct world *w, struct node *node, struct dot dot, const struct logged *e) {
    struct counter *c = &node->entries[dot.origin];
    node->oracle |= MASK(e->increment);
    if (w->way != TOTALS) {
        add_amount(c, dot, e->amount);
    } else {
        *c = c->n > 0 ? counter_join(c, &e->count) : e->count;
    }
}

static void reset(struct world *w, struct node *node, struct dot dot, const struct logged *e) {
    node->oracle &= ~covered_by(w, node->oracle, e->deps);
    if (w->way == NEGATE) add_amount(&node->entries[dot.origin], dot, e->taken);
    for (origin_ref o = 0; w->way == SUMS && o < NODES_MAX; o++) {
        if (node->entries[o].n <= e->deps[o]) node->entries[o] = (struct counter){.origin = o};
    }
    for (uint32_t i = 0; i < e->resets_count; i++) {
        struct counter *c = &node->entries[e->resets[i].origin];
        if (c->n > 0) counter_reset_by(c, &e->resets[i], dot);
    }
}

static void apply(struct world *w, struct node *node, origin_ref o, uint64_t n) {
    const struct logged *e = &w->log[o][n];
    struct dot dot = {o, n};
    if (e->kind == DELETE || e->kind == AGAIN) reset(w, node, dot, e);
    if (e->kind == INCREMENT || e->kind == AGAIN) count(w, node, dot, e);
    node->vv[o] = n;
}

static void make_increment(struct world *w, const struct node *node, struct dot dot, struct logged *e) {
    const struct counter *mine = &node->entries[dot.origin];
    e->amount = ((amount_t)below(w, 13) - 3) * UNIT;
    e->increment = w->increments_count++;
    e->count = *mine;
    for (uint32_t i = 0; i < e->resets_count; i++) {
        if (e->resets[i].origin == dot.origin) counter_reset_by(&e->count, &e->resets[i], dot);
    }
    add_amount(&e->count, dot, e->amount);
    w->increments[e->increment] = (struct increment){dot, e->amount};
}

static void make_delete(struct world *w, const struct node *node, struct logged *e) {
    if (w->way == NEGATE) e->taken = -counters_sum(node->entries, NODES_MAX);
    if (w->way != TOTALS && w->way != DELTA) return;
    for (origin_ref o = 0; o < NODES_MAX; o++) {
        const struct counter *c = &node->entries[o];
        if (c->n > 0) e->resets[e->resets_count++] = (struct counter_reset){o, c->birth, c->n, c->total};
    }
}

static void originate(struct world *w, struct node *node) {
    origin_ref o = (origin_ref)(node - w->nodes);
    uint64_t n = ++w->log_count[o];
    struct logged *e = &w->log[o][n];
    uint32_t what = below(w, 100);
    *e = (struct logged){.kind = what < 60 ? INCREMENT : what < 78 ? DELETE : what < 85 ? AGAIN : ELSEWHERE};
    memcpy(e->deps, node->vv, sizeof e->deps);
    if (e->kind == DELETE || e->kind == AGAIN) make_delete(w, node, e);
    if (e->kind == INCREMENT || e->kind == AGAIN) make_increment(w, node, (struct dot){o, n}, e);
    apply(w, node, o, n);
}

/* Some event that it may apply next; false: there is none. */
static bool deliver(struct world *w, struct node *node) {
    origin_ref ready[NODES_MAX];
    uint32_t n = 0;
    for (origin_ref o = 0; o < w->nodes_count; o++) {
        if (node->vv[o] < w->log_count[o] && includes(node->vv, w->log[o][node->vv[o] + 1].deps)) ready[n++] = o;
    }
    if (n == 0) return false;
    origin_ref o = ready[below(w, n)];
    apply(w, node, o, node->vv[o] + 1);
    return true;
}

/* ---- transfers and collection ---- */
/* What a side has seen and no longer has is reset. */
static struct counter join_entry(const struct world *w, const struct counter *a, uint64_t a_vv, const struct counter *b, uint64_t b_vv) {
    if (a->n > 0 && b->n > 0) return w->way != SUMS ? counter_join(a, b) : a->n >= b->n ? *a : *b;
    if (a->n > 0 && a->n > b_vv) return *a;
    if (b->n > 0 && b->n > a_vv) return *b;
    return (struct counter){.origin = a->origin};
}

static void join(struct world *w, struct node *to, const struct node *from) {
    to->oracle = (to->oracle & from->oracle) | (to->oracle & ~covered_by(w, to->oracle, from->vv)) |
                 (from->oracle & ~covered_by(w, from->oracle, to->vv));
    for (int o = 0; o < NODES_MAX; o++) {
        to->entries[o] = join_entry(w, &to->entries[o], to->vv[o], &from->entries[o], from->vv[o]);
        if (from->vv[o] > to->vv[o]) to->vv[o] = from->vv[o];
    }
}

static void heartbeat(struct world *w, struct node *node) {
    uint32_t from = below(w, w->nodes_count), me = (uint32_t)(node - w->nodes);
    uint64_t least[NODES_MAX];
    struct vv stable = {least, NODES_MAX};
    bool whole = true;
    memcpy(node->reported[from], w->nodes[from].vv, sizeof node->vv);
    memcpy(node->reported[me], node->vv, sizeof node->vv);
    memcpy(least, node->vv, sizeof least);
    for (uint32_t k = 0; k < w->nodes_count; k++) {
        whole = whole && includes(node->vv, node->reported[k]);
        for (int o = 0; o < NODES_MAX; o++) {
            if (node->reported[k][o] < least[o]) least[o] = node->reported[k][o];
        }
    }
    if (!whole || below(w, 10) < 2) return;
    for (origin_ref o = 0; o < NODES_MAX; o++) {
        struct counter *c = &node->entries[o];
        if (c->n > 0 && counter_collectable(c, &stable)) *c = (struct counter){.origin = o};
    }
}

/* ---- schedules ---- */
static bool same_after_bytes(const struct world *w, const struct counter *c) {
    struct buf bytes = {0}, again = {0};
    counter_encode(c, w->origins, &bytes);
    struct reader r = reader_of(buf_slice_of(&bytes));
    struct counter copy = counter_decode(&r, w->origins);
    bool same = read_done(&r);
    if (same) counter_encode(&copy, w->origins, &again);
    same = same && slice_equal(buf_slice_of(&bytes), buf_slice_of(&again));
    buf_finish(&bytes);
    buf_finish(&again);
    return same;
}

static bool check(struct world *w, const struct node *node) {
    amount_t got = counters_sum(node->entries, NODES_MAX), want = value_by_oracle(w, node);
    int at = (int)(node - w->nodes);
    if (got != want) {
        char got_text[AMOUNT_TEXT_MAX], want_text[AMOUNT_TEXT_MAX];
        amount_format(got, got_text);
        amount_format(want, want_text);
        snprintf(w->fault, sizeof w->fault, "node %d reads %s instead of %s", at, got_text, want_text);
        return false;
    }
    for (int o = 0; o < NODES_MAX; o++) {
        if (node->entries[o].n == 0 || same_after_bytes(w, &node->entries[o])) continue;
        snprintf(w->fault, sizeof w->fault, "the bytes of an entry at node %d are not canonical", at);
        return false;
    }
    return true;
}

static bool run(struct world *w, uint64_t seed) {
    prng_seed(&w->random, seed);
    memset(w->nodes, 0, sizeof w->nodes);
    memset(w->log_count, 0, sizeof w->log_count);
    w->increments_count = 0;
    for (uint32_t k = 0; k < NODES_MAX; k++) {
        for (origin_ref o = 0; o < NODES_MAX; o++) w->nodes[k].entries[o].origin = o;
    }
    w->nodes_count = 2 + below(w, 3);
    for (uint32_t left = 4 + below(w, STEPS_MAX - 3); left > 0; left--) {
        struct node *node = &w->nodes[below(w, w->nodes_count)];
        uint32_t what = below(w, 100);
        if (what < 36) {
            originate(w, node);
        } else if (what < 78) {
            deliver(w, node);
        } else if (what < 88 && w->way != NEGATE) {
            const struct node *from = &w->nodes[below(w, w->nodes_count)];
            if (from != node) join(w, node, from);
        } else {
            heartbeat(w, node);
        }
        if (!check(w, node)) return false;
    }
    for (uint32_t k = 0; k < w->nodes_count; k++) {
        while (deliver(w, &w->nodes[k])) {}
        if (!check(w, &w->nodes[k])) return false;
    }
    return true;
}

/* Returns how many schedules failed; a planted bug is looked for until it is found. */
static uint32_t run_variant(struct world *w, const struct variant *v, uint64_t first, uint32_t schedules) {
    bool planted = v != &variants[0];
    uint32_t failed = 0, done = 0;
    char fault[sizeof w->fault] = "";
    w->way = v->way;
    conflict_planted = v->bug;
    for (; done < schedules && !(planted && failed > 0); done++) {
        if (run(w, first + done)) continue;
        if (failed++ == 0) snprintf(fault, sizeof fault, "seed %llu: %.150s", (unsigned long long)(first + done), w->fault);
    }
    conflict_planted = CONFLICT_BUG_NONE;
    printf("%-12s %9u %8u  %s\n", v->name, done, failed, fault);
    return failed;
}

int main(int argc, char **argv) {
    uint32_t schedules = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    static const char *const names[NODES_MAX] = {"c", "a", "d", "b"};
    static struct world w;
    uint32_t passed = 0, failed = 0;
    w.origins = origins_create();
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        struct origin o = {.node = 1, .incarnation = i + 1};
        memcpy(o.dc, names[i], strlen(names[i]) + 1);
        if (origins_intern(w.origins, &o) != i) abort();
    }
    printf("%-12s %9s %8s  %s\n", "variant", "schedules", "failures", "the first");
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        if (argc > 3 && strcmp(argv[3], variants[i].name) != 0) continue;
        uint32_t failures = run_variant(&w, &variants[i], first, i == 0 ? schedules : SEARCHED_MAX);
        if ((failures > 0) == (i > 0)) {
            passed++;
        } else {
            failed++;
        }
    }
    origins_destroy(w.origins);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
