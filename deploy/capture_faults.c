/* What was done to the nodes of a cluster, as steps. */
#include "capture_composing.h"

#include <stdio.h>

/* Does it bring things together again? Then it counts from its beginning, else from its end. */
static bool mends(const struct incident *i) {
    return is_verb(i, "heal") || is_verb(i, "start") || is_verb(i, "up") || is_verb(i, "resume") || is_verb(i, "started");
}

uint64_t incident_ms(const struct incident *i) { return mends(i) ? i->from_ms : i->to_ms; }

static bool names(const struct composing *p, const struct incident *i, uint32_t node) {
    const struct cluster *c = p->c->cluster;
    size_t k;
    json_t *word;
    if (json_array_size(i->words) == 0) return true;
    json_array_foreach(i->words, k, word) {
        const char *w = json_string_value(word);
        if (strcmp(w, "*") == 0 || strcmp(w, c->nodes[node].name) == 0 || strcmp(w, c->dcs[c->nodes[node].dc].name) == 0) return true;
    }
    return false;
}

static void await_role(struct composing *p, uint32_t node) {
    char text[NAME_LEN_MAX + 16];
    snprintf(text, sizeof text, "role %s", p->c->cluster->nodes[node].name);
    put_step(p, 0, json_pack("{s:s, s:[s, s], s:s}", "expect", text, "one_of", "leader", "follower", "within", "60s"));
}

static void put_nodes(struct composing *p, uint64_t after_ms, const struct incident *i) {
    const struct cluster *c = p->c->cluster;
    bool stops = is_verb(i, "kill") || is_verb(i, "died") || is_verb(i, "down"), pauses = is_verb(i, "pause");
    bool starts = is_verb(i, "start") || is_verb(i, "up") || is_verb(i, "started");
    bool chosen[NODES_MAX] = {0}, dcs[DCS_MAX] = {0};
    struct buf list = {0};
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        chosen[n] = names(p, i, n) && p->running[n] != starts;
        if (chosen[n]) buf_printf(&list, "%s%s", list.n ? " " : "", c->nodes[n].name);
        if (chosen[n]) dcs[c->nodes[n].dc] = true;
    }
    if (list.n) {
        json_t *step = json_pack("{s:s#}", stops ? "kill" : starts ? "start" : i->verb, (const char *)list.p, (int)list.n);
        if (json_object_get(i->options, "power")) json_object_set_new(step, "power", json_true());
        put_step(p, after_ms, step);
    }
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        if (!chosen[n]) continue;
        if (stops) p->running[n] = false;
        if (starts) p->running[n] = true;
        if (!stops && !pauses) await_role(p, n);
    }
    note_unsure(p, dcs);
    buf_finish(&list);
}

/* wipe, backup, restore: of the node that is named first; the last word is the backup's name. */
static void put_data(struct composing *p, uint64_t after_ms, const struct incident *i) {
    const char *node = json_string_value(json_array_get(i->words, 0));
    const char *name = json_string_value(json_array_get(i->words, json_array_size(i->words) - 1));
    if (!node || cluster_find(p->c->cluster, slice_text(node)) < 0) return;
    json_t *step = json_pack("{s:s}", i->verb, node);
    if (is_verb(i, "backup")) json_object_set_new(step, "as", json_string(name));
    if (is_verb(i, "restore")) json_object_set_new(step, "from", json_string(name));
    put_step(p, after_ms, step);
}

size_t events_until(const struct composing *p, const struct incidents *all, size_t i) {
    size_t e = p->event;
    while (e < p->c->count && (i >= all->count || stamp_ms(p->c->events[e].event.stamp) <= incident_ms(&all->list[i]))) e++;
    return e;
}

/* Before nodes stop: what their DCs know of others, and others of them, until they go on has come. */
static void bring_before_stop(struct composing *p, const struct incidents *all, size_t index) {
    const struct cluster *c = p->c->cluster;
    for (uint32_t n = 0; n < c->nodes_count; n++) {
        struct dc_pairs pairs = {0};
        size_t i = index + 1;
        if (!names(p, &all->list[index], n) || !p->running[n]) continue;
        while (i < all->count && !(mends(&all->list[i]) && !is_verb(&all->list[i], "heal") && names(p, &all->list[i], n))) i++;
        for (uint32_t d = 0; d < c->dcs_count; d++) pairs.is[d][c->nodes[n].dc] = pairs.is[c->nodes[n].dc][d] = true;
        bring_needed(p, events_until(p, all, i), &pairs);
    }
}

void take_incident(struct composing *p, const struct incidents *all, size_t index) {
    const struct incident *i = &all->list[index];
    if (is_verb(i, "cut") || is_verb(i, "heal") || is_verb(i, "slow") || is_verb(i, "clog")) {
        take_link_incident(p, all, index);
        return;
    }
    if (is_verb(i, "table")) return;
    if (is_verb(i, "skew") || is_verb(i, "disk") || is_verb(i, "disconnect")) {
        capture_note(p->c, "%s is left out: the writes come in the order that their stamps gave them", i->verb);
        return;
    }
    if (!mends(i)) bring_before_stop(p, all, index);
    note_brought(p);
    release_all(p); /* who is silent for long counts as cut: nothing is held back over a fault */
    uint64_t after_ms = gap_until(p, incident_ms(i), mends(i) ? 1 : CALM_MS);
    if (is_verb(i, "wipe") || is_verb(i, "backup") || is_verb(i, "restore"))
        put_data(p, after_ms, i);
    else
        put_nodes(p, after_ms, i);
}

/* What the last of them that concerns the node has made of it: NULL: it runs. */
static const char *state_of(const struct composing *p, const struct incidents *all, size_t end, uint32_t node) {
    const char *state = NULL;
    for (size_t i = 0; i < end; i++) {
        const struct incident *one = &all->list[i];
        if (!names(p, one, node)) continue;
        if (is_verb(one, "kill") || is_verb(one, "died") || is_verb(one, "down")) state = "kill";
        if (is_verb(one, "pause") && !state) state = "pause";
        if (mends(one) && !is_verb(one, "heal")) state = NULL;
    }
    return state;
}

void take_earlier(struct composing *p, const struct incidents *all) {
    size_t end = 0;
    while (end < all->count && incident_ms(&all->list[end]) < p->start_ms) end++;
    for (size_t i = 0; i < end; i++) {
        const struct incident *one = &all->list[i];
        if (is_verb(one, "cut") || is_verb(one, "slow") || is_verb(one, "clog") || is_verb(one, "heal")) take_link_incident(p, all, i);
    }
    for (uint32_t n = 0; n < p->c->cluster->nodes_count; n++) {
        const char *state = state_of(p, all, end, n);
        if (!state) continue;
        put_step(p, CALM_MS, json_pack("{s:s}", state, p->c->cluster->nodes[n].name));
        p->running[n] = strcmp(state, "kill") != 0;
    }
}
