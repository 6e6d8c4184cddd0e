/* move-leader: another node of a datacenter leads it. */
#include "client.h"
#include "members.h"

#include <string.h>
#include <time.h>

#define POLLS   100
#define POLL_MS 100

static bool leads(const struct run *r, uint32_t node) {
    struct buf why = {0};
    json_t *status = node_status(r->local.cluster, node, &why);
    const char *leader = json_string_value(json_object_get(status, "leader"));
    bool does = leader && strcmp(leader, r->local.cluster->nodes[node].name) == 0 && json_is_true(json_object_get(status, "takes_writes"));
    json_decref(status);
    buf_finish(&why);
    return does;
}

int verb_move_leader(struct run *r) {
    if (r->args.words_count != 1) return fail(r, EXIT_USAGE, "move-leader to which node? (truce help move-leader)");
    const char *name = r->args.words[0];
    int code = run_open(r, true);
    if (code != 0) return code;
    int node = cluster_find(r->local.cluster, slice_text(name));
    if (node < 0) return fail(r, EXIT_USAGE, "there is no node %s", name);
    const char *dc = r->local.cluster->dcs[r->local.cluster->nodes[node].dc].name;
    code = members_order(r, dc, 2, (const char *[]){"TRUCE.LEAD", name});
    if (code != 0) return code;
    for (int i = 0; i < POLLS; i++) {
        if (leads(r, (uint32_t)node)) {
            say(r, "%s leads %s.", name, dc);
            json_object_set_new(r->json, "leader", json_string(name));
            return 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return fail(r, EXIT_NOT_SETTLED, "%s does not lead %s: it could not take over in time (truce status)", name, dc);
}
