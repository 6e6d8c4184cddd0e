#include "shown.h"
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 60

void shown_text(const char *text, struct buf *out) {
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i == SHOWN_MAX) return buf_text(out, "...");
        buf_u8(out, (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? '?' : (uint8_t)text[i]);
    }
}

/* With its point: 256.0 is not the whole number that was expected. */
static void show_real(const json_t *v, struct buf *out) {
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    buf_text(out, text == NULL ? "a real number" : text);
    free(text);
}

void shown_value(const json_t *v, struct buf *out) {
    switch (v == NULL ? -1 : (int)json_typeof(v)) {
    case JSON_OBJECT: return buf_text(out, json_object_size(v) == 0 ? "an empty object" : "an object");
    case JSON_ARRAY: return buf_text(out, "an array");
    case JSON_INTEGER: return buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL: return show_real(v, out);
    case JSON_TRUE: return buf_text(out, "true");
    case JSON_FALSE: return buf_text(out, "false");
    case JSON_NULL: return buf_text(out, "null");
    case JSON_STRING:
        buf_u8(out, '"');
        shown_text(json_string_value(v), out);
        return buf_u8(out, '"');
    default: return buf_text(out, "nothing");
    }
}

json_t *shown_bytes(struct slice s) {
    const char *p = s.n ? (const char *)s.p : "";
    json_t *text = memchr(p, 0, s.n) ? NULL : json_stringn(p, s.n);
    if (text) return text;
    struct buf b = {0};
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '\\')
            buf_u8(&b, s.p[i]);
        else
            buf_printf(&b, "\\x%02x", s.p[i]);
    }
    text = json_stringn((const char *)b.p, b.n);
    buf_finish(&b);
    return text;
}
