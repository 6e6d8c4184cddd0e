#include "stamp.h"
#include "text.h"
#include <assert.h>

stamp_t hlc_next(struct hlc *c, uint64_t wall_ms) {
    stamp_t wall = stamp_make(wall_ms < STAMP_MS_MAX ? wall_ms : STAMP_MS_MAX, 0);
    assert(c->last < UINT64_MAX); /* year 10889 */
    c->last = wall > c->last ? wall : c->last + 1;
    return c->last;
}

bool hlc_observe(struct hlc *c, stamp_t seen, uint64_t wall_ms, uint64_t bound_ms) {
    uint64_t limit_ms = wall_ms > UINT64_MAX - bound_ms ? UINT64_MAX : wall_ms + bound_ms;
    if (stamp_ms(seen) > limit_ms) return false;
    if (seen > c->last) c->last = seen;
    return true;
}

void stamp_format(stamp_t s, struct buf *out) { buf_printf(out, "%llu.%u", (unsigned long long)stamp_ms(s), (unsigned)(s & 0xffff)); }

bool stamp_parse(struct slice text, stamp_t *ret) {
    struct slice ms_text, counter_text;
    uint64_t ms, counter;
    if (!text_cut(text, '.', &ms_text, &counter_text)) return false;
    if (!text_number(ms_text, STAMP_MS_MAX, &ms) || !text_number(counter_text, UINT16_MAX, &counter)) return false;
    *ret = stamp_make(ms, (uint16_t)counter);
    return true;
}
