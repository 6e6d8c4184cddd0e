#include "ways.h"
#include <string.h>

/* Mask of the DCs with nodes that take part, also such as are about to join or to leave. */
static uint32_t dcs_there(const struct cluster *c) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        if (c->nodes[i].standing != STANDING_ABSENT && c->nodes[i].standing != STANDING_REMOVED) mask |= UINT32_C(1) << c->nodes[i].dc;
    return mask;
}

/* The DC whose name comes next, forwards or backwards, round the ring; the same one where there is no other. */
static uint32_t next_by_name(const struct cluster *c, uint32_t there, uint32_t dc, bool forwards) {
    uint32_t next = dc, end = dc;
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        if (i == dc || !(there & UINT32_C(1) << i)) continue;
        int order = strcmp(c->dcs[i].name, c->dcs[dc].name), sign = forwards ? 1 : -1;
        if (sign * order > 0 && (next == dc || sign * strcmp(c->dcs[i].name, c->dcs[next].name) < 0)) next = i;
        if (end == dc || sign * strcmp(c->dcs[i].name, c->dcs[end].name) < 0) end = i; /* where the ring closes */
    }
    return next != dc ? next : end;
}

uint32_t ways_neighbours(const struct cluster *c, uint32_t dc) {
    uint32_t there = dcs_there(c), own = UINT32_C(1) << dc;
    if (c->topology == TOPOLOGY_RING)
        return (UINT32_C(1) << next_by_name(c, there, dc, true) | UINT32_C(1) << next_by_name(c, there, dc, false)) & ~own;
    if (c->topology == TOPOLOGY_STAR && dc != c->hub) return UINT32_C(1) << c->hub;
    return there & ~own;
}

static bool is_home(const struct cluster *c, uint32_t dc) {
    for (uint32_t i = 0; i < c->homes_count; i++)
        if (c->homes[i].dc == dc) return true;
    return false;
}

bool ways_linked(const struct cluster *c, uint32_t a, uint32_t b) {
    uint32_t x = c->nodes[a].dc, y = c->nodes[b].dc;
    if (a == b) return false;
    if (x == y || c->topology == TOPOLOGY_ALL || is_home(c, x) || is_home(c, y)) return true;
    return (ways_neighbours(c, x) & UINT32_C(1) << y) || (ways_neighbours(c, y) & UINT32_C(1) << x); /* one of them may be about to leave the ring */
}

bool ways_pass_reports(const struct cluster *c) {
    uint32_t there = c->topology == TOPOLOGY_ALL ? 0 : dcs_there(c);
    for (uint32_t i = 0; i < c->homes_count; i++) there &= ~(UINT32_C(1) << c->homes[i].dc);
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        uint32_t own = UINT32_C(1) << dc;
        if ((there & own) && (there & ~own & ~ways_neighbours(c, dc))) return true;
    }
    return false;
}

/* Of a neighbour: its leader; where that is not heard, a node of the DC that has what is lacking here, the same as long as it is heard. */
static uint32_t source_in(const struct plan_input *in, uint32_t dc) {
    uint32_t leader = in->leaders[dc], found = LEADER_NONE;
    if (leader != LEADER_NONE && link_heard(&in->links[leader], in->now_us)) return leader;
    for (uint32_t i = 0; i < in->cluster->nodes_count; i++) {
        const struct link *l = &in->links[i];
        if (in->cluster->nodes[i].dc != dc || !link_heard(l, in->now_us)) continue;
        if (l->scope == SCOPE_ALL) return i;
        for (uint32_t d = 0; d < in->cluster->dcs_count && found == LEADER_NONE; d++)
            if (in->has_more(in->arg, i, d)) found = i;
    }
    return found != LEADER_NONE ? found : leader;
}

void ways_want(const struct plan_input *in, uint32_t *want) {
    uint32_t neighbours = ways_neighbours(in->cluster, in->cluster->nodes[in->self].dc);
    for (uint32_t dc = 0; dc < in->cluster->dcs_count; dc++) {
        uint32_t source = neighbours & UINT32_C(1) << dc ? source_in(in, dc) : LEADER_NONE;
        if (source != LEADER_NONE) want[source] = SCOPE_ALL;
    }
}
