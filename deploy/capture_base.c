/* Where a row is older than what the log has of it: what is still there of its beginning, as writes before the first captured one. */
#include "capture_steps.h"
#include "client.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_TIMEOUT_MS 10000

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static bool is_captured(const struct capture *c, const char *dot) {
    struct dot d;
    return dot_parse(slice_text(dot), c->origins, &d) && capture_find(c, d) != SIZE_MAX;
}

static void add(json_t *base, const char *dc, const char *command, struct slice key, const char *name, const char *value) {
    struct buf text = {0};
    buf_printf(&text, "%s ", command);
    command_word(key, &text);
    const char *const words[] = {name, value};
    for (int i = 0; i < 2; i++) {
        if (!words[i]) continue;
        buf_u8(&text, ' ');
        command_word(slice_text(words[i]), &text);
    }
    json_array_append_new(base, json_pack("{s:s, s:s#}", "dc", dc, "do", (const char *)text.p, (int)text.n));
    buf_finish(&text);
}

static void add_cell(const struct capture *c, struct slice key, const json_t *cell, json_t *base) {
    const char *kind = text_of(cell, "kind"), *name = text_of(cell, "name");
    bool column = strcmp(kind, "column") == 0, member = strcmp(kind, "member") == 0, whole = strcmp(kind, "row") == 0;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(cell, "versions"), i, v) {
        const char *value = text_of(v, "value");
        if (strcmp(kind, "expiry") == 0 || is_captured(c, text_of(v, "dot"))) continue;
        if (whole && strcmp(value, "(deleted)") == 0) continue;
        add(base, text_of(v, "dc"), column ? "HSET" : member ? "SADD" : "SET", key, column || member ? name : NULL, member ? NULL : value);
    }
    json_array_foreach(json_object_get(cell, "counters"), i, v) {
        const char *total = text_of(v, "total");
        if (is_captured(c, text_of(v, "dot")) || strcmp(total, text_of(v, "taken_away")) == 0) continue;
        add(base, text_of(v, "dc"), column ? "HINCRBYFLOAT" : "INCRBYFLOAT", key, column ? name : NULL, total);
    }
}

static void add_row(const struct capture *c, redisContext *rc, struct slice key, json_t *base) {
    redisReply *r = redisCommand(rc, "TRUCE.EXPLAIN %b JSON", key.p, key.n);
    json_t *row = r && r->type == REDIS_REPLY_STRING ? json_loads(r->str, 0, NULL) : NULL, *cell;
    size_t i;
    json_array_foreach(json_object_get(row, "cells"), i, cell) add_cell(c, key, cell, base);
    json_decref(row);
    freeReplyObject(r);
}

json_t *capture_base(struct capture *c, const struct local *l, const struct captured_rows *rows) {
    json_t *base = json_array();
    struct buf ignored = {0};
    redisContext *rc = NULL;
    size_t older = 0;
    for (uint32_t i = 0; i < l->cluster->nodes_count && !rc; i++) {
        struct process p = process_of(l, i);
        if (p.pid != 0 && !p.paused) rc = node_connect(l->cluster, i, BASE_TIMEOUT_MS, &ignored);
    }
    for (size_t i = 0; rc && i < captured_rows_count(rows); i++) {
        const struct captured_row *row = captured_row_at(rows, i);
        if (!row->in_capture || !row->older || (row->key.n >= 6 && memcmp(row->key.p, "truce:", 6) == 0)) continue;
        older++;
        add_row(c, rc, row->key, base);
    }
    if (older) capture_note(c, "the log no longer has the earliest events: %zu rows begin with what is left of that", older);
    if (rc) redisFree(rc);
    buf_finish(&ignored);
    return base;
}
