#include "engine_hand.h"
#include "engine_rig.h"

/* What a majority has acknowledged, while disks are lost, members change, leaders are replaced and clocks differ: it is read by whoever asks. */
TestSuite(majority);

static void write_much(struct rig *r, const char *node) {
    char *big = rig_word('x', 20000), *command = xmalloc(21000);
    for (int i = 0; i < 30; i++) {
        snprintf(command, 21000, "SET k%d %s", i, big);
        EXPECT(r, node, command, "+OK");
    }
    free(big);
    free(command);
}

/* `w` is acknowledged by us-1 and us-3; us-3 loses its disk, and comes back with us-2 alone. Then us-1 is heard, but its events come slowly. */
static void lose_disk_with_w(struct rig *r) {
    write_much(r, "us-1");
    EXPECT(r, "us-1", "SET w 1", "+OK");
    rig_cut(r, "us-1", "*");
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    world_wipe(r->w, rig_node(r, "us-3"));
    rig_heal(r, "us-2", "us-3");
    world_start(r->w, rig_node(r, "us-3"));
    rig_run(r, SECONDS(8));
    rig_slow(r, "us-1", "us-3", &(struct link_options){.rate_bytes_s = 30000});
    rig_heal(r, "us-1", "us-3");
}

/* `w` is on us-1, which is away, and was on the lost disk of us-3, which votes with us-2 now, or does not. */
static void expect_w_or_nothing(struct rig *r) {
    rig_cut(r, "us-1", "*");
    rig_run(r, SECONDS(10));
    EXPECT(r, "us-2", "TRUCE.READ linearizable", "+OK");
    cr_assert_str_neq(rig_do(r, "us-2", "GET w"), "$-1");
    EXPECT(r, "us-2", "TRUCE.READ quorum", "+OK");
    cr_assert_str_neq(rig_do(r, "us-2", "GET w"), "$-1");
    rig_heal(r, "*", "*");
    rig_run(r, SECONDS(10));
    EXPECT(r, "us-2", "TRUCE.READ linearizable", "+OK");
    EXPECT(r, "us-2", "GET w", "$1 1");
    rig_close(r);
}

Test(majority, admission_waits_for_data,
     .description = "A wiped node is admitted to votes when it has what the others have, not when it has heard of them", .timeout = 60) {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "SET base 1", "+OK");
    rig_settle(r);
    rig_cut(r, "us-2", "*");
    rig_run(r, SECONDS(2));
    lose_disk_with_w(r);
    rig_run(r, SECONDS(2));
    expect_w_or_nothing(r);
}

Test(majority, member_unaware, .description = "A wiped node that does not know yet that it is a member is not admitted by fewer than all",
     .timeout = 60) {
    struct rig *r = rig_open_absent("us:3", 1, "us-3");
    EXPECT(r, "us-1", "SET base 1", "+OK");
    rig_settle(r);
    rig_join(r, "us-1", "us-3");
    rig_slow(r, "us-1", "us-2", &(struct link_options){.latency_us = MS(700)});
    for (int i = 0; i < 20000 && strcmp(rig_standing(r, "us-1", "us-3"), "member") != 0; i++) rig_run(r, MS(1));
    rig_cut(r, "us-2", "us-3");
    rig_run(r, MS(20));
    lose_disk_with_w(r);
    for (int i = 0; i < 8000 && strcmp(rig_standing(r, "us-3", "us-3"), "member") != 0; i++) rig_run(r, MS(1));
    expect_w_or_nothing(r);
}

Test(majority, stale_members, .description = "A quorum read by nodes that do not know of all voters gives no answer", .timeout = 60) {
    struct rig *r = rig_open_absent("us:5", 1, "us-4 us-5");
    EXPECT(r, "us-1", "SET base 1", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "TRUCE.READ quorum", "+OK");
    rig_cut(r, "us-2", "*");
    rig_run(r, SECONDS(1));
    rig_join(r, "us-1", "us-4");
    rig_run(r, SECONDS(10));
    rig_join(r, "us-1", "us-5");
    rig_run(r, SECONDS(10));
    rig_cut(r, "us-3", "*");
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-1", "SET w 1", "+OK");
    rig_heal(r, "us-2", "us-3");
    for (int i = 0; i < 20; i++) {
        cr_assert_str_neq(rig_do(r, "us-2", "GET w"), "$-1");
        rig_run(r, MS(1));
    }
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT(r, "us-2", "GET w", "$1 1");
    rig_close(r);
}

static void count_errors(void *arg, const struct reply_info *info) { *(unsigned *)arg += info->reply.n && info->reply.p[0] == '-'; }

Test(majority, slow_rounds, .description = "Linearizable reads are answered also where they come faster than a round goes round", .timeout = 60) {
    for (uint64_t ms = 5; ms <= 30; ms += 25) {
        unsigned errors = 0;
        struct rig *r = rig_open("us:3");
        EXPECT(r, "us-1", "SET a 1", "+OK");
        rig_slow(r, "us-1", "*", &(struct link_options){.latency_us = MS(ms)});
        rig_slow(r, "*", "us-1", &(struct link_options){.latency_us = MS(ms)});
        rig_run(r, SECONDS(3));
        uint32_t client = world_client(r->w, rig_node(r, "us-1"));
        world_do(r->w, client, "TRUCE.READ linearizable", NULL);
        for (int i = 0; i < 1600; i++) {
            world_do(r->w, client, "GET a", &(struct request_watcher){.done = count_errors, .arg = &errors});
            rig_run(r, MS(5));
        }
        rig_run(r, SECONDS(1));
        cr_assert(!world_client_waits(r->w, client));
        cr_assert_eq(errors, 0);
        rig_close(r);
    }
}

/* Leads, writes a tail when it is cut off, and is put right later. `new` is acknowledged by the others meanwhile. */
static void expect_new_above_tail(struct rig *r, const char *leader, const char *other) {
    char reply[100];
    EXPECT(r, leader, "TRUCE.ACK leader", "+OK");
    rig_cut(r, leader, "*");
    rig_do(r, leader, "SET x tail");
    world_kill(r->w, rig_node(r, leader), CRASH_PROCESS);
    rig_heal(r, "*", "*");
    snprintf(reply, sizeof reply, "%s", rig_do(r, other, "SET x new"));
    world_start(r->w, rig_node(r, leader));
    rig_run(r, SECONDS(3));
    rig_settle(r);
    if (strcmp(reply, "+OK") == 0) EXPECT(r, other, "GET x", "$3 new");
    rig_close(r);
}

Test(majority, hand_overs_and_skew,
     .description = "However often leaders hand over, and though clocks differ: no tail comes after what its successor has acknowledged",
     .timeout = 60) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig *r = rig_open_seeded("us:3 | \"clock_bound_ms\": 4000", seed);
        EXPECT(r, "us-1", "SET x 0", "+OK");
        world_skew(r->w, rig_node(r, "us-3"), -1900, 0, false);
        rig_settle(r);
        for (int i = 0; i < 4; i++) {
            rig_do(r, i % 2 ? "us-2" : "us-1", i % 2 ? "TRUCE.LEAD us-1" : "TRUCE.LEAD us-2");
            rig_run(r, MS(20));
            rig_do(r, i % 2 ? "us-1" : "us-2", "SET y 1");
        }
        rig_run(r, MS(50));
        expect_new_above_tail(r, "us-1", "us-3");
    }
}

Test(majority, full_leader, .description = "A leader whose disk is full lets another one lead, also where its vote is needed") {
    struct rig *r = rig_open("us:3 | \"ack\": \"leader\"");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-1", "SET a 2", "+OK");
    world_disk(r->w, rig_node(r, "us-1"), DISK_FULL, 0);
    rig_run(r, SECONDS(20));
    EXPECT(r, "us-2", "SET a 3", "+OK");
    rig_close(r);
}
