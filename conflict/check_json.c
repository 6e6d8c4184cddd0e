/* Conflicts as JSON: what `truce conflicts export` writes, what a handler's own tests are, and what a counter-example is shown as. */
#include "../schemas/text.h"
#include "check_case.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SIBLINGS_READ_MAX 1024u

/* One line, led by where it is. Always false. */
static bool refuse(struct buf *why, const char *title, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool refuse(struct buf *why, const char *title, const char *format, ...) {
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    buf_printf(why, "%s: %s", title, text);
    return false;
}

/* ---- bytes: a string, or {"base64": "..."} ---- */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_encode(struct slice s, struct buf *out) {
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t left = (uint32_t)(s.n - i < 3 ? s.n - i : 3), v = 0;
        for (uint32_t k = 0; k < 3; k++) v = v << 8 | (k < left ? s.p[i + k] : 0);
        for (uint32_t k = 0; k < 4; k++) buf_u8(out, k <= left ? (uint8_t)digits[v >> (18 - 6 * k) & 63] : '=');
    }
}

static bool base64_decode(const char *text, struct buf *out) {
    size_t n = strlen(text);
    if (n % 4 != 0) return false;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0, kept = 3;
        for (size_t k = 0; k < 4; k++) {
            const char *at = text[i + k] == '=' ? digits : strchr(digits, text[i + k]);
            if (at == NULL || (text[i + k] == '=' && (i + 4 != n || k < 2))) return false;
            if (text[i + k] == '=') kept = k == 2 ? 1 : kept == 1 ? 1 : 2;
            v = v << 6 | (uint32_t)(at - digits);
        }
        for (uint32_t k = 0; k < kept; k++) buf_u8(out, (uint8_t)(v >> (16 - 8 * k)));
    }
    return true;
}

static json_t *bytes_json(struct slice s) {
    json_t *text = json_stringn((const char *)s.p, s.n);
    if (text != NULL) return text;
    struct buf b = {0};
    base64_encode(s, &b);
    json_t *o = json_pack("{s:s#}", "base64", (const char *)b.p, b.n);
    buf_finish(&b);
    return o;
}

static bool bytes_of(const json_t *j, struct buf *ret) {
    buf_clear(ret);
    if (json_is_string(j)) buf_put(ret, json_string_value(j), json_string_length(j));
    const char *base64 = json_string_value(json_object_get(j, "base64"));
    return json_is_string(j) || (base64 != NULL && base64_decode(base64, ret));
}

/* ---- contents ---- */
/* A row's columns while they are read: their bytes lie in `bytes`. */
struct columns {
    struct buf bytes;
    size_t (*at)[2]; /* where a name and its value end */
    size_t n;
};

static bool add_column(struct columns *c, struct slice name, const json_t *value) {
    struct buf b = {0};
    bool ok = value == NULL || bytes_of(value, &b);
    c->at = xrealloc(c->at, (c->n + 1) * sizeof *c->at);
    buf_put(&c->bytes, name.p, name.n);
    c->at[c->n][0] = c->bytes.n;
    buf_put(&c->bytes, b.p, b.n);
    c->at[c->n++][1] = c->bytes.n;
    buf_finish(&b);
    return ok;
}

static bool add_named(struct columns *c, const json_t *name, const json_t *value) {
    struct buf b = {0};
    bool ok = bytes_of(name, &b) && add_column(c, buf_slice_of(&b), value);
    buf_finish(&b);
    return ok;
}

/* {"name": value...}, or [{"name": ..., "value": ...}...] where names are no text; members: [value...]. */
static bool read_columns(const json_t *from, bool members, struct columns *c) {
    const char *name;
    json_t *value;
    size_t i;
    bool ok = members ? json_is_array(from) : json_is_array(from) || json_is_object(from);
    json_object_foreach((json_t *)(uintptr_t)from, name, value) ok = ok && value != NULL && add_column(c, slice_text(name), value);
    json_array_foreach(from, i, value) {
        if (ok && members) ok = add_named(c, value, NULL);
        if (ok && !members)
            ok = json_object_get(value, "value") != NULL && add_named(c, json_object_get(value, "name"), json_object_get(value, "value"));
    }
    return ok && c->n > 0;
}

static void make_columns(const struct columns *c, enum content_type type, uint64_t expires_ms, struct buf *ret) {
    struct content_column *columns = xcalloc(c->n, sizeof *columns);
    for (size_t i = 0, begin = 0; i < c->n; begin = c->at[i++][1])
        columns[i] = (struct content_column){SLICE(c->bytes.p + begin, c->at[i][0] - begin),
                                             SLICE(c->bytes.p + c->at[i][0], c->at[i][1] - c->at[i][0])};
    content_make(ret, type, expires_ms, columns, c->n);
    free(columns);
}

/* A 64-bit number, as a number or as text. */
static bool read_u64_json(const json_t *j, uint64_t *ret) {
    const char *text = json_string_value(j);
    if (text != NULL) return text_number(slice_text(text), UINT64_MAX, ret);
    if (!json_is_integer(j) || json_integer_value(j) < 0) return false;
    *ret = (uint64_t)json_integer_value(j);
    return true;
}

/* The content of `o`: value, columns or members, with an expiry; deleted: none. */
static bool read_content(const json_t *o, const char *title, struct buf *ret, struct buf *why) {
    const json_t *value = json_object_get(o, "value"), *columns = json_object_get(o, "columns"), *members = json_object_get(o, "members");
    const json_t *expires = json_object_get(o, "expires_ms");
    const char *type = json_string_value(json_object_get(o, "type"));
    uint64_t expires_ms = 0;
    buf_clear(ret);
    if (expires != NULL && !json_is_null(expires) && !read_u64_json(expires, &expires_ms)) return refuse(why, title, "expires_ms: expected a number");
    if (json_is_true(json_object_get(o, "deleted"))) return true;
    const char *is = value != NULL ? "string" : columns != NULL ? "hash" : "set";
    if ((value != NULL) + (columns != NULL) + (members != NULL) != 1)
        return refuse(why, title, "expected one of value, columns, members, or deleted: true");
    if (type != NULL && strcmp(type, is) != 0) return refuse(why, title, "type is %.20s, but what it has is a %s", type, is);
    struct columns c = {0};
    struct buf bytes = {0};
    bool ok = value != NULL ? bytes_of(value, &bytes) : read_columns(columns != NULL ? columns : members, columns == NULL, &c);
    if (ok && value != NULL) content_make_string(ret, expires_ms, buf_slice_of(&bytes));
    if (ok && value == NULL) make_columns(&c, columns != NULL ? CONTENT_HASH : CONTENT_SET, expires_ms, ret);
    buf_finish(&bytes);
    buf_finish(&c.bytes);
    free(c.at);
    return ok || refuse(why, title, "its bytes: expected strings, or {\"base64\": \"...\"} where they are no UTF-8; one column at least");
}

/* ---- versions ---- */
static bool read_version(const json_t *o, const char *title, uint32_t i, struct check_sibling *ret, struct buf *why) {
    const char *dc = json_string_value(json_object_get(o, "dc")), *dot = json_string_value(json_object_get(o, "dot"));
    const json_t *stamp = json_object_get(o, "stamp"), *priority = json_object_get(o, "priority");
    snprintf(ret->dc, sizeof ret->dc, "%s", dc != NULL ? dc : "dc");
    if (!json_is_object(o)) return refuse(why, title, "expected an object");
    if (dc != NULL && !name_allowed(slice_text(dc))) return refuse(why, title, "dc: expected the name of a datacenter");
    ret->priority = (int32_t)json_integer_value(priority);
    ret->stamp = stamp_make(UINT64_C(1790000000000) + i, 0);
    const char *text = json_string_value(stamp);
    bool stamped = stamp == NULL || (text != NULL && stamp_parse(slice_text(text), &ret->stamp)) || read_u64_json(stamp, &ret->stamp);
    if (!stamped) return refuse(why, title, "stamp: expected a number, or \"MILLISECONDS.COUNTER\"");
    ret->marked = json_is_true(json_object_get(o, "clock_was_off"));
    if (dot != NULL)
        buf_text(&ret->dot, dot);
    else
        buf_printf(&ret->dot, "%s-1.0000000000000001:%u", ret->dc, i + 1);
    return read_content(o, title, &ret->content, why);
}

/* Into canonical order; false: a dot is none. */
static bool sort_versions(struct check_case *c, struct buf *why) {
    struct origins *t = origins_create();
    struct dot *dots = xcalloc(c->count + 1, sizeof *dots);
    bool ok = true;
    for (uint32_t i = 0; ok && i < c->count; i++) {
        ok = dot_parse(buf_slice_of(&c->siblings[i].dot), t, &dots[i]);
        if (!ok) refuse(why, c->title, "dot: expected DC-NODE.INCARNATION:NUMBER such as us-1.00c0ffee00c0ffee:42");
        for (uint32_t k = i; ok && k > 0 && dot_compare(t, dots[k - 1], dots[k]) > 0; k--) {
            struct dot dot = dots[k];
            struct check_sibling sibling = c->siblings[k];
            dots[k] = dots[k - 1], dots[k - 1] = dot;
            c->siblings[k] = c->siblings[k - 1], c->siblings[k - 1] = sibling;
        }
    }
    for (uint32_t i = 1; ok && i < c->count; i++)
        if (dot_compare(t, dots[i - 1], dots[i]) == 0) ok = refuse(why, c->title, "two versions have the same dot");
    free(dots);
    origins_destroy(t);
    return ok;
}

static bool read_case(const json_t *o, struct check_case *c, struct buf *why) {
    const json_t *siblings = json_object_get(o, "siblings"), *base = json_object_get(o, "base"), *version;
    const char *table = json_string_value(json_object_get(o, "table"));
    size_t i, count = json_array_size(siblings);
    if (!bytes_of(json_object_get(o, "key"), &c->key)) return refuse(why, c->title, "key: expected a string, or {\"base64\": \"...\"}");
    buf_text(&c->table, table != NULL ? table : "*");
    if (count < 2 || count > SIBLINGS_READ_MAX) return refuse(why, c->title, "siblings: expected 2 to %u versions", SIBLINGS_READ_MAX);
    c->siblings = xcalloc(count, sizeof *c->siblings);
    c->count = (uint32_t)count;
    json_array_foreach(siblings, i, version) if (!read_version(version, c->title, (uint32_t)i, &c->siblings[i], why)) return false;
    if (!sort_versions(c, why)) return false;
    c->has_base = base != NULL && !json_is_null(base);
    if (c->has_base && !read_version(base, c->title, 0, &c->base, why)) return false;
    c->expect = json_incref(json_object_get(o, "expect"));
    return true;
}

bool check_cases_load(struct check_cases *all, const char *path, struct buf *why) {
    json_error_t error;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error), *one;
    const json_t *list = json_is_array(file) ? file : json_object_get(file, "conflicts");
    size_t i;
    bool ok = file != NULL && json_is_array(list);
    if (file == NULL)
        buf_printf(why, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    else if (!ok)
        buf_printf(why, "%s: expected {\"conflicts\": [...]}", path);
    json_array_foreach(list, i, one) {
        if (!ok) break;
        const char *title = json_string_value(json_object_get(one, "title"));
        struct check_case *c = check_cases_add(all);
        snprintf(c->title, sizeof c->title, title != NULL ? "recorded conflict %zu, \"%s\"" : "recorded conflict %zu", i + 1, title);
        struct buf problem = {0};
        ok = read_case(one, c, &problem);
        if (!ok) buf_printf(why, "%s: %.*s", path, (int)problem.n, (const char *)problem.p);
        buf_finish(&problem);
    }
    json_decref(file);
    return ok;
}

char *check_cases_settings(const char *path) {
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *settings = json_object_get(file, "settings");
    char *text = settings != NULL ? json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(file);
    return text;
}

/* ---- writing ---- */
static void put_content(json_t *o, struct slice content) {
    if (content.n == 0) {
        json_object_set_new(o, "deleted", json_true());
        return;
    }
    static const char *const types[] = {"", "string", "hash", "set"};
    enum content_type type = content_type(content);
    json_object_set_new(o, "type", json_string(types[type]));
    if (content_expires_ms(content) != 0) json_object_set_new(o, "expires_ms", json_integer((json_int_t)content_expires_ms(content)));
    if (type == CONTENT_STRING) {
        json_object_set_new(o, "value", bytes_json(content_string(content)));
        return;
    }
    json_t *list = json_array();
    struct content_columns i = content_columns(content);
    for (struct slice name, value; content_next(&i, &name, &value);)
        json_array_append_new(list,
                              type == CONTENT_SET ? bytes_json(name) : json_pack("{s:o, s:o}", "name", bytes_json(name), "value", bytes_json(value)));
    json_object_set_new(o, type == CONTENT_SET ? "members" : "columns", list);
}

static json_t *version_json(const struct check_sibling *s) {
    struct buf stamp = {0};
    stamp_format(s->stamp, &stamp);
    json_t *o = json_pack("{s:s, s:i, s:s#, s:s#}", "dc", s->dc, "priority", s->priority, "stamp", (const char *)stamp.p, stamp.n, "dot",
                          (const char *)s->dot.p, s->dot.n);
    if (s->marked) json_object_set_new(o, "clock_was_off", json_true());
    put_content(o, buf_slice_of(&s->content));
    buf_finish(&stamp);
    return o;
}

json_t *check_case_json(const struct check_case *c) {
    json_t *siblings = json_array();
    for (uint32_t i = 0; i < c->count; i++) json_array_append_new(siblings, version_json(&c->siblings[i]));
    return json_pack("{s:s, s:o, s:s#, s:o, s:o}", "title", c->title, "key", bytes_json(buf_slice_of(&c->key)), "table", (const char *)c->table.p,
                     c->table.n, "siblings", siblings, "base", c->has_base ? version_json(&c->base) : json_null());
}

json_t *check_answer_json(const struct check_case *c, const struct handler_answer *a) {
    json_t *o = json_object();
    switch (a->outcome) {
    case HANDLER_PICK:
        json_object_set_new(o, "pick", json_integer(a->index));
        if (a->index < c->count) put_content(o, buf_slice_of(&c->siblings[a->index].content));
        break;
    case HANDLER_ROW: put_content(o, a->content); break;
    case HANDLER_RECORD: json_object_set_new(o, "record", json_true()); break;
    case HANDLER_PASS: json_object_set_new(o, "pass", json_true()); break;
    case HANDLER_NO_BASE: json_object_set_new(o, "no_base", json_true()); break;
    case HANDLER_ABSENT: json_object_set_new(o, "absent", json_true()); break;
    case HANDLER_FAILED: json_object_set_new(o, "failed", json_stringn((const char *)a->why.p, a->why.n)); break;
    }
    return o;
}

/* ---- expectations ---- */
static bool content_expected(const struct check_case *c, const struct handler_answer *a, struct buf *why, bool *ret_malformed) {
    struct buf wanted = {0};
    bool ok = read_content(c->expect, c->title, &wanted, why);
    *ret_malformed = !ok;
    struct slice got = a->content;
    if (a->outcome == HANDLER_PICK && a->index < c->count) got = buf_slice_of(&c->siblings[a->index].content);
    ok = ok && (a->outcome == HANDLER_ROW || a->outcome == HANDLER_PICK) && slice_equal(got, buf_slice_of(&wanted));
    buf_finish(&wanted);
    return ok;
}

bool check_expected(const struct check_case *c, const struct handler_answer *a, struct buf *why) {
    const json_t *e = c->expect, *pick = json_object_get(e, "pick");
    bool ok, malformed = false;
    if (json_is_true(json_object_get(e, "record")))
        ok = a->outcome == HANDLER_RECORD;
    else if (json_is_true(json_object_get(e, "pass")))
        ok = a->outcome == HANDLER_PASS;
    else if (json_is_true(json_object_get(e, "no_base")))
        ok = a->outcome == HANDLER_NO_BASE;
    else if (pick != NULL)
        ok = a->outcome == HANDLER_PICK && json_is_integer(pick) && a->index == (uint64_t)json_integer_value(pick);
    else
        ok = content_expected(c, a, why, &malformed);
    if (ok || malformed) return ok;
    char *text = json_dumps(e, JSON_COMPACT);
    buf_printf(why, "expected %s, but it answers: ", text != NULL ? text : "something else");
    check_answer_words(c, a, why);
    free(text);
    return false;
}
