#include "engine_hand.h"
#include <stdio.h>

struct hand *hand_open(const char *cluster_json) {
    struct hand *h = xcalloc(1, sizeof *h);
    struct buf why = {0};
    bool good = cluster_parse("t", slice_text(cluster_json), &h->cluster, &why);
    cr_assert(good, "%.*s", (int)why.n, (const char *)why.p);
    cr_assert(h->cluster.nodes_count <= HAND_NODES);
    h->now = (struct now){.mono_us = 1000000, .wall_ms = 1700000000000};
    h->names = origins_create();
    for (uint32_t i = 0; i < h->cluster.nodes_count; i++) {
        h->stores[i] = sim_store_create();
        hand_start(h, i);
    }
    return h;
}

void hand_start(struct hand *h, uint32_t node) {
    struct engine_options o = {
        .cluster = &h->cluster, .node = node, .store = sim_store_base(h->stores[node]), .entropy = ++h->entropy, .returning = h->returning[node]};
    struct buf why = {0};
    int result = engine_create(&h->engines[node], &o, h->now, &why);
    cr_assert_eq(result, 0, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

void hand_kill(struct hand *h, uint32_t node) {
    if (!h->engines[node]) return;
    if (engine_flushing(h->engines[node])) engine_step(h->engines[node], &(struct input){.type = INPUT_FLUSHED, .now = h->now});
    engine_destroy(h->engines[node]);
    h->engines[node] = NULL;
    struct prng p;
    prng_seed(&p, ++h->entropy);
    sim_store_crash(h->stores[node], CRASH_PROCESS, &p);
}

void hand_wipe(struct hand *h, uint32_t node) {
    sim_store_destroy(h->stores[node]);
    h->stores[node] = sim_store_create();
}

void hand_drop_all(struct hand *h) {
    for (size_t i = 0; i < h->count; i++) buf_finish(&h->frames[i].bytes);
    h->count = 0;
}

void hand_close(struct hand *h) {
    for (uint32_t i = 0; i < h->cluster.nodes_count; i++) {
        hand_kill(h, i);
        sim_store_destroy(h->stores[i]);
    }
    hand_drop_all(h);
    free(h->frames);
    buf_finish(&h->answers);
    origins_destroy(h->names);
    free(h);
}

/* ---- steps ---- */

static void put_frames(struct hand *h, uint32_t from, uint32_t to, struct slice frames) {
    while (frames.n) {
        struct message m;
        size_t size;
        const char *why = "";
        cr_assert_eq(message_decode(frames, h->names, &m, &size, &why), FRAME_OK, "%s", why);
        if (h->count == h->cap) h->frames = xrealloc(h->frames, (h->cap = h->cap ? h->cap * 2 : 16) * sizeof *h->frames);
        h->frames[h->count] = (struct hand_frame){.from = from, .to = to, .type = m.type};
        buf_put(&h->frames[h->count++].bytes, frames.p, size);
        message_finish(&m);
        frames = SLICE(frames.p + size, frames.n - size);
    }
}

static void carry_out(struct hand *h, uint32_t node) {
    struct engine *e = h->engines[node];
    const struct engine_updates *u = engine_updates(e);
    if (u->fatal) {
        snprintf(h->fatal, sizeof h->fatal, "%s", u->fatal);
        cr_assert_fail("%s stopped: %s", h->cluster.nodes[node].name, u->fatal);
    }
    struct store *s = sim_store_base(h->stores[node]);
    if (u->commit_needed) cr_assert_eq(s->ops->commit(s, &u->commit, engine_origins(e), true), 0);
    for (size_t i = 0; i < u->out_count; i++) put_frames(h, node, u->out[i].peer, u->out[i].frames);
    for (size_t i = 0; i < u->answers_count; i++)
        for (size_t k = 0; k < u->answers[i].reply.n; k++) {
            uint8_t c = u->answers[i].reply.p[k];
            if (c != '\r') buf_u8(&h->answers, c == '\n' ? ' ' : c);
        }
    h->drops += (unsigned)u->drops_count;
    if (!u->flush) return;
    sim_store_flush_begin(h->stores[node], u->flush);
    sim_store_flush_end(h->stores[node]);
    hand_step(h, node, (struct input){.type = INPUT_FLUSHED});
}

void hand_step(struct hand *h, uint32_t node, struct input in) {
    in.now = h->now;
    engine_step(h->engines[node], &in);
    carry_out(h, node);
}

void hand_tick(struct hand *h, uint64_t us) {
    h->now.mono_us += us;
    h->now.wall_ms += us / 1000;
    for (uint32_t i = 0; i < h->cluster.nodes_count; i++)
        if (h->engines[i]) hand_step(h, i, (struct input){.type = INPUT_TICK});
}

void hand_client(struct hand *h, uint32_t node, uint64_t session) { hand_step(h, node, (struct input){.type = INPUT_OPEN, .session = session}); }

void hand_do(struct hand *h, uint32_t node, uint64_t session, const char *command) {
    struct slice argv[32];
    uint32_t argc = 0;
    for (const char *p = command; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        argv[argc++] = SLICE(p, n);
        p += n;
    }
    hand_step(h, node, (struct input){.type = INPUT_REQUEST, .session = session, .argv = argv, .argc = argc});
}

const char *hand_answers(struct hand *h) {
    if (h->answers.n) h->answers.n--; /* the last space */
    buf_u8(&h->answers, 0);
    h->answers.n = 0;
    return (const char *)h->answers.p;
}

/* ---- links and frames ---- */

static bool is_of_elections(enum message_type t) { return t == MESSAGE_VOTE || t == MESSAGE_VOTED || t == MESSAGE_HEARTBEAT; }

/* Of two nodes of one DC; whatever else is under way stays there. */
static void elect(struct hand *h, uint32_t a, uint32_t b) {
    for (int round = 0; round < 40 && !engine_leads(h->engines[a]) && !engine_leads(h->engines[b]); round++) {
        hand_tick(h, 1000);
        for (size_t i = 0; i < h->count;) {
            struct hand_frame *f = &h->frames[i];
            bool between = (f->from == a && f->to == b) || (f->from == b && f->to == a);
            if (!between || !is_of_elections(f->type)) {
                i++;
                continue;
            }
            uint32_t from = f->from, to = f->to;
            struct buf bytes = hand_take(h, (int)i);
            hand_deliver(h, from, to, &bytes);
            buf_finish(&bytes);
            i = 0;
        }
    }
}

void hand_link(struct hand *h, uint32_t a, uint32_t b) {
    hand_step(h, a, (struct input){.type = INPUT_LINK_UP, .peer = b, .run = engine_run(h->engines[b])});
    hand_step(h, b, (struct input){.type = INPUT_LINK_UP, .peer = a, .run = engine_run(h->engines[a])});
    if (h->cluster.nodes[a].dc == h->cluster.nodes[b].dc) elect(h, a, b);
}

void hand_unlink(struct hand *h, uint32_t a, uint32_t b) {
    if (h->engines[a]) hand_step(h, a, (struct input){.type = INPUT_LINK_DOWN, .peer = b});
    if (h->engines[b]) hand_step(h, b, (struct input){.type = INPUT_LINK_DOWN, .peer = a});
}

int hand_find(const struct hand *h, uint32_t from, uint32_t to, enum message_type type) {
    for (size_t i = 0; i < h->count; i++)
        if (h->frames[i].from == from && h->frames[i].to == to && h->frames[i].type == type) return (int)i;
    return -1;
}

struct buf hand_take(struct hand *h, int frame) {
    cr_assert(frame >= 0, "no such frame is under way");
    struct buf bytes = h->frames[frame].bytes;
    h->count--;
    memmove(h->frames + frame, h->frames + frame + 1, (h->count - (size_t)frame) * sizeof *h->frames);
    return bytes;
}

void hand_deliver(struct hand *h, uint32_t from, uint32_t to, const struct buf *bytes) {
    if (h->engines[to]) hand_step(h, to, (struct input){.type = INPUT_FRAME, .peer = from, .frame = buf_slice_of(bytes)});
}

void hand_flow(struct hand *h) {
    while (h->count) {
        uint32_t from = h->frames[0].from, to = h->frames[0].to;
        struct buf bytes = hand_take(h, 0);
        hand_deliver(h, from, to, &bytes);
        buf_finish(&bytes);
    }
}

void hand_forge(struct hand *h, uint32_t from, uint32_t to, const struct message *m) {
    struct buf bytes = {0};
    message_encode(m, h->names, &bytes);
    hand_deliver(h, from, to, &bytes);
    buf_finish(&bytes);
}
