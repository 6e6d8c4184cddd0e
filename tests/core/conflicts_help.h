/* What the tests about conflicts share: two sides of a cut, and looking into replies. */
#pragma once
#include "engine_rig.h"

#define TABLES                                                                                                                                       \
    "\"tables\": {\"docs\": {\"conflict\": \"record\"}, \"users\": {\"conflict\": \"lww\"}, \"seats\": {\"conflict\": \"priority\"}, "               \
    "\"carts\": {\"conflict\": \"record\"}}"

/* ---- looking into replies ---- */

/* The text after `name` in a reply of maps: "$2 id $16 0123..." gives 0123...; the caller frees. */
static inline char *field(const char *reply, const char *name) {
    char head[80];
    snprintf(head, sizeof head, "$%zu %s $", strlen(name), name);
    const char *at = strstr(reply, head);
    cr_assert(at, "no %s in: %.800s", name, reply);
    char *end;
    long n = strtol(at + strlen(head), &end, 10);
    cr_assert(n >= 0, "%s is null in: %.800s", name, reply);
    return strndup(end + 1, (size_t)n);
}

static inline char *ask_field(struct rig *r, const char *node, const char *command, const char *name) {
    return field(rig_do(r, node, command), name);
}

__attribute__((format(printf, 3, 4))) static inline const char *ask(struct rig *r, const char *node, const char *format, ...) {
    char command[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return rig_do(r, node, command);
}

static inline unsigned times(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) n++;
    return n;
}

/* What two DCs write without knowing of each other; us first. */
static inline void write_apart(struct rig *r, const char *in_us, const char *in_eu) {
    rig_cut(r, "us", "eu");
    rig_do(r, "us-1", in_us);
    rig_run(r, MS(20));
    rig_do(r, "eu-1", in_eu);
    rig_heal(r, "*", "*");
    rig_settle(r);
}
