/* Forgets what it took. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    char *volatile copy = malloc(c->key.n + 100);
    if (copy != NULL) memcpy(copy, c->key.p, c->key.n);
    if (c->reason == TRUCE_BOTH_WROTE) free(copy);
    return a->ops->pick(a, 0);
}

BAD_HANDLER("bad_leak", 0);
