/* The files of a live cluster: its cluster file, made of the scenario's, and its handlers. */
#include "data_dir.h"
#include "live_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PEER_PORT_OFFSET 100

static json_t *endpoint(const struct live *l, uint32_t node, unsigned port) {
    if (l->options.namespaces) return json_sprintf("10.77.%u.%u:%u", (node + 1) / 250, (node + 1) % 250 + 1, port);
    return json_sprintf("127.0.0.1:%u", port);
}

static json_t *dc_json(const struct live *l, const struct cluster *c, const struct cluster_dc *d) {
    json_t *nodes = json_object();
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (&c->dcs[c->nodes[i].dc] != d) continue;
        char number[16];
        unsigned port = l->options.port_base + 1u + i;
        snprintf(number, sizeof number, "%u", (unsigned)c->nodes[i].node);
        json_object_set_new(nodes, number, json_pack("{s:o, s:o}", "client", endpoint(l, i, port), "peer", endpoint(l, i, port + PEER_PORT_OFFSET)));
    }
    return json_pack("{s:i, s:o}", "priority", (int)d->priority, "nodes", nodes);
}

static json_t *table_json(const struct cluster_table *t) {
    struct buf policy = {0};
    policy_format(t->policy, &t->chain, &policy);
    json_t *o = json_pack("{s:s#}", "conflict", (const char *)policy.p, (int)policy.n);
    if (t->settings) json_object_set_new(o, "settings", json_loads(t->settings, 0, NULL));
    buf_finish(&policy);
    return o;
}

static void add_tables(json_t *file, const struct cluster *c) {
    json_t *tables = json_object();
    json_object_set_new(tables, "*", table_json(&c->rest));
    for (uint32_t i = 0; i < c->tables_count; i++) json_object_set_new(tables, c->tables[i].name, table_json(&c->tables[i]));
    json_object_set_new(file, "tables", tables);
}

static void add_ways(json_t *file, const struct cluster *c) {
    json_t *homes = json_object();
    for (uint32_t i = 0; i < c->homes_count; i++) {
        const struct cluster_home *h = &c->homes[i];
        json_object_set_new(homes, h->prefix, json_pack("{s:s, s:s}", "dc", c->dcs[h->dc].name, "when_cut", h->writes_when_cut ? "write" : "refuse"));
    }
    if (c->homes_count) json_object_set(file, "home", homes);
    json_decref(homes);
    if (c->topology == TOPOLOGY_RING) json_object_set_new(file, "topology", json_string(topology_name(c->topology)));
    if (c->topology == TOPOLOGY_STAR) json_object_set_new(file, "topology", json_pack("{s:s}", "star", c->dcs[c->hub].name));
}

/* They were admitted, or forced, when the scenario was read. */
static void add_handlers(json_t *file, const struct live *l) {
    json_t *forced = json_array();
    for (uint32_t i = 0; i < l->base.scenario->handlers_count; i++) json_array_append_new(forced, json_string(l->base.scenario->handlers[i].name));
    char *dir = local_path(&l->local, "handlers");
    json_object_set_new(file, "handlers", json_pack("{s:s, s:o}", "dir", dir, "forced", forced));
    free(dir);
}

static json_t *cluster_json(const struct live *l) {
    const struct cluster *c = l->base.scenario->cluster;
    json_t *dcs = json_object();
    for (uint32_t d = 0; d < c->dcs_count; d++) json_object_set_new(dcs, c->dcs[d].name, dc_json(l, c, &c->dcs[d]));
    json_t *file = json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "cluster", c->name, "fsync", c->fsync, "clock_bound_ms",
                             (json_int_t)c->clock_bound_ms, "memory_mb", (json_int_t)(c->memory_bytes_max >> 20), "log_budget_mb",
                             (json_int_t)(c->log_bytes_max >> 20), "clients_max", (json_int_t)c->clients_max, "siblings_max",
                             (json_int_t)c->siblings_max, "datacenters", dcs);
    json_object_set_new(
        file, "journal",
        json_pack("{s:I, s:I}", "days", (json_int_t)(c->journal_ms / (24 * 3600 * 1000)), "entries", (json_int_t)c->journal_entries_max));
    if (c->password[0]) json_object_set_new(file, "password", json_string(c->password));
    if (c->secret[0]) json_object_set_new(file, "secret", json_string(c->secret));
    add_tables(file, c);
    add_ways(file, c);
    add_handlers(file, l);
    return file;
}

/* Under the scenario's name for it, with the record of its admission where there is one. */
static bool copy_handler(const struct live *l, const struct scenario_handler *h, struct buf *why) {
    static const char *const ends[] = {"", ".admitted"};
    bool ok = true;
    for (size_t i = 0; ok && i < 2; i++) {
        struct buf from = {0}, to = {0};
        buf_printf(&from, "%s%s", h->path, ends[i]), buf_u8(&from, 0);
        buf_printf(&to, "%s/handlers/%s.so%s", l->local.dir, h->name, ends[i]), buf_u8(&to, 0);
        struct stat st;
        bool there = stat((const char *)from.p, &st) == 0;
        if (there) ok = file_copy((const char *)from.p, (const char *)to.p) && chmod((const char *)to.p, 0755) == 0;
        if (!ok || (!there && i == 0)) {
            buf_printf(why, "handler %s: %s: %s", h->name, (const char *)from.p, strerror(errno));
            ok = false;
        }
        buf_finish(&from);
        buf_finish(&to);
    }
    return ok;
}

static bool copy_handlers(const struct live *l, struct buf *why) {
    char *dir = local_path(&l->local, "handlers");
    bool ok = dir_make(dir);
    if (!ok) buf_printf(why, "%s: %s", dir, strerror(errno));
    free(dir);
    for (uint32_t i = 0; ok && i < l->base.scenario->handlers_count; i++) ok = copy_handler(l, &l->base.scenario->handlers[i], why);
    return ok;
}

bool live_write_files(struct live *l, struct buf *why) {
    json_t *file = cluster_json(l);
    char *path = local_path(&l->local, "cluster.json");
    bool ok = json_dump_file(file, path, JSON_INDENT(2)) == 0;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    json_decref(file);
    free(path);
    if (!ok || !copy_handlers(l, why)) return false;
    struct local opened;
    if (!local_open(&opened, l->local.dir, why)) return false;
    local_finish(&l->local);
    l->local = opened;
    return true;
}
