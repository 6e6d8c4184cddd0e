/* The processes of the live stage. */
#include "../topology/ways.h"
#include "live_parts.h"
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_TIMEOUT_US (60u * 1000000) /* a recovery replays the log */
#define GONE_TIMEOUT_MS  20000
#define STOP_TIMEOUT_US  1000000u
#define POLL_US          5000u

static void pause_us(uint64_t us) { nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL); }

static void forget(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (n->process > 0) close(n->process);
    n->process = 0;
    n->pid = 0;
    n->paused = n->answered = false;
    buf_clear(&n->orders);
    live_line_drop(l, node);
    live_forget_status(l, node);
}

/* "us-1 ended: why", without the name. */
static void note_end(struct live *l, uint32_t node, const struct buf *why) {
    size_t name = strlen(node_name(&l->local, node)) + 1;
    if (why->n > name) live_note(l, MOMENT_NODE, node, "%.*s", (int)(why->n - name), (const char *)why->p + name);
    live_note_role(l, node, ROLE_DOWN);
}

/* It ended by itself: as it has to on a disk that is full or fails, and at no other time. */
static void ended(struct live *l, uint32_t node, struct buf *why) {
    struct live_node *n = &l->nodes[node];
    bool by_disk = n->disk == DISK_FULL || n->disk == DISK_FAILING;
    forget(l, node);
    if (n->disk == DISK_FAILING) n->disk = DISK_OK;
    note_end(l, node, why);
    if (!by_disk) live_fail(l, "%.*s", (int)why->n, (const char *)why->p);
}

static void watch_but(struct live *l, uint32_t node) {
    for (uint32_t i = 0; i < live_nodes(l); i++) {
        struct buf why = {0};
        if (i != node && l->nodes[i].pid && process_ended(&l->local, i, l->nodes[i].pid, &why)) ended(l, i, &why);
        buf_finish(&why);
    }
}

void live_watch(struct live *l) { watch_but(l, NODES_MAX); }

/* ---- starting ---- */
static bool spawn(struct live *l, uint32_t node, struct buf *why) {
    struct live_node *n = &l->nodes[node];
    struct buf faults = {0};
    live_orders_of(l, node, &faults);
    buf_u8(&faults, 0);
    struct process_setting setting = {.faults = (const char *)faults.p, .dies_with_parent = true, .net_space = n->net_space};
    n->pid = process_start(&l->local, node, l->program, &setting, why);
    n->process = n->pid ? pidfd_open(n->pid, 0) : 0;
    buf_finish(&faults);
    return n->pid != 0;
}

static json_t *status_of(struct live *l, uint32_t node) {
    redisReply *reply = live_ask(l, node, 1, (const char *[]){"TRUCE.STATUS"});
    json_t *status = reply && reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
    freeReplyObject(reply);
    return status;
}

static bool answers(struct live *l, uint32_t node) {
    json_t *status = status_of(l, node);
    json_decref(status);
    l->nodes[node].answered = status != NULL;
    return status != NULL;
}

/* False: it ended, *why; or it takes too long, *why; or another one ended that should not, and live_fail() was told. */
static bool await(struct live *l, uint32_t node, bool (*ready)(struct live *l, uint32_t node), uint64_t limit_us, struct buf *why) {
    uint64_t deadline_us = live_mono_us() + limit_us;
    while (!ready(l, node)) {
        if (process_ended(&l->local, node, l->nodes[node].pid, why)) {
            forget(l, node);
            return false;
        }
        watch_but(l, node);
        if (l->base.failure[0]) return false;
        if (live_mono_us() > deadline_us) {
            buf_printf(why, "%s does not answer", node_name(&l->local, node));
            return false;
        }
        pause_us(POLL_US);
    }
    return true;
}

bool live_start(struct live *l, uint32_t node, struct buf *why) {
    struct live_node *n = &l->nodes[node];
    if (n->pid) return true;
    if (!spawn(l, node, why)) return false;
    live_note(l, MOMENT_NODE, node, "started");
    if (!l->begun || await(l, node, answers, READY_TIMEOUT_US, why)) return true;
    if (l->base.failure[0]) return false;
    /* On a full disk no node starts, here as in the simulator. */
    note_end(l, node, why);
    if (n->disk == DISK_FULL) {
        buf_clear(why);
        return true;
    }
    live_fail(l, "%.*s", (int)why->n, (const char *)why->p);
    return false;
}

/* Whether it has a connection to every other one that runs and that it is to have a link with, where nothing is ordered that keeps them apart. */
static bool linked(struct live *l, uint32_t node) {
    json_t *status = status_of(l, node), *peer;
    size_t i;
    bool all = status != NULL;
    json_array_foreach(json_object_get(status, "peers"), i, peer) {
        const char *name = json_string_value(json_object_get(peer, "node"));
        int other = name ? cluster_find(l->local.cluster, slice_text(name)) : -1;
        if (other < 0 || !live_runs(l, (uint32_t)other) || json_is_true(json_object_get(peer, "connected"))) continue;
        if (!ways_linked(l->local.cluster, node, (uint32_t)other)) continue;
        const struct live_link *there = live_link(l, node, (uint32_t)other), *back = live_link(l, (uint32_t)other, node);
        if (!there->cut && !there->clogged && !back->cut && !back->clogged) all = false;
    }
    json_decref(status);
    return all;
}

/* A write that changes nothing and makes no event. */
static bool takes_writes(struct live *l, uint32_t node) {
    redisReply *reply = live_ask(l, node, 2, (const char *[]){"DEL", "truce:probe:of:the:live:stage"});
    bool ok = reply && reply->type == REDIS_REPLY_INTEGER;
    freeReplyObject(reply);
    return ok;
}

static bool has_handlers(struct live *l, uint32_t node) {
    if (l->base.scenario->handlers_count == 0) return true;
    redisReply *reply = live_ask(l, node, 1, (const char *[]){"TRUCE.HANDLERS"});
    bool ok = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= l->base.scenario->handlers_count;
    freeReplyObject(reply);
    return ok;
}

bool live_begin(struct live *l) {
    static bool (*const stages[])(struct live * l, uint32_t node) = {answers, has_handlers, linked, takes_writes};
    struct buf why = {0};
    bool ok = true;
    for (size_t stage = 0; ok && stage < sizeof stages / sizeof stages[0]; stage++) {
        for (uint32_t i = 0; ok && i < live_nodes(l); i++) {
            if (l->nodes[i].pid == 0) continue;
            ok = await(l, i, stages[stage], READY_TIMEOUT_US, &why);
            /* That a link does not come up, or a write through, is for the scenario to find out. */
            if (!ok && l->nodes[i].pid && stage >= 2 && !l->base.failure[0]) ok = true, buf_clear(&why);
        }
    }
    if (!ok) live_fail(l, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    l->start_us = live_mono_us();
    l->begun = ok;
    return ok;
}

/* ---- signals ---- */
void live_kill(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (n->pid == 0) return;
    process_signal(n->process, SIGKILL);
    if (!process_wait_gone(n->process, GONE_TIMEOUT_MS)) live_fail(l, "%s is killed and still there", node_name(&l->local, node));
    waitpid(n->pid, NULL, 0);
    forget(l, node);
}

bool live_pause(struct live *l, uint32_t node, struct buf *why) {
    struct live_node *n = &l->nodes[node];
    uint64_t deadline_us = live_mono_us() + STOP_TIMEOUT_US;
    if (n->pid == 0 || n->paused) return true;
    live_tell_all(l); /* what was ordered before holds while it is stopped */
    if (!process_signal(n->process, SIGSTOP)) {
        buf_printf(why, "%s: %s", node_name(&l->local, node), strerror(errno));
        return false;
    }
    while (!process_of(&l->local, node).paused && live_mono_us() < deadline_us) pause_us(200);
    n->paused = true;
    live_line_drop(l, node);
    return true;
}

void live_resume(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (n->pid == 0 || !n->paused) return;
    process_signal(n->process, SIGCONT);
    n->paused = false;
}

void live_nodes_finish(struct live *l) {
    uint32_t count = l->local.cluster ? live_nodes(l) : 0;
    for (uint32_t i = 0; i < count; i++)
        if (l->nodes[i].pid) process_signal(l->nodes[i].process, SIGKILL);
    for (uint32_t i = 0; i < count; i++) {
        if (l->nodes[i].pid) live_kill(l, i);
        buf_finish(&l->nodes[i].orders);
    }
}
