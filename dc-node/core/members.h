/* What the engine knows of its cluster's members while they come and go (engine_members.c). */
#pragma once
#include "../../schemas/cluster.h"
#include "../../schemas/vv.h"
#include "reply.h"

struct engine;

struct member {
    struct vv row;       /* the versions of its row, which say how it stands; empty: the cluster file does */
    int by_dc;           /* whose leader put it there, and goes on where its own DC has no member; -1: nobody's */
    uint64_t removed_us; /* when that was applied here */
    bool gone;           /* removed, and nothing of it can come any more */
};

/* Who votes in this DC. */
struct voters {
    bool before[NODES_MAX], now[NODES_MAX]; /* before what is in `change`, and after it */
    struct vv change;                       /* versions of rows that changed it, until majorities of both have them */
    uint64_t term, term_from;               /* this run's events up to there were made before this term */
    bool touch;                             /* an event of this term is wanted */
};

void members_create(struct engine *e);
void members_finish(struct engine *e);
bool members_row(struct slice key);    /* is it a node's */
void members_settle(struct engine *e); /* what has changed in this step takes effect */
void members_tick(struct engine *e);
/* May who votes in this DC be changed now? If it may not for want of an event of this term, one is made. */
bool members_may_change(struct engine *e);
void members_advance(struct engine *e); /* engine_members_change.c: a leader brings nodes in, and out */
/* Does its last report count for what is stable? */
bool members_report_counts(const struct engine *e, uint32_t node);
void members_refuse(struct engine *e, struct reply *reply); /* this node was removed */
void members_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg);
