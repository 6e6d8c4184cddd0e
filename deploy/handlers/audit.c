/* audit: a guard at the head of a chain, `handler:audit,longest_text`. What it objects to, a person decides; the rest is passed on.
 *
 * Settings: {"max_bytes": 4096} no version may be larger; {"people": ["salary"]} columns about which only people decide. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <truce_handler.h>

static size_t bytes_of(const struct truce_sibling *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->columns_count; i++) n += s->columns[i].name.n + s->columns[i].value.n;
    return n;
}

static bool too_large(const struct truce_conflict *c, const json_t *max_bytes) {
    for (size_t i = 0; max_bytes != NULL && i < c->siblings_count; i++) {
        if (bytes_of(c->siblings[i]) > (uint64_t)json_integer_value(max_bytes)) return true;
    }
    return false;
}

/* Do the versions disagree about this column? */
static bool disputed(const struct truce_conflict *c, struct truce_bytes name) {
    const struct truce_column *first = truce_find(c->siblings[0], name);
    for (size_t i = 1; i < c->siblings_count; i++) {
        const struct truce_column *here = truce_find(c->siblings[i], name);
        if ((here == NULL) != (first == NULL) || (here != NULL && !truce_equal(here->value, first->value))) return true;
    }
    return false;
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    json_t *settings = json_loads(c->settings, 0, NULL), *name;
    bool objects = too_large(c, json_object_get(settings, "max_bytes"));
    size_t i;
    json_array_foreach(json_object_get(settings, "people"), i, name) objects = objects || disputed(c, truce_text(json_string_value(name)));
    json_decref(settings);
    return objects ? a->ops->record(a) : a->ops->pass(a);
}

static bool good(const json_t *settings) {
    const json_t *max_bytes = json_object_get(settings, "max_bytes"), *people = json_object_get(settings, "people"), *name;
    size_t i;
    if (!json_is_object(settings) || json_object_size(settings) != (size_t)(max_bytes != NULL) + (people != NULL)) return false;
    if (max_bytes != NULL && (!json_is_integer(max_bytes) || json_integer_value(max_bytes) < 0)) return false;
    if (people != NULL && !json_is_array(people)) return false;
    json_array_foreach(people, i, name) if (!json_is_string(name)) return false;
    return true;
}

static int check_settings(const char *text, char *why, size_t n) {
    json_t *settings = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool ok = good(settings);
    if (!ok) snprintf(why, n, "expected {\"max_bytes\": NUMBER, \"people\": [COLUMN, ...]}, or one of them");
    json_decref(settings);
    return !ok;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .struct_size = sizeof(struct truce_handler),
    .name = "audit",
    .version = "1",
    .summary = "records for later what is too large or for people to decide; else the next of the chain decides",
    .decide = decide,
    .check_settings = check_settings,
};
