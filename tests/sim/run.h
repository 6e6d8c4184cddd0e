/* One run of the swarm: a world with faults and clients, then peace, then the checks. */
#pragma once
#include "plan.h"

struct run_result {
    char failure[2048]; /* empty: all is well; "I4: ..." */
    uint64_t trace_hash, virtual_us, events;
    struct world_counts counts;
    struct workload_counts clients;
};
/* `trace` may be NULL. */
void run_seed(uint64_t seed, uint32_t planted_bug, FILE *trace, struct run_result *ret);
/* 0: no such bug. Letters of either case. */
uint32_t bug_by_name(const char *name);
