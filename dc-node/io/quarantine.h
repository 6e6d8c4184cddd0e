/* A data directory whose records are not what was written: it is set aside, and the node takes everything from the others anew.
 *
 * The process that meets the damage marks the directory and begins again in its own place; the next run moves both databases into `set-aside`, for
 * whoever wants to look at them, and starts with nothing, as a node that has lost its disk (engine_options.returning). Every step can be repeated
 * after a crash. Damage met before the node is whole again is not set aside a second time: then it is the disk that fails. */
#pragma once
#include <stdbool.h>

/* Marks the directory; `why` goes into the mark. What was set aside before is removed. False: errno says why. */
bool quarantine_mark(const char *data_dir, const char *why);
/* At the start, before the store is opened: does what the mark asks for. *ret_done: there was a mark. False: errno says why. */
bool quarantine_carry_out(const char *data_dir, bool *ret_done);
/* The node returns because its directory was set aside, and is not whole yet. */
bool quarantine_lasts(const char *data_dir);
