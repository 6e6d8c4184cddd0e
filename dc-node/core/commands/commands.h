/* What the command files share among themselves. */
#pragma once
#include "../session.h"
#include "list.h"

#define REPLY_BYTES_MAX (64u * 1024 * 1024) /* of a reply whose length a client's number decides */

static inline bool row_absent(struct slice content) { return content.n == 0; }
/* Argument i. */
static inline struct slice arg(const struct call *c, uint32_t i) { return c->argv[i]; }
/* Argument i is this word, letters of either case. */
static inline bool arg_is(const struct call *c, uint32_t i, const char *word) { return slice_is(c->argv[i], word); }

/* ---- replies (common.c) ---- */
/* Whole argument as integer from min to max; else the reply "ERR " message, or Redis' own texts where message is NULL. */
bool want_range(struct call *c, struct slice s, int64_t min, int64_t max, const char *message, int64_t *ret);
/* What was written since `mark` goes, and the refusal of the change takes its place. */
void refuse_after(struct call *c, size_t mark, struct slice key);
/* Deletes a row that is there; false: refused, the error is written. */
bool delete_row(struct call *c, struct slice key);
const char *content_type_name(enum content_type type);
/* -ERR value is no time that can be kept: "invalid expire time in 'set' command". */
void reply_expire_time(struct call *c);
/* The command's name in lower case, for error texts. */
struct command_name {
    char text[32];
};
struct command_name command_name(const struct call *c);

/* Commands of a container: CLIENT, CONFIG, COMMAND. */
struct subcommand {
    const char *name;
    command_fn *run;
    int32_t arity; /* counts the container's name too */
    const char *summary;
};
void run_subcommand(struct call *c, const struct subcommand *list, size_t count);

/* ---- session.c ---- */
#define REDIS_VERSION "7.0.15"       /* whose replies these are */
bool printable_word(struct slice s); /* no spaces, nothing beyond ASCII */
/* False: the error is written. */
bool set_session_name(struct call *c, struct slice name);

/* ---- glob.c ---- */
/* Redis' patterns: * ? [a-z] [^a] and \ before a character. Time is bounded by the product of both lengths. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

/* ---- expiry.c ---- */
/* An argument in `unit_ms`, counted from base_ms, as milliseconds since 1970; false: the error is written. Zero and less is refused. */
bool want_expiry(struct call *c, struct slice s, int64_t unit_ms, uint64_t base_ms, uint64_t *ret);

/* ---- numbers.c ---- */
#define DECIMAL_BYTES_MAX 5200 /* a long double without exponent */
/* As Redis' "human friendly" form: no exponent, no zeros at the end. */
size_t format_decimal(char out[static DECIMAL_BYTES_MAX], long double v);
size_t format_integer(char out[static 24], int64_t v);

/* ---- columns.c ---- */
/* A growing list of borrowed slices. */
struct slices {
    struct slice *p;
    size_t n, cap;
};
void slices_finish(struct slices *l);
void slices_add(struct slices *l, struct slice s);
/* Sorts, and drops repetitions. */
void slices_unique(struct slices *l);

/* What a command asks about one column. */
struct lookup {
    struct slice name, value;
    bool found;
};
/* The arguments first, first + step ... as lookups in the same order, answered in one pass over the row. Owned by the caller: free(). */
struct lookup *lookup_columns(const struct call *c, struct slice content, uint32_t first, uint32_t step, size_t *ret_count);
/* The distinct names among them that were found, or were not. */
void lookups_where(const struct lookup *l, size_t count, bool found, struct slices *ret);
/* HDEL, SREM: arguments 2 and on leave row 1; replies how many were there. */
void remove_columns(struct call *c, enum content_type type);
/* Column number i of a HASH or SET that has more than i. */
void column_at(struct slice content, uint64_t i, struct slice *ret_name, struct slice *ret_value);
