#include "incidents.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const changing[] = {"up",    "down",   "cut",  "heal",   "slow",    "clog", "disconnect", "kill", "start",
                                       "pause", "resume", "wipe", "backup", "restore", "skew", "disk",       "table"};

bool incident_of(const char *verb) {
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
        if (strcmp(verb, changing[i]) == 0) return true;
    return false;
}

void incidents_finish(struct incidents *i) {
    for (size_t k = 0; k < i->count; k++) {
        json_decref(i->list[k].words);
        json_decref(i->list[k].options);
    }
    free(i->list);
    *i = (struct incidents){0};
}

/* ---- writing ---- */

static json_t *options_of(const struct args *a) {
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
#define X(name, wants_value, value, doc) {#name, offsetof(struct args, name)},
        OPTIONS(X)
#undef X
    };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *value;
        memcpy(&value, (const char *)a + fields[i].offset, sizeof value);
        if (value != NULL && strcmp(fields[i].name, "dir") != 0 && strcmp(fields[i].name, "json") != 0)
            json_object_set_new(o, fields[i].name, json_string(value));
    }
    return o;
}

/* One write, so that lines of two commands do not mix. */
bool incidents_append(const struct local *l, const struct args *a, uint64_t from_ms, uint64_t to_ms) {
    json_t *words = json_array();
    for (int i = 0; i < a->words_count; i++) json_array_append_new(words, json_string(a->words[i]));
    json_t *line = json_pack("{s:I, s:I, s:s, s:o, s:o}", "from_ms", (json_int_t)from_ms, "to_ms", (json_int_t)to_ms, "verb", a->verb, "words", words,
                             "options", options_of(a));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL, *path = local_path(l, "incidents.jsonl");
    int fd = text ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    struct buf out = {0};
    if (text) buf_printf(&out, "%s\n", text);
    bool ok = fd >= 0 && write(fd, out.p, out.n) == (ssize_t)out.n;
    if (fd >= 0) close(fd);
    buf_finish(&out);
    free(text);
    free(path);
    json_decref(line);
    return ok;
}

/* ---- reading ---- */

static struct incident *add(struct incidents *i, uint64_t from_ms, uint64_t to_ms, const char *verb, json_t *words, json_t *options) {
    if (i->count == i->cap) i->list = xrealloc(i->list, (i->cap = i->cap ? i->cap * 2 : 64) * sizeof *i->list);
    struct incident *one = &i->list[i->count++];
    *one = (struct incident){.from_ms = from_ms, .to_ms = to_ms, .words = words, .options = options};
    snprintf(one->verb, sizeof one->verb, "%s", verb);
    return one;
}

static bool take_line(struct incidents *i, const json_t *line) {
    const char *verb = json_string_value(json_object_get(line, "verb"));
    const json_t *from = json_object_get(line, "from_ms"), *to = json_object_get(line, "to_ms");
    json_t *words = json_object_get(line, "words"), *options = json_object_get(line, "options");
    if (!verb || !json_is_integer(from) || !json_is_integer(to) || !json_is_array(words) || !json_is_object(options)) return false;
    add(i, (uint64_t)json_integer_value(from), (uint64_t)json_integer_value(to), verb, json_incref(words), json_incref(options));
    return true;
}

static bool load_file(const struct local *l, struct incidents *ret, struct buf *why) {
    char *path = local_path(l, "incidents.jsonl"), *line = NULL;
    FILE *f = fopen(path, "re");
    size_t cap = 0;
    bool ok = f != NULL || errno == ENOENT;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    for (unsigned number = 1; ok && f && getline(&line, &cap, f) > 0; number++) {
        json_error_t error;
        json_t *j = json_loads(line, 0, &error);
        ok = take_line(ret, j);
        if (!ok) buf_printf(why, "%s:%u: expected what `truce` writes there", path, number);
        json_decref(j);
    }
    if (f) fclose(f);
    free(line);
    free(path);
    return ok;
}

bool parse_instant(const char *text, uint64_t *ret_ms) {
    struct tm t = {0};
    unsigned ms = 0;
    int used = 0, more = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &used) != 6) return false;
    if (sscanf(text + used, ".%3u%n", &ms, &more) != 1) more = 0;
    if (strcmp(text + used + more, "Z") != 0 || (more != 0 && more != 4)) return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    time_t s = timegm(&t);
    if (s < 0) return false;
    *ret_ms = (uint64_t)s * 1000 + ms;
    return true;
}

#define SLACK_MS 50 /* between the clock of a log and that of a verb which waits for it */

/* The verb of about that time that says so; NULL: there is none. */
static const struct incident *told_of(const struct incidents *i, size_t count, const char *const *names, const char *node, uint64_t at_ms,
                                      uint64_t slack_ms) {
    for (size_t k = 0; k < count; k++) {
        const struct incident *one = &i->list[k];
        size_t w;
        json_t *word;
        bool named = json_array_size(one->words) == 0, verb = false;
        for (size_t v = 0; names[v]; v++) verb |= strcmp(one->verb, names[v]) == 0;
        json_array_foreach(one->words, w, word) named |= strcmp(json_string_value(word), node) == 0 || strcmp(json_string_value(word), "*") == 0;
        if (verb && named && at_ms + slack_ms >= one->from_ms && at_ms <= one->to_ms + slack_ms) return one;
    }
    return NULL;
}

static json_t *one_word(const char *node) { return json_pack("[s]", node); }

/* Lines "TIME info us-1 of cluster ... is there" and "TIME info ended" of D/<node>/log. A start without an end before it: the process was killed. */
static void load_log(const struct local *l, uint32_t node, struct incidents *ret, size_t told) {
    static const char *const starts[] = {"up", "start", NULL}, *const ends[] = {"down", "kill", NULL};
    char *path = local_node_path(l, node, "log"), *line = NULL;
    const char *name = node_name(l, node);
    FILE *f = fopen(path, "re");
    size_t cap = 0;
    bool runs = false;
    uint64_t last_ms = 0;
    while (f && getline(&line, &cap, f) > 0) {
        uint64_t ms;
        size_t n = strcspn(line, " ");
        if (n == 0 || line[n] == '\0') continue;
        line[n] = '\0';
        if (!parse_instant(line, &ms)) continue;
        const char *words = line + n + 1;
        bool begins = strstr(words, " is there: clients on ") != NULL;
        bool finished = strstr(words, "info    ended") || strstr(words, "error   stopped: ");
        if (begins && runs) {
            bool known = false; /* killed by a verb between the two lines? */
            for (size_t k = 0; k < told && !known; k++)
                known = ret->list[k].to_ms >= last_ms && ret->list[k].from_ms <= ms && told_of(ret, told, ends, name, ret->list[k].to_ms, 0);
            const struct incident *start = told_of(ret, told, starts, name, ms, SLACK_MS);
            uint64_t died_ms = (start ? start->from_ms : ms) - 1;
            if (!known) add(ret, died_ms, died_ms, "died", one_word(name), json_object());
        }
        if (begins && !told_of(ret, told, starts, name, ms, SLACK_MS)) add(ret, ms, ms, "started", one_word(name), json_object());
        if (finished && runs && !told_of(ret, told, ends, name, ms, SLACK_MS)) add(ret, ms, ms, "died", one_word(name), json_object());
        if (begins || finished) runs = begins;
        last_ms = ms;
    }
    if (f) fclose(f);
    free(line);
    free(path);
}

static int by_time(const void *a, const void *b) {
    const struct incident *x = a, *y = b;
    return x->from_ms != y->from_ms ? (x->from_ms < y->from_ms ? -1 : 1) : (x->to_ms > y->to_ms) - (x->to_ms < y->to_ms);
}

bool incidents_load(const struct local *l, struct incidents *ret, struct buf *why) {
    *ret = (struct incidents){0};
    bool ok = load_file(l, ret, why);
    size_t told = ret->count;
    for (uint32_t i = 0; ok && i < l->cluster->nodes_count; i++) load_log(l, i, ret, told);
    if (ok && ret->count > 1) qsort(ret->list, ret->count, sizeof *ret->list, by_time);
    if (!ok) incidents_finish(ret);
    return ok;
}
