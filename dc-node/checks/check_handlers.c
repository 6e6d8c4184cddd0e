/* I15: a good handler gives the same answer to the same siblings everywhere; a bad one leaves rows recorded, the same in all datacenters. */
#include "../../conflict/handler.h"
#include "checks.h"

#include <string.h>

#define WIDTH(s) (int)((s).n < 60 ? (s).n : 60), (const char *)(s).p

/* Handlers that are functions of what they are given, but for the base, which may not be at hand. */
static bool is_good(const struct handler_chain *c) {
    static const char *const bad[] = {"rand", "viewpoint", "prefer-base"};
    for (uint32_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
            if (strcmp(c->names[i], bad[k]) == 0) return false;
    return true;
}

/* Is somebody sure to answer, or to say that he cannot? */
static bool must_end(const struct handler_chain *c) {
    for (uint32_t i = 0; i < c->count; i++)
        if (strcmp(c->names[i], "absent") == 0 || strcmp(c->names[i], "prefer-base") == 0) return false;
    return true;
}

static const struct cluster_table *table_of(const struct history *h, const struct h_key *k) {
    for (uint32_t i = 0; h->cluster && i < h->cluster->tables_count; i++) {
        const struct cluster_table *t = &h->cluster->tables[i];
        size_t n = strlen(t->name);
        if (k->name.n > n && k->name.p[n] == ':' && memcmp(k->name.p, t->name, n) == 0) return t;
    }
    return NULL;
}

static void check_same_answers(struct history *h, const struct h_key *k) {
    for (uint32_t i = 0; i < k->n; i++)
        for (uint32_t j = 0; k->changes[i]->op == CHANGE_ANSWER && j < i; j++) {
            const struct h_change *a = k->changes[i], *b = k->changes[j];
            if (b->op == CHANGE_ANSWER && a->inputs == b->inputs && !slice_equal(a->content, b->content))
                history_fail(h, "I15", "%s and %s of %.*s are answers to the same versions, but differ", h_dot(h, a->event->dot),
                             h_dot(h, b->event->dot), WIDTH(k->name));
        }
}

/* A change said of just these siblings that no handler settles them. */
static bool was_recorded(const struct h_row *row, const struct h_change *c) {
    if (c->op != CHANGE_RECORD || c->unseen_count != row->n) return false;
    for (uint32_t i = 0; i < row->n; i++) {
        bool named = false;
        for (uint32_t k = 0; k < c->unseen_count; k++) named |= dot_equal(c->unseen[k], row->v[i].op->change->event->dot);
        if (!named) return false;
    }
    return true;
}

static bool answered_too_often(const struct h_row *row) {
    for (uint32_t i = 0; i < row->n; i++)
        if (row->v[i].op->change->op == CHANGE_ANSWER && row->v[i].op->change->generation >= GENERATIONS_MAX) return true;
    return false;
}

/* Who answers differently to the same is not asked again. */
static void check_not_again(struct history *h, const struct h_key *k) {
    for (uint32_t i = 0; i < k->n; i++)
        if (k->changes[i]->settles_doubt)
            history_fail(h, "I15", "%s settles %.*s by a handler that had answered differently to the same versions",
                         h_dot(h, k->changes[i]->event->dot), WIDTH(k->name));
}

static void check_settled(struct history *h, uint32_t key) {
    const struct h_row *row = history_row(h, 0, key);
    const struct h_key *k = &h->keys[key];
    if (!h_row_open(row) || h_policy(h, 0, key) != POLICY_HANDLER || h_row_doubtful(row) || answered_too_often(row)) return;
    for (uint32_t i = 0; i < k->n; i++)
        if (h_in(&h->nodes[0].vv, k->changes[i]) && was_recorded(row, k->changes[i])) return;
    history_fail(h, "I15", "at rest %.*s is open, %u versions, the first %s: no handler answered, and nothing says why", WIDTH(k->name), row->n,
                 h_dot(h, row->v[0].op->change->event->dot));
}

void check_answers(struct history *h, bool all_have_handlers) {
    for (uint32_t key = 0; key < h->keys_count; key++) {
        const struct cluster_table *t = table_of(h, &h->keys[key]);
        if (!t || t->policy != POLICY_HANDLER) continue;
        if (is_good(&t->chain)) check_same_answers(h, &h->keys[key]);
        check_not_again(h, &h->keys[key]);
        if (all_have_handlers && must_end(&t->chain)) check_settled(h, key);
    }
}
