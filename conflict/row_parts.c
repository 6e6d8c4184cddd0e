#include "row_parts.h"

#include <assert.h>

bool context_covers(const struct context *c, struct dot d) {
    assert(d.n >= 1);
    for (uint32_t i = 0; i < c->unseen_count; i++)
        if (dot_equal(c->unseen[i], d)) return false;
    return d.n <= context_upto(c, d.origin);
}
