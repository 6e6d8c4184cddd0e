/* Takes for granted that every version is a row. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    for (size_t i = 0; i < c->siblings_count; i++) {
        const struct truce_column *volatile columns = c->siblings[i]->columns_count > 0 ? c->siblings[i]->columns : NULL;
        if (columns->value.n == SIZE_MAX) return -1;
    }
    return a->ops->pick(a, 0);
}

BAD_HANDLER("bad_crash", 0);
