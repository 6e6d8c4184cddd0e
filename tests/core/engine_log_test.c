/* TRUCE.LOG: what the log still has. */
#include "conflicts_help.h"

TestSuite(log);

/* The reply of TRUCE.LOG ... JSON. */
static json_t *told(struct rig *r, const char *node, const char *options) {
    char command[512];
    snprintf(command, sizeof command, "TRUCE.LOG %s JSON", options);
    const char *text = strchr(rig_do(r, node, command), '{');
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    cr_assert(j, "%s: %.300s", command, rig_do(r, node, command));
    return j;
}

static const char *text_of(const json_t *j, const char *key) {
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

Test(log, a_page_ends_with_a_token_and_the_next_begins_there_until_all_is_told) {
    struct rig *r = rig_open("us:1 eu:1");
    for (int i = 0; i < 10; i++) {
        char command[64];
        snprintf(command, sizeof command, "SET k%d %d", i, i);
        EXPECT(r, i % 2 ? "us-1" : "eu-1", command, "+OK");
        if (i == 4) rig_settle(r);
    }
    rig_settle(r);
    char options[256] = "COUNT 3";
    char last[64] = "";
    unsigned events = 0;
    for (bool more = true; more;) {
        json_t *page = told(r, "us-1", options), *event;
        size_t i;
        cr_assert_leq(json_array_size(json_object_get(page, "events")), 3);
        json_array_foreach(json_object_get(page, "events"), i, event) {
            cr_assert_geq(strcmp(text_of(event, "stamp"), last), 0, "%s comes after %s", text_of(event, "stamp"), last);
            snprintf(last, sizeof last, "%s", text_of(event, "stamp"));
            events++;
        }
        more = json_is_true(json_object_get(page, "more"));
        snprintf(options, sizeof options, "FROM %s COUNT 3", text_of(page, "token"));
        json_decref(page);
    }
    cr_assert_eq(events, 10);
    json_t *page = told(r, "us-1", options);
    cr_assert_eq(json_array_size(json_object_get(page, "events")), 0);
    json_decref(page);
    rig_close(r);
}

Test(log, an_event_tells_its_changes_in_words_and_what_its_origin_had_learnt) {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}, \"docs\": {\"conflict\": \"record\"}}");
    EXPECT(r, "us-1", "HSET docs:1 title a", ":1");
    rig_settle(r);
    EXPECT(r, "eu-1", "INCRBY n 5", ":5");
    json_t *page = told(r, "eu-1", "");
    const json_t *first = json_array_get(json_object_get(page, "events"), 0), *second = json_array_get(json_object_get(page, "events"), 1);
    const json_t *change = json_array_get(json_object_get(first, "changes"), 0);
    cr_assert_str_eq(text_of(change, "key"), "docs:1");
    cr_assert_str_eq(text_of(change, "op"), "PUT");
    cr_assert_str_eq(text_of(change, "type"), "hash");
    cr_assert_str_eq(text_of(first, "deps"), "-");
    char learnt[96];
    snprintf(learnt, sizeof learnt, "%s", text_of(first, "dot"));
    cr_assert_str_eq(text_of(second, "deps"), learnt); /* a vector of one dot reads as the dot */
    const json_t *cell = json_array_get(json_object_get(json_array_get(json_object_get(second, "changes"), 0), "cells"), 0);
    cr_assert_str_eq(text_of(cell, "kind"), "string");
    cr_assert_str_eq(text_of(cell, "total"), "5");
    json_decref(page);
    rig_close(r);
}

Test(log, events_before_a_moment_are_passed_over_and_their_token_still_covers_them) {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_run(r, SECONDS(5));
    json_t *page = told(r, "us-1", "");
    unsigned long long ms = strtoull(text_of(json_array_get(json_object_get(page, "events"), 0), "stamp"), NULL, 10);
    json_decref(page);
    EXPECT(r, "us-1", "SET b 2", "+OK");
    char options[64];
    snprintf(options, sizeof options, "SINCE %llu", ms + 1000);
    page = told(r, "us-1", options);
    cr_assert_eq(json_array_size(json_object_get(page, "events")), 1);
    char token[160];
    snprintf(token, sizeof token, "%s", text_of(page, "token"));
    json_decref(page);
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TOKEN"), token);
    rig_close(r);
}

Test(log, it_is_told_after_a_restart_too_and_bodies_are_told_as_they_are) {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    EXPECT(r, "us-1", "SET a 2", "+OK");
    rig_settle(r);
    rig_restart(r, "eu-1", CRASH_PROCESS);
    rig_settle(r);
    json_t *page = told(r, "eu-1", "");
    cr_assert_eq(json_array_size(json_object_get(page, "events")), 2);
    json_decref(page);
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.LOG BODIES COUNT 1"), "$4 more :1 $6 events *1 *2 ");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.LOG FROM nonsense"), "-ERR the token is no version vector that eu-1 knows");
    EXPECT(r, "eu-1", "TRUCE.LOG SOMETHING", "-ERR syntax error");
    rig_close(r);
}

/* ---- transactions under a context, as a replay of what the log told makes them ---- */

Test(log, a_transaction_has_the_one_context_that_its_first_command_names) {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"docs\": {\"conflict\": \"record\"}}");
    EXPECT(r, "us-1", "SET docs:1 a", "+OK");
    EXPECT(r, "us-1", "MULTI", "+OK");
    EXPECT(r, "us-1", "TRUCE.WITH - SET docs:1 b", "+QUEUED");
    EXPECT(r, "us-1", "TRUCE.WITH - SET docs:2 c", "+QUEUED");
    EXPECT(r, "us-1", "EXEC", "*2 +OK +OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS COUNT"), "$4 open :1");
    EXPECT(r, "us-1", "MULTI", "+OK");
    EXPECT(r, "us-1", "SET docs:2 d", "+QUEUED");
    EXPECT(r, "us-1", "TRUCE.WITH - SET docs:1 e", "+QUEUED");
    EXPECT_LIKE(rig_do(r, "us-1", "EXEC"), "*2 +OK -ERR a transaction has one context");
    rig_close(r);
}

Test(log, under_a_context_a_row_is_deleted_that_others_have_deleted_already) {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"docs\": {\"conflict\": \"lww\"}}");
    EXPECT(r, "us-1", "SET docs:1 a", "+OK");
    EXPECT(r, "us-1", "DEL docs:1", ":1");
    json_t *before = told(r, "us-1", "");
    EXPECT(r, "us-1", "MULTI", "+OK");
    EXPECT(r, "us-1", "TRUCE.WITH - SET docs:1 x", "+QUEUED");
    EXPECT(r, "us-1", "TRUCE.WITH - DEL docs:1", "+QUEUED");
    EXPECT(r, "us-1", "EXEC", "*2 +OK :1");
    json_t *after = told(r, "us-1", "");
    cr_assert_eq(json_array_size(json_object_get(after, "events")), json_array_size(json_object_get(before, "events")) + 1);
    json_decref(before);
    json_decref(after);
    rig_close(r);
}
