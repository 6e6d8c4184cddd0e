/* capture: what a local cluster logged, as a scenario. */
#include "../dc-node/scenario/scenario.h"
#include "../schemas/units.h"
#include "capture_steps.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A moment, or so long ago; without one everything. */
static int since_of(struct run *r, uint64_t *ret_ms) {
    uint64_t us;
    *ret_ms = 0;
    if (!r->args.since || parse_instant(r->args.since, ret_ms)) return 0;
    if (!parse_time(r->args.since, YEAR_US, &us))
        return fail(r, EXIT_USAGE, "--since: expected a time such as 2026-11-21T08:40:42Z, or 10m ago as 10m, got %s", r->args.since);
    *ret_ms = wall_ms() - us / 1000;
    return 0;
}

static uint64_t start_of(const struct capture *c, const struct incidents *i, uint64_t since_ms) {
    if (since_ms) return since_ms;
    for (size_t k = 0; k < i->count; k++)
        if (strcmp(i->list[k].verb, "up") != 0 && strcmp(i->list[k].verb, "started") != 0 && i->list[k].from_ms > since_ms &&
            (c->count == 0 || i->list[k].from_ms < stamp_ms(c->events[0].event.stamp)))
            return i->list[k].from_ms;
    return c->count ? stamp_ms(c->events[0].event.stamp) : 0;
}

/* Title, where it comes from, and what is different here. */
static void put_about(const struct capture *c, json_t *file) {
    struct buf about = {0};
    size_t i;
    json_t *note;
    buf_printf(&about, "Captured from a running cluster: %zu writes, each under what its writer knew.", c->count);
    json_array_foreach(c->notes, i, note) buf_printf(&about, " Note: %s.", json_string_value(note));
    json_object_set_new(file, "about", json_stringn((const char *)about.p, about.n));
    buf_finish(&about);
}

static json_t *compose(struct run *r, struct capture *c, const struct incidents *incidents, uint64_t since_ms, struct buf *why) {
    json_t *file = json_object();
    if (!capture_head(c, &r->local, r->args.words_count ? r->args.words[0] : "what happened to a cluster", file, why)) {
        json_decref(file);
        return NULL;
    }
    struct captured_rows *rows = rows_of_capture(c);
    struct captured_steps steps;
    json_t *base = capture_base(c, &r->local, rows);
    capture_steps(c, rows, incidents, base, start_of(c, incidents, since_ms), &steps);
    capture_expect(c, &r->local, rows, &steps, steps.steps);
    json_decref(base);
    put_about(c, file);
    json_object_set_new(file, "steps", steps.steps);
    captured_rows_destroy(rows);
    return file;
}

static int write_out(struct run *r, const json_t *file) {
    struct buf text = {0};
    scenario_print(file, &text);
    FILE *f = r->args.out ? fopen(r->args.out, "we") : r->args.json ? NULL : stdout;
    bool good = r->args.json || (f && fwrite(text.p, 1, text.n, f) == text.n);
    if (r->args.out && f && fclose(f) != 0) good = false;
    buf_finish(&text);
    return good ? 0 : fail(r, EXIT_FAILED, "%s: %s", r->args.out ? r->args.out : "standard output", strerror(errno));
}

static void tell(struct run *r, const struct capture *c, json_t *file) {
    size_t i;
    json_t *note;
    size_t steps = json_array_size(json_object_get(file, "steps"));
    json_object_set_new(r->json, "events", json_integer((json_int_t)c->count));
    json_object_set_new(r->json, "steps", json_integer((json_int_t)steps));
    json_object_set(r->json, "notes", c->notes);
    if (!r->args.out) json_object_set(r->json, "scenario", file);
    if (!r->args.out) return;
    say(r, "%zu events are %zu steps of %s.", c->count, steps, r->args.out);
    json_array_foreach(c->notes, i, note) say(r, "Note: %s.", json_string_value(note));
}

int verb_capture(struct run *r) {
    struct capture c;
    struct incidents incidents = {0};
    struct buf why = {0};
    uint64_t since_ms;
    if (r->args.words_count > 1) return fail(r, EXIT_USAGE, "capture takes one title, in quotes");
    int code = since_of(r, &since_ms);
    if (code == 0) code = run_open(r, true);
    if (code != 0) return code;
    capture_init(&c, r->local.cluster);
    json_t *file = NULL;
    if (incidents_load(&r->local, &incidents, &why) && capture_read(&c, &r->local, &why)) {
        capture_order(&c, since_ms);
        file = compose(r, &c, &incidents, since_ms, &why);
    }
    if (!file) code = fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    if (file) code = write_out(r, file);
    if (file && code == 0) tell(r, &c, file);
    json_decref(file);
    incidents_finish(&incidents);
    capture_finish(&c);
    buf_finish(&why);
    return code;
}
