/* The traps of sections 5 and 6: schedules in which two nodes get the same events in another order, or by another policy. Each holds, and fails where
 * the rule that it is about is broken. */
#include "rows.h"

#include <criterion/criterion.h>

TestSuite(orders);

static const char *const dcs[] = {"a", "b", "c"};

/* Rules with priorities for a, b and c; `marked`: numbers of a, as "1-1", that were stamped by a clock that was off; NULL: none. */
static struct rules *rules_with(struct cluster *c, const int32_t *priorities, struct rig *g, const char *marked) {
    cluster_of(c, dcs, priorities, 3);
    struct rules *r = rules_create(c);
    if (!marked) return r;
    struct buf key = {0}, content = {0}, why = {0};
    buf_text(&key, RULES_MARK_PREFIX);
    origin_format(origins_get(g->t, g->a), &key);
    hash_content(&content, 0, (const char *const[]){marked, "a clock that was off", NULL});
    rules_define(r, buf_slice_of(&key), buf_slice_of(&content), &DOT(g->a, 99), 1, g->t, &why);
    cr_assert_eq(why.n, 0);
    buf_finish(&key), buf_finish(&content), buf_finish(&why);
    return r;
}

static const int32_t flat[] = {0, 0, 0};

static bool reads(struct rig *g, enum policy p, const struct rules *r, const char *text) { return slice_equal(rig_view(g, p, r), slice_text(text)); }

/* ---- priority: a (9), b (1, made after seeing a), c (5, concurrent with both) ---- */

static void by_priority(struct rig *g, const char *order, bool drops_losers) {
    for (; *order; order++) {
        if (*order == 'a') rig_put(g, DOT(g->a, 1), 1, NOTHING_KNOWN, "a");
        if (*order == 'b') rig_put(g, DOT(g->b, 1), 2, KNOWS(DOT(g->a, 1)), "b");
        if (*order == 'c') rig_put(g, DOT(g->c, 1), 3, NOTHING_KNOWN, "c");
        if (!drops_losers || g->row.versions_count < 2) continue;
        struct cluster c;
        struct rules *r = rules_with(&c, (const int32_t[]){9, 1, 5}, g, NULL);
        g->row.versions[0] = g->row.versions[policy_winner(&g->row, &g->row.cells[0], POLICY_PRIORITY, r, g->t)];
        g->row.versions_count = g->row.cells[0].count = 1;
        rules_destroy(r);
    }
}

Test(orders, a_priority_loser_that_is_kept_may_win_later) {
    static const char *const orders[] = {"abc", "acb", "cab"};
    struct cluster c;
    for (int i = 0; i < 3; i++) {
        struct rig g = rig(), dropping = rig();
        struct rules *r = rules_with(&c, (const int32_t[]){9, 1, 5}, &g, NULL);
        by_priority(&g, orders[i], false);
        cr_assert_eq(g.row.versions_count, 2);
        cr_assert(reads(&g, POLICY_PRIORITY, r, "c"));
        cr_assert(reads(&g, POLICY_RECORD, r, "c"));
        cr_assert(reads(&g, POLICY_HANDLER, r, "c"));
        by_priority(&dropping, orders[i], true);
        cr_assert_eq(reads(&dropping, POLICY_PRIORITY, r, "c"), i == 0, "who drops losers at once reads c only where b came before c");
        rules_destroy(r), rig_finish(&g), rig_finish(&dropping);
    }
}

/* ---- lww: u unmarked; m marked, made after u; x unmarked, concurrent, x < u ---- */

static void by_mark(struct rig *g, const char *order) {
    for (; *order; order++) {
        if (*order == 'u') rig_put(g, DOT(g->b, 1), 20, NOTHING_KNOWN, "u");
        if (*order == 'm') rig_put(g, DOT(g->a, 1), 900, KNOWS(DOT(g->b, 1)), "m");
        if (*order == 'x') rig_put(g, DOT(g->c, 1), 10, NOTHING_KNOWN, "x");
    }
}

Test(orders, a_marked_version_ranks_below_whatever_it_did_not_overwrite) {
    static const char *const orders[] = {"umx", "uxm", "xum"};
    struct cluster c;
    for (int i = 0; i < 3; i++) {
        struct rig g = rig(), dropping = rig();
        struct rules *r = rules_with(&c, flat, &g, "1-1"), *unmarked = rules_with(&c, flat, &g, NULL);
        by_mark(&g, orders[i]);
        cr_assert(reads(&g, POLICY_LWW, r, "x"));
        cr_assert(reads(&g, POLICY_LWW, unmarked, "m"), "where the mark has not come yet");
        conflict_planted = CONFLICT_BUG_EAGER_LWW;
        by_mark(&dropping, orders[i]);
        conflict_planted = CONFLICT_BUG_NONE;
        cr_assert(!reads(&dropping, POLICY_LWW, r, "x"), "x was dropped before the mark came");
        rules_destroy(r), rules_destroy(unmarked), rig_finish(&g), rig_finish(&dropping);
    }
}

Test(orders, a_change_of_policy_reads_the_siblings_that_are_there) {
    struct rig g = rig(), dropping = rig();
    struct cluster c;
    struct rules *r = rules_with(&c, (const int32_t[]){9, 1, 5}, &g, NULL);
    struct table_rule record = {.policy = POLICY_RECORD}, lww = {.policy = POLICY_LWW}, priority = {.policy = POLICY_PRIORITY};
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&g, DOT(g.b, 1), 2, NOTHING_KNOWN, "y");
    struct view v = row_view(&g.row, &lww, r, g.t, &g.scratch);
    cr_assert(slice_equal(content_string(v.content), slice_text("y")) && !v.conflict);
    v = row_view(&g.row, &priority, r, g.t, &g.scratch);
    cr_assert(slice_equal(content_string(v.content), slice_text("x")) && !v.conflict);
    v = row_view(&g.row, &record, r, g.t, &g.scratch);
    cr_assert(slice_equal(content_string(v.content), slice_text("x")) && v.conflict);
    conflict_planted = CONFLICT_BUG_EAGER_LWW;
    rig_put(&dropping, DOT(g.a, 1), 1, NOTHING_KNOWN, "x");
    rig_put(&dropping, DOT(g.b, 1), 2, NOTHING_KNOWN, "y");
    conflict_planted = CONFLICT_BUG_NONE;
    cr_assert(!row_view(&dropping.row, &record, r, g.t, &g.scratch).conflict, "nothing is left to record");
    rules_destroy(r), rig_finish(&g), rig_finish(&dropping);
}

Test(orders, the_time_of_expiry_is_the_longest_of_the_live_versions_whoever_wins) {
    struct rig g = rig();
    struct cluster c;
    struct rules *r = rules_with(&c, flat, &g, NULL);
    rig_apply(&g, DOT(g.a, 1), 9, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_text(&g, "until 30", 30)});
    rig_apply(&g, DOT(g.b, 1), 10, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_text(&g, "until 10", 10)});
    rig_delete(&g, DOT(g.c, 1), 1, NOTHING_KNOWN);
    struct table_rule lww = {.policy = POLICY_LWW};
    struct slice content = row_view(&g.row, &lww, r, g.t, &g.scratch).content;
    cr_assert(slice_equal(content_string(content), slice_text("until 10")));
    cr_assert_eq(content_expires_ms(content), 30);
    cr_assert_eq(row_expires_ms(&g.row), 30);
    rig_put(&g, DOT(g.a, 2), 2, NOTHING_KNOWN, "for ever");
    cr_assert_eq(row_expires_ms(&g.row), 0);
    rules_destroy(r), rig_finish(&g);
}

Test(orders, a_reap_takes_no_refresh_that_was_made_elsewhere) {
    struct rig g = rig();
    struct cluster c;
    struct rules *r = rules_with(&c, flat, &g, NULL);
    rig_apply(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_text(&g, "session", 10)});
    rig_apply(&g, DOT(g.b, 1), 9, KNOWS(DOT(g.a, 1)), NOTHING_KNOWN, &(struct change){.op = CHANGE_PUT, .content = rig_text(&g, "session", 30)});
    rig_apply(&g, DOT(g.a, 2), 11, NOTHING_KNOWN, NOTHING_KNOWN, &(struct change){.op = CHANGE_REAP});
    cr_assert(reads(&g, POLICY_LWW, r, "session"));
    rules_destroy(r), rig_finish(&g);
}

/* ---- episodes: what a context says ---- */

Test(orders, a_write_that_names_only_what_it_had_not_seen_is_not_concurrent_with_what_lies_below) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "a");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "b");
    rig_put(&g, DOT(g.c, 1), 3, KNOWS(DOT(g.a, 1), DOT(g.b, 1)), "r"); /* settles b, and knows a though it names it nowhere */
    cr_assert_eq(g.news.cells_count, 0);
    rig_finish(&g);
}

Test(orders, a_component_of_concurrency_may_hold_versions_that_knew_each_other) {
    struct rig g = rig();
    rig_put(&g, DOT(g.a, 1), 1, NOTHING_KNOWN, "a");
    rig_put(&g, DOT(g.b, 1), 2, KNOWS(DOT(g.a, 1)), "b");
    rig_put(&g, DOT(g.c, 1), 3, NOTHING_KNOWN, "c");
    const struct blocks *s = g.news.cells[0].after;
    const struct row_block *e = blocks_episode_of(s, DOT(g.c, 1));
    cr_assert(block_holds(s, e, DOT(g.a, 1)) && block_holds(s, e, DOT(g.b, 1)));
    cr_assert(dot_equal(block_number(s, e, g.t), DOT(g.a, 1)));
    rig_finish(&g);
}

/* ---- answers that are written back ---- */

#define ROUNDS 50

/* Every DC that finds its row open answers, all at once, until it is quiet; returns how many events there were. */
static int settle(uint32_t nodes, bool equal_counts_as_one) {
    struct rig g[3] = {rig(), rig(), rig()};
    struct dot last[3] = {DOT(g[0].a, 0), DOT(g[0].b, 0), DOT(g[0].c, 0)};
    int events = 0;
    bool open = true;
    for (int round = 0; round < ROUNDS && open; round++) {
        struct dot knows[4] = {{0, 0}};
        uint32_t known = 0;
        for (uint32_t i = 0; i < nodes; i++)
            if (last[i].n) knows[known++] = last[i];
        knows[known] = (struct dot){0, 0};
        open = false;
        for (uint32_t i = 0; i < nodes; i++) {
            const struct row *r = &g[0].row; /* all are the same between rounds */
            bool asks = round == 0 || (equal_counts_as_one ? row_open(r) : r->versions_count > 1);
            if (asks) last[i].n++;
            open |= asks;
        }
        for (uint32_t i = 0; open && i < nodes; i++) {
            char text[16];
            snprintf(text, sizeof text, round == 0 ? "v%u" : "greatest", i);
            for (uint32_t k = 0; k < nodes; k++) {
                struct change c = {
                    .op = round ? CHANGE_ANSWER : CHANGE_PUT, .content = rig_text(&g[k], text, 0), .generation = round > 0, .inputs = 1};
                rig_apply(&g[k], last[i], 1, knows, NOTHING_KNOWN, &c);
            }
            events++;
        }
    }
    for (int k = 0; k < 3; k++) rig_finish(&g[k]);
    return open ? -1 : events;
}

Test(orders, answers_of_equal_content_end_the_storm_of_answers) {
    cr_assert_eq(settle(2, true), 4);
    cr_assert_eq(settle(3, true), 6);
    cr_assert_eq(settle(2, false), -1, "where they count as two, it never ends");
}
