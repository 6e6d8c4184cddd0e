#include "help.h"
#include <pthread.h>
#include <stdatomic.h>

TestSuite(origin);

Test(origin, text_and_binary_forms_are_golden_and_come_back) {
    struct origins *t = origins_create();
    struct buf b = {0};
    origin_ref us = origin_named(t, "us", 1, UINT64_C(0x00c0ffee00c0ffee)), eu = origin_named(t, "eu-west", 300, 1);
    dot_format(t, (struct dot){us, 42}, &b);
    CHECK_TEXT(b, "us-1.00c0ffee00c0ffee:42");
    buf_clear(&b);
    origin_format(origins_get(t, eu), &b);
    CHECK_TEXT(b, "eu-west-300.0000000000000001");
    buf_clear(&b);
    dot_encode(t, (struct dot){us, 300}, &b);
    CHECK_HEX(b, "02 7573 01 eeffc000eeffc000 ac02");
    origin_encode(t, eu, &b);
    CHECK_HEX(b, "02 7573 01 eeffc000eeffc000 ac02  07 65752d77657374 ac02 0100000000000000");
    cr_assert_eq(origins_hash(t, eu), hash64(SLICE(b.p + 14, b.n - 14)));

    struct reader r = reader_of(buf_slice_of(&b));
    cr_assert(dot_equal(dot_decode(&r, t), ((struct dot){us, 300})));
    cr_assert_eq(origin_decode(&r, t), eu);
    cr_assert(read_done(&r));
    struct dot d;
    cr_assert(dot_parse(slice_text("us-1.00c0ffee00c0ffee:42"), t, &d));
    cr_assert(dot_equal(d, (struct dot){us, 42}));
    cr_assert_eq(origins_count(t), 2u);
    buf_finish(&b);
    origins_destroy(t);
    origins_destroy(NULL);
}

Test(origin, dots_of_other_text_forms_are_refused) {
    static const char *const bad[] = {"",
                                      ":",
                                      "us-1.00c0ffee00c0ffee",
                                      "us-1.00c0ffee00c0ffee:",
                                      "us-1.00c0ffee00c0ffee:0",
                                      "us-1.00c0ffee00c0ffee:01",
                                      "us-1.00c0ffee00c0ffee:+1",
                                      "us-1.00c0ffee00c0ffee:-1",
                                      "us-1.00c0ffee00c0ffee: 1",
                                      "us-1.00c0ffee00c0ffee:1 ",
                                      "us-1.00c0ffee00c0ffee:18446744073709551616",
                                      "us-1.00c0ffee00c0ffee:99999999999999999999",
                                      "us-1.00C0ffee00c0ffee:1",
                                      "us-1.0c0ffee00c0ffee:1",
                                      "us-1.000c0ffee00c0ffee:1",
                                      "us-1.00c0ffee00c0ffeg:1",
                                      "us-0.00c0ffee00c0ffee:1",
                                      "us-01.00c0ffee00c0ffee:1",
                                      "us-65536.00c0ffee00c0ffee:1",
                                      "us-.00c0ffee00c0ffee:1",
                                      "us.00c0ffee00c0ffee:1",
                                      "-1.00c0ffee00c0ffee:1",
                                      "US-1.00c0ffee00c0ffee:1",
                                      "u.s-1.00c0ffee00c0ffee:1",
                                      "u s-1.00c0ffee00c0ffee:1",
                                      "a23456789012345678901234567890123456789012345678901234567890123x-1.00c0ffee00c0ffee:1"};
    struct origins *t = origins_create();
    struct dot d = {7, 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) cr_assert_not(dot_parse(slice_text(bad[i]), t, &d), "%s was taken", bad[i]);
    cr_assert(dot_equal(d, ((struct dot){7, 7})), "nothing was written");
    cr_assert_eq(origins_count(t), 0u);
    cr_assert(dot_parse(slice_text("us-1.00c0ffee00c0ffee:18446744073709551615"), t, &d));
    cr_assert_eq(d.n, UINT64_MAX);
    cr_assert(dot_parse(slice_text("a23456789012345678901234567890123456789012345678901234567890123-65535.ffffffffffffffff:1"), t, &d));
    origins_destroy(t);
}

Test(origin, binary_forms_with_a_fault_are_refused) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } bad[] = {
        {"", 0, "nothing"},
        {"\x02us\x01\1\2\3\4\5\6\7", 11, "a cut incarnation"},
        {"\x00\x01\1\2\3\4\5\6\7\10\1", 11, "an empty name"},
        {"\x02uS\x01\1\2\3\4\5\6\7\10\1", 13, "a capital letter"},
        {"\x02us\x00\1\2\3\4\5\6\7\10\1", 13, "node 0"},
        {"\x02us\x80\x80\x04\1\2\3\4\5\6\7\10\1", 15, "node 65536"},
        {"\x02us\x81\x00\1\2\3\4\5\6\7\10\1", 14, "a long form of node 1"},
        {"\x82\x00us\x01\1\2\3\4\5\6\7\10\1", 14, "a long form of the length"},
        {"\x02us\x01\1\2\3\4\5\6\7\10\0", 13, "number 0"},
        {"\x02us\x01\1\2\3\4\5\6\7\10", 12, "no number"},
        {"\x40us\x01\1\2\3\4\5\6\7\10\1", 13, "a name longer than what follows"},
    };
    struct origins *t = origins_create();
    for (int round = 0; round < 2; round++) { /* the second time the origin is known, and was the last decoded */
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            struct slice copy = exact_copy(SLICE(bad[i].bytes, bad[i].n));
            struct reader r = reader_of(copy);
            struct dot d = dot_decode(&r, t);
            cr_assert(r.bad, "%s was taken", bad[i].what);
            cr_assert_eq(d.n, 0u);
            free_copy(copy);
        }
        struct reader good = reader_of(SLICE("\x02us\x01\1\2\3\4\5\6\7\10\1", 13));
        cr_assert_eq(dot_decode(&good, t).n, 1u);
        cr_assert(read_done(&good));
    }
    origins_destroy(t);
}

Test(origin, a_name_of_64_bytes_is_refused_in_binary) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (size_t n = 63; n <= 64; n++) {
        buf_clear(&b);
        buf_varint(&b, n);
        for (size_t i = 0; i < n; i++) buf_u8(&b, 'a');
        buf_u8(&b, 1);
        buf_u64(&b, 5);
        struct reader r = reader_of(buf_slice_of(&b));
        cr_assert_eq(origin_decode(&r, t) == ORIGIN_NONE, n == 64);
        cr_assert_eq(r.bad, n == 64);
    }
    buf_finish(&b);
    origins_destroy(t);
}

Test(origin, only_allowed_origins_are_entered) {
    struct origins *t = origins_create();
    struct origin o = {.dc = "us", .node = 0, .incarnation = 1};
    cr_assert_eq(origins_intern(t, &o), ORIGIN_NONE);
    o = (struct origin){.dc = "", .node = 1};
    cr_assert_eq(origins_intern(t, &o), ORIGIN_NONE);
    o = (struct origin){.dc = "a b", .node = 1};
    cr_assert_eq(origins_intern(t, &o), ORIGIN_NONE);
    o.node = 1;
    memset(o.dc, 'a', sizeof o.dc);
    cr_assert_eq(origins_intern(t, &o), ORIGIN_NONE, "a name without its end");
    cr_assert_eq(origins_count(t), 0u);
    origins_destroy(t);
}

Test(origin, the_canonical_order_is_by_dc_then_node_then_incarnation_whatever_the_refs) {
    struct origins *t = origins_create();
    origin_ref ascending[6];
    ascending[5] = origin_named(t, "us", 1, 0);
    ascending[0] = origin_named(t, "eu", 2, 5);
    ascending[3] = origin_named(t, "eu", 10, 1);
    ascending[2] = origin_named(t, "eu", 2, UINT64_MAX);
    ascending[4] = origin_named(t, "eua", 1, 0);
    ascending[1] = origin_named(t, "eu", 2, 6);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 6; k++) {
            int order = origins_compare(t, ascending[i], ascending[k]);
            cr_assert_eq((order > 0) - (order < 0), (i > k) - (i < k), "%d against %d", i, k);
            order = dot_compare(t, (struct dot){ascending[i], 3}, (struct dot){ascending[k], 3});
            cr_assert_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
    cr_assert_lt(dot_compare(t, (struct dot){ascending[1], 3}, (struct dot){ascending[1], 4}), 0);
    cr_assert_gt(dot_compare(t, (struct dot){ascending[1], UINT64_MAX}, (struct dot){ascending[1], 4}), 0);
    origins_destroy(t);
}

Test(origin, node_names_split_at_their_last_dash) {
    char dc[NAME_LEN_MAX + 1];
    uint16_t node;
    cr_assert(node_name_parse(slice_text("us-east-1-12"), dc, &node));
    cr_assert_str_eq(dc, "us-east-1");
    cr_assert_eq(node, 12);
    cr_assert_not(node_name_parse(slice_text("us"), dc, &node));
    cr_assert_not(node_name_parse(slice_text("us-"), dc, &node));
    cr_assert_not(node_name_parse(slice_text("-1"), dc, &node));
    cr_assert_not(node_name_parse(slice_text("us-x"), dc, &node));
    cr_assert_not(node_name_parse(slice_text(""), dc, &node));
}

Test(origin, the_table_takes_65535_origins_then_refuses_and_keeps_those_it_has) {
    struct origins *t = origins_create();
    struct origin o = {.dc = "us", .node = 1};
    for (uint32_t i = 0; i < ORIGINS_MAX; i++) {
        o.incarnation = i * UINT64_C(0x9e3779b97f4a7c15);
        cr_assert_eq(origins_intern(t, &o), i);
    }
    o.incarnation = 12345;
    cr_assert_eq(origins_intern(t, &o), ORIGIN_NONE);
    cr_assert_eq(origins_count(t), ORIGINS_MAX);
    for (uint32_t i = 0; i < ORIGINS_MAX; i += 17) {
        o.incarnation = i * UINT64_C(0x9e3779b97f4a7c15);
        cr_assert_eq(origins_intern(t, &o), i);
        cr_assert_eq(origins_get(t, i)->incarnation, o.incarnation);
    }
    struct buf b = {0};
    buf_slice(&b, slice_text("eu"));
    buf_u8(&b, 1);
    buf_u64(&b, 7);
    struct reader r = reader_of(buf_slice_of(&b));
    cr_assert_eq(origin_decode(&r, t), ORIGIN_NONE);
    cr_assert(r.bad);
    buf_finish(&b);
    origins_destroy(t);
}

struct watch {
    struct origins *t;
    _Atomic uint32_t handed; /* refs below this may be read */
    uint64_t wrong;
};

static void *read_what_is_handed_over(void *arg) {
    struct watch *w = arg;
    struct buf b = {0};
    uint32_t upto;
    do {
        upto = atomic_load(&w->handed);
        for (uint32_t ref = 0; ref < upto; ref += 1 + upto / 64) {
            buf_clear(&b);
            origin_encode(w->t, ref, &b);
            w->wrong += origins_get(w->t, ref)->incarnation != ref || hash64(buf_slice_of(&b)) != origins_hash(w->t, ref);
        }
    } while (upto < 20000);
    buf_finish(&b);
    return NULL;
}

Test(origin, another_thread_reads_the_refs_it_was_handed_while_new_ones_are_entered) {
    struct watch w = {.t = origins_create()};
    const struct origin *first = NULL;
    pthread_t reader;
    cr_assert_eq(pthread_create(&reader, NULL, read_what_is_handed_over, &w), 0);
    for (uint32_t i = 0; i < 20000; i++) {
        cr_assert_eq(origin_named(w.t, "us", 1, i), i);
        if (i == 0) first = origins_get(w.t, 0);
        atomic_store(&w.handed, i + 1);
    }
    pthread_join(reader, NULL);
    cr_assert_eq(w.wrong, 0u);
    cr_assert_eq(origins_get(w.t, 0), first, "entries do not move");
    origins_destroy(w.t);
}
