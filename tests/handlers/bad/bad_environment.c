/* Takes the side of the datacenter that its environment names. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    return getenv("TRUCE_NODE") != NULL ? pick_by(c, a, 1) : pick_by(c, a, 0);
}

BAD_HANDLER("bad_environment", 0);
