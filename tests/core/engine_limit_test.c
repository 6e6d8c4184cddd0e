#include "engine_rig.h"

/* Sizes: of events, of requests and replies on their way through a follower, of what a transaction queues. */
TestSuite(limit);

/* `count` words: the command's name, then what `word` makes of each number. */
static const char *do_many(struct rig *r, uint32_t client, const char *name, uint32_t count, void (*word)(char out[64], uint32_t i)) {
    struct slice *argv = xmalloc((count + 1) * sizeof *argv);
    char(*words)[64] = xmalloc(count * sizeof *words);
    argv[0] = slice_text(name);
    for (uint32_t i = 0; i < count; i++) {
        word(words[i], i);
        argv[i + 1] = slice_text(words[i]);
    }
    const char *reply = rig_args(r, client, argv, count + 1);
    free(argv);
    free(words);
    return reply;
}

static void key_and_value(char out[64], uint32_t i) { snprintf(out, 64, i % 2 ? "v" : "key%08u", i); }

Test(limit, many_small_changes, .description = "An event of very many small changes is refused before it is too large for the others") {
    struct rig *r = rig_open("us:1 eu:1");
    for (uint32_t pairs = 520000; pairs >= 130000; pairs /= 2) {
        const char *reply = do_many(r, r->clients[rig_node(r, "us-1")], "MSET", 2 * pairs, key_and_value);
        if (strcmp(reply, "+OK") == 0) break;
        EXPECT_LIKE(reply, "a transaction changes at most");
    }
    EXPECT(r, "us-1", "GET key00000000", "$1 v");
    rig_settle(r);
    rig_restart(r, "us-1", CRASH_PROCESS);
    EXPECT(r, "us-1", "GET key00000000", "$1 v");
    EXPECT(r, "eu-1", "GET key00000000", "$1 v");
    rig_close(r);
}

Test(limit, flushall_of_long_keys, .description = "FLUSHALL deletes rows whose keys do not fit into one event") {
    struct rig *r = rig_open("us:2 | \"memory_mb\": 64");
    char *command = rig_word('k', 60016);
    for (int i = 0; i < 300; i++) {
        memcpy(command, "SET ", 4);
        command[4] = (char)('0' + i / 100);
        command[5] = (char)('0' + i / 10 % 10);
        command[6] = (char)('0' + i % 10);
        memcpy(command + 60000, " v", 3);
        EXPECT(r, "us-1", command, "+OK");
    }
    EXPECT(r, "us-1", "DBSIZE", ":300");
    EXPECT(r, "us-1", "FLUSHALL", "+OK");
    EXPECT(r, "us-1", "DBSIZE", ":0");
    EXPECT(r, "us-1", "KEYS *", "*0");
    rig_settle(r);
    EXPECT(r, "us-2", "DBSIZE", ":0");
    free(command);
    rig_close(r);
}

/* `SET <name> <n bytes>` as arguments. */
static const char *set_large(struct rig *r, const char *node, const char *key, size_t n) {
    char *value = rig_word('x', n);
    const char *reply = rig_args(r, r->clients[rig_node(r, node)], (struct slice[]){slice_text("SET"), slice_text(key), SLICE(value, n)}, 3);
    free(value);
    return reply;
}

Test(limit, large_request_through_a_follower,
     .description = "A request too large for a frame is refused by the follower, and the connection goes on") {
    struct rig *r = rig_open("us:2");
    EXPECT_LIKE(set_large(r, "us-2", "a", 17u * 1024 * 1024), "-ERR");
    EXPECT_LIKE(set_large(r, "us-2", "a", 2u * 1024 * 1024), "-ERR");
    EXPECT(r, "us-2", "SET a 1", "+OK");
    EXPECT(r, "us-2", "GET a", "$1 1");
    rig_close(r);
}

Test(limit, large_reply_through_a_follower, .description = "A reply too large for a frame is an error at the follower, and the leader lives on") {
    struct rig *r = rig_open("us:2 | \"memory_mb\": 64");
    char get[400] = "MGET";
    for (int i = 0; i < 18; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        cr_assert_str_eq(set_large(r, "us-1", key, 1000 * 1000), "+OK");
        size_t end = strlen(get);
        snprintf(get + end, sizeof get - end, " %s", key);
    }
    EXPECT(r, "us-2", "WATCH k0", "+OK");
    EXPECT_LIKE(rig_do(r, "us-2", get), "-ERR");
    EXPECT(r, "us-2", "MULTI", "+OK");
    EXPECT(r, "us-2", "SET a 1", "+QUEUED");
    EXPECT(r, "us-2", "EXEC", "*1 +OK");
    EXPECT(r, "us-2", "GET a", "$1 1");
    rig_close(r);
}

Test(limit, row_too_large, .description = "A row of more than 1 MiB is refused, and says so") {
    struct rig *r = rig_open("us:1");
    cr_assert_str_eq(set_large(r, "us-1", "a", 1024 * 1024 - 100), "+OK");
    EXPECT_LIKE(set_large(r, "us-1", "a", 1024 * 1024), "at most 1048576 bytes");
    EXPECT_LIKE(rig_do(r, "us-1", "STRLEN a"), ":1048476");
    rig_close(r);
}

Test(limit, endless_queue, .description = "Commands between MULTI and EXEC are bounded, and EXEC says that they were too many") {
    struct rig *r = rig_open("us:1");
    char *command = rig_word('x', 1000 * 1000 + 6);
    memcpy(command, "SET a ", 6);
    EXPECT(r, "us-1", "MULTI", "+OK");
    const char *reply = "+QUEUED";
    for (int i = 0; i < 20 && strcmp(reply, "+QUEUED") == 0; i++) reply = rig_do(r, "us-1", command);
    EXPECT_LIKE(reply, "-ERR");
    EXPECT_LIKE(rig_do(r, "us-1", command), "-ERR");
    EXPECT_LIKE(rig_do(r, "us-1", "EXEC"), "-EXECABORT");
    EXPECT(r, "us-1", "GET a", "$-1");
    EXPECT(r, "us-1", "SET a 1", "+OK");
    free(command);
    rig_close(r);
}

static void key_alone(char out[64], uint32_t i) { snprintf(out, 64, "key%08u", i); }

Test(limit, many_keys, .description = "A transaction finds its own changes among very many") {
    struct rig *r = rig_open("us:1");
    uint32_t c = r->clients[0];
    cr_assert_str_eq(do_many(r, c, "MSET", 200000, key_and_value), "+OK"); /* every second number is a key */
    cr_assert_str_eq(do_many(r, c, "DEL", 200000, key_alone), ":100000");
    EXPECT(r, "us-1", "DBSIZE", ":0");
    EXPECT(r, "us-1", "MULTI", "+OK");
    for (int i = 0; i < 300; i++) {
        char command[60];
        snprintf(command, sizeof command, i % 3 == 2 ? "INCR text%d" : "INCR n%d", i % 40);
        rig_send(r, c, "SET text0 x");
        rig_send(r, c, command);
    }
    rig_send(r, c, "INCR text0");
    rig_send(r, c, "INCR n1");
    const char *reply = rig_do(r, "us-1", "EXEC");
    EXPECT_LIKE(reply, "*602 ");
    EXPECT_LIKE(reply, "-ERR value is not an integer or out of range :6");
    EXPECT(r, "us-1", "MGET text0 n1", "*2 $1 x $1 6");
    EXPECT(r, "us-1", "DEL text0 text0 n1", ":2");
    rig_close(r);
}
