/* add-node, add-dc, remove-node, remove-dc: nodes and datacenters that come and go while the others run. */
#include "data_dir.h"
#include "members.h"
#include "process.h"
#include "start.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEER_PORT_OFFSET 100
#define JOIN_TIMEOUT_MS  600000 /* it takes everything there is */
#define LEAVE_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS  20000

/* ---- in ---- */

/* The ports after the highest that are taken. */
static uint16_t next_port(const struct cluster *c) {
    uint16_t port = 0;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        if (c->nodes[i].client_port >= port) port = (uint16_t)(c->nodes[i].client_port + 1);
    return port;
}

static int write_in(struct run *r, const char *dc, uint32_t number, const char *client, const char *peer) {
    struct buf why = {0}, name = {0};
    buf_printf(&name, "%s/%s-%u", r->local.dir, dc, (unsigned)number);
    buf_u8(&name, 0);
    bool ok = members_write_file(&r->local, dc, number, client, peer, &why) && data_dir_mark_returning((const char *)name.p, &why);
    if (!ok) fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    buf_finish(&name);
    return ok ? 0 : EXIT_FAILED;
}

static int start_it(struct run *r, const char *node) {
    bool chosen[NODES_MAX] = {0};
    chosen[cluster_find(r->local.cluster, slice_text(node))] = true;
    return start_nodes(r, chosen);
}

/* `where` is whose leader adds it. */
static int add_one(struct run *r, const char *where, const char *dc) {
    char node[NAME_LEN_MAX + 8], client[64], peer[64];
    uint32_t number = members_last_number(r, where, dc) + 1;
    uint16_t port = next_port(r->local.cluster);
    snprintf(node, sizeof node, "%s-%u", dc, (unsigned)number);
    snprintf(client, sizeof client, "127.0.0.1:%u", (unsigned)port);
    snprintf(peer, sizeof peer, "127.0.0.1:%u", (unsigned)port + PEER_PORT_OFFSET);
    int code = members_order(r, where, 5, (const char *[]){"TRUCE.MEMBERS", "ADD", node, client, peer});
    if (code == 0) code = write_in(r, dc, number, client, peer);
    if (code == 0) code = start_it(r, node);
    if (code != 0) return code;
    if (!members_await(r, where, node, "member", JOIN_TIMEOUT_MS))
        return fail(r, EXIT_NOT_SETTLED, "%s is there, and still takes what the others have (truce status)", node);
    say(r, "%s is a member of %s: redis-cli -p %u", node, dc, (unsigned)port);
    json_array_append_new(json_object_get(r->json, "added"), json_string(node));
    return 0;
}

int verb_add_node(struct run *r) {
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "add-node to which datacenter? (truce help add-node)");
    int code = run_open(r, true);
    const char *dc = r->args.words[0];
    if (code != 0) return code;
    if (cluster_find_dc(r->local.cluster, slice_text(dc)) < 0) return fail(r, EXIT_USAGE, "there is no datacenter %s (truce add-dc %s)", dc, dc);
    json_object_set_new(r->json, "added", json_array());
    return add_one(r, dc, dc);
}

int verb_add_dc(struct run *r) {
    uint64_t nodes = 1;
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "add-dc under which name? (truce help add-dc)");
    const char *dc = r->args.words[0];
    if (!name_allowed(slice_text(dc))) return fail(r, EXIT_USAGE, "\"%s\" is no name: 1 to 63 of a-z, 0-9, _ and -", dc);
    int code = run_open(r, true);
    if (code != 0) return code;
    if (cluster_find_dc(r->local.cluster, slice_text(dc)) >= 0) return fail(r, EXIT_USAGE, "there is a datacenter %s already", dc);
    if (r->args.nodes && !(sscanf(r->args.nodes, "%lu", &nodes) == 1 && nodes >= 1 && nodes <= NODES_MAX))
        return fail(r, EXIT_USAGE, "--nodes: expected 1 to %u, got %s", NODES_MAX, r->args.nodes);
    char by[NAME_LEN_MAX + 1];
    snprintf(by, sizeof by, "%s", r->local.cluster->dcs[0].name);
    json_object_set_new(r->json, "added", json_array());
    for (uint64_t i = 0; i < nodes && code == 0; i++) code = add_one(r, i == 0 ? by : dc, dc);
    return code;
}

/* ---- out ---- */

static int stop_it(struct run *r, uint32_t node) {
    int process = process_open(&r->local, node);
    if (process < 0) return 0;
    process_signal(process, SIGTERM);
    process_signal(process, SIGCONT);
    bool gone = process_wait_gone(process, STOP_TIMEOUT_MS);
    if (!gone) process_signal(process, SIGKILL);
    gone = gone || process_wait_gone(process, STOP_TIMEOUT_MS);
    close(process);
    return gone ? 0 : fail(r, EXIT_FAILED, "%s is removed, and its process does not end", node_name(&r->local, node));
}

/* It was removed from the cluster, or is leaving it: its process ends, and it leaves the file. */
static int finish_one(struct run *r, const char *where, const char *name) {
    if (!members_await(r, where, name, "removed", LEAVE_TIMEOUT_MS))
        return fail(r, EXIT_NOT_SETTLED, "%s is leaving, and what it has is not yet with the others; where it is dead: --force", name);
    int node = cluster_find(r->local.cluster, slice_text(name));
    int code = node < 0 ? 0 : stop_it(r, (uint32_t)node);
    struct buf why = {0};
    if (code == 0 && node >= 0) {
        const struct cluster_node n = r->local.cluster->nodes[node];
        char dc[NAME_LEN_MAX + 1];
        memcpy(dc, r->local.cluster->dcs[n.dc].name, sizeof dc);
        if (!members_write_file(&r->local, dc, n.node, NULL, NULL, &why)) code = fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    }
    buf_finish(&why);
    if (code != 0) return code;
    say(r, "%s is removed; its data stays in %s/%s.", name, r->local.dir, name);
    json_array_append_new(json_object_get(r->json, "removed"), json_string(name));
    return 0;
}

static int order_removal(struct run *r, const char *where, const char *what) {
    return members_order(r, where, r->args.force ? 4 : 3, (const char *[]){"TRUCE.MEMBERS", "REMOVE", what, "FORCE"});
}

static bool runs(const struct run *r, uint32_t node) {
    struct process p = process_of(&r->local, node);
    return p.pid != 0 && !p.paused;
}

int verb_remove_node(struct run *r) {
    char dc[NAME_LEN_MAX + 1];
    uint16_t number;
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "remove which node? (truce help remove-node)");
    const char *name = r->args.words[0];
    int code = run_open(r, true);
    if (code != 0) return code;
    int node = cluster_find(r->local.cluster, slice_text(name));
    if (!node_name_parse(slice_text(name), dc, &number)) return fail(r, EXIT_USAGE, "%s is no name of a node", name);
    if (cluster_find_dc(r->local.cluster, slice_text(dc)) < 0) return fail(r, EXIT_USAGE, "there is no datacenter %s", dc);
    if (node >= 0 && !r->args.force && !runs(r, (uint32_t)node))
        return fail(r, EXIT_FAILED, "%s does not run: start it, so that nothing of it is lost, or remove it with --force", name);
    json_object_set_new(r->json, "removed", json_array());
    code = order_removal(r, dc, name);
    return code == 0 ? finish_one(r, dc, name) : code;
}

/* A DC that a removal of this one can be ordered at. */
static int other_dc(const struct cluster *c, int dc) {
    for (uint32_t i = 0; i < c->dcs_count; i++)
        if ((int)i != dc) return (int)i;
    return -1;
}

int verb_remove_dc(struct run *r) {
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "remove which datacenter? (truce help remove-dc)");
    const char *name = r->args.words[0];
    int code = run_open(r, true);
    if (code != 0) return code;
    const struct cluster *c = r->local.cluster;
    int dc = cluster_find_dc(c, slice_text(name)), other = other_dc(c, dc);
    if (dc < 0) return fail(r, EXIT_USAGE, "there is no datacenter %s", name);
    if (other < 0) return fail(r, EXIT_USAGE, "%s is the only datacenter", name);
    char where[NAME_LEN_MAX + 1], names[NODES_MAX][NAME_LEN_MAX + 8];
    uint32_t count = 0;
    memcpy(where, c->dcs[other].name, sizeof where);
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (c->nodes[i].dc != (uint32_t)dc) continue;
        if (!r->args.force && !runs(r, i))
            return fail(r, EXIT_FAILED, "%s does not run: start it, so that nothing of it is lost, or remove %s with --force", c->nodes[i].name,
                        name);
        memcpy(names[count++], c->nodes[i].name, sizeof names[0]);
    }
    json_object_set_new(r->json, "removed", json_array());
    code = order_removal(r, where, name);
    for (uint32_t i = 0; i < count && code == 0; i++) code = finish_one(r, where, names[i]);
    return code;
}
