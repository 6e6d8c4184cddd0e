/* One run of the swarm: a world with faults and clients, then peace, then the checks. */
#pragma once
#include "../../conflict/planted.h"
#include "plan.h"

struct run_result {
    char failure[2048]; /* empty: all is well; "I4: ..." */
    uint64_t trace_hash, virtual_us, events;
    struct world_counts counts;
    struct workload_counts clients;
};
/* A bug to find: one of the engine, or one of the conflict module; none: both are 0. */
struct bug_planted {
    uint32_t engine;
    enum conflict_bug conflict;
};
/* `trace` may be NULL. */
void run_plan(const struct plan *p, struct bug_planted bug, FILE *trace, struct run_result *ret); /* takes the plan */
void run_seed(enum worlds worlds, uint64_t seed, struct bug_planted bug, FILE *trace, struct run_result *ret);
enum worlds worlds_of(struct bug_planted bug); /* in which it is looked for */
/* False: no such bug. Letters of either case. */
bool bug_by_name(const char *name, struct bug_planted *ret);
