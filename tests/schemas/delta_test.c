#include "../../schemas/delta.h"
#include "help.h"

TestSuite(delta);

static struct slice S(const char *s) {
    return slice_text(s);
}

#define NUMBER 300u /* of the event that the deltas of these tests are part of */
#define STAMP  stamp_make(1000, 2)

struct world {
    struct origins *t;
    origin_ref ap, eu, us; /* in canonical order; us is the event's */
    struct delta d;
    struct buf bytes;
};

static struct world world_make(void) {
    struct world w = {.t = origins_create()};
    w.us = origin_named(w.t, "us", 1, 0x11);
    w.eu = origin_named(w.t, "eu", 1, 0x22);
    w.ap = origin_named(w.t, "ap", 2, 0x33);
    return w;
}

static void world_finish(struct world *w) {
    delta_finish(&w->d);
    buf_finish(&w->bytes);
    origins_destroy(w->t);
}

static bool decodes(struct world *w, struct slice bytes) {
    struct slice copy = exact_copy(bytes);
    struct delta d = {0};
    bool ok = delta_decode(&d, copy, (struct dot){w->us, NUMBER}, STAMP, w->t);
    delta_finish(&d);
    free_copy(copy);
    return ok;
}

static amount_t amount(int64_t high, uint64_t low) { return (amount_t)high * ((amount_t)1 << 64) + (amount_t)low; }

/* ---- all there is, in one delta ---- */
static void full_delta(const struct world *w, struct buf *out) {
    static const uint8_t at[8] = {0x10, 0x27};
    struct counter_reset resets[] = {{w->ap, 1, 7, amount(0, 5)}, {w->us, 2, 299, amount(-1, UINT64_MAX)}};
    struct dot unseen[] = {{w->ap, 7}, {w->ap, 8}, {w->us, 4}};
    struct delta_op ops[] = {
        {.kind = CELL_STRING,
         .flags = OP_REMOVE | OP_COUNT | OP_RESET,
         .count = {.origin = w->us, .birth = 1, .n = NUMBER, .total = amount(2, 3), .reset_n = 299, .reset_total = -1, .reset_by = {w->eu, 9}},
         .resets = resets,
         .resets_count = 2},
        {.kind = CELL_FIELD, .flags = OP_PUT | OP_UNSEEN, .name = S(""), .value = S("x"), .unseen = unseen, .unseen_count = 3},
        {.kind = CELL_FIELD, .flags = OP_PUT | OP_COUNT, .name = S("n"), .count = {.origin = w->us, .birth = NUMBER, .n = NUMBER, .total = -2}},
        {.kind = CELL_FIELD, .flags = OP_RESET, .name = S("nn"), .resets = resets, .resets_count = 1},
        {.kind = CELL_MEMBER, .flags = OP_PUT, .name = S("m")},
        {.kind = CELL_MEMBER, .flags = OP_REMOVE, .name = S("n")},
        {.kind = CELL_EXPIRY, .flags = OP_PUT, .value = SLICE(at, 8)},
    };
    struct delta d = {.flags = DELTA_CLEAR, .type = CONTENT_HASH, .ops = ops, .ops_count = 7};
    delta_encode(&d, w->t, out);
}

Test(delta, deltas_are_golden) {
    struct world w = world_make();
    full_delta(&w, &w.bytes);
    CHECK_HEX(w.bytes, "01 02 07"
                       "01 0e  01 0300000000000000 0200000000000000  ab02 ffffffffffffffff ffffffffffffffff  02 6575 01 2200000000000000 09"
                       "  02  02 6170 02 3300000000000000 01 07 0500000000000000 0000000000000000"
                       "      02 7573 01 1100000000000000 02 ab02 ffffffffffffffff ffffffffffffffff"
                       "02 11 00 0178 03  02 6170 02 3300000000000000 07  02 6170 02 3300000000000000 08  02 7573 01 1100000000000000 04"
                       "02 05 016e 00  ac02 feffffffffffffff ffffffffffffffff 00"
                       "02 08 026e6e 01  02 6170 02 3300000000000000 01 07 0500000000000000 0000000000000000"
                       "03 01 016d 00"
                       "03 02 016e"
                       "04 01 08 1027000000000000");
    world_finish(&w);
}

Test(delta, what_was_encoded_is_decoded_and_a_count_is_completed_with_its_event) {
    struct world w = world_make();
    full_delta(&w, &w.bytes);
    cr_assert(delta_decode(&w.d, buf_slice_of(&w.bytes), (struct dot){w.us, NUMBER}, STAMP, w.t));
    cr_assert_eq(w.d.flags, DELTA_CLEAR);
    cr_assert_eq(w.d.type, CONTENT_HASH);
    cr_assert_eq(w.d.ops_count, 7u);
    const struct delta_op *ops = w.d.ops;
    const struct counter *c = &ops[0].count;
    cr_assert_eq(ops[0].kind, CELL_STRING);
    cr_assert_eq(ops[0].flags, OP_REMOVE | OP_COUNT | OP_RESET);
    cr_assert(c->origin == w.us && c->birth == 1 && c->n == NUMBER && c->stamp == STAMP && c->total == amount(2, 3));
    cr_assert(c->reset_n == 299 && c->reset_total == -1 && dot_equal(c->reset_by, (struct dot){w.eu, 9}));
    cr_assert_eq(ops[0].resets_count, 2u);
    cr_assert(ops[0].resets[0].origin == w.ap && ops[0].resets[0].birth == 1 && ops[0].resets[0].n == 7 && ops[0].resets[0].total == 5);
    cr_assert(ops[0].resets[1].origin == w.us && ops[0].resets[1].total == -1);
    cr_assert(ops[1].kind == CELL_FIELD && ops[1].name.n == 0 && slice_is(ops[1].value, "x"));
    cr_assert(ops[1].unseen_count == 3 && dot_equal(ops[1].unseen[1], (struct dot){w.ap, 8}) && ops[1].resets == NULL);
    cr_assert(ops[0].unseen == NULL && ops[0].unseen_count == 0);
    cr_assert(ops[2].count.total == -2 && ops[2].count.birth == NUMBER && ops[2].count.reset_n == 0 && ops[2].count.reset_by.n == 0);
    cr_assert(ops[2].resets == NULL && ops[2].value.n == 0);
    cr_assert(ops[3].resets_count == 1 && ops[3].resets[0].n == 7);
    cr_assert(ops[4].kind == CELL_MEMBER && slice_is(ops[4].name, "m") && ops[4].count.n == 0);
    cr_assert(ops[6].kind == CELL_EXPIRY && ops[6].value.n == 8);
    struct buf again = {0};
    delta_encode(&w.d, w.t, &again);
    cr_assert(slice_equal(buf_slice_of(&again), buf_slice_of(&w.bytes)));
    buf_finish(&again);
    world_finish(&w);
}

Test(delta, a_cut_anywhere_and_a_byte_too_many_are_refused) {
    struct world w = world_make();
    full_delta(&w, &w.bytes);
    cr_assert(decodes(&w, buf_slice_of(&w.bytes)));
    for (size_t n = 0; n < w.bytes.n; n++) cr_assert_not(decodes(&w, SLICE(w.bytes.p, n)), "cut to %zu bytes", n);
    buf_u8(&w.bytes, 0);
    cr_assert_not(decodes(&w, buf_slice_of(&w.bytes)));
    world_finish(&w);
}

Test(delta, a_changed_byte_is_refused_or_gives_another_delta_in_canonical_form) {
    struct world w = world_make();
    struct buf again = {0};
    full_delta(&w, &w.bytes);
    int taken = 0, refused = 0;
    for (size_t at = 0; at < w.bytes.n; at++) {
        for (int byte = 0; byte < 256; byte++) {
            struct slice copy = exact_copy(buf_slice_of(&w.bytes));
            ((uint8_t *)(uintptr_t)copy.p)[at] = (uint8_t)byte;
            bool ok = delta_decode(&w.d, copy, (struct dot){w.us, NUMBER}, STAMP, w.t);
            if (ok) {
                buf_clear(&again);
                delta_encode(&w.d, w.t, &again);
                cr_assert(slice_equal(buf_slice_of(&again), copy), "byte %zu as %d", at, byte);
            }
            *(ok ? &taken : &refused) += 1;
            free_copy(copy);
        }
    }
    cr_assert_gt(taken, 0);
    cr_assert_gt(refused, 0);
    buf_finish(&again);
    world_finish(&w);
}

/* ---- one rule broken at a time ---- */
static struct buf *begin(struct world *w, uint8_t flags, uint8_t type, uint64_t count) {
    buf_clear(&w->bytes);
    buf_u8(&w->bytes, flags);
    buf_u8(&w->bytes, type);
    buf_varint(&w->bytes, count);
    return &w->bytes;
}

static void op(struct buf *b, uint8_t kind, uint8_t flags) {
    buf_u8(b, kind);
    buf_u8(b, flags);
}

static void put_amount(struct buf *b, uint64_t low) {
    buf_u64(b, low);
    buf_u64(b, 0);
}

static bool ends_well(struct world *w) { return decodes(w, buf_slice_of(&w->bytes)); }

Test(delta, a_delta_clears_or_holds_an_operation) {
    struct world w = world_make();
    begin(&w, DELTA_CLEAR, CONTENT_NONE, 0);
    cr_assert(ends_well(&w));
    begin(&w, 0, CONTENT_NONE, 0);
    cr_assert_not(ends_well(&w), "it would say nothing");
    begin(&w, 2, CONTENT_NONE, 0);
    cr_assert_not(ends_well(&w), "an unknown flag");
    begin(&w, DELTA_CLEAR, CONTENT_SET, 0);
    cr_assert(ends_well(&w));
    begin(&w, DELTA_CLEAR, CONTENT_SET + 1, 0);
    cr_assert_not(ends_well(&w), "an unknown type");
    world_finish(&w);
}

Test(delta, a_count_of_operations_beyond_what_follows_is_refused_at_once) {
    struct world w = world_make();
    static const uint64_t counts[] = {2, 3, 1000, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct buf *b = begin(&w, 0, CONTENT_SET, counts[i]);
        op(b, CELL_MEMBER, OP_REMOVE);
        buf_slice(b, S("m"));
        cr_assert_not(ends_well(&w), "%llu operations", (unsigned long long)counts[i]);
    }
    world_finish(&w);
}

static bool lone_op(struct world *w, uint8_t kind, uint8_t flags, const char *rest_hex) {
    struct buf *b = begin(w, 0, CONTENT_NONE, 1);
    op(b, kind, flags);
    for (; *rest_hex != '\0'; rest_hex++) {
        unsigned byte;
        if (*rest_hex == ' ') continue;
        cr_assert_eq(sscanf(rest_hex, "%2x", &byte), 1);
        buf_u8(b, (uint8_t)byte);
        rest_hex++;
    }
    return ends_well(w);
}

Test(delta, cells_are_of_a_known_kind_and_never_the_whole_row) {
    struct world w = world_make();
    cr_assert(lone_op(&w, CELL_STRING, OP_REMOVE, ""));
    cr_assert(lone_op(&w, CELL_EXPIRY, OP_REMOVE, ""));
    cr_assert_not(lone_op(&w, CELL_ROW, OP_REMOVE, ""));
    cr_assert_not(lone_op(&w, CELL_KINDS, OP_REMOVE, ""));
    cr_assert_not(lone_op(&w, 255, OP_REMOVE, ""));
    world_finish(&w);
}

Test(delta, an_operation_does_something_and_never_puts_and_removes_at_once) {
    struct world w = world_make();
    cr_assert(lone_op(&w, CELL_STRING, OP_PUT, "00"));
    cr_assert_not(lone_op(&w, CELL_STRING, 0, ""), "nothing");
    cr_assert_not(lone_op(&w, CELL_FIELD, 0, "0161"), "nothing to a column");
    cr_assert_not(lone_op(&w, CELL_STRING, OP_PUT | OP_REMOVE, "00"));
    cr_assert_not(lone_op(&w, CELL_STRING, OP_REMOVE | 32, ""), "an unknown flag");
    world_finish(&w);
}

Test(delta, only_columns_and_members_have_names) {
    struct world w = world_make();
    cr_assert(lone_op(&w, CELL_MEMBER, OP_REMOVE, "0161"));
    cr_assert(lone_op(&w, CELL_FIELD, OP_REMOVE, "00"));
    cr_assert_not(lone_op(&w, CELL_STRING, OP_REMOVE, "0161"));
    cr_assert_not(lone_op(&w, CELL_STRING, OP_REMOVE, "00"), "not even an empty one");
    cr_assert_not(lone_op(&w, CELL_EXPIRY, OP_REMOVE, "0161"));
    cr_assert_not(lone_op(&w, CELL_MEMBER, OP_REMOVE, ""));
    world_finish(&w);
}

Test(delta, values_are_of_the_form_of_their_cell) {
    struct world w = world_make();
    cr_assert(lone_op(&w, CELL_MEMBER, OP_PUT, "0161 00"));
    cr_assert_not(lone_op(&w, CELL_MEMBER, OP_PUT, "0161 0178"), "a member has no value");
    cr_assert(lone_op(&w, CELL_EXPIRY, OP_PUT, "00"));
    cr_assert(lone_op(&w, CELL_EXPIRY, OP_PUT, "08 0100000000000000"));
    cr_assert_not(lone_op(&w, CELL_EXPIRY, OP_PUT, "08 0000000000000000"), "for ever has one form");
    cr_assert_not(lone_op(&w, CELL_EXPIRY, OP_PUT, "07 01000000000000"));
    cr_assert_not(lone_op(&w, CELL_EXPIRY, OP_PUT, "09 010000000000000000"));
    cr_assert_not(lone_op(&w, CELL_EXPIRY, OP_PUT, "01 00"));
    world_finish(&w);
}

static bool two_ops(struct world *w, uint8_t kind_a, const char *a, uint8_t kind_b, const char *b) {
    struct buf *out = begin(w, 0, CONTENT_NONE, 2);
    op(out, kind_a, OP_REMOVE);
    if (a != NULL) buf_slice(out, S(a));
    op(out, kind_b, OP_REMOVE);
    if (b != NULL) buf_slice(out, S(b));
    return ends_well(w);
}

Test(delta, operations_ascend_by_kind_and_name) {
    struct world w = world_make();
    cr_assert(two_ops(&w, CELL_FIELD, "a", CELL_FIELD, "ab"));
    cr_assert(two_ops(&w, CELL_FIELD, "b", CELL_MEMBER, "a"));
    cr_assert_not(two_ops(&w, CELL_FIELD, "b", CELL_FIELD, "a"));
    cr_assert_not(two_ops(&w, CELL_FIELD, "a", CELL_FIELD, "a"), "a cell twice");
    cr_assert_not(two_ops(&w, CELL_STRING, NULL, CELL_STRING, NULL), "the string twice");
    cr_assert_not(two_ops(&w, CELL_MEMBER, "a", CELL_FIELD, "b"));
    cr_assert_not(two_ops(&w, CELL_EXPIRY, NULL, CELL_STRING, NULL));
    world_finish(&w);
}

static bool with_count(struct world *w, uint8_t kind, uint64_t birth, uint64_t reset_n, struct dot by) {
    struct buf *b = begin(w, 0, CONTENT_NONE, 1);
    op(b, kind, OP_COUNT);
    if (kind == CELL_FIELD || kind == CELL_MEMBER) buf_slice(b, S("c"));
    buf_varint(b, birth);
    put_amount(b, 1);
    buf_varint(b, reset_n);
    if (reset_n != 0) {
        put_amount(b, 1);
        origin_encode(w->t, by.origin, b);
        buf_varint(b, by.n);
    }
    return ends_well(w);
}

Test(delta, a_count_began_at_or_before_its_event_and_was_reset_no_later) {
    struct world w = world_make();
    struct dot by = {w.eu, 5};
    cr_assert(with_count(&w, CELL_STRING, 1, 0, by));
    cr_assert(with_count(&w, CELL_FIELD, NUMBER, 0, by));
    cr_assert_not(with_count(&w, CELL_FIELD, NUMBER + 1, 0, by), "born after its event");
    cr_assert_not(with_count(&w, CELL_FIELD, 0, 0, by), "numbers begin with 1");
    cr_assert(with_count(&w, CELL_FIELD, 1, NUMBER, by));
    cr_assert_not(with_count(&w, CELL_FIELD, 1, NUMBER + 1, by), "reset beyond its event");
    cr_assert_not(with_count(&w, CELL_FIELD, 1, 1, (struct dot){w.eu, 0}), "reset by number 0");
    cr_assert(with_count(&w, CELL_FIELD, 1, 1, (struct dot){w.us, NUMBER}));
    cr_assert_not(with_count(&w, CELL_FIELD, 1, 1, (struct dot){w.us, NUMBER + 1}), "reset by a later event of its own origin");
    cr_assert_not(with_count(&w, CELL_MEMBER, 1, 0, by), "members do not count");
    cr_assert_not(with_count(&w, CELL_EXPIRY, 1, 0, by), "expiries do not count");
    world_finish(&w);
}

static bool with_resets(struct world *w, uint8_t kind, uint64_t promised, const struct counter_reset *resets, uint32_t count) {
    struct buf *b = begin(w, 0, CONTENT_NONE, 1);
    op(b, kind, OP_RESET);
    if (kind == CELL_FIELD || kind == CELL_MEMBER) buf_slice(b, S("c"));
    buf_varint(b, promised);
    for (uint32_t i = 0; i < count; i++) {
        origin_encode(w->t, resets[i].origin, b);
        buf_varint(b, resets[i].birth);
        buf_varint(b, resets[i].n);
        put_amount(b, (uint64_t)resets[i].total);
    }
    return ends_well(w);
}
#define RESETS(w, kind, ...)                                                                                                                         \
    with_resets(w, kind, sizeof((struct counter_reset[]){__VA_ARGS__}) / sizeof(struct counter_reset), (struct counter_reset[]){__VA_ARGS__},        \
                sizeof((struct counter_reset[]){__VA_ARGS__}) / sizeof(struct counter_reset))

Test(delta, resets_name_each_origin_once_in_order_and_nothing_later_than_their_event) {
    struct world w = world_make();
    cr_assert(RESETS(&w, CELL_STRING, {w.ap, 1, 1, 5}, {w.eu, 2, 9, 5}, {w.us, 1, NUMBER, 5}));
    cr_assert(RESETS(&w, CELL_FIELD, {w.eu, 1, UINT64_MAX, 5}));
    cr_assert_not(RESETS(&w, CELL_MEMBER, {w.eu, 1, 1, 5}), "members do not count");
    cr_assert_not(RESETS(&w, CELL_EXPIRY, {w.eu, 1, 1, 5}), "expiries do not count");
    cr_assert_not(RESETS(&w, CELL_FIELD, {w.eu, 1, 1, 5}, {w.ap, 1, 1, 5}), "descending");
    cr_assert_not(RESETS(&w, CELL_FIELD, {w.eu, 1, 1, 5}, {w.eu, 1, 2, 5}), "an origin twice");
    cr_assert_not(RESETS(&w, CELL_FIELD, {w.eu, 0, 1, 5}), "numbers begin with 1");
    cr_assert_not(RESETS(&w, CELL_FIELD, {w.eu, 2, 1, 5}), "before it was born");
    cr_assert_not(RESETS(&w, CELL_FIELD, {w.us, 1, NUMBER + 1, 5}), "a later event of its own origin");
    cr_assert_not(with_resets(&w, CELL_FIELD, 0, NULL, 0), "none");
    cr_assert_not(with_resets(&w, CELL_FIELD, 2, (struct counter_reset[]){{w.eu, 1, 1, 5}}, 1), "one less than promised");
    cr_assert_not(with_resets(&w, CELL_FIELD, UINT64_MAX, (struct counter_reset[]){{w.eu, 1, 1, 5}}, 1));
    world_finish(&w);
}

static bool with_unseen(struct world *w, uint8_t kind, uint8_t flags, uint64_t promised, const struct dot *dots, uint32_t count) {
    struct buf *b = begin(w, 0, CONTENT_NONE, 1);
    op(b, kind, flags | OP_UNSEEN);
    if (kind == CELL_FIELD || kind == CELL_MEMBER) buf_slice(b, S("c"));
    if ((flags & OP_PUT) != 0) buf_slice(b, S(""));
    buf_varint(b, promised);
    for (uint32_t i = 0; i < count; i++) {
        origin_encode(w->t, dots[i].origin, b);
        buf_varint(b, dots[i].n);
    }
    return ends_well(w);
}

Test(delta, unseen_dots_of_a_register_ascend_and_are_older_than_their_event) {
    struct world w = world_make();
    struct dot one[] = {{w.eu, 5}};
    cr_assert(with_unseen(&w, CELL_FIELD, OP_PUT, 1, one, 1));
    cr_assert(with_unseen(&w, CELL_STRING, OP_PUT, 3, (struct dot[]){{w.eu, 5}, {w.eu, 6}, {w.us, NUMBER - 1}}, 3));
    cr_assert_not(with_unseen(&w, CELL_MEMBER, OP_PUT, 1, one, 1), "members have no episodes");
    cr_assert_not(with_unseen(&w, CELL_EXPIRY, OP_PUT, 1, one, 1), "expiries have none");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_REMOVE, 1, one, 1), "nothing is put");
    cr_assert_not(with_unseen(&w, CELL_FIELD, 0, 1, one, 1), "nothing is put");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 0, NULL, 0), "none");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 2, one, 1), "one less than promised");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, UINT64_MAX, one, 1));
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 2, (struct dot[]){{w.eu, 6}, {w.eu, 5}}, 2), "descending");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 2, (struct dot[]){{w.eu, 5}, {w.eu, 5}}, 2), "a dot twice");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 1, (struct dot[]){{w.us, NUMBER}}, 1), "its own event");
    cr_assert_not(with_unseen(&w, CELL_FIELD, OP_PUT, 1, (struct dot[]){{w.eu, 0}}, 1), "number 0");
    world_finish(&w);
}

Test(delta, a_delta_is_of_a_limited_size) {
    struct world w = world_make();
    for (uint32_t more = 0; more <= 1; more++) {
        struct buf *b = begin(&w, 0, CONTENT_STRING, 1);
        op(b, CELL_STRING, OP_PUT);
        struct slice value = {xcalloc(1, DELTA_BYTES_MAX), DELTA_BYTES_MAX - b->n - 4 + more};
        buf_slice(b, value);
        free_copy(value);
        cr_assert_eq(b->n, DELTA_BYTES_MAX + more);
        cr_assert_eq(ends_well(&w), more == 0);
    }
    world_finish(&w);
}

Test(delta, arrays_are_used_again_and_what_a_huge_delta_took_is_given_back) {
    struct world w = world_make();
    struct buf huge = {0};
    uint32_t count = 100000;
    buf_u8(&huge, 0);
    buf_u8(&huge, CONTENT_SET);
    buf_varint(&huge, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06u", i);
        op(&huge, CELL_MEMBER, OP_REMOVE);
        buf_slice(&huge, S(name));
    }
    struct dot self = {w.us, NUMBER};
    full_delta(&w, &w.bytes);
    cr_assert(delta_decode(&w.d, buf_slice_of(&w.bytes), self, STAMP, w.t));
    const struct delta_op *ops = w.d.ops;
    cr_assert(delta_decode(&w.d, buf_slice_of(&w.bytes), self, STAMP, w.t));
    cr_assert_eq(w.d.ops, ops);
    cr_assert(delta_decode(&w.d, buf_slice_of(&huge), self, STAMP, w.t));
    cr_assert_eq(w.d.ops_count, count);
    cr_assert(delta_decode(&w.d, buf_slice_of(&w.bytes), self, STAMP, w.t));
    cr_assert_lt(w.d.ops_cap, count);
    cr_assert_eq(w.d.ops_count, 7u);
    buf_finish(&huge);
    world_finish(&w);
}

/* ---- random deltas ---- */
static struct counter draw_count(uint64_t *seed, const struct world *w) {
    struct counter c = {.origin = w->us, .n = NUMBER, .birth = 1 + draw_below(seed, NUMBER), .total = amount((int64_t)draw(seed), draw(seed))};
    if (draw_below(seed, 2)) {
        c.reset_n = 1 + draw_below(seed, NUMBER);
        c.reset_total = amount((int64_t)draw(seed), draw(seed));
        c.reset_by = (struct dot){w->ap, 1 + draw_below(seed, 1000)};
    }
    return c;
}

static void draw_op(uint64_t *seed, const struct world *w, struct delta_op *o, struct counter_reset resets[static 3], struct dot unseen[static 2]) {
    static const uint8_t at[8] = {1, 2, 3};
    bool counts = o->kind == CELL_STRING || o->kind == CELL_FIELD;
    origin_ref origins[] = {w->ap, w->eu, w->us};
    o->flags = (uint8_t)(1 + draw_below(seed, counts ? 14 : 2)); /* 3 and 7: both PUT and REMOVE */
    if ((o->flags & OP_PUT) != 0) o->flags &= (uint8_t)~OP_REMOVE;
    if ((o->flags & OP_PUT) != 0 && counts) o->value = draw_below(seed, 2) ? S("a value") : S("");
    if ((o->flags & OP_PUT) != 0 && o->kind == CELL_EXPIRY && draw_below(seed, 2)) o->value = SLICE(at, 8);
    if ((o->flags & OP_COUNT) != 0) o->count = draw_count(seed, w);
    if ((o->flags & OP_PUT) != 0 && counts && draw_below(seed, 2)) {
        o->flags |= OP_UNSEEN;
        unseen[0] = (struct dot){w->ap, 1 + draw_below(seed, 1000)};
        unseen[1] = (struct dot){w->us, 1 + draw_below(seed, NUMBER - 1)};
        o->unseen = unseen;
        o->unseen_count = 1 + (uint32_t)draw_below(seed, 2);
    }
    if ((o->flags & OP_RESET) == 0) return;
    uint32_t first = (uint32_t)draw_below(seed, 3);
    for (uint32_t i = first; i < 3; i++) {
        uint64_t birth = 1 + draw_below(seed, NUMBER);
        resets[i - first] = (struct counter_reset){origins[i], birth, birth + draw_below(seed, NUMBER + 1 - birth), (amount_t)draw(seed)};
    }
    o->resets = resets;
    o->resets_count = 3 - first;
}

Test(delta, random_deltas_come_back) {
    struct world w = world_make();
    struct buf again = {0};
    uint64_t seed = 5;
    static char names[40][8];
    static struct counter_reset resets[40][3];
    static struct dot unseen[40][2];
    for (int i = 0; i < 40; i++) snprintf(names[i], sizeof names[i], "%02d", i);
    for (int round = 0; round < 5000; round++) {
        struct delta_op ops[40] = {0};
        struct delta d = {.flags = (uint8_t)draw_below(&seed, 2), .type = (enum content_type)draw_below(&seed, 4), .ops = ops};
        for (int i = 0; i < 40; i++) {
            if (draw_below(&seed, 3) != 0) continue;
            struct delta_op *o = &ops[d.ops_count++];
            o->kind = i == 0 ? CELL_STRING : i < 20 ? CELL_FIELD : i < 39 ? CELL_MEMBER : CELL_EXPIRY;
            if (o->kind == CELL_FIELD || o->kind == CELL_MEMBER) o->name = S(names[i]);
            draw_op(&seed, &w, o, resets[i], unseen[i]);
        }
        if (d.ops_count == 0) d.flags = DELTA_CLEAR;
        buf_clear(&w.bytes);
        delta_encode(&d, w.t, &w.bytes);
        cr_assert(delta_decode(&w.d, buf_slice_of(&w.bytes), (struct dot){w.us, NUMBER}, STAMP, w.t), "round %d", round);
        cr_assert(w.d.ops_count == d.ops_count && w.d.type == d.type && w.d.flags == d.flags);
        buf_clear(&again);
        delta_encode(&w.d, w.t, &again);
        cr_assert(slice_equal(buf_slice_of(&again), buf_slice_of(&w.bytes)));
    }
    buf_finish(&again);
    world_finish(&w);
}
