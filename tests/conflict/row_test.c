#include "rows.h"

TestSuite(row);

/* Interned so that refs are not in canonical order: c, a, b. */
struct trio {
    struct origins *t;
    origin_ref a, b, c;
};
static struct trio trio(void) {
    struct trio o = {.t = origins_create()};
    o.c = origin_named(o.t, "c", 1, 3);
    o.a = origin_named(o.t, "a", 1, 1);
    o.b = origin_named(o.t, "b", 1, 2);
    return o;
}

static const struct slice tombstone = {0};

/* ---- what a change does to a row ---- */

Test(row, a_write_supersedes_what_its_origin_had_applied) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv deps = {0};
    struct buf x = {0}, y = {0};
    put(&s, &deps, (struct dot){o.a, 1}, 10, text_content(&x, "one", 0), o.t);
    put(&s, &deps, (struct dot){o.a, 2}, 11, text_content(&y, "two", 0), o.t);
    cr_assert_eq(s.n, 1, "its origin's smaller numbers are in its context");
    vv_set(&deps, o.a, 2);
    put(&s, &deps, (struct dot){o.b, 1}, 12, tombstone, o.t);
    cr_assert_eq(s.n, 1);
    cr_assert(holds(&s, (struct dot){o.b, 1}));
    cr_assert(!siblings_live(&s));
    siblings_finish(&s), vv_finish(&deps), buf_finish(&x), buf_finish(&y), origins_destroy(o.t);
}

Test(row, concurrent_writes_stand_side_by_side_in_canonical_order) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv none = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 0);
    put(&s, &none, (struct dot){o.c, 1}, 30, content, o.t);
    put(&s, &none, (struct dot){o.a, 1}, 10, content, o.t);
    put(&s, &none, (struct dot){o.b, 1}, 20, tombstone, o.t);
    cr_assert_eq(s.n, 3);
    cr_assert_eq(s.v[0].dot.origin, o.a);
    cr_assert_eq(s.v[1].dot.origin, o.b);
    cr_assert_eq(s.v[2].dot.origin, o.c);
    cr_assert(siblings_live(&s));
    siblings_finish(&s), buf_finish(&x), origins_destroy(o.t);
}

Test(row, a_sibling_that_the_writer_had_not_seen_stays) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv deps = {0}, all = {0};
    struct buf milk = {0}, eggs = {0}, flour = {0};
    vv_set(&all, o.a, 1);
    vv_set(&all, o.b, 1);
    struct dot first = {o.a, 1}, second = {o.b, 1}, third = {o.a, 2};
    put(&s, &deps, first, 10, text_content(&milk, "[milk]", 0), o.t); /* client 1, at a */
    vv_set(&deps, o.a, 1);
    struct context read_nothing = {.deps = &deps, .self = second, .unseen = &first, .unseen_count = 1};
    siblings_apply(&s, &read_nothing, CHANGE_PUT, 11, text_content(&eggs, "[eggs]", 0), o.t); /* client 2, at b, which has milk */
    cr_assert_eq(s.n, 2, "client 2 had read nothing: two siblings");
    struct context read_milk = {.deps = &all, .self = third, .unseen = &second, .unseen_count = 1};
    siblings_apply(&s, &read_milk, CHANGE_PUT, 12, text_content(&flour, "[milk, flour]", 0), o.t); /* client 1, with its old context */
    cr_assert_eq(s.n, 2, "[milk] is replaced, [eggs] stays beside it");
    cr_assert(!holds(&s, first) && holds(&s, second) && holds(&s, third));
    siblings_finish(&s), vv_finish(&deps), vv_finish(&all), buf_finish(&milk), buf_finish(&eggs), buf_finish(&flour), origins_destroy(o.t);
}

Test(row, a_reap_removes_what_it_has_seen_and_adds_nothing) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv none = {0}, deps = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 5);
    put(&s, &none, (struct dot){o.a, 1}, 10, content, o.t);
    put(&s, &none, (struct dot){o.b, 1}, 20, content, o.t);
    vv_set(&deps, o.a, 1);
    struct context c = {.deps = &deps, .self = {o.c, 1}};
    siblings_apply(&s, &c, CHANGE_REAP, 30, SLICE(NULL, 0), o.t);
    cr_assert_eq(s.n, 1);
    cr_assert(holds(&s, (struct dot){o.b, 1}), "what it had not seen survives");
    siblings_finish(&s), vv_finish(&deps), buf_finish(&x), origins_destroy(o.t);
}

Test(row, the_same_change_twice_is_one_version) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv none = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 0);
    put(&s, &none, (struct dot){o.b, 1}, 10, content, o.t);
    put(&s, &none, (struct dot){o.a, 1}, 11, content, o.t);
    put(&s, &none, (struct dot){o.b, 1}, 10, content, o.t);
    cr_assert_eq(s.n, 2);
    siblings_finish(&s), buf_finish(&x), origins_destroy(o.t);
}

Test(row, one_write_after_the_other_takes_no_new_memory) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv none = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 0);
    put(&s, &none, (struct dot){o.a, 1}, 10, content, o.t);
    struct version *before = s.v;
    uint32_t cap = s.cap;
    for (uint64_t n = 2; n < 1000; n++) put(&s, &none, (struct dot){o.a, n}, 10 + n, content, o.t);
    cr_assert_eq(s.v, before);
    cr_assert_eq(s.cap, cap);
    cr_assert_eq(s.n, 1);
    siblings_finish(&s), buf_finish(&x), origins_destroy(o.t);
}

/* ---- what readers see ---- */

Test(row, readers_see_the_greatest_stamp_then_the_canonical_origin_then_the_number) {
    struct trio o = trio();
    struct version v[] = {{{o.a, 1}, 20, tombstone}, {{o.b, 7}, 20, tombstone}, {{o.b, 9}, 20, tombstone}, {{o.c, 1}, 19, tombstone}};
    struct siblings s = {v, 4, 4};
    cr_assert_eq(policy_winner(POLICY_LWW, &s, o.t), 2, "b's ninth: of equal stamps the greater origin, then the greater number");
    v[3].stamp = 20;
    cr_assert_eq(policy_winner(POLICY_LWW, &s, o.t), 3, "c is the last in canonical order, though it was the first to be interned");
    v[0].stamp = 21;
    cr_assert_eq(policy_winner(POLICY_LWW, &s, o.t), 0);
    origins_destroy(o.t);
}

Test(row, of_concurrent_expiries_the_longest_counts) {
    struct trio o = trio();
    struct buf soon = {0}, late = {0}, never = {0};
    struct version v[] = {{{o.a, 1}, 1, text_content(&soon, "x", 1000)}, {{o.b, 1}, 2, text_content(&late, "y", 2000)}, {{o.c, 1}, 3, tombstone}};
    struct siblings s = {v, 3, 3};
    cr_assert_eq(siblings_expire_ms(&s), 2000, "a tombstone has no say");
    v[0].content = text_content(&never, "z", 0);
    cr_assert_eq(siblings_expire_ms(&s), 0, "for ever is longest");
    struct siblings gone = {v + 2, 1, 1};
    cr_assert_eq(siblings_expire_ms(&gone), 0);
    buf_finish(&soon), buf_finish(&late), buf_finish(&never), origins_destroy(o.t);
}

/* ---- the traps: dropping the loser of lww at once diverges ---- */

typedef void after_fn(struct siblings *s, const struct origins *t);
static void keep_all(struct siblings *s, const struct origins *t) {}
static void drop_losers(struct siblings *s, const struct origins *t) {
    s->v[0] = s->v[policy_winner(POLICY_LWW, s, t)];
    s->n = 1;
}

/* u; m was made after u was applied, but its clock did not follow u's, which was far ahead; x knows of neither. stamp: m < x < u. */
static uint64_t after_order(const char *order, after_fn *after, struct trio o) {
    struct siblings s = {0};
    struct vv none = {0}, knows_u = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 0);
    vv_set(&knows_u, o.a, 1);
    for (; *order; order++) {
        if (*order == 'u') put(&s, &none, (struct dot){o.a, 1}, 300, content, o.t);
        if (*order == 'm') put(&s, &knows_u, (struct dot){o.b, 1}, 100, content, o.t);
        if (*order == 'x') put(&s, &none, (struct dot){o.c, 1}, 200, content, o.t);
        after(&s, o.t);
    }
    uint64_t digest = row_digest(slice_text("key"), &s, o.t);
    siblings_finish(&s), vv_finish(&knows_u), buf_finish(&x);
    return digest;
}

Test(row, a_loser_may_still_win_when_what_beat_it_is_overwritten_from_a_slow_clock) {
    struct trio o = trio();
    uint64_t digest = after_order("umx", keep_all, o);
    cr_assert_eq(after_order("uxm", keep_all, o), digest);
    cr_assert_eq(after_order("xum", keep_all, o), digest);
    cr_assert_neq(after_order("umx", drop_losers, o), after_order("uxm", drop_losers, o), "the trap has lost its teeth: early dropping passes it");
    origins_destroy(o.t);
}

Test(row, a_loser_is_still_there_when_the_policy_changes_after_it_lost) {
    struct trio o = trio();
    struct siblings s = {0};
    struct vv none = {0};
    struct buf x = {0};
    struct slice content = text_content(&x, "x", 0);
    put(&s, &none, (struct dot){o.a, 1}, 10, content, o.t);
    put(&s, &none, (struct dot){o.b, 1}, 20, content, o.t);
    cr_assert_eq(policy_winner(POLICY_LWW, &s, o.t), 1);
    cr_assert(holds(&s, (struct dot){o.a, 1}), "a policy only chooses what readers see");
    siblings_finish(&s), buf_finish(&x), origins_destroy(o.t);
}

Test(row, a_tombstone_beside_a_live_sibling_competes_like_any_other) {
    struct trio o = trio();
    struct buf x = {0};
    struct version v[] = {{{o.a, 1}, 10, text_content(&x, "x", 0)}, {{o.b, 1}, 20, tombstone}};
    struct siblings both = {v, 2, 2}, live = {v, 1, 1};
    cr_assert_eq(both.v[policy_winner(POLICY_LWW, &both, o.t)].content.n, 0, "deleted");
    cr_assert(siblings_live(&both));
    cr_assert_neq(row_digest(slice_text("k"), &both, o.t), row_digest(slice_text("k"), &live, o.t), "it counts in the digest");
    buf_finish(&x), origins_destroy(o.t);
}
