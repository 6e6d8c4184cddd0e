/* Leading a datacenter: the election's place in the engine, and what follows when the leader changes (DESIGN, section 7; topology/election.h). */
#include "state.h"

#define ELECTION_NAME "election"
#define ROUND_US      5000u

/* How many events of this DC are known here does not matter, only whether any is. */
static bool dc_has_written_by(const struct engine *e, const struct vv *v) {
    for (origin_ref o = 0; o < v->len; o++)
        if (vv_get(v, o) && strcmp(origins_get(e->origins, o)->dc, e->cluster->dcs[e->self_dc].name) == 0) return true;
    return false;
}

static bool dc_has_written(const struct engine *e) { return dc_has_written_by(e, &e->vv); }

static uint64_t clock_ahead(const struct engine *e, int64_t ms) {
    int64_t clock = (int64_t)e->now.wall_ms + ms;
    return clock > 0 ? (uint64_t)clock : 0;
}

/* What promises go by; asked with every write. */
static struct election_now clocks_of(const struct engine *e) {
    return (struct election_now){
        .mono_us = e->now.mono_us, .wall_ms = e->now.wall_ms, .stamp_ms = stamp_ms(e->clock.last), .high_ms = clock_ahead(e, e->upper_ahead_ms)};
}

static struct election_now now_of(const struct engine *e) {
    struct election_now now = clocks_of(e);
    now.vv = &e->vv;
    now.dc_has_written = dc_has_written(e);
    return now;
}

static void send(void *arg, uint32_t peer, const struct message *m) { links_send(arg, peer, m); }
static uint64_t by_chance(void *arg, uint64_t below) { return prng_below(&((struct engine *)arg)->prng, below); }

/* ---- who leads ---- */

uint32_t engine_leader(const struct engine *e) { return e->leader; }
uint64_t engine_term(const struct engine *e) { return e->election.durable.term; }

/* It hands over: writes wait meanwhile. */
static bool hands_over(const struct engine *e) { return e->now.mono_us < e->hands_until_us; }

bool engine_leads(const struct engine *e) {
    if (!election_leads(&e->election) || hands_over(e) || e->returning || e->folding) return false;
    if (e->election.quorum == 1 || e->cluster->dcs[e->self_dc].leaderless || bug(e, BUG_STAMPS_UNPROMISED)) return true;
    struct election_now now = clocks_of(e);
    uint64_t ceiling = election_ceiling_ms(&e->election, &now);
    stamp_t last = e->floor > e->clock.last ? e->floor : e->clock.last;
    return ceiling && stamp_ms(last + 1) <= ceiling; /* 0: nobody has promised anything in this term */
}

uint64_t lead_wall_ms(const struct engine *e) {
    if (e->alone || bug(e, BUG_STAMPS_UNPROMISED)) return e->now.wall_ms;
    struct election_now now = clocks_of(e);
    uint64_t ceiling = election_ceiling_ms(&e->election, &now);
    return e->now.wall_ms < ceiling ? e->now.wall_ms : ceiling;
}

static void beat_soon(struct engine *e) {
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].heartbeat_due_us = e->now.mono_us;
}

/* A new round: followers answer it at once, with their promises. */
void lead_ask_round(struct engine *e) {
    e->round++;
    vv_copy(&e->round_vv, &e->vv);
    e->round_us = e->now.mono_us;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->election.is_member[i]) e->links[i].heartbeat_due_us = e->now.mono_us;
}

static bool lacks_promise(const struct engine *e) { return election_leads(&e->election) && !e->returning && !engine_leads(e); }

uint32_t lead_waits_for(const struct engine *e) {
    if (e->election.durable.admitted || dc_has_written(e)) return ELECTION_NOBODY;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (i != e->self && e->election.is_member[i] && !link_reachable(e, i)) return i;
    return ELECTION_NOBODY;
}

/* ---- writing without a majority ---- */

#define ALONE_AFTER_US 3000000u /* without a leader for so long */

/* A node of a leaderless DC always does; one that finds no majority, where the cluster file says so. */
static void look_whether_alone(struct engine *e) {
    bool was = e->alone, leaderless = e->cluster->dcs[e->self_dc].leaderless;
    if (e->leader != ELECTION_NOBODY && !leaderless) e->led_us = e->now.mono_us;
    bool minority = e->cluster->minority_writes && e->now.mono_us - e->led_us >= ALONE_AFTER_US;
    e->alone = !e->returning && cluster_is_member(e->cluster, e->self) && (leaderless || (e->leader == ELECTION_NOBODY && minority));
    if (was && !e->alone) requests_deposed(e);
}

/* ---- handing over (Ongaro 3.10) ---- */

#define HAND_OVER_US 2000000u

void lead_hand_over(struct engine *e, uint32_t to) {
    e->hands_to = to;
    e->hands_until_us = e->now.mono_us + HAND_OVER_US;
}

void engine_lead(struct call *c) {
    struct engine *e = c->engine;
    int node = cluster_find(e->cluster, c->argv[1]);
    const char *dc = e->cluster->dcs[e->self_dc].name, *self = e->cluster->nodes[e->self].name;
    if (node < 0 || e->cluster->nodes[node].dc != e->self_dc || !e->election.is_member[node])
        reply_error(c->reply, "ERR expected a node of %s that votes there", dc);
    else if (e->cluster->dcs[e->self_dc].leaderless)
        reply_error(c->reply, "ERR %s has no leader: all its nodes take writes", dc);
    else if ((uint32_t)node == e->leader)
        reply_ok(c->reply);
    else if (!e->is_leader)
        reply_error(c->reply, "ERR %s does not lead %s: %s", self, dc,
                    e->leader == ELECTION_NOBODY ? "nobody does" : e->cluster->nodes[e->leader].name);
    else if (!link_reachable(e, (uint32_t)node))
        reply_error(c->reply, "ERR %s cannot be reached from %s", e->cluster->nodes[node].name, self);
    else {
        lead_hand_over(e, (uint32_t)node);
        reply_ok(c->reply);
    }
}

/* The other one has all, and every write is answered: it may ask for votes. */
static void hand_over(struct engine *e) {
    if (!hands_over(e) || !e->is_leader || e->holders || !vv_includes(&e->links[e->hands_to].acked, &e->vv)) return;
    struct message m = {.type = MESSAGE_LEAD};
    m.lead.term = e->election.durable.term;
    links_send(e, e->hands_to, &m);
}

/* Whatever followed from the leader that there was. */
static void lead_changed(struct engine *e) {
    uint32_t leader = e->election.leader;
    if (e->election.role == ELECTION_LEADER && bug(e, BUG_LEADS_BEHIND)) e->election.ready = true;
    if (e->election.role == ELECTION_LEADER && !e->is_leader) {
        stamp_t floor = stamp_make(e->election.floor_ms, UINT16_MAX); /* its stamps lie above what its predecessors may have used */
        if (e->election.floor_ms && floor > e->floor && !bug(e, BUG_STAMPS_UNPROMISED)) e->floor = floor;
        e->round = e->round_confirmed = e->round_wanted = 0; /* rounds are of a term; the first says that it is ready */
    }
    bool was = e->is_leader;
    e->is_leader = e->election.role == ELECTION_LEADER;
    if (leader != e->leader) { /* what was stashed behind its requests goes to the next one */
        uint32_t gone = e->leader;
        e->leader = e->leaders[e->self_dc] = leader;
        forward_leader_gone(e, gone);
    }
    if (was && !e->is_leader) {
        e->hands_until_us = 0;
        requests_deposed(e);
    }
    look_whether_alone(e);
    bool leads = engine_leads(e);
    if (leads && !e->led) handlers_sweep(e);
    if (leads && e->remotes_wait) requests_lead(e);
    e->led = leads;
    if (was != e->is_leader) beat_soon(e); /* everybody is to know at once */
}

/* ---- admission: a node that has lost what it had takes part in votes again ---- */

/* Of this DC's events: all that the peer's present run has said that it has is here. */
static bool has_all_of(struct engine *e, uint32_t peer) {
    const struct link *l = &e->links[peer];
    for (origin_ref o = 0; o < l->report.len; o++)
        if (engine_source(e, o)->dc == (int32_t)e->self_dc && vv_get(&l->report, o) > vv_get(&e->vv, o)) return false;
    return l->met && l->reports && l->report_run == l->peer_run;
}

/* It must not forget what it has acknowledged or voted for without those noticing who counted on it. So it has to have what a majority has that does
 * not count it, and that majority has to be admitted, and in one term with it, under a leader whose events it has; or it has what all others have.
 * What it may have voted for before its disk was lost has come to nothing by then: all others are in that term, in which it does not vote, or so much
 * time has passed that no candidate counts its vote any more (topology/election.h). Where a leader that has what its voters had, so that it asks
 * rounds, knows of nothing written there is nothing to forget. */
static void look_for_admission(struct engine *e) {
    struct election *el = &e->election;
    if (el->durable.admitted || e->owing) return;
    uint32_t known = 0, admitted = 0, others = el->count - el->is_member[e->self];
    bool led = el->leader != ELECTION_NOBODY, written = dc_has_written(e);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (!el->is_member[i] || i == e->self) continue;
        written |= dc_has_written_by(e, &l->report);
        if (!link_reachable(e, i) || l->term != el->durable.term || !has_all_of(e, i)) continue;
        known++;
        admitted += i == el->leader || l->acked_term == el->durable.term;
    }
    bool confirmed = led && has_all_of(e, el->leader) && admitted >= el->quorum && e->now.mono_us - e->started.mono_us >= ELECTION_ADMIT_US;
    bool begins = led && !written && e->heard_term == el->durable.term && e->heard_round;
    if (confirmed || (led && bug(e, BUG_ADMITTED_BY_ANY)) || (others && known == others) || begins) election_admit(el, true);
}

void lead_lost_disk(struct engine *e) {
    if (!bug(e, BUG_VOTES_UNADMITTED)) election_admit(&e->election, false);
}

/* ---- life ---- */

int lead_create(struct engine *e, struct buf *why) {
    struct election_durable durable = {0};
    struct buf found = {0};
    int there = e->store->ops->get_meta(e->store, slice_text(ELECTION_NAME), &found);
    bool good = there == 0 || (there > 0 && election_decode(buf_slice_of(&found), &durable));
    buf_finish(&found);
    if (!good) {
        buf_text(why, there < 0 ? e->store->why : "the record of terms and votes is malformed");
        return STORE_FAILED;
    }
    if (e->returning) durable.admitted = bug(e, BUG_VOTES_UNADMITTED);
    if (bug(e, BUG_VOTES_FORGOTTEN)) durable.term = durable.vote = 0;
    e->leader = ELECTION_NOBODY;
    for (uint32_t d = 0; d < e->cluster->dcs_count; d++) { /* a guess, until heartbeats say it */
        uint32_t first = d == e->self_dc ? NODES_MAX : cluster_first(e->cluster, d);
        e->leaders[d] = first == NODES_MAX ? ELECTION_NOBODY : first;
    }
    struct election_now now = now_of(e);
    e->election = (struct election){.send = send, .draw = by_chance, .arg = e};
    election_init(&e->election, e->cluster, e->self, &durable, &now);
    lead_changed(e);
    return 0;
}

void lead_finish(struct engine *e) {
    election_finish(&e->election);
    buf_finish(&e->election_bytes);
    vv_finish(&e->round_vv);
}

/* Whoever has no room on its disk neither leads for others nor tries to: it says so in its heartbeats, and who has room is elected. Without any room
 * it keeps out of it altogether, since terms and votes must be durable. */
void lead_tick(struct engine *e) {
    struct election_now now = now_of(e);
    if (e->room != ROOM_ENOUGH) {
        if (e->election.quorum > 1) election_give_up(&e->election, &now);
        lead_changed(e);
        return;
    }
    engine_middle_ms(e); /* looks at the clocks */
    look_for_admission(e);
    hand_over(e);
    election_tick(&e->election, &now);
    lead_changed(e);
    if (lacks_promise(e) && e->now.mono_us - e->round_us >= ROUND_US) lead_ask_round(e);
}

uint64_t lead_wake_us(const struct engine *e) {
    if (e->room != ROOM_ENOUGH) return UINT64_MAX;
    uint64_t wake = election_wake_us(&e->election);
    return lacks_promise(e) && e->round_us + ROUND_US < wake ? e->round_us + ROUND_US : wake;
}

void lead_take(struct engine *e, uint32_t from, const struct message *m) {
    if (e->room == ROOM_NONE) return;
    struct election_now now = now_of(e);
    if (m->type == MESSAGE_LEAD) {
        if (e->room == ROOM_ENOUGH && from == e->leader && m->lead.term == e->election.durable.term) election_take_over(&e->election, &now);
    } else {
        if (bug(e, BUG_VOTES_TWICE)) e->election.durable.vote = 0;
        election_take(&e->election, from, m, &now);
    }
    lead_changed(e);
}

void lead_take_heartbeat(struct engine *e, uint32_t from, const struct message *m) {
    uint32_t dc = e->cluster->nodes[from].dc;
    e->links[from].term = m->heartbeat.term;
    if (dc == e->self_dc) {
        if (e->room == ROOM_NONE) return;
        struct election_now now = now_of(e);
        election_take_heartbeat(&e->election, from, m, &now);
        lead_changed(e);
        if (m->heartbeat.promised_ms) { /* it is admitted, and does not lead */
            ack_take(e, from, m->heartbeat.term, &m->heartbeat.vv);
            if (e->is_leader && m->heartbeat.term == e->election.durable.term) e->links[from].round_answered = m->heartbeat.round;
        }
        if (from != e->leader || m->heartbeat.term != e->election.durable.term) return;
        if (m->heartbeat.round == e->heard_round && m->heartbeat.term == e->heard_term) return;
        e->heard_round = m->heartbeat.round;
        e->heard_term = m->heartbeat.term;
        e->links[from].heartbeat_due_us = e->now.mono_us;
    } else if (m->heartbeat.is_leader && (m->heartbeat.term >= e->leader_terms[dc])) {
        e->leaders[dc] = from;
        e->leader_terms[dc] = m->heartbeat.term;
    }
}

void lead_fill_heartbeat(struct engine *e, struct message *m) {
    struct election_now now = now_of(e);
    if (e->room == ROOM_NONE)
        m->heartbeat.term = e->election.durable.term; /* a promise may be due to be made durable */
    else
        election_fill_heartbeat(&e->election, m, &now);
    if (e->room != ROOM_ENOUGH) m->heartbeat.is_leader = e->election.role == ELECTION_LEADER && e->election.quorum == 1;
    m->heartbeat.round = e->is_leader ? e->round : e->heard_term == e->election.durable.term ? e->heard_round : 0;
}

void lead_take_members(struct engine *e) {
    if (!e->election.cluster) return; /* it begins with them */
    struct election_now now = now_of(e);
    election_set_members(&e->election, e->voters.now, &now);
    lead_changed(e);
}

void lead_lost(struct engine *e, uint32_t peer) {
    struct election_now now = now_of(e);
    election_lost(&e->election, peer, &now);
    lead_changed(e);
}

bool lead_record(struct engine *e, struct named_record *ret) {
    if (!e->election.dirty) return false;
    e->election.dirty = false;
    buf_clear(&e->election_bytes);
    election_encode(&e->election.durable, &e->election_bytes);
    *ret = (struct named_record){slice_text(ELECTION_NAME), buf_slice_of(&e->election_bytes)};
    return true;
}
