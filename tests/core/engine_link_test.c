#include "engine_hand.h"
#include "engine_rig.h"

TestSuite(link);

/* eu's event and ap's reach us-2 through us-1; the frame with the first is lost, the one with the second arrives. */
Test(link, a_frame_lost_before_another_origins_frame_is_missed, .description = "A frame that was lost before another origin's frame is missed") {
    struct rig *r = rig_open("us:2 eu:1 ap:1");
    EXPECT(r, "eu-1", "SET a 0", "+OK");
    EXPECT(r, "ap-1", "SET b 0", "+OK");
    rig_settle(r);
    rig_cut(r, "eu", "ap"); /* so that b does not depend on a */
    rig_cut_way(r, "us-1", "us-2");
    EXPECT(r, "eu-1", "SET a 1", "+OK");
    rig_run(r, MS(5));
    rig_heal_way(r, "us-1", "us-2");
    EXPECT(r, "ap-1", "SET b 1", "+OK");
    rig_run(r, SECONDS(5));
    EXPECT(r, "us-2", "GET b", "$1 1");
    EXPECT(r, "us-2", "GET a", "$1 1");
    rig_close(r);
}

Test(link, far_away, .description = "A datacenter that is far away is replicated to, however long the round trip") {
    struct rig *r = rig_open("us:1 eu:1");
    rig_slow(r, "us", "eu", &(struct link_options){.latency_us = MS(800)});
    rig_restart(r, "eu-1", CRASH_PROCESS);
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_run(r, SECONDS(12));
    EXPECT(r, "eu-1", "GET a", "$1 1");
    EXPECT(r, "us-1", "INCR a", ":2");
    rig_run(r, MS(1000));
    EXPECT(r, "eu-1", "GET a", "$1 2");
    rig_close(r);
}

#define PAIR                                                                                                                                         \
    "{\"cluster\":\"t\",\"memory_mb\":16,\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"},"                           \
    "\"2\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}}}}"

static void pass(struct hand *h, unsigned seconds) {
    for (unsigned i = 0; i < seconds * 10; i++) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
}

Test(link, replaced_subscription, .description = "A subscription that an old SUBSCRIBE has replaced is made again") {
    struct hand *h = hand_open(PAIR);
    hand_client(h, 0, 1);
    hand_client(h, 1, 1);
    hand_link(h, 0, 1);
    int at = hand_find(h, 1, 0, MESSAGE_SUBSCRIBE);
    struct buf old = hand_take(h, at);
    pass(h, 3); /* it was lost, and is made again */
    hand_do(h, 0, 1, "SET a 1");
    hand_flow(h);
    hand_deliver(h, 1, 0, &old);
    hand_flow(h);
    hand_do(h, 0, 1, "SET a 2");
    pass(h, 5);
    hand_answers(h);
    hand_do(h, 1, 1, "GET a");
    cr_assert_str_eq(hand_answers(h), "$1 2");
    buf_finish(&old);
    hand_close(h);
}

Test(link, one_way_cut, .description = "A one-way cut is noticed on both sides within two seconds, and gone within two after it heals") {
    struct rig *r = rig_open("us:1 eu:1");
    rig_cut_way(r, "eu-1", "us-1");
    rig_run(r, SECONDS(2));
    cr_assert_str_eq(rig_peer_text(r, "us-1", "eu-1", "state"), "cut");
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "us-1", "state"), "cut");
    EXPECT_LIKE(rig_peer_text(r, "eu-1", "us-1", "why"), "cut one way: it has heard nothing from here");
    rig_heal_way(r, "eu-1", "us-1");
    rig_run(r, SECONDS(2));
    cr_assert_str_eq(rig_peer_text(r, "us-1", "eu-1", "state"), "up");
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "us-1", "state"), "up");
    rig_close(r);
}
