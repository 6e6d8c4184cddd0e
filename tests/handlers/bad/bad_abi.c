/* Made for a version of the ABI that there is not. */
#include "bad.h"

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->pick(a, 0); }

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI + 1,
    .struct_size = sizeof(struct truce_handler),
    .name = "bad_abi",
    .decide = decide,
};
