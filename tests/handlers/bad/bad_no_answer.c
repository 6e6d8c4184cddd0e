/* Has nothing to say about deletes. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return c->reason == TRUCE_BOTH_WROTE ? a->ops->pick(a, 0) : 0; }

BAD_HANDLER("bad_no_answer", 0);
