/* Holding a value against what was expected of it. */
#pragma once
#include "scenario.h"

/* What a predicate, or a command, gave. */
struct finding {
    json_t *value;  /* owned; a reply as JSON (reply_json.h), or a number */
    bool unordered; /* a list whose order says nothing */
    bool time;      /* a number of microseconds */
};
void finding_finish(struct finding *a);
/* As it stands in messages: `"1"`, `nil`, `120ms`, `the error "ERR ..."`, `["a","b"]`; long ones are cut off. Appends. */
void finding_format(const struct finding *a, struct buf *out);

/* Does it hold? */
bool compare_holds(const struct compare *c, const struct finding *a);
/* What it expects: `"2"`, `one of ["1","2"]`, `at most 300ms`, `an error with "NOQUORUM"`. Appends. */
void compare_format(const struct compare *c, struct buf *out);
/* Do all hold? Without any: is it true, not nil, not an error, not empty, not 0? False: *ret_failed is the first that does not, or NULL. */
bool compare_all(const struct compare *list, uint32_t count, const struct finding *a, const struct compare **ret_failed);
