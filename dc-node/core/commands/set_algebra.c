#include "commands.h"
#include <stdlib.h>

/* SINTER, SUNION, SDIFF and what stores or counts them. Members are sorted within their rows, so all of these are merges. */

enum set_operation { UNION, INTERSECTION, DIFFERENCE };

/* A set being walked. Absent rows have no members. */
struct walk {
    struct content_columns columns;
    struct slice content, member;
    bool more;
};

static void walk_step(struct walk *w) { w->more = w->more && content_next(&w->columns, &w->member, NULL); }

static void walk_begin(struct walk *w) {
    w->more = !row_absent(w->content);
    if (w->more) w->columns = content_columns(w->content);
    walk_step(w);
}

/* Moves on to `member` or beyond; true: it is there. */
static bool walk_to(struct walk *w, struct slice member) {
    while (w->more) {
        int order = slice_compare(w->member, member);
        if (order >= 0) return order == 0;
        walk_step(w);
    }
    return false;
}

/* The sets at arguments first..first+count-1; NULL: one is of another type, the error is written. */
static struct walk *open_sets(struct call *c, uint32_t first, uint32_t count) {
    struct walk *sets = xcalloc(count, sizeof *sets);
    for (uint32_t i = 0; i < count; i++) {
        if (!want_type(c, arg(c, first + i), CONTENT_SET, &sets[i].content)) {
            free(sets);
            return NULL;
        }
        walk_begin(&sets[i]);
    }
    return sets;
}

static void unite(struct walk *sets, uint32_t count, struct slices *ret) {
    for (uint32_t i = 0; i < count; i++)
        for (; sets[i].more; walk_step(&sets[i])) slices_add(ret, sets[i].member);
    if (count > 1) slices_unique(ret);
}

/* Members of the first set that are in all others, or in none; at most `limit` of them. */
static void sift(struct walk *sets, uint32_t count, bool wanted, size_t limit, struct slices *ret) {
    for (; sets[0].more && ret->n < limit; walk_step(&sets[0])) {
        bool keep = true;
        for (uint32_t i = 1; keep && i < count; i++) keep = walk_to(&sets[i], sets[0].member) == wanted;
        if (keep) slices_add(ret, sets[0].member);
    }
}

/* False: an error is written. */
static bool combine(struct call *c, enum set_operation operation, uint32_t first, uint32_t count, size_t limit, struct slices *ret) {
    struct walk *sets = open_sets(c, first, count);
    if (sets == NULL) return false;
    if (operation == UNION)
        unite(sets, count, ret);
    else
        sift(sets, count, operation == INTERSECTION, limit, ret);
    free(sets);
    return true;
}

static void reply_combined(struct call *c, enum set_operation operation) {
    struct slices result = {0};
    if (combine(c, operation, 1, c->argc - 1, SIZE_MAX, &result)) {
        reply_set(c->reply, result.n);
        for (size_t i = 0; i < result.n; i++) reply_bulk(c->reply, result.p[i]);
    }
    slices_finish(&result);
}

void cmd_sinter(struct call *c) { reply_combined(c, INTERSECTION); }
void cmd_sunion(struct call *c) { reply_combined(c, UNION); }
void cmd_sdiff(struct call *c) { reply_combined(c, DIFFERENCE); }

static bool store(struct call *c, struct slice key, const struct slices *members) {
    if (members->n == 0) return row_absent(txn_get(c->txn, key)) || txn_delete(c->txn, key);
    struct content_column *columns = xcalloc(members->n, sizeof *columns);
    for (size_t i = 0; i < members->n; i++) columns[i].name = members->p[i];
    struct buf content = {0};
    content_make(&content, CONTENT_SET, 0, columns, members->n);
    bool done = txn_set_content(c->txn, key, buf_slice_of(&content));
    buf_finish(&content);
    free(columns);
    return done;
}

static void store_combined(struct call *c, enum set_operation operation) {
    struct slices result = {0};
    if (combine(c, operation, 2, c->argc - 2, SIZE_MAX, &result)) {
        if (store(c, arg(c, 1), &result))
            reply_integer(c->reply, (int64_t)result.n);
        else
            txn_refuse(c, arg(c, 1));
    }
    slices_finish(&result);
}

void cmd_sinterstore(struct call *c) { store_combined(c, INTERSECTION); }
void cmd_sunionstore(struct call *c) { store_combined(c, UNION); }
void cmd_sdiffstore(struct call *c) { store_combined(c, DIFFERENCE); }

void cmd_sintercard(struct call *c) {
    int64_t count, limit = 0;
    if (!want_range(c, arg(c, 1), 1, INT64_MAX, "numkeys should be greater than 0", &count)) return;
    if (count > (int64_t)c->argc - 2) {
        reply_error(c->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (uint32_t i = 2 + (uint32_t)count; i < c->argc; i++) {
        if (!arg_is(c, i, "limit") || i + 1 >= c->argc) {
            reply_syntax(c);
            return;
        }
        if (!want_range(c, arg(c, ++i), 0, INT64_MAX, "LIMIT can't be negative", &limit)) return;
    }
    struct slices result = {0};
    if (combine(c, INTERSECTION, 2, (uint32_t)count, limit ? (size_t)limit : SIZE_MAX, &result)) reply_integer(c->reply, (int64_t)result.n);
    slices_finish(&result);
}
