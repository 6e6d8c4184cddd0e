/* Merged rows: registers, counters, sets, expiry, types, and rows that change their form; what readers see of them. */
#include "rows.h"

#include <criterion/criterion.h>

TestSuite(merge);

static bool reads(struct rig *g, const char *text) { return slice_equal(rig_view(g, POLICY_MERGE, NULL), slice_text(text)); }

static bool reads_hash(struct rig *g, const char *const *words) {
    struct buf expected = {0};
    bool same = slice_equal(rig_view(g, POLICY_MERGE, NULL), hash_content(&expected, 0, words));
    buf_finish(&expected);
    return same;
}

static bool reads_members(struct rig *g, const char *one, const char *other) {
    struct content_column columns[] = {{slice_text(one), NONE}, {slice_text(other ? other : one), NONE}};
    struct buf expected = {0};
    content_make(&expected, CONTENT_SET, 0, columns, 2);
    bool same = slice_equal(rig_view(g, POLICY_MERGE, NULL), buf_slice_of(&expected));
    buf_finish(&expected);
    return same;
}

static void merge_one(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, enum content_type type, struct delta_op op) {
    rig_merge(g, self, stamp, knows, 0, type, 1, &op);
}

/* ---- registers ---- */

Test(merge, of_concurrent_registers_the_last_writer_is_read_and_both_stay) {
    struct rig g = rig();
    merge_one(&g, DOT(g.b, 1), 5, NOTHING_KNOWN, CONTENT_STRING, op_string("earlier"));
    merge_one(&g, DOT(g.a, 1), 7, NOTHING_KNOWN, CONTENT_STRING, op_string("later"));
    cr_assert_eq(g.row.versions_count, 2);
    cr_assert(reads(&g, "later"));
    cr_assert(row_open(&g.row));
    cr_assert_eq(g.news.cells_count, 1);
    cr_assert_eq(g.news.cells[0].kind, CELL_STRING);
    merge_one(&g, DOT(g.c, 1), 8, KNOWS(DOT(g.a, 1), DOT(g.b, 1)), CONTENT_STRING, op_string("settled"));
    cr_assert_eq(g.row.versions_count, 1);
    cr_assert_eq(g.news.lost_count, 2);
    cr_assert(!row_open(&g.row));
    rig_finish(&g);
}

Test(merge, of_equal_stamps_the_greater_origin_is_read) {
    struct rig g = rig();
    merge_one(&g, DOT(g.c, 1), 5, NOTHING_KNOWN, CONTENT_STRING, op_string("c"));
    merge_one(&g, DOT(g.a, 1), 5, NOTHING_KNOWN, CONTENT_STRING, op_string("a"));
    cr_assert(reads(&g, "c"));
    rig_finish(&g);
}

Test(merge, columns_are_written_on_their_own) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_HASH, op_field("name", "Alice"));
    merge_one(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), CONTENT_HASH, op_field("city", "Bern"));
    merge_one(&g, DOT(g.c, 1), 2, KNOWS(DOT(g.a, 1)), CONTENT_HASH, op_field("name", "Alice Smith"));
    cr_assert(reads_hash(&g, (const char *const[]){"name", "Alice Smith", "city", "Bern", NULL}));
    cr_assert_eq(g.news.cells_count, 0, "nothing collided");
    merge_one(&g, DOT(g.a, 2), 3, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), CONTENT_HASH, op_remove(CELL_FIELD, "name"));
    cr_assert(reads_hash(&g, (const char *const[]){"city", "Bern", NULL}));
    rig_finish(&g);
}

Test(merge, a_column_that_was_written_elsewhere_survives_its_removal_and_the_row_its_delete) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_HASH, op_field("f", "old"));
    merge_one(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), CONTENT_HASH, op_field("f", "new"));
    merge_one(&g, DOT(g.a, 2), 3, NOTHING_KNOWN, CONTENT_HASH, op_remove(CELL_FIELD, "f"));
    cr_assert(reads_hash(&g, (const char *const[]){"f", "new", NULL}));
    rig_merge(&g, DOT(g.c, 1), 4, KNOWS(DOT(g.a, 2)), DELTA_CLEAR, CONTENT_NONE, 0, NULL);
    cr_assert(reads_hash(&g, (const char *const[]){"f", "new", NULL}));
    rig_merge(&g, DOT(g.c, 2), 5, KNOWS(DOT(g.a, 2), DOT(g.b, 1)), DELTA_CLEAR, CONTENT_NONE, 0, NULL);
    cr_assert(reads(&g, "(deleted)"));
    rig_finish(&g);
}

Test(merge, what_a_client_had_not_seen_stays_beside_what_it_writes) {
    struct rig g = rig();
    struct delta_op op = op_string("second");
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_STRING, op_string("first"));
    rig_merge_unseen(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, KNOWS(DOT(g.a, 1)), DELTA_CLEAR, CONTENT_STRING, 1, &op);
    cr_assert_eq(g.row.versions_count, 2);
    rig_finish(&g);
}

/* ---- sets ---- */

Test(merge, an_addition_wins_over_a_concurrent_removal) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_SET, op_member("m"));
    merge_one(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), CONTENT_SET, op_member("m"));
    merge_one(&g, DOT(g.a, 2), 3, NOTHING_KNOWN, CONTENT_SET, op_remove(CELL_MEMBER, "m"));
    cr_assert(reads_members(&g, "m", NULL));
    merge_one(&g, DOT(g.c, 1), 4, NOTHING_KNOWN, CONTENT_SET, op_member("n"));
    cr_assert(reads_members(&g, "m", "n"));
    cr_assert_eq(g.news.cells_count, 0, "sets have no episodes");
    merge_one(&g, DOT(g.c, 2), 5, KNOWS(DOT(g.b, 1)), CONTENT_SET, op_remove(CELL_MEMBER, "m"));
    cr_assert(reads_members(&g, "n", NULL));
    rig_finish(&g);
}

/* ---- counters ---- */

static void count(struct rig *g, struct dot self, const struct dot *knows, uint64_t birth, int64_t total) {
    merge_one(g, self, self.n, knows, CONTENT_STRING, op_count(CELL_STRING, "", self, birth, total));
}

/* A delete that saw these totals. */
static void delete_seen(struct rig *g, struct dot self, const struct dot *knows, uint32_t n, const struct counter_reset *seen) {
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_RESET, .resets = seen, .resets_count = n};
    rig_merge(g, self, 9, knows, DELTA_CLEAR, CONTENT_NONE, n > 0, &op);
}

Test(merge, counters_lose_no_increment_in_any_order) {
    for (int order = 0; order < 2; order++) {
        struct rig g = rig();
        if (order) count(&g, DOT(g.c, 1), NOTHING_KNOWN, 1, -2);
        count(&g, DOT(g.a, 1), NOTHING_KNOWN, 1, 5);
        count(&g, DOT(g.b, 1), NOTHING_KNOWN, 1, 7);
        count(&g, DOT(g.a, 2), NOTHING_KNOWN, 1, 8);
        if (!order) count(&g, DOT(g.c, 1), NOTHING_KNOWN, 1, -2);
        cr_assert(reads(&g, "13"));
        cr_assert_eq(g.row.counters[0].origin, g.a, "in canonical order");
        cr_assert_eq(g.row.counters[2].origin, g.c);
        cr_assert(row_counts(&g.row));
        rig_finish(&g);
    }
}

Test(merge, a_delete_takes_the_increments_it_saw_and_no_others) {
    struct rig g = rig();
    count(&g, DOT(g.a, 1), NOTHING_KNOWN, 1, 5);
    count(&g, DOT(g.a, 2), NOTHING_KNOWN, 1, 8);
    count(&g, DOT(g.b, 1), NOTHING_KNOWN, 1, 1);
    struct counter_reset saw_five = {g.a, 1, 1, AMOUNT(5)};
    delete_seen(&g, DOT(g.c, 1), KNOWS(DOT(g.a, 1)), 1, &saw_five);
    cr_assert(reads(&g, "4"), "+3 and +1 were not seen");
    delete_seen(&g, DOT(g.b, 2), KNOWS(DOT(g.a, 1)), 1, &saw_five);
    cr_assert(reads(&g, "4"), "two deletes of the same take it once");
    struct counter_reset all[] = {{g.a, 1, 2, AMOUNT(8)}, {g.b, 1, 1, AMOUNT(1)}};
    delete_seen(&g, DOT(g.c, 2), KNOWS(DOT(g.a, 2), DOT(g.b, 2)), 2, all);
    cr_assert(reads(&g, "(deleted)"));
    count(&g, DOT(g.c, 3), KNOWS(DOT(g.a, 2), DOT(g.b, 2)), 3, 4);
    cr_assert(reads(&g, "4"));
    rig_finish(&g);
}

Test(merge, entries_that_are_wholly_reset_go_when_the_reset_is_stable) {
    struct rig g = rig();
    count(&g, DOT(g.a, 1), NOTHING_KNOWN, 1, 5);
    struct counter_reset seen = {g.a, 1, 1, AMOUNT(5)};
    delete_seen(&g, DOT(g.b, 1), KNOWS(DOT(g.a, 1)), 1, &seen);
    cr_assert_eq(g.row.counters_count, 1);
    count(&g, DOT(g.c, 1), NOTHING_KNOWN, 1, 1);
    cr_assert_eq(g.row.counters_count, 2);
    vv_set(&g.stable, g.b, 1);
    count(&g, DOT(g.c, 2), NOTHING_KNOWN, 1, 2);
    cr_assert_eq(g.row.counters_count, 1);
    count(&g, DOT(g.a, 2), KNOWS(DOT(g.b, 1)), 2, 3);
    cr_assert(reads(&g, "5"), "it begins anew");
    rig_finish(&g);
}

Test(merge, a_number_is_its_register_and_what_was_counted) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_STRING, op_string("10"));
    count(&g, DOT(g.b, 1), KNOWS(DOT(g.a, 1)), 1, 5);
    cr_assert(reads(&g, "15"));
    merge_one(&g, DOT(g.a, 2), 3, NOTHING_KNOWN, CONTENT_STRING, op_string("text"));
    cr_assert(reads(&g, "5"), "a register that is no number counts as 0");
    struct counter_reset seen = {g.b, 1, 1, AMOUNT(5)};
    struct delta_op set = op_string("20");
    set.flags |= OP_RESET;
    set.resets = &seen;
    set.resets_count = 1;
    merge_one(&g, DOT(g.c, 1), 4, KNOWS(DOT(g.a, 2), DOT(g.b, 1)), CONTENT_STRING, set);
    cr_assert(reads(&g, "20"));
    rig_finish(&g);
}

Test(merge, columns_count_too) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_HASH, op_count(CELL_FIELD, "n", DOT(g.a, 1), 1, 3));
    merge_one(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, CONTENT_HASH, op_count(CELL_FIELD, "n", DOT(g.b, 1), 1, 4));
    merge_one(&g, DOT(g.c, 1), 1, NOTHING_KNOWN, CONTENT_HASH, op_field("f", "v"));
    cr_assert(reads_hash(&g, (const char *const[]){"f", "v", "n", "7", NULL}));
    rig_finish(&g);
}

/* ---- expiry ---- */

Test(merge, of_concurrent_times_of_expiry_the_longest_counts_and_for_ever_is_longer) {
    struct rig g = rig();
    uint8_t room[8];
    struct delta_op set[] = {op_string("x"), op_expiry(1000, room)};
    rig_merge(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, DELTA_CLEAR, CONTENT_STRING, 2, set);
    cr_assert_eq(row_expires_ms(&g.row), 1000);
    merge_one(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), CONTENT_NONE, op_expiry(5000, room));
    merge_one(&g, DOT(g.c, 1), 3, KNOWS(DOT(g.a, 1)), CONTENT_NONE, op_expiry(3000, room));
    cr_assert_eq(row_expires_ms(&g.row), 5000);
    cr_assert_eq(content_expires_ms(row_view(&g.row, &(struct table_rule){.policy = POLICY_MERGE}, NULL, g.t, &g.scratch).content), 5000);
    merge_one(&g, DOT(g.a, 2), 4, NOTHING_KNOWN, CONTENT_NONE, op_expiry(0, room));
    cr_assert_eq(row_expires_ms(&g.row), 0);
    merge_one(&g, DOT(g.b, 2), 5, KNOWS(DOT(g.a, 2), DOT(g.c, 1)), CONTENT_NONE, op_expiry(7000, room));
    cr_assert_eq(row_expires_ms(&g.row), 7000);
    rig_merge(&g, DOT(g.c, 2), 6, KNOWS(DOT(g.a, 2)), DELTA_CLEAR, CONTENT_NONE, 0, NULL);
    cr_assert(!row_live(&g.row), "a time of expiry alone is no row");
    cr_assert(reads(&g, "(deleted)"));
    rig_finish(&g);
}

Test(merge, a_row_that_never_got_one_has_no_expiry) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_SET, op_member("m"));
    cr_assert_eq(row_expires_ms(&g.row), 0);
    rig_finish(&g);
}

/* ---- types ---- */

Test(merge, of_elements_of_several_types_the_greatest_shows_its_type) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, CONTENT_HASH, op_field("f", "v"));
    cr_assert(!row_types_collide(&g.row));
    merge_one(&g, DOT(g.b, 1), 20, NOTHING_KNOWN, CONTENT_SET, op_member("m"));
    cr_assert(row_types_collide(&g.row));
    cr_assert(!g.news.types_before && g.news.types_after);
    cr_assert(reads_members(&g, "m", NULL));
    merge_one(&g, DOT(g.c, 1), 30, NOTHING_KNOWN, CONTENT_STRING, op_count(CELL_STRING, "", DOT(g.c, 1), 1, 6));
    cr_assert(reads(&g, "6"), "an increment is an element too");
    rig_finish(&g);
}

Test(merge, a_write_covers_elements_of_other_types_so_that_they_never_come_up_again) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, CONTENT_HASH, op_field("f", "v"));
    merge_one(&g, DOT(g.b, 1), 20, NOTHING_KNOWN, CONTENT_SET, op_member("m"));
    merge_one(&g, DOT(g.b, 2), 30, KNOWS(DOT(g.a, 1)), CONTENT_SET, op_member("n"));
    cr_assert_eq(g.news.lost_count, 1);
    cr_assert(g.news.lost[0].by_type);
    cr_assert(slice_equal(g.news.lost[0].name, slice_text("f")));
    cr_assert(g.news.types_before && !g.news.types_after);
    struct delta_op gone[] = {op_remove(CELL_MEMBER, "m"), op_remove(CELL_MEMBER, "n")};
    rig_merge(&g, DOT(g.b, 3), 40, NOTHING_KNOWN, 0, CONTENT_SET, 2, gone);
    cr_assert(reads(&g, "(deleted)"));
    rig_finish(&g);
}

Test(merge, a_hidden_element_that_a_write_of_its_own_type_clears_is_lost_too) {
    struct rig g = rig();
    struct delta_op again = op_string("again");
    merge_one(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, CONTENT_STRING, op_string("hidden"));
    merge_one(&g, DOT(g.b, 1), 20, NOTHING_KNOWN, CONTENT_SET, op_member("shown"));
    rig_merge(&g, DOT(g.a, 2), 30, KNOWS(DOT(g.b, 1)), DELTA_CLEAR, CONTENT_STRING, 1, &again);
    bool told = false;
    for (uint32_t i = 0; i < g.news.lost_count; i++) told |= dot_equal(g.news.lost[i].v.dot, DOT(g.a, 1)) && g.news.lost[i].kind == CELL_STRING;
    cr_assert(told, "who wrote saw a set, and the string left with its value");
    rig_finish(&g);
}

/* ---- forms ---- */

Test(merge, a_whole_write_covers_a_merged_row_wholly) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_STRING, op_string("x"));
    merge_one(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, CONTENT_STRING, op_string("y"));
    merge_one(&g, DOT(g.b, 2), 2, KNOWS(DOT(g.a, 1)), CONTENT_NONE, op_member("m"));
    count(&g, DOT(g.c, 1), NOTHING_KNOWN, 1, 2);
    rig_put(&g, DOT(g.a, 2), 5, KNOWS(DOT(g.b, 2), DOT(g.c, 1)), "whole");
    cr_assert_eq(g.row.form, ROW_WHOLE);
    cr_assert_eq(g.row.versions_count, 1);
    cr_assert_eq(g.row.counters_count, 0);
    cr_assert_geq(g.news.cells_count, 1, "the episode of its register has closed");
    cr_assert_null(g.news.cells[0].after);
    cr_assert(g.news.cells[0].open_before && !g.news.cells[0].open_after);
    cr_assert_eq(g.news.lost_count, 2);
    rig_finish(&g);
}

static void put_content(struct rig *g, struct dot self, stamp_t stamp, const struct dot *knows, struct buf content) {
    rig_apply(g, self, stamp, knows, NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_keep(g, content)});
}

Test(merge, siblings_of_a_whole_row_become_cells_each_with_its_versions_dot) {
    struct rig g = rig();
    struct buf hash = {0}, other = {0}, set = {0};
    hash_content(&hash, 1000, (const char *const[]){"f", "1", "g", "2", NULL});
    hash_content(&other, 3000, (const char *const[]){"f", "9", NULL});
    content_make(&set, CONTENT_SET, 0, (struct content_column[]){{slice_text("m"), NONE}}, 1);
    put_content(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, hash);
    put_content(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, other);
    rig_delete(&g, DOT(g.c, 1), 3, NOTHING_KNOWN);
    struct row cells = {0};
    row_as_merged(&g.row, &cells, g.t);
    cr_assert_eq(cells.form, ROW_MERGED);
    cr_assert_eq(cells.cells_count, 3, "f, g and the expiry; a tombstone leaves nothing");
    cr_assert(row_holds(&cells, CELL_FIELD, slice_text("f"), DOT(g.a, 1)) && row_holds(&cells, CELL_FIELD, slice_text("f"), DOT(g.b, 1)));
    cr_assert(row_holds(&cells, CELL_FIELD, slice_text("g"), DOT(g.a, 1)));
    cr_assert_eq(row_expires_ms(&cells), 3000);
    const struct cell *f = row_cell(&cells, CELL_FIELD, slice_text("f"));
    cr_assert_not_null(blocks_episode_of(&cells.stacks[f->stack - 1], DOT(g.a, 1)), "both were concurrent");
    row_finish(&cells);
    merge_one(&g, DOT(g.a, 2), 4, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), CONTENT_HASH, op_field("h", "3"));
    cr_assert_eq(g.row.form, ROW_MERGED);
    cr_assert_eq(g.row.cells_count, 4);
    put_content(&g, DOT(g.a, 3), 5, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), set);
    merge_one(&g, DOT(g.a, 4), 6, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), CONTENT_SET, op_member("n"));
    cr_assert(reads_members(&g, "m", "n"));
    rig_finish(&g);
}

Test(merge, a_whole_row_whose_table_merges_now_reads_as_its_cells) {
    struct rig g = rig();
    struct buf hash = {0}, other = {0};
    hash_content(&hash, 0, (const char *const[]){"f", "1", NULL});
    hash_content(&other, 0, (const char *const[]){"g", "2", NULL});
    put_content(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, hash);
    cr_assert(reads_hash(&g, (const char *const[]){"f", "1", NULL}));
    put_content(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, other);
    cr_assert(reads_hash(&g, (const char *const[]){"f", "1", "g", "2", NULL}));
    cr_assert_eq(g.row.form, ROW_WHOLE, "to read it changes nothing");
    rig_delete(&g, DOT(g.c, 1), 9, KNOWS(DOT(g.a, 1), DOT(g.b, 1)));
    rig_delete(&g, DOT(g.a, 2), 9, KNOWS(DOT(g.b, 1)));
    cr_assert(reads(&g, "(deleted)"));
    rig_finish(&g);
}

/* ---- what is rare ---- */

Test(merge, many_counters_and_many_columns_at_once) {
    struct rig g = rig();
    for (uint32_t i = 0; i < 9; i++) {
        char name[4] = {'d', (char)('0' + i), 0};
        struct dot self = DOT(row_origin(g.t, name), 1);
        count(&g, self, NOTHING_KNOWN, 1, i);
    }
    cr_assert(reads(&g, "36"));
    struct delta_op fields[7], others[7];
    char names[7][2];
    for (int i = 0; i < 7; i++) {
        snprintf(names[i], sizeof names[i], "%c", 'a' + i);
        fields[i] = op_field(names[i], "1");
        others[i] = op_field(names[i], "2");
    }
    rig_merge(&g, DOT(g.a, 1), 50, NOTHING_KNOWN, 0, CONTENT_NONE, 7, fields);
    rig_merge(&g, DOT(g.b, 1), 51, NOTHING_KNOWN, 0, CONTENT_NONE, 7, others);
    cr_assert_eq(g.news.cells_count, 7, "an episode in each column");
    for (int i = 0; i < 7; i++) cr_assert_not_null(blocks_episode_of(g.news.cells[i].after, DOT(g.a, 1)));
    rig_finish(&g);
}

Test(merge, the_shown_type_goes_by_the_greatest_of_all_elements_whatever_their_order) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 40, NOTHING_KNOWN, CONTENT_NONE, op_string("first"));
    merge_one(&g, DOT(g.b, 1), 30, NOTHING_KNOWN, CONTENT_NONE, op_string("second"));
    count(&g, DOT(g.c, 1), NOTHING_KNOWN, 1, 1);
    count(&g, DOT(g.a, 2), NOTHING_KNOWN, 2, 1);
    merge_one(&g, DOT(g.b, 2), 35, NOTHING_KNOWN, CONTENT_NONE, op_member("m"));
    cr_assert(reads(&g, "2"), "`first` is the greatest: a string, no number, and two increments");
    merge_one(&g, DOT(g.c, 2), 60, NOTHING_KNOWN, CONTENT_NONE, op_member("n"));
    cr_assert(reads_members(&g, "m", "n"));
    struct counter_reset seen[] = {{g.a, 2, 2, AMOUNT(1)}, {g.c, 1, 1, AMOUNT(1)}};
    struct delta_op reset = {.kind = CELL_STRING, .flags = OP_RESET, .resets = seen, .resets_count = 2};
    merge_one(&g, DOT(g.b, 3), 61, KNOWS(DOT(g.a, 2), DOT(g.c, 1)), CONTENT_NONE, reset);
    cr_assert(reads_members(&g, "m", "n"), "counters that do not count are no elements");
    rig_finish(&g);
}

Test(merge, a_long_hash_and_concurrent_strings_become_cells) {
    struct rig g = rig();
    struct buf long_hash = {0};
    struct content_column columns[40];
    char names[40][16];
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "%02d", i);
        columns[i] = (struct content_column){slice_text(names[i]), slice_text("v")};
    }
    content_make(&long_hash, CONTENT_HASH, 0, columns, 40);
    put_content(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, long_hash);
    rig_put(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, "one");
    rig_put(&g, DOT(g.c, 1), 3, NOTHING_KNOWN, "two");
    struct row cells = {0};
    row_as_merged(&g.row, &cells, g.t);
    cr_assert_eq(cells.cells_count, 42);
    cr_assert(row_types_collide(&cells));
    const struct cell *s = row_cell(&cells, CELL_STRING, NONE);
    cr_assert_eq(s->count, 2);
    cr_assert_neq(s->stack, 0);
    row_finish(&cells);
    merge_one(&g, DOT(g.a, 2), 9, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), CONTENT_STRING, op_string("settled"));
    cr_assert(reads(&g, "settled"));
    bool closed = false, opened_nothing = true;
    for (uint32_t i = 0; i < g.news.cells_count; i++) {
        const struct cell_news *n = &g.news.cells[i];
        closed |= n->kind == CELL_ROW && n->open_before && !n->open_after;
        opened_nothing &= n->kind == CELL_ROW || n->before == NULL;
    }
    cr_assert(closed, "the whole row's episode has closed");
    cr_assert(opened_nothing);
    rig_finish(&g);
}

Test(merge, what_a_client_had_not_seen_of_a_merged_row_is_lost_when_its_form_changes) {
    struct rig g = rig();
    struct change whole = {.op = CHANGE_PUT, .content = rig_text(&g, "whole", 0)};
    merge_one(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, CONTENT_STRING, op_string("x"));
    merge_one(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, CONTENT_STRING, op_string("y"));
    rig_apply(&g, DOT(g.b, 1), 3, KNOWS(DOT(g.a, 2)), KNOWS(DOT(g.a, 2)), &whole);
    cr_assert_eq(g.row.form, ROW_WHOLE);
    cr_assert_eq(g.news.lost_count, 1);
    cr_assert(slice_equal(g.news.lost[0].v.content, slice_text("y")));
    rig_finish(&g);
}

Test(merge, elements_that_come_after_a_greater_one_change_nothing_of_what_is_shown) {
    struct rig g = rig();
    uint8_t room[8];
    merge_one(&g, DOT(g.a, 1), 40, NOTHING_KNOWN, CONTENT_NONE, op_field("f", "1"));
    merge_one(&g, DOT(g.b, 1), 30, NOTHING_KNOWN, CONTENT_NONE, op_field("f", "2"));
    merge_one(&g, DOT(g.a, 2), 20, NOTHING_KNOWN, CONTENT_NONE, op_count(CELL_FIELD, "n", DOT(g.a, 2), 2, 1));
    merge_one(&g, DOT(g.b, 2), 10, NOTHING_KNOWN, CONTENT_NONE, op_count(CELL_FIELD, "n", DOT(g.b, 2), 2, 1));
    merge_one(&g, DOT(g.c, 1), 15, NOTHING_KNOWN, CONTENT_NONE, op_member("m"));
    merge_one(&g, DOT(g.c, 2), 16, NOTHING_KNOWN, CONTENT_NONE, op_expiry(9000, room));
    cr_assert_eq(content_type(rig_view(&g, POLICY_MERGE, NULL)), CONTENT_HASH);
    rig_merge(&g, DOT(g.c, 3), 50, KNOWS(DOT(g.a, 1), DOT(g.b, 1)), DELTA_CLEAR, CONTENT_NONE, 0, NULL);
    for (uint32_t i = 0; i < g.news.lost_count; i++) cr_assert_neq(g.news.lost[i].kind, CELL_EXPIRY, "a time of expiry is no loss");
    rig_finish(&g);
}

Test(merge, elements_that_come_after_lesser_ones_take_over_what_is_shown) {
    struct rig g = rig();
    merge_one(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, CONTENT_NONE, op_field("f", "1"));
    merge_one(&g, DOT(g.b, 1), 30, NOTHING_KNOWN, CONTENT_NONE, op_field("f", "2"));
    merge_one(&g, DOT(g.c, 1), 20, NOTHING_KNOWN, CONTENT_NONE, op_member("m"));
    cr_assert_eq(content_type(rig_view(&g, POLICY_MERGE, NULL)), CONTENT_HASH);
    merge_one(&g, DOT(g.a, 2), 15, NOTHING_KNOWN, CONTENT_NONE, op_count(CELL_STRING, "", DOT(g.a, 2), 2, 1));
    merge_one(&g, DOT(g.b, 2), 40, NOTHING_KNOWN, CONTENT_NONE, op_count(CELL_STRING, "", DOT(g.b, 2), 2, 2));
    cr_assert(reads(&g, "3"));
    merge_one(&g, DOT(g.c, 2), 50, NOTHING_KNOWN, CONTENT_NONE, op_member("n"));
    cr_assert(reads_members(&g, "m", "n"));
    rig_finish(&g);
}
