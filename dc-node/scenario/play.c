#include "play_state.h"

#include "../../schemas/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_words(enum verdict v) {
    static const char *const words[] = {[VERDICT_PASS] = "passed",
                                        [VERDICT_EXPECTATION] = "an expectation failed",
                                        [VERDICT_BAD_FILE] = "the file is not a scenario",
                                        [VERDICT_NOT_CONVERGED] = "the nodes did not converge",
                                        [VERDICT_INVARIANT] = "an invariant is broken"};
    return words[v];
}

/* ---- time ---- */

uint64_t play_now(const struct play *p) {
    uint64_t now = p->stage->ops->now_us(p->stage);
    return now > p->zero_us ? now - p->zero_us : 0;
}

static bool stage_holds(struct play *p) {
    if (p->stage->failure[0]) play_fail(p, VERDICT_INVARIANT, p->step, "%s", p->stage->failure);
    return !p->over;
}

bool play_run(struct play *p, uint64_t until_us) {
    p->woken = false;
    while (!p->over && !p->woken && play_now(p) < until_us) {
        p->running = true;
        bool goes_on = p->stage->ops->run(p->stage, p->zero_us + until_us);
        p->running = false;
        if (stage_holds(p) && !goes_on) play_fail(p, VERDICT_INVARIANT, p->step, "the %s stage cannot go on", p->stage->ops->name);
    }
    return !p->over;
}

bool play_sleep(struct play *p, uint64_t until_us) {
    while (!p->over && play_now(p) < until_us) play_run(p, until_us);
    return !p->over;
}

void play_wake(struct play *p) {
    p->woken = true;
    if (p->running) p->stage->ops->stop(p->stage);
}

/* ---- telling ---- */

struct moment play_moment(const struct play *p, enum moment_kind k, const struct step *step, int node) {
    int dc = node < 0 ? -1 : (int)p->scenario->cluster->nodes[node].dc;
    return (struct moment){.at_us = p->stage->ops->now_us(p->stage), .kind = k, .dc = dc, .node = node, .peer = -1, .step = step ? step->number : 0};
}

void play_fail(struct play *p, enum verdict v, const struct step *step, const char *format, ...) {
    struct outcome *o = p->outcome;
    struct buf text = {0};
    char *what = NULL;
    va_list args;
    if (p->over) return;
    va_start(args, format);
    int n = vasprintf(&what, format, args);
    va_end(args);
    if (n < 0) abort();
    buf_text(&text, p->scenario->path ? p->scenario->path : "scenario");
    if (step && step->line) buf_printf(&text, ":%u", step->line);
    if (step)
        buf_printf(&text, ": step %u (%s): %s", step->number, step_verb_name(step->verb), what);
    else
        buf_printf(&text, ": at the %s: %s", p->begun ? "end" : "beginning", what);
    snprintf(o->failure, sizeof o->failure, "%.*s", (int)text.n, (const char *)text.p);
    o->verdict = v;
    o->failed_step = step ? step->number : 0;
    struct moment m = play_moment(p, MOMENT_FAILS, step, -1);
    m.text = what;
    record_add(p->stage->record, m);
    buf_finish(&text);
    free(what);
    p->over = true;
    if (p->running || p->settling) p->stage->ops->stop(p->stage);
}

void play_note(struct play *p, const struct step *step, const char *format, ...) {
    char *what = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&what, format, args);
    va_end(args);
    if (n < 0) abort();
    struct moment m = play_moment(p, MOMENT_NOTE, step, -1);
    m.text = what;
    record_add(p->stage->record, m);
    json_array_append_new(p->outcome->notes,
                          step ? json_sprintf("step %u (%s): %s", step->number, step_verb_name(step->verb), what) : json_string(what));
    free(what);
}

/* ---- nodes ---- */

uint32_t play_ask_client(struct play *p, uint32_t node) {
    if (!p->ask_clients[node]) p->ask_clients[node] = p->stage->ops->client(p->stage, node) + 1;
    return p->ask_clients[node] - 1;
}

enum stage_role play_role(const struct play *p, uint32_t node) {
    struct stage_view v = {0};
    p->stage->ops->look(p->stage, node, &v);
    return v.role;
}

int play_leader(const struct play *p, uint32_t dc) {
    const struct cluster *c = p->scenario->cluster;
    uint64_t term = 0;
    int leader = -1;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct stage_view v = {0};
        if (c->nodes[i].dc != dc) continue;
        p->stage->ops->look(p->stage, i, &v);
        if (v.role != ROLE_LEADER || (leader >= 0 && v.term <= term)) continue; /* one that was deposed may not know it */
        leader = (int)i;
        term = v.term;
    }
    return leader;
}

/* What a node lacks. False: nothing that it knows of. */
static bool put_backlog(const struct play *p, uint32_t node, const struct stage_view *v, struct buf *why) {
    bool any = false;
    for (uint32_t dc = 0; dc < p->scenario->cluster->dcs_count; dc++) {
        if (!v->backlog[dc]) continue;
        if (any)
            buf_text(why, ",");
        else
            buf_printf(why, "%s%s lacks", why->n ? "; " : "", play_node_name(p, node));
        buf_printf(why, " %" PRIu64 " events of %s", v->backlog[dc], p->scenario->cluster->dcs[dc].name);
        any = true;
    }
    return any;
}

enum agreement play_agreement(const struct play *p, bool all, struct buf *why) {
    enum agreement result = AGREE;
    struct stage_view first = {0};
    int first_node = -1;
    for (uint32_t i = 0; i < p->scenario->cluster->nodes_count; i++) {
        struct stage_view v = {0};
        p->stage->ops->look(p->stage, i, &v);
        const char *mark = why->n ? "; " : "";
        if (v.role == ROLE_DOWN || v.role == ROLE_PAUSED) {
            if (!all) continue;
            buf_printf(why, "%s%s is %s", mark, play_node_name(p, i), stage_role_name(v.role));
            result = result == AGREE ? DIFFER : result;
            continue;
        }
        if (first_node < 0) {
            first = v;
            first_node = (int)i;
        }
        if (put_backlog(p, i, &v, why) || v.vv_hash != first.vv_hash) {
            if (v.vv_hash != first.vv_hash && why->n == 0)
                buf_printf(why, "%s and %s have different events", play_node_name(p, (uint32_t)first_node), play_node_name(p, i));
            result = result == AGREE ? DIFFER : result;
        } else if (v.digest != first.digest) {
            buf_printf(why, "%sI1: %s and %s have the same events and different rows", mark, play_node_name(p, (uint32_t)first_node),
                       play_node_name(p, i));
            result = DIVERGED;
        }
    }
    return result;
}

/* ---- the beginning ---- */

static void start_nodes(struct play *p) {
    struct buf why = {0};
    for (uint32_t i = 0; i < p->scenario->cluster->nodes_count; i++) {
        if (p->scenario->down[i] || play_role(p, i) != ROLE_DOWN) continue;
        if (p->stage->ops->act(p->stage, &(struct act){.kind = STEP_START, .node = i}, &why)) continue;
        play_fail(p, VERDICT_NOT_CONVERGED, NULL, "%s does not start: %.*s", play_node_name(p, i), (int)why.n, (const char *)why.p);
        break;
    }
    buf_finish(&why);
}

/* The name of a DC that should have a leader and has none; NULL: there is none such. */
static const char *without_leader(const struct play *p) {
    const struct cluster *c = p->scenario->cluster;
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        uint32_t runs = 0;
        for (uint32_t i = 0; i < c->nodes_count; i++) runs += c->nodes[i].dc == dc && !p->scenario->down[i];
        if (runs * 2 > c->dcs[dc].nodes_count && play_leader(p, dc) < 0) return c->dcs[dc].name;
    }
    return NULL;
}

/* The scenario's time begins when the nodes that are to run do, know each other, and have leaders. */
static void come_up(struct play *p) {
    const struct stage_ops *ops = p->stage->ops;
    if (p->stage->record) p->stage->record->zero_us = RECORD_NOT_BEGUN;
    start_nodes(p);
    const char *waits = NULL;
    while (!p->over && ops->now_us(p->stage) < START_US) {
        bool settled = ops->settle(p->stage, START_US - ops->now_us(p->stage));
        waits = without_leader(p);
        if (!stage_holds(p) || (settled && !waits)) break;
        play_sleep(p, play_now(p) + RETRY_US);
    }
    if (waits && !p->over) play_fail(p, VERDICT_NOT_CONVERGED, NULL, "the cluster does not come up: %s has no leader", waits);
    p->zero_us = ops->now_us(p->stage);
    p->begun = true;
    if (p->stage->record) p->stage->record->zero_us = p->zero_us;
}

/* ---- samples ---- */

static void take_sample(void *arg, uint64_t number) {
    struct play *p = arg;
    const struct cluster *c = p->scenario->cluster;
    if (p->over || !p->looking) return;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct stage_view v = {0};
        p->stage->ops->look(p->stage, i, &v);
        if (v.role == ROLE_DOWN) continue;
        struct sample s = {.at_us = p->stage->ops->now_us(p->stage), .node = i, .conflicts_open = v.conflicts_open, .events = v.events};
        for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
            if (v.lag_us[dc] > s.lag_us) s.lag_us = v.lag_us[dc];
            if (v.backlog[dc] > s.backlog) s.backlog = v.backlog[dc];
        }
        record_sample(p->stage->record, s);
    }
    p->stage->ops->at(p->stage, p->stage->ops->now_us(p->stage) + p->options->sample_us, take_sample, p, number + 1);
}

/* ---- steps ---- */

static void put_option(const char *key, const json_t *value, bool first, struct buf *out) {
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    buf_printf(out, "%s%s %s", first ? "" : ", ", key, text ? text : json_string_value(value));
    free(text);
}

/* As it reads: what it does, then the rest, times apart. */
static void put_step(const struct step *s, struct buf *out) {
    static const char *const apart[] = {"at", "after", "note", "place"};
    const char *verb = step_verb_name(s->verb), *key;
    json_t *value, *json = (json_t *)(uintptr_t)s->json;
    if (json_object_get(json, verb))
        put_option(verb, json_object_get(json, verb), true, out);
    else
        buf_text(out, verb);
    json_object_foreach(json, key, value) {
        bool left_out = strcmp(key, verb) == 0;
        for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) left_out = left_out || strcmp(key, apart[i]) == 0;
        if (!left_out) put_option(key, value, false, out);
    }
}

static void tell_step(struct play *p, const struct step *s) {
    struct buf text = {0};
    put_step(s, &text);
    buf_u8(&text, 0);
    struct moment m = play_moment(p, MOMENT_STEP, s, -1);
    m.text = (const char *)text.p;
    record_add(p->stage->record, m);
    buf_finish(&text);
}

static void settle(struct play *p, const struct step *s, uint64_t max_us) {
    p->settling = true;
    bool settled = p->stage->ops->settle(p->stage, max_us);
    p->settling = false;
    if (!stage_holds(p) || settled) return;
    struct buf why = {0}, time = {0};
    enum agreement a = play_agreement(p, !s, &why);
    format_time(max_us, &time);
    if (why.n == 0) buf_text(&why, "something is under way still");
    play_fail(p, a == DIVERGED ? VERDICT_INVARIANT : VERDICT_NOT_CONVERGED, s, "not settled within %.*s: %.*s", (int)time.n, (const char *)time.p,
              (int)why.n, (const char *)why.p);
    buf_finish(&why);
    buf_finish(&time);
}

/* A step without a time of its own waits for the end of the one before. */
static bool before_ended(const struct play *p, const struct step *before) {
    if (before->verb == STEP_DO) return !play_do_open(p, before);
    if (before->verb == STEP_WORKLOAD)
        for (uint32_t i = 0; i < p->loads_count; i++)
            if (p->loads[i].step == before) return p->loads[i].ends_us == UINT64_MAX || load_idle(p->loads[i].load);
    return true;
}

/* A write under `knows` may have to wait for what it is to know: what comes `after` it comes later then. */
static void wait_for_knowing(struct play *p, const struct step *before) {
    if (!before || before->verb != STEP_DO || !before->knows_given) return;
    while (!p->over && play_do_open(p, before)) {
        play_run(p, play_now(p) + RETRY_US);
        p->step_ended_us = play_now(p);
    }
}

static void wait_for_time(struct play *p, const struct step *s, const struct step *before) {
    if (s->when == WHEN_AT) play_sleep(p, s->when_us);
    if (s->when == WHEN_AFTER) {
        wait_for_knowing(p, before);
        play_sleep(p, p->step_ended_us + s->when_us);
    }
    if (s->when != WHEN_NEXT || !before) return;
    while (!p->over && !before_ended(p, before)) play_run(p, play_now(p) + RETRY_US);
}

static void play_step(struct play *p, const struct step *s, const struct step *before) {
    wait_for_time(p, s, before);
    if (p->over) return;
    p->step = s;
    if (p->options->before_step && !p->options->before_step(p->options->arg, s)) {
        p->over = true;
        return;
    }
    tell_step(p, s);
    switch (s->verb) {
    case STEP_DO: play_do(p, s); break;
    case STEP_WORKLOAD: play_load(p, s); break;
    case STEP_SETTLE: settle(p, s, s->length_us); break;
    case STEP_EXPECT: play_expect(p, s); break;
    case STEP_NEVER: play_never(p, s); break;
    default: play_act(p, s);
    }
    stage_holds(p);
    p->step_ended_us = play_now(p);
}

/* ---- the end ---- */

static void wait_for_doings(struct play *p) {
    while (!p->over && p->doings_open) play_run(p, play_now(p) + PATIENCE_US);
}

static void end_at_rest(struct play *p) {
    struct buf why = {0};
    play_undo_all(p);
    play_loads_stop(p);
    if (!p->over) settle(p, NULL, p->scenario->end_us);
    p->looking = false;
    enum agreement a = p->over ? AGREE : play_agreement(p, true, &why);
    if (a != AGREE)
        play_fail(p, a == DIVERGED ? VERDICT_INVARIANT : VERDICT_NOT_CONVERGED, NULL, "not converged: %.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (!p->over) play_loads_check(p);
    if (p->over) return;
    p->stage->ops->check(p->stage);
    stage_holds(p);
}

/* The steps have their time, the last ones too, before anything is made right again. */
static void end(struct play *p) {
    for (uint32_t i = 0; i < p->loads_count; i++)
        if (p->loads[i].ends_us != UINT64_MAX) play_sleep(p, p->loads[i].ends_us);
    wait_for_doings(p);
    if (p->over) return;
    p->step = NULL;
    if (p->scenario->no_end)
        play_loads_stop(p);
    else
        end_at_rest(p);
}

/* ---- the play ---- */

static void collect_names(struct play *p) {
    p->names = json_object();
    p->saved = json_object();
    p->label_names = json_object();
    for (uint32_t i = 0; i < p->scenario->steps_count; i++)
        if (p->scenario->steps[i].save) json_object_set_new(p->names, p->scenario->steps[i].save, json_integer(p->scenario->steps[i].number));
}

static void play_finish(struct play *p) {
    p->looking = false;
    asks_drain(&p->asks);
    play_nevers_finish(p);
    play_do_finish(p);
    play_loads_finish(p);
    asks_finish(&p->asks);
    for (uint32_t i = 0; i < p->labels_count; i++) vv_finish(&p->labels[i]);
    free(p->labels);
    free(p->clients);
    free(p->ask_clients);
    free(p->touched_links);
    origins_destroy(p->origins);
    json_decref(p->names);
    json_decref(p->saved);
    json_decref(p->label_names);
}

void play(struct stage *s, const struct play_options *o, struct outcome *ret) {
    const struct scenario *sc = s->scenario;
    uint32_t n = sc->cluster->nodes_count;
    *ret = (struct outcome){.replies = json_object(), .workloads = json_object(), .notes = json_array()};
    struct play p = {.stage = s, .scenario = sc, .options = o, .outcome = ret, .asks = {.stage = s}, .origins = origins_create(), .looking = true};
    p.ask_clients = xcalloc(n, sizeof *p.ask_clients);
    p.touched_links = xcalloc((size_t)n * n, sizeof *p.touched_links);
    collect_names(&p);
    come_up(&p);
    if (o->sample_us && s->record) take_sample(&p, 0);
    for (uint32_t i = 0; i < sc->steps_count && !p.over; i++) play_step(&p, &sc->steps[i], i ? &sc->steps[i - 1] : NULL);
    if (!p.over) end(&p);
    play_loads_stop(&p); /* where it failed they write still */
    p.looking = false;
    ret->length_us = play_now(&p);
    if (o->ended) o->ended(o->arg);
    play_loads_tell(&p);
    outcome_fill(&p);
    stage_holds(&p);
    play_finish(&p);
}
