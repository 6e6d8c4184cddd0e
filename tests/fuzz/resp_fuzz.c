/* Requests of clients: what is parsed at once is parsed the same when it comes in pieces. */
#include "../../dc-node/io/resp.h"
#include "fuzz.h"

/* All commands, or the error, as bytes. */
static void parse(struct slice in, size_t step, struct buf *out) {
    struct resp_parser p = {0};
    size_t begin = 0, there = 0;
    for (bool done = false; !done;) {
        size_t used = 0;
        enum resp_result r = resp_parse(&p, SLICE(in.p + begin, there - begin), &used);
        EXPECT(used <= there - begin, "no more used than there is");
        begin += used;
        if (r == RESP_COMMAND) {
            EXPECT(p.argc >= 1 && used > 0, "a command of one argument at least");
            buf_varint(out, p.argc);
            for (uint32_t i = 0; i < p.argc; i++) buf_slice(out, p.argv[i]);
        } else if (r == RESP_BAD) {
            buf_text(out, p.error);
            done = true;
        } else {
            EXPECT(p.wanted > 0, "that an incomplete command wants more");
            done = there == in.n;
            there = there + step < in.n ? there + step : in.n;
        }
    }
    resp_finish(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct buf whole = {0}, parts = {0};
    struct slice in = SLICE(data + 1, size - 1);
    parse(in, in.n + 1, &whole);
    parse(in, (size_t)data[0] % 16 + 1, &parts);
    expect_bytes(buf_slice_of(&parts), buf_slice_of(&whole), "the same commands from pieces");
    buf_finish(&whole);
    buf_finish(&parts);
    return 0;
}
