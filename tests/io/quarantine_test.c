#include "../../dc-node/io/quarantine.h"
#include "store_help.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];

static void shell(const char *format) {
    char command[1200];
    snprintf(command, sizeof command, format, dir, dir, dir);
    cr_assert_eq(system(command), 0, "%s", command);
}

static bool there(const char *name) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void make(void) {
    directory_make(dir, sizeof dir);
    shell("mkdir '%s/log.rocksdb' '%s/rows.rocksdb' && touch '%s/log.rocksdb/1'");
}

static void finish(void) { directory_remove(dir); }

TestSuite(quarantine, .init = make, .fini = finish);

static bool carried_out(void) {
    bool done = false;
    cr_assert(quarantine_carry_out(dir, &done));
    return done;
}

Test(quarantine, a_directory_without_a_mark_stays_as_it_is) {
    cr_assert_not(carried_out());
    cr_assert(there("log.rocksdb/1"));
    cr_assert_not(there("returning"));
    cr_assert_not(quarantine_lasts(dir));
}

Test(quarantine, what_is_marked_is_set_aside_whole_with_the_reason_and_the_node_returns) {
    cr_assert(quarantine_mark(dir, "a record is damaged"));
    cr_assert_not(quarantine_lasts(dir));
    cr_assert(carried_out());
    cr_assert(there("set-aside/log.rocksdb/1"));
    cr_assert(there("set-aside/rows.rocksdb"));
    cr_assert_not(there("log.rocksdb"));
    cr_assert_not(there("damaged"));
    cr_assert(quarantine_lasts(dir));
    shell("grep -q 'a record is damaged' '%s/set-aside/damaged'");
    cr_assert_not(carried_out());
    shell("rm '%s/returning'");
    cr_assert_not(quarantine_lasts(dir));
}

Test(quarantine, a_crash_half_way_is_gone_on_from) {
    cr_assert(quarantine_mark(dir, "why"));
    shell("mkdir '%s/set-aside' && mv '%s/log.rocksdb' '%s/set-aside/'");
    cr_assert(carried_out());
    cr_assert(there("set-aside/log.rocksdb/1"));
    cr_assert(there("set-aside/rows.rocksdb"));
}

Test(quarantine, of_what_was_set_aside_the_latest_is_kept) {
    cr_assert(quarantine_mark(dir, "first"));
    cr_assert(carried_out());
    shell("mkdir '%s/log.rocksdb' && touch '%s/log.rocksdb/2'");
    cr_assert(quarantine_mark(dir, "second"));
    cr_assert(carried_out());
    cr_assert(there("set-aside/log.rocksdb/2"));
    cr_assert_not(there("set-aside/log.rocksdb/1"));
    shell("grep -q second '%s/set-aside/damaged'");
}

Test(quarantine, a_node_that_lost_its_disk_otherwise_has_set_nothing_aside) {
    shell("touch '%s/returning'");
    cr_assert_not(quarantine_lasts(dir));
}
