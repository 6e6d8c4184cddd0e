/* Crashes before anybody asks it anything. */
#include "bad.h"
#include <stdlib.h>

static void __attribute__((constructor)) begin(void) { abort(); }

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->pick(a, 0); }

BAD_HANDLER("bad_constructor", 0);
