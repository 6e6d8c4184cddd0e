#include "../../dc-node/core/session.h"
#include "engine_hand.h"
#include "engine_rig.h"

/* What a run finds on its disk, what a peer is told that comes too late, and rows whose time is up. */
TestSuite(recover);

static void write_some(struct rig *r, const char *node, int from, int to) {
    for (int i = from; i < to; i++) {
        char command[40];
        snprintf(command, sizeof command, "SET k%d %d", i % 50, i);
        rig_send(r, r->clients[rig_node(r, node)], command);
    }
    rig_run(r, MS(50));
}

static void flush(struct rig *r, const char *node) {
    cr_assert(engine_flush_now(rig_engine(r, node)));
    rig_run(r, SECONDS(1));
    cr_assert_eq(engine_dirty_rows(rig_engine(r, node)), 0u);
}

static void restarts_as_it_was(struct rig *r, const char *node, enum crash kind) {
    uint64_t digest = engine_digest(rig_engine(r, node)), vv = vv_hash(engine_vv(rig_engine(r, node)), engine_origins(rig_engine(r, node)));
    rig_restart(r, node, kind);
    cr_assert_eq(engine_digest(rig_engine(r, node)), digest);
    cr_assert_eq(vv_hash(engine_vv(rig_engine(r, node)), engine_origins(rig_engine(r, node))), vv);
}

Test(recover, from_the_log, .description = "A node that was killed before any flush restarts from its log") {
    struct rig *r = rig_open("us:1 eu:1");
    write_some(r, "us-1", 0, 100);
    write_some(r, "eu-1", 50, 150);
    restarts_as_it_was(r, "us-1", CRASH_MACHINE);
    EXPECT(r, "us-1", "SET a 1", "+OK");
    rig_settle(r);
    restarts_as_it_was(r, "us-1", CRASH_PROCESS);
    restarts_as_it_was(r, "eu-1", CRASH_PROCESS);
    rig_close(r);
}

Test(recover, from_a_checkpoint, .description = "A node restarts from its checkpoint and the log after it") {
    struct rig *r = rig_open("us:1 eu:1");
    write_some(r, "us-1", 0, 100);
    rig_settle(r);
    flush(r, "us-1");
    restarts_as_it_was(r, "us-1", CRASH_MACHINE);
    rig_run(r, SECONDS(1));
    write_some(r, "us-1", 100, 150);
    write_some(r, "eu-1", 150, 200);
    rig_run(r, MS(100));
    restarts_as_it_was(r, "us-1", CRASH_MACHINE);
    EXPECT(r, "us-1", "INCR k7", ":158");
    rig_settle(r);
    rig_close(r);
}

Test(recover, between_commit_and_flush, .description = "A flush that a crash takes back, or leaves half known, changes nothing") {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *r = rig_open_seeded("us:1 eu:1", seed);
        for (int round = 0; round < 6; round++) {
            write_some(r, "us-1", round * 30, round * 30 + 60);
            EXPECT(r, "us-1", "MULTI", "+OK");
            EXPECT(r, "us-1", "DEL k3 k4", "+QUEUED");
            EXPECT(r, "us-1", "EXEC", round ? "*1 :2" : "*1 :2");
            engine_flush_now(rig_engine(r, "us-1"));
            rig_run(r, MS(1) + seed * 700 % MS(25));
            write_some(r, "us-1", round * 30 + 5, round * 30 + 15); /* supersedes frozen rows */
            restarts_as_it_was(r, "us-1", CRASH_MACHINE);
        }
        rig_settle(r);
        rig_close(r);
    }
}

Test(recover, counters_across_runs, .description = "A counter counts once across restarts of everybody") {
    struct rig *r = rig_open("us:2 eu:1");
    int n = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 10; i++) {
            char reply[16];
            snprintf(reply, sizeof reply, ":%d", ++n);
            EXPECT(r, i % 2 ? "us-1" : "us-2", "INCR n", reply);
        }
        rig_restart(r, "us-1", round % 2 ? CRASH_PROCESS : CRASH_MACHINE);
        if (round % 3 == 0) rig_restart(r, "us-2", CRASH_MACHINE);
        if (round % 4 == 0) rig_restart(r, "eu-1", CRASH_MACHINE);
        rig_run(r, SECONDS(2));
    }
    rig_settle(r);
    EXPECT(r, "eu-1", "GET n", "$3 100");
    rig_close(r);
}

Test(recover, deps_of_a_new_run, .description = "The first event of a new run depends on all that its node had") {
    struct rig *r = rig_open("us:1 eu:1 ap:1");
    EXPECT(r, "eu-1", "SET a 1", "+OK");
    EXPECT(r, "us-1", "SET b 1", "+OK");
    rig_run(r, MS(100));
    rig_cut(r, "eu", "ap");
    EXPECT(r, "eu-1", "SET a 2", "+OK");
    rig_run(r, MS(50)); /* us has it, ap has not */
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-1", "APPEND a +", ":2");
    bool seen = false;
    for (int i = 0; i < 1000 && !seen; i++) {
        rig_run(r, MS(5));
        const char *a = rig_do(r, "ap-1", "GET a");
        cr_assert(strcmp(a, "$1 1") == 0 || strcmp(a, "$1 2") == 0 || strcmp(a, "$2 2+") == 0, "%s", a);
        seen = strcmp(a, "$2 2+") == 0;
    }
    cr_assert(seen);
    EXPECT_LIKE(rig_do(r, "ap-1", "TRUCE.SIBLINGS a"), "siblings *1");
    rig_close(r);
}

Test(recover, disk_fails, .description = "A write whose commit failed is not answered, and is there wholly or not at all afterwards") {
    for (int applied = 0; applied < 2; applied++) {
        struct rig *r = rig_open("us:1 eu:1");
        r->broken_is_fine = true;
        EXPECT(r, "us-1", "SET a 1", "+OK");
        rig_settle(r);
        world_fail_commit(r->w, rig_node(r, "us-1"), 1, applied);
        EXPECT(r, "us-1", "MSET a 2 b 2", "(lost)");
        cr_assert(!world_alive(r->w, rig_node(r, "us-1")));
        EXPECT(r, "eu-1", "MGET a b", "*2 $1 1 $-1");
        world_start(r->w, rig_node(r, "us-1"));
        rig_settle(r);
        EXPECT(r, "eu-1", "MGET a b", applied ? "*2 $1 2 $1 2" : "*2 $1 1 $-1");
        rig_close(r);
    }
}

#define PAIR                                                                                                                                         \
    "{\"cluster\":\"t\",\"memory_mb\":16,\"datacenters\":{\"eu\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}},"                         \
    "\"us\":{\"nodes\":{\"1\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}}}}"
enum { EU, US };

static void pass(struct hand *h, unsigned ms) {
    for (unsigned i = 0; i < ms; i += 100) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
}

static bool status_has(struct hand *h, uint32_t node, const char *part) {
    struct buf text = {0};
    engine_status(h->engines[node], &text);
    buf_u8(&text, 0);
    bool has = strstr((const char *)text.p, part) != NULL;
    buf_finish(&text);
    return has;
}

Test(recover, refused, .description = "A node that lacks events which nobody keeps as such is refused them, and takes the rows") {
    struct hand *h = hand_open(PAIR);
    h->cluster.log_bytes_max = 0;
    hand_client(h, US, 1);
    hand_link(h, EU, US);
    hand_do(h, US, 1, "SET a 1");
    pass(h, 6000); /* stable, flushed, trimmed */
    hand_do(h, US, 1, "SET a 2");
    hand_flow(h);
    hand_kill(h, EU);
    hand_kill(h, US); /* its memory would have them still */
    hand_drop_all(h);
    hand_start(h, US);
    hand_wipe(h, EU);
    hand_start(h, EU);
    hand_link(h, EU, US);
    pass(h, 3000);
    hand_client(h, EU, 2);
    hand_answers(h);
    hand_do(h, EU, 2, "GET a");
    cr_assert_str_eq(hand_answers(h), "$1 2");
    hand_close(h);
}

Test(recover, refusal_ends, .description = "A refusal is forgotten when the next subscription is served, though no event comes") {
    struct hand *h = hand_open(PAIR);
    hand_link(h, EU, US);
    int at = hand_find(h, EU, US, MESSAGE_SUBSCRIBE);
    struct message m;
    size_t size;
    const char *why;
    cr_assert_eq(message_decode(buf_slice_of(&h->frames[at].bytes), h->names, &m, &size, &why), FRAME_OK);
    struct message refuse = {.type = MESSAGE_REFUSE};
    refuse.refuse.subscription = m.subscribe.subscription;
    refuse.refuse.reason = slice_text("not \xff today\n");
    message_finish(&m);
    hand_forge(h, US, EU, &refuse);
    cr_assert(status_has(h, EU, "\"state\":\"refused\""));
    cr_assert(status_has(h, EU, "not ? today?"));
    pass(h, 7000);
    cr_assert(!status_has(h, EU, "refused"));
    hand_close(h);
}

/* ---- rows whose time is up ---- */

Test(recover, expiry, .description = "A row whose time is up reads as absent everywhere, and is reaped later") {
    struct rig *r = rig_open("us:2 eu:1");
    EXPECT(r, "us-2", "SET a 1 PX 3000", "+OK");
    EXPECT(r, "us-2", "SET b 1", "+OK");
    rig_settle(r);
    EXPECT(r, "eu-1", "GET a", "$1 1");
    rig_run(r, SECONDS(3));
    EXPECT(r, "us-1", "GET a", "$-1");
    EXPECT(r, "us-2", "EXISTS a", ":0");
    EXPECT(r, "eu-1", "KEYS *", "*1 $1 b");
    rig_run(r, SECONDS(70)); /* a row that was flushed after its time was up is found when the search begins anew */
    EXPECT(r, "eu-1", "DBSIZE", ":1");
    EXPECT(r, "eu-1", "SET a 2", "+OK");
    rig_settle(r);
    EXPECT(r, "us-2", "GET a", "$1 2");
    rig_close(r);
}

Test(recover, refresh_beats_reap,
     .description = "Of concurrent expiries the longest counts, and a reap does not take a row that was refreshed elsewhere") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET a 1 EX 5", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "eu-1", "EXPIRE a 100", ":1");
    rig_run(r, SECONDS(10)); /* us reaps it */
    EXPECT(r, "us-1", "GET a", "$-1");
    rig_heal(r, "us", "eu");
    rig_settle(r);
    EXPECT(r, "us-1", "GET a", "$1 1");
    EXPECT(r, "eu-1", "GET a", "$1 1");
    rig_close(r);
}

Test(recover, reap_by_a_wrong_clock, .description = "A leader whose clock is ahead does not reap rows whose time is not up for the others") {
    struct rig *r = rig_open("us:1 eu:1");
    EXPECT(r, "us-1", "SET a 1 EX 1000", "+OK");
    rig_settle(r);
    rig_run(r, SECONDS(5));
    world_skew(r->w, rig_node(r, "us-1"), 3600 * 1000, 0, false);
    rig_run(r, SECONDS(70));
    EXPECT(r, "us-1", "GET a", "$1 1"); /* nor does it hide them */
    EXPECT(r, "eu-1", "GET a", "$1 1");
    world_skew(r->w, rig_node(r, "us-1"), 0, 0, false);
    rig_run(r, SECONDS(1));
    EXPECT(r, "us-1", "GET a", "$1 1");
    rig_run(r, SECONDS(1100));
    EXPECT(r, "eu-1", "DBSIZE", ":0");
    rig_close(r);
}
