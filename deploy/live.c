#include "data_dir.h"
#include "live_parts.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT_BASE_DEFAULT 7600
#define POLL_US_MAX       20000u
#define TEMPORARY         "truce-live-XXXXXX"

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) { interrupted = signal_number; }
static struct sigaction interrupts_before[2];

uint64_t live_mono_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t live_now_us(struct stage *s) {
    struct live *l = live_of(s);
    return l->begun ? live_mono_us() - l->start_us : 0;
}

void live_fail(struct live *l, const char *format, ...) {
    if (l->base.failure[0]) return;
    va_list ap;
    va_start(ap, format);
    vsnprintf(l->base.failure, sizeof l->base.failure, format, ap);
    va_end(ap);
}

static struct moment moment_now(struct live *l, enum moment_kind kind, uint32_t node, uint32_t peer) {
    bool some = node < live_nodes(l);
    return (struct moment){.at_us = live_now_us(&l->base),
                           .kind = kind,
                           .dc = some ? (int32_t)l->local.cluster->nodes[node].dc : -1,
                           .node = some ? (int32_t)node : -1,
                           .peer = peer < live_nodes(l) ? (int32_t)peer : -1};
}

void live_note(struct live *l, enum moment_kind kind, uint32_t node, const char *format, ...) {
    char text[1024];
    va_list ap;
    if (l->base.record == NULL) return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    struct moment m = moment_now(l, kind, node, NODES_MAX);
    m.text = text;
    record_add(l->base.record, m);
}

void live_note_event(struct live *l, enum moment_kind kind, uint32_t node, uint32_t peer, uint64_t number, const char *text) {
    if (l->base.record == NULL) return;
    struct moment m = moment_now(l, kind, node, peer);
    m.number = number;
    m.text = text;
    record_add(l->base.record, m);
}

void live_note_link(struct live *l, enum moment_kind kind, uint32_t node, uint32_t peer, bool up, const char *text) {
    live_note_event(l, kind, node, peer, up, text);
}

/* ---- time ---- */
static bool earlier(const struct live_timer *a, const struct live_timer *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void sift_down(struct live *l) {
    struct live_timer moved = l->timers[0];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < l->timers_count; at = child) {
        if (child + 1 < l->timers_count && earlier(&l->timers[child + 1], &l->timers[child])) child++;
        if (!earlier(&l->timers[child], &moved)) break;
        l->timers[at] = l->timers[child];
    }
    l->timers[at] = moved;
}

static void live_at(struct stage *s, uint64_t at_us, void (*call)(void *arg, uint64_t number), void *arg, uint64_t number) {
    struct live *l = live_of(s);
    if (l->timers_count == l->timers_cap) {
        l->timers_cap = l->timers_cap ? 2 * l->timers_cap : 64;
        l->timers = xrealloc(l->timers, l->timers_cap * sizeof *l->timers);
    }
    struct live_timer t = {at_us, l->timers_order++, call, arg, number};
    size_t at = l->timers_count++;
    for (; at > 0 && earlier(&t, &l->timers[(at - 1) / 2]); at = (at - 1) / 2) l->timers[at] = l->timers[(at - 1) / 2];
    l->timers[at] = t;
}

/* One that is due; false: none is. */
static bool call_due(struct live *l, uint64_t now_us) {
    if (l->timers_count == 0 || l->timers[0].at_us > now_us) return false;
    struct live_timer t = l->timers[0];
    l->timers[0] = l->timers[--l->timers_count];
    if (l->timers_count > 0) sift_down(l);
    t.call(t.arg, t.number);
    return true;
}

static void live_stop(struct stage *s) { live_of(s)->stop = true; }

static bool goes_on(struct live *l) {
    if (interrupted) live_fail(l, "interrupted by signal %d", (int)interrupted);
    return l->base.failure[0] == '\0';
}

static bool live_run(struct stage *s, uint64_t until_us) {
    struct live *l = live_of(s);
    if (!l->begun && !live_begin(l)) return false;
    for (;;) {
        live_tell_lost(l);
        if (!goes_on(l)) return false;
        uint64_t now_us = live_now_us(s);
        if (!l->stop && call_due(l, now_us)) continue;
        if (l->stop || now_us >= until_us) break;
        live_tell_all(l);
        live_watch(l);
        if (l->looks_often) live_look_often(l);
        uint64_t next_us = until_us;
        if (l->timers_count > 0 && l->timers[0].at_us < next_us) next_us = l->timers[0].at_us;
        now_us = live_now_us(s);
        uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
        live_poll(l, wait_us < POLL_US_MAX ? wait_us : POLL_US_MAX);
    }
    l->stop = false;
    return true;
}

/* ---- acts ---- */
static void skew(struct live *l, const struct act *a) {
    struct live_node *n = &l->nodes[a->node];
    n->skew_ms = a->skew_ms;
    n->drift_ppm = a->drift_ppm;
    n->frozen = a->frozen;
    n->skew_us = live_mono_us();
    if (n->pid) live_order(l, a->node, "CLOCK OFFSET %lld DRIFT %d%s", (long long)a->skew_ms, a->drift_ppm, a->frozen ? " FREEZE" : "");
    live_note(l, MOMENT_NODE, a->node, "clock %+lld ms, drift %d ppm%s", (long long)a->skew_ms, a->drift_ppm, a->frozen ? ", standing still" : "");
}

static bool act_process(struct live *l, const struct act *a, struct buf *why) {
    switch (a->kind) {
    case STEP_START: return live_start(l, a->node, why);
    case STEP_KILL:
        live_kill(l, a->node);
        live_note(l, MOMENT_NODE, a->node, "killed");
        live_note_role(l, a->node, ROLE_DOWN);
        if (a->power) buf_printf(why, "the power of a process is not cut: what it wrote and did not sync stays");
        return !a->power;
    case STEP_PAUSE:
        if (!live_pause(l, a->node, why)) return false;
        live_note(l, MOMENT_NODE, a->node, "paused");
        live_note_role(l, a->node, ROLE_PAUSED);
        return true;
    case STEP_RESUME:
        live_resume(l, a->node);
        live_note(l, MOMENT_NODE, a->node, "resumed");
        return true;
    default: skew(l, a); return true;
    }
}

static bool live_act(struct stage *s, const struct act *a, struct buf *why) {
    struct live *l = live_of(s);
    l->moved = true;
    switch (a->kind) {
    case STEP_CUT:
    case STEP_CLOG:
    case STEP_HEAL:
    case STEP_SLOW:
    case STEP_DISCONNECT: return live_act_link(l, a, why);
    case STEP_KILL:
    case STEP_START:
    case STEP_PAUSE:
    case STEP_RESUME:
    case STEP_SKEW: return act_process(l, a, why);
    case STEP_WIPE:
    case STEP_BACKUP:
    case STEP_RESTORE:
    case STEP_DISK: return live_act_disk(l, a, why);
    default: buf_printf(why, "%s is nothing that is done to nodes or links", step_verb_name(a->kind)); return false;
    }
}

/* ---- from beginning to end ---- */
static bool has_failed(const struct stage *s) {
    bool failed = s->failure[0] != '\0';
    for (size_t i = 0; s->record && i < s->record->moments_count; i++) failed |= s->record->moments[i].kind == MOMENT_FAILS;
    return failed;
}

static void live_destroy(struct stage *s) {
    struct live *l = live_of(s);
    bool keep = l->options.keep || !l->temporary || has_failed(s);
    if (keep && l->begun) live_note(l, MOMENT_NOTE, NODES_MAX, "the nodes' files are in %s", l->local.dir);
    live_clients_finish(l);
    live_nodes_finish(l);
    live_look_finish(l);
    live_spaces_finish(l);
    live_disk_finish(l, keep);
    struct buf ignored = {0};
    if (!keep && l->local.dir) dir_remove(l->local.dir, &ignored);
    buf_finish(&ignored);
    local_finish(&l->local);
    sigaction(SIGINT, &interrupts_before[0], NULL);
    sigaction(SIGTERM, &interrupts_before[1], NULL);
    free(l->program);
    free(l->nodes);
    free(l->links);
    free(l->changed);
    free(l->timers);
    free(l);
}

static const struct stage_ops operations = {
    .name = "live",
    .now_us = live_now_us,
    .run = live_run,
    .stop = live_stop,
    .at = live_at,
    .client = live_client,
    .request = live_request,
    .hang_up = live_hang_up,
    .act = live_act,
    .look = live_look,
    .settle = live_settle,
    .check = live_check,
    .destroy = live_destroy,
};

static bool make_directory(struct live *l, struct buf *why) {
    const char *tmp = getenv("TMPDIR");
    struct buf name = {0};
    if (l->options.dir == NULL) {
        buf_printf(&name, "%s/" TEMPORARY, tmp && *tmp ? tmp : "/tmp");
        buf_u8(&name, 0);
        l->temporary = mkdtemp((char *)name.p) != NULL;
        if (l->temporary) l->local.dir = realpath((char *)name.p, NULL);
    } else if (local_exists(l->options.dir)) {
        buf_printf(why, "%s: there is a cluster already; a live scenario takes a directory of its own", l->options.dir);
        return false;
    } else if (dir_make(l->options.dir)) {
        l->local.dir = realpath(l->options.dir, NULL);
    }
    if (l->local.dir == NULL) buf_printf(why, "%s: %s", l->options.dir ? l->options.dir : (const char *)name.p, strerror(errno));
    buf_finish(&name);
    return l->local.dir != NULL;
}

static bool asks_for_lags(const struct scenario *s) {
    for (uint32_t i = 0; i < s->steps_count; i++) {
        enum predicate_kind kind = s->steps[i].predicate.kind;
        bool asks = s->steps[i].verb == STEP_EXPECT || s->steps[i].verb == STEP_NEVER;
        if (asks && (kind == PREDICATE_LAG || kind == PREDICATE_BACKLOG)) return true;
    }
    return false;
}

static void take_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    interrupted = 0;
    sigaction(SIGINT, &action, &interrupts_before[0]);
    sigaction(SIGTERM, &action, &interrupts_before[1]);
}

/* Where that cannot be, the nodes are at addresses of this machine. */
static bool make_spaces(struct live *l, struct buf *why) {
    struct buf cannot = {0};
    if (live_spaces_init(l, &cannot)) return true;
    if (l->left_network) {
        buf_printf(why, "no network namespaces here (%.*s): play it without --namespaces", (int)cannot.n, (const char *)cannot.p);
        buf_finish(&cannot);
        return false;
    }
    l->options.namespaces = false;
    live_note(l, MOMENT_NOTE, NODES_MAX, "no network namespaces here (%.*s): cuts are made inside the nodes", (int)cannot.n, (const char *)cannot.p);
    buf_finish(&cannot);
    return live_write_files(l, why);
}

struct stage *live_create(const struct scenario *s, const struct live_options *o, struct record *r, struct buf *why) {
    struct live *l = xcalloc(1, sizeof *l);
    struct buf cannot = {0};
    l->base = (struct stage){.ops = &operations, .scenario = s, .record = r};
    l->options = *o;
    if (l->options.port_base == 0) l->options.port_base = PORT_BASE_DEFAULT;
    l->local.lock = -1;
    l->looks_often = r != NULL || asks_for_lags(s);
    l->nodes = xcalloc(s->cluster->nodes_count, sizeof *l->nodes);
    take_interrupts();
    bool ok = s->cluster->nodes_count <= LOCAL_NODES_MAX;
    if (!ok) buf_printf(why, "at most %d nodes run on one machine", LOCAL_NODES_MAX);
    ok = ok && (l->program = process_find_program(why)) != NULL && make_directory(l, why) && live_write_files(l, why);
    if (ok && l->options.namespaces) ok = make_spaces(l, why);
    if (!ok || !local_lock(&l->local, why)) {
        live_destroy(&l->base);
        return NULL;
    }
    live_links_init(l);
    live_disk_init(l, &cannot);
    if (cannot.n) live_note(l, MOMENT_NOTE, NODES_MAX, "%.*s", (int)cannot.n, (const char *)cannot.p);
    buf_finish(&cannot);
    return &l->base;
}

const char *live_dir(const struct stage *s) { return ((const struct live *)(const void *)s)->local.dir; }
