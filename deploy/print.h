/* Replies and tables as text. */
#pragma once
#include "../schemas/bytes.h"

#include <hiredis/hiredis.h>
#include <jansson.h>

/* Each appends. As redis-cli at a terminal: `(integer) 1`, `1) "a"`. */
void reply_print(const redisReply *reply, struct buf *out);
/* As redis-cli into a pipe: bare text, a line for each element. */
void reply_print_raw(const redisReply *reply, struct buf *out);
/* As JSON; text that is no UTF-8 is shown quoted, with \x escapes. The caller owns it. */
json_t *reply_as_json(const redisReply *reply);
/* "text" with escapes for what cannot be printed. */
void quote(struct slice s, struct buf *out);

/* A table: cells row by row, the first row being the head; columns as wide as their widest cell. */
struct table {
    uint32_t columns;
    struct buf cells; /* zero-terminated texts, one after the other */
};
void table_finish(struct table *t);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *t, struct buf *out);
