/* Requests to nodes that end: with a reply, or without one when patience is over. */
#pragma once
#include "stage.h"

struct asks {
    struct stage *stage;
    struct ask *first;
    uint64_t serial;
};
/* resp.n == 0: no answer. */
typedef void ask_done(void *arg, uint32_t number, struct slice resp);

void asks_send(struct asks *a, uint32_t client, const struct slice *argv, uint32_t argc, uint64_t patience_us, ask_done *done, void *arg,
               uint32_t number);
/* Hangs up on all that is under way, and runs until it has ended. */
void asks_drain(struct asks *a);
/* What could not be drained is left to itself: it tells nobody. */
void asks_finish(struct asks *a);
