/* The cluster file: which datacenters and nodes there are, what tables do, and the limits (schemas/cluster.schema.json). */
#pragma once
#include "origin.h"

#define DCS_MAX    32
#define NODES_MAX  128
#define TABLES_MAX 1024

#define POLICIES(X) X(LWW, "lww", "the version of greatest (stamp, origin) is read")
enum policy {
#define X(name, text, doc) POLICY_##name,
    POLICIES(X)
#undef X
};
const char *policy_name(enum policy p);

struct cluster_node {
    uint32_t dc;   /* index into dcs */
    uint16_t node; /* its number within the DC */
    char name[NAME_LEN_MAX + 8];
    char client_host[256], peer_host[256]; /* numeric address or name; IPv6 without its brackets */
    uint16_t client_port, peer_port;
};

struct cluster_dc {
    char name[NAME_LEN_MAX + 1];
    int32_t priority;
    uint32_t first_node, nodes_count; /* into nodes, ascending by number */
};

struct cluster_table {
    char name[NAME_LEN_MAX + 1];
    enum policy policy;
};

#define CLOCK_BOUND_MS_MAX (60u * 60 * 1000)
#define MEMORY_MB_MIN      16u
#define MEMORY_MB_MAX      (1024u * 1024)
#define LOG_BUDGET_MB_MAX  (64u * 1024 * 1024)
#define CLIENTS_MAX        1000000u
#define SIBLINGS_MAX       1024u /* a row of so many, each of 1 MiB, has a size of 32 bits */

struct cluster {
    char name[NAME_LEN_MAX + 1];
    char password[256];        /* of clients; empty: none wanted */
    char secret[256];          /* between nodes; empty: none wanted */
    bool fsync;                /* default true */
    uint64_t clock_bound_ms;   /* default 500 */
    uint64_t memory_bytes_max; /* default 256 MiB: rows in memory, queues and buffers together */
    uint64_t log_bytes_max;    /* log budget, default 1 GiB */
    uint32_t clients_max;      /* default 10,000 */
    uint32_t siblings_max;     /* per row, default 64 */
    uint32_t dcs_count, nodes_count, tables_count;
    struct cluster_dc dcs[DCS_MAX]; /* in order of name */
    struct cluster_node nodes[NODES_MAX];
    enum policy policy;                      /* of table `*`: default lww */
    struct cluster_table tables[TABLES_MAX]; /* the others, in order of name */
};

/* Fill *ret from a file, or from text (`name` stands for the file in messages). False: *why holds one line such as
 *   cluster.json: datacenters.us.nodes.1.client: expected "host:port", got 7001
 *   cluster.json:12:3: '}' expected near end of file
 * Unknown and duplicate keys, and values out of range, are errors. */
bool cluster_load(const char *path, struct cluster *ret, struct buf *why);
bool cluster_parse(const char *name, struct slice json, struct cluster *ret, struct buf *why);

/* Index of a node by name ("us-1"), or by DC and number; -1: none. */
int cluster_find(const struct cluster *c, struct slice node_name);
int cluster_find_node(const struct cluster *c, struct slice dc, uint16_t node);
int cluster_find_dc(const struct cluster *c, struct slice dc);
/* The table that a key belongs to: the part before the first ':' where that name is declared, else NULL (table `*`). */
const struct cluster_table *cluster_table_of(const struct cluster *c, struct slice key);
