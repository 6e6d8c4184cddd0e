#include "../conflict/rules.h"
#include "capture_composing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void put_step(struct composing *p, uint64_t after_ms, json_t *step) {
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

uint64_t gap_until(const struct composing *p, uint64_t at_ms, uint64_t least) {
    uint64_t at = at_ms > p->start_ms ? at_ms - p->start_ms : 0, ms = at > p->now_ms ? at - p->now_ms : 0;
    for (uint32_t i = 0; i < p->c->cluster->dcs_count; i++)
        for (uint32_t k = 0; k < p->c->cluster->dcs_count; k++)
            if (p->held_until[i][k] && ms > HELD_MS) ms = HELD_MS;
    return ms > least ? ms : least;
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
            put_step(p, 0, step);
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
        if (!p->c->events[known].left_out) bring(p, p->c->events[known].dc, e->dc, known);
        uint64_t there = p->done_ms[known] + BRINGS_MS;
        if (!p->c->events[known].left_out && there > p->now_ms && there - p->now_ms > least) least = there - p->now_ms;
    }
    return least;
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

static json_t *knows_of(const struct composing *p, size_t event) {
    json_t *knows = capture_knows(p->c, event);
    if (json_array_size(knows) == 0 && p->base_label[0]) json_array_append_new(knows, json_string(p->base_label));
    return knows;
}

static void put_commands(struct composing *p, size_t event, json_t *commands, uint64_t least) {
    const struct captured *e = &p->c->events[event], *before = p->before;
    await_barriers(p, e);
    if (before && before->event.dot.origin != e->event.dot.origin && least < APART_MS) least = APART_MS;
    if (!p->before && json_array_size(p->steps) && !least) least = 1;
    if (defines(commands)) least = CALM_MS;
    uint64_t after = e->base ? least : gap_until(p, stamp_ms(e->event.stamp), least);
    const struct cluster_node *node = &p->c->cluster->nodes[e->node];
    bool leads = cluster_first(p->c->cluster, e->dc) == e->node;
    json_t *step = json_pack("{s:s}", leads ? "dc" : "node", leads ? dc_name(p, e->dc) : node->name);
    json_object_set(step, "do", json_array_size(commands) == 1 ? json_array_get(commands, 0) : commands);
    json_object_set_new(step, "label", json_string(e->label));
    if (!defines(commands)) json_object_set_new(step, "knows", knows_of(p, event));
    put_step(p, after, step);
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

/* One after the other, and before everything: who knows nothing else knows this. */
static void put_base(struct composing *p, const json_t *base) {
    size_t i;
    json_t *one;
    json_array_foreach(base, i, one) {
        json_t *step = json_copy(one);
        if (p->base_label[0]) json_object_set_new(step, "knows", json_pack("[s]", p->base_label));
        snprintf(p->base_label, sizeof p->base_label, "base_%zu", i + 1);
        json_object_set_new(step, "label", json_string(p->base_label));
        put_step(p, i ? BRINGS_MS : 0, step);
    }
    if (json_array_size(base)) put_step(p, 0, json_pack("{s:s}", "settle", "60s"));
}

static void compose(struct composing *p, const struct incidents *all) {
    size_t i = 0, e = 0;
    while (i < all->count && incident_ms(&all->list[i]) < p->start_ms) i++;
    while (e < p->c->count && p->c->events[e].base) put_event(p, e++);
    take_earlier(p, all);
    p->event = e;
    for (; i < all->count; i++) {
        size_t at = is_verb(&all->list[i], "cut") ? cut_position(p, all, i) : events_until(p, all, i);
        while (e < at) put_event(p, e++);
        p->event = e;
        take_incident(p, all, i);
    }
    while (e < p->c->count) put_event(p, e++);
    p->event = e;
    heal_rest(p);
}

void capture_steps(struct capture *c, const struct captured_rows *rows, const struct incidents *incidents, const json_t *base, uint64_t start_ms,
                   struct captured_steps *ret) {
    struct composing *p = xcalloc(1, sizeof *p);
    uint32_t n = c->cluster->nodes_count;
    *p = (struct composing){.c = c, .rows = rows, .start_ms = start_ms, .steps = json_array(), .barriers = json_array()};
    p->done_ms = xcalloc(c->count + 1, sizeof *p->done_ms);
    p->cut = xcalloc((size_t)n * n, sizeof *p->cut);
    p->ordered = xcalloc((size_t)n * n, sizeof *p->ordered);
    p->slow = xcalloc(incidents->count + 1, sizeof *p->slow);
    for (uint32_t i = 0; i < n; i++) p->running[i] = true;
    p->maker = command_maker_create(c, rows);
    held_backs_find(c, rows, &p->held);
    put_base(p, base);
    compose(p, incidents);
    *ret = (struct captured_steps){.steps = p->steps, .inexact = p->inexact};
    memcpy(ret->running, p->running, sizeof ret->running);
    for (size_t i = 0; i < (size_t)n * n; i++) ret->apart |= p->cut[i];
    command_maker_destroy(p->maker);
    json_decref(p->barriers);
    free(p->held.list);
    free(p->done_ms);
    free(p->cut);
    free(p->ordered);
    free(p->slow);
    free(p);
}
