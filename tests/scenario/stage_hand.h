/* A stage made by hand for tests of the play: it says what it was told to say, and writes down what was done to it. */
#pragma once
#include "../../dc-node/scenario/play.h"

#define HAND_RTT_US 1000u /* a reply takes so long */

/* What a node answers to a command; the first that fits and is not used up. */
struct canned {
    const char *node;    /* NULL: any */
    const char *command; /* its words with blanks between; a `*` at the end stands for the rest */
    const char *reply;   /* as it comes; NULL: none, until the client hangs up */
    uint32_t times;      /* it is good for so many; 0: always */
    uint32_t used;
};

struct hand_stage {
    struct stage base;
    struct scenario scenario;
    struct record record;
    struct stage_view views[NODES_MAX];
    struct canned *canned;      /* ends with one without a command; what none fits is answered with +OK */
    bool never_settles, cannot; /* act() refuses all but starts */
    const char *found;          /* what check() finds */
    struct buf log;             /* a line for each request and act: "1000 us-1#0 SET a 1" */
    /* private */
    uint64_t now_us;
    bool stop, running;
    struct hand_call *calls;
    struct hand_request *requests;
    uint32_t client_nodes[64], clients_count;
};

/* Of a scenario as text, with ' for ". Nodes lead where they are the first of their DC, and follow else. */
void hand_stage_init(struct hand_stage *s, const char *scenario);
void hand_stage_finish(struct hand_stage *s);
/* The log as text, from the beginning of the scenario's time; looks at roles are not in it. */
const char *hand_log(struct hand_stage *s);
/* JSON with ' for ", read and drawn: for tests on any stage. Ends the test where it is not in order. */
void scenario_of_text(const char *text, struct scenario *ret);
