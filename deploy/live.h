/* The live stage: a scenario on real processes, each a dc-node with a data directory of its own (DESIGN, section 10, `--live`).
 *
 * Time is real, and begins when the nodes that are not down at first answer, have their connections and take writes. Links have the scenario's
 * latencies, on top of what this machine takes. What becomes of processes, files and clocks becomes of real ones, but for what one machine cannot
 * do, such as a power cut: act() says so then. */
#pragma once
#include "../dc-node/scenario/play.h"

struct live_options {
    const char *dir;    /* the cluster's directory; NULL: a temporary one, which is removed at the end unless something failed */
    uint16_t port_base; /* clients connect at P+1, P+2 ..., nodes at P+101 ...; 0: 7600 */
    bool keep;          /* the directory is never removed */
    bool namespaces;    /* each node in a network namespace of its own, where this machine allows it: a cut takes the routes away */
};
/* The scenario and the record (NULL: nobody keeps what happens) outlive it. No process is left when it is destroyed, or when this program ends.
 * NULL: *why. */
struct stage *live_create(const struct scenario *s, const struct live_options *o, struct record *r, struct buf *why);
/* Where its files are. */
const char *live_dir(const struct stage *s);

/* Where two outcomes of one scenario differ: verdict and failing step, final rows, open conflicts, losers, replies of `do` steps. Dots, stamps and
 * times differ by nature and are not compared. `text` gets a line for each, `into` ("differences": [...]) the same. Returns how many. */
size_t compare_outcomes(const struct scenario *s, const struct outcome *simulated, const struct outcome *live, struct buf *text, json_t *into);
