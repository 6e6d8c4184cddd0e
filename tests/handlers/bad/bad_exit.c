/* Gives up in its own way. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    if (c->reason == TRUCE_WROTE_DELETED) exit(0);
    return a->ops->pick(a, 0);
}

BAD_HANDLER("bad_exit", 0);
