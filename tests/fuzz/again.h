/* What was decoded, encoded again: the targets compare it with the input. */
#pragma once
#include "fuzz.h"

/* Every content that was taken has one form, and all operations on it give contents that are taken. */
void check_content(struct slice c);
/* A delta that was taken, as part of the event `self`, has one form. */
void check_delta(struct slice bytes, struct dot self, stamp_t stamp, struct origins *t);
/* Every body of a block, as far as it is an event. */
void check_block(struct slice bytes, struct origins *t);
/* One body; whether it was taken. */
bool check_event(struct dot dot, struct slice body, struct origins *t);
