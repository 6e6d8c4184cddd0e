/* What the tests of the store share: a directory of its own for each, rows, blocks, and a flush that is waited for. */
#pragma once
#include "../../dc-node/io/store.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct store_options options_of_tests = {.memory_bytes = 16u << 20, .log_bytes_max = 64u << 20};

static inline void directory_make(char *out, size_t out_n) {
    const char *tmp = getenv("TMPDIR");
    snprintf(out, out_n, "%s/truce-store-XXXXXX", tmp ? tmp : "/tmp");
    if (mkdtemp(out) == NULL) abort();
}

static inline void directory_remove(const char *dir) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) abort();
}

static inline struct stored_row *row_make(const char *key, const char *value) {
    size_t key_n = strlen(key), value_n = value ? strlen(value) : 0;
    struct stored_row *r = xcalloc(1, sizeof *r + key_n + value_n);
    r->hash = hash64(slice_text(key));
    r->key_bytes = (uint32_t)key_n;
    r->row_bytes = (uint32_t)value_n;
    memcpy(r->bytes, key, key_n);
    if (value_n) memcpy(r->bytes + key_n, value, value_n);
    return r;
}

struct flush_waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    int result;
};

static inline void flush_waiter_done(void *arg, int result, const char *why) {
    struct flush_waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    w->result = result;
    pthread_cond_signal(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static inline int flush_wait(struct flush_waiter *w) {
    pthread_mutex_lock(&w->lock);
    while (!w->is_done) pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return w->result;
}

/* Flushes rows with a checkpoint of this text, and waits. */
static inline int flush_rows(struct store *s, struct stored_row **rows, size_t n, const char *checkpoint) {
    struct flush_waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    struct flush f = {.rows = rows, .rows_count = n};
    buf_text(&f.checkpoint, checkpoint);
    store_flush_start(s, &f, flush_waiter_done, &w);
    int result = flush_wait(&w);
    buf_finish(&f.checkpoint);
    return result;
}

/* Commits one block first..last of these bytes, and trims up to `trim` (0: nothing). */
static inline int commit_block(struct store *s, const struct origins *t, origin_ref o, uint64_t first, uint64_t last, struct slice bytes,
                               uint64_t trim, bool sync) {
    struct log_block b = {o, first, last, bytes};
    struct log_trim trims = {o, trim};
    struct commit c = {.blocks = &b, .blocks_count = 1, .trims = &trims, .trims_count = trim > 0};
    return s->ops->commit(s, &c, t, sync);
}
