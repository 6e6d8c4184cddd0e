/* Links: subscriptions both ways, credit, heartbeats, relays (DESIGN, section 8). */
#include "state.h"
#include <assert.h>
#include <stdio.h>

#define LOG_PAGE_BYTES         (256u * 1024)
#define REFUSED_RETRY_US       5000000u
#define SUBSCRIBE_PATIENCE_MAX 4u
#define OUT_BYTES_MAX          (8u * 1024 * 1024) /* frames for one peer in one updates */

/* All windows together take a sixteenth of the memory. */
static uint32_t window_bytes(const struct engine *e) {
    uint64_t share = e->cluster->memory_bytes_max / 16 / e->cluster->nodes_count;
    return share > WINDOW_BYTES_MAX ? WINDOW_BYTES_MAX : share < WINDOW_BYTES_MIN ? WINDOW_BYTES_MIN : (uint32_t)share;
}

bool link_reachable(const struct engine *e, uint32_t peer) { return link_heard(&e->links[peer], e->now.mono_us); }

void links_send(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (!l->connected) return;
    assert(!l->out_listed); /* the updates point into it */
    size_t before = l->out.n;
    message_encode(m, e->origins, &l->out);
    l->bytes_out += l->out.n - before;
}

static void drop(struct engine *e, uint32_t peer, const char *why) {
    GROW(e->updates.drops, e->updates.drops_count, e->drops_cap);
    e->updates.drops[e->updates.drops_count++] = (struct drop){peer, why};
    snprintf(e->links[peer].refusal, sizeof e->links[peer].refusal, "%s", why);
    e->count.frames_bad++;
}

/* ---- what this node subscribes to ---- */

static void subscribe(struct engine *e, uint32_t peer, uint32_t scope) {
    struct link *l = &e->links[peer];
    if (++l->subscription == 0) l->subscription = 1;
    if (!l->confirmed && l->scope && l->patience < SUBSCRIBE_PATIENCE_MAX)
        l->patience++;
    else if (l->confirmed && l->patience)
        l->patience--;
    l->scope = scope;
    l->subscribed_us = e->now.mono_us;
    l->confirmed = false;
    l->lost_dcs = 0;
    l->whole_bytes = l->seen_bytes = l->acked_bytes = 0;
    l->islands_count = 0;
    l->short_since_us = 0;
    struct message m = {.type = MESSAGE_SUBSCRIBE};
    m.subscribe.subscription = l->subscription;
    m.subscribe.window_bytes = window_bytes(e);
    m.subscribe.vv = e->vv;
    for (uint32_t d = 0; scope != SCOPE_ALL && d < e->cluster->dcs_count; d++)
        if (scope & (UINT32_C(1) << d)) m.subscribe.dcs[m.subscribe.dcs_count++] = SLICE(e->cluster->dcs[d].name, strlen(e->cluster->dcs[d].name));
    links_send(e, peer, &m);
}

/* No credit at all: nothing is to be sent any more. */
static void unsubscribe(struct engine *e, uint32_t peer) {
    struct link *l = &e->links[peer];
    if (++l->subscription == 0) l->subscription = 1;
    l->scope = 0;
    struct message m = {.type = MESSAGE_SUBSCRIBE};
    m.subscribe.subscription = l->subscription;
    m.subscribe.vv = e->vv;
    links_send(e, peer, &m);
}

static uint32_t dc_bit(struct engine *e, origin_ref o) {
    int32_t dc = engine_source(e, o)->dc;
    return dc < 0 ? 0 : UINT32_C(1) << dc;
}

/* DCs whose events are waited for: the origins of missing deps, and of missing numbers. */
static uint32_t waited_for(struct engine *e, bool numbers_only) {
    uint32_t mask = 0;
    for (origin_ref o = 0; e->waiting_bytes && o < origins_count(e->origins); o++) {
        const struct waiting *w = engine_source(e, o)->waiting;
        uint64_t next = vv_get(&e->vv, o) + 1;
        if (!w) continue;
        if (w->first > next) {
            mask |= dc_bit(e, o);
            continue;
        }
        struct block b;
        if (numbers_only || !block_decode(&b, SLICE(w->bytes, w->n), e->origins)) continue;
        struct reader r = reader_of(b.bodies);
        struct slice body = read_slice(&r);
        for (uint64_t n = b.first; n < next && n < w->last; n++) body = read_slice(&r);
        if (!event_decode(&e->event, (struct dot){o, next}, body, e->origins)) continue;
        for (uint32_t i = 0; i < e->event.deps_count; i++)
            if (!vv_covers(&e->vv, e->event.deps[i])) mask |= dc_bit(e, e->event.deps[i].origin);
    }
    return mask;
}

static bool has_more(void *arg, uint32_t peer, uint32_t dc) {
    struct engine *e = arg;
    const struct vv *theirs = &e->links[peer].report;
    for (origin_ref o = 0; o < origins_count(e->origins); o++)
        if (engine_source(e, o)->dc == (int32_t)dc && vv_get(theirs, o) > vv_get(&e->vv, o)) return true;
    return false;
}

static bool waited_longer_than(const struct engine *e, uint64_t us) { return e->waiting_since_us && e->now.mono_us - e->waiting_since_us > us; }

/* Is the subscription in need of being made again? */
static bool subscription_failed(struct engine *e, const struct link *l, uint32_t lost_numbers) {
    uint64_t age = e->now.mono_us - l->subscribed_us;
    if (l->refusal[0]) return age > REFUSED_RETRY_US;
    if (age < (uint64_t)SUBSCRIBE_RETRY_US << l->patience) return false;
    if (!l->confirmed) return true;
    if (l->short_since_us && e->now.mono_us - l->short_since_us > LOSS_PATIENCE_US) return true;
    /* Where what waits does not become applicable, it may be for want of what was dropped. */
    bool room = e->waiting_bytes < e->waiting_bytes_max / 2 || waited_longer_than(e, WAITING_PATIENCE_US);
    return ((l->lost_dcs & l->scope) && room) || (lost_numbers & l->scope);
}

static void plan(struct engine *e) {
    uint32_t want[NODES_MAX];
    if (e->room != ROOM_ENOUGH) return; /* what would come could not be taken */
    struct plan_input in = {.cluster = e->cluster,
                            .self = e->self,
                            .leaders = e->leaders,
                            .links = e->links,
                            .now_us = e->now.mono_us,
                            .stuck = waited_longer_than(e, WAITING_PATIENCE_US) ? waited_for(e, false) : 0,
                            .has_more = has_more,
                            .arg = e};
    plan_subscriptions(&in, want);
    uint32_t lost_numbers = waited_longer_than(e, LOSS_PATIENCE_US) ? waited_for(e, true) : 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        struct link *l = &e->links[i];
        if (!l->connected) continue;
        if (!want[i] && l->scope) unsubscribe(e, i);
        if (!want[i]) continue;
        if (want[i] != l->scope || subscription_failed(e, l, lost_numbers)) subscribe(e, i, want[i]);
    }
}

/* What came from a peer need not go back there. */
static void note_origin(struct engine *e, struct served *s, struct slice bytes) {
    struct block b;
    if (s->subscription && s->scope == SCOPE_ALL && block_decode(&b, bytes, e->origins)) vv_raise(&s->sent, b.origin, b.first + b.count - 1);
}

static void take_events(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (m->events.subscription != l->subscription || e->room != ROOM_ENOUGH) return; /* without room, no credit either */
    if (!members_counts(e, peer)) return;                                            /* nothing comes of one that was removed */
    const char *why = "";
    if (engine_ingest(e, m->events.block, false, &why) == INGEST_BAD) {
        drop(e, peer, why);
        return;
    }
    if (l->scope) note_origin(e, &l->served, m->events.block); /* else it may be of an earlier run that had more */
    l->confirmed = true;
    l->refusal[0] = 0;
    l->bytes_in += m->events.block.n;
    link_take_bytes(l, m->events.block.n, m->events.sent_bytes, e->now.mono_us);
}

/* ---- what this node serves ---- */

void links_end_catch_up(struct engine *e, uint32_t peer) {
    struct catch_up *c = &e->catch_ups[peer];
    for (uint32_t i = 0; i < c->count; i++) buf_finish(&c->pages[i].blocks);
    free(c->pages);
    *c = (struct catch_up){0};
}

static void stop_serving(struct engine *e, uint32_t peer) {
    struct served *s = &e->links[peer].served;
    vv_finish(&s->sent);
    *s = (struct served){0};
    links_end_catch_up(e, peer);
}

/* Origins have moved without events: what is subscribed, and what is served, begins again from here. */
void links_begin_anew(struct engine *e) {
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        struct link *l = &e->links[i];
        l->served.live = false;
        links_end_catch_up(e, i);
        l->scope = 0;
        l->refusal[0] = 0;
    }
}

static void take_subscribe(struct engine *e, uint32_t peer, const struct message *m) {
    if (m->subscribe.subscription == e->links[peer].served.subscription) return; /* came twice */
    stop_serving(e, peer);
    if (!m->subscribe.window_bytes) return;
    struct served *s = &e->links[peer].served;
    s->subscription = m->subscribe.subscription;
    s->window_bytes = m->subscribe.window_bytes < window_bytes(e) ? m->subscribe.window_bytes : window_bytes(e);
    vv_copy(&s->sent, &m->subscribe.vv);
    s->scope = m->subscribe.dcs_count ? 0 : SCOPE_ALL;
    for (uint32_t i = 0; i < m->subscribe.dcs_count; i++) {
        int dc = cluster_find_dc(e->cluster, m->subscribe.dcs[i]);
        if (dc >= 0) s->scope |= UINT32_C(1) << dc;
    }
    e->links[peer].heartbeat_due_us = e->now.mono_us; /* confirms it */
}

static bool in_scope(struct engine *e, const struct served *s, origin_ref o) { return s->scope == SCOPE_ALL || (s->scope & dc_bit(e, o)); }

static void send_block(struct engine *e, uint32_t peer, origin_ref origin, uint64_t last, struct slice block) {
    struct served *s = &e->links[peer].served;
    s->sent_bytes += block.n;
    vv_raise(&s->sent, origin, last);
    struct message m = {.type = MESSAGE_EVENTS};
    m.events.subscription = s->subscription;
    m.events.sent_bytes = s->sent_bytes;
    m.events.block = block;
    links_send(e, peer, &m);
}

static void refuse(struct engine *e, uint32_t peer, origin_ref o) {
    struct served *s = &e->links[peer].served;
    char why[256];
    buf_clear(&e->text);
    origin_format(origins_get(e->origins, o), &e->text);
    snprintf(why, sizeof why, "%s no longer keeps events of %.*s from number %llu on, which %s lacks", e->cluster->nodes[e->self].name,
             (int)e->text.n, (const char *)e->text.p, (unsigned long long)vv_get(&s->sent, o) + 1, e->cluster->nodes[peer].name);
    struct message m = {.type = MESSAGE_REFUSE};
    m.refuse.subscription = s->subscription;
    m.refuse.reason = SLICE(why, strlen(why));
    m.refuse.transfers = 1;
    links_send(e, peer, &m);
    s->refused = true;
}

static struct page *page_of(struct catch_up *c, origin_ref o) {
    for (uint32_t i = 0; i < c->count; i++)
        if (c->pages[i].origin == o) return &c->pages[i];
    GROW(c->pages, c->count, c->cap);
    c->pages[c->count] = (struct page){.origin = o};
    return &c->pages[c->count++];
}

/* Makes head the next block that the peer lacks. False: the log does not have it, or failed. */
static bool load_head(struct engine *e, const struct served *s, struct page *p) {
    while (p->head.count == 0) {
        if (p->r.p == p->r.end) {
            buf_clear(&p->blocks);
            int n = e->store->ops->read_log(e->store, origins_get(e->origins, p->origin), vv_get(&s->sent, p->origin) + 1, LOG_PAGE_BYTES,
                                            &p->blocks);
            if (n < 0) engine_fail(e, "%s", e->store->why);
            if (n <= 0) return false;
            p->r = reader_of(buf_slice_of(&p->blocks));
        }
        p->head_bytes = read_slice(&p->r);
        if (!block_decode(&p->head, p->head_bytes, e->origins)) {
            engine_fail(e, "a block in the log is malformed");
            return false;
        }
        if (p->head.first + p->head.count - 1 <= vv_get(&s->sent, p->origin)) p->head.count = 0;
        if (p->head.count && p->head.first > vv_get(&s->sent, p->origin) + 1) return false; /* what lies between came as rows */
        struct reader body = reader_of(p->head.bodies), stamp = reader_of(read_slice(&body));
        p->head_stamp = read_u64(&stamp);
    }
    return true;
}

/* From the log, of all origins the block with the least stamp: stamps follow causality, so the peer has to hold back little. False: nothing below the
 * tail is lacking. */
static bool send_from_log(struct engine *e, uint32_t peer) {
    struct served *s = &e->links[peer].served;
    struct page *best = NULL;
    for (origin_ref o = 0; o < origins_count(e->origins); o++) {
        if (vv_get(&s->sent, o) >= vv_get(&e->tail.base, o) || !in_scope(e, s, o)) continue;
        uint32_t at = best ? (uint32_t)(best - e->catch_ups[peer].pages) : 0; /* before page_of() moves them */
        struct page *p = page_of(&e->catch_ups[peer], o);
        if (!load_head(e, s, p)) {
            if (!e->updates.fatal) refuse(e, peer, o);
            return true;
        }
        if (best) best = &e->catch_ups[peer].pages[at];
        if (!best || p->head_stamp < best->head_stamp) best = p;
    }
    if (!best) return false;
    send_block(e, peer, best->origin, best->head.first + best->head.count - 1, best->head_bytes);
    best->head.count = 0;
    return true;
}

/* Where every node originates, events come back to whom they are from. */
static bool is_its_own(const struct engine *e, uint32_t peer, origin_ref o) {
    const struct cluster_node *n = &e->cluster->nodes[peer];
    return e->cluster->dcs[n->dc].leaderless && n->dc == e->self_dc && e->links[peer].report_run == e->links[peer].peer_run &&
           e->links[peer].report_incarnation == origins_get(e->origins, o)->incarnation;
}

/* One block from the tail; false: there is none. */
static bool send_from_tail(struct engine *e, uint32_t peer) {
    struct served *s = &e->links[peer].served;
    while (s->position < e->tail.end) {
        const struct tail_block *b = tail_at(&e->tail, s->position++);
        if (b->last <= vv_get(&s->sent, b->origin) || !in_scope(e, s, b->origin) || is_its_own(e, peer, b->origin)) continue;
        send_block(e, peer, b->origin, b->last, SLICE(b->bytes, b->n));
        return true;
    }
    return false;
}

static void pump(struct engine *e, uint32_t peer) {
    struct link *l = &e->links[peer];
    struct served *s = &l->served;
    if (!s->subscription || s->refused || !link_reachable(e, peer)) return;
    while (s->sent_bytes - s->taken_bytes < s->window_bytes && l->out.n < OUT_BYTES_MAX && !s->refused && !e->updates.fatal) {
        if (s->live && s->position < e->tail.begin) s->live = false;
        if (s->live) {
            if (!send_from_tail(e, peer)) break;
        } else if (!send_from_log(e, peer)) {
            s->live = true;
            s->position = e->tail.begin;
            links_end_catch_up(e, peer);
        }
    }
}

/* ---- heartbeats ---- */

static void send_heartbeat(struct engine *e, uint32_t peer) {
    struct link *l = &e->links[peer];
    struct message m = {.type = MESSAGE_HEARTBEAT};
    m.heartbeat.wall_ms = e->now.wall_ms;
    m.heartbeat.subscription = l->served.refused ? 0 : l->served.subscription;
    m.heartbeat.sent_bytes = l->served.sent_bytes;
    m.heartbeat.digest = engine_digest(e);
    lead_fill_heartbeat(e, &m);
    uint64_t silent_ms = (e->now.mono_us - l->heard_us) / 1000;
    m.heartbeat.silent_ms = silent_ms < UINT32_MAX ? (uint32_t)silent_ms : UINT32_MAX;
    m.heartbeat.run = e->run;
    m.heartbeat.incarnation = e->incarnation;
    m.heartbeat.knows = return_knows(e, peer);
    m.heartbeat.is_returning = e->owing;
    m.heartbeat.has_synced = !e->cluster->fsync;
    if (!e->cluster->fsync) m.heartbeat.synced = e->flushed_vv;
    m.heartbeat.vv = e->vv;
    links_send(e, peer, &m);
    l->heartbeat_due_us = (e->now.mono_us / HEARTBEAT_US + 1) * HEARTBEAT_US; /* those to all peers leave in one step */
}

/* Remembers (VV, digest), so that a report of a moment ago can still be compared. */
static void remember_digest(struct engine *e) {
    uint64_t hash = vv_hash(&e->vv, e->origins);
    struct history *last = &e->history[(e->history_next + 63) % 64];
    if (last->vv_hash == hash) return;
    e->history[e->history_next] = (struct history){hash, engine_digest(e)};
    e->history_next = (e->history_next + 1) % 64;
}

static void compare_digest(struct engine *e, struct link *l) {
    remember_digest(e);
    uint64_t hash = vv_hash(&l->report, e->origins);
    for (uint32_t i = 0; i < 64; i++)
        if (e->history[i].vv_hash == hash) l->diverged = e->history[i].digest != l->report_digest;
}

bool links_take_report(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (!return_take_report(e, peer, m)) return false;
    return_take_heartbeat(e, peer, m);
    l->report_digest = m->heartbeat.digest;
    l->report_ms = m->heartbeat.wall_ms;
    compare_digest(e, l);
    return true;
}

static void take_heartbeat(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (m->heartbeat.run != l->peer_run) return; /* of an earlier run */
    l->unheard_ms = m->heartbeat.silent_ms;
    lead_take_heartbeat(e, peer, m);
    if (!links_take_report(e, peer, m)) return;
    vv_join(&l->served.sent, &m->heartbeat.vv); /* it came from others */
    l->clock_ahead_ms = (int64_t)(m->heartbeat.wall_ms - e->now.wall_ms);
    l->confirmed = m->heartbeat.subscription == l->subscription; /* a SUBSCRIBE that came late may have replaced ours */
    if (!l->confirmed) return;
    l->refusal[0] = 0; /* one that is refused is not named */
    if (m->heartbeat.sent_bytes > l->whole_bytes && !l->short_since_us) l->short_since_us = e->now.mono_us;
}

static void send_ack(struct engine *e, uint32_t peer) {
    struct link *l = &e->links[peer];
    struct message m = {.type = MESSAGE_ACK};
    m.ack.subscription = l->subscription;
    m.ack.taken_bytes = l->seen_bytes;
    m.ack.term = e->election.durable.admitted ? e->election.durable.term : 0;
    for (uint32_t i = 0; i < e->ack_moved_count; i++) vv_set(&m.ack.on_disk, e->ack_moved[i], vv_get(&e->vv, e->ack_moved[i]));
    links_send(e, peer, &m);
    message_finish(&m);
    l->acked_bytes = l->seen_bytes;
}

static void take_ack(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (m->ack.subscription != l->served.subscription) return;
    vv_join(&l->on_disk, &m->ack.on_disk);
    ack_take(e, peer, m->ack.term, &m->ack.on_disk);
    if (m->ack.taken_bytes > l->served.taken_bytes && m->ack.taken_bytes <= l->served.sent_bytes) l->served.taken_bytes = m->ack.taken_bytes;
}

static void take_refuse(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (m->refuse.subscription && m->refuse.subscription != l->subscription) return;
    int n = (int)(m->refuse.reason.n < sizeof l->refusal - 1 ? m->refuse.reason.n : sizeof l->refusal - 1);
    snprintf(l->refusal, sizeof l->refusal, "%.*s", n, (const char *)m->refuse.reason.p);
    for (char *c = l->refusal; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?'; /* it goes into the status, which is JSON */
    if (m->refuse.transfers) transfer_offered(e, peer);
}

/* ---- inputs ---- */

static void link_up(struct engine *e, uint32_t peer, uint64_t run) {
    struct link *l = &e->links[peer];
    stop_serving(e, peer);
    l->connected = true;
    if (l->peer_run != run) {
        l->channel_last = l->acked_term = l->round_answered = 0;
    }
    l->peer_run = run;
    l->origins_known = origins_count(e->origins);
    l->heard_us = e->now.mono_us;
    l->unheard_ms = 0;
    l->scope = 0; /* nothing is subscribed on this connection */
    l->refusal[0] = 0;
    buf_clear(&l->out);
    reports_link_up(e, peer);
    send_heartbeat(e, peer);
    plan(e);
}

static void link_down(struct engine *e, uint32_t peer) {
    struct link *l = &e->links[peer];
    l->connected = false;
    stop_serving(e, peer);
    buf_clear(&l->out);
    requests_peer_lost(e, peer);
    lead_lost(e, peer);
}

static void take_frame(struct engine *e, uint32_t peer, struct slice frame) {
    struct message m;
    size_t size;
    const char *why = "the frame is incomplete";
    if (!e->links[peer].connected) return;
    if (message_decode(frame, e->origins, &m, &size, &why) != FRAME_OK || size != frame.n) {
        drop(e, peer, why);
        return;
    }
    e->links[peer].heard_us = e->now.mono_us;
    switch (m.type) {
    case MESSAGE_HELLO: break; /* exchanged before LINK_UP */
    case MESSAGE_REFUSE: take_refuse(e, peer, &m); break;
    case MESSAGE_SUBSCRIBE: take_subscribe(e, peer, &m); break;
    case MESSAGE_EVENTS: take_events(e, peer, &m); break;
    case MESSAGE_ACK: take_ack(e, peer, &m); break;
    case MESSAGE_HEARTBEAT: take_heartbeat(e, peer, &m); break;
    case MESSAGE_FORWARD: requests_forward(e, peer, &m); break;
    case MESSAGE_ANSWER: requests_answer(e, peer, &m); break;
    case MESSAGE_TRANSFER_ASK: transfer_take(e, peer, &m); break;
    case MESSAGE_TRANSFER_ROWS:
    case MESSAGE_TRANSFER_END:
        if (members_counts(e, peer)) transfer_take(e, peer, &m); /* from one that was removed as little as events */
        break;
    case MESSAGE_VOTE:
    case MESSAGE_VOTED:
    case MESSAGE_LEAD: lead_take(e, peer, &m); break;
    case MESSAGE_ROW_ASK: tell_ask(e, peer, &m); break;
    case MESSAGE_ROW_TOLD: ask_take_told(e, peer, &m); break;
    case MESSAGE_REPORT: reports_take(e, peer, &m); break;
    }
    message_finish(&m);
}

void links_step(struct engine *e, const struct input *in) {
    assert(in->peer < e->cluster->nodes_count && in->peer != e->self);
    switch (in->type) {
    case INPUT_LINK_UP: link_up(e, in->peer, in->run); break;
    case INPUT_LINK_DOWN: link_down(e, in->peer); break;
    default: take_frame(e, in->peer, in->frame); break;
    }
}

void links_tick(struct engine *e) {
    plan(e);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->links[i].connected && e->now.mono_us >= e->links[i].heartbeat_due_us) {
            remember_digest(e);
            send_heartbeat(e, i);
        }
    reports_tick(e);
    progress_tick(e);
}

void links_updates(struct engine *e) {
    for (uint32_t i = 0; i < e->cluster->nodes_count && !e->updates.fatal; i++) {
        struct link *l = &e->links[i];
        if (!l->connected) continue;
        if (l->seen_bytes > l->acked_bytes) send_ack(e, i);
        pump(e, i);
        progress_window(e, i);
        if (!l->out.n) continue;
        GROW(e->updates.out, e->updates.out_count, e->out_cap);
        e->updates.out[e->updates.out_count++] = (struct outgoing){i, buf_slice_of(&l->out)};
        l->out_listed = 1;
    }
}

uint64_t links_wake_us(const struct engine *e) {
    uint64_t wake = e->now.mono_us + HEARTBEAT_US;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->links[i].connected && e->links[i].heartbeat_due_us < wake) wake = e->links[i].heartbeat_due_us;
    return wake;
}
