/* Rows as bytes: what goes in comes out, one form for each state, and damage of every kind is refused. */
#include "rows.h"

#include "../schemas/help.h"

TestSuite(row_bytes);

#define CHECKSUM 8

/* One of everything that a whole row may hold. */
static void make_whole(struct rig *g) {
    g->keep_below = true;
    rig_put(g, DOT(g->a, 1), 1, NOTHING_KNOWN, "base");
    rig_put(g, DOT(g->a, 2), 2, NOTHING_KNOWN, "x");
    rig_put(g, DOT(g->b, 1), 3, KNOWS(DOT(g->a, 1)), "y");
    struct change answer = {.op = CHANGE_ANSWER, .content = rig_text(g, "z", 0), .generation = 2, .inputs = 77};
    rig_apply(g, DOT(g->c, 1), 4, NOTHING_KNOWN, NOTHING_KNOWN, &answer);
    rig_delete(g, DOT(g->b, 2), 5, NOTHING_KNOWN);
    struct buf why = {0};
    hash_content(&why, 0, (const char *const[]){"reason", "crashed", NULL});
    rig_apply(g, DOT(g->c, 2), 6, NOTHING_KNOWN, KNOWS(DOT(g->a, 2), DOT(g->b, 2), DOT(g->c, 1)),
              &(struct change){.op = CHANGE_RECORD, .content = rig_keep(g, why)});
    cr_assert_neq(g->row.recorded, 0);
    cr_assert_geq(g->row.below_count, 2);
}

/* The same of a merged one. */
static void make_merged(struct rig *g) {
    uint8_t room[8];
    struct delta_op all[] = {op_string("s"), op_field("f", "1"), op_field("g", ""), op_member("m"), op_expiry(5000, room)};
    rig_merge(g, DOT(g->a, 1), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 5, all);
    struct delta_op f = op_field("f", "2"), n = op_count(CELL_FIELD, "n", DOT(g->c, 1), 1, -3), s = op_count(CELL_STRING, "", DOT(g->c, 2), 2, 4);
    rig_merge(g, DOT(g->b, 1), 2, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &f);
    rig_merge(g, DOT(g->c, 1), 3, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &n);
    rig_merge(g, DOT(g->c, 2), 4, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &s);
    struct delta_op more = op_count(CELL_FIELD, "n", DOT(g->b, 2), 2, 9);
    rig_merge(g, DOT(g->b, 2), 5, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &more);
    struct counter_reset seen = {g->c, 1, 1, AMOUNT(-3)};
    struct delta_op reset = {.kind = CELL_FIELD, .name = slice_text("n"), .flags = OP_RESET, .resets = &seen, .resets_count = 1};
    rig_merge(g, DOT(g->a, 2), 6, KNOWS(DOT(g->c, 1)), 0, CONTENT_NONE, 1, &reset);
}

static struct slice encoded(struct rig *g, struct buf *out) {
    buf_clear(out);
    row_encode(&g->row, g->t, out);
    return buf_slice_of(out);
}

static void check_same(const struct row *a, const struct row *b) {
    cr_assert_eq(a->form, b->form);
    cr_assert_eq(a->cells_count, b->cells_count);
    cr_assert_eq(a->versions_count, b->versions_count);
    cr_assert_eq(a->counters_count, b->counters_count);
    cr_assert_eq(a->below_count, b->below_count);
    cr_assert_eq(a->recorded, b->recorded);
    cr_assert(slice_equal(a->recorded_why, b->recorded_why));
    for (uint32_t i = 0; i < a->cells_count; i++) {
        cr_assert_eq(a->cells[i].kind, b->cells[i].kind);
        cr_assert(slice_equal(a->cells[i].name, b->cells[i].name));
        cr_assert_eq(a->cells[i].count, b->cells[i].count);
        cr_assert_eq(a->cells[i].counters_count, b->cells[i].counters_count);
        cr_assert_eq(a->cells[i].stack > 0, b->cells[i].stack > 0);
    }
    for (uint32_t i = 0; i < a->versions_count; i++) {
        const struct version *v = &a->versions[i], *w = &b->versions[i];
        cr_assert(dot_equal(v->dot, w->dot) && v->stamp == w->stamp && slice_equal(v->content, w->content));
        cr_assert(v->generation == w->generation && v->inputs == w->inputs);
    }
    for (uint32_t i = 0; i < a->counters_count; i++) {
        const struct counter *c = &a->counters[i], *d = &b->counters[i];
        cr_assert(c->origin == d->origin && c->birth == d->birth && c->n == d->n && c->total == d->total && c->stamp == d->stamp);
        cr_assert(c->reset_n == d->reset_n && c->reset_total == d->reset_total && dot_equal(c->reset_by, d->reset_by));
    }
    for (uint32_t i = 0; i < a->below_count; i++) {
        cr_assert(dot_equal(a->below[i].above, b->below[i].above) && dot_equal(a->below[i].v.dot, b->below[i].v.dot));
        cr_assert(slice_equal(a->below[i].v.content, b->below[i].v.content));
    }
}

Test(row_bytes, what_goes_in_comes_out) {
    for (int merged = 0; merged < 2; merged++) {
        struct rig g = rig();
        struct buf bytes = {0};
        struct row again = {0};
        if (merged)
            make_merged(&g);
        else
            make_whole(&g);
        cr_assert(row_decode(encoded(&g, &bytes), true, g.t, &again));
        check_same(&g.row, &again);
        cr_assert(row_decode(buf_slice_of(&bytes), false, g.t, &again));
        check_same(&g.row, &again);
        row_finish(&again), buf_finish(&bytes), rig_finish(&g);
    }
}

Test(row_bytes, a_row_of_one_version_has_golden_bytes) {
    struct rig g = rig();
    struct buf bytes = {0};
    rig_put(&g, DOT(g.a, 7), 0x1122334455667788, NOTHING_KNOWN, "hi");
    encoded(&g, &bytes);
    /* version, form, one mark: a-1.1:7 and its stamp; one cell, a whole row: type string, for ever, "hi"; the checksum */
    bytes.n -= CHECKSUM;
    CHECK_HEX(bytes, "02 00 01 01 61 01 0100000000000000 07 8877665544332211 01 00 04 01 00 68 69");
    buf_finish(&bytes), rig_finish(&g);
}

Test(row_bytes, a_merged_row_of_one_event_has_its_dot_and_stamp_once) {
    struct rig g = rig();
    struct buf bytes = {0};
    struct delta_op ops[] = {op_field("f", "1"), op_field("g", "2")};
    rig_merge(&g, DOT(g.a, 7), 0x1122334455667788, NOTHING_KNOWN, 0, CONTENT_HASH, 2, ops);
    encoded(&g, &bytes);
    bytes.n -= CHECKSUM;
    CHECK_HEX(bytes, "02 01 01 01 61 01 0100000000000000 07 8877665544332211 02 02 01 66 01 31 02 01 67 01 32");
    buf_finish(&bytes), rig_finish(&g);
}

Test(row_bytes, hundreds_of_cells_and_marks_come_out_too) {
    struct rig g = rig();
    struct buf bytes = {0};
    struct row again = {0};
    for (uint64_t n = 1; n <= 300; n++) {
        char name[8];
        snprintf(name, sizeof name, "m%03u", (unsigned)(n / 2));
        struct delta_op op = op_member(name);
        rig_merge(&g, DOT(n % 2 ? g.a : g.b, n), n, NOTHING_KNOWN, 0, CONTENT_SET, 1, &op);
    }
    cr_assert(row_decode(encoded(&g, &bytes), true, g.t, &again));
    check_same(&g.row, &again);
    row_finish(&again), buf_finish(&bytes), rig_finish(&g);
}

Test(row_bytes, a_row_cut_anywhere_is_refused) {
    for (int merged = 0; merged < 2; merged++) {
        struct rig g = rig();
        struct buf bytes = {0};
        struct row again = {0};
        if (merged)
            make_merged(&g);
        else
            make_whole(&g);
        encoded(&g, &bytes);
        for (size_t n = 0; n < bytes.n; n++) {
            struct slice part = exact_copy(SLICE(bytes.p, n));
            cr_assert(!row_decode(part, true, g.t, &again));
            cr_assert_eq(again.cells_count, 0);
            free_copy(part);
        }
        row_finish(&again), buf_finish(&bytes), rig_finish(&g);
    }
}

Test(row_bytes, a_flipped_bit_anywhere_is_refused) {
    for (int merged = 0; merged < 2; merged++) {
        struct rig g = rig();
        struct buf bytes = {0};
        struct row again = {0};
        if (merged)
            make_merged(&g);
        else
            make_whole(&g);
        encoded(&g, &bytes);
        for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
            bytes.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert(!row_decode(buf_slice_of(&bytes), true, g.t, &again));
            bytes.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        row_finish(&again), buf_finish(&bytes), rig_finish(&g);
    }
}

static void sign(struct buf *b) {
    uint64_t sum = hash64(SLICE(b->p, b->n - CHECKSUM));
    for (int i = 0; i < CHECKSUM; i++) b->p[b->n - CHECKSUM + (size_t)i] = (uint8_t)(sum >> 8 * i);
}

/* Whoever can write checksums can write anything: it is refused, or it is a row in the one form that the same state has. */
Test(row_bytes, bytes_that_are_changed_and_signed_anew_are_refused_or_in_form, .timeout = 120) {
    uint64_t seed = 11;
    uint32_t refused = 0;
    for (int round = 0; round < 40000; round++) {
        struct rig g = rig();
        struct buf bytes = {0}, back = {0};
        struct row again = {0};
        if (round % 2)
            make_merged(&g);
        else
            make_whole(&g);
        encoded(&g, &bytes);
        for (uint64_t n = 1 + draw_below(&seed, 3); n > 0; n--) bytes.p[draw_below(&seed, bytes.n - CHECKSUM)] = (uint8_t)draw(&seed);
        if (draw_below(&seed, 4) == 0) bytes.n -= draw_below(&seed, bytes.n - CHECKSUM - 2);
        sign(&bytes);
        struct slice copy = exact_copy(buf_slice_of(&bytes));
        if (row_decode(copy, true, g.t, &again)) {
            row_encode(&again, g.t, &back);
            struct row third = {0};
            cr_assert(row_decode(buf_slice_of(&back), true, g.t, &third));
            check_same(&again, &third);
            row_finish(&third);
        } else
            refused++;
        row_decode(copy, false, g.t, &again); /* whatever comes of it, nothing is read that is not there */
        free_copy(copy);
        row_finish(&again), buf_finish(&bytes), buf_finish(&back), rig_finish(&g);
    }
    cr_assert_gt(refused, 10000);
}

/* ---- forms that must not be, each well signed ---- */

/* Writes head, marks of a:1, a:2 and b:1, and what `hex` says of the rest. */
static bool accepted(uint8_t version, uint8_t form, const char *hex) {
    struct rig g = rig();
    struct buf bytes = {0};
    struct row r = {0};
    const struct dot dots[] = {DOT(g.a, 1), DOT(g.a, 2), DOT(g.b, 1)};
    buf_u8(&bytes, version);
    buf_u8(&bytes, form);
    buf_varint(&bytes, 3);
    for (int i = 0; i < 3; i++) {
        dot_encode(g.t, dots[i], &bytes);
        buf_u64(&bytes, 5);
    }
    for (const char *h = hex; *h; h++) {
        unsigned byte;
        if (*h == ' ') continue;
        cr_assert_eq(sscanf(h++, "%2x", &byte), 1);
        buf_u8(&bytes, (uint8_t)byte);
    }
    buf_u64(&bytes, 0);
    sign(&bytes);
    bool good = row_decode(buf_slice_of(&bytes), true, g.t, &r);
    row_finish(&r), buf_finish(&bytes), rig_finish(&g);
    return good;
}

#define X "03 0100 78"                   /* a content: the string "x" */
#define D "01 62 01 0100000000000000 01" /* dot b:1 */

Test(row_bytes, forms_that_no_row_has_are_refused) {
    cr_assert(accepted(2, 0, "01 00 00" X), "one cell, one version, mark 0");
    cr_assert(!accepted(1, 0, "01 00 00" X), "another version of the encoding");
    cr_assert(!accepted(3, 0, "01 00 00" X));
    cr_assert(!accepted(2, 8, "01 00 00" X), "an unknown flag");
    cr_assert(!accepted(2, 0, "00"), "no cell");
    cr_assert(!accepted(2, 0, "01 00 03" X), "there is no such mark");
    cr_assert(!accepted(2, 0, "01 80 00" X), "an unknown flag of a cell");
    cr_assert(!accepted(2, 0, "01 05 00" X), "an unknown kind");
    cr_assert(!accepted(2, 0, "01 00 00" X "00"), "more than the row");
    cr_assert(!accepted(2, 0, "01 01 00 01 78"), "a string in a whole row");
    cr_assert(!accepted(2, 1, "01 00 00" X), "a whole row in a merged one");
    cr_assert(!accepted(2, 0, "02 00 00" X "00 01" X), "two whole cells");
    cr_assert(!accepted(2, 0, "01 00 00 02 09 78"), "a content that is none");
    cr_assert(accepted(2, 0, "01 08 02 00" X "02" X), "two siblings");
    cr_assert(!accepted(2, 0, "01 08 02 02" X "00" X), "not in order of dots");
    cr_assert(!accepted(2, 0, "01 08 02 00" X "00" X), "one dot twice");
    cr_assert(!accepted(2, 0, "01 08 ff01 00" X), "more versions than there are bytes");
    cr_assert(accepted(2, 1, "02 02 01 66 00 01 78 03 01 6d 00"), "a field and a member");
    cr_assert(!accepted(2, 1, "02 03 01 6d 00 02 01 66 00 01 78"), "not in order of cells");
    cr_assert(!accepted(2, 1, "02 02 01 66 00 01 78 02 01 66 00 01 78"), "one cell twice");
    cr_assert(accepted(2, 1, "01 04 00 08 0102030405060708"), "a time of expiry");
    cr_assert(accepted(2, 1, "01 04 00 00"), "for ever");
    cr_assert(!accepted(2, 1, "01 04 00 07 01020304050607"), "a time of another length");
    cr_assert(accepted(2, 2, "01 00 00" X "01 00" D), "a base without a version");
    cr_assert(accepted(2, 2, "01 00 00" X "01 01 01" X D), "a base");
    cr_assert(!accepted(2, 2, "01 00 00" X "01 01 09" X D), "a base of no mark");
    cr_assert(!accepted(2, 3, "01 01 00 01 78 01 00" D), "a base of a merged row");
    cr_assert(!accepted(2, 5, "01 01 00 01 78 0100000000000000 00"), "a merged row that was recorded");
    cr_assert(accepted(2, 4, "01 00 00" X "0100000000000000 00"), "one that was");
    cr_assert(accepted(2, 0, "01 40 00" X "00"), "answers, of which none is one");
    cr_assert(accepted(2, 0, "01 40 00" X "01 0900000000000000"), "an answer");
}

#define COUNT_A "01 61 01 0100000000000000 01 01 00000000000000000000000000000000 0500000000000000 00"
#define COUNT_B "01 62 01 0100000000000000 01 01 00000000000000000000000000000000 0500000000000000 00"

Test(row_bytes, counters_and_stacks_stand_only_where_they_may) {
    cr_assert(accepted(2, 1, "01 19 00 02" COUNT_A COUNT_B), "of a string, in order of origins");
    cr_assert(!accepted(2, 1, "01 19 00 02" COUNT_B COUNT_A));
    cr_assert(!accepted(2, 1, "01 19 00 02" COUNT_A COUNT_A), "one origin twice");
    cr_assert(!accepted(2, 1, "01 13 01 6d 00 01" COUNT_A), "of a member");
    cr_assert(!accepted(2, 1, "01 19 00 ff01" COUNT_A), "more than there are");
    cr_assert(!accepted(2, 1, "01 19 00 01 01 61 01"), "cut");
    cr_assert(accepted(2, 1, "01 21 00 01 78 01 00 01 01 61 01 0100000000000000 00 01"), "a stack of a string");
    cr_assert(!accepted(2, 1, "01 23 01 6d 00 01 00 01 01 61 01 0100000000000000 00 01"), "of a member");
    cr_assert(!accepted(2, 1, "01 24 00 00 01 00 01 01 61 01 0100000000000000 00 01"), "of an expiry");
    cr_assert(!accepted(2, 1, "01 21 00 01 78 01 00 01 01 61"), "cut");
}
