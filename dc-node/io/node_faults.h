/* Faults of the node itself, for tests: its clock goes wrong, its disk is slow, full or fails (TRUCE.FAULT CLOCK, DISK). */
#pragma once
#include "../../schemas/bytes.h"
#include "../core/prng.h"

struct node_faults {
    struct clock_fault {
        int64_t offset_ms;
        int32_t drift_ppm;
        bool frozen;
        uint64_t since_us; /* monotonic, when it was ordered */
        uint64_t since_ms; /* of the true clock, then */
    } clock;
    enum disk_fault { DISK_FAULT_NONE, DISK_FAULT_SLOW, DISK_FAULT_FULL, DISK_FAULT_FAILS } disk;
    uint32_t slow_us;
    struct prng prng;
};
void node_faults_init(struct node_faults *f, uint64_t entropy);
/* What the node's clock shows where a true one shows wall_ms: with the offset, and the drift since it was ordered; or what it showed then. */
uint64_t node_faults_wall_ms(const struct node_faults *f, uint64_t wall_ms, uint64_t mono_us);

static inline bool node_faults_disk_full(const struct node_faults *f) { return f->disk == DISK_FAULT_FULL; }

/* What becomes of the commit that is due; one that is slow has been waited for. */
enum commit_fault {
    COMMIT_GOOD,
    COMMIT_REFUSED,  /* it fails, and nothing of it is there */
    COMMIT_DOUBTFUL, /* it fails, and is there after a restart */
};
enum commit_fault node_faults_commit(struct node_faults *f);

/* TRUCE.FAULT CLOCK [OFFSET ms] [DRIFT ppm] [FREEZE] (nothing: it is true again) | DISK OK|SLOW ms|FULL|FAIL. False: it is about something else.
 * Appends the reply. */
bool node_faults_command(struct node_faults *f, const struct slice *argv, uint32_t argc, uint64_t wall_ms, uint64_t mono_us, struct buf *reply);
