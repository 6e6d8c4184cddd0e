/* The command `truce`: a cluster on this machine, its faults, and what became of every write. */
#include "../dc-node/io/handler_process.h"
#include "incidents.h"
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct verb verbs[] = {
#define X(name, arguments, options, doc) {#name, arguments, options, doc, verb_##name},
    VERBS(X)
#undef X
};
const int verbs_count = sizeof verbs / sizeof verbs[0];

static const struct option_doc {
    const char *name, *value, *doc;
} option_docs[] = {
#define X(name, wants_value, value, doc) {#name, value, doc},
    OPTIONS(X)
#undef X
};

#define OPTIONS_OF_ALL 2 /* --dir and --json come first */

/* ---- answers ---- */
void say(const struct run *r, const char *format, ...) {
    if (r->args.json) return;
    va_list ap;
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

int fail(struct run *r, int code, const char *format, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (r->args.json)
        json_object_set_new(r->json, "error", json_string(text));
    else
        fprintf(stderr, "truce: %s\n", text);
    return code;
}

int run_open(struct run *r, bool lock) {
    struct buf why = {0};
    const char *dir = r->args.dir ? r->args.dir : LOCAL_DIR_DEFAULT;
    bool ok = local_open(&r->local, dir, &why) && (!lock || local_lock(&r->local, &why));
    if (!ok) fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return ok ? 0 : EXIT_USAGE;
}

/* ---- help ---- */
static void print_option(const struct option_doc *o) {
    char name[32], head[64];
    option_name(o->name, name);
    snprintf(head, sizeof head, "--%s %s", name, o->value);
    printf("      %-22s %s\n", head, o->doc);
}

static void print_verb(const struct verb *v) {
    char verb[32];
    option_name(v->name, verb);
    printf("  truce %s%s%s\n      %s\n", verb, *v->arguments ? " " : "", v->arguments, v->doc);
    for (size_t i = OPTIONS_OF_ALL; i < sizeof option_docs / sizeof option_docs[0]; i++) {
        char name[32];
        option_name(option_docs[i].name, name);
        if (verb_takes(v, name)) print_option(&option_docs[i]);
    }
}

int verb_help(struct run *r) {
    const struct verb *one = r->args.words_count > 0 ? verb_find(r->args.words[0]) : NULL;
    if (r->args.words_count > 0 && one == NULL) return fail(r, EXIT_USAGE, "unknown verb %s", r->args.words[0]);
    json_t *list = json_array();
    for (int i = 0; i < verbs_count; i++) {
        if (one != NULL && one != &verbs[i]) continue;
        char name[32];
        option_name(verbs[i].name, name);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "verb", name, "arguments", verbs[i].arguments, "does", verbs[i].doc));
        if (!r->args.json) print_verb(&verbs[i]);
    }
    json_object_set_new(r->json, "verbs", list);
    if (r->args.json) return 0;
    printf("  With every verb:\n");
    for (size_t i = 0; i < OPTIONS_OF_ALL; i++) print_option(&option_docs[i]);
    return 0;
}

int verb_version(struct run *r) {
    say(r, "truce %s", TRUCE_VERSION);
    json_object_set_new(r->json, "version", json_string(TRUCE_VERSION));
    return 0;
}

static uint64_t wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What changes the cluster is noted, for captures. A verb that was refused has done nothing. */
static int run_verb(struct run *r) {
    uint64_t from_ms = wall_ms();
    int code = verb_find(r->args.verb)->run(r);
    if (code == EXIT_USAGE || !incident_of(r->args.verb) || !r->local.dir) return code;
    if (!incidents_append(&r->local, &r->args, from_ms, wall_ms()) && !r->args.json)
        fprintf(stderr, "truce: %s/incidents.jsonl could not be written: a capture will not know of this\n", r->local.dir);
    return code;
}

int main(int argc, char **argv) {
    struct run r = {.local.lock = -1, .json = json_object()};
    char why[256];
    int code = EXIT_USAGE;
    if (argc == 4 && strcmp(argv[1], HANDLER_ARGUMENT) == 0) return handler_child(argv[2], argv[3]); /* begun by a replay, for one handler */
    if (args_parse(argc, argv, &r.args, why))
        code = run_verb(&r);
    else
        fail(&r, EXIT_USAGE, "%s (truce help)", why);
    if (r.args.json && !r.answered) {
        json_dumpf(r.json, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    local_finish(&r.local);
    json_decref(r.json);
    return code;
}
