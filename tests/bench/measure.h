/* What the benchmark's programs share: the time, the CPU they took, random numbers that are the same in every run, percentiles. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t mono_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* User and system time of this process, all threads. */
static inline uint64_t cpu_us(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void random_fill(uint64_t *state, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = random_next(state);
        for (size_t k = i; k < n && k < i + 8; k++, v >>= 8) p[k] = (uint8_t)v;
    }
}

static inline int compare_u64(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts; the smallest value that per_mille thousandths of all do not exceed. */
static inline uint64_t percentile(uint64_t *v, size_t n, unsigned per_mille) {
    qsort(v, n, sizeof *v, compare_u64);
    size_t at = (n * per_mille + 999) / 1000;
    return v[at > 0 ? at - 1 : 0];
}

/* A positive number, or the program ends: these arguments come from the benchmark itself. */
static inline uint64_t number_argument(const char *text) {
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    if (*text == 0 || *end != 0) {
        fprintf(stderr, "%s is not a number\n", text);
        exit(2);
    }
    return v;
}
