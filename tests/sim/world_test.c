#include "../../dc-node/sim/happenings.h"
#include "../../dc-node/sim/world.h"
#include "../schemas/help.h"
#include "run.h"

TestSuite(world);

#define SECOND 1000000u

/* Two DCs of two nodes: ap-1, ap-2, us-1, us-2. */
enum { AP_1, AP_2, US_1, US_2, NODES };

struct fixture {
    struct cluster *cluster;
    struct world *w;
    uint32_t clients[NODES];
    char reply[512]; /* the last one; "-" for none */
    uint64_t took_us;
    unsigned replies;
};

static struct fixture *fixture(uint64_t seed) {
    struct fixture *f = xcalloc(1, sizeof *f);
    f->cluster = xcalloc(1, sizeof *f->cluster);
    struct cluster *c = f->cluster;
    snprintf(c->name, sizeof c->name, "test");
    c->fsync = true;
    c->clock_bound_ms = 500;
    c->memory_bytes_max = 4 << 20;
    c->log_bytes_max = 1 << 30;
    c->clients_max = 100;
    c->siblings_max = 64;
    c->dcs_count = 2;
    for (uint32_t i = 0; i < NODES; i++) {
        struct cluster_node *n = &c->nodes[c->nodes_count++];
        n->dc = i / 2;
        n->node = (uint16_t)(i % 2 + 1);
        struct cluster_dc *dc = &c->dcs[n->dc];
        snprintf(dc->name, sizeof dc->name, "%s", n->dc == 0 ? "ap" : "us");
        dc->nodes_count = 2;
        snprintf(n->name, sizeof n->name, "%s-%u", n->dc == 0 ? "ap" : "us", i % 2 + 1);
    }
    struct world_options o = world_calm(c, seed);
    f->w = world_create(&o, NULL);
    for (uint32_t i = 0; i < NODES; i++) {
        world_start(f->w, i);
        f->clients[i] = world_client(f->w, i);
    }
    world_run(f->w, SECOND);
    return f;
}

static void finish(struct fixture *f) {
    world_destroy(f->w);
    free(f->cluster);
    free(f);
}

static void on_reply(void *arg, const struct reply_info *info) {
    struct fixture *f = arg;
    f->replies++;
    f->took_us = info->returned_us - info->invoked_us;
    snprintf(f->reply, sizeof f->reply, "%.*s", info->reply.n > 0 ? (int)info->reply.n : 1, info->reply.n > 0 ? (const char *)info->reply.p : "-");
}

static void ask(struct fixture *f, uint32_t node, const char *command) {
    struct request_watcher watcher = {.done = on_reply, .arg = f};
    world_do(f->w, f->clients[node], command, &watcher);
}

/* The reply that comes within ten seconds; "" if none does. */
static const char *answer(struct fixture *f, uint32_t node, const char *command) {
    f->reply[0] = 0;
    ask(f, node, command);
    uint64_t end = world_now_us(f->w) + 10 * SECOND;
    while (f->reply[0] == 0 && world_now_us(f->w) < end) world_run(f->w, world_now_us(f->w) + 1000);
    return f->reply;
}

static void wait_us(struct fixture *f, uint64_t us) { world_run(f->w, world_now_us(f->w) + us); }

static void cut_dcs(struct fixture *f, void (*cut)(struct world *w, uint32_t from, uint32_t to), bool both_ways) {
    for (uint32_t a = AP_1; a <= AP_2; a++)
        for (uint32_t b = US_1; b <= US_2; b++) {
            cut(f->w, a, b);
            if (both_ways) cut(f->w, b, a);
        }
}

/* ---- replication, cuts, clogs ---- */

Test(world, a_write_reaches_every_node) {
    struct fixture *f = fixture(1);
    cr_assert_str_eq(answer(f, US_1, "SET k v"), "+OK\r\n");
    cr_assert(world_settle(f->w, 5 * SECOND));
    for (uint32_t i = 0; i < NODES; i++) cr_assert_str_eq(answer(f, i, "GET k"), "$1\r\nv\r\n");
    finish(f);
}

Test(world, nothing_passes_a_cut_and_everything_does_after_the_heal) {
    struct fixture *f = fixture(2);
    cut_dcs(f, world_cut, true);
    cr_assert_str_eq(answer(f, US_1, "SET a us"), "+OK\r\n");
    cr_assert_str_eq(answer(f, AP_1, "SET b ap"), "+OK\r\n");
    wait_us(f, 5 * SECOND);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$-1\r\n");
    cr_assert_str_eq(answer(f, US_2, "GET b"), "$-1\r\n");
    cr_assert_str_eq(answer(f, US_2, "GET a"), "$2\r\nus\r\n");
    cr_assert(!world_settle(f->w, 2 * SECOND));
    world_heal_all(f->w);
    cr_assert(world_settle(f->w, 10 * SECOND));
    cr_assert_str_eq(answer(f, AP_2, "GET a"), "$2\r\nus\r\n");
    cr_assert_str_eq(answer(f, US_2, "GET b"), "$2\r\nap\r\n");
    finish(f);
}

Test(world, a_one_way_cut_stops_one_way) {
    struct fixture *f = fixture(3);
    cut_dcs(f, world_cut, false); /* ap > us */
    answer(f, US_1, "SET a us");
    answer(f, AP_1, "SET b ap");
    wait_us(f, SECOND);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$2\r\nus\r\n");
    cr_assert_str_eq(answer(f, US_1, "GET b"), "$-1\r\n");
    finish(f);
}

Test(world, what_is_clogged_comes_when_it_heals) {
    struct fixture *f = fixture(4);
    uint64_t frames = world_counts(f->w).frames;
    cut_dcs(f, world_clog, true);
    answer(f, US_1, "SET a us");
    wait_us(f, SECOND / 2);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$-1\r\n");
    world_heal_all(f->w);
    wait_us(f, SECOND / 100);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$2\r\nus\r\n", "without asking again");
    cr_assert(world_counts(f->w).frames > frames);
    finish(f);
}

Test(world, latency_and_rate_take_their_time) {
    struct fixture *f = fixture(5);
    struct link_options slow = {.latency_us = 200000};
    for (uint32_t a = 0; a < NODES; a++)
        for (uint32_t b = 0; b < NODES; b++)
            if (a != b) world_slow(f->w, a, b, &slow);
    answer(f, US_1, "SET a us");
    wait_us(f, 150000);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$-1\r\n");
    wait_us(f, 100000);
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$2\r\nus\r\n");
    finish(f);
}

Test(world, lost_repeated_reordered_and_corrupted_frames_change_nothing_in_the_end) {
    struct fixture *f = fixture(6);
    struct link_options bad = {
        .latency_us = 1000, .jitter_us = 20000, .reorder = true, .loss_ppm = 200000, .repeat_ppm = 200000, .corrupt_ppm = 20000};
    for (uint32_t a = 0; a < NODES; a++)
        for (uint32_t b = 0; b < NODES; b++)
            if (a != b) world_slow(f->w, a, b, &bad);
    char command[64];
    for (int i = 0; i < 50; i++) {
        snprintf(command, sizeof command, "INCR c:%d", i % 5);
        answer(f, i % 2 ? AP_1 : US_1, command);
    }
    cr_assert(world_settle(f->w, 60 * SECOND));
    finish(f);
}

/* ---- nodes ---- */

Test(world, a_node_that_was_killed_comes_back_with_what_it_had_acknowledged) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fixture *f = fixture(seed);
        cr_assert_str_eq(answer(f, US_1, "SET k v"), "+OK\r\n");
        ask(f, US_1, "SET k w"); /* under way when it dies */
        wait_us(f, seed * 10);
        f->replies = 0;
        world_kill(f->w, US_1, seed % 2 ? CRASH_MACHINE : CRASH_PROCESS);
        cr_assert(!world_alive(f->w, US_1));
        wait_us(f, 1000);
        world_start(f->w, US_1);
        const char *after = answer(f, US_1, "GET k");
        cr_assert(strcmp(after, "$1\r\nv\r\n") == 0 || strcmp(after, "$1\r\nw\r\n") == 0, "%s", after);
        finish(f);
    }
}

Test(world, who_asks_a_dead_node_is_told_nothing) {
    struct fixture *f = fixture(7);
    world_kill(f->w, US_1, CRASH_PROCESS);
    cr_assert_str_eq(answer(f, US_1, "SET k v"), "-", "the outcome is not known");
    world_start(f->w, US_1);
    cr_assert_str_eq(answer(f, US_1, "GET k"), "$-1\r\n");
    finish(f);
}

Test(world, a_paused_node_answers_when_it_goes_on) {
    struct fixture *f = fixture(8);
    world_pause(f->w, US_1);
    ask(f, US_1, "SET k v");
    wait_us(f, 2 * SECOND);
    cr_assert_eq(f->replies, 0);
    world_resume(f->w, US_1);
    wait_us(f, SECOND / 10);
    cr_assert_eq(f->replies, 1);
    cr_assert_str_eq(f->reply, "+OK\r\n");
    cr_assert(f->took_us >= 2 * SECOND);
    cr_assert(world_settle(f->w, 10 * SECOND), "its links come back");
    finish(f);
}

Test(world, a_disk_that_fails_stops_the_node_before_it_answers) {
    struct fixture *f = fixture(9);
    world_fail_commit(f->w, US_1, 1, false);
    cr_assert_str_eq(answer(f, US_1, "SET k v"), "-");
    cr_assert(!world_alive(f->w, US_1));
    cr_assert_str_eq(answer(f, AP_1, "GET k"), "$-1\r\n", "nor did it send anything");
    finish(f);
}

/* ---- clocks ---- */

Test(world, clocks_jump_drift_and_stand_still) {
    struct fixture *f = fixture(10);
    cr_assert_eq(world_wall_ms(f->w, US_1), world_true_ms(f->w));
    world_skew(f->w, US_1, 3600000, 0, false);
    world_skew(f->w, US_2, 0, 1000, false);
    world_skew(f->w, AP_1, -5, 0, true);
    uint64_t was = world_wall_ms(f->w, AP_1);
    wait_us(f, 10 * SECOND);
    cr_assert_eq(world_wall_ms(f->w, US_1), world_true_ms(f->w) + 3600000);
    cr_assert_eq(world_wall_ms(f->w, US_2), world_true_ms(f->w) + 10, "a thousandth of ten seconds");
    cr_assert_eq(world_wall_ms(f->w, AP_1), was);
    finish(f);
}

/* ---- clients ---- */

Test(world, replies_of_a_pipeline_come_in_order_however_they_are_nested) {
    struct fixture *f = fixture(11);
    answer(f, US_1, "HSET h a 1 b 2");
    f->replies = 0;
    ask(f, US_1, "HGETALL h");
    ask(f, US_1, "GET none");
    ask(f, US_1, "NOSUCHCOMMAND");
    ask(f, US_1, "INCR c");
    wait_us(f, SECOND);
    cr_assert_eq(f->replies, 4);
    cr_assert_str_eq(f->reply, ":1\r\n");
    finish(f);
}

Test(world, a_client_that_loses_patience_hangs_up) {
    struct fixture *f = fixture(12);
    world_pause(f->w, US_1);
    ask(f, US_1, "SET k v");
    wait_us(f, SECOND);
    world_hang_up(f->w, f->clients[US_1]);
    cr_assert_str_eq(f->reply, "-");
    world_resume(f->w, US_1);
    cr_assert_str_eq(answer(f, US_1, "PING"), "+PONG\r\n", "on a new connection");
    finish(f);
}

/* ---- replay ---- */

Test(world, the_same_seed_gives_the_same_trace_and_another_seed_another, .timeout = 120) {
    static struct run_result first, again, other;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run_seed(WORLDS_ANY, seed, (struct bug_planted){0}, NULL, &first);
        run_seed(WORLDS_ANY, seed + 1000, (struct bug_planted){0}, NULL, &other);
        run_seed(WORLDS_ANY, seed, (struct bug_planted){0}, NULL, &again);
        cr_assert_eq(first.trace_hash, again.trace_hash);
        cr_assert_neq(first.trace_hash, other.trace_hash);
        cr_assert_eq(first.counts.steps, again.counts.steps);
    }
}

/* Against a search through all that is left. */
Test(world, what_is_due_happens_in_order_of_time_and_then_of_its_scheduling) {
    struct happenings h = {0};
    uint64_t seed = 5, now_us = 0, at_us[4096], sequence = 0;
    bool taken[4096] = {0};
    for (unsigned i = 0; i < 6000; i++) {
        if (sequence < 4096 && draw_below(&seed, 5) < 3) {
            at_us[sequence++] = now_us + (draw_below(&seed, 2) ? 0 : draw_below(&seed, 50));
            happenings_add(&h, (struct happening){.at_us = at_us[sequence - 1]});
            continue;
        }
        uint64_t first = sequence;
        for (uint64_t k = 0; k < sequence; k++)
            if (!taken[k] && (first == sequence || at_us[k] < at_us[first])) first = k;
        cr_assert_eq(happenings_any(&h), first < sequence);
        if (first == sequence) continue;
        cr_assert(happenings_due(&h, at_us[first]));
        cr_assert(at_us[first] == 0 || !happenings_due(&h, at_us[first] - 1));
        cr_assert_eq(happenings_take(&h).sequence, first);
        taken[first] = true;
        now_us = at_us[first];
    }
    happenings_finish(&h);
}

/* ---- disks, torn connections ---- */

Test(world, a_torn_connection_is_seen_at_one_end_and_then_a_new_one_comes) {
    struct fixture *f = fixture(11);
    answer(f, US_1, "SET a 1");
    cr_assert(world_settle(f->w, 5 * SECOND));
    world_tear(f->w, US_1, AP_1);
    cr_assert_str_eq(answer(f, US_1, "SET a 2"), "+OK\r\n");
    cr_assert(world_settle(f->w, 10 * SECOND));
    cr_assert_str_eq(answer(f, AP_1, "GET a"), "$1\r\n2\r\n");
    finish(f);
}

Test(world, a_node_with_a_damaged_disk_stops_and_has_everything_again_after_it_was_wiped) {
    struct fixture *f = fixture(12);
    answer(f, US_1, "SET a 1");
    cr_assert(world_settle(f->w, 5 * SECOND));
    world_damage(f->w, US_2, 1);
    world_kill(f->w, US_2, CRASH_PROCESS);
    cr_assert_not(world_start(f->w, US_2));
    cr_assert_not(world_alive(f->w, US_2));
    cr_assert(world_wipe(f->w, US_2));
    cr_assert(world_start(f->w, US_2));
    cr_assert(engine_returning(world_engine(f->w, US_2)));
    cr_assert(world_settle(f->w, 10 * SECOND));
    cr_assert_str_eq(answer(f, US_2, "GET a"), "$1\r\n1\r\n");
    finish(f);
}

Test(world, a_backup_belongs_to_its_node_and_the_latest_of_a_name_counts) {
    struct fixture *f = fixture(13);
    cr_assert_not(world_wipe(f->w, US_1), "it runs");
    world_backup(f->w, US_1, "b");
    answer(f, US_1, "SET a 1");
    world_backup(f->w, US_1, "b");
    world_kill(f->w, US_1, CRASH_PROCESS);
    cr_assert_not(world_restore(f->w, US_1, "c"));
    world_kill(f->w, US_2, CRASH_PROCESS);
    cr_assert_not(world_restore(f->w, US_2, "b"));
    world_wipe(f->w, US_1);
    cr_assert(world_restore(f->w, US_1, "b"));
    world_start(f->w, US_1);
    struct engine *e = world_engine(f->w, US_1);
    cr_assert_eq(vv_get(engine_vv(e), 0), 1);
    finish(f);
}
