/* The picture as data. Lists of lists where there are many: each list's order stands beside it. */
#include "report_parts.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 180u

static json_t *text_json(const char *text, size_t max) {
    struct buf clean = {0};
    clean_text(slice_text(text ? text : ""), max, &clean);
    json_t *j = json_stringn((const char *)(clean.p ? clean.p : (const uint8_t *)""), clean.n);
    if (!j) abort();
    buf_finish(&clean);
    return j;
}

static json_t *number(uint64_t n) { return json_integer((json_int_t)n); }

/* A list of n values, each consumed. */
static json_t *list(size_t n, json_t *const *values) {
    json_t *j = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(j, values[i]);
    return j;
}
#define LIST(...) list(sizeof((json_t *const[]){__VA_ARGS__}) / sizeof(json_t *), (json_t *const[]){__VA_ARGS__})

static json_t *dcs_json(const struct cluster *c) {
    json_t *dcs = json_array();
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        json_t *nodes = json_array(), *dc = json_object();
        for (uint32_t k = 0; k < c->nodes_count; k++)
            if (c->nodes[k].dc == i) json_array_append_new(nodes, number(k));
        json_object_set_new(dc, "name", text_json(c->dcs[i].name, 0));
        json_object_set_new(dc, "priority", json_integer(c->dcs[i].priority));
        json_object_set_new(dc, "nodes", nodes);
        json_array_append_new(dcs, dc);
    }
    return dcs;
}

static json_t *nodes_json(const struct cluster *c) {
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < c->nodes_count; i++) json_array_append_new(nodes, LIST(text_json(c->nodes[i].name, 0), number(c->nodes[i].dc)));
    return nodes;
}

/* [node, from, to, state, text] */
static json_t *lanes_json(const struct picture *p) {
    static const char *const states[] = {"leader", "returning", "down", "paused", "disk", "clock"};
    json_t *j = json_array();
    for (size_t i = 0; i < p->lanes_count; i++) {
        const struct lane_span *s = &p->lanes[i];
        json_array_append_new(
            j, LIST(number(s->node), number(s->from_us), number(s->to_us), json_string(states[s->state]), text_json(s->text, TEXT_MAX)));
    }
    return j;
}

/* [a, b, from, to, fault, way, partly, text]; way: 1 a to b, 2 b to a, 3 both */
static json_t *links_json(const struct picture *p) {
    json_t *j = json_array();
    for (size_t i = 0; i < p->links_count; i++) {
        const struct link_span *s = &p->links[i];
        bool partly = (s->a_to_b && s->a_to_b != s->links) || (s->b_to_a && s->b_to_a != s->links);
        uint64_t way = (s->a_to_b ? 1u : 0u) | (s->b_to_a || s->a == s->b ? 2u : 0u);
        json_array_append_new(j, LIST(number(s->a), number(s->b), number(s->from_us), number(s->to_us), json_string(link_fault_name(s->fault)),
                                      number(way), json_boolean(partly), text_json(s->text, TEXT_MAX)));
    }
    return j;
}

/* [at, node, step, text] and, of those shown, [write, node, at, first of its DC] */
static void add_writes(const struct picture *p, json_t *out) {
    json_t *writes = json_array(), *applies = json_array();
    uint32_t *index = xcalloc(p->writes_count + 1, sizeof *index), next = 0;
    for (size_t i = 0; i < p->writes_count; i++) {
        const struct write_mark *w = &p->writes[i];
        if (!w->shown) continue;
        index[i] = next++;
        json_array_append_new(writes, LIST(number(w->at_us), number(w->node), number(w->step), text_json(w->text, TEXT_MAX)));
    }
    for (size_t i = 0; i < p->applies_count; i++) {
        const struct apply_mark *a = &p->applies[i];
        if (a->shown) json_array_append_new(applies, LIST(number(index[a->write]), number(a->node), number(a->at_us), number(a->first_of_dc)));
    }
    free(index);
    json_object_set_new(out, "writes", writes);
    json_object_set_new(out, "applies", applies);
}

/* Every how-manieth of so many is shown, so that at most SHOWN_MARKS_MAX are. */
static bool is_left_out(size_t seen, size_t count) {
    return count > SHOWN_MARKS_MAX && seen * SHOWN_MARKS_MAX / count == (seen + 1) * SHOWN_MARKS_MAX / count;
}

/* [at, node, closed, text, row] */
static json_t *conflicts_json(const struct picture *p) {
    json_t *j = json_array();
    for (size_t i = 0; i < p->conflicts_count; i++) {
        const struct moment *m = p->conflicts[i].moment;
        if (is_left_out(i, p->conflicts_count)) continue;
        json_array_append_new(j, LIST(number(m->at_us), number((uint64_t)m->node), json_boolean(m->kind == MOMENT_CLOSED),
                                      text_json(m->text, TEXT_MAX), json_integer(p->conflicts[i].row)));
    }
    return j;
}

/* [at, node, step, fails, text] */
static json_t *checks_json(const struct picture *p) {
    json_t *j = json_array();
    size_t count = 0, seen = 0;
    for (size_t i = 0; i < p->record->moments_count; i++) count += p->record->moments[i].kind == MOMENT_HOLDS;
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        bool fails = m->kind == MOMENT_FAILS;
        if (!fails && (m->kind != MOMENT_HOLDS || is_left_out(seen++, count))) continue;
        if (json_array_size(j) >= 2 * (size_t)SHOWN_MARKS_MAX) continue;
        json_array_append_new(j, LIST(number(m->at_us), json_integer(m->node), number(m->step), json_boolean(fails), text_json(m->text, TEXT_MAX)));
    }
    return j;
}

static void add_row_writes(const struct picture *p, const json_t *versions, json_t *marks) {
    size_t i;
    const json_t *version;
    json_array_foreach(versions, i, version) {
        const struct write_mark *w = picture_write(p, version);
        if (!w) continue;
        char *value = json_words(json_object_get(version, "value"), 80);
        json_array_append_new(marks, LIST(number(w->at_us), number(w->node), json_string(json_text_at(version, "state")), text_json(value, 0)));
        free(value);
    }
}

/* Rows that are or were in conflict: their versions as [at, node, state, value], and when they were, as [from, to]. */
static json_t *rows_json(const struct picture *p) {
    json_t *rows = json_object();
    for (size_t i = 0; i < p->rows_count; i++) {
        const struct final_row *row = &p->outcome->rows[p->rows[i].row];
        char index[16];
        snprintf(index, sizeof index, "%u", p->rows[i].row);
        json_t *j = json_object_get(rows, index);
        if (!j) {
            size_t k;
            const json_t *cell;
            json_t *marks = json_array();
            json_array_foreach(json_object_get(row->explain, "cells"), k, cell) add_row_writes(p, json_object_get(cell, "versions"), marks);
            add_row_writes(p, json_object_get(row->explain, "lost"), marks);
            json_object_set_new(rows, index,
                                json_pack("{s:o, s:b, s:o, s:[]}", "key", text_json(row->key, 80), "open", row->open, "marks", marks, "spans"));
            j = json_object_get(rows, index);
        }
        json_array_append_new(json_object_get(j, "spans"), LIST(number(p->rows[i].from_us), number(p->rows[i].to_us)));
    }
    return rows;
}

/* Per DC: [at, lag, backlog, open conflicts] */
static json_t *curves_json(const struct picture *p) {
    json_t *j = json_array();
    for (uint32_t i = 0; i < p->scenario->cluster->dcs_count; i++) {
        json_t *points = json_array();
        for (uint32_t k = 0; k < p->curves[i].count; k++) {
            const struct curve_point *c = &p->curves[i].points[k];
            json_array_append_new(points, LIST(number(c->at_us), number(c->lag_us), number(c->backlog), number(c->conflicts_open)));
        }
        json_array_append_new(j, points);
    }
    return j;
}

/* Per DC: bytes to other DCs in each piece of the time. */
static json_t *sent_json(const struct picture *p) {
    json_t *j = json_array();
    for (uint32_t i = 0; i < p->scenario->cluster->dcs_count; i++) {
        json_t *pieces = json_array();
        uint32_t count = (uint32_t)(p->length_us / p->piece_us) + 1;
        for (uint32_t k = 0; p->curves[i].sent_bytes && k < count; k++) json_array_append_new(pieces, number(p->curves[i].sent_bytes[k]));
        json_array_append_new(j, pieces);
    }
    return j;
}

/* [at, number, verb, text] */
static json_t *steps_json(const struct picture *p) {
    json_t *j = json_array();
    for (size_t i = 0; i < p->record->moments_count && json_array_size(j) < SHOWN_MARKS_MAX; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->kind != MOMENT_STEP || m->step == 0 || m->step > p->scenario->steps_count) continue;
        const char *verb = step_verb_name(p->scenario->steps[m->step - 1].verb);
        json_array_append_new(j, LIST(number(m->at_us), number(m->step), json_string(verb), text_json(m->text, TEXT_MAX)));
    }
    return j;
}

void report_json(const struct picture *p, struct buf *out) {
    json_t *j = json_object();
    json_object_set_new(j, "length_us", number(p->length_us));
    json_object_set_new(j, "thinned", json_real(p->writes_shown ? (double)p->writes_count / (double)p->writes_shown : 1));
    json_object_set_new(j, "dcs", dcs_json(p->scenario->cluster));
    json_object_set_new(j, "nodes", nodes_json(p->scenario->cluster));
    json_object_set_new(j, "lanes", lanes_json(p));
    json_object_set_new(j, "links", links_json(p));
    add_writes(p, j);
    json_object_set_new(j, "conflicts", conflicts_json(p));
    json_object_set_new(j, "checks", checks_json(p));
    json_object_set_new(j, "steps", steps_json(p));
    json_object_set_new(j, "rows", rows_json(p));
    json_object_set_new(j, "curves", curves_json(p));
    json_object_set_new(j, "sent", sent_json(p));
    json_object_set_new(j, "piece_us", number(p->piece_us));
    script_json(j, out);
    json_decref(j);
}
