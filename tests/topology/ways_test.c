#include "../../topology/ways.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* Which datacenters exchange events, and who subscribes to whom, in a ring and in a star. */
TestSuite(ways);

#define NOW UINT64_C(10000000)

static struct cluster cluster;

/* DCs by the letters of `names`, in that order, each of two nodes; `keys` are more keys of the file. */
static const struct cluster *make(const char *names, const char *keys) {
    struct buf json = {0}, why = {0};
    buf_printf(&json, "{\"cluster\":\"t\",%s\"datacenters\":{", keys);
    for (uint32_t i = 0, port = 1; names[i]; i++, port += 4)
        buf_printf(&json, "%s\"%c\":{\"nodes\":{\"1\":{\"client\":\"h:%u\",\"peer\":\"h:%u\"},\"2\":{\"client\":\"h:%u\",\"peer\":\"h:%u\"}}}",
                   i ? "," : "", names[i], port, port + 1, port + 2, port + 3);
    buf_text(&json, "}}");
    cr_assert(cluster_parse("t", buf_slice_of(&json), &cluster, &why), "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&json);
    buf_finish(&why);
    return &cluster;
}

static void expect_neighbours(const struct cluster *c, const char *dc, const char *right) {
    uint32_t mask = ways_neighbours(c, (uint32_t)cluster_find_dc(c, slice_text(dc)));
    char found[DCS_MAX + 1] = "";
    for (uint32_t i = 0, n = 0; i < c->dcs_count; i++)
        if (mask & UINT32_C(1) << i) found[n++] = c->dcs[i].name[0];
    cr_assert_str_eq(found, right, "of %s: %s, not %s", dc, found, right);
}

#define RING "\"topology\":\"ring\","
#define STAR "\"topology\":{\"star\":\"b\"},"

Test(ways, all, .description = "Where nothing else is said each datacenter exchanges events with each") {
    const struct cluster *c = make("abc", "");
    expect_neighbours(c, "a", "bc");
    expect_neighbours(c, "b", "ac");
    cr_assert_not(ways_pass_reports(c));
}

Test(ways, ring, .description = "In a ring each datacenter has the one before it and the one behind it, in order of name") {
    const struct cluster *c = make("abcde", RING);
    expect_neighbours(c, "a", "be");
    expect_neighbours(c, "c", "bd");
    expect_neighbours(c, "e", "ad");
    cr_assert(ways_pass_reports(c));
    c = make("abc", RING);
    expect_neighbours(c, "b", "ac");
    cr_assert_not(ways_pass_reports(c), "in a ring of three all are linked");
    c = make("ab", RING);
    expect_neighbours(c, "a", "b");
    c = make("a", RING);
    expect_neighbours(c, "a", "");
}

Test(ways, ring_at_run_time, .description = "A datacenter that comes later has its place by name, and one without nodes has none") {
    struct cluster *c = (struct cluster *)(uintptr_t)make("abde", RING);
    c->dcs[c->dcs_count++] = (struct cluster_dc){.name = "c"};
    expect_neighbours(c, "b", "ad");
    c->nodes[c->nodes_count++] = (struct cluster_node){.dc = 4, .node = 1, .standing = STANDING_JOINING};
    expect_neighbours(c, "b", "ac");
    expect_neighbours(c, "c", "bd");
    c->nodes[0].standing = c->nodes[1].standing = STANDING_REMOVED;
    expect_neighbours(c, "b", "ec");
    expect_neighbours(c, "e", "bd");
}

Test(ways, star, .description = "In a star all datacenters have the hub alone, and the hub has all") {
    const struct cluster *c = make("abcd", STAR);
    expect_neighbours(c, "b", "acd");
    expect_neighbours(c, "a", "b");
    expect_neighbours(c, "d", "b");
    cr_assert(ways_pass_reports(c));
}

Test(ways, links, .description = "Nodes are linked within a datacenter, between neighbours, and with homes; each with the other alike") {
    const struct cluster *c = make("abcd", RING);
    for (uint32_t a = 0; a < c->nodes_count; a++)
        for (uint32_t b = 0; b < c->nodes_count; b++) {
            uint32_t apart = (c->nodes[a].dc + 4 - c->nodes[b].dc) % 4;
            cr_assert_eq(ways_linked(c, a, b), a != b && apart != 2);
            cr_assert_eq(ways_linked(c, a, b), ways_linked(c, b, a));
        }
    c = make("abcd", RING "\"home\":{\"x\":{\"dc\":\"a\"}},");
    cr_assert(ways_linked(c, 0, 4) && ways_linked(c, 4, 0), "a is a home, and c is across the ring");
    cr_assert_not(ways_linked(c, 2, 6));
    cr_assert(ways_pass_reports(c));
    c = make("abcd", RING "\"home\":{\"x\":{\"dc\":\"a\"},\"y\":{\"dc\":\"d\"}},");
    cr_assert_not(ways_pass_reports(c), "whoever is not beside the other is a home, or is linked with it as one");
}

/* ---- the plan ---- */
struct scene {
    struct link links[NODES_MAX];
    uint32_t leaders[DCS_MAX], want[NODES_MAX];
    bool more[NODES_MAX];
};

static bool has_more(void *arg, uint32_t peer, uint32_t dc) { return dc != 0 && ((struct scene *)arg)->more[peer]; }

static struct scene *scene_of(const struct cluster *c) {
    static struct scene s;
    memset(&s, 0, sizeof s);
    for (uint32_t d = 0; d < c->dcs_count; d++) s.leaders[d] = 2 * d;
    for (uint32_t i = 0; i < c->nodes_count; i++) s.links[i] = (struct link){.connected = true, .heard_us = NOW - 1};
    return &s;
}

static void expect_all_from(const struct cluster *c, struct scene *s, uint32_t self, const char *right) {
    struct plan_input in = {.cluster = c, .self = self, .leaders = s->leaders, .links = s->links, .now_us = NOW, .has_more = has_more, .arg = s};
    plan_subscriptions(&in, s->want);
    struct buf found = {0};
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (s->want[i]) buf_printf(&found, "%s%s", found.n ? " " : "", c->nodes[i].name);
        cr_assert(!s->want[i] || s->want[i] == SCOPE_ALL, "of %s only %x", c->nodes[i].name, s->want[i]);
    }
    buf_u8(&found, 0);
    cr_assert_str_eq((const char *)found.p, right);
    buf_finish(&found);
}

Test(ways, ring_plan, .description = "A leader in a ring takes all events from the leaders beside it, and a follower from its own") {
    const struct cluster *c = make("abcd", RING);
    struct scene *s = scene_of(c);
    expect_all_from(c, s, 0, "b-1 d-1");
    expect_all_from(c, s, 4, "b-1 d-1");
    expect_all_from(c, s, 5, "c-1");
    s->links[2].heard_us = 0;
    expect_all_from(c, s, 0, "b-1 d-1"); /* it is asked as soon as it is heard */
}

Test(ways, star_plan, .description = "The hub takes all events from all, the others from the hub") {
    const struct cluster *c = make("abcd", STAR);
    struct scene *s = scene_of(c);
    expect_all_from(c, s, 2, "a-1 c-1 d-1");
    expect_all_from(c, s, 0, "b-1");
}

Test(ways, no_leader, .description = "While a neighbour's leader is not heard, a node of it that has more stands in, until there is a leader again") {
    const struct cluster *c = make("abcd", STAR);
    struct scene *s = scene_of(c);
    s->leaders[1] = LEADER_NONE;
    expect_all_from(c, s, 0, "");
    s->more[3] = true;
    expect_all_from(c, s, 0, "b-2");
    s->links[3].scope = SCOPE_ALL;
    s->more[3] = false;
    s->more[2] = true;
    expect_all_from(c, s, 0, "b-2");
    s->leaders[1] = 2;
    s->links[2].heard_us = NOW - LINK_SILENT_US;
    expect_all_from(c, s, 0, "b-2");
    s->links[2].heard_us = NOW;
    expect_all_from(c, s, 0, "b-1");
}
