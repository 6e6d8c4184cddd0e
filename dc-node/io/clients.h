/* Clients: connections that speak the Redis protocol, each a session of the engine. */
#pragma once
#include "../core/engine.h"
#include "resp.h"
#include "stream.h"

struct client;

struct clients_owner {
    void (*open)(void *arg, uint64_t session, const char *address);
    void (*close)(void *arg, uint64_t session);
    void (*request)(void *arg, uint64_t session, const struct slice *argv, uint32_t argc);
    bool (*blocked)(void *arg, uint64_t session);       /* takes no request until clients_unblock() */
    uint64_t (*forwards)(void *arg, uint64_t session);  /* its requests that will be answered later */
    size_t (*reply_bytes)(void *arg, uint64_t session); /* replies that this run of the engine has made so far */
    /* Requests that are the host's own, and not the engine's. They are run between two runs of the engine, when all before them was answered. */
    bool (*is_own)(const struct slice *argv, uint32_t argc);
    void (*run_own)(void *arg, uint64_t session, const struct slice *argv, uint32_t argc, struct buf *reply);
};

struct clients {
    struct streams *all;
    uint32_t clients_max;
    size_t bytes_max; /* all buffers together. Beyond it who wants a large request is closed, and then who has not read its replies for longest */
    uint64_t looked_us;
    const struct clients_owner *owner;
    void *arg;
    struct listener *listener;
    struct client **slots;
    uint32_t slots_count, *free_slots, free_count, count;
    uint64_t sessions;                        /* so far */
    struct client *ready_first, **ready_last; /* have input to be looked at */
    uint64_t refused;
};

/* Listens. NULL, or an error text. `c` must be zero. */
const char *clients_start(struct clients *c, struct streams *all, const struct cluster *cluster, uint32_t self, const struct clients_owner *owner,
                          void *arg);
/* Gives requests of those that are ready to the owner, up to about bytes_max of input. */
void clients_run(struct clients *c, size_t bytes_max);
bool clients_ready(const struct clients *c);
/* After all answers of a run were given: what had to wait for them, and what the sockets take. */
void clients_settle(struct clients *c);
void clients_answer(struct clients *c, const struct answer *a);
void clients_unblock(struct clients *c, uint64_t session);
void clients_tick(struct clients *c);
void clients_stop(struct clients *c); /* closes all; streams_finish() waits for their end */
void clients_finish(struct clients *c);
