#include "checks.h"

#include <stdlib.h>

static void digests_grow(struct history *h) {
    struct h_digest *old = h->digests;
    uint32_t old_size = h->digests_size;
    h->digests_size *= 2;
    h->digests = xcalloc(h->digests_size, sizeof *h->digests);
    for (uint32_t i = 0; i < old_size; i++) {
        if (!old[i].used) continue;
        uint32_t at = (uint32_t)old[i].vv_hash & (h->digests_size - 1);
        while (h->digests[at].used) at = (at + 1) & (h->digests_size - 1);
        h->digests[at] = old[i];
    }
    free(old);
}

static void check_one_digest(struct history *h, uint32_t node, uint64_t digest) {
    const struct h_node *n = &h->nodes[node];
    uint32_t at = (uint32_t)n->vv_hash & (h->digests_size - 1);
    for (; h->digests[at].used; at = (at + 1) & (h->digests_size - 1)) {
        if (h->digests[at].vv_hash != n->vv_hash) continue;
        if (h->digests[at].digest != digest) history_fail(h, "I1", "nodes %u and %u have two digests at one VV", h->digests[at].node, node);
        return;
    }
    h->digests[at] = (struct h_digest){n->vv_hash, digest, node, true};
    if (++h->digests_count * 2 > h->digests_size) digests_grow(h);
}

static void check_vv(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t) {
    const struct h_node *n = &h->nodes[node];
    uint64_t sum = 0, expected = 0;
    for (origin_ref o = 0; o < vv->len; o++) {
        if (vv->n[o] == 0) continue;
        origin_ref ours = history_ref(h, node, t, o);
        sum += vv->n[o];
        if (vv->n[o] != vv_get(&n->vv, ours))
            history_fail(h, "I10", "node %u claims %s, but applied up to number %llu", node, h_dot(h, (struct dot){ours, vv->n[o]}),
                         (unsigned long long)vv_get(&n->vv, ours));
    }
    for (origin_ref o = 0; o < n->vv.len; o++) expected += n->vv.n[o];
    if (sum != expected) history_fail(h, "I10", "a component of node %u's VV fell", node);
}

void check_state(struct history *h, uint32_t node, const struct vv *vv, const struct origins *t, uint64_t digest) {
    check_vv(h, node, vv, t);
    if (history_failed(h)) return;
    check_one_digest(h, node, digest);
    if (digest != h->nodes[node].digest) history_fail(h, "I1", "node %u's digest is not the one of the rows that its events make", node);
}

void check_converged(struct history *h) {
    for (uint32_t i = 0; i < h->nodes_count; i++) {
        if (!h->nodes[i].alive) history_fail(h, "I1", "node %u does not run at rest", i);
        if (vv_compare(&h->nodes[i].vv, &h->nodes[0].vv) == VV_EQUAL) continue;
        for (origin_ref o = 0; o < origins_count(h->origins); o++) {
            uint64_t a = vv_get(&h->nodes[0].vv, o), b = vv_get(&h->nodes[i].vv, o);
            if (a != b)
                history_fail(h, "I1", "at rest node 0 has %llu events of %s, node %u has %llu", (unsigned long long)a, h_dot(h, (struct dot){o, 1}),
                             i, (unsigned long long)b);
        }
    }
}
