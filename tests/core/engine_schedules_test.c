/* Schedules that once made datacenters differ, lost a value, or let one client stop a node: each found by attack, and kept. */
#include "../../dc-node/core/state.h"
#include "engine_rig.h"

TestSuite(schedules);

#define MERGE "us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}"
#define LWW3  "us:1 eu:1 ap:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}}"

/* The same text everywhere. */
static void agree(struct rig *r, const char *command) {
    char first[4000];
    rig_settle(r);
    snprintf(first, sizeof first, "%s", rig_do_as(r, r->clients[0], command));
    for (uint32_t i = 1; i < r->cluster.nodes_count; i++) cr_assert_str_eq(rig_do_as(r, r->clients[i], command), first, "%s", command);
}

/* The origin of a node's present run, from its token. */
static void origin_of(struct rig *r, const char *node, char ret[static 80]) {
    const char *at = strstr(rig_do(r, node, "TRUCE.TOKEN"), node);
    cr_assert(at);
    snprintf(ret, 80, "%.*s", (int)strcspn(at, ":"), at);
}

static void declare(struct rig *r, const char *node, const char *command) {
    EXPECT(r, node, command, "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(5));
}

Test(schedules, expiry_left, .description = "An expiry that a removal has left is kept until the removal is known everywhere") {
    struct rig *r = rig_open(MERGE);
    EXPECT(r, "us-1", "HSET k f v", ":1");
    EXPECT(r, "us-1", "EXPIRE k 1000", ":1");
    rig_settle(r);
    rig_run(r, SECONDS(8));
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "HDEL k f", ":1");
    rig_run(r, SECONDS(15));
    EXPECT(r, "eu-1", "HSET k g w", ":1");
    rig_heal(r, "us", "eu");
    agree(r, "HGETALL k");
    agree(r, "EXPIRETIME k");
    rig_close(r);
}

Test(schedules, reset_while_cut, .description = "A table that is declared no more takes writes again only when every node knows it") {
    struct rig *r = rig_open(MERGE);
    declare(r, "us-1", "TRUCE.TABLE SET users lww");
    EXPECT(r, "us-1", "SET users:1 base", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "TRUCE.TABLE RESET users", ":1");
    EXPECT_LIKE(rig_do(r, "us-1", "APPEND users:1 -us"), "new definition");
    EXPECT_LIKE(rig_do(r, "us-1", "SADD users:2 a"), "new definition");
    EXPECT(r, "eu-1", "SET users:1 eu", "+OK");
    EXPECT(r, "eu-1", "SADD users:2 b", ":1");
    rig_heal(r, "us", "eu");
    agree(r, "GET users:1");
    rig_run(r, SECONDS(5));
    EXPECT(r, "us-1", "SADD users:2 a", ":1");
    agree(r, "SMEMBERS users:2");
    rig_close(r);
}

Test(schedules, restart_behind_barrier, .description = "A barrier that was lifted stays so over a restart, whoever is away then") {
    struct rig *r = rig_open(MERGE);
    declare(r, "us-1", "TRUCE.TABLE SET users lww");
    rig_run(r, SECONDS(20));
    EXPECT(r, "us-1", "SET users:1 base", "+OK");
    rig_cut(r, "us", "eu");
    rig_restart(r, "us-1", CRASH_PROCESS);
    EXPECT(r, "us-1", "SET users:1 third", "+OK");
    rig_heal(r, "us", "eu");
    agree(r, "GET users:1");
    rig_close(r);
}

Test(schedules, mark_of_definitions, .description = "A clock mark does not change which of two definitions is read") {
    struct rig *r = rig_open(MERGE);
    rig_cut(r, "us", "eu");
    EXPECT(r, "eu-1", "TRUCE.TABLE SET users merge", "+OK");
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-1", "TRUCE.TABLE SET users lww", "+OK");
    rig_heal(r, "us", "eu");
    rig_settle(r);
    rig_run(r, SECONDS(10));
    EXPECT(r, "eu-1", "SADD users:1 base", ":1");
    rig_settle(r);
    char origin[80], mark[200];
    origin_of(r, "us-1", origin);
    rig_cut(r, "us", "eu");
    snprintf(mark, sizeof mark, "TRUCE.MARK %s 1 1000 off", origin);
    EXPECT(r, "us-1", mark, "+OK");
    EXPECT(r, "us-1", "SADD users:1 us", ":1");
    EXPECT(r, "eu-1", "SADD users:1 eu", ":1");
    rig_heal(r, "us", "eu");
    agree(r, "SMEMBERS users:1");
    rig_close(r);
}

Test(schedules, marks_of_both, .description = "Marks that two datacenters made of one origin at once both count") {
    struct rig *r = rig_open("us:1 eu:1");
    char origin[80], mark[200];
    EXPECT(r, "us-1", "SET a 1", "+OK");
    origin_of(r, "us-1", origin);
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "eu-1", "SET a eu", "+OK");
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-1", "SET a us", "+OK"); /* later, and its second */
    snprintf(mark, sizeof mark, "TRUCE.MARK %s 2 2 off", origin);
    EXPECT(r, "us-1", mark, "+OK");
    rig_run(r, SECONDS(1));
    snprintf(mark, sizeof mark, "TRUCE.MARK %s 7 9 off", origin);
    EXPECT(r, "eu-1", mark, "+OK");
    rig_heal(r, "us", "eu");
    agree(r, "GET a");
    EXPECT(r, "us-1", "GET a", "$2 eu");
    rig_close(r);
}

Test(schedules, long_transaction, .description = "A transaction of many small commands on one large row is bounded") {
    struct rig *r = rig_open(MERGE);
    char *command = xmalloc(1000000), *value = xcalloc(1, 900001);
    memset(value, 'x', 900000);
    snprintf(command, 1000000, "HSET k big %s", value);
    EXPECT(r, "us-1", command, ":1");
    EXPECT(r, "us-1", "MULTI", "+OK");
    for (int i = 0; i < 100; i++) {
        snprintf(command, 1000000, "HSET k f %d", i);
        EXPECT(r, "us-1", command, "+QUEUED");
    }
    EXPECT_LIKE(rig_do(r, "us-1", "EXEC"), "*100 :1 :0 :0");
    size_t kept = 0;
    struct txn *t = &rig_engine(r, "us-1")->txn;
    for (uint32_t i = 0; i < t->rows_cap; i++) kept += t->rows[i].content.cap;
    cr_assert_leq(kept, 4u << 20, "it keeps %zu bytes for the next", kept);
    rig_settle(r);
    free(value);
    free(command);
    rig_close(r);
}

Test(schedules, counters_in_a_transaction, .description = "Counters of one row are added to as often as a transaction likes") {
    struct rig *r = rig_open(MERGE);
    char command[100];
    for (int i = 0; i < 100; i++) {
        snprintf(command, sizeof command, "HINCRBY k counter%d 1", i);
        rig_do(r, "us-1", command);
    }
    EXPECT(r, "us-1", "MULTI", "+OK");
    for (int i = 0; i < 500; i++) {
        snprintf(command, sizeof command, "HINCRBY k counter%d 1", i % 100);
        rig_do(r, "us-1", command);
    }
    cr_assert(!strstr(rig_do(r, "us-1", "EXEC"), "ERR"));
    agree(r, "HGET k counter1");
    EXPECT(r, "eu-1", "HGET k counter1", "$1 6");
    rig_close(r);
}

Test(schedules, clock_ahead, .description = "A node whose clock is ahead does not clear rows that it believes to have ended") {
    struct rig *r = rig_open(MERGE);
    EXPECT(r, "us-1", "SADD s a b", ":2");
    EXPECT(r, "us-1", "EXPIRE s 3600", ":1");
    rig_settle(r);
    world_skew(r->w, rig_node(r, "eu-1"), 7200 * 1000, 0, false);
    rig_run(r, SECONDS(5));
    EXPECT(r, "eu-1", "SADD s e", ":1");
    agree(r, "SMEMBERS s");
    EXPECT(r, "us-1", "SCARD s", ":3");
    rig_close(r);
}

Test(schedules, reopened_then_killed, .description = "An episode that came back is found again by a replay") {
    struct rig *r = rig_open(LWW3);
    char context[300], command[400];
    rig_cut(r, "*", "*");
    EXPECT(r, "ap-1", "SET k a", "+OK");
    const char *token = rig_do(r, "ap-1", "TRUCE.TOKEN"), *text = strchr(token, ' ');
    snprintf(context, sizeof context, "%s", text ? text + 1 : token);
    EXPECT(r, "eu-1", "SET k u", "+OK");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_run(r, SECONDS(10));
    rig_cut(r, "eu", "*");
    EXPECT(r, "us-1", "SET k r", "+OK");
    rig_run(r, SECONDS(20));
    snprintf(command, sizeof command, "TRUCE.WITH %s SET k x", context);
    EXPECT(r, "eu-1", command, "+OK");
    EXPECT(r, "us-1", "SET z 1", "+OK");
    rig_run(r, MS(200));
    rig_heal(r, "eu", "*");
    rig_run(r, SECONDS(2));
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_settle(r);
    rig_run(r, SECONDS(3));
    agree(r, "TRUCE.CONFLICTS COUNT");
    EXPECT(r, "ap-1", "SET k end", "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(3));
    agree(r, "TRUCE.CONFLICTS COUNT");
    rig_close(r);
}

Test(schedules, form_with_an_open_conflict, .description = "A conflict of a whole row stays in the inbox when the row is made into cells") {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}, \"t\": {\"conflict\": \"record\"}}");
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "HSET t:1 a us", ":1");
    EXPECT(r, "eu-1", "HSET t:1 a eu", ":1");
    rig_heal(r, "us", "eu");
    rig_settle(r);
    declare(r, "us-1", "TRUCE.TABLE SET t merge");
    EXPECT(r, "us-1", "HSET t:1 other x", ":1");
    agree(r, "TRUCE.CONFLICTS COUNT");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS COUNT"), "open :1");
    EXPECT(r, "us-1", "HSET t:1 a both", ":0");
    agree(r, "TRUCE.CONFLICTS COUNT");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.CONFLICTS COUNT"), "open :0");
    rig_close(r);
}

Test(schedules, context_of_the_old_form, .description = "A write from an old context does not take away a row of its table's former form") {
    struct rig *r = rig_open(MERGE);
    char context[300], command[400];
    declare(r, "us-1", "TRUCE.TABLE SET t merge");
    const char *token = rig_do(r, "us-1", "TRUCE.TOKEN"), *text = strchr(token, ' ');
    snprintf(context, sizeof context, "%s", text ? text + 1 : token);
    EXPECT(r, "us-1", "SET t:cart milk", "+OK");
    declare(r, "us-1", "TRUCE.TABLE SET t record");
    snprintf(command, sizeof command, "TRUCE.WITH %s SET t:cart eggs", context);
    EXPECT_LIKE(rig_do(r, "us-1", command), "-SIBLINGS");
    agree(r, "GET t:cart");
    EXPECT(r, "us-1", "GET t:cart", "$4 milk");
    rig_close(r);
}

Test(schedules, clock_behind, .description = "One clock that is behind does not make rows last longer") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    world_skew(r->w, rig_node(r, "ap-1"), -3600 * 1000, 0, false);
    rig_run(r, SECONDS(5));
    EXPECT(r, "us-1", "SET lock v EX 5", "+OK");
    rig_run(r, SECONDS(10));
    EXPECT(r, "us-1", "GET lock", "$-1");
    EXPECT(r, "eu-1", "TTL lock", ":-2");
    rig_close(r);
}
