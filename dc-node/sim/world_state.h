/* The simulated world's state, shared by the files of this folder; nobody else includes it. */
#pragma once
#include "happenings.h"
#include "world.h"
#include <stdalign.h>

/* What waits at the door of a node that is busy, paused, or takes no requests. */
struct waiting_input {
    struct waiting_input *next;
    enum input_type type;
    uint32_t peer;  /* LINK_*, FRAME */
    uint32_t epoch; /* LINK_*, FRAME: of the connection */
    struct frame *frame;
    uint32_t client;  /* REQUEST: some of this client's have arrived */
    uint64_t session; /* CLOSE, REQUEST; HANDLED: the run */
};

struct frame {
    size_t n;
    uint8_t bytes[];
};

struct node {
    uint32_t index;
    struct engine *engine; /* NULL: not alive */
    struct sim_store *store;
    uint32_t run;
    bool paused, refuses, flush_done;
    bool returning; /* its disk lacks what it had once: kept while it does not run */
    enum disk_state disk;
    uint64_t disk_us; /* DISK_SLOW */
    enum disk_room room, told_room;
    uint64_t boot_us; /* world time at which its monotonic clock showed 0 */
    uint64_t wake_at; /* a WAKE is under way for then; 0: none */
    uint32_t handlers_running;

    /* carrying out updates */
    bool carry_due, busy;
    enum stage { STAGE_NONE, STAGE_CARRY_OUT, STAGE_COMMIT, STAGE_SEND, STAGE_ANSWER } stage, held_stage; /* next; held back by a pause */
    const struct engine_updates *updates;                                                                 /* while busy */

    /* the wall clock */
    uint64_t skew_from_us;
    int64_t skew_base_ms; /* what it showed then */
    int32_t drift_ppm;
    bool frozen;

    struct waiting_input *door, **door_end;
    void *watch_arg[2];    /* of the engine's observer: world and node */
    uint32_t *link_epochs; /* by peer: of the connection that the engine knows, 0: none */
};

/* One direction between two nodes. */
struct channel {
    struct link_options options;
    bool cut, clogged;
    uint64_t latest_us, free_us; /* arrival of the last frame; when the line is free */
    struct held_frame {
        struct held_frame *next;
        uint32_t epoch;
        struct frame *frame;
    } * held, **held_end;
};

/* A connection between two nodes, seen from both ends; [0] is the lower node's. */
struct connection {
    uint32_t epoch; /* of the latest attempt */
    uint64_t attempt_ends_us;
    struct {
        uint32_t up; /* epoch, 0: down */
        uint64_t heard_us;
        bool check_due;
    } end[2];
    bool try_due;
};

struct request {
    struct request *next;
    uint32_t argc;
    struct slice *argv;
    uint64_t number, invoked_us;
    struct request_watcher watcher;
    bool arrived, taken;
    alignas(struct slice) uint8_t bytes[];
};

struct client {
    uint32_t node;
    uint64_t session;                         /* 0: no connection */
    bool open;                                /* the engine was told */
    struct request *requests, **requests_end; /* sent, not yet answered */
    struct buf replies;
    uint64_t arrival_us, return_us; /* of the latest request and reply: they stay in order */
};

struct backup {
    struct backup *next;
    uint32_t node, number;
    struct sim_store *store;
    char name[]; /* zero-terminated */
};

struct world {
    struct world_options options;
    struct world_watcher watcher;
    const struct cluster *cluster;
    uint32_t nodes_count;
    struct node *nodes;
    struct channel *channels;       /* from * nodes_count + to */
    struct connection *connections; /* lower * nodes_count + higher */
    struct client *clients;
    uint32_t clients_count, clients_cap;
    struct backup *backups;
    uint32_t backups_count; /* that were ever made */
    uint64_t sessions_count, requests_count;
    struct happenings happenings;
    uint64_t now_us;
    bool stopped;
    struct prng network, disk, entropy, handlers;
    uint64_t trace;
    FILE *trace_file;
    struct world_counts counts;
    struct buf scratch;
};

struct call {
    void (*function)(struct world *w, void *arg, uint64_t number);
    void *arg;
    uint64_t number;
};

/* ---- world.c ---- */
void world_schedule(struct world *w, uint64_t at_us, struct happening h);
uint64_t world_draw(struct prng *p, uint64_t max); /* 0..max */

/* ---- node.c ---- */
void node_init(struct world *w, struct node *n, uint32_t index);
void node_finish(struct world *w, struct node *n);
void node_input(struct world *w, struct node *n, struct waiting_input in); /* takes the frame */
void node_wake(struct world *w, struct node *n, uint64_t at_us);
void node_stage(struct world *w, struct node *n, enum stage stage);
void node_flushed(struct world *w, struct node *n);
void node_handled(struct world *w, struct node *n, uint64_t handler_run, struct frame *answer); /* takes the frame */
void node_step(struct world *w, struct node *n, struct input *in);
bool node_alive(const struct node *n);

/* ---- disks.c ---- */
void disks_finish(struct world *w);
uint64_t disk_commit_us(struct world *w, const struct node *n);
/* Before a commit. */
void disk_meddle(struct world *w, struct node *n);

/* ---- network.c ---- */
void network_init(struct world *w);
void network_finish(struct world *w);
void network_send(struct world *w, uint32_t from, uint32_t to, struct slice frames);
void network_arrive(struct world *w, uint32_t from, uint32_t to, uint32_t epoch, struct frame *f);
void network_link(struct world *w, uint32_t node, uint32_t peer, uint32_t epoch, bool up);
void network_check(struct world *w, uint32_t node, uint32_t peer);
void network_try(struct world *w, uint32_t a, uint32_t b);
void network_close(struct world *w, uint32_t node, uint32_t peer);
void network_node_awake(struct world *w, uint32_t node);
void network_node_stopped(struct world *w, uint32_t node, bool tell_peers);
void network_node_silent(struct world *w, uint32_t node);

/* ---- clients.c ---- */
void clients_finish(struct world *w);
void clients_arrive(struct world *w, uint32_t client, uint64_t session);
/* Steps the engine with the requests that have arrived and that it takes. */
void clients_pump(struct world *w, uint32_t client, uint64_t session);
void clients_answer(struct world *w, uint32_t node, uint64_t session, struct slice reply, bool close);
void clients_returned(struct world *w, uint32_t client, uint64_t session, struct frame *bytes, bool close);
void clients_timeout(struct world *w, uint32_t client, uint64_t session, uint64_t request);
void clients_node_stopped(struct world *w, uint32_t node);
void clients_unblocked(struct world *w, uint32_t node, uint64_t session);

/* ---- trace.c ---- */
void trace_input(struct world *w, const struct node *n, const struct input *in);
void trace_updates(struct world *w, const struct node *n, const struct engine_updates *u);
void trace_note(struct world *w, uint32_t node, const char *what, uint64_t number);
