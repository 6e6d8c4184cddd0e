#include "../../conflict/handler.h"
#include "../schemas/help.h"

TestSuite(handler);

/* ---- a conflict by hand ---- */
struct desk {
    struct buf contents[3], request, answer;
    struct handler_sibling siblings[3], base;
    struct handler_question question;
    struct handler_request q;
};

static struct desk *open_desk(void) {
    struct desk *d = xcalloc(1, sizeof *d);
    struct content_column columns[] = {{slice_text("b"), slice_text("2")}, {slice_text("a"), slice_text("1")}};
    content_make(&d->contents[0], CONTENT_HASH, 7, columns, 2);
    content_make_string(&d->contents[2], 0, slice_text("text"));
    static const char *const dcs[] = {"ap", "eu", "us"}, *const dots[] = {"ap-1.0000000000000001:1", "eu-1.0000000000000001:2",
                                                                          "us-1.0000000000000001:3"};
    for (int i = 0; i < 3; i++)
        d->siblings[i] = (struct handler_sibling){slice_text(dcs[i]),           slice_text(dots[i]), i - 1, stamp_make(5, (uint16_t)i), i == 2,
                                                  buf_slice_of(&d->contents[i])};
    d->base = (struct handler_sibling){
        .dc = slice_text("eu"), .dot = slice_text("eu-1.0000000000000001:1"), .content = buf_slice_of(&d->contents[2])};
    d->question = (struct handler_question){
        slice_text("longest"), slice_text("notes"), slice_text("{\"n\":1}"), SLICE("k\0y", 3), d->siblings, 3, &d->base};
    return d;
}

static void close_desk(struct desk *d) {
    for (int i = 0; i < 3; i++) buf_finish(&d->contents[i]);
    buf_finish(&d->request), buf_finish(&d->answer);
    handler_request_finish(&d->q);
    free(d);
}

static void ask(struct desk *d) {
    handler_question_encode(&d->question, &d->request);
    cr_assert(handler_request_decode(&d->q, buf_slice_of(&d->request)));
}

static bool is(struct truce_bytes b, const char *text) { return truce_equal(b, truce_text(text)); }

Test(handler, a_request_shows_what_it_was_made_of) {
    struct desk *d = open_desk();
    ask(d);
    const struct truce_conflict *c = &d->q.conflict;
    cr_assert_str_eq(d->q.name, "longest");
    cr_assert_str_eq(c->table, "notes");
    cr_assert_str_eq(c->settings, "{\"n\":1}");
    cr_assert_eq(c->key.n, 3);
    cr_assert_eq(c->reason, TRUCE_WROTE_DELETED);
    cr_assert_eq(c->siblings_count, 3);
    const struct truce_sibling *s = c->siblings[0];
    cr_assert_str_eq(s->dc, "ap");
    cr_assert_str_eq(s->dot, "ap-1.0000000000000001:1");
    cr_assert_eq(s->dc_priority, -1);
    cr_assert_eq(s->stamp, stamp_make(5, 0));
    cr_assert_eq(s->type, TRUCE_HASH);
    cr_assert_eq(s->expires_ms, 7);
    cr_assert_eq(s->columns_count, 2);
    cr_assert(is(s->columns[0].name, "a") && is(s->columns[0].value, "1") && is(s->columns[1].name, "b"));
    cr_assert(truce_find(s, truce_text("b")) == &s->columns[1] && truce_find(s, truce_text("c")) == NULL && truce_find(s, truce_text("")) == NULL);
    cr_assert_eq(c->siblings[1]->type, TRUCE_DELETED);
    cr_assert_eq(c->siblings[1]->columns_count, 0);
    cr_assert_eq(c->siblings[2]->clock_was_off, 1);
    cr_assert(is(c->siblings[2]->columns[0].value, "text") && is(c->siblings[2]->columns[0].name, ""));
    cr_assert(c->base != NULL && c->base->type == TRUCE_STRING);
    cr_assert(TRUCE_HAS(c, base) && TRUCE_HAS(s, same_as));
    close_desk(d);
}

Test(handler, versions_of_equal_content_are_told) {
    struct desk *d = open_desk();
    d->siblings[2].content = d->siblings[0].content;
    ask(d);
    for (size_t i = 0; i < 3; i++) cr_assert_eq(d->q.conflict.siblings[i]->same_as, i == 2 ? 0 : i);
    close_desk(d);
}

Test(handler, the_reason_looks_at_versions_and_not_at_the_base) {
    struct desk *d = open_desk();
    d->siblings[1].content = d->siblings[0].content;
    d->base = (struct handler_sibling){0};
    ask(d);
    cr_assert_eq(d->q.conflict.reason, TRUCE_BOTH_WROTE);
    cr_assert_eq(d->q.conflict.base->type, TRUCE_DELETED);
    close_desk(d);
}

Test(handler, golden_bytes_of_a_request_and_of_an_answer) {
    struct desk *d = open_desk();
    d->question.siblings = &d->siblings[2], d->question.count = 1;
    handler_question_encode(&d->question, &d->request);
    CHECK_HEX(d->request, "01 07 6c6f6e67657374 05 6e6f746573 07 7b226e223a317d 03 6b0079 01"
                          "02 7573 17 75732d312e303030303030303030303030303030313a33 01000000 0200050000000000 01 06 010074657874"
                          "01 02 6575 17 65752d312e303030303030303030303030303030313a31 00000000 0000000000000000 00 06 010074657874");
    handler_answer_encode(&(struct handler_answer){HANDLER_PICK, 300, {0}, slice_text("why")}, &d->answer);
    CHECK_HEX(d->answer, "01 ac02 00 03 776879");
    close_desk(d);
}

Test(handler, a_request_that_is_cut_or_has_more_or_is_damaged_is_refused_or_harmless) {
    struct desk *d = open_desk();
    handler_question_encode(&d->question, &d->request);
    for (size_t n = 0; n < d->request.n; n++) {
        struct slice cut = exact_copy(SLICE(d->request.p, n));
        cr_assert(!handler_request_decode(&d->q, cut), "the first %zu bytes pass", n);
        free_copy(cut);
    }
    for (size_t bit = 0; bit < d->request.n * 8; bit++) {
        d->request.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct slice flipped = exact_copy(buf_slice_of(&d->request));
        if (handler_request_decode(&d->q, flipped)) handler_call(handler_builtin("lww"), &d->q, &d->answer);
        handler_request_finish(&d->q);
        free_copy(flipped);
        d->request.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_u8(&d->request, 0);
    cr_assert(!handler_request_decode(&d->q, buf_slice_of(&d->request)), "a byte more");
    d->request.p[0] = 2;
    d->request.n--;
    cr_assert(!handler_request_decode(&d->q, buf_slice_of(&d->request)), "another version");
    close_desk(d);
}

Test(handler, names_and_settings_with_a_zero_inside_are_refused) {
    struct desk *d = open_desk();
    d->question.settings = SLICE("{}\0x", 4);
    handler_question_encode(&d->question, &d->request);
    cr_assert(!handler_request_decode(&d->q, buf_slice_of(&d->request)));
    close_desk(d);
}

Test(handler, an_answer_comes_back_as_it_was) {
    struct buf content = {0}, bytes = {0};
    struct handler_answer back;
    content_make_string(&content, 9, slice_text("x"));
    for (int outcome = HANDLER_PICK; outcome <= HANDLER_NO_BASE; outcome++) {
        struct handler_answer a = {(enum handler_outcome)outcome, outcome == HANDLER_PICK ? 3 : 0, {0}, slice_text("because")};
        if (outcome == HANDLER_ROW) a.content = buf_slice_of(&content);
        buf_clear(&bytes);
        handler_answer_encode(&a, &bytes);
        cr_assert(handler_answer_decode(buf_slice_of(&bytes), &back));
        cr_assert(back.outcome == a.outcome && back.index == a.index && slice_equal(back.content, a.content) && slice_equal(back.why, a.why));
        for (size_t n = 0; n < bytes.n; n++) cr_assert(!handler_answer_decode(SLICE(bytes.p, n), &back));
    }
    buf_finish(&content), buf_finish(&bytes);
}

Test(handler, a_child_that_writes_nonsense_gives_no_answer) {
    struct buf bytes = {0};
    struct handler_answer back;
    const struct handler_answer nonsense[] = {
        {(enum handler_outcome)0, 0, {0}, {0}},
        {(enum handler_outcome)99, 0, {0}, {0}},
        {HANDLER_ROW, 1, {0}, {0}},
        {HANDLER_RECORD, 0, slice_text("content"), {0}},
        {HANDLER_ROW, 0, slice_text("\7 no content"), {0}},
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        buf_clear(&bytes);
        handler_answer_encode(&nonsense[i], &bytes);
        cr_assert(!handler_answer_decode(buf_slice_of(&bytes), &back), "nonsense %zu", i);
    }
    buf_finish(&bytes);
}

/* ---- calls ---- */
static int (*act)(const struct truce_conflict *c, struct truce_answer *a); /* what the handler under test does */
static int decide(const struct truce_conflict *c, struct truce_answer *a) { return act(c, a); }

/* The answer of a handler that does this. */
static struct handler_answer answer_of(struct desk *d, int (*what)(const struct truce_conflict *c, struct truce_answer *a), uint32_t flags) {
    const struct truce_handler h = {.abi = TRUCE_HANDLER_ABI, .struct_size = sizeof h, .flags = flags, .name = "test", .decide = decide};
    struct handler_answer a;
    act = what;
    if (d->request.n == 0) ask(d);
    buf_clear(&d->answer);
    handler_call(&h, &d->q, &d->answer);
    cr_assert(handler_answer_decode(buf_slice_of(&d->answer), &a));
    return a;
}

#define ACT(name, ...)                                                                                                                               \
    static int name(const struct truce_conflict *c, struct truce_answer *a) { __VA_ARGS__; }
static int column(struct truce_answer *a, const char *name, const char *value) { return a->ops->column(a, truce_text(name), truce_text(value)); }

ACT(does_pick, return a->ops->pick(a, 1))
ACT(does_remove, return a->ops->remove(a))
ACT(does_record, return a->ops->record(a))
ACT(does_pass, return a->ops->pass(a))
ACT(does_hash, a->ops->begin(a, TRUCE_HASH, 5); column(a, "z", "1"); column(a, "a", "old"); column(a, "m", ""); return column(a, "a", "new"))
ACT(does_set, a->ops->begin(a, TRUCE_SET, 0); column(a, "y", ""); column(a, "x", ""); return column(a, "y", ""))
ACT(does_string, a->ops->begin(a, TRUCE_STRING, 0); return a->ops->column(a, truce_text(""), (struct truce_bytes){"a\0b", 3}))

Test(handler, every_answer_arrives) {
    struct desk *d = open_desk();
    struct buf want = {0};
    struct handler_answer a = answer_of(d, does_pick, 0);
    cr_assert(a.outcome == HANDLER_PICK && a.index == 1 && a.content.n == 0);
    a = answer_of(d, does_remove, 0);
    cr_assert(a.outcome == HANDLER_ROW && a.content.n == 0);
    cr_assert_eq(answer_of(d, does_record, 0).outcome, HANDLER_RECORD);
    cr_assert_eq(answer_of(d, does_pass, 0).outcome, HANDLER_PASS);
    struct content_column columns[] = {{slice_text("a"), slice_text("new")}, {slice_text("m"), slice_text("")}, {slice_text("z"), slice_text("1")}};
    content_make(&want, CONTENT_HASH, 5, columns, 3);
    a = answer_of(d, does_hash, 0);
    cr_assert(a.outcome == HANDLER_ROW && slice_equal(a.content, buf_slice_of(&want)), "canonical, and of equal names the last");
    struct content_column members[] = {{slice_text("x"), {0}}, {slice_text("y"), {0}}};
    content_make(&want, CONTENT_SET, 0, members, 2);
    a = answer_of(d, does_set, 0);
    cr_assert(a.outcome == HANDLER_ROW && slice_equal(a.content, buf_slice_of(&want)));
    content_make_string(&want, 0, SLICE("a\0b", 3));
    a = answer_of(d, does_string, 0);
    cr_assert(a.outcome == HANDLER_ROW && slice_equal(a.content, buf_slice_of(&want)));
    buf_finish(&want);
    close_desk(d);
}

static char megabyte[1024 * 1024 + 1];

ACT(two_answers, a->ops->pick(a, 0); return a->ops->pick(a, 0))
ACT(answer_and_row, a->ops->record(a); a->ops->begin(a, TRUCE_HASH, 0); return column(a, "a", "b"))
ACT(row_and_answer, a->ops->begin(a, TRUCE_HASH, 0); column(a, "a", "b"); return a->ops->record(a))
ACT(two_rows, a->ops->begin(a, TRUCE_HASH, 0); column(a, "a", "b"); return a->ops->begin(a, TRUCE_HASH, 0))
ACT(hides_two_answers, a->ops->pick(a, 0); a->ops->record(a); return 0)
ACT(beyond, return a->ops->pick(a, 3))
ACT(far_beyond, return a->ops->pick(a, SIZE_MAX))
ACT(no_answer, return 0)
ACT(nonzero, a->ops->pick(a, 0); return 42)
ACT(no_begin, return column(a, "a", "b"))
ACT(no_column, return a->ops->begin(a, TRUCE_HASH, 0))
ACT(no_string, return a->ops->begin(a, TRUCE_STRING, 0))
ACT(no_type, return a->ops->begin(a, TRUCE_DELETED, 0))
ACT(odd_type, return a->ops->begin(a, (enum truce_type)9, 0))
ACT(two_strings, a->ops->begin(a, TRUCE_STRING, 0); column(a, "", "a"); return column(a, "", "b"))
ACT(named_string, a->ops->begin(a, TRUCE_STRING, 0); return column(a, "name", "a"))
ACT(valued_member, a->ops->begin(a, TRUCE_SET, 0); return column(a, "member", "value"))
ACT(at_null, a->ops->begin(a, TRUCE_HASH, 0); return a->ops->column(a, truce_text("a"), (struct truce_bytes){NULL, 1}))
ACT(too_large, a->ops->begin(a, TRUCE_HASH, 0); return a->ops->column(a, truce_text("a"), (struct truce_bytes){megabyte, sizeof megabyte}))
ACT(large_in_all, a->ops->begin(a, TRUCE_HASH, 0); a->ops->column(a, truce_text("a"), (struct truce_bytes){megabyte, 600 * 1024});
    return a->ops->column(a, truce_text("b"), (struct truce_bytes){megabyte, 600 * 1024}))
ACT(without_end, a->ops->begin(a, TRUCE_HASH, 0);
    for (int i = 0; i < 10000; i++) a->ops->column(a, truce_text("a"), (struct truce_bytes){megabyte, 600 * 1024}); return 0)

Test(handler, whoever_breaks_a_rule_has_failed_and_it_says_which) {
    static const struct {
        int (*what)(const struct truce_conflict *c, struct truce_answer *a);
        const char *why;
    } list[] = {
        {two_answers, "gave two answers"},
        {answer_and_row, "gave two answers"},
        {row_and_answer, "gave two answers"},
        {two_rows, "gave two answers"},
        {hides_two_answers, "gave two answers"},
        {beyond, "picked sibling 3 of 3 (they count from 0)"},
        {far_beyond, "picked sibling 18446744073709551615 of 3 (they count from 0)"},
        {no_answer, "gave no answer"},
        {nonzero, "returned 42"},
        {no_begin, "gave a column without begin()"},
        {no_column, "began a row and gave it no column"},
        {no_string, "began a row and gave it no column"},
        {no_type, "began a row of type 0 (a string is 1, a hash 2, a set 3; remove() deletes)"},
        {odd_type, "began a row of type 9 (a string is 1, a hash 2, a set 3; remove() deletes)"},
        {two_strings, "gave a string several columns"},
        {named_string, "gave a string a column with a name"},
        {valued_member, "gave a member of a set a value"},
        {at_null, "gave a column of bytes at NULL"},
        {too_large, "gave a row larger than 1048576 bytes"},
        {large_in_all, "gave a row larger than 1048576 bytes"},
        {without_end, "gave a row larger than 1048576 bytes"},
    };
    struct desk *d = open_desk();
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct handler_answer a = answer_of(d, list[i].what, 0);
        cr_assert_eq(a.outcome, HANDLER_FAILED, "misuse %zu", i);
        cr_assert(slice_equal(a.why, slice_text(list[i].why)), "misuse %zu: %.*s", i, (int)a.why.n, (const char *)a.why.p);
        cr_assert_eq(a.content.n, 0);
    }
    close_desk(d);
}

ACT(looks_at_base, return c->base != NULL ? a->ops->pick(a, 2) : a->ops->pick(a, 0))

Test(handler, the_base_is_shown_to_those_who_ask_for_it_and_they_run_only_with_it) {
    struct desk *d = open_desk();
    cr_assert_eq(answer_of(d, looks_at_base, 0).index, 0);
    cr_assert_eq(answer_of(d, looks_at_base, TRUCE_WANTS_BASE).index, 2);
    close_desk(d);
    d = open_desk();
    d->question.base = NULL;
    cr_assert_eq(answer_of(d, looks_at_base, TRUCE_WANTS_BASE).outcome, HANDLER_NO_BASE);
    close_desk(d);
}

/* ---- built-in policies are handlers ---- */
#define DCS 4u
static const char *const dc_names[DCS] = {"ap", "eu", "sa", "us"};
static const int32_t dc_priorities[DCS] = {0, 10, 10, 20};

static struct rules *make_rules(struct cluster *c) {
    *c = (struct cluster){.dcs_count = DCS};
    snprintf(c->rest.name, sizeof c->rest.name, "*");
    c->rest.policy = POLICY_HANDLER;
    c->rest.chain = (struct handler_chain){2, {"lww", "priority"}};
    for (uint32_t i = 0; i < DCS; i++) {
        snprintf(c->dcs[i].name, sizeof c->dcs[i].name, "%s", dc_names[i]);
        c->dcs[i].priority = dc_priorities[i];
    }
    return rules_create(c);
}

/* A row of `count` concurrent versions in canonical order, some deletes, some of equal stamps. */
static void make_row(uint64_t *seed, const origin_ref origins[DCS], uint32_t count, struct buf *contents, struct row *r) {
    static struct cell cell;
    static struct version versions[8];
    cell = (struct cell){.kind = CELL_ROW, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t dc = i * DCS / count;
        buf_clear(&contents[i]);
        if (draw_below(seed, 4) > 0) content_make_string(&contents[i], 0, SLICE("abcdefgh", draw_below(seed, 9)));
        versions[i] = (struct version){
            .dot = {origins[dc], 1 + i}, .stamp = stamp_make(100, (uint16_t)draw_below(seed, 4)), .content = buf_slice_of(&contents[i])};
    }
    *r = (struct row){.form = ROW_WHOLE, .cells = &cell, .cells_count = 1, .versions = versions, .versions_count = count};
}

static void define_mark(struct rules *rules, struct origins *t, const char *range) {
    struct buf row = {0}, why = {0};
    struct content_column columns[] = {{slice_text(range), slice_text("its clock was off")}};
    struct dot live = {origin_named(t, "us", 1, 1), 99};
    content_make(&row, CONTENT_HASH, 0, columns, 1);
    cr_assert(rules_define(rules, slice_text("truce:mark:sa-1.0000000000000001"), buf_slice_of(&row), &live, 1, t, &why));
    cr_assert_eq(why.n, 0, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&row), buf_finish(&why);
}

Test(handler, built_in_policies_choose_through_this_door_as_readers_see) {
    struct cluster *cluster = xcalloc(1, sizeof *cluster);
    struct rules *rules = make_rules(cluster);
    struct origins *t = origins_create();
    struct buf contents[8] = {{0}}, request = {0}, bytes = {0};
    origin_ref origins[DCS];
    uint64_t seed = 7, by_mark = 0;
    for (uint32_t i = 0; i < DCS; i++) origins[i] = origin_named(t, dc_names[i], 1, 1);
    for (int round = 0; round < 4000; round++) {
        struct row r;
        if (round == 2000) define_mark(rules, t, "3-4");
        make_row(&seed, origins, 2 + (uint32_t)draw_below(&seed, 5), contents, &r);
        const struct table_rule *table = rules_of(rules, slice_text("k"));
        for (uint32_t at = 0; at < 2; at++) {
            struct handler_request q;
            struct handler_answer a;
            buf_clear(&request), buf_clear(&bytes);
            handler_request_encode(&r, slice_text("k"), table, at, rules, t, &request);
            cr_assert(handler_request_decode(&q, buf_slice_of(&request)));
            handler_call(handler_builtin(q.name), &q, &bytes);
            cr_assert(handler_answer_decode(buf_slice_of(&bytes), &a));
            cr_assert_eq(a.outcome, HANDLER_PICK);
            cr_assert_eq(a.index, policy_winner(&r, &r.cells[0], at == 0 ? POLICY_LWW : POLICY_PRIORITY, rules, t), "%s, round %d", q.name, round);
            for (size_t i = 0; i < q.conflict.siblings_count; i++) by_mark += q.conflict.siblings[i]->clock_was_off != 0;
            handler_request_finish(&q);
        }
    }
    cr_assert_gt(by_mark, 0, "marked versions were among them");
    for (int i = 0; i < 8; i++) buf_finish(&contents[i]);
    buf_finish(&request), buf_finish(&bytes);
    rules_destroy(rules), origins_destroy(t), cluster_finish(cluster), free(cluster);
}

Test(handler, a_row_is_asked_with_the_base_below_its_episode_be_it_that_there_was_no_row) {
    struct cluster *cluster = xcalloc(1, sizeof *cluster);
    struct rules *rules = make_rules(cluster);
    struct origins *t = origins_create();
    struct buf contents[8] = {{0}}, old = {0}, request = {0};
    origin_ref origins[DCS];
    uint64_t seed = 1;
    struct row r;
    struct below below = {0};
    struct row_block block = {.episode = true, .count = 2};
    for (uint32_t i = 0; i < DCS; i++) origins[i] = origin_named(t, dc_names[i], 1, 1);
    make_row(&seed, origins, 2, contents, &r);
    struct range ranges[2] = {{r.versions[0].dot.origin, 0, 9}, {r.versions[1].dot.origin, 0, 9}};
    struct blocks stack = {.b = &block, .n = 1, .ranges = ranges, .ranges_count = 2};
    r.cells[0].stack = 1, r.stacks = &stack, r.stacks_count = 1;
    for (int round = 0; round < 3; round++) { /* not at hand; there was no row; a row */
        struct handler_request q;
        content_make_string(&old, 0, slice_text("old"));
        r.below = &below, r.below_count = round > 0;
        below.above = r.versions[0].dot;
        if (round == 2) below.v = (struct version){.dot = {origins[1], 5}, .stamp = stamp_make(1, 0), .content = buf_slice_of(&old)};
        buf_clear(&request);
        handler_request_encode(&r, slice_text("k"), rules_of(rules, slice_text("k")), 0, rules, t, &request);
        cr_assert(handler_request_decode(&q, buf_slice_of(&request)));
        const struct truce_sibling *base = q.conflict.base;
        if (round == 0) cr_assert_null(base);
        if (round == 1) cr_assert(base != NULL && base->type == TRUCE_DELETED && *base->dc == '\0');
        if (round == 2)
            cr_assert(base != NULL && base->type == TRUCE_STRING && strcmp(base->dot, "eu-1.0000000000000001:5") == 0 && base->dc_priority == 10);
        handler_request_finish(&q);
    }
    for (int i = 0; i < 8; i++) buf_finish(&contents[i]);
    buf_finish(&old), buf_finish(&request);
    rules_destroy(rules), origins_destroy(t), cluster_finish(cluster), free(cluster);
}

Test(handler, record_is_built_in_too_and_there_are_no_others) {
    struct desk *d = open_desk();
    struct handler_answer a;
    ask(d);
    handler_call(handler_builtin("record"), &d->q, &d->answer);
    cr_assert(handler_answer_decode(buf_slice_of(&d->answer), &a) && a.outcome == HANDLER_RECORD);
    cr_assert_null(handler_builtin("merge"));
    cr_assert_null(handler_builtin("longest"));
    cr_assert_null(handler_builtin(""));
    close_desk(d);
}
