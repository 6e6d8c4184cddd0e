#include "links.h"
#include "ways.h"
#include <string.h>

void link_finish(struct link *l) {
    vv_finish(&l->report);
    vv_finish(&l->synced);
    vv_finish(&l->on_disk);
    vv_finish(&l->acked);
    vv_finish(&l->served.sent);
    buf_finish(&l->out);
}

static bool fill_from_islands(struct link *l) {
    for (uint32_t i = 0; i < l->islands_count; i++) {
        if (l->islands[i].from > l->whole_bytes) continue;
        if (l->islands[i].to > l->whole_bytes) l->whole_bytes = l->islands[i].to;
        l->islands[i] = l->islands[--l->islands_count];
        return true;
    }
    return false;
}

void link_take_bytes(struct link *l, uint64_t n, uint64_t to, uint64_t now_us) {
    uint64_t from = to > n ? to - n : 0;
    if (to > l->seen_bytes) l->seen_bytes = to;
    if (from > l->whole_bytes) {
        if (l->islands_count < LINK_ISLANDS_MAX) l->islands[l->islands_count++] = (struct island){from, to};
    } else if (to > l->whole_bytes) {
        l->whole_bytes = to;
        while (fill_from_islands(l)) {}
    }
    if (l->whole_bytes == l->seen_bytes)
        l->short_since_us = 0;
    else if (!l->short_since_us)
        l->short_since_us = now_us;
}

bool link_heard(const struct link *l, uint64_t now_us) {
    return l->connected && l->heard_us && now_us - l->heard_us < LINK_SILENT_US && l->unheard_ms < LINK_SILENT_US / 1000;
}

/* How good a source of `dc` a peer is, 0: none. Who is subscribed to stays so while it is the only one (`keeps`), also when it has no more for the
 * moment; not for long where another one has: it may be waiting for this node. */
static int worth(const struct plan_input *in, uint32_t peer, uint32_t dc, bool keeps) {
    const struct link *l = &in->links[peer];
    if (!link_heard(l, in->now_us)) return 0;
    bool kept = keeps && (l->scope & (UINT32_C(1) << dc)), is_new = in->now_us - l->subscribed_us < SUBSCRIBE_RETRY_US;
    if ((kept && is_new) || in->has_more(in->arg, peer, dc)) return 2;
    return kept;
}

/* A leader of another DC: of equals the one with the least index, so that the choice stands still. */
static int relay_for(const struct plan_input *in, uint32_t dc, uint32_t own_dc) {
    int found = -1, best = 0;
    for (uint32_t other = 0; other < in->cluster->dcs_count; other++) {
        uint32_t peer = in->leaders[other];
        if (other == dc || other == own_dc || peer == LEADER_NONE) continue;
        int w = worth(in, peer, dc, true);
        if (w > best) found = (int)peer, best = w;
    }
    return found;
}

static bool is_reachable(const struct plan_input *in, uint32_t leader) {
    return leader == in->self || (leader != LEADER_NONE && link_heard(&in->links[leader], in->now_us));
}

/* May this node ask that one for what it has of `dc`, nobody else being there to give it? A leader asks nodes of its own DC, after it was elected;
 * for its own DC's events anybody, after its disk has lost something; and the nodes of a DC whose leader is not in reach: they may write without it.
 * A node without a leader asks anybody. */
static bool may_ask(const struct plan_input *in, uint32_t node, uint32_t dc) {
    uint32_t own_dc = in->cluster->nodes[in->self].dc, its_dc = in->cluster->nodes[node].dc;
    if (in->leaders[own_dc] != in->self || its_dc == own_dc || dc == own_dc) return true;
    return in->cluster->topology == TOPOLOGY_ALL && its_dc == dc && !is_reachable(in, in->leaders[dc]); /* else ways_want() has asked it */
}

/* Where no leader gives it. Of equals a node of the own DC. */
static void want_from_holders(const struct plan_input *in, uint32_t *want) {
    for (uint32_t dc = 0; dc < in->cluster->dcs_count; dc++) {
        int found = -1, best = 0;
        for (uint32_t i = 0; i < in->cluster->nodes_count; i++) {
            if (i == in->self || !may_ask(in, i, dc)) continue;
            bool near = in->cluster->nodes[i].dc == in->cluster->nodes[in->self].dc;
            int w = worth(in, i, dc, !is_reachable(in, in->leaders[dc]));
            if (w && 2 * w + near > best) found = (int)i, best = 2 * w + near;
        }
        if (found >= 0) want[found] |= UINT32_C(1) << dc;
    }
}

void plan_subscriptions(const struct plan_input *in, uint32_t *want) {
    memset(want, 0, in->cluster->nodes_count * sizeof *want);
    uint32_t own_dc = in->cluster->nodes[in->self].dc;
    if (in->leaders[own_dc] != in->self) {
        if (in->leaders[own_dc] != LEADER_NONE)
            want[in->leaders[own_dc]] = SCOPE_ALL;
        else
            want_from_holders(in, want);
        return;
    }
    if (in->cluster->topology != TOPOLOGY_ALL) ways_want(in, want);
    for (uint32_t dc = 0; in->cluster->topology == TOPOLOGY_ALL && dc < in->cluster->dcs_count; dc++) {
        if (dc == own_dc) continue;
        uint32_t bit = UINT32_C(1) << dc;
        bool known = in->leaders[dc] != LEADER_NONE, reachable = known && link_heard(&in->links[in->leaders[dc]], in->now_us);
        if (known) want[in->leaders[dc]] |= bit;
        if (reachable && !(in->stuck & bit)) continue;
        int relay = relay_for(in, dc, own_dc);
        if (relay >= 0) want[relay] |= bit;
    }
    for (uint32_t i = 0; in->cluster->dcs[own_dc].leaderless && i < in->cluster->nodes_count; i++)
        if (i != in->self && cluster_member_of(in->cluster, i, own_dc)) want[i] |= UINT32_C(1) << own_dc; /* all of them originate */
    want_from_holders(in, want);
}
