/* The search for an order of the operations on a row, against histories made by hand and against every order there is. */
#include "../../dc-node/checks/linear.h"
#include "../../dc-node/core/prng.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(linear);

#define UNKNOWN  LINEAR_UNKNOWN
#define OPS(...) ((struct linear_op[]){__VA_ARGS__}), sizeof((struct linear_op[]){__VA_ARGS__}) / sizeof(struct linear_op)

static void is(enum linear_verdict wanted, const struct linear_op *ops, size_t count) {
    struct linear_op copy[64];
    for (size_t i = 0; i < count; i++) copy[i] = ops[i];
    cr_assert_eq(linear_check(copy, (uint32_t)count, NULL), wanted);
}

Test(linear, a_read_shows_the_write_before_it) {
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, 1}, {LINEAR_READ, 0, 1, 2, 3}));
    is(NOT_LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, 1}, {LINEAR_READ, 0, 0, 2, 3}));
    is(LINEAR, OPS({LINEAR_READ, 0, 0, 2, 3}));
    is(NOT_LINEAR, OPS({LINEAR_READ, 0, 1, 2, 3}));
}

Test(linear, a_read_beside_a_write_shows_either) {
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, 5}, {LINEAR_READ, 0, 1, 1, 2}));
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, 5}, {LINEAR_READ, 0, 0, 1, 2}));
    is(NOT_LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, 9}, {LINEAR_READ, 0, 1, 1, 2}, {LINEAR_READ, 0, 0, 3, 4}));
}

Test(linear, a_write_of_unknown_outcome_may_land_late_or_never_but_once) {
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, UNKNOWN}, {LINEAR_READ, 0, 0, 2, 3}));
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, UNKNOWN}, {LINEAR_READ, 0, 0, 2, 3}, {LINEAR_READ, 0, 1, 4, 5}));
    is(NOT_LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, UNKNOWN}, {LINEAR_READ, 0, 1, 2, 3}, {LINEAR_READ, 0, 0, 4, 5}));
    is(NOT_LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, UNKNOWN}, {LINEAR_READ, 0, 1, 2, 3}, {LINEAR_WRITE, 2, 0, 4, 5}, {LINEAR_READ, 0, 1, 6, 7}));
}

Test(linear, a_tail_that_beats_an_acknowledged_write_is_found) {
    is(NOT_LINEAR, OPS({LINEAR_SETNX, 1, 1, 10, UNKNOWN}, {LINEAR_SETNX, 2, 1, 20, 25}, {LINEAR_READ, 0, 2, 26, 27}, {LINEAR_READ, 0, 1, 30, 31},
                       {LINEAR_SETNX, 1, 0, 28, 29}, {LINEAR_READ, 0, 2, 40, 41}));
}

Test(linear, of_two_setnx_one_succeeds) {
    is(LINEAR, OPS({LINEAR_SETNX, 1, 1, 0, 5}, {LINEAR_SETNX, 2, 0, 0, 5}, {LINEAR_READ, 0, 1, 6, 7}));
    is(NOT_LINEAR, OPS({LINEAR_SETNX, 1, 1, 0, 5}, {LINEAR_SETNX, 2, 1, 0, 5}));
    is(NOT_LINEAR, OPS({LINEAR_SETNX, 1, 0, 0, 5}));
    is(LINEAR, OPS({LINEAR_SETNX, 1, 1, 0, 1}, {LINEAR_WRITE, 0, 0, 2, 3}, {LINEAR_SETNX, 2, 1, 4, 5}));
    /* One that found something explains itself by a write that nobody answered for. */
    is(LINEAR, OPS({LINEAR_WRITE, 1, 0, 0, UNKNOWN}, {LINEAR_SETNX, 2, 0, 3, 5}));
}

Test(linear, increments_are_answered_in_their_order) {
    is(LINEAR, OPS({LINEAR_ADD, 1, 1, 0, 5}, {LINEAR_ADD, 1, 2, 0, 5}, {LINEAR_READ, 0, 2, 6, 7}));
    is(NOT_LINEAR, OPS({LINEAR_ADD, 1, 1, 0, 5}, {LINEAR_ADD, 1, 1, 0, 5}));
    is(LINEAR, OPS({LINEAR_ADD, 1, 0, 0, UNKNOWN}, {LINEAR_ADD, 1, 2, 3, 5}));
    is(NOT_LINEAR, OPS({LINEAR_ADD, 1, 0, 0, UNKNOWN}, {LINEAR_ADD, 1, 3, 3, 5}));
}

Test(linear, a_swap_answers_what_it_replaces) {
    is(LINEAR, OPS({LINEAR_SWAP, 1, 0, 0, 1}, {LINEAR_SWAP, 2, 1, 2, 3}, {LINEAR_SWAP, 0, 2, 4, 5}, {LINEAR_READ, 0, 0, 6, 7}));
    is(NOT_LINEAR, OPS({LINEAR_SWAP, 1, 0, 0, 1}, {LINEAR_SWAP, 2, 0, 2, 3}));
}

Test(linear, the_operation_that_nothing_explains_is_named) {
    struct linear_op ops[] = {{LINEAR_WRITE, 1, 0, 0, 1}, {LINEAR_READ, 0, 7, 4, 5}, {LINEAR_READ, 0, 1, 2, 3}};
    uint32_t stuck = UINT32_MAX;
    cr_assert_eq(linear_check(ops, 3, &stuck), NOT_LINEAR);
    cr_assert_eq(ops[stuck].answer, 7);
}

Test(linear, a_long_history_with_many_unknown_outcomes_takes_no_time) {
    enum { N = 600 };
    static struct linear_op ops[N];
    int64_t row = 0;
    for (uint32_t i = 0; i < N; i++) {
        bool write = i % 3 == 0, unknown = i % 30 == 0;
        if (write) row = i + 1;
        ops[i] = (struct linear_op){write ? LINEAR_WRITE : LINEAR_READ, row, row, i * 10, unknown ? UNKNOWN : i * 10 + 25};
    }
    cr_assert_eq(linear_check(ops, N, NULL), LINEAR);
    for (uint32_t i = 0; i < N; i++) ops[i] = (struct linear_op){LINEAR_ADD, 1, 0, i, UNKNOWN};
    ops[N - 1] = (struct linear_op){LINEAR_READ, 0, N, 2 * N, 2 * N + 1};
    cr_assert_eq(linear_check(ops, N, NULL), NOT_LINEAR); /* one more than were ever asked for */
}

/* ---- against every order ---- */

static bool step(const struct linear_op *o, int64_t row, int64_t *ret) {
    bool known = o->answered != UNKNOWN;
    *ret = o->kind == LINEAR_READ ? row : o->kind == LINEAR_ADD ? row + o->value : o->value;
    if (!known) return true;
    if (o->kind == LINEAR_SETNX && row != 0) *ret = row;
    int64_t says = o->kind == LINEAR_SETNX ? row == 0 : o->kind == LINEAR_ADD ? *ret : row;
    return o->kind == LINEAR_WRITE || o->answer == says;
}

static bool any_order(const struct linear_op *ops, uint32_t count, uint32_t done, int64_t row) {
    uint64_t first_answer = UINT64_MAX;
    bool all = true;
    for (uint32_t i = 0; i < count; i++) {
        if (done >> i & 1 || ops[i].answered == UNKNOWN) continue;
        all = false;
        if (ops[i].answered < first_answer) first_answer = ops[i].answered;
    }
    if (all) return true;
    for (uint32_t i = 0; i < count; i++) {
        int64_t after;
        if (done >> i & 1 || ops[i].called > first_answer || !step(&ops[i], row, &after)) continue;
        if (any_order(ops, count, done | UINT32_C(1) << i, after)) return true;
    }
    return false;
}

static struct linear_op draw_op(struct prng *p, bool counts, int64_t unique) {
    struct linear_op o = {.called = prng_below(p, 20)};
    o.answered = prng_below(p, 4) == 0 ? UNKNOWN : o.called + prng_below(p, 8);
    uint64_t kind = prng_below(p, 5);
    o.kind = counts      ? (kind < 3 ? LINEAR_ADD : LINEAR_READ)
             : kind == 0 ? LINEAR_WRITE
             : kind == 1 ? LINEAR_SWAP
             : kind == 2 ? LINEAR_SETNX
                         : LINEAR_READ;
    o.value = counts ? 1 + (int64_t)prng_below(p, 2) : o.kind == LINEAR_WRITE && prng_below(p, 3) == 0 ? 0 : unique;
    o.answer = o.kind == LINEAR_SETNX ? (int64_t)prng_below(p, 2) : (int64_t)prng_below(p, counts ? 6 : 4);
    if (o.kind == LINEAR_READ && o.answered == UNKNOWN) o.answered = o.called + 30;
    if (o.kind == LINEAR_SETNX && o.answered == UNKNOWN) o.answer = 1;
    return o;
}

Test(linear, the_search_says_what_trying_every_order_says) {
    struct prng p;
    uint32_t found[2] = {0};
    prng_seed(&p, 7);
    for (uint32_t round = 0; round < 60000; round++) {
        struct linear_op ops[7];
        bool counts = prng_below(&p, 3) == 0;
        uint32_t count = 2 + (uint32_t)prng_below(&p, 6);
        for (uint32_t i = 0; i < count; i++) ops[i] = draw_op(&p, counts, (int64_t)i / 2 + 1);
        bool wanted = any_order(ops, count, 0, 0);
        found[wanted]++;
        cr_assert_eq(linear_check(ops, count, NULL), wanted ? LINEAR : NOT_LINEAR, "round %u", round);
    }
    cr_assert_gt(found[0], 1000);
    cr_assert_gt(found[1], 1000);
}
