#include "world_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct channel *channel(struct world *w, uint32_t from, uint32_t to) { return &w->channels[from * w->nodes_count + to]; }

static struct connection *connection(struct world *w, uint32_t a, uint32_t b) {
    return a < b ? &w->connections[a * w->nodes_count + b] : &w->connections[b * w->nodes_count + a];
}

void network_init(struct world *w) {
    size_t pairs = (size_t)w->nodes_count * w->nodes_count;
    w->channels = xcalloc(pairs, sizeof *w->channels);
    w->connections = xcalloc(pairs, sizeof *w->connections);
    for (size_t i = 0; i < pairs; i++) {
        w->channels[i].held_end = &w->channels[i].held;
        w->channels[i].options.latency_us = 500;
    }
}

static void drop_held(struct channel *ch) {
    while (ch->held) {
        struct held_frame *h = ch->held;
        ch->held = h->next;
        free(h->frame);
        free(h);
    }
    ch->held_end = &ch->held;
}

void network_finish(struct world *w) {
    for (size_t i = 0; i < (size_t)w->nodes_count * w->nodes_count; i++) drop_held(&w->channels[i]);
    free(w->channels);
    free(w->connections);
}

/* ---- frames ---- */

static struct frame *frame_copy(struct slice bytes) {
    struct frame *f = xmalloc(sizeof *f + bytes.n);
    f->n = bytes.n;
    memcpy(f->bytes, bytes.p, bytes.n);
    return f;
}

/* When something sent now arrives; with `in_order` never before what was sent earlier. */
static uint64_t arrival(struct world *w, struct channel *ch, size_t bytes, bool in_order) {
    const struct link_options *o = &ch->options;
    uint64_t departs = w->now_us;
    if (o->rate_bytes_s > 0) {
        if (ch->free_us > departs) departs = ch->free_us;
        departs += bytes * 1000000 / o->rate_bytes_s;
        ch->free_us = departs;
    }
    uint64_t at = departs + o->latency_us + world_draw(&w->network, o->jitter_us);
    if (in_order && at < ch->latest_us) at = ch->latest_us;
    if (at > ch->latest_us) ch->latest_us = at;
    return at;
}

static void transmit(struct world *w, uint32_t from, uint32_t to, uint32_t epoch, struct frame *f) {
    struct channel *ch = channel(w, from, to);
    uint64_t at = arrival(w, ch, f->n, !ch->options.reorder);
    world_schedule(w, at, (struct happening){.kind = HAPPENS_ARRIVE, .a = from, .b = to, .x = epoch, .p = f});
}

static void send_frame(struct world *w, uint32_t from, uint32_t to, uint32_t epoch, struct slice bytes) {
    struct channel *ch = channel(w, from, to);
    const struct link_options *o = &ch->options;
    w->counts.frames++;
    w->counts.bytes += bytes.n;
    if (w->watcher.sends) w->watcher.sends(w->watcher.arg, from, to, bytes);
    if (ch->cut || (o->loss_ppm > 0 && prng_chance(&w->network, o->loss_ppm, 1000000))) return;
    struct frame *f = frame_copy(bytes);
    if (o->corrupt_ppm > 0 && prng_chance(&w->network, o->corrupt_ppm, 1000000)) {
        uint64_t at = prng_below(&w->network, f->n);
        f->bytes[at] ^= (uint8_t)(1 + prng_below(&w->network, 255));
    }
    if (ch->clogged) {
        struct held_frame *h = xmalloc(sizeof *h);
        *h = (struct held_frame){.epoch = epoch, .frame = f};
        *ch->held_end = h;
        ch->held_end = &h->next;
        return;
    }
    if (o->repeat_ppm > 0 && prng_chance(&w->network, o->repeat_ppm, 1000000)) transmit(w, from, to, epoch, frame_copy(bytes));
    if (o->replay_ppm > 0 && prng_chance(&w->network, o->replay_ppm, 1000000)) {
        uint64_t at = w->now_us + 1 + world_draw(&w->network, 20000000);
        world_schedule(w, at, (struct happening){.kind = HAPPENS_ARRIVE, .a = from, .b = to, .p = frame_copy(bytes)});
    }
    transmit(w, from, to, epoch, f);
}

void network_send(struct world *w, uint32_t from, uint32_t to, struct slice frames) {
    assert(from != to && to < w->nodes_count);
    uint32_t epoch = connection(w, from, to)->end[from > to].up;
    struct reader r = reader_of(frames);
    while (frames.n > 0) {
        uint32_t length = read_u32(&r);
        read_bytes(&r, length);
        assert(!r.bad); /* whole frames */
        size_t n = (size_t)length + 4;
        if (epoch != 0) send_frame(w, from, to, epoch, SLICE(frames.p, n));
        frames = SLICE(frames.p + n, frames.n - n);
    }
}

void network_arrive(struct world *w, uint32_t from, uint32_t to, uint32_t epoch, struct frame *f) {
    struct connection *c = connection(w, from, to);
    uint32_t up = c->end[to > from].up;
    if (channel(w, from, to)->cut || up == 0 || (epoch != 0 && epoch != up)) {
        free(f);
        return;
    }
    c->end[to > from].heard_us = w->now_us;
    node_input(w, &w->nodes[to], (struct waiting_input){.type = INPUT_FRAME, .peer = from, .epoch = epoch, .frame = f});
}

/* ---- connections ---- */

static void try_soon(struct world *w, uint32_t a, uint32_t b) {
    struct connection *c = connection(w, a, b);
    if (c->try_due) return;
    c->try_due = true;
    uint64_t from = c->attempt_ends_us > w->now_us ? c->attempt_ends_us : w->now_us;
    uint64_t at = from + 1 + world_draw(&w->network, w->options.reconnect_us_max);
    world_schedule(w, at, (struct happening){.kind = HAPPENS_TRY, .a = a, .b = b});
}

static void suspect(struct world *w, uint32_t node, uint32_t peer) {
    struct connection *c = connection(w, node, peer);
    if (c->end[node > peer].up == 0 || c->end[node > peer].check_due) return;
    c->end[node > peer].check_due = true;
    uint64_t at = c->end[node > peer].heard_us + w->options.silence_us;
    world_schedule(w, at > w->now_us ? at : w->now_us + 1, (struct happening){.kind = HAPPENS_CHECK, .a = node, .b = peer});
}

static void lower(struct world *w, uint32_t node, uint32_t peer) {
    struct connection *c = connection(w, node, peer);
    uint32_t epoch = c->end[node > peer].up;
    if (epoch == 0) return;
    c->end[node > peer].up = 0;
    trace_note(w, node, "link down", peer);
    if (w->watcher.linked) w->watcher.linked(w->watcher.arg, node, peer, false);
    node_input(w, &w->nodes[node], (struct waiting_input){.type = INPUT_LINK_DOWN, .peer = peer, .epoch = epoch});
}

/* The end of a connection is seen at once where the way is free, else only by silence. */
static void tell_gone(struct world *w, uint32_t node, uint32_t peer, uint32_t epoch) {
    struct channel *ch = channel(w, node, peer);
    if (ch->cut || ch->clogged) {
        suspect(w, peer, node);
        return;
    }
    world_schedule(w, arrival(w, ch, 0, true), (struct happening){.kind = HAPPENS_LINK, .a = peer, .b = node, .x = epoch, .y = false});
}

void network_close(struct world *w, uint32_t node, uint32_t peer) {
    uint32_t epoch = connection(w, node, peer)->end[node > peer].up;
    if (epoch == 0) return;
    lower(w, node, peer);
    tell_gone(w, node, peer, epoch);
    try_soon(w, node, peer);
}

void world_disconnect(struct world *w, uint32_t a, uint32_t b) { network_close(w, a, b); }

void world_tear(struct world *w, uint32_t a, uint32_t b) {
    if (connection(w, a, b)->end[a > b].up == 0) return;
    lower(w, a, b);
    suspect(w, b, a);
    try_soon(w, a, b);
}

void network_link(struct world *w, uint32_t node, uint32_t peer, uint32_t epoch, bool up) {
    struct connection *c = connection(w, node, peer);
    if (!up) {
        if (c->end[node > peer].up != epoch) return;
        lower(w, node, peer);
        try_soon(w, node, peer);
        return;
    }
    if (!world_alive(w, node) || c->epoch != epoch || channel(w, peer, node)->cut) {
        suspect(w, peer, node);
        try_soon(w, node, peer);
        return;
    }
    lower(w, node, peer);
    c->end[node > peer].up = epoch;
    c->end[node > peer].heard_us = w->now_us;
    trace_note(w, node, "link up", peer);
    if (w->watcher.linked) w->watcher.linked(w->watcher.arg, node, peer, true);
    node_input(w, &w->nodes[node], (struct waiting_input){.type = INPUT_LINK_UP, .peer = peer, .epoch = epoch});
    suspect(w, node, peer); /* the other end may have missed it */
}

static bool nothing_can_come(struct world *w, uint32_t node, uint32_t peer) {
    struct connection *c = connection(w, node, peer);
    struct channel *ch = channel(w, peer, node);
    return ch->cut || ch->clogged || !world_alive(w, peer) || world_paused(w, peer) || c->end[0].up != c->end[1].up;
}

void network_check(struct world *w, uint32_t node, uint32_t peer) {
    struct connection *c = connection(w, node, peer);
    c->end[node > peer].check_due = false;
    if (c->end[node > peer].up == 0 || !nothing_can_come(w, node, peer)) return;
    if (w->now_us >= c->end[node > peer].heard_us + w->options.silence_us)
        network_close(w, node, peer);
    else
        suspect(w, node, peer);
}

static bool way_is_free(struct world *w, uint32_t from, uint32_t to) {
    struct channel *ch = channel(w, from, to);
    return world_alive(w, to) && !world_paused(w, to) && !ch->cut && !ch->clogged;
}

/* What HELLO is for in the real world. Whose members change tries again. */
static bool accept_each_other(struct world *w, uint32_t a, uint32_t b) {
    return engine_accepts(w->nodes[a].engine, b) && engine_accepts(w->nodes[b].engine, a);
}

void network_try(struct world *w, uint32_t a, uint32_t b) {
    struct connection *c = connection(w, a, b);
    c->try_due = false;
    if (c->end[0].up != 0 && c->end[0].up == c->end[1].up) return;
    if (!way_is_free(w, a, b) || !way_is_free(w, b, a)) return; /* who frees it tries again */
    if (!accept_each_other(w, a, b)) return;
    c->epoch++;
    uint64_t at_b = arrival(w, channel(w, a, b), 0, true);
    world_schedule(w, at_b, (struct happening){.kind = HAPPENS_LINK, .a = b, .b = a, .x = c->epoch, .y = true});
    uint64_t at_a = at_b + channel(w, b, a)->options.latency_us;
    if (at_a > channel(w, b, a)->latest_us) channel(w, b, a)->latest_us = at_a;
    c->attempt_ends_us = channel(w, b, a)->latest_us;
    world_schedule(w, c->attempt_ends_us, (struct happening){.kind = HAPPENS_LINK, .a = a, .b = b, .x = c->epoch, .y = true});
}

/* ---- nodes come and go ---- */

void network_node_awake(struct world *w, uint32_t node) {
    for (uint32_t peer = 0; peer < w->nodes_count; peer++)
        if (peer != node) try_soon(w, node, peer);
}

void network_node_stopped(struct world *w, uint32_t node, bool tell_peers) {
    for (uint32_t peer = 0; peer < w->nodes_count; peer++) {
        if (peer == node) continue;
        uint32_t epoch = connection(w, node, peer)->end[node > peer].up;
        connection(w, node, peer)->end[node > peer].up = 0;
        connection(w, node, peer)->epoch++; /* an attempt under way was this run's, and the next run will not take it up */
        if (epoch != 0 && tell_peers)
            tell_gone(w, node, peer, epoch);
        else
            suspect(w, peer, node);
    }
}

void network_node_silent(struct world *w, uint32_t node) {
    for (uint32_t peer = 0; peer < w->nodes_count; peer++)
        if (peer != node) suspect(w, peer, node);
}

/* ---- verbs ---- */

void world_slow(struct world *w, uint32_t from, uint32_t to, const struct link_options *o) {
    channel(w, from, to)->options = *o;
    trace_note(w, from, "slow", to);
}

void world_cut(struct world *w, uint32_t from, uint32_t to) {
    struct channel *ch = channel(w, from, to);
    if (ch->cut) return;
    ch->cut = true;
    drop_held(ch);
    trace_note(w, from, "cut", to);
    suspect(w, to, from);
}

void world_clog(struct world *w, uint32_t from, uint32_t to) {
    struct channel *ch = channel(w, from, to);
    if (ch->cut || ch->clogged) return;
    ch->clogged = true;
    trace_note(w, from, "clog", to);
    suspect(w, to, from);
}

void world_heal(struct world *w, uint32_t from, uint32_t to) {
    struct channel *ch = channel(w, from, to);
    if (!ch->cut && !ch->clogged) return;
    ch->cut = ch->clogged = false;
    trace_note(w, from, "heal", to);
    while (ch->held) {
        struct held_frame *h = ch->held;
        ch->held = h->next;
        transmit(w, from, to, h->epoch, h->frame);
        free(h);
    }
    ch->held_end = &ch->held;
    try_soon(w, from, to);
}

void world_heal_all(struct world *w) {
    for (uint32_t from = 0; from < w->nodes_count; from++)
        for (uint32_t to = 0; to < w->nodes_count; to++)
            if (from != to) world_heal(w, from, to);
}
