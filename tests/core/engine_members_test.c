#include "engine_rig.h"

/* Nodes and datacenters that come and go while the others run. */
TestSuite(members);

static void expect_standing(struct rig *r, const char *node, const char *standing) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        if (!world_alive(r->w, i) || !world_takes_part(r->w, i)) continue;
        const char *at = r->cluster.nodes[i].name;
        cr_assert_str_eq(rig_standing(r, at, node), standing, "%s says that %s is %s, not %s", at, node, rig_standing(r, at, node), standing);
    }
}

static void write_some(struct rig *r, const char *node, unsigned from, unsigned count) {
    char command[80];
    for (unsigned i = from; i < from + count; i++) {
        snprintf(command, sizeof command, "SET k%u v%u", i, i);
        EXPECT(r, node, command, "+OK");
    }
}

static bool all_is_stable(struct rig *r, const char *node) {
    json_t *s = rig_status(r, node);
    bool all = json_equal(json_object_get(s, "vv"), json_object_get(s, "stable"));
    json_decref(s);
    return all;
}

static bool has_alarm(struct rig *r, const char *node, const char *part) {
    json_t *s = rig_status(r, node);
    char *text = json_dumps(json_object_get(s, "alarms"), 0);
    bool has = strstr(text, part) != NULL;
    free(text);
    json_decref(s);
    return has;
}

Test(members, node_joins, .description = "A node that is added takes what there is, and votes when the leader has seen that it has it") {
    struct rig *r = rig_open_absent("us:3 eu:1", 1, "us-3");
    write_some(r, "us-1", 0, 100);
    rig_join(r, "us-1", "us-3");
    rig_run(r, MS(50));
    expect_standing(r, "us-1", "member");
    cr_assert_str_eq(rig_standing(r, "us-1", "us-3"), "joining");
    for (unsigned i = 100; i < 150; i += 10) {
        write_some(r, "us-1", i, 10);
        write_some(r, "eu-1", i + 1000, 10);
        rig_run(r, MS(300));
    }
    rig_run(r, SECONDS(4));
    rig_settle(r);
    expect_standing(r, "us-3", "member");
    EXPECT(r, "us-3", "GET k7", "$2 v7");
    EXPECT(r, "us-3", "SET late 1", "+OK");
    rig_run(r, SECONDS(3));
    rig_settle(r);
    cr_assert(all_is_stable(r, "eu-1"));
    rig_close(r);
}

Test(members, survives_restarts, .description = "Members are what rows say, after a restart too, and nodes that were away learn of them") {
    struct rig *r = rig_open_absent("us:3 eu:2", 1, "us-3");
    world_kill(r->w, rig_node(r, "eu-2"), CRASH_PROCESS);
    rig_join(r, "us-1", "us-3");
    rig_run(r, SECONDS(8));
    expect_standing(r, "us-3", "member");
    rig_restart(r, "us-2", CRASH_PROCESS);
    rig_restart(r, "us-3", CRASH_PROCESS);
    world_start(r->w, rig_node(r, "eu-2"));
    cr_assert_str_eq(rig_standing(r, "us-2", "us-3"), "member", "from its log");
    rig_run(r, SECONDS(5));
    EXPECT(r, "us-3", "SET a 1", "+OK");
    rig_settle(r);
    expect_standing(r, "us-3", "member");
    rig_close(r);
}

Test(members, refusals, .description = "What cannot be done is refused in words") {
    struct rig *r = rig_open_absent("us:3 eu:1", 1, "us-3");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us-2 h:91 h:92"), "us-2 is member: names are not used twice");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us h:91 h:92"), "expected the name of a node");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us-4 h h:92"), "host:port");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us-4 h:1 h:92"), "is where us-1 listens for clients");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD eu-2 h:91 h:92"), "at the leader of eu");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS REMOVE eu-1"), "at the leader of eu");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS REMOVE mars"), "no such node or datacenter");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.MEMBERS REMOVE eu-1"), "the only member of eu");
    EXPECT_LIKE(rig_do(r, "eu-1", "TRUCE.MEMBERS REMOVE eu"), "at the leader of another one");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS TURN us-1"), "expected TRUCE.MEMBERS");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD"), "syntax");
    EXPECT_LIKE(rig_do(r, "us-1", "HSET truce:node:us-3 standing member"), "TRUCE.MEMBERS");
    EXPECT(r, "us-1", "TRUCE.MEMBERS ADD us-3 h:91 h:92", "+OK");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us-4 h:93 h:94"), "BUSY us-3 is joining");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS REMOVE us-2"), "BUSY us-3 is joining");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS"), "us-3");
    rig_close(r);
}

Test(members, stable_waits, .description = "Nothing more becomes stable before a node that is added has it") {
    struct rig *r = rig_open_absent("us:2 eu:1", 1, "us-2");
    write_some(r, "us-1", 0, 5);
    rig_run(r, SECONDS(3));
    cr_assert(all_is_stable(r, "us-1"));
    EXPECT(r, "us-1", "TRUCE.MEMBERS ADD us-2 h:91 h:92", "+OK");
    EXPECT(r, "us-1", "DEL k1", ":1");
    rig_run(r, SECONDS(5));
    cr_assert(!all_is_stable(r, "us-1"));
    cr_assert(!all_is_stable(r, "eu-1"));
    world_start(r->w, rig_node(r, "us-2"));
    rig_run(r, SECONDS(8));
    rig_settle(r);
    cr_assert(all_is_stable(r, "us-1"));
    cr_assert(all_is_stable(r, "eu-1"));
    rig_close(r);
}

static void remove_and_wait(struct rig *r, const char *at, const char *node) {
    char command[80];
    const char *reply = "";
    snprintf(command, sizeof command, "TRUCE.MEMBERS REMOVE %s", node);
    for (int i = 0; i < 20; i++) {
        reply = rig_do(r, at, command);
        if (strncmp(reply, "-BUSY", 5) != 0) break;
        rig_run(r, MS(300));
    }
    cr_assert_str_eq(reply, "+OK");
    rig_run(r, SECONDS(4));
}

Test(members, follower_leaves,
     .description = "A follower that is removed hands over all it has, takes no more commands, and does not hold up what is stable") {
    struct rig *r = rig_open("us:3 eu:1");
    EXPECT(r, "us-3", "SET a 1", "+OK");
    remove_and_wait(r, "us-1", "us-3");
    expect_standing(r, "us-3", "removed");
    EXPECT_LIKE(rig_do(r, "us-3", "GET a"), "-REMOVED us-3 was removed");
    write_some(r, "us-1", 0, 5);
    rig_run(r, SECONDS(4));
    rig_settle(r);
    cr_assert(all_is_stable(r, "us-1"));
    cr_assert(all_is_stable(r, "eu-1"));
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS REMOVE us-3"), "removed already");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD us-3 h:91 h:92"), "names are not used twice");
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_restart(r, "eu-1", CRASH_PROCESS);
    rig_run(r, SECONDS(5));
    expect_standing(r, "us-3", "removed");
    write_some(r, "us-1", 5, 5);
    rig_run(r, SECONDS(4));
    cr_assert(all_is_stable(r, "eu-1"), "a restart does not make it count again");
    rig_close(r);
}

Test(members, leader_leaves, .description = "A leader that is removed leaves its place to another, and what it wrote stays") {
    struct rig *r = rig_open("us:3 eu:1");
    const char *leader = r->cluster.nodes[engine_leader(rig_engine(r, "us-1"))].name;
    const char *other = strcmp(leader, "us-2") == 0 ? "us-3" : "us-2";
    write_some(r, leader, 0, 20);
    remove_and_wait(r, other, leader);
    rig_run(r, SECONDS(5));
    expect_standing(r, leader, "removed");
    EXPECT(r, other, "GET k19", "$3 v19");
    EXPECT(r, other, "SET after 1", "+OK");
    rig_run(r, SECONDS(4));
    rig_settle(r);
    cr_assert(all_is_stable(r, "eu-1"));
    rig_close(r);
}

Test(members, dead_is_removed, .description = "A dead node that is removed by force counts for what is stable until every other node knows it") {
    struct rig *r = rig_open("us:3 eu:1 ap:1");
    rig_cut(r, "ap", "*");
    EXPECT(r, "us-3", "SET a 1", "+OK");
    world_kill(r->w, rig_node(r, "us-3"), CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    const char *reply = "";
    for (int i = 0; i < 20 && strcmp(reply, "+OK") != 0; i++) {
        reply = rig_do(r, "us-1", "TRUCE.MEMBERS REMOVE us-3 FORCE");
        rig_run(r, MS(300));
    }
    cr_assert_str_eq(reply, "+OK");
    write_some(r, "us-1", 0, 5);
    rig_run(r, SECONDS(4));
    cr_assert(!all_is_stable(r, "us-1"));
    cr_assert(has_alarm(r, "us-1", "us-3 was removed, and some nodes have not said yet that they know"));
    rig_heal(r, "ap", "*");
    rig_run(r, SECONDS(8));
    rig_settle(r);
    cr_assert(all_is_stable(r, "us-1"));
    cr_assert(all_is_stable(r, "ap-1"));
    cr_assert(!has_alarm(r, "us-1", "was removed"));
    world_start(r->w, rig_node(r, "us-3"));
    rig_run(r, SECONDS(3));
    json_t *s = rig_status(r, "us-3"), *p;
    size_t i;
    json_array_foreach(json_object_get(s, "peers"), i, p) cr_assert(json_is_false(json_object_get(p, "connected")));
    json_decref(s);
    rig_close(r);
}

Test(members, dc_joins, .description = "A datacenter begins with one node that another's leader adds, leads itself from then on, and grows") {
    struct rig *r = rig_open_absent("us:2 ap:2", 1, "ap-1 ap-2");
    write_some(r, "us-1", 0, 50);
    rig_join(r, "us-2", "ap-1");
    rig_run(r, SECONDS(8));
    expect_standing(r, "ap-1", "member");
    EXPECT(r, "ap-1", "GET k3", "$2 v3");
    EXPECT(r, "ap-1", "SET here 1", "+OK");
    rig_settle(r);
    EXPECT(r, "us-1", "GET here", "$1 1");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.MEMBERS ADD ap-2 h:91 h:92"), "at the leader of ap");
    rig_join(r, "ap-1", "ap-2");
    rig_run(r, SECONDS(8));
    expect_standing(r, "ap-2", "member");
    EXPECT(r, "ap-2", "SET here 2", "+OK");
    rig_settle(r);
    rig_close(r);
}

Test(members, dc_leaves, .description = "A datacenter is removed as a whole, by another one's leader, with all that it has written") {
    struct rig *r = rig_open("us:2 eu:2 ap:1");
    write_some(r, "eu-1", 0, 20);
    write_some(r, "eu-2", 20, 20);
    EXPECT(r, "us-1", "TRUCE.MEMBERS REMOVE eu", "+OK");
    rig_run(r, SECONDS(6));
    expect_standing(r, "eu-1", "removed");
    expect_standing(r, "eu-2", "removed");
    EXPECT_LIKE(rig_do(r, "eu-1", "SET a 1"), "-REMOVED");
    EXPECT(r, "ap-1", "GET k39", "$3 v39");
    EXPECT(r, "ap-1", "SET a 1", "+OK");
    rig_run(r, SECONDS(4));
    rig_settle(r);
    cr_assert(all_is_stable(r, "us-1"));
    rig_close(r);
}

Test(members, both_at_once, .description = "Two datacenters that change their nodes without knowing of each other end with both changes") {
    struct rig *r = rig_open_absent("us:3 eu:3", 1, "us-3 eu-3");
    rig_cut(r, "us", "eu");
    rig_join(r, "us-1", "us-3");
    rig_join(r, "eu-1", "eu-3");
    for (unsigned i = 0; i < 10; i++) {
        write_some(r, "us-1", i * 10, 5);
        write_some(r, "eu-1", i * 10 + 5, 5);
        rig_run(r, MS(700));
    }
    cr_assert_str_eq(rig_standing(r, "us-1", "us-3"), "member");
    cr_assert_str_eq(rig_standing(r, "eu-1", "eu-3"), "member");
    EXPECT(r, "us-3", "SET from-us 1", "+OK");
    EXPECT(r, "eu-3", "SET from-eu 1", "+OK");
    rig_heal(r, "us", "eu");
    rig_run(r, SECONDS(8));
    rig_settle(r);
    expect_standing(r, "us-3", "member");
    expect_standing(r, "eu-3", "member");
    cr_assert(all_is_stable(r, "us-3"));
    cr_assert(all_is_stable(r, "eu-3"));
    cr_assert(!has_alarm(r, "us-1", "are not applied"));
    cr_assert(!has_alarm(r, "eu-1", "are not applied"));
    rig_close(r);
}
