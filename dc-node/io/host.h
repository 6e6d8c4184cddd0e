/* The host: the real world around one engine, driven from one thread. */
#pragma once
#include <stdbool.h>

struct host_options {
    const char *cluster_path, *node_name, *data_dir;
    const char *log_path; /* NULL: standard error */
    char **argv;          /* its own command line, to begin again with */
    bool joins;           /* where its data directory is new, so is the node: the others are there already */
    enum { FSYNC_OF_CLUSTER, FSYNC_NO, FSYNC_YES } fsync;
};

#define HOST_EXIT_START  1  /* it did not start: one line on standard error says why */
#define HOST_EXIT_FAILED 70 /* the store failed or is damaged: what was under way is neither sent nor answered */

/* Runs a node until it is told to end; the exit code of the process. */
int host_run(const struct host_options *o);
