/* Sessions that carry a token from node to node (FAULTS I9), and what each may and may not read.
 *
 * A batch is TRUCE.WAIT with the session's token, some reads and writes, TRUCE.TOKEN; all on one connection. Where the wait held, the node had
 * applied everything that the token covers; the token afterwards covers what the batch has read and written. So much is then known, by tokens alone:
 *   - a write whose session had waited for what covers another comes after that one;
 *   - a write comes after the value that it says it has replaced, and after what its session had seen of the row;
 *   - a session that has a token covering a write must not read a value that comes before it, nor nothing (nobody deletes).
 * A value that is concurrent with it may well be read: then a conflict was settled. */
#include "load_values.h"

#include <stdlib.h>

#define OPERATIONS_MAX 3u   /* in one batch */
#define RECENT_VALUES  256u /* of a row, that a read is held against */
#define STEPS_BACK     64u  /* of what comes before what */
#define LATE_VALUES    32u  /* begun before the one that is shown, and maybe carried out after it */
#define WAIT_MS        "1000"
#define WAITS_IN_VAIN  3u  /* at one node: then another is tried */
#define WAITS_TOGETHER 20u /* then the session is given up, and another begins */

enum { PHASE_ARRIVE, PHASE_WORK };
struct session {
    struct vv token; /* what its nodes had applied when it was there */
    struct vv knows; /* that, and what the writers of what it has read knew: causality carries it along */
    uint32_t *seen;  /* by key: the last value that it has read or written + 1 */
    uint32_t batches, in_vain, in_vain_together;
    bool moving;
    uint32_t left; /* the node that it comes from */
    struct session_operation {
        uint32_t key, index;
        bool write;
    } operations[OPERATIONS_MAX];
    uint32_t count;
    uint32_t undo[OPERATIONS_MAX]; /* what it had seen before */
};

static void client_begin(struct load_client *c) {
    struct session *s = xcalloc(1, sizeof *s);
    s->seen = xcalloc(c->load->options.keys, sizeof *s->seen);
    c->state = s;
}

static void client_end(struct load_client *c) {
    struct session *s = c->state;
    vv_finish(&s->token);
    vv_finish(&s->knows);
    free(s->seen);
    free(s);
}

static void begin_anew(struct load_client *c) {
    struct session *s = c->state;
    vv_clear(&s->token);
    vv_clear(&s->knows);
    memset(s->seen, 0, c->load->options.keys * sizeof *s->seen);
    s->in_vain = s->in_vain_together = 0;
    s->moving = false;
}

/* ---- what a batch says ---- */

static void say_wait(struct load_client *c) {
    struct session *s = c->state;
    struct buf token = {0};
    vv_format(&s->knows, values_of(c->load)->origins, &token);
    buf_u8(&token, 0);
    client_say(c, "TRUCE.WAIT", (const char *)token.p, WAIT_MS, NULL);
    buf_finish(&token);
}

static void say_operation(struct load_client *c, struct session_operation *o) {
    struct buf text = {0};
    o->key = client_draw_key(c);
    o->write = client_draw(c, 2);
    client_word(c, o->write ? "SET" : "GET");
    client_key(c, o->key);
    if (o->write) {
        o->index = values_add(c, o->key, false, &text);
        client_word(c, (const char *)text.p);
        client_word(c, "GET");
    }
    client_send(c);
    buf_finish(&text);
}

static void say_work(struct load_client *c) {
    struct session *s = c->state;
    c->phase = PHASE_WORK;
    s->batches++;
    s->count = 1 + (uint32_t)client_draw(c, OPERATIONS_MAX);
    say_wait(c);
    for (uint32_t i = 0; i < s->count; i++) say_operation(c, &s->operations[i]);
    client_say(c, "TRUCE.TOKEN", NULL);
}

static void move(struct load_client *c) {
    struct session *s = c->state;
    const struct load *l = c->load;
    s->moving = true;
    s->in_vain = 0;
    client_move(c, l->nodes[client_draw(c, l->nodes_count)]);
}

static void operation(struct load_client *c) {
    struct session *s = c->state;
    if (s->batches >= c->load->options.moves) {
        s->batches = 0;
        move(c);
    }
    if (!s->moving) {
        say_work(c);
        return;
    }
    c->phase = PHASE_ARRIVE;
    say_wait(c);
}

/* ---- what comes before what ---- */

/* Is value x known to come before value w of the same row? */
static bool precedes(const struct values *v, uint32_t x, uint32_t w, uint32_t *steps) {
    while (*steps > 0) {
        (*steps)--;
        const struct value *from = &v->list[x], *to = &v->list[w];
        if ((to->tells && to->replaces == x + 1) || to->follows == x + 1) return true;
        if (to->guarded && from->has_after && vv_includes(&to->before, &from->after)) return true;
        if (to->follows && to->tells && to->replaces && to->follows != to->replaces && precedes(v, x, to->follows - 1, steps)) return true;
        uint32_t back = to->tells && to->replaces ? to->replaces : to->follows;
        if (back == 0) return false;
        w = back - 1;
    }
    return false;
}

struct reading {
    struct load_client *client;
    uint32_t key, shown; /* a value + 1; 0: nothing */
    bool by_write;       /* it is what a write has replaced */
};

static void name_value(const struct load *l, uint32_t value, struct buf *out) {
    if (value)
        values_name(l, value - 1, out);
    else
        buf_text(out, "nothing");
}

static const char *guarantee(const struct reading *r, uint32_t w, bool was_seen) {
    const struct load *l = r->client->load;
    const struct session *s = r->client->state;
    const struct value *known = &values_of(l)->list[w];
    if (r->by_write) return "writes follow reads";
    if (known->client == r->client->number && known->load == l->name) return "read your writes";
    return was_seen || vv_includes(&s->token, &known->after) ? "monotonic reads" : "writes follow reads";
}

/* It should have seen w. */
static void violated(const struct reading *r, uint32_t w, bool was_seen) {
    struct load *l = r->client->load;
    struct buf text = {0};
    char time[32];
    if (l->session_violations++ || l->violation.n) return;
    buf_printf(&text, "session %u %s %s:%u at %s, %s, and %s ", r->client->number + 1, r->by_write ? "wrote to" : "read", l->options.prefix, r->key,
               load_node_name(l, r->client->node), load_time(r->client->returned_us, time), r->by_write ? "replaced" : "saw");
    name_value(l, r->shown, &text);
    buf_printf(&text, "; but %s ", was_seen ? "it had already seen or written" : "what it knew covered");
    name_value(l, w + 1, &text);
    buf_printf(&text, ", which comes after: %s is broken", guarantee(r, w, was_seen));
    load_violated(l, "%.*s", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

static bool comes_before(const struct reading *r, uint32_t w) {
    uint32_t steps = STEPS_BACK;
    return r->shown == 0 || (r->shown != w + 1 && precedes(values_of(r->client->load), r->shown - 1, w, &steps));
}

static void check_reading(const struct reading *r) {
    const struct session *s = r->client->state;
    const struct values *v = values_of(r->client->load);
    const struct value_key *k = &v->keys[r->key];
    uint32_t seen = s->seen[r->key];
    if (r->client->load->options.loses) return;                 /* a leader may have lost what its follower has, and go on without it */
    if (load_policy(r->client->load) == POLICY_HANDLER) return; /* its answer may be written back, and make an old value a new one */
    if (seen && comes_before(r, seen - 1)) {
        violated(r, seen - 1, true);
        return;
    }
    uint32_t place = r->shown ? v->list[r->shown - 1].place : 0, least = place < LATE_VALUES ? 0 : place - LATE_VALUES;
    for (uint32_t i = k->count; i > least && k->count - i < RECENT_VALUES; i--) {
        uint32_t w = k->list[i - 1];
        const struct value *known = &v->list[w];
        if (!known->has_after || !vv_includes(&s->knows, &known->after) || !comes_before(r, w)) continue;
        violated(r, w, false);
        return;
    }
}

/* ---- what replies tell ---- */

/* Where a value is shown, everything is applied that its session knew when it wrote it. */
static void learn(struct session *s, const struct values *v, uint32_t shown) {
    if (shown && v->list[shown - 1].guarded) vv_join(&s->knows, &v->list[shown - 1].before);
}

static void finish_operation(struct load_client *c, uint32_t i, bool guarded) {
    struct session *s = c->state;
    struct values *v = values_of(c->load);
    const struct session_operation *o = &s->operations[i];
    const redisReply *r = c->replies[i + 1];
    struct reading reading = {c, o->key, 0, o->write};
    bool known;
    s->undo[i] = s->seen[o->key];
    if (o->write) {
        enum load_outcome went = outcome_of(r);
        values_replaced(c, o->index, r, went);
        client_count(c, went);
        known = v->list[o->index].tells;
        reading.shown = v->list[o->index].replaces;
    } else {
        known = values_read(c, o->key, r, &reading.shown);
        client_count_read(c, r);
    }
    if (!guarded || !known) return;
    check_reading(&reading);
    learn(s, v, reading.shown);
    if (!o->write) {
        if (reading.shown) s->seen[o->key] = reading.shown;
        return;
    }
    struct value *w = &v->list[o->index];
    w->guarded = true;
    vv_copy(&w->before, &s->knows);
    w->follows = s->seen[o->key];
    if (w->outcome == WENT_OK) s->seen[o->key] = o->index + 1;
}

/* Without its token a session goes on as if it had not seen the batch. */
static void forget_batch(struct load_client *c) {
    struct session *s = c->state;
    for (uint32_t i = s->count; i > 0; i--) s->seen[s->operations[i - 1].key] = s->undo[i - 1];
}

static void finish_work(struct load_client *c) {
    struct session *s = c->state;
    struct values *v = values_of(c->load);
    const redisReply *wait = c->replies[0], *token = c->replies[c->replies_count - 1];
    bool guarded = wait && wait->type == REDIS_REPLY_INTEGER && wait->integer == 1;
    struct vv after = {0};
    for (uint32_t i = 0; i < s->count; i++) finish_operation(c, i, guarded);
    if (!guarded) s->moving = true; /* it waits before it goes on */
    if (!reply_is_text(token) || !vv_parse(reply_slice(token), v->origins, &after)) {
        forget_batch(c);
        return;
    }
    vv_join(&s->token, &after);
    vv_join(&s->knows, &after);
    for (uint32_t i = 0; i < s->count; i++) {
        struct value *w = s->operations[i].write ? &v->list[s->operations[i].index] : NULL;
        if (!w || w->outcome != WENT_OK) continue;
        w->has_after = true;
        vv_copy(&w->after, &after);
    }
    vv_finish(&after);
}

static void finish_arrival(struct load_client *c) {
    struct session *s = c->state;
    const redisReply *r = c->replies[0];
    if (r && r->type == REDIS_REPLY_INTEGER && r->integer == 1) {
        s->moving = false;
        s->in_vain = s->in_vain_together = 0;
        return;
    }
    if (++s->in_vain_together >= WAITS_TOGETHER) begin_anew(c);
    if (++s->in_vain >= WAITS_IN_VAIN) move(c);
}

static void replies(struct load_client *c) {
    if (c->phase == PHASE_ARRIVE)
        finish_arrival(c);
    else
        finish_work(c);
}

const struct load_ops load_sessions = {
    .remember = values_remember,
    .forget = values_forget,
    .join = values_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = values_check,
    .written = values_written,
};
