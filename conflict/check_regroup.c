/* Regrouping: some versions are decided first, and what comes of them, as a version like any other, with the rest. Where a handler claims that this
 * changes nothing (TRUCE_REGROUPS), it is tried. */
#include "admission.h"
#include <stdio.h>
#include <stdlib.h>

/* The content that an answer gives the row. False: it gives none (recorded, passed on...). */
static bool content_of(const struct check_case *c, const struct buf *bytes, struct slice *ret) {
    struct handler_answer a;
    if (!handler_answer_decode(buf_slice_of(bytes), &a) || (a.outcome != HANDLER_ROW && a.outcome != HANDLER_PICK)) return false;
    *ret = a.outcome == HANDLER_ROW ? a.content : buf_slice_of(&c->siblings[a.index < c->count ? a.index : 0].content);
    return true;
}

/* One way to do it: which versions first, and where the answer's version then stands. */
struct grouping {
    uint32_t of;        /* the case */
    uint32_t with, and; /* versions decided first */
    bool last;          /* the answer comes last in order and is of the greatest priority and stamp; else first, of the least */
};

static void leave_pair(struct check_case *c, uint32_t with, uint32_t and, bool keep) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        struct check_sibling s = c->siblings[i];
        if ((i == with || i == and) == keep) {
            c->siblings[kept++] = s;
        } else {
            buf_finish(&s.dot);
            buf_finish(&s.content);
        }
    }
    c->count = kept;
}

static struct check_sibling answer_version(const struct check_case *c, const struct grouping *g, struct slice content) {
    struct check_sibling s = {.priority = g->last ? INT32_MAX : INT32_MIN};
    stamp_t seen = c->siblings[g->with].stamp > c->siblings[g->and ].stamp ? c->siblings[g->with].stamp : c->siblings[g->and ].stamp;
    snprintf(s.dc, sizeof s.dc, "%s", g->last ? "zz" : "aa");
    s.stamp = g->last ? UINT64_MAX - 1 : seen + 1;
    buf_printf(&s.dot, "%s-1.00000000000000aa:1", s.dc);
    buf_put(&s.content, content.p, content.n);
    return s;
}

/* The rest, with what came of the first. */
static void join(const struct check_case *c, const struct grouping *g, struct slice content, struct check_case *ret) {
    check_case_copy(ret, c);
    leave_pair(ret, g->with, g->and, false);
    struct check_sibling s = answer_version(c, g, content);
    if (!g->last) memmove(&ret->siblings[1], &ret->siblings[0], ret->count * sizeof *ret->siblings);
    ret->siblings[g->last ? ret->count : 0] = s;
    ret->count++;
}

struct attempt {
    struct grouping *g;
    uint32_t n;
    struct check_cases pairs, joined;
};

static void add_attempt(struct attempt *t, const struct check_cases *cases, struct grouping g) {
    t->g = xrealloc(t->g, (t->n + 1) * sizeof *t->g);
    t->g[t->n++] = g;
    struct check_case *pair = check_cases_add(&t->pairs);
    check_case_copy(pair, &cases->c[g.of]);
    leave_pair(pair, g.with, g.and, true);
}

static void plan_attempts(struct attempt *t, const struct check_cases *cases) {
    for (uint32_t i = 0; i < cases->n; i++) {
        uint32_t n = cases->c[i].count;
        for (uint32_t last = 0; n > 2 && last < 2; last++) {
            add_attempt(t, cases, (struct grouping){i, 0, 1, last});
            add_attempt(t, cases, (struct grouping){i, 0, n - 1, last});
            add_attempt(t, cases, (struct grouping){i, n - 2, n - 1, last});
        }
    }
}

static void show(const struct grouping *g, const struct buf *whole, const struct buf *joined, struct check_example *ret) {
    *ret = (struct check_example){.at = g->of};
    buf_put(&ret->first, whole->p, whole->n);
    buf_put(&ret->second, joined->p, joined->n);
    snprintf(ret->how_first, sizeof ret->how_first, "all versions at once");
    snprintf(ret->how_second, sizeof ret->how_second, "versions %u and %u first, and what came of them, written by %s, with the rest", g->with,
             g->and, g->last ? "the datacenter of highest priority" : "the datacenter of lowest priority");
}

/* Of the joined ones: does any give another row than all at once? */
static bool compare(const struct attempt *t, const struct check_cases *cases, const struct check_answers *whole, const struct check_answers *joined,
                    struct check_example *ret) {
    for (uint32_t i = 0; i < t->n; i++) {
        const struct grouping *g = &t->g[i];
        const struct check_case *j = &t->joined.c[i];
        struct slice want, got = buf_slice_of(&j->siblings[0].content);
        if (!content_of(&cases->c[g->of], &whole->first[g->of], &want)) continue;
        bool has = !check_case_open(j) || content_of(j, &joined->first[i], &got);
        if (has && slice_equal(want, got)) continue;
        struct buf row = {0};
        if (has) handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_ROW, .content = got}, &row);
        show(g, &whole->first[g->of], has ? &row : &joined->first[i], ret);
        buf_finish(&row);
        return true;
    }
    return false;
}

/* Attempts whose first two give no row are none. */
static void join_all(struct attempt *t, const struct check_cases *cases, const struct check_answers *pairs) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct check_case *pair = &t->pairs.c[i];
        struct slice content = buf_slice_of(&pair->siblings[0].content);
        if (check_case_open(pair) && !content_of(pair, &pairs->first[i], &content)) continue;
        t->g[kept++] = t->g[i];
        join(&cases->c[t->g[i].of], &t->g[i], content, check_cases_add(&t->joined));
    }
    t->n = kept;
}

bool check_regroup(const struct check_handler *h, const struct check_cases *cases, struct check_example *ret) {
    struct attempt t = {0};
    struct check_answers whole, pairs, joined = {0};
    plan_attempts(&t, cases);
    check_run(h, CHECK_FIRST, cases, &whole);
    check_run(h, CHECK_FIRST, &t.pairs, &pairs);
    bool ok = whole.end == CHECK_DONE && pairs.end == CHECK_DONE;
    if (ok) {
        join_all(&t, cases, &pairs);
        check_run(h, CHECK_FIRST, &t.joined, &joined);
        ok = joined.end == CHECK_DONE;
    }
    bool found = ok && compare(&t, cases, &whole, &joined, ret);
    check_answers_finish(&whole);
    check_answers_finish(&pairs);
    check_answers_finish(&joined);
    check_cases_finish(&t.pairs);
    check_cases_finish(&t.joined);
    free(t.g);
    return found;
}
