#include "engine_hand.h"
#include "engine_rig.h"

/* Requests that a follower's clients send to the leader. */
TestSuite(forward);

#define PAIR                                                                                                                                         \
    "{\"cluster\":\"t\",\"ack\":\"leader\",\"memory_mb\":16,\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"},"        \
    "\"2\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}}}}"
enum { LEADER, FOLLOWER };

/* A leader and its follower, linked, a client at each: session 1. */
static struct hand *pair_open(void) {
    struct hand *h = hand_open(PAIR);
    hand_client(h, LEADER, 1);
    hand_client(h, FOLLOWER, 1);
    hand_link(h, LEADER, FOLLOWER);
    hand_flow(h);
    return h;
}

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 100) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
}

/* The FORWARD of what the follower's client asks for, in the test's hands. */
static struct buf ask(struct hand *h, const char *command) {
    hand_do(h, FOLLOWER, 1, command);
    return hand_take(h, hand_find(h, FOLLOWER, LEADER, MESSAGE_FORWARD));
}

#define EXPECT_AT(h, node, command, text)                                                                                                            \
    do {                                                                                                                                             \
        hand_answers(h);                                                                                                                             \
        hand_do(h, node, 1, command);                                                                                                                \
        hand_flow(h);                                                                                                                                \
        cr_assert_str_eq(hand_answers(h), text);                                                                                                     \
    } while (0)

Test(forward, written_and_read, .description = "A write at a follower is answered when the follower shows it") {
    struct rig *r = rig_open("us:3");
    for (int i = 1; i <= 20; i++) {
        char number[16];
        snprintf(number, sizeof number, ":%d", i);
        EXPECT(r, "us-2", "INCR n", number);
        snprintf(number, sizeof number, "$%d %d", i < 10 ? 1 : 2, i);
        EXPECT(r, "us-2", "GET n", number);
    }
    rig_settle(r);
    EXPECT(r, "us-3", "GET n", "$2 20");
    rig_close(r);
}

Test(forward, refusals_in_order,
     .description = "What a follower refuses itself is answered after what it has forwarded, and is part of its transaction") {
    struct hand *h = pair_open();
    hand_do(h, FOLLOWER, 1, "SET a 1");
    hand_do(h, FOLLOWER, 1, "NOSUCH");
    cr_assert(engine_session_blocked(h->engines[FOLLOWER], 1));
    cr_assert_str_eq(hand_answers(h), "");
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), "+OK -ERR unknown command 'NOSUCH', with args beginning with: ");
    EXPECT_AT(h, FOLLOWER, "WATCH a", "+OK");
    EXPECT_AT(h, FOLLOWER, "MULTI", "+OK");
    EXPECT_AT(h, FOLLOWER, "NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: ");
    hand_answers(h);
    hand_do(h, FOLLOWER, 1, "SET a 2");
    hand_do(h, FOLLOWER, 1, "EXEC");
    pass(h, 6000);
    cr_assert(strstr(hand_answers(h), "*-1"), "the transaction is not carried out without the command that was refused");
    EXPECT_AT(h, FOLLOWER, "GET a", "$1 1");
    hand_close(h);
}

Test(forward, twice, .description = "A forwarded request that comes twice is carried out once") {
    struct hand *h = pair_open();
    struct buf f = ask(h, "INCR n");
    for (int i = 0; i < 3; i++) hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), ":1");
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    EXPECT_AT(h, LEADER, "GET n", "$1 1");
    buf_finish(&f);
    hand_close(h);
}

Test(forward, after_close, .description = "A forwarded request that comes again after its client has gone is not carried out") {
    struct hand *h = pair_open();
    struct buf f = ask(h, "INCR n");
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    hand_step(h, FOLLOWER, (struct input){.type = INPUT_CLOSE, .session = 1});
    hand_flow(h);
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_unlink(h, LEADER, FOLLOWER);
    hand_link(h, LEADER, FOLLOWER);
    hand_flow(h);
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    EXPECT_AT(h, LEADER, "GET n", "$1 1");
    buf_finish(&f);
    hand_close(h);
}

Test(forward, of_an_earlier_run, .description = "A forwarded request of an earlier run of the follower is not carried out again") {
    struct hand *h = pair_open();
    struct buf f = ask(h, "INCR n");
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), ":1");
    for (int run = 0; run < 8; run++) { /* whatever the new run calls its channels */
        hand_kill(h, FOLLOWER);
        hand_unlink(h, LEADER, FOLLOWER);
        hand_drop_all(h);
        hand_start(h, FOLLOWER);
        hand_link(h, LEADER, FOLLOWER);
        hand_flow(h);
        hand_deliver(h, FOLLOWER, LEADER, &f);
        hand_flow(h);
        EXPECT_AT(h, LEADER, "GET n", "$1 1");
    }
    buf_finish(&f);
    hand_close(h);
}

Test(forward, to_an_earlier_run, .description = "A forwarded request meant for an earlier run of the leader is not carried out") {
    struct hand *h = pair_open();
    struct buf f = ask(h, "INCR n");
    hand_kill(h, LEADER);
    hand_unlink(h, LEADER, FOLLOWER);
    cr_assert(strncmp(hand_answers(h), "-INDETERMINATE", 14) == 0);
    hand_drop_all(h);
    hand_start(h, LEADER);
    hand_client(h, LEADER, 1);
    hand_link(h, LEADER, FOLLOWER);
    hand_flow(h);
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    EXPECT_AT(h, LEADER, "GET n", "$-1");
    EXPECT_AT(h, FOLLOWER, "INCR n", ":1");
    buf_finish(&f);
    hand_close(h);
}

Test(forward, out_of_order, .description = "Requests of one client that overtake each other are carried out in order") {
    struct hand *h = pair_open();
    struct buf first = ask(h, "APPEND s a"), second = ask(h, "APPEND s b"), third = ask(h, "APPEND s c");
    hand_deliver(h, FOLLOWER, LEADER, &third);
    hand_deliver(h, FOLLOWER, LEADER, &second);
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), "");
    hand_deliver(h, FOLLOWER, LEADER, &first);
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), ":1 :2 :3");
    EXPECT_AT(h, FOLLOWER, "GET s", "$3 abc");
    buf_finish(&first);
    buf_finish(&second);
    buf_finish(&third);
    hand_close(h);
}

Test(forward, answers_out_of_order, .description = "Answers that overtake each other, or come twice, are given once and in order") {
    struct hand *h = pair_open();
    for (int i = 0; i < 3; i++) hand_do(h, FOLLOWER, 1, "INCR n");
    for (int i = 0; i < 3; i++) {
        struct buf f = hand_take(h, hand_find(h, FOLLOWER, LEADER, MESSAGE_FORWARD));
        hand_deliver(h, FOLLOWER, LEADER, &f);
        buf_finish(&f);
    }
    struct buf answers[3];
    for (int i = 0; i < 3; i++) answers[i] = hand_take(h, hand_find(h, LEADER, FOLLOWER, MESSAGE_ANSWER));
    hand_flow(h); /* the events */
    for (int i = 2; i >= 0; i--) hand_deliver(h, LEADER, FOLLOWER, &answers[i]);
    for (int i = 2; i >= 0; i--) hand_deliver(h, LEADER, FOLLOWER, &answers[i]);
    cr_assert_str_eq(hand_answers(h), ":1 :2 :3");
    EXPECT_AT(h, FOLLOWER, "INCR n", ":4");
    for (int i = 0; i < 3; i++) buf_finish(&answers[i]);
    hand_close(h);
}

Test(forward, answer_before_its_event, .description = "An answer waits at the follower for the event that it speaks of") {
    struct hand *h = pair_open();
    struct buf f = ask(h, "SET a 1");
    hand_deliver(h, FOLLOWER, LEADER, &f);
    struct buf answer = hand_take(h, hand_find(h, LEADER, FOLLOWER, MESSAGE_ANSWER));
    hand_deliver(h, LEADER, FOLLOWER, &answer);
    cr_assert_str_eq(hand_answers(h), "");
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), "+OK");
    buf_finish(&f);
    buf_finish(&answer);
    hand_close(h);
}

Test(forward, answer_lost, .description = "When an answer is lost the client hears so, and the leader forgets the channel") {
    struct hand *h = pair_open();
    hand_do(h, FOLLOWER, 1, "INCR n");
    struct buf f = hand_take(h, hand_find(h, FOLLOWER, LEADER, MESSAGE_FORWARD));
    hand_deliver(h, FOLLOWER, LEADER, &f);
    struct buf answer = hand_take(h, hand_find(h, LEADER, FOLLOWER, MESSAGE_ANSWER));
    pass(h, 4000);
    cr_assert_str_eq(hand_answers(h), "");
    bool closed = false;
    for (int i = 0; i < 20; i++) {
        hand_tick(h, MS(100));
        int at = hand_find(h, FOLLOWER, LEADER, MESSAGE_FORWARD);
        if (at >= 0) {
            struct message m;
            size_t size;
            const char *why;
            cr_assert_eq(message_decode(buf_slice_of(&h->frames[at].bytes), h->names, &m, &size, &why), FRAME_OK);
            closed |= m.forward.close;
        }
        hand_flow(h);
    }
    cr_assert(strncmp(hand_answers(h), "-INDETERMINATE", 14) == 0);
    cr_assert(closed);
    hand_deliver(h, LEADER, FOLLOWER, &answer); /* too late */
    hand_deliver(h, FOLLOWER, LEADER, &f);
    hand_flow(h);
    cr_assert_str_eq(hand_answers(h), "");
    EXPECT_AT(h, FOLLOWER, "INCR n", ":2");
    buf_finish(&f);
    buf_finish(&answer);
    hand_close(h);
}

Test(forward, exec, .description = "MULTI and EXEC at a follower are one transaction at the leader") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT(r, "us-2", "SET a 1", "+QUEUED");
    EXPECT(r, "us-2", "INCR a", "+QUEUED");
    EXPECT(r, "us-2", "HGET a f", "+QUEUED");
    EXPECT(r, "us-2", "GET a", "+QUEUED");
    EXPECT(r, "us-1", "GET a", "$-1");
    EXPECT(r, "us-2", "EXEC", "*4 +OK :2 -WRONGTYPE Operation against a key holding the wrong kind of value $1 2");
    EXPECT(r, "us-2", "GET a", "$1 2");
    rig_settle(r);
    cr_assert_eq(r->applied[rig_node(r, "eu-1")], 1u);
    rig_close(r);
}

Test(forward, watch, .description = "EXEC at a follower is nil when a watched row has changed, by replication too") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "WATCH a", "+OK");
    EXPECT(r, "us-2", "GET a", "$1 1");
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT(r, "us-2", "INCR a", "+QUEUED");
    EXPECT(r, "us-2", "EXEC", "*1 :2");
    rig_settle(r);
    EXPECT(r, "us-2", "WATCH a", "+OK");
    EXPECT(r, "eu-1", "SET a 5", "+OK");
    rig_run(r, MS(100));
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT(r, "us-2", "INCR a", "+QUEUED");
    EXPECT(r, "us-2", "EXEC", "*-1");
    rig_settle(r);
    EXPECT(r, "us-2", "GET a", "$1 5");
    EXPECT(r, "us-2", "INCR a", ":6");
    rig_close(r);
}

Test(forward, watch_twice, .description = "A row that is watched again counts as it was when it was watched first") {
    struct rig *r = rig_open("us:1");
    uint32_t other = world_client(r->w, 0);
    EXPECT(r, "us-1", "WATCH a", "+OK");
    EXPECT_AS(r, other, "SET a 1", "+OK");
    EXPECT(r, "us-1", "WATCH a b", "+OK");
    EXPECT(r, "us-1", "MULTI", "+OK");
    EXPECT(r, "us-1", "SET a 2", "+QUEUED");
    EXPECT(r, "us-1", "EXEC", "*-1");
    rig_close(r);
}

Test(forward, leader_restarts, .description = "A transaction whose leader restarts ends with nil, and the connection goes on") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-2", "WATCH a", "+OK");
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT_LIKE(rig_do(r, "us-2", "SET a 1"), "-NOLEADER");
    EXPECT(r, "us-2", "EXEC", "*-1");
    EXPECT(r, "us-2", "GET a", "$-1");
    EXPECT(r, "us-2", "SET a 2", "+OK");
    rig_close(r);
}

Test(forward, reset_after_loss, .description = "RESET ends a transaction whose leader is gone") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-2", "WATCH a", "+OK");
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-2", "RESET", "+RESET");
    EXPECT(r, "us-2", "SET a 2", "+OK");
    rig_close(r);
}

Test(forward, command_that_could_not_be_queued,
     .description = "A transaction is not carried out in part when the leader could not be reached in its midst") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-2", "WATCH x", "+OK");
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT(r, "us-2", "SET a 1", "+QUEUED");
    rig_cut(r, "us-1", "us-2");
    rig_run(r, MS(1500)); /* silent, but the connection stands */
    EXPECT_LIKE(rig_do(r, "us-2", "SET b 2"), "-NOLEADER");
    rig_heal(r, "us-1", "us-2");
    rig_run(r, MS(500));
    EXPECT_LIKE(rig_do(r, "us-2", "SET c 3"), "-NOLEADER");
    EXPECT(r, "us-2", "EXEC", "*-1");
    EXPECT(r, "us-2", "MGET a b c", "*3 $-1 $-1 $-1");
    EXPECT(r, "us-2", "SET a 2", "+OK");
    rig_close(r);
}

Test(forward, no_leader, .description = "A follower that cannot reach its leader reads, and says that it cannot write") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-2", "SET a 1", "+OK");
    world_kill(r->w, rig_node(r, "us-1"), CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT_LIKE(rig_do(r, "us-2", "SET a 2"), "-NOLEADER us has no leader that us-2 knows of: nothing was written");
    EXPECT(r, "us-2", "GET a", "$1 1");
    world_start(r->w, rig_node(r, "us-1"));
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-2", "SET a 2", "+OK");
    rig_close(r);
}

Test(forward, pipeline, .description = "A pipeline through a follower is answered in order, reads between writes included") {
    struct rig *r = rig_open("us:2");
    uint32_t c = r->clients[rig_node(r, "us-2")];
    for (int i = 0; i < 3000; i++) rig_send(r, c, i % 7 == 3 ? "GET n" : "INCR n");
    EXPECT(r, "us-2", "INCR n", ":2572");
    EXPECT(r, "us-2", "GET n", "$4 2572");
    rig_close(r);
}
