#include "disk_room.h"
#include "store_parts.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define STORE_FORMAT      "1"
#define ROWS_WRITE_BUFFER ((size_t)64 << 30) /* no limit: a flush is one memtable, however large */
#define LOG_BUFFER_MIN    ((size_t)4 << 20)
#define LOG_BUFFER_MAX    ((size_t)64 << 20)
#define WAL_BYTES_MIN     ((uint64_t)32 << 20)
#define CACHE_MIN         ((size_t)4 << 20)
#define ARENA_BLOCK       ((size_t)1 << 20)
#define ROWS_LEVELS       7
#define TABLE_BYTES       ((uint64_t)16 << 20) /* small, so that the filter and index of one do not take much of the cache */
#define BLOOM_BITS        10
#define INFO_LOGS_KEPT    2

static const struct store_ops operations = {
    .get_row = store_rows_get,
    .scan_rows = store_rows_scan,
    .scan_tombstones = store_rows_scan_tombstones,
    .scan_expiries = store_rows_scan_expiries,
    .read_log = store_log_read,
    .scan_log = store_log_scan,
    .get_meta = store_log_get_meta,
    .get_loss = store_log_get_loss,
    .scan_losses = store_log_scan_losses,
    .get_checkpoint = store_rows_get_checkpoint,
    .scan_metas = store_log_scan_metas,
    .scan_pointers = store_pointers_scan,
    .snapshot_take = store_snapshot_take,
    .snapshot_release = store_snapshot_release,
    .snapshot_get_row = store_snapshot_get_row,
    .snapshot_scan_rows = store_snapshot_scan_rows,
    .snapshot_scan_losses = store_snapshot_scan_losses,
    .commit = store_log_commit,
};

/* ---- failures ---- */
void name_print(struct slice name, char *out, size_t out_n) {
    size_t n = 0;
    for (size_t i = 0; i < name.n && i < 80 && n + 5 < out_n; i++) {
        bool plain = name.p[i] > ' ' && name.p[i] < 0x7f && name.p[i] != '\\';
        n += (size_t)snprintf(out + n, out_n - n, plain ? "%c" : "\\x%02x", name.p[i]);
    }
    out[n] = 0;
}

bool tells_damage(const char *rocksdb_message) { return strncmp(rocksdb_message, "Corruption", strlen("Corruption")) == 0; }

int store_fail(struct rocks_store *s, const char *what, char *rocksdb_message) {
    s->failed = true;
    *(tells_damage(rocksdb_message) ? &s->base.damaged : &s->base.broken) = true;
    snprintf(s->base.why, sizeof s->base.why, "%s: %s: %s", s->dir, what, rocksdb_message);
    rocksdb_free(rocksdb_message);
    return STORE_FAILED;
}

int store_damaged(struct rocks_store *s, const char *what, struct slice name) {
    char text[400];
    s->failed = s->base.damaged = true;
    name_print(name, text, sizeof text);
    snprintf(s->base.why, sizeof s->base.why, "%s: %s: record %s is damaged: its checksum does not match", s->dir, what, text);
    return STORE_FAILED;
}

int iterator_end(struct rocks_store *s, rocksdb_iterator_t *i, const char *what) {
    char *message = NULL;
    rocksdb_iter_get_error(i, &message);
    rocksdb_iter_destroy(i);
    return message ? store_fail(s, what, message) : 0;
}

/* ---- opening ---- */
static size_t between(size_t v, size_t least, size_t most) { return v < least ? least : v > most ? most : v; }

/* One shard: by default a small cache is cut into shards that are smaller than a filter, which then is read anew each time. */
static rocksdb_cache_t *make_cache(size_t bytes) {
    rocksdb_lru_cache_options_t *o = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(o, bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(o, 0);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(o);
    rocksdb_lru_cache_options_destroy(o);
    return cache;
}

static rocksdb_options_t *options_common(void) {
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOGS_KEPT);
    rocksdb_options_set_max_log_file_size(o, 1 << 20);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_max_manifest_file_size(o, 16 << 20);
    rocksdb_options_set_bytes_per_sync(o, 1 << 20); /* files go out while they are written, not all at once at their end */
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, atoi(LEVEL0_FILES));
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_target_file_size_base(o, TABLE_BYTES);
    rocksdb_options_set_max_open_files(o, 4096);
    rocksdb_options_set_arena_block_size(o, ARENA_BLOCK);
    return o;
}

static void options_table(rocksdb_options_t *o, rocksdb_cache_t *cache, bool bloom, size_t block_bytes) {
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(t, cache);
    rocksdb_block_based_options_set_block_size(t, block_bytes);
    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    if (bloom) rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
}

static size_t log_buffer_bytes(const struct store_options *so) { return between(so->memory_bytes / 4, LOG_BUFFER_MIN, LOG_BUFFER_MAX); }

static rocksdb_options_t *options_log(const struct store_options *so, rocksdb_cache_t *cache, enum log_family family) {
    rocksdb_options_t *o = options_common();
    /* a record torn at the end of the log was never synced and is cut off; anything else that does not match is damage, and said */
    rocksdb_options_set_wal_recovery_mode(o, rocksdb_tolerate_corrupted_tail_records_recovery);
    uint64_t wal_bytes = so->log_bytes_max / 4;
    rocksdb_options_set_max_total_wal_size(o, wal_bytes < WAL_BYTES_MIN ? WAL_BYTES_MIN : wal_bytes);
    rocksdb_options_set_write_buffer_size(o, family == FAMILY_LOG ? log_buffer_bytes(so) : LOG_BUFFER_MIN);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(o, 0); /* a commit never waits for compaction of what is trimmed soon */
    rocksdb_options_set_hard_pending_compaction_bytes_limit(o, 0);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 1 << 20);
    rocksdb_options_set_level0_stop_writes_trigger(o, 1 << 20);
    if (family == FAMILY_LOG) rocksdb_options_set_compression(o, rocksdb_no_compression); /* mostly trimmed before long */
    options_table(o, cache, family == FAMILY_META, family == FAMILY_LOG ? 64 << 10 : 4 << 10);
    return o;
}

static rocksdb_options_t *options_rows(rocksdb_cache_t *cache) {
    rocksdb_options_t *o = options_common();
    rocksdb_options_set_write_buffer_size(o, ROWS_WRITE_BUFFER);
    rocksdb_options_set_max_write_buffer_number(o, 2);
    rocksdb_options_set_max_bytes_for_level_base(o, 16 * TABLE_BYTES);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 24);
    rocksdb_options_set_level0_stop_writes_trigger(o, 40);
    int compression[ROWS_LEVELS] = {rocksdb_no_compression}; /* of what is merged soon */
    for (int level = 1; level < ROWS_LEVELS; level++) compression[level] = rocksdb_lz4_compression;
    rocksdb_options_set_compression_per_level(o, compression, ROWS_LEVELS);
    options_table(o, cache, true, 4 << 10);
    return o;
}

/* RocksDB's own words for a lock held are about a file; the reader wants to hear about the directory. */
static void open_failed(struct rocks_store *s, const char *path, char *message, struct buf *why) {
    const char *dir = s->dir;
    s->base.damaged = tells_damage(message) || strstr(message, "No such file"); /* a file of its own, which others of its files name */
    if (strstr(message, "lock") && (strstr(message, "LOCK") || strstr(message, "lock hold")))
        buf_printf(why, "%s: the directory is in use by another process", dir);
    else
        buf_printf(why, "%s: %s", path, message);
    rocksdb_free(message);
}

static bool open_log(struct rocks_store *s, const struct store_options *so, struct buf *why) {
    static const char *const names[FAMILIES] = {"default", "log", "conflicts", "meta"};
    struct buf path = {0};
    rocksdb_options_t *family_options[FAMILIES];
    for (int i = 0; i < FAMILIES; i++) family_options[i] = options_log(so, s->cache, (enum log_family)i);
    buf_printf(&path, "%s/log.rocksdb", s->dir);
    buf_u8(&path, 0);
    char *message = NULL;
    s->log = rocksdb_open_column_families(family_options[0], (const char *)path.p, FAMILIES, names, (const rocksdb_options_t *const *)family_options,
                                          s->families, &message);
    if (message) {
        open_failed(s, (const char *)path.p, message, why);
        s->log = NULL;
    }
    for (int i = 0; i < FAMILIES; i++) rocksdb_options_destroy(family_options[i]);
    buf_finish(&path);
    return s->log != NULL;
}

static bool open_rows(struct rocks_store *s, struct buf *why) {
    struct buf path = {0};
    rocksdb_options_t *o = options_rows(s->cache);
    buf_printf(&path, "%s/rows.rocksdb", s->dir);
    buf_u8(&path, 0);
    char *message = NULL;
    s->rows = rocksdb_open(o, (const char *)path.p, &message);
    if (message) {
        open_failed(s, (const char *)path.p, message, why);
        s->rows = NULL;
    }
    rocksdb_options_destroy(o);
    buf_finish(&path);
    return s->rows != NULL;
}

static void make_options(struct rocks_store *s) {
    s->read = rocksdb_readoptions_create();
    s->read_row = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(s->read_row, 2); /* persisted: rows of a flush under way are the engine's to know */
    s->read_once = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(s->read_once, 0);
    s->write = rocksdb_writeoptions_create();
    s->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write_synced, 1);
    s->write_rows = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(s->write_rows, 1);
}

/* A new store gets its format and an identity that ties both databases together: the rows first, so that a log with a format has its rows. */
static int format_make(struct rocks_store *s) {
    uint8_t id[16];
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id) {
        snprintf(s->base.why, sizeof s->base.why, "%s: no random numbers: %s", s->dir, strerror(errno));
        return STORE_FAILED;
    }
    if (store_rows_put_own(s, "format", slice_text(STORE_FORMAT)) < 0 || store_rows_put_own(s, "id", SLICE(id, sizeof id)) < 0) return STORE_FAILED;
    return store_meta_put_own(s, "id", SLICE(id, sizeof id)) < 0 || store_meta_put_own(s, "format", slice_text(STORE_FORMAT)) < 0 ? STORE_FAILED : 0;
}

static int format_check(struct rocks_store *s) {
    struct buf log_format = {0}, rows_format = {0}, log_id = {0}, rows_id = {0}, checkpoint = {0};
    int in_log = store_meta_get_own(s, "format", &log_format), in_rows = store_rows_get_own(s, "format", &rows_format), result = 0;
    if (in_log < 0 || in_rows < 0 || store_meta_get_own(s, "id", &log_id) < 0 || store_rows_get_own(s, "id", &rows_id) < 0) {
        result = STORE_FAILED;
    } else if (in_log == 0 && s->logs_count == 0 && store_rows_get_checkpoint(&s->base, &checkpoint) == 0) {
        result = format_make(s);
    } else if (in_log == 0 || in_rows == 0) {
        s->base.damaged = in_log != in_rows;
        snprintf(s->base.why, sizeof s->base.why, "%s: %s holds no format record: this is no store, or a part of one", s->dir,
                 in_log ? "rows" : "log");
        result = STORE_FAILED;
    } else if (!slice_is(buf_slice_of(&log_format), STORE_FORMAT) || !slice_is(buf_slice_of(&rows_format), STORE_FORMAT)) {
        snprintf(s->base.why, sizeof s->base.why, "%s: written in format \"%.*s\"; this program knows " STORE_FORMAT " alone", s->dir,
                 log_format.n < 32 ? (int)log_format.n : 32, (const char *)log_format.p);
        result = STORE_FAILED;
    } else if (!slice_equal(buf_slice_of(&log_id), buf_slice_of(&rows_id))) {
        snprintf(s->base.why, sizeof s->base.why, "%s: log and rows do not belong together", s->dir);
        result = STORE_FAILED;
    }
    buf_finish(&checkpoint);
    buf_finish(&log_format);
    buf_finish(&rows_format);
    buf_finish(&log_id);
    buf_finish(&rows_id);
    return result;
}

static bool thread_start(struct rocks_store *s, struct buf *why) {
    int error = pthread_create(&s->thread, NULL, store_rows_flush_thread, s);
    if (error) buf_printf(why, "%s: no thread for flushes: %s", s->dir, strerror(error));
    s->thread_runs = error == 0;
    return error == 0;
}

static bool has_room(const char *dir, struct buf *why) {
    uint64_t free_bytes = disk_free_bytes(dir);
    if (free_bytes >= DISK_ROOM_MIN) return true; /* RocksDB aborts when it cannot write what it opens */
    buf_printf(why, "%s: the disk is full: %llu KiB are free, and opening the data needs %llu", dir, (unsigned long long)(free_bytes >> 10),
               (unsigned long long)(DISK_ROOM_MIN >> 10));
    return false;
}

int store_open(struct store **ret, const char *dir, const struct store_options *o, struct buf *why) {
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(why, "%s: the directory cannot be made: %s", dir, strerror(errno));
        return STORE_FAILED;
    }
    if (!has_room(dir, why)) return STORE_FAILED;
    struct rocks_store *s = xcalloc(1, sizeof *s);
    s->base.ops = &operations;
    s->dir = xstrdup(dir);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &clock);
    pthread_condattr_destroy(&clock);
    s->spare_bytes = 2 * log_buffer_bytes(o);
    s->cache = make_cache(between(o->memory_bytes / 4, CACHE_MIN, SIZE_MAX));
    s->batch = rocksdb_writebatch_create();
    make_options(s);
    bool good = open_log(s, o, why) && open_rows(s, why);
    if (good && (store_log_survey(s) < 0 || format_check(s) < 0 || store_rows_check(s) < 0)) {
        buf_text(why, s->base.why);
        good = false;
    }
    if (!good || !thread_start(s, why)) {
        int result = s->base.damaged ? STORE_DAMAGED : STORE_FAILED;
        s->failed = true;
        store_close(&s->base);
        return result;
    }
    *ret = &s->base;
    return 0;
}

void store_close(struct store *store) {
    if (store == NULL) return;
    struct rocks_store *s = rocks_store_of(store);
    if (s->thread_runs) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    char *message = NULL;
    if (s->log && !s->failed) rocksdb_flush_wal(s->log, 1, &message);
    if (s->log && !s->failed && !message) store_rows_mark_log(s);
    rocksdb_free(message);
    store_snapshots_close(s);
    for (int i = 0; i < FAMILIES; i++)
        if (s->log) rocksdb_column_family_handle_destroy(s->families[i]);
    if (s->log) rocksdb_close(s->log);
    if (s->rows) rocksdb_close(s->rows);
    rocksdb_writebatch_destroy(s->batch);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_readoptions_destroy(s->read_row);
    rocksdb_readoptions_destroy(s->read_once);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_writeoptions_destroy(s->write_synced);
    rocksdb_writeoptions_destroy(s->write_rows);
    rocksdb_cache_destroy(s->cache);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    buf_finish(&s->name);
    buf_finish(&s->value);
    free(s->logs);
    free(s->dir);
    free(s);
}

uint64_t store_spare_bytes(const struct store *s) { return ((const struct rocks_store *)s)->spare_bytes; }
bool store_waits_for_room(struct store *s) { return atomic_load(&rocks_store_of(s)->waits_for_room); }

bool store_takes_writes(struct store *store) {
    struct rocks_store *s = rocks_store_of(store);
    char *message = store_meta_try(s, "room", slice_text("tried"));
    if (!message) return true;
    snprintf(s->base.why, sizeof s->base.why, "%s: %s", s->dir, message);
    rocksdb_free(message);
    return false;
}

void store_flush_start(struct store *store, struct flush *f, store_done_fn *done, void *arg) {
    struct rocks_store *s = rocks_store_of(store);
    if (f->snapshot) store_snapshot_begin(s);
    pthread_mutex_lock(&s->lock);
    assert(s->flush == NULL && !s->stop);
    s->flush = f;
    s->done = done;
    s->done_arg = arg;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}
