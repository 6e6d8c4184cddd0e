#include "members.h"
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUSY_TIMEOUT_MS 15000
#define POLL_MS         100

static uint64_t mono_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(unsigned ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL); }

/* ---- asking ---- */

/* NULL: *why. */
static redisReply *ask(struct run *r, const char *where, int argc, const char **argv, struct buf *why) {
    int node = node_to_ask(&r->local, where, why);
    return node < 0 ? NULL : node_ask(r->local.cluster, (uint32_t)node, argc, argv, NULL, ASK_TIMEOUT_MS, why);
}

/* A change before this one is under way, or a leader was just elected. */
static bool may_pass(const redisReply *reply) {
    static const char *const codes[] = {"BUSY", "NOLEADER", "LOADING"};
    for (size_t i = 0; reply && reply->type == REDIS_REPLY_ERROR && i < sizeof codes / sizeof *codes; i++)
        if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0) return true;
    return false;
}

int members_order(struct run *r, const char *where, int argc, const char **argv) {
    uint64_t deadline_ms = mono_ms() + BUSY_TIMEOUT_MS;
    struct buf why = {0};
    redisReply *reply = ask(r, where, argc, argv, &why);
    while (may_pass(reply) && mono_ms() < deadline_ms) {
        freeReplyObject(reply);
        buf_clear(&why);
        pause_ms(POLL_MS);
        reply = ask(r, where, argc, argv, &why);
    }
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    if (!good && reply) buf_printf(&why, "%s", reply->str ? reply->str : "an unexpected reply");
    if (!good) fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    freeReplyObject(reply);
    buf_finish(&why);
    return good ? 0 : EXIT_FAILED;
}

static const char *column(const redisReply *entry, const char *name) {
    for (size_t i = 0; i + 1 < entry->elements; i += 2)
        if (entry->element[i]->str && strcmp(entry->element[i]->str, name) == 0 && entry->element[i + 1]->str) return entry->element[i + 1]->str;
    return "";
}

static redisReply *list(struct run *r, const char *where) {
    struct buf ignored = {0};
    redisReply *reply = ask(r, where, 1, (const char *[]){"TRUCE.MEMBERS"}, &ignored);
    buf_finish(&ignored);
    if (reply && reply->type == REDIS_REPLY_ARRAY) return reply;
    freeReplyObject(reply);
    return NULL;
}

const char *members_standing(struct run *r, const char *where, const char *node, char ret[static 32]) {
    redisReply *all = list(r, where);
    ret[0] = '\0';
    for (size_t i = 0; all && i < all->elements; i++)
        if (strcmp(column(all->element[i], "node"), node) == 0) snprintf(ret, 32, "%s", column(all->element[i], "standing"));
    freeReplyObject(all);
    return ret;
}

uint32_t members_last_number(struct run *r, const char *where, const char *dc) {
    redisReply *all = list(r, where);
    uint32_t last = 0;
    for (size_t i = 0; all && i < all->elements; i++) {
        const char *name = column(all->element[i], "node"), *dash = strrchr(name, '-');
        unsigned long number = dash ? strtoul(dash + 1, NULL, 10) : 0;
        if (strcmp(column(all->element[i], "dc"), dc) == 0 && number > last) last = (uint32_t)number;
    }
    freeReplyObject(all);
    return last;
}

bool members_await(struct run *r, const char *where, const char *node, const char *standing, uint32_t timeout_ms) {
    uint64_t deadline_ms = mono_ms() + timeout_ms;
    char now[32];
    while (strcmp(members_standing(r, where, node, now), standing) != 0) {
        if (mono_ms() > deadline_ms) return false;
        pause_ms(POLL_MS);
    }
    return true;
}

/* ---- the file ---- */

static bool write_json(const json_t *file, const char *path) {
    struct buf fresh = {0};
    buf_printf(&fresh, "%s.new", path);
    buf_u8(&fresh, 0);
    bool ok = json_dump_file(file, (const char *)fresh.p, JSON_INDENT(2)) == 0 && rename((const char *)fresh.p, path) == 0;
    buf_finish(&fresh);
    return ok;
}

static void change(json_t *file, const char *dc, const char *number, const char *client, const char *peer) {
    json_t *dcs = json_object_get(file, "datacenters"), *there = json_object_get(dcs, dc), *nodes = json_object_get(there, "nodes");
    if (client) {
        if (!there) json_object_set_new(dcs, dc, there = json_pack("{s:o}", "nodes", nodes = json_object()));
        json_object_set_new(nodes, number, json_pack("{s:s, s:s}", "client", client, "peer", peer));
        return;
    }
    json_object_del(nodes, number);
    if (json_object_size(nodes) == 0) json_object_del(dcs, dc);
}

bool members_write_file(struct local *l, const char *dc, uint32_t number, const char *client, const char *peer, struct buf *why) {
    char *path = local_path(l, "cluster.json"), digits[16];
    json_error_t error;
    json_t *file = json_load_file(path, 0, &error);
    snprintf(digits, sizeof digits, "%u", (unsigned)number);
    if (file) change(file, dc, digits, client, peer);
    bool ok = file && write_json(file, path);
    if (!ok) buf_printf(why, "%s: %s", path, file ? strerror(errno) : error.text);
    json_decref(file);
    struct cluster *fresh = xcalloc(1, sizeof *fresh);
    ok = ok && cluster_load(path, fresh, why);
    if (ok) {
        cluster_finish(l->cluster);
        *l->cluster = *fresh;
    }
    free(fresh);
    free(path);
    return ok;
}
