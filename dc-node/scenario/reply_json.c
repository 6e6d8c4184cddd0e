#include "reply_json.h"

#include "../../schemas/shown.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64u

/* ---- taking apart ---- */

/* One element; those that hold others are followed by them. */
struct item {
    char type;
    bool null;
    uint64_t count;    /* of what follows; of a map twice its pairs */
    struct slice text; /* else */
};

static bool parse_count(struct slice s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n == 0 || s.n > 10) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = v;
    return true;
}

static bool next_line(struct slice *from, struct slice *ret) {
    for (size_t i = 0; i + 1 < from->n; i++) {
        if (from->p[i] != '\r' || from->p[i + 1] != '\n') continue;
        *ret = SLICE(from->p, i);
        *from = SLICE(from->p + i + 2, from->n - i - 2);
        return true;
    }
    return false;
}

/* False: malformed. */
static bool next_item(struct slice *from, struct item *ret) {
    struct slice line;
    uint64_t n = 0;
    if (!next_line(from, &line) || line.n == 0) return false;
    struct item it = {.type = (char)line.p[0], .text = SLICE(line.p + 1, line.n - 1)};
    bool sized = strchr("$=!*~%|>", it.type) != NULL;
    it.null = it.type == '_' || (sized && slice_equal(it.text, slice_text("-1")));
    if (sized && !it.null && !parse_count(it.text, &n)) return false;
    if (strchr("$=!", it.type) && !it.null) {
        if (from->n < n + 2) return false;
        it.text = SLICE(from->p, n);
        *from = SLICE(from->p + n + 2, from->n - n - 2);
        if (it.type == '=' && n >= 4) it.text = SLICE(it.text.p + 4, it.text.n - 4); /* "txt:" */
    } else if (sized && !it.null) {
        if (n > from->n) return false; /* every element takes more than a byte */
        it.count = it.type == '%' || it.type == '|' ? 2 * n : n;
    }
    *ret = it;
    return strchr("+-:$*_#,(!=~%|>", it.type) != NULL;
}

/* ---- as JSON ---- */

json_t *reply_error_json(const char *message) {
    json_t *j = json_object();
    json_object_set_new(j, "error", json_string(message));
    return j;
}

const char *reply_error_text(const json_t *value) { return json_object_size(value) == 1 ? json_string_value(json_object_get(value, "error")) : NULL; }

static json_t *error_of(struct slice text) {
    json_t *j = json_object();
    json_object_set_new(j, "error", shown_bytes(text));
    return j;
}

static int by_text(const void *a, const void *b) {
    json_t *const *x = a, *const *y = b;
    const char *s = json_string_value(*x), *t = json_string_value(*y);
    return s && t ? strcmp(s, t) : (s == NULL) - (t == NULL);
}

static json_t *sorted(json_t *list) {
    size_t n = json_array_size(list);
    json_t **all = xcalloc(n ? n : 1, sizeof *all), *ret = json_array();
    for (size_t i = 0; i < n; i++) all[i] = json_array_get(list, i);
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 0; i < n; i++) json_array_append(ret, all[i]);
    free(all);
    json_decref(list);
    return ret;
}

/* A list of names and values by turns as an object; what is no such list stays as it is. Takes `list`. */
static json_t *pairs(json_t *list) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n % 2) return list;
    json_t *ret = json_object();
    for (size_t i = 0; i < n; i += 2) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name) {
            json_decref(ret);
            return list;
        }
        json_object_set(ret, name, json_array_get(list, i + 1));
    }
    json_decref(list);
    return ret;
}

/* NULL: malformed. */
static json_t *value_of(struct slice *from, uint32_t depth) {
    struct item it;
    if (depth > DEPTH_MAX || !next_item(from, &it)) return NULL;
    if (it.null) return json_null();
    if (it.type == '#') return json_boolean(slice_equal(it.text, slice_text("t")));
    if (it.type == '-' || it.type == '!') return error_of(it.text);
    if (!strchr("*~%|>", it.type)) return shown_bytes(it.text);
    json_t *list = json_array();
    for (uint64_t i = 0; i < it.count; i++) {
        json_t *part = value_of(from, depth + 1);
        if (!part) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, part);
    }
    if (it.type == '|') { /* attributes of what follows */
        json_decref(list);
        return value_of(from, depth + 1);
    }
    return it.type == '%' ? pairs(list) : it.type == '~' ? sorted(list) : list;
}

/* ---- what version 2 leaves to the command ---- */

enum form { FORM_PLAIN, FORM_SET, FORM_PAIRS, FORM_DEEP, FORM_LIST_DEEP, FORM_PAGE };

static json_t *deep_pairs(json_t *list);

static json_t *each_deep(json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) json_array_set_new(list, i, deep_pairs(json_incref(json_array_get(list, i))));
    return list;
}

/* As Truce's own commands nest them. */
static json_t *deep_pairs(json_t *list) {
    static const char *const lists[] = {"siblings", "versions", "diff"}, *const maps[] = {"base", "content"};
    json_t *j = pairs(list);
    if (!json_is_object(j)) return j;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (json_is_array(json_object_get(j, lists[i]))) each_deep(json_object_get(j, lists[i]));
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (json_is_array(json_object_get(j, maps[i]))) json_object_set_new(j, maps[i], deep_pairs(json_incref(json_object_get(j, maps[i]))));
    return j;
}

static enum form form_of(const struct slice *argv, uint32_t argc) {
    static const char *const sets[] = {"smembers", "sinter", "sunion", "sdiff", "keys", "hkeys"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (slice_is(argv[0], sets[i])) return FORM_SET;
    if (slice_is(argv[0], "hgetall")) return FORM_PAIRS;
    if (slice_is(argv[0], "config") && argc > 1 && slice_is(argv[1], "get")) return FORM_PAIRS;
    if (slice_is(argv[0], "truce.siblings")) return FORM_DEEP;
    if (!slice_is(argv[0], "truce.conflicts")) return FORM_PLAIN;
    if (argc > 1 && slice_is(argv[1], "list")) return FORM_PAGE;
    if (argc > 1 && slice_is(argv[1], "show")) return FORM_DEEP;
    if (argc > 1 && (slice_is(argv[1], "count") || slice_is(argv[1], "resolve") || slice_is(argv[1], "restore"))) return FORM_PLAIN;
    return FORM_LIST_DEEP;
}

static json_t *formed(json_t *j, enum form f) {
    if (!json_is_array(j)) return j; /* an error; or version 3, which says it all */
    switch (f) {
    case FORM_PLAIN: return j;
    case FORM_SET: return sorted(j);
    case FORM_PAIRS: return pairs(j);
    case FORM_DEEP: return deep_pairs(j);
    case FORM_LIST_DEEP: return each_deep(j);
    case FORM_PAGE:
        if (json_is_array(json_array_get(j, 1))) each_deep(json_array_get(j, 1));
        return j;
    }
    return j;
}

json_t *reply_of_command(json_t *value, const struct slice *argv, uint32_t argc) { return formed(value, form_of(argv, argc)); }

json_t *reply_json(struct slice resp, const struct slice *argv, uint32_t argc, bool *ret_set) {
    enum form f = argv && argc ? form_of(argv, argc) : FORM_PLAIN;
    bool set = f == FORM_SET || (resp.n > 0 && resp.p[0] == '~');
    json_t *j;
    if (resp.n == 0)
        j = reply_error_json(NO_ANSWER);
    else if (!(j = value_of(&resp, 0)))
        j = reply_error_json("the reply is malformed");
    else
        j = formed(j, f);
    if (ret_set) *ret_set = set && json_is_array(j);
    return j;
}

/* ---- as a line ---- */

/* In UTF-8; control characters become spaces. */
static void put_line(struct slice text, bool quoted, struct buf *out) {
    json_t *j = shown_bytes(text);
    if (quoted) buf_u8(out, '"');
    for (const char *p = json_string_value(j); *p; p++) {
        if (quoted && *p == '"') buf_u8(out, '\\');
        if (quoted && *p == '\n')
            buf_text(out, "\\n");
        else
            buf_u8(out, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : (uint8_t)*p);
    }
    if (quoted) buf_u8(out, '"');
    json_decref(j);
}

static bool line_of(struct slice *from, uint32_t depth, struct buf *out) {
    struct item it;
    if (depth > DEPTH_MAX || !next_item(from, &it)) return false;
    if (it.null) {
        buf_text(out, "(nil)");
        return true;
    }
    if (!strchr("*~%|>", it.type)) {
        if (it.type == '-' || it.type == '!') buf_text(out, "(error) ");
        if (it.type == ':') buf_text(out, "(integer) ");
        put_line(it.text, it.type == '$' || it.type == '=', out);
        return true;
    }
    if (it.count == 0) buf_text(out, "(empty)");
    for (uint64_t i = 0; i < it.count; i++) {
        bool value = it.type == '%' && i % 2;
        if (value)
            buf_text(out, " => ");
        else
            buf_printf(out, "%s%llu) ", i ? " " : "", (unsigned long long)(it.type == '%' ? i / 2 + 1 : i + 1));
        if (!line_of(from, depth + 1, out)) return false;
    }
    return true;
}

void reply_line(struct slice resp, struct buf *out) {
    if (resp.n == 0) {
        buf_text(out, "(" NO_ANSWER ")");
        return;
    }
    if (!line_of(&resp, 0, out)) buf_text(out, "(malformed)");
}
