/* Members that are added once, and maybe removed once. */
#include "load_values.h"

#include <stdlib.h>

#define MEMBERS_LISTED 1000u /* of greater sets clients ask for one member only */

/* ---- clients ---- */

enum { PHASE_ADD, PHASE_REMOVE, PHASE_LIST, PHASE_LOOK };
struct set_client {
    uint32_t key, index;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct set_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void say_member(struct load_client *c, const char *command, uint32_t key, uint32_t index) {
    struct buf text = {0};
    values_text(values_of(c->load), index, &text);
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
    const struct value_key *k = &values_of(c->load)->keys[s->key];
    uint64_t kind = client_draw(c, 10);
    c->phase = kind < 5 || k->count == 0 ? PHASE_ADD : kind < 7 ? PHASE_REMOVE : kind < 9 && k->count < MEMBERS_LISTED ? PHASE_LIST : PHASE_LOOK;
    if (c->phase == PHASE_LIST) {
        client_word(c, commands[c->phase]);
        client_key(c, s->key);
        client_send(c);
        return;
    }
    s->index = c->phase == PHASE_ADD ? values_add(c, s->key, false, NULL) : k->list[client_draw(c, k->count)];
    say_member(c, commands[c->phase], s->key, s->index);
    if (c->phase <= PHASE_REMOVE) client_wait_acked(c);
}

static void look(struct load_client *c, uint32_t key, const redisReply *r) {
    struct load *l = c->load;
    struct values *v = values_of(l);
    uint32_t index;
    char time[32];
    if (!r || r->type != REDIS_REPLY_ARRAY || load_policy(l) == POLICY_HANDLER) return;
    for (size_t i = 0; i < r->elements; i++) {
        if (reply_is_text(r->element[i]) && values_find(v, key, reply_slice(r->element[i]), &index))
            v->list[index].seen = true;
        else
            load_violated(l, "%s:%u had the member \"%.64s\" at %s, %s, which nobody added", l->options.prefix, key,
                          r->element[i]->str ? r->element[i]->str : "", load_node_name(l, c->node), load_time(c->returned_us, time));
    }
}

static void replies(struct load_client *c) {
    struct set_client *s = c->state;
    struct value *m = &values_of(c->load)->list[s->index];
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
        m->outcome = o;
        return;
    }
    m->seen |= one;
    if (o == WENT_UNKNOWN) m->maybe_removed |= !r || r->type == REDIS_REPLY_ERROR || one;
    if (o == WENT_OK && one) m->removed = true; /* else it was not there, and nothing was removed */
}

/* ---- at rest ---- */

/* The members of a version stand with blanks between them. */
static void on_explained(void *arg, struct slice value, bool live) {
    for (size_t at = 0, end; at < value.n; at = end + 1) {
        for (end = at; end < value.n && value.p[end] != ' ';) end++;
        looking_at(arg, SLICE(value.p + at, end - at), live);
    }
}

static bool take_members(struct looking *k, const redisReply *r) {
    if (r->type != REDIS_REPLY_ARRAY) return false;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *m = r->element[i];
        if (reply_is_text(m))
            looking_at(k, reply_slice(m), true);
        else
            looking_foreign(k, slice_text(m->str ? m->str : "?"));
    }
    return true;
}

static bool member_holds(struct load *l, uint32_t index, bool present, bool merges, const char *node, struct buf *why) {
    const struct value *m = &values_of(l)->list[index];
    bool may_be_gone = m->removed || m->maybe_removed;
    const char *what = NULL;
    if (m->outcome == WENT_FAILED && (present || m->seen))
        what = "was refused, but it was read";
    else if (!l->options.loses && m->outcome == WENT_OK && !may_be_gone && !present)
        what = merges ? "is missing" : "is missing, in the row and in its journal,";
    else if (!l->options.loses && merges && m->removed && present)
        what = "was removed, but it is there";
    if (!what) return true;
    values_name(l, index, why);
    buf_printf(why, ", %s at %s", what, node);
    return false;
}

static bool key_holds(struct load *l, const struct rest_answer *a, void *arg, struct buf *why) {
    const struct value_key *of = &values_of(l)->keys[a->key];
    struct looking k = looking_begin(l, a, arg);
    bool merges = load_policy(l) == POLICY_MERGE;
    bool holds = merges ? take_members(&k, a->reply) : rest_explained(a, on_explained, &k);
    if (!holds)
        buf_printf(why, "%s does not tell the members of %s:%u", load_node_name(l, a->node), l->options.prefix, a->key);
    else if (k.foreign.n && load_policy(l) != POLICY_HANDLER) {
        buf_printf(why, "%s:%u has the member \"%.*s\" at %s, which nobody added", l->options.prefix, a->key, (int)k.foreign.n,
                   (const char *)k.foreign.p, load_node_name(l, a->node));
        holds = false;
    }
    for (uint32_t i = 0; holds && i < of->count; i++)
        holds = member_holds(l, of->list[i], k.present[of->list[i]], merges, load_node_name(l, a->node), why);
    buf_finish(&k.foreign);
    return holds;
}

static bool ask(struct rest *r, uint32_t key) {
    if (load_policy(r->load) != POLICY_MERGE) return values_ask_explained(r, key);
    if (values_of(r->load)->keys[key].count == 0) return false;
    rest_ask_all(r, key, "SMEMBERS", NULL);
    return true;
}

static bool check(struct load *l, struct buf *why) { return values_each_row(l, ask, key_holds, why); }

const struct load_ops load_sets = {
    .remember = values_remember,
    .forget = values_forget,
    .join = values_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = check,
};
