#include "engine_hand.h"
#include "engine_rig.h"

/* Rings, stars, and reports that are passed on between nodes without a link (engine_reports.c). */
TestSuite(ways);

#define MERGES    "\"tables\": {\"*\": {\"conflict\": \"merge\"}}"
#define RING_OF_4 "a:1 b:1 c:1 d:1 | \"topology\": \"ring\", " MERGES
#define STAR_OF_4 "a:1 b:2 c:1 d:1 | \"topology\": {\"star\": \"b\"}, " MERGES

static char *status_text(struct rig *r, const char *node, const char *key) {
    json_t *s = rig_status(r, node);
    char *text = xstrdup(json_string_value(json_object_get(s, key)));
    json_decref(s);
    return text;
}

static void expect_stable(struct rig *r, bool all) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        const char *name = r->cluster.nodes[i].name;
        char *stable = status_text(r, name, "stable"), *vv = status_text(r, name, "vv");
        cr_assert_eq(strcmp(stable, vv) == 0, all, "at %s: %s of %s", name, stable, vv);
        free(stable);
        free(vv);
    }
}

static void write_everywhere(struct rig *r) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        char command[128];
        snprintf(command, sizeof command, "SADD s %s", r->cluster.nodes[i].name);
        EXPECT(r, r->cluster.nodes[i].name, command, ":1");
    }
}

Test(ways, ring, .description = "In a ring every write gets everywhere, and is known to be everywhere") {
    struct rig *r = rig_open(RING_OF_4);
    write_everywhere(r);
    expect_stable(r, false);
    rig_settle(r);
    rig_run(r, SECONDS(2));
    EXPECT(r, "c-1", "SCARD s", ":4");
    expect_stable(r, true);
    rig_close(r);
}

Test(ways, star, .description = "So it does in a star, whose hub has followers") {
    struct rig *r = rig_open(STAR_OF_4);
    write_everywhere(r);
    rig_settle(r);
    rig_run(r, SECONDS(2));
    EXPECT(r, "d-1", "SCARD s", ":5");
    expect_stable(r, true);
    rig_close(r);
}

Test(ways, across, .description = "Nodes across a ring have no connection, and say through whom they hear of each other") {
    struct rig *r = rig_open(RING_OF_4);
    rig_run(r, SECONDS(2));
    json_t *s = rig_status(r, "a-1"), *p;
    size_t i;
    json_array_foreach(json_object_get(s, "peers"), i, p) {
        bool across = strcmp(json_string_value(json_object_get(p, "node")), "c-1") == 0;
        cr_assert_eq(json_is_true(json_object_get(p, "connected")), !across);
    }
    json_decref(s);
    cr_assert_str_eq(rig_peer_text(r, "a-1", "c-1", "state"), "through others");
    EXPECT_LIKE(rig_peer_text(r, "a-1", "c-1", "why"), "they have no link in this ring; it was heard of ");
    rig_close(r);
}

Test(ways, cut_ring, .description = "A ring does without any one of its links, and without one of its datacenters") {
    struct rig *r = rig_open(RING_OF_4);
    rig_cut(r, "a", "b");
    EXPECT(r, "a-1", "SET k 1", "+OK");
    rig_run(r, MS(100));
    EXPECT(r, "b-1", "GET k", "$1 1");
    rig_heal(r, "a", "b");
    rig_settle(r);
    world_kill(r->w, rig_node(r, "d-1"), CRASH_PROCESS);
    EXPECT(r, "a-1", "SET k 2", "+OK");
    rig_run(r, MS(100));
    EXPECT(r, "c-1", "GET k", "$1 2");
    world_start(r->w, rig_node(r, "d-1"));
    rig_settle(r);
    EXPECT(r, "d-1", "GET k", "$1 2");
    rig_close(r);
}

Test(ways, lost_far_away,
     .description = "A node that was wiped returns when the node across the ring goes by its new run too, and nothing deleted comes back") {
    struct rig *r = rig_open(RING_OF_4);
    EXPECT(r, "a-1", "SET k 1", "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(8)); /* stable and flushed */
    world_kill(r->w, rig_node(r, "a-1"), CRASH_PROCESS);
    cr_assert(world_wipe(r->w, rig_node(r, "a-1")));
    rig_cut(r, "c", "*");
    EXPECT(r, "b-1", "DEL k", ":1");
    world_start(r->w, rig_node(r, "a-1"));
    rig_run(r, MS(2500));
    cr_assert(engine_returning(rig_engine(r, "a-1")), "nothing was heard of c-1");
    rig_heal(r, "c", "*");
    rig_settle(r);
    cr_assert_not(engine_returning(rig_engine(r, "a-1")));
    rig_run(r, SECONDS(8));
    EXPECT(r, "a-1", "GET k", "$-1");
    EXPECT(r, "a-1", "SET k 2", "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(2));
    expect_stable(r, true);
    rig_close(r);
}

/* How long a write of us takes to be read in eu, in virtual time. */
static uint64_t lag_us(struct rig *r, unsigned number) {
    char command[32], found[32];
    snprintf(command, sizeof command, "SET k %u", number);
    snprintf(found, sizeof found, "$%d %u", snprintf(NULL, 0, "%u", number), number);
    uint64_t from = world_now_us(r->w);
    EXPECT(r, "us-1", command, "+OK");
    while (strcmp(rig_do(r, "eu-1", "GET k"), found) != 0) {
        rig_run(r, 100);
        cr_assert_lt(world_now_us(r->w), from + SECONDS(5), "it does not come");
    }
    return world_now_us(r->w) - from;
}

Test(ways, lag, .description = "Over a relay a write takes what its two links take, and two milliseconds at most, at any time") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    rig_slow(r, "us", "ap", &(struct link_options){.latency_us = MS(40)});
    rig_slow(r, "ap", "eu", &(struct link_options){.latency_us = MS(30)});
    rig_cut(r, "us", "eu");
    rig_run(r, SECONDS(2));
    lag_us(r, 1); /* the relay begins with what is lacking */
    uint64_t greatest = 0;
    for (unsigned i = 2; i < 100; i++) {
        rig_run(r, MS(37)); /* at all times between heartbeats */
        uint64_t lag = lag_us(r, i);
        if (lag > greatest) greatest = lag;
    }
    cr_assert_leq(greatest, MS(72), "%llu us", (unsigned long long)greatest);
    rig_close(r);
}

/* ---- reports in the test's hands: a star of three, whose hub is b ---- */
#define NODE(n, port) "{\"nodes\":{\"1\":{\"client\":\"h:" #port "\",\"peer\":\"h:1" #port "\"}}}"
#define STAR_OF_3                                                                                                                                    \
    "{\"cluster\":\"t\",\"memory_mb\":16,\"topology\":{\"star\":\"b\"},"                                                                             \
    "\"datacenters\":{\"a\":" NODE(1, 7001) ",\"b\":" NODE(1, 7002) ",\"c\":" NODE(1, 7003) "}}"
enum { A, B, C };

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 100) {
        hand_tick(h, 100000);
        hand_flow(h);
    }
}

static struct hand *star(void) {
    struct hand *h = hand_open(STAR_OF_3);
    for (uint32_t i = 0; i < 3; i++) hand_client(h, i, i + 1);
    hand_link(h, A, B);
    hand_link(h, C, B);
    pass(h, 1500);
    return h;
}

static const char *ask(struct hand *h, uint32_t node, const char *command) {
    hand_answers(h);
    hand_do(h, node, node + 1, command);
    hand_flow(h);
    return hand_answers(h);
}

static unsigned passed_on(struct hand *h, uint32_t from, uint32_t to, enum message_type type) {
    unsigned n = 0;
    for (int at; (at = hand_find(h, from, to, type)) >= 0; n++) {
        struct buf taken = hand_take(h, at);
        buf_finish(&taken);
    }
    return n;
}

Test(ways, no_echo, .description = "What came from a neighbour does not go back there") {
    struct hand *h = star();
    hand_do(h, A, A + 1, "SET k 1");
    struct buf events = hand_take(h, hand_find(h, A, B, MESSAGE_EVENTS));
    hand_drop_all(h);
    hand_deliver(h, A, B, &events);
    cr_assert_eq(passed_on(h, B, A, MESSAGE_EVENTS), 0u);
    cr_assert_eq(passed_on(h, B, C, MESSAGE_EVENTS), 1u);
    buf_finish(&events);
    hand_close(h);
}

/* What node c's status says of a: by its report. */
static bool c_has(struct hand *h, const char *part) {
    struct buf text = {0};
    engine_status(h->engines[C], &text);
    buf_u8(&text, 0);
    bool has = strstr((const char *)text.p, part) != NULL;
    buf_finish(&text);
    return has;
}

Test(ways, old_reports, .description = "A report of an earlier run, passed on late, does not stand beside that of the present one") {
    struct hand *h = star();
    cr_assert_str_eq(ask(h, A, "SET k 1"), "+OK");
    hand_tick(h, 200000);
    struct buf old = {0};
    for (unsigned i = 0; i < 20 && !old.n; i++) {
        int at = hand_find(h, B, C, MESSAGE_REPORT);
        if (at >= 0)
            old = hand_take(h, at);
        else
            pass(h, 100), hand_tick(h, 100000);
    }
    cr_assert_gt(old.n, 0u);
    pass(h, 1500);
    hand_kill(h, A);
    hand_drop_all(h);
    hand_step(h, B, (struct input){.type = INPUT_LINK_DOWN, .peer = A});
    hand_start(h, A);
    hand_client(h, A, A + 1);
    hand_link(h, A, B);
    pass(h, 1500);
    cr_assert_str_eq(ask(h, A, "SET k 2"), "+OK");
    pass(h, 1500);
    struct buf before = {0}, after = {0};
    engine_status(h->engines[C], &before);
    hand_deliver(h, B, C, &old);
    engine_status(h->engines[C], &after);
    cr_assert(slice_equal(buf_slice_of(&before), buf_slice_of(&after)), "%.*s", (int)after.n, (const char *)after.p);
    cr_assert(c_has(h, "\"alarms\":[]"));
    buf_finish(&before);
    buf_finish(&after);
    buf_finish(&old);
    hand_close(h);
}
