/* Goes on until two versions have the same number of columns, which may be never. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    volatile size_t turn = 0;
    while (c->siblings[turn % c->siblings_count]->columns_count != 1) turn = turn + 1;
    return a->ops->pick(a, turn % c->siblings_count);
}

BAD_HANDLER("bad_loop", 0);
