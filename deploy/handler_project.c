#include "handler_project.h"
#include "handler_texts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MARK "@NAME@"

/* The text with the handler's name in it. */
static void fill_in(const char *text, const char *name, struct buf *out) {
    for (const char *mark; (mark = strstr(text, MARK)) != NULL; text = mark + sizeof MARK - 1) {
        buf_put(out, text, (size_t)(mark - text));
        buf_text(out, name);
    }
    buf_text(out, text);
}

static bool write_file(const char *path, const struct buf *content) {
    FILE *f = fopen(path, "wxe");
    bool ok = f != NULL && fwrite(content->p, 1, content->n, f) == content->n;
    if (f != NULL && fclose(f) != 0) ok = false;
    return ok;
}

static bool make_dir(const char *path, struct buf *why) {
    bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    return ok;
}

bool handler_project(const char *name, const char *dir, json_t *files, struct buf *why) {
    const struct {
        const char *file, *text;
    } list[] = {
        {"include/truce_handler.h", text_header}, {MARK ".c", text_source},   {"test.c", text_test}, {"meson.build", text_meson},
        {"meson_options.txt", text_options},      {"README.md", text_readme},
    };
    struct buf include = {0};
    buf_printf(&include, "%s/include", dir), buf_u8(&include, 0);
    bool ok = make_dir(dir, why) && make_dir((const char *)include.p, why);
    for (size_t i = 0; ok && i < sizeof list / sizeof list[0]; i++) {
        struct buf path = {0}, text = {0};
        buf_printf(&path, "%s/", dir);
        fill_in(list[i].file, name, &path);
        buf_u8(&path, 0);
        fill_in(list[i].text, name, &text);
        ok = write_file((const char *)path.p, &text);
        if (ok)
            json_array_append_new(files, json_string((const char *)path.p));
        else
            buf_printf(why, "%s: %s", (const char *)path.p, strerror(errno));
        buf_finish(&path), buf_finish(&text);
    }
    buf_finish(&include);
    return ok;
}
