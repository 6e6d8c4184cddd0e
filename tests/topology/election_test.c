#include "../../dc-node/core/prng.h"
#include "../../topology/election.h"
#include "../schemas/help.h"
#include <stdio.h>

/* Elections among a few nodes whose messages are lost, delayed and reordered, whose clocks are off, and which crash and come back with what was
 * durable. Virtual time in milliseconds. */
TestSuite(election);

#define PEERS    5
#define UNDERWAY 400

struct letter {
    uint64_t due_ms;
    uint32_t from, to;
    struct message m;
};

struct town {
    struct cluster cluster;
    struct prng prng;
    uint64_t ms;
    struct election e[PEERS];
    struct election_durable disk[PEERS];
    bool up[PEERS];
    int64_t skew_ms[PEERS];
    uint64_t stamp_ms[PEERS]; /* used; on disk */
    bool cut[PEERS][PEERS];
    struct vv vv[PEERS];
    struct arg {
        struct town *t;
        uint32_t self;
    } args[PEERS];
    struct letter letters[UNDERWAY];
    uint32_t letters_count;
    struct letter outbox[UNDERWAY];
    uint32_t outbox_count;
    uint32_t loss_percent;
    uint64_t delay_ms;
    uint64_t beat_ms[PEERS];
    uint32_t leader_of_term[4096]; /* + 1 */
    bool has_written;
    uint64_t used_term, used_ms; /* the greatest stamp that a ready leader may have used */
};

static void send(void *arg, uint32_t peer, const struct message *m) {
    struct arg *a = arg;
    struct town *t = a->t;
    if (t->outbox_count == UNDERWAY) return;
    struct letter *l = &t->outbox[t->outbox_count++];
    *l = (struct letter){.from = a->self, .to = peer, .m = *m};
    if (m->type == MESSAGE_VOTED) {
        l->m.voted.vv = (struct vv){0};
        vv_copy(&l->m.voted.vv, &m->voted.vv);
    }
}
static uint64_t by_chance(void *arg, uint64_t below) { return prng_below(&((struct arg *)arg)->t->prng, below); }

static struct election_now now_of(const struct town *t, uint32_t i) {
    uint64_t wall_ms = (uint64_t)((int64_t)(1000000 + t->ms) + t->skew_ms[i]);
    return (struct election_now){.mono_us = t->ms * 1000,
                                 .wall_ms = wall_ms,
                                 .stamp_ms = t->stamp_ms[i],
                                 .high_ms = 1000000 + t->ms,
                                 .vv = &t->vv[i],
                                 .dc_has_written = t->has_written};
}

/* What was asked to be durable is, before anything leaves; a crash before that loses both. */
static void carry_out(struct town *t, uint32_t i, bool crash) {
    if (!crash && t->e[i].dirty) t->disk[i] = t->e[i].durable;
    t->e[i].dirty = false;
    for (uint32_t k = 0; k < t->outbox_count; k++) {
        struct letter *l = &t->outbox[k];
        bool lost = crash || t->letters_count == UNDERWAY || t->cut[l->from][l->to] || prng_below(&t->prng, 100) < t->loss_percent;
        l->due_ms = t->ms + 1 + prng_below(&t->prng, t->delay_ms + 1);
        if (lost)
            message_finish(&l->m);
        else
            t->letters[t->letters_count++] = *l;
    }
    t->outbox_count = 0;
}

static void start(struct town *t, uint32_t i) {
    struct election_now now = now_of(t, i);
    election_finish(&t->e[i]);
    t->e[i] = (struct election){.send = send, .draw = by_chance, .arg = &t->args[i]};
    election_init(&t->e[i], &t->cluster, i, &t->disk[i], &now);
    t->up[i] = true;
    carry_out(t, i, false);
}

static struct town *town(uint32_t nodes, uint64_t seed) {
    struct town *t = xcalloc(1, sizeof *t);
    prng_seed(&t->prng, seed);
    t->cluster.dcs_count = 1;
    t->cluster.clock_bound_ms = 500;
    t->cluster.nodes_count = t->cluster.dcs[0].nodes_count = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        t->cluster.nodes[i].node = (uint16_t)(i + 1);
        t->args[i] = (struct arg){t, i};
    }
    for (uint32_t i = 0; i < nodes; i++) start(t, i);
    return t;
}

static void town_finish(struct town *t) {
    for (uint32_t i = 0; i < PEERS; i++) {
        election_finish(&t->e[i]);
        vv_finish(&t->vv[i]);
    }
    for (uint32_t i = 0; i < t->letters_count; i++) message_finish(&t->letters[i].m);
    free(t);
}

static uint32_t nodes(const struct town *t) { return t->cluster.nodes_count; }

static void check(struct town *t, uint32_t i) {
    struct election *e = &t->e[i];
    if (e->role != ELECTION_LEADER) return;
    uint64_t term = e->durable.term;
    cr_assert(term < 4096);
    uint32_t before = t->leader_of_term[term];
    cr_assert(before == 0 || before == i + 1, "two leaders in term %llu", (unsigned long long)term);
    t->leader_of_term[term] = i + 1;
}

static void beat(struct town *t, uint32_t i) {
    struct election_now now = now_of(t, i);
    for (uint32_t k = 0; k < nodes(t); k++) {
        if (k == i) continue;
        struct message m = {.type = MESSAGE_HEARTBEAT};
        election_fill_heartbeat(&t->e[i], &m, &now);
        send(&t->args[i], k, &m);
    }
    t->beat_ms[i] = t->ms + 200;
}

static void deliver(struct town *t, struct letter *l) {
    struct election_now now = now_of(t, l->to);
    if (!t->up[l->to] || t->cut[l->from][l->to]) return;
    if (l->m.type == MESSAGE_HEARTBEAT)
        election_take_heartbeat(&t->e[l->to], l->from, &l->m, &now);
    else
        election_take(&t->e[l->to], l->from, &l->m, &now);
    check(t, l->to);
    carry_out(t, l->to, false);
}

static void pass(struct town *t, uint64_t ms) {
    for (uint64_t end = t->ms + ms; t->ms < end; t->ms++) {
        for (uint32_t k = 0; k < t->letters_count;) {
            if (t->letters[k].due_ms > t->ms) {
                k++;
                continue;
            }
            struct letter l = t->letters[k];
            t->letters[k] = t->letters[--t->letters_count];
            deliver(t, &l);
            message_finish(&l.m);
        }
        for (uint32_t i = 0; i < nodes(t); i++) {
            if (!t->up[i]) continue;
            struct election_now now = now_of(t, i);
            election_tick(&t->e[i], &now);
            if (t->e[i].leader != ELECTION_NOBODY && !t->has_written) election_admit(&t->e[i], true); /* as its owner does */
            check(t, i);
            if (t->ms >= t->beat_ms[i]) beat(t, i);
            carry_out(t, i, false);
        }
    }
}

static int ready_leader(const struct town *t) {
    int found = -1;
    for (uint32_t i = 0; i < nodes(t); i++)
        if (t->up[i] && election_leads(&t->e[i])) {
            if (found >= 0) return -2;
            found = (int)i;
        }
    return found;
}

Test(election, alone, .description = "A datacenter of one node has a leader from the first moment") {
    struct town *t = town(1, 1);
    cr_assert_eq(ready_leader(t), 0);
    struct election_now now = now_of(t, 0);
    cr_assert_eq(election_ceiling_ms(&t->e[0], &now), UINT64_MAX);
    town_finish(t);
}

Test(election, calm, .description = "In peace one node is elected, and stays") {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct town *t = town(3, seed);
        pass(t, 5000);
        int leader = ready_leader(t);
        cr_assert_geq(leader, 0);
        uint64_t term = t->e[leader].durable.term;
        pass(t, 20000);
        cr_assert_eq(ready_leader(t), leader);
        cr_assert_eq(t->e[leader].durable.term, term);
        for (uint32_t i = 0; i < 3; i++) cr_assert_eq(t->e[i].leader, (uint32_t)leader);
        town_finish(t);
    }
}

Test(election, cut_off_node_disturbs_nobody, .description = "A node that was cut off comes back without a new term, and a cut-off leader gives up") {
    struct town *t = town(3, 7);
    pass(t, 5000);
    uint32_t leader = (uint32_t)ready_leader(t), other = (leader + 1) % 3;
    uint64_t term = t->e[leader].durable.term;
    for (uint32_t i = 0; i < 3; i++) t->cut[i][other] = t->cut[other][i] = i != other;
    pass(t, 20000);
    memset(t->cut, 0, sizeof t->cut);
    pass(t, 3000);
    cr_assert_eq((uint32_t)ready_leader(t), leader);
    cr_assert_eq(t->e[leader].durable.term, term);
    for (uint32_t i = 0; i < 3; i++) t->cut[i][leader] = t->cut[leader][i] = i != leader;
    pass(t, 5000);
    cr_assert_neq(t->e[leader].role, ELECTION_LEADER);
    int next = ready_leader(t);
    cr_assert(next >= 0 && (uint32_t)next != leader);
    memset(t->cut, 0, sizeof t->cut);
    pass(t, 3000);
    cr_assert_eq(ready_leader(t), next);
    town_finish(t);
}

Test(election, catches_up, .description = "A new leader writes only when it has all that its voters had, and gives up when it cannot get it") {
    struct town *t = town(3, 3);
    for (uint32_t i = 0; i < 3; i++) vv_set(&t->vv[i], i, 5);
    pass(t, 4000);
    cr_assert_eq(ready_leader(t), -1);
    bool led = false;
    for (uint32_t i = 0; i < 3; i++) led |= t->e[i].role == ELECTION_LEADER;
    cr_assert(led);
    uint64_t term = t->e[0].durable.term;
    pass(t, 20000);
    cr_assert_gt(t->e[0].durable.term, term);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; k < 3; k++) vv_set(&t->vv[i], k, 5);
    pass(t, 8000);
    cr_assert_geq(ready_leader(t), 0);
    town_finish(t);
}

Test(election, hands_over, .description = "Whoever is asked to take over is elected though the leader is heard") {
    struct town *t = town(3, 4);
    pass(t, 5000);
    uint32_t leader = (uint32_t)ready_leader(t), other = (leader + 1) % 3;
    struct election_now now = now_of(t, other);
    election_take_over(&t->e[other], &now);
    carry_out(t, other, false);
    pass(t, 500);
    cr_assert_eq((uint32_t)ready_leader(t), other);
    town_finish(t);
}

Test(election, first_leader, .description = "The first leader is elected by all nodes, and a vote that was lost with a disk elects nobody") {
    struct town *t = town(3, 11);
    for (uint32_t i = 0; i < 3; i++) t->cut[i][1] = t->cut[1][i] = i != 1;
    pass(t, 10000);
    cr_assert_eq(ready_leader(t), -1);
    memset(t->cut, 0, sizeof t->cut);
    pass(t, 5000);
    int leader = ready_leader(t);
    cr_assert(leader >= 0);
    uint32_t wiped = ((uint32_t)leader + 1) % 3, other = ((uint32_t)leader + 2) % 3;
    for (uint32_t i = 0; i < 3; i++) cr_assert(t->e[i].durable.admitted);
    for (uint32_t i = 0; i < 3; i++) t->cut[i][leader] = t->cut[leader][i] = (int)i != leader;
    t->disk[wiped] = (struct election_durable){0};
    start(t, wiped);
    pass(t, 10000);
    cr_assert_eq(ready_leader(t), -1);
    memset(t->cut, 0, sizeof t->cut);
    pass(t, 5000);
    cr_assert(ready_leader(t) >= 0);
    cr_assert(t->e[wiped].durable.admitted && t->e[other].durable.admitted);
    town_finish(t);
}

Test(election, no_votes, .description = "Who is not admitted neither votes nor is voted for where the datacenter has written before") {
    struct town *t = town(3, 4);
    t->has_written = true;
    election_admit(&t->e[0], true);
    pass(t, 10000);
    cr_assert_eq(ready_leader(t), -1);
    cr_assert_eq(t->e[1].durable.term, 0u);
    election_admit(&t->e[1], true);
    pass(t, 5000);
    int leader = ready_leader(t);
    cr_assert(leader == 0 || leader == 1);
    cr_assert(!t->e[2].durable.admitted);
    town_finish(t);
}

Test(election, members,
     .description = "A datacenter that has one node left has its leader at once, and a new member counts from the moment it is one") {
    struct town *t = town(3, 4);
    pass(t, 5000);
    uint32_t leader = (uint32_t)ready_leader(t), other = (leader + 1) % 3;
    t->up[other] = t->up[(leader + 2) % 3] = false;
    pass(t, 3000);
    cr_assert_eq(ready_leader(t), -1);
    bool members[NODES_MAX] = {0};
    members[leader] = true;
    struct election_now now = now_of(t, leader);
    election_set_members(&t->e[leader], members, &now);
    cr_assert_eq((uint32_t)ready_leader(t), leader);
    members[other] = true;
    election_set_members(&t->e[leader], members, &now);
    pass(t, 3000);
    cr_assert_eq(ready_leader(t), -1, "two of two are asked for now");
    town_finish(t);
}

/* The stamps of a new leader lie above everything that its predecessors may have used, and within what a majority has promised. */
static void check_stamps(struct town *t) {
    for (uint32_t i = 0; i < nodes(t); i++) {
        if (!t->up[i] || !election_leads(&t->e[i])) continue;
        struct election_now now = now_of(t, i);
        uint64_t ceiling = election_ceiling_ms(&t->e[i], &now);
        if (ceiling == UINT64_MAX || ceiling <= t->e[i].floor_ms) continue;
        uint64_t term = t->e[i].durable.term;
        if (term > t->used_term) {
            cr_assert_geq(t->e[i].floor_ms, t->used_ms, "a leader of term %llu starts at %llu, one of %llu has used %llu", (unsigned long long)term,
                          (unsigned long long)t->e[i].floor_ms, (unsigned long long)t->used_term, (unsigned long long)t->used_ms);
            t->used_term = term;
        }
        uint64_t used = prng_below(&t->prng, 2) || ceiling < now.wall_ms ? ceiling : now.wall_ms;
        if (used > t->stamp_ms[i]) t->stamp_ms[i] = used;
        if (term == t->used_term && used > t->used_ms) t->used_ms = used;
    }
}

static void trouble(struct town *t) {
    uint32_t i = (uint32_t)prng_below(&t->prng, nodes(t)), k = (uint32_t)prng_below(&t->prng, nodes(t));
    switch (prng_below(&t->prng, 6)) {
    case 0: t->cut[i][k] = i != k; break;
    case 1: memset(t->cut, 0, sizeof t->cut); break;
    case 2: t->up[i] = false; break;
    case 3:
        if (!t->up[i]) start(t, i);
        break;
    case 4: t->loss_percent = (uint32_t)prng_below(&t->prng, 30); break;
    case 5: t->delay_ms = prng_below(&t->prng, 300); break;
    }
}

Test(election, storms,
     .description = "Whatever is lost, late or killed: one leader in a term, its stamps above its predecessors', and one leader at the end") {
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct town *t = town((uint32_t)(seed % 2 ? 3 : 5), seed);
        for (uint32_t i = 0; i < nodes(t); i++) t->skew_ms[i] = (int64_t)prng_below(&t->prng, 250) - 125;
        check_stamps(t);
        for (int step = 0; step < 60; step++) {
            trouble(t);
            for (uint64_t n = prng_below(&t->prng, 40); n > 0; n--) {
                pass(t, 20);
                check_stamps(t);
            }
        }
        memset(t->cut, 0, sizeof t->cut);
        t->loss_percent = 0;
        t->delay_ms = 5;
        for (uint32_t i = 0; i < nodes(t); i++)
            if (!t->up[i]) start(t, i);
        pass(t, 8000);
        cr_assert_geq(ready_leader(t), 0, "seed %llu", (unsigned long long)seed);
        town_finish(t);
    }
}
