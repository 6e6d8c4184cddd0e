/* Many seeds of one scenario, on all cores. */
#pragma once
#include "replay_child.h"

struct swarm_plan {
    const struct scenario_file *file;
    struct handler_files *handlers;
    uint64_t first, last;
    uint32_t jobs; /* processes; 0: one for each core */
    bool quiet;    /* no progress */
    bool hashes;   /* keep every seed's trace hash */
};
struct swarm {
    uint64_t seeds, length_us; /* played; simulated */
    uint64_t real_us;
    uint64_t by_verdict[VERDICT_INVARIANT + 1];
    struct brief *failures; /* in order of seed */
    uint64_t failures_count;
    uint64_t *hashes; /* by seed, from the first; NULL: not asked for */
    uint64_t hash;    /* over all seeds' traces, in order */
};
/* False: *why. swarm_finish it. Progress goes to stderr: about each second to a terminal, each ten seconds elsewhere. */
bool swarm_run(const struct swarm_plan *p, struct swarm *ret, struct buf *why);
void swarm_finish(struct swarm *s);
/* The same for the same file, seeds and version. Appends. */
void swarm_print(const struct swarm_plan *p, const struct swarm *s, struct buf *out);
json_t *swarm_json(const struct swarm_plan *p, const struct swarm *s);
/* Of all seeds: the worst. */
enum verdict swarm_verdict(const struct swarm *s);
