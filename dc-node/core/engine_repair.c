/* TRUCE.REPAIR: a row that differs between nodes becomes, where it is wrong, what it is on the healthy ones; dots, stamps and blocks are kept.
 *
 *   1. All nodes begin to watch the row, and tell their VVs.
 *   2. All are asked for its state until their VVs include all those. Healthy are the nodes that most agree with, or the one that was named.
 *   3. The join of the healthy states goes to the others, with its VV. A node puts it in the place of its row when its own VV includes that one and
 *      no event has changed the row since it was watched.
 * So no event of this row is in one VV and not in the other, and the row is never ahead of its VV, nor behind it. Where an event came between, all is
 * begun anew; a difference that was only on its way is gone then. Afterwards a node makes its digest anew from its rows. */
#include "asking.h"
#include <stdio.h>

#define REPAIR_PERIOD_US   100000u
#define REPAIR_PATIENCE_US 10000000u
#define UNDECIDED_MAX      10u /* so often there may be no majority: events may be on their way */

struct repair {
    struct rows_job base;
    bool nodes[NODES_MAX], healthy[NODES_MAX], repaired[NODES_MAX];
    struct buf key;
    int from; /* the healthy node; -1: the majority */
    struct question *watched, *states, *replace;
    struct vv reached, vv; /* what the watching nodes had; what the joined state holds at */
    struct buf state;      /* joined */
    uint64_t next_us, deadline_us;
    uint32_t undecided;
    char why[160]; /* what was in the way last */
};

static struct repair *of(struct rows_job *j) { return (struct repair *)j; }

static void start_anew(struct repair *p) {
    question_destroy(p->watched);
    question_destroy(p->states);
    question_destroy(p->replace);
    p->watched = p->states = p->replace = NULL;
    vv_clear(&p->reached);
    vv_clear(&p->vv);
    p->next_us = p->base.e->now.mono_us + REPAIR_PERIOD_US;
}

static void finish(struct rows_job *base) {
    struct repair *p = of(base);
    start_anew(p);
    vv_finish(&p->reached);
    vv_finish(&p->vv);
    buf_finish(&p->key);
    buf_finish(&p->state);
    free(p);
}

/* ---- the three questions ---- */

static struct question *ask(struct repair *p, enum row_ask what, const bool *nodes) {
    struct question *q = question_create(p->base.e, what);
    question_add(q, buf_slice_of(&p->key));
    question_ask(q, nodes);
    return q;
}

/* All have told, or are too late. */
static bool told_all(const struct repair *p, struct question *q) {
    return question_answered(q) || p->base.e->now.mono_us - q->asked_us > ASK_SILENT_US;
}

/* Who does not tell its row is left as it is. */
static void leave_out_silent(struct repair *p, struct question *q) {
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        if (!q->told[i].asked || told_well(&q->told[i])) continue;
        p->nodes[i] = false;
        question_give_up(q, i);
    }
}

static uint32_t told_count(const struct question *q) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->nodes_count; i++) n += told_well(&q->told[i]);
    return n;
}

/* All VVs include those of the nodes that watch. */
static bool reach_all(const struct repair *p) {
    for (uint32_t i = 0; i < p->states->nodes_count; i++)
        if (told_well(&p->states->told[i]) && !vv_includes(&p->states->told[i].vv, &p->reached)) return false;
    return true;
}

/* The healthy states together, and the VV at which they hold. */
static bool join_healthy(struct repair *p) {
    struct engine *e = p->base.e;
    struct row sum = {0}, part = {0}, joined = {0};
    bool good = true;
    vv_clear(&p->vv);
    for (uint32_t i = 0; i < p->states->nodes_count && good; i++) {
        const struct told *t = &p->states->told[i];
        if (!p->healthy[i]) continue;
        good = tell_decode(e, told_arg(t, 0), &part);
        if (!good) break;
        row_join(&sum, &p->vv, &part, &t->vv, &joined, e->origins);
        vv_join(&p->vv, &t->vv);
        struct row swap = sum;
        sum = joined;
        joined = swap;
    }
    buf_clear(&p->state);
    if (good && sum.cells_count) row_encode(&sum, e->origins, &p->state);
    row_finish(&sum);
    row_finish(&part);
    row_finish(&joined);
    return good;
}

/* ---- answers ---- */

static bool refuse(struct session_entry *se, const char *why) {
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    reply_error(&reply, "ERR %s", why);
    return true;
}

static bool succeed(struct session_entry *se, const struct repair *p) {
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODES_MAX; i++) count += p->repaired[i];
    reply_array(&reply, count);
    for (uint32_t i = 0; i < NODES_MAX; i++)
        if (p->repaired[i]) reply_text(&reply, p->base.e->cluster->nodes[i].name);
    return true;
}

/* ---- steps ---- */

static bool take_watched(struct session_entry *se, struct repair *p) {
    leave_out_silent(p, p->watched);
    if (told_count(p->watched) < 2) return refuse(se, "no other node answers: there is nothing to repair the row from");
    for (uint32_t i = 0; i < p->watched->nodes_count; i++)
        if (told_well(&p->watched->told[i])) vv_join(&p->reached, &p->watched->told[i].vv);
    p->states = ask(p, ROW_ASK_STATES, p->nodes);
    return false;
}

/* Who is healthy; 0: all say the same. */
static uint32_t find_healthy(struct repair *p, bool *ret_known) {
    struct engine *e = p->base.e;
    struct slice key = buf_slice_of(&p->key);
    uint64_t right = 0;
    uint32_t others = 0;
    bool named = p->from >= 0 && told_well(&p->states->told[p->from]);
    *ret_known = named || (p->from < 0 && differ_majority(e, key, p->states, &right));
    if (named) right = differ_term(e, key, &p->states->told[p->from]);
    for (uint32_t i = 0; i < p->states->nodes_count; i++) {
        const struct told *t = &p->states->told[i];
        p->healthy[i] = told_well(t) && differ_term(e, key, t) == right;
        others += told_well(t) && !p->healthy[i];
    }
    return others;
}

static bool take_states(struct session_entry *se, struct repair *p) {
    bool known, ill[NODES_MAX] = {0};
    leave_out_silent(p, p->states);
    if (!reach_all(p)) {
        snprintf(p->why, sizeof p->why, "the nodes have not applied what the others had");
        question_ask(p->states, p->nodes); /* later: next_us */
        p->next_us = p->base.e->now.mono_us + REPAIR_PERIOD_US;
        return false;
    }
    uint32_t others = find_healthy(p, &known);
    if (p->from >= 0 && !known) return refuse(se, "the node to repair from does not tell its row");
    if (!known && ++p->undecided == UNDECIDED_MAX)
        return refuse(se, "no state of the row is that of most nodes: name the node that has the right one, with FROM");
    if (!known) {
        start_anew(p);
        return false;
    }
    if (!others) return succeed(se, p);
    if (!join_healthy(p)) return refuse(se, "a state of the row that a node told is damaged");
    for (uint32_t i = 0; i < p->states->nodes_count; i++) ill[i] = told_well(&p->states->told[i]) && !p->healthy[i];
    p->replace = question_create(p->base.e, ROW_ASK_REPLACE);
    question_add(p->replace, buf_slice_of(&p->key));
    question_add(p->replace, buf_slice_of(&p->state));
    p->replace->from = p->watched->id;
    vv_copy(&p->replace->vv, &p->vv);
    question_ask(p->replace, ill);
    return false;
}

static bool take_replaced(struct session_entry *se, struct repair *p) {
    bool behind = false, changed = false, ill[NODES_MAX] = {0};
    for (uint32_t i = 0; i < p->replace->nodes_count; i++) {
        const struct told *t = &p->replace->told[i];
        if (!t->came) continue;
        p->repaired[i] |= t->outcome == ROW_DONE;
        ill[i] = t->outcome == ROW_BEHIND;
        behind |= ill[i];
        changed |= t->outcome == ROW_CHANGED;
    }
    if (changed) {
        snprintf(p->why, sizeof p->why, "the row is being written");
        start_anew(p);
    } else if (behind) {
        snprintf(p->why, sizeof p->why, "a damaged row's node has not applied what the others had");
        question_ask(p->replace, ill);
        p->next_us = p->base.e->now.mono_us + REPAIR_PERIOD_US;
    } else {
        return succeed(se, p);
    }
    return false;
}

static bool step(struct session_entry *se) {
    struct repair *p = of(se->rows_job);
    uint64_t now = p->base.e->now.mono_us;
    if (now >= p->deadline_us) {
        struct buf why = {0};
        buf_printf(&why, "the row was not repaired: %s; try again", p->why);
        buf_u8(&why, 0);
        refuse(se, (const char *)why.p);
        buf_finish(&why);
        return true;
    }
    p->base.wake_us = p->next_us;
    if (now < p->next_us) return false;
    p->base.wake_us = now + REPAIR_PERIOD_US;
    if (!p->watched) p->watched = ask(p, ROW_ASK_WATCHED, p->nodes);
    if (!p->states) return told_all(p, p->watched) && take_watched(se, p);
    if (!p->replace) return told_all(p, p->states) && take_states(se, p);
    return told_all(p, p->replace) && take_replaced(se, p);
}

/* TRUCE.REPAIR key [FROM node] */
void engine_repair(struct call *c) {
    struct engine *e = c->engine;
    int from = -1;
    if (c->argc != 2 && (c->argc != 4 || !slice_is(c->argv[2], "from"))) {
        reply_syntax(c);
        return;
    }
    if (c->argc == 4 && (from = cluster_find(e->cluster, c->argv[3])) < 0) {
        reply_error(c->reply, "ERR there is no node %.*s", (int)(c->argv[3].n < 80 ? c->argv[3].n : 80), (const char *)c->argv[3].p);
        return;
    }
    struct repair *p = xcalloc(1, sizeof *p);
    p->base.e = e;
    p->base.step = step;
    p->base.finish = finish;
    p->from = from;
    p->deadline_us = e->now.mono_us + REPAIR_PATIENCE_US;
    snprintf(p->why, sizeof p->why, "the nodes did not answer");
    buf_put(&p->key, c->argv[1].p, c->argv[1].n);
    nodes_to_ask(e, DCS_MAX, p->nodes);
    rows_job_begin(e, (struct session_entry *)c->session, &p->base);
}

/* ---- the digest of this node ---- */

static void finish_recount(struct rows_job *j) { free(j); }

static bool step_recount(struct session_entry *se) {
    struct engine *e = se->rows_job->e;
    const struct recount *r = &e->recount;
    se->rows_job->wake_us = e->now.mono_us;
    if (r->active) return false;
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    struct buf was = {0}, is = {0};
    buf_printf(&was, "%016llx", (unsigned long long)r->was);
    buf_printf(&is, "%016llx", (unsigned long long)r->digest);
    reply_map(&reply, 4);
    reply_text(&reply, "was");
    reply_bulk(&reply, buf_slice_of(&was));
    reply_text(&reply, "digest");
    reply_bulk(&reply, buf_slice_of(&is));
    reply_text(&reply, "rows_were");
    reply_integer(&reply, (int64_t)r->live_was);
    reply_text(&reply, "rows");
    reply_integer(&reply, (int64_t)r->live);
    buf_finish(&was);
    buf_finish(&is);
    return true;
}

void repair_digest(struct call *c) {
    struct rows_job *j = xcalloc(1, sizeof *j);
    j->e = c->engine;
    j->step = step_recount;
    j->finish = finish_recount;
    recount_begin(c->engine);
    rows_job_begin(c->engine, (struct session_entry *)c->session, j);
}
