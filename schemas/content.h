/* The content of one version of a row: a type, an expiry, and columns. Canonical: equal content has equal bytes.
 *
 *   u8 type, varint expires_ms (0: for ever), then
 *   STRING  the bytes, to the end
 *   HASH    varint count >= 1, then (slice name, slice value), strictly ascending by name
 *   SET     varint count >= 1, then slice member, strictly ascending
 *
 * An absent row has no content at all; an empty hash or set does not exist. */
#pragma once
#include "bytes.h"

#define KEY_BYTES_MAX (64u * 1024)
#define ROW_BYTES_MAX (1024u * 1024)
/* What is refused as content whoever sends it: the largest row, with room for its frame. */
#define CONTENT_BYTES_MAX (ROW_BYTES_MAX + 64u * 1024)

enum content_type { CONTENT_NONE = 0, CONTENT_STRING = 1, CONTENT_HASH = 2, CONTENT_SET = 3 };

/* ---- reading; the content must have passed content_check once ---- */
bool content_check(struct slice c); /* well formed and canonical */
enum content_type content_type(struct slice c);
uint64_t content_expires_ms(struct slice c);
struct slice content_string(struct slice c); /* STRING only */
uint64_t content_count(struct slice c);      /* columns of a HASH, members of a SET, 1 for a STRING */
/* HASH: the value of a column; SET: whether it is a member (ret_value may be NULL). */
bool content_find(struct slice c, struct slice name, struct slice *ret_value);

struct content_columns {
    struct reader r;
    bool has_values;
    uint64_t left;
};
struct content_columns content_columns(struct slice c); /* HASH or SET */
bool content_next(struct content_columns *i, struct slice *ret_name, struct slice *ret_value /* NULL: not wanted */);

/* ---- writing; each replaces what `out` holds, which must not be what it reads from ---- */
void content_make_string(struct buf *out, uint64_t expires_ms, struct slice value);
/* The same columns with another expiry. */
void content_with_expiry(struct buf *out, struct slice c, uint64_t expires_ms);
/* c (of `type`, or empty: the row is absent) with one column set / one column removed. A removal that leaves nothing gives empty `out`. */
void content_with_column(struct buf *out, struct slice c, enum content_type type, struct slice name, struct slice value);
void content_without_column(struct buf *out, struct slice c, struct slice name);
/* From unsorted columns (values NULL for a SET); of equal names the last counts. `names` is reordered. Nothing gives empty `out`. */
struct content_column {
    struct slice name, value;
};
void content_make(struct buf *out, enum content_type type, uint64_t expires_ms, struct content_column *columns, size_t count);
