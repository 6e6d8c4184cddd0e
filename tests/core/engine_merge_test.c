/* Tables that merge, through the whole engine: what commands of several datacenters make of one row. */
#include "engine_rig.h"

#define MERGE "us:1 eu:1 ap:1 | \"tables\": {\"*\": {\"conflict\": \"merge\"}}"

static struct rig *cut_rig(void) {
    struct rig *r = rig_open(MERGE);
    return r;
}

static void everywhere(struct rig *r, const char *command, const char *text) {
    const char *nodes[] = {"us-1", "eu-1", "ap-1"};
    for (int i = 0; i < 3; i++) EXPECT(r, nodes[i], command, text);
}

Test(merge, counters, .description = "Increments of datacenters that do not know of each other add up") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "INCRBY n 5", ":5");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "INCRBY n 3", ":8");
    EXPECT(r, "eu-1", "INCRBY n 10", ":15");
    EXPECT(r, "ap-1", "DECR n", ":4");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "GET n", "$2 17");
    rig_close(r);
}

Test(merge, counter_deleted, .description = "A delete takes the increments that it saw, and no other") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "INCRBY n 5", ":5");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "DEL n", ":1");
    EXPECT(r, "us-1", "INCR n", ":1");
    EXPECT(r, "eu-1", "INCRBY n 10", ":15");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "GET n", "$2 11");
    EXPECT(r, "ap-1", "DEL n", ":1");
    rig_settle(r);
    everywhere(r, "GET n", "$-1");
    EXPECT(r, "eu-1", "INCR n", ":1");
    rig_settle(r);
    everywhere(r, "GET n", "$1 1");
    rig_close(r);
}

Test(merge, set_and_increment, .description = "A SET resets the increments that it saw; a concurrent one counts on top") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "INCRBY n 5", ":5");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "SET n 100", "+OK");
    EXPECT(r, "us-1", "INCR n", ":101");
    EXPECT(r, "eu-1", "INCRBY n 7", ":12");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "GET n", "$3 108");
    rig_close(r);
}

Test(merge, columns, .description = "Different columns written on both sides are both there; columns add up too") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "HSET u name Alice visits 1", ":2");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "HSET u name Alicia", ":0");
    EXPECT(r, "eu-1", "HSET u city Paris", ":1");
    EXPECT(r, "eu-1", "HINCRBY u visits 2", ":3");
    EXPECT(r, "us-1", "HINCRBY u visits 4", ":5");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "HGETALL u", "*6 $4 city $5 Paris $4 name $6 Alicia $6 visits $1 7");
    rig_close(r);
}

Test(merge, one_column, .description = "Of one column written on both sides the last writer is read, and the other version is there") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "HSET u name Alice", ":1");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "HSET u name Alicia", ":0");
    rig_run(r, MS(20));
    EXPECT(r, "eu-1", "HSET u name Alina", ":0");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "HGET u name", "$5 Alina");
    EXPECT_LIKE(rig_do(r, "ap-1", "TRUCE.SIBLINGS u"), "Alicia");
    rig_close(r);
}

Test(merge, sets, .description = "What was added somewhere while it was removed elsewhere stays") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "SADD s a b", ":2");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "SREM s a", ":1");
    EXPECT(r, "us-1", "SREM s b", ":1");
    EXPECT(r, "eu-1", "SADD s a c", ":1");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "SMEMBERS s", "*2 $1 a $1 c");
    rig_close(r);
}

Test(merge, deleted_row, .description = "A delete removes what it saw, and concurrent updates survive it") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "HSET u a 1 b 2", ":2");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "DEL u", ":1");
    EXPECT(r, "eu-1", "HSET u b 3", ":0");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "HGETALL u", "*2 $1 b $1 3");
    EXPECT(r, "ap-1", "HDEL u b", ":1");
    rig_settle(r);
    everywhere(r, "EXISTS u", ":0");
    rig_close(r);
}

Test(merge, types, .description = "Of types that were made on both sides one is shown, and the next write settles it for good") {
    struct rig *r = cut_rig();
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "HSET k f v", ":1");
    rig_run(r, MS(20));
    EXPECT(r, "eu-1", "SADD k m", ":1");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "TYPE k", "+set");
    EXPECT(r, "ap-1", "SADD k n", ":1");
    rig_settle(r);
    EXPECT(r, "us-1", "SREM k m n", ":2");
    rig_settle(r);
    everywhere(r, "EXISTS k", ":0");
    rig_close(r);
}

Test(merge, expiry, .description = "Of concurrent expiries the longest counts; SET makes a row for ever") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "SET k v", "+OK");
    EXPECT(r, "us-1", "SET j v EX 1000", "+OK");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "EXPIRE k 100", ":1");
    EXPECT(r, "eu-1", "EXPIRE k 200", ":1");
    EXPECT(r, "us-1", "EXPIRE j 5", ":1");
    EXPECT(r, "eu-1", "SET j w", "+OK");
    rig_heal(r, "*", "*");
    rig_settle(r);
    const char *ttl = rig_do(r, "ap-1", "TTL k");
    cr_assert(atoi(ttl + 1) > 150, "%s", ttl);
    everywhere(r, "TTL j", ":-1");
    EXPECT(r, "us-1", "PEXPIRE k 1500", ":1");
    rig_run(r, SECONDS(8));
    rig_settle(r);
    everywhere(r, "EXISTS k", ":0");
    EXPECT(r, "us-1", "INCR k", ":1");
    rig_settle(r);
    everywhere(r, "TTL k", ":-1");
    rig_close(r);
}

Test(merge, decimals, .description = "Decimal counters add up exactly") {
    struct rig *r = cut_rig();
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "INCRBYFLOAT n 0.1", "$3 0.1");
    EXPECT(r, "us-1", "INCRBYFLOAT n 0.2", "$3 0.3");
    EXPECT(r, "eu-1", "INCRBYFLOAT n 1e1", "$2 10");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "GET n", "$4 10.3");
    EXPECT(r, "ap-1", "INCRBYFLOAT n -0.3", "$2 10");
    rig_close(r);
}

Test(merge, transactions, .description = "Commands of one transaction on one row are folded into one change") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "SET n 5", "+OK");
    EXPECT(r, "us-1", "MULTI", "+OK");
    const char *commands[] = {"INCR n", "INCR n", "DEL n", "INCR n", "INCRBY n 4", "HSET h a 1", "HDEL h a", "HSET h b 2", "EXPIRE h 1000"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) EXPECT(r, "us-1", commands[i], "+QUEUED");
    EXPECT(r, "us-1", "EXEC", "*9 :6 :7 :1 :1 :5 :1 :1 :1 :1");
    rig_settle(r);
    everywhere(r, "GET n", "$1 5");
    everywhere(r, "HGETALL h", "*2 $1 b $1 2");
    rig_close(r);
}

Test(merge, restart, .description = "Merged rows, counters and all, survive a restart") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "INCRBY n 5", ":5");
    EXPECT(r, "us-1", "HSET u a 1 b 2", ":2");
    EXPECT(r, "us-1", "SADD s x y", ":2");
    EXPECT(r, "us-1", "DEL n", ":1");
    EXPECT(r, "us-1", "INCRBY n 2", ":2");
    rig_settle(r);
    rig_restart(r, "us-1", CRASH_PROCESS);
    rig_run(r, SECONDS(2));
    EXPECT(r, "us-1", "INCRBY n 1", ":3");
    rig_settle(r);
    everywhere(r, "GET n", "$1 3");
    everywhere(r, "HGETALL u", "*4 $1 a $1 1 $1 b $1 2");
    rig_close(r);
}

Test(merge, other_tables, .description = "A data directory is refused where the cluster file has other tables than it was begun with") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "INCR n", ":1");
    rig_settle(r);
    r->broken_is_fine = true;
    r->cluster.definitions_hash ^= 1;
    rig_restart(r, "us-1", CRASH_PROCESS);
    EXPECT_LIKE(r->broken, "other tables or priorities");
    rig_close(r);
}

Test(merge, refreshed, .description = "A row that was made to last elsewhere before its time was up is not reaped") {
    struct rig *r = cut_rig();
    EXPECT(r, "us-1", "SET k v PX 3000", "+OK");
    rig_settle(r);
    rig_cut(r, "*", "*");
    EXPECT(r, "eu-1", "EXPIRE k 1000", ":1");
    rig_run(r, SECONDS(8));
    EXPECT(r, "us-1", "EXISTS k", ":0");
    rig_heal(r, "*", "*");
    rig_settle(r);
    rig_run(r, SECONDS(3));
    everywhere(r, "GET k", "$1 v");
    rig_close(r);
}

Test(merge, hidden_type_kept, .description = "What a SET clears without having been shown it is in the journal") {
    struct rig *r = cut_rig();
    rig_cut(r, "*", "*");
    EXPECT(r, "us-1", "SET k hidden", "+OK");
    rig_run(r, MS(20));
    EXPECT(r, "eu-1", "SADD k m", ":1");
    rig_heal(r, "*", "*");
    rig_settle(r);
    everywhere(r, "TYPE k", "+set");
    EXPECT(r, "us-1", "SET k again", "+OK");
    rig_settle(r);
    EXPECT_LIKE(rig_do(r, "ap-1", "TRUCE.CONFLICTS k"), "hidden");
    rig_close(r);
}
