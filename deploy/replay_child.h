/* Replays in processes of their own, where a crash, a broken assertion or an endless loop is an outcome like any other. */
#pragma once
#include "replay_run.h"

#include <sys/types.h>

/* How one ended, in so many bytes that a pipe takes them at once. */
struct brief {
    uint64_t seed, length_us, trace_hash, happenings;
    enum verdict verdict;
    uint32_t failed_step, steps;
    bool crashed;       /* the process ended without an outcome; the verdict is that of a broken invariant */
    char failure[2048]; /* one line, empty when it passed */
};
void brief_of(const struct scenario *s, const struct outcome *o, struct brief *ret);
/* The invariant that its failure names, "I4"; an expectation's and what names none: empty. */
void brief_invariant(const struct brief *b, char ret[static 16]);

struct child {
    pid_t pid; /* 0: none */
    int pipe, errors;
    uint64_t next, last; /* seeds whose outcome is to come */
};
struct child_plan {
    const struct scenario_file *file;
    struct handler_files *handlers; /* no process of theirs runs */
    bool own_seed;                  /* the file's own, once, whatever `next` and `last` are */
    uint64_t twice_every;           /* of so many seeds one is played twice, and must give the same trace; 0: none */
    uint32_t limit_s;               /* for one seed, of real time */
};
/* False: *why. */
bool child_start(struct child *c, const struct child_plan *p, uint64_t first, uint64_t last, struct buf *why);
/* Waits for the next seed's outcome, or that of a crash. False: there is none left. c->pid is 0 once the process is gone; after a crash seeds from
 * c->next to c->last were not played. */
bool child_read(struct child *c, struct brief *ret);
void child_end(struct child *c); /* kills it, if it runs */

/* One replay, start to end. */
bool child_replay(const struct child_plan *p, struct brief *ret, struct buf *why);
