#include "commands.h"
#include <stdlib.h>

/* ---- reading ---- */

void cmd_hget(struct call *c) {
    struct slice content, value;
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    if (!row_absent(content) && content_find(content, arg(c, 2), &value))
        reply_bulk(c->reply, value);
    else
        reply_null(c->reply);
}

void cmd_hmget(struct call *c) {
    struct slice content;
    size_t count;
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    struct lookup *asked = lookup_columns(c, content, 2, 1, &count);
    reply_array(c->reply, count);
    for (size_t i = 0; i < count; i++) {
        if (asked[i].found)
            reply_bulk(c->reply, asked[i].value);
        else
            reply_null(c->reply);
    }
    free(asked);
}

static void reply_columns(struct call *c, bool names, bool values) {
    struct slice content, name, value;
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    uint64_t count = row_absent(content) ? 0 : content_count(content);
    if (names && values)
        reply_map(c->reply, count);
    else
        reply_array(c->reply, count);
    if (count == 0) return;
    struct content_columns columns = content_columns(content);
    while (content_next(&columns, &name, &value)) {
        if (names) reply_bulk(c->reply, name);
        if (values) reply_bulk(c->reply, value);
    }
}

void cmd_hgetall(struct call *c) { reply_columns(c, true, true); }
void cmd_hkeys(struct call *c) { reply_columns(c, true, false); }
void cmd_hvals(struct call *c) { reply_columns(c, false, true); }

void cmd_hlen(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_HASH, &content)) reply_integer(c->reply, row_absent(content) ? 0 : (int64_t)content_count(content));
}

void cmd_hexists(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_HASH, &content)) reply_integer(c->reply, !row_absent(content) && content_find(content, arg(c, 2), NULL));
}

void cmd_hstrlen(struct call *c) {
    struct slice content, value;
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    reply_integer(c->reply, !row_absent(content) && content_find(content, arg(c, 2), &value) ? (int64_t)value.n : 0);
}

/* ---- changing ---- */

/* HSET, HMSET; -1: an error is written. */
static int64_t set_columns(struct call *c) {
    struct slice key = arg(c, 1), content;
    if (c->argc % 2) {
        reply_wrong_arity(c);
        return -1;
    }
    if (!want_type(c, key, CONTENT_HASH, &content)) return -1;
    int64_t created;
    bool done;
    if (c->argc == 4) {
        created = row_absent(content) || !content_find(content, arg(c, 2), NULL);
        done = txn_set_column(c->txn, key, CONTENT_HASH, arg(c, 2), arg(c, 3));
    } else {
        size_t count;
        struct lookup *asked = lookup_columns(c, content, 2, 2, &count);
        struct slices fresh = {0};
        lookups_where(asked, count, false, &fresh);
        created = (int64_t)fresh.n;
        slices_finish(&fresh);
        free(asked);
        struct content_column *columns = xmalloc(count * sizeof *columns);
        for (size_t i = 0; i < count; i++) columns[i] = (struct content_column){arg(c, 2 + 2 * (uint32_t)i), arg(c, 3 + 2 * (uint32_t)i)};
        done = txn_set_columns(c->txn, key, CONTENT_HASH, columns, count);
        free(columns);
    }
    if (done) return created;
    txn_refuse(c, key);
    return -1;
}

void cmd_hset(struct call *c) {
    int64_t created = set_columns(c);
    if (created >= 0) reply_integer(c->reply, created);
}

void cmd_hmset(struct call *c) {
    if (set_columns(c) >= 0) reply_ok(c->reply);
}

void cmd_hsetnx(struct call *c) {
    struct slice content;
    if (!want_type(c, arg(c, 1), CONTENT_HASH, &content)) return;
    if (!row_absent(content) && content_find(content, arg(c, 2), NULL))
        reply_integer(c->reply, 0);
    else if (txn_set_column(c->txn, arg(c, 1), CONTENT_HASH, arg(c, 2), arg(c, 3)))
        reply_integer(c->reply, 1);
    else
        txn_refuse(c, arg(c, 1));
}

void cmd_hdel(struct call *c) { remove_columns(c, CONTENT_HASH); }
