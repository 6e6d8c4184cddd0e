#include "conflicts_help.h"

TestSuite(conflicts);

/* ---- the inbox ---- */

Test(conflicts, an_open_conflict_has_the_same_id_and_the_same_versions_in_every_datacenter_and_a_resolution_in_one_closes_it_in_all) {
    struct rig *r = rig_open("us:2 eu:1 ap:1 | " TABLES);
    const char *nodes[] = {"us-1", "us-2", "eu-1", "ap-1"};
    EXPECT(r, "us-1", "HSET docs:1 title plan owner ann", ":2");
    rig_settle(r);
    write_apart(r, "HSET docs:1 title plan-us", "HSET docs:1 title plan-eu owner bob");
    char *id = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST docs", "id");
    for (int i = 0; i < 4; i++) {
        char *here = ask_field(r, nodes[i], "TRUCE.CONFLICTS LIST docs", "id");
        cr_assert_str_eq(here, id, "%s", nodes[i]);
        free(here);
        const char *shown = ask(r, nodes[i], "TRUCE.CONFLICTS SHOW %s", id);
        EXPECT_LIKE(shown, "$5 state $4 open");
        EXPECT_LIKE(shown, "owner=ann title=plan-us");
        EXPECT_LIKE(shown, "owner=bob title=plan-eu");
        EXPECT_LIKE(shown, "$6 column $5 title $4 base $4 plan $6 values *2 $7 plan-us $7 plan-eu");
        EXPECT_LIKE(shown, "$6 column $5 owner $4 base $3 ann $6 values *2 $3 ann $3 bob");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT"), "$4 open :1");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT docs"), "$4 open :1");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT users"), "$4 open :0");
    }
    char *context = ask_field(r, "eu-1", "TRUCE.SIBLINGS docs:1", "context");
    EXPECT_LIKE(ask(r, "eu-1", "TRUCE.RESOLVE docs:1 %s HSET docs:1 title both", context), ":0");
    rig_settle(r);
    for (int i = 0; i < 4; i++) {
        EXPECT(r, nodes[i], "HGET docs:1 title", "$4 both");
        EXPECT(r, nodes[i], "TRUCE.CONFLICTS LIST docs", "*2 $0  *0");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT"), "$4 open :0");
        const char *shown = ask(r, nodes[i], "TRUCE.CONFLICTS SHOW %s", id);
        EXPECT_LIKE(shown, "$5 state $6 closed");
        cr_assert_eq(times(shown, "$5 state $8 resolved"), 2, "%s: %s", nodes[i], shown);
        const char *losers = rig_do(r, nodes[i], "TRUCE.CONFLICTS docs:1");
        EXPECT_LIKE(losers, "title=plan-us");
        EXPECT_LIKE(losers, "title=plan-eu");
    }
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.RESOLVE docs:1 %s HSET docs:1 title again", context), "-ERR the row has no open conflict");
    free(context);
    free(id);
    rig_close(r);
}

static char *context_of(struct rig *r, const char *node, const char *key) {
    const char *reply = ask(r, node, "TRUCE.SIBLINGS %s", key);
    return field(reply, "context");
}

Test(conflicts, a_resolution_never_overwrites_a_write_that_it_has_not_seen) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    write_apart(r, "SET docs:1 us", "SET docs:1 eu");
    char *old = context_of(r, "us-1", "docs:1");
    rig_cut(r, "us", "eu");
    char *there = context_of(r, "eu-1", "docs:1");
    EXPECT(r, "us-1", "SET docs:1 meanwhile", "+OK");
    EXPECT_LIKE(ask(r, "eu-1", "TRUCE.RESOLVE docs:1 %s SET docs:1 settled", there), "+OK");
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS docs:1"), "$9 meanwhile");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS docs:1"), "$7 settled");
    char *id = ask_field(r, "eu-1", "TRUCE.CONFLICTS LIST", "id");
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.RESOLVE docs:1 %s SET docs:1 stale", old), "-NEWER ");
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.CONFLICTS RESOLVE %s TAKE us CONTEXT %s", id, old), "+OK");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.SIBLINGS docs:1"), "$7 settled");
    EXPECT_LIKE(ask(r, "eu-1", "TRUCE.CONFLICTS RESOLVE %s TAKE us", id), "+OK");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        EXPECT(r, i ? "us-1" : "eu-1", "GET docs:1", "$9 meanwhile");
        EXPECT(r, i ? "us-1" : "eu-1", "TRUCE.CONFLICTS LIST", "*2 $0  *0");
    }
    EXPECT_LIKE(ask(r, "eu-1", "TRUCE.CONFLICTS RESOLVE %s TAKE us", id), "-ERR the conflict is closed already");
    free(old), free(there), free(id);
    rig_close(r);
}

/* DESIGN, section 5: client 1 writes [milk]; client 2, who read nothing, adds [eggs]; client 1 writes [milk, flour] with its old context. */
static void shop(struct rig *r, const char *one, const char *two) {
    char *nothing = context_of(r, one, "carts:7");
    EXPECT(r, one, "HSET carts:7 milk 1", ":1");
    char *milk = context_of(r, one, "carts:7");
    EXPECT_LIKE(ask(r, two, "TRUCE.WITH %s HSET carts:7 eggs 1", nothing), ":");
    rig_settle(r);
    const char *siblings = rig_do(r, two, "TRUCE.SIBLINGS carts:7");
    cr_assert_eq(times(siblings, "$3 dot"), 2, "%s", siblings);
    EXPECT_LIKE(ask(r, one, "TRUCE.WITH %s HSET carts:7 milk 1 flour 1", milk), ":");
    rig_settle(r);
    siblings = rig_do(r, two, "TRUCE.SIBLINGS carts:7");
    cr_assert_eq(times(siblings, "$3 dot"), 2, "[milk] is replaced, [eggs] stays: %s", siblings);
    EXPECT_LIKE(siblings, "eggs=1");
    EXPECT_LIKE(siblings, "flour=1");
    free(nothing), free(milk);
}

Test(conflicts, the_shopping_cart_story_in_one_datacenter) {
    struct rig *r = rig_open("us:2 | " TABLES);
    shop(r, "us-1", "us-2");
    char *id = ask_field(r, "us-2", "TRUCE.CONFLICTS LIST carts", "id"), *context = context_of(r, "us-2", "carts:7");
    EXPECT_LIKE(ask(r, "us-2", "TRUCE.RESOLVE carts:7 %s HSET carts:7 milk 1 flour 1 eggs 1", context), ":");
    EXPECT(r, "us-2", "HLEN carts:7", ":3");
    EXPECT(r, "us-1", "TRUCE.CONFLICTS LIST", "*2 $0  *0");
    free(id), free(context);
    rig_close(r);
}

Test(conflicts, the_shopping_cart_story_in_two_datacenters) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    char *nothing = context_of(r, "eu-1", "carts:7");
    free(nothing);
    shop(r, "us-1", "eu-1");
    char *context = context_of(r, "eu-1", "carts:7");
    EXPECT_LIKE(ask(r, "eu-1", "TRUCE.RESOLVE carts:7 %s HSET carts:7 milk 1 flour 1 eggs 1", context), ":");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        EXPECT(r, i ? "us-1" : "eu-1", "HLEN carts:7", ":3");
        EXPECT(r, i ? "us-1" : "eu-1", "TRUCE.CONFLICTS LIST", "*2 $0  *0");
    }
    free(context);
    rig_close(r);
}

/* ---- the automatic policies ---- */

/* The dot of a loser by what it begins with. */
static char *loser_of(struct rig *r, const char *node, const char *key, const char *begins) {
    const char *reply = ask(r, node, "TRUCE.CONFLICTS %s", key);
    for (const char *at = reply; (at = strstr(at, "$5 loser $")); at++) {
        char *dot = field(at, "loser");
        if (strncmp(dot, begins, strlen(begins)) == 0) return dot;
        free(dot);
    }
    cr_assert(false, "no loser of %s in: %.500s", begins, reply);
    return NULL;
}

Test(conflicts, what_the_automatic_policies_hide_is_in_every_journal_with_its_value_and_comes_back_on_request) {
    struct rig *r = rig_open("us:1 eu:2 | " TABLES);
    const char *nodes[] = {"us-1", "eu-1", "eu-2"};
    write_apart(r, "SET users:1 from-us", "SET users:1 from-eu");
    write_apart(r, "HSET free:1 name from-us city Rome", "HSET free:1 name from-eu");
    for (int i = 0; i < 3; i++) {
        EXPECT(r, nodes[i], "GET users:1", "$7 from-eu");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS users"), "*1 ");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS users"), "$8 loser_dc $2 us");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS users"), "$5 value $7 from-us");
        EXPECT(r, nodes[i], "HGETALL free:1", "*4 $4 city $4 Rome $4 name $7 from-eu");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS free:1 LIMIT 5"), "$5 value $7 from-us");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS free:1 LIMIT 5"), "$6 column $4 name");
    }
    EXPECT(r, "us-1", "SET users:1 later", "+OK"); /* the losers leave the row; the journal has them */
    EXPECT(r, "us-1", "HSET free:1 name later", ":0");
    rig_settle(r);
    for (int i = 0; i < 3; i++) {
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS users"), "$5 value $7 from-us");
        EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS free"), "$5 value $7 from-us");
        EXPECT(r, nodes[i], "TRUCE.CONFLICTS LIST users", "*2 $0  *0");
    }
    char *id = ask_field(r, "eu-2", "TRUCE.CONFLICTS LIST users ALL", "id"), *column = ask_field(r, "eu-2", "TRUCE.CONFLICTS LIST free: ALL", "id");
    char *loser = ask_field(r, "eu-2", "TRUCE.CONFLICTS users", "loser"), *register_loser = loser_of(r, "eu-2", "free", "us-1.");
    EXPECT_LIKE(ask(r, "eu-2", "TRUCE.CONFLICTS RESTORE %s %s", id, loser), "+OK");
    EXPECT_LIKE(ask(r, "eu-2", "TRUCE.CONFLICTS RESTORE %s %s", column, register_loser), "+OK");
    EXPECT_LIKE(ask(r, "eu-2", "TRUCE.CONFLICTS RESTORE %s", column), "-ERR which of them? ");
    EXPECT_LIKE(ask(r, "eu-2", "TRUCE.CONFLICTS RESTORE %s nobody:1", id), "-ERR there is no such version");
    EXPECT_LIKE(ask(r, "eu-2", "TRUCE.CONFLICTS RESTORE 0123456789abcdef"), "-ERR there is no conflict");
    rig_settle(r);
    for (int i = 0; i < 3; i++) {
        EXPECT(r, nodes[i], "GET users:1", "$7 from-us");
        EXPECT(r, nodes[i], "HGETALL free:1", "*4 $4 city $4 Rome $4 name $7 from-us");
    }
    free(id), free(column), free(loser), free(register_loser);
    rig_close(r);
}

Test(conflicts, elements_of_several_types_are_a_conflict_and_the_next_write_covers_those_that_are_hidden) {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    write_apart(r, "SADD mixed one two", "HSET mixed name eu");
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        EXPECT(r, node, "TYPE mixed", "+hash");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS LIST mixed"), "$4 kind $5 types");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS mixed"), "$5 value $3 one");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS COUNT"), "$4 open :1");
    }
    char *here = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST", "id"), *there = ask_field(r, "eu-1", "TRUCE.CONFLICTS LIST", "id");
    cr_assert_str_eq(here, there);
    EXPECT(r, "us-1", "HSET mixed more 1", ":1");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        EXPECT(r, node, "TRUCE.CONFLICTS LIST", "*2 $0  *0");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS COUNT"), "$4 open :0");
        const char *losers = rig_do(r, node, "TRUCE.CONFLICTS mixed");
        EXPECT_LIKE(losers, "$5 value $3 one");
        EXPECT_LIKE(losers, "$5 value $3 two");
        EXPECT_LIKE(losers, "$7 outcome $4 type");
    }
    free(here), free(there);
    rig_close(r);
}

Test(conflicts, an_id_from_before_the_conflict_grew_still_finds_it) {
    struct rig *r = rig_open("ap:1 eu:1 us:1 | " TABLES);
    rig_cut(r, "ap", "eu");
    rig_cut(r, "ap", "us");
    rig_cut(r, "eu", "us");
    rig_do(r, "ap-1", "SET docs:1 ap");
    rig_run(r, MS(20));
    rig_do(r, "eu-1", "SET docs:1 eu");
    rig_run(r, MS(20));
    rig_do(r, "us-1", "SET docs:1 us");
    rig_heal(r, "eu", "us");
    rig_run(r, SECONDS(3));
    char *young = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST", "id");
    rig_heal(r, "*", "*");
    rig_settle(r);
    char *grown = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST", "id"), *there = ask_field(r, "ap-1", "TRUCE.CONFLICTS LIST", "id");
    cr_assert_str_neq(young, grown, "its smallest latest dot is of ap now");
    cr_assert_str_eq(there, grown);
    char *shown = strdup(ask(r, "us-1", "TRUCE.CONFLICTS SHOW %s", young));
    char *id = field(shown, "id");
    cr_assert_str_eq(id, grown);
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS COUNT"), "$4 open :1 $7 entries :1 $4 ever :1");
    cr_assert_eq(times(shown, "$5 state $6 hidden"), 2, "%s", shown);
    free(young), free(grown), free(there), free(shown), free(id);
    rig_close(r);
}

/* ---- in bulk ---- */

Test(conflicts, a_table_is_resolved_in_bulk_by_rule_from_a_follower_and_other_tables_stay_open) {
    struct rig *r = rig_open("us:2 eu:1 | " TABLES);
    rig_cut(r, "us", "eu");
    for (int i = 0; i < 40; i++) {
        cr_assert_str_eq(ask(r, "us-1", "SET docs:%d us", i), "+OK");
        cr_assert_str_eq(ask(r, "eu-1", "SET docs:%d longest-is-eu", i), "+OK");
    }
    rig_do(r, "us-1", "SET carts:1 us");
    rig_do(r, "eu-1", "SET carts:1 eu");
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS COUNT"), "$4 open :41");
    EXPECT_LIKE(rig_do(r, "us-2", "TRUCE.CONFLICTS RESOLVE docs TAKE nowhere"), "$8 resolved :0 $7 skipped :40");
    EXPECT_LIKE(rig_do(r, "us-2", "TRUCE.CONFLICTS RESOLVE docs TAKE us LIMIT 3"), "$8 resolved :3 $7 skipped :0");
    EXPECT_LIKE(rig_do(r, "us-2", "TRUCE.CONFLICTS RESOLVE docs LONGEST"), "$8 resolved :37 $7 skipped :0");
    EXPECT_LIKE(rig_do(r, "us-2", "TRUCE.CONFLICTS RESOLVE nonesuch LONGEST"), "-ERR there is no table");
    rig_settle(r);
    unsigned us = 0, eu = 0;
    for (int i = 0; i < 40; i++) {
        const char *value = ask(r, "eu-1", "GET docs:%d", i);
        us += strcmp(value, "$2 us") == 0;
        eu += strcmp(value, "$13 longest-is-eu") == 0;
    }
    cr_assert_eq(us, 3);
    cr_assert_eq(eu, 37);
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS LIST"), "$3 key $7 carts:1");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS COUNT"), "$4 open :1");
    rig_close(r);
}

Test(conflicts, a_deletion_can_be_chosen_though_the_row_reads_as_deleted_already) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    EXPECT(r, "us-1", "SET docs:1 was", "+OK");
    rig_settle(r);
    write_apart(r, "SET docs:1 kept", "DEL docs:1");
    char *id = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST", "id");
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.CONFLICTS RESOLVE %s TAKE eu", id), "+OK");
    rig_settle(r);
    for (int i = 0; i < 2; i++) {
        EXPECT(r, i ? "us-1" : "eu-1", "EXISTS docs:1", ":0");
        EXPECT(r, i ? "us-1" : "eu-1", "TRUCE.CONFLICTS LIST", "*2 $0  *0");
        EXPECT_LIKE(rig_do(r, i ? "us-1" : "eu-1", "TRUCE.CONFLICTS docs"), "$5 value $4 kept");
    }
    free(id);
    rig_close(r);
}

Test(conflicts, a_list_goes_on_after_its_cursor) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    rig_cut(r, "us", "eu");
    for (int i = 0; i < 10; i++) {
        ask(r, "us-1", "SET docs:%d us", i);
        ask(r, "eu-1", "SET docs:%d eu", i);
    }
    rig_heal(r, "*", "*");
    rig_settle(r);
    char cursor[400] = "";
    unsigned found = 0, pages = 0;
    do {
        const char *page = ask(r, "us-1", "TRUCE.CONFLICTS LIST docs LIMIT 3%s%s", *cursor ? " AFTER " : "", cursor);
        found += times(page, "$2 id $16");
        long n = strtol(page + strlen("*2 $"), NULL, 10);
        const char *at = strchr(page + strlen("*2 $"), ' ') + 1;
        cr_assert(n < (long)sizeof cursor);
        snprintf(cursor, sizeof cursor, "%.*s", (int)n, at);
        pages++;
    } while (*cursor && pages < 20);
    cr_assert_eq(found, 10);
    cr_assert_eq(pages, 4);
    rig_close(r);
}

/* ---- canonical ---- */

static uint64_t draw(uint64_t *seed, uint64_t below) { /* splitmix64 */
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* The ids of a list with their states, in its order; the caller frees. */
static char *ids_of(const char *list) {
    char *ids = xcalloc(1, strlen(list) + 1);
    for (const char *at = list; (at = strstr(at, "$2 id $16 ")); at++) {
        char *id = field(at, "id"), *state = field(at, "state"), *kind = field(at, "kind");
        bool closed_types = strcmp(kind, "types") == 0 && strcmp(state, "closed") == 0; /* these depend on who saw what when */
        if (!closed_types) snprintf(ids + strlen(ids), 32, "%s %s ", id, state);
        free(id), free(state), free(kind);
    }
    return ids;
}

static void write_at_random(struct rig *r, uint64_t *seed) {
    static const char *const nodes[] = {"us-1", "eu-1", "ap-1"};
    static const char *const tables[] = {"docs", "users", "seats", "free"};
    const char *node = nodes[draw(seed, 3)], *table = tables[draw(seed, 4)];
    unsigned row = (unsigned)draw(seed, 2), n = (unsigned)draw(seed, 1000);
    switch (draw(seed, 9)) {
    case 0:
    case 1: ask(r, node, "SET %s:%u %s-%u", table, row, node, n); break;
    case 2: ask(r, node, "DEL %s:%u", table, row); break;
    case 3: ask(r, node, "HSET %s:h%u a %u", table, row, n); break;
    case 4: ask(r, node, "HSET %s:h%u b %s c %u", table, row, node, n); break;
    case 5: ask(r, node, "SADD %s:%u m%u", table, row, n % 4); break;
    case 6: ask(r, node, "HINCRBY %s:h%u n %u", table, row, n); break;
    case 7: ask(r, node, "HDEL %s:h%u a", table, row); break;
    default: rig_run(r, MS(50)); break;
    }
}

static void cut_at_random(struct rig *r, uint64_t *seed) {
    static const char *const dcs[] = {"us", "eu", "ap"};
    uint64_t a = draw(seed, 3), b = (a + 1 + draw(seed, 2)) % 3;
    if (draw(seed, 2))
        rig_cut(r, dcs[a], dcs[b]);
    else
        rig_heal(r, dcs[a], dcs[b]);
}

Test(conflicts, after_any_cuts_every_node_has_the_same_conflicts_and_its_counts_are_those_of_its_journal, .timeout = 120) {
    for (uint64_t round = 1; round <= 12; round++) {
        struct rig *r = rig_open_seeded("us:1 eu:1 ap:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}, \"docs\": {\"conflict\": \"record\"}, "
                                        "\"users\": {\"conflict\": \"lww\"}, \"seats\": {\"conflict\": \"priority\"}}",
                                        round);
        uint64_t seed = round;
        for (int i = 0; i < 120; i++) {
            if (i % 8 == 0) cut_at_random(r, &seed);
            if (i == 60 && round % 3 == 0) rig_restart(r, "eu-1", CRASH_PROCESS);
            write_at_random(r, &seed);
        }
        rig_heal(r, "*", "*");
        rig_settle(r);
        char *list = strdup(rig_do(r, "us-1", "TRUCE.CONFLICTS LIST ALL")), *ids = ids_of(list);
        cr_assert(*ids, "round %u has no conflict at all", (unsigned)round);
        static const char *const nodes[] = {"us-1", "eu-1", "ap-1"};
        for (int i = 0; i < 3; i++) {
            char *other = strdup(rig_do(r, nodes[i], "TRUCE.CONFLICTS LIST ALL")), *here = ids_of(other);
            cr_assert_str_eq(here, ids, "round %u: %s", (unsigned)round, nodes[i]);
            const char *count = rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT");
            long open = strtol(strchr(count, ':') + 1, NULL, 10), entries = strtol(strchr(strchr(count, ':') + 1, ':') + 1, NULL, 10);
            cr_assert_eq(open, times(other, "$5 state $4 open"), "round %u: %s says %ld open in %s", (unsigned)round, nodes[i], open, ids);
            for (int t = 0; t < 4; t++) {
                count = ask(r, nodes[i], "TRUCE.CONFLICTS COUNT %s", t == 0 ? "*" : t == 1 ? "docs" : t == 2 ? "users" : "seats");
                open -= strtol(strchr(count, ':') + 1, NULL, 10);
                entries -= strtol(strchr(strchr(count, ':') + 1, ':') + 1, NULL, 10);
            }
            cr_assert(open == 0 && entries == 0, "round %u: %s counts %ld open and %ld entries too many", (unsigned)round, nodes[i], open, entries);
            free(other), free(here);
        }
        EXPECT_LIKE(rig_do(r, "ap-1", "TRUCE.CONFLICTS RESOLVE docs LATEST"), "$8 resolved :");
        EXPECT_LIKE(rig_do(r, "ap-1", "TRUCE.CONFLICTS RESOLVE users EARLIEST"), "$8 resolved :");
        EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS RESOLVE seats LONGEST"), "$8 resolved :");
        EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS RESOLVE * TAKE us"), "$8 resolved :");
        EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS RESOLVE * PRIORITY"), "$7 skipped :0");
        rig_settle(r);
        for (int i = 0; i < 3; i++) {
            EXPECT(r, nodes[i], "TRUCE.CONFLICTS LIST", "*2 $0  *0");
            EXPECT_LIKE(rig_do(r, nodes[i], "TRUCE.CONFLICTS COUNT"), "$4 open :0");
        }
        free(list), free(ids);
        rig_close(r);
    }
}

/* ---- what survives, and what goes ---- */

Test(conflicts, the_inbox_and_its_counts_survive_a_restart_with_and_without_a_checkpoint) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    write_apart(r, "SET docs:1 us", "SET docs:1 eu");
    write_apart(r, "SET users:1 us", "SET users:1 eu");
    rig_do(r, "us-1", "SET users:1 over");
    rig_settle(r);
    char *before = strdup(rig_do(r, "us-1", "TRUCE.CONFLICTS LIST ALL")), *count = strdup(rig_do(r, "us-1", "TRUCE.CONFLICTS COUNT"));
    char *losers = strdup(rig_do(r, "us-1", "TRUCE.CONFLICTS"));
    EXPECT_LIKE(count, "$4 open :1");
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_settle(r);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS COUNT", count);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS LIST ALL", before);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS", losers);
    rig_run(r, SECONDS(20)); /* a flush, and with it a checkpoint */
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_settle(r);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS COUNT", count);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS LIST ALL", before);
    EXPECT(r, "us-1", "TRUCE.CONFLICTS", losers);
    free(before), free(count), free(losers);
    rig_close(r);
}

Test(conflicts, closed_entries_beyond_the_limit_go_oldest_first_and_open_ones_never) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES ", \"journal\": {\"entries\": 10}");
    write_apart(r, "SET docs:open us", "SET docs:open eu");
    for (int i = 0; i < 12; i++) {
        char us[64], eu[64];
        snprintf(us, sizeof us, "SET users:%02d us", i);
        snprintf(eu, sizeof eu, "SET users:%02d eu", i);
        write_apart(r, us, eu);
        cr_assert_str_eq(ask(r, "us-1", "SET users:%02d settled", i), "+OK");
        rig_settle(r);
    }
    rig_run(r, SECONDS(180));
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        const char *kept = rig_do(r, node, "TRUCE.CONFLICTS LIST ALL");
        EXPECT_LIKE(kept, "docs:open");
        EXPECT_LIKE(kept, "users:11");
        cr_assert(!strstr(kept, "users:00"), "%s", kept);
        char *entries = strdup(rig_do(r, node, "TRUCE.CONFLICTS COUNT"));
        EXPECT_LIKE(entries, "$7 entries :10");
        free(entries);
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS COUNT users"), "$4 open :0 $7 entries :9");
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS docs"), "$5 value $2 us");
    }
    rig_close(r);
}

Test(conflicts, closed_entries_go_with_age_when_nobody_can_reopen_them_and_former_ids_go_with_them) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES ", \"journal\": {\"days\": 1}");
    write_apart(r, "SET docs:open us", "SET docs:open eu");
    write_apart(r, "SET users:1 us", "SET users:1 eu");
    char *id = ask_field(r, "us-1", "TRUCE.CONFLICTS LIST users ALL", "id");
    EXPECT(r, "us-1", "SET users:1 settled", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu"); /* while eu is away, it is not known what it has */
    EXPECT(r, "us-1", "SET users:2 x", "+OK");
    write_apart(r, "SET users:3 us", "SET users:3 eu");
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "SET users:3 settled", "+OK");
    for (uint32_t i = 0; i < 2; i++) world_skew(r->w, i, 2 * 86400000, 0, false);
    rig_run(r, SECONDS(90));
    EXPECT_LIKE(ask(r, "us-1", "TRUCE.CONFLICTS SHOW %s", id), "-ERR there is no conflict");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS users:3"), "$5 value $2 us");
    rig_heal(r, "*", "*");
    rig_settle(r);
    for (uint32_t i = 0; i < 2; i++) world_skew(r->w, i, 4 * 86400000, 0, false);
    rig_run(r, SECONDS(90));
    for (int i = 0; i < 2; i++) {
        const char *node = i ? "us-1" : "eu-1";
        char *count = strdup(rig_do(r, node, "TRUCE.CONFLICTS COUNT"));
        EXPECT_LIKE(count, "$4 open :1 $7 entries :1 $4 ever :3");
        free(count);
        EXPECT_LIKE(rig_do(r, node, "TRUCE.CONFLICTS LIST ALL"), "docs:open");
        EXPECT(r, node, "TRUCE.CONFLICTS users", "*0");
    }
    free(id);
    rig_close(r);
}

/* ---- telling the loser ---- */

Test(conflicts, a_session_hears_of_its_writes_that_lost_whether_it_asks_or_is_told_and_through_a_follower) {
    struct rig *r = rig_open("us:2 eu:1 | " TABLES);
    uint32_t asks = world_client(r->w, rig_node(r, "us-2"));
    EXPECT_AS(r, asks, "TRUCE.LOSSES", "-ERR this connection does not ask for losses: TRUCE.LOSSES ON comes first");
    EXPECT_AS(r, asks, "TRUCE.LOSSES ON", "+OK");
    rig_cut(r, "us", "eu");
    EXPECT_AS(r, asks, "SET users:1 from-us", "+OK");
    rig_do(r, "us-2", "SET users:2 of-another"); /* not of this session */
    EXPECT_AS(r, asks, "SET users:3 no-conflict", "+OK");
    EXPECT_AS(r, asks, "HSET free:1 name from-us", ":1");
    rig_run(r, MS(20));
    rig_do(r, "eu-1", "SET users:1 from-eu");
    rig_do(r, "eu-1", "SET users:2 from-eu");
    rig_do(r, "eu-1", "HSET free:1 name from-eu");
    EXPECT_AS(r, asks, "TRUCE.LOSSES", "*0");
    rig_heal(r, "*", "*");
    rig_settle(r);
    const char *losses = rig_do_as(r, asks, "TRUCE.LOSSES");
    EXPECT_LIKE(losses, "*2 ");
    EXPECT_LIKE(losses, "$3 key $7 users:1");
    EXPECT_LIKE(losses, "$5 value $7 from-us");
    EXPECT_LIKE(losses, "$9 winner_dc $2 eu");
    EXPECT_LIKE(losses, "$6 policy $3 lww");
    EXPECT_LIKE(losses, "$3 key $6 free:1 $6 column $4 name");
    EXPECT_LIKE(losses, "$6 policy $5 merge");
    cr_assert(!strstr(losses, "users:2"), "%s", losses);
    EXPECT_AS(r, asks, "TRUCE.LOSSES", "*0");
    EXPECT_AS(r, asks, "TRUCE.LOSSES OFF", "+OK");
    EXPECT_AS(r, asks, "TRUCE.LOSSES PLEASE", "-ERR syntax error");
    rig_close(r);
}

Test(conflicts, a_session_of_protocol_3_is_pushed_its_losses_and_not_what_it_overwrote_itself) {
    struct rig *r = rig_open("us:1 eu:1 | " TABLES);
    uint32_t told = world_client(r->w, rig_node(r, "us-1"));
    rig_do_as(r, told, "HELLO 3");
    EXPECT_AS(r, told, "TRUCE.LOSSES ON", "+OK");
    EXPECT(r, "us-1", "TRUCE.PRIORITY eu 5", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    rig_do(r, "eu-1", "SET seats:1 of-eu");
    rig_run(r, MS(20));
    EXPECT_AS(r, told, "SET seats:1 of-us", "+OK");
    char *before = context_of(r, "us-1", "seats:2");
    EXPECT_AS(r, told, "SET users:1 first", "+OK");
    EXPECT_AS(r, told, "SET users:1 second", "+OK");
    rig_heal(r, "*", "*");
    rig_settle(r);
    const char *pushed = rig_do_as(r, told, "PING"); /* this client takes a push for an answer, and is one behind then */
    EXPECT_LIKE(pushed, ">2 $10 truce-loss %8 $3 key $7 seats:1");
    EXPECT_LIKE(pushed, "$7 outcome $6 hidden");
    cr_assert(!strstr(pushed, "users:1"), "%s", pushed);
    /* a write from an old context that loses at once, by priority */
    EXPECT(r, "eu-1", "SET seats:2 of-eu", "+OK");
    rig_settle(r);
    char command[400];
    snprintf(command, sizeof command, "TRUCE.WITH %s SET seats:2 of-us", before);
    EXPECT_AS(r, told, command, "+PONG");
    EXPECT_AS(r, told, "PING", "+OK");
    EXPECT_LIKE(rig_do_as(r, told, "PING"), ">2 $10 truce-loss %8 $3 key $7 seats:2");
    free(before);
    rig_close(r);
}
