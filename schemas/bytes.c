#include "bytes.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- slices ---- */
struct slice slice_text(const char *zero_terminated) {
    return SLICE(zero_terminated, strlen(zero_terminated));
}

bool slice_equal(struct slice a, struct slice b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

int slice_compare(struct slice a, struct slice b) {
    size_t common = a.n < b.n ? a.n : b.n;
    int order = common == 0 ? 0 : memcmp(a.p, b.p, common);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c; }

bool slice_is(struct slice a, const char *text) {
    for (size_t i = 0; i < a.n; i++) {
        if (text[i] == '\0' || lower(a.p[i]) != lower((uint8_t)text[i])) return false;
    }
    return text[a.n] == '\0';
}

/* ---- buffers ---- */
void buf_finish(struct buf *b) {
    free(b->p);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b) { b->n = 0; }

static void buf_grow(struct buf *b, size_t more) {
    assert(more <= SIZE_MAX / 2 - b->n);
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < b->n + more) cap *= 2;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

uint8_t *buf_reserve(struct buf *b, size_t more) {
    if (b->p == NULL || b->cap - b->n < more) buf_grow(b, more);
    return b->p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n) {
    uint8_t *to = buf_reserve(b, n);
    if (n != 0) memcpy(to, p, n);
    b->n += n;
}

void buf_u8(struct buf *b, uint8_t v) {
    *buf_reserve(b, 1) = v;
    b->n += 1;
}

/* Compilers make one store of each of these loops on little-endian machines. */
void buf_u32(struct buf *b, uint32_t v) {
    uint8_t *to = buf_reserve(b, 4);
    for (unsigned i = 0; i < 4; i++) to[i] = (uint8_t)(v >> (8 * i));
    b->n += 4;
}

void buf_u64(struct buf *b, uint64_t v) {
    uint8_t *to = buf_reserve(b, 8);
    for (unsigned i = 0; i < 8; i++) to[i] = (uint8_t)(v >> (8 * i));
    b->n += 8;
}

void buf_varint(struct buf *b, uint64_t v) {
    uint8_t *to = buf_reserve(b, 10);
    size_t n = 0;
    while (v >= 0x80) {
        to[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (uint8_t)v;
    b->n += n;
}

void buf_slice(struct buf *b, struct slice s) {
    buf_reserve(b, 10 + s.n);
    buf_varint(b, s.n);
    buf_put(b, s.p, s.n);
}

void buf_text(struct buf *b, const char *zero_terminated) { buf_put(b, zero_terminated, strlen(zero_terminated)); }

void buf_printf(struct buf *b, const char *format, ...) {
    enum { MOSTLY_ENOUGH = 128 };
    va_list args;
    uint8_t *to = buf_reserve(b, MOSTLY_ENOUGH);
    va_start(args, format);
    int n = vsnprintf((char *)to, MOSTLY_ENOUGH, format, args);
    va_end(args);
    assert(n >= 0);
    if (n >= MOSTLY_ENOUGH) {
        to = buf_reserve(b, (size_t)n + 1);
        va_start(args, format);
        vsnprintf((char *)to, (size_t)n + 1, format, args);
        va_end(args);
    }
    b->n += (size_t)n;
}

struct slice buf_slice_of(const struct buf *b) {
    return SLICE(b->p, b->n);
}

size_t varint_size(uint64_t v) {
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/* ---- reader ---- */
struct reader reader_of(struct slice s) {
    static const uint8_t nothing[1];
    if (s.p == NULL) return (struct reader){nothing, nothing, false};
    return (struct reader){s.p, s.p + s.n, false};
}

/* Nothing more can be read after a fault, so that loops over counts end by themselves. */
void read_refuse(struct reader *r) {
    r->bad = true;
    r->p = r->end;
}

static uint64_t read_fault(struct reader *r) {
    read_refuse(r);
    return 0;
}

uint8_t read_u8(struct reader *r) {
    if (r->p == r->end) return (uint8_t)read_fault(r);
    return *r->p++;
}

uint32_t read_u32(struct reader *r) {
    if (r->end - r->p < 4) return (uint32_t)read_fault(r);
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++) v |= (uint32_t)r->p[i] << (8 * i);
    r->p += 4;
    return v;
}

uint64_t read_u64(struct reader *r) {
    if (r->end - r->p < 8) return read_fault(r);
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) v |= (uint64_t)r->p[i] << (8 * i);
    r->p += 8;
    return v;
}

uint64_t read_varint(struct reader *r) {
    if (r->p < r->end && *r->p < 0x80) return *r->p++;
    uint64_t v = 0;
    for (unsigned shift = 0; r->p < r->end; shift += 7) {
        uint8_t byte = *r->p++;
        if (shift == 63 && byte > 1) return read_fault(r); /* more than 64 bits */
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return byte == 0 ? read_fault(r) : v; /* a last byte of zero: not the shortest form */
    }
    return read_fault(r);
}

struct slice read_bytes(struct reader *r, size_t n) {
    if ((size_t)(r->end - r->p) < n) {
        read_fault(r);
        n = 0;
    }
    struct slice s = SLICE(r->p, n);
    r->p += n;
    return s;
}

struct slice read_slice(struct reader *r) {
    uint64_t n = read_varint(r);
    if (n > (size_t)(r->end - r->p)) n = read_fault(r);
    return read_bytes(r, (size_t)n);
}

bool read_done(const struct reader *r) { return !r->bad && r->p == r->end; }

/* ---- memory and hashes ---- */
static void *or_die(void *p, size_t n) {
    if (p == NULL) {
        fprintf(stderr, "out of memory: %zu bytes were wanted\n", n);
        abort();
    }
    return p;
}

void *xmalloc(size_t n) { return or_die(malloc(n == 0 ? 1 : n), n); }

void *xcalloc(size_t count, size_t size) {
    if (count == 0 || size == 0) count = size = 1;
    return or_die(calloc(count, size), count * size);
}

void *xrealloc(void *p, size_t n) { return or_die(realloc(p, n == 0 ? 1 : n), n); }

char *xstrdup(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

uint64_t hash64(struct slice s) { return XXH3_64bits(s.p, s.n); }

uint64_t hash64_seeded(struct slice s, uint64_t seed) { return XXH3_64bits_withSeed(s.p, s.n, seed); }
