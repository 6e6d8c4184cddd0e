#include "damage.h"
#include "engine_hand.h"
#include <stdio.h>

/* What arrives in the midst of a comparison or of a repair (engine_verify.c, engine_repair.c): three datacenters of one node each. */
TestSuite(repair);

#define NODE(port) "{\"nodes\":{\"1\":{\"client\":\"127.0.0.1:" #port "\",\"peer\":\"127.0.0.1:1" #port "\"}}}"
#define THREE                                                                                                                                        \
    "{\"cluster\":\"t\",\"tables\":{\"*\":{\"conflict\":\"merge\"}},"                                                                                \
    "\"datacenters\":{\"ap\":" NODE(7001) ",\"eu\":" NODE(7002) ",\"us\":" NODE(7003) "}}"
enum { AP, EU, US, NODES };

static struct hand *three(void) {
    struct hand *h = hand_open(THREE);
    for (uint32_t i = 0; i < NODES; i++) hand_client(h, i, i + 1);
    hand_link(h, AP, EU);
    hand_link(h, AP, US);
    hand_link(h, EU, US);
    hand_flow(h);
    return h;
}

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 50) {
        hand_tick(h, 50000);
        hand_flow(h);
    }
}

#define ANY NODES

/* All but events from a node to another, which stay under way. */
static void flow_but_events(struct hand *h, uint32_t from, uint32_t to) {
    for (size_t i = 0; i < h->count;) {
        uint32_t a = h->frames[i].from, b = h->frames[i].to;
        if (a == from && (to == ANY || b == to) && h->frames[i].type == MESSAGE_EVENTS) {
            i++;
            continue;
        }
        struct buf bytes = hand_take(h, (int)i);
        hand_deliver(h, a, b, &bytes);
        buf_finish(&bytes);
        i = 0;
    }
}

static void pass_but_events(struct hand *h, uint32_t from, uint32_t to, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 50) {
        hand_tick(h, 50000);
        flow_but_events(h, from, to);
    }
}

static void begin(struct hand *h, uint32_t node, const char *command) {
    hand_answers(h);
    hand_do(h, node, node + 1, command);
}

static const char *ask(struct hand *h, uint32_t node, const char *command) {
    begin(h, node, command);
    hand_flow(h);
    return hand_answers(h);
}
#define ASK(h, node, command, text) cr_assert_str_eq(ask(h, node, command), text)

/* Answered within so many rounds, everything arriving. */
static const char *await(struct hand *h) {
    for (int i = 0; i < 300 && !h->answers.n; i++) pass(h, 50);
    return hand_answers(h);
}

static void all_equal(struct hand *h) {
    for (uint32_t i = 1; i < NODES; i++) cr_assert_eq(engine_digest(h->engines[i]), engine_digest(h->engines[0]), "node %u", i);
    begin(h, AP, "TRUCE.VERIFY");
    const char *reply = await(h);
    cr_assert(strstr(reply, "$7 missing *0 $9 unsettled *0 $6 differ *0"), "%s", reply);
}

static void damage(struct hand *h, uint32_t node, const char *key, enum damage how) {
    engine_flush_now(h->engines[node]);
    pass(h, 1000);
    hand_kill(h, node);
    hand_drop_all(h);
    for (uint32_t i = 0; i < NODES; i++)
        if (i != node) hand_step(h, i, (struct input){.type = INPUT_LINK_DOWN, .peer = node});
    damage_row(h->stores[node], key, how);
    hand_start(h, node);
    hand_client(h, node, node + 1);
    for (uint32_t i = 0; i < NODES; i++)
        if (i != node) hand_link(h, i, node);
    hand_flow(h);
    pass(h, 1000);
}

/* Frames are delivered, oldest first, until one of this kind is under way; -1: there was none. */
static int flow_until(struct hand *h, uint32_t from, uint32_t to, enum message_type type) {
    for (int i = 0; i < 2000; i++) {
        int at = hand_find(h, from, to, type);
        if (at >= 0) return at;
        if (!h->count) {
            hand_tick(h, 50000);
            continue;
        }
        uint32_t a = h->frames[0].from, b = h->frames[0].to;
        struct buf bytes = hand_take(h, 0);
        hand_deliver(h, a, b, &bytes);
        buf_finish(&bytes);
    }
    return -1;
}

/* The n-th question from a node to another is taken off its way; all before it arrives. */
static struct buf hold_ask(struct hand *h, uint32_t from, uint32_t to, int n) {
    for (int i = 1;; i++) {
        struct buf bytes = hand_take(h, flow_until(h, from, to, MESSAGE_ROW_ASK));
        if (i == n) return bytes;
        hand_deliver(h, from, to, &bytes);
        buf_finish(&bytes);
    }
}

Test(repair, on_its_way, .description = "A row whose event is on its way is never called damaged, however long that takes") {
    struct hand *h = three();
    ASK(h, AP, "SADD s x", ":1");
    pass(h, 1000);
    begin(h, US, "SADD s y");
    flow_but_events(h, US, ANY);
    begin(h, AP, "TRUCE.VERIFY");
    for (int i = 0; i < 80 && !h->answers.n; i++) pass_but_events(h, US, ANY, 200);
    const char *reply = hand_answers(h);
    cr_assert(strstr(reply, "$9 unsettled *1 $1 s $6 differ *0"), "%s", reply);
    pass(h, 3000);
    all_equal(h);
    hand_close(h);
}

Test(repair, came_and_went, .description = "A member that came and went elsewhere between two looks is not called damaged where it still is") {
    struct hand *h = three();
    ASK(h, AP, "SADD s x", ":1");
    pass(h, 1000);
    begin(h, US, "SADD s y");
    flow_but_events(h, US, ANY);
    begin(h, US, "TRUCE.VERIFY");
    flow_but_events(h, US, ANY); /* the first look: y is at us alone */
    hand_flow(h);
    ASK(h, EU, "SMEMBERS s", "*2 $1 x $1 y");
    hand_do(h, AP, AP + 1, "SREM s y");
    flow_but_events(h, AP, US);
    pass_but_events(h, AP, US, 600); /* more looks: y is at us alone again, for its removal is on its way */
    cr_assert_str_eq(ask(h, EU, "SMEMBERS s"), "*1 $1 x");
    const char *reply = await(h);
    cr_assert(strstr(reply, "$9 unsettled *0 $6 differ *0"), "%s", reply);
    all_equal(h);
    hand_close(h);
}

Test(repair, write_between, .description = "A write that comes between the question and the repair is not lost by it") {
    struct hand *h = three();
    ASK(h, AP, "SADD s x y", ":2");
    pass(h, 1000);
    damage(h, US, "s", DAMAGE_LOST);
    begin(h, AP, "TRUCE.REPAIR s");
    struct buf replace = hold_ask(h, AP, US, 3); /* after WATCHED and STATES */
    hand_do(h, EU, EU + 1, "SADD s z");
    hand_flow(h);
    hand_deliver(h, AP, US, &replace);
    buf_finish(&replace);
    ASK(h, US, "SMEMBERS s", "*1 $1 z");
    const char *reply = await(h);
    cr_assert_str_eq(reply, "*1 $4 us-1");
    ASK(h, US, "SCARD s", ":3");
    all_equal(h);
    hand_close(h);
}

Test(repair, ahead, .description = "A state that holds at a VV that a node has not reached is not put there before") {
    struct hand *h = three();
    ASK(h, AP, "SADD s x y", ":2");
    pass(h, 1000);
    damage(h, US, "s", DAMAGE_LOST);
    hand_client(h, EU, 9);
    begin(h, AP, "TRUCE.REPAIR s FROM eu-1");
    struct buf states = hold_ask(h, AP, EU, 2);
    hand_do(h, EU, 9, "SADD s w");
    hand_deliver(h, AP, EU, &states);
    buf_finish(&states);
    pass_but_events(h, EU, ANY, 2000);
    begin(h, US, "SCARD s");
    cr_assert_str_eq(hand_answers(h), ":0");
    hand_client(h, AP, 9);
    hand_do(h, AP, 9, "SCARD s");
    cr_assert_str_eq(hand_answers(h), ":2");
    cr_assert_str_eq(await(h), "*1 $4 us-1");
    all_equal(h);
    hand_close(h);
}

Test(repair, behind, .description = "What the damaged row's node has written itself, and nobody else has, outlives the repair") {
    struct hand *h = three();
    ASK(h, AP, "HSET h a 1 b 2", ":2");
    pass(h, 1000);
    damage(h, US, "h", DAMAGE_VALUE);
    begin(h, US, "HSET h c 3");
    flow_but_events(h, US, ANY);
    begin(h, AP, "TRUCE.REPAIR h");
    pass_but_events(h, US, ANY, 2000);
    cr_assert_str_eq(hand_answers(h), "");
    begin(h, US, "HMGET h a c");
    cr_assert_str_eq(hand_answers(h), "*2 $7 damaged $1 3");
    cr_assert_str_eq(await(h), "*1 $4 us-1");
    ASK(h, US, "HMGET h a b c", "*3 $1 1 $1 2 $1 3");
    all_equal(h);
    hand_close(h);
}

Test(repair, digest, .description = "Rows that change while they are counted count as they are at the end") {
    struct hand *h = three();
    char command[60];
    for (int i = 0; i < 4000; i++) {
        snprintf(command, sizeof command, "SADD t%d m", i);
        hand_do(h, US, US + 1, command);
    }
    hand_flow(h);
    hand_client(h, US, 9);
    begin(h, US, "TRUCE.VERIFY DIGEST");
    for (int i = 0; i < 12; i++) {
        snprintf(command, sizeof command, i % 3 ? "SADD t%d m%d" : "DEL t%d k%d", i * 297, i);
        hand_do(h, US, 9, command);
    }
    unsigned long long was, is;
    const char *reply = await(h), *at = strstr(reply, "*8 $3 was");
    cr_assert(at && sscanf(at, "*8 $3 was $16 %llx $6 digest $16 %llx", &was, &is) == 2, "%s", reply);
    cr_assert_eq(was, is);
    pass(h, 1000);
    all_equal(h);
    hand_close(h);
}
