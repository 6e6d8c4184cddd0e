/* From a failing seed to a small file that fails in the same way. */
#include "replay_shrink.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRY_LIMIT_S 60u

struct keeping {
    const struct keep_plan *plan;
    const json_t *expanded;
    struct brief wanted; /* how it fails */
    char invariant[16];
};

static bool is_name(const char *word, size_t n, const json_t *file) {
    size_t dc = n;
    while (dc > 0 && isdigit((unsigned char)word[dc - 1])) dc--;
    size_t ends[2] = {n, dc > 1 && dc < n && word[dc - 1] == '-' ? dc - 1 : n};
    for (int i = 0; i < 2; i++) {
        char name[64];
        if (ends[i] >= sizeof name) continue;
        snprintf(name, sizeof name, "%.*s", (int)ends[i], word);
        if (json_object_get(json_object_get(file, "datacenters"), name) != NULL) return true;
    }
    return false;
}

static size_t put_number(const char *p, struct buf *out) {
    size_t n = strspn(p, "0123456789");
    buf_u8(out, strspn(p, "0") == n ? '0' : '#');
    return n;
}

void failure_kind(const char *failure, const json_t *file, struct buf *out) {
    const char *p = strstr(failure, "): "); /* cut.json:21: step 9 (expect): what there is to say */
    for (p = p != NULL ? p + 3 : failure; *p != '\0';) {
        size_t n = 0;
        while (isalnum((unsigned char)p[n]) || p[n] == '-' || p[n] == '_') n++;
        if (n > 0 && is_name(p, n, file)) {
            buf_u8(out, '@');
            p += n;
        } else if (n == 0) {
            buf_u8(out, (uint8_t)*p++);
        } else {
            for (const char *end = p + n; p < end;) {
                if (isdigit((unsigned char)*p))
                    p += put_number(p, out);
                else
                    buf_u8(out, (uint8_t)*p++);
            }
        }
    }
}

static bool same_kind(const struct keeping *k, const struct brief *b) {
    struct buf one = {0}, other = {0};
    failure_kind(k->wanted.failure, k->expanded, &one);
    failure_kind(b->failure, k->expanded, &other);
    bool same = slice_equal(buf_slice_of(&one), buf_slice_of(&other));
    buf_finish(&one), buf_finish(&other);
    return same;
}

static bool same_step(const struct keeping *k, const struct brief *b, const uint32_t *numbers, uint32_t steps_count) {
    if (k->wanted.failed_step == 0 || b->failed_step == 0) return k->wanted.failed_step == b->failed_step;
    return b->failed_step <= steps_count && numbers[b->failed_step - 1] == k->wanted.failed_step;
}

/* The same verdict; the same invariant, where it has a name; else the same words, and of an expectation the same step. An expectation that fails
 * because nothing was written is another failure than one that fails because something was lost. */
static bool same_failure(const struct keeping *k, const struct brief *b, const uint32_t *numbers, uint32_t steps_count) {
    char invariant[16];
    if (b->verdict != k->wanted.verdict || b->crashed != k->wanted.crashed) return false;
    if (b->verdict == VERDICT_NOT_CONVERGED) return true;
    if (b->verdict == VERDICT_EXPECTATION && !same_step(k, b, numbers, steps_count)) return false;
    brief_invariant(b, invariant);
    return strcmp(invariant, k->invariant) == 0 && (invariant[0] != '\0' || same_kind(k, b));
}

static bool replay_json(const struct keeping *k, const json_t *file, struct brief *ret, struct buf *why) {
    struct scenario_file f = {.json = (json_t *)(uintptr_t)file, .path = k->plan->child->file->path};
    struct child_plan p = *k->plan->child;
    p.file = &f;
    p.own_seed = true;
    p.limit_s = TRY_LIMIT_S;
    return child_replay(&p, ret, why);
}

static bool judge(void *arg, const json_t *file, const uint32_t *numbers, uint32_t steps_count) {
    const struct keeping *k = arg;
    struct brief b;
    struct buf why = {0};
    bool same = replay_json(k, file, &b, &why) && same_failure(k, &b, numbers, steps_count);
    buf_finish(&why);
    return same;
}

static void told(void *arg, uint32_t tries, uint32_t steps) {
    const struct keep_plan *p = arg;
    if (!p->quiet && isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[Kshrinking: %u tries, %u steps", tries, steps);
}

/* ---- the file ---- */
static char *path_of(const struct keep_plan *p, uint64_t seed) {
    char *one = xstrdup(p->child->file->path), *two = xstrdup(p->child->file->path), *base = basename(one), *ret = NULL;
    size_t n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".json") == 0) base[n - 5] = '\0';
    const char *directory = p->directory != NULL ? p->directory : dirname(two);
    if (asprintf(&ret, "%s/%s.seed-%llu.json", directory, base, (unsigned long long)seed) < 0) abort();
    free(one), free(two);
    return ret;
}

/* Paths of handlers are relative to the file that names them. */
static void anchor_handlers(json_t *file, const char *path) {
    const char *name;
    json_t *value;
    void *next;
    char *copy = xstrdup(path), *directory = dirname(copy);
    json_t *handlers = json_object_get(file, "handlers");
    json_object_foreach_safe(handlers, next, name, value) {
        const char *old = json_string_value(value);
        if (old == NULL || *old == '/') continue;
        char *joined = NULL, *whole;
        if (asprintf(&joined, "%s/%s", directory, old) < 0) abort();
        whole = realpath(joined, NULL);
        if (whole != NULL) json_object_set_new(handlers, name, json_string(whole));
        free(joined), free(whole);
    }
    free(copy);
}

/* With all that lead to it; whether it is there then, writing tells. */
static void make_directory(const char *path) {
    char *copy = xstrdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0777);
        *slash = '/';
    }
    mkdir(copy, 0777);
    free(copy);
}

static void describe(const struct keeping *keeping, const struct kept *k, json_t *file) {
    char *copy = xstrdup(keeping->plan->child->file->path);
    struct buf about = {0};
    buf_printf(&about, "From %s, seed %llu: %s. Shrunk from %u steps to %u in %u tries.", basename(copy), (unsigned long long)k->brief.seed,
               keeping->wanted.failure, k->steps_before, k->steps, k->tries);
    json_object_set_new(file, "about", json_stringn((const char *)about.p, about.n));
    buf_finish(&about);
    free(copy);
}

static bool write_file(const char *path, const json_t *file, struct buf *why) {
    struct buf text = {0};
    scenario_print(file, &text);
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && fwrite(text.p, 1, text.n, f) == text.n;
    if (f != NULL && fclose(f) != 0) ok = false;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    buf_finish(&text);
    return ok;
}

/* What was written must fail as it did here. */
static bool prove(const struct keep_plan *p, struct kept *k, struct buf *why) {
    struct scenario_file written;
    struct brief again;
    struct child_plan plan = *p->child;
    plan.own_seed = true;
    plan.limit_s = TRY_LIMIT_S;
    if (!scenario_load(k->path, &written, why)) return false;
    plan.file = &written;
    bool ok = child_replay(&plan, &again, why);
    if (ok && (again.verdict != k->brief.verdict || again.crashed != k->brief.crashed)) {
        buf_printf(why, "%s: it does not fail as it did: %s %s", k->path, verdict_words(again.verdict), again.failure);
        ok = false;
    }
    if (ok) k->brief = again;
    scenario_file_finish(&written);
    return ok;
}

static bool keep(struct keeping *k, const json_t *expanded, struct kept *ret, struct buf *why) {
    struct shrink_limits limits = {.tries_max = SHRINK_TRIES_MAX, .seconds_max = SHRINK_S_MAX, .told = told, .told_arg = (void *)(uintptr_t)k->plan};
    json_t *small = shrink(expanded, &limits, judge, k, &ret->tries);
    if (!k->plan->quiet && isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[K");
    ret->steps_before = (uint32_t)json_array_size(json_object_get(expanded, "steps"));
    ret->steps = (uint32_t)json_array_size(json_object_get(small, "steps"));
    bool ok = replay_json(k, small, &ret->brief, why);
    ret->brief.seed = k->wanted.seed;
    describe(k, ret, small);
    anchor_handlers(small, k->plan->child->file->path);
    ret->path = path_of(k->plan, k->wanted.seed);
    if (k->plan->directory != NULL && k->plan->directory[0] != '\0') make_directory(k->plan->directory);
    ok = ok && write_file(ret->path, small, why) && prove(k->plan, ret, why);
    json_decref(small);
    return ok;
}

void kept_finish(struct kept *k) {
    free(k->path);
    *k = (struct kept){0};
}

bool shrink_and_keep(const struct keep_plan *p, struct kept *ret, struct buf *why) {
    struct keeping k = {.plan = p};
    json_t *expanded;
    *ret = (struct kept){0};
    if (!scenario_draw(p->child->file, p->seed, &expanded, why)) return false;
    k.expanded = expanded;
    bool ok = replay_json(&k, expanded, &k.wanted, why);
    if (p->seed != NULL) k.wanted.seed = *p->seed;
    brief_invariant(&k.wanted, k.invariant);
    if (ok && (k.wanted.verdict == VERDICT_PASS || k.wanted.verdict == VERDICT_BAD_FILE)) {
        buf_printf(why, "%s: there is nothing to shrink: %s", p->child->file->path, verdict_words(k.wanted.verdict));
        ok = false;
    }
    ok = ok && keep(&k, expanded, ret, why);
    json_decref(expanded);
    return ok;
}
