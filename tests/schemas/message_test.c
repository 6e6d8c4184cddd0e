#include "help.h"

TestSuite(message);

static struct slice S(const char *s) {
    return slice_text(s);
}

/* One message of each type; index is type - 1. Golden frames, without the checksum that ends them. */
static const char *const golden[] = {
    "35000000 04 01  0464656d6f027573ac02010000000000000002000000000000000300000000000000040000000000000001",
    "0f000000 04 02  05026e6f01",
    "2f000000 04 03  0680080202757302617002026575022200000000000000140275730111000000000000000a",
    "12000000 04 04  07ac02626c6f636b",
    "1c000000 04 05  08ac0204010275730111000000000000000b",
    "56000000 04 06  "
    "80d095ffbc3104ac02f4d395ffbc3109ac02080706050403020101fa01181716151413121128272625242322210201010265750222000000000000000c0101026575022200000000"
    "0000000b",
    "31000000 04 07  0200000000000000ac020103000402ac0202010275730111000000000000000a0347455400016b",
    "21000000 04 08  ac020101020275730111000000000000000d2b4f4b0d0a",
    "10000000 04 09  ac0201010101",
    "23000000 04 0a  ac0201010180d095ffbc31010265750222000000000000000c",
    "0c000000 04 0b  ac02",
    [MESSAGE_ROW_ASK - 1] = ("38000000 04 0c  0807060504030201 07 0200000000000000 0300000000000000  01  02 6575 02 2200000000000000 0e  "
                             "02 01 6b 03 726f77"),
    [MESSAGE_ROW_TOLD - 1] = "2d000000 04 0d  0807060504030201 04 02 ffffffffffffffff  01  02 7573 01 1100000000000000 0f  01 01 78",
    [MESSAGE_REPORT - 1] = ("61000000 04 11  02 6575 02  80d095ffbc31 ac02  1817161514131211 2200000000000000 81d095ffbc31 0807060504030201 01  "
                            "01 02 7573 01 1100000000000000 10  01 01 02 7573 01 1100000000000000 0f  0e 02 7573 ac02 0807060504030201 02"),
    [MESSAGE_TRANSFER_ASK - 1] = ("47000000 04 0e  0200000000000000 0300000000000000 01 02 726b ac02 8008 01  01 02 7573 01 1100000000000000 10  "
                                  "0400000000000000  01 02 6575 02 2200000000000000 11"),
    [MESSAGE_TRANSFER_ROWS - 1] = ("3d000000 04 0f  0200000000000000 0300000000000000 00 08 3132333435363738 01 00 ac02 b002 01  "
                                   "01 02 7573 01 1100000000000000 12  726f7773"),
    [MESSAGE_TRANSFER_END - 1] = ("3f000000 04 10  0200000000000000 0300000000000000 02  01 02 7573 01 1100000000000000 13  "
                                  "01 02 6575 02 2200000000000000 14  07 736f7572636573"),
};

static struct message message_of(enum message_type type, struct origins *t) {
    struct message m;
    memset(&m, 0, sizeof m);
    m.type = type;
    origin_ref us = origin_named(t, "us", 1, 0x11), eu = origin_named(t, "eu", 2, 0x22);
    switch (type) {
    case MESSAGE_HELLO:
        m.hello.cluster = S("demo");
        m.hello.dc = S("us");
        m.hello.node = 300;
        m.hello.incarnation = 1;
        m.hello.run = 2;
        m.hello.secret = 3;
        m.hello.definitions = 4;
        m.hello.unpacks = 1;
        break;
    case MESSAGE_REFUSE:
        m.refuse.subscription = 5;
        m.refuse.reason = S("no");
        m.refuse.transfers = 1;
        break;
    case MESSAGE_SUBSCRIBE:
        m.subscribe.subscription = 6;
        m.subscribe.window_bytes = 1024;
        m.subscribe.dcs_count = 2;
        m.subscribe.dcs[0] = S("us");
        m.subscribe.dcs[1] = S("ap");
        vv_set(&m.subscribe.vv, us, 10);
        vv_set(&m.subscribe.vv, eu, 20);
        break;
    case MESSAGE_EVENTS:
        m.events.subscription = 7;
        m.events.sent_bytes = 300;
        m.events.block = S("block");
        break;
    case MESSAGE_ACK:
        m.ack.subscription = 8;
        m.ack.taken_bytes = 300;
        m.ack.term = 4;
        vv_set(&m.ack.on_disk, us, 11);
        break;
    case MESSAGE_HEARTBEAT:
        m.heartbeat.wall_ms = 1700000000000;
        m.heartbeat.term = 4;
        m.heartbeat.round = 300;
        m.heartbeat.promised_ms = 1700000000500;
        m.heartbeat.subscription = 9;
        m.heartbeat.sent_bytes = 300;
        m.heartbeat.digest = UINT64_C(0x0102030405060708);
        m.heartbeat.is_leader = 1;
        m.heartbeat.silent_ms = 250;
        m.heartbeat.run = UINT64_C(0x1112131415161718);
        m.heartbeat.incarnation = UINT64_C(0x2122232425262728);
        m.heartbeat.knows = KNOWS_BEHIND;
        m.heartbeat.is_returning = 1;
        m.heartbeat.has_synced = 1;
        vv_set(&m.heartbeat.synced, eu, 11);
        vv_set(&m.heartbeat.vv, eu, 12);
        break;
    case MESSAGE_FORWARD:
        m.forward.run = 2;
        m.forward.session = 300;
        m.forward.request = 1;
        m.forward.protocol = 3;
        m.forward.ack = (struct ack){ACK_ALL, 2, 300};
        m.forward.reads = READ_LINEARIZABLE;
        vv_set(&m.forward.vv, us, 10);
        m.forward.args = SLICE("\x03GET\x00\x01k", 7);
        m.forward.argc = 3;
        break;
    case MESSAGE_ANSWER:
        m.answer.session = 300;
        m.answer.request = 1;
        m.answer.pinned = 1;
        m.answer.dot = (struct dot){us, 13};
        m.answer.wrote = true;
        m.answer.reply = S("+OK\r\n");
        break;
    case MESSAGE_VOTE:
        m.vote.term = 300;
        m.vote.pre = 1;
        m.vote.takes_over = 1;
        m.vote.admitted = 1;
        m.vote.dc_has_written = 1;
        break;
    case MESSAGE_VOTED:
        m.voted.term = 300;
        m.voted.pre = 1;
        m.voted.granted = 1;
        m.voted.admitted = 1;
        m.voted.promised_ms = 1700000000000;
        vv_set(&m.voted.vv, eu, 12);
        break;
    case MESSAGE_LEAD: m.lead.term = 300; break;
    case MESSAGE_ROW_ASK:
        m.row_ask.ask = UINT64_C(0x0102030405060708);
        m.row_ask.what = ROW_ASK_REPLACE;
        m.row_ask.from = 2;
        m.row_ask.to = 3;
        vv_set(&m.row_ask.vv, eu, 14);
        m.row_ask.argc = 2;
        m.row_ask.args = SLICE("\x01k\x03row", 6);
        break;
    case MESSAGE_ROW_TOLD:
        m.row_told.ask = UINT64_C(0x0102030405060708);
        m.row_told.what = ROW_ASK_PARTS;
        m.row_told.outcome = ROW_TOO_LARGE;
        m.row_told.upto = UINT64_MAX;
        vv_set(&m.row_told.vv, us, 15);
        m.row_told.argc = 1;
        m.row_told.args = SLICE("\x01x", 2);
        break;
    case MESSAGE_TRANSFER_ASK:
        m.transfer_ask.transfer = 2;
        m.transfer_ask.snapshot = 3;
        m.transfer_ask.phase = TRANSFER_OF_JOURNAL;
        m.transfer_ask.from = S("rk");
        m.transfer_ask.offset = 300;
        m.transfer_ask.window_bytes = 1024;
        m.transfer_ask.full = 1;
        vv_set(&m.transfer_ask.vv, us, 16);
        m.transfer_ask.staged_upto = 4;
        vv_set(&m.transfer_ask.staged_vv, eu, 17);
        break;
    case MESSAGE_TRANSFER_ROWS:
        m.transfer_rows.transfer = 2;
        m.transfer_rows.snapshot = 3;
        m.transfer_rows.phase = TRANSFER_OF_ROWS;
        m.transfer_rows.from = S("12345678");
        m.transfer_rows.next_phase = TRANSFER_OF_JOURNAL;
        m.transfer_rows.next = S("");
        m.transfer_rows.offset = 300;
        m.transfer_rows.total = 304;
        m.transfer_rows.full = 1;
        vv_set(&m.transfer_rows.vv, us, 18);
        m.transfer_rows.bytes = S("rows");
        break;
    case MESSAGE_TRANSFER_END:
        m.transfer_end.transfer = 2;
        m.transfer_end.snapshot = 3;
        m.transfer_end.how = TRANSFER_ANEW;
        vv_set(&m.transfer_end.vv, us, 19);
        vv_set(&m.transfer_end.floor, eu, 20);
        m.transfer_end.sources = S("sources");
        break;
    case MESSAGE_REPORT:
        m.report.dc = S("eu");
        m.report.node = 2;
        m.report.epoch = 1700000000000;
        m.report.seq = 300;
        m.report.run = UINT64_C(0x1112131415161718);
        m.report.incarnation = 0x22;
        m.report.wall_ms = 1700000000001;
        m.report.digest = UINT64_C(0x0102030405060708);
        m.report.is_returning = 1;
        m.report.has_synced = 1;
        vv_set(&m.report.vv, us, 16);
        vv_set(&m.report.synced, us, 15);
        m.report.knows = SLICE("\x02us\xac\x02\x08\x07\x06\x05\x04\x03\x02\x01\x02", 14); /* us-300 */
        break;
    }
    return m;
}

static enum message_type type_after(enum message_type type) {
    do type++;
    while (type < MESSAGE_REPORT && strcmp(message_type_name(type), "?") == 0);
    return type;
}

#define EACH_TYPE(type)                                                                                                                              \
    enum message_type type = MESSAGE_HELLO;                                                                                                          \
    type <= MESSAGE_REPORT;                                                                                                                          \
    type = type_after(type)

static void frame_of(enum message_type type, struct origins *t, struct buf *out) {
    struct message m = message_of(type, t);
    buf_clear(out);
    message_encode(&m, t, out);
    message_finish(&m);
}

Test(message, frames_are_golden) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        uint64_t checksum = hash64(SLICE(b.p + 4, b.n - 12));
        struct reader r = reader_of(SLICE(b.p + b.n - 8, 8));
        cr_assert_eq(read_u64(&r), checksum);
        b.n -= 8;
        CHECK_HEX(b, golden[type - 1]);
    }
    frame_of(MESSAGE_REFUSE, t, &b);
    CHECK_HEX(b, "0f000000 04 02  05026e6f01 04a212826acfd0e9");
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, every_type_comes_back_and_encodes_to_the_same_frame) {
    struct origins *t = origins_create(), *other = origins_create();
    struct buf b = {0}, again = {0};
    origin_named(other, "eu", 2, 0x22); /* in another order than in t */
    for (EACH_TYPE(type)) {
        struct message m;
        size_t size = 0;
        const char *why = NULL;
        frame_of(type, t, &b);
        size_t n = b.n;
        buf_text(&b, "the next frame");
        cr_assert_eq(message_decode(buf_slice_of(&b), other, &m, &size, &why), FRAME_OK, "%s: %s", message_type_name(type), why);
        cr_assert_eq(size, n);
        cr_assert_eq(m.type, type);
        buf_clear(&again);
        message_encode(&m, other, &again);
        cr_assert(slice_equal(buf_slice_of(&again), SLICE(b.p, n)), "%s", message_type_name(type));
        message_finish(&m);
    }
    buf_finish(&b), buf_finish(&again);
    origins_destroy(t), origins_destroy(other);
}

Test(message, fields_come_back) {
    struct origins *t = origins_create();
    struct buf b = {0};
    struct message m;
    size_t size;
    const char *why;
    frame_of(MESSAGE_FORWARD, t, &b);
    cr_assert_eq(message_decode(buf_slice_of(&b), t, &m, &size, &why), FRAME_OK);
    cr_assert_eq(m.forward.run, 2u);
    cr_assert_eq(m.forward.session, 300u);
    cr_assert_eq(m.forward.argc, 3u, "arguments are counted, empty ones too");
    struct reader r = reader_of(m.forward.args);
    cr_assert(slice_equal(read_slice(&r), S("GET")));
    cr_assert(slice_equal(read_slice(&r), S("")));
    cr_assert(slice_equal(read_slice(&r), S("k")));
    cr_assert(read_done(&r));
    frame_of(MESSAGE_SUBSCRIBE, t, &b);
    cr_assert_eq(message_decode(buf_slice_of(&b), t, &m, &size, &why), FRAME_OK);
    cr_assert_eq(m.subscribe.dcs_count, 2u);
    cr_assert(slice_equal(m.subscribe.dcs[1], S("ap")));
    cr_assert_eq(vv_get(&m.subscribe.vv, origin_named(t, "eu", 2, 0x22)), 20u);
    message_finish(&m);
    frame_of(MESSAGE_ANSWER, t, &b);
    cr_assert_eq(message_decode(buf_slice_of(&b), t, &m, &size, &why), FRAME_OK);
    cr_assert(dot_equal(m.answer.dot, (struct dot){origin_named(t, "us", 1, 0x11), 13}));
    cr_assert(slice_equal(m.answer.reply, S("+OK\r\n")));
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, an_incomplete_frame_wants_more) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        for (size_t n = 0; n < b.n; n++) {
            struct slice cut = exact_copy(SLICE(b.p, n));
            struct message m;
            size_t size;
            const char *why;
            cr_assert_eq(message_decode(cut, t, &m, &size, &why), FRAME_MORE, "%s cut to %zu bytes", message_type_name(type), n);
            free_copy(cut);
        }
    }
    buf_finish(&b);
    origins_destroy(t);
}

/* What a frame grows to when a flipped bit makes its length larger: zeros follow. */
static enum frame_result decode_flipped(struct buf *frame, size_t bit, struct origins *t) {
    struct message m;
    size_t size;
    const char *why = NULL;
    frame->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    struct slice copy = exact_copy(buf_slice_of(frame));
    enum frame_result result = message_decode(copy, t, &m, &size, &why);
    if (result == FRAME_BAD) cr_assert_not_null(why);
    free_copy(copy);
    if (result == FRAME_MORE) {
        cr_assert_lt(bit, 32u, "only a length can want more");
        struct buf grown = {0};
        struct reader length = reader_of(buf_slice_of(frame));
        size_t whole = 4 + (size_t)read_u32(&length);
        memset(buf_reserve(&grown, whole), 0, whole);
        memcpy(grown.p, frame->p, frame->n);
        grown.n = whole;
        result = message_decode(buf_slice_of(&grown), t, &m, &size, &why);
        buf_finish(&grown);
    }
    frame->p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    return result;
}

Test(message, a_flipped_bit_anywhere_is_refused) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        for (size_t bit = 0; bit < 8 * b.n; bit++) cr_assert_eq(decode_flipped(&b, bit, t), FRAME_BAD, "%s, bit %zu", message_type_name(type), bit);
    }
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, a_flipped_byte_anywhere_is_refused) {
    struct origins *t = origins_create();
    struct buf b = {0};
    struct message m;
    size_t size;
    const char *why;
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        for (size_t at = 4; at < b.n; at++) {
            for (unsigned mask = 1; mask < 256; mask++) {
                b.p[at] ^= (uint8_t)mask;
                cr_assert_eq(message_decode(buf_slice_of(&b), t, &m, &size, &why), FRAME_BAD);
                b.p[at] ^= (uint8_t)mask;
            }
        }
    }
    buf_finish(&b);
    origins_destroy(t);
}

/* ---- payloads that lie although their frame is sound ---- */
static enum frame_result decode_payload(uint8_t type, struct slice payload, struct origins *t) {
    struct buf b = {0};
    struct message m;
    size_t size;
    const char *why = NULL;
    buf_u32(&b, (uint32_t)payload.n + 10);
    buf_u8(&b, MESSAGE_VERSION);
    buf_u8(&b, type);
    buf_put(&b, payload.p, payload.n);
    buf_u64(&b, hash64(SLICE(b.p + 4, b.n - 4)));
    struct slice copy = exact_copy(buf_slice_of(&b));
    enum frame_result result = message_decode(copy, t, &m, &size, &why);
    if (result == FRAME_OK) message_finish(&m);
    free_copy(copy);
    buf_finish(&b);
    return result;
}

/* Types whose payload ends with bytes of any length. */
static size_t shortest_payload(enum message_type type, size_t whole) {
    switch (type) {
    case MESSAGE_EVENTS:
    case MESSAGE_ANSWER: return whole - 5;
    case MESSAGE_TRANSFER_ROWS: return whole - 4;
    default: return whole;
    }
}

Test(message, a_payload_cut_anywhere_or_with_a_byte_too_many_is_refused) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        struct slice payload = SLICE(b.p + 6, b.n - 14);
        cr_assert_eq(decode_payload((uint8_t)type, payload, t), FRAME_OK);
        for (size_t n = 0; n < shortest_payload(type, payload.n); n++) {
            if (type == MESSAGE_FORWARD && (n == payload.n - 2 || n == payload.n - 3)) continue; /* one or two arguments less */
            cr_assert_eq(decode_payload((uint8_t)type, SLICE(payload.p, n), t), FRAME_BAD, "%s cut to %zu bytes", message_type_name(type), n);
        }
        if (type == MESSAGE_EVENTS || type == MESSAGE_ANSWER || type == MESSAGE_FORWARD) continue;
        b.p[b.n - 8] = 0; /* a byte of the checksum now follows the payload */
        cr_assert_eq(decode_payload((uint8_t)type, SLICE(payload.p, payload.n + 1), t), FRAME_BAD);
    }
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, flipped_payloads_are_refused_or_encode_to_the_same_frame) {
    struct origins *t = origins_create();
    struct buf b = {0}, again = {0};
    for (EACH_TYPE(type)) {
        frame_of(type, t, &b);
        for (size_t bit = 8 * 6; bit < 8 * (b.n - 8); bit++) {
            b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            uint64_t checksum = hash64(SLICE(b.p + 4, b.n - 12));
            for (unsigned i = 0; i < 8; i++) b.p[b.n - 8 + i] = (uint8_t)(checksum >> (8 * i));
            struct message m;
            size_t size;
            const char *why;
            if (message_decode(buf_slice_of(&b), t, &m, &size, &why) == FRAME_OK) {
                buf_clear(&again);
                message_encode(&m, t, &again);
                cr_assert(slice_equal(buf_slice_of(&again), buf_slice_of(&b)), "%s, bit %zu", message_type_name(type), bit);
                message_finish(&m);
            }
            b.p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
    buf_finish(&b), buf_finish(&again);
    origins_destroy(t);
}

static void check_start_refused(const char *bytes, size_t n, const char *want) {
    struct origins *t = origins_create();
    struct message m;
    size_t size;
    const char *why = NULL;
    cr_assert_eq(message_decode(SLICE(bytes, n), t, &m, &size, &why), FRAME_BAD, "%s", want);
    cr_assert_str_eq(why, want);
    origins_destroy(t);
}

Test(message, what_cannot_become_a_frame_is_refused_from_its_first_bytes) {
    check_start_refused("\x00\x00\x00\x00", 4, "expected a frame of at least 14 bytes");
    check_start_refused("\x09\x00\x00\x00", 4, "expected a frame of at least 14 bytes");
    check_start_refused("\xff\xff\xff\xff", 4, "expected a frame of at most 16 MiB");
    check_start_refused("\xfd\xff\xff\x00", 4, "expected a frame of at most 16 MiB");
    check_start_refused("\xfc\xff\xff\x00\x01", 5, "expected message version 4");
    check_start_refused("\xfc\xff\xff\x00\x04\x00", 6, "expected a known message type");
    check_start_refused("\xfc\xff\xff\x00\x04\x7f", 6, "expected a known message type");
    check_start_refused("GET / HTTP/1.1\r\n", 16, "expected a frame of at most 16 MiB");
    check_start_refused("*1\r\n$4\r\nPING\r\n", 14, "expected a frame of at most 16 MiB");
    check_start_refused("\x0a\x00\x00\x00\x04\x04\0\0\0\0\0\0\0\0", 14, "expected a frame whose checksum holds");
}

Test(message, lies_in_sound_frames_are_refused) {
    struct origins *t = origins_create();
    struct buf b = {0};
    buf_slice(&b, S("Demo")), buf_slice(&b, S("us")), buf_u8(&b, 1), buf_u64(&b, 1), buf_u64(&b, 2), buf_u64(&b, 3), buf_u64(&b, 4), buf_u8(&b, 1);
    cr_assert_eq(decode_payload(MESSAGE_HELLO, buf_slice_of(&b), t), FRAME_BAD, "a cluster of a name that is not allowed");
    b.p[1] = 'd';
    cr_assert_eq(decode_payload(MESSAGE_HELLO, buf_slice_of(&b), t), FRAME_OK);
    b.p[8] = 0;
    cr_assert_eq(decode_payload(MESSAGE_HELLO, buf_slice_of(&b), t), FRAME_BAD, "node 0");

    buf_clear(&b);
    buf_u8(&b, 1), buf_u8(&b, 1), buf_varint(&b, SCOPE_DCS_MAX + 1);
    for (int i = 0; i <= SCOPE_DCS_MAX; i++) buf_slice(&b, S("us"));
    buf_u8(&b, 0);
    cr_assert_eq(decode_payload(MESSAGE_SUBSCRIBE, buf_slice_of(&b), t), FRAME_BAD, "more DCs than are allowed");

    buf_clear(&b);
    buf_varint(&b, UINT64_C(1) << 32), buf_slice(&b, S("no"));
    cr_assert_eq(decode_payload(MESSAGE_REFUSE, buf_slice_of(&b), t), FRAME_BAD, "a subscription beyond 32 bits");

    static const struct {
        uint8_t protocol, close;
        bool args, sound;
    } forwards[] = {{2, 0, true, true},   {3, 0, true, true},  {4, 0, true, false}, {0, 0, true, false},
                    {2, 0, false, false}, {2, 1, false, true}, {0, 1, false, true}, {2, 2, true, false}};
    for (size_t i = 0; i < sizeof forwards / sizeof *forwards; i++) {
        buf_clear(&b);
        buf_u64(&b, 1), buf_u8(&b, 1), buf_u8(&b, 1), buf_u8(&b, forwards[i].protocol), buf_u8(&b, forwards[i].close);
        for (int field = 0; field < 5; field++) buf_u8(&b, 0); /* what it waits for */
        if (forwards[i].args) buf_slice(&b, S("PING"));
        cr_assert_eq(decode_payload(MESSAGE_FORWARD, buf_slice_of(&b), t), forwards[i].sound ? FRAME_OK : FRAME_BAD, "forward %zu", i);
    }
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, an_answer_names_no_dot_one_to_wait_for_or_its_sessions_own_write) {
    struct origins *t = origins_create();
    for (uint8_t how = 0; how <= 3; how++) {
        struct buf b = {0};
        buf_u8(&b, 1), buf_u8(&b, 1), buf_u8(&b, 0), buf_u8(&b, how);
        if (how != 0) dot_encode(t, (struct dot){origin_named(t, "us", 1, 0x11), 13}, &b);
        cr_assert_eq(decode_payload(MESSAGE_ANSWER, buf_slice_of(&b), t), how <= 2 ? FRAME_OK : FRAME_BAD);
        buf_finish(&b);
    }
    for (int wrote = 0; wrote <= 1; wrote++) {
        struct message m = {.type = MESSAGE_ANSWER}, back;
        struct buf frame = {0};
        size_t size;
        const char *why;
        m.answer.dot = (struct dot){origin_named(t, "us", 1, 0x11), 13};
        m.answer.wrote = wrote;
        message_encode(&m, t, &frame);
        cr_assert_eq(message_decode(buf_slice_of(&frame), t, &back, &size, &why), FRAME_OK);
        cr_assert(back.answer.wrote == (wrote == 1) && dot_equal(back.answer.dot, m.answer.dot));
        buf_finish(&frame);
    }
    origins_destroy(t);
}

Test(message, a_refused_frame_enters_no_origin) {
    struct origins *t = origins_create(), *other = origins_create();
    struct buf b = {0};
    struct message m;
    size_t size;
    const char *why;
    frame_of(MESSAGE_SUBSCRIBE, t, &b);
    b.p[b.n - 1] ^= 1;
    cr_assert_eq(message_decode(buf_slice_of(&b), other, &m, &size, &why), FRAME_BAD);
    cr_assert_eq(origins_count(other), 0u);
    buf_finish(&b);
    origins_destroy(t), origins_destroy(other);
}

Test(message, frames_in_a_row_are_taken_one_by_one) {
    struct origins *t = origins_create();
    struct buf b = {0};
    for (EACH_TYPE(type)) {
        struct message m = message_of(type, t);
        message_encode(&m, t, &b);
        message_finish(&m);
    }
    size_t at = 0;
    for (EACH_TYPE(type)) {
        struct message m;
        size_t size;
        const char *why;
        cr_assert_eq(message_decode(SLICE(b.p + at, b.n - at), t, &m, &size, &why), FRAME_OK);
        cr_assert_eq(m.type, type);
        message_finish(&m);
        at += size;
    }
    cr_assert_eq(at, b.n);
    buf_finish(&b);
    origins_destroy(t);
}

Test(message, types_have_names) {
    cr_assert_str_eq(message_type_name(MESSAGE_HELLO), "HELLO");
    cr_assert_str_eq(message_type_name(MESSAGE_ANSWER), "ANSWER");
    cr_assert_str_eq(message_type_name((enum message_type)77), "?");
}
