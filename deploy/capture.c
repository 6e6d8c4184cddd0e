#include "capture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void capture_init(struct capture *c, const struct cluster *cluster) {
    *c = (struct capture){.cluster = cluster, .origins = origins_create(), .notes = json_array()};
}

void capture_finish(struct capture *c) {
    for (size_t i = 0; i < c->count; i++) {
        event_finish(&c->events[i].event);
        buf_finish(&c->events[i].body);
        vv_finish(&c->events[i].context);
    }
    for (uint32_t o = 0; o < c->runs_count; o++) free(c->runs[o].at);
    free(c->events);
    free(c->runs);
    origins_destroy(c->origins);
    json_decref(c->notes);
    *c = (struct capture){0};
}

void capture_note(struct capture *c, const char *format, ...) {
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    size_t i;
    json_t *one;
    json_array_foreach(c->notes, i, one) if (strcmp(json_string_value(one), text) == 0) return;
    json_array_append_new(c->notes, json_string(text));
}

/* ---- events come ---- */

static struct captured_run *run_of(struct capture *c, origin_ref o) {
    if (o >= c->runs_count) {
        c->runs = xrealloc(c->runs, (o + 1) * sizeof *c->runs);
        memset(c->runs + c->runs_count, 0, (o + 1 - c->runs_count) * sizeof *c->runs);
        c->runs_count = o + 1;
    }
    return &c->runs[o];
}

size_t capture_find(const struct capture *c, struct dot d) {
    if (d.origin >= c->runs_count) return SIZE_MAX;
    const struct captured_run *r = &c->runs[d.origin];
    if (!r->first || d.n < r->first || d.n - r->first >= r->count) return SIZE_MAX;
    return r->at[d.n - r->first] - 1; /* 0 - 1: it is not there */
}

/* Makes the run's index hold number n. */
static void widen(struct captured_run *r, uint64_t n) {
    if (!r->first) r->first = n;
    uint64_t below = n < r->first ? r->first - n : 0, need = below ? r->count + below : n - r->first + 1;
    if (need > r->cap) {
        uint64_t cap = need > 2 * r->cap ? need : 2 * r->cap;
        r->at = xrealloc(r->at, cap * sizeof *r->at);
        r->cap = cap;
    }
    if (below) {
        memmove(r->at + below, r->at, r->count * sizeof *r->at);
        memset(r->at, 0, below * sizeof *r->at);
        r->first = n;
        r->count += below;
    } else if (need > r->count) {
        memset(r->at + r->count, 0, (need - r->count) * sizeof *r->at);
        r->count = need;
    }
}

bool capture_add(struct capture *c, struct slice dot, struct slice body, struct buf *why) {
    struct dot d;
    if (!dot_parse(dot, c->origins, &d)) {
        buf_printf(why, "%.*s is no event", (int)dot.n, (const char *)dot.p);
        return false;
    }
    if (capture_find(c, d) != SIZE_MAX) return true;
    const struct origin *o = origins_get(c->origins, d.origin);
    int node = cluster_find_node(c->cluster, slice_text(o->dc), o->node);
    if (node < 0) {
        buf_printf(why, "%.*s was made at a node that is not in this cluster", (int)dot.n, (const char *)dot.p);
        return false;
    }
    struct captured e = {.node = (uint32_t)node, .dc = c->cluster->nodes[node].dc};
    buf_put(&e.body, body.p, body.n);
    if (!event_decode(&e.event, d, buf_slice_of(&e.body), c->origins)) {
        buf_printf(why, "event %.*s is malformed", (int)dot.n, (const char *)dot.p);
        event_finish(&e.event);
        buf_finish(&e.body);
        return false;
    }
    if (c->count == c->cap) c->events = xrealloc(c->events, (c->cap = c->cap ? c->cap * 2 : 256) * sizeof *c->events);
    c->events[c->count++] = e;
    struct captured_run *r = run_of(c, d.origin);
    widen(r, d.n);
    r->at[d.n - r->first] = c->count;
    return true;
}

/* ---- order ---- */

static int by_stamp(const void *a, const void *b, void *origins) {
    const struct captured *x = a, *y = b;
    if (x->event.stamp != y->event.stamp) return x->event.stamp < y->event.stamp ? -1 : 1;
    return dot_compare(origins, x->event.dot, y->event.dot);
}

static void index_events(struct capture *c) {
    for (size_t i = 0; i < c->count; i++) {
        struct dot d = c->events[i].event.dot;
        c->runs[d.origin].at[d.n - c->runs[d.origin].first] = i + 1;
    }
}

/* Full deps: an event names the difference to its origin's previous one. Numbers of a run ascend with their stamps. */
static void find_contexts(struct capture *c) {
    struct vv *deps = xcalloc(c->runs_count, sizeof *deps);
    for (size_t i = 0; i < c->count; i++) {
        struct captured *e = &c->events[i];
        struct vv *of = &deps[e->event.dot.origin];
        for (uint32_t k = 0; k < e->event.deps_count; k++) vv_raise(of, e->event.deps[k].origin, e->event.deps[k].n);
        vv_copy(&e->context, of);
        if (e->event.dot.n > 1) vv_raise(&e->context, e->event.dot.origin, e->event.dot.n - 1);
    }
    for (uint32_t o = 0; o < c->runs_count; o++) vv_finish(&deps[o]);
    free(deps);
}

/* Puts event `i` after all that it knew. */
static void put(const struct capture *c, size_t i, bool *done, size_t *order, size_t *count) {
    if (done[i]) return;
    done[i] = true;
    for (origin_ref o = 0; o < c->runs_count; o++) {
        uint64_t n = vv_get(&c->events[i].context, o);
        size_t e = n ? capture_find(c, (struct dot){o, n}) : SIZE_MAX;
        if (e != SIZE_MAX) put(c, e, done, order, count);
    }
    order[(*count)++] = i;
}

static void sort_causally(struct capture *c) {
    bool *done = xcalloc(c->count + 1, 1);
    size_t *order = xcalloc(c->count + 1, sizeof *order), n = 0;
    for (size_t i = 0; i < c->count; i++) put(c, i, done, order, &n);
    struct captured *sorted = xmalloc((c->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++) sorted[i] = c->events[order[i]];
    free(c->events);
    c->events = sorted;
    c->cap = c->count + 1;
    free(order);
    free(done);
}

/* What a client with a context of its own did not know goes from its event's context, and all that knew it. */
static void close_context(struct capture *c, struct captured *e) {
    bool less = false;
    for (uint32_t i = 0; i < e->event.changes_count; i++) {
        const struct change *ch = &e->event.changes[i];
        for (uint32_t k = 0; ch->op != CHANGE_RECORD && k < ch->unseen_count; k++) {
            if (!vv_covers(&e->context, ch->unseen[k])) continue;
            vv_set(&e->context, ch->unseen[k].origin, ch->unseen[k].n - 1);
            less = true;
        }
    }
    for (bool again = less; again;) {
        again = false;
        for (origin_ref o = 0; o < c->runs_count; o++) {
            uint64_t n = vv_get(&e->context, o);
            size_t known = n ? capture_find(c, (struct dot){o, n}) : SIZE_MAX;
            if (known == SIZE_MAX || vv_includes(&e->context, &c->events[known].context)) continue;
            vv_set(&e->context, o, n - 1);
            again = true;
        }
    }
}

/* ---- labels ---- */

/* Runs of a node are counted in the order of their first events. */
static void number_runs(struct capture *c) {
    unsigned *runs = xcalloc(c->cluster->nodes_count, sizeof *runs);
    for (size_t i = 0; i < c->count; i++) {
        struct captured *e = &c->events[i];
        struct captured_run *r = &c->runs[e->event.dot.origin];
        if (!r->run) r->run = ++runs[e->node];
        const char *name = c->cluster->nodes[e->node].name;
        unsigned long long n = e->event.dot.n;
        if (r->run == 1)
            snprintf(e->label, sizeof e->label, "%.40s_%llu", name, n);
        else
            snprintf(e->label, sizeof e->label, "%.30s_r%u_%llu", name, r->run, n);
    }
    free(runs);
}

void capture_order(struct capture *c, uint64_t since_ms) {
    c->since_ms = since_ms;
    if (c->count > 1) qsort_r(c->events, c->count, sizeof *c->events, by_stamp, c->origins);
    index_events(c);
    find_contexts(c);
    sort_causally(c);
    index_events(c);
    for (size_t i = 0; i < c->count; i++) {
        close_context(c, &c->events[i]);
        c->events[i].base = stamp_ms(c->events[i].event.stamp) < since_ms;
    }
    number_runs(c);
}

size_t capture_latest_known(const struct capture *c, size_t f, uint32_t dc) {
    size_t latest = SIZE_MAX;
    for (origin_ref o = 0; o < c->runs_count; o++) {
        uint64_t n = vv_get(&c->events[f].context, o);
        size_t e = n ? capture_find(c, (struct dot){o, n}) : SIZE_MAX;
        if (e != SIZE_MAX && c->events[e].dc == dc && (latest == SIZE_MAX || e > latest)) latest = e;
    }
    return latest;
}

/* The latest event of an origin up to number n that is done again. */
static size_t told_head(const struct capture *c, origin_ref o, uint64_t n) {
    for (; n >= c->runs[o].first && n > 0; n--) {
        size_t e = capture_find(c, (struct dot){o, n});
        if (e != SIZE_MAX && !c->events[e].left_out) return e;
    }
    return SIZE_MAX;
}

json_t *capture_knows(const struct capture *c, size_t f) {
    size_t *heads = xcalloc(c->runs_count + 1, sizeof *heads), count = 0;
    json_t *list = json_array();
    for (origin_ref o = 0; o < c->runs_count; o++) {
        uint64_t n = vv_get(&c->events[f].context, o);
        size_t e = n && c->runs[o].first ? told_head(c, o, n) : SIZE_MAX;
        if (e != SIZE_MAX) heads[count++] = e;
    }
    for (size_t i = 0; i < count; i++) {
        bool implied = false;
        for (size_t k = 0; k < count && !implied; k++) implied = k != i && capture_knew(c, heads[k], heads[i]);
        if (!implied) json_array_append_new(list, json_string(c->events[heads[i]].label));
    }
    free(heads);
    return list;
}
