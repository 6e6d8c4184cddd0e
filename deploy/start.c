#include "start.h"
#include "client.h"
#include "faults.h"
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READY_TIMEOUT_MS 120000 /* recovery replays the log */
#define POLL_MS          20
#define PORT_TIMEOUT_MS  1000
#define LINKS_TIMEOUT_MS 5000

static uint64_t mono_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool answers(const struct cluster *c, uint32_t node, struct buf *why) {
    json_t *status = node_status(c, node, why);
    json_decref(status);
    return status != NULL;
}

/* Asks again and again; ends early when the child has ended. */
static int await(struct run *r, uint32_t node, pid_t child, bool (*ready)(const struct cluster *c, uint32_t node, struct buf *why),
                 const char *what) {
    uint64_t deadline_ms = mono_ms() + READY_TIMEOUT_MS;
    struct buf why = {0};
    bool ok = false, ended = false;
    while (!ended && !(ok = ready(r->local.cluster, node, &why)) && mono_ms() < deadline_ms) {
        buf_clear(&why);
        ended = child != 0 && process_ended(&r->local, node, child, &why);
        if (!ended) nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    if (ok && child != 0 && process_ended(&r->local, node, child, &why)) ok = false, ended = true; /* somebody else answered at its port */
    if (!ok && ended) fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    if (!ok && !ended) fail(r, EXIT_FAILED, "%s %s: %.*s", node_name(&r->local, node), what, (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return ok ? 0 : EXIT_FAILED;
}

static bool listens(const struct cluster_node *n) {
    redisContext *rc = redisConnectWithTimeout(n->client_host, n->client_port, (struct timeval){.tv_sec = 1});
    bool there = rc != NULL && rc->err == 0;
    if (rc != NULL) redisFree(rc);
    return there;
}

/* Nobody listens where the node is going to; else its port would answer for it. One that is just ending is given time. */
static bool port_free(const struct cluster *c, uint32_t node, struct buf *why) {
    const struct cluster_node *n = &c->nodes[node];
    uint64_t deadline_ms = mono_ms() + PORT_TIMEOUT_MS;
    while (listens(n)) {
        if (mono_ms() > deadline_ms) {
            buf_printf(why, "%s: another process listens on %s:%u already", n->name, n->client_host, n->client_port);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return true;
}

/* Its clock is wrong from the first moment; of its links it is told when it answers. */
static pid_t start_one(const struct local *l, const struct faults *f, uint32_t node, const char *program, struct buf *why) {
    struct buf order = {0};
    if (!clock_fault_none(&f->clocks[node])) clock_fault_order(&f->clocks[node], &order);
    buf_u8(&order, 0);
    pid_t pid = process_start(l, node, program, &(struct process_setting){.faults = (const char *)order.p}, why);
    buf_finish(&order);
    return pid;
}

static int spawn(struct run *r, const struct faults *f, const bool chosen[static NODES_MAX], pid_t children[static NODES_MAX]) {
    struct buf why = {0};
    char *program = process_find_program(&why);
    bool ok = program != NULL, missing[NODES_MAX] = {0};
    for (uint32_t i = 0; ok && i < r->local.cluster->nodes_count; i++) {
        missing[i] = chosen[i] && process_of(&r->local, i).pid == 0;
        if (missing[i]) ok = port_free(r->local.cluster, i, &why);
    }
    for (uint32_t i = 0; ok && i < r->local.cluster->nodes_count; i++)
        if (missing[i]) ok = (children[i] = start_one(&r->local, f, i, program, &why)) != 0;
    if (!ok) fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    free(program);
    return ok ? 0 : EXIT_FAILED;
}

static int tell(struct run *r, struct faults *f, uint32_t node) {
    faults_mark_node(f, node);
    struct buf why = {0};
    bool ok = !faults_marked(f, node) || faults_tell(&r->local, f, node, &why);
    if (!ok) fail(r, EXIT_FAILED, "%s was not told what is ordered to its links: %.*s", node_name(&r->local, node), (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return ok ? 0 : EXIT_FAILED;
}

/* Whether a write given to the node must come through: it leads its DC, or nothing is ordered between it and the others of its DC, which all run. */
static bool must_take_writes(const struct local *l, const struct faults *f, uint32_t node) {
    uint32_t dc = l->cluster->nodes[node].dc;
    if (node == cluster_first(l->cluster, dc)) return true;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        if (!cluster_member_of(l->cluster, i, dc)) continue;
        struct process p = process_of(l, i);
        if (i != node && (p.pid == 0 || p.paused || faults_between(f, node, i))) return false;
    }
    return true;
}

/* Whether the node has a connection to every other one that runs, where nothing is ordered between them. */
static bool linked(const struct local *l, const struct faults *f, uint32_t node) {
    struct buf ignored = {0};
    json_t *status = node_status(l->cluster, node, &ignored), *peer;
    size_t i;
    bool all = true;
    json_array_foreach(json_object_get(status, "peers"), i, peer) {
        const char *name = json_string_value(json_object_get(peer, "node"));
        int other = name ? cluster_find(l->cluster, slice_text(name)) : -1;
        if (other < 0 || faults_between(f, node, (uint32_t)other) || json_is_true(json_object_get(peer, "connected"))) continue;
        struct process p = process_of(l, (uint32_t)other);
        if (p.pid != 0 && !p.paused) all = false;
    }
    buf_finish(&ignored);
    json_decref(status);
    return all;
}

/* Gives the links time to come up, so that nobody meets them half-way. That they do not is for status to tell, not a failure to start. */
static void await_links(const struct local *l, const struct faults *f) {
    uint64_t deadline_ms = mono_ms() + LINKS_TIMEOUT_MS;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct process p = process_of(l, i);
        while (p.pid != 0 && !p.paused && !linked(l, f, i) && mono_ms() < deadline_ms)
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

int start_nodes(struct run *r, const bool chosen[static NODES_MAX]) {
    pid_t children[NODES_MAX] = {0};
    struct faults faults = {0};
    struct buf why = {0};
    int code = 0;
    if (!faults_load(&r->local, &faults, &why)) code = fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (code == 0) code = spawn(r, &faults, chosen, children);
    for (uint32_t i = 0; code == 0 && i < r->local.cluster->nodes_count; i++) {
        if (children[i] == 0) continue;
        code = await(r, i, children[i], answers, "does not answer");
        if (code == 0) code = tell(r, &faults, i);
    }
    for (uint32_t i = 0; code == 0 && i < r->local.cluster->nodes_count; i++) {
        struct process p = process_of(&r->local, i);
        if (p.pid != 0 && !p.paused && must_take_writes(&r->local, &faults, i)) code = await(r, i, children[i], node_takes_writes, "takes no writes");
    }
    if (code == 0) await_links(&r->local, &faults);
    faults_finish(&faults);
    return code;
}

int chosen_nodes(struct run *r, bool star_allowed, bool ret[static NODES_MAX]) {
    const struct cluster *c = r->local.cluster;
    if (r->args.words_count == 0) return fail(r, EXIT_USAGE, "%s which node? (truce help %s)", r->args.verb, r->args.verb);
    for (int w = 0; w < r->args.words_count; w++) {
        const char *name = r->args.words[w];
        int node = cluster_find(c, slice_text(name));
        if (node >= 0)
            ret[node] = true;
        else if (star_allowed && strcmp(name, "*") == 0)
            for (uint32_t i = 0; i < c->nodes_count; i++) ret[i] = true;
        else
            return fail(r, EXIT_USAGE, "there is no node %s in %s/cluster.json", name, r->local.dir);
    }
    return 0;
}
