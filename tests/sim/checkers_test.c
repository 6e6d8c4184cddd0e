/* Each checker against a history made by hand: a good one that it passes, and a bad one that it must name. */
#include "past.h"

TestSuite(checkers);

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

/* ---- I12, I16, and disks that were wiped or replaced ---- */

static void all_commit(struct past *p) {
    for (uint32_t i = 0; i < NODES; i++) check_committed(p->h, i, DURABLE_SYNCED);
}

static bool points(void *upto, struct slice key, const struct origin *o, uint64_t n) { return key.n && o && *(const uint64_t *)upto >= n; }

Test(checkers, an_event_that_leaves_a_log_while_somebody_lacks_it_is_found) {
    uint64_t upto = 0;
    struct pointers pointers = {points, &upto};
    struct past p = past();
    struct h_event *e = writes(&p, 0, "k", "a");
    receives(&p, 1, e);
    receives(&p, 2, e);
    all_commit(&p);
    check_trimmed(p.h, 0, &(struct log_trim){p.own[0], 1}, p.t, &pointers);
    good(&p);
    receives(&p, 1, writes(&p, 0, "k", "b"));
    upto = 2;
    all_commit(&p);
    check_trimmed(p.h, 0, &(struct log_trim){p.own[0], 2}, p.t, &pointers);
    good(&p);
    receives(&p, 1, writes(&p, 0, "k", "c"));
    all_commit(&p);
    check_trimmed(p.h, 0, &(struct log_trim){p.own[0], 3}, p.t, &pointers);
    bad(&p, "I12");
    finish(&p);
}

Test(checkers, memory_beyond_its_bound_is_found) {
    struct past p = past();
    check_memory(p.h, 0, 1 << 20, 1 << 20);
    good(&p);
    check_memory(p.h, 0, 2 << 20, 1 << 20);
    bad(&p, "I16");
    finish(&p);
}

Test(checkers, a_write_that_only_a_wiped_disk_held_is_not_missed_and_one_that_another_held_is) {
    struct past p = past();
    uint32_t key = history_key(p.h, slice_text("k"));
    struct vv none = {0};
    writes(&p, 0, "k", "alone");
    all_commit(&p);
    check_crashed(p.h, 0, false);
    history_replaced(p.h, 0, 0);
    history_started(p.h, 0, &none, p.t);
    check_recovered(p.h, 0);
    check_write(p.h, key, 0, slice_text("alone"), OUTCOME_OK, true);
    good(&p);
    receives(&p, 2, writes(&p, 1, "k", "twice"));
    all_commit(&p);
    check_crashed(p.h, 1, false);
    history_replaced(p.h, 1, 0);
    check_write(p.h, key, 0, slice_text("twice"), OUTCOME_OK, true);
    bad(&p, "I2");
    finish(&p);
}

Test(checkers, a_restored_node_that_lacks_what_its_backup_has_is_found) {
    struct past p = past();
    struct vv vv = {0};
    writes(&p, 0, "k", "a");
    all_commit(&p);
    history_backed_up(p.h, 0, 7);
    writes(&p, 0, "k", "b");
    all_commit(&p);
    check_crashed(p.h, 0, false);
    history_replaced(p.h, 0, 7);
    vv_set(&vv, p.own[0], 1);
    history_started(p.h, 0, &vv, p.t);
    check_recovered(p.h, 0);
    good(&p);
    check_crashed(p.h, 0, false);
    vv_clear(&vv);
    history_started(p.h, 0, &vv, p.t);
    check_recovered(p.h, 0);
    bad(&p, "I10");
    vv_finish(&vv);
    finish(&p);
}

Test(checkers, increments_that_went_with_a_disk_are_taken_off) {
    struct past p = past();
    struct h_event *e = writes(&p, 0, "c", "5");
    receives(&p, 1, e);
    writes(&p, 0, "c", "9");
    all_commit(&p);
    check_crashed(p.h, 0, false);
    history_replaced(p.h, 0, 0);
    struct vv vv = {0};
    vv_set(&vv, p.own[0], 1);
    history_started(p.h, 0, &vv, p.t);
    check_counter(p.h, slice_text("c"), 9, 0, true);
    good(&p);
    check_counter(p.h, slice_text("c"), 10, 0, true);
    bad(&p, "I8");
    vv_finish(&vv);
    finish(&p);
}
