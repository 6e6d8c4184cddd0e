#include "delta.h"
#include <assert.h>
#include <stdlib.h>

#define FLAGS_ALL       (OP_PUT | OP_REMOVE | OP_COUNT | OP_RESET | OP_UNSEEN)
#define OP_BYTES_MIN    2u                 /* kind and flags */
#define RESET_BYTES_MIN (11u + 1 + 1 + 16) /* origin, birth, n, total */
#define SCRATCH_MAX     16384u             /* entries that are kept for the next decode */

void delta_finish(struct delta *d) {
    free(d->ops);
    free(d->resets);
    free(d->unseen);
    *d = (struct delta){0};
}

__extension__ typedef unsigned __int128 amount_bits;

static bool kind_has_name(enum cell_kind k) { return k == CELL_FIELD || k == CELL_MEMBER; }
static bool kind_counts(enum cell_kind k) { return k == CELL_STRING || k == CELL_FIELD; }

/* Does a register of this kind hold such a value? An expiry at 0 ms would be a second form of one that has passed. */
static bool value_allowed(enum cell_kind k, struct slice value) {
    if (k == CELL_MEMBER) return value.n == 0;
    if (k != CELL_EXPIRY || value.n == 0) return true;
    if (value.n != 8) return false;
    struct reader r = reader_of(value);
    return read_u64(&r) != 0;
}

static bool flags_allowed(enum cell_kind k, uint8_t flags) {
    if (flags == 0 || (flags & ~FLAGS_ALL) != 0) return false;
    if ((flags & OP_PUT) != 0 && (flags & OP_REMOVE) != 0) return false;
    if ((flags & OP_UNSEEN) != 0 && ((flags & OP_PUT) == 0 || !kind_counts(k))) return false;
    return (flags & (OP_COUNT | OP_RESET)) == 0 || kind_counts(k);
}

static int op_compare(const struct delta_op *a, const struct delta_op *b) {
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : slice_compare(a->name, b->name);
}

/* ---- decoding ---- */
/* The array with room for one more: doubled at need. */
static void *with_room(void *array, uint32_t count, uint32_t *cap, size_t size) {
    if (count < *cap) return array;
    *cap = *cap == 0 ? 8 : *cap * 2;
    return xrealloc(array, *cap * size);
}

/* A count of things of at least `bytes_min` each: more than can follow is a fault. */
static uint32_t read_count(struct reader *r, size_t bytes_min) {
    uint64_t count = read_varint(r);
    if (count > (size_t)(r->end - r->p) / bytes_min) read_refuse(r);
    return r->bad ? 0 : (uint32_t)count;
}

static amount_t read_amount(struct reader *r) {
    uint64_t low = read_u64(r), high = read_u64(r);
    return (amount_t)((amount_bits)high << 64 | low);
}

static void read_entry(struct reader *r, struct counter *c, struct dot self, stamp_t stamp, struct origins *t) {
    *c = (struct counter){.origin = self.origin, .n = self.n, .stamp = stamp, .reset_by = {.origin = ORIGIN_NONE}};
    c->birth = read_varint(r);
    c->total = read_amount(r);
    c->reset_n = read_varint(r);
    if (r->bad || c->birth == 0 || c->birth > self.n || c->reset_n > self.n) return read_refuse(r);
    if (c->reset_n == 0) return;
    c->reset_total = read_amount(r);
    c->reset_by = dot_decode(r, t);
    if (!r->bad && c->reset_by.origin == self.origin && c->reset_by.n > self.n) read_refuse(r);
}

static void read_resets(struct reader *r, struct delta *d, struct delta_op *op, struct dot self, struct origins *t) {
    op->resets_count = read_count(r, RESET_BYTES_MIN);
    if (op->resets_count == 0) return read_refuse(r);
    for (uint32_t i = 0; i < op->resets_count; i++) {
        struct counter_reset c = {.origin = origin_decode(r, t)};
        c.birth = read_varint(r);
        c.n = read_varint(r);
        c.total = read_amount(r);
        if (r->bad || c.birth == 0 || c.n < c.birth || (c.origin == self.origin && c.n > self.n)) return read_refuse(r);
        if (i > 0 && origins_compare(t, d->resets[d->resets_count - 1].origin, c.origin) >= 0) return read_refuse(r);
        d->resets = with_room(d->resets, d->resets_count, &d->resets_cap, sizeof *d->resets);
        d->resets[d->resets_count++] = c;
    }
}

static void read_unseen(struct reader *r, struct delta *d, struct delta_op *op, struct dot self, struct origins *t) {
    op->unseen_count = read_count(r, DOT_BYTES_MIN);
    if (op->unseen_count == 0) return read_refuse(r);
    for (uint32_t i = 0; i < op->unseen_count; i++) {
        struct dot unseen = dot_decode(r, t);
        if (r->bad || (unseen.origin == self.origin && unseen.n >= self.n)) return read_refuse(r);
        if (i > 0 && dot_compare(t, d->unseen[d->unseen_count - 1], unseen) >= 0) return read_refuse(r);
        d->unseen = with_room(d->unseen, d->unseen_count, &d->unseen_cap, sizeof *d->unseen);
        d->unseen[d->unseen_count++] = unseen;
    }
}

static void read_op(struct reader *r, struct delta *d, struct delta_op *op, struct dot self, stamp_t stamp, struct origins *t) {
    *op = (struct delta_op){0};
    uint8_t kind = read_u8(r);
    op->kind = (enum cell_kind)kind;
    op->flags = read_u8(r);
    if (r->bad || kind < CELL_STRING || kind > CELL_EXPIRY || !flags_allowed(op->kind, op->flags)) return read_refuse(r);
    if (kind_has_name(op->kind)) op->name = read_slice(r);
    if ((op->flags & OP_PUT) != 0) op->value = read_slice(r);
    if (r->bad || !value_allowed(op->kind, op->value)) return read_refuse(r);
    if ((op->flags & OP_COUNT) != 0) read_entry(r, &op->count, self, stamp, t);
    if ((op->flags & OP_RESET) != 0 && !r->bad) read_resets(r, d, op, self, t);
    if ((op->flags & OP_UNSEEN) != 0 && !r->bad) read_unseen(r, d, op, self, t);
}

static void read_ops(struct reader *r, struct delta *d, struct dot self, stamp_t stamp, struct origins *t) {
    uint32_t count = read_count(r, OP_BYTES_MIN);
    if (count == 0 && d->flags == 0) return read_refuse(r); /* it says nothing */
    for (uint32_t i = 0; i < count; i++) {
        d->ops = with_room(d->ops, i, &d->ops_cap, sizeof *d->ops);
        read_op(r, d, &d->ops[i], self, stamp, t);
        if (r->bad) return;
        if (i > 0 && op_compare(&d->ops[i - 1], &d->ops[i]) >= 0) return read_refuse(r);
        d->ops_count++;
    }
}

/* The pool may have moved while it grew. */
static void point_into_pool(struct delta *d) {
    uint32_t resets = 0, unseen = 0;
    for (uint32_t i = 0; i < d->ops_count; i++) {
        struct delta_op *op = &d->ops[i];
        op->resets = op->resets_count == 0 ? NULL : d->resets + resets;
        op->unseen = op->unseen_count == 0 ? NULL : d->unseen + unseen;
        resets += op->resets_count;
        unseen += op->unseen_count;
    }
}

bool delta_decode(struct delta *d, struct slice bytes, struct dot self, stamp_t stamp, struct origins *t) {
    assert(self.n >= 1);
    if (bytes.n > DELTA_BYTES_MAX) return false;
    if (d->ops_cap > SCRATCH_MAX || d->resets_cap > SCRATCH_MAX || d->unseen_cap > SCRATCH_MAX)
        delta_finish(d); /* do not hold on to what one huge delta needed */
    struct reader r = reader_of(bytes);
    d->ops_count = d->resets_count = d->unseen_count = 0;
    d->flags = read_u8(&r);
    uint8_t type = read_u8(&r);
    d->type = (enum content_type)type;
    if (r.bad || (d->flags & ~DELTA_CLEAR) != 0 || type > CONTENT_SET) return false;
    read_ops(&r, d, self, stamp, t);
    if (!read_done(&r)) return false;
    point_into_pool(d);
    return true;
}

/* ---- encoding ---- */
static void put_amount(struct buf *out, amount_t a) {
    buf_u64(out, (uint64_t)a);
    buf_u64(out, (uint64_t)((amount_bits)a >> 64));
}

static void put_entry(struct buf *out, const struct counter *c, const struct origins *t) {
    assert(c->birth >= 1 && c->birth <= c->n && c->reset_n <= c->n);
    buf_varint(out, c->birth);
    put_amount(out, c->total);
    buf_varint(out, c->reset_n);
    if (c->reset_n == 0) return;
    put_amount(out, c->reset_total);
    dot_encode(t, c->reset_by, out);
}

static void put_resets(struct buf *out, const struct delta_op *op, const struct origins *t) {
    assert(op->resets_count >= 1);
    buf_varint(out, op->resets_count);
    for (uint32_t i = 0; i < op->resets_count; i++) {
        const struct counter_reset *c = &op->resets[i];
        assert(c->birth >= 1 && c->birth <= c->n && (i == 0 || origins_compare(t, op->resets[i - 1].origin, c->origin) < 0));
        origin_encode(t, c->origin, out);
        buf_varint(out, c->birth);
        buf_varint(out, c->n);
        put_amount(out, c->total);
    }
}

static void put_op(struct buf *out, const struct delta_op *op, const struct origins *t) {
    assert(op->kind >= CELL_STRING && op->kind <= CELL_EXPIRY && flags_allowed(op->kind, op->flags));
    assert(kind_has_name(op->kind) || op->name.n == 0);
    buf_u8(out, (uint8_t)op->kind);
    buf_u8(out, op->flags);
    if (kind_has_name(op->kind)) buf_slice(out, op->name);
    if ((op->flags & OP_PUT) != 0) {
        assert(value_allowed(op->kind, op->value));
        buf_slice(out, op->value);
    }
    if ((op->flags & OP_COUNT) != 0) put_entry(out, &op->count, t);
    if ((op->flags & OP_RESET) != 0) put_resets(out, op, t);
    if ((op->flags & OP_UNSEEN) == 0) return;
    assert(op->unseen_count >= 1);
    buf_varint(out, op->unseen_count);
    for (uint32_t i = 0; i < op->unseen_count; i++) {
        assert(i == 0 || dot_compare(t, op->unseen[i - 1], op->unseen[i]) < 0);
        dot_encode(t, op->unseen[i], out);
    }
}

void delta_encode(const struct delta *d, const struct origins *t, struct buf *out) {
    assert((d->flags & ~DELTA_CLEAR) == 0 && (d->ops_count > 0 || d->flags != 0));
    buf_u8(out, d->flags);
    buf_u8(out, (uint8_t)d->type);
    buf_varint(out, d->ops_count);
    for (uint32_t i = 0; i < d->ops_count; i++) {
        assert(i == 0 || op_compare(&d->ops[i - 1], &d->ops[i]) < 0);
        put_op(out, &d->ops[i], t);
    }
}
