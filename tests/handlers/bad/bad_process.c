/* Depends on the number of its process. */
#include "bad.h"
#include <unistd.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return pick_by(c, a, (uint64_t)getpid()); }

BAD_HANDLER("bad_process", 0);
