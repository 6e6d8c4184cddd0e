/* What stands between the datacenters of a replay: cuts, what is held back for a while, and waits until something has come. */
#include "capture_composing.h"

#include <stdio.h>
#include <stdlib.h>

static void put_sides(struct composing *p, uint64_t after_ms, const char *verb, uint32_t from, const char *mark, uint32_t to) {
    char sides[2 * NAME_LEN_MAX + 8];
    snprintf(sides, sizeof sides, "%s %s %s", dc_name(p, from), mark, dc_name(p, to));
    put_step(p, after_ms, json_pack("{s:s}", verb, sides));
}

/* ---- cuts ---- */

static bool all_of(const struct composing *p, const bool *links, uint32_t from, uint32_t to) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t a = 0; a < c->nodes_count; a++)
        for (uint32_t b = 0; b < c->nodes_count; b++)
            if (c->nodes[a].dc == from && c->nodes[b].dc == to && !links[a * c->nodes_count + b]) return false;
    return true;
}

bool dcs_cut(const struct composing *p, uint32_t from, uint32_t to) { return all_of(p, p->cut, from, to); }

/* Has nothing that came about with event e or later gone from one DC to the other? */
static bool cut_for(const struct composing *p, uint32_t from, uint32_t to, size_t e) { return dcs_cut(p, from, to) && e >= p->cut_since[from][to]; }

bool kept_apart(const struct composing *p, uint32_t from, uint32_t to, size_t e) {
    if (p->clogged[from][to]) return p->held_until[from][to] && p->held_from[from][to] <= e;
    if (!cut_for(p, from, to, e)) return false;
    for (uint32_t d = 0; d < p->c->cluster->dcs_count; d++)
        if (d != from && d != to && !cut_for(p, from, d, e) && !cut_for(p, d, to, e)) return false; /* it relays */
    return true;
}

static void set_cut(struct composing *p, uint32_t from, uint32_t to, bool cut) {
    const struct cluster *c = p->c->cluster;
    bool *now = &p->cut[from * c->nodes_count + to];
    if (cut && !*now) p->cut_since[c->nodes[from].dc][c->nodes[to].dc] = p->event;
    *now = cut;
}

static void set_dcs_cut(struct composing *p, uint32_t from, uint32_t to, bool cut) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t a = 0; a < c->nodes_count; a++)
        for (uint32_t b = 0; b < c->nodes_count; b++)
            if (c->nodes[a].dc == from && c->nodes[b].dc == to) set_cut(p, a, b, cut);
}

void note_unsure(struct composing *p, const bool dcs[static DCS_MAX]) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++)
            if (dcs[i] || dcs[k]) p->unsure[i][k] = true;
}

void note_brought(struct composing *p) {
    for (uint32_t from = 0; from < p->c->cluster->dcs_count; from++)
        for (uint32_t to = 0; to < p->c->cluster->dcs_count; to++)
            if (!p->unsure[from][to] && !dcs_cut(p, from, to)) p->brought[from][to] = p->event;
}

/* ---- what was healed ---- */

static bool may_heal(const struct composing *p, uint32_t from, uint32_t to) { return dcs_cut(p, from, to) && !all_of(p, p->ordered, from, to); }

/* Two DCs come together, as far as that was ordered. */
static void heal_pair(struct composing *p, uint32_t a, uint32_t b) {
    bool there = may_heal(p, a, b), back = may_heal(p, b, a);
    if (!there && !back) return;
    note_brought(p);
    release_all(p);
    if (there && back)
        put_sides(p, 1, "heal", a, "|", b);
    else
        put_sides(p, 1, "heal", there ? a : b, ">", there ? b : a);
    if (there) set_dcs_cut(p, a, b, false);
    if (back) set_dcs_cut(p, b, a, false);
    p->unsure[a][b] = p->unsure[b][a] = true;
}

void heal_rest(struct composing *p) {
    uint32_t n = p->c->cluster->nodes_count;
    bool ordered = memchr(p->ordered, true, (size_t)n * n), cut = memchr(p->cut, true, (size_t)n * n);
    if (ordered || !cut) {
        for (uint32_t a = 0; a < p->c->cluster->dcs_count; a++)
            for (uint32_t b = 0; b < a; b++) heal_pair(p, a, b);
        return;
    }
    bool all[DCS_MAX];
    memset(all, true, sizeof all);
    note_brought(p);
    release_all(p);
    put_step(p, 1, json_pack("{s:s}", "heal", "*"));
    memset(p->cut, 0, (size_t)n * n);
    note_unsure(p, all);
}

/* ---- waits ---- */

static bool both_run(const struct composing *p, uint32_t a, uint32_t b) {
    const struct cluster *c = p->c->cluster;
    return p->running[cluster_first(c, a)] && p->running[cluster_first(c, b)];
}

/* What `from` has made so far is in `to`, as far as links allow. */
static void await_brought(struct composing *p, uint32_t from, uint32_t to) {
    char text[2 * NAME_LEN_MAX + 32];
    if (!p->unsure[from][to] || dcs_cut(p, from, to) || p->clogged[from][to] || !both_run(p, from, to)) return;
    snprintf(text, sizeof text, "backlog %s > %s", dc_name(p, from), dc_name(p, to));
    put_step(p, 0, json_pack("{s:s, s:i, s:s}", "expect", text, "at_most", 0, "within", "60s"));
    p->unsure[from][to] = false;
    p->brought[from][to] = p->event;
}

/* What flows one way needs the other for its acknowledgements. */
static bool joined(const struct composing *p, uint32_t a, uint32_t b) { return !dcs_cut(p, a, b) && !dcs_cut(p, b, a); }

static bool relayed(const struct composing *p, uint32_t from, uint32_t to) {
    for (uint32_t d = 0; d < p->c->cluster->dcs_count; d++)
        if (d != from && d != to && joined(p, from, d) && joined(p, d, to)) return true;
    return false;
}

/* It came through a cut all the same: before that took hold, or a node that starts had spoken before it was told. The cut is lifted for so long. */
static void leak(struct composing *p, uint32_t from, uint32_t to) {
    bool there = dcs_cut(p, from, to), back = dcs_cut(p, to, from);
    const char *mark = there && back ? "|" : ">";
    uint32_t a = there ? from : to, b = there ? to : from;
    note_brought(p);
    release_all(p);
    put_sides(p, 1, "heal", a, mark, b);
    if (there) set_dcs_cut(p, from, to, false);
    if (back) set_dcs_cut(p, to, from, false);
    p->unsure[from][to] = p->unsure[to][from] = true;
    await_brought(p, from, to);
    put_sides(p, 0, "cut", a, mark, b);
    if (there) set_dcs_cut(p, from, to, true);
    if (back) set_dcs_cut(p, to, from, true);
}

void bring(struct composing *p, uint32_t from, uint32_t to, size_t known) {
    if (known < p->brought[from][to]) return;
    if (!p->unsure[from][to] && !dcs_cut(p, from, to)) return;
    if (!joined(p, from, to)) heal_pair(p, from, to);
    if (!joined(p, from, to) && !relayed(p, from, to) && both_run(p, from, to)) leak(p, from, to);
    await_brought(p, from, to);
}

/* Does event e know something that these pairs have yet to bring? */
static bool lacks(const struct composing *p, size_t e, const struct dc_pairs *pairs) {
    uint32_t to = p->c->events[e].dc;
    for (uint32_t from = 0; from < p->c->cluster->dcs_count; from++) {
        if (from == to || (pairs && !pairs->is[from][to])) continue;
        size_t known = capture_latest_known(p->c, e, from);
        if (known != SIZE_MAX && known < p->event && known >= p->brought[from][to]) return true;
    }
    return false;
}

void bring_needed(struct composing *p, size_t end, const struct dc_pairs *pairs) {
    const struct capture *c = p->c;
    for (size_t e = p->event; e < end; e++) {
        uint32_t to = c->events[e].dc;
        if (!lacks(p, e, pairs)) continue;
        for (uint32_t from = 0; from < c->cluster->dcs_count; from++) {
            size_t known = from == to ? SIZE_MAX : capture_latest_known(c, e, from);
            if (known != SIZE_MAX && known < p->event) bring(p, from, to, known);
        }
    }
}

/* ---- what is held back ---- */

static void put_links(struct composing *p, uint64_t after_ms, const struct incident *i);

static void hold_back(struct composing *p, uint64_t after_ms, uint32_t from, uint32_t to) {
    if (p->clogged[from][to]) return;
    put_sides(p, after_ms, "clog", from, ">", to);
    p->clogged[from][to] = true;
}

static void let_through(struct composing *p, uint32_t from, uint32_t to) {
    p->held_until[from][to] = 0;
    if (!p->clogged[from][to]) return;
    p->clogged[from][to] = false;
    put_sides(p, 1, "heal", from, ">", to);
    for (size_t i = 0; i < p->slow_count; i++) put_links(p, 0, p->slow[i]);
}

void release_all(struct composing *p) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++) let_through(p, i, k);
}

/* Is a DC cut from all others, both ways? */
static bool isolated(const struct composing *p, uint32_t dc) {
    for (uint32_t d = 0; d < p->c->cluster->dcs_count; d++)
        if (d != dc && !(dcs_cut(p, d, dc) && dcs_cut(p, dc, d))) return false;
    return true;
}

/* Is something cut beside whole DCs? Then others pass on what does not come straight, which takes its time, and must not need what is held back. */
static bool partly_cut(const struct composing *p) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        for (uint32_t k = 0; k < c->nodes_count; k++)
            if (p->cut[i * c->nodes_count + k] && !isolated(p, c->nodes[i].dc) && !isolated(p, c->nodes[k].dc)) return true;
    return false;
}

void begin_held(struct composing *p, size_t event) {
    for (; p->next_held < p->held.count && p->held.list[p->next_held].first <= event; p->next_held++) {
        const struct held_back *h = &p->held.list[p->next_held];
        if (h->last < event || dcs_cut(p, h->from, h->to) || partly_cut(p)) continue;
        bring_needed(p, h->last + 1, NULL); /* nothing is to be waited for while something is held back */
        if (dcs_cut(p, h->from, h->to) || partly_cut(p)) continue;
        hold_back(p, 4 * BRINGS_MS, h->from, h->to);
        p->held_from[h->from][h->to] = h->first;
        p->held_until[h->from][h->to] = h->last + 1;
    }
}

void end_held(struct composing *p, size_t event) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++)
            if (p->held_until[i][k] == event + 1) let_through(p, i, k);
}

/* ---- what was ordered ---- */

static bool everywhere(const struct incident *i) {
    return json_array_size(i->words) == 0 || strcmp(json_string_value(json_array_get(i->words, 0)), "*") == 0;
}

static bool sides_of(const struct composing *p, const struct incident *i, struct sides *ret, struct buf *text) {
    char *words[64];
    size_t k;
    json_t *word;
    struct buf why = {0};
    int n = 0;
    json_array_foreach(i->words, k, word) {
        if (n == 64) break;
        words[n++] = (char *)(uintptr_t)json_string_value(word);
        buf_printf(text, "%s%s", text->n ? " " : "", json_string_value(word));
    }
    bool good = sides_parse(p->c->cluster, words, n, ret, &why);
    buf_finish(&why);
    return good;
}

/* As it was ordered, at once. */
static void put_links(struct composing *p, uint64_t after_ms, const struct incident *i) {
    struct sides s = {0};
    struct buf text = {0};
    if (is_verb(i, "heal") && everywhere(i)) {
        put_step(p, after_ms, json_pack("{s:s}", "heal", "*"));
    } else if (sides_of(p, i, &s, &text)) {
        json_t *step = json_pack("{s:s#}", i->verb, (const char *)text.p, (int)text.n);
        if (is_verb(i, "slow")) json_object_update(step, i->options);
        put_step(p, after_ms, step);
    }
    buf_finish(&text);
}

/* Calls for each link that it orders something of. */
static void order(struct composing *p, const struct incident *i, const struct sides *s, bool cut) {
    uint32_t n = p->c->cluster->nodes_count;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++) {
            bool there = s->a[a] && s->b[b], back = s->a[b] && s->b[a] && !s->one_way;
            if (there || back || (is_verb(i, "heal") && everywhere(i))) p->ordered[a * n + b] = cut;
        }
}

/* Sides that are whole DCs. */
static bool whole_dcs(const struct composing *p, const struct sides *s) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        uint32_t first = cluster_first(c, c->nodes[n].dc);
        if (s->a[n] != s->a[first] || s->b[n] != s->b[first]) return false;
    }
    return true;
}

/* What was ordered to be cut and is not. */
static void cut_rest(struct composing *p, const struct incident *i, uint64_t least_ms) {
    uint32_t n = p->c->cluster->nodes_count, fresh = 0, all = 0;
    struct sides s = {0};
    struct buf text = {0};
    sides_of(p, i, &s, &text);
    for (uint32_t k = 0; k < n * n; k++) fresh += p->ordered[k] && !p->cut[k];
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++) all += ((s.a[a] && s.b[b]) || (!s.one_way && s.a[b] && s.b[a]));
    uint64_t ms = gap_until(p, i->to_ms, least_ms);
    if (fresh == all && fresh) put_links(p, ms, i);
    for (uint32_t from = 0; from < p->c->cluster->dcs_count; from++)
        for (uint32_t to = 0; to < p->c->cluster->dcs_count; to++) {
            if (from == to || !all_of(p, p->ordered, from, to) || dcs_cut(p, from, to)) continue;
            if (fresh != all) put_sides(p, ms, "cut", from, ">", to), ms = 0;
            set_dcs_cut(p, from, to, true);
        }
    buf_finish(&text);
}

static struct dc_pairs pairs_of(const struct composing *p, const struct sides *s) {
    const struct cluster *c = p->c->cluster;
    struct dc_pairs pairs = {0};
    for (uint32_t a = 0; a < c->nodes_count; a++)
        for (uint32_t b = 0; b < c->nodes_count; b++) {
            if (!s->a[a] || !s->b[b]) continue;
            pairs.is[c->nodes[a].dc][c->nodes[b].dc] = pairs.is[c->nodes[b].dc][c->nodes[a].dc] = true;
        }
    return pairs;
}

/* The next heal of a link that is cut. */
static size_t healed_by(const struct composing *p, const struct incidents *all, size_t cut, const struct sides *s) {
    size_t i = cut + 1;
    for (; i < all->count; i++) {
        struct sides healed = {0};
        struct buf text = {0};
        bool meets = is_verb(&all->list[i], "heal") && everywhere(&all->list[i]);
        if (!meets && is_verb(&all->list[i], "heal") && sides_of(p, &all->list[i], &healed, &text))
            for (uint32_t n = 0; n < p->c->cluster->nodes_count; n++) meets |= (healed.a[n] || healed.b[n]) && (s->a[n] || s->b[n]);
        buf_finish(&text);
        if (meets) break;
    }
    return i;
}

#define EARLY_MS 500u /* so much before it was ordered a cut may take hold */

size_t cut_position(const struct composing *p, const struct incidents *all, size_t index) {
    const struct capture *c = p->c;
    const struct incident *i = &all->list[index];
    struct sides s = {0};
    struct buf text = {0};
    size_t at = events_until(p, all, index);
    bool known = sides_of(p, i, &s, &text);
    buf_finish(&text);
    if (!known) return at;
    struct dc_pairs pairs = pairs_of(p, &s);
    size_t end = events_until(p, all, healed_by(p, all, index, &s));
    for (; at > p->event && stamp_ms(c->events[at - 1].event.stamp) + EARLY_MS > i->to_ms; at--) {
        uint32_t from = c->events[at - 1].dc;
        for (size_t e = at; e < end; e++)
            if (pairs.is[from][c->events[e].dc] && capture_knew(c, e, at - 1)) return at;
    }
    return at;
}

void take_link_incident(struct composing *p, const struct incidents *all, size_t index) {
    const struct incident *i = &all->list[index];
    struct sides s = {0};
    struct buf text = {0};
    bool known = (is_verb(i, "heal") && everywhere(i)) || sides_of(p, i, &s, &text), lazy = known && whole_dcs(p, &s) && !p->slow_count;
    uint32_t n = p->c->cluster->nodes_count;
    buf_finish(&text);
    if (!known) return;
    if (is_verb(i, "cut")) { /* what its writers know of each other while it lasts has come */
        struct dc_pairs pairs = pairs_of(p, &s);
        bring_needed(p, events_until(p, all, healed_by(p, all, index, &s)), &pairs);
    }
    if (is_verb(i, "cut") || is_verb(i, "heal")) order(p, i, &s, is_verb(i, "cut"));
    if (is_verb(i, "heal") && lazy) return; /* it came together some time later: when somebody needs it */
    note_brought(p);
    release_all(p); /* who is silent for long counts as cut: nothing is held back over a fault */
    if (is_verb(i, "cut") && lazy) {
        cut_rest(p, i, CALM_MS);
        return;
    }
    heal_rest(p);
    put_links(p, gap_until(p, i->to_ms, CALM_MS), i);
    for (uint32_t k = 0; k < n * n; k++) set_cut(p, k / n, k % n, p->ordered[k]);
    if (is_verb(i, "slow")) p->slow[p->slow_count++] = i;
    if (is_verb(i, "heal")) {
        bool every[DCS_MAX];
        memset(every, true, sizeof every);
        p->slow_count = 0;
        note_unsure(p, every);
    }
}
