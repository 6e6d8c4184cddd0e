/* I12: what a member still needs as an event stays in the log. */
#include "checks.h"

static bool is_needed_by(const struct history *h, uint32_t node, origin_ref o, uint64_t upto) {
    const struct h_node *n = &h->nodes[node];
    return vv_get(&n->made, o) < upto && vv_get(&n->had, o) < upto; /* what was wiped or replaced is another's to bring */
}

void check_trimmed(struct history *h, uint32_t node, const struct log_trim *trim, const struct origins *t) {
    origin_ref o = history_ref(h, node, t, trim->origin);
    for (uint32_t i = 0; i < h->nodes_count; i++)
        if (is_needed_by(h, i, o, trim->upto))
            history_fail(h, "I12", "node %u drops events up to %s from its log, but node %u has on disk only up to number %llu", node,
                         h_dot(h, (struct dot){o, trim->upto}), i, (unsigned long long)vv_get(&h->nodes[i].made, o));
}
