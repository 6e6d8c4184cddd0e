#include "../../schemas/vv.h"
#include "help.h"

TestSuite(vv);

#define ORIGINS 6
static struct vv random_vv(uint64_t *seed) {
    struct vv v = {0};
    for (uint32_t i = 0; i < ORIGINS; i++) {
        if (draw_below(seed, 2) == 0) vv_set(&v, i, draw_below(seed, 4));
    }
    return v;
}

static bool same(const struct vv *a, const struct vv *b) {
    for (uint32_t i = 0; i < ORIGINS; i++) {
        if (vv_get(a, i) != vv_get(b, i)) return false;
    }
    return true;
}

static struct vv joined(const struct vv *a, const struct vv *b) {
    struct vv v = {0};
    vv_copy(&v, a);
    vv_join(&v, b);
    return v;
}

static struct vv met(const struct vv *a, const struct vv *b) {
    struct vv v = {0};
    vv_copy(&v, a);
    vv_meet(&v, b);
    return v;
}

/* Takes what is compared over. */
static void check_same_and_finish(struct vv x, struct vv y, const char *law) {
    cr_assert(same(&x, &y), "%s", law);
    cr_assert_eq(vv_compare(&x, &y), VV_EQUAL, "%s", law);
    vv_finish(&x);
    vv_finish(&y);
}

Test(vv, join_and_meet_are_a_lattice_and_inclusion_is_its_order) {
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        struct vv a = random_vv(&seed), b = random_vv(&seed), c = random_vv(&seed);
        struct vv ab = joined(&a, &b), bc = joined(&b, &c), m = met(&a, &b), bc_met = met(&b, &c);
        check_same_and_finish(joined(&a, &b), joined(&b, &a), "join commutes");
        check_same_and_finish(met(&a, &b), met(&b, &a), "meet commutes");
        check_same_and_finish(joined(&ab, &c), joined(&a, &bc), "join associates");
        check_same_and_finish(met(&m, &c), met(&a, &bc_met), "meet associates");
        check_same_and_finish(joined(&a, &a), joined(&a, &m), "join is idempotent and absorbs");
        check_same_and_finish(met(&a, &ab), met(&a, &a), "meet is idempotent and absorbs");
        cr_assert(vv_includes(&ab, &a) && vv_includes(&ab, &b) && vv_includes(&a, &m) && vv_includes(&b, &m));
        cr_assert_eq(vv_includes(&a, &b), same(&ab, &a));
        cr_assert_eq(vv_includes(&a, &b), same(&m, &b));
        vv_finish(&a), vv_finish(&b), vv_finish(&c), vv_finish(&ab), vv_finish(&bc), vv_finish(&m), vv_finish(&bc_met);
    }
}

Test(vv, comparison_agrees_with_the_definition) {
    uint64_t seed = 4;
    int seen[4] = {0};
    for (int i = 0; i < 20000; i++) {
        struct vv a = random_vv(&seed), b = random_vv(&seed);
        bool less = false, more = false;
        for (uint32_t o = 0; o < ORIGINS; o++) {
            less |= vv_get(&a, o) < vv_get(&b, o);
            more |= vv_get(&a, o) > vv_get(&b, o);
        }
        enum vv_order want = less ? (more ? VV_CONCURRENT : VV_BEFORE) : (more ? VV_AFTER : VV_EQUAL);
        cr_assert_eq(vv_compare(&a, &b), want);
        seen[want]++;
        vv_finish(&a), vv_finish(&b);
    }
    for (int i = 0; i < 4; i++) cr_assert_gt(seen[i], 0, "order %d was never met", i);
}

Test(vv, numbers_are_covered_up_to_the_one_that_is_set) {
    struct vv v = {0};
    cr_assert(vv_empty(&v));
    vv_set(&v, 3, 7);
    cr_assert(vv_covers(&v, (struct dot){3, 7}));
    cr_assert(vv_covers(&v, (struct dot){3, 1}));
    cr_assert_not(vv_covers(&v, (struct dot){3, 8}));
    cr_assert_not(vv_covers(&v, (struct dot){2, 1}));
    cr_assert_not(vv_covers(&v, (struct dot){1000, 1}));
    vv_raise(&v, 3, 5);
    cr_assert_eq(vv_get(&v, 3), 7u);
    vv_raise(&v, 3, 9);
    cr_assert_eq(vv_get(&v, 3), 9u);
    vv_set(&v, 3, 0);
    cr_assert(vv_empty(&v));
    vv_set(&v, 500, 0);
    cr_assert_eq(v.len, 4u, "zero needs no room");
    vv_set(&v, 1, 4);
    vv_clear(&v);
    cr_assert(vv_empty(&v));
    vv_finish(&v);
    cr_assert(vv_empty(&v));
}

Test(vv, a_copy_replaces_what_was_there) {
    struct vv a = {0}, b = {0};
    vv_set(&a, 1, 5);
    vv_set(&b, 4, 9);
    vv_copy(&b, &a);
    cr_assert_eq(vv_compare(&a, &b), VV_EQUAL);
    cr_assert_eq(vv_get(&b, 4), 0u);
    vv_copy(&a, &a);
    cr_assert_eq(vv_get(&a, 1), 5u);
    vv_finish(&a), vv_finish(&b);
}

Test(vv, text_and_binary_forms_are_golden_and_in_canonical_order) {
    struct origins *t = origins_create();
    struct vv v = {0}, back = {0};
    struct buf b = {0};
    vv_format(&v, t, &b);
    CHECK_TEXT(b, "-");
    origin_ref us = origin_named(t, "us", 1, 0xbb), eu = origin_named(t, "eu", 1, 0xaa);
    vv_set(&v, us, 42);
    vv_set(&v, eu, 7);
    buf_clear(&b);
    vv_format(&v, t, &b);
    CHECK_TEXT(b, "eu-1.00000000000000aa:7,us-1.00000000000000bb:42");
    cr_assert(vv_parse(buf_slice_of(&b), t, &back));
    cr_assert_eq(vv_compare(&v, &back), VV_EQUAL);
    buf_clear(&b);
    vv_encode(&v, t, &b);
    CHECK_HEX(b, "02  02 6575 01 aa00000000000000 07  02 7573 01 bb00000000000000 2a");
    struct reader r = reader_of(buf_slice_of(&b));
    vv_clear(&back);
    cr_assert(vv_decode(&r, t, &back));
    cr_assert(read_done(&r));
    cr_assert_eq(vv_compare(&v, &back), VV_EQUAL);
    vv_finish(&v), vv_finish(&back);
    buf_finish(&b);
    origins_destroy(t);
}

Test(vv, forms_and_hash_do_not_depend_on_the_table) {
    uint64_t seed = 5;
    struct origins *t1 = origins_create(), *t2 = origins_create();
    for (uint16_t i = 0; i < 100; i++) origin_named(t1, i % 2 ? "us" : "eu", (uint16_t)(i + 1), i);
    for (uint16_t i = 100; i-- > 0;) origin_named(t2, i % 2 ? "us" : "eu", (uint16_t)(i + 1), i);
    struct buf b1 = {0}, b2 = {0}, text1 = {0}, text2 = {0};
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        struct vv v1 = {0}, v2 = {0};
        for (uint32_t o = 0; o < 100; o++) {
            uint64_t n = draw_below(&seed, 3) == 0 ? 0 : draw(&seed);
            vv_set(&v1, o, n);
            vv_set(&v2, 99 - o, n);
        }
        buf_clear(&b1), buf_clear(&b2), buf_clear(&text1), buf_clear(&text2);
        vv_encode(&v1, t1, &b1);
        vv_encode(&v2, t2, &b2);
        cr_assert(slice_equal(buf_slice_of(&b1), buf_slice_of(&b2)));
        vv_format(&v1, t1, &text1);
        vv_format(&v2, t2, &text2);
        cr_assert(slice_equal(buf_slice_of(&text1), buf_slice_of(&text2)));
        cr_assert_eq(vv_hash(&v1, t1), vv_hash(&v2, t2));
        cr_assert_neq(vv_hash(&v1, t1), before);
        before = vv_hash(&v1, t1);
        struct vv back = {0};
        cr_assert(vv_parse(buf_slice_of(&text1), t2, &back));
        cr_assert_eq(vv_compare(&back, &v2), VV_EQUAL);
        vv_finish(&v1), vv_finish(&v2), vv_finish(&back);
    }
    buf_finish(&b1), buf_finish(&b2), buf_finish(&text1), buf_finish(&text2);
    origins_destroy(t1), origins_destroy(t2);
}

Test(vv, text_of_other_forms_is_refused_and_leaves_the_vector_as_it_was) {
    static const char *const bad[] = {"",
                                      "--",
                                      "-,us-1.00000000000000bb:42",
                                      ",",
                                      "us-1.00000000000000bb:42,",
                                      ",us-1.00000000000000bb:42",
                                      "us-1.00000000000000bb:42,,us-2.00000000000000bb:42",
                                      "us-1.00000000000000bb:42, us-2.00000000000000bb:42",
                                      "us-1.00000000000000bb:42,eu-1.00000000000000aa:7",
                                      "us-1.00000000000000bb:42,us-1.00000000000000bb:43",
                                      "us-10.00000000000000bb:42,us-2.00000000000000bb:43",
                                      "us-1.00000000000000bb:0",
                                      "us-1.00000000000000bb",
                                      "us"};
    struct origins *t = origins_create();
    struct vv v = {0};
    vv_set(&v, 0, 77);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(vv_parse(slice_text(bad[i]), t, &v), "%s was taken", bad[i]);
        cr_assert_eq(vv_get(&v, 0), 77u);
    }
    cr_assert(vv_parse(slice_text("-"), t, &v));
    cr_assert(vv_empty(&v));
    vv_finish(&v);
    origins_destroy(t);
}

Test(vv, bytes_that_are_cut_out_of_order_or_promise_too_much_are_refused) {
    struct origins *t = origins_create();
    origin_ref us = origin_named(t, "us", 1, 0xbb), eu = origin_named(t, "eu", 1, 0xaa);
    struct vv v = {0}, back = {0};
    struct buf b = {0};
    vv_set(&v, us, 42);
    vv_set(&v, eu, 300);
    vv_encode(&v, t, &b);
    for (size_t n = 0; n < b.n; n++) {
        struct slice cut = exact_copy(SLICE(b.p, n));
        struct reader r = reader_of(cut);
        vv_set(&back, us, 5);
        cr_assert_not(vv_decode(&r, t, &back), "cut to %zu bytes", n);
        cr_assert(r.bad);
        cr_assert(vv_empty(&back));
        free_copy(cut);
    }
    buf_clear(&b);
    buf_u8(&b, 2);
    dot_encode(t, (struct dot){us, 1}, &b);
    dot_encode(t, (struct dot){eu, 1}, &b);
    struct reader descending = reader_of(buf_slice_of(&b));
    cr_assert_not(vv_decode(&descending, t, &back));
    buf_clear(&b);
    buf_u8(&b, 2);
    dot_encode(t, (struct dot){us, 1}, &b);
    dot_encode(t, (struct dot){us, 2}, &b);
    struct reader twice = reader_of(buf_slice_of(&b));
    cr_assert_not(vv_decode(&twice, t, &back));
    buf_clear(&b);
    buf_varint(&b, UINT64_MAX);
    dot_encode(t, (struct dot){us, 1}, &b);
    struct reader promises = reader_of(buf_slice_of(&b));
    cr_assert_not(vv_decode(&promises, t, &back));
    vv_finish(&v), vv_finish(&back);
    buf_finish(&b);
    origins_destroy(t);
}
