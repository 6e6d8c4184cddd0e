#include "../../schemas/units.h"

#include <criterion/criterion.h>

Test(units, durations_have_units_and_are_rounded_up_to_milliseconds) {
    static const struct {
        const char *text;
        uint32_t ms;
    } good[] = {{"80ms", 80}, {"80", 80}, {"2s", 2000}, {"1.5s", 1500}, {"1m", 60000}, {"500us", 1}, {"0ms", 0}, {"60m", 3600000}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t ms = 12345;
        cr_assert(parse_duration(good[i].text, &ms), "%s", good[i].text);
        cr_assert_eq(ms, good[i].ms, "%s gave %u", good[i].text, ms);
    }
    static const char *const bad[] = {"",    "ms",     "-1ms", "+1s",    " 1s", "1 s", "1h",
                                      "61m", "1.2.3s", ".5s",  "0x10ms", "1e3", "nan", "99999999999999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t ms = 12345;
        cr_assert_not(parse_duration(bad[i], &ms), "%s", bad[i]);
        cr_assert_eq(ms, 12345);
    }
}

Test(units, shares_are_thousandths_up_to_a_hundred_percent) {
    uint32_t permille;
    cr_assert(parse_percent("1%", &permille));
    cr_assert_eq(permille, 10);
    cr_assert(parse_percent("0.5%", &permille));
    cr_assert_eq(permille, 5);
    cr_assert(parse_percent("100%", &permille));
    cr_assert_eq(permille, 1000);
    cr_assert_not(parse_percent("101%", &permille));
    cr_assert_not(parse_percent("1", &permille));
    cr_assert_not(parse_percent("-1%", &permille));
    cr_assert_not(parse_percent("%", &permille));
}

Test(units, rates_are_bits_or_bytes_per_second) {
    uint64_t rate;
    cr_assert(parse_rate("1mbit", &rate));
    cr_assert_eq(rate, 125000);
    cr_assert(parse_rate("256kbit", &rate));
    cr_assert_eq(rate, 32000);
    cr_assert(parse_rate("1gbit", &rate));
    cr_assert_eq(rate, 125000000);
    cr_assert(parse_rate("100KB", &rate));
    cr_assert_eq(rate, 100000);
    cr_assert_not(parse_rate("1", &rate));
    cr_assert_not(parse_rate("0mbit", &rate));
    cr_assert_not(parse_rate("1bit", &rate)); /* less than a byte */
    cr_assert_not(parse_rate("1mbits", &rate));
}

Test(units, counts_are_digits_within_their_bounds) {
    uint64_t n;
    cr_assert(parse_count("7", 1, 7, &n));
    cr_assert_eq(n, 7);
    cr_assert_not(parse_count("8", 1, 7, &n));
    cr_assert_not(parse_count("0", 1, 7, &n));
    cr_assert_not(parse_count("", 0, 7, &n));
    cr_assert_not(parse_count("-1", 0, 7, &n));
    cr_assert_not(parse_count("1x", 0, 7, &n));
    cr_assert_not(parse_count("99999999999999999999", 0, UINT64_MAX, &n));
}

/* ---- scenarios ---- */
Test(units, times_are_exact_to_the_microsecond_and_reach_years) {
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {{"0", 0},           {"0s", 0},           {"40us", 40},    {"1.5ms", 1500},       {"1.000001s", 1000001}, {"2.0m", 120000000},
                {"1h", 3600000000}, {"1d", 86400000000}, {"1y", YEAR_US}, {"0.5d", 43200000000}, {"10.s", 10000000}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t us = 12345;
        cr_assert(parse_time(good[i].text, YEAR_US, &us), "%s", good[i].text);
        cr_assert_eq(us, good[i].us, "%s gave %llu", good[i].text, (unsigned long long)us);
    }
    static const char *const bad[] = {"",      "1",          "0.0",  "s",    "1S",    "1ms ",   "-1s", "+1s",
                                      "0.5us", "1.0000001s", "366d", "1.1y", "1..2s", "1.2.3s", "1w",  "9999999999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t us = 12345;
        cr_assert_not(parse_time(bad[i], YEAR_US, &us), "%s", bad[i]);
        cr_assert_eq(us, 12345u);
    }
}

Test(units, offsets_and_drifts_have_signs) {
    int64_t us;
    int32_t ppm;
    cr_assert(parse_offset("-1h", YEAR_US, &us) && us == -3600000000);
    cr_assert(parse_offset("+2s", YEAR_US, &us) && us == 2000000);
    cr_assert(parse_offset("0s", YEAR_US, &us) && us == 0);
    cr_assert_not(parse_offset("--1s", YEAR_US, &us));
    cr_assert_not(parse_offset("-2y", YEAR_US, &us));
    cr_assert(parse_drift("-200ppm", 500000, &ppm) && ppm == -200);
    cr_assert(parse_drift("15ppm", 500000, &ppm) && ppm == 15);
    cr_assert_not(parse_drift("500001ppm", 500000, &ppm));
    cr_assert_not(parse_drift("1.5ppm", 500000, &ppm));
    cr_assert_not(parse_drift("15", 500000, &ppm));
}

Test(units, shares_of_scenarios_are_exact_to_a_millionth) {
    uint32_t ppm;
    cr_assert(parse_share("100%", &ppm) && ppm == 1000000);
    cr_assert(parse_share("0.0001%", &ppm) && ppm == 1);
    cr_assert(parse_share("12.5%", &ppm) && ppm == 125000);
    cr_assert_not(parse_share("0.00001%", &ppm));
    cr_assert_not(parse_share("100.0001%", &ppm));
    cr_assert_not(parse_share("1", &ppm));
}

Test(units, what_is_formatted_is_read_as_the_same) {
    static const uint64_t numbers[] = {0, 1, 999, 1000, 1001, 1500000, 2000000, 3600000000, YEAR_US, YEAR_US - 1};
    struct buf text = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t us = 1, rate = 0;
        uint32_t ppm = 0;
        buf_clear(&text);
        format_time(numbers[i], &text), buf_u8(&text, 0);
        cr_assert(parse_time((const char *)text.p, YEAR_US, &us) && us == numbers[i], "%s", (const char *)text.p);
        buf_clear(&text);
        format_share((uint32_t)(numbers[i] % 1000001), &text), buf_u8(&text, 0);
        cr_assert(parse_share((const char *)text.p, &ppm) && ppm == numbers[i] % 1000001, "%s", (const char *)text.p);
        buf_clear(&text);
        format_rate(numbers[i] % 1000000000 + 1, &text), buf_u8(&text, 0);
        cr_assert(parse_rate((const char *)text.p, &rate) && rate == numbers[i] % 1000000000 + 1, "%s", (const char *)text.p);
    }
    buf_finish(&text);
}
