#include "rows.h"

TestSuite(journal);

static struct loss a_loss(struct origins *t, struct buf *content) {
    return (struct loss){
        .key = slice_text("users:1"),
        .loser = {{origin_named(t, "eu", 1, 0xaa), 42}, stamp_make(1700000000000, 1), text_content(content, "Alice Jones", 0)},
        .winner = {origin_named(t, "us", 1, 0xbb), 7},
        .winner_stamp = stamp_make(1700000000000, 2),
        .policy = POLICY_LWW,
        .wall_ms = 1700000000123,
    };
}

Test(journal, golden_bytes_of_an_entry_and_its_name) {
    struct origins *t = origins_create();
    struct buf content = {0}, name = {0}, record = {0};
    struct loss l = a_loss(t, &content);
    loss_name(&l, t, &name);
    CHECK_HEX(name, "02 6575 01 aa00000000000000 2a 07 75736572733a31");
    loss_encode(&l, t, &record);
    CHECK_HEX(record, "01 07 75736572733a31"
                      "02 6575 01 aa00000000000000 2a 01000068e5cf8b01 0d 0100416c696365204a6f6e6573"
                      "02 7573 01 bb00000000000000 07 02000068e5cf8b01"
                      "00 7b68e5cf8b010000"
                      "cdf38114b9e5b2c4");
    buf_finish(&content), buf_finish(&name), buf_finish(&record), origins_destroy(t);
}

Test(journal, an_entry_comes_back_as_it_was) {
    struct origins *t = origins_create(), *other = origins_create();
    struct buf content = {0}, record = {0}, dot = {0};
    struct loss l = a_loss(t, &content), back;
    origin_named(other, "us", 1, 0xbb);
    loss_encode(&l, t, &record);
    cr_assert(loss_decode(buf_slice_of(&record), other, &back));
    cr_assert(slice_equal(back.key, l.key));
    cr_assert(slice_equal(back.loser.content, l.loser.content));
    cr_assert_eq(back.loser.stamp, l.loser.stamp);
    cr_assert_eq(back.winner_stamp, l.winner_stamp);
    cr_assert_eq(back.policy, l.policy);
    cr_assert_eq(back.wall_ms, l.wall_ms);
    dot_format(other, back.loser.dot, &dot);
    CHECK_TEXT(dot, "eu-1.00000000000000aa:42");
    buf_clear(&dot);
    dot_format(other, back.winner, &dot);
    CHECK_TEXT(dot, "us-1.00000000000000bb:7");
    buf_finish(&content), buf_finish(&record), buf_finish(&dot), origins_destroy(t), origins_destroy(other);
}

Test(journal, a_lost_delete_has_an_empty_value) {
    struct origins *t = origins_create();
    struct buf content = {0}, record = {0};
    struct loss l = a_loss(t, &content), back;
    l.loser.content = SLICE(NULL, 0);
    loss_encode(&l, t, &record);
    cr_assert(loss_decode(buf_slice_of(&record), t, &back));
    cr_assert_eq(back.loser.content.n, 0);
    buf_finish(&content), buf_finish(&record), origins_destroy(t);
}

Test(journal, entries_are_named_by_the_losers_dot_and_the_key_alone) {
    struct origins *t = origins_create();
    struct buf content = {0}, name = {0}, other = {0};
    struct loss l = a_loss(t, &content);
    loss_name(&l, t, &name);
    l.wall_ms++, l.winner.n++, l.winner_stamp++;
    loss_name(&l, t, &other);
    cr_assert(slice_equal(buf_slice_of(&name), buf_slice_of(&other)), "writing one twice changes nothing");
    buf_clear(&other);
    l.key = slice_text("users:2");
    loss_name(&l, t, &other);
    cr_assert(!slice_equal(buf_slice_of(&name), buf_slice_of(&other)));
    buf_clear(&other);
    l.key = slice_text("users:1");
    l.loser.dot.n++;
    loss_name(&l, t, &other);
    cr_assert(!slice_equal(buf_slice_of(&name), buf_slice_of(&other)));
    buf_finish(&content), buf_finish(&name), buf_finish(&other), origins_destroy(t);
}

Test(journal, every_truncation_and_every_flipped_bit_is_refused) {
    struct origins *t = origins_create();
    struct buf content = {0}, record = {0};
    struct loss l = a_loss(t, &content), back;
    loss_encode(&l, t, &record);
    for (size_t n = 0; n < record.n; n++) {
        struct slice cut = exact_copy(SLICE(record.p, n));
        cr_assert(!loss_decode(cut, t, &back), "the first %zu bytes pass", n);
        free_copy(cut);
    }
    for (size_t bit = 0; bit < record.n * 8; bit++) {
        record.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct slice flipped = exact_copy(buf_slice_of(&record));
        cr_assert(!loss_decode(flipped, t, &back), "bit %zu", bit);
        free_copy(flipped);
        record.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_finish(&content), buf_finish(&record), origins_destroy(t);
}

Test(journal, an_unknown_version_or_policy_or_a_malformed_value_is_refused_though_its_checksum_fits) {
    struct origins *t = origins_create();
    struct buf content = {0}, record = {0};
    struct loss l = a_loss(t, &content), back;
    loss_encode(&l, t, &record);
    size_t checksum = record.n - 8, policy = checksum - 9;
    const struct {
        size_t at;
        uint8_t byte;
        const char *what;
    } faults[] = {{0, 2, "version"}, {policy, 200, "policy"}, {1 + 1 + l.key.n + 12 + 8 + 1, 9, "type of the content"}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint8_t was = record.p[faults[i].at];
        record.p[faults[i].at] = faults[i].byte;
        record.n = checksum;
        buf_u64(&record, hash64(buf_slice_of(&record)));
        cr_assert(!loss_decode(buf_slice_of(&record), t, &back), "%s", faults[i].what);
        record.p[faults[i].at] = was;
    }
    record.n = checksum;
    buf_u64(&record, hash64(buf_slice_of(&record)));
    cr_assert(loss_decode(buf_slice_of(&record), t, &back));
    buf_finish(&content), buf_finish(&record), origins_destroy(t);
}
