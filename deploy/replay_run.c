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
};

static bool before_step(void *arg, const struct step *step) {
    const struct stepping *s = arg;
    return s->options->before_step(s->options->arg, s->stage, step);
}

void replay_play_on(struct stage *stage, const struct replay_options *o, struct outcome *ret) {
    struct stepping stepping = {.options = o, .stage = stage};
    struct play_options p = {.seed = stage->scenario->seed, .rows = o->rows, .sample_us = o->sample_us, .arg = &stepping};
    if (o->before_step != NULL) p.before_step = before_step;
    play(stage, &p, ret);
}

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
    replay_play_on(stage, o, ret);
    ret->trace_hash = stage_sim_trace_hash(stage);
    ret->happenings = stage_sim_counts(stage).happenings;
    stage->ops->destroy(stage);
}
