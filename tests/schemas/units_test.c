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
