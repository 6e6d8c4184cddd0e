#include "print.h"

#include <ctype.h>
#include <hiredis/sds.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void quote(struct slice s, struct buf *out) {
    sds text = sdscatrepr(sdsempty(), (const char *)s.p, s.n);
    buf_put(out, text, sdslen(text));
    sdsfree(text);
}

static struct slice reply_slice(const redisReply *reply) { return SLICE(reply->str, reply->len); }

/* `indent` columns stand before every line but the first. */
static void print_indented(const redisReply *reply, uint32_t indent, struct buf *out) {
    switch (reply->type) {
    case REDIS_REPLY_STATUS: buf_put(out, reply->str, reply->len); break;
    case REDIS_REPLY_ERROR: buf_printf(out, "(error) %s", reply->str); break;
    case REDIS_REPLY_INTEGER: buf_printf(out, "(integer) %lld", reply->integer); break;
    case REDIS_REPLY_STRING: quote(reply_slice(reply), out); break;
    case REDIS_REPLY_ARRAY:
        if (reply->elements == 0) buf_printf(out, "(empty array)");
        for (size_t i = 0; i < reply->elements; i++) {
            int width = snprintf(NULL, 0, "%zu", reply->elements);
            buf_printf(out, "%s%*s%*zu) ", i ? "\n" : "", i ? (int)indent : 0, "", width, i + 1);
            print_indented(reply->element[i], indent + (uint32_t)width + 2, out);
        }
        break;
    default: buf_printf(out, "(nil)");
    }
}

void reply_print(const redisReply *reply, struct buf *out) {
    print_indented(reply, 0, out);
    buf_u8(out, '\n');
}

void reply_print_raw(const redisReply *reply, struct buf *out) {
    switch (reply->type) {
    case REDIS_REPLY_INTEGER: buf_printf(out, "%lld", reply->integer); break;
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
    case REDIS_REPLY_STRING: buf_put(out, reply->str, reply->len); break;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++) reply_print_raw(reply->element[i], out);
        if (reply->elements > 0) return;
        break;
    default: break;
    }
    buf_u8(out, '\n');
}

static json_t *text_json(struct slice s) {
    json_t *text = json_stringn((const char *)s.p, s.n);
    if (text != NULL && memchr(s.p, 0, s.n) == NULL) return text;
    json_decref(text);
    struct buf quoted = {0};
    quote(s, &quoted);
    text = json_stringn((const char *)quoted.p, quoted.n);
    buf_finish(&quoted);
    return text;
}

json_t *reply_as_json(const redisReply *reply) {
    if (reply->type == REDIS_REPLY_INTEGER) return json_integer(reply->integer);
    if (reply->type == REDIS_REPLY_NIL) return json_null();
    if (reply->type != REDIS_REPLY_ARRAY) return text_json(reply_slice(reply));
    json_t *list = json_array();
    for (size_t i = 0; i < reply->elements; i++) json_array_append_new(list, reply_as_json(reply->element[i]));
    return list;
}

/* ---- tables ---- */
void table_finish(struct table *t) { buf_finish(&t->cells); }

void table_cell(struct table *t, const char *format, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n >= 0) buf_put(&t->cells, text, (size_t)n + 1);
    free(text);
}

/* Columns that a text takes on the screen: bytes that only continue a character take none. */
static uint32_t width_of(const char *text) {
    uint32_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

void table_print(const struct table *t, struct buf *out) {
    uint32_t *widths = xcalloc(t->columns, sizeof *widths), at = 0;
    const char *end = (const char *)t->cells.p + t->cells.n;
    for (const char *cell = (const char *)t->cells.p; cell < end; cell += strlen(cell) + 1, at++)
        if (width_of(cell) > widths[at % t->columns]) widths[at % t->columns] = width_of(cell);
    at = 0;
    for (const char *cell = (const char *)t->cells.p; cell < end; cell += strlen(cell) + 1, at++) {
        bool last = at % t->columns == t->columns - 1;
        buf_printf(out, "%s%*s", cell, last ? 0 : (int)(widths[at % t->columns] - width_of(cell)) + 2, "");
        if (last) {
            while (out->n > 0 && out->p[out->n - 1] == ' ') out->n--;
            buf_u8(out, '\n');
        }
    }
    free(widths);
}
