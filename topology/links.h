/* Links between nodes as each node sees them, and the plan of who subscribes to whom (DESIGN, section 8).
 *
 * Pure: no input or output of its own. A node subscribes to a peer for the origins of a set of DCs, given as a bit mask over the cluster's DCs; all
 * bits mean all origins. Followers subscribe to their leader for all. A leader subscribes to each other DC's leader for that DC's origins (in a ring
 * or a star: to its neighbours for all, ways.h); while a DC cannot be reached, or its events are waited for too long, also to one other leader that
 * is known to have what it lacks (gap relay). A leader whose disk has lost events of its own DC subscribes for them to a node that has them. */
#pragma once
#include "../schemas/cluster.h"
#include "../schemas/message.h"

#define SCOPE_ALL           UINT32_MAX
#define LEADER_NONE         UINT32_MAX
#define HEARTBEAT_US        200000u
#define LINK_SILENT_US      1000000u /* a peer that was not heard for so long is unreachable */
#define SUBSCRIBE_RETRY_US  500000u
#define LOSS_PATIENCE_US    300000u  /* frames may overtake each other for so long before they count as lost */
#define WAITING_PATIENCE_US 1000000u /* events may wait for their deps for so long before a relay is asked */
#define LINK_ISLANDS_MAX    16
#define WINDOW_BYTES_MAX    (4u * 1024 * 1024)
#define WINDOW_BYTES_MIN    (256u * 1024)

/* What this node sends to a peer on the peer's subscription. */
struct served {
    uint32_t subscription; /* 0: none */
    uint32_t scope;
    uint64_t window_bytes, sent_bytes, taken_bytes;
    struct vv sent; /* what the peer had when it subscribed, and what was sent since */
    bool live;      /* reads from the tail, at position */
    uint64_t position;
    bool refused; /* the log no longer has what it lacks */
};

struct link {
    bool connected;        /* a connection is there */
    uint64_t peer_run;     /* from its HELLO */
    uint64_t channel_last; /* the highest channel of its clients that was opened here */
    uint64_t heard_us;     /* when the last frame came; 0: never */
    uint64_t heartbeat_due_us;
    uint32_t unheard_ms; /* for so long the peer has heard nothing from here, by its last heartbeat */
    uint64_t term;       /* by its last heartbeat */
    struct vv acked;     /* what a node of the own DC has acknowledged in acked_term */
    uint64_t acked_term, round_answered;
    bool reports;      /* report is filled */
    struct vv report;  /* its VV in its last heartbeat: whole, so fit for stability */
    struct vv synced;  /* of that, what a crash of its machine leaves */
    struct vv on_disk; /* what it is known to have on disk: report and acknowledgements joined */
    uint64_t report_digest, report_hash;
    bool diverged;               /* same VV, other digest */
    int64_t clock_ahead_ms;      /* its wall clock less ours, at its last heartbeat */
    uint64_t report_ms;          /* its wall clock when it made the report */
    uint64_t report_run;         /* the report is of this run of the peer; 0: there was none */
    uint64_t report_incarnation; /* under which that run originates */
    uint32_t origins_known;      /* how many origins were known when it connected: what is newer may be its present run */
    bool is_behind;              /* that run began with less than what is known of its node here */
    bool owes;                   /* ... or it returns: nothing is stable by its reports until it has what it had */
    bool is_returning;           /* by its last heartbeat */
    bool met;                    /* it goes by a report of this node's run */
    bool wrote_behind;           /* it knows of more than this run began with, and this run has written already */
    uint64_t doubled_us;         /* a second process said that it is this node; 0: never */

    /* this node's subscription to the peer */
    uint32_t subscription, scope; /* 0: none */
    uint64_t subscribed_us;       /* when SUBSCRIBE was last sent */
    bool confirmed;               /* a frame named it */
    uint32_t lost_dcs;            /* DCs of whose origins a block was dropped for want of room since it was made */
    uint32_t patience;            /* how often SUBSCRIBE_RETRY_US is doubled: the round trip may be longer */
    uint64_t whole_bytes;         /* of the subscription, without a hole from its start */
    uint64_t seen_bytes;          /* the furthest byte that came: what credit is given for */
    uint64_t acked_bytes;
    struct island {
        uint64_t from, to;
    } islands[LINK_ISLANDS_MAX]; /* what came beyond a hole */
    uint32_t islands_count;
    uint64_t short_since_us; /* there is a hole, or the peer says that it has sent more than came; 0: all came */
    char refusal[256];       /* why the peer refuses, in words */
    uint64_t lag_us_sum, events_in, bytes_in, bytes_out;
    uint64_t wire_bytes; /* what its host made of bytes_out by compressing */

    struct progress { /* measured every second, for words (engine_progress.c) */
        uint32_t scope;
        uint64_t applied, events_s, caught_up, seconds; /* events: as of then, since then; since something is lacking, and for how long */
        uint64_t taken_bytes, taken_bytes_s;
        uint64_t full_since_us; /* the window of what is served; 0: it is not full */
    } progress;

    struct served served;
    struct buf out; /* frames for the next updates */
    uint32_t out_listed;
};

void link_finish(struct link *l);
/* A block of n bytes came that ends at `to` of the subscription. Keeps whole_bytes, seen_bytes and short_since_us. */
void link_take_bytes(struct link *l, uint64_t n, uint64_t to, uint64_t now_us);
/* Frames pass both ways: the peer was heard lately, and says that it hears us. */
bool link_heard(const struct link *l, uint64_t now_us);

/* What to subscribe to. `stuck` is the mask of DCs whose events are waited for too long. Fills want[nodes_count]: the scope for each peer, 0:
 * nothing. */
struct plan_input {
    const struct cluster *cluster;
    uint32_t self;
    const uint32_t *leaders; /* by DC: its leader's index into nodes */
    const struct link *links;
    uint64_t now_us;
    uint32_t stuck;
    bool (*has_more)(void *arg, uint32_t peer, uint32_t dc); /* is the peer known to have events of that DC that this node lacks */
    void *arg;
};
void plan_subscriptions(const struct plan_input *in, uint32_t *want);
