#include "counter.h"

#include <assert.h>

#include "planted.h"

/* ---- entries ---- */

struct counter counter_join(const struct counter *a, const struct counter *b) {
    assert(a->origin == b->origin);
    if (a->birth != b->birth) return a->birth > b->birth ? *a : *b;
    struct counter both = *a;
    if (b->n > a->n) {
        both.n = b->n;
        both.total = b->total;
        both.stamp = b->stamp;
    }
    if (b->reset_n > a->reset_n) {
        both.reset_n = b->reset_n;
        both.reset_total = b->reset_total;
        both.reset_by = b->reset_by;
    }
    return both;
}

void counter_reset_by(struct counter *c, const struct counter_reset *r, struct dot by) {
    assert(c->origin == r->origin);
    assert(by.n >= 1);
    if (c->birth != r->birth || c->reset_n >= r->n) return;
    c->reset_n = r->n;
    c->reset_total = r->total;
    c->reset_by = by;
}

bool counter_collectable(const struct counter *c, const struct vv *stable) {
    if (counter_live(c) || c->reset_by.n == 0) return false;
    return conflict_planted == CONFLICT_BUG_COUNTER_DROP_EARLY || vv_covers(stable, c->reset_by);
}

/* ---- amounts ---- */

#define AMOUNT_MAX ((amount_t)(~(amount_bits)0 >> 1))
#define AMOUNT_MIN (-AMOUNT_MAX - 1)

__extension__ typedef unsigned __int128 amount_bits;

amount_t amount_add(amount_t a, amount_t b) {
    amount_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? AMOUNT_MIN : AMOUNT_MAX;
}

/* Exact until the end: what is in between may be beyond the range, and the order of the entries must not matter. */
amount_t counters_sum(const struct counter *c, uint32_t count) {
    amount_t high = 0, low = 0;
    for (uint32_t i = 0; i < count; i++) {
        high += (c[i].total >> 64) - (c[i].reset_total >> 64);
        low += (amount_t)(uint64_t)c[i].total - (amount_t)(uint64_t)c[i].reset_total;
    }
    high += low >> 64;
    if (high > INT64_MAX) return AMOUNT_MAX;
    if (high < INT64_MIN) return AMOUNT_MIN;
    return (amount_t)((amount_bits)high << 64 | (uint64_t)low);
}

/* ---- text ---- */

#define FRACTION_DIGITS 17
#define DIGITS_MAX      38 /* 21 before the point, 17 behind it */
#define EXPONENT_MAX    INT64_C(1000000000000)

static bool digit_at(struct slice s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }
static bool sign_at(struct slice s, size_t i) { return i < s.n && (s.p[i] == '-' || s.p[i] == '+'); }

/* significand * 10^exponent; the significand does not end in 0, unless it is 0. */
struct decimal {
    amount_bits significand;
    int64_t exponent;
    int64_t digits; /* of the significand */
    int64_t zeros;  /* behind it, not yet part of it */
};

/* False: more digits than any amount has. */
static bool decimal_digit(struct decimal *d, unsigned digit) {
    if (digit == 0) {
        d->zeros += d->digits > 0;
        return true;
    }
    if (d->digits + d->zeros + 1 > DIGITS_MAX) return false;
    for (; d->zeros > 0; d->zeros--, d->digits++) d->significand *= 10;
    d->significand = d->significand * 10 + digit;
    d->digits++;
    return true;
}

static bool read_significand(struct slice text, size_t *at, struct decimal *d) {
    size_t i = *at, digits = 0;
    for (; digit_at(text, i); i++, digits++)
        if (!decimal_digit(d, text.p[i] - '0')) return false;
    if (i < text.n && text.p[i] == '.') {
        for (i++; digit_at(text, i); i++, digits++, d->exponent--)
            if (!decimal_digit(d, text.p[i] - '0')) return false;
    }
    *at = i;
    return digits > 0;
}

static bool read_exponent(struct slice text, size_t *at, struct decimal *d) {
    size_t i = *at;
    if (i == text.n || (text.p[i] != 'e' && text.p[i] != 'E')) return true;
    i++;
    bool negative = sign_at(text, i) && text.p[i] == '-';
    if (sign_at(text, i)) i++;
    if (!digit_at(text, i)) return false;
    int64_t exponent = 0;
    for (; digit_at(text, i); i++)
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (text.p[i] - '0');
    d->exponent += negative ? -exponent : exponent;
    *at = i;
    return true;
}

bool amount_parse(struct slice text, amount_t *ret) {
    struct decimal d = {0};
    size_t at = 0;
    bool negative = sign_at(text, 0) && text.p[0] == '-';
    if (sign_at(text, 0)) at++;
    if (!read_significand(text, &at, &d) || !read_exponent(text, &at, &d) || at != text.n) return false;
    int64_t shift = d.exponent + d.zeros + FRACTION_DIGITS;
    if (d.digits == 0) shift = 0;
    if (shift < 0 || d.digits + shift > DIGITS_MAX) return false;
    for (; shift > 0; shift--) d.significand *= 10;
    *ret = negative ? -(amount_t)d.significand : (amount_t)d.significand;
    return true;
}

size_t amount_format(amount_t a, char out[static AMOUNT_TEXT_MAX]) {
    char reversed[AMOUNT_TEXT_MAX];
    size_t n = 0, length = 0;
    amount_bits left = a < 0 ? -(amount_bits)a : (amount_bits)a;
    for (unsigned place = 0; place <= FRACTION_DIGITS || left > 0; place++, left /= 10) {
        if (place == FRACTION_DIGITS && n > 0) reversed[n++] = '.';
        if (place >= FRACTION_DIGITS || n > 0 || left % 10 != 0) reversed[n++] = (char)('0' + (unsigned)(left % 10));
    }
    if (a < 0) out[length++] = '-';
    while (n > 0) out[length++] = reversed[--n];
    out[length] = '\0';
    return length;
}

/* ---- bytes ---- */

static void amount_encode(amount_t a, struct buf *out) {
    buf_u64(out, (uint64_t)a);
    buf_u64(out, (uint64_t)((amount_bits)a >> 64));
}

static amount_t amount_decode(struct reader *r) {
    uint64_t low = read_u64(r), high = read_u64(r);
    return (amount_t)((amount_bits)high << 64 | low);
}

void counter_encode(const struct counter *c, const struct origins *t, struct buf *out) {
    assert(c->birth >= 1 && c->n >= c->birth);
    assert((c->reset_n > 0) == (c->reset_by.n > 0));
    origin_encode(t, c->origin, out);
    buf_varint(out, c->birth);
    buf_varint(out, c->n);
    amount_encode(c->total, out);
    buf_u64(out, c->stamp);
    buf_varint(out, c->reset_n);
    if (c->reset_n == 0) return;
    amount_encode(c->reset_total, out);
    dot_encode(t, c->reset_by, out);
}

struct counter counter_decode(struct reader *r, struct origins *t) {
    struct counter c = {0};
    c.origin = origin_decode(r, t);
    c.birth = read_varint(r);
    c.n = read_varint(r);
    c.total = amount_decode(r);
    c.stamp = read_u64(r);
    c.reset_n = read_varint(r);
    if (c.reset_n > 0) {
        c.reset_total = amount_decode(r);
        c.reset_by = dot_decode(r, t);
    }
    if (c.birth == 0 || c.n < c.birth) read_refuse(r);
    return r->bad ? (struct counter){.origin = ORIGIN_NONE} : c;
}
