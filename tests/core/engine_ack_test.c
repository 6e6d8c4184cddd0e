#include "engine_hand.h"
#include "engine_rig.h"

/* What replies wait for (engine_ack.c). */
TestSuite(ack);

static void slow_node(struct rig *r, const char *node, uint64_t ms) { rig_slow(r, node, "*", &(struct link_options){.latency_us = MS(ms)}); }

static const char *leader_of(struct rig *r, const char *dc) {
    char name[64];
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "%s-%d", dc, i);
        uint32_t n = rig_node(r, name);
        if (world_alive(r->w, n) && engine_leads(rig_engine(r, name))) return r->cluster.nodes[n].name;
    }
    return NULL;
}

Test(ack, levels, .description = "Each level waits for what it names, and says in words what it did not get") {
    struct rig *r = rig_open("us:3 eu:1");
    EXPECT(r, "us-1", "TRUCE.ACK", "$13 majority 5000");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_cut(r, "us-1", "us-3");
    rig_run(r, MS(100));
    EXPECT(r, "us-1", "SET a 2", "+OK");
    EXPECT(r, "us-1", "TRUCE.ACK all 700", "+OK");
    EXPECT(r, "us-1", "SET a 3", "-INDETERMINATE us-1 has written it, but it was not acknowledged at level all within 700 ms: it may still count");
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT(r, "us-1", "SET a 4", "+OK");
    EXPECT(r, "us-1", "TRUCE.ACK one+dcs:1 900", "+OK");
    EXPECT(r, "us-1", "SET a 5", "+OK");
    rig_cut(r, "us", "eu");
    EXPECT_LIKE(rig_do(r, "us-1", "SET a 6"), "-INDETERMINATE us-1 has written it, but it was not acknowledged at level one+dcs:1 within 900 ms");
    EXPECT(r, "us-1", "TRUCE.ACK default", "+OK");
    EXPECT(r, "us-1", "SET a 7", "+OK");
    rig_cut(r, "us-1", "us-2");
    rig_cut(r, "us-1", "us-3");
    EXPECT(r, "us-1", "TRUCE.ACK leader", "+OK");
    EXPECT(r, "us-1", "SET a 8", "+OK");
    EXPECT(r, "us-1", "TRUCE.ACK majority", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "SET a 9"), "-INDETERMINATE us-1 has written it, and leads us no longer");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_close(r);
}

Test(ack, words, .description = "A level that is none, or cannot be met, is refused") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "TRUCE.ACK most", "-ERR expected a level leader, one, majority, all or default, with +dcs:K for K other datacenters");
    EXPECT(r, "us-1", "TRUCE.ACK dcs:2", "-ERR there are 1 other datacenters: 2 cannot acknowledge");
    EXPECT(r, "us-1", "TRUCE.ACK leader 0", "-ERR expected a timeout of 1 to 600000 ms");
    EXPECT(r, "us-1", "TRUCE.ACK dcs:1", "+OK");
    EXPECT(r, "us-1", "TRUCE.ACK", "$19 majority+dcs:1 5000");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    EXPECT(r, "eu-1", "GET a", "$1 1");
    rig_close(r);
}

Test(ack, tables, .description = "A table has its level; a transaction waits for the strictest of its tables, a connection for its own") {
    struct rig *r = rig_open(
        "us:2 | \"ack\": \"leader\", \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"lww\", \"ack\": \"all\"}}");
    slow_node(r, "us-2", 300);
    uint64_t from = world_now_us(r->w);
    EXPECT(r, "us-1", "SET a 1", "+OK");
    cr_assert_lt(world_now_us(r->w) - from, MS(200));
    EXPECT(r, "us-1", "SET t:1 1", "+OK");
    cr_assert_geq(world_now_us(r->w) - from, MS(300));
    from = world_now_us(r->w);
    EXPECT(r, "us-1", "MSET a 2 t:1 2", "+OK");
    cr_assert_geq(world_now_us(r->w) - from, MS(300));
    EXPECT(r, "us-1", "TRUCE.ACK leader", "+OK");
    from = world_now_us(r->w);
    EXPECT(r, "us-1", "SET t:1 3", "+OK");
    cr_assert_lt(world_now_us(r->w) - from, MS(200));
    rig_close(r);
}

static void note_reply(void *arg, const struct reply_info *info) { buf_put(arg, info->reply.p, info->reply.n); }

Test(ack, order, .description = "Replies keep their order where some of them wait, on the leader and through a follower") {
    struct rig *r = rig_open("us:3");
    rig_slow(r, "*", "*", &(struct link_options){.latency_us = MS(30)});
    for (int node = 1; node <= 3; node++) {
        uint32_t client = world_client(r->w, (uint32_t)(node - 1));
        rig_run(r, MS(10));
        static const char *const commands[] = {"SET a 1", "PING x", "INCR a", "GET a", "PING last"};
        struct buf replies = {0};
        struct request_watcher watcher = {.done = note_reply, .arg = &replies};
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) world_do(r->w, client, commands[i], &watcher);
        rig_run(r, SECONDS(2));
        buf_u8(&replies, 0);
        cr_assert_str_eq((const char *)replies.p, "+OK\r\n$1\r\nx\r\n:2\r\n$1\r\n2\r\n$4\r\nlast\r\n");
        buf_finish(&replies);
    }
    rig_close(r);
}

Test(ack, reads, .description = "A linearizable read, and a write that changes nothing, are answered when a majority has confirmed what they show") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    for (int node = 2; node <= 3; node++) {
        char name[8];
        snprintf(name, sizeof name, "us-%d", node);
        EXPECT(r, name, "TRUCE.READ linearizable", "+OK");
        EXPECT(r, name, "GET a", "$1 1");
    }
    EXPECT(r, "us-1", "TRUCE.READ linearizable", "+OK");
    EXPECT(r, "us-1", "GET a", "$1 1");
    EXPECT(r, "us-1", "SETNX a 2", ":0");
    rig_cut(r, "us-1", "us-2");
    rig_cut(r, "us-1", "us-3"); /* it leads for a moment yet */
    EXPECT_LIKE(rig_do(r, "us-1", "GET a"), "-UNCONFIRMED us-1 could not confirm with a majority of us that it still leads: nothing was changed");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_close(r);
}

#define PAIR                                                                                                                                         \
    "{\"cluster\":\"t\",\"memory_mb\":16,\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"},"                           \
    "\"2\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}}}}"

Test(ack, terms, .description = "What a follower acknowledges in another term, perhaps after it has voted for another leader, does not count") {
    struct hand *h = hand_open(PAIR);
    hand_client(h, 0, 1);
    hand_link(h, 0, 1);
    hand_flow(h);
    for (int i = 0; i < 5; i++) hand_tick(h, MS(100)), hand_flow(h);
    hand_do(h, 0, 1, "SET a 1");
    struct buf events = hand_take(h, hand_find(h, 0, 1, MESSAGE_EVENTS));
    hand_deliver(h, 0, 1, &events);
    struct buf ack = hand_take(h, hand_find(h, 1, 0, MESSAGE_ACK));
    struct message m;
    size_t size;
    const char *why;
    cr_assert_eq(message_decode(buf_slice_of(&ack), h->names, &m, &size, &why), FRAME_OK);
    m.ack.term++;
    hand_forge(h, 1, 0, &m);
    cr_assert_str_eq(hand_answers(h), "");
    hand_deliver(h, 1, 0, &ack);
    cr_assert_str_eq(hand_answers(h), "+OK");
    message_finish(&m);
    buf_finish(&events);
    buf_finish(&ack);
    hand_close(h);
}

Test(ack, rounds_of_another_leader, .description = "What a follower has answered to one leader is no answer to the next one") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    EXPECT(r, "us-1", "TRUCE.READ linearizable", "+OK");
    for (int i = 0; i < 50; i++) EXPECT(r, "us-1", "GET a", "$1 1");
    EXPECT(r, "us-1", "TRUCE.LEAD us-2", "+OK");
    rig_run(r, SECONDS(1));
    cr_assert(engine_leads(rig_engine(r, "us-2")));
    EXPECT(r, "us-2", "TRUCE.READ linearizable", "+OK");
    rig_cut(r, "us-2", "us-1");
    rig_cut(r, "us-2", "us-3");
    EXPECT_LIKE(rig_do(r, "us-2", "GET a"), "-UNCONFIRMED us-2");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_close(r);
}

Test(ack, failover,
     .description = "The leader is killed under load: what was answered at majority is there afterwards, through any node that is left") {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *r = rig_open_seeded("us:3 eu:1", seed);
        char command[64], want[64];
        int acknowledged = 0;
        for (int i = 1; i <= 30; i++) {
            snprintf(command, sizeof command, "SET a %d", i);
            if (strcmp(rig_do(r, "us-1", command), "+OK") == 0) acknowledged = i;
        }
        cr_assert_eq(acknowledged, 30);
        world_kill(r->w, rig_node(r, "us-1"), CRASH_PROCESS);
        rig_run(r, MS(200)); /* the others see it */
        EXPECT(r, "us-2", "INCR a", ":31");
        snprintf(want, sizeof want, "$2 31");
        EXPECT(r, "us-3", "TRUCE.READ linearizable", "+OK");
        EXPECT(r, "us-3", "GET a", want);
        cr_assert_not_null(leader_of(r, "us"));
        world_start(r->w, rig_node(r, "us-1"));
        rig_run(r, SECONDS(3));
        rig_settle(r);
        EXPECT(r, "eu-1", "GET a", want);
        rig_close(r);
    }
}

Test(ack, minority_writes,
     .description = "Where the cluster file says so, a node that finds no majority takes writes at level leader, and all of it meets again") {
    struct rig *r = rig_open("us:2 eu:1 | \"minority_writes\": true");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    world_kill(r->w, rig_node(r, "us-1"), CRASH_PROCESS);
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-2", "SET a 2",
           "-NOLEADER us-2 finds no majority of us, and takes writes at level leader alone (TRUCE.ACK leader): nothing was written");
    EXPECT(r, "us-2", "GET a", "$1 1");
    EXPECT(r, "us-2", "TRUCE.ACK leader", "+OK");
    EXPECT(r, "us-2", "SET a 3", "+OK");
    EXPECT_LIKE(rig_do(r, "us-2", "TRUCE.STATUS"), "us-2 finds no majority of us");
    rig_run(r, SECONDS(3));
    EXPECT(r, "eu-1", "GET a", "$1 3");
    world_start(r->w, rig_node(r, "us-1"));
    rig_run(r, SECONDS(3));
    rig_settle(r);
    EXPECT(r, "us-1", "GET a", "$1 3");
    EXPECT(r, "us-2", "TRUCE.ACK majority", "+OK");
    EXPECT(r, "us-2", "SET a 4", "+OK");
    rig_close(r);
}

Test(ack, no_minority, .description = "Without minority_writes such a node says after a while that there is no leader") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    world_kill(r->w, rig_node(r, "us-1"), CRASH_PROCESS);
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-2", "TRUCE.ACK leader", "+OK");
    EXPECT_LIKE(rig_do(r, "us-2", "SET a 3"), "-NOLEADER us has no leader that us-2 knows of: nothing was written");
    rig_close(r);
}

static void count_reply(void *arg, const struct reply_info *info) { *(int *)arg += slice_equal(info->reply, slice_text("+OK\r\n")); }

Test(ack, long_pipeline, .description = "A long pipeline goes on when the replies that filled it up have been acknowledged") {
    struct rig *r = rig_open("us:2");
    int replies = 0;
    struct request_watcher watcher = {.done = count_reply, .arg = &replies};
    for (int i = 0; i < 20000; i++) world_do(r->w, r->clients[0], "SET a 1", &watcher);
    rig_run(r, SECONDS(60));
    cr_assert_eq(replies, 20000);
    rig_close(r);
}
