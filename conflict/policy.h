/* Policies: what readers see of a row (DESIGN, section 6). They choose, and throw nothing away. */
#pragma once
#include "row.h"
#include "rules.h"

/* Order by stamp, then origin; versions under a clock mark come before all others (DESIGN, section 8). */
bool version_beats(const struct version *a, const struct version *b, const struct rules *rules, const struct origins *t);
/* By DC priority first. */
bool version_outranks(const struct version *a, const struct version *b, const struct rules *rules, const struct origins *t);
/* Of the cell's versions (one at least), the index of the one that is read. Cells of merged rows go by version_beats. */
uint32_t policy_winner(const struct row *r, const struct cell *c, enum policy p, const struct rules *rules, const struct origins *t);

struct view {
    struct slice content; /* n == 0: absent or deleted. Its expiry is the row's: of live versions the longest */
    bool conflict;        /* recorded for later, or waiting for a handler: the siblings are of different content */
};
/* What readers see, expiry by the clock apart. `scratch` may hold the content. */
struct view row_view(const struct row *r, const struct table_rule *table, const struct rules *rules, const struct origins *t, struct buf *scratch);
/* When the row ends, ms since 1970; 0: never. The same under all policies. */
uint64_t row_expires_ms(const struct row *r);
