/* Elections inside a datacenter: who gives the order there, in which term (DESIGN, section 7).
 *
 * After Raft (Ongaro 2014: chapter 3 for terms and votes, 3.10 for handing over, 4.2.3 and 9.6 for pre-vote, 6.2 for check-quorum), without its log:
 * every node is an origin, so any candidate may win, and a new leader first takes what its voters have (`need`) before it writes. Nothing is lost
 * where two nodes believe that they lead; elections give order and freshness.
 *
 * Stamps are promised: a leader uses none beyond what a majority has promised it in its term. A promise is a node's hybrid clock, as far as it is
 * within half the clock bound of its own, and half the clock bound; a vote says the most that this node has promised before it, or used itself,
 * and a new leader starts above its voters'. So nothing that a deposed leader wrote alone comes after what its successor has had acknowledged. Half
 * the bound, so that such a stamp still is within the bound of clocks elsewhere.
 *
 * One wild clock must neither stop a datacenter nor drag its stamps along. So the hybrid clock of a node whose own clock was set back counts as far
 * as the others' clocks say, and what a voter has promised counts up to one and a half bounds above the candidate's clock: a majority has a sane
 * clock in it, so nobody was promised more. (Sane: within half the bound of each other.) A leader whose stamps are beyond what it is promised gives
 * up after a while.
 *
 * Pure: time, clocks and random numbers come in with each call, messages go out through `send`. What is `dirty` must be durable before they leave. */
#pragma once
#include "../schemas/cluster.h"
#include "../schemas/message.h"

#define ELECTION_SILENT_US 1000000u /* a leader that was not heard for so long may be replaced; one that hears no majority for so long gives up */
#define ELECTION_SPREAD_US 300000u  /* candidates wait 0..this longer, by chance, so that one is first */
#define ELECTION_AGAIN_US  100000u  /* whoever was not elected asks again after this and 0..as much, doubled each time */
#define ELECTION_AGAIN_MAX 3u       /* ... so often: answers may need longer */
#define ELECTION_ADMIT_US  (ELECTION_SILENT_US + (ELECTION_AGAIN_US << (ELECTION_AGAIN_MAX + 1)))
#define ELECTION_READY_US  5000000u /* a new leader that cannot take what its voters have gives up */
#define ELECTION_SEEN_MS   10000u   /* how far the durable mark of the clock may lie behind it */
#define ELECTION_NOBODY    UINT32_MAX

struct election_durable {
    uint64_t term;
    uint16_t vote;    /* number of the node that this one has voted for in the term; 0: none */
    uint64_t seen_ms; /* the wall clock has shown this */
    bool admitted;    /* it takes part in votes; a node that has lost its disk is admitted anew (election_admit) */
};
void election_encode(const struct election_durable *d, struct buf *out);
bool election_decode(struct slice bytes, struct election_durable *ret);

enum election_role { ELECTION_FOLLOWER, ELECTION_ASKING /* pre-vote */, ELECTION_CANDIDATE, ELECTION_LEADER };

struct election {
    const struct cluster *cluster;
    uint32_t self;
    bool is_member[NODES_MAX]; /* the DC's nodes */
    uint32_t count, quorum;
    struct election_durable durable;
    bool dirty;
    enum election_role role;
    uint32_t leader;          /* index; ELECTION_NOBODY */
    uint64_t leader_heard_us; /* in this term */
    uint64_t deadline_us;     /* not leading: when to ask for votes */
    uint32_t asked;           /* so often, since there was a leader */
    uint64_t promised_ms;     /* the most that was ever promised by this node */
    /* leading, or trying to */
    enum { NOT_GRANTED, GRANTED_UNADMITTED, GRANTED } granted[NODES_MAX];
    struct vv need;
    uint64_t floor_ms; /* stamps start above */
    bool ready;
    uint64_t since_us; /* it leads, or could use a stamp last */
    struct election_member {
        uint64_t heard_us, promised_ms; /* in this term */
    } members[NODES_MAX];
    /* what it asks of its owner */
    void (*send)(void *arg, uint32_t peer, const struct message *m);
    uint64_t (*draw)(void *arg, uint64_t below);
    void *arg;
};

struct election_now {
    uint64_t mono_us, wall_ms;
    uint64_t stamp_ms;   /* of the greatest stamp given or taken in: what other DCs write may be ahead of this clock */
    uint64_t high_ms;    /* the upper median of the clocks in reach */
    const struct vv *vv; /* applied and durable here */
    bool dc_has_written; /* events of this DC are known here: it has had a leader before */
};

/* `durable` as it was read, or all zero. A DC of one node leads at once. A node without a record may be one whose disk was lost, and what it has
 * voted and acknowledged is forgotten with it: it votes in a DC that is as new as it is, and its vote counts where everybody's does. */
void election_init(struct election *e, const struct cluster *c, uint32_t self, const struct election_durable *durable,
                   const struct election_now *now);
void election_finish(struct election *e);
/* Who is a member now. */
void election_set_members(struct election *e, const bool *is_member, const struct election_now *now);
/* This node may vote from now on; or it must not, until it is admitted again. The owner decides: a majority of the members must be known in this term
 * that does not count this node, and this node must have what they have. */
void election_admit(struct election *e, bool admitted);

void election_tick(struct election *e, const struct election_now *now);
uint64_t election_wake_us(const struct election *e);
/* VOTE and VOTED from a node of this DC. */
void election_take(struct election *e, uint32_t from, const struct message *m, const struct election_now *now);
/* A heartbeat from a node of this DC. */
void election_take_heartbeat(struct election *e, uint32_t from, const struct message *m, const struct election_now *now);
/* The connection to a node is gone: where it led, somebody is to try soon. */
void election_lost(struct election *e, uint32_t peer, const struct election_now *now);
/* This node asks to be elected now, though there is a leader: it hands over. */
void election_take_over(struct election *e, const struct election_now *now);
/* It leads no longer, nor tries to: another one may be elected, also by its vote. */
void election_give_up(struct election *e, const struct election_now *now);
/* Fills term, is_leader and promised_ms of a heartbeat to a node of this DC. */
void election_fill_heartbeat(struct election *e, struct message *m, const struct election_now *now);

static inline bool election_leads(const struct election *e) { return e->role == ELECTION_LEADER && e->ready; }
/* A leader's stamps must not lie beyond this. UINT64_MAX: nobody else is asked. */
uint64_t election_ceiling_ms(const struct election *e, const struct election_now *now);
