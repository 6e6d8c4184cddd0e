/* How fast worlds are simulated: seconds of virtual time per second for three DCs of three nodes with clients and all checkers, and seeds of the
 * swarm per minute, on one core. Usage: bench-simulator [SECONDS] */
#include "../sim/run.h"

#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct sum {
    double virtual_s, wall_s;
    uint64_t runs, steps, frames, commands;
};

static bool add(struct sum *s, const struct run_result *r, uint64_t seed) {
    if (r->failure[0]) printf("seed %llu: %s\n", (unsigned long long)seed, r->failure);
    s->runs++;
    s->virtual_s += (double)r->virtual_us * 1e-6;
    s->steps += r->counts.steps;
    s->frames += r->counts.frames;
    s->commands += r->clients.ok + r->clients.failed + r->clients.unknown;
    return r->failure[0] == 0;
}

static bool measure(double seconds, uint64_t calm_us, struct sum *s) {
    struct run_result r;
    double begun = now();
    bool good = true;
    for (uint64_t seed = 1; good && (s->wall_s = now() - begun) < seconds; seed++) {
        struct plan p = calm_us ? plan_calm(seed, calm_us) : plan_draw(WORLDS_ANY, seed);
        run_plan(&p, (struct bug_planted){0}, NULL, &r);
        good = add(s, &r, seed);
    }
    return good;
}

static void print(const char *what, const struct sum *s) {
    printf("%s: %.0f virtual seconds a second, %.0f runs a minute; %.0f steps and %.0f commands a second, %.0f commands and %.0f frames a virtual "
           "second\n",
           what, s->virtual_s / s->wall_s, (double)s->runs * 60 / s->wall_s, (double)s->steps / s->wall_s, (double)s->commands / s->wall_s,
           (double)s->commands / s->virtual_s, (double)s->frames / s->virtual_s);
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 10;
    struct sum calm = {0}, swarm = {0};
    bool good = measure(seconds, 60000000, &calm) && measure(seconds, 0, &swarm);
    print("3 DCs of 3 nodes, clients, all checkers", &calm);
    print("seeds of the swarm", &swarm);
    printf("%d passed, %d failed\n", good, !good);
    return good ? 0 : 1;
}
