/* Clients of a simulated world that write unique values and check what they read. */
#pragma once
#include "../../dc-node/checks/checks.h"
#include "../../dc-node/sim/world.h"

struct workload_options {
    const struct cluster *cluster;
    uint32_t agents; /* clients, spread over the nodes */
    uint32_t keys;   /* of each kind, at least 4 */
    uint32_t think_us_max;
    uint32_t value_bytes_max;
    bool expiries, contexts, transactions, flush_all;
    bool deletes_often;
    bool linear_mostly;
    bool linear;          /* rows that one DC alone writes, and reads linearizably */
    bool policies_change; /* between policies of whole rows */
    bool forms_change;    /* between those and `merge` too */
};

struct workload;
struct workload *workload_create(struct world *w, struct history *h, uint64_t seed, const struct workload_options *o);
void workload_destroy(struct workload *l); /* NULL is accepted */
void workload_go(struct workload *l);
void workload_stop(struct workload *l); /* what is under way is finished */
/* Reads every row at every node; done when idle. */
void workload_read_all(struct workload *l);
bool workload_idle(const struct workload *l);
/* At rest. `promised`: nothing that was acknowledged may be lost. */
void workload_check(struct workload *l, bool promised);

struct workload_counts {
    uint64_t ok, failed, unknown, reads, verified, too_hard /* rows whose order was not found, nor that there is none */;
};
struct workload_counts workload_counts(const struct workload *l);
