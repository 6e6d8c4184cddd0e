/* The one header that the author of a conflict handler includes. HANDLERS.md is the manual.
 *
 * A handler is a shared object NAME.so with one symbol, `truce_handler`. Where datacenters changed the same row without knowing of each other, it is
 * given the versions and says what the row becomes. It must be a function of what it is given: no clock, no randomness, no address, no memory of
 * earlier calls, no files, no threads. It is never told which datacenter it runs in.
 *
 * The ABI only grows: fields are appended, and `struct_size` says how far a struct goes; what stands in arrays (truce_bytes, truce_column) stays as
 * it is for ever. A field that is younger than version 1 is read only where struct_size reaches it: TRUCE_HAS(c, field).
 *   2026-11   version 1: the first
 */
#ifndef TRUCE_HANDLER_H
#define TRUCE_HANDLER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRUCE_HANDLER_ABI   1
#define TRUCE_HAS(s, field) (offsetof(__typeof__(*(s)), field) + sizeof((s)->field) <= (s)->struct_size)

/* Bytes; not zero-terminated. */
struct truce_bytes {
    const char *p;
    size_t n;
};

enum truce_type { TRUCE_DELETED = 0, TRUCE_STRING = 1, TRUCE_HASH = 2, TRUCE_SET = 3 };

/* A column of a hash, or a member of a set (value empty). A string has one column with an empty name. */
struct truce_column {
    struct truce_bytes name, value;
};

/* One version of the row. */
struct truce_sibling {
    size_t struct_size;
    const char *dc;  /* name of the datacenter that wrote it */
    const char *dot; /* its own name: origin:number */
    uint64_t stamp;  /* milliseconds << 16 | counter; orders nothing but concurrent writes */
    int32_t dc_priority;
    int32_t clock_was_off; /* 1: stamped by a clock that was off; where stamps decide, it comes after all that were not */
    enum truce_type type;
    uint64_t expires_ms;                /* since 1970; 0: for ever */
    const struct truce_column *columns; /* in order of name, bytewise; each name once */
    size_t columns_count;
    size_t same_as; /* index of the first sibling with just this content (its own, where none is before it): versions of equal content count as one */
};

enum truce_reason {
    TRUCE_BOTH_WROTE = 1,    /* all versions are rows */
    TRUCE_WROTE_DELETED = 2, /* some are rows, some are deletes */
};

struct truce_conflict {
    size_t struct_size;
    enum truce_reason reason;
    struct truce_bytes key;
    const char *table;                           /* "*" where none was declared */
    const char *settings;                        /* the table's own JSON settings, "{}" when it has none */
    const struct truce_sibling *const *siblings; /* two or more, in order of their dots: the same everywhere */
    size_t siblings_count;
    const struct truce_sibling *base; /* what they came from, for handlers that ask for it; else NULL. Type TRUCE_DELETED: there was no row */
};

/* ---- what a handler answers: exactly one of these ----
 * Each returns 0, or anything else where it breaks a rule (a second answer, a sibling that is not there, columns that do not fit the type, a row
 * larger than 1 MiB): the row is recorded for later then, whatever follows. Return what the last one returned. */
struct truce_answer;
struct truce_answer_ops {
    size_t struct_size;
    int (*pick)(struct truce_answer *a, size_t sibling);
    int (*remove)(struct truce_answer *a); /* the row is deleted */
    int (*record)(struct truce_answer *a); /* a person is to decide */
    int (*pass)(struct truce_answer *a);   /* the next handler of the chain is to decide */
    /* A new row: begin, then its columns in any order, of equal names the last counts; bytes are copied. A string wants one column with an empty
     * name, a hash or a set at least one, a set's have empty values. */
    int (*begin)(struct truce_answer *a, enum truce_type type, uint64_t expires_ms);
    int (*column)(struct truce_answer *a, struct truce_bytes name, struct truce_bytes value);
};
struct truce_answer {
    const struct truce_answer_ops *ops;
};

enum {
    TRUCE_WANTS_BASE = 1, /* runs only where the base is at hand */
    TRUCE_REGROUPS = 2,   /* claims: deciding some siblings first and the rest later gives the same row; the admission check tries it */
};

struct truce_handler {
    uint32_t abi; /* TRUCE_HANDLER_ABI */
    uint32_t flags;
    size_t struct_size;
    const char *name;    /* [a-z0-9_-]{1,63}, as the file is named */
    const char *version; /* for people */
    const char *summary; /* one line, for people */
    /* 0, or anything else: misuse, and the row is recorded for later. */
    int (*decide)(const struct truce_conflict *c, struct truce_answer *a);
    /* NULL: settings are not looked at. Are these good? 0; else a line of why into `why` (at most `n` bytes with its zero). */
    int (*check_settings)(const char *settings, char *why, size_t n);
};

/* The symbol: TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = { ... }; */
#define TRUCE_HANDLER_SYMBOL "truce_handler"
#define TRUCE_HANDLER_EXPORT __attribute__((visibility("default")))

/* ---- for convenience ---- */
static inline struct truce_bytes truce_text(const char *zero_terminated) {
    struct truce_bytes b = {zero_terminated, strlen(zero_terminated)};
    return b;
}
/* Bytewise, a shorter prefix first. */
static inline int truce_compare(struct truce_bytes a, struct truce_bytes b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}
static inline int truce_equal(struct truce_bytes a, struct truce_bytes b) { return truce_compare(a, b) == 0; }
/* A version's column of that name; of a string the name is empty. NULL: it has none. */
static inline const struct truce_column *truce_find(const struct truce_sibling *s, struct truce_bytes name) {
    size_t low = 0, high = s->columns_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = truce_compare(s->columns[middle].name, name);
        if (order == 0) return &s->columns[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

#ifdef __cplusplus
}
#endif
#endif
