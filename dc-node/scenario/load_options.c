/* The options of workload steps. */
#include "load_options.h"

#include <string.h>

const char *load_kind_name(enum load_kind k) {
    static const char *const names[] = {
#define X(NAME, text, does, holds) text,
        LOADS(X)
#undef X
    };
    return k < sizeof names / sizeof *names ? names[k] : "unknown";
}

static bool find_kind(const char *text, enum load_kind *ret) {
    for (uint32_t i = 0; text && i < LOAD_KINDS; i++)
        if (strcmp(text, load_kind_name((enum load_kind)i)) == 0) {
            *ret = (enum load_kind)i;
            return true;
        }
    return false;
}

static const char *const distributions[] = {"uniform", "zipf", "hot", "sequence"};

static bool find_distribution(const char *text, enum key_distribution *ret) {
    for (uint32_t i = 0; text && i < sizeof distributions / sizeof *distributions; i++)
        if (strcmp(text, distributions[i]) == 0) {
            *ret = (enum key_distribution)i;
            return true;
        }
    return false;
}

/* Those that are numbers: from, to, default; kinds: for which, all where it is 0. */
static const struct number_option {
    const char *name;
    json_int_t min, max, otherwise;
    size_t at;
    unsigned kinds;
} numbers[] = {
    {"clients", 1, 1000, 0, offsetof(struct load_options, clients), 0},
    {"rate", 1, 1000000, 0, offsetof(struct load_options, rate), 0},
    {"keys", 1, LOAD_KEYS_MAX, 10, offsetof(struct load_options, keys), 0},
    {"bytes", 1, 512 * 1024, 0, offsetof(struct load_options, bytes), 1u << LOAD_REGISTERS | 1u << LOAD_SETS | 1u << LOAD_SESSIONS},
    {"moves", 1, 1000000, 5, offsetof(struct load_options, moves), 1u << LOAD_SESSIONS},
    {"ack", 1, NODES_MAX - 1, 0, offsetof(struct load_options, ack), 1u << LOAD_REGISTERS | 1u << LOAD_COUNTERS | 1u << LOAD_SETS},
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

bool load_has_option(const char *key) {
    for (size_t i = 0; i < NUMBERS; i++)
        if (strcmp(key, numbers[i].name) == 0) return true;
    return strcmp(key, "distribution") == 0 || strcmp(key, "prefix") == 0 || strcmp(key, "loses") == 0;
}

static bool expected(struct buf *why, const char *key, const char *what, const json_t *got) {
    char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);
    if (got)
        buf_printf(why, "%s: expected %s, got %s", key, what, text ? text : "something else");
    else
        buf_printf(why, "%s: expected %s", key, what);
    free(text);
    return false;
}

static bool number_valid(const struct number_option *o, enum load_kind kind, const json_t *value, struct buf *why) {
    char range[64];
    if (!value) return true;
    if (o->kinds && !(o->kinds & 1u << kind)) {
        buf_printf(why, "%s: expected nothing: %s have no such option", o->name, load_kind_name(kind));
        return false;
    }
    snprintf(range, sizeof range, "%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, o->min, o->max);
    if (json_is_integer(value) && json_integer_value(value) >= o->min && json_integer_value(value) <= o->max) return true;
    return expected(why, o->name, range, value);
}

/* One that stands before a number in keys: no blanks, nothing that a pattern would take for more. */
static bool prefix_valid(const char *text) {
    size_t n = text ? strlen(text) : 0;
    if (n == 0 || n > LOAD_PREFIX_MAX) return false;
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("*?[]{}$\"'\\", *p)) return false;
    return true;
}

/* All members of a ring are read at once, all accounts in one transaction, which passes through a follower. */
static uint32_t keys_max(enum load_kind kind) { return kind == LOAD_BANK ? LOAD_ACCOUNTS_MAX : kind == LOAD_RING ? 1000 : LOAD_KEYS_MAX; }

static bool keys_valid(enum load_kind kind, const json_t *value, struct buf *why) {
    char range[64];
    json_int_t least = kind == LOAD_RING ? 4 : kind == LOAD_BANK ? 2 : 1, most = keys_max(kind);
    if (!value || (json_integer_value(value) >= least && json_integer_value(value) <= most)) return true;
    snprintf(range, sizeof range, "%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT " for %s", least, most, load_kind_name(kind));
    return expected(why, "keys", range, value);
}

bool load_options_valid(const json_t *step, struct buf *why) {
    enum load_kind kind;
    enum key_distribution distribution;
    const json_t *value = json_object_get(step, "workload");
    if (!find_kind(json_string_value(value), &kind)) {
        struct buf kinds = {0};
        for (uint32_t i = 0; i < LOAD_KINDS; i++)
            buf_printf(&kinds, "%s%s", i == 0 ? "" : i + 1 < LOAD_KINDS ? ", " : " or ", load_kind_name((enum load_kind)i));
        buf_u8(&kinds, 0);
        expected(why, "workload", (const char *)kinds.p, value);
        buf_finish(&kinds);
        return false;
    }
    for (size_t i = 0; i < NUMBERS; i++)
        if (!number_valid(&numbers[i], kind, json_object_get(step, numbers[i].name), why)) return false;
    if (!keys_valid(kind, json_object_get(step, "keys"), why)) return false;
    value = json_object_get(step, "distribution");
    if (value && !find_distribution(json_string_value(value), &distribution))
        return expected(why, "distribution", "\"uniform\", \"zipf\", \"hot\" or \"sequence\"", value);
    value = json_object_get(step, "prefix");
    if (value && !prefix_valid(json_string_value(value)))
        return expected(why, "prefix", "1 to 64 visible characters other than * ? [ ] { } $ \\ and quotes", value);
    value = json_object_get(step, "loses");
    return !value || json_is_boolean(value) || expected(why, "loses", "true or false", value);
}

struct load_options load_options_of(const json_t *step) {
    struct load_options o = {0};
    bool known = find_kind(json_string_value(json_object_get(step, "workload")), &o.kind);
    assert(known);
    for (size_t i = 0; i < NUMBERS; i++) {
        const json_t *value = json_object_get(step, numbers[i].name);
        *(uint32_t *)(void *)((char *)&o + numbers[i].at) = (uint32_t)(value ? json_integer_value(value) : numbers[i].otherwise);
    }
    find_distribution(json_string_value(json_object_get(step, "distribution")), &o.distribution);
    const char *prefix = json_string_value(json_object_get(step, "prefix"));
    o.prefix = prefix ? prefix : load_kind_name(o.kind);
    o.loses = json_is_true(json_object_get(step, "loses"));
    return o;
}
