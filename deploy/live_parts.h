/* What the live stage is made of; for live_*.c alone. */
#pragma once
#include "live.h"
#include "local.h"

#include <hiredis/hiredis.h>

/* ---- nodes ---- */
struct live_node {
    pid_t pid;   /* 0: it does not run */
    int process; /* pidfd */
    bool paused;
    bool answered; /* since it was started */
    /* its clock, since skew_us of the monotonic one */
    int64_t skew_ms;
    int32_t drift_ppm;
    bool frozen;
    uint64_t skew_us, skew_wall_ms;
    enum disk_state disk;
    uint64_t disk_us;
    bool small_disk;    /* its data directory is a file system of its own */
    int net_space;      /* descriptor; 0: this program's */
    redisContext *line; /* for orders and status; NULL: connect at need */
    struct buf orders;  /* TRUCE.FAULT lines that it was not told so far */
    /* what it said last */
    json_t *status;
    uint64_t status_us; /* when; 0: never since it was started */
    uint64_t *vv;       /* by observed origin */
    uint32_t vv_count;
    enum stage_role role;  /* as it was recorded last */
    uint64_t connected[2]; /* a bit for each peer, likewise */
    uint64_t *applied;     /* by observed origin, as it was recorded last */
    uint32_t applied_count;
    json_t *episodes;     /* "id" -> "state changed" */
    uint64_t episodes_of; /* events applied when they were asked for, and 1 */
};

/* ---- links: directed ---- */
struct live_link {
    bool cut, clogged;
    struct link_options how;
};

/* ---- clients ---- */
struct live_request {
    struct live_request *next;
    stage_done *done;
    void *arg;
    uint32_t node, client;
    uint64_t invoked_us;
    bool internal; /* AUTH: nobody waits for it */
    struct buf bytes;
    bool sent;
};
struct live_client {
    uint32_t node;
    int fd; /* -1: not connected */
    bool connecting;
    uint64_t retry_us; /* not before; monotonic */
    struct buf in, out;
    size_t written;
    struct live_request *first, **last;
};

struct live_timer {
    uint64_t at_us, order;
    void (*call)(void *arg, uint64_t number);
    void *arg;
    uint64_t number;
};

/* An origin as a whole: how far it is known to have come, and since when. */
#define SEEN_MAX 64
struct live_origin {
    char *name;
    uint32_t dc;
    uint64_t number; /* the highest that any node has */
    uint64_t made;   /* recorded so far */
    struct seen {
        uint64_t number, at_us;
    } seen[SEEN_MAX]; /* ascending */
    uint32_t seen_count;
};

struct live {
    struct stage base;
    struct live_options options;
    struct local local;
    char *program;
    bool temporary;
    bool begun;
    bool stop;         /* run() returns */
    bool looks_often;  /* lags are asked for, or samples are taken */
    bool hidden;       /* mounts are its own */
    bool left_network; /* so that it has no other than its own */
    uint64_t start_us; /* monotonic, when the play began */
    struct live_node *nodes;
    struct live_link *links; /* [from * nodes_count + to] */
    bool *changed;           /* node is to be told about peer: [node * nodes_count + peer] */
    struct live_client **clients;
    uint32_t clients_count;
    size_t clients_cap;
    struct live_request *lost; /* will be told that no answer comes */
    struct live_timer *timers;
    size_t timers_count, timers_cap;
    uint64_t timers_order;
    struct live_origin *origins;
    uint32_t origins_count;
    size_t origins_cap;
    uint64_t looked_us; /* monotonic, at all nodes */
    uint64_t made_us;   /* ... at one for what it has made */
    bool moved;         /* something was answered or done since */
    int hub_space;      /* namespaces: where the bridge is */
    int own_net_space;
};
static inline struct live *live_of(struct stage *s) { return (struct live *)(void *)s; }
static inline uint32_t live_nodes(const struct live *l) { return l->local.cluster->nodes_count; }
static inline bool live_runs(const struct live *l, uint32_t node) { return l->nodes[node].pid != 0 && !l->nodes[node].paused; }
static inline struct live_link *live_link(const struct live *l, uint32_t from, uint32_t to) { return &l->links[from * live_nodes(l) + to]; }
uint64_t live_mono_us(void);
uint64_t live_now_us(struct stage *s);
/* An invariant is broken, or nothing can go on: the first is kept. */
void live_fail(struct live *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For the record; node, peer NODES_MAX: none. */
void live_note(struct live *l, enum moment_kind kind, uint32_t node, const char *format, ...) __attribute__((format(printf, 4, 5)));
void live_note_link(struct live *l, enum moment_kind kind, uint32_t node, uint32_t peer, bool up, const char *text);
void live_note_event(struct live *l, enum moment_kind kind, uint32_t node, uint32_t peer, uint64_t number, const char *text);

/* ---- live_file.c: the cluster's files ---- */
bool live_write_files(struct live *l, struct buf *why);

/* ---- live_nodes.c: processes ---- */
bool live_start(struct live *l, uint32_t node, struct buf *why);
/* Until all that were started answer, have their connections, handlers, and take writes. False: live_fail() was told. */
bool live_begin(struct live *l);
void live_kill(struct live *l, uint32_t node);
bool live_pause(struct live *l, uint32_t node, struct buf *why);
void live_resume(struct live *l, uint32_t node);
/* Reaps those that ended by themselves. */
void live_watch(struct live *l);
void live_nodes_finish(struct live *l);

/* ---- live_line.c: asking and ordering ---- */
/* A blocking connection to the node, in its namespace; NULL: it does not answer. */
redisContext *live_line(struct live *l, uint32_t node);
void live_line_drop(struct live *l, uint32_t node);
/* One command; the reply is the caller's. NULL: no answer came, the line is dropped. */
redisReply *live_ask(struct live *l, uint32_t node, int argc, const char **argv);
/* A socket in the node's namespace. -1: errno. */
int live_socket(struct live *l, uint32_t node, bool blocking);
bool live_address(const struct live *l, uint32_t node, struct buf *ret); /* a struct sockaddr_in */
void live_order(struct live *l, uint32_t node, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Everything that was ordered and not told so far; who does not run, or is paused, is told when it does. */
void live_tell_all(struct live *l);

/* ---- live_links.c ---- */
void live_links_init(struct live *l);
bool live_act_link(struct live *l, const struct act *a, struct buf *why);
/* Puts what has changed into the nodes' orders. */
void live_links_order(struct live *l);
/* All that is ordered to the node, its clock and its disk too, for one that starts. Appends lines. */
void live_orders_of(struct live *l, uint32_t node, struct buf *out);

/* ---- live_disk.c ---- */
/* From now on mounts and namespaces are this program's and its nodes' alone, and end with them. False: *why. */
bool live_hide(struct live *l, struct buf *why);
void live_disk_init(struct live *l, struct buf *why); /* *why: what cannot be, in words */
bool live_act_disk(struct live *l, const struct act *a, struct buf *why);
void live_disk_finish(struct live *l, bool keep);

/* ---- live_spaces.c ---- */
bool live_spaces_init(struct live *l, struct buf *why);
bool live_spaces_cut(struct live *l, uint32_t from, uint32_t to, bool cut, struct buf *why);
void live_spaces_finish(struct live *l);

/* ---- live_clients.c ---- */
uint32_t live_client(struct stage *s, uint32_t node);
void live_request(struct stage *s, uint32_t client, const struct slice *argv, uint32_t argc, stage_done *done, void *arg);
void live_hang_up(struct stage *s, uint32_t client);
/* Waits for bytes at most so long, and takes what came. */
void live_poll(struct live *l, uint64_t wait_us);
/* Calls those that get no answer. */
void live_tell_lost(struct live *l);
void live_clients_finish(struct live *l);

/* ---- live_events.c ---- */
/* For the record, after all nodes were looked at. */
void live_note_events(struct live *l);

/* ---- live_look.c ---- */
void live_look(struct stage *s, uint32_t node, struct stage_view *ret);
void live_look_often(struct live *l); /* at most once in 50 ms */
/* For the record: what the node has made stands before the answer to who had it made; at most once in a few milliseconds. */
void live_look_for_made(struct live *l, uint32_t node);
bool live_settle(struct stage *s, uint64_t max_us);
void live_check(struct stage *s);
void live_look_finish(struct live *l);
/* Its process has ended, or is starting. */
void live_forget_status(struct live *l, uint32_t node);
/* For the record: what it is now. */
void live_note_role(struct live *l, uint32_t node, enum stage_role role);
