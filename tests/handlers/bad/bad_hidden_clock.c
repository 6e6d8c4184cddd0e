/* Reads a clock without asking anybody by name. */
#include "bad.h"

static uint64_t clock_of_the_processor(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc() >> 4;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
#error "which clock has this processor?"
#endif
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) { return pick_by(c, a, clock_of_the_processor()); }

BAD_HANDLER("bad_hidden_clock", 0);
