/* Carts: each client reads the siblings and their context, joins them, adds an item, and puts the cart back from that context. A cart that was put
 * back at the same time elsewhere stays beside it as a sibling; so no item is ever lost, under any policy but a handler's own. */
#include "load_parts.h"

#include <stdlib.h>

#define KEYS_TOGETHER  32u
#define ITEMS_CART_MAX 400u

struct item {
    const char *load;
    uint32_t key, client, node;
    uint64_t invoked_us;
    enum load_outcome outcome;
    bool seen;
};

struct carts {
    struct item *list;
    uint32_t count, cap;
    uint32_t *items_of; /* by key: how many were ever put in */
    uint32_t keys_count;
};

static struct carts *carts_of(const struct load *l) { return l->book->memory; }
static void remember(struct load_book *b) { b->memory = xcalloc(1, sizeof(struct carts)); }

static void forget(struct load_book *b) {
    struct carts *s = b->memory;
    free(s->items_of);
    free(s->list);
    free(s);
}

static void join(struct load *l) {
    struct carts *s = carts_of(l);
    uint32_t keys = l->options.keys;
    if (keys <= s->keys_count) return;
    s->items_of = xrealloc(s->items_of, keys * sizeof *s->items_of);
    memset(s->items_of + s->keys_count, 0, (keys - s->keys_count) * sizeof *s->items_of);
    s->keys_count = keys;
}

/* ---- items as texts: `carts-3,carts-17` ---- */

static void text_of(const struct carts *s, uint32_t index, struct buf *out) { buf_printf(out, "%s-%u", s->list[index].load, index + 1); }

static bool find(const struct carts *s, uint32_t key, struct slice text, uint32_t *ret) {
    size_t from = text.n;
    uint64_t number = 0;
    while (from > 0 && text.p[from - 1] >= '0' && text.p[from - 1] <= '9') from--;
    for (size_t i = from; i < text.n && number <= s->count; i++) number = number * 10 + (uint64_t)(text.p[i] - '0');
    if (number == 0 || number > s->count) return false;
    uint32_t index = (uint32_t)number - 1;
    struct buf made = {0};
    text_of(s, index, &made);
    bool same = s->list[index].key == key && slice_equal(buf_slice_of(&made), text);
    buf_finish(&made);
    if (same) *ret = index;
    return same;
}

static void name(const struct load *l, uint32_t index, struct buf *out) {
    const struct item *m = &carts_of(l)->list[index];
    char time[32];
    buf_printf(out, "the item %s-%u of %s:%u, added by client %u at %s, %s", m->load, index + 1, l->options.prefix, m->key, m->client + 1,
               load_node_name(l, m->node), load_time(m->invoked_us, time));
}

static uint32_t add_item(struct load_client *c, uint32_t key) {
    struct load *l = c->load;
    struct carts *s = carts_of(l);
    if (s->count == s->cap) s->list = xrealloc(s->list, (s->cap = s->cap ? s->cap * 2 : 256) * sizeof *s->list);
    uint32_t index = s->count++;
    s->list[index] = (struct item){.load = l->name, .key = key, .client = c->number, .node = c->node, .invoked_us = l->stage->ops->now_us(l->stage)};
    s->items_of[key]++;
    return index;
}

/* Of a cart's text each item that is known; false: one is not, it is left in *ret_foreign. */
static bool each_item(struct load *l, uint32_t key, struct slice cart, bool *present, struct slice *ret_foreign) {
    struct carts *s = carts_of(l);
    for (size_t at = 0, end; at < cart.n; at = end + 1) {
        uint32_t index;
        for (end = at; end < cart.n && cart.p[end] != ',';) end++;
        *ret_foreign = SLICE(cart.p + at, end - at);
        if (!find(s, key, *ret_foreign, &index)) return false;
        s->list[index].seen = true;
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
    c->phase = client_draw(c, 4) == 0 || carts_of(c->load)->items_of[s->key] >= ITEMS_CART_MAX ? PHASE_READ : PHASE_SIBLINGS;
    client_word(c, c->phase == PHASE_READ ? "GET" : "TRUCE.SIBLINGS");
    client_key(c, s->key);
    client_send(c);
}

static bool look(struct load_client *c, struct slice cart, bool *present) {
    struct cart_client *s = c->state;
    struct load *l = c->load;
    struct slice foreign;
    char time[32];
    if (each_item(l, s->key, cart, present, &foreign)) return true;
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
    struct carts *carts = carts_of(c->load);
    s->index = add_item(c, s->key);
    bool *present = xcalloc(carts->count, sizeof *present);
    present[s->index] = true;
    for (size_t i = 0; i < siblings->elements; i++) {
        const redisReply *value = map_get(siblings->element[i], "value");
        if (reply_is_text(value) && strcmp(value->str, "(deleted)") != 0) look(c, reply_slice(value), present);
    }
    struct buf cart = {0};
    for (uint32_t i = 0; i < carts->count; i++) {
        if (!present[i]) continue;
        if (cart.n) buf_u8(&cart, ',');
        text_of(carts, i, &cart);
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
        carts_of(c->load)->list[s->index].outcome = o;
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

struct looking {
    struct load *load;
    uint32_t key;
    bool *present;
    bool journal_too;
    struct buf foreign;
};

static void on_explained(void *arg, struct slice value, bool live) {
    struct looking *k = arg;
    struct slice foreign;
    if (!live && !k->journal_too) return;
    if (!each_item(k->load, k->key, value, k->present, &foreign) && k->foreign.n == 0) buf_put(&k->foreign, foreign.p, foreign.n);
}

static bool key_holds(struct load *l, const struct rest_answer *a, struct buf *why) {
    struct carts *s = carts_of(l);
    struct looking k = {.load = l, .key = a->key, .journal_too = load_policy(l) == POLICY_HANDLER};
    k.present = xcalloc(s->count + 1, sizeof *k.present);
    bool holds = rest_explained(a, on_explained, &k);
    if (!holds)
        buf_printf(why, "%s does not explain %s:%u", load_node_name(l, a->node), l->options.prefix, a->key);
    else if (k.foreign.n && !k.journal_too) {
        buf_printf(why, "%s:%u holds \"%.*s\" at %s, which nobody put in", l->options.prefix, a->key, (int)(k.foreign.n < 64 ? k.foreign.n : 64),
                   (const char *)k.foreign.p, load_node_name(l, a->node));
        holds = false;
    }
    for (uint32_t i = 0; holds && !l->options.loses && i < s->count; i++) {
        if (s->list[i].key != a->key || s->list[i].outcome != WENT_OK || k.present[i]) continue;
        name(l, i, why);
        buf_printf(why, ", is in no sibling at %s", load_node_name(l, a->node));
        holds = false;
    }
    buf_finish(&k.foreign);
    free(k.present);
    return holds;
}

static bool check(struct load *l, struct buf *why) {
    struct carts *s = carts_of(l);
    struct rest r;
    bool holds = rest_begin(&r, l, why);
    for (uint32_t key = 0; holds && key < s->keys_count;) {
        for (uint32_t asked = 0; key < s->keys_count && asked < KEYS_TOGETHER; key++) {
            if (s->items_of[key] == 0) continue;
            rest_ask_all(&r, key, "TRUCE.EXPLAIN", "JSON");
            asked++;
        }
        holds = rest_wait(&r, why);
        for (uint32_t i = 0; holds && i < r.answers_count; i++) holds = key_holds(l, r.answers[i], why);
        rest_clear(&r);
    }
    rest_finish(&r);
    for (uint32_t i = 0; holds && i < s->count; i++) {
        if (s->list[i].outcome != WENT_FAILED || !s->list[i].seen) continue;
        name(l, i, why);
        buf_text(why, ", was refused, but it was read");
        holds = false;
    }
    return holds;
}

static bool written(struct load_book *b, uint32_t key, struct slice value) {
    struct load l = {.book = b};
    struct slice foreign;
    return key < ((struct carts *)b->memory)->keys_count && each_item(&l, key, value, NULL, &foreign);
}

const struct load_ops load_carts = {
    .remember = remember,
    .forget = forget,
    .join = join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
    .written = written,
};
