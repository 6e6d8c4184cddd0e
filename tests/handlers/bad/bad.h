/* What handlers that must be refused have in common: the frame around one wrong decide(). */
#pragma once
#include <truce_handler.h>

#define BAD_HANDLER(text, bits)                                                                                                                      \
    TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {                                                                                \
        .abi = TRUCE_HANDLER_ABI,                                                                                                                    \
        .flags = (bits),                                                                                                                             \
        .struct_size = sizeof(struct truce_handler),                                                                                                 \
        .name = (text),                                                                                                                              \
        .version = "1",                                                                                                                              \
        .summary = "must be refused",                                                                                                                \
        .decide = decide,                                                                                                                            \
    }

/* One of the versions, by any number. */
static inline int pick_by(const struct truce_conflict *c, struct truce_answer *a, uint64_t number) {
    return a->ops->pick(a, (size_t)(number % c->siblings_count));
}
