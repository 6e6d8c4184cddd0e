#include "again.h"

static void encode_columns_again(struct slice c, struct buf *out) {
    struct content_columns i = content_columns(c);
    struct content_column *columns = xmalloc((size_t)i.left * sizeof *columns);
    size_t count = 0;
    while (content_next(&i, &columns[count].name, &columns[count].value)) {
        EXPECT(content_find(c, columns[count].name, NULL), "that a column is found under its name");
        if (++count == 256) break; /* finding is linear */
    }
    while (content_next(&i, &columns[count].name, &columns[count].value)) count++;
    for (size_t k = 0; k < count / 2; k++) { /* backwards, so that they have to be sorted */
        struct content_column swap = columns[k];
        columns[k] = columns[count - 1 - k];
        columns[count - 1 - k] = swap;
    }
    content_make(out, content_type(c), content_expires_ms(c), columns, count);
    free(columns);
}

static void change_columns(struct slice c) {
    struct buf with = {0}, without = {0};
    struct slice name = slice_text("a new name");
    bool had = content_find(c, name, NULL);
    content_with_column(&with, c, content_type(c), name, slice_text("v"));
    EXPECT(content_check(buf_slice_of(&with)), "sound content with a column more");
    EXPECT(content_count(buf_slice_of(&with)) == content_count(c) + !had, "one column more");
    content_without_column(&without, buf_slice_of(&with), name);
    if (!had) expect_bytes(buf_slice_of(&without), c, "what was there before the column came and went");
    buf_finish(&with);
    buf_finish(&without);
}

void check_content(struct slice c) {
    if (!content_check(c)) return;
    struct buf again = {0};
    if (content_type(c) == CONTENT_STRING) {
        content_make_string(&again, content_expires_ms(c), content_string(c));
    } else {
        encode_columns_again(c, &again);
        if (c.n <= ROW_BYTES_MAX) change_columns(c);
    }
    expect_bytes(buf_slice_of(&again), c, "the same content again");
    struct buf other = {0};
    content_with_expiry(&other, c, 5);
    content_with_expiry(&again, buf_slice_of(&other), content_expires_ms(c));
    expect_bytes(buf_slice_of(&again), c, "the same content after its expiry came and went");
    buf_finish(&again);
    buf_finish(&other);
}

void check_delta(struct slice bytes, struct dot self, stamp_t stamp, struct origins *t) {
    struct delta d = {0};
    if (delta_decode(&d, bytes, self, stamp, t)) {
        struct buf again = {0};
        EXPECT(d.ops_count > 0 || d.flags != 0, "that a delta says something");
        for (uint32_t i = 0; i < d.ops_count; i++) {
            const struct delta_op *op = &d.ops[i];
            EXPECT(op->kind > CELL_ROW && op->kind < CELL_KINDS, "a cell of a delta");
            EXPECT((op->resets != NULL) == ((op->flags & OP_RESET) != 0), "resets where they are said to be");
            EXPECT((op->unseen != NULL) == ((op->flags & OP_UNSEEN) != 0), "unseen dots where they are said to be");
            if ((op->flags & OP_COUNT) == 0) continue;
            const struct counter *c = &op->count;
            EXPECT(c->origin == self.origin && c->n == self.n && c->stamp == stamp, "a count that its event completes");
            EXPECT(c->birth >= 1 && c->birth <= c->n && c->reset_n <= c->n, "numbers of a count in their order");
        }
        delta_encode(&d, t, &again);
        expect_bytes(buf_slice_of(&again), bytes, "the same delta again");
        buf_finish(&again);
    }
    delta_finish(&d);
}

bool check_event(struct dot dot, struct slice body, struct origins *t) {
    struct event e = {0};
    bool ok = event_decode(&e, dot, body, t);
    if (ok) {
        struct buf again = {0};
        event_begin(&again, e.stamp, e.previous, e.deps, e.deps_count, e.changes_count, t);
        for (uint32_t i = 0; i < e.changes_count; i++) {
            event_change(&again, &e.changes[i], t);
            if (e.changes[i].op == CHANGE_MERGE) {
                check_delta(e.changes[i].content, dot, e.stamp, t);
            } else {
                check_content(e.changes[i].content);
            }
        }
        expect_bytes(buf_slice_of(&again), body, "the same event again");
        buf_finish(&again);
    }
    event_finish(&e);
    return ok;
}

void check_block(struct slice bytes, struct origins *t) {
    struct block b;
    if (!block_decode(&b, bytes, t)) return;
    struct buf again = {0};
    block_begin(&again, b.origin, b.first, b.count, t);
    struct reader r = reader_of(b.bodies);
    for (uint32_t i = 0; i < b.count; i++) {
        struct slice body = read_slice(&r);
        check_event((struct dot){b.origin, b.first + i}, body, t);
        buf_slice(&again, body);
    }
    EXPECT(read_done(&r), "as many bodies as the block said");
    expect_bytes(buf_slice_of(&again), bytes, "the same block again");
    buf_finish(&again);
}
