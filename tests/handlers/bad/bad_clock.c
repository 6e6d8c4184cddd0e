/* Decides by the time of day; within one second it answers the same. */
#include "bad.h"
#include <time.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return pick_by(c, a, (uint64_t)time(NULL) / 86400); }

BAD_HANDLER("bad_clock", 0);
