/* Workloads: named kinds of clients that write, keep in mind what was answered, and can tell at rest whether it is all accounted for. They know the
 * cluster by its clients' protocol alone, so the same ones run on simulated and on real nodes.
 *
 * Options of a workload step, besides `workload` (the kind), `name`, `dc`/`node`/`in`, `for`: `clients` (default 2 at each node), `rate` (operations
 * a second, of all clients together; default as fast as answers come, one at a time), `keys` (default 10), `distribution` ("uniform", "zipf", "hot":
 * nine of ten operations on one key in ten, "sequence"), `prefix` (of keys; default the kind), `bytes` (of a value, at least), `moves` (sessions:
 * clients change their node every so many operations), `ack` (replicas to WAIT for; a write that fewer have counts as unknown), `loses` (true: what
 * was answered may be lost, because disks are wiped, restored, or cut off from power unsynced; then nothing is checked but that nothing appears that
 * was not written).
 *
 * The rows whose keys begin with the prefix and `:` are the workload's own: no step writes there. Workloads of one kind may share a prefix, and know
 * of each other. */
#pragma once
#include "stage.h"

/* name, what its clients do, what must hold at rest */
#define LOADS(X)                                                                                                                                     \
    X(REGISTERS, "registers", "SET ... GET, GET, GETDEL with values never used twice",                                                               \
      "a write that was answered is read, or was overwritten by one that is accounted for, or is a loser in the journal")                            \
    X(COUNTERS, "counters", "INCRBY and HINCRBY by random amounts", "each counter lies between what was answered and that and the unknown")          \
    X(SETS, "sets", "SADD and SREM of members never used twice", "what was added and not removed is there; what was removed and answered is not")    \
    X(CARTS, "carts", "TRUCE.SIBLINGS, then TRUCE.WITH: carts of items, put back joined", "no item that was added and answered is missing")          \
    X(BANK, "bank", "MULTI, two HINCRBY, EXEC: transfers between accounts", "the sum of all accounts is what it was; no read saw half a transfer")   \
    X(RING, "ring", "WATCH, MULTI, EXEC: exchanges the successors of three nodes of a ring (FoundationDB's Cycle)",                                  \
      "within one DC it is always one ring; all reads see whole transactions")                                                                       \
    X(SESSIONS, "sessions", "writes and reads under TRUCE.TOKEN and TRUCE.WAIT, at changing nodes",                                                  \
      "read your writes, monotonic reads, writes follow reads (FAULTS I9)")                                                                          \
    X(READS, "reads", "GET and HGETALL alone", "every value that is read was written by somebody")
enum load_kind {
#define X(NAME, text, does, holds) LOAD_##NAME,
    LOADS(X)
#undef X
        LOAD_KINDS
};
const char *load_kind_name(enum load_kind k);
/* Checks a workload step's options when the file is read. False: *why says "expected ..." with the key's name. */
bool load_options_valid(const json_t *step, struct buf *why);
/* Is it an option of workloads, besides what steps have in common? */
bool load_has_option(const char *key);

struct load;
struct load_counts {
    uint64_t ok, failed, unknown, reads;
};
/* Begins now. The stage must outlive it. */
struct load *load_start(struct stage *s, const struct step *step, uint64_t seed);
void load_stop(struct load *l);       /* nothing new is begun */
bool load_idle(const struct load *l); /* stopped, or its time is over, and nothing is under way */
struct load_counts load_counts(const struct load *l);
/* At rest: reads what is there (the stage runs meanwhile), and compares. False: *why says what is missing, and who wrote it when. A violation that
 * was seen during the run counts too. */
bool load_check(struct load *l, struct buf *why);
/* Violations of session guarantees so far; *why, may be NULL, gets the first. */
uint64_t load_session_violations(const struct load *l, struct buf *why);
/* It is idle, or the stage does not run any more. Workloads that share a prefix are destroyed after the last check. */
void load_destroy(struct load *l);
