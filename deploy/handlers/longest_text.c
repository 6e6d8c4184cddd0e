/* longest_text: the longest text wins; a text wins over a delete.
 *
 * Settings: {"column": "body"} compares that column of hashes; without it, the whole of a string. Of equal length the greater bytes win, so that the
 * answer depends on the contents alone, in whatever order datacenters come to decide: it may claim TRUCE_REGROUPS. */
#include <jansson.h>
#include <stdio.h>
#include <truce_handler.h>

static const char *column_of(const json_t *settings) {
    const char *column = json_string_value(json_object_get(settings, "column"));
    return column != NULL ? column : "";
}

/* In characters of UTF-8. */
static size_t length_of(const struct truce_sibling *s, const char *column) {
    const struct truce_column *text = truce_find(s, truce_text(column));
    size_t n = 0;
    for (size_t i = 0; text != NULL && i < text->value.n; i++) n += ((unsigned char)text->value.p[i] & 0xc0) != 0x80;
    return n;
}

static int compare_numbers(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

/* A total order of contents, so that nothing but equal versions is equal. */
static int compare(const struct truce_sibling *a, const struct truce_sibling *b, const char *column) {
    int order = compare_numbers(a->type != TRUCE_DELETED, b->type != TRUCE_DELETED);
    if (order == 0) order = compare_numbers(length_of(a, column), length_of(b, column));
    if (order == 0) order = compare_numbers(a->columns_count, b->columns_count);
    for (size_t i = 0; order == 0 && i < a->columns_count; i++) {
        order = truce_compare(a->columns[i].name, b->columns[i].name);
        if (order == 0) order = truce_compare(a->columns[i].value, b->columns[i].value);
    }
    if (order == 0) order = compare_numbers((uint64_t)a->type, (uint64_t)b->type);
    return order != 0 ? order : compare_numbers(a->expires_ms, b->expires_ms);
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    json_t *settings = json_loads(c->settings, 0, NULL);
    const char *column = column_of(settings);
    size_t best = 0;
    for (size_t i = 1; i < c->siblings_count; i++) {
        if (compare(c->siblings[i], c->siblings[best], column) > 0) best = i;
    }
    json_decref(settings);
    return a->ops->pick(a, best);
}

static int check_settings(const char *text, char *why, size_t n) {
    json_t *settings = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *column = json_object_get(settings, "column");
    int bad = !json_is_object(settings) || json_object_size(settings) != (column != NULL) || (column != NULL && !json_is_string(column));
    if (bad) snprintf(why, n, "expected {} or {\"column\": NAME}");
    json_decref(settings);
    return bad;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .flags = TRUCE_REGROUPS,
    .struct_size = sizeof(struct truce_handler),
    .name = "longest_text",
    .version = "1",
    .summary = "the longest text wins",
    .decide = decide,
    .check_settings = check_settings,
};
