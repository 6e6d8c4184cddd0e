/* Conflicts as the admission check handles them: made up, recorded, shrunk, and told in words. The manual, HANDLERS.md, has their form as JSON. */
#pragma once
#include "handler.h"
#include <jansson.h>

struct check_sibling {
    char dc[NAME_LEN_MAX + 1];
    struct buf dot; /* text */
    int32_t priority;
    stamp_t stamp;
    bool marked;
    struct buf content; /* nothing: deleted; as a base: there was no row */
};

struct check_case {
    char title[128]; /* "generated conflict 17", or what a recorded one is called */
    struct buf key, table;
    struct check_sibling *siblings; /* in canonical order */
    uint32_t count;
    bool has_base;
    struct check_sibling base;
    json_t *expect; /* of recorded ones: what the answer must be; NULL: anything */
};
void check_case_finish(struct check_case *c);
void check_case_copy(struct check_case *to, const struct check_case *from);
/* Appends the request (conflict/handler.h). */
void check_case_encode(const struct check_case *c, const char *name, const char *settings, struct buf *out);
/* Two versions of different content at least: else there is nothing to decide. */
bool check_case_open(const struct check_case *c);

struct check_cases {
    struct check_case *c;
    uint32_t n, cap;
};
void check_cases_finish(struct check_cases *all);
struct check_case *check_cases_add(struct check_cases *all); /* an empty one */

/* ---- check_generate.c ---- */
/* `count` conflicts from a fixed seed: 2 to 5 versions of every type, deletes, expiries, equal and empty and large and binary values, most of them
 * edits of one ancestor; columns and values also of words found in the settings. */
void check_cases_generate(struct check_cases *all, uint32_t count, const char *settings, bool wants_base);

/* ---- check_shrink.c ---- */
/* All that are one step smaller than c, the boldest steps first; appends. */
void check_case_smaller(const struct check_case *c, struct check_cases *ret);

/* ---- check_json.c ---- */
/* A file {"conflicts": [...]}, or such an array. False: *why, one line. Appends. */
bool check_cases_load(struct check_cases *all, const char *path, struct buf *why);
/* The "settings" of such a file, as JSON text, the caller's; NULL: it has none. */
char *check_cases_settings(const char *path);
json_t *check_case_json(const struct check_case *c);
json_t *check_answer_json(const struct check_case *c, const struct handler_answer *a);
/* Is it what a recorded conflict expects? False: *why. */
bool check_expected(const struct check_case *c, const struct handler_answer *a, struct buf *why);

/* ---- check_words.c; all append ---- */
void check_case_words(const struct check_case *c, struct buf *out);
void check_answer_words(const struct check_case *c, const struct handler_answer *a, struct buf *out);
