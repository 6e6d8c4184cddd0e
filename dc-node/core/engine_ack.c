/* What replies wait for (DESIGN, section 7): acknowledgements of a write, and for what is read linearizably, or was found to need no change, a round:
 * a question to the DC's members after the command came in, which a majority has answered in this term, having all that the leader had then.
 *
 * Replies of one session leave in order: what comes after one that waits, waits too. A write that is not acknowledged in time is indeterminate, and
 * its reply says so. Only acknowledgements of this term count; a node that has lost its disk gives none until it is admitted again. */
#include "state.h"
#include <utlist.h>

#define ROUND_AGAIN_US 1000000u /* a round that is not answered for so long is asked anew */

struct held_reply {
    struct held_reply *next;
    struct buf reply;
    uint64_t number; /* of this run's event; 0: none */
    uint64_t round;  /* 0: none */
    struct ack ack;
    uint64_t deadline_us;
    struct remote_answer remote;
};

/* ---- what is acknowledged ---- */

static bool is_voter(const struct engine *e, uint32_t node) { return node != e->self && e->election.is_member[node]; }

void ack_take(struct engine *e, uint32_t peer, uint64_t term, const struct vv *on_disk) {
    if (!term || (term != e->election.durable.term && !bug(e, BUG_ACKS_OF_ANY_TERM)) || e->cluster->nodes[peer].dc != e->self_dc) return;
    struct link *l = &e->links[peer];
    if (l->acked_term != term) {
        vv_clear(&l->acked);
        l->round_answered = 0;
    }
    l->acked_term = term;
    vv_join(&l->acked, on_disk);
}

static bool counts(const struct engine *e, uint32_t peer) {
    return is_voter(e, peer) && (e->links[peer].acked_term == e->election.durable.term || bug(e, BUG_ACKS_OF_ANY_TERM));
}

static uint32_t followers_wanted(const struct engine *e, enum ack_level level) {
    uint32_t others = e->election.count - 1;
    switch (level) {
    case ACK_DEFAULT:
    case ACK_LEADER: return 0;
    case ACK_ONE: return others ? 1 : 0;
    case ACK_MAJORITY: return e->election.quorum - 1;
    case ACK_ALL: return others;
    }
    return others;
}

static uint32_t dcs_with(const struct engine *e, struct dot write) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->cluster->nodes[i].dc != e->self_dc && members_counts(e, i) && vv_covers(&e->links[i].on_disk, write))
            mask |= UINT32_C(1) << e->cluster->nodes[i].dc;
    return (uint32_t)__builtin_popcount(mask);
}

static bool acknowledged(const struct engine *e, uint64_t number, const struct ack *ack) {
    uint32_t n = 0, wanted = followers_wanted(e, (enum ack_level)ack->level);
    struct dot write = {e->own, number};
    for (uint32_t i = 0; i < e->cluster->nodes_count && n < wanted; i++) n += counts(e, i) && vv_covers(&e->links[i].acked, write);
    return n >= wanted && (!ack->dcs || dcs_with(e, write) >= ack->dcs);
}

/* ---- rounds ---- */

static void look_at_round(struct engine *e) {
    uint32_t n = 1;
    if (e->round_confirmed >= e->round) return;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        n += counts(e, i) && e->links[i].round_answered >= e->round && (vv_includes(&e->links[i].acked, &e->round_vv) || bug(e, BUG_ROUND_OF_TERM));
    if (n >= e->election.quorum) e->round_confirmed = e->round;
}

static bool round_is_due(const struct engine *e) {
    return e->round_wanted > e->round && (e->round_confirmed >= e->round || e->now.mono_us - e->round_us >= ROUND_AGAIN_US);
}

/* ---- what a command asks for ---- */

/* The strictest of the tables that it has written. */
static struct ack ack_of(struct engine *e, const struct session *s) {
    struct ack ack = s->ack;
    if (ack.level == ACK_DEFAULT) {
        ack = e->cluster->ack;
        bool first = true;
        for (uint32_t i = 0; e->cluster->tables_ack && i < e->txn.rows_count; i++) {
            const struct ack *t = cluster_ack_of(e->cluster, buf_slice_of(&e->txn.rows[i].key));
            if (first || t->level > ack.level) ack.level = t->level;
            ack.dcs = first || t->dcs > ack.dcs ? t->dcs : ack.dcs;
            first = false;
        }
    }
    ack.timeout_ms = s->ack.timeout_ms ? s->ack.timeout_ms : ACK_TIMEOUT_MS;
    return ack;
}

void ack_begin(struct engine *e, struct session_entry *se) { se->terms = (struct reply_terms){.ack = ack_of(e, &se->s)}; }

void ack_note(struct engine *e, struct session_entry *se, struct dot write, bool writes, bool reads) {
    struct reply_terms *t = &se->terms;
    if (write.n)
        t->number = write.n;
    else if (e->election.quorum > 1)
        t->confirm = (writes && t->ack.level >= ACK_MAJORITY && !bug(e, BUG_NO_CHANGE_UNCONFIRMED)) ||
                     (reads && se->s.read_level == READ_LINEARIZABLE);
}

/* A node that finds no majority cannot give more than its own disk. */
bool ack_needs_majority(const struct engine *e, const struct session_entry *se) {
    return e->alone && !e->cluster->dcs[e->self_dc].leaderless && se->terms.ack.level > ACK_LEADER;
}

/* ---- replies that wait ---- */

bool ack_holds(const struct session_entry *se) { return se->held_replies != NULL; }

static void give(struct engine *e, struct session_entry *se, struct held_reply *h) {
    if (se->s.remote) {
        h->remote.reply = buf_slice_of(&h->reply);
        remote_send_answer(e, se, &h->remote);
    } else {
        buf_put(&se->s.out, h->reply.p, h->reply.n);
        session_touch_out(e, se);
    }
    se->s.held_bytes -= h->reply.n + sizeof *h;
}

static void free_held(struct held_reply *h) {
    buf_finish(&h->reply);
    free(h);
}

bool ack_end(struct engine *e, struct session_entry *se, size_t mark, const struct remote_answer *remote) {
    struct reply_terms t = se->terms;
    struct buf *out = &se->s.out;
    se->terms = (struct reply_terms){0};
    if (t.confirm && mark < out->n && out->p[mark] == '-') t.confirm = false; /* an error says nothing of rows */
    bool waits = (t.number && !acknowledged(e, t.number, &t.ack)) || (t.confirm && !bug(e, BUG_READ_WITHOUT_ROUND));
    if (!waits && !se->held_replies) return false;
    if (mark == out->n && !remote) return false;
    struct held_reply *h = xcalloc(1, sizeof *h);
    buf_put(&h->reply, out->p + mark, out->n - mark);
    out->n = mark;
    se->s.held_bytes += h->reply.n + sizeof *h;
    if (waits) {
        h->number = t.number;
        h->round = t.confirm ? e->round + 1 : 0;
        h->ack = t.ack;
        h->deadline_us = e->now.mono_us + (uint64_t)t.ack.timeout_ms * 1000;
        if (h->round > e->round_wanted) e->round_wanted = h->round;
    }
    if (remote) h->remote = *remote;
    if (!se->held_replies) {
        DL_APPEND2(e->holders, se, hold_prev, hold_next);
        se->held_replies_end = &se->held_replies;
    }
    *se->held_replies_end = h;
    se->held_replies_end = &h->next;
    return true;
}

static void reply_unmet(struct engine *e, struct session_entry *se, struct held_reply *h, bool deposed) {
    const char *self = e->cluster->nodes[e->self].name, *dc = e->cluster->dcs[e->self_dc].name;
    struct buf level = {0};
    struct reply reply = {.out = &h->reply, .protocol = se->s.protocol};
    se->s.held_bytes -= h->reply.n;
    buf_clear(&h->reply);
    ack_format(&h->ack, &level);
    if (h->round)
        reply_error(&reply, "UNCONFIRMED %s could not confirm with a majority of %s that it still leads: nothing was changed", self, dc);
    else if (deposed)
        reply_error(&reply, "INDETERMINATE %s has written it, and leads %s no longer: not known to be acknowledged at level %.*s, it may still count",
                    self, dc, (int)level.n, (const char *)level.p);
    else
        reply_error(&reply, "INDETERMINATE %s has written it, but it was not acknowledged at level %.*s within %u ms: it may still count", self,
                    (int)level.n, (const char *)level.p, h->ack.timeout_ms);
    se->s.held_bytes += h->reply.n;
    h->remote.dot = (struct dot){0};
    h->remote.wrote = false;
    buf_finish(&level);
}

/* True: the first of them was given. */
static bool look_at_first(struct engine *e, struct session_entry *se, bool deposed) {
    struct held_reply *h = se->held_replies;
    bool waits = h->number || h->round;
    bool met = (!h->number || acknowledged(e, h->number, &h->ack)) && h->round <= e->round_confirmed;
    if (!met && !deposed && e->now.mono_us < h->deadline_us) return false;
    if (waits && (deposed || !met)) reply_unmet(e, se, h, deposed);
    se->held_replies = h->next;
    give(e, se, h);
    free_held(h);
    return true;
}

static void look_at_holder(struct engine *e, struct session_entry *se, bool deposed) {
    bool was_full = session_full(se);
    while (se->held_replies && look_at_first(e, se, deposed)) {}
    if (was_full && !session_full(se) && !session_busy(se) && !se->stash_argc && !se->s.remote) session_unblocked(e, se);
    if (se->held_replies) return;
    DL_DELETE2(e->holders, se, hold_prev, hold_next);
    if (se->s.quit) session_touch_out(e, se);
}

void ack_updates(struct engine *e) {
    look_at_round(e);
    if (round_is_due(e)) lead_ask_round(e);
    struct session_entry *se, *next;
    DL_FOREACH_SAFE2(e->holders, se, next, hold_next) look_at_holder(e, se, false);
}

void ack_deposed(struct engine *e) {
    struct session_entry *se, *next;
    DL_FOREACH_SAFE2(e->holders, se, next, hold_next) look_at_holder(e, se, true);
    e->round_confirmed = e->round_wanted = e->round;
}

void ack_close(struct engine *e, struct session_entry *se) {
    if (!se->held_replies) return;
    DL_DELETE2(e->holders, se, hold_prev, hold_next);
    for (struct held_reply *h = se->held_replies, *next; h; h = next) {
        next = h->next;
        free_held(h);
    }
    se->held_replies = NULL;
}

uint64_t ack_wake_us(const struct engine *e) {
    uint64_t wake = UINT64_MAX;
    for (const struct session_entry *se = e->holders; se; se = se->hold_next)
        if (se->held_replies->deadline_us < wake) wake = se->held_replies->deadline_us;
    if (e->holders && e->round_wanted > e->round && e->round_us + ROUND_AGAIN_US < wake) wake = e->round_us + ROUND_AGAIN_US;
    return wake;
}

/* ---- TRUCE.ACK [level [timeout_ms]] ---- */

void engine_ack(struct call *c) {
    struct session *s = c->session;
    struct engine *e = c->engine;
    struct ack wanted = {0};
    int64_t timeout_ms = 0;
    if (c->argc > 3) {
        reply_wrong_arity(c);
        return;
    }
    if (c->argc == 1) {
        struct ack now = ack_of(e, s);
        struct buf text = {0};
        ack_format(&now, &text);
        buf_printf(&text, " %u", now.timeout_ms);
        reply_bulk(c->reply, buf_slice_of(&text));
        buf_finish(&text);
        return;
    }
    if (!ack_parse(c->argv[1], &wanted)) {
        reply_error(c->reply, "ERR expected a level leader, one, majority, all or default, with +dcs:K for K other datacenters");
        return;
    }
    if (wanted.dcs >= e->cluster->dcs_count) {
        reply_error(c->reply, "ERR there are %u other datacenters: %u cannot acknowledge", e->cluster->dcs_count - 1, wanted.dcs);
        return;
    }
    if (c->argc == 3 && (!parse_integer(c->argv[2], &timeout_ms) || timeout_ms < 1 || timeout_ms > ACK_TIMEOUT_MS_MAX)) {
        reply_error(c->reply, "ERR expected a timeout of 1 to %u ms", ACK_TIMEOUT_MS_MAX);
        return;
    }
    wanted.timeout_ms = (uint32_t)timeout_ms;
    s->ack = wanted;
    reply_ok(c->reply);
}

/* ---- TRUCE.READ [level] ---- */

void engine_read(struct call *c) {
    struct session *s = c->session;
    enum read_level level;
    if (c->argc == 1) {
        reply_text(c->reply, read_level_name((enum read_level)s->read_level));
    } else if (c->argc > 2) {
        reply_wrong_arity(c);
    } else if (!read_level_parse(c->argv[1], &level)) {
        reply_error(c->reply, "ERR expected a level local, quorum or linearizable");
    } else if (level == READ_LINEARIZABLE && c->engine->cluster->dcs[c->engine->self_dc].leaderless) {
        reply_error(c->reply, "ERR %s has no leader, and so no linearizable reads", c->engine->cluster->dcs[c->engine->self_dc].name);
    } else {
        s->read_level = (uint8_t)level;
        reply_ok(c->reply);
    }
}
