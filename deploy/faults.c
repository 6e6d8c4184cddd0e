#include "faults.h"
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct link_fault *link_of(const struct faults *f, uint32_t from, uint32_t to) { return &f->links[from * f->nodes_count + to]; }
static bool *changed_of(const struct faults *f, uint32_t node, uint32_t peer) { return &f->changed[node * f->nodes_count + peer]; }

void faults_finish(struct faults *f) {
    free(f->links);
    free(f->changed);
    free(f->clocks);
    free(f->clocks_changed);
    *f = (struct faults){0};
}

bool link_fault_none(const struct link_fault *f) {
    return !f->cut && !f->clogged && !f->latency_ms && !f->jitter_ms && !f->loss_permille && !f->rate_bytes_per_s;
}

bool clock_fault_none(const struct clock_fault *c) { return !c->offset_ms && !c->drift_ppm && !c->frozen; }

bool faults_between(const struct faults *f, uint32_t a, uint32_t b) {
    return !link_fault_none(link_of(f, a, b)) || !link_fault_none(link_of(f, b, a));
}

const struct link_fault *faults_of(const struct faults *f, uint32_t from, uint32_t to) { return link_of(f, from, to); }

/* ---- the file ---- */
static bool load_number(const json_t *object, const char *key, uint64_t most, uint64_t *ret) {
    const json_t *v = json_object_get(object, key);
    if (v == NULL) return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > most) return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool load_link(const struct local *l, const json_t *object, struct faults *f) {
    const char *from = json_string_value(json_object_get(object, "from")), *to = json_string_value(json_object_get(object, "to"));
    int a = from ? cluster_find(l->cluster, slice_text(from)) : -1, b = to ? cluster_find(l->cluster, slice_text(to)) : -1;
    uint64_t latency = 0, jitter = 0, loss = 0, rate = 0;
    if (a < 0 || b < 0 || a == b || !load_number(object, "latency_ms", UINT32_MAX, &latency) ||
        !load_number(object, "jitter_ms", UINT32_MAX, &jitter) || !load_number(object, "loss_permille", 1000, &loss) ||
        !load_number(object, "rate_bytes_per_s", INT64_MAX, &rate))
        return false;
    *link_of(f, (uint32_t)a, (uint32_t)b) = (struct link_fault){json_is_true(json_object_get(object, "cut")),
                                                                json_is_true(json_object_get(object, "clogged")),
                                                                (uint32_t)latency,
                                                                (uint32_t)jitter,
                                                                (uint32_t)loss,
                                                                rate};
    return true;
}

static bool load_clock(const struct local *l, const json_t *object, struct faults *f) {
    const char *name = json_string_value(json_object_get(object, "node"));
    int node = name ? cluster_find(l->cluster, slice_text(name)) : -1;
    json_int_t drift = json_integer_value(json_object_get(object, "drift_ppm"));
    if (node < 0 || drift < INT32_MIN || drift > INT32_MAX) return false;
    f->clocks[node] = (struct clock_fault){json_integer_value(json_object_get(object, "offset_ms")), (int32_t)drift,
                                           json_is_true(json_object_get(object, "frozen"))};
    return true;
}

bool faults_load(const struct local *l, struct faults *ret, struct buf *why) {
    uint32_t n = l->cluster->nodes_count;
    *ret = (struct faults){.nodes_count = n,
                           .clocks = xcalloc(n, sizeof *ret->clocks),
                           .clocks_changed = xcalloc(n, sizeof *ret->clocks_changed),
                           .links = xcalloc((size_t)n * n, sizeof *ret->links),
                           .changed = xcalloc((size_t)n * n, sizeof *ret->changed)};
    char *path = local_path(l, "faults.json");
    json_error_t error;
    json_t *file = NULL;
    bool ok = access(path, F_OK) != 0;
    if (!ok) {
        file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
        if (file == NULL) buf_printf(why, "%s:%d:%d: %s", path, error.line, error.column, error.text);
        ok = file != NULL;
    }
    size_t i;
    json_t *object;
    json_array_foreach(json_object_get(file, "links"), i, object) {
        if (load_link(l, object, ret)) continue;
        buf_printf(why, "%s: links[%zu] does not fit this cluster", path, i);
        ok = false;
        break;
    }
    json_array_foreach(json_object_get(file, "clocks"), i, object) {
        if (!ok || load_clock(l, object, ret)) continue;
        buf_printf(why, "%s: clocks[%zu] does not fit this cluster", path, i);
        ok = false;
    }
    json_decref(file);
    free(path);
    if (!ok) faults_finish(ret);
    return ok;
}

static json_t *link_json(const struct local *l, const struct link_fault *f, uint32_t from, uint32_t to) {
    json_t *o = json_pack("{s:s, s:s}", "from", node_name(l, from), "to", node_name(l, to));
    if (f->cut) json_object_set_new(o, "cut", json_true());
    if (f->clogged) json_object_set_new(o, "clogged", json_true());
    if (f->latency_ms) json_object_set_new(o, "latency_ms", json_integer(f->latency_ms));
    if (f->jitter_ms) json_object_set_new(o, "jitter_ms", json_integer(f->jitter_ms));
    if (f->loss_permille) json_object_set_new(o, "loss_permille", json_integer(f->loss_permille));
    if (f->rate_bytes_per_s) json_object_set_new(o, "rate_bytes_per_s", json_integer((json_int_t)f->rate_bytes_per_s));
    return o;
}

json_t *faults_json(const struct local *l, const struct faults *f) {
    json_t *links = json_array();
    for (uint32_t from = 0; from < f->nodes_count; from++)
        for (uint32_t to = 0; to < f->nodes_count; to++)
            if (!link_fault_none(link_of(f, from, to))) json_array_append_new(links, link_json(l, link_of(f, from, to), from, to));
    return links;
}

static json_t *clocks_json(const struct local *l, const struct faults *f) {
    json_t *clocks = json_array();
    for (uint32_t i = 0; i < f->nodes_count; i++) {
        const struct clock_fault *c = &f->clocks[i];
        if (clock_fault_none(c)) continue;
        json_array_append_new(clocks, json_pack("{s:s, s:I, s:i, s:b}", "node", node_name(l, i), "offset_ms", (json_int_t)c->offset_ms, "drift_ppm",
                                                (int)c->drift_ppm, "frozen", c->frozen));
    }
    return clocks;
}

bool faults_save(const struct local *l, const struct faults *f, struct buf *why) {
    json_t *file = json_pack("{s:o, s:o}", "links", faults_json(l, f), "clocks", clocks_json(l, f));
    char *path = local_path(l, "faults.json"), *fresh = local_path(l, "faults.json.new");
    bool ok = json_dump_file(file, fresh, JSON_INDENT(1)) == 0 && rename(fresh, path) == 0;
    if (!ok) buf_printf(why, "%s could not be written", path);
    json_decref(file);
    free(path);
    free(fresh);
    return ok;
}

/* ---- orders ---- */
static void order(struct faults *f, uint32_t from, uint32_t to, struct link_fault fault) {
    struct link_fault *l = link_of(f, from, to);
    bool same = l->cut == fault.cut && l->clogged == fault.clogged && l->latency_ms == fault.latency_ms && l->jitter_ms == fault.jitter_ms &&
                l->loss_permille == fault.loss_permille && l->rate_bytes_per_s == fault.rate_bytes_per_s;
    *l = fault;
    /* Told again even if nothing new: a node may have missed the first order. */
    if (!same || !link_fault_none(&fault)) *changed_of(f, from, to) = *changed_of(f, to, from) = true;
}

static void each_link(struct faults *f, const struct sides *s, void (*change)(struct link_fault *l, const struct link_fault *how),
                      const struct link_fault *how) {
    for (uint32_t a = 0; a < f->nodes_count; a++) {
        for (uint32_t b = 0; b < f->nodes_count; b++) {
            if (!s->a[a] || !s->b[b]) continue;
            struct link_fault there = *link_of(f, a, b), back = *link_of(f, b, a);
            change(&there, how);
            order(f, a, b, there);
            if (s->one_way) continue;
            change(&back, how);
            order(f, b, a, back);
        }
    }
}

static void change_cut(struct link_fault *l, const struct link_fault *how) { l->cut = how->cut; }
static void change_clog(struct link_fault *l, const struct link_fault *how) { l->clogged = how->clogged; }
static void change_slow(struct link_fault *l, const struct link_fault *how) {
    bool cut = l->cut, clogged = l->clogged;
    *l = *how;
    l->cut = cut;
    l->clogged = clogged;
}
static void change_all(struct link_fault *l, const struct link_fault *how) { *l = *how; }

void faults_cut(struct faults *f, const struct sides *s) { each_link(f, s, change_cut, &(struct link_fault){.cut = true}); }
void faults_clog(struct faults *f, const struct sides *s) { each_link(f, s, change_clog, &(struct link_fault){.clogged = true}); }
void faults_slow(struct faults *f, const struct sides *s, const struct link_fault *how) { each_link(f, s, change_slow, how); }

static void mark(struct faults *f, uint32_t a, uint32_t b) { *changed_of(f, a, b) = *changed_of(f, b, a) = true; }

void faults_heal(struct faults *f, const struct sides *s) {
    each_link(f, s, change_all, &(struct link_fault){0});
    for (uint32_t a = 0; a < f->nodes_count; a++)
        for (uint32_t b = 0; b < f->nodes_count; b++)
            if (s->a[a] && s->b[b]) mark(f, a, b);
}

void faults_heal_all(struct faults *f) {
    memset(f->links, 0, (size_t)f->nodes_count * f->nodes_count * sizeof *f->links);
    for (uint32_t a = 0; a < f->nodes_count; a++)
        for (uint32_t b = 0; b < f->nodes_count; b++)
            if (a != b) mark(f, a, b);
}

void faults_skew(struct faults *f, uint32_t node, const struct clock_fault *how) {
    f->clocks[node] = *how;
    f->clocks_changed[node] = true;
}

/* Its clock is not: what started has it from the first moment. */
void faults_mark_node(struct faults *f, uint32_t node) {
    for (uint32_t peer = 0; peer < f->nodes_count; peer++)
        if (!link_fault_none(link_of(f, node, peer)) || !link_fault_none(link_of(f, peer, node))) *changed_of(f, node, peer) = true;
}

void faults_mark_all(struct faults *f, uint32_t node) {
    f->clocks_changed[node] = true;
    for (uint32_t peer = 0; peer < f->nodes_count; peer++)
        if (peer != node) *changed_of(f, node, peer) = true;
}

bool faults_marked(const struct faults *f, uint32_t node) {
    if (f->clocks_changed[node]) return true;
    for (uint32_t peer = 0; peer < f->nodes_count; peer++)
        if (*changed_of(f, node, peer)) return true;
    return false;
}

/* ---- telling the nodes ---- */
/* Appends the commands that bring one link of the node to what is ordered; returns how many. */
static int tell_link(redisContext *rc, const struct local *l, const struct faults *f, uint32_t node, uint32_t peer) {
    const struct link_fault *out = link_of(f, node, peer), *in = link_of(f, peer, node);
    const char *name = node_name(l, peer);
    if (link_fault_none(out) && !in->cut) {
        redisAppendCommand(rc, "TRUCE.FAULT HEAL %s", name);
        return 1;
    }
    /* First what drops, then what holds, so that nothing slips through between them. */
    redisAppendCommand(rc, "TRUCE.FAULT CUT %s %s", name, out->cut && in->cut ? "BOTH" : out->cut ? "OUT" : in->cut ? "IN" : "NONE");
    redisAppendCommand(rc, "TRUCE.FAULT SLOW %s LATENCY %d JITTER %d LOSS %d RATE %llu", name, (int)out->latency_ms, (int)out->jitter_ms,
                       (int)out->loss_permille, (unsigned long long)out->rate_bytes_per_s);
    if (out->clogged)
        redisAppendCommand(rc, "TRUCE.FAULT CLOG %s", name);
    else
        redisAppendCommand(rc, "TRUCE.FAULT CLOG %s OFF", name);
    return 3;
}

void clock_fault_order(const struct clock_fault *c, struct buf *out) {
    buf_printf(out, "CLOCK OFFSET %lld DRIFT %d%s", (long long)c->offset_ms, (int)c->drift_ppm, c->frozen ? " FREEZE" : "");
}

static int tell_clock(redisContext *rc, const struct clock_fault *c) {
    struct buf order = {0};
    clock_fault_order(c, &order);
    buf_u8(&order, 0);
    char whole[160];
    snprintf(whole, sizeof whole, "TRUCE.FAULT %s", (const char *)order.p);
    redisAppendCommand(rc, whole);
    buf_finish(&order);
    return 1;
}

bool faults_tell(const struct local *l, const struct faults *f, uint32_t node, struct buf *why) {
    redisContext *rc = node_connect(l->cluster, node, ASK_TIMEOUT_MS, why);
    if (rc == NULL) return false;
    int sent = f->clocks_changed[node] ? tell_clock(rc, &f->clocks[node]) : 0;
    bool ok = true;
    for (uint32_t peer = 0; peer < f->nodes_count; peer++)
        if (*changed_of(f, node, peer)) sent += tell_link(rc, l, f, node, peer);
    for (int i = 0; ok && i < sent; i++) {
        redisReply *reply = NULL;
        ok = redisGetReply(rc, (void **)&reply) == REDIS_OK && reply->type != REDIS_REPLY_ERROR;
        if (!ok) buf_printf(why, "%s", reply ? reply->str : rc->errstr);
        freeReplyObject(reply);
    }
    redisFree(rc);
    return ok;
}

void link_fault_describe(const struct link_fault *f, struct buf *out) {
    if (f->cut) buf_printf(out, "cut");
    if (f->clogged) buf_printf(out, "%sclogged", out->n ? ", " : "");
    if (f->latency_ms || f->jitter_ms) buf_printf(out, "%s%u ms", out->n ? ", " : "", f->latency_ms);
    if (f->jitter_ms) buf_printf(out, " +- %u ms", f->jitter_ms);
    if (f->loss_permille) buf_printf(out, "%s%u.%u%% lost", out->n ? ", " : "", f->loss_permille / 10, f->loss_permille % 10);
    if (f->rate_bytes_per_s) buf_printf(out, "%s%llu bytes/s", out->n ? ", " : "", (unsigned long long)f->rate_bytes_per_s);
}
