#include "local.h"
#include "data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PEER_PORT_OFFSET 100

static char *path_of(const char *dir, const char *a, const char *b) {
    struct buf out = {0};
    buf_printf(&out, "%s/%s", dir, a);
    if (b != NULL) buf_printf(&out, "/%s", b);
    buf_u8(&out, 0);
    return (char *)out.p;
}

char *local_path(const struct local *l, const char *name) { return path_of(l->dir, name, NULL); }
char *local_node_path(const struct local *l, uint32_t node, const char *name) { return path_of(l->dir, node_name(l, node), name); }
const char *node_name(const struct local *l, uint32_t node) { return l->cluster->nodes[node].name; }

void local_finish(struct local *l) {
    if (l->lock >= 0) close(l->lock);
    free(l->dir);
    if (l->cluster != NULL) cluster_finish(l->cluster);
    free(l->cluster);
    *l = (struct local){.lock = -1};
}

bool local_plan_dcs(struct local_plan *p, const char *text, struct buf *why) {
    p->dcs_count = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        if (!name_allowed(SLICE(at, n))) {
            buf_printf(why, "\"%.*s\" is no name: 1 to 63 of a-z, 0-9, _ and -", (int)n, at);
            return false;
        }
        if (p->dcs_count == DCS_MAX) {
            buf_printf(why, "at most %u datacenters", DCS_MAX);
            return false;
        }
        for (uint32_t i = 0; i < p->dcs_count; i++) {
            if (strlen(p->dcs[i]) != n || strncmp(p->dcs[i], at, n) != 0) continue;
            buf_printf(why, "%s is there twice", p->dcs[i]);
            return false;
        }
        memcpy(p->dcs[p->dcs_count++], at, n);
        at += n;
        if (*at == '\0') return true;
    }
}

static json_t *plan_json(const struct local_plan *p, const char *name) {
    json_t *dcs = json_object();
    unsigned port = p->port_base;
    for (uint32_t d = 0; d < p->dcs_count; d++) {
        json_t *nodes = json_object();
        for (uint32_t i = 1; i <= p->nodes; i++) {
            char number[16], client[32], peer[32];
            port++;
            snprintf(number, sizeof number, "%u", i);
            snprintf(client, sizeof client, "127.0.0.1:%u", port);
            snprintf(peer, sizeof peer, "127.0.0.1:%u", port + PEER_PORT_OFFSET);
            json_object_set_new(nodes, number, json_pack("{s:s, s:s}", "client", client, "peer", peer));
        }
        json_object_set_new(dcs, p->dcs[d], json_pack("{s:o}", "nodes", nodes));
    }
    return json_pack("{s:s, s:b, s:I, s:o}", "cluster", name, "fsync", p->fsync, "memory_mb", (json_int_t)p->memory_mb, "datacenters", dcs);
}

bool local_exists(const char *dir) {
    char *path = path_of(dir, "cluster.json", NULL);
    bool exists = access(path, F_OK) == 0;
    free(path);
    return exists;
}

/* One directory of handlers for all nodes; where its path would be too long, each looks into its own data directory. */
static void add_handlers_dir(json_t *file, const char *dir) {
    char *whole = realpath(dir, NULL);
    if (whole == NULL) return;
    char *handlers = path_of(whole, "handlers", NULL);
    if (strlen(handlers) < sizeof((struct cluster *)0)->handlers_dir) json_object_set_new(file, "handlers", json_pack("{s:s}", "dir", handlers));
    free(handlers);
    free(whole);
}

bool local_write(const char *dir, const struct local_plan *p, struct buf *why) {
    char *path = path_of(dir, "cluster.json", NULL), *fresh = path_of(dir, "cluster.json.new", NULL);
    json_t *file = plan_json(p, "local");
    bool ok = dir_make(dir);
    if (ok) add_handlers_dir(file, dir);
    ok = ok && json_dump_file(file, fresh, JSON_INDENT(2)) == 0 && rename(fresh, path) == 0;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    json_decref(file);
    free(path);
    free(fresh);
    return ok;
}

bool local_open(struct local *ret, const char *dir, struct buf *why) {
    *ret = (struct local){.lock = -1};
    if (!local_exists(dir)) {
        buf_printf(why, "there is no cluster in %s (truce up%s%s)", dir, strcmp(dir, LOCAL_DIR_DEFAULT) ? " --dir " : "",
                   strcmp(dir, LOCAL_DIR_DEFAULT) ? dir : "");
        return false;
    }
    ret->dir = realpath(dir, NULL);
    if (ret->dir == NULL) {
        buf_printf(why, "%s: %s", dir, strerror(errno));
        return false;
    }
    char *path = local_path(ret, "cluster.json");
    ret->cluster = xcalloc(1, sizeof *ret->cluster);
    bool ok = cluster_load(path, ret->cluster, why);
    free(path);
    if (!ok) local_finish(ret);
    return ok;
}

bool local_lock(struct local *l, struct buf *why) {
    char *path = local_path(l, "lock");
    l->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    bool ok = l->lock >= 0 && flock(l->lock, LOCK_EX) == 0;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    free(path);
    return ok;
}
