/* The input is one content. */
#include "again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_content(SLICE(data, size));
    return 0;
}
