/* What rows are made of, and what a change knew of them (DESIGN, sections 2 and 5). */
#pragma once
#include "../schemas/delta.h"
#include "../schemas/event.h"

/* One value of a cell, with the dot and stamp of the event that made it. */
struct version {
    struct dot dot;
    stamp_t stamp;
    struct slice content; /* CELL_ROW: a content, nothing: a tombstone. Else as OP_PUT has it */
    uint8_t generation;   /* CELL_ROW: of a handler's answer; 0: it is none */
    uint64_t inputs;      /* of a handler's answer */
};

/* What a change knew of its row: the deps of its event and its origin's smaller numbers, less the siblings that its writer had not seen. */
struct context {
    const struct vv *deps; /* of the origin, when it made the event; its own component is not looked at */
    struct dot self;
    const struct dot *unseen;
    uint32_t unseen_count;
};
/* How far it covers an origin, the unseen apart. */
static inline uint64_t context_upto(const struct context *c, origin_ref o) { return o == c->self.origin ? c->self.n - 1 : vv_get(c->deps, o); }
bool context_covers(const struct context *c, struct dot d);
