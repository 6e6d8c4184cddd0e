/* The checkers of elections and of acknowledged writes, each against a good past and a bad one. All nodes are of one datacenter here. */
#include "past.h"

TestSuite(checkers_leaders);

/* ---- I13 ---- */

Test(checkers_leaders, a_node_that_forgets_its_term_is_found) {
    struct past p = past();
    check_term(p.h, 0, 3, 1);
    check_term(p.h, 0, 3, 2);
    check_term(p.h, 1, 2, 3);
    good(&p);
    check_term(p.h, 0, 2, 4);
    bad(&p, "I13");
    finish(&p);
}

Test(checkers_leaders, a_node_that_votes_twice_in_a_term_is_found) {
    struct past p = past();
    check_vote(p.h, 0, 1, 1, 5);
    check_vote(p.h, 0, 1, 1, 6);
    check_vote(p.h, 0, 2, 2, 7);
    check_vote(p.h, 1, 2, 2, 8);
    good(&p);
    history_stopped(p.h, 0);
    check_vote(p.h, 0, 2, 1, 9);
    bad(&p, "I13");
    finish(&p);
}

Test(checkers_leaders, two_leaders_in_a_term_are_found_even_one_after_the_other) {
    struct past p = past();
    check_leads(p.h, 0, 1);
    check_leads(p.h, 0, 1);
    check_leads(p.h, 1, 2);
    check_leads(p.h, 0, 3);
    good(&p);
    check_leads(p.h, 0, 2);
    bad(&p, "I13");
    finish(&p);
}

/* ---- I14 ---- */

static void on_disk(struct past *p, uint32_t node) { check_committed(p->h, node, DURABLE_SYNCED); }

Test(checkers_leaders, an_acknowledgement_that_no_majority_has_on_disk_is_found) {
    struct past p = past();
    struct h_event *a = writes(&p, 0, "k", "a");
    on_disk(&p, 0);
    receives(&p, 1, a);
    on_disk(&p, 1);
    check_majority(p.h, a, 1);
    good(&p);
    struct h_event *b = writes(&p, 0, "k", "b");
    on_disk(&p, 0);
    receives(&p, 1, b); /* not yet on disk */
    check_majority(p.h, b, 1);
    bad(&p, "I14");
    finish(&p);
}

static struct h_event *acknowledged(struct past *p, uint32_t node, uint32_t other, const char *value, uint64_t term) {
    struct h_event *e = writes(p, node, "k", value);
    on_disk(p, node);
    receives(p, other, e);
    on_disk(p, other);
    check_majority(p->h, e, term);
    return e;
}

Test(checkers_leaders, a_new_leader_that_lacks_what_was_acknowledged_is_found) {
    struct past p = past();
    check_leads(p.h, 0, 1);
    acknowledged(&p, 0, 1, "a", 1);
    check_leads(p.h, 1, 2);
    good(&p);
    check_leads(p.h, 2, 3);
    bad(&p, "I14");
    finish(&p);
}

Test(checkers_leaders, a_leader_of_an_earlier_term_may_lack_what_a_later_one_had_acknowledged) {
    struct past p = past();
    check_leads(p.h, 0, 5);
    acknowledged(&p, 0, 1, "a", 5);
    check_leads(p.h, 2, 4);
    good(&p);
    finish(&p);
}

/* Node 0 wrote "tail" when it led, nobody has it; node 1 is elected and has "a" acknowledged; then the tail comes. */
static void tail_comes(struct past *p, bool tail_is_later) {
    struct h_event *tail, *a;
    p->clock = stamp_make(tail_is_later ? 1400 : 1000, 0);
    tail = writes(p, 0, "k", "tail");
    p->clock = stamp_make(1200, 0);
    a = acknowledged(p, 1, 2, "a", 2);
    receives(p, 0, a);
    receives(p, 1, tail);
    receives(p, 2, tail);
    check_not_beaten(p->h, history_key(p->h, slice_text("k")));
}

Test(checkers_leaders, a_tail_below_what_was_acknowledged_is_a_loser_like_any_other) {
    struct past p = past();
    tail_comes(&p, false);
    good(&p);
    finish(&p);
}

Test(checkers_leaders, a_tail_that_beats_what_was_acknowledged_is_found) {
    struct past p = past();
    tail_comes(&p, true);
    bad(&p, "I14");
    finish(&p);
}

Test(checkers_leaders, what_overwrote_an_acknowledged_write_knowingly_may_stand_in_its_place) {
    struct past p = past();
    acknowledged(&p, 0, 1, "a", 1);
    writes(&p, 0, "k", "b");
    check_not_beaten(p.h, history_key(p.h, slice_text("k")));
    good(&p);
    finish(&p);
}

Test(checkers_leaders, a_read_that_goes_back_is_found) {
    struct past p = past();
    struct linear_op ops[] = {{LINEAR_WRITE, 1, 0, 0, 9}, {LINEAR_READ, 0, 1, 1, 2}, {LINEAR_READ, 0, 0, 3, 4}};
    cr_assert(check_linear(p.h, slice_text("k"), ops, 2));
    good(&p);
    cr_assert(check_linear(p.h, slice_text("k"), ops, 3));
    bad(&p, "I14");
    finish(&p);
}
