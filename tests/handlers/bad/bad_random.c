/* Throws dice. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return pick_by(c, a, (uint64_t)rand()); }

BAD_HANDLER("bad_random", 0);
