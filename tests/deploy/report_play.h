/* A play made by hand, for tests of its report: eu is cut away, both sides write the same row, a node is killed, it heals. */
#pragma once
#include "../../dc-node/scenario/play.h"

struct report_play {
    struct cluster cluster;
    struct scenario scenario;
    struct record record;
    struct outcome outcome;
};
void report_play_make(struct report_play *ret);
void report_play_finish(struct report_play *p);

/* The parts: one more of each. */
void report_play_moment(struct report_play *p, uint64_t at_ms, enum moment_kind kind, int node, int peer, uint32_t step, const char *text);
void report_play_row(struct report_play *p, const char *key, const char *shown, const char *explain);
