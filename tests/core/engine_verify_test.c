#include "damage.h"
#include "engine_rig.h"
#include <stdio.h>

/* All replicas compared while writes go on, and rows repaired with their dots kept (engine_verify.c, engine_repair.c). */
TestSuite(verify);

/* All is flushed; then the node is stopped, its row damaged, and started again. */
static void damage(struct rig *r, const char *node, const char *key, enum damage how) {
    rig_settle(r);
    rig_run(r, SECONDS(12));
    world_kill(r->w, rig_node(r, node), CRASH_PROCESS);
    damage_row(world_store(r->w, rig_node(r, node)), key, how);
    world_start(r->w, rig_node(r, node));
    rig_run(r, SECONDS(4));
}

static void all_equal(struct rig *r, const char *node) {
    const char *reply = rig_do(r, node, "TRUCE.VERIFY");
    EXPECT_LIKE(reply, "$6 cursor $1 0 ");
    EXPECT_LIKE(reply, "$7 missing *0 $9 unsettled *0 $6 differ *0");
}

static void found(struct rig *r, const char *node, const char *key, const char *words) {
    char want[80];
    snprintf(want, sizeof want, "$6 differ *1 *6 $3 key $%zu %s ", strlen(key), key);
    const char *reply = rig_do(r, node, "TRUCE.VERIFY");
    EXPECT_LIKE(reply, want);
    EXPECT_LIKE(reply, words);
}

Test(verify, equal, .description = "Replicas that are equal are said to be so, with how many rows on which nodes") {
    struct rig *r = rig_open("us:2 eu:1");
    for (int i = 0; i < 20; i++) {
        char set[40];
        snprintf(set, sizeof set, "SET k%d %d", i, i);
        EXPECT(r, i % 2 ? "us-1" : "eu-1", set, "+OK");
    }
    rig_settle(r);
    EXPECT(r, "us-1", "TRUCE.VERIFY",
           "*12 $6 cursor $1 0 $4 rows :20 $5 nodes *3 $4 eu-1 $4 us-1 $4 us-2 $7 missing *0 $9 unsettled *0 $6 differ *0");
    rig_run(r, SECONDS(12)); /* flushed */
    all_equal(r, "eu-1");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.VERIFY x"), "-ERR invalid cursor");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.VERIFY 0 PAGES 1"), "-ERR syntax error");
    rig_close(r);
}

Test(verify, pages, .description = "A page ends at a cursor from which the next goes on, until all rows were compared once") {
    struct rig *r = rig_open("us:1 eu:1");
    for (int i = 0; i < 3000; i++) {
        char set[40];
        snprintf(set, sizeof set, "SET k%d %d", i, i);
        rig_send(r, r->clients[i % 2], set);
    }
    rig_settle(r);
    unsigned long long cursor = 0, rows = 0, pages = 0;
    do {
        char command[64];
        snprintf(command, sizeof command, "TRUCE.VERIFY %llu ROWS 900", cursor);
        const char *reply = rig_do(r, "us-1", command), *at = strstr(reply, "cursor $"), *count = strstr(reply, "rows :");
        cr_assert(at && count, "%s", reply);
        EXPECT_LIKE(reply, "differ *0");
        cursor = strtoull(strchr(at + 8, ' '), NULL, 10);
        rows += strtoull(count + 6, NULL, 10);
        pages++;
    } while (cursor && pages < 20);
    cr_assert_eq(rows, 3000u);
    cr_assert_geq(pages, 3u);
    rig_close(r);
}

Test(verify, away, .description = "A node that cannot be reached is named, and the others are compared") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    world_kill(r->w, rig_node(r, "eu-1"), CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.VERIFY"), "$5 nodes *2 $4 us-1 $4 us-2 $7 missing *1 *4 $4 node $4 eu-1 $3 why $20 it cannot be reached");
    rig_close(r);
}

Test(verify, value, .description = "A value that is not what its event wrote is found, named with its node, and repaired with its dot kept") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET a right", "+OK");
    EXPECT(r, "us-1", "SET b 1", "+OK");
    damage(r, "us-2", "a", DAMAGE_VALUE);
    EXPECT(r, "us-2", "GET a", "$7 damaged");
    found(r, "eu-1", "a", "$4 node $4 us-2 $5 value $7 damaged $7 differs");
    found(r, "eu-1", "a", "has other content under us-");
    found(r, "us-2", "a", "$4 node $4 us-1 $5 value $5 right $7 differs $-1");
    EXPECT(r, "eu-1", "TRUCE.REPAIR a", "*1 $4 us-2");
    EXPECT(r, "us-2", "GET a", "$5 right");
    all_equal(r, "eu-1");
    EXPECT(r, "eu-1", "TRUCE.REPAIR a", "*0");
    rig_settle(r); /* digests too */
    rig_run(r, SECONDS(2));
    rig_restart(r, "us-2", CRASH_MACHINE);
    rig_run(r, SECONDS(4));
    EXPECT(r, "us-2", "GET a", "$5 right");
    EXPECT(r, "us-1", "SET a newer", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "GET a", "$5 newer");
    all_equal(r, "us-1");
    rig_close(r);
}

Test(verify, lost, .description = "A row that is lost on one node comes back, and is the same for later writes") {
    struct rig *r = rig_open("us:2 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    EXPECT(r, "us-1", "SADD s x y", ":2");
    EXPECT(r, "eu-1", "INCRBY n 5", ":5");
    damage(r, "eu-1", "s", DAMAGE_LOST);
    found(r, "us-1", "s", "$4 node $4 eu-1 $5 value $-1 $7 differs $15 has no such row");
    EXPECT(r, "us-2", "TRUCE.REPAIR s", "*1 $4 eu-1");
    EXPECT(r, "eu-1", "SREM s x", ":1");
    rig_settle(r);
    EXPECT(r, "us-1", "SMEMBERS s", "*1 $1 y");
    all_equal(r, "us-1");
    damage(r, "us-2", "n", DAMAGE_LOST);
    EXPECT(r, "us-2", "TRUCE.REPAIR n", "*1 $4 us-2");
    EXPECT(r, "us-2", "INCRBY n 1", ":6");
    rig_settle(r);
    all_equal(r, "eu-1");
    rig_close(r);
}

Test(verify, former, .description = "A row that missed an event is found by its versions, and a row that came back from the dead goes again") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET a old", "+OK");
    EXPECT(r, "us-1", "SET d old", "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(12));
    struct sim_store *former = sim_store_copy(world_store(r->w, rig_node(r, "us-2")));
    EXPECT(r, "us-1", "SET a new", "+OK");
    EXPECT(r, "us-1", "DEL d", ":1");
    rig_settle(r);
    rig_run(r, SECONDS(12));
    uint32_t node = rig_node(r, "us-2");
    world_kill(r->w, node, CRASH_PROCESS);
    damage_from(world_store(r->w, node), "a", former);
    damage_from(world_store(r->w, node), "d", former);
    sim_store_destroy(former);
    world_start(r->w, node);
    rig_run(r, SECONDS(4));
    const char *reply = rig_do(r, "us-1", "TRUCE.VERIFY");
    EXPECT_LIKE(reply, "$6 differ *2 ");
    EXPECT_LIKE(reply, "has a row that the others do not have");
    EXPECT_LIKE(reply, "lacks us-");
    EXPECT_LIKE(reply, "(old), which the others do not have");
    EXPECT(r, "eu-1", "TRUCE.REPAIR a", "*1 $4 us-2");
    EXPECT(r, "eu-1", "TRUCE.REPAIR d", "*1 $4 us-2");
    EXPECT(r, "us-2", "MGET a d", "*2 $3 new $-1");
    all_equal(r, "us-2");
    rig_settle(r);
    rig_close(r);
}

Test(verify, no_majority, .description = "Where no state is that of most nodes, somebody has to say which is right") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET a right", "+OK");
    damage(r, "eu-1", "a", DAMAGE_VALUE);
    found(r, "us-1", "a", "$8 majority :0");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.REPAIR a"), "-ERR no state of the row is that of most nodes");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.REPAIR a FROM ap-1"), "-ERR there is no node ap-1");
    EXPECT(r, "eu-1", "TRUCE.REPAIR a FROM us-1", "*1 $4 eu-1");
    EXPECT(r, "eu-1", "GET a", "$5 right");
    all_equal(r, "us-1");
    world_kill(r->w, rig_node(r, "eu-1"), CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.REPAIR a"), "-ERR no other node answers");
    rig_close(r);
}

Test(verify, digest, .description = "A digest that went wrong with a row that was damaged for a while is made anew from the rows") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    EXPECT(r, "us-1", "SET b 1", "+OK");
    damage(r, "us-2", "a", DAMAGE_VALUE);
    EXPECT(r, "us-1", "SET a 2", "+OK"); /* over what was never there */
    rig_run(r, SECONDS(2));
    uint64_t right = engine_digest(rig_engine(r, "us-1")), wrong = engine_digest(rig_engine(r, "us-2"));
    cr_assert_neq(right, wrong);
    all_equal(r, "us-3");
    char want[100];
    snprintf(want, sizeof want, "*8 $3 was $16 %016llx $6 digest $16 %016llx $9 rows_were :2 $4 rows :2", (unsigned long long)wrong,
             (unsigned long long)right);
    EXPECT(r, "us-2", "TRUCE.VERIFY DIGEST", want);
    rig_settle(r);
    rig_run(r, SECONDS(12));
    rig_restart(r, "us-2", CRASH_MACHINE);
    rig_run(r, SECONDS(4));
    rig_settle(r);
    rig_close(r);
}

/* ---- while writes go on ---- */

struct load {
    struct rig *r;
    uint32_t clients[8];
    uint64_t until_us, period_us;
    unsigned seed, keys;
};

static void write_more(struct world *w, void *arg, uint64_t number) {
    struct load *l = arg;
    char command[80];
    l->seed = l->seed * 1103515245 + 12345;
    unsigned key = l->seed >> 16;
    const char *const forms[] = {"SET k%u v%u", "INCRBY n%u %u", "SADD s%u m%u", "SREM s%u m%u", "DEL k%u x%u", "HSET h%u f %u"};
    snprintf(command, sizeof command, forms[key % 6], key / 6 % l->keys, key % 3);
    rig_send(l->r, l->clients[number], command);
    if (world_now_us(w) < l->until_us) world_at(w, world_now_us(w) + l->period_us, write_more, arg, number);
}

static void begin_load(struct load *l, struct rig *r, uint64_t for_us, unsigned keys) {
    *l = (struct load){.r = r, .until_us = world_now_us(r->w) + for_us, .period_us = 1000, .seed = 7, .keys = keys};
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        l->clients[i] = world_client(r->w, i);
        world_at(r->w, world_now_us(r->w) + 100 * i, write_more, l, i);
    }
}

Test(verify, digest_under_load, .description = "While rows are counted anew, what becomes of those that were counted is followed") {
    struct rig *r = rig_open("us:2 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    struct load l;
    for (int i = 0; i < 5000; i++) {
        char set[40];
        snprintf(set, sizeof set, "SADD t%d m", i);
        rig_send(r, r->clients[0], set);
    }
    begin_load(&l, r, SECONDS(20), 3000);
    rig_run(r, SECONDS(1));
    for (int i = 0; i < 5; i++) {
        unsigned long long was, is;
        const char *reply = rig_do(r, "us-2", "TRUCE.VERIFY DIGEST");
        cr_assert_eq(sscanf(reply, "*8 $3 was $16 %llx $6 digest $16 %llx", &was, &is), 2, "%s", reply);
        cr_assert_eq(was, is);
        rig_run(r, SECONDS(2));
    }
    cr_assert_lt(world_now_us(r->w), l.until_us);
    rig_close(r);
}

Test(verify, under_load,
     .description = "While all nodes write, nothing that is only on its way is called damaged, and what is damaged is found and repaired") {
    struct rig *r = rig_open("us:2 eu:2 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    struct load l;
    EXPECT(r, "us-1", "SET a right", "+OK");
    rig_slow(r, "us", "eu", &(struct link_options){.latency_us = MS(40), .jitter_us = MS(5), .reorder = true});
    damage(r, "eu-2", "a", DAMAGE_VALUE);
    begin_load(&l, r, SECONDS(40), 300);
    rig_run(r, SECONDS(2));
    for (int i = 0; i < 3; i++) found(r, i == 1 ? "eu-2" : "us-1", "a", "$4 node $4 eu-2 $5 value $7 damaged");
    EXPECT(r, "us-2", "TRUCE.REPAIR a", "*1 $4 eu-2");
    for (int i = 0; i < 4; i++) EXPECT_LIKE(rig_do(r, i % 2 ? "eu-1" : "us-2", "TRUCE.VERIFY"), "differ *0");
    cr_assert_lt(world_now_us(r->w), l.until_us, "the load has ended before the last comparison");
    rig_run(r, SECONDS(40));
    rig_settle(r);
    all_equal(r, "us-1");
    rig_close(r);
}

Test(verify, hot_row, .description = "A row is not repaired between the writes of others: after them, or not at all") {
    struct rig *r = rig_open("us:2 eu:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    EXPECT(r, "us-1", "SADD s0 x y z", ":3");
    EXPECT(r, "us-1", "SADD other x", ":1");
    damage(r, "us-2", "s0", DAMAGE_LOST);
    struct load l;
    begin_load(&l, r, SECONDS(25), 1); /* SADD s0, SREM s0 all the while */
    const char *reply = rig_do(r, "us-1", "TRUCE.REPAIR s0");
    cr_assert(strcmp(reply, "*1 $4 us-2") == 0 || strstr(reply, "-ERR the row was not repaired: "), "%s", reply);
    rig_run(r, SECONDS(40));
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.REPAIR s0"), "*");
    rig_settle(r);
    all_equal(r, "us-1");
    rig_close(r);
}

/* ---- while everything breaks ---- */

struct chaos {
    struct rig *r;
    struct prng dice;
    uint64_t until_us;
};

static void break_more(struct world *w, void *arg, uint64_t number) {
    struct chaos *c = arg;
    uint32_t n = c->r->cluster.nodes_count, a = (uint32_t)prng_below(&c->dice, n), b = (uint32_t)prng_below(&c->dice, n);
    bool away = false;
    for (uint32_t i = 0; i < n; i++) away |= !world_alive(w, i);
    switch (world_now_us(w) < c->until_us ? prng_below(&c->dice, 8) : 8) {
    case 0:
        if (!away) world_kill(w, a, prng_below(&c->dice, 2) ? CRASH_PROCESS : CRASH_MACHINE);
        break;
    case 1:
        if (a != b) world_cut(w, a, b);
        break;
    case 2:
        if (a != b) world_slow(w, a, b, &(struct link_options){.latency_us = MS(200), .jitter_us = MS(150), .loss_ppm = 50000, .reorder = true});
        break;
    case 3: world_skew(w, a, (int64_t)prng_below(&c->dice, 2000) - 1000, 0, false); break;
    case 4:
        if (!away) {
            world_kill(w, a, CRASH_PROCESS);
            world_wipe(w, a);
        }
        break;
    case 5: world_heal(w, a, b); break;
    default:
        world_heal_all(w);
        for (uint32_t i = 0; i < n; i++)
            if (!world_alive(w, i)) world_start(w, i);
    }
    if (world_now_us(w) < c->until_us) world_at(w, world_now_us(w) + MS(700), break_more, arg, number);
}

/* Seeds of which each gives another course of things. */
static uint32_t verify_in_chaos(uint64_t seed) {
    struct rig *r = rig_open_seeded("us:2 eu:2 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}", seed);
    struct load l;
    struct chaos c = {.r = r, .until_us = world_now_us(r->w) + SECONDS(30)};
    uint32_t compared = 0;
    prng_seed(&c.dice, seed);
    begin_load(&l, r, SECONDS(30), 40);
    l.period_us = MS(10);
    world_at(r->w, world_now_us(r->w) + MS(500), break_more, &c, 0);
    while (world_now_us(r->w) < c.until_us) {
        uint32_t client = world_client(r->w, (uint32_t)prng_below(&c.dice, r->cluster.nodes_count));
        const char *reply = rig_do_as(r, client, "TRUCE.VERIFY");
        if (reply[0] == '*') cr_assert(strstr(reply, "$6 differ *0"), "seed %llu: %s", (unsigned long long)seed, reply);
        compared += reply[0] == '*';
        rig_run(r, MS(100));
    }
    rig_run(r, SECONDS(5));
    rig_settle(r);
    all_equal(r, "us-1");
    rig_close(r);
    return compared;
}

Test(verify, in_chaos,
     .description = "Whatever is killed, wiped, cut or slowed meanwhile, rows whose writes are on their way are not called damaged") {
    uint32_t compared = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) compared += verify_in_chaos(seed);
    cr_assert_gt(compared, 20u);
}
