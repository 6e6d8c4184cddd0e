/* Why a link is behind, in words (TRUCE.STATUS): cut, slow, waiting for an event, catching up, or without a connection of its own. */
#include "state.h"
#include <inttypes.h>
#include <stdio.h>

#define MEASURE_US    1000000u
#define WAITS_LONG_US 1000000u
#define BEHIND_EVENTS 1000u    /* so many lacking, or for so long, is catching up */
#define SLOW_US       1000000u /* a peer whose window was full for so long is slow */

static bool in_scope(struct engine *e, const struct link *l, origin_ref o) {
    int32_t dc = engine_source(e, o)->dc;
    return l->scope == SCOPE_ALL || (dc >= 0 && (l->scope & (UINT32_C(1) << dc)));
}

uint64_t progress_lacking(struct engine *e, uint32_t peer) {
    const struct link *l = &e->links[peer];
    uint64_t n = 0;
    for (origin_ref o = 0; o < origins_count(e->origins); o++) {
        uint64_t theirs = vv_get(&l->report, o), ours = vv_get(&e->vv, o);
        if (theirs > ours && in_scope(e, l, o)) n += theirs - ours;
    }
    return n;
}

/* Of the origins that are taken from the peer, whoever sent them. */
static uint64_t applied(struct engine *e, const struct link *l) {
    uint64_t n = 0;
    for (origin_ref o = 0; o < origins_count(e->origins); o++)
        if (in_scope(e, l, o)) n += vv_get(&e->vv, o);
    return n;
}

static uint64_t per_second(uint64_t n, uint64_t us) { return us ? n * 1000000 / us : 0; }

static void measure(struct engine *e, uint32_t peer, uint64_t us) {
    struct link *l = &e->links[peer];
    struct progress *p = &l->progress;
    uint64_t now_applied = applied(e, l), lacking = progress_lacking(e, peer);
    uint64_t came = p->scope == l->scope && now_applied > p->applied ? now_applied - p->applied : 0;
    uint64_t taken = l->served.taken_bytes > p->taken_bytes ? l->served.taken_bytes - p->taken_bytes : 0;
    p->events_s = per_second(came, us);
    p->taken_bytes_s = per_second(taken, us);
    if (!lacking || p->scope != l->scope)
        p->caught_up = p->seconds = 0;
    else
        p->caught_up += came, p->seconds++;
    p->scope = l->scope;
    p->applied = now_applied;
    p->taken_bytes = l->served.taken_bytes;
}

void progress_tick(struct engine *e) {
    uint64_t us = e->now.mono_us - e->progress_us;
    if (us < MEASURE_US) return;
    e->progress_us = e->now.mono_us;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (i != e->self && e->links[i].connected) measure(e, i, us);
}

void progress_window(struct engine *e, uint32_t peer) {
    const struct served *s = &e->links[peer].served;
    struct progress *p = &e->links[peer].progress;
    bool full = s->subscription && s->sent_bytes - s->taken_bytes >= s->window_bytes;
    if (!full)
        p->full_since_us = 0;
    else if (!p->full_since_us)
        p->full_since_us = e->now.mono_us;
}

/* ---- what is waited for ---- */

/* The first that is missing before this block of `o` can be applied. */
static bool missing_before(struct engine *e, origin_ref o, const struct waiting *w, struct dot *ret) {
    uint64_t next = vv_get(&e->vv, o) + 1;
    struct block b;
    *ret = (struct dot){o, next};
    if (w->first > next) return true;
    if (!block_decode(&b, SLICE(w->bytes, w->n), e->origins)) return false;
    struct reader r = reader_of(b.bodies);
    struct slice body = read_slice(&r);
    for (uint64_t n = b.first; n < next && n < w->last; n++) body = read_slice(&r);
    if (!event_decode(&e->event, (struct dot){o, next}, body, e->origins)) return false;
    for (uint32_t i = 0; i < e->event.deps_count; i++) {
        struct dot dep = e->event.deps[i];
        if (vv_covers(&e->vv, dep) || (dep.origin < e->sources_cap && engine_source(e, dep.origin)->waiting)) continue;
        *ret = (struct dot){dep.origin, vv_get(&e->vv, dep.origin) + 1};
        return true;
    }
    return false; /* for one that waits itself: that one says more */
}

static bool find_missing(struct engine *e, struct dot *ret) {
    for (origin_ref o = 0; o < origins_count(e->origins); o++) {
        const struct waiting *w = engine_source(e, o)->waiting;
        if (w && missing_before(e, o, w, ret)) return true;
    }
    return false;
}

static void say_waiting(struct engine *e, uint64_t lacking, struct buf *out) {
    struct dot missing;
    const char *holder = NULL;
    if (!find_missing(e, &missing)) {
        buf_printf(out, "%" PRIu64 " events wait for others that they depend on", lacking);
        return;
    }
    for (uint32_t i = 0; i < e->cluster->nodes_count && !holder; i++)
        if (i != e->self && reports_in_reach(e, i) && vv_covers(&e->links[i].report, missing)) holder = e->cluster->nodes[i].name;
    buf_printf(out, "waiting for event %" PRIu64 " of ", missing.n);
    origin_format(origins_get(e->origins, missing.origin), out);
    if (holder)
        buf_printf(out, ", which %s has", holder);
    else
        buf_text(out, ", which nobody in reach has");
}

/* ---- words ---- */

static void say_bytes(uint64_t n, struct buf *out) {
    if (n < 10000)
        buf_printf(out, "%" PRIu64 " bytes", n);
    else if (n < 10000000)
        buf_printf(out, "%" PRIu64 " kB", n / 1000);
    else
        buf_printf(out, "%" PRIu64 " MB", n / 1000000);
}

static const char *say_unlinked(const struct engine *e, uint32_t peer, struct buf *out) {
    uint64_t told_us = reports_told_us(e, peer);
    const char *shape = e->cluster->topology == TOPOLOGY_RING ? "ring" : "star";
    if (told_us)
        buf_printf(out, "they have no link in this %s; it was heard of %" PRIu64 " ms ago", shape, (e->now.mono_us - told_us) / 1000);
    else
        buf_printf(out, "they have no link in this %s; nothing was heard of it so far", shape);
    return "through others";
}

static const char *say_unheard(const struct engine *e, const struct link *l, struct buf *out) {
    uint64_t silent_ms = l->heard_us ? (e->now.mono_us - l->heard_us) / 1000 : 0;
    if (!l->connected) {
        if (l->heard_us)
            buf_printf(out, "no connection, last heard %" PRIu64 " ms ago", silent_ms);
        else
            buf_text(out, "no connection so far");
        return "connecting";
    }
    if (silent_ms >= LINK_SILENT_US / 1000)
        buf_printf(out, "cut: nothing heard for %" PRIu64 " ms", silent_ms);
    else
        buf_printf(out, "cut one way: it has heard nothing from here for %u ms", l->unheard_ms);
    return "cut";
}

const char *progress_state(struct engine *e, uint32_t peer, uint64_t lacking, struct buf *out) {
    const struct link *l = &e->links[peer];
    const struct progress *p = &l->progress;
    char words[300];
    if (l->connected && transfer_words(e, peer, words, sizeof words)) {
        buf_text(out, words);
        return "transfer";
    }
    if (l->refusal[0]) {
        buf_text(out, l->refusal);
        return "refused";
    }
    if (!ways_linked(e->cluster, e->self, peer)) return say_unlinked(e, peer, out);
    if (!link_heard(l, e->now.mono_us)) return say_unheard(e, l, out);
    if (lacking && e->waiting_bytes && e->now.mono_us - e->waiting_since_us > WAITS_LONG_US) {
        say_waiting(e, lacking, out);
        return "waiting";
    }
    if (lacking > BEHIND_EVENTS || (lacking && p->seconds > 1)) {
        buf_printf(out, "catching up: %" PRIu64 " of %" PRIu64 " events, at %" PRIu64 " per second", p->caught_up, p->caught_up + lacking,
                   p->events_s);
        return "catching up";
    }
    if (p->full_since_us && e->now.mono_us - p->full_since_us > SLOW_US) {
        buf_text(out, "slow: it takes ");
        say_bytes(p->taken_bytes_s, out);
        buf_text(out, " per second, and ");
        say_bytes(l->served.sent_bytes - l->served.taken_bytes, out);
        buf_text(out, " are under way");
        return "slow";
    }
    return "up";
}
