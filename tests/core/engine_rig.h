/* A small simulated cluster for tests of the engine: nodes by name, requests that are answered, cuts by the names of nodes and DCs.
 *
 * Whatever the engine calls fatal fails the test at once. Times are virtual, so nothing here depends on how fast the machine is. */
#pragma once
#include "../../dc-node/sim/world.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS(n) ((uint64_t)(n)*1000000)
#define MS(n)      ((uint64_t)(n)*1000)

struct rig {
    struct cluster cluster;
    struct world *w;
    uint32_t clients[NODES_MAX]; /* one for each node, opened with it */
    struct buf reply;            /* the latest, zero-terminated */
    bool broken_is_fine;
    char broken[600]; /* what a node said last when it stopped by itself */
    unsigned broken_count;
    uint64_t applied[NODES_MAX]; /* events, by node */
};

/* Shape: DCs with their numbers of nodes, and after '|' more keys of the cluster file: "us:2 eu:1 | \"fsync\": false"; "us:3*" is
 * leaderless. All nodes run and are linked.
 * Tables are whole rows by lww where the keys do not say otherwise. */
struct rig *rig_open(const char *shape);
struct rig *rig_open_seeded(const char *shape, uint64_t seed);
/* Where a table has handlers, nodes have the simulated ones (dc-node/sim/handlers.h): but this one. */
struct rig *rig_open_without_handlers(const char *shape, const char *node);
struct rig *rig_open_down(const char *shape, const char *node); /* that node does not run yet */
/* Without these nodes, names with spaces between: rig_join() adds one. */
struct rig *rig_open_absent(const char *shape, uint64_t seed, const char *absent);
/* Adds a node at another one and starts it; a member it becomes later. */
void rig_join(struct rig *r, const char *at, const char *node);
/* "member", "joining"..., as one node has it of another. */
const char *rig_standing(struct rig *r, const char *at, const char *node);
void rig_close(struct rig *r);

uint32_t rig_node(const struct rig *r, const char *name);
struct engine *rig_engine(struct rig *r, const char *node);
void rig_run(struct rig *r, uint64_t us);
/* All VVs become equal within a virtual minute, and so do the digests. */
void rig_settle(struct rig *r);

/* Sends words to a node and runs until the answer: the RESP reply as text, CRLF as spaces, without the last; "(none)" when none came in a virtual
 * minute. */
const char *rig_do(struct rig *r, const char *node, const char *command);
const char *rig_do_as(struct rig *r, uint32_t client, const char *command);
const char *rig_args(struct rig *r, uint32_t client, const struct slice *argv, uint32_t argc);
#define EXPECT(rig, node, command, text)      cr_assert_str_eq(rig_do(rig, node, command), text)
#define EXPECT_AS(rig, client, command, text) cr_assert_str_eq(rig_do_as(rig, client, command), text)
#define EXPECT_LIKE(text, part)                                                                                                                      \
    do {                                                                                                                                             \
        const char *rig_text_ = (text);                                                                                                              \
        cr_assert(strstr(rig_text_, part), "\"%s\" is not in: %.500s", part, rig_text_);                                                             \
    } while (0)
/* Sent, nobody waits for the answer. */
void rig_send(struct rig *r, uint32_t client, const char *command);

/* Both ways between all nodes of a and all of b; each a DC, a node, or "*". */
void rig_cut(struct rig *r, const char *a, const char *b);
void rig_heal(struct rig *r, const char *a, const char *b);
void rig_cut_way(struct rig *r, const char *from, const char *to);
void rig_heal_way(struct rig *r, const char *from, const char *to);
void rig_slow(struct rig *r, const char *a, const char *b, const struct link_options *o);
void rig_restart(struct rig *r, const char *node, enum crash kind);

/* The status of a node; free it with json_decref. */
json_t *rig_status(struct rig *r, const char *node);
const char *rig_peer_text(struct rig *r, const char *node, const char *peer, const char *key); /* copied to r->reply */
char *rig_word(char byte, size_t n);                                                           /* n times that byte; the caller frees it */
