/* The first byte says what the rest is: bytes as they come from a link, or version, type and payload, which get their length and checksum here,
 * because no fuzzer guesses a checksum. */
#include "again.h"

static void check_frames(struct slice bytes) {
    struct origins *t = origins_create();
    for (;;) {
        struct message m;
        size_t size;
        const char *why = NULL;
        enum frame_result result = message_decode(bytes, t, &m, &size, &why);
        EXPECT(result != FRAME_BAD || why != NULL, "a reason for the refusal");
        if (result != FRAME_OK) break;
        struct buf again = {0};
        message_encode(&m, t, &again);
        EXPECT(size <= bytes.n, "no more bytes used than there are");
        expect_bytes(buf_slice_of(&again), SLICE(bytes.p, size), "the same frame again");
        if (m.type == MESSAGE_EVENTS) check_block(m.events.block, t);
        buf_finish(&again);
        message_finish(&m);
        bytes = SLICE(bytes.p + size, bytes.n - size);
    }
    origins_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct slice rest = SLICE(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        check_frames(rest);
        return 0;
    }
    struct buf frame = {0};
    buf_u32(&frame, (uint32_t)rest.n + 8);
    buf_put(&frame, rest.p, rest.n);
    buf_u64(&frame, hash64(rest));
    check_frames(buf_slice_of(&frame));
    buf_finish(&frame);
    return 0;
}
