/* What is due in virtual time: a binary heap ordered by (time, sequence), so that what was scheduled first happens first. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum happening_kind {
    HAPPENS_CALL,  /* of whoever drives the world */
    HAPPENS_WAKE,  /* the engine wanted to be woken */
    HAPPENS_STAGE, /* the next stage of carrying out updates */
    HAPPENS_FLUSHED,
    HAPPENS_ARRIVE,  /* a frame */
    HAPPENS_LINK,    /* a connection is there, or is gone */
    HAPPENS_CHECK,   /* has anything come on this connection? */
    HAPPENS_TRY,     /* to connect */
    HAPPENS_REQUEST, /* a client's request reaches its node */
    HAPPENS_RETURN,  /* a reply reaches its client */
    HAPPENS_TIMEOUT, /* a client has waited long enough */
    HAPPENS_HANDLED, /* a simulated handler has answered */
};

struct happening {
    uint64_t at_us, sequence;
    enum happening_kind kind;
    uint32_t a, b;
    uint64_t x, y;
    void *p; /* owned by the happening */
};

struct happenings {
    struct happening *heap;
    size_t n, cap;
    uint64_t sequence;
};
void happenings_finish(struct happenings *h);
void happenings_add(struct happenings *h, struct happening what);
const struct happening *happenings_first(const struct happenings *h); /* NULL: nothing is due */
struct happening happenings_take(struct happenings *h);
