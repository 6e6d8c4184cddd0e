/* The simulated world: many engines in one process, in virtual time, over simulated stores, links and clocks (DESIGN, section 10).
 *
 * One thread; all randomness from the seed; nothing depends on addresses, on hash order or on floating point, so the same calls with the same seed
 * give the same trace hash on every machine and compiler. Times are virtual microseconds since the world began. */
#pragma once
#include "../core/engine.h"
#include "store.h"
#include <stdio.h>

struct world;

struct world_options {
    const struct cluster *cluster; /* outlives the world */
    uint64_t seed;
    uint32_t planted_bug;
    uint64_t wall_ms;           /* what true clocks show at time 0; 0: some day */
    uint64_t gather_us_max;     /* a host takes inputs for 0..this before it carries out what they gave */
    uint64_t disk_us_max;       /* a commit takes 0..this */
    uint64_t answer_gap_us_max; /* between sending and answering, 0..this */
    uint64_t flush_us_max;      /* a flush takes 0..this */
    uint64_t client_us_max;     /* a request, and its reply, take 0..this */
    uint64_t client_timeout_us; /* a client that waits longer hangs up; 0: it is patient */
    uint64_t silence_us;        /* a connection on which nothing came for so long, and nothing can come, is closed */
    uint64_t reconnect_us_max;
    bool handlers;                    /* nodes have the simulated handlers (handlers.h) ... */
    bool without_handlers[NODES_MAX]; /* ... but these */
    uint64_t handler_us_max;          /* an answer takes 0..this; what is slow, or loops, longer */
    /* Handlers that are no simulated ones: nodes have them too, and `ask_handler` runs one and appends its handler_answer_encode(); it takes 1 ms. */
    const struct known_handler *known;
    uint32_t known_count;
    void (*ask_handler)(void *arg, const char *name, struct slice request, struct buf *answer);
    void *ask_arg;
};
/* Options for a calm world: what a test starts from. */
struct world_options world_calm(const struct cluster *c, uint64_t seed);

enum world_commit {
    WORLD_COMMIT_SYNCED,   /* on disk */
    WORLD_COMMIT_MADE,     /* survives a crash of the process */
    WORLD_COMMIT_DOUBTFUL, /* failed, or was under way at a crash: it may be there afterwards */
};
/* Told of what happens, for checkers. Any may be NULL. */
struct world_watcher {
    void *arg;
    void (*started)(void *arg, uint32_t node);                                  /* recovered; nothing was stepped yet */
    void (*stopped)(void *arg, uint32_t node, enum crash kind);                 /* the engine is gone already */
    void (*stepping)(void *arg, uint32_t node);                                 /* before every step */
    void (*applied)(void *arg, uint32_t node, const struct event *e, bool own); /* inside a step */
    void (*joining)(void *arg, uint32_t node, const struct vv *vv);             /* from this commit on: a transfer will make this its VV */
    void (*joined)(void *arg, uint32_t node);                                   /* inside a step: it has */
    void (*stepped)(void *arg, uint32_t node);                                  /* after every step */
    void (*committed)(void *arg, uint32_t node, enum world_commit how);         /* everything applied so far */
    void (*broken)(void *arg, uint32_t node, const char *why);                  /* the engine said fatal, or cannot recover */
    void (*backed_up)(void *arg, uint32_t node, uint32_t backup);               /* by number */
    void (*replaced)(void *arg, uint32_t node, uint32_t backup);                /* its disk is what that backup has; 0: it was wiped */
    void (*persisted)(void *arg, uint32_t node, const struct commit *c);        /* it is in the store */
    void (*linked)(void *arg, uint32_t node, uint32_t peer, bool up);           /* the node sees a connection come or go */
    void (*sends)(void *arg, uint32_t node, uint32_t peer, struct slice frame); /* one, lost or not */
};

struct world *world_create(const struct world_options *o, const struct world_watcher *watcher);
void world_destroy(struct world *w);

/* ---- time ---- */
uint64_t world_now_us(const struct world *w);
/* Runs everything due up to then, the clock ends there; sooner after world_stop(). */
void world_run(struct world *w, uint64_t until_us);
void world_stop(struct world *w);
void world_go_on(struct world *w); /* after world_stop() */
bool world_stopped(const struct world *w);
/* Calls back at a time. */
void world_at(struct world *w, uint64_t at_us, void (*call)(struct world *w, void *arg, uint64_t number), void *arg, uint64_t number);
/* Nodes that are absent in the cluster file may be started when they were added (TRUCE.MEMBERS); after their removal they take no part any more. */
bool world_takes_part(struct world *w, uint32_t node);
/* Runs until all nodes that take part run, none returns, they have equal VVs and nothing is dirty in flight, or max_us have passed; false: they
 * differ. */
bool world_settle(struct world *w, uint64_t max_us);

/* ---- nodes ---- */
/* False: its disk is full, or it cannot recover. */
bool world_start(struct world *w, uint32_t node);
void world_kill(struct world *w, uint32_t node, enum crash kind);
/* The n-th commit from now fails, and with it the node; `applied`: what failed is there after a restart. */
void world_fail_commit(struct world *w, uint32_t node, uint64_t n, bool applied);
void world_pause(struct world *w, uint32_t node);
void world_resume(struct world *w, uint32_t node);
/* Of a node that does not run (false: it does): its disk is empty now, or what a backup has. When it starts it returns (engine_returning). */
bool world_wipe(struct world *w, uint32_t node);
bool world_restore(struct world *w, uint32_t node, const char *name); /* false: or there is no backup of that name and node */
/* What is on its disk now is kept under this name; what was kept under it before goes. */
void world_backup(struct world *w, uint32_t node, const char *name);
enum disk_state {
    DISK_OK,
    DISK_FULL,    /* the node is told that there is little room, or none: a commit beyond that fails, and with it the node; it does not start */
    DISK_SLOW,    /* a commit takes 0..us */
    DISK_FAILING, /* the next commit fails, and with it the node; what failed is there after a restart, or not */
};
void world_disk(struct world *w, uint32_t node, enum disk_state state, uint64_t us);
/* The n-th read from its disk finds a damaged record, and so does every later one until the disk is wiped or restored: the node stops, and `broken`
 * is told. */
void world_damage(struct world *w, uint32_t node, uint64_t n);
bool world_alive(const struct world *w, uint32_t node);
bool world_paused(const struct world *w, uint32_t node);
uint32_t world_run_of(const struct world *w, uint32_t node); /* how many times it was started */
struct engine *world_engine(struct world *w, uint32_t node); /* NULL when not alive */
struct sim_store *world_store(struct world *w, uint32_t node);

/* ---- clocks: wall = true time + offset + drift since now, or standing still ---- */
void world_skew(struct world *w, uint32_t node, int64_t offset_ms, int32_t drift_ppm, bool frozen);
uint64_t world_wall_ms(const struct world *w, uint32_t node);
uint64_t world_true_ms(const struct world *w);

/* ---- links: directed, between nodes ---- */
struct link_options {
    uint64_t latency_us, jitter_us;
    uint64_t rate_bytes_s;                                  /* 0: no limit */
    uint32_t loss_ppm, repeat_ppm, corrupt_ppm, replay_ppm; /* replay: a frame comes again much later, maybe on a later connection */
    bool reorder;                                           /* jitter lets frames overtake each other */
};
void world_slow(struct world *w, uint32_t from, uint32_t to, const struct link_options *o);
void world_cut(struct world *w, uint32_t from, uint32_t to);  /* frames are lost */
void world_clog(struct world *w, uint32_t from, uint32_t to); /* frames are held, and come when it heals */
void world_heal(struct world *w, uint32_t from, uint32_t to);
void world_heal_all(struct world *w);
/* Both ends of a connection see it go, and connect again. */
void world_disconnect(struct world *w, uint32_t a, uint32_t b);
/* Only `a` sees it go; `b` learns of it by silence, or by the next connection. */
void world_tear(struct world *w, uint32_t a, uint32_t b);

/* ---- clients: each has one connection to one node, opened at need and again after a loss ---- */
struct reply_info {
    uint32_t node, client;
    uint64_t invoked_us, returned_us;
    struct slice reply; /* one whole RESP reply; n == 0: none came, the outcome is not known to the client */
    bool taken;         /* the node has seen it: without an answer it may have happened, or may happen still; else it never does */
};
struct request_watcher {
    void (*taken)(void *arg, uint32_t node);                /* the engine was stepped with the request; may be NULL */
    void (*done)(void *arg, const struct reply_info *info); /* exactly once; may be NULL */
    void *arg;
};
uint32_t world_client(struct world *w, uint32_t node);
/* Requests of a client are sent in order, and answered in order. */
void world_request(struct world *w, uint32_t client, const struct slice *argv, uint32_t argc, const struct request_watcher *watcher);
/* The same from text: words between spaces. */
void world_do(struct world *w, uint32_t client, const char *command, const struct request_watcher *watcher);
void world_hang_up(struct world *w, uint32_t client);
bool world_client_waits(const struct world *w, uint32_t client);

/* ---- what happened ---- */
uint64_t world_trace_hash(const struct world *w);
void world_trace_to(struct world *w, FILE *f); /* a line for every input and update; NULL: none */
struct world_counts {
    uint64_t steps, happenings, frames, commits, flushes, bytes;
};
struct world_counts world_counts(const struct world *w);
