#include "commands.h"

static void delete_all(struct call *c) {
    int64_t deleted = 0;
    for (uint32_t i = 1; i < c->argc; i++) {
        if (row_absent(txn_get(c->txn, arg(c, i)))) continue;
        if (!delete_row(c, arg(c, i))) return;
        deleted++;
    }
    reply_integer(c->reply, deleted);
}

void cmd_del(struct call *c) { delete_all(c); }
void cmd_unlink(struct call *c) { delete_all(c); }

static void count_present(struct call *c) {
    int64_t present = 0;
    for (uint32_t i = 1; i < c->argc; i++) present += !row_absent(txn_get(c->txn, arg(c, i)));
    reply_integer(c->reply, present);
}

void cmd_exists(struct call *c) { count_present(c); }
void cmd_touch(struct call *c) { count_present(c); }

void cmd_type(struct call *c) {
    struct slice content = txn_get(c->txn, arg(c, 1));
    reply_simple(c->reply, content_type_name(row_absent(content) ? CONTENT_NONE : content_type(content)));
}

/* ---- RENAME, COPY ---- */

/* False: the source is absent or the change was refused; the error is written. */
static bool rename_row(struct call *c, bool only_to_absent, bool *ret_done) {
    struct slice from = arg(c, 1), to = arg(c, 2);
    struct slice content = txn_get(c->txn, from);
    if (row_absent(content)) {
        reply_error(c->reply, "ERR no such key");
        return false;
    }
    *ret_done = !only_to_absent;
    if (slice_equal(from, to)) return true;
    if (only_to_absent && !row_absent(txn_get(c->txn, to))) return true;
    if (!txn_set_content(c->txn, to, content)) {
        txn_refuse(c, to);
        return false;
    }
    *ret_done = true;
    return delete_row(c, from);
}

void cmd_rename(struct call *c) {
    bool done;
    if (rename_row(c, false, &done)) reply_ok(c->reply);
}

void cmd_renamenx(struct call *c) {
    bool done;
    if (rename_row(c, true, &done)) reply_integer(c->reply, done);
}

/* There is database 0 alone. */
static bool want_database(struct call *c, struct slice s) {
    int64_t database;
    if (!want_range(c, s, INT32_MIN, INT32_MAX, NULL, &database)) return false;
    if (database == 0) return true;
    reply_error(c->reply, "ERR DB index is out of range");
    return false;
}

void cmd_select(struct call *c) {
    if (want_database(c, arg(c, 1))) reply_ok(c->reply);
}

void cmd_copy(struct call *c) {
    bool replace = false;
    for (uint32_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "replace")) {
            replace = true;
        } else if (arg_is(c, i, "db") && i + 1 < c->argc) {
            if (!want_database(c, arg(c, ++i))) return;
        } else {
            reply_syntax(c);
            return;
        }
    }
    struct slice from = arg(c, 1), to = arg(c, 2);
    if (slice_equal(from, to)) {
        reply_error(c->reply, "ERR source and destination objects are the same");
        return;
    }
    struct slice content = txn_get(c->txn, from);
    if (row_absent(content) || (!replace && !row_absent(txn_get(c->txn, to))))
        reply_integer(c->reply, 0);
    else if (txn_set_content(c->txn, to, content))
        reply_integer(c->reply, 1);
    else
        txn_refuse(c, to);
}
