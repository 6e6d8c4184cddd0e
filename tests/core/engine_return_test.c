#include "engine_hand.h"
#include <stdio.h>

/* Nodes that come back with less than they had (engine_return.c), and clients that wait for what a token covers. */
TestSuite(comes_back);

#define NODE(n, port) "\"" #n "\":{\"client\":\"127.0.0.1:" #port "\",\"peer\":\"127.0.0.1:1" #port "\"}"
#define THREE                                                                                                                                        \
    "{\"cluster\":\"t\",\"ack\":\"leader\",\"datacenters\":{\"eu\":{\"nodes\":{" NODE(1, 7001) "}},"                                                 \
                                                                                               "\"us\":{\"nodes\":{" NODE(1, 7002) "," NODE(         \
                                                                                                   2, 7003) "}}}}"
enum { EU, US, US2, NODES };

static struct hand *three(void) {
    struct hand *h = hand_open(THREE);
    for (uint32_t i = 0; i < NODES; i++) hand_client(h, i, i + 1);
    hand_link(h, US2, US);
    hand_link(h, EU, US);
    hand_link(h, EU, US2);
    return h;
}

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 100) {
        hand_tick(h, 100000);
        hand_flow(h);
    }
}

static const char *ask(struct hand *h, uint32_t node, const char *command) {
    hand_answers(h);
    hand_do(h, node, node + 1, command);
    hand_flow(h);
    return hand_answers(h);
}
#define ASK(h, node, command, text) cr_assert_str_eq(ask(h, node, command), text)

static void gone(struct hand *h, uint32_t node, uint32_t a, uint32_t b) {
    hand_kill(h, node);
    hand_drop_all(h);
    if (h->engines[a]) hand_step(h, a, (struct input){.type = INPUT_LINK_DOWN, .peer = node});
    if (h->engines[b]) hand_step(h, b, (struct input){.type = INPUT_LINK_DOWN, .peer = node});
}

static void started(struct hand *h, uint32_t node) {
    hand_start(h, node);
    hand_client(h, node, node + 1);
}

/* What was on its disk is gone, and its host knows. */
static void wiped(struct hand *h, uint32_t node, uint32_t a, uint32_t b) {
    gone(h, node, a, b);
    hand_wipe(h, node);
    h->returning[node] = true;
    started(h, node);
}

/* All that are under way between two nodes. */
static void lose_events(struct hand *h, uint32_t from, uint32_t to) {
    for (int at; (at = hand_find(h, from, to, MESSAGE_EVENTS)) >= 0;) {
        struct buf lost = hand_take(h, at);
        buf_finish(&lost);
    }
}

static bool status_has(struct hand *h, uint32_t node, const char *part) {
    struct buf text = {0};
    engine_status(h->engines[node], &text);
    buf_u8(&text, 0);
    bool has = strstr((const char *)text.p, part) != NULL;
    buf_finish(&text);
    return has;
}

static void same(struct hand *h) {
    for (uint32_t i = 1; i < NODES; i++) cr_assert_eq(engine_digest(h->engines[i]), engine_digest(h->engines[0]), "node %u", i);
}

Test(comes_back, wiped_leader, .description = "A leader whose disk was wiped takes its own events back, from whoever has them, before it serves") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    ASK(h, EU, "SADD s x y", ":2");
    pass(h, 6000); /* stable and flushed */
    wiped(h, US, EU, US2);
    ASK(h, US, "GET a", "-LOADING us-1 has lost what its disk had, and asks the other nodes for it: none has answered");
    ASK(h, US, "PING", "+PONG");
    cr_assert(status_has(h, US, "\"returning\":true"));
    hand_link(h, US2, US);
    hand_link(h, EU, US);
    pass(h, 1500);
    cr_assert_not(engine_returning(h->engines[US]));
    ASK(h, US, "GET a", "$1 1");
    ASK(h, US, "SCARD s", ":2");
    pass(h, 4000); /* it votes again only when it is admitted */
    ASK(h, US, "DEL a", ":1");
    pass(h, 1500);
    ASK(h, EU, "GET a", "$-1");
    same(h);
    hand_close(h);
}

Test(comes_back, told_by_a_peer, .description = "A node that began behind what another has seen of it is told so, and returns too") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    gone(h, US, EU, US2);
    hand_wipe(h, US); /* and nobody told the host */
    started(h, US);
    hand_link(h, US2, US);
    hand_flow(h);
    pass(h, 300);
    cr_assert(engine_returning(h->engines[US]), "eu-1 was not heard yet");
    hand_link(h, EU, US);
    pass(h, 1500);
    cr_assert_not(engine_returning(h->engines[US]));
    ASK(h, US, "GET a", "$1 1");
    same(h);
    hand_close(h);
}

Test(comes_back, one_away, .description = "Whoever cannot be reached is waited for a while; without anybody a node does not serve") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    wiped(h, US2, EU, US);
    pass(h, 10000);
    cr_assert(engine_returning(h->engines[US2]));
    hand_link(h, US2, US);
    pass(h, 1000);
    cr_assert_not(engine_returning(h->engines[US2]));
    ASK(h, US2, "GET a", "$1 1");
    hand_close(h);
}

Test(comes_back, owed_is_gone, .description = "What it owes is not waited for when nobody has it any more") {
    struct hand *h = three();
    hand_unlink(h, US2, US);
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 500); /* eu-1 has it, us-2 does not */
    wiped(h, US, EU, US2);
    hand_link(h, EU, US);
    for (int i = 0; i < 4; i++) { /* eu-1 says what it has, and its events never come */
        hand_tick(h, 100000);
        lose_events(h, EU, US);
        hand_flow(h);
    }
    wiped(h, EU, US, US2);
    hand_link(h, EU, US);
    hand_link(h, EU, US2);
    hand_link(h, US2, US);
    pass(h, 8000);
    cr_assert_not(engine_returning(h->engines[US]));
    cr_assert_not(engine_returning(h->engines[EU]));
    ASK(h, US, "SET a 2", "+OK");
    pass(h, 1000);
    ASK(h, EU, "GET a", "$1 2");
    same(h);
    hand_close(h);
}

Test(comes_back, cut_on_the_way, .description = "Who is cut off before it has got back what it owes does not serve") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    wiped(h, EU, US, US2);
    hand_link(h, EU, US);
    lose_events(h, US, EU);
    hand_tick(h, 200000);
    for (int at; (at = hand_find(h, US, EU, MESSAGE_HEARTBEAT)) >= 0;) { /* it learns what there is */
        struct buf beat = hand_take(h, at);
        hand_deliver(h, US, EU, &beat);
        buf_finish(&beat);
    }
    hand_drop_all(h);
    hand_unlink(h, EU, US);
    pass(h, 10000);
    cr_assert(engine_returning(h->engines[EU]));
    hand_link(h, EU, US);
    pass(h, 1500);
    cr_assert_not(engine_returning(h->engines[EU]));
    ASK(h, EU, "GET a", "$1 1");
    hand_close(h);
}

Test(comes_back, report_of_now, .description = "Nothing becomes stable by what a node reported before its disk was wiped") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    wiped(h, US2, EU, US);
    ASK(h, EU, "SET b 1", "+OK");
    hand_step(h, US, (struct input){.type = INPUT_LINK_UP, .peer = US2, .run = engine_run(h->engines[US2])});
    struct message m = {.type = MESSAGE_HEARTBEAT};
    m.heartbeat.run = engine_run(h->engines[US2]);
    m.heartbeat.incarnation = 77;
    m.heartbeat.is_returning = 1;
    hand_forge(h, US2, US, &m);
    pass(h, 1000);
    cr_assert(status_has(h, US, "{\"node\":\"us-2\",\"dc\":\"us\""));
    cr_assert(status_has(h, US, "\"vv\":\"-\",\"digest\":\"0000000000000000\""), "its report is the empty one");
    hand_close(h);
}

Test(comes_back, present_run, .description = "What a run has sent is not forgotten for a heartbeat of that run which was made before") {
    struct hand *h = three();
    ASK(h, US, "SET a 0", "+OK");
    pass(h, 500);
    gone(h, US, EU, US2);
    started(h, US);
    hand_link(h, US, US2);
    hand_link(h, EU, US);
    struct buf early = hand_take(h, hand_find(h, US, EU, MESSAGE_HEARTBEAT)), first, second;
    hand_flow(h);
    hand_do(h, US, US + 1, "SET a 1");
    first = hand_take(h, hand_find(h, US, EU, MESSAGE_EVENTS));
    hand_do(h, US, US + 1, "SET a 2");
    second = hand_take(h, hand_find(h, US, EU, MESSAGE_EVENTS));
    hand_deliver(h, US, EU, &second); /* waits for the first */
    hand_deliver(h, US, EU, &early);
    hand_deliver(h, US, EU, &first);
    ASK(h, EU, "GET a", "$1 2");
    buf_finish(&early);
    buf_finish(&first);
    buf_finish(&second);
    hand_close(h);
}

Test(comes_back, overtaken,
     .description = "A heartbeat that was made before what its run then wrote does not make that run one that has lost something") {
    struct hand *h = three();
    ASK(h, US, "SET a 0", "+OK");
    pass(h, 500);
    gone(h, EU, US, US2);
    gone(h, US, EU, US2);
    started(h, US);
    hand_link(h, US, US2);
    pass(h, 3000); /* it leads */
    for (int writes_before = 1; writes_before >= 0; writes_before--) {
        if (writes_before) ASK(h, US, "SET a 1", "+OK");
        started(h, EU);
        hand_link(h, US2, EU);
        hand_link(h, EU, US);
        struct buf early = hand_take(h, hand_find(h, US, EU, MESSAGE_HEARTBEAT));
        hand_flow(h);
        ASK(h, US, "SET a 2", "+OK"); /* to eu-1 too, at once */
        ASK(h, EU, "GET a", "$1 2");
        hand_deliver(h, US, EU, &early);
        pass(h, 1000);
        cr_assert(status_has(h, US, "\"alarms\":[]"), "%d", writes_before);
        buf_finish(&early);
        gone(h, EU, US, US2);
        gone(h, US, EU, US2);
        started(h, US);
        hand_link(h, US, US2);
        pass(h, 3000);
    }
    hand_close(h);
}

Test(comes_back, doubled, .description = "Two processes under one name are an alarm on all sides, as long as the second tries") {
    struct hand *h = three();
    hand_step(h, EU, (struct input){.type = INPUT_DOUBLED, .peer = US});
    cr_assert(status_has(h, EU, "two processes say that they are us-1: one is refused, one of the two is a copy"));
    hand_step(h, US2, (struct input){.type = INPUT_DOUBLED, .peer = US2});
    cr_assert(status_has(h, US2, "the other nodes speak with another process that is us-2: this one is refused"));
    pass(h, 11000);
    cr_assert(status_has(h, EU, "\"alarms\":[]"));
    cr_assert(status_has(h, US2, "\"alarms\":[]"));
    hand_close(h);
}

Test(comes_back, fence,
     .description = "A run that began without what everybody had, and wrote, is fenced: nothing of it is applied, and status says so") {
    struct hand *h = three();
    ASK(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    gone(h, EU, US, US2);
    hand_wipe(h, EU);
    started(h, EU); /* nobody told it, and it reaches nobody */
    ASK(h, EU, "SET a 2", "+OK");
    uint64_t digest = engine_digest(h->engines[US]);
    hand_link(h, EU, US);
    hand_link(h, EU, US2);
    pass(h, 2000);
    cr_assert_eq(engine_digest(h->engines[US]), digest);
    cr_assert(status_has(h, US, "are not applied: its node began them without what all nodes had"));
    cr_assert(status_has(h, EU, "has seen more of this node than it had when it began to write"));
    ASK(h, US, "GET a", "$1 1");
    wiped(h, EU, US, US2);
    hand_link(h, EU, US);
    hand_link(h, EU, US2);
    pass(h, 2000);
    ASK(h, EU, "GET a", "$1 1");
    same(h);
    hand_close(h);
}

Test(comes_back, token, .description = "TRUCE.WAIT holds a client until what its token covers is here, and as far as it wants elsewhere") {
    struct hand *h = three();
    char wait[200];
    ASK(h, US, "SET a 1", "+OK");
    const char *token = strchr(ask(h, US, "TRUCE.TOKEN"), ' ') + 1;
    snprintf(wait, sizeof wait, "TRUCE.WAIT %s 0", token);
    ASK(h, US, wait, ":1");
    snprintf(wait, sizeof wait, "TRUCE.WAIT %s 500 1", token);
    hand_do(h, EU, EU + 1, wait);
    cr_assert(engine_session_blocked(h->engines[EU], EU + 1));
    cr_assert_str_eq(hand_answers(h), "");
    pass(h, 1000);
    cr_assert_str_eq(hand_answers(h), ":1");
    snprintf(wait, sizeof wait, "TRUCE.WAIT us-1.00000000000000aa:5 300");
    hand_do(h, EU, EU + 1, wait);
    pass(h, 200);
    cr_assert_str_eq(hand_answers(h), "");
    pass(h, 200);
    cr_assert_str_eq(hand_answers(h), ":0");
    ASK(h, EU, "TRUCE.WAIT nonsense 10", "-ERR the token is no version vector: take it from TRUCE.TOKEN");
    ASK(h, EU, "TRUCE.WAIT - -1", "-ERR timeout is negative");
    ASK(h, EU, "TRUCE.WAIT - 0 0 0", "-ERR wrong number of arguments for 'truce.wait' command");
    hand_close(h);
}
