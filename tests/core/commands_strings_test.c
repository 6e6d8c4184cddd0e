#include "commands_help.h"

TestSuite(commands_strings, .init = commands_begin, .fini = commands_end);

#define SYNTAX     "-ERR syntax error\r\n"
#define INTEGER    "-ERR value is not an integer or out of range\r\n"
#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

Test(commands_strings, what_was_set_is_read) {
    says("GET k", "$-1\r\n");
    says("SET k v", "+OK\r\n");
    says("get K", "$-1\r\n");
    says("gEt k", "$1\r\nv\r\n");
    says("SET k \"a\\r\\nb\\0c\"", "+OK\r\n");
    says("STRLEN k", ":6\r\n");
    says("SET \"\" \"\"", "+OK\r\n");
    says("GET \"\"", "$0\r\n\r\n");
}

Test(commands_strings, set_takes_all_its_options) {
    says("SET k v XX", "$-1\r\n");
    says("SET k v NX", "+OK\r\n");
    says("SET k w NX", "$-1\r\n");
    says("SET k w XX GET", "$1\r\nv\r\n");
    says("SET fresh v NX GET", "$-1\r\n");
    says("GET fresh", "$1\r\nv\r\n");
    says("SET k v NX XX", SYNTAX);
    says("SET k v EX 10 PX 10", SYNTAX);
    says("SET k v KEEPTTL EX 10", SYNTAX);
    says("SET k v EX", SYNTAX);
    says("SET k v EX 100", "+OK\r\n");
    says("SET k x KEEPTTL", "+OK\r\n");
    says("PTTL k", ":100000\r\n");
    says("SET k y", "+OK\r\n");
    says("PTTL k", ":-1\r\n");
    says("SET k y EX 0", "-ERR invalid expire time in 'set' command\r\n");
    says("SET k y EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n");
    says("SET k y PX x", INTEGER);
    says("SET k y PXAT 1700000000000", "+OK\r\n");
    says("GET k", "$-1\r\n");
}

Test(commands_strings, a_string_ends_when_its_time_is_up) {
    says("SETEX k 10 v", "+OK\r\n");
    memory_now_ms += 9999;
    says("GET k", "$1\r\nv\r\n");
    memory_now_ms += 1;
    says("GET k", "$-1\r\n");
    says("APPEND k new", ":3\r\n");
    says("TTL k", ":-1\r\n");
    says("PSETEX k 0 v", "-ERR invalid expire time in 'psetex' command\r\n");
}

Test(commands_strings, getex_and_getdel_read_before_they_change) {
    says("SET k v", "+OK\r\n");
    says("GETEX k EX 100", "$1\r\nv\r\n");
    says("TTL k", ":100\r\n");
    says("GETEX k PERSIST", "$1\r\nv\r\n");
    says("TTL k", ":-1\r\n");
    says("GETEX k PERSIST EX 1", SYNTAX);
    says("GETEX k EXAT 1", "$1\r\nv\r\n");
    says("EXISTS k", ":0\r\n");
    says("SET k v", "+OK\r\n");
    says("GETDEL k", "$1\r\nv\r\n");
    says("GETDEL k", "$-1\r\n");
    says("GETSET k a", "$-1\r\n");
    says("GETSET k b", "$1\r\na\r\n");
}

Test(commands_strings, several_at_once) {
    says("MSET a 1 b 2", "+OK\r\n");
    says("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    says("SADD s m", ":1\r\n");
    says("MGET a s nothing b", "*4\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$1\r\n2\r\n");
    says("MSETNX c 1 a 2", ":0\r\n");
    says("EXISTS c", ":0\r\n");
    says("MSETNX c 1 d 2", ":1\r\n");
}

Test(commands_strings, parts_of_a_string) {
    says("APPEND k Hello", ":5\r\n");
    says("APPEND k \" World\"", ":11\r\n");
    says("GETRANGE k 0 4", "$5\r\nHello\r\n");
    says("GETRANGE k -5 -1", "$5\r\nWorld\r\n");
    says("GETRANGE k 5 2", "$0\r\n\r\n");
    says("GETRANGE k 9223372036854775807 -9223372036854775808", "$0\r\n\r\n");
    says("SETRANGE k 6 Redis", ":11\r\n");
    says("GET k", "$11\r\nHello Redis\r\n");
    says("SETRANGE k -1 x", "-ERR offset is out of range\r\n");
    says("SETRANGE z 3 x", ":4\r\n");
    says("SETRANGE z 0 \"\"", ":4\r\n");
    says("SETRANGE none 5 \"\"", ":0\r\n");
    says("EXISTS none", ":0\r\n");
    says("SETRANGE z 4000000000 x", "-ERR string exceeds maximum allowed size (a row is at most 1048576 bytes)\r\n");
}

Test(commands_strings, whole_numbers_are_checked_before_they_are_added) {
    says("INCR n", ":1\r\n");
    says("INCRBY n 10", ":11\r\n");
    says("DECRBY n 12", ":-1\r\n");
    says("DECR n", ":-2\r\n");
    says("INCRBY n +1", INTEGER);
    says("INCRBY n 01", INTEGER);
    says("INCRBY n \" 1\"", INTEGER);
    says("SET n 9223372036854775807", "+OK\r\n");
    says("INCR n", "-ERR increment or decrement would overflow\r\n");
    says("DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n");
    says("SET n 1x", "+OK\r\n");
    says("INCR n", INTEGER);
    says("SETEX t 100 5", "+OK\r\n");
    says("INCR t", ":6\r\n");
    says("TTL t", ":100\r\n");
}

Test(commands_strings, decimal_numbers_read_as_people_write_them) {
    says("INCRBYFLOAT f 10.50", "$4\r\n10.5\r\n");
    says("INCRBYFLOAT f 0.1", "$4\r\n10.6\r\n");
    says("INCRBYFLOAT f -5", "$3\r\n5.6\r\n");
    says("SET f 5.0e3", "+OK\r\n");
    says("INCRBYFLOAT f 2.0e2", "$4\r\n5200\r\n");
    says("INCRBYFLOAT zero -0.0", "$1\r\n0\r\n");
    says("INCRBYFLOAT f x", "-ERR value is not a valid float\r\n");
    says("INCRBYFLOAT f nan", "-ERR value is not a valid float\r\n");
    says("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity\r\n");
}

Test(commands_strings, other_types_are_refused) {
    says("SADD s m", ":1\r\n");
    says("GET s", WRONG_TYPE);
    says("APPEND s x", WRONG_TYPE);
    says("INCR s", WRONG_TYPE);
    says("SET s x GET", WRONG_TYPE);
    says("SCARD s", ":1\r\n");
    says("SET s x", "+OK\r\n");
    says("TYPE s", "+string\r\n");
}

Test(commands_strings, a_refused_change_leaves_one_error_and_no_trace) {
    says("SET k v", "+OK\r\n");
    memory_full = true;
    says("SET k w", "-ERR 'k' cannot take this change: a row is at most 1048576 bytes\r\n");
    says("GETSET k w", "-ERR 'k' cannot take this change: a row is at most 1048576 bytes\r\n");
    says("GETDEL k", "-ERR 'k' cannot take this change: a row is at most 1048576 bytes\r\n");
    says("GETEX k EX 10", "-ERR 'k' cannot take this change: a row is at most 1048576 bytes\r\n");
    says("INCR n", "-ERR 'n' cannot take this change: a row is at most 1048576 bytes\r\n");
    says("SADD s a b", "-ERR 's' cannot take this change: a row is at most 1048576 bytes\r\n");
    memory_full = false;
    says("GET k", "$1\r\nv\r\n");
}
