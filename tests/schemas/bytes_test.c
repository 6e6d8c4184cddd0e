#include "help.h"

TestSuite(bytes);

Test(bytes, varints_have_one_shortest_form_and_come_back) {
    static const uint64_t values[] = {0, 1, 127, 128, 255, 300, 16383, 16384, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf b = {0};
        buf_varint(&b, values[i]);
        cr_assert_eq(b.n, varint_size(values[i]));
        struct reader r = reader_of(buf_slice_of(&b));
        cr_assert_eq(read_varint(&r), values[i]);
        cr_assert(read_done(&r));
        buf_finish(&b);
    }
}

Test(bytes, integers_are_little_endian) {
    struct buf b = {0};
    buf_u8(&b, 0xab);
    buf_u32(&b, 0x01020304);
    buf_u64(&b, UINT64_C(0x1112131415161718));
    buf_varint(&b, 300);
    buf_slice(&b, slice_text("abc"));
    CHECK_HEX(b, "ab 04030201 1817161514131211 ac02 03616263");
    struct reader r = reader_of(buf_slice_of(&b));
    cr_assert_eq(read_u8(&r), 0xab);
    cr_assert_eq(read_u32(&r), 0x01020304u);
    cr_assert_eq(read_u64(&r), UINT64_C(0x1112131415161718));
    cr_assert_eq(read_varint(&r), 300u);
    cr_assert(slice_equal(read_slice(&r), slice_text("abc")));
    cr_assert(read_done(&r));
    buf_finish(&b);
}

static void check_varint_refused(const char *bytes, size_t n) {
    struct slice copy = exact_copy(SLICE(bytes, n));
    struct reader r = reader_of(copy);
    cr_assert_eq(read_varint(&r), 0u);
    cr_assert(r.bad, "a varint of %zu bytes that begins with %02x was taken", n, (uint8_t)bytes[0]);
    cr_assert_not(read_done(&r));
    free_copy(copy);
}

Test(bytes, varints_that_are_longer_than_need_be_or_too_large_or_cut_are_refused) {
    check_varint_refused("\x80\x00", 2);
    check_varint_refused("\xff\x00", 2);
    check_varint_refused("\x80\x80\x00", 3);
    check_varint_refused("\x80", 1);
    check_varint_refused("", 0);
    check_varint_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    check_varint_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    check_varint_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11);
    check_varint_refused("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
}

Test(bytes, a_read_past_the_end_is_bad_for_good_and_yields_zero) {
    static const uint8_t three[] = {7, 8, 9};
    struct slice copy = exact_copy(SLICE(three, 3));
    struct reader r = reader_of(copy);
    cr_assert_eq(read_u32(&r), 0u);
    cr_assert(r.bad);
    cr_assert_eq(read_u8(&r), 0u);
    cr_assert_eq(read_slice(&r).n, 0u);
    cr_assert_eq(read_u64(&r), 0u);
    cr_assert_not(read_done(&r));

    struct reader slice_reader = reader_of(copy);
    cr_assert_eq(read_slice(&slice_reader).n, 0u);
    cr_assert(slice_reader.bad, "7 bytes were promised and 2 are there");
    struct reader bytes_reader = reader_of(copy);
    cr_assert_eq(read_bytes(&bytes_reader, 3).n, 3u);
    cr_assert(read_done(&bytes_reader));
    cr_assert_eq(read_bytes(&bytes_reader, SIZE_MAX).n, 0u);
    cr_assert(bytes_reader.bad);
    free_copy(copy);
}

Test(bytes, a_slice_longer_than_memory_is_refused) {
    struct buf b = {0};
    buf_varint(&b, UINT64_MAX);
    buf_text(&b, "abc");
    struct reader r = reader_of(buf_slice_of(&b));
    cr_assert_eq(read_slice(&r).n, 0u);
    cr_assert(r.bad);
    buf_finish(&b);
}

Test(bytes, an_empty_slice_without_memory_reads_as_empty) {
    struct reader r = reader_of((struct slice){0});
    cr_assert(read_done(&r));
    cr_assert_eq(read_bytes(&r, 0).n, 0u);
    cr_assert(read_done(&r));
    cr_assert_eq(read_u8(&r), 0u);
    cr_assert_not(read_done(&r));
    cr_assert(slice_equal((struct slice){0}, slice_text("")));
    cr_assert_eq(slice_compare((struct slice){0}, slice_text("")), 0);
}

Test(bytes, slices_compare_bytewise_and_a_prefix_comes_first) {
    static const char *const ascending[] = {"", "a", "aa", "ab", "b", "\x7f", "\x80", "\xff"};
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 8; k++) {
            int order = slice_compare(slice_text(ascending[i]), slice_text(ascending[k]));
            cr_assert_eq((order > 0) - (order < 0), (i > k) - (i < k), "%d against %d", i, k);
            cr_assert_eq(slice_equal(slice_text(ascending[i]), slice_text(ascending[k])), i == k);
        }
    }
}

Test(bytes, text_is_compared_without_regard_to_case_and_to_its_whole_length) {
    cr_assert(slice_is(slice_text("GeT"), "gEt"));
    cr_assert(slice_is(slice_text(""), ""));
    cr_assert_not(slice_is(slice_text("ge"), "get"));
    cr_assert_not(slice_is(slice_text("gets"), "get"));
    cr_assert_not(slice_is(SLICE("get\0", 4), "get"));
    cr_assert_not(slice_is(slice_text("a@"), "a`"), "only letters have two cases");
    cr_assert_not(slice_is(slice_text("["), "{"));
}

Test(bytes, buffers_keep_what_was_put_while_they_grow_and_are_usable_after_finish) {
    struct buf b = {0};
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 20000; i++) buf_u32(&b, i);
        struct reader r = reader_of(buf_slice_of(&b));
        for (uint32_t i = 0; i < 20000; i++) cr_assert_eq(read_u32(&r), i);
        cr_assert(read_done(&r));
        buf_finish(&b);
        cr_assert_eq(b.n + b.cap, 0u);
    }
    buf_printf(&b, "%s-%d", "us", 7);
    buf_text(&b, "!");
    CHECK_TEXT(b, "us-7!");
    buf_clear(&b);
    cr_assert_eq(b.n, 0u);
    buf_finish(&b);
}

Test(bytes, hashes_are_those_of_xxh3_on_every_machine) {
    cr_assert_eq(hash64(slice_text("")), UINT64_C(0x2d06800538d394c2));
    cr_assert_eq(hash64((struct slice){0}), UINT64_C(0x2d06800538d394c2));
    cr_assert_eq(hash64(slice_text("truce")), UINT64_C(0xaca8106744916251));
    cr_assert_eq(hash64_seeded(slice_text("truce"), 0), hash64(slice_text("truce")));
    cr_assert_neq(hash64_seeded(slice_text("truce"), 1), hash64(slice_text("truce")));
}
