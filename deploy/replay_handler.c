#include "replay_handler.h"
#include "../conflict/admission.h"
#include "../conflict/handler_load.h"
#include "../dc-node/io/handler_process.h"

#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As dc-node/io/handlers.c has them. */
#define LOAD_LIMIT_MS 10000u
#define LIMIT_MS      1000u
#define STARVED_MAX   10u /* a call that hardly got to compute may take so many times the limit */
#define WORDS         320

struct handler_file_run {
    struct known_handler known;
    char *path;
    struct handler_process process; /* begun with the first request */
};

struct handler_files {
    struct handler_file_run *files;
    uint32_t count;
};

/* ---- examples ---- */

/* The caller frees; NULL: none of that name is there. In a build they are beside truce, else where they are installed. */
static char *find_example(const char *name) {
    static const char *const places[] = {"handlers", "../" TRUCE_LIBDIR "/truce/handlers"};
    char program[4096] = "", path[4096 + NAME_LEN_MAX + 64];
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) return NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char copy[4096];
        memcpy(copy, program, sizeof copy);
        snprintf(path, sizeof path, "%s/%s/%s.so", dirname(copy), places[i], name);
        char *whole = realpath(path, NULL);
        if (whole != NULL) return whole;
    }
    return NULL;
}

static bool is_there(const char *scenario_path, const char *file) {
    char *copy = xstrdup(scenario_path), *path = NULL;
    if (asprintf(&path, "%s/%s", dirname(copy), file) < 0) abort();
    bool there = access(*file == '/' ? file : path, F_OK) == 0;
    free(copy), free(path);
    return there;
}

void handler_files_find_examples(struct scenario_file *f) {
    json_t *handlers = json_object_get(f->json, "handlers"), *value;
    const char *name;
    void *next;
    json_object_foreach_safe(handlers, next, name, value) {
        char *example = json_is_string(value) && name_allowed(slice_text(name)) && !is_there(f->path, json_string_value(value)) ? find_example(name)
                                                                                                                                : NULL;
        if (example != NULL) json_object_set_new(handlers, name, json_string(example));
        free(example);
    }
}

/* ---- which there are, and whether they may run ---- */
static bool fill_from_record(struct handler_file_run *f, bool *ret_granted, struct buf *why) {
    struct handler_file *list = xcalloc(HANDLERS_MAX, sizeof *list);
    char *copy = xstrdup(f->path);
    int n = handler_list(dirname(copy), list, why);
    *ret_granted = false;
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].name, f->known.name) != 0 || list[i].admission != ADMISSION_GRANTED) continue;
        f->known.wants_base = list[i].wants_base;
        *ret_granted = list[i].hash == f->known.hash;
    }
    free(copy);
    free(list);
    return n >= 0;
}

/* What the first table that names it gives it as settings; NULL: nothing. */
static const char *settings_of(const struct cluster *c, const char *name) {
    for (uint32_t i = 0; i <= c->tables_count; i++) {
        const struct cluster_table *t = i < c->tables_count ? &c->tables[i] : &c->rest;
        for (uint32_t k = 0; k < t->chain.count; k++)
            if (strcmp(t->chain.names[k], name) == 0 && t->settings != NULL) return t->settings;
    }
    return NULL;
}

static bool check_now(struct handler_file_run *f, const char *settings, bool force, struct buf *why) {
    char program[4096] = "truce";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) snprintf(program, sizeof program, "truce");
    struct buf words = {0};
    json_t *record = NULL;
    struct admission_plan plan = {.path = f->path, .settings = settings, .program = program};
    enum admission_verdict verdict = admission_check(&plan, &words, &record);
    f->known.wants_base = json_is_true(json_object_get(record, "wants_base"));
    bool ok = verdict == ADMISSION_ADMITTED || (verdict == ADMISSION_REJECTED && force);
    if (verdict == ADMISSION_REJECTED && force) snprintf(f->known.why, sizeof f->known.why, "forced: the admission check refused it");
    if (!ok && verdict == ADMISSION_REJECTED)
        buf_printf(why, "the admission check refuses handler %s (it is played with --force alone):\n%.*s", f->known.name, (int)words.n,
                   (const char *)words.p);
    else if (!ok)
        buf_put(why, words.p, words.n);
    json_decref(record);
    buf_finish(&words);
    return ok;
}

static bool open_file(struct handler_file_run *f, const struct scenario *s, const struct scenario_handler *from, bool force, struct buf *why) {
    bool granted;
    char name[NAME_LEN_MAX + 1];
    f->path = realpath(from->path, NULL);
    if (f->path == NULL) f->path = xstrdup(from->path);
    snprintf(f->known.name, sizeof f->known.name, "%s", from->name);
    f->known.usable = true;
    if (!handler_name_of_path(f->path, name) || strcmp(name, from->name) != 0) {
        buf_printf(why, "%s: handlers.%s: expected a file %s.so, got %s", s->path, from->name, from->name, from->path);
        return false;
    }
    if (!handler_file_hash(f->path, &f->known.hash, why) || !fill_from_record(f, &granted, why)) return false;
    return granted || check_now(f, settings_of(s->cluster, f->known.name), force, why);
}

struct handler_files *handler_files_open(const struct scenario *s, bool force, struct buf *why) {
    struct handler_files *h = xcalloc(1, sizeof *h);
    h->files = xcalloc(s->handlers_count + 1, sizeof *h->files);
    while (h->count < s->handlers_count) {
        uint32_t i = h->count++;
        if (open_file(&h->files[i], s, &s->handlers[i], force, why)) continue;
        handler_files_close(h);
        return NULL;
    }
    return h;
}

void handler_files_close(struct handler_files *h) {
    if (h == NULL) return;
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->files[i].process.pid != 0) handler_process_end(&h->files[i].process, NULL);
        free(h->files[i].path);
    }
    free(h->files);
    free(h);
}

static struct handler_file_run *find(const struct handler_files *h, const char *name) {
    for (uint32_t i = 0; i < h->count; i++)
        if (strcmp(h->files[i].known.name, name) == 0) return &h->files[i];
    return NULL;
}

uint32_t handler_files_known(const struct handler_files *h, const struct scenario *s, struct known_handler ret[HANDLERS_MAX]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->handlers_count && n < HANDLERS_MAX; i++) {
        const struct handler_file_run *f = find(h, s->handlers[i].name);
        if (f != NULL) ret[n++] = f->known;
    }
    return n;
}

/* ---- asking ---- */
static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

enum waited { WAITED_FRAME, WAITED_ENDED, WAITED_TOO_MUCH, WAITED_LATE };

/* A limit counts double where the machine gave it hardly any time to compute. */
static bool is_late(const struct handler_process *p, uint64_t took_ms, uint64_t cpu_us, uint32_t limit_ms) {
    if (took_ms < limit_ms) return false;
    return handler_process_cpu_us(p) - cpu_us >= (uint64_t)limit_ms * 500 || took_ms >= (uint64_t)limit_ms * STARVED_MAX;
}

static enum waited await(struct handler_process *p, uint32_t limit_ms, struct slice *ret_frame) {
    uint64_t began_ms = now_ms(), cpu_us = handler_process_cpu_us(p);
    for (;;) {
        switch (handler_process_read(p, ret_frame)) {
        case HEARD_FRAME: return WAITED_FRAME;
        case HEARD_END: return WAITED_ENDED;
        case HEARD_TOO_MUCH: return WAITED_TOO_MUCH;
        case HEARD_NOTHING: break;
        }
        uint64_t took_ms = now_ms() - began_ms;
        if (is_late(p, took_ms, cpu_us, limit_ms)) return WAITED_LATE;
        struct pollfd fd = {.fd = p->fd, .events = handler_process_sending(p) ? POLLIN | POLLOUT : POLLIN};
        poll(&fd, 1, took_ms < limit_ms ? (int)(limit_ms - took_ms) : (int)(limit_ms / 4));
        handler_process_write(p);
    }
}

static void give_words(enum handler_outcome outcome, const char *words, struct buf *out) {
    struct slice why = slice_text(words);
    if (why.n > HANDLER_REASON_BYTES_MAX) why.n = HANDLER_REASON_BYTES_MAX;
    handler_answer_encode(&(struct handler_answer){.outcome = outcome, .why = why}, out);
}

/* True: it was killed by somebody else, which says nothing about the handler. */
static bool ended(struct handler_file_run *f, const char *when, char words[static WORDS]) {
    int number;
    switch (handler_process_end(&f->process, &number)) {
    case ENDING_KILLED: snprintf(words, WORDS, "closed its connection to the node%s", when); return false;
    case ENDING_EXIT: snprintf(words, WORDS, "ended its process with code %d%s", number, when); return false;
    case ENDING_KILLED_BEFORE: snprintf(words, WORDS, "was killed%s", when); return true;
    case ENDING_SIGNAL: break;
    }
    snprintf(words, WORDS, "crashed with signal %d (%s)%s", number, sigdescr_np(number), when);
    return false;
}

enum asked { ASKED_ANSWERED, ASKED_FAILED, ASKED_ABSENT, ASKED_AGAIN };

static enum asked failed(struct handler_file_run *f, enum waited how, const char *when, const char *late, char words[static WORDS]) {
    if (how == WAITED_ENDED) return ended(f, when, words) ? ASKED_AGAIN : ASKED_FAILED;
    handler_process_end(&f->process, NULL);
    snprintf(words, WORDS, "%s", how == WAITED_LATE ? late : "gave an answer that is too large");
    return ASKED_FAILED;
}

static enum asked start(struct handler_file_run *f, char words[static WORDS]) {
    struct buf why = {0};
    struct slice frame;
    if (f->process.pid != 0) return ASKED_ANSWERED;
    bool started = handler_process_start(&f->process, NULL, f->path, f->known.hash, &why);
    snprintf(words, WORDS, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (!started) return ASKED_ABSENT;
    enum waited how = await(&f->process, LOAD_LIMIT_MS, &frame);
    if (how != WAITED_FRAME) return failed(f, how, " while it was loaded", "could not be loaded in time", words);
    if (frame.n == 0) return ASKED_ANSWERED;
    snprintf(words, WORDS, "%.*s", (int)frame.n, (const char *)frame.p);
    handler_process_end(&f->process, NULL);
    return ASKED_ABSENT;
}

static enum asked ask(struct handler_file_run *f, struct slice request, struct buf *answer, char words[static WORDS]) {
    struct slice frame;
    struct handler_answer decoded;
    enum asked how = start(f, words);
    if (how != ASKED_ANSWERED) return how;
    handler_process_send(&f->process, request);
    enum waited waited = await(&f->process, LIMIT_MS, &frame);
    if (waited != WAITED_FRAME) return failed(f, waited, "", "gave no answer within 1000 ms", words);
    if (!handler_process_sending(&f->process) && handler_answer_decode(frame, &decoded)) {
        buf_put(answer, frame.p, frame.n);
        return ASKED_ANSWERED;
    }
    handler_process_end(&f->process, NULL);
    snprintf(words, WORDS, "gave garbage as its answer");
    return ASKED_FAILED;
}

void handler_files_answer(void *arg, const char *name, struct slice request, struct buf *answer) {
    struct handler_files *h = arg;
    struct handler_file_run *f = find(h, name);
    char words[WORDS];
    if (f == NULL) {
        snprintf(words, sizeof words, "there is no %s.so", name);
        give_words(HANDLER_ABSENT, words, answer);
        return;
    }
    enum asked how = ask(f, request, answer, words);
    if (how == ASKED_AGAIN) how = ask(f, request, answer, words);
    if (how != ASKED_ANSWERED) give_words(how == ASKED_ABSENT ? HANDLER_ABSENT : HANDLER_FAILED, words, answer);
}
