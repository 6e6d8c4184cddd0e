#include "../../schemas/cluster.h"
#include "help.h"
#include <dirent.h>
#include <stdio.h>

TestSuite(cluster);

static struct slice S(const char *s) {
    return slice_text(s);
}

static void
drop(struct cluster *c) {
    cluster_finish(c);
    free(c);
}

static struct cluster *parse(const char *json) {
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf why = {0};
    cr_assert(cluster_parse("test.json", S(json), c, &why), "%.*s", (int)why.n, (char *)why.p);
    buf_finish(&why);
    return c;
}

static const char least[] = "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"127.0.0.1:1\",\"peer\":\"127.0.0.1:2\"}}}}}";

static const char most[] =
    "{\"cluster\":\"demo_2-x\",\"datacenters\":{"
    "\"us\":{\"priority\":20,\"nodes\":{\"10\":{\"client\":\"a.example.net:7001\",\"peer\":\"a.example.net:7101\"},"
    "\"2\":{\"client\":\"127.0.0.1:7002\",\"peer\":\"127.0.0.1:7102\"}}},"
    "\"eu\":{\"priority\":-3,\"nodes\":{\"65535\":{\"client\":\"[::1]:65535\",\"peer\":\"[2001:db8::1]:1\"}}}},"
    "\"tables\":{\"*\":{\"conflict\":\"lww\"},\"users\":{\"conflict\":\"priority\"},"
    "\"carts\":{\"conflict\":\"handler:join,longest,record\",\"settings\":{\"z\": [1, 0.5], \"a\":{\"k\":null}}}},"
    "\"handlers\":{\"dir\":\"/usr/lib/truce\",\"forced\":[\"join\",\"x-1\"]},\"journal\":{\"days\":1,\"entries\":5},"
    "\"password\":\"p\",\"secret\":\"s\",\"fsync\":false,\"clock_bound_ms\":250,\"memory_mb\":16,\"log_budget_mb\":2,"
    "\"clients_max\":7,\"siblings_max\":2,\"topology\":{\"star\":\"us\"},"
    "\"home\":{\"users\":{\"dc\":\"us\"},\"users:eu-\":{\"dc\":\"eu\",\"when_cut\":\"write\"},\"x\":{\"dc\":\"eu\",\"when_cut\":\"refuse\"}}}";

Test(cluster, what_is_left_out_has_its_default) {
    struct cluster *c = parse(least);
    cr_assert_str_eq(c->name, "c");
    cr_assert_str_eq(c->password, "");
    cr_assert_str_eq(c->secret, "");
    cr_assert(c->fsync);
    cr_assert_eq(c->clock_bound_ms, 500u);
    cr_assert_eq(c->memory_bytes_max, UINT64_C(256) << 20);
    cr_assert_eq(c->log_bytes_max, UINT64_C(1) << 30);
    cr_assert_eq(c->clients_max, 10000u);
    cr_assert_eq(c->siblings_max, 64u);
    cr_assert_eq(c->topology, TOPOLOGY_ALL);
    cr_assert_eq(c->homes_count, 0u);
    cr_assert_null(cluster_home_of(c, S("users:1")));
    cr_assert_eq(c->rest.policy, POLICY_MERGE);
    cr_assert_eq(c->dcs_count, 1u);
    cr_assert_eq(c->dcs[0].priority, 0);
    cr_assert_eq(c->tables_count, 0u);
    cr_assert_str_eq(c->rest.name, "*");
    cr_assert_eq(c->rest.chain.count, 0u);
    cr_assert_null(c->rest.settings);
    cr_assert_str_eq(c->handlers_dir, "");
    cr_assert_eq(c->handlers_forced_count, 0u);
    cr_assert_eq(c->journal_ms, UINT64_C(30) * 86400000);
    cr_assert_eq(c->journal_entries_max, 1000000u);
    drop(c);
}

Test(cluster, every_value_is_taken_and_everything_is_in_order) {
    struct cluster *c = parse(most);
    cr_assert_str_eq(c->name, "demo_2-x");
    cr_assert_str_eq(c->password, "p");
    cr_assert_str_eq(c->secret, "s");
    cr_assert_not(c->fsync);
    cr_assert_eq(c->clock_bound_ms, 250u);
    cr_assert_eq(c->memory_bytes_max, UINT64_C(16) << 20);
    cr_assert_eq(c->log_bytes_max, UINT64_C(2) << 20);
    cr_assert_eq(c->clients_max, 7u);
    cr_assert_eq(c->siblings_max, 2u);
    cr_assert_eq(c->topology, TOPOLOGY_STAR);
    cr_assert_str_eq(c->dcs[c->hub].name, "us");
    cr_assert_eq(c->dcs_count, 2u);
    cr_assert_eq(c->nodes_count, 3u);
    cr_assert_str_eq(c->dcs[0].name, "eu");
    cr_assert_eq(c->dcs[0].priority, -3);
    cr_assert_eq(cluster_first(c, 0), 0u);
    cr_assert_eq(c->dcs[0].nodes_count, 1u);
    cr_assert_str_eq(c->dcs[1].name, "us");
    cr_assert_eq(c->dcs[1].priority, 20);
    cr_assert_eq(cluster_first(c, 1), 1u);
    cr_assert_eq(c->dcs[1].nodes_count, 2u);
    cr_assert_str_eq(c->nodes[0].name, "eu-65535");
    cr_assert_str_eq(c->nodes[0].client_host, "::1");
    cr_assert_eq(c->nodes[0].client_port, 65535);
    cr_assert_str_eq(c->nodes[0].peer_host, "2001:db8::1");
    cr_assert_eq(c->nodes[0].peer_port, 1);
    cr_assert_str_eq(c->nodes[1].name, "us-2", "numbers are in order of value");
    cr_assert_eq(c->nodes[1].dc, 1u);
    cr_assert_str_eq(c->nodes[2].name, "us-10");
    cr_assert_eq(c->nodes[2].node, 10);
    cr_assert_str_eq(c->nodes[2].client_host, "a.example.net");
    cr_assert_eq(c->tables_count, 2u);
    cr_assert_str_eq(c->tables[0].name, "carts");
    cr_assert_eq(c->tables[0].policy, POLICY_HANDLER);
    cr_assert_eq(c->tables[0].chain.count, 3u);
    cr_assert_str_eq(c->tables[0].chain.names[0], "join");
    cr_assert_str_eq(c->tables[0].chain.names[1], "longest");
    cr_assert_str_eq(c->tables[0].chain.names[2], "record");
    cr_assert_str_eq(c->tables[0].settings, "{\"a\":{\"k\":null},\"z\":[1,0.5]}", "compact, and the keys are in order");
    cr_assert_eq(c->tables[1].policy, POLICY_PRIORITY);
    cr_assert_null(c->tables[1].settings);
    cr_assert_eq(c->rest.policy, POLICY_LWW);
    cr_assert_str_eq(c->handlers_dir, "/usr/lib/truce");
    cr_assert_eq(c->handlers_forced_count, 2u);
    cr_assert_str_eq(c->handlers_forced[1], "x-1");
    cr_assert_eq(c->journal_ms, 86400000u);
    cr_assert_eq(c->journal_entries_max, 5u);
    drop(c);
}

Test(cluster, nodes_and_datacenters_are_found_by_name) {
    struct cluster *c = parse(most);
    cr_assert_eq(cluster_find(c, S("us-10")), 2);
    cr_assert_eq(cluster_find(c, S("eu-65535")), 0);
    cr_assert_eq(cluster_find(c, S("us-1")), -1);
    cr_assert_eq(cluster_find(c, S("ap-1")), -1);
    cr_assert_eq(cluster_find(c, S("us")), -1);
    cr_assert_eq(cluster_find(c, S("us-010")), -1);
    cr_assert_eq(cluster_find_node(c, S("us"), 2), 1);
    cr_assert_eq(cluster_find_node(c, S("us"), 3), -1);
    cr_assert_eq(cluster_find_dc(c, S("us")), 1);
    cr_assert_eq(cluster_find_dc(c, S("u")), -1);
    drop(c);
}

/* ---- what nodes must agree about ---- */
static uint64_t hash_of(const char *priority, const char *rest) {
    struct buf json = {0};
    buf_printf(&json, "{\"cluster\":\"c\",\"datacenters\":{\"us\":{%s\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}}}%s}", priority, rest);
    buf_u8(&json, 0);
    struct cluster *c = parse((const char *)json.p);
    uint64_t hash = c->definitions_hash;
    drop(c);
    buf_finish(&json);
    return hash;
}

static void expect_home(const struct cluster *c, const char *key, const char *dc, bool writes_when_cut) {
    const struct cluster_home *h = cluster_home_of(c, S(key));
    cr_assert_eq(h == NULL, dc == NULL, "%s", key);
    if (!h) return;
    cr_assert_str_eq(c->dcs[h->dc].name, dc, "%s", key);
    cr_assert_eq(h->writes_when_cut, writes_when_cut, "%s", key);
}

Test(cluster, the_longest_beginning_of_a_key_says_its_home) {
    struct cluster *c = parse(most);
    expect_home(c, "users:1", "us", false);
    expect_home(c, "users:", "us", false);
    expect_home(c, "users:eu-1", "eu", true);
    expect_home(c, "users:eu", "us", false);
    expect_home(c, "x:", "eu", false);
    expect_home(c, "x", NULL, false);
    expect_home(c, "users", NULL, false);
    expect_home(c, "usersx:1", NULL, false);
    expect_home(c, "", NULL, false);
    drop(c);
}

Test(cluster, topology_and_homes_are_no_part_of_what_nodes_must_agree_about) {
    struct cluster *a = parse("{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"127.0.0.1:1\",\"peer\":\"127.0.0.1:2\"}}}},"
                              "\"topology\":\"ring\",\"home\":{\"a\":{\"dc\":\"us\"}}}"),
                   *b = parse(least);
    cr_assert_eq(a->topology, TOPOLOGY_RING);
    cr_assert_eq(a->definitions_hash, b->definitions_hash);
    drop(a);
    drop(b);
}

Test(cluster, files_that_mean_the_same_of_tables_and_priorities_have_one_hash) {
    uint64_t hash = hash_of("", "");
    cr_assert_eq(hash_of("\"priority\":0,", ",\"tables\":{\"*\":{\"conflict\":\"merge\"}}"), hash, "defaults, given");
    cr_assert_eq(hash_of("", ",\"memory_mb\":64,\"password\":\"p\",\"journal\":{\"days\":1},\"handlers\":{\"dir\":\"/x\"}"), hash,
                 "what is each node's own");
    uint64_t tables = hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\",\"settings\":{\"k\":1,\"j\":2}},\"b\":{\"conflict\":\"lww\"}}");
    cr_assert_eq(hash_of("", ",\"tables\":{\"b\":{\"conflict\":\"lww\"},\"a\":{\"settings\":{\"j\": 2, \"k\":1},\"conflict\":\"handler:x\"}}"),
                 tables, "in another order");
    cr_assert_eq(hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\",\"settings\":{}}}"),
                 hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\"}}"), "no settings are empty settings");
}

Test(cluster, a_datacenter_more_changes_the_hash_only_with_a_priority) {
    struct buf json = {0};
    uint64_t alone = hash_of("", ""), hashes[2];
    for (int priority = 0; priority <= 1; priority++) {
        buf_clear(&json);
        buf_printf(&json,
                   "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}},"
                   "\"eu\":{\"priority\":%d,\"nodes\":{\"1\":{\"client\":\"h:3\",\"peer\":\"h:4\"}}}}}",
                   priority);
        buf_u8(&json, 0);
        struct cluster *c = parse((const char *)json.p);
        hashes[priority] = c->definitions_hash;
        drop(c);
    }
    cr_assert_eq(hashes[0], alone);
    cr_assert_neq(hashes[1], alone);
    buf_finish(&json);
}

Test(cluster, files_that_differ_in_tables_or_priorities_differ_in_their_hash) {
    uint64_t hashes[] = {
        hash_of("", ""),
        hash_of("\"priority\":1,", ""),
        hash_of("", ",\"tables\":{\"*\":{\"conflict\":\"lww\"}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"merge\"}}"),
        hash_of("", ",\"tables\":{\"b\":{\"conflict\":\"merge\"}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\"}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x,y\"}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:y,x\"}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\",\"settings\":{\"k\":1}}}"),
        hash_of("", ",\"tables\":{\"a\":{\"conflict\":\"handler:x\",\"settings\":{\"k\":\"1\"}}}"),
    };
    size_t count = sizeof hashes / sizeof *hashes;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) cr_assert_neq(hashes[i], hashes[k], "%zu and %zu", i, k);
    }
}

/* ---- policies and settings as text ---- */
Test(cluster, policies_have_names) {
    cr_assert_str_eq(policy_name(POLICY_LWW), "lww");
    cr_assert_str_eq(policy_name(POLICY_PRIORITY), "priority");
    cr_assert_str_eq(policy_name(POLICY_MERGE), "merge");
    cr_assert_str_eq(policy_name(POLICY_RECORD), "record");
    cr_assert_str_eq(policy_name(POLICY_HANDLER), "handler");
}

Test(cluster, policies_come_back_from_their_text) {
    static const char *const texts[] = {"lww",
                                        "priority",
                                        "merge",
                                        "record",
                                        "handler:a",
                                        "handler:a,b-2,c_",
                                        "handler:a,lww",
                                        "handler:a,priority",
                                        "handler:a,record",
                                        "handler:a,b,c,d,e,f,g,lww",
                                        "handler:lww",
                                        "handler:merger,lwwx,a"};
    struct buf why = {0}, again = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum policy p;
        struct handler_chain chain = {.count = 99};
        struct slice text = exact_copy(S(texts[i]));
        cr_assert(policy_parse(text, &p, &chain, &why), "%s: %.*s", texts[i], (int)why.n, (char *)why.p);
        free_copy(text);
        cr_assert_eq(p == POLICY_HANDLER, chain.count != 0);
        buf_clear(&again);
        policy_format(p, &chain, &again);
        CHECK_TEXT(again, texts[i]);
    }
    buf_finish(&why), buf_finish(&again);
}

Test(cluster, what_is_no_policy_is_refused_and_nothing_is_written) {
    static const char *const texts[] = {
        "", "Lww", "lww ", "handler", "handler:", "handler:,a", "handler:a,", "handler:a,merge", "handler:lww,a", "handlers:a"};
    struct buf why = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum policy p = POLICY_RECORD;
        struct handler_chain chain = {.count = 99};
        struct slice text = exact_copy(S(texts[i]));
        cr_assert_not(policy_parse(text, &p, &chain, &why), "%s", texts[i]);
        cr_assert(p == POLICY_RECORD && chain.count == 99, "%s", texts[i]);
        cr_assert(why.n > 9 && memcmp(why.p, "expected ", 9) == 0 && memchr(why.p, '\n', why.n) == NULL, "%s", texts[i]);
        free_copy(text);
    }
    buf_finish(&why);
}

Test(cluster, settings_are_one_object_of_a_limited_size_in_canonical_form) {
    static const char *const refused[] = {"", "[]", "1", "\"a\"", "null", "{", "{} {}", "{\"a\":1,\"a\":2}"};
    struct buf why = {0}, large = {0};
    char *text = NULL;
    cr_assert(settings_parse(S(" { \"b\" : 1 , \"a\" : [ true ] } "), &text, &why));
    cr_assert_str_eq(text, "{\"a\":[true],\"b\":1}");
    free(text);
    text = NULL;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) cr_assert_not(settings_parse(S(refused[i]), &text, &why), "%s", refused[i]);
    CHECK_TEXT(why, "expected settings that are a JSON object of at most 64 KiB");
    cr_assert_null(text);
    for (uint32_t more = 0; more <= 1; more++) {
        buf_clear(&large);
        buf_text(&large, "{\"a\":\"");
        while (large.n < SETTINGS_BYTES_MAX - 2 + more) buf_u8(&large, 'x');
        buf_text(&large, "\"}");
        cr_assert_eq(settings_parse(buf_slice_of(&large), &text, &why), more == 0);
    }
    free(text);
    buf_clear(&large);
    buf_text(&large, "{\"a\":[");
    while (large.n < SETTINGS_BYTES_MAX - 8) buf_text(&large, "1e9,"); /* each is longer when written again */
    buf_text(&large, "0]}");
    cr_assert_not(settings_parse(buf_slice_of(&large), &text, &why));
    buf_finish(&why), buf_finish(&large);
}

/* ---- files ---- */
static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static void read_file(const char *path, struct buf *out) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s cannot be read", path);
    buf_clear(out);
    out->n = fread(buf_reserve(out, 1 << 20), 1, 1 << 20, f);
    fclose(f);
}

static void check_bad_file(const char *name) {
    char path[1024];
    struct buf json = {0}, want = {0}, why = {0};
    struct cluster *c = xcalloc(1, sizeof *c);
    snprintf(path, sizeof path, SOURCE_DIR "/tests/schemas/bad-cluster/%s", name);
    read_file(path, &json);
    snprintf(path, sizeof path, SOURCE_DIR "/tests/schemas/bad-cluster/%.*s.txt", (int)strlen(name) - 5, name);
    read_file(path, &want);
    cr_assert_not(cluster_parse(name, buf_slice_of(&json), c, &why), "%s was taken", name);
    buf_u8(&why, '\n');
    cr_assert(slice_equal(buf_slice_of(&why), buf_slice_of(&want)), "%s\n  got      %.*s  expected %.*s", name, (int)why.n, (char *)why.p,
              (int)want.n, (char *)want.p);
    cr_assert_null(memchr(why.p, '\n', why.n - 1), "%s: more than one line", name);
    cr_assert_eq(c->name[0], 0, "%s: something was written", name);
    buf_finish(&json), buf_finish(&want), buf_finish(&why);
    drop(c);
}

Test(cluster, every_bad_file_is_refused_with_its_place_and_what_was_expected) {
    DIR *d = opendir(SOURCE_DIR "/tests/schemas/bad-cluster");
    struct dirent *entry;
    int count = 0;
    cr_assert_not_null(d);
    while ((entry = readdir(d)) != NULL) {
        if (!ends_with(entry->d_name, ".json")) continue;
        check_bad_file(entry->d_name);
        count++;
    }
    closedir(d);
    cr_assert_geq(count, 40);
}

Test(cluster, every_example_is_taken) {
    DIR *d = opendir(SOURCE_DIR "/deploy/examples");
    struct dirent *entry;
    int count = 0;
    cr_assert_not_null(d);
    while ((entry = readdir(d)) != NULL) {
        char path[1024];
        struct buf why = {0};
        struct cluster *c;
        if (!ends_with(entry->d_name, ".cluster.json")) continue;
        c = xcalloc(1, sizeof *c);
        snprintf(path, sizeof path, SOURCE_DIR "/deploy/examples/%s", entry->d_name);
        cr_assert(cluster_load(path, c, &why), "%.*s", (int)why.n, (char *)why.p);
        count++;
        buf_finish(&why);
        drop(c);
    }
    closedir(d);
    cr_assert_geq(count, 3);
}

Test(cluster, a_file_that_cannot_be_read_is_named) {
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf why = {0};
    cr_assert_not(cluster_load("/nonexistent/cluster.json", c, &why));
    CHECK_TEXT(why, "/nonexistent/cluster.json: No such file or directory");
    cr_assert_not(cluster_load("/", c, &why));
    CHECK_TEXT(why, "/: Is a directory");
    buf_finish(&why);
    drop(c);
}

static void check_size(struct buf *json, bool sound, const char *message);

static void put_many(struct buf *b, char c, int count) {
    for (int i = 0; i < count; i++) buf_u8(b, (uint8_t)c);
}

Test(cluster, the_longest_host_and_password_are_taken_and_one_byte_more_is_not) {
    struct buf b = {0};
    for (int more = 0; more <= 1; more++) {
        buf_text(&b, "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"");
        put_many(&b, 'h', 255 + more);
        buf_text(&b, ":1\",\"peer\":\"h:2\"}}}}}");
        check_size(&b, !more,
                   "f: datacenters.us.nodes.1.client: expected \"host:port\", the host a name, an IPv4 address or an [IPv6 address], got "
                   "\"hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh...\"");

        buf_text(&b, "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{\"1\":{\"client\":\"h:1\",\"peer\":\"h:2\"}}}},\"password\":\"");
        put_many(&b, 'x', 255 + more);
        buf_text(&b, "\"}");
        check_size(&b, !more, "f: password: expected a text of at most 255 bytes, got 256 bytes");
    }
}

static void append_nodes(struct buf *b, int from, int count) {
    for (int i = from; i < from + count; i++)
        buf_printf(b, "%s\"%d\":{\"client\":\"h:%d\",\"peer\":\"h:%d\"}", i == from ? "" : ",", i, 2 * i + 1, 2 * i + 2);
}

static void check_size(struct buf *json, bool sound, const char *message) {
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf why = {0};
    cr_assert_eq(cluster_parse("f", buf_slice_of(json), c, &why), sound, "%.*s", (int)why.n, (char *)why.p);
    if (!sound) CHECK_TEXT(why, message);
    buf_finish(&why);
    buf_finish(json);
    drop(c);
}

Test(cluster, the_most_datacenters_nodes_and_tables_are_taken_and_one_more_is_not) {
    struct buf b = {0};
    for (int more = 0; more <= 1; more++) {
        buf_text(&b, "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{");
        append_nodes(&b, 1, 100);
        buf_text(&b, "}},\"eu\":{\"nodes\":{");
        append_nodes(&b, 101, NODES_MAX - 100 + more);
        buf_text(&b, "}}}}");
        check_size(&b, !more, "f: datacenters: expected at most 128 nodes in all, got more");

        buf_text(&b, "{\"cluster\":\"c\",\"datacenters\":{");
        for (int i = 0; i < DCS_MAX + more; i++) {
            buf_printf(&b, "%s\"dc%d\":{\"nodes\":{", i == 0 ? "" : ",", i);
            append_nodes(&b, i + 1, 1);
            buf_text(&b, "}}");
        }
        buf_text(&b, "}}");
        check_size(&b, !more, "f: datacenters: expected at most 32 datacenters, got 33");

        buf_text(&b, "{\"cluster\":\"c\",\"datacenters\":{\"us\":{\"nodes\":{");
        append_nodes(&b, 1, 1);
        buf_text(&b, "}}},\"tables\":{\"*\":{\"conflict\":\"lww\"}");
        for (int i = 0; i < TABLES_MAX + more; i++) buf_printf(&b, ",\"t%d\":{\"conflict\":\"lww\"}", i);
        buf_text(&b, "}}");
        check_size(&b, !more, "f: tables: expected at most 1024 tables, got more");
    }
}

Test(cluster, a_file_cut_anywhere_is_refused_in_one_line) {
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf why = {0};
    for (size_t n = 0; n < sizeof most - 1; n++) {
        struct slice cut = exact_copy(SLICE(most, n));
        cr_assert_not(cluster_parse("f", cut, c, &why));
        cr_assert(why.n > 4 && memcmp(why.p, "f:", 2) == 0 && memchr(why.p, '\n', why.n) == NULL, "%.*s", (int)why.n, (char *)why.p);
        free_copy(cut);
    }
    buf_finish(&why);
    drop(c);
}

Test(cluster, a_changed_byte_anywhere_is_taken_or_refused_in_one_line) {
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf why = {0};
    uint64_t seed = 12;
    int taken = 0, refused = 0;
    for (size_t at = 0; at < sizeof most - 1; at++) {
        for (int i = 0; i < 8; i++) {
            struct slice copy = exact_copy(SLICE(most, sizeof most - 1));
            ((uint8_t *)(uintptr_t)copy.p)[at] = (uint8_t)draw(&seed);
            if (cluster_parse("f", copy, c, &why)) {
                taken++;
                cluster_finish(c);
            } else {
                refused++;
                cr_assert(why.n > 4 && memcmp(why.p, "f:", 2) == 0 && memchr(why.p, '\n', why.n) == NULL, "%.*s", (int)why.n, (char *)why.p);
            }
            free_copy(copy);
        }
    }
    cr_assert_gt(taken, 0);
    cr_assert_gt(refused, 0);
    buf_finish(&why);
    drop(c);
}
