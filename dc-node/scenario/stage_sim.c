#include "stage_sim_state.h"

#include "../../conflict/handler.h"
#include "../core/session.h"
#include "../sim/handlers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_STEP_US 100000u
#define SETTLE_CALM    3u /* looks in a row at which nothing is under way */

/* ---- failures ---- */

static bool failed(const struct sim_stage *s) { return s->base.failure[0] != 0; }

static void note_failure(struct sim_stage *s) {
    const struct history *h = s->onlooker.history;
    if (h && history_failed(h) && !failed(s)) memcpy(s->base.failure, h->failure, sizeof s->base.failure);
}

/* ---- time ---- */

static uint64_t now_us(struct stage *st) { return world_now_us(sim_stage_of(st)->world); }

static void tell_lost(struct sim_stage *s) {
    while (s->lost) {
        struct sim_request *r = s->lost;
        s->lost = r->next;
        r->done(r->arg, &r->reply);
        free(r);
    }
}

static void stop(struct stage *st) {
    struct sim_stage *s = sim_stage_of(st);
    s->stop = true;
    world_stop(s->world);
}

static void tell_lost_now(struct world *w, void *arg, uint64_t number) { tell_lost(arg); }

static bool run_world(struct sim_stage *s, uint64_t until_us) {
    s->running = true;
    tell_lost(s);
    world_run(s->world, until_us);
    s->running = false;
    note_failure(s);
    if (s->stop && !failed(s)) world_go_on(s->world);
    return !failed(s);
}

static bool run(struct stage *st, uint64_t until_us) {
    struct sim_stage *s = sim_stage_of(st);
    bool good = run_world(s, until_us);
    s->stop = false;
    return good;
}

static void called(struct world *w, void *arg, uint64_t slot) {
    struct sim_stage *s = arg;
    struct sim_call c = s->calls[slot];
    s->calls[slot].next = s->calls_free;
    s->calls_free = (uint32_t)slot + 1;
    c.call(c.arg, c.number);
}

static void at(struct stage *st, uint64_t at_us, void (*call)(void *arg, uint64_t number), void *arg, uint64_t number) {
    struct sim_stage *s = sim_stage_of(st);
    if (s->calls_free == 0) {
        if (s->calls_count == s->calls_cap) {
            s->calls_cap = s->calls_cap ? s->calls_cap * 2 : 64;
            s->calls = xrealloc(s->calls, s->calls_cap * sizeof *s->calls);
        }
        s->calls[s->calls_count].next = 0;
        s->calls_free = ++s->calls_count;
    }
    uint32_t slot = s->calls_free - 1;
    s->calls_free = s->calls[slot].next;
    s->calls[slot] = (struct sim_call){call, arg, number, 0};
    world_at(s->world, at_us, called, s, slot);
}

/* ---- clients ---- */

static void unlink_request(struct sim_request *r) {
    *r->link = r->next;
    if (r->next) r->next->link = r->link;
}

static void answered(void *arg, const struct reply_info *info) {
    struct sim_request *r = arg;
    struct sim_stage *s = r->stage;
    struct stage_reply reply = {info->node, info->client, info->invoked_us, info->returned_us, info->reply};
    unlink_request(r);
    if (s->running && !s->acting) {
        r->done(r->arg, &reply);
        free(r);
        return;
    }
    assert(reply.resp.n == 0);
    r->reply = reply;
    r->next = NULL;
    struct sim_request **end = &s->lost;
    while (*end) end = &(*end)->next;
    if (s->running && !s->lost) world_at(s->world, world_now_us(s->world), tell_lost_now, s, 0);
    *end = r;
}

static uint32_t client(struct stage *st, uint32_t node) { return world_client(sim_stage_of(st)->world, node); }

static void request(struct stage *st, uint32_t client_id, const struct slice *argv, uint32_t argc, stage_done *done, void *arg) {
    struct sim_stage *s = sim_stage_of(st);
    struct sim_request *r = xmalloc(sizeof *r);
    *r = (struct sim_request){.next = s->requests, .link = &s->requests, .stage = s, .done = done, .arg = arg};
    if (r->next) r->next->link = &r->next;
    s->requests = r;
    struct request_watcher watcher = {.done = answered, .arg = r};
    world_request(s->world, client_id, argv, argc, &watcher);
}

static void hang_up(struct stage *st, uint32_t client_id) {
    struct sim_stage *s = sim_stage_of(st);
    s->acting = true;
    world_hang_up(s->world, client_id);
    s->acting = false;
}

/* ---- what is done to the world ---- */

static const struct link_options *link_of(const struct sim_stage *s, uint32_t from, uint32_t to) {
    return &s->base.scenario->links[from * s->nodes_count + to];
}

static void heal(struct sim_stage *s, uint32_t from, uint32_t to) {
    world_heal(s->world, from, to);
    world_slow(s->world, from, to, link_of(s, from, to));
    sim_record_link(s, from, to, "healed");
}

static void slow(struct sim_stage *s, uint32_t from, uint32_t to, const struct link_options *o) {
    static const struct link_options nothing;
    bool back = memcmp(o, &nothing, sizeof nothing) == 0;
    world_slow(s->world, from, to, back ? link_of(s, from, to) : o);
    sim_record_link(s, from, to, back ? "as in the beginning" : "slow");
}

static void kill(struct sim_stage *s, uint32_t node, bool power) {
    s->stopped_by = power ? "power cut" : "killed";
    world_kill(s->world, node, power ? CRASH_MACHINE : CRASH_PROCESS);
    s->stopped_by = NULL;
}

static void skew(struct sim_stage *s, const struct act *a) {
    char text[80];
    world_skew(s->world, a->node, a->skew_ms, a->drift_ppm, a->frozen);
    snprintf(text, sizeof text, "clock %+lld ms, drift %d ppm%s", (long long)a->skew_ms, a->drift_ppm, a->frozen ? ", standing still" : "");
    sim_record_node(s, a->node, text);
}

static void set_disk(struct sim_stage *s, const struct act *a) {
    static const char *const words[] = {"disk in order", "disk full", "disk slow", "disk failing"};
    world_disk(s->world, a->node, a->disk, a->disk_us);
    sim_record_node(s, a->node, words[a->disk]);
}

static bool replace_disk(struct sim_stage *s, const struct act *a, struct buf *why) {
    const char *name = s->base.scenario->cluster->nodes[a->node].name;
    bool wipes = a->kind == STEP_WIPE;
    if (world_alive(s->world, a->node)) {
        buf_printf(why, "%s runs: its disk cannot be %s", name, wipes ? "wiped" : "restored");
        return false;
    }
    if (!wipes && !world_restore(s->world, a->node, a->name)) {
        buf_printf(why, "%s has no backup named %s", name, a->name);
        return false;
    }
    if (wipes) world_wipe(s->world, a->node);
    sim_record_node(s, a->node, wipes ? "wiped" : "restored");
    return true;
}

static bool do_act(struct sim_stage *s, const struct act *a, struct buf *why) {
    struct world *w = s->world;
    switch (a->kind) {
    case STEP_CUT:
        world_cut(w, a->from, a->to);
        sim_record_link(s, a->from, a->to, "cut");
        return true;
    case STEP_CLOG:
        world_clog(w, a->from, a->to);
        sim_record_link(s, a->from, a->to, "clogged");
        return true;
    case STEP_HEAL: heal(s, a->from, a->to); return true;
    case STEP_SLOW: slow(s, a->from, a->to, &a->link); return true;
    case STEP_DISCONNECT: world_disconnect(w, a->from, a->to); return true;
    case STEP_KILL: kill(s, a->node, a->power); return true;
    case STEP_START:
        if (!world_start(w, a->node)) sim_record_node(s, a->node, "does not start");
        return true;
    case STEP_PAUSE:
        world_pause(w, a->node);
        sim_record_node(s, a->node, "paused");
        return true;
    case STEP_RESUME:
        world_resume(w, a->node);
        sim_record_node(s, a->node, "resumed");
        return true;
    case STEP_WIPE:
    case STEP_RESTORE: return replace_disk(s, a, why);
    case STEP_BACKUP:
        world_backup(w, a->node, a->name);
        sim_record_node(s, a->node, "backed up");
        return true;
    case STEP_SKEW: skew(s, a); return true;
    case STEP_DISK: set_disk(s, a); return true;
    default: buf_text(why, "this is nothing that is done to nodes or links"); return false;
    }
}

static bool act(struct stage *st, const struct act *a, struct buf *why) {
    struct sim_stage *s = sim_stage_of(st);
    s->acting = true;
    bool good = do_act(s, a, why);
    s->acting = false;
    note_failure(s);
    return good;
}

/* ---- looks ---- */

/* How many of its events there are: of a run that has ended, those that some node still holds. */
static uint64_t events_there(const struct sim_stage *s, origin_ref o) {
    const struct sim_source *src = &s->sources[o];
    if (world_alive(s->world, src->node) && world_run_of(s->world, src->node) == src->run) return src->n;
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->nodes_count; i++) {
        uint64_t have = vv_get(&s->nodes[i].have, o);
        if (have > most) most = have;
    }
    return most;
}

static void look_back(const struct sim_stage *s, uint32_t node, struct stage_view *ret) {
    for (origin_ref o = 0; o < s->sources_count; o++) {
        uint64_t have = vv_get(&s->nodes[node].have, o), there = s->sources[o].n > have ? events_there(s, o) : 0;
        if (there <= have) continue;
        uint32_t dc = s->sources[o].dc;
        uint64_t age = world_now_us(s->world) - s->sources[o].at_us[have];
        ret->backlog[dc] += there - have;
        if (age > ret->lag_us[dc]) ret->lag_us[dc] = age;
    }
}

static enum stage_role role_of(struct sim_stage *s, uint32_t node) {
    struct engine *e = world_engine(s->world, node);
    if (!e) return ROLE_DOWN;
    if (world_paused(s->world, node)) return ROLE_PAUSED;
    if (engine_returning(e)) return ROLE_RETURNING;
    struct engine_figures f;
    engine_get_figures(e, &f);
    return f.is_leader ? ROLE_LEADER : ROLE_FOLLOWER;
}

static void look(struct stage *st, uint32_t node, struct stage_view *ret) {
    struct sim_stage *s = sim_stage_of(st);
    struct engine *e = world_engine(s->world, node);
    *ret = (struct stage_view){.role = role_of(s, node)};
    look_back(s, node, ret);
    if (!e) return;
    struct engine_figures f;
    engine_get_figures(e, &f);
    ret->term = engine_term(e);
    ret->vv_hash = vv_hash(engine_vv(e), engine_origins(e));
    ret->digest = engine_digest(e);
    ret->conflicts_open = f.open_conflicts;
    for (origin_ref o = 0; o < engine_vv(e)->len; o++) ret->events += engine_vv(e)->n[o];
}

void sim_record_role(struct sim_stage *s, uint32_t node) {
    if (!s->base.record) return;
    enum stage_role role = role_of(s, node);
    if (role == s->nodes[node].role) return;
    s->nodes[node].role = role;
    uint32_t dc = s->base.scenario->cluster->nodes[node].dc;
    struct moment m = {.at_us = world_now_us(s->world), .kind = MOMENT_ROLE, .dc = (int32_t)dc, .node = (int32_t)node, .peer = -1};
    m.text = stage_role_name(role);
    record_add(s->base.record, m);
}

/* ---- rest ---- */

static bool runs(struct sim_stage *s, uint32_t node) { return world_alive(s->world, node) && !world_paused(s->world, node); }

static bool running_agree(struct sim_stage *s) {
    uint64_t first = 0;
    bool any = false;
    for (uint32_t i = 0; i < s->nodes_count; i++) {
        if (!runs(s, i)) continue;
        struct engine *e = world_engine(s->world, i);
        uint64_t hash = vv_hash(engine_vv(e), engine_origins(e));
        if (any && hash != first) return false;
        first = hash;
        any = true;
    }
    return true;
}

static bool only_looks(const struct sim_stage *s) {
    uint32_t n = 0;
    for (const struct sim_request *r = s->requests; r && n <= s->base.looks; r = r->next) n++;
    return n <= s->base.looks && !s->lost;
}

static bool is_calm(struct sim_stage *s) {
    for (uint32_t i = 0; i < s->nodes_count; i++)
        if (runs(s, i) && engine_returning(world_engine(s->world, i))) return false;
    return only_looks(s) && running_agree(s);
}

static bool settle(struct stage *st, uint64_t max_us) {
    struct sim_stage *s = sim_stage_of(st);
    uint64_t end = world_now_us(s->world) + max_us;
    unsigned calm = 0;
    while (calm < SETTLE_CALM && !s->stop && world_now_us(s->world) < end) {
        uint64_t next = world_now_us(s->world) + SETTLE_STEP_US;
        if (!run_world(s, next < end ? next : end)) break;
        calm = is_calm(s) ? calm + 1 : 0;
    }
    s->stop = false;
    return calm == SETTLE_CALM;
}

static bool is_known(const struct sim_stage *s, const char *name) {
    for (uint32_t i = 0; i < s->options.known_count; i++)
        if (strcmp(s->options.known[i].name, name) == 0) return s->options.known[i].usable;
    return sim_handlers_have(name) || handler_builtin(name);
}

static bool all_have_handlers(const struct sim_stage *s) {
    const struct cluster *c = s->base.scenario->cluster;
    for (uint32_t t = 0; t < c->tables_count; t++)
        for (uint32_t i = 0; i < c->tables[t].chain.count; i++)
            if (!is_known(s, c->tables[t].chain.names[i])) return false;
    return true;
}

static void check(struct stage *st) {
    struct sim_stage *s = sim_stage_of(st);
    if (!s->onlooker.history || failed(s) || !running_agree(s)) return;
    for (uint32_t i = 0; i < s->nodes_count; i++)
        if (!runs(s, i)) return;
    check_converged(s->onlooker.history);
    onlooker_check_rest(&s->onlooker, all_have_handlers(s));
    note_failure(s);
}

/* ---- what the world tells ---- */

origin_ref sim_stage_ref(struct sim_stage *s, uint32_t node, const struct origins *t, origin_ref engine_ref) {
    struct sim_node *n = &s->nodes[node];
    if (engine_ref >= n->refs_count) {
        n->refs = xrealloc(n->refs, (engine_ref + 1) * sizeof *n->refs);
        while (n->refs_count <= engine_ref) n->refs[n->refs_count++] = ORIGIN_NONE;
    }
    if (n->refs[engine_ref] == ORIGIN_NONE) n->refs[engine_ref] = origins_intern(s->origins, origins_get(t, engine_ref));
    return n->refs[engine_ref];
}

static struct sim_source *source_of(struct sim_stage *s, origin_ref o) {
    if (o >= s->sources_count) {
        s->sources = xrealloc(s->sources, (o + 1) * sizeof *s->sources);
        memset(s->sources + s->sources_count, 0, (o + 1 - s->sources_count) * sizeof *s->sources);
        s->sources_count = o + 1;
    }
    return &s->sources[o];
}

static void note_made(struct sim_stage *s, uint32_t node, struct dot d) {
    struct sim_source *src = source_of(s, d.origin);
    if (src->n == 0) {
        src->node = node;
        src->dc = s->base.scenario->cluster->nodes[node].dc;
        src->run = world_run_of(s->world, node);
    }
    if (src->n == src->cap) {
        src->cap = src->cap ? src->cap * 2 : 64;
        src->at_us = xrealloc(src->at_us, src->cap * sizeof *src->at_us);
    }
    src->at_us[src->n++] = world_now_us(s->world);
}

static void on_started(void *arg, uint32_t node) {
    struct sim_stage *s = arg;
    struct engine *e = world_engine(s->world, node);
    const struct vv *vv = engine_vv(e);
    s->nodes[node].refs_count = 0;
    vv_clear(&s->nodes[node].have);
    for (origin_ref o = 0; o < vv->len; o++)
        if (vv->n[o] > 0) vv_set(&s->nodes[node].have, sim_stage_ref(s, node, engine_origins(e), o), vv->n[o]);
    if (s->onlooker.history) onlooker_started(&s->onlooker, node);
    sim_record_node(s, node, "started");
    sim_record_role(s, node);
}

static void on_stopped(void *arg, uint32_t node, enum crash kind) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_stopped(&s->onlooker, node, kind);
    sim_record_node(s, node, s->stopped_by ? s->stopped_by : "stopped");
    sim_record_role(s, node);
}

static void on_stepping(void *arg, uint32_t node) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_stepping(&s->onlooker, node);
}

static void on_applied(void *arg, uint32_t node, const struct event *e, bool own) {
    struct sim_stage *s = arg;
    struct dot d = {sim_stage_ref(s, node, engine_origins(world_engine(s->world, node)), e->dot.origin), e->dot.n};
    if (s->onlooker.history) onlooker_applied(&s->onlooker, node, e, own);
    if (own) note_made(s, node, d);
    vv_set(&s->nodes[node].have, d.origin, d.n);
    if (s->base.record) sim_record_event(s, node, e, own, d);
}

static void on_stepped(void *arg, uint32_t node) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_stepped(&s->onlooker, node);
    sim_record_role(s, node);
}

static void on_committed(void *arg, uint32_t node, enum world_commit how) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_committed(&s->onlooker, node, how);
}

static void on_broken(void *arg, uint32_t node, const char *why) {
    struct sim_stage *s = arg;
    if (!failed(s)) snprintf(s->base.failure, sizeof s->base.failure, "fatal: %s: %s", s->base.scenario->cluster->nodes[node].name, why);
    world_stop(s->world);
}

static void on_backed_up(void *arg, uint32_t node, uint32_t backup) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_backed_up(&s->onlooker, node, backup);
}

static void on_replaced(void *arg, uint32_t node, uint32_t backup) {
    struct sim_stage *s = arg;
    vv_clear(&s->nodes[node].have); /* what a backup holds is known when it starts */
    if (s->onlooker.history) onlooker_replaced(&s->onlooker, node, backup);
}

static void on_persisted(void *arg, uint32_t node, const struct commit *c) {
    struct sim_stage *s = arg;
    if (s->onlooker.history) onlooker_persisted(&s->onlooker, node, c);
    if (s->base.record && c->losses_count > 0) sim_record_commit(s, node, c);
}

static struct moment moment_between(struct sim_stage *s, enum moment_kind kind, uint32_t node, uint32_t peer, uint64_t number) {
    uint32_t dc = s->base.scenario->cluster->nodes[node].dc;
    return (struct moment){world_now_us(s->world), kind, (int32_t)dc, (int32_t)node, (int32_t)peer, 0, number, NULL};
}

static void on_linked(void *arg, uint32_t node, uint32_t peer, bool up) {
    struct sim_stage *s = arg;
    if (!s->base.record) return;
    struct moment m = moment_between(s, MOMENT_CONNECTION, node, peer, up);
    m.text = up ? "up" : "down";
    record_add(s->base.record, m);
}

static void on_sends(void *arg, uint32_t node, uint32_t peer, struct slice frame) {
    struct sim_stage *s = arg;
    record_add(s->base.record, moment_between(s, MOMENT_SENT, node, peer, frame.n));
}

/* ---- life ---- */

static void destroy(struct stage *st) {
    struct sim_stage *s = sim_stage_of(st);
    world_destroy(s->world);
    history_destroy(s->onlooker.history);
    while (s->requests) {
        struct sim_request *r = s->requests;
        unlink_request(r);
        free(r);
    }
    while (s->lost) {
        struct sim_request *r = s->lost;
        s->lost = r->next;
        free(r);
    }
    for (uint32_t o = 0; o < s->sources_count; o++) free(s->sources[o].at_us);
    for (uint32_t i = 0; i < s->nodes_count; i++) {
        vv_finish(&s->nodes[i].have);
        free(s->nodes[i].refs);
    }
    sim_record_finish(s);
    origins_destroy(s->origins);
    free(s->sources);
    free(s->nodes);
    free(s->calls);
    free(s);
}

static const struct stage_ops ops = {"simulated", now_us, run, stop, at, client, request, hang_up, act, look, settle, check, destroy};

static struct world_options world_options_of(const struct sim_stage *s) {
    struct world_options w = world_calm(s->base.scenario->cluster, s->options.seed);
    w.planted_bug = s->options.planted_bug;
    w.client_us_max = s->base.scenario->client_us_max;
    w.handlers = true;
    w.known = s->options.known;
    w.known_count = s->options.known_count;
    w.ask_handler = s->options.handler;
    w.ask_arg = s->options.handler_arg;
    return w;
}

struct stage *stage_sim_create(const struct scenario *sc, const struct stage_sim_options *o, struct record *record) {
    struct sim_stage *s = xcalloc(1, sizeof *s);
    s->base = (struct stage){.ops = &ops, .scenario = sc, .record = record};
    s->options = *o;
    s->nodes_count = sc->cluster->nodes_count;
    s->nodes = xcalloc(s->nodes_count, sizeof *s->nodes);
    s->origins = origins_create();
    struct world_options w = world_options_of(s);
    struct world_watcher watcher = {
        .arg = s,
        .started = on_started,
        .stopped = on_stopped,
        .stepping = on_stepping,
        .applied = on_applied,
        .stepped = on_stepped,
        .committed = on_committed,
        .broken = on_broken,
        .backed_up = on_backed_up,
        .replaced = on_replaced,
        .persisted = on_persisted,
        .linked = on_linked,
        .sends = record && record->frames ? on_sends : NULL,
    };
    s->world = world_create(&w, &watcher);
    s->onlooker.world = s->world;
    if (o->checkers) s->onlooker.history = history_create(s->nodes_count, sc->cluster->clock_bound_ms, sc->cluster);
    world_trace_to(s->world, o->inputs);
    for (uint32_t from = 0; from < s->nodes_count; from++)
        for (uint32_t to = 0; to < s->nodes_count; to++)
            if (from != to) world_slow(s->world, from, to, link_of(s, from, to));
    return &s->base;
}

uint64_t stage_sim_trace_hash(const struct stage *s) { return world_trace_hash(((const struct sim_stage *)s)->world); }
struct world_counts stage_sim_counts(const struct stage *s) {
    return world_counts(((const struct sim_stage *)s)->world);
}
