/* Random schedules of a few nodes around the real rows and policies: at one version vector there is one digest and one visible value, and nothing
 * that was deleted comes back. Writes from old context, collection, joins, clocks that are off and marks told later, changes of policy. Then each
 * rule is broken in turn, and must be found.
 *
 *   rows_oracle [SCHEDULES] */
#include "../../conflict/row_build.h"
#include "rows.h"

#define NODES         4
#define EVENTS        40
#define STATES        512
#define DELETES       64
#define OLD_MAX       40
#define KEYS          (3 + NODES) /* t:x, t:y, the table's definition, and the marks of each origin */
#define KEY_TABLE     2
#define KEY_MARKS     3
#define CLOCK_BOUND   8
#define FOUND_WITHIN  60000
#define SIBLINGS_HERE 32

/* How a schedule goes, and the rule that is broken in it. */
struct rules_of_play {
    const char *name;
    enum policy policy;
    bool marks, cap, changes; /* clocks may be off and marks tell it; a stamp too far ahead moves no clock; policies change */
    enum conflict_bug bug;
    bool stable_by_reports_alone; /* a further broken rule: one's own vector need not contain the reports */
};

typedef uint64_t counts[NODES]; /* a version vector, by node */

struct happened {
    uint32_t node, key;
    uint64_t n;
    counts deps;
    stamp_t stamp;
    enum change_op op;
    struct buf content;
    struct dot unseen[SIBLINGS_HERE];
    uint32_t unseen_count;
    bool raw;
    counts raw_context;
};
struct seen_state {
    counts vv;
    uint64_t digest, visible;
};
struct node {
    counts vv;
    struct buf rows[KEYS];
    struct rules *rules;
    uint64_t clock, true_clock, off;
    counts reports[NODES];
    counts old[OLD_MAX];
    uint32_t old_count;
    uint32_t deletes[DELETES]; /* indices of events */
    uint32_t deletes_count;
};
struct play {
    const struct rules_of_play *how;
    uint64_t seed;
    uint32_t n;
    struct origins *t;
    origin_ref refs[NODES];
    struct cluster *cluster;
    struct buf keys[KEYS];
    struct node nodes[NODES];
    struct happened events[EVENTS];
    uint32_t events_count;
    struct seen_state states[STATES];
    uint32_t states_count;
    char failure[256];
};

static const char *const names[NODES] = {"c", "a", "d", "b"}; /* refs are not in canonical order */

static uint64_t draw(struct play *p, uint64_t below) { return row_draw(&p->seed, below); }
static bool chance(struct play *p, uint64_t percent) { return draw(p, 100) < percent; }
static bool within(const counts a, const counts b) {
    for (int i = 0; i < NODES; i++)
        if (a[i] > b[i]) return false;
    return true;
}
static struct vv vv_of(const struct play *p, const counts c) {
    struct vv v = {0};
    for (uint32_t i = 0; i < p->n; i++) vv_set(&v, p->refs[i], c[i]);
    return v;
}
static uint32_t node_of(const struct play *p, struct dot d) {
    uint32_t i = 0;
    while (p->refs[i] != d.origin) i++;
    return i;
}

static void fail(struct play *p, const char *what, uint32_t node) {
    if (!p->failure[0]) snprintf(p->failure, sizeof p->failure, "node %u: %s", node, what);
}

/* ---- rows of a node ---- */

static void load(struct play *p, uint32_t i, uint32_t key, struct row *ret) {
    struct slice bytes = buf_slice_of(&p->nodes[i].rows[key]);
    *ret = (struct row){0};
    if (bytes.n && !row_decode(bytes, true, p->t, ret)) fail(p, "a row cannot be decoded", i);
}

static void store(struct play *p, uint32_t i, uint32_t key, const struct row *r) {
    struct buf b = {0};
    if (r->cells_count) row_encode(r, p->t, &b);
    buf_finish(&p->nodes[i].rows[key]);
    p->nodes[i].rows[key] = b;
}

static const struct table_rule *rule(const struct play *p, uint32_t i, uint32_t key) {
    return rules_of(p->nodes[i].rules, buf_slice_of(&p->keys[key]));
}

/* A row with only those versions that are wanted: what the broken rules make. */
static void keep_only(const struct row *r, bool (*wanted)(const struct version *v, const void *arg), const void *arg, struct row *ret) {
    *ret = (struct row){0};
    const struct cell *c = row_cell(r, CELL_ROW, SLICE(NULL, 0));
    if (!c) return;
    row_add_cell(ret, CELL_ROW, SLICE(NULL, 0));
    for (uint32_t k = 0; k < c->count; k++)
        if (wanted(&cell_versions(r, c)[k], arg)) row_add_version(ret, &cell_versions(r, c)[k]);
    if (ret->versions_count == 0) row_clear(ret);
}

static bool is_version(const struct version *v, const void *arg) { return dot_equal(v->dot, *(const struct dot *)arg); }
static bool is_not_old_tombstone(const struct version *v, const void *stable) { return v->content.n > 0 || !vv_covers(stable, v->dot); }

static void drop_losers(struct play *p, uint32_t i, uint32_t key) {
    enum policy policy = rule(p, i, key)->policy;
    bool eager = (p->how->bug == CONFLICT_BUG_EAGER_LWW && policy == POLICY_LWW) ||
                 (p->how->bug == CONFLICT_BUG_EAGER_PRIORITY && policy == POLICY_PRIORITY);
    if (!eager || key >= KEY_TABLE) return;
    struct row r, kept;
    load(p, i, key, &r);
    const struct cell *c = row_cell(&r, CELL_ROW, SLICE(NULL, 0));
    if (c && c->count > 1) {
        struct dot winner = cell_versions(&r, c)[policy_winner(&r, c, policy, p->nodes[i].rules, p->t)].dot;
        keep_only(&r, is_version, &winner, &kept);
        store(p, i, key, &kept);
        row_finish(&kept);
    }
    row_finish(&r);
}

/* Definitions are read again, those last that marks decide about. */
static void define(struct play *p, uint32_t i) {
    struct buf scratch = {0}, why = {0};
    for (uint32_t key = KEYS; key-- > KEY_TABLE;) {
        struct row r;
        struct dot live[SIBLINGS_HERE];
        uint32_t live_count = 0;
        load(p, i, key, &r);
        const struct cell *c = row_cell(&r, CELL_ROW, SLICE(NULL, 0));
        for (uint32_t k = 0; c && k < c->count; k++) live[live_count++] = cell_versions(&r, c)[k].dot;
        struct view v = row_view(&r, rule(p, i, key), p->nodes[i].rules, p->t, &scratch);
        buf_clear(&why);
        rules_define(p->nodes[i].rules, buf_slice_of(&p->keys[key]), v.content, live, live_count, p->t, &why);
        if (why.n) fail(p, "a definition is refused", i);
        row_finish(&r);
    }
    buf_finish(&scratch);
    buf_finish(&why);
    drop_losers(p, i, 0);
    drop_losers(p, i, 1);
}

static struct vv context_of(const struct play *p, const struct happened *e, const struct node *at) {
    if (e->raw) return vv_of(p, e->raw_context);
    if (p->how->bug == CONFLICT_BUG_NO_CONTEXT && e->key < KEY_TABLE) return vv_of(p, at->vv);
    return vv_of(p, e->deps);
}

static void apply(struct play *p, uint32_t i, uint32_t index) {
    const struct happened *e = &p->events[index];
    struct node *at = &p->nodes[i];
    struct vv deps = context_of(p, e, at), stable = {0};
    struct change change = {.op = e->op, .key = buf_slice_of(&p->keys[e->key]), .content = buf_slice_of(&e->content)};
    struct row_change how = {.context = {&deps, {p->refs[e->node], e->n}, e->unseen, e->unseen_count},
                             .stamp = e->stamp,
                             .change = &change,
                             .stable = &stable,
                             .origins = p->t};
    if (p->how->bug == CONFLICT_BUG_NO_CONTEXT && e->key < KEY_TABLE) how.context.unseen_count = 0;
    struct row old, new = {0};
    struct row_news news = {0};
    load(p, i, e->key, &old);
    row_apply(&old, &how, &new, &news);
    store(p, i, e->key, &new);
    at->vv[e->node] = e->n;
    if (e->op == CHANGE_DELETE && at->deletes_count < DELETES) at->deletes[at->deletes_count++] = index;
    uint64_t stamp = e->stamp;
    if (p->how->cap && stamp > at->true_clock + CLOCK_BOUND) stamp = at->true_clock + CLOCK_BOUND;
    if (stamp > at->clock) at->clock = stamp;
    if (e->key >= KEY_TABLE)
        define(p, i);
    else
        drop_losers(p, i, e->key);
    row_news_finish(&news);
    row_finish(&new);
    row_finish(&old);
    vv_finish(&deps);
    vv_finish(&stable);
}

/* ---- what must hold ---- */

static bool deleted(const struct play *p, uint32_t index, uint32_t key, struct dot d) {
    const struct happened *e = &p->events[index];
    if (e->key != key) return false;
    for (uint32_t k = 0; k < e->unseen_count; k++)
        if (dot_equal(e->unseen[k], d)) return false;
    uint32_t o = node_of(p, d);
    return d.n <= (o == e->node ? e->n - 1 : e->deps[o]);
}

static void check_row(struct play *p, uint32_t i, uint32_t key, struct seen_state *s) {
    struct buf scratch = {0};
    struct row r;
    load(p, i, key, &r);
    s->digest += row_digest(buf_slice_of(&p->keys[key]), &r, p->t);
    s->visible = hash64_seeded(row_view(&r, rule(p, i, key), p->nodes[i].rules, p->t, &scratch).content, s->visible);
    const struct cell *c = row_cell(&r, CELL_ROW, SLICE(NULL, 0));
    for (uint32_t k = 0; c && k < c->count; k++)
        for (uint32_t d = 0; d < p->nodes[i].deletes_count; d++)
            if (cell_versions(&r, c)[k].content.n && deleted(p, p->nodes[i].deletes[d], key, cell_versions(&r, c)[k].dot))
                fail(p, "a deleted version is there again", i);
    row_finish(&r);
    buf_finish(&scratch);
}

static void check(struct play *p, uint32_t i) {
    struct seen_state s = {0};
    memcpy(s.vv, p->nodes[i].vv, sizeof s.vv);
    for (uint32_t key = 0; key < KEYS; key++) check_row(p, i, key, &s);
    for (uint32_t k = 0; k < p->states_count; k++) {
        if (memcmp(p->states[k].vv, s.vv, sizeof s.vv) != 0) continue;
        if (p->states[k].digest != s.digest) fail(p, "two digests at one vector", i);
        if (p->states[k].visible != s.visible) fail(p, "two visible values at one vector", i);
        return;
    }
    if (p->states_count < STATES) p->states[p->states_count++] = s;
}

/* ---- what happens ---- */

static bool can_come(const struct play *p, uint32_t i, const struct happened *e) {
    return e->n == p->nodes[i].vv[e->node] + 1 && within(e->deps, p->nodes[i].vv);
}

static bool deliver(struct play *p, uint32_t i) {
    uint32_t start = p->events_count ? (uint32_t)draw(p, p->events_count) : 0;
    for (uint32_t k = 0; k < p->events_count; k++) {
        uint32_t index = (start + k) % p->events_count;
        if (!can_come(p, i, &p->events[index])) continue;
        apply(p, i, index);
        check(p, i);
        return true;
    }
    return false;
}

/* What its client had not seen, when it read at some vector of an earlier time. */
static void from_old_context(struct play *p, struct happened *e) {
    const struct node *source = &p->nodes[draw(p, p->n)], *at = &p->nodes[e->node];
    if (source->old_count == 0) return;
    const uint64_t *context = source->old[draw(p, source->old_count)];
    if (p->how->bug == CONFLICT_BUG_CONTEXT_RAW) {
        e->raw = true;
        memcpy(e->raw_context, context, sizeof e->raw_context);
        return;
    }
    if (!within(context, at->vv)) return; /* refused until the node has all that: here it becomes a plain write */
    struct row r;
    load(p, e->node, e->key, &r);
    const struct cell *c = row_cell(&r, CELL_ROW, SLICE(NULL, 0));
    for (uint32_t k = 0; c && k < c->count; k++) {
        const struct version *v = &cell_versions(&r, c)[k];
        bool may = v->content.n > 0 || p->how->bug == CONFLICT_BUG_TOMBSTONE_UNCOVERED;
        if (may && v->dot.n > context[node_of(p, v->dot)] && e->unseen_count < SIBLINGS_HERE) e->unseen[e->unseen_count++] = v->dot;
    }
    row_finish(&r);
}

static void make_mark(struct play *p, struct happened *e) {
    struct row r;
    struct buf scratch = {0}, range = {0};
    e->key = KEY_MARKS + e->node;
    load(p, e->node, e->key, &r);
    uint64_t upto = 1 + draw(p, e->n - 1), from = 1 + draw(p, upto);
    struct slice was = row_view(&r, rule(p, e->node, e->key), p->nodes[e->node].rules, p->t, &scratch).content;
    buf_printf(&range, "%llu-%llu", (unsigned long long)from, (unsigned long long)upto);
    content_with_column(&e->content, was, CONTENT_HASH, buf_slice_of(&range), slice_text("off"));
    buf_finish(&scratch);
    buf_finish(&range);
    row_finish(&r);
}

static void make_change_of_policy(struct play *p, struct happened *e) {
    static const char *const policies[] = {"lww", "record", "priority"};
    e->key = KEY_TABLE;
    hash_content(&e->content, 0, (const char *const[]){"conflict", policies[draw(p, 3)], NULL});
}

static void make_write(struct play *p, struct happened *e, uint64_t old_percent) {
    e->key = (uint32_t)draw(p, 3) / 2;
    e->op = chance(p, 30) ? CHANGE_DELETE : CHANGE_PUT;
    char text[32];
    snprintf(text, sizeof text, "%u:%llu", e->node, (unsigned long long)e->n);
    if (e->op == CHANGE_PUT) text_content(&e->content, text, 0);
    if (chance(p, old_percent)) from_old_context(p, e);
}

static void originate(struct play *p, uint32_t i, uint64_t old_percent) {
    if (p->events_count == EVENTS) return;
    struct node *at = &p->nodes[i];
    struct happened *e = &p->events[p->events_count++];
    *e = (struct happened){.node = i, .n = at->vv[i] + 1, .op = CHANGE_PUT};
    memcpy(e->deps, at->vv, sizeof e->deps);
    uint64_t least = at->true_clock + at->off;
    at->clock = at->clock + 1 > least ? at->clock + 1 : least;
    e->stamp = at->clock;
    if (at->off) at->clock = at->clock - at->off > at->true_clock ? at->clock - at->off : at->true_clock; /* it is put right again */
    if (p->how->marks && e->n > 1 && chance(p, 15))
        make_mark(p, e);
    else if (p->how->changes && chance(p, 15))
        make_change_of_policy(p, e);
    else
        make_write(p, e, old_percent);
    apply(p, i, p->events_count - 1);
    check(p, i);
}

static void join_row(struct play *p, uint32_t into, uint32_t from, uint32_t key) {
    struct row ours, theirs, both = {0};
    load(p, into, key, &ours);
    load(p, from, key, &theirs);
    struct vv our_vv = vv_of(p, p->nodes[into].vv), their_vv = vv_of(p, p->nodes[from].vv);
    if (p->how->bug == CONFLICT_BUG_JOIN_AS_UNION) { /* knows nothing of what the other side has seen */
        vv_clear(&our_vv);
        vv_clear(&their_vv);
    }
    row_join(&theirs, &their_vv, &ours, &our_vv, &both, p->t);
    store(p, into, key, &both);
    vv_finish(&our_vv);
    vv_finish(&their_vv);
    row_finish(&both);
    row_finish(&theirs);
    row_finish(&ours);
}

static void join(struct play *p, uint32_t into, uint32_t from) {
    struct node *a = &p->nodes[into], *b = &p->nodes[from];
    for (uint32_t key = 0; key < KEYS; key++) join_row(p, into, from, key);
    for (uint32_t k = 0; k < NODES; k++)
        if (b->vv[k] > a->vv[k]) a->vv[k] = b->vv[k];
    for (uint32_t k = 0; k < b->deletes_count && a->deletes_count < DELETES; k++) a->deletes[a->deletes_count++] = b->deletes[k];
    if (b->clock > a->clock) a->clock = b->clock;
    define(p, into);
    check(p, into);
}

static void collect(struct play *p, uint32_t i) {
    struct node *at = &p->nodes[i];
    counts least;
    memcpy(at->reports[i], at->vv, sizeof at->vv);
    for (uint32_t k = 0; k < p->n; k++)
        if (!p->how->stable_by_reports_alone && !within(at->reports[k], at->vv)) return;
    memcpy(least, at->vv, sizeof least);
    for (uint32_t k = 0; k < p->n; k++)
        for (uint32_t o = 0; o < NODES; o++)
            if (at->reports[k][o] < least[o]) least[o] = at->reports[k][o];
    struct vv stable = vv_of(p, least);
    for (uint32_t key = 0; key < KEYS; key++) {
        struct row r, kept = {0};
        load(p, i, key, &r);
        if (p->how->bug == CONFLICT_BUG_COLLECT_MIXED && row_live(&r)) {
            keep_only(&r, is_not_old_tombstone, &stable, &kept);
            store(p, i, key, &kept);
        } else if (r.cells_count && !row_live(&r) && row_collectable(&r, &stable)) {
            store(p, i, key, &kept);
        }
        row_finish(&kept);
        row_finish(&r);
    }
    vv_finish(&stable);
}

/* A heartbeat, which may overtake events. */
static void report(struct play *p, uint32_t to, uint32_t from) {
    struct node *at = &p->nodes[to];
    memcpy(at->reports[from], p->nodes[from].vv, sizeof at->vv);
    if (at->old_count < OLD_MAX) memcpy(at->old[at->old_count++], at->vv, sizeof at->vv);
    if (!chance(p, 70)) return;
    collect(p, to);
    check(p, to);
}

/* ---- a schedule ---- */

static void begin(struct play *p, const struct rules_of_play *how, uint64_t seed) {
    *p = (struct play){.how = how, .seed = seed, .t = origins_create()};
    p->n = 2 + (uint32_t)draw(p, 3);
    int32_t priorities[NODES];
    for (int k = 0; k < NODES; k++) priorities[k] = (const int32_t[]){1, 5, 9}[draw(p, 3)];
    p->cluster = xcalloc(1, sizeof *p->cluster);
    cluster_of(p->cluster, (const char *const[]){"a", "b", "c", "d"}, priorities, NODES);
    p->cluster->tables_count = 1;
    snprintf(p->cluster->tables[0].name, sizeof p->cluster->tables[0].name, "t");
    p->cluster->tables[0].policy = how->policy;
    buf_text(&p->keys[0], "t:x");
    buf_text(&p->keys[1], "t:y");
    buf_text(&p->keys[KEY_TABLE], RULES_TABLE_PREFIX "t");
    for (uint32_t i = 0; i < NODES; i++) {
        p->refs[i] = row_origin(p->t, names[i]);
        buf_text(&p->keys[KEY_MARKS + i], RULES_MARK_PREFIX);
        origin_format(origins_get(p->t, p->refs[i]), &p->keys[KEY_MARKS + i]);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        p->nodes[i].rules = rules_create(p->cluster);
        p->nodes[i].old_count = 1;
    }
}

static void end(struct play *p) {
    for (uint32_t i = 0; i < p->n; i++) {
        for (uint32_t key = 0; key < KEYS; key++) buf_finish(&p->nodes[i].rows[key]);
        rules_destroy(p->nodes[i].rules);
    }
    for (uint32_t key = 0; key < KEYS; key++) buf_finish(&p->keys[key]);
    for (uint32_t k = 0; k < p->events_count; k++) buf_finish(&p->events[k].content);
    free(p->cluster);
    origins_destroy(p->t);
}

static void step(struct play *p, uint64_t old_percent, uint64_t join_percent) {
    uint32_t i = (uint32_t)draw(p, p->n), j = (uint32_t)draw(p, p->n);
    for (uint32_t k = 0; k < p->n; k++) p->nodes[k].true_clock += (const uint64_t[]){0, 0, 1, 1, 2}[draw(p, 5)];
    if ((p->how->marks || p->how->cap) && chance(p, 8)) p->nodes[i].off = (const uint64_t[]){0, 50, 500}[draw(p, 3)];
    uint64_t what = draw(p, 100);
    if (what < 38)
        originate(p, i, old_percent);
    else if (what < 78)
        deliver(p, i);
    else if (what < 78 + join_percent) {
        if (i != j) join(p, i, j);
    } else
        report(p, i, j);
}

static bool holds(const struct rules_of_play *how, uint64_t seed, char *failure, size_t size) {
    static struct play p;
    begin(&p, how, seed);
    conflict_planted = how->bug;
    uint64_t steps = 5 + draw(&p, 30), old_percent = draw(&p, 2) * 30, join_percent = draw(&p, 2) * 10;
    while (steps-- > 0 && !p.failure[0]) step(&p, old_percent, join_percent);
    for (uint32_t i = 0; i < p.n; i++)
        while (!p.failure[0] && deliver(&p, i)) {}
    conflict_planted = CONFLICT_BUG_NONE;
    snprintf(failure, size, "%s", p.failure);
    end(&p);
    return !failure[0];
}

/* ---- the tables ---- */

static const struct rules_of_play good[] = {
    {.name = "record", .policy = POLICY_RECORD},
    {.name = "priority", .policy = POLICY_PRIORITY},
    {.name = "lww, clocks off, marks told later, policies change", .policy = POLICY_LWW, .marks = true, .cap = true, .changes = true},
    {.name = "priority, clocks off, marks told later, policies change", .policy = POLICY_PRIORITY, .marks = true, .cap = true, .changes = true},
};
static const struct rules_of_play broken[] = {
    {.name = "EAGER_LWW, marks told later", .policy = POLICY_LWW, .marks = true, .bug = CONFLICT_BUG_EAGER_LWW},
    {.name = "EAGER_LWW, a stamp moves no clock", .policy = POLICY_LWW, .cap = true, .bug = CONFLICT_BUG_EAGER_LWW},
    {.name = "EAGER_LWW, policies change", .policy = POLICY_LWW, .changes = true, .bug = CONFLICT_BUG_EAGER_LWW},
    {.name = "EAGER_PRIORITY", .policy = POLICY_PRIORITY, .bug = CONFLICT_BUG_EAGER_PRIORITY},
    {.name = "COLLECT_MIXED", .policy = POLICY_PRIORITY, .bug = CONFLICT_BUG_COLLECT_MIXED},
    {.name = "TOMBSTONE_UNCOVERED", .policy = POLICY_PRIORITY, .bug = CONFLICT_BUG_TOMBSTONE_UNCOVERED},
    {.name = "CONTEXT_RAW", .policy = POLICY_RECORD, .bug = CONFLICT_BUG_CONTEXT_RAW},
    {.name = "NO_CONTEXT", .policy = POLICY_RECORD, .bug = CONFLICT_BUG_NO_CONTEXT},
    {.name = "JOIN_AS_UNION", .policy = POLICY_RECORD, .bug = CONFLICT_BUG_JOIN_AS_UNION},
    {.name = "stable is what all have applied", .policy = POLICY_RECORD, .stable_by_reports_alone = true},
};

int main(int argc, char **argv) {
    uint64_t schedules = argc > 1 ? strtoull(argv[1], NULL, 10) : 6000;
    unsigned passed = 0, failed = 0;
    char failure[256];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        uint64_t seed = 1;
        while (seed <= schedules && holds(&good[k], seed, failure, sizeof failure)) seed++;
        printf("%-58s %s after %llu schedules %s\n", good[k].name, seed > schedules ? "holds" : "FAILS", (unsigned long long)(seed - 1), failure);
        seed > schedules ? passed++ : failed++;
    }
    for (size_t k = 0; k < sizeof broken / sizeof *broken; k++) {
        uint64_t seed = 1;
        while (seed <= FOUND_WITHIN && holds(&broken[k], seed, failure, sizeof failure)) seed++;
        printf("%-58s %s after %llu schedules: %s\n", broken[k].name, seed > FOUND_WITHIN ? "NOT FOUND" : "found", (unsigned long long)seed, failure);
        seed > FOUND_WITHIN ? failed++ : passed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
