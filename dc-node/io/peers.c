#include "peers.h"
#include "../../topology/ways.h"
#include "log.h"
#include "pack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_BYTES_MAX   1024u
#define HANDSHAKE_US      2000000u
#define IDENTITY_ALIVE_US 1000000u /* a connection heard this lately holds its identity against a second comer */
#define SILENT_US         5000000u
#define STRANGERS_MAX     (2 * NODES_MAX)
#define HELD_BYTES_MAX    (16u * 1024 * 1024)
#define FRAME_HEAD        6u           /* length, version, type */
#define FRAME_US          10000000u    /* a frame that was begun must be whole within this, */
#define FRAME_RATE        (16u * 1024) /* ... and a second more for so many bytes of it */
#define PACK_LOOK_BYTES   (256u * 1024)
#define PACK_REST_BYTES   (4u * 1024 * 1024) /* are sent as they are where packing did not make much less of the last PACK_LOOK_BYTES */
#define UNPACKED_KEPT     (64u * 1024)

struct connection {
    struct peers *all;
    struct stream *stream;
    struct connection *next, **link; /* among the strangers */
    uint32_t peer;                   /* dialed: who is expected; NODES_MAX: not known yet */
    bool dialed, live;
    bool ignored; /* its link is cut: it is let run into its time limit */
    uint64_t run, since_us;
    uint64_t frame_since_us; /* the frame at the head of the input is not whole since then; 0: there is none */
    bool unpacks;            /* the other side does */
    struct packer *packer;   /* NULL: nothing was packed so far */
    struct unpacker *unpacker;
    struct buf unpacked; /* of which unpacked_used bytes are done with */
    size_t unpacked_used;
    uint64_t pack_in, pack_out, plain_left; /* does it pay? */
    char address[64];
};

static const char *name_of(const struct peers *l, uint32_t peer) { return peer < l->cluster->nodes_count ? l->cluster->nodes[peer].name : "?"; }

/* Once for each new reason, not for each attempt. */
static void log_reason(struct peers *l, uint32_t peer, const char *address, const char *reason) {
    if (peer < l->cluster->nodes_count) {
        struct peer *p = &l->peers[peer];
        if (strncmp(p->logged, reason, sizeof p->logged - 1) == 0) return;
        snprintf(p->logged, sizeof p->logged, "%.*s", (int)sizeof p->logged - 1, reason);
    }
    log_warning("link %s (%s): %s", name_of(l, peer), address, reason);
}

/* ---- handshake ---- */
static void send_message(struct connection *c, const struct message *m) {
    message_encode(m, c->all->origins, stream_queue(c->stream));
    stream_flush(c->stream);
}

static uint64_t secret_hash(const struct cluster *c) { return c->secret[0] ? hash64(slice_text(c->secret)) : 0; }

static void send_hello(struct connection *c) {
    const struct peers *l = c->all;
    const struct cluster_node *self = &l->cluster->nodes[l->self];
    struct message m = {.type = MESSAGE_HELLO,
                        .hello = {.cluster = slice_text(l->cluster->name),
                                  .dc = slice_text(l->cluster->dcs[self->dc].name),
                                  .node = self->node,
                                  .incarnation = l->owner->incarnation(l->arg),
                                  .run = l->run,
                                  .secret = secret_hash(l->cluster),
                                  .definitions = l->cluster->definitions_hash,
                                  .unpacks = 1}};
    send_message(c, &m);
}

static void refuse(struct connection *c, const char *reason) {
    c->all->refused++;
    log_reason(c->all, c->peer, c->address, reason);
    struct message m = {.type = MESSAGE_REFUSE, .refuse = {.reason = slice_text(reason)}};
    send_message(c, &m);
    stream_close_written(c->stream, reason);
}

static void stranger_leave(struct connection *c) {
    if (c->link == NULL) return;
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->link = NULL;
    c->all->strangers_count--;
}

/* One that was removed is until it knows it. */
static bool is_accepted(const struct peers *l, uint32_t peer) { return l->owner->accepts(l->arg, peer); }

/* Members come and go, so who has a link with whom may change. */
static void dial(struct peers *l, struct peer *p, bool at_once) {
    uint32_t peer = (uint32_t)(p - l->peers);
    if (p->dialer && is_accepted(l, peer) && ways_linked(l->cluster, l->self, peer)) dialer_try(p->dialer, at_once);
}

/* Who speaks, or NODES_MAX and why not. */
static uint32_t identify(const struct connection *c, const struct message *m, char *why, size_t why_n) {
    const struct peers *l = c->all;
    int node = cluster_find_node(l->cluster, m->hello.dc, m->hello.node);
    if (!slice_equal(m->hello.cluster, slice_text(l->cluster->name)))
        snprintf(why, why_n, "belongs to cluster \"%.*s\", this is \"%s\"", (int)m->hello.cluster.n, (const char *)m->hello.cluster.p,
                 l->cluster->name);
    else if (m->hello.secret != secret_hash(l->cluster))
        snprintf(why, why_n, "does not know the secret of this cluster");
    else if (node < 0)
        snprintf(why, why_n, "says it is %.*s-%u, which is no node of this cluster", (int)m->hello.dc.n, (const char *)m->hello.dc.p, m->hello.node);
    else if ((uint32_t)node == l->self)
        snprintf(why, why_n, "says it is %s, as this node itself", l->cluster->nodes[node].name);
    else if (!is_accepted(l, (uint32_t)node))
        snprintf(why, why_n, "%s was removed from this cluster",
                 l->cluster->nodes[l->cluster->nodes[l->self].standing == STANDING_REMOVED ? l->self : (uint32_t)node].name);
    else if (m->hello.definitions != l->cluster->definitions_hash)
        snprintf(why, why_n, "the cluster files of %s and %s differ in tables or priorities: make them equal, or change tables with TRUCE.TABLE SET",
                 l->cluster->nodes[l->self].name, l->cluster->nodes[node].name);
    else if (!ways_linked(l->cluster, l->self, (uint32_t)node))
        snprintf(why, why_n, "the cluster files of %s and %s differ: by that of %s they exchange nothing directly (topology %s)",
                 l->cluster->nodes[l->self].name, l->cluster->nodes[node].name, l->cluster->nodes[l->self].name, topology_name(l->cluster->topology));
    else if (c->dialed && (uint32_t)node != c->peer)
        snprintf(why, why_n, "says it is %s, where %s was expected", l->cluster->nodes[node].name, name_of(l, c->peer));
    else if (!c->dialed && l->peers[node].dialer)
        snprintf(why, why_n, "%s dialed, but between these two %s dials", l->cluster->nodes[node].name, l->cluster->nodes[l->self].name);
    else
        return (uint32_t)node;
    return NODES_MAX;
}

#define TAKEN "another process is " /* so begins the reason of a refusal */

/* True: the older connection of this identity, if any, makes way. */
static bool replaces(struct connection *c, uint64_t run) {
    struct connection *older = c->all->peers[c->peer].live;
    if (older == NULL || older->run == run) return true;
    if (c->all->streams->now_us - stream_heard_us(older->stream) > IDENTITY_ALIVE_US) return true;
    log_error("two processes say that they are %s: the one at %s stays, the one at %s is refused", name_of(c->all, c->peer), older->address,
              c->address);
    c->all->owner->doubled(c->all->arg, c->peer);
    return false;
}

static void connection_down(struct connection *c) {
    struct peers *l = c->all;
    if (!c->live) return;
    c->live = false;
    l->peers[c->peer].live = NULL;
    faults_forget(&l->faults, c->peer);
    l->owner->down(l->arg, c->peer);
}

static void go_live(struct connection *c, uint64_t run) {
    struct peers *l = c->all;
    struct peer *p = &l->peers[c->peer];
    if (p->live) {
        struct connection *older = p->live;
        connection_down(older);
        stream_close(older->stream, "replaced by a newer connection");
    }
    if (p->shaking == c) p->shaking = NULL;
    if (!c->dialed) send_hello(c);
    stranger_leave(c);
    c->live = true;
    c->run = run;
    p->live = c;
    p->logged[0] = 0;
    if (p->dialer) dialer_reached(p->dialer);
    log_info("link %s (%s): up", name_of(l, c->peer), c->address);
    l->owner->up(l->arg, c->peer, run);
}

static void take_hello(struct connection *c, const struct message *m) {
    char why[320];
    uint32_t peer = identify(c, m, why, sizeof why);
    if (peer == NODES_MAX) {
        refuse(c, why);
        return;
    }
    c->peer = peer;
    c->unpacks = m->hello.unpacks;
    if (fault_bars(&c->all->faults.of[peer])) {
        c->ignored = true;
    } else if (!replaces(c, m->hello.run)) {
        snprintf(why, sizeof why, TAKEN "%s, and alive", name_of(c->all, peer));
        refuse(c, why);
    } else {
        go_live(c, m->hello.run);
    }
}

static void take_first_frame(struct connection *c, struct slice frame) {
    struct message m = {0};
    size_t size;
    const char *why = NULL;
    uint8_t type = frame.p[5];
    if (type != MESSAGE_HELLO && type != MESSAGE_REFUSE) {
        refuse(c, "does not begin with HELLO");
        return;
    }
    if (message_decode(frame, c->all->origins, &m, &size, &why) != FRAME_OK) {
        char text[160];
        snprintf(text, sizeof text, "its first frame cannot be read: %s", why ? why : "malformed");
        refuse(c, text);
        return;
    }
    if (m.type == MESSAGE_HELLO) {
        take_hello(c, &m);
    } else {
        char text[360];
        snprintf(text, sizeof text, "it refuses this node: %.*s", m.refuse.reason.n < 320 ? (int)m.refuse.reason.n : 320,
                 (const char *)m.refuse.reason.p);
        log_reason(c->all, c->peer, c->address, text);
        if (m.refuse.reason.n > strlen(TAKEN) && memcmp(m.refuse.reason.p, TAKEN, strlen(TAKEN)) == 0)
            c->all->owner->doubled(c->all->arg, c->all->self);
        stream_close(c->stream, text);
    }
    message_finish(&m);
}

/* ---- frames ---- */
static void bad_frame(struct connection *c, const char *why) {
    c->all->bad_frames++;
    log_warning("link %s (%s): closed: %s (%llu such so far)", name_of(c->all, c->peer), c->address, why, (unsigned long long)c->all->bad_frames);
    stream_close(c->stream, why);
}

/* The whole first frame of the input; false: it is not there yet (*ret_wanted bytes more), or bad. */
static bool frame_next(struct connection *c, struct slice in, struct slice *ret, size_t *ret_wanted) {
    *ret_wanted = in.n < FRAME_HEAD ? FRAME_HEAD - in.n : 0;
    if (*ret_wanted) return false;
    struct reader r = reader_of(in);
    uint64_t size = (uint64_t)read_u32(&r) + 4;
    uint64_t most = c->live ? FRAME_BYTES_MAX : HELLO_BYTES_MAX;
    if (size > most || size < FRAME_OVERHEAD) {
        if (c->live)
            bad_frame(c, "a frame of impossible length");
        else
            refuse(c, "does not begin with HELLO");
        return false;
    }
    *ret_wanted = in.n < size ? size - in.n : 0;
    *ret = SLICE(in.p, size);
    return *ret_wanted == 0;
}

/* False: it is not taken now; peers_resume() goes on with it. */
static bool deliver(struct connection *c, struct slice frame) {
    struct peers *l = c->all;
    if (frame.p[5] == MESSAGE_EVENTS && l->owner->refuses(l->arg)) return false;
    if (!l->faults.of[c->peer].cut_in) l->owner->frame(l->arg, c->peer, frame);
    return true;
}

static struct slice unpacked_rest(const struct connection *c) { return SLICE(c->unpacked.p + c->unpacked_used, c->unpacked.n - c->unpacked_used); }

/* Whole frames among what is unpacked. False: one is not taken now, or the connection closes. */
static bool deliver_unpacked(struct connection *c) {
    struct slice frame;
    size_t wanted;
    while (unpacked_rest(c).n > 0 && frame_next(c, unpacked_rest(c), &frame, &wanted)) {
        if (frame.p[5] == FRAME_PACKED) bad_frame(c, "a packed frame within a packed one");
        if (stream_closing(c->stream) || !deliver(c, frame) || stream_closing(c->stream)) return false;
        c->unpacked_used += frame.n;
    }
    size_t rest = unpacked_rest(c).n;
    if (c->unpacked_used > 0 && rest > 0) memmove(c->unpacked.p, c->unpacked.p + c->unpacked_used, rest);
    c->unpacked.n = rest;
    c->unpacked_used = 0;
    if (rest == 0 && c->unpacked.cap > UNPACKED_KEPT) buf_finish(&c->unpacked);
    return !stream_closing(c->stream);
}

/* What comes on a connection that is up. False: it is not taken now, or the connection closes. */
static bool take_frame(struct connection *c, struct slice frame) {
    if (frame.p[5] == FRAME_PACKED) {
        if (!c->unpacker) c->unpacker = unpacker_create();
        const char *why = unpacker_take(c->unpacker, frame, &c->unpacked);
        if (why) bad_frame(c, why);
        return why == NULL;
    }
    if (unpacked_rest(c).n > 0) bad_frame(c, "a frame that is not packed, amid one that is");
    return !stream_closing(c->stream) && deliver(c, frame);
}

static void connection_readable(void *arg) {
    struct connection *c = arg;
    size_t wanted = 1;
    struct slice frame;
    bool any = false;
    if (c->live && !deliver_unpacked(c)) return;
    while (!stream_closing(c->stream) && !c->ignored && frame_next(c, stream_input(c->stream), &frame, &wanted)) {
        if (c->live && !take_frame(c, frame)) return;
        if (!c->live) take_first_frame(c, frame);
        if (stream_closing(c->stream)) return;
        stream_consume(c->stream, frame.n);
        any = true;
        if (c->live && !deliver_unpacked(c)) return;
    }
    bool begun = stream_input(c->stream).n > 0;
    if (!begun || any || !c->frame_since_us) c->frame_since_us = begun ? c->all->streams->now_us : 0;
    if (c->ignored) stream_consume(c->stream, stream_input(c->stream).n);
    if (!stream_closing(c->stream)) stream_read(c->stream, wanted);
}

static void connection_drained(void *arg) {}

static void connection_closed(void *arg, const char *why) {
    struct connection *c = arg;
    struct peers *l = c->all;
    if (c->live) {
        log_info("link %s (%s): down: %s", name_of(l, c->peer), c->address, why);
        connection_down(c);
    }
    stranger_leave(c);
    if (c->dialed) {
        struct peer *p = &l->peers[c->peer];
        if (p->shaking == c) p->shaking = NULL;
        if (!l->stopping && !p->live && !p->shaking) dial(l, p, false);
    }
    packer_destroy(c->packer);
    unpacker_destroy(c->unpacker);
    buf_finish(&c->unpacked);
    free(c);
}

static const struct stream_owner connection_owner = {connection_readable, NULL, connection_drained, connection_closed};

static struct connection *connection_make(struct peers *l, struct nng_stream *raw, uint32_t peer) {
    struct connection *c = xcalloc(1, sizeof *c);
    *c = (struct connection){.all = l, .peer = peer, .dialed = peer < NODES_MAX, .since_us = l->streams->now_us, .next = l->strangers};
    c->link = &l->strangers;
    if (c->next) c->next->link = &c->next;
    l->strangers = c;
    l->strangers_count++;
    c->stream = stream_open(l->streams, raw, &connection_owner, c);
    stream_address(c->stream, c->address, sizeof c->address);
    return c;
}

static void accepted(void *arg, struct nng_stream *raw) {
    struct peers *l = arg;
    if (l->stopping || l->strangers_count >= STRANGERS_MAX) {
        stream_refuse(raw);
        return;
    }
    stream_read(connection_make(l, raw, NODES_MAX)->stream, HELLO_BYTES_MAX);
}

static void dialed(void *arg, struct nng_stream *raw) {
    struct peer *p = arg;
    struct peers *l = p->all;
    if (l->stopping || p->live) {
        stream_refuse(raw);
        return;
    }
    uint32_t peer = (uint32_t)(p - l->peers);
    struct connection *c = connection_make(l, raw, peer);
    p->shaking = c;
    c->ignored = fault_bars(&l->faults.of[peer]);
    if (!c->ignored) send_hello(c);
    stream_read(c->stream, HELLO_BYTES_MAX);
}

static void dial_failed(void *arg, const char *why) {
    struct peer *p = arg;
    struct peers *l = p->all;
    uint32_t peer = (uint32_t)(p - l->peers);
    if (l->stopping) return;
    log_reason(l, peer, l->cluster->nodes[peer].peer_host, why);
    dial(l, p, false);
}

/* ---- the door to the host ---- */
/* Does compressing pay? Between datacenters, where bytes are slow or dear, but not to this machine itself; and to a node nearby whose link does not
 * take what it is given. */
static bool packs(const struct connection *c) {
    const struct peers *l = c->all;
    if (!c->unpacks || strncmp(c->address, "127.", 4) == 0 || strncmp(c->address, "[0:0:0:0:0:0:0:1]", 17) == 0) return false;
    return l->cluster->nodes[c->peer].dc != l->cluster->nodes[l->self].dc || stream_backlog(c->stream) > STREAM_BACKLOG_MARK;
}

static void write_packed(struct connection *c, struct slice frames) {
    struct buf *queue = stream_queue(c->stream);
    size_t before = queue->n;
    if (!c->packer) c->packer = packer_create();
    packer_put(c->packer, frames, queue);
    c->pack_in += frames.n;
    c->pack_out += queue->n - before;
    if (c->pack_in < PACK_LOOK_BYTES) return;
    if (c->pack_out > c->pack_in - c->pack_in / 8) c->plain_left = PACK_REST_BYTES;
    c->pack_in = c->pack_out = 0;
}

static void send_now(void *arg, uint32_t peer, struct slice frames) {
    struct peers *l = arg;
    struct connection *c = l->peers[peer].live;
    if (c == NULL || stream_closing(c->stream)) return;
    if (stream_backlog(c->stream) + frames.n > l->backlog_max) {
        log_warning("link %s (%s): closed: it does not take what it is sent", name_of(l, peer), c->address);
        stream_close(c->stream, "it does not take what it is sent");
        return;
    }
    size_t before = stream_queue(c->stream)->n;
    if (c->plain_left == 0 && packs(c))
        write_packed(c, frames);
    else
        stream_write(c->stream, frames);
    c->plain_left -= c->plain_left < frames.n ? c->plain_left : frames.n;
    l->peers[peer].sent_bytes += frames.n;
    l->peers[peer].wire_bytes += stream_queue(c->stream)->n - before;
    stream_flush(c->stream);
}

void peers_send(struct peers *l, uint32_t peer, struct slice frames) {
    if (l->peers[peer].live == NULL) return;
    if (fault_none(&l->faults.of[peer]))
        send_now(l, peer, frames);
    else
        faults_hold(&l->faults, peer, frames, l->streams->now_us);
}

void peers_drop(struct peers *l, uint32_t peer, const char *why) {
    if (l->peers[peer].live) bad_frame(l->peers[peer].live, why);
}

void peers_resume(struct peers *l) {
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct connection *c = l->peers[i].live;
        if (c && (stream_input(c->stream).n > 0 || unpacked_rest(c).n > 0)) connection_readable(c);
    }
}

static void disconnect(struct peers *l, struct slice name, struct buf *reply) {
    bool chosen[NODES_MAX] = {false};
    if (!faults_peers(&l->faults, name, true, chosen)) {
        buf_text(reply, "-ERR TRUCE.FAULT: no such datacenter or node\r\n");
        return;
    }
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++)
        if (chosen[i] && l->peers[i].live) stream_close(l->peers[i].live->stream, "disconnected by order");
    buf_text(reply, "+OK\r\n");
}

void peers_command(struct peers *l, const struct slice *argv, uint32_t argc, struct buf *reply) {
    if (argc == 3 && slice_is(argv[1], "disconnect"))
        disconnect(l, argv[2], reply);
    else if (faults_command(&l->faults, argv, argc, reply))
        peers_healed(l);
}

void peers_healed(struct peers *l) {
    for (struct connection *c = l->strangers; c; c = c->next)
        if (c->ignored && !(c->peer < NODES_MAX && fault_bars(&l->faults.of[c->peer]))) stream_close(c->stream, "the cut is healed");
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct peer *p = &l->peers[i];
        if (!p->live && !p->shaking) dial(l, p, true);
    }
}

void peers_tick(struct peers *l) {
    uint64_t now_us = l->streams->now_us;
    faults_release(&l->faults, now_us, send_now, l);
    for (struct connection *c = l->strangers; c; c = c->next) {
        if (stream_closing(c->stream) || now_us - c->since_us < HANDSHAKE_US) continue;
        if (!c->ignored) log_reason(l, c->peer, c->address, "said no HELLO in time");
        stream_close(c->stream, "said no HELLO in time");
    }
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct connection *c = l->peers[i].live;
        if (c && !l->faults.of[i].cut_in && !l->owner->refuses(l->arg) && now_us - stream_heard_us(c->stream) > SILENT_US)
            stream_close(c->stream, "it is silent");
        uint64_t frame_us = c ? FRAME_US + stream_input(c->stream).n * 1000000 / FRAME_RATE : 0;
        if (c && c->frame_since_us && !l->owner->refuses(l->arg) && now_us - c->frame_since_us > frame_us)
            stream_close(c->stream, "a frame that it began does not end");
    }
}

uint64_t peers_wake_us(const struct peers *l) {
    uint64_t wake = faults_wake_us(&l->faults);
    for (const struct connection *c = l->strangers; c; c = c->next)
        if (c->since_us + HANDSHAKE_US < wake) wake = c->since_us + HANDSHAKE_US;
    return wake;
}

void peers_members(struct peers *l) {
    const char *me = l->cluster->nodes[l->self].name;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        const struct cluster_node *n = &l->cluster->nodes[i];
        struct peer *p = &l->peers[i];
        if (i == l->self || l->stopping || !is_accepted(l, i) || strcmp(me, n->name) <= 0) continue;
        p->all = l;
        if (p->dialer && p->linked == ways_linked(l->cluster, l->self, i)) continue;
        p->linked = ways_linked(l->cluster, l->self, i);
        if (!p->dialer) p->dialer = dialer_open(l->streams, n->peer_host, n->peer_port, dialed, dial_failed, p);
        if (!p->live && !p->shaking) dial(l, p, true);
    }
}

const char *peers_start(struct peers *l, struct streams *streams, const struct cluster *c, uint32_t self, uint64_t run, struct origins *origins,
                        uint64_t entropy, const struct peers_owner *owner, void *arg) {
    l->streams = streams;
    l->cluster = c;
    l->self = self;
    l->run = run;
    l->origins = origins;
    l->owner = owner;
    l->arg = arg;
    size_t share = c->memory_bytes_max / 16;
    l->backlog_max = share > FRAME_BYTES_MAX ? share : FRAME_BYTES_MAX;
    faults_init(&l->faults, c, self, share < HELD_BYTES_MAX ? share : HELD_BYTES_MAX, entropy);
    const struct cluster_node *me = &c->nodes[self];
    const char *error = listener_open(&l->listener, streams, me->peer_host, me->peer_port, accepted, l);
    if (error) return error;
    peers_members(l);
    return NULL;
}

void peers_stop(struct peers *l) {
    l->stopping = true;
    listener_close(l->listener);
    l->listener = NULL;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        dialer_close(l->peers[i].dialer);
        l->peers[i].dialer = NULL;
        if (l->peers[i].live) stream_close(l->peers[i].live->stream, "this node stops");
    }
    for (struct connection *c = l->strangers; c; c = c->next) stream_close(c->stream, "this node stops");
}

void peers_finish(struct peers *l) { faults_finish(&l->faults); }
