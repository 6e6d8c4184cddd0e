/* Says yes, then no. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    a->ops->pick(a, 0);
    return c->siblings_count > 2 ? a->ops->record(a) : 0;
}

BAD_HANDLER("bad_two_answers", 0);
