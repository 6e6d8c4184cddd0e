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

static size_t name_size(struct slice s) {
    size_t n = 0;
    while (n < s.n && n < NAME_LEN_MAX && s.p[n] && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", s.p[n])) n++;
    return n;
}

static void put_value(const json_t *value, struct buf *out) {
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    buf_text(out, text ? text : json_string_value(value));
    free(text);
}

/* At a `$` of s: puts what stands for it. Returns the bytes that were taken; 0: there is no such reply, *why. */
static size_t put_saved(struct slice s, const json_t *names, const json_t *saved, struct buf *out, struct buf *why) {
    char name[NAME_LEN_MAX + 1] = {0}, member[NAME_LEN_MAX + 1] = {0};
    struct slice rest = SLICE(s.p + 1, s.n - 1);
    size_t n = name_size(rest), m = 0;
    if (n) memcpy(name, rest.p, n);
    if (n == 0 || !json_object_get(names, name)) {
        bool twice = rest.n && rest.p[0] == '$';
        buf_text(out, "$");
        return twice ? 2 : 1;
    }
    const json_t *value = json_object_get(saved, name);
    if (!value) {
        buf_printf(why, "$%s is not known: its step has had no reply", name);
        return 0;
    }
    if (rest.n > n && rest.p[n] == '.' && json_is_object(value)) m = name_size(SLICE(rest.p + n + 1, rest.n - n - 1));
    if (m) {
        memcpy(member, rest.p + n + 1, m);
        value = json_object_get(value, member);
    }
    if (!value) {
        buf_printf(why, "$%s has no %s", name, member);
        return 0;
    }
    put_value(value, out);
    return 1 + n + (m ? 1 + m : 0);
}

static bool expand_word(struct words *w, uint32_t i, const json_t *names, const json_t *saved, struct buf *why) {
    struct slice s = w->argv[i];
    struct buf out = {0};
    size_t used = 1;
    for (size_t at = 0; at < s.n && used > 0; at += used) {
        used = 1;
        if (s.p[at] == '$')
            used = put_saved(SLICE(s.p + at, s.n - at), names, saved, &out, why);
        else
            buf_u8(&out, s.p[at]);
    }
    if (used > 0) {
        set_word(w, i, buf_slice_of(&out));
        free((void *)(uintptr_t)s.p);
    }
    buf_finish(&out);
    return used > 0;
}

bool words_expand(struct words *w, const json_t *names, const json_t *saved, struct buf *why) {
    for (uint32_t i = 0; i < w->argc; i++)
        if (w->argv[i].n && memchr(w->argv[i].p, '$', w->argv[i].n) && !expand_word(w, i, names, saved, why)) return false;
    return true;
}
