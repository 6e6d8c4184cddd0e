/* Each checker against a history made by hand: a good one that it passes, and a bad one that it must name. */
#include "../schemas/help.h"
#include "workload_state.h"

TestSuite(checkers);

#define NODES 3

struct past {
    struct history *h;
    struct origins *t;
    origin_ref own[NODES];
    stamp_t clock;
};

static struct past past(void) {
    static const char *const dcs[NODES] = {"us", "eu", "ap"};
    struct past p = {.h = history_create(NODES, 500, NULL), .t = origins_create(), .clock = stamp_make(1000, 0)};
    struct vv none = {0};
    for (uint32_t i = 0; i < NODES; i++) {
        p.own[i] = origin_named(p.t, dcs[i], 1, i + 1);
        history_started(p.h, i, &none, p.t);
        check_clock_shows(p.h, i, 1000, 1000);
    }
    return p;
}
static void finish(struct past *p) {
    history_destroy(p->h);
    origins_destroy(p->t);
}

static void good(const struct past *p) { cr_assert_str_eq(p->h->failure, ""); }
static void bad(const struct past *p, const char *invariant) {
    size_t n = strlen(invariant);
    cr_assert(strncmp(p->h->failure, invariant, n) == 0 && p->h->failure[n] == ':', "expected %s, got \"%s\"", invariant, p->h->failure);
}

/* What a node would say of its own event number n: deps are all that it has applied. */
struct draft {
    struct event e;
    struct change change;
    struct dot deps[NODES];
    struct buf content;
};
static void draft(struct past *p, struct draft *d, uint32_t node, uint64_t n, const char *key, const char *value) {
    *d = (struct draft){.change = {.op = value ? CHANGE_PUT : CHANGE_DELETE, .key = slice_text(key)}};
    if (value) content_make_string(&d->content, 0, slice_text(value));
    d->change.content = buf_slice_of(&d->content);
    d->e = (struct event){.dot = {p->own[node], n}, .stamp = ++p->clock, .previous = n > 1 ? node * 1000 + n - 1 : 0, .checksum = node * 1000 + n};
    for (uint32_t i = 0; i < NODES; i++) {
        uint64_t have = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[i]));
        if (i != node && have > 0) d->deps[d->e.deps_count++] = (struct dot){p->own[i], have};
    }
    d->e.deps = d->deps;
    d->e.changes = &d->change;
    d->e.changes_count = 1;
}

static struct h_event *apply(struct past *p, uint32_t node, const struct event *e, bool own) {
    struct h_event *he = history_applies(p->h, node, e, own, p->t, 1000);
    if (!he) return NULL;
    check_applies(p->h, node, he);
    if (own) {
        check_deps(p->h, he);
        check_stamp(p->h, he);
    }
    history_apply(p->h, node, he);
    return he;
}

/* The node writes its next event; NULL deletes. */
static struct h_event *writes(struct past *p, uint32_t node, const char *key, const char *value) {
    struct draft d;
    uint64_t n = vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[node])) + 1;
    draft(p, &d, node, n, key, value);
    struct h_event *e = apply(p, node, &d.e, true);
    buf_finish(&d.content);
    return e;
}

static void receives(struct past *p, uint32_t node, const struct h_event *e) {
    struct event again = {.dot = {p->own[e->node], e->dot.n}, .stamp = e->stamp, .checksum = e->checksum};
    apply(p, node, &again, false);
}

static void state(struct past *p, uint32_t node, uint64_t digest) {
    struct vv vv = {0};
    for (uint32_t i = 0; i < NODES; i++) vv_set(&vv, p->own[i], vv_get(&p->h->nodes[node].vv, history_ref(p->h, node, p->t, p->own[i])));
    check_state(p->h, node, &vv, p->t, digest);
    vv_finish(&vv);
}

/* ---- I1 ---- */

Test(checkers, a_digest_that_differs_from_the_oracle_is_found) {
    struct past p = past();
    receives(&p, 1, writes(&p, 0, "k", "a"));
    state(&p, 0, p.h->nodes[0].digest);
    state(&p, 1, p.h->nodes[1].digest);
    good(&p);
    state(&p, 2, 7);
    bad(&p, "I1");
    finish(&p);
}

Test(checkers, two_digests_at_one_vv_are_found) {
    struct past p = past();
    receives(&p, 1, writes(&p, 0, "k", "a"));
    state(&p, 0, p.h->nodes[0].digest);
    p.h->nodes[1].digest++; /* the oracle agrees with the node, but not with its past */
    state(&p, 1, p.h->nodes[1].digest);
    bad(&p, "I1");
    cr_assert(strstr(p.h->failure, "two digests"));
    finish(&p);
}

Test(checkers, nodes_that_rest_at_different_vvs_are_found) {
    struct past p = past();
    struct h_event *e = writes(&p, 0, "k", "a");
    receives(&p, 1, e);
    receives(&p, 2, e);
    check_converged(p.h);
    good(&p);
    writes(&p, 2, "k", "b");
    check_converged(p.h);
    bad(&p, "I1");
    finish(&p);
}

Test(checkers, a_row_count_or_key_list_that_differs_is_found) {
    struct past p = past();
    writes(&p, 0, "k", "a");
    writes(&p, 0, "l", "a");
    writes(&p, 0, "l", NULL);
    struct h_keys keys = h_keys_now(p.h, 0);
    uint64_t sum = hash64(slice_text("k")), other = hash64(slice_text("l"));
    check_keys(p.h, 0, &keys, 1, &sum);
    good(&p);
    check_keys(p.h, 0, &keys, 1, &other);
    bad(&p, "I1");
    finish(&p);
}

/* ---- I2 ---- */

static void journals(struct past *p, uint32_t node, const struct h_event *loser, const char *value) {
    struct buf content = {0};
    content_make_string(&content, 0, slice_text(value));
    struct loss l = {.key = slice_text("k"), .loser = {{p->own[loser->node], loser->dot.n}, loser->stamp, buf_slice_of(&content), 0, 0}};
    check_journaled(p->h, node, &l, p->t);
    buf_finish(&content);
}

/* Two concurrent writes that everybody has: the second one wins. */
static struct h_event *conflict(struct past *p) {
    struct h_event *a = writes(p, 0, "k", "a"), *b = writes(p, 1, "k", "b");
    for (uint32_t i = 0; i < NODES; i++) {
        if (i != 0) receives(p, i, a);
        if (i != 1) receives(p, i, b);
    }
    return a;
}

Test(checkers, a_hidden_loser_needs_no_journal_as_long_as_it_is_in_its_row) {
    struct past p = past();
    conflict(&p);
    check_accounted(p.h);
    good(&p);
    finish(&p);
}

Test(checkers, a_loser_that_was_overwritten_by_somebody_who_saw_only_the_winner_is_found) {
    struct past p = past();
    struct h_event *a = conflict(&p), *c = writes(&p, 0, "k", "c");
    receives(&p, 1, c);
    receives(&p, 2, c);
    check_accounted(p.h);
    bad(&p, "I2");
    p.h->failure[0] = 0;
    for (uint32_t i = 0; i < NODES; i++) journals(&p, i, a, "a");
    check_accounted(p.h);
    good(&p);
    a->changes[0].ops[0].journaled &= 3;
    check_accounted(p.h);
    bad(&p, "I2");
    finish(&p);
}

Test(checkers, a_write_that_was_seen_and_overwritten_needs_no_journal) {
    struct past p = past();
    writes(&p, 0, "k", "a");
    writes(&p, 0, "k", "b");
    check_accounted(p.h);
    good(&p);
    finish(&p);
}

Test(checkers, a_version_in_the_journal_that_never_had_a_rival_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    writes(&p, 0, "k", "b");
    journals(&p, 1, a, "a");
    check_accounted(p.h);
    bad(&p, "I2");
    finish(&p);
}

Test(checkers, another_value_in_the_journal_is_found) {
    struct past p = past();
    journals(&p, 0, conflict(&p), "something else");
    bad(&p, "I2");
    finish(&p);
}

static struct h_event *check_value(struct past *p, const char *value, enum outcome o) {
    return check_write(p->h, history_key(p->h, slice_text("k")), 0, slice_text(value), o, true);
}

Test(checkers, an_acknowledged_write_that_was_never_made_or_is_lost_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a1;");
    cr_assert_eq(check_value(&p, "a1;", OUTCOME_OK), a);
    cr_assert_null(check_value(&p, "b2;", OUTCOME_UNKNOWN), "of unknown outcome: nothing, or all");
    good(&p);
    check_value(&p, "b2;", OUTCOME_OK);
    bad(&p, "I2");
    p.h->failure[0] = 0;
    writes(&p, 1, "k", "c3;"); /* node 0, at which the rest is looked at, never gets it */
    check_value(&p, "c3;", OUTCOME_OK);
    bad(&p, "I2");
    finish(&p);
}

Test(checkers, a_wait_that_promises_more_copies_than_there_are_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    check_committed(p.h, 0, DURABLE_MADE);
    receives(&p, 1, a);
    check_committed(p.h, 1, DURABLE_MADE);
    check_replicas(p.h, a, 1);
    good(&p);
    receives(&p, 2, a); /* but it did not commit */
    check_replicas(p.h, a, 2);
    bad(&p, "I2");
    finish(&p);
}

/* ---- I3 ---- */

Test(checkers, a_refused_write_that_happened_is_found) {
    struct past p = past();
    writes(&p, 0, "k", "a1;");
    check_value(&p, "b2;", OUTCOME_FAILED);
    good(&p);
    check_value(&p, "a1;", OUTCOME_FAILED);
    bad(&p, "I3");
    finish(&p);
}

static void reads(struct past *p, uint32_t node, const char *value) {
    struct buf content = {0};
    struct h_read r = {0};
    h_read_now(p->h, node, history_key(p->h, slice_text("k")), 1000, &r);
    if (value) content_make_string(&content, 0, slice_text(value));
    r.content = buf_slice_of(&content);
    check_read(p->h, &r);
    buf_finish(&content);
    h_read_finish(&r);
}

Test(checkers, a_value_that_nobody_wrote_is_found_and_one_that_has_not_come_yet) {
    struct past p = past();
    writes(&p, 0, "k", "a");
    reads(&p, 0, "a");
    reads(&p, 1, NULL);
    good(&p);
    reads(&p, 0, "phantom");
    bad(&p, "I3");
    p.h->failure[0] = 0;
    reads(&p, 1, "a");
    bad(&p, "I3");
    finish(&p);
}

/* ---- I1 and I6 in what is read ---- */

Test(checkers, a_loser_that_is_shown_instead_of_the_winner_is_found) {
    struct past p = past();
    conflict(&p);
    reads(&p, 2, "b");
    good(&p);
    reads(&p, 2, "a");
    bad(&p, "I1");
    p.h->failure[0] = 0;
    reads(&p, 2, NULL);
    bad(&p, "I1");
    finish(&p);
}

Test(checkers, a_deleted_version_that_is_shown_again_is_found) {
    struct past p = past();
    writes(&p, 0, "k", "a");
    writes(&p, 0, "k", NULL);
    reads(&p, 0, NULL);
    good(&p);
    reads(&p, 0, "a");
    bad(&p, "I6");
    finish(&p);
}

/* ---- I4 ---- */

Test(checkers, an_event_that_is_applied_before_its_context_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    receives(&p, 1, a);
    struct h_event *b = writes(&p, 1, "k", "b");
    good(&p);
    receives(&p, 2, b);
    bad(&p, "I4");
    finish(&p);
}

Test(checkers, deps_that_are_not_what_the_node_had_applied_are_found) {
    struct past p = past();
    struct draft d;
    receives(&p, 1, writes(&p, 0, "k", "a"));
    draft(&p, &d, 1, 1, "k", "b");
    d.e.deps_count = 0;
    apply(&p, 1, &d.e, true);
    bad(&p, "I4");
    buf_finish(&d.content);
    finish(&p);
}

/* ---- I5 ---- */

Test(checkers, half_a_transaction_in_one_read_is_found) {
    struct past p = past();
    struct slice whole[] = {slice_text("t1;"), slice_text("t1;"), slice_text("t1;")}, half[] = {slice_text("t1;"), slice_text("t1;"), {0}};
    check_group_read(p.h, 0, whole, 3);
    good(&p);
    check_group_read(p.h, 0, half, 3);
    bad(&p, "I5");
    finish(&p);
}

/* ---- I8 ---- */

Test(checkers, an_event_that_is_applied_again_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    receives(&p, 1, a);
    good(&p);
    receives(&p, 1, a);
    bad(&p, "I8");
    finish(&p);
}

Test(checkers, a_counter_outside_its_sums_is_found) {
    struct past p = past();
    writes(&p, 0, "c", "7");
    check_counter(p.h, slice_text("c"), 6, 1, true);
    check_counter(p.h, slice_text("c"), 8, 0, false);
    good(&p);
    check_counter(p.h, slice_text("c"), 8, 0, true);
    bad(&p, "I8");
    p.h->failure[0] = 0;
    check_counter(p.h, slice_text("c"), 5, 1, true);
    bad(&p, "I8");
    finish(&p);
}

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

Test(checkers, increments_add_up_in_every_order_and_a_delete_takes_what_it_saw) {
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

Test(checkers, an_event_that_takes_away_what_its_origin_had_not_is_found) {
    struct past p = past();
    increments(&p, 0, 1, 5);
    struct counter_reset unknown = {.origin = p.own[0], .birth = 1, .n = 1, .total = 1};
    struct delta_op op = {.kind = CELL_STRING, .flags = OP_RESET, .resets = &unknown, .resets_count = 1};
    merges(&p, 1, "k", DELTA_CLEAR, CONTENT_NONE, &op);
    bad(&p, "I4");
    finish(&p);
}

Test(checkers, registers_of_columns_are_read_by_the_last_writer) {
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

Test(checkers, an_episode_that_a_journal_lacks_or_has_wrong_is_found) {
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

Test(checkers, an_episode_of_versions_that_knew_each_other_is_found) {
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

Test(checkers, two_answers_to_the_same_are_found_where_the_handler_is_good) {
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

Test(checkers, a_row_that_is_left_open_and_not_recorded_is_found) {
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

Test(checkers, a_handler_that_is_asked_again_after_it_has_contradicted_itself_is_found) {
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

/* ---- I10 ---- */

Test(checkers, a_gap_in_the_numbers_is_found) {
    struct past p = past();
    writes(&p, 0, "k", "a");
    struct h_event *b = writes(&p, 0, "k", "b");
    receives(&p, 1, b);
    bad(&p, "I10");
    finish(&p);
}

Test(checkers, two_contents_of_one_dot_are_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    struct event other = {.dot = {p.own[0], 1}, .stamp = a->stamp, .checksum = a->checksum + 1};
    apply(&p, 1, &other, false);
    bad(&p, "I10");
    finish(&p);
}

Test(checkers, an_event_that_nobody_made_is_found) {
    struct past p = past();
    struct event forged = {.dot = {p.own[0], 1}};
    apply(&p, 1, &forged, false);
    bad(&p, "I10");
    finish(&p);
}

Test(checkers, a_run_that_goes_on_under_an_older_incarnation_is_found) {
    struct past p = past();
    struct vv had = {0};
    writes(&p, 0, "k", "a");
    vv_set(&had, p.own[0], 1);
    history_stopped(p.h, 0);
    history_started(p.h, 0, &had, p.t);
    good(&p);
    writes(&p, 0, "k", "b");
    bad(&p, "I10");
    vv_finish(&had);
    finish(&p);
}

Test(checkers, stamps_that_do_not_rise_and_events_that_do_not_follow_are_found) {
    struct past p = past();
    struct draft d;
    writes(&p, 0, "k", "a");
    p.clock -= 2;
    writes(&p, 0, "k", "b");
    bad(&p, "I10");
    p.h->failure[0] = 0;
    p.clock += 10;
    draft(&p, &d, 0, 3, "k", "c");
    d.e.previous++;
    apply(&p, 0, &d.e, true);
    bad(&p, "I10");
    buf_finish(&d.content);
    finish(&p);
}

Test(checkers, a_vv_that_fell_or_claims_too_much_is_found) {
    struct past p = past();
    struct vv vv = {0};
    receives(&p, 1, writes(&p, 0, "k", "a"));
    check_state(p.h, 1, &vv, p.t, p.h->nodes[1].digest);
    bad(&p, "I10");
    p.h->failure[0] = 0;
    vv_set(&vv, p.own[0], 2);
    check_state(p.h, 1, &vv, p.t, p.h->nodes[1].digest);
    bad(&p, "I10");
    vv_finish(&vv);
    finish(&p);
}

/* Node 0 commits one event, and applies a second one. Then it dies, and comes back with `events`. */
static void dies(struct past *p, enum durability how, bool machine, uint64_t events) {
    struct vv had = {0};
    writes(p, 0, "k", "a");
    check_committed(p->h, 0, how);
    writes(p, 0, "k", "b");
    check_committed(p->h, 0, DURABLE_MAYBE);
    check_crashed(p->h, 0, machine);
    vv_set(&had, p->own[0], events);
    history_started(p->h, 0, &had, p->t);
    check_recovered(p->h, 0);
    vv_finish(&had);
}

Test(checkers, a_node_that_forgets_what_it_had_committed_is_found) {
    static const struct {
        enum durability how;
        bool machine;
        uint64_t events;
        const char *failure;
    } cases[] = {{DURABLE_MADE, false, 1, ""},  {DURABLE_MADE, false, 2, ""},  {DURABLE_MADE, false, 0, "I10"}, {DURABLE_MADE, true, 0, ""},
                 {DURABLE_SYNCED, true, 1, ""}, {DURABLE_SYNCED, true, 2, ""}, {DURABLE_SYNCED, true, 0, "I10"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct past p = past();
        dies(&p, cases[i].how, cases[i].machine, cases[i].events);
        if (cases[i].failure[0])
            bad(&p, cases[i].failure);
        else
            good(&p);
        finish(&p);
    }
}

Test(checkers, a_node_that_recovers_more_than_it_had_committed_is_found) {
    struct past p = past();
    struct vv had = {0};
    writes(&p, 0, "k", "a"); /* applied, never committed */
    check_crashed(p.h, 0, false);
    vv_set(&had, p.own[0], 1);
    history_started(p.h, 0, &had, p.t);
    check_recovered(p.h, 0);
    bad(&p, "I10");
    vv_finish(&had);
    finish(&p);
}

/* ---- I11 ---- */

Test(checkers, a_stamp_that_is_not_above_its_causes_is_found_unless_a_clock_was_off) {
    for (int off = 0; off < 2; off++) {
        struct past p = past();
        if (off) check_clock_shows(p.h, 0, 1300, 1000);
        receives(&p, 1, writes(&p, 0, "k", "a"));
        p.clock -= 5;
        writes(&p, 1, "k", "b");
        if (off)
            good(&p);
        else
            bad(&p, "I11");
        finish(&p);
    }
}

Test(checkers, a_clock_that_was_dragged_along_is_found) {
    struct past p = past();
    p.clock = stamp_make(1400, 0); /* within the bound of 500 ms */
    writes(&p, 0, "k", "a");
    good(&p);
    p.clock = stamp_make(3600000, 0);
    writes(&p, 1, "k", "b");
    bad(&p, "I11");
    finish(&p);
}

/* ---- WATCH ---- */

Test(checkers, a_watched_write_that_replaced_something_else_is_found) {
    struct past p = past();
    struct workload l = {.history = p.h};
    writes(&p, 0, "k", "t1;");
    struct h_event *e = writes(&p, 0, "k", "t2;");
    struct write w = {.key = history_key(p.h, slice_text("k")), .value = "t2;", .replaces = "t1;"};
    check_watched(&l, &w, e);
    good(&p);
    w.replaces[0] = 0;
    check_watched(&l, &w, e);
    bad(&p, "watch");
    finish(&p);
}

/* ---- the oracle itself ---- */

Test(checkers, the_rows_kept_step_by_step_are_those_of_the_definition) {
    static const char *const keys[] = {"k", "l", "m"};
    uint64_t seed = 5;
    for (int round = 0; round < 200; round++) {
        struct past p = past();
        for (int step = 0; step < 60; step++) {
            uint32_t node = (uint32_t)draw_below(&seed, NODES);
            const struct h_event *next = NULL;
            for (uint32_t i = 0; i < p.h->events_count && !next; i++) {
                const struct h_event *e = p.h->events[(i + (uint32_t)round) % p.h->events_count];
                if (vv_get(&p.h->nodes[node].vv, e->dot.origin) == e->dot.n - 1 && vv_includes(&p.h->nodes[node].vv, &e->deps)) next = e;
            }
            if (next && draw_below(&seed, 4) > 0)
                receives(&p, node, next);
            else
                writes(&p, node, keys[draw_below(&seed, 3)], draw_below(&seed, 3) ? "v" : NULL);
        }
        good(&p);
        for (uint32_t node = 0; node < NODES; node++)
            for (uint32_t i = 0; i < p.h->events_count; i++) {
                const struct h_change *v = &p.h->events[i]->changes[0];
                const struct h_row *row = history_row(p.h, node, v->key);
                bool there = false;
                for (uint32_t k = 0; k < row->n; k++) there |= row->v[k].op->change == v;
                cr_assert_eq(there, history_is_sibling(p.h, &p.h->nodes[node].vv, v));
            }
        finish(&p);
    }
}
