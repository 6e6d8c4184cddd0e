/* Whether a cluster has come to rest: what all nodes say, and whether they agree. */
#pragma once
#include "local.h"

#include <jansson.h>

/* For each node, in order: {"node", "dc", "client", "pid", "process": "running" | "paused" | "down" | "silent", "why", "status": TRUCE.STATUS or
 * null}. The caller owns it. */
json_t *ask_nodes(const struct local *l);
/* All run and answer, with the same version vector and the same digest. */
bool nodes_settled(const json_t *nodes);
