#include "../../conflict/journal.h"
#include "../schemas/help.h"

TestSuite(journal);

/* What every test here has: names of origins, a loss, an episode. */
struct desk {
    struct origins *t;
    struct buf content, name, other, record;
    struct loss loss;
    struct episode episode;
};

static struct desk open_desk(void) {
    struct desk d = {.t = origins_create()};
    content_make_string(&d.content, 0, slice_text("Alice Jones"));
    struct dot eu = {origin_named(d.t, "eu", 1, 0xaa), 42}, us = {origin_named(d.t, "us", 1, 0xbb), 7};
    d.loss = (struct loss){.key = slice_text("users:1"),
                           .kind = CELL_ROW,
                           .loser = {.dot = eu, .stamp = stamp_make(1700000000000, 1), .content = buf_slice_of(&d.content)},
                           .by = {us.origin, 9},
                           .winner = buf_slice_of(&d.content),
                           .winner_dot = us,
                           .policy = slice_text("lww"),
                           .outcome = LOSS_LOST,
                           .wall_ms = 1700000000123};
    d.episode = (struct episode){.key = slice_text("users:1"),
                                 .kind = CELL_FIELD,
                                 .name = slice_text("name"),
                                 .number = us,
                                 .open = true,
                                 .began_ms = 1700000000100,
                                 .changed_ms = 1700000000123};
    blocks_of_one(&d.episode.members, us);
    return d;
}

static void close_desk(struct desk *d) {
    episode_finish(&d->episode);
    buf_finish(&d->content), buf_finish(&d->name), buf_finish(&d->other), buf_finish(&d->record);
    origins_destroy(d->t);
}

static void check_dot(const struct origins *t, struct dot dot, const char *text) {
    struct buf b = {0};
    dot_format(t, dot, &b);
    CHECK_TEXT(b, text);
    buf_finish(&b);
}

/* ---- names ---- */

Test(journal, golden_bytes_of_names) {
    struct desk d = open_desk();
    journal_name_loss(d.loss.key, d.loss.kind, d.loss.name, d.loss.loser.dot, d.t, &d.name);
    CHECK_HEX(d.name, "72 75736572733a31 0001 00 0001 4c 02 6575 01 aa00000000000000 2a");
    buf_clear(&d.name);
    journal_name_episode(d.episode.key, d.episode.kind, d.episode.name, d.episode.number, d.t, &d.name);
    CHECK_HEX(d.name, "72 75736572733a31 0001 02 6e616d65 0001 45 02 7573 01 bb00000000000000 07");
    buf_clear(&d.name);
    journal_name_row(SLICE("a\0b", 3), &d.name);
    CHECK_HEX(d.name, "72 61 00ff 62 0001");
    buf_clear(&d.name);
    journal_name_pointer(0x0102030405060708, &d.name);
    CHECK_HEX(d.name, "69 0102030405060708 00");
    buf_clear(&d.name);
    journal_name_time(0x0102030405060708, slice_text("x"), &d.name);
    CHECK_HEX(d.name, "74 0102030405060708 78");
    close_desk(&d);
}

Test(journal, a_name_says_what_its_record_is) {
    struct desk d = open_desk();
    uint64_t ms;
    struct slice named;
    journal_name_loss(SLICE("a\0\1b", 4), CELL_FIELD, SLICE("\0", 1), d.loss.loser.dot, d.t, &d.name);
    cr_assert_eq(journal_record_kind(buf_slice_of(&d.name)), JOURNAL_LOSS);
    cr_assert(!journal_time_parse(buf_slice_of(&d.name), &ms, &named));
    journal_name_time(12345, buf_slice_of(&d.name), &d.other);
    cr_assert_eq(journal_record_kind(buf_slice_of(&d.other)), JOURNAL_TIME);
    cr_assert(journal_time_parse(buf_slice_of(&d.other), &ms, &named));
    cr_assert_eq(ms, 12345);
    cr_assert(slice_equal(named, buf_slice_of(&d.name)));
    buf_clear(&d.name);
    journal_name_episode(SLICE("", 0), CELL_ROW, SLICE(NULL, 0), d.episode.number, d.t, &d.name);
    cr_assert_eq(journal_record_kind(buf_slice_of(&d.name)), JOURNAL_EPISODE);
    buf_clear(&d.name);
    journal_name_pointer(1, &d.name);
    cr_assert_eq(journal_record_kind(buf_slice_of(&d.name)), JOURNAL_POINTER);
    buf_clear(&d.name);
    journal_name_cell(slice_text("k"), CELL_ROW, SLICE(NULL, 0), &d.name);
    for (size_t n = 0; n <= d.name.n; n++) cr_assert_eq(journal_record_kind(SLICE(d.name.p, n)), 0, "the first %zu bytes", n);
    close_desk(&d);
}

Test(journal, names_sort_as_keys_do_and_all_of_a_row_and_of_a_cell_lie_together) {
    struct desk d = open_desk();
    const struct slice keys[] = {SLICE("", 0),    SLICE("\0", 1),   SLICE("\0\0", 2), SLICE("\0\1", 2),  SLICE("\1", 1),     SLICE("a", 1),
                                 SLICE("a\0", 2), SLICE("a\0b", 3), SLICE("a\1", 2),  SLICE("a:", 2),    SLICE("a:\xff", 3), SLICE("a:b", 3),
                                 SLICE("ab", 2),  SLICE("b", 1),    SLICE("\xff", 1), SLICE("x\0\1", 3), SLICE("x\0\1E", 4), SLICE("x\0", 2)};
    size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            buf_clear(&d.name), buf_clear(&d.other), buf_clear(&d.record);
            journal_name_loss(keys[i], CELL_FIELD, keys[k], d.loss.loser.dot, d.t, &d.name);
            journal_name_episode(keys[k], CELL_FIELD, keys[i], d.loss.loser.dot, d.t, &d.other);
            int names = slice_compare(buf_slice_of(&d.name), buf_slice_of(&d.other)), order = slice_compare(keys[i], keys[k]);
            cr_assert(order == 0 || (names < 0) == (order < 0), "keys %zu and %zu", i, k);
            journal_name_row(keys[k], &d.record);
            bool within = d.name.n >= d.record.n && memcmp(d.name.p, d.record.p, d.record.n) == 0;
            cr_assert_eq(within, order == 0, "records of key %zu under the row of key %zu", i, k);
            buf_clear(&d.record);
            journal_name_cell(keys[i], CELL_FIELD, keys[i], &d.record);
            within = d.name.n >= d.record.n && memcmp(d.name.p, d.record.p, d.record.n) == 0;
            cr_assert_eq(within, order == 0, "records of cell %zu under cell %zu", k, i);
            buf_clear(&d.record);
            journal_name_keys(keys[k], &d.record);
            within = d.name.n >= d.record.n && memcmp(d.name.p, d.record.p, d.record.n) == 0;
            bool begins = keys[i].n >= keys[k].n && memcmp(keys[i].p, keys[k].p, keys[k].n) == 0;
            cr_assert_eq(within, begins, "key %zu under prefix %zu", i, k);
        }
    close_desk(&d);
}

Test(journal, an_episode_has_the_same_id_in_every_table_of_origins_and_another_for_every_other_number_cell_and_row) {
    struct desk d = open_desk();
    const struct episode *e = &d.episode;
    struct origins *other = origins_create();
    origin_named(other, "ap", 3, 1);
    struct dot same = {origin_named(other, "us", 1, 0xbb), 7};
    uint64_t id = episode_id(e->key, e->kind, e->name, e->number, d.t);
    cr_assert_eq(episode_id(e->key, e->kind, e->name, same, other), id);
    same.n++;
    cr_assert_neq(episode_id(e->key, e->kind, e->name, same, other), id);
    cr_assert_neq(episode_id(e->key, CELL_STRING, e->name, e->number, d.t), id);
    cr_assert_neq(episode_id(e->key, e->kind, slice_text("nam"), e->number, d.t), id);
    cr_assert_neq(episode_id(slice_text("users:2"), e->kind, e->name, e->number, d.t), id);
    origins_destroy(other);
    close_desk(&d);
}

/* ---- records ---- */

Test(journal, a_loss_comes_back_as_it_was) {
    struct desk d = open_desk();
    struct origins *other = origins_create();
    struct loss back;
    origin_named(other, "us", 1, 0xbb);
    loss_encode(&d.loss, d.t, &d.record);
    cr_assert(loss_decode(buf_slice_of(&d.record), other, &back));
    cr_assert(slice_equal(back.key, d.loss.key));
    cr_assert_eq(back.kind, CELL_ROW);
    cr_assert(slice_equal(back.loser.content, d.loss.loser.content));
    cr_assert_eq(back.loser.stamp, d.loss.loser.stamp);
    cr_assert(slice_equal(back.winner, d.loss.winner));
    cr_assert(slice_equal(back.policy, d.loss.policy));
    cr_assert_eq(back.outcome, LOSS_LOST);
    cr_assert_eq(back.wall_ms, d.loss.wall_ms);
    check_dot(other, back.loser.dot, "eu-1.00000000000000aa:42");
    check_dot(other, back.winner_dot, "us-1.00000000000000bb:7");
    check_dot(other, back.by, "us-1.00000000000000bb:9");
    origins_destroy(other);
    close_desk(&d);
}

Test(journal, a_lost_delete_that_left_nothing_has_empty_values) {
    struct desk d = open_desk();
    struct loss back;
    d.loss.loser.content = d.loss.winner = SLICE(NULL, 0);
    d.loss.winner_dot = (struct dot){0};
    loss_encode(&d.loss, d.t, &d.record);
    cr_assert(loss_decode(buf_slice_of(&d.record), d.t, &back));
    cr_assert_eq(back.loser.content.n, 0);
    cr_assert_eq(back.winner.n, 0);
    cr_assert_eq(back.winner_dot.n, 0);
    close_desk(&d);
}

Test(journal, an_episode_comes_back_as_it_was_open_and_closed) {
    struct desk d = open_desk();
    struct episode back;
    for (int open = 1; open >= 0; open--) {
        d.episode.open = open;
        d.episode.closed_by = open ? (struct dot){0} : d.loss.by;
        buf_clear(&d.record);
        episode_encode(&d.episode, d.t, &d.record);
        cr_assert(episode_decode(buf_slice_of(&d.record), d.t, &back));
        cr_assert(slice_equal(back.key, d.episode.key));
        cr_assert(slice_equal(back.name, d.episode.name));
        cr_assert_eq(back.kind, CELL_FIELD);
        cr_assert_eq(back.open, d.episode.open);
        cr_assert_eq(back.began_ms, d.episode.began_ms);
        cr_assert_eq(back.changed_ms, d.episode.changed_ms);
        cr_assert(dot_equal(back.number, d.episode.number));
        if (!open) cr_assert(dot_equal(back.closed_by, d.loss.by));
        cr_assert_eq(back.members.n, 1);
        cr_assert(block_holds(&back.members, &back.members.b[0], d.episode.number));
        episode_finish(&back);
    }
    close_desk(&d);
}

Test(journal, a_pointer_says_which_episode) {
    struct desk d = open_desk();
    struct episode back;
    pointer_encode(&d.episode, d.t, &d.record);
    cr_assert(pointer_decode(buf_slice_of(&d.record), d.t, &back));
    cr_assert(slice_equal(back.key, d.episode.key));
    cr_assert(slice_equal(back.name, d.episode.name));
    cr_assert_eq(back.kind, d.episode.kind);
    cr_assert(dot_equal(back.number, d.episode.number));
    close_desk(&d);
}

/* 0: a loss, 1: an episode, 2: a pointer */
static void encode(struct desk *d, int what) {
    buf_clear(&d->record);
    if (what == 0) loss_encode(&d->loss, d->t, &d->record);
    if (what == 1) episode_encode(&d->episode, d->t, &d->record);
    if (what == 2) pointer_encode(&d->episode, d->t, &d->record);
}

static bool decodes(struct desk *d, int what, struct slice record) {
    struct loss l;
    struct episode e = {0};
    bool good = what == 0 ? loss_decode(record, d->t, &l) : what == 1 ? episode_decode(record, d->t, &e) : pointer_decode(record, d->t, &e);
    if (good) episode_finish(&e);
    return good;
}

Test(journal, every_truncation_and_every_flipped_bit_is_refused) {
    struct desk d = open_desk();
    for (int what = 0; what < 3; what++) {
        encode(&d, what);
        cr_assert(decodes(&d, what, buf_slice_of(&d.record)));
        for (size_t n = 0; n < d.record.n; n++) {
            struct slice cut = exact_copy(SLICE(d.record.p, n));
            cr_assert(!decodes(&d, what, cut), "record %d: the first %zu bytes pass", what, n);
            free_copy(cut);
        }
        for (size_t bit = 0; bit < d.record.n * 8; bit++) {
            d.record.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct slice flipped = exact_copy(buf_slice_of(&d.record));
            cr_assert(!decodes(&d, what, flipped), "record %d: bit %zu", what, bit);
            free_copy(flipped);
            d.record.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    close_desk(&d);
}

Test(journal, a_record_of_another_kind_or_malformed_is_refused_though_its_checksum_fits) {
    struct desk d = open_desk();
    for (int what = 0; what < 3; what++)
        for (int other = 0; other < 3; other++) {
            encode(&d, what);
            cr_assert_eq(decodes(&d, other, buf_slice_of(&d.record)), what == other, "record %d as %d", what, other);
        }
    encode(&d, 0);
    size_t checksum = d.record.n - 8, outcome = checksum - 9, kind = 2 + 1 + d.loss.key.n, type = kind + 1 + 1 + 13 - 1 + 8 + 1;
    const struct {
        size_t at;
        uint8_t byte;
        const char *what;
    } faults[] = {{0, 1, "version"}, {outcome, 200, "outcome"}, {kind, 6, "kind of the cell"}, {type, 9, "type of the content"}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint8_t was = d.record.p[faults[i].at];
        d.record.p[faults[i].at] = faults[i].byte;
        d.record.n = checksum;
        buf_u64(&d.record, hash64(buf_slice_of(&d.record)));
        cr_assert(!decodes(&d, 0, buf_slice_of(&d.record)), "%s", faults[i].what);
        d.record.p[faults[i].at] = was;
    }
    d.record.n = checksum;
    buf_u64(&d.record, hash64(buf_slice_of(&d.record)));
    cr_assert(decodes(&d, 0, buf_slice_of(&d.record)));
    close_desk(&d);
}

/* Any bytes, with a checksum that fits: decoders answer, and read nothing that is not there. */
Test(journal, random_fields_are_refused_or_come_back_the_same) {
    struct desk d = open_desk();
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        int what = (int)draw_below(&seed, 3);
        encode(&d, what);
        d.record.n -= 8;
        for (uint64_t i = draw_below(&seed, 4); i > 0; i--) d.record.p[2 + draw_below(&seed, d.record.n - 2)] = (uint8_t)draw(&seed);
        d.record.n -= draw_below(&seed, 3);
        buf_u64(&d.record, hash64(buf_slice_of(&d.record)));
        struct slice exact = exact_copy(buf_slice_of(&d.record));
        struct episode e;
        struct loss l;
        buf_clear(&d.other);
        if (what == 0 && loss_decode(exact, d.t, &l)) loss_encode(&l, d.t, &d.other);
        if (what == 1 && episode_decode(exact, d.t, &e)) {
            episode_encode(&e, d.t, &d.other);
            episode_finish(&e);
        }
        if (what == 2 && pointer_decode(exact, d.t, &e)) pointer_encode(&e, d.t, &d.other);
        if (d.other.n) cr_assert(slice_equal(buf_slice_of(&d.other), exact), "record %d of round %d", what, round);
        free_copy(exact);
    }
    close_desk(&d);
}
