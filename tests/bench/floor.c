/* RocksDB's own floor: what the store would cost per write if nothing else were done. Usage: floor DIR WRITES
 *
 * Each case is one database of its own in DIR, with RocksDB's options as they come except larger write buffers: WRITES writes of random keys of 1 M,
 * rows of 128 bytes of payload, events of that and what surrounds it. Written per second is over the writing alone; CPU is of the whole process until
 * memtables are flushed and no compaction is under way. Prints one line of JSON for each case. */
#include "measure.h"
#include <rocksdb/c.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define KEYS         1000000u
#define KEY_BYTES    24u /* 8 of hash, 16 of key */
#define VALUE_BYTES  128u
#define ROW_BYTES    (VALUE_BYTES + 24u) /* dot, stamp, checksum */
#define EVENT_BYTES  (VALUE_BYTES + 40u) /* the same, and the key */
#define BATCH        64u
#define RUN_SHORT    65536u
#define RUN_LONG     500000u
#define BUFFER_BYTES ((size_t)64 << 20)
#define SYNCED_SHARE 8u /* synced writes are slow: an eighth of them is enough */
#define WHY_MAX      1000

enum { LOG, ROWS, FAMILIES };

struct floor {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family[FAMILIES];
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    rocksdb_writebatch_t *batch;
    uint64_t random, number;
    uint8_t event[EVENT_BYTES * BATCH], row[ROW_BYTES];
};

static void must(char *message) {
    if (message == NULL) return;
    fprintf(stderr, "floor: %s\n", message);
    exit(1);
}

static void floor_open(struct floor *f, const char *path, bool wal, bool sync) {
    static const char *const names[FAMILIES] = {"default", "rows"};
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_error_if_exists(o, 1);
    rocksdb_options_set_write_buffer_size(o, wal ? BUFFER_BYTES : (size_t)4 << 30);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_set_max_background_jobs(o, 2);
    memset(f, 0, sizeof *f);
    char *message = NULL;
    f->db = rocksdb_open_column_families(o, path, FAMILIES, names, (const rocksdb_options_t *const[]){o, o}, f->family, &message);
    must(message);
    rocksdb_options_destroy(o);
    f->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(f->write, !wal);
    rocksdb_writeoptions_set_sync(f->write, sync);
    f->read = rocksdb_readoptions_create();
    f->batch = rocksdb_writebatch_create();
    f->random = 1;
}

static void floor_flush(struct floor *f, int family) {
    char *message = NULL;
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flush_cf(f->db, o, f->family[family], &message);
    must(message);
    rocksdb_flushoptions_destroy(o);
}

static bool busy(const struct floor *f) {
    static const char *const properties[] = {"rocksdb.num-running-compactions", "rocksdb.num-running-flushes", "rocksdb.compaction-pending"};
    uint64_t sum = 0;
    for (int i = 0; i < FAMILIES; i++)
        for (int p = 0; p < 3; p++) {
            uint64_t v = 0;
            rocksdb_property_int_cf(f->db, f->family[i], properties[p], &v);
            sum += v;
        }
    return sum > 0;
}

static void floor_rest(struct floor *f) {
    for (int i = 0; i < FAMILIES; i++) floor_flush(f, i);
    while (busy(f)) usleep(10000);
}

static void floor_close(struct floor *f) {
    for (int i = 0; i < FAMILIES; i++) rocksdb_column_family_handle_destroy(f->family[i]);
    rocksdb_close(f->db);
    rocksdb_writebatch_destroy(f->batch);
    rocksdb_writeoptions_destroy(f->write);
    rocksdb_readoptions_destroy(f->read);
}

/* ---- the cases ---- */
static void key_of(uint64_t number, uint8_t key[KEY_BYTES]) {
    uint64_t hash = number;
    hash = random_next(&hash);
    for (int i = 0; i < 8; i++) key[i] = (uint8_t)(hash >> (56 - 8 * i));
    char text[40];
    snprintf(text, sizeof text, "key:%012llu", (unsigned long long)number);
    memcpy(key + 8, text, KEY_BYTES - 8);
}

static void next_key(struct floor *f, uint8_t key[KEY_BYTES]) { key_of(random_next(&f->random) % KEYS, key); }

static void next_number(struct floor *f, uint8_t key[8]) {
    f->number++;
    for (int i = 0; i < 8; i++) key[i] = (uint8_t)(f->number >> (56 - 8 * i));
}

static void put(struct floor *f, int family, const uint8_t *key, size_t key_n, const uint8_t *value, size_t value_n) {
    rocksdb_writebatch_put_cf(f->batch, f->family[family], (const char *)key, key_n, (const char *)value, value_n);
}

static void commit(struct floor *f) {
    char *message = NULL;
    rocksdb_write(f->db, f->write, f->batch, &message);
    must(message);
    rocksdb_writebatch_clear(f->batch);
}

static void case_plain(struct floor *f, uint64_t writes) {
    for (uint64_t i = 0; i < writes; i++) {
        uint8_t key[KEY_BYTES], number[8];
        next_key(f, key);
        next_number(f, number);
        char *message = NULL;
        rocksdb_pinnableslice_t *old = rocksdb_get_pinned_cf(f->db, f->read, f->family[ROWS], (const char *)key, sizeof key, &message);
        must(message);
        rocksdb_pinnableslice_destroy(old);
        random_fill(&f->random, f->row, sizeof f->row);
        random_fill(&f->random, f->event, EVENT_BYTES);
        put(f, LOG, number, sizeof number, f->event, EVENT_BYTES);
        put(f, ROWS, key, sizeof key, f->row, sizeof f->row);
        if ((i + 1) % BATCH == 0) commit(f);
    }
    commit(f);
}

static void case_log(struct floor *f, uint64_t writes) {
    for (uint64_t i = 0; i < writes; i++) {
        uint8_t number[8];
        next_number(f, number);
        random_fill(&f->random, f->event, EVENT_BYTES);
        put(f, LOG, number, sizeof number, f->event, EVENT_BYTES);
        if ((i + 1) % BATCH == 0) commit(f);
    }
    commit(f);
}

static void case_packed(struct floor *f, uint64_t writes) {
    for (uint64_t i = 0; i < writes; i += BATCH) {
        uint8_t number[8];
        next_number(f, number);
        random_fill(&f->random, f->event, sizeof f->event);
        put(f, LOG, number, sizeof number, f->event, sizeof f->event);
        commit(f);
    }
}

static int key_compare(const void *a, const void *b) { return memcmp(a, b, KEY_BYTES); }

/* Distinct keys, sorted, each run one batch and one flush, without a write-ahead log. */
static void case_runs(struct floor *f, uint64_t writes, uint32_t run) {
    uint8_t(*keys)[KEY_BYTES] = malloc((size_t)run * KEY_BYTES);
    if (keys == NULL) exit(1);
    uint64_t step = 0;
    for (uint64_t done = 0; done < writes;) {
        uint32_t n = writes - done < run ? (uint32_t)(writes - done) : run;
        for (uint32_t i = 0; i < n; i++) key_of(step++ * 7919 % KEYS, keys[i]);
        qsort(keys, n, KEY_BYTES, key_compare);
        for (uint32_t i = 0; i < n; i++) {
            random_fill(&f->random, f->row, sizeof f->row);
            put(f, ROWS, keys[i], KEY_BYTES, f->row, sizeof f->row);
        }
        commit(f);
        floor_flush(f, ROWS);
        done += n;
    }
    free(keys);
}

static void case_runs_short(struct floor *f, uint64_t writes) { case_runs(f, writes, RUN_SHORT); }
static void case_runs_long(struct floor *f, uint64_t writes) { case_runs(f, writes, RUN_LONG); }

/* What the cases spend on their own random bytes and keys is no cost of RocksDB. */
static void case_nothing(struct floor *f, uint64_t writes) {
    for (uint64_t i = 0; i < writes; i++) {
        uint8_t key[KEY_BYTES];
        next_key(f, key);
        random_fill(&f->random, f->row, sizeof f->row);
    }
}

static const struct {
    const char *name;
    void (*run)(struct floor *f, uint64_t writes);
    bool wal, sync;
} cases[] = {
    {"old row read, log record and row written, batches of 64", case_plain, true, false},
    {"log record alone, batches of 64", case_log, true, false},
    {"log, 64 events packed into one record", case_packed, true, false},
    {"log, 64 events packed into one record, each synced", case_packed, true, true},
    {"rows in sorted runs of 65,536, no log", case_runs_short, false, false},
    {"rows in sorted runs of 500,000, no log", case_runs_long, false, false},
    {"the program's own random keys and values", case_nothing, true, false},
};

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: floor DIR WRITES\n");
        return 2;
    }
    uint64_t asked = number_argument(argv[2]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct floor f;
        char path[WHY_MAX];
        snprintf(path, sizeof path, "%s/floor-%zu", argv[1], i);
        uint64_t writes = cases[i].sync ? asked / SYNCED_SHARE + 1 : asked;
        floor_open(&f, path, cases[i].wal, cases[i].sync);
        uint64_t cpu = cpu_us(), started = mono_ns();
        cases[i].run(&f, writes);
        uint64_t ended = mono_ns();
        floor_rest(&f);
        cpu = cpu_us() - cpu;
        printf("{\"case\": \"%s\", \"writes\": %llu, \"per_s\": %.0f, \"cpu_us\": %.3f}\n", cases[i].name, (unsigned long long)writes,
               (double)writes * 1e9 / (double)(ended - started), (double)cpu / (double)writes);
        fflush(stdout);
        floor_close(&f);
    }
    return 0;
}
