/* Joins: row states at two version vectors become the state at both, from either side. */
#include "rows.h"

#include <criterion/criterion.h>

TestSuite(join);

static void join(struct rig *into, const struct dot *into_vv, struct rig *from, const struct dot *from_vv, struct row *ret) {
    struct vv p = {0}, q = {0};
    for (; into_vv->n; into_vv++) vv_set(&p, into_vv->origin, into_vv->n);
    for (; from_vv->n; from_vv++) vv_set(&q, from_vv->origin, from_vv->n);
    row_join(&from->row, &q, &into->row, &p, ret, into->t);
    vv_finish(&p);
    vv_finish(&q);
}

Test(join, a_join_keeps_what_the_other_side_has_not_seen_and_drops_what_it_has_overwritten) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    rig_put(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&p, DOT(p.b, 1), 1, NOTHING_KNOWN, "y");
    rig_put(&q, DOT(q.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&q, DOT(q.a, 2), 2, NOTHING_KNOWN, "x2");
    join(&p, KNOWS(DOT(p.a, 1), DOT(p.b, 1)), &q, KNOWS(DOT(q.a, 2)), &both);
    cr_assert_eq(both.versions_count, 2);
    cr_assert(row_holds(&both, CELL_ROW, NONE, DOT(p.a, 2)) && row_holds(&both, CELL_ROW, NONE, DOT(p.b, 1)));
    const struct cell *c = row_cell(&both, CELL_ROW, NONE);
    cr_assert_neq(c->stack, 0);
    const struct row_block *e = blocks_episode_of(&both.stacks[c->stack - 1], DOT(p.b, 1));
    cr_assert_not_null(e, "they are one episode");
    cr_assert(block_holds(&both.stacks[c->stack - 1], e, DOT(p.a, 1)));
    join(&q, KNOWS(DOT(q.a, 2)), &p, KNOWS(DOT(p.a, 1), DOT(p.b, 1)), &both);
    cr_assert_eq(both.versions_count, 2, "from either side");
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, a_join_with_a_side_that_has_collected_the_row_drops_it) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    rig_put(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, "x");
    join(&p, KNOWS(DOT(p.a, 1)), &q, KNOWS(DOT(p.a, 2)), &both);
    cr_assert_eq(both.versions_count, 0);
    join(&p, KNOWS(DOT(p.a, 1)), &q, NOTHING_KNOWN, &both);
    cr_assert_eq(both.versions_count, 1);
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, counters_join_entry_by_entry) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    struct dot a = DOT(p.a, 1), b = DOT(p.b, 1), c = DOT(p.c, 1), b2 = DOT(p.b, 2);
    struct delta_op at_a = op_count(CELL_STRING, "", a, 1, 1), at_b = op_count(CELL_STRING, "", b, 1, 10),
                    at_c = op_count(CELL_STRING, "", c, 1, 100), more = op_count(CELL_STRING, "", b2, 1, 1010);
    rig_merge(&p, a, 1, NOTHING_KNOWN, 0, CONTENT_STRING, 1, &at_a);
    rig_merge(&p, b, 1, NOTHING_KNOWN, 0, CONTENT_STRING, 1, &at_b);
    rig_merge(&q, b, 1, NOTHING_KNOWN, 0, CONTENT_STRING, 1, &at_b);
    rig_merge(&q, b2, 2, NOTHING_KNOWN, 0, CONTENT_STRING, 1, &more);
    rig_merge(&q, c, 1, NOTHING_KNOWN, 0, CONTENT_STRING, 1, &at_c);
    join(&p, KNOWS(a, b), &q, KNOWS(b2, c), &both);
    cr_assert_eq(counters_sum(both.counters, both.counters_count), AMOUNT(1111));
    join(&p, KNOWS(a, b), &q, KNOWS(DOT(p.a, 1), b2, c), &both);
    cr_assert_eq(counters_sum(both.counters, both.counters_count), AMOUNT(1110), "q has collected what a had counted");
    join(&q, KNOWS(DOT(p.a, 1), b2, c), &p, KNOWS(a, b), &both);
    cr_assert_eq(counters_sum(both.counters, both.counters_count), AMOUNT(1110));
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, members_and_fields_join_cell_by_cell) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    struct delta_op one = op_member("one"), two = op_member("two"), f = op_field("f", "v");
    rig_merge(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &one);
    rig_merge(&p, DOT(p.a, 2), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &f);
    rig_merge(&q, DOT(q.b, 1), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &two);
    join(&p, KNOWS(DOT(p.a, 2)), &q, KNOWS(DOT(q.b, 1)), &both);
    cr_assert_eq(both.cells_count, 3);
    cr_assert_eq(both.form, ROW_MERGED);
    join(&p, KNOWS(DOT(p.a, 2)), &q, KNOWS(DOT(q.b, 1), DOT(q.a, 1)), &both);
    cr_assert_eq(both.cells_count, 2, "q has removed member one");
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, of_two_forms_the_later_one_joins) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    struct delta_op f = op_field("f", "v");
    rig_merge(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &f);
    rig_merge(&q, DOT(q.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &f);
    rig_put(&q, DOT(q.a, 2), 2, NOTHING_KNOWN, "whole now");
    join(&p, KNOWS(DOT(p.a, 1)), &q, KNOWS(DOT(q.a, 2)), &both);
    cr_assert_eq(both.form, ROW_WHOLE);
    cr_assert_eq(both.versions_count, 1);
    join(&q, KNOWS(DOT(q.a, 2)), &p, KNOWS(DOT(p.a, 1)), &both);
    cr_assert_eq(both.form, ROW_WHOLE);
    cr_assert_eq(both.versions_count, 1);
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, bases_and_what_was_recorded_join_too) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    p.keep_below = q.keep_below = true;
    for (struct rig *g = &p; g; g = g == &p ? &q : NULL) {
        rig_put(g, DOT(g->a, 1), 1, NOTHING_KNOWN, "base");
        rig_put(g, DOT(g->a, 2), 2, NOTHING_KNOWN, "x");
        rig_put(g, DOT(g->b, 1), 2, KNOWS(DOT(g->a, 1)), "y");
    }
    rig_record(&q, DOT(q.c, 1), NOTHING_KNOWN, KNOWS(DOT(q.a, 2), DOT(q.b, 1)));
    join(&p, KNOWS(DOT(p.a, 2), DOT(p.b, 1)), &q, KNOWS(DOT(p.a, 2), DOT(p.b, 1), DOT(q.c, 1)), &both);
    cr_assert_eq(both.below_count, p.row.below_count);
    cr_assert_eq(both.recorded, q.row.recorded);
    cr_assert_not_null(row_base(&both));
    join(&q, KNOWS(DOT(p.a, 2), DOT(p.b, 1), DOT(q.c, 1)), &p, KNOWS(DOT(p.a, 2), DOT(p.b, 1)), &both);
    cr_assert_eq(both.recorded, q.row.recorded);
    rig_put(&p, DOT(p.c, 2), 5, NOTHING_KNOWN, "z");
    join(&p, KNOWS(DOT(p.a, 2), DOT(p.b, 1), DOT(p.c, 2)), &q, KNOWS(DOT(p.a, 2), DOT(p.b, 1), DOT(q.c, 1)), &both);
    cr_assert_eq(both.recorded, 0, "these are other siblings");
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, a_base_that_came_from_two_versions_stays_none_after_a_join) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    for (struct rig *g = &p; g; g = g == &p ? &q : NULL) {
        g->keep_below = true;
        rig_put(g, DOT(g->a, 1), 1, NOTHING_KNOWN, "one");
        rig_put(g, DOT(g->b, 1), 1, NOTHING_KNOWN, "two");
        vv_set(&g->stable, g->a, 1);
        vv_set(&g->stable, g->b, 1);
        rig_put(g, DOT(g->a, 2), 2, KNOWS(DOT(g->b, 1)), "x");
    }
    rig_put(&q, DOT(q.c, 1), 2, KNOWS(DOT(q.a, 1), DOT(q.b, 1)), "y");
    cr_assert_null(row_base(&q.row));
    join(&p, KNOWS(DOT(p.a, 2), DOT(p.b, 1)), &q, KNOWS(DOT(q.a, 2), DOT(q.b, 1), DOT(q.c, 1)), &both);
    cr_assert_null(row_base(&both));
    cr_assert_eq(both.below_count, q.row.below_count);
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, a_base_that_both_sides_of_a_join_know_is_one) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    p.keep_below = q.keep_below = true;
    rig_put(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, "base");
    rig_put(&q, DOT(q.a, 1), 1, NOTHING_KNOWN, "base");
    rig_put(&p, DOT(p.a, 2), 2, NOTHING_KNOWN, "x");
    rig_put(&q, DOT(q.b, 1), 2, KNOWS(DOT(q.a, 1)), "y");
    join(&p, KNOWS(DOT(p.a, 2)), &q, KNOWS(DOT(q.a, 1), DOT(q.b, 1)), &both);
    const struct version *base = row_base(&both);
    cr_assert_not_null(base);
    cr_assert(slice_equal(content_string(base->content), slice_text("base")));
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, a_join_keeps_cells_of_which_only_a_stack_or_a_counter_is_left) {
    struct rig p = rig(), q = rig();
    struct row both = {0};
    struct delta_op f = op_field("f", "1"), gone = op_remove(CELL_FIELD, "f"), n = op_count(CELL_FIELD, "n", DOT(p.b, 1), 1, 1);
    rig_merge(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &f);
    rig_merge(&p, DOT(p.a, 2), 2, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &gone);
    rig_merge(&q, DOT(q.b, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &n);
    join(&p, KNOWS(DOT(p.a, 2)), &q, KNOWS(DOT(q.b, 1)), &both);
    cr_assert_eq(both.cells_count, 2);
    cr_assert_neq(row_cell(&both, CELL_FIELD, slice_text("f"))->stack, 0);
    cr_assert_eq(row_cell(&both, CELL_FIELD, slice_text("n"))->counters_count, 1);
    row_finish(&both), rig_finish(&p), rig_finish(&q);
}

Test(join, of_two_reasons_for_a_record_the_same_one_stays_in_every_order) {
    struct slice kept[2];
    struct rig g[2] = {rig(), rig()};
    for (int order = 0; order < 2; order++) {
        rig_put(&g[order], DOT(g->a, 1), 1, NOTHING_KNOWN, "x");
        rig_put(&g[order], DOT(g->b, 1), 1, NOTHING_KNOWN, "y");
        for (int i = 0; i < 2; i++) {
            struct buf why = {0};
            hash_content(&why, 0, (const char *const[]){"reason", i == order ? "crashed" : "looped", NULL});
            rig_apply(&g[order], DOT(g->c, (uint64_t)i + 1), 5, NOTHING_KNOWN, KNOWS(DOT(g->a, 1), DOT(g->b, 1)),
                      &(struct change){.op = CHANGE_RECORD, .content = rig_keep(&g[order], why)});
        }
        kept[order] = g[order].row.recorded_why;
    }
    cr_assert(slice_equal(kept[0], kept[1]));
    struct row both = {0};
    g[0].row.recorded_why = rig_text(&g[0], "another", 0);
    join(&g[0], KNOWS(DOT(g->a, 1), DOT(g->b, 1)), &g[1], KNOWS(DOT(g->a, 1), DOT(g->b, 1)), &both);
    struct buf one = {0}, other = {0};
    buf_put(&one, both.recorded_why.p, both.recorded_why.n);
    join(&g[1], KNOWS(DOT(g->a, 1), DOT(g->b, 1)), &g[0], KNOWS(DOT(g->a, 1), DOT(g->b, 1)), &both);
    buf_put(&other, both.recorded_why.p, both.recorded_why.n);
    cr_assert(slice_equal(buf_slice_of(&one), buf_slice_of(&other)));
    buf_finish(&one), buf_finish(&other), row_finish(&both), rig_finish(&g[0]), rig_finish(&g[1]);
}
