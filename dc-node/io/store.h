/* The store over RocksDB (DESIGN, section 4, "Storage").
 *
 * Two databases in one directory, because what they promise differs:
 *   log.rocksdb/   column families `log`, `conflicts`, `meta`. Each commit is one batch through the write-ahead log: it makes a write durable.
 *   rows.rocksdb/  rows, their indexes and the checkpoint, without a write-ahead log. Each flush is one memtable, one table file: all
 *                  of it is there after a crash, or nothing.
 * Nothing but a flush writes or switches that memtable, and a flush never holds up a commit. A flush syncs the log before its rows become durable, so
 * that rows never run ahead of the durable log. */
#pragma once
#include "../core/store.h"

struct store_options {
    uint64_t memory_bytes;  /* its share: block cache and the log's write buffers. A flush takes a copy of its rows beside that while it runs */
    uint64_t log_bytes_max; /* log budget: bounds the write-ahead log */
};

#define STORE_DAMAGED (-2) /* what is stored is not what was written */

/* Opens or makes the store in `dir`. 0; or with one line in *why STORE_DAMAGED, or STORE_FAILED: the directory is in use, of an unknown format, not
 * writable. */
int store_open(struct store **ret, const char *dir, const struct store_options *o, struct buf *why);
void store_close(struct store *s); /* NULL is accepted; waits for a flush under way, and leaves the log synced */

/* One flush at a time. `done` is called on the store's own thread when rows and checkpoint would survive a crash of the machine: result 0, or
 * STORE_FAILED or STORE_DAMAGED with `why` (borrowed). The flush and its rows must stay unchanged until then, but for the order of rows. */
typedef void store_done_fn(void *arg, int result, const char *why);
void store_flush_start(struct store *s, struct flush *f, store_done_fn *done, void *arg);

/* ---- a disk that is full (disk_room.h) ---- */
/* What it may write of its own accord. */
uint64_t store_spare_bytes(const struct store *s);
/* A flush is under way that does not fit on the disk; it goes on when it does. store_close() gives it up, and `done` is not called. */
bool store_waits_for_room(struct store *s);
/* Where there was no room, and there is some again: makes a small commit, to see whether it can. False: not yet, store->why says why. */
bool store_takes_writes(struct store *s);
