/* Clients that only read: what they see was written by the workloads that have the prefix. Of rows that no workload writes nothing is known. */
#include "load_parts.h"

#include <stdlib.h>

struct read_client {
    uint32_t key;
    bool hash; /* the last reply said that it is one */
};

static void remember(struct load_book *b) {}
static void forget(struct load_book *b) {}
static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct read_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void operation(struct load_client *c) {
    struct read_client *s = c->state;
    s->key = client_draw_key(c);
    client_word(c, s->hash || client_draw(c, 8) == 0 ? "HGETALL" : "GET");
    client_key(c, s->key);
    client_send(c);
    s->hash = false;
}

static void replies(struct load_client *c) {
    struct read_client *s = c->state;
    struct load *l = c->load;
    const redisReply *r = c->replies[0];
    bool known = false, told = false;
    char time[32];
    client_count_read(c, r);
    if (r && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "WRONGTYPE", 9) == 0) {
        c->in_vain = false;
        s->hash = true;
        return;
    }
    if (!r || r->type != REDIS_REPLY_STRING || load_policy(l) == POLICY_HANDLER) return;
    for (struct load_book *b = l->stage->books; b; b = b->next) {
        if (strcmp(b->prefix, l->options.prefix) != 0 || !b->ops->written) continue;
        known = true;
        told |= b->ops->written(b, s->key, reply_slice(r));
    }
    if (known && !told)
        load_violated(l, "%s:%u read as \"%.64s\" at %s, %s, which nobody wrote there", l->options.prefix, s->key, r->str, load_node_name(l, c->node),
                      load_time(c->returned_us, time));
}

static bool check(struct load *l, struct buf *why) { return true; }

const struct load_ops load_reads = {
    .remember = remember,
    .forget = forget,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
};
