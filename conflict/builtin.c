/* Built-in policies as handlers: the same door, the same ABI, and so a chain may end with one. */
#include "handler.h"

/* As version_beats(): unmarked first, then the greatest stamp; siblings come in canonical order of origins, so of equal stamps the later counts. */
static bool beats(const struct truce_sibling *a, const struct truce_sibling *b) {
    if (a->clock_was_off != b->clock_was_off) return !a->clock_was_off;
    return a->stamp >= b->stamp;
}

/* As version_outranks(). */
static bool outranks(const struct truce_sibling *a, const struct truce_sibling *b) {
    return a->dc_priority != b->dc_priority ? a->dc_priority > b->dc_priority : beats(a, b);
}

static int pick_best(const struct truce_conflict *c, struct truce_answer *a,
                     bool (*better)(const struct truce_sibling *a, const struct truce_sibling *b)) {
    size_t best = 0;
    for (size_t i = 1; i < c->siblings_count; i++) {
        if (better(c->siblings[i], c->siblings[best])) best = i;
    }
    return a->ops->pick(a, best);
}

static int decide_lww(const struct truce_conflict *c, struct truce_answer *a) { return pick_best(c, a, beats); }
static int decide_priority(const struct truce_conflict *c, struct truce_answer *a) { return pick_best(c, a, outranks); }
static int decide_record(const struct truce_conflict *c, struct truce_answer *a) { return a->ops->record(a); }

#define BUILTIN(text, what, function)                                                                                                                \
    { .abi = TRUCE_HANDLER_ABI, .struct_size = sizeof(struct truce_handler), .name = text, .version = "1", .summary = what, .decide = function }
static const struct truce_handler builtins[] = {
    BUILTIN("lww", "the version of greatest (stamp, origin)", decide_lww),
    BUILTIN("priority", "the version from the datacenter of highest priority, then of greatest (stamp, origin)", decide_priority),
    BUILTIN("record", "a person is to decide", decide_record),
};

const struct truce_handler *handler_builtin(const char *name) {
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    }
    return NULL;
}
