#include "plan.h"

#include <stdlib.h>
#include <string.h>

static uint64_t range(struct prng *p, uint64_t low, uint64_t high) { return low + prng_below(p, high - low + 1); }
static bool one_in(struct prng *p, uint64_t n) { return prng_below(p, n) == 0; }

static void add_dc(struct cluster *c, uint32_t nodes) {
    static const char *const names[] = {"ap", "eu", "sa", "us"};
    uint32_t d = c->dcs_count++;
    struct cluster_dc *dc = &c->dcs[d];
    snprintf(dc->name, sizeof dc->name, "%s", names[d]);
    dc->priority = 10 * (int32_t)(d + 1);
    dc->nodes_count = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        struct cluster_node *n = &c->nodes[c->nodes_count++];
        n->dc = d;
        n->node = (uint16_t)(i + 1);
        snprintf(n->name, sizeof n->name, "%s-%u", names[d], i + 1);
    }
}

static void draw_cluster(struct prng *p, struct cluster *c) {
    snprintf(c->name, sizeof c->name, "swarm");
    c->fsync = !one_in(p, 3);
    c->clock_bound_ms = 500;
    c->memory_bytes_max = one_in(p, 3) ? range(p, 64, 256) << 10 : range(p, 1, 8) << 20;
    c->log_bytes_max = 1 << 30;
    c->ack.level = ACK_MAJORITY;
    c->clients_max = 1000;
    c->siblings_max = 64;
    c->journal_ms = UINT64_C(100) * 365 * 86400000; /* clocks jump by a year */
    c->journal_entries_max = 1000000;
    uint32_t dcs = (uint32_t)range(p, 2, 4);
    for (uint32_t d = 0; d < dcs; d++) add_dc(c, one_in(p, 2) ? 1 : (uint32_t)range(p, 1, 3));
}

/* ---- tables ---- */

static enum policy draw_policy(struct prng *p, struct handler_chain *chain, bool whole_alone) {
    static const char *const handlers[] = {"longest", "union", "recorder",  "pass",  "prefer-base", "slow",
                                           "absent",  "rand",  "viewpoint", "crash", "loop",        "garbage"};
    static const enum policy policies[] = {POLICY_LWW, POLICY_PRIORITY, POLICY_RECORD, POLICY_MERGE};
    uint64_t kind = prng_below(p, whole_alone ? 4 : 6);
    if (kind < 4) return policies[kind];
    chain->count = (uint32_t)range(p, 1, 2);
    for (uint32_t i = 0; i < chain->count; i++)
        snprintf(chain->names[i], sizeof chain->names[i], "%s", handlers[prng_below(p, sizeof handlers / sizeof *handlers)]);
    return POLICY_HANDLER;
}

static int by_table_name(const void *a, const void *b) {
    return strcmp(((const struct cluster_table *)a)->name, ((const struct cluster_table *)b)->name);
}

/* Groups are read as one, and handlers settle rows one by one; counters are compared with what was acknowledged. */
static void draw_tables(struct prng *p, struct cluster *c) {
    static const char *const names[] = {"s", "h", "m", "n", "x", "g", "c"};
    struct handler_chain none = {0};
    snprintf(c->rest.name, sizeof c->rest.name, "*");
    c->rest.policy = one_in(p, 2) ? POLICY_MERGE : draw_policy(p, &none, true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (one_in(p, 2)) continue;
        struct cluster_table *t = &c->tables[c->tables_count++];
        snprintf(t->name, sizeof t->name, "%s", names[i]);
        t->policy = draw_policy(p, &t->chain, i >= 5);
    }
    qsort(c->tables, c->tables_count, sizeof *c->tables, by_table_name);
}

/* ---- links ---- */

static struct link_options draw_link(struct prng *p, uint64_t latency_us, bool bad) {
    struct link_options o = {.latency_us = latency_us, .jitter_us = latency_us / range(p, 2, 20)};
    if (!bad) return o;
    if (one_in(p, 3)) o.jitter_us = latency_us * range(p, 1, 4);
    o.reorder = one_in(p, 2);
    if (one_in(p, 3)) o.loss_ppm = (uint32_t)range(p, 1000, 100000);
    if (one_in(p, 3)) o.repeat_ppm = (uint32_t)range(p, 1000, 100000);
    if (one_in(p, 4)) o.corrupt_ppm = (uint32_t)range(p, 100, 5000);
    if (one_in(p, 4)) o.replay_ppm = (uint32_t)range(p, 1000, 20000);
    if (one_in(p, 6)) o.rate_bytes_s = range(p, 20000, 200000);
    return o;
}

static void draw_links(struct prng *p, struct plan *plan) {
    bool bad = !one_in(p, 3);
    uint64_t near_us = range(p, 50, 1000); /* draws are never two in one expression: their order would be the compiler's */
    bool near_bad = bad && one_in(p, 3);
    plan->near = draw_link(p, near_us, near_bad);
    for (uint32_t a = 0; a < plan->cluster->dcs_count; a++)
        for (uint32_t b = 0; b < plan->cluster->dcs_count; b++) plan->far[a][b] = draw_link(p, range(p, 1000, 80000), bad);
}

static void draw_faults(struct prng *p, struct plan *plan) {
    struct fault_options *f = &plan->faults;
    f->cuts = !one_in(p, 4);
    f->one_way = one_in(p, 2);
    f->clogs = one_in(p, 3);
    f->flapping = one_in(p, 5);
    f->kills = !one_in(p, 4);
    f->power_cuts = one_in(p, 2) && plan->cluster->fsync; /* without fsync only the death of a process promises anything */
    f->pauses = one_in(p, 3);
    f->small_skews = one_in(p, 2);
    f->wild_clocks = one_in(p, 4);
    f->disconnects = one_in(p, 2);
    f->store_failures = one_in(p, 6);
    f->whole_dc = one_in(p, 4);
    f->tears = one_in(p, 3);
    f->full_disks = one_in(p, 4);
    f->slow_disks = one_in(p, 4);
    f->slow_links = one_in(p, 4);
    f->bad_frames = one_in(p, 4);
    f->wipes = one_in(p, 4);
    f->restores = one_in(p, 4);
    f->damages = one_in(p, 5);
    f->leaders = !one_in(p, 3);
    f->period_us_max = range(p, 300000, 2500000);
    f->length_us_max = range(p, 200000, 4000000);
}

static void draw_world(struct prng *p, struct plan *plan) {
    struct world_options *o = &plan->world;
    *o = world_calm(plan->cluster, plan->seed);
    o->gather_us_max = one_in(p, 2) ? 0 : range(p, 10, 2000);
    o->disk_us_max = one_in(p, 3) ? 0 : range(p, 50, 20000);
    o->answer_gap_us_max = one_in(p, 2) ? 0 : range(p, 1, 2000);
    o->flush_us_max = one_in(p, 2) ? range(p, 100, 10000) : range(p, 10000, 2000000);
    o->client_us_max = range(p, 0, 500);
    o->client_timeout_us = 8000000;
    o->silence_us = range(p, 500000, 4000000);
    o->reconnect_us_max = range(p, 1000, 500000);
}

static void draw_workload(struct prng *p, struct plan *plan) {
    struct workload_options *o = &plan->workload;
    o->cluster = plan->cluster;
    o->agents = (uint32_t)range(p, 2, 8);
    o->keys = (uint32_t)(one_in(p, 2) ? range(p, 4, 6) : range(p, 6, 40));
    o->think_us_max = (uint32_t)range(p, 20000, 400000);
    o->value_bytes_max = one_in(p, 3) ? (uint32_t)range(p, 100, 3000) : 0;
    if (plan->cluster->memory_bytes_max < 1 << 20 && o->value_bytes_max > 200) o->value_bytes_max = 200; /* any block fits the smallest buffer */
    o->expiries = one_in(p, 3);
    o->contexts = one_in(p, 2);
    o->transactions = !one_in(p, 3);
    o->deletes_often = one_in(p, 2);
    o->flush_all = one_in(p, 8);
}

static void draw_definitions(struct prng *p, struct plan *plan) {
    plan->workload.policies_change = one_in(p, 4);
    plan->workload.forms_change = one_in(p, 3);
    if (one_in(p, 5)) plan->cluster->ack.level = (uint8_t)range(p, ACK_LEADER, ACK_ALL);
    bool majority = plan->cluster->ack.level >= ACK_MAJORITY;
    plan->workload.linear = majority && !plan->workload.flush_all && !plan->workload.policies_change && one_in(p, 2); /* marks turn winners around */
    plan->world.handlers = true;
    plan->world.handler_us_max = range(p, 100, 200000);
    if (one_in(p, 4)) plan->world.without_handlers[prng_below(p, plan->cluster->nodes_count)] = true;
}

static void draw_ways(struct prng *p, struct cluster *c) {
    c->topology = one_in(p, 2) ? TOPOLOGY_ALL : one_in(p, 2) ? TOPOLOGY_RING : TOPOLOGY_STAR;
    if (c->topology == TOPOLOGY_STAR) c->hub = (uint32_t)prng_below(p, c->dcs_count);
    static const char *const prefixes[] = {"s:", "h:", "n:", "c:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (!one_in(p, 6)) continue;
        struct cluster_home *h = &c->homes[c->homes_count];
        snprintf(h->prefix, sizeof h->prefix, "%s", prefixes[i]);
        h->dc = (uint32_t)prng_below(p, c->dcs_count);
        h->writes_when_cut = one_in(p, 2);
        c->homes_count += !c->dcs[h->dc].leaderless;
    }
}

/* A datacenter with a majority to lose, whose leaders fall all the time, and clients that ask much of few rows. */
static void draw_elections(struct prng *p, struct plan *plan) {
    struct cluster *c = plan->cluster;
    struct fault_options *f = &plan->faults;
    struct workload_options *o = &plan->workload;
    c->dcs_count = c->nodes_count = 0;
    add_dc(c, one_in(p, 4) ? 5 : 3);
    add_dc(c, (uint32_t)range(p, 1, 3));
    c->ack.level = ACK_MAJORITY;
    plan->near.latency_us = range(p, 50, 15000);
    memset(plan->world.without_handlers, 0, sizeof plan->world.without_handlers);
    f->leaders = f->clogs = f->kills = f->disconnects = true;
    f->wipes = one_in(p, 2);
    f->one_way = !one_in(p, 4);
    f->whole_dc = f->slow_links = f->slow_disks = f->wild_clocks = false;
    f->period_us_max = range(p, 200000, 1000000);
    f->length_us_max = range(p, 300000, 3000000);
    plan->world.client_timeout_us = range(p, 800000, 3000000);
    o->agents = (uint32_t)range(p, 8, 12);
    o->think_us_max = (uint32_t)range(p, 2000, 40000);
    o->flush_all = o->policies_change = false;
    o->linear = o->linear_mostly = true;
}

static struct plan draw(uint64_t seed, bool elections) {
    struct prng p;
    prng_seed(&p, seed);
    struct plan plan = {.seed = seed, .cluster = xcalloc(1, sizeof *plan.cluster)};
    draw_cluster(&p, plan.cluster);
    draw_links(&p, &plan);
    draw_faults(&p, &plan);
    draw_world(&p, &plan);
    draw_workload(&p, &plan);
    draw_tables(&p, plan.cluster);
    draw_definitions(&p, &plan);
    if (one_in(&p, 4) || elections) draw_elections(&p, &plan);
    bool is_long = one_in(&p, 12);
    plan.faults_us = is_long ? range(&p, 20000000, 40000000) : range(&p, 3000000, 12000000);
    if (is_long) plan.faults.length_us_max *= 3;
    if (plan.workload.linear_mostly) plan.faults_us = range(&p, 3000000, 8000000); /* much happens in them */
    plan.settle_us = 60000000;
    plan.restart_all = one_in(&p, 3);
    if (one_in(&p, 2)) {
        uint64_t units = range(&p, 4, 256);
        plan.cluster->log_bytes_max = units << (one_in(&p, 2) ? 8 : 10);
    }
    draw_ways(&p, plan.cluster);
    return plan;
}

/* Longer than the log, and nobody has it in memory: rows have to travel. */
static struct plan draw_long_cuts(uint64_t seed) {
    struct plan plan = draw(seed, false);
    struct prng p;
    prng_seed(&p, ~seed);
    plan.cluster->log_bytes_max = range(&p, 1, 12) << 10;
    plan.cluster->memory_bytes_max = range(&p, 64, 256) << 10;
    plan.faults.cuts = plan.faults.kills = true;
    plan.faults.length_us_max = range(&p, 3000000, 8000000);
    plan.faults_us = range(&p, 10000000, 20000000);
    plan.workload.think_us_max = (uint32_t)range(&p, 10000, 60000);
    if (plan.workload.value_bytes_max > 200) plan.workload.value_bytes_max = 200;
    return plan;
}

struct plan plan_draw(enum worlds worlds, uint64_t seed) {
    return worlds == WORLDS_LONG_CUTS ? draw_long_cuts(seed) : draw(seed, worlds == WORLDS_ELECTIONS);
}

struct plan plan_calm(uint64_t seed, uint64_t length_us) {
    struct plan plan = {.seed = seed, .cluster = xcalloc(1, sizeof *plan.cluster), .faults_us = length_us, .settle_us = 60000000};
    struct cluster *c = plan.cluster;
    struct prng p;
    prng_seed(&p, seed);
    draw_cluster(&p, c);
    c->dcs_count = c->nodes_count = 0;
    c->memory_bytes_max = 8 << 20;
    for (uint32_t d = 0; d < 3; d++) add_dc(c, 3);
    draw_tables(&p, c);
    plan.near = (struct link_options){.latency_us = 500};
    for (uint32_t a = 0; a < 3; a++)
        for (uint32_t b = 0; b < 3; b++) plan.far[a][b] = (struct link_options){.latency_us = 20000, .jitter_us = 1000};
    plan.faults.period_us_max = plan.faults.length_us_max = 1000000;
    plan.world = world_calm(c, seed);
    plan.world.handlers = true;
    plan.world.client_timeout_us = 8000000;
    plan.workload = (struct workload_options){.cluster = c, .agents = 9, .keys = 20, .think_us_max = 2000000, .transactions = true, .contexts = true};
    return plan;
}

void plan_finish(struct plan *p) {
    free(p->cluster);
    p->cluster = NULL;
}

bool plan_promises(const struct plan *p) { return p->cluster->fsync || !p->faults.power_cuts; }

static void print_link(FILE *f, const char *name, const struct link_options *o) {
    fprintf(f, "  link %s: latency %llu us, jitter %llu us%s, loss %u, repeat %u, corrupt %u, replay %u ppm, rate %llu\n", name,
            (unsigned long long)o->latency_us, (unsigned long long)o->jitter_us, o->reorder ? " reordering" : "", o->loss_ppm, o->repeat_ppm,
            o->corrupt_ppm, o->replay_ppm, (unsigned long long)o->rate_bytes_s);
}

void plan_print(const struct plan *p, FILE *f) {
    const struct cluster *c = p->cluster;
    fprintf(f, "seed %llu: %u DCs of", (unsigned long long)p->seed, c->dcs_count);
    for (uint32_t d = 0; d < c->dcs_count; d++) fprintf(f, " %u", c->dcs[d].nodes_count);
    fprintf(f, " nodes, topology %s%s%s, fsync %s, memory %llu KiB, log %llu KiB, faults for %llu ms\n", topology_name(c->topology),
            c->topology == TOPOLOGY_STAR ? " of " : "", c->topology == TOPOLOGY_STAR ? c->dcs[c->hub].name : "", c->fsync ? "on" : "off",
            (unsigned long long)c->memory_bytes_max >> 10, (unsigned long long)c->log_bytes_max >> 10, (unsigned long long)p->faults_us / 1000);
    print_link(f, "within a DC", &p->near);
    for (uint32_t a = 0; a < c->dcs_count; a++)
        for (uint32_t b = 0; b < c->dcs_count; b++) {
            char name[2 * NAME_LEN_MAX + 8];
            snprintf(name, sizeof name, "%s > %s", c->dcs[a].name, c->dcs[b].name);
            if (a != b) print_link(f, name, &p->far[a][b]);
        }
    struct buf text = {0};
    for (uint32_t i = 0; i <= c->tables_count; i++) {
        const struct cluster_table *t = i > 0 ? &c->tables[i - 1] : &c->rest;
        buf_printf(&text, " %s ", t->name);
        policy_format(t->policy, &t->chain, &text);
    }
    for (uint32_t i = 0; i < c->homes_count; i++)
        buf_printf(&text, " %s in %s, else %s", c->homes[i].prefix, c->dcs[c->homes[i].dc].name, c->homes[i].writes_when_cut ? "here" : "nowhere");
    fprintf(f, "  tables:%.*s; writes wait for %s\n", (int)text.n, (const char *)text.p, ack_level_name((enum ack_level)c->ack.level));
    buf_finish(&text);
    const struct fault_options *o = &p->faults;
    const struct {
        const char *name;
        bool on;
    } faults[] = {{"cuts", o->cuts},
                  {"one-way", o->one_way},
                  {"clogs", o->clogs},
                  {"flapping", o->flapping},
                  {"kills", o->kills},
                  {"power cuts", o->power_cuts},
                  {"pauses", o->pauses},
                  {"small skews", o->small_skews},
                  {"wild clocks", o->wild_clocks},
                  {"disconnects", o->disconnects},
                  {"store failures", o->store_failures},
                  {"whole DCs", o->whole_dc},
                  {"torn connections", o->tears},
                  {"full disks", o->full_disks},
                  {"slow disks", o->slow_disks},
                  {"slow links", o->slow_links},
                  {"bad frames", o->bad_frames},
                  {"wipes", o->wipes},
                  {"restores", o->restores},
                  {"damaged disks", o->damages},
                  {"strikes at leaders", o->leaders},
                  {"restart at the end", p->restart_all},
                  {"expiries", p->workload.expiries},
                  {"contexts", p->workload.contexts},
                  {"transactions", p->workload.transactions},
                  {"changes of policy", p->workload.policies_change},
                  {"of form", p->workload.policies_change && p->workload.forms_change},
                  {"rows in order", p->workload.linear},
                  {"FLUSHALL", p->workload.flush_all}};
    fprintf(f, " ");
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (faults[i].on) fprintf(f, " %s,", faults[i].name);
    fprintf(f, " %u clients, %u keys of a kind, disk %llu us, flush %llu us, gather %llu us\n", p->workload.agents, p->workload.keys,
            (unsigned long long)p->world.disk_us_max, (unsigned long long)p->world.flush_us_max, (unsigned long long)p->world.gather_us_max);
}
