/* Version vectors: origin -> highest number (DESIGN, section 2). `vv_get(v, o) == n` means: all events 1..n of o.
 *
 * A value type, dense by origin_ref; an origin beyond `len` counts as 0. Text, in canonical order of origins, zeros left out:
 * `eu-1.00000000000000aa:7,us-1.00000000000000bb:42`; the empty vector is `-`.
 * After: Fidge 1988 / Mattern 1989; server-wide use as in DottedDB (Goncalves et al., SRDS 2017). */
#pragma once
#include "origin.h"

struct vv {
    uint64_t *n;
    uint32_t len;
};

enum vv_order { VV_EQUAL, VV_BEFORE, VV_AFTER, VV_CONCURRENT };

void vv_finish(struct vv *v); /* frees; v is the empty vector again */
void vv_clear(struct vv *v);
void vv_copy(struct vv *to, const struct vv *from);
static inline uint64_t vv_get(const struct vv *v, origin_ref o) { return o < v->len ? v->n[o] : 0; }
static inline bool vv_covers(const struct vv *v, struct dot d) { return vv_get(v, d.origin) >= d.n; }
void vv_set(struct vv *v, origin_ref o, uint64_t n);
void vv_raise(struct vv *v, origin_ref o, uint64_t n); /* to at least n */
void vv_join(struct vv *into, const struct vv *from);  /* element-wise greater */
void vv_meet(struct vv *into, const struct vv *from);  /* element-wise lesser */
bool vv_includes(const struct vv *whole, const struct vv *part);
enum vv_order vv_compare(const struct vv *a, const struct vv *b); /* VV_BEFORE: a is strictly included in b */
bool vv_empty(const struct vv *v);

void vv_format(const struct vv *v, const struct origins *t, struct buf *out);
bool vv_parse(struct slice text, struct origins *t, struct vv *ret); /* false: ret is unchanged */

/* Binary: varint count, then dots in canonical order of origins, strictly ascending. */
void vv_encode(const struct vv *v, const struct origins *t, struct buf *out);
bool vv_decode(struct reader *r, struct origins *t, struct vv *ret); /* false (and r->bad): ret is empty */
/* The same for equal vectors of different tables. */
uint64_t vv_hash(const struct vv *v, const struct origins *t);
