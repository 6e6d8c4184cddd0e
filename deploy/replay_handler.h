/* Handlers from files in a simulated world: each in a child process, as a node has it, under a node's limits. The world waits for the answer, so that
 * nothing but the answer comes from outside. */
#pragma once
#include "../dc-node/scenario/scenario.h"

struct handler_files;
/* Where a file that a scenario names is not there, and truce came with an example of that name, the scenario gets the example's path. */
void handler_files_find_examples(struct scenario_file *f);
/* The files that the scenario names. Each must have passed the admission check, or does so now; `force`: what did not pass is taken too. No process
 * is left running. NULL: *why; a scenario without files gives an empty set. */
struct handler_files *handler_files_open(const struct scenario *s, bool force, struct buf *why);
void handler_files_close(struct handler_files *h); /* NULL is accepted */
/* Those that this scenario names, as nodes have them; returns how many. */
uint32_t handler_files_known(const struct handler_files *h, const struct scenario *s, struct known_handler ret[HANDLERS_MAX]);
/* Asks; `arg` are the handler_files. Appends a handler_answer_encode(): what goes wrong is FAILED, in a node's words. */
void handler_files_answer(void *arg, const char *name, struct slice request, struct buf *answer);
