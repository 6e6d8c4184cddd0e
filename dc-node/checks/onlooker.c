#include "onlooker.h"

#include "../../schemas/message.h"
#include "../core/session.h"

#define FRAME_TYPE_AT 5 /* after length and version */

static void stop_if_failed(struct onlooker *l) {
    if (history_failed(l->history)) world_stop(l->world);
}

static void check_node(struct onlooker *l, uint32_t node) {
    struct engine *e = world_engine(l->world, node);
    check_state(l->history, node, engine_vv(e), engine_origins(e), engine_digest(e));
    stop_if_failed(l);
}

void onlooker_started(void *onlooker, uint32_t node) {
    struct onlooker *l = onlooker;
    struct engine *e = world_engine(l->world, node);
    history_started(l->history, node, engine_vv(e), engine_origins(e));
    check_recovered(l->history, node);
    check_node(l, node);
}

void onlooker_stopped(void *onlooker, uint32_t node, enum crash kind) {
    check_crashed(((struct onlooker *)onlooker)->history, node, kind == CRASH_MACHINE);
}

void onlooker_stepping(void *onlooker, uint32_t node) {
    struct onlooker *l = onlooker;
    check_clock_shows(l->history, node, world_wall_ms(l->world, node), world_true_ms(l->world));
}

void onlooker_applied(void *onlooker, uint32_t node, const struct event *e, bool own) {
    struct onlooker *l = onlooker;
    if (history_failed(l->history)) return;
    struct h_event *he = history_applies(l->history, node, e, own, engine_origins(world_engine(l->world, node)), world_wall_ms(l->world, node));
    if (!he) return;
    if (l->trace) fprintf(l->trace, "%27s %s\n", own ? "makes" : "applies", h_dot(l->history, he->dot));
    check_applies(l->history, node, he);
    if (own) {
        check_deps(l->history, he);
        check_stamp(l->history, he);
    }
    if (!history_failed(l->history)) history_apply(l->history, node, he);
    l->applied = true;
}

void onlooker_joining(void *onlooker, uint32_t node, const struct vv *vv) {
    struct onlooker *l = onlooker;
    history_joining(l->history, node, vv, engine_origins(world_engine(l->world, node)));
}

void onlooker_joined(void *onlooker, uint32_t node) {
    struct onlooker *l = onlooker;
    struct engine *e = world_engine(l->world, node);
    history_joined(l->history, node, engine_vv(e), engine_origins(e));
    check_committed(l->history, node, DURABLE_SYNCED); /* nothing else has happened since its flush */
    if (l->trace) fprintf(l->trace, "%27s a transfer\n", "joins");
    l->applied = true;
}

static void check_leader(struct onlooker *l, uint32_t node) {
    struct engine *e = world_engine(l->world, node);
    const struct cluster *c = l->history->cluster;
    if (engine_leader(e) != node || !engine_leads(e) || c->dcs[c->nodes[node].dc].leaderless) return;
    check_leads(l->history, node, engine_term(e));
    stop_if_failed(l);
}

void onlooker_stepped(void *onlooker, uint32_t node) {
    struct onlooker *l = onlooker;
    check_leader(l, node);
    if (!l->applied) return;
    l->applied = false;
    if (sim_store_damaged(world_store(l->world, node))) return; /* it found that out in this step, and nothing of it will count */
    check_node(l, node);
    struct engine_figures f;
    engine_get_figures(world_engine(l->world, node), &f);
    check_memory(l->history, node, f.memory_bytes, f.cluster->memory_bytes_max);
}

void onlooker_committed(void *onlooker, uint32_t node, enum world_commit how) {
    static const enum durability durabilities[] = {
        [WORLD_COMMIT_SYNCED] = DURABLE_SYNCED, [WORLD_COMMIT_MADE] = DURABLE_MADE, [WORLD_COMMIT_DOUBTFUL] = DURABLE_MAYBE};
    check_committed(((struct onlooker *)onlooker)->history, node, durabilities[how]);
}

static bool points(void *store, struct slice key, const struct origin *o, uint64_t n) { return sim_store_pointer(store, key, o) >= n; }

void onlooker_persisted(void *onlooker, uint32_t node, const struct commit *c) {
    struct onlooker *l = onlooker;
    struct pointers p = {points, world_store(l->world, node)};
    for (size_t i = 0; i < c->trims_count; i++) check_trimmed(l->history, node, &c->trims[i], engine_origins(world_engine(l->world, node)), &p);
    stop_if_failed(l);
}

/* Of what it says to its DC, what binds it: terms and votes; those of a node that may have voted before its disk was lost count for little. */
void onlooker_sends(void *onlooker, uint32_t node, uint32_t peer, struct slice frame) {
    struct onlooker *l = onlooker;
    struct message m;
    size_t size;
    const char *why;
    if (frame.n < FRAME_OVERHEAD || (frame.p[FRAME_TYPE_AT] != MESSAGE_VOTE && frame.p[FRAME_TYPE_AT] != MESSAGE_VOTED)) return;
    struct origins *t = origins_create();
    if (message_decode(frame, t, &m, &size, &why) == FRAME_OK) {
        if (m.type == MESSAGE_VOTE && !m.vote.pre && m.vote.admitted) check_vote(l->history, node, m.vote.term, node, world_now_us(l->world));
        if (m.type == MESSAGE_VOTED && !m.voted.pre && m.voted.granted && m.voted.admitted)
            check_vote(l->history, node, m.voted.term, peer, world_now_us(l->world));
        message_finish(&m);
    }
    origins_destroy(t);
    stop_if_failed(l);
}

void onlooker_broken(void *onlooker, uint32_t node, const char *why) {
    struct onlooker *l = onlooker;
    if (sim_store_damaged(world_store(l->world, node))) return; /* it must not go on */
    history_fail(l->history, "fatal", "node %u: %s", node, why);
    world_stop(l->world);
}

void onlooker_backed_up(void *onlooker, uint32_t node, uint32_t backup) { history_backed_up(((struct onlooker *)onlooker)->history, node, backup); }

void onlooker_replaced(void *onlooker, uint32_t node, uint32_t backup) { history_replaced(((struct onlooker *)onlooker)->history, node, backup); }

struct world_watcher onlooker_watcher(struct onlooker *l) {
    return (struct world_watcher){
        .arg = l,
        .started = onlooker_started,
        .stopped = onlooker_stopped,
        .stepping = onlooker_stepping,
        .applied = onlooker_applied,
        .joining = onlooker_joining,
        .joined = onlooker_joined,
        .stepped = onlooker_stepped,
        .committed = onlooker_committed,
        .broken = onlooker_broken,
        .persisted = onlooker_persisted,
        .backed_up = onlooker_backed_up,
        .replaced = onlooker_replaced,
        .sends = onlooker_sends,
    };
}

/* ---- at rest ---- */

static void check_record(struct onlooker *l, struct h_episodes *episodes, uint32_t node, struct slice name, struct slice record) {
    struct origins *t = engine_origins(world_engine(l->world, node));
    struct loss loss;
    struct episode ep;
    bool good = true;
    switch (journal_record_kind(name)) {
    case JOURNAL_LOSS:
        good = loss_decode(record, t, &loss);
        if (good) check_journaled(l->history, node, &loss, t);
        break;
    case JOURNAL_EPISODE:
        good = episode_decode(record, t, &ep);
        if (!good) break;
        if (l->trace) onlooker_print_episode(l, node, &ep, t, l->trace);
        check_episode(l->history, episodes, node, &ep, t);
        episode_finish(&ep);
        break;
    default: break;
    }
    if (!good) history_fail(l->history, "I2", "node %u's journal holds a damaged record", node);
}

static void check_journals(struct onlooker *l) {
    struct buf records = {0};
    struct h_episodes *episodes = h_episodes_now(l->history);
    for (uint32_t i = 0; i < l->history->nodes_count && !history_failed(l->history); i++) {
        struct store *s = sim_store_base(world_store(l->world, i));
        buf_clear(&records);
        int n = s->ops->scan_losses(s, SLICE("", 0), UINT32_MAX, &records);
        struct reader reader = reader_of(buf_slice_of(&records));
        for (int k = 0; k < n; k++) {
            struct slice name = read_slice(&reader), record = read_slice(&reader);
            check_record(l, episodes, i, name, record);
        }
        check_episodes_complete(l->history, episodes, i);
    }
    h_episodes_free(episodes);
    buf_finish(&records);
}

void onlooker_check_rest(struct onlooker *l, bool all_have_handlers) {
    check_journals(l);
    check_accounted(l->history);
    check_answers(l->history, all_have_handlers);
}
