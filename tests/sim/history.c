#include "history.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct history *history_create(uint32_t nodes, uint64_t clock_bound_ms) {
    struct history *h = xcalloc(1, sizeof *h);
    h->origins = origins_create();
    h->clock_bound_ms = clock_bound_ms;
    h->nodes = xcalloc(nodes, sizeof *h->nodes);
    h->nodes_count = nodes;
    h->keys_index_size = 256;
    h->keys_index = xcalloc(h->keys_index_size, sizeof *h->keys_index);
    h->digests_size = 1024;
    h->digests = xcalloc(h->digests_size, sizeof *h->digests);
    return h;
}

static void event_free(struct h_event *e) {
    for (uint32_t i = 0; i < e->changes_count; i++) {
        free((void *)e->changes[i].content.p);
        free(e->changes[i].unseen);
    }
    free(e->changes);
    vv_finish(&e->deps);
    free(e);
}

static void rows_clear(struct h_node *n) {
    for (uint32_t i = 0; i < n->rows_count; i++) free(n->rows[i].v);
    free(n->rows);
    n->rows = NULL;
    n->rows_count = 0;
}

void history_destroy(struct history *h) {
    if (!h) return;
    for (uint32_t i = 0; i < h->events_count; i++) event_free(h->events[i]);
    free(h->events);
    for (uint32_t i = 0; i < h->sources_count; i++) free(h->sources[i].events);
    free(h->sources);
    for (uint32_t i = 0; i < h->keys_count; i++) {
        free((void *)h->keys[i].name.p);
        free(h->keys[i].changes);
    }
    free(h->keys);
    free(h->keys_index);
    for (uint32_t i = 0; i < h->nodes_count; i++) {
        rows_clear(&h->nodes[i]);
        vv_finish(&h->nodes[i].vv);
        vv_finish(&h->nodes[i].synced);
        vv_finish(&h->nodes[i].made);
        vv_finish(&h->nodes[i].latest);
        free(h->nodes[i].refs);
    }
    free(h->nodes);
    free(h->digests);
    origins_destroy(h->origins);
    free(h);
}

void history_fail(struct history *h, const char *invariant, const char *format, ...) {
    if (history_failed(h)) return;
    size_t n = (size_t)snprintf(h->failure, sizeof h->failure, "%s: ", invariant);
    va_list args;
    va_start(args, format);
    vsnprintf(h->failure + n, sizeof h->failure - n, format, args);
    va_end(args);
}

const char *h_dot(const struct history *h, struct dot d) {
    static char texts[8][NAME_LEN_MAX + 64];
    static unsigned next;
    char *text = texts[next++ % 8];
    struct buf b = {0};
    dot_format(h->origins, d, &b);
    snprintf(text, sizeof texts[0], "%.*s", (int)b.n, (const char *)b.p);
    buf_finish(&b);
    return text;
}

/* ---- names ---- */

static void index_keys(struct history *h) {
    free(h->keys_index);
    h->keys_index_size *= 2;
    h->keys_index = xcalloc(h->keys_index_size, sizeof *h->keys_index);
    for (uint32_t i = 0; i < h->keys_count; i++) {
        uint32_t at = (uint32_t)hash64(h->keys[i].name) & (h->keys_index_size - 1);
        while (h->keys_index[at]) at = (at + 1) & (h->keys_index_size - 1);
        h->keys_index[at] = i + 1;
    }
}

static struct slice copy(struct slice s) {
    if (s.n == 0) return SLICE(NULL, 0);
    uint8_t *p = xmalloc(s.n);
    memcpy(p, s.p, s.n);
    return SLICE(p, s.n);
}

uint32_t history_key(struct history *h, struct slice name) {
    uint32_t at = (uint32_t)hash64(name) & (h->keys_index_size - 1);
    for (; h->keys_index[at]; at = (at + 1) & (h->keys_index_size - 1))
        if (slice_equal(h->keys[h->keys_index[at] - 1].name, name)) return h->keys_index[at] - 1;
    if (h->keys_count == h->keys_cap) {
        h->keys_cap = h->keys_cap ? h->keys_cap * 2 : 64;
        h->keys = xrealloc(h->keys, h->keys_cap * sizeof *h->keys);
    }
    h->keys[h->keys_count++] = (struct h_key){.name = copy(name)};
    h->keys_index[at] = h->keys_count;
    uint32_t key = h->keys_count - 1;
    if (h->keys_count * 2 > h->keys_index_size) index_keys(h);
    return key;
}

origin_ref history_ref(struct history *h, uint32_t node, const struct origins *t, origin_ref engine_ref) {
    struct h_node *n = &h->nodes[node];
    if (engine_ref >= n->refs_count) {
        n->refs = xrealloc(n->refs, (engine_ref + 1) * sizeof *n->refs);
        while (n->refs_count <= engine_ref) n->refs[n->refs_count++] = ORIGIN_NONE;
    }
    if (n->refs[engine_ref] == ORIGIN_NONE) n->refs[engine_ref] = origins_intern(h->origins, origins_get(t, engine_ref));
    return n->refs[engine_ref];
}

static struct h_source *source(struct history *h, origin_ref o) {
    if (o >= h->sources_count) {
        h->sources = xrealloc(h->sources, (o + 1) * sizeof *h->sources);
        memset(h->sources + h->sources_count, 0, (o + 1 - h->sources_count) * sizeof *h->sources);
        h->sources_count = o + 1;
    }
    return &h->sources[o];
}

struct h_event *history_event(const struct history *h, struct dot d) {
    if (d.origin >= h->sources_count || d.n == 0 || d.n > h->sources[d.origin].n) return NULL;
    return h->sources[d.origin].events[d.n - 1];
}

/* ---- contexts ---- */

bool h_covers(const struct h_change *c, struct dot d) {
    for (uint32_t i = 0; i < c->unseen_count; i++)
        if (dot_equal(c->unseen[i], d)) return false;
    if (d.origin == c->event->dot.origin) return d.n < c->event->dot.n;
    return vv_covers(&c->event->deps, d);
}

bool h_in(const struct vv *vv, const struct h_change *c) { return vv_covers(vv, c->event->dot); }

/* ---- recording ---- */

static void record_change(struct history *h, uint32_t node, struct h_event *e, struct h_change *to, const struct change *from,
                          const struct origins *t) {
    *to = (struct h_change){.event = e, .op = from->op, .key = history_key(h, from->key), .content = copy(from->content)};
    to->unseen_count = from->unseen_count;
    to->unseen = xmalloc(from->unseen_count * sizeof *to->unseen + 1);
    for (uint32_t i = 0; i < from->unseen_count; i++)
        to->unseen[i] = (struct dot){history_ref(h, node, t, from->unseen[i].origin), from->unseen[i].n};
    to->seen = h_winner(h, history_row(h, node, to->key));
    struct h_key *k = &h->keys[to->key];
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 16;
        k->changes = xrealloc(k->changes, k->cap * sizeof(struct h_change *));
    }
    k->changes[k->n++] = to;
}

/* As the body says it: an own event comes as it was made, not decoded. */
static uint64_t previous_of(const struct event *e) {
    if (e->body.n < 16) return e->previous;
    struct reader r = reader_of(SLICE(e->body.p + 8, 8));
    return read_u64(&r);
}

static struct h_event *record(struct history *h, uint32_t node, const struct event *from, struct dot dot, const struct origins *t, uint64_t wall_ms) {
    struct h_source *s = source(h, dot.origin);
    if (s->n == 0) {
        s->node = node;
        s->run = h->nodes[node].run;
    }
    if (s->node != node || s->run != h->nodes[node].run)
        history_fail(h, "I10", "node %u makes %s in its run %u, but that incarnation belongs to run %u of node %u", node, h_dot(h, dot),
                     h->nodes[node].run, s->run, s->node);
    if (dot.n != s->n + 1) {
        history_fail(h, "I10", "%s is made after number %llu: numbers have a gap or name two contents", h_dot(h, dot), (unsigned long long)s->n);
        return NULL;
    }
    struct h_event *e = xcalloc(1, sizeof *e);
    *e = (struct h_event){.dot = dot, .stamp = from->stamp, .checksum = from->checksum, .previous = previous_of(from), .node = node};
    e->run = s->run;
    e->wall_ms = wall_ms;
    if (s->n > 0) vv_copy(&e->deps, &s->events[s->n - 1]->deps);
    for (uint32_t i = 0; i < from->deps_count; i++) vv_raise(&e->deps, history_ref(h, node, t, from->deps[i].origin), from->deps[i].n);
    e->changes_count = from->changes_count;
    e->changes = xcalloc(from->changes_count, sizeof *e->changes);
    for (uint32_t i = 0; i < from->changes_count; i++) record_change(h, node, e, &e->changes[i], &from->changes[i], t);
    if (h->events_count == h->events_cap) {
        h->events_cap = h->events_cap ? h->events_cap * 2 : 256;
        h->events = xrealloc(h->events, h->events_cap * sizeof(struct h_event *));
    }
    e->index = h->events_count;
    h->events[h->events_count++] = e;
    s = source(h, dot.origin);
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->events = xrealloc(s->events, s->cap * sizeof(struct h_event *));
    }
    s->events[s->n++] = e;
    return e;
}

struct h_event *history_applies(struct history *h, uint32_t node, const struct event *e, bool own, const struct origins *t, uint64_t wall_ms) {
    struct dot dot = {history_ref(h, node, t, e->dot.origin), e->dot.n};
    if (own) return record(h, node, e, dot, t, wall_ms);
    struct h_event *known = history_event(h, dot);
    if (!known) history_fail(h, "I10", "node %u applies %s, which nobody made", node, h_dot(h, dot));
    if (known && known->checksum != e->checksum) {
        history_fail(h, "I10", "node %u applies %s with another content than its origin made", node, h_dot(h, dot));
        return NULL;
    }
    return known;
}

/* ---- the oracle ---- */

static uint64_t dot_hash(struct dot d) {
    uint64_t words[2] = {d.origin, d.n};
    return hash64(SLICE(words, sizeof words));
}

static struct h_row *row_of(struct h_node *n, uint32_t key) {
    if (key >= n->rows_count) {
        uint32_t count = key + 64;
        n->rows = xrealloc(n->rows, count * sizeof *n->rows);
        memset(n->rows + n->rows_count, 0, (count - n->rows_count) * sizeof *n->rows);
        n->rows_count = count;
    }
    return &n->rows[key];
}

static uint64_t oracle_digest(const struct history *h, uint32_t key, const struct h_row *row) {
    struct version versions[256];
    assert(row->n <= 256);
    for (uint32_t i = 0; i < row->n; i++) versions[i] = (struct version){row->v[i]->event->dot, row->v[i]->event->stamp, row->v[i]->content};
    struct siblings s = {versions, row->n, 256};
    return row_digest(h->keys[key].name, &s, h->origins);
}

static void apply_change(struct history *h, struct h_node *n, struct h_change *c) {
    struct h_row *row = row_of(n, c->key);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row->n; i++)
        if (!h_covers(c, row->v[i]->event->dot)) row->v[kept++] = row->v[i];
    row->n = kept;
    if (c->op != CHANGE_REAP) {
        if (row->n == row->cap) {
            row->cap = row->cap ? row->cap * 2 : 4;
            row->v = xrealloc(row->v, row->cap * sizeof(struct h_change *));
        }
        row->v[row->n++] = c;
    }
    n->digest -= row->digest;
    row->digest = oracle_digest(h, c->key, row);
    n->digest += row->digest;
}

void history_apply(struct history *h, uint32_t node, struct h_event *e) {
    struct h_node *n = &h->nodes[node];
    for (uint32_t i = 0; i < e->changes_count; i++) apply_change(h, n, &e->changes[i]);
    vv_set(&n->vv, e->dot.origin, e->dot.n);
    n->vv_hash += dot_hash(e->dot);
}

void history_started(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t) {
    struct h_node *n = &h->nodes[node];
    n->alive = true;
    n->run++;
    n->refs_count = 0;
    rows_clear(n);
    vv_clear(&n->vv);
    n->digest = n->vv_hash = 0;
    struct vv target = {0};
    for (origin_ref o = 0; o < vv->len; o++)
        if (vv->n[o] > 0) vv_set(&target, history_ref(h, node, t, o), vv->n[o]);
    for (uint32_t i = 0; i < h->events_count; i++)
        if (vv_covers(&target, h->events[i]->dot)) history_apply(h, node, h->events[i]);
    if (vv_compare(&target, &n->vv) != VV_EQUAL) history_fail(h, "I10", "node %u starts with events that nobody made", node);
    vv_finish(&target);
}

void history_stopped(struct history *h, uint32_t node) { h->nodes[node].alive = false; }

const struct h_row *history_row(const struct history *h, uint32_t node, uint32_t key) {
    static const struct h_row none;
    return key < h->nodes[node].rows_count ? &h->nodes[node].rows[key] : &none;
}

struct h_change *h_winner(const struct history *h, const struct h_row *row) {
    struct h_change *winner = NULL;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_event *a = row->v[i]->event, *b = winner ? winner->event : NULL;
        if (!b || a->stamp > b->stamp || (a->stamp == b->stamp && dot_compare(h->origins, a->dot, b->dot) > 0)) winner = row->v[i];
    }
    return winner;
}

uint64_t h_expire_ms(const struct h_row *row) {
    uint64_t longest = 0;
    for (uint32_t i = 0; i < row->n; i++) {
        if (row->v[i]->content.n == 0) continue;
        uint64_t ms = content_expires_ms(row->v[i]->content);
        if (ms == 0) return 0;
        if (ms > longest) longest = ms;
    }
    return longest;
}

bool history_is_sibling(const struct history *h, const struct vv *vv, const struct h_change *v) {
    if (v->op == CHANGE_REAP || !h_in(vv, v)) return false;
    const struct h_key *k = &h->keys[v->key];
    for (uint32_t i = 0; i < k->n; i++)
        if (h_in(vv, k->changes[i]) && h_covers(k->changes[i], v->event->dot)) return false;
    return true;
}
