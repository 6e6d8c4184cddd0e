#include "load_values.h"

#include <stdlib.h>

#define KEYS_TOGETHER 32u /* that are asked for at one time */

void values_remember(struct load_book *b) {
    struct values *v = xcalloc(1, sizeof *v);
    v->origins = origins_create();
    b->memory = v;
}

void values_forget(struct load_book *b) {
    struct values *v = b->memory;
    for (uint32_t i = 0; i < v->count; i++) {
        vv_finish(&v->list[i].before);
        vv_finish(&v->list[i].after);
    }
    for (uint32_t i = 0; i < v->keys_count; i++) free(v->keys[i].list);
    origins_destroy(v->origins);
    free(v->keys);
    free(v->list);
    free(v);
}

void values_join(struct load *l) {
    struct values *v = values_of(l);
    uint32_t keys = l->options.keys;
    if (keys <= v->keys_count) return;
    v->keys = xrealloc(v->keys, keys * sizeof *v->keys);
    memset(v->keys + v->keys_count, 0, (keys - v->keys_count) * sizeof *v->keys);
    v->keys_count = keys;
}

/* ---- texts ---- */

void values_text(const struct values *v, uint32_t index, struct buf *out) {
    const struct value *w = &v->list[index];
    size_t from = out->n;
    buf_printf(out, "%s-%u", w->load, index + 1);
    while (out->n - from < w->bytes) buf_u8(out, '.');
}

uint32_t values_add(struct load_client *c, uint32_t key, bool removes, struct buf *ret_text) {
    struct load *l = c->load;
    struct values *v = values_of(l);
    if (v->count == v->cap) v->list = xrealloc(v->list, (v->cap = v->cap ? v->cap * 2 : 256) * sizeof *v->list);
    uint32_t index = v->count++;
    v->list[index] = (struct value){.load = l->name,
                                    .key = key,
                                    .client = c->number,
                                    .node = c->node,
                                    .bytes = l->options.bytes,
                                    .invoked_us = l->stage->ops->now_us(l->stage),
                                    .removes = removes};
    struct value_key *k = &v->keys[key];
    if (k->count == k->cap) k->list = xrealloc(k->list, (k->cap = k->cap ? k->cap * 2 : 16) * sizeof *k->list);
    v->list[index].place = k->count;
    k->list[k->count++] = index;
    if (ret_text) {
        values_text(v, index, ret_text);
        buf_u8(ret_text, 0);
    }
    return index;
}

bool values_find(const struct values *v, uint32_t key, struct slice text, uint32_t *ret) {
    size_t end = text.n, from;
    while (end > 0 && text.p[end - 1] == '.') end--;
    for (from = end; from > 0 && text.p[from - 1] >= '0' && text.p[from - 1] <= '9';) from--;
    uint64_t number = 0;
    for (size_t i = from; i < end && number <= v->count; i++) number = number * 10 + (uint64_t)(text.p[i] - '0');
    if (number == 0 || number > v->count) return false;
    uint32_t index = (uint32_t)number - 1;
    struct buf made = {0};
    values_text(v, index, &made);
    bool same = v->list[index].key == key && !v->list[index].removes && slice_equal(buf_slice_of(&made), text);
    buf_finish(&made);
    if (same) *ret = index;
    return same;
}

void values_name(const struct load *l, uint32_t index, struct buf *out) {
    const struct value *w = &values_of(l)->list[index];
    bool many = l->book->kind == LOAD_SETS || l->book->kind == LOAD_CARTS;
    char time[32];
    buf_printf(out, "%s%s-%u", l->book->kind == LOAD_CARTS ? "the item " : "", w->load, index + 1);
    if (many) buf_printf(out, " of %s:%u", l->options.prefix, w->key);
    buf_printf(out, ", %s by client %u at %s, %s",
               many         ? "added"
               : w->removes ? "a removal"
                            : "written",
               w->client + 1, load_node_name(l, w->node), load_time(w->invoked_us, time));
}

/* ---- what replies tell ---- */

bool values_read(struct load_client *c, uint32_t key, const redisReply *r, uint32_t *ret) {
    struct load *l = c->load;
    struct values *v = values_of(l);
    uint32_t index;
    *ret = 0;
    if (!r || r->type == REDIS_REPLY_NIL || !reply_is_text(r)) return r && r->type == REDIS_REPLY_NIL;
    if (values_find(v, key, reply_slice(r), &index)) {
        v->list[index].seen = true;
        *ret = index + 1;
        return true;
    }
    char time[32];
    if (load_policy(l) != POLICY_HANDLER) /* what a handler has made is nobody's */
        load_violated(l, "%s read as \"%.64s\" at %s, %s, which nobody wrote there", l->options.prefix, r->str, load_node_name(l, c->node),
                      load_time(c->returned_us, time));
    return false;
}

void values_replaced(struct load_client *c, uint32_t index, const redisReply *r, enum load_outcome o) {
    struct values *v = values_of(c->load);
    struct value *w = &v->list[index];
    w->outcome = o;
    w->returned_us = c->returned_us;
    if (outcome_of(r) != WENT_OK) return;
    w->tells = values_read(c, w->key, r, &w->replaces);
    if (w->replaces) v->list[w->replaces - 1].replaced_by = index + 1;
}

bool values_written(struct load_book *b, uint32_t key, struct slice text) {
    struct values *v = b->memory;
    uint32_t index;
    if (key >= v->keys_count || !values_find(v, key, text, &index)) return false;
    v->list[index].seen = true;
    return true;
}

/* ---- at rest ---- */

struct looking looking_begin(struct load *l, const struct rest_answer *a, bool *present) {
    const struct value_key *of = &values_of(l)->keys[a->key];
    for (uint32_t i = 0; i < of->count; i++) present[of->list[i]] = false;
    return (struct looking){.load = l, .key = a->key, .present = present};
}

void looking_foreign(struct looking *k, struct slice text) {
    if (k->foreign.n == 0) buf_put(&k->foreign, text.p, text.n < 64 ? text.n : 64);
}

void looking_at(struct looking *k, struct slice text, bool foreign) {
    struct values *v = values_of(k->load);
    uint32_t index;
    if (values_find(v, k->key, text, &index)) {
        k->present[index] = true;
        v->list[index].seen = true;
    } else if (foreign) {
        looking_foreign(k, text);
    }
}

bool looking_explained(struct looking *k, const struct rest_answer *a, explained *told, const char *wrote, struct buf *why) {
    const struct load *l = k->load;
    const char *node = load_node_name(l, a->node);
    bool tells = rest_explained(a, told, k);
    if (!tells) buf_printf(why, "%s does not explain %s:%u", node, l->options.prefix, a->key);
    if (!tells || k->foreign.n == 0 || load_policy(l) == POLICY_HANDLER) return tells;
    buf_printf(why, "%s:%u holds \"%.*s\" at %s, which nobody %s", l->options.prefix, a->key, (int)k->foreign.n, (const char *)k->foreign.p, node,
               wrote);
    return false;
}

bool values_ask_explained(struct rest *r, uint32_t key) {
    if (values_of(r->load)->keys[key].count == 0) return false;
    rest_ask_all(r, key, "TRUCE.EXPLAIN", "JSON");
    return true;
}

bool values_each_row(struct load *l, rest_asks *ask, rest_holds *holds, struct buf *why) {
    const struct values *v = values_of(l);
    bool *present = xcalloc(v->count + 1, sizeof *present), all = rest_each(l, v->keys_count, KEYS_TOGETHER, ask, holds, present, why);
    free(present);
    return all;
}

bool values_none_refused_seen(const struct load *l, struct buf *why) {
    const struct values *v = values_of(l);
    for (uint32_t i = 0; i < v->count; i++)
        if (v->list[i].outcome == WENT_FAILED && v->list[i].seen) {
            values_name(l, i, why);
            buf_text(why, ", was refused, but it was read");
            return false;
        }
    return true;
}

static void on_explained(void *arg, struct slice value, bool live) { looking_at(arg, value, true); }

/* Values that were answered and are nowhere: each needs a write without an answer that may have replaced it. */
static bool accounted(struct load *l, const struct rest_answer *a, const bool *present, struct buf *why) {
    const struct values *v = values_of(l);
    const struct value_key *k = &v->keys[a->key];
    uint32_t silent = 0, missing = 0, first = 0;
    for (uint32_t i = 0; i < k->count; i++) {
        const struct value *w = &v->list[k->list[i]];
        silent += w->outcome == WENT_UNKNOWN && !w->tells;
        if (w->outcome != WENT_OK || w->removes || present[k->list[i]] || w->replaced_by) continue;
        if (missing++ == 0) first = k->list[i];
    }
    if (missing <= silent) return true;
    values_name(l, first, why);
    buf_printf(why, ", is missing: at %s it is neither in %s:%u nor in its journal, and no write has said that it replaced it",
               load_node_name(l, a->node), l->options.prefix, a->key);
    if (missing > 1) buf_printf(why, " (so are %u more)", missing - 1);
    return false;
}

static bool key_holds(struct load *l, const struct rest_answer *a, void *arg, struct buf *why) {
    struct looking k = looking_begin(l, a, arg);
    bool holds = looking_explained(&k, a, on_explained, "wrote there", why) && (l->options.loses || accounted(l, a, k.present, why));
    buf_finish(&k.foreign);
    return holds;
}

bool values_check(struct load *l, struct buf *why) {
    return values_each_row(l, values_ask_explained, key_holds, why) && values_none_refused_seen(l, why);
}
