#include "../../dc-node/io/pack.h"
#include <criterion/criterion.h>
#include <string.h>

TestSuite(pack);

static void fill(struct buf *b, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        buf_u8(b, (uint8_t)('a' + (seed >> 24) % 8));
    }
}

/* The packed frames of `all`, unpacked one by one; what is wrong with one of them. */
static const char *unpack_all(struct unpacker *u, struct slice all, struct buf *out) {
    for (struct reader r = reader_of(all); r.p < r.end;) {
        const uint8_t *begin = r.p;
        read_bytes(&r, read_u32(&r));
        cr_assert_not(r.bad);
        const char *why = unpacker_take(u, SLICE(begin, r.p - begin), out);
        if (why) return why;
    }
    return NULL;
}

Test(pack, what_is_packed_is_unpacked_as_it_was_in_pieces_of_bounded_size) {
    static const size_t sizes[] = {1, 30, 100, 5000, PACKED_RAW_MAX, PACKED_RAW_MAX + 1, 3 * PACKED_RAW_MAX + 77};
    struct packer *p = packer_create();
    struct unpacker *u = unpacker_create();
    struct buf raw = {0}, packed = {0}, back = {0};
    for (uint32_t i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
        buf_clear(&raw), buf_clear(&packed), buf_clear(&back);
        fill(&raw, sizes[i % (sizeof sizes / sizeof *sizes)], i);
        packer_put(p, buf_slice_of(&raw), &packed);
        cr_assert_null(unpack_all(u, buf_slice_of(&packed), &back));
        cr_assert(slice_equal(buf_slice_of(&raw), buf_slice_of(&back)));
    }
    packer_destroy(p);
    unpacker_destroy(u);
    buf_finish(&raw), buf_finish(&packed), buf_finish(&back);
}

Test(pack, frames_that_are_like_those_before_them_become_small) {
    struct packer *p = packer_create();
    struct buf raw = {0}, packed = {0};
    fill(&raw, 400, 1);
    packer_put(p, buf_slice_of(&raw), &packed);
    buf_clear(&packed);
    packer_put(p, buf_slice_of(&raw), &packed);
    cr_assert_lt(packed.n, raw.n / 4);
    packer_destroy(p);
    buf_finish(&raw), buf_finish(&packed);
}

static void sum_again(struct buf *frame) {
    frame->n -= 8;
    buf_u64(frame, hash64(SLICE(frame->p + 4, frame->n - 4)));
}

Test(pack, what_is_damaged_cut_or_says_another_size_is_refused_and_nothing_of_it_given) {
    for (uint32_t kind = 0; kind < 400; kind++) {
        struct packer *p = packer_create();
        struct unpacker *u = unpacker_create();
        struct buf raw = {0}, packed = {0}, back = {0};
        fill(&raw, 3000, kind);
        packer_put(p, buf_slice_of(&raw), &packed);
        if (kind == 0)
            packed.p[packed.n - 1] ^= 1; /* the checksum */
        else if (kind == 1)
            packed.p[6] ^= 1, sum_again(&packed); /* one byte more, or less */
        else if (kind == 2)
            packed.p[9] = 0xff, sum_again(&packed); /* much more than is allowed */
        else if (kind == 3)
            packed.n = 12;
        else
            packed.p[10 + kind * 7919 % (packed.n - 18)] ^= (uint8_t)(1 + kind % 255), sum_again(&packed);
        const char *why = unpacker_take(u, buf_slice_of(&packed), &back);
        if (kind < 4) cr_assert_not_null(why);
        cr_assert_eq(back.n, why ? 0 : raw.n); /* bytes that zstd does not check are the frames' own to check */
        packer_destroy(p);
        unpacker_destroy(u);
        buf_finish(&raw), buf_finish(&packed), buf_finish(&back);
    }
}
