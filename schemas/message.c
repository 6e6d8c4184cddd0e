#include "message.h"
#include <assert.h>
#include <string.h>

#define LENGTH_BYTES   4u
#define CHECKSUM_BYTES 8u

const char *message_type_name(enum message_type type) {
    switch (type) {
#define X(name, number, doc)                                                                                                                         \
    case MESSAGE_##name: return #name;
        MESSAGES(X)
#undef X
    }
    return "?";
}

void message_finish(struct message *m) {
    switch (m->type) {
    case MESSAGE_SUBSCRIBE: vv_finish(&m->subscribe.vv); break;
    case MESSAGE_ACK: vv_finish(&m->ack.on_disk); break;
    case MESSAGE_FORWARD: vv_finish(&m->forward.vv); break;
    case MESSAGE_HEARTBEAT:
        vv_finish(&m->heartbeat.vv);
        vv_finish(&m->heartbeat.synced);
        break;
    case MESSAGE_VOTED: vv_finish(&m->voted.vv); break;
    case MESSAGE_ROW_ASK: vv_finish(&m->row_ask.vv); break;
    case MESSAGE_ROW_TOLD: vv_finish(&m->row_told.vv); break;
    case MESSAGE_REPORT:
        vv_finish(&m->report.vv);
        vv_finish(&m->report.synced);
        break;
    case MESSAGE_TRANSFER_ASK:
        vv_finish(&m->transfer_ask.vv);
        vv_finish(&m->transfer_ask.staged_vv);
        break;
    case MESSAGE_TRANSFER_ROWS: vv_finish(&m->transfer_rows.vv); break;
    case MESSAGE_TRANSFER_END:
        vv_finish(&m->transfer_end.vv);
        vv_finish(&m->transfer_end.floor);
        break;
    case MESSAGE_VOTE:
    case MESSAGE_LEAD:
    case MESSAGE_HELLO:
    case MESSAGE_REFUSE:
    case MESSAGE_EVENTS:
    case MESSAGE_ANSWER: break;
    }
}

/* ---- payloads, each pair in the order of the fields ---- */
static bool read_flag(struct reader *r) {
    uint8_t v = read_u8(r);
    if (v > 1) read_refuse(r);
    return v == 1;
}

static void put_hello(const struct message *m, struct buf *out) {
    buf_slice(out, m->hello.cluster);
    buf_slice(out, m->hello.dc);
    buf_varint(out, m->hello.node);
    buf_u64(out, m->hello.incarnation);
    buf_u64(out, m->hello.run);
    buf_u64(out, m->hello.secret);
    buf_u64(out, m->hello.definitions);
    buf_u8(out, m->hello.unpacks != 0);
}

static void read_hello(struct reader *r, struct message *m) {
    m->hello.cluster = read_slice(r);
    m->hello.dc = read_slice(r);
    uint64_t node = read_varint(r);
    m->hello.node = (uint16_t)node;
    m->hello.incarnation = read_u64(r);
    m->hello.run = read_u64(r);
    m->hello.secret = read_u64(r);
    m->hello.definitions = read_u64(r);
    m->hello.unpacks = read_flag(r);
    if (node == 0 || node > UINT16_MAX || !name_allowed(m->hello.cluster) || !name_allowed(m->hello.dc)) read_refuse(r);
}

static uint32_t read_u32_varint(struct reader *r) {
    uint64_t v = read_varint(r);
    if (v > UINT32_MAX) read_refuse(r);
    return (uint32_t)v;
}

static void put_refuse(const struct message *m, struct buf *out) {
    buf_varint(out, m->refuse.subscription);
    buf_slice(out, m->refuse.reason);
    buf_u8(out, m->refuse.transfers != 0);
}

static void read_refuse_message(struct reader *r, struct message *m) {
    m->refuse.subscription = read_u32_varint(r);
    m->refuse.reason = read_slice(r);
    m->refuse.transfers = read_flag(r);
}

static void put_subscribe(const struct message *m, const struct origins *t, struct buf *out) {
    assert(m->subscribe.dcs_count <= SCOPE_DCS_MAX);
    buf_varint(out, m->subscribe.subscription);
    buf_varint(out, m->subscribe.window_bytes);
    buf_varint(out, m->subscribe.dcs_count);
    for (uint32_t i = 0; i < m->subscribe.dcs_count; i++) buf_slice(out, m->subscribe.dcs[i]);
    vv_encode(&m->subscribe.vv, t, out);
}

static void read_subscribe(struct reader *r, struct origins *t, struct message *m) {
    m->subscribe.subscription = read_u32_varint(r);
    m->subscribe.window_bytes = read_u32_varint(r);
    m->subscribe.dcs_count = read_u32_varint(r);
    if (m->subscribe.dcs_count > SCOPE_DCS_MAX) return read_refuse(r);
    for (uint32_t i = 0; i < m->subscribe.dcs_count; i++) {
        m->subscribe.dcs[i] = read_slice(r);
        if (!name_allowed(m->subscribe.dcs[i])) return read_refuse(r);
    }
    vv_decode(r, t, &m->subscribe.vv);
}

static void put_events(const struct message *m, struct buf *out) {
    buf_varint(out, m->events.subscription);
    buf_varint(out, m->events.sent_bytes);
    buf_put(out, m->events.block.p, m->events.block.n);
}

static void read_events(struct reader *r, struct message *m) {
    m->events.subscription = read_u32_varint(r);
    m->events.sent_bytes = read_varint(r);
    m->events.block = read_bytes(r, (size_t)(r->end - r->p));
}

static void put_ack(const struct message *m, const struct origins *t, struct buf *out) {
    buf_varint(out, m->ack.subscription);
    buf_varint(out, m->ack.taken_bytes);
    buf_varint(out, m->ack.term);
    vv_encode(&m->ack.on_disk, t, out);
}

static void read_ack(struct reader *r, struct origins *t, struct message *m) {
    m->ack.subscription = read_u32_varint(r);
    m->ack.taken_bytes = read_varint(r);
    m->ack.term = read_varint(r);
    vv_decode(r, t, &m->ack.on_disk);
}

static void put_heartbeat(const struct message *m, const struct origins *t, struct buf *out) {
    buf_varint(out, m->heartbeat.wall_ms);
    buf_varint(out, m->heartbeat.term);
    buf_varint(out, m->heartbeat.round);
    buf_varint(out, m->heartbeat.promised_ms);
    buf_varint(out, m->heartbeat.subscription);
    buf_varint(out, m->heartbeat.sent_bytes);
    buf_u64(out, m->heartbeat.digest);
    buf_u8(out, m->heartbeat.is_leader != 0);
    buf_varint(out, m->heartbeat.silent_ms);
    buf_u64(out, m->heartbeat.run);
    buf_u64(out, m->heartbeat.incarnation);
    buf_u8(out, m->heartbeat.knows);
    buf_u8(out, m->heartbeat.is_returning != 0);
    vv_encode(&m->heartbeat.vv, t, out);
    buf_u8(out, m->heartbeat.has_synced != 0);
    if (m->heartbeat.has_synced) vv_encode(&m->heartbeat.synced, t, out);
}

static void read_heartbeat(struct reader *r, struct origins *t, struct message *m) {
    m->heartbeat.wall_ms = read_varint(r);
    m->heartbeat.term = read_varint(r);
    m->heartbeat.round = read_varint(r);
    m->heartbeat.promised_ms = read_varint(r);
    m->heartbeat.subscription = read_u32_varint(r);
    m->heartbeat.sent_bytes = read_varint(r);
    m->heartbeat.digest = read_u64(r);
    m->heartbeat.is_leader = read_flag(r);
    m->heartbeat.silent_ms = read_u32_varint(r);
    m->heartbeat.run = read_u64(r);
    m->heartbeat.incarnation = read_u64(r);
    m->heartbeat.knows = read_u8(r);
    m->heartbeat.is_returning = read_flag(r);
    if (m->heartbeat.knows > KNOWS_BEHIND) read_refuse(r);
    vv_decode(r, t, &m->heartbeat.vv);
    m->heartbeat.has_synced = read_flag(r);
    if (m->heartbeat.has_synced) vv_decode(r, t, &m->heartbeat.synced);
}

static void put_forward(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->forward.run);
    buf_varint(out, m->forward.session);
    buf_varint(out, m->forward.request);
    buf_u8(out, m->forward.protocol);
    buf_u8(out, m->forward.close != 0);
    buf_u8(out, m->forward.ack.level);
    buf_u8(out, m->forward.ack.dcs);
    buf_varint(out, m->forward.ack.timeout_ms);
    buf_u8(out, m->forward.reads);
    vv_encode(&m->forward.vv, t, out);
    buf_put(out, m->forward.args.p, m->forward.args.n);
}

static void read_forward(struct reader *r, struct origins *t, struct message *m) {
    m->forward.run = read_u64(r);
    m->forward.session = read_varint(r);
    m->forward.request = read_varint(r);
    m->forward.protocol = read_u8(r);
    m->forward.close = read_flag(r);
    m->forward.ack.level = read_u8(r);
    m->forward.ack.dcs = read_u8(r);
    m->forward.ack.timeout_ms = read_u32_varint(r);
    m->forward.reads = read_u8(r);
    vv_decode(r, t, &m->forward.vv);
    if (m->forward.ack.level > ACK_ALL || m->forward.reads > READ_LINEARIZABLE) read_refuse(r);
    m->forward.args = SLICE(r->p, (size_t)(r->end - r->p));
    m->forward.argc = 0;
    while (r->p < r->end) {
        read_slice(r);
        m->forward.argc++;
    }
    bool request = m->forward.argc > 0 && (m->forward.protocol == 2 || m->forward.protocol == 3);
    if (!request && !m->forward.close) read_refuse(r);
}

static void put_answer(const struct message *m, const struct origins *t, struct buf *out) {
    buf_varint(out, m->answer.session);
    buf_varint(out, m->answer.request);
    buf_u8(out, m->answer.pinned != 0);
    buf_u8(out, m->answer.dot.n == 0 ? 0 : m->answer.wrote ? 2 : 1);
    if (m->answer.dot.n != 0) dot_encode(t, m->answer.dot, out);
    buf_put(out, m->answer.reply.p, m->answer.reply.n);
}

static void read_answer(struct reader *r, struct origins *t, struct message *m) {
    m->answer.session = read_varint(r);
    m->answer.request = read_varint(r);
    m->answer.pinned = read_flag(r);
    uint8_t dot = read_u8(r);
    if (dot > 2) read_refuse(r);
    m->answer.wrote = dot == 2;
    m->answer.dot = dot ? dot_decode(r, t) : (struct dot){ORIGIN_NONE, 0};
    m->answer.reply = read_bytes(r, (size_t)(r->end - r->p));
}

static void put_vote(const struct message *m, struct buf *out) {
    buf_varint(out, m->vote.term);
    buf_u8(out, m->vote.pre != 0);
    buf_u8(out, m->vote.takes_over != 0);
    buf_u8(out, m->vote.admitted != 0);
    buf_u8(out, m->vote.dc_has_written != 0);
}

static void read_vote(struct reader *r, struct message *m) {
    m->vote.term = read_varint(r);
    m->vote.pre = read_flag(r);
    m->vote.takes_over = read_flag(r);
    m->vote.admitted = read_flag(r);
    m->vote.dc_has_written = read_flag(r);
}

static void put_voted(const struct message *m, const struct origins *t, struct buf *out) {
    buf_varint(out, m->voted.term);
    buf_u8(out, m->voted.pre != 0);
    buf_u8(out, m->voted.granted != 0);
    buf_u8(out, m->voted.admitted != 0);
    buf_varint(out, m->voted.promised_ms);
    vv_encode(&m->voted.vv, t, out);
}

static void read_voted(struct reader *r, struct origins *t, struct message *m) {
    m->voted.term = read_varint(r);
    m->voted.pre = read_flag(r);
    m->voted.granted = read_flag(r);
    m->voted.admitted = read_flag(r);
    m->voted.promised_ms = read_varint(r);
    vv_decode(r, t, &m->voted.vv);
}

/* varint count, then so many slices */
static void put_args(uint32_t argc, struct slice args, struct buf *out) {
    buf_varint(out, argc);
    buf_put(out, args.p, args.n);
}

static uint32_t read_args(struct reader *r, struct slice *ret) {
    uint32_t argc = read_u32_varint(r);
    const uint8_t *from = r->p;
    for (uint32_t i = 0; i < argc && !r->bad; i++) read_slice(r);
    *ret = SLICE(from, (size_t)(r->p - from));
    return argc;
}

static void put_row_ask(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->row_ask.ask);
    buf_u8(out, m->row_ask.what);
    buf_u64(out, m->row_ask.from);
    buf_u64(out, m->row_ask.to);
    vv_encode(&m->row_ask.vv, t, out);
    put_args(m->row_ask.argc, m->row_ask.args, out);
}

static void read_row_ask(struct reader *r, struct origins *t, struct message *m) {
    m->row_ask.ask = read_u64(r);
    m->row_ask.what = read_u8(r);
    m->row_ask.from = read_u64(r);
    m->row_ask.to = read_u64(r);
    if (m->row_ask.what < ROW_ASK_STATES || m->row_ask.what > ROW_ASK_REPLACE) read_refuse(r);
    vv_decode(r, t, &m->row_ask.vv);
    m->row_ask.argc = read_args(r, &m->row_ask.args);
}

static void put_row_told(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->row_told.ask);
    buf_u8(out, m->row_told.what);
    buf_u8(out, m->row_told.outcome);
    buf_u64(out, m->row_told.upto);
    vv_encode(&m->row_told.vv, t, out);
    put_args(m->row_told.argc, m->row_told.args, out);
}

static void read_row_told(struct reader *r, struct origins *t, struct message *m) {
    m->row_told.ask = read_u64(r);
    m->row_told.what = read_u8(r);
    m->row_told.outcome = read_u8(r);
    m->row_told.upto = read_u64(r);
    if (m->row_told.what < ROW_ASK_STATES || m->row_told.what > ROW_ASK_REPLACE || m->row_told.outcome > ROW_BEHIND) read_refuse(r);
    vv_decode(r, t, &m->row_told.vv);
    m->row_told.argc = read_args(r, &m->row_told.args);
}

static void put_transfer_ask(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->transfer_ask.transfer);
    buf_u64(out, m->transfer_ask.snapshot);
    buf_u8(out, m->transfer_ask.phase);
    buf_slice(out, m->transfer_ask.from);
    buf_varint(out, m->transfer_ask.offset);
    buf_varint(out, m->transfer_ask.window_bytes);
    buf_u8(out, m->transfer_ask.full != 0);
    vv_encode(&m->transfer_ask.vv, t, out);
    buf_u64(out, m->transfer_ask.staged_upto);
    vv_encode(&m->transfer_ask.staged_vv, t, out);
}

static uint8_t read_phase(struct reader *r) {
    uint8_t phase = read_u8(r);
    if (phase > TRANSFER_DONE) read_refuse(r);
    return phase;
}

static void read_transfer_ask(struct reader *r, struct origins *t, struct message *m) {
    m->transfer_ask.transfer = read_u64(r);
    m->transfer_ask.snapshot = read_u64(r);
    m->transfer_ask.phase = read_phase(r);
    m->transfer_ask.from = read_slice(r);
    m->transfer_ask.offset = read_varint(r);
    m->transfer_ask.window_bytes = read_u32_varint(r);
    m->transfer_ask.full = read_flag(r);
    vv_decode(r, t, &m->transfer_ask.vv);
    m->transfer_ask.staged_upto = read_u64(r);
    vv_decode(r, t, &m->transfer_ask.staged_vv);
}

static void put_transfer_rows(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->transfer_rows.transfer);
    buf_u64(out, m->transfer_rows.snapshot);
    buf_u8(out, m->transfer_rows.phase);
    buf_slice(out, m->transfer_rows.from);
    buf_u8(out, m->transfer_rows.next_phase);
    buf_slice(out, m->transfer_rows.next);
    buf_varint(out, m->transfer_rows.offset);
    buf_varint(out, m->transfer_rows.total);
    buf_u8(out, m->transfer_rows.full != 0);
    vv_encode(&m->transfer_rows.vv, t, out);
    buf_put(out, m->transfer_rows.bytes.p, m->transfer_rows.bytes.n);
}

static void read_transfer_rows(struct reader *r, struct origins *t, struct message *m) {
    m->transfer_rows.transfer = read_u64(r);
    m->transfer_rows.snapshot = read_u64(r);
    m->transfer_rows.phase = read_phase(r);
    m->transfer_rows.from = read_slice(r);
    m->transfer_rows.next_phase = read_phase(r);
    m->transfer_rows.next = read_slice(r);
    m->transfer_rows.offset = read_varint(r);
    m->transfer_rows.total = read_varint(r);
    m->transfer_rows.full = read_flag(r);
    vv_decode(r, t, &m->transfer_rows.vv);
    m->transfer_rows.bytes = read_bytes(r, (size_t)(r->end - r->p));
    if (m->transfer_rows.bytes.n > m->transfer_rows.total || m->transfer_rows.offset > m->transfer_rows.total - m->transfer_rows.bytes.n)
        read_refuse(r);
}

static void put_transfer_end(const struct message *m, const struct origins *t, struct buf *out) {
    buf_u64(out, m->transfer_end.transfer);
    buf_u64(out, m->transfer_end.snapshot);
    buf_u8(out, (uint8_t)m->transfer_end.how);
    vv_encode(&m->transfer_end.vv, t, out);
    vv_encode(&m->transfer_end.floor, t, out);
    buf_slice(out, m->transfer_end.sources);
}

static void read_transfer_end(struct reader *r, struct origins *t, struct message *m) {
    m->transfer_end.transfer = read_u64(r);
    m->transfer_end.snapshot = read_u64(r);
    uint8_t how = read_u8(r);
    if (how > TRANSFER_ANEW) read_refuse(r);
    m->transfer_end.how = (enum transfer_end)how;
    vv_decode(r, t, &m->transfer_end.vv);
    vv_decode(r, t, &m->transfer_end.floor);
    m->transfer_end.sources = read_slice(r);
}

void report_knows_put(const struct report_knows *k, struct buf *out) {
    buf_slice(out, k->dc);
    buf_varint(out, k->node);
    buf_u64(out, k->run);
    buf_u8(out, k->knows);
}

bool report_knows_next(struct reader *r, struct report_knows *ret) {
    if (r->bad || r->p == r->end) return false;
    struct report_knows k = {.dc = read_slice(r)};
    uint64_t node = read_varint(r);
    k.node = (uint16_t)node;
    k.run = read_u64(r);
    k.knows = read_u8(r);
    if (node == 0 || node > UINT16_MAX || !name_allowed(k.dc) || k.knows > KNOWS_BEHIND) read_refuse(r);
    if (r->bad) return false;
    *ret = k;
    return true;
}

static void put_report(const struct message *m, const struct origins *t, struct buf *out) {
    buf_slice(out, m->report.dc);
    buf_varint(out, m->report.node);
    buf_varint(out, m->report.epoch);
    buf_varint(out, m->report.seq);
    buf_u64(out, m->report.run);
    buf_u64(out, m->report.incarnation);
    buf_varint(out, m->report.wall_ms);
    buf_u64(out, m->report.digest);
    buf_u8(out, m->report.is_returning != 0);
    vv_encode(&m->report.vv, t, out);
    buf_u8(out, m->report.has_synced != 0);
    if (m->report.has_synced) vv_encode(&m->report.synced, t, out);
    buf_slice(out, m->report.knows);
}

static void read_report(struct reader *r, struct origins *t, struct message *m) {
    m->report.dc = read_slice(r);
    uint64_t node = read_varint(r);
    m->report.node = (uint16_t)node;
    m->report.epoch = read_varint(r);
    m->report.seq = read_varint(r);
    m->report.run = read_u64(r);
    m->report.incarnation = read_u64(r);
    m->report.wall_ms = read_varint(r);
    m->report.digest = read_u64(r);
    m->report.is_returning = read_flag(r);
    if (node == 0 || node > UINT16_MAX || !name_allowed(m->report.dc)) read_refuse(r);
    vv_decode(r, t, &m->report.vv);
    m->report.has_synced = read_flag(r);
    if (m->report.has_synced) vv_decode(r, t, &m->report.synced);
    m->report.knows = read_slice(r);
    struct reader knows = reader_of(m->report.knows);
    struct report_knows k;
    while (report_knows_next(&knows, &k)) {}
    if (knows.bad) read_refuse(r);
}

static void put_payload(const struct message *m, const struct origins *t, struct buf *out) {
    switch (m->type) {
    case MESSAGE_HELLO: put_hello(m, out); return;
    case MESSAGE_REFUSE: put_refuse(m, out); return;
    case MESSAGE_SUBSCRIBE: put_subscribe(m, t, out); return;
    case MESSAGE_EVENTS: put_events(m, out); return;
    case MESSAGE_ACK: put_ack(m, t, out); return;
    case MESSAGE_HEARTBEAT: put_heartbeat(m, t, out); return;
    case MESSAGE_FORWARD: put_forward(m, t, out); return;
    case MESSAGE_ANSWER: put_answer(m, t, out); return;
    case MESSAGE_TRANSFER_ASK: put_transfer_ask(m, t, out); return;
    case MESSAGE_TRANSFER_ROWS: put_transfer_rows(m, t, out); return;
    case MESSAGE_TRANSFER_END: put_transfer_end(m, t, out); return;
    case MESSAGE_VOTE: put_vote(m, out); return;
    case MESSAGE_VOTED: put_voted(m, t, out); return;
    case MESSAGE_LEAD: buf_varint(out, m->lead.term); return;
    case MESSAGE_ROW_ASK: put_row_ask(m, t, out); return;
    case MESSAGE_ROW_TOLD: put_row_told(m, t, out); return;
    case MESSAGE_REPORT: put_report(m, t, out); return;
    }
    assert(!"a message has one of the types");
}

static void read_payload(struct reader *r, struct origins *t, struct message *m) {
    switch (m->type) {
    case MESSAGE_HELLO: read_hello(r, m); return;
    case MESSAGE_REFUSE: read_refuse_message(r, m); return;
    case MESSAGE_SUBSCRIBE: read_subscribe(r, t, m); return;
    case MESSAGE_EVENTS: read_events(r, m); return;
    case MESSAGE_ACK: read_ack(r, t, m); return;
    case MESSAGE_HEARTBEAT: read_heartbeat(r, t, m); return;
    case MESSAGE_FORWARD: read_forward(r, t, m); return;
    case MESSAGE_ANSWER: read_answer(r, t, m); return;
    case MESSAGE_TRANSFER_ASK: read_transfer_ask(r, t, m); return;
    case MESSAGE_TRANSFER_ROWS: read_transfer_rows(r, t, m); return;
    case MESSAGE_TRANSFER_END: read_transfer_end(r, t, m); return;
    case MESSAGE_VOTE: read_vote(r, m); return;
    case MESSAGE_VOTED: read_voted(r, t, m); return;
    case MESSAGE_LEAD: m->lead.term = read_varint(r); return;
    case MESSAGE_ROW_ASK: read_row_ask(r, t, m); return;
    case MESSAGE_ROW_TOLD: read_row_told(r, t, m); return;
    case MESSAGE_REPORT: read_report(r, t, m); return;
    }
    read_refuse(r);
}

/* ---- frames ---- */
void message_encode(const struct message *m, const struct origins *t, struct buf *out) {
    size_t from = out->n;
    buf_u32(out, 0);
    buf_u8(out, MESSAGE_VERSION);
    buf_u8(out, (uint8_t)m->type);
    put_payload(m, t, out);
    buf_u64(out, hash64(SLICE(out->p + from + LENGTH_BYTES, out->n - from - LENGTH_BYTES)));
    size_t length = out->n - from - LENGTH_BYTES;
    assert(length <= FRAME_BYTES_MAX - LENGTH_BYTES);
    for (unsigned i = 0; i < LENGTH_BYTES; i++) out->p[from + i] = (uint8_t)(length >> (8 * i));
}

static enum frame_result bad(const char *why, const char **ret_why) {
    *ret_why = why;
    return FRAME_BAD;
}

static bool type_known(uint8_t type) {
    switch (type) {
#define X(name, number, doc)                                                                                                                         \
    case number: return true;
        MESSAGES(X)
#undef X
    }
    return false;
}

/* What can be told from the first bytes is told before the rest has arrived. */
static const char *check_start(struct slice bytes, uint32_t length) {
    if (length < FRAME_OVERHEAD - LENGTH_BYTES) return "expected a frame of at least 14 bytes";
    if (length > FRAME_BYTES_MAX - LENGTH_BYTES) return "expected a frame of at most 16 MiB";
    if (bytes.n > 4 && bytes.p[4] != MESSAGE_VERSION) return "expected message version 4";
    if (bytes.n > 5 && !type_known(bytes.p[5])) return "expected a known message type";
    return NULL;
}

enum frame_result message_decode(struct slice bytes, struct origins *t, struct message *ret, size_t *ret_size, const char **ret_why) {
    struct reader r = reader_of(bytes);
    if (bytes.n < LENGTH_BYTES) return FRAME_MORE;
    uint32_t length = read_u32(&r);
    const char *why = check_start(bytes, length);
    if (why != NULL) return bad(why, ret_why);
    if (bytes.n - LENGTH_BYTES < length) return FRAME_MORE;

    struct slice summed = read_bytes(&r, length - CHECKSUM_BYTES);
    if (read_u64(&r) != hash64(summed)) return bad("expected a frame whose checksum holds", ret_why);
    struct reader payload = reader_of(SLICE(summed.p + 2, summed.n - 2));
    struct message m;
    memset(&m, 0, sizeof m); /* an initializer may leave a part of the union as it was */
    m.type = (enum message_type)summed.p[1];
    read_payload(&payload, t, &m);
    if (!read_done(&payload)) {
        message_finish(&m);
        return bad("expected a payload in the form of its type", ret_why);
    }
    *ret = m;
    *ret_size = LENGTH_BYTES + length;
    return FRAME_OK;
}
