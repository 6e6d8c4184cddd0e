#include "../../schemas/ack.h"
#include "help.h"

TestSuite(ack);

Test(ack, levels_come_back_from_their_text) {
    static const char *const texts[] = {"default", "leader", "one", "majority", "all", "leader+dcs:1", "all+dcs:31"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ack a = {.timeout_ms = 7};
        struct buf b = {0};
        cr_assert(ack_parse(slice_text(texts[i]), &a), "%s", texts[i]);
        ack_format(&a, &b);
        cr_assert(slice_equal(buf_slice_of(&b), slice_text(texts[i])), "%s", texts[i]);
        cr_assert_eq(a.timeout_ms, 7u);
        buf_finish(&b);
    }
    struct ack a = {0};
    cr_assert(ack_parse(slice_text("dcs:2"), &a));
    cr_assert(a.level == ACK_MAJORITY && a.dcs == 2);
}

Test(ack, what_is_no_level_is_refused) {
    static const char *const texts[] = {"",       "most",          "leader+", "leader+dcs:", "leader+dcs:0", "leader+dcs:32",
                                        "dcs:01", "default+dcs:1", "+dcs:1",  "leader+one"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ack a = {ACK_ONE, 3, 5};
        cr_assert(!ack_parse(slice_text(texts[i]), &a), "%s", texts[i]);
        cr_assert(a.level == ACK_ONE && a.dcs == 3);
    }
    enum read_level r;
    cr_assert(read_level_parse(slice_text("quorum"), &r) && r == READ_QUORUM);
    cr_assert(!read_level_parse(slice_text("quorums"), &r));
}
