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

/* ---- what the checkers are told ---- */

static void stop_if_failed(struct run *r) {
    if (history_failed(r->history)) world_stop(r->world);
}

/* For whoever looks into a failure: every change that was made, by key, with what it knew. */
static void print_changes(const struct history *h, FILE *f) {
    for (uint32_t key = 0; key < h->keys_count; key++) {
        const struct h_key *k = &h->keys[key];
        fprintf(f, "%.*s:\n", (int)k->name.n, (const char *)k->name.p);
        for (uint32_t i = 0; i < k->n; i++) {
            const struct h_change *c = k->changes[i];
            fprintf(f, "  %s (%llu) %s", h_dot(h, c->event->dot), (unsigned long long)c->event->stamp, change_op_name(c->op));
            for (uint32_t j = 0; j < c->ops_count; j++)
                fprintf(f, " %u/%.*s:%u%s%s", c->ops[j].kind, (int)c->ops[j].name.n, (const char *)c->ops[j].name.p, c->ops[j].flags,
                        c->ops[j].known ? " known" : "", c->ops[j].by_type ? " type" : "");
            fprintf(f, "%s knows", c->clear ? " clear" : "");
            for (origin_ref o = 0; o < c->event->deps.len; o++)
                if (c->event->deps.n[o]) fprintf(f, " %s", h_dot(h, (struct dot){o, c->event->deps.n[o]}));
            for (uint32_t j = 0; j < c->unseen_count; j++) fprintf(f, " not %s", h_dot(h, c->unseen[j]));
            for (uint32_t j = 0; j < c->saw_count; j++) fprintf(f, " saw %s", h_dot(h, c->saw[j]->change->event->dot));
            fputc('\n', f);
        }
    }
    fprintf(f, "%s\n", h->failure);
}

/* The same: every row that differs, as the engine has it and as the oracle has it. */
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
        for (uint32_t i = 0; i < row->n; i++) {
            const struct h_element *v = &row->v[i];
            fprintf(f, " %s (%llu) %u/%.*s %s", h_dot(h, v->op->change->event->dot), (unsigned long long)v->op->change->event->stamp, v->kind,
                    (int)v->name.n, (const char *)v->name.p,
                    v->counts                           ? "counts"
                    : v->kind != CELL_ROW || v->value.n ? "live"
                                                        : "tombstone");
        }
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
    r->history = history_create(nodes, r->plan.cluster->clock_bound_ms, r->plan.cluster);
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

static void print_episode(struct run *r, uint32_t node, const struct episode *ep, const struct origins *t) {
    fprintf(r->trace, "node %u, %.*s, kind %u %.*s, %s:", node, (int)ep->key.n, (const char *)ep->key.p, ep->kind, (int)ep->name.n,
            (const char *)ep->name.p, ep->open ? "open" : "closed");
    for (uint32_t i = 0; i < ep->members.ranges_count; i++) {
        const struct range *x = &ep->members.ranges[i];
        struct dot upto = {history_ref(r->history, node, t, x->origin), x->upto};
        fprintf(r->trace, " (%llu, %s]", (unsigned long long)x->after, h_dot(r->history, upto));
    }
    fputc('\n', r->trace);
}

static void check_record(struct run *r, struct h_episodes *episodes, uint32_t node, struct slice name, struct slice record) {
    struct origins *t = engine_origins(world_engine(r->world, node));
    struct loss l;
    struct episode ep;
    bool good = true;
    switch (journal_record_kind(name)) {
    case JOURNAL_LOSS:
        good = loss_decode(record, t, &l);
        if (good) check_journaled(r->history, node, &l, t);
        break;
    case JOURNAL_EPISODE:
        good = episode_decode(record, t, &ep);
        if (!good) break;
        if (r->trace) print_episode(r, node, &ep, t);
        check_episode(r->history, episodes, node, &ep, t);
        episode_finish(&ep);
        break;
    default: break;
    }
    if (!good) history_fail(r->history, "I2", "node %u's journal holds a damaged record", node);
}

static void check_journals(struct run *r) {
    struct buf records = {0};
    struct h_episodes *episodes = h_episodes_now(r->history);
    for (uint32_t i = 0; i < r->history->nodes_count && !history_failed(r->history); i++) {
        struct store *s = sim_store_base(world_store(r->world, i));
        buf_clear(&records);
        int n = s->ops->scan_losses(s, SLICE("", 0), UINT32_MAX, &records);
        struct reader reader = reader_of(buf_slice_of(&records));
        for (int k = 0; k < n; k++) {
            struct slice name = read_slice(&reader), record = read_slice(&reader);
            check_record(r, episodes, i, name, record);
        }
        check_episodes_complete(r->history, episodes, i);
    }
    h_episodes_free(episodes);
    buf_finish(&records);
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
    check_journals(r);
    check_accounted(r->history);
    check_answers(r->history, all_have_handlers(&r->plan));
    workload_check(r->load, plan_promises(&r->plan));
}

void run_seed(uint64_t seed, struct bug_planted bug, FILE *trace, struct run_result *ret) {
    struct run r = {0};
    conflict_planted = bug.conflict;
    create(&r, seed, bug.engine, trace);
    live(&r);
    conflict_planted = CONFLICT_BUG_NONE;
    if (trace && history_failed(r.history)) print_changes(r.history, trace);
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
