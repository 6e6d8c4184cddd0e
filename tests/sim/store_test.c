#include "../../dc-node/sim/store.h"
#include "../schemas/help.h"

TestSuite(store);

struct fixture {
    struct sim_store *sim;
    struct store *s;
    struct origins *t;
    origin_ref us, eu;
    struct prng prng;
};
static struct fixture fixture(uint64_t seed) {
    struct fixture f = {.sim = sim_store_create(), .t = origins_create()};
    f.s = sim_store_base(f.sim);
    f.us = origin_named(f.t, "us", 1, 1);
    f.eu = origin_named(f.t, "eu", 1, 2);
    prng_seed(&f.prng, seed);
    return f;
}
static void finish(struct fixture *f) {
    sim_store_destroy(f->sim);
    origins_destroy(f->t);
}

static int commit_block(struct fixture *f, origin_ref o, uint64_t first, uint64_t last, bool sync) {
    char text[32];
    snprintf(text, sizeof text, "%u:%llu", o, (unsigned long long)first);
    struct log_block block = {o, first, last, slice_text(text)};
    struct commit c = {.blocks = &block, .blocks_count = 1};
    return f->s->ops->commit(f->s, &c, f->t, sync);
}

static int commit_meta(struct fixture *f, const char *name, const char *value, bool sync) {
    struct named_record r = {slice_text(name), slice_text(value)};
    struct commit c = {.metas = &r, .metas_count = 1};
    return f->s->ops->commit(f->s, &c, f->t, sync);
}

static void trim(struct fixture *f, origin_ref o, uint64_t upto) {
    struct log_trim t = {o, upto};
    struct commit c = {.trims = &t, .trims_count = 1};
    cr_assert_eq(f->s->ops->commit(f->s, &c, f->t, false), 0);
}

/* The blocks from a number on, as one text. */
static const char *log_from(struct fixture *f, origin_ref o, uint64_t from, size_t bytes_max) {
    static char text[256];
    struct buf out = {0};
    int n = f->s->ops->read_log(f->s, origins_get(f->t, o), from, bytes_max, &out);
    struct reader r = reader_of(buf_slice_of(&out));
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++) {
        struct slice block = read_slice(&r);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i > 0 ? " " : "", (int)block.n, (const char *)block.p);
    }
    cr_assert(read_done(&r));
    buf_finish(&out);
    return text;
}

static const char *meta(struct fixture *f, const char *name) {
    static char text[64];
    struct buf out = {0};
    int found = f->s->ops->get_meta(f->s, slice_text(name), &out);
    snprintf(text, sizeof text, "%.*s", (int)out.n, found ? (const char *)out.p : "");
    buf_finish(&out);
    return text;
}

static struct stored_row *row(const char *key, const char *value, uint64_t expires_ms, bool tombstone) {
    size_t k = strlen(key), v = strlen(value);
    struct stored_row *r = xcalloc(1, sizeof *r + k + v);
    r->hash = hash64(slice_text(key));
    r->key_bytes = (uint32_t)k;
    r->row_bytes = (uint32_t)v;
    r->facts.expires_ms = expires_ms;
    r->facts.tombstone = tombstone;
    memcpy(r->bytes, key, k);
    memcpy(r->bytes + k, value, v);
    return r;
}

/* Takes the rows. */
static void flush_begin(struct fixture *f, struct stored_row **rows, size_t n, const char *checkpoint) {
    struct flush flush = {.rows = rows, .rows_count = n};
    buf_text(&flush.checkpoint, checkpoint);
    sim_store_flush_begin(f->sim, &flush);
    buf_finish(&flush.checkpoint);
    for (size_t i = 0; i < n; i++) free(rows[i]);
}

static const char *row_of(struct fixture *f, const char *key) {
    static char text[64];
    struct buf out = {0};
    int found = f->s->ops->get_row(f->s, hash64(slice_text(key)), slice_text(key), &out);
    cr_assert_eq(found, out.n > 0);
    snprintf(text, sizeof text, "%.*s", (int)out.n, found ? (const char *)out.p : "");
    buf_finish(&out);
    return text;
}

static bool has_checkpoint(struct fixture *f, const char *text) {
    struct buf out = {0};
    int found = f->s->ops->get_checkpoint(f->s, &out);
    bool same = found && slice_equal(buf_slice_of(&out), slice_text(text));
    buf_finish(&out);
    return same;
}

/* ---- reads ---- */

Test(store, the_log_gives_blocks_from_the_one_that_holds_a_number) {
    struct fixture f = fixture(1);
    commit_block(&f, f.us, 1, 3, true);
    commit_block(&f, f.us, 4, 4, true);
    commit_block(&f, f.us, 5, 9, true);
    commit_block(&f, f.eu, 1, 1, true);
    cr_assert_str_eq(log_from(&f, f.us, 1, 1000), "0:1 0:4 0:5");
    cr_assert_str_eq(log_from(&f, f.us, 3, 1000), "0:1 0:4 0:5");
    cr_assert_str_eq(log_from(&f, f.us, 4, 1), "0:4", "at least one block");
    cr_assert_str_eq(log_from(&f, f.us, 4, 6), "0:4 0:5");
    cr_assert_str_eq(log_from(&f, f.us, 10, 1000), "", "number 10 is not in the log");
    trim(&f, f.us, 4);
    cr_assert_str_eq(log_from(&f, f.us, 4, 1000), "", "trimmed");
    cr_assert_str_eq(log_from(&f, f.us, 6, 1000), "0:5");
    trim(&f, f.us, 8);
    cr_assert_str_eq(log_from(&f, f.us, 9, 1000), "0:5", "its last number is above what may go");
    struct buf out = {0};
    cr_assert_eq(f.s->ops->scan_log(f.s, &out), 2);
    struct reader r = reader_of(buf_slice_of(&out));
    struct reader name = reader_of(read_slice(&r));
    cr_assert_eq(origin_decode(&name, f.t), f.eu, "in canonical order");
    cr_assert_eq(read_u64(&r), 1);
    cr_assert_eq(read_u64(&r), 1);
    read_slice(&r);
    cr_assert_eq(read_u64(&r), 5);
    cr_assert_eq(read_u64(&r), 9);
    cr_assert(read_done(&r));
    buf_finish(&out);
    finish(&f);
}

Test(store, rows_are_scanned_by_hash_and_a_scan_goes_on_where_it_stopped) {
    struct fixture f = fixture(1);
    struct stored_row *rows[100];
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        rows[i] = row(key, "v", 0, false);
    }
    flush_begin(&f, rows, 100, "c");
    sim_store_flush_end(f.sim);
    uint64_t from = 0, last = 0, seen = 0;
    for (int more = 1; more;) {
        struct buf out = {0};
        more = f.s->ops->scan_rows(f.s, from, 7, &out, &from);
        struct reader r = reader_of(buf_slice_of(&out));
        while (r.p < r.end) {
            uint64_t hash = read_u64(&r);
            struct slice key = read_slice(&r);
            read_slice(&r);
            cr_assert_eq(hash, hash64(key));
            cr_assert(seen == 0 || hash > last, "each once, in order");
            last = hash;
            seen++;
        }
        cr_assert(!r.bad);
        buf_finish(&out);
    }
    cr_assert_eq(seen, 100);
    finish(&f);
}

Test(store, tombstones_and_expiries_are_found_by_their_index) {
    struct fixture f = fixture(1);
    flush_begin(&f, (struct stored_row *[]){row("a", "x", 0, true), row("b", "x", 500, false), row("c", "x", 900, false)}, 3, "1");
    sim_store_flush_end(f.sim);
    struct buf out = {0};
    cr_assert_eq(f.s->ops->scan_tombstones(f.s, SLICE("", 0), 10, &out), 1);
    cr_assert_eq(f.s->ops->scan_tombstones(f.s, slice_text("a"), 10, &out), 0, "after that key");
    buf_clear(&out);
    cr_assert_eq(f.s->ops->scan_expiries(f.s, 0, 500, 10, &out), 1);
    cr_assert_eq(f.s->ops->scan_expiries(f.s, 500, 900, 10, &out), 1);
    struct reader r = reader_of(buf_slice_of(&out));
    cr_assert_eq(read_u64(&r), 500);
    cr_assert(slice_equal(read_slice(&r), slice_text("b")));
    cr_assert_eq(read_u64(&r), 900);
    flush_begin(&f, (struct stored_row *[]){row("a", "y", 0, false), row("b", "", 0, false)}, 2, "2");
    sim_store_flush_end(f.sim);
    cr_assert_eq(f.s->ops->scan_tombstones(f.s, SLICE("", 0), 10, &out), 0);
    cr_assert_str_eq(row_of(&f, "a"), "y");
    cr_assert_str_eq(row_of(&f, "b"), "", "an empty row is none");
    buf_finish(&out);
    finish(&f);
}

/* ---- crashes ---- */

Test(store, the_death_of_the_process_loses_no_commit) {
    struct fixture f = fixture(1);
    for (uint64_t n = 1; n <= 20; n++) commit_block(&f, f.us, n, n, false);
    sim_store_crash(f.sim, CRASH_PROCESS, &f.prng);
    cr_assert_eq(sim_store_commits(f.sim), 20);
    cr_assert_str_eq(log_from(&f, f.us, 20, 1), "0:20");
    finish(&f);
}

Test(store, a_power_cut_keeps_a_prefix_of_the_commits_and_all_that_was_synced) {
    bool kept[21] = {0};
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fixture f = fixture(seed);
        for (uint64_t n = 1; n <= 20; n++) {
            commit_block(&f, f.us, n, n, n == 10);
            char text[8];
            snprintf(text, sizeof text, "%llu", (unsigned long long)n);
            commit_meta(&f, "n", text, false);
            if (n == 15) trim(&f, f.us, 12);
        }
        sim_store_crash(f.sim, CRASH_MACHINE, &f.prng);
        uint64_t last = 20;
        while (log_from(&f, f.us, last, 1)[0] == 0) last--;
        cr_assert(last >= 10, "number 10 was synced");
        unsigned long long noted = strtoull(meta(&f, "n"), NULL, 10);
        cr_assert(noted == last || noted == last - 1, "a commit is there as a whole, and none without those before it");
        bool trimmed = log_from(&f, f.us, 5, 1)[0] == 0;
        cr_assert(trimmed ? noted >= 15 : last <= 15, "the trim came after number 15 and before number 16");
        kept[last] = true;
        finish(&f);
    }
    for (int n = 10; n <= 20; n++) cr_assert(kept[n], "no seed keeps exactly %d", n);
}

Test(store, a_flush_under_way_is_there_as_a_whole_or_not_at_all) {
    bool there[2] = {0};
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fixture f = fixture(seed);
        flush_begin(&f, (struct stored_row *[]){row("a", "old", 0, false)}, 1, "before");
        sim_store_flush_end(f.sim);
        commit_block(&f, f.us, 1, 1, false);
        flush_begin(&f, (struct stored_row *[]){row("a", "new", 0, false), row("b", "new", 0, false)}, 2, "after");
        commit_block(&f, f.us, 2, 2, false);
        cr_assert_str_eq(row_of(&f, "a"), "old", "nothing is seen of it yet");
        sim_store_crash(f.sim, CRASH_MACHINE, &f.prng);
        bool whole = has_checkpoint(&f, "after");
        there[whole] = true;
        cr_assert_eq(has_checkpoint(&f, "before"), !whole);
        cr_assert_str_eq(row_of(&f, "a"), whole ? "new" : "old");
        cr_assert_str_eq(row_of(&f, "b"), whole ? "new" : "");
        if (whole) cr_assert_str_eq(log_from(&f, f.us, 1, 1), "0:1", "what was committed before it began is durable with it");
        cr_assert(!sim_store_flushing(f.sim));
        finish(&f);
    }
    cr_assert(there[0] && there[1], "both must happen");
}

Test(store, what_a_finished_flush_holds_survives_a_power_cut) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fixture f = fixture(seed);
        commit_block(&f, f.us, 1, 1, false);
        flush_begin(&f, (struct stored_row *[]){row("a", "x", 0, false)}, 1, "c");
        sim_store_flush_end(f.sim);
        sim_store_crash(f.sim, CRASH_MACHINE, &f.prng);
        cr_assert(has_checkpoint(&f, "c"));
        cr_assert_str_eq(row_of(&f, "a"), "x");
        cr_assert_str_eq(log_from(&f, f.us, 1, 1), "0:1");
        finish(&f);
    }
}

Test(store, a_failing_disk_fails_every_commit_until_the_restart) {
    struct fixture f = fixture(1);
    sim_store_fail_commits(f.sim, 2, true);
    cr_assert_eq(commit_meta(&f, "x", "1", true), 0);
    cr_assert_eq(commit_meta(&f, "x", "2", true), STORE_FAILED);
    cr_assert(f.s->why[0] != 0);
    cr_assert_eq(commit_meta(&f, "x", "3", true), STORE_FAILED);
    sim_store_crash(f.sim, CRASH_PROCESS, &f.prng);
    cr_assert_str_eq(meta(&f, "x"), "2", "the write that failed may be there afterwards");
    cr_assert_eq(commit_meta(&f, "x", "4", true), 0);
    finish(&f);
}

/* ---- copies, full disks, damage ---- */

Test(store, a_copy_has_what_was_committed_and_goes_its_own_way) {
    struct fixture f = fixture(1);
    commit_block(&f, f.us, 1, 3, false);
    commit_meta(&f, "a", "1", false);
    struct stored_row *r = row("k", "v", 0, false), *later = row("l", "w", 0, false);
    flush_begin(&f, &r, 1, "first");
    sim_store_flush_end(f.sim);
    flush_begin(&f, &later, 1, "second"); /* under way: no part of it */
    struct fixture copy = f;
    copy.sim = sim_store_copy(f.sim);
    copy.s = sim_store_base(copy.sim);
    sim_store_flush_end(f.sim);
    commit_meta(&f, "a", "2", false);
    sim_store_crash(copy.sim, CRASH_MACHINE, &f.prng);
    cr_assert_str_eq(meta(&copy, "a"), "1");
    cr_assert_str_eq(meta(&f, "a"), "2");
    cr_assert_str_eq(log_from(&copy, f.us, 1, 1000), "0:1");
    cr_assert_str_eq(row_of(&copy, "k"), "v");
    cr_assert_str_eq(row_of(&copy, "l"), "");
    cr_assert_str_eq(row_of(&f, "l"), "w");
    cr_assert(has_checkpoint(&copy, "first"));
    sim_store_destroy(copy.sim);
    finish(&f);
}

Test(store, a_full_disk_takes_nothing_and_goes_on_when_there_is_room) {
    struct fixture f = fixture(1);
    sim_store_fill(f.sim, ROOM_NONE);
    cr_assert_eq(commit_meta(&f, "a", "1", true), STORE_FAILED);
    cr_assert(strstr(f.s->why, "space"));
    sim_store_crash(f.sim, CRASH_PROCESS, &f.prng);
    cr_assert_eq(commit_meta(&f, "a", "1", true), STORE_FAILED);
    sim_store_fill(f.sim, ROOM_ENOUGH);
    cr_assert_str_eq(meta(&f, "a"), "");
    cr_assert_eq(commit_meta(&f, "a", "1", true), 0);
    cr_assert_str_eq(meta(&f, "a"), "1");
    finish(&f);
}

Test(store, damage_is_found_by_the_read_that_meets_it_and_stays) {
    struct fixture f = fixture(1);
    struct buf out = {0};
    commit_meta(&f, "a", "1", true);
    sim_store_damage(f.sim, 2);
    cr_assert_str_eq(meta(&f, "a"), "1");
    cr_assert_not(sim_store_damaged(f.sim));
    cr_assert_eq(f.s->ops->get_meta(f.s, slice_text("a"), &out), STORE_FAILED);
    cr_assert(sim_store_damaged(f.sim));
    sim_store_crash(f.sim, CRASH_PROCESS, &f.prng);
    cr_assert_eq(f.s->ops->scan_log(f.s, &out), STORE_FAILED);
    cr_assert_eq(out.n, 0);
    finish(&f);
}

Test(store, a_disk_with_little_room_takes_no_blocks_and_all_the_rest) {
    struct fixture f = fixture(1);
    cr_assert_eq(commit_block(&f, f.us, 1, 1, true), 0);
    sim_store_fill(f.sim, ROOM_LOW);
    cr_assert_eq(commit_block(&f, f.us, 2, 2, true), STORE_FAILED);
    cr_assert_eq(commit_meta(&f, "a", "1", true), 0);
    trim(&f, f.us, 1);
    cr_assert_str_eq(log_from(&f, f.us, 1, 1000), "");
    finish(&f);
}
