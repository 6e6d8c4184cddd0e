#include "../../conflict/handler.h"
#include "../../conflict/planted.h"
#include "../../dc-node/core/prng.h"
#include "engine_hand.h"
#include "engine_rig.h"

/* Tables whose siblings a handler settles: its answer is an event, and so is that it has none; whatever it does, all datacenters read the same. */
TestSuite(handlers);

#define TWO(chain) "us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"handler:" chain "\"}}"

/* Both datacenters write the row without knowing of each other. */
static void write_both(struct rig *r, const char *key, const char *at_us, const char *at_eu) {
    char command[200];
    rig_cut(r, "us", "eu");
    snprintf(command, sizeof command, "SET %s %s", key, at_us);
    EXPECT(r, "us-1", command, "+OK");
    rig_run(r, MS(10));
    snprintf(command, sizeof command, "SET %s %s", key, at_eu);
    EXPECT(r, "eu-1", command, "+OK");
    rig_heal(r, "us", "eu");
}

static void settle(struct rig *r) {
    rig_settle(r);
    rig_run(r, SECONDS(20)); /* whoever still wants to answer has done so, and the sweep has passed */
    rig_settle(r);
}

static void everywhere(struct rig *r, const char *command, const char *text) {
    EXPECT(r, "us-1", command, text);
    EXPECT(r, "eu-1", command, text);
}

static void everywhere_siblings(struct rig *r, const char *key, unsigned count) {
    char command[100], part[32];
    snprintf(command, sizeof command, "TRUCE.SIBLINGS %s", key);
    snprintf(part, sizeof part, "siblings *%u", count);
    EXPECT_LIKE(rig_do(r, "us-1", command), part);
    EXPECT_LIKE(rig_do(r, "eu-1", command), part);
}

/* Applied in both datacenters since they began. */
static void expect_events(struct rig *r, uint64_t count) {
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) cr_assert_eq(r->applied[i], count, "%llu", (unsigned long long)r->applied[i]);
}

/* NULL: no alarm holds these words. */
static void expect_alarm(struct rig *r, const char *node, const char *part) {
    json_t *s = rig_status(r, node), *list = json_object_get(s, "alarms"), *a;
    size_t i;
    bool found = part == NULL && json_array_size(list) == 0;
    json_array_foreach(list, i, a) {
        if (part && strstr(json_string_value(a), part)) found = true;
    }
    char *all = json_dumps(list, 0);
    cr_assert(found, "%s is not among the alarms of %s: %s", part ? part : "(none)", node, all);
    free(all);
    json_decref(s);
}

static void alarms_everywhere(struct rig *r, const char *part) {
    expect_alarm(r, "us-1", part);
    expect_alarm(r, "eu-1", part);
}

Test(handlers, write_back, .description = "One datacenter's answer is written back: one sibling is left in all") {
    struct rig *r = rig_open(TWO("longest"));
    write_both(r, "t:1", "short", "longer");
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    everywhere_siblings(r, "t:1", 1);
    expect_events(r, 3);
    alarms_everywhere(r, NULL);
    rig_close(r);
}

Test(handlers, other_tables, .description = "Rows of other tables, and rows without conflict, are nobody's business") {
    struct rig *r = rig_open(TWO("longest"));
    write_both(r, "u:1", "short", "longer");
    EXPECT(r, "us-1", "SET t:1 alone", "+OK");
    settle(r);
    expect_events(r, 3);
    everywhere_siblings(r, "u:1", 2);
    rig_close(r);
}

Test(handlers, union_of_hashes, .description = "A handler makes a new row of the siblings' columns") {
    struct rig *r = rig_open(TWO("union"));
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "HSET t:1 a 1 b 1", ":2");
    EXPECT(r, "eu-1", "HSET t:1 b 2 c 2", ":2");
    rig_heal(r, "us", "eu");
    settle(r);
    everywhere(r, "HGETALL t:1", "*6 $1 a $1 1 $1 b $1 2 $1 c $1 2");
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, deleted, .description = "A deleted row beside a written one is settled too") {
    struct rig *r = rig_open(TWO("longest"));
    EXPECT(r, "us-1", "SET t:1 old", "+OK");
    rig_settle(r);
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "DEL t:1", ":1");
    EXPECT(r, "eu-1", "SET t:1 new", "+OK");
    rig_heal(r, "us", "eu");
    settle(r);
    everywhere(r, "GET t:1", "$3 new");
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, crash,
     .description = "Where a handler crashes the row is recorded alike everywhere, once, and the alarm names handler, table and row") {
    struct rig *r = rig_open(TWO("crash"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    everywhere(r, "GET t:1", "$3 two");
    everywhere_siblings(r, "t:1", 2);
    alarms_everywhere(r, "handler crash, table t, row t:1: crashed with signal 11 (Segmentation fault)");
    expect_events(r, 3);
    rig_run(r, SECONDS(60));
    expect_events(r, 3); /* it is not asked again */
    EXPECT(r, "us-1", "SET t:1 three", "+OK");
    settle(r);
    everywhere_siblings(r, "t:1", 1);
    alarms_everywhere(r, NULL);
    rig_close(r);
}

Test(handlers, crash_again, .description = "A row that was recorded is asked about again when its siblings are others") {
    struct rig *r = rig_open(TWO("crash"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    write_both(r, "t:1", "three", "four");
    settle(r);
    expect_events(r, 6);
    everywhere(r, "GET t:1", "$4 four");
    rig_close(r);
}

Test(handlers, loop, .description = "A handler that loops, or answers garbage, is recorded with its own words") {
    struct rig *r = rig_open(TWO("loop"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    alarms_everywhere(r, "handler loop, table t, row t:1: gave no answer within 1000 ms");
    everywhere(r, "GET t:1", "$3 two");
    rig_close(r);
    r = rig_open(TWO("garbage"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    alarms_everywhere(r, "handler garbage, table t, row t:1: gave garbage as its answer");
    rig_close(r);
}

Test(handlers, by_a_person, .description = "A handler that leaves a row to a person raises no alarm") {
    struct rig *r = rig_open(TWO("recorder"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    everywhere_siblings(r, "t:1", 2);
    expect_events(r, 3);
    alarms_everywhere(r, NULL);
    rig_close(r);
}

/* Links so slow that the second datacenter answers before the first one's answer has come. */
static struct rig *slow_rig(const char *shape) {
    struct rig *r = rig_open(shape);
    rig_slow(r, "us", "eu", &(struct link_options){.latency_us = MS(500)});
    return r;
}

Test(handlers, both_answer, .description = "Equal answers of two datacenters are no conflict") {
    struct rig *r = slow_rig(TWO("longest"));
    write_both(r, "t:1", "short", "longer");
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    expect_events(r, 4);
    everywhere_siblings(r, "t:1", 2);
    EXPECT(r, "us-1", "SET t:1 next", "+OK");
    settle(r);
    everywhere_siblings(r, "t:1", 1);
    expect_events(r, 5);
    rig_close(r);
}

Test(handlers, by_chance, .description = "A handler that answers by chance cannot make datacenters differ: the second answer has the row recorded") {
    const char *shapes[] = {TWO("rand"), TWO("viewpoint")};
    for (int i = 0; i < 2; i++) {
        struct rig *r = slow_rig(shapes[i]);
        write_both(r, "t:1", "one", "two");
        settle(r);
        everywhere_siblings(r, "t:1", 2);
        char us[200];
        snprintf(us, sizeof us, "%s", rig_do(r, "us-1", "GET t:1"));
        EXPECT(r, "eu-1", "GET t:1", us);
        alarms_everywhere(r, i ? "handler viewpoint, table t, row t:1: it gave different answers to the same question"
                               : "handler rand, table t, row t:1: it gave different answers to the same question");
        uint64_t events = r->applied[0];
        rig_run(r, SECONDS(60));
        expect_events(r, events);
        rig_close(r);
    }
}

Test(handlers, newer_write, .description = "A write that came while the handler thought is not overwritten by its answer") {
    struct rig *r = rig_open(TWO("slow"));
    write_both(r, "t:1", "one", "longer");
    rig_run(r, MS(600)); /* both have it, and one is asked */
    everywhere_siblings(r, "t:1", 2);
    EXPECT(r, "eu-1", "SET t:1 a", "+OK");
    settle(r);
    everywhere(r, "GET t:1", "$1 a");
    expect_events(r, 3);
    rig_close(r);
}

Test(handlers, planted, .description = "An answer that covers what was not seen, and answers without end, show") {
    conflict_planted = CONFLICT_BUG_ANSWER_UNSEEN;
    struct rig *r = rig_open("us:1 eu:1 ap:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"handler:slow\"}}");
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "SET t:1 longer", "+OK");
    EXPECT(r, "eu-1", "SET t:1 longest-of-all", "+OK");
    EXPECT(r, "ap-1", "SET t:1 a", "+OK"); /* the first by dot: the answer picks the second, which was the first when it was asked */
    rig_heal(r, "us", "eu");
    rig_run(r, MS(600));
    rig_heal(r, "*", "*");
    rig_run(r, SECONDS(20));
    rig_settle(r);
    cr_assert_str_neq(rig_do(r, "us-1", "GET t:1"), "$14 longest-of-all");
    rig_close(r);
    conflict_planted = CONFLICT_BUG_ANSWER_AGAIN;
    r = slow_rig(TWO("rand"));
    write_both(r, "t:1", "one", "two");
    rig_run(r, SECONDS(20));
    uint64_t events = r->applied[0];
    rig_run(r, SECONDS(60));
    cr_assert_gt(r->applied[0], events + 10);
    rig_close(r);
}

Test(handlers, newer_sibling, .description = "An answer covers the siblings that were seen, and the new ones are settled with it") {
    struct rig *r = rig_open("us:1 eu:1 ap:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"handler:slow\"}}");
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "SET t:1 one", "+OK");
    EXPECT(r, "eu-1", "SET t:1 longer", "+OK");
    EXPECT(r, "ap-1", "SET t:1 longest-of-all", "+OK");
    rig_heal(r, "us", "eu");
    rig_run(r, MS(600));
    rig_heal(r, "*", "*"); /* in the midst of the first question */
    rig_settle(r);
    rig_run(r, SECONDS(20));
    rig_settle(r);
    const char *nodes[] = {"us-1", "eu-1", "ap-1"};
    for (int i = 0; i < 3; i++) EXPECT(r, nodes[i], "GET t:1", "$14 longest-of-all");
    rig_close(r);
}

Test(handlers, base, .description = "A handler that wants the base gets it") {
    struct rig *r = rig_open(TWO("prefer-base"));
    EXPECT(r, "us-1", "SET t:1 base", "+OK");
    rig_settle(r);
    write_both(r, "t:1", "one", "two");
    settle(r);
    everywhere(r, "GET t:1", "$4 base");
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, base_missing,
     .description = "Where the base is nowhere at hand the row reads as recorded, nothing is written, and a person settles it") {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"lww\"}, \"u\": {\"conflict\": "
                             "\"handler:longest\"}}");
    EXPECT(r, "us-1", "SET t:1 base", "+OK");
    rig_settle(r);
    write_both(r, "t:1", "one", "two");
    settle(r);
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET t handler:prefer-base"), "OK");
    settle(r);
    uint64_t events = r->applied[0];
    rig_run(r, SECONDS(60));
    expect_events(r, events);
    everywhere(r, "GET t:1", "$3 two");
    everywhere_siblings(r, "t:1", 2);
    EXPECT(r, "us-1", "SET t:1 three", "+OK");
    settle(r);
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, redefined, .description = "When a table gets a handler, its open conflicts are settled") {
    struct rig *r = rig_open("us:1 eu:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}, \"t\": {\"conflict\": \"record\"}, \"u\": {\"conflict\": "
                             "\"handler:longest\"}}");
    write_both(r, "t:1", "longer", "two");
    settle(r);
    everywhere(r, "GET t:1", "$3 two");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.TABLE SET t handler:longest"), "OK");
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, elsewhere, .description = "A datacenter that lacks the handler leaves the row to another, and says so") {
    struct rig *r = rig_open_without_handlers(TWO("longest"), "eu-1");
    write_both(r, "t:1", "short", "longer");
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    expect_events(r, 3);
    expect_alarm(r, "us-1", NULL);
    expect_alarm(r, "eu-1", "handler longest of table t cannot run here: it is not installed here");
    rig_close(r);
}

Test(handlers, nowhere, .description = "Where no datacenter can run the handler nothing is written, and the row reads alike") {
    struct rig *r = rig_open(TWO("absent"));
    write_both(r, "t:1", "short", "longer");
    settle(r);
    expect_events(r, 2);
    everywhere(r, "GET t:1", "$6 longer");
    everywhere_siblings(r, "t:1", 2);
    rig_close(r);
}

Test(handlers, chain, .description = "A handler that passes leaves the row to the next of its chain, and to a person at the end") {
    struct rig *r = rig_open(TWO("pass,longest"));
    write_both(r, "t:1", "longer", "short");
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    expect_events(r, 3);
    rig_close(r);
    r = rig_open(TWO("pass,lww"));
    write_both(r, "t:1", "longer", "short");
    settle(r);
    everywhere(r, "GET t:1", "$5 short");
    everywhere_siblings(r, "t:1", 1);
    expect_events(r, 3);
    rig_close(r);
    r = rig_open(TWO("pass"));
    write_both(r, "t:1", "longer", "short");
    settle(r);
    everywhere_siblings(r, "t:1", 2);
    expect_events(r, 3);
    alarms_everywhere(r, NULL);
    rig_close(r);
}

Test(handlers, restart, .description = "Nodes that restart while a handler thinks ask again") {
    struct rig *r = rig_open(TWO("slow"));
    write_both(r, "t:1", "one", "longer");
    rig_run(r, MS(600));
    everywhere_siblings(r, "t:1", 2);
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_restart(r, "eu-1", CRASH_PROCESS);
    settle(r);
    everywhere(r, "GET t:1", "$6 longer");
    everywhere_siblings(r, "t:1", 1);
    rig_close(r);
}

Test(handlers, recorded_restart, .description = "A row that was recorded stays so over a restart") {
    struct rig *r = rig_open(TWO("crash"));
    write_both(r, "t:1", "one", "two");
    settle(r);
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_restart(r, "eu-1", CRASH_PROCESS);
    settle(r);
    expect_events(r, 3);
    everywhere_siblings(r, "t:1", 2);
    alarms_everywhere(r, "handler crash, table t, row t:1: crashed with signal 11");
    rig_close(r);
}

Test(handlers, many, .description = "More open rows than are remembered at a time are all settled", .timeout = 120) {
    struct rig *r = rig_open(TWO("longest"));
    char command[100];
    rig_cut(r, "us", "eu");
    for (int i = 0; i < 6000; i++) {
        snprintf(command, sizeof command, "SET t:%d one", i);
        rig_send(r, r->clients[0], command);
        snprintf(command, sizeof command, "SET t:%d longer", i);
        rig_send(r, r->clients[1], command);
    }
    rig_run(r, SECONDS(5));
    rig_heal(r, "us", "eu");
    settle(r);
    rig_run(r, SECONDS(60));
    rig_settle(r);
    for (int i = 0; i < 6000; i += 7) {
        snprintf(command, sizeof command, "GET t:%d", i);
        everywhere(r, command, "$6 longer");
    }
    expect_events(r, 18000);
    rig_close(r);
}

Test(handlers, expiry, .description = "A sibling that is picked lasts as long as the longest of those that were seen") {
    struct rig *r = rig_open(TWO("longest"));
    rig_cut(r, "us", "eu");
    EXPECT(r, "us-1", "SET t:1 short EX 9000", "+OK");
    EXPECT(r, "eu-1", "SET t:1 longer EX 100", "+OK");
    rig_heal(r, "us", "eu");
    settle(r);
    everywhere_siblings(r, "t:1", 1);
    const char *ttl = rig_do(r, "eu-1", "TTL t:1");
    cr_assert_gt(strtol(ttl + 1, NULL, 10), 8000, "%s", ttl);
    rig_close(r);
}

Test(handlers, listed, .description = "TRUCE.HANDLERS lists what the node has, and RELOAD looks again") {
    struct rig *r = rig_open(TWO("longest"));
    EXPECT(r, "us-1", "TRUCE.HANDLERS RELOAD", "+OK");
    write_both(r, "t:1", "short", "longer");
    settle(r);
    const char *list = rig_do(r, "eu-1", "TRUCE.HANDLERS");
    EXPECT_LIKE(list, "$4 name $7 longest $4 hash $16 ");
    EXPECT_LIKE(list, "$4 runs :1 $8 failures :0");
    EXPECT_LIKE(rig_do(r, "us-1", "TRUCE.HANDLERS AGAIN"), "syntax error");
    rig_close(r);
}

/* ---- all natures at once ---- */

static const char *const natures[] = {"longest", "union", "recorder", "pass", "slow", "rand", "viewpoint", "crash", "loop", "garbage", "prefer-base"};
#define NATURES (sizeof natures / sizeof *natures)

static void disturb(struct rig *r, struct prng *p) {
    static const char *const dcs[] = {"ap", "eu", "us"};
    const char *a = dcs[prng_below(p, 3)], *b = dcs[prng_below(p, 3)];
    switch (prng_below(p, 6)) {
    case 0: rig_cut(r, a, b); break;
    case 1: rig_cut(r, "*", "*"); break;
    case 2: rig_restart(r, r->cluster.nodes[prng_below(p, r->cluster.nodes_count)].name, CRASH_PROCESS); break;
    default: rig_heal(r, "*", "*"); break;
    }
}

static void write_somewhere(struct rig *r, struct prng *p) {
    char command[100];
    const char *nature = natures[prng_below(p, NATURES)];
    unsigned row = (unsigned)prng_below(p, 3), value = (unsigned)prng_below(p, 100000);
    switch (prng_below(p, 4)) {
    case 0: snprintf(command, sizeof command, "DEL %s:%u", nature, row); break;
    case 1: snprintf(command, sizeof command, "SET %s:%u v%u EX 100000", nature, row, value); break;
    default: snprintf(command, sizeof command, "SET %s:%u v%u", nature, row, value); break;
    }
    rig_send(r, r->clients[prng_below(p, r->cluster.nodes_count)], command);
}

/* Open rows of deterministic handlers, or reads that differ, are no end. */
static void expect_settled(struct rig *r) {
    char command[100], first[200];
    for (size_t i = 0; i < NATURES; i++)
        for (unsigned row = 0; row < 3; row++) {
            snprintf(command, sizeof command, "GET %s:%u", natures[i], row);
            snprintf(first, sizeof first, "%s", rig_do(r, "ap-1", command));
            for (uint32_t n = 1; n < r->cluster.nodes_count; n++) EXPECT(r, r->cluster.nodes[n].name, command, first);
        }
}

Test(handlers, all_natures, .description = "Whatever handlers do, and whatever is cut and restarted: all agree in the end, and there is an end",
     .timeout = 240) {
    struct buf shape = {0};
    buf_text(&shape, "ap:1 eu:2 us:1 | \"tables\": {\"*\": {\"conflict\": \"lww\"}");
    for (size_t i = 0; i < NATURES; i++) buf_printf(&shape, ", \"%s\": {\"conflict\": \"handler:%s\"}", natures[i], natures[i]);
    buf_text(&shape, "}");
    buf_u8(&shape, 0);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *r = rig_open_seeded((const char *)shape.p, seed);
        struct prng p;
        prng_seed(&p, seed);
        if (prng_chance(&p, 1, 2)) rig_slow(r, "*", "*", &(struct link_options){.latency_us = MS(200), .jitter_us = MS(300)});
        for (int i = 0; i < 60; i++) {
            if (prng_chance(&p, 1, 4)) disturb(r, &p);
            for (uint64_t n = prng_below(&p, 6); n > 0; n--) write_somewhere(r, &p);
            rig_run(r, prng_below(&p, MS(900)));
        }
        rig_heal(r, "*", "*");
        rig_settle(r);
        rig_run(r, SECONDS(60));
        rig_settle(r);
        uint64_t events = r->applied[0];
        rig_run(r, SECONDS(60));
        cr_assert_eq(r->applied[0], events, "seed %llu goes on for ever", (unsigned long long)seed);
        rig_settle(r);
        expect_settled(r);
        rig_close(r);
    }
    buf_finish(&shape);
}

/* ---- frames by hand ---- */

#define NODE(c, p) "{\"client\":\"h:" #c "\",\"peer\":\"h:" #p "\"}"
#define PAIR                                                                                                                                         \
    "{\"cluster\":\"t\",\"memory_mb\":16,\"tables\":{\"t\":{\"conflict\":\"handler:x\"}},\"datacenters\":{\"eu\":{\"nodes\":{\"1\":" NODE(           \
        1, 2) "}},\"us\":{\"nodes\":{\"1\":" NODE(3, 4) "}}}}"
enum { EU, US };

/* An answer of a handler, made at a node that is not there. */
static void forge_answer(struct hand *h, uint32_t subscription, uint64_t incarnation, const char *value, uint8_t generation) {
    struct origin o = {.dc = "eu", .node = 1, .incarnation = incarnation};
    struct buf body = {0}, content = {0}, block = {0};
    content_make_string(&content, 0, slice_text(value));
    struct change c = {
        .op = CHANGE_ANSWER, .key = slice_text("t:1"), .content = buf_slice_of(&content), .generation = generation, .inputs = incarnation};
    event_begin(&body, stamp_make(1700000000000, 0), 0, NULL, 0, 1, h->names);
    event_change(&body, &c, h->names);
    block_begin(&block, origins_intern(h->names, &o), 1, 1, h->names);
    buf_slice(&block, buf_slice_of(&body));
    struct message m = {.type = MESSAGE_EVENTS};
    m.events.subscription = subscription;
    m.events.sent_bytes = block.n;
    m.events.block = buf_slice_of(&block);
    hand_forge(h, EU, US, &m);
    buf_finish(&body);
    buf_finish(&content);
    buf_finish(&block);
}

static uint32_t subscription_at(struct hand *h) {
    struct message m;
    size_t size;
    const char *why;
    int at = hand_find(h, US, EU, MESSAGE_SUBSCRIBE);
    cr_assert(at >= 0);
    cr_assert_eq(message_decode(buf_slice_of(&h->frames[at].bytes), h->names, &m, &size, &why), FRAME_OK);
    uint32_t id = m.subscribe.subscription;
    message_finish(&m);
    hand_flow(h);
    return id;
}

Test(handlers, generations, .description = "Answers that settle answers come to an end") {
    struct hand *h = hand_open(PAIR);
    hand_link(h, EU, US);
    uint32_t subscription = subscription_at(h);
    struct known_handler x = {.name = "x", .hash = 1, .usable = true};
    hand_step(h, US, (struct input){.type = INPUT_HANDLERS, .handlers = &x, .handlers_count = 1});
    forge_answer(h, subscription, 101, "one", 8);
    forge_answer(h, subscription, 102, "two", 3);
    for (int i = 0; i < 20; i++) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
    struct buf status = {0};
    engine_status(h->engines[US], &status);
    buf_u8(&status, 0);
    EXPECT_LIKE((const char *)status.p, "handler x, table t, row t:1: its answers do not settle");
    buf_finish(&status);
    hand_close(h);
}

Test(handlers, answers_by_hand, .description = "An answer that is malformed, to no question, or picks who is not there harms nobody") {
    struct hand *h = hand_open(PAIR);
    hand_link(h, EU, US);
    uint32_t subscription = subscription_at(h);
    struct known_handler x = {.name = "x", .hash = 1, .usable = true};
    hand_step(h, US, (struct input){.type = INPUT_HANDLED, .handler_run = 77, .answer = slice_text("nonsense")});
    hand_step(h, US, (struct input){.type = INPUT_HANDLERS, .handlers = &x, .handlers_count = 1});
    forge_answer(h, subscription, 101, "one", 1);
    forge_answer(h, subscription, 102, "two", 1);
    for (int i = 0; i < 20; i++) {
        hand_tick(h, MS(100));
        hand_flow(h);
    }
    struct buf answer = {0}, status = {0};
    handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_PICK, .index = 2}, &answer);
    hand_step(h, US, (struct input){.type = INPUT_HANDLED, .handler_run = 1, .answer = buf_slice_of(&answer)});
    engine_status(h->engines[US], &status);
    buf_u8(&status, 0);
    EXPECT_LIKE((const char *)status.p, "handler x, table t, row t:1: picked a sibling that is not there");
    buf_finish(&answer);
    buf_finish(&status);
    hand_close(h);
}
