/* A capture as the steps of a scenario: every event at its time, what was done to the cluster, and waits where one needs what another must have
 * brought. Steps follow each other by `after`, so that a wait holds up all that come later and the order of stamps stays. */
#pragma once
#include "capture.h"
#include "incidents.h"

/* A stretch of events during which what DC `from` makes must not reach DC `to`: its last event did not know the first, and both changed one row. */
struct held_back {
    uint32_t from, to;
    size_t first, last; /* events */
};
struct held_backs {
    struct held_back *list; /* in order of first */
    size_t count, cap;
};
/* Where it is possible: what a node needs meanwhile must not be made meanwhile. */
void held_backs_find(const struct capture *c, const struct captured_rows *rows, struct held_backs *ret);

/* capture_base.c: for rows that are older than the log what is still there of their beginning: a list of {"dc", "do"}. The caller owns it. */
struct local;
json_t *capture_base(struct capture *c, const struct local *l, const struct captured_rows *rows);

/* The steps, up to the last event. `base` comes first. Incidents are of the whole history; those before the capture count as its beginning. The
 * caller owns the list. */
struct captured_steps {
    json_t *steps;
    bool running[NODES_MAX]; /* at the end */
    bool apart;              /* links are cut at the end */
    bool inexact;            /* some writers may know more of their rows than they did */
};
void capture_steps(struct capture *c, const struct captured_rows *rows, const struct incidents *incidents, const json_t *base, uint64_t start_ms,
                   struct captured_steps *ret);

/* capture_file.c: datacenters, tables, links and the cluster's settings, as D/cluster.json has them. False: *why. */
bool capture_head(struct capture *c, const struct local *l, const char *title, json_t *file, struct buf *why);

/* capture_end.c: what the cluster has now, as expectations. Appends to steps. */
void capture_expect(struct capture *c, const struct local *l, const struct captured_rows *rows, const struct captured_steps *s, json_t *steps);
