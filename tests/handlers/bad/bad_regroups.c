/* The latest stamp wins; but an answer is stamped when it is written, later than what it has not seen. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    size_t best = 0;
    for (size_t i = 1; i < c->siblings_count; i++) {
        if (c->siblings[i]->stamp >= c->siblings[best]->stamp) best = i;
    }
    return a->ops->pick(a, best);
}

BAD_HANDLER("bad_regroups", TRUCE_REGROUPS);
