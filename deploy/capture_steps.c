#include "capture_steps.h"
#include "../conflict/rules.h"
#include "../topology/sides.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART_MS  1  /* between writes of different nodes: their stamps must differ */
#define BRINGS_MS 5  /* a write is in the other datacenters after so long, where nothing stands between */
#define CALM_MS   50 /* before a fault: what is under way arrives */
#define HELD_MS   50 /* between steps while something is held back: links that are silent for long count as cut */

struct composing {
    struct capture *c;
    const struct captured_rows *rows;
    struct command_maker *maker;
    uint64_t start_ms, now_ms; /* now: since the start, of the replay, at least */
    json_t *steps;
    uint64_t *done_ms; /* by event: when it is done, of now_ms */
    struct held_backs held;
    size_t next_held;                    /* the next to begin */
    size_t held_from[DCS_MAX][DCS_MAX];  /* event */
    size_t held_until[DCS_MAX][DCS_MAX]; /* event + 1; 0: nothing is held back */
    bool clogged[DCS_MAX][DCS_MAX];
    bool *cut; /* by from * nodes + to */
    bool running[NODES_MAX];
    bool healed[DCS_MAX][DCS_MAX]; /* it is not known what came from the one to the other since they are together again */
    const struct incident **slow;  /* those that still count */
    size_t slow_count;
    const struct incident **heals; /* that are not done yet: somebody has to need them */
    size_t heals_count;
    size_t event;                     /* the next */
    size_t brought[DCS_MAX][DCS_MAX]; /* while it is not known what came: events before this one did */
    bool inexact;
    size_t cut_since[DCS_MAX][DCS_MAX]; /* while a DC is cut from the other: its events before this one came through */
    json_t *barriers;                   /* names of tables that may refuse writes */
    const struct captured *before;      /* the event that was the last step; NULL: something else was */
};

static const char *dc_name(const struct composing *p, uint32_t dc) { return p->c->cluster->dcs[dc].name; }

/* ---- steps ---- */

static void put(struct composing *p, uint64_t after_ms, json_t *step) {
    char text[32];
    json_t *timed = json_object();
    snprintf(text, sizeof text, "%" PRIu64 "ms", after_ms);
    if (after_ms) json_object_set_new(timed, "after", json_string(text));
    json_object_update(timed, step);
    json_array_append_new(p->steps, timed);
    json_decref(step);
    p->now_ms += after_ms;
    p->before = NULL;
}

static void put_sides(struct composing *p, uint64_t after_ms, const char *verb, uint32_t from, uint32_t to) {
    char sides[2 * NAME_LEN_MAX + 8];
    snprintf(sides, sizeof sides, "%s > %s", dc_name(p, from), dc_name(p, to));
    put(p, after_ms, json_pack("{s:s}", verb, sides));
}

/* So long until that time of the original, no less than `least`. */
static uint64_t gap(const struct composing *p, uint64_t at_ms, uint64_t least) {
    uint64_t at = at_ms > p->start_ms ? at_ms - p->start_ms : 0, ms = at > p->now_ms ? at - p->now_ms : 0;
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++)
            if (p->held_until[i][k] && ms > HELD_MS) ms = HELD_MS;
    return ms > least ? ms : least;
}

/* ---- links ---- */

/* Is everything cut from one DC to the other? */
static bool dcs_cut(const struct composing *p, uint32_t from, uint32_t to) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t a = 0; a < c->nodes_count; a++)
        for (uint32_t b = 0; b < c->nodes_count; b++)
            if (c->nodes[a].dc == from && c->nodes[b].dc == to && !p->cut[a * c->nodes_count + b]) return false;
    return true;
}

/* What `from` has made so far is in `to`, as far as links allow. */
static void await_brought(struct composing *p, uint32_t from, uint32_t to) {
    char text[2 * NAME_LEN_MAX + 32];
    const struct cluster_dc *dcs = p->c->cluster->dcs;
    bool run = p->running[dcs[from].first_node] && p->running[dcs[to].first_node];
    if (!p->healed[from][to] || dcs_cut(p, from, to) || p->clogged[from][to] || !run) return;
    snprintf(text, sizeof text, "backlog %s > %s", dc_name(p, from), dc_name(p, to));
    put(p, 0, json_pack("{s:s, s:i, s:s}", "expect", text, "at_most", 0, "within", "60s"));
    p->healed[from][to] = false;
    p->brought[from][to] = p->event;
}

static void hold_back(struct composing *p, uint64_t after_ms, uint32_t from, uint32_t to) {
    if (p->clogged[from][to] || dcs_cut(p, from, to)) return;
    put_sides(p, after_ms, "clog", from, to);
    p->clogged[from][to] = true;
}

static void put_incident(struct composing *p, uint64_t after_ms, const struct incident *i);

static void unclog(struct composing *p, uint32_t from, uint32_t to) {
    if (!p->clogged[from][to]) return;
    p->clogged[from][to] = false;
    if (dcs_cut(p, from, to)) return; /* with the cut */
    put_sides(p, 1, "heal", from, to);
    for (size_t i = 0; i < p->slow_count; i++) put_incident(p, 0, p->slow[i]);
}

/* What writers of a DC knew of another until event `end`, of what is made already, is there. */
static void await_needed(struct composing *p, size_t end) {
    const struct capture *c = p->c;
    for (size_t e = p->event; e < end; e++)
        for (uint32_t from = 0; from < c->cluster->dcs_count; from++) {
            uint32_t to = c->events[e].dc;
            if (from == to || !p->healed[from][to]) continue;
            size_t known = capture_latest_known(c, e, from);
            if (known != SIZE_MAX && known < p->event && known >= p->brought[from][to]) await_brought(p, from, to);
        }
}

static bool any_cut(const struct composing *p) {
    uint32_t n = p->c->cluster->nodes_count;
    return memchr(p->cut, true, (size_t)n * n) != NULL;
}

static void begin_held(struct composing *p, size_t event) {
    for (; p->next_held < p->held.count && p->held.list[p->next_held].first <= event; p->next_held++) {
        const struct held_back *h = &p->held.list[p->next_held];
        if (h->last < event || any_cut(p)) continue; /* relays take their time, and must find their way */
        await_needed(p, h->last + 1);                /* nothing is to be waited for while something is held back */
        hold_back(p, 4 * BRINGS_MS, h->from, h->to);
        p->held_from[h->from][h->to] = h->first;
        p->held_until[h->from][h->to] = h->last + 1;
    }
}

static void end_held(struct composing *p, size_t event) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++) {
            if (p->held_until[i][k] != event + 1) continue;
            p->held_until[i][k] = 0;
            unclog(p, i, k);
        }
}

/* ---- what was done to the cluster ---- */

static bool is_verb(const struct incident *i, const char *verb) { return strcmp(i->verb, verb) == 0; }

/* Does it bring things together again? Then it counts from its beginning, else from its end. */
static bool mends(const struct incident *i) {
    return is_verb(i, "heal") || is_verb(i, "start") || is_verb(i, "up") || is_verb(i, "resume") || is_verb(i, "started");
}
static uint64_t incident_ms(const struct incident *i) { return mends(i) ? i->from_ms : i->to_ms; }

static bool everywhere(const struct incident *heal) {
    return json_array_size(heal->words) == 0 || strcmp(json_string_value(json_array_get(heal->words, 0)), "*") == 0;
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

static void note_cut(struct composing *p, uint32_t from, uint32_t to, bool cut) {
    const struct cluster *c = p->c->cluster;
    bool *now = &p->cut[from * c->nodes_count + to];
    if (cut && !*now) p->cut_since[c->nodes[from].dc][c->nodes[to].dc] = p->event;
    *now = cut;
}

static void mark_cut(struct composing *p, const struct sides *s, bool cut) {
    uint32_t n = p->c->cluster->nodes_count;
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < n; b++) {
            if (!s->a[a] || !s->b[b]) continue;
            note_cut(p, a, b, cut);
            if (!s->one_way) note_cut(p, b, a, cut);
        }
}

/* From here on it is not known what has been brought. */
static void after_mending(struct composing *p) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++) p->healed[i][k] = true;
}

static void put_links(struct composing *p, uint64_t after_ms, const struct incident *i) {
    struct sides s = {0};
    struct buf text = {0};
    if (is_verb(i, "heal") && everywhere(i)) {
        put(p, after_ms, json_pack("{s:s}", "heal", "*"));
        memset(p->cut, 0, (size_t)p->c->cluster->nodes_count * p->c->cluster->nodes_count);
        p->slow_count = 0;
    } else if (sides_of(p, i, &s, &text)) {
        json_t *step = json_pack("{s:s#}", i->verb, (const char *)text.p, (int)text.n);
        if (is_verb(i, "slow")) json_object_update(step, i->options);
        put(p, after_ms, step);
        if (is_verb(i, "cut") || is_verb(i, "heal")) mark_cut(p, &s, is_verb(i, "cut"));
    }
    buf_finish(&text);
}

/* The nodes that it names and that run, or do not. */
static void nodes_of(const struct composing *p, const struct incident *i, bool running, struct buf *ret, bool chosen[static NODES_MAX]) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        size_t k;
        json_t *word;
        bool named = json_array_size(i->words) == 0;
        json_array_foreach(i->words, k, word) {
            const char *w = json_string_value(word);
            named |= strcmp(w, "*") == 0 || strcmp(w, c->nodes[n].name) == 0 || strcmp(w, c->dcs[c->nodes[n].dc].name) == 0;
        }
        chosen[n] = named && p->running[n] == running;
        if (chosen[n]) buf_printf(ret, "%s%s", ret->n ? " " : "", c->nodes[n].name);
    }
}

static void await_role(struct composing *p, uint32_t node) {
    char text[NAME_LEN_MAX + 16];
    snprintf(text, sizeof text, "role %s", p->c->cluster->nodes[node].name);
    put(p, 0, json_pack("{s:s, s:[s, s], s:s}", "expect", text, "one_of", "leader", "follower", "within", "60s"));
}

static void put_nodes(struct composing *p, uint64_t after_ms, const struct incident *i) {
    bool stops = is_verb(i, "kill") || is_verb(i, "died") || is_verb(i, "down"),
         starts = is_verb(i, "start") || is_verb(i, "up") || is_verb(i, "started");
    bool chosen[NODES_MAX] = {0};
    struct buf names = {0};
    nodes_of(p, i, !starts, &names, chosen);
    if (names.n) {
        json_t *step = json_pack("{s:s#}", stops ? "kill" : starts ? "start" : i->verb, (const char *)names.p, (int)names.n);
        if (json_object_get(i->options, "power")) json_object_set_new(step, "power", json_true());
        put(p, after_ms, step);
    }
    for (uint32_t n = 0; n < p->c->cluster->nodes_count; n++) {
        if (!chosen[n]) continue;
        if (stops) p->running[n] = false;
        if (starts) p->running[n] = true;
        if (starts || is_verb(i, "resume")) await_role(p, n);
    }
    buf_finish(&names);
}

/* wipe, backup, restore: of nodes that are named; the rest of the words is the backup's name. */
static void put_data(struct composing *p, uint64_t after_ms, const struct incident *i) {
    const char *node = json_string_value(json_array_get(i->words, 0));
    const char *name = json_string_value(json_array_get(i->words, json_array_size(i->words) - 1));
    if (!node || cluster_find(p->c->cluster, slice_text(node)) < 0) return;
    json_t *step = json_pack("{s:s}", i->verb, node);
    if (is_verb(i, "backup")) json_object_set_new(step, "as", json_string(name));
    if (is_verb(i, "restore")) json_object_set_new(step, "from", json_string(name));
    put(p, after_ms, step);
}

static void put_incident(struct composing *p, uint64_t after_ms, const struct incident *i) {
    if (is_verb(i, "cut") || is_verb(i, "heal") || is_verb(i, "slow") || is_verb(i, "clog"))
        put_links(p, after_ms, i);
    else if (is_verb(i, "wipe") || is_verb(i, "backup") || is_verb(i, "restore"))
        put_data(p, after_ms, i);
    else if (is_verb(i, "skew") || is_verb(i, "disk") || is_verb(i, "disconnect"))
        capture_note(p->c, "%s is left out: the writes come in the order that their stamps gave them", i->verb);
    else if (!is_verb(i, "table"))
        put_nodes(p, after_ms, i);
}

static void release_all(struct composing *p) {
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++) {
            p->held_until[i][k] = 0;
            unclog(p, i, k);
        }
}

/* Where nothing stands between, all that was made so far has come. */
static void note_brought(struct composing *p) {
    for (uint32_t from = 0; from < p->c->cluster->dcs_count; from++)
        for (uint32_t to = 0; to < p->c->cluster->dcs_count; to++)
            if (!p->healed[from][to] && !dcs_cut(p, from, to)) p->brought[from][to] = p->event;
}

static void do_incident(struct composing *p, const struct incident *i, uint64_t least_ms) {
    note_brought(p);
    release_all(p); /* who is silent for long counts as cut: nothing is held back over a fault */
    put_incident(p, gap(p, incident_ms(i), least_ms), i);
    if (is_verb(i, "slow")) p->slow[p->slow_count++] = i;
    if (mends(i)) after_mending(p);
}

/* What was healed came together some time later: it is healed here when somebody knows of it, or something else is done. */
static void do_heals(struct composing *p, uint64_t least_ms) {
    for (size_t i = 0; i < p->heals_count; i++) do_incident(p, p->heals[i], i ? 0 : least_ms);
    p->heals_count = 0;
}

/* Of what was healed everywhere, two DCs alone: others come together when somebody there needs it. */
static void heal_pair(struct composing *p, uint32_t a, uint32_t b) {
    const struct cluster *c = p->c->cluster;
    const struct incident *last = p->heals_count ? p->heals[p->heals_count - 1] : NULL;
    char sides[2 * NAME_LEN_MAX + 8];
    if (!last) return;
    if (!everywhere(last) || p->slow_count) {
        do_heals(p, 1);
        return;
    }
    release_all(p);
    snprintf(sides, sizeof sides, "%s | %s", dc_name(p, a), dc_name(p, b));
    put(p, gap(p, incident_ms(last), 1), json_pack("{s:s}", "heal", sides));
    for (uint32_t i = 0; i < c->nodes_count; i++)
        for (uint32_t k = 0; k < c->nodes_count; k++)
            if ((c->nodes[i].dc == a && c->nodes[k].dc == b) || (c->nodes[i].dc == b && c->nodes[k].dc == a)) p->cut[i * c->nodes_count + k] = false;
    p->healed[a][b] = p->healed[b][a] = true;
}

/* The first event after things were brought together again. */
static size_t mended_before(const struct composing *p, const struct incidents *all, size_t i) {
    size_t e = p->event;
    while (i < all->count && !mends(&all->list[i])) i++;
    while (e < p->c->count && (i == all->count || stamp_ms(p->c->events[e].event.stamp) <= incident_ms(&all->list[i]))) e++;
    return e;
}

static void take_incident(struct composing *p, const struct incidents *all, size_t index) {
    const struct incident *i = &all->list[index];
    if (is_verb(i, "heal")) {
        p->heals[p->heals_count++] = i;
        return;
    }
    /* A fault that follows a heal comes at once, lest more is brought between them than is needed. */
    uint64_t least_ms = mends(i) ? 1 : CALM_MS;
    bool heals = p->heals_count > 0;
    do_heals(p, least_ms);
    if (!mends(i)) await_needed(p, mended_before(p, all, index));
    do_incident(p, i, heals ? 0 : least_ms);
}

/* ---- events ---- */

static bool starts_with(const char *text, const char *word) { return strncmp(text, word, strlen(word)) == 0; }
static bool defines(const json_t *commands) {
    const char *first = json_string_value(json_array_get(commands, 0));
    return starts_with(first, "TRUCE.TABLE ") || starts_with(first, "TRUCE.PRIORITY ");
}

/* A definition may be a barrier: its table's keys refuse writes until every node has it. */
static void await_barriers(struct composing *p, const struct captured *e) {
    size_t i;
    json_t *table;
    for (uint32_t k = 0; k < e->event.changes_count; k++) {
        struct slice key = e->event.changes[k].key;
        json_array_foreach(p->barriers, i, table) {
            const char *name = json_string_value(table);
            size_t n = strlen(name);
            if (strcmp(name, "*") != 0 && !(key.n > n && memcmp(key.p, name, n) == 0 && key.p[n] == ':')) continue;
            json_t *step = json_pack("{s:o, s:[s, s], s:s}", "expect", json_sprintf("TRUCE.TABLE SHOW %s", name), "contains", "barrier", "0",
                                     "within", "60s");
            put(p, 0, step);
            json_array_remove(p->barriers, i);
            break;
        }
    }
}

static void note_barrier(struct composing *p, const struct captured *e) {
    for (uint32_t k = 0; k < e->event.changes_count; k++) {
        const struct change *c = &e->event.changes[k];
        size_t n = strlen(RULES_TABLE_PREFIX);
        if (c->key.n > n && memcmp(c->key.p, RULES_TABLE_PREFIX, n) == 0 && c->op == CHANGE_PUT)
            json_array_append_new(p->barriers, json_stringn((const char *)c->key.p + n, c->key.n - n));
    }
}

/* What it knew of others is there: at once, or it is waited for. Returns when it may be done at the earliest. */
static uint64_t await_known(struct composing *p, size_t event) {
    const struct captured *e = &p->c->events[event];
    uint64_t least = 0;
    for (origin_ref o = 0; o < p->c->runs_count; o++) {
        uint64_t n = vv_get(&e->context, o);
        size_t known = n ? capture_find(p->c, (struct dot){o, n}) : SIZE_MAX;
        if (known == SIZE_MAX || p->c->events[known].dc == e->dc) continue;
        uint32_t from = p->c->events[known].dc;
        bool lacks = !p->c->events[known].left_out && known >= p->brought[from][e->dc];
        if (lacks && dcs_cut(p, from, e->dc)) heal_pair(p, from, e->dc);
        if (lacks) await_brought(p, from, e->dc);
        uint64_t there = p->done_ms[known] + BRINGS_MS;
        if (!p->c->events[known].left_out && there > p->now_ms && there - p->now_ms > least) least = there - p->now_ms;
    }
    return least;
}

/* Has nothing that came about with event e or later gone from one DC to the other? */
static bool cut_for(const struct composing *p, uint32_t from, uint32_t to, size_t e) { return dcs_cut(p, from, to) && e >= p->cut_since[from][to]; }

/* Is all that DC `from` has made since event e kept from DC `to`, on any way? */
static bool kept_apart(const struct composing *p, uint32_t from, uint32_t to, size_t e) {
    if (p->clogged[from][to]) return p->held_until[from][to] && p->held_from[from][to] <= e;
    if (!cut_for(p, from, to, e)) return false;
    for (uint32_t d = 0; d < p->c->cluster->dcs_count; d++)
        if (d != from && d != to && !cut_for(p, from, d, e) && !cut_for(p, d, to, e)) return false; /* it relays */
    return true;
}

/* May the node know more of a row than its writer did? Then what comes of it may differ: what lost is not the same where it writes after others, and
 * a write covers every deletion that its node knows of. */
static bool may_know_more(const struct composing *p, size_t event, struct captured_row *row) {
    const struct captured *e = &p->c->events[event];
    bool more = false;
    for (size_t i = row->count; i-- > 0;) {
        size_t other = row->entries[i].event;
        if (other >= event) continue;
        bool knew = capture_knew(p->c, event, other);
        if (knew && row->entries[i].after_all) break;
        uint32_t from = p->c->events[other].dc;
        if (knew || (from != e->dc && kept_apart(p, from, e->dc, other))) continue;
        more = row->inexact = true;
        row->deleted |= row->entries[i].gone;
    }
    return more;
}

/* Will the node know of the event's rows just what the event knew? */
static bool knows_just_that(struct composing *p, size_t event) {
    const struct captured *e = &p->c->events[event];
    bool just = true;
    for (uint32_t k = 0; k < e->event.changes_count; k++) {
        struct captured_row *row = captured_row(p->rows, e->event.changes[k].key);
        if (row && may_know_more(p, event, row)) just = false;
    }
    p->inexact |= !just;
    return just;
}

static void put_commands(struct composing *p, size_t event, json_t *commands, uint64_t least) {
    const struct captured *e = &p->c->events[event], *before = p->before;
    await_barriers(p, e);
    if (before && before->event.dot.origin != e->event.dot.origin && least < APART_MS) least = APART_MS;
    if (!p->before && json_array_size(p->steps) && !least) least = 1;
    if (defines(commands)) least = CALM_MS;
    uint64_t after = e->base ? least : gap(p, stamp_ms(e->event.stamp), least);
    const struct cluster_node *node = &p->c->cluster->nodes[e->node];
    bool leads = p->c->cluster->dcs[e->dc].first_node == e->node;
    json_t *step = json_pack("{s:s}", leads ? "dc" : "node", leads ? dc_name(p, e->dc) : node->name);
    json_object_set(step, "do", json_array_size(commands) == 1 ? json_array_get(commands, 0) : commands);
    json_object_set_new(step, "label", json_string(e->label));
    if (!defines(commands)) json_object_set_new(step, "knows", capture_knows(p->c, event));
    put(p, after, step);
    p->done_ms[event] = p->now_ms;
    p->before = e;
}

static void put_event(struct composing *p, size_t event) {
    const struct captured *e = &p->c->events[event];
    p->event = event;
    begin_held(p, event);
    uint64_t least = await_known(p, event);
    bool exact = knows_just_that(p, event);
    json_t *commands = commands_of_event(p->maker, event, exact);
    p->c->events[event].left_out = json_array_size(commands) == 0;
    if (json_array_size(commands)) put_commands(p, event, commands, least);
    json_decref(commands);
    note_barrier(p, e);
    end_held(p, event);
}
/* ---- all of it ---- */

/* What was done before the capture begins, as far as it still counts then. */
static void take_earlier(struct composing *p, const struct incidents *all) {
    size_t from = 0, end = 0;
    while (end < all->count && incident_ms(&all->list[end]) < p->start_ms) end++;
    for (size_t i = 0; i < end; i++)
        if (is_verb(&all->list[i], "heal") && json_array_size(all->list[i].words) == 0) from = i + 1;
    for (size_t i = 0; i < end; i++) {
        const struct incident *one = &all->list[i];
        bool link = is_verb(one, "cut") || is_verb(one, "slow") || is_verb(one, "clog") || is_verb(one, "heal");
        if (link && i >= from) take_incident(p, all, i);
    }
    for (uint32_t n = 0; n < p->c->cluster->nodes_count; n++) {
        const char *name = p->c->cluster->nodes[n].name, *last = "start";
        for (size_t i = 0; i < end; i++) {
            size_t k;
            json_t *word;
            bool named = json_array_size(all->list[i].words) == 0;
            json_array_foreach(all->list[i].words, k, word) named |= strcmp(json_string_value(word), name) == 0;
            const char *v = all->list[i].verb;
            if (named && (!strcmp(v, "kill") || !strcmp(v, "died") || !strcmp(v, "down") || !strcmp(v, "pause")))
                last = strcmp(v, "pause") ? "kill" : v;
            if (named && (!strcmp(v, "start") || !strcmp(v, "started") || !strcmp(v, "up") || !strcmp(v, "resume"))) last = "start";
        }
        if (!strcmp(last, "start")) continue;
        put(p, CALM_MS, json_pack("{s:s}", last, name));
        p->running[n] = strcmp(last, "kill") != 0;
    }
}

static void compose(struct composing *p, const struct incidents *all) {
    size_t i = 0, e = 0;
    while (i < all->count && incident_ms(&all->list[i]) < p->start_ms) i++;
    while (e < p->c->count && p->c->events[e].base) put_event(p, e++);
    take_earlier(p, all);
    while (e < p->c->count || i < all->count) {
        p->event = e;
        bool incident = i < all->count && (e == p->c->count || incident_ms(&all->list[i]) <= stamp_ms(p->c->events[e].event.stamp));
        if (incident)
            take_incident(p, all, i++);
        else
            put_event(p, e++);
    }
    do_heals(p, 1);
}

void capture_steps(struct capture *c, const struct captured_rows *rows, const struct incidents *incidents, uint64_t start_ms,
                   struct captured_steps *ret) {
    struct composing *p = xcalloc(1, sizeof *p);
    uint32_t n = c->cluster->nodes_count;
    *p = (struct composing){.c = c, .rows = rows, .start_ms = start_ms, .steps = json_array(), .barriers = json_array()};
    p->done_ms = xcalloc(c->count + 1, sizeof *p->done_ms);
    p->cut = xcalloc((size_t)n * n, sizeof *p->cut);
    p->slow = xcalloc(incidents->count + 1, sizeof *p->slow);
    p->heals = xcalloc(incidents->count + 1, sizeof *p->heals);
    for (uint32_t i = 0; i < n; i++) p->running[i] = true;
    p->maker = command_maker_create(c, rows);
    held_backs_find(c, rows, &p->held);
    compose(p, incidents);
    *ret = (struct captured_steps){.steps = p->steps, .inexact = p->inexact};
    memcpy(ret->running, p->running, sizeof ret->running);
    for (size_t i = 0; i < (size_t)n * n; i++) ret->apart |= p->cut[i];
    command_maker_destroy(p->maker);
    json_decref(p->barriers);
    free(p->held.list);
    free(p->done_ms);
    free(p->cut);
    free(p->slow);
    free(p->heals);
    free(p);
}
