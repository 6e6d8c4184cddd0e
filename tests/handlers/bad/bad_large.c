/* Answers with more than a row may hold. */
#include "bad.h"
#include <stdlib.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    size_t n = 2u * 1024 * 1024;
    char *bytes = calloc(n, 1);
    a->ops->begin(a, TRUCE_STRING, 0);
    int result = a->ops->column(a, truce_text(""), (struct truce_bytes){bytes, n});
    free(bytes);
    return result;
}

BAD_HANDLER("bad_large", 0);
