/* The store's insides, shared by store.c, store_log.c and store_rows.c; nobody else includes it. */
#pragma once
#include "../../schemas/origin.h"
#include "store.h"
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#define LEVEL0_FILES "8" /* each merge rewrites much of what lies below: a few flushes are left unmerged, reads pass them by their filters */

/* dc, 0, node, incarnation: most significant byte first. The first number follows. */
#define LOG_PREFIX_MAX (NAME_LEN_MAX + 1 + 2 + 8)

/* What is known of one origin's part of the log. */
struct log_state {
    struct origin origin;
    uint8_t prefix[LOG_PREFIX_MAX];
    size_t prefix_n;
    uint64_t lowest; /* first number of the lowest block kept: nothing looks below it, where deleted blocks lie */
    uint64_t last;   /* 0: no block */
    uint64_t trim_upto;
};

enum log_family { FAMILY_DEFAULT, FAMILY_LOG, FAMILY_CONFLICTS, FAMILY_META, FAMILIES };

struct rocks_store {
    struct store base;
    char *dir;
    bool failed;

    rocksdb_t *log, *rows;
    rocksdb_column_family_handle_t *families[FAMILIES];
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read, *read_row, *read_once;
    rocksdb_writeoptions_t *write, *write_synced, *write_rows;

    /* the engine's thread alone */
    rocksdb_writebatch_t *batch;
    struct log_state *logs;
    uint32_t logs_count, logs_cap, logs_latest;
    struct buf name, value; /* scratch */

    /* the flush thread */
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    struct flush *flush; /* NULL: none is under way */
    store_done_fn *done;
    void *done_arg;
    uint64_t flushes;                                      /* so far, over all runs */
    uint64_t flushed_bytes;                                /* since all was merged */
    uint64_t log_marked;                                   /* how far the log reached at the latest mark among the rows */
    struct store_snapshot *snapshot_begun, *snapshot_made; /* of a flush under way; of one that has ended */
    bool eager;                                            /* files are merged at once */
    char flush_why[sizeof((struct store *)0)->why];
    _Atomic bool waits_for_room;
    uint64_t spare_bytes;
};
static inline struct rocks_store *rocks_store_of(struct store *s) { return (struct rocks_store *)s; }

/* Takes over RocksDB's message; STORE_FAILED. From then on every call fails. */
int store_fail(struct rocks_store *s, const char *what, char *rocksdb_message);
/* Whether RocksDB's message says that what it read is not what it wrote. */
bool tells_damage(const char *rocksdb_message);
/* A record of ours does not match its checksum. */
int store_damaged(struct rocks_store *s, const char *what, struct slice name);
/* Unprintable bytes as \xNN, at most 80 bytes of it. */
void name_print(struct slice name, char *out, size_t out_n);
/* The iterator met an error, or 0. Destroys it. */
int iterator_end(struct rocks_store *s, rocksdb_iterator_t *i, const char *what);

static inline void put_u64_be(uint8_t *p, uint64_t v) {
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> (56 - 8 * i));
}
static inline uint64_t get_u64_be(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    return v;
}

/* ---- store_log.c ---- */
int store_log_commit(struct store *s, const struct commit *c, const struct origins *t, bool sync);
int store_log_read(struct store *s, const struct origin *o, uint64_t from, size_t bytes_max, struct buf *out);
int store_log_scan(struct store *s, struct buf *out);
int store_log_scan_losses(struct store *s, struct slice after, uint32_t records_max, struct buf *out);
int store_log_scan_losses_with(struct store *store, const rocksdb_readoptions_t *how, struct slice after, uint32_t records_max, struct buf *out);
int store_log_scan_metas(struct store *s, struct slice prefix, struct slice after, size_t bytes_max, struct buf *out);
int store_log_get_meta(struct store *s, struct slice name, struct buf *out);
int store_log_get_loss(struct store *s, struct slice name, struct buf *out);
/* At opening: which origins there are. */
int store_log_survey(struct rocks_store *s);
/* Own records beside the engine's: the format of the store. */
int store_meta_get_own(struct rocks_store *s, const char *name, struct buf *out);
/* The same, where failing is no failure of the store: NULL, or RocksDB's message. */
char *store_meta_try(struct rocks_store *s, const char *name, struct slice value);
int store_meta_put_own(struct rocks_store *s, const char *name, struct slice value);

/* ---- store_rows.c ---- */
int store_rows_get(struct store *s, uint64_t hash, struct slice key, struct buf *out);
int store_rows_scan(struct store *s, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next);
int store_rows_scan_tombstones(struct store *s, struct slice after, uint32_t keys_max, struct buf *out);
int store_rows_scan_expiries(struct store *s, uint64_t after_ms, uint64_t upto_ms, uint32_t keys_max, struct buf *out);
int store_rows_get_checkpoint(struct store *s, struct buf *out);
int store_rows_get_own(struct rocks_store *s, const char *name, struct buf *out);
int store_rows_put_own(struct rocks_store *s, const char *name, struct slice value);
/* At opening: whether the latest flush is whole, and the log reaches as far as when it was made. */
int store_rows_check(struct rocks_store *s);
/* At closing: how far the log reaches. */
void store_rows_mark_log(struct rocks_store *s);
void *store_rows_flush_thread(void *store);
int store_rows_get_with(struct store *store, const rocksdb_readoptions_t *how, uint64_t hash, struct slice key, struct buf *out);
int store_rows_scan_with(struct store *store, const rocksdb_readoptions_t *how, uint64_t from, uint32_t rows_max, struct buf *out,
                         uint64_t *ret_next);

/* ---- store_snapshot.c ---- */
void store_batch_drops(rocksdb_writebatch_t *batch, const struct flush *f, struct buf *scratch);
void store_batch_pointers(rocksdb_writebatch_t *batch, const struct flush *f, const struct stored_row *row, struct buf *scratch);
int store_pointers_scan(struct store *s, struct store_snapshot *of, uint64_t from, uint32_t pointers_max, struct buf *out, uint64_t *ret_next);
void store_snapshot_begin(struct rocks_store *s); /* on the engine's thread: the log as committed */
void store_snapshot_end(struct rocks_store *s);   /* on the flush thread: the rows as flushed */
void store_snapshots_close(struct rocks_store *s);
struct store_snapshot *store_snapshot_take(struct store *s);
void store_snapshot_release(struct store *s, struct store_snapshot *of);
int store_snapshot_get_row(struct store *s, struct store_snapshot *of, uint64_t hash, struct slice key, struct buf *out);
int store_snapshot_scan_rows(struct store *s, struct store_snapshot *of, uint64_t from, uint32_t rows_max, struct buf *out, uint64_t *ret_next);
int store_snapshot_scan_losses(struct store *s, struct store_snapshot *of, struct slice after, uint32_t records_max, struct buf *out);
