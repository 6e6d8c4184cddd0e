/* A `faults` step becomes plain steps: each fault, and what undoes it, before the step's time is over. */
#include "../../schemas/units.h"
#include "../core/prng.h"
#include "format.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS        UINT64_C(1000)
#define S         (1000 * MS)
#define TURNS_MAX 20000u /* faults of one step */

enum fault_kind {
#define X(NAME, text, needs, doc) FAULT_##NAME,
    FAULT_KINDS(X)
#undef X
};
static const struct {
    const char *name;
    uint32_t needs; /* nodes in all; from 3 on: in one DC */
} kinds[] = {
#define X(NAME, text, needs, doc) {text, needs},
    FAULT_KINDS(X)
#undef X
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct faulting {
    const struct reading *r;
    struct prng *prng;
    const struct drawn_nodes *nodes;
    struct drawn_steps *out;
    bool meant[NODES_MAX];       /* by `in` */
    uint64_t busy_us[NODES_MAX]; /* until then another fault of nodes has it */
    uint64_t wiped_us[DCS_MAX];  /* until then a node of it has lost data */
    uint64_t begin_us, end_us;   /* of the fault under way */
    uint32_t backups;
};

static uint64_t between(struct faulting *f, uint64_t a, uint64_t b) { return a + prng_below(f->prng, b - a + 1); }
static bool chance(struct faulting *f, uint32_t one_of) { return prng_below(f->prng, one_of) == 0; }

/* ---- steps ---- */
/* "{s:s, ...}" as json_pack takes it. */
static json_t *add(struct faulting *f, uint64_t at_us, const char *verb, const char *subject) {
    struct drawn_steps *d = f->out;
    if (d->count == d->cap) {
        d->cap = d->cap == 0 ? 64 : 2 * d->cap;
        d->all = xrealloc(d->all, d->cap * sizeof *d->all);
    }
    json_t *step = json_pack("{s:s}", verb, subject);
    d->all[d->count++] = (struct drawn_step){at_us, d->count, step};
    return step;
}

static void put_time(json_t *step, const char *key, uint64_t us) {
    struct buf text = {0};
    format_time(us, &text);
    json_object_set_new(step, key, json_stringn((const char *)text.p, text.n));
    buf_finish(&text);
}

static void put_share(json_t *step, const char *key, uint64_t ppm) {
    struct buf text = {0};
    format_share((uint32_t)ppm, &text);
    json_object_set_new(step, key, json_stringn((const char *)text.p, text.n));
    buf_finish(&text);
}

static const char *node_name(const struct faulting *f, uint32_t i, char out[static NAME_LEN_MAX + 16]) {
    snprintf(out, NAME_LEN_MAX + 16, "%.63s-%u", f->nodes->all[i].dc, (unsigned)f->nodes->all[i].number);
    return out;
}

/* ---- sides ---- */
static void put_name(struct buf *out, const char *name) {
    if (out->n > 0) buf_u8(out, ' ');
    buf_text(out, name);
}

/* DCs on the one side, DCs on the other; false: fewer than two are meant. */
static bool split_dcs(struct faulting *f, struct buf *a, struct buf *b) {
    bool meant[DCS_MAX] = {0}, left[DCS_MAX] = {0};
    uint32_t count = 0, lefts = 0;
    for (uint32_t i = 0; i < f->nodes->count; i++) meant[f->nodes->all[i].dc_index] |= f->meant[i];
    for (uint32_t i = 0; i < f->nodes->dcs_count; i++) count += meant[i];
    if (count < 2) return false;
    while (lefts == 0 || lefts == count) {
        lefts = 0;
        for (uint32_t i = 0; i < f->nodes->dcs_count; i++) {
            left[i] = meant[i] && chance(f, 2);
            lefts += left[i];
        }
    }
    for (uint32_t i = 0; i < f->nodes->dcs_count; i++) {
        if (meant[i]) put_name(left[i] ? a : b, f->nodes->dcs[i]);
    }
    return true;
}

/* One node, or some, and the others that are meant. */
static void split_nodes(struct faulting *f, struct buf *a, struct buf *b) {
    uint32_t fit[NODES_MAX], count = 0, lefts = 0;
    bool left[NODES_MAX] = {0}, alone = chance(f, 2);
    char name[NAME_LEN_MAX + 16];
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (f->meant[i]) fit[count++] = i;
    }
    if (alone) left[prng_below(f->prng, count)] = true;
    while (!alone && (lefts == 0 || lefts == count)) {
        lefts = 0;
        for (uint32_t i = 0; i < count; i++) {
            left[i] = chance(f, 2);
            lefts += left[i];
        }
    }
    for (uint32_t i = 0; i < count; i++) put_name(left[i] ? a : b, node_name(f, fit[i], name));
}

/* "us | eu ap", to be freed. */
static char *draw_sides(struct faulting *f, bool one_way) {
    struct buf a = {0}, b = {0}, out = {0};
    bool whole = !chance(f, 3);
    if (!whole || !split_dcs(f, &a, &b)) split_nodes(f, &a, &b);
    bool turned = chance(f, 2);
    const struct buf *first = turned ? &b : &a, *second = turned ? &a : &b;
    buf_put(&out, first->p, first->n);
    buf_text(&out, one_way ? " > " : " | ");
    buf_put(&out, second->p, second->n);
    buf_u8(&out, 0);
    buf_finish(&a);
    buf_finish(&b);
    return (char *)out.p;
}

/* ---- links ---- */
static void flap(struct faulting *f, const char *sides) {
    bool cut = false;
    for (uint64_t t = f->begin_us; t < f->end_us; t += between(f, 100, 5000) * MS) {
        cut = !cut;
        add(f, t, cut ? "cut" : "heal", sides);
    }
    if (cut) add(f, f->end_us, "heal", sides);
}

static void slow(struct faulting *f, const char *sides) {
    json_t *step = add(f, f->begin_us, "slow", sides);
    put_time(step, "latency", between(f, 50, 800) * MS);
    put_time(step, "jitter", between(f, 0, 50) * MS);
    if (!chance(f, 3)) return;
    struct buf rate = {0};
    format_rate(between(f, 20, 500) * 1000, &rate);
    json_object_set_new(step, "rate", json_stringn((const char *)rate.p, rate.n));
    buf_finish(&rate);
}

static void lossy(struct faulting *f, const char *sides) {
    json_t *step = add(f, f->begin_us, "slow", sides);
    put_time(step, "latency", between(f, 1, 100) * MS);
    put_time(step, "jitter", between(f, 0, 50) * MS);
    put_share(step, "loss", between(f, 0, 30) * 10000);
    if (chance(f, 2)) put_share(step, "repeat", between(f, 1, 10) * 10000);
    if (chance(f, 2)) put_share(step, "corrupt", between(f, 1, 5) * 10000);
    if (chance(f, 2)) put_share(step, "replay", between(f, 1, 5) * 10000);
    if (chance(f, 2)) json_object_set_new(step, "reorder", json_true());
}

static void fault_links(struct faulting *f, enum fault_kind kind) {
    char *sides = draw_sides(f, kind == FAULT_ONE_WAY);
    if (kind == FAULT_CUT || kind == FAULT_ONE_WAY) add(f, f->begin_us, "cut", sides);
    if (kind == FAULT_CLOG) add(f, f->begin_us, "clog", sides);
    if (kind == FAULT_DISCONNECT) add(f, f->begin_us, "disconnect", sides);
    if (kind == FAULT_SLOW) slow(f, sides);
    if (kind == FAULT_LOSSY) lossy(f, sides);
    if (kind == FAULT_FLAP) flap(f, sides);
    if (kind != FAULT_FLAP && kind != FAULT_DISCONNECT) add(f, f->end_us, "heal", sides);
    free(sides);
}

/* ---- nodes ---- */
/* One that no other fault has, in a DC of at least so many; it is taken. -1: there is none. */
static int draw_node(struct faulting *f, uint32_t dc_size) {
    uint32_t fit[NODES_MAX], count = 0;
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        uint32_t dc = f->nodes->all[i].dc_index;
        if (f->meant[i] && f->busy_us[i] <= f->begin_us && f->nodes->dc_sizes[dc] >= dc_size) fit[count++] = i;
    }
    if (count == 0) return -1;
    uint32_t drawn = fit[prng_below(f->prng, count)];
    f->busy_us[drawn] = f->end_us;
    return (int)drawn;
}

/* Its whole DC too, if all of that is meant and free. */
static bool take_dc(struct faulting *f, uint32_t node) {
    uint32_t dc = f->nodes->all[node].dc_index;
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (f->nodes->all[i].dc_index == dc && i != node && (!f->meant[i] || f->busy_us[i] > f->begin_us)) return false;
    }
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (f->nodes->all[i].dc_index == dc) f->busy_us[i] = f->end_us;
    }
    return true;
}

static void fault_life(struct faulting *f, enum fault_kind kind) {
    char name[NAME_LEN_MAX + 16];
    int node = draw_node(f, 1);
    if (node < 0) return;
    bool whole = chance(f, 5);
    const char *who = whole && take_dc(f, (uint32_t)node) ? f->nodes->all[node].dc : node_name(f, (uint32_t)node, name);
    json_t *step = add(f, f->begin_us, kind == FAULT_PAUSE ? "pause" : "kill", who);
    if (kind == FAULT_POWER) json_object_set_new(step, "power", json_true());
    add(f, f->end_us, kind == FAULT_PAUSE ? "resume" : "start", who);
}

static void fault_skew(struct faulting *f) {
    char name[NAME_LEN_MAX + 16], text[32];
    int node = draw_node(f, 1);
    if (node < 0) return;
    node_name(f, (uint32_t)node, name);
    json_t *step = add(f, f->begin_us, "skew", name);
    uint64_t how = prng_below(f->prng, 4);
    const char *sign = chance(f, 2) ? "-" : "+";
    if (how < 2) {
        snprintf(text, sizeof text, "%s%" PRIu64 "ms", sign, how == 0 ? between(f, 1, 2000) : between(f, 2000, 3600000));
        json_object_set_new(step, "by", json_string(text));
    } else if (how == 2) {
        snprintf(text, sizeof text, "%s%" PRIu64 "ppm", sign, between(f, 100, 200000));
        json_object_set_new(step, "drift", json_string(text));
    } else {
        json_object_set_new(step, "frozen", json_true());
    }
    json_object_set_new(add(f, f->end_us, "skew", name), "by", json_string("0s"));
}

static void fault_disk(struct faulting *f) {
    static const char *const states[] = {"full", "slow", "failing"};
    char name[NAME_LEN_MAX + 16];
    int node = draw_node(f, 1);
    if (node < 0) return;
    node_name(f, (uint32_t)node, name);
    uint64_t state = prng_below(f->prng, 3);
    json_t *step = add(f, f->begin_us, "disk", name);
    json_object_set_new(step, "state", json_string(states[state]));
    if (state == 1) put_time(step, "latency", between(f, 10, 500) * MS);
    json_object_set_new(add(f, f->end_us, "disk", name), "state", json_string("ok"));
    if (state != 1) add(f, f->end_us, "start", name); /* it has stopped, if it wrote */
}

/* Of three nodes two still have everything that a majority had, as long as it is the only one. */
static int draw_lone_node(struct faulting *f) {
    int node = draw_node(f, 3);
    if (node < 0) return -1;
    uint32_t dc = f->nodes->all[node].dc_index;
    bool alone = f->wiped_us[dc] <= f->begin_us;
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (f->nodes->all[i].dc_index == dc && i != (uint32_t)node && f->busy_us[i] > f->begin_us) alone = false;
    }
    if (!alone) {
        f->busy_us[node] = 0;
        return -1;
    }
    /* For some time after it is back: it has to catch up before the next may go. */
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (f->nodes->all[i].dc_index == dc) f->busy_us[i] = f->end_us + 5 * S;
    }
    f->wiped_us[dc] = f->end_us + 5 * S;
    return node;
}

static void fault_data(struct faulting *f, enum fault_kind kind) {
    char name[NAME_LEN_MAX + 16], backup[32];
    int node = draw_lone_node(f);
    if (node < 0) return;
    node_name(f, (uint32_t)node, name);
    if (kind == FAULT_WIPE) {
        add(f, f->begin_us, "kill", name);
        add(f, f->begin_us, "wipe", name);
    } else {
        snprintf(backup, sizeof backup, "drawn-%u-%u", (unsigned)f->r->number, (unsigned)++f->backups);
        json_object_set_new(add(f, f->begin_us, "backup", name), "as", json_string(backup));
        add(f, f->end_us, "kill", name);
        json_object_set_new(add(f, f->end_us, "restore", name), "from", json_string(backup));
    }
    add(f, f->end_us, "start", name);
}

/* ---- the step ---- */
static void fault(struct faulting *f, enum fault_kind kind) {
    switch (kind) {
    case FAULT_KILL:
    case FAULT_POWER:
    case FAULT_PAUSE: return fault_life(f, kind);
    case FAULT_SKEW: return fault_skew(f);
    case FAULT_DISK: return fault_disk(f);
    case FAULT_WIPE:
    case FAULT_RESTORE: return fault_data(f, kind);
    default: return fault_links(f, kind);
    }
}

static bool read_in(struct faulting *f, const json_t *step) {
    const json_t *in = json_object_get(step, "in");
    static const char separators[] = " \t,";
    if (in != NULL && !json_is_string(in)) return wrong(f->r, "in", "names of nodes or datacenters, or \"*\"", in);
    char *text = xstrdup(in == NULL ? "*" : json_string_value(in)), *save = NULL;
    bool ok = true, any = false;
    for (char *word = strtok_r(text, separators, &save); ok && word != NULL; word = strtok_r(NULL, separators, &save)) {
        bool found = strcmp(word, "*") == 0;
        for (uint32_t i = 0; i < f->nodes->count; i++) {
            char name[NAME_LEN_MAX + 16];
            bool meant = strcmp(word, "*") == 0 || strcmp(word, f->nodes->all[i].dc) == 0 || strcmp(word, node_name(f, i, name)) == 0;
            f->meant[i] |= meant;
            found |= meant;
        }
        ok = found;
        any = true;
    }
    free(text);
    return (ok && any) || wrong(f->r, "in", "names of nodes or datacenters, or \"*\"", in);
}

/* Are there nodes enough for it? */
static bool kind_fits(const struct faulting *f, uint32_t kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->nodes->count; i++) {
        if (kinds[kind].needs < 3 || f->nodes->dc_sizes[f->nodes->all[i].dc_index] >= 3) count += f->meant[i];
    }
    return count >= (kinds[kind].needs < 3 ? kinds[kind].needs : 1);
}

static bool wrong_kinds(const struct faulting *f, const json_t *got) {
    struct buf wanted = {0};
    for (size_t i = 0; i < KINDS; i++) buf_printf(&wanted, "%s%s", i == 0 ? "a list of " : ", ", kinds[i].name);
    buf_u8(&wanted, 0);
    wrong(f->r, "", (const char *)wanted.p, got);
    buf_finish(&wanted);
    return false;
}

static bool add_kind(const struct faulting *f, const json_t *v, uint32_t ret[static KINDS], size_t *count) {
    static const char *const too_few[] = {"", "a node", "two nodes", "a datacenter of three nodes or more"};
    size_t kind = 0;
    while (kind < KINDS && !(json_is_string(v) && strcmp(kinds[kind].name, json_string_value(v)) == 0)) kind++;
    if (kind < KINDS && kind_fits(f, (uint32_t)kind)) {
        ret[(*count)++] = (uint32_t)kind;
        return true;
    }
    if (kind < KINDS) return wrong_because(f->r, "", too_few[kinds[kind].needs], "fewer, and %s", kinds[kind].name);
    return wrong_kinds(f, v);
}

static bool read_kinds(const struct faulting *f, const json_t *list, uint32_t ret[static KINDS], size_t *count) {
    const json_t *v;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > KINDS) return wrong_kinds(f, list);
    json_array_foreach(list, i, v) {
        if (!add_kind(f, v, ret, count)) return false;
    }
    return true;
}

/* A time, or a range of which one is drawn each time. */
static bool draw_pace(struct faulting *f, const json_t *step, const char *key, const char *otherwise, uint64_t *ret_us) {
    const json_t *v = json_object_get(step, key);
    json_t *made = v == NULL ? json_string(otherwise) : NULL;
    bool ok = draw_time(f->prng, v == NULL ? made : v, SCENARIO_TIME_MAX, ret_us) && *ret_us >= MS;
    json_decref(made);
    return ok || wrong(f->r, key, "a time such as \"100ms\", or a range such as \"100ms..2s\", from 1ms", v);
}

static int compare_steps(const void *a, const void *b) {
    const struct drawn_step *x = a, *y = b;
    if (x->at_us != y->at_us) return x->at_us < y->at_us ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool draw_all(struct faulting *f, const json_t *step) {
    uint32_t which[KINDS];
    size_t count = 0;
    uint64_t length, t = 0, gap, lasts;
    const json_t *whole = json_object_get(step, "for");
    if (whole == NULL) return wrong(f->r, "for", "a time such as \"20s\"", whole);
    if (!want_time(f->r, "for", whole, MS, SCENARIO_TIME_MAX, &length)) return false;
    if (!read_in(f, step) || !read_kinds(f, json_object_get(step, "faults"), which, &count)) return false;
    for (uint32_t turns = 0;; turns++) {
        if (!draw_pace(f, step, "every", "100ms..2s", &gap)) return false;
        if (!draw_pace(f, step, "length", "50ms..3s", &lasts)) return false;
        t += gap;
        if (t >= length) break;
        if (turns == TURNS_MAX) return wrong_because(f->r, "every", "at most 20000 faults in all", "more");
        f->begin_us = t;
        f->end_us = t + lasts < length ? t + lasts : length;
        fault(f, (enum fault_kind)which[prng_below(f->prng, count)]);
    }
    if (f->out->count > 0) qsort(f->out->all, f->out->count, sizeof *f->out->all, compare_steps);
    return true;
}

/* Only what is known of any step; the rest is looked at here. */
static bool check_keys(const struct reading *r, const json_t *step) {
    const char *key;
    json_t *v;
    enum value_kind kind;
    json_object_foreach((json_t *)(uintptr_t)step, key, v) {
        if (!step_key_find(STEP_FAULTS, key, &kind)) return wrong_key(r, STEP_FAULTS, key);
    }
    if (json_object_get(step, "at") != NULL && json_object_get(step, "after") != NULL) return wrong_because(r, "after", "either at or after", "both");
    uint64_t unused;
    v = json_object_get(step, "note");
    if (v != NULL && !json_is_string(v)) return wrong(r, "note", "a text", v);
    return want_time(r, "at", json_object_get(step, "at"), 0, SCENARIO_TIME_MAX, &unused) &&
           want_time(r, "after", json_object_get(step, "after"), 0, SCENARIO_TIME_MAX, &unused);
}

bool draw_faults(struct reading *r, struct prng *prng, const struct drawn_nodes *nodes, const json_t *step, struct drawn_steps *ret) {
    struct drawn_steps out = {0};
    struct faulting *f = xcalloc(1, sizeof *f);
    *f = (struct faulting){.r = r, .prng = prng, .nodes = nodes, .out = &out};
    bool ok = check_keys(r, step) && draw_all(f, step);
    free(f);
    if (ok)
        *ret = out;
    else
        drawn_steps_finish(&out);
    return ok;
}

void drawn_steps_finish(struct drawn_steps *d) {
    for (size_t i = 0; i < d->count; i++) json_decref(d->all[i].step);
    free(d->all);
    *d = (struct drawn_steps){0};
}
