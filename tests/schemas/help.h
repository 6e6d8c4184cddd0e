/* What the tests of this room share: random numbers from a seed, and comparison with golden bytes written as hex. */
#pragma once
#include "../../schemas/message.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
static inline uint64_t draw(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static inline uint64_t draw_below(uint64_t *seed, uint64_t below) { return draw(seed) % below; }

static inline void put_hex(struct buf *out, struct slice s) {
    for (size_t i = 0; i < s.n; i++) buf_printf(out, "%02x", s.p[i]);
}

/* `want` is hex, with spaces wherever they help to read it. */
static inline void check_hex(struct slice got, const char *want, const char *file, int line) {
    struct buf text = {0}, wanted = {0};
    put_hex(&text, got);
    buf_u8(&text, 0);
    for (; *want != '\0'; want++) {
        if (*want != ' ') buf_u8(&wanted, (uint8_t)*want);
    }
    buf_u8(&wanted, 0);
    cr_assert_str_eq((char *)text.p, (char *)wanted.p, "%s:%d:\n  got      %s\n  expected %s", file, line, (char *)text.p, (char *)wanted.p);
    buf_finish(&text);
    buf_finish(&wanted);
}
#define CHECK_HEX(buffer, want) check_hex(buf_slice_of(&(buffer)), want, __FILE__, __LINE__)

static inline void check_text(struct slice got, const char *want, const char *file, int line) {
    cr_assert(slice_equal(got, slice_text(want)), "%s:%d: got %.*s, expected %s", file, line, (int)got.n, (const char *)got.p, want);
}
#define CHECK_TEXT(buffer, want) check_text(buf_slice_of(&(buffer)), want, __FILE__, __LINE__)

/* A copy of exactly this size on the heap, so that the sanitizer sees a read past its end. */
static inline struct slice exact_copy(struct slice s) {
    uint8_t *p = malloc(s.n == 0 ? 1 : s.n);
    if (s.n != 0) memcpy(p, s.p, s.n);
    return SLICE(p, s.n);
}
static inline void free_copy(struct slice s) { free((void *)(uintptr_t)s.p); }

static inline origin_ref origin_named(struct origins *t, const char *dc, uint16_t node, uint64_t incarnation) {
    struct origin o = {.node = node, .incarnation = incarnation};
    memcpy(o.dc, dc, strlen(dc) + 1);
    origin_ref ref = origins_intern(t, &o);
    cr_assert_neq(ref, ORIGIN_NONE);
    return ref;
}
