#include "help.h"

TestSuite(event);

static struct slice S(const char *s) {
    return slice_text(s);
}

struct world {
    struct origins *t;
    origin_ref us, eu, ap;
    struct buf string, hash, delta;
};

static struct world world_make(void) {
    struct world w = {.t = origins_create()};
    w.us = origin_named(w.t, "us", 1, 0x11);
    w.eu = origin_named(w.t, "eu", 1, 0x22);
    w.ap = origin_named(w.t, "ap", 2, 0x33);
    struct content_column columns[] = {{S("name"), S("Alice")}};
    content_make_string(&w.string, 0, S("hi"));
    content_make(&w.hash, CONTENT_HASH, 9, columns, 1);
    struct delta_op op = {.kind = CELL_MEMBER, .flags = OP_PUT, .name = S("m")};
    struct delta delta = {.type = CONTENT_SET, .ops = &op, .ops_count = 1};
    delta_encode(&delta, w.t, &w.delta);
    return w;
}

static void world_finish(struct world *w) {
    buf_finish(&w->string);
    buf_finish(&w->hash);
    buf_finish(&w->delta);
    origins_destroy(w->t);
}

#define CHANGES 8
/* An event with everything in it. */
static void full_event(const struct world *w, struct buf *out) {
    struct dot deps[] = {{w->ap, 7}, {w->eu, 300}};
    struct dot unseen[] = {{w->ap, 6}, {w->ap, 7}, {w->us, 4}};
    struct change changes[] = {
        {.op = CHANGE_PUT, .key = S("k:1"), .content = buf_slice_of(&w->string), .unseen = unseen, .unseen_count = 3},
        {.op = CHANGE_DELETE, .key = S("")},
        {.op = CHANGE_REAP, .key = S("k:2"), .unseen = unseen + 2, .unseen_count = 1},
        {.op = CHANGE_PUT, .key = S("k:3"), .content = buf_slice_of(&w->hash)},
        {.op = CHANGE_MERGE, .key = S("k:4"), .content = buf_slice_of(&w->delta), .unseen = unseen, .unseen_count = 1},
        {.op = CHANGE_ANSWER, .key = S("k:5"), .content = buf_slice_of(&w->string), .generation = 3, .inputs = UINT64_C(0x1112131415161718)},
        {.op = CHANGE_ANSWER, .key = S("k:6"), .unseen = unseen, .unseen_count = 1, .generation = 1},
        {.op = CHANGE_RECORD, .key = S("k:7"), .content = buf_slice_of(&w->hash), .unseen = unseen, .unseen_count = 2},
    };
    event_begin(out, stamp_make(1000, 2), UINT64_C(0x0102030405060708), deps, 2, CHANGES, w->t);
    for (int i = 0; i < CHANGES; i++) event_change(out, &changes[i], w->t);
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
                    "08"
                    "01 036b3a31 03  02 6170 02 3300000000000000 06  02 6170 02 3300000000000000 07  02 7573 01 1100000000000000 04  04 01006869"
                    "02 00 00"
                    "03 036b3a32 01  02 7573 01 1100000000000000 04"
                    "01 036b3a33 00 0e 02 09 01 046e616d65 05416c696365"
                    "04 036b3a34 01  02 6170 02 3300000000000000 06  08 00 03 01 03 01 016d 00"
                    "05 036b3a35 00 04 01006869 03 1817161514131211"
                    "05 036b3a36 01  02 6170 02 3300000000000000 06  00 01 0000000000000000"
                    "06 036b3a37 02  02 6170 02 3300000000000000 06  02 6170 02 3300000000000000 07  0e 02 09 01 046e616d65 05416c696365");
    cr_assert(event_decode(&e, (struct dot){w.us, 5}, buf_slice_of(&body), w.t));
    cr_assert_eq(e.stamp, stamp_make(1000, 2));
    cr_assert_eq(e.previous, UINT64_C(0x0102030405060708));
    cr_assert_eq(e.checksum, event_checksum(buf_slice_of(&body)));
    cr_assert_eq(e.deps_count, 2u);
    cr_assert(dot_equal(e.deps[1], (struct dot){w.eu, 300}));
    cr_assert_eq(e.changes_count, (uint32_t)CHANGES);
    cr_assert_eq(e.changes[0].unseen_count, 3u);
    cr_assert(dot_equal(e.changes[0].unseen[2], (struct dot){w.us, 4}));
    cr_assert_null(e.changes[1].unseen);
    cr_assert_eq(e.changes[1].key.n, 0u);
    cr_assert(dot_equal(e.changes[2].unseen[0], (struct dot){w.us, 4}));
    cr_assert(slice_equal(e.changes[3].content, buf_slice_of(&w.hash)));
    cr_assert(slice_equal(e.changes[4].content, buf_slice_of(&w.delta)));
    cr_assert(e.changes[5].generation == 3 && e.changes[5].inputs == UINT64_C(0x1112131415161718));
    cr_assert(e.changes[6].generation == 1 && e.changes[6].content.n == 0 && e.changes[6].unseen_count == 1);
    cr_assert(e.changes[7].unseen_count == 2 && e.changes[7].generation == 0 && e.changes[7].inputs == 0);
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
    if (op != CHANGE_DELETE && op != CHANGE_REAP) buf_slice(&b, content);
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
    cr_assert_not(with_change(&w, 7, S("key"), content));
    cr_assert_not(with_change(&w, 255, S("key"), content));
    cr_assert(with_change(&w, CHANGE_PUT, S("key"), content));
    cr_assert_not(with_change(&w, CHANGE_PUT, S("key"), SLICE(content.p, content.n - 1)));
    cr_assert_not(with_change(&w, CHANGE_PUT, S("key"), (struct slice){0}), "PUT without content");
    free(long_key);
    world_finish(&w);
}

Test(event, a_merge_holds_a_sound_delta_of_just_its_event) {
    struct world w = world_make();
    struct slice delta = buf_slice_of(&w.delta);
    cr_assert(with_change(&w, CHANGE_MERGE, S("key"), delta));
    cr_assert_not(with_change(&w, CHANGE_MERGE, S("key"), SLICE(delta.p, delta.n - 1)));
    cr_assert_not(with_change(&w, CHANGE_MERGE, S("key"), (struct slice){0}), "MERGE without a delta");
    cr_assert_not(with_change(&w, CHANGE_MERGE, S("key"), buf_slice_of(&w.hash)), "a content is no delta");
    for (uint64_t birth = 5; birth <= 6; birth++) { /* the event is number 5 */
        struct buf counted = {0};
        struct delta_op op = {.kind = CELL_STRING, .flags = OP_COUNT, .count = {.origin = w.us, .birth = birth, .n = 6, .total = 1}};
        struct delta d = {.type = CONTENT_STRING, .ops = &op, .ops_count = 1};
        delta_encode(&d, w.t, &counted);
        cr_assert_eq(with_change(&w, CHANGE_MERGE, S("key"), buf_slice_of(&counted)), birth == 5);
        buf_finish(&counted);
    }
    world_finish(&w);
}

static bool with_cell_unseen(struct world *w, const struct dot *of_change, uint32_t of_change_count, const struct dot *of_cells, uint32_t first_count,
                             uint32_t second_count) {
    struct buf b = {0}, bytes = {0};
    struct delta_op ops[] = {
        {.kind = CELL_FIELD, .flags = OP_PUT | OP_UNSEEN, .name = S("a"), .unseen = of_cells, .unseen_count = first_count},
        {.kind = CELL_FIELD, .flags = OP_PUT | OP_UNSEEN, .name = S("b"), .unseen = of_cells + first_count, .unseen_count = second_count},
    };
    struct delta d = {.type = CONTENT_HASH, .ops = ops, .ops_count = second_count == 0 ? 1 : 2};
    delta_encode(&d, w->t, &bytes);
    struct change c = {.op = CHANGE_MERGE, .key = S("key"), .content = buf_slice_of(&bytes), .unseen = of_change, .unseen_count = of_change_count};
    event_begin(&b, 1, 2, NULL, 0, 2, w->t);
    struct dot before[] = {{w->ap, 900}}; /* of another change: does not count */
    event_change(&b, &(struct change){.op = CHANGE_DELETE, .key = S("other"), .unseen = before, .unseen_count = 1}, w->t);
    event_change(&b, &c, w->t);
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b), buf_finish(&bytes);
    return ok;
}

Test(event, what_a_cell_had_unseen_its_change_had_unseen) {
    struct world w = world_make();
    struct dot all[] = {{w.ap, 6}, {w.ap, 7}, {w.eu, 1}, {w.us, 4}};
    cr_assert(with_cell_unseen(&w, all, 4, all, 4, 0));
    cr_assert(with_cell_unseen(&w, all, 4, all + 1, 2, 0));
    cr_assert(with_cell_unseen(&w, all, 4, (struct dot[]){{w.ap, 6}, {w.us, 4}, {w.ap, 6}, {w.eu, 1}}, 2, 2));
    cr_assert_not(with_cell_unseen(&w, NULL, 0, all, 1, 0));
    cr_assert_not(with_cell_unseen(&w, all, 3, all, 4, 0), "beyond the last");
    cr_assert_not(with_cell_unseen(&w, all, 4, (struct dot[]){{w.ap, 8}}, 1, 0), "between two");
    cr_assert_not(with_cell_unseen(&w, all, 4, (struct dot[]){{w.ap, 6}, {w.eu, 2}}, 1, 1), "of the second cell");
    cr_assert_not(with_cell_unseen(&w, all, 4, (struct dot[]){{w.ap, 900}}, 1, 0), "of another change");
    world_finish(&w);
}

static bool with_answer(struct world *w, struct slice content, uint8_t generation, size_t inputs_bytes) {
    struct buf b = {0};
    begin(&b, 0, NULL, 0, w->t);
    buf_varint(&b, 1);
    delete_of(&b, CHANGE_ANSWER, S("key"), 0);
    buf_slice(&b, content);
    buf_u8(&b, generation);
    for (size_t i = 0; i < inputs_bytes; i++) buf_u8(&b, 1);
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, an_answer_holds_a_content_or_nothing_and_its_generation_begins_with_1) {
    struct world w = world_make();
    struct slice content = buf_slice_of(&w.hash);
    cr_assert(with_answer(&w, content, 1, 8));
    cr_assert(with_answer(&w, content, 255, 8));
    cr_assert(with_answer(&w, (struct slice){0}, 1, 8), "a tombstone");
    cr_assert_not(with_answer(&w, content, 0, 8));
    cr_assert_not(with_answer(&w, SLICE(content.p, content.n - 1), 1, 8));
    cr_assert_not(with_answer(&w, content, 1, 7));
    cr_assert_not(with_answer(&w, content, 1, 9));
    world_finish(&w);
}

static bool with_record(struct world *w, uint32_t siblings, struct slice content) {
    struct buf b = {0};
    begin(&b, 0, NULL, 0, w->t);
    buf_varint(&b, 1);
    delete_of(&b, CHANGE_RECORD, S("key"), siblings);
    for (uint32_t i = 0; i < siblings; i++) dot_encode(w->t, (struct dot){w->eu, 1 + i}, &b);
    buf_slice(&b, content);
    bool ok = decodes(w, buf_slice_of(&b));
    buf_finish(&b);
    return ok;
}

Test(event, a_record_names_two_siblings_or_more_and_holds_a_hash) {
    struct world w = world_make();
    struct slice hash = buf_slice_of(&w.hash);
    cr_assert(with_record(&w, 2, hash));
    cr_assert(with_record(&w, 40, hash));
    cr_assert_not(with_record(&w, 1, hash), "one sibling is no conflict");
    cr_assert_not(with_record(&w, 0, hash));
    cr_assert_not(with_record(&w, 2, buf_slice_of(&w.string)), "a string says no reason");
    cr_assert_not(with_record(&w, 2, (struct slice){0}));
    cr_assert_not(with_record(&w, 2, SLICE(hash.p, hash.n - 1)));
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
    cr_assert_eq(e.changes_count, (uint32_t)CHANGES);
    event_finish(&e);
    buf_finish(&huge), buf_finish(&small);
    world_finish(&w);
}

Test(event, what_a_huge_merge_took_is_given_back) {
    struct world w = world_make();
    struct buf huge = {0}, small = {0}, delta = {0};
    struct event e = {0};
    buf_u8(&delta, 0);
    buf_u8(&delta, CONTENT_SET);
    buf_varint(&delta, 100000);
    for (uint32_t i = 0; i < 100000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06u", i);
        buf_u8(&delta, CELL_MEMBER);
        buf_u8(&delta, OP_REMOVE);
        buf_slice(&delta, S(name));
    }
    event_begin(&huge, 1, 2, NULL, 0, 1, w.t);
    event_change(&huge, &(struct change){.op = CHANGE_MERGE, .key = S("k"), .content = buf_slice_of(&delta)}, w.t);
    event_begin(&small, 1, 2, NULL, 0, 1, w.t);
    event_change(&small, &(struct change){.op = CHANGE_DELETE, .key = S("k")}, w.t);
    cr_assert(event_decode(&e, (struct dot){w.us, 5}, buf_slice_of(&huge), w.t));
    cr_assert_geq(e.delta.ops_cap, 100000u);
    cr_assert(event_decode(&e, (struct dot){w.us, 5}, buf_slice_of(&small), w.t));
    cr_assert_eq(e.delta.ops_cap, 0u);
    event_finish(&e);
    buf_finish(&huge), buf_finish(&small), buf_finish(&delta);
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
            struct change c = {.op = (enum change_op)(1 + draw_below(&seed, 6)), .key = S(key), .unseen = unseen};
            if (c.op == CHANGE_PUT) c.content = buf_slice_of(draw_below(&seed, 2) ? &w.hash : &w.string);
            if (c.op == CHANGE_MERGE) c.content = buf_slice_of(&w.delta);
            if (c.op == CHANGE_ANSWER && draw_below(&seed, 2)) c.content = buf_slice_of(&w.string);
            if (c.op == CHANGE_ANSWER) c.generation = 1, c.inputs = draw(&seed);
            if (c.op == CHANGE_RECORD) c.content = buf_slice_of(&w.hash);
            for (uint64_t n = 1; n < (c.op == CHANGE_RECORD ? 3 : 1) + draw_below(&seed, 40); n++) unseen[c.unseen_count++] = (struct dot){w.eu, n};
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
    CHECK_HEX(b, "02  02 7573 01 1100000000000000  ac02 02");
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
    cr_assert_not(block_with(&w, EVENT_VERSION - 1, 1, 1, 40));
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
    cr_assert_str_eq(change_op_name(CHANGE_MERGE), "MERGE");
    cr_assert_str_eq(change_op_name(CHANGE_ANSWER), "ANSWER");
    cr_assert_str_eq(change_op_name(CHANGE_RECORD), "RECORD");
    cr_assert_str_eq(change_op_name((enum change_op)77), "?");
}
