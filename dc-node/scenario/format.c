#include "format.h"
#include "../../schemas/shown.h"
#include "../../schemas/units.h"
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- keys ---- */
static const char *const verb_names[] = {
#define X(NAME, text, doc) text,
    STEP_VERBS(X)
#undef X
};
#define VERBS_COUNT (sizeof verb_names / sizeof *verb_names)

const char *step_verb_name(enum step_verb v) { return (size_t)v < VERBS_COUNT ? verb_names[v] : "unknown"; }

int step_verb_of(const json_t *step) {
    int verb = json_object_get(step, "faults") != NULL ? STEP_FAULTS : STEP_VERB_NONE;
    for (size_t i = 0; i < VERBS_COUNT; i++) {
        if (json_object_get(step, verb_names[i]) == NULL) continue;
        if (verb != STEP_VERB_NONE) return STEP_VERB_NONE;
        verb = (int)i;
    }
    return verb;
}

#define BIT(NAME)  (UINT32_C(1) << STEP_##NAME)
#define ALL        UINT32_MAX
#define COMPARABLE (BIT(DO) | BIT(EXPECT) | BIT(NEVER))

struct key_rule {
    const char *key;
    uint32_t verbs;
    enum value_kind kind;
};
/* Options of workloads that are no numbers are known to load.h alone. */
static const struct key_rule key_rules[] = {
    {"at", ALL, VALUE_TIME},
    {"after", ALL, VALUE_TIME},
    {"note", ALL, VALUE_PLAIN},
    {"place", ALL, VALUE_PLAIN}, /* put there by drawing: line and number in the file */
    {"do", BIT(DO), VALUE_COMMAND},
    {"dc", BIT(DO) | BIT(WORKLOAD), VALUE_DC},
    {"node", BIT(DO) | BIT(WORKLOAD), VALUE_NODES},
    {"in", BIT(WORKLOAD) | BIT(EXPECT) | BIT(NEVER) | BIT(FAULTS), VALUE_NODES},
    {"client", BIT(DO), VALUE_PLAIN},
    {"as", BIT(DO) | BIT(BACKUP), VALUE_PLAIN},
    {"label", BIT(DO), VALUE_PLAIN},
    {"knows", BIT(DO), VALUE_PLAIN},
    {"within", BIT(DO) | BIT(EXPECT), VALUE_TIME},
    {"is", COMPARABLE, VALUE_PLAIN},
    {"is_not", COMPARABLE, VALUE_PLAIN},
    {"one_of", COMPARABLE, VALUE_PLAIN},
    {"contains", COMPARABLE, VALUE_PLAIN},
    {"lacks", COMPARABLE, VALUE_PLAIN},
    {"matches", COMPARABLE, VALUE_PLAIN},
    {"at_least", COMPARABLE, VALUE_PLAIN},
    {"at_most", COMPARABLE, VALUE_PLAIN},
    {"count", COMPARABLE, VALUE_PLAIN},
    {"fails", COMPARABLE, VALUE_PLAIN},
    {"cut", BIT(CUT), VALUE_NODES},
    {"clog", BIT(CLOG), VALUE_NODES},
    {"heal", BIT(HEAL), VALUE_NODES},
    {"slow", BIT(SLOW), VALUE_NODES},
    {"disconnect", BIT(DISCONNECT), VALUE_NODES},
    {"latency", BIT(SLOW) | BIT(DISK), VALUE_TIME},
    {"jitter", BIT(SLOW), VALUE_TIME},
    {"loss", BIT(SLOW), VALUE_SHARE},
    {"repeat", BIT(SLOW), VALUE_SHARE},
    {"corrupt", BIT(SLOW), VALUE_SHARE},
    {"replay", BIT(SLOW), VALUE_SHARE},
    {"rate", BIT(SLOW), VALUE_RATE},
    {"reorder", BIT(SLOW), VALUE_PLAIN},
    {"kill", BIT(KILL), VALUE_NODES},
    {"power", BIT(KILL), VALUE_PLAIN},
    {"start", BIT(START), VALUE_NODES},
    {"pause", BIT(PAUSE), VALUE_NODES},
    {"resume", BIT(RESUME), VALUE_NODES},
    {"wipe", BIT(WIPE), VALUE_NODES},
    {"backup", BIT(BACKUP), VALUE_NODES},
    {"restore", BIT(RESTORE), VALUE_NODES},
    {"from", BIT(RESTORE), VALUE_PLAIN},
    {"skew", BIT(SKEW), VALUE_NODES},
    {"by", BIT(SKEW), VALUE_OFFSET},
    {"drift", BIT(SKEW), VALUE_DRIFT},
    {"frozen", BIT(SKEW), VALUE_PLAIN},
    {"disk", BIT(DISK), VALUE_NODES},
    {"state", BIT(DISK), VALUE_PLAIN},
    {"workload", BIT(WORKLOAD), VALUE_PLAIN},
    {"name", BIT(WORKLOAD), VALUE_PLAIN},
    {"for", BIT(WORKLOAD) | BIT(FAULTS), VALUE_TIME},
    {"clients", BIT(WORKLOAD), VALUE_NUMBER},
    {"rate", BIT(WORKLOAD), VALUE_NUMBER},
    {"keys", BIT(WORKLOAD), VALUE_NUMBER},
    {"bytes", BIT(WORKLOAD), VALUE_NUMBER},
    {"moves", BIT(WORKLOAD), VALUE_NUMBER},
    {"ack", BIT(WORKLOAD), VALUE_NUMBER},
    {"settle", BIT(SETTLE), VALUE_TIME},
    {"expect", BIT(EXPECT), VALUE_COMMAND},
    {"never", BIT(NEVER), VALUE_COMMAND},
    {"every", BIT(NEVER), VALUE_TIME},
    {"until", BIT(NEVER), VALUE_TIME},
    /* Drawn again and again, by draw_faults(). */
    {"faults", BIT(FAULTS), VALUE_PLAIN},
    {"every", BIT(FAULTS), VALUE_PLAIN},
    {"length", BIT(FAULTS), VALUE_PLAIN},
};

bool step_key_find(int verb, const char *key, enum value_kind *ret) {
    for (size_t i = 0; i < sizeof key_rules / sizeof *key_rules; i++) {
        if ((key_rules[i].verbs & UINT32_C(1) << verb) == 0 || strcmp(key_rules[i].key, key) != 0) continue;
        *ret = key_rules[i].kind;
        return true;
    }
    *ret = VALUE_PLAIN;
    return verb == STEP_WORKLOAD && load_has_option(key);
}

const char *step_key_at(size_t i) { return i < sizeof key_rules / sizeof *key_rules ? key_rules[i].key : NULL; }

static const struct head_rule {
    const char *keys[3]; /* "": any; NULL: the value is above */
    enum value_kind kind;
} head_rules[] = {
    {{"datacenters", "", "nodes"}, VALUE_NUMBER},
    {{"datacenters", "", "priority"}, VALUE_NUMBER},
    {{"links", "", "latency"}, VALUE_TIME},
    {{"links", "", "jitter"}, VALUE_TIME},
    {{"links", "", "loss"}, VALUE_SHARE},
    {{"links", "", "repeat"}, VALUE_SHARE},
    {{"links", "", "corrupt"}, VALUE_SHARE},
    {{"links", "", "replay"}, VALUE_SHARE},
    {{"links", "", "rate"}, VALUE_RATE},
    {{"clients", "latency", NULL}, VALUE_TIME},
    {{"settle", NULL, NULL}, VALUE_TIME},
    {{"cluster", "clock_bound_ms", NULL}, VALUE_NUMBER},
    {{"cluster", "memory_mb", NULL}, VALUE_NUMBER},
    {{"cluster", "log_budget_mb", NULL}, VALUE_NUMBER},
    {{"cluster", "clients_max", NULL}, VALUE_NUMBER},
    {{"cluster", "siblings_max", NULL}, VALUE_NUMBER},
    {{"cluster", "journal", "days"}, VALUE_NUMBER},
    {{"cluster", "journal", "entries"}, VALUE_NUMBER},
};

static bool key_fits(const char *rule, const char *key) {
    return rule == NULL || key == NULL ? rule == key : rule[0] == '\0' || strcmp(rule, key) == 0;
}

bool head_value_find(const char *key, const char *key2, const char *key3, enum value_kind *ret) {
    for (size_t i = 0; i < sizeof head_rules / sizeof *head_rules; i++) {
        const struct head_rule *h = &head_rules[i];
        if (!key_fits(h->keys[0], key) || !key_fits(h->keys[1], key2) || !key_fits(h->keys[2], key3)) continue;
        *ret = h->kind;
        return true;
    }
    return false;
}

/* ---- what is wrong, and where ---- */
void reading_verb(struct reading *r, const json_t *step) {
    int verb = step_verb_of(step);
    r->verb = verb == STEP_FAULTS ? "faults" : verb == STEP_VERB_NONE ? NULL : step_verb_name((enum step_verb)verb);
}

void reading_step(struct reading *r, size_t index, const json_t *step) {
    const json_t *place = json_object_get(step, "place");
    json_int_t line = json_integer_value(json_array_get(place, 0)), number = json_integer_value(json_array_get(place, 1));
    r->number = (uint32_t)index + 1;
    reading_verb(r, step);
    if (line > 0 && line <= UINT32_MAX && number > 0 && number <= UINT32_MAX) {
        r->line = (uint32_t)line;
        r->number = (uint32_t)number;
    } else {
        r->line = places_element(r->file->places, "steps", index);
    }
}

void reading_head(struct reading *r) {
    r->number = r->line = 0;
    r->verb = NULL;
}

/* "cut.json:14: step 3 (cut): from: " */
static void put_place(const struct reading *r, const char *place) {
    uint32_t line = r->number != 0 ? r->line : places_line(r->file->places, place);
    buf_clear(r->why);
    buf_text(r->why, r->file->path);
    if (line != 0) buf_printf(r->why, ":%u", (unsigned)line);
    buf_text(r->why, ": ");
    if (r->number != 0) buf_printf(r->why, "step %u", (unsigned)r->number);
    if (r->verb != NULL) buf_printf(r->why, " (%s)", r->verb);
    if (r->number != 0) buf_text(r->why, ": ");
    if (place[0] != '\0') shown_text(place, r->why);
    if (place[0] != '\0') buf_text(r->why, ": ");
}

static void put_expected(const struct reading *r, const char *place, const char *expected) {
    put_place(r, place);
    buf_printf(r->why, "expected %s, got ", expected);
}

bool wrong_said(const struct reading *r, struct slice said) {
    put_place(r, "");
    for (size_t i = 0; i < said.n; i++) buf_u8(r->why, said.p[i] < 0x20 || said.p[i] == 0x7f ? '?' : said.p[i]);
    return false;
}

bool wrong(const struct reading *r, const char *place, const char *expected, const json_t *got) {
    put_expected(r, place, expected);
    shown_value(got, r->why);
    return false;
}

bool wrong_because(const struct reading *r, const char *place, const char *expected, const char *got, ...) {
    char words[512];
    va_list args;
    va_start(args, got);
    vsnprintf(words, sizeof words, got, args);
    va_end(args);
    put_expected(r, place, expected);
    for (const char *p = words; *p != '\0'; p++) buf_u8(r->why, (uint8_t)*p < 0x20 || *p == 0x7f ? '?' : (uint8_t)*p);
    return false;
}

bool wrong_key(const struct reading *r, int verb, const char *key) {
    struct buf wanted = {0}, shown = {0};
    for (size_t i = 0; i < sizeof key_rules / sizeof *key_rules; i++) {
        const struct key_rule *k = &key_rules[i];
        if ((k->verbs & UINT32_C(1) << verb) != 0 && strcmp(k->key, "place") != 0)
            buf_printf(&wanted, "%s%s", wanted.n == 0 ? "no other keys than " : ", ", k->key);
    }
    if (verb == STEP_WORKLOAD) buf_text(&wanted, ", distribution, prefix, loses");
    buf_u8(&wanted, 0);
    shown_text(key, &shown);
    wrong_because(r, "", (const char *)wanted.p, "\"%.*s\"", (int)shown.n, (const char *)shown.p);
    buf_finish(&wanted);
    buf_finish(&shown);
    return false;
}

/* ---- values ---- */
bool want_time(const struct reading *r, const char *place, const json_t *v, uint64_t min_us, uint64_t max_us, uint64_t *ret_us) {
    uint64_t us;
    if (v == NULL) return true;
    if (!json_is_string(v) || !parse_time(json_string_value(v), UINT64_MAX, &us)) return wrong(r, place, "a time such as \"200ms\" or \"1.5s\"", v);
    if (us < min_us || us > max_us) {
        struct buf range = {0};
        buf_text(&range, "a time from ");
        format_time(min_us, &range);
        buf_text(&range, " to ");
        if (max_us == YEAR_US)
            buf_text(&range, "1y");
        else
            format_time(max_us, &range);
        buf_u8(&range, 0);
        wrong(r, place, (const char *)range.p, v);
        buf_finish(&range);
        return false;
    }
    *ret_us = us;
    return true;
}

bool want_flag(const struct reading *r, const char *place, const json_t *v, bool *ret) {
    if (v == NULL) return true;
    if (!json_is_boolean(v)) return wrong(r, place, "true or false", v);
    *ret = json_is_true(v);
    return true;
}

bool want_word(const struct reading *r, const char *place, const json_t *v, const char **ret) {
    if (v == NULL) return true;
    if (!json_is_string(v) || !name_allowed(slice_text(json_string_value(v))))
        return wrong(r, place, "a name of 1 to 63 of the characters a-z 0-9 _ -", v);
    *ret = json_string_value(v);
    return true;
}

bool want_text(const struct reading *r, const char *place, const json_t *v, const char **ret) {
    if (v == NULL) return true;
    if (json_string_length(v) == 0) return wrong(r, place, "a text that is not empty", v);
    *ret = json_string_value(v);
    return true;
}

static const char *within_place(char out[static 256], const char *within, const char *key) {
    snprintf(out, 256, "%.120s%s%.60s", within, within[0] == '\0' ? "" : ".", key);
    return out;
}

static bool want_share(const struct reading *r, const char *place, const json_t *v, uint32_t *ret) {
    if (v == NULL || (json_is_string(v) && parse_share(json_string_value(v), ret))) return true;
    return wrong(r, place, "0% to 100%", v);
}

bool want_link(const struct reading *r, const char *within, const json_t *object, struct link_options *o) {
    const struct {
        const char *key;
        uint32_t *into;
    } shares[] = {{"loss", &o->loss_ppm}, {"repeat", &o->repeat_ppm}, {"corrupt", &o->corrupt_ppm}, {"replay", &o->replay_ppm}};
    char place[256];
    if (!want_time(r, within_place(place, within, "latency"), json_object_get(object, "latency"), 0, SCENARIO_DELAY_MAX, &o->latency_us))
        return false;
    if (!want_time(r, within_place(place, within, "jitter"), json_object_get(object, "jitter"), 0, SCENARIO_DELAY_MAX, &o->jitter_us)) return false;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (!want_share(r, within_place(place, within, shares[i].key), json_object_get(object, shares[i].key), shares[i].into)) return false;
    }
    const json_t *rate = json_object_get(object, "rate");
    if (rate != NULL && (!json_is_string(rate) || !parse_rate(json_string_value(rate), &o->rate_bytes_s)))
        return wrong(r, within_place(place, within, "rate"), "a rate such as \"1mbit\" or \"100kb\"", rate);
    return want_flag(r, within_place(place, within, "reorder"), json_object_get(object, "reorder"), &o->reorder);
}

bool want_nodes(const struct reading *r, const struct cluster *c, const char *place, const json_t *v, bool ret[static NODES_MAX]) {
    static const char wanted[] = "names of nodes or datacenters, or \"*\"";
    bool any = false, ok = true;
    if (!json_is_string(v)) return wrong(r, place, wanted, v);
    char *text = xstrdup(json_string_value(v)), *save = NULL;
    for (char *name = strtok_r(text, " \t,", &save); ok && name != NULL; name = strtok_r(NULL, " \t,", &save)) {
        any = true;
        if (strcmp(name, "*") == 0) {
            for (uint32_t i = 0; i < c->nodes_count; i++) ret[i] = true;
        } else if (!sides_enter(c, name, ret)) {
            struct buf shown = {0};
            shown_text(name, &shown);
            ok = wrong_because(r, place, wanted, "\"%.*s\", which is neither", (int)shown.n, (const char *)shown.p);
            buf_finish(&shown);
        }
    }
    free(text);
    return ok && (any || wrong(r, place, wanted, v));
}
