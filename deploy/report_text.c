#include "report_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at s (RFC 3629, section 4), with its code point; 0: there is none. */
static size_t utf8_at(struct slice s, uint32_t *ret) {
    uint8_t first = s.p[0];
    if (first < 0x80) {
        *ret = first;
        return 1;
    }
    size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < 0xc2 || first > 0xf4 || s.n < n) return 0;
    uint32_t code = first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s.p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *ret = code;
    return n;
}

/* What is not seen, or changes how its neighbours are seen. */
static bool is_hidden(uint32_t c) {
    return (c >= 0x80 && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe;
}

void clean_text(struct slice s, size_t max, struct buf *out) {
    size_t start = out->n;
    for (size_t i = 0; i < s.n;) {
        if (max && out->n - start >= max) {
            buf_text(out, "…");
            return;
        }
        uint32_t code = 0;
        size_t n = utf8_at(SLICE(s.p + i, s.n - i), &code);
        if (n == 0 || code < 0x20 || code == 0x7f) {
            buf_printf(out, "\\x%02x", s.p[i]);
            n = 1;
        } else if (is_hidden(code)) {
            buf_printf(out, "\\u%04" PRIx32, code);
        } else {
            buf_put(out, s.p + i, n);
        }
        i += n;
    }
}

void html_text(const char *text, size_t max, struct buf *out) {
    struct buf clean = {0};
    if (!text) return;
    clean_text(slice_text(text), max, &clean);
    for (size_t i = 0; i < clean.n; i++) {
        switch (clean.p[i]) {
        case '&': buf_text(out, "&amp;"); break;
        case '<': buf_text(out, "&lt;"); break;
        case '>': buf_text(out, "&gt;"); break;
        case '"': buf_text(out, "&quot;"); break;
        case '\'': buf_text(out, "&#39;"); break;
        default: buf_u8(out, clean.p[i]);
        }
    }
    buf_finish(&clean);
}

void html_fill(struct buf *out, const char *form, const char *const *texts, size_t count) {
    size_t used = 0;
    for (const char *p = form; *p;) {
        if (p[0] == '{' && p[1] == '}') {
            if (used == count) abort();
            html_text(texts[used++], 0, out);
            p += 2;
        } else {
            buf_u8(out, (uint8_t)*p++);
        }
    }
    if (used != count) abort();
}

char *json_words(const json_t *value, size_t max) {
    struct buf out = {0};
    if (!value || json_is_null(value)) {
        buf_text(&out, "(nil)");
    } else if (json_is_string(value)) {
        clean_text(SLICE(json_string_value(value), json_string_length(value)), max, &out);
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        clean_text(slice_text(text ? text : "?"), max, &out);
        free(text);
    }
    buf_u8(&out, 0);
    return (char *)out.p;
}

const char *json_text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A number of thousandths without zeros at its end. */
static void put_thousandths(uint64_t n, const char *unit, char *ret) {
    int used = snprintf(ret, TIME_WORDS_MAX, "%" PRIu64, n / 1000);
    if (n % 1000) {
        used += snprintf(ret + used, (size_t)(TIME_WORDS_MAX - used), ".%03u", (unsigned)(n % 1000));
        while (ret[used - 1] == '0') ret[--used] = 0;
    }
    snprintf(ret + used, (size_t)(TIME_WORDS_MAX - used), " %s", unit);
}

const char *time_words(uint64_t us, char ret[TIME_WORDS_MAX]) {
    uint64_t s = us / 1000000;
    if (us == 0)
        snprintf(ret, TIME_WORDS_MAX, "0");
    else if (us < 1000)
        snprintf(ret, TIME_WORDS_MAX, "%" PRIu64 " µs", us);
    else if (us < 1000000)
        put_thousandths(us, "ms", ret);
    else if (s < 100)
        put_thousandths(us / 1000, "s", ret);
    else if (s < 7200)
        snprintf(ret, TIME_WORDS_MAX, "%" PRIu64 " m %" PRIu64 " s", s / 60, s % 60);
    else
        snprintf(ret, TIME_WORDS_MAX, "%" PRIu64 " h %" PRIu64 " m", s / 3600, s / 60 % 60);
    return ret;
}

const char *count_words(uint64_t n, char ret[COUNT_WORDS_MAX]) {
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, n), used = 0;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0) ret[used++] = ',';
        ret[used++] = digits[i];
    }
    ret[used] = 0;
    return ret;
}

void script_json(const json_t *value, struct buf *out) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (!text) abort();
    for (const char *p = text; *p; p++) {
        if (*p == '<' || *p == '>' || *p == '&')
            buf_printf(out, "\\u%04x", (unsigned)*p);
        else
            buf_u8(out, (uint8_t)*p);
    }
    free(text);
}
