/* Reports of nodes that have no link with each other (DESIGN, section 8: ring and star).
 *
 * What is stable depends on what every node has reported, and a node that comes back with less must know that every node goes by a report of its
 * present run (engine_return.c). Where two nodes have no link, their reports are passed on by others: each node makes a report of itself, and leaders
 * give what is new to them to all that they are linked with. A report is a heartbeat's, of one moment and on disk, so it makes no difference when,
 * and over whom, it comes. It names the runs that its node goes by, of the nodes without a link.
 *
 * Of a node's reports only the latest counts, over all its runs: by (epoch, seq). A run takes the clock for its epoch; where somebody still goes by a
 * greater one of an earlier run, and says so, it goes beyond that. Reports of linked nodes are passed on too, but not taken: heartbeats say more. */
#include "state.h"

#define REPORTS_US        200000u  /* new reports are made and given so often */
#define REPORT_AGAIN_US   1000000u /* one is made after so long though nothing has changed: the node is there */
#define REPORT_PRESENT_US 4000000u /* a node whose reports come is in reach */

struct told {
    uint64_t epoch, seq;
    struct buf frame; /* as it is passed on; n == 0: there is none */
    uint64_t told_us;
    struct mark {
        uint64_t epoch, seq;
    } given[NODES_MAX]; /* by peer: it has this one */
};

static bool later(uint64_t epoch, uint64_t seq, const struct mark *than) { return epoch > than->epoch || (epoch == than->epoch && seq > than->seq); }

void reports_create(struct engine *e) {
    if (e->cluster->topology == TOPOLOGY_ALL) return;
    e->told = xcalloc(NODES_MAX, sizeof *e->told);
    e->report_epoch = e->now.wall_ms;
}

void reports_finish(struct engine *e) {
    for (uint32_t i = 0; e->told && i < NODES_MAX; i++) buf_finish(&e->told[i].frame);
    free(e->told);
    buf_finish(&e->report_knows);
}

uint64_t reports_told_us(const struct engine *e, uint32_t node) { return e->told && e->told[node].frame.n ? e->told[node].told_us : 0; }

bool reports_in_reach(const struct engine *e, uint32_t node) {
    if (ways_linked(e->cluster, e->self, node)) return link_reachable(e, node);
    return e->told && e->told[node].frame.n && e->now.mono_us - e->told[node].told_us < REPORT_PRESENT_US;
}

/* ---- the own report ---- */

static void list_known(struct engine *e) {
    buf_clear(&e->report_knows);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct cluster_node *n = &e->cluster->nodes[i];
        if (i == e->self || ways_linked(e->cluster, e->self, i) || return_knows(e, i) == KNOWS_NOTHING) continue;
        struct report_knows k = {slice_text(e->cluster->dcs[n->dc].name), n->node, e->links[i].report_run, return_knows(e, i)};
        report_knows_put(&k, &e->report_knows);
    }
}

static void make_report(struct engine *e) {
    const struct cluster_node *self = &e->cluster->nodes[e->self];
    struct told *own = &e->told[e->self];
    struct message m = {.type = MESSAGE_REPORT}; /* its vectors and slices are borrowed */
    list_known(e);
    m.report.dc = slice_text(e->cluster->dcs[self->dc].name);
    m.report.node = self->node;
    m.report.run = e->run;
    m.report.incarnation = e->incarnation;
    m.report.digest = e->digest;
    m.report.is_returning = e->owing;
    m.report.vv = e->vv;
    m.report.has_synced = !e->cluster->fsync;
    if (m.report.has_synced) m.report.synced = e->flushed_vv;
    m.report.knows = buf_slice_of(&e->report_knows);
    m.report.epoch = e->report_epoch;
    buf_clear(&e->text);
    message_encode(&m, e->origins, &e->text);
    uint64_t hash = hash64(buf_slice_of(&e->text));
    if (hash == e->report_hash && e->now.mono_us - own->told_us < REPORT_AGAIN_US) return;
    e->report_hash = hash;
    m.report.seq = ++e->report_seq;
    m.report.wall_ms = e->now.wall_ms;
    own->epoch = m.report.epoch;
    own->seq = m.report.seq;
    own->told_us = e->now.mono_us;
    buf_clear(&own->frame);
    message_encode(&m, e->origins, &own->frame);
}

/* ---- giving ---- */

static void give(struct engine *e, uint32_t peer, bool all) {
    struct link *l = &e->links[peer];
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        struct told *t = &e->told[i];
        if (!t->frame.n || (i != e->self && !all) || !later(t->epoch, t->seq, &t->given[peer])) continue;
        t->given[peer] = (struct mark){t->epoch, t->seq};
        buf_put(&l->out, t->frame.p, t->frame.n);
        l->bytes_out += t->frame.n;
    }
}

void reports_tick(struct engine *e) {
    if (!e->told || e->now.mono_us < e->reports_due_us || !ways_pass_reports(e->cluster)) return;
    e->reports_due_us = (e->now.mono_us / REPORTS_US + 1) * REPORTS_US; /* with the heartbeats */
    make_report(e);
    bool passes_on = e->is_leader || e->leader >= e->cluster->nodes_count || !link_reachable(e, e->leader);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (i != e->self && e->links[i].connected) give(e, i, passes_on);
}

void reports_link_up(struct engine *e, uint32_t peer) {
    for (uint32_t i = 0; e->told && i < e->cluster->nodes_count; i++) e->told[i].given[peer] = (struct mark){0};
}

/* ---- taking ---- */

static enum knows knows_us(const struct engine *e, const struct message *m) {
    const struct cluster_node *self = &e->cluster->nodes[e->self];
    struct reader r = reader_of(m->report.knows);
    struct report_knows k;
    while (report_knows_next(&r, &k))
        if (k.node == self->node && k.run == e->run && slice_equal(k.dc, slice_text(e->cluster->dcs[self->dc].name))) return (enum knows)k.knows;
    return KNOWS_NOTHING;
}

/* As a heartbeat would say it. */
static void take_as_heartbeat(struct engine *e, uint32_t node, const struct message *m) {
    struct message h = {.type = MESSAGE_HEARTBEAT}; /* its vectors are borrowed */
    h.heartbeat.wall_ms = m->report.wall_ms;
    h.heartbeat.digest = m->report.digest;
    h.heartbeat.run = m->report.run;
    h.heartbeat.incarnation = m->report.incarnation;
    h.heartbeat.knows = (uint8_t)knows_us(e, m);
    h.heartbeat.is_returning = m->report.is_returning;
    h.heartbeat.vv = m->report.vv;
    h.heartbeat.has_synced = m->report.has_synced;
    h.heartbeat.synced = m->report.synced;
    e->links[node].peer_run = m->report.run;
    links_take_report(e, node, &h);
}

void reports_take(struct engine *e, uint32_t peer, const struct message *m) {
    int node = cluster_find_node(e->cluster, m->report.dc, m->report.node);
    if (node < 0 || !e->told) return;
    struct told *t = &e->told[node];
    if (later(m->report.epoch, m->report.seq, &t->given[peer])) t->given[peer] = (struct mark){m->report.epoch, m->report.seq};
    if ((uint32_t)node == e->self) {
        if (m->report.run != e->run && m->report.epoch >= e->report_epoch && m->report.epoch < UINT64_MAX) e->report_epoch = m->report.epoch + 1;
        return;
    }
    if (t->frame.n && !later(m->report.epoch, m->report.seq, &(struct mark){t->epoch, t->seq})) return;
    t->epoch = m->report.epoch;
    t->seq = m->report.seq;
    t->told_us = e->now.mono_us;
    buf_clear(&t->frame);
    message_encode(m, e->origins, &t->frame);
    if (!ways_linked(e->cluster, e->self, (uint32_t)node)) take_as_heartbeat(e, (uint32_t)node, m);
}
