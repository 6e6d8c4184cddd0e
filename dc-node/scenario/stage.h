/* The stage on which a scenario is played: the simulated world (stage_sim.h), or real processes (deploy/live.h). The same verbs, and the same looks.
 *
 * Times are microseconds since the play began: virtual ones, or real ones. Everything is called from one thread; callbacks are called inside run()
 * and settle() alone, never inside request() or act(). */
#pragma once
#include "record.h"
#include "scenario.h"

struct stage;

struct stage_reply {
    uint32_t node, client;
    uint64_t invoked_us, returned_us;
    struct slice resp; /* one whole reply, as it came; n == 0: none came, the outcome is not known */
};
typedef void stage_done(void *arg, const struct stage_reply *r); /* exactly once; not any more once the stage is being destroyed */

/* One thing done to the world. */
struct act {
    enum step_verb kind; /* CUT, CLOG, HEAL, SLOW, DISCONNECT: from..to, one direction; KILL ... DISK: node */
    uint32_t node, from, to;
    struct link_options link; /* SLOW; all zero: as the scenario has it at the beginning. HEAL gives that back too */
    bool power;
    const char *name; /* BACKUP, RESTORE */
    int64_t skew_ms;
    int32_t drift_ppm;
    bool frozen;
    enum disk_state disk;
    uint64_t disk_us;
};

enum stage_role { ROLE_DOWN, ROLE_PAUSED, ROLE_FOLLOWER, ROLE_LEADER, ROLE_RETURNING };
const char *stage_role_name(enum stage_role r);

/* How a node stands. */
struct stage_view {
    enum stage_role role;
    uint64_t vv_hash, digest;  /* of running ones */
    uint64_t lag_us[DCS_MAX];  /* by DC of origin: age of the oldest event that was made there and is not here; 0: none */
    uint64_t backlog[DCS_MAX]; /* ... how many */
    uint64_t conflicts_open;
    uint64_t term;   /* of its DC, as far as it knows; 0: this stage cannot tell */
    uint64_t events; /* applied so far; 0 likewise */
};

struct stage_ops {
    const char *name; /* "simulated", "live" */
    uint64_t (*now_us)(struct stage *s);
    /* Runs until then, or until stage_stop(); false: it cannot go on, see failure. */
    bool (*run)(struct stage *s, uint64_t until_us);
    void (*stop)(struct stage *s); /* run() returns soon, once */
    /* Calls back at that time, during run(). */
    void (*at)(struct stage *s, uint64_t at_us, void (*call)(void *arg, uint64_t number), void *arg, uint64_t number);
    uint32_t (*client)(struct stage *s, uint32_t node); /* connects at need, and again after a loss; requests are answered in order */
    /* Requests that are made at one time go over one connection: when it is lost, none of those without an answer is carried over to the next. */
    void (*request)(struct stage *s, uint32_t client, const struct slice *argv, uint32_t argc, stage_done *done, void *arg);
    void (*hang_up)(struct stage *s, uint32_t client); /* what is under way gets no answer */
    /* False: this stage cannot, *why says it (such as a power cut of a real machine); the play goes on, and says so. */
    bool (*act)(struct stage *s, const struct act *a, struct buf *why);
    void (*look)(struct stage *s, uint32_t node, struct stage_view *ret);
    /* Runs until nothing is under way (`looks` apart) and all nodes that run agree, or max_us have passed; false: they differ, or failure. */
    bool (*settle)(struct stage *s, uint64_t max_us);
    /* At the end, at rest: what can only be asked then (the journals against the oracle). */
    void (*check)(struct stage *s);
    void (*destroy)(struct stage *s);
};

struct stage {
    const struct stage_ops *ops;
    const struct scenario *scenario;
    struct record *record;   /* NULL: nobody keeps what happens */
    struct load_book *books; /* what the workloads on it remember (load.c) */
    uint32_t looks;          /* requests under way that only look on: settle() does not wait for so many */
    char failure[2048];      /* an invariant that is broken, "I4: ..."; empty: all is well */
};
