/* bounded_stock: a stock that is never oversold by a merge.
 *
 * The row is a hash that says how its stock came about: `in:DELIVERY` -> pieces, `out:ORDER` -> pieces. Each delivery and order has a name of its
 * own, so that merging is a union, and the same one is never counted twice. Where the orders of all sides together are more than there is, a person
 * decides. The column `available` is made anew: the sum.
 *
 * Settings: {"in": "in:", "out": "out:", "available": "available"}, each may be left out. */
#include "three_way.h"
#include <jansson.h>
#include <stdio.h>

#define DIGITS_MAX 15

struct names {
    json_t *settings;
    struct truce_bytes in, out, available;
};

static struct truce_bytes setting(const json_t *settings, const char *name, const char *otherwise) {
    const char *text = json_string_value(json_object_get(settings, name));
    return truce_text(text != NULL ? text : otherwise);
}

static struct names names_of(const char *text) {
    struct names n = {.settings = json_loads(text, JSON_REJECT_DUPLICATES, NULL)};
    n.in = setting(n.settings, "in", "in:");
    n.out = setting(n.settings, "out", "out:");
    n.available = setting(n.settings, "available", "available");
    return n;
}

static bool begins(struct truce_bytes name, struct truce_bytes with) { return name.n >= with.n && memcmp(name.p, with.p, with.n) == 0; }

/* Pieces: digits, and not too many. False: it is no number. */
static bool number_of(struct truce_bytes text, int64_t *ret) {
    int64_t n = 0;
    if (text.n == 0 || text.n > DIGITS_MAX) return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return false;
        n = n * 10 + (text.p[i] - '0');
    }
    *ret = n;
    return true;
}

/* Adds what a column says to the sum. False: it says nothing that can be added. */
static bool add(const struct names *n, const struct truce_column *column, int64_t *sum) {
    bool in = begins(column->name, n->in), out = begins(column->name, n->out);
    int64_t pieces = 0;
    if (!in && !out) return true;
    if (!number_of(column->value, &pieces)) return false;
    return !__builtin_add_overflow(*sum, in ? pieces : -pieces, sum);
}

/* What the stock is when all is merged. False: a person is to decide. */
static bool sum_up(const struct truce_conflict *c, const struct names *n, int64_t *ret_sum) {
    *ret_sum = 0;
    for (const struct truce_bytes *name = three_way_next(c, NULL); name != NULL; name = three_way_next(c, name)) {
        const struct truce_column *column;
        if (truce_equal(*name, n->available)) continue;
        if (!three_way_column(c, *name, &column) || (column != NULL && !add(n, column, ret_sum))) return false;
    }
    return *ret_sum >= 0;
}

static int merge(const struct truce_conflict *c, const struct names *n, int64_t sum, struct truce_answer *a) {
    char text[32];
    a->ops->begin(a, TRUCE_HASH, three_way_expiry(c));
    for (const struct truce_bytes *name = three_way_next(c, NULL); name != NULL; name = three_way_next(c, name)) {
        const struct truce_column *column;
        if (truce_equal(*name, n->available)) continue;
        if (three_way_column(c, *name, &column) && column != NULL) a->ops->column(a, column->name, column->value);
    }
    snprintf(text, sizeof text, "%lld", (long long)sum);
    return a->ops->column(a, n->available, truce_text(text));
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    struct names n = names_of(c->settings);
    int64_t sum;
    int result = c->reason == TRUCE_BOTH_WROTE && three_way_hashes(c) && sum_up(c, &n, &sum) ? merge(c, &n, sum, a) : a->ops->record(a);
    json_decref(n.settings);
    return result;
}

static int check_settings(const char *text, char *why, size_t n) {
    struct names names = names_of(text);
    size_t known = 0;
    bool ok = json_is_object(names.settings) && names.in.n > 0 && names.out.n > 0 && names.available.n > 0;
    static const char *const keys[] = {"in", "out", "available"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *value = json_object_get(names.settings, keys[i]);
        known += value != NULL;
        ok = ok && (value == NULL || json_is_string(value));
    }
    ok = ok && known == json_object_size(names.settings) && !begins(names.in, names.out) && !begins(names.out, names.in) &&
         !begins(names.available, names.in) && !begins(names.available, names.out);
    if (!ok) snprintf(why, n, "expected {\"in\": PREFIX, \"out\": PREFIX, \"available\": COLUMN}, all texts, none the beginning of another");
    json_decref(names.settings);
    return !ok;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .flags = TRUCE_WANTS_BASE,
    .struct_size = sizeof(struct truce_handler),
    .name = "bounded_stock",
    .version = "1",
    .summary = "deliveries and orders of all sides count, and what would be oversold is recorded for later",
    .decide = decide,
    .check_settings = check_settings,
};
