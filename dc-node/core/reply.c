#include "reply.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One type byte, a number, CRLF. Not printf: this is written for every element of every reply. */
static void put_number(struct reply *r, char type, int64_t v) {
    char text[24];
    size_t at = sizeof text;
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (v < 0) text[--at] = '-';
    text[--at] = type;
    buf_put(r->out, text + at, sizeof text - at);
}

static void put_line(struct reply *r, char type, const char *text) {
    buf_u8(r->out, (uint8_t)type);
    buf_text(r->out, text);
    buf_put(r->out, "\r\n", 2);
}

void reply_simple(struct reply *r, const char *text) { put_line(r, '+', text); }

void reply_ok(struct reply *r) { buf_put(r->out, "+OK\r\n", 5); }

void reply_error(struct reply *r, const char *format, ...) {
    char text[1024]; /* a longer message is cut: it is made for people */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\r' || *c == '\n') *c = ' ';
    put_line(r, '-', text);
    r->failed = true;
}

void reply_integer(struct reply *r, int64_t v) { put_number(r, ':', v); }

void reply_bulk(struct reply *r, struct slice s) {
    put_number(r, '$', (int64_t)s.n);
    buf_put(r->out, s.p, s.n);
    buf_put(r->out, "\r\n", 2);
}

void reply_text(struct reply *r, const char *zero_terminated) { reply_bulk(r, slice_text(zero_terminated)); }

void reply_verbatim(struct reply *r, const char *type3, struct slice s) {
    if (r->protocol < 3) {
        reply_bulk(r, s);
        return;
    }
    put_number(r, '=', (int64_t)s.n + 4);
    buf_put(r->out, type3, 3);
    buf_u8(r->out, ':');
    buf_put(r->out, s.p, s.n);
    buf_put(r->out, "\r\n", 2);
}

void reply_null(struct reply *r) { buf_text(r->out, r->protocol < 3 ? "$-1\r\n" : "_\r\n"); }

void reply_null_array(struct reply *r) { buf_text(r->out, r->protocol < 3 ? "*-1\r\n" : "_\r\n"); }

void reply_double(struct reply *r, double v) {
    char text[48];
    if (isinf(v))
        snprintf(text, sizeof text, v > 0 ? "inf" : "-inf");
    else
        snprintf(text, sizeof text, "%.17g", v);
    if (r->protocol < 3)
        reply_text(r, text);
    else
        put_line(r, ',', text);
}

void reply_bool(struct reply *r, bool v) {
    if (r->protocol < 3)
        reply_integer(r, v);
    else
        buf_text(r->out, v ? "#t\r\n" : "#f\r\n");
}

void reply_array(struct reply *r, size_t n) { put_number(r, '*', (int64_t)n); }

void reply_map(struct reply *r, size_t pairs) {
    if (r->protocol < 3)
        put_number(r, '*', (int64_t)pairs * 2);
    else
        put_number(r, '%', (int64_t)pairs);
}

void reply_set(struct reply *r, size_t n) { put_number(r, r->protocol < 3 ? '*' : '~', (int64_t)n); }

void reply_push(struct reply *r, size_t n) { put_number(r, r->protocol < 3 ? '*' : '>', (int64_t)n); }
