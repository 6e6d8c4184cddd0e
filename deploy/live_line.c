/* Asking a node of the live stage, and giving it orders: one blocking connection to each, beside those of clients. */
#include "live_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_TIMEOUT_S 5

int live_socket(struct live *l, uint32_t node, bool blocking) {
    int space = l->nodes[node].net_space, type = SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK);
    if (space && setns(space, CLONE_NEWNET) != 0) return -1;
    int fd = socket(AF_INET, type, 0);
    if (space && setns(l->own_net_space, CLONE_NEWNET) != 0) live_fail(l, "this program cannot come back from a network namespace");
    return fd;
}

bool live_address(const struct live *l, uint32_t node, struct buf *ret) {
    const struct cluster_node *n = &l->local.cluster->nodes[node];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(n->client_port)};
    bool ok = inet_pton(AF_INET, n->client_host, &a.sin_addr) == 1;
    buf_put(ret, &a, sizeof a);
    return ok;
}

static bool sign_in(redisContext *rc, const char *password) {
    if (password[0] == '\0') return true;
    redisReply *reply = redisCommand(rc, "AUTH %s", password);
    bool ok = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return ok;
}

redisContext *live_line(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (n->line != NULL || n->pid == 0 || n->paused) return n->paused ? NULL : n->line;
    struct buf address = {0};
    struct timeval limit = {LINE_TIMEOUT_S, 0};
    int fd = live_socket(l, node, true);
    bool ok = fd >= 0 && live_address(l, node, &address);
    if (ok) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* connect() too */
    ok = ok && connect(fd, (const struct sockaddr *)(const void *)address.p, (socklen_t)address.n) == 0;
    if (ok) n->line = redisConnectFd(fd);
    if (n->line == NULL && fd >= 0) close(fd);
    buf_finish(&address);
    if (n->line == NULL) return NULL;
    if (redisSetTimeout(n->line, limit) != REDIS_OK || !sign_in(n->line, l->local.cluster->password)) live_line_drop(l, node);
    return n->line;
}

void live_line_drop(struct live *l, uint32_t node) {
    if (l->nodes[node].line) redisFree(l->nodes[node].line);
    l->nodes[node].line = NULL;
}

redisReply *live_ask(struct live *l, uint32_t node, int argc, const char **argv) {
    redisContext *rc = live_line(l, node);
    redisReply *reply = rc ? redisCommandArgv(rc, argc, argv, NULL) : NULL;
    if (rc && reply == NULL) live_line_drop(l, node);
    return reply;
}

/* ---- orders ---- */
void live_order(struct live *l, uint32_t node, const char *format, ...) {
    char line[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    buf_printf(&l->nodes[node].orders, "%s\n", line);
}

/* Appends all that the node is to be told to its line; returns how many commands. */
static int send_orders(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    redisContext *rc = live_line(l, node);
    if (rc == NULL) return 0;
    int sent = 0;
    buf_u8(&n->orders, 0);
    for (char *save = NULL, *line = strtok_r((char *)n->orders.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save), sent++) {
        const char *argv[32] = {"TRUCE.FAULT"};
        int argc = 1;
        for (char *rest = line, *word; argc < 32 && (word = strsep(&rest, " ")) != NULL;) argv[argc++] = word;
        redisAppendCommandArgv(rc, argc, argv, NULL);
    }
    buf_clear(&n->orders);
    int done = 0;
    while (!done && redisBufferWrite(rc, &done) == REDIS_OK) continue;
    return sent;
}

static void take_replies(struct live *l, uint32_t node, int count) {
    for (int i = 0; i < count && l->nodes[node].line; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(l->nodes[node].line, (void **)&reply) != REDIS_OK)
            live_line_drop(l, node); /* it ended: when it starts it is told everything */
        else if (reply->type == REDIS_REPLY_ERROR)
            live_fail(l, "%s: %s", node_name(&l->local, node), reply->str);
        freeReplyObject(reply);
    }
}

void live_tell_all(struct live *l) {
    int sent[NODES_MAX] = {0};
    live_links_order(l);
    for (uint32_t i = 0; i < live_nodes(l); i++)
        if (l->nodes[i].orders.n > 0 && l->nodes[i].answered && live_runs(l, i)) sent[i] = send_orders(l, i);
    for (uint32_t i = 0; i < live_nodes(l); i++) take_replies(l, i, sent[i]);
}
