/* Reads a variable that it never set. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    unsigned char sums[256], *volatile sum = sums;
    return pick_by(c, a, sum[100] & 1);
}

BAD_HANDLER("bad_stack", 0);
