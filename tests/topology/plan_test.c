#include "../../topology/links.h"
#include <criterion/criterion.h>

/* Who subscribes to whom; and what of a subscription came. */
TestSuite(plan);

#define NOW        UINT64_C(10000000)
#define NODE(c, p) "{\"client\":\"h:" #c "\",\"peer\":\"h:" #p "\"}"

/* Three DCs: ap (node 0), eu (1), us (2 leads, 3 follows). */
struct scene {
    struct cluster cluster;
    struct link links[4];
    uint32_t leaders[3], want[4];
    bool more[4][3]; /* by peer and DC */
};

static bool has_more(void *arg, uint32_t peer, uint32_t dc) { return ((struct scene *)arg)->more[peer][dc]; }

static struct scene *scene_make(void) {
    static struct scene s;
    struct buf why = {0};
    memset(&s, 0, sizeof s);
    cr_assert(cluster_parse("t",
                            slice_text("{\"cluster\":\"t\",\"datacenters\":{\"ap\":{\"nodes\":{\"1\":" NODE(1, 2) "}},\"eu\":{\"nodes\":{\"1\":" NODE(
                                3, 4) "}},\"us\":{\"nodes\":{\"1\":" NODE(5, 6) ",\"2\":" NODE(7, 8) "}}}}"),
                            &s.cluster, &why));
    for (uint32_t d = 0; d < 3; d++) s.leaders[d] = cluster_first(&s.cluster, d);
    for (uint32_t i = 0; i < 4; i++) s.links[i] = (struct link){.connected = true, .heard_us = NOW - 1};
    return &s;
}

static void expect(struct scene *s, uint32_t self, uint32_t stuck, uint32_t ap, uint32_t eu, uint32_t us, uint32_t follower) {
    struct plan_input in = {.cluster = &s->cluster,
                            .self = self,
                            .leaders = s->leaders,
                            .links = s->links,
                            .now_us = NOW,
                            .stuck = stuck,
                            .has_more = has_more,
                            .arg = s};
    plan_subscriptions(&in, s->want);
    uint32_t right[] = {ap, eu, us, follower};
    for (uint32_t i = 0; i < 4; i++) cr_assert_eq(s->want[i], right[i], "of node %u: %x, not %x", i, s->want[i], right[i]);
}

enum { AP = 1, EU = 2, US = 4 };

Test(plan, peace, .description = "In peace a leader takes each datacenter's events from its leader, and a follower all from its own") {
    struct scene *s = scene_make();
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t d = 0; d < 3; d++) s->more[i][d] = i < 3 && d == 1;
    expect(s, 0, 0, 0, EU, US, 0);
    expect(s, 2, 0, AP, EU, 0, 0);
    expect(s, 3, 0, 0, 0, SCOPE_ALL, 0);
}

Test(plan, own_lost, .description = "A leader that lacks events of its own datacenter takes them from whoever has them, of that datacenter first") {
    struct scene *s = scene_make();
    s->more[0][2] = s->more[1][2] = true;
    expect(s, 2, 0, AP | US, EU, 0, 0);
    s->more[3][2] = true;
    expect(s, 2, 0, AP, EU, 0, US);
    s->links[3].connected = false;
    expect(s, 2, 0, AP | US, EU, 0, 0);
    expect(s, 0, 0, 0, EU, US, 0);
}

Test(plan, cut, .description = "A datacenter that cannot be reached is relayed by one that has more of it, and by one alone") {
    struct scene *s = scene_make();
    s->links[1].heard_us = NOW - LINK_SILENT_US;
    expect(s, 0, 0, 0, EU, US, 0); /* nobody has more */
    s->more[2][1] = true;
    expect(s, 0, 0, 0, EU, EU | US, 0);
    expect(s, 3, 0, 0, 0, SCOPE_ALL, 0);
    s->links[2].connected = false;
    expect(s, 0, 0, 0, EU, US, 0);
}

Test(plan, relays_on, .description = "A relay goes on while the cut lasts, also when it has no more for the moment") {
    struct scene *s = scene_make();
    s->links[1].heard_us = 0;
    s->links[2].scope = EU | US;
    expect(s, 0, 0, 0, EU, EU | US, 0);
    s->links[1].heard_us = NOW;
    expect(s, 0, 0, 0, EU, US, 0);
}

Test(plan, relays_in_a_circle, .description = "Two that take from each other what neither has turn to who has it") {
    struct scene *s = scene_make();
    s->leaders[2] = LEADER_NONE;
    s->links[3].scope = US; /* it waits for node 2, which waits for it */
    s->links[3].subscribed_us = NOW - SUBSCRIBE_RETRY_US;
    expect(s, 2, 0, 0, 0, 0, US);
    s->more[0][2] = true;
    expect(s, 2, 0, US, 0, 0, 0);
    s->links[3].subscribed_us = NOW - SUBSCRIBE_RETRY_US + 1; /* its report may be about to come */
    expect(s, 2, 0, 0, 0, 0, US);
}

Test(plan, stuck, .description = "A datacenter whose events are waited for too long is relayed though it can be reached") {
    struct scene *s = scene_make();
    s->more[2][1] = true;
    expect(s, 0, EU, 0, EU, EU | US, 0);
    s->more[2][1] = false;
    expect(s, 0, EU, 0, EU, US, 0);
}

static struct link taken(const uint64_t (*blocks)[2], uint32_t count) {
    struct link l = {0};
    for (uint32_t i = 0; i < count; i++) link_take_bytes(&l, blocks[i][1] - blocks[i][0], blocks[i][1], NOW);
    return l;
}

Test(plan, bytes_in_order, .description = "What came in order, twice or in another order leaves no hole") {
    static const uint64_t orders[][4][2] = {
        {{0, 10}, {10, 30}, {30, 31}, {31, 50}},
        {{31, 50}, {30, 31}, {10, 30}, {0, 10}},
        {{10, 30}, {0, 10}, {31, 50}, {30, 31}},
        {{30, 31}, {0, 10}, {31, 50}, {10, 30}},
    };
    for (uint32_t i = 0; i < 4; i++) {
        struct link l = taken(orders[i], 4);
        cr_assert_eq(l.whole_bytes, 50u);
        cr_assert_eq(l.seen_bytes, 50u);
        cr_assert_eq(l.short_since_us, 0u);
        link_take_bytes(&l, 20, 30, NOW);
        cr_assert_eq(l.whole_bytes, 50u);
        cr_assert_eq(l.short_since_us, 0u);
    }
}

Test(plan, hole, .description = "A hole is seen whatever came after it, and closes when it is filled") {
    struct link l = {0};
    link_take_bytes(&l, 10, 10, NOW);
    for (uint64_t to = 30; to <= 1000; to += 10) link_take_bytes(&l, 10, to, NOW + to);
    cr_assert_eq(l.whole_bytes, 10u);
    cr_assert_eq(l.seen_bytes, 1000u);
    cr_assert_eq(l.short_since_us, NOW + 30);
    struct link other = {0};
    static const uint64_t with_hole[][2] = {{0, 10}, {20, 30}, {30, 40}, {10, 20}};
    other = taken(with_hole, 4);
    cr_assert_eq(other.whole_bytes, 40u);
    cr_assert_eq(other.short_since_us, 0u);
}

Test(plan, many_holes, .description = "More holes than are remembered still count as holes") {
    struct link l = {0};
    for (uint64_t i = 1; i <= 3 * LINK_ISLANDS_MAX; i++) link_take_bytes(&l, 1, 2 * i, NOW);
    cr_assert_eq(l.whole_bytes, 0u);
    for (uint64_t i = 1; i <= 3 * LINK_ISLANDS_MAX; i++) link_take_bytes(&l, 1, 2 * i - 1, NOW);
    cr_assert_lt(l.whole_bytes, l.seen_bytes);
    cr_assert_neq(l.short_since_us, 0u);
}
