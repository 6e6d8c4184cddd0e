/* I16: what a node holds in memory stays within what its cluster allows. */
#include "checks.h"

#define STEP_BYTES (256u * 1024) /* what is taken in together may go beyond by a few blocks; the next step takes it back */

void check_memory(struct history *h, uint32_t node, uint64_t bytes, uint64_t bytes_max) {
    if (bytes > bytes_max + STEP_BYTES)
        history_fail(h, "I16", "node %u holds %llu bytes of rows, log and waiting events in memory, where %llu are allowed", node,
                     (unsigned long long)bytes, (unsigned long long)bytes_max);
}
