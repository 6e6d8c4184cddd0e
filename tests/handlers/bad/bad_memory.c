/* Reads memory that it never wrote. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    unsigned char *volatile fresh = malloc(200);
    uint64_t number = fresh[150];
    free(fresh);
    return pick_by(c, a, number & 1);
}

BAD_HANDLER("bad_memory", 0);
