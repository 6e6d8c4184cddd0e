#include "history.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct history *history_create(uint32_t nodes, uint64_t clock_bound_ms, const struct cluster *c) {
    struct history *h = xcalloc(1, sizeof *h);
    h->origins = origins_create();
    h->clock_bound_ms = clock_bound_ms;
    h->cluster = c;
    h->nodes = xcalloc(nodes, sizeof *h->nodes);
    h->nodes_count = nodes;
    h->keys_index_size = 256;
    h->keys_index = xcalloc(h->keys_index_size, sizeof *h->keys_index);
    h->digests_size = 1024;
    h->digests = xcalloc(h->digests_size, sizeof *h->digests);
    return h;
}

static void event_free(struct h_event *e) {
    for (uint32_t i = 0; i < e->changes_count; i++) h_change_finish(&e->changes[i]);
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
        vv_finish(&h->nodes[i].had);
        vv_finish(&h->nodes[i].joining);
        vv_finish(&h->nodes[i].trimmed);
        free(h->nodes[i].refs);
    }
    for (uint32_t i = 0; i < h->backups_count; i++) {
        vv_finish(&h->backups[i].made);
        vv_finish(&h->backups[i].latest);
    }
    free(h->backups);
    h_elections_finish(&h->elections);
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

static struct h_source *source(struct history *h, origin_ref o);

/* Rows that define priorities, and mark numbers, are found by what they are about. */
static void note_definition(struct history *h, uint32_t key) {
    static const char dc[] = "truce:dc:", mark[] = "truce:mark:";
    struct slice name = h->keys[key].name;
    struct origin o;
    for (uint32_t i = 0; h->cluster && i < h->cluster->dcs_count; i++) {
        bool same = name.n > strlen(dc) && memcmp(name.p, dc, strlen(dc)) == 0 &&
                    slice_equal(SLICE(name.p + strlen(dc), name.n - strlen(dc)), slice_text(h->cluster->dcs[i].name));
        if (same) h->priority_keys[i] = key + 1;
    }
    if (name.n <= strlen(mark) || memcmp(name.p, mark, strlen(mark)) != 0) return;
    if (!origin_parse(SLICE(name.p + strlen(mark), name.n - strlen(mark)), &o)) return;
    source(h, origins_intern(h->origins, &o))->mark_key = key + 1;
    h->any_mark = true;
}

/* The table that the key names: what the cluster says of it, and the row that may define it. */
static void find_table(struct history *h, struct h_key *k) {
    size_t n = 0;
    while (n < k->name.n && k->name.p[n] != ':') n++;
    bool reserved = n == 5 && k->name.n > 5 && memcmp(k->name.p, "truce", 5) == 0;
    k->policy = h->cluster && !reserved ? h->cluster->rest.policy : POLICY_LWW;
    k->definition = UINT32_MAX;
    if (!h->cluster || reserved || n == k->name.n) return;
    for (uint32_t i = 0; i < h->cluster->tables_count; i++) {
        const struct cluster_table *t = &h->cluster->tables[i];
        if (slice_equal(slice_text(t->name), SLICE(k->name.p, n))) k->policy = t->policy;
    }
    struct buf name = {0};
    buf_printf(&name, "truce:table:%.*s", (int)n, (const char *)k->name.p);
    uint32_t index = (uint32_t)(k - h->keys), definition = history_key(h, buf_slice_of(&name));
    h->keys[index].definition = definition; /* the array may have moved */
    buf_finish(&name);
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
    find_table(h, &h->keys[key]);
    note_definition(h, key);
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

static bool event_covers(const struct h_event *e, struct dot d) { return d.origin == e->dot.origin ? d.n < e->dot.n : vv_covers(&e->deps, d); }

bool h_covers(const struct h_change *c, struct dot d) {
    for (uint32_t i = 0; i < c->unseen_count; i++)
        if (dot_equal(c->unseen[i], d)) return false;
    return event_covers(c->event, d);
}

bool h_op_covers(const struct h_op *op, struct dot d) {
    if (op->kind == CELL_ROW) return h_covers(op->change, d);
    for (uint32_t i = 0; i < op->unseen_count; i++)
        if (dot_equal(op->unseen[i], d)) return false;
    return event_covers(op->change->event, d);
}

bool h_makes_version(const struct h_op *op) {
    return (op->flags & OP_PUT) && (op->kind == CELL_ROW || op->kind == CELL_STRING || op->kind == CELL_FIELD);
}

bool h_in(const struct vv *vv, const struct h_change *c) { return vv_covers(vv, c->event->dot); }

/* ---- recording ---- */

static void record_change(struct history *h, uint32_t node, struct h_event *e, struct h_change *to, const struct change *from, struct dot self,
                          const struct origins *t) {
    *to = (struct h_change){.event = e, .op = from->op, .key = history_key(h, from->key), .content = copy(from->content)};
    to->unseen_count = from->unseen_count;
    to->unseen = xmalloc(from->unseen_count * sizeof *to->unseen + 1);
    for (uint32_t i = 0; i < from->unseen_count; i++)
        to->unseen[i] = (struct dot){history_ref(h, node, t, from->unseen[i].origin), from->unseen[i].n};
    h_change_read(h, node, to, from, self, t);
    struct h_key *k = &h->keys[to->key];
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 16;
        k->changes = xrealloc(k->changes, k->cap * sizeof(struct h_change *));
    }
    k->changes[k->n++] = to;
    k->merged |= to->op == CHANGE_MERGE;
    k->whole |= to->op != CHANGE_MERGE && to->op != CHANGE_RECORD;
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
    for (uint32_t i = 0; i < from->changes_count; i++) record_change(h, node, e, &e->changes[i], &from->changes[i], from->dot, t);
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

void history_apply(struct history *h, uint32_t node, struct h_event *e) {
    struct h_node *n = &h->nodes[node];
    for (uint32_t i = 0; i < e->changes_count; i++) h_row_apply(h, n, &e->changes[i]);
    vv_set(&n->vv, e->dot.origin, e->dot.n);
    n->vv_hash += dot_hash(e->dot);
}

/* A VV of the engine's, as the history has it. */
static void translate(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t, struct vv *ret) {
    for (origin_ref o = 0; o < vv->len; o++)
        if (vv->n[o] > 0) vv_set(ret, history_ref(h, node, t, o), vv->n[o]);
}

void history_joining(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t) {
    vv_clear(&h->nodes[node].joining);
    translate(h, node, vv, t, &h->nodes[node].joining);
}

void history_joined(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t) {
    struct h_node *n = &h->nodes[node];
    struct vv target = {0};
    translate(h, node, vv, t, &target);
    for (uint32_t i = 0; i < h->events_count; i++)
        if (vv_covers(&target, h->events[i]->dot) && !vv_covers(&n->vv, h->events[i]->dot)) history_apply(h, node, h->events[i]);
    if (vv_compare(&target, &n->vv) != VV_EQUAL) history_fail(h, "I10", "node %u took a transfer with events that nobody made", node);
    vv_finish(&target);
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
    translate(h, node, vv, t, &target);
    for (uint32_t i = 0; i < h->events_count; i++)
        if (vv_covers(&target, h->events[i]->dot)) history_apply(h, node, h->events[i]);
    if (vv_compare(&target, &n->vv) != VV_EQUAL) history_fail(h, "I10", "node %u starts with events that nobody made", node);
    vv_finish(&target);
}

void history_stopped(struct history *h, uint32_t node) { h->nodes[node].alive = false; }

void history_backed_up(struct history *h, uint32_t node, uint32_t backup) {
    h->backups = xrealloc(h->backups, (h->backups_count + 1) * sizeof *h->backups);
    struct h_backup *b = &h->backups[h->backups_count++];
    *b = (struct h_backup){.number = backup};
    vv_copy(&b->made, &h->nodes[node].made);
    vv_copy(&b->latest, &h->nodes[node].latest);
    vv_join(&b->latest, &h->nodes[node].joining);
}

static bool is_on_a_disk(const struct history *h, struct dot d, uint32_t dc) {
    for (uint32_t i = 0; i < h->nodes_count; i++)
        if ((dc == UINT32_MAX || h_dc_of(h, i) == dc) && vv_covers(&h->nodes[i].made, d)) return true;
    return false;
}

static void note_loss(const struct history *h, struct h_event *e) {
    if (!is_on_a_disk(h, e->dot, UINT32_MAX)) e->gone = true;
    if (!is_on_a_disk(h, e->dot, h_dc_of(h, e->node))) e->left = true;
}

/* Terms that no disk of the node's datacenter remembers may come again. */
static void forget_reigns(struct history *h, uint32_t node) {
    struct h_elections *el = &h->elections;
    uint64_t remembered = 0;
    for (uint32_t i = 0; i < h->nodes_count; i++)
        if (h_dc_of(h, i) == h_dc_of(h, node) && h->nodes[i].term > remembered) remembered = h->nodes[i].term;
    for (uint32_t i = el->reigns_count; i-- > 0;)
        if (el->reigns[i].dc == h_dc_of(h, node) && el->reigns[i].term > remembered) el->reigns[i] = el->reigns[--el->reigns_count];
}

void history_replaced(struct history *h, uint32_t node, uint32_t backup) {
    struct h_node *n = &h->nodes[node];
    struct vv before = {0};
    vv_copy(&before, &n->latest);
    vv_join(&n->had, &n->made);
    vv_clear(&n->made);
    vv_clear(&n->latest);
    vv_clear(&n->joining);
    vv_clear(&n->trimmed);
    n->term = n->term_before = 0;
    forget_reigns(h, node);
    for (uint32_t i = 0; backup != 0 && i < h->backups_count; i++) {
        if (h->backups[i].number != backup) continue;
        vv_copy(&n->made, &h->backups[i].made);
        vv_copy(&n->latest, &h->backups[i].latest);
    }
    vv_copy(&n->synced, &n->made);
    for (uint32_t i = 0; i < h->events_count; i++)
        if (vv_covers(&before, h->events[i]->dot)) note_loss(h, h->events[i]);
    vv_finish(&before);
}

bool history_is_sibling(const struct history *h, const struct vv *vv, const struct h_change *v) {
    if (v->op == CHANGE_REAP || v->op == CHANGE_RECORD || !h_in(vv, v)) return false;
    const struct h_key *k = &h->keys[v->key];
    for (uint32_t i = 0; i < k->n; i++)
        if (k->changes[i]->op != CHANGE_RECORD && h_in(vv, k->changes[i]) && h_covers(k->changes[i], v->event->dot)) return false;
    return true;
}
