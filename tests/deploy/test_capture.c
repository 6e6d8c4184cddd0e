/* Events of a log as the commands that do them again. */
#include "../../conflict/counter.h"
#include "../../deploy/capture_steps.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(capture);

static const char cluster_json[] =
    "{\"cluster\": \"t\", \"datacenters\": {\"us\": {\"nodes\": {\"1\": {\"client\": \"127.0.0.1:1\", \"peer\": \"127.0.0.1:2\"}}},"
    "\"eu\": {\"nodes\": {\"1\": {\"client\": \"127.0.0.1:3\", \"peer\": \"127.0.0.1:4\"}}}}}";
#define US "us-1.00000000000000aa"
#define EU "eu-1.00000000000000bb"

static struct cluster cluster;
static struct capture capture;
static struct buf scratch[64]; /* what changes borrow */
static size_t scratch_count;

static void open_capture(void) {
    struct buf why = {0};
    cr_assert(cluster_parse("t", slice_text(cluster_json), &cluster, &why), "%.*s", (int)why.n, (const char *)why.p);
    capture_init(&capture, &cluster);
}

static void close_capture(void) {
    capture_finish(&capture);
    cluster_finish(&cluster);
    for (size_t i = 0; i < scratch_count; i++) buf_finish(&scratch[i]);
    scratch_count = 0;
}

/* ---- making events ---- */

static struct slice string(const char *value, uint64_t ends_ms) {
    content_make_string(&scratch[scratch_count], ends_ms, slice_text(value));
    return buf_slice_of(&scratch[scratch_count++]);
}

/* Names and values by turns; of a set names alone. */
static struct slice columns(enum content_type type, size_t count, const char *const *words) {
    struct content_column c[16];
    bool hash = type == CONTENT_HASH;
    for (size_t i = 0; i < count; i++)
        c[i] = (struct content_column){slice_text(words[hash ? 2 * i : i]), hash ? slice_text(words[2 * i + 1]) : SLICE(NULL, 0)};
    content_make(&scratch[scratch_count], type, 0, c, count);
    return buf_slice_of(&scratch[scratch_count++]);
}
#define HASH(...) columns(CONTENT_HASH, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) / 2, (const char *const[]){__VA_ARGS__})
#define SET(...)  columns(CONTENT_SET, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static struct slice delta(uint8_t flags, enum content_type type, struct delta_op *ops, uint32_t count) {
    struct delta d = {.flags = flags, .type = type, .ops = ops, .ops_count = count};
    delta_encode(&d, capture.origins, &scratch[scratch_count]);
    return buf_slice_of(&scratch[scratch_count++]);
}

static struct change put(const char *key, struct slice content) {
    return (struct change){.op = CHANGE_PUT, .key = slice_text(key), .content = content};
}
static struct change merge(const char *key, struct slice d) { return (struct change){.op = CHANGE_MERGE, .key = slice_text(key), .content = d}; }

static amount_t amount(const char *text) {
    amount_t a;
    cr_assert(amount_parse(slice_text(text), &a));
    return a;
}

/* `deps`: what its origin had learnt since its previous event, as a vector. */
static void event_of(const char *dot, uint64_t ms, const char *deps, const struct change *changes, uint32_t count) {
    struct buf body = {0}, why = {0};
    struct vv v = {0};
    struct dot list[8];
    uint32_t n = 0;
    cr_assert(vv_parse(slice_text(deps), capture.origins, &v));
    for (origin_ref o = 0; o < v.len; o++)
        if (v.n[o]) list[n++] = (struct dot){o, v.n[o]};
    event_begin(&body, stamp_make(ms, 0), 7, list, n, count, capture.origins);
    for (uint32_t i = 0; i < count; i++) event_change(&body, &changes[i], capture.origins);
    cr_assert(capture_add(&capture, slice_text(dot), buf_slice_of(&body), &why), "%.*s", (int)why.n, (const char *)why.p);
    vv_finish(&v);
    buf_finish(&body);
}
static void one_change(const char *dot, uint64_t ms, const char *deps, struct change c) { event_of(dot, ms, deps, &c, 1); }

/* ---- looking at what comes of them ---- */

static char said[4096];

/* The commands of all events, in order: "a; b" where they are a transaction, one event a line. */
static const char *commands_where(bool exact) {
    capture_order(&capture, 0);
    struct captured_rows *rows = rows_of_capture(&capture);
    struct command_maker *m = command_maker_create(&capture, rows);
    said[0] = 0;
    for (size_t i = 0; i < capture.count; i++) {
        json_t *list = commands_of_event(m, i, exact), *one;
        size_t k;
        json_array_foreach(list, k, one) snprintf(said + strlen(said), sizeof said - strlen(said), "%s%s", k ? "; " : "", json_string_value(one));
        snprintf(said + strlen(said), sizeof said - strlen(said), "\n");
        json_decref(list);
    }
    command_maker_destroy(m);
    captured_rows_destroy(rows);
    return said;
}

static const char *commands(void) { return commands_where(true); }

static const char *knows(size_t event) {
    json_t *list = capture_knows(&capture, event);
    char *text = json_dumps(list, JSON_COMPACT);
    snprintf(said, sizeof said, "%s", text);
    free(text);
    json_decref(list);
    return said;
}

Test(capture, a_row_that_is_written_again_is_told_by_what_has_changed_of_it, .init = open_capture, .fini = close_capture) {
    one_change(US ":1", 1000, "-", put("users:1", HASH("name", "Alice", "town", "Graz")));
    one_change(US ":2", 1001, "-", put("users:1", HASH("name", "Alice Smith", "town", "Graz")));
    one_change(US ":3", 1002, "-", put("users:1", HASH("name", "Alice Smith")));
    one_change(US ":4", 1003, "-", (struct change){.op = CHANGE_DELETE, .key = slice_text("users:1")});
    one_change(US ":5", 1004, "-", put("users:1", SET("a")));
    one_change(US ":6", 1005, "-", put("users:1", SET("b", "c")));
    cr_assert_str_eq(commands(), "HSET users:1 name Alice town Graz\n"
                                 "HSET users:1 name \"Alice Smith\"\n"
                                 "HDEL users:1 town\n"
                                 "DEL users:1\n"
                                 "SADD users:1 a\n"
                                 "SADD users:1 b c; SREM users:1 a\n");
}

Test(capture, where_a_row_has_two_versions_it_is_written_whole, .init = open_capture, .fini = close_capture) {
    one_change(US ":1", 1000, "-", put("users:1", HASH("name", "a")));
    one_change(EU ":1", 1001, "-", put("users:1", HASH("name", "b")));
    one_change(US ":2", 1002, EU ":1", put("users:1", HASH("name", "c")));
    cr_assert_str_eq(commands(), "HSET users:1 name a\nHSET users:1 name b\nDEL users:1; HSET users:1 name c\n");
    cr_assert_str_eq(knows(1), "[]");
    cr_assert_str_eq(knows(2), "[\"us-1_1\",\"eu-1_1\"]");
}

Test(capture, where_a_node_may_know_more_than_its_writer_did_rows_are_written_whole_and_deletions_count, .init = open_capture,
     .fini = close_capture) {
    one_change(US ":1", 1000, "-", put("users:1", HASH("name", "Alice", "town", "Graz")));
    one_change(US ":2", 1001, "-", put("users:1", HASH("name", "Alice Smith", "town", "Graz")));
    one_change(US ":3", 1002, "-", (struct change){.op = CHANGE_DELETE, .key = slice_text("users:1")});
    cr_assert_str_eq(commands_where(false), "DEL users:1; HSET users:1 name Alice town Graz\n"
                                            "DEL users:1; HSET users:1 name \"Alice Smith\" town Graz\n"
                                            "SET users:1 deleted; DEL users:1\n");
}

Test(capture, a_writer_that_knows_others_knows_what_they_knew_and_a_client_with_an_old_context_less, .init = open_capture, .fini = close_capture) {
    struct dot unseen;
    one_change(US ":1", 1000, "-", put("a", string("1", 0)));
    one_change(EU ":1", 1001, US ":1", put("b", string("2", 0)));
    one_change(US ":2", 1002, EU ":1", put("c", string("3", 0)));
    cr_assert(dot_parse(slice_text(EU ":1"), capture.origins, &unseen));
    one_change(US ":3", 1003, "-",
               (struct change){.op = CHANGE_PUT, .key = slice_text("b"), .content = string("4", 0), .unseen = &unseen, .unseen_count = 1});
    commands();
    cr_assert_str_eq(knows(1), "[\"us-1_1\"]");
    cr_assert_str_eq(knows(2), "[\"eu-1_1\"]");
    cr_assert_str_eq(knows(3), "[\"us-1_1\"]"); /* us-1_2 knew eu-1_1, which this client did not */
}

Test(capture, counters_are_told_by_what_each_event_has_added, .init = open_capture, .fini = close_capture) {
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_COUNT, .count = {.birth = 1, .n = 1, .total = amount("5")}};
    one_change(US ":1", 1000, "-", merge("n", delta(DELTA_CLEAR, CONTENT_STRING, &op, 1)));
    op.count.total = amount("3");
    op.count.n = 2;
    one_change(US ":2", 1001, "-", merge("n", delta(0, CONTENT_STRING, &op, 1)));
    struct delta_op column = {
        .kind = CELL_FIELD, .flags = OP_COUNT, .name = slice_text("c d"), .count = {.birth = 3, .n = 3, .total = amount("1.5")}};
    one_change(US ":3", 1002, "-", merge("h", delta(DELTA_CLEAR, CONTENT_HASH, &column, 1)));
    column.count.total = amount("2.5");
    column.count.n = 4;
    one_change(US ":4", 1003, "-", merge("h", delta(0, CONTENT_HASH, &column, 1)));
    cr_assert_str_eq(commands(), "INCRBY n 5\nINCRBY n -2\nHINCRBYFLOAT h \"c d\" 1.5\nHINCRBYFLOAT h \"c d\" 1\n");
}

Test(capture, cells_that_are_put_and_removed_are_columns_members_strings_and_times, .init = open_capture, .fini = close_capture) {
    uint8_t ends[8] = {0};
    uint64_t ms = 1000 + 60000;
    for (int i = 0; i < 8; i++) ends[i] = (uint8_t)(ms >> 8 * i);
    struct delta_op set[] = {{.kind = CELL_STRING, .flags = OP_PUT, .value = slice_text("v")},
                             {.kind = CELL_EXPIRY, .flags = OP_PUT, .value = SLICE(ends, 8)}};
    one_change(US ":1", 1000, "-", merge("s", delta(DELTA_CLEAR, CONTENT_STRING, set, 2)));
    struct delta_op hash[] = {{.kind = CELL_FIELD, .flags = OP_PUT, .name = slice_text("a"), .value = slice_text("1")},
                              {.kind = CELL_FIELD, .flags = OP_REMOVE, .name = slice_text("b")}};
    one_change(US ":2", 1001, "-", merge("h", delta(0, CONTENT_HASH, hash, 2)));
    struct delta_op members[] = {{.kind = CELL_MEMBER, .flags = OP_PUT, .name = slice_text("x")},
                                 {.kind = CELL_MEMBER, .flags = OP_REMOVE, .name = slice_text("y")}};
    one_change(US ":3", 1002, "-", merge("m", delta(0, CONTENT_SET, members, 2)));
    struct delta_op lasts = {.kind = CELL_EXPIRY, .flags = OP_PUT};
    one_change(US ":4", 1003, "-", merge("s", delta(0, CONTENT_NONE, &lasts, 1)));
    one_change(US ":5", 1004, "-", merge("s", delta(DELTA_CLEAR, CONTENT_NONE, NULL, 0)));
    struct delta_op whole[] = {{.kind = CELL_FIELD, .flags = OP_PUT, .name = slice_text("a"), .value = slice_text("1")},
                               {.kind = CELL_EXPIRY, .flags = OP_PUT}};
    one_change(US ":6", 1005, "-", merge("h", delta(DELTA_CLEAR, CONTENT_HASH, whole, 2)));
    cr_assert_str_eq(commands(), "SET s v PX 60000\n"
                                 "HSET h a 1; HDEL h b\n"
                                 "SADD m x; SREM m y\n"
                                 "PERSIST s\n"
                                 "DEL s\n"
                                 "HSET capture-1 a 1; RENAME capture-1 h\n"); /* as a whole it says that it lasts for ever */
}

Test(capture, a_transaction_is_a_list_and_words_are_quoted_so_that_nothing_in_them_is_drawn_or_replaced, .init = open_capture,
     .fini = close_capture) {
    struct change both[] = {put("a b", string("{1..3} $name \"x\"", 0)), put("empty", string("", 0))};
    event_of(US ":1", 1000, "-", both, 2);
    cr_assert_str_eq(commands(), "SET \"a b\" \"\\x7b1..3\\x7d $$name \\\"x\\\"\"; SET empty \"\"\n");
}

Test(capture, bytes_that_are_no_text_are_escaped, .init = open_capture, .fini = close_capture) {
    struct buf out = {0};
    command_word(SLICE("\xff\x00\xc3\xa9", 4), &out);
    cr_assert(slice_equal(buf_slice_of(&out), slice_text("\"\\xff\\x00\\xc3\\xa9\"")));
    buf_clear(&out);
    command_word(slice_text("\xc3\xa9\n"), &out);
    cr_assert(slice_equal(buf_slice_of(&out), slice_text("\"\xc3\xa9\\x0a\"")));
    buf_finish(&out);
}

Test(capture, definitions_are_their_commands_and_a_table_of_a_handler_is_recorded, .init = open_capture, .fini = close_capture) {
    one_change(US ":1", 1000, "-", put("truce:table:docs", HASH("barrier", "1", "conflict", "lww")));
    one_change(US ":2", 1001, "-", put("truce:table:docs", HASH("conflict", "handler:longest_text", "settings", "{}")));
    one_change(US ":3", 1002, "-", put("truce:dc:eu", HASH("priority", "7")));
    one_change(US ":4", 1003, "-", (struct change){.op = CHANGE_DELETE, .key = slice_text("truce:table:docs")});
    one_change(US ":5", 1004, "-", put("truce:mark:" EU, HASH("1-9", "its clock was off")));
    cr_assert_str_eq(commands(), "TRUCE.TABLE SET docs lww\nTRUCE.TABLE SET docs record\nTRUCE.PRIORITY eu 7\nTRUCE.TABLE RESET docs\n\n");
    cr_assert_eq(json_array_size(capture.notes), 2);
}

Test(capture, events_come_in_the_order_of_their_stamps_but_never_before_what_they_knew, .init = open_capture, .fini = close_capture) {
    one_change(US ":1", 5000, "-", put("a", string("fast clock", 0)));
    one_change(EU ":1", 1000, "-", put("a", string("first", 0)));
    one_change(EU ":2", 1001, US ":1", put("a", string("knew it", 0)));
    cr_assert_str_eq(commands(), "SET a first\nSET a \"fast clock\"\nSET a \"knew it\"\n");
}

Test(capture, what_a_writer_did_not_know_is_held_back_from_him_where_that_is_possible, .init = open_capture, .fini = close_capture) {
    struct held_backs held;
    one_change(US ":1", 1000, "-", put("a", string("us", 0)));
    one_change(EU ":1", 1001, "-", put("a", string("eu", 0)));
    one_change(EU ":2", 1002, US ":1", put("a", string("eu again", 0)));
    one_change(US ":2", 1003, EU ":1", put("b", string("elsewhere", 0))); /* of no row that eu has written */
    capture_order(&capture, 0);
    struct captured_rows *rows = rows_of_capture(&capture);
    held_backs_find(&capture, rows, &held);
    cr_assert_eq(held.count, 1);
    cr_assert_str_eq(cluster.dcs[held.list[0].from].name, "us");
    cr_assert_str_eq(cluster.dcs[held.list[0].to].name, "eu");
    cr_assert_eq(held.list[0].first, 0);
    cr_assert_eq(held.list[0].last, 1);
    free(held.list);
    captured_rows_destroy(rows);
}

Test(capture, moments_are_read_and_nothing_else, .init = open_capture, .fini = close_capture) {
    uint64_t ms = 0;
    cr_assert(parse_instant("1970-01-02T00:00:01.250Z", &ms));
    cr_assert_eq(ms, 86401250);
    cr_assert(parse_instant("1970-01-01T00:00:02Z", &ms));
    cr_assert_eq(ms, 2000);
    cr_assert_not(parse_instant("1970-01-01T00:00:02", &ms));
    cr_assert_not(parse_instant("1970-01-01T00:00:02.5Zx", &ms));
    cr_assert_not(parse_instant("yesterday", &ms));
}
