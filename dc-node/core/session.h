/* A client's session: what a connection remembers between commands. */
#pragma once
#include "../../schemas/ack.h"
#include "call.h"

struct watched {
    struct buf key;
    uint64_t state; /* fingerprint of the row's siblings when it was watched */
    bool absent;    /* it read as absent then */
};

struct queued {
    struct buf args; /* argc slices */
    uint32_t argc;
    const struct command *command;
};

struct session {
    uint64_t id;
    uint8_t protocol; /* 2 until HELLO 3 */
    bool authenticated;
    bool multi, multi_failed; /* between MULTI and EXEC; a command could not be queued */
    bool quit;                /* close after the replies */
    char name[64], lib_name[64], lib_version[64], address[64];
    uint64_t opened_ms;
    struct queued *queue;
    uint32_t queue_count, queue_cap;
    size_t queue_bytes;
    struct watched *watches;
    uint32_t watches_count, watches_cap;
    struct buf out; /* replies not yet handed to the host */
    /* The rest belongs to engine_requests.c. */
    enum { WAIT_NOTHING, WAIT_REPLICAS, WAIT_TOKEN, WAIT_JOB, WAIT_ROWS } wait;
    uint64_t wait_deadline_us; /* 0: none */
    uint32_t wait_replicas;    /* TOKEN: other DCs */
    struct buf wait_token;
    struct dot last_write; /* the latest event of this session, for WAIT */
    bool pinned;           /* at a follower, from WATCH to EXEC: all commands run at the leader */
    bool remote;           /* at the leader: stands for a follower's client */
    bool in_exec;
    bool listed_out;
    size_t held_bytes;  /* of replies that wait for acknowledgements (engine_ack.c) */
    struct ack ack;     /* TRUCE.ACK: what its writes wait for */
    uint8_t read_level; /* TRUCE.READ: enum read_level */
};

/* ---- for commands/session.c, given by engine.c ---- */
void session_watch(struct call *c, struct slice key);
void session_unwatch(struct session *s);
void session_discard(struct session *s); /* the queue and the watches go */
/* EXEC: runs the queue as one transaction and writes the array of replies; null when a watched row changed. */
void session_exec(struct call *c);
/* WAIT: writes the reply at once, or blocks the session until it can. */
void session_wait(struct call *c, uint32_t replicas, uint64_t timeout_ms);
/* TRUCE.WAIT: :1 when what the token covers is applied here, and on disk in so many other DCs; :0 when the time is over first. */
void session_wait_token(struct call *c, struct slice token, uint32_t dcs, uint64_t timeout_ms);
/* FLUSHALL: deletes in pieces over several steps, then answers +OK. */
void session_flush_all(struct call *c);
/* SHUTDOWN: the host is told with the next updates. */
void engine_shutdown(struct engine *e);
/* TRUCE.TOKEN: the whole reply. */
void engine_reply_token(struct call *c);
/* The conflict inbox: TRUCE.CONFLICTS, TRUCE.RESOLVE, TRUCE.EXPLAIN, TRUCE.LOSSES; the definitions: TRUCE.TABLE, TRUCE.PRIORITY, TRUCE.MARK. */
void engine_conflicts(struct call *c);
void engine_resolve(struct call *c);
void engine_explain(struct call *c);
void engine_losses(struct call *c);
void session_losses_off(struct call *c); /* as TRUCE.LOSSES OFF, without a reply */
void engine_ack(struct call *c);         /* TRUCE.ACK */
void engine_lead(struct call *c);        /* TRUCE.LEAD */
void engine_read(struct call *c);        /* TRUCE.READ */
void engine_log(struct call *c);         /* TRUCE.LOG: what the log still has */
void engine_table(struct call *c);
void engine_priority(struct call *c);
void engine_mark(struct call *c);
void engine_members(struct call *c); /* TRUCE.MEMBERS */
void engine_verify(struct call *c);  /* TRUCE.VERIFY, TRUCE.REPAIR: all replicas of a row */
void engine_repair(struct call *c);
/* TRUCE.CONTEXT key, TRUCE.SIBLINGS key, TRUCE.WITH context command...: the whole replies (DESIGN, section 5). */
void engine_reply_context(struct call *c);
void engine_reply_siblings(struct call *c);
void engine_reply_handlers(struct call *c);
void engine_with_context(struct call *c);
/* For CLIENT LIST, INFO. */
uint32_t engine_sessions_count(const struct engine *e);
void engine_each_session(struct engine *e, void (*each)(void *arg, const struct session *s), void *arg);

/* Figures for INFO and status. */
struct engine_figures {
    const struct cluster *cluster;
    uint32_t node;
    bool is_leader;
    const char *leader; /* its node name */
    uint64_t uptime_ms, commands, connections, events_own, events_applied, conflicts, open_conflicts, frames_bad, rows, dirty_rows, memory_bytes,
        reaped, tombstones_collected, log_bytes_in, expired_reads;
};
void engine_get_figures(const struct engine *e, struct engine_figures *ret);
