/* What was ordered to the links and clocks of a local cluster: kept in D/faults.json and told to the nodes, in whose processes the faults live. */
#pragma once
#include "../topology/sides.h"
#include "local.h"

#include <jansson.h>

/* One direction between two nodes. */
struct link_fault {
    bool cut;
    bool clogged; /* what is sent is held, and comes when this is lifted */
    uint32_t latency_ms, jitter_ms, loss_permille;
    uint64_t rate_bytes_per_s; /* 0: no limit */
};

/* The clock of a node. */
struct clock_fault {
    int64_t offset_ms;
    int32_t drift_ppm;
    bool frozen;
};

struct faults {
    uint32_t nodes_count;
    struct clock_fault *clocks; /* by node */
    bool *clocks_changed;
    struct link_fault *links; /* [from * nodes_count + to] */
    bool *changed;            /* node is to be told about peer: [node * nodes_count + peer] */
};
void faults_finish(struct faults *f);
/* Reads D/faults.json; without one nothing is ordered. False: *why. */
bool faults_load(const struct local *l, struct faults *ret, struct buf *why);
bool faults_save(const struct local *l, const struct faults *f, struct buf *why);
bool link_fault_none(const struct link_fault *f);
const struct link_fault *faults_of(const struct faults *f, uint32_t from, uint32_t to);
/* What is ordered, as in the file. The caller owns it. */
json_t *faults_json(const struct local *l, const struct faults *f);
/* True: something is ordered between the two, in one direction or both. */
bool faults_between(const struct faults *f, uint32_t a, uint32_t b);

/* Order the same for every link between the sides; each marks what it changed for faults_tell(). */
void faults_cut(struct faults *f, const struct sides *s);
void faults_clog(struct faults *f, const struct sides *s);
void faults_slow(struct faults *f, const struct sides *s, const struct link_fault *how);
void faults_heal(struct faults *f, const struct sides *s);
void faults_heal_all(struct faults *f);
void faults_skew(struct faults *f, uint32_t node, const struct clock_fault *how);
bool clock_fault_none(const struct clock_fault *c);
/* The TRUCE.FAULT order for it, without these words. Appends. */
void clock_fault_order(const struct clock_fault *c, struct buf *out);
/* Marks all that is ordered to this node's links, for a process that has just started. */
void faults_mark_node(struct faults *f, uint32_t node);
/* Marks every link of this node, faulty or not, for a process that may have missed orders. */
void faults_mark_all(struct faults *f, uint32_t node);
/* True: something is marked for the node. */
bool faults_marked(const struct faults *f, uint32_t node);
/* Tells the node what is marked for it. False: *why. */
bool faults_tell(const struct local *l, const struct faults *f, uint32_t node, struct buf *why);
/* "cut", "80 ms ± 5 ms, 1% lost, 125000 bytes/s". Appends. */
void link_fault_describe(const struct link_fault *f, struct buf *out);
