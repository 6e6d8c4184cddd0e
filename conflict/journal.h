/* The conflict journal: every version that is hidden although nobody overwrote it knowingly, with its value (DESIGN, section 6, "No silent loss").
 * Entries are named by (loser's dot, key); writing one twice changes nothing. */
#pragma once
#include "row.h"

struct loss {
    struct slice key;
    struct version loser;
    struct dot winner; /* what readers saw instead when it was hidden */
    stamp_t winner_stamp;
    enum policy policy;
    uint64_t wall_ms; /* when this node noticed */
};
/* Name and record of an entry; both append. Record: u8 version, the fields in the order above, u64 checksum. */
void loss_name(const struct loss *l, const struct origins *t, struct buf *out);
void loss_encode(const struct loss *l, const struct origins *t, struct buf *out);
bool loss_decode(struct slice record, struct origins *t, struct loss *ret); /* slices borrow; false: damaged */
