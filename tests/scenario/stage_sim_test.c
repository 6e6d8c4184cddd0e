/* The simulated stage keeps the contract of stage.h. */
#include "../../conflict/handler.h"
#include "../../dc-node/scenario/stage_sim.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NODES 3 /* two in eu, one in us */

struct play {
    struct cluster *cluster;
    struct scenario scenario;
    struct link_options links[NODES * NODES];
    struct record record;
    struct stage *stage;
    uint32_t replies, lost;
    char reply[512];
    bool in_act;
};

static void add_node(struct cluster *c, uint32_t dc, const char *dc_name, uint16_t number) {
    struct cluster_node *n = &c->nodes[c->nodes_count++];
    n->dc = dc;
    n->node = number;
    snprintf(n->name, sizeof n->name, "%s-%u", dc_name, number);
}

static struct cluster *make_cluster(void) {
    struct cluster *c = xcalloc(1, sizeof *c);
    snprintf(c->name, sizeof c->name, "test");
    c->fsync = true;
    c->clock_bound_ms = 500;
    c->memory_bytes_max = 16 << 20;
    c->log_bytes_max = 1 << 30;
    c->clients_max = 100;
    c->siblings_max = 64;
    c->journal_ms = UINT64_C(30) * 86400000;
    c->journal_entries_max = 1000;
    c->dcs_count = 2;
    snprintf(c->dcs[0].name, sizeof c->dcs[0].name, "eu");
    snprintf(c->dcs[1].name, sizeof c->dcs[1].name, "us");
    c->dcs[0].nodes_count = 2;
    c->dcs[1].nodes_count = 1;
    c->dcs[1].priority = 10;
    add_node(c, 0, "eu", 1);
    add_node(c, 0, "eu", 2);
    add_node(c, 1, "us", 1);
    snprintf(c->rest.name, sizeof c->rest.name, "*");
    c->rest.policy = POLICY_MERGE;
    c->tables_count = 2;
    snprintf(c->tables[0].name, sizeof c->tables[0].name, "h");
    c->tables[0].policy = POLICY_HANDLER;
    c->tables[0].chain.count = 1;
    snprintf(c->tables[0].chain.names[0], sizeof c->tables[0].chain.names[0], "both");
    snprintf(c->tables[1].name, sizeof c->tables[1].name, "users");
    c->tables[1].policy = POLICY_RECORD;
    return c;
}

static void begin_with(struct play *p, struct stage_sim_options o, bool recorded) {
    *p = (struct play){.cluster = make_cluster()};
    p->scenario = (struct scenario){.cluster = p->cluster, .links = p->links};
    for (uint32_t a = 0; a < NODES; a++)
        for (uint32_t b = 0; b < NODES; b++) p->links[a * NODES + b].latency_us = (a == 2) == (b == 2) ? 500 : 20000;
    o.checkers = true;
    p->stage = stage_sim_create(&p->scenario, &o, recorded ? &p->record : NULL);
    struct buf why = {0};
    for (uint32_t i = 0; i < NODES; i++) cr_assert(p->stage->ops->act(p->stage, &(struct act){.kind = STEP_START, .node = i}, &why));
    cr_assert(p->stage->ops->run(p->stage, 1000000));
}

static void begin(struct play *p) { begin_with(p, (struct stage_sim_options){.seed = 1}, true); }

static void end(struct play *p) {
    p->stage->ops->destroy(p->stage);
    record_finish(&p->record);
    free(p->cluster);
}

static uint64_t now(struct play *p) { return p->stage->ops->now_us(p->stage); }
static bool wait_ms(struct play *p, uint64_t ms) { return p->stage->ops->run(p->stage, now(p) + ms * 1000); }

static bool act(struct play *p, struct act a) {
    struct buf why = {0};
    p->in_act = true;
    bool good = p->stage->ops->act(p->stage, &a, &why);
    p->in_act = false;
    cr_assert(good == (why.n == 0));
    buf_finish(&why);
    return good;
}

static void done(void *arg, const struct stage_reply *r) {
    struct play *p = arg;
    cr_assert_not(p->in_act, "callbacks come inside run() and settle() alone");
    p->replies++;
    p->lost += r->resp.n == 0;
    snprintf(p->reply, sizeof p->reply, "%.*s", (int)r->resp.n, (const char *)r->resp.p);
}

static void ask(struct play *p, uint32_t client, const char *command) {
    struct slice argv[16];
    uint32_t argc = 0;
    for (const char *c = command; *c;) {
        size_t n = strcspn(c, " ");
        argv[argc++] = SLICE(c, n);
        c += n + (c[n] == ' ');
    }
    p->stage->ops->request(p->stage, client, argv, argc, done, p);
}

static const char *say(struct play *p, uint32_t node, const char *command) {
    ask(p, p->stage->ops->client(p->stage, node), command);
    wait_ms(p, 50);
    return p->reply;
}

static void cut(struct play *p, bool heals) {
    for (uint32_t i = 0; i < 2; i++) {
        act(p, (struct act){.kind = heals ? STEP_HEAL : STEP_CUT, .from = i, .to = 2});
        act(p, (struct act){.kind = heals ? STEP_HEAL : STEP_CUT, .from = 2, .to = i});
    }
}

static struct stage_view view(struct play *p, uint32_t node) {
    struct stage_view v;
    p->stage->ops->look(p->stage, node, &v);
    return v;
}

static const struct moment *find(const struct play *p, enum moment_kind kind, const char *text) {
    for (size_t i = 0; i < p->record.moments_count; i++)
        if (p->record.moments[i].kind == kind && strstr(p->record.moments[i].text, text)) return &p->record.moments[i];
    return NULL;
}

static void settles(struct play *p) { cr_assert(p->stage->ops->settle(p->stage, 60000000), "%s", p->stage->failure); }

static void passes(struct play *p) {
    p->stage->ops->check(p->stage);
    cr_assert_str_eq(p->stage->failure, "");
}

Test(stage_sim, a_write_is_seen_in_the_other_datacenter_after_its_way_there) {
    struct play p;
    begin(&p);
    cr_assert_str_eq(say(&p, 0, "SET greeting hello"), "+OK\r\n");
    cr_assert_str_eq(say(&p, 2, "GET greeting"), "$5\r\nhello\r\n");
    settles(&p);
    passes(&p);
    end(&p);
}

Test(stage_sim, lag_and_backlog_are_those_of_writes_that_have_not_come) {
    struct play p;
    begin(&p);
    cut(&p, false);
    say(&p, 0, "SET a 1");
    say(&p, 0, "SET b 2");
    wait_ms(&p, 1000);
    struct stage_view us = view(&p, 2), eu = view(&p, 1);
    cr_assert_eq(us.backlog[0], 2);
    cr_assert_eq(us.backlog[1], 0);
    cr_assert_geq(us.lag_us[0], 1000000);
    cr_assert_leq(us.lag_us[0], 1100000);
    cr_assert_eq(eu.backlog[0] + eu.lag_us[0], 0);
    cr_assert_neq(us.vv_hash, eu.vv_hash);
    cut(&p, true);
    settles(&p);
    us = view(&p, 2), eu = view(&p, 0);
    cr_assert_eq(us.backlog[0] + us.lag_us[0], 0);
    cr_assert_eq(us.vv_hash, eu.vv_hash);
    cr_assert_eq(us.digest, eu.digest);
    passes(&p);
    end(&p);
}

Test(stage_sim, a_conflict_is_counted_and_recorded_with_who_is_read) {
    struct play p;
    begin(&p);
    cut(&p, false);
    say(&p, 0, "HSET users:1 name Alice");
    say(&p, 2, "HSET users:1 name Alicia");
    cut(&p, true);
    settles(&p);
    cr_assert_eq(view(&p, 0).conflicts_open, 1);
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#1 HSET users:1 name=Alice"));
    cr_assert(find(&p, MOMENT_APPLIES, "us-1#1"));
    const struct moment *m = find(&p, MOMENT_CONFLICT, "users:1 conflict: eu-1#1 | us-1#1; read is us-1#1");
    cr_assert(m);
    cr_assert_not(find(&p, MOMENT_CLOSED, ""));
    say(&p, 2, "HSET users:1 name Al");
    settles(&p);
    cr_assert_eq(view(&p, 0).conflicts_open, 0);
    cr_assert(find(&p, MOMENT_CLOSED, "users:1 settled: eu-1#1 | us-1#1; by us-1#2"));
    passes(&p);
    end(&p);
}

Test(stage_sim, what_a_change_does_is_told_in_words) {
    struct play p;
    begin(&p);
    say(&p, 0, "INCRBY n 5");
    say(&p, 0, "INCRBY n 7");
    say(&p, 0, "HINCRBY cart apples 2");
    say(&p, 0, "SADD tags red green");
    say(&p, 0, "SREM tags red");
    say(&p, 0, "SET \x01odd \xff");
    say(&p, 0, "DEL cart");
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#1 INCRBY n 5"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#2 INCRBY n 7"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#3 HINCRBY cart apples 2"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#4 SADD tags green red"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#5 SREM tags red"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#6 SET \\x01odd \\xff"));
    cr_assert(find(&p, MOMENT_MAKES, "eu-1#7 DEL cart"));
    end(&p);
}

Test(stage_sim, who_is_killed_or_hung_up_gets_no_answer_and_is_told_so_once_and_later) {
    struct play p;
    begin(&p);
    uint32_t a = p.stage->ops->client(p.stage, 0), b = p.stage->ops->client(p.stage, 2);
    ask(&p, a, "SET a 1");
    ask(&p, b, "SET b 1");
    p.in_act = true;
    p.stage->ops->hang_up(p.stage, b);
    p.in_act = false;
    act(&p, (struct act){.kind = STEP_KILL, .node = 0});
    cr_assert_eq(p.replies, 0);
    cr_assert_eq(view(&p, 0).role, ROLE_DOWN);
    wait_ms(&p, 1);
    cr_assert_eq(p.replies, 2);
    cr_assert_eq(p.lost, 2);
    act(&p, (struct act){.kind = STEP_START, .node = 0});
    ask(&p, a, "GET a");
    settles(&p);
    cr_assert_eq(p.replies, 3);
    cr_assert_eq(p.lost, 2);
    cr_assert(find(&p, MOMENT_NODE, "killed"));
    passes(&p);
    end(&p);
}

static void count_call(void *arg, uint64_t number) {
    struct play *p = arg;
    p->replies = p->replies * 10 + (uint32_t)number;
    if (number == 2) p->stage->ops->stop(p->stage);
}

Test(stage_sim, calls_come_at_their_time_and_a_stop_ends_one_run) {
    struct play p;
    begin(&p);
    uint64_t from = now(&p);
    p.stage->ops->at(p.stage, from + 3000, count_call, &p, 3);
    p.stage->ops->at(p.stage, from + 1000, count_call, &p, 1);
    p.stage->ops->at(p.stage, from + 2000, count_call, &p, 2);
    cr_assert(p.stage->ops->run(p.stage, from + 10000));
    cr_assert_eq(p.replies, 12);
    cr_assert_eq(now(&p), from + 2000);
    cr_assert(p.stage->ops->run(p.stage, from + 10000));
    cr_assert_eq(p.replies, 123);
    cr_assert_eq(now(&p), from + 10000);
    end(&p);
}

Test(stage_sim, a_wiped_node_returns_and_has_everything_again) {
    struct play p;
    begin(&p);
    for (char key = 'a'; key < 'k'; key++) say(&p, 0, (char[]){'S', 'E', 'T', ' ', key, ' ', '1', 0});
    cr_assert_not(act(&p, (struct act){.kind = STEP_WIPE, .node = 1}), "it runs");
    act(&p, (struct act){.kind = STEP_KILL, .node = 1});
    cr_assert(act(&p, (struct act){.kind = STEP_WIPE, .node = 1}));
    cr_assert_eq(view(&p, 1).backlog[0], 10);
    act(&p, (struct act){.kind = STEP_START, .node = 1});
    cr_assert_eq(view(&p, 1).role, ROLE_RETURNING);
    settles(&p);
    cr_assert_eq(view(&p, 1).role, ROLE_FOLLOWER);
    cr_assert_eq(view(&p, 1).backlog[0], 0);
    cr_assert(find(&p, MOMENT_NODE, "wiped"));
    cr_assert(find(&p, MOMENT_ROLE, "returning"));
    passes(&p);
    end(&p);
}

Test(stage_sim, a_restored_node_has_what_the_backup_has_and_then_everything) {
    struct play p;
    begin(&p);
    say(&p, 2, "SET a 1");
    act(&p, (struct act){.kind = STEP_BACKUP, .node = 2, .name = "monday"});
    say(&p, 2, "SET b 2");
    settles(&p);
    act(&p, (struct act){.kind = STEP_KILL, .node = 2});
    cr_assert_not(act(&p, (struct act){.kind = STEP_RESTORE, .node = 2, .name = "sunday"}), "there is none");
    cr_assert(act(&p, (struct act){.kind = STEP_RESTORE, .node = 2, .name = "monday"}));
    act(&p, (struct act){.kind = STEP_START, .node = 2});
    cr_assert_eq(view(&p, 2).backlog[1], 1, "its own event, from the others");
    settles(&p);
    cr_assert_str_eq(say(&p, 2, "GET b"), "$1\r\n2\r\n");
    say(&p, 2, "SET c 3");
    cr_assert(find(&p, MOMENT_MAKES, "us-1(2)#1 SET c 3"));
    settles(&p);
    passes(&p);
    end(&p);
}

Test(stage_sim, what_was_on_a_wiped_disk_alone_is_gone_and_nobody_promised_it) {
    struct play p;
    begin(&p);
    cut(&p, false);
    say(&p, 2, "SET lost 1");
    act(&p, (struct act){.kind = STEP_KILL, .node = 2});
    act(&p, (struct act){.kind = STEP_WIPE, .node = 2});
    cut(&p, true);
    act(&p, (struct act){.kind = STEP_START, .node = 2});
    settles(&p);
    cr_assert_eq(view(&p, 0).backlog[1], 0);
    cr_assert_str_eq(say(&p, 2, "GET lost"), "$-1\r\n");
    passes(&p);
    end(&p);
}

Test(stage_sim, a_full_disk_refuses_writes_until_there_is_room) {
    struct play p;
    begin(&p);
    act(&p, (struct act){.kind = STEP_DISK, .node = 2, .disk = DISK_FULL});
    cr_assert_eq(strncmp(say(&p, 2, "SET a 1"), "-DISKFULL ", 10), 0);
    cr_assert_str_eq(say(&p, 2, "GET a"), "$-1\r\n");
    act(&p, (struct act){.kind = STEP_KILL, .node = 2});
    act(&p, (struct act){.kind = STEP_START, .node = 2});
    cr_assert_eq(view(&p, 2).role, ROLE_DOWN, "on a full disk a node does not start");
    act(&p, (struct act){.kind = STEP_DISK, .node = 2, .disk = DISK_OK});
    act(&p, (struct act){.kind = STEP_START, .node = 2});
    settles(&p);
    cr_assert_str_eq(say(&p, 2, "GET a"), "$-1\r\n", "what was refused for want of room is not there");
    passes(&p);
    end(&p);
}

Test(stage_sim, a_failing_disk_stops_the_node_and_a_slow_one_delays_it) {
    struct play p;
    begin(&p);
    act(&p, (struct act){.kind = STEP_DISK, .node = 0, .disk = DISK_SLOW, .disk_us = 30000000});
    ask(&p, p.stage->ops->client(p.stage, 0), "SET a 1");
    wait_ms(&p, 5);
    cr_assert_eq(p.replies, 0);
    act(&p, (struct act){.kind = STEP_DISK, .node = 0, .disk = DISK_OK});
    settles(&p);
    cr_assert_eq(p.replies, 1);
    act(&p, (struct act){.kind = STEP_DISK, .node = 0, .disk = DISK_FAILING});
    say(&p, 0, "SET b 1");
    cr_assert_eq(p.lost, 1);
    act(&p, (struct act){.kind = STEP_START, .node = 0});
    settles(&p);
    passes(&p);
    end(&p);
}

static uint64_t play_once(bool recorded) {
    struct play p;
    begin_with(&p, (struct stage_sim_options){.seed = 7}, recorded);
    p.record.frames = recorded;
    for (uint32_t a = 0; a < NODES; a++)
        for (uint32_t b = 0; b < NODES; b++)
            if (a != b)
                act(&p, (struct act){.kind = STEP_SLOW, .from = a, .to = b, .link = {.latency_us = 3000, .jitter_us = 900, .loss_ppm = 50000}});
    for (uint32_t i = 0; i < 30; i++) say(&p, i % NODES, i % 2 ? "INCR n" : "HSET users:1 name x");
    settles(&p);
    passes(&p);
    uint64_t hash = stage_sim_trace_hash(p.stage);
    end(&p);
    return hash;
}

Test(stage_sim, the_same_seed_gives_the_same_trace_whether_it_is_recorded_or_not) {
    uint64_t hash = play_once(true);
    cr_assert_eq(play_once(true), hash);
    cr_assert_eq(play_once(false), hash);
}

static void answer_both(void *arg, const char *name, struct slice request, struct buf *answer) {
    uint32_t *asked = arg;
    struct handler_request q;
    cr_assert_str_eq(name, "both");
    cr_assert(handler_request_decode(&q, request));
    cr_assert_eq(q.conflict.siblings_count, 2);
    handler_request_finish(&q);
    struct buf content = {0};
    content_make_string(&content, 0, slice_text("both"));
    handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_ROW, .content = buf_slice_of(&content)}, answer);
    buf_finish(&content);
    ++*asked;
}

Test(stage_sim, a_handler_from_outside_is_asked_and_its_answer_is_what_all_read) {
    struct play p;
    uint32_t asked = 0;
    struct known_handler known = {.name = "both", .hash = 99, .usable = true};
    begin_with(&p, (struct stage_sim_options){.seed = 1, .handler = answer_both, .handler_arg = &asked, .known = &known, .known_count = 1}, true);
    cut(&p, false);
    say(&p, 0, "SET h:1 here");
    say(&p, 2, "SET h:1 there");
    cut(&p, true);
    settles(&p);
    cr_assert_geq(asked, 1);
    for (uint32_t i = 0; i < NODES; i++) cr_assert_str_eq(say(&p, i, "GET h:1"), "$4\r\nboth\r\n");
    cr_assert(find(&p, MOMENT_MAKES, "a handler answers SET h:1 both"));
    passes(&p);
    end(&p);
}

Test(stage_sim, what_breaks_an_invariant_ends_the_play_and_is_named) {
    struct play p;
    begin_with(&p, (struct stage_sim_options){.seed = 1, .planted_bug = BUG_DROP_LOSER}, true);
    cut(&p, false);
    say(&p, 0, "SET users:1 a");
    say(&p, 2, "SET users:1 b");
    cut(&p, true);
    bool good = p.stage->ops->settle(p.stage, 10000000);
    p.stage->ops->check(p.stage);
    cr_assert(!good || p.stage->failure[0]);
    cr_assert_eq(p.stage->failure[0], 'I', "%s", p.stage->failure);
    end(&p);
}
