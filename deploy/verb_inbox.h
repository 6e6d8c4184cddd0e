/* The verbs within `truce conflicts`: list, show, resolve, export, restore. */
#pragma once
#include "run.h"

#include <hiredis/hiredis.h>

typedef int inbox_verb(struct run *r, uint64_t limit);
inbox_verb *inbox_verb_of(const char *word); /* NULL: none of that name */

/* The node that --at names, or the first that answers. -1: it has said why. */
int run_node(struct run *r);
/* A command at that node; error replies included, NULL when it has said why. */
redisReply *run_ask(struct run *r, uint32_t node, int argc, const char **argv, const size_t *lengths);
