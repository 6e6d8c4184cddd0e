#include "handler_nodes.h"
#include "client.h"
#include "process.h"

#include <string.h>
#include <time.h>

#define POLL_MS  50
#define POLLS    100
#define COMMAND  "TRUCE.HANDLERS"
#define TEXT(of) ((of)->str != NULL ? (of)->str : "")

/* A handler is a flat array of names and values. */
static const char *value_of(const redisReply *entry, const char *name) {
    for (size_t i = 0; i + 1 < entry->elements; i += 2)
        if (strcmp(TEXT(entry->element[i]), name) == 0) return TEXT(entry->element[i + 1]);
    return "";
}

static bool has(const struct local *l, uint32_t node, const char *name, const char *hash) {
    const char *argv[] = {COMMAND};
    struct buf ignored = {0};
    redisReply *reply = node_ask(l->cluster, node, 1, argv, NULL, ASK_TIMEOUT_MS, &ignored);
    bool found = false;
    for (size_t i = 0; reply != NULL && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        found = found || (strcmp(value_of(reply->element[i], "name"), name) == 0 && strcmp(value_of(reply->element[i], "hash"), hash) == 0);
    freeReplyObject(reply);
    buf_finish(&ignored);
    return found;
}

static void reload(const struct local *l, uint32_t node) {
    const char *argv[] = {COMMAND, "RELOAD"};
    struct buf ignored = {0};
    freeReplyObject(node_ask(l->cluster, node, 2, argv, NULL, ASK_TIMEOUT_MS, &ignored));
    buf_finish(&ignored);
}

void nodes_take_up(const struct local *l, const char *name, const char *hash, json_t *have, json_t *have_not) {
    bool runs[NODES_MAX] = {0};
    int polls = POLLS;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct process p = process_of(l, i);
        runs[i] = p.pid != 0 && !p.paused;
        if (runs[i]) reload(l, i);
    }
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        if (!runs[i]) continue;
        bool there = has(l, i, name, hash);
        for (; !there && polls > 0; polls--) {
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
            there = has(l, i, name, hash);
        }
        json_array_append_new(there ? have : have_not, json_string(node_name(l, i)));
    }
}
