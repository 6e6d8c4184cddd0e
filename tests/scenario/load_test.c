/* The workloads' checks: each finds the history that was made for it, and passes a good one. */
#include "load_stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(loads);

#define SECOND 1000000u

struct playing {
    struct load_stage *stage;
    json_t *options;
    struct step step;
    struct load *load;
    struct buf why;
};

static void begin_on(struct playing *p, struct load_stage *s, const char *options, uint64_t seed) {
    struct buf why = {0};
    *p = (struct playing){.stage = s, .options = json_loads(options, 0, NULL)};
    cr_assert_not_null(p->options);
    cr_assert(load_options_valid(p->options, &why), "%.*s", (int)why.n, (const char *)why.p);
    p->step = (struct step){.verb = STEP_WORKLOAD, .json = p->options, .length_us = 2 * SECOND, .nodes = {true, true}};
    p->step.name = json_string_value(json_object_get(p->options, "workload"));
    p->load = load_start(&s->base, &p->step, seed);
}

static void run_to_end(struct playing *p) {
    struct stage *s = &p->stage->base;
    for (int i = 0; i < 100 && !load_idle(p->load); i++) s->ops->run(s, s->ops->now_us(s) + SECOND / 10);
    cr_assert(load_idle(p->load));
    p->stage->lose_every = p->stage->refuse_every = 0;
}

static bool holds(struct playing *p) {
    buf_clear(&p->why);
    bool good = load_check(p->load, &p->why);
    cr_assert_eq(good, p->why.n == 0, "a check that fails says why, and no other");
    buf_u8(&p->why, 0);
    return good;
}

static void end_load(struct playing *p) {
    load_destroy(p->load);
    buf_finish(&p->why);
    json_decref(p->options);
}

static void end(struct playing *p) {
    struct load_stage *s = p->stage;
    end_load(p);
    load_stage_destroy(s);
}

/* Plays to the end under a lie. */
static void play(struct playing *p, const char *options, enum lie lie, uint64_t seed) {
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    s->lie = lie;
    begin_on(p, s, options, seed);
    run_to_end(p);
}

static void fails(struct playing *p, const char *text, int line) {
    cr_assert_not(holds(p), "line %d: it must not hold", line);
    cr_assert_not_null(strstr((const char *)p->why.p, text), "line %d: %s", line, (const char *)p->why.p);
}
#define FAILS(playing, text) fails(playing, text, __LINE__)

/* A key whose row has a value, and was written at least `writes` times; its name. */
static const char *some_row(struct playing *p) {
    const char *key;
    json_t *row;
    json_object_foreach(p->stage->rows, key, row) if (json_object_get(row, "value")) return key;
    cr_assert_fail("nothing was written");
    return NULL;
}

static void set_row(struct playing *p, const char *key, json_t *value) { json_object_set_new(load_stage_row(p->stage, key), "value", value); }

/* ---- good ones ---- */

static const char *const kinds[] = {"registers", "counters", "sets", "carts", "bank", "ring", "sessions", "reads"};

Test(loads, every_kind_passes_on_a_stage_that_does_what_it_says) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char options[128];
        struct playing p;
        snprintf(options, sizeof options, "{\"workload\": \"%s\", \"clients\": 4}", kinds[i]);
        play(&p, options, LIE_NONE, i + 1);
        struct load_counts n = load_counts(p.load);
        cr_assert(holds(&p), "%s", (const char *)p.why.p);
        cr_assert(strcmp(kinds[i], "reads") == 0 || n.ok > 100, "%s: %llu", kinds[i], (unsigned long long)n.ok);
        cr_assert_gt(n.reads, 100);
        cr_assert_eq(n.unknown, 0);
        cr_assert_eq(load_session_violations(p.load, NULL), 0);
        end(&p);
    }
}

Test(loads, every_kind_passes_where_answers_are_lost_and_writes_refused) {
    static const enum policy policies[] = {POLICY_MERGE, POLICY_LWW};
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
        char options[128];
        struct playing p;
        struct load_stage *s = load_stage_create(policies[i % 2]);
        s->lose_every = 23;
        s->refuse_every = 17;
        snprintf(options, sizeof options, "{\"workload\": \"%s\", \"clients\": 3, \"keys\": 5, \"distribution\": \"zipf\"}", kinds[i / 2]);
        begin_on(&p, s, options, i + 1);
        run_to_end(&p);
        struct load_counts n = load_counts(p.load);
        cr_assert(holds(&p), "%s", (const char *)p.why.p);
        cr_assert(strcmp(kinds[i / 2], "reads") == 0 || n.unknown > 0, "%s", kinds[i / 2]);
        cr_assert(strcmp(kinds[i / 2], "reads") == 0 || strcmp(kinds[i / 2], "bank") == 0 || n.failed > 0, "%s", kinds[i / 2]);
        end(&p);
    }
}

Test(loads, the_same_seed_does_the_same_and_another_something_else) {
    char *rows[3];
    for (int i = 0; i < 3; i++) {
        struct playing p;
        play(&p, "{\"workload\": \"registers\", \"rate\": 300, \"distribution\": \"hot\"}", LIE_NONE, i < 2 ? 5 : 6);
        rows[i] = json_dumps(p.stage->rows, JSON_SORT_KEYS);
        end(&p);
    }
    cr_assert_str_eq(rows[0], rows[1]);
    cr_assert_str_neq(rows[0], rows[2]);
    for (int i = 0; i < 3; i++) free(rows[i]);
}

Test(loads, a_rate_is_kept) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\", \"rate\": 50, \"clients\": 5}", LIE_NONE, 1);
    struct load_counts n = load_counts(p.load);
    cr_assert_eq(n.ok + n.reads, 100, "50 operations in each of two seconds, not %llu", (unsigned long long)(n.ok + n.reads));
    end(&p);
}

Test(loads, values_have_the_length_that_was_asked_for) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\", \"bytes\": 100, \"prefix\": \"users:long\", \"keys\": 1}", LIE_NONE, 1);
    json_t *row = load_stage_row(p.stage, "users:long:0"), *value = json_object_get(row, "value");
    cr_assert_eq(json_string_length(value ? value : json_object_get(row, "before")), 100);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    end(&p);
}

Test(loads, workloads_that_share_a_prefix_know_of_each_other) {
    for (size_t i = 0; i < 7; i++) {
        char options[128];
        struct playing a, b, r;
        struct load_stage *s = load_stage_create(POLICY_MERGE);
        snprintf(options, sizeof options, "{\"workload\": \"%s\"}", kinds[i]);
        begin_on(&a, s, options, 1);
        begin_on(&b, s, options, 2);
        snprintf(options, sizeof options, "{\"workload\": \"reads\", \"prefix\": \"%s\"}", kinds[i]);
        begin_on(&r, s, options, 3);
        run_to_end(&a);
        run_to_end(&b);
        run_to_end(&r);
        cr_assert(holds(&a), "%s", (const char *)a.why.p);
        cr_assert(holds(&b), "%s", (const char *)b.why.p);
        cr_assert(holds(&r), "%s", (const char *)r.why.p);
        end_load(&b);
        end_load(&r);
        end(&a);
    }
}

Test(loads, a_workload_that_is_stopped_begins_nothing_new) {
    struct playing p;
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    begin_on(&p, s, "{\"workload\": \"counters\"}", 1);
    s->base.ops->run(&s->base, SECOND / 2);
    load_stop(p.load);
    s->base.ops->run(&s->base, s->now_us + SECOND / 10);
    cr_assert(load_idle(p.load));
    uint64_t writes = s->writes;
    s->base.ops->run(&s->base, s->now_us + SECOND);
    cr_assert_eq(s->writes, writes);
    cr_assert(holds(&p));
    end(&p);
}

/* ---- registers ---- */

Test(loads, a_lost_register_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\"}", LIE_NONE, 1);
    const char *key = some_row(&p);
    json_t *row = load_stage_row(p.stage, key), *value = json_incref(json_object_get(row, "value"));
    json_object_del(row, "value");
    FAILS(&p, "is missing");
    json_object_set_new(row, "lost", json_pack("[O]", value));
    cr_assert(holds(&p), "what is in the journal is not lost: %s", (const char *)p.why.p);
    json_decref(value);
    end(&p);
}

Test(loads, an_overwritten_register_of_which_no_write_has_told_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\", \"keys\": 2}", LIE_STALE_WRITES, 1);
    FAILS(&p, "no write has said that it replaced it");
    end(&p);
}

Test(loads, a_register_that_was_refused_and_read_is_found) {
    struct playing p;
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    s->refuse_every = 5;
    begin_on(&p, s, "{\"workload\": \"registers\", \"keys\": 1}", 1);
    run_to_end(&p);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    bool found = false;
    for (int i = 1; i <= 20 && !found; i++) {
        json_object_set_new(load_stage_row(s, "registers:0"), "lost", json_pack("[o]", json_sprintf("registers-%d", i)));
        found = !holds(&p) && strstr((const char *)p.why.p, "was refused, but it was read");
    }
    cr_assert(found, "%s", (const char *)p.why.p);
    end(&p);
}

Test(loads, a_register_that_nobody_wrote_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\"}", LIE_FOREIGN, 1);
    FAILS(&p, "which nobody wrote there");
    end(&p);
    play(&p, "{\"workload\": \"registers\"}", LIE_NONE, 1);
    set_row(&p, some_row(&p), json_string("x"));
    FAILS(&p, "which nobody wrote there");
    end(&p);
}

Test(loads, a_lost_register_is_no_fault_where_what_was_answered_may_be_lost) {
    struct playing p;
    play(&p, "{\"workload\": \"registers\", \"loses\": true}", LIE_NONE, 1);
    json_object_clear(p.stage->rows);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    end(&p);
}

/* ---- counters and the bank ---- */

Test(loads, a_lost_increment_is_found) {
    for (int way = -1; way <= 1; way += 2) {
        struct playing p;
        play(&p, "{\"workload\": \"counters\", \"keys\": 1}", LIE_NONE, 1);
        set_row(&p, "counters:0", json_integer(json_integer_value(json_object_get(load_stage_row(p.stage, "counters:0"), "value")) + way));
        FAILS(&p, "was answered");
        end(&p);
    }
}

Test(loads, an_increment_of_a_hash_that_is_lost_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"counters\", \"keys\": 2}", LIE_NONE, 1);
    json_object_set_new(json_object_get(load_stage_row(p.stage, "counters:1"), "value"), "n", json_integer(1));
    FAILS(&p, "counters:1 is 1");
    end(&p);
}

Test(loads, a_count_beyond_all_increments_is_found_when_it_is_read) {
    struct playing p;
    struct load_stage *s = load_stage_create(POLICY_LWW);
    begin_on(&p, s, "{\"workload\": \"counters\", \"keys\": 1}", 1);
    s->base.ops->run(&s->base, SECOND);
    set_row(&p, "counters:0", json_integer(100000000));
    run_to_end(&p);
    FAILS(&p, "counters:0 read as");
    end(&p);
}

Test(loads, a_torn_transfer_is_found_by_readers_and_at_rest) {
    struct playing p;
    play(&p, "{\"workload\": \"bank\"}", LIE_HALF_EXEC, 1);
    FAILS(&p, "saw part of a transfer");
    end(&p);
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    s->lose_every = 5;
    begin_on(&p, s, "{\"workload\": \"bank\", \"keys\": 2}", 1);
    run_to_end(&p);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    json_t *balance = json_object_get(json_object_get(load_stage_row(s, "bank:0"), "value"), "balance");
    json_integer_set(balance, json_integer_value(balance) + 1);
    FAILS(&p, "part of a transfer is missing");
    end(&p);
}

/* ---- sets and carts ---- */

static const char *some_member(json_t *set) {
    const char *name;
    json_t *any;
    json_object_foreach(set, name, any) return name;
    cr_assert_fail("the set is empty");
    return NULL;
}

Test(loads, a_member_that_is_missing_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"sets\", \"keys\": 1}", LIE_NONE, 1);
    json_t *set = json_object_get(load_stage_row(p.stage, "sets:0"), "value");
    json_object_del(set, some_member(set));
    FAILS(&p, "is missing");
    end(&p);
}

Test(loads, a_member_that_comes_back_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"sets\", \"keys\": 1}", LIE_NONE, 1);
    json_t *set = json_object_get(load_stage_row(p.stage, "sets:0"), "value");
    for (int i = 1; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "sets-%d", i);
        json_object_set_new(set, name, json_true());
    }
    FAILS(&p, "was removed, but it is there");
    json_object_set_new(set, "sets-1000000", json_true());
    FAILS(&p, "which nobody added");
    end(&p);
}

Test(loads, a_member_of_a_whole_row_may_be_in_the_journal_and_else_is_missing) {
    struct playing p;
    struct load_stage *s = load_stage_create(POLICY_LWW);
    begin_on(&p, s, "{\"workload\": \"sets\", \"keys\": 1}", 1);
    run_to_end(&p);
    json_t *row = load_stage_row(s, "sets:0"), *set = json_object_get(row, "value");
    const char *name = some_member(set);
    json_object_set_new(row, "lost", json_pack("[s]", name));
    json_object_del(set, name);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    json_object_del(row, "lost");
    FAILS(&p, "in the row and in its journal");
    end(&p);
}

Test(loads, an_item_that_is_missing_from_a_cart_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"carts\", \"keys\": 1}", LIE_NONE, 1);
    json_t *siblings = json_object_get(load_stage_row(p.stage, "carts:0"), "value"), *last = json_array_get(siblings, 0);
    json_t *without = json_string(strchr(json_string_value(json_array_get(last, 1)), ',') + 1);
    json_array_clear(siblings);
    json_array_append_new(siblings, json_pack("[i, o]", 1, without));
    FAILS(&p, "is in no sibling");
    json_array_append_new(siblings, json_pack("[i, s]", 2, "carts-1,pear"));
    FAILS(&p, "which nobody put in");
    end(&p);
}

/* ---- the ring ---- */

Test(loads, a_broken_ring_is_found_at_rest_and_by_readers) {
    struct playing p;
    play(&p, "{\"workload\": \"ring\"}", LIE_NONE, 1);
    cr_assert(holds(&p), "%s", (const char *)p.why.p);
    set_row(&p, "ring:3", json_incref(json_object_get(load_stage_row(p.stage, "ring:4"), "value")));
    FAILS(&p, "it is no ring");
    json_object_del(load_stage_row(p.stage, "ring:3"), "value");
    FAILS(&p, "it is no ring");
    json_object_clear(p.stage->rows);
    FAILS(&p, "it is no ring");
    end(&p);
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    begin_on(&p, s, "{\"workload\": \"ring\", \"keys\": 6}", 1);
    s->base.ops->run(&s->base, SECOND);
    for (int i = 0; i < 6; i++) {
        char key[8];
        snprintf(key, sizeof key, "ring:%d", i);
        set_row(&p, key, json_string("3"));
    }
    run_to_end(&p);
    FAILS(&p, "it was no ring");
    end(&p);
}

Test(loads, exchanges_that_do_not_look_at_what_they_watch_break_the_ring) {
    struct playing p;
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    s->lie = LIE_NO_WATCH;
    begin_on(&p, s, "{\"workload\": \"ring\", \"keys\": 4, \"clients\": 8}", 1);
    run_to_end(&p);
    FAILS(&p, "ring");
    end(&p);
}

/* ---- sessions ---- */

Test(loads, a_session_that_does_not_read_its_own_writes_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"sessions\", \"clients\": 1, \"keys\": 2, \"moves\": 3}", LIE_STALE_READS, 1);
    FAILS(&p, "read your writes is broken");
    cr_assert_gt(load_session_violations(p.load, NULL), 0);
    buf_clear(&p.why);
    load_session_violations(p.load, &p.why);
    cr_assert_gt(p.why.n, 0);
    end(&p);
}

Test(loads, a_session_that_writes_over_less_than_it_has_read_is_found) {
    struct playing p;
    play(&p, "{\"workload\": \"sessions\", \"clients\": 1, \"keys\": 2, \"moves\": 3}", LIE_STALE_WRITES, 1);
    FAILS(&p, "writes follow reads is broken");
    end(&p);
}

/* Which guarantee is found broken first depends on what the sessions do. */
Test(loads, a_session_whose_reads_go_back_is_found) {
    bool found = false;
    for (uint64_t seed = 1; seed <= 20 && !found; seed++) {
        struct playing p;
        play(&p, "{\"workload\": \"sessions\", \"clients\": 6, \"keys\": 4, \"moves\": 2}", LIE_STALE_READS, seed);
        cr_assert_not(holds(&p));
        found = strstr((const char *)p.why.p, "monotonic reads is broken") != NULL;
        end(&p);
    }
    cr_assert(found);
}

/* ---- reads ---- */

Test(loads, a_reader_finds_what_nobody_wrote) {
    struct playing w, r;
    struct load_stage *s = load_stage_create(POLICY_MERGE);
    begin_on(&w, s, "{\"workload\": \"registers\", \"rate\": 10}", 1);
    begin_on(&r, s, "{\"workload\": \"reads\", \"prefix\": \"registers\"}", 2);
    s->base.ops->run(&s->base, SECOND);
    cr_assert(holds(&r));
    s->lie = LIE_FOREIGN;
    run_to_end(&r);
    FAILS(&r, "which nobody wrote there");
    run_to_end(&w);
    end_load(&r);
    end(&w);
}

/* ---- options ---- */

Test(loads, options_that_make_no_sense_are_refused_by_name) {
    static const char *const bad[][2] = {
        {"{}", "workload: expected registers, counters"},
        {"{\"workload\": \"register\"}", "workload: expected registers"},
        {"{\"workload\": \"registers\", \"clients\": 0}", "clients: expected 1 to 1000, got 0"},
        {"{\"workload\": \"registers\", \"keys\": \"many\"}", "keys: expected 1 to 1000000, got \"many\""},
        {"{\"workload\": \"registers\", \"rate\": 1.5}", "rate: expected 1 to 1000000, got 1.5"},
        {"{\"workload\": \"registers\", \"moves\": 3}", "moves: expected nothing: registers have no such option"},
        {"{\"workload\": \"bank\", \"keys\": 1}", "keys: expected 2 to 60 for bank, got 1"},
        {"{\"workload\": \"ring\", \"keys\": 3}", "keys: expected 4 to 1000 for ring, got 3"},
        {"{\"workload\": \"sets\", \"distribution\": \"normal\"}", "distribution: expected \"uniform\", \"zipf\", \"hot\" or \"sequence\""},
        {"{\"workload\": \"sets\", \"prefix\": \"a b\"}", "prefix: expected"},
        {"{\"workload\": \"sets\", \"prefix\": \"\"}", "prefix: expected"},
        {"{\"workload\": \"sets\", \"loses\": 1}", "loses: expected true or false, got 1"},
        {"{\"workload\": \"carts\", \"ack\": 1}", "ack: expected nothing: carts have no such option"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf why = {0};
        json_t *step = json_loads(bad[i][0], 0, NULL);
        cr_assert_not(load_options_valid(step, &why), "%s", bad[i][0]);
        buf_u8(&why, 0);
        cr_assert_eq(strncmp((const char *)why.p, bad[i][1], strlen(bad[i][1])), 0, "%s", (const char *)why.p);
        buf_finish(&why);
        json_decref(step);
    }
    cr_assert(load_has_option("distribution"));
    cr_assert_not(load_has_option("colour"));
}
