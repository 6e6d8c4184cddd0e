/* Rows in a simulated store that are well formed, but not what their events made them. Of a node that does not run. */
#pragma once
#include "../../dc-node/sim/store.h"

enum damage {
    DAMAGE_VALUE, /* one of its versions has other content */
    DAMAGE_LOST,  /* it is not there */
};
void damage_row(struct sim_store *s, const char *key, enum damage how);
/* As it stands in another store. */
void damage_from(struct sim_store *s, const char *key, struct sim_store *other);
