/* A sorted table of named records in memory: what one column family is to RocksDB. */
#pragma once
#include "../../schemas/bytes.h"

struct record {
    uint32_t name_bytes, value_bytes;
    uint8_t bytes[]; /* name, then value */
};
static inline struct slice record_name(const struct record *r) { return SLICE(r->bytes, r->name_bytes); }
static inline struct slice record_value(const struct record *r) { return SLICE(r->bytes + r->name_bytes, r->value_bytes); }
struct record *record_create(struct slice name, struct slice value);

struct table {
    struct record **records; /* owned, ascending by name */
    size_t n, cap;
};
void sim_table_finish(struct table *t);
/* The place of the first record whose name is >= name. */
size_t table_seek(const struct table *t, struct slice name);
/* NULL: none of that name. */
struct record *table_find(const struct table *t, struct slice name);
/* Takes `r` in; the record that it replaces, or NULL, is the caller's. */
struct record *table_put(struct table *t, struct record *r);
/* The record taken out is the caller's; NULL: there was none. */
struct record *table_remove(struct table *t, struct slice name);
/* Takes in `n` records, ascending by name, in one pass; one with an empty value removes its namesake. Replaced records are freed. */
void table_merge(struct table *t, struct record **changes, size_t n);
