#include "checks.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH(s) (int)((s).n < 60 ? (s).n : 60), (const char *)(s).p

/* ---- no silent loss ---- */

static struct h_op *version_of(const struct h_event *e, uint32_t key, uint8_t kind, struct slice name) {
    for (uint32_t i = 0; e && i < e->changes_count; i++)
        for (uint32_t k = 0; e->changes[i].key == key && k < e->changes[i].ops_count; k++) {
            struct h_op *op = &e->changes[i].ops[k];
            if ((op->flags & OP_PUT) && op->kind == kind && slice_equal(op->name, name)) return op;
        }
    return NULL;
}

/* The cells that a whole row's versions became have names of their own. */
static bool has_changed_form(const struct h_key *k) { return k->merged && k->whole; }

void check_journaled(struct history *h, uint32_t node, const struct loss *l, const struct origins *t) {
    struct dot dot = {history_ref(h, node, t, l->loser.dot.origin), l->loser.dot.n};
    uint32_t key = history_key(h, l->key);
    struct h_event *e = history_event(h, dot);
    struct h_op *op = version_of(e, key, l->kind, l->name);
    if (!op && e && has_changed_form(&h->keys[key])) return;
    if (!op) {
        history_fail(h, "I2", "node %u's journal has %s for key %.*s, which nobody wrote", node, h_dot(h, dot), WIDTH(l->key));
        return;
    }
    if (!slice_equal(op->value, l->loser.content) || e->stamp != l->loser.stamp)
        history_fail(h, "I2", "node %u's journal has another value for %s than was written", node, h_dot(h, dot));
    op->journaled |= (h_nodes)1 << node;
    op->by_type |= l->outcome == LOSS_TYPE;
}

static bool in_row(const struct h_row *row, const struct h_op *op) {
    for (uint32_t i = 0; i < row->n; i++)
        if (row->v[i].op == op && !row->v[i].counts) return true;
    return false;
}

static void note_known(const struct vv *vv, struct h_change *w) {
    for (uint32_t i = 0; h_in(vv, w) && i < w->saw_count; i++) w->saw[i]->known = true;
}

static bool was_reaped(const struct history *h, uint32_t key) {
    const struct h_key *k = &h->keys[key];
    for (uint32_t i = 0; i < k->n; i++)
        if (k->changes[i]->op == CHANGE_REAP && h_in(&h->nodes[0].vv, k->changes[i])) return true;
    return false;
}

static bool is_tombstone(const struct h_change *c) { return (c->op == CHANGE_DELETE || c->op == CHANGE_ANSWER) && c->content.n == 0; }

/* Two deletes beside each other say the same, and are collected together. */
static bool is_delete_beside_delete(const struct history *h, const struct h_op *op) {
    const struct h_change *v = op->change;
    const struct h_key *k = &h->keys[v->key];
    for (uint32_t i = 0; is_tombstone(v) && i < k->n; i++) {
        const struct h_change *u = k->changes[i];
        if (u != v && is_tombstone(u) && !h_covers(u, v->event->dot) && !h_covers(v, u->event->dot)) return true;
    }
    return false;
}

/* It left its row though nobody who saw it overwrote it: then it was hidden somewhere, and is in every journal; but where a reap took its rival
 * away first, nothing hid it. */
static void check_left_unseen(struct history *h, const struct h_op *op) {
    const struct h_change *v = op->change;
    struct slice key = h->keys[v->key].name;
    h_nodes all = h->nodes_count < NODES_MAX ? ((h_nodes)1 << h->nodes_count) - 1 : ~(h_nodes)0;
    if (op->journaled == all || (op->journaled != 0 && was_reaped(h, v->key)) || has_changed_form(&h->keys[v->key])) return;
    if (is_delete_beside_delete(h, op)) return;
    if (op->by_type) return; /* it was hidden only where the other type was there when it left */
    uint32_t node = 0;
    while (op->journaled >> node & 1) node++;
    history_fail(h, "I2", "%s of %.*s has gone, nobody who saw it overwrote it, and it is not in the journal of node %u", h_dot(h, v->event->dot),
                 WIDTH(key), node);
}

/* Only what had a rival can have lost. */
static void check_had_rival(struct history *h, const struct h_op *op) {
    const struct h_change *v = op->change;
    const struct h_key *k = &h->keys[v->key];
    for (uint32_t i = 0; i < k->n; i++) {
        const struct h_change *u = k->changes[i];
        if (u == v || h_covers(u, v->event->dot) || h_covers(v, u->event->dot)) continue;
        for (uint32_t n = 0; n < u->ops_count; n++)
            if ((u->ops[n].flags & OP_PUT) && u->ops[n].kind == op->kind && slice_equal(u->ops[n].name, op->name)) return;
    }
    if (op->by_type || has_changed_form(k)) return;
    history_fail(h, "I2", "%s of %.*s is in a journal, though every other version was made knowing it, or known to it", h_dot(h, v->event->dot),
                 WIDTH(k->name));
}

static void check_version(struct history *h, const struct h_op *op) {
    if (op->journaled != 0) check_had_rival(h, op);
    if (!op->known && !in_row(history_row(h, 0, op->change->key), op)) check_left_unseen(h, op);
}

void check_accounted(struct history *h) {
    const struct vv *vv = &h->nodes[0].vv;
    for (uint32_t i = 0; i < h->events_count; i++)
        for (uint32_t j = 0; j < h->events[i]->changes_count; j++) note_known(vv, &h->events[i]->changes[j]);
    for (uint32_t i = 0; i < h->events_count; i++)
        for (uint32_t j = 0; j < h->events[i]->changes_count; j++) {
            const struct h_change *c = &h->events[i]->changes[j];
            for (uint32_t k = 0; h_in(vv, c) && k < c->ops_count; k++)
                if (h_makes_version(&c->ops[k])) check_version(h, &c->ops[k]);
        }
}

/* ---- acknowledged writes ---- */

struct h_event *check_write(struct history *h, uint32_t key, uint32_t from, struct slice value, enum outcome outcome, bool promised) {
    const struct h_key *k = &h->keys[key];
    struct h_event *made = NULL;
    for (uint32_t i = from; i < k->n && !made; i++) {
        struct slice content = k->changes[i]->content;
        if (content.n >= value.n && memmem(content.p, content.n, value.p, value.n)) made = k->changes[i]->event;
    }
    if (outcome == OUTCOME_FAILED && made) history_fail(h, "I3", "%.*s was refused, but %s wrote it", WIDTH(value), h_dot(h, made->dot));
    if (outcome != OUTCOME_OK) return made;
    if (!made)
        history_fail(h, "I2", "%.*s was acknowledged, but no event wrote it", WIDTH(value));
    else if (promised && !made->gone && !vv_covers(&h->nodes[0].vv, made->dot))
        history_fail(h, "I2", "%.*s was acknowledged, but its event %s is lost", WIDTH(value), h_dot(h, made->dot));
    return made;
}

void check_replicas(struct history *h, const struct h_event *e, uint64_t replicas) {
    uint64_t have = 0;
    for (uint32_t i = 0; i < h->nodes_count; i++) have += vv_covers(&h->nodes[i].made, e->dot) || vv_covers(&h->nodes[i].had, e->dot);
    if (replicas + 1 > have)
        history_fail(h, "I2", "WAIT says that %llu other nodes have %s on disk, but with its own only %llu do", (unsigned long long)replicas,
                     h_dot(h, e->dot), (unsigned long long)have);
}

static uint64_t number_in(struct slice content) {
    struct slice text = content.n > 0 && content_type(content) == CONTENT_STRING ? content_string(content) : SLICE(NULL, 0);
    uint64_t value = 0;
    for (size_t i = 0; i < text.n; i++) value = value * 10 + (uint64_t)(text.p[i] - '0');
    return value;
}

/* What was counted by events that went with their disks. */
static uint64_t counted_and_gone(const struct history *h, uint32_t key) {
    const struct h_key *k = &h->keys[key];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        const struct h_change *c = k->changes[i];
        if (!c->event->gone || h_in(&h->nodes[0].vv, c)) continue;
        for (uint32_t j = 0; j < c->ops_count; j++)
            if (c->ops[j].flags & OP_COUNT) sum += (uint64_t)(c->ops[j].amount / H_ONE);
        uint64_t now = number_in(c->op == CHANGE_PUT ? c->content : SLICE(NULL, 0)), before = number_in(buf_slice_of(&c->was));
        if (c->op == CHANGE_PUT && now > before) sum += now - before;
    }
    return sum;
}

/* Of a whole row, increments by two runs that did not know of each other are a conflict, and one of them is read. */
static bool was_in_conflict(const struct h_key *k) {
    for (uint32_t i = 0; k->whole && i < k->n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (!h_covers(k->changes[i], k->changes[j]->event->dot)) return true;
    return false;
}

void check_counter(struct history *h, struct slice key, uint64_t ok, uint64_t unknown, bool promised) {
    struct buf content = {0};
    h_view(h, 0, history_key(h, key), &content);
    uint64_t value = number_in(buf_slice_of(&content)), gone = counted_and_gone(h, history_key(h, key));
    buf_finish(&content);
    if (promised && value + gone < ok && !was_in_conflict(&h->keys[history_key(h, key)]))
        history_fail(h, "I8", "%.*s is %llu after %llu acknowledged increments", WIDTH(key), (unsigned long long)value, (unsigned long long)ok);
    if (value > ok + unknown)
        history_fail(h, "I8", "%.*s is %llu after %llu acknowledged increments and %llu of unknown outcome: one counted twice", WIDTH(key),
                     (unsigned long long)value, (unsigned long long)ok, (unsigned long long)unknown);
}
