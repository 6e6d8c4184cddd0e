/* A scenario's text: from a file to JSON, with the lines of its values. */
#include "format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64u * 1024 * 1024)

bool scenario_read(const char *path, struct slice text, struct scenario_file *ret, struct buf *why) {
    json_error_t error;
    json_t *json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (json == NULL) {
        buf_clear(why);
        buf_printf(why, "%s:%d:%d: ", path, error.line, error.column);
        for (const char *p = error.text; *p != '\0'; p++) buf_u8(why, (uint8_t)*p < 0x20 ? '?' : (uint8_t)*p);
        return false;
    }
    *ret = (struct scenario_file){.json = json, .path = xstrdup(path), .places = places_scan(text)};
    return true;
}

static bool read_whole(const char *path, struct buf *out, struct buf *why) {
    FILE *f = fopen(path, "rb");
    size_t n = 0;
    if (f != NULL) {
        do {
            n = fread(buf_reserve(out, 65536), 1, 65536, f);
            out->n += n;
        } while (n > 0 && out->n <= FILE_BYTES_MAX);
    }
    bool ok = f != NULL && !ferror(f);
    buf_clear(why);
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    if (ok && out->n > FILE_BYTES_MAX) {
        buf_printf(why, "%s: expected at most 64 MiB", path);
        ok = false;
    }
    if (f != NULL) fclose(f);
    return ok;
}

bool scenario_load(const char *path, struct scenario_file *ret, struct buf *why) {
    struct buf text = {0};
    bool ok = read_whole(path, &text, why) && scenario_read(path, buf_slice_of(&text), ret, why);
    buf_finish(&text);
    return ok;
}

void scenario_file_finish(struct scenario_file *f) {
    json_decref(f->json);
    free(f->path);
    places_destroy(f->places);
    *f = (struct scenario_file){0};
}
