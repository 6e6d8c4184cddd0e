#include "handlers.h"
#include "world_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AGAIN_US 100000u /* one that finds no room on the disk */

bool node_alive(const struct node *n) { return n->engine != NULL; }

bool world_alive(const struct world *w, uint32_t node) { return node_alive(&w->nodes[node]); }
bool world_paused(const struct world *w, uint32_t node) { return w->nodes[node].paused; }
uint32_t world_run_of(const struct world *w, uint32_t node) { return w->nodes[node].run; }
struct engine *world_engine(struct world *w, uint32_t node) {
    return w->nodes[node].engine;
}
struct sim_store *world_store(struct world *w, uint32_t node) {
    return w->nodes[node].store;
}

void node_init(struct world *w, struct node *n, uint32_t index) {
    n->index = index;
    n->store = sim_store_create();
    n->skew_base_ms = (int64_t)w->options.wall_ms;
    n->returning = w->cluster->nodes[index].standing == STANDING_ABSENT; /* when it comes, there are others */
    n->link_epochs = xcalloc(w->nodes_count, sizeof *n->link_epochs);
    n->door_end = &n->door;
}

static struct now node_now(const struct world *w, const struct node *n) {
    return (struct now){.mono_us = w->now_us - n->boot_us, .wall_ms = world_wall_ms(w, n->index)};
}

/* ---- the door: inputs that wait ---- */

static void door_clear(struct node *n) {
    while (n->door) {
        struct waiting_input *in = n->door;
        n->door = in->next;
        free(in->frame);
        free(in);
    }
    n->door_end = &n->door;
}

static bool must_wait(const struct node *n, const struct waiting_input *in) {
    if (n->paused || n->busy) return true;
    if (in->type == INPUT_DISK) return false; /* before all that waits */
    if (n->door) return true;
    return n->refuses && (in->type == INPUT_REQUEST || in->type == INPUT_FRAME);
}

static void enter(struct world *w, struct node *n, struct waiting_input *in) {
    struct input i = {.type = in->type, .peer = in->peer};
    switch (in->type) {
    case INPUT_LINK_UP:
        n->link_epochs[in->peer] = in->epoch;
        if (node_alive(&w->nodes[in->peer])) i.run = engine_run(w->nodes[in->peer].engine);
        node_step(w, n, &i);
        break;
    case INPUT_LINK_DOWN:
        if (n->link_epochs[in->peer] != in->epoch) break;
        n->link_epochs[in->peer] = 0;
        node_step(w, n, &i);
        break;
    case INPUT_FRAME:
        if (n->link_epochs[in->peer] == 0 || (in->epoch != 0 && n->link_epochs[in->peer] != in->epoch)) break;
        i.frame = SLICE(in->frame->bytes, in->frame->n);
        node_step(w, n, &i);
        break;
    case INPUT_HANDLED:
        i.handler_run = in->session;
        i.answer = SLICE(in->frame->bytes, in->frame->n);
        node_step(w, n, &i);
        break;
    case INPUT_REQUEST: clients_pump(w, in->client, in->session); break;
    case INPUT_DISK:
        i.room = n->told_room = n->room;
        node_step(w, n, &i);
        break;
    case INPUT_CLOSE:
        i.session = in->session;
        node_step(w, n, &i);
        break;
    default: assert(!"a node makes its other inputs itself");
    }
    free(in->frame);
}

void node_input(struct world *w, struct node *n, struct waiting_input in) {
    if (!node_alive(n)) {
        free(in.frame);
        return;
    }
    if (!must_wait(n, &in)) {
        enter(w, n, &in);
        return;
    }
    struct waiting_input *kept = xmalloc(sizeof *kept);
    *kept = in;
    if (in.type == INPUT_DISK && n->door) {
        kept->next = n->door;
        n->door = kept;
        return;
    }
    kept->next = NULL;
    *n->door_end = kept;
    n->door_end = &kept->next;
}

/* Lets in whoever may enter. Where requests are refused, frames and requests wait, and so does all behind them: connections keep their order. */
static void open_door(struct world *w, struct node *n) {
    if (n->flush_done && !n->paused && !n->busy) {
        n->flush_done = false;
        node_step(w, n, &(struct input){.type = INPUT_FLUSHED});
    }
    while (n->door && node_alive(n) && !n->paused && !n->busy) {
        struct waiting_input *in = n->door;
        if (n->refuses && (in->type == INPUT_REQUEST || in->type == INPUT_FRAME)) break;
        n->door = in->next;
        if (!n->door) n->door_end = &n->door;
        enter(w, n, in);
        free(in);
    }
}

/* ---- stepping and carrying out ---- */

static void stage_in(struct world *w, struct node *n, enum stage stage, uint64_t us) {
    n->stage = stage;
    if (us == 0 && stage != STAGE_CARRY_OUT) {
        node_stage(w, n, stage);
        return;
    }
    world_schedule(w, w->now_us + us, (struct happening){.kind = HAPPENS_STAGE, .a = n->index, .b = n->run, .x = stage});
}

void node_step(struct world *w, struct node *n, struct input *in) {
    assert(node_alive(n) && !n->busy);
    in->now = node_now(w, n);
    trace_input(w, n, in);
    w->counts.steps++;
    if (w->watcher.stepping) w->watcher.stepping(w->watcher.arg, n->index);
    engine_step(n->engine, in);
    if (w->watcher.stepped) w->watcher.stepped(w->watcher.arg, n->index);
    if (n->carry_due) return;
    n->carry_due = true;
    stage_in(w, n, STAGE_CARRY_OUT, world_draw(&w->disk, w->options.gather_us_max));
}

static void wake_when_due(struct world *w, struct node *n) {
    uint64_t wake = engine_wake_us(n->engine);
    if (wake >= UINT64_MAX - n->boot_us) return;
    wake += n->boot_us;
    if (wake <= w->now_us) wake = w->now_us + 1;
    if (n->wake_at != 0 && n->wake_at <= wake) return;
    n->wake_at = wake;
    world_schedule(w, wake, (struct happening){.kind = HAPPENS_WAKE, .a = n->index, .b = n->run});
}

void node_wake(struct world *w, struct node *n, uint64_t at_us) {
    if (n->wake_at != at_us) return;
    n->wake_at = 0;
    if (n->paused || n->busy) return; /* it is asked again afterwards */
    if (engine_wake_us(n->engine) + n->boot_us > w->now_us) {
        wake_when_due(w, n);
        return;
    }
    struct input in = {.type = INPUT_TICK};
    node_step(w, n, &in);
}

static bool commit(struct world *w, struct node *n, enum world_commit how) {
    struct store *s = sim_store_base(n->store);
    w->counts.commits++;
    disk_meddle(w, n);
    bool refused = !sim_store_has_room(n->store, &n->updates->commit);
    if (refused && w->watcher.broken) w->watcher.broken(w->watcher.arg, n->index, "it commits though it was told that its disk is full");
    bool made = s->ops->commit(s, &n->updates->commit, engine_origins(n->engine), how == WORLD_COMMIT_SYNCED) == 0;
    if (!made) how = WORLD_COMMIT_DOUBTFUL;
    if (made && w->watcher.persisted) w->watcher.persisted(w->watcher.arg, n->index, &n->updates->commit);
    if (w->watcher.committed && !refused) w->watcher.committed(w->watcher.arg, n->index, how);
    return made;
}

void world_fail_commit(struct world *w, uint32_t node, uint64_t n, bool applied) {
    if (node_alive(&w->nodes[node])) sim_store_fail_commits(w->nodes[node].store, n, applied);
}

static void answer(struct world *w, struct node *n) {
    const struct engine_updates *u = n->updates;
    for (size_t i = 0; i < u->answers_count; i++) clients_answer(w, n->index, u->answers[i].session, u->answers[i].reply, u->answers[i].close);
    if (u->flush) {
        w->counts.flushes++;
        sim_store_flush_begin(n->store, u->flush);
        uint64_t us = 1 + world_draw(&w->disk, w->options.flush_us_max);
        world_schedule(w, w->now_us + us, (struct happening){.kind = HAPPENS_FLUSHED, .a = n->index, .b = n->run});
    }
    for (size_t i = 0; i < u->handler_runs_count; i++) sim_handlers_ask(w, n->index, &u->handler_runs[i]);
    n->refuses = u->refuse_requests;
    for (size_t i = 0; i < u->drops_count; i++) {
        trace_note(w, n->index, u->drops[i].why, u->drops[i].peer);
        network_close(w, n->index, u->drops[i].peer);
    }
    const char *fatal = u->fatal;
    bool shutdown = u->shutdown, reload = u->reload_handlers, members_changed = u->members_changed;
    for (size_t i = 0; i < u->unblocked_count && !fatal; i++) clients_unblocked(w, n->index, u->unblocked[i]);
    n->busy = false; /* until here all inputs wait: the updates are valid until the next step */
    n->updates = NULL;
    n->stage = STAGE_NONE;
    if (fatal && w->watcher.broken) w->watcher.broken(w->watcher.arg, n->index, fatal);
    if (fatal || shutdown) {
        world_kill(w, n->index, CRASH_PROCESS);
        return;
    }
    if (reload && w->options.handlers) sim_handlers_offer(w, n->index);
    if (members_changed) network_node_awake(w, n->index);
    open_door(w, n);
    if (node_alive(n) && !n->busy) wake_when_due(w, n);
}

void node_stage(struct world *w, struct node *n, enum stage stage) {
    assert(stage == n->stage || stage == STAGE_CARRY_OUT);
    if (n->paused) {
        n->held_stage = stage;
        return;
    }
    switch (stage) {
    case STAGE_CARRY_OUT:
        n->carry_due = false;
        n->busy = true;
        n->updates = engine_updates(n->engine);
        trace_updates(w, n, n->updates);
        if (n->updates->commit_needed)
            stage_in(w, n, STAGE_COMMIT, disk_commit_us(w, n));
        else
            stage_in(w, n, STAGE_SEND, 0);
        break;
    case STAGE_COMMIT:
        if (!commit(w, n, w->cluster->fsync || n->updates->commit.must_sync ? WORLD_COMMIT_SYNCED : WORLD_COMMIT_MADE)) {
            trace_note(w, n->index, "the store failed", 0);
            n->stage = STAGE_NONE;
            world_kill(w, n->index, CRASH_PROCESS);
            return;
        }
        stage_in(w, n, STAGE_SEND, 0);
        break;
    case STAGE_SEND:
        if (n->room != ROOM_ENOUGH) sim_store_fill(n->store, n->told_room); /* what was under way when it was told had room */
        for (size_t i = 0; i < n->updates->out_count; i++) network_send(w, n->index, n->updates->out[i].peer, n->updates->out[i].frames);
        stage_in(w, n, STAGE_ANSWER, n->updates->answers_count > 0 ? world_draw(&w->disk, w->options.answer_gap_us_max) : 0);
        break;
    case STAGE_ANSWER: answer(w, n); break;
    case STAGE_NONE: break;
    }
}

void node_flushed(struct world *w, struct node *n) {
    if (n->room != ROOM_ENOUGH) {
        world_schedule(w, w->now_us + FLUSH_AGAIN_US, (struct happening){.kind = HAPPENS_FLUSHED, .a = n->index, .b = n->run});
        return;
    }
    sim_store_flush_end(n->store);
    n->flush_done = true;
    open_door(w, n);
}

void node_handled(struct world *w, struct node *n, uint64_t handler_run, struct frame *f) {
    n->handlers_running--;
    node_input(w, n, (struct waiting_input){.type = INPUT_HANDLED, .session = handler_run, .frame = f});
}

/* ---- starting and stopping ---- */

static void on_applied(void *arg, const struct event *e, bool own) {
    struct node *n = ((void **)arg)[1];
    struct world *w = ((void **)arg)[0];
    w->watcher.applied(w->watcher.arg, n->index, e, own);
}

static void on_joining(void *arg, const struct vv *vv) {
    struct node *n = ((void **)arg)[1];
    struct world *w = ((void **)arg)[0];
    if (w->watcher.joining) w->watcher.joining(w->watcher.arg, n->index, vv);
}

static void on_joined(void *arg) {
    struct node *n = ((void **)arg)[1];
    struct world *w = ((void **)arg)[0];
    if (w->watcher.joined) w->watcher.joined(w->watcher.arg, n->index);
}

bool world_start(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (node_alive(n)) return true;
    if (n->disk == DISK_FULL) {
        trace_note(w, node, "its disk is full: it does not start", n->run);
        return false;
    }
    n->run++;
    n->told_room = ROOM_ENOUGH;
    n->handlers_running = 0;
    sim_store_sync(n->store); /* RocksDB writes out what it recovers when it opens */
    uint64_t uptime = world_draw(&w->entropy, 1000000);
    n->boot_us = w->now_us - (uptime < w->now_us ? uptime : w->now_us);
    trace_note(w, node, "start", n->run);
    struct engine_options o = {
        .cluster = w->cluster,
        .node = node,
        .store = sim_store_base(n->store),
        .entropy = prng_next(&w->entropy),
        .planted_bug = w->options.planted_bug,
        .returning = n->returning,
    };
    struct buf why = {0};
    if (engine_create(&n->engine, &o, node_now(w, n), &why) != 0) {
        n->engine = NULL;
        buf_u8(&why, 0);
        if (w->watcher.broken) w->watcher.broken(w->watcher.arg, node, (const char *)why.p);
        buf_finish(&why);
        return false;
    }
    buf_finish(&why);
    n->watch_arg[0] = w;
    n->watch_arg[1] = n;
    if (w->watcher.applied) engine_observe(n->engine, (struct engine_observer){on_applied, n->watch_arg, on_joining, on_joined});
    if (w->watcher.started) w->watcher.started(w->watcher.arg, node);
    if (w->options.handlers) sim_handlers_offer(w, node);
    network_node_awake(w, node);
    wake_when_due(w, n);
    return true;
}

static void forget_engine(struct world *w, struct node *n) {
    engine_observe(n->engine, (struct engine_observer){0});
    if (engine_flushing(n->engine)) engine_step(n->engine, &(struct input){.type = INPUT_FLUSHED, .now = node_now(w, n)});
    n->returning = engine_returning(n->engine);
    engine_destroy(n->engine);
    n->engine = NULL;
    door_clear(n);
    n->paused = n->refuses = n->flush_done = n->carry_due = n->busy = false;
    n->stage = n->held_stage = STAGE_NONE;
    n->updates = NULL;
    n->wake_at = 0;
}

void world_kill(struct world *w, uint32_t node, enum crash kind) {
    struct node *n = &w->nodes[node];
    if (!node_alive(n)) return;
    trace_note(w, node, kind == CRASH_PROCESS ? "kill" : "power cut", n->run);
    if (n->busy && n->stage == STAGE_COMMIT && prng_chance(&w->disk, 1, 2)) commit(w, n, WORLD_COMMIT_DOUBTFUL); /* it was under way */
    forget_engine(w, n);
    memset(n->link_epochs, 0, w->nodes_count * sizeof *n->link_epochs);
    sim_store_crash(n->store, kind, &w->disk);
    network_node_stopped(w, node, kind == CRASH_PROCESS);
    clients_node_stopped(w, node);
    if (w->watcher.stopped) w->watcher.stopped(w->watcher.arg, node, kind);
}

void world_pause(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (!node_alive(n) || n->paused) return;
    n->paused = true;
    trace_note(w, node, "pause", 0);
    network_node_silent(w, node);
}

void world_resume(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (!node_alive(n) || !n->paused) return;
    n->paused = false;
    trace_note(w, node, "resume", 0);
    if (n->held_stage != STAGE_NONE) {
        enum stage held = n->held_stage;
        n->held_stage = STAGE_NONE;
        node_stage(w, n, held);
    }
    open_door(w, n);
    if (node_alive(n) && !n->busy) wake_when_due(w, n);
    network_node_awake(w, node);
}

void node_finish(struct world *w, struct node *n) {
    if (node_alive(n)) forget_engine(w, n);
    sim_store_destroy(n->store);
    free(n->link_epochs);
}
