/* The command truce with a bug in its simulated engines: TRUCE_PLANT names it, as PLANTED_BUGS and CONFLICT_BUGS do. The command itself knows nothing
 * of that. */
#include "../../conflict/planted.h"
#include "../../deploy/replay_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((constructor)) plant(void) {
    const char *name = getenv("TRUCE_PLANT");
    if (name == NULL) return;
#define X(bug, number, doc)                                                                                                                          \
    if (strcmp(name, #bug) == 0) replay_planted_bug = number;
    PLANTED_BUGS(X)
#undef X
#define X(bug, doc)                                                                                                                                  \
    if (strcmp(name, #bug) == 0) conflict_planted = CONFLICT_BUG_##bug;
    CONFLICT_BUGS(X)
#undef X
    if (replay_planted_bug != 0 || conflict_planted != CONFLICT_BUG_NONE) return;
    fprintf(stderr, "TRUCE_PLANT: there is no bug %s\n", name);
    exit(2);
}
