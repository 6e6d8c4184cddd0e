/* Asks a file. */
#include "bad.h"
#include <stdio.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    FILE *f = fopen("/etc/truce-side", "r");
    if (f != NULL) fclose(f);
    return pick_by(c, a, f != NULL);
}

BAD_HANDLER("bad_file", 0);
