/* Counters that lose no increment, in bounded space (DESIGN, section 6): for each origin a running total with the number of its first event, carried
 * whole by every increment; a delete carries the totals that it saw, where counting starts again. After: bounded counters of reset epochs, as in
 * state-based PN-counters (Shapiro et al. 2011). */
#pragma once
#include "row_parts.h"

/* The join of two states of one origin's entry: the greater birth wins, then the greater number; of resets the greater number. */
struct counter counter_join(const struct counter *a, const struct counter *b);
/* What `r`, seen by event `by`, takes away of it. Of another birth, or not beyond what was reset: nothing. */
void counter_reset_by(struct counter *c, const struct counter_reset *r, struct dot by);
/* Counted since the last reset? */
static inline bool counter_live(const struct counter *c) { return c->n > c->reset_n; }
/* Wholly reset, by an event that is stable: it may go. */
bool counter_collectable(const struct counter *c, const struct vv *stable);

/* The sum of what is not reset; at the ends of its range it stays there. */
amount_t counters_sum(const struct counter *c, uint32_t count);
amount_t amount_add(amount_t a, amount_t b); /* saturating */

/* ---- numbers as text ---- */
#define AMOUNT_TEXT_MAX 64
/* Decimal text, with a fraction and an exponent where it has them; false: none, or not exact in 10^-17, or beyond 21 digits before the point. */
bool amount_parse(struct slice text, amount_t *ret);
/* Shortest exact decimal text; returns its length. */
size_t amount_format(amount_t a, char out[static AMOUNT_TEXT_MAX]);

/* One origin's entry in a row: origin, varint birth, varint n, amount, u64 stamp, varint reset n, and where > 0: amount, dot. Appends. */
void counter_encode(const struct counter *c, const struct origins *t, struct buf *out);
struct counter counter_decode(struct reader *r, struct origins *t);
