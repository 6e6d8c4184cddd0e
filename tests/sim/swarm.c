/* The swarm: many seeds, each a world with faults of its own, in which no invariant may break.
 *
 *   swarm [--seeds A..B] [--bug NAME] [--time-budget SECONDS] [--elections | --long-cuts] [--keep-going] [--hash] [--verbose]
 *
 * --elections: only worlds in which leaders fall all the time. --long-cuts: worlds with little log and memory, and cuts that are longer than the log.
 * --hash prints the hash of each trace: the same on every machine and of every compiler. One seed in twenty is run twice, and must give the same. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct arguments {
    uint64_t first, last;
    struct bug_planted bug;
    const char *bug_name;
    uint64_t budget_s;
    bool verbose, hash, keep_going;
    enum worlds worlds;
};

static bool parse_seeds(const char *text, struct arguments *a) {
    char *end;
    a->first = a->last = strtoull(text, &end, 10);
    if (end == text) return false;
    if (strncmp(end, "..", 2) == 0) a->last = strtoull(end + 2, &end, 10);
    return *end == 0 && a->first <= a->last;
}

static bool parse(int argc, char **argv, struct arguments *a) {
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            a->verbose = true;
        } else if (strcmp(argv[i], "--hash") == 0) {
            a->hash = true;
        } else if (strcmp(argv[i], "--long-cuts") == 0) {
            a->worlds = WORLDS_LONG_CUTS;
        } else if (strcmp(argv[i], "--elections") == 0) {
            a->worlds = WORLDS_ELECTIONS;
        } else if (strcmp(argv[i], "--keep-going") == 0) {
            a->keep_going = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && more) {
            if (!parse_seeds(argv[++i], a)) return false;
        } else if (strcmp(argv[i], "--bug") == 0 && more) {
            a->bug_name = argv[++i];
            if (!bug_by_name(a->bug_name, &a->bug)) return false;
            a->worlds = worlds_of(a->bug);
        } else if (strcmp(argv[i], "--time-budget") == 0 && more) {
            a->budget_s = strtoull(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return true;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* I17: a part of the seeds is run again, and the traces are compared. */
static void run(const struct arguments *a, uint64_t seed, struct run_result *ret) {
    static struct run_result again;
    run_seed(a->worlds, seed, a->bug, a->verbose ? stdout : NULL, ret);
    if (ret->failure[0] || hash64(SLICE(&seed, sizeof seed)) % 20 != 0) return;
    run_seed(a->worlds, seed, a->bug, NULL, &again);
    if (again.trace_hash != ret->trace_hash)
        snprintf(ret->failure, sizeof ret->failure, "I17: the trace is %016llx, and when it is run again %016llx",
                 (unsigned long long)ret->trace_hash, (unsigned long long)again.trace_hash);
}

static void report_failure(const struct arguments *a, uint64_t seed, const struct run_result *r) {
    static const char *const flags[] = {[WORLDS_ANY] = "", [WORLDS_ELECTIONS] = " --elections", [WORLDS_LONG_CUTS] = " --long-cuts"};
    struct plan p = plan_draw(a->worlds, seed);
    if (!a->verbose) plan_print(&p, stdout);
    plan_finish(&p);
    printf("seed %llu: %s\n", (unsigned long long)seed, r->failure);
    printf("  after %llu.%03llu virtual seconds, %llu events\n", (unsigned long long)(r->virtual_us / 1000000),
           (unsigned long long)(r->virtual_us / 1000 % 1000), (unsigned long long)r->events);
    printf("reproduce: swarm --seeds %llu..%llu%s%s%s\n", (unsigned long long)seed, (unsigned long long)seed, flags[a->worlds],
           a->bug_name ? " --bug " : "", a->bug_name ? a->bug_name : "");
}

int main(int argc, char **argv) {
    struct arguments a = {.first = 1, .last = 1000};
    if (!parse(argc, argv, &a)) {
        fprintf(stderr,
                "usage: swarm [--seeds A..B] [--bug NAME] [--time-budget SECONDS] [--elections | --long-cuts] [--keep-going] [--hash] [--verbose]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    double began = seconds();
    struct run_result r, all = {0};
    uint64_t passed = 0, failed = 0;
    for (uint64_t seed = a.first; seed <= a.last; seed++) {
        if (a.budget_s > 0 && seconds() - began > (double)a.budget_s) break;
        run(&a, seed, &r);
        if (a.hash) printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)r.trace_hash);
        if (r.failure[0]) {
            report_failure(&a, seed, &r);
            if (!a.keep_going) return 1;
            failed++;
            continue;
        }
        passed++;
        all.virtual_us += r.virtual_us;
        all.events += r.events;
        all.counts.steps += r.counts.steps;
        all.counts.frames += r.counts.frames;
        all.clients.ok += r.clients.ok;
        all.clients.failed += r.clients.failed;
        all.clients.unknown += r.clients.unknown;
        all.clients.reads += r.clients.reads;
        all.clients.verified += r.clients.verified;
    }
    double took = seconds() - began;
    printf("%llu seeds in %.1f s: %.1f a second, %.0f virtual seconds a second; %llu events, %llu steps, %llu frames\n", (unsigned long long)passed,
           took, (double)passed / took, (double)all.virtual_us / 1e6 / took, (unsigned long long)all.events, (unsigned long long)all.counts.steps,
           (unsigned long long)all.counts.frames);
    printf("clients: %llu ok, %llu refused, %llu of unknown outcome, %llu reads checked, replicas compared %llu times\n",
           (unsigned long long)all.clients.ok, (unsigned long long)all.clients.failed, (unsigned long long)all.clients.unknown,
           (unsigned long long)all.clients.reads, (unsigned long long)all.clients.verified);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed > 0;
}
