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
void journal_put_time(struct engine *e, struct slice name); /* its place in the order of time, for retention */
/* ---- across a transfer ---- */
void journal_join(struct engine *e, struct slice key, const struct row *before, const struct row *after, struct slice records);
void journal_put_joined(struct engine *e, const struct episode *ep); /* as it is; counted, and found by its id, when it is new */
/* That number is part of `into` now; `own`: the journal here has it by that number. */
void journal_absorb(struct engine *e, const struct episode *into, struct dot number, bool own);
/* Elements of several types collide in a row, or no longer, since it was joined. */
void journal_types_joined(struct engine *e, struct slice key, const struct row *before, const struct row *after);
