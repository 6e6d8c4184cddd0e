#include "replay_run.h"

uint32_t replay_planted_bug;

bool replay_prepare(const struct scenario_file *f, const uint64_t *seed, struct scenario *ret, struct buf *why) {
    json_t *expanded;
    *ret = (struct scenario){0};
    return scenario_draw(f, seed, &expanded, why) && scenario_parse(f, expanded, ret, why);
}

struct stepping {
    const struct replay_options *options;
    struct stage *stage;
    struct outcome *outcome;
};

static bool before_step(void *arg, const struct step *step) {
    const struct stepping *s = arg;
    return s->options->before_step(s->options->arg, s->stage, step);
}

/* What is asked afterwards must not show in the trace's hash: it is that of the play alone. */
static void simulation_ended(void *arg) {
    const struct stepping *s = arg;
    s->outcome->trace_hash = stage_sim_trace_hash(s->stage);
    s->outcome->happenings = stage_sim_counts(s->stage).happenings;
}

static void play_on(struct stage *stage, const struct replay_options *o, void (*ended)(void *arg), struct outcome *ret) {
    struct stepping stepping = {.options = o, .stage = stage, .outcome = ret};
    struct play_options p = {.seed = stage->scenario->seed, .rows = o->rows, .sample_us = o->sample_us, .ended = ended, .arg = &stepping};
    if (o->before_step != NULL) p.before_step = before_step;
    play(stage, &p, ret);
}

void replay_play_on(struct stage *stage, const struct replay_options *o, struct outcome *ret) { play_on(stage, o, NULL, ret); }

void replay_play(const struct scenario *s, const struct replay_options *o, struct outcome *ret) {
    struct stage_sim_options sim = {.seed = s->seed, .planted_bug = replay_planted_bug, .checkers = true};
    struct known_handler known[HANDLERS_MAX];
    if (o->handlers != NULL) {
        sim.handler = handler_files_answer;
        sim.handler_arg = o->handlers;
        sim.known = known;
        sim.known_count = handler_files_known(o->handlers, s, known);
    }
    struct stage *stage = stage_sim_create(s, &sim, o->record);
    play_on(stage, o, simulation_ended, ret);
    stage->ops->destroy(stage);
}
