/* What a row costs beyond what clients wrote: bytes of metadata per row and per column, printed for rows of common shapes. */
#include "../../conflict/policy.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct bench {
    struct origins *t;
    struct vv vv, stable;
    struct row row, next;
    struct row_news news;
    struct delta delta;
    stamp_t stamp;
};

static origin_ref node(struct bench *b, const char *dc) {
    struct origin o = {.node = 1, .incarnation = 0x1234567890abcdefu};
    snprintf(o.dc, sizeof o.dc, "%s", dc);
    return origins_intern(b->t, &o);
}

/* One change by the next number of an origin that knows everything, or (apart) nothing of the other origins. */
static void apply(struct bench *b, origin_ref o, struct change *c, bool apart, bool stable) {
    struct dot self = {o, vv_get(&b->vv, o) + 1};
    struct vv nothing = {0};
    struct row_change how = {.context = {.deps = apart ? &nothing : &b->vv, .self = self},
                             .stamp = ++b->stamp,
                             .change = c,
                             .delta = &b->delta,
                             .stable = stable ? &b->vv : &b->stable,
                             .origins = b->t};
    row_apply(&b->row, &how, &b->next, &b->news);
    struct row swap = b->row;
    b->row = b->next;
    b->next = swap;
    vv_set(&b->vv, o, self.n);
}

static void merge(struct bench *b, origin_ref o, struct delta_op *ops, uint32_t count, uint8_t flags, enum content_type type, bool apart,
                  bool stable) {
    for (uint32_t i = 0; i < count; i++)
        if (ops[i].flags & OP_COUNT) ops[i].count = (struct counter){o, 1, vv_get(&b->vv, o) + 1, (amount_t)1000000000000000000, b->stamp, 0, 0, {0}};
    b->delta = (struct delta){.flags = flags, .type = type, .ops = ops, .ops_count = count};
    apply(b, o, &(struct change){.op = CHANGE_MERGE, .key = slice_text("key"), .content = slice_text("x")}, apart, stable);
}

static size_t payload(const struct row *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) {
        n += r->cells[i].name.n;
        if (r->cells[i].kind != CELL_EXPIRY && r->cells[i].count) n += cell_versions(r, &r->cells[i])[0].content.n;
    }
    return n;
}

static void show(struct bench *b, const char *what, unsigned columns) {
    struct buf bytes = {0};
    row_encode(&b->row, b->t, &bytes);
    size_t over = bytes.n - payload(&b->row);
    printf("%-58s %7zu %9zu %10zu %12.1f\n", what, payload(&b->row), bytes.n, over, (double)over / columns);
    buf_finish(&bytes);
    row_clear(&b->row);
    row_clear(&b->next);
}

static void put_op(struct delta_op *op, enum cell_kind kind, const char *name, const char *value) {
    *op = (struct delta_op){.kind = kind, .flags = OP_PUT, .name = slice_text(name), .value = slice_text(value)};
}

#define VALUE "0123456789abcdef0123456789abcdef"

static void hash_of(struct bench *b, origin_ref o, unsigned columns, bool each_its_event, const char *what) {
    static char names[100][8];
    struct delta_op ops[100];
    assert(columns <= 100);
    for (unsigned i = 0; i < columns; i++) {
        snprintf(names[i], sizeof names[i], "f%03u", i);
        put_op(&ops[i], CELL_FIELD, names[i], VALUE);
    }
    if (each_its_event)
        for (unsigned i = 0; i < columns; i++) merge(b, o, &ops[i], 1, 0, CONTENT_HASH, false, true);
    else
        merge(b, o, ops, columns, DELTA_CLEAR, CONTENT_HASH, false, true);
    show(b, what, columns);
}

int main(void) {
    struct bench b = {.t = origins_create()};
    origin_ref us = node(&b, "us"), eu = node(&b, "eu"), ap = node(&b, "ap");
    struct delta_op ops[4];
    struct buf content = {0};
    printf("%-58s %7s %9s %10s %12s\n", "row", "payload", "as stored", "metadata", "per column");

    content_make_string(&content, 0, slice_text(VALUE));
    apply(&b, us, &(struct change){.op = CHANGE_PUT, .key = slice_text("key"), .content = buf_slice_of(&content)}, false, true);
    show(&b, "string, whole row", 1);
    put_op(&ops[0], CELL_STRING, "", VALUE);
    put_op(&ops[1], CELL_EXPIRY, "", "");
    merge(&b, us, ops, 2, DELTA_CLEAR, CONTENT_STRING, false, true);
    show(&b, "string, merge", 1);
    merge(&b, us, ops, 2, DELTA_CLEAR, CONTENT_STRING, false, false);
    merge(&b, us, ops, 2, DELTA_CLEAR, CONTENT_STRING, false, false);
    show(&b, "string, merge, the write before not yet everywhere", 1);
    merge(&b, us, ops, 2, DELTA_CLEAR, CONTENT_STRING, true, false);
    merge(&b, eu, ops, 2, DELTA_CLEAR, CONTENT_STRING, true, false);
    merge(&b, ap, ops, 2, DELTA_CLEAR, CONTENT_STRING, true, false);
    show(&b, "string, merge, three datacenters in conflict", 1);
    ops[0] = (struct delta_op){.kind = CELL_STRING, .flags = OP_COUNT};
    merge(&b, us, ops, 1, 0, CONTENT_STRING, false, true);
    show(&b, "counter, one datacenter", 1);
    merge(&b, us, ops, 1, 0, CONTENT_STRING, false, true);
    merge(&b, eu, ops, 1, 0, CONTENT_STRING, false, true);
    merge(&b, ap, ops, 1, 0, CONTENT_STRING, false, true);
    show(&b, "counter, three datacenters", 1);
    hash_of(&b, us, 10, false, "hash of 10 columns, one write");
    hash_of(&b, us, 10, true, "hash of 10 columns, ten writes");
    hash_of(&b, us, 100, false, "hash of 100 columns, one write");
    hash_of(&b, us, 100, true, "hash of 100 columns, a hundred writes");

    buf_finish(&content);
    row_finish(&b.row);
    row_finish(&b.next);
    row_news_finish(&b.news);
    vv_finish(&b.vv);
    origins_destroy(b.t);
    return 0;
}
