/* What was done to a local cluster: every changing verb appends a line to D/incidents.jsonl, for whoever wants to see it again (capture.h). */
#pragma once
#include "args.h"
#include "local.h"

#include <jansson.h>

struct incident {
    uint64_t from_ms, to_ms; /* when the verb began and ended, by the wall clock; equal where something happened by itself */
    char verb[16];
    json_t *words;   /* a list; owned */
    json_t *options; /* an object; owned */
};
struct incidents {
    struct incident *list; /* in order of time */
    size_t count, cap;
};
void incidents_finish(struct incidents *i);

/* Is it a verb that changes the cluster? */
bool incident_of(const char *verb);
/* Appends a line. False: it could not be written. */
bool incidents_append(const struct local *l, const struct args *a, uint64_t from_ms, uint64_t to_ms);
/* Reads them, and what the logs of the nodes say of starts and ends that no verb was there for (verbs `died` and `started`). A file that is not there
 * is an empty one. False: *why. */
bool incidents_load(const struct local *l, struct incidents *ret, struct buf *why);
/* 2026-11-21T08:40:42.123Z as milliseconds since 1970. False: not of that form. */
bool parse_instant(const char *text, uint64_t *ret_ms);
