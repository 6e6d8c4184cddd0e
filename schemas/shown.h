/* How values of a JSON file stand in a message about it, in one line and not too long; and how bytes stand in JSON. */
#pragma once
#include "bytes.h"
#include <jansson.h>

/* They append. */
void shown_text(const char *text, struct buf *out);     /* without control characters */
void shown_value(const json_t *value, struct buf *out); /* `"us eu |"`, `an empty object`; NULL: `nothing` */

/* As they are where they are UTF-8 without a zero byte, else with \x escapes. The caller owns it. */
json_t *shown_bytes(struct slice s);
