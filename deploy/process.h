/* The processes of local nodes: found by their pid file, started detached, signalled only when they are what they should be. */
#pragma once
#include "local.h"

#include <sys/types.h>

struct process {
    pid_t pid;   /* 0: not running */
    bool paused; /* stopped by a signal */
};

/* The process of a node: that of D/<node>/pid, if it is a dc-node with this node's data directory. */
struct process process_of(const struct local *l, uint32_t node);
/* Sends a signal to it, and to nobody else, whatever happens to the pid meanwhile. False: it is not running. */
bool process_signal(const struct local *l, uint32_t node, int signal_number);
/* Waits until it is gone; false: still there. */
bool process_wait_gone(const struct local *l, uint32_t node, uint32_t timeout_ms);

/* The program dc-node: $TRUCE_DC_NODE, beside this program, or in its build directory. The caller frees; NULL: *why. */
char *process_find_program(struct buf *why);
/* Starts the node in its own session, output appended to D/<node>/log; it is not running. 0: *why. */
pid_t process_start(const struct local *l, uint32_t node, const char *program, struct buf *why);
/* A child that ended: reaps it and tells why in words, with the last line of its log. */
bool process_ended(const struct local *l, uint32_t node, pid_t child, struct buf *why);
