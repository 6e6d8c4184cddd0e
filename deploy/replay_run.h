/* One scenario from its file to its outcome: the one way that everything in `truce replay` takes. */
#pragma once
#include "../dc-node/scenario/play.h"
#include "../dc-node/scenario/stage_sim.h"
#include "replay_handler.h"

/* The outcome owns nothing of the scenario's. */
struct replay_options {
    struct handler_files *handlers; /* NULL: simulated ones alone */
    struct record *record;          /* NULL: nobody keeps what happens */
    bool rows;                      /* fill outcome.rows */
    uint32_t sample_us;             /* how often the record gets samples; 0: never */
    /* Called before each step; may be NULL. False: it ends here. */
    bool (*before_step)(void *arg, struct stage *stage, const struct step *step);
    void *arg;
};

/* Draws and reads it. `seed` NULL: the file's own. scenario_finish it. False: *why. */
bool replay_prepare(const struct scenario_file *f, const uint64_t *seed, struct scenario *ret, struct buf *why);
/* Plays it in the simulator. outcome_finish it. */
void replay_play(const struct scenario *s, const struct replay_options *o, struct outcome *ret);
/* Plays it on a stage that is there, and stays. */
void replay_play_on(struct stage *stage, const struct replay_options *o, struct outcome *ret);

/* An engine's bug, planted by tests alone (PLANTED_BUGS). */
extern uint32_t replay_planted_bug;
