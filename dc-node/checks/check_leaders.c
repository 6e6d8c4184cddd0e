/* I13: leaders, terms and votes; and what a new leader must have. */
#include "checks.h"

#include <stdlib.h>

/* ---- terms ---- */

void check_term(struct history *h, uint32_t node, uint64_t term, uint64_t now_us) {
    struct h_node *n = &h->nodes[node];
    if (now_us != n->term_us) n->term_before = n->term;
    n->term_us = now_us;
    if (term < n->term_before)
        history_fail(h, "I13", "node %u speaks in term %llu, but has spoken in term %llu", node, (unsigned long long)term,
                     (unsigned long long)n->term_before);
    if (term > n->term) n->term = term;
}

/* ---- votes ---- */

void check_vote(struct history *h, uint32_t node, uint64_t term, uint32_t candidate, uint64_t now_us) {
    struct h_elections *el = &h->elections;
    check_term(h, node, term, now_us);
    for (uint32_t i = el->votes_count; i-- > 0;) {
        const struct h_vote *v = &el->votes[i];
        if (v->node != node || v->term != term) continue;
        if (v->candidate != candidate)
            history_fail(h, "I13", "node %u votes for node %u in term %llu, but has voted for node %u in it", node, candidate,
                         (unsigned long long)term, v->candidate);
        return;
    }
    el->votes = xrealloc(el->votes, (el->votes_count + 1) * sizeof *el->votes);
    el->votes[el->votes_count++] = (struct h_vote){node, candidate, term};
}

/* ---- leaders ---- */

/* What was acknowledged in an earlier term: a majority had it then, so one of its voters did. */
static void check_has_promised(struct history *h, uint32_t node, uint64_t term) {
    const struct h_elections *el = &h->elections;
    for (uint32_t i = 0; i < el->promises_count; i++) {
        const struct h_promise *p = &el->promises[i];
        if (p->term >= term || p->dc != h_dc_of(h, node) || p->event->left || vv_covers(&h->nodes[node].vv, p->event->dot)) continue;
        history_fail(h, "I14", "node %u takes writes in term %llu, but lacks %s, which was acknowledged by a majority in term %llu", node,
                     (unsigned long long)term, h_dot(h, p->event->dot), (unsigned long long)p->term);
    }
}

void check_leads(struct history *h, uint32_t node, uint64_t term) {
    struct h_elections *el = &h->elections;
    for (uint32_t i = el->reigns_count; i-- > 0;) {
        const struct h_reign *r = &el->reigns[i];
        if (r->term != term || r->dc != h_dc_of(h, node)) continue;
        if (r->node != node) history_fail(h, "I13", "node %u leads in term %llu, in which node %u has led", node, (unsigned long long)term, r->node);
        return;
    }
    el->reigns = xrealloc(el->reigns, (el->reigns_count + 1) * sizeof *el->reigns);
    el->reigns[el->reigns_count++] = (struct h_reign){node, h_dc_of(h, node), term};
    check_has_promised(h, node, term);
}

/* ---- acknowledgements ---- */

static uint32_t majority_of(const struct history *h, uint32_t dc) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->nodes_count; i++) count += h_dc_of(h, i) == dc;
    return count / 2 + 1;
}

void check_majority(struct history *h, struct h_event *e, uint64_t term) {
    struct h_elections *el = &h->elections;
    uint32_t dc = h_dc_of(h, e->node), have = 0;
    for (uint32_t i = 0; i < h->nodes_count; i++)
        have += h_dc_of(h, i) == dc && (vv_covers(&h->nodes[i].made, e->dot) || vv_covers(&h->nodes[i].had, e->dot));
    if (have < majority_of(h, dc))
        history_fail(h, "I14", "%s was acknowledged by a majority, but %u nodes of its datacenter have had it on disk", h_dot(h, e->dot), have);
    if (el->promises_count == el->promises_cap) {
        el->promises_cap = el->promises_cap ? el->promises_cap * 2 : 64;
        el->promises = xrealloc(el->promises, el->promises_cap * sizeof *el->promises);
    }
    el->promises[el->promises_count++] = (struct h_promise){e, dc, term};
}

void h_elections_finish(struct h_elections *el) {
    free(el->votes);
    free(el->reigns);
    free(el->promises);
}
