/* The checkers of what rows hold: increments, registers, episodes, answers of handlers. */
#include "past.h"

TestSuite(checkers_of_rows);

/* ---- merged rows: what counts, and what is read ---- */

static struct h_event *merges(struct past *p, uint32_t node, const char *key, uint8_t flags, enum content_type type, const struct delta_op *op) {
    struct draft d;
    struct delta delta = {.flags = flags, .type = type, .ops = (struct delta_op *)op, .ops_count = op ? 1 : 0};
    uint64_t n = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[node])) + 1;
    draft(p, &d, node, n, key, "x");
    buf_clear(&d.content);
    delta_encode(&delta, p->t, &d.content);
    d.change.op = CHANGE_MERGE;
    d.change.content = buf_slice_of(&d.content);
    struct h_event *e = apply(p, node, &d.e, true);
    buf_finish(&d.content);
    return e;
}

static struct h_event *increments(struct past *p, uint32_t node, uint64_t birth, uint64_t total) {
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_COUNT, .count = {.birth = birth, .n = birth}};
    op.count.total = (amount_t)total * 100000000 * 1000000000;
    return merges(p, node, "k", 0, CONTENT_STRING, &op);
}

Test(checkers_of_rows, increments_add_up_in_every_order_and_a_delete_takes_what_it_saw) {
    struct past p = past();
    struct h_event *a = increments(&p, 0, 1, 5), *b = increments(&p, 1, 1, 7);
    receives(&p, 2, b);
    struct counter_reset seen = {.origin = p.own[1], .birth = 1, .n = 1, .total = (amount_t)7 * 100000000 * 1000000000};
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_RESET, .resets = &seen, .resets_count = 1};
    struct h_event *gone = merges(&p, 2, "k", DELTA_CLEAR, CONTENT_NONE, &op);
    receives(&p, 2, a);
    receives(&p, 1, a);
    reads(&p, 1, "12");
    reads(&p, 2, "5");
    good(&p);
    receives(&p, 0, b);
    receives(&p, 0, gone);
    reads(&p, 0, "5");
    good(&p);
    check_counter(p.h, slice_text("k"), 5, 0, true);
    good(&p);
    reads(&p, 0, "12");
    bad(&p, "I1");
    finish(&p);
}

Test(checkers_of_rows, an_event_that_takes_away_what_its_origin_had_not_is_found) {
    struct past p = past();
    increments(&p, 0, 1, 5);
    struct counter_reset unknown = {.origin = p.own[0], .birth = 1, .n = 1, .total = 1};
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_RESET, .resets = &unknown, .resets_count = 1};
    merges(&p, 1, "k", DELTA_CLEAR, CONTENT_NONE, &op);
    bad(&p, "I4");
    finish(&p);
}

Test(checkers_of_rows, registers_of_columns_are_read_by_the_last_writer) {
    struct past p = past();
    struct delta_op first = {.kind = CELL_FIELD, .flags = OP_PUT, .name = slice_text("f"), .value = slice_text("a")}, second = first;
    second.value = slice_text("b");
    struct h_event *a = merges(&p, 0, "k", 0, CONTENT_HASH, &first);
    receives(&p, 1, a);
    struct h_event *b = merges(&p, 1, "k", 0, CONTENT_HASH, &second);
    receives(&p, 0, b);
    struct h_read r = {0};
    struct buf content = {0};
    h_read_now(p.h, 0, history_key(p.h, slice_text("k")), 1000, &r);
    content_make(&content, CONTENT_HASH, 0, &(struct content_column){slice_text("f"), slice_text("b")}, 1);
    r.content = buf_slice_of(&content);
    check_read(p.h, &r);
    good(&p);
    cr_assert_eq(history_row(p.h, 0, 0)->n, 1);
    h_read_finish(&r);
    buf_finish(&content);
    finish(&p);
}

/* ---- I7 ---- */

/* An episode of the two writes that conflict() makes, as a journal would have it. */
static void journals_episode(struct past *p, struct h_episodes *s, uint32_t node, uint32_t members, bool open) {
    struct row_block block = {true, 0, members};
    struct range ranges[] = {{p->own[1], 0, 1}, {p->own[0], 0, 1}, {p->own[2], 0, 1}};
    struct episode ep = {.key = slice_text("k"), .kind = CELL_ROW, .number = {p->own[1], 1}, .open = open};
    ep.members = (struct blocks){.b = &block, .n = 1, .ranges = ranges, .ranges_count = members};
    check_episode(p->h, s, node, &ep, p->t);
}

Test(checkers_of_rows, an_episode_that_a_journal_lacks_or_has_wrong_is_found) {
    struct past p = past();
    conflict(&p);
    struct h_episodes *s = h_episodes_now(p.h);
    for (uint32_t i = 0; i < NODES; i++) journals_episode(&p, s, i, 2, true);
    for (uint32_t i = 0; i < NODES; i++) check_episodes_complete(p.h, s, i);
    good(&p);
    journals_episode(&p, s, 0, 1, true);
    bad(&p, "I7");
    p.h->failure[0] = 0;
    journals_episode(&p, s, 0, 2, false);
    bad(&p, "I7");
    p.h->failure[0] = 0;
    h_episodes_free(s);
    s = h_episodes_now(p.h);
    check_episodes_complete(p.h, s, 1);
    bad(&p, "I7");
    h_episodes_free(s);
    finish(&p);
}

Test(checkers_of_rows, an_episode_of_versions_that_knew_each_other_is_found) {
    struct past p = past();
    struct h_event *b = writes(&p, 1, "k", "b");
    receives(&p, 0, b);
    writes(&p, 0, "k", "a");
    struct h_episodes *s = h_episodes_now(p.h);
    check_episodes_complete(p.h, s, 0);
    good(&p);
    journals_episode(&p, s, 0, 2, true);
    bad(&p, "I7");
    h_episodes_free(s);
    finish(&p);
}

/* ---- I15 ---- */

static struct cluster *handled(const char *handler) {
    struct cluster *c = calloc(1, sizeof *c);
    c->tables_count = 1;
    snprintf(c->tables[0].name, sizeof c->tables[0].name, "k");
    c->tables[0].policy = POLICY_HANDLER;
    c->tables[0].chain.count = 1;
    snprintf(c->tables[0].chain.names[0], sizeof c->tables[0].chain.names[0], "%s", handler);
    return c;
}

static struct h_event *answers(struct past *p, uint32_t node, const char *value, enum change_op op, const struct dot *unseen, uint32_t count) {
    struct draft d;
    uint64_t n = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[node])) + 1;
    draft(p, &d, node, n, "k:1", value);
    d.change.op = op;
    d.change.inputs = 77;
    d.change.generation = 1;
    d.change.unseen = unseen;
    d.change.unseen_count = count;
    struct h_event *e = apply(p, node, &d.e, true);
    buf_finish(&d.content);
    return e;
}

Test(checkers_of_rows, two_answers_to_the_same_are_found_where_the_handler_is_good) {
    static const char *const handlers[] = {"longest", "rand"};
    for (int i = 0; i < 2; i++) {
        struct past p = past();
        struct cluster *c = handled(handlers[i]);
        p.h->cluster = c;
        answers(&p, 0, "one", CHANGE_ANSWER, NULL, 0);
        answers(&p, 1, "other", CHANGE_ANSWER, NULL, 0);
        check_answers(p.h, false);
        if (i == 0)
            bad(&p, "I15");
        else
            good(&p);
        finish(&p);
        free(c);
    }
}

Test(checkers_of_rows, a_row_that_is_left_open_and_not_recorded_is_found) {
    struct past p = past();
    struct cluster *c = handled("crash");
    p.h->cluster = c;
    struct h_event *a = writes(&p, 0, "k:1", "a"), *b = writes(&p, 1, "k:1", "b");
    receives(&p, 0, b);
    receives(&p, 1, a);
    check_answers(p.h, false);
    good(&p);
    check_answers(p.h, true);
    bad(&p, "I15");
    p.h->failure[0] = 0;
    struct dot looked_at[] = {{p.own[1], 1}, {p.own[0], 1}};
    answers(&p, 0, "why", CHANGE_RECORD, looked_at, 2);
    check_answers(p.h, true);
    good(&p);
    finish(&p);
    free(c);
}

Test(checkers_of_rows, a_handler_that_is_asked_again_after_it_has_contradicted_itself_is_found) {
    struct past p = past();
    struct cluster *c = handled("rand");
    p.h->cluster = c;
    struct h_event *a = answers(&p, 0, "one", CHANGE_ANSWER, NULL, 0);
    answers(&p, 1, "other", CHANGE_ANSWER, NULL, 0);
    receives(&p, 1, a);
    check_answers(p.h, false);
    good(&p);
    answers(&p, 1, "third", CHANGE_ANSWER, NULL, 0);
    check_answers(p.h, false);
    bad(&p, "I15");
    finish(&p);
    free(c);
}
