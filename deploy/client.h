/* Asking a running node, as a client does. */
#pragma once
#include "local.h"

#include <hiredis/hiredis.h>
#include <jansson.h>

#define ASK_TIMEOUT_MS 2000

/* A connection, signed in where the cluster wants a password. NULL: *why. The caller frees it with redisFree. */
redisContext *node_connect(const struct cluster *c, uint32_t node, uint32_t timeout_ms, struct buf *why);
/* One command on a connection of its own. NULL: *why says what failed. An error reply is a reply. The caller frees it. */
redisReply *node_ask(const struct cluster *c, uint32_t node, int argc, const char **argv, const size_t *lengths, uint32_t timeout_ms,
                     struct buf *why);
/* TRUCE.STATUS as JSON (schemas/status.schema.json). NULL: *why. */
json_t *node_status(const struct cluster *c, uint32_t node, struct buf *why);
/* Whether the node takes writes, forwarded or its own, told by a write that changes nothing. */
bool node_takes_writes(const struct cluster *c, uint32_t node, struct buf *why);

/* A node by name, or the one to ask in a DC: its leader if it answers, else any that does. -1: *why. */
int node_to_ask(const struct local *l, const char *dc_or_node, struct buf *why);
