/* The simulated stage: a world in virtual time, with the oracle and all checkers looking on (dc-node/checks). */
#pragma once
#include "stage.h"

struct stage_sim_options {
    uint64_t seed;
    uint32_t planted_bug; /* of the engine; tests alone */
    bool checkers;        /* the oracle looks on; else only what the scenario expects counts */
    FILE *inputs;         /* every input and update of every node, in full; NULL: none */
    /* Runs a handler from a file (scenario.handlers), and waits for its answer; NULL: only simulated handlers are there. `name` is an entry of
     * scenario->handlers. Appends a handler_answer_encode(). */
    void (*handler)(void *arg, const char *name, struct slice request, struct buf *answer);
    void *handler_arg;
    const struct known_handler *known; /* those files, as nodes have them */
    uint32_t known_count;
};
struct stage *stage_sim_create(const struct scenario *s, const struct stage_sim_options *o, struct record *record);
uint64_t stage_sim_trace_hash(const struct stage *s);
struct world_counts stage_sim_counts(const struct stage *s);
