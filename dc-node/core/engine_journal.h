/* What the files of the conflict journal share among themselves. */
#pragma once
#include "state.h"

/* A record into this step's commit; value.n == 0: it is removed. */
void journal_put(struct engine *e, struct slice name, struct slice value);
void journal_put_counts(struct engine *e);
bool journal_just_put(struct engine *e, struct slice name); /* in this step */
/* A record is damaged: the node must stop. Returns false. */
bool journal_damaged(struct engine *e);
/* Of a cell's versions the one that readers see; NULL: it has none. */
const struct version *cell_read(const struct engine *e, const struct table_rule *table, const struct row *r, const struct cell *c);
