/* Small scenarios on the simulated stage: every verb, predicate and comparison, holding and failing, with what is said then. */
#include "../../dc-node/scenario/play.h"
#include "../../dc-node/scenario/stage_sim.h"
#include "stage_hand.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct played {
    struct scenario scenario;
    struct outcome outcome;
    uint64_t hash;
};

static void play_text(struct played *p, const char *text) {
    struct record record = {0};
    scenario_of_text(text, &p->scenario);
    struct stage_sim_options options = {.seed = p->scenario.seed, .checkers = true};
    struct stage *stage = stage_sim_create(&p->scenario, &options, &record);
    struct play_options how = {.seed = p->scenario.seed, .rows = true};
    play(stage, &how, &p->outcome);
    p->hash = stage_sim_trace_hash(stage);
    stage->ops->destroy(stage);
    record_finish(&record);
}

static void played_finish(struct played *p) {
    outcome_finish(&p->outcome);
    scenario_finish(&p->scenario);
}

/* The steps in two DCs: us with three nodes and the higher priority, eu with one. */
static char *whole(const char *steps, const char *end) {
    char *text = NULL;
    cr_assert(asprintf(&text,
                       "{'scenario': 'test', 'datacenters': {'us': {'nodes': 3, 'priority': 2}, 'eu': {'priority': 1}}, 'tables': {'r': {'conflict': "
                       "'record'}, 'l': {'conflict': 'lww'}}, 'end': '%s', 'steps': [%s]}",
                       end, steps) > 0);
    return text;
}

static void expect_verdict(const char *steps, const char *end, enum verdict v, const char *failure) {
    struct played p;
    char *text = whole(steps, end);
    play_text(&p, text);
    cr_assert_str_eq(p.outcome.failure, failure, "%s\n  ends with  %s\n  not with   %s", steps, p.outcome.failure, failure);
    cr_assert_eq(p.outcome.verdict, v);
    played_finish(&p);
    free(text);
}

static void passes(const char *steps) { expect_verdict(steps, "healed", VERDICT_PASS, ""); }

static void fails(const char *steps, const char *failure) { expect_verdict(steps, "as it is", VERDICT_EXPECTATION, failure); }

/* Both sides of a cut write row r:1 and l:1; healed and settled. */
#define CONFLICT                                                                                                                                     \
    "{'dc': 'us', 'do': 'SET r:1 base'}, {'dc': 'us', 'do': 'SET l:1 base'}, {'settle': '5s'}, {'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET r:1 "     \
    "ours'}, {'dc': 'eu', 'do': 'SET r:1 theirs'}, {'dc': 'us', 'do': 'SET l:1 first'}, {'after': '100ms', 'dc': 'eu', 'do': 'SET l:1 last'}, "      \
    "{'heal': '*'}, {'settle': '10s'}"

/* ---- predicates ---- */

Test(predicates, converged) {
    passes("{'dc': 'us', 'do': 'SET a 1'}, {'expect': 'converged', 'within': '2s'}");
    fails("{'kill': 'us-3'}, {'expect': 'converged'}", "test.json:1: step 2 (expect): converged: us-3 is down");
    fails("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'after': '1s', 'expect': 'converged'}",
          "test.json:1: step 3 (expect): converged: eu-1 lacks 1 events of us");
}

Test(predicates, digests) {
    passes("{'dc': 'us', 'do': 'SET a 1'}, {'kill': 'us-3'}, {'expect': 'digests', 'within': '2s'}");
    fails("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'after': '1s', 'expect': 'digests'}",
          "test.json:1: step 3 (expect): digests: eu-1 and us-1 differ");
}

Test(predicates, conflicts_of_tables_of_rows_and_of_all) {
    passes(CONFLICT ", {'dc': 'us', 'do': 'SET r:12 one'}, {'expect': 'conflicts r', 'is': 1}, {'expect': 'conflicts r:1', 'count': 1},"
                    "{'expect': 'conflicts r:12', 'is': 0}, {'expect': 'conflicts *', 'at_least': 1}, {'expect': 'conflicts nothing', 'is': 0}");
    fails(CONFLICT ", {'expect': 'conflicts r:1', 'in': 'eu', 'is': 0}", "test.json:1: step 11 (expect): conflicts r:1 is 1 at eu-1, expected 0");
}

Test(predicates, losers_and_siblings) {
    passes(CONFLICT ", {'expect': 'siblings r:1', 'is': ['theirs', 'ours']}, {'expect': 'losers r:1', 'is': ['theirs']},"
                    "{'expect': 'losers l:1', 'contains': 'first'}, {'expect': 'losers none', 'count': 0}, {'expect': 'siblings none', 'is': []}");
    fails(CONFLICT ", {'expect': 'siblings r:1', 'count': 1}",
          "test.json:1: step 11 (expect): siblings r:1 is [\"theirs\",\"ours\"] at eu-1, expected a count of 1");
    fails(CONFLICT ", {'expect': 'losers l:1', 'lacks': 'first'}",
          "test.json:1: step 11 (expect): losers l:1 is [\"first\"] at eu-1, expected something without \"first\"");
}

Test(predicates, lag_and_backlog) {
    passes("{'expect': 'lag us > eu', 'is': '0'}, {'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'dc': 'us', 'do': 'SET b 1'},"
           "{'after': '2s', 'expect': 'lag us > eu-1', 'at_least': '2s'}, {'expect': 'backlog us > eu', 'is': 2},"
           "{'expect': 'lag us > us', 'at_most': '0'}, {'expect': 'backlog eu > us', 'is': 0}");
    fails("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'at': '2s', 'expect': 'lag us > eu', 'at_most': '300ms'}",
          "test.json:1: step 3 (expect): lag us > eu is 2s at eu-1, expected at most 300ms");
    fails("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'at': '2s', 'expect': 'backlog us > eu-1', 'at_most': 0}",
          "test.json:1: step 3 (expect): backlog us > eu-1 is 1 at eu-1, expected at most 0");
    fails("{'kill': 'eu'}, {'expect': 'lag us > eu', 'at_most': '1s'}",
          "test.json:1: step 2 (expect): lag us > eu: no node runs that could be asked");
}

Test(predicates, leaders_and_roles) {
    passes(
        "{'expect': 'leader eu', 'is': 'eu-1'}, {'expect': 'role eu-1', 'is': 'leader'}, {'pause': 'eu-1'}, {'expect': 'role eu-1', 'is': 'paused'},"
        "{'kill': 'eu-1'}, {'expect': 'leader eu', 'is': null}, {'expect': 'role eu-1', 'is': 'down'},"
        "{'expect': 'leader us', 'one_of': ['us-1', 'us-2', 'us-3']}, {'expect': 'leader us'}");
    fails("{'kill': 'eu'}, {'expect': 'leader eu'}", "test.json:1: step 2 (expect): leader eu is nil, expected something");
    fails("{'expect': 'role eu-1', 'is': 'follower'}", "test.json:1: step 1 (expect): role eu-1 is \"leader\", expected \"follower\"");
    fails("{'expect': 'role eu-1', 'is_not': 'leader'}", "test.json:1: step 1 (expect): role eu-1 is \"leader\", expected anything but \"leader\"");
}

Test(predicates, workloads_and_sessions) {
    passes("{'workload': 'counters', 'for': '1s', 'rate': 50}, {'settle': '5s'}, {'expect': 'workload counters'}, {'expect': 'workload *'}, "
           "{'expect': 'sessions'}");
    fails("{'workload': 'counters', 'for': '1s', 'rate': 50}, {'at': '500ms', 'expect': 'workload *'}",
          "test.json:1: step 2 (expect): workload *: counters still runs");
}

/* ---- comparisons of replies ---- */

Test(comparisons, those_that_hold) {
    passes("{'dc': 'us', 'do': 'SET a 12', 'is': 'OK'}, {'dc': 'us', 'do': 'INCR a', 'is': 13}, {'dc': 'us', 'do': 'GET a', 'is_not': 12},"
           "{'dc': 'us', 'do': 'GET a', 'one_of': [12, 13]}, {'dc': 'us', 'do': 'HSET h f v g w', 'is': 2},"
           "{'dc': 'us', 'do': 'HGETALL h', 'is': {'g': 'w', 'f': 'v'}}, {'dc': 'us', 'do': 'HGETALL h', 'contains': {'f': 'v'}, 'count': 2},"
           "{'dc': 'us', 'do': 'SADD s b a', 'is': 2}, {'dc': 'us', 'do': 'SMEMBERS s', 'is': ['b', 'a'], 'lacks': 'c'},"
           "{'dc': 'us', 'do': 'GET a', 'matches': '1?', 'at_least': 13, 'at_most': 13}, {'dc': 'us', 'do': 'GET none', 'is': null},"
           "{'dc': 'us', 'do': 'INCR h', 'fails': 'WRONGTYPE'}, {'dc': 'us', 'do': 'NOSUCH', 'fails': true}, {'expect': 'EXISTS a', 'in': 'us-1'}");
}

Test(comparisons, those_that_do_not) {
    fails("{'dc': 'eu', 'do': 'SET a 1', 'is': 1}", "test.json:1: step 1 (do): SET a 1 gave \"OK\" at eu-1, expected 1");
    fails("{'dc': 'eu', 'do': 'GET a', 'matches': 'x*'}", "test.json:1: step 1 (do): GET a gave nil at eu-1, expected something like \"x*\"");
    fails("{'dc': 'eu', 'do': 'INCR a', 'at_least': 2}", "test.json:1: step 1 (do): INCR a gave \"1\" at eu-1, expected at least 2");
    fails("{'dc': 'eu', 'do': 'SADD s a'}, {'dc': 'eu', 'do': 'SMEMBERS s', 'contains': ['a', 'b']}",
          "test.json:1: step 2 (do): SMEMBERS s gave [\"a\"] at eu-1, expected something with [\"a\",\"b\"]");
    fails("{'dc': 'eu', 'do': 'GET a', 'fails': 'ERR'}", "test.json:1: step 1 (do): GET a gave nil at eu-1, expected an error with \"ERR\"");
    fails("{'expect': 'EXISTS a', 'in': 'eu'}", "test.json:1: step 1 (expect): EXISTS a is \"0\" at eu-1, expected something");
    fails("{'expect': 'INCR', 'in': 'eu', 'is': 1}",
          "test.json:1: step 1 (expect): INCR is the error \"ERR wrong number of arguments for 'incr' command\" at eu-1, expected 1");
}

/* ---- verbs ---- */

Test(verbs, a_cut_keeps_writes_apart_until_it_is_healed) {
    passes("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'after': '1s', 'expect': 'GET a', 'in': 'eu', 'is': null}, {'heal': 'us | eu'},"
           "{'expect': 'GET a', 'in': 'eu', 'is': 1, 'within': '5s'}");
    fails("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'expect': 'GET a', 'in': 'us eu', 'is': 1, 'within': '3s'}",
          "test.json:1: step 3 (expect): GET a is nil at eu-1, expected 1");
}

Test(verbs, a_clog_holds_and_delivers_and_a_slow_link_is_slow) {
    passes("{'clog': 'us > eu'}, {'dc': 'us', 'do': 'SET a 1'}, {'after': '300ms', 'expect': 'GET a', 'in': 'eu', 'is': null}, {'heal': '*'},"
           "{'expect': 'GET a', 'in': 'eu', 'is': 1, 'within': '5s'}, {'slow': 'us | eu', 'latency': '300ms'}, {'dc': 'us', 'do': 'SET b 1'},"
           "{'after': '200ms', 'expect': 'GET b', 'in': 'eu', 'is': null}, {'expect': 'GET b', 'in': 'eu', 'is': 1, 'within': '2s'},"
           "{'disconnect': 'us | eu'}, {'dc': 'eu', 'do': 'SET c 1'}, {'expect': 'GET c', 'in': 'us', 'is': 1, 'within': '9s'}");
}

Test(verbs, nodes_are_killed_and_started_paused_and_resumed) {
    passes("{'dc': 'us', 'do': 'SET a 1'}, {'kill': 'us', 'power': true}, {'expect': 'role us-2', 'is': 'down'}, {'start': '*'},"
           "{'expect': 'leader us', 'within': '10s'}, {'expect': 'GET a', 'is': 1, 'within': '10s'}, {'pause': 'eu'},"
           "{'dc': 'us', 'do': 'SET a 2'}, {'resume': '*'}, {'expect': 'GET a', 'in': 'eu', 'is': 2, 'within': '10s'}");
}

Test(verbs, data_is_wiped_backed_up_and_restored) {
    passes("{'dc': 'us', 'do': 'SET a 1'}, {'settle': '5s'}, {'backup': 'us-3', 'as': 'monday'}, {'dc': 'us', 'do': 'SET a 2'}, {'settle': '5s'},"
           "{'kill': 'us-3'}, {'restore': 'us-3', 'from': 'monday'}, {'start': 'us-3'}, {'expect': 'GET a', 'is': 2, 'within': '20s'},"
           "{'kill': 'us-2'}, {'wipe': 'us-2'}, {'start': 'us-2'}, {'expect': 'GET a', 'in': 'us-2', 'is': 2, 'within': '20s'}");
}

Test(verbs, clocks_and_disks_go_wrong) {
    passes("{'skew': 'eu', 'by': '+1h'}, {'dc': 'eu', 'do': 'SET l:1 late'}, {'disk': 'us-1 us-2 us-3', 'state': 'full'},"
           "{'dc': 'us', 'do': 'SET a 1', 'fails': true}, {'disk': 'us', 'state': 'ok'}, {'start': '*'}, {'after': '2s', 'dc': 'us', 'do': 'SET a "
           "1', 'is': 'OK'}");
}

Test(verbs, what_must_never_be) {
    passes("{'never': 'GET a', 'is': 3, 'every': '5ms'}, {'dc': 'us', 'do': 'SET a 1'}, {'dc': 'us', 'do': 'SET a 2'}");
    fails("{'never': 'GET a', 'in': 'eu', 'is': 1}, {'at': '1s', 'dc': 'us', 'do': 'SET a 1'}, {'at': '3s', 'dc': 'us', 'do': 'GET a'}",
          "test.json:1: step 1 (never): GET a is \"1\" at eu-1, 1050ms after the beginning");
    fails("{'never': 'leader eu', 'is': null}, {'at': '1s', 'kill': 'eu'}, {'at': '2s', 'dc': 'us', 'do': 'GET a'}",
          "test.json:1: step 1 (never): leader eu is nil, 1050ms after the beginning");
}

Test(verbs, a_workload_runs_and_is_held_to_account) {
    struct played p;
    char *text = whole("{'workload': 'bank', 'name': 'money', 'for': '2s', 'rate': 50}, {'at': '500ms', 'cut': 'us | eu'}, {'at': '1s', 'heal': '*'}",
                       "healed");
    play_text(&p, text);
    cr_assert_eq(p.outcome.verdict, VERDICT_PASS, "%s", p.outcome.failure);
    const json_t *money = json_object_get(p.outcome.workloads, "money");
    cr_assert_str_eq(json_string_value(json_object_get(money, "kind")), "bank");
    cr_assert(json_is_true(json_object_get(money, "holds")));
    cr_assert_gt(json_integer_value(json_object_get(money, "ok")), 30);
    played_finish(&p);
    free(text);
}

/* ---- the end ---- */

Test(the_end, what_is_cut_is_healed_and_converges) {
    struct played p;
    char *text = whole(CONFLICT ", {'cut': 'us | eu'}, {'dc': 'us', 'do': 'HSET h f 1'}, {'kill': 'eu'}, {'dc': 'us', 'do': 'SADD s b a'}", "healed");
    play_text(&p, text);
    cr_assert_eq(p.outcome.verdict, VERDICT_PASS, "%s", p.outcome.failure);
    cr_assert_eq(p.outcome.rows_count, 4);
    static const char *const keys[] = {"h", "l:1", "r:1", "s"}, *const shown[] = {"{\"f\":\"1\"}", "\"last\"", "\"ours\"", "[\"a\",\"b\"]"};
    for (uint32_t i = 0; i < 4; i++) {
        const struct final_row *row = &p.outcome.rows[i];
        char *value = json_dumps(row->shown, JSON_COMPACT | JSON_ENCODE_ANY);
        cr_assert_str_eq(row->key, keys[i]);
        cr_assert_str_eq(value, shown[i]);
        cr_assert_null(row->others);
        cr_assert_str_eq(json_string_value(json_object_get(row->explain, "key")), keys[i]);
        free(value);
    }
    cr_assert_eq(p.outcome.rows[1].siblings, 2);
    cr_assert_not(p.outcome.rows[0].open);
    cr_assert_eq(p.outcome.rows[2].siblings, 2);
    cr_assert(p.outcome.rows[2].open);
    cr_assert_geq(p.outcome.conflicts_open, 1);
    cr_assert_eq(json_object_size(p.outcome.replies), 8);
    played_finish(&p);
    free(text);
}

Test(the_end, as_it_is_the_datacenters_may_differ) {
    struct played p;
    char *text = whole("{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET a 1'}", "as it is");
    play_text(&p, text);
    cr_assert_eq(p.outcome.verdict, VERDICT_PASS, "%s", p.outcome.failure);
    cr_assert_eq(p.outcome.rows_count, 1);
    cr_assert(json_is_null(p.outcome.rows[0].shown));
    cr_assert_str_eq(json_string_value(json_object_get(p.outcome.rows[0].others, "us")), "1");
    played_finish(&p);
    free(text);
}

Test(the_end, a_row_that_is_gone_is_told_of_while_its_losers_are_known) {
    struct played p;
    char *text = whole(
        "{'cut': 'us | eu'}, {'dc': 'us', 'do': 'SET r:1 ours'}, {'dc': 'eu', 'do': 'SET r:1 theirs'}, {'heal': '*'}, {'settle': '5s'},"
        "{'dc': 'us', 'do': 'DEL r:1'}",
        "healed");
    play_text(&p, text);
    cr_assert_eq(p.outcome.verdict, VERDICT_PASS, "%s", p.outcome.failure);
    cr_assert_eq(p.outcome.rows_count, 1);
    cr_assert_str_eq(p.outcome.rows[0].key, "r:1");
    cr_assert(json_is_null(p.outcome.rows[0].shown));
    cr_assert_geq(p.outcome.rows[0].losers, 1);
    played_finish(&p);
    free(text);
}

Test(the_end, the_same_file_and_seed_give_the_same_trace) {
    struct played p, q;
    char *text = whole("{'never': 'GET a', 'is': -1}, {'workload': 'registers', 'for': '1s'}, {'at': '300ms', 'kill': 'us-1'}", "healed");
    play_text(&p, text);
    play_text(&q, text);
    cr_assert_eq(p.hash, q.hash);
    cr_assert_eq(p.outcome.length_us, q.outcome.length_us);
    cr_assert_eq(p.outcome.verdict, VERDICT_PASS, "%s", p.outcome.failure);
    played_finish(&p);
    played_finish(&q);
    free(text);
}

/* ---- contexts ---- */

Test(contexts, a_write_knows_just_what_it_is_to_know) {
    passes("{'dc': 'us', 'do': 'SET r:1 milk', 'label': 'milk', 'knows': []}, {'dc': 'us', 'do': 'SET r:1 eggs', 'label': 'eggs', 'knows': []},"
           "{'expect': 'siblings r:1', 'in': 'us-1', 'is': ['milk', 'eggs'], 'within': '1s'},"
           "{'dc': 'eu', 'do': 'SET r:1 flour', 'label': 'flour', 'knows': ['milk'], 'is': 'OK'}, {'settle': '5s'},"
           "{'expect': 'siblings r:1', 'is': ['flour', 'eggs']},"
           "{'dc': 'us', 'do': ['SET r:1 all', 'SET r:2 new'], 'knows': ['flour', 'eggs'], 'is': ['OK', 'OK']}, {'settle': '5s'},"
           "{'expect': 'siblings r:1', 'is': ['all']}, {'expect': 'conflicts *', 'is': 0}");
}
