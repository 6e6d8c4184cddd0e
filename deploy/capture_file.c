/* The head of a captured scenario: the cluster as its file has it, without addresses. */
#include "capture_steps.h"

#include <stdlib.h>
#include <string.h>

static json_t *datacenters_of(const struct cluster *c) {
    json_t *dcs = json_object();
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        json_t *one = json_pack("{s:i}", "nodes", (int)c->dcs[i].nodes_count);
        if (c->dcs[i].priority) json_object_set_new(one, "priority", json_integer(c->dcs[i].priority));
        json_object_set_new(dcs, c->dcs[i].name, one);
    }
    return dcs;
}

/* Answers of handlers are captured as writes: who is not asked again leaves rows as they are read meanwhile. */
static json_t *tables_of(struct capture *c, const json_t *from) {
    json_t *tables = json_object(), *table;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)from, name, table) {
        const char *policy = json_string_value(json_object_get(table, "conflict"));
        json_t *one = json_deep_copy(table);
        if (policy && strncmp(policy, "handler:", 8) == 0) {
            capture_note(c, "table %s was settled by %s: here by record, and its answers are writes like others", name, policy);
            json_object_set_new(one, "conflict", json_string("record"));
            json_object_del(one, "settings");
        }
        json_object_set_new(tables, name, one);
    }
    return tables;
}

bool capture_head(struct capture *c, const struct local *l, const char *title, json_t *file, struct buf *why) {
    static const char *const kept[] = {"clock_bound_ms", "siblings_max", "journal", "topology", "home"};
    char *path = local_path(l, "cluster.json");
    json_error_t error;
    json_t *cluster = json_load_file(path, JSON_REJECT_DUPLICATES, &error), *settings = json_object();
    if (!cluster) buf_printf(why, "%s:%d: %s", path, error.line, error.text);
    free(path);
    if (!cluster) return false;
    json_object_set_new(file, "scenario", json_string(title));
    json_object_set_new(file, "datacenters", datacenters_of(c->cluster));
    json_object_set_new(file, "links", json_pack("{s:{s:s}}", "*", "latency", "500us"));
    json_t *tables = tables_of(c, json_object_get(cluster, "tables"));
    if (json_object_size(tables)) json_object_set(file, "tables", tables);
    json_decref(tables);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(cluster, kept[i])) json_object_set(settings, kept[i], json_object_get(cluster, kept[i]));
    if (json_object_size(settings)) json_object_set(file, "cluster", settings);
    json_decref(settings);
    json_decref(cluster);
    return true;
}
