#include "handler_load.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (64u * 1024 * 1024)
#define SUFFIX         ".so"
#define RECORD_SUFFIX  ".admitted"
#define FLAGS_KNOWN    ((uint32_t)(TRUCE_WANTS_BASE | TRUCE_REGROUPS))

bool handler_name_of_path(const char *path, char ret[static NAME_LEN_MAX + 1]) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    size_t n = strlen(base), suffix = sizeof SUFFIX - 1;
    if (n <= suffix || strcmp(base + n - suffix, SUFFIX) != 0 || !name_allowed(SLICE(base, n - suffix))) return false;
    memcpy(ret, base, n - suffix);
    ret[n - suffix] = '\0';
    return true;
}

/* ---- loading ---- */
static bool check_handler(const struct truce_handler *h, const char *name, struct buf *why) {
    if (h == NULL)
        buf_printf(why, "it has no symbol `%s`", TRUCE_HANDLER_SYMBOL);
    else if (h->abi != TRUCE_HANDLER_ABI)
        buf_printf(why, "it was made for version %u of the handler ABI; this is version %u", h->abi, TRUCE_HANDLER_ABI);
    else if (h->struct_size < sizeof *h)
        buf_printf(why, "its struct_size is %zu, expected at least %zu (sizeof(struct truce_handler))", h->struct_size, sizeof *h);
    else if ((h->flags & ~FLAGS_KNOWN) != 0)
        buf_printf(why, "its flags 0x%x are not known here", h->flags & ~FLAGS_KNOWN);
    else if (h->name == NULL || strcmp(h->name, name) != 0)
        buf_printf(why, "it calls itself %.80s, but its file is %s" SUFFIX, h->name != NULL ? h->name : "nothing", name);
    else if (handler_builtin(name) != NULL || strcmp(name, "merge") == 0)
        buf_printf(why, "%s is the name of a built-in policy", name);
    else if (h->decide == NULL)
        buf_printf(why, "it has no decide()");
    return why->n == 0;
}

bool handler_load(struct loaded_handler *ret, const char *path, struct buf *why) {
    char name[NAME_LEN_MAX + 1], *whole = realpath(path, NULL); /* a path without a slash would be looked for among the libraries */
    *ret = (struct loaded_handler){0};
    struct buf problem = {0};
    if (!handler_name_of_path(path, name))
        buf_printf(&problem, "expected a file NAME" SUFFIX ", NAME of [a-z0-9_-]");
    else if (whole == NULL)
        buf_printf(&problem, "%s", strerror(errno));
    else if (strlen(whole) >= sizeof ret->path)
        buf_printf(&problem, "the path is too long");
    else if ((ret->library = dlopen(whole, RTLD_NOW | RTLD_LOCAL)) == NULL)
        buf_printf(&problem, "%s", dlerror());
    else if (check_handler(ret->handler = dlsym(ret->library, TRUCE_HANDLER_SYMBOL), name, &problem))
        memcpy(ret->path, whole, strlen(whole) + 1);
    bool ok = problem.n == 0;
    if (!ok) {
        buf_printf(why, "%s: %.*s", path, (int)problem.n, (const char *)problem.p);
        handler_unload(ret);
    }
    buf_finish(&problem);
    free(whole);
    return ok;
}

void handler_unload(struct loaded_handler *h) {
    if (h->library != NULL) dlclose(h->library);
    *h = (struct loaded_handler){0};
}

/* ---- identity ---- */
bool handler_file_hash(const char *path, uint64_t *ret, struct buf *why) {
    FILE *f = fopen(path, "rbe");
    struct buf bytes = {0};
    size_t n = 1;
    while (f != NULL && n > 0 && bytes.n <= FILE_BYTES_MAX) {
        uint8_t *at = buf_reserve(&bytes, 65536);
        n = fread(at, 1, 65536, f);
        bytes.n += n;
    }
    bool ok = f != NULL && ferror(f) == 0 && bytes.n <= FILE_BYTES_MAX;
    if (ok)
        *ret = hash64(buf_slice_of(&bytes));
    else
        buf_printf(why, "%s: %s", path, bytes.n > FILE_BYTES_MAX ? "too large for a handler" : strerror(errno));
    if (f != NULL) fclose(f);
    buf_finish(&bytes);
    return ok;
}

/* ---- the admission record ---- */
char *handler_record_path(const char *path) {
    struct buf out = {0};
    buf_printf(&out, "%s" RECORD_SUFFIX, path);
    buf_u8(&out, 0);
    return (char *)out.p;
}

static json_t *read_record(const char *path) {
    char *name = handler_record_path(path);
    json_t *record = json_load_file(name, JSON_REJECT_DUPLICATES, NULL);
    free(name);
    return record;
}

static const char *text_of(const json_t *record, const char *name) {
    const char *text = json_string_value(json_object_get(record, name));
    return text != NULL ? text : "";
}

static enum admission judge(const json_t *record, uint64_t hash, struct buf *why) {
    char wanted[17];
    snprintf(wanted, sizeof wanted, "%016llx", (unsigned long long)hash);
    if (record == NULL) {
        buf_printf(why, "it was never checked (truce handler check)");
        return ADMISSION_NONE;
    }
    if (strcmp(text_of(record, "hash"), wanted) != 0 || json_integer_value(json_object_get(record, "abi")) != TRUCE_HANDLER_ABI) {
        buf_printf(why, "the file is another than the one that was checked (truce handler check)");
        return ADMISSION_STALE;
    }
    if (strcmp(text_of(record, "result"), "admitted") == 0) return ADMISSION_GRANTED;
    buf_printf(why, "%s", *text_of(record, "why") ? text_of(record, "why") : "the check refused it");
    return ADMISSION_REFUSED;
}

enum admission handler_admission(const char *path, uint64_t hash, struct buf *why) {
    json_t *record = read_record(path);
    enum admission a = judge(record, hash, why);
    json_decref(record);
    return a;
}

/* ---- directories ---- */
static int compare_files(const void *a, const void *b) {
    const struct handler_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void look_at(struct handler_file *f) {
    struct buf why = {0};
    if (!handler_file_hash(f->path, &f->hash, &why)) {
        f->admission = ADMISSION_NONE;
    } else {
        json_t *record = read_record(f->path);
        f->admission = judge(record, f->hash, &why);
        f->wants_base = json_is_true(json_object_get(record, "wants_base"));
        json_decref(record);
    }
    snprintf(f->why, sizeof f->why, "%.*s", (int)why.n, why.n > 0 ? (const char *)why.p : "");
    buf_finish(&why);
}

int handler_list(const char *directory, struct handler_file ret[HANDLERS_MAX], struct buf *why) {
    DIR *d = opendir(directory);
    if (d == NULL && errno == ENOENT) return 0;
    if (d == NULL) {
        buf_printf(why, "%s: %s", directory, strerror(errno));
        return -1;
    }
    int n = 0;
    for (struct dirent *entry; n < (int)HANDLERS_MAX && (entry = readdir(d)) != NULL;) {
        struct handler_file *f = &ret[n];
        struct stat st;
        *f = (struct handler_file){0};
        if (!handler_name_of_path(entry->d_name, f->name)) continue;
        int length = snprintf(f->path, sizeof f->path, "%s/%s", directory, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof f->path || stat(f->path, &st) != 0 || !S_ISREG(st.st_mode)) continue;
        look_at(f);
        n++;
    }
    closedir(d);
    qsort(ret, (size_t)n, sizeof *ret, compare_files);
    return n;
}
