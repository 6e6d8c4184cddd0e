#include "vv.h"
#include "text.h"
#include <assert.h>
#include <stdlib.h>

void vv_finish(struct vv *v) {
    free(v->n);
    *v = (struct vv){0};
}

void vv_clear(struct vv *v) {
    if (v->len != 0) memset(v->n, 0, v->len * sizeof *v->n);
}

static void vv_widen(struct vv *v, uint32_t len) {
    if (len <= v->len) return;
    v->n = xrealloc(v->n, len * sizeof *v->n);
    memset(v->n + v->len, 0, (len - v->len) * sizeof *v->n);
    v->len = len;
}

void vv_copy(struct vv *to, const struct vv *from) {
    if (to == from) return;
    vv_widen(to, from->len);
    if (from->len != 0) memcpy(to->n, from->n, from->len * sizeof *to->n);
    if (to->len > from->len) memset(to->n + from->len, 0, (to->len - from->len) * sizeof *to->n);
}

void vv_set(struct vv *v, origin_ref o, uint64_t n) {
    assert(o < ORIGINS_MAX);
    if (o >= v->len) {
        if (n == 0) return;
        vv_widen(v, o + 1);
    }
    v->n[o] = n;
}

void vv_raise(struct vv *v, origin_ref o, uint64_t n) {
    if (n > vv_get(v, o)) vv_set(v, o, n);
}

void vv_join(struct vv *into, const struct vv *from) {
    vv_widen(into, from->len);
    for (uint32_t i = 0; i < from->len; i++) {
        if (from->n[i] > into->n[i]) into->n[i] = from->n[i];
    }
}

void vv_meet(struct vv *into, const struct vv *from) {
    for (uint32_t i = 0; i < into->len; i++) {
        uint64_t n = vv_get(from, i);
        if (n < into->n[i]) into->n[i] = n;
    }
}

bool vv_includes(const struct vv *whole, const struct vv *part) {
    for (uint32_t i = 0; i < part->len; i++) {
        if (part->n[i] > vv_get(whole, i)) return false;
    }
    return true;
}

enum vv_order vv_compare(const struct vv *a, const struct vv *b) {
    bool a_in_b = vv_includes(b, a), b_in_a = vv_includes(a, b);
    if (a_in_b) return b_in_a ? VV_EQUAL : VV_BEFORE;
    return b_in_a ? VV_AFTER : VV_CONCURRENT;
}

bool vv_empty(const struct vv *v) {
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->n[i] != 0) return false;
    }
    return true;
}

/* ---- canonical order ---- */
static int compare_refs(const void *a, const void *b, void *table) { return origins_compare(table, *(const origin_ref *)a, *(const origin_ref *)b); }

/* The origins that are not zero, in canonical order; `few` is used when they fit. What is returned is freed when it is not `few`. */
#define FEW 64
static origin_ref *sorted_refs(const struct vv *v, const struct origins *t, origin_ref few[static FEW], uint32_t *ret_count) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < v->len; i++) count += v->n[i] != 0;
    origin_ref *refs = count <= FEW ? few : xmalloc(count * sizeof *refs);
    count = 0;
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->n[i] != 0) refs[count++] = i;
    }
    qsort_r(refs, count, sizeof *refs, compare_refs, (void *)(uintptr_t)t);
    *ret_count = count;
    return refs;
}

/* ---- text ---- */
void vv_format(const struct vv *v, const struct origins *t, struct buf *out) {
    origin_ref few[FEW];
    uint32_t count;
    origin_ref *refs = sorted_refs(v, t, few, &count);
    if (count == 0) buf_text(out, "-");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) buf_u8(out, ',');
        dot_format(t, (struct dot){refs[i], v->n[refs[i]]}, out);
    }
    if (refs != few) free(refs);
}

static bool parse_dots(struct slice text, struct origins *t, struct vv *into) {
    struct dot before = {ORIGIN_NONE, 0}, d;
    const uint8_t *p = text.p, *end = text.p + text.n;
    for (;;) {
        const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
        const uint8_t *stop = comma == NULL ? end : comma;
        if (!dot_parse(SLICE(p, (size_t)(stop - p)), t, &d)) return false;
        if (before.n != 0 && origins_compare(t, before.origin, d.origin) >= 0) return false;
        vv_set(into, d.origin, d.n);
        if (comma == NULL) return true;
        before = d;
        p = comma + 1;
    }
}

bool vv_parse(struct slice text, struct origins *t, struct vv *ret) {
    struct vv parsed = {0};
    if (text.n == 0) return false;
    if (!slice_is(text, "-") && !parse_dots(text, t, &parsed)) {
        vv_finish(&parsed);
        return false;
    }
    vv_finish(ret);
    *ret = parsed;
    return true;
}

/* ---- binary ---- */
void vv_encode(const struct vv *v, const struct origins *t, struct buf *out) {
    origin_ref few[FEW];
    uint32_t count;
    origin_ref *refs = sorted_refs(v, t, few, &count);
    buf_varint(out, count);
    for (uint32_t i = 0; i < count; i++) dot_encode(t, (struct dot){refs[i], v->n[refs[i]]}, out);
    if (refs != few) free(refs);
}

bool vv_decode(struct reader *r, struct origins *t, struct vv *ret) {
    vv_clear(ret);
    uint64_t count = read_varint(r);
    if (count > (size_t)(r->end - r->p) / DOT_BYTES_MIN) read_refuse(r);
    struct dot before = {ORIGIN_NONE, 0};
    for (uint64_t i = 0; i < count && !r->bad; i++) {
        struct dot d = dot_decode(r, t);
        if (!r->bad && i > 0 && origins_compare(t, before.origin, d.origin) >= 0) read_refuse(r);
        if (!r->bad) vv_set(ret, d.origin, d.n);
        before = d;
    }
    if (!r->bad) return true;
    vv_clear(ret);
    return false;
}

uint64_t vv_hash(const struct vv *v, const struct origins *t) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->n[i] == 0) continue;
        uint8_t bytes[8];
        for (unsigned k = 0; k < 8; k++) bytes[k] = (uint8_t)(v->n[i] >> (8 * k));
        sum += hash64_seeded(SLICE(bytes, sizeof bytes), origins_hash(t, i));
    }
    return sum;
}
