/* handler: conflict handlers in C: a project for a new one, the admission check, and where nodes find them. */
#include "../conflict/admission.h"
#include "../conflict/handler_load.h"
#include "handler_nodes.h"
#include "handler_project.h"
#include "print.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_why(struct run *r, int code, struct buf *why) {
    fail(r, code, "%.*s", (int)why->n, (const char *)why->p);
    buf_finish(why);
    return code;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The word behind the subverb; there must be just one. */
static const char *only_word(struct run *r, const char *what) {
    if (r->args.words_count == 2) return r->args.words[1];
    fail(r, EXIT_USAGE, "handler %s: expected %s (truce help handler)", r->args.words[0], what);
    return NULL;
}

/* ---- new ---- */
static int handler_new(struct run *r) {
    const char *name = only_word(r, "the handler's NAME");
    if (name == NULL) return EXIT_USAGE;
    if (!name_allowed(slice_text(name)) || handler_builtin(name) != NULL || strcmp(name, "merge") == 0)
        return fail(r, EXIT_USAGE, "\"%s\" is no name for a handler: 1 to 63 of a-z, 0-9, _ and -, and no built-in policy's", name);
    const char *dir = r->args.dir ? r->args.dir : name;
    struct buf why = {0};
    json_t *files = json_array();
    bool ok = handler_project(name, dir, files, &why);
    json_object_set_new(r->json, "files", files);
    json_object_set_new(r->json, "dir", json_string(dir));
    if (!ok) return fail_why(r, EXIT_FAILED, &why);
    say(r, "Handler %s is in %s: write %s/%s.c, then", name, dir, dir, name);
    say(r, "  cd %s && meson setup build && ninja -C build test", dir);
    say(r, "  truce handler check build/%s.so", name);
    say(r, "  truce handler install build/%s.so", name);
    return 0;
}

/* ---- check ---- */
static char *own_program(void) {
    char *path = xcalloc(4096, 1);
    ssize_t n = readlink("/proc/self/exe", path, 4095);
    if (n < 0) memcpy(path, "truce", sizeof "truce");
    return path;
}

static int handler_check(struct run *r) {
    const char *path = only_word(r, "a file NAME.so");
    if (path == NULL) return EXIT_USAGE;
    char *program = own_program();
    struct admission_plan plan = {.path = path, .settings = r->args.settings, .recorded = r->args.recorded, .program = program};
    struct buf words = {0}, why = {0};
    json_t *record = NULL;
    enum admission_verdict verdict = admission_check(&plan, &words, &record);
    free(program);
    if (verdict == ADMISSION_UNUSABLE) return fail_why(r, EXIT_USAGE, &words);
    bool written = admission_write(path, record, &why);
    if (!r->args.json) fwrite(words.p, 1, words.n, stdout);
    json_object_update(r->json, record);
    json_object_set_new(r->json, "admitted", json_boolean(verdict == ADMISSION_ADMITTED));
    json_decref(record);
    buf_finish(&words);
    if (verdict == ADMISSION_ADMITTED && !written) return fail_why(r, EXIT_USAGE, &why);
    char *name = handler_record_path(path);
    if (written) say(r, "  The record is in %s.", name);
    if (written) json_object_set_new(r->json, "record", json_string(name));
    free(name);
    buf_finish(&why);
    return verdict == ADMISSION_ADMITTED ? 0 : EXIT_FAILED;
}

/* ---- where nodes look ---- */
/* The caller frees; NULL after saying why. */
static char *handlers_directory(struct run *r) {
    if (r->args.into != NULL) return xstrdup(r->args.into);
    if (run_open(r, false) != 0) return NULL;
    const char *dir = r->local.cluster->handlers_dir;
    if (dir[0] != '\0') return xstrdup(dir);
    fail(r, EXIT_USAGE, "%s/cluster.json names no handlers.dir: each node looks into `handlers` in its data directory; say --into DIR", r->local.dir);
    return NULL;
}

static const char *admission_word(enum admission a) {
    static const char *const words[] = {"admitted", "never checked", "refused", "changed since the check"};
    return words[a];
}

static void show_files(struct run *r, const char *directory, const struct handler_file *files, int n) {
    struct table t = {.columns = 4};
    struct buf out = {0};
    json_t *list = json_array();
    static const char *const heads[] = {"HANDLER", "HASH", "ADMISSION", "WHY"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
    for (int i = 0; i < n; i++) {
        char hash[17];
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)files[i].hash);
        table_cell(&t, "%s", files[i].name);
        table_cell(&t, "%s", hash);
        table_cell(&t, "%s", admission_word(files[i].admission));
        table_cell(&t, "%s", files[i].why);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "handler", files[i].name, "path", files[i].path, "hash", hash, "admission",
                                        admission_word(files[i].admission), "wants_base", files[i].wants_base, "why", files[i].why));
    }
    say(r, "Handlers in %s: %d.", directory, n);
    if (n > 0) table_print(&t, &out);
    if (n > 0 && !r->args.json) fwrite(out.p, 1, out.n, stdout);
    json_object_set_new(r->json, "dir", json_string(directory));
    json_object_set_new(r->json, "handlers", list);
    table_finish(&t);
    buf_finish(&out);
}

static int handlers_list(struct run *r) {
    if (r->args.words_count > 1) return fail(r, EXIT_USAGE, "handler list takes no %s", r->args.words[1]);
    char *directory = handlers_directory(r);
    if (directory == NULL) return EXIT_USAGE;
    struct handler_file *files = xcalloc(HANDLERS_MAX, sizeof *files);
    struct buf why = {0};
    int n = handler_list(directory, files, &why), code = 0;
    if (n < 0)
        code = fail_why(r, EXIT_FAILED, &why);
    else
        show_files(r, directory, files, n);
    free(files);
    free(directory);
    return code;
}

/* ---- install ---- */
/* Under a new name first, so that a node never sees half a file. */
static bool copy_file(const char *from, const char *directory, const char *name, struct buf *why) {
    struct buf to = {0}, fresh = {0};
    buf_printf(&to, "%s/%s", directory, name), buf_u8(&to, 0);
    buf_printf(&fresh, "%s/.%s.new", directory, name), buf_u8(&fresh, 0);
    FILE *in = fopen(from, "rbe"), *out = in != NULL ? fopen((const char *)fresh.p, "wbe") : NULL;
    char bytes[65536];
    bool ok = out != NULL;
    for (size_t n = 1; ok && n > 0;) {
        n = fread(bytes, 1, sizeof bytes, in);
        ok = ferror(in) == 0 && fwrite(bytes, 1, n, out) == n;
    }
    if (out != NULL && fclose(out) != 0) ok = false;
    if (in != NULL) fclose(in);
    ok = ok && chmod((const char *)fresh.p, 0755) == 0 && rename((const char *)fresh.p, (const char *)to.p) == 0;
    if (!ok) buf_printf(why, "%s to %s: %s", from, (const char *)to.p, strerror(errno));
    buf_finish(&to), buf_finish(&fresh);
    return ok;
}

static bool copy_both(const char *path, const char *directory, bool with_record, struct buf *why) {
    char *record = handler_record_path(path);
    bool ok = mkdir(directory, 0777) == 0 || errno == EEXIST;
    if (!ok) buf_printf(why, "%s: %s", directory, strerror(errno));
    /* The record first: it counts for just this file, by its hash. */
    ok = ok && (!with_record || copy_file(record, directory, base_name(record), why)) && copy_file(path, directory, base_name(path), why);
    free(record);
    return ok;
}

/* The nodes of a cluster here look at once; others, within seconds. */
static void tell_nodes(struct run *r, const char *name, const char *hash) {
    json_t *have = json_array(), *have_not = json_array(), *node;
    struct buf names = {0};
    size_t i;
    if (r->local.cluster != NULL) nodes_take_up(&r->local, name, hash, have, have_not);
    json_array_foreach(have, i, node) buf_printf(&names, "%s%s", i > 0 ? ", " : "", json_string_value(node));
    if (names.n > 0) say(r, "  These nodes have it: %.*s.", (int)names.n, (const char *)names.p);
    buf_clear(&names);
    json_array_foreach(have_not, i, node) buf_printf(&names, "%s%s", i > 0 ? ", " : "", json_string_value(node));
    if (names.n > 0) say(r, "  These nodes did not take it up so far (TRUCE.HANDLERS): %.*s.", (int)names.n, (const char *)names.p);
    json_object_set_new(r->json, "nodes", have);
    json_object_set_new(r->json, "nodes_without", have_not);
    buf_finish(&names);
}

static int install_into(struct run *r, const char *path, const char *directory) {
    struct buf why = {0};
    char name[NAME_LEN_MAX + 1];
    uint64_t hash;
    if (!handler_name_of_path(path, name)) return fail(r, EXIT_USAGE, "%s: expected a file NAME.so, NAME of a-z, 0-9, _ and -", path);
    if (!handler_file_hash(path, &hash, &why)) return fail_why(r, EXIT_USAGE, &why);
    enum admission a = handler_admission(path, hash, &why);
    if (a != ADMISSION_GRANTED && !r->args.force) {
        buf_printf(&why, "; nodes run it only where their cluster file forces it by name, and install copies it only with --force");
        return fail_why(r, EXIT_FAILED, &why);
    }
    buf_clear(&why);
    if (!copy_both(path, directory, a != ADMISSION_NONE, &why)) return fail_why(r, EXIT_FAILED, &why);
    buf_finish(&why);
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    say(r, "%s (%s, hash %s) is in %s.", base_name(path), admission_word(a), hex, directory);
    tell_nodes(r, name, hex);
    json_object_set_new(r->json, "dir", json_string(directory));
    json_object_set_new(r->json, "hash", json_string(hex));
    json_object_set_new(r->json, "admission", json_string(admission_word(a)));
    return 0;
}

static int handler_install(struct run *r) {
    const char *path = only_word(r, "a file NAME.so");
    char *directory = path != NULL ? handlers_directory(r) : NULL;
    int code = directory != NULL ? install_into(r, path, directory) : EXIT_USAGE;
    free(directory);
    return code;
}

int verb_handler(struct run *r) {
    static const struct {
        const char *name;
        int (*run)(struct run *r);
    } subverbs[] = {{"new", handler_new}, {"check", handler_check}, {"list", handlers_list}, {"install", handler_install}};
    const char *sub = r->args.words_count > 0 ? r->args.words[0] : "";
    if (strcmp(sub, "answer-cases") == 0) exit(check_child()); /* what `check` starts */
    for (size_t i = 0; i < sizeof subverbs / sizeof subverbs[0]; i++)
        if (strcmp(sub, subverbs[i].name) == 0) return subverbs[i].run(r);
    return fail(r, EXIT_USAGE, "handler: expected new, check, list or install%s%s (truce help handler)", *sub ? ", got " : "", sub);
}
