/* What if a table had another policy: plays a scenario both ways, and tells row by row what differs. */
#pragma once
#include "replay_run.h"

struct whatif_plan {
    const struct scenario_file *file; /* as it was written */
    const char *const *policies;      /* "users=record" */
    uint32_t policies_count;
    const uint64_t *seed; /* NULL: the file's own */
    bool force;           /* of handlers that the admission check refuses */
};
/* An expectation that fails does not end a play here: it is noted, and played without it. */
struct whatif_side {
    struct scenario scenario;
    struct outcome outcome;
    enum verdict verdict; /* with what was noted */
    json_t *failures;     /* {"9": "cut.json:21: step 9 (expect): ..." ...} by number of step; owned */
};
struct whatif {
    struct whatif_side written, other;
    json_t *rows; /* [{"key", "written": {"value", "losers", "open"}, "other": ...} ...] of those that differ; owned */
    uint32_t alike;
};
/* False: *why. whatif_finish it. */
bool whatif_run(const struct whatif_plan *p, struct whatif *ret, struct buf *why);
void whatif_finish(struct whatif *w);
void whatif_print(const struct whatif_plan *p, const struct whatif *w, struct buf *out);
json_t *whatif_json(const struct whatif_plan *p, const struct whatif *w);
/* Of the file as it is; where that passed, of the other unless only expectations fail: that they do is what was asked. */
enum verdict whatif_verdict(const struct whatif *w);
/* Rows that differ, and how many do not: for tests too. */
json_t *whatif_compare(const struct outcome *written, const struct outcome *other, uint32_t *ret_alike);
