#include "run.h"

#include "../../dc-node/checks/onlooker.h"
#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct run {
    struct plan plan;
    struct onlooker onlooker;
    struct history *history; /* the onlooker's */
    struct world *world;
    struct workload *load;
    struct faults *faults;
};

bool bug_by_name(const char *name, struct bug_planted *ret) {
#define X(bug, number, doc)                                                                                                                          \
    if (strcasecmp(name, #bug) == 0) {                                                                                                               \
        *ret = (struct bug_planted){.engine = number};                                                                                               \
        return true;                                                                                                                                 \
    }
    PLANTED_BUGS(X)
#undef X
#define X(bug, doc)                                                                                                                                  \
    if (strcasecmp(name, #bug) == 0) {                                                                                                               \
        *ret = (struct bug_planted){.conflict = CONFLICT_BUG_##bug};                                                                                 \
        return true;                                                                                                                                 \
    }
    CONFLICT_BUGS(X)
#undef X
    return false;
}

/* ---- a run ---- */

/* For whoever looks into a failure: the rows of the node where it was seen. */
static void on_stepped(void *arg, uint32_t node) {
    struct onlooker *l = arg;
    onlooker_stepped(l, node);
    if (!l->trace || !history_failed(l->history)) return;
    onlooker_print_rows(l, node, l->trace);
    exit(1); /* its engine was stepped out of time */
}

static void create(struct run *r, FILE *trace) {
    uint32_t nodes = r->plan.cluster->nodes_count;
    r->history = history_create(nodes, r->plan.cluster->clock_bound_ms, r->plan.cluster);
    r->onlooker = (struct onlooker){.history = r->history, .trace = trace};
    struct world_watcher watcher = onlooker_watcher(&r->onlooker);
    if (trace) watcher.stepped = on_stepped;
    r->world = r->onlooker.world = world_create(&r->plan.world, &watcher);
    world_trace_to(r->world, trace);
    if (trace) plan_print(&r->plan, trace);
    r->load = workload_create(r->world, r->history, r->plan.seed, &r->plan.workload);
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

static bool any_returns(struct run *r) {
    for (uint32_t i = 0; i < r->history->nodes_count; i++)
        if (world_alive(r->world, i) && engine_returning(world_engine(r->world, i))) return true;
    return false;
}

static void converge(struct run *r, const char *when) {
    bool settled = world_settle(r->world, r->plan.settle_us);
    if (history_failed(r->history)) return;
    check_converged(r->history);
    if (any_returns(r)) history_fail(r->history, "I1", "a node that lacked what its disk had has not returned %s", when);
    if (!settled) history_fail(r->history, "I1", "the nodes do not come to rest %s", when);
}

static void read_all(struct run *r) {
    workload_read_all(r->load);
    for (int i = 0; i < 600 && !workload_idle(r->load) && !world_stopped(r->world); i++) world_run(r->world, world_now_us(r->world) + 100000);
    if (!history_failed(r->history) && !workload_idle(r->load)) history_fail(r->history, "I1", "a client waits for ever at rest");
}

static bool all_have_handlers(const struct plan *p) {
    for (uint32_t i = 0; i < p->cluster->nodes_count; i++)
        if (p->world.without_handlers[i]) return false;
    return true;
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
    if (!history_failed(r->history)) converge(r, "after everything was read"); /* rows whose time was up were removed meanwhile */
    if (history_failed(r->history)) return;
    onlooker_check_rest(&r->onlooker, all_have_handlers(&r->plan));
    workload_check(r->load, plan_promises(&r->plan));
}

static void print_statuses(struct run *r, FILE *f) {
    for (uint32_t i = 0; i < r->history->nodes_count; i++) {
        struct buf text = {0};
        if (!world_alive(r->world, i)) continue;
        engine_status(world_engine(r->world, i), &text);
        fprintf(f, "%.*s\n", (int)text.n, (const char *)text.p);
        buf_finish(&text);
    }
}

void run_plan(const struct plan *p, struct bug_planted bug, FILE *trace, struct run_result *ret) {
    struct run r = {.plan = *p};
    r.plan.world.planted_bug = bug.engine;
    conflict_planted = bug.conflict;
    create(&r, trace);
    live(&r);
    conflict_planted = CONFLICT_BUG_NONE;
    if (trace && history_failed(r.history)) {
        onlooker_print_changes(r.history, trace);
        print_statuses(&r, trace);
    }
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

enum worlds worlds_of(struct bug_planted bug) {
    if (bug.engine >= BUG_TRIM_EARLY && bug.engine <= BUG_TRANSFER_ANY_SENDER) return WORLDS_LONG_CUTS;
    return bug.engine >= BUG_ACKS_OF_ANY_TERM && bug.engine <= BUG_QUORUM_OF_ONE ? WORLDS_ELECTIONS : WORLDS_ANY;
}

void run_seed(enum worlds worlds, uint64_t seed, struct bug_planted bug, FILE *trace, struct run_result *ret) {
    struct plan p = plan_draw(worlds, seed);
    run_plan(&p, bug, trace, ret);
}
