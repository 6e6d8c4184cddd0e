/* A cluster on this machine: its directory with cluster.json, one directory for each node, and what was ordered to its links. */
#pragma once
#include "../schemas/cluster.h"

#define LOCAL_DIR_DEFAULT "./truce-cluster"
#define LOCAL_NODES_MAX   99 /* so that client and peer ports do not meet */

struct local {
    char *dir; /* absolute */
    struct cluster *cluster;
    int lock; /* descriptor, -1: not locked */
};
void local_finish(struct local *l);

/* What `up` makes a new cluster of. */
struct local_plan {
    char dcs[DCS_MAX][NAME_LEN_MAX + 1];
    uint32_t dcs_count, nodes; /* nodes of each DC */
    uint16_t port_base;
    bool fsync;
    uint64_t memory_mb;
};
/* "us,eu,ap" into the plan; false: *why says what is wrong. */
bool local_plan_dcs(struct local_plan *p, const char *text, struct buf *why);
/* Writes dir/cluster.json; the directory is made at need. False: *why. */
bool local_write(const char *dir, const struct local_plan *p, struct buf *why);
bool local_exists(const char *dir);

/* Reads dir/cluster.json. False: *why, with the place in the file. */
bool local_open(struct local *ret, const char *dir, struct buf *why);
/* Keeps other changing commands out until local_finish(); waits for them. */
bool local_lock(struct local *l, struct buf *why);

/* dir/name; dir/node/name, without a name dir/node; the caller frees. */
char *local_path(const struct local *l, const char *name);
char *local_node_path(const struct local *l, uint32_t node, const char *name);
const char *node_name(const struct local *l, uint32_t node);
