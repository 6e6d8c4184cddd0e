#include "store_help.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <rocksdb/c.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[256];
static struct store *s;
static struct origins *origins;
static origin_ref us, eu;

static void open_again(void) {
    struct buf why = {0};
    store_close(s);
    s = NULL;
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), 0, "%.*s", (int)why.n, (char *)why.p);
    buf_finish(&why);
}

static void setup(void) {
    directory_make(dir, sizeof dir);
    origins = origins_create();
    us = origins_intern(origins, &(struct origin){.dc = "us", .node = 1, .incarnation = 7});
    eu = origins_intern(origins, &(struct origin){.dc = "eu", .node = 300, .incarnation = UINT64_MAX});
    s = NULL;
    open_again();
}

static void teardown(void) {
    store_close(s);
    origins_destroy(origins);
    directory_remove(dir);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 120);

static int put_block(origin_ref o, uint64_t first, uint64_t last, const char *text, uint64_t trim) {
    return commit_block(s, origins, o, first, last, slice_text(text), trim, true);
}

/* Blocks from `from` on as texts with spaces between. */
static const char *log_text(origin_ref o, uint64_t from, size_t bytes_max) {
    static struct buf text;
    struct buf out = {0};
    buf_clear(&text);
    int n = s->ops->read_log(s, origins_get(origins, o), from, bytes_max, &out);
    struct reader r = reader_of(buf_slice_of(&out));
    for (int i = 0; i < n; i++) {
        struct slice block = read_slice(&r);
        buf_printf(&text, i ? " %.*s" : "%.*s", (int)block.n, (const char *)block.p);
    }
    cr_assert(read_done(&r));
    buf_finish(&out);
    buf_u8(&text, 0);
    return n < 0 ? "failed" : (const char *)text.p;
}

static const char *row_text(const char *key) {
    static struct buf text;
    buf_clear(&text);
    int n = s->ops->get_row(s, hash64(slice_text(key)), slice_text(key), &text);
    buf_u8(&text, 0);
    return n < 0 ? "failed" : n == 0 ? "none" : (const char *)text.p;
}

static int flush_one(struct stored_row *r, const char *checkpoint) {
    int result = flush_rows(s, &r, 1, checkpoint);
    free(r);
    return result;
}

Test(store, blocks_of_an_origin_come_back_in_order_from_the_one_that_holds_the_number) {
    cr_assert_eq(put_block(us, 1, 3, "a", 0), 0);
    cr_assert_eq(put_block(eu, 1, 1, "other", 0), 0);
    cr_assert_eq(put_block(us, 4, 4, "b", 0), 0);
    cr_assert_eq(put_block(us, 5, 300, "c", 0), 0);
    for (int again = 0; again < 2; again++) {
        cr_assert_str_eq(log_text(us, 1, 1000), "a b c");
        cr_assert_str_eq(log_text(us, 3, 1000), "a b c");
        cr_assert_str_eq(log_text(us, 4, 1000), "b c");
        cr_assert_str_eq(log_text(us, 299, 1000), "c");
        cr_assert_str_eq(log_text(us, 1, 1), "a");
        cr_assert_str_eq(log_text(us, 301, 1000), "");
        cr_assert_str_eq(log_text(eu, 1, 1000), "other");
        open_again();
    }
}

Test(store, a_trimmed_block_is_gone_and_one_that_reaches_beyond_the_trim_stays) {
    put_block(us, 1, 10, "a", 0);
    put_block(us, 11, 20, "b", 0);
    cr_assert_eq(put_block(us, 21, 30, "c", 15), 0);
    for (int again = 0; again < 2; again++) {
        cr_assert_str_eq(log_text(us, 10, 1000), "");
        cr_assert_str_eq(log_text(us, 11, 1000), "b c");
        open_again();
    }
    put_block(us, 31, 31, "d", 30);
    put_block(us, 32, 32, "e", 0);
    cr_assert_str_eq(log_text(us, 30, 1000), "");
    cr_assert_str_eq(log_text(us, 31, 1000), "d e");
}

Test(store, a_log_trimmed_to_nothing_is_not_in_the_survey_until_it_grows_again) {
    struct buf out = {0};
    put_block(us, 1, 5, "a", 0);
    put_block(eu, 1, 2, "x", 0);
    struct log_trim trim = {us, 5};
    struct commit c = {.trims = &trim, .trims_count = 1};
    cr_assert_eq(s->ops->commit(s, &c, origins, true), 0);
    for (int again = 0; again < 2; again++) {
        buf_clear(&out);
        cr_assert_eq(s->ops->scan_log(s, &out), 1);
        struct reader r = reader_of(buf_slice_of(&out));
        struct slice name = read_slice(&r);
        struct reader n = reader_of(name);
        cr_assert_eq(origin_decode(&n, origins), eu);
        cr_assert(read_done(&n));
        cr_assert_eq(read_u64(&r), 1);
        cr_assert_eq(read_u64(&r), 2);
        cr_assert(read_done(&r));
        open_again();
    }
    put_block(us, 6, 9, "b", 0);
    buf_clear(&out);
    cr_assert_eq(s->ops->scan_log(s, &out), 2);
    cr_assert_str_eq(log_text(us, 6, 10), "b");
    buf_finish(&out);
}

Test(store, a_long_trim_goes_on_with_the_next_commits) {
    for (uint64_t n = 1; n <= 5000; n++) cr_assert_eq(commit_block(s, origins, us, n, n, slice_text("x"), 0, false), 0);
    put_block(us, 5001, 5001, "y", 4999);
    for (uint64_t n = 5002; n <= 5010; n++) put_block(us, n, n, "z", 0);
    cr_assert_str_eq(log_text(us, 4999, 1000), "");
    cr_assert_str_eq(log_text(us, 5000, 3), "x y");
    open_again();
    cr_assert_str_eq(log_text(us, 4999, 1000), "");
    cr_assert_str_eq(log_text(us, 5000, 3), "x y");
}

Test(store, meta_records_are_set_replaced_and_removed_by_name) {
    struct buf out = {0};
    struct named_record records[] = {{slice_text("term"), slice_text("1")}, {slice_text("vote"), slice_text("us-1")}};
    struct commit c = {.metas = records, .metas_count = 2};
    cr_assert_eq(s->ops->commit(s, &c, origins, true), 0);
    records[0].value = slice_text("2");
    records[1].value = (struct slice){0};
    cr_assert_eq(s->ops->commit(s, &c, origins, true), 0);
    open_again();
    cr_assert_eq(s->ops->get_meta(s, slice_text("term"), &out), 1);
    cr_assert(slice_is(buf_slice_of(&out), "2"));
    cr_assert_eq(s->ops->get_meta(s, slice_text("vote"), &out), 0);
    cr_assert_eq(s->ops->get_meta(s, slice_text("format"), &out), 0, "the store's own records are not the engine's");
    buf_finish(&out);
}

Test(store, the_journal_is_read_in_order_after_a_name) {
    struct named_record records[] = {{slice_text("c"), slice_text("3")}, {slice_text("a"), slice_text("1")}, {slice_text("b"), slice_text("2")}};
    struct commit c = {.losses = records, .losses_count = 3};
    cr_assert_eq(s->ops->commit(s, &c, origins, false), 0);
    struct buf out = {0};
    cr_assert_eq(s->ops->scan_losses(s, (struct slice){0}, 2, &out), 2);
    struct reader r = reader_of(buf_slice_of(&out));
    cr_assert(slice_is(read_slice(&r), "a"));
    cr_assert(slice_is(read_slice(&r), "1"));
    cr_assert(slice_is(read_slice(&r), "b"));
    buf_clear(&out);
    cr_assert_eq(s->ops->scan_losses(s, slice_text("b"), 10, &out), 1);
    r = reader_of(buf_slice_of(&out));
    cr_assert(slice_is(read_slice(&r), "c"));
    buf_finish(&out);
}

Test(store, a_flush_brings_rows_and_their_checkpoint_and_the_next_replaces_both) {
    struct buf out = {0};
    cr_assert_eq(s->ops->get_checkpoint(s, &out), 0);
    struct stored_row *rows[] = {row_make("k1", "one"), row_make("k2", "two"), row_make("k3", "three")};
    cr_assert_eq(flush_rows(s, rows, 3, "first"), 0);
    for (int i = 0; i < 3; i++) free(rows[i]);
    cr_assert_str_eq(row_text("k2"), "two");
    struct stored_row *next[] = {row_make("k2", NULL), row_make("k3", "3")};
    cr_assert_eq(flush_rows(s, next, 2, "second"), 0);
    for (int i = 0; i < 2; i++) free(next[i]);
    for (int again = 0; again < 2; again++) {
        cr_assert_str_eq(row_text("k1"), "one");
        cr_assert_str_eq(row_text("k2"), "none");
        cr_assert_str_eq(row_text("k3"), "3");
        cr_assert_str_eq(row_text("k4"), "none");
        buf_clear(&out);
        cr_assert_eq(s->ops->get_checkpoint(s, &out), 1);
        cr_assert(slice_is(buf_slice_of(&out), "second"));
        open_again();
    }
    buf_finish(&out);
}

#define MANY 20000
Test(store, a_scan_meets_every_row_once_in_order_of_hash) {
    static struct stored_row *rows[MANY];
    for (int i = 0; i < MANY; i++) {
        char key[20];
        snprintf(key, sizeof key, "key%d", i);
        rows[i] = row_make(key, key);
    }
    cr_assert_eq(flush_rows(s, rows, MANY, "c"), 0);
    for (int i = 1; i < MANY; i++) cr_assert_leq(rows[i - 1]->hash, rows[i]->hash);
    struct buf out = {0};
    uint64_t from = 0, latest = 0;
    int met = 0, more = 1;
    while (more) {
        buf_clear(&out);
        more = s->ops->scan_rows(s, from, 777, &out, &from);
        cr_assert_geq(more, 0, "%s", s->why);
        for (struct reader r = reader_of(buf_slice_of(&out)); r.p < r.end; met++) {
            uint64_t hash = read_u64(&r);
            struct slice key = read_slice(&r), value = read_slice(&r);
            cr_assert(slice_equal(key, value));
            cr_assert_eq(hash, hash64(key));
            cr_assert(met == 0 || hash > latest);
            latest = hash;
        }
    }
    cr_assert_eq(met, MANY);
    for (int i = 0; i < MANY; i++) free(rows[i]);
    buf_finish(&out);
}

Test(store, rows_of_one_hash_are_never_parted_by_a_scan) {
    struct stored_row *rows[] = {row_make("b", "2"), row_make("a", "1"), row_make("c", "3"), row_make("d", "4")};
    for (int i = 0; i < 3; i++) rows[i]->hash = 5;
    rows[3]->hash = 9;
    cr_assert_eq(flush_rows(s, rows, 4, "c"), 0);
    struct buf out = {0};
    uint64_t next = 0;
    cr_assert_eq(s->ops->scan_rows(s, 0, 1, &out, &next), 1);
    cr_assert_eq(next, 9);
    struct reader r = reader_of(buf_slice_of(&out));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(read_u64(&r), 5);
        cr_assert_eq(read_slice(&r).p[0], "abc"[i]);
        read_slice(&r);
    }
    cr_assert(read_done(&r));
    cr_assert_eq(s->ops->scan_rows(s, 10, 5, &out, &next), 0);
    for (int i = 0; i < 4; i++) free(rows[i]);
    buf_finish(&out);
}

static const char *tombstones_after(const char *after) {
    static struct buf text;
    struct buf out = {0};
    buf_clear(&text);
    int n = s->ops->scan_tombstones(s, slice_text(after), 10, &out);
    struct reader r = reader_of(buf_slice_of(&out));
    for (int i = 0; i < n; i++) {
        struct slice key = read_slice(&r);
        buf_put(&text, key.p, key.n);
    }
    buf_finish(&out);
    buf_u8(&text, 0);
    return n < 0 ? "failed" : (const char *)text.p;
}

static struct stored_row *tombstone_row(const char *key, const char *value, bool tombstone, bool indexed) {
    struct stored_row *r = row_make(key, value);
    r->facts.tombstone = tombstone;
    r->tombstone_indexed = indexed;
    return r;
}

Test(store, tombstones_are_found_until_a_row_is_none_any_more_or_is_gone) {
    flush_one(tombstone_row("a", "t", true, false), "1");
    flush_one(tombstone_row("b", "t", true, false), "2");
    flush_one(tombstone_row("c", "t", true, false), "3");
    flush_one(tombstone_row("d", "v", false, false), "4");
    cr_assert_str_eq(tombstones_after(""), "abc");
    cr_assert_str_eq(tombstones_after("a"), "bc");
    flush_one(tombstone_row("a", "v", false, true), "5");
    flush_one(tombstone_row("b", NULL, true, true), "6");
    open_again();
    cr_assert_str_eq(tombstones_after(""), "c");
}

static const char *expiries(uint64_t after, uint64_t upto, uint32_t most) {
    static struct buf text;
    struct buf out = {0};
    buf_clear(&text);
    int n = s->ops->scan_expiries(s, after, upto, most, &out);
    struct reader r = reader_of(buf_slice_of(&out));
    for (int i = 0; i < n; i++) {
        uint64_t ms = read_u64(&r);
        struct slice key = read_slice(&r);
        buf_printf(&text, "%.*s@%u ", (int)key.n, (const char *)key.p, (unsigned)ms);
    }
    buf_finish(&out);
    buf_u8(&text, 0);
    return n < 0 ? "failed" : (const char *)text.p;
}

static struct stored_row *expiring_row(const char *key, const char *value, uint64_t expires_ms, uint64_t indexed_ms) {
    struct stored_row *r = row_make(key, value);
    r->facts.expires_ms = expires_ms;
    r->expires_indexed_ms = indexed_ms;
    return r;
}

Test(store, expiries_are_found_in_order_and_go_when_they_change) {
    flush_one(expiring_row("a", "v", 300, 0), "1");
    flush_one(expiring_row("b", "v", 100, 0), "2");
    flush_one(expiring_row("c", "v", 200, 0), "3");
    flush_one(expiring_row("d", "v", 0, 0), "4");
    cr_assert_str_eq(expiries(0, 1000, 10), "b@100 c@200 a@300 ");
    cr_assert_str_eq(expiries(100, 299, 10), "c@200 ");
    cr_assert_str_eq(expiries(0, 1000, 2), "b@100 c@200 ");
    flush_one(expiring_row("b", "v", 400, 100), "5");
    flush_one(expiring_row("c", NULL, 200, 200), "6");
    flush_one(expiring_row("a", "w", 300, 300), "7");
    open_again();
    cr_assert_str_eq(expiries(0, 1000, 10), "a@300 b@400 ");
}

Test(store, commits_go_on_and_reads_show_the_state_before_while_a_flush_is_under_way) {
    static struct stored_row *rows[MANY];
    for (int i = 0; i < MANY; i++) {
        char key[20];
        snprintf(key, sizeof key, "key%d", i);
        rows[i] = row_make(key, "value");
    }
    struct flush_waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    struct flush f = {.rows = rows, .rows_count = MANY};
    buf_text(&f.checkpoint, "c");
    store_flush_start(s, &f, flush_waiter_done, &w);
    for (uint64_t n = 1; n <= 100; n++) {
        cr_assert_eq(commit_block(s, origins, us, n, n, slice_text("x"), 0, false), 0);
        const char *seen = row_text("key1");
        cr_assert(strcmp(seen, "none") == 0 || strcmp(seen, "value") == 0);
    }
    cr_assert_eq(flush_wait(&w), 0);
    cr_assert_str_eq(row_text("key1"), "value");
    for (int i = 0; i < MANY; i++) free(rows[i]);
    buf_finish(&f.checkpoint);
}

Test(store, a_second_process_is_told_that_the_directory_is_in_use) {
    int answer[2];
    cr_assert_eq(pipe(answer), 0);
    char self[64], target[64];
    snprintf(self, sizeof self, "/proc/self/exe");
    snprintf(target, sizeof target, "%d", answer[1]);
    pid_t child = fork();
    if (child == 0) {
        execl(STORE_CRASH, STORE_CRASH, "--open", dir, target, (char *)NULL);
        _exit(127);
    }
    close(answer[1]);
    char text[400] = {0};
    cr_assert_gt(read(answer[0], text, sizeof text - 1), 0);
    int status;
    waitpid(child, &status, 0);
    cr_assert_neq(strstr(text, "in use by another process"), NULL, "%s", text);
    cr_assert_neq(strstr(text, dir), NULL, "%s", text);
}

/* ---- damage ---- */
static void each_file(const char *part, const char *suffix, void (*do_it)(const char *path)) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, part);
    DIR *d = opendir(path);
    cr_assert_neq(d, NULL);
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name), m = strlen(suffix);
        if (n < m || strcmp(e->d_name + n - m, suffix) != 0) continue;
        snprintf(path, sizeof path, "%s/%s/%.200s", dir, part, e->d_name);
        do_it(path);
    }
    closedir(d);
}

static int damaged_files;
static const char *needle;

/* Flips one bit in the middle of the text. */
static void flip_bit(const char *path) {
    int fd = open(path, O_RDWR);
    struct stat st;
    fstat(fd, &st);
    char *bytes = xmalloc((size_t)st.st_size + 1);
    cr_assert_eq(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    char *at = memmem(bytes, (size_t)st.st_size, needle, strlen(needle));
    if (at) {
        at += strlen(needle) / 2;
        *at ^= 1;
        cr_assert_eq(pwrite(fd, at, 1, at - bytes), 1);
        damaged_files++;
    }
    free(bytes);
    close(fd);
}

Test(store, a_flipped_bit_in_a_row_is_met_and_said_and_ends_the_store) {
    needle = "a value that is long and quite unlike any other 0123456789";
    flush_one(row_make("k", needle), "1");
    store_close(s);
    s = NULL;
    each_file("rows.rocksdb", ".sst", flip_bit);
    cr_assert_gt(damaged_files, 0);
    struct buf why = {0};
    if (store_open(&s, dir, &options_of_tests, &why) == 0) {
        cr_assert_str_eq(row_text("k"), "failed");
        cr_assert_neq(strstr(s->why, dir), NULL, "%s", s->why);
        cr_assert_eq(put_block(us, 1, 1, "a", 0), STORE_FAILED);
    } else {
        cr_assert_gt(why.n, 0);
    }
    buf_finish(&why);
}

Test(store, a_flipped_bit_in_the_middle_of_the_log_is_damage_and_no_end_of_it) {
    needle = "block that was acknowledged long ago";
    put_block(us, 1, 1, "before", 0);
    put_block(us, 2, 2, needle, 0);
    for (uint64_t n = 3; n < 100; n++) put_block(us, n, n, "after", 0);
    store_close(s);
    s = NULL;
    each_file("log.rocksdb", ".log", flip_bit);
    each_file("log.rocksdb", ".sst", flip_bit);
    cr_assert_gt(damaged_files, 0);
    struct buf why = {0};
    if (store_open(&s, dir, &options_of_tests, &why) == 0)
        cr_assert_str_eq(log_text(us, 1, 10000), "failed");
    else
        cr_assert_gt(why.n, 0);
    buf_finish(&why);
}

Test(store, a_flipped_bit_where_the_latest_block_of_an_origin_lies_is_met_at_opening) {
    needle = "the latest block, which tells how far the log of its origin reaches";
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    for (uint64_t n = 1; n < 60; n++) put_block(us, n, n, large, 0);
    put_block(us, 60, 60, needle, 0);
    open_again(); /* what was in RocksDB's own log becomes a table */
    store_close(s);
    s = NULL;
    each_file("log.rocksdb", ".sst", flip_bit);
    cr_assert_gt(damaged_files, 0);
    struct buf why = {0};
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_DAMAGED);
    buf_finish(&why);
}

static void cut_tail(const char *path) {
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    if (st.st_size < 100) return;
    cr_assert_eq(truncate(path, st.st_size - 9), 0);
    damaged_files++;
}

Test(store, a_tail_torn_off_the_log_is_cut_at_the_last_whole_record) {
    for (uint64_t n = 1; n <= 20; n++) commit_block(s, origins, us, n, n, slice_text("block"), 0, true);
    char command[1200];
    snprintf(command, sizeof command, "cp -r '%s' '%s.crashed'", dir, dir); /* what a crash at this moment leaves */
    cr_assert_eq(system(command), 0);
    store_close(s);
    s = NULL;
    snprintf(command, sizeof command, "rm -rf '%s' && mv '%s.crashed' '%s'", dir, dir, dir);
    cr_assert_eq(system(command), 0);
    each_file("log.rocksdb", ".log", cut_tail);
    cr_assert_gt(damaged_files, 0);
    open_again();
    cr_assert_str_eq(log_text(us, 19, 1000), "block");
    cr_assert_str_eq(log_text(us, 20, 1000), "");
}

Test(store, a_tail_torn_off_the_log_of_a_store_that_was_closed_is_damage) {
    struct buf why = {0};
    for (uint64_t n = 1; n <= 20; n++) put_block(us, n, n, "block", 0);
    store_close(s);
    s = NULL;
    each_file("log.rocksdb", ".log", cut_tail);
    cr_assert_gt(damaged_files, 0);
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_DAMAGED);
    cr_assert_neq(memmem(why.p, why.n, "has lost its end", 16), NULL, "%.*s", (int)why.n, (char *)why.p);
    buf_finish(&why);
}

Test(store, a_log_that_is_gone_is_not_begun_anew_beside_its_rows) {
    struct buf why = {0};
    char command[600];
    flush_one(row_make("k", "v"), "c");
    store_close(s);
    s = NULL;
    snprintf(command, sizeof command, "rm -rf '%s/log.rocksdb'", dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_DAMAGED);
    buf_finish(&why);
}

Test(store, rows_and_log_of_different_stores_are_refused) {
    char other[256], command[1200];
    struct buf why = {0};
    put_block(us, 1, 1, "a", 0);
    store_close(s);
    s = NULL;
    directory_make(other, sizeof other);
    cr_assert_eq(store_open(&s, other, &options_of_tests, &why), 0);
    store_close(s);
    s = NULL;
    snprintf(command, sizeof command, "rm -rf '%s/rows.rocksdb' && cp -r '%s/rows.rocksdb' '%s/'", dir, other, dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_FAILED);
    cr_assert_neq(memmem(why.p, why.n, "do not belong together", 22), NULL);
    snprintf(command, sizeof command, "rm -rf '%s/rows.rocksdb'", dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_DAMAGED);
    directory_remove(other);
    buf_finish(&why);
}

Test(store, a_flush_of_which_a_part_is_missing_is_refused) {
    struct buf why = {0};
    char path[300], *message = NULL;
    flush_one(row_make("k", "v"), "c");
    store_close(s);
    s = NULL;
    snprintf(path, sizeof path, "%s/rows.rocksdb", dir);
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_t *db = rocksdb_open(o, path, &message);
    cr_assert_null(message);
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    rocksdb_delete(db, w, "sflush-ended", 12, &message);
    cr_assert_null(message);
    rocksdb_writeoptions_destroy(w);
    rocksdb_close(db);
    rocksdb_options_destroy(o);
    cr_assert_eq(store_open(&s, dir, &options_of_tests, &why), STORE_DAMAGED);
    cr_assert_neq(memmem(why.p, why.n, "flush 1 is not whole", 20), NULL, "%.*s", (int)why.n, (char *)why.p);
    buf_finish(&why);
}

Test(store, a_directory_that_cannot_be_made_is_named) {
    struct buf why = {0};
    struct store *none = NULL;
    cr_assert_eq(store_open(&none, "/proc/no/such", &options_of_tests, &why), STORE_FAILED);
    cr_assert_neq(memmem(why.p, why.n, "/proc/no/such", 13), NULL);
    buf_finish(&why);
}
