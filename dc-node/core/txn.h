/* A transaction under way at the leader: commands read and change rows through it; at the end it becomes one event, or nothing.
 *
 * Commands say what they do to a row, column by column, and never see siblings or policies: a whole-row table makes the row's new content of it.
 * Reads show the transaction's own changes. Keys and values given are copied. */
#pragma once
#include "../../schemas/content.h"

struct txn;

/* What readers see of a row now: its content, n == 0 when it is absent, deleted or expired. Borrowed until that row changes, or
 * the command ends. */
struct slice txn_get(struct txn *t, struct slice key);

/* ---- changes. Each is false when the row would become larger than ROW_BYTES_MAX (or the event too large): nothing was changed then, and
 * txn_refuse() writes the error reply. Column operations need the row absent or of the same type: check first (call.h, want_type). ---- */
bool txn_set_string(struct txn *t, struct slice key, struct slice value, uint64_t expires_ms); /* replaces whatever the row is */
bool txn_set_content(struct txn *t, struct slice key, struct slice content);                   /* replaces whatever the row is; n == 0: deletes */
bool txn_set_column(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice value); /* HASH, or SET (value unused) */
bool txn_remove_column(struct txn *t, struct slice key, struct slice name); /* the row goes with its last column */
/* Many columns in one go; of equal names the last counts. Values are unused for a SET. */
bool txn_set_columns(struct txn *t, struct slice key, enum content_type type, const struct content_column *columns, size_t count);
bool txn_remove_columns(struct txn *t, struct slice key, const struct slice *names, size_t count); /* names that are not there are passed over */
bool txn_set_expiry(struct txn *t, struct slice key, uint64_t expires_ms);                         /* 0: for ever; the row is not absent */
/* Does the row's table merge? Then what is said again counts: a member added once more outlives a removal that did not know of it. */
bool txn_merges(struct txn *t, struct slice key);
/* Why the last change was refused. */
const char *txn_refusal(const struct txn *t);
bool txn_delete(struct txn *t, struct slice key);
/* Add to a number: a string row (type STRING, name empty) or a hash column. The caller has checked what is there and given the sum in decimal;
 * a table that merges logs the amount, a whole-row table the sum. */
bool txn_add(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice amount, struct slice sum);

/* Keys that readers see, in order of their hash, from hash `from` on: about keys_max calls, whole hashes at a time. Returns where to go on; 0: that
 * was all (hash 0 itself is never a resumption point). Content may be NULL-checked by the callee; borrowed for the call. */
uint64_t txn_scan(struct txn *t, uint64_t from, uint32_t keys_max, void (*each)(void *arg, struct slice key, struct slice content), void *arg);
uint64_t txn_count(struct txn *t); /* rows that are not deleted; expired ones that were not yet reaped count */
