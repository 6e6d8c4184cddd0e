#include "election.h"

#include <assert.h>
#include <string.h>

void election_encode(const struct election_durable *d, struct buf *out) {
    buf_u8(out, 1);
    buf_u64(out, d->term);
    buf_varint(out, d->vote);
    buf_u64(out, d->seen_ms);
    buf_u8(out, d->admitted);
}

bool election_decode(struct slice bytes, struct election_durable *ret) {
    struct reader r = reader_of(bytes);
    if (read_u8(&r) != 1) return false;
    uint64_t term = read_u64(&r), vote = read_varint(&r), seen_ms = read_u64(&r);
    uint8_t admitted = read_u8(&r);
    if (vote > UINT16_MAX || admitted > 1 || !read_done(&r)) return false;
    *ret = (struct election_durable){.term = term, .vote = (uint16_t)vote, .seen_ms = seen_ms, .admitted = admitted};
    return true;
}

static uint16_t number_of(const struct election *e, uint32_t node) { return e->cluster->nodes[node].node; }
static bool is_member(const struct election *e, uint32_t node) { return node < e->cluster->nodes_count && e->is_member[node]; }

/* ---- promises ---- */

static uint64_t promise_now(const struct election *e, const struct election_now *now) {
    uint64_t half = e->cluster->clock_bound_ms / 2, ms = now->wall_ms, most = ms + half > now->high_ms ? ms + half : now->high_ms;
    if (now->stamp_ms > ms) ms = now->stamp_ms < most ? now->stamp_ms : most;
    return ms + half;
}

static uint64_t promise(struct election *e, const struct election_now *now) {
    uint64_t ms = promise_now(e, now);
    if (ms > e->promised_ms) e->promised_ms = ms;
    return ms;
}

/* No leader has used more by this node's leave, nor this node while it led. */
static uint64_t used_at_most(const struct election *e, const struct election_now *now) {
    return now->stamp_ms > e->promised_ms ? now->stamp_ms : e->promised_ms;
}

static void note_clock(struct election *e, const struct election_now *now) {
    if (e->quorum == 1 || now->wall_ms <= e->durable.seen_ms + ELECTION_SEEN_MS) return;
    e->durable.seen_ms = now->wall_ms;
    e->dirty = true;
}

static uint64_t promised_by(const struct election *e, uint32_t node, const struct election_now *now) {
    return node == e->self ? promise_now(e, now) : e->members[node].promised_ms;
}

uint64_t election_ceiling_ms(const struct election *e, const struct election_now *now) {
    if (e->quorum == 1) return UINT64_MAX;
    uint64_t best = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (!e->is_member[i]) continue;
        uint64_t ms = promised_by(e, i, now);
        uint32_t as_far = 0;
        for (uint32_t k = 0; k < e->cluster->nodes_count; k++) as_far += e->is_member[k] && promised_by(e, k, now) >= ms;
        if (as_far >= e->quorum && ms > best) best = ms;
    }
    return best;
}

/* ---- roles ---- */

static void wait_anew(struct election *e, const struct election_now *now) {
    e->deadline_us = now->mono_us + ELECTION_SILENT_US + e->draw(e->arg, ELECTION_SPREAD_US);
}

static void ask_soon(struct election *e, const struct election_now *now) {
    uint64_t us = ELECTION_AGAIN_US << (e->asked < ELECTION_AGAIN_MAX ? e->asked : ELECTION_AGAIN_MAX);
    e->deadline_us = now->mono_us + us + e->draw(e->arg, us);
}

static void follow(struct election *e, uint32_t leader, const struct election_now *now) {
    e->role = ELECTION_FOLLOWER;
    e->ready = false;
    e->leader = leader;
    if (leader != ELECTION_NOBODY) e->asked = 0;
    wait_anew(e, now);
}

static void enter_term(struct election *e, uint64_t term, const struct election_now *now) {
    assert(term > e->durable.term);
    e->durable.term = term;
    e->durable.vote = 0;
    e->dirty = true;
    follow(e, ELECTION_NOBODY, now);
}

static void ask_all(struct election *e, bool pre, bool takes_over, const struct election_now *now) {
    struct message m = {.type = MESSAGE_VOTE};
    m.vote.term = e->durable.term + pre;
    m.vote.pre = pre;
    m.vote.takes_over = takes_over;
    m.vote.admitted = e->durable.admitted;
    m.vote.dc_has_written = now->dc_has_written;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->is_member[i] && i != e->self) e->send(e->arg, i, &m);
}

static void become_ready(struct election *e, const struct election_now *now) {
    if (e->role == ELECTION_LEADER && !e->ready && vv_includes(now->vv, &e->need)) e->ready = true;
}

void election_admit(struct election *e, bool admitted) {
    if (e->durable.admitted == admitted) return;
    e->durable.admitted = admitted;
    if (admitted && !e->durable.vote) e->durable.vote = number_of(e, e->self); /* it may have voted in this term, and lost that */
    e->dirty = true;
}

static void lead(struct election *e, const struct election_now *now) {
    e->role = ELECTION_LEADER;
    e->leader = e->self;
    election_admit(e, true);
    e->since_us = now->mono_us;
    e->asked = 0;
    for (uint32_t i = 0; i < NODES_MAX; i++) e->members[i] = (struct election_member){.heard_us = now->mono_us};
    become_ready(e, now);
}

/* By a majority of those that remember what they have voted for, or by everybody: a node whose disk is new may have had another one. */
static bool granted_by_enough(const struct election *e) {
    uint32_t all = 0, admitted = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        all += e->is_member[i] && e->granted[i] != NOT_GRANTED;
        admitted += e->is_member[i] && e->granted[i] == GRANTED;
    }
    return admitted >= e->quorum || all == e->count;
}

static void ask_oneself(struct election *e) {
    memset(e->granted, 0, sizeof e->granted);
    e->granted[e->self] = e->durable.admitted ? GRANTED : GRANTED_UNADMITTED;
}

static void raise_floor(struct election *e, uint64_t promised_ms, const struct election_now *now) {
    uint64_t most = now->wall_ms + e->cluster->clock_bound_ms * 3 / 2, ms = promised_ms < most ? promised_ms : most;
    if (ms > e->floor_ms) e->floor_ms = ms;
}

static void try_(struct election *e, bool takes_over, const struct election_now *now) {
    e->durable.term++;
    e->durable.vote = number_of(e, e->self);
    e->dirty = true;
    e->role = ELECTION_CANDIDATE;
    e->leader = ELECTION_NOBODY;
    e->ready = false;
    ask_oneself(e);
    vv_clear(&e->need);
    e->floor_ms = 0;
    if (e->quorum > 1) raise_floor(e, used_at_most(e, now), now);
    ask_soon(e, now);
    if (granted_by_enough(e))
        lead(e, now);
    else
        ask_all(e, false, takes_over, now);
}

static void ask(struct election *e, const struct election_now *now) {
    e->role = ELECTION_ASKING;
    e->leader = ELECTION_NOBODY;
    ask_oneself(e);
    ask_soon(e, now);
    e->asked++;
    if (granted_by_enough(e))
        try_(e, false, now);
    else
        ask_all(e, true, false, now);
}

/* A node that is not admitted takes part where nobody has anything to remember. */
static bool takes_part(const struct election *e, const struct election_now *now) {
    return e->is_member[e->self] && (e->durable.admitted || !now->dc_has_written);
}

void election_take_over(struct election *e, const struct election_now *now) {
    if (takes_part(e, now) && e->role != ELECTION_LEADER) try_(e, true, now);
}

/* ---- life ---- */

void election_init(struct election *e, const struct cluster *c, uint32_t self, const struct election_durable *durable,
                   const struct election_now *now) {
    e->cluster = c;
    e->self = self;
    e->durable = *durable;
    e->leader = ELECTION_NOBODY;
    /* What was promised before is not known exactly. It was no more than would be promised now, since the stamps that were taken in are on disk;
     * where the clock has gone back since, it may have read as much as lies between two marks more than the last mark. */
    bool gone_back = now->wall_ms < durable->seen_ms;
    if (durable->admitted) e->promised_ms = gone_back ? durable->seen_ms + ELECTION_SEEN_MS + c->clock_bound_ms : promise_now(e, now);
    wait_anew(e, now);
    bool is_member[NODES_MAX] = {0};
    uint32_t first = self;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        is_member[i] = cluster_member_of(c, i, c->nodes[self].dc);
        if (is_member[i] && i < first) first = i;
    }
    if (self == first) e->deadline_us = now->mono_us; /* where all begin at once, one is first */
    election_set_members(e, is_member, now);
}

void election_set_members(struct election *e, const bool *is_member, const struct election_now *now) {
    e->count = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (is_member[i] && !e->is_member[i]) e->members[i] = (struct election_member){.heard_us = now->mono_us};
        e->is_member[i] = is_member[i];
        e->count += is_member[i];
    }
    e->quorum = e->count / 2 + 1;
    /* Its voters may have told a candidate of others who vote too: then it is they whom it needs. */
    bool elected = e->role != ELECTION_LEADER || e->ready || granted_by_enough(e);
    if ((!e->is_member[e->self] && e->role != ELECTION_FOLLOWER) || !elected) follow(e, ELECTION_NOBODY, now);
    if (e->count == 1 && e->is_member[e->self] && e->role != ELECTION_LEADER) try_(e, false, now);
}

void election_finish(struct election *e) { vv_finish(&e->need); }

static bool hears_quorum(const struct election *e, const struct election_now *now) {
    uint32_t n = 1;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        n += e->is_member[i] && i != e->self && now->mono_us - e->members[i].heard_us < ELECTION_SILENT_US;
    return n >= e->quorum;
}

void election_tick(struct election *e, const struct election_now *now) {
    note_clock(e, now);
    become_ready(e, now);
    if (e->role == ELECTION_LEADER) {
        uint64_t ceiling = election_ceiling_ms(e, now);
        if (e->ready && now->stamp_ms <= ceiling && e->floor_ms <= ceiling) e->since_us = now->mono_us;
        bool late = now->mono_us - e->since_us > ELECTION_READY_US;
        if (late || !hears_quorum(e, now)) follow(e, ELECTION_NOBODY, now);
        return;
    }
    if (e->role == ELECTION_FOLLOWER && e->leader != ELECTION_NOBODY && now->mono_us - e->leader_heard_us >= ELECTION_SILENT_US)
        e->leader = ELECTION_NOBODY;
    if (now->mono_us < e->deadline_us) return;
    if (takes_part(e, now))
        ask(e, now);
    else
        wait_anew(e, now);
}

uint64_t election_wake_us(const struct election *e) { return e->role == ELECTION_LEADER ? UINT64_MAX : e->deadline_us; }

void election_lost(struct election *e, uint32_t peer, const struct election_now *now) {
    e->granted[peer] = NOT_GRANTED;
    if (peer != e->leader || e->role != ELECTION_FOLLOWER) return;
    e->leader = ELECTION_NOBODY;
    e->leader_heard_us = 0;
    e->deadline_us = now->mono_us + e->draw(e->arg, ELECTION_AGAIN_US);
}

void election_give_up(struct election *e, const struct election_now *now) {
    if (e->role != ELECTION_FOLLOWER) follow(e, ELECTION_NOBODY, now);
}

/* ---- messages ---- */

/* As long as a leader is heard nobody is voted for: a node that hears it badly does not disturb the others. */
static bool has_leader(const struct election *e, const struct election_now *now) {
    if (e->role == ELECTION_LEADER) return hears_quorum(e, now);
    return e->leader != ELECTION_NOBODY && now->mono_us - e->leader_heard_us < ELECTION_SILENT_US;
}

static void answer_vote(struct election *e, uint32_t to, uint64_t term, bool pre, bool granted, const struct election_now *now) {
    struct message m = {.type = MESSAGE_VOTED};
    m.voted.term = term;
    m.voted.pre = pre;
    m.voted.granted = granted;
    m.voted.admitted = e->durable.admitted;
    m.voted.promised_ms = used_at_most(e, now);
    m.voted.vv = *now->vv; /* borrowed for the call */
    e->send(e->arg, to, &m);
}

static void take_vote(struct election *e, uint32_t from, const struct message *m, const struct election_now *now) {
    if (!takes_part(e, now) || (!e->durable.admitted && m->vote.dc_has_written) || (!m->vote.admitted && now->dc_has_written)) return;
    if (!m->vote.takes_over && has_leader(e, now)) {
        if (m->vote.pre) answer_vote(e, from, e->durable.term, true, false, now);
        return;
    }
    if (m->vote.pre) {
        answer_vote(e, from, m->vote.term, true, m->vote.term > e->durable.term, now);
        return;
    }
    if (m->vote.term > e->durable.term) enter_term(e, m->vote.term, now);
    bool granted = m->vote.term == e->durable.term && (e->durable.vote == 0 || e->durable.vote == number_of(e, from));
    if (granted && e->durable.vote == 0) {
        e->durable.vote = number_of(e, from);
        e->dirty = true;
        wait_anew(e, now);
    }
    answer_vote(e, from, e->durable.term, false, granted, now);
}

static void take_voted(struct election *e, uint32_t from, const struct message *m, const struct election_now *now) {
    bool pre = m->voted.pre;
    if (!m->voted.granted) {
        if (m->voted.term > e->durable.term) enter_term(e, m->voted.term, now);
        return;
    }
    if (e->role != (pre ? ELECTION_ASKING : ELECTION_CANDIDATE) || m->voted.term != e->durable.term + pre) return;
    if (now->mono_us > e->deadline_us) return; /* so a vote that its giver has lost with its disk does not count for long */
    e->granted[from] = m->voted.admitted ? GRANTED : GRANTED_UNADMITTED;
    if (!pre) {
        vv_join(&e->need, &m->voted.vv);
        raise_floor(e, m->voted.promised_ms, now);
    }
    if (!granted_by_enough(e)) return;
    if (pre)
        try_(e, false, now);
    else
        lead(e, now);
}

void election_take(struct election *e, uint32_t from, const struct message *m, const struct election_now *now) {
    if (!is_member(e, from) || from == e->self) return;
    if (m->type == MESSAGE_VOTE) take_vote(e, from, m, now);
    if (m->type == MESSAGE_VOTED) take_voted(e, from, m, now);
}

void election_take_heartbeat(struct election *e, uint32_t from, const struct message *m, const struct election_now *now) {
    if (!is_member(e, from) || from == e->self) return;
    if (m->heartbeat.term > e->durable.term) enter_term(e, m->heartbeat.term, now);
    if (m->heartbeat.term < e->durable.term) return;
    if (e->role == ELECTION_LEADER) {
        e->members[from].heard_us = now->mono_us;
        if (m->heartbeat.promised_ms > e->members[from].promised_ms) e->members[from].promised_ms = m->heartbeat.promised_ms;
    } else if (m->heartbeat.is_leader) {
        follow(e, from, now);
        e->leader_heard_us = now->mono_us;
    }
}

void election_fill_heartbeat(struct election *e, struct message *m, const struct election_now *now) {
    m->heartbeat.term = e->durable.term;
    m->heartbeat.is_leader = e->role == ELECTION_LEADER;
    m->heartbeat.promised_ms = e->role == ELECTION_LEADER || !e->durable.admitted ? 0 : promise(e, now);
}
