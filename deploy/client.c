#include "client.h"
#include "process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool sign_in(redisContext *rc, const struct cluster *c, struct buf *why) {
    if (c->password[0] == '\0') return true;
    redisReply *reply = redisCommand(rc, "AUTH %s", c->password);
    bool ok = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (!ok) buf_printf(why, "%s", reply ? reply->str : rc->errstr);
    freeReplyObject(reply);
    return ok;
}

redisContext *node_connect(const struct cluster *c, uint32_t node, uint32_t timeout_ms, struct buf *why) {
    const struct cluster_node *n = &c->nodes[node];
    struct timeval timeout = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    redisContext *rc = redisConnectWithTimeout(n->client_host, n->client_port, timeout);
    if (rc != NULL && rc->err == 0 && redisSetTimeout(rc, timeout) == REDIS_OK && sign_in(rc, c, why)) return rc;
    if (rc == NULL || rc->err != 0) buf_printf(why, "%s:%u: %s", n->client_host, n->client_port, rc ? rc->errstr : "out of memory");
    if (rc != NULL) redisFree(rc);
    return NULL;
}

redisReply *node_ask(const struct cluster *c, uint32_t node, int argc, const char **argv, const size_t *lengths, uint32_t timeout_ms,
                     struct buf *why) {
    redisContext *rc = node_connect(c, node, timeout_ms, why);
    if (rc == NULL) return NULL;
    redisReply *reply = redisCommandArgv(rc, argc, argv, lengths);
    if (reply == NULL && rc->err == REDIS_ERR_IO) buf_printf(why, "no answer within %u ms", timeout_ms);
    if (reply == NULL && rc->err != REDIS_ERR_IO) buf_printf(why, "%s", rc->errstr);
    redisFree(rc);
    return reply;
}

json_t *node_status(const struct cluster *c, uint32_t node, struct buf *why) {
    redisReply *reply = node_ask(c, node, 1, (const char *[]){"TRUCE.STATUS"}, NULL, ASK_TIMEOUT_MS, why);
    if (reply == NULL) return NULL;
    json_t *status = NULL;
    json_error_t error;
    if (reply->type == REDIS_REPLY_STRING) status = json_loadb(reply->str, reply->len, 0, &error);
    if (status == NULL) buf_printf(why, "TRUCE.STATUS: %s", reply->type == REDIS_REPLY_STRING ? error.text : reply->str ? reply->str : "no text");
    freeReplyObject(reply);
    return status;
}

bool node_takes_writes(const struct cluster *c, uint32_t node, struct buf *why) {
    /* A key that nobody has: the leader looks for it, changes nothing and makes no event. */
    uint64_t random[2] = {0};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return false;
    struct buf key = {0};
    buf_printf(&key, "truce:probe:%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    buf_u8(&key, 0);
    redisReply *reply = node_ask(c, node, 2, (const char *[]){"DEL", (const char *)key.p}, NULL, ASK_TIMEOUT_MS, why);
    bool ok = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    if (reply != NULL && !ok) buf_printf(why, "%s", reply->str ? reply->str : "an unexpected reply");
    freeReplyObject(reply);
    buf_finish(&key);
    return ok;
}

/* The first node of the DC that answers, and then the leader that it names. */
static int leader_of(const struct local *l, uint32_t dc, struct buf *why) {
    const struct cluster_dc *d = &l->cluster->dcs[dc];
    int any = -1;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        if (!cluster_member_of(l->cluster, i, dc)) continue;
        struct process p = process_of(l, i);
        if (p.pid == 0 || p.paused) continue;
        struct buf ignored = {0};
        json_t *status = node_status(l->cluster, i, &ignored);
        buf_finish(&ignored);
        if (status == NULL) continue;
        if (any < 0) any = (int)i;
        const char *name = json_string_value(json_object_get(status, "leader"));
        int leader = name ? cluster_find(l->cluster, slice_text(name)) : -1;
        json_decref(status);
        if (leader >= 0 && (p = process_of(l, (uint32_t)leader)).pid != 0 && !p.paused) return leader;
    }
    if (any < 0) buf_printf(why, "no node of %s answers", d->name);
    return any;
}

int node_to_ask(const struct local *l, const char *dc_or_node, struct buf *why) {
    int node = cluster_find(l->cluster, slice_text(dc_or_node));
    int dc = node < 0 ? cluster_find_dc(l->cluster, slice_text(dc_or_node)) : -1;
    if (dc >= 0) return leader_of(l, (uint32_t)dc, why);
    if (node < 0) buf_printf(why, "there is no datacenter or node %s", dc_or_node);
    if (node >= 0 && process_of(l, (uint32_t)node).pid == 0) {
        buf_printf(why, "%s is not running (truce start %s)", dc_or_node, dc_or_node);
        return -1;
    }
    return node;
}
