/* A ring of nodes, each row holding the number of the next (after FoundationDB's Cycle workload). Clients exchange the successors of three of them in
 * one transaction under WATCH, so that it stays one ring.
 *
 * Transactions of two datacenters that do not know of each other may each win some of their rows (DESIGN, section 6), and would tear it. So clients
 * of one datacenter write, those of the others only read: what they see is whole transactions, and so one ring. */
#include "load_parts.h"

#include <stdlib.h>

struct ring {
    uint32_t count, home; /* nodes; the datacenter that writes */
    bool made;            /* somebody was answered that it is there */
    uint64_t term;        /* of the home datacenter then */
};

static struct ring *ring_of(const struct load *l) { return l->book->memory; }
static void remember(struct load_book *b) { b->memory = xcalloc(1, sizeof(struct ring)); }
static void forget(struct load_book *b) { free(b->memory); }

static void join(struct load *l) {
    struct ring *r = ring_of(l);
    if (r->count) return;
    r->count = l->options.keys;
    r->home = l->stage->scenario->cluster->nodes[l->nodes[0]].dc;
}

static uint64_t home_term(const struct load *l) {
    const struct cluster *c = l->stage->scenario->cluster;
    uint64_t term = 0;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct stage_view v = {0};
        if (c->nodes[i].dc != ring_of(l)->home) continue;
        l->stage->ops->look(l->stage, i, &v);
        if (v.term > term) term = v.term;
    }
    return term;
}

/* A deposed leader's last transactions come back as concurrent ones: then it may be torn, and that is no fault. The same where what was answered may
 * be lost. */
static bool promised(const struct load *l) { return !l->options.loses && (!ring_of(l)->made || home_term(l) == ring_of(l)->term); }

/* ---- looking at it ---- */

enum ring_state { RING_WHOLE, RING_ABSENT, RING_TORN };

/* *ret_next, of count, is owned by the caller where it is whole. */
static enum ring_state ring_read(const struct ring *ring, const redisReply *r, uint32_t **ret_next) {
    uint32_t nil = 0, n = ring->count, at = 0;
    if (!r || r->type != REDIS_REPLY_ARRAY || r->elements != n) return RING_TORN;
    for (uint32_t i = 0; i < n; i++) nil += r->element[i]->type == REDIS_REPLY_NIL;
    if (nil) return nil == n ? RING_ABSENT : RING_TORN;
    uint32_t *next = xmalloc(n * sizeof *next), steps = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t number;
        next[i] = reply_number(r->element[i], &number) && number >= 0 && number < n ? (uint32_t)number : n;
    }
    do at = next[at];
    while (at != 0 && at < n && ++steps < n);
    if (ret_next)
        *ret_next = next;
    else
        free(next);
    if (at == 0 && steps == n - 1) return RING_WHOLE;
    if (ret_next) free(next);
    return RING_TORN;
}

static void show(const redisReply *r, struct buf *out) {
    for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i < r->elements && i < 32; i++)
        buf_printf(out, "%s%s", i ? " " : "", r->element[i]->str ? r->element[i]->str : "-");
}

static void torn(struct load_client *c, const redisReply *r) {
    struct load *l = c->load;
    struct buf text = {0};
    char time[32];
    show(r, &text);
    if (promised(l))
        load_violated(l, "at %s, %s, it was no ring: the successors were %.*s", load_node_name(l, c->node), load_time(c->returned_us, time),
                      (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

/* ---- clients ---- */

enum { PHASE_READ, PHASE_PREPARE, PHASE_EXEC, PHASE_DISCARD };
struct ring_client {
    bool making;
    uint32_t nodes[3];
    int64_t nexts[3]; /* as they were */
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct ring_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void say_all(struct load_client *c, const char *command) {
    client_word(c, command);
    for (uint32_t i = 0; i < ring_of(c->load)->count; i++) client_key(c, i);
    client_send(c);
}

static void operation(struct load_client *c) {
    c->phase = PHASE_READ;
    say_all(c, "MGET");
}

/* Everything up to EXEC goes in one batch, with another look under WATCH: should the connection be lost before EXEC, then EXEC stands alone, and does
 * nothing. */
static void prepare_making(struct load_client *c) {
    uint32_t n = ring_of(c->load)->count;
    ((struct ring_client *)c->state)->making = true;
    c->phase = PHASE_PREPARE;
    say_all(c, "WATCH");
    say_all(c, "MGET");
    client_say(c, "MULTI", NULL);
    client_word(c, "MSET");
    for (uint32_t i = 0; i < n; i++) {
        client_key(c, i);
        client_number(c, (i + 1) % n);
    }
    client_send(c);
}

static void say_three(struct load_client *c, const char *command) {
    const struct ring_client *s = c->state;
    client_word(c, command);
    for (int i = 0; i < 3; i++) client_key(c, s->nodes[i]);
    client_send(c);
}

/* a -> b -> c -> d becomes a -> c -> b -> d. */
static void prepare_exchange(struct load_client *c, const uint32_t *next) {
    struct ring_client *s = c->state;
    s->making = false;
    s->nodes[0] = client_draw_key(c) % ring_of(c->load)->count;
    for (int i = 0; i < 3; i++) {
        s->nexts[i] = next[s->nodes[i]];
        if (i < 2) s->nodes[i + 1] = next[s->nodes[i]];
    }
    c->phase = PHASE_PREPARE;
    say_three(c, "WATCH");
    say_three(c, "MGET");
    client_say(c, "MULTI", NULL);
    const int64_t becomes[3] = {s->nexts[1], s->nexts[2], s->nexts[0]};
    for (int i = 0; i < 3; i++) {
        client_word(c, "SET");
        client_key(c, s->nodes[i]);
        client_number(c, becomes[i]);
        client_send(c);
    }
}

static void finish_read(struct load_client *c) {
    struct load *l = c->load;
    struct ring *ring = ring_of(l);
    uint32_t *next = NULL;
    bool home = l->stage->scenario->cluster->nodes[c->node].dc == ring->home;
    client_count_read(c, c->replies[0]);
    if (!c->replies[0] || c->replies[0]->type == REDIS_REPLY_ERROR) return;
    switch (ring_read(ring, c->replies[0], &next)) {
    case RING_TORN: torn(c, c->replies[0]); break;
    case RING_ABSENT:
        if (home && !ring->made) prepare_making(c);
        break;
    case RING_WHOLE:
        if (home && prng_chance(&c->prng, 3, 4)) prepare_exchange(c, next);
        free(next);
    }
}

static bool prepared(const struct load_client *c) {
    const struct ring_client *s = c->state;
    uint32_t n = c->replies_count;
    const redisReply *r = c->replies[1];
    if (!reply_says(c->replies[0], "OK") || !reply_says(c->replies[2], "OK") || !r || r->type != REDIS_REPLY_ARRAY) return false;
    for (uint32_t i = 3; i < n; i++)
        if (!reply_says(c->replies[i], "QUEUED")) return false;
    for (size_t i = 0; i < r->elements; i++) {
        int64_t number;
        if (s->making ? r->element[i]->type != REDIS_REPLY_NIL : !reply_number(r->element[i], &number) || number != s->nexts[i]) return false;
    }
    return true;
}

static void replies(struct load_client *c) {
    struct load *l = c->load;
    if (c->phase == PHASE_READ) {
        finish_read(c);
    } else if (c->phase == PHASE_PREPARE) {
        c->phase = prepared(c) ? PHASE_EXEC : PHASE_DISCARD;
        client_say(c, c->phase == PHASE_EXEC ? "EXEC" : "DISCARD", NULL);
    } else {
        enum load_outcome o = c->phase == PHASE_DISCARD ? WENT_FAILED : outcome_of(c->replies[0]);
        if (o == WENT_OK && c->replies[0]->type != REDIS_REPLY_ARRAY) o = WENT_FAILED; /* nil: something that was watched has changed */
        if (o == WENT_OK && !ring_of(l)->made) {
            ring_of(l)->made = true;
            ring_of(l)->term = home_term(l);
        }
        client_count(c, o);
    }
}

/* ---- at rest ---- */

static bool check(struct load *l, struct buf *why) {
    const struct ring *ring = ring_of(l);
    struct rest r;
    struct buf words = {0};
    bool holds = rest_begin(&r, l, why);
    buf_put(&words, "MGET", 5);
    for (uint32_t i = 0; i < ring->count; i++) {
        buf_printf(&words, "%s:%u", l->options.prefix, i);
        buf_u8(&words, 0);
    }
    for (uint32_t i = 0; holds && i < l->stage->scenario->cluster->nodes_count; i++)
        if (r.nodes[i]) rest_ask_words(&r, i, 0, &words);
    holds = holds && rest_wait(&r, why);
    for (uint32_t i = 0; holds && promised(l) && i < r.answers_count; i++) {
        enum ring_state state = ring_read(ring, r.answers[i]->reply, NULL);
        if (state == RING_WHOLE || (state == RING_ABSENT && !ring->made)) continue;
        buf_printf(why, "it is no ring at %s: the successors are ", load_node_name(l, r.answers[i]->node));
        show(r.answers[i]->reply, why);
        holds = false;
    }
    buf_finish(&words);
    rest_finish(&r);
    return holds;
}

const struct load_ops load_ring = {
    .remember = remember,
    .forget = forget,
    .join = join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
};
