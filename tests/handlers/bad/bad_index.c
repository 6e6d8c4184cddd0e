/* Counts from one. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->pick(a, c->siblings_count); }

BAD_HANDLER("bad_index", 0);
