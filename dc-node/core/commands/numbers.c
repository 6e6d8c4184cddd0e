#include "../../../conflict/counter.h"
#include "commands.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Not printf: counters are written at the rate of commands. */
size_t format_integer(char out[static 24], int64_t v) {
    char digits[24];
    size_t at = sizeof digits;
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    if (v < 0) digits[--at] = '-';
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

size_t format_decimal(char out[static DECIMAL_BYTES_MAX], long double v) {
    size_t n = (size_t)snprintf(out, DECIMAL_BYTES_MAX, "%.17Lf", v);
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    out[n] = 0;
    if (strcmp(out, "-0") != 0) return n;
    memcpy(out, "0", 2);
    return 1;
}

/* ---- whole numbers ---- */

/* `old` + `by` goes to a string row or a column; the reply is the sum. */
static void add_integer(struct call *c, enum content_type type, struct slice name, int64_t old, int64_t by) {
    int64_t sum;
    if (__builtin_add_overflow(old, by, &sum)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    char amount_text[24], sum_text[24];
    struct slice amount = SLICE(amount_text, format_integer(amount_text, by)), total = SLICE(sum_text, format_integer(sum_text, sum));
    if (txn_add(c->txn, arg(c, 1), type, name, amount, total))
        reply_integer(c->reply, sum);
    else
        txn_refuse(c, arg(c, 1));
}

static void increment(struct call *c, int64_t by) {
    struct slice content;
    int64_t old = 0;
    if (!want_type(c, arg(c, 1), CONTENT_STRING, &content)) return;
    if (!row_absent(content) && !want_integer(c, content_string(content), &old)) return;
    add_integer(c, CONTENT_STRING, (struct slice){0}, old, by);
}

void cmd_incr(struct call *c) { increment(c, 1); }
void cmd_decr(struct call *c) { increment(c, -1); }

void cmd_incrby(struct call *c) {
    int64_t by;
    if (want_integer(c, arg(c, 2), &by)) increment(c, by);
}

void cmd_decrby(struct call *c) {
    int64_t by;
    if (!want_integer(c, arg(c, 2), &by)) return;
    if (by == INT64_MIN)
        reply_error(c->reply, "ERR decrement would overflow");
    else
        increment(c, -by);
}

void cmd_hincrby(struct call *c) {
    int64_t by, old = 0;
    struct slice content, value;
    if (!want_integer(c, arg(c, 3), &by) || !want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    if (!row_absent(content) && content_find(content, arg(c, 2), &value) && !parse_integer(value, &old)) {
        reply_error(c->reply, "ERR hash value is not an integer");
        return;
    }
    add_integer(c, CONTENT_HASH, arg(c, 2), old, by);
}

/* ---- decimal numbers ---- */

static bool want_decimal(struct call *c, struct slice s, long double *ret) {
    if (parse_double(s, ret)) return true;
    reply_error(c->reply, "ERR value is not a valid float");
    return false;
}

/* Counters add up exactly: true when the numbers are of that kind, and *ret_n bytes of the sum were written. */
static bool sum_exactly(struct slice old, struct slice by, char out[static AMOUNT_TEXT_MAX], size_t *ret_n) {
    amount_t a = 0, b;
    if ((old.n && !amount_parse(old, &a)) || !amount_parse(by, &b)) return false;
    *ret_n = amount_format(amount_add(a, b), out);
    return true;
}

/* `old` + `by` goes to a string row or a column, as text and as a number. */
static void add_decimal(struct call *c, enum content_type type, struct slice name, struct slice old_text, struct slice by_text, long double old,
                        long double by) {
    long double sum = old + by;
    if (isnan(sum) || isinf(sum)) {
        reply_error(c->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    char amount_text[DECIMAL_BYTES_MAX], sum_text[DECIMAL_BYTES_MAX];
    struct slice amount = SLICE(amount_text, format_decimal(amount_text, by)), total = SLICE(sum_text, format_decimal(sum_text, sum));
    if (txn_merges(c->txn, arg(c, 1)) && sum_exactly(old_text, by_text, sum_text, &total.n)) amount = by_text;
    if (txn_add(c->txn, arg(c, 1), type, name, amount, total))
        reply_bulk(c->reply, total);
    else
        txn_refuse(c, arg(c, 1));
}

void cmd_incrbyfloat(struct call *c) {
    struct slice content, value = {0};
    long double old = 0, by;
    if (!want_type(c, arg(c, 1), CONTENT_STRING, &content)) return;
    if (!row_absent(content)) value = content_string(content);
    if (!row_absent(content) && !want_decimal(c, value, &old)) return;
    if (want_decimal(c, arg(c, 2), &by)) add_decimal(c, CONTENT_STRING, (struct slice){0}, value, arg(c, 2), old, by);
}

void cmd_hincrbyfloat(struct call *c) {
    struct slice content, value = {0};
    long double old = 0, by;
    if (!want_decimal(c, arg(c, 3), &by)) return;
    if (isinf(by)) {
        reply_error(c->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    if (!row_absent(content) && content_find(content, arg(c, 2), &value) && !parse_double(value, &old)) {
        reply_error(c->reply, "ERR hash value is not a float");
        return;
    }
    add_decimal(c, CONTENT_HASH, arg(c, 2), value, arg(c, 3), old, by);
}
