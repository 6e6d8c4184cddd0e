#include "settled.h"
#include "client.h"
#include "process.h"

#include <string.h>

static json_t *ask(const struct local *l, uint32_t node) {
    const struct cluster_node *n = &l->cluster->nodes[node];
    struct process p = process_of(l, node);
    struct buf why = {0}, client = {0};
    json_t *status = NULL;
    const char *state = p.pid == 0 ? "down" : p.paused ? "paused" : "running";
    if (p.pid == 0)
        buf_printf(&why, "not running (truce start %s)", n->name);
    else if (p.paused)
        buf_printf(&why, "paused (truce resume %s)", n->name);
    else if ((status = node_status(l->cluster, node, &why)) == NULL)
        state = "silent";
    buf_printf(&client, "%s:%u", n->client_host, n->client_port);
    json_t *ret = json_pack("{s:s, s:s, s:s#, s:i, s:s, s:o, s:o}", "node", n->name, "dc", l->cluster->dcs[n->dc].name, "client", client.p,
                            (int)client.n, "pid", (int)p.pid, "process", state, "why", json_stringn(why.n ? (const char *)why.p : "", why.n),
                            "status", status ? status : json_null());
    buf_finish(&why);
    buf_finish(&client);
    return ret;
}

json_t *ask_nodes(const struct local *l) {
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) json_array_append_new(nodes, ask(l, i));
    return nodes;
}

bool nodes_settled(const json_t *nodes) {
    const char *vv = NULL, *digest = NULL;
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node) {
        const json_t *status = json_object_get(node, "status");
        const char *v = json_string_value(json_object_get(status, "vv")), *d = json_string_value(json_object_get(status, "digest"));
        if (v == NULL || d == NULL) return false;
        if (vv != NULL && (strcmp(v, vv) != 0 || strcmp(d, digest) != 0)) return false;
        vv = v;
        digest = d;
    }
    return vv != NULL;
}
