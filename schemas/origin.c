#include "origin.h"
#include "text.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_ORIGINS    256u
#define CHUNKS_MAX       256u
#define ORIGIN_BYTES_MAX (1 + NAME_LEN_MAX + 3 + 8)
#define SLOTS_AT_FIRST   64u
#define SLOT_EMPTY       UINT32_MAX

struct entry {
    struct origin origin;
    uint64_t hash; /* of `bytes` */
    uint8_t bytes_n;
    uint8_t bytes[ORIGIN_BYTES_MAX]; /* the binary form */
};

/* Entries lie in chunks that never move, so that readers on other threads need no lock. The hash index belongs to the thread that enters. */
struct origins {
    struct entry *chunks[CHUNKS_MAX];
    _Atomic uint32_t count;
    uint32_t *slots; /* refs by hash, open addressing, at most half full */
    uint32_t slots_count;
    const struct entry *latest; /* the last decoded: blocks, deps and dots mostly repeat it */
    origin_ref latest_ref;
};

static_assert(CHUNKS_MAX * CHUNK_ORIGINS >= ORIGINS_MAX, "every ref has its chunk");

struct origins *origins_create(void) {
    struct origins *t = xcalloc(1, sizeof *t);
    t->slots_count = SLOTS_AT_FIRST;
    t->slots = xmalloc(t->slots_count * sizeof *t->slots);
    memset(t->slots, 0xff, t->slots_count * sizeof *t->slots);
    return t;
}

void origins_destroy(struct origins *t) {
    if (t == NULL) return;
    for (uint32_t i = 0; i < CHUNKS_MAX; i++) free(t->chunks[i]);
    free(t->slots);
    free(t);
}

uint32_t origins_count(const struct origins *t) { return atomic_load_explicit(&t->count, memory_order_acquire); }

static struct entry *entry_at(const struct origins *t, origin_ref ref) { return &t->chunks[ref / CHUNK_ORIGINS][ref % CHUNK_ORIGINS]; }

static const struct entry *entry_of(const struct origins *t, origin_ref ref) {
    assert(ref < origins_count(t));
    return entry_at(t, ref);
}

const struct origin *origins_get(const struct origins *t, origin_ref ref) { return &entry_of(t, ref)->origin; }

uint64_t origins_hash(const struct origins *t, origin_ref ref) { return entry_of(t, ref)->hash; }

/* ---- the index ---- */
/* The slot that holds the origin of these bytes, or the empty one where it belongs. */
static uint32_t *slot_find(const struct origins *t, uint64_t hash, struct slice bytes) {
    uint32_t mask = t->slots_count - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &t->slots[i];
        if (*slot == SLOT_EMPTY) return slot;
        const struct entry *e = entry_at(t, *slot);
        if (e->hash == hash && slice_equal(SLICE(e->bytes, e->bytes_n), bytes)) return slot;
    }
}

static void slots_double(struct origins *t, uint32_t count) {
    t->slots_count *= 2;
    t->slots = xrealloc(t->slots, t->slots_count * sizeof *t->slots);
    memset(t->slots, 0xff, t->slots_count * sizeof *t->slots);
    for (uint32_t ref = 0; ref < count; ref++) {
        const struct entry *e = entry_at(t, ref);
        *slot_find(t, e->hash, SLICE(e->bytes, e->bytes_n)) = ref;
    }
}

static origin_ref enter(struct origins *t, uint64_t hash, struct slice bytes, const struct origin *o) {
    uint32_t count = origins_count(t);
    if (count == ORIGINS_MAX) return ORIGIN_NONE;
    struct entry **chunk = &t->chunks[count / CHUNK_ORIGINS];
    if (*chunk == NULL) *chunk = xcalloc(CHUNK_ORIGINS, sizeof **chunk);
    struct entry *e = entry_at(t, count);
    memcpy(e->origin.dc, o->dc, strlen(o->dc) + 1);
    e->origin.node = o->node;
    e->origin.incarnation = o->incarnation;
    e->hash = hash;
    e->bytes_n = (uint8_t)bytes.n;
    memcpy(e->bytes, bytes.p, bytes.n);
    if ((count + 1) * 2 > t->slots_count) slots_double(t, count);
    *slot_find(t, hash, bytes) = count;
    atomic_store_explicit(&t->count, count + 1, memory_order_release);
    return count;
}

static origin_ref find_or_enter(struct origins *t, struct slice bytes, const struct origin *o) {
    uint64_t hash = hash64(bytes);
    uint32_t slot = *slot_find(t, hash, bytes);
    return slot != SLOT_EMPTY ? slot : enter(t, hash, bytes, o);
}

/* The binary form of an allowed origin; returns its size. */
static size_t to_bytes(const struct origin *o, size_t dc_n, uint8_t out[static ORIGIN_BYTES_MAX]) {
    size_t n = 0;
    out[n++] = (uint8_t)dc_n;
    memcpy(out + n, o->dc, dc_n);
    n += dc_n;
    uint32_t node = o->node;
    for (; node >= 0x80; node >>= 7) out[n++] = (uint8_t)(node | 0x80);
    out[n++] = (uint8_t)node;
    for (unsigned i = 0; i < 8; i++) out[n++] = (uint8_t)(o->incarnation >> (8 * i));
    return n;
}

origin_ref origins_intern(struct origins *t, const struct origin *o) {
    uint8_t bytes[ORIGIN_BYTES_MAX];
    size_t dc_n = strnlen(o->dc, sizeof o->dc);
    if (o->node == 0 || !name_allowed(SLICE(o->dc, dc_n))) return ORIGIN_NONE;
    return find_or_enter(t, SLICE(bytes, to_bytes(o, dc_n, bytes)), o);
}

origin_ref origins_find(const struct origins *t, const struct origin *o) {
    uint8_t bytes[ORIGIN_BYTES_MAX];
    size_t dc_n = strnlen(o->dc, sizeof o->dc);
    if (o->node == 0 || !name_allowed(SLICE(o->dc, dc_n))) return ORIGIN_NONE;
    struct slice name = SLICE(bytes, to_bytes(o, dc_n, bytes));
    uint32_t slot = *slot_find(t, hash64(name), name);
    return slot != SLOT_EMPTY ? slot : ORIGIN_NONE;
}

/* ---- order ---- */
int origins_compare(const struct origins *t, origin_ref a, origin_ref b) {
    if (a == b) return 0;
    const struct origin *x = origins_get(t, a), *y = origins_get(t, b);
    int order = strcmp(x->dc, y->dc);
    if (order != 0) return order;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    return (x->incarnation > y->incarnation) - (x->incarnation < y->incarnation);
}

int dot_compare(const struct origins *t, struct dot a, struct dot b) {
    int order = origins_compare(t, a.origin, b.origin);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* ---- text ---- */
bool name_allowed(struct slice name) {
    if (name.n == 0 || name.n > NAME_LEN_MAX) return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
    }
    return true;
}

bool node_name_parse(struct slice text, char ret_dc[static NAME_LEN_MAX + 1], uint16_t *ret_node) {
    struct slice dc, number;
    uint64_t node;
    if (!text_cut(text, '-', &dc, &number) || !name_allowed(dc) || !text_number(number, UINT16_MAX, &node) || node == 0) return false;
    memcpy(ret_dc, dc.p, dc.n);
    ret_dc[dc.n] = '\0';
    *ret_node = (uint16_t)node;
    return true;
}

void origin_format(const struct origin *o, struct buf *out) {
    buf_printf(out, "%s-%u.%016llx", o->dc, (unsigned)o->node, (unsigned long long)o->incarnation);
}

static bool parse_hex64(struct slice s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n != 16) return false;
    for (size_t i = 0; i < 16; i++) {
        uint8_t c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = v;
    return true;
}

bool origin_parse(struct slice text, struct origin *ret) {
    struct slice node, incarnation;
    struct origin o = {0};
    if (!text_cut(text, '.', &node, &incarnation)) return false;
    if (!parse_hex64(incarnation, &o.incarnation) || !node_name_parse(node, o.dc, &o.node)) return false;
    *ret = o;
    return true;
}

void dot_format(const struct origins *t, struct dot d, struct buf *out) {
    origin_format(origins_get(t, d.origin), out);
    buf_printf(out, ":%llu", (unsigned long long)d.n);
}

bool dot_parse(struct slice text, struct origins *t, struct dot *ret) {
    struct slice origin, number;
    struct origin o;
    struct dot d;
    if (!text_cut(text, ':', &origin, &number) || !text_number(number, UINT64_MAX, &d.n) || d.n == 0 || !origin_parse(origin, &o)) return false;
    d.origin = origins_intern(t, &o);
    if (d.origin == ORIGIN_NONE) return false;
    *ret = d;
    return true;
}

/* ---- binary ---- */
void origin_encode(const struct origins *t, origin_ref ref, struct buf *out) {
    const struct entry *e = entry_of(t, ref);
    buf_put(out, e->bytes, e->bytes_n);
}

static origin_ref decode_fault(struct reader *r) {
    read_refuse(r);
    return ORIGIN_NONE;
}

origin_ref origin_decode(struct reader *r, struct origins *t) {
    const struct entry *latest = t->latest;
    /* The form delimits itself: equal bytes at the front are an equal origin. */
    if (latest != NULL && (size_t)(r->end - r->p) >= latest->bytes_n && memcmp(r->p, latest->bytes, latest->bytes_n) == 0) {
        r->p += latest->bytes_n;
        return t->latest_ref;
    }
    const uint8_t *from = r->p;
    struct slice dc = read_slice(r);
    uint64_t node = read_varint(r);
    struct origin o;
    o.incarnation = read_u64(r);
    if (r->bad || node == 0 || node > UINT16_MAX || !name_allowed(dc)) return decode_fault(r);
    memcpy(o.dc, dc.p, dc.n);
    o.dc[dc.n] = '\0';
    o.node = (uint16_t)node;
    origin_ref ref = find_or_enter(t, SLICE(from, (size_t)(r->p - from)), &o);
    if (ref == ORIGIN_NONE) return decode_fault(r);
    t->latest = entry_at(t, ref);
    t->latest_ref = ref;
    return ref;
}

void dot_encode(const struct origins *t, struct dot d, struct buf *out) {
    assert(d.n >= 1);
    origin_encode(t, d.origin, out);
    buf_varint(out, d.n);
}

struct dot dot_decode(struct reader *r, struct origins *t) {
    struct dot d;
    d.origin = origin_decode(r, t);
    d.n = read_varint(r);
    if (r->bad || d.n == 0) return (struct dot){decode_fault(r), 0};
    return d;
}
