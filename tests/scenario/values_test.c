/* Replies as JSON and as text, words of commands, and values held against what was expected. */
#include "../../dc-node/scenario/compare.h"
#include "../../dc-node/scenario/reply_json.h"
#include "../../dc-node/scenario/words.h"
#include "../../schemas/shown.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- replies ---- */

static void expect_json(const char *command, struct slice resp, const char *json) {
    struct words w = {0};
    struct buf why = {0};
    if (command) cr_assert(words_split(command, &w, &why));
    json_t *j = reply_json(resp, w.argv, w.argc, NULL);
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_assert_str_eq(text, json, "%s", command ? command : "");
    free(text);
    json_decref(j);
    words_finish(&w);
}

static void expect_text_json(const char *command, const char *resp, const char *json) { expect_json(command, slice_text(resp), json); }

Test(replies, every_type_of_both_protocols_has_its_form) {
    static const char *const cases[][2] = {
        {"+OK\r\n", "\"OK\""},
        {"-ERR no\r\n", "{\"error\":\"ERR no\"}"},
        {"!6\r\nERR no\r\n", "{\"error\":\"ERR no\"}"},
        {":-12\r\n", "\"-12\""},
        {"$3\r\na\"b\r\n", "\"a\\\"b\""},
        {"$0\r\n\r\n", "\"\""},
        {"$-1\r\n", "null"},
        {"*-1\r\n", "null"},
        {"_\r\n", "null"},
        {"#t\r\n", "true"},
        {"#f\r\n", "false"},
        {",1.5\r\n", "\"1.5\""},
        {"(123456789012345678901234567890\r\n", "\"123456789012345678901234567890\""},
        {"=8\r\ntxt:text\r\n", "\"text\""},
        {"*0\r\n", "[]"},
        {"*2\r\n:1\r\n*1\r\n$-1\r\n", "[\"1\",[null]]"},
        {"%1\r\n+a\r\n:1\r\n", "{\"a\":\"1\"}"},
        {"~2\r\n+b\r\n+a\r\n", "[\"a\",\"b\"]"},
        {">1\r\n+a\r\n", "[\"a\"]"},
        {"|1\r\n+ttl\r\n:1\r\n+OK\r\n", "\"OK\""},
        {"$2\r\n\xc3\xa4\r\n", "\"\xc3\xa4\""},
        {"$2\r\n\xff\\\r\n", "\"\\\\xff\\\\x5c\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_text_json(NULL, cases[i][0], cases[i][1]);
    expect_json(NULL, SLICE("$3\r\na\0b\r\n", 9), "\"a\\\\x00b\"");
}

Test(replies, none_and_malformed_ones_are_errors) {
    static const char *const malformed[] = {"$5\r\nab\r\n", "*2\r\n+a\r\n", "?\r\n", "$x\r\n", "+OK", "*99999999999\r\n", "$99\r\n", "*3\r\n"};
    expect_text_json(NULL, "", "{\"error\":\"no answer\"}");
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) expect_text_json(NULL, malformed[i], "{\"error\":\"the reply is malformed\"}");
    struct buf deep = {0};
    for (int i = 0; i < 100; i++) buf_text(&deep, "*1\r\n");
    buf_text(&deep, "+a\r\n");
    expect_json(NULL, buf_slice_of(&deep), "{\"error\":\"the reply is malformed\"}");
    buf_finish(&deep);
}

Test(replies, the_command_tells_what_the_older_protocol_does_not) {
    expect_text_json("HGETALL h", "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "{\"a\":\"1\",\"b\":\"2\"}");
    expect_text_json("hgetall h", "%1\r\n+a\r\n:1\r\n", "{\"a\":\"1\"}");
    expect_text_json("HGETALL h", "*0\r\n", "{}");
    expect_text_json("HGETALL h", "-WRONGTYPE\r\n", "{\"error\":\"WRONGTYPE\"}");
    expect_text_json("SMEMBERS s", "*2\r\n+b\r\n+a\r\n", "[\"a\",\"b\"]");
    expect_text_json("LRANGE l 0 -1", "*2\r\n+b\r\n+a\r\n", "[\"b\",\"a\"]");
    expect_text_json("CONFIG GET x", "*2\r\n+x\r\n+1\r\n", "{\"x\":\"1\"}");
    expect_text_json("TRUCE.SIBLINGS k", "*4\r\n+context\r\n+-\r\n+siblings\r\n*1\r\n*4\r\n+dot\r\n+d\r\n+value\r\n+v\r\n",
                     "{\"context\":\"-\",\"siblings\":[{\"dot\":\"d\",\"value\":\"v\"}]}");
    expect_text_json("TRUCE.CONFLICTS k", "*1\r\n*2\r\n+key\r\n+k\r\n", "[{\"key\":\"k\"}]");
    expect_text_json("TRUCE.CONFLICTS LIST", "*2\r\n$0\r\n\r\n*1\r\n*2\r\n+key\r\n+k\r\n", "[\"\",[{\"key\":\"k\"}]]");
    expect_text_json("TRUCE.CONFLICTS SHOW 1", "*4\r\n+base\r\n*2\r\n+value\r\n+b\r\n+versions\r\n*1\r\n*2\r\n+content\r\n*2\r\n+type\r\n+hash\r\n",
                     "{\"base\":{\"value\":\"b\"},\"versions\":[{\"content\":{\"type\":\"hash\"}}]}");
    expect_text_json("TRUCE.CONFLICTS COUNT", "*2\r\n:1\r\n:2\r\n", "[\"1\",\"2\"]");
}

Test(replies, a_line_shows_them_as_redis_cli_does) {
    static const char *const cases[][2] = {
        {"", "(no answer)"},
        {"+OK\r\n", "OK"},
        {"-ERR no\r\n", "(error) ERR no"},
        {":3\r\n", "(integer) 3"},
        {"$5\r\na\"\n\tb\r\n", "\"a\\\"\\n b\""},
        {"$-1\r\n", "(nil)"},
        {"*0\r\n", "(empty)"},
        {"*3\r\n:1\r\n$1\r\na\r\n*1\r\n+b\r\n", "1) (integer) 1 2) \"a\" 3) 1) b"},
        {"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "1) a => (integer) 1 2) b => (integer) 2"},
        {"$9\r\n", "(malformed)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf line = {0};
        reply_line(slice_text(cases[i][0]), &line);
        buf_u8(&line, 0);
        cr_assert_str_eq((const char *)line.p, cases[i][1]);
        buf_finish(&line);
    }
}

/* ---- words ---- */

static void expect_words(const char *text, const char *joined) {
    struct words w = {0};
    struct buf why = {0}, all = {0};
    json_t *names = json_pack("{s:i,s:i,s:i}", "t", 1, "cart", 2, "late", 3);
    json_t *saved = json_pack("{s:s,s:{s:s,s:[s]}}", "t", "a b", "cart", "context", "x:1", "list", "m");
    bool good = words_split(text, &w, &why) && words_expand(&w, names, saved, &why);
    for (uint32_t i = 0; good && i < w.argc; i++) buf_printf(&all, "%s%.*s", i ? "|" : "", (int)w.argv[i].n, (const char *)w.argv[i].p);
    if (!good) buf_printf(&all, "! %.*s", (int)why.n, (const char *)why.p);
    buf_u8(&all, 0);
    cr_assert_str_eq((const char *)all.p, joined);
    buf_finish(&all);
    buf_finish(&why);
    words_finish(&w);
    json_decref(names);
    json_decref(saved);
}

Test(words, quotes_are_those_of_redis_cli) {
    expect_words("SET a  1", "SET|a|1");
    expect_words("SET a 'b c' \"d\\n\\x41\" ''", "SET|a|b c|d\nA|");
    expect_words("SET a 'b", "! unbalanced quotes");
    expect_words("  ", "! the command is empty");
}

Test(words, kept_replies_stand_for_their_names) {
    expect_words("ECHO $t", "ECHO|a b");
    expect_words("ECHO x$t.y '$t'", "ECHO|xa b.y|a b");
    expect_words("ECHO $cart.context $cart.list", "ECHO|x:1|[\"m\"]");
    expect_words("ECHO $5 $ $other $$t $$$t", "ECHO|$5|$|$other|$t|$a b");
    expect_words("ECHO $late", "! $late is not known: its step has had no reply");
    expect_words("ECHO $cart.none", "! $cart has no none");
}

Test(words, a_command_has_an_end) {
    struct words w = {0};
    struct buf text = {0}, why = {0};
    for (int i = 0; i < 257; i++) buf_text(&text, "a ");
    buf_u8(&text, 0);
    cr_assert_not(words_split((const char *)text.p, &w, &why));
    cr_assert(slice_equal(buf_slice_of(&why), slice_text("more than 256 words")));
    buf_finish(&text);
    buf_finish(&why);
}

/* ---- comparing ---- */

struct comparing {
    enum comparison how;
    const char *value, *with; /* JSON */
    bool holds;
};

static json_t *json_of(const char *text) {
    json_error_t error;
    json_t *j = json_loads(text, JSON_DECODE_ANY, &error);
    cr_assert(j != NULL, "%s: %s", text, error.text);
    return j;
}

static bool holds(enum comparison how, const char *value, const char *with, bool unordered, bool time) {
    struct finding f = {json_of(value), unordered, time};
    struct compare c = {how, with ? json_of(with) : NULL};
    const struct compare *failed;
    bool one = compare_holds(&c, &f), all = compare_all(&c, 1, &f, &failed);
    cr_assert_eq(one, all);
    cr_assert_eq(failed, one ? NULL : &c);
    json_decref((json_t *)(uintptr_t)c.with);
    finding_finish(&f);
    return one;
}

static void expect_all(const struct comparing *cases, size_t count) {
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(holds(cases[i].how, cases[i].value, cases[i].with, false, false), cases[i].holds, "%zu: %s against %s", i, cases[i].value,
                     cases[i].with);
}
#define EXPECT_ALL(...)                                                                                                                              \
    expect_all((const struct comparing[]){__VA_ARGS__}, sizeof((const struct comparing[]){__VA_ARGS__}) / sizeof(struct comparing))

Test(comparing, numbers_are_equal_as_numbers_and_all_else_as_it_stands) {
    EXPECT_ALL({COMPARE_IS, "\"1\"", "1", true}, {COMPARE_IS, "\"1\"", "\"1.0\"", true}, {COMPARE_IS, "\"-0\"", "0", true},
               {COMPARE_IS, "\"10\"", "9", false}, {COMPARE_IS, "\"0.5\"", "0.5", true}, {COMPARE_IS, "\"007\"", "7", false},
               {COMPARE_IS, "\"12345678901234567890\"", "\"12345678901234567891\"", false}, {COMPARE_IS, "\"a\"", "\"a\"", true},
               {COMPARE_IS, "\"a\"", "\"A\"", false}, {COMPARE_IS, "null", "null", true}, {COMPARE_IS, "\"\"", "null", false},
               {COMPARE_IS, "[\"1\",null]", "[1,null]", true}, {COMPARE_IS, "[\"1\",\"2\"]", "[2,1]", false}, {COMPARE_IS, "[\"1\"]", "[1,1]", false},
               {COMPARE_IS, "{\"a\":\"1\",\"b\":\"2\"}", "{\"b\":2,\"a\":1}", true}, {COMPARE_IS, "{\"a\":\"1\"}", "{\"a\":1,\"b\":2}", false},
               {COMPARE_IS, "{\"a\":\"1\"}", "{\"b\":1}", false}, {COMPARE_IS, "true", "true", true}, {COMPARE_NOT, "\"1\"", "2", true},
               {COMPARE_NOT, "\"1\"", "1", false}, {COMPARE_NOT, "{\"error\":\"ERR\"}", "1", false}, {COMPARE_ONE_OF, "\"1\"", "[0,1]", true},
               {COMPARE_ONE_OF, "\"2\"", "[0,1]", false});
    cr_assert(holds(COMPARE_IS, "[\"1\",\"2\"]", "[2,1]", true, false), "a set has no order");
    cr_assert_not(holds(COMPARE_IS, "[\"1\",\"2\"]", "[2,2]", true, false));
}

Test(comparing, what_is_within_is_looked_for_in_texts_lists_and_objects) {
    EXPECT_ALL({COMPARE_CONTAINS, "\"milk, eggs\"", "\"eggs\"", true}, {COMPARE_CONTAINS, "\"milk\"", "\"eggs\"", false},
               {COMPARE_CONTAINS, "\"milk, eggs\"", "[\"eggs\",\"milk\"]", true}, {COMPARE_CONTAINS, "\"milk\"", "[\"eggs\",\"milk\"]", false},
               {COMPARE_CONTAINS, "[\"a\",\"1\"]", "1", true}, {COMPARE_CONTAINS, "[\"a\",\"b\"]", "[\"b\",\"a\"]", true},
               {COMPARE_CONTAINS, "[\"a\"]", "[\"b\",\"a\"]", false}, {COMPARE_CONTAINS, "{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":1}", true},
               {COMPARE_CONTAINS, "{\"a\":\"1\"}", "{\"a\":2}", false}, {COMPARE_CONTAINS, "{\"a\":\"1\"}", "\"a\"", true},
               {COMPARE_CONTAINS, "{\"a\":\"1\"}", "[\"a\",\"b\"]", false}, {COMPARE_CONTAINS, "null", "\"a\"", false},
               {COMPARE_LACKS, "\"milk\"", "\"eggs\"", true}, {COMPARE_LACKS, "\"milk\"", "\"milk\"", false},
               {COMPARE_LACKS, "[\"a\",\"b\"]", "[\"c\",\"b\"]", false}, {COMPARE_LACKS, "[\"a\"]", "[\"c\",\"b\"]", true},
               {COMPARE_LACKS, "null", "\"a\"", true}, {COMPARE_LACKS, "{\"error\":\"ERR\"}", "\"a\"", false},
               {COMPARE_MATCHES, "\"milk\"", "\"m*k\"", true}, {COMPARE_MATCHES, "\"milk\"", "\"m?k\"", false},
               {COMPARE_MATCHES, "null", "\"*\"", false});
}

Test(comparing, bounds_are_exact_and_counts_are_of_what_there_is) {
    EXPECT_ALL({COMPARE_AT_LEAST, "\"3\"", "3", true}, {COMPARE_AT_LEAST, "\"2.999\"", "3", false}, {COMPARE_AT_LEAST, "\"-3\"", "-2", false},
               {COMPARE_AT_LEAST, "\"10\"", "9", true}, {COMPARE_AT_LEAST, "null", "0", false}, {COMPARE_AT_LEAST, "\"a\"", "0", false},
               {COMPARE_AT_MOST, "\"3\"", "3", true}, {COMPARE_AT_MOST, "\"3.1\"", "3", false}, {COMPARE_AT_MOST, "\"-3\"", "-2", true},
               {COMPARE_AT_MOST, "{\"error\":\"ERR\"}", "3", false}, {COMPARE_COUNT, "[\"a\",\"b\"]", "2", true}, {COMPARE_COUNT, "[]", "1", false},
               {COMPARE_COUNT, "{\"a\":\"1\"}", "1", true}, {COMPARE_COUNT, "null", "0", true}, {COMPARE_COUNT, "\"7\"", "7", true},
               {COMPARE_COUNT, "\"a\"", "1", false}, {COMPARE_COUNT, "{\"error\":\"ERR\"}", "1", false});
    cr_assert(holds(COMPARE_AT_MOST, "300000", "\"300ms\"", false, true));
    cr_assert_not(holds(COMPARE_AT_MOST, "300001", "\"300ms\"", false, true));
    cr_assert(holds(COMPARE_AT_LEAST, "1500000", "\"1.5s\"", false, true));
    cr_assert(holds(COMPARE_IS, "1000", "\"1ms\"", false, true));
    cr_assert_not(holds(COMPARE_IS, "1000", "\"never\"", false, true));
}

Test(comparing, errors_hold_only_where_they_are_wanted) {
    EXPECT_ALL({COMPARE_FAILS, "{\"error\":\"NOQUORUM no majority\"}", "\"NOQUORUM\"", true},
               {COMPARE_FAILS, "{\"error\":\"NOQUORUM no majority\"}", "\"WRONGTYPE\"", false}, {COMPARE_FAILS, "{\"error\":\"ERR\"}", "true", true},
               {COMPARE_FAILS, "\"OK\"", "true", false}, {COMPARE_FAILS, "{\"error\":\"no answer\"}", "\"no answer\"", true},
               {COMPARE_FAILS, "\"OK\"", "false", true}, {COMPARE_HOLDS, "{\"error\":\"ERR\"}", NULL, false});
}

Test(comparing, without_a_comparison_it_must_be_something) {
    EXPECT_ALL({COMPARE_HOLDS, "\"1\"", NULL, true}, {COMPARE_HOLDS, "\"0\"", NULL, false}, {COMPARE_HOLDS, "\"-0.0\"", NULL, false},
               {COMPARE_HOLDS, "\"\"", NULL, false}, {COMPARE_HOLDS, "\"no\"", NULL, true}, {COMPARE_HOLDS, "null", NULL, false},
               {COMPARE_HOLDS, "[]", NULL, false}, {COMPARE_HOLDS, "[null]", NULL, true}, {COMPARE_HOLDS, "{}", NULL, false},
               {COMPARE_HOLDS, "{\"a\":\"\"}", NULL, true}, {COMPARE_HOLDS, "true", NULL, true}, {COMPARE_HOLDS, "false", NULL, false},
               {COMPARE_HOLDS, "3", NULL, true});
}

static void expect_words_of(enum comparison how, const char *with, const char *words) {
    struct compare c = {how, with ? json_of(with) : NULL};
    struct buf text = {0};
    compare_format(&c, &text);
    buf_u8(&text, 0);
    cr_assert_str_eq((const char *)text.p, words);
    buf_finish(&text);
    json_decref((json_t *)(uintptr_t)c.with);
}

Test(comparing, what_is_expected_stands_in_words) {
    expect_words_of(COMPARE_HOLDS, NULL, "something");
    expect_words_of(COMPARE_IS, "\"a\"", "\"a\"");
    expect_words_of(COMPARE_IS, "null", "nil");
    expect_words_of(COMPARE_NOT, "1", "anything but 1");
    expect_words_of(COMPARE_ONE_OF, "[1,\"b\"]", "one of [1,\"b\"]");
    expect_words_of(COMPARE_CONTAINS, "\"a\"", "something with \"a\"");
    expect_words_of(COMPARE_LACKS, "[\"a\"]", "something without [\"a\"]");
    expect_words_of(COMPARE_MATCHES, "\"a*\"", "something like \"a*\"");
    expect_words_of(COMPARE_AT_LEAST, "1.5", "at least 1.5");
    expect_words_of(COMPARE_AT_MOST, "\"300ms\"", "at most 300ms");
    expect_words_of(COMPARE_COUNT, "3", "a count of 3");
    expect_words_of(COMPARE_FAILS, "true", "an error");
    expect_words_of(COMPARE_FAILS, "\"ERR\"", "an error with \"ERR\"");
    expect_words_of(COMPARE_FAILS, "false", "no error");
}

Test(comparing, what_is_long_is_cut_off_between_characters) {
    struct buf text = {0}, value = {0};
    buf_text(&value, "x");
    for (int i = 0; i < 200; i++) buf_text(&value, "\xc3\xa4");
    struct finding f = {.value = shown_bytes(buf_slice_of(&value))};
    finding_format(&f, &text);
    cr_assert_eq(text.n, 243);
    json_t *whole = json_stringn((const char *)text.p, text.n);
    cr_assert_not_null(whole, "it is UTF-8");
    json_decref(whole);
    buf_finish(&text);
    buf_finish(&value);
    finding_finish(&f);
}
