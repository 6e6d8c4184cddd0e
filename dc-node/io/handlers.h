/* The handlers that this node has, and the thread that runs them: one child process for each (handler_process.h), begun with its first request. What
 * a handler does wrong costs its child, and becomes words. */
#pragma once
#include "../core/engine.h"
#include "mailbox.h"

#define HANDLER_LIMIT_MS    1000u
#define HANDLER_STARVED_MAX 10u /* a call that hardly got to compute may take so many times the limit */

struct handlers_options {
    const struct cluster *cluster; /* who is forced; outlives the handlers */
    const char *directory;
    const char *program; /* of the children; NULL: the one that runs now */
    uint32_t limit_ms;   /* of one call; 0: HANDLER_LIMIT_MS */
};
/* Told on the thread that takes the mailbox's mails; arguments are borrowed for the call. */
struct handlers_owner {
    void (*known)(void *arg, const struct known_handler *list, uint32_t count); /* after the start, each reload, and what changes the directory */
    void (*answered)(void *arg, uint64_t run, struct slice answer);             /* exactly once for each that was asked */
};
struct handlers;
/* NULL: there is no thread or no file descriptor for it. The mailbox stays to the end of the process. */
struct handlers *handlers_start(const struct handlers_options *o, struct mailbox *box, const struct handlers_owner *owner, void *arg);
void handlers_reload(struct handlers *h);
/* Requests of one handler are answered in order; those of others do not wait for it. The run is copied. */
void handlers_ask(struct handlers *h, const struct handler_run *run);
/* Ends all children; the owner is told nothing more, but by mails that were posted before: take none afterwards. NULL is accepted. */
void handlers_stop(struct handlers *h);
