#include "prng.h"

static uint64_t rotate_left(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

void prng_seed(struct prng *p, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        p->s[i] = z ^ (z >> 31);
    }
}

uint64_t prng_next(struct prng *p) {
    uint64_t *s = p->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t below) {
    /* Numbers under 2^64 mod `below` would make the low results likelier. */
    uint64_t reject = (0 - below) % below;
    uint64_t r;
    do r = prng_next(p);
    while (r < reject);
    return r % below;
}
