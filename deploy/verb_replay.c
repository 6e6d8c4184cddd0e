/* replay: plays a scenario, in the simulator or on real processes; one seed or
 * many; and what if its tables had other policies. */
#include "../conflict/handler_load.h"
#include "../schemas/units.h"
#include "live.h"
#include "replay_print.h"
#include "replay_shrink.h"
#include "replay_step.h"
#include "replay_swarm.h"
#include "replay_whatif.h"
#include "report.h"
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_US   100000u
#define MOMENTS_MAX 200000u
#define ABOUT_WIDTH 100

struct replay {
    struct run *run;
    struct scenario_file file;
    struct scenario scenario; /* of the seed, or of the first */
    struct handler_files *handlers;
    uint64_t seed, first, last;
    bool seeded, many; /* --seed, --seeds */
    uint32_t jobs;
};

static int fail_why(struct run *r, int code, struct buf *why) {
    while (why->n > 0 && why->p[why->n - 1] == '\n') why->n--;
    fail(r, code, "%.*s", (int)why->n, why->n > 0 ? (const char *)why->p : "");
    buf_finish(why);
    return code;
}

static const uint64_t *seed_of(const struct replay *p) { return p->seeded || p->many ? &p->seed : NULL; }

/* ---- the command line ---- */
static bool parse_seeds(struct replay *p, const char *text) {
    char first[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof first) return false;
    snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
    return parse_count(first, 0, INT64_MAX, &p->first) && parse_count(dots + 2, p->first, INT64_MAX, &p->last);
}

/* Two options that do not go together; NULL: all is well. */
static const char *contradiction(const struct args *a) {
    const struct {
        const char *one, *other, *words;
    } not_both[] = {
        {a->seeds, a->seed, "--seeds and --seed"},       {a->seeds, a->step, "--seeds and --step"},     {a->seeds, a->trace, "--seeds and --trace"},
        {a->seeds, a->live, "--seeds and --live"},       {a->seeds, a->report, "--seeds and --report"}, {a->seeds, a->policy, "--seeds and --policy"},
        {a->policy, a->step, "--policy and --step"},     {a->policy, a->trace, "--policy and --trace"}, {a->policy, a->live, "--policy and --live"},
        {a->policy, a->report, "--policy and --report"}, {a->policy, a->hash, "--policy and --hash"},   {a->step, a->json, "--step and --json"},
        {a->step, a->hash, "--step and --hash"},         {a->trace, a->hash, "--trace and --hash"},     {a->live, a->hash, "--live and --hash"}};
    for (size_t i = 0; i < sizeof not_both / sizeof not_both[0]; i++)
        if (not_both[i].one != NULL && not_both[i].other != NULL) return not_both[i].words;
    return NULL;
}

static int parse_options(struct replay *p) {
    struct run *r = p->run;
    uint64_t jobs = 0;
    const char *words = contradiction(&r->args);
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "replay: expected one FILE (truce help replay)");
    if (words != NULL) return fail(r, EXIT_USAGE, "replay: %s do not go together", words);
    if (r->args.seed != NULL && !parse_count(r->args.seed, 0, INT64_MAX, &p->seed))
        return fail(r, EXIT_USAGE, "--seed: expected a number, got \"%s\"", r->args.seed);
    if (r->args.seeds != NULL && !parse_seeds(p, r->args.seeds))
        return fail(r, EXIT_USAGE, "--seeds: expected a range such as 1..1000, got \"%s\"", r->args.seeds);
    if (r->args.jobs != NULL && !parse_count(r->args.jobs, 1, 1024, &jobs))
        return fail(r, EXIT_USAGE, "--jobs: expected 1 to 1024, got \"%s\"", r->args.jobs);
    p->seeded = r->args.seed != NULL;
    p->many = r->args.seeds != NULL;
    if (p->many) p->seed = p->first;
    p->jobs = (uint32_t)jobs;
    return 0;
}

/* --handler path/to/stock.so, as if the file named it. */
static bool add_handlers(struct replay *p, struct buf *why) {
    const struct args *a = &p->run->args;
    for (int i = 0; i < a->given_count; i++) {
        char name[NAME_LEN_MAX + 1], *whole;
        if (strcmp(a->given[i].option, "handler") != 0) continue;
        if (!handler_name_of_path(a->given[i].value, name)) {
            buf_printf(why,
                       "--handler: expected a file NAME.so, NAME of a-z, 0-9, _ and "
                       "-, got \"%s\"",
                       a->given[i].value);
            return false;
        }
        whole = realpath(a->given[i].value, NULL);
        if (whole == NULL) {
            buf_printf(why, "--handler %s: %s", a->given[i].value, strerror(errno));
            return false;
        }
        json_t *handlers = json_object_get(p->file.json, "handlers");
        if (handlers == NULL) json_object_set_new(p->file.json, "handlers", handlers = json_object());
        json_object_set_new(handlers, name, json_string(whole));
        free(whole);
    }
    return true;
}

static int open_file(struct replay *p) {
    struct buf why = {0};
    if (!scenario_load(p->run->args.words[0], &p->file, &why)) return fail_why(p->run, EXIT_USAGE, &why);
    handler_files_find_examples(&p->file);
    if (!add_handlers(p, &why) || !replay_prepare(&p->file, seed_of(p), &p->scenario, &why)) return fail_why(p->run, EXIT_USAGE, &why);
    p->handlers = handler_files_open(&p->scenario, p->run->args.force != NULL, &why);
    if (p->handlers == NULL) return fail_why(p->run, EXIT_USAGE, &why);
    buf_finish(&why);
    return 0;
}

/* ---- one seed ---- */
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Between blanks, so that lines stay short. */
static void print_about(const char *about) {
    int column = 0;
    for (const char *p = about; p != NULL && *p != '\0';) {
        int n = (int)strcspn(p, " \n");
        bool fresh = column == 0 || column + 1 + n > ABOUT_WIDTH;
        printf("%s%.*s", !fresh ? " " : column == 0 ? "  " : "\n  ", n, p);
        column = fresh ? n : column + 1 + n;
        p += n + (p[n] != '\0');
    }
    if (column > 0) putchar('\n');
}

static void print_head(const struct scenario *s, bool live) {
    const struct cluster *c = s->cluster;
    printf("%s: %s\n", s->path, s->name);
    print_about(s->about);
    printf("  %u datacenter%s, %u node%s, %u step%s, seed %llu%s\n", c->dcs_count, c->dcs_count == 1 ? "" : "s", c->nodes_count,
           c->nodes_count == 1 ? "" : "s", s->steps_count, s->steps_count == 1 ? "" : "s", (unsigned long long)s->seed,
           live ? ", on real processes" : "");
    fflush(stdout);
}

static void print_end(const struct outcome *o, bool with_speed, double took_s) {
    struct buf text = {0};
    print_verdict(o, is_coloured(stdout), &text);
    if (with_speed && took_s > 0) {
        buf_printf(&text, ", in %.3f s: ", took_s);
        print_count((uint64_t)((double)o->length_us / 1e6 / took_s), &text);
        buf_text(&text, " times as fast");
    }
    printf("%.*s\n", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

/* One play and what is shown of it. */
struct showing {
    struct replay *p;
    struct record record;
    struct trace trace;
    struct outcome outcome, simulated; /* simulated: the other, of a live one */
    struct walk walk;
    double took_s;
};

static bool is_shown(const struct args *a) { return a->json == NULL && a->hash == NULL; }

static void begin_showing(struct showing *w) {
    const struct args *a = &w->p->run->args;
    w->record = (struct record){.moments_max = MOMENTS_MAX, .frames = a->report != NULL};
    w->trace = trace_to(&w->p->scenario, stdout, a->json != NULL);
    if (is_shown(a)) print_head(&w->p->scenario, a->live != NULL);
    if (a->hash != NULL || (a->trace == NULL && a->step == NULL && a->json == NULL)) return;
    struct buf head = {0};
    trace_head(&w->trace, &head);
    show_text(stdout, &head);
    buf_finish(&head);
    w->record.told = trace_told;
    w->record.told_arg = &w->trace;
}

static void play_simulated(struct showing *w, struct record *record, struct outcome *ret) {
    const struct args *a = &w->p->run->args;
    struct replay_options o = {.handlers = w->p->handlers, .record = record, .rows = a->hash == NULL, .sample_us = a->report != NULL ? SAMPLE_US : 0};
    if (a->step != NULL && record != NULL) {
        w->walk = (struct walk){.scenario = &w->p->scenario, .in = stdin, .out = stdout, .terminal = isatty(STDIN_FILENO) == 1};
        o.before_step = walk_before_step;
        o.arg = &w->walk;
    }
    replay_play(&w->p->scenario, &o, ret);
}

static bool play_live(struct showing *w, struct buf *why) {
    const struct args *a = &w->p->run->args;
    uint64_t port = 0;
    struct replay_options o = {.record = &w->record, .rows = true, .sample_us = SAMPLE_US};
    struct live_options live = {
        .dir = a->keep != NULL ? a->keep : a->dir, .keep = a->keep != NULL || a->dir != NULL, .namespaces = a->namespaces != NULL};
    if (a->port_base != NULL && !parse_count(a->port_base, 1024, 65000, &port)) {
        buf_printf(why, "--port-base: expected 1024 to 65000, got \"%s\"", a->port_base);
        return false;
    }
    live.port_base = (uint16_t)port;
    play_simulated(w, NULL, &w->simulated);
    struct stage *stage = live_create(&w->p->scenario, &live, &w->record, why);
    if (stage == NULL) return false;
    if (a->step != NULL) {
        w->walk = (struct walk){.scenario = &w->p->scenario, .in = stdin, .out = stdout, .terminal = isatty(STDIN_FILENO) == 1};
        o.before_step = walk_before_step;
        o.arg = &w->walk;
    }
    replay_play_on(stage, &o, &w->outcome);
    stage->ops->destroy(stage);
    return true;
}

static void show_comparison(const struct showing *w, json_t *into) {
    struct buf text = {0};
    size_t n = compare_outcomes(&w->p->scenario, &w->simulated, &w->outcome, &text, into);
    if (into == NULL && n == 0) printf("The simulated outcome is the same.\n");
    if (into == NULL && n > 0) printf("Where the simulated outcome differs:\n%.*s", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

static void show_json(const struct showing *w) {
    json_t *j = outcome_json(&w->p->scenario, &w->outcome);
    if (w->p->run->args.live != NULL) {
        json_object_set_new(j, "stage", json_string("live"));
        json_object_set_new(j, "simulated", outcome_json(&w->p->scenario, &w->simulated));
        show_comparison(w, j);
    }
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(j);
}

static void show_result(struct showing *w) {
    const struct args *a = &w->p->run->args;
    struct buf text = {0};
    trace_end(&w->trace, &text);
    show_text(stdout, &text);
    if (a->json != NULL) {
        show_json(w);
    } else if (a->hash != NULL) {
        printf("%016llx\n", (unsigned long long)w->outcome.trace_hash);
    } else {
        bool traced = a->trace != NULL || a->step != NULL;
        print_result(&w->p->scenario, traced ? NULL : &w->record, &w->outcome, is_coloured(stdout), &text);
        show_text(stdout, &text);
        print_end(&w->outcome, !traced && a->live == NULL, w->took_s);
        if (a->live != NULL) show_comparison(w, NULL);
    }
    fflush(stdout);
    buf_finish(&text);
}

static int write_report(const struct showing *w) {
    const char *path = w->p->run->args.report;
    struct buf why = {0};
    if (path == NULL) return 0;
    bool written = report_write(path, &w->p->scenario, &w->record, &w->outcome, &why);
    if (!written) fprintf(stderr, "truce: %.*s\n", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (written && is_shown(&w->p->run->args)) printf("The report is in %s.\n", path);
    return written ? 0 : EXIT_USAGE;
}

/* Returns the exit code. */
static int play_and_show(struct replay *p) {
    struct showing w = {.p = p};
    struct buf why = {0};
    double began_s = now_s();
    begin_showing(&w);
    if (p->run->args.live == NULL) {
        play_simulated(&w, &w.record, &w.outcome);
    } else if (!play_live(&w, &why)) {
        return fail_why(p->run, EXIT_USAGE, &why);
    }
    w.took_s = now_s() - began_s;
    show_result(&w);
    int code = write_report(&w);
    if (w.outcome.verdict != VERDICT_PASS) code = (int)w.outcome.verdict;
    p->run->answered = p->run->args.json != NULL;
    outcome_finish(&w.outcome), outcome_finish(&w.simulated);
    record_finish(&w.record);
    return code;
}

/* A crash of the simulated engine must not be the end of what looks at it. */
static int play_apart(struct replay *p) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return play_and_show(p);
    if (pid == 0) exit(play_and_show(p));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    p->run->answered = p->run->args.json != NULL;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WTERMSIG(status) == SIGPIPE) return EXIT_FAILED; /* nobody reads on */
    p->run->answered = false;
    return fail(p->run, (int)VERDICT_INVARIANT, "%s: the replay crashed with signal %d (%s)", p->file.path, WTERMSIG(status),
                sigdescr_np(WTERMSIG(status)));
}

/* ---- a failure, to a file ---- */
static void print_kept(struct replay *p, const struct kept *k) {
    json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:s}", "file", k->path, "steps", (int)k->steps, "steps_before", (int)k->steps_before, "tries",
                          (int)k->tries, "failure", k->brief.failure);
    json_object_set_new(p->run->json, "shrunk", j);
    if (!is_shown(&p->run->args)) return;
    printf("Shrunk from %u step%s to %u, in %u tries, and written to %s:\n  %s\n", k->steps_before, k->steps_before == 1 ? "" : "s", k->steps,
           k->tries, k->path, k->brief.failure);
}

static void keep_failure(struct replay *p, const uint64_t *seed) {
    struct child_plan child = {.file = &p->file, .handlers = p->handlers, .own_seed = true};
    struct keep_plan plan = {.child = &child, .seed = seed, .directory = p->run->args.keep, .quiet = !is_shown(&p->run->args)};
    struct kept kept;
    struct buf why = {0};
    if (shrink_and_keep(&plan, &kept, &why))
        print_kept(p, &kept);
    else
        fprintf(stderr, "truce: the failure could not be written to a file: %.*s\n", (int)why.n, (const char *)why.p);
    kept_finish(&kept);
    buf_finish(&why);
}

static int replay_one(struct replay *p) {
    if (p->run->args.live != NULL) return play_and_show(p);
    int code = play_apart(p);
    bool failed = code == VERDICT_EXPECTATION || code == VERDICT_NOT_CONVERGED || code == VERDICT_INVARIANT;
    if (failed && p->run->args.keep != NULL && p->run->args.no_shrink == NULL) keep_failure(p, seed_of(p));
    return code;
}

/* ---- many seeds ---- */
static int replay_many(struct replay *p) {
    const struct args *a = &p->run->args;
    struct swarm_plan plan = {
        .file = &p->file, .handlers = p->handlers, .first = p->first, .last = p->last, .jobs = p->jobs, .hashes = a->hash != NULL};
    struct swarm swarm;
    struct buf text = {0};
    bool ok = swarm_run(&plan, &swarm, &text);
    if (ok && a->json == NULL) {
        swarm_print(&plan, &swarm, &text);
        show_text(stdout, &text);
    } else if (ok) {
        json_t *j = swarm_json(&plan, &swarm);
        json_object_update(p->run->json, j);
        json_decref(j);
    }
    enum verdict verdict = swarm_verdict(&swarm);
    if (ok && a->no_shrink == NULL && verdict != VERDICT_PASS && swarm.failures[0].verdict != VERDICT_BAD_FILE)
        keep_failure(p, &swarm.failures[0].seed);
    swarm_finish(&swarm);
    if (!ok) return fail_why(p->run, EXIT_FAILED, &text);
    buf_finish(&text);
    return (int)verdict;
}

/* ---- what if ---- */
static int replay_whatif(struct replay *p) {
    const struct args *a = &p->run->args;
    const char *policies[ARGS_GIVEN_MAX];
    struct whatif_plan plan = {.file = &p->file, .policies = policies, .seed = seed_of(p), .force = a->force != NULL};
    struct whatif w;
    struct buf text = {0};
    for (int i = 0; i < a->given_count; i++)
        if (strcmp(a->given[i].option, "policy") == 0) policies[plan.policies_count++] = a->given[i].value;
    if (!whatif_run(&plan, &w, &text)) return fail_why(p->run, EXIT_USAGE, &text);
    if (a->json == NULL) {
        print_head(&w.written.scenario, false);
        whatif_print(&plan, &w, &text);
        show_text(stdout, &text);
    } else {
        json_t *j = whatif_json(&plan, &w);
        json_object_update(p->run->json, j);
        json_decref(j);
    }
    int code = (int)whatif_verdict(&w);
    whatif_finish(&w);
    buf_finish(&text);
    return code;
}

int verb_replay(struct run *r) {
    struct replay p = {.run = r};
    int code = parse_options(&p);
    if (code == 0) code = open_file(&p);
    if (code == 0) code = p.many ? replay_many(&p) : r->args.policy != NULL ? replay_whatif(&p) : replay_one(&p);
    handler_files_close(p.handlers);
    scenario_finish(&p.scenario);
    scenario_file_finish(&p.file);
    return code;
}
