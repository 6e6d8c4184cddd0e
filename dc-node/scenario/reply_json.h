/* Replies in the Redis protocol, version 2 or 3 (redis.io, "RESP protocol specification"), as JSON and as a line of text.
 *
 * Status and bulk strings and integers are strings, nil is null, arrays are lists, maps are objects, sets are sorted lists, an error is
 * {"error": "ERR ..."}. Bytes that are no UTF-8 text are shown with \x escapes. Version 2 has neither maps nor sets: the command tells (HGETALL,
 * SMEMBERS, TRUCE.SIBLINGS ...). */
#pragma once
#include "../../schemas/bytes.h"
#include <jansson.h>

#define NO_ANSWER "no answer"

/* One whole reply; none (n == 0) is the error "no answer", one that is malformed likewise an error. argv may be NULL: the command is not known.
 * *ret_set, may be NULL: it is a set, whose order says nothing. The caller owns what is returned. */
json_t *reply_json(struct slice resp, const struct slice *argv, uint32_t argc, bool *ret_set);
/* An element of EXEC's reply, as the command that it answers has it. Takes `value`. */
json_t *reply_of_command(json_t *value, const struct slice *argv, uint32_t argc);
json_t *reply_error_json(const char *message);
/* NULL: the value is no error. */
const char *reply_error_text(const json_t *value);

/* As redis-cli shows it, in one line: `(integer) 1`, `"a"`, `1) "a" 2) (nil)`. Appends UTF-8 without control characters. */
void reply_line(struct slice resp, struct buf *out);
