#include "engine_rig.h"

/* Leaders: who leads, handing over, datacenters without one. */
TestSuite(lead);

Test(lead, first_election, .description = "A new datacenter begins when all its nodes have been heard, and says whom it waits for") {
    struct rig *r = rig_open_down("us:3 eu:1", "us-2");
    EXPECT(r, "us-1", "SET a 1",
           "-NOLEADER us is new, and its first leader is elected by all its nodes, but us-2 cannot be reached: nothing was written");
    world_start(r->w, rig_node(r, "us-2"));
    EXPECT(r, "us-1", "SET a 1", "+OK");
    world_kill(r->w, rig_node(r, "us-2"), CRASH_MACHINE);
    EXPECT(r, "us-3", "SET a 2", "+OK");
    rig_close(r);
}

Test(lead, wiped_follower, .description = "A node that lost its disk counts for no majority before a majority without it has taken it in again") {
    struct rig *r = rig_open("us:3");
    EXPECT(r, "us-1", "TRUCE.ACK majority 500", "+OK");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    cr_assert(engine_leads(rig_engine(r, "us-1")));
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    world_wipe(r->w, rig_node(r, "us-3"));
    world_pause(r->w, rig_node(r, "us-2"));
    world_start(r->w, rig_node(r, "us-3"));
    rig_run(r, MS(700));
    EXPECT_LIKE(rig_do(r, "us-1", "SET a 2"), "-INDETERMINATE us-1");
    rig_run(r, SECONDS(10));
    EXPECT_LIKE(rig_do(r, "us-1", "SET a 3"), "-INDETERMINATE us-1");
    world_resume(r->w, rig_node(r, "us-2"));
    rig_run(r, SECONDS(10));
    rig_cut(r, "us-1", "*");
    rig_run(r, SECONDS(3));
    EXPECT(r, "us-2", "SET a 4", "+OK");
    rig_close(r);
}

Test(lead, hands_over, .description = "Leadership moves where it is told to, and clients notice nothing") {
    struct rig *r = rig_open("us:3 eu:1");
    char command[32], want[32];
    EXPECT(r, "us-2", "TRUCE.LEAD us-3", "-ERR us-2 does not lead us: us-1");
    EXPECT(r, "us-1", "TRUCE.LEAD eu-1", "-ERR expected a node of us that votes there");
    EXPECT(r, "us-1", "TRUCE.LEAD us-3", "+OK");
    for (int i = 1; i <= 20; i++) {
        snprintf(want, sizeof want, ":%d", i);
        snprintf(command, sizeof command, "INCR a");
        EXPECT(r, i % 2 ? "us-1" : "us-2", command, want);
        rig_run(r, MS(20));
    }
    cr_assert(engine_leads(rig_engine(r, "us-3")));
    cr_assert(!engine_leads(rig_engine(r, "us-1")));
    rig_settle(r);
    EXPECT(r, "eu-1", "GET a", "$2 20");
    rig_close(r);
}

Test(lead, unreachable_heir, .description = "Whoever cannot take over does not, and the leader goes on") {
    struct rig *r = rig_open("us:3");
    rig_cut(r, "us-3", "us-2");
    EXPECT(r, "us-1", "TRUCE.LEAD us-3", "+OK");
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    EXPECT(r, "us-1", "SET a 1", "+OK");
    cr_assert(engine_leads(rig_engine(r, "us-1")));
    rig_run(r, SECONDS(2));
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.LEAD us-3"), "-ERR us-3 cannot be reached from us-1");
    rig_close(r);
}

Test(lead, leaderless, .description = "In a leaderless datacenter every node takes writes, whichever of them are left, and nothing is lost") {
    struct rig *r = rig_open("us:3* eu:2 | \"ack\": \"one\"");
    for (int i = 1; i <= 3; i++) {
        char node[8], key[32];
        snprintf(node, sizeof node, "us-%d", i);
        snprintf(key, sizeof key, "SET k%d %d", i, i);
        EXPECT(r, node, key, "+OK");
        EXPECT(r, node, "TRUCE.READ linearizable", "-ERR us has no leader, and so no linearizable reads");
    }
    rig_settle(r);
    for (int i = 1; i <= 2; i++) EXPECT(r, i == 1 ? "eu-1" : "eu-2", "MGET k1 k2 k3", "*3 $1 1 $1 2 $1 3");
    world_kill(r->w, rig_node(r, "us-1"), CRASH_PROCESS);
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-2", "TRUCE.ACK leader", "+OK");
    EXPECT(r, "us-2", "SET k2 4", "+OK");
    rig_run(r, SECONDS(3));
    EXPECT(r, "eu-2", "GET k2", "$1 4");
    world_start(r->w, rig_node(r, "us-1"));
    world_start(r->w, rig_node(r, "us-3"));
    rig_settle(r);
    EXPECT(r, "us-3", "GET k2", "$1 4");
    rig_close(r);
}
