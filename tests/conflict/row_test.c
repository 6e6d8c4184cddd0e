/* What a change does to a row: whole rows and their siblings, bases, news for the journal, joins. */
#include "../../conflict/row_build.h"
#include "rows.h"

#include <criterion/criterion.h>

TestSuite(row);

static uint32_t live(const struct rig *g) { return g->row.versions_count; }
static bool has(const struct rig *g, struct dot d) { return row_holds(&g->row, CELL_ROW, NONE, d); }

/* ---- siblings ---- */

Test(row, a_write_supersedes_what_its_origin_had_applied) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, "one");
    rig_put(&g, DOT(g.a, 2), 11, NOTHING_KNOWN, "two");
    cr_assert_eq(live(&g), 1, "its origin's smaller numbers are in its context");
    rig_delete(&g, DOT(g.b, 1), 12, KNOWS(DOT(g.a, 2)));
    cr_assert_eq(live(&g), 1);
    cr_assert(has(&g, DOT(g.b, 1)));
    cr_assert(!row_live(&g.row));
    cr_assert_eq(row_digest(slice_text("k"), &g.row, g.t), 0);
    rig_finish(&g);
}

Test(row, concurrent_writes_stand_side_by_side_in_canonical_order) {
    struct rig g = rig();
    rig_put(&g, DOT(g.c, 1), 30, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.a, 1), 10, NOTHING_KNOWN, "y");
    rig_delete(&g, DOT(g.b, 1), 20, NOTHING_KNOWN);
    cr_assert_eq(live(&g), 3);
    cr_assert_eq(g.row.versions[0].dot.origin, g.a);
    cr_assert_eq(g.row.versions[1].dot.origin, g.b);
    cr_assert_eq(g.row.versions[2].dot.origin, g.c);
    cr_assert(row_live(&g.row) && row_open(&g.row));
    rig_finish(&g);
}

/* Client 1 writes [milk]; client 2, who read nothing, adds [eggs]; client 1 writes [milk, flour] with its old context. */
Test(row, the_shopping_cart_keeps_what_its_writer_had_not_seen) {
    struct rig g = rig();
    struct change eggs = {.op = CHANGE_PUT, .content = rig_text(&g, "eggs", 0)},
                  flour = {.op = CHANGE_PUT, .content = rig_text(&g, "milk, flour", 0)};
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "milk");
    rig_apply(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, KNOWS(DOT(g.a, 1)), &eggs);
    cr_assert_eq(live(&g), 2);
    rig_apply(&g, DOT(g.a, 3), 3, NOTHING_KNOWN, KNOWS(DOT(g.a, 2)), &flour);
    cr_assert_eq(live(&g), 2);
    cr_assert(has(&g, DOT(g.a, 2)) && has(&g, DOT(g.a, 3)));
    rig_finish(&g);
}

Test(row, siblings_of_equal_content_are_no_open_conflict) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "same");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "same");
    cr_assert(!row_open(&g.row));
    rig_put(&g, DOT(g.c, 1), 1, NOTHING_KNOWN, "other");
    cr_assert(row_open(&g.row));
    rig_finish(&g);
}

Test(row, a_reap_removes_what_it_saw_and_adds_nothing) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "old");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "refreshed elsewhere");
    rig_apply(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP});
    cr_assert_eq(live(&g), 1);
    cr_assert(has(&g, DOT(g.b, 1)));
    vv_set(&g.stable, g.a, 2);
    vv_set(&g.stable, g.b, 1);
    rig_apply(&g, DOT(g.b, 2), 3, KNOWS(DOT(g.a, 2)), NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP});
    cr_assert_eq(g.row.cells_count, 0, "nothing is left, and all of it is stable");
    rig_finish(&g);
}

Test(row, an_answer_keeps_whose_it_is_until_it_is_overwritten) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "y");
    struct change answer = {.op = CHANGE_ANSWER, .content = rig_text(&g, "z", 0), .generation = 3, .inputs = 99};
    rig_apply(&g, DOT(g.c, 1), 5, KNOWS(DOT(g.a, 1), DOT(g.b, 1)), NOTHING_KNOWN, &answer);
    cr_assert_eq(live(&g), 1);
    cr_assert_eq(g.row.versions[0].generation, 3);
    cr_assert_eq(g.row.versions[0].inputs, 99);
    rig_put(&g, DOT(g.a, 2), 6, NOTHING_KNOWN, "beside it");
    cr_assert_eq(g.row.versions[0].generation, 0);
    cr_assert_eq(g.row.versions[1].generation, 3);
    rig_finish(&g);
}

/* ---- recorded for later ---- */

Test(row, a_record_marks_just_the_siblings_that_it_names) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "y");
    rig_record(&g, DOT(g.c, 1), KNOWS(DOT(g.a, 1)), KNOWS(DOT(g.a, 1)));
    cr_assert_eq(g.row.recorded, 0, "another number of them");
    rig_record(&g, DOT(g.c, 2), KNOWS(DOT(g.a, 1)), KNOWS(DOT(g.a, 1), DOT(g.c, 1)));
    cr_assert_eq(g.row.recorded, 0, "others");
    rig_record(&g, DOT(g.c, 3), KNOWS(DOT(g.a, 1), DOT(g.b, 1)), KNOWS(DOT(g.a, 1), DOT(g.b, 1)));
    cr_assert_eq(g.row.recorded, row_siblings_hash(&g.row, g.t));
    cr_assert_eq(content_count(g.row.recorded_why), 2);
    cr_assert_eq(live(&g), 2, "no version is added");
    rig_put(&g, DOT(g.c, 4), 5, NOTHING_KNOWN, "z");
    cr_assert_eq(g.row.recorded, 0, "there are other siblings now");
    rig_finish(&g);
}

Test(row, a_record_stays_while_the_siblings_are_the_same) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "y");
    rig_record(&g, DOT(g.c, 1), NOTHING_KNOWN, KNOWS(DOT(g.a, 1), DOT(g.b, 1)));
    rig_apply(&g, DOT(g.c, 2), 5, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP}); /* which has seen none of them */
    cr_assert_neq(g.row.recorded, 0);
    cr_assert_eq(content_count(g.row.recorded_why), 2);
    rig_finish(&g);
}

Test(row, a_record_of_a_merged_row_marks_nothing_and_changes_nothing) {
    struct rig g = rig();
    struct dot i = DOT(g.a, 1);
    struct delta_op ops[] = {op_string("x"), op_member("m")};
    rig_merge(&g, i, 1, NOTHING_KNOWN, 0, CONTENT_NONE, 2, ops);
    struct delta_op count = op_count(CELL_STRING, "", DOT(g.b, 1), 1, 4), other = op_string("y");
    rig_merge(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &count);
    rig_merge(&g, DOT(g.b, 2), 3, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &other);
    uint64_t digest = row_digest(slice_text("k"), &g.row, g.t);
    rig_record(&g, DOT(g.c, 1), NOTHING_KNOWN, KNOWS(DOT(g.a, 1)));
    cr_assert_eq(g.row.recorded, 0);
    cr_assert_eq(row_digest(slice_text("k"), &g.row, g.t), digest);
    cr_assert_neq(digest, 0);
    rig_finish(&g);
}

/* ---- bases ---- */

Test(row, the_base_is_the_version_that_the_siblings_came_from) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "base");
    cr_assert_null(row_base(&g.row), "there is no episode");
    rig_put(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "y");
    const struct version *base = row_base(&g.row);
    cr_assert_not_null(base);
    cr_assert(dot_equal(base->dot, DOT(g.a, 1)));
    cr_assert(slice_equal(content_string(base->content), slice_text("base")));
    rig_finish(&g);
}

Test(row, siblings_of_a_row_that_was_not_there_have_a_base_without_a_version) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "y");
    const struct version *base = row_base(&g.row);
    cr_assert_not_null(base);
    cr_assert_eq(base->dot.n, 0);
    cr_assert_eq(base->content.n, 0);
    rig_finish(&g);
}

Test(row, two_versions_below_an_episode_are_no_base) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "one");
    rig_put(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, "two");
    vv_set(&g.stable, g.a, 1);
    vv_set(&g.stable, g.b, 1);
    rig_put(&g, DOT(g.a, 2), 2, KNOWS(DOT(g.b, 1)), "x"); /* settles them: their episode leaves */
    rig_put(&g, DOT(g.c, 1), 2, KNOWS(DOT(g.a, 1), DOT(g.b, 1)), "y");
    cr_assert(row_open(&g.row));
    cr_assert_null(row_base(&g.row));
    rig_finish(&g);
}

Test(row, a_base_goes_when_what_came_after_it_is_stable_and_no_episode_is_open) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "one");
    rig_put(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, "two");
    cr_assert_eq(g.row.below_count, 2);
    vv_set(&g.stable, g.a, 2);
    rig_put(&g, DOT(g.a, 3), 3, NOTHING_KNOWN, "three");
    cr_assert_eq(g.row.below_count, 1);
    cr_assert(dot_equal(g.row.below[0].v.dot, DOT(g.a, 2)));
    cr_assert(dot_equal(g.row.below[0].above, DOT(g.a, 3)));
    g.keep_below = false;
    vv_set(&g.stable, g.a, 3);
    rig_put(&g, DOT(g.a, 4), 4, NOTHING_KNOWN, "four");
    cr_assert_eq(g.row.below_count, 0, "the table does not ask for bases any more");
    rig_finish(&g);
}

Test(row, of_too_many_versions_below_the_oldest_stays) {
    struct rig g = rig();
    g.keep_below = true;
    for (uint64_t n = 1; n <= 40; n++) rig_put(&g, DOT(g.a, n), n, NOTHING_KNOWN, "x");
    cr_assert_leq(g.row.below_count, 16);
    cr_assert_eq(g.row.below[0].v.dot.n, 0, "there was no row before the first");
    cr_assert_eq(g.row.below[g.row.below_count - 1].v.dot.n, 39);
    rig_finish(&g);
}

Test(row, large_versions_below_are_kept_up_to_a_size) {
    struct rig g = rig();
    g.keep_below = true;
    char *text = xcalloc(1, 100 * 1024 + 1);
    memset(text, 'x', 100 * 1024);
    for (uint64_t n = 1; n <= 8; n++) rig_put(&g, DOT(g.a, n), n, NOTHING_KNOWN, text);
    size_t bytes = 0;
    for (uint32_t i = 0; i < g.row.below_count; i++) bytes += g.row.below[i].v.content.n;
    cr_assert_leq(bytes, 256 * 1024);
    cr_assert_geq(g.row.below_count, 2);
    free(text);
    rig_finish(&g);
}

/* ---- news ---- */

Test(row, a_chain_of_writes_that_knew_each_other_is_no_news) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "one");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "two");
    rig_delete(&g, DOT(g.a, 2), 3, KNOWS(DOT(g.b, 1)));
    cr_assert_eq(g.news.lost_count, 0);
    cr_assert_eq(g.news.cells_count, 0);
    rig_finish(&g);
}

Test(row, an_episode_is_told_when_it_opens_grows_and_closes_and_who_leaves_it_is_lost) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, "y");
    cr_assert_eq(g.news.cells_count, 1);
    cr_assert_null(g.news.cells[0].before);
    cr_assert_not_null(g.news.cells[0].after);
    cr_assert(!g.news.cells[0].open_before && g.news.cells[0].open_after);
    cr_assert_eq(g.news.lost_count, 0);
    rig_put(&g, DOT(g.c, 1), 3, NOTHING_KNOWN, "z");
    cr_assert(g.news.cells[0].open_before && g.news.cells[0].open_after);
    rig_put(&g, DOT(g.a, 2), 4, KNOWS(DOT(g.b, 1), DOT(g.c, 1)), "all");
    cr_assert_eq(g.news.lost_count, 3);
    cr_assert(g.news.cells[0].open_before && !g.news.cells[0].open_after);
    cr_assert_eq(g.news.lost[0].kind, CELL_ROW);
    cr_assert(slice_equal(content_string(g.news.lost[0].v.content), slice_text("x")));
    rig_finish(&g);
}

static bool give_back(void *arg, enum cell_kind kind, struct slice name, struct dot member, struct blocks *ret) {
    if (kind != CELL_ROW || name.n || !block_holds(arg, &((struct blocks *)arg)->b[0], member)) return false;
    blocks_copy(ret, arg);
    return true;
}

Test(row, a_write_from_old_context_takes_a_closed_episode_back) {
    struct rig g = rig();
    struct blocks closed = {0};
    struct closed_row journal = {give_back, &closed};
    g.closed = &journal;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, "y");
    blocks_copy(&closed, g.news.cells[0].after);
    rig_put(&g, DOT(g.a, 2), 3, KNOWS(DOT(g.b, 1)), "settled");
    vv_set(&g.stable, g.a, 2);
    vv_set(&g.stable, g.b, 1);
    rig_put(&g, DOT(g.a, 3), 4, KNOWS(DOT(g.b, 1)), "on");
    cr_assert_eq(g.row.stacks_count, 0, "the episode has left the row");
    struct change stale = {.op = CHANGE_PUT, .content = rig_text(&g, "stale", 0)};
    rig_apply(&g, DOT(g.a, 4), 5, KNOWS(DOT(g.b, 1)), KNOWS(DOT(g.b, 1)), &stale);
    const struct row_block *e = blocks_episode_of(&g.row.stacks[0], DOT(g.a, 4));
    cr_assert_not_null(e);
    cr_assert(block_holds(&g.row.stacks[0], e, DOT(g.a, 1)) && block_holds(&g.row.stacks[0], e, DOT(g.b, 1)), "it has them again");
    blocks_finish(&closed);
    rig_finish(&g);
}

Test(row, many_siblings_are_told_as_well_as_few) {
    struct rig g = rig();
    struct dot all[30];
    for (uint32_t i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%02u", i);
        all[i] = DOT(row_origin(g.t, name), 1);
        rig_put(&g, all[i], i, NOTHING_KNOWN, name);
    }
    cr_assert_eq(live(&g), 20);
    all[20] = (struct dot){0};
    rig_put(&g, DOT(g.a, 1), 99, all, "settled");
    cr_assert_eq(live(&g), 1);
    cr_assert_eq(g.news.lost_count, 20);
    rig_finish(&g);
}

/* ---- collection ---- */

Test(row, a_row_of_tombstones_may_go_when_all_that_it_holds_is_stable) {
    struct rig g = rig();
    struct vv stable = {0};
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_delete(&g, DOT(g.a, 2), 2, NOTHING_KNOWN);
    rig_delete(&g, DOT(g.b, 1), 2, NOTHING_KNOWN);
    cr_assert(!row_collectable(&g.row, &stable));
    vv_set(&stable, g.a, 2);
    cr_assert(!row_collectable(&g.row, &stable));
    vv_set(&stable, g.b, 1);
    cr_assert(row_collectable(&g.row, &stable));
    g.row.below[0].above.n = 3; /* a base that may yet be asked for */
    cr_assert(!row_collectable(&g.row, &stable));
    vv_finish(&stable);
    rig_finish(&g);
}

Test(row, stacks_and_counters_that_are_not_stable_keep_their_row) {
    struct rig g = rig();
    struct vv stable = {0};
    struct delta_op put = op_field("f", "x"), count = op_count(CELL_STRING, "", DOT(g.a, 2), 2, 5);
    rig_merge(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &put);
    struct delta_op gone = op_remove(CELL_FIELD, "f");
    rig_merge(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), 0, CONTENT_NONE, 1, &gone);
    cr_assert(!row_live(&g.row));
    cr_assert_eq(g.row.cells_count, 1, "its stack stays: a version that is concurrent with a:1 may come");
    cr_assert(!row_collectable(&g.row, &stable));
    vv_set(&stable, g.a, 1);
    cr_assert(row_collectable(&g.row, &stable));
    rig_merge(&g, DOT(g.a, 2), 3, NOTHING_KNOWN, 0, CONTENT_NONE, 1, &count);
    struct counter_reset seen = {.origin = g.a, .birth = 2, .n = 2, .total = AMOUNT(5)};
    struct delta_op reset = {.kind = CELL_STRING, .flags = OP_RESET, .resets = &seen, .resets_count = 1};
    vv_set(&stable, g.a, 2);
    cr_assert(!row_collectable(&g.row, &stable), "it counts");
    rig_merge(&g, DOT(g.b, 2), 4, KNOWS(DOT(g.a, 2)), DELTA_CLEAR, CONTENT_NONE, 1, &reset);
    cr_assert(!row_live(&g.row));
    cr_assert(!row_collectable(&g.row, &stable), "who reset it is not stable");
    vv_set(&stable, g.b, 2);
    cr_assert(row_collectable(&g.row, &stable));
    vv_finish(&stable);
    rig_finish(&g);
}

/* ---- names and digests ---- */

Test(row, hashes_and_digests_are_the_same_in_every_table_of_origins) {
    struct rig p = rig(), q = {.t = origins_create()};
    q.b = row_origin(q.t, "b");
    q.a = row_origin(q.t, "a");
    rig_put(&p, DOT(p.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&p, DOT(p.b, 1), 2, NOTHING_KNOWN, "y");
    rig_put(&q, DOT(q.b, 1), 2, NOTHING_KNOWN, "y");
    cr_assert_neq(row_siblings_hash(&p.row, p.t), row_siblings_hash(&q.row, q.t));
    cr_assert_neq(row_digest(slice_text("k"), &p.row, p.t), row_digest(slice_text("k"), &q.row, q.t));
    rig_put(&q, DOT(q.a, 1), 1, NOTHING_KNOWN, "x");
    cr_assert_eq(row_siblings_hash(&p.row, p.t), row_siblings_hash(&q.row, q.t));
    cr_assert_eq(row_digest(slice_text("k"), &p.row, p.t), row_digest(slice_text("k"), &q.row, q.t));
    cr_assert_neq(row_digest(slice_text("k"), &p.row, p.t), row_digest(slice_text("l"), &p.row, p.t));
    rig_finish(&p), rig_finish(&q);
}

Test(row, a_row_that_is_not_there_has_nothing) {
    struct row r = {0};
    cr_assert(!row_live(&r) && !row_open(&r) && !row_types_collide(&r) && !row_counts(&r));
    cr_assert_null(row_base(&r));
    cr_assert_eq(row_expires_ms(&r), 0);
    cr_assert_null(row_cell(&r, CELL_ROW, NONE));
    row_finish(&r);
}

/* ---- what is rare ---- */

Test(row, cells_are_found_wherever_they_lie_and_none_that_is_not_there) {
    struct rig g = rig();
    struct delta_op ops[] = {op_string("s"), op_field("b", "1"), op_field("d", "2"), op_member("c"), op_member("e")};
    rig_merge(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_NONE, 5, ops);
    for (int i = 0; i < 5; i++) cr_assert_eq(row_cell(&g.row, ops[i].kind, ops[i].name), &g.row.cells[i]);
    static const char *const others[] = {"a", "c", "f"};
    for (int i = 0; i < 3; i++) cr_assert_null(row_cell(&g.row, CELL_FIELD, slice_text(others[i])));
    cr_assert_null(row_cell(&g.row, CELL_EXPIRY, NONE));
    cr_assert(!row_open(&g.row));
    cr_assert_null(row_base(&g.row), "merged rows have none");
    rig_finish(&g);
}

Test(row, members_and_times_of_expiry_that_were_written_twice_are_no_open_conflict) {
    struct rig g = rig();
    uint8_t room[8], other[8];
    struct delta_op ops[] = {op_member("m"), op_expiry(1, room)}, again[] = {op_member("m"), op_expiry(2, other)};
    rig_merge(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_SET, 2, ops);
    rig_merge(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, 0, CONTENT_SET, 2, again);
    cr_assert_eq(g.row.versions_count, 4);
    cr_assert(!row_open(&g.row));
    rig_finish(&g);
}

Test(row, a_chain_that_is_not_stable_yet_has_no_base) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "y");
    cr_assert_eq(g.row.stacks_count, 1);
    cr_assert_null(row_base(&g.row));
    rig_finish(&g);
}

Test(row, versions_below_that_belong_to_an_earlier_episode_are_not_the_base) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "base of the first");
    rig_put(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "y");
    rig_put(&g, DOT(g.a, 3), 3, KNOWS(DOT(g.b, 1)), "settled");
    rig_put(&g, DOT(g.a, 4), 4, KNOWS(DOT(g.b, 1)), "one");
    rig_put(&g, DOT(g.c, 1), 4, KNOWS(DOT(g.a, 3), DOT(g.b, 1)), "other");
    const struct version *base = row_base(&g.row);
    cr_assert_not_null(base);
    cr_assert(dot_equal(base->dot, DOT(g.a, 3)));
    rig_finish(&g);
}

Test(row, a_reap_keeps_what_may_be_asked_for_and_the_next_write_goes_on) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_apply(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP});
    cr_assert_eq(live(&g), 0);
    cr_assert_eq(g.row.cells_count, 1, "its stack and what lay below stay");
    cr_assert_eq(rig_view(&g, POLICY_LWW, NULL).n, strlen("(deleted)"));
    rig_put(&g, DOT(g.b, 1), 3, KNOWS(DOT(g.a, 2)), "again");
    cr_assert_eq(live(&g), 1);
    vv_set(&g.stable, g.a, 3);
    vv_set(&g.stable, g.b, 1);
    g.keep_below = false;
    rig_apply(&g, DOT(g.a, 3), 4, KNOWS(DOT(g.b, 1)), NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP});
    cr_assert_eq(g.row.cells_count, 0);
    rig_finish(&g);
}

Test(row, a_reset_counter_has_no_part_in_the_digest) {
    struct rig g = rig(), never = rig();
    struct delta_op f = op_field("f", "1"), n = op_count(CELL_FIELD, "n", DOT(g.b, 1), 1, 1);
    rig_merge(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &f);
    rig_merge(&never, DOT(g.a, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &f);
    rig_merge(&g, DOT(g.b, 1), 1, NOTHING_KNOWN, 0, CONTENT_HASH, 1, &n);
    struct counter_reset seen = {g.b, 1, 1, AMOUNT(1)};
    struct delta_op reset = {.kind = CELL_FIELD, .name = slice_text("n"), .flags = OP_REMOVE | OP_RESET, .resets = &seen, .resets_count = 1};
    rig_merge(&g, DOT(g.c, 1), 2, KNOWS(DOT(g.b, 1)), 0, CONTENT_HASH, 1, &reset);
    cr_assert_eq(g.row.counters_count, 1);
    cr_assert_eq(row_digest(slice_text("k"), &g.row, g.t), row_digest(slice_text("k"), &never.row, never.t));
    rig_finish(&g), rig_finish(&never);
}

Test(row, the_memory_of_a_huge_row_is_given_back) {
    struct row r = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        row_add_cell(&r, CELL_MEMBER, SLICE("m", 1));
        row_add_version(&r, &(struct version){.dot = {0, i + 1}});
    }
    row_clear(&r);
    cr_assert_lt(r.versions_cap, 100000);
    row_finish(&r);
}

Test(row, a_version_that_is_part_of_the_episode_is_not_its_base) {
    struct rig g = rig();
    g.keep_below = true;
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "first");
    rig_put(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, "second");
    rig_put(&g, DOT(g.c, 1), 2, NOTHING_KNOWN, "knew neither");
    const struct version *base = row_base(&g.row);
    cr_assert_not_null(base);
    cr_assert_eq(base->dot.n, 0, "there was no row before all three");
    rig_finish(&g);
}
