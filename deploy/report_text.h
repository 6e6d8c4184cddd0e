/* Text for the report's page: what comes from data is escaped here, in one place, whatever bytes it holds. */
#pragma once
#include "../schemas/bytes.h"

#include <jansson.h>

/* Bytes as valid UTF-8 without control characters: what is none shows as \xNN, and what would turn the direction of writing as \uNNNN. At most `max`
 * bytes of it, then an ellipsis; 0: all. Appends. */
void clean_text(struct slice s, size_t max, struct buf *out);
/* The same as HTML text or attribute: & < > " ' are escaped too. NULL counts as nothing. */
void html_text(const char *text, size_t max, struct buf *out);

/* `form` with each {} replaced by the next of the texts, escaped. */
#define HTML(out, form, ...)                                                                                                                         \
    html_fill(out, form, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
void html_fill(struct buf *out, const char *form, const char *const *texts, size_t count);

/* A JSON value as people read it: a string bare, a list or an object compact, null as "(nil)". At most `max` bytes. The caller frees it. */
char *json_words(const json_t *value, size_t max);
/* The string at a key; "" where there is none. */
const char *json_text_at(const json_t *object, const char *key);

/* "0", "850 µs", "1.25 s", "2 m 5 s". */
#define TIME_WORDS_MAX 40
const char *time_words(uint64_t us, char ret[TIME_WORDS_MAX]);
/* "1,234,567". */
#define COUNT_WORDS_MAX 32
const char *count_words(uint64_t n, char ret[COUNT_WORDS_MAX]);

/* A JSON value as the content of a <script>: no byte of it can end the element. */
void script_json(const json_t *value, struct buf *out);
