#include "replay_shrink.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBER_KEY "number in the first file" /* of each step, while it is shrunk */

struct shrinking {
    const struct shrink_limits *limits;
    shrink_judge *judge;
    void *arg;
    json_t *best;
    uint32_t tries;
    time_t until_s;
    uint64_t *seen; /* hashes of what was tried */
    size_t seen_count, seen_cap;
};

static json_t *steps_of(const json_t *file) { return json_object_get(file, "steps"); }

static time_t now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static bool is_over(const struct shrinking *s) { return s->tries >= s->limits->tries_max || now_s() >= s->until_s; }

static bool is_new(struct shrinking *s, const json_t *file) {
    char *text = json_dumps(file, JSON_COMPACT);
    uint64_t hash = hash64(slice_text(text != NULL ? text : ""));
    free(text);
    for (size_t i = 0; i < s->seen_count; i++)
        if (s->seen[i] == hash) return false;
    if (s->seen_count == s->seen_cap) {
        s->seen_cap = s->seen_cap > 0 ? s->seen_cap * 2 : 256;
        s->seen = xrealloc(s->seen, s->seen_cap * sizeof *s->seen);
    }
    s->seen[s->seen_count++] = hash;
    return true;
}

/* The file as it is played, without what is only known here. */
static json_t *plain(const json_t *file, uint32_t *ret_numbers) {
    json_t *copy = json_deep_copy(file), *step;
    size_t i;
    json_array_foreach(steps_of(copy), i, step) {
        if (ret_numbers != NULL) ret_numbers[i] = (uint32_t)json_integer_value(json_object_get(step, NUMBER_KEY));
        json_object_del(step, NUMBER_KEY);
    }
    return copy;
}

/* Takes the candidate: it becomes the best where it still fails so. */
static bool attempt(struct shrinking *s, json_t *candidate) {
    bool taken = false;
    if (!is_over(s) && is_new(s, candidate)) {
        uint32_t count = (uint32_t)json_array_size(steps_of(candidate)), *numbers = xcalloc(count + 1, sizeof *numbers);
        json_t *file = plain(candidate, numbers);
        s->tries++;
        taken = s->judge(s->arg, file, numbers, count);
        json_decref(file);
        free(numbers);
        if (s->limits->told != NULL) s->limits->told(s->limits->told_arg, s->tries, (uint32_t)json_array_size(steps_of(taken ? candidate : s->best)));
    }
    if (taken) json_decref(s->best);
    if (taken)
        s->best = candidate;
    else
        json_decref(candidate);
    return taken;
}

/* ---- fewer steps: delta debugging over groups of steps ---- */
static json_t *without_groups(const json_t *file, const uint32_t *groups, uint32_t first, uint32_t count) {
    json_t *copy = json_deep_copy(file);
    for (size_t i = json_array_size(steps_of(copy)); i > 0; i--)
        if (groups[i - 1] >= first && groups[i - 1] - first < count) json_array_remove(steps_of(copy), i - 1);
    return copy;
}

static uint32_t group(const struct shrinking *s, bool together, uint32_t **ret) {
    uint32_t n = (uint32_t)json_array_size(steps_of(s->best));
    uint32_t *groups = xcalloc(n + 1, sizeof *groups);
    for (uint32_t i = 0; i < n; i++) groups[i] = i;
    *ret = groups;
    return together ? step_groups(steps_of(s->best), groups) : n;
}

/* Leaves out runs of `size` groups, from the last to the first: what comes after the failure goes first. */
static bool without_runs(struct shrinking *s, bool together, uint32_t size) {
    bool progress = false;
    uint32_t *groups, count = group(s, together, &groups);
    for (uint32_t end = count; end > 0 && !is_over(s);) {
        uint32_t first = end > size ? end - size : 0;
        if (attempt(s, without_groups(s->best, groups, first, end - first))) {
            progress = true;
            free(groups);
            count = group(s, together, &groups);
            end = first < count ? first : count;
        } else {
            end = first;
        }
    }
    free(groups);
    return progress;
}

static bool fewer_steps(struct shrinking *s, bool together) {
    bool progress = false;
    uint32_t *groups, size = group(s, together, &groups);
    free(groups);
    for (size = (size + 1) / 2; size > 0; size /= 2) progress = without_runs(s, together, size) || progress;
    return progress;
}

/* ---- everything else ---- */
static bool reduce(struct shrinking *s, const struct reduction *r) {
    bool progress = false;
    json_t *candidate;
    for (uint32_t n = 0; !is_over(s);) {
        enum reduced made = r->make(s->best, n, &candidate);
        if (made == REDUCED_NO_MORE) break;
        if (made == REDUCED && attempt(s, candidate))
            progress = true; /* the n-th way is another one now */
        else
            n++;
    }
    return progress;
}

json_t *shrink(const json_t *file, const struct shrink_limits *limits, shrink_judge *judge, void *arg, uint32_t *ret_tries) {
    struct shrinking s = {.limits = limits, .judge = judge, .arg = arg, .best = json_deep_copy(file), .until_s = now_s() + limits->seconds_max};
    size_t i;
    json_t *step;
    json_array_foreach(steps_of(s.best), i, step) json_object_set_new(step, NUMBER_KEY, json_integer((json_int_t)i + 1));
    for (bool progress = true; progress && !is_over(&s);) {
        progress = fewer_steps(&s, true);
        progress = fewer_steps(&s, false) || progress;
        for (uint32_t r = 0; r < reductions_count; r++) progress = reduce(&s, &reductions[r]) || progress;
    }
    json_t *ret = plain(s.best, NULL);
    json_decref(s.best);
    free(s.seen);
    *ret_tries = s.tries;
    return ret;
}
