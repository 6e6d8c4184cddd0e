/* The first byte says what the rest is: a block, or the body of one event. */
#include "again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct origins *t = origins_create();
    struct origin us = {.dc = "us", .node = 1, .incarnation = 0x11};
    struct slice rest = SLICE(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        check_block(rest, t);
    } else {
        check_event((struct dot){origins_intern(t, &us), 5}, rest, t);
    }
    origins_destroy(t);
    return 0;
}
