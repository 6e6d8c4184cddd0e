/* cut, clog, heal, slow: what happens to the links; skew: to clocks. */
#include "../schemas/units.h"
#include "../topology/sides.h"
#include "faults.h"
#include "process.h"
#include "start.h"

#include <string.h>

/* Tells every node what is marked for it; who cannot be told now is told by start or resume. */
static int carry_out(struct run *r, struct faults *f) {
    struct buf why = {0};
    json_t *told = json_array(), *later = json_array();
    int code = 0;
    if (!faults_save(&r->local, f, &why)) code = fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    for (uint32_t i = 0; i < f->nodes_count && code == 0; i++) {
        struct process p = process_of(&r->local, i);
        const char *name = node_name(&r->local, i);
        buf_clear(&why);
        if (!faults_marked(f, i)) continue;
        if (p.pid == 0 || p.paused) {
            say(r, "%s %s: it is told when it is %s.", name, p.pid == 0 ? "is not running" : "is paused", p.pid == 0 ? "started" : "resumed");
            json_array_append_new(later, json_string(name));
        } else if (faults_tell(&r->local, f, i, &why)) {
            json_array_append_new(told, json_string(name));
        } else {
            code = fail(r, EXIT_FAILED, "%s: %.*s", name, (int)why.n, (const char *)why.p);
        }
    }
    buf_finish(&why);
    json_object_set_new(r->json, "told", told);
    json_object_set_new(r->json, "told_later", later);
    return code;
}

static void name_side(const struct run *r, const bool side[static NODES_MAX], struct buf *out) {
    const struct cluster *c = r->local.cluster;
    bool first = true;
    for (uint32_t d = 0; d < c->dcs_count; d++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < c->nodes_count; i++) count += side[i] && cluster_member_of(c, i, d);
        bool whole = count == c->dcs[d].nodes_count;
        for (uint32_t i = 0; i < c->nodes_count && count > 0; i++) {
            if (!side[i] || !cluster_member_of(c, i, d) || (whole && i != cluster_first(c, d))) continue;
            buf_printf(out, "%s%s", first ? "" : ", ", whole ? c->dcs[d].name : c->nodes[i].name);
            first = false;
        }
    }
}

static void say_sides(struct run *r, const struct sides *s, const char *what) {
    struct buf a = {0}, b = {0};
    name_side(r, s->a, &a);
    name_side(r, s->b, &b);
    say(r, "%.*s %s %.*s: %s.", (int)a.n, (const char *)a.p, s->one_way ? "->" : "<->", (int)b.n, (const char *)b.p, what);
    json_object_set_new(r->json, "a", json_stringn((const char *)a.p, a.n));
    json_object_set_new(r->json, "b", json_stringn((const char *)b.p, b.n));
    json_object_set_new(r->json, "one_way", json_boolean(s->one_way));
    buf_finish(&a);
    buf_finish(&b);
}

enum order { ORDER_CUT, ORDER_CLOG, ORDER_HEAL, ORDER_SLOW };

static int order_sides(struct run *r, struct faults *f, enum order order, const struct link_fault *how) {
    struct sides sides;
    struct buf text = {0};
    if (!sides_parse(r->local.cluster, r->args.words, r->args.words_count, &sides, &text)) {
        fail(r, EXIT_USAGE, "%s: %.*s", r->args.verb, (int)text.n, (const char *)text.p);
        buf_finish(&text);
        return EXIT_USAGE;
    }
    if (order == ORDER_CUT) faults_cut(f, &sides);
    if (order == ORDER_CLOG) faults_clog(f, &sides);
    if (order == ORDER_HEAL) faults_heal(f, &sides);
    if (order == ORDER_SLOW) faults_slow(f, &sides, how);
    int code = carry_out(r, f);
    if (order == ORDER_SLOW) link_fault_describe(how, &text);
    buf_u8(&text, 0);
    static const char *const done[] = {[ORDER_CUT] = "cut", [ORDER_CLOG] = "clogged", [ORDER_HEAL] = "healed", [ORDER_SLOW] = "no longer slow"};
    if (code == 0) say_sides(r, &sides, text.n > 1 ? (const char *)text.p : done[order]);
    buf_finish(&text);
    return code;
}

static int ordered(struct run *r, enum order order, const struct link_fault *how) {
    struct faults faults = {0};
    struct buf why = {0};
    int code = run_open(r, true);
    if (code == 0 && !faults_load(&r->local, &faults, &why)) code = fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    bool everywhere = r->args.words_count == 0 || (r->args.words_count == 1 && strcmp(r->args.words[0], "*") == 0);
    if (code == 0 && order == ORDER_HEAL && everywhere) {
        faults_heal_all(&faults);
        code = carry_out(r, &faults);
        if (code == 0) say(r, "All links are healed.");
    } else if (code == 0) {
        code = order_sides(r, &faults, order, how);
    }
    faults_finish(&faults);
    return code;
}

int verb_cut(struct run *r) { return ordered(r, ORDER_CUT, NULL); }
int verb_clog(struct run *r) { return ordered(r, ORDER_CLOG, NULL); }
int verb_heal(struct run *r) { return ordered(r, ORDER_HEAL, NULL); }

int verb_slow(struct run *r) {
    const struct args *a = &r->args;
    struct link_fault how = {0};
    if (!a->latency && !a->jitter && !a->loss && !a->rate) return fail(r, EXIT_USAGE, "slow how? Give --latency, --jitter, --loss or --rate");
    if (a->latency && !parse_duration(a->latency, &how.latency_ms))
        return fail(r, EXIT_USAGE, "--latency: expected a time such as 80ms, got %s", a->latency);
    if (a->jitter && !parse_duration(a->jitter, &how.jitter_ms))
        return fail(r, EXIT_USAGE, "--jitter: expected a time such as 5ms, got %s", a->jitter);
    if (a->loss && !parse_percent(a->loss, &how.loss_permille)) return fail(r, EXIT_USAGE, "--loss: expected a share such as 1%%, got %s", a->loss);
    if (a->rate && !parse_rate(a->rate, &how.rate_bytes_per_s))
        return fail(r, EXIT_USAGE, "--rate: expected a rate such as 1mbit or 100kb, got %s", a->rate);
    return ordered(r, ORDER_SLOW, &how);
}

/* ---- clocks ---- */
static int clock_of_args(struct run *r, struct clock_fault *ret) {
    const struct args *a = &r->args;
    int64_t by_us = 0;
    if (!a->by && !a->drift && !a->frozen) return fail(r, EXIT_USAGE, "skew how? Give --by, --drift or --frozen; --by 0 sets a clock right");
    if (a->by && !parse_offset(a->by, 100 * YEAR_US, &by_us)) return fail(r, EXIT_USAGE, "--by: expected a time such as 1h or -200ms, got %s", a->by);
    if (a->drift && !parse_drift(a->drift, 1000000, &ret->drift_ppm))
        return fail(r, EXIT_USAGE, "--drift: expected a drift such as 200ppm, got %s", a->drift);
    ret->offset_ms = by_us / 1000;
    ret->frozen = a->frozen != NULL;
    return 0;
}

int verb_skew(struct run *r) {
    struct faults faults = {0};
    struct clock_fault how = {0};
    struct buf why = {0}, order = {0};
    bool chosen[NODES_MAX] = {0};
    int code = clock_of_args(r, &how);
    if (code == 0) code = run_open(r, true);
    if (code == 0) code = chosen_nodes(r, true, chosen);
    if (code == 0 && !faults_load(&r->local, &faults, &why)) code = fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    for (uint32_t i = 0; code == 0 && i < faults.nodes_count; i++)
        if (chosen[i]) faults_skew(&faults, i, &how);
    if (code == 0) code = carry_out(r, &faults);
    buf_printf(&order, "its clock is %lld ms off, drifts by %d ppm%s.", (long long)how.offset_ms, (int)how.drift_ppm,
               how.frozen ? ", and stands" : "");
    buf_u8(&order, 0);
    for (uint32_t i = 0; code == 0 && i < faults.nodes_count; i++)
        if (chosen[i]) say(r, "%s: %s", node_name(&r->local, i), clock_fault_none(&how) ? "its clock is right." : (const char *)order.p);
    buf_finish(&order);
    buf_finish(&why);
    faults_finish(&faults);
    return code;
}
