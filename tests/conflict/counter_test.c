#include "../../conflict/counter.h"
#include "../../conflict/planted.h"
#include "../schemas/help.h"

struct fixture {
    struct origins *t;
    origin_ref a, b;
};
static struct fixture f;

static void set_up(void) {
    f.t = origins_create();
    f.b = origin_named(f.t, "b", 1, 2);
    f.a = origin_named(f.t, "a", 1, 1);
}
static void tear_down(void) {
    conflict_planted = CONFLICT_BUG_NONE;
    origins_destroy(f.t);
}
TestSuite(counter, .init = set_up, .fini = tear_down);

#define ONE ((amount_t)100000000000000000)
#define MAX ((amount_t)(~(uint64_t)0 >> 1) << 64 | ~(uint64_t)0)
#define MIN (-MAX - 1)

static struct counter counted(uint64_t birth, uint64_t n, amount_t total) {
    return (struct counter){.origin = f.a, .birth = birth, .n = n, .total = total, .stamp = n * 10};
}
static struct counter reset_to(struct counter c, uint64_t n, amount_t total, struct dot by) {
    c.reset_n = n;
    c.reset_total = total;
    c.reset_by = by;
    return c;
}
static void check_equal(struct counter x, struct counter y) {
    cr_assert(x.origin == y.origin && x.birth == y.birth && x.n == y.n && x.total == y.total && x.stamp == y.stamp);
    cr_assert(x.reset_n == y.reset_n && x.reset_total == y.reset_total && dot_equal(x.reset_by, y.reset_by));
}
static void check_join(struct counter x, struct counter y, struct counter want) {
    check_equal(counter_join(&x, &y), want);
    check_equal(counter_join(&y, &x), want);
}

/* ---- entries ---- */

Test(counter, of_two_states_the_later_total_and_the_later_reset_count) {
    struct dot d = {f.b, 4}, e = {f.b, 6};
    struct counter early = counted(2, 5, 50), late = counted(2, 9, 70);
    check_join(early, late, late);
    check_join(reset_to(early, 5, 50, d), late, reset_to(late, 5, 50, d));
    check_join(reset_to(early, 5, 50, d), reset_to(late, 3, 30, e), reset_to(late, 5, 50, d));
    check_join(late, late, late);
}

Test(counter, a_later_birth_wins_with_all_that_it_has) {
    struct counter old = reset_to(counted(2, 9, 70), 9, 70, (struct dot){f.b, 4}), young = counted(11, 11, 1);
    check_join(old, young, young);
}

Test(counter, a_reset_takes_away_what_was_seen_and_no_more) {
    struct counter c = counted(2, 9, 70);
    struct dot d = {f.b, 4}, e = {f.b, 6};
    cr_assert(counter_live(&c));
    counter_reset_by(&c, &(struct counter_reset){f.a, 2, 5, 50}, d);
    check_equal(c, reset_to(counted(2, 9, 70), 5, 50, d));
    cr_assert(counter_live(&c));
    cr_assert_eq(counters_sum(&c, 1), 20);
    counter_reset_by(&c, &(struct counter_reset){f.a, 2, 4, 40}, e);
    counter_reset_by(&c, &(struct counter_reset){f.a, 2, 5, 50}, e);
    check_equal(c, reset_to(counted(2, 9, 70), 5, 50, d));
    counter_reset_by(&c, &(struct counter_reset){f.a, 1, 8, 60}, e);
    check_equal(c, reset_to(counted(2, 9, 70), 5, 50, d));
    counter_reset_by(&c, &(struct counter_reset){f.a, 2, 9, 70}, e);
    check_equal(c, reset_to(counted(2, 9, 70), 9, 70, e));
    cr_assert(!counter_live(&c));
    cr_assert_eq(counters_sum(&c, 1), 0);
}

Test(counter, an_entry_goes_when_the_event_that_reset_it_wholly_is_stable) {
    struct dot by = {f.b, 4};
    struct counter c = counted(2, 9, 70), part = reset_to(c, 8, 60, by), whole = reset_to(c, 9, 70, by);
    struct vv stable = {0};
    vv_set(&stable, f.a, 100);
    vv_set(&stable, f.b, 3);
    cr_assert(!counter_collectable(&whole, &stable));
    conflict_planted = CONFLICT_BUG_COUNTER_DROP_EARLY;
    cr_assert(counter_collectable(&whole, &stable), "the planted bug");
    cr_assert(!counter_collectable(&part, &stable));
    conflict_planted = CONFLICT_BUG_NONE;
    vv_set(&stable, f.b, 4);
    cr_assert(counter_collectable(&whole, &stable));
    cr_assert(!counter_collectable(&part, &stable));
    cr_assert(!counter_collectable(&c, &stable));
    whole.reset_by.n = 0;
    cr_assert(!counter_collectable(&whole, &stable), "nobody knows by what");
    vv_finish(&stable);
}

/* ---- sums ---- */

Test(counter, a_sum_does_not_depend_on_the_order_even_at_the_ends_of_its_range) {
    struct counter c[] = {counted(1, 1, MAX), counted(1, 1, MAX), counted(1, 1, MIN), counted(1, 1, -5)};
    cr_assert_eq(counters_sum(c, 0), 0);
    cr_assert(counters_sum(c, 1) == MAX);
    cr_assert(counters_sum(c, 2) == MAX, "it stays there");
    cr_assert(counters_sum(c, 3) == MAX - 1);
    cr_assert(counters_sum(c, 4) == MAX - 6);
    cr_assert(counters_sum(c + 2, 1) == MIN);
    cr_assert(counters_sum(c + 2, 2) == MIN, "it stays there");
    c[0] = reset_to(c[0], 1, MIN, (struct dot){f.b, 1});
    cr_assert(counters_sum(c, 1) == MAX);
    c[2] = reset_to(c[2], 1, MIN, (struct dot){f.b, 1});
    cr_assert_eq(counters_sum(c + 2, 2), -5);
}

Test(counter, sums_are_those_of_the_numbers) {
    uint64_t seed = 3;
    for (uint32_t i = 0; i < 2000; i++) {
        struct counter c[5];
        amount_t want = 0;
        for (uint32_t k = 0; k < 5; k++) {
            amount_t total = (amount_t)(int64_t)draw(&seed) * (int64_t)(draw(&seed) >> 8), gone = (amount_t)(int64_t)draw(&seed);
            c[k] = reset_to(counted(1, 2, total), 1, gone, (struct dot){f.b, 1});
            want += total - gone;
        }
        cr_assert(counters_sum(c, 5) == want);
    }
}

Test(counter, adding_stays_at_the_ends_of_the_range) {
    cr_assert(amount_add(ONE, -3 * ONE) == -2 * ONE);
    cr_assert(amount_add(MAX, 1) == MAX);
    cr_assert(amount_add(1, MAX) == MAX);
    cr_assert(amount_add(MIN, -1) == MIN);
    cr_assert(amount_add(MIN, MAX) == -1);
}

/* ---- text ---- */

static struct slice formatted(amount_t a, char text[static AMOUNT_TEXT_MAX]) {
    size_t n = amount_format(a, text);
    cr_assert(n < AMOUNT_TEXT_MAX && text[n] == '\0');
    return SLICE(text, n);
}

Test(counter, numbers_are_read_exactly) {
    static const struct {
        const char *text, *same; /* its shortest form */
    } cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"+0.000", "0"},
        {"0e999999999999999999999999", "0"},
        {"0e-99999", "0"},
        {"00", "0"},
        {"7", "7"},
        {"-7", "-7"},
        {"+7", "7"},
        {"007", "7"},
        {"0.1", "0.1"},
        {".5", "0.5"},
        {"5.", "5"},
        {"-.25", "-0.25"},
        {"3.0e3", "3000"},
        {"5.0E+3", "5000"},
        {"1234e-2", "12.34"},
        {"1e-17", "0.00000000000000001"},
        {"-10e-18", "-0.00000000000000001"},
        {"1e20", "100000000000000000000"},
        {"0.00001e25", "100000000000000000000"},
        {"1.000000000000000000000000000000000000000000000000", "1"},
        {"100000000000000000000000000000000000000000000000000e-50", "1"},
        {"0.00000000000000000000000000000000000000000000000001e50", "1"},
        {"10.50", "10.5"},
        {"100", "100"},
        {"999999999999999999999.99999999999999999", "999999999999999999999.99999999999999999"},
        {"-999999999999999999999.99999999999999999", "-999999999999999999999.99999999999999999"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
    };
    char text[AMOUNT_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice s = exact_copy(slice_text(cases[i].text));
        amount_t a = 42;
        cr_assert(amount_parse(s, &a), "%s", cases[i].text);
        cr_assert(slice_is(formatted(a, text), cases[i].same), "%s came out as %s, not %s", cases[i].text, text, cases[i].same);
        free_copy(s);
    }
}

Test(counter, what_is_no_number_or_not_exact_is_refused) {
    static const char *const cases[] = {
        "",
        "-",
        "+",
        ".",
        "-.",
        "e5",
        ".e5",
        "1e",
        "1e+",
        "1e-",
        "1e5.0",
        "1e5 ",
        " 1",
        "1 ",
        "\t1",
        "1\n",
        "--1",
        "+-1",
        "1-",
        "1..2",
        "1.2.3",
        "0x10",
        "1f",
        "inf",
        "-inf",
        "infinity",
        "nan",
        "1e300",
        "-1e300",
        "1e21",
        "1000000000000000000000",
        "10e20",
        "1e99999999999999999999999999",
        "1e-18",
        "1e-99999999999999999999999999",
        "0.000000000000000001",
        "0.100000000000000001",
        "999999999999999999999.999999999999999999",
        "1234567890123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        "100000000000000000000000000000000000001",
        "100000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice s = exact_copy(slice_text(cases[i]));
        amount_t a = 42;
        cr_assert(!amount_parse(s, &a), "'%s'", cases[i]);
        cr_assert_eq(a, 42, "'%s' is refused and leaves what was there", cases[i]);
        free_copy(s);
    }
    amount_t a;
    cr_assert(!amount_parse(SLICE("1\0", 2), &a));
}

Test(counter, the_ends_of_the_range_have_texts_too) {
    char text[AMOUNT_TEXT_MAX];
    formatted(MAX, text);
    cr_assert_str_eq(text, "1701411834604692317316.87303715884105727");
    formatted(MIN, text);
    cr_assert_str_eq(text, "-1701411834604692317316.87303715884105728");
    formatted(-1, text);
    cr_assert_str_eq(text, "-0.00000000000000001");
    formatted(30 * ONE / 4, text);
    cr_assert_str_eq(text, "7.5");
}

Test(counter, every_amount_comes_back_from_its_text) {
    uint64_t seed = 11;
    char text[AMOUNT_TEXT_MAX];
    for (uint32_t i = 0; i < 20000; i++) {
        amount_t a = (amount_t)draw(&seed) * (int64_t)(draw(&seed) >> 2), back;
        a >>= draw_below(&seed, 120);
        if (a >= 1000 * ONE * 1000000000 * 1000000000) continue;
        if (draw_below(&seed, 2)) a = -a;
        cr_assert(amount_parse(formatted(a, text), &back), "%s", text);
        cr_assert(back == a, "%s", text);
    }
}

/* ---- bytes ---- */

#define A "01 61 01 0100000000000000 "
#define B "01 62 01 0200000000000000 "

static void check_refused(const struct buf *bytes, size_t n) {
    struct slice part = exact_copy(SLICE(bytes->p, n));
    struct reader r = reader_of(part);
    struct counter c = counter_decode(&r, f.t);
    cr_assert(r.bad && c.origin == ORIGIN_NONE && c.n == 0, "%zu bytes", n);
    free_copy(part);
}

Test(counter, an_entry_has_these_bytes) {
    struct counter c = counted(200, 300, -2);
    struct buf plain = {0}, with_reset = {0};
    counter_encode(&c, f.t, &plain);
    CHECK_HEX(plain, A "c801 ac02 feffffffffffffffffffffffffffffff b80b000000000000 00");
    struct counter reset = reset_to(c, 201, (amount_t)7 << 64 | 9, (struct dot){f.b, 5});
    counter_encode(&reset, f.t, &with_reset);
    CHECK_HEX(with_reset, A "c801 ac02 feffffffffffffffffffffffffffffff b80b000000000000 c901 0900000000000000 0700000000000000 " B "05");
    struct reader r = reader_of(buf_slice_of(&plain));
    check_equal(counter_decode(&r, f.t), c);
    cr_assert(read_done(&r));
    r = reader_of(buf_slice_of(&with_reset));
    check_equal(counter_decode(&r, f.t), reset);
    cr_assert(read_done(&r));
    for (size_t n = 0; n < plain.n; n++) check_refused(&plain, n);
    for (size_t n = 0; n < with_reset.n; n++) check_refused(&with_reset, n);
    buf_finish(&plain), buf_finish(&with_reset);
}

Test(counter, entries_that_no_origin_can_have_are_refused) {
    struct buf bytes = {0};
    static const uint64_t births[][2] = {{0, 1}, {0, 0}, {3, 2}};
    for (size_t i = 0; i < sizeof births / sizeof *births; i++) {
        buf_clear(&bytes);
        origin_encode(f.t, f.a, &bytes);
        buf_varint(&bytes, births[i][0]);
        buf_varint(&bytes, births[i][1]);
        for (int k = 0; k < 3; k++) buf_u64(&bytes, 1);
        buf_varint(&bytes, 0);
        check_refused(&bytes, bytes.n);
    }
    buf_finish(&bytes);
}
