#include "world_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct world_options world_calm(const struct cluster *c, uint64_t seed) {
    return (struct world_options){
        .cluster = c,
        .seed = seed,
        .wall_ms = 1700000000000,
        .disk_us_max = 200,
        .flush_us_max = 20000,
        .client_us_max = 100,
        .silence_us = 3000000,
        .reconnect_us_max = 200000,
        .handler_us_max = 2000,
    };
}

uint64_t world_draw(struct prng *p, uint64_t max) { return max == 0 ? 0 : prng_below(p, max + 1); }

struct world *world_create(const struct world_options *o, const struct world_watcher *watcher) {
    struct world *w = xcalloc(1, sizeof *w);
    w->options = *o;
    if (w->options.wall_ms == 0) w->options.wall_ms = 1700000000000;
    if (watcher) w->watcher = *watcher;
    w->cluster = o->cluster;
    w->nodes_count = o->cluster->nodes_count;
    prng_seed(&w->network, o->seed ^ UINT64_C(0x6e6574776f726b));
    prng_seed(&w->disk, o->seed ^ UINT64_C(0x6469736b));
    prng_seed(&w->entropy, o->seed ^ UINT64_C(0x656e74726f7079));
    prng_seed(&w->handlers, o->seed ^ UINT64_C(0x68616e646c657273));
    w->nodes = xcalloc(w->nodes_count, sizeof *w->nodes);
    for (uint32_t i = 0; i < w->nodes_count; i++) node_init(w, &w->nodes[i], i);
    network_init(w);
    return w;
}

static void happening_free(struct happening *h) { free(h->p); }

void world_destroy(struct world *w) {
    if (!w) return;
    for (uint32_t i = 0; i < w->nodes_count; i++) node_finish(w, &w->nodes[i]);
    clients_finish(w);
    network_finish(w);
    disks_finish(w);
    while (happenings_any(&w->happenings)) {
        struct happening h = happenings_take(&w->happenings);
        happening_free(&h);
    }
    happenings_finish(&w->happenings);
    buf_finish(&w->scratch);
    free(w->nodes);
    free(w);
}

/* ---- time ---- */

uint64_t world_now_us(const struct world *w) { return w->now_us; }
void world_stop(struct world *w) { w->stopped = true; }
void world_go_on(struct world *w) { w->stopped = false; }
bool world_stopped(const struct world *w) { return w->stopped; }

void world_schedule(struct world *w, uint64_t at_us, struct happening h) {
    h.at_us = at_us < w->now_us ? w->now_us : at_us;
    happenings_add(&w->happenings, h);
}

void world_at(struct world *w, uint64_t at_us, void (*call)(struct world *w, void *arg, uint64_t number), void *arg, uint64_t number) {
    struct call *c = xmalloc(sizeof *c);
    *c = (struct call){call, arg, number};
    world_schedule(w, at_us, (struct happening){.kind = HAPPENS_CALL, .p = c});
}

/* What belongs to an earlier run of its node no longer happens. */
static bool of_this_run(const struct node *n, const struct happening *h) { return node_alive(n) && n->run == h->b; }

static void happen(struct world *w, struct happening *h) {
    struct node *n = h->a < w->nodes_count ? &w->nodes[h->a] : NULL;
    switch (h->kind) {
    case HAPPENS_CALL: {
        struct call *c = h->p;
        c->function(w, c->arg, c->number);
        break;
    }
    case HAPPENS_WAKE:
        if (of_this_run(n, h)) node_wake(w, n, h->at_us);
        break;
    case HAPPENS_STAGE:
        if (of_this_run(n, h)) node_stage(w, n, (enum stage)h->x);
        break;
    case HAPPENS_FLUSHED:
        if (of_this_run(n, h)) node_flushed(w, n);
        break;
    case HAPPENS_HANDLED:
        if (!of_this_run(n, h)) break;
        node_handled(w, n, h->x, h->p);
        h->p = NULL;
        break;
    case HAPPENS_ARRIVE:
        network_arrive(w, h->a, h->b, (uint32_t)h->x, h->p);
        h->p = NULL;
        break;
    case HAPPENS_LINK: network_link(w, h->a, h->b, (uint32_t)h->x, h->y != 0); break;
    case HAPPENS_CHECK: network_check(w, h->a, h->b); break;
    case HAPPENS_TRY: network_try(w, h->a, h->b); break;
    case HAPPENS_REQUEST: clients_arrive(w, h->a, h->x); break;
    case HAPPENS_RETURN: clients_returned(w, h->a, h->x, h->p, h->y != 0); break;
    case HAPPENS_TIMEOUT: clients_timeout(w, h->a, h->x, h->y); break;
    }
}

void world_run(struct world *w, uint64_t until_us) {
    while (!w->stopped && happenings_due(&w->happenings, until_us)) {
        struct happening h = happenings_take(&w->happenings);
        w->now_us = h.at_us;
        w->counts.happenings++;
        happen(w, &h);
        happening_free(&h);
    }
    if (!w->stopped && w->now_us < until_us) w->now_us = until_us;
}

/* A removal is final, whoever knows of it. */
bool world_takes_part(struct world *w, uint32_t node) {
    bool any = false, there = false;
    for (uint32_t i = 0; i < w->nodes_count; i++) {
        const struct cluster *c = w->nodes[i].engine ? engine_cluster(w->nodes[i].engine) : NULL;
        any |= c != NULL;
        if (c && c->nodes[node].standing == STANDING_REMOVED) return false;
        bool own_word = i == node && w->cluster->nodes[node].standing == STANDING_ABSENT; /* is not enough: who added it may be gone */
        there |= c && !own_word && c->nodes[node].standing < STANDING_REMOVED;
    }
    return any ? there : w->cluster->nodes[node].standing < STANDING_REMOVED;
}

static bool all_agree(struct world *w) {
    uint64_t first = 0;
    bool any = false;
    for (uint32_t i = 0; i < w->nodes_count; i++) {
        if (!world_takes_part(w, i)) continue;
        struct engine *e = world_engine(w, i);
        if (!e || world_paused(w, i) || engine_returning(e) || w->nodes[i].handlers_running > 0) return false;
        uint64_t hash = vv_hash(engine_vv(e), engine_origins(e));
        if (!any) first = hash;
        any = true;
        if (hash != first) return false;
    }
    return true;
}

bool world_settle(struct world *w, uint64_t max_us) {
    uint64_t end = w->now_us + max_us, step = 100000;
    unsigned calm = 0;
    while (calm < 3 && w->now_us < end && !w->stopped) {
        world_run(w, w->now_us + step);
        calm = all_agree(w) ? calm + 1 : 0;
    }
    return calm == 3;
}

/* ---- clocks ---- */

uint64_t world_true_ms(const struct world *w) { return w->options.wall_ms + w->now_us / 1000; }

uint64_t world_wall_ms(const struct world *w, uint32_t node) {
    const struct node *n = &w->nodes[node];
    if (n->frozen) return (uint64_t)n->skew_base_ms;
    int64_t elapsed = (int64_t)(w->now_us - n->skew_from_us);
    int64_t ms = n->skew_base_ms + (elapsed + elapsed / 1000 * n->drift_ppm / 1000) / 1000;
    return ms < 0 ? 0 : (uint64_t)ms;
}

void world_skew(struct world *w, uint32_t node, int64_t offset_ms, int32_t drift_ppm, bool frozen) {
    struct node *n = &w->nodes[node];
    n->skew_from_us = w->now_us;
    n->skew_base_ms = (int64_t)world_true_ms(w) + offset_ms;
    n->drift_ppm = drift_ppm;
    n->frozen = frozen;
    trace_note(w, node, "skew", (uint64_t)n->skew_base_ms);
}

uint64_t world_trace_hash(const struct world *w) { return w->trace; }
void world_trace_to(struct world *w, FILE *f) { w->trace_file = f; }
struct world_counts world_counts(const struct world *w) {
    return w->counts;
}
