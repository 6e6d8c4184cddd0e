/* Rows in memory behind txn.h, and just enough of an engine for commands to run: their replies can be tested without one. */
#pragma once
#include "../../dc-node/core/session.h"

extern struct cluster memory_cluster; /* the password and what CONFIG shows */
extern uint64_t memory_now_ms;
extern bool memory_full;     /* every change is refused */
extern bool memory_shutdown; /* engine_shutdown() was called */

void memory_reset(void); /* no rows, no sessions, the clock at its start */
struct session *memory_open(void);
void memory_close(struct session *s);
/* Dispatches like the engine: existence, arity, AUTH, the queue of MULTI; an error undoes what its command changed. Replies go to s->out. */
void memory_run(struct session *s, const struct slice *argv, uint32_t argc);
size_t memory_rows(void);
