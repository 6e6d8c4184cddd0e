#include "checks.h"

void check_committed(struct history *h, uint32_t node, enum durability how) {
    struct h_node *n = &h->nodes[node];
    vv_copy(&n->latest, &n->vv);
    if (how != DURABLE_MAYBE) vv_copy(&n->made, &n->vv);
    if (how == DURABLE_SYNCED) vv_copy(&n->synced, &n->vv);
}

void check_crashed(struct history *h, uint32_t node, bool machine) {
    struct h_node *n = &h->nodes[node];
    if (machine) vv_copy(&n->made, &n->synced);
    history_stopped(h, node);
}

void check_recovered(struct history *h, uint32_t node) {
    struct h_node *n = &h->nodes[node];
    for (origin_ref o = 0; o < origins_count(h->origins); o++) {
        uint64_t have = vv_get(&n->vv, o), least = vv_get(&n->made, o), most = vv_get(&n->latest, o), joined = vv_get(&n->joining, o);
        if (joined > most) most = joined;
        if (have < least)
            history_fail(h, "I10", "node %u had committed %s, and recovers with number %llu", node, h_dot(h, (struct dot){o, least}),
                         (unsigned long long)have);
        if (have > most)
            history_fail(h, "I10", "node %u recovers with %s, but had committed up to number %llu", node, h_dot(h, (struct dot){o, have}),
                         (unsigned long long)most);
    }
    check_committed(h, node, DURABLE_SYNCED); /* the crash decided about the rest */
}
