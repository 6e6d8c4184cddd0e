/* Makes a failing scenario smaller, as long as it goes on to fail in the same way: fewer steps, fewer datacenters, nodes, clients and keys, shorter
 * times. Works on expanded files; what comes out is one. (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002.) */
#pragma once
#include "replay_child.h"

#define SHRINK_TRIES_MAX 3000u
#define SHRINK_S_MAX     180u

/* Does this file fail in the same way? `numbers`: which step of the first file each of its steps was. */
typedef bool shrink_judge(void *arg, const json_t *file, const uint32_t *numbers, uint32_t steps_count);
struct shrink_limits {
    uint32_t tries_max, seconds_max;
    void (*told)(void *arg, uint32_t tries, uint32_t steps); /* after each try; NULL: nobody */
    void *told_arg;
};
/* The smallest that was found, the caller's; at least a copy of `file`, which fails. */
json_t *shrink(const json_t *file, const struct shrink_limits *limits, shrink_judge *judge, void *arg, uint32_t *ret_tries);

/* ---- replay_reduce.c: ways to make a scenario smaller, one at a time ---- */
enum reduced { REDUCED_NO_MORE, REDUCED_NOT_SO, REDUCED };
struct reduction {
    const char *name;
    /* The n-th way; REDUCED: *ret is the caller's. */
    enum reduced (*make)(const json_t *file, uint32_t n, json_t **ret);
};
extern const struct reduction reductions[];
extern const uint32_t reductions_count;
/* Steps that belong together (cut and heal, kill and start ...) get one number in ret, in order of the first of them; returns how many there are. */
uint32_t step_groups(const json_t *steps, uint32_t *ret);

/* ---- a failing seed, to a file ---- */
/* What a failure says, whatever the place in the file, the node and the numbers are (but 0, which is none): two failures of one kind have one text.
 * The file tells which names there are. Appends. */
void failure_kind(const char *failure, const json_t *file, struct buf *out);
struct keep_plan {
    const struct child_plan *child; /* file: the scenario as it was written */
    const uint64_t *seed;           /* NULL: the file's own */
    const char *directory;          /* NULL: beside the file */
    bool quiet;
};
struct kept {
    char *path;                          /* of the new file */
    uint32_t tries, steps_before, steps; /* ... and what the smaller one is */
    struct brief brief;                  /* how it fails */
};
void kept_finish(struct kept *k);
/* Shrinks it and writes FILE.seed-N.json, whose replay was seen to fail. False: *why. */
bool shrink_and_keep(const struct keep_plan *p, struct kept *ret, struct buf *why);
