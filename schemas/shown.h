/* How values of a JSON file stand in a message about it: in one line, and not too long. */
#pragma once
#include "bytes.h"
#include <jansson.h>

/* They append. */
void shown_text(const char *text, struct buf *out);     /* without control characters */
void shown_value(const json_t *value, struct buf *out); /* `"us eu |"`, `an empty object`; NULL: `nothing` */
