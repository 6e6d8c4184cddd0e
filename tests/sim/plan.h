/* Everything about one run of the swarm, drawn from its seed. */
#pragma once
#include "workload.h"

struct fault_options {
    bool cuts, one_way, clogs, flapping, kills, power_cuts, pauses, small_skews, wild_clocks, disconnects, store_failures, whole_dc;
    bool tears, full_disks, slow_disks, slow_links, bad_frames, wipes, restores, damages, leaders;
    uint64_t period_us_max; /* between faults */
    uint64_t length_us_max; /* of a fault */
};

struct plan {
    uint64_t seed;
    struct cluster *cluster; /* owned */
    struct world_options world;
    struct workload_options workload;
    struct fault_options faults;
    struct link_options near, far[DCS_MAX][DCS_MAX]; /* within a DC; between two */
    uint64_t faults_us, settle_us;
    bool restart_all; /* at the end, once more from disk */
};

enum worlds {
    WORLDS_ANY,
    WORLDS_ELECTIONS, /* leaders fall all the time; one in four of the others is such a world too */
    WORLDS_LONG_CUTS, /* any, with little log and memory, and cuts that are longer than the log */
};
struct plan plan_draw(enum worlds worlds, uint64_t seed);
/* Without faults: three DCs of three nodes, and clients at each. */
struct plan plan_calm(uint64_t seed, uint64_t length_us);
void plan_finish(struct plan *p);
void plan_print(const struct plan *p, FILE *f);
/* A promise holds when what was acknowledged is on disk: with fsync, or without crashes of machines. */
bool plan_promises(const struct plan *p);
