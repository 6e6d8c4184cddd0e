#include "commands.h"
#include <stdlib.h>

/* RANDOMKEY, SPOP, SRANDMEMBER, HRANDFIELD. All chance comes from c->prng. */

/* ---- one of all keys ---- */

struct key_choice {
    struct call *c;
    struct buf key;
    uint64_t seen;
};

static void consider_key(void *of, struct slice key, struct slice content) {
    struct key_choice *choice = of;
    if (prng_below(choice->c->prng, ++choice->seen) != 0) return;
    buf_clear(&choice->key);
    buf_put(&choice->key, key.p, key.n);
}

void cmd_randomkey(struct call *c) {
    struct key_choice choice = {.c = c};
    const uint32_t handful = 16; /* so that a key behind a wide gap of hashes is not drawn much more often than others */
    uint64_t from = prng_next(c->prng);
    bool round = false;
    while (choice.seen == 0) { /* past what is deleted or expired, and once round the end */
        from = txn_scan(c->txn, from, handful, consider_key, &choice);
        if (from == 0 && round) break;
        round |= from == 0;
    }
    if (choice.seen)
        reply_bulk(c->reply, buf_slice_of(&choice.key));
    else
        reply_null(c->reply);
    buf_finish(&choice.key);
}

/* ---- columns of a row ---- */

/* Passes over the row once and marks `wanted` of its columns, each subset as likely as any other (Knuth, volume 2, algorithm S). */
struct selection {
    struct content_columns columns;
    struct prng *prng;
    uint64_t left, wanted;
};

static struct selection select_columns(struct call *c, struct slice content, uint64_t wanted) {
    uint64_t count = content_count(content);
    return (struct selection){content_columns(content), c->prng, count, wanted < count ? wanted : count};
}

static bool selection_next(struct selection *s, struct slice *ret_name, struct slice *ret_value) {
    while (s->wanted && content_next(&s->columns, ret_name, ret_value)) {
        bool chosen = prng_below(s->prng, s->left--) < s->wanted;
        if (!chosen) continue;
        s->wanted--;
        return true;
    }
    return false;
}

static void reply_pair(struct call *c, bool values, struct slice name, struct slice value) {
    if (values && c->reply->protocol > 2) reply_array(c->reply, 2);
    reply_bulk(c->reply, name);
    if (values) reply_bulk(c->reply, value);
}

static size_t pairs_length(const struct call *c, bool values, uint64_t count) {
    return (size_t)(values && c->reply->protocol < 3 ? count * 2 : count);
}

/* `count` columns, the same ones as often as they are drawn. The client's number decides the length of the reply, so that is bounded. */
static void reply_drawn(struct call *c, struct slice content, uint64_t count, bool values) {
    struct slice *names = xmalloc(2 * content_count(content) * sizeof *names), *all = names;
    uint64_t n = 0;
    struct content_columns columns = content_columns(content);
    while (content_next(&columns, &all[2 * n], &all[2 * n + 1])) n++;
    size_t mark = c->reply->out->n;
    reply_array(c->reply, pairs_length(c, values, count));
    for (uint64_t i = 0; i < count && c->reply->out->n - mark <= REPLY_BYTES_MAX; i++) {
        uint64_t k = prng_below(c->prng, n);
        reply_pair(c, values, all[2 * k], all[2 * k + 1]);
    }
    if (c->reply->out->n - mark > REPLY_BYTES_MAX) {
        c->reply->out->n = mark;
        reply_error(c->reply, "ERR the reply would be larger than %u bytes", REPLY_BYTES_MAX);
    }
    free(names);
}

/* SRANDMEMBER and HRANDFIELD with a count: negative draws with repetition. */
static void reply_sample(struct call *c, enum content_type type, int64_t count, bool values) {
    struct slice content, name, value = {0};
    if (!want_type(c, arg(c, 1), type, &content)) return;
    if (row_absent(content) || count == 0) {
        reply_array(c->reply, 0);
        return;
    }
    if (count < 0) {
        reply_drawn(c, content, 0 - (uint64_t)count, values);
        return;
    }
    struct selection s = select_columns(c, content, (uint64_t)count);
    reply_array(c->reply, pairs_length(c, values, s.wanted));
    while (selection_next(&s, &name, &value)) reply_pair(c, values, name, value);
}

static void reply_one(struct call *c, enum content_type type) {
    struct slice content, name;
    if (!want_type(c, arg(c, 1), type, &content)) return;
    if (row_absent(content)) {
        reply_null(c->reply);
        return;
    }
    column_at(content, prng_below(c->prng, content_count(content)), &name, NULL);
    reply_bulk(c->reply, name);
}

void cmd_srandmember(struct call *c) {
    int64_t count;
    if (c->argc == 2)
        reply_one(c, CONTENT_SET);
    else if (c->argc > 3)
        reply_syntax(c);
    else if (want_range(c, arg(c, 2), -INT64_MAX, INT64_MAX, NULL, &count))
        reply_sample(c, CONTENT_SET, count, false);
}

void cmd_hrandfield(struct call *c) {
    int64_t count;
    if (c->argc == 2) {
        reply_one(c, CONTENT_HASH);
        return;
    }
    if (!want_range(c, arg(c, 2), -INT64_MAX, INT64_MAX, NULL, &count)) return;
    bool values = c->argc == 4;
    if (c->argc > 4 || (values && !arg_is(c, 3, "withvalues")))
        reply_syntax(c);
    else if (values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2))
        reply_error(c->reply, "ERR value is out of range");
    else
        reply_sample(c, CONTENT_HASH, count, values);
}

/* ---- SPOP ---- */

static void pop_one(struct call *c) {
    struct slice key = arg(c, 1), content, member;
    if (!want_type(c, key, CONTENT_SET, &content)) return;
    if (row_absent(content)) {
        reply_null(c->reply);
        return;
    }
    size_t mark = c->reply->out->n;
    column_at(content, prng_below(c->prng, content_count(content)), &member, NULL);
    reply_bulk(c->reply, member);
    if (!txn_remove_column(c->txn, key, member)) refuse_after(c, mark, key);
}

static void pop_many(struct call *c, uint64_t count) {
    struct slice key = arg(c, 1), content, member;
    if (!want_type(c, key, CONTENT_SET, &content)) return;
    if (row_absent(content) || count == 0) {
        reply_set(c->reply, 0);
        return;
    }
    size_t mark = c->reply->out->n;
    struct slices popped = {0};
    struct selection s = select_columns(c, content, count);
    reply_set(c->reply, (size_t)s.wanted);
    while (selection_next(&s, &member, NULL)) {
        reply_bulk(c->reply, member);
        slices_add(&popped, member);
    }
    bool all = popped.n == content_count(content);
    if (!(all ? txn_delete(c->txn, key) : txn_remove_columns(c->txn, key, popped.p, popped.n))) refuse_after(c, mark, key);
    slices_finish(&popped);
}

void cmd_spop(struct call *c) {
    int64_t count;
    if (c->argc == 2)
        pop_one(c);
    else if (c->argc > 3)
        reply_syntax(c);
    else if (want_range(c, arg(c, 2), 0, INT64_MAX, "value is out of range, must be positive", &count))
        pop_many(c, (uint64_t)count);
}
