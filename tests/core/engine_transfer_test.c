#include "engine_rig.h"
#include <stdio.h>

/* Cuts that are longer than the log: rows travel instead of events (engine_transfer.c, engine_fold.c). */
TestSuite(transfer);

#define KEYS 20u

static struct rig *tight(const char *shape) {
    struct rig *r = rig_open(shape);
    r->cluster.log_bytes_max = 4096;
    return r;
}

static const char *say(struct rig *r, const char *node, const char *format, ...) __attribute__((format(printf, 3, 4)));
static const char *say(struct rig *r, const char *node, const char *format, ...) {
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return rig_do(r, node, command);
}

/* More than the log keeps, and long enough for rows to be flushed; and the node forgets what it has in memory. */
static void write_much(struct rig *r, const char *node, unsigned writes) {
    for (unsigned i = 0; i < writes; i++) {
        say(r, node, "SET k:%u v%u", i % KEYS, i);
        rig_run(r, MS(20));
    }
    rig_run(r, SECONDS(6));
    rig_restart(r, node, CRASH_PROCESS);
    rig_run(r, SECONDS(1));
}

static uint64_t logged(struct rig *r, const char *node) {
    struct store *s = sim_store_base(world_store(r->w, rig_node(r, node)));
    struct buf origins = {0};
    uint64_t events = 0;
    int n = s->ops->scan_log(s, &origins);
    struct reader reader = reader_of(buf_slice_of(&origins));
    for (int i = 0; i < n; i++) {
        read_slice(&reader);
        uint64_t first = read_u64(&reader);
        events += read_u64(&reader) + 1 - first;
    }
    buf_finish(&origins);
    return events;
}

static uint64_t pointers(struct rig *r, const char *node) {
    struct store *s = sim_store_base(world_store(r->w, rig_node(r, node)));
    struct buf found = {0};
    uint64_t next, n = 0;
    cr_assert_eq(s->ops->scan_pointers(s, NULL, 0, 100000, &found, &next), 0);
    for (struct reader reader = reader_of(buf_slice_of(&found)); reader.p < reader.end; n++) {
        read_u64(&reader);
        read_slice(&reader);
        read_slice(&reader);
        read_u64(&reader);
    }
    buf_finish(&found);
    return n;
}

static bool status_has(struct rig *r, const char *node, const char *part) {
    struct buf text = {0};
    engine_status(rig_engine(r, node), &text);
    buf_u8(&text, 0);
    bool has = strstr((const char *)text.p, part) != NULL;
    buf_finish(&text);
    return has;
}

Test(transfer, longer_than_the_log, .description = "Who was away for longer than the log gets the rows that changed; its own writes survive") {
    struct rig *r = tight("us:1 eu:1");
    for (unsigned i = 0; i < 50; i++) say(r, "us-1", "SET old:%u x", i);
    rig_settle(r);
    rig_run(r, SECONDS(8));
    rig_cut(r, "us", "eu");
    write_much(r, "us-1", 300);
    EXPECT(r, "eu-1", "SET own 1", "+OK");
    EXPECT(r, "eu-1", "SET k:3 theirs", "+OK");
    cr_assert_lt(logged(r, "us-1"), 150u, "the log keeps its budget");
    cr_assert_eq(pointers(r, "us-1"), KEYS, "one for each row that changed");
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT(r, "eu-1", "GET k:19", "$4 v299");
    EXPECT(r, "us-1", "GET own", "$1 1");
    EXPECT(r, "us-1", "GET k:3", "$6 theirs");
    EXPECT(r, "eu-1", "GET k:3", "$6 theirs");
    EXPECT(r, "eu-1", "DBSIZE", ":71");
    cr_assert_lt(r->applied[rig_node(r, "eu-1")], 200u, "%u came as events", (unsigned)r->applied[rig_node(r, "eu-1")]);
    rig_run(r, SECONDS(10));
    say(r, "us-1", "SET k:0 again");
    rig_run(r, SECONDS(20));
    cr_assert_lt(pointers(r, "us-1"), 3u, "what is stable needs none");
    rig_close(r);
}

Test(transfer, removals, .description = "What was removed last leaves nothing in its row, and is gone on the other side all the same") {
    struct rig *r = tight("us:1 eu:1 | \"tables\":{\"*\":{\"conflict\":\"merge\"}}");
    EXPECT(r, "us-1", "SADD s a b", ":2");
    EXPECT(r, "us-1", "SADD t a", ":1");
    EXPECT(r, "us-1", "HSET h x 1 y 2", ":2");
    EXPECT(r, "us-1", "INCRBY n 5", ":5");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "SREM s a", ":1");
    EXPECT(r, "us-1", "DEL t", ":1");
    EXPECT(r, "us-1", "HDEL h x", ":1");
    EXPECT(r, "us-1", "INCRBY n 2", ":7");
    EXPECT(r, "eu-1", "INCRBY n 100", ":105");
    write_much(r, "us-1", 200);
    rig_heal(r, "*", "*");
    rig_settle(r);
    EXPECT(r, "eu-1", "SMEMBERS s", "*1 $1 b");
    EXPECT(r, "eu-1", "EXISTS t", ":0");
    EXPECT(r, "eu-1", "HGETALL h", "*2 $1 y $1 2");
    EXPECT(r, "eu-1", "GET n", "$3 107");
    EXPECT(r, "us-1", "GET n", "$3 107");
    rig_close(r);
}

Test(transfer, conflicts, .description = "Conflicts on rows that travel are the same in both journals, with the values that lost") {
    struct rig *r = tight("us:1 eu:1 ap:1 | \"tables\":{\"*\":{\"conflict\":\"record\"}}");
    EXPECT(r, "us-1", "SET a base", "+OK");
    rig_settle(r);
    rig_cut(r, "eu", "us");
    rig_cut(r, "eu", "ap");
    rig_cut(r, "us", "ap");
    EXPECT(r, "us-1", "SET a us", "+OK");
    EXPECT(r, "ap-1", "SET a ap", "+OK");
    rig_run(r, MS(50));
    rig_heal(r, "us", "ap");
    rig_run(r, SECONDS(3));
    EXPECT(r, "us-1", "SET b 1", "+OK");
    EXPECT(r, "us-1", "SET a settled", "+OK"); /* the conflict of us and ap ends, and one of them has lost */
    EXPECT(r, "eu-1", "SET a eu", "+OK");
    write_much(r, "us-1", 300);
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_run(r, SECONDS(2));
    char us[8192];
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.CONFLICTS"), "$5 loser");
    snprintf(us, sizeof us, "%s", rig_do(r, "us-1", "TRUCE.CONFLICTS COUNT"));
    cr_assert_str_eq(rig_do(r, "eu-1", "TRUCE.CONFLICTS COUNT"), us);
    cr_assert_str_eq(rig_do(r, "ap-1", "TRUCE.CONFLICTS COUNT"), us);
    rig_close(r);
}

Test(transfer, wiped, .description = "A node whose disk was wiped takes all rows where the log does not reach back, and serves when it has them") {
    struct rig *r = tight("us:2 eu:1");
    write_much(r, "us-1", 300);
    EXPECT(r, "us-1", "DEL k:5", ":1");
    rig_settle(r);
    rig_run(r, SECONDS(8));
    uint32_t eu = rig_node(r, "eu-1");
    world_kill(r->w, eu, CRASH_MACHINE);
    cr_assert(world_wipe(r->w, eu));
    cr_assert(world_start(r->w, eu));
    rig_run(r, MS(1));
    EXPECT_LIKE(rig_do(r, "eu-1", "GET k:19"), "-LOADING");
    rig_settle(r);
    EXPECT(r, "eu-1", "GET k:19", "$4 v299");
    EXPECT(r, "eu-1", "EXISTS k:5", ":0");
    EXPECT(r, "eu-1", "SET k:5 new", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "GET k:5", "$3 new");
    rig_close(r);
}

/* Three megabytes in forty rows, so that there are several batches. */
static struct rig *large(void) {
    struct rig *r = tight("us:1 eu:1");
    char *value = rig_word('x', 80000);
    rig_cut(r, "us", "eu");
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "big:%u", i);
        struct slice argv[] = {slice_text("SET"), slice_text(key), slice_text(value)};
        cr_assert_str_eq(rig_args(r, r->clients[rig_node(r, "us-1")], argv, 3), "+OK");
    }
    free(value);
    rig_run(r, SECONDS(8));
    EXPECT(r, "eu-1", "SET big:7 mine", "+OK");
    struct link_options slow = {.latency_us = 40000, .rate_bytes_s = 4000000};
    rig_slow(r, "us", "eu", &slow);
    return r;
}

static void check_large(struct rig *r) {
    rig_settle(r);
    EXPECT(r, "eu-1", "STRLEN big:39", ":80000");
    EXPECT(r, "us-1", "GET big:7", "$4 mine");
    EXPECT(r, "eu-1", "DBSIZE", ":40");
    rig_close(r);
}

Test(transfer, killed_at_any_moment, .description = "Whoever takes a transfer may be killed, or lose its power, at any moment of it", .timeout = 60) {
    for (unsigned ms = 100; ms < 2400; ms += 110) {
        struct rig *r = large();
        rig_heal(r, "*", "*");
        rig_run(r, MS(ms));
        rig_restart(r, "eu-1", ms % 20 ? CRASH_MACHINE : CRASH_PROCESS);
        check_large(r);
    }
}

Test(transfer, sender_killed_at_any_moment,
     .description = "Whoever gives a transfer may be killed at any moment: it goes on with what has changed since", .timeout = 60) {
    for (unsigned ms = 100; ms < 2400; ms += 230) {
        struct rig *r = large();
        rig_heal(r, "*", "*");
        rig_run(r, MS(ms));
        rig_restart(r, "us-1", CRASH_PROCESS);
        say(r, "us-1", "SET big:%u changed", ms % 7);
        rig_settle(r);
        char command[32];
        snprintf(command, sizeof command, "GET big:%u", ms % 7);
        EXPECT(r, "eu-1", command, "$7 changed");
        check_large(r);
    }
}

Test(transfer, words, .description = "Status says how far a transfer is, and a link that comes and goes does not begin it anew") {
    struct rig *r = large();
    bool told = false;
    for (unsigned i = 0; i < 12; i++) {
        rig_heal(r, "*", "*");
        rig_run(r, MS(400));
        told |= status_has(r, "eu-1", "rows from us-1");
        rig_cut(r, "us", "eu");
        rig_run(r, MS(300));
    }
    cr_assert(told);
    rig_heal(r, "*", "*");
    check_large(r);
}
