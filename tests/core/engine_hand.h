/* Engines whose every frame is in the hands of the test: it decides what arrives, when, how often and in which order.
 * Each input is followed by its updates, committed at once. */
#pragma once
#include "../../dc-node/core/engine.h"
#include "../../dc-node/sim/store.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HAND_NODES 4

struct hand_frame {
    uint32_t from, to;
    enum message_type type;
    struct buf bytes;
};

struct hand {
    struct cluster cluster;
    struct sim_store *stores[HAND_NODES];
    struct engine *engines[HAND_NODES];
    struct origins *names; /* to look into frames */
    struct now now;
    uint64_t entropy;
    bool returning[HAND_NODES]; /* what the host says at the next start */
    struct hand_frame *frames;  /* under way, oldest first */
    size_t count, cap;
    struct buf answers; /* RESP of all sessions, CRLF as spaces, zero-terminated by hand_answers() */
    unsigned drops;     /* connections that an engine wanted closed */
    char fatal[600];
};

struct hand *hand_open(const char *cluster_json);
void hand_close(struct hand *h);
void hand_start(struct hand *h, uint32_t node);
void hand_kill(struct hand *h, uint32_t node);
void hand_wipe(struct hand *h, uint32_t node); /* of one that was killed */
/* Both ends are told, with the runs that there are now. */
void hand_link(struct hand *h, uint32_t a, uint32_t b);
void hand_unlink(struct hand *h, uint32_t a, uint32_t b);

void hand_step(struct hand *h, uint32_t node, struct input in);
void hand_tick(struct hand *h, uint64_t us); /* time passes; every engine sees it */
void hand_client(struct hand *h, uint32_t node, uint64_t session);
void hand_do(struct hand *h, uint32_t node, uint64_t session, const char *command);
const char *hand_answers(struct hand *h); /* since the last call */

/* ---- frames under way ---- */
int hand_find(const struct hand *h, uint32_t from, uint32_t to, enum message_type type); /* the oldest; -1: none */
struct buf hand_take(struct hand *h, int frame);                                         /* off the way, into the test's hands */
void hand_deliver(struct hand *h, uint32_t from, uint32_t to, const struct buf *bytes);
void hand_flow(struct hand *h); /* delivers everything, in order, until nothing is under way */
void hand_drop_all(struct hand *h);
/* A frame made by the test; names are those of h->names. */
void hand_forge(struct hand *h, uint32_t from, uint32_t to, const struct message *m);
