/* The links' own faults, for tests and for whoever wants to see a cut: frames to or from a peer are dropped, held, lost or paced, while the
 * connection stays (DESIGN, section 9, `truce cut|heal|slow`). */
#pragma once
#include "../../schemas/cluster.h"
#include "../core/prng.h"

struct held_frame;
struct slowness {
    uint32_t latency_us, jitter_us;
    uint32_t loss_ppm, repeat_ppm, corrupt_ppm, replay_ppm; /* replay: a frame comes again much later, maybe on a later connection */
    uint64_t rate_bytes_per_s;                              /* 0: no limit */
    bool reorder;                                           /* jitter lets frames overtake each other */
};
struct fault {
    bool cut_in, cut_out;
    bool clogged; /* what is sent is held until this is lifted */
    struct slowness slow;
    /* frames on their way, in order of time */
    struct held_frame *first, *last;
    size_t held_bytes;
    uint64_t latest_due_us, paced_until_us;
    uint64_t dropped; /* frames, since the start */
};

struct faults {
    const struct cluster *cluster;
    uint32_t self;
    size_t held_bytes_max; /* per peer; beyond it frames are lost */
    struct prng prng;
    struct fault of[NODES_MAX];
};
void faults_init(struct faults *f, const struct cluster *c, uint32_t self, size_t held_bytes_max, uint64_t entropy);
void faults_finish(struct faults *f);

/* True: nothing stands between this node and the peer, frames may be sent at once. */
bool fault_none(const struct fault *f);
/* True: no new connection comes about, as neither does through a firewall that drops. */
static inline bool fault_bars(const struct fault *f) { return f->cut_in || f->cut_out || f->clogged; }
/* Whole frames to a peer: held, or lost. */
void faults_hold(struct faults *f, uint32_t peer, struct slice frames, uint64_t now_us);
/* Gives out what is due; false from `send` is not looked at: a peer that is gone loses what was on its way. */
void faults_release(struct faults *f, uint64_t now_us, void (*send)(void *arg, uint32_t peer, struct slice frame), void *arg);
uint64_t faults_wake_us(const struct faults *f);
/* The connection is gone, and what was on it. */
void faults_forget(struct faults *f, uint32_t peer);

/* TRUCE.FAULT CUT <dc|node> [OUT|IN|BOTH|NONE] | CLOG <dc|node> [OFF] | SLOW <dc|node> [<what> <how much>]... | HEAL <dc|node|*> | LIST.
 * SLOW takes LATENCY, JITTER (milliseconds, or as 500us), RATE (bytes a second), LOSS, REPEAT, CORRUPT, REPLAY (thousandths, or as 25ppm),
 * REORDER (yes, no), and ends what was slow before. Appends the reply. True: peers may have been healed. */
bool faults_command(struct faults *f, const struct slice *argv, uint32_t argc, struct buf *reply);
/* Marks the peers that a DC or node names, `*` being all where allowed; false: there is no such one. */
bool faults_peers(const struct faults *all, struct slice name, bool star, bool ret[static NODES_MAX]);
