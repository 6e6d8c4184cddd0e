/* Members that are added once, and maybe removed once. */
#include "load_parts.h"

#include <stdlib.h>

#define KEYS_TOGETHER  32u
#define MEMBERS_LISTED 1000u /* of greater sets clients ask for one member only */

struct member {
    const char *load;
    uint32_t key, client, node, bytes;
    uint64_t invoked_us;
    enum load_outcome added;
    bool remove_answered, remove_silent; /* somebody has removed it; somebody may have */
    bool seen;
};

struct sets {
    struct member *list;
    uint32_t count, cap;
    struct set_key {
        uint32_t *list;
        uint32_t count, cap;
    } * keys;
    uint32_t keys_count;
};

static struct sets *sets_of(const struct load *l) { return l->book->memory; }

static void remember(struct load_book *b) { b->memory = xcalloc(1, sizeof(struct sets)); }

static void forget(struct load_book *b) {
    struct sets *s = b->memory;
    for (uint32_t i = 0; i < s->keys_count; i++) free(s->keys[i].list);
    free(s->keys);
    free(s->list);
    free(s);
}

static void join(struct load *l) {
    struct sets *s = sets_of(l);
    uint32_t keys = l->options.keys;
    if (keys <= s->keys_count) return;
    s->keys = xrealloc(s->keys, keys * sizeof *s->keys);
    memset(s->keys + s->keys_count, 0, (keys - s->keys_count) * sizeof *s->keys);
    s->keys_count = keys;
}

/* ---- members as texts ---- */

static void text_of(const struct sets *s, uint32_t index, struct buf *out) {
    const struct member *m = &s->list[index];
    size_t from = out->n;
    buf_printf(out, "%s-%u", m->load, index + 1);
    while (out->n - from < m->bytes) buf_u8(out, '.');
}

static bool find(const struct sets *s, uint32_t key, struct slice text, uint32_t *ret) {
    size_t end = text.n, from;
    while (end > 0 && text.p[end - 1] == '.') end--;
    for (from = end; from > 0 && text.p[from - 1] >= '0' && text.p[from - 1] <= '9';) from--;
    uint64_t number = 0;
    for (size_t i = from; i < end && number <= s->count; i++) number = number * 10 + (uint64_t)(text.p[i] - '0');
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
    const struct member *m = &sets_of(l)->list[index];
    char time[32];
    buf_printf(out, "%s-%u of %s:%u, added by client %u at %s, %s", m->load, index + 1, l->options.prefix, m->key, m->client + 1,
               load_node_name(l, m->node), load_time(m->invoked_us, time));
}

static uint32_t add_member(struct load_client *c, uint32_t key) {
    struct load *l = c->load;
    struct sets *s = sets_of(l);
    if (s->count == s->cap) s->list = xrealloc(s->list, (s->cap = s->cap ? s->cap * 2 : 256) * sizeof *s->list);
    uint32_t index = s->count++;
    s->list[index] = (struct member){
        .load = l->name, .key = key, .client = c->number, .node = c->node, .bytes = l->options.bytes, .invoked_us = l->stage->ops->now_us(l->stage)};
    struct set_key *k = &s->keys[key];
    if (k->count == k->cap) k->list = xrealloc(k->list, (k->cap = k->cap ? k->cap * 2 : 16) * sizeof *k->list);
    k->list[k->count++] = index;
    return index;
}

/* ---- clients ---- */

enum { PHASE_ADD, PHASE_REMOVE, PHASE_LIST, PHASE_LOOK };
struct set_client {
    uint32_t key, index;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct set_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void say_member(struct load_client *c, const char *command, uint32_t key, uint32_t index) {
    struct buf text = {0};
    text_of(sets_of(c->load), index, &text);
    buf_u8(&text, 0);
    client_word(c, command);
    client_key(c, key);
    client_word(c, (const char *)text.p);
    client_send(c);
    buf_finish(&text);
}

static void operation(struct load_client *c) {
    static const char *const commands[] = {"SADD", "SREM", "SMEMBERS", "SISMEMBER"};
    struct set_client *s = c->state;
    s->key = client_draw_key(c);
    const struct set_key *k = &sets_of(c->load)->keys[s->key];
    uint64_t kind = client_draw(c, 10);
    c->phase = kind < 5 || k->count == 0 ? PHASE_ADD : kind < 7 ? PHASE_REMOVE : kind < 9 && k->count < MEMBERS_LISTED ? PHASE_LIST : PHASE_LOOK;
    if (c->phase == PHASE_LIST) {
        client_word(c, commands[c->phase]);
        client_key(c, s->key);
        client_send(c);
        return;
    }
    s->index = c->phase == PHASE_ADD ? add_member(c, s->key) : k->list[client_draw(c, k->count)];
    say_member(c, commands[c->phase], s->key, s->index);
    if (c->phase <= PHASE_REMOVE) client_wait_acked(c);
}

static void look(struct load_client *c, uint32_t key, const redisReply *r) {
    struct load *l = c->load;
    struct sets *s = sets_of(l);
    uint32_t index;
    char time[32];
    if (!r || r->type != REDIS_REPLY_ARRAY || load_policy(l) == POLICY_HANDLER) return;
    for (size_t i = 0; i < r->elements; i++) {
        if (reply_is_text(r->element[i]) && find(s, key, reply_slice(r->element[i]), &index))
            s->list[index].seen = true;
        else
            load_violated(l, "%s:%u had the member \"%.64s\" at %s, %s, which nobody added", l->options.prefix, key,
                          r->element[i]->str ? r->element[i]->str : "", load_node_name(l, c->node), load_time(c->returned_us, time));
    }
}

static void replies(struct load_client *c) {
    struct set_client *s = c->state;
    struct member *m = &sets_of(c->load)->list[s->index];
    const redisReply *r = c->replies[0];
    bool one = r && r->type == REDIS_REPLY_INTEGER && r->integer == 1;
    if (c->phase == PHASE_LIST || c->phase == PHASE_LOOK) {
        client_count_read(c, r);
        if (c->phase == PHASE_LIST)
            look(c, s->key, r);
        else
            m->seen |= one;
        return;
    }
    enum load_outcome o = outcome_acked(c, 0, 1);
    client_count(c, o);
    if (c->phase == PHASE_ADD) {
        m->added = o;
        return;
    }
    m->seen |= one;
    if (o == WENT_UNKNOWN) m->remove_silent |= !r || r->type == REDIS_REPLY_ERROR || one;
    if (o == WENT_OK && one) m->remove_answered = true; /* else it was not there, and nothing was removed */
}

/* ---- at rest ---- */

struct looking {
    struct load *load;
    uint32_t key;
    bool *present;
    struct buf foreign;
};

/* The members of a version stand with blanks between them. */
static void on_explained(void *arg, struct slice value, bool live) {
    struct looking *k = arg;
    struct sets *s = sets_of(k->load);
    uint32_t index;
    for (size_t at = 0, end; at < value.n; at = end + 1) {
        for (end = at; end < value.n && value.p[end] != ' ';) end++;
        struct slice text = SLICE(value.p + at, end - at);
        if (find(s, k->key, text, &index))
            k->present[index] = true;
        else if (live && k->foreign.n == 0)
            buf_put(&k->foreign, text.p, text.n);
    }
}

static bool take_members(struct looking *k, const redisReply *r) {
    struct sets *s = sets_of(k->load);
    uint32_t index;
    if (r->type != REDIS_REPLY_ARRAY) return false;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *m = r->element[i];
        if (reply_is_text(m) && find(s, k->key, reply_slice(m), &index))
            k->present[index] = true;
        else if (k->foreign.n == 0)
            buf_text(&k->foreign, m->str ? m->str : "?");
    }
    return true;
}

static bool member_holds(struct load *l, uint32_t index, bool present, bool merges, const char *node, struct buf *why) {
    const struct member *m = &sets_of(l)->list[index];
    bool removed = m->remove_answered || m->remove_silent;
    const char *what = NULL;
    if (m->added == WENT_FAILED && (present || m->seen))
        what = "was refused, but it was read";
    else if (!l->options.loses && m->added == WENT_OK && !removed && !present)
        what = merges ? "is missing" : "is missing, in the row and in its journal,";
    else if (!l->options.loses && merges && m->remove_answered && present)
        what = "was removed, but it is there";
    if (!what) return true;
    name(l, index, why);
    buf_printf(why, ", %s at %s", what, node);
    return false;
}

static bool key_holds(struct load *l, const struct rest_answer *a, bool *present, struct buf *why) {
    const struct set_key *of = &sets_of(l)->keys[a->key];
    struct looking k = {.load = l, .key = a->key, .present = present};
    bool merges = load_policy(l) == POLICY_MERGE;
    for (uint32_t i = 0; i < of->count; i++) present[of->list[i]] = false;
    bool holds = merges ? take_members(&k, a->reply) : rest_explained(a, on_explained, &k);
    if (!holds)
        buf_printf(why, "%s does not tell the members of %s:%u", load_node_name(l, a->node), l->options.prefix, a->key);
    else if (k.foreign.n && load_policy(l) != POLICY_HANDLER) {
        buf_printf(why, "%s:%u has the member \"%.*s\" at %s, which nobody added", l->options.prefix, a->key,
                   (int)(k.foreign.n < 64 ? k.foreign.n : 64), (const char *)k.foreign.p, load_node_name(l, a->node));
        holds = false;
    }
    for (uint32_t i = 0; holds && i < of->count; i++)
        holds = member_holds(l, of->list[i], present[of->list[i]], merges, load_node_name(l, a->node), why);
    buf_finish(&k.foreign);
    return holds;
}

static bool check(struct load *l, struct buf *why) {
    struct sets *s = sets_of(l);
    struct rest r;
    if (!rest_begin(&r, l, why)) return false;
    bool *present = xcalloc(s->count + 1, sizeof *present), holds = true, merges = load_policy(l) == POLICY_MERGE;
    for (uint32_t key = 0; holds && key < s->keys_count;) {
        for (uint32_t asked = 0; key < s->keys_count && asked < KEYS_TOGETHER; key++) {
            if (s->keys[key].count == 0) continue;
            rest_ask_all(&r, key, merges ? "SMEMBERS" : "TRUCE.EXPLAIN", merges ? NULL : "JSON");
            asked++;
        }
        holds = rest_wait(&r, why);
        for (uint32_t i = 0; holds && i < r.answers_count; i++) holds = key_holds(l, r.answers[i], present, why);
        rest_clear(&r);
    }
    rest_finish(&r);
    free(present);
    return holds;
}

const struct load_ops load_sets = {
    .remember = remember,
    .forget = forget,
    .join = join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
};
