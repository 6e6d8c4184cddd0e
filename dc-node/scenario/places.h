/* Where values stand in a JSON text: jansson tells it of errors alone. */
#pragma once
#include "../../schemas/bytes.h"

struct places;
/* Of a text that is valid JSON; the text may go afterwards. */
struct places *places_scan(struct slice json);
void places_destroy(struct places *p); /* NULL is accepted */
/* The line, from 1, of the value that a path of keys with dots between leads to ("links.us ap.loss"), or of the innermost value on the way that is
 * there. 0: `p` is NULL. */
uint32_t places_line(const struct places *p, const char *path);
/* The line of element `index` of the array at top level named `key`. 0: not known. */
uint32_t places_element(const struct places *p, const char *key, size_t index);
