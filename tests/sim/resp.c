#include "resp.h"

#include <string.h>

static int64_t integer(struct slice s) {
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;
    for (size_t i = negative; i < s.n && i < 19; i++) v = v * 10 + (s.p[i] - '0');
    return negative ? -v : v;
}

static bool parse(struct slice *s, struct resp *ret, uint32_t max, uint32_t *count) {
    const uint8_t *end = s->n > 2 ? memchr(s->p, '\r', s->n) : NULL;
    if (!end) return false;
    struct resp r = {.type = (char)s->p[0], .text = SLICE(s->p + 1, (size_t)(end - s->p) - 1)};
    if (r.type == ':' || r.type == '$' || r.type == '*') r.integer = integer(r.text);
    size_t used = (size_t)(end - s->p) + 2;
    r.null = (r.type == '$' || r.type == '*') && r.integer < 0;
    if (r.type == '$' && !r.null) {
        if (s->n < used + (size_t)r.integer + 2) return false;
        r.text = SLICE(s->p + used, (size_t)r.integer);
        used += (size_t)r.integer + 2;
    }
    *s = SLICE(s->p + used, s->n - used);
    if (*count < max) ret[*count] = r;
    (*count)++;
    if (r.type != '*' || r.null) return true;
    for (int64_t i = 0; i < r.integer; i++)
        if (!parse(s, ret, max, count)) return false;
    return true;
}

uint32_t resp_parse(struct slice reply, struct resp *ret, uint32_t max) {
    uint32_t count = 0;
    return parse(&reply, ret, max, &count) ? count : 0;
}
