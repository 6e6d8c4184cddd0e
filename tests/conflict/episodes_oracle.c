/* Episodes against brute force: the blocks of one cell at 2 to 4 nodes must at every step be the connected components of concurrency among the
 * versions that the node has applied, with writes from old contexts, deliveries in any causal order, joins, heartbeats that overtake, and collection
 * at different times. And nothing is lost in silence: a version that nobody overwrote knowingly is live or in the journal, at every node.
 *
 * usage: episodes-oracle [SCHEDULES [FIRST_SEED [VARIANT]]]
 * Without a variant all are run: `as built` must not fail, each planted bug must be found. */
#include "../../conflict/blocks.h"
#include "../../conflict/planted.h"
#include "../../dc-node/core/prng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX    4
#define STEPS_MAX    44
#define MASK(i)      (UINT64_C(1) << (i))
#define COUNT_OF(a)  (sizeof(a) / sizeof *(a))
#define SEARCHED_MAX 400000u

struct variant {
    const char *name;
    enum conflict_bug bug;
    bool eager_close; /* what every node has reported counts as stable, though something concurrent may still come */
    bool raw_context; /* what the client's old context does not cover counts as not known */
};
static const struct variant variants[] = {
    {.name = "as built"},
    {.name = "head-only", .bug = CONFLICT_BUG_HEAD_ONLY},
    {.name = "join-without-blocks", .bug = CONFLICT_BUG_JOIN_WITHOUT_BLOCKS},
    {.name = "eager-close", .eager_close = true},
    {.name = "never-reopen", .bug = CONFLICT_BUG_NEVER_REOPEN},
    {.name = "raw-context", .raw_context = true},
};

/* Versions are named by their place in `versions`; sets of them are masks. */
struct written {
    struct dot dot;
    uint64_t deps[NODES_MAX];
    uint64_t unseen; /* live at its writer, but its client had not seen it */
    bool blind;      /* without a context of its own */
};
enum kind {
    VERSION,
    REMOVAL, /* of what it knows; it is no version itself */
    ELSEWHERE,
};
struct logged {
    enum kind kind;
    int version;       /* VERSION */
    struct written by; /* REMOVAL */
    uint64_t deps[NODES_MAX];
};
struct hull {
    uint64_t after[NODES_MAX], upto[NODES_MAX]; /* upto 0: nothing of this origin */
};
struct node {
    uint64_t vv[NODES_MAX];
    uint64_t applied, live, journal;
    struct blocks stack;
    struct hull closed[STEPS_MAX];
    uint32_t closed_count;
    uint64_t reported[NODES_MAX][NODES_MAX];
    uint64_t old[STEPS_MAX + 1][NODES_MAX];
    uint32_t old_count;
};
struct world {
    const struct variant *variant;
    struct prng random;
    struct origins *origins; /* ref = number of the node; the canonical order is another */
    uint32_t nodes_count;
    struct node nodes[NODES_MAX];
    struct written versions[STEPS_MAX];
    uint64_t concurrent[STEPS_MAX];
    int versions_count;
    uint64_t known; /* versions that somebody has overwritten knowingly */
    struct logged log[NODES_MAX][STEPS_MAX + 1];
    uint64_t log_count[NODES_MAX];
    char fault[200];
};

static uint32_t below(struct world *w, uint32_t n) { return (uint32_t)prng_below(&w->random, n); }
static bool permille(struct world *w, uint32_t n) { return below(w, 1000) < n; }

static struct vv as_vv(const uint64_t *n) { return (struct vv){(uint64_t *)(uintptr_t)n, NODES_MAX}; }
static bool includes(const uint64_t *whole, const uint64_t *part) {
    for (int o = 0; o < NODES_MAX; o++) {
        if (part[o] > whole[o]) return false;
    }
    return true;
}

static uint32_t dots_of(const struct world *w, uint64_t mask, struct dot *ret) {
    uint32_t n = 0;
    for (; mask != 0; mask &= mask - 1) ret[n++] = w->versions[__builtin_ctzll(mask)].dot;
    return n;
}

/* ---- hulls: the oracle's own view of blocks ---- */
static struct hull hull_of(const struct blocks *s, const struct row_block *b) {
    struct hull h = {0};
    for (uint32_t i = 0; i < b->count; i++) {
        const struct range *r = &s->ranges[b->first + i];
        h.after[r->origin] = r->after;
        h.upto[r->origin] = r->upto;
    }
    return h;
}

static bool hull_holds(const struct hull *h, struct dot d) { return h->after[d.origin] < d.n && d.n <= h->upto[d.origin]; }

static bool hulls_overlap(const struct hull *a, const struct hull *b) {
    for (int o = 0; o < NODES_MAX; o++) {
        uint64_t after = a->after[o] > b->after[o] ? a->after[o] : b->after[o];
        uint64_t upto = a->upto[o] < b->upto[o] ? a->upto[o] : b->upto[o];
        if (after < upto) return true;
    }
    return false;
}

static void hull_widen(struct hull *h, const struct hull *by) {
    for (int o = 0; o < NODES_MAX; o++) {
        if (by->upto[o] == 0) continue;
        if (h->upto[o] == 0 || by->after[o] < h->after[o]) h->after[o] = by->after[o];
        if (by->upto[o] > h->upto[o]) h->upto[o] = by->upto[o];
    }
}

static uint64_t hull_members(const struct world *w, const struct hull *h) {
    uint64_t mask = 0;
    for (int i = 0; i < w->versions_count; i++) {
        if (hull_holds(h, w->versions[i].dot)) mask |= MASK(i);
    }
    return mask;
}

/* ---- a row at a node ---- */
static void hull_to_block(const struct world *w, const struct hull *h, struct blocks *ret) {
    struct buf bytes = {0};
    uint32_t count = 0;
    origin_ref order[NODES_MAX];
    for (origin_ref o = 0; o < NODES_MAX; o++) {
        uint32_t at = count;
        if (h->upto[o] == 0) continue;
        for (; at > 0 && origins_compare(w->origins, order[at - 1], o) > 0; at--) order[at] = order[at - 1];
        order[at] = o;
        count++;
    }
    buf_varint(&bytes, 1);
    buf_u8(&bytes, 1);
    buf_varint(&bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        origin_encode(w->origins, order[i], &bytes);
        buf_varint(&bytes, h->after[order[i]]);
        buf_varint(&bytes, h->upto[order[i]]);
    }
    struct reader r = reader_of(buf_slice_of(&bytes));
    if (!blocks_decode(&r, w->origins, ret)) abort();
    buf_finish(&bytes);
}

struct taker {
    const struct world *w;
    struct node *node;
};
static bool take_closed(void *arg, struct dot member, struct blocks *ret) {
    struct taker *t = arg;
    for (uint32_t i = 0; i < t->node->closed_count; i++) {
        if (!hull_holds(&t->node->closed[i], member)) continue;
        hull_to_block(t->w, &t->node->closed[i], ret);
        t->node->closed[i] = t->node->closed[--t->node->closed_count];
        return true;
    }
    return false;
}

/* Does v know u? Written apart from what is tested. */
static bool knows(const struct written *v, const struct written *u, int u_name) {
    if ((v->unseen & MASK(u_name)) != 0) return false;
    return u->dot.origin == v->dot.origin ? u->dot.n < v->dot.n : u->dot.n <= v->deps[u->dot.origin];
}

static void supersede(struct world *w, struct node *node, const struct written *by) {
    for (uint64_t left = node->live; left != 0; left &= left - 1) {
        int h = __builtin_ctzll(left);
        if (!knows(by, &w->versions[h], h)) continue;
        node->live &= ~MASK(h);
        if (blocks_episode_of(&node->stack, w->versions[h].dot) != NULL) node->journal |= MASK(h);
    }
}

static void arrive(struct world *w, struct node *node, int name) {
    const struct written *v = &w->versions[name];
    struct dot unseen[STEPS_MAX], live[STEPS_MAX];
    struct vv deps = as_vv(v->deps);
    struct context c = {.deps = &deps, .self = v->dot, .unseen = unseen, .unseen_count = dots_of(w, v->unseen, unseen)};
    struct taker taker = {w, node};
    struct closed_episodes closed = {.take = take_closed, .arg = &taker};
    uint32_t live_count = dots_of(w, node->live, live);
    bool conflict = blocks_arrive(&node->stack, &c, live, live_count, &closed, w->origins);
    const struct row_block *top = blocks_episode_of(&node->stack, v->dot);
    if (conflict != (top != NULL) || (conflict && top != &node->stack.b[node->stack.n - 1])) {
        snprintf(w->fault, sizeof w->fault, "arrival said %d, the stack says otherwise", conflict);
    }
    supersede(w, node, v);
    node->live |= MASK(name);
    node->applied |= MASK(name);
}

static void apply(struct world *w, struct node *node, origin_ref o, uint64_t n) {
    const struct logged *e = &w->log[o][n];
    if (e->kind == VERSION) arrive(w, node, e->version);
    if (e->kind == REMOVAL) supersede(w, node, &e->by);
    node->vv[o] = n;
}

static void collect(struct world *w, struct node *node, const uint64_t *stable_n) {
    struct dot live[STEPS_MAX];
    struct blocks before = {0};
    struct vv stable = as_vv(stable_n);
    blocks_copy(&before, &node->stack);
    blocks_collect(&node->stack, live, dots_of(w, node->live, live), &stable);
    for (uint32_t i = 0; i < before.n; i++) {
        if (!before.b[i].episode || blocks_episode_of(&node->stack, block_number(&before, &before.b[i], w->origins)) != NULL) continue;
        node->closed[node->closed_count++] = hull_of(&before, &before.b[i]);
    }
    blocks_finish(&before);
}

/* ---- transfers ---- */
static bool in_stack(const struct blocks *s, const struct hull *h) {
    for (uint32_t i = 0; i < s->n; i++) {
        struct hull b = hull_of(s, &s->b[i]);
        if (s->b[i].episode && hulls_overlap(h, &b)) return true;
    }
    return false;
}

/* The same closed episodes on both sides are one; what the stack has taken up again is not closed. */
static void join_closed(struct node *to, const struct node *from) {
    struct hull all[2 * STEPS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->closed_count; i++) all[n++] = from->closed[i];
    for (uint32_t i = 0; i < to->closed_count; i++) all[n++] = to->closed[i];
    to->closed_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (in_stack(&to->stack, &all[i])) continue;
        uint32_t at = 0;
        while (at < to->closed_count && !hulls_overlap(&to->closed[at], &all[i])) at++;
        if (at == to->closed_count) to->closed[to->closed_count++] = (struct hull){0};
        hull_widen(&to->closed[at], &all[i]);
    }
}

static uint64_t covered_by(const struct world *w, uint64_t mask, const uint64_t *vv) {
    uint64_t covered = 0;
    for (; mask != 0; mask &= mask - 1) {
        int i = __builtin_ctzll(mask);
        if (w->versions[i].dot.n <= vv[w->versions[i].dot.origin]) covered |= MASK(i);
    }
    return covered;
}

static void join(struct world *w, struct node *to, const struct node *from) {
    uint64_t live = (to->live & from->live) | (to->live & ~covered_by(w, to->live, from->vv)) | (from->live & ~covered_by(w, from->live, to->vv));
    uint64_t gone = (to->live | from->live) & ~live;
    struct blocks stack = {0};
    struct vv p = as_vv(from->vv), q = as_vv(to->vv);
    blocks_join(&from->stack, &p, &to->stack, &q, &stack, w->origins);
    blocks_finish(&to->stack);
    to->stack = stack;
    to->live = live;
    to->journal |= from->journal;
    to->applied |= from->applied;
    for (int o = 0; o < NODES_MAX; o++) {
        if (from->vv[o] > to->vv[o]) to->vv[o] = from->vv[o];
    }
    if (conflict_planted == CONFLICT_BUG_JOIN_WITHOUT_BLOCKS) return;
    join_closed(to, from);
    for (; gone != 0; gone &= gone - 1) {
        struct dot d = w->versions[__builtin_ctzll(gone)].dot;
        bool episode = blocks_episode_of(&to->stack, d) != NULL;
        for (uint32_t i = 0; i < to->closed_count; i++) episode = episode || hull_holds(&to->closed[i], d);
        if (episode) to->journal |= gone & -gone;
    }
}

/* ---- brute force ---- */
static int compare_masks(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The components of two or more of the versions in mask, in order; returns how many. */
static uint32_t components(const struct world *w, uint64_t mask, uint64_t *ret) {
    uint32_t n = 0;
    for (uint64_t left = mask; left != 0;) {
        uint64_t reached = 0, front = left & -left;
        while (front != 0) {
            uint64_t next = 0;
            reached |= front;
            for (; front != 0; front &= front - 1) next |= w->concurrent[__builtin_ctzll(front)];
            front = next & mask & ~reached;
        }
        left &= ~reached;
        if ((reached & (reached - 1)) != 0) ret[n++] = reached;
    }
    qsort(ret, n, sizeof *ret, compare_masks);
    return n;
}

static uint32_t episodes(const struct world *w, const struct node *node, uint64_t *ret) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->stack.n; i++) {
        struct hull h = hull_of(&node->stack, &node->stack.b[i]);
        if (node->stack.b[i].episode) ret[n++] = hull_members(w, &h);
    }
    for (uint32_t i = 0; i < node->closed_count; i++) ret[n++] = hull_members(w, &node->closed[i]);
    qsort(ret, n, sizeof *ret, compare_masks);
    return n;
}

/* What an episode is called follows from its versions alone, so it is equal at equal version vectors. */
static bool numbered_well(const struct world *w, const struct blocks *s, const struct row_block *b) {
    struct hull h = hull_of(s, b);
    struct dot latest[NODES_MAX] = {0}, least = {0};
    for (uint64_t left = hull_members(w, &h); left != 0; left &= left - 1) {
        struct dot d = w->versions[__builtin_ctzll(left)].dot;
        if (d.n > latest[d.origin].n) latest[d.origin] = d;
    }
    for (int o = 0; o < NODES_MAX; o++) {
        if (latest[o].n > 0 && (least.n == 0 || dot_compare(w->origins, latest[o], least) < 0)) least = latest[o];
    }
    return dot_equal(least, block_number(s, b, w->origins));
}

static bool same_after_bytes(const struct world *w, const struct blocks *s) {
    struct buf bytes = {0}, again = {0};
    struct blocks copy = {0};
    blocks_encode(s, w->origins, &bytes);
    struct reader r = reader_of(buf_slice_of(&bytes));
    bool same = blocks_decode(&r, w->origins, &copy) && read_done(&r);
    blocks_encode(&copy, w->origins, &again);
    same = same && slice_equal(buf_slice_of(&bytes), buf_slice_of(&again));
    buf_finish(&bytes);
    buf_finish(&again);
    blocks_finish(&copy);
    return same;
}

static bool check(struct world *w, const struct node *node) {
    uint64_t want[STEPS_MAX], got[2 * STEPS_MAX];
    int at = (int)(node - w->nodes);
    uint32_t want_count = components(w, node->applied, want), got_count = episodes(w, node, got);
    if (w->fault[0] != '\0') return false;
    if (want_count != got_count || memcmp(want, got, want_count * sizeof *want) != 0) {
        snprintf(w->fault, sizeof w->fault, "node %d has %u episodes (the first %llx), brute force %u (%llx)", at, got_count,
                 got_count ? (unsigned long long)got[0] : 0, want_count, want_count ? (unsigned long long)want[0] : 0);
        return false;
    }
    for (uint32_t i = 0; i < node->stack.n; i++) {
        if (!node->stack.b[i].episode || numbered_well(w, &node->stack, &node->stack.b[i])) continue;
        snprintf(w->fault, sizeof w->fault, "an episode at node %d is called by another dot", at);
        return false;
    }
    if (!same_after_bytes(w, &node->stack)) {
        snprintf(w->fault, sizeof w->fault, "the bytes of the stack at node %d are not canonical", at);
        return false;
    }
    return true;
}

/* ---- schedules ---- */
struct mix { /* of what happens, in thousandths */
    uint32_t joins, old_context, elsewhere, removals;
    bool collects;
};

/* A client writes from an old context, which its leader covers. */
static void choose_context(struct world *w, const struct node *node, struct written *v) {
    const struct node *source = &w->nodes[below(w, w->nodes_count)];
    const uint64_t *context = source->old[below(w, source->old_count)];
    if (!includes(v->deps, context)) return;
    v->blind = false;
    if (w->variant->raw_context) {
        memcpy(v->deps, context, sizeof v->deps);
    } else {
        v->unseen = node->live & ~covered_by(w, node->live, context);
    }
}

static struct written make_written(struct world *w, const struct node *node, struct dot dot, uint32_t old_context) {
    struct written v = {.dot = dot, .blind = true};
    memcpy(v.deps, node->vv, sizeof v.deps);
    if (permille(w, old_context)) choose_context(w, node, &v);
    if (!v.blind) {
        w->known |= node->live & ~v.unseen;
    } else if (node->live != 0) {
        w->known |= MASK(63 - __builtin_clzll(node->live)); /* what readers see */
    }
    return v;
}

static int make_version(struct world *w, const struct written *v) {
    int name = w->versions_count++;
    w->versions[name] = *v;
    w->concurrent[name] = 0;
    for (int u = 0; u < name; u++) {
        if (knows(v, &w->versions[u], u)) continue;
        w->concurrent[name] |= MASK(u);
        w->concurrent[u] |= MASK(name);
    }
    return name;
}

static bool originate(struct world *w, struct node *node, const struct mix *mix) {
    origin_ref o = (origin_ref)(node - w->nodes);
    uint64_t n = ++w->log_count[o];
    struct logged *e = &w->log[o][n];
    struct dot dot = {o, n};
    memcpy(e->deps, node->vv, sizeof e->deps);
    e->kind = permille(w, mix->elsewhere) ? ELSEWHERE : permille(w, mix->removals) ? REMOVAL : VERSION;
    if (e->kind == REMOVAL) e->by = make_written(w, node, dot, mix->old_context);
    if (e->kind == VERSION) {
        struct written v = make_written(w, node, dot, mix->old_context);
        e->version = make_version(w, &v);
    }
    apply(w, node, o, n);
    return check(w, node);
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

static bool heartbeat(struct world *w, struct node *node, bool collects) {
    uint32_t from = below(w, w->nodes_count), me = (uint32_t)(node - w->nodes);
    uint64_t stable[NODES_MAX];
    bool whole = true;
    memcpy(node->reported[from], w->nodes[from].vv, sizeof node->vv);
    memcpy(node->old[node->old_count++], node->vv, sizeof node->vv);
    if (!collects || !permille(w, 900)) return true;
    memcpy(node->reported[me], node->vv, sizeof node->vv);
    memcpy(stable, node->vv, sizeof stable);
    for (uint32_t k = 0; k < w->nodes_count; k++) {
        whole = whole && includes(node->vv, node->reported[k]);
        for (int o = 0; o < NODES_MAX; o++) {
            if (node->reported[k][o] < stable[o]) stable[o] = node->reported[k][o];
        }
    }
    if (whole || w->variant->eager_close) collect(w, node, stable);
    return check(w, node);
}

static bool steps(struct world *w) {
    struct mix mix = {
        .joins = (uint32_t[]){0, 50}[below(w, 2)],
        .old_context = (uint32_t[]){0, 200, 700}[below(w, 3)],
        .elsewhere = (uint32_t[]){0, 300}[below(w, 2)],
        .removals = (uint32_t[]){0, 0, 150}[below(w, 3)],
        .collects = below(w, 3) > 0,
    };
    for (uint32_t left = 6 + below(w, STEPS_MAX - 5); left > 0; left--) {
        uint32_t what = below(w, 1000);
        struct node *node = &w->nodes[below(w, w->nodes_count)];
        if (what < 320) {
            if (!originate(w, node, &mix)) return false;
        } else if (what < 800) {
            if (deliver(w, node) && !check(w, node)) return false;
        } else if (what < 800 + mix.joins) {
            const struct node *from = &w->nodes[below(w, w->nodes_count)];
            if (from == node) continue;
            join(w, node, from);
            if (!check(w, node)) return false;
        } else if (!heartbeat(w, node, mix.collects)) {
            return false;
        }
    }
    return true;
}

static bool nothing_lost(struct world *w) {
    for (uint32_t k = 0; k < w->nodes_count; k++) {
        uint64_t lost = w->nodes[k].applied & ~w->known & ~w->nodes[k].live & ~w->nodes[k].journal;
        if (lost == 0) continue;
        snprintf(w->fault, sizeof w->fault, "versions %llx were lost in silence at node %u", (unsigned long long)lost, k);
        return false;
    }
    return true;
}

static bool run(struct world *w, uint64_t seed) {
    prng_seed(&w->random, seed);
    w->versions_count = 0;
    w->known = 0;
    w->fault[0] = '\0';
    memset(w->log_count, 0, sizeof w->log_count);
    for (uint32_t k = 0; k < NODES_MAX; k++) {
        struct blocks kept = w->nodes[k].stack;
        blocks_clear(&kept);
        memset(&w->nodes[k], 0, sizeof w->nodes[k]);
        w->nodes[k].stack = kept;
        w->nodes[k].old_count = 1; /* the empty one */
    }
    w->nodes_count = 2 + below(w, 3);
    if (!steps(w)) return false;
    for (uint32_t k = 0; k < w->nodes_count; k++) {
        while (deliver(w, &w->nodes[k])) {}
        if (!check(w, &w->nodes[k])) return false;
    }
    return nothing_lost(w);
}

/* Returns how many schedules failed; a planted bug is looked for until it is found. */
static uint32_t run_variant(struct world *w, const struct variant *v, uint64_t first, uint32_t schedules) {
    bool planted = v != &variants[0];
    uint32_t failed = 0, done = 0;
    char fault[sizeof w->fault] = "";
    w->variant = v;
    conflict_planted = v->bug;
    for (; done < schedules && !(planted && failed > 0); done++) {
        if (run(w, first + done)) continue;
        if (failed++ == 0) snprintf(fault, sizeof fault, "seed %llu: %.150s", (unsigned long long)(first + done), w->fault);
    }
    conflict_planted = CONFLICT_BUG_NONE;
    printf("%-20s %9u %8u  %s\n", v->name, done, failed, fault);
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
    printf("%-20s %9s %8s  %s\n", "variant", "schedules", "failures", "the first");
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        if (argc > 3 && strcmp(argv[3], variants[i].name) != 0) continue;
        uint32_t failures = run_variant(&w, &variants[i], first, i == 0 ? schedules : SEARCHED_MAX);
        if ((failures > 0) == (i > 0)) {
            passed++;
        } else {
            failed++;
        }
    }
    for (uint32_t k = 0; k < NODES_MAX; k++) blocks_finish(&w.nodes[k].stack);
    origins_destroy(w.origins);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
