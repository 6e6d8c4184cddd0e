#include "journal.h"

#include <assert.h>

#define LOSS_VERSION   1
#define CHECKSUM_BYTES 8u

void loss_name(const struct loss *l, const struct origins *t, struct buf *out) {
    dot_encode(t, l->loser.dot, out);
    buf_slice(out, l->key);
}

void loss_encode(const struct loss *l, const struct origins *t, struct buf *out) {
    assert(l->loser.dot.n >= 1);
    assert(l->winner.n >= 1);
    size_t start = out->n;
    buf_u8(out, LOSS_VERSION);
    buf_slice(out, l->key);
    dot_encode(t, l->loser.dot, out);
    buf_u64(out, l->loser.stamp);
    buf_slice(out, l->loser.content);
    dot_encode(t, l->winner, out);
    buf_u64(out, l->winner_stamp);
    buf_u8(out, (uint8_t)l->policy);
    buf_u64(out, l->wall_ms);
    buf_u64(out, hash64(SLICE(out->p + start, out->n - start)));
}

static bool policy_known(uint8_t p) {
    switch (p) {
#define X(name, text, doc) case POLICY_##name:
        POLICIES(X)
#undef X
        return true;
    default: return false;
    }
}

bool loss_decode(struct slice record, struct origins *t, struct loss *ret) {
    if (record.n < CHECKSUM_BYTES) return false;
    struct slice fields = SLICE(record.p, record.n - CHECKSUM_BYTES);
    struct reader checksum = reader_of(SLICE(record.p + fields.n, CHECKSUM_BYTES));
    if (read_u64(&checksum) != hash64(fields)) return false;

    struct reader r = reader_of(fields);
    if (read_u8(&r) != LOSS_VERSION) return false;
    struct loss l = {0};
    l.key = read_slice(&r);
    l.loser.dot = dot_decode(&r, t);
    l.loser.stamp = read_u64(&r);
    l.loser.content = read_slice(&r);
    l.winner = dot_decode(&r, t);
    l.winner_stamp = read_u64(&r);
    uint8_t policy = read_u8(&r);
    l.policy = (enum policy)policy;
    l.wall_ms = read_u64(&r);
    if (!read_done(&r) || !policy_known(policy)) return false;
    if (l.loser.content.n > 0 && !content_check(l.loser.content)) return false;
    *ret = l;
    return true;
}
