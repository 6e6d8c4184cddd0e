/* Is there an order of the operations on one row, each at some moment between its call and its answer, that explains every answer?
 *
 * Wing & Gong's search (1993) with the memory of Lowe (2017): what was placed, and the row then, is tried once. A write whose outcome is not known
 * may be placed at any time after its call, or never, and then as a plain write: of a SETNX what it would have written, whatever it would have
 * answered (FAULTS I14). Knows nothing of histories, nodes or time but their order. */
#pragma once
#include "../../schemas/bytes.h"

/* The row is a number: of a register which of the values was written, 0: absent; of a counter its sum. */
enum linear_kind {
    LINEAR_READ,  /* answered: the row */
    LINEAR_WRITE, /* of `value`, 0: a removal */
    LINEAR_SWAP,  /* of `value`; answered: the row before */
    LINEAR_SETNX, /* of `value`, where the row is 0; answered: 1, or 0 where it is not */
    LINEAR_ADD,   /* of `value`; answered: the row afterwards */
};

#define LINEAR_UNKNOWN UINT64_MAX

struct linear_op {
    enum linear_kind kind;
    int64_t value, answer;
    uint64_t called, answered; /* LINEAR_UNKNOWN: it is not known whether it was carried out; a read or a refusal that is not known is left out */
};

enum linear_verdict { LINEAR, NOT_LINEAR, LINEAR_TOO_HARD /* the search was given up */ };
/* Sorts the operations by their calls. *stuck (may be NULL), where they are not linear: the operation whose answer nothing explains in the order that
 * went furthest. */
enum linear_verdict linear_check(struct linear_op *ops, uint32_t count, uint32_t *stuck);
