/* Nodes that come back with less than they had: their disk was wiped, is an older copy, or lost what was not synced (DESIGN, section 8).
 *
 * What such a node would write could lack what others have collected already, believing its earlier reports; and its own lost events would be missed
 * by nobody but itself. So it *returns* first: it takes no commands and originates nothing until
 *   - each other node that can be reached goes by a report of this run (`knows` of its heartbeat), at least one of them having all that it had, and
 *   - what these had then is applied here, its own lost events among it: they come from whoever has them, as events.
 * Until it has returned nothing becomes stable by its reports, and what others hold of its earlier runs without having applied it is forgotten.
 *
 * Where commits are not synced, a crash of the machine takes back what was not yet reported as synced, and nothing can have become stable by that.
 * Such a node may serve while it takes back its own lost events (`owing`).
 *
 * The host says that the data directory is not what it was (engine_options.returning), or a peer does: it has seen more of this node.
 *
 * Where a run has begun behind all the same, for want of anybody who could tell, its first event says so: its deps lack something that is stable
 * here. That origin is fenced: nothing of it is applied, and the status says why. */
#include "state.h"
#include <stdio.h>

#define RETURN_PATIENCE_US 3000000u  /* for nodes that cannot be reached */
#define DOUBLED_ALARM_US   10000000u /* whoever was refused tries again sooner */

bool engine_returning(const struct engine *e) { return e->returning; }

/* ---- what is known of peers' runs ---- */

static bool is_run_of(struct engine *e, origin_ref o, uint32_t peer) {
    const struct cluster_node *n = &e->cluster->nodes[peer];
    return engine_source(e, o)->dc == (int32_t)n->dc && origins_get(e->origins, o)->node == n->node;
}

/* A node has its own events before anybody else has them. Those of its present run can be here before the heartbeat that was made before them: they
 * also come over other nodes. So an incarnation of which that heartbeat did not know yet counts only where it was known here before that connection.
 */
static bool lacks_own(struct engine *e, uint32_t peer, const struct message *m) {
    const struct link *l = &e->links[peer];
    uint32_t known = l->connected && m->heartbeat.incarnation == 0 ? l->origins_known : origins_count(e->origins);
    for (origin_ref o = 0; o < known; o++) {
        if (!is_run_of(e, o, peer) || origins_get(e->origins, o)->incarnation == m->heartbeat.incarnation) continue;
        if (vv_get(&e->vv, o) > vv_get(&m->heartbeat.vv, o)) return true;
    }
    return false;
}

/* What a node sent in earlier runs, does not have any more, and nobody has applied is lost with it. Applied later, it would come after what was taken
 * for stable by the reports of a run that does not have it. */
static void forget_what_is_lost(struct engine *e, uint32_t peer, const struct message *m) {
    for (origin_ref o = 0; o < origins_count(e->origins); o++)
        if (is_run_of(e, o, peer) && origins_get(e->origins, o)->incarnation != m->heartbeat.incarnation)
            engine_forget_waiting(e, o, vv_get(&m->heartbeat.vv, o));
}

bool return_take_report(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    bool stands = bug(e, BUG_REPORT_STANDS) && l->report_run;
    if (l->report_run != m->heartbeat.run && !stands) {
        bool stable = vv_includes(&m->heartbeat.vv, &e->stable), reported = !l->report_run || vv_includes(&m->heartbeat.vv, &l->report);
        l->is_behind = !stable || !reported || lacks_own(e, peer, m);
        l->owes = l->is_behind || m->heartbeat.is_returning;
        l->is_returning = false;
        forget_what_is_lost(e, peer, m);
        vv_clear(&l->on_disk);
    } else if (!vv_includes(&m->heartbeat.vv, &l->report)) {
        return false; /* an old one, overtaken */
    }
    l->report_run = m->heartbeat.run;
    l->report_incarnation = m->heartbeat.incarnation;
    if (l->is_returning && !m->heartbeat.is_returning) l->owes = l->is_behind = false;
    l->is_returning = m->heartbeat.is_returning;
    vv_copy(&l->report, &m->heartbeat.vv);
    vv_copy(&l->synced, m->heartbeat.has_synced ? &m->heartbeat.synced : &m->heartbeat.vv);
    vv_join(&l->on_disk, &l->report);
    l->reports = true;
    return true;
}

enum knows return_knows(const struct engine *e, uint32_t peer) {
    const struct link *l = &e->links[peer];
    if (l->report_run != l->peer_run) return KNOWS_NOTHING;
    return l->is_behind && !bug(e, BUG_REPORT_STANDS) ? KNOWS_BEHIND : KNOWS_RUN;
}

/* ---- the way back ---- */

static void begin(struct engine *e, bool serves) {
    if (bug(e, BUG_RETURN_EARLY)) return;
    e->owing = true;
    e->returning = !serves;
    e->returning_since_us = e->now.mono_us;
    if (!serves) lead_lost_disk(e);
}

void return_create(struct engine *e) {
    bool is_new = e->options.joins && e->identity.n; /* which is yet to be written */
    if ((e->options.returning || is_new) && e->cluster->nodes_count > 1) begin(e, false);
}

void return_take_heartbeat(struct engine *e, uint32_t peer, const struct message *m) {
    struct link *l = &e->links[peer];
    if (m->heartbeat.knows == KNOWS_NOTHING) return;
    if (!l->met) {
        l->met = true;
        vv_join(&e->owed, &m->heartbeat.vv);
    }
    if (m->heartbeat.knows != KNOWS_BEHIND || e->owing || e->returned) return;
    l->wrote_behind = e->own != ORIGIN_NONE;
    begin(e, l->wrote_behind);
}

/* What it owes is here; or nobody in reach has it any more, somebody being in reach: who had it has lost it meanwhile. */
static bool is_whole(const struct engine *e, bool waited) {
    if (vv_includes(&e->vv, &e->owed)) return true;
    bool somebody = false;
    for (uint32_t i = 0; i < e->cluster->nodes_count && waited; i++) {
        const struct link *l = &e->links[i];
        if (i == e->self || !reports_in_reach(e, i)) continue;
        if (l->report_run != l->peer_run) return false;
        somebody |= !l->is_returning;
        for (origin_ref o = 0; o < e->owed.len; o++)
            if (vv_get(&e->owed, o) > vv_get(&e->vv, o) && vv_get(&l->report, o) > vv_get(&e->vv, o)) return false;
    }
    return somebody;
}

void return_tick(struct engine *e) {
    if (!e->owing) return;
    bool waited = e->now.mono_us - e->returning_since_us > RETURN_PATIENCE_US, whole = false, all_return = true;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (!members_counts(e, i)) continue;
        if (!l->met && (!waited || reports_in_reach(e, i))) return;
        if (l->met && !l->is_returning) whole = true;
        if (!l->met || !l->is_returning) all_return = false;
    }
    if ((!whole && (!all_return || e->options.set_aside)) || !is_whole(e, waited)) return;
    e->owing = e->returning = false;
    e->returned = true;
    handlers_sweep(e);
}

/* Events. */
static uint64_t missing(const struct engine *e) {
    uint64_t n = 0;
    for (origin_ref o = 0; o < e->owed.len; o++)
        if (vv_get(&e->owed, o) > vv_get(&e->vv, o)) n += vv_get(&e->owed, o) - vv_get(&e->vv, o);
    return n;
}

void return_refuse(struct engine *e, struct reply *reply) {
    bool met = false;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) met |= e->links[i].met;
    const char *name = e->cluster->nodes[e->self].name;
    if (met)
        reply_error(reply, "LOADING %s takes back what its disk has lost: %llu events are to come", name, (unsigned long long)missing(e));
    else
        reply_error(reply, "LOADING %s has lost what its disk had, and asks the other nodes for it: none has answered", name);
}

/* ---- runs that began behind ---- */

bool return_fences(struct engine *e, const struct event *first) {
    struct source *src = engine_source(e, first->dot.origin);
    struct vv deps = {0};
    for (uint32_t i = 0; i < first->deps_count; i++) vv_set(&deps, first->deps[i].origin, first->deps[i].n);
    bool knows = vv_includes(&deps, &e->stable);
    vv_finish(&deps);
    if (!knows) src->fenced = true;
    const struct origin *o = origins_get(e->origins, first->dot.origin);
    int node = cluster_find_node(e->cluster, slice_text(o->dc), o->node);
    if (node < 0 || (uint32_t)node == e->self) return src->fenced;
    struct link *l = &e->links[node];
    if (l->report_incarnation != o->incarnation && !bug(e, BUG_REPORT_STANDS)) l->reports = false; /* it was of an earlier run */
    return src->fenced;
}

void return_doubled(struct engine *e, uint32_t peer) { e->links[peer].doubled_us = e->now.mono_us + !e->now.mono_us; }

static void doubled_alarm(struct engine *e, uint32_t node, struct buf *text) {
    const char *name = e->cluster->nodes[node].name;
    buf_clear(text);
    if (node == e->self)
        buf_printf(text, "the other nodes speak with another process that is %s: this one is refused, one of the two is a copy", name);
    else
        buf_printf(text, "two processes say that they are %s: one is refused, one of the two is a copy", name);
    buf_u8(text, 0);
}

void return_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg) {
    struct buf text = {0};
    for (origin_ref o = 0; o < e->sources_cap; o++) {
        if (!e->sources[o] || !e->sources[o]->fenced) continue;
        buf_clear(&text);
        buf_text(&text, "events of ");
        origin_format(origins_get(e->origins, o), &text);
        buf_text(&text, " are not applied: its node began them without what all nodes had; wipe its data directory, and start it again");
        buf_u8(&text, 0);
        each(arg, (const char *)text.p);
    }
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (!e->links[i].wrote_behind) continue;
        buf_clear(&text);
        buf_printf(&text, "%s has seen more of this node than it had when it began to write: its disk was replaced, or has lost what was reported",
                   e->cluster->nodes[i].name);
        buf_u8(&text, 0);
        each(arg, (const char *)text.p);
    }
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (!e->links[i].doubled_us || e->now.mono_us - e->links[i].doubled_us > DOUBLED_ALARM_US) continue;
        doubled_alarm(e, i, &text);
        each(arg, (const char *)text.p);
    }
    if (e->returning) {
        struct reply reply = {.out = &text, .protocol = 2};
        buf_clear(&text);
        return_refuse(e, &reply);
        text.n -= 2;
        buf_u8(&text, 0);
        each(arg, (const char *)text.p + strlen("-LOADING "));
    }
    buf_finish(&text);
}
