/* Rules: the definitions that decide, as they stand at one node: tables, DC priorities, clock marks (DESIGN, section 6).
 *
 * They begin with the cluster file, and change by rows of the reserved table `truce`, which replicate like any other and are read by (stamp, origin):
 *   truce:table:NAME   hash: conflict (as the cluster file says it), settings (JSON, of handlers), handlers ("name=hash" with spaces between),
 *                      barrier ("1": its keys refuse writes until this definition is stable)
 *   truce:dc:NAME      hash: priority
 *   truce:mark:ORIGIN  hash: "FROM-TO" = reason: numbers of this origin that were stamped by a clock that was off
 *   truce:node:NAME    hash: standing, client, peer, by: of no concern here (dc-node/core/engine_members.c)
 * A row that is deleted or malformed counts as absent: the cluster file's definition holds again. */
#pragma once
#include "../schemas/cluster.h"
#include "../schemas/vv.h"

#define RULES_PREFIX       "truce:"
#define RULES_TABLE_PREFIX "truce:table:"
#define RULES_DC_PREFIX    "truce:dc:"
#define RULES_MARK_PREFIX  "truce:mark:"
#define RULES_NODE_PREFIX  "truce:node:"

struct rules;

struct table_rule {
    char name[NAME_LEN_MAX + 1]; /* "*": all others */
    enum policy policy;
    struct handler_chain chain;                 /* POLICY_HANDLER */
    char *settings;                             /* JSON text for handlers, "{}" */
    uint64_t handlers_hash[HANDLERS_CHAIN_MAX]; /* what the definition says of each of the chain; 0: nothing, whatever is installed counts */
    struct dot *barrier;                        /* the versions of its definition that ask for a barrier: those that say so; all where two or more
                                                   do not know of each other, or where the row no longer counts */
    uint32_t barrier_count;
    bool gone; /* not declared any more: as table `*`, behind what is left of its definition and behind the barrier of `*` */
    uint32_t barrier_own;
    uint64_t text_hash; /* of policy, chain, hashes and settings: part of what names a handler's inputs */
};
static inline bool table_merges(const struct table_rule *t) { return t->policy == POLICY_MERGE; }
/* Bases are kept for people and for handlers. */
static inline bool table_keeps_below(const struct table_rule *t) { return t->policy == POLICY_RECORD || t->policy == POLICY_HANDLER; }

struct rules *rules_create(const struct cluster *c); /* c outlives it */
void rules_destroy(struct rules *r);
/* The rule of a key's table. Keys of the table `truce` are whole rows, `lww`. Valid until rules_define(). */
const struct table_rule *rules_of(const struct rules *r, struct slice key);
const struct table_rule *rules_table(const struct rules *r, struct slice name); /* also "*" and "truce"; NULL: not declared */
uint32_t rules_tables_count(const struct rules *r);                             /* `truce` apart */
const struct table_rule *rules_table_at(const struct rules *r, uint32_t i);     /* in order of name, `*` first */
int32_t rules_priority(const struct rules *r, const struct origin *o);
bool rules_marked(const struct rules *r, struct dot d);
bool rules_any_mark(const struct rules *r);

/* A row of the table `truce` has changed: its content as readers see it (n == 0: absent), and the dots of its live versions. False: the key is none
 * of these; true, and *why: the row is malformed and does not count (why is empty where all is well). */
bool rules_define(struct rules *r, struct slice key, struct slice content, const struct dot *live, uint32_t live_count, struct origins *t,
                  struct buf *why);
/* Is this key's table behind a barrier: is a definition that asks for one not stable? */
bool rules_barrier(const struct table_rule *t, const struct vv *stable);
/* Does giving table `name` this policy need a barrier: is it new, or does its rows' form change? (A definition that replaces one whose barrier still
 * stands, rules_barrier(), has to ask for one as well: the earlier version is no longer there to do it.) */
bool rules_needs_barrier(const struct rules *r, struct slice name, enum policy p);
