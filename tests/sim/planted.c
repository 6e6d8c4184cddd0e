/* Tests of the tests: the swarm has to find every bug that can be planted in the engine, within a bound of seeds.
 *
 *   planted [NAME] */
#include "run.h"

#include <string.h>
#include <strings.h>

static const struct planted {
    const char *name;
    uint32_t bug;
    uint64_t seeds_max;
} planted[] = {
#define BOUND_IGNORE_CONTEXT      300
#define BOUND_DROP_LOSER          300
#define BOUND_COLLECT_EARLY       300
#define BOUND_STABLE_BY_REPORTS   300
#define BOUND_COLLECT_BESIDE_LIVE 300
#define BOUND_ACK_EARLY           300
#define BOUND_SKIP_DEPS           300
#define BOUND_APPLY_TWICE         300
#define BOUND_REUSE_INCARNATION   300
#define BOUND_NO_JOURNAL          300
#define BOUND_SPLIT_TRANSACTION   300
#define BOUND_VV_AHEAD            300
#define BOUND_STAMP_DRAGGED       300
#define BOUND_STAMP_STANDS        300
#define X(bug, number, doc)       {#bug, number, BOUND_##bug},
    PLANTED_BUGS(X)
#undef X
};

static bool hunt(const struct planted *p) {
    static struct run_result r;
    for (uint64_t seed = 1; seed <= p->seeds_max; seed++) {
        run_seed(seed, p->bug, NULL, &r);
        if (!r.failure[0]) continue;
        printf("%-20s found with seed %4llu: %.100s\n", p->name, (unsigned long long)seed, r.failure);
        return true;
    }
    printf("%-20s NOT FOUND in %llu seeds\n", p->name, (unsigned long long)p->seeds_max);
    return false;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        if (argc > 1 && strcasecmp(argv[1], planted[i].name) != 0) continue;
        if (hunt(&planted[i]))
            passed++;
        else
            failed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
