/* The workloads on the simulated stage: while links are cut and nodes killed nothing that they check breaks, under any policy.
 *
 * usage: load-sim [--seeds A..B] [--bug N] [--verbose]; with a bug that is planted in the engine, the oracle does not look on */
#include "../../dc-node/scenario/play.h"
#include "../../dc-node/scenario/stage_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const policies[] = {"merge", "lww", "priority", "record"};

static const char *const workloads[] = {
    "\"registers\", \"rate\": 120, \"distribution\": \"zipf\"",
    "\"counters\", \"rate\": 60, \"keys\": 4",
    "\"sets\", \"rate\": 60, \"keys\": 3",
    "\"carts\", \"rate\": 30, \"keys\": 4",
    "\"bank\", \"rate\": 60, \"keys\": 6",
    "\"ring\", \"rate\": 60, \"keys\": 8, \"clients\": 14, \"in\": \"us eu\"",
    "\"sessions\", \"rate\": 120, \"keys\": 4, \"moves\": 4, \"clients\": 8",
    "\"reads\", \"rate\": 60, \"prefix\": \"registers\"",
};

/* What happens to the world, and whether what was answered may be lost by it. */
static const struct mix {
    const char *faults;
    bool loses;
} mixes[] = {
    {"\"cut\", \"one-way\", \"kill\", \"pause\", \"flap\", \"disconnect\", \"slow\"", false},
    {"\"cut\", \"clog\", \"kill\", \"power\", \"disk\", \"skew\", \"disconnect\"", false},
    {"\"cut\", \"kill\", \"power\", \"wipe\", \"restore\"", true},
};

/* Three datacenters, seven nodes; every kind at once, with clients everywhere. */
static void write_scenario(const char *policy, const struct mix *m, struct buf *out) {
    buf_printf(out,
               "{\"scenario\": \"every workload, while links are cut and nodes are killed\", \"datacenters\": {\"ap\": {\"nodes\": 1},"
               " \"eu\": {\"nodes\": 3, \"priority\": 10}, \"us\": {\"nodes\": 3, \"priority\": 20}}, "
               " \"tables\": {\"*\": {\"conflict\": \"%s\"}}, \"clients\": {\"latency\": \"1ms\"}, \"settle\": \"120s\", \"steps\": [",
               policy);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        buf_printf(out, "{\"at\": \"0s\", \"for\": \"12s\", \"loses\": %s, \"workload\": %s},", m->loses ? "true" : "false", workloads[i]);
    buf_printf(out, "{\"at\": \"0s\", \"faults\": [%s], \"for\": \"11s\", \"every\": \"200ms..1500ms\", \"length\": \"100ms..3s\"}]}", m->faults);
}

static unsigned passed, failed;
static bool verbose;

static void print_workloads(const json_t *told) {
    const char *name;
    json_t *w;
    json_object_foreach((json_t *)told, name, w) {
        char *text = json_dumps(w, JSON_COMPACT);
        printf("     %s %s\n", name, text);
        free(text);
    }
}

/* Plays it; *ret_failure, of 2048 bytes, says what was wrong. */
static enum verdict play_once(const char *policy, const struct mix *mix, uint64_t seed, uint32_t bug, char *ret_failure) {
    struct buf text = {0}, why = {0};
    struct scenario_file file;
    struct scenario s;
    json_t *expanded;
    struct outcome o = {0};
    write_scenario(policy, mix, &text);
    if (!scenario_read("load-sim", buf_slice_of(&text), &file, &why) || !scenario_draw(&file, &seed, &expanded, &why) ||
        !scenario_parse(&file, expanded, &s, &why)) {
        printf("%.*s\n", (int)why.n, (const char *)why.p);
        exit(2);
    }
    struct stage_sim_options options = {.seed = seed, .planted_bug = bug, .checkers = !bug};
    struct stage *stage = stage_sim_create(&s, &options, NULL);
    struct play_options p = {.seed = seed};
    play(stage, &p, &o);
    enum verdict v = o.verdict;
    snprintf(ret_failure, 2048, "%s", o.failure);
    if (verbose) print_workloads(o.workloads);
    stage->ops->destroy(stage);
    outcome_finish(&o);
    scenario_finish(&s);
    scenario_file_finish(&file);
    buf_finish(&text);
    buf_finish(&why);
    return v;
}

int main(int argc, char **argv) {
    unsigned long long first = 1, last = 12;
    unsigned bug = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--bug") == 0 && i + 1 < argc)
            bug = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--seeds") != 0 || ++i == argc || sscanf(argv[i], "%llu..%llu", &first, &last) != 2) {
            fprintf(stderr, "usage: load-sim [--seeds A..B] [--bug N] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        char failure[2048];
        const char *policy = policies[seed % (sizeof policies / sizeof *policies)];
        const struct mix *mix = &mixes[seed / (sizeof policies / sizeof *policies) % (sizeof mixes / sizeof *mixes)];
        enum verdict v = play_once(policy, mix, seed, bug, failure);
        if (v == VERDICT_PASS)
            passed++;
        else
            failed++;
        if (v != VERDICT_PASS || verbose)
            printf("seed %llu, %s, mix %d: %s %s\n", (unsigned long long)seed, policy, (int)(mix - mixes) + 1, verdict_words(v), failure);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
