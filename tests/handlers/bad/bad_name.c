/* Calls itself otherwise than its file. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->pick(a, 0); }

BAD_HANDLER("lww", 0);
