/* The cluster file: which datacenters and nodes there are, what tables do, and the limits (schemas/cluster.schema.json). */
#pragma once
#include "ack.h"
#include "origin.h"

#define DCS_MAX      32
#define NODES_MAX    128
#define TABLES_MAX   1024
#define HANDLERS_MAX 64

#define POLICIES(X)                                                                                                                                  \
    X(LWW, "lww", "whole rows: the version of greatest (stamp, origin) is read")                                                                     \
    X(PRIORITY, "priority", "whole rows: the version from the datacenter of highest priority, then of greatest (stamp, origin)")                     \
    X(MERGE, "merge", "per column: the last writer; counters add up; sets keep what was added; a delete removes what it had seen")                   \
    X(RECORD, "record", "whole rows: read as `priority`, and the conflict stays open until somebody resolves it")                                    \
    X(HANDLER, "handler", "whole rows: what a handler in C makes of the siblings; until it has answered, read as `record`")
enum policy {
#define X(name, text, doc) POLICY_##name,
    POLICIES(X)
#undef X
};
const char *policy_name(enum policy p);

/* `handler:first,second`: each may pass to the next; the last may be a built-in policy, and is `record` where none is named. */
#define HANDLERS_CHAIN_MAX 8
struct handler_chain {
    uint32_t count;
    char names[HANDLERS_CHAIN_MAX][NAME_LEN_MAX + 1];
};
/* "lww", "handler:longest,lww"...; false: *why says "expected ..." in one line. chain->count is 0 but for POLICY_HANDLER. */
bool policy_parse(struct slice text, enum policy *ret, struct handler_chain *ret_chain, struct buf *why);
void policy_format(enum policy p, const struct handler_chain *chain, struct buf *out);

#define SETTINGS_BYTES_MAX (64u * 1024)
/* The settings that a table gives its handlers, a JSON object: as compact text with sorted keys, to be freed. False: *why as above. */
bool settings_parse(struct slice json, char **ret, struct buf *why);

/* A cluster file's nodes are members. At run time nodes come and go (dc-node/core/engine_members.c): each engine has a copy of the cluster of its
 * own, in which indices stand as long as it runs. */
#define STANDINGS(X)                                                                                                                                 \
    X(MEMBER, "member", "votes, and counts for acknowledgements and for what is stable")                                                             \
    X(JOINING, "joining", "counts for what is stable; has no vote yet")                                                                              \
    X(LEAVING, "leaving", "counts for what is stable; has no vote any more, and originates nothing")                                                 \
    X(REMOVED, "removed", "is refused; what it last reported counts until nothing of it can come any more")                                          \
    X(ABSENT, "absent", "not there yet: its index is kept for it")
enum standing {
#define X(name, text, doc) STANDING_##name,
    STANDINGS(X)
#undef X
};
const char *standing_name(enum standing s);

struct cluster_node {
    uint32_t dc;   /* index into dcs */
    uint16_t node; /* its number within the DC */
    enum standing standing;
    char name[NAME_LEN_MAX + 8];
    char client_host[256], peer_host[256]; /* numeric address or name; IPv6 without its brackets */
    uint16_t client_port, peer_port;
};

struct cluster_dc {
    char name[NAME_LEN_MAX + 1];
    int32_t priority;
    bool leaderless;      /* every node originates */
    uint32_t nodes_count; /* its members; in a cluster file they stand beside each other, ascending by number. At run time they may stand anywhere */
};

#define TABLE_RESERVED "truce" /* definitions that change at run time are its rows (conflict/rules.h) */
struct cluster_table {
    char name[NAME_LEN_MAX + 1];
    enum policy policy;
    struct handler_chain chain;
    struct ack ack; /* default: the cluster's */
    char *settings; /* JSON text, compact, keys sorted: what handlers get; NULL: none were given */
};

/* Which datacenters exchange events directly (topology/ways.h). */
#define TOPOLOGIES(X)                                                                                                                                \
    X(ALL, "all", "each datacenter takes each other's events from it; around a cut, from one that has them")                                         \
    X(RING, "ring", "in order of name: each takes all events from the one before it and the one behind it")                                          \
    X(STAR, "star", "all take all events from one, the hub, and it takes all from them")
enum topology {
#define X(name, text, doc) TOPOLOGY_##name,
    TOPOLOGIES(X)
#undef X
};
const char *topology_name(enum topology t);

/* Where the keys that begin so are written: in one datacenter, so that nobody elsewhere writes them at the same time (DESIGN, section 8). */
#define HOMES_MAX             256
#define HOME_PREFIX_BYTES_MAX 255
struct cluster_home {
    char prefix[HOME_PREFIX_BYTES_MAX + 1]; /* of a table: its name and the colon */
    uint32_t dc;
    bool writes_when_cut; /* while the home is cut away, writes are made where they come in; else they are refused */
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
    struct ack ack;            /* default majority */
    bool tables_ack;           /* a table has one of its own */
    bool minority_writes;      /* default false */
    uint64_t clock_bound_ms;   /* default 500 */
    uint64_t memory_bytes_max; /* default 256 MiB: rows in memory, queues and buffers together */
    uint64_t log_bytes_max;    /* log budget, default 1 GiB */
    uint32_t clients_max;      /* default 10,000 */
    uint32_t siblings_max;     /* per row, default 64 */
    uint32_t dcs_count, nodes_count, tables_count;
    struct cluster_dc dcs[DCS_MAX]; /* in order of name; what is added at run time comes behind */
    struct cluster_node nodes[NODES_MAX];
    struct cluster_table rest;               /* table `*`: default merge */
    struct cluster_table tables[TABLES_MAX]; /* the others, in order of name; `truce` is reserved */
    char handlers_dir[256];                  /* "handlers": {"dir": ...}; empty: `handlers` in the data directory */
    char handlers_forced[HANDLERS_MAX][NAME_LEN_MAX + 1];
    uint32_t handlers_forced_count; /* "forced": run though the admission check refused them */
    uint64_t journal_ms;            /* "journal": {"days": 30, "entries": 1000000}: closed entries are kept so long, and at most so many */
    uint64_t journal_entries_max;
    enum topology topology;               /* "topology": "all", "ring" or {"star": HUB} */
    uint32_t hub;                         /* of a star: index into dcs */
    struct cluster_home homes[HOMES_MAX]; /* "home": longer prefixes first */
    uint32_t homes_count;
    uint64_t definitions_hash; /* of tables, and of priorities other than 0: nodes of one cluster must agree */
};

#define JOURNAL_DAYS_MAX    36500u
#define JOURNAL_ENTRIES_MAX 1000000000u

/* Fill *ret from a file, or from text (`name` stands for the file in messages); cluster_finish it. False: *why holds one line such as
 *   cluster.json: datacenters.us.nodes.1.client: expected "host:port", got 7001
 *   cluster.json:12:3: '}' expected near end of file
 * Unknown and duplicate keys, and values out of range, are errors. */
bool cluster_load(const char *path, struct cluster *ret, struct buf *why);
bool cluster_parse(const char *name, struct slice json, struct cluster *ret, struct buf *why);
void cluster_finish(struct cluster *c); /* frees what it points to; c is empty */

/* "host:port", an IPv6 address in brackets. False: it is none, and nothing is set. */
bool endpoint_parse(struct slice text, char ret_host[static 256], uint16_t *ret_port);
void endpoint_format(const char *host, uint16_t port, struct buf *out);

/* Index of a node by name ("us-1"), or by DC and number; -1: none. */
int cluster_find(const struct cluster *c, struct slice node_name);
int cluster_find_node(const struct cluster *c, struct slice dc, uint16_t node);
int cluster_find_dc(const struct cluster *c, struct slice dc);
/* What a write to that key waits for, by its table or else the cluster. */
const struct ack *cluster_ack_of(const struct cluster *c, struct slice key);
static inline bool cluster_is_member(const struct cluster *c, uint32_t node) { return c->nodes[node].standing == STANDING_MEMBER; }
static inline bool cluster_member_of(const struct cluster *c, uint32_t node, uint32_t dc) {
    return c->nodes[node].dc == dc && cluster_is_member(c, node);
}
/* The DC's member of the least number; NODES_MAX: it has none. */
uint32_t cluster_first(const struct cluster *c, uint32_t dc);
/* A copy whose nodes and DCs change on their own; what it points to stays the first one's. Not for cluster_finish: free() it. */
struct cluster *cluster_copy(const struct cluster *c);
/* Where a key is written; NULL: everywhere. */
const struct cluster_home *cluster_home_of(const struct cluster *c, struct slice key);
