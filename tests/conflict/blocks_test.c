#include "../../conflict/blocks.h"
#include "../../conflict/planted.h"
#include "../schemas/help.h"

/* Stacks as text: "run a(0,2] b(0,1]; episode c(4,5]", the lowest block first. Origins are entered so that refs are not in canonical order. */
struct fixture {
    struct origins *t;
    origin_ref a, b, c;
    struct blocks s;
    struct buf text;
    struct vv deps;
};
static struct fixture f;

static void set_up(void) {
    f = (struct fixture){.t = origins_create()};
    f.c = origin_named(f.t, "c", 1, 3);
    f.a = origin_named(f.t, "a", 1, 1);
    f.b = origin_named(f.t, "b", 1, 2);
}
static void tear_down(void) {
    conflict_planted = CONFLICT_BUG_NONE;
    blocks_finish(&f.s);
    buf_finish(&f.text);
    vv_finish(&f.deps);
    origins_destroy(f.t);
}
TestSuite(blocks, .init = set_up, .fini = tear_down);

static void put_stack(const struct blocks *s, struct buf *out) {
    uint32_t ranges = 0;
    buf_clear(out);
    for (uint32_t i = 0; i < s->n; i++) {
        cr_assert_eq(s->b[i].first, ranges, "blocks lie without gaps");
        ranges += s->b[i].count;
        buf_printf(out, "%s%s", i ? "; " : "", s->b[i].episode ? "episode" : "run");
        for (uint32_t j = 0; j < s->b[i].count; j++) {
            const struct range *r = &s->ranges[s->b[i].first + j];
            buf_printf(out, " %s(%llu,%llu]", origins_get(f.t, r->origin)->dc, (unsigned long long)r->after, (unsigned long long)r->upto);
        }
    }
    cr_assert_eq(s->ranges_count, ranges);
}
#define CHECK_STACK(stack, want) (put_stack(stack, &f.text), CHECK_TEXT(f.text, want))

/* The deps: how many of a, of b, of c. */
static const struct vv *knows(uint64_t a, uint64_t b, uint64_t c) {
    vv_set(&f.deps, f.a, a);
    vv_set(&f.deps, f.b, b);
    vv_set(&f.deps, f.c, c);
    return &f.deps;
}
static bool arrive_unseen(struct dot self, const struct vv *deps, const struct dot *unseen, uint32_t count, const struct closed_episodes *closed) {
    struct context c = {.deps = deps, .self = self, .unseen = unseen, .unseen_count = count};
    return blocks_arrive(&f.s, &c, NULL, 0, closed, f.t);
}
static bool arrive(origin_ref o, uint64_t n, const struct vv *deps) { return arrive_unseen((struct dot){o, n}, deps, NULL, 0, NULL); }

/* A block by hand: count ranges of (origin, after, upto). */
static void add_block(struct blocks *s, bool episode, const struct range *ranges, uint32_t count) {
    struct buf bytes = {0};
    struct blocks one = {0};
    blocks_encode(s, f.t, &bytes);
    bytes.p[0]++;
    buf_u8(&bytes, episode);
    buf_varint(&bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        origin_encode(f.t, ranges[i].origin, &bytes);
        buf_varint(&bytes, ranges[i].after);
        buf_varint(&bytes, ranges[i].upto);
    }
    struct reader r = reader_of(buf_slice_of(&bytes));
    cr_assert(blocks_decode(&r, f.t, &one));
    blocks_copy(s, &one);
    blocks_finish(&one);
    buf_finish(&bytes);
}
#define RUN(stack, ...)     add_block(stack, false, (struct range[]){__VA_ARGS__}, sizeof((struct range[]){__VA_ARGS__}) / sizeof(struct range))
#define EPISODE(stack, ...) add_block(stack, true, (struct range[]){__VA_ARGS__}, sizeof((struct range[]){__VA_ARGS__}) / sizeof(struct range))

/* ---- arrival ---- */

Test(blocks, versions_that_each_know_the_ones_before_are_one_run) {
    cr_assert(!arrive(f.c, 4, knows(0, 0, 3)));
    CHECK_STACK(&f.s, "run c(3,4]");
    cr_assert(!arrive(f.a, 1, knows(0, 0, 4)));
    cr_assert(!arrive(f.b, 2, knows(1, 1, 4)));
    cr_assert(!arrive(f.a, 7, knows(6, 2, 4)));
    CHECK_STACK(&f.s, "run a(0,7] b(1,2] c(3,4]");
    cr_assert_null(blocks_episode_of(&f.s, (struct dot){f.a, 7}));
}

Test(blocks, a_version_that_does_not_know_the_latest_makes_an_episode_with_it) {
    arrive(f.a, 1, knows(0, 0, 0));
    arrive(f.b, 1, knows(1, 0, 0));
    arrive(f.a, 2, knows(1, 1, 0));
    cr_assert(arrive(f.c, 1, knows(1, 1, 0)));
    CHECK_STACK(&f.s, "run a(0,1] b(0,1]; episode a(1,2] c(0,1]");
    cr_assert_eq(blocks_episode_of(&f.s, (struct dot){f.c, 1}), &f.s.b[1]);
    cr_assert_null(blocks_episode_of(&f.s, (struct dot){f.b, 1}), "it is in a run");
    cr_assert_null(blocks_episode_of(&f.s, (struct dot){f.b, 9}), "it is nowhere");
}

Test(blocks, a_run_of_which_nothing_is_known_is_in_the_episode_wholly) {
    arrive(f.a, 1, knows(0, 0, 0));
    arrive(f.b, 1, knows(1, 0, 0));
    cr_assert(arrive(f.c, 1, knows(0, 0, 0)));
    CHECK_STACK(&f.s, "episode a(0,1] b(0,1] c(0,1]");
}

Test(blocks, what_is_over_the_lowest_unknown_version_is_in_the_episode_though_it_is_known) {
    arrive(f.a, 1, knows(0, 0, 0));
    arrive(f.b, 1, knows(0, 0, 0));
    arrive(f.a, 2, knows(1, 1, 0));
    CHECK_STACK(&f.s, "episode a(0,1] b(0,1]; run a(1,2]");
    arrive(f.b, 2, knows(1, 1, 0));
    CHECK_STACK(&f.s, "episode a(0,1] b(0,1]; episode a(1,2] b(1,2]");
    arrive(f.a, 3, knows(2, 2, 0));
    cr_assert(arrive(f.c, 1, knows(0, 1, 0)), "an episode goes as a whole");
    CHECK_STACK(&f.s, "episode a(0,3] b(0,2] c(0,1]");
}

Test(blocks, a_late_version_cuts_a_run_below_an_episode) {
    arrive(f.a, 1, knows(0, 0, 0));
    arrive(f.a, 2, knows(1, 0, 0));
    arrive(f.b, 1, knows(2, 0, 0));
    arrive(f.a, 3, knows(2, 0, 0));
    CHECK_STACK(&f.s, "run a(0,2]; episode a(2,3] b(0,1]");
    cr_assert(arrive(f.c, 1, knows(1, 0, 0)));
    CHECK_STACK(&f.s, "run a(0,1]; episode a(1,3] b(0,1] c(0,1]");
}

Test(blocks, a_sibling_that_its_writer_had_not_seen_is_concurrent_and_so_is_what_came_after) {
    struct dot unseen[] = {{f.a, 2}};
    for (uint64_t n = 1; n <= 3; n++) arrive(f.a, n, knows(n - 1, 0, 0));
    cr_assert(arrive_unseen((struct dot){f.b, 1}, knows(3, 0, 0), unseen, 1, NULL));
    CHECK_STACK(&f.s, "run a(0,1]; episode a(1,3] b(0,1]");
}

Test(blocks, of_unseen_siblings_the_earliest_cuts) {
    struct dot unseen[] = {{f.a, 2}, {f.a, 4}, {f.c, 1}};
    for (uint64_t n = 1; n <= 4; n++) arrive(f.a, n, knows(n - 1, 0, 0));
    arrive(f.c, 1, knows(1, 0, 0));
    CHECK_STACK(&f.s, "run a(0,1]; episode a(1,4] c(0,1]");
    blocks_clear(&f.s);
    RUN(&f.s, {f.a, 0, 4}, {f.c, 0, 1});
    cr_assert(arrive_unseen((struct dot){f.b, 1}, knows(4, 0, 1), unseen, 3, NULL));
    CHECK_STACK(&f.s, "run a(0,1]; episode a(1,4] b(0,1] c(0,1]");
}

Test(blocks, an_unseen_sibling_that_has_left_the_stack_comes_back_alone) {
    struct dot unseen[] = {{f.a, 1}, {f.c, 3}};
    RUN(&f.s, {f.a, 1, 2});
    cr_assert(arrive_unseen((struct dot){f.b, 1}, knows(2, 0, 3), unseen, 2, NULL));
    CHECK_STACK(&f.s, "episode a(0,2] b(0,1] c(2,3]");
    blocks_clear(&f.s);
    cr_assert(arrive_unseen((struct dot){f.b, 1}, knows(2, 0, 3), unseen, 1, NULL));
    CHECK_STACK(&f.s, "episode a(0,1] b(0,1]");
}

Test(blocks, what_is_named_as_unseen_and_was_not_known_anyway_changes_nothing) {
    struct dot unseen[] = {{f.a, 9}, {f.b, 5}};
    RUN(&f.s, {f.a, 0, 2});
    cr_assert(!arrive_unseen((struct dot){f.b, 1}, knows(2, 0, 0), unseen, 2, NULL));
    CHECK_STACK(&f.s, "run a(0,2] b(0,1]");
}

struct journal {
    struct blocks closed;
    uint32_t asked;
};
static bool take(void *arg, struct dot member, struct blocks *ret) {
    struct journal *j = arg;
    j->asked++;
    if (j->closed.n == 0 || !block_holds(&j->closed, &j->closed.b[0], member)) return false;
    blocks_copy(ret, &j->closed);
    blocks_clear(&j->closed);
    return true;
}

Test(blocks, a_closed_episode_is_reopened_by_a_late_write_that_had_not_seen_its_sibling) {
    struct journal j = {0};
    struct closed_episodes closed = {.take = take, .arg = &j};
    struct dot unseen[] = {{f.a, 1}, {f.b, 1}, {f.c, 9}};
    EPISODE(&j.closed, {f.a, 0, 1}, {f.b, 0, 1});
    RUN(&f.s, {f.a, 1, 2});
    EPISODE(&f.s, {f.a, 2, 3}, {f.c, 9, 10});
    cr_assert(arrive_unseen((struct dot){f.b, 2}, knows(3, 1, 10), unseen, 3, &closed));
    CHECK_STACK(&f.s, "episode a(0,3] b(0,2] c(8,10]");
    cr_assert_eq(j.asked, 2, "for a1, which brings b1, and for c9, which was alone");
    cr_assert_eq(j.closed.n, 0);
    blocks_finish(&j.closed);
}

Test(blocks, planted_never_reopen_leaves_the_closed_episode_where_it_is) {
    struct journal j = {0};
    struct closed_episodes closed = {.take = take, .arg = &j};
    struct dot unseen = {f.a, 1};
    conflict_planted = CONFLICT_BUG_NEVER_REOPEN;
    EPISODE(&j.closed, {f.a, 0, 1}, {f.b, 0, 1});
    cr_assert(arrive_unseen((struct dot){f.b, 2}, knows(3, 1, 10), &unseen, 1, &closed));
    CHECK_STACK(&f.s, "episode a(0,1] b(1,2]");
    cr_assert_eq(j.asked, 0);
    blocks_finish(&j.closed);
}

Test(blocks, planted_head_only_misses_what_has_been_superseded) {
    struct dot live[] = {{f.a, 2}, {f.b, 1}};
    struct context late = {.deps = knows(0, 1, 0), .self = {f.c, 1}};
    conflict_planted = CONFLICT_BUG_HEAD_ONLY;
    cr_assert(!blocks_arrive(&f.s, &late, live + 1, 1, NULL, f.t), "it knows the only head");
    CHECK_STACK(&f.s, "");
    cr_assert(blocks_arrive(&f.s, &late, live, 1, NULL, f.t));
    CHECK_STACK(&f.s, "episode a(1,2] c(0,1]");
    EPISODE(&f.s, {f.b, 7, 8});
    late.self.n = 2;
    cr_assert(blocks_arrive(&f.s, &late, live, 2, NULL, f.t));
    CHECK_STACK(&f.s, "episode b(7,8]; episode a(1,2] c(0,2]");
}

Test(blocks, arrivals_without_conflict_need_no_memory_once_there_is_enough) {
    arrive(f.a, 1, knows(0, 0, 0));
    arrive(f.b, 1, knows(1, 0, 0));
    const struct row_block *b = f.s.b;
    const struct range *ranges = f.s.ranges;
    for (uint64_t n = 2; n < 1000; n++) {
        cr_assert(!arrive(f.a, n, knows(n - 1, n - 1, 0)));
        cr_assert(!arrive(f.b, n, knows(n, n - 1, 0)));
    }
    cr_assert(f.s.b == b && f.s.ranges == ranges);
    CHECK_STACK(&f.s, "run a(0,999] b(0,999]");
}

Test(blocks, there_is_room_for_many_blocks_and_origins) {
    struct blocks copy = {0};
    struct buf bytes = {0}, of_copy = {0};
    for (uint64_t n = 1; n <= 40; n++) {
        origin_ref o = origin_named(f.t, "many", (uint16_t)(100 - n), n), p = origin_named(f.t, "more", (uint16_t)n, n);
        struct vv deps = {0};
        for (uint32_t i = 0; i < f.s.ranges_count; i++) vv_set(&deps, f.s.ranges[i].origin, f.s.ranges[i].upto);
        cr_assert(!arrive(o, 1, &deps));
        cr_assert(arrive(p, 1, &deps));
        vv_finish(&deps);
    }
    cr_assert_eq(f.s.n, 40);
    cr_assert_eq(f.s.ranges_count, 80);
    blocks_copy(&copy, &f.s);
    blocks_encode(&f.s, f.t, &bytes);
    blocks_encode(&copy, f.t, &of_copy);
    cr_assert(slice_equal(buf_slice_of(&bytes), buf_slice_of(&of_copy)));
    blocks_finish(&copy), buf_finish(&bytes), buf_finish(&of_copy);
}

/* ---- collection ---- */

Test(blocks, of_a_run_what_is_stable_leaves_below_its_first_live_version) {
    struct dot live[] = {{f.a, 5}, {f.a, 4}, {f.c, 1}};
    RUN(&f.s, {f.a, 0, 6}, {f.b, 2, 3}, {f.c, 0, 3});
    blocks_collect(&f.s, live, 3, knows(5, 3, 2));
    CHECK_STACK(&f.s, "run a(3,6] c(0,3]");
    blocks_collect(&f.s, live, 0, knows(5, 3, 2));
    CHECK_STACK(&f.s, "run a(5,6] c(2,3]");
    blocks_collect(&f.s, live, 0, knows(4, 3, 2));
    CHECK_STACK(&f.s, "run a(5,6] c(2,3]");
    blocks_collect(&f.s, live, 0, knows(9, 9, 9));
    CHECK_STACK(&f.s, "");
}

Test(blocks, a_live_version_beyond_what_is_stable_holds_nothing_back) {
    struct dot live = {f.a, 6};
    RUN(&f.s, {f.a, 0, 6});
    blocks_collect(&f.s, &live, 1, knows(3, 0, 0));
    CHECK_STACK(&f.s, "run a(3,6]");
}

Test(blocks, an_episode_leaves_as_a_whole_when_it_is_stable_and_none_of_it_is_live) {
    struct dot live[] = {{f.c, 4}, {f.b, 1}};
    RUN(&f.s, {f.a, 0, 1});
    EPISODE(&f.s, {f.a, 1, 2}, {f.b, 0, 1});
    RUN(&f.s, {f.c, 2, 4});
    blocks_collect(&f.s, live, 1, knows(1, 1, 3));
    CHECK_STACK(&f.s, "episode a(1,2] b(0,1]; run c(3,4]");
    blocks_collect(&f.s, live, 2, knows(2, 1, 3));
    CHECK_STACK(&f.s, "episode a(1,2] b(0,1]; run c(3,4]");
    blocks_collect(&f.s, live, 1, knows(2, 1, 3));
    CHECK_STACK(&f.s, "run c(3,4]");
}

/* ---- join ---- */

static void check_join(const struct blocks *p, struct vv p_vv, const struct blocks *q, struct vv q_vv, const char *want) {
    struct blocks ret = {0};
    blocks_join(p, &p_vv, q, &q_vv, &ret, f.t);
    CHECK_STACK(&ret, want);
    blocks_finish(&ret);
}
/* By ref: c, a, b. */
#define VV(a, b, c) ((struct vv){(uint64_t[]){c, a, b}, 3})

Test(blocks, of_two_stacks_the_one_that_has_more_is_the_join) {
    struct blocks p = {0}, q = {0};
    RUN(&p, {f.a, 0, 2});
    RUN(&q, {f.a, 1, 2});
    EPISODE(&q, {f.b, 0, 1}, {f.c, 0, 1});
    check_join(&p, VV(2, 0, 0), &q, VV(2, 1, 1), "run a(1,2]; episode b(0,1] c(0,1]");
    check_join(&q, VV(2, 1, 1), &p, VV(2, 0, 0), "run a(1,2]; episode b(0,1] c(0,1]");
    check_join(&p, VV(2, 0, 0), &q, VV(2, 2, 0), "run a(1,2]; episode b(0,1] c(0,1]");
    conflict_planted = CONFLICT_BUG_JOIN_WITHOUT_BLOCKS;
    check_join(&q, VV(2, 1, 1), &p, VV(2, 0, 0), "run a(0,2]");
    blocks_finish(&p), blocks_finish(&q);
}

Test(blocks, what_either_side_has_alone_becomes_one_episode_on_top) {
    struct blocks p = {0}, q = {0};
    RUN(&p, {f.a, 0, 2}, {f.b, 0, 1});
    RUN(&q, {f.a, 0, 1}, {f.c, 0, 1});
    check_join(&p, VV(2, 1, 0), &q, VV(1, 0, 1), "run a(0,1]; episode a(1,2] b(0,1] c(0,1]");
    check_join(&q, VV(1, 0, 1), &p, VV(2, 1, 0), "run a(0,1]; episode a(1,2] b(0,1] c(0,1]");
    blocks_finish(&p), blocks_finish(&q);
}

Test(blocks, the_side_that_keeps_more_gives_what_lies_below_the_joined_episode) {
    struct blocks p = {0}, q = {0};
    RUN(&p, {f.b, 0, 1}); /* a1 was collected here */
    RUN(&q, {f.a, 0, 1}, {f.c, 0, 1});
    check_join(&p, VV(1, 1, 0), &q, VV(1, 0, 1), "run a(0,1]; episode b(0,1] c(0,1]");
    check_join(&q, VV(1, 0, 1), &p, VV(1, 1, 0), "run a(0,1]; episode b(0,1] c(0,1]");
    blocks_finish(&p), blocks_finish(&q);
}

/* At P the late c1 has drawn a2 and b1 into an episode; at Q these are a run below a4. */
Test(blocks, what_overlaps_the_joined_episode_on_either_side_is_in_it_with_all_above) {
    struct blocks p = {0}, q = {0};
    RUN(&p, {f.a, 0, 1});
    EPISODE(&p, {f.a, 1, 3}, {f.b, 0, 1}, {f.c, 0, 1});
    RUN(&q, {f.a, 0, 3}, {f.b, 0, 1});
    RUN(&q, {f.a, 3, 4});
    check_join(&p, VV(3, 1, 1), &q, VV(4, 1, 0), "run a(0,1]; episode a(1,4] b(0,1] c(0,1]");
    check_join(&q, VV(4, 1, 0), &p, VV(3, 1, 1), "run a(0,1]; episode a(1,4] b(0,1] c(0,1]");
    blocks_finish(&p), blocks_finish(&q);
}

Test(blocks, an_overlap_that_is_drawn_in_can_draw_in_more) {
    struct blocks p = {0}, q = {0};
    EPISODE(&p, {f.a, 0, 1}, {f.c, 4, 5});
    RUN(&p, {f.b, 0, 2});
    EPISODE(&p, {f.b, 2, 3}, {f.c, 7, 8});
    EPISODE(&q, {f.a, 0, 1}, {f.c, 4, 5});
    EPISODE(&q, {f.a, 1, 2}, {f.b, 0, 3});
    check_join(&p, VV(1, 3, 8), &q, VV(2, 3, 7), "episode a(0,1] c(4,5]; episode a(1,2] b(0,3] c(7,8]");
    check_join(&q, VV(2, 3, 7), &p, VV(1, 3, 8), "episode a(0,1] c(4,5]; episode a(1,2] b(0,3] c(7,8]");
    blocks_finish(&p), blocks_finish(&q);
}

Test(blocks, numbers_of_an_origin_that_lie_above_the_joined_episode_do_not_overlap_it) {
    struct blocks p = {0}, q = {0};
    RUN(&p, {f.a, 5, 6}, {f.b, 0, 1});
    RUN(&q, {f.c, 0, 1});
    EPISODE(&q, {f.a, 2, 3}, {f.c, 1, 2});
    check_join(&p, VV(6, 1, 0), &q, VV(6, 0, 2), "run a(5,6]; episode a(2,3] b(0,1] c(0,2]");
    blocks_finish(&p), blocks_finish(&q);
}

/* ---- the rest ---- */

Test(blocks, a_run_of_one_version_need_not_be_kept) {
    struct dot only = {f.a, 5};
    blocks_of_one(&f.s, only);
    CHECK_STACK(&f.s, "run a(4,5]");
    cr_assert(blocks_are_of_one(&f.s, only));
    cr_assert(!blocks_are_of_one(&f.s, (struct dot){f.a, 4}));
    cr_assert(!blocks_are_of_one(&f.s, (struct dot){f.b, 5}));
    RUN(&f.s, {f.b, 4, 5});
    cr_assert(!blocks_are_of_one(&f.s, only), "two blocks");
    blocks_clear(&f.s);
    cr_assert(!blocks_are_of_one(&f.s, only), "none");
    EPISODE(&f.s, {f.a, 4, 5});
    cr_assert(!blocks_are_of_one(&f.s, only), "an episode");
    blocks_clear(&f.s);
    RUN(&f.s, {f.a, 4, 5}, {f.b, 0, 1});
    cr_assert(!blocks_are_of_one(&f.s, only), "two origins");
    blocks_clear(&f.s);
    RUN(&f.s, {f.a, 4, 6});
    cr_assert(!blocks_are_of_one(&f.s, only), "something after it");
    blocks_clear(&f.s);
    RUN(&f.s, {f.a, 3, 5});
    cr_assert(!blocks_are_of_one(&f.s, only), "something before it");
}

Test(blocks, an_episode_is_called_by_the_smallest_of_the_latest_dots_of_its_origins) {
    EPISODE(&f.s, {f.b, 0, 7}, {f.c, 0, 1});
    EPISODE(&f.s, {f.a, 1, 2}, {f.c, 1, 3});
    EPISODE(&f.s, {f.c, 3, 4});
    cr_assert(dot_equal(block_number(&f.s, &f.s.b[0], f.t), (struct dot){f.b, 7}));
    cr_assert(dot_equal(block_number(&f.s, &f.s.b[1], f.t), (struct dot){f.a, 2}));
    cr_assert(dot_equal(block_number(&f.s, &f.s.b[2], f.t), (struct dot){f.c, 4}));
}

Test(blocks, a_copy_is_equal_and_its_own) {
    struct blocks copy = {0}, empty = {0};
    blocks_copy(&copy, &empty);
    CHECK_STACK(&copy, "");
    RUN(&f.s, {f.a, 0, 2}, {f.b, 0, 1});
    blocks_copy(&copy, &f.s);
    blocks_copy(&f.s, &f.s);
    arrive(f.a, 3, knows(2, 1, 0));
    CHECK_STACK(&f.s, "run a(0,3] b(0,1]");
    CHECK_STACK(&copy, "run a(0,2] b(0,1]");
    blocks_copy(&copy, &empty);
    CHECK_STACK(&copy, "");
    blocks_finish(&copy);
}

/* ---- bytes ---- */

#define A "01 61 01 0100000000000000 "
#define B "01 62 01 0200000000000000 "
#define C "01 63 01 0300000000000000 "

Test(blocks, a_stack_has_these_bytes) {
    struct buf bytes = {0}, one = {0};
    RUN(&f.s, {f.a, 0, 2}, {f.c, 200, 300});
    EPISODE(&f.s, {f.a, 2, 3}, {f.b, 0, 1});
    blocks_encode(&f.s, f.t, &bytes);
    CHECK_HEX(bytes, "02  00 02 " A "00 02 " C "c801 ac02  01 02 " A "02 03 " B "00 01");
    block_encode(&f.s, &f.s.b[1], f.t, &one);
    CHECK_HEX(one, "01  01 02 " A "02 03 " B "00 01");
    for (size_t n = 0; n < bytes.n; n++) {
        struct slice part = exact_copy(SLICE(bytes.p, n));
        struct reader r = reader_of(part);
        cr_assert(!blocks_decode(&r, f.t, &f.s), "cut after %zu bytes", n);
        CHECK_STACK(&f.s, "");
        free_copy(part);
    }
    struct reader r = reader_of(buf_slice_of(&bytes));
    cr_assert(blocks_decode(&r, f.t, &f.s) && read_done(&r));
    CHECK_STACK(&f.s, "run a(0,2] c(200,300]; episode a(2,3] b(0,1]");
    buf_finish(&bytes), buf_finish(&one);
}

static struct slice from_hex(const char *hex, struct buf *out) {
    buf_clear(out);
    for (unsigned digits = 0, byte = 0; *hex != '\0'; hex++) {
        if (*hex == ' ') continue;
        byte = byte << 4 | (unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
        if (++digits % 2 == 0) buf_u8(out, (uint8_t)byte);
    }
    return exact_copy(buf_slice_of(out));
}

Test(blocks, what_is_not_canonical_is_refused) {
    static const struct {
        const char *why, *hex;
    } cases[] = {
        {"no blocks are said to be three", "03"},
        {"a kind that there is not", "01  02 01 " A "00 01"},
        {"a block without ranges", "01  01 00 " A "00 01"},
        {"an empty range", "01  00 01 " A "01 01"},
        {"a range that ends before it begins", "01  00 01 " A "02 01"},
        {"an origin twice", "01  00 02 " A "00 01 " A "02 03"},
        {"origins out of order", "01  00 02 " B "00 01 " A "00 01"},
        {"no origin", "01  00 01 01 61 00 0100000000000000 00 01"},
        {"more blocks than bytes", "ffffffffffffffffff01  00 01 " A "00 01"},
        {"more ranges than bytes", "01  00 ffffffffffffffffff01 " A "00 01"},
        {"two blocks where one is", "02  00 01 " A "00 01"},
        {"a varint of more bytes than it needs", "01  00 8100 " A "00 01"},
    };
    struct buf bytes = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice s = from_hex(cases[i].hex, &bytes);
        struct reader r = reader_of(s);
        cr_assert(!blocks_decode(&r, f.t, &f.s), "%s", cases[i].why);
        cr_assert(r.bad && f.s.n == 0 && f.s.ranges_count == 0, "%s", cases[i].why);
        free_copy(s);
    }
    buf_finish(&bytes);
}

Test(blocks, an_empty_stack_has_bytes_too) {
    struct buf bytes = {0};
    blocks_encode(&f.s, f.t, &bytes);
    CHECK_HEX(bytes, "00");
    RUN(&f.s, {f.a, 0, 1});
    struct reader r = reader_of(buf_slice_of(&bytes));
    cr_assert(blocks_decode(&r, f.t, &f.s) && read_done(&r));
    CHECK_STACK(&f.s, "");
    buf_finish(&bytes);
}

Test(blocks, whatever_bytes_are_accepted_are_the_only_ones_of_their_stack) {
    struct buf good = {0}, again = {0};
    uint64_t seed = 7, accepted = 0;
    RUN(&f.s, {f.a, 0, 2}, {f.b, 1, 3}, {f.c, 20, 30});
    EPISODE(&f.s, {f.a, 2, 3}, {f.b, 3, 5});
    blocks_encode(&f.s, f.t, &good);
    for (uint32_t i = 0; i < 20000; i++) {
        struct slice s = exact_copy(buf_slice_of(&good));
        for (uint64_t left = 1 + draw_below(&seed, 3); left > 0; left--) {
            ((uint8_t *)(uintptr_t)s.p)[draw_below(&seed, s.n)] ^= (uint8_t)(1u << draw_below(&seed, 8));
        }
        struct reader r = reader_of(s);
        if (blocks_decode(&r, f.t, &f.s)) {
            accepted++;
            buf_clear(&again);
            blocks_encode(&f.s, f.t, &again);
            cr_assert(slice_equal(buf_slice_of(&again), SLICE(s.p, (size_t)(r.p - s.p))));
        }
        free_copy(s);
    }
    cr_assert(accepted > 1000);
    buf_finish(&good), buf_finish(&again);
}
