/* Tests of the tests: the swarm has to find every bug that can be planted in the engine, and those of the conflict module that can show in a world,
 * within SEEDS_MAX seeds. What is not listed shows only where its rule is tested alone (tests/conflict).
 *
 *   planted [NAME] */
#include "run.h"

#include <string.h>
#include <strings.h>

#define SEEDS_MAX 1000

static const char *const planted[] = {
#define X(bug, number, doc) #bug,
    PLANTED_BUGS(X)
#undef X
        "EAGER_LWW",
    "NO_CONTEXT",
    "HEAD_ONLY",
    "NEVER_REOPEN",
    "COUNTER_DROP_EARLY",
    "REMOVE_WINS",
    "DELETE_ALL",
    "TYPES_HIDDEN",
    "EXPIRY_SHORTEST",
    "RECORD_BY_STAMP",
    "ANSWER_UNSEEN",
    "ANSWER_AGAIN",
};

/* Heartbeats and time come before what these break, in nearly every world: the rules are tested by hand (engine_ack_test.c, engine_lead_test.c). They
 * are looked for here only when they are named. */
static const char *const rare[] = {"ACKS_OF_ANY_TERM", "ADMITTED_BY_ANY"};

static bool is_rare(const char *name) {
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
        if (strcmp(name, rare[i]) == 0) return true;
    return false;
}

static bool hunt(const char *name) {
    static struct run_result r;
    struct bug_planted bug = {0};
    if (!bug_by_name(name, &bug)) return false;
    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed++) {
        run_seed(worlds_of(bug), seed, bug, NULL, &r);
        if (!r.failure[0]) continue;
        printf("%-20s found with seed %4llu: %.100s\n", name, (unsigned long long)seed, r.failure);
        return true;
    }
    printf("%-20s NOT FOUND in %d seeds\n", name, SEEDS_MAX);
    return false;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        if (argc > 1 ? strcasecmp(argv[1], planted[i]) != 0 : is_rare(planted[i])) continue;
        if (hunt(planted[i]))
            passed++;
        else
            failed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
