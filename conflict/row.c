#include "row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROW_VERSION       1
#define CHECKSUM_BYTES    8u
#define SIBLING_BYTES_MIN 21u /* dot 12, stamp 8, length of the content 1 */

/* ---- contexts ---- */

bool context_covers(const struct context *c, struct dot d) {
    assert(d.n >= 1);
    for (uint32_t i = 0; i < c->unseen_count; i++)
        if (dot_equal(c->unseen[i], d)) return false;
    if (d.origin == c->self.origin) return d.n < c->self.n;
    return vv_covers(c->deps, d);
}

/* ---- siblings ---- */

void siblings_finish(struct siblings *s) {
    free(s->v);
    *s = (struct siblings){0};
}

bool siblings_live(const struct siblings *s) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->v[i].content.n > 0) return true;
    return false;
}

static void siblings_reserve(struct siblings *s, uint32_t n) {
    if (n <= s->cap) return;
    uint32_t cap = s->cap ? s->cap : 4;
    while (cap < n) cap *= 2;
    s->v = xrealloc(s->v, cap * sizeof *s->v);
    s->cap = cap;
}

static void remove_covered(struct siblings *s, const struct context *c) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (context_covers(c, s->v[i].dot)) continue;
        if (kept != i) s->v[kept] = s->v[i];
        kept++;
    }
    s->n = kept;
}

/* At its place in canonical order; a dot that is there already has this content, so that a set comes out. */
static void insert(struct siblings *s, struct version v, const struct origins *t) {
    uint32_t at = s->n;
    for (; at > 0; at--) {
        int order = dot_compare(t, s->v[at - 1].dot, v.dot);
        if (order == 0) {
            s->v[at - 1] = v;
            return;
        }
        if (order < 0) break;
    }
    siblings_reserve(s, s->n + 1);
    memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
    s->v[at] = v;
    s->n++;
}

void siblings_apply(struct siblings *s, const struct context *c, enum change_op op, stamp_t stamp, struct slice content, const struct origins *t) {
    assert(c->self.n >= 1);
    assert((op == CHANGE_PUT) == (content.n > 0));
    remove_covered(s, c);
    if (op != CHANGE_REAP) insert(s, (struct version){c->self, stamp, content}, t);
}

/* ---- what readers see ---- */

static bool lww_beats(const struct version *a, const struct version *b, const struct origins *t) {
    return a->stamp != b->stamp ? a->stamp > b->stamp : dot_compare(t, a->dot, b->dot) > 0;
}

uint32_t policy_winner(enum policy p, const struct siblings *s, const struct origins *t) {
    assert(s->n >= 1);
    assert(p == POLICY_LWW);
    uint32_t winner = 0;
    for (uint32_t i = 1; i < s->n; i++)
        if (lww_beats(&s->v[i], &s->v[winner], t)) winner = i;
    return winner;
}

uint64_t siblings_expire_ms(const struct siblings *s) {
    uint64_t longest = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].content.n == 0) continue;
        uint64_t ms = content_expires_ms(s->v[i].content);
        if (ms == 0) return 0;
        if (ms > longest) longest = ms;
    }
    return longest;
}

/* ---- bytes ---- */

void row_encode(const struct siblings *s, const struct origins *t, struct buf *out) {
    assert(s->n >= 1);
    size_t start = out->n;
    buf_u8(out, ROW_VERSION);
    buf_varint(out, s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        dot_encode(t, s->v[i].dot, out);
        buf_u64(out, s->v[i].stamp);
        buf_slice(out, s->v[i].content);
    }
    buf_u64(out, hash64(SLICE(out->p + start, out->n - start)));
}

static bool checksum_holds(struct slice bytes) {
    struct reader r = reader_of(SLICE(bytes.p + bytes.n - CHECKSUM_BYTES, CHECKSUM_BYTES));
    return read_u64(&r) == hash64(SLICE(bytes.p, bytes.n - CHECKSUM_BYTES));
}

static bool in_form(const struct siblings *s, const struct origins *t) {
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->v[i].content.n > 0 && !content_check(s->v[i].content)) return false;
        if (i > 0 && dot_compare(t, s->v[i - 1].dot, s->v[i].dot) >= 0) return false;
    }
    return true;
}

bool row_decode(struct slice bytes, bool verify, struct origins *t, struct siblings *ret) {
    ret->n = 0;
    if (bytes.n < CHECKSUM_BYTES + 2) return false;
    if (verify && !checksum_holds(bytes)) return false;
    struct reader r = reader_of(SLICE(bytes.p, bytes.n - CHECKSUM_BYTES));
    uint8_t version = read_u8(&r);
    uint64_t count = read_varint(&r);
    if (r.bad || version != ROW_VERSION || count == 0 || count > bytes.n / SIBLING_BYTES_MIN) return false;
    siblings_reserve(ret, (uint32_t)count);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        struct version *v = &ret->v[i];
        v->dot = dot_decode(&r, t);
        v->stamp = read_u64(&r);
        v->content = read_slice(&r);
    }
    if (!read_done(&r)) return false;
    ret->n = (uint32_t)count;
    if (!verify || in_form(ret, t)) return true;
    ret->n = 0;
    return false;
}

/* ---- digest ---- */

static uint64_t version_hash(uint64_t key_hash, const struct version *v, const struct origins *t) {
    const struct origin *o = origins_get(t, v->dot.origin);
    uint8_t name[NAME_LEN_MAX + 1 + 2 + 8 + 8];
    size_t n = strlen(o->dc);
    memcpy(name, o->dc, n);
    name[n++] = 0;
    name[n++] = (uint8_t)o->node;
    name[n++] = (uint8_t)(o->node >> 8);
    for (int i = 0; i < 8; i++) name[n++] = (uint8_t)(o->incarnation >> 8 * i);
    for (int i = 0; i < 8; i++) name[n++] = (uint8_t)(v->dot.n >> 8 * i);
    return hash64_seeded(v->content, hash64_seeded(SLICE(name, n), key_hash));
}

uint64_t row_digest(struct slice key, const struct siblings *s, const struct origins *t) {
    if (!siblings_live(s)) return 0;
    uint64_t key_hash = hash64(key), sum = 0;
    for (uint32_t i = 0; i < s->n; i++) sum += version_hash(key_hash, &s->v[i], t);
    return sum;
}
