/* What a replay shows: the trace in columns, the result, and what differs under another policy. */
#include "../../deploy/replay_print.h"
#include "../../deploy/replay_whatif.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "{\"scenario\": \"a title\", \"datacenters\": {\"us\": {\"nodes\": 2}, \"eu\": {}}, \"seed\": 7,\n"
                           " \"steps\": [\n"
                           "  {\"dc\": \"us\", \"do\": \"SET a 1\"},\n"
                           "  {\"expect\": \"GET a\", \"is\": 2}]}\n";

static struct scenario scenario;
static struct scenario_file file;

static void open_scenario(void) {
    struct buf why = {0};
    json_t *expanded;
    cr_assert(scenario_read("cut.json", slice_text(text), &file, &why), "%.*s", (int)why.n, (const char *)why.p);
    cr_assert(scenario_draw(&file, NULL, &expanded, &why));
    cr_assert(scenario_parse(&file, expanded, &scenario, &why), "%.*s", (int)why.n, (const char *)why.p);
}

static void close_scenario(void) {
    scenario_finish(&scenario);
    scenario_file_finish(&file);
}

static void expect_text(struct buf *got, const char *wanted) {
    buf_u8(got, 0);
    cr_assert_str_eq((const char *)got->p, wanted, "%s", (const char *)got->p);
    buf_finish(got);
}

TestSuite(trace, .init = open_scenario, .fini = close_scenario);
TestSuite(result, .init = open_scenario, .fini = close_scenario);

/* eu is first: datacenters stand in order of name. Nodes: eu-1, us-1, us-2. */
static struct moment at(uint64_t at_us, enum moment_kind kind, int32_t node, const char *words) {
    return (struct moment){.at_us = at_us, .kind = kind, .dc = -1, .node = node, .peer = -1, .text = words};
}

static void show(struct trace *t, struct moment m, struct buf *out) { trace_line(t, &m, out); }

Test(trace, each_datacenter_has_a_column_and_steps_go_across) {
    struct trace t = {.scenario = &scenario, .width = 81};
    struct buf out = {0};
    struct moment step = at(0, MOMENT_STEP, -1, "do SET a 1, dc us");
    step.step = 1;
    trace_head(&t, &out);
    show(&t, step, &out);
    show(&t, at(1200345, MOMENT_MAKES, 1, "us-1#1 SET a"), &out);
    show(&t, at(1240000, MOMENT_APPLIES, 0, "us-1#1"), &out);
    expect_text(&out, "     seconds eu                                us\n"
                      "    0.000000 == step 1: do SET a 1, dc us\n"
                      "    1.200345                                   us-1 makes us-1#1 SET a\n"
                      "    1.240000 eu-1 applies us-1#1\n");
}

Test(trace, what_is_too_long_goes_on_in_its_column) {
    struct trace t = {.scenario = &scenario, .width = 81};
    struct buf out = {0};
    show(&t, at(0, MOMENT_MAKES, 1, "us-1#1 SET a to a value of some length \xc3\xa4\xc3\xa4\xc3\xa4"), &out);
    expect_text(&out, "    0.000000                                   us-1 makes us-1#1 SET a to a\n"
                      "                                                 value of some length \xc3\xa4\xc3\xa4\xc3\xa4\n");
}

Test(trace, no_line_is_wider_than_the_screen_at_any_width) {
    for (uint32_t width = 40; width <= 200; width += 7) {
        struct trace t = {.scenario = &scenario, .width = width};
        struct buf out = {0};
        trace_head(&t, &out);
        show(&t, at(9, MOMENT_CONFLICT, 2, "averylongwordwithoutanyspaceinitthatmustbebrokensomewhereinthemiddle and then on and on and on"), &out);
        buf_u8(&out, 0);
        for (char *save = NULL, *line = strtok_r((char *)out.p, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
            cr_assert(strlen(line) <= width, "%zu at %u: %s", strlen(line), width, line);
        buf_finish(&out);
    }
}

Test(trace, links_that_are_cut_at_once_are_shown_by_node) {
    struct trace t = {.scenario = &scenario, .width = 81};
    struct buf out = {0};
    for (int32_t us = 1; us <= 2; us++) {
        struct moment there = at(1000000, MOMENT_LINK, us, "cut"), back = at(1000000, MOMENT_LINK, 0, "cut");
        there.peer = 0, back.peer = us;
        show(&t, there, &out);
        show(&t, back, &out);
    }
    cr_assert_eq(out.n, 0);
    show(&t, at(1000001, MOMENT_HOLDS, -1, "converged"), &out);
    trace_end(&t, &out);
    expect_text(&out, "    1.000000 eu-1 to us-1 us-2: cut\n"
                      "    1.000000                                   us-1 to eu-1: cut\n"
                      "    1.000000                                   us-2 to eu-1: cut\n"
                      "    1.000001 holds: converged\n");
}

Test(trace, as_json_each_moment_is_a_line_and_nothing_is_held_back) {
    struct trace t = {.scenario = &scenario, .width = 81, .json = true};
    struct buf out = {0};
    struct moment link = at(5, MOMENT_LINK, 1, "cut");
    link.peer = 0;
    trace_head(&t, &out);
    show(&t, link, &out);
    show(&t, at(6, MOMENT_SENT, 1, ""), &out);
    expect_text(&out, "{\"at_us\":5,\"kind\":\"link\",\"node\":\"us-1\",\"peer\":\"eu-1\",\"text\":\"cut\"}\n");
}

Test(trace, colours_are_there_only_where_they_are_asked_for) {
    struct trace t = {.scenario = &scenario, .width = 81, .colours = true};
    struct buf out = {0};
    show(&t, at(0, MOMENT_FAILS, -1, "converged"), &out);
    buf_u8(&out, 0);
    cr_assert_not_null(strchr((const char *)out.p, '\033'));
    buf_finish(&out);
}

/* ---- numbers ---- */
Test(result, times_and_counts_read_well) {
    struct buf out = {0};
    print_time(0, &out), buf_u8(&out, ' ');
    print_time(1200300, &out), buf_u8(&out, ' ');
    print_time(90000000, &out), buf_u8(&out, ' ');
    print_count(7, &out), buf_u8(&out, ' ');
    print_count(1000, &out), buf_u8(&out, ' ');
    print_count(12034567, &out);
    expect_text(&out, "0s 1.2003s 90s 7 1,000 12,034,567");
}

/* ---- the result ---- */
static struct outcome failed_outcome(struct final_row *row) {
    struct outcome o = {.verdict = VERDICT_EXPECTATION, .failed_step = 2, .length_us = 1500000, .rows = row, .rows_count = 1, .conflicts_open = 1};
    snprintf(o.failure, sizeof o.failure, "cut.json:4: step 2 (expect): GET a is \"1\" at eu-1, expected \"2\"");
    return o;
}

Test(result, an_expectation_that_failed_is_shown_with_its_place_and_the_rows) {
    struct final_row row = {
        .key = (char[]){"a"}, .shown = json_string("1"), .siblings = 2, .losers = 1, .open = true, .others = json_pack("{s:s}", "us", "3")};
    struct outcome o = failed_outcome(&row);
    struct record record = {0};
    struct moment fails = at(1500000, MOMENT_FAILS, -1, "GET a is \"1\" at eu-1, expected \"2\"");
    struct buf out = {0};
    fails.step = 2;
    record_add(&record, fails);
    print_result(&scenario, &record, &o, false, &out);
    expect_text(&out, "  FAIL  cut.json:4: step 2, at 1.5s: GET a is \"1\" at eu-1, expected \"2\"\n"
                      "\n"
                      "At the end, 1 row, conflicts open: 1\n"
                      "  ROW      VALUE  VERSIONS  LOSERS  CONFLICT\n"
                      "  a        1      2         1       open\n"
                      "    at us  3\n"
                      "\n"
                      "cut.json:4: step 2 (expect): GET a is \"1\" at eu-1, expected \"2\"\n");
    record_finish(&record);
    json_decref(row.shown), json_decref(row.others);
}

Test(result, as_json_it_has_what_a_program_asks_for) {
    struct final_row row = {.key = (char[]){"a"}, .shown = json_string("1"), .siblings = 2};
    struct outcome o = failed_outcome(&row);
    o.trace_hash = 0xabc;
    json_t *j = outcome_json(&scenario, &o);
    cr_assert_eq(json_integer_value(json_object_get(j, "exit")), 1);
    cr_assert_eq(json_integer_value(json_object_get(j, "failed_step")), 2);
    cr_assert_str_eq(json_string_value(json_object_get(j, "trace_hash")), "0000000000000abc");
    cr_assert_str_eq(json_string_value(json_object_get(j, "seed")), "7");
    cr_assert_eq(json_array_size(json_object_get(j, "rows")), 1);
    json_decref(j);
    json_decref(row.shown);
}

/* ---- what if ---- */
Test(whatif, rows_that_differ_in_value_losers_or_conflict_are_told_and_others_counted) {
    struct final_row written[] = {{.key = (char[]){"a"}, .shown = json_string("1")},
                                  {.key = (char[]){"b"}, .shown = json_string("1"), .open = true},
                                  {.key = (char[]){"c"}, .shown = json_string("1"), .explain = json_pack("{s:[{s:s}]}", "lost", "value", "9")}};
    struct final_row other[] = {{.key = (char[]){"a"}, .shown = json_string("1")},
                                {.key = (char[]){"b"}, .shown = json_string("1")},
                                {.key = (char[]){"c"}, .shown = json_string("1")},
                                {.key = (char[]){"d"}, .shown = json_string("4")}};
    struct outcome a = {.rows = written, .rows_count = 3}, b = {.rows = other, .rows_count = 4};
    uint32_t alike;
    json_t *rows = whatif_compare(&a, &b, &alike);
    char *got = json_dumps(rows, JSON_COMPACT);
    cr_assert_eq(alike, 1);
    cr_assert_str_eq(
        got,
        "[{\"key\":\"b\",\"written\":{\"value\":\"1\",\"losers\":[],\"open\":true},\"other\":{\"value\":\"1\",\"losers\":[],\"open\":false}},"
        "{\"key\":\"c\",\"written\":{\"value\":\"1\",\"losers\":[\"9\"],\"open\":false},\"other\":{\"value\":\"1\",\"losers\":[],\"open\":false}},"
        "{\"key\":\"d\",\"written\":null,\"other\":{\"value\":\"4\",\"losers\":[],\"open\":false}}]");
    free(got);
    json_decref(rows);
    for (size_t i = 0; i < 3; i++) json_decref(written[i].shown), json_decref(written[i].explain);
    for (size_t i = 0; i < 4; i++) json_decref(other[i].shown);
}
