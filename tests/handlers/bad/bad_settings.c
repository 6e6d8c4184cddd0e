/* Its check of settings reads what is not there. */
#include "bad.h"
#include <stdio.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->pick(a, 0); }

static int check_settings(const char *settings, char *why, size_t n) {
    const volatile char *colon = strchr(settings, ':');
    if (strcmp(settings, "{}") == 0) return 0;
    snprintf(why, n, "the value begins with %c", colon[1]);
    return 1;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .struct_size = sizeof(struct truce_handler),
    .name = "bad_settings",
    .decide = decide,
    .check_settings = check_settings,
};
