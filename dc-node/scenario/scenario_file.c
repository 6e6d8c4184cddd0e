/* A scenario's text: from a file to JSON, with the lines of its values. */
#include "../../schemas/file.h"
#include "format.h"

#include <stdlib.h>

#define FILE_MIB_MAX 64

bool scenario_read(const char *path, struct slice text, struct scenario_file *ret, struct buf *why) {
    json_t *json = file_json(path, text, why);
    if (json == NULL) return false;
    *ret = (struct scenario_file){.json = json, .path = xstrdup(path), .places = places_scan(text)};
    return true;
}

bool scenario_load(const char *path, struct scenario_file *ret, struct buf *why) {
    struct buf text = {0};
    bool ok = file_read(path, FILE_MIB_MAX, &text, why) && scenario_read(path, buf_slice_of(&text), ret, why);
    buf_finish(&text);
    return ok;
}

void scenario_file_finish(struct scenario_file *f) {
    json_decref(f->json);
    free(f->path);
    places_destroy(f->places);
    *f = (struct scenario_file){0};
}
