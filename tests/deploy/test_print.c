#include "../../deploy/print.h"

#include <criterion/criterion.h>
#include <string.h>

/* A reply as hiredis reads it from the wire. */
static redisReply *read_reply(const char *wire) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    cr_assert_eq(redisReaderFeed(reader, wire, strlen(wire)), REDIS_OK);
    cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    cr_assert_not_null(reply, "%s", wire);
    redisReaderFree(reader);
    return reply;
}

static void expect(const char *wire, void (*print)(const redisReply *reply, struct buf *out), const char *text) {
    struct buf out = {0};
    redisReply *reply = read_reply(wire);
    print(reply, &out);
    buf_u8(&out, 0);
    cr_assert_str_eq((const char *)out.p, text);
    freeReplyObject(reply);
    buf_finish(&out);
}

Test(print, replies_read_as_redis_cli_shows_them_at_a_terminal) {
    expect("+OK\r\n", reply_print, "OK\n");
    expect(":7\r\n", reply_print, "(integer) 7\n");
    expect("$-1\r\n", reply_print, "(nil)\n");
    expect("*0\r\n", reply_print, "(empty array)\n");
    expect("-ERR no\r\n", reply_print, "(error) ERR no\n");
    expect("$4\r\na\"\n\x01\r\n", reply_print, "\"a\\\"\\n\\x01\"\n");
    expect("*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", reply_print, "1) \"a\"\n2) 1) (integer) 1\n   2) (nil)\n");
}

Test(print, replies_into_a_pipe_are_bare_text) {
    expect("*2\r\n$1\r\na\r\n:1\r\n", reply_print_raw, "a\n1\n");
    expect("$-1\r\n", reply_print_raw, "\n");
    expect("$3\r\na b\r\n", reply_print_raw, "a b\n");
}

Test(print, replies_as_json_keep_types_and_escape_what_is_no_text) {
    redisReply *reply = read_reply("*4\r\n$2\r\n\xc3\xa4\r\n$1\r\n\xff\r\n:-5\r\n$-1\r\n");
    json_t *json = reply_as_json(reply);
    cr_assert_str_eq(json_string_value(json_array_get(json, 0)), "\xc3\xa4");
    cr_assert_str_eq(json_string_value(json_array_get(json, 1)), "\"\\xff\"");
    cr_assert_eq(json_integer_value(json_array_get(json, 2)), -5);
    cr_assert(json_is_null(json_array_get(json, 3)));
    json_decref(json);
    freeReplyObject(reply);
}

Test(print, columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces) {
    struct table t = {.columns = 2};
    struct buf out = {0};
    const char *const cells[] = {"KEY", "VALUE", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", "1", "b", ""};
    for (size_t i = 0; i < 6; i++) table_cell(&t, "%s", cells[i]);
    table_print(&t, &out);
    buf_u8(&out, 0);
    cr_assert_str_eq((const char *)out.p, "KEY   VALUE\n\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4  1\nb\n");
    table_finish(&t);
    buf_finish(&out);
}
