#include "commands.h"

/* SET and its relatives: one whole string row, when it ends, and what was there before. */

enum { IF_ABSENT = 1, IF_PRESENT = 2, KEEP_EXPIRY = 4, GIVE_OLD = 8, FOR_EVER = 16, EXPIRES = 32 };

struct set_options {
    unsigned flags;
    struct slice time; /* with EXPIRES */
    int64_t unit_ms;
    bool relative;
};

/* EX, PX, EXAT, PXAT. */
static bool is_expiry(const struct call *c, uint32_t i, struct set_options *o) {
    o->relative = arg_is(c, i, "ex") || arg_is(c, i, "px");
    if (!o->relative && !arg_is(c, i, "exat") && !arg_is(c, i, "pxat")) return false;
    o->unit_ms = arg_is(c, i, "ex") || arg_is(c, i, "exat") ? 1000 : 1;
    return true;
}

/* One kind of expiry only; the same may stand twice, and the last counts. */
static bool may_expire(const struct set_options *o, const struct set_options *next) {
    if (o->flags & (KEEP_EXPIRY | FOR_EVER)) return false;
    return !(o->flags & EXPIRES) || (o->unit_ms == next->unit_ms && o->relative == next->relative);
}

/* Options from argument `i` on, as far as the command knows them; else the syntax error is written. */
static bool parse_options(struct call *c, uint32_t i, unsigned known, struct set_options *ret) {
    struct set_options o = {0};
    for (; i < c->argc; i++) {
        struct set_options next = o;
        if ((known & IF_ABSENT) && arg_is(c, i, "nx") && !(o.flags & IF_PRESENT)) {
            o.flags |= IF_ABSENT;
        } else if ((known & IF_PRESENT) && arg_is(c, i, "xx") && !(o.flags & IF_ABSENT)) {
            o.flags |= IF_PRESENT;
        } else if ((known & GIVE_OLD) && arg_is(c, i, "get")) {
            o.flags |= GIVE_OLD;
        } else if ((known & KEEP_EXPIRY) && arg_is(c, i, "keepttl") && !(o.flags & EXPIRES)) {
            o.flags |= KEEP_EXPIRY;
        } else if ((known & FOR_EVER) && arg_is(c, i, "persist") && !(o.flags & EXPIRES)) {
            o.flags |= FOR_EVER;
        } else if (is_expiry(c, i, &next) && i + 1 < c->argc && may_expire(&o, &next)) {
            o = next;
            o.flags |= EXPIRES;
            o.time = arg(c, ++i);
        } else {
            reply_syntax(c);
            return false;
        }
    }
    *ret = o;
    return true;
}

/* A row whose time is already up is deleted at once. */
static bool put_string(struct call *c, struct slice key, struct slice value, uint64_t expires_ms) {
    if (expires_ms && expires_ms <= c->now_ms) return row_absent(txn_get(c->txn, key)) || txn_delete(c->txn, key);
    return txn_set_string(c->txn, key, value, expires_ms);
}

static void set_plainly(struct call *c, struct slice key, struct slice value, uint64_t expires_ms) {
    if (put_string(c, key, value, expires_ms))
        reply_ok(c->reply);
    else
        txn_refuse(c, key);
}

static void set_with_options(struct call *c, const struct set_options *o) {
    struct slice key = arg(c, 1), old;
    uint64_t expires_ms = 0;
    size_t mark = c->reply->out->n;
    if ((o->flags & EXPIRES) && !want_expiry(c, o->time, o->unit_ms, o->relative ? c->now_ms : 0, &expires_ms)) return;
    if (o->flags & GIVE_OLD) {
        if (!want_type(c, key, CONTENT_STRING, &old)) return;
        if (row_absent(old))
            reply_null(c->reply);
        else
            reply_bulk(c->reply, content_string(old));
    } else {
        old = txn_get(c->txn, key);
    }
    if ((o->flags & IF_ABSENT && !row_absent(old)) || (o->flags & IF_PRESENT && row_absent(old))) {
        if (!(o->flags & GIVE_OLD)) reply_null(c->reply);
        return;
    }
    if (o->flags & KEEP_EXPIRY && !row_absent(old)) expires_ms = content_expires_ms(old);
    if (!put_string(c, key, arg(c, 2), expires_ms))
        refuse_after(c, mark, key);
    else if (!(o->flags & GIVE_OLD))
        reply_ok(c->reply);
}

void cmd_set(struct call *c) {
    struct set_options o;
    if (c->argc == 3)
        set_plainly(c, arg(c, 1), arg(c, 2), 0);
    else if (parse_options(c, 3, IF_ABSENT | IF_PRESENT | KEEP_EXPIRY | GIVE_OLD, &o))
        set_with_options(c, &o);
}

void cmd_setnx(struct call *c) {
    if (!row_absent(txn_get(c->txn, arg(c, 1))))
        reply_integer(c->reply, 0);
    else if (txn_set_string(c->txn, arg(c, 1), arg(c, 2), 0))
        reply_integer(c->reply, 1);
    else
        txn_refuse(c, arg(c, 1));
}

static void set_for_time(struct call *c, int64_t unit_ms) {
    uint64_t expires_ms;
    if (want_expiry(c, arg(c, 2), unit_ms, c->now_ms, &expires_ms)) set_plainly(c, arg(c, 1), arg(c, 3), expires_ms);
}

void cmd_setex(struct call *c) { set_for_time(c, 1000); }
void cmd_psetex(struct call *c) { set_for_time(c, 1); }

void cmd_getset(struct call *c) {
    const struct set_options o = {.flags = GIVE_OLD};
    set_with_options(c, &o);
}

void cmd_getdel(struct call *c) {
    struct slice key = arg(c, 1), content;
    size_t mark = c->reply->out->n;
    if (!want_type(c, key, CONTENT_STRING, &content)) return;
    if (row_absent(content)) {
        reply_null(c->reply);
        return;
    }
    reply_bulk(c->reply, content_string(content));
    if (!txn_delete(c->txn, key)) refuse_after(c, mark, key);
}

void cmd_getex(struct call *c) {
    struct set_options o;
    struct slice key = arg(c, 1), content;
    uint64_t expires_ms = 0;
    if (!parse_options(c, 2, FOR_EVER, &o)) return;
    if (!want_type(c, key, CONTENT_STRING, &content)) return;
    if (row_absent(content)) {
        reply_null(c->reply);
        return;
    }
    if ((o.flags & EXPIRES) && !want_expiry(c, o.time, o.unit_ms, o.relative ? c->now_ms : 0, &expires_ms)) return;
    size_t mark = c->reply->out->n;
    reply_bulk(c->reply, content_string(content));
    bool done = true;
    if ((o.flags & EXPIRES) && expires_ms <= c->now_ms)
        done = txn_delete(c->txn, key);
    else if ((o.flags & EXPIRES) || ((o.flags & FOR_EVER) && content_expires_ms(content)))
        done = txn_set_expiry(c->txn, key, expires_ms);
    if (!done) refuse_after(c, mark, key);
}
