#include "inbox.h"
#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *inbox_bytes_json(struct slice s) {
    json_t *text = json_stringn(s.n ? (const char *)s.p : "", s.n);
    if (text != NULL) return text;
    struct buf b = {0};
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t left = (uint32_t)(s.n - i < 3 ? s.n - i : 3), v = 0;
        for (uint32_t k = 0; k < 3; k++) v = v << 8 | (k < left ? s.p[i + k] : 0);
        for (uint32_t k = 0; k < 4; k++) buf_u8(&b, k <= left ? (uint8_t)digits[v >> (18 - 6 * k) & 63] : '=');
    }
    text = json_pack("{s:s#}", "base64", (const char *)b.p, b.n);
    buf_finish(&b);
    return text;
}

static bool base64_decode(const char *text, struct buf *ret) {
    size_t n = strlen(text);
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t v = 0, kept = 3;
        for (size_t k = 0; k < 4; k++) {
            const char *at = text[i + k] == '=' ? digits : strchr(digits, text[i + k]);
            if (at == NULL || (text[i + k] == '=' && (i + 4 != n || k < 2))) return false;
            if (text[i + k] == '=' && k < kept + 1) kept = (uint32_t)k - 1;
            v = v << 6 | (uint32_t)(at - digits);
        }
        for (uint32_t k = 0; k < kept; k++) buf_u8(ret, (uint8_t)(v >> (16 - 8 * k)));
    }
    return n % 4 == 0;
}

bool inbox_bytes_of(const json_t *j, struct buf *ret) {
    if (json_is_string(j)) {
        buf_put(ret, json_string_value(j), json_string_length(j));
        return true;
    }
    const char *base64 = json_string_value(json_object_get(j, "base64"));
    return base64 != NULL && base64_decode(base64, ret);
}

/* ---- replies ---- */
static json_t *scalar_json(const redisReply *reply) {
    if (reply->type == REDIS_REPLY_INTEGER) return json_integer(reply->integer);
    if (reply->type == REDIS_REPLY_NIL) return json_null();
    return inbox_bytes_json(SLICE(reply->str, reply->len));
}

static json_t *map_json(const redisReply *reply);

static json_t *list_json(const redisReply *reply, bool of_maps) {
    json_t *list = json_array();
    for (size_t i = 0; i < reply->elements; i++) json_array_append_new(list, of_maps ? map_json(reply->element[i]) : scalar_json(reply->element[i]));
    return list;
}

static json_t *pairs_json(const redisReply *reply) {
    json_t *list = json_array();
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", scalar_json(reply->element[i]), "value", scalar_json(reply->element[i + 1])));
    return list;
}

static bool is_any(const char *name, const char *const *names) {
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

/* A map comes as a flat array of names and values; the names say what is a map within. */
static json_t *map_json(const redisReply *reply) {
    static const char *const maps[] = {"content", "base", NULL}, *const lists_of_maps[] = {"versions", "diff", NULL};
    json_t *o = json_object();
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const char *name = reply->element[i]->str;
        const redisReply *value = reply->element[i + 1];
        if (name == NULL) continue;
        json_t *j = value->type != REDIS_REPLY_ARRAY ? scalar_json(value)
                    : strcmp(name, "columns") == 0   ? pairs_json(value)
                    : is_any(name, maps)             ? map_json(value)
                                                     : list_json(value, is_any(name, lists_of_maps));
        json_object_set_new(o, name, j);
    }
    return o;
}

json_t *inbox_list_json(const redisReply *episodes) { return list_json(episodes, true); }
json_t *inbox_show_json(const redisReply *shown) { return map_json(shown); }

/* ---- for people ---- */
#define TEXTS_KEPT 16

/* A text as it is; bytes quoted; nothing: `otherwise`. Valid until so many others were asked for: enough for one line. */
static const char *shown_text(const json_t *j, const char *otherwise) {
    static char texts[TEXTS_KEPT][4096];
    static unsigned next;
    char *text = texts[next++ % TEXTS_KEPT];
    struct buf bytes = {0};
    if (json_is_integer(j)) {
        snprintf(text, sizeof texts[0], "%" JSON_INTEGER_FORMAT, json_integer_value(j));
        return text;
    }
    if (!inbox_bytes_of(j, &bytes)) return otherwise;
    bool plain = json_is_string(j) && memchr(bytes.p ? bytes.p : (const uint8_t *)"", 0, bytes.n) == NULL;
    if (!plain) {
        struct buf quoted = {0};
        quote(buf_slice_of(&bytes), &quoted);
        buf_finish(&bytes);
        bytes = quoted;
    }
    size_t n = bytes.n < sizeof texts[0] - 1 ? bytes.n : sizeof texts[0] - 1;
    if (n) memcpy(text, bytes.p, n);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t') text[i] = ' ';
    text[n] = '\0';
    buf_finish(&bytes);
    return text;
}

static const char *text_of(const json_t *o, const char *key) { return shown_text(json_object_get(o, key), ""); }

static void join(const json_t *list, struct buf *out) {
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) buf_printf(out, "%s%s", i ? " " : "", shown_text(one, "-"));
    buf_u8(out, 0);
}

void inbox_list_print(const json_t *episodes, struct buf *out) {
    static const char *const heads[] = {"ID", "ROW", "COLUMN", "STATE", "POLICY", "WRITTEN IN", "READS", "SINCE"};
    struct table t = {.columns = sizeof heads / sizeof heads[0]};
    size_t i;
    const json_t *e;
    for (size_t k = 0; k < t.columns; k++) table_cell(&t, "%s", heads[k]);
    json_array_foreach(episodes, i, e) {
        struct buf dcs = {0};
        join(json_object_get(e, "dcs"), &dcs);
        table_cell(&t, "%s", text_of(e, "id"));
        table_cell(&t, "%s", text_of(e, "key"));
        table_cell(&t, "%s", strcmp(text_of(e, "kind"), "types") == 0 ? "(types)" : text_of(e, "column"));
        table_cell(&t, "%s", text_of(e, "state"));
        table_cell(&t, "%s", text_of(e, "policy"));
        table_cell(&t, "%s", (const char *)dcs.p);
        table_cell(&t, "%.60s", shown_text(json_object_get(e, "reads"), "(absent)"));
        table_cell(&t, "%s", text_of(e, "began"));
        buf_finish(&dcs);
    }
    table_print(&t, out);
    table_finish(&t);
}

static void print_version(const json_t *v, char letter, struct buf *out) {
    size_t i;
    const json_t *dot;
    buf_printf(out, "  %c  %-8s %-8s %s  stamp %s  %s\n", letter, text_of(v, "dc"), text_of(v, "state"), text_of(v, "time"), text_of(v, "stamp"),
               text_of(v, "dot"));
    if (json_integer_value(json_object_get(v, "marked"))) buf_text(out, "     its clock was off\n");
    if (json_array_size(json_object_get(v, "saw"))) {
        buf_text(out, "     had seen");
        json_array_foreach(json_object_get(v, "saw"), i, dot) buf_printf(out, " %s", shown_text(dot, ""));
        buf_text(out, "\n");
    }
    if (!json_is_null(json_object_get(v, "left_by"))) buf_printf(out, "     left the row with %s\n", text_of(v, "left_by"));
    bool member = strcmp(text_of(v, "kind"), "member") == 0, column = !member && !json_is_null(json_object_get(v, "column"));
    if (member)
        buf_printf(out, "     %s is a member\n", text_of(v, "column"));
    else
        buf_printf(out, "     %s%s%s\n", column ? text_of(v, "column") : "", column ? " = " : "", text_of(v, "value"));
}

/* Column by column: what it was, and what each version has. */
static void print_diff(const json_t *shown, struct buf *out) {
    const json_t *diff = json_object_get(shown, "diff"), *line, *value;
    size_t versions = json_array_size(json_object_get(shown, "versions")), i, k;
    struct table t = {.columns = (uint32_t)versions + 2};
    if (json_array_size(diff) == 0 || versions > 26) return;
    table_cell(&t, "COLUMN");
    table_cell(&t, "WAS");
    for (size_t v = 0; v < versions; v++) table_cell(&t, "%c", (char)('A' + v));
    json_array_foreach(diff, i, line) {
        const char *column = text_of(line, "column");
        table_cell(&t, "%s", *column ? column : "(value)");
        table_cell(&t, "%.60s", shown_text(json_object_get(line, "base"), json_is_null(json_object_get(shown, "base")) ? "?" : "-"));
        json_array_foreach(json_object_get(line, "values"), k, value) table_cell(&t, "%.60s", shown_text(value, "-"));
    }
    table_print(&t, out);
    table_finish(&t);
}

void inbox_show_print(const json_t *shown, struct buf *out) {
    size_t i;
    const json_t *v, *versions = json_object_get(shown, "versions");
    bool column = json_object_get(shown, "column") != NULL && !json_is_null(json_object_get(shown, "column"));
    buf_printf(out, "Conflict %s: %s%s%s, %s, table %s, policy %s.\n", text_of(shown, "id"), text_of(shown, "key"), column ? ", column " : "",
               column ? text_of(shown, "column") : "", text_of(shown, "state"), text_of(shown, "table"), text_of(shown, "policy"));
    buf_printf(out, "Began %s, last changed %s", text_of(shown, "began"), text_of(shown, "changed"));
    if (!json_is_null(json_object_get(shown, "closed_by"))) buf_printf(out, ", closed by %s", text_of(shown, "closed_by"));
    buf_printf(out, ".\nReaders see: %s\n", shown_text(json_object_get(shown, "reads"), "(absent)"));
    if (!json_is_null(json_object_get(shown, "recorded"))) buf_printf(out, "Recorded for later: %s\n", text_of(shown, "recorded"));
    if (json_is_object(json_object_get(shown, "base")))
        buf_printf(out, "It was: %s\n",
                   json_is_null(json_object_get(json_object_get(shown, "base"), "dot"))
                       ? "(there was no row)"
                       : shown_text(json_object_get(json_object_get(shown, "base"), "value"), ""));
    buf_text(out, "\n");
    json_array_foreach(versions, i, v) print_version(v, i < 26 ? (char)('A' + i) : '.', out);
    buf_text(out, "\n");
    print_diff(shown, out);
}
