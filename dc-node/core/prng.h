/* Random numbers whose whole state lies in the struct (xoshiro256**, Blackman & Vigna 2018; seeded by splitmix64). */
#pragma once
#include <stdint.h>

struct prng {
    uint64_t s[4];
};
void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
/* 0 .. below-1, without bias; below >= 1. */
uint64_t prng_below(struct prng *p, uint64_t below);
/* True in numerator of denominator cases. */
static inline int prng_chance(struct prng *p, uint64_t numerator, uint64_t denominator) { return prng_below(p, denominator) < numerator; }
