#include "../../conflict/rules.h"
#include "../../schemas/content.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(rules);

static struct slice S(const char *s) {
    return slice_text(s);
}

static const char file[] =
    "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"priority\":20,\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}},"
    "\"eu\":{\"priority\":-3,\"nodes\":{\"1\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}},\"ap\":{\"nodes\":{\"1\":{\"client\":\"h:5\",\"peer\":\"h:6\"}}"
    "}},"
    "\"tables\":{\"users\":{\"conflict\":\"lww\"},\"carts\":{\"conflict\":\"handler:join,longest\",\"settings\":{\"most\": 5}}}}";

struct world {
    struct cluster cluster;
    struct rules *r;
    struct origins *t;
    origin_ref us, eu;
    struct buf content, why;
};

static struct world *world_of(const char *json) {
    struct world *w = xcalloc(1, sizeof *w);
    cr_assert(cluster_parse("t", S(json), &w->cluster, &w->why), "%.*s", (int)w->why.n, (char *)w->why.p);
    w->r = rules_create(&w->cluster);
    w->t = origins_create();
    w->us = origins_intern(w->t, &(struct origin){.dc = "us", .node = 1, .incarnation = 0x11});
    w->eu = origins_intern(w->t, &(struct origin){.dc = "eu", .node = 1, .incarnation = 0x22});
    return w;
}

static struct world *world_make(void) { return world_of(file); }

static void world_finish(struct world *w) {
    rules_destroy(w->r);
    origins_destroy(w->t);
    cluster_finish(&w->cluster);
    buf_finish(&w->content), buf_finish(&w->why);
    free(w);
}

/* A row of columns "name=value" with line ends between; NULL: an absent row. True: it counts. */
static bool define_with(struct world *w, const char *key, const char *columns, const struct dot *live, uint32_t live_count) {
    struct content_column column[8];
    size_t count = 0;
    buf_clear(&w->content);
    for (const char *at = columns; at != NULL && *at != '\0'; count++) {
        size_t line = strcspn(at, "\n"), name = strcspn(at, "=");
        column[count] = (struct content_column){SLICE(at, name), SLICE(at + name + 1, line - name - 1)};
        at += line + (at[line] == '\n');
    }
    content_make(&w->content, CONTENT_HASH, 0, column, count);
    cr_assert(rules_define(w->r, S(key), buf_slice_of(&w->content), live, live_count, w->t, &w->why), "%s", key);
    return w->why.n == 0;
}

static bool define(struct world *w, const char *key, const char *columns) { return define_with(w, key, columns, &(struct dot){w->us, 5}, 1); }

static const struct table_rule *of(const struct world *w, const char *key) { return rules_of(w->r, S(key)); }

#define CHECK_WHY(w, text) cr_assert(slice_equal(buf_slice_of(&(w)->why), S(text)), "got %.*s", (int)(w)->why.n, (const char *)(w)->why.p)

/* ---- the cluster file ---- */
Test(rules, they_begin_with_the_cluster_file) {
    struct world *w = world_make();
    cr_assert_eq(rules_tables_count(w->r), 3u);
    cr_assert_str_eq(rules_table_at(w->r, 0)->name, "*");
    cr_assert_str_eq(rules_table_at(w->r, 1)->name, "carts");
    cr_assert_str_eq(rules_table_at(w->r, 2)->name, "users");
    const struct table_rule *rest = rules_table(w->r, S("*")), *carts = rules_table(w->r, S("carts"));
    cr_assert(table_merges(rest) && rest->chain.count == 0 && rest->barrier_count == 0);
    cr_assert_str_eq(rest->settings, "{}");
    cr_assert_eq(carts->policy, POLICY_HANDLER);
    cr_assert_eq(carts->chain.count, 2u);
    cr_assert_str_eq(carts->chain.names[1], "longest");
    cr_assert_str_eq(carts->settings, "{\"most\":5}");
    cr_assert(carts->handlers_hash[0] == 0 && carts->handlers_hash[1] == 0);
    cr_assert(table_keeps_below(carts) && !table_keeps_below(rest) && !table_keeps_below(rules_table(w->r, S("users"))));
    cr_assert_null(rules_table(w->r, S("user")));
    cr_assert_null(rules_table(w->r, S("")));
    world_finish(w);
}

Test(rules, a_key_belongs_to_the_declared_table_before_its_first_colon_else_to_the_rest) {
    struct world *w = world_make();
    const struct table_rule *rest = rules_table(w->r, S("*")), *users = rules_table(w->r, S("users"));
    cr_assert_eq(of(w, "users:1"), users);
    cr_assert_eq(of(w, "users:"), users);
    cr_assert_eq(of(w, "users:1:carts:2"), users);
    static const char *const others[] = {"",       "users",     ":",         ":users:1",
                                         "user:1", "userss:1",  "Users:1",   "wsers:1",
                                         "*:1",    "us\ners:1", "a:users:1", "usersusersusersusersusersusersusersusersusersusersusersusers:1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) cr_assert_eq(of(w, others[i]), rest, "%s", others[i]);
    cr_assert_eq(rules_of(w->r, (struct slice){0}), rest);
    cr_assert_eq(rules_of(w->r, SLICE("users\0:1", 8)), rest, "a zero byte is part of the name");
    cr_assert_eq(rules_of(w->r, SLICE("user\0:1", 7)), rest);
    world_finish(w);
}

Test(rules, names_of_63_bytes_are_found_and_longer_ones_belong_to_the_rest) {
    struct world *w = world_make();
    char key[80] = "truce:table:", long_key[80];
    memset(key + 12, 'n', NAME_LEN_MAX);
    cr_assert(define(w, key, "conflict=record"));
    memset(long_key, 'n', sizeof long_key);
    long_key[NAME_LEN_MAX] = ':';
    cr_assert_eq(rules_of(w->r, SLICE(long_key, NAME_LEN_MAX + 1))->policy, POLICY_RECORD);
    cr_assert_eq(rules_of(w->r, SLICE(long_key, sizeof long_key))->policy, POLICY_RECORD);
    long_key[NAME_LEN_MAX] = 'n';
    long_key[NAME_LEN_MAX + 1] = ':';
    cr_assert_eq(rules_of(w->r, SLICE(long_key, sizeof long_key))->policy, POLICY_MERGE);
    cr_assert_null(rules_table(w->r, SLICE(long_key, NAME_LEN_MAX + 1)));
    world_finish(w);
}

Test(rules, the_table_of_definitions_is_whole_rows_by_stamp_and_not_among_the_others) {
    struct world *w = world_make();
    const struct table_rule *truce = of(w, "truce:table:users");
    cr_assert_str_eq(truce->name, "truce");
    cr_assert_eq(truce->policy, POLICY_LWW);
    cr_assert_eq(truce->barrier_count, 0u);
    cr_assert_eq(of(w, "truce:"), truce);
    cr_assert_eq(rules_table(w->r, S("truce")), truce);
    for (uint32_t i = 0; i < rules_tables_count(w->r); i++) cr_assert_neq(rules_table_at(w->r, i), truce);
    cr_assert_not(define(w, "truce:table:truce", "conflict=merge"));
    CHECK_WHY(w, "truce:table:truce: expected the name of a table, or *");
    cr_assert_eq(of(w, "truce:x")->policy, POLICY_LWW);
    cr_assert_eq(of(w, "truce")->policy, POLICY_MERGE, "no colon, no table");
    world_finish(w);
}

Test(rules, without_any_table_all_keys_but_the_definitions_belong_to_the_rest) {
    struct world *w = world_of("{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}}},"
                               "\"tables\":{\"*\":{\"conflict\":\"handler:x\",\"settings\":{\"a\":1}}}}");
    cr_assert_eq(rules_tables_count(w->r), 1u);
    cr_assert_eq(of(w, "users:1"), rules_table_at(w->r, 0));
    cr_assert_str_eq(of(w, "users:1")->settings, "{\"a\":1}");
    cr_assert_str_eq(of(w, "users:1")->chain.names[0], "x");
    cr_assert_str_eq(of(w, "truce:dc:us")->name, "truce");
    world_finish(w);
    rules_destroy(NULL);
}

/* ---- definitions of tables ---- */
Test(rules, a_definition_replaces_what_the_file_says_until_it_is_gone) {
    struct world *w = world_make();
    cr_assert(define(w, "truce:table:users", "conflict=priority"));
    cr_assert_eq(of(w, "users:1")->policy, POLICY_PRIORITY);
    cr_assert(define(w, "truce:table:*", "conflict=record"));
    cr_assert_eq(of(w, "x")->policy, POLICY_RECORD);
    cr_assert_str_eq(rules_table_at(w->r, 0)->name, "*");
    cr_assert(define(w, "truce:table:carts", "conflict=merge"));
    cr_assert_str_eq(of(w, "carts:1")->settings, "{}", "the file's settings are the file's definition");
    cr_assert_eq(rules_tables_count(w->r), 3u);
    cr_assert(define(w, "truce:table:users", NULL));
    cr_assert_eq(of(w, "users:1")->policy, POLICY_LWW);
    cr_assert(define(w, "truce:table:*", NULL));
    cr_assert_eq(of(w, "x")->policy, POLICY_MERGE);
    cr_assert(define(w, "truce:table:carts", NULL));
    cr_assert_eq(of(w, "carts:1")->chain.count, 2u);
    cr_assert_str_eq(of(w, "carts:1")->settings, "{\"most\":5}");
    world_finish(w);
}

Test(rules, a_table_that_the_file_does_not_name_comes_and_goes_in_order_of_name) {
    struct world *w = world_make();
    cr_assert(define(w, "truce:table:dogs", "conflict=record"));
    cr_assert(define(w, "truce:table:a", "conflict=lww"));
    cr_assert(define(w, "truce:table:zoo", "conflict=priority"));
    static const char *const names[] = {"*", "a", "carts", "dogs", "users", "zoo"};
    cr_assert_eq(rules_tables_count(w->r), 6u);
    for (uint32_t i = 0; i < 6; i++) cr_assert_str_eq(rules_table_at(w->r, i)->name, names[i]);
    cr_assert_eq(of(w, "dogs:1")->policy, POLICY_RECORD);
    cr_assert(define(w, "truce:table:dogs", NULL));
    cr_assert(define(w, "truce:table:dogs", NULL), "gone twice");
    const struct table_rule *gone = of(w, "dogs:1");
    cr_assert(gone->gone && gone->policy == rules_table_at(w->r, 0)->policy, "it is read as all others are");
    struct vv none = {0};
    cr_assert(rules_barrier(gone, &none), "but only behind its barrier");
    cr_assert(rules_needs_barrier(w->r, S("dogs"), gone->policy));
    cr_assert(define(w, "truce:table:*", "conflict=record"));
    cr_assert_eq(of(w, "dogs:1")->policy, POLICY_RECORD, "it follows the others");
    cr_assert_eq(of(w, "zoo:1")->policy, POLICY_PRIORITY);
    world_finish(w);
}

Test(rules, handlers_have_their_hashes_and_settings_their_canonical_form) {
    struct world *w = world_make();
    cr_assert(
        define(w, "truce:table:users", "conflict=handler:a,b,lww\nhandlers=b=00000000000000ff a=fedcba9876543210\nsettings={ \"z\": 1, \"a\": 2 }"));
    const struct table_rule *t = of(w, "users:1");
    cr_assert_eq(t->policy, POLICY_HANDLER);
    cr_assert_eq(t->handlers_hash[0], UINT64_C(0xfedcba9876543210));
    cr_assert_eq(t->handlers_hash[1], 0xffu);
    cr_assert_eq(t->handlers_hash[2], 0u, "nothing is said of lww");
    cr_assert_str_eq(t->settings, "{\"a\":2,\"z\":1}");
    world_finish(w);
}

static uint64_t text_hash(struct world *w, const char *columns) {
    cr_assert(define(w, "truce:table:users", columns), "%.*s", (int)w->why.n, (char *)w->why.p);
    return of(w, "users:1")->text_hash;
}

Test(rules, the_text_hash_covers_policy_chain_hashes_and_settings_and_nothing_else) {
    struct world *w = world_make();
    uint64_t hashes[] = {
        text_hash(w, "conflict=lww"),
        text_hash(w, "conflict=priority"),
        text_hash(w, "conflict=handler:a"),
        text_hash(w, "conflict=handler:b"),
        text_hash(w, "conflict=handler:a,b"),
        text_hash(w, "conflict=handler:b,a"),
        text_hash(w, "conflict=handler:a\nhandlers=a=0000000000000001"),
        text_hash(w, "conflict=handler:a\nhandlers=a=0000000000000002"),
        text_hash(w, "conflict=handler:a,b\nhandlers=a=0000000000000001"),
        text_hash(w, "conflict=handler:a,b\nhandlers=b=0000000000000001"),
        text_hash(w, "conflict=handler:a\nsettings={\"a\":1}"),
    };
    size_t count = sizeof hashes / sizeof *hashes;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) cr_assert_neq(hashes[i], hashes[k], "%zu and %zu", i, k);
    }
    cr_assert_eq(text_hash(w, "conflict=handler:a\nbarrier=1"), hashes[2]);
    cr_assert_eq(text_hash(w, "conflict=handler:a\nsettings={}"), hashes[2]);
    cr_assert_eq(text_hash(w, "conflict=handler:a\nsettings={ \"a\" : 1 }"), hashes[10]);
    world_finish(w);
}

Test(rules, a_malformed_definition_counts_as_absent_and_says_why) {
    struct world *w = world_make();
    static const struct {
        const char *columns, *why;
    } bad[] = {
        {"conflict=newest", "expected lww, priority, merge, record or handler:NAME[,NAME...]"},
        {"barrier=1", "expected lww, priority, merge, record or handler:NAME[,NAME...]"},
        {"conflict=handler:a,,b", "expected names of handlers, of 1 to 63 of the characters a-z 0-9 _ -, with commas between"},
        {"conflict=lww\nttl=7", "expected no other columns than conflict, settings, handlers, barrier"},
        {"conflict=lww\nbarrier=0", "expected barrier to be 1, or not there"},
        {"conflict=lww\nbarrier=", "expected barrier to be 1, or not there"},
        {"conflict=lww\nsettings={}", "expected settings and handlers only beside a policy handler:NAME"},
        {"conflict=lww\nhandlers=a=0000000000000001", "expected settings and handlers only beside a policy handler:NAME"},
        {"conflict=handler:a\nsettings=[]", "expected settings that are a JSON object of at most 64 KiB"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[200];
        cr_assert(define(w, "truce:table:users", "conflict=priority"));
        cr_assert(define(w, "truce:table:dogs", "conflict=record"));
        cr_assert_not(define(w, "truce:table:users", bad[i].columns), "%s", bad[i].columns);
        snprintf(why, sizeof why, "truce:table:users: %s", bad[i].why);
        CHECK_WHY(w, why);
        cr_assert_eq(of(w, "users:1")->policy, POLICY_LWW, "as the file says");
        cr_assert_not(define(w, "truce:table:dogs", bad[i].columns));
        cr_assert(of(w, "dogs:1")->gone, "as if it were not declared");
    }
    world_finish(w);
}

Test(rules, hashes_of_handlers_are_of_the_chain_each_once_in_one_form) {
    struct world *w = world_make();
    static const char *const bad[] = {"",
                                      " ",
                                      "a",
                                      "a=",
                                      "a=1",
                                      "a=000000000000000g",
                                      "a=00000000000000.0",
                                      "a=000000000000000:",
                                      "a=000000000000000A",
                                      "a=0000000000000000",
                                      "a=00000000000000001",
                                      "c=0000000000000001",
                                      "=0000000000000001",
                                      "a=0000000000000001 ",
                                      " a=0000000000000001",
                                      "a=0000000000000001  b=0000000000000001",
                                      "a=0000000000000001,b=0000000000000001",
                                      "a=0000000000000001 a=0000000000000001"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char columns[200];
        snprintf(columns, sizeof columns, "conflict=handler:a,b\nhandlers=%s", bad[i]);
        cr_assert_not(define(w, "truce:table:users", columns), "\"%s\"", bad[i]);
        CHECK_WHY(w, "truce:table:users: expected handlers as name=hash, each of the chain once, the hash 16 hex digits, with a space between");
    }
    world_finish(w);
}

Test(rules, a_definition_that_is_no_hash_or_of_a_name_that_is_not_allowed_does_not_count) {
    struct world *w = world_make();
    struct buf string = {0};
    content_make_string(&string, 0, S("lww"));
    cr_assert(rules_define(w->r, S("truce:table:users"), buf_slice_of(&string), NULL, 0, w->t, &w->why));
    CHECK_WHY(w, "truce:table:users: expected a hash");
    cr_assert(rules_define(w->r, S("truce:dc:us"), buf_slice_of(&string), NULL, 0, w->t, &w->why));
    CHECK_WHY(w, "truce:dc:us: expected a hash");
    cr_assert(rules_define(w->r, S("truce:mark:us-1.0000000000000011"), buf_slice_of(&string), NULL, 0, w->t, &w->why));
    CHECK_WHY(w, "truce:mark:us-1.0000000000000011: expected a hash");
    cr_assert_not(define(w, "truce:table:", "conflict=lww"));
    cr_assert_not(define(w, "truce:table:a b", "conflict=lww"));
    cr_assert_not(define(w, "truce:table:a:b", "conflict=lww"));
    cr_assert_not(define(w, "truce:table:A\n\xff", "conflict=lww"));
    CHECK_WHY(w, "truce:table:A??: expected the name of a table, or *");
    char key[200] = "truce:table:", why[200] = "truce:table:";
    memset(key + 12, 'x', 150);
    memset(why + 12, 'x', 88);
    cr_assert_not(define(w, key, "conflict=lww"), "a name too long");
    memcpy(why + 100, ": expected the name of a table, or *", 36);
    CHECK_WHY(w, why);
    cr_assert_eq(rules_tables_count(w->r), 3u);
    buf_finish(&string);
    world_finish(w);
}

Test(rules, keys_that_define_nothing_are_told_from_those_that_do) {
    struct world *w = world_make();
    static const char *const keys[] = {
        "", "truce", "truce:", "truce:table", "truce:tables:x", "truce:dc", "truce:mark", "users:truce:table:x", "Truce:dc:us"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert_not(rules_define(w->r, S(keys[i]), (struct slice){0}, NULL, 0, w->t, &w->why), "%s", keys[i]);
    world_finish(w);
}

Test(rules, thousands_of_tables_are_all_found_whatever_order_they_came_and_went_in) {
    struct world *w = world_make();
    enum { TABLES = 3000 };
    char key[40], row[40];
    for (uint32_t i = 0; i < TABLES; i++) {
        snprintf(key, sizeof key, "truce:table:t%u", i * 7919 % TABLES);
        cr_assert(define(w, key, i % 2 ? "conflict=record" : "conflict=lww"));
    }
    for (uint32_t i = 0; i < TABLES; i += 3) {
        snprintf(key, sizeof key, "truce:table:t%u", i);
        cr_assert(define(w, key, NULL));
    }
    cr_assert_eq(rules_tables_count(w->r), 3u + TABLES);
    for (uint32_t i = 0; i < TABLES; i++) {
        snprintf(row, sizeof row, "t%u:1", i);
        snprintf(key, sizeof key, "t%u", i);
        cr_assert_str_eq(of(w, row)->name, key);
        cr_assert_eq(of(w, row)->gone, i % 3 == 0);
    }
    for (uint32_t i = 1; i < rules_tables_count(w->r); i++) cr_assert_lt(strcmp(rules_table_at(w->r, i - 1)->name, rules_table_at(w->r, i)->name), 0);
    world_finish(w);
}

/* ---- barriers ---- */
Test(rules, a_definition_with_a_barrier_holds_its_keys_until_it_is_stable) {
    struct world *w = world_make();
    struct vv stable = {0};
    cr_assert(define_with(w, "truce:table:users", "conflict=merge\nbarrier=1", &(struct dot){w->us, 5}, 1));
    const struct table_rule *t = of(w, "users:1");
    cr_assert(rules_barrier(t, &stable));
    vv_set(&stable, w->eu, 9);
    vv_set(&stable, w->us, 4);
    cr_assert(rules_barrier(t, &stable));
    vv_set(&stable, w->us, 5);
    cr_assert_not(rules_barrier(t, &stable));
    vv_finish(&stable);
    world_finish(w);
}

Test(rules, a_lone_definition_without_a_barrier_holds_nothing) {
    struct world *w = world_make();
    struct vv none = {0};
    cr_assert(define_with(w, "truce:table:users", "conflict=record", &(struct dot){w->us, 5}, 1));
    cr_assert_not(rules_barrier(of(w, "users:1"), &none));
    cr_assert_not(rules_barrier(of(w, "carts:1"), &none), "the file's definitions are everywhere");
    world_finish(w);
}

Test(rules, concurrent_definitions_hold_their_keys_until_all_are_stable) {
    struct world *w = world_make();
    struct vv stable = {0};
    struct dot live[] = {{w->eu, 7}, {w->us, 5}};
    cr_assert(define_with(w, "truce:table:users", "conflict=record", live, 2));
    cr_assert_eq(of(w, "users:1")->barrier_count, 2u);
    vv_set(&stable, w->us, 5);
    cr_assert(rules_barrier(of(w, "users:1"), &stable));
    vv_set(&stable, w->eu, 7);
    cr_assert_not(rules_barrier(of(w, "users:1"), &stable));
    vv_finish(&stable);
    world_finish(w);
}

Test(rules, a_definition_that_is_gone_or_malformed_holds_its_keys_until_that_is_stable) {
    struct world *w = world_make();
    struct vv none = {0};
    cr_assert(define_with(w, "truce:table:users", NULL, &(struct dot){w->us, 6}, 1));
    cr_assert(rules_barrier(of(w, "users:1"), &none));
    cr_assert_not(define_with(w, "truce:table:users", "conflict=x", &(struct dot){w->us, 6}, 1));
    cr_assert(rules_barrier(of(w, "users:1"), &none));
    cr_assert(define_with(w, "truce:table:users", NULL, NULL, 0));
    cr_assert_not(rules_barrier(of(w, "users:1"), &none));
    world_finish(w);
}

Test(rules, new_tables_and_changes_of_form_need_a_barrier) {
    struct world *w = world_make();
    cr_assert_not(rules_needs_barrier(w->r, S("users"), POLICY_PRIORITY));
    cr_assert_not(rules_needs_barrier(w->r, S("users"), POLICY_HANDLER));
    cr_assert(rules_needs_barrier(w->r, S("users"), POLICY_MERGE));
    cr_assert(rules_needs_barrier(w->r, S("*"), POLICY_LWW));
    cr_assert_not(rules_needs_barrier(w->r, S("*"), POLICY_MERGE));
    cr_assert(rules_needs_barrier(w->r, S("dogs"), POLICY_MERGE), "its keys were of the rest until now");
    cr_assert(rules_needs_barrier(w->r, S("dogs"), POLICY_LWW));
    cr_assert(define(w, "truce:table:dogs", "conflict=merge\nbarrier=1"));
    cr_assert_not(rules_needs_barrier(w->r, S("dogs"), POLICY_MERGE));
    world_finish(w);
}

/* ---- priorities ---- */
static int32_t priority(const struct world *w, const char *dc) {
    struct origin o = {.node = 3, .incarnation = 9};
    memcpy(o.dc, dc, strlen(dc) + 1);
    return rules_priority(w->r, &o);
}

Test(rules, priorities_are_the_files_until_they_are_defined) {
    struct world *w = world_make();
    cr_assert(priority(w, "us") == 20 && priority(w, "eu") == -3 && priority(w, "ap") == 0);
    cr_assert_eq(priority(w, "mars"), 0);
    cr_assert(define(w, "truce:dc:us", "priority=-2147483648"));
    cr_assert(define(w, "truce:dc:eu", "priority=2147483647"));
    cr_assert(define(w, "truce:dc:mars", "priority=5"));
    cr_assert(priority(w, "us") == INT32_MIN && priority(w, "eu") == INT32_MAX && priority(w, "mars") == 5);
    cr_assert(define(w, "truce:dc:eu", "priority=0"));
    cr_assert_eq(priority(w, "eu"), 0);
    cr_assert(define(w, "truce:dc:venus", "priority=7"));
    cr_assert(define(w, "truce:dc:us", NULL));
    cr_assert(define(w, "truce:dc:eu", NULL));
    cr_assert(define(w, "truce:dc:mars", NULL));
    cr_assert(priority(w, "us") == 20 && priority(w, "eu") == -3 && priority(w, "mars") == 0 && priority(w, "venus") == 7);
    cr_assert(define(w, "truce:dc:pluto", NULL));
    cr_assert_eq(priority(w, "pluto"), 0);
    world_finish(w);
}

Test(rules, a_malformed_priority_does_not_count) {
    struct world *w = world_make();
    static const char *const bad[] = {"priority=",           "priority=x",           "priority=+1",  "priority=01", "priority=-0",
                                      "priority=2147483648", "priority=-2147483649", "priority=-",   "rank=1",      "priority=1\nrank=1",
                                      "priority=1.5",        "priority= 1",          "priority=--1", "Priority=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(define(w, "truce:dc:us", "priority=9"));
        cr_assert_eq(priority(w, "us"), 9);
        cr_assert_not(define(w, "truce:dc:us", bad[i]), "%s", bad[i]);
        CHECK_WHY(w, "truce:dc:us: expected a priority from -2147483648 to 2147483647, and nothing else");
        cr_assert_eq(priority(w, "us"), 20);
    }
    cr_assert_not(define(w, "truce:dc:US", "priority=1"));
    CHECK_WHY(w, "truce:dc:US: expected the name of a datacenter");
    world_finish(w);
}

/* ---- marks ---- */
#define MARK_US "truce:mark:us-1.0000000000000011"
#define MARK_EU "truce:mark:eu-1.0000000000000022"

static bool marked(const struct world *w, origin_ref o, uint64_t n) { return rules_marked(w->r, (struct dot){o, n}); }

Test(rules, marks_cover_just_the_numbers_that_they_name) {
    struct world *w = world_make();
    cr_assert_not(rules_any_mark(w->r));
    cr_assert_not(marked(w, w->us, 1));
    cr_assert(define(w, MARK_US, "10-20=clock ahead\n40-40=again"));
    cr_assert(define(w, MARK_EU, "1-18446744073709551615=always off"));
    cr_assert(rules_any_mark(w->r));
    static const uint64_t in[] = {10, 11, 20, 40}, out[] = {1, 9, 21, 39, 41, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) cr_assert(marked(w, w->us, in[i]), "%llu", (unsigned long long)in[i]);
    for (size_t i = 0; i < 6; i++) cr_assert_not(marked(w, w->us, out[i]), "%llu", (unsigned long long)out[i]);
    cr_assert(marked(w, w->eu, 1) && marked(w, w->eu, UINT64_MAX));
    cr_assert_not(marked(w, w->eu + 1, 15));
    cr_assert(define(w, MARK_US, "15-16=now we know better"));
    cr_assert(marked(w, w->us, 15) && !marked(w, w->us, 14) && !marked(w, w->us, 40) && marked(w, w->eu, 7));
    cr_assert(define(w, MARK_EU, NULL));
    cr_assert(marked(w, w->us, 15) && !marked(w, w->eu, 7) && rules_any_mark(w->r));
    cr_assert(define(w, MARK_US, NULL));
    cr_assert_not(rules_any_mark(w->r));
    world_finish(w);
}

Test(rules, marks_that_overlap_or_touch_are_their_union) {
    struct world *w = world_make();
    cr_assert(
        define(w, MARK_US, "1-30=a\n5-6=within\n20-40=over the end\n41-50=touches\n60-70=apart\n18446744073709551615-18446744073709551615=last"));
    for (uint64_t n = 1; n <= 80; n++) cr_assert_eq(marked(w, w->us, n), n <= 50 || (n >= 60 && n <= 70), "%llu", (unsigned long long)n);
    cr_assert(marked(w, w->us, UINT64_MAX) && !marked(w, w->us, UINT64_MAX - 1));
    world_finish(w);
}

Test(rules, malformed_marks_do_not_count) {
    struct world *w = world_make();
    static const char *const bad[] = {"0-5=x",  "5-4=x", "5=x", "-=x", "1-=x", "-1=x", "01-5=x", "1-18446744073709551616=x", "1-5=fine\n7-6=not",
                                      "1 - 5=x"};
    cr_assert(define(w, MARK_EU, "3-4=stays"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(define(w, MARK_US, "2-2=x"));
        cr_assert_not(define(w, MARK_US, bad[i]), "%s", bad[i]);
        CHECK_WHY(w, MARK_US ": expected columns named FROM-TO, numbers from 1");
        for (uint64_t n = 1; n < 9; n++) cr_assert_not(marked(w, w->us, n), "%s", bad[i]);
        cr_assert(marked(w, w->eu, 3));
    }
    static const char *const keys[] = {"truce:mark:", "truce:mark:us", "truce:mark:us-1", "truce:mark:us-0.0000000000000011", "truce:mark:us-1.11"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char why[100];
        cr_assert_not(define(w, keys[i], "1-2=x"), "%s", keys[i]);
        snprintf(why, sizeof why, "%s: expected the name of an origin", keys[i]);
        CHECK_WHY(w, why);
    }
    world_finish(w);
}

Test(rules, a_mark_may_name_an_origin_that_nothing_has_come_from_yet) {
    struct world *w = world_make();
    cr_assert(define(w, "truce:mark:ap-2.00000000000000aa", "1-3=x"));
    origin_ref ap = origins_find(w->t, &(struct origin){.dc = "ap", .node = 2, .incarnation = 0xaa});
    cr_assert_neq(ap, ORIGIN_NONE);
    cr_assert(marked(w, ap, 3));
    world_finish(w);
}
