/* The links of the live stage: what is ordered to each direction, and the orders that this makes for the node at either end. */
#include "live_parts.h"

#include <stdlib.h>
#include <string.h>

void live_links_init(struct live *l) {
    uint32_t n = live_nodes(l);
    l->links = xcalloc((size_t)n * n, sizeof *l->links);
    l->changed = xcalloc((size_t)n * n, sizeof *l->changed);
    for (size_t i = 0; i < (size_t)n * n; i++) l->links[i].how = l->base.scenario->links[i];
}

static bool *changed(const struct live *l, uint32_t node, uint32_t peer) { return &l->changed[node * live_nodes(l) + peer]; }

/* ---- orders ---- */
static void slow_order(const struct link_options *o, const char *peer, struct buf *out) {
    buf_printf(out, "SLOW %s LATENCY %lluus JITTER %lluus RATE %llu LOSS %uppm REPEAT %uppm CORRUPT %uppm REPLAY %uppm REORDER %s\n", peer,
               (unsigned long long)o->latency_us, (unsigned long long)o->jitter_us, (unsigned long long)o->rate_bytes_s, o->loss_ppm, o->repeat_ppm,
               o->corrupt_ppm, o->replay_ppm, o->reorder ? "yes" : "no");
}

static const char *cut_word(const struct live *l, uint32_t node, uint32_t peer) {
    bool out = live_link(l, node, peer)->cut, in = live_link(l, peer, node)->cut;
    if (l->options.namespaces) return "NONE"; /* there it is the routes' */
    return out && in ? "BOTH" : out ? "OUT" : in ? "IN" : "NONE";
}

/* What stands between the node and a peer, as the node is told: first what drops, then what holds, so that nothing slips through between them. */
static void orders_of_link(const struct live *l, uint32_t node, uint32_t peer, struct buf *out) {
    const char *name = node_name(&l->local, peer);
    buf_printf(out, "CUT %s %s\n", name, cut_word(l, node, peer));
    slow_order(&live_link(l, node, peer)->how, name, out);
    buf_printf(out, "CLOG %s%s\n", name, live_link(l, node, peer)->clogged ? "" : " OFF");
}

void live_links_order(struct live *l) {
    for (uint32_t i = 0; i < live_nodes(l); i++) {
        if (!l->nodes[i].answered || !live_runs(l, i)) continue;
        for (uint32_t peer = 0; peer < live_nodes(l); peer++) {
            if (!*changed(l, i, peer)) continue;
            orders_of_link(l, i, peer, &l->nodes[i].orders);
            *changed(l, i, peer) = false;
        }
    }
}

/* A clock that stands, or drifts, goes on from where it was. */
static void clock_order(const struct live_node *n, struct buf *out) {
    uint64_t passed_ms = n->skew_us ? (live_mono_us() - n->skew_us) / 1000 : 0;
    int64_t offset_ms = n->skew_ms + (n->frozen ? -(int64_t)passed_ms : (int64_t)passed_ms * n->drift_ppm / 1000000);
    if (n->skew_us) buf_printf(out, "CLOCK OFFSET %lld DRIFT %d%s\n", (long long)offset_ms, n->drift_ppm, n->frozen ? " FREEZE" : "");
}

void live_orders_of(struct live *l, uint32_t node, struct buf *out) {
    const struct live_node *n = &l->nodes[node];
    clock_order(n, out);
    if (n->disk == DISK_SLOW) buf_printf(out, "DISK SLOW %llu\n", (unsigned long long)((n->disk_us + 999) / 1000));
    if (n->disk == DISK_FULL) buf_printf(out, "DISK FULL\n");
    for (uint32_t peer = 0; peer < live_nodes(l); peer++) {
        if (peer == node) continue;
        orders_of_link(l, node, peer, out);
        *changed(l, node, peer) = false;
    }
}

/* ---- acts ---- */
static void mark(struct live *l, uint32_t a, uint32_t b) { *changed(l, a, b) = *changed(l, b, a) = true; }

static bool set_cut(struct live *l, uint32_t from, uint32_t to, bool cut, struct buf *why) {
    struct live_link *link = live_link(l, from, to);
    bool other = link->cut != cut;
    link->cut = cut;
    mark(l, from, to);
    return !other || !l->options.namespaces || live_spaces_cut(l, from, to, cut, why);
}

static bool says_nothing(const struct link_options *o) {
    return !o->latency_us && !o->jitter_us && !o->rate_bytes_s && !o->loss_ppm && !o->repeat_ppm && !o->corrupt_ppm && !o->replay_ppm && !o->reorder;
}

bool live_act_link(struct live *l, const struct act *a, struct buf *why) {
    struct live_link *link = live_link(l, a->from, a->to);
    const struct link_options *first = &l->base.scenario->links[a->from * live_nodes(l) + a->to];
    const char *what = "cut";
    bool ok = true;
    if (a->kind == STEP_DISCONNECT) {
        if (l->nodes[a->from].pid) live_order(l, a->from, "DISCONNECT %s", node_name(&l->local, a->to));
        return true;
    }
    mark(l, a->from, a->to);
    if (a->kind == STEP_CUT) {
        ok = set_cut(l, a->from, a->to, true, why);
    } else if (a->kind == STEP_CLOG) {
        link->clogged = true;
        what = "clogged";
    } else if (a->kind == STEP_SLOW) {
        bool back = says_nothing(&a->link);
        link->how = back ? *first : a->link;
        what = back ? "as in the beginning" : "slow";
    } else {
        link->clogged = false;
        link->how = *first;
        ok = set_cut(l, a->from, a->to, false, why);
        what = "healed";
    }
    live_note_link(l, MOMENT_LINK, a->from, a->to, false, what);
    return ok;
}
