/* The conflict inbox as nodes tell of it (TRUCE.CONFLICTS LIST, SHOW), as JSON, as text, and as what a person edits. */
#pragma once
#include "../schemas/bytes.h"

#include <hiredis/hiredis.h>
#include <jansson.h>

/* Bytes are strings, or {"base64": "..."} where they are no UTF-8. The caller owns what is returned. */
json_t *inbox_bytes_json(struct slice s);
bool inbox_bytes_of(const json_t *j, struct buf *ret); /* appends; false: it is neither */

json_t *inbox_list_json(const redisReply *episodes); /* an array of objects */
json_t *inbox_show_json(const redisReply *shown);    /* "columns" as [{"name", "value"}...] */

/* For people; each appends. */
void inbox_list_print(const json_t *episodes, struct buf *out);
void inbox_show_print(const json_t *shown, struct buf *out);

/* As `truce handler check --recorded` reads it; NULL: it has no two versions that did not know of each other. */
json_t *inbox_export_json(const json_t *shown);

/* What --edit opens: the versions merged column by column as "result", for a person to change, and the versions to look at. */
json_t *inbox_edit_json(const json_t *shown);
/* Words for TRUCE.CONFLICTS RESOLVE id CONTEXT c AS..., from what was made of it, or from a value given on the command line. */
struct inbox_words {
    struct buf bytes; /* slices, each with its length */
    int count;
};
void inbox_words_add(struct inbox_words *w, struct slice s);
bool inbox_edit_words(const json_t *edited, struct inbox_words *ret, struct buf *why); /* false: *why */
bool inbox_value_words(const json_t *shown, const char *value, struct inbox_words *ret, struct buf *why);
