#include "run.h"

#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct run {
    struct plan plan;
    struct history *history;
    struct world *world;
    struct workload *load;
    struct faults *faults;
    bool applied; /* in this step */
    FILE *trace;
};

uint32_t bug_by_name(const char *name) {
#define X(bug, number, doc)                                                                                                                          \
    if (strcasecmp(name, #bug) == 0) return number;
    PLANTED_BUGS(X)
#undef X
    return 0;
}

/* ---- what the checkers are told ---- */

static void stop_if_failed(struct run *r) {
    if (history_failed(r->history)) world_stop(r->world);
}

/* For whoever looks into a failure: every row that differs, as the engine has it and as the oracle has it. */
static void print_rows(struct run *r, uint32_t node, FILE *f) {
    struct history *h = r->history;
    struct engine *e = world_engine(r->world, node);
    uint64_t session = UINT64_MAX;
    struct now now = {.mono_us = UINT64_MAX / 4, /* the world ends here */ .wall_ms = world_wall_ms(r->world, node)};
    engine_step(e, &(struct input){.type = INPUT_OPEN, .now = now, .session = session, .address = "checker"});
    for (uint32_t key = 0; key < h->keys_count; key++) {
        struct slice argv[] = {slice_text("TRUCE.SIBLINGS"), h->keys[key].name};
        engine_step(e, &(struct input){.type = INPUT_REQUEST, .now = now, .session = session, .argv = argv, .argc = 2});
        const struct engine_updates *u = engine_updates(e);
        const struct h_row *row = history_row(h, node, key);
        fprintf(f, "%.*s:", (int)h->keys[key].name.n, (const char *)h->keys[key].name.p);
        for (uint32_t i = 0; i < row->n; i++)
            fprintf(f, " %s (%llu) %s", h_dot(h, row->v[i]->event->dot), (unsigned long long)row->v[i]->event->stamp,
                    row->v[i]->content.n ? "live" : "tombstone");
        fprintf(f, "\n  engine: ");
        for (size_t i = 0; i < u->answers_count; i++)
            for (size_t k = 0; k < u->answers[i].reply.n; k++)
                if (u->answers[i].session == session) fputc(u->answers[i].reply.p[k] < ' ' ? ' ' : u->answers[i].reply.p[k], f);
        fprintf(f, "\n");
    }
    fprintf(f, "%s\n", h->failure);
    exit(1); /* the engine was stepped out of time: nothing can go on from here */
}

static void check_node(struct run *r, uint32_t node) {
    struct engine *e = world_engine(r->world, node);
    check_state(r->history, node, engine_vv(e), engine_origins(e), engine_digest(e));
    if (r->trace && history_failed(r->history)) print_rows(r, node, r->trace);
    stop_if_failed(r);
}

static void on_started(void *arg, uint32_t node) {
    struct run *r = arg;
    struct engine *e = world_engine(r->world, node);
    history_started(r->history, node, engine_vv(e), engine_origins(e));
    check_recovered(r->history, node);
    check_node(r, node);
}

static void on_stopped(void *arg, uint32_t node, enum crash kind) {
    struct run *r = arg;
    check_crashed(r->history, node, kind == CRASH_MACHINE);
}

static void on_applied(void *arg, uint32_t node, const struct event *e, bool own) {
    struct run *r = arg;
    if (history_failed(r->history)) return;
    struct h_event *he = history_applies(r->history, node, e, own, engine_origins(world_engine(r->world, node)), world_wall_ms(r->world, node));
    if (!he) return;
    if (r->trace) fprintf(r->trace, "%27s %s\n", own ? "makes" : "applies", h_dot(r->history, he->dot));
    check_applies(r->history, node, he);
    if (own) {
        check_deps(r->history, he);
        check_stamp(r->history, he);
    }
    if (!history_failed(r->history)) history_apply(r->history, node, he);
    r->applied = true;
}

static void on_stepped(void *arg, uint32_t node) {
    struct run *r = arg;
    if (r->applied) check_node(r, node);
    r->applied = false;
}

static void on_clock(struct run *r, uint32_t node) { check_clock_shows(r->history, node, world_wall_ms(r->world, node), world_true_ms(r->world)); }

static void on_stepping(void *arg, uint32_t node) { on_clock(arg, node); }

static void on_committed(void *arg, uint32_t node, enum world_commit how) {
    static const enum durability durabilities[] = {
        [WORLD_COMMIT_SYNCED] = DURABLE_SYNCED, [WORLD_COMMIT_MADE] = DURABLE_MADE, [WORLD_COMMIT_DOUBTFUL] = DURABLE_MAYBE};
    struct run *r = arg;
    check_committed(r->history, node, durabilities[how]);
}

static void on_broken(void *arg, uint32_t node, const char *why) {
    struct run *r = arg;
    history_fail(r->history, "fatal", "node %u: %s", node, why);
    world_stop(r->world);
}

/* ---- a run ---- */

static void create(struct run *r, uint64_t seed, uint32_t planted_bug, FILE *trace) {
    r->plan = plan_draw(seed, planted_bug);
    uint32_t nodes = r->plan.cluster->nodes_count;
    r->history = history_create(nodes, r->plan.cluster->clock_bound_ms);
    struct world_watcher watcher = {r, on_started, on_stopped, on_stepping, on_applied, on_stepped, on_committed, on_broken};
    r->world = world_create(&r->plan.world, &watcher);
    r->trace = trace;
    world_trace_to(r->world, trace);
    if (trace) plan_print(&r->plan, trace);
    r->load = workload_create(r->world, r->history, seed, &r->plan.workload);
    r->faults = faults_create(r->world, &r->plan);
    for (uint32_t i = 0; i < nodes; i++) world_start(r->world, i);
}

static void destroy(struct run *r) {
    faults_destroy(r->faults);
    workload_destroy(r->load);
    world_destroy(r->world);
    history_destroy(r->history);
    plan_finish(&r->plan);
}

static void converge(struct run *r, const char *when) {
    bool settled = world_settle(r->world, r->plan.settle_us);
    if (history_failed(r->history)) return;
    check_converged(r->history);
    if (!settled) history_fail(r->history, "I1", "the nodes do not come to rest %s", when);
}

static void read_all(struct run *r) {
    workload_read_all(r->load);
    for (int i = 0; i < 600 && !workload_idle(r->load) && !world_stopped(r->world); i++) world_run(r->world, world_now_us(r->world) + 100000);
    if (!history_failed(r->history) && !workload_idle(r->load)) history_fail(r->history, "I1", "a client waits for ever at rest");
}

static void check_journals(struct run *r) {
    struct buf records = {0};
    for (uint32_t i = 0; i < r->history->nodes_count; i++) {
        struct store *s = sim_store_base(world_store(r->world, i));
        buf_clear(&records);
        int n = s->ops->scan_losses(s, SLICE("", 0), UINT32_MAX, &records);
        struct reader reader = reader_of(buf_slice_of(&records));
        struct origins *t = engine_origins(world_engine(r->world, i));
        for (int k = 0; k < n; k++) {
            struct loss l;
            read_slice(&reader);
            if (loss_decode(read_slice(&reader), t, &l))
                check_journaled(r->history, i, &l, t);
            else
                history_fail(r->history, "I2", "node %u's journal holds a damaged record", i);
        }
    }
    buf_finish(&records);
}

static void restart_all(struct run *r) {
    for (uint32_t i = 0; i < r->history->nodes_count; i++) world_kill(r->world, i, CRASH_MACHINE);
    for (uint32_t i = 0; i < r->history->nodes_count; i++) world_start(r->world, i);
}

static void live(struct run *r) {
    faults_go(r->faults);
    workload_go(r->load);
    world_run(r->world, r->plan.faults_us);
    workload_stop(r->load);
    if (history_failed(r->history)) return;
    faults_end(r->faults);
    world_run(r->world, world_now_us(r->world) + r->plan.world.client_timeout_us);
    if (history_failed(r->history)) return;
    converge(r, "after everything is healed");
    if (!history_failed(r->history) && r->plan.restart_all && r->plan.cluster->fsync) {
        restart_all(r);
        converge(r, "after all were started from disk");
    }
    if (!history_failed(r->history)) read_all(r);
    if (history_failed(r->history)) return;
    check_journals(r);
    check_accounted(r->history);
    workload_check(r->load, plan_promises(&r->plan));
}

void run_seed(uint64_t seed, uint32_t planted_bug, FILE *trace, struct run_result *ret) {
    struct run r = {0};
    create(&r, seed, planted_bug, trace);
    live(&r);
    *ret = (struct run_result){
        .trace_hash = world_trace_hash(r.world),
        .virtual_us = world_now_us(r.world),
        .events = r.history->events_count,
        .counts = world_counts(r.world),
        .clients = workload_counts(r.load),
    };
    memcpy(ret->failure, r.history->failure, sizeof ret->failure);
    destroy(&r);
}
