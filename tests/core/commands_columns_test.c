#include "commands_help.h"
#include <stdio.h>
#include <string.h>

TestSuite(commands_columns, .init = commands_begin, .fini = commands_end);

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

Test(commands_columns, a_hash_counts_only_new_columns) {
    says("HSET h a 1", ":1\r\n");
    says("HSET h a 2 b 3 c 4 c 5", ":2\r\n");
    says("HGET h c", "$1\r\n5\r\n");
    says("HMSET h d 6", "+OK\r\n");
    says("HSETNX h a 9", ":0\r\n");
    says("HSETNX h e 9", ":1\r\n");
    says("HLEN h", ":5\r\n");
    says("HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n");
    says("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n");
}

Test(commands_columns, columns_are_read_in_the_order_asked) {
    says("HSET h b 2 a 1 c 3", ":3\r\n");
    says("HMGET h c x a a", "*4\r\n$1\r\n3\r\n$-1\r\n$1\r\n1\r\n$1\r\n1\r\n");
    says("HMGET nothing a", "*1\r\n$-1\r\n");
    says("HGETALL h", "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    says("HKEYS h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    says("HVALS h", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    says("HEXISTS h a", ":1\r\n");
    says("HSTRLEN h b", ":1\r\n");
    says("HSTRLEN h nothing", ":0\r\n");
    client->protocol = 3;
    says("HGETALL h", "%3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    says("HGETALL nothing", "%0\r\n");
    says("HGET h nothing", "_\r\n");
}

Test(commands_columns, a_row_goes_with_its_last_column) {
    says("HSET h a 1 b 2", ":2\r\n");
    says("HDEL h a a x", ":1\r\n");
    says("HDEL h b c d", ":1\r\n");
    says("EXISTS h", ":0\r\n");
    says("SADD s a b", ":2\r\n");
    says("SREM s a b a", ":2\r\n");
    says("TYPE s", "+none\r\n");
}

Test(commands_columns, numbers_in_a_hash) {
    says("HINCRBY h n 5", ":5\r\n");
    says("HINCRBY h n -7", ":-2\r\n");
    says("HINCRBYFLOAT h n 0.5", "$4\r\n-1.5\r\n");
    says("HINCRBY h n 1", "-ERR hash value is not an integer\r\n");
    says("HSET h s x", ":1\r\n");
    says("HINCRBYFLOAT h s 1", "-ERR hash value is not a float\r\n");
    says("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity\r\n");
    says("SET k v", "+OK\r\n");
    says("HINCRBY k n 1", WRONG_TYPE);
    says("HSET k n 1", WRONG_TYPE);
}

Test(commands_columns, a_set_knows_its_members) {
    says("SADD s b a a", ":2\r\n");
    says("SADD s a b", ":0\r\n");
    says("SCARD s", ":2\r\n");
    says("SMEMBERS s", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    says("SISMEMBER s a", ":1\r\n");
    says("SMISMEMBER s a x b", "*3\r\n:1\r\n:0\r\n:1\r\n");
    says("SMISMEMBER nothing a", "*1\r\n:0\r\n");
    client->protocol = 3;
    says("SMEMBERS s", "~2\r\n$1\r\na\r\n$1\r\nb\r\n");
    says("SMEMBERS nothing", "~0\r\n");
}

Test(commands_columns, a_member_moves) {
    says("SADD a 1 2", ":2\r\n");
    says("SMOVE a b 1", ":1\r\n");
    says("SMOVE a b 1", ":0\r\n");
    says("SMOVE a a 2", ":1\r\n");
    says("SMOVE a b 2", ":1\r\n");
    says("EXISTS a", ":0\r\n");
    says("SCARD b", ":2\r\n");
    says("SET k v", "+OK\r\n");
    says("SMOVE b k 1", WRONG_TYPE);
    says("SMOVE nothing k 1", ":0\r\n");
}

Test(commands_columns, sets_are_combined) {
    says("SADD a 1 2 3", ":3\r\n");
    says("SADD b 2 3 4", ":3\r\n");
    says("SINTER a b", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
    says("SINTER a nothing", "*0\r\n");
    says("SUNION b a nothing", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    says("SDIFF a b nothing", "*1\r\n$1\r\n1\r\n");
    says("SDIFF nothing a", "*0\r\n");
    says("SINTERCARD 2 a b", ":2\r\n");
    says("SINTERCARD 2 a b LIMIT 1", ":1\r\n");
    says("SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n");
    says("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args\r\n");
    says("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n");
    says("SUNIONSTORE a a b", ":4\r\n");
    says("SCARD a", ":4\r\n");
    says("SDIFFSTORE a b b", ":0\r\n");
    says("EXISTS a", ":0\r\n");
    says("SET k v EX 100", "+OK\r\n");
    says("SINTER b k", WRONG_TYPE);
    says("SINTERSTORE k b", ":3\r\n");
    says("TTL k", ":-1\r\n");
}

/* How many members a reply `*n` or `~n` announces. */
static int announced(const char *reply) {
    int n = -1;
    cr_assert_eq(sscanf(reply + 1, "%d", &n), 1);
    return n;
}

Test(commands_columns, chance_draws_members_that_are_there) {
    says("SADD s a b c d e", ":5\r\n");
    cr_assert_eq(announced(reply_to("SRANDMEMBER s 3")), 3);
    cr_assert_eq(announced(reply_to("SRANDMEMBER s 100")), 5);
    cr_assert_eq(announced(reply_to("SRANDMEMBER s -100")), 100);
    says("SCARD s", ":5\r\n");
    cr_assert_eq(announced(reply_to("SPOP s 3")), 3);
    says("SCARD s", ":2\r\n");
    cr_assert_eq(reply_to("SPOP s")[0], '$');
    says("SCARD s", ":1\r\n");
    cr_assert_eq(announced(reply_to("SPOP s 10")), 1);
    says("EXISTS s", ":0\r\n");
    says("SPOP s", "$-1\r\n");
    says("SPOP s 5", "*0\r\n");
    says("SPOP s -1", "-ERR value is out of range, must be positive\r\n");
    says("SRANDMEMBER s", "$-1\r\n");
    says("SRANDMEMBER s 2", "*0\r\n");
}

Test(commands_columns, each_member_is_drawn_about_equally_often) {
    int drawn[4] = {0};
    says("SADD s a b c d", ":4\r\n");
    for (int i = 0; i < 4000; i++) drawn[reply_to("SRANDMEMBER s")[4] - 'a']++;
    for (int i = 0; i < 4; i++) cr_assert(drawn[i] > 850 && drawn[i] < 1150, "%c: %d of 4000", 'a' + i, drawn[i]);
    memset(drawn, 0, sizeof drawn);
    for (int i = 0; i < 4000; i++) drawn[strstr(reply_to("SRANDMEMBER s 1"), "$1")[4] - 'a']++;
    for (int i = 0; i < 4; i++) cr_assert(drawn[i] > 850 && drawn[i] < 1150, "%c: %d of 4000", 'a' + i, drawn[i]);
}

Test(commands_columns, hrandfield_gives_pairs_as_the_protocol_has_them) {
    says("HSET h a 1", ":1\r\n");
    says("HRANDFIELD h", "$1\r\na\r\n");
    says("HRANDFIELD h 5", "*1\r\n$1\r\na\r\n");
    says("HRANDFIELD h -2 WITHVALUES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n");
    says("HRANDFIELD h 1 FOO", "-ERR syntax error\r\n");
    client->protocol = 3;
    says("HRANDFIELD h -2 WITHVALUES", "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    says("HRANDFIELD nothing", "_\r\n");
}

Test(commands_columns, a_reply_whose_length_the_client_chose_is_bounded) {
    says("SADD s aaaaaaaaaa", ":1\r\n");
    says("SRANDMEMBER s -9223372036854775807", "-ERR the reply would be larger than 67108864 bytes\r\n");
    says("SRANDMEMBER s -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n");
}
