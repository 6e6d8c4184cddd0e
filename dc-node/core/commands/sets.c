#include "commands.h"
#include <stdlib.h>

/* ---- reading ---- */

void cmd_smembers(struct call *c) {
    struct slice content, member;
    if (!want_type(c, arg(c, 1), CONTENT_SET, &content)) return;
    reply_set(c->reply, row_absent(content) ? 0 : content_count(content));
    if (row_absent(content)) return;
    struct content_columns members = content_columns(content);
    while (content_next(&members, &member, NULL)) reply_bulk(c->reply, member);
}

void cmd_scard(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_SET, &content)) reply_integer(c->reply, row_absent(content) ? 0 : (int64_t)content_count(content));
}

void cmd_sismember(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_SET, &content)) reply_integer(c->reply, !row_absent(content) && content_find(content, arg(c, 2), NULL));
}

void cmd_smismember(struct call *c) {
    struct slice content;
    size_t count;
    if (!want_type(c, arg(c, 1), CONTENT_SET, &content)) return;
    struct lookup *asked = lookup_columns(c, content, 2, 1, &count);
    reply_array(c->reply, count);
    for (size_t i = 0; i < count; i++) reply_integer(c->reply, asked[i].found);
    free(asked);
}

/* ---- changing ---- */

static bool add_members(struct call *c, struct slice key, const struct slices *fresh) {
    if (fresh->n == 0) return true;
    if (fresh->n == 1) return txn_set_column(c->txn, key, CONTENT_SET, fresh->p[0], (struct slice){0});
    struct content_column *columns = xcalloc(fresh->n, sizeof *columns);
    for (size_t i = 0; i < fresh->n; i++) columns[i].name = fresh->p[i];
    bool done = txn_set_columns(c->txn, key, CONTENT_SET, columns, fresh->n);
    free(columns);
    return done;
}

void cmd_sadd(struct call *c) {
    struct slice key = arg(c, 1), content;
    size_t count;
    if (!want_type(c, key, CONTENT_SET, &content)) return;
    struct lookup *asked = lookup_columns(c, content, 2, 1, &count);
    struct slices fresh = {0};
    lookups_where(asked, count, false, &fresh);
    int64_t added = (int64_t)fresh.n;
    if (txn_merges(c->txn, key)) lookups_where(asked, count, true, &fresh);
    if (add_members(c, key, &fresh))
        reply_integer(c->reply, added);
    else
        txn_refuse(c, key);
    slices_finish(&fresh);
    free(asked);
}

void cmd_srem(struct call *c) { remove_columns(c, CONTENT_SET); }

void cmd_smove(struct call *c) {
    struct slice from = arg(c, 1), to = arg(c, 2), member = arg(c, 3), source, target;
    if (!want_type(c, from, CONTENT_SET, &source)) return;
    if (row_absent(source)) {
        reply_integer(c->reply, 0);
        return;
    }
    if (!want_type(c, to, CONTENT_SET, &target)) return;
    bool there = content_find(source, member, NULL);
    if (there && !slice_equal(from, to)) {
        bool known = !row_absent(target) && content_find(target, member, NULL);
        if (!txn_remove_column(c->txn, from, member)) {
            txn_refuse(c, from);
            return;
        }
        if (!known && !txn_set_column(c->txn, to, CONTENT_SET, member, (struct slice){0})) {
            txn_refuse(c, to);
            return;
        }
    }
    reply_integer(c->reply, there);
}
