#include "compare.h"

#include "../../schemas/units.h"
#include "../core/commands/commands.h"
#include "reply_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 240u

void finding_finish(struct finding *a) {
    json_decref(a->value);
    *a = (struct finding){0};
}

/* ---- numbers: decimal, exact ---- */

struct decimal {
    bool negative;
    struct slice whole, fraction; /* without zeros at the end */
};

/* As JSON spells numbers, without exponent. */
static bool parse_decimal(const char *s, struct decimal *ret) {
    struct decimal d = {.negative = *s == '-'};
    s += d.negative;
    size_t n = strspn(s, "0123456789");
    if (n == 0 || (n > 1 && *s == '0')) return false;
    d.whole = SLICE(s, n);
    s += n;
    if (*s == '.') {
        n = strspn(s + 1, "0123456789");
        if (n == 0 || s[1 + n]) return false;
        while (n > 0 && s[n] == '0') n--;
        d.fraction = SLICE(s + 1, n);
    } else if (*s) {
        return false;
    }
    if (d.fraction.n == 0 && d.whole.n == 1 && d.whole.p[0] == '0') d.negative = false;
    *ret = d;
    return true;
}

static int decimal_compare(const struct decimal *a, const struct decimal *b) {
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    int by = a->whole.n != b->whole.n ? (a->whole.n < b->whole.n ? -1 : 1) : slice_compare(a->whole, b->whole);
    if (by == 0) by = slice_compare(a->fraction, b->fraction);
    return a->negative ? -by : by;
}

/* Of a number, or of a text that is one. */
static bool decimal_of(const json_t *j, char room[static 64], struct decimal *ret) {
    if (json_is_string(j)) return parse_decimal(json_string_value(j), ret);
    if (json_is_integer(j))
        snprintf(room, 64, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
    else if (json_is_real(j))
        snprintf(room, 64, "%.15g", json_real_value(j));
    else
        return false;
    return parse_decimal(room, ret);
}

static bool both_numbers(const json_t *a, const json_t *b, int *ret) {
    char room_a[64], room_b[64];
    struct decimal x, y;
    if (!decimal_of(a, room_a, &x) || !decimal_of(b, room_b, &y)) return false;
    *ret = decimal_compare(&x, &y);
    return true;
}

/* Of two numbers, or of a time and what stands for one. False: they are neither. */
static bool order_of(const struct finding *a, const json_t *with, int *ret) {
    uint64_t us;
    const char *text = json_string_value(with);
    if (!a->time || !text) return both_numbers(a->value, with, ret);
    if (!parse_time(text, UINT64_MAX, &us)) return false;
    uint64_t is = (uint64_t)json_integer_value(a->value);
    *ret = is < us ? -1 : is > us;
    return true;
}

/* ---- equal, and within ---- */

static bool equal(const json_t *a, const json_t *b, bool unordered);

static bool has(const json_t *list, const json_t *member) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (equal(json_array_get(list, i), member, false)) return true;
    return false;
}

static bool equal_lists(const json_t *a, const json_t *b, bool unordered) {
    size_t n = json_array_size(a);
    if (n != json_array_size(b)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        if (unordered ? !has(b, x) || !has(a, y) : !equal(x, y, false)) return false;
    }
    return true;
}

static bool equal_objects(const json_t *a, const json_t *b) {
    if (json_object_size(a) != json_object_size(b)) return false;
    for (void *i = json_object_iter((json_t *)(uintptr_t)a); i; i = json_object_iter_next((json_t *)(uintptr_t)a, i)) {
        const json_t *other = json_object_get(b, json_object_iter_key(i));
        if (!other || !equal(json_object_iter_value(i), other, false)) return false;
    }
    return true;
}

static bool equal(const json_t *a, const json_t *b, bool unordered) {
    int order;
    if (both_numbers(a, b, &order)) return order == 0;
    if (json_is_array(a) && json_is_array(b)) return equal_lists(a, b, unordered);
    if (json_is_object(a) && json_is_object(b)) return equal_objects(a, b);
    return json_equal(a, b);
}

static bool is(const struct finding *a, const json_t *with) {
    int order;
    if (a->time) return order_of(a, with, &order) && order == 0;
    return equal(a->value, with, a->unordered);
}

static bool one_of(const struct finding *a, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is(a, json_array_get(list, i))) return true;
    return false;
}

/* Of an object's members, those that are given must be alike; of a list, and of a text, each that is given must be there. */
static uint32_t found_of(const json_t *value, const json_t *with, uint32_t *ret_wanted) {
    *ret_wanted = 1;
    if (json_is_string(value)) {
        const char *part = json_string_value(with);
        if (!json_is_array(with)) return part && strstr(json_string_value(value), part) != NULL;
    }
    if (json_is_object(value) && json_is_object(with)) {
        uint32_t found = 0;
        *ret_wanted = (uint32_t)json_object_size(with);
        for (void *i = json_object_iter((json_t *)(uintptr_t)with); i; i = json_object_iter_next((json_t *)(uintptr_t)with, i)) {
            const json_t *other = json_object_get(value, json_object_iter_key(i));
            found += other && equal(other, json_object_iter_value(i), false);
        }
        return found;
    }
    if (json_is_object(value)) return json_is_string(with) && json_object_get(value, json_string_value(with)) != NULL;
    if (!json_is_array(with)) return has(value, with);
    uint32_t found = 0;
    *ret_wanted = (uint32_t)json_array_size(with);
    for (size_t i = 0; i < *ret_wanted; i++) {
        uint32_t wanted = 1, n = found_of(value, json_array_get(with, i), &wanted);
        found += n == wanted;
    }
    return found;
}

static bool contains(const json_t *value, const json_t *with) {
    uint32_t wanted, found = found_of(value, with, &wanted);
    return found == wanted;
}

static bool lacks(const json_t *value, const json_t *with) {
    uint32_t wanted;
    return !reply_error_text(value) && found_of(value, with, &wanted) == 0;
}

static bool matches(const json_t *value, const json_t *with) {
    const char *text = json_string_value(value), *glob = json_string_value(with);
    return text && glob && glob_match(slice_text(glob), slice_text(text), false);
}

static bool count_is(const json_t *value, const json_t *with) {
    int order;
    if (reply_error_text(value)) return false;
    json_t *n = json_is_array(value)    ? json_integer((json_int_t)json_array_size(value))
                : json_is_object(value) ? json_integer((json_int_t)json_object_size(value))
                : json_is_null(value)   ? json_integer(0)
                                        : json_incref((json_t *)(uintptr_t)value);
    bool same = both_numbers(n, with, &order) && order == 0;
    json_decref(n);
    return same;
}

static bool fails(const json_t *value, const json_t *with) {
    const char *text = reply_error_text(value);
    if (json_is_false(with)) return !text;
    return text && (!json_is_string(with) || strstr(text, json_string_value(with)));
}

static bool is_something(const json_t *value) {
    char room[64];
    struct decimal d, zero = {.whole = slice_text("0")};
    if (json_is_true(value)) return true;
    if (decimal_of(value, room, &d)) return decimal_compare(&d, &zero) != 0;
    if (json_is_string(value)) return json_string_length(value) > 0;
    if (json_is_array(value)) return json_array_size(value) > 0;
    return json_is_object(value) && json_object_size(value) > 0 && !reply_error_text(value);
}

bool compare_holds(const struct compare *c, const struct finding *a) {
    int order;
    switch (c->how) {
    case COMPARE_HOLDS: return is_something(a->value);
    case COMPARE_IS: return is(a, c->with);
    case COMPARE_NOT: return !reply_error_text(a->value) && !is(a, c->with);
    case COMPARE_ONE_OF: return one_of(a, c->with);
    case COMPARE_CONTAINS: return contains(a->value, c->with);
    case COMPARE_LACKS: return lacks(a->value, c->with);
    case COMPARE_MATCHES: return matches(a->value, c->with);
    case COMPARE_AT_LEAST: return order_of(a, c->with, &order) && order >= 0;
    case COMPARE_AT_MOST: return order_of(a, c->with, &order) && order <= 0;
    case COMPARE_COUNT: return count_is(a->value, c->with);
    case COMPARE_FAILS: return fails(a->value, c->with);
    }
    return false;
}

bool compare_all(const struct compare *list, uint32_t count, const struct finding *a, const struct compare **ret_failed) {
    *ret_failed = NULL;
    if (count == 0) return is_something(a->value);
    for (uint32_t i = 0; i < count; i++) {
        if (compare_holds(&list[i], a)) continue;
        *ret_failed = &list[i];
        return false;
    }
    return true;
}

/* ---- in words ---- */

/* At most SHOWN_MAX bytes, whole characters. */
static void put_json(const json_t *j, struct buf *out) {
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    size_t n = text ? strlen(text) : 0, shown = n < SHOWN_MAX ? n : SHOWN_MAX;
    while (shown < n && shown > 0 && ((uint8_t)text[shown] & 0xc0) == 0x80) shown--;
    buf_put(out, text, shown);
    if (shown < n) buf_text(out, "...");
    free(text);
}

void finding_format(const struct finding *a, struct buf *out) {
    const char *error = reply_error_text(a->value);
    if (a->time) {
        format_time((uint64_t)json_integer_value(a->value), out);
    } else if (error && strcmp(error, NO_ANSWER) == 0) {
        buf_text(out, NO_ANSWER);
    } else if (error) {
        buf_text(out, "the error ");
        put_json(json_object_get(a->value, "error"), out);
    } else if (json_is_null(a->value)) {
        buf_text(out, "nil");
    } else {
        put_json(a->value, out);
    }
}

/* Times stand as they are written. */
static void put_bound(const char *words, const json_t *with, struct buf *out) {
    buf_text(out, words);
    if (json_is_string(with))
        buf_text(out, json_string_value(with));
    else
        put_json(with, out);
}

void compare_format(const struct compare *c, struct buf *out) {
    static const char *const before[] = {[COMPARE_IS] = "",
                                         [COMPARE_NOT] = "anything but ",
                                         [COMPARE_ONE_OF] = "one of ",
                                         [COMPARE_CONTAINS] = "something with ",
                                         [COMPARE_LACKS] = "something without ",
                                         [COMPARE_MATCHES] = "something like "};
    switch (c->how) {
    case COMPARE_HOLDS: buf_text(out, "something"); return;
    case COMPARE_AT_LEAST: put_bound("at least ", c->with, out); return;
    case COMPARE_AT_MOST: put_bound("at most ", c->with, out); return;
    case COMPARE_COUNT: put_bound("a count of ", c->with, out); return;
    case COMPARE_FAILS:
        buf_text(out, json_is_false(c->with) ? "no error" : "an error");
        if (!json_is_string(c->with)) return;
        buf_text(out, " with ");
        put_json(c->with, out);
        return;
    default: break;
    }
    buf_text(out, before[c->how]);
    struct finding a = {.value = (json_t *)(uintptr_t)c->with};
    finding_format(&a, out);
}
