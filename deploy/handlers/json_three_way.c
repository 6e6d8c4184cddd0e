/* json_three_way: strings that are JSON objects are merged field by field, at any depth: what one side changed counts, against the version that all
 * came from. A field that two sides changed differently: settings {"both_changed": "record"} (the default) leaves the row to a person,
 * {"both_changed": "latest"} takes the field of the latest writer.
 *
 * Rows that are no JSON objects are passed on. The answer is written compact, with its keys sorted. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <truce_handler.h>

struct merge {
    size_t n; /* versions, the latest first */
    bool latest_wins;
    bool undecided; /* a field was changed in two ways */
};

/* A string row as JSON; NULL: it is none. */
static json_t *json_of(const struct truce_sibling *s) {
    const struct truce_column *text = s->type == TRUCE_STRING ? truce_find(s, truce_text("")) : NULL;
    return text != NULL ? json_loadb(text->value.p, text->value.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static bool same(const json_t *a, const json_t *b) { return a == b || (a != NULL && b != NULL && json_equal(a, b)); }

static json_t *merge_values(struct merge *m, const json_t *base, const json_t *const *versions);

/* The field of every version, by name. */
static void merge_field(struct merge *m, const json_t *base, const json_t *const *versions, const char *name, json_t *result) {
    if (json_object_get(result, name) != NULL) return;
    const json_t **fields = calloc(m->n, sizeof *fields);
    for (size_t i = 0; fields != NULL && i < m->n; i++) fields[i] = json_object_get(versions[i], name);
    json_t *value = fields != NULL ? merge_values(m, json_object_get(base, name), fields) : NULL;
    if (value != NULL) json_object_set_new(result, name, value);
    free(fields);
}

static json_t *merge_objects(struct merge *m, const json_t *base, const json_t *const *versions) {
    json_t *result = json_object(), *value;
    const char *name;
    for (size_t i = 0; i < m->n; i++) {
        json_object_foreach((json_t *)(uintptr_t)versions[i], name, value) merge_field(m, base, versions, name, result);
    }
    return result;
}

/* What becomes of a value, or of a field (NULL: it is not there); the caller's. */
static json_t *merge_values(struct merge *m, const json_t *base, const json_t *const *versions) {
    const json_t *chosen = base;
    bool differ = false, objects = base == NULL || json_is_object(base);
    for (size_t i = 0; i < m->n; i++) {
        if (same(versions[i], base)) continue;
        objects = objects && json_is_object(versions[i]);
        if (same(chosen, base))
            chosen = versions[i]; /* the latest of those who changed it */
        else
            differ = differ || !same(chosen, versions[i]);
    }
    if (differ && objects) return merge_objects(m, base, versions);
    if (differ && !m->latest_wins) m->undecided = true;
    return json_deep_copy(chosen);
}

/* Fewer digits where they are enough, so that 0.1 stays 0.1. */
static bool few_digits_do(const json_t *v) {
    char text[64];
    const char *name;
    json_t *inner;
    size_t i;
    if (json_is_real(v)) {
        snprintf(text, sizeof text, "%.15g", json_real_value(v));
        return strtod(text, NULL) == json_real_value(v);
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, inner) if (!few_digits_do(inner)) return false;
    json_array_foreach(v, i, inner) if (!few_digits_do(inner)) return false;
    return true;
}

static int answer_with(const struct truce_conflict *c, struct truce_answer *a, json_t *value) {
    uint64_t expires_ms = c->siblings[0]->expires_ms; /* the longest; 0 is for ever */
    for (size_t i = 1; i < c->siblings_count; i++) {
        uint64_t here = c->siblings[i]->expires_ms;
        if (expires_ms != 0 && (here == 0 || here > expires_ms)) expires_ms = here;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(few_digits_do(value) ? 15 : 17));
    if (text == NULL) return a->ops->record(a);
    a->ops->begin(a, TRUCE_STRING, expires_ms);
    int result = a->ops->column(a, truce_text(""), truce_text(text));
    free(text);
    return result;
}

/* The latest first; of equal stamps the last in order. */
static size_t *by_lateness(const struct truce_conflict *c) {
    size_t *order = calloc(c->siblings_count, sizeof *order);
    for (size_t i = 0; order != NULL && i < c->siblings_count; i++) {
        size_t at = i;
        for (; at > 0 && c->siblings[order[at - 1]]->stamp <= c->siblings[i]->stamp; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    return order;
}

static bool latest_wins(const char *text) {
    json_t *settings = json_loads(text, 0, NULL);
    const char *both = json_string_value(json_object_get(settings, "both_changed"));
    bool latest = both != NULL && strcmp(both, "latest") == 0;
    json_decref(settings);
    return latest;
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    struct merge m = {.n = c->siblings_count, .latest_wins = latest_wins(c->settings)};
    json_t *base = json_of(c->base), **versions = calloc(m.n, sizeof *versions);
    size_t *order = by_lateness(c);
    bool objects = versions != NULL && order != NULL && (c->base->type == TRUCE_DELETED || json_is_object(base));
    for (size_t i = 0; objects && i < m.n; i++) {
        versions[i] = json_of(c->siblings[order[i]]);
        objects = json_is_object(versions[i]);
    }
    json_t *result = objects ? merge_values(&m, base, (const json_t *const *)versions) : NULL;
    int code = result == NULL ? a->ops->pass(a) : m.undecided ? a->ops->record(a) : answer_with(c, a, result);
    for (size_t i = 0; versions != NULL && i < m.n; i++) json_decref(versions[i]);
    free(versions);
    free(order);
    json_decref(result);
    json_decref(base);
    return code;
}

static int check_settings(const char *text, char *why, size_t n) {
    json_t *settings = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *both = json_object_get(settings, "both_changed");
    const char *value = json_string_value(both);
    bool ok = json_is_object(settings) && json_object_size(settings) == (both != NULL) &&
              (both == NULL || (value != NULL && (strcmp(value, "record") == 0 || strcmp(value, "latest") == 0)));
    if (!ok) snprintf(why, n, "expected {} or {\"both_changed\": \"record\" or \"latest\"}");
    json_decref(settings);
    return !ok;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .flags = TRUCE_WANTS_BASE,
    .struct_size = sizeof(struct truce_handler),
    .name = "json_three_way",
    .version = "1",
    .summary = "three-way merge of JSON objects, field by field",
    .decide = decide,
    .check_settings = check_settings,
};
