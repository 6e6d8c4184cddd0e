#include "help.h"

TestSuite(event);

static struct slice S(const char *s) {
    return slice_text(s);
}

struct world {
    struct origins *t;
    origin_ref us, eu, ap;
    struct buf string, hash;
};

static struct world world_make(void) {
    struct world w = {.t = origins_create()};
    w.us = origin_named(w.t, "us", 1, 0x11);
    w.eu = origin_named(w.t, "eu", 1, 0x22);
    w.ap = origin_named(w.t, "ap", 2, 0x33);
    struct content_column columns[] = {{S("name"), S("Alice")}};
    content_make_string(&w.string, 0, S("hi"));
    content_make(&w.hash, CONTENT_HASH, 9, columns, 1);
    return w;
}

static void world_finish(struct world *w) {
    buf_finish(&w->string);
    buf_finish(&w->hash);
    origins_destroy(w->t);
}

/* An event with everything in it. */
static void full_event(const struct world *w, struct buf *out) {
    struct dot deps[] = {{w->ap, 7}, {w->eu, 300}};
    struct dot unseen[] = {{w->ap, 6}, {w->ap, 7}, {w->us, 4}};
    struct change changes[] = {
        {.op = CHANGE_PUT, .key = S("k:1"), .content = buf_slice_of(&w->string), .unseen = unseen, .unseen_count = 3},
        {.op = CHANGE_DELETE, .key = S("")},
        {.op = CHANGE_REAP, .key = S("k:2"), .unseen = unseen + 2, .unseen_count = 1},
        {.op = CHANGE_PUT, .key = S("k:3"), .content = buf_slice_of(&w->hash)},
    };
    event_begin(out, stamp_make(1000, 2), UINT64_C(0x0102030405060708), deps, 2, 4, w->t);
    for (int i = 0; i < 4; i++) event_change(out, &changes[i], w->t);
}

/* What was decoded, encoded again. */
static void encode_again(const struct event *e, const struct origins *t, struct buf *out) {
    buf_clear(out);
    event_begin(out, e->stamp, e->previous, e->deps, e->deps_count, e->changes_count, t);
    for (uint32_t i = 0; i < e->changes_count; i++) event_change(out, &e->changes[i], t);
}

Test(event, bodies_are_golden_and_come_back) {
    struct world w = world_make();
    struct buf body = {0}, again = {0};
    struct event e = {0};
    full_event(&w, &body);
    CHECK_HEX(body, "0200e80300000000 0807060504030201"
                    "02  02 6170 02 3300000000000000 07  02 6575 01 2200000000000000 ac02"
                    "04"
                    "01 036b3a31 03  02 6170 02 3300000000000000 06  02 6170 02 3300000000000000 07  02 7573 01 1100000000000000 04  04 01006869"
                    "02 00 00"
                    "03 036b3a32 01  02 7573 01 1100000000000000 04"
                    "01 036b3a33 00 0e 02 09 01 046e616d65 05416c696365");
    cr_assert(event_decode(&e, (struct dot){w.us, 5}, buf_slice_of(&body), w.t));
    cr_assert_eq(e.stamp, stamp_make(1000, 2));
    cr_assert_eq(e.previous, UINT64_C(0x0102030405060708));
    cr_assert_eq(e.checksum, event_checksum(buf_slice_of(&body)));
    cr_assert_eq(e.deps_count, 2u);
    cr_assert(dot_equal(e.deps[1], (struct dot){w.eu, 300}));
    cr_assert_eq(e.changes_count, 4u);
    cr_assert_eq(e.changes[0].unseen_count, 3u);
    cr_assert(dot_equal(e.changes[0].unseen[2], (struct dot){w.us, 4}));
    cr_assert_null(e.changes[1].unseen);
    cr_assert_eq(e.changes[1].key.n, 0u);
    cr_assert(dot_equal(e.changes[2].unseen[0], (struct dot){w.us, 4}));
    cr_assert(slice_equal(e.changes[3].content, buf_slice_of(&w.hash)));
    encode_again(&e, w.t, &again);
    cr_assert(slice_equal(buf_slice_of(&again), buf_slice_of(&body)));
    event_finish(&e);
    buf_finish(&body), buf_finish(&again);
    world_finish(&w);
}

static bool decodes(struct world *w, struct slice body) {
    struct event e = {0};
    struct slice copy = exact_copy(body);
    bool ok = event_decode(&e, (struct dot){w->us, 5}, copy, w->t);
    event_finish(&e);
    free_copy(copy);
    return ok;
}

Test(event, a_cut_anywhere_and_a_byte_too_many_are_refused) {
    struct world w = world_make();
    struct buf body = {0};
    full_event(&w, &body);
    for (size_t n = 0; n < body.n; n++) cr_assert_not(decodes(&w, SLICE(body.p, n)), "cut to %zu bytes", n);
    buf_u8(&body, 0);
    cr_assert_not(decodes(&w, buf_slice_of(&body)));
    buf_finish(&body);
    world_finish(&w);
}

Test(event, a_flipped_bit_is_refused_or_gives_another_event_in_canonical_form) {
    struct world w = world_make();
    struct buf body = {0}, again = {0};
    struct event e = {0};
    full_event(&w, &body);
    uint64_t checksum = event_checksum(buf_slice_of(&body));
    for (size_t bit = 0; bit < 8 * body.n; bit++) {
        struct slice copy = exact_copy(buf_slice_of(&body));
        ((uint8_t *)(uintptr_t)copy.p)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (event_decode(&e, (struct dot){w.us, 5}, copy, w.t)) {
            encode_again(&e, w.t, &again);
            cr_assert(slice_equal(buf_slice_of(&again), copy), "bit %zu", bit);
            cr_assert_neq(e.checksum, checksum);
        }
        free_copy(copy);
    }
    event_finish(&e);
    buf_finish(&body), buf_finish(&again);
    world_finish(&w);
}

/* ---- one rule broken at a time ---- */
static void begin(struct buf *b, uint64_t deps, const struct dot *dots, uint64_t dots_count, const struct origins *t) {
    buf_clear(b);
    buf_u64(b, 1);
    buf_u64(b, 2);
    buf_varint(b, deps);
    for (uint64_t i = 0; i < dots_count; i++) {
        origin_encode(t, dots[i].origin, b);
        buf_varint(b, dots[i].n);
    }
}

static void delete_of(struct buf *b, uint8_t op, struct slice key, uint64_t unseen) {
    buf_u8(b, op);
    buf_slice(b, key);
    buf_varint(b, unseen);
}

static bool with_deps(struct world *w, uint64_t promised, const struct dot *dots, uint64_t count) {
    struct buf b = {0};
    begin(&b, promised, dots, count, w->t);
    buf_varint(&b, 1);
    delete_of(&b, CHANGE_DELETE, S("k"), 0);
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, deps_ascend_and_never_name_their_own_origin) {
    struct world w = world_make();
    cr_assert(with_deps(&w, 0, NULL, 0));
    cr_assert(with_deps(&w, 2, (struct dot[]){{w.ap, 1}, {w.eu, 1}}, 2));
    cr_assert_not(with_deps(&w, 2, (struct dot[]){{w.eu, 1}, {w.ap, 1}}, 2), "descending");
    cr_assert_not(with_deps(&w, 2, (struct dot[]){{w.eu, 1}, {w.eu, 2}}, 2), "an origin twice");
    cr_assert_not(with_deps(&w, 1, (struct dot[]){{w.us, 1}}, 1), "its own origin");
    cr_assert_not(with_deps(&w, 1, (struct dot[]){{w.eu, 0}}, 1), "number 0");
    cr_assert_not(with_deps(&w, UINT64_MAX, NULL, 0), "more than can follow");
    cr_assert_not(with_deps(&w, 2, (struct dot[]){{w.eu, 1}}, 1), "one less than promised");
    world_finish(&w);
}

static bool with_unseen(struct world *w, uint64_t promised, const struct dot *dots, uint64_t count) {
    struct buf b = {0};
    begin(&b, 0, NULL, 0, w->t);
    buf_varint(&b, 1);
    delete_of(&b, CHANGE_DELETE, S("k"), promised);
    for (uint64_t i = 0; i < count; i++) {
        origin_encode(w->t, dots[i].origin, &b);
        buf_varint(&b, dots[i].n);
    }
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, unseen_dots_ascend_and_are_older_than_the_event) {
    struct world w = world_make();
    cr_assert(with_unseen(&w, 3, (struct dot[]){{w.eu, 1}, {w.eu, 2}, {w.us, 4}}, 3));
    cr_assert_not(with_unseen(&w, 2, (struct dot[]){{w.eu, 2}, {w.eu, 1}}, 2), "descending");
    cr_assert_not(with_unseen(&w, 2, (struct dot[]){{w.eu, 2}, {w.eu, 2}}, 2), "a dot twice");
    cr_assert_not(with_unseen(&w, 1, (struct dot[]){{w.us, 5}}, 1), "itself");
    cr_assert_not(with_unseen(&w, 1, (struct dot[]){{w.us, 6}}, 1), "a later one of its origin");
    cr_assert_not(with_unseen(&w, 1, (struct dot[]){{w.eu, 0}}, 1), "number 0");
    cr_assert_not(with_unseen(&w, UINT64_C(1) << 40, NULL, 0), "more than can follow");
    world_finish(&w);
}

static bool with_change(struct world *w, uint8_t op, struct slice key, struct slice content) {
    struct buf b = {0};
    begin(&b, 0, NULL, 0, w->t);
    buf_varint(&b, 1);
    delete_of(&b, op, key, 0);
    if (op == CHANGE_PUT) buf_slice(&b, content);
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, changes_hold_a_known_op_a_key_in_its_limit_and_sound_content) {
    struct world w = world_make();
    uint8_t *long_key = xcalloc(1, KEY_BYTES_MAX + 1);
    struct slice content = buf_slice_of(&w.hash);
    cr_assert(with_change(&w, CHANGE_DELETE, SLICE(long_key, KEY_BYTES_MAX), content));
    cr_assert_not(with_change(&w, CHANGE_DELETE, SLICE(long_key, KEY_BYTES_MAX + 1), content));
    cr_assert_not(with_change(&w, 0, S("key"), content));
    cr_assert_not(with_change(&w, 4, S("key"), content));
    cr_assert_not(with_change(&w, 255, S("key"), content));
    cr_assert(with_change(&w, CHANGE_PUT, S("key"), content));
    cr_assert_not(with_change(&w, CHANGE_PUT, S("key"), SLICE(content.p, content.n - 1)));
    cr_assert_not(with_change(&w, CHANGE_PUT, S("key"), (struct slice){0}), "PUT without content");
    free(long_key);
    world_finish(&w);
}

Test(event, an_event_has_at_least_one_change_and_no_more_than_it_holds) {
    struct world w = world_make();
    static const uint64_t counts[] = {0, 2, 3, 1000, UINT32_MAX, UINT64_MAX};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        begin(&b, 0, NULL, 0, w.t);
        buf_varint(&b, counts[i]);
        delete_of(&b, CHANGE_DELETE, S("a key that is long enough for three changes"), 0);
        cr_assert_not(decodes(&w, buf_slice_of(&b)), "%llu changes", (unsigned long long)counts[i]);
    }
    buf_finish(&b);
    world_finish(&w);
}

static bool with_keys(struct world *w, uint32_t count, uint32_t repeat, uint32_t of) {
    struct buf b = {0};
    begin(&b, 0, NULL, 0, w->t);
    buf_varint(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key:%u", i == repeat ? of : i);
        delete_of(&b, CHANGE_DELETE, S(key), 0);
    }
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, an_event_changes_a_row_once) {
    struct world w = world_make();
    static const uint32_t counts[] = {2, 3, 8, 9, 16, 17, 1000, 100000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint32_t n = counts[i];
        cr_assert(with_keys(&w, n, 0, 0), "%u different keys", n);
        cr_assert_not(with_keys(&w, n, n - 1, 0), "%u keys, the last as the first", n);
        cr_assert_not(with_keys(&w, n, n / 2, n / 2 - 1), "%u keys, two neighbours equal", n);
    }
    world_finish(&w);
}

Test(event, scratch_arrays_are_used_again_and_what_a_huge_event_took_is_given_back) {
    struct world w = world_make();
    struct buf huge = {0}, small = {0};
    struct event e = {0};
    begin(&huge, 0, NULL, 0, w.t);
    buf_varint(&huge, 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key:%u", i);
        delete_of(&huge, CHANGE_DELETE, S(key), 0);
    }
    full_event(&w, &small);
    struct dot dot = {w.us, 5};
    cr_assert(event_decode(&e, dot, buf_slice_of(&small), w.t));
    const struct change *changes = e.changes;
    cr_assert(event_decode(&e, dot, buf_slice_of(&small), w.t));
    cr_assert_eq(e.changes, changes);
    cr_assert(event_decode(&e, dot, buf_slice_of(&huge), w.t));
    cr_assert_eq(e.changes_count, 100000u);
    cr_assert(event_decode(&e, dot, buf_slice_of(&small), w.t));
    cr_assert_lt(e.changes_cap, 100000u);
    cr_assert_eq(e.changes_count, 4u);
    event_finish(&e);
    buf_finish(&huge), buf_finish(&small);
    world_finish(&w);
}

Test(event, a_body_above_8_mib_is_refused) {
    struct world w = world_make();
    struct buf b = {0}, content = {0};
    struct slice value = {xcalloc(1, ROW_BYTES_MAX), ROW_BYTES_MAX - 100};
    content_make_string(&content, 0, value);
    for (uint32_t count = 8; count <= 9; count++) {
        begin(&b, 0, NULL, 0, w.t);
        buf_varint(&b, count);
        for (uint32_t i = 0; i < count; i++) {
            char key[16];
            snprintf(key, sizeof key, "%u", i);
            delete_of(&b, CHANGE_PUT, S(key), 0);
            buf_slice(&b, buf_slice_of(&content));
        }
        cr_assert_eq(decodes(&w, buf_slice_of(&b)), count == 8);
    }
    buf_finish(&b), buf_finish(&content);
    free_copy(value);
    world_finish(&w);
}

Test(event, random_events_come_back) {
    struct world w = world_make();
    uint64_t seed = 11;
    struct buf body = {0}, again = {0};
    struct event e = {0};
    origin_ref ascending[] = {w.ap, w.eu};
    for (int round = 0; round < 5000; round++) {
        struct dot deps[2], unseen[64];
        uint32_t deps_count = 0, changes_count = 1 + (uint32_t)draw_below(&seed, 20);
        for (int i = 0; i < 2; i++) {
            if (draw_below(&seed, 2)) deps[deps_count++] = (struct dot){ascending[i], 1 + draw(&seed) / 2};
        }
        buf_clear(&body);
        event_begin(&body, draw(&seed), draw(&seed), deps, deps_count, changes_count, w.t);
        for (uint32_t i = 0; i < changes_count; i++) {
            char key[40];
            snprintf(key, sizeof key, "%u:%llx", i, (unsigned long long)(draw(&seed) >> draw_below(&seed, 64)));
            struct change c = {.op = (enum change_op)(1 + draw_below(&seed, 3)), .key = S(key), .unseen = unseen};
            if (c.op == CHANGE_PUT) c.content = buf_slice_of(draw_below(&seed, 2) ? &w.hash : &w.string);
            for (uint64_t n = 1; n < 1 + draw_below(&seed, 40); n++) unseen[c.unseen_count++] = (struct dot){w.eu, n};
            event_change(&body, &c, w.t);
        }
        cr_assert(event_decode(&e, (struct dot){w.us, 1 + draw_below(&seed, 1000)}, buf_slice_of(&body), w.t));
        encode_again(&e, w.t, &again);
        cr_assert(slice_equal(buf_slice_of(&again), buf_slice_of(&body)));
    }
    event_finish(&e);
    buf_finish(&body), buf_finish(&again);
    world_finish(&w);
}

/* ---- blocks ---- */
static void full_block(const struct world *w, struct buf *out) {
    struct buf body = {0};
    full_event(w, &body);
    block_begin(out, w->us, 5, 2, w->t);
    buf_slice(out, buf_slice_of(&body));
    buf_slice(out, buf_slice_of(&body));
    buf_finish(&body);
}

Test(event, blocks_are_golden_and_give_their_bodies_back) {
    struct world w = world_make();
    struct buf b = {0}, body = {0};
    struct block block;
    full_event(&w, &body);
    block_begin(&b, w.us, 300, 2, w.t);
    CHECK_HEX(b, "01  02 7573 01 1100000000000000  ac02 02");
    buf_slice(&b, buf_slice_of(&body));
    buf_slice(&b, buf_slice_of(&body));
    cr_assert(block_decode(&block, buf_slice_of(&b), w.t));
    cr_assert_eq(block.origin, w.us);
    cr_assert_eq(block.first, 300u);
    cr_assert_eq(block.count, 2u);
    struct reader r = reader_of(block.bodies);
    for (int i = 0; i < 2; i++) cr_assert(slice_equal(read_slice(&r), buf_slice_of(&body)));
    cr_assert(read_done(&r));
    buf_finish(&b), buf_finish(&body);
    world_finish(&w);
}

Test(event, a_block_cut_anywhere_is_refused) {
    struct world w = world_make();
    struct buf b = {0};
    struct block block = {.count = 99};
    full_block(&w, &b);
    for (size_t n = 0; n < b.n; n++) {
        struct slice cut = exact_copy(SLICE(b.p, n));
        cr_assert_not(block_decode(&block, cut, w.t), "cut to %zu bytes", n);
        free_copy(cut);
    }
    buf_u8(&b, 0);
    cr_assert_not(block_decode(&block, buf_slice_of(&b), w.t), "a byte too many");
    cr_assert_eq(block.count, 99u, "nothing was written");
    buf_finish(&b);
    world_finish(&w);
}

static bool block_with(struct world *w, uint8_t version, uint64_t first, uint64_t count, size_t body_bytes) {
    struct buf b = {0};
    struct block block;
    uint8_t body[64] = {0};
    buf_u8(&b, version);
    origin_encode(w->t, w->us, &b);
    buf_varint(&b, first);
    buf_varint(&b, count);
    buf_slice(&b, SLICE(body, body_bytes));
    bool ok = block_decode(&block, buf_slice_of(&b), w->t);
    buf_finish(&b);
    return ok;
}

Test(event, blocks_of_other_versions_numbers_or_counts_are_refused) {
    struct world w = world_make();
    cr_assert(block_with(&w, EVENT_VERSION, 1, 1, 40));
    cr_assert(block_with(&w, EVENT_VERSION, UINT64_MAX, 1, 40));
    cr_assert_not(block_with(&w, EVENT_VERSION + 1, 1, 1, 40));
    cr_assert_not(block_with(&w, 0, 1, 1, 40));
    cr_assert_not(block_with(&w, EVENT_VERSION, 0, 1, 40), "number 0");
    cr_assert_not(block_with(&w, EVENT_VERSION, 1, 0, 40), "no event");
    cr_assert_not(block_with(&w, EVENT_VERSION, 1, 2, 40), "one less than promised");
    cr_assert_not(block_with(&w, EVENT_VERSION, 1, UINT64_MAX, 40));
    cr_assert_not(block_with(&w, EVENT_VERSION, 1, 1, 20), "less than any body");
    world_finish(&w);
}

Test(event, a_block_whose_numbers_would_wrap_is_refused) {
    struct world w = world_make();
    struct buf b = {0};
    struct block block;
    full_block(&w, &b);
    cr_assert(block_decode(&block, buf_slice_of(&b), w.t));
    struct buf late = {0};
    block_begin(&late, w.us, UINT64_MAX, 2, w.t);
    buf_put(&late, block.bodies.p, block.bodies.n);
    cr_assert_not(block_decode(&block, buf_slice_of(&late), w.t));
    buf_finish(&b), buf_finish(&late);
    world_finish(&w);
}

Test(event, ops_have_names) {
    cr_assert_str_eq(change_op_name(CHANGE_PUT), "PUT");
    cr_assert_str_eq(change_op_name(CHANGE_DELETE), "DELETE");
    cr_assert_str_eq(change_op_name(CHANGE_REAP), "REAP");
    cr_assert_str_eq(change_op_name((enum change_op)77), "?");
}
