/* Workloads: begun, stopped at the end, and held to account at rest. */
#include "play_state.h"

#include "../../schemas/bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void stop_load(void *arg, uint64_t number) {
    struct play *p = arg;
    load_stop(p->loads[number].load);
}

void play_load(struct play *p, const struct step *s) {
    uint64_t seed = hash64_seeded(slice_text(s->name), p->options->seed + s->number);
    if (p->loads_count == p->loads_cap) {
        p->loads_cap = p->loads_cap ? p->loads_cap * 2 : 8;
        p->loads = xrealloc(p->loads, p->loads_cap * sizeof *p->loads);
    }
    struct playing_load l = {.load = load_start(p->stage, s, seed), .step = s, .ends_us = UINT64_MAX};
    if (s->length_us) {
        l.ends_us = play_now(p) + s->length_us;
        p->stage->ops->at(p->stage, p->zero_us + l.ends_us, stop_load, p, p->loads_count);
    }
    p->loads[p->loads_count++] = l;
}

void play_loads_stop(struct play *p) {
    uint64_t until = play_now(p) + LOAD_GRACE_US;
    for (uint32_t i = 0; i < p->loads_count; i++) load_stop(p->loads[i].load);
    for (uint32_t i = 0; i < p->loads_count; i++) {
        while (!load_idle(p->loads[i].load) && play_now(p) < until && play_run(p, play_now(p) + RETRY_US)) continue;
        if (!p->over && !load_idle(p->loads[i].load)) play_note(p, p->loads[i].step, "%s does not come to an end", p->loads[i].step->name);
    }
}

static char *text_of(const struct buf *b) {
    char *text = xmalloc(b->n + 1);
    if (b->n) memcpy(text, b->p, b->n);
    text[b->n] = 0;
    return text;
}

void play_loads_check(struct play *p) {
    for (uint32_t i = 0; i < p->loads_count && !p->over; i++) {
        struct playing_load *l = &p->loads[i];
        struct buf why = {0};
        l->holds = load_check(l->load, &why);
        l->checked = true;
        if (!l->holds) l->why = text_of(&why);
        buf_finish(&why);
        if (l->holds)
            record_printf(p->stage->record, play_moment(p, MOMENT_HOLDS, l->step, -1), "workload %s", l->step->name);
        else
            play_fail(p, VERDICT_INVARIANT, l->step, "%s", l->why); /* it begins with the name */
    }
}

void play_loads_tell(struct play *p) {
    for (uint32_t i = 0; i < p->loads_count; i++) {
        const struct playing_load *l = &p->loads[i];
        struct load_counts n = load_counts(l->load);
        json_t *j = json_object(), *kind = json_object_get(l->step->json, "workload");
        json_object_set(j, "kind", kind);
        json_object_set_new(j, "ok", json_integer((json_int_t)n.ok));
        json_object_set_new(j, "failed", json_integer((json_int_t)n.failed));
        json_object_set_new(j, "unknown", json_integer((json_int_t)n.unknown));
        json_object_set_new(j, "reads", json_integer((json_int_t)n.reads));
        json_object_set_new(j, "holds", l->checked ? json_boolean(l->holds) : json_null());
        json_object_set_new(j, "why", l->why ? json_string(l->why) : json_null());
        json_object_set_new(p->outcome->workloads, l->step->name, j);
    }
}

void play_loads_finish(struct play *p) {
    for (uint32_t i = 0; i < p->loads_count; i++) {
        load_destroy(p->loads[i].load);
        free(p->loads[i].why);
    }
    free(p->loads);
}
