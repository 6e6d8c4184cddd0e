#include "checks.h"

static void check_causes(struct history *h, uint32_t node, const struct h_event *e) {
    const struct vv *vv = &h->nodes[node].vv;
    for (origin_ref o = 0; o < e->deps.len; o++)
        if (o != e->dot.origin && e->deps.n[o] > vv_get(vv, o))
            history_fail(h, "I4", "node %u applies %s, whose context has %s, but has only number %llu", node, h_dot(h, e->dot),
                         h_dot(h, (struct dot){o, e->deps.n[o]}), (unsigned long long)vv_get(vv, o));
}

static void check_chain(struct history *h, const struct h_event *e) {
    const struct h_event *before = history_event(h, (struct dot){e->dot.origin, e->dot.n - 1});
    if (e->previous != (before ? before->checksum : 0)) history_fail(h, "I10", "%s does not follow the event before it", h_dot(h, e->dot));
    if (before && before->stamp >= e->stamp) history_fail(h, "I10", "the stamp of %s is not above the one before it", h_dot(h, e->dot));
}

void check_applies(struct history *h, uint32_t node, const struct h_event *e) {
    uint64_t have = vv_get(&h->nodes[node].vv, e->dot.origin);
    if (e->dot.n <= have) history_fail(h, "I8", "node %u applies %s again", node, h_dot(h, e->dot));
    if (e->dot.n > have + 1) history_fail(h, "I10", "node %u applies %s after number %llu: a gap", node, h_dot(h, e->dot), (unsigned long long)have);
    check_causes(h, node, e);
    check_chain(h, e);
}

void check_deps(struct history *h, const struct h_event *e) {
    const struct vv *vv = &h->nodes[e->node].vv;
    for (origin_ref o = 0; o < origins_count(h->origins); o++)
        if (o != e->dot.origin && vv_get(vv, o) != vv_get(&e->deps, o))
            history_fail(h, "I4", "%s was made with number %llu of %s applied, but its deps say %llu", h_dot(h, e->dot),
                         (unsigned long long)vv_get(vv, o), h_dot(h, (struct dot){o, 1}), (unsigned long long)vv_get(&e->deps, o));
}
