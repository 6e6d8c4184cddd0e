#include "words.h"

#include "scenario.h"

#include <hiredis/sds.h>
#include <stdlib.h>
#include <string.h>

static void set_word(struct words *w, uint32_t i, struct slice s) {
    uint8_t *p = xmalloc(s.n ? s.n : 1);
    if (s.n) memcpy(p, s.p, s.n);
    w->argv[i] = SLICE(p, s.n);
}

void words_finish(struct words *w) {
    for (uint32_t i = 0; i < w->argc; i++) free((void *)(uintptr_t)w->argv[i].p);
    free(w->argv);
    *w = (struct words){0};
}

bool words_split(const char *text, struct words *ret, struct buf *why) {
    int n = 0;
    sds *parts = sdssplitargs(text, &n);
    if (!parts || n == 0 || (uint32_t)n > SCENARIO_WORDS_MAX) {
        if (parts && n)
            buf_printf(why, "more than %u words", SCENARIO_WORDS_MAX);
        else
            buf_text(why, parts ? "the command is empty" : "unbalanced quotes");
        if (parts) sdsfreesplitres(parts, n);
        return false;
    }
    *ret = (struct words){.argv = xcalloc((size_t)n, sizeof *ret->argv), .argc = (uint32_t)n};
    for (uint32_t i = 0; i < ret->argc; i++) set_word(ret, i, SLICE(parts[i], sdslen(parts[i])));
    sdsfreesplitres(parts, n);
    return true;
}

void words_prepend(struct words *w, const struct slice *argv, uint32_t argc) {
    w->argv = xrealloc(w->argv, (w->argc + argc) * sizeof *w->argv);
    memmove(w->argv + argc, w->argv, w->argc * sizeof *w->argv);
    w->argc += argc;
    for (uint32_t i = 0; i < argc; i++) set_word(w, i, argv[i]);
}

/* ---- kept replies ---- */

static struct buf text_of(const json_t *value) {
    struct buf b = {0};
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    buf_text(&b, text ? text : json_string_value(value));
    free(text);
    return b;
}

/* `name`, or `name.member` of an object. NULL: the word stands for itself, or *why. */
static const json_t *find_saved(struct slice word, const json_t *names, const json_t *saved, struct buf *why) {
    char name[2 * NAME_LEN_MAX + 2] = {0};
    if (word.n >= sizeof name) return NULL;
    memcpy(name, word.p, word.n);
    char *member = json_object_get(names, name) ? NULL : strrchr(name, '.');
    if (member) *member++ = 0;
    if (!json_object_get(names, name)) return NULL;
    const json_t *value = json_object_get(saved, name);
    if (!value)
        buf_printf(why, "$%s is not known: its step has had no reply", name);
    else if (member && !(value = json_object_get(value, member)))
        buf_printf(why, "$%s has no %s", name, member);
    return value;
}

bool words_expand(struct words *w, const json_t *names, const json_t *saved, struct buf *why) {
    for (uint32_t i = 0; i < w->argc; i++) {
        struct slice s = w->argv[i];
        size_t before = why->n;
        if (s.n < 2 || s.p[0] != '$') continue;
        const json_t *value = find_saved(SLICE(s.p + 1, s.n - 1), names, saved, why);
        if (why->n > before) return false;
        if (!value) continue;
        struct buf text = text_of(value);
        set_word(w, i, buf_slice_of(&text));
        free((void *)(uintptr_t)s.p);
        buf_finish(&text);
    }
    return true;
}
