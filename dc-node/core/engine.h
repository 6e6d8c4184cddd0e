/* The engine: one node of Truce as a pure state machine. Inputs in, updates out; it opens no socket, file or clock, and starts no thread.
 * dc-node/io and dc-node/sim are two worlds around the same engine.
 *
 * THE CONTRACT WITH THE HOST
 *   1. Any number of engine_step() calls, then one engine_updates().
 *   2. Carry the updates out in this order: PERSIST (store->ops->commit, with sync where the cluster wants it), then SEND (frames to peers), then
 * ANSWER (replies to sessions), then hand the flush to the background. Nothing may be sent or answered that was not persisted first. If PERSIST fails
 * the host stops without sending or answering: those writes are indeterminate.
 *   3. Call again at engine_wake_us() at the latest, with TICK.
 *   4. One flush is under way at a time; when its rows and checkpoint would survive a crash of the machine, step FLUSHED. Until then its rows must
 * not be freed; they belong to the engine again with FLUSHED. Between two runs of the engine only the store remains. Slices in inputs are borrowed
 * for the call. Slices in updates are valid until the next step. */
#pragma once
#include "../../schemas/cluster.h"
#include "../../schemas/message.h"
#include "store.h"

struct engine;

/* A handler as the host has it. */
struct known_handler {
    char name[NAME_LEN_MAX + 1];
    uint64_t hash; /* of its file */
    bool usable;   /* admitted, or forced by name */
    bool wants_base;
    char why[256]; /* why it is not usable */
};

struct engine_options {
    const struct cluster *cluster; /* outlives the engine */
    uint32_t node;                 /* this node: index into cluster->nodes */
    struct store *store;           /* outlives the engine */
    uint64_t entropy;              /* random for each run: incarnation, sub-ids, SPOP and the like come from it */
    uint32_t planted_bug;          /* 0, or one of PLANTED_BUGS: for tests of the tests */
    bool joins;                    /* where the store is new, so is the node: it returns, as one whose store was lost */
    bool returning;                /* the store lacks what this node had once: it was wiped, or is a copy (engine_returning) */
    bool set_aside;                /* ... and what it had is somewhere: it takes it from a node that has lost nothing, or from nobody */
};

/* Time comes in with every input. */
struct now {
    uint64_t mono_us; /* never goes back */
    uint64_t wall_ms; /* may be wrong */
};

#define ENGINE_INPUTS(X)                                                                                                                             \
    X(TICK, "time has passed")                                                                                                                       \
    X(OPEN, "a client connected: session is a number never used before in this run")                                                                 \
    X(CLOSE, "a client is gone")                                                                                                                     \
    X(REQUEST, "a client's command; not while engine_session_blocked()")                                                                             \
    X(LINK_UP, "a connection to a peer is there, HELLO was exchanged and accepted")                                                                  \
    X(LINK_DOWN, "it is gone; what was on it may be lost")                                                                                           \
    X(FRAME, "one whole frame from a peer, unchecked")                                                                                               \
    X(FLUSHED, "the flush under way is durable")                                                                                                     \
    X(DISK, "how much room is on the disk; until it is said: enough")                                                                                \
    X(HANDLERS, "the handlers that the host has, all of them: at the start, and after reload_handlers")                                              \
    X(HANDLED, "a handler's answer to a handler_run; one that crashed or took too long gives HANDLER_FAILED")                                        \
    X(DOUBLED, "a second process said that it is peer, and was refused; peer is this node itself: this process was refused for that")
enum input_type {
#define X(name, doc) INPUT_##name,
    ENGINE_INPUTS(X)
#undef X
};

/* What a host says before its disk is full. After the next updates the engine keeps to it: clients' writes are refused in words, and peers' events
 * not taken; it reads, answers and sends what it has. When there is enough again it asks its peers for what came meanwhile. */
enum disk_room {
    ROOM_ENOUGH,
    ROOM_LOW,  /* commits without blocks of events: what is trimmed gives room back */
    ROOM_NONE, /* no commits */
};

struct input {
    enum input_type type;
    struct now now;
    uint64_t session;         /* OPEN, CLOSE, REQUEST */
    const struct slice *argv; /* REQUEST: argc >= 1 */
    uint32_t argc;
    const char *address;                  /* OPEN: the client's, for CLIENT LIST */
    uint32_t peer;                        /* LINK_UP, LINK_DOWN, FRAME: index into cluster->nodes */
    uint64_t run;                         /* LINK_UP: the peer's, from its HELLO */
    struct slice frame;                   /* FRAME */
    const struct known_handler *handlers; /* HANDLERS: handlers_count of them */
    uint32_t handlers_count;
    uint64_t handler_run; /* HANDLED */
    struct slice answer;  /* HANDLED: handler_answer_encode() */
    enum disk_room room;  /* DISK */
};

struct outgoing {
    uint32_t peer;
    struct slice frames; /* whole frames, in order */
};
struct answer {
    uint64_t session;
    struct slice reply; /* RESP */
    bool close;         /* close the connection after it */
};
struct engine_updates {
    struct commit commit;
    bool commit_needed;
    struct outgoing *out;
    size_t out_count;
    struct answer *answers;
    size_t answers_count;
    uint64_t *unblocked; /* sessions that take requests again */
    size_t unblocked_count;
    struct flush *flush; /* NULL: none */
    struct drop {
        uint32_t peer;
        const char *why;
    } * drops; /* connections to close: the peer sent what must not be applied */
    size_t drops_count;
    bool refuse_requests; /* memory is full until the flush under way ends: stop reading from clients and peers */
    bool shutdown;        /* a client said SHUTDOWN */
    struct handler_run {  /* ask a handler; the answer is HANDLED */
        uint64_t id;
        const char *name;     /* one of HANDLERS */
        uint64_t hash;        /* the file must still have it */
        struct slice request; /* conflict/handler.h */
    } * handler_runs;
    size_t handler_runs_count;
    bool reload_handlers; /* look into the directory of handlers again, then HANDLERS */
    bool members_changed; /* engine_cluster() has: whom to connect to, and whom to refuse */
    const char *fatal;    /* the store failed or is damaged: stop. NULL: all is well */
};

/* Recovers the state from the store: the checkpoint, then the log from there. 0; or STORE_FAILED with one line in *why. */
int engine_create(struct engine **ret, const struct engine_options *options, struct now now, struct buf *why);
void engine_destroy(struct engine *e); /* NULL is accepted; no flush may be under way */
void engine_step(struct engine *e, const struct input *in);
const struct engine_updates *engine_updates(struct engine *e);
uint64_t engine_wake_us(const struct engine *e);
/* What this node says of itself in HELLO. */
uint64_t engine_run(const struct engine *e);
/* The node lacks what its disk had, by the host's word or by what others know of it: it takes no commands and originates nothing until it has caught
 * up with them. The host keeps this over restarts, and gives it back in engine_options. */
bool engine_returning(const struct engine *e);
/* Who leads this node's DC, as far as it knows: an index into cluster->nodes, UINT32_MAX where nobody does. */
uint32_t engine_leader(const struct engine *e);
uint64_t engine_term(const struct engine *e);
/* It leads, and takes writes now. */
bool engine_leads(const struct engine *e);
/* The cluster as it is now: nodes come and go, indices stand as long as the engine runs. Valid as long as the engine. */
const struct cluster *engine_cluster(const struct engine *e);
/* Does this node have anything to do with that one? Not with one that was removed. */
bool engine_accepts(const struct engine *e, uint32_t node);
bool engine_session_authenticated(const struct engine *e, uint64_t session);
bool engine_session_blocked(const struct engine *e, uint64_t session);
/* Its requests that are not yet answered: at the leader, or waiting for acknowledgements. */
uint64_t engine_session_forwards(const struct engine *e, uint64_t session);
/* Bytes of its replies that the next updates will hold: a host gives no more requests when it is much. */
size_t engine_session_reply_bytes(const struct engine *e, uint64_t session);
/* For the status: so many bytes have gone to a peer, after compressing. */
void engine_note_wire(struct engine *e, uint32_t peer, uint64_t bytes);
/* Ask for all dirty rows to be flushed with the next updates (shutdown; tests). False: a flush is under way already. */
bool engine_flush_now(struct engine *e);
bool engine_flushing(const struct engine *e);
size_t engine_dirty_rows(const struct engine *e);

/* ---- what tests, status and the simulator look at ---- */
const struct vv *engine_vv(const struct engine *e);
struct origins *engine_origins(struct engine *e);
uint64_t engine_digest(const struct engine *e);
/* The dot of this run's latest event, n = 0 before the first. */
struct dot engine_last_dot(const struct engine *e);
/* JSON text of the whole state (schemas/status.schema.json). Appends. */
void engine_status(struct engine *e, struct buf *out);

/* Told of everything that is applied, for checkers and for traces; NULL: nobody listens. */
struct engine_observer {
    void (*applied)(void *arg, const struct event *e, bool own);
    void *arg;
    /* Of a transfer: from this commit on, after any crash too, the VV will be this; and it is, or will be, with this step. */
    void (*joining)(void *arg, const struct vv *vv);
    void (*joined)(void *arg);
};
void engine_observe(struct engine *e, struct engine_observer o);

/* ---- bugs that can be planted, to see that the tests find them ---- */
#define PLANTED_BUGS(X)                                                                                                                              \
    X(IGNORE_CONTEXT, 1, "a write supersedes every sibling, seen or not")                                                                            \
    X(DROP_LOSER, 2, "an lww loser is dropped at once")                                                                                              \
    X(COLLECT_EARLY, 3, "a tombstone is collected as soon as this node has applied it")                                                              \
    X(STABLE_BY_REPORTS, 4, "stable does not ask whether one's own VV contains the reports")                                                         \
    X(COLLECT_BESIDE_LIVE, 5, "a stable tombstone is collected beside a live sibling")                                                               \
    X(ACK_EARLY, 6, "the answer leaves before the write is in the log")                                                                              \
    X(SKIP_DEPS, 7, "events are applied without waiting for their deps")                                                                             \
    X(APPLY_TWICE, 8, "an event that comes again is applied again")                                                                                  \
    X(REUSE_INCARNATION, 9, "a restarted run goes on under its old incarnation, from the number it remembers")                                       \
    X(NO_JOURNAL, 10, "a hidden loser is not journaled")                                                                                             \
    X(SPLIT_TRANSACTION, 11, "a transaction becomes one event for each row")                                                                         \
    X(VV_AHEAD, 12, "the checkpoint claims more than the flushed rows hold")                                                                         \
    X(STAMP_DRAGGED, 13, "a stamp beyond the bound moves the clock")                                                                                 \
    X(STAMP_STANDS, 14, "a received stamp does not move the clock at all")                                                                           \
    X(RETURN_EARLY, 15, "a node that was wiped or restored serves at once")                                                                          \
    X(REPORT_STANDS, 16, "what a node reported in an earlier run still counts, and nobody looks whether a run began behind it")                      \
    X(TRIM_EARLY, 17, "past its budget the log drops what is not yet flushed")                                                                       \
    X(POINTER_SUPERSEDED, 18, "a pointer goes with its version: what is removed leaves none")                                                        \
    X(POINTERS_STAY, 19, "who takes rows takes no pointers for them")                                                                                \
    X(TRANSFER_LIVE, 20, "rows of a transfer count one by one, the VV at the end")                                                                   \
    X(TRANSFER_VV_FIRST, 21, "the VV of a transfer counts before its rows, which a crash may lose")                                                  \
    X(TRANSFER_FUZZY, 22, "rows of a transfer are as they are when they are sent, its VV is of its start")                                           \
    X(TRANSFER_OF_ONE, 23, "a transfer moves the VV of one origin alone")                                                                            \
    X(TRANSFER_NO_FLOOR, 24, "whoever lacks what is stable gets changed rows alone")                                                                 \
    X(TRANSFER_ANY_SENDER, 25, "a broken transfer goes on at any sender")                                                                            \
    X(ACKS_OF_ANY_TERM, 30, "acknowledgements that were given in another term count")                                                                \
    X(READ_WITHOUT_ROUND, 31, "a linearizable read is answered at once")                                                                             \
    X(NO_CHANGE_UNCONFIRMED, 32, "a write that changes nothing is answered at once")                                                                 \
    X(LEADS_BEHIND, 33, "a new leader writes before it has what its voters have")                                                                    \
    X(VOTES_FORGOTTEN, 34, "terms and votes are gone after a restart")                                                                               \
    X(VOTES_TWICE, 35, "a node votes for everybody who asks in a term")                                                                              \
    X(STAMPS_UNPROMISED, 36, "a leader uses stamps that nobody has promised it, and does not begin above those of others")                           \
    X(VOTES_UNADMITTED, 37, "a node that has lost its disk votes and acknowledges at once")                                                          \
    X(ROUND_OF_TERM, 38, "a round asks whether a majority is in the leader's term, not whether it has what is read")                                 \
    X(ADMITTED_BY_ANY, 39, "whoever leads admits a node that has lost its disk")                                                                     \
    X(QUORUM_OF_ONE, 40, "a quorum read is answered with what the first node tells")
/* Those of members, which show only where members change (tests/sim/members.c). */
#define MEMBER_BUGS(X) X(UNHEARD_UNCOUNTED, 60, "a node that has not reported yet does not count for what is stable")
enum planted_bug {
#define X(name, number, doc) BUG_##name = number,
    PLANTED_BUGS(X) MEMBER_BUGS(X)
#undef X
};
