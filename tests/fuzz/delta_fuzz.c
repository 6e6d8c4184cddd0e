/* The first two bytes are the number of the event, the rest is a delta in it. */
#include "again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct origins *t = origins_create();
    struct origin us = {.dc = "us", .node = 1, .incarnation = 0x11};
    struct dot self = {origins_intern(t, &us), (uint64_t)data[0] << 8 | data[1]};
    if (self.n != 0) check_delta(SLICE(data + 2, size - 2), self, stamp_make(1000, 2), t);
    origins_destroy(t);
    return 0;
}
