/* `--step`: walks through a scenario; before each step a person looks at the cluster. */
#pragma once
#include "replay_run.h"

struct walk {
    const struct scenario *scenario;
    FILE *in, *out;
    bool terminal;     /* prompts are for somebody */
    uint64_t skip;     /* steps to go without asking */
    uint64_t until_us; /* ... or until this time */
    char last[1024];
};
/* For replay_options.before_step; `arg` is the walk. The end of the input means: to the end without asking. */
bool walk_before_step(void *arg, struct stage *stage, const struct step *step);
