#include "node_faults.h"

#include <time.h>

#define OFFSET_MS_MAX    ((int64_t)100 * 366 * 24 * 3600 * 1000)
#define DRIFT_PPM_MAX    1000000
#define SLOW_DISK_MS_MAX 600000

void node_faults_init(struct node_faults *f, uint64_t entropy) {
    *f = (struct node_faults){0};
    prng_seed(&f->prng, entropy);
}

uint64_t node_faults_wall_ms(const struct node_faults *f, uint64_t wall_ms, uint64_t mono_us) {
    const struct clock_fault *c = &f->clock;
    int64_t shown = (int64_t)(c->frozen ? c->since_ms : wall_ms) + c->offset_ms;
    if (!c->frozen && c->drift_ppm) shown += (int64_t)(mono_us - c->since_us) / 1000 * c->drift_ppm / 1000000;
    return shown > 0 ? (uint64_t)shown : 0;
}

enum commit_fault node_faults_commit(struct node_faults *f) {
    if (f->disk == DISK_FAULT_FAILS) return prng_chance(&f->prng, 1, 2) ? COMMIT_REFUSED : COMMIT_DOUBTFUL;
    if (f->disk == DISK_FAULT_SLOW) {
        uint64_t us = prng_below(&f->prng, (uint64_t)f->slow_us + 1);
        nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000}, NULL);
    }
    return COMMIT_GOOD;
}

/* ---- the command ---- */
static bool number(struct slice s, int64_t least, int64_t most, int64_t *ret) {
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;
    size_t i = negative;
    for (; i < s.n && i < 18 && s.p[i] >= '0' && s.p[i] <= '9'; i++) v = v * 10 + (s.p[i] - '0');
    *ret = negative ? -v : v;
    return s.n > negative && i == s.n && *ret >= least && *ret <= most;
}

static bool parse_clock(const struct slice *argv, uint32_t argc, struct clock_fault *ret) {
    int64_t v;
    for (uint32_t i = 0; i < argc; i++) {
        if (slice_is(argv[i], "freeze")) {
            ret->frozen = true;
            continue;
        }
        bool offset = slice_is(argv[i], "offset");
        if ((!offset && !slice_is(argv[i], "drift")) || ++i == argc) return false;
        int64_t most = offset ? OFFSET_MS_MAX : DRIFT_PPM_MAX;
        if (!number(argv[i], -most, most, &v)) return false;
        if (offset)
            ret->offset_ms = v;
        else
            ret->drift_ppm = (int32_t)v;
    }
    return true;
}

static bool parse_disk(const struct slice *argv, uint32_t argc, enum disk_fault *ret, uint32_t *ret_us) {
    int64_t ms;
    *ret = argc == 0                   ? DISK_FAULT_NONE
           : slice_is(argv[0], "slow") ? DISK_FAULT_SLOW
           : slice_is(argv[0], "full") ? DISK_FAULT_FULL
           : slice_is(argv[0], "fail") ? DISK_FAULT_FAILS
                                       : DISK_FAULT_NONE;
    if (*ret == DISK_FAULT_NONE) return argc == 1 && slice_is(argv[0], "ok");
    if (*ret != DISK_FAULT_SLOW) return argc == 1;
    if (argc != 2 || !number(argv[1], 0, SLOW_DISK_MS_MAX, &ms)) return false;
    *ret_us = (uint32_t)ms * 1000;
    return true;
}

bool node_faults_command(struct node_faults *f, const struct slice *argv, uint32_t argc, uint64_t wall_ms, uint64_t mono_us, struct buf *reply) {
    struct clock_fault clock = {.since_us = mono_us, .since_ms = wall_ms};
    enum disk_fault disk;
    uint32_t slow_us = 0;
    bool is_clock = argc >= 2 && slice_is(argv[1], "clock"), is_disk = argc >= 2 && slice_is(argv[1], "disk");
    if (is_clock && parse_clock(argv + 2, argc - 2, &clock)) {
        f->clock = clock;
        buf_text(reply, "+OK\r\n");
    } else if (is_disk && parse_disk(argv + 2, argc - 2, &disk, &slow_us)) {
        f->disk = disk;
        f->slow_us = slow_us;
        buf_text(reply, "+OK\r\n");
    } else if (is_clock) {
        buf_text(reply, "-ERR TRUCE.FAULT CLOCK: expected [OFFSET ms] [DRIFT ppm] [FREEZE]\r\n");
    } else if (is_disk) {
        buf_text(reply, "-ERR TRUCE.FAULT DISK: expected OK, SLOW ms, FULL or FAIL\r\n");
    }
    return is_clock || is_disk;
}
