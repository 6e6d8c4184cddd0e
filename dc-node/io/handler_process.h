/* A child process that runs the code of one handler: requests go in, answers come out, and there are words for how it ended.
 *
 * It is the node's own program, begun with HANDLER_ARGUMENT, at the other end of a pair of sockets. Frames both ways: u32 length, then the bytes. Its
 * first frame says that the handler is loaded (nothing), or why it is not (one line); then each request gets one answer (conflict/handler.h). */
#pragma once
#include "../../conflict/handler.h"
#include <sys/types.h>

#define HANDLER_ARGUMENT "--run-handler"

struct handler_process {
    pid_t pid; /* 0: there is none */
    int fd;    /* the node's end */
    struct buf sending, received;
    size_t sent;
};
/* `program` NULL: the one that runs now. It dies with the thread that starts it. False: one line in *why. */
bool handler_process_start(struct handler_process *p, const char *program, const char *path, uint64_t hash, struct buf *why);
void handler_process_send(struct handler_process *p, struct slice request); /* when nothing is being sent */
bool handler_process_sending(const struct handler_process *p);
/* Goes on with what is being sent, as far as the child takes it. */
void handler_process_write(struct handler_process *p);
enum heard { HEARD_NOTHING, HEARD_FRAME, HEARD_END, HEARD_TOO_MUCH };
/* FRAME: one whole frame, borrowed until the next call. */
enum heard handler_process_read(struct handler_process *p, struct slice *ret_frame);
/* Time that it has computed, us. */
uint64_t handler_process_cpu_us(const struct handler_process *p);
/* Kills it, if it has not ended by itself. */
enum ending { ENDING_KILLED /* here and now */, ENDING_KILLED_BEFORE /* by somebody else */, ENDING_SIGNAL, ENDING_EXIT };
enum ending handler_process_end(struct handler_process *p, int *ret_number /* of the signal or exit; may be NULL */);

/* The child's side: all that it does; returns its exit code. `hash` as 16 hex digits. */
int handler_child(const char *path, const char *hash);
