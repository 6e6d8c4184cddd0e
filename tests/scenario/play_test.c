/* How a play goes, on a stage made by hand: when steps begin, where commands go, what is waited for, and what is said when it goes wrong. */
#include "stage_hand.h"

#include <criterion/criterion.h>
#include <string.h>

#define CLUSTER    "'datacenters': {'us': {'nodes': 2}, 'eu': {}}, "
#define AS_IT_IS   "{'scenario': 'test', " CLUSTER "'end': 'as it is', 'steps': ["
#define TO_THE_END "{'scenario': 'test', " CLUSTER "'steps': ["
#define STARTS     "0 start eu-1\n0 start us-1\n0 start us-2\n"

static struct hand_stage stage;
static struct outcome outcome;

static void play_on(struct canned *canned, void (*prepare)(struct hand_stage *s), const char *scenario) {
    static const struct play_options options = {.seed = 1};
    hand_stage_init(&stage, scenario);
    stage.canned = canned;
    if (prepare) prepare(&stage);
    play(&stage.base, &options, &outcome);
}

static void finish(void) {
    outcome_finish(&outcome);
    hand_stage_finish(&stage);
}

static void expect_pass(void) { cr_assert_eq(outcome.verdict, VERDICT_PASS, "%s\n%s", outcome.failure, hand_log(&stage)); }

static void expect_log(const char *log) { cr_assert_str_eq(hand_log(&stage), log); }

static void expect_failure(enum verdict v, const char *failure) {
    cr_assert_str_eq(outcome.failure, failure);
    cr_assert_eq(outcome.verdict, v);
}

static void expect_note(const char *note) {
    cr_assert_eq(json_array_size(outcome.notes), 1, "%s", hand_log(&stage));
    cr_assert_str_eq(json_string_value(json_array_get(outcome.notes, 0)), note);
}

/* ---- time ---- */

Test(play, a_step_without_a_time_waits_for_the_one_before_and_others_do_not_wait) {
    play_on(NULL, NULL,
            AS_IT_IS "{'dc': 'us', 'do': 'SET a 1'}, {'dc': 'us', 'do': 'SET b 2'}, {'at': '1500us', 'dc': 'eu', 'do': 'SET c 3'},"
                     "{'after': '200us', 'dc': 'us', 'do': 'SET d 4'}, {'dc': 'us', 'do': 'SET e 5'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 SET a 1\n1000 us-1#0 SET b 2\n1500 eu-1#1 SET c 3\n1700 us-1#0 SET d 4\n2700 us-1#0 SET e 5\n");
    cr_assert_eq(outcome.length_us, 3700);
    finish();
}

Test(play, what_has_no_answer_is_hung_up_on_and_counts_as_no_answer) {
    struct canned canned[] = {{.command = "SET a 1", .reply = NULL}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1', 'within': '2s', 'fails': 'no answer'}, {'dc': 'us', 'do': 'GET b', 'is': 'OK'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 SET a 1\n2000000 us-1#0 hangs up\n2000000 us-1#0 GET b\n");
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(outcome.replies, "1"), "error")), "no answer");
    finish();
}

Test(play, without_a_word_about_it_patience_is_30_seconds) {
    struct canned canned[] = {{.command = "SET a 1", .reply = NULL}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 SET a 1\n30000000 us-1#0 hangs up\n");
    finish();
}

Test(play, the_beginning_is_when_every_datacenter_has_a_leader) {
    play_on(NULL, NULL, "{'scenario': 'test', 'datacenters': {'us': {'nodes': 2}, 'eu': {'down': true}}, 'end': 'as it is', 'steps': []}");
    expect_pass();
    expect_log("0 start us-1\n0 start us-2\n");
    cr_assert_eq(stage.record.zero_us, 300000);
    finish();
}

/* ---- where ---- */

static void make_deposed(struct hand_stage *s, uint32_t node, uint64_t term) {
    s->views[node].role = ROLE_LEADER;
    s->views[node].term = term;
}

static void two_leaders(struct hand_stage *s) {
    make_deposed(s, 0, 1);
    make_deposed(s, 1, 3);
    make_deposed(s, 2, 4);
}

Test(play, of_two_leaders_the_later_is_asked) {
    play_on(NULL, two_leaders, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1'}]}");
    expect_log("0 us-2#0 SET a 1\n");
    finish();
}

Test(play, without_a_leader_a_node_that_runs_is_asked_and_without_any_nobody) {
    play_on(NULL, NULL,
            AS_IT_IS "{'kill': 'us-1'}, {'dc': 'us', 'do': 'GET a', 'is': 'OK'}, {'pause': 'us-2'}, {'dc': 'us', 'do': 'GET b', 'is': 'OK'},"
                     "{'kill': 'us-2'}, {'dc': 'us', 'do': 'GET c', 'fails': true}, {'node': 'us-1', 'do': 'GET d', 'fails': 'no answer'}]}");
    expect_pass();
    expect_log(STARTS "0 kill us-1\n0 us-2#0 GET a\n1000 pause us-2\n1000 us-2#0 GET b\n2000 kill us-2\n");
    finish();
}

Test(play, a_named_client_keeps_its_own_connection) {
    play_on(NULL, NULL,
            AS_IT_IS "{'dc': 'us', 'client': 'ann', 'do': 'MULTI'}, {'dc': 'us', 'do': 'GET a'}, {'node': 'us-2', 'client': 'ann', 'do': 'GET b'},"
                     "{'dc': 'us', 'client': 'ann', 'do': 'EXEC'}, {'dc': 'us', 'client': 'bob', 'do': 'GET c'}]}");
    expect_log(STARTS "0 us-1#0 MULTI\n1000 us-1#1 GET a\n2000 us-2#2 GET b\n3000 us-1#0 EXEC\n4000 us-1#3 GET c\n");
    finish();
}

Test(play, a_list_of_commands_is_one_transaction) {
    struct canned canned[] = {
        {.command = "EXEC", .reply = "*2\r\n+OK\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"}, {.command = "*", .reply = "+QUEUED\r\n"}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': ['SET a 1', 'HGETALL h'], 'is': ['OK', {'f': 'v'}]}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 MULTI\n0 us-1#0 SET a 1\n0 us-1#0 HGETALL h\n0 us-1#0 EXEC\n");
    finish();
}

/* ---- replies that are kept, and what writes know ---- */

Test(play, a_kept_reply_stands_for_its_name) {
    struct canned canned[] = {{.command = "TRUCE.CONTEXT a", .reply = "$3\r\nx:1\r\n"},
                              {.command = "TRUCE.SIBLINGS a", .reply = "*4\r\n$7\r\ncontext\r\n$3\r\ny:2\r\n$8\r\nsiblings\r\n*0\r\n"},
                              {.command = "GET b", .reply = "-ERR no\r\n"},
                              {0}};
    play_on(canned, NULL,
            AS_IT_IS "{'dc': 'us', 'do': 'TRUCE.CONTEXT a', 'as': 'all'}, {'dc': 'us', 'do': 'TRUCE.SIBLINGS a', 'as': 'cart'},"
                     "{'dc': 'us', 'do': 'ECHO $all'}, {'dc': 'us', 'do': 'ECHO $cart.context'}, {'dc': 'us', 'do': 'ECHO $$all$all$5'},"
                     "{'dc': 'us', 'do': 'GET b', 'as': 'none'}, {'dc': 'us', 'do': 'ECHO $none'}]}");
    expect_log(STARTS "0 us-1#0 TRUCE.CONTEXT a\n1000 us-1#0 TRUCE.SIBLINGS a\n2000 us-1#0 ECHO x:1\n3000 us-1#0 ECHO y:2\n"
                      "4000 us-1#0 ECHO $allx:1$5\n5000 us-1#0 GET b\n");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 7 (do): ECHO $none: $none is not known: its step has had no reply");
    finish();
}

#define EU             "eu-1.00000000000000aa"
#define US             "us-1.00000000000000bb"
#define TOKEN(text, n) "$" #n "\r\n" text "\r\n"

Test(play, a_labelled_write_is_what_came_between_two_tokens) {
    struct canned canned[] = {{"us-1", "TRUCE.TOKEN", TOKEN("-", 1), 1, 0},
                              {"us-1", "TRUCE.TOKEN", TOKEN(EU ":4," US ":1", 47), 1, 0},
                              {"eu-1", "TRUCE.TOKEN", TOKEN(EU ":4", 23), 1, 0},
                              {"eu-1", "TRUCE.TOKEN", TOKEN(EU ":5", 23), 1, 0},
                              {"us-1", "TRUCE.TOKEN", TOKEN(EU ":4," US ":1", 47), 1, 0},
                              {"us-1", "TRUCE.TOKEN", TOKEN(EU ":4," US ":2", 47), 1, 0},
                              {0}};
    play_on(canned, NULL,
            AS_IT_IS "{'dc': 'us', 'do': 'SET a 1', 'label': 'first'}, {'dc': 'eu', 'do': 'SET a 2', 'label': 'second'},"
                     "{'dc': 'us', 'do': 'SET a 3', 'label': 'third', 'knows': ['first']}, {'dc': 'us', 'do': 'SET a 4', 'knows': []},"
                     "{'dc': 'us', 'do': 'SET a 5', 'knows': ['second', 'third'], 'is': 'OK'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#1 TRUCE.TOKEN\n1000 us-1#0 SET a 1\n2000 us-1#1 TRUCE.TOKEN\n"
                      "3000 eu-1#3 TRUCE.TOKEN\n4000 eu-1#2 SET a 2\n5000 eu-1#3 TRUCE.TOKEN\n"
                      "6000 us-1#1 TRUCE.TOKEN\n7000 us-1#0 TRUCE.WITH " US ":1 SET a 3\n8000 us-1#1 TRUCE.TOKEN\n"
                      "9000 us-1#0 TRUCE.WITH - SET a 4\n10000 us-1#0 TRUCE.WITH " EU ":5," US ":2 SET a 5\n");
    finish();
}

Test(play, where_others_write_too_the_row_tells_which_event_it_was) {
    static const char row[] = "{\"cells\":[{\"versions\":[{\"dot\":\"" US ":1\"},{\"dot\":\"" US ":3\"}]}],\"lost\":[{\"dot\":\"" EU ":9\"}]}";
    char explained[256];
    snprintf(explained, sizeof explained, "$%zu\r\n%s\r\n", sizeof row - 1, row);
    struct canned canned[] = {{"us-1", "TRUCE.TOKEN", TOKEN(US ":1", 23), 1, 0},
                              {"us-1", "TRUCE.TOKEN", TOKEN(EU ":9," US ":4", 47), 1, 0},
                              {"us-1", "TRUCE.EXPLAIN a JSON", explained, 0, 0},
                              {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1', 'label': 'mine'}, {'dc': 'us', 'do': 'SET a 2', 'knows': ['mine']}]}");
    expect_log(STARTS "0 us-1#1 TRUCE.TOKEN\n1000 us-1#0 SET a 1\n2000 us-1#1 TRUCE.TOKEN\n3000 us-1#1 TRUCE.EXPLAIN a JSON\n"
                      "4000 us-1#0 TRUCE.WITH " US ":3 SET a 2\n");
    finish();
}

Test(play, what_made_no_event_is_left_out_of_contexts) {
    struct canned canned[] = {{"us-1", "TRUCE.TOKEN", TOKEN(US ":1", 23), 0, 0}, {.command = "SET b 1", .reply = "-ERR no\r\n"}, {0}};
    play_on(canned, NULL,
            AS_IT_IS "{'dc': 'us', 'do': 'SETNX a 1', 'label': 'none'}, {'dc': 'us', 'do': 'SET a 2', 'knows': ['none']},"
                     "{'dc': 'us', 'do': 'SET b 1', 'label': 'refused'}, {'dc': 'us', 'do': 'SET a 2', 'knows': ['refused']}]}");
    expect_pass();
    cr_assert_eq(json_array_size(outcome.notes), 3);
    cr_assert_str_eq(json_string_value(json_array_get(outcome.notes, 0)), "step 1 (do): it made no event: the label none stays unknown");
    cr_assert_str_eq(json_string_value(json_array_get(outcome.notes, 1)), "step 2 (do): none made no event that is known: the context is without it");
    cr_assert_str_eq(json_string_value(json_array_get(outcome.notes, 2)),
                     "step 4 (do): refused made no event that is known: the context is without it");
    cr_assert_not_null(strstr(hand_log(&stage), "TRUCE.WITH - SET a 2"));
    finish();
}

Test(play, a_write_whose_context_has_not_come_is_tried_again) {
    struct canned canned[] = {{.command = "TRUCE.WITH*", .reply = "-BEHIND us-1 has not all\r\n", .times = 2}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1', 'knows': [], 'is': 'OK'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 TRUCE.WITH - SET a 1\n51000 us-1#0 TRUCE.WITH - SET a 1\n102000 us-1#0 TRUCE.WITH - SET a 1\n");
    finish();
}

Test(play, a_write_whose_context_does_not_come_fails_when_patience_is_over) {
    struct canned canned[] = {{.command = "TRUCE.WITH*", .reply = "-BEHIND us-1 has not all\r\n"}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'dc': 'us', 'do': 'SET a 1', 'knows': [], 'within': '120ms', 'is': 'OK'}]}");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 1 (do): SET a 1 gave the error \"BEHIND us-1 has not all\" at us-1, expected \"OK\"");
    cr_assert_eq(outcome.failed_step, 1);
    finish();
}

/* ---- expectations ---- */

Test(play, an_expectation_with_time_is_tried_again_until_it_holds) {
    struct canned canned[] = {{.command = "GET a", .reply = "$-1\r\n", .times = 2}, {.command = "GET a", .reply = "$1\r\n1\r\n"}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'expect': 'GET a', 'in': 'us-1', 'is': 1, 'within': '1s'}, {'dc': 'us', 'do': 'GET b'}]}");
    expect_pass();
    expect_log(STARTS "0 us-1#0 GET a\n51000 us-1#0 GET a\n102000 us-1#0 GET a\n103000 us-1#1 GET b\n");
    finish();
}

Test(play, an_expectation_fails_when_its_time_is_over_and_the_play_ends) {
    struct canned canned[] = {{.command = "GET a", .reply = "$-1\r\n"}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'expect': 'GET a', 'in': 'us', 'is': 1, 'within': '60ms'}, {'dc': 'us', 'do': 'GET b'}]}");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 1 (expect): GET a is nil at us-1, expected 1");
    expect_log(STARTS "0 us-1#0 GET a\n0 us-2#1 GET a\n51000 us-1#0 GET a\n51000 us-2#1 GET a\n60000 us-1#0 GET a\n60000 us-2#1 GET a\n");
    finish();
}

Test(play, nodes_that_do_not_run_are_asked_only_where_they_are_named) {
    play_on(NULL, NULL, AS_IT_IS "{'kill': 'us-1'}, {'expect': 'GET a', 'is': 'OK'}, {'expect': 'GET a', 'in': 'us', 'is': 'OK'}]}");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 3 (expect): GET a is no answer at us-1, expected \"OK\"");
    finish();
}

Test(play, an_expectation_that_nobody_can_answer_fails) {
    play_on(NULL, NULL, AS_IT_IS "{'kill': 'us eu'}, {'expect': 'GET a', 'is': 'OK'}]}");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 2 (expect): GET a: no node runs that could be asked");
    finish();
}

Test(play, what_must_never_be_is_looked_at_beside_the_steps) {
    struct canned canned[] = {{"eu-1", "GET stock", "$1\r\n0\r\n", 3, 0}, {"eu-1", "GET stock", "$2\r\n-1\r\n", 0, 0}, {0}};
    play_on(canned, NULL,
            AS_IT_IS "{'never': 'GET stock', 'in': 'eu', 'at_most': -1, 'every': '10ms'}, {'at': '15ms', 'dc': 'eu', 'do': 'GET b'},"
                     "{'at': '1s', 'dc': 'eu', 'do': 'GET c'}]}");
    expect_failure(VERDICT_EXPECTATION, "test.json:1: step 1 (never): GET stock is \"-1\" at eu-1, 31ms after the beginning");
    expect_log(STARTS "0 eu-1#0 GET stock\n10000 eu-1#0 GET stock\n15000 eu-1#1 GET b\n20000 eu-1#0 GET stock\n30000 eu-1#0 GET stock\n");
    cr_assert_eq(outcome.failed_step, 1);
    finish();
}

Test(play, what_must_never_be_is_not_looked_at_after_its_time) {
    struct canned canned[] = {{"eu-1", "GET stock", "$1\r\n0\r\n", 3, 0}, {"eu-1", "GET stock", "$2\r\n-1\r\n", 0, 0}, {0}};
    play_on(canned, NULL,
            AS_IT_IS
            "{'never': 'GET stock', 'in': 'eu', 'at_most': -1, 'every': '10ms', 'until': '29ms'}, {'at': '1s', 'dc': 'eu', 'do': 'GET c'}]}");
    expect_pass();
    expect_log(STARTS "0 eu-1#0 GET stock\n10000 eu-1#0 GET stock\n20000 eu-1#0 GET stock\n1000000 eu-1#1 GET c\n");
    finish();
}

Test(play, a_look_that_has_no_answer_holds_up_nobody) {
    struct canned canned[] = {{"eu-1", "GET stock", NULL, 0, 0}, {0}};
    play_on(canned, NULL, AS_IT_IS "{'never': 'GET stock', 'in': 'eu', 'is': 1}, {'at': '2s', 'dc': 'eu', 'do': 'GET c', 'is': 'OK'}]}");
    expect_pass();
    cr_assert_eq(outcome.length_us, 2001000);
    cr_assert_eq(stage.base.looks, 0);
    finish();
}

/* ---- what is done to the world ---- */

Test(play, links_are_cut_both_ways_or_one_and_only_what_was_touched_is_healed) {
    play_on(NULL, NULL,
            AS_IT_IS "{'cut': 'us > eu'}, {'heal': '*'}, {'clog': 'us-1 | eu'}, {'slow': 'us-2 | us-1', 'latency': '7us'}, {'heal': 'us-1 > eu'}]}");
    expect_log(STARTS "0 cut us-1 > eu-1\n0 cut us-2 > eu-1\n0 heal us-1 > eu-1\n0 heal us-2 > eu-1\n0 clog eu-1 > us-1\n0 clog us-1 > eu-1\n"
                      "0 slow us-1 > us-2 7 us\n0 slow us-2 > us-1 7 us\n0 heal us-1 > eu-1\n");
    finish();
}

Test(play, what_has_no_meaning_for_a_node_as_it_stands_is_left_out) {
    play_on(NULL, NULL,
            AS_IT_IS "{'start': '*'}, {'resume': '*'}, {'pause': 'us-1'}, {'pause': 'us-1'}, {'resume': '*'}, {'kill': 'us-1', 'power': true},"
                     "{'kill': 'us'}, {'pause': 'us'}, {'wipe': 'us-1'}, {'start': '*'}, {'wipe': 'us-1'}]}");
    expect_log(STARTS "0 pause us-1\n0 resume us-1\n0 kill us-1 power\n0 kill us-2\n0 wipe us-1\n0 start us-1\n0 start us-2\n");
    expect_note("step 11 (wipe): us-1 runs: its data stays");
    finish();
}

Test(play, every_verb_reaches_the_stage) {
    play_on(NULL, NULL,
            AS_IT_IS "{'backup': 'us-1', 'as': 'monday'}, {'kill': 'us-1'}, {'restore': 'us-1', 'from': 'monday'}, {'start': 'us-1'},"
                     "{'skew': 'eu', 'by': '-1h', 'drift': '200ppm', 'frozen': true}, {'disk': 'us-2', 'state': 'slow', 'latency': '5ms'},"
                     "{'disconnect': 'us-1 | us-2'}]}");
    expect_log(STARTS "0 backup us-1 monday\n0 kill us-1\n0 restore us-1 monday\n0 start us-1\n0 skew eu-1 -3600000 200 1\n0 disk us-2 2 5000\n"
                      "0 disconnect us-1 > us-2\n0 disconnect us-2 > us-1\n");
    finish();
}

static void cannot(struct hand_stage *s) { s->cannot = true; }

Test(play, what_a_stage_cannot_do_is_noted_and_no_failure) {
    play_on(NULL, cannot, AS_IT_IS "{'kill': 'us-1', 'power': true}, {'dc': 'us', 'do': 'GET a', 'is': 'OK'}]}");
    expect_pass();
    expect_note("step 1 (kill): this stage has no kill");
    finish();
}

/* ---- the end ---- */

Test(play, at_the_end_everything_is_made_right_again) {
    play_on(NULL, NULL,
            TO_THE_END "{'cut': 'us-1 > eu'}, {'pause': 'us-1'}, {'kill': 'us-2'}, {'skew': 'eu', 'by': '+1s'}, {'dc': 'eu', 'do': 'GET a'}]}");
    expect_pass();
    expect_log(STARTS
               "0 cut us-1 > eu-1\n0 pause us-1\n0 kill us-2\n0 skew eu-1 1000 0 0\n0 eu-1#0 GET a\n1000 heal us-1 > eu-1\n1000 disk eu-1 0 0\n"
               "1000 skew eu-1 0 0 0\n1000 resume us-1\n1000 start us-2\n301000 check\n");
    finish();
}

static void never_settles(struct hand_stage *s) {
    s->never_settles = true;
    s->views[0].backlog[1] = 3;
    s->views[2].backlog[0] = 1;
    s->views[2].backlog[1] = 2;
}

Test(play, what_does_not_settle_says_who_lacks_what) {
    play_on(NULL, never_settles, TO_THE_END "{'dc': 'us', 'do': 'GET a'}]}");
    expect_failure(VERDICT_NOT_CONVERGED,
                   "test.json: at the end: not settled within 60s: eu-1 lacks 3 events of us; us-2 lacks 1 events of eu, 2 events of us");
    finish();
}

Test(play, a_settle_that_does_not_settle_ends_the_play) {
    play_on(NULL, never_settles, AS_IT_IS "{'pause': 'us-2'}, {'settle': '2s'}, {'dc': 'us', 'do': 'GET a'}]}");
    expect_failure(VERDICT_NOT_CONVERGED, "test.json:1: step 2 (settle): not settled within 2s: eu-1 lacks 3 events of us");
    cr_assert_eq(outcome.length_us, 2000000);
    finish();
}

static void diverges(struct hand_stage *s) { s->views[2].digest = 7; }

Test(play, equal_events_and_different_rows_are_a_broken_invariant) {
    play_on(NULL, diverges, TO_THE_END "]}");
    expect_failure(VERDICT_INVARIANT, "test.json: at the end: not converged: I1: eu-1 and us-2 have the same events and different rows");
    finish();
}

static void finds(struct hand_stage *s) { s->found = "I2: a write is lost"; }

Test(play, what_the_stage_finds_at_rest_is_a_broken_invariant) {
    play_on(NULL, finds, TO_THE_END "]}");
    expect_failure(VERDICT_INVARIANT, "test.json: at the end: I2: a write is lost");
    finish();
}

static void break_invariant(void *arg, uint64_t number) {
    struct hand_stage *s = arg;
    snprintf(s->base.failure, sizeof s->base.failure, "I4: an effect came first");
    s->base.ops->stop(&s->base);
}

static void breaks(struct hand_stage *s) { s->base.ops->at(&s->base, 2300000, break_invariant, s, 0); }

Test(play, an_invariant_that_breaks_ends_the_play_where_it_is) {
    play_on(NULL, breaks, AS_IT_IS "{'dc': 'us', 'do': 'GET a'}, {'at': '3s', 'dc': 'us', 'do': 'GET b'}]}");
    expect_failure(VERDICT_INVARIANT, "test.json:1: step 1 (do): I4: an effect came first");
    expect_log(STARTS "0 us-1#0 GET a\n");
    cr_assert_eq(outcome.length_us, 2000000);
    finish();
}

static bool until_second(void *arg, const struct step *s) { return s->number < 2; }

Test(play, whoever_steps_through_it_may_end_it) {
    hand_stage_init(&stage, TO_THE_END "{'dc': 'us', 'do': 'GET a'}, {'dc': 'us', 'do': 'GET b'}]}");
    play(&stage.base, &(struct play_options){.before_step = until_second}, &outcome);
    expect_pass();
    expect_log(STARTS "0 us-1#0 GET a\n");
    finish();
}

/* ---- what is told ---- */

static void tell(void *arg, const struct moment *m) {
    struct buf *out = arg;
    buf_printf(out, "%llu %s %d %s\n", (unsigned long long)m->at_us, moment_name(m->kind), m->node, m->text);
}

Test(play, steps_replies_and_expectations_are_told_as_they_come) {
    struct canned canned[] = {{.command = "GET a", .reply = "$4\r\nx\r\ny\r\n"}, {.command = "GET b", .reply = ":2\r\n"}, {0}};
    struct buf told = {0};
    hand_stage_init(&stage, AS_IT_IS "{'dc': 'us', 'do': 'GET a', 'note': 'read it'}, {'cut': 'us > eu'}, {'expect': 'GET b', 'is': 2},"
                                     "{'at': '9ms', 'expect': 'converged'}]}");
    stage.canned = canned;
    stage.views[2].vv_hash = 1;
    stage.record.told = tell;
    stage.record.told_arg = &told;
    play(&stage.base, &(struct play_options){0}, &outcome);
    buf_u8(&told, 0);
    cr_assert_str_eq((const char *)told.p, "0 step -1 do GET a, dc us\n1000 reply 1 \"x \\ny\"\n1000 step -1 cut us > eu\n"
                                           "1000 step -1 expect GET b, is 2\n2000 holds -1 GET b is \"2\"\n9000 step -1 expect converged\n"
                                           "9000 fails -1 converged: eu-1 and us-2 have different events\n");
    cr_assert_eq(stage.record.moments_count, 7);
    buf_finish(&told);
    finish();
}

Test(play, samples_are_taken_until_the_end) {
    hand_stage_init(&stage, AS_IT_IS "{'at': '25ms', 'dc': 'us', 'do': 'GET a'}]}");
    stage.views[0].lag_us[1] = 70;
    stage.views[0].events = 5;
    play(&stage.base, &(struct play_options){.sample_us = 10000}, &outcome);
    cr_assert_eq(stage.record.samples_count, 9);
    cr_assert_eq(stage.record.samples[3].at_us, 10000);
    cr_assert_eq(stage.record.samples[3].lag_us, 70);
    cr_assert_eq(stage.record.samples[3].events, 5);
    finish();
}
