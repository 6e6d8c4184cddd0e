/* Carts: each client reads the siblings and their context, joins them, adds an item, and puts the cart back from that context. A cart that was put
 * back at the same time elsewhere stays beside it as a sibling; so no item is ever lost, under any policy but a handler's own. */
#include "load_values.h"

#include <stdlib.h>

#define ITEMS_CART_MAX 400u

/* Of a cart's text, `carts-3,carts-17`, each item that is known; false: one is not, it is left in *ret_foreign. */
static bool each_item(struct values *v, uint32_t key, struct slice cart, bool *present, struct slice *ret_foreign) {
    for (size_t at = 0, end; at < cart.n; at = end + 1) {
        uint32_t index;
        for (end = at; end < cart.n && cart.p[end] != ',';) end++;
        *ret_foreign = SLICE(cart.p + at, end - at);
        if (!values_find(v, key, *ret_foreign, &index)) return false;
        v->list[index].seen = true;
        if (present) present[index] = true;
    }
    return true;
}

/* ---- clients ---- */

enum { PHASE_READ, PHASE_SIBLINGS, PHASE_PUT };
struct cart_client {
    uint32_t key, index;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct cart_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void operation(struct load_client *c) {
    struct cart_client *s = c->state;
    s->key = client_draw_key(c);
    c->phase = client_draw(c, 4) == 0 || values_of(c->load)->keys[s->key].count >= ITEMS_CART_MAX ? PHASE_READ : PHASE_SIBLINGS;
    client_word(c, c->phase == PHASE_READ ? "GET" : "TRUCE.SIBLINGS");
    client_key(c, s->key);
    client_send(c);
}

static bool look(struct load_client *c, struct slice cart, bool *present) {
    struct cart_client *s = c->state;
    struct load *l = c->load;
    struct slice foreign;
    char time[32];
    if (each_item(values_of(l), s->key, cart, present, &foreign)) return true;
    if (load_policy(l) != POLICY_HANDLER)
        load_violated(l, "%s:%u had \"%.*s\" at %s, %s, which nobody put in", l->options.prefix, s->key, (int)(foreign.n < 64 ? foreign.n : 64),
                      (const char *)foreign.p, load_node_name(l, c->node), load_time(c->returned_us, time));
    return false;
}

/* What a map in a reply of version 2 has under a name; NULL: nothing. */
static const redisReply *map_get(const redisReply *map, const char *key) {
    if (!map || map->type != REDIS_REPLY_ARRAY) return NULL;
    for (size_t i = 0; i + 1 < map->elements; i += 2)
        if (reply_is_text(map->element[i]) && strcmp(map->element[i]->str, key) == 0) return map->element[i + 1];
    return NULL;
}

/* All items of all siblings, and one more. */
static void put_back(struct load_client *c, const char *context, const redisReply *siblings) {
    struct cart_client *s = c->state;
    const struct values *v = values_of(c->load);
    s->index = values_add(c, s->key, false, NULL);
    const struct value_key *k = &v->keys[s->key];
    bool *present = xcalloc(v->count, sizeof *present);
    present[s->index] = true;
    for (size_t i = 0; i < siblings->elements; i++) {
        const redisReply *value = map_get(siblings->element[i], "value");
        if (reply_is_text(value) && strcmp(value->str, "(deleted)") != 0) look(c, reply_slice(value), present);
    }
    struct buf cart = {0};
    for (uint32_t i = 0; i < k->count; i++) {
        if (!present[k->list[i]]) continue;
        if (cart.n) buf_u8(&cart, ',');
        values_text(v, k->list[i], &cart);
    }
    buf_u8(&cart, 0);
    client_word(c, "TRUCE.WITH");
    client_word(c, context);
    client_word(c, "SET");
    client_key(c, s->key);
    client_word(c, (const char *)cart.p);
    client_send(c);
    buf_finish(&cart);
    free(present);
}

static void replies(struct load_client *c) {
    struct cart_client *s = c->state;
    const redisReply *r = c->replies[0];
    if (c->phase == PHASE_PUT) {
        enum load_outcome o = outcome_of(r);
        values_of(c->load)->list[s->index].outcome = o;
        client_count(c, o);
        return;
    }
    client_count_read(c, r);
    if (c->phase == PHASE_READ) {
        if (reply_is_text(r)) look(c, reply_slice(r), NULL);
        return;
    }
    const redisReply *context = map_get(r, "context"), *siblings = map_get(r, "siblings");
    if (!reply_is_text(context) || !siblings || siblings->type != REDIS_REPLY_ARRAY) return;
    c->phase = PHASE_PUT;
    put_back(c, context->str, siblings);
}

/* ---- at rest ---- */

static void on_explained(void *arg, struct slice value, bool live) {
    struct looking *k = arg;
    struct slice foreign;
    if (!live && load_policy(k->load) != POLICY_HANDLER) return;
    if (!each_item(values_of(k->load), k->key, value, k->present, &foreign)) looking_foreign(k, foreign);
}

static bool key_holds(struct load *l, const struct rest_answer *a, void *arg, struct buf *why) {
    const struct values *v = values_of(l);
    const struct value_key *of = &v->keys[a->key];
    struct looking k = looking_begin(l, a, arg);
    bool holds = looking_explained(&k, a, on_explained, "put in", why);
    for (uint32_t i = 0; holds && !l->options.loses && i < of->count; i++) {
        uint32_t index = of->list[i];
        if (v->list[index].outcome != WENT_OK || k.present[index]) continue;
        values_name(l, index, why);
        buf_printf(why, ", is in no sibling at %s", load_node_name(l, a->node));
        holds = false;
    }
    buf_finish(&k.foreign);
    return holds;
}

static bool check(struct load *l, struct buf *why) {
    return values_each_row(l, values_ask_explained, key_holds, why) && values_none_refused_seen(l, why);
}

static bool written(struct load_book *b, uint32_t key, struct slice value) {
    struct values *v = b->memory;
    struct slice foreign;
    return key < v->keys_count && each_item(v, key, value, NULL, &foreign);
}

const struct load_ops load_carts = {
    .remember = values_remember,
    .forget = values_forget,
    .join = values_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
    .written = written,
};
