/* Worlds whose members change while links are cut and nodes killed: in the end all that take part agree, nothing that was acknowledged at majority is
 * gone, everything becomes stable, and no run was fenced. And the bug that can be planted is found.
 *
 *   members [--seeds A..B [tell]] */
#include "../../dc-node/core/prng.h"
#include "../../dc-node/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS(n)      ((uint64_t)(n)*1000)
#define SECONDS(n) MS((n)*1000)
#define FAULTS_END SECONDS(25)
#define WRITES_MAX 4096
#define BUG_SEEDS  200

/* us-1..5, eu-1..3, ap-1..2: of these the first of us and eu are there from the start. */
#define SHAPE_DCS 3
static const struct {
    const char *name;
    uint32_t nodes, at_first;
} shape[SHAPE_DCS] = {{"ap", 2, 0}, {"eu", 3, 2}, {"us", 5, 3}};

struct trial {
    struct cluster *cluster;
    struct world *w;
    struct prng prng;
    uint32_t clients[NODES_MAX];
    struct write {
        struct trial *t;
        bool acknowledged;
    } writes[WRITES_MAX];
    uint32_t writes_count, changes, changes_done;
    struct order {
        struct trial *t;
        uint32_t starts; /* NODES_MAX: nobody */
    } orders[WRITES_MAX];
    char failure[300];
    bool forced[NODES_MAX]; /* it was to be removed by force: whoever orders that has ended it */
};

static void failed(struct trial *t, const char *what, const char *detail) {
    if (!t->failure[0]) snprintf(t->failure, sizeof t->failure, "%s%s%s", what, detail[0] ? ": " : "", detail);
}

/* ---- the world ---- */

static void fill_cluster(struct cluster *c) {
    snprintf(c->name, sizeof c->name, "members");
    c->fsync = true;
    c->clock_bound_ms = 500;
    c->memory_bytes_max = 4 << 20;
    c->log_bytes_max = 1 << 30;
    c->clients_max = 1000;
    c->siblings_max = 64;
    c->ack.level = ACK_MAJORITY;
    c->journal_ms = UINT64_C(30) * 86400 * 1000;
    c->journal_entries_max = 1000000;
    snprintf(c->rest.name, sizeof c->rest.name, "*");
    c->rest.policy = POLICY_LWW;
    c->dcs_count = SHAPE_DCS;
    for (uint32_t d = 0; d < SHAPE_DCS; d++) {
        snprintf(c->dcs[d].name, sizeof c->dcs[d].name, "%s", shape[d].name);
        c->dcs[d].nodes_count = shape[d].at_first;
        for (uint32_t i = 0; i < shape[d].nodes; i++) {
            struct cluster_node *n = &c->nodes[c->nodes_count++];
            *n = (struct cluster_node){
                .dc = d, .node = (uint16_t)(i + 1), .client_port = (uint16_t)(100 * d + i + 1), .peer_port = (uint16_t)(1000 + 100 * d + i)};
            n->standing = i < shape[d].at_first ? STANDING_MEMBER : STANDING_ABSENT;
            snprintf(n->name, sizeof n->name, "%s-%u", shape[d].name, i + 1);
            snprintf(n->client_host, sizeof n->client_host, "h");
            snprintf(n->peer_host, sizeof n->peer_host, "h");
        }
    }
}

static void on_broken(void *arg, uint32_t node, const char *why) {
    struct trial *t = arg;
    char text[250];
    snprintf(text, sizeof text, "%s: %.150s", t->cluster->nodes[node].name, why);
    failed(t, "a node stopped", text);
}

/* A node that runs, is no newcomer that nobody knows, and is in that DC; any for SHAPE_DCS. NODES_MAX: there is none. */
static uint32_t draw_node(struct trial *t, uint32_t dc, bool alive) {
    uint32_t found[NODES_MAX], n = 0;
    for (uint32_t i = 0; i < t->cluster->nodes_count; i++)
        if ((dc == SHAPE_DCS || t->cluster->nodes[i].dc == dc) && world_run_of(t->w, i) > 0 && world_alive(t->w, i) == alive &&
            world_takes_part(t->w, i))
            found[n++] = i;
    return n ? found[prng_below(&t->prng, n)] : NODES_MAX;
}

/* ---- what happens ---- */

static void on_write(void *arg, const struct reply_info *info) {
    struct write *w = arg;
    if (info->reply.n && info->reply.p[0] == '+') w->acknowledged = true;
}

static void write_something(struct trial *t) {
    char command[100];
    uint32_t node = draw_node(t, SHAPE_DCS, true);
    if (node == NODES_MAX || t->writes_count == WRITES_MAX) return;
    if (prng_below(&t->prng, 3) == 0) {
        snprintf(command, sizeof command, prng_below(&t->prng, 2) ? "DEL s%u" : "SET s%u x%u", (unsigned)prng_below(&t->prng, 10), t->writes_count);
        world_do(t->w, t->clients[node], command, NULL);
        return;
    }
    struct write *w = &t->writes[t->writes_count];
    w->t = t;
    snprintf(command, sizeof command, "SET u%u v", t->writes_count++);
    world_do(t->w, t->clients[node], command, &(struct request_watcher){.done = on_write, .arg = w});
}

static void on_order(void *arg, const struct reply_info *info) {
    struct order *o = arg;
    if (!info->reply.n || info->reply.p[0] != '+') return;
    o->t->changes_done++;
    if (o->starts < NODES_MAX) world_start(o->t->w, o->starts);
}

static void order(struct trial *t, uint32_t at, const char *command, uint32_t starts) {
    if (at == NODES_MAX || t->changes == WRITES_MAX) return;
    struct order *o = &t->orders[t->changes++];
    *o = (struct order){t, starts};
    world_do(t->w, t->clients[at], command, &(struct request_watcher){.done = on_order, .arg = o});
}

static void add_somebody(struct trial *t) {
    uint32_t dc = (uint32_t)prng_below(&t->prng, SHAPE_DCS), at = draw_node(t, dc, true);
    char command[200];
    if (at == NODES_MAX && dc == 0) at = draw_node(t, SHAPE_DCS, true);
    for (uint32_t i = 0; i < t->cluster->nodes_count; i++) {
        const struct cluster_node *n = &t->cluster->nodes[i];
        if (n->dc != dc || world_run_of(t->w, i) > 0 || n->standing != STANDING_ABSENT) continue;
        snprintf(command, sizeof command, "TRUCE.MEMBERS ADD %s h:%u h:%u", n->name, n->client_port, n->peer_port);
        order(t, at, command, i);
        return;
    }
}

/* By force only followers go, dead or alive, of a DC that has a leader: with a leader would go what nobody else has of it yet. */
static bool may_be_forced(struct trial *t, uint32_t node) {
    for (uint32_t i = 0; i < t->cluster->nodes_count; i++) {
        struct engine *e = world_engine(t->w, i);
        if (e && engine_leads(e) && t->cluster->nodes[i].dc == t->cluster->nodes[node].dc) return i != node && engine_leader(e) != node;
    }
    return false;
}

static void remove_somebody(struct trial *t) {
    bool alive = prng_below(&t->prng, 3) != 0;
    uint32_t node = draw_node(t, SHAPE_DCS, alive);
    char command[200];
    if (node == NODES_MAX) return;
    bool force = may_be_forced(t, node) && (!alive || prng_below(&t->prng, 3) == 0);
    uint32_t at = draw_node(t, force && prng_below(&t->prng, 2) ? SHAPE_DCS : t->cluster->nodes[node].dc, true);
    snprintf(command, sizeof command, "TRUCE.MEMBERS REMOVE %s%s", t->cluster->nodes[node].name, force ? " FORCE" : "");
    if (prng_below(&t->prng, 12) == 0)
        snprintf(command, sizeof command, "TRUCE.MEMBERS REMOVE ap");
    else if (force && at != NODES_MAX) {
        t->forced[node] = true;
        if (world_alive(t->w, node)) world_kill(t->w, node, CRASH_PROCESS);
    }
    order(t, at, command, NODES_MAX);
}

/* A node or a DC, from another or from all, in one direction or both. */
static void cut_or_heal(struct trial *t) {
    const struct cluster *c = t->cluster;
    uint32_t a = (uint32_t)prng_below(&t->prng, c->nodes_count), b = (uint32_t)prng_below(&t->prng, c->nodes_count),
             how = (uint32_t)prng_below(&t->prng, 4);
    bool both_ways = prng_below(&t->prng, 3) != 0;
    void (*verb)(struct world *, uint32_t, uint32_t) = prng_below(&t->prng, 2) ? world_cut : world_heal;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        for (uint32_t k = 0; k < c->nodes_count; k++) {
            bool from = how & 1 ? c->nodes[i].dc == c->nodes[a].dc : i == a;
            bool to = how & 2 ? c->nodes[k].dc == c->nodes[b].dc : how & 1 ? c->nodes[k].dc != c->nodes[a].dc : k == b;
            if (i == k || !from || !to || (how == 3 && c->nodes[a].dc == c->nodes[b].dc)) continue;
            verb(t->w, i, k);
            if (both_ways) verb(t->w, k, i);
        }
}

static void kill_or_start(struct trial *t) {
    uint32_t dead = draw_node(t, SHAPE_DCS, false), alive = draw_node(t, SHAPE_DCS, true);
    if (dead != NODES_MAX && !t->forced[dead] && prng_below(&t->prng, 2))
        world_start(t->w, dead);
    else if (alive != NODES_MAX && dead == NODES_MAX)
        world_kill(t->w, alive, prng_below(&t->prng, 2) ? CRASH_PROCESS : CRASH_MACHINE);
}

static void something(struct trial *t) {
    switch (prng_below(&t->prng, 16)) {
    case 0: add_somebody(t); break;
    case 1:
        if (prng_below(&t->prng, 2)) remove_somebody(t);
        break;
    case 2:
    case 3: cut_or_heal(t); break;
    case 4:
        if (prng_below(&t->prng, 2)) kill_or_start(t);
        break;
    default: write_something(t); break;
    }
}

/* ---- the end ---- */

static void calm(struct trial *t) {
    world_heal_all(t->w);
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < t->cluster->nodes_count; i++)
            if (!world_alive(t->w, i) && world_takes_part(t->w, i)) world_start(t->w, i);
        world_run(t->w, world_now_us(t->w) + SECONDS(5));
    }
}

static void check_status(struct trial *t, uint32_t node) {
    struct buf text = {0};
    engine_status(world_engine(t->w, node), &text);
    buf_u8(&text, 0);
    const char *s = (const char *)text.p;
    if (strstr(s, "are not applied")) failed(t, "a run was fenced", t->cluster->nodes[node].name);
    if (strstr(s, "they have diverged")) failed(t, "rows differ", t->cluster->nodes[node].name);
    const char *vv = strstr(s, "\"vv\":"), *stable = strstr(s, "\"stable\":");
    if (!vv || !stable || strncmp(vv + 5, stable + 9, strcspn(vv + 6, "\"") + 2) != 0)
        failed(t, "not everything becomes stable", t->cluster->nodes[node].name);
    buf_finish(&text);
}

struct reading {
    struct trial *t;
    uint32_t write;
};

static void on_read(void *arg, const struct reply_info *info) {
    struct reading *r = arg;
    if (info->reply.n < 2 || info->reply.p[0] != '$' || info->reply.p[1] != '1') {
        char text[40];
        snprintf(text, sizeof text, "u%u", r->write);
        failed(r->t, "an acknowledged write is gone", text);
    }
}

static void check_writes(struct trial *t, uint32_t node) {
    struct reading *readings = xcalloc(t->writes_count + 1, sizeof *readings);
    for (uint32_t i = 0; i < t->writes_count; i++) {
        char command[40];
        readings[i] = (struct reading){t, i};
        if (!t->writes[i].acknowledged) continue;
        snprintf(command, sizeof command, "GET u%u", i);
        world_do(t->w, t->clients[node], command, &(struct request_watcher){.done = on_read, .arg = &readings[i]});
    }
    world_run(t->w, world_now_us(t->w) + SECONDS(5));
    free(readings);
}

static void check_end(struct trial *t) {
    uint32_t first = NODES_MAX;
    if (!world_settle(t->w, SECONDS(60))) failed(t, "the nodes do not agree", "");
    world_run(t->w, world_now_us(t->w) + SECONDS(5));
    for (uint32_t i = 0; i < t->cluster->nodes_count && !t->failure[0]; i++) {
        if (!world_takes_part(t->w, i)) continue;
        if (first == NODES_MAX) first = i;
        if (engine_digest(world_engine(t->w, i)) != engine_digest(world_engine(t->w, first))) failed(t, "rows differ", t->cluster->nodes[i].name);
        check_status(t, i);
    }
    if (!t->failure[0]) check_writes(t, first);
}

/* ---- runs ---- */

static struct trial *run(uint64_t seed, uint32_t bug, bool trace) {
    struct trial *t = xcalloc(1, sizeof *t);
    t->cluster = xcalloc(1, sizeof *t->cluster);
    fill_cluster(t->cluster);
    prng_seed(&t->prng, seed);
    struct world_options o = world_calm(t->cluster, seed);
    o.planted_bug = bug;
    o.client_timeout_us = SECONDS(3);
    t->w = world_create(&o, &(struct world_watcher){.arg = t, .broken = on_broken});
    if (trace) world_trace_to(t->w, stdout);
    for (uint32_t i = 0; i < t->cluster->nodes_count; i++) {
        t->clients[i] = world_client(t->w, i);
        if (t->cluster->nodes[i].standing != STANDING_ABSENT) world_start(t->w, i);
        for (uint32_t k = 0; k < t->cluster->nodes_count; k++)
            if (i != k)
                world_slow(t->w, i, k,
                           &(struct link_options){.latency_us = t->cluster->nodes[i].dc == t->cluster->nodes[k].dc ? 500 : 20000, .jitter_us = 2000});
    }
    world_run(t->w, SECONDS(1));
    while (world_now_us(t->w) < FAULTS_END && !t->failure[0]) {
        something(t);
        world_run(t->w, world_now_us(t->w) + MS(prng_below(&t->prng, 80)));
    }
    if (!t->failure[0]) calm(t);
    if (!t->failure[0]) check_end(t);
    return t;
}

static void tell(struct trial *t) {
    for (uint32_t i = 0; i < t->cluster->nodes_count; i++) {
        struct buf text = {0};
        if (!world_alive(t->w, i)) continue;
        for (uint32_t k = 0; k < t->cluster->nodes_count; k++)
            buf_printf(&text, "%s %s, ", t->cluster->nodes[k].name, standing_name(engine_cluster(world_engine(t->w, i))->nodes[k].standing));
        engine_status(world_engine(t->w, i), &text);
        printf("%.*s\n", (int)text.n, (const char *)text.p);
        buf_finish(&text);
    }
}

static void finish(struct trial *t) {
    world_destroy(t->w);
    cluster_finish(t->cluster);
    free(t->cluster);
    free(t);
}

static bool hunt(const char *name, uint32_t bug) {
    for (uint64_t seed = 1; seed <= BUG_SEEDS; seed++) {
        struct trial *t = run(seed, bug, false);
        bool found = t->failure[0] != 0;
        if (found) printf("%s found with seed %llu: %s\n", name, (unsigned long long)seed, t->failure);
        finish(t);
        if (found) return true;
    }
    printf("%s NOT FOUND in %d seeds\n", name, BUG_SEEDS);
    return false;
}

int main(int argc, char **argv) {
    unsigned long long from = 1, to = 60;
    unsigned passed = 0, bad = 0, changes = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 && strcmp(argv[1], "--seeds") == 0) sscanf(argv[2], "%llu..%llu", &from, &to);
    for (uint64_t seed = from; seed <= to; seed++) {
        struct trial *t = run(seed, 0, argc > 3);
        if (t->failure[0]) printf("seed %llu: %s\n", (unsigned long long)seed, t->failure);
        if (t->failure[0] && argc > 3) tell(t);
        *(t->failure[0] ? &bad : &passed) += 1;
        changes += t->changes_done;
        finish(t);
    }
    printf("%u changes of members were made\n", changes);
    if (argc == 1) {
#define X(bug, number, doc) *(hunt(#bug, BUG_##bug) ? &passed : &bad) += 1;
        MEMBER_BUGS(X)
#undef X
    }
    printf("%u passed, %u failed\n", passed, bad);
    return bad > 0 || passed == 0;
}
