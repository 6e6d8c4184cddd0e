/* What the tests of this room share: rows by hand. */
#pragma once
#include "../../conflict/journal.h"
#include "../schemas/help.h"

/* A string as content; the bytes live in `b`. */
static inline struct slice text_content(struct buf *b, const char *text, uint64_t expires_ms) {
    content_make_string(b, expires_ms, slice_text(text));
    return buf_slice_of(b);
}

static inline bool holds(const struct siblings *s, struct dot d) {
    for (uint32_t i = 0; i < s->n; i++) {
        if (dot_equal(s->v[i].dot, d)) return true;
    }
    return false;
}

static inline struct slice encoded_row(const struct siblings *s, const struct origins *t, struct buf *out) {
    buf_clear(out);
    row_encode(s, t, out);
    return buf_slice_of(out);
}

static inline void put(struct siblings *s, const struct vv *deps, struct dot self, stamp_t stamp, struct slice content, const struct origins *t) {
    struct context c = {.deps = deps, .self = self};
    siblings_apply(s, &c, content.n ? CHANGE_PUT : CHANGE_DELETE, stamp, content, t);
}
