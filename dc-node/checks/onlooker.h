/* Looks on at a simulated world: keeps its history, and lets the checkers see every step. */
#pragma once
#include "../sim/world.h"
#include "checks.h"

struct onlooker {
    struct history *history;
    struct world *world; /* to be set when it is made */
    FILE *trace;         /* what is made and applied is told there; NULL: nowhere */
    bool applied;        /* something, in this step */
};

/* What a world tells (world_watcher); the first argument is the onlooker. With the first failure the world stops. */
void onlooker_started(void *onlooker, uint32_t node);
void onlooker_stopped(void *onlooker, uint32_t node, enum crash kind);
void onlooker_stepping(void *onlooker, uint32_t node);
void onlooker_applied(void *onlooker, uint32_t node, const struct event *e, bool own);
void onlooker_joining(void *onlooker, uint32_t node, const struct vv *vv);
void onlooker_joined(void *onlooker, uint32_t node);
void onlooker_stepped(void *onlooker, uint32_t node);
void onlooker_committed(void *onlooker, uint32_t node, enum world_commit how);
void onlooker_persisted(void *onlooker, uint32_t node, const struct commit *c);
void onlooker_sends(void *onlooker, uint32_t node, uint32_t peer, struct slice frame);
void onlooker_broken(void *onlooker, uint32_t node, const char *why);
void onlooker_backed_up(void *onlooker, uint32_t node, uint32_t backup);
void onlooker_replaced(void *onlooker, uint32_t node, uint32_t backup);
struct world_watcher onlooker_watcher(struct onlooker *l);

/* At rest, all nodes running with one VV: journals and episodes, what became of every version, and handlers. */
void onlooker_check_rest(struct onlooker *l, bool all_have_handlers);

/* ---- onlooker_print.c: for whoever looks into a failure ---- */
/* Every change that was made, by key, with what it knew. */
void onlooker_print_changes(const struct history *h, FILE *f);
/* Every row as the engine has it and as the oracle has it. The engine is stepped out of its time: nothing can go on from there. */
void onlooker_print_rows(struct onlooker *l, uint32_t node, FILE *f);
void onlooker_print_episode(struct onlooker *l, uint32_t node, const struct episode *ep, const struct origins *t, FILE *f);
