#include "../../dc-node/core/prng.h"
#include "../../dc-node/core/reply.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(reply);

static struct buf out;

/* The bytes written since the last look. */
static const char *written(void) {
    buf_u8(&out, 0);
    out.n = 0;
    return (const char *)out.p;
}

Test(reply, the_types_that_resp2_lacks_take_the_form_that_redis_gives_them) {
    struct reply r = {.out = &out, .protocol = 2};
    reply_map(&r, 2);
    cr_assert_str_eq(written(), "*4\r\n");
    reply_set(&r, 2);
    cr_assert_str_eq(written(), "*2\r\n");
    reply_push(&r, 2);
    cr_assert_str_eq(written(), "*2\r\n");
    reply_null(&r);
    cr_assert_str_eq(written(), "$-1\r\n");
    reply_null_array(&r);
    cr_assert_str_eq(written(), "*-1\r\n");
    reply_bool(&r, true);
    cr_assert_str_eq(written(), ":1\r\n");
    reply_double(&r, 1.5);
    cr_assert_str_eq(written(), "$3\r\n1.5\r\n");
    reply_double(&r, -INFINITY);
    cr_assert_str_eq(written(), "$4\r\n-inf\r\n");
    reply_verbatim(&r, "txt", slice_text("hi"));
    cr_assert_str_eq(written(), "$2\r\nhi\r\n");
    cr_assert_not(r.failed);
}

Test(reply, resp3_has_them_all) {
    struct reply r = {.out = &out, .protocol = 3};
    reply_map(&r, 2);
    cr_assert_str_eq(written(), "%2\r\n");
    reply_set(&r, 2);
    cr_assert_str_eq(written(), "~2\r\n");
    reply_push(&r, 2);
    cr_assert_str_eq(written(), ">2\r\n");
    reply_null(&r);
    cr_assert_str_eq(written(), "_\r\n");
    reply_null_array(&r);
    cr_assert_str_eq(written(), "_\r\n");
    reply_bool(&r, false);
    cr_assert_str_eq(written(), "#f\r\n");
    reply_double(&r, 1.5);
    cr_assert_str_eq(written(), ",1.5\r\n");
    reply_verbatim(&r, "txt", slice_text("hi"));
    cr_assert_str_eq(written(), "=6\r\ntxt:hi\r\n");
}

Test(reply, numbers_and_strings) {
    struct reply r = {.out = &out, .protocol = 2};
    reply_integer(&r, INT64_MIN);
    cr_assert_str_eq(written(), ":-9223372036854775808\r\n");
    reply_integer(&r, INT64_MAX);
    cr_assert_str_eq(written(), ":9223372036854775807\r\n");
    reply_integer(&r, 0);
    cr_assert_str_eq(written(), ":0\r\n");
    reply_bulk(&r, (struct slice){0});
    cr_assert_str_eq(written(), "$0\r\n\r\n");
    reply_text(&r, "hi");
    cr_assert_str_eq(written(), "$2\r\nhi\r\n");
    reply_array(&r, 10);
    cr_assert_str_eq(written(), "*10\r\n");
}

Test(reply, an_error_is_one_line_and_is_remembered) {
    struct reply r = {.out = &out, .protocol = 2};
    reply_error(&r, "ERR no '%s'", "a\r\nb");
    cr_assert_str_eq(written(), "-ERR no 'a  b'\r\n");
    cr_assert(r.failed);
}

Test(prng, a_seed_gives_the_same_numbers_everywhere) {
    struct prng p;
    prng_seed(&p, 42);
    const uint64_t expected[] = {UINT64_C(1546998764402558742), UINT64_C(6990951692964543102), UINT64_C(12544586762248559009)};
    for (int i = 0; i < 3; i++) cr_assert_eq(prng_next(&p), expected[i], "number %d", i);
}

Test(prng, numbers_stay_below_and_reach_everything) {
    struct prng p;
    prng_seed(&p, 7);
    for (uint64_t below = 1; below <= 10; below++) {
        unsigned seen = 0;
        for (int i = 0; i < 1000; i++) {
            uint64_t v = prng_below(&p, below);
            cr_assert_lt(v, below);
            seen |= 1u << v;
        }
        cr_assert_eq(seen, (1u << below) - 1);
    }
    for (int i = 0; i < 100; i++) cr_assert_lt(prng_below(&p, UINT64_MAX), UINT64_MAX);
}
