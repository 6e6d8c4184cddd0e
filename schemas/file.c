#include "file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

bool file_read(const char *path, uint32_t mib_max, struct buf *out, struct buf *why) {
    const size_t most = (size_t)mib_max << 20;
    FILE *f = fopen(path, "rb");
    size_t n = 0;
    if (f != NULL) {
        do {
            n = fread(buf_reserve(out, 65536), 1, 65536, f);
            out->n += n;
        } while (n > 0 && out->n <= most);
    }
    bool ok = f != NULL && !ferror(f);
    buf_clear(why);
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    if (ok && out->n > most) {
        buf_printf(why, "%s: expected at most %u MiB", path, mib_max);
        ok = false;
    }
    if (f != NULL) fclose(f);
    return ok;
}

json_t *file_json(const char *name, struct slice text, struct buf *why) {
    json_error_t error;
    json_t *json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json != NULL) return json;
    buf_clear(why);
    buf_printf(why, "%s:%d:%d: ", name, error.line, error.column);
    for (const char *p = error.text; *p != '\0'; p++) buf_u8(why, (uint8_t)*p < 0x20 ? '?' : (uint8_t)*p);
    return NULL;
}
