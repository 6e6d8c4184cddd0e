#include "engine_hand.h"
#include "engine_rig.h"

/* Peers that send what no honest one would, or what is honest in the worst order. Nobody may stop, and what is right goes on. */
TestSuite(hostile);

#define NODE(c, p) "{\"client\":\"h:" #c "\",\"peer\":\"h:" #p "\"}"
#define THREE                                                                                                                                        \
    "{\"cluster\":\"t\",\"ack\":\"leader\",\"memory_mb\":16,\"datacenters\":{\"ap\":{\"nodes\":{\"1\":" NODE(                                        \
        1, 2) "}},"                                                                                                                                  \
              "\"eu\":{\"nodes\":{\"1\":" NODE(3, 4) "}},\"us\":{\"nodes\":{\"1\":" NODE(5, 6) ",\"2\":" NODE(7, 8) "}}}}"
enum { AP, EU, US, FOLLOWER };

static struct hand *three_open(void) {
    struct hand *h = hand_open(THREE);
    for (uint32_t i = 0; i < 4; i++) hand_client(h, i, 1);
    for (uint32_t a = 0; a < 4; a++)
        for (uint32_t b = a + 1; b < 4; b++) hand_link(h, a, b);
    hand_flow(h);
    return h;
}

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 100) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
}

static void expect_at(struct hand *h, uint32_t node, const char *command, const char *text) {
    hand_answers(h);
    hand_do(h, node, 1, command);
    hand_flow(h);
    const char *answer = hand_answers(h);
    cr_assert_str_eq(answer, text, "%.100s", answer);
}

/* Writes, lets everything flow but the leader's block for its follower, and takes that. */
static struct buf write_and_hold(struct hand *h, uint32_t node, const char *key, size_t n) {
    struct buf command = {0}, held = {0};
    buf_printf(&command, "SET %s ", key);
    memset(buf_reserve(&command, n), 'x', n);
    command.n += n;
    buf_u8(&command, 0);
    hand_do(h, node, 1, (const char *)command.p);
    for (size_t i = 0; i < h->count;) {
        if (h->frames[i].from == US && h->frames[i].to == FOLLOWER && h->frames[i].type == MESSAGE_EVENTS) {
            i++;
            continue;
        }
        uint32_t from = h->frames[i].from, to = h->frames[i].to;
        struct buf bytes = hand_take(h, (int)i);
        hand_deliver(h, from, to, &bytes);
        buf_finish(&bytes);
        i = 0;
    }
    held = hand_take(h, hand_find(h, US, FOLLOWER, MESSAGE_EVENTS));
    buf_finish(&command);
    return held;
}

/* b depends on c, c on a. They come as b, c, a: b fills most of the buffer, so c is dropped, and all that waits then waits for c. */
Test(hostile, jam, .description = "What was dropped from a full buffer is asked for again, though the buffer stays full for want of it") {
    struct hand *h = three_open();
    struct buf a = write_and_hold(h, US, "a", 1), c = write_and_hold(h, AP, "c", 200000), b = write_and_hold(h, EU, "b", 900000);
    hand_deliver(h, US, FOLLOWER, &b);
    hand_deliver(h, US, FOLLOWER, &c);
    hand_deliver(h, US, FOLLOWER, &a);
    expect_at(h, FOLLOWER, "MGET a b", "*2 $1 x $-1");
    pass(h, 10000);
    expect_at(h, FOLLOWER, "STRLEN b", ":900000");
    expect_at(h, FOLLOWER, "STRLEN c", ":200000");
    buf_finish(&a);
    buf_finish(&b);
    buf_finish(&c);
    hand_close(h);
}

/* A block of one event of a forged origin. */
static void put_block(struct hand *h, struct buf *out, const char *dc, uint64_t incarnation, uint64_t first, uint64_t previous, uint64_t stamp,
                      const struct dot *deps, uint32_t deps_count, size_t value_bytes) {
    struct origin o = {.node = 1, .incarnation = incarnation};
    snprintf(o.dc, sizeof o.dc, "%s", dc);
    struct buf body = {0}, content = {0};
    char *value = rig_word('v', value_bytes);
    content_make_string(&content, 0, SLICE(value, value_bytes));
    event_begin(&body, stamp, previous, deps, deps_count, 1, h->names);
    event_change(&body, &(struct change){.op = CHANGE_PUT, .key = slice_text("forged"), .content = buf_slice_of(&content)}, h->names);
    block_begin(out, origins_intern(h->names, &o), first, 1, h->names);
    buf_slice(out, buf_slice_of(&body));
    buf_finish(&body);
    buf_finish(&content);
    free(value);
}

/* The subscription that `to` holds at `from`. */
static uint32_t subscription_of(struct hand *h, uint32_t from, uint32_t to) {
    uint32_t id = 0;
    hand_unlink(h, from, to);
    hand_link(h, from, to);
    int at = hand_find(h, to, from, MESSAGE_SUBSCRIBE);
    cr_assert(at >= 0);
    struct message m;
    size_t size;
    const char *why;
    cr_assert_eq(message_decode(buf_slice_of(&h->frames[at].bytes), h->names, &m, &size, &why), FRAME_OK);
    id = m.subscribe.subscription;
    message_finish(&m);
    hand_flow(h);
    return id;
}

static void forge_block(struct hand *h, uint32_t from, uint32_t to, uint32_t subscription, const struct buf *block) {
    struct message m = {.type = MESSAGE_EVENTS};
    m.events.subscription = subscription;
    m.events.sent_bytes = block->n;
    m.events.block = buf_slice_of(block);
    hand_forge(h, from, to, &m);
}

Test(hostile, numbers, .description = "Blocks with numbers at the end of their range wait within bounds and hurt nobody") {
    struct hand *h = three_open();
    uint64_t firsts[] = {2, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX};
    uint32_t subscription = subscription_of(h, EU, US);
    for (int i = 0; i < 60; i++) {
        struct buf block = {0};
        put_block(h, &block, "eu", 7, firsts[i % 5] - (unsigned)i / 5 % 2, 1, 1, NULL, 0, 100000);
        forge_block(h, EU, US, subscription, &block);
        buf_finish(&block);
    }
    struct buf status = {0};
    engine_status(h->engines[US], &status);
    json_t *s = json_loadb((const char *)status.p, status.n, 0, NULL);
    cr_assert_lt(strtoull(json_string_value(json_object_get(s, "memory_bytes")), NULL, 10), 2000000u);
    json_decref(s);
    buf_finish(&status);
    for (int i = 0; i < 30; i++) {
        hand_do(h, EU, 1, "INCR n");
        pass(h, 500);
    }
    expect_at(h, US, "GET n", "$2 30");
    expect_at(h, FOLLOWER, "GET n", "$2 30");
    expect_at(h, US, "SET a 1", "+OK");
    pass(h, 1000);
    expect_at(h, AP, "GET a", "$1 1");
    hand_close(h);
}

Test(hostile, missing_deps, .description = "An event whose deps will never come is waited for within bounds, and hurts nobody") {
    struct hand *h = three_open();
    struct origin nobody = {.dc = "nowhere", .node = 1, .incarnation = 1};
    struct dot deps[] = {{origins_intern(h->names, &nobody), UINT64_MAX}};
    uint32_t subscription = subscription_of(h, EU, US);
    struct buf block = {0};
    put_block(h, &block, "eu", 7, 1, 0, UINT64_MAX, deps, 1, 100);
    forge_block(h, EU, US, subscription, &block);
    pass(h, 5000);
    expect_at(h, US, "GET forged", "$-1");
    hand_do(h, EU, 1, "INCR n");
    pass(h, 1000);
    expect_at(h, US, "GET n", "$1 1");
    buf_finish(&block);
    hand_close(h);
}

Test(hostile, stamps, .description = "An event with the greatest stamp there is wins its row, and no clock follows it") {
    struct hand *h = three_open();
    uint32_t subscription = subscription_of(h, EU, US);
    struct buf block = {0};
    put_block(h, &block, "eu", 7, 1, 0, UINT64_MAX, NULL, 0, 1);
    forge_block(h, EU, US, subscription, &block);
    pass(h, 1000);
    expect_at(h, US, "GET forged", "$1 v");
    expect_at(h, US, "SET forged w", "+OK");
    pass(h, 1000);
    expect_at(h, FOLLOWER, "GET forged", "$1 w");
    buf_finish(&block);
    hand_close(h);
}

Test(hostile, vectors, .description = "Subscriptions and heartbeats with impossible vectors, windows and names do no harm") {
    struct hand *h = three_open();
    struct message m = {.type = MESSAGE_SUBSCRIBE};
    struct origin o = {.dc = "us", .node = 1, .incarnation = 3};
    vv_set(&m.subscribe.vv, origins_intern(h->names, &o), UINT64_MAX);
    uint32_t windows[] = {0, 1, UINT32_MAX};
    for (uint32_t i = 0; i < 3; i++) {
        m.subscribe.subscription = 1000 + i;
        m.subscribe.window_bytes = windows[i];
        m.subscribe.dcs_count = i;
        m.subscribe.dcs[0] = slice_text("us");
        m.subscribe.dcs[1] = slice_text("nowhere");
        hand_forge(h, EU, US, &m);
        hand_do(h, US, 1, "INCR n");
        hand_drop_all(h);
    }
    struct message beat = {.type = MESSAGE_HEARTBEAT};
    beat.heartbeat.wall_ms = UINT64_MAX;
    beat.heartbeat.sent_bytes = UINT64_MAX;
    beat.heartbeat.subscription = 1;
    vv_set(&beat.heartbeat.vv, origins_intern(h->names, &o), UINT64_MAX);
    hand_forge(h, EU, US, &beat);
    struct message ack = {.type = MESSAGE_ACK};
    ack.ack.subscription = 1002;
    ack.ack.taken_bytes = UINT64_MAX;
    vv_set(&ack.ack.on_disk, origins_intern(h->names, &o), UINT64_MAX);
    hand_forge(h, EU, US, &ack);
    pass(h, 3000);
    hand_do(h, US, 1, "INCR n");
    pass(h, 1000);
    expect_at(h, EU, "GET n", "$1 4");
    expect_at(h, FOLLOWER, "GET n", "$1 4");
    message_finish(&m);
    message_finish(&beat);
    message_finish(&ack);
    hand_close(h);
}

Test(hostile, origins, .description = "A peer that names more origins than there can be does not keep a node from writing") {
    struct hand *h = hand_open(THREE);
    for (uint32_t i = 0; i < 4; i++) hand_client(h, i, 1);
    hand_link(h, EU, US);
    hand_link(h, US, FOLLOWER);
    hand_flow(h);
    struct origins *names = origins_create();
    for (int round = 0; round < 2; round++) {
        struct message m = {.type = MESSAGE_ACK};
        for (uint64_t i = 1; i < 40000; i++) {
            struct origin o = {.dc = "eu", .node = 1, .incarnation = i + (uint64_t)round * 40000};
            origin_ref ref = origins_intern(names, &o);
            if (ref != ORIGIN_NONE) vv_set(&m.ack.on_disk, ref, 1);
        }
        struct buf bytes = {0};
        message_encode(&m, names, &bytes);
        hand_deliver(h, EU, US, &bytes);
        buf_finish(&bytes);
        message_finish(&m);
        origins_destroy(names);
        names = origins_create();
    }
    origins_destroy(names);
    expect_at(h, US, "SET a 1", "+OK");
    expect_at(h, FOLLOWER, "GET a", "$1 1");
    hand_close(h);
}

Test(hostile, two_runs, .description = "An event that does not follow the one before it drops the link, and nothing of it is applied") {
    struct hand *h = three_open();
    uint32_t subscription = subscription_of(h, EU, US);
    struct buf first = {0}, second = {0};
    put_block(h, &first, "eu", 7, 1, 0, 5, NULL, 0, 1);
    put_block(h, &second, "eu", 7, 2, 12345, 6, NULL, 0, 2);
    forge_block(h, EU, US, subscription, &first);
    unsigned drops = h->drops;
    forge_block(h, EU, US, subscription, &second);
    cr_assert_eq(h->drops, drops + 1);
    hand_drop_all(h);
    expect_at(h, US, "GET forged", "$1 v");
    buf_finish(&first);
    buf_finish(&second);
    hand_close(h);
}

Test(hostile, garbage, .description = "Frames of any bytes drop the link and nothing else") {
    struct hand *h = three_open();
    hand_do(h, US, 1, "SET a 1");
    struct buf f = hand_take(h, hand_find(h, US, EU, MESSAGE_EVENTS));
    for (size_t i = 0; i < f.n; i++) {
        f.p[i] ^= 0x41;
        hand_deliver(h, US, EU, &f);
        f.p[i] ^= 0x41;
        struct buf part = {.p = f.p, .n = i};
        hand_deliver(h, US, EU, &part);
    }
    cr_assert_eq(h->drops, 2 * f.n);
    expect_at(h, EU, "GET a", "$-1");
    hand_deliver(h, US, EU, &f);
    hand_drop_all(h);
    expect_at(h, EU, "GET a", "$1 1");
    buf_finish(&f);
    hand_close(h);
}
