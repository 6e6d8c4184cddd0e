/* The events that nodes tell of themselves. */
#include "capture.h"
#include "client.h"
#include "process.h"

#include <string.h>

#define LOG_TIMEOUT_MS 30000
#define EVENTS_MAX     2000000u

static const redisReply *member(const redisReply *map, const char *name) {
    for (size_t i = 0; map->type == REDIS_REPLY_ARRAY && i + 1 < map->elements; i += 2)
        if (map->element[i]->str && strcmp(map->element[i]->str, name) == 0) return map->element[i + 1];
    return NULL;
}

static bool take_page(struct capture *c, const redisReply *page, struct buf *why) {
    const redisReply *events = member(page, "events");
    for (size_t i = 0; events && i < events->elements; i++) {
        const redisReply *one = events->element[i];
        if (one->elements != 2 || !one->element[0]->str || !one->element[1]->str) continue;
        if (!capture_add(c, SLICE(one->element[0]->str, one->element[0]->len), SLICE(one->element[1]->str, one->element[1]->len), why)) return false;
        if (c->count < EVENTS_MAX) continue;
        buf_printf(why, "there are more than %u events: give a later --since, or a shorter log", EVENTS_MAX);
        return false;
    }
    return true;
}

/* All that one node has. */
static bool read_node(struct capture *c, const struct local *l, uint32_t node, struct buf *why) {
    redisContext *rc = node_connect(l->cluster, node, LOG_TIMEOUT_MS, why);
    struct buf token = {0};
    buf_text(&token, "-");
    bool good = rc != NULL, more = true;
    while (good && more) {
        redisReply *page = redisCommand(rc, "TRUCE.LOG FROM %b COUNT 5000 BODIES", token.p, token.n);
        const redisReply *next = page ? member(page, "token") : NULL, *left = page ? member(page, "more") : NULL;
        good = next && next->str && left;
        if (!good) buf_printf(why, "%s: %s", node_name(l, node), page && page->str ? page->str : rc->err ? rc->errstr : "TRUCE.LOG told nothing");
        good = good && take_page(c, page, why);
        if (good) {
            more = left->integer != 0;
            buf_clear(&token);
            buf_put(&token, next->str, next->len);
        }
        freeReplyObject(page);
    }
    buf_finish(&token);
    if (rc) redisFree(rc);
    return good;
}

bool capture_read(struct capture *c, const struct local *l, struct buf *why) {
    uint32_t asked = 0;
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct process p = process_of(l, i);
        if (p.pid == 0 || p.paused) {
            capture_note(c, "%s was not running: what it alone has is not in here", node_name(l, i));
            continue;
        }
        if (!read_node(c, l, i, why)) return false;
        asked++;
    }
    if (!asked) buf_text(why, "no node runs that could tell what happened (truce up)");
    return asked > 0;
}
