#include "../../dc-node/core/session.h"
#include "engine_rig.h"

/* What users count on: writes arrive everywhere, meet, and survive cuts. */
TestSuite(replicate);

Test(replicate, everywhere, .description = "A write reaches the followers and the other datacenters") {
    struct rig *r = rig_open("us:2 eu:2 ap:1");
    EXPECT(r, "us-1", "HSET h f v g w", ":2");
    rig_settle(r);
    const char *nodes[] = {"us-1", "us-2", "eu-1", "eu-2", "ap-1"};
    for (int i = 0; i < 5; i++) EXPECT(r, nodes[i], "HGETALL h", "*4 $1 f $1 v $1 g $1 w");
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) cr_assert_eq(r->applied[i], 1u);
    rig_close(r);
}

Test(replicate, cut_and_heal, .description = "Both sides of a cut write, and after it all agree, with the loser in every journal") {
    struct rig *r = rig_open("us:2 eu:2");
    EXPECT(r, "us-1", "SET a 0", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-2", "SET a us", "+OK");
    rig_run(r, MS(10));
    EXPECT(r, "eu-2", "SET a eu", "+OK");
    rig_run(r, SECONDS(10));
    EXPECT(r, "us-1", "GET a", "$2 us");
    rig_heal(r, "us", "eu");
    rig_settle(r);
    const char *nodes[] = {"us-1", "us-2", "eu-1", "eu-2"};
    for (int i = 0; i < 4; i++) {
        EXPECT(r, nodes[i], "GET a", "$2 eu");
        const char *conflicts = rig_do(r, nodes[i], "TRUCE.CONFLICTS");
        EXPECT_LIKE(conflicts, "*1 ");
        EXPECT_LIKE(conflicts, "$8 loser_dc $2 us");
        EXPECT_LIKE(conflicts, "$5 value $2 us");
    }
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS a"), "siblings *2");
    EXPECT(r, "us-2", "SET a both", "+OK");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "eu-2", "TRUCE.SIBLINGS a"), "siblings *1");
    EXPECT_LIKE(rig_do(r, "eu-2", "TRUCE.CONFLICTS"), "$5 value $2 us");
    rig_close(r);
}

Test(replicate, dragged_clock, .description = "A write made after another was seen wins, whatever the clocks say") {
    struct rig *r = rig_open("us:1 eu:1");
    world_skew(r->w, rig_node(r, "us-1"), 400, 0, false); /* within the bound */
    EXPECT(r, "us-1", "SET a us", "+OK");
    rig_settle(r);
    EXPECT(r, "eu-1", "SET a eu", "+OK");
    rig_settle(r);
    EXPECT(r, "us-1", "GET a", "$2 eu");
    rig_close(r);
}

Test(replicate, clock_far_ahead, .description = "A clock far ahead orders its own concurrent writes, and drags no other clock along") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    world_skew(r->w, rig_node(r, "us-1"), 3600 * 1000, 0, false);
    EXPECT(r, "us-1", "SET a us", "+OK");
    rig_settle(r);
    EXPECT(r, "eu-1", "SET a eu", "+OK");
    rig_settle(r);
    EXPECT(r, "us-1", "GET a", "$2 eu");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS a"), "siblings *1");
    rig_cut(r, "eu", "ap");
    EXPECT(r, "eu-1", "SET b eu", "+OK");
    rig_run(r, MS(100));
    EXPECT(r, "ap-1", "SET b ap", "+OK");
    rig_heal(r, "eu", "ap");
    rig_settle(r);
    EXPECT(r, "us-1", "GET b", "$2 ap"); /* the later of two right clocks */
    json_t *s = rig_status(r, "eu-1");
    cr_assert_eq(json_array_size(json_object_get(s, "alarms")), 1u);
    json_decref(s);
    rig_close(r);
}

Test(replicate, relay, .description = "Where two datacenters are cut apart a third relays, and stops when the cut heals") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    rig_cut(r, "eu", "ap");
    rig_run(r, SECONDS(5));
    EXPECT(r, "ap-1", "SET a ap", "+OK");
    EXPECT(r, "eu-1", "SET b eu", "+OK");
    rig_settle(r);
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "us-1", "subscribed"), "ap us");
    cr_assert_str_eq(rig_peer_text(r, "ap-1", "us-1", "subscribed"), "eu us");
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "ap-1", "state"), "connecting");
    rig_heal(r, "eu", "ap");
    rig_run(r, SECONDS(5));
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "us-1", "subscribed"), "us");
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "ap-1", "subscribed"), "ap");
    cr_assert_str_eq(rig_peer_text(r, "eu-1", "ap-1", "state"), "up");
    for (uint32_t i = 0; i < 3; i++) cr_assert_eq(r->applied[i], 2u);
    rig_close(r);
}

Test(replicate, one_way_cut, .description = "A cut of one direction is noticed, and relayed around") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    rig_cut_way(r, "ap", "eu");
    EXPECT(r, "ap-1", "SET a ap", "+OK");
    EXPECT(r, "eu-1", "SET b eu", "+OK");
    rig_settle(r);
    rig_heal_way(r, "ap", "eu");
    rig_cut_way(r, "eu", "ap");
    EXPECT(r, "ap-1", "SET a ap2", "+OK");
    EXPECT(r, "eu-1", "SET b eu2", "+OK");
    rig_settle(r);
    EXPECT(r, "us-1", "MGET a b", "*2 $3 ap2 $3 eu2");
    rig_close(r);
}

Test(replicate, chain, .description = "Four datacenters in a chain of links agree") {
    struct rig *r = rig_open("a:1 b:1 c:1 d:1");
    rig_cut(r, "a", "c");
    rig_cut(r, "a", "d");
    rig_cut(r, "b", "d");
    rig_run(r, SECONDS(5));
    EXPECT(r, "a-1", "SET x a", "+OK");
    EXPECT(r, "d-1", "SET y d", "+OK");
    rig_settle(r);
    EXPECT(r, "d-1", "MGET x y", "*2 $1 a $1 d");
    EXPECT(r, "a-1", "MGET x y", "*2 $1 a $1 d");
    rig_close(r);
}

Test(replicate, causal_order, .description = "A reader never sees an answer before its question, though one link is slow") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    rig_slow(r, "us", "ap", &(struct link_options){.latency_us = MS(700)});
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-1", "SET question 1", "+OK");
    rig_run(r, MS(50));
    EXPECT(r, "eu-1", "GET question", "$1 1");
    EXPECT(r, "eu-1", "SET answer 1", "+OK");
    bool seen = false;
    for (int i = 0; i < 300 && !seen; i++) {
        rig_run(r, MS(10));
        seen = strcmp(rig_do(r, "ap-1", "GET answer"), "$1 1") == 0;
        if (seen) EXPECT(r, "ap-1", "GET question", "$1 1");
    }
    cr_assert(seen);
    rig_close(r);
}

Test(replicate, atomic, .description = "A transaction is seen whole or not at all, on followers and in other datacenters") {
    struct rig *r = rig_open("us:1 eu:2");
    for (int i = 0; i < 200; i++) {
        char pair[64];
        snprintf(pair, sizeof pair, "MSET a %d b %d", i, i);
        rig_send(r, r->clients[rig_node(r, "us-1")], pair);
        rig_run(r, 300);
        const char *both = rig_do(r, "eu-2", "MGET a b");
        size_t half = (strlen(both) - 2) / 2;
        cr_assert(strncmp(both + 3, both + 3 + half, half - 1) == 0, "%s", both);
    }
    rig_close(r);
}

Test(replicate, long_cut, .description = "Twenty thousand events of a cut are caught up with in bounded windows") {
    struct rig *r = rig_open("us:2 eu:1");
    rig_cut(r, "us", "eu");
    char *command = rig_word('x', 400);
    uint32_t c = r->clients[rig_node(r, "us-1")], d = r->clients[rig_node(r, "eu-1")];
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(command, 40, "SET k%05d ", i % 3000);
        command[n] = 'x';
        rig_send(r, c, command);
        command[4] = 'e';
        rig_send(r, d, command);
        if (i % 100 == 99) rig_run(r, MS(20));
    }
    rig_run(r, SECONDS(5));
    rig_heal(r, "us", "eu");
    rig_settle(r);
    EXPECT(r, "eu-1", "DBSIZE", ":6000");
    EXPECT(r, "us-2", "DBSIZE", ":6000");
    free(command);
    rig_close(r);
}

Test(replicate, flapping, .description = "A link that flaps does not keep datacenters from agreeing") {
    struct rig *r = rig_open("us:2 eu:1");
    for (int i = 0; i < 100; i++) {
        rig_send(r, r->clients[rig_node(r, "us-2")], "INCR n");
        rig_send(r, r->clients[rig_node(r, "eu-1")], "INCR m");
        if (i % 2)
            rig_cut(r, "us", "eu");
        else
            rig_heal(r, "us", "eu");
        if (i % 5 == 0) world_disconnect(r->w, rig_node(r, "us-1"), rig_node(r, "us-2"));
        rig_run(r, MS(130));
    }
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT(r, "us-1", "GET m", "$3 100");
    rig_close(r);
}

Test(replicate, cart, .description = "The shopping cart: a write replaces what its client had seen, and stays beside what it had not") {
    struct rig *r = rig_open("us:2");
    EXPECT(r, "us-1", "TRUCE.WITH - SET cart milk", "+OK");
    rig_settle(r);
    char context[200];
    cr_assert_eq(sscanf(rig_do(r, "us-2", "TRUCE.CONTEXT cart"), "$%*d %199s", context), 1);
    EXPECT(r, "us-2", "TRUCE.WITH - SET cart eggs", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS cart"), "siblings *2");
    char command[300];
    snprintf(command, sizeof command, "TRUCE.WITH %s SET cart milk+flour", context);
    EXPECT(r, "us-2", command, "+OK");
    const char *siblings = rig_do(r, "us-2", "TRUCE.SIBLINGS cart");
    EXPECT_LIKE(siblings, "siblings *2");
    EXPECT_LIKE(siblings, "$4 eggs");
    EXPECT_LIKE(siblings, "$10 milk+flour");
    rig_settle(r);
    EXPECT(r, "us-1", "SET cart all", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS cart"), "siblings *1");
    rig_close(r);
}

Test(replicate, cart_in_two, .description = "A context read in one datacenter is good in another once that has applied it") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET cart milk", "+OK");
    char context[200], command[300];
    cr_assert_eq(sscanf(rig_do(r, "us-1", "TRUCE.CONTEXT cart"), "$%*d %199s", context), 1);
    snprintf(command, sizeof command, "TRUCE.WITH %s SET cart flour", context);
    rig_cut(r, "us", "eu");
    rig_run(r, MS(10));
    EXPECT(r, "us-1", "SET cart eggs", "+OK");
    rig_heal(r, "us", "eu");
    rig_settle(r);
    EXPECT(r, "eu-1", command, "+OK");
    rig_settle(r);
    for (uint32_t i = 0; i < 2; i++) {
        const char *siblings = rig_do(r, i ? "us-1" : "eu-1", "TRUCE.SIBLINGS cart");
        EXPECT_LIKE(siblings, "siblings *2");
        EXPECT_LIKE(siblings, "$4 eggs");
        EXPECT_LIKE(siblings, "$5 flour");
    }
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "SET other 1", "+OK");
    cr_assert_eq(sscanf(rig_do(r, "us-1", "TRUCE.CONTEXT cart"), "$%*d %199s", context), 1);
    snprintf(command, sizeof command, "TRUCE.WITH %s SET cart sugar", context);
    EXPECT_LIKE(rig_do(r, "eu-1", command), "-BEHIND");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.WITH us-9.00000000000000aa:1 SET cart sugar"), "-BEHIND");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.WITH nonsense SET cart sugar"), "-ERR");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.WITH - FLUSHALL ASYNC"), "-ERR TRUCE.WITH takes a command that writes");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.WITH - GET cart"), "-ERR TRUCE.WITH takes a command that writes");
    rig_close(r);
}

Test(replicate, siblings_cap, .description = "More siblings than the cap are refused, and the row stays as it was") {
    struct rig *r = rig_open("us:1 | \"siblings_max\": 3");
    for (int i = 0; i < 3; i++) EXPECT(r, "us-1", "TRUCE.WITH - SET a 1", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.WITH - SET a 2"), "-SIBLINGS");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS a"), "siblings *3");
    EXPECT(r, "us-1", "SET a 3", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.SIBLINGS a"), "siblings *1");
    rig_close(r);
}

Test(replicate, failed_command, .description = "A command that fails inside EXEC changes nothing, the others count") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET s text", "+OK");
    EXPECT(r, "us-1", "MULTI", "+OK");
    EXPECT(r, "us-1", "SET a 1", "+QUEUED");
    EXPECT(r, "us-1", "INCR s", "+QUEUED");
    EXPECT(r, "us-1", "APPEND a 2", "+QUEUED");
    EXPECT(r, "us-1", "DEL s", "+QUEUED");
    EXPECT(r, "us-1", "EXEC", "*4 +OK -ERR value is not an integer or out of range :2 :1");
    rig_settle(r);
    EXPECT(r, "eu-1", "MGET a s", "*2 $2 12 $-1");
    cr_assert_eq(r->applied[rig_node(r, "eu-1")], 2u);
    rig_close(r);
}

Test(replicate, wait, .description = "WAIT counts the nodes that have the write on disk, and gives up in time") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    EXPECT(r, "us-1", "WAIT 2 1000", ":2");
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "SET a 2", "+OK");
    EXPECT(r, "us-1", "WAIT 2 500", ":1");
    EXPECT(r, "us-2", "SET a 3", "+OK");
    EXPECT(r, "us-2", "WAIT 1 1000", ":1");
    rig_send(r, r->clients[rig_node(r, "us-1")], "SET a 4");
    rig_send(r, r->clients[rig_node(r, "us-1")], "WAIT 2 0");
    rig_run(r, SECONDS(5));
    rig_heal(r, "us", "eu");
    EXPECT(r, "us-1", "GET a", "$1 4"); /* behind the WAIT */
    EXPECT(r, "eu-1", "GET a", "$1 4");
    rig_close(r);
}

Test(replicate, flushall, .description = "FLUSHALL deletes what the leader has, everywhere") {
    struct rig *r = rig_open("us:2 eu:1");
    for (int i = 0; i < 5000; i++) {
        char command[40];
        snprintf(command, sizeof command, "SET k%d v", i);
        rig_send(r, r->clients[rig_node(r, "eu-1")], command);
    }
    rig_run(r, SECONDS(1));
    rig_settle(r);
    EXPECT(r, "us-2", "DBSIZE", ":5000");
    EXPECT(r, "us-2", "FLUSHALL", "+OK");
    rig_settle(r);
    EXPECT(r, "eu-1", "DBSIZE", ":0");
    EXPECT(r, "us-2", "DBSIZE", ":0");
    rig_run(r, SECONDS(30)); /* the tombstones are stable, and go */
    struct engine_figures f;
    engine_get_figures(rig_engine(r, "eu-1"), &f);
    cr_assert_eq(f.tombstones_collected, 5000u);
    rig_settle(r);
    rig_close(r);
}

Test(replicate, deleted_stays_deleted, .description = "What was deleted does not come back: not after a cut, a collection, or a restart") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    rig_cut(r, "ap", "*");
    EXPECT(r, "us-1", "DEL a", ":1");
    rig_run(r, SECONDS(20));
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_restart(r, "ap-1", CRASH_PROCESS);
    rig_run(r, SECONDS(5));
    EXPECT(r, "ap-1", "GET a", "$1 1");
    rig_heal(r, "ap", "*");
    rig_settle(r);
    rig_run(r, SECONDS(20));
    rig_restart(r, "eu-1", CRASH_MACHINE);
    rig_settle(r);
    const char *nodes[] = {"us-1", "eu-1", "ap-1"};
    for (int i = 0; i < 3; i++) EXPECT(r, nodes[i], "GET a", "$-1");
    rig_close(r);
}

static void collect_keys(const char *reply, bool found[3000]) {
    for (const char *p = reply; (p = strstr(p, " k")); p += 2) {
        unsigned n = (unsigned)strtoul(p + 2, NULL, 10);
        if (n < 3000) found[n] = true;
    }
}

Test(replicate, scan, .description = "SCAN returns every key that was there throughout, while rows are written, flushed and deleted") {
    struct rig *r = rig_open("us:1");
    uint32_t c = r->clients[0], other = world_client(r->w, 0);
    for (int i = 0; i < 3000; i++) {
        char command[40];
        snprintf(command, sizeof command, "SET k%d v", i);
        rig_send(r, c, command);
    }
    rig_run(r, SECONDS(5));
    for (int round = 0; round < 3; round++) {
        bool found[3000] = {0};
        char command[60] = "SCAN 0";
        int step = 0;
        do {
            const char *reply = rig_do_as(r, c, command);
            char cursor[30];
            cr_assert_eq(sscanf(reply, "*2 $%*d %29s", cursor), 1);
            collect_keys(reply, found);
            snprintf(command, sizeof command, "SCAN %s COUNT %d", cursor, 1 + step % 50);
            char change[40];
            snprintf(change, sizeof change, step % 3 ? "SET k%d w" : "DEL gone%d", step * 37 % 3000);
            rig_send(r, other, change);
            rig_run(r, MS(step % 10 ? 1 : 600));
            step++;
        } while (strncmp(command, "SCAN 0 ", 7) != 0);
        for (int i = 0; i < 3000; i++) cr_assert(found[i], "k%d was not returned", i);
    }
    rig_close(r);
}
