/* The simulated stage's state, shared by the stage_sim*.c files; nobody else includes it. */
#pragma once
#include "../checks/onlooker.h"
#include "stage_sim.h"

/* One run of one node that makes events: when it made them. */
struct sim_source {
    uint32_t node, dc, run;
    uint64_t *at_us; /* by number - 1 */
    uint64_t n, cap;
};

struct sim_call {
    void (*call)(void *arg, uint64_t number);
    void *arg;
    uint64_t number;
    uint32_t next; /* of those that are free, + 1; 0: none */
};

struct sim_request {
    struct sim_request *next, **link;
    struct sim_stage *stage;
    stage_done *done;
    void *arg;
    struct stage_reply reply; /* of one that got none inside act() or hang_up(): told of it later */
};

/* An episode as a node's journal had it last. */
struct sim_episode {
    uint64_t id; /* of node and episode; 0: free */
    uint64_t members;
    bool open;
};

struct sim_stage {
    struct stage base; /* first */
    struct stage_sim_options options;
    struct world *world;
    struct onlooker onlooker; /* .history NULL: nobody looks on */
    uint32_t nodes_count;

    struct sim_call *calls;
    uint32_t calls_count, calls_cap, calls_free;
    struct sim_request *requests, *lost; /* under way; that got no answer and whose owner is not told yet */
    bool running, acting, stop;

    /* who has made and applied what */
    struct origins *origins;
    struct sim_source *sources; /* by ref */
    uint32_t sources_count;
    struct sim_node {
        struct vv have;   /* what its disk and memory hold; of one that does not run, held */
        origin_ref *refs; /* the engine's ref -> the stage's */
        uint32_t refs_count;
        enum stage_role role; /* as it was recorded last */
    } * nodes;

    /* for the record */
    struct sim_episode *episodes; /* a hash table */
    uint32_t episodes_count, episodes_size;
    struct delta delta;
    struct buf text;
    const char *stopped_by; /* what is done to a node just now; NULL: it stops of itself */
};

static inline struct sim_stage *sim_stage_of(struct stage *s) { return (struct sim_stage *)s; }
origin_ref sim_stage_ref(struct sim_stage *s, uint32_t node, const struct origins *t, origin_ref engine_ref);
/* "us-1#3"; of its second run "us-1(2)#3". Appends. */
void sim_stage_dot(const struct sim_stage *s, struct dot d, struct buf *out);

/* ---- stage_sim_record.c: what happens, in words; nothing where nobody keeps it ---- */
void sim_record_node(struct sim_stage *s, uint32_t node, const char *what);
void sim_record_role(struct sim_stage *s, uint32_t node);
void sim_record_link(struct sim_stage *s, uint32_t from, uint32_t to, const char *what);
void sim_record_event(struct sim_stage *s, uint32_t node, const struct event *e, bool own, struct dot d);
void sim_record_commit(struct sim_stage *s, uint32_t node, const struct commit *c);
void sim_record_finish(struct sim_stage *s);

/* ---- stage_sim_words.c ---- */
/* What a change does: `HSET users:1 name=Alice`. `known` is what the oracle knows of it; NULL: nothing. Appends. */
void sim_words_change(struct sim_stage *s, const struct change *c, struct dot self, const struct h_change *known, struct origins *t, struct buf *out);
/* Text as it is, without control characters and what is no UTF-8, cut short where it is long. Appends. */
void sim_words_text(struct slice text, struct buf *out);
/* The same, in quotation marks where it holds blanks, or nothing. */
void sim_words_value(struct slice text, struct buf *out);
