/* What happened in a simulated world: every event that was ever made, what each node has applied, and an independent oracle of the rows.
 *
 * The oracle is DESIGN sections 5 and 6 in their plainest form and calls nothing of conflict/ but the hash of the digest: a row at a version vector
 * is the set of the versions, and of the single increments, in it that no change in it covers. Checkers look at the history only, so that a history
 * made by hand tests them. */
#pragma once
#include "../../conflict/row.h"
#include "../../schemas/cluster.h"

struct h_event;
struct h_change;

__extension__ typedef unsigned __int128 h_nodes; /* a bit for each node */

/* What a change does to one cell. A change of a whole row is one that puts CELL_ROW. */
struct h_op {
    struct h_change *change;
    enum cell_kind kind;
    uint8_t flags;            /* OP_... */
    struct slice name, value; /* within the change's content */
    amount_t amount;          /* OP_COUNT: how much more, by itself */
    struct dot *resets;       /* OP_RESET: increments of these origins, up to these numbers */
    uint32_t resets_count;
    struct dot *unseen; /* OP_UNSEEN: versions of its cell that its writer had not seen */
    uint32_t unseen_count;
    bool known;        /* its version: somebody who saw it overwrote it */
    h_nodes journaled; /* its version: nodes whose journal holds it */
    bool by_type;      /* ... as an element of a type that was hidden */
    uint8_t expiry[8]; /* room for its time, where a whole row became cells */
};

struct h_change {
    struct h_event *event;
    uint32_t key;
    enum change_op op;
    struct slice content; /* owned */
    struct dot *unseen;
    uint32_t unseen_count;
    bool clear;             /* everything that it covers goes */
    enum content_type type; /* elements of other types that it covers go; CONTENT_NONE: no */
    struct h_op *ops;
    uint32_t ops_count;
    struct h_op **saw; /* versions that readers saw at its origin just before it was made, and that it overwrote */
    uint32_t saw_count;
    struct buf was;  /* what readers saw of the row then: a content, for ever */
    bool was_ending; /* that had a time of expiry */
    uint64_t inputs; /* ANSWER */
    uint8_t generation;
    bool settles_doubt; /* ANSWER: among what it saw were different answers to the same inputs */
};

struct h_event {
    struct dot dot; /* origins are those of the history */
    stamp_t stamp;
    uint64_t checksum, previous;
    struct vv deps; /* whole; without its own origin */
    struct h_change *changes;
    uint32_t changes_count;
    uint32_t node, run;
    uint64_t wall_ms; /* of its node, when it was made */
    uint32_t index;   /* in order of making, which is a causal order */
    bool gone;        /* a disk was wiped or replaced, and no other held it then */
    bool left;        /* ... and no other of its datacenter */
};

struct h_source {
    struct h_event **events; /* by number - 1 */
    uint64_t n, cap;
    uint32_t node, run;
    uint32_t mark_key; /* + 1, of the row that marks its numbers; 0: none */
};

struct h_key {
    struct slice name; /* owned */
    struct h_change **changes;
    uint32_t n, cap;
    bool merged, whole;  /* there are changes of this form */
    enum policy policy;  /* of the cluster's table */
    uint32_t definition; /* the key that defines its table at run time */
};

/* A version or an increment in a row. */
struct h_element {
    struct h_op *op;
    enum cell_kind kind;
    struct slice name, value;
    bool counts;
};

/* A row as the oracle has it at one node: unordered. */
struct h_row {
    struct h_element *v;
    uint32_t n, cap;
    uint64_t digest;
};

struct h_node {
    bool alive;
    uint32_t run;
    struct vv vv;
    uint64_t vv_hash;   /* a sum over its dots */
    uint64_t digest;    /* by the oracle */
    struct h_row *rows; /* by key */
    uint32_t rows_count;
    origin_ref *refs; /* engine's ref -> history's */
    uint32_t refs_count;
    struct vv synced, made, latest; /* what survives a crash of the machine, of the process; what may at most */
    struct vv trimmed;              /* from its log */
    struct vv joining;              /* what a transfer on its disk will make of its VV */
    struct vv had;                  /* what disks held that were wiped or replaced since */
    uint64_t wall_ms_greatest;
    uint64_t term;                 /* the greatest in which it has spoken; of what its disk remembers */
    uint64_t term_before, term_us; /* the latest of an earlier moment; when it spoke last */
};

struct h_digest {
    uint64_t vv_hash, digest;
    uint32_t node;
    bool used;
};

/* What a disk held when it was copied. */
struct h_backup {
    uint32_t number;
    struct vv made, latest;
};

struct h_vote {
    uint32_t node, candidate;
    uint64_t term;
};

/* It took writes. */
struct h_reign {
    uint32_t node, dc;
    uint64_t term;
};

/* A majority has acknowledged it. */
struct h_promise {
    struct h_event *event;
    uint32_t dc;
    uint64_t term; /* in which it was acknowledged, or a later one */
};

struct h_elections {
    struct h_vote *votes;
    struct h_reign *reigns;
    struct h_promise *promises;
    uint32_t votes_count, reigns_count, promises_count, promises_cap;
};

struct history {
    struct origins *origins;
    const struct cluster *cluster; /* NULL: every table is `lww` */
    uint64_t clock_bound_ms;
    bool clock_was_off; /* some clock was off by more than half the bound: two of them may have differed by more than the bound */
    struct h_source *sources;
    uint32_t sources_count;
    struct h_event **events;
    uint32_t events_count, events_cap;
    struct h_key *keys;
    uint32_t keys_count, keys_cap;
    uint32_t *keys_index, keys_index_size;
    uint32_t priority_keys[DCS_MAX]; /* + 1, by DC of the cluster: the row that defines its priority; 0: none */
    bool any_mark;
    struct h_node *nodes;
    uint32_t nodes_count;
    struct h_digest *digests;
    uint32_t digests_count, digests_size;
    struct h_backup *backups;
    uint32_t backups_count;
    struct h_elections elections;
    char failure[2048]; /* empty: nothing is wrong. "I4: ..." */
};

struct history *history_create(uint32_t nodes, uint64_t clock_bound_ms, const struct cluster *c);
void history_destroy(struct history *h); /* NULL is accepted */
void h_elections_finish(struct h_elections *el);
/* Keeps the first failure. */
void history_fail(struct history *h, const char *invariant, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline bool history_failed(const struct history *h) { return h->failure[0] != 0; }

uint32_t history_key(struct history *h, struct slice name);
struct h_event *history_event(const struct history *h, struct dot d); /* NULL: never made */
origin_ref history_ref(struct history *h, uint32_t node, const struct origins *t, origin_ref engine_ref);
bool h_covers(const struct h_change *c, struct dot d);
/* The same for versions of one cell: what its writer had not seen of the row may have been live in other columns alone. */
bool h_op_covers(const struct h_op *op, struct dot d);
bool h_in(const struct vv *vv, const struct h_change *c);

bool h_makes_version(const struct h_op *op); /* of a whole row or of a register */

/* The node runs from now on, with the state of this VV. */
void history_started(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t);
/* From its next commit on a transfer makes this of its VV; and it has. */
void history_joining(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t);
void history_joined(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t);
void history_stopped(struct history *h, uint32_t node);
static inline uint32_t h_dc_of(const struct history *h, uint32_t node) { return h->cluster ? h->cluster->nodes[node].dc : 0; }
/* The node's disk was copied, under that number. */
void history_backed_up(struct history *h, uint32_t node, uint32_t backup);
/* Its disk is that copy now; 0: it is empty. What no other disk holds is gone, and nobody promises it any more. */
void history_replaced(struct history *h, uint32_t node, uint32_t backup);
/* A node applies an event: it is recorded when it is its own, looked up when not. NULL: nobody made it, or its content differs (I10 is reported). */
struct h_event *history_applies(struct history *h, uint32_t node, const struct event *e, bool own, const struct origins *t, uint64_t wall_ms);
/* Afterwards: the oracle's rows of that node. */
void history_apply(struct history *h, uint32_t node, struct h_event *e);

/* ---- history_rows.c: the oracle's rows ---- */
const struct h_row *history_row(const struct history *h, uint32_t node, uint32_t key);
void h_row_apply(struct history *h, struct h_node *n, struct h_change *c);
/* Fills ops of a change that was just made, from its content and from what its origin had. `self`: its event's dot, as the engine has it. */
void h_change_read(struct history *h, uint32_t node, struct h_change *c, const struct change *from, struct dot self, const struct origins *t);
void h_change_finish(struct h_change *c);
void h_make_cells(struct h_row *row);
/* Answers of handlers differ in it, though they were given the same: a handler is not to be asked again. */
bool h_row_doubtful(const struct h_row *row);
bool h_removes(const struct h_change *c, const struct h_element *e); /* of its row */

/* ---- history_view.c: what readers see of them ---- */
enum policy h_policy(const struct history *h, uint32_t node, uint32_t key);
#define H_ONE ((amount_t)100000000 * 1000000000) /* amounts are in 10^-17; what clients count here are whole numbers */
/* Of the versions of one cell, the one that is read; NULL: there is none. */
const struct h_element *h_winner(const struct history *h, uint32_t node, uint32_t key, enum cell_kind kind, struct slice name);
/* The type of the greatest (stamp, origin) element; of a whole row CONTENT_NONE. */
enum content_type h_shown_type(const struct history *h, uint32_t node, const struct h_row *row);
/* A content, without expiry; nothing: absent. Replaces what `out` holds. */
void h_view(const struct history *h, uint32_t node, uint32_t key, struct buf *out);
uint64_t h_expire_ms(const struct h_row *row); /* 0: never */
bool h_row_live(const struct h_row *row);
enum content_type h_type_of(enum cell_kind kind);
/* Whole rows: there are versions of different content. */
bool h_row_open(const struct h_row *row);

/* From the definition, for comparing with the rows kept step by step: is this whole-row version in the row at this VV? */
bool history_is_sibling(const struct history *h, const struct vv *vv, const struct h_change *v);
/* Text of a dot, in one of a few static buffers. */
const char *h_dot(const struct history *h, struct dot d);
