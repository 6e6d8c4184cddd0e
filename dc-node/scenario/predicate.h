/* Predicates: what is so now, asked of the stage and of its nodes. */
#pragma once
#include "play_state.h"

/* One look at one predicate. */
struct inquiry {
    struct play *play;
    const struct predicate *predicate;
    struct words words;       /* what is asked */
    struct finding *findings; /* by node; of predicates about the whole, the first. No value: it was not asked */
    bool whole;
    bool beside;      /* it only looks on: nobody waits for it */
    uint32_t pending; /* replies that have not come */
    struct buf why;   /* of predicates about the whole, and of commands that cannot be asked: what is wrong */
    void (*done)(void *arg, struct inquiry *q);
    void *arg;
};
/* Calls done when the last reply has come, inside the stage's run(); not at all where `pending` is 0 already. `may_run`: the stage may be run
 * meanwhile, as workloads' checks want. */
struct inquiry *inquiry_begin(struct play *p, const struct predicate *pred, bool may_run, void (*done)(void *arg, struct inquiry *q), void *arg);
/* With nothing pending: does it hold wherever it was asked? *text says what is, and if not, what was expected. Appends. */
bool inquiry_holds(const struct inquiry *q, struct buf *text);
/* Does it hold anywhere? *text says where, and what. */
bool inquiry_holds_somewhere(const struct inquiry *q, struct buf *text);
void inquiry_destroy(struct inquiry *q); /* nothing may be pending */
