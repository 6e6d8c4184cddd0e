/* I7: episodes are the connected components of concurrency among the versions of a cell, by brute force from the history. */
#include "checks.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH(s) (int)((s).n < 60 ? (s).n : 60), (const char *)(s).p

struct h_episode {
    uint32_t key;
    enum cell_kind kind;
    struct slice name;
    struct h_op **members; /* owned */
    uint32_t count;
    struct dot number;
    bool open;
    h_nodes told; /* nodes whose journal has it */
};
struct h_episodes {
    struct h_episode *e;
    uint32_t n, cap;
    struct h_op **versions; /* of one cell, in order of making; scratch */
    uint32_t *groups;
    uint32_t versions_n, versions_cap;
};

/* ---- brute force ---- */

/* A later one that does not cover an earlier one is concurrent with it: of the two, only the later can know the other. */
static uint32_t group_of(struct h_episodes *s, uint32_t i) {
    while (s->groups[i] != i) i = s->groups[i] = s->groups[s->groups[i]];
    return i;
}

static void connect(struct h_episodes *s) {
    for (uint32_t i = 0; i < s->versions_n; i++) s->groups[i] = i;
    for (uint32_t later = 1; later < s->versions_n; later++)
        for (uint32_t i = 0; i < later; i++)
            if (!h_op_covers(s->versions[later], s->versions[i]->change->event->dot)) s->groups[group_of(s, later)] = group_of(s, i);
}

static bool is_live(const struct history *h, const struct h_op *op) {
    const struct h_row *row = history_row(h, 0, op->change->key);
    for (uint32_t i = 0; i < row->n; i++)
        if (row->v[i].op == op && row->v[i].kind == op->kind) return true;
    return false;
}

/* Of the latest of each origin, the smallest. */
static struct dot number_of(const struct history *h, const struct h_episode *e) {
    struct dot number = {0};
    for (uint32_t i = 0; i < e->count; i++) {
        struct dot d = e->members[i]->change->event->dot;
        bool same = number.n > 0 && d.origin == number.origin;
        if (number.n == 0 || (same ? d.n > number.n : origins_compare(h->origins, d.origin, number.origin) < 0)) number = d;
    }
    return number;
}

static void add_episode(struct history *h, struct h_episodes *s, uint32_t group) {
    struct h_episode e = {.kind = s->versions[group]->kind, .name = s->versions[group]->name, .key = s->versions[group]->change->key};
    const struct h_op *live = NULL;
    e.members = xmalloc(s->versions_n * sizeof(struct h_op *));
    for (uint32_t i = 0; i < s->versions_n; i++) {
        struct h_op *op = s->versions[i];
        if (group_of(s, i) != group) continue;
        e.members[e.count++] = op;
        if (!is_live(h, op)) continue;
        e.open |= live && !slice_equal(live->value, op->value);
        live = op;
    }
    e.number = number_of(h, &e);
    if (e.count < 2) {
        free(e.members);
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 32;
        s->e = xrealloc(s->e, s->cap * sizeof *s->e);
    }
    s->e[s->n++] = e;
}

static void add_version(struct h_episodes *s, struct h_op *op) {
    if (s->versions_n == s->versions_cap) {
        s->versions_cap = s->versions_cap ? s->versions_cap * 2 : 64;
        s->versions = xrealloc(s->versions, s->versions_cap * sizeof(struct h_op *));
        s->groups = xrealloc(s->groups, s->versions_cap * sizeof *s->groups);
    }
    s->versions[s->versions_n++] = op;
}

/* All versions of the cell that `first` is the first of. */
static void gather(const struct history *h, struct h_episodes *s, const struct h_key *k, const struct h_op *first) {
    s->versions_n = 0;
    for (uint32_t i = 0; i < k->n; i++)
        for (uint32_t j = 0; j < k->changes[i]->ops_count; j++) {
            struct h_op *op = &k->changes[i]->ops[j];
            bool same = h_makes_version(op) && op->kind == first->kind && slice_equal(op->name, first->name);
            if (same && h_in(&h->nodes[0].vv, k->changes[i])) add_version(s, op);
        }
}

static bool is_first(const struct history *h, const struct h_key *k, uint32_t change, const struct h_op *op) {
    for (uint32_t i = 0; i < change; i++)
        for (uint32_t j = 0; j < k->changes[i]->ops_count; j++) {
            const struct h_op *o = &k->changes[i]->ops[j];
            if (h_makes_version(o) && o->kind == op->kind && slice_equal(o->name, op->name) && h_in(&h->nodes[0].vv, k->changes[i])) return false;
        }
    return true;
}

static void add_key(struct history *h, struct h_episodes *s, const struct h_key *k) {
    for (uint32_t i = 0; i < k->n; i++)
        for (uint32_t j = 0; h_in(&h->nodes[0].vv, k->changes[i]) && j < k->changes[i]->ops_count; j++) {
            const struct h_op *op = &k->changes[i]->ops[j];
            if (!h_makes_version(op) || !is_first(h, k, i, op)) continue;
            gather(h, s, k, op);
            connect(s);
            for (uint32_t v = 0; v < s->versions_n; v++)
                if (group_of(s, v) == v) add_episode(h, s, v);
        }
}

/* Where a whole row became cells, versions of one cell are versions of another. */
static bool has_changed_form(const struct h_key *k) { return k->merged && k->whole; }

struct h_episodes *h_episodes_now(struct history *h) {
    struct h_episodes *s = xcalloc(1, sizeof *s);
    for (uint32_t key = 0; key < h->keys_count; key++)
        if (!has_changed_form(&h->keys[key])) add_key(h, s, &h->keys[key]);
    return s;
}

void h_episodes_free(struct h_episodes *s) {
    for (uint32_t i = 0; i < s->n; i++) free(s->e[i].members);
    free(s->e);
    free(s->versions);
    free(s->groups);
    free(s);
}

/* ---- what the journals say ---- */

static bool holds(struct history *h, uint32_t node, const struct episode *ep, const struct origins *t, struct dot d) {
    for (uint32_t i = 0; i < ep->members.ranges_count; i++) {
        const struct range *r = &ep->members.ranges[i];
        if (history_ref(h, node, t, r->origin) == d.origin && d.n > r->after && d.n <= r->upto) return true;
    }
    return false;
}

static bool is_member(const struct h_episode *e, const struct h_op *op) {
    for (uint32_t i = 0; i < e->count; i++)
        if (e->members[i] == op) return true;
    return false;
}

static void check_members(struct history *h, struct h_episodes *s, uint32_t node, const struct episode *ep, const struct origins *t,
                          struct h_episode *e) {
    const struct h_key *k = &h->keys[e->key];
    gather(h, s, k, e->members[0]);
    for (uint32_t i = 0; i < s->versions_n; i++) {
        struct dot d = s->versions[i]->change->event->dot;
        bool there = holds(h, node, ep, t, d), belongs = is_member(e, s->versions[i]);
        if (there != belongs)
            history_fail(h, "I7", "in the journal of node %u %s is %s episode %s of %.*s", node, h_dot(h, d), there ? "part of" : "missing in",
                         h_dot(h, e->number), WIDTH(k->name));
    }
    if (ep->open != e->open)
        history_fail(h, "I7", "in the journal of node %u episode %s of %.*s is %s", node, h_dot(h, e->number), WIDTH(k->name),
                     ep->open ? "open, but its versions are not there any more, or are equal" : "closed, but versions of different content stand");
    if (e->told >> node & 1) history_fail(h, "I7", "the journal of node %u has episode %s twice", node, h_dot(h, e->number));
    e->told |= (h_nodes)1 << node;
}

void check_episode(struct history *h, struct h_episodes *s, uint32_t node, const struct episode *ep, const struct origins *t) {
    uint32_t key = history_key(h, ep->key);
    struct dot number = {history_ref(h, node, t, ep->number.origin), ep->number.n};
    if (ep->kind == CELL_TYPES || has_changed_form(&h->keys[key])) return;
    for (uint32_t i = 0; i < s->n; i++) {
        struct h_episode *e = &s->e[i];
        if (e->key != key || e->kind != ep->kind || !slice_equal(e->name, ep->name) || !dot_equal(e->number, number)) continue;
        check_members(h, s, node, ep, t, e);
        return;
    }
    history_fail(h, "I7", "the journal of node %u has an episode %s of %.*s, which there is not", node, h_dot(h, number), WIDTH(ep->key));
}

void check_episodes_complete(struct history *h, const struct h_episodes *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n; i++)
        if (!(s->e[i].told >> node & 1))
            history_fail(h, "I7", "the journal of node %u lacks episode %s of %.*s, of %u versions", node, h_dot(h, s->e[i].number),
                         WIDTH(h->keys[s->e[i].key].name), s->e[i].count);
}
