/* Telling the nodes of a cluster that a handler was installed. */
#pragma once
#include "local.h"

#include <jansson.h>

/* Asks every node that runs here to look into its directory of handlers, and waits a little until they have one of that name and hash. Names of nodes
 * are appended: of those that have it now, and of those that run and do not. */
void nodes_take_up(const struct local *l, const char *name, const char *hash, json_t *have, json_t *have_not);
