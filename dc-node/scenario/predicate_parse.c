/* Predicates as they are written: `lag us > eu`, `conflicts users`, or a command. */
#include "../../schemas/units.h"
#include "../core/call.h"
#include "format.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *form;
    enum predicate_kind kind;
} forms[] = {
#define X(NAME, form, doc) {form, PREDICATE_##NAME},
    PREDICATES(X)
#undef X
};

/* ---- commands ---- */
bool command_valid(const struct reading *r, const json_t *v) {
    static const char wanted[] = "a command of at most 256 words";
    struct words words;
    struct buf why = {0};
    if (!json_is_string(v)) return wrong(r, "", wanted, v);
    bool ok = words_split(json_string_value(v), &words, &why);
    if (ok) words_finish(&words);
    if (!ok) wrong_because(r, "", wanted, "\"%.60s\": %.*s", json_string_value(v), (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return ok;
}

/* ---- comparisons ---- */
static const struct {
    const char *key;
    enum comparison how;
} comparisons[] = {{"is", COMPARE_IS},       {"is_not", COMPARE_NOT},      {"one_of", COMPARE_ONE_OF},     {"contains", COMPARE_CONTAINS},
                   {"lacks", COMPARE_LACKS}, {"matches", COMPARE_MATCHES}, {"at_least", COMPARE_AT_LEAST}, {"at_most", COMPARE_AT_MOST},
                   {"count", COMPARE_COUNT}, {"fails", COMPARE_FAILS}};

static bool is_number_or_time(const json_t *v) {
    uint64_t us;
    char *end;
    if (json_is_number(v)) return true;
    if (json_string_length(v) == 0) return false;
    if (parse_time(json_string_value(v), UINT64_MAX, &us)) return true;
    strtod(json_string_value(v), &end);
    return *end == '\0';
}

static bool compare_valid(const struct reading *r, const char *key, enum comparison how, const json_t *v) {
    switch (how) {
    case COMPARE_ONE_OF: return (json_is_array(v) && json_array_size(v) > 0) || wrong(r, key, "a list of values", v);
    case COMPARE_CONTAINS:
    case COMPARE_LACKS: return !json_is_null(v) || wrong(r, key, "a value, or a list of values", v);
    case COMPARE_MATCHES: return json_is_string(v) || wrong(r, key, "a pattern such as \"a*\"", v);
    case COMPARE_AT_LEAST:
    case COMPARE_AT_MOST: return is_number_or_time(v) || wrong(r, key, "a number or a time", v);
    case COMPARE_COUNT: return (json_is_integer(v) && json_integer_value(v) >= 0) || wrong(r, key, "a whole number from 0", v);
    case COMPARE_FAILS: return json_is_boolean(v) || json_string_length(v) > 0 || wrong(r, key, "true, false, or a part of the error's text", v);
    default: return true;
    }
}

bool compares_parse(const struct reading *r, const json_t *step, struct compare ret[static COMPARISONS_MAX], uint32_t *ret_count) {
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++) {
        const json_t *v = json_object_get(step, comparisons[i].key);
        if (v == NULL) continue;
        if (!compare_valid(r, comparisons[i].key, comparisons[i].how, v)) return false;
        if (count == COMPARISONS_MAX) return wrong_because(r, comparisons[i].key, "at most 4 comparisons", "more");
        ret[count++] = (struct compare){comparisons[i].how, v};
    }
    *ret_count = count;
    return true;
}

/* ---- predicates ---- */
/* The predicate whose name the text begins with; COMMAND: of none. *ret_rest: behind the name. */
static enum predicate_kind kind_of(const char *text, const char **ret_rest, const char **ret_form) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strcspn(forms[i].form, " ");
        if (forms[i].kind == PREDICATE_COMMAND || strncmp(text, forms[i].form, n) != 0 || (text[n] != '\0' && text[n] != ' ')) continue;
        *ret_rest = text + n + strspn(text + n, " ");
        *ret_form = forms[i].form;
        return forms[i].kind;
    }
    *ret_rest = text;
    *ret_form = "a command";
    return PREDICATE_COMMAND;
}

static bool parse_command(const struct reading *r, const char *text, const json_t *v) {
    if (!command_valid(r, v)) return false;
    /* A lone word that is no command is rather a predicate that was misspelt; quoted or upper case names are taken as they are. */
    size_t n = strcspn(text, " \t");
    if (text[0] < 'a' || text[0] > 'z' || command_find(SLICE(text, n)) != NULL) return true;
    return wrong(r, "", "a command, or one of converged, digests, conflicts, losers, siblings, lag, backlog, leader, role, workload, sessions", v);
}

/* `us > eu`, `us > eu-1` */
static bool parse_direction(const struct reading *r, const struct scenario *s, const char *form, const json_t *v, struct predicate *p) {
    char from[NAME_LEN_MAX + 1], to[NAME_LEN_MAX + 16];
    int n = 0;
    if (sscanf(p->subject, "%63[a-z0-9_-] > %78[a-z0-9_-] %n", from, to, &n) != 2 || p->subject[n] != '\0') return wrong(r, "", form, v);
    int dc = cluster_find_dc(s->cluster, slice_text(from));
    if (dc < 0) return wrong_because(r, "", form, "%s, which is no datacenter", from);
    if (!sides_enter(s->cluster, to, p->in)) return wrong_because(r, "", form, "%s, which is neither datacenter nor node", to);
    p->dc = (uint32_t)dc;
    p->in_named = true;
    p->subject = strchr(p->subject, '>') + 1;
    p->subject += strspn(p->subject, " ");
    return true;
}

static bool parse_leader(const struct reading *r, const struct scenario *s, const char *form, const json_t *v, struct predicate *p) {
    int dc = cluster_find_dc(s->cluster, slice_text(p->subject));
    if (dc < 0) return wrong(r, "", form, v);
    p->dc = (uint32_t)dc;
    return true;
}

static bool parse_role(const struct reading *r, const struct scenario *s, const char *form, const json_t *v, struct predicate *p) {
    int node = cluster_find(s->cluster, slice_text(p->subject));
    if (node < 0) return wrong(r, "", form, v);
    p->in[node] = true;
    p->in_named = true;
    return true;
}

/* What stands behind the name. */
static bool parse_subject(const struct reading *r, const struct scenario *s, const char *form, const json_t *v, struct predicate *p) {
    bool one_word = p->subject[0] != '\0' && p->subject[strcspn(p->subject, " \t")] == '\0';
    switch (p->kind) {
    case PREDICATE_CONVERGED:
    case PREDICATE_DIGESTS:
    case PREDICATE_SESSIONS: return p->subject[0] == '\0' || wrong(r, "", form, v);
    case PREDICATE_LAG:
    case PREDICATE_BACKLOG: return parse_direction(r, s, form, v, p);
    case PREDICATE_LEADER: return parse_leader(r, s, form, v, p);
    case PREDICATE_ROLE: return parse_role(r, s, form, v, p);
    case PREDICATE_COMMAND: return parse_command(r, p->text, v);
    default: return one_word || wrong(r, "", form, v);
    }
}

static bool is_role(const json_t *v) {
    static const char *const roles[] = {"leader", "follower", "returning", "down", "paused"};
    for (size_t i = 0; json_is_string(v) && i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(json_string_value(v), roles[i]) == 0) return true;
    }
    return false;
}

/* A name that is no node's, or no role, would never be equal to anything. */
static bool name_fits(const struct scenario *s, const struct predicate *p, const json_t *v) {
    if (p->kind == PREDICATE_ROLE) return is_role(v);
    if (json_is_null(v)) return true;
    int node = json_is_string(v) ? cluster_find(s->cluster, slice_text(json_string_value(v))) : -1;
    return node >= 0 && s->cluster->nodes[node].dc == p->dc;
}

static bool check_name(const struct reading *r, const struct scenario *s, const struct predicate *p, const struct compare *c, const char *key) {
    const char *wanted = p->kind == PREDICATE_ROLE ? "leader, follower, returning, down or paused" : "the name of a node of that datacenter, or null";
    const json_t *v;
    size_t i;
    if (c->how != COMPARE_ONE_OF) return name_fits(s, p, c->with) || wrong(r, key, wanted, c->with);
    json_array_foreach(c->with, i, v) {
        if (!name_fits(s, p, v)) return wrong(r, key, wanted, v);
    }
    return true;
}

static const char *key_of(enum comparison how) {
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++) {
        if (comparisons[i].how == how) return comparisons[i].key;
    }
    return "";
}

/* Does this comparison say anything of such a predicate? */
static bool compare_fits(const struct reading *r, const struct scenario *s, const struct predicate *p, const struct compare *c) {
    const char *key = key_of(c->how);
    uint64_t us;
    bool bound = c->how == COMPARE_AT_LEAST || c->how == COMPARE_AT_MOST, same = c->how == COMPARE_IS || c->how == COMPARE_NOT;
    switch (p->kind) {
    case PREDICATE_CONVERGED:
    case PREDICATE_DIGESTS:
    case PREDICATE_WORKLOAD:
    case PREDICATE_SESSIONS: return wrong_because(r, key, "no comparison: this predicate holds or does not", "one");
    case PREDICATE_LAG:
        if (!bound && !same) return wrong_because(r, key, "is, is_not, at_least or at_most for a lag", "\"%s\"", key);
        if (!json_is_string(c->with) || !parse_time(json_string_value(c->with), UINT64_MAX, &us))
            return wrong(r, key, "a time such as \"300ms\"", c->with);
        return true;
    case PREDICATE_ROLE:
    case PREDICATE_LEADER:
        if (!same && c->how != COMPARE_ONE_OF) return wrong_because(r, key, "is, is_not or one_of for a name", "\"%s\"", key);
        return check_name(r, s, p, c, key);
    case PREDICATE_CONFLICTS:
    case PREDICATE_BACKLOG:
        if (!bound && !same && c->how != COMPARE_COUNT && c->how != COMPARE_ONE_OF)
            return wrong_because(r, key, "is, is_not, one_of, at_least, at_most or count for a number", "\"%s\"", key);
        return true;
    default: return true;
    }
}

static bool read_in(const struct reading *r, const struct scenario *s, const json_t *step, struct predicate *p) {
    const json_t *in = json_object_get(step, "in");
    if (in != NULL && p->in_named) return wrong_because(r, "in", "no nodes here, which the predicate names itself", "some");
    if (in != NULL && (p->kind == PREDICATE_CONVERGED || p->kind == PREDICATE_WORKLOAD || p->kind == PREDICATE_SESSIONS))
        return wrong_because(r, "in", "no nodes here: this predicate is about all", "some");
    if (in != NULL && !want_nodes(r, s->cluster, "in", in, p->in)) return false;
    for (uint32_t i = 0; in == NULL && !p->in_named && i < s->cluster->nodes_count; i++) p->in[i] = true;
    if (in != NULL) p->in_named = strcmp(json_string_value(in), "*") != 0;
    return true;
}

bool predicate_parse(const struct reading *r, const struct scenario *s, const json_t *step, const char *text, struct predicate *ret) {
    struct predicate p = {.text = text + strspn(text, " \t")};
    struct buf form = {0};
    const json_t *v = json_object_get(step, r->verb);
    const char *shape;
    p.kind = kind_of(p.text, &p.subject, &shape);
    buf_printf(&form, "\"%s\"", shape);
    buf_u8(&form, 0);
    bool ok = parse_subject(r, s, (const char *)form.p, v, &p) && read_in(r, s, step, &p) && compares_parse(r, step, p.compare, &p.compare_count);
    for (uint32_t i = 0; ok && i < p.compare_count; i++) ok = compare_fits(r, s, &p, &p.compare[i]);
    buf_finish(&form);
    if (ok) *ret = p;
    return ok;
}
