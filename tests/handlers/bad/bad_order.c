/* Remembers the row before: the same conflict twice in a row gets the same answer. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    static char now[16], before[16];
    char key[sizeof now] = "";
    memcpy(key, c->key.p, c->key.n < sizeof key ? c->key.n : sizeof key - 1);
    if (memcmp(key, now, sizeof now) != 0) memcpy(before, now, sizeof before), memcpy(now, key, sizeof now);
    return pick_by(c, a, (uint64_t)before[2]);
}

BAD_HANDLER("bad_order", 0);
