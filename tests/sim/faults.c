#include "faults.h"

#include <stdlib.h>

struct faults {
    struct world *world;
    const struct plan *plan;
    struct prng prng;
    bool going;
    bool lost; /* some node's disk was wiped, replaced or damaged */
};

static uint64_t draw(struct faults *f, uint64_t below) { return prng_below(&f->prng, below); }
static uint32_t nodes(const struct faults *f) { return f->plan->cluster->nodes_count; }
static uint32_t dc_of(const struct faults *f, uint32_t node) { return f->plan->cluster->nodes[node].dc; }

static void later(struct faults *f, uint64_t us, void (*call)(struct world *w, void *arg, uint64_t number), uint64_t number) {
    world_at(f->world, world_now_us(f->world) + us, call, f, number);
}

static uint64_t length(struct faults *f) { return 10000 + draw(f, f->plan->faults.length_us_max); }

/* ---- links ---- */

static void heal_side(struct world *w, void *arg, uint64_t side) {
    struct faults *f = arg;
    for (uint32_t a = 0; a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++)
            if (a != b && (side >> a & 1) != (side >> b & 1)) world_heal(w, a, b);
}

/* Some DCs, or some nodes, on one side: a bit for each node. */
static uint64_t draw_side(struct faults *f) {
    uint64_t side = 0;
    bool by_dc = draw(f, 3) > 0;
    uint64_t bits = prng_next(&f->prng);
    for (uint32_t i = 0; i < nodes(f); i++) side |= (bits >> (by_dc ? dc_of(f, i) : i) & 1) << i;
    return side;
}

static void part(struct faults *f, uint64_t side, bool clog) {
    bool one_way = f->plan->faults.one_way && draw(f, 2);
    for (uint32_t a = 0; a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++) {
            if (a == b || (side >> a & 1) == (side >> b & 1) || (one_way && (side >> a & 1))) continue;
            if (clog)
                world_clog(f->world, a, b);
            else
                world_cut(f->world, a, b);
        }
}

static void cut(struct faults *f) {
    uint64_t side = draw_side(f);
    part(f, side, false);
    later(f, length(f), heal_side, side);
}

static void hold_back(struct faults *f) {
    uint64_t side = draw_side(f);
    part(f, side, true);
    later(f, draw(f, 2) ? length(f) : 1000 + draw(f, 400000), heal_side, side);
}

static void flap_again(struct world *w, void *arg, uint64_t number) {
    struct faults *f = arg;
    uint64_t side = number >> 8, left = number & 255;
    if (left % 2)
        heal_side(w, f, side);
    else if (f->going)
        part(f, side, false);
    if (left > 0) later(f, 50000 + draw(f, 500000), flap_again, side << 8 | (left - 1));
}

static void flap(struct faults *f) {
    uint64_t side = draw_side(f), times = 1 + draw(f, 5);
    flap_again(f->world, f, side << 8 | (2 * times + 1));
}

static void disconnect(struct faults *f) {
    uint32_t a = (uint32_t)draw(f, nodes(f)), b = (uint32_t)draw(f, nodes(f));
    if (a != b) world_disconnect(f->world, a, b);
}

static void tear(struct faults *f) {
    uint32_t a = (uint32_t)draw(f, nodes(f)), b = (uint32_t)draw(f, nodes(f));
    if (a != b) world_tear(f->world, a, b);
}

/* ---- phases of bad links: between two sides, all or one ---- */

static const struct link_options *usual(const struct faults *f, uint32_t a, uint32_t b) {
    return dc_of(f, a) == dc_of(f, b) ? &f->plan->near : &f->plan->far[dc_of(f, a)][dc_of(f, b)];
}

static void end_phase(struct world *w, void *arg, uint64_t side) {
    struct faults *f = arg;
    for (uint32_t a = 0; f->going && a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++)
            if (a != b && (side >> a & 1) != (side >> b & 1)) world_slow(w, a, b, usual(f, a, b));
}

static void begin_phase(struct faults *f, const struct link_options *add) {
    uint64_t side = draw_side(f);
    for (uint32_t a = 0; a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++) {
            if (a == b || (side >> a & 1) == (side >> b & 1)) continue;
            struct link_options o = *usual(f, a, b);
            o.latency_us += add->latency_us;
            o.jitter_us += add->jitter_us;
            if (add->rate_bytes_s > 0) o.rate_bytes_s = add->rate_bytes_s;
            o.corrupt_ppm += add->corrupt_ppm;
            o.replay_ppm += add->replay_ppm;
            o.repeat_ppm += add->repeat_ppm;
            o.loss_ppm += add->loss_ppm;
            world_slow(f->world, a, b, &o);
        }
    later(f, length(f), end_phase, side);
}

static void slow_links(struct faults *f) {
    struct link_options add = {.latency_us = 50000 + draw(f, 750000)};
    add.jitter_us = draw(f, 100000);
    if (draw(f, 2)) add.rate_bytes_s = 20000 + draw(f, 105000);
    begin_phase(f, &add);
}

static void bad_frames(struct faults *f) {
    struct link_options add = {.corrupt_ppm = (uint32_t)draw(f, 50000)};
    add.replay_ppm = (uint32_t)draw(f, 50000);
    add.repeat_ppm = (uint32_t)draw(f, 300000);
    add.loss_ppm = (uint32_t)draw(f, 300000);
    begin_phase(f, &add);
}

/* ---- nodes ---- */

static void start(struct world *w, void *arg, uint64_t node) { world_start(w, (uint32_t)node); }
static void resume(struct world *w, void *arg, uint64_t node) { world_resume(w, (uint32_t)node); }

static void kill_one(struct faults *f, uint32_t node) {
    enum crash kind = f->plan->faults.power_cuts && draw(f, 2) ? CRASH_MACHINE : CRASH_PROCESS;
    world_kill(f->world, node, kind);
    later(f, draw(f, 3) ? length(f) : 1000 + draw(f, 100000), start, node);
}

static void kill(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    if (!f->plan->faults.whole_dc || draw(f, 3) > 0) {
        kill_one(f, node);
        return;
    }
    bool everybody = draw(f, 4) == 0;
    for (uint32_t i = 0; i < nodes(f); i++)
        if (everybody || dc_of(f, i) == dc_of(f, node)) kill_one(f, i);
}

static void pause(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    world_pause(f->world, node);
    later(f, length(f), resume, node);
}

static void fail_store(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    uint64_t n = 1 + draw(f, 20);
    world_fail_commit(f->world, node, n, draw(f, 2));
    later(f, length(f) + 1000000, start, node);
}

/* ---- leaders ---- */

/* Whom most of a DC's running nodes follow; a node that is cut off may go on following nobody, or itself. UINT32_MAX: nobody. */
static uint32_t leader_of(struct faults *f, uint32_t dc) {
    uint32_t votes[NODES_MAX] = {0}, best = UINT32_MAX;
    for (uint32_t i = 0; i < nodes(f); i++) {
        struct engine *e = dc_of(f, i) == dc ? world_engine(f->world, i) : NULL;
        uint32_t leader = e ? engine_leader(e) : UINT32_MAX;
        if (leader < nodes(f)) votes[leader]++;
    }
    for (uint32_t i = 0; i < nodes(f); i++)
        if (votes[i] > (best == UINT32_MAX ? 0 : votes[best])) best = i;
    return best;
}

/* It, and as many others of its DC as leave it without a majority; other DCs are on its side, on the other, or on both. */
static void cut_off(struct faults *f, uint32_t leader) {
    uint32_t dc = dc_of(f, leader), count = 0, others = 0;
    for (uint32_t i = 0; i < nodes(f); i++) count += dc_of(f, i) == dc;
    others = (uint32_t)draw(f, (count + 1) / 2);
    uint64_t side = UINT64_C(1) << leader, how = draw(f, 3);
    for (uint32_t i = 0; i < nodes(f); i++) {
        bool near = dc_of(f, i) == dc;
        if (near && i != leader && others > 0) {
            side |= UINT64_C(1) << i;
            others--;
        }
        if (!near && how == 0) side |= UINT64_C(1) << i;
    }
    for (uint32_t a = 0; a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++) {
            bool within = dc_of(f, a) == dc && dc_of(f, b) == dc;
            if (a != b && (side >> a & 1) != (side >> b & 1) && (within || how < 2)) world_cut(f->world, a, b);
        }
    later(f, length(f) + draw(f, 3) * 1000000, heal_side, side);
}

static void unclog(struct world *w, void *arg, uint64_t pair) {
    world_heal(w, (uint32_t)(pair >> 8), (uint32_t)(pair & 255));
    world_heal(w, (uint32_t)(pair & 255), (uint32_t)(pair >> 8));
}

/* It hears its DC, but what it says comes late, when there may be another leader; one node neither hears it nor is heard, and for longer. */
static void silence(struct faults *f, uint32_t leader) {
    uint32_t deaf = (uint32_t)draw(f, nodes(f));
    uint64_t us = 900000 + draw(f, 700000);
    for (uint32_t i = 0; i < nodes(f); i++) {
        if (i == leader || dc_of(f, i) != dc_of(f, leader)) continue;
        world_clog(f->world, leader, i);
        if (i == deaf) world_clog(f->world, i, leader);
        later(f, i == deaf ? us + draw(f, 500000) : us, unclog, (uint64_t)leader << 8 | i);
    }
}

static void strike_leader(struct faults *f) {
    uint32_t leader = leader_of(f, (uint32_t)draw(f, f->plan->cluster->dcs_count));
    uint64_t kind = draw(f, 5);
    if (leader == UINT32_MAX) return;
    if (kind == 0) {
        kill_one(f, leader);
    } else if (kind == 1) {
        world_pause(f->world, leader);
        later(f, 1000000 + draw(f, draw(f, 2) ? 5000000 : 59000000), resume, leader);
    } else if (kind == 2) {
        silence(f, leader);
    } else {
        cut_off(f, leader);
    }
}

/* ---- disks ---- */

static void disk_in_order(struct world *w, void *arg, uint64_t node) {
    world_disk(w, (uint32_t)node, DISK_OK, 0);
    world_start(w, (uint32_t)node);
}

static void fill_disk(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    world_disk(f->world, node, DISK_FULL, 0);
    later(f, length(f), disk_in_order, node);
}

static void slow_disk(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    world_disk(f->world, node, DISK_SLOW, 10000 + draw(f, 1000000));
    later(f, length(f), disk_in_order, node);
}

/* One in a world: where several nodes lose their disks, one soon after the other, nobody may be left who has what they lack, and what they write then
 * is fenced. */
static bool may_lose(struct faults *f) {
    bool may = !f->lost;
    f->lost = true;
    return may;
}

static void wipe(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    if (!may_lose(f)) return;
    world_kill(f->world, node, CRASH_PROCESS);
    world_wipe(f->world, node);
    later(f, length(f), start, node);
}

static void restore(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    if (draw(f, 3) > 0) {
        world_backup(f->world, node, "backup");
        return;
    }
    if (!may_lose(f)) return;
    world_kill(f->world, node, CRASH_PROCESS);
    world_restore(f->world, node, "backup"); /* or there is none, and it was only killed */
    later(f, length(f), start, node);
}

static void repair(struct world *w, void *arg, uint64_t node) {
    sim_store_damage(world_store(w, (uint32_t)node), 0); /* where nothing was read of it */
    if (!sim_store_damaged(world_store(w, (uint32_t)node))) return;
    world_wipe(w, (uint32_t)node);
    world_start(w, (uint32_t)node);
}

static void damage(struct faults *f) {
    uint32_t node = (uint32_t)draw(f, nodes(f));
    if (!may_lose(f)) return;
    world_damage(f->world, node, 1 + draw(f, 200));
    later(f, length(f) + 1000000, repair, node);
}

/* ---- clocks ---- */

static void skew_a_little(struct faults *f) {
    int64_t half = (int64_t)f->plan->cluster->clock_bound_ms / 2 - 20;
    uint32_t node = (uint32_t)draw(f, nodes(f));
    world_skew(f->world, node, (int64_t)draw(f, (uint64_t)half * 2) - half, 0, false);
}

static void skew_wildly(struct faults *f) {
    static const int64_t jumps_ms[] = {3600000, -3600000, 31536000000, 400, -700, 2000, 0};
    uint32_t node = (uint32_t)draw(f, nodes(f));
    int64_t jump = jumps_ms[draw(f, sizeof jumps_ms / sizeof *jumps_ms)];
    int32_t drift_ppm = (int32_t)draw(f, 100000) - 50000;
    world_skew(f->world, node, jump, drift_ppm, draw(f, 6) == 0);
}

/* ---- one after the other ---- */

static void strike(struct world *w, void *arg, uint64_t number) {
    struct faults *f = arg;
    if (!f->going) return;
    const struct fault_options *o = &f->plan->faults;
    const struct {
        bool on;
        void (*strike)(struct faults *f);
    } kinds[] = {{o->cuts, cut},
                 {o->cuts, cut},
                 {o->clogs, hold_back},
                 {o->flapping, flap},
                 {o->disconnects, disconnect},
                 {o->tears, tear},
                 {o->slow_links, slow_links},
                 {o->bad_frames, bad_frames},
                 {o->full_disks, fill_disk},
                 {o->slow_disks, slow_disk},
                 {o->wipes, wipe},
                 {o->restores, restore},
                 {o->damages, damage},
                 {o->kills, kill},
                 {o->kills, kill},
                 {o->pauses, pause},
                 {o->leaders, strike_leader},
                 {o->leaders, strike_leader},
                 {o->store_failures, fail_store},
                 {o->small_skews, skew_a_little},
                 {o->wild_clocks, skew_wildly}};
    size_t on[sizeof kinds / sizeof *kinds], count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].on) on[count++] = i;
    if (count > 0) kinds[on[draw(f, count)]].strike(f);
    later(f, draw(f, o->period_us_max), strike, 0);
}

void faults_go(struct faults *f) {
    f->going = true;
    later(f, draw(f, f->plan->faults.period_us_max), strike, 0);
}

static void set_links(struct faults *f, bool perfect) {
    for (uint32_t a = 0; a < nodes(f); a++)
        for (uint32_t b = 0; b < nodes(f); b++) {
            if (a == b) continue;
            struct link_options o = *usual(f, a, b);
            if (perfect) o = (struct link_options){.latency_us = o.latency_us};
            world_slow(f->world, a, b, &o);
        }
}

void faults_end(struct faults *f) {
    f->going = false;
    set_links(f, true);
    world_heal_all(f->world);
    for (uint32_t i = 0; i < nodes(f); i++) {
        world_fail_commit(f->world, i, 0, false);
        world_disk(f->world, i, DISK_OK, 0);
        repair(f->world, f, i);
        world_skew(f->world, i, 0, 0, false);
        world_start(f->world, i);
        world_resume(f->world, i);
    }
}

struct faults *faults_create(struct world *w, const struct plan *p) {
    struct faults *f = xcalloc(1, sizeof *f);
    f->world = w;
    f->plan = p;
    prng_seed(&f->prng, p->seed ^ UINT64_C(0x6661756c7473));
    set_links(f, false);
    return f;
}

void faults_destroy(struct faults *f) { free(f); }
