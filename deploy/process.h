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
/* A descriptor of that process, which stays its own whatever happens to the pid; close() it. -1: it is not running. */
int process_open(const struct local *l, uint32_t node);
bool process_signal(int process, int signal_number); /* false: it is gone */
/* Waits until it is gone and its ports are free; false: still there. */
bool process_wait_gone(int process, uint32_t timeout_ms);

/* The program dc-node: $TRUCE_DC_NODE, beside this program, or in its build directory. The caller frees; NULL: *why. */
char *process_find_program(struct buf *why);
/* How a process is started; all zero: as the cluster has it. */
struct process_setting {
    const char *faults;    /* TRUCE.FAULT orders, a line each, that hold from the first moment; NULL: none */
    bool dies_with_parent; /* it is killed when this program ends, however that comes */
    int net_space;         /* descriptor of the network namespace that it lives in; 0: this program's */
};
/* Starts the node in its own session, output appended to D/<node>/log; it is not running. 0: *why. */
pid_t process_start(const struct local *l, uint32_t node, const char *program, const struct process_setting *s, struct buf *why);
/* A child that ended: reaps it and tells why in words, with the last line of its log. */
bool process_ended(const struct local *l, uint32_t node, pid_t child, struct buf *why);
