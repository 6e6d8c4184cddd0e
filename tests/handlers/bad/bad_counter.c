/* Remembers how often it was called. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    static uint64_t calls;
    return pick_by(c, a, calls++);
}

BAD_HANDLER("bad_counter", 0);
