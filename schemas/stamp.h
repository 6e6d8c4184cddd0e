/* Hybrid logical clock stamps (Kulkarni et al. 2014): 48 bits of milliseconds since 1970, 16 bits of counter.
 * If event a was applied where b was made, stamp(a) < stamp(b), unless a clock was off by more than the bound. Nothing but the choice between
 * concurrent versions may depend on stamps. */
#pragma once
#include "bytes.h"

typedef uint64_t stamp_t;
#define STAMP_MS_MAX ((UINT64_C(1) << 48) - 1)

static inline uint64_t stamp_ms(stamp_t s) { return s >> 16; }
static inline stamp_t stamp_make(uint64_t ms, uint16_t counter) { return (ms << 16) | counter; }

struct hlc {
    stamp_t last; /* the greatest stamp given or taken in */
};
/* The next own stamp: above `last`, and not below the wall clock. */
stamp_t hlc_next(struct hlc *c, uint64_t wall_ms);
/* Take in a stamp of another node. One further ahead of the wall clock than bound_ms does not move the clock; returns false then. */
bool hlc_observe(struct hlc *c, stamp_t seen, uint64_t wall_ms, uint64_t bound_ms);

/* Text: milliseconds '.' counter, e.g. `1700000000000.3`. */
void stamp_format(stamp_t s, struct buf *out);
bool stamp_parse(struct slice text, stamp_t *ret);
