/* Replies in the Redis protocol, version 2 or 3 (redis.io, "RESP protocol specification"). All append. In RESP2 the types it lacks take the form
 * that Redis gives them: a map is a flat array, a set an array, a double or big number a bulk string, true/false 1/0, null `$-1`. */
#pragma once
#include "../../schemas/bytes.h"

struct reply {
    struct buf *out;
    uint8_t protocol; /* 2 or 3 */
    bool failed;      /* an error was written: what the command changed is undone */
};

void reply_simple(struct reply *r, const char *text); /* +OK */
void reply_ok(struct reply *r);
void reply_error(struct reply *r, const char *format, ...) __attribute__((format(printf, 2, 3))); /* with its code: "ERR ..."; CR, LF become spaces */
void reply_integer(struct reply *r, int64_t v);
void reply_bulk(struct reply *r, struct slice s);
void reply_text(struct reply *r, const char *zero_terminated);
void reply_verbatim(struct reply *r, const char *type3, struct slice s);
void reply_null(struct reply *r);
void reply_null_array(struct reply *r); /* RESP2 `*-1` */
void reply_double(struct reply *r, double v);
void reply_bool(struct reply *r, bool v);
void reply_array(struct reply *r, size_t n);
void reply_map(struct reply *r, size_t pairs);
void reply_set(struct reply *r, size_t n);
void reply_push(struct reply *r, size_t n);
