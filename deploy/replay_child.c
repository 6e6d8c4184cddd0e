#include "replay_child.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRORS_READ 16384

_Static_assert(sizeof(struct brief) <= 4096, "a pipe takes a brief at once");

void brief_of(const struct scenario *s, const struct outcome *o, struct brief *ret) {
    *ret = (struct brief){.seed = s->seed,
                          .length_us = o->length_us,
                          .trace_hash = o->trace_hash,
                          .happenings = o->happenings,
                          .verdict = o->verdict,
                          .failed_step = o->failed_step,
                          .steps = s->steps_count};
    snprintf(ret->failure, sizeof ret->failure, "%s", o->failure);
}

void brief_invariant(const struct brief *b, char ret[static 16]) {
    ret[0] = '\0';
    if (b->verdict != VERDICT_INVARIANT) return;
    for (const char *p = b->failure; *p != '\0'; p++) {
        size_t n = 1;
        if (*p != 'I' || (p > b->failure && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))) continue;
        while (isdigit((unsigned char)p[n])) n++;
        if (n < 2 || n > 4 || isalnum((unsigned char)p[n])) continue;
        snprintf(ret, 16, "%.*s", (int)n, p);
        return;
    }
}

/* ---- the child's side ---- */
static void play_seed(const struct child_plan *p, const uint64_t *seed, struct brief *ret) {
    struct scenario s;
    struct buf why = {0};
    *ret = (struct brief){.seed = seed != NULL ? *seed : 0, .verdict = VERDICT_BAD_FILE};
    if (replay_prepare(p->file, seed, &s, &why)) {
        struct outcome o = {0};
        replay_play(&s, &(struct replay_options){.handlers = p->handlers}, &o);
        brief_of(&s, &o, ret);
        outcome_finish(&o);
        scenario_finish(&s);
    } else {
        snprintf(ret->failure, sizeof ret->failure, "%.*s", (int)why.n, (const char *)why.p);
    }
    buf_finish(&why);
}

/* The same seed must give the same trace: what does not is a fault of the simulator's, or an engine's that looks at what it should not. */
static void play_again(const struct child_plan *p, const uint64_t *seed, struct brief *ret) {
    struct brief again;
    play_seed(p, seed, &again);
    if (again.trace_hash == ret->trace_hash && again.verdict == ret->verdict) return;
    snprintf(ret->failure, sizeof ret->failure, "the same seed gave two traces, %016llx and %016llx", (unsigned long long)ret->trace_hash,
             (unsigned long long)again.trace_hash);
    ret->verdict = VERDICT_INVARIANT;
}

static void child_main(const struct child_plan *p, uint64_t first, uint64_t last, int out) {
    for (uint64_t seed = first;; seed++) {
        struct brief b;
        alarm(p->limit_s);
        play_seed(p, p->own_seed ? NULL : &seed, &b);
        if (p->twice_every > 0 && seed % p->twice_every == 0) play_again(p, p->own_seed ? NULL : &seed, &b);
        if (write(out, &b, sizeof b) != (ssize_t)sizeof b) _exit(1);
        if (seed == last || p->own_seed) break;
    }
    handler_files_close(p->handlers);
    _exit(0);
}

/* ---- the parent's side ---- */
bool child_start(struct child *c, const struct child_plan *p, uint64_t first, uint64_t last, struct buf *why) {
    int ends[2];
    *c = (struct child){.next = first, .last = p->own_seed ? first : last};
    c->errors = memfd_create("errors", MFD_CLOEXEC);
    if (c->errors < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        buf_printf(why, "no process for a replay: %s", strerror(errno));
        if (c->errors >= 0) close(c->errors);
        return false;
    }
    fflush(NULL);
    pid_t parent = getpid();
    c->pid = fork();
    if (c->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        dup2(c->errors, STDERR_FILENO);
        close(ends[0]);
        child_main(p, first, last, ends[1]);
    }
    close(ends[1]);
    c->pipe = ends[0];
    if (c->pid > 0) return true;
    c->pid = 0;
    buf_printf(why, "no process for a replay: %s", strerror(errno));
    close(c->pipe);
    close(c->errors);
    return false;
}

/* Of what it said at its end, the line that says most. */
static void last_words(struct child *c, char *ret, size_t n) {
    char text[ERRORS_READ + 1], *save = NULL;
    ssize_t got = pread(c->errors, text, ERRORS_READ, 0);
    text[got > 0 ? got : 0] = '\0';
    ret[0] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        snprintf(ret, n, ": %s", line);
        if (strstr(line, "Assertion") != NULL || strstr(line, "ERROR") != NULL || strstr(line, "runtime error") != NULL) return;
    }
}

static void tell_crash(struct child *c, int status, struct brief *ret) {
    char words[512];
    *ret = (struct brief){.seed = c->next, .verdict = VERDICT_INVARIANT, .crashed = true};
    last_words(c, words, sizeof words);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(ret->failure, sizeof ret->failure, "the replay does not come to an end");
    else if (WIFSIGNALED(status))
        snprintf(ret->failure, sizeof ret->failure, "the replay crashed with signal %d (%s)%s", WTERMSIG(status), sigdescr_np(WTERMSIG(status)),
                 words);
    else
        snprintf(ret->failure, sizeof ret->failure, "the replay ended its process with code %d%s", WEXITSTATUS(status), words);
}

static void forget(struct child *c) {
    close(c->pipe);
    close(c->errors);
    c->pid = 0;
}

bool child_read(struct child *c, struct brief *ret) {
    ssize_t n;
    int status = 0;
    do n = read(c->pipe, ret, sizeof *ret);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof *ret) {
        c->next++;
        return true;
    }
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) continue;
    bool crashed = c->next - 1 != c->last;
    if (crashed) {
        tell_crash(c, status, ret);
        c->next++;
    }
    forget(c);
    return crashed;
}

void child_end(struct child *c) {
    if (c->pid == 0) return;
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) continue;
    forget(c);
}

bool child_replay(const struct child_plan *p, struct brief *ret, struct buf *why) {
    struct child c;
    if (!child_start(&c, p, 0, 0, why)) return false;
    bool got = child_read(&c, ret);
    child_end(&c);
    if (!got) buf_printf(why, "a replay ended without an outcome");
    return got;
}
