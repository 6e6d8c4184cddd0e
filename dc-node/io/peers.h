/* Connections between nodes: one for each pair, dialed by the node whose name sorts later, opened by HELLO both ways.
 *
 * Whoever is not a member of this cluster gets one frame of at most 1 KiB looked at, an answer in words, and nothing more. */
#pragma once
#include "../../schemas/message.h"
#include "faults.h"
#include "stream.h"

struct connection;

/* What a host does with them; called on the engine's thread. */
struct peers_owner {
    void (*up)(void *arg, uint32_t peer, uint64_t run);
    void (*down)(void *arg, uint32_t peer);
    void (*frame)(void *arg, uint32_t peer, struct slice frame);
    bool (*refuses)(void *arg); /* no more EVENTS for now: they stay where they are until peers_resume() */
    uint64_t (*incarnation)(void *arg);
    bool (*accepts)(void *arg, uint32_t peer); /* is it to be connected? Not when it was removed, and knows it */
    void (*doubled)(void *arg, uint32_t peer); /* a second process says that it is peer; peer is this node: it is the second one */
};

struct peers {
    struct streams *streams;
    const struct cluster *cluster;
    uint32_t self;
    uint64_t run;
    struct origins *origins;
    size_t backlog_max; /* per peer; one that takes less than it is sent loses its connection */
    const struct peers_owner *owner;
    void *arg;
    struct listener *listener;
    struct connection *strangers; /* in their handshake */
    uint32_t strangers_count;
    struct peer {
        struct peers *all;
        struct dialer *dialer;           /* NULL: the peer dials */
        struct connection *live;         /* NULL: none */
        struct connection *shaking;      /* dialed, in its handshake */
        bool linked;                     /* there is to be a link */
        uint64_t sent_bytes, wire_bytes; /* of frames, since the start; and what became of them when they were packed */
        char logged[360];                /* the latest reason logged for not being connected */
    } peers[NODES_MAX];
    struct faults faults;
    uint64_t refused, bad_frames;
    bool stopping;
};

/* `c` may change while this runs: then peers_members(). Listens and starts to dial. NULL, or an error text: the port cannot be listened on. `l` must
 * be zero. */
const char *peers_start(struct peers *l, struct streams *streams, const struct cluster *c, uint32_t self, uint64_t run, struct origins *origins,
                        uint64_t entropy, const struct peers_owner *owner, void *arg);
void peers_members(struct peers *l); /* dials whoever is new; whoever was removed is refused */
void peers_send(struct peers *l, uint32_t peer, struct slice frames);
void peers_drop(struct peers *l, uint32_t peer, const char *why); /* the peer sent what must not be applied */
void peers_resume(struct peers *l);
void peers_healed(struct peers *l); /* dials at once whoever is missing */
/* TRUCE.FAULT about links: what faults_command() takes, and DISCONNECT <dc|node|*>: connections end, and come again. Appends the reply. */
void peers_command(struct peers *l, const struct slice *argv, uint32_t argc, struct buf *reply);
void peers_tick(struct peers *l);
uint64_t peers_wake_us(const struct peers *l);
void peers_stop(struct peers *l); /* closes all; streams_finish() waits for their end */
void peers_finish(struct peers *l);
