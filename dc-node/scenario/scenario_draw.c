/* What a scenario leaves open is drawn from its seed: ranges, `any`, and the steps of `faults`. All in order of the document. */
#include "../../schemas/text.h"
#include "../../schemas/units.h"
#include "../core/prng.h"
#include "format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_US          1000u
#define RANGE_FINE_MAX (10 * MS_US) /* a shorter range of time is drawn in microseconds */
#define RATE_FINE_MAX  10000u       /* a lower rate is drawn in bytes per second, others in thousands */
#define SHARE_STEP     100u
#define SEPARATORS     " \t,|>"

struct drawing {
    struct reading r;
    struct prng prng;
    uint64_t draws;
    struct drawn_nodes nodes;
};

/* ---- ranges ---- */
/* "A..B" to its ends; they are borrowed of `copy`, which the caller frees. */
static bool split_range(const char *text, char **ret_copy, const char **ret_a, const char **ret_b) {
    const char *dots = strstr(text, "..");
    if (dots == NULL) return false;
    *ret_copy = xstrdup(text);
    (*ret_copy)[dots - text] = '\0';
    *ret_a = *ret_copy;
    *ret_b = *ret_copy + (dots - text) + 2;
    return true;
}

/* One of a, a + step ... that is not beyond b. */
static int64_t draw_between(struct prng *prng, int64_t a, int64_t b, uint64_t step) {
    uint64_t count = ((uint64_t)b - (uint64_t)a) / step + 1;
    uint64_t drawn = prng_below(prng, count);
    return (int64_t)((uint64_t)a + drawn * step);
}

static uint64_t time_step(int64_t a, int64_t b) {
    bool whole_ms = a % (int64_t)MS_US == 0 && b % (int64_t)MS_US == 0;
    return whole_ms && b - a >= (int64_t)RANGE_FINE_MAX ? MS_US : 1;
}

bool draw_time(struct prng *prng, const json_t *v, uint64_t max_us, uint64_t *ret_us) {
    char *copy;
    const char *a, *b;
    uint64_t from, to;
    if (!json_is_string(v)) return false;
    if (!split_range(json_string_value(v), &copy, &a, &b)) return parse_time(json_string_value(v), max_us, ret_us);
    bool ok = parse_time(a, max_us, &from) && parse_time(b, max_us, &to) && from <= to;
    if (ok) *ret_us = (uint64_t)draw_between(prng, (int64_t)from, (int64_t)to, time_step((int64_t)from, (int64_t)to));
    free(copy);
    return ok;
}

static bool whole_number(const char *text, int64_t *ret) {
    uint64_t n;
    bool negative = text[0] == '-';
    if (!text_number(slice_text(text + negative), INT64_MAX, &n)) return false;
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

/* An end of a range, as a whole number of the kind's smallest unit. */
static bool range_end(enum value_kind kind, const char *text, int64_t *ret) {
    uint64_t u;
    uint32_t ppm;
    int32_t drift;
    switch (kind) {
    case VALUE_TIME:
        if (!parse_time(text, SCENARIO_TIME_MAX, &u)) return false;
        *ret = (int64_t)u;
        return true;
    case VALUE_OFFSET: return parse_offset(text, SCENARIO_SKEW_MAX, ret);
    case VALUE_NUMBER: return whole_number(text, ret);
    case VALUE_SHARE:
        if (!parse_share(text, &ppm)) return false;
        *ret = ppm;
        return true;
    case VALUE_RATE:
        if (!parse_rate(text, &u)) return false;
        *ret = (int64_t)u;
        return true;
    case VALUE_DRIFT:
        if (!parse_drift(text, SCENARIO_DRIFT_MAX, &drift)) return false;
        *ret = drift;
        return true;
    default: return false;
    }
}

static uint64_t range_step(enum value_kind kind, int64_t a, int64_t b) {
    if (kind == VALUE_TIME || kind == VALUE_OFFSET) return time_step(a, b);
    if (kind == VALUE_SHARE) return b - a >= (int64_t)SHARE_STEP ? SHARE_STEP : 1;
    if (kind == VALUE_RATE) return a >= (int64_t)RATE_FINE_MAX ? 1000 : 1;
    return 1;
}

static json_t *drawn_json(enum value_kind kind, int64_t n) {
    struct buf text = {0};
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (kind == VALUE_NUMBER) return json_integer(n);
    if (n < 0) buf_u8(&text, '-');
    if (n >= 0 && kind == VALUE_OFFSET) buf_u8(&text, '+');
    if (kind == VALUE_TIME || kind == VALUE_OFFSET) format_time(size, &text);
    if (kind == VALUE_SHARE) format_share((uint32_t)size, &text);
    if (kind == VALUE_RATE) format_rate(size, &text);
    if (kind == VALUE_DRIFT) buf_printf(&text, "%" PRIu64 "ppm", size);
    json_t *v = json_stringn((const char *)text.p, text.n);
    buf_finish(&text);
    return v;
}

static const char *range_wanted(enum value_kind kind) {
    switch (kind) {
    case VALUE_TIME: return "a range of times such as \"200ms..2s\", the smaller first, up to 1y";
    case VALUE_OFFSET: return "a range of times such as \"-1h..+1h\", the smaller first, up to 10y";
    case VALUE_NUMBER: return "a range of whole numbers such as \"1..5\", the smaller first";
    case VALUE_SHARE: return "a range of shares such as \"1%..5%\", the smaller first";
    case VALUE_RATE: return "a range of rates such as \"1mbit..10mbit\", the smaller first";
    default: return "a range of drifts such as \"-200ppm..200ppm\", the smaller first, up to 500000ppm";
    }
}

/* *ret: NULL where there is nothing to draw. */
static bool draw_range(struct drawing *d, const char *place, enum value_kind kind, const json_t *v, json_t **ret) {
    char *copy;
    const char *a, *b;
    int64_t from, to;
    if (!json_is_string(v) || !split_range(json_string_value(v), &copy, &a, &b)) return true;
    bool ok = range_end(kind, a, &from) && range_end(kind, b, &to) && from <= to;
    free(copy);
    if (!ok) return wrong(&d->r, place, range_wanted(kind), v);
    *ret = drawn_json(kind, draw_between(&d->prng, from, to, range_step(kind, from, to)));
    d->draws++;
    return true;
}

/* ---- {A..B} in texts ---- */
/* At a '{': the range up to the '}'. 0: it is none, and stands for itself; -1: it looks like one, and is wrong. */
static int braces_range(const char *at, const char **ret_end, int64_t *ret_a, int64_t *ret_b) {
    char a[24], b[24];
    size_t n = strspn(at + 1, "-0123456789"), m;
    if (n == 0 || n >= sizeof a || at[1 + n] != '.' || at[2 + n] != '.') return 0;
    m = strspn(at + 3 + n, "-0123456789");
    if (m >= sizeof b || at[3 + n + m] != '}') return -1;
    memcpy(a, at + 1, n);
    memcpy(b, at + 3 + n, m);
    a[n] = b[m] = '\0';
    *ret_end = at + 4 + n + m;
    return whole_number(a, ret_a) && whole_number(b, ret_b) && *ret_a <= *ret_b ? 1 : -1;
}

static bool draw_command(struct drawing *d, const char *place, const json_t *v, json_t **ret);

/* Of a transaction each. */
static bool draw_commands(struct drawing *d, const char *place, const json_t *list, json_t **ret) {
    json_t *drawn, *copy = json_copy((json_t *)(uintptr_t)list), *one;
    bool ok = true, any = false;
    size_t i;
    json_array_foreach(list, i, one) {
        drawn = NULL;
        ok = ok && draw_command(d, place, one, &drawn);
        if (drawn == NULL) continue;
        json_array_set_new(copy, i, drawn);
        any = true;
    }
    if (any && ok) *ret = json_incref(copy);
    json_decref(copy);
    return ok;
}

static bool draw_text(struct drawing *d, const char *place, const json_t *v, json_t **ret) {
    struct buf text = {0};
    bool any = false;
    if (json_is_array(v)) return draw_commands(d, place, v, ret);
    if (!json_is_string(v)) return true;
    for (const char *p = json_string_value(v), *end; *p != '\0';) {
        int64_t a, b;
        int is = *p == '{' ? braces_range(p, &end, &a, &b) : 0;
        if (is < 0) {
            buf_finish(&text);
            return wrong(&d->r, place, "ranges such as {1..5} in the text, the smaller number first", v);
        }
        if (is == 0) {
            buf_u8(&text, (uint8_t)*p++);
            continue;
        }
        buf_printf(&text, "%" PRId64, draw_between(&d->prng, a, b, 1));
        d->draws++;
        any = true;
        p = end;
    }
    if (any) *ret = json_stringn((const char *)text.p, text.n);
    buf_finish(&text);
    return true;
}

/* A command, or a list of them. */
static bool draw_command(struct drawing *d, const char *place, const json_t *v, json_t **ret) {
    json_t *list, *drawn;
    bool any = false, ok = true;
    if (!json_is_array(v)) return draw_text(d, place, v, ret);
    list = json_copy((json_t *)(uintptr_t)v);
    for (size_t i = 0; ok && i < json_array_size(v); i++) {
        drawn = NULL;
        ok = draw_text(d, place, json_array_get(v, i), &drawn);
        if (drawn == NULL) continue;
        json_array_set_new(list, i, drawn);
        any = true;
    }
    if (any && ok)
        *ret = list;
    else
        json_decref(list);
    return ok;
}

/* ---- any ---- */
static int find_dc(const struct drawn_nodes *nodes, struct slice name) {
    for (uint32_t i = 0; i < nodes->dcs_count; i++) {
        if (slice_equal(slice_text(nodes->dcs[i]), name)) return (int)i;
    }
    return -1;
}

static void node_name(const struct drawn_nodes *nodes, uint32_t i, struct buf *out) {
    buf_printf(out, "%s-%u", nodes->all[i].dc, (unsigned)nodes->all[i].number);
}

/* A word of a text of names, and what follows; n == 0: there is none. */
static struct slice next_word(const char *at) {
    at += strspn(at, SEPARATORS);
    return SLICE(at, strcspn(at, SEPARATORS));
}

/* Nodes that are named in the text are not drawn. */
static void mark_named(const struct drawn_nodes *nodes, const char *text, bool used[static NODES_MAX]) {
    for (struct slice w = next_word(text); w.n != 0; w = next_word((const char *)w.p + w.n)) {
        if (slice_equal(w, slice_text("any"))) {
            /* The DC behind it is where, not who. */
            const char *behind = (const char *)w.p + w.n;
            behind += strspn(behind, " \t");
            struct slice dc = SLICE(behind, strcspn(behind, SEPARATORS));
            if (find_dc(nodes, dc) >= 0) w = dc;
            continue;
        }
        struct buf name = {0};
        for (uint32_t i = 0; i < nodes->count; i++) {
            buf_clear(&name);
            node_name(nodes, i, &name);
            if (slice_equal(buf_slice_of(&name), w) || slice_equal(slice_text(nodes->all[i].dc), w)) used[i] = true;
        }
        buf_finish(&name);
    }
}

/* A node of that DC, or of any (-1), that is not used yet; it is now. -1: there is none. */
static int draw_node(struct drawing *d, int dc, bool used[static NODES_MAX]) {
    uint32_t fit[NODES_MAX], count = 0;
    for (uint32_t i = 0; i < d->nodes.count; i++) {
        if (!used[i] && (dc < 0 || (int)d->nodes.all[i].dc_index == dc)) fit[count++] = i;
    }
    if (count == 0) return -1;
    uint32_t drawn = fit[prng_below(&d->prng, count)];
    used[drawn] = true;
    d->draws++;
    return (int)drawn;
}

static bool draw_nodes(struct drawing *d, const char *place, const json_t *v, json_t **ret) {
    struct buf text = {0};
    bool used[NODES_MAX] = {0}, any = false;
    if (!json_is_string(v)) return true;
    const char *p = json_string_value(v);
    mark_named(&d->nodes, p, used);
    for (struct slice w = next_word(p); w.n != 0; w = next_word(p)) {
        buf_put(&text, p, (size_t)((const char *)w.p - p));
        p = (const char *)w.p + w.n;
        if (!slice_equal(w, slice_text("any"))) {
            buf_put(&text, w.p, w.n);
            continue;
        }
        const char *behind = p + strspn(p, " \t");
        struct slice dc_name = SLICE(behind, strcspn(behind, SEPARATORS));
        int dc = find_dc(&d->nodes, dc_name);
        if (dc >= 0) p = behind + dc_name.n;
        int node = draw_node(d, dc, used);
        if (node < 0) {
            buf_finish(&text);
            return wrong(&d->r, place, "a node that `any` can stand for, beside those that are named", v);
        }
        node_name(&d->nodes, (uint32_t)node, &text);
        any = true;
    }
    buf_text(&text, p);
    if (any) *ret = json_stringn((const char *)text.p, text.n);
    buf_finish(&text);
    return true;
}

static bool draw_dc(struct drawing *d, const json_t *v, json_t **ret) {
    if (!json_is_string(v) || strcmp(json_string_value(v), "any") != 0 || d->nodes.dcs_count == 0) return true;
    *ret = json_string(d->nodes.dcs[prng_below(&d->prng, d->nodes.dcs_count)]);
    d->draws++;
    return true;
}

static bool draw_value(struct drawing *d, const char *place, enum value_kind kind, const json_t *v, json_t **ret) {
    *ret = NULL;
    switch (kind) {
    case VALUE_PLAIN: return true;
    case VALUE_DC: return draw_dc(d, v, ret);
    case VALUE_NODES: return draw_nodes(d, place, v, ret);
    case VALUE_COMMAND: return draw_command(d, place, v, ret);
    default: return draw_range(d, place, kind, v, ret);
    }
}

/* ---- the head ---- */
static bool draw_head_value(struct drawing *d, const char *place, enum value_kind kind, json_t *object, void *iter) {
    json_t *drawn;
    if (!draw_value(d, place, kind, json_object_iter_value(iter), &drawn)) return false;
    if (drawn != NULL) json_object_iter_set_new(object, iter, drawn);
    return true;
}

static bool draw_object(struct drawing *d, json_t *object, const char *keys[static 3], uint32_t depth) {
    enum value_kind kind;
    bool ok = true;
    for (void *i = json_object_iter(object); ok && i != NULL; i = json_object_iter_next(object, i)) {
        char place[256];
        keys[depth] = json_object_iter_key(i);
        snprintf(place, sizeof place, "%.60s%s%.80s%s%.60s", keys[0], depth > 0 ? "." : "", depth > 0 ? keys[1] : "", depth > 1 ? "." : "",
                 depth > 1 ? keys[2] : "");
        if (head_value_find(keys[0], depth > 0 ? keys[1] : NULL, depth > 1 ? keys[2] : NULL, &kind))
            ok = draw_head_value(d, place, kind, object, i);
        else if (depth < 2 && strcmp(keys[0], "steps") != 0 && strcmp(keys[0], "tables") != 0)
            ok = draw_object(d, json_object_iter_value(i), keys, depth + 1);
    }
    return ok;
}

/* As far as they are sound: what is not is found when the file is parsed. */
static void find_nodes(struct drawn_nodes *nodes, const json_t *root) {
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(root, "datacenters"), name, v) {
        const json_t *count = json_object_get(v, "nodes");
        json_int_t n = json_is_integer(count) ? json_integer_value(count) : 1;
        if (nodes->dcs_count == DCS_MAX) return;
        nodes->dcs[nodes->dcs_count] = name;
        for (json_int_t i = 1; i <= n && nodes->count < NODES_MAX; i++) {
            nodes->all[nodes->count].dc = name;
            nodes->all[nodes->count].number = (uint32_t)i;
            nodes->all[nodes->count++].dc_index = nodes->dcs_count;
            nodes->dc_sizes[nodes->dcs_count]++;
        }
        nodes->dcs_count++;
    }
}

/* ---- steps, in groups: one with a time of its own, and those that follow it ---- */
struct group {
    uint64_t at_us;
    size_t order;
    json_t *steps;
};
struct groups {
    struct group *all;
    size_t count, cap;
};
/* What the step behind `faults` waits for, where it has no time of its own. */
struct rest {
    enum { REST_NONE, REST_AT, REST_AFTER } how;
    uint64_t us;
};

static void add_group(struct groups *g, uint64_t at_us) {
    if (g->count == g->cap) {
        g->cap = g->cap == 0 ? 16 : 2 * g->cap;
        g->all = xrealloc(g->all, g->cap * sizeof *g->all);
    }
    g->all[g->count] = (struct group){at_us, g->count, json_array()};
    g->count++;
}

static void add_step(struct groups *g, json_t *step) {
    const json_t *at = json_object_get(step, "at");
    uint64_t us = 0;
    if (g->count == 0 || at != NULL) add_group(g, json_is_string(at) && parse_time(json_string_value(at), UINT64_MAX, &us) ? us : 0);
    json_array_append_new(g->all[g->count - 1].steps, step);
}

static int compare_groups(const void *a, const void *b) {
    const struct group *x = a, *y = b;
    if (x->at_us != y->at_us) return x->at_us < y->at_us ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* In order of time; the groups are empty afterwards. */
static json_t *join_groups(struct groups *g) {
    json_t *steps = json_array();
    if (g->count > 0) qsort(g->all, g->count, sizeof *g->all, compare_groups);
    for (size_t i = 0; i < g->count; i++) {
        json_array_extend(steps, g->all[i].steps);
        json_decref(g->all[i].steps);
    }
    free(g->all);
    *g = (struct groups){0};
    return steps;
}

static void set_time(json_t *step, const char *key, uint64_t us) {
    struct buf text = {0};
    format_time(us, &text);
    json_object_set_new(step, key, json_stringn((const char *)text.p, text.n));
    buf_finish(&text);
}

static bool time_of(const json_t *step, const char *key, uint64_t *ret_us) {
    const json_t *v = json_object_get(step, key);
    *ret_us = 0;
    return json_is_string(v) && parse_time(json_string_value(v), UINT64_MAX, ret_us);
}

/* The first step behind `faults` begins when these are over. */
static void wait_for_rest(json_t *step, struct rest *rest) {
    uint64_t after;
    bool timed = time_of(step, "after", &after) || json_object_get(step, "after") == NULL; /* else it is wrong, and stays to be found */
    if (rest->how != REST_NONE && timed && json_object_get(step, "at") == NULL) {
        if (rest->how == REST_AT) json_object_del(step, "after");
        set_time(step, rest->how == REST_AT ? "at" : "after", rest->us + after);
    }
    rest->how = REST_NONE;
}

static json_t *with_time_first(json_t *step, const char *key, uint64_t us) {
    json_t *timed = json_object();
    set_time(timed, key, us);
    json_object_update(timed, step);
    json_decref(step);
    return timed;
}

/* Where the step stands in the file, for messages. */
static void put_place(const struct drawing *d, json_t *step) {
    if (d->r.line != 0 && json_is_object(step)) json_object_set_new(step, "place", json_pack("[ii]", (int)d->r.line, (int)d->r.number));
}

static bool expand_faults(struct drawing *d, struct groups *g, const json_t *step, struct rest *rest) {
    struct drawn_steps drawn = {0};
    uint64_t at, after, length, last = 0;
    bool absolute = time_of(step, "at", &at);
    time_of(step, "after", &after);
    if (!draw_faults(&d->r, &d->prng, &d->nodes, step, &drawn)) return false;
    d->draws++;
    for (size_t i = 0; i < drawn.count; i++) {
        json_t *made = drawn.all[i].step;
        uint64_t t = drawn.all[i].at_us;
        drawn.all[i].step = NULL;
        put_place(d, made);
        add_step(g, absolute ? with_time_first(made, "at", at + t) : with_time_first(made, "after", t - last + (i == 0 ? after : 0)));
        last = t;
    }
    time_of(step, "for", &length);
    *rest = absolute ? (struct rest){REST_AT, at + length} : (struct rest){REST_AFTER, length - last + (drawn.count == 0 ? after : 0)};
    drawn_steps_finish(&drawn);
    return true;
}

static bool draw_step(struct drawing *d, json_t *step) {
    int verb = step_verb_of(step);
    for (void *i = json_object_iter(step); i != NULL; i = json_object_iter_next(step, i)) {
        const char *key = json_object_iter_key(i);
        enum value_kind kind;
        json_t *drawn;
        if (!step_key_find(verb, key, &kind)) continue;
        if (!draw_value(d, d->r.verb != NULL && strcmp(key, d->r.verb) == 0 ? "" : key, kind, json_object_iter_value(i), &drawn)) return false;
        if (drawn != NULL) json_object_iter_set_new(step, i, drawn);
    }
    return true;
}

static bool one_step(struct drawing *d, struct groups *g, json_t *step, struct rest *rest) {
    if (json_object_get(step, "place") != NULL && d->r.file->places != NULL) return wrong_key(&d->r, step_verb_of(step), "place");
    put_place(d, step);
    if (!draw_step(d, step)) return false;
    wait_for_rest(step, rest);
    if (step_verb_of(step) == STEP_FAULTS) return expand_faults(d, g, step, rest);
    add_step(g, json_incref(step));
    return true;
}

static bool draw_steps(struct drawing *d, json_t *root) {
    json_t *steps = json_object_get(root, "steps"), *step;
    struct groups groups = {0};
    struct rest rest = {0};
    bool ok = true;
    size_t i;
    if (!json_is_array(steps)) return true;
    json_array_foreach(steps, i, step) {
        reading_step(&d->r, i, d->r.file->places == NULL ? step : NULL);
        reading_verb(&d->r, step);
        ok = ok && one_step(d, &groups, step, &rest);
    }
    reading_head(&d->r);
    json_t *joined = join_groups(&groups);
    if (ok) json_object_set(root, "steps", joined);
    json_decref(joined);
    return ok;
}

/* ---- the whole ---- */
static void set_seed(json_t *root, uint64_t seed) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    json_object_set_new(root, "seed", seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_string(text));
}

static uint64_t seed_of(const json_t *root) {
    const json_t *seed = json_object_get(root, "seed");
    uint64_t n;
    if (json_is_integer(seed) && json_integer_value(seed) >= 0) return (uint64_t)json_integer_value(seed);
    return json_is_string(seed) && text_number(slice_text(json_string_value(seed)), UINT64_MAX, &n) ? n : 1;
}

static bool draw(struct drawing *d, const struct scenario_file *f, const uint64_t *seed, json_t **ret, struct buf *why) {
    json_t *root = json_deep_copy(f->json);
    const char *keys[3];
    *d = (struct drawing){.r = {.file = f, .why = why}};
    prng_seed(&d->prng, seed != NULL ? *seed : seed_of(root));
    bool ok = !json_is_object(root) || draw_object(d, root, keys, 0);
    find_nodes(&d->nodes, root);
    ok = ok && draw_steps(d, root);
    if (ok && json_is_object(root) && (seed != NULL || json_object_get(root, "seed") == NULL)) set_seed(root, seed != NULL ? *seed : 1);
    if (ok)
        *ret = root;
    else
        json_decref(root);
    return ok;
}

bool scenario_draw(const struct scenario_file *f, const uint64_t *seed, json_t **ret, struct buf *why) {
    struct drawing *d = xmalloc(sizeof *d);
    bool ok = draw(d, f, seed, ret, why);
    free(d);
    return ok;
}

bool scenario_is_open(const json_t *file) {
    static char name[] = "";
    struct scenario_file f = {.json = (json_t *)(uintptr_t)file, .path = name};
    struct drawing *d = xmalloc(sizeof *d);
    struct buf why = {0};
    json_t *drawn = NULL;
    bool open = draw(d, &f, NULL, &drawn, &why) && d->draws > 0;
    json_decref(drawn);
    buf_finish(&why);
    free(d);
    return open;
}
