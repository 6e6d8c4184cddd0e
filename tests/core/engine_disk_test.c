#include "engine_rig.h"

/* A disk without room (engine_disk.c). That nothing is committed which has no room is seen to by the simulated disk itself. Whether it has little
 * room or none is drawn from the seed. */
TestSuite(disk);

#define SEEDS 6

static void fill(struct rig *r, const char *node, bool full) { world_disk(r->w, rig_node(r, node), full ? DISK_FULL : DISK_OK, 0); }

static bool says_full(struct rig *r, const char *node) {
    json_t *status = rig_status(r, node), *alarm;
    bool full = json_is_true(json_object_get(status, "disk_full")), told = false;
    size_t i;
    json_array_foreach(json_object_get(status, "alarms"), i, alarm) told |= strstr(json_string_value(alarm), "is full") != NULL;
    json_decref(status);
    cr_assert_eq(full, told);
    return full;
}

Test(disk, full, .description = "A node whose disk is full refuses writes in words, reads, sends, takes nothing, and catches up when there is room") {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_open_seeded("us:1 eu:1", seed);
        rig_cut(r, "us", "eu");
        EXPECT(r, "us-1", "SET a 1", "+OK");
        fill(r, "us-1", true);
        EXPECT_LIKE(rig_do(r, "us-1", "SET a 2"), "-DISKFULL the disk of us-1 is full: it takes no writes until there is room again");
        EXPECT_LIKE(rig_do(r, "us-1", "FLUSHALL"), "-DISKFULL ");
        EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET t lww"), "-DISKFULL ");
        EXPECT(r, "us-1", "GET a", "$1 1");
        cr_assert(says_full(r, "us-1"));
        EXPECT(r, "eu-1", "SET b 1", "+OK");
        rig_heal(r, "us", "eu");
        rig_run(r, SECONDS(8));
        EXPECT(r, "eu-1", "GET a", "$1 1");
        EXPECT(r, "us-1", "GET b", "$-1");
        fill(r, "us-1", false);
        rig_run(r, SECONDS(2));
        EXPECT(r, "us-1", "GET b", "$1 1");
        EXPECT(r, "us-1", "SET a 3", "+OK");
        cr_assert_not(says_full(r, "us-1"));
        rig_settle(r);
        rig_close(r);
    }
}

Test(disk, full_leader,
     .description = "Where the leader's disk is full another node that has room is elected; a follower's that is full holds up nobody") {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_open_seeded("us:3 eu:1", seed);
        const char *leader = r->cluster.nodes[engine_leader(rig_engine(r, "us-1"))].name, *other = strcmp(leader, "us-2") == 0 ? "us-3" : "us-2";
        EXPECT(r, leader, "SET a 1", "+OK");
        fill(r, leader, true);
        rig_run(r, SECONDS(4));
        EXPECT(r, other, "SET a 2", "+OK");
        EXPECT_LIKE(rig_do(r, leader, "SET a 3"), "-DISKFULL ");
        EXPECT(r, leader, "GET a", "$1 1");
        fill(r, leader, false);
        rig_settle(r);
        EXPECT(r, leader, "SET a 4", "+OK");
        rig_settle(r);
        rig_close(r);
    }
}

Test(disk, full_everywhere, .description = "Where all disks are full all refuse, and when there is room somebody leads again") {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *r = rig_open_seeded("us:3", seed);
        EXPECT(r, "us-1", "SET a 1", "+OK");
        for (uint32_t i = 0; i < 3; i++) fill(r, r->cluster.nodes[i].name, true);
        rig_run(r, SECONDS(5));
        for (uint32_t i = 0; i < 3; i++) EXPECT_LIKE(rig_do(r, r->cluster.nodes[i].name, "SET a 2"), "-DISKFULL ");
        for (uint32_t i = 0; i < 3; i++) fill(r, r->cluster.nodes[i].name, false);
        rig_run(r, SECONDS(4));
        EXPECT(r, "us-1", "SET a 3", "+OK");
        rig_settle(r);
        rig_close(r);
    }
}

Test(disk, transactions, .description = "A transaction that was queued while there was room is discarded as a whole") {
    struct rig *r = rig_open("us:1");
    uint32_t c = world_client(r->w, 0);
    EXPECT_AS(r, c, "MULTI", "+OK");
    EXPECT_AS(r, c, "SET a 1", "+QUEUED");
    EXPECT_AS(r, c, "GET a", "+QUEUED");
    fill(r, "us-1", true);
    EXPECT_LIKE(rig_do_as(r, c, "SET b 1"), "-DISKFULL ");
    EXPECT_LIKE(rig_do_as(r, c, "EXEC"), "-EXECABORT ");
    fill(r, "us-1", false);
    EXPECT_AS(r, c, "MULTI", "+OK");
    EXPECT_AS(r, c, "SET a 1", "+QUEUED");
    fill(r, "us-1", true);
    EXPECT_LIKE(rig_do_as(r, c, "EXEC"), "-EXECABORT Transaction discarded because of: DISKFULL ");
    EXPECT_AS(r, c, "MULTI", "+OK");
    EXPECT_AS(r, c, "GET a", "+QUEUED");
    EXPECT_AS(r, c, "EXEC", "*1 $-1");
    rig_close(r);
}
