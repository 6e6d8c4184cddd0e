/* Starting nodes and waiting until they serve. */
#pragma once
#include "run.h"

/* Starts the chosen nodes that are not running, tells them what is ordered to their links, and waits: until each answers, until every DC of theirs
 * takes writes, and until followers forward them where no fault stands between. Returns 0, or an exit code after saying why. */
int start_nodes(struct run *r, const bool chosen[static NODES_MAX]);
/* The nodes that the words name, `*` being all; NODES_MAX flags. 0, or an exit code after saying why. */
int chosen_nodes(struct run *r, bool star_allowed, bool ret[static NODES_MAX]);
