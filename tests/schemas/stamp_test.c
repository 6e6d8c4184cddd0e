#include "../../schemas/stamp.h"
#include "help.h"

TestSuite(stamp);

Test(stamp, text_comes_back) {
    static const struct {
        stamp_t stamp;
        const char *text;
    } golden[] = {
        {0, "0.0"}, {(UINT64_C(1700000000000) << 16) | 3, "1700000000000.3"}, {UINT64_MAX, "281474976710655.65535"}, {1, "0.1"}, {1 << 16, "1.0"}};
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct buf b = {0};
        stamp_t parsed = 99;
        stamp_format(golden[i].stamp, &b);
        CHECK_TEXT(b, golden[i].text);
        cr_assert(stamp_parse(slice_text(golden[i].text), &parsed));
        cr_assert_eq(parsed, golden[i].stamp);
        buf_finish(&b);
    }
}

Test(stamp, other_text_is_refused) {
    static const char *const bad[] = {"",     ".",    "1",    "1.",   ".1",    "1.65536", "281474976710656.0", "01.0", "1.00",
                                      "-1.0", "1.-0", "1.0 ", " 1.0", "1.0.0", "1,0"};
    stamp_t s = 99;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) cr_assert_not(stamp_parse(slice_text(bad[i]), &s), "%s was taken", bad[i]);
    cr_assert_eq(s, 99u);
}

Test(stamp, own_stamps_rise_strictly_and_never_lie_below_the_wall_clock) {
    uint64_t seed = 1;
    struct hlc c = {0};
    stamp_t before = 0;
    uint64_t wall = 1000;
    for (int i = 0; i < 100000; i++) {
        wall += draw_below(&seed, 4) - 1; /* the wall clock may step back */
        stamp_t s = hlc_next(&c, wall);
        cr_assert_gt(s, before);
        cr_assert_geq(stamp_ms(s), wall);
        before = s;
    }
}

Test(stamp, more_than_65536_stamps_in_a_millisecond_run_over_into_the_next) {
    struct hlc c = {0};
    for (uint32_t i = 0; i < 65536; i++) cr_assert_eq(hlc_next(&c, 5), stamp_make(5, (uint16_t)i));
    cr_assert_eq(hlc_next(&c, 5), stamp_make(6, 0));
}

Test(stamp, what_follows_a_stamp_that_was_taken_in_is_greater) {
    uint64_t seed = 2;
    struct hlc a = {0}, b = {0};
    uint64_t wall_a = 5000, wall_b = 4700; /* off by less than the bound */
    for (int i = 0; i < 20000; i++) {
        wall_a += draw_below(&seed, 2);
        wall_b += draw_below(&seed, 2);
        if (wall_a > wall_b + 400) wall_a = wall_b + 400;
        if (wall_b > wall_a + 400) wall_b = wall_a + 400;
        stamp_t sent = hlc_next(&a, wall_a);
        cr_assert(hlc_observe(&b, sent, wall_b, 500));
        stamp_t answer = hlc_next(&b, wall_b);
        cr_assert_lt(sent, answer);
        cr_assert(hlc_observe(&a, answer, wall_a, 500));
    }
}

Test(stamp, a_stamp_beyond_the_bound_does_not_move_the_clock) {
    struct hlc c = {0};
    stamp_t own = hlc_next(&c, 1000);
    cr_assert_not(hlc_observe(&c, stamp_make(1501, 0), 1000, 500));
    cr_assert_eq(c.last, own);
    cr_assert(hlc_observe(&c, stamp_make(1500, 65535), 1000, 500));
    cr_assert_eq(hlc_next(&c, 1000), stamp_make(1501, 0));
    cr_assert(hlc_observe(&c, 5, 1000, 500));
    cr_assert_eq(c.last, stamp_make(1501, 0), "an older stamp moves nothing");
    cr_assert_not(hlc_observe(&c, UINT64_MAX, 0, 0));
    cr_assert(hlc_observe(&c, stamp_make(3000, 0), UINT64_MAX - 1, 500), "the sum of clock and bound does not wrap");
}

Test(stamp, a_wall_clock_beyond_48_bits_counts_as_the_greatest) {
    struct hlc c = {0};
    cr_assert_eq(hlc_next(&c, UINT64_MAX), stamp_make(STAMP_MS_MAX, 0));
}
