/* The engine's state, shared by the engine_*.c files and txn.c; nobody else includes it. */
#pragma once
#include "../../conflict/journal.h"
#include "../../topology/links.h"
#include "engine.h"
#include "prng.h"
#include "rows.h"
#include "session.h"
#include "tail.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define FLUSH_AGE_US        5000000u     /* dirty rows are flushed at the latest after so long */
#define COLLECT_PERIOD_US   500000u      /* tombstones and expired rows are looked for so often */
#define EXPIRIES_RESTART_US 60000000u    /* rows that another DC should have reaped are looked at again so often */
#define COLLECT_KEYS        512u         /* at most so many of each a time */
#define BLOCK_BYTES_MAX     (64u * 1024) /* a block of own events is closed above this */
#define FORWARDS_MAX        1024u        /* requests of one session under way to the leader */
#define FORWARD_TIMEOUT_US  5000000u
#define FLUSH_ALL_KEYS      2000u /* deleted per step by FLUSHALL */
#define DOT_BYTES_MAX       (1 + NAME_LEN_MAX + 3 + 8 + 10)

/* Blocks of one origin that wait for their deps, or for smaller numbers. */
struct waiting {
    uint64_t first, last;
    size_t n;
    struct waiting *next; /* ascending by first */
    uint8_t bytes[];      /* the block */
};

/* What is known of one origin. */
struct source {
    uint64_t checksum; /* of its latest applied event */
    stamp_t stamp;
    struct vv deps; /* of its latest applied event; the own component is not kept */
    int32_t dc;     /* index into the cluster, -1: a DC that is not in it */
    bool moved;     /* in moved[], since the last own event */
    bool acked;     /* in ack_moved[], in this step */
    struct waiting *waiting;
};

/* What was read ahead of the log for a peer that is behind the tail: one page for each origin. */
struct catch_up {
    struct page {
        origin_ref origin;
        struct buf blocks;
        struct reader r;
        struct block head; /* the next to send; count == 0: none is read */
        struct slice head_bytes;
        stamp_t head_stamp;
    } * pages;
    uint32_t count, cap;
};

struct txn_row {
    uint64_t hash;
    uint32_t below; /* the one before it in its bucket, counted from 1; 0: none */
    struct buf key;
    struct buf content; /* what the row becomes; n == 0: deleted */
};

struct txn {
    struct engine *engine;
    struct txn_row *rows; /* one for each change, in order */
    uint32_t rows_count, rows_cap;
    uint32_t *buckets; /* rows by hash, counted from 1, the latest first */
    uint32_t buckets_count;
    size_t bytes;
    const struct vv *context; /* of WITH; NULL: all that the leader has */
    char refusal[160];
    uint64_t now_ms;
    struct buf scratch;
};

/* Undo for one command inside a transaction. */
struct txn_mark {
    uint32_t rows_count;
    size_t bytes;
};

struct session_entry {
    struct session s; /* first */
    struct buf stash; /* the one request that waits until the session is free */
    uint32_t stash_argc;

    /* a client of this follower: its requests to the leader */
    uint64_t forward_session; /* 0: none was forwarded on the present channel */
    uint64_t forward_sent, forward_answered;
    bool *deliver; /* FORWARDS_MAX, by request: is the answer for the client */
    uint64_t forward_deadline_us;
    bool pin_open, pin_multi; /* the last forwarded of its kind left watches, or a queue, at the leader */
    bool pinned_lost;         /* the leader that held them is gone */

    /* at the leader: stands for a follower's client, named by (peer, session) */
    uint64_t remote_key[2];
    uint64_t remote_last; /* the latest request that was carried out */
    struct remote_request *remote_queue;
    uint32_t remote_queued;

    uint64_t job_from; /* FLUSHALL: hash to go on from, and what deletes */
    struct txn *job_txn;
    UT_hash_handle hh, hh_channel;
};

struct remote_request {
    struct remote_request *next; /* ascending by request */
    uint64_t request;
    uint32_t argc;
    uint8_t protocol;
    struct buf args;
};

/* An answer from the leader that is held until its dot is applied here, and those before it were given. */
struct held_answer {
    struct held_answer *next;
    uint64_t session, request;
    struct dot dot;
    bool pinned;
    struct buf reply;
};

struct engine {
    struct engine_options options;
    const struct cluster *cluster;
    uint32_t self, self_dc, leader; /* indices into the cluster */
    uint32_t leaders[DCS_MAX];
    bool is_leader;
    struct now now, started;
    struct prng prng;
    struct store *store;
    struct origins *origins;
    uint64_t run, incarnation;

    /* the replicated state */
    struct vv vv;
    struct source **sources; /* by origin; each stays where it is */
    uint32_t sources_cap;
    struct hlc clock;
    origin_ref own; /* ORIGIN_NONE until this run has written */
    uint64_t digest, live_rows;
    struct rows rows;
    struct tail tail;
    size_t waiting_bytes, waiting_bytes_max;
    uint64_t waiting_since_us; /* 0: nothing waits */

    /* scratch */
    struct event event;
    struct siblings siblings;
    struct buf row_bytes, body, text, page;
    struct txn txn;
    struct vv with_context;
    struct dot *deps;
    uint32_t deps_cap;

    /* what changed since ... */
    origin_ref *moved, *ack_moved;
    uint32_t moved_count, moved_cap, ack_moved_count, ack_moved_cap;
    struct buf own_bodies; /* of the block under construction */
    uint64_t own_first;
    uint32_t own_count;
    uint64_t own_stamp;

    /* stability, flushes, collection */
    struct vv stable, flushed_vv, freezing_vv, trimmed;
    uint64_t flush_due_us, collect_due_us;
    struct buf tombstone_after;
    uint64_t expired_upto_ms, expiries_restart_us; /* where the search for expired rows goes on, when it begins anew */
    uint32_t expiries_page;
    bool flush_wanted;
    struct buf identity; /* whose data directory this is: to be written with the next commit; empty: it is written */
    struct named_record identity_record;

    /* clients and peers */
    struct session_entry *sessions, *remotes; /* clients by id; followers' by (peer, session) */
    struct session_entry *channels;           /* of the clients, those with a forward_session, by it */
    uint64_t channel_ids, remote_ids;
    uint32_t waits;     /* sessions with a wait */
    struct slice *argv; /* scratch */
    uint32_t argv_cap;
    struct link *links;                   /* nodes_count, the own one unused */
    struct catch_up *catch_ups;           /* by peer */
    struct held_answer *held, **held_end; /* in the order in which they came */
    struct history {
        uint64_t vv_hash, digest;
    } history[64];
    uint32_t history_next;

    /* updates under construction */
    struct engine_updates updates;
    size_t answers_cap, unblocked_cap, out_cap, drops_cap;
    struct log_block *blocks;
    size_t blocks_cap;
    struct losses {
        size_t name_at, name_n, value_at, value_n;
    } * losses;
    size_t losses_count, losses_cap;
    struct named_record *loss_records;
    size_t loss_records_cap;
    struct buf loss_bytes;
    struct log_trim *trims;
    size_t trims_count, trims_cap;
    uint64_t *out_sessions; /* with replies to hand over */
    size_t out_sessions_count, out_sessions_cap;
    struct buf *answer_bufs; /* what was handed over, swapped with the sessions' */
    size_t answer_bufs_cap;
    bool ack_early_held;
    bool collected; /* engine_updates() was called; the next step clears */
    char fatal[600];

    struct engine_observer observer;
    struct {
        uint64_t commands, connections, events_own, events_applied, conflicts, frames_bad, reaped, collected, log_bytes, expired_reads, duplicates;
    } count;
};

static inline bool bug(const struct engine *e, enum planted_bug b) { return e->options.planted_bug == (uint32_t)b; }

/* Makes room for one more in a grown array. */
#define GROW(array, count, cap)                                                                                                                      \
    do {                                                                                                                                             \
        if ((count) == (cap)) {                                                                                                                      \
            (cap) = (cap) ? (cap)*2 : 16;                                                                                                            \
            (array) = xrealloc((array), (cap) * sizeof *(array));                                                                                    \
        }                                                                                                                                            \
    } while (0)

/* ---- engine.c ---- */
void engine_fail(struct engine *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct source *engine_source(struct engine *e, origin_ref o);

/* ---- engine_apply.c ---- */
int engine_load_row(void *engine, struct stored_row *row);                            /* for rows_get */
struct stored_row *engine_get_row(struct engine *e, uint64_t hash, struct slice key); /* NULL: none, or the store failed */
enum ingest { INGEST_OK, INGEST_GAP /* replay only: it cannot be applied yet */, INGEST_BAD };
/* Takes a block from a peer or (replay) from the own log. */
enum ingest engine_ingest(struct engine *e, struct slice block, bool replay, const char **ret_why);
void engine_apply(struct engine *e, const struct event *ev, bool own, bool replay);
/* The origin of this run, whether it has written or not; ORIGIN_NONE: the table is full. */
origin_ref engine_name_run(struct engine *e);
/* One transaction becomes an event of this node; dot n == 0: nothing had changed. */
struct dot engine_originate(struct engine *e, const struct change *changes, uint32_t count);
void engine_close_own_block(struct engine *e);
void engine_drop_waiting(struct engine *e);
void engine_collect(struct engine *e); /* stable tombstones, expired rows */
void engine_find_stable(struct engine *e);

/* ---- engine_links.c ---- */
void links_step(struct engine *e, const struct input *in);
void links_tick(struct engine *e);
void links_updates(struct engine *e); /* pumps and acknowledges */
uint64_t links_wake_us(const struct engine *e);
void links_send(struct engine *e, uint32_t peer, const struct message *m);
void links_end_catch_up(struct engine *e, uint32_t peer);
bool link_reachable(const struct engine *e, uint32_t peer);

/* ---- engine_requests.c ---- */
void requests_step(struct engine *e, const struct input *in);
void requests_tick(struct engine *e);
void requests_updates(struct engine *e);
uint64_t requests_wake_us(const struct engine *e);
void requests_finish(struct engine *e);
/* One request of a session that is free, at this node. */
void request_run(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc);
/* Goes on with the stash when the session has become free. */
void request_resume(struct engine *e, struct session_entry *se);
void session_touch_out(struct engine *e, struct session_entry *se); /* replies are there to hand over */
struct session_entry *session_create(struct engine *e, uint64_t id);
void session_destroy(struct session_entry *se); /* the caller has taken it out of the tables */
/* Decodes argc slices into e->argv. */
const struct slice *args_of(struct engine *e, struct slice bytes, uint32_t argc);
void args_put(struct buf *out, const struct slice *argv, uint32_t argc);
static inline bool session_busy(const struct session_entry *se) { return se->s.wait != WAIT_NOTHING; }

/* ---- engine_forward.c ---- */
/* At a follower: is this request for the leader? Then it was sent, or refused, or stashed until it can be: nothing more is to be done. */
bool forward_request(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc);
void forward_close(struct engine *e, struct session_entry *se); /* the client is gone, or starts anew */
void forward_tick(struct engine *e);
void forward_updates(struct engine *e);
void forward_finish(struct engine *e);
uint64_t forward_wake_us(const struct engine *e);
void requests_forward(struct engine *e, uint32_t peer, const struct message *m); /* at the leader */
void requests_answer(struct engine *e, uint32_t peer, const struct message *m);  /* at the follower */
void requests_peer_lost(struct engine *e, uint32_t peer);
/* At the leader: a remote session's request is done. */
void remote_done(struct engine *e, struct session_entry *se);

#define IDENTITY_NAME "identity"
/* ---- engine_recover.c ---- */
int engine_recover(struct engine *e, struct buf *why);
void engine_checkpoint(struct engine *e, struct buf *out);

/* ---- txn.c ---- */
void txn_begin(struct txn *t, struct engine *e, uint64_t now_ms, const struct vv *context);
struct txn_mark txn_mark(struct txn *t);
void txn_rollback(struct txn *t, struct txn_mark m);
struct dot txn_commit(struct txn *t);
size_t txn_bytes_max(const struct txn *t); /* of changes, for the event to stay below EVENT_BYTES_MAX */
void txn_finish(struct txn *t);
/* What readers see of a row in memory. */
struct slice engine_view(struct engine *e, const struct stored_row *row, uint64_t now_ms);
uint64_t engine_fingerprint(struct engine *e, struct slice key);
