/* up, down: the whole cluster. */
#include "../schemas/units.h"
#include "process.h"
#include "start.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 20000

static int plan_of_args(struct run *r, struct local_plan *p) {
    const struct args *a = &r->args;
    struct buf why = {0};
    *p = (struct local_plan){.nodes = 3, .port_base = 7400, .fsync = true, .memory_mb = 256};
    bool ok = local_plan_dcs(p, a->dcs ? a->dcs : "us,eu,ap", &why);
    if (!ok) fail(r, EXIT_USAGE, "--dcs: %.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (!ok) return EXIT_USAGE;
    uint64_t n;
    if (a->nodes && !parse_count(a->nodes, 1, LOCAL_NODES_MAX / p->dcs_count, &n))
        return fail(r, EXIT_USAGE, "--nodes: expected 1 to %u with %u datacenters, got %s", LOCAL_NODES_MAX / p->dcs_count, p->dcs_count, a->nodes);
    if (a->nodes) p->nodes = (uint32_t)n;
    if (a->port_base && !parse_count(a->port_base, 1024, 65535 - 200, &n))
        return fail(r, EXIT_USAGE, "--port-base: expected 1024 to 65335, got %s", a->port_base);
    if (a->port_base) p->port_base = (uint16_t)n;
    if (a->memory_mb && !parse_count(a->memory_mb, 16, 1024 * 1024, &n))
        return fail(r, EXIT_USAGE, "--memory-mb: expected 16 to 1048576, got %s", a->memory_mb);
    if (a->memory_mb) p->memory_mb = n;
    if (a->fsync && strcmp(a->fsync, "yes") != 0 && strcmp(a->fsync, "no") != 0)
        return fail(r, EXIT_USAGE, "--fsync: expected yes or no, got %s", a->fsync);
    if (a->fsync) p->fsync = strcmp(a->fsync, "yes") == 0;
    return 0;
}

/* What was asked for must be what is there. */
static int compare(struct run *r, const struct local_plan *p) {
    const struct cluster *c = r->local.cluster;
    const struct args *a = &r->args;
    const char *wrong = NULL;
    if (a->dcs && p->dcs_count != c->dcs_count) wrong = "--dcs";
    for (uint32_t i = 0; a->dcs && i < p->dcs_count; i++)
        if (cluster_find_dc(c, slice_text(p->dcs[i])) < 0) wrong = "--dcs";
    for (uint32_t i = 0; a->nodes && i < c->dcs_count; i++)
        if (c->dcs[i].nodes_count != p->nodes) wrong = "--nodes";
    if (a->port_base && c->nodes[0].client_port != p->port_base + 1) {
        wrong = "--port-base";
        for (uint32_t i = 0; i < c->nodes_count; i++)
            if (c->nodes[i].client_port == p->port_base + 1) wrong = NULL;
    }
    if (a->fsync && c->fsync != p->fsync) wrong = "--fsync";
    if (a->memory_mb && c->memory_bytes_max != p->memory_mb * 1024 * 1024) wrong = "--memory-mb";
    if (wrong == NULL) return 0;
    return fail(r, EXIT_USAGE, "%s differs from the cluster that is already in %s/cluster.json; take another --dir, or edit that file", wrong,
                r->local.dir);
}

static int open_or_make(struct run *r) {
    const char *dir = r->args.dir ? r->args.dir : LOCAL_DIR_DEFAULT;
    struct local_plan plan;
    struct buf why = {0};
    int code = plan_of_args(r, &plan);
    if (code != 0) return code;
    bool made = !local_exists(dir);
    if (made && !local_write(dir, &plan, &why)) code = fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (code == 0) code = run_open(r, true);
    if (code == 0 && !made) code = compare(r, &plan);
    return code;
}

/* The redis-cli line of every node, under its DC. */
static void list_nodes(struct run *r, const bool started[static NODES_MAX]) {
    const struct cluster *c = r->local.cluster;
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        const struct cluster_node *n = &c->nodes[i];
        bool local = strcmp(n->client_host, "127.0.0.1") == 0, paused = process_of(&r->local, i).paused;
        struct buf line = {0};
        buf_printf(&line, "redis-cli");
        if (!local) buf_printf(&line, " -h %s", n->client_host);
        buf_printf(&line, " -p %u", n->client_port);
        if (c->password[0]) buf_printf(&line, " -a %s", c->password);
        say(r, "  %-10s %-40.*s %s", n->name, (int)line.n, (const char *)line.p,
            paused       ? "paused (truce resume)"
            : started[i] ? "started"
                         : "was running");
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b, s:s#}", "node", n->name, "dc", c->dcs[n->dc].name, "started", started[i],
                                              "paused", paused, "redis_cli", (const char *)line.p, line.n));
        buf_finish(&line);
    }
    json_object_set_new(r->json, "nodes", list);
    json_object_set_new(r->json, "dir", json_string(r->local.dir));
}

int verb_up(struct run *r) {
    if (r->args.words_count > 0) return fail(r, EXIT_USAGE, "up takes no %s", r->args.words[0]);
    int code = open_or_make(r);
    if (code != 0) return code;
    bool missing[NODES_MAX] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->local.cluster->nodes_count; i++) count += missing[i] = process_of(&r->local, i).pid == 0;
    code = start_nodes(r, missing);
    if (code != 0) return code;
    say(r, "Cluster %s in %s: %u datacenters, %u nodes; every datacenter takes writes%s.", r->local.cluster->name, r->local.dir,
        r->local.cluster->dcs_count, r->local.cluster->nodes_count, count == 0 ? " (all nodes were running already)" : "");
    list_nodes(r, missing);
    return 0;
}

/* Ends when the process is gone: first asked, then, where that does not help in time, killed. Enters its name in one of the lists. */
static int await_end(struct run *r, uint32_t node, int process, json_t *stopped, json_t *killed) {
    bool gone = process_wait_gone(process, STOP_TIMEOUT_MS);
    json_array_append_new(gone ? stopped : killed, json_string(node_name(&r->local, node)));
    if (gone) return 0;
    say(r, "%s did not end within %u s and is killed.", node_name(&r->local, node), STOP_TIMEOUT_MS / 1000);
    process_signal(process, SIGKILL);
    return process_wait_gone(process, STOP_TIMEOUT_MS) ? 0 : fail(r, EXIT_FAILED, "%s is still there", node_name(&r->local, node));
}

int verb_down(struct run *r) {
    if (r->args.words_count > 0) return fail(r, EXIT_USAGE, "down takes no %s", r->args.words[0]);
    int code = run_open(r, true), processes[NODES_MAX];
    if (code != 0) return code;
    uint32_t nodes = r->local.cluster->nodes_count;
    json_t *stopped = json_array(), *killed = json_array();
    for (uint32_t i = 0; i < nodes; i++) {
        processes[i] = process_open(&r->local, i);
        if (processes[i] < 0) continue;
        process_signal(processes[i], SIGTERM);
        process_signal(processes[i], SIGCONT);
    }
    for (uint32_t i = 0; i < nodes; i++) {
        if (processes[i] < 0) continue;
        int ended = await_end(r, i, processes[i], stopped, killed);
        if (ended != 0) code = ended;
        close(processes[i]);
    }
    size_t count = json_array_size(stopped) + json_array_size(killed);
    json_object_set_new(r->json, "stopped", stopped);
    json_object_set_new(r->json, "killed", killed);
    if (code == 0 && count == 0) say(r, "No node was running.");
    if (code == 0 && count > 0) say(r, "%zu nodes are stopped; their data stays in %s.", count, r->local.dir);
    return code;
}
