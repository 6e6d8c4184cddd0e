#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *string_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static bool is(const json_t *o, const char *key, const char *text) { return strcmp(string_of(o, key), text) == 0; }

/* ---- contents ---- */
/* What a version holds as a row: {"type", and value, columns or members}, {"deleted": true}. `name`: of a column whose register it is. */
static json_t *row_of(const json_t *version) {
    const json_t *content = json_object_get(version, "content");
    const char *type = string_of(content, "type");
    json_t *o = json_object();
    json_int_t expires = json_integer_value(json_object_get(content, "expires_ms"));
    if (expires) json_object_set_new(o, "expires_ms", json_integer(expires));
    if (strcmp(type, "deleted") == 0) {
        json_object_set_new(o, "deleted", json_true());
    } else if (strcmp(type, "hash") == 0) {
        json_object_set_new(o, "type", json_string("hash"));
        json_object_set(o, "columns", json_object_get(content, "columns"));
    } else if (strcmp(type, "set") == 0) {
        json_object_set_new(o, "type", json_string("set"));
        json_object_set(o, "members", json_object_get(content, "members"));
    } else if (is(version, "kind", "column")) {
        json_object_set_new(o, "type", json_string("hash"));
        json_object_set_new(o, "columns",
                            json_pack("[{s:O, s:O}]", "name", json_object_get(version, "column"), "value", json_object_get(version, "value")));
    } else if (is(version, "kind", "member")) {
        json_object_set_new(o, "type", json_string("set"));
        json_object_set_new(o, "members", json_pack("[O]", json_object_get(version, "column")));
    } else {
        json_object_set_new(o, "type", json_string("string"));
        json_object_set(o, "value", json_object_get(version, "value"));
    }
    return o;
}

/* ---- export ---- */
static bool live(const json_t *v) { return is(v, "state", "read") || is(v, "state", "hidden"); }

static bool saw(const json_t *a, const json_t *b) {
    size_t i;
    const json_t *dot;
    json_array_foreach(json_object_get(a, "saw"), i, dot) if (json_equal(dot, json_object_get(b, "dot"))) return true;
    return false;
}

/* Those that stand beside each other: in an open conflict the live ones; later, those that no other of it had seen. */
static json_t *siblings_of(const json_t *shown) {
    json_t *list = json_array();
    const json_t *versions = json_object_get(shown, "versions"), *a, *b;
    bool open = is(shown, "state", "open");
    size_t i, k;
    json_array_foreach(versions, i, a) {
        bool stands = !open || live(a);
        if (!open) json_array_foreach(versions, k, b) stands = stands && !saw(b, a);
        if (stands) json_array_append(list, (json_t *)(uintptr_t)a);
    }
    return list;
}

static json_t *sibling_json(const json_t *v) {
    json_t *o = row_of(v);
    static const char *const keys[] = {"dc", "priority", "stamp", "dot"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) json_object_set(o, keys[i], json_object_get(v, keys[i]));
    if (json_integer_value(json_object_get(v, "marked"))) json_object_set_new(o, "clock_was_off", json_true());
    return o;
}

static json_t *base_json(const json_t *shown) {
    const json_t *base = json_object_get(shown, "base");
    if (!json_is_object(base)) return json_null();
    json_t *o = row_of(base);
    if (json_is_string(json_object_get(base, "dot"))) json_object_set(o, "dot", json_object_get(base, "dot"));
    return o;
}

json_t *inbox_export_json(const json_t *shown) {
    json_t *versions = siblings_of(shown), *siblings = json_array();
    size_t i;
    const json_t *v;
    json_array_foreach(versions, i, v) json_array_append_new(siblings, sibling_json(v));
    json_decref(versions);
    if (json_array_size(siblings) < 2) {
        json_decref(siblings);
        return NULL;
    }
    return json_pack("{s:O, s:O, s:O, s:o, s:o}", "title", json_object_get(shown, "id"), "key", json_object_get(shown, "key"), "table",
                     json_object_get(shown, "table"), "siblings", siblings, "base", base_json(shown));
}

/* ---- edit ---- */
/* Columns of `more` that `into` does not have. */
static void add_columns(json_t *into, const json_t *more) {
    size_t i, k;
    json_t *a, *b;
    json_array_foreach(more, i, a) {
        bool there = false;
        json_array_foreach(into, k, b) there |= json_equal(json_object_get(a, "name") ? json_object_get(a, "name") : a,
                                                           json_object_get(b, "name") ? json_object_get(b, "name") : b);
        if (!there) json_array_append_new(into, json_deep_copy(a));
    }
}

/* What is read, and from the other versions of that type the columns and members that it lacks. */
static json_t *merged(const json_t *shown) {
    json_t *result = NULL;
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(shown, "versions"), i, v) {
        if (!is(v, "state", "read")) continue;
        json_t *row = row_of(v);
        if (result == NULL) result = json_deep_copy(row);
        json_decref(row);
    }
    if (result == NULL) return json_pack("{s:b}", "deleted", 1);
    json_array_foreach(json_object_get(shown, "versions"), i, v) {
        if (!live(v)) continue;
        json_t *row = row_of(v);
        add_columns(json_object_get(result, "columns"), json_object_get(row, "columns"));
        add_columns(json_object_get(result, "members"), json_object_get(row, "members"));
        json_decref(row);
    }
    json_object_del(result, "expires_ms");
    return result;
}

json_t *inbox_edit_json(const json_t *shown) {
    json_t *versions = json_array();
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(shown, "versions"), i, v) if (live(v)) json_array_append_new(versions, sibling_json(v));
    return json_pack("{s:s, s:O, s:o, s:o, s:o}", "what to do",
                     "change `result` to what the row is to be, save, and leave the editor; an empty file changes nothing", "key",
                     json_object_get(shown, "key"), "result", merged(shown), "versions", versions, "base", base_json(shown));
}

/* ---- words for TRUCE.CONFLICTS RESOLVE ---- */
void inbox_words_add(struct inbox_words *w, struct slice s) {
    buf_slice(&w->bytes, s);
    w->count++;
}

static bool add_bytes(struct inbox_words *w, const json_t *j) {
    struct buf b = {0};
    bool ok = inbox_bytes_of(j, &b);
    if (ok) inbox_words_add(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

static bool refuse(struct buf *why, const char *text) {
    buf_text(why, text);
    return false;
}

/* [{"name", "value"}...], or {"name": value...}. */
static bool add_all_columns(struct inbox_words *w, const json_t *columns) {
    bool ok = true;
    const char *name;
    json_t *one;
    size_t i;
    json_array_foreach(columns, i, one) ok = ok && add_bytes(w, json_object_get(one, "name")) && add_bytes(w, json_object_get(one, "value"));
    if (json_is_object(columns)) json_object_foreach((json_t *)(uintptr_t)columns, name, one) {
            inbox_words_add(w, slice_text(name));
            ok = ok && add_bytes(w, one);
        }
    return ok;
}

static bool result_words(const json_t *result, struct inbox_words *w, struct buf *why) {
    const json_t *value = json_object_get(result, "value"), *columns = json_object_get(result, "columns"),
                 *members = json_object_get(result, "members"), *one;
    size_t i, count = json_is_object(columns) ? json_object_size(columns) : json_array_size(columns);
    bool ok = true;
    if (json_is_true(json_object_get(result, "deleted"))) {
        inbox_words_add(w, slice_text("DELETED"));
    } else if (value != NULL) {
        inbox_words_add(w, slice_text("STRING"));
        ok = add_bytes(w, value);
    } else if (count > 0) {
        inbox_words_add(w, slice_text("HASH"));
        ok = add_all_columns(w, columns);
    } else if (json_array_size(members) > 0) {
        inbox_words_add(w, slice_text("SET"));
        json_array_foreach(members, i, one) ok = ok && add_bytes(w, one);
    } else {
        return refuse(why, "result: expected one of value, columns, members, or deleted: true");
    }
    return ok || refuse(why, "result: expected strings, or {\"base64\": \"...\"} where bytes are no UTF-8");
}

bool inbox_edit_words(const json_t *edited, struct inbox_words *ret, struct buf *why) {
    const json_t *result = json_object_get(edited, "result");
    if (!json_is_object(result)) return refuse(why, "expected an object with `result`");
    return result_words(result, ret, why);
}

bool inbox_value_words(const json_t *shown, const char *value, struct inbox_words *ret, struct buf *why) {
    json_t *result = NULL;
    bool row = !is(shown, "kind", "column");
    bool hash = false;
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(shown, "versions"), i, v) hash |= is(json_object_get(v, "content"), "type", "hash");
    if (row && hash) {
        json_error_t error;
        json_t *columns = json_loads(value, 0, &error);
        if (!json_is_object(columns)) {
            json_decref(columns);
            return refuse(why, "the row is a hash: --value wants its columns as a JSON object, such as {\"name\": \"Ann\"}");
        }
        result = json_pack("{s:o}", "columns", columns);
    } else {
        result = json_pack("{s:s}", "value", value);
    }
    bool ok = result_words(result, ret, why);
    json_decref(result);
    return ok;
}
