#include "../../dc-node/io/node_faults.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct node_faults faults;

static void setup(void) { node_faults_init(&faults, 42); }

TestSuite(node_faults, .init = setup);

/* The words of a command given at 1000 ms of the wall and 5 s of the monotonic clock; what it replied, empty: it is about something else. */
static const char *told(const char *line) {
    static struct buf reply;
    static char words[200];
    struct slice argv[12];
    uint32_t argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *rest = words, *w; (w = strsep(&rest, " "));) argv[argc++] = slice_text(w);
    buf_clear(&reply);
    bool own = node_faults_command(&faults, argv, argc, 1000, 5000000, &reply);
    cr_assert_eq(own, reply.n > 0);
    buf_u8(&reply, 0);
    return (const char *)reply.p;
}

Test(node_faults, a_clock_is_true_at_first_and_again_when_nothing_is_ordered) {
    cr_assert_eq(node_faults_wall_ms(&faults, 123, 5), 123);
    told("TRUCE.FAULT CLOCK OFFSET 3600000 DRIFT 200");
    cr_assert_str_eq(told("TRUCE.FAULT CLOCK"), "+OK\r\n");
    cr_assert_eq(node_faults_wall_ms(&faults, 123, 9000000), 123);
}

Test(node_faults, an_offset_moves_the_clock_and_never_below_zero) {
    told("TRUCE.FAULT CLOCK OFFSET 3600000");
    cr_assert_eq(node_faults_wall_ms(&faults, 2000, 6000000), 3602000);
    told("TRUCE.FAULT CLOCK OFFSET -3600000");
    cr_assert_eq(node_faults_wall_ms(&faults, 3600001, 6000000), 1);
    cr_assert_eq(node_faults_wall_ms(&faults, 2000, 6000000), 0);
}

Test(node_faults, drift_adds_up_from_when_it_was_ordered) {
    told("TRUCE.FAULT CLOCK DRIFT -1000");
    cr_assert_eq(node_faults_wall_ms(&faults, 11000, 15000000), 11000 - 10);
}

Test(node_faults, a_frozen_clock_stands_with_its_offset) {
    told("TRUCE.FAULT CLOCK FREEZE OFFSET 7");
    cr_assert_eq(node_faults_wall_ms(&faults, 1000, 5000000), 1007);
    cr_assert_eq(node_faults_wall_ms(&faults, 99000, 103000000), 1007);
}

Test(node_faults, a_full_disk_is_told_until_it_is_good_again_and_fails_no_commit) {
    cr_assert_not(node_faults_disk_full(&faults));
    told("TRUCE.FAULT DISK FULL");
    cr_assert(node_faults_disk_full(&faults));
    cr_assert_eq(node_faults_commit(&faults), COMMIT_GOOD);
    told("TRUCE.FAULT DISK OK");
    cr_assert_not(node_faults_disk_full(&faults));
    told("TRUCE.FAULT DISK SLOW 1");
    cr_assert_eq(node_faults_commit(&faults), COMMIT_GOOD);
}

Test(node_faults, a_commit_on_a_failing_disk_is_there_or_not) {
    int count[3] = {0};
    told("TRUCE.FAULT DISK FAIL");
    for (int i = 0; i < 100; i++) count[node_faults_commit(&faults)]++;
    cr_assert_eq(count[COMMIT_GOOD], 0);
    cr_assert_lt(20, count[COMMIT_REFUSED]);
    cr_assert_lt(20, count[COMMIT_DOUBTFUL]);
}

Test(node_faults, what_makes_no_sense_is_refused_and_changes_nothing) {
    static const char *const wrong[] = {"TRUCE.FAULT CLOCK OFFSET",  "TRUCE.FAULT CLOCK OFFSET 1h",     "TRUCE.FAULT CLOCK sideways",
                                        "TRUCE.FAULT CLOCK DRIFT -", "TRUCE.FAULT CLOCK DRIFT 1000001", "TRUCE.FAULT DISK",
                                        "TRUCE.FAULT DISK odd",      "TRUCE.FAULT DISK SLOW",           "TRUCE.FAULT DISK SLOW -1",
                                        "TRUCE.FAULT DISK FULL 1",   "TRUCE.FAULT DISK OK now"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) cr_assert_eq(told(wrong[i])[0], '-', "%s", wrong[i]);
    cr_assert_eq(node_faults_wall_ms(&faults, 123, 9000000), 123);
    cr_assert_eq(node_faults_commit(&faults), COMMIT_GOOD);
    cr_assert_str_eq(told("TRUCE.FAULT CUT eu"), "");
}
