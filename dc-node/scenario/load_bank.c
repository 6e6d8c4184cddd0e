/* Transfers between accounts that begin with nothing: whatever happens, all accounts together hold nothing.
 *
 * That is so where rows merge: two transfers that did not know of each other add up. In a table of whole rows each of two concurrent transactions may
 * win some of its rows (DESIGN, section 6), and then only bounds are left to check. */
#include "load_tally.h"

#include <stdlib.h>

#define COLUMN "balance"

enum { PHASE_READ, PHASE_TRANSFER };
struct bank_client {
    uint32_t from, to;
    int64_t amount;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct bank_client)); }
static void client_end(struct load_client *c) { free(c->state); }
static bool adds_up(const struct load *l) { return load_policy(l) == POLICY_MERGE; }

static void add(struct load_client *c, uint32_t account, int64_t amount) {
    tally_ask(tally_of(c->load, account), amount);
    client_word(c, "HINCRBY");
    client_key(c, account);
    client_word(c, COLUMN);
    client_number(c, amount);
    client_send(c);
}

static void operation(struct load_client *c) {
    struct bank_client *s = c->state;
    uint32_t accounts = c->load->options.keys;
    c->phase = client_draw(c, 4) == 0 ? PHASE_READ : PHASE_TRANSFER;
    client_say(c, "MULTI", NULL);
    if (c->phase == PHASE_READ) {
        const struct tallies *t = c->load->book->memory;
        for (uint32_t i = 0; i < t->count; i++) {
            client_word(c, "HGET");
            client_key(c, i);
            client_word(c, COLUMN);
            client_send(c);
        }
    } else {
        s->from = client_draw_key(c);
        do s->to = client_draw_key(c);
        while (s->to == s->from && c->load->options.distribution == KEYS_SEQUENCE);
        if (s->to == s->from) s->to = (s->from + 1 + (uint32_t)client_draw(c, accounts - 1)) % accounts;
        s->amount = 1 + (int64_t)client_draw(c, 100);
        add(c, s->from, -s->amount);
        add(c, s->to, s->amount);
    }
    client_say(c, "EXEC", NULL);
}

/* ---- what replies tell ---- */

static void finish_transfer(struct load_client *c) {
    struct bank_client *s = c->state;
    const redisReply *exec = c->replies[c->replies_count - 1];
    enum load_outcome o = outcome_of(exec);
    if (o == WENT_OK && (exec->type != REDIS_REPLY_ARRAY || exec->elements != 2)) o = WENT_FAILED;
    uint32_t refused = 0;
    for (size_t i = 0; o == WENT_OK && i < exec->elements; i++) refused += exec->element[i]->type == REDIS_REPLY_ERROR;
    if (refused == 1) load_violated(c->load, "half a transfer was refused: %s", exec->element[exec->element[0]->type != REDIS_REPLY_ERROR]->str);
    if (refused) o = WENT_FAILED;
    tally_answer(tally_of(c->load, s->from), -s->amount, o);
    tally_answer(tally_of(c->load, s->to), s->amount, o);
    client_count(c, o);
}

/* The sum of what a transaction of reads gave; false: it gave none. */
static bool sum_of(const redisReply *exec, int64_t *ret) {
    *ret = 0;
    if (!exec || exec->type != REDIS_REPLY_ARRAY) return false;
    for (size_t i = 0; i < exec->elements; i++) {
        int64_t balance;
        if (!reply_number(exec->element[i], &balance)) return false;
        *ret += balance;
    }
    return true;
}

static void replies(struct load_client *c) {
    struct load *l = c->load;
    const redisReply *exec = c->replies[c->replies_count - 1];
    int64_t sum;
    char time[32];
    if (c->phase == PHASE_TRANSFER) {
        finish_transfer(c);
        return;
    }
    client_count_read(c, exec);
    if (!reply_says(c->replies[0], "OK") || !sum_of(exec, &sum) || sum == 0 || !adds_up(l)) return;
    load_violated(l, "a read at %s, %s, saw part of a transfer: all accounts together held %" PRId64 ", not 0", load_node_name(l, c->node),
                  load_time(c->returned_us, time), sum);
}

/* ---- at rest ---- */

static bool check(struct load *l, struct buf *why) {
    const struct tallies *t = l->book->memory;
    struct rest r;
    int64_t sums[NODES_MAX] = {0};
    bool holds = rest_begin(&r, l, why);
    for (uint32_t i = 0; holds && i < t->count; i++) rest_ask_all(&r, i, "HGET", COLUMN);
    holds = holds && rest_wait(&r, why);
    for (uint32_t i = 0; holds && i < r.answers_count; i++) {
        int64_t balance;
        holds = tally_row_holds(l, r.answers[i], "holds", &balance, why);
        if (holds) sums[r.answers[i]->node] += balance;
    }
    for (uint32_t i = 0; holds && adds_up(l) && i < NODES_MAX; i++) {
        if (!r.nodes[i] || sums[i] == 0) continue;
        buf_printf(why, "at %s all accounts together hold %" PRId64 ", not 0: part of a transfer is missing", load_node_name(l, i), sums[i]);
        holds = false;
    }
    rest_finish(&r);
    return holds;
}

const struct load_ops load_bank = {
    .remember = tallies_remember,
    .forget = tallies_forget,
    .join = tallies_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
};
