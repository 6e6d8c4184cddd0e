/* The ways between datacenters: which of them exchange events directly, and who subscribes to whom where not all do (DESIGN, section 8).
 *
 * all:   each DC with each; links.h has that plan.
 * ring:  in order of name, each with the one before it and the one behind it.
 * star:  each with the hub, and the hub with each.
 * In a ring and in a star a leader subscribes to each neighbour for all origins: what it lacks comes over whoever has it first, and what it has is
 * skipped. So a ring does without any one of its links; a star does not do without its hub.
 *
 * Nodes are linked within a DC, between neighbours, and with those of a DC that is the home of something: writes are sent there directly. */
#pragma once
#include "links.h"

/* Mask of the DCs that exchange events with this one. A DC without nodes has no place in a ring. */
uint32_t ways_neighbours(const struct cluster *c, uint32_t dc);
/* Have these two nodes a link? Symmetric; not with itself. */
bool ways_linked(const struct cluster *c, uint32_t a, uint32_t b);
/* Are there nodes that are not linked with each other? Then reports are passed on by others (REPORTS). */
bool ways_pass_reports(const struct cluster *c);
/* What a leader subscribes to in a ring or a star: adds to want[]. */
void ways_want(const struct plan_input *in, uint32_t *want);
