#include "content.h"
#include <assert.h>
#include <stdlib.h>

/* ---- reading ---- */
struct header {
    enum content_type type;
    uint64_t expires_ms;
};

static struct header read_header(struct reader *r) {
    struct header h;
    uint8_t type = read_u8(r);
    h.type = type >= CONTENT_STRING && type <= CONTENT_SET ? (enum content_type)type : CONTENT_NONE;
    h.expires_ms = read_varint(r);
    return h;
}

static bool check_columns(struct reader *r, bool has_values) {
    uint64_t count = read_varint(r);
    if (count == 0 || count > (size_t)(r->end - r->p) / (has_values ? 2 : 1)) return false;
    struct slice before = {0};
    for (uint64_t i = 0; i < count; i++) {
        struct slice name = read_slice(r);
        if (has_values) read_slice(r);
        if (r->bad || (i > 0 && slice_compare(before, name) >= 0)) return false;
        before = name;
    }
    return read_done(r);
}

bool content_check(struct slice c) {
    if (c.n > CONTENT_BYTES_MAX) return false;
    struct reader r = reader_of(c);
    struct header h = read_header(&r);
    if (r.bad || h.type == CONTENT_NONE) return false;
    return h.type == CONTENT_STRING || check_columns(&r, h.type == CONTENT_HASH);
}

enum content_type content_type(struct slice c) { return c.n == 0 ? CONTENT_NONE : (enum content_type)c.p[0]; }

uint64_t content_expires_ms(struct slice c) {
    struct reader r = reader_of(c);
    return read_header(&r).expires_ms;
}

struct slice content_string(struct slice c) {
    struct reader r = reader_of(c);
    assert(read_header(&r).type == CONTENT_STRING);
    return SLICE(r.p, (size_t)(r.end - r.p));
}

uint64_t content_count(struct slice c) {
    struct reader r = reader_of(c);
    enum content_type type = read_header(&r).type;
    if (type == CONTENT_NONE) return 0;
    return type == CONTENT_STRING ? 1 : read_varint(&r);
}

struct content_columns content_columns(struct slice c) {
    struct content_columns i = {.r = reader_of(c)};
    struct header h = read_header(&i.r);
    assert(h.type == CONTENT_HASH || h.type == CONTENT_SET);
    i.has_values = h.type == CONTENT_HASH;
    i.left = read_varint(&i.r);
    return i;
}

bool content_next(struct content_columns *i, struct slice *ret_name, struct slice *ret_value) {
    if (i->left == 0) return false;
    i->left--;
    *ret_name = read_slice(&i->r);
    struct slice value = i->has_values ? read_slice(&i->r) : (struct slice){0};
    if (ret_value != NULL) *ret_value = value;
    assert(!i->r.bad); /* the content has passed content_check */
    return true;
}

/* Where a column is, or where it belongs: the bytes before it, itself, and those after it. */
struct place {
    struct slice before, after;
    bool found;
    struct slice value;
    uint64_t count; /* of all columns */
};

static struct place find_place(struct slice c, struct slice name) {
    struct content_columns i = content_columns(c);
    struct place p = {.count = i.left};
    struct slice at, value;
    const uint8_t *first = i.r.p, *end = i.r.end, *from = first, *to = first;
    while (from = i.r.p, to = from, content_next(&i, &at, &value)) {
        int order = slice_compare(at, name);
        if (order < 0) continue;
        if (order == 0) {
            p.found = true;
            p.value = value;
            to = i.r.p;
        }
        break;
    }
    p.before = SLICE(first, (size_t)(from - first));
    p.after = SLICE(to, (size_t)(end - to));
    return p;
}

bool content_find(struct slice c, struct slice name, struct slice *ret_value) {
    struct place p = find_place(c, name);
    if (p.found && ret_value != NULL) *ret_value = p.value;
    return p.found;
}

/* ---- writing ---- */
static void put_header(struct buf *out, enum content_type type, uint64_t expires_ms) {
    buf_clear(out);
    buf_u8(out, (uint8_t)type);
    buf_varint(out, expires_ms);
}

void content_make_string(struct buf *out, uint64_t expires_ms, struct slice value) {
    buf_reserve(out, 11 + value.n);
    put_header(out, CONTENT_STRING, expires_ms);
    buf_put(out, value.p, value.n);
}

void content_with_expiry(struct buf *out, struct slice c, uint64_t expires_ms) {
    struct reader r = reader_of(c);
    struct header h = read_header(&r);
    assert(h.type != CONTENT_NONE);
    buf_reserve(out, 11 + c.n);
    put_header(out, h.type, expires_ms);
    buf_put(out, r.p, (size_t)(r.end - r.p));
}

static void put_column(struct buf *out, enum content_type type, struct slice name, struct slice value) {
    buf_slice(out, name);
    if (type == CONTENT_HASH) buf_slice(out, value);
}

void content_with_column(struct buf *out, struct slice c, enum content_type type, struct slice name, struct slice value) {
    assert(type == CONTENT_HASH || type == CONTENT_SET);
    struct place p = {0};
    uint64_t expires_ms = 0;
    if (c.n != 0) {
        assert(content_type(c) == type);
        expires_ms = content_expires_ms(c);
        p = find_place(c, name);
    }
    buf_reserve(out, c.n + name.n + value.n + 48);
    put_header(out, type, expires_ms);
    buf_varint(out, p.count + !p.found);
    buf_put(out, p.before.p, p.before.n);
    put_column(out, type, name, value);
    buf_put(out, p.after.p, p.after.n);
}

void content_without_column(struct buf *out, struct slice c, struct slice name) {
    buf_clear(out);
    if (c.n == 0) return;
    struct place p = find_place(c, name);
    if (p.found && p.count == 1) return;
    buf_reserve(out, c.n);
    put_header(out, content_type(c), content_expires_ms(c));
    buf_varint(out, p.count - p.found);
    buf_put(out, p.before.p, p.before.n);
    buf_put(out, p.after.p, p.after.n);
}

static bool ascending(const struct content_column *columns, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (slice_compare(columns[i - 1].name, columns[i].name) >= 0) return false;
    }
    return true;
}

struct placed {
    struct content_column column;
    size_t given; /* its place among what was given: of equal names the last counts */
};

static int compare_placed(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    int order = slice_compare(x->column.name, y->column.name);
    return order != 0 ? order : (x->given > y->given) - (x->given < y->given);
}

/* Leaves the columns strictly ascending; returns how many remain. */
static size_t sort_columns(struct content_column *columns, size_t count) {
    struct placed *placed = xmalloc(count * sizeof *placed);
    for (size_t i = 0; i < count; i++) placed[i] = (struct placed){columns[i], i};
    qsort(placed, count, sizeof *placed, compare_placed);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool last_of_name = i + 1 == count || !slice_equal(placed[i].column.name, placed[i + 1].column.name);
        if (last_of_name) columns[kept++] = placed[i].column;
    }
    free(placed);
    return kept;
}

void content_make(struct buf *out, enum content_type type, uint64_t expires_ms, struct content_column *columns, size_t count) {
    assert(type == CONTENT_HASH || type == CONTENT_SET);
    buf_clear(out);
    if (count == 0) return;
    if (!ascending(columns, count)) count = sort_columns(columns, count);
    put_header(out, type, expires_ms);
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++) put_column(out, type, columns[i].name, columns[i].value);
}
