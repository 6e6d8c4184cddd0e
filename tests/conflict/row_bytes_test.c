#include "rows.h"

TestSuite(row_bytes);

static struct siblings two_siblings(struct origins *t, struct buf *content) {
    static struct version v[2];
    v[0] = (struct version){{origin_named(t, "eu", 1, 0xaa), 300}, stamp_make(1700000000000, 3), text_content(content, "Alice", 0)};
    v[1] = (struct version){{origin_named(t, "us", 2, 0xbb), 5}, stamp_make(1700000000001, 0), SLICE(NULL, 0)};
    return (struct siblings){v, 2, 2};
}

Test(row_bytes, golden_bytes_of_a_row) {
    struct origins *t = origins_create();
    struct buf content = {0}, row = {0};
    struct siblings s = two_siblings(t, &content);
    row_encode(&s, t, &row);
    CHECK_HEX(row, "01 02"
                   "02 6575 01 aa00000000000000 ac02 03000068e5cf8b01 07 0100416c696365"
                   "02 7573 02 bb00000000000000 05 00000168e5cf8b01 00"
                   "c553d34af476a09d");
    buf_finish(&row), buf_finish(&content), origins_destroy(t);
}

Test(row_bytes, a_row_comes_back_as_it_was_in_a_table_that_knows_other_origins) {
    struct origins *t = origins_create(), *other = origins_create();
    struct buf content = {0}, row = {0}, again = {0};
    struct siblings s = two_siblings(t, &content), back = {0};
    origin_named(other, "zz", 9, 9);
    origin_named(other, "us", 2, 0xbb);
    encoded_row(&s, t, &row);
    cr_assert(row_decode(buf_slice_of(&row), true, other, &back));
    cr_assert_eq(back.n, 2);
    cr_assert(slice_equal(encoded_row(&back, other, &again), buf_slice_of(&row)));
    cr_assert(slice_equal(back.v[0].content, s.v[0].content));
    cr_assert_eq(back.v[1].stamp, s.v[1].stamp);
    siblings_finish(&back), buf_finish(&row), buf_finish(&again), buf_finish(&content), origins_destroy(t), origins_destroy(other);
}

Test(row_bytes, every_truncation_is_refused_and_read_no_further) {
    struct origins *t = origins_create();
    struct buf content = {0}, row = {0};
    struct siblings s = two_siblings(t, &content), back = {0};
    encoded_row(&s, t, &row);
    for (size_t n = 0; n < row.n; n++) {
        struct slice cut = exact_copy(SLICE(row.p, n));
        cr_assert(!row_decode(cut, true, t, &back), "the first %zu bytes pass", n);
        row_decode(cut, false, t, &back); /* may read as anything, but not past the end */
        free_copy(cut);
    }
    siblings_finish(&back), buf_finish(&row), buf_finish(&content), origins_destroy(t);
}

Test(row_bytes, every_flipped_bit_is_noticed) {
    struct origins *t = origins_create();
    struct buf content = {0}, row = {0};
    struct siblings s = two_siblings(t, &content), back = {0};
    encoded_row(&s, t, &row);
    for (size_t bit = 0; bit < row.n * 8; bit++) {
        row.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct slice flipped = exact_copy(buf_slice_of(&row));
        cr_assert(!row_decode(flipped, true, t, &back), "bit %zu", bit);
        row_decode(flipped, false, t, &back);
        free_copy(flipped);
        row.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_assert(row_decode(buf_slice_of(&row), true, t, &back));
    siblings_finish(&back), buf_finish(&row), buf_finish(&content), origins_destroy(t);
}

/* Bytes with a checksum that fits them. */
static bool passes(struct buf *body, struct origins *t) {
    struct siblings back = {0};
    buf_u64(body, hash64(buf_slice_of(body)));
    bool good = row_decode(buf_slice_of(body), true, t, &back);
    siblings_finish(&back);
    buf_clear(body);
    return good;
}

static void put_version(struct buf *b, struct origins *t, struct dot d, struct slice content) {
    dot_encode(t, d, b);
    buf_u64(b, 7);
    buf_slice(b, content);
}

Test(row_bytes, a_row_of_wrong_form_is_refused_though_its_checksum_fits) {
    struct origins *t = origins_create();
    struct dot a = {origin_named(t, "a", 1, 1), 1}, b = {origin_named(t, "b", 1, 1), 1};
    struct buf body = {0};
    struct slice bad_content = slice_text("\x07what is this");
    buf_u8(&body, 1), buf_varint(&body, 1), put_version(&body, t, a, SLICE(NULL, 0));
    cr_assert(passes(&body, t), "the right form passes");
    buf_u8(&body, 2), buf_varint(&body, 1), put_version(&body, t, a, SLICE(NULL, 0));
    cr_assert(!passes(&body, t), "an unknown version");
    buf_u8(&body, 1), buf_varint(&body, 0);
    cr_assert(!passes(&body, t), "no sibling");
    buf_u8(&body, 1), buf_varint(&body, 2), put_version(&body, t, b, SLICE(NULL, 0)), put_version(&body, t, a, SLICE(NULL, 0));
    cr_assert(!passes(&body, t), "out of order");
    buf_u8(&body, 1), buf_varint(&body, 2), put_version(&body, t, a, SLICE(NULL, 0)), put_version(&body, t, a, SLICE(NULL, 0));
    cr_assert(!passes(&body, t), "one dot twice");
    buf_u8(&body, 1), buf_varint(&body, 1), put_version(&body, t, a, bad_content);
    cr_assert(!passes(&body, t), "malformed content");
    buf_u8(&body, 1), buf_varint(&body, 1), put_version(&body, t, a, SLICE(NULL, 0)), buf_u8(&body, 0);
    cr_assert(!passes(&body, t), "something after the end");
    buf_u8(&body, 1), buf_varint(&body, UINT32_MAX), put_version(&body, t, a, SLICE(NULL, 0));
    cr_assert(!passes(&body, t), "more siblings than bytes");
    buf_finish(&body), origins_destroy(t);
}

/* ---- the digest ---- */

Test(row_bytes, the_digest_does_not_depend_on_the_order_in_which_origins_were_met) {
    struct origins *t = origins_create(), *other = origins_create();
    struct buf content = {0}, row = {0};
    origin_named(other, "us", 2, 0xbb);
    struct siblings s = two_siblings(t, &content), back = {0};
    encoded_row(&s, t, &row);
    cr_assert(row_decode(buf_slice_of(&row), true, other, &back));
    cr_assert_neq(back.v[0].dot.origin, s.v[0].dot.origin, "the tables number them differently");
    uint64_t digest = row_digest(slice_text("users:1"), &s, t);
    cr_assert_eq(row_digest(slice_text("users:1"), &back, other), digest);
    struct version turned[] = {s.v[1], s.v[0]};
    cr_assert_eq(row_digest(slice_text("users:1"), &(struct siblings){turned, 2, 2}, t), digest, "nor on the order of siblings");
    siblings_finish(&back), buf_finish(&row), buf_finish(&content), origins_destroy(t), origins_destroy(other);
}

Test(row_bytes, the_digest_tells_key_dot_and_content_apart_but_not_stamps) {
    struct origins *t = origins_create();
    struct buf content = {0}, changed = {0};
    struct siblings s = two_siblings(t, &content);
    uint64_t digest = row_digest(slice_text("k"), &s, t);
    cr_assert_neq(row_digest(slice_text("l"), &s, t), digest);
    s.v[0].dot.n++;
    cr_assert_neq(row_digest(slice_text("k"), &s, t), digest);
    s.v[0].dot.n--;
    s.v[0].stamp++;
    cr_assert_eq(row_digest(slice_text("k"), &s, t), digest);
    s.v[0].content = text_content(&changed, "Alicf", 0);
    cr_assert_neq(row_digest(slice_text("k"), &s, t), digest);
    buf_finish(&content), buf_finish(&changed), origins_destroy(t);
}

Test(row_bytes, a_row_of_tombstones_alone_is_not_in_the_digest) {
    struct origins *t = origins_create();
    struct version v[] = {{{origin_named(t, "a", 1, 1), 1}, 5, {0}}, {{origin_named(t, "b", 1, 1), 1}, 6, {0}}};
    cr_assert_eq(row_digest(slice_text("k"), &(struct siblings){v, 2, 2}, t), 0);
    cr_assert_eq(row_digest(slice_text("k"), &(struct siblings){0}, t), 0);
    origins_destroy(t);
}
