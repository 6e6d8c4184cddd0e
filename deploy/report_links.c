/* Cuts, clogs and slowness between datacenters over time, from what happened to each directed link. */
#include "report_picture.h"

#include <stdlib.h>
#include <string.h>

#define NAMED_LINKS_MAX 4u

const char *link_fault_name(enum link_fault f) {
    static const char *const names[] = {"cut", "clogged", "slow"};
    return names[f];
}

struct pair_now {
    uint32_t links[2]; /* a to b, b to a: now, and in the span that is open */
    uint32_t spans[2];
    uint64_t since_us;
    char *text;
    bool changed;
};

struct links_now {
    struct picture *picture;
    uint8_t *faults; /* [from * nodes + to]: a bit for each fault */
    struct pair_now *pairs;
};

static struct pair_now *pair_of(struct links_now *n, uint32_t a, uint32_t b, enum link_fault f) {
    return &n->pairs[((size_t)a * DCS_MAX + b) * (FAULT_SLOW + 1) + f];
}

static uint32_t links_between(const struct cluster *c, uint32_t a, uint32_t b) {
    return a == b ? c->dcs[a].nodes_count * (c->dcs[a].nodes_count - 1) : c->dcs[a].nodes_count * c->dcs[b].nodes_count;
}

/* "us > eu", "us | eu", or the nodes where not all of them are concerned. */
static char *pair_words(struct links_now *n, uint32_t a, uint32_t b, enum link_fault f) {
    const struct cluster *c = n->picture->scenario->cluster;
    const struct pair_now *now = pair_of(n, a, b, f);
    uint32_t all = links_between(c, a, b), named = 0, both = now->links[0] + now->links[1];
    bool whole = (now->links[0] == all || !now->links[0]) && (now->links[1] == all || !now->links[1]);
    struct buf out = {0};
    buf_printf(&out, "%s", link_fault_name(f));
    if (whole && a != b) {
        bool back = !now->links[0];
        buf_printf(&out, ": %s %s %s", c->dcs[back ? b : a].name, now->links[0] && now->links[1] ? "|" : ">", c->dcs[back ? a : b].name);
    } else {
        for (uint32_t i = 0; i < c->nodes_count && named < NAMED_LINKS_MAX; i++) {
            for (uint32_t k = 0; k < c->nodes_count && named < NAMED_LINKS_MAX; k++) {
                uint32_t x = c->nodes[i].dc, y = c->nodes[k].dc;
                if (!((x == a && y == b) || (x == b && y == a)) || !(n->faults[i * c->nodes_count + k] & 1u << f)) continue;
                buf_printf(&out, "%s %s > %s", named++ ? "," : ":", c->nodes[i].name, c->nodes[k].name);
            }
        }
        if (both > named) buf_printf(&out, ", and %u more", both - named);
    }
    buf_u8(&out, 0);
    return (char *)out.p;
}

static void close_pair(struct links_now *n, uint32_t a, uint32_t b, enum link_fault f, struct pair_now *was, uint64_t at_us) {
    struct picture *p = n->picture;
    if (!was->text) return;
    if (p->links_count < SHOWN_SPANS_MAX && at_us > was->since_us) {
        if (p->links_count == p->links_cap) {
            p->links_cap = p->links_cap ? p->links_cap * 2 : 64;
            p->links = xrealloc(p->links, p->links_cap * sizeof *p->links);
        }
        p->links[p->links_count++] = (struct link_span){.from_us = was->since_us,
                                                        .to_us = at_us,
                                                        .fault = f,
                                                        .a = a,
                                                        .b = b,
                                                        .text = was->text,
                                                        .a_to_b = was->spans[0],
                                                        .b_to_a = was->spans[1],
                                                        .links = links_between(p->scenario->cluster, a, b)};
    } else {
        p->spans_left_out += at_us > was->since_us;
        free(was->text);
    }
    was->text = NULL;
}

/* After all that changed at one time. */
static void settle(struct links_now *n, uint64_t at_us, bool last) {
    uint32_t dcs = n->picture->scenario->cluster->dcs_count;
    for (uint32_t a = 0; a < dcs; a++) {
        for (uint32_t b = a; b < dcs; b++) {
            for (enum link_fault f = FAULT_CUT; f <= FAULT_SLOW; f++) {
                struct pair_now *now = pair_of(n, a, b, f);
                if (!now->changed && !last) continue;
                bool is = (now->links[0] || now->links[1]) && !last;
                char *words = is ? pair_words(n, a, b, f) : NULL;
                now->changed = false;
                if (words && now->text && strcmp(words, now->text) == 0) {
                    free(words);
                    continue;
                }
                close_pair(n, a, b, f, now, at_us);
                now->text = words;
                now->since_us = at_us;
                memcpy(now->spans, now->links, sizeof now->spans);
            }
        }
    }
}

static void set_fault(struct links_now *n, uint32_t from, uint32_t to, enum link_fault f, bool is) {
    const struct cluster *c = n->picture->scenario->cluster;
    uint8_t *faults = &n->faults[from * c->nodes_count + to];
    uint32_t a = c->nodes[from].dc, b = c->nodes[to].dc;
    if (!!(*faults & 1u << f) == is) return;
    struct pair_now *pair = a <= b ? pair_of(n, a, b, f) : pair_of(n, b, a, f);
    *faults ^= (uint8_t)(1u << f);
    pair->links[a > b] += is ? 1 : UINT32_MAX;
    pair->changed = true;
}

static void see_link(struct links_now *n, const struct moment *m) {
    uint32_t from = (uint32_t)m->node, to = (uint32_t)m->peer;
    if (strncmp(m->text, "heal", 4) == 0) {
        for (enum link_fault f = FAULT_CUT; f <= FAULT_SLOW; f++) set_fault(n, from, to, f, false);
        return;
    }
    if (strncmp(m->text, "as in the beginning", 5) == 0) set_fault(n, from, to, FAULT_SLOW, false);
    static const char *const words[] = {"cut", "clog", "slow"};
    for (enum link_fault f = FAULT_CUT; f <= FAULT_SLOW; f++)
        if (strncmp(m->text, words[f], strlen(words[f])) == 0) set_fault(n, from, to, f, true);
}

void picture_links(struct picture *p) {
    const struct cluster *c = p->scenario->cluster;
    struct links_now n = {.picture = p,
                          .faults = xcalloc((size_t)c->nodes_count * c->nodes_count + 1, 1),
                          .pairs = xcalloc((size_t)DCS_MAX * DCS_MAX * (FAULT_SLOW + 1), sizeof *n.pairs)};
    uint64_t at_us = 0;
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->kind != MOMENT_LINK || m->node < 0 || m->peer < 0) continue;
        if (m->at_us != at_us) settle(&n, at_us, false);
        at_us = m->at_us;
        see_link(&n, m);
    }
    settle(&n, at_us, false);
    settle(&n, p->length_us, true);
    free(n.faults);
    free(n.pairs);
}
