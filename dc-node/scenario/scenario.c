#include "scenario.h"
#include "../../schemas/shown.h"
#include "../../schemas/text.h"
#include "../../schemas/units.h"
#include "../sim/handlers.h"
#include "format.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_WITHIN_US  500u   /* of links within a DC */
#define LATENCY_BETWEEN_US 20000u /* ... between two */
#define END_US             (UINT64_C(60) * 1000000)
#define PLACE_MAX          256

/* ---- objects ---- */
static bool no_other_keys(const struct reading *r, const char *place, const json_t *object, const char *const *keys, size_t count) {
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL; i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *key = json_object_iter_key(i);
        size_t k = 0;
        while (k < count && strcmp(keys[k], key) != 0) k++;
        if (k < count) continue;
        struct buf expected = {0}, shown = {0}, here = {0};
        for (k = 0; k < count; k++) buf_printf(&expected, "%s%s", k == 0 ? "no other keys than " : ", ", keys[k]);
        buf_u8(&expected, 0);
        shown_text(key, &shown);
        buf_u8(&shown, 0);
        buf_printf(&here, "%s%s%s", place, place[0] == '\0' ? "" : ".", (const char *)shown.p);
        buf_u8(&here, 0);
        wrong_because(r, (const char *)here.p, (const char *)expected.p, "\"%s\"", (const char *)shown.p);
        buf_finish(&here);
        buf_finish(&expected);
        buf_finish(&shown);
        return false;
    }
    return true;
}
#define NO_OTHER_KEYS(r, place, object, keys) no_other_keys(r, place, object, keys, sizeof keys / sizeof *keys)

static const char *place_of(char out[static PLACE_MAX], const char *a, const char *b, const char *c) {
    snprintf(out, PLACE_MAX, "%.60s%s%.80s%s%.60s", a, b[0] == '\0' ? "" : ".", b, c[0] == '\0' ? "" : ".", c);
    return out;
}

/* ---- the cluster: as a cluster file, whose reader looks at most of it ---- */
static bool dc_nodes_count(const struct reading *r, const char *dc, const json_t *v, uint32_t *ret) {
    char place[PLACE_MAX];
    const json_t *nodes = json_object_get(v, "nodes");
    *ret = 1;
    if (nodes == NULL) return true;
    if (!json_is_integer(nodes) || json_integer_value(nodes) < 1 || json_integer_value(nodes) > NODES_MAX)
        return wrong(r, place_of(place, "datacenters", dc, "nodes"), "a whole number from 1 to 128", nodes);
    *ret = (uint32_t)json_integer_value(nodes);
    return true;
}

static json_t *nodes_json(uint32_t count, uint32_t *made) {
    json_t *nodes = json_object();
    for (uint32_t i = 1; i <= count; i++, (*made)++) {
        char number[16], client[32], peer[32];
        snprintf(number, sizeof number, "%u", (unsigned)i);
        snprintf(client, sizeof client, "n%u:1", (unsigned)*made);
        snprintf(peer, sizeof peer, "n%u:2", (unsigned)*made);
        json_object_set_new(nodes, number, json_pack("{s:s, s:s}", "client", client, "peer", peer));
    }
    return nodes;
}

static bool add_dc(const struct reading *r, const char *name, const json_t *v, json_t *dcs, uint32_t *made) {
    static const char *const keys[] = {"nodes", "priority", "down"};
    char place[PLACE_MAX];
    uint32_t count;
    place_of(place, "datacenters", name, "");
    if (strcmp(name, "any") == 0) return wrong_because(r, place, "another name, because `any` stands for a node by chance", "\"any\"");
    if (!json_is_object(v)) return wrong(r, place, "an object such as {\"nodes\": 3}, or {}", v);
    if (!NO_OTHER_KEYS(r, place, v, keys) || !dc_nodes_count(r, name, v, &count)) return false;
    json_t *dc = json_pack("{s:o}", "nodes", nodes_json(count, made));
    json_t *priority = json_object_get(v, "priority");
    if (priority != NULL) json_object_set(dc, "priority", priority);
    json_object_set_new(dcs, name, dc);
    return true;
}

static bool add_dcs(const struct reading *r, const json_t *root, json_t *cluster) {
    const json_t *dcs = json_object_get(root, "datacenters");
    uint32_t made = 0;
    const char *name;
    json_t *v, *made_dcs = json_object();
    json_object_set_new(cluster, "datacenters", made_dcs);
    if (!json_is_object(dcs) || json_object_size(dcs) == 0)
        return wrong(r, "datacenters", "an object with at least one datacenter, such as {\"us\": {\"nodes\": 3}, \"eu\": {}}", dcs);
    json_object_foreach((json_t *)(uintptr_t)dcs, name, v) {
        if (!add_dc(r, name, v, made_dcs, &made)) return false;
    }
    return true;
}

static bool add_settings(const struct reading *r, const json_t *root, json_t *cluster) {
    static const char *const keys[] = {"fsync",        "clock_bound_ms", "memory_mb", "log_budget_mb", "clients_max",
                                       "siblings_max", "journal",        "topology",  "home"};
    json_t *settings = json_object_get(root, "cluster");
    if (settings == NULL) return true;
    if (!json_is_object(settings)) return wrong(r, "cluster", "an object with settings of the cluster file", settings);
    if (!NO_OTHER_KEYS(r, "cluster", settings, keys)) return false;
    json_object_update(cluster, settings);
    return true;
}

static bool is_setting(const json_t *root, struct slice place) {
    char key[64];
    size_t n = 0;
    while (n < place.n && n < sizeof key - 1 && place.p[n] != '.' && place.p[n] != ':') {
        key[n] = (char)place.p[n];
        n++;
    }
    key[n] = '\0';
    return json_object_get(json_object_get(root, "cluster"), key) != NULL;
}

/* What the reader of cluster files said, ": tables.a.conflict: expected ...", with the scenario's own file, line and key. */
static void put_cluster_fault(const struct reading *r, const json_t *root, struct slice said) {
    struct buf place = {0};
    const uint8_t *end = memmem(said.p, said.n, ": expected", 10);
    if (said.n >= 2) said = SLICE(said.p + 2, said.n - 2);
    if (end != NULL && end >= said.p) {
        struct slice key = SLICE(said.p, (size_t)(end - said.p));
        if (is_setting(root, key)) buf_text(&place, "cluster.");
        buf_put(&place, key.p, key.n);
        said = SLICE(end + 2, said.n - key.n - 2);
    }
    buf_u8(&place, 0);
    uint32_t line = places_line(r->file->places, (const char *)place.p);
    buf_clear(r->why);
    buf_text(r->why, r->file->path);
    if (line != 0) buf_printf(r->why, ":%u", (unsigned)line);
    buf_printf(r->why, ": %s%s", (const char *)place.p, place.n > 1 ? ": " : "");
    buf_put(r->why, said.p, said.n);
    buf_finish(&place);
}

/* There are addresses only because cluster files have them. */
static void forget_addresses(struct cluster *c) {
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct cluster_node *n = &c->nodes[i];
        n->client_host[0] = n->peer_host[0] = '\0';
        n->client_port = n->peer_port = 0;
    }
}

static bool read_cluster(const struct reading *r, const json_t *root, struct scenario *s) {
    json_t *file = json_pack("{s:s}", "cluster", "scenario"), *tables = json_object_get(root, "tables");
    struct cluster *c = xcalloc(1, sizeof *c);
    struct buf said = {0};
    bool ok = add_dcs(r, root, file) && add_settings(r, root, file);
    if (ok && tables != NULL) json_object_set(file, "tables", tables);
    if (ok) {
        char *text = json_dumps(file, JSON_COMPACT);
        ok = cluster_parse("", slice_text(text == NULL ? "" : text), c, &said);
        if (!ok) put_cluster_fault(r, root, buf_slice_of(&said));
        free(text);
    }
    if (ok) {
        forget_addresses(c);
        s->cluster = c;
    } else {
        free(c);
    }
    buf_finish(&said);
    json_decref(file);
    return ok;
}

/* "down": true, or numbers of nodes */
static bool read_down(const struct reading *r, const json_t *root, struct scenario *s) {
    static const char wanted[] = "true, false, or a list of numbers of its nodes";
    for (uint32_t i = 0; i < s->cluster->dcs_count; i++) {
        const struct cluster_dc *dc = &s->cluster->dcs[i];
        const json_t *down = json_object_get(json_object_get(json_object_get(root, "datacenters"), dc->name), "down"), *v;
        char place[PLACE_MAX];
        size_t k;
        place_of(place, "datacenters", dc->name, "down");
        if (down != NULL && !json_is_boolean(down) && !json_is_array(down)) return wrong(r, place, wanted, down);
        for (uint32_t n = 1; json_is_true(down) && n <= dc->nodes_count; n++)
            s->down[cluster_find_node(s->cluster, slice_text(dc->name), (uint16_t)n)] = true;
        json_array_foreach(down, k, v) {
            if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > dc->nodes_count) return wrong(r, place, wanted, v);
            s->down[cluster_find_node(s->cluster, slice_text(dc->name), (uint16_t)json_integer_value(v))] = true;
        }
    }
    return true;
}

/* ---- links: an entry that says more precisely which it means goes before one that says less ---- */
enum link_rank { RANK_ALL, RANK_DCS, RANK_DCS_ONE_WAY, RANK_NODES, RANK_NODES_ONE_WAY, RANKS };

struct link_entry {
    struct sides sides;
    enum link_rank rank;
    bool inside; /* within the DC of side a */
};

static bool names_a_node(const struct cluster *c, const char *text) {
    char *copy = xstrdup(text), *save = NULL;
    bool found = false;
    for (char *name = strtok_r(copy, " \t,|>", &save); name != NULL; name = strtok_r(NULL, " \t,|>", &save))
        found = found || cluster_find(c, slice_text(name)) >= 0;
    free(copy);
    return found;
}

static bool read_link_key(const struct reading *r, const struct cluster *c, const char *key, struct link_entry *ret) {
    char place[PLACE_MAX];
    struct link_entry e = {0};
    struct buf why = {0};
    bool ok = true;
    if (strcmp(key, "*") == 0) {
        e.rank = RANK_ALL;
    } else if (cluster_find_dc(c, slice_text(key)) >= 0) {
        e.rank = RANK_DCS;
        e.inside = sides_enter(c, key, e.sides.a);
    } else {
        char *text = xstrdup(key);
        ok = sides_parse(c, &text, 1, &e.sides, &why);
        free(text);
        bool nodes = names_a_node(c, key);
        e.rank = nodes ? (e.sides.one_way ? RANK_NODES_ONE_WAY : RANK_NODES) : e.sides.one_way ? RANK_DCS_ONE_WAY : RANK_DCS;
    }
    if (!ok)
        wrong_because(r, place_of(place, "links", key, ""), "\"*\", a datacenter, or sides such as \"us eu\" or \"us > eu\"", "\"%.60s\": %.*s", key,
                      (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (ok) *ret = e;
    return ok;
}

static bool link_is_meant(const struct cluster *c, const struct link_entry *e, uint32_t from, uint32_t to) {
    bool within = c->nodes[from].dc == c->nodes[to].dc;
    if (e->rank == RANK_ALL) return !within;
    if (e->inside) return within && e->sides.a[from];
    return (e->sides.a[from] && e->sides.b[to]) || (!e->sides.one_way && e->sides.b[from] && e->sides.a[to]);
}

static bool apply_link(const struct reading *r, struct scenario *s, const char *key, const json_t *v, const struct link_entry *e) {
    static const char *const keys[] = {"latency", "jitter", "loss", "repeat", "corrupt", "replay", "rate", "reorder"};
    const struct cluster *c = s->cluster;
    char place[PLACE_MAX];
    struct link_options unused = {0};
    place_of(place, "links", key, "");
    if (!json_is_object(v)) return wrong(r, place, "an object such as {\"latency\": \"40ms\"}", v);
    if (!NO_OTHER_KEYS(r, place, v, keys) || !want_link(r, place, v, &unused)) return false;
    for (uint32_t from = 0; from < c->nodes_count; from++) {
        for (uint32_t to = 0; to < c->nodes_count; to++) {
            if (from != to && link_is_meant(c, e, from, to)) want_link(r, place, v, &s->links[from * c->nodes_count + to]);
        }
    }
    return true;
}

static bool read_links(const struct reading *r, const json_t *root, struct scenario *s) {
    const struct cluster *c = s->cluster;
    json_t *links = json_object_get(root, "links"), *v;
    const char *key;
    s->links = xcalloc((size_t)c->nodes_count * c->nodes_count, sizeof *s->links);
    for (uint32_t i = 0; i < c->nodes_count * c->nodes_count; i++) {
        bool within = c->nodes[i / c->nodes_count].dc == c->nodes[i % c->nodes_count].dc;
        s->links[i].latency_us = within ? LATENCY_WITHIN_US : LATENCY_BETWEEN_US;
    }
    if (links == NULL) return true;
    if (!json_is_object(links)) return wrong(r, "links", "an object such as {\"*\": {\"latency\": \"40ms\"}}", links);
    for (int rank = 0; rank < RANKS; rank++) {
        json_object_foreach(links, key, v) {
            struct link_entry e;
            if (!read_link_key(r, c, key, &e)) return false;
            if ((int)e.rank == rank && !apply_link(r, s, key, v, &e)) return false;
        }
    }
    return true;
}

/* ---- handlers ---- */
static char *beside(const char *file, const char *path) {
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || slash == NULL) return xstrdup(path);
    struct buf out = {0};
    buf_put(&out, file, (size_t)(slash - file) + 1);
    buf_text(&out, path);
    buf_u8(&out, 0);
    return (char *)out.p;
}

static bool read_handlers(const struct reading *r, const json_t *root, struct scenario *s) {
    json_t *handlers = json_object_get(root, "handlers"), *v;
    const char *name;
    char place[PLACE_MAX];
    if (handlers == NULL) return true;
    if (!json_is_object(handlers)) return wrong(r, "handlers", "an object such as {\"stock\": \"bounded_stock.so\"}", handlers);
    if (json_object_size(handlers) > HANDLERS_MAX) return wrong_because(r, "handlers", "at most 64 handlers", "%zu", json_object_size(handlers));
    s->handlers = xcalloc(json_object_size(handlers) + 1, sizeof *s->handlers);
    json_object_foreach(handlers, name, v) {
        place_of(place, "handlers", name, "");
        if (!name_allowed(slice_text(name))) return wrong_because(r, place, "a name of 1 to 63 of the characters a-z 0-9 _ -", "\"%.60s\"", name);
        if (json_string_length(v) == 0) return wrong(r, place, "the path of its .so file", v);
        struct scenario_handler *h = &s->handlers[s->handlers_count++];
        snprintf(h->name, sizeof h->name, "%s", name);
        h->path = beside(r->file->path, json_string_value(v));
    }
    return true;
}

static bool handler_known(const struct scenario *s, const char *name) {
    static const char *const simulated[] = {
#define X(name, base, NAME, does) name,
        SIM_HANDLERS(X)
#undef X
    };
    for (uint32_t i = 0; i < s->handlers_count; i++) {
        if (strcmp(s->handlers[i].name, name) == 0) return true;
    }
    for (size_t i = 0; i < sizeof simulated / sizeof *simulated; i++) {
        if (strcmp(simulated[i], name) == 0) return true;
    }
    return strcmp(name, "lww") == 0 || strcmp(name, "priority") == 0 || strcmp(name, "record") == 0;
}

static bool check_table(const struct reading *r, const struct scenario *s, const struct cluster_table *t) {
    char place[PLACE_MAX];
    for (uint32_t i = 0; i < t->chain.count; i++) {
        if (handler_known(s, t->chain.names[i])) continue;
        return wrong_because(r, place_of(place, "tables", t->name, "conflict"), "handlers of \"handlers\", or simulated ones", "%s, which is neither",
                             t->chain.names[i]);
    }
    return true;
}

static bool check_tables(const struct reading *r, const struct scenario *s) {
    bool ok = check_table(r, s, &s->cluster->rest);
    for (uint32_t i = 0; ok && i < s->cluster->tables_count; i++) ok = check_table(r, s, &s->cluster->tables[i]);
    return ok;
}

/* ---- the rest of the head ---- */
static bool read_seed(const struct reading *r, const json_t *root, struct scenario *s) {
    const json_t *seed = json_object_get(root, "seed");
    s->seed = 1;
    if (seed == NULL) return true;
    if (json_is_integer(seed) && json_integer_value(seed) >= 0) {
        s->seed = (uint64_t)json_integer_value(seed);
        return true;
    }
    if (json_is_string(seed) && text_number(slice_text(json_string_value(seed)), UINT64_MAX, &s->seed)) return true;
    return wrong(r, "seed", "a whole number from 0; one beyond 9223372036854775807 as a text", seed);
}

static bool read_end(const struct reading *r, const json_t *root, struct scenario *s) {
    const json_t *end = json_object_get(root, "end");
    const char *text = json_is_string(end) ? json_string_value(end) : "";
    s->end_us = END_US;
    s->no_end = strcmp(text, "as it is") == 0;
    if (end != NULL && !s->no_end && strcmp(text, "healed") != 0) return wrong(r, "end", "\"healed\" or \"as it is\"", end);
    return want_time(r, "settle", json_object_get(root, "settle"), SCENARIO_EVERY_MIN, SCENARIO_TIME_MAX, &s->end_us);
}

static bool read_clients(const struct reading *r, const json_t *root, struct scenario *s) {
    static const char *const keys[] = {"latency"};
    const json_t *clients = json_object_get(root, "clients");
    if (clients == NULL) return true;
    if (!json_is_object(clients)) return wrong(r, "clients", "an object such as {\"latency\": \"1ms\"}", clients);
    return NO_OTHER_KEYS(r, "clients", clients, keys) &&
           want_time(r, "clients.latency", json_object_get(clients, "latency"), 0, SCENARIO_DELAY_MAX, &s->client_us_max);
}

static bool read_names(const struct reading *r, const json_t *root, struct scenario *s) {
    const json_t *name = json_object_get(root, "scenario");
    if (name == NULL) return wrong(r, "scenario", "a title", name);
    return want_text(r, "scenario", name, &s->name) && want_text(r, "about", json_object_get(root, "about"), &s->about);
}

static bool read_steps(struct reading *r, const json_t *root, struct scenario *s) {
    const json_t *steps = json_object_get(root, "steps"), *step;
    size_t i;
    if (!json_is_array(steps)) return wrong(r, "steps", "a list of steps", steps);
    if (json_array_size(steps) > SCENARIO_STEPS_MAX) return wrong_because(r, "steps", "at most 100000 steps", "%zu", json_array_size(steps));
    s->steps = xcalloc(json_array_size(steps) + 1, sizeof *s->steps);
    json_array_foreach(steps, i, step) {
        reading_step(r, i, step);
        s->steps[s->steps_count++].number = (uint32_t)i + 1;
        if (!step_parse(r, s, step, &s->steps[i])) return false;
    }
    return steps_check_names(r, s);
}

static bool read_root(struct reading *r, const json_t *root, struct scenario *s) {
    static const char *const keys[] = {"scenario", "about",   "datacenters", "links", "tables", "cluster",
                                       "handlers", "clients", "seed",        "end",   "settle", "steps"};
    if (!json_is_object(root)) return wrong(r, "", "an object with scenario, datacenters and steps", root);
    return NO_OTHER_KEYS(r, "", root, keys) && read_names(r, root, s) && read_cluster(r, root, s) && read_down(r, root, s) &&
           read_links(r, root, s) && read_clients(r, root, s) && read_handlers(r, root, s) && check_tables(r, s) && read_seed(r, root, s) &&
           read_end(r, root, s) && read_steps(r, root, s);
}

bool scenario_parse(const struct scenario_file *f, json_t *expanded, struct scenario *ret, struct buf *why) {
    struct reading r = {.file = f, .why = why};
    struct scenario s = {.file = expanded, .path = xstrdup(f->path)};
    bool ok = read_root(&r, expanded, &s);
    if (ok)
        *ret = s;
    else
        scenario_finish(&s);
    return ok;
}

void scenario_finish(struct scenario *s) {
    for (uint32_t i = 0; i < s->steps_count; i++) {
        free(s->steps[i].knows);
        free(s->steps[i].transaction);
    }
    for (uint32_t i = 0; i < s->handlers_count; i++) free(s->handlers[i].path);
    if (s->cluster != NULL) cluster_finish(s->cluster);
    free(s->cluster);
    free(s->handlers);
    free(s->links);
    free(s->steps);
    free(s->path);
    json_decref(s->file);
    *s = (struct scenario){0};
}
