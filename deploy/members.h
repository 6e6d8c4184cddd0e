/* Members of a running cluster, as its nodes have them (TRUCE.MEMBERS), and the local cluster file that follows them. */
#pragma once
#include "run.h"

/* Asks a node of this DC or of this name, its leader before others, again while it says BUSY. 0, or an exit code after saying why. */
int members_order(struct run *r, const char *where, int argc, const char **argv);
/* How a node stands, as `where` has it; empty: there is none, or nobody answers. */
const char *members_standing(struct run *r, const char *where, const char *node, char ret[static 32]);
/* The highest number that a node of this DC has or ever had. */
uint32_t members_last_number(struct run *r, const char *where, const char *dc);
/* Waits until the node stands so. False: it does not within the time. */
bool members_await(struct run *r, const char *where, const char *node, const char *standing, uint32_t timeout_ms);

/* Puts a node into cluster.json, or takes it out, and reads that again. `client` and `peer` are "host:port"; NULL: out. False: *why. */
bool members_write_file(struct local *l, const char *dc, uint32_t number, const char *client, const char *peer, struct buf *why);
