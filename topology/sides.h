/* Two sides of a cut as scenarios spell them (DESIGN, section 10): `eu | us ap`, one-way `eu > us`; names of DCs and of nodes. */
#pragma once
#include "../schemas/cluster.h"

struct sides {
    bool a[NODES_MAX], b[NODES_MAX]; /* nodes of each side, by index in the cluster; no node is on both */
    bool one_way;                    /* from a to b alone */
};

/* Words as they stand on the command line: two names, or names around a `|` or `>`, in one word or in many. A single name, or `*` on one side, stands
 * against all other nodes. False: *why. */
bool sides_parse(const struct cluster *c, char **words, int words_count, struct sides *ret, struct buf *why);
/* Enters a DC's nodes, or a node, of that name into `side`. False: there is none. */
bool sides_enter(const struct cluster *c, const char *name, bool side[static NODES_MAX]);
