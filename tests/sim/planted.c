/* Tests of the tests: the swarm has to find every bug that can be planted in the engine, within SEEDS_MAX seeds.
 *
 *   planted [NAME] */
#include "run.h"

#include <string.h>
#include <strings.h>

#define SEEDS_MAX 300

static const struct planted {
    const char *name;
    uint32_t bug;
} planted[] = {
#define X(bug, number, doc) {#bug, number},
    PLANTED_BUGS(X)
#undef X
};

static bool hunt(const struct planted *p) {
    static struct run_result r;
    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed++) {
        run_seed(seed, p->bug, NULL, &r);
        if (!r.failure[0]) continue;
        printf("%-20s found with seed %4llu: %.100s\n", p->name, (unsigned long long)seed, r.failure);
        return true;
    }
    printf("%-20s NOT FOUND in %d seeds\n", p->name, SEEDS_MAX);
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
