/* What is due in virtual time, by (time, sequence), so that what was scheduled first happens first: a binary heap, and beside it a queue of what is
 * due at once, which most of it is. */
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
    struct happening *now; /* a ring; all due at now_us, scheduled after everything in the heap that is due then */
    size_t now_first, now_n, now_cap;
    uint64_t now_us; /* of the one that was taken last */
};
void happenings_finish(struct happenings *h);
void happenings_add(struct happenings *h, struct happening what);
bool happenings_due(const struct happenings *h, uint64_t until_us); /* is anything due up to then */
bool happenings_any(const struct happenings *h);
struct happening happenings_take(struct happenings *h); /* the first */
