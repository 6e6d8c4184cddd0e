#include "replay_swarm.h"
#include "replay_print.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX      25u  /* seeds that one process plays */
#define SEED_LIMIT_S   600u /* of real time: an endless loop, not a slow machine */
#define TWICE_EVERY    20u  /* one seed of so many is played twice */
#define FAILURES_SHOWN 20u
#define SLOW_LOOK_US   10000000u
#define LOOK_US        1000000u

struct crew {
    const struct swarm_plan *plan;
    struct child_plan child_plan;
    struct child *children;
    uint32_t jobs;
    uint64_t next; /* not yet handed out */
    bool all_out;
    struct swarm *swarm;
    uint64_t began_us, told_us;
    bool terminal, told;
};

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- progress ---- */
static void tell(struct crew *w, bool last) {
    const struct swarm *s = w->swarm;
    uint64_t now = now_us(), took_us = now - w->began_us;
    if (w->plan->quiet || (last && !w->told)) return;
    if (!last && now - w->told_us < (w->terminal ? LOOK_US : SLOW_LOOK_US)) return;
    if (took_us == 0) took_us = 1;
    struct buf b = {0};
    print_count(s->seeds, &b);
    buf_text(&b, " of ");
    print_count(w->plan->last - w->plan->first + 1, &b);
    buf_printf(&b, " seeds, %llu failed, ", (unsigned long long)s->failures_count);
    print_count((uint64_t)((double)s->seeds * 60e6 / (double)took_us), &b);
    buf_text(&b, " seeds/min, ");
    print_count((uint64_t)((double)s->length_us / (double)took_us), &b);
    buf_text(&b, " simulated seconds per second");
    fprintf(stderr, "%s%.*s%s", w->terminal ? "\r\033[K" : "", (int)b.n, (const char *)b.p, w->terminal && !last ? "" : "\n");
    fflush(stderr);
    buf_finish(&b);
    w->told_us = now;
    w->told = true;
}

/* ---- results ---- */
static void keep_failure(struct swarm *s, const struct brief *b) {
    uint64_t at = s->failures_count;
    s->failures = xrealloc(s->failures, (s->failures_count + 1) * sizeof *s->failures);
    while (at > 0 && s->failures[at - 1].seed > b->seed) at--;
    memmove(&s->failures[at + 1], &s->failures[at], (s->failures_count - at) * sizeof *s->failures);
    s->failures[at] = *b;
    s->failures_count++;
}

static void take(struct crew *w, const struct brief *b) {
    struct swarm *s = w->swarm;
    s->seeds++;
    s->length_us += b->length_us;
    s->by_verdict[b->verdict]++;
    if (s->hashes != NULL) s->hashes[b->seed - w->plan->first] = b->trace_hash;
    if (b->verdict != VERDICT_PASS) keep_failure(s, b);
}

/* ---- the crew ---- */
static bool hand_out(struct crew *w, struct child *c, uint64_t first, uint64_t last, struct buf *why) {
    return child_start(c, &w->child_plan, first, last, why);
}

static bool next_batch(struct crew *w, struct child *c, struct buf *why) {
    if (w->all_out) return true;
    uint64_t left = w->plan->last - w->next + 1, n = left / ((uint64_t)w->jobs * 2) + 1;
    if (n > BATCH_MAX) n = BATCH_MAX;
    uint64_t first = w->next;
    w->next += n;
    w->all_out = n == left;
    return hand_out(w, c, first, first + n - 1, why);
}

/* What one process has to say. */
static bool hear(struct crew *w, struct child *c, struct buf *why) {
    struct brief b;
    uint64_t last = c->last;
    bool got = child_read(c, &b);
    if (got) take(w, &b);
    if (c->pid != 0) return true;
    return got && c->next <= last ? hand_out(w, c, c->next, last, why) : next_batch(w, c, why);
}

static bool serve(struct crew *w, struct buf *why) {
    struct pollfd *fds = xcalloc(w->jobs, sizeof *fds);
    bool ok = true;
    for (uint32_t running = 1; ok && running > 0;) {
        running = 0;
        for (uint32_t i = 0; i < w->jobs; i++) {
            fds[i] = (struct pollfd){.fd = w->children[i].pid != 0 ? w->children[i].pipe : -1, .events = POLLIN};
            running += w->children[i].pid != 0;
        }
        if (running > 0 && poll(fds, w->jobs, (int)(LOOK_US / 1000)) < 0 && errno != EINTR) break;
        for (uint32_t i = 0; ok && i < w->jobs; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0) ok = hear(w, &w->children[i], why);
        tell(w, false);
    }
    free(fds);
    return ok;
}

bool swarm_run(const struct swarm_plan *p, struct swarm *ret, struct buf *why) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct crew w = {.plan = p, .swarm = ret, .next = p->first, .began_us = now_us(), .terminal = isatty(STDERR_FILENO) == 1};
    uint64_t seeds = p->last - p->first + 1;
    *ret = (struct swarm){0};
    w.told_us = w.began_us;
    w.jobs = p->jobs > 0 ? p->jobs : cores > 0 ? (uint32_t)cores : 1;
    if (w.jobs > seeds) w.jobs = (uint32_t)seeds;
    w.child_plan = (struct child_plan){.file = p->file, .handlers = p->handlers, .twice_every = TWICE_EVERY, .limit_s = SEED_LIMIT_S};
    w.children = xcalloc(w.jobs, sizeof *w.children);
    if (p->hashes) ret->hashes = xcalloc(seeds, sizeof *ret->hashes);
    bool ok = true;
    for (uint32_t i = 0; ok && i < w.jobs; i++) ok = next_batch(&w, &w.children[i], why);
    ok = ok && serve(&w, why);
    for (uint32_t i = 0; i < w.jobs; i++) child_end(&w.children[i]);
    free(w.children);
    if (ok && p->hashes) ret->hash = hash64(SLICE(ret->hashes, seeds * sizeof *ret->hashes));
    ret->real_us = now_us() - w.began_us;
    tell(&w, true);
    return ok;
}

void swarm_finish(struct swarm *s) {
    free(s->failures);
    free(s->hashes);
    *s = (struct swarm){0};
}

enum verdict swarm_verdict(const struct swarm *s) {
    static const enum verdict worst_first[] = {VERDICT_INVARIANT, VERDICT_NOT_CONVERGED, VERDICT_EXPECTATION, VERDICT_BAD_FILE};
    for (size_t i = 0; i < sizeof worst_first / sizeof worst_first[0]; i++)
        if (s->by_verdict[worst_first[i]] > 0) return worst_first[i];
    return VERDICT_PASS;
}

/* ---- the summary ---- */
#define KINDS_MAX 32u
struct failure_sort {
    enum verdict verdict;
    char invariant[16]; /* empty: none is named */
    uint64_t count, first;
};

/* In order of their first seeds; returns how many. */
static uint32_t sort_failures(const struct swarm *s, struct failure_sort kinds[static KINDS_MAX]) {
    uint32_t n = 0;
    for (uint64_t i = 0; i < s->failures_count; i++) {
        struct failure_sort k = {.verdict = s->failures[i].verdict, .first = s->failures[i].seed};
        brief_invariant(&s->failures[i], k.invariant);
        uint32_t at = 0;
        while (at < n && (kinds[at].verdict != k.verdict || strcmp(kinds[at].invariant, k.invariant) != 0)) at++;
        if (at == KINDS_MAX) continue;
        if (at == n) kinds[n++] = k;
        kinds[at].count++;
    }
    return n;
}

static void print_kinds(const struct swarm *s, struct buf *out) {
    struct failure_sort kinds[KINDS_MAX];
    uint32_t n = sort_failures(s, kinds);
    for (uint32_t i = 0; n > 1 && i < n; i++)
        buf_printf(out, "  %llu: %s%s%s, first in seed %llu\n", (unsigned long long)kinds[i].count, verdict_words(kinds[i].verdict),
                   kinds[i].invariant[0] != '\0' ? ": " : "", kinds[i].invariant, (unsigned long long)kinds[i].first);
}

void swarm_print(const struct swarm_plan *p, const struct swarm *s, struct buf *out) {
    if (s->hashes != NULL) {
        for (uint64_t i = 0; i < s->seeds; i++)
            buf_printf(out, "%llu %016llx\n", (unsigned long long)(p->first + i), (unsigned long long)s->hashes[i]);
        buf_printf(out, "%016llx\n", (unsigned long long)s->hash);
        return;
    }
    print_count(s->seeds, out);
    buf_printf(out, " seed%s (%llu..%llu), ", s->seeds == 1 ? "" : "s", (unsigned long long)p->first, (unsigned long long)p->last);
    print_time(s->length_us, out);
    buf_text(out, " simulated: ");
    print_count(s->failures_count, out);
    buf_text(out, " failed\n");
    print_kinds(s, out);
    for (uint64_t i = 0; i < s->failures_count && i < FAILURES_SHOWN; i++)
        buf_printf(out, "  seed %llu: %s: %s\n", (unsigned long long)s->failures[i].seed, verdict_words(s->failures[i].verdict),
                   s->failures[i].failure);
    if (s->failures_count > FAILURES_SHOWN) buf_printf(out, "  and %llu more\n", (unsigned long long)(s->failures_count - FAILURES_SHOWN));
}

static json_t *seed_json(uint64_t seed) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return json_string(text);
}

json_t *swarm_json(const struct swarm_plan *p, const struct swarm *s) {
    json_t *failures = json_array(), *j = json_object();
    for (uint64_t i = 0; i < s->failures_count; i++) {
        const struct brief *b = &s->failures[i];
        json_array_append_new(failures,
                              json_pack("{s:o, s:s, s:i, s:s, s:i, s:b}", "seed", seed_json(b->seed), "outcome", verdict_words(b->verdict), "exit",
                                        (int)b->verdict, "failure", b->failure, "failed_step", (int)b->failed_step, "crashed", b->crashed));
    }
    json_object_set_new(j, "first", seed_json(p->first));
    json_object_set_new(j, "last", seed_json(p->last));
    json_object_set_new(j, "seeds", json_integer((json_int_t)s->seeds));
    json_object_set_new(j, "passed", json_integer((json_int_t)s->by_verdict[VERDICT_PASS]));
    json_object_set_new(j, "simulated_us", json_integer((json_int_t)s->length_us));
    json_object_set_new(j, "failures", failures);
    if (s->hashes != NULL) {
        char hash[17];
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)s->hash);
        json_object_set_new(j, "trace_hash", json_string(hash));
    }
    return j;
}
