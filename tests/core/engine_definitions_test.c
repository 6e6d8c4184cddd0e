#include "conflicts_help.h"

TestSuite(definitions);

/* ---- definitions ---- */

Test(definitions, a_table_that_is_declared_while_a_datacenter_is_away_takes_no_writes_until_every_node_has_the_definition) {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET items:1 merged", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-2", "TRUCE.TABLE SET items record", "+OK"); /* forwarded */
    EXPECT_LIKE(rig_do(r, "us-2", "SET items:1 x"), "table items has a new definition that not every node has yet");
    EXPECT(r, "us-2", "GET items:1", "$6 merged");
    EXPECT(r, "eu-1", "SET items:1 still-merged", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SHOW items"), "$7 barrier :1");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_run(r, SECONDS(3));
    for (int i = 0; i < 3; i++) {
        const char *node = i == 0 ? "us-1" : i == 1 ? "us-2" : "eu-1";
        EXPECT_LIKE(rig_do(r, node, "TRUCE.TABLE SHOW items"), "$6 policy $6 record");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.TABLE SHOW items"), "$7 defined $11 at run time");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.TABLE LIST"), "$5 table $5 items");
        EXPECT(r, node, "GET items:1", "$12 still-merged");
    }
    EXPECT(r, "us-2", "SET items:1 whole", "+OK");
    EXPECT(r, "eu-1", "TRUCE.TABLE SET items lww", "+OK"); /* between whole-row policies at once */
    EXPECT(r, "eu-1", "SET items:1 at-once", "+OK");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SHOW items"), "$6 policy $3 lww");
    rig_close(r);
}

Test(definitions, definitions_are_not_the_clients_to_write_and_those_that_make_no_sense_are_refused_in_words) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    EXPECT_LIKE(rig_do(r, "us-1", "SET truce:table:docs x"), "TRUCE.TABLE");
    EXPECT_LIKE(rig_do(r, "us-1", "HSET truce:dc:us priority 4"), "TRUCE.TABLE");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET truce lww"), "-ERR a table's name");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET Bad lww"), "-ERR a table's name");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET docs whatever"), "-ERR policy: ");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET docs lww SETTINGS {}"), "-ERR settings are for handlers");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET docs handler:nonesuch"), "-HANDLER nonesuch is not usable at us-1: it is not installed here");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET docs handler:nonesuch FORCE"), "FORCE counts only for those that the cluster file forces by name");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE FROB docs"), "-ERR expected TRUCE.TABLE SET");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SHOW nonesuch"), "-ERR no table of that name");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.PRIORITY mars 1"), "-ERR expected a datacenter");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MARK nobody 1 2"), "-ERR expected an origin");
    rig_close(r);
}

Test(definitions, a_priority_that_changes_changes_what_is_read_in_every_datacenter_and_nothing_is_lost) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    EXPECT(r, "us-1", "TRUCE.PRIORITY us 9", "+OK");
    rig_settle(r);
    write_apart(r, "SET seats:1 us", "SET seats:1 eu");
    for (int i = 0; i < 2; i++) EXPECT(r, i ? "us-1" : "eu-1", "GET seats:1", "$2 us");
    EXPECT(r, "eu-1", "TRUCE.PRIORITY eu 10", "+OK");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        EXPECT(r, node, "TRUCE.PRIORITY eu", ":10");
        EXPECT(r, node, "GET seats:1", "$2 eu");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS seats"), "$5 value $2 us");
    }
    rig_close(r);
}

Test(definitions, versions_under_a_clock_mark_come_after_all_others_in_every_datacenter) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    write_apart(r, "SET users:1 us", "SET users:1 eu");
    EXPECT(r, "us-1", "GET users:1", "$2 eu");
    char *winner = ask_field(r, "us-1", "TRUCE.CONFLICTS users", "winner");
    *strrchr(winner, ':') = 0;
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.MARK %s 1 100 ahead", winner), "+OK");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        EXPECT(r, node, "GET users:1", "$2 us");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.EXPLAIN users:1"), "stamped by a clock that was off");
    }
    free(winner);
    rig_close(r);
}

/* ---- explain ---- */

Test(definitions, explain_tells_versions_losers_policy_and_cost_as_text_and_as_json) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    write_apart(r, "HSET free:1 name us n 1", "HSET free:1 name eu");
    EXPECT(r, "us-1", "HINCRBY free:1 n 5", ":6");
    EXPECT(r, "us-1", "HSET free:1 name over", ":0");
    rig_settle(r);
    const char *text = rig_do(r, "eu-1", "TRUCE.EXPLAIN free:1");
    EXPECT_LIKE(text, "free:1 in table *, policy merge, at eu-1");
    EXPECT_LIKE(text, "reads as \"n=6 name=over\"");
    EXPECT_LIKE(text, "lost to us-1.");
    EXPECT_LIKE(text, "bytes of metadata over");
    const char *json = rig_do(r, "eu-1", "TRUCE.EXPLAIN free:1 JSON");
    json_error_t error;
    json_t *j = json_loads(strchr(json, '{'), 0, &error);
    cr_assert(j, "%s in %s", error.text, json);
    cr_assert_str_eq(json_string_value(json_object_get(j, "policy")), "merge");
    cr_assert_eq(json_array_size(json_object_get(j, "lost")), 2);
    cr_assert_eq(json_array_size(json_object_get(j, "episodes")), 1);
    cr_assert_eq(json_array_size(json_object_get(j, "cells")), 2, "%s", json);
    cr_assert_gt(json_integer_value(json_object_get(j, "metadata_bytes")), 0);
    json_decref(j);
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.EXPLAIN nothing"), "reads as absent");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.EXPLAIN nothing XML"), "-ERR syntax error");
    rig_close(r);
}
