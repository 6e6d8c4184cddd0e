#include "../../dc-node/core/commands/commands.h"
#include "commands_help.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(commands_keys, .init = commands_begin, .fini = commands_end);

Test(commands_keys, rows_are_deleted_and_counted) {
    says("MSET a 1 b 2", "+OK\r\n");
    says("EXISTS a b a nothing", ":3\r\n");
    says("TOUCH a nothing", ":1\r\n");
    says("DEL a a nothing", ":1\r\n");
    says("UNLINK b", ":1\r\n");
    says("DBSIZE", ":0\r\n");
    says("TYPE a", "+none\r\n");
}

Test(commands_keys, a_row_takes_another_key_with_its_expiry) {
    says("SET a 1 EX 100", "+OK\r\n");
    says("RENAME a b", "+OK\r\n");
    says("TTL b", ":100\r\n");
    says("EXISTS a", ":0\r\n");
    says("RENAME a b", "-ERR no such key\r\n");
    says("RENAME b b", "+OK\r\n");
    says("SET c 1", "+OK\r\n");
    says("RENAMENX b c", ":0\r\n");
    says("RENAMENX b d", ":1\r\n");
    says("RENAMENX d d", ":0\r\n");
    says("COPY d e", ":1\r\n");
    says("TTL e", ":100\r\n");
    says("COPY c e", ":0\r\n");
    says("COPY c e REPLACE", ":1\r\n");
    says("TTL e", ":-1\r\n");
    says("COPY c c", "-ERR source and destination objects are the same\r\n");
    says("COPY c f DB 1", "-ERR DB index is out of range\r\n");
    says("COPY nothing f", ":0\r\n");
}

Test(commands_keys, expire_heeds_its_conditions) {
    says("SET k v", "+OK\r\n");
    says("EXPIRE k 100 XX", ":0\r\n");
    says("EXPIRE k 100 GT", ":0\r\n");
    says("EXPIRE k 100 LT", ":1\r\n");
    says("EXPIRE k 200 NX", ":0\r\n");
    says("EXPIRE k 200 LT", ":0\r\n");
    says("EXPIRE k 200 GT", ":1\r\n");
    says("PTTL k", ":200000\r\n");
    says("EXPIRETIME k", ":1700000200\r\n");
    says("PEXPIREAT k 1700000300000 XX", ":1\r\n");
    says("PEXPIRETIME k", ":1700000300000\r\n");
    says("EXPIRE k 1 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
    says("EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n");
    says("EXPIRE k 1 FOO", "-ERR Unsupported option FOO\r\n");
    says("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n");
    says("PERSIST k", ":1\r\n");
    says("PERSIST k", ":0\r\n");
    says("TTL k", ":-1\r\n");
    says("TTL nothing", ":-2\r\n");
    says("EXPIRE nothing 1", ":0\r\n");
}

Test(commands_keys, a_time_that_is_past_deletes) {
    says("SET k v", "+OK\r\n");
    says("EXPIRE k -1", ":1\r\n");
    says("EXISTS k", ":0\r\n");
    says("SADD s m", ":1\r\n");
    says("EXPIREAT s 1", ":1\r\n");
    cr_assert_eq(memory_rows(), 0u);
}

Test(commands_keys, seconds_left_are_rounded) {
    says("SET k v PX 1499", "+OK\r\n");
    says("TTL k", ":1\r\n");
    says("SET k v PX 1500", "+OK\r\n");
    says("TTL k", ":2\r\n");
}

/* ---- walking ---- */

/* Says `command` with cursors until it is 0 again; returns how many of keys "0".."count-1" came, and that each came. */
static size_t walk(const char *command, size_t count, size_t step) {
    char line[256], cursor[32] = "0";
    bool *seen = xcalloc(count, 1);
    size_t found = 0, steps = 0;
    do {
        snprintf(line, sizeof line, "%s %s COUNT 10", command, cursor);
        const char *p = reply_to(line);
        unsigned long long next;
        cr_assert_eq(sscanf(p, "*2\r\n$%*d\r\n%llu", &next), 1, "%s", p);
        cr_assert(next <= UINT64_C(1) << 53, "a client in JavaScript can read it");
        snprintf(cursor, sizeof cursor, "%llu", next);
        p = strchr(strstr(strstr(p, "\r\n$") + 3, "\r\n") + 2, '*');
        size_t n = strtoul(p + 1, NULL, 10);
        for (size_t i = 0; i < n; i++) {
            p = strchr(p, '$');
            p = strchr(p, '\n') + 1;
            if (i % step) continue;
            size_t which = strtoul(p, NULL, 10);
            cr_assert(which < count);
            found += !seen[which];
            seen[which] = true;
        }
        cr_assert(++steps <= 2 * count, "the walk ends");
    } while (strcmp(cursor, "0") != 0);
    free(seen);
    return found;
}

Test(commands_keys, scan_finds_every_key) {
    char line[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "SET %d v", i);
        says(line, "+OK\r\n");
    }
    cr_assert_eq(walk("SCAN", 1000, 1), 1000u);
}

Test(commands_keys, hscan_and_sscan_find_every_column_of_a_large_row) {
    char line[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "HSET h %d v", i);
        says(line, ":1\r\n");
        snprintf(line, sizeof line, "SADD s %d", i);
        says(line, ":1\r\n");
    }
    cr_assert_eq(walk("HSCAN h", 1000, 2), 1000u);
    cr_assert_eq(walk("SSCAN s", 1000, 1), 1000u);
}

Test(commands_keys, scan_filters) {
    says("MSET key:1 a other b", "+OK\r\n");
    says("SADD key:2 m", ":1\r\n");
    says("SCAN 0 MATCH key:* TYPE set", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nkey:2\r\n");
    says("SCAN 0 TYPE hash", "*2\r\n$1\r\n0\r\n*0\r\n");
    says("SCAN x", "-ERR invalid cursor\r\n");
    says("SCAN 0 COUNT 0", "-ERR syntax error\r\n");
    says("SCAN 18446744073709551615", "*2\r\n$1\r\n0\r\n*0\r\n");
    says("KEYS o*r", "*1\r\n$5\r\nother\r\n");
    says("HSCAN nothing 0", "*2\r\n$1\r\n0\r\n*0\r\n");
    says("SSCAN key:2 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nm\r\n");
}

Test(commands_keys, randomkey_draws_a_key_that_is_there) {
    says("RANDOMKEY", "$-1\r\n");
    says("SET only v", "+OK\r\n");
    for (int i = 0; i < 50; i++) says("RANDOMKEY", "$4\r\nonly\r\n");
    says("PEXPIRE only 1", ":1\r\n");
    memory_now_ms += 1;
    says("RANDOMKEY", "$-1\r\n");
}

/* ---- patterns ---- */

static bool matches(const char *pattern, const char *text) { return glob_match(slice_text(pattern), slice_text(text), false); }

Test(commands_keys, patterns_mean_what_they_mean_in_redis) {
    cr_assert(matches("*", "anything") && matches("h?llo", "hello") && matches("h*llo", "heeeello") && matches("h*o", "ho"));
    cr_assert(matches("h[ae]llo", "hallo") && !matches("h[ae]llo", "hillo") && matches("h[^e]llo", "hallo") && !matches("h[^e]llo", "hello"));
    cr_assert(matches("h[a-c]llo", "hbllo") && matches("h[c-a]llo", "hbllo") && !matches("h[a-c]llo", "hdllo"));
    cr_assert(matches("a\\*", "a*") && !matches("a\\*", "ab") && matches("a\\", "a\\") && matches("[\\]]", "]"));
    cr_assert(matches("[ab", "a") && !matches("[]", "a") && matches("[^", "a") && !matches("", "a") && matches("", "") && matches("**", "x"));
    cr_assert(matches("*a*b*c", "xaxbxc") && !matches("*a*b*c", "xaxbxcx") && matches("a*?b", "aab") && !matches("a*?b", "ab"));
    cr_assert(glob_match(slice_text("H[A-F]LLO"), slice_text("hello"), true) && !matches("H*", "hello"));
}

Test(commands_keys, a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths, .timeout = 10) {
    char pattern[201], text[4001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2) memcpy(pattern + i, "a*", 2);
    pattern[198] = 'b';
    pattern[199] = 0;
    cr_assert_not(matches(pattern, text));
}
