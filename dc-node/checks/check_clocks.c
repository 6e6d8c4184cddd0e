#include "../../topology/election.h"
#include "checks.h"

#define COUNTER_SLACK_MS 1000u /* 65,536 stamps of one millisecond carry over into the next */

void check_clock_shows(struct history *h, uint32_t node, uint64_t wall_ms, uint64_t true_ms) {
    struct h_node *n = &h->nodes[node];
    if (wall_ms > n->wall_ms_greatest) n->wall_ms_greatest = wall_ms;
    uint64_t off = wall_ms > true_ms ? wall_ms - true_ms : true_ms - wall_ms;
    if (off > h->clock_bound_ms / 2) h->clock_was_off = true;
}

static void check_above_causes(struct history *h, const struct h_event *e) {
    for (origin_ref o = 0; o < e->deps.len; o++) {
        const struct h_event *cause = history_event(h, (struct dot){o, e->deps.n[o]});
        if (cause && o != e->dot.origin && cause->stamp >= e->stamp)
            history_fail(h, "I11", "%s was made after %s was applied there, but its stamp is not above; no clock was off", h_dot(h, e->dot),
                         h_dot(h, cause->dot));
    }
}

/* A new leader's stamps lie above what its voters may have promised its predecessor: by their clocks, and where one went back, by what it had shown.
 */
static uint64_t greatest_clock(const struct history *h, uint32_t node) {
    uint64_t most = h->nodes[node].wall_ms_greatest;
    for (uint32_t i = 0; h->cluster && i < h->nodes_count; i++) {
        if (i == node || h->cluster->nodes[i].dc != h->cluster->nodes[node].dc) continue;
        uint64_t theirs = h->nodes[i].wall_ms_greatest + (h->clock_was_off ? ELECTION_SEEN_MS : 0);
        if (theirs > most) most = theirs;
    }
    return most;
}

void check_stamp(struct history *h, const struct h_event *e) {
    if (!h->clock_was_off) check_above_causes(h, e);
    uint64_t most = greatest_clock(h, e->node) + 2 * h->clock_bound_ms + COUNTER_SLACK_MS;
    if (stamp_ms(e->stamp) > most)
        history_fail(h, "I11", "the stamp of %s is %llu ms ahead of anything that clocks of its datacenter showed: another clock dragged it along",
                     h_dot(h, e->dot), (unsigned long long)(stamp_ms(e->stamp) - greatest_clock(h, e->node)));
}
