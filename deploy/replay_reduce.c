/* Ways to make a scenario smaller. None has to keep it sound: what no longer is a scenario does not fail in the same way, and is not taken. */
#include "../schemas/units.h"
#include "replay_shrink.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *steps_of(const json_t *file) { return json_object_get(file, "steps"); }

static const char *text_of(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

/* ---- times ---- */
static bool read_time(const json_t *value, uint64_t *ret_us) {
    return json_is_string(value) && parse_time(json_string_value(value), YEAR_US, ret_us);
}

static json_t *time_json(uint64_t us) {
    struct buf text = {0};
    format_time(us >= 10000 ? us - us % 1000 : us, &text);
    json_t *j = json_stringn((const char *)text.p, text.n);
    buf_finish(&text);
    return j;
}

/* ---- steps that belong together ---- */
static const struct pair {
    const char *opens, *closes;
} pairs[] = {{"cut", "heal"},   {"clog", "heal"},     {"slow", "heal"},    {"kill", "start"}, {"kill", "wipe"}, {"kill", "restore"},
             {"wipe", "start"}, {"restore", "start"}, {"pause", "resume"}, {"skew", "skew"},  {"disk", "disk"}};

/* On the same nodes or links, the first that closes what `opens` opened. */
static bool closes(const json_t *opens, const json_t *step) {
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const json_t *a = json_object_get(opens, pairs[i].opens), *b = json_object_get(step, pairs[i].closes);
        if (a != NULL && b != NULL && json_equal(a, b)) return true;
    }
    return false;
}

/* `$name` of a saved reply, or a backup. */
static bool uses(const json_t *saves, const json_t *step) {
    const char *name = text_of(saves, "as"), *from = text_of(step, "from"), *command = text_of(step, "do");
    if (name == NULL) return false;
    if (from != NULL && strcmp(from, name) == 0) return true;
    for (const char *p = command; p != NULL && (p = strchr(p, '$')) != NULL; p++)
        if (strncmp(p + 1, name, strlen(name)) == 0 && !isalnum((unsigned char)p[1 + strlen(name)])) return true;
    return false;
}

uint32_t step_groups(const json_t *steps, uint32_t *ret) {
    uint32_t n = (uint32_t)json_array_size(steps), groups = 0;
    for (uint32_t i = 0; i < n; i++) ret[i] = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const json_t *step = json_array_get(steps, i);
        if (ret[i] == UINT32_MAX) ret[i] = groups++;
        bool closed = false;
        for (uint32_t k = i + 1; k < n; k++) {
            const json_t *later = json_array_get(steps, k);
            if (ret[k] == UINT32_MAX && ((!closed && closes(step, later)) || uses(step, later))) {
                closed = closed || closes(step, later);
                ret[k] = ret[i];
            }
        }
    }
    return groups;
}

/* ---- names that go ---- */

/* A datacenter and its nodes, or the nodes of it from a number on. */
struct gone {
    const char *dc;
    uint32_t from; /* 0: the datacenter itself too */
};

static bool is_gone(const struct gone *g, const char *word, size_t n) {
    size_t dc = strlen(g->dc);
    if (n < dc || memcmp(word, g->dc, dc) != 0) return false;
    if (n == dc) return g->from == 0;
    if (word[dc] != '-' || n == dc + 1) return false;
    for (size_t i = dc + 1; i < n; i++)
        if (!isdigit((unsigned char)word[i])) return false;
    return strtoul(word + dc + 1, NULL, 10) >= g->from;
}

/* The text without those names. False: a side has none left. */
static bool strike(const struct gone *g, const char *text, struct buf *out) {
    bool side = false;
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " ");
        bool sign = n == 1 && (*p == '|' || *p == '>');
        if (sign && !side) return false;
        if (n > 0 && !is_gone(g, p, n)) {
            if (out->n > 0) buf_u8(out, ' ');
            buf_put(out, p, n);
            side = !sign;
        }
        p += n + (p[n] == ' ');
    }
    return side;
}

static bool mentions(const struct gone *g, const char *text) {
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (is_gone(g, p, n)) return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static bool strike_value(const struct gone *g, json_t *step, const char *key, json_t *value) {
    if (json_is_array(value)) {
        for (size_t i = json_array_size(value); i > 0; i--) {
            const char *name = json_string_value(json_array_get(value, i - 1));
            if (name != NULL && is_gone(g, name, strlen(name))) json_array_remove(value, i - 1);
        }
        return json_array_size(value) > 0;
    }
    struct buf out = {0};
    bool left = !json_is_string(value) || strike(g, json_string_value(value), &out);
    if (left && json_is_string(value)) json_object_set_new(step, key, json_stringn((const char *)out.p, out.n));
    buf_finish(&out);
    return left;
}

/* False: nothing of the step is left. */
static bool strike_step(const struct gone *g, json_t *step) {
    static const char *const keys[] = {"dc",    "node",  "in",     "cut",  "clog",    "heal",   "slow", "disconnect", "kill",
                                       "start", "pause", "resume", "wipe", "restore", "backup", "skew", "disk"};
    static const char *const looks[] = {"lag ", "backlog ", "leader ", "role "};
    const char *predicate = text_of(step, "expect") != NULL ? text_of(step, "expect") : text_of(step, "never");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_t *value = json_object_get(step, keys[i]);
        if (value != NULL && !strike_value(g, step, keys[i], value)) return false;
    }
    for (size_t i = 0; predicate != NULL && i < sizeof looks / sizeof looks[0]; i++)
        if (strncmp(predicate, looks[i], strlen(looks[i])) == 0 && mentions(g, predicate)) return false;
    return true;
}

static void strike_all(const struct gone *g, json_t *file) {
    json_t *steps = steps_of(file), *links = json_object_get(file, "links"), *value;
    const char *key;
    void *next;
    for (size_t i = json_array_size(steps); i > 0; i--)
        if (!strike_step(g, json_array_get(steps, i - 1))) json_array_remove(steps, i - 1);
    json_object_foreach_safe(links, next, key, value) if (mentions(g, key)) json_object_del(links, key);
}

/* ---- datacenters and nodes ---- */
static const char *nth_key(const json_t *object, uint32_t n) {
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    while (at != NULL && n-- > 0) at = json_object_iter_next((json_t *)(uintptr_t)object, at);
    return at != NULL ? json_object_iter_key(at) : NULL;
}

static enum reduced fewer_dcs(const json_t *file, uint32_t n, json_t **ret) {
    const char *dc = nth_key(json_object_get(file, "datacenters"), n);
    if (dc == NULL) return REDUCED_NO_MORE;
    if (json_object_size(json_object_get(file, "datacenters")) < 2) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    strike_all(&(struct gone){.dc = dc}, *ret);
    json_object_del(json_object_get(*ret, "datacenters"), dc);
    return REDUCED;
}

static enum reduced fewer_nodes(const json_t *file, uint32_t n, json_t **ret) {
    const char *dc = nth_key(json_object_get(file, "datacenters"), n / 2);
    if (dc == NULL) return REDUCED_NO_MORE;
    json_t *nodes = json_object_get(json_object_get(json_object_get(file, "datacenters"), dc), "nodes");
    json_int_t now = json_integer_value(nodes), fewer = n % 2 == 0 ? 1 : now - 1;
    if (!json_is_integer(nodes) || fewer < 1 || fewer >= now || (n % 2 == 1 && fewer == 1)) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    strike_all(&(struct gone){.dc = dc, .from = (uint32_t)fewer + 1}, *ret);
    json_object_set_new(json_object_get(json_object_get(*ret, "datacenters"), dc), "nodes", json_integer(fewer));
    return REDUCED;
}

/* ---- what may be left out ---- */
static enum reduced without(const json_t *file, const char *object, const char *key, json_t **ret) {
    *ret = json_deep_copy(file);
    json_object_del(key != NULL ? json_object_get(*ret, object) : *ret, key != NULL ? key : object);
    return REDUCED;
}

static enum reduced fewer_settings(const json_t *file, uint32_t n, json_t **ret) {
    static const char *const objects[] = {"clients", "cluster", "handlers", "links", "tables"};
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        const json_t *o = json_object_get(file, objects[i]);
        uint32_t entries = (uint32_t)json_object_size(o), ways = o != NULL ? 1 + (entries > 1 ? entries : 0) : 0;
        if (n < ways) return without(file, objects[i], n > 0 ? nth_key(o, n - 1) : NULL, ret);
        n -= ways;
    }
    return REDUCED_NO_MORE;
}

/* Of links, and of steps that make them slow. */
static enum reduced simpler_links(const json_t *file, uint32_t n, json_t **ret) {
    static const char *const parts[] = {"jitter", "loss", "rate", "repeat", "corrupt", "replay", "reorder"};
    uint32_t ways = sizeof parts / sizeof parts[0];
    const json_t *links = json_object_get(file, "links");
    uint32_t at = n / ways, links_count = (uint32_t)json_object_size(links), steps_count = (uint32_t)json_array_size(steps_of(file));
    if (at >= links_count + steps_count) return REDUCED_NO_MORE;
    const char *link = at < links_count ? nth_key(links, at) : NULL;
    const json_t *from = link != NULL ? json_object_get(links, link) : json_array_get(steps_of(file), at - links_count);
    if ((link == NULL && json_object_get(from, "slow") == NULL) || json_object_get(from, parts[n % ways]) == NULL) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    json_object_del(link != NULL ? json_object_get(json_object_get(*ret, "links"), link) : json_array_get(steps_of(*ret), at - links_count),
                    parts[n % ways]);
    return REDUCED;
}

/* ---- workloads ---- */
static const struct amount {
    const char *key;
    json_int_t least; /* 0: the key may go */
    bool absent;      /* try without it */
} amounts[] = {{"clients", 1, false}, {"keys", 1, false},        {"rate", 1, false}, {"bytes", 0, true},
               {"moves", 1, true},    {"distribution", 0, true}, {"ack", 0, true}};
#define AMOUNTS_COUNT (sizeof amounts / sizeof amounts[0])
#define WAYS          3u /* least, half, without */

static enum reduced fewer_clients(const json_t *file, uint32_t n, json_t **ret) {
    uint32_t at = n / (uint32_t)(AMOUNTS_COUNT * WAYS), way = n % WAYS;
    const struct amount *a = &amounts[n / WAYS % AMOUNTS_COUNT];
    if (at >= json_array_size(steps_of(file))) return REDUCED_NO_MORE;
    const json_t *step = json_array_get(steps_of(file), at), *value = json_object_get(step, a->key);
    if (json_object_get(step, "workload") == NULL) return REDUCED_NOT_SO;
    json_int_t now = json_integer_value(value), less = way == 0 ? a->least : now / 2;
    bool numbers = value == NULL ? a->least > 0 && way == 0 && !a->absent && strcmp(a->key, "rate") != 0 : json_is_integer(value) && less >= a->least;
    if (way < 2 && (!numbers || (value != NULL && less >= now) || (way == 1 && less == a->least))) return REDUCED_NOT_SO;
    if (way == 2 && (value == NULL || !a->absent)) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    json_t *changed = json_array_get(steps_of(*ret), at);
    if (way == 2)
        json_object_del(changed, a->key);
    else
        json_object_set_new(changed, a->key, json_integer(less));
    return REDUCED;
}

/* ---- shorter times ---- */
static bool scale(json_t *step, const char *key, uint64_t by) {
    uint64_t us;
    if (!read_time(json_object_get(step, key), &us) || us < by * 1000) return false;
    json_object_set_new(step, key, time_json(us / by));
    return true;
}

static enum reduced all_shorter(const json_t *file, uint64_t by, json_t **ret) {
    static const char *const keys[] = {"at", "after", "for", "until"};
    bool changed = false;
    size_t i;
    json_t *step;
    *ret = json_deep_copy(file);
    json_array_foreach(steps_of(*ret), i, step) {
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) changed = scale(step, keys[k], by) || changed;
    }
    if (!changed) json_decref(*ret);
    return changed ? REDUCED : REDUCED_NOT_SO;
}

/* The time between the step and the one before it that has a time; all later ones come so much sooner. */
static enum reduced shorter_gap(const json_t *file, uint32_t at, uint64_t by, json_t **ret) {
    uint64_t before = 0, us, gap;
    for (uint32_t i = 0; i < at; i++)
        if (read_time(json_object_get(json_array_get(steps_of(file), i), "at"), &us)) before = us;
    if (!read_time(json_object_get(json_array_get(steps_of(file), at), "at"), &us) || us <= before) return REDUCED_NOT_SO;
    gap = us - before;
    uint64_t less = by == 0 ? gap : gap - gap / by;
    if (less == 0 || (by > 0 && less < 1000)) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    for (uint32_t i = at; i < json_array_size(steps_of(*ret)); i++) {
        json_t *step = json_array_get(steps_of(*ret), i);
        if (read_time(json_object_get(step, "at"), &us) && us >= less) json_object_set_new(step, "at", time_json(us - less));
        if (read_time(json_object_get(step, "until"), &us) && us >= less) json_object_set_new(step, "until", time_json(us - less));
    }
    return REDUCED;
}

static enum reduced shorter(const json_t *file, uint32_t at, uint32_t way, json_t **ret) {
    const json_t *step = json_array_get(steps_of(file), at);
    if (way < 2) return shorter_gap(file, at, way == 0 ? 0 : 2, ret);
    const char *key = way < 4 ? "for" : "after";
    if (way == 4 && json_object_get(step, "after") == NULL) return REDUCED_NOT_SO;
    *ret = json_deep_copy(file);
    json_t *changed = json_array_get(steps_of(*ret), at);
    bool made = way == 4 ? json_object_del(changed, key) == 0 : scale(changed, key, way == 2 ? 8 : 2);
    if (!made) json_decref(*ret);
    return made ? REDUCED : REDUCED_NOT_SO;
}

static enum reduced shorter_times(const json_t *file, uint32_t n, json_t **ret) {
    static const uint64_t by[] = {10, 2};
    uint32_t ways = 6;
    if (n < sizeof by / sizeof by[0]) return all_shorter(file, by[n], ret);
    n -= sizeof by / sizeof by[0];
    return n / ways < json_array_size(steps_of(file)) ? shorter(file, n / ways, n % ways, ret) : REDUCED_NO_MORE;
}

const struct reduction reductions[] = {{"fewer datacenters", fewer_dcs},   {"fewer nodes", fewer_nodes},     {"fewer clients", fewer_clients},
                                       {"fewer settings", fewer_settings}, {"simpler links", simpler_links}, {"shorter times", shorter_times}};
const uint32_t reductions_count = sizeof reductions / sizeof reductions[0];
