/* A scenario as a file that people read: what fits stands on one line. */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_COLUMNS 150u

/* ---- one line ---- */
/* As few digits as give the same number again. */
static void put_real(const json_t *v, struct buf *out) {
    char *text = NULL;
    for (size_t digits = 15; digits <= 17; digits++) {
        free(text);
        text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        if (text == NULL || strtod(text, NULL) == json_real_value(v)) break;
    }
    buf_text(out, text == NULL ? "0.0" : text);
    free(text);
}

static void put_scalar(const json_t *v, struct buf *out) {
    if (json_is_real(v)) return put_real(v, out);
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    buf_text(out, text == NULL ? "null" : text);
    free(text);
}

static void put_key(const char *key, struct buf *out) {
    json_t *text = json_string(key);
    put_scalar(text, out);
    buf_text(out, ": ");
    json_decref(text);
}

/* Where a step stood in the file that it was drawn from says nothing of this one. */
static bool left_out(const char *key, bool is_step) { return is_step && strcmp(key, "place") == 0; }

static void put_line(const json_t *v, bool is_step, struct buf *out) {
    const char *key;
    json_t *member;
    size_t i, n = 0;
    if (json_is_object(v)) {
        buf_u8(out, '{');
        json_object_foreach((json_t *)(uintptr_t)v, key, member) {
            if (left_out(key, is_step)) continue;
            if (n++ > 0) buf_text(out, ", ");
            put_key(key, out);
            put_line(member, false, out);
        }
        buf_u8(out, '}');
    } else if (json_is_array(v)) {
        buf_u8(out, '[');
        json_array_foreach(v, i, member) {
            if (i > 0) buf_text(out, ", ");
            put_line(member, false, out);
        }
        buf_u8(out, ']');
    } else {
        put_scalar(v, out);
    }
}

/* ---- many lines ---- */
static void put_break(uint32_t depth, struct buf *out) {
    buf_u8(out, '\n');
    for (uint32_t i = 0; i < 2 * depth; i++) buf_u8(out, ' ');
}

static void put_value(const json_t *v, uint32_t depth, size_t before, bool is_step, struct buf *out);

static void put_members(const json_t *v, uint32_t depth, bool is_step, struct buf *out) {
    const char *key;
    json_t *member;
    size_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)v, key, member) {
        if (left_out(key, is_step)) continue;
        if (n++ > 0) buf_u8(out, ',');
        put_break(depth + 1, out);
        put_key(key, out);
        put_value(member, depth + 1, strlen(key) + 5, false, out);
    }
}

/* `before`: columns taken on this line besides the indent. */
static void put_value(const json_t *v, uint32_t depth, size_t before, bool is_step, struct buf *out) {
    struct buf line = {0};
    json_t *member;
    size_t i;
    put_line(v, is_step, &line);
    if (line.n + before + 2 * depth <= LINE_MAX_COLUMNS || !(json_is_object(v) || json_is_array(v))) {
        buf_put(out, line.p, line.n);
        return buf_finish(&line);
    }
    buf_finish(&line);
    buf_u8(out, json_is_object(v) ? '{' : '[');
    if (json_is_object(v)) put_members(v, depth, is_step, out);
    json_array_foreach(v, i, member) {
        if (i > 0) buf_u8(out, ',');
        put_break(depth + 1, out);
        put_value(member, depth + 1, 1, is_step, out);
    }
    put_break(depth, out);
    buf_u8(out, json_is_object(v) ? '}' : ']');
}

static void put_steps(const json_t *steps, struct buf *out) {
    json_t *step;
    size_t i;
    buf_u8(out, '[');
    json_array_foreach(steps, i, step) {
        if (i > 0) buf_u8(out, ',');
        put_break(2, out);
        put_value(step, 2, 1, true, out);
    }
    if (json_array_size(steps) > 0) put_break(1, out);
    buf_u8(out, ']');
}

/* ---- the file ---- */
static void put_member(const char *key, const json_t *v, bool first, struct buf *out) {
    if (!first) buf_u8(out, ',');
    put_break(1, out);
    put_key(key, out);
    if (strcmp(key, "steps") == 0 && json_is_array(v))
        put_steps(v, out);
    else
        put_value(v, 1, strlen(key) + 5, false, out);
}

void scenario_print(const json_t *file, struct buf *out) {
    static const char *const order[] = {"scenario", "about",   "datacenters", "links", "tables", "cluster",
                                        "handlers", "clients", "seed",        "end",   "settle", "steps"};
    const char *key;
    json_t *v;
    size_t n = 0;
    if (!json_is_object(file)) {
        put_line(file, false, out);
        return buf_u8(out, '\n');
    }
    buf_u8(out, '{');
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        v = json_object_get(file, order[i]);
        if (v != NULL) put_member(order[i], v, n++ == 0, out);
    }
    json_object_foreach((json_t *)(uintptr_t)file, key, v) {
        size_t i = 0;
        while (i < sizeof order / sizeof *order && strcmp(order[i], key) != 0) i++;
        if (i == sizeof order / sizeof *order) put_member(key, v, n++ == 0, out);
    }
    buf_text(out, "\n}\n");
}
