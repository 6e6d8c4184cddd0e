/* The store in memory, twin of dc-node/io's over RocksDB: the same semantics (core/store.h), and crashes that lose what was not durable.
 *
 * A crash of the process keeps every commit. One of the machine keeps a prefix of the commits, at least up to the last that was synced. A flush is
 * there as a whole or not at all; what was committed before it began is durable when it is. */
#pragma once
#include "../core/engine.h"
#include "../core/prng.h"

struct sim_store;
struct sim_store *sim_store_create(void);
void sim_store_destroy(struct sim_store *s); /* NULL is accepted */
/* A store of its own with what was committed to this one, all of it durable; a flush under way is not part of it. */
struct sim_store *sim_store_copy(const struct sim_store *s);
struct store *sim_store_base(struct sim_store *s);

/* Everything committed so far becomes durable: what `sync` of the last commit would have done. */
void sim_store_sync(struct sim_store *s);

/* One flush at a time. Begin copies what it needs; end makes it durable. */
void sim_store_flush_begin(struct sim_store *s, const struct flush *f);
void sim_store_flush_end(struct sim_store *s);
bool sim_store_flushing(const struct sim_store *s);

enum crash { CRASH_PROCESS, CRASH_MACHINE };
/* What is not durable is lost in part, as `p` draws; a flush under way survives or not. */
void sim_store_crash(struct sim_store *s, enum crash kind, struct prng *p);

/* The n-th commit from now (1: the next) and all later ones fail until the next crash; the first that fails may be there after it, when `applied`. */
void sim_store_fail_commits(struct sim_store *s, uint64_t n, bool applied);

/* The n-th read from now (1: the next) finds a damaged record, and so does every later one, also after crashes. */
void sim_store_damage(struct sim_store *s, uint64_t n);
bool sim_store_damaged(const struct sim_store *s); /* some read has found it */

/* The number of that row's pointer for an origin; 0: there is none. For checkers. */
uint64_t sim_store_pointer(struct sim_store *s, struct slice key, const struct origin *o);

/* From now on a commit that needs more room than there is (DISK in core/engine.h) is refused, and nothing of it is there afterwards. */
void sim_store_fill(struct sim_store *s, enum disk_room room);
bool sim_store_has_room(const struct sim_store *s, const struct commit *c);

/* Commits made since the store was created, and how many of them are there (fewer after a crash of the machine). */
uint64_t sim_store_commits(const struct sim_store *s);
