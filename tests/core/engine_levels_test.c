#include "engine_rig.h"

/* What each ack level survives: the table of dc-node/LEVELS.md, each cell a run in the worst case, in which nobody but those who had to acknowledge
 * has the write. us has five nodes. */
TestSuite(levels);

enum fault { LEADER_BACK, NEXT_LEADER, LEADER_DISK, TWO_DISKS, MAJORITY_DISKS, POWER_CUT, ALL_DISKS, FAULTS };
static const char *const fault_names[FAULTS] = {"the leader is killed and comes back",
                                                "the leader and a follower stay away: the next leader has it before its first write",
                                                "the leader's disk is lost",
                                                "the disks of the leader and a follower are lost",
                                                "the disks of a majority are lost",
                                                "power fails everywhere in the datacenter",
                                                "all its disks are lost"};

/* `have`: how many nodes of us, from us-1 on, have it when it is answered. */
static const struct level {
    const char *name;
    int have;
    bool elsewhere;
    const char *survives; /* by fault: y, n */
} levels[] = {
    {"leader", 1, false, "ynnnnyn"}, {"one", 2, false, "ynynnyn"},           {"majority", 3, false, "yyyynyn"},
    {"all", 5, false, "yyyyyyn"},    {"majority+dcs:1", 3, true, "yyyyyyy"},
};

static void write_it(struct rig *r, const struct level *l) {
    char node[16], command[64];
    snprintf(command, sizeof command, "TRUCE.ACK %s", l->name);
    EXPECT(r, "us-1", "SET before 1", "+OK");
    rig_settle(r);
    EXPECT(r, "us-1", command, "+OK");
    for (int i = l->have + 1; i <= 5; i++) {
        snprintf(node, sizeof node, "us-%d", i);
        rig_cut_way(r, "us-1", node);
    }
    for (int i = 2; i <= 5; i++) {
        snprintf(node, sizeof node, "us-%d", i);
        rig_cut_way(r, node, "eu");
    }
    if (!l->elsewhere) rig_cut_way(r, "us-1", "eu");
    EXPECT(r, "us-1", "SET a 1", "+OK");
}

static void strike(struct rig *r, int from, int upto, enum crash kind, bool wiped) {
    char node[16];
    for (int i = from; i <= upto; i++) {
        snprintf(node, sizeof node, "us-%d", i);
        world_kill(r->w, rig_node(r, node), kind);
        if (wiped) world_wipe(r->w, rig_node(r, node));
    }
}

static bool survives(uint64_t seed, const struct level *l, enum fault fault) {
    struct rig *r = rig_open_seeded("us:5 eu:1", seed);
    static const int struck[FAULTS] = {1, 2, 1, 2, 3, 5, 5};
    bool wiped = fault == LEADER_DISK || fault == TWO_DISKS || fault == MAJORITY_DISKS || fault == ALL_DISKS;
    write_it(r, l);
    strike(r, 1, struck[fault], fault == POWER_CUT ? CRASH_MACHINE : CRASH_PROCESS, wiped);
    rig_heal(r, "*", "*");
    rig_run(r, SECONDS(3)); /* whoever was cut off from it has noticed */
    if (fault == NEXT_LEADER) {
        EXPECT(r, "us-4", "TRUCE.READ linearizable", "+OK");
    } else {
        for (int i = 1; i <= struck[fault]; i++) world_start(r->w, (uint32_t)rig_node(r, "us-1") + (uint32_t)i - 1);
        rig_run(r, SECONDS(8));
        rig_settle(r);
    }
    bool there = strcmp(rig_do(r, "us-4", "GET a"), "$1 1") == 0;
    rig_close(r);
    return there;
}

Test(levels, table, .description = "Each ack level survives what the manual says, and no more", .timeout = 240) {
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        for (enum fault f = 0; f < FAULTS; f++)
            for (uint64_t seed = 1; seed <= 5; seed++)
                cr_assert_eq(survives(seed, &levels[i], f), levels[i].survives[f] == 'y', "level %s, %s, seed %llu", levels[i].name, fault_names[f],
                             (unsigned long long)seed);
}
