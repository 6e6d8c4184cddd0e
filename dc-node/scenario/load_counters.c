/* Counters: of even keys a number, of odd ones a column of a hash. */
#include "load_tally.h"

#include <stdlib.h>

#define COLUMN        "n"
#define KEYS_TOGETHER 128u

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
    client_wait_acked(c);
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

static bool ask_counter(struct rest *r, uint32_t key) {
    if (tally_of(r->load, key)->asked == 0) return false;
    rest_ask_all(r, key, key % 2 ? "HGET" : "GET", key % 2 ? COLUMN : NULL);
    return true;
}

static bool counter_holds(struct load *l, const struct rest_answer *a, void *arg, struct buf *why) {
    int64_t value;
    return tally_row_holds(l, a, "is", &value, why);
}

static bool check(struct load *l, struct buf *why) {
    return rest_each(l, ((struct tallies *)l->book->memory)->count, KEYS_TOGETHER, ask_counter, counter_holds, NULL, why);
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
