/* A play under way, shared by the files play*.c, predicate.c and outcome.c; nobody else includes it. */
#pragma once
#include "asks.h"
#include "compare.h"
#include "load.h"
#include "play.h"
#include "reply_json.h"
#include "words.h"

#define PATIENCE_US     UINT64_C(30000000) /* of a `do` that says nothing */
#define ASK_PATIENCE_US UINT64_C(5000000)  /* of what predicates and the outcome ask */
#define RETRY_US        UINT64_C(50000)    /* expectations with time, and contexts that are not there yet, are tried again so often */
#define START_US        UINT64_C(60000000) /* the cluster must be up by then */
#define LOAD_GRACE_US   UINT64_C(60000000) /* a workload that was stopped must be idle by then */

struct playing_load {
    struct load *load;
    const struct step *step;
    uint64_t ends_us; /* of the play; UINT64_MAX: with the play */
    bool checked, holds;
    char *why; /* NULL: nothing is wrong */
};

/* A connection of `do` steps: a node's own, or a named one to a node. */
struct playing_client {
    const char *name; /* NULL: the node's own */
    uint32_t node, client;
};

struct play {
    struct stage *stage;
    const struct scenario *scenario;
    const struct play_options *options;
    struct outcome *outcome;
    uint64_t zero_us; /* what the stage's clock showed when the play's time began */
    struct asks asks;
    uint32_t *ask_clients; /* by node: of predicates and the outcome; 0: none, else one more */
    struct playing_client *clients;
    uint32_t clients_count, clients_cap;
    struct origins *origins; /* of tokens */
    struct vv *labels;       /* what each labelled write made, and what it knew, as far as a vector can say it */
    uint32_t labels_count, labels_cap;
    json_t *label_names;   /* indexes into labels */
    json_t *names, *saved; /* of replies that steps keep, and those that have come */
    struct doing *doings;  /* every `do` so far, the latest first */
    uint32_t doings_open;
    struct playing_load *loads;
    uint32_t loads_count, loads_cap;
    struct never *nevers;
    const struct step *step; /* the current one; NULL: the end */
    uint64_t step_ended_us;  /* the one before, of the play */
    bool *touched_links;     /* by from * nodes_count + to */
    bool touched_nodes[NODES_MAX];
    bool over;    /* the verdict is known; or the caller has had enough */
    bool looking; /* nevers are looked at */
    bool woken, running, settling, begun;
};

/* ---- play.c ---- */
uint64_t play_now(const struct play *p); /* of the play */
/* Runs until that time of the play, or until play_wake(), or until it is over. False: it is over. */
bool play_run(struct play *p, uint64_t until_us);
bool play_sleep(struct play *p, uint64_t until_us); /* the same, woken or not */
void play_wake(struct play *p);
/* The first failure counts, and ends the play. `step` NULL: at the end. */
void play_fail(struct play *p, enum verdict v, const struct step *step, const char *format, ...) __attribute__((format(printf, 4, 5)));
void play_note(struct play *p, const struct step *step, const char *format, ...) __attribute__((format(printf, 3, 4)));
struct moment play_moment(const struct play *p, enum moment_kind k, const struct step *step, int node); /* node -1: none */
uint32_t play_ask_client(struct play *p, uint32_t node);
enum stage_role play_role(const struct play *p, uint32_t node);
static inline const char *play_node_name(const struct play *p, uint32_t node) { return p->scenario->cluster->nodes[node].name; }
/* The node that leads the DC, -1: none that runs. */
int play_leader(const struct play *p, uint32_t dc);
/* How the nodes stand to each other. `all`: every node must run; else those that do must agree. *why says who differs. */
enum agreement { AGREE, DIFFER, DIVERGED };
enum agreement play_agreement(const struct play *p, bool all, struct buf *why);

/* ---- play_act.c ---- */
void play_act(struct play *p, const struct step *s);
void play_undo_all(struct play *p); /* heals, resumes and starts everything; clocks and disks are right again */

/* ---- play_do.c ---- */
void play_do(struct play *p, const struct step *s);
bool play_do_open(const struct play *p, const struct step *s);
void play_do_finish(struct play *p);

/* ---- play_expect.c ---- */
void play_expect(struct play *p, const struct step *s);
void play_never(struct play *p, const struct step *s);
void play_nevers_finish(struct play *p);

/* ---- play_load.c ---- */
void play_load(struct play *p, const struct step *s);
void play_loads_stop(struct play *p);  /* and waits until they are idle */
void play_loads_check(struct play *p); /* at rest; the first that does not hold fails the play */
void play_loads_tell(struct play *p);  /* into the outcome */
void play_loads_finish(struct play *p);

/* ---- outcome.c ---- */
void outcome_fill(struct play *p);
