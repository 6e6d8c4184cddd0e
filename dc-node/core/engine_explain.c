/* TRUCE.EXPLAIN key [JSON]: which versions, stamps, datacenters and policy made what readers see, and what lost. */
#include "../../schemas/shown.h"
#include "inbox.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* ---- values as JSON ---- */

static json_t *buf_json(struct buf *b) {
    json_t *text = shown_bytes(buf_slice_of(b));
    buf_finish(b);
    return text;
}

static json_t *dot_json(const struct engine *e, struct dot d) {
    struct buf b = {0};
    if (!d.n) return json_null();
    dot_format(e->origins, d, &b);
    return buf_json(&b);
}

static json_t *value_json(uint8_t kind, struct slice content) {
    struct buf b = {0};
    inbox_format(kind, content, &b);
    return buf_json(&b);
}

static json_t *time_json(uint64_t ms) {
    struct buf b = {0};
    if (!ms) return json_null();
    inbox_format_time(ms, &b);
    return buf_json(&b);
}

static json_t *amount_json(amount_t a) {
    char text[AMOUNT_TEXT_MAX];
    return json_stringn(text, amount_format(a, text));
}

static json_t *version_json(const struct engine *e, uint8_t kind, struct slice name, const struct version *v, const char *state) {
    struct buf stamp = {0};
    stamp_format(v->stamp, &stamp);
    const struct origin *o = v->dot.n ? origins_get(e->origins, v->dot.origin) : NULL;
    json_t *j = json_object();
    json_object_set_new(j, "dot", dot_json(e, v->dot));
    json_object_set_new(j, "dc", o ? json_string(o->dc) : json_null());
    json_object_set_new(j, "priority", o ? json_integer(rules_priority(e->rules, o)) : json_null());
    json_object_set_new(j, "stamp", buf_json(&stamp));
    json_object_set_new(j, "time", time_json(stamp_ms(v->stamp)));
    json_object_set_new(j, "marked", json_boolean(v->dot.n && rules_marked(e->rules, v->dot)));
    json_object_set_new(j, "state", json_string(state));
    json_object_set_new(j, "value", kind == CELL_MEMBER ? shown_bytes(name) : value_json(kind, v->content));
    if (v->generation) json_object_set_new(j, "handler_generation", json_integer(v->generation));
    return j;
}

/* ---- the row ---- */

struct explained {
    struct engine *e;
    struct slice key;
    const struct table_rule *table;
    struct row row;
    enum content_type shown;
    size_t row_bytes;
};

/* Of a row with elements of more than one type, those of one are shown. */
static bool is_shown(const struct explained *x, const struct cell *c) {
    static const enum content_type types[CELL_KINDS] = {[CELL_STRING] = CONTENT_STRING, [CELL_FIELD] = CONTENT_HASH, [CELL_MEMBER] = CONTENT_SET};
    return types[c->kind] == CONTENT_NONE || types[c->kind] == x->shown;
}

static json_t *versions_json(const struct explained *x, const struct cell *c) {
    json_t *list = json_array();
    const struct version *read = is_shown(x, c) ? cell_read(x->e, x->table, &x->row, c) : NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct version *v = &cell_versions(&x->row, c)[i];
        json_array_append_new(list,
                              version_json(x->e, (uint8_t)c->kind, c->name, v, v == read || (read && c->kind == CELL_MEMBER) ? "read" : "hidden"));
    }
    return list;
}

static json_t *counters_json(const struct explained *x, const struct cell *c) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->counters_count; i++) {
        const struct counter *n = &cell_counters(&x->row, c)[i];
        json_t *j = json_object();
        json_object_set_new(j, "dot", dot_json(x->e, (struct dot){n->origin, n->n}));
        json_object_set_new(j, "dc", json_string(origins_get(x->e->origins, n->origin)->dc));
        json_object_set_new(j, "since", json_sprintf("%" PRIu64, n->birth));
        json_object_set_new(j, "total", amount_json(n->total));
        json_object_set_new(j, "taken_away", amount_json(n->reset_n ? n->reset_total : 0));
        json_object_set_new(j, "counts", json_boolean(counter_live(n)));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *cells_json(const struct explained *x) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < x->row.cells_count; i++) {
        const struct cell *c = &x->row.cells[i];
        json_t *j = json_object();
        json_object_set_new(j, "kind", json_string(inbox_kind_name((uint8_t)c->kind)));
        json_object_set_new(j, "name", c->kind == CELL_FIELD || c->kind == CELL_MEMBER ? shown_bytes(c->name) : json_null());
        json_object_set_new(j, "open", json_boolean(cell_open(&x->row, c)));
        json_object_set_new(j, "versions", versions_json(x, c));
        if (c->counters_count) json_object_set_new(j, "counters", counters_json(x, c));
        json_array_append_new(list, j);
    }
    return list;
}

static void add_loss(struct explained *x, const struct loss *l, json_t *losses) {
    json_t *j = version_json(x->e, l->kind, l->name, &l->loser, loss_outcome_name(l->outcome));
    json_object_set_new(j, "column", l->kind == CELL_FIELD || l->kind == CELL_MEMBER ? shown_bytes(l->name) : json_null());
    json_object_set_new(j, "lost_to", dot_json(x->e, l->winner_dot));
    json_object_set_new(j, "taken_by", dot_json(x->e, l->by));
    json_object_set_new(j, "policy", shown_bytes(l->policy));
    json_array_append_new(losses, j);
}

static void add_episode(struct explained *x, const struct episode *ep, json_t *episodes) {
    json_t *j = json_object();
    json_object_set_new(j, "id", json_sprintf("%016llx", (unsigned long long)episode_id(ep->key, ep->kind, ep->name, ep->number, x->e->origins)));
    json_object_set_new(j, "kind", json_string(inbox_kind_name(ep->kind)));
    json_object_set_new(j, "column", ep->kind == CELL_FIELD ? shown_bytes(ep->name) : json_null());
    json_object_set_new(j, "open", json_boolean(ep->open));
    json_object_set_new(j, "began", time_json(ep->began_ms));
    json_object_set_new(j, "closed_by", dot_json(x->e, ep->closed_by));
    json_array_append_new(episodes, j);
}

static void add_journal(struct explained *x, json_t *out) {
    json_t *episodes = json_array(), *losses = json_array();
    struct journal_walk w;
    struct slice name, record;
    struct buf prefix = {0};
    journal_name_row(x->key, &prefix);
    walk_begin(&w, x->e, buf_slice_of(&prefix), SLICE(NULL, 0), 64);
    while (walk_next(&w, &name, &record)) {
        struct episode ep;
        struct loss l;
        if (journal_record_kind(name) == JOURNAL_EPISODE && episode_decode(record, x->e->origins, &ep)) {
            add_episode(x, &ep, episodes);
            episode_finish(&ep);
        }
        if (journal_record_kind(name) == JOURNAL_LOSS && loss_decode(record, x->e->origins, &l)) add_loss(x, &l, losses);
    }
    walk_finish(&w);
    buf_finish(&prefix);
    json_object_set_new(out, "episodes", episodes);
    json_object_set_new(out, "lost", losses);
}

static size_t payload_of(const struct row *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) n += r->cells[i].name.n;
    for (uint32_t i = 0; i < r->versions_count; i++) n += r->versions[i].content.n;
    for (uint32_t i = 0; i < r->below_count; i++) n += r->below[i].v.content.n;
    return n;
}

static json_t *below_json(const struct explained *x) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < x->row.below_count; i++) {
        json_t *j = version_json(x->e, CELL_ROW, SLICE(NULL, 0), &x->row.below[i].v, "base");
        json_object_set_new(j, "above", dot_json(x->e, x->row.below[i].above));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *explain(struct explained *x) {
    struct engine *e = x->e;
    struct buf policy = {0}, made = {0}, context = {0};
    policy_format(x->table->policy, &x->table->chain, &policy);
    vv_format(&e->vv, e->origins, &context);
    struct view view = row_view(&x->row, x->table, e->rules, e->origins, &made);
    uint64_t ends = row_expires_ms(&x->row);
    x->shown = view.content.n ? content_type(view.content) : CONTENT_NONE;
    json_t *j = json_object();
    json_object_set_new(j, "key", shown_bytes(x->key));
    json_object_set_new(j, "node", json_string(e->cluster->nodes[e->self].name));
    json_object_set_new(j, "table", json_string(x->table->name));
    json_object_set_new(j, "policy", buf_json(&policy));
    json_object_set_new(j, "barrier", json_boolean(rules_barrier(x->table, &e->stable)));
    json_object_set_new(j, "form", json_string(x->row.form == ROW_MERGED ? "merged" : "whole"));
    json_object_set_new(j, "reads", view.content.n ? value_json(CELL_ROW, view.content) : json_null());
    json_object_set_new(j, "conflict", json_boolean(view.conflict));
    json_object_set_new(j, "types_collide", json_boolean(row_types_collide(&x->row)));
    json_object_set_new(j, "expires", time_json(ends));
    json_object_set_new(j, "expired", json_boolean(ends && ends <= e->now.wall_ms));
    json_object_set_new(j, "recorded", x->row.recorded ? value_json(CELL_ROW, x->row.recorded_why) : json_null());
    json_object_set_new(j, "context", buf_json(&context));
    json_object_set_new(j, "cells", cells_json(x));
    json_object_set_new(j, "below", below_json(x));
    add_journal(x, j);
    size_t payload = payload_of(&x->row);
    json_object_set_new(j, "payload_bytes", json_integer((json_int_t)payload));
    json_object_set_new(j, "row_bytes", json_integer((json_int_t)x->row_bytes));
    json_object_set_new(j, "metadata_bytes", json_integer((json_int_t)(x->row_bytes > payload ? x->row_bytes - payload : 0)));
    buf_finish(&made);
    return j;
}

/* ---- for people ---- */

static const char *text_of(const json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

static void print_version(const json_t *v, struct buf *out) {
    if (json_is_null(json_object_get(v, "dot"))) {
        buf_printf(out, "    %-8s there was no row\n", text_of(v, "state"));
        return;
    }
    buf_printf(out, "    %-8s %-10s %s  stamp %s  %s  priority %" JSON_INTEGER_FORMAT "%s\n             \"%s\"\n", text_of(v, "state"),
               text_of(v, "dc"), text_of(v, "time"), text_of(v, "stamp"), text_of(v, "dot"), json_integer_value(json_object_get(v, "priority")),
               json_is_true(json_object_get(v, "marked")) ? "  stamped by a clock that was off" : "", text_of(v, "value"));
    if (json_object_get(v, "lost_to"))
        buf_printf(out, "             lost to %s by %s%s%s\n", *text_of(v, "lost_to") ? text_of(v, "lost_to") : "nothing", text_of(v, "policy"),
                   *text_of(v, "column") ? ", column " : "", text_of(v, "column"));
}

static void print_cell(const json_t *cell, struct buf *out) {
    size_t i;
    const json_t *v;
    buf_printf(out, "  %s%s%s%s\n", text_of(cell, "kind"), *text_of(cell, "name") ? " " : "", text_of(cell, "name"),
               json_is_true(json_object_get(cell, "open")) ? ": open conflict" : "");
    json_array_foreach(json_object_get(cell, "versions"), i, v) print_version(v, out);
    json_array_foreach(json_object_get(cell, "counters"), i, v) buf_printf(out, "    counter  %-10s total %s, taken away %s  %s\n", text_of(v, "dc"),
                                                                           text_of(v, "total"), text_of(v, "taken_away"), text_of(v, "dot"));
}

static void print(const json_t *j, struct buf *out) {
    size_t i;
    const json_t *v;
    buf_printf(out, "%s in table %s, policy %s, at %s\n", text_of(j, "key"), text_of(j, "table"), text_of(j, "policy"), text_of(j, "node"));
    if (json_is_true(json_object_get(j, "barrier"))) buf_text(out, "writes wait: not every node has the table's new definition yet\n");
    if (json_is_null(json_object_get(j, "reads")))
        buf_text(out, "reads as absent\n");
    else
        buf_printf(out, "reads as \"%s\"%s%s\n", text_of(j, "reads"), json_is_true(json_object_get(j, "expired")) ? ", but its time was up" : "",
                   json_is_true(json_object_get(j, "conflict")) ? ", in conflict" : "");
    if (json_is_string(json_object_get(j, "expires"))) buf_printf(out, "ends %s\n", text_of(j, "expires"));
    if (json_is_string(json_object_get(j, "recorded"))) buf_printf(out, "recorded for later: %s\n", text_of(j, "recorded"));
    if (json_is_true(json_object_get(j, "types_collide")))
        buf_text(out, "elements of more than one type: the next write covers those that are hidden\n");
    json_array_foreach(json_object_get(j, "cells"), i, v) print_cell(v, out);
    if (json_array_size(json_object_get(j, "below"))) buf_text(out, "  came from\n");
    json_array_foreach(json_object_get(j, "below"), i, v) print_version(v, out);
    if (json_array_size(json_object_get(j, "lost"))) buf_text(out, "  lost\n");
    json_array_foreach(json_object_get(j, "lost"), i, v) print_version(v, out);
    json_array_foreach(json_object_get(j, "episodes"), i, v)
        buf_printf(out, "  conflict %s%s%s: %s %s\n", text_of(v, "id"), *text_of(v, "column") ? " of column " : "", text_of(v, "column"),
                   json_is_true(json_object_get(v, "open")) ? "open since" : "closed, began", text_of(v, "began"));
    buf_printf(out, "%" JSON_INTEGER_FORMAT " bytes of metadata over %" JSON_INTEGER_FORMAT " of payload\n",
               json_integer_value(json_object_get(j, "metadata_bytes")), json_integer_value(json_object_get(j, "payload_bytes")));
}

void engine_explain(struct call *c) {
    struct engine *e = c->engine;
    bool as_json = c->argc == 3 && slice_is(c->argv[2], "JSON");
    if (c->argc > 3 || (c->argc == 3 && !as_json)) {
        reply_syntax(c);
        return;
    }
    struct explained x = {.e = e, .key = c->argv[1], .table = rules_of(e->rules, c->argv[1])};
    const struct stored_row *stored = engine_get_row(e, hash64(x.key), x.key);
    x.row_bytes = stored ? stored->row_bytes : 0;
    struct buf text = {0};
    if (inbox_row(e, x.key, &x.row)) {
        json_t *j = explain(&x);
        if (as_json) {
            char *dumped = json_dumps(j, JSON_COMPACT);
            buf_text(&text, dumped);
            free(dumped);
        } else {
            print(j, &text);
        }
        json_decref(j);
    }
    reply_verbatim(c->reply, "txt", buf_slice_of(&text));
    buf_finish(&text);
    row_finish(&x.row);
}
