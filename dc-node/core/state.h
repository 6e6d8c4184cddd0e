/* The engine's state, shared by the engine_*.c files and txn.c; nobody else includes it. */
#pragma once
#include "../../conflict/handler.h"
#include "../../conflict/journal.h"
#include "../../conflict/policy.h"
#include "../../topology/election.h"
#include "../../topology/links.h"
#include "../../topology/ways.h"
#include "engine.h"
#include "members.h"
#include "prng.h"
#include "rows.h"
#include "session.h"
#include "tail.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define MIDDLE_PERIOD_US      100000u
#define FLUSH_AGE_US          5000000u      /* dirty rows are flushed at the latest after so long */
#define COLLECT_PERIOD_US     500000u       /* tombstones and expired rows are looked for so often */
#define EXPIRIES_RESTART_US   60000000u     /* rows that another DC should have reaped are looked at again so often */
#define COLLECT_KEYS          512u          /* at most so many of each a time */
#define BLOCK_BYTES_MAX       (64u * 1024)  /* a block of own events is closed above this */
#define OUT_BYTES_PENDING_MAX (256u * 1024) /* of replies in one run: above it a session takes no requests until they are handed over */
#define FORWARDS_MAX          1024u         /* requests of one session under way to the leader */
#define FORWARD_TIMEOUT_US    5000000u
#define FLUSH_ALL_KEYS        2000u /* deleted per step by FLUSHALL */
#define LOG_MARKS             32u
#define DOT_BYTES_MAX         (1 + NAME_LEN_MAX + 3 + 8 + 10)

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
    bool fenced;    /* its run began behind what is stable here: nothing of it is applied */
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
    struct buf content; /* what readers will see; n == 0: deleted */
    /* Where the table merges: what this change does to cells. */
    bool merges, clear;
    enum content_type type;
    struct buf ops; /* txn_merge.c */
};

struct txn {
    struct engine *engine;
    struct txn_row *rows; /* one for each change, in order */
    uint32_t rows_count, rows_cap;
    uint32_t *buckets; /* rows by hash, counted from 1, the latest first */
    uint32_t buckets_count;
    size_t bytes;             /* that the event may take */
    size_t held;              /* of contents */
    const struct vv *context; /* of WITH; NULL: all that the leader has */
    char refusal[256];
    uint64_t now_ms;
    struct buf scratch;
    bool may_define;   /* rows of the table `truce` may be written */
    struct buf *views; /* what was made for readers during this command */
    uint32_t views_count, views_cap;
    struct buf deltas;     /* of the changes under construction */
    const struct row *row; /* as it stands below the change under construction, as cells */
};

/* Undo for one command inside a transaction. */
struct txn_mark {
    uint32_t rows_count;
    size_t bytes, held;
};

struct session_entry {
    struct session s; /* first */
    struct buf stash; /* the one request that waits until the session is free */
    uint32_t stash_argc;

    /* a client of this follower: its requests to the leader */
    uint64_t forward_session; /* 0: none was forwarded on the present channel */
    uint32_t forward_to;      /* the leader at its other end */
    uint64_t forward_sent, forward_answered;
    bool *deliver; /* FORWARDS_MAX, by request: is the answer for the client */
    uint64_t forward_deadline_us;
    uint64_t patience_us;     /* the stashed request waits for a leader until then; 0: it does not */
    bool pin_open, pin_multi; /* the last forwarded of its kind left watches, or a queue, at the leader */
    bool pinned_lost;         /* the leader that held them is gone */

    /* at the leader: stands for a follower's client, named by (peer, session) */
    uint64_t remote_key[2];
    uint64_t remote_last; /* the latest request that was carried out */
    struct remote_request *remote_queue;
    uint32_t remote_queued;

    /* engine_ack.c: replies that wait, in order */
    struct reply_terms {
        uint64_t number; /* of the event that the request has made; 0: none */
        bool confirm;    /* it shows what must be confirmed */
        struct ack ack;
    } terms;          /* of the request that is being carried out */
    size_t wait_mark; /* where the reply of a wait begins */
    struct held_reply *held_replies, **held_replies_end;
    struct session_entry *hold_prev, *hold_next; /* among engine.holders */

    uint64_t job_from; /* FLUSHALL: hash to go on from, and what deletes */
    struct txn *job_txn;
    uint64_t job_kept; /* rows that could not be deleted, and why not the last of them */
    char job_why[256];
    struct inbox_job *inbox_job;   /* TRUCE.CONFLICTS COUNT, RESOLVE: instead of FLUSHALL */
    struct rows_job *rows_job;     /* WAIT_ROWS */
    struct loss_watch *loss_watch; /* TRUCE.LOSSES ON */
    UT_hash_handle hh, hh_channel;
};

struct remote_request {
    struct remote_request *next; /* ascending by request */
    uint64_t request;
    uint32_t argc;
    uint8_t protocol;
    struct ack ack;
    uint8_t reads;
    struct vv vv; /* what must be here before it is carried out */
    struct buf args;
};

/* What the leader tells a follower of a request. */
struct remote_answer {
    uint64_t request;
    bool pinned, wrote;
    struct dot dot;
    struct slice reply;
};

/* An answer from the leader that is held until its dot is applied here, and those before it were given. */
struct held_answer {
    struct held_answer *next;
    uint64_t session, request;
    struct dot dot;
    bool pinned, wrote; /* wrote: the dot is of this very request */
    struct buf reply;
};

/* A record that this step puts into the journal (value_n == 0: removes), in loss_bytes. */
struct losses {
    size_t name_at, name_n, value_at, value_n;
};
#define JOURNAL_LATEST 256u

/* The journal while one change is applied, and its retention (engine_journal.c). */
struct journal {
    struct taken { /* closed episodes that came back into their stacks */
        uint8_t kind;
        struct slice name;
        struct dot number;
    } * taken;
    uint32_t taken_count, taken_cap;
    struct losses latest[JOURNAL_LATEST]; /* as engine.losses, what is not yet among them */
    size_t latest_count;
    struct buf name, value, page;
    struct buf collect_after; /* where retention goes on */
    uint64_t collect_restart_us;
    uint64_t entries; /* episodes and losses in the journal */
    bool replaying;   /* the store's journal is ahead of the rows */
};

struct engine {
    struct engine_options options;
    const struct cluster *cluster;  /* a copy of its own: see `members` */
    uint32_t self, self_dc, leader; /* indices into the cluster; leader: ELECTION_NOBODY where there is none */
    uint32_t leaders[DCS_MAX];
    uint64_t leader_terms[DCS_MAX];
    struct election election;
    struct buf election_bytes;
    bool is_leader;    /* elected, though perhaps not ready */
    bool led;          /* engine_leads() when it was last looked at */
    bool alone;        /* takes writes though it does not lead */
    uint64_t led_us;   /* when there was a leader last */
    uint32_t hands_to; /* until hands_until_us: to whom it hands over */
    uint64_t hands_until_us;
    uint64_t round_wanted, round_confirmed;
    struct vv round_vv;               /* what the leader had when it asked */
    struct session_entry *holders;    /* whose replies wait */
    uint64_t round, round_us;         /* a leader's question to its followers, and when it was asked */
    uint64_t heard_round, heard_term; /* a follower's: the latest that it has heard, in this term; what was asked in another one is no answer */
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
    stamp_t floor;  /* own stamps lie above: a leader's, from its election. Not in `clock`, which is on disk: promises are the same after a restart */
    origin_ref own; /* ORIGIN_NONE until this run has written */
    uint64_t digest, live_rows;
    struct rules *rules;
    struct buf definitions; /* keys of the table `truce` that were ever written: slices */
    struct rows rows;
    struct tail tail;
    size_t waiting_bytes, waiting_bytes_max;
    uint64_t waiting_since_us; /* 0: nothing waits */

    /* scratch */
    struct event event;
    struct row row, row_after, row_loaded;
    struct row_news news;
    struct delta delta;
    struct buf row_bytes, body, text, page, view;
    struct buf absent; /* the latest key that was looked for in vain */
    uint64_t absent_hash;
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
    uint64_t middle_due_us; /* engine_middle_ms() looks at the clocks anew */
    int64_t upper_ahead_ms; /* likewise, the upper one */
    int64_t middle_ahead_ms;
    uint64_t stable_ms; /* the least clock of all nodes when they reported what `stable` is of: no write of an earlier clock can still arrive */
    struct vv stable, flushed_vv, freezing_vv, trimmed;
    struct log_mark { /* engine_pointers.c: how much was in the log when this was applied */
        uint64_t log_bytes;
        struct vv vv;
    } log_marks[LOG_MARKS]; /* oldest first */
    uint32_t log_marks_count;
    uint64_t log_bytes_frozen; /* of count.log_bytes, when rows were last flushed */
    struct vv pointer_floor;   /* what pointers say nothing of */
    struct buf pointer_drops;  /* as flush.drops */
    uint64_t pointers_from;    /* where the sweep goes on */
    bool snapshot_wanted;      /* by the next flush */

    /* engine_transfer.c */
    struct transfer *transfer; /* what this node takes */
    struct serving *serving;   /* what it gives */
    struct vv resumed;         /* numbers up to these that are not in the log came as rows */
    bool folding;              /* rows of a transfer are being folded in: nothing else changes or reads rows */
    uint64_t digest_before;    /* ... of the state that counts until they all are */

    /* coming back with less (engine_return.c) */
    bool owing;     /* this run began with less than it had, and has not got it back: its reports do not count */
    bool returning; /* ... nor does it serve */
    bool returned;
    uint64_t returning_since_us;
    struct vv owed; /* what peers had when they first knew of this run */

    /* members (engine_members.c) */
    struct cluster *members; /* the same as `cluster`: only engine_members.c changes it. Indices stand as long as the engine runs */
    struct member *member;   /* NODES_MAX */
    bool members_dirty;      /* rows of nodes have changed in this step */
    struct voters voters;

    /* reports that are passed on (engine_reports.c) */
    struct told *told; /* NODES_MAX; NULL: each DC is linked with each */
    uint64_t report_epoch, report_seq, report_hash, reports_due_us;
    struct buf report_knows;
    uint64_t progress_us; /* when links were last measured (engine_progress.c) */

    enum disk_room room; /* engine_disk.c */

    uint64_t flush_due_us, collect_due_us;
    struct buf tombstone_after;
    uint64_t expired_upto_ms, expiries_restart_us; /* where the search for expired rows goes on, when it begins anew */
    uint32_t expiries_page;
    bool flush_wanted;
    struct buf identity; /* whose data directory this is: to be written with the next commit; empty: it is written */
    struct named_record metas[2];

    /* clients and peers */
    struct session_entry *sessions, *remotes; /* clients by id; followers' by (peer, session) */
    struct session_entry *channels;           /* of the clients, those with a forward_session, by it */
    uint64_t channel_ids, remote_ids;
    uint32_t waits;     /* sessions with a wait */
    bool patient;       /* some wait for a leader */
    bool remotes_wait;  /* followers' requests wait until this node takes writes */
    struct slice *argv; /* scratch */
    uint32_t argv_cap;
    struct link *links;                   /* NODES_MAX, the own one unused */
    struct catch_up *catch_ups;           /* by peer, NODES_MAX */
    struct held_answer *held, **held_end; /* in the order in which they came */
    struct history {
        uint64_t vv_hash, digest;
    } history[64];
    uint32_t history_next;

    /* questions about rows (asking.h: engine_ask.c, engine_tell.c, engine_quorum.c) */
    struct question *questions; /* by id */
    uint64_t question_ids;
    struct row row_told; /* scratch */
    bool rows_noted;     /* changes of rows are told to rows_note() */
    struct watched_row { /* by hash: has no event changed it since it was asked for? */
        uint64_t ask, hash;
        bool stands;
    } watched;
    struct recount { /* of the digest, from the rows of hashes below `next` and what has become of them since */
        bool active;
        uint64_t next, digest, live, was, live_was;
    } recount;
    const struct overlay *overlay; /* rows that a command reads instead of this node's, while it runs */
    struct vv fetch;               /* known elsewhere, and lacked in a quorum read here */
    uint64_t fetch_us, fetch_since_us;

    /* updates under construction */
    struct engine_updates updates;
    size_t answers_cap, unblocked_cap, out_cap, drops_cap;
    struct log_block *blocks;
    size_t blocks_cap;
    struct losses *losses; /* of the journal, in order of name, each once; journal.latest aside */
    size_t losses_count, losses_cap;
    struct named_record *loss_records;
    size_t loss_records_cap;
    struct buf loss_bytes;
    struct journal journal;
    struct handling *handling;        /* engine_handlers.c */
    struct loss_notice *loss_notices; /* the latest, a ring (engine_losses.c) */
    uint64_t loss_notices_count, loss_notices_given;
    uint32_t loss_watchers; /* sessions that want them */
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
        uint64_t open_conflicts;
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
/* A row's new state; `by`: the event that made it so, NULL: none. `old`, and what r borrows from it, may be gone afterwards. */
struct stored_row *engine_put_row(struct engine *e, uint64_t hash, struct slice key, const struct stored_row *old, const struct row *r,
                                  const struct dot *by);
bool engine_is_definition(struct slice key);
/* Everything up to these numbers is applied: how it came to be known is the caller's matter. */
void engine_note_moved(struct engine *e, origin_ref o, struct source *src);
void engine_note_stamp(struct engine *e, stamp_t stamp); /* of an event of others */
void engine_apply_waiting(struct engine *e);
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
void engine_forget_waiting(struct engine *e, origin_ref o, uint64_t above); /* blocks that reach above that number */
void engine_drop_waiting(struct engine *e);
void engine_collect(struct engine *e); /* stable tombstones, expired rows */
void engine_find_stable(struct engine *e);
uint64_t engine_guarded_ms(const struct engine *e); /* the least clock of this node and those in reach */
uint64_t engine_middle_ms(struct engine *e);        /* the lower median of them, which no single wild clock moves: what clients' commands go by */

/* The row's versions into e->row; false: the store failed. An absent row has no cells. */
bool engine_read_row(struct engine *e, struct slice key, const struct stored_row **ret_stored);
/* ---- engine_rules.c ---- */
/* The content of a row of clock marks with the columns of all its live versions, into `out`. */
void rules_join_marks(const struct row *r, struct buf *out);
/* A row of the table `truce` has changed. */
void rules_follow(struct engine *e, struct slice key);
/* After a restart: the definitions named in the checkpoint. */
void rules_recover(struct engine *e);
uint32_t rules_barriers(const struct engine *e); /* how many tables are behind one */
/* The bounds of what a client may write: NULL, or why not, in words. */
const char *rules_refuse(struct engine *e, const struct txn *t, struct slice key, char *text, size_t n);
/* ---- engine_journal.c ---- */
struct journal_row { /* arg of journal_take */
    struct engine *engine;
    struct slice key;
};
bool journal_take(void *journal_row, enum cell_kind kind, struct slice name, struct dot member, struct blocks *ret);
/* After a change: the records of its episodes and losses go into the commit. */
void journal_follow(struct engine *e, struct slice key, const struct row_news *news, const struct table_rule *table, const struct row *before,
                    const struct row *after, const struct change *c, struct dot by);
void journal_order(struct engine *e);     /* all that this step has put is in e->losses */
void journal_clear(struct engine *e);     /* nothing was put */
void journal_recovered(struct engine *e); /* the log is replayed: what it said is in the journal already */
void journal_collect(struct engine *e);   /* retention */
void journal_finish(struct engine *e);
/* Reads the journal, with what this step has added: records whose names begin with `prefix`, after name `after` (may be empty). */
struct journal_walk {
    struct engine *e;
    struct slice prefix;
    uint32_t page_records, page_next; /* pages grow up to so many */
    struct buf after, page;           /* the name that was given last */
    struct reader r;
    int left; /* in the page */
    bool more;
    struct slice stored_name, stored_record; /* read from the page, not yet given */
    bool has_stored;
};
void walk_begin(struct journal_walk *w, struct engine *e, struct slice prefix, struct slice after, uint32_t page_records);
bool walk_next(struct journal_walk *w, struct slice *ret_name, struct slice *ret_record); /* valid until the next, or a change */
void walk_finish(struct journal_walk *w);
/* One record by its name; appends. */
bool journal_get(struct engine *e, struct slice name, struct buf *out);
/* The episode of an id, also of one that it had before it grew; record holds its bytes. ret->members is the caller's to finish. */
bool journal_find(struct engine *e, uint64_t id, struct buf *record, struct episode *ret);

/* ---- engine_links.c ---- */
void links_step(struct engine *e, const struct input *in);
void links_tick(struct engine *e);
void links_updates(struct engine *e); /* pumps and acknowledges */
uint64_t links_wake_us(const struct engine *e);
void links_send(struct engine *e, uint32_t peer, const struct message *m);
void links_begin_anew(struct engine *e);
void links_end_catch_up(struct engine *e, uint32_t peer);
bool link_reachable(const struct engine *e, uint32_t peer);
bool links_take_report(struct engine *e, uint32_t peer, const struct message *m); /* a heartbeat's; false: it is older than what there is */

/* ---- engine_requests.c ---- */
void requests_step(struct engine *e, const struct input *in);
void requests_tick(struct engine *e);
void requests_updates(struct engine *e);
uint64_t requests_wake_us(const struct engine *e);
void requests_finish(struct engine *e);
/* One request of a session that is free, at this node. */
void request_run(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc);
/* Its command itself, and the reply. */
void request_carry_out(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc);
/* Goes on with the stash when the session has become free. */
void request_resume(struct engine *e, struct session_entry *se);
void session_touch_out(struct engine *e, struct session_entry *se); /* replies are there to hand over */
struct session_entry *session_create(struct engine *e, uint64_t id);
void session_destroy(struct session_entry *se); /* the caller has taken it out of the tables */
/* Decodes argc slices into e->argv. */
const struct slice *args_of(struct engine *e, struct slice bytes, uint32_t argc);
void args_put(struct buf *out, const struct slice *argv, uint32_t argc);
static inline bool session_busy(const struct session_entry *se) { return se->s.wait != WAIT_NOTHING; }
static inline bool session_full(const struct session_entry *se) { return se->s.out.n + se->s.held_bytes > OUT_BYTES_PENDING_MAX; }
void session_unblocked(struct engine *e, const struct session_entry *se); /* the host may give requests again */

/* ---- engine_forward.c ---- */
/* Is this request for the node `to`, a leader (ELECTION_NOBODY: there is none; this node: it runs here)? Then it was sent, or refused, or stashed
 * until it can be: nothing more is to be done. */
bool forward_request(struct engine *e, struct session_entry *se, uint32_t to, const struct command *cmd, const struct slice *argv, uint32_t argc);
/* At a follower: the node refuses this request itself. True: it was stashed, since answers to those before it are to come; nothing may be replied. */
bool forward_refused(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc);
/* A transaction whose leader is gone: its commands are refused, and EXEC answers nil. True: answered. */
bool forward_lost_transaction(struct session_entry *se, const struct command *cmd);
/* Stashes a request until there is a leader; false: it has waited long enough. */
bool forward_wait(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc);
void forward_no_leader(struct engine *e, struct reply *reply);
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
void remote_send_answer(struct engine *e, struct session_entry *se, const struct remote_answer *a);

/* ---- engine_ack.c ---- */
/* An acknowledgement or a whole VV from a node of this DC, given in that term. */
void ack_take(struct engine *e, uint32_t peer, uint64_t term, const struct vv *on_disk);
/* A request was carried out: its transaction is about to be committed; then what it has written, or whether it may have, or reads. */
void ack_begin(struct engine *e, struct session_entry *se);
void ack_note(struct engine *e, struct session_entry *se, struct dot write, bool writes, bool reads);
/* Its reply is out[mark..]. True: it waits, and was taken out. */
bool ack_end(struct engine *e, struct session_entry *se, size_t mark, const struct remote_answer *remote);
bool ack_needs_majority(const struct engine *e, const struct session_entry *se); /* and this node, which writes alone, has none */
bool ack_holds(const struct session_entry *se);
void ack_updates(struct engine *e);
void ack_deposed(struct engine *e); /* nothing will be acknowledged any more */
void ack_close(struct engine *e, struct session_entry *se);
uint64_t ack_wake_us(const struct engine *e);

/* ---- engine_truce.c ---- */
/* After a write under a context: more siblings than the cap would be there, or more unseen ones than an event can name, or a row of its table's
 * former form would go unseen. Then the reply from `mark` on becomes the error. */
void refuse_context(struct call *c, const struct vv *context, size_t mark);

/* ---- engine_ask.c: jobs of sessions that ask about rows ---- */
void ask_take_told(struct engine *e, uint32_t peer, const struct message *m);
bool rows_job_step(struct session_entry *se); /* true: it is done, and answered */
void rows_job_finish(struct session_entry *se);
uint64_t rows_job_wake_us(const struct session_entry *se);
/* ---- engine_tell.c ---- */
void tell_ask(struct engine *e, uint32_t peer, const struct message *m);
void rows_note(struct engine *e, uint64_t hash, struct slice key, const struct row_facts *before, const struct row_facts *after); /* a row changes */
void recount_begin(struct engine *e);
void recount_updates(struct engine *e);
uint64_t recount_wake_us(const struct engine *e);
/* ---- engine_quorum.c ---- */
/* A read of a session that wants a quorum: it waits for answers, or was refused. False: it is none. */
bool quorum_read(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc);
const struct stored_row *quorum_row(const struct engine *e, uint64_t hash, struct slice key); /* of e->overlay */
void quorum_fetch(struct engine *e, const struct vv *vv);                                     /* somebody has this */
void fetch_tick(struct engine *e);
/* ---- engine_repair.c ---- */
void repair_digest(struct call *c);

/* ---- engine_conflicts.c ---- */
/* One step of a session's COUNT or RESOLVE; true: it is done, and answered. */
bool inbox_step(struct engine *e, struct session_entry *se);
void inbox_job_finish(struct session_entry *se);
bool inbox_writes(const struct session_entry *se); /* its job does: it runs where writes are taken */

/* ---- engine_losses.c ---- */
void losses_follow(struct engine *e, struct slice key, const struct row_news *news, const struct table_rule *table, const struct row *before,
                   const struct row *after, struct dot by);
void losses_note(struct engine *e, struct session_entry *se, struct dot write); /* a session's own write */
void losses_updates(struct engine *e);                                          /* tells whom they concern */
void losses_close(struct engine *e, struct session_entry *se);
void losses_finish(struct engine *e);

/* ---- engine_handlers.c, engine_handlers_told.c: rows that handlers are asked about ---- */
void handlers_create(struct engine *e);
void handlers_finish(struct engine *e);
void handlers_step(struct engine *e, const struct input *in); /* HANDLERS, HANDLED */
/* A row of a table of handlers is open and not recorded: whoever leads asks with the next updates. Any time; what gets lost is found again. */
void handlers_consider(struct engine *e, struct slice key);
/* A RECORD was applied: whoever looks at the status is told. */
void handlers_recorded(struct engine *e, struct slice key, struct slice content);
void handlers_sweep(struct engine *e); /* definitions have changed, or this node leads now: all open rows are looked at again */
void handlers_tick(struct engine *e);
void handlers_updates(struct engine *e); /* may originate events */
uint64_t handlers_wake_us(const struct engine *e);
uint64_t handlers_failures(const struct engine *e);
void handlers_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg);

/* ---- engine_pointers.c ---- */
void log_mark(struct engine *e);
void log_trim(struct engine *e);
bool pointers_want_flush(const struct engine *e);
void pointers_freeze(struct engine *e, struct flush *f);
void pointers_sweep(struct engine *e);
void pointers_checkpoint(const struct engine *e, struct buf *out);
void pointers_recover(struct engine *e, struct reader *r); /* bad: malformed */
void pointers_finish(struct engine *e);

/* ---- engine_transfer.c: rows from a peer that no longer has the events; engine_fold.c: how they come to count ---- */
void transfer_init(struct engine *e);
void transfer_create(struct engine *e); /* after the log was replayed */
void transfer_finish(struct engine *e);
void transfer_offered(struct engine *e, uint32_t peer);                       /* it no longer keeps what this node lacks, but has the rows */
void transfer_take(struct engine *e, uint32_t peer, const struct message *m); /* TRANSFER_... */
void transfer_tick(struct engine *e);
void transfer_updates(struct engine *e);      /* may send */
void transfer_fold_updates(struct engine *e); /* may begin to fold */
uint64_t transfer_wake_us(const struct engine *e);
void transfer_records(struct engine *e, struct commit *c); /* what is staged, into the commit */
/* What the checkpoint is to say: the VV once its rows are durable, and the latest event of an origin. */
const struct vv *transfer_vv(const struct engine *e);
const struct source *transfer_source(struct engine *e, origin_ref o);
void transfer_checkpoint(const struct engine *e, struct buf *out);
void transfer_recover(struct engine *e, struct reader *r);
void transfer_freeze(struct engine *e, struct flush *f);
void transfer_flushed(struct engine *e);
void transfer_figures(const struct engine *e, uint64_t *ret_rows, uint64_t *ret_bytes); /* of the latest that was taken, or is */
/* For the status: "n of about m rows from X"; false: none is under way. */
bool transfer_words(const struct engine *e, uint32_t peer, char *text, size_t n);

/* ---- engine_transfer_serve.c ---- */
void serve_ask(struct engine *e, uint32_t peer, const struct message *m);
void serve_freeze(struct engine *e, struct flush *f);
void serve_flushed(struct engine *e);
void serve_tick(struct engine *e);
void serve_finish(struct engine *e);
/* What a checkpoint says of origins with a number: varint count, of each origin, u64 checksum, u64 stamp, vv of its deps. */
void engine_put_sources(struct engine *e, struct buf *out);

/* ---- engine_return.c ---- */
void return_create(struct engine *e);
/* A heartbeat's VV becomes the peer's report. False: it is older than that. */
bool return_take_report(struct engine *e, uint32_t peer, const struct message *m);
enum knows return_knows(const struct engine *e, uint32_t peer);
void return_take_heartbeat(struct engine *e, uint32_t peer, const struct message *m); /* what the peer knows of this node */
void return_tick(struct engine *e);
void return_refuse(struct engine *e, struct reply *reply);
/* The first event of a run is to be applied. True: it must not be. */
bool return_fences(struct engine *e, const struct event *first);
void return_doubled(struct engine *e, uint32_t peer);
void return_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg);
/* ---- engine_lead.c ---- */
int lead_create(struct engine *e, struct buf *why);
void lead_finish(struct engine *e);
void lead_tick(struct engine *e);
uint64_t lead_wake_us(const struct engine *e);
void lead_take(struct engine *e, uint32_t from, const struct message *m); /* VOTE, VOTED, LEAD */
void lead_take_heartbeat(struct engine *e, uint32_t from, const struct message *m);
void lead_fill_heartbeat(struct engine *e, struct message *m);
void lead_lost(struct engine *e, uint32_t peer);
void lead_hand_over(struct engine *e, uint32_t to); /* once that member has all that this leader has; writes wait meanwhile, for 2 s at most */
void lead_take_members(struct engine *e);           /* who votes in this DC has changed: e->voters.now */
void lead_lost_disk(struct engine *e);              /* its disk lacks what it had: it stays out of votes until it is admitted again */
bool lead_record(struct engine *e, struct named_record *ret); /* true: to be committed */
uint64_t lead_wall_ms(const struct engine *e);                /* the clock, as far as it is promised */
void requests_deposed(struct engine *e);                      /* this node leads no longer */
void requests_lead(struct engine *e);                         /* it takes writes from now on */
void forward_leader_gone(struct engine *e, uint32_t leader);
void lead_ask_round(struct engine *e);
uint32_t lead_waits_for(const struct engine *e); /* a node that is missing for the first election of a new DC; ELECTION_NOBODY */

/* ---- engine_members.c: members.h ---- */
/* Another node that has a part in this cluster: one that is not absent, and not removed. */
static inline bool members_counts(const struct engine *e, uint32_t node) {
    return node != e->self && e->cluster->nodes[node].standing < STANDING_REMOVED;
}
/* ---- engine_disk.c ---- */
/* It may make events of its own accord. */
static inline bool engine_originates(const struct engine *e) { return e->room == ROOM_ENOUGH && engine_leads(e); }
void disk_step(struct engine *e, const struct input *in); /* DISK */
/* Why this node takes no writes, in words. */
const char *disk_words(const struct engine *e, char *text, size_t n);
void disk_refuse(struct engine *e, struct reply *reply);
void disk_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg);
/* The session's transaction, made by this command, cannot be carried out for want of room: the reply says so instead. */
void disk_refuse_txn(struct engine *e, struct session *s, size_t reply_mark, const struct command *cmd);

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
/* What readers see of a row in memory. May lie in `made`, which holds nothing else. */
struct slice engine_view(struct engine *e, const struct stored_row *row, uint64_t now_ms, struct buf *made);
/* A command has succeeded: what was there before it of the rows that it changed is not needed any more. */
void txn_keep(struct txn *t, struct txn_mark m);
void txn_end_command(struct txn *t); /* views made for readers may go */
/* ---- txn_merge.c: what a command does to the cells of a row whose table merges ---- */
void txn_op_replace(struct txn_row *row); /* with its content; none: deleted */
void txn_op_expiry(struct txn_row *row, uint64_t expires_ms);
void txn_op_columns(struct txn_row *row, bool was_absent, enum content_type type, const struct content_column *columns, size_t count);
void txn_op_remove(struct txn_row *row, enum content_type type, const struct slice *names, size_t count);
void txn_op_add(struct txn_row *row, bool was_absent, enum content_type type, struct slice name, amount_t amount);
/* All that a transaction does to one row, as one change; its content is an offset into t->deltas until the caller adds t->deltas.p. */
void txn_fold_merge(struct txn *t, struct txn_row *const *latest_first, uint32_t count, struct change *ret);
uint64_t engine_fingerprint(struct engine *e, struct slice key);
#include "engine_ways.h"
