#include "journal.h"

#include <assert.h>
#include <string.h>

#define JOURNAL_VERSION 2
#define CHECKSUM_BYTES  8u

const char *loss_outcome_name(uint8_t outcome) {
    switch (outcome) {
#define X(name, number, text, doc)                                                                                                                   \
    case number: return text;
        LOSS_OUTCOMES(X)
#undef X
    default: return NULL;
    }
}

/* ---- names ---- */

/* Bytes in an order that a longer name cannot disturb: 00 as 00 ff, the end as 00 01. */
static void put_ordered(struct slice s, struct buf *out) {
    for (const uint8_t *p = s.p, *end = s.p + s.n; p < end;) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p));
        buf_put(out, p, (size_t)((zero ? zero : end) - p));
        if (!zero) return;
        buf_put(out, "\x00\xff", 2);
        p = zero + 1;
    }
}

static void put_ended(struct slice s, struct buf *out) {
    put_ordered(s, out);
    buf_put(out, "\x00\x01", 2);
}

/* What follows an ended piece; n == 0: it does not end. */
static struct slice after_ended(struct slice s) {
    while (s.n >= 2) {
        const uint8_t *zero = memchr(s.p, 0, s.n - 1);
        if (!zero) break;
        s = SLICE(zero + 2, (size_t)(s.p + s.n - zero - 2));
        if (zero[1] == 1) return s;
    }
    return SLICE(s.p, 0);
}

static void put_big_endian(uint64_t v, struct buf *out) {
    for (int shift = 56; shift >= 0; shift -= 8) buf_u8(out, (uint8_t)(v >> shift));
}

void journal_name_keys(struct slice key_prefix, struct buf *out) {
    buf_u8(out, 'r');
    put_ordered(key_prefix, out);
}

void journal_name_row(struct slice key, struct buf *out) {
    buf_u8(out, 'r');
    put_ended(key, out);
}

void journal_name_cell(struct slice key, uint8_t kind, struct slice name, struct buf *out) {
    journal_name_row(key, out);
    buf_u8(out, kind);
    put_ended(name, out);
}

static void name_record(struct slice key, uint8_t kind, struct slice name, char record, struct dot dot, const struct origins *t, struct buf *out) {
    journal_name_cell(key, kind, name, out);
    buf_u8(out, (uint8_t)record);
    dot_encode(t, dot, out);
}

void journal_name_episode(struct slice key, uint8_t kind, struct slice name, struct dot number, const struct origins *t, struct buf *out) {
    name_record(key, kind, name, JOURNAL_EPISODE, number, t, out);
}

void journal_name_loss(struct slice key, uint8_t kind, struct slice name, struct dot loser, const struct origins *t, struct buf *out) {
    name_record(key, kind, name, JOURNAL_LOSS, loser, t, out);
}

void journal_name_pointer(uint64_t id, struct buf *out) {
    buf_u8(out, JOURNAL_POINTER);
    put_big_endian(id, out);
    buf_u8(out, 0);
}

void journal_name_time(uint64_t wall_ms, struct slice name, struct buf *out) {
    buf_u8(out, JOURNAL_TIME);
    put_big_endian(wall_ms, out);
    buf_put(out, name.p, name.n);
}

bool journal_time_parse(struct slice name, uint64_t *ret_wall_ms, struct slice *ret_name) {
    if (name.n < 9 || name.p[0] != JOURNAL_TIME) return false;
    uint64_t ms = 0;
    for (int i = 1; i <= 8; i++) ms = ms << 8 | name.p[i];
    *ret_wall_ms = ms;
    *ret_name = SLICE(name.p + 9, name.n - 9);
    return true;
}

char journal_record_kind(struct slice name) {
    if (name.n == 0) return 0;
    if (name.p[0] != 'r') return name.p[0] == JOURNAL_POINTER || name.p[0] == JOURNAL_TIME ? (char)name.p[0] : 0;
    struct slice rest = after_ended(SLICE(name.p + 1, name.n - 1)); /* the key */
    if (rest.n) rest = after_ended(SLICE(rest.p + 1, rest.n - 1));  /* kind and name */
    return rest.n && (rest.p[0] == JOURNAL_EPISODE || rest.p[0] == JOURNAL_LOSS) ? (char)rest.p[0] : 0;
}

uint64_t episode_id(struct slice key, uint8_t kind, struct slice name, struct dot number, const struct origins *t) {
    struct buf b = {0};
    journal_name_episode(key, kind, name, number, t, &b);
    uint64_t id = hash64(buf_slice_of(&b));
    buf_finish(&b);
    return id;
}

/* ---- records: u8 version, u8 kind of record, fields, u64 checksum ---- */

static size_t begin_record(struct buf *out, char kind) {
    size_t start = out->n;
    buf_u8(out, JOURNAL_VERSION);
    buf_u8(out, (uint8_t)kind);
    return start;
}

static void end_record(struct buf *out, size_t start) { buf_u64(out, hash64(SLICE(out->p + start, out->n - start))); }

/* The fields; a reader that is bad where this is no such record. */
static struct reader open_record(struct slice record, char kind) {
    struct reader bad = {NULL, NULL, true};
    if (record.n < CHECKSUM_BYTES) return bad;
    struct slice fields = SLICE(record.p, record.n - CHECKSUM_BYTES);
    struct reader checksum = reader_of(SLICE(record.p + fields.n, CHECKSUM_BYTES));
    if (read_u64(&checksum) != hash64(fields)) return bad;
    struct reader r = reader_of(fields);
    uint8_t version = read_u8(&r), found = read_u8(&r);
    return version == JOURNAL_VERSION && found == (uint8_t)kind ? r : bad;
}

static void put_cell(struct slice key, uint8_t kind, struct slice name, struct buf *out) {
    buf_slice(out, key);
    buf_u8(out, kind);
    buf_slice(out, name);
}

static bool read_cell(struct reader *r, struct slice *ret_key, uint8_t *ret_kind, struct slice *ret_name) {
    *ret_key = read_slice(r);
    *ret_kind = read_u8(r);
    *ret_name = read_slice(r);
    return !r->bad && *ret_kind <= CELL_TYPES;
}

/* A dot, or none: u8 1 and the dot, or u8 0. */
static void put_dot(struct dot d, const struct origins *t, struct buf *out) {
    buf_u8(out, d.n > 0);
    if (d.n) dot_encode(t, d, out);
}

static struct dot read_dot(struct reader *r, struct origins *t) {
    uint8_t there = read_u8(r);
    if (there > 1) read_refuse(r);
    return there == 1 ? dot_decode(r, t) : (struct dot){ORIGIN_NONE, 0};
}

void episode_encode(const struct episode *e, const struct origins *t, struct buf *out) {
    assert(e->number.n >= 1);
    assert(e->open == (e->closed_by.n == 0));
    assert(e->members.n == 1);
    size_t start = begin_record(out, JOURNAL_EPISODE);
    put_cell(e->key, e->kind, e->name, out);
    dot_encode(t, e->number, out);
    buf_u64(out, e->began_ms);
    buf_u64(out, e->changed_ms);
    put_dot(e->closed_by, t, out);
    blocks_encode(&e->members, t, out);
    end_record(out, start);
}

bool episode_decode(struct slice record, struct origins *t, struct episode *ret) {
    struct reader r = open_record(record, JOURNAL_EPISODE);
    struct episode e = {0};
    if (!read_cell(&r, &e.key, &e.kind, &e.name)) return false;
    e.number = dot_decode(&r, t);
    e.began_ms = read_u64(&r);
    e.changed_ms = read_u64(&r);
    e.closed_by = read_dot(&r, t);
    e.open = e.closed_by.n == 0;
    if (!r.bad && blocks_decode(&r, t, &e.members) && read_done(&r) && e.members.n == 1) {
        *ret = e;
        return true;
    }
    blocks_finish(&e.members);
    return false;
}

void episode_finish(struct episode *e) { blocks_finish(&e->members); }

void loss_encode(const struct loss *l, const struct origins *t, struct buf *out) {
    assert(l->loser.dot.n >= 1);
    assert(loss_outcome_name(l->outcome));
    size_t start = begin_record(out, JOURNAL_LOSS);
    put_cell(l->key, l->kind, l->name, out);
    dot_encode(t, l->loser.dot, out);
    buf_u64(out, l->loser.stamp);
    buf_slice(out, l->loser.content);
    buf_u8(out, l->loser.generation);
    buf_u64(out, l->loser.inputs);
    put_dot(l->by, t, out);
    buf_slice(out, l->winner);
    put_dot(l->winner_dot, t, out);
    buf_u64(out, l->winner_stamp);
    buf_slice(out, l->policy);
    buf_u8(out, l->outcome);
    buf_u64(out, l->wall_ms);
    end_record(out, start);
}

static bool content_fits(uint8_t kind, struct slice c) { return kind != CELL_ROW || c.n == 0 || content_check(c); }

bool loss_decode(struct slice record, struct origins *t, struct loss *ret) {
    struct reader r = open_record(record, JOURNAL_LOSS);
    struct loss l = {0};
    if (!read_cell(&r, &l.key, &l.kind, &l.name)) return false;
    l.loser.dot = dot_decode(&r, t);
    l.loser.stamp = read_u64(&r);
    l.loser.content = read_slice(&r);
    l.loser.generation = read_u8(&r);
    l.loser.inputs = read_u64(&r);
    l.by = read_dot(&r, t);
    l.winner = read_slice(&r);
    l.winner_dot = read_dot(&r, t);
    l.winner_stamp = read_u64(&r);
    l.policy = read_slice(&r);
    l.outcome = read_u8(&r);
    l.wall_ms = read_u64(&r);
    if (!read_done(&r) || !loss_outcome_name(l.outcome)) return false;
    if (!content_fits(l.kind, l.loser.content) || !content_fits(l.kind, l.winner)) return false;
    *ret = l;
    return true;
}

void pointer_encode(const struct episode *e, const struct origins *t, struct buf *out) {
    size_t start = begin_record(out, JOURNAL_POINTER);
    put_cell(e->key, e->kind, e->name, out);
    dot_encode(t, e->number, out);
    end_record(out, start);
}

bool pointer_decode(struct slice record, struct origins *t, struct episode *ret) {
    struct reader r = open_record(record, JOURNAL_POINTER);
    struct episode e = {0};
    if (!read_cell(&r, &e.key, &e.kind, &e.name)) return false;
    e.number = dot_decode(&r, t);
    if (!read_done(&r)) return false;
    *ret = e;
    return true;
}
