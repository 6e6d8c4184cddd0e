#include "commands.h"

bool want_expiry(struct call *c, struct slice s, int64_t unit_ms, uint64_t base_ms, uint64_t *ret) {
    int64_t v;
    if (!want_integer(c, s, &v)) return false;
    if (v <= 0 || v > INT64_MAX / unit_ms || (uint64_t)v * (uint64_t)unit_ms > (uint64_t)INT64_MAX - base_ms) {
        reply_expire_time(c);
        return false;
    }
    *ret = (uint64_t)v * (uint64_t)unit_ms + base_ms;
    return true;
}

/* ---- EXPIRE and its like ---- */

enum { ONLY_WITHOUT = 1, ONLY_WITH = 2, ONLY_LATER = 4, ONLY_SOONER = 8 };

static bool parse_conditions(struct call *c, unsigned *ret) {
    unsigned conditions = 0;
    for (uint32_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "nx")) {
            conditions |= ONLY_WITHOUT;
        } else if (arg_is(c, i, "xx")) {
            conditions |= ONLY_WITH;
        } else if (arg_is(c, i, "gt")) {
            conditions |= ONLY_LATER;
        } else if (arg_is(c, i, "lt")) {
            conditions |= ONLY_SOONER;
        } else {
            reply_error(c->reply, "ERR Unsupported option %.*s", (int)(arg(c, i).n < 128 ? arg(c, i).n : 128), (const char *)arg(c, i).p);
            return false;
        }
    }
    if ((conditions & ONLY_WITHOUT) && (conditions & ~(unsigned)ONLY_WITHOUT)) {
        reply_error(c->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((conditions & ONLY_LATER) && (conditions & ONLY_SOONER)) {
        reply_error(c->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *ret = conditions;
    return true;
}

/* current_ms: 0 means that the row lasts for ever. */
static bool conditions_hold(unsigned conditions, uint64_t current_ms, int64_t when_ms) {
    bool sooner = current_ms == 0 || when_ms < (int64_t)current_ms, later = current_ms != 0 && when_ms > (int64_t)current_ms;
    if ((conditions & ONLY_WITHOUT) && current_ms != 0) return false;
    if ((conditions & ONLY_WITH) && current_ms == 0) return false;
    if ((conditions & ONLY_LATER) && !later) return false;
    if ((conditions & ONLY_SOONER) && !sooner) return false;
    return true;
}

static void expire(struct call *c, int64_t unit_ms, uint64_t base_ms) {
    unsigned conditions;
    int64_t when;
    if (!parse_conditions(c, &conditions) || !want_integer(c, arg(c, 2), &when)) return;
    if (when > INT64_MAX / unit_ms || when < INT64_MIN / unit_ms || when * unit_ms > INT64_MAX - (int64_t)base_ms) {
        reply_expire_time(c);
        return;
    }
    when = when * unit_ms + (int64_t)base_ms;
    struct slice key = arg(c, 1), content = txn_get(c->txn, key);
    if (row_absent(content) || !conditions_hold(conditions, content_expires_ms(content), when)) {
        reply_integer(c->reply, 0);
        return;
    }
    bool done = when <= (int64_t)c->now_ms ? txn_delete(c->txn, key) : txn_set_expiry(c->txn, key, (uint64_t)when);
    if (done)
        reply_integer(c->reply, 1);
    else
        txn_refuse(c, key);
}

void cmd_expire(struct call *c) { expire(c, 1000, c->now_ms); }
void cmd_pexpire(struct call *c) { expire(c, 1, c->now_ms); }
void cmd_expireat(struct call *c) { expire(c, 1000, 0); }
void cmd_pexpireat(struct call *c) { expire(c, 1, 0); }

void cmd_persist(struct call *c) {
    struct slice content = txn_get(c->txn, arg(c, 1));
    if (row_absent(content) || content_expires_ms(content) == 0)
        reply_integer(c->reply, 0);
    else if (txn_set_expiry(c->txn, arg(c, 1), 0))
        reply_integer(c->reply, 1);
    else
        txn_refuse(c, arg(c, 1));
}

/* ---- TTL and its like ---- */

static void tell_expiry(struct call *c, uint64_t unit_ms, uint64_t base_ms) {
    struct slice content = txn_get(c->txn, arg(c, 1));
    uint64_t expires_ms = row_absent(content) ? 0 : content_expires_ms(content);
    if (expires_ms == 0) {
        reply_integer(c->reply, row_absent(content) ? -2 : -1);
        return;
    }
    uint64_t left_ms = expires_ms > base_ms ? expires_ms - base_ms : 0;
    reply_integer(c->reply, (int64_t)((left_ms + unit_ms / 2) / unit_ms));
}

void cmd_ttl(struct call *c) { tell_expiry(c, 1000, c->now_ms); }
void cmd_pttl(struct call *c) { tell_expiry(c, 1, c->now_ms); }
void cmd_expiretime(struct call *c) { tell_expiry(c, 1000, 0); }
void cmd_pexpiretime(struct call *c) { tell_expiry(c, 1, 0); }
