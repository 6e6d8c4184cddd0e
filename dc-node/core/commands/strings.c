#include "commands.h"
#include <string.h>

/* ---- reading ---- */

/* The string's bytes as a reply, null where there is no row. */
static void reply_string(struct call *c, struct slice content) {
    if (row_absent(content))
        reply_null(c->reply);
    else
        reply_bulk(c->reply, content_string(content));
}

void cmd_get(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_STRING, &content)) reply_string(c, content);
}

void cmd_mget(struct call *c) {
    reply_array(c->reply, c->argc - 1);
    for (uint32_t i = 1; i < c->argc; i++) {
        struct slice content = txn_get(c->txn, arg(c, i));
        reply_string(c, !row_absent(content) && content_type(content) == CONTENT_STRING ? content : (struct slice){0});
    }
}

void cmd_strlen(struct call *c) {
    struct slice content;
    if (want_type(c, arg(c, 1), CONTENT_STRING, &content)) reply_integer(c->reply, row_absent(content) ? 0 : (int64_t)content_string(content).n);
}

void cmd_getrange(struct call *c) {
    int64_t start, end;
    struct slice content;
    if (!want_integer(c, arg(c, 2), &start) || !want_integer(c, arg(c, 3), &end)) return;
    if (!want_type(c, arg(c, 1), CONTENT_STRING, &content)) return;
    struct slice s = row_absent(content) ? (struct slice){0} : content_string(content);
    int64_t n = (int64_t)s.n;
    bool backwards = start < 0 && end < 0 && start > end;
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (end < 0) end = end + n < 0 ? 0 : end + n;
    if (end >= n) end = n - 1;
    if (backwards || n == 0 || start > end)
        reply_bulk(c->reply, (struct slice){0});
    else
        reply_bulk(c->reply, SLICE(s.p + start, (size_t)(end - start + 1)));
}

/* ---- changing a part ---- */

void cmd_append(struct call *c) {
    struct slice key = arg(c, 1), more = arg(c, 2), content;
    if (!want_type(c, key, CONTENT_STRING, &content)) return;
    struct buf whole = {0};
    uint64_t expires_ms = 0;
    if (!row_absent(content)) {
        struct slice old = content_string(content);
        expires_ms = content_expires_ms(content);
        buf_put(&whole, old.p, old.n);
    }
    buf_put(&whole, more.p, more.n);
    if (txn_set_string(c->txn, key, buf_slice_of(&whole), expires_ms))
        reply_integer(c->reply, (int64_t)whole.n);
    else
        txn_refuse(c, key);
    buf_finish(&whole);
}

void cmd_setrange(struct call *c) {
    struct slice key = arg(c, 1), part = arg(c, 3), content;
    int64_t offset;
    if (!want_integer(c, arg(c, 2), &offset)) return;
    if (offset < 0) {
        reply_error(c->reply, "ERR offset is out of range");
        return;
    }
    if (!want_type(c, key, CONTENT_STRING, &content)) return;
    struct slice old = row_absent(content) ? (struct slice){0} : content_string(content);
    if (part.n == 0) {
        reply_integer(c->reply, (int64_t)old.n);
        return;
    }
    if (offset > ROW_BYTES_MAX || (uint64_t)offset + part.n > ROW_BYTES_MAX) { /* before so many zeros are made */
        reply_error(c->reply, "ERR string exceeds maximum allowed size (a row is at most %u bytes)", ROW_BYTES_MAX);
        return;
    }
    size_t end = (size_t)offset + part.n, n = end > old.n ? end : old.n;
    struct buf whole = {0};
    uint8_t *bytes = buf_reserve(&whole, n);
    memset(bytes, 0, n);
    if (old.n) memcpy(bytes, old.p, old.n);
    memcpy(bytes + offset, part.p, part.n);
    if (txn_set_string(c->txn, key, SLICE(bytes, n), row_absent(content) ? 0 : content_expires_ms(content)))
        reply_integer(c->reply, (int64_t)n);
    else
        txn_refuse(c, key);
    buf_finish(&whole);
}

/* ---- several at once ---- */

static bool set_pairs(struct call *c) {
    for (uint32_t i = 1; i < c->argc; i += 2) {
        if (txn_set_string(c->txn, arg(c, i), arg(c, i + 1), 0)) continue;
        txn_refuse(c, arg(c, i));
        return false;
    }
    return true;
}

void cmd_mset(struct call *c) {
    if (c->argc % 2 == 0)
        reply_wrong_arity(c);
    else if (set_pairs(c))
        reply_ok(c->reply);
}

void cmd_msetnx(struct call *c) {
    if (c->argc % 2 == 0) {
        reply_wrong_arity(c);
        return;
    }
    for (uint32_t i = 1; i < c->argc; i += 2) {
        if (row_absent(txn_get(c->txn, arg(c, i)))) continue;
        reply_integer(c->reply, 0);
        return;
    }
    if (set_pairs(c)) reply_integer(c->reply, 1);
}
