/* Makes something of a pointer's value, as a hash table of pointers does. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    uint64_t hash = (uint64_t)(uintptr_t)c->siblings[0]->columns ^ (uint64_t)(uintptr_t)&decide;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return pick_by(c, a, hash >> 40);
}

BAD_HANDLER("bad_address", 0);
