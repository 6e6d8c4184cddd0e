/* I12: what a member still needs stays in the log, or pointers stand for it. */
#include "checks.h"

static bool is_needed_by(const struct history *h, uint32_t node, struct dot d) {
    const struct h_node *n = &h->nodes[node];
    return !vv_covers(&n->made, d) && !vv_covers(&n->had, d); /* what was wiped or replaced is another's to bring */
}

static bool all_point(const struct history *h, const struct h_event *e, const struct pointers *p) {
    for (uint32_t i = 0; i < e->changes_count; i++)
        if (!p->points(p->arg, h->keys[e->changes[i].key].name, origins_get(h->origins, e->dot.origin), e->dot.n)) return false;
    return true;
}

void check_trimmed(struct history *h, uint32_t node, const struct log_trim *trim, const struct origins *t, const struct pointers *p) {
    struct h_node *of = &h->nodes[node];
    origin_ref o = history_ref(h, node, t, trim->origin);
    for (uint64_t n = vv_get(&of->trimmed, o) + 1; n <= trim->upto; n++) {
        struct dot d = {o, n};
        const struct h_event *e = history_event(h, d);
        for (uint32_t i = 0; e && i < h->nodes_count; i++)
            if (is_needed_by(h, i, d) && !all_point(h, e, p))
                history_fail(h, "I12", "node %u drops %s from its log, no pointer stands for it, and node %u has on disk only up to number %llu",
                             node, h_dot(h, d), i, (unsigned long long)vv_get(&h->nodes[i].made, o));
    }
    vv_raise(&of->trimmed, o, trim->upto);
}
