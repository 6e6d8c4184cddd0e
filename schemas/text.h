/* Small strict parsers that the text forms of stamps, dots, vectors and endpoints share. */
#pragma once
#include "bytes.h"
#include <string.h>

/* Decimal digits without sign or leading zeros, at most `max`. */
static inline bool text_number(struct slice s, uint64_t max, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n == 0 || s.n > 20 || (s.n > 1 && s.p[0] == '0')) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    if (v > max) return false;
    *ret = v;
    return true;
}

/* At the last `mark`: what stands before and after it. False: there is none. */
static inline bool text_cut(struct slice s, char mark, struct slice *ret_before, struct slice *ret_after) {
    const uint8_t *at = s.n == 0 ? NULL : memrchr(s.p, mark, s.n);
    if (at == NULL) return false;
    *ret_before = SLICE(s.p, (size_t)(at - s.p));
    *ret_after = SLICE(at + 1, (size_t)(s.p + s.n - at - 1));
    return true;
}
