#include "../../deploy/data_dir.h"
#include "../../deploy/live.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where two outcomes differ ---- */
static struct step steps[3];
static struct scenario scenario;
static struct final_row simulated_rows[2], live_rows[2];
static struct outcome simulated, live;

static struct final_row row(const char *key, const char *shown) {
    return (struct final_row){.key = xstrdup(key), .shown = json_string(shown), .siblings = 1};
}

static void setup(void) {
    steps[0] = (struct step){.verb = STEP_DO, .number = 1, .command = "SET a 1"};
    steps[1] = (struct step){.verb = STEP_CUT, .number = 2};
    steps[2] = (struct step){.verb = STEP_DO, .number = 3, .command = "TRUCE.TOKEN"};
    scenario = (struct scenario){.steps = steps, .steps_count = 3};
    simulated_rows[0] = row("a", "1"), simulated_rows[1] = row("b", "2");
    live_rows[0] = row("a", "1"), live_rows[1] = row("b", "2");
    simulated = (struct outcome){.rows = simulated_rows, .rows_count = 2, .replies = json_pack("{s:s, s:s}", "1", "OK", "3", "a token")};
    live = (struct outcome){.rows = live_rows, .rows_count = 2, .replies = json_pack("{s:s, s:s}", "1", "OK", "3", "another")};
}

TestSuite(differences, .init = setup);

/* What is said, each line ended by '\n'. */
static const char *differences(void) {
    static struct buf text;
    json_t *into = json_object();
    buf_clear(&text);
    size_t n = compare_outcomes(&scenario, &simulated, &live, &text, into);
    cr_assert_eq(json_array_size(json_object_get(into, "differences")), n);
    json_decref(into);
    buf_u8(&text, 0);
    return (const char *)text.p;
}

Test(differences, what_is_other_in_every_run_is_no_difference) { cr_assert_str_eq(differences(), ""); }

Test(differences, the_end_and_the_step_that_failed_count) {
    live.verdict = VERDICT_EXPECTATION;
    live.failed_step = 3;
    cr_assert_str_eq(differences(), "the end: simulated passed, live an expectation failed\nthe step that failed: simulated 0, live 3 (0: none)\n");
}

Test(differences, a_row_that_shows_another_value_is_named) {
    live_rows[1].shown = json_string("3");
    cr_assert_str_eq(differences(), "row b: simulated \"2\", live \"3\"\n");
}

Test(differences, rows_are_matched_by_key_where_one_is_missing) {
    simulated.rows++;
    simulated.rows_count = 1;
    cr_assert_str_eq(differences(), "row a is there in the live run alone: \"1\"\n");
    simulated.rows--;
    simulated.rows_count = 2;
    live.rows_count = 1;
    cr_assert_str_eq(differences(), "row b is there in the simulated run alone: \"2\"\n");
}

Test(differences, siblings_losers_and_open_conflicts_count) {
    live_rows[0].siblings = 2;
    live_rows[0].losers = 1;
    live_rows[0].open = true;
    live.conflicts_open = 1;
    cr_assert_str_eq(differences(), "open conflicts: simulated 0, live 1\nrow a: simulated 1 siblings, live 2\n"
                                    "row a: simulated 0 losers in the journal, live 1\nrow a: its conflict is closed simulated, open live\n");
}

Test(differences, replies_of_commands_count) {
    json_object_set_new(live.replies, "1", json_null());
    cr_assert_str_eq(differences(), "step 1 (SET a 1): simulated \"OK\", live null\n");
}

Test(differences, where_workloads_write_rows_are_not_compared_but_what_must_hold_is) {
    steps[1].verb = STEP_WORKLOAD;
    live_rows[1].shown = json_string("3");
    live.conflicts_open = 7;
    simulated.workloads = json_pack("{s:{s:b}}", "carts", "holds", true);
    live.workloads = json_pack("{s:{s:b}}", "carts", "holds", false);
    cr_assert_str_eq(differences(), "workload carts: holds: simulated true, live false\n");
}

/* ---- data directories ---- */
static char dir[64];

static void make_dir(void) {
    snprintf(dir, sizeof dir, "/tmp/truce-data-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void drop_dir(void) {
    struct buf why = {0};
    cr_assert(dir_remove(dir, &why));
}

TestSuite(data_dir, .init = make_dir, .fini = drop_dir);

static const char *path(const char *name) {
    static char text[2][256];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", dir, name);
    return text[turn];
}

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(path(name), "we");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_store(void) {
    cr_assert(dir_make(path("us-1/log.rocksdb/deep")) && dir_make(path("us-1/rows.rocksdb")));
    write_file("us-1/log.rocksdb/000001.log", "events");
    write_file("us-1/log.rocksdb/deep/1", "");
    write_file("us-1/rows.rocksdb/CURRENT", "rows");
    write_file("us-1/log", "a line");
    write_file("us-1/pid", "1");
}

static bool there(const char *name) { return access(path(name), F_OK) == 0; }

Test(data_dir, a_copy_holds_the_stores_and_nothing_else) {
    struct buf why = {0};
    make_store();
    cr_assert(data_dir_copy(path("us-1"), path("backups/monday/us-1"), &why), "%.*s", (int)why.n, (char *)why.p);
    cr_assert(there("backups/monday/us-1/log.rocksdb/000001.log") && there("backups/monday/us-1/log.rocksdb/deep/1"));
    cr_assert(!there("backups/monday/us-1/log") && !there("backups/monday/us-1/pid"));
    char text[16] = {0};
    FILE *f = fopen(path("backups/monday/us-1/log.rocksdb/000001.log"), "re");
    cr_assert(f != NULL && fread(text, 1, sizeof text, f) == 6);
    cr_assert_str_eq(text, "events");
    fclose(f);
}

Test(data_dir, clearing_leaves_the_lines_for_people) {
    struct buf why = {0};
    make_store();
    cr_assert(data_dir_clear(path("us-1"), &why));
    cr_assert(there("us-1/log") && !there("us-1/pid") && !there("us-1/log.rocksdb"));
    cr_assert(data_dir_clear(path("nobody"), &why), "what is not there is empty");
}

Test(data_dir, a_mark_is_put_into_a_directory_that_is_not_there) {
    struct buf why = {0};
    cr_assert(data_dir_mark_returning(path("us-1"), &why));
    cr_assert(there("us-1/returning"));
}

Test(data_dir, what_cannot_be_copied_is_named) {
    struct buf why = {0};
    write_file("file", "");
    cr_assert(!data_dir_copy(dir, path("file/within"), &why));
    buf_u8(&why, 0);
    cr_assert_not_null(strstr((char *)why.p, "file/within: "), "%s", (char *)why.p);
}
