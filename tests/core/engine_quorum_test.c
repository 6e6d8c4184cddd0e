#include "engine_hand.h"
#include "engine_rig.h"
#include <stdio.h>

/* Reads that ask a majority of their datacenter (engine_quorum.c). */
TestSuite(quorum);

struct trio {
    struct rig *r;
    const char *leader, *near, *far; /* of far, the leader is slow to send there */
};

static struct trio open_trio(const char *shape) {
    struct trio t = {.r = rig_open(shape)};
    rig_run(t.r, SECONDS(3));
    uint32_t leader = engine_leader(rig_engine(t.r, "us-1"));
    cr_assert_lt(leader, 3u, "nobody leads");
    t.leader = t.r->cluster.nodes[leader].name;
    t.near = t.r->cluster.nodes[(leader + 1) % 3].name;
    t.far = t.r->cluster.nodes[(leader + 2) % 3].name;
    rig_slow(t.r, t.leader, t.far, &(struct link_options){.latency_us = MS(400)});
    rig_run(t.r, SECONDS(2));
    return t;
}

Test(quorum, levels, .description = "A connection reads as it has last said, and as the node has it until then") {
    struct rig *r = rig_open("us:1");
    EXPECT(r, "us-1", "TRUCE.READ", "$5 local");
    EXPECT(r, "us-1", "TRUCE.READ quorum", "+OK");
    EXPECT(r, "us-1", "TRUCE.READ", "$6 quorum");
    EXPECT(r, "us-1", "GET a", "$-1");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.READ stale"), "-ERR expected a level local, quorum or linearizable");
    EXPECT(r, "us-1", "TRUCE.READ", "$6 quorum");
    EXPECT(r, "us-1", "RESET", "+RESET");
    EXPECT(r, "us-1", "TRUCE.READ", "$5 local");
    rig_close(r);
}

Test(quorum, sees_majority, .description = "A quorum read sees what a majority has, and puts nothing into its own rows ahead of their events") {
    struct trio t = open_trio("us:3");
    EXPECT(t.r, t.far, "TRUCE.READ quorum", "+OK");
    EXPECT(t.r, t.leader, "SET a 1", "+OK");
    rig_run(t.r, MS(50));
    EXPECT(t.r, t.near, "GET a", "$1 1");
    EXPECT(t.r, t.far, "GET a", "$1 1");
    EXPECT(t.r, t.far, "EXISTS a b a", ":2");
    EXPECT(t.r, t.far, "MGET a b", "*2 $1 1 $-1");
    EXPECT(t.r, t.far, "TRUCE.READ local", "+OK");
    EXPECT(t.r, t.far, "GET a", "$-1");
    rig_run(t.r, SECONDS(2));
    EXPECT(t.r, t.far, "GET a", "$1 1");
    rig_settle(t.r);
    rig_close(t.r);
}

Test(quorum, sees_removals, .description = "What a majority knows to be deleted or taken out of a set is not read, and counts are not added twice") {
    struct trio t = open_trio("us:3 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}");
    EXPECT(t.r, t.leader, "SADD s x y", ":2");
    EXPECT(t.r, t.leader, "INCRBY n 5", ":5");
    EXPECT(t.r, t.leader, "SET gone 1", "+OK");
    rig_settle(t.r);
    EXPECT(t.r, t.far, "TRUCE.READ quorum", "+OK");
    EXPECT(t.r, t.leader, "SREM s x", ":1");
    EXPECT(t.r, t.leader, "INCRBY n 2", ":7");
    EXPECT(t.r, t.leader, "DEL gone", ":1");
    rig_run(t.r, MS(50));
    EXPECT(t.r, t.far, "SMEMBERS s", "*1 $1 y");
    EXPECT(t.r, t.far, "SINTERCARD 2 s s", ":1");
    EXPECT(t.r, t.far, "GET n", "$1 7");
    EXPECT(t.r, t.far, "GET gone", "$-1");
    rig_close(t.r);
}

Test(quorum, none, .description = "Without a majority a quorum read says so, and a local one goes on") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-3", "SET a 1", "+OK");
    EXPECT(r, "us-3", "TRUCE.READ quorum", "+OK");
    rig_cut(r, "us-3", "us-1");
    rig_cut(r, "us-3", "us-2");
    EXPECT_LIKE(rig_do(r, "us-3", "GET a"), "-NOQUORUM 1 of 3 nodes of us answered, and 2 are needed");
    rig_run(r, SECONDS(2)); /* they are known to be away: nobody is waited for */
    EXPECT_LIKE(rig_do(r, "us-3", "GET a"), "-NOQUORUM 1 of 3 nodes of us answered, and 2 are needed");
    EXPECT(r, "us-3", "TRUCE.READ local", "+OK");
    EXPECT(r, "us-3", "GET a", "$1 1");
    EXPECT(r, "us-3", "TRUCE.READ quorum", "+OK");
    rig_heal(r, "us-3", "*");
    rig_run(r, SECONDS(3));
    EXPECT(r, "us-3", "GET a", "$1 1");
    rig_close(r);
}

Test(quorum, asked_again, .description = "An answer that is lost on its way is asked for again") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "TRUCE.READ quorum", "+OK");
    rig_slow(r, "us-2", "*", &(struct link_options){.loss_ppm = 500000});
    for (int i = 0; i < 5; i++) {
        const char *reply = rig_do(r, "us-2", "GET a");
        cr_assert(strcmp(reply, "$1 1") == 0 || strncmp(reply, "-NOQUORUM", 9) == 0, "%s", reply);
    }
    rig_slow(r, "us-2", "*", &(struct link_options){0});
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-2", "GET a", "$1 1");
    rig_close(r);
}

/* ---- whoever is stale fetches ---- */

#define NODE(n, port) "\"" #n "\":{\"client\":\"127.0.0.1:" #port "\",\"peer\":\"127.0.0.1:1" #port "\"}"
#define TRIO          "{\"cluster\":\"t\",\"datacenters\":{\"us\":{\"nodes\":{" NODE(1, 7001) "," NODE(2, 7002) "," NODE(3, 7003) "}}}}"

static void lose(struct hand *h, uint32_t from, uint32_t to) {
    for (size_t i = 0; i < h->count;) {
        if (h->frames[i].from == from && h->frames[i].to == to) {
            struct buf lost = hand_take(h, (int)i);
            buf_finish(&lost);
        } else {
            i++;
        }
    }
}

static void flow_without(struct hand *h, uint32_t from, uint32_t to) {
    for (lose(h, from, to); h->count; lose(h, from, to)) {
        uint32_t a = h->frames[0].from, b = h->frames[0].to;
        struct buf bytes = hand_take(h, 0);
        hand_deliver(h, a, b, &bytes);
        buf_finish(&bytes);
    }
}

Test(quorum, stale_fetches, .description = "A node that a quorum read finds stale asks for the events that it lacks, and for nothing before") {
    struct hand *h = hand_open(TRIO);
    hand_link(h, 0, 1);
    hand_link(h, 0, 2);
    hand_link(h, 1, 2);
    for (int i = 0; i < 30; i++) {
        hand_tick(h, 100000);
        hand_flow(h);
    }
    uint32_t leader = engine_leader(h->engines[0]), near = (leader + 1) % 3, far = (leader + 2) % 3;
    for (uint32_t i = 0; i < 3; i++) hand_client(h, i, i + 1);
    hand_do(h, near, near + 1, "TRUCE.READ quorum");
    hand_do(h, leader, leader + 1, "SET a 1");
    flow_without(h, leader, far); /* it learns nothing of it */
    hand_answers(h);
    hand_unlink(h, near, leader); /* so that the answer is from far */
    hand_do(h, near, near + 1, "GET a");
    flow_without(h, leader, far);
    cr_assert_str_eq(hand_answers(h), "$1 1");
    for (int i = 0; i < 3; i++) {
        hand_tick(h, 50000);
        lose(h, leader, far);
        cr_assert_lt(hand_find(h, far, leader, MESSAGE_SUBSCRIBE), 0, "what is on its way is waited for");
    }
    bool subscribed = false;
    for (int i = 0; i < 10 && !subscribed; i++) {
        hand_tick(h, 50000);
        lose(h, leader, far);
        subscribed = hand_find(h, far, leader, MESSAGE_SUBSCRIBE) >= 0;
    }
    cr_assert(subscribed);
    hand_close(h);
}
