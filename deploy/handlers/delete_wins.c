/* delete_wins: where some deleted the row while others wrote it, it stays deleted. Everything else is passed on: `handler:delete_wins,lww`. */
#include <truce_handler.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    return c->reason == TRUCE_WROTE_DELETED ? a->ops->remove(a) : a->ops->pass(a);
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .flags = TRUCE_REGROUPS,
    .struct_size = sizeof(struct truce_handler),
    .name = "delete_wins",
    .version = "1",
    .summary = "a delete wins over concurrent writes; else the next of the chain decides",
    .decide = decide,
};
