/* Origins, dots and the table that gives each origin a small number (DESIGN, section 2).
 *
 * An origin is (DC, node, incarnation): one run of one node. Text: `us-1.00c0ffee00c0ffee`; a dot: `us-1.00c0ffee00c0ffee:42`.
 * On the wire and on disk origins travel by name; inside one engine they are an `origin_ref`, an index into its `struct origins`. A ref means nothing
 * outside its table, and refs must never be compared to order versions: the canonical order is `origins_compare`. */
#pragma once
#include "bytes.h"

#define NAME_LEN_MAX 63 /* names match [a-z0-9_-]{1,63} */
#define ORIGINS_MAX  65535u
#define ORIGIN_NONE  UINT32_MAX

typedef uint32_t origin_ref;

struct origin {
    char dc[NAME_LEN_MAX + 1];
    uint16_t node; /* 1.. within its DC */
    uint64_t incarnation;
};

struct dot {
    origin_ref origin;
    uint64_t n; /* 1.. within its origin; 0: no dot */
};

/* One thread enters origins and decodes; others may meanwhile use the refs that they were handed (get, hash, compare, encode, format). */
struct origins;
struct origins *origins_create(void);
void origins_destroy(struct origins *t); /* NULL is accepted */
uint32_t origins_count(const struct origins *t);
/* The ref of an origin, entered at need; ORIGIN_NONE when the table is full or the name is not allowed. */
origin_ref origins_intern(struct origins *t, const struct origin *o);
/* The same without entering it: ORIGIN_NONE when it is not there. For what clients send. */
origin_ref origins_find(const struct origins *t, const struct origin *o);
const struct origin *origins_get(const struct origins *t, origin_ref ref); /* stays valid as long as the table */
/* hash64 of the origin's binary form: the same in every table. What digests are made of. */
uint64_t origins_hash(const struct origins *t, origin_ref ref);
/* <0, 0, >0 by DC name, node, incarnation. */
int origins_compare(const struct origins *t, origin_ref a, origin_ref b);
/* By origin as above, then number. */
int dot_compare(const struct origins *t, struct dot a, struct dot b);
static inline bool dot_equal(struct dot a, struct dot b) { return a.origin == b.origin && a.n == b.n; }

bool name_allowed(struct slice name);
/* "us-2" to its parts. False: not of that form. */
bool node_name_parse(struct slice text, char ret_dc[static NAME_LEN_MAX + 1], uint16_t *ret_node);

/* Text. Parsing returns false for anything but the exact form; formatting appends. */
void origin_format(const struct origin *o, struct buf *out);
bool origin_parse(struct slice text, struct origin *ret);
void dot_format(const struct origins *t, struct dot d, struct buf *out);
bool dot_parse(struct slice text, struct origins *t, struct dot *ret);

/* Binary: slice dc, varint node, u64 incarnation; a dot adds varint n (n >= 1). Decoding returns ORIGIN_NONE / n = 0 and sets r->bad on a fault. */
#define DOT_BYTES_MIN 12u
void origin_encode(const struct origins *t, origin_ref ref, struct buf *out);
origin_ref origin_decode(struct reader *r, struct origins *t);
void dot_encode(const struct origins *t, struct dot d, struct buf *out);
struct dot dot_decode(struct reader *r, struct origins *t);
