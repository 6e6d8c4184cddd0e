/* A history by hand: nodes that write, and receive what others wrote. */
#pragma once
#include "../schemas/help.h"
#include "workload_state.h"

#define NODES 3

struct past {
    struct history *h;
    struct origins *t;
    origin_ref own[NODES];
    stamp_t clock;
};

static inline struct past past(void) {
    static const char *const dcs[NODES] = {"us", "eu", "ap"};
    struct past p = {.h = history_create(NODES, 500, NULL), .t = origins_create(), .clock = stamp_make(1000, 0)};
    struct vv none = {0};
    for (uint32_t i = 0; i < NODES; i++) {
        p.own[i] = origin_named(p.t, dcs[i], 1, i + 1);
        history_started(p.h, i, &none, p.t);
        check_clock_shows(p.h, i, 1000, 1000);
    }
    return p;
}
static inline void finish(struct past *p) {
    history_destroy(p->h);
    origins_destroy(p->t);
}

static inline void good(const struct past *p) { cr_assert_str_eq(p->h->failure, ""); }
static inline void bad(const struct past *p, const char *invariant) {
    size_t n = strlen(invariant);
    cr_assert(strncmp(p->h->failure, invariant, n) == 0 && p->h->failure[n] == ':', "expected %s, got \"%s\"", invariant, p->h->failure);
}

/* What a node would say of its own event number n: deps are all that it has applied. */
struct draft {
    struct event e;
    struct change change;
    struct dot deps[NODES];
    struct buf content;
};
static inline void draft(struct past *p, struct draft *d, uint32_t node, uint64_t n, const char *key, const char *value) {
    *d = (struct draft){.change = {.op = value ? CHANGE_PUT : CHANGE_DELETE, .key = slice_text(key)}};
    if (value) content_make_string(&d->content, 0, slice_text(value));
    d->change.content = buf_slice_of(&d->content);
    d->e = (struct event){.dot = {p->own[node], n}, .stamp = ++p->clock, .previous = n > 1 ? node * 1000 + n - 1 : 0, .checksum = node * 1000 + n};
    for (uint32_t i = 0; i < NODES; i++) {
        uint64_t have = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[i]));
        if (i != node && have > 0) d->deps[d->e.deps_count++] = (struct dot){p->own[i], have};
    }
    d->e.deps = d->deps;
    d->e.changes = &d->change;
    d->e.changes_count = 1;
}

static inline struct h_event *apply(struct past *p, uint32_t node, const struct event *e, bool own) {
    struct h_event *he = history_applies(p->h, node, e, own, p->t, 1000);
    if (!he) return NULL;
    check_applies(p->h, node, he);
    if (own) {
        check_deps(p->h, he);
        check_stamp(p->h, he);
    }
    history_apply(p->h, node, he);
    return he;
}

/* The node writes its next event; NULL deletes. */
static inline struct h_event *writes(struct past *p, uint32_t node, const char *key, const char *value) {
    struct draft d;
    uint64_t n = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[node])) + 1;
    draft(p, &d, node, n, key, value);
    struct h_event *e = apply(p, node, &d.e, true);
    buf_finish(&d.content);
    return e;
}

static inline void receives(struct past *p, uint32_t node, const struct h_event *e) {
    struct event again = {.dot = {p->own[e->node], e->dot.n}, .stamp = e->stamp, .checksum = e->checksum};
    apply(p, node, &again, false);
}

static inline void state(struct past *p, uint32_t node, uint64_t digest) {
    struct vv vv = {0};
    for (uint32_t i = 0; i < NODES; i++) vv_set(&vv, p->own[i], vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[i])));
    check_state(p->h, node, &vv, p->t, digest);
    vv_finish(&vv);
}

/* Two concurrent writes that everybody has: the second one wins. */
static inline struct h_event *conflict(struct past *p) {
    struct h_event *a = writes(p, 0, "k", "a"), *b = writes(p, 1, "k", "b");
    for (uint32_t i = 0; i < NODES; i++) {
        if (i != 0) receives(p, i, a);
        if (i != 1) receives(p, i, b);
    }
    return a;
}

static inline void reads(struct past *p, uint32_t node, const char *value) {
    struct buf content = {0};
    struct h_read r = {0};
    h_read_now(p->h, node, history_key(p->h, slice_text("k")), 1000, &r);
    if (value) content_make_string(&content, 0, slice_text(value));
    r.content = buf_slice_of(&content);
    check_read(p->h, &r);
    buf_finish(&content);
    h_read_finish(&r);
}
