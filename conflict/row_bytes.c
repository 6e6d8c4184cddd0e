/* Rows as bytes, on disk and in memory.
 *
 *   u8 version, u8 form and what follows the cells (BESIDE_...), varint count of marks, marks: dot, u64 stamp; varint count of cells, cells; below,
 * recorded cell: u8 kind and flags, slice name (FIELD, MEMBER); CELL_MANY: varint count of versions, else one version: varint mark (left out where
 * the row has but one), slice content (not for MEMBER); CELL_ANSWERS: u8 generation, and u64 inputs where > 0 CELL_COUNTS: varint count, counters;
 * CELL_STACK: blocks below: varint count, each: u8 is it a version, and then varint mark, slice content; dot above recorded: u64 hash, slice why u64
 * checksum of all that
 *
 * Marks are in order of first use. Most rows have one: a dot and a stamp, whatever the number of cells. */
#include "row_build.h"
#include <assert.h>
#include <stdlib.h>

#define ROW_VERSION    2
#define CHECKSUM_BYTES 8u
#define MARK_BYTES_MIN (DOT_BYTES_MIN + 8)

enum { CELL_MANY = 0x08, CELL_COUNTS = 0x10, CELL_STACK = 0x20, CELL_ANSWERS = 0x40, CELL_KIND = 0x07 };
enum { FORM_MASK = 0x01, BESIDE_BELOW = 0x02, BESIDE_RECORDED = 0x04 };

/* ---- marks ---- */

struct marks {
    const struct version **first; /* by mark, the first version that has it */
    uint32_t count, last;
    uint32_t *slots; /* for many: index + 1 by hash */
    uint32_t slots_count;
    const struct version *few[16];
};

static uint32_t slot_of(const struct marks *m, struct dot d) {
    uint64_t h = (d.n + d.origin * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
    uint32_t at = (uint32_t)(h >> 32) & (m->slots_count - 1);
    while (m->slots[at] && !dot_equal(m->first[m->slots[at] - 1]->dot, d)) at = (at + 1) & (m->slots_count - 1);
    return at;
}

static void marks_init(struct marks *m, uint32_t most) {
    m->count = m->last = m->slots_count = 0;
    m->slots = NULL;
    m->first = m->few;
    if (most <= sizeof m->few / sizeof *m->few) return;
    m->first = xmalloc(most * sizeof *m->first);
    for (m->slots_count = 64; m->slots_count < 2 * most; m->slots_count *= 2) {}
    m->slots = xcalloc(m->slots_count, sizeof *m->slots);
}

static uint32_t mark_of(struct marks *m, const struct version *v) {
    if (m->count && dot_equal(m->first[m->last]->dot, v->dot)) return m->last;
    if (m->slots) {
        uint32_t at = slot_of(m, v->dot);
        if (m->slots[at]) return m->last = m->slots[at] - 1;
        m->slots[at] = m->count + 1;
    } else {
        for (uint32_t i = 0; i < m->count; i++)
            if (dot_equal(m->first[i]->dot, v->dot)) return m->last = i;
    }
    m->first[m->count] = v;
    return m->last = m->count++;
}

static void marks_finish(struct marks *m) {
    if (m->first != m->few) free(m->first);
    free(m->slots);
}

/* ---- writing ---- */

static void put_mark(const struct marks *m, uint32_t mark, struct buf *out) {
    if (m->count > 1) buf_varint(out, mark);
}

static bool answers(const struct row *r, const struct cell *c) {
    for (uint32_t i = 0; i < c->count; i++)
        if (cell_versions(r, c)[i].generation) return true;
    return false;
}

static void put_cell(const struct row *r, const struct cell *c, struct marks *m, const struct origins *t, struct buf *out) {
    bool answer = c->kind == CELL_ROW && answers(r, c);
    buf_u8(out, (uint8_t)(c->kind | (c->count != 1 ? CELL_MANY : 0) | (c->counters_count ? CELL_COUNTS : 0) | (c->stack ? CELL_STACK : 0) |
                          (answer ? CELL_ANSWERS : 0)));
    if (c->kind == CELL_FIELD || c->kind == CELL_MEMBER) buf_slice(out, c->name);
    if (c->count != 1) buf_varint(out, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        const struct version *v = &cell_versions(r, c)[i];
        put_mark(m, mark_of(m, v), out);
        if (c->kind != CELL_MEMBER) buf_slice(out, v->content);
        if (!answer) continue;
        buf_u8(out, v->generation);
        if (v->generation) buf_u64(out, v->inputs);
    }
    if (c->counters_count) buf_varint(out, c->counters_count);
    for (uint32_t i = 0; i < c->counters_count; i++) counter_encode(&cell_counters(r, c)[i], t, out);
    if (c->stack) blocks_encode(&r->stacks[c->stack - 1], t, out);
}

static void put_beside(const struct row *r, struct marks *m, const struct origins *t, struct buf *out) {
    if (r->below_count) buf_varint(out, r->below_count);
    for (uint32_t i = 0; i < r->below_count; i++) {
        const struct below *b = &r->below[i];
        buf_u8(out, b->v.dot.n > 0);
        if (b->v.dot.n) {
            put_mark(m, mark_of(m, &b->v), out);
            buf_slice(out, b->v.content);
        }
        dot_encode(t, b->above, out);
    }
    if (!r->recorded) return;
    buf_u64(out, r->recorded);
    buf_slice(out, r->recorded_why);
}

void row_encode(const struct row *r, const struct origins *t, struct buf *out) {
    assert(r->cells_count);
    size_t start = out->n;
    struct marks m;
    marks_init(&m, r->versions_count + r->below_count);
    for (uint32_t i = 0; i < r->versions_count; i++) mark_of(&m, &r->versions[i]);
    for (uint32_t i = 0; i < r->below_count; i++)
        if (r->below[i].v.dot.n) mark_of(&m, &r->below[i].v);
    buf_u8(out, ROW_VERSION);
    buf_u8(out, (uint8_t)(r->form | (r->below_count ? BESIDE_BELOW : 0) | (r->recorded ? BESIDE_RECORDED : 0)));
    buf_varint(out, m.count);
    for (uint32_t i = 0; i < m.count; i++) {
        dot_encode(t, m.first[i]->dot, out);
        buf_u64(out, m.first[i]->stamp);
    }
    buf_varint(out, r->cells_count);
    for (uint32_t i = 0; i < r->cells_count; i++) put_cell(r, &r->cells[i], &m, t, out);
    put_beside(r, &m, t, out);
    marks_finish(&m);
    buf_u64(out, hash64(SLICE(out->p + start, out->n - start)));
}

/* ---- reading ---- */

struct read_mark {
    struct dot dot;
    stamp_t stamp;
};
struct row_reader {
    struct reader r;
    struct origins *t;
    struct row *row;
    struct read_mark *marks, few[16];
    uint32_t marks_count;
};

static uint32_t read_count(struct row_reader *q, size_t bytes_min) {
    uint64_t n = read_varint(&q->r);
    if (n > (size_t)(q->r.end - q->r.p) / bytes_min) read_refuse(&q->r);
    return q->r.bad ? 0 : (uint32_t)n;
}

static struct version read_version(struct row_reader *q) {
    uint64_t mark = q->marks_count > 1 ? read_varint(&q->r) : 0;
    if (mark >= q->marks_count) {
        read_refuse(&q->r);
        return (struct version){0};
    }
    return (struct version){.dot = q->marks[mark].dot, .stamp = q->marks[mark].stamp};
}

static void read_versions(struct row_reader *q, enum cell_kind kind, uint8_t flags) {
    uint32_t count = flags & CELL_MANY ? read_count(q, 1) : 1;
    for (uint32_t i = 0; i < count && !q->r.bad; i++) {
        struct version v = read_version(q);
        if (kind != CELL_MEMBER) v.content = read_slice(&q->r);
        if (flags & CELL_ANSWERS) {
            v.generation = read_u8(&q->r);
            if (v.generation) v.inputs = read_u64(&q->r);
        }
        if (!q->r.bad) row_add_version(q->row, &v);
    }
}

static void read_cell(struct row_reader *q) {
    uint8_t head = read_u8(&q->r);
    enum cell_kind kind = (enum cell_kind)(head & CELL_KIND);
    if (kind >= CELL_KINDS || (head & 0x80)) return read_refuse(&q->r);
    struct slice name = {0};
    if (kind == CELL_FIELD || kind == CELL_MEMBER) name = read_slice(&q->r);
    row_add_cell(q->row, kind, name);
    read_versions(q, kind, head);
    uint32_t counters = head & CELL_COUNTS ? read_count(q, MARK_BYTES_MIN) : 0;
    for (uint32_t i = 0; i < counters && !q->r.bad; i++) {
        struct counter c = counter_decode(&q->r, q->t);
        if (!q->r.bad) row_add_counter(q->row, &c);
    }
    if ((head & CELL_STACK) && !q->r.bad && !blocks_decode(&q->r, q->t, row_add_stack(q->row))) read_refuse(&q->r);
}

static void read_below(struct row_reader *q) {
    uint32_t count = read_count(q, 1 + DOT_BYTES_MIN);
    for (uint32_t i = 0; i < count && !q->r.bad; i++) {
        struct below b = {0};
        if (read_u8(&q->r)) {
            b.v = read_version(q);
            b.v.content = read_slice(&q->r);
        }
        b.above = dot_decode(&q->r, q->t);
        if (!q->r.bad) row_add_below(q->row, &b);
    }
}

static void read_marks(struct row_reader *q) {
    q->marks_count = read_count(q, MARK_BYTES_MIN);
    if (q->marks_count > sizeof q->few / sizeof *q->few) q->marks = xmalloc(q->marks_count * sizeof *q->marks);
    for (uint32_t i = 0; i < q->marks_count && !q->r.bad; i++) {
        q->marks[i].dot = dot_decode(&q->r, q->t);
        q->marks[i].stamp = read_u64(&q->r);
    }
}

static void read_row(struct row_reader *q) {
    uint8_t version = read_u8(&q->r), head = read_u8(&q->r);
    if (version != ROW_VERSION || (head & ~(FORM_MASK | BESIDE_BELOW | BESIDE_RECORDED))) return read_refuse(&q->r);
    q->row->form = (enum row_form)(head & FORM_MASK);
    read_marks(q);
    uint32_t cells = read_count(q, 1);
    if (!cells) return read_refuse(&q->r);
    for (uint32_t i = 0; i < cells && !q->r.bad; i++) read_cell(q);
    if ((head & BESIDE_BELOW) && !q->r.bad) read_below(q);
    if (!(head & BESIDE_RECORDED) || q->r.bad) return;
    q->row->recorded = read_u64(&q->r);
    q->row->recorded_why = read_slice(&q->r);
}

static bool content_in_form(enum cell_kind kind, struct slice content) {
    switch (kind) {
    case CELL_ROW: return !content.n || content_check(content);
    case CELL_EXPIRY: return content.n == 0 || content.n == 8;
    case CELL_STRING:
    case CELL_FIELD:
    case CELL_MEMBER: break;
    }
    return true;
}

static bool cell_in_form(const struct row *r, const struct cell *c, const struct origins *t) {
    if ((c->kind == CELL_ROW) != (r->form == ROW_WHOLE)) return false;
    if (c->kind != CELL_STRING && c->kind != CELL_FIELD && c->counters_count) return false;
    if ((c->kind == CELL_MEMBER || c->kind == CELL_EXPIRY) && c->stack) return false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct version *v = &cell_versions(r, c)[i];
        if (!content_in_form(c->kind, v->content) || (i && dot_compare(t, v[-1].dot, v->dot) >= 0)) return false;
    }
    for (uint32_t i = 1; i < c->counters_count; i++)
        if (origins_compare(t, cell_counters(r, c)[i - 1].origin, cell_counters(r, c)[i].origin) >= 0) return false;
    return true;
}

static bool in_form(const struct row *r, const struct origins *t) {
    if (r->form == ROW_WHOLE && r->cells_count != 1) return false;
    if (r->form == ROW_MERGED && (r->below_count || r->recorded)) return false;
    for (uint32_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        if (!cell_in_form(r, c, t)) return false;
        if (i && cell_compare(c[-1].kind, c[-1].name, c->kind, c->name) >= 0) return false;
    }
    return true;
}

static bool checksum_holds(struct slice bytes) {
    struct reader r = reader_of(SLICE(bytes.p + bytes.n - CHECKSUM_BYTES, CHECKSUM_BYTES));
    return read_u64(&r) == hash64(SLICE(bytes.p, bytes.n - CHECKSUM_BYTES));
}

bool row_decode(struct slice bytes, bool verify, struct origins *t, struct row *ret) {
    row_clear(ret);
    if (bytes.n < CHECKSUM_BYTES + 2 || (verify && !checksum_holds(bytes))) return false;
    struct row_reader q = {.r = reader_of(SLICE(bytes.p, bytes.n - CHECKSUM_BYTES)), .t = t, .row = ret};
    q.marks = q.few;
    read_row(&q);
    if (q.marks != q.few) free(q.marks);
    bool good = read_done(&q.r) && (!verify || in_form(ret, t));
    if (!good) row_clear(ret);
    return good;
}
