/* Where a live run of a scenario ended otherwise than the simulated one. */
#include "live.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct differences {
    struct buf *text;
    json_t *list;
    size_t count;
};

static void differ(struct differences *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void differ(struct differences *c, const char *format, ...) {
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    buf_printf(c->text, "%s\n", line);
    json_array_append_new(c->list, json_string(line));
    c->count++;
}

/* A value in a line; the caller frees. */
static char *value_text(const json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    return text ? text : xstrdup("nothing");
}

static void compare_values(struct differences *c, const char *what, const json_t *simulated, const json_t *live) {
    if (simulated == live || (simulated && live && json_equal(simulated, live))) return;
    char *a = value_text(simulated), *b = value_text(live);
    differ(c, "%s: simulated %.400s, live %.400s", what, a, b);
    free(a);
    free(b);
}

static void compare_ends(struct differences *c, const struct outcome *simulated, const struct outcome *live) {
    if (simulated->verdict != live->verdict)
        differ(c, "the end: simulated %s, live %s", verdict_words(simulated->verdict), verdict_words(live->verdict));
    if (simulated->failed_step != live->failed_step)
        differ(c, "the step that failed: simulated %u, live %u (0: none)", simulated->failed_step, live->failed_step);
    if (simulated->verdict != VERDICT_PASS && simulated->verdict == live->verdict && strcmp(simulated->failure, live->failure) != 0)
        differ(c, "what failed: simulated %.400s, live %.400s", simulated->failure, live->failure);
}

/* ---- rows ---- */
static void compare_row(struct differences *c, const struct final_row *a, const struct final_row *b) {
    char what[300];
    snprintf(what, sizeof what, "row %.250s", a->key);
    compare_values(c, what, a->shown, b->shown);
    snprintf(what, sizeof what, "row %.250s, where DCs show other values", a->key);
    compare_values(c, what, a->others, b->others);
    if (a->siblings != b->siblings) differ(c, "row %.250s: simulated %u siblings, live %u", a->key, a->siblings, b->siblings);
    if (a->losers != b->losers) differ(c, "row %.250s: simulated %u losers in the journal, live %u", a->key, a->losers, b->losers);
    if (a->open != b->open)
        differ(c, "row %.250s: its conflict is %s simulated, %s live", a->key, a->open ? "open" : "closed", b->open ? "open" : "closed");
}

static void row_of_one(struct differences *c, const struct final_row *row, const char *stage) {
    char *value = value_text(row->shown);
    differ(c, "row %.250s is there in the %s run alone: %.400s", row->key, stage, value);
    free(value);
}

/* Both are in order of key. */
static void compare_rows(struct differences *c, const struct outcome *simulated, const struct outcome *live) {
    uint32_t a = 0, b = 0;
    if (simulated->conflicts_open != live->conflicts_open)
        differ(c, "open conflicts: simulated %" PRIu64 ", live %" PRIu64, simulated->conflicts_open, live->conflicts_open);
    while (a < simulated->rows_count || b < live->rows_count) {
        int order = a == simulated->rows_count ? 1 : b == live->rows_count ? -1 : strcmp(simulated->rows[a].key, live->rows[b].key);
        if (order < 0) {
            row_of_one(c, &simulated->rows[a++], "simulated");
        } else if (order > 0) {
            row_of_one(c, &live->rows[b++], "live");
        } else {
            compare_row(c, &simulated->rows[a++], &live->rows[b++]);
        }
    }
}

/* ---- replies ---- */
/* Tokens, contexts, what names dots, and times are other ones in every run. */
static bool is_of_its_run(const struct step *s) {
    static const char *const words[] = {"DEBUG", "INFO", "TIME", "TTL", "PTTL", "CLIENT"};
    if (strncasecmp(s->command, "TRUCE.", 6) == 0) return strncasecmp(s->command, "TRUCE.WITH ", 11) != 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncasecmp(s->command, words[i], strlen(words[i])) == 0) return true;
    return false;
}

static void compare_replies(struct differences *c, const struct scenario *s, const struct outcome *simulated, const struct outcome *live) {
    for (uint32_t i = 0; i < s->steps_count; i++) {
        const struct step *step = &s->steps[i];
        char number[16], what[400];
        if (step->verb != STEP_DO || is_of_its_run(step)) continue;
        snprintf(number, sizeof number, "%u", step->number);
        snprintf(what, sizeof what, "step %s (%.300s)", number, step->command);
        compare_values(c, what, json_object_get(simulated->replies, number), json_object_get(live->replies, number));
    }
}

static void compare_workloads(struct differences *c, const struct outcome *simulated, const struct outcome *live) {
    const char *name;
    json_t *of;
    json_object_foreach(simulated->workloads, name, of) {
        const json_t *other = json_object_get(live->workloads, name);
        const json_t *a = json_object_get(of, "holds"), *b = json_object_get(other, "holds");
        char what[300];
        snprintf(what, sizeof what, "workload %.250s: holds", name);
        compare_values(c, what, a, b);
    }
}

/* What clients of a workload write, and over what they meet, depends on how fast answers come: then rows and conflicts say nothing. */
static bool has_workloads(const struct scenario *s) {
    for (uint32_t i = 0; i < s->steps_count; i++)
        if (s->steps[i].verb == STEP_WORKLOAD) return true;
    return false;
}

size_t compare_outcomes(const struct scenario *s, const struct outcome *simulated, const struct outcome *live, struct buf *text, json_t *into) {
    struct differences c = {.text = text, .list = json_array()};
    compare_ends(&c, simulated, live);
    if (!has_workloads(s)) compare_rows(&c, simulated, live);
    compare_replies(&c, s, simulated, live);
    compare_workloads(&c, simulated, live);
    if (into)
        json_object_set_new(into, "differences", c.list);
    else
        json_decref(c.list);
    return c.count;
}
