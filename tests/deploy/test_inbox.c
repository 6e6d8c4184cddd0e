#include "../../deploy/inbox.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(inbox);

/* A flat array of names and values, as RESP2 has maps. */
static redisReply *read_reply(const char *wire) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    redisReaderFeed(reader, wire, strlen(wire));
    cr_assert_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    cr_assert_not_null(reply);
    redisReaderFree(reader);
    return reply;
}

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *j = json_loads(text, 0, &error);
    cr_assert_not_null(j, "%s in %s", error.text, text);
    return j;
}

static void check_json(json_t *got, const char *wanted) {
    json_t *j = parse(wanted);
    char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    cr_assert(json_equal(got, j), "got %s, expected %s", text, wanted);
    free(text);
    json_decref(j);
    json_decref(got);
}

/* Two hashes that do not know of each other, and one that both have seen. */
#define SHOWN                                                                                                                                        \
    "{\"id\": \"00c0ffee00c0ffee\", \"key\": \"docs:1\", \"table\": \"docs\", \"kind\": \"row\", \"column\": null, \"state\": \"open\","             \
    " \"policy\": \"record\", \"began\": \"then\", \"changed\": \"now\", \"closed_by\": null, \"reads\": \"by=eu\", \"recorded\": null, "            \
    "\"base\": {\"dot\": \"us-1.0000000000000001:1\", \"value\": \"by=ann\", \"content\": {\"type\": \"hash\", \"expires_ms\": 0, \"columns\": "     \
    "[{\"name\": \"by\", \"value\": \"ann\"}]}}, \"versions\": ["                                                                                    \
    "{\"dc\": \"us\", \"dot\": \"us-1.0000000000000001:2\", \"priority\": 1, \"stamp\": \"5.0\", \"time\": \"t\", \"marked\": 0, \"kind\": "         \
    "\"row\", "                                                                                                                                      \
    "\"column\": null, \"state\": \"hidden\", \"left_by\": null, \"saw\": [], \"value\": \"by=us\", \"content\": {\"type\": \"hash\", "              \
    "\"expires_ms\": 7, \"columns\": [{\"name\": \"by\", \"value\": \"us\"}, {\"name\": \"n\", \"value\": \"1\"}]}},"                                \
    "{\"dc\": \"eu\", \"dot\": \"eu-1.0000000000000002:3\", \"priority\": 2, \"stamp\": \"6.0\", \"time\": \"t\", \"marked\": 1, \"kind\": "         \
    "\"row\", "                                                                                                                                      \
    "\"column\": null, \"state\": \"read\", \"left_by\": null, \"saw\": [], \"value\": \"by=eu\", \"content\": {\"type\": \"hash\", "                \
    "\"expires_ms\": 0, \"columns\": [{\"name\": \"by\", \"value\": \"eu\"}]}}],"                                                                    \
    "\"diff\": [{\"column\": \"by\", \"base\": \"ann\", \"values\": [\"us\", \"eu\"]}, {\"column\": \"n\", \"base\": null, \"values\": [\"1\", "     \
    "null]}]}"

Test(inbox, bytes_that_are_no_text_are_written_in_base64_and_read_back) {
    const struct slice all[] = {SLICE("", 0),         SLICE("text", 4),         SLICE("\xff", 1),
                                SLICE("\xff\xfe", 2), SLICE("\xff\xfe\xfd", 3), SLICE("\xff\0\1\2", 4)};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct buf back = {0};
        json_t *j = inbox_bytes_json(all[i]);
        cr_assert(inbox_bytes_of(j, &back));
        cr_assert(slice_equal(buf_slice_of(&back), all[i]), "%zu", i);
        cr_assert_eq(json_is_string(j), i < 2);
        json_decref(j);
        buf_finish(&back);
    }
    struct buf none = {0};
    json_t *bad[] = {json_integer(1), parse("{\"base64\": \"?\"}"), parse("{\"base64\": \"=AAA\"}"), parse("{\"base64\": 3}"), parse("{}")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert(!inbox_bytes_of(bad[i], &none), "%zu", i);
        json_decref(bad[i]);
    }
    buf_finish(&none);
}

Test(inbox, a_reply_becomes_an_object_with_columns_as_a_list) {
    redisReply *reply = read_reply(
        "*6\r\n$2\r\nid\r\n$2\r\nab\r\n$7\r\ncontent\r\n*4\r\n$4\r\ntype\r\n$4\r\nhash\r\n$7\r\ncolumns\r\n*2\r\n$1\r\nc\r\n"
        "$1\r\nv\r\n$3\r\nsaw\r\n*1\r\n$1\r\nd\r\n");
    check_json(inbox_show_json(reply), "{\"id\": \"ab\", \"content\": {\"type\": \"hash\", \"columns\": [{\"name\": \"c\", \"value\": \"v\"}]}, "
                                       "\"saw\": [\"d\"]}");
    freeReplyObject(reply);
}

Test(inbox, a_conflict_is_shown_with_its_versions_and_column_by_column) {
    struct buf out = {0};
    json_t *shown = parse(SHOWN);
    inbox_show_print(shown, &out);
    buf_u8(&out, 0);
    const char *text = (const char *)out.p;
    const char *const parts[] = {"Conflict 00c0ffee00c0ffee: docs:1, open, table docs, policy record.\n", "Readers see: by=eu\n", "It was: by=ann\n",
                                 "its clock was off", "COLUMN  WAS  A   B\nby      ann  us  eu\nn       -    1   -\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) cr_assert(strstr(text, parts[i]), "\"%s\" is not in:\n%s", parts[i], text);
    json_decref(shown);
    buf_finish(&out);
}

Test(inbox, an_export_has_the_versions_beside_each_other_and_the_base) {
    json_t *shown = parse(SHOWN);
    check_json(
        inbox_export_json(shown),
        "{\"title\": \"00c0ffee00c0ffee\", \"key\": \"docs:1\", \"table\": \"docs\", \"siblings\": [{\"type\": \"hash\", \"expires_ms\": 7, "
        "\"columns\": [{\"name\": \"by\", \"value\": \"us\"}, {\"name\": \"n\", \"value\": \"1\"}], \"dc\": \"us\", \"priority\": 1, \"stamp\": "
        "\"5.0\", \"dot\": \"us-1.0000000000000001:2\"}, {\"type\": \"hash\", \"columns\": [{\"name\": \"by\", \"value\": \"eu\"}], \"dc\": "
        "\"eu\", \"priority\": 2, \"stamp\": \"6.0\", \"dot\": \"eu-1.0000000000000002:3\", \"clock_was_off\": true}], \"base\": {\"type\": "
        "\"hash\", \"columns\": [{\"name\": \"by\", \"value\": \"ann\"}], \"dot\": \"us-1.0000000000000001:1\"}}");
    json_array_remove(json_object_get(shown, "versions"), 1);
    cr_assert_null(inbox_export_json(shown), "one version is no conflict");
    json_decref(shown);
}

Test(inbox, a_closed_conflict_is_exported_without_versions_that_others_of_it_had_seen) {
    json_t *shown = parse(SHOWN), *versions = json_object_get(shown, "versions"), *later = json_deep_copy(json_array_get(versions, 0));
    json_object_set_new(later, "dot", json_string("us-1.0000000000000001:4"));
    json_object_set_new(later, "saw", json_pack("[s]", "us-1.0000000000000001:2"));
    json_array_append_new(versions, later);
    json_object_set_new(shown, "state", json_string("closed"));
    json_t *one = inbox_export_json(shown), *siblings = json_object_get(one, "siblings");
    cr_assert_eq(json_array_size(siblings), 2);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(siblings, 0), "dc")), "eu");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(siblings, 1), "dot")), "us-1.0000000000000001:4");
    json_decref(one);
    json_decref(shown);
}

static void check_words(const struct inbox_words *w, const char *wanted) {
    struct buf text = {0};
    struct reader r = reader_of(buf_slice_of(&w->bytes));
    for (int i = 0; i < w->count; i++) {
        struct slice s = read_slice(&r);
        if (i) buf_u8(&text, ' ');
        buf_put(&text, s.p, s.n);
    }
    buf_u8(&text, 0);
    cr_assert_str_eq((const char *)text.p, wanted);
    buf_finish(&text);
}

Test(inbox, the_editor_begins_with_what_is_read_and_the_columns_that_it_lacks) {
    json_t *shown = parse(SHOWN), *edit = inbox_edit_json(shown);
    struct inbox_words words = {0};
    struct buf why = {0};
    check_json(json_incref(json_object_get(edit, "result")),
               "{\"type\": \"hash\", \"columns\": [{\"name\": \"by\", \"value\": \"eu\"}, {\"name\": \"n\", \"value\": \"1\"}]}");
    cr_assert(inbox_edit_words(edit, &words, &why));
    check_words(&words, "HASH by eu n 1");
    buf_finish(&words.bytes);
    json_decref(edit);
    json_decref(shown);
}

Test(inbox, what_a_person_made_of_it_becomes_words_or_is_refused) {
    const struct {
        const char *edited, *words; /* NULL: refused */
    } cases[] = {{"{\"result\": {\"deleted\": true}}", "DELETED"},
                 {"{\"result\": {\"value\": \"a b\"}}", "STRING a b"},
                 {"{\"result\": {\"value\": {\"base64\": \"eA==\"}}}", "STRING x"},
                 {"{\"result\": {\"columns\": {\"a\": \"1\", \"b\": \"2\"}}}", "HASH a 1 b 2"},
                 {"{\"result\": {\"members\": [\"x\", \"y\"]}}", "SET x y"},
                 {"{\"result\": {}}", NULL},
                 {"{\"result\": {\"columns\": {}}}", NULL},
                 {"{\"result\": {\"value\": 5}}", NULL},
                 {"{\"result\": \"x\"}", NULL},
                 {"[]", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct inbox_words words = {0};
        struct buf why = {0};
        json_t *edited = parse(cases[i].edited);
        bool ok = inbox_edit_words(edited, &words, &why);
        cr_assert_eq(ok, cases[i].words != NULL, "%s", cases[i].edited);
        if (ok) check_words(&words, cases[i].words);
        cr_assert_eq(why.n > 0, !ok, "%s", cases[i].edited);
        json_decref(edited);
        buf_finish(&words.bytes);
        buf_finish(&why);
    }
}

Test(inbox, a_value_of_a_hash_is_given_as_json_and_of_a_column_as_it_is) {
    struct inbox_words words = {0}, plain = {0};
    struct buf why = {0};
    json_t *shown = parse(SHOWN);
    cr_assert(!inbox_value_words(shown, "text", &words, &why));
    cr_assert(inbox_value_words(shown, "{\"by\": \"us\"}", &words, &why));
    check_words(&words, "HASH by us");
    json_object_set_new(shown, "kind", json_string("column"));
    cr_assert(inbox_value_words(shown, "text", &plain, &why));
    check_words(&plain, "STRING text");
    json_decref(shown);
    buf_finish(&words.bytes), buf_finish(&plain.bytes), buf_finish(&why);
}
