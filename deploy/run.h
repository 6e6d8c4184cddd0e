/* What every verb works with: its arguments, the cluster in its directory, and its answer. */
#pragma once
#include "args.h"
#include "local.h"

#include <jansson.h>

/* Exit codes (DESIGN, section 10): 1 it failed, 2 the command line or a file is wrong, 3 did not converge. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_SETTLED = 3 };

struct run {
    struct args args;
    struct local local; /* after run_open() */
    json_t *json;       /* the answer under --json, an object */
    bool answered;      /* ... which the verb has given itself */
};

/* Opens the cluster that is in the directory; changing verbs take its lock. Returns 0, or an exit code after saying why. */
int run_open(struct run *r, bool lock);
/* One line for people; nothing under --json. */
void say(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why the verb fails: to stderr, or "error" of the answer. Returns `code`. */
int fail(struct run *r, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define X(name, arguments, options, doc) int verb_##name(struct run *r);
VERBS(X)
#undef X
