/* TRUCE.VERIFY: all replicas are compared while writes go on, a page of the rows at a time (DESIGN, "Digest").
 *
 * First digests of ranges of hashes, in parts; of a part that differs the keys with their terms; then the rows that differ are looked at again and
 * again. Each look is at VVs that include all those of the look before. A row is damaged when at three looks in a row no node shows anything else of
 * it than before, and they do not show the same: had it been for an event that was on its way, the second look would have shown it on one side, or,
 * where a removal came and went meanwhile, the third on the other. A row that goes on changing is left unsettled. */
#include "asking.h"

#define RANGE_ROWS         900u /* in one question, by the count of this node */
#define RANGES_AT_ONCE     8u
#define SUSPECTS_MAX       1024u
#define LOOK_KEYS          256u
#define LOOKS              3u
#define CHANGES_MAX        10u /* a row that is written all the while is looked at so often */
#define LOOK_PERIOD_US     100000u
#define VERIFY_PATIENCE_US 10000000u
#define PAGE_ROWS          50000

struct suspect {
    struct buf key;
    uint32_t looks;   /* at which it was as before */
    uint32_t changes; /* looks at which it was not */
    bool equal;
    uint64_t *shown; /* by node: term and state at the last look */
};

struct range_left {
    uint64_t from, to;
    enum row_ask what;
};

struct verify {
    struct rows_job base;
    bool nodes[NODES_MAX];
    const char *missing[NODES_MAX]; /* why a node is not compared; NULL: it is, or is none */
    uint32_t nodes_count;
    enum { VERIFY_RANGES, VERIFY_LOOKS, VERIFY_STATES } phase;
    uint64_t next, width; /* hashes not yet asked about begin there */
    bool all;
    int64_t rows_left;
    uint64_t rows;
    struct question *ranges[RANGES_AT_ONCE];
    struct range_left *left; /* to be asked about before what comes next */
    uint32_t left_count, left_cap;
    struct suspect *suspects;
    uint32_t suspects_count, suspects_cap;
    struct question **looks;
    uint32_t looks_count, looks_cap;
    uint64_t look_us, deadline_us;
    struct vv seen; /* the VVs of the last look, joined */
    uint32_t at;    /* the suspect whose states are asked for */
    struct question *states;
    struct buf found;
    uint32_t found_count;
};

static struct verify *of(struct rows_job *j) { return (struct verify *)j; }

/* ---- who is compared ---- */

static void leave_out(struct verify *v, struct question *q, uint32_t node, const char *why) {
    v->nodes[node] = false;
    v->missing[node] = why;
    question_give_up(q, node);
}

/* The answers of all that are compared are there. Whoever is silent, or cannot tell, is compared no longer. */
static bool answered(struct verify *v, struct question *q) {
    bool all = question_answered(q), silent = v->base.e->now.mono_us - q->asked_us > ASK_SILENT_US;
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        struct told *t = &q->told[i];
        if (!t->asked) continue;
        if (!v->nodes[i])
            question_give_up(q, i);
        else if (t->came && t->outcome == ROW_RETURNING)
            leave_out(v, q, i, "it takes in what it lacks");
        else if (!t->came && silent)
            leave_out(v, q, i, "it does not answer");
    }
    return all || silent;
}

/* ---- ranges ---- */

static void add_left(struct verify *v, uint64_t from, uint64_t to, enum row_ask what) {
    if (from > to) return;
    GROW(v->left, v->left_count, v->left_cap);
    v->left[v->left_count++] = (struct range_left){from, to, what};
}

static bool next_range(struct verify *v, struct range_left *ret) {
    if (v->left_count) {
        *ret = v->left[--v->left_count];
        return true;
    }
    if (v->all || v->rows_left <= 0 || v->suspects_count >= SUSPECTS_MAX) return false;
    uint64_t to = v->width < UINT64_MAX - v->next ? v->next + v->width : UINT64_MAX;
    *ret = (struct range_left){v->next, to, ROW_ASK_PARTS};
    v->all = to == UINT64_MAX;
    v->next = v->all ? 0 : to + 1;
    v->rows_left -= RANGE_ROWS;
    return true;
}

static void add_suspect(struct verify *v, struct slice key) {
    GROW(v->suspects, v->suspects_count, v->suspects_cap);
    struct suspect *s = &v->suspects[v->suspects_count++];
    *s = (struct suspect){.shown = xcalloc(2 * v->nodes_count, sizeof *s->shown)};
    buf_put(&s->key, key.p, key.n);
}

/* Parts that are not the same everywhere. */
static void compare_parts(struct verify *v, const struct question *q, uint64_t upto) {
    uint64_t width = (q->to - q->from) / ROW_PARTS + 1;
    const struct told *self = &q->told[v->base.e->self];
    v->rows += told_well(self) ? told_u64(told_arg(self, 0), 0) : 0;
    for (uint32_t part = 0; part < ROW_PARTS; part++) {
        const struct told *first = NULL;
        bool differ = false;
        for (uint32_t i = 0; i < q->nodes_count; i++) {
            const struct told *t = &q->told[i];
            if (!told_well(t)) continue;
            if (!first) first = t;
            differ |= told_u64(told_arg(t, 0), 1 + part) != told_u64(told_arg(first, 0), 1 + part);
        }
        uint64_t from = q->from + part * width, to = part == ROW_PARTS - 1 ? q->to : from + width - 1;
        if (differ) add_left(v, from, to < upto ? to : upto, ROW_ASK_LIST);
    }
}

struct listed {
    struct slice key;
    uint64_t term;
};

static int by_key(const void *a, const void *b) { return slice_compare(((const struct listed *)a)->key, ((const struct listed *)b)->key); }

/* All that the nodes list up to a hash, by key; returns how many nodes do. */
static uint32_t collect_listed(const struct question *q, uint64_t upto, struct listed **ret, size_t *ret_count) {
    size_t cap = 0;
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        const struct told *t = &q->told[i];
        if (!told_well(t)) continue;
        nodes++;
        struct reader r = reader_of(buf_slice_of(&t->args));
        for (uint32_t k = 0; k < t->argc; k += 2) {
            struct slice key = read_slice(&r), term = read_slice(&r);
            if (hash64(key) > upto) continue;
            GROW(*ret, *ret_count, cap);
            (*ret)[(*ret_count)++] = (struct listed){key, told_u64(term, 0)};
        }
    }
    if (*ret_count > 1) qsort(*ret, *ret_count, sizeof **ret, by_key);
    return nodes;
}

static void compare_lists(struct verify *v, const struct question *q, uint64_t upto) {
    struct listed *all = NULL;
    size_t count = 0;
    uint32_t nodes = collect_listed(q, upto, &all, &count);
    for (size_t i = 0, same = 1; i < count; i += same) {
        bool differ = false;
        for (same = 1; i + same < count && slice_equal(all[i + same].key, all[i].key); same++) differ |= all[i + same].term != all[i].term;
        if (differ || same != nodes) add_suspect(v, all[i].key);
    }
    free(all);
}

/* Nodes may have more rows in a range than they tell at once: what all have told is compared, the rest asked for anew. */
static void take_range(struct verify *v, struct question *q) {
    uint64_t upto = q->to;
    bool same = true;
    for (uint32_t i = 0; i < q->nodes_count; i++)
        if (told_well(&q->told[i]) && q->told[i].upto < upto) upto = q->told[i].upto;
    for (uint32_t i = 0; i < q->nodes_count; i++) same &= !told_well(&q->told[i]) || q->told[i].upto == upto;
    if (upto < q->to) add_left(v, upto + 1, q->to, q->what);
    if (q->what == ROW_ASK_LIST)
        compare_lists(v, q, upto);
    else if (same)
        compare_parts(v, q, upto);
    else
        add_left(v, q->from, upto, ROW_ASK_PARTS);
}

/* True: the page is done. */
static bool step_ranges(struct verify *v) {
    bool idle = true;
    for (uint32_t i = 0; i < RANGES_AT_ONCE; i++) {
        struct question **q = &v->ranges[i];
        struct range_left range;
        if (*q && answered(v, *q)) {
            take_range(v, *q);
            question_destroy(*q);
            *q = NULL;
        }
        if (!*q && next_range(v, &range)) {
            *q = question_create(v->base.e, range.what);
            (*q)->from = range.from;
            (*q)->to = range.to;
            question_ask(*q, v->nodes);
            v->base.wake_us = v->base.e->now.mono_us; /* this node has told already, and may be alone */
        }
        if (!*q) continue;
        idle = false;
        if (question_wake_us(*q) < v->base.wake_us) v->base.wake_us = question_wake_us(*q);
    }
    return idle;
}

/* ---- looks ---- */

static bool is_unsettled(const struct suspect *s) { return !s->equal && s->looks < LOOKS; }
static bool is_open(const struct suspect *s) { return is_unsettled(s) && s->changes < CHANGES_MAX; }

static void clear_looks(struct verify *v) {
    for (uint32_t i = 0; i < v->looks_count; i++) question_destroy(v->looks[i]);
    v->looks_count = 0;
}

/* False: nothing is open. */
static bool ask_looks(struct verify *v) {
    struct question *q = NULL;
    for (uint32_t i = 0; i < v->suspects_count; i++) {
        if (!is_open(&v->suspects[i])) continue;
        if (!q || q->argc == LOOK_KEYS) {
            GROW(v->looks, v->looks_count, v->looks_cap);
            q = v->looks[v->looks_count++] = question_create(v->base.e, ROW_ASK_TERMS);
        }
        question_add(q, buf_slice_of(&v->suspects[i].key));
    }
    for (uint32_t i = 0; i < v->looks_count; i++) question_ask(v->looks[i], v->nodes);
    return q != NULL;
}

/* All VVs of this look include those of the last. */
static bool looks_later(const struct verify *v) {
    for (uint32_t k = 0; k < v->looks_count; k++)
        for (uint32_t i = 0; i < v->looks[k]->nodes_count; i++)
            if (told_well(&v->looks[k]->told[i]) && !vv_includes(&v->looks[k]->told[i].vv, &v->seen)) return false;
    return true;
}

static void look_at(struct verify *v, struct suspect *s, const struct question *q, uint32_t at, bool later) {
    const struct told *first = NULL;
    bool equal = true, stands = true;
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        const struct told *t = &q->told[i];
        if (!told_well(t)) continue;
        struct slice shown = told_arg(t, at);
        uint64_t term = told_u64(shown, 0), state = told_u64(shown, 1);
        if (!first) first = t;
        equal &= term == told_u64(told_arg(first, at), 0);
        stands &= term == s->shown[2 * i] && state == s->shown[2 * i + 1];
        if (!later) continue;
        s->shown[2 * i] = term;
        s->shown[2 * i + 1] = state;
    }
    s->equal = equal;
    if (!later) return;
    s->looks = stands ? s->looks + 1 : 1;
    s->changes += !stands;
}

static void take_looks(struct verify *v) {
    bool later = looks_later(v);
    uint32_t open = 0;
    for (uint32_t i = 0; i < v->suspects_count; i++)
        if (is_open(&v->suspects[i])) {
            look_at(v, &v->suspects[i], v->looks[open / LOOK_KEYS], open % LOOK_KEYS, later);
            open++;
        }
    for (uint32_t k = 0; later && k < v->looks_count; k++)
        for (uint32_t i = 0; i < v->looks[k]->nodes_count; i++)
            if (told_well(&v->looks[k]->told[i])) vv_join(&v->seen, &v->looks[k]->told[i].vv);
    clear_looks(v);
}

/* True: all suspects are settled, or time is up. */
static bool step_looks(struct verify *v) {
    uint64_t now = v->base.e->now.mono_us;
    if (!v->deadline_us) v->deadline_us = now + VERIFY_PATIENCE_US;
    if (!v->looks_count) {
        if (now < v->look_us) {
            v->base.wake_us = v->look_us;
            return false;
        }
        if (now >= v->deadline_us || !ask_looks(v)) return true;
    }
    bool all = true;
    for (uint32_t i = 0; i < v->looks_count; i++) all &= answered(v, v->looks[i]);
    v->base.wake_us = question_wake_us(v->looks[0]);
    if (!all) return false;
    take_looks(v);
    v->base.wake_us = v->look_us = now + LOOK_PERIOD_US;
    return false;
}

/* ---- what was found ---- */

/* True: all that differ are told. */
static bool step_states(struct session_entry *se, struct verify *v) {
    for (; v->at < v->suspects_count; v->at++) {
        struct suspect *s = &v->suspects[v->at];
        if (s->equal || s->looks < LOOKS) continue;
        if (!v->states) {
            v->states = question_create(v->base.e, ROW_ASK_STATES);
            question_add(v->states, buf_slice_of(&s->key));
            question_ask(v->states, v->nodes);
        }
        v->base.wake_us = question_wake_us(v->states);
        if (!answered(v, v->states)) return false;
        struct reply reply = {.out = &v->found, .protocol = se->s.protocol};
        differ_reply(v->base.e, &reply, buf_slice_of(&s->key), v->states);
        v->found_count++;
        question_destroy(v->states);
        v->states = NULL;
    }
    return true;
}

static void reply_nodes(const struct verify *v, struct reply *r) {
    const struct cluster *c = v->base.e->cluster;
    uint32_t compared = 0, missing = 0;
    for (uint32_t i = 0; i < v->nodes_count; i++) {
        compared += v->nodes[i];
        missing += v->missing[i] != NULL;
    }
    reply_text(r, "nodes");
    reply_array(r, compared);
    for (uint32_t i = 0; i < v->nodes_count; i++)
        if (v->nodes[i]) reply_text(r, c->nodes[i].name);
    reply_text(r, "missing");
    reply_array(r, missing);
    for (uint32_t i = 0; i < v->nodes_count; i++) {
        if (!v->missing[i]) continue;
        reply_map(r, 2);
        reply_text(r, "node");
        reply_text(r, c->nodes[i].name);
        reply_text(r, "why");
        reply_text(r, v->missing[i]);
    }
}

static void reply_page(struct session_entry *se, const struct verify *v) {
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    struct buf cursor = {0};
    uint32_t unsettled = 0;
    for (uint32_t i = 0; i < v->suspects_count; i++) unsettled += is_unsettled(&v->suspects[i]);
    buf_printf(&cursor, "%llu", (unsigned long long)v->next);
    reply_map(&reply, 6);
    reply_text(&reply, "cursor");
    reply_bulk(&reply, buf_slice_of(&cursor));
    reply_text(&reply, "rows");
    reply_integer(&reply, (int64_t)v->rows);
    reply_nodes(v, &reply);
    reply_text(&reply, "unsettled");
    reply_array(&reply, unsettled);
    for (uint32_t i = 0; i < v->suspects_count; i++)
        if (is_unsettled(&v->suspects[i])) reply_bulk(&reply, buf_slice_of(&v->suspects[i].key));
    reply_text(&reply, "differ");
    reply_array(&reply, v->found_count);
    buf_put(&se->s.out, v->found.p, v->found.n);
    buf_finish(&cursor);
}

/* ---- the job ---- */

static void finish(struct rows_job *base) {
    struct verify *v = of(base);
    for (uint32_t i = 0; i < RANGES_AT_ONCE; i++) question_destroy(v->ranges[i]);
    for (uint32_t i = 0; i < v->suspects_count; i++) {
        buf_finish(&v->suspects[i].key);
        free(v->suspects[i].shown);
    }
    clear_looks(v);
    question_destroy(v->states);
    vv_finish(&v->seen);
    buf_finish(&v->found);
    free(v->left);
    free(v->suspects);
    free(v->looks);
    free(v);
}

static bool step(struct session_entry *se) {
    struct verify *v = of(se->rows_job);
    v->base.wake_us = UINT64_MAX;
    if (v->phase == VERIFY_RANGES && step_ranges(v)) v->phase = VERIFY_LOOKS;
    if (v->phase == VERIFY_LOOKS && step_looks(v)) v->phase = VERIFY_STATES;
    if (v->phase != VERIFY_STATES || !step_states(se, v)) return false;
    reply_page(se, v);
    return true;
}

static void find_nodes(struct verify *v) {
    const struct engine *e = v->base.e;
    nodes_to_ask(e, DCS_MAX, v->nodes);
    for (uint32_t i = 0; i < v->nodes_count; i++) {
        enum standing standing = e->cluster->nodes[i].standing;
        if (!v->nodes[i] && standing != STANDING_REMOVED && standing != STANDING_ABSENT) v->missing[i] = "it cannot be reached";
    }
}

static void begin_verify(struct call *c, uint64_t from, int64_t rows) {
    struct engine *e = c->engine;
    struct verify *v = xcalloc(1, sizeof *v);
    v->base.e = e;
    v->base.step = step;
    v->base.finish = finish;
    v->nodes_count = e->cluster->nodes_count;
    v->next = from;
    v->rows_left = rows;
    v->width = UINT64_MAX / (e->live_rows / RANGE_ROWS + 1);
    find_nodes(v);
    rows_job_begin(e, (struct session_entry *)c->session, &v->base);
}

/* TRUCE.VERIFY [cursor [ROWS n]] */
void engine_verify(struct call *c) {
    int64_t rows = PAGE_ROWS;
    uint64_t from = 0;
    if (c->argc == 2 && slice_is(c->argv[1], "digest")) {
        repair_digest(c);
        return;
    }
    if (c->argc != 1 && c->argc != 2 && (c->argc != 4 || !slice_is(c->argv[2], "rows"))) {
        reply_syntax(c);
        return;
    }
    for (size_t i = 0; c->argc > 1 && i < c->argv[1].n; i++) {
        uint8_t digit = (uint8_t)(c->argv[1].p[i] - '0');
        if (digit > 9 || from > (UINT64_MAX - digit) / 10) {
            reply_error(c->reply, "ERR invalid cursor");
            return;
        }
        from = from * 10 + digit;
    }
    if (c->argc == 4 && !want_integer(c, c->argv[3], &rows)) return;
    begin_verify(c, from, rows < 1 ? 1 : rows);
}
