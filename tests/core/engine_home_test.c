#include "engine_rig.h"

/* Keys that are written in one datacenter (engine_home.c). */
TestSuite(home);

#define HOMES "\"home\": {\"u\": {\"dc\": \"us\"}, \"w\": {\"dc\": \"us\", \"when_cut\": \"write\"}, \"e\": {\"dc\": \"eu\"}}"
#define SHAPE "us:3 eu:2 | " HOMES

static bool has_origin(struct rig *r, const char *node, const char *part) {
    json_t *s = rig_status(r, node);
    bool has = strstr(json_string_value(json_object_get(s, "vv")), part) != NULL;
    json_decref(s);
    return has;
}

/* The DC's follower of the least number. */
static const char *follower_of(struct rig *r, const char *dc) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        const char *name = r->cluster.nodes[i].name;
        if (strncmp(name, dc, 2) == 0 && !engine_leads(rig_engine(r, name))) return name;
    }
    cr_assert_fail("%s has no follower", dc);
    return "";
}

static const char *leader_of(struct rig *r, const char *dc) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        const char *name = r->cluster.nodes[i].name;
        if (strncmp(name, dc, 2) == 0 && engine_leads(rig_engine(r, name))) return name;
    }
    cr_assert_fail("%s has no leader", dc);
    return "";
}

static struct rig *open_homes(void) {
    struct rig *r = rig_open(SHAPE);
    rig_slow(r, "us", "eu", &(struct link_options){.latency_us = MS(20)});
    rig_run(r, SECONDS(4));
    return r;
}

Test(home, written_there, .description = "A write goes to the leader of its home, and is answered when it is applied here") {
    struct rig *r = open_homes();
    const char *nodes[] = {leader_of(r, "eu"), follower_of(r, "eu")};
    for (int i = 0; i < 2; i++) {
        EXPECT(r, nodes[i], i ? "SET u:2 b" : "SET u:1 a", "+OK");
        EXPECT(r, nodes[i], i ? "GET u:2" : "GET u:1", i ? "$1 b" : "$1 a");
    }
    cr_assert_not(has_origin(r, "us-1", "eu-"), "nothing was written in eu");
    EXPECT(r, nodes[0], "SET other 1", "+OK");
    EXPECT(r, nodes[0], "SET e:1 1", "+OK");
    cr_assert(has_origin(r, nodes[0], "eu-"));
    rig_settle(r);
    EXPECT(r, "us-2", "GET u:2", "$1 b");
    EXPECT(r, "us-2", "SET e:2 1", "+OK");
    EXPECT(r, "us-2", "GET e:2", "$1 1");
    rig_close(r);
}

Test(home, cut, .description = "While the home is cut away the cluster file says whether to refuse or to write here") {
    struct rig *r = open_homes();
    const char *eu = leader_of(r, "eu");
    EXPECT(r, eu, "SET w:1 a", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    rig_run(r, SECONDS(3));
    char text[160];
    snprintf(text, sizeof text, "-HOMECUT u:1 is written in us, which cannot be reached from %s: nothing was written", eu);
    EXPECT(r, eu, "SET u:1 a", text);
    EXPECT(r, eu, "SET w:1 eu", "+OK");
    EXPECT(r, follower_of(r, "eu"), "SET w:2 eu", "+OK");
    EXPECT(r, leader_of(r, "us"), "SET w:1 us", "+OK");
    EXPECT(r, eu, "GET u:1", "$-1");
    EXPECT(r, eu, "MULTI", "+OK");
    EXPECT(r, eu, "SET u:1 a", "+QUEUED");
    EXPECT(r, eu, "EXEC", text);
    rig_heal(r, "us", "eu");
    rig_settle(r);
    EXPECT(r, eu, "GET w:2", "$2 eu");
    EXPECT(r, eu, "SET u:1 a", "+OK");
    rig_close(r);
}

Test(home, transactions, .description = "A transaction is written in the one home that its keys have, and refused where they have two") {
    struct rig *r = open_homes();
    const char *eu = leader_of(r, "eu");
    EXPECT(r, eu, "MULTI", "+OK");
    EXPECT(r, eu, "SET u:1 a", "+QUEUED");
    EXPECT(r, eu, "INCR n", "+QUEUED");
    EXPECT(r, eu, "EXEC", "*2 +OK :1");
    EXPECT(r, eu, "GET u:1", "$1 a");
    EXPECT(r, eu, "MULTI", "+OK");
    EXPECT(r, eu, "SET u:1 b", "+QUEUED");
    EXPECT(r, eu, "SET e:1 b", "+QUEUED");
    EXPECT(r, eu, "EXEC", "-HOMES u:1 is written in us, and something beside it in eu: nothing was written");
    EXPECT(r, eu, "MSET u:1 c e:1 c", "-HOMES u:1 is written in us, and something beside it in eu: nothing was written");
    EXPECT(r, eu, "GET u:1", "$1 a");
    cr_assert_not(has_origin(r, "us-1", "eu-"));
    rig_close(r);
}

Test(home, watched, .description = "A watched key is watched at its home, and what is written beside it must not have another") {
    struct rig *r = open_homes();
    const char *eu = leader_of(r, "eu"), *us = leader_of(r, "us");
    EXPECT(r, eu, "WATCH u:1", "+OK");
    EXPECT(r, us, "SET u:1 first", "+OK");
    EXPECT(r, eu, "MULTI", "+OK");
    EXPECT(r, eu, "SET u:1 second", "+QUEUED");
    EXPECT(r, eu, "EXEC", "*-1");
    EXPECT(r, eu, "GET u:1", "$5 first");
    EXPECT(r, eu, "WATCH u:1", "+OK");
    EXPECT(r, eu, "SET e:1 x", "-HOMES e:1 is written in eu, and this would be in us: nothing was written");
    EXPECT(r, eu, "UNWATCH", "+OK");
    EXPECT(r, eu, "SET e:1 x", "+OK");
    EXPECT(r, eu, "WATCH e:1", "+OK");
    EXPECT(r, eu, "MULTI", "+OK");
    EXPECT(r, eu, "SET u:1 x", "+QUEUED");
    EXPECT(r, eu, "EXEC", "-HOMES u:1 is written in us, and what is watched beside it in eu: nothing was written");
    rig_close(r);
}

Test(home, in_order, .description = "Requests of one connection are carried out in order, wherever they are") {
    struct rig *r = open_homes();
    uint32_t c = world_client(r->w, rig_node(r, leader_of(r, "eu")));
    rig_send(r, c, "SET u:1 a");
    rig_send(r, c, "GET u:1");
    rig_send(r, c, "SET e:1 1");
    rig_send(r, c, "APPEND u:1 b");
    rig_send(r, c, "BOGUS");
    rig_send(r, c, "APPEND u:1 c");
    rig_send(r, c, "MSET u:1 c e:1 c");
    EXPECT_AS(r, c, "GET u:1", "$3 abc");
    EXPECT_AS(r, c, "GET e:1", "$1 1");
    rig_close(r);
}

Test(home, its_leader_dies,
     .description = "When the home's leader dies what was under way is indeterminate, and the next one takes what comes then") {
    struct rig *r = open_homes();
    const char *eu = follower_of(r, "eu");
    char dead[16];
    snprintf(dead, sizeof dead, "%s", leader_of(r, "us"));
    uint32_t c = world_client(r->w, rig_node(r, eu));
    EXPECT_AS(r, c, "SET u:1 a", "+OK");
    world_kill(r->w, rig_node(r, dead), CRASH_PROCESS);
    EXPECT_LIKE(rig_do_as(r, c, "SET u:1 b"), "-INDETERMINATE");
    rig_run(r, SECONDS(5));
    EXPECT_AS(r, c, "SET u:1 c", "+OK");
    EXPECT_AS(r, c, "GET u:1", "$1 c");
    world_start(r->w, rig_node(r, dead));
    rig_settle(r);
    rig_close(r);
}
