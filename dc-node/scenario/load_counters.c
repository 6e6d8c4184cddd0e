/* Counters: of even keys a number, of odd ones a column of a hash. */
#include "load_tally.h"

#include <stdlib.h>

#define COLUMN        "n"
#define KEYS_TOGETHER 128u

/* ---- tallies, of `bank` too ---- */

void tallies_remember(struct load_book *b) { b->memory = xcalloc(1, sizeof(struct tallies)); }

void tallies_forget(struct load_book *b) {
    struct tallies *t = b->memory;
    free(t->list);
    free(t);
}

void tallies_join(struct load *l) {
    struct tallies *t = l->book->memory;
    if (l->options.keys <= t->count) return;
    t->list = xrealloc(t->list, l->options.keys * sizeof *t->list);
    memset(t->list + t->count, 0, (l->options.keys - t->count) * sizeof *t->list);
    t->count = l->options.keys;
}

void tally_expected(const struct tally *t, bool exact, struct buf *out) {
    if (exact)
        buf_printf(out, "expected %" PRId64 " to %" PRId64 " (%" PRId64 " was answered; without an answer: +%" PRId64 ", %" PRId64 ")",
                   t->ok + t->less, t->ok + t->more, t->ok, t->more, t->less);
    else
        buf_printf(out, "expected %" PRId64 " to %" PRId64 ", which is all that was ever asked for", t->lowest, t->highest);
}

/* ---- clients ---- */

enum { PHASE_READ, PHASE_WRITE };
struct counter_client {
    uint32_t key;
    int64_t amount;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct counter_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void operation(struct load_client *c) {
    struct counter_client *s = c->state;
    s->key = client_draw_key(c);
    bool hash = s->key % 2;
    c->phase = client_draw(c, 5) == 0 ? PHASE_READ : PHASE_WRITE;
    if (c->phase == PHASE_READ) {
        client_word(c, hash ? "HGET" : "GET");
        client_key(c, s->key);
        if (hash) client_word(c, COLUMN);
        client_send(c);
        return;
    }
    s->amount = 1 + (int64_t)client_draw(c, 100);
    if (client_draw(c, 5) == 0) s->amount = -s->amount;
    tally_ask(tally_of(c->load, s->key), s->amount);
    client_word(c, hash ? "HINCRBY" : "INCRBY");
    client_key(c, s->key);
    if (hash) client_word(c, COLUMN);
    client_number(c, s->amount);
    client_send(c);
    if (!c->load->options.ack) return;
    client_word(c, "WAIT");
    client_number(c, c->load->options.ack);
    client_word(c, "1000");
    client_send(c);
}

/* Nobody ever sees more than all increments together. */
static void look(struct load_client *c, uint32_t key, const redisReply *r) {
    struct load *l = c->load;
    const struct tally *t = tally_of(l, key);
    int64_t value;
    if (!r || r->type == REDIS_REPLY_ERROR || load_policy(l) == POLICY_HANDLER) return;
    if (reply_number(r, &value) && tally_holds(t, false, value)) return;
    struct buf text = {0};
    char time[32];
    tally_expected(t, false, &text);
    load_violated(l, "%s:%u read as %" PRId64 " at %s, %s: %.*s", l->options.prefix, key, value, load_node_name(l, c->node),
                  load_time(c->returned_us, time), (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

static void replies(struct load_client *c) {
    struct counter_client *s = c->state;
    look(c, s->key, c->replies[0]);
    if (c->phase == PHASE_READ) {
        client_count_read(c, c->replies[0]);
        return;
    }
    enum load_outcome o = outcome_acked(c, 0, 1);
    tally_answer(tally_of(c->load, s->key), s->amount, o);
    client_count(c, o);
}

/* ---- at rest ---- */

static bool key_holds(struct load *l, const struct rest_answer *a, struct buf *why) {
    const struct tally *t = tally_of(l, a->key);
    bool exact = tallies_exact(l);
    int64_t value;
    if (!reply_number(a->reply, &value)) {
        buf_printf(why, "%s:%u is no number at %s", l->options.prefix, a->key, load_node_name(l, a->node));
        return false;
    }
    if (load_policy(l) == POLICY_HANDLER || tally_holds(t, exact, value)) return true;
    buf_printf(why, "%s:%u is %" PRId64 " at %s: ", l->options.prefix, a->key, value, load_node_name(l, a->node));
    tally_expected(t, exact, why);
    return false;
}

static bool check(struct load *l, struct buf *why) {
    const struct tallies *t = l->book->memory;
    struct rest r;
    bool holds = rest_begin(&r, l, why);
    for (uint32_t key = 0; holds && key < t->count;) {
        for (uint32_t asked = 0; key < t->count && asked < KEYS_TOGETHER; key++) {
            if (t->list[key].asked == 0) continue;
            rest_ask_all(&r, key, key % 2 ? "HGET" : "GET", key % 2 ? COLUMN : NULL);
            asked++;
        }
        holds = rest_wait(&r, why);
        for (uint32_t i = 0; holds && i < r.answers_count; i++) holds = key_holds(l, r.answers[i], why);
        rest_clear(&r);
    }
    rest_finish(&r);
    return holds;
}

static bool written(struct load_book *b, uint32_t key, struct slice value) {
    const struct tallies *t = b->memory;
    int64_t number = 0;
    char text[32] = "";
    char *end = text;
    if (key >= t->count || value.n >= sizeof text) return false;
    memcpy(text, value.p, value.n);
    number = strtoll(text, &end, 10);
    return end != text && *end == 0 && tally_holds(&t->list[key], false, number);
}

const struct load_ops load_counters = {
    .remember = tallies_remember,
    .forget = tallies_forget,
    .join = tallies_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
    .written = written,
};
