/* What a write waits for before it is answered, and what a read is worth (DESIGN, section 7). */
#pragma once
#include "bytes.h"
#include <stdbool.h>

#define ACK_LEVELS(X)                                                                                                                                \
    X(DEFAULT, "default", "what its table or the cluster says")                                                                                      \
    X(LEADER, "leader", "it is on the leader's disk")                                                                                                \
    X(ONE, "one", "and on the disk of a follower")                                                                                                   \
    X(MAJORITY, "majority", "on the disks of a majority of the datacenter's nodes, by their word in this term")                                      \
    X(ALL, "all", "on the disks of all its nodes")
enum ack_level {
#define X(name, text, doc) ACK_##name,
    ACK_LEVELS(X)
#undef X
};
const char *ack_level_name(enum ack_level level);

struct ack {
    uint8_t level;       /* enum ack_level */
    uint8_t dcs;         /* and it is on disk in so many other datacenters */
    uint32_t timeout_ms; /* 0: the cluster's */
};
#define ACK_TIMEOUT_MS     5000u
#define ACK_TIMEOUT_MS_MAX 600000u

/* "majority", "leader+dcs:2"; "dcs:2" alone is "majority+dcs:2". False: malformed. Leaves the timeout alone. */
bool ack_parse(struct slice text, struct ack *ret);
void ack_format(const struct ack *a, struct buf *out);

#define READ_LEVELS(X)                                                                                                                               \
    X(LOCAL, "local", "what the node that is asked has applied: causally consistent, and may lag")                                                   \
    X(QUORUM, "quorum", "joined from the rows of a majority of the datacenter's nodes")                                                              \
    X(LINEARIZABLE, "linearizable", "by the leader, once a majority has confirmed all that it shows")
enum read_level {
#define X(name, text, doc) READ_##name,
    READ_LEVELS(X)
#undef X
};
const char *read_level_name(enum read_level level);
bool read_level_parse(struct slice text, enum read_level *ret);
