/* The events of the live stage, for the record: who made which, told by the node that did (TRUCE.LOG), and who has applied them, told by version
 * vectors. */
#include "live_parts.h"

#include <stdlib.h>
#include <string.h>

#define MADE_MAX    "200" /* of a node in one look: of more, only the numbers are known */
#define APPLIED_MAX 100u  /* of an origin, likewise */
#define TEXT_MAX    1000u
#define VALUE_MAX   60

/* ---- names ---- */
/* "us-1#3", and "us-1(2)#3" of its second run with writes, as the simulated stage has them. */
static void put_dot(const struct live *l, uint32_t origin, uint64_t number, struct buf *out) {
    const char *name = l->origins[origin].name;
    size_t node = strcspn(name, ".");
    uint32_t run = 1;
    for (uint32_t i = 0; i < origin; i++) run += strncmp(l->origins[i].name, name, node + 1) == 0;
    buf_printf(out, "%.*s", (int)node, name);
    if (run > 1) buf_printf(out, "(%u)", run);
    buf_printf(out, "#%llu", (unsigned long long)number);
}

static int node_of(const struct live *l, uint32_t origin) {
    const char *name = l->origins[origin].name;
    return cluster_find(l->local.cluster, SLICE(name, strcspn(name, ".")));
}

/* ---- what a change does, in words ---- */
static void put_value(const json_t *value, struct buf *out) {
    const char *text = json_string_value(value);
    if (text == NULL) text = json_is_object(value) ? json_string_value(json_object_get(value, "hex")) : "";
    if (text == NULL) text = "";
    bool quote = *text == '\0' || strpbrk(text, " ;\"") != NULL;
    int n = (int)strnlen(text, VALUE_MAX);
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* no half of a character */
    buf_printf(out, "%s%.*s%s%s", quote ? "\"" : "", n, text, text[n] ? "..." : "", quote ? "\"" : "");
}

static void put_row(const json_t *change, const char *type, struct buf *out) {
    const json_t *list = json_object_get(change, strcmp(type, "set") == 0 ? "members" : "columns");
    buf_printf(out, "%s ", strcmp(type, "hash") == 0 ? "HSET" : strcmp(type, "set") == 0 ? "SADD" : strcmp(type, "string") == 0 ? "SET" : "DEL");
    put_value(json_object_get(change, "key"), out);
    if (json_object_get(change, "value")) {
        buf_text(out, " ");
        put_value(json_object_get(change, "value"), out);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        buf_text(out, " ");
        put_value(json_is_array(one) ? json_array_get(one, 0) : one, out);
        if (!json_is_array(one)) continue;
        buf_text(out, "=");
        put_value(json_array_get(one, 1), out);
    }
}

static const char *verb_of(const char *kind, bool puts, bool counts) {
    if (strcmp(kind, "column") == 0) return puts ? "HSET" : counts ? "HINCRBY" : "HDEL";
    if (strcmp(kind, "member") == 0) return puts ? "SADD" : "SREM";
    if (strcmp(kind, "expiry") == 0) return puts ? "EXPIREAT" : "PERSIST";
    return puts ? "SET" : counts ? "INCRBY" : "DEL";
}

/* Cells of one verb stand behind it together. */
static void put_cells(const json_t *change, struct buf *out) {
    const json_t *cells = json_object_get(change, "cells");
    const char *last = NULL;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i), *put = json_object_get(cell, "put"), *total = json_object_get(cell, "total");
        const char *kind = json_string_value(json_object_get(cell, "kind"));
        bool for_ever = kind && strcmp(kind, "expiry") == 0 && put && strcmp(json_string_value(put), "for ever") == 0;
        if (kind == NULL || (for_ever && json_array_size(cells) > 1)) continue; /* that a SET makes a row stay goes without saying */
        const char *verb = verb_of(kind, put && !for_ever, total != NULL);
        if (last == NULL || strcmp(last, verb) != 0) {
            buf_printf(out, "%s%s ", last ? ", " : "", verb);
            put_value(json_object_get(change, "key"), out);
        }
        last = verb;
        if (json_object_get(cell, "name")) {
            buf_text(out, " ");
            put_value(json_object_get(cell, "name"), out);
        }
        if (total || (json_is_string(put) && !for_ever)) {
            buf_text(out, total ? " to " : strcmp(verb, "HSET") == 0 ? "=" : " ");
            put_value(total ? total : put, out);
        }
    }
    if (last != NULL) return;
    buf_text(out, "DEL ");
    put_value(json_object_get(change, "key"), out);
}

static void put_change(const json_t *change, struct buf *out) {
    const char *type = json_string_value(json_object_get(change, "type"));
    if (json_object_get(change, "cells"))
        put_cells(change, out);
    else
        put_row(change, type ? type : "none", out);
}

/* ---- made ---- */
static void note_made(struct live *l, uint32_t node, uint32_t origin, uint64_t number, const json_t *changes) {
    struct buf text = {0};
    put_dot(l, origin, number, &text);
    for (size_t i = 0; i < json_array_size(changes); i++) {
        buf_text(&text, i ? "; " : " ");
        if (text.n > TEXT_MAX) {
            buf_printf(&text, "and %zu more rows", json_array_size(changes) - i);
            break;
        }
        put_change(json_array_get(changes, i), &text);
    }
    buf_u8(&text, 0);
    live_note_event(l, MOMENT_MAKES, node, NODES_MAX, number, (const char *)text.p);
    buf_finish(&text);
}

/* What the node has, but of its own only what is told already. */
static void put_token(const struct live *l, uint32_t node, struct buf *out) {
    const struct live_node *n = &l->nodes[node];
    const char *vv = json_string_value(json_object_get(n->status, "vv"));
    for (const char *at = vv ? vv : ""; *at;) {
        size_t size = strcspn(at, ","), name = strcspn(at, ":");
        uint32_t origin = 0;
        while (origin < l->origins_count && !slice_equal(slice_text(l->origins[origin].name), SLICE(at, name))) origin++;
        if (name < size && origin < l->origins_count) {
            bool own = node_of(l, origin) == (int)node;
            uint64_t number = own ? l->origins[origin].made : n->vv[origin];
            if (number) buf_printf(out, "%s%.*s:%llu", out->n ? "," : "", (int)name, at, (unsigned long long)number);
        }
        at += size + (at[size] == ',');
    }
    if (out->n == 0) buf_text(out, "-");
    buf_u8(out, 0);
}

static json_t *ask_log(struct live *l, uint32_t node) {
    struct buf token = {0};
    put_token(l, node, &token);
    redisReply *reply = live_ask(l, node, 6, (const char *[]){"TRUCE.LOG", "FROM", (const char *)token.p, "COUNT", MADE_MAX, "JSON"});
    json_t *log = reply && reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
    freeReplyObject(reply);
    buf_finish(&token);
    return log;
}

static bool has_made(const struct live *l, uint32_t node) {
    for (uint32_t o = 0; o < l->origins_count && o < l->nodes[node].vv_count; o++)
        if (l->nodes[node].vv[o] > l->origins[o].made && node_of(l, o) == (int)node) return true;
    return false;
}

static void note_all_made(struct live *l, uint32_t node) {
    if (!has_made(l, node)) return;
    json_t *log = ask_log(l, node), *events = json_object_get(log, "events"), *event;
    size_t i;
    json_array_foreach(events, i, event) {
        const char *dot = json_string_value(json_object_get(event, "dot"));
        size_t name = dot ? strcspn(dot, ":") : 0;
        uint32_t o = 0;
        while (o < l->origins_count && !(dot && slice_equal(slice_text(l->origins[o].name), SLICE(dot, name)))) o++;
        if (o == l->origins_count || node_of(l, o) != (int)node) continue;
        uint64_t number = strtoull(dot + name + 1, NULL, 10);
        if (number <= l->origins[o].made) continue;
        l->origins[o].made = number;
        note_made(l, node, o, number, json_object_get(event, "changes"));
    }
    /* What is left was too much to be told; it is not looked for again. */
    for (uint32_t o = 0; o < l->origins_count && o < l->nodes[node].vv_count; o++)
        if (node_of(l, o) == (int)node && l->nodes[node].vv[o] > l->origins[o].made) l->origins[o].made = l->nodes[node].vv[o];
    json_decref(log);
}

/* ---- applied ---- */
static void note_applied(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (n->applied_count < n->vv_count) {
        n->applied = xrealloc(n->applied, n->vv_count * sizeof *n->applied);
        memset(n->applied + n->applied_count, 0, (n->vv_count - n->applied_count) * sizeof *n->applied);
        n->applied_count = n->vv_count;
    }
    for (uint32_t o = 0; o < l->origins_count && o < n->vv_count; o++) {
        int from = node_of(l, o);
        uint64_t first = n->applied[o] + 1;
        if (n->vv[o] < first) continue;
        n->applied[o] = n->vv[o];
        if (from < 0 || from == (int)node) continue;
        if (n->vv[o] - first >= APPLIED_MAX) first = n->vv[o] - APPLIED_MAX + 1;
        for (uint64_t number = first; number <= n->vv[o]; number++) {
            struct buf text = {0};
            put_dot(l, o, number, &text);
            buf_u8(&text, 0);
            live_note_event(l, MOMENT_APPLIES, node, (uint32_t)from, number, (const char *)text.p);
            buf_finish(&text);
        }
    }
}

void live_note_events(struct live *l) {
    for (uint32_t i = 0; i < live_nodes(l); i++)
        if (l->nodes[i].status && live_runs(l, i)) note_all_made(l, i);
    for (uint32_t i = 0; i < live_nodes(l); i++)
        if (l->nodes[i].status && live_runs(l, i)) note_applied(l, i);
}
