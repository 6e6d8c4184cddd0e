#include "../../dc-node/io/resp.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* All commands of the input, arguments in brackets; what was left or wrong at the end. `step`: how many bytes come at a time. */
static const char *parsed_in_steps(struct slice in, size_t step) {
    static struct buf text;
    struct resp_parser p = {0};
    size_t begin = 0, there = 0;
    buf_clear(&text);
    for (bool done = false; !done;) {
        size_t used = 0;
        enum resp_result r = resp_parse(&p, SLICE(in.p + begin, there - begin), &used);
        begin += used;
        if (r == RESP_COMMAND) {
            for (uint32_t i = 0; i < p.argc; i++) buf_printf(&text, "[%.*s]", (int)p.argv[i].n, (const char *)p.argv[i].p);
            buf_text(&text, ";");
        } else if (r == RESP_BAD) {
            buf_text(&text, p.error);
            done = true;
        } else if (there == in.n) {
            if (begin < in.n) buf_printf(&text, "%zu left", in.n - begin);
            done = true;
        } else {
            there = there + step < in.n ? there + step : in.n;
        }
    }
    resp_finish(&p);
    buf_u8(&text, 0);
    return (const char *)text.p;
}

static void expect_of(struct slice in, const char *want) {
    for (size_t step = 1; step <= in.n + 1; step = step < 8 ? step + 1 : step * 2)
        cr_assert_str_eq(parsed_in_steps(in, step), want, "%zu bytes at a time", step);
}

static void expect(const char *in, const char *want) { expect_of(slice_text(in), want); }

Test(resp, an_array_of_bulk_strings_is_a_command) { expect("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n", "[SET][k][hello];"); }

Test(resp, arguments_may_be_empty_and_hold_any_byte) {
    struct resp_parser p = {0};
    size_t used;
    struct slice in = SLICE("*2\r\n$0\r\n\r\n$4\r\n\0\r\n\xff\r\n", 20);
    cr_assert_eq(resp_parse(&p, in, &used), RESP_COMMAND);
    cr_assert_eq(used, 20);
    cr_assert_eq(p.argc, 2);
    cr_assert_eq(p.argv[0].n, 0);
    cr_assert(slice_equal(p.argv[1], SLICE("\0\r\n\xff", 4)));
    resp_finish(&p);
}

Test(resp, arguments_are_slices_of_the_input) {
    struct slice in = slice_text("*1\r\n$4\r\nPING\r\n");
    struct resp_parser p = {0};
    size_t used;
    cr_assert_eq(resp_parse(&p, in, &used), RESP_COMMAND);
    cr_assert_eq(p.argv[0].p, in.p + 8);
    resp_finish(&p);
}

Test(resp, commands_follow_each_other) { expect("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n", "[PING];[GET][k];[PING];"); }

Test(resp, what_is_not_whole_waits) {
    expect("*2\r\n$3\r\nGET\r\n$1\r\n", "17 left");
    expect("*2\r\n$3\r\nGE", "10 left");
    expect("*", "1 left");
    expect("PIN", "3 left");
}

Test(resp, a_parser_says_how_much_more_an_argument_needs) {
    struct resp_parser p = {0};
    size_t used;
    cr_assert_eq(resp_parse(&p, slice_text("*2\r\n$3\r\nGET\r\n$1000\r\nabc"), &used), RESP_MORE);
    cr_assert_eq(used, 0);
    cr_assert_eq(p.wanted, 999);
    resp_finish(&p);
}

Test(resp, empty_commands_are_passed_over) { expect("\r\n*0\r\n*-1\r\n \r\n*1\r\n$4\r\nPING\r\n\r\n", "[PING];"); }

Test(resp, inline_commands_are_split_at_spaces) { expect("SET  k\tvalue \r\nGET k\n", "[SET][k][value];[GET][k];"); }

Test(resp, inline_arguments_may_be_quoted) {
    expect("SET k \"a b\\n\\x41\\\"\"\r\n", "[SET][k][a b\nA\"];");
    expect("SET 'it\\'s' '\\n' \"\"\r\n", "[SET][it's][\\n][];");
    expect("ECHO a\"b c\"\r\n", "[ECHO][ab c];");
}

Test(resp, quotes_must_be_closed_and_followed_by_a_space) {
    expect("SET k \"a\r\n", "Protocol error: unbalanced quotes in request");
    expect("SET k 'a\r\n", "Protocol error: unbalanced quotes in request");
    expect("SET k \"a\"b\r\n", "Protocol error: unbalanced quotes in request");
}

Test(resp, counts_beyond_the_limit_are_refused_at_once) {
    expect("*1048577\r\n", "Protocol error: invalid multibulk length");
    expect("*9223372036854775808\r\n", "Protocol error: invalid multibulk length");
    expect("*99999999999999999999999999\r\n", "Protocol error: invalid multibulk length");
    expect("*x\r\n", "Protocol error: invalid multibulk length");
    expect("*\r\n", "Protocol error: invalid multibulk length");
    expect("*01\r\n", "Protocol error: invalid multibulk length");
    expect("*+1\r\n", "Protocol error: invalid multibulk length");
    expect("* 1\r\n", "Protocol error: invalid multibulk length");
}

Test(resp, lengths_beyond_the_limit_are_refused_at_once) {
    expect("*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
    expect("*1\r\n$1114113\r\n", "Protocol error: invalid bulk length");
    expect("*1\r\n$9223372036854775807\r\n", "Protocol error: invalid bulk length");
    expect("*1\r\n$18446744073709551616\r\n", "Protocol error: invalid bulk length");
    expect("*1\r\n$3x\r\n", "Protocol error: invalid bulk length");
}

Test(resp, anything_but_a_bulk_string_in_an_array_is_refused) {
    expect("*2\r\n$3\r\nGET\r\n:1\r\n", "Protocol error: expected '$', got ':'");
    expect("*1\r\n*1\r\n$4\r\nPING\r\n", "Protocol error: expected '$', got '*'");
    expect("*1\r\n\x01\r\n", "Protocol error: expected '$', got '\\x01'");
}

Test(resp, a_request_that_becomes_too_large_is_refused_when_that_is_known) {
    struct buf in = {0};
    struct resp_parser p = {0};
    size_t used;
    buf_printf(&in, "*100\r\n");
    for (int i = 0; i < 15; i++) {
        buf_printf(&in, "$1048576\r\n");
        memset(buf_reserve(&in, 1048576), 'x', 1048576);
        in.n += 1048576;
        buf_text(&in, "\r\n");
    }
    cr_assert_eq(resp_parse(&p, buf_slice_of(&in), &used), RESP_MORE);
    buf_printf(&in, "$1048576\r\n");
    cr_assert_eq(resp_parse(&p, buf_slice_of(&in), &used), RESP_BAD);
    cr_assert_str_eq(p.error, "Protocol error: too big request");
    resp_finish(&p);
    buf_finish(&in);
}

static void expect_too_long(const char *begin, const char *want) {
    struct buf in = {0};
    struct resp_parser p = {0};
    size_t used;
    buf_text(&in, begin);
    memset(buf_reserve(&in, 65537), '1', 65537);
    in.n += 65537;
    cr_assert_eq(resp_parse(&p, buf_slice_of(&in), &used), RESP_BAD);
    cr_assert_str_eq(p.error, want);
    resp_finish(&p);
    buf_finish(&in);
}

Test(resp, a_line_without_an_end_is_refused) {
    expect_too_long("*", "Protocol error: too big mbulk count string");
    expect_too_long("*1\r\n$", "Protocol error: too big bulk count string");
    expect_too_long("PING", "Protocol error: too big inline request");
}

Test(resp, a_browser_is_not_a_client) {
    expect("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "Protocol error: this is not HTTP");
    expect("Host: x\r\n", "Protocol error: this is not HTTP");
}

Test(resp, many_arguments_come_back_in_order) {
    struct buf in = {0};
    struct resp_parser p = {0};
    size_t used;
    buf_printf(&in, "*100000\r\n");
    for (int i = 0; i < 100000; i++) buf_printf(&in, "$6\r\n%06d\r\n", i);
    for (size_t n = 0; n < in.n; n += 70001) cr_assert_eq(resp_parse(&p, SLICE(in.p, n), &used), RESP_MORE);
    cr_assert_eq(resp_parse(&p, buf_slice_of(&in), &used), RESP_COMMAND);
    cr_assert_eq(p.argc, 100000);
    for (int i = 0; i < 100000; i++) {
        char want[8];
        snprintf(want, sizeof want, "%06d", i);
        cr_assert(slice_is(p.argv[i], want));
    }
    cr_assert_eq(used, in.n);
    resp_finish(&p);
    buf_finish(&in);
}
