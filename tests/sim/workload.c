#include "workload_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- sending, and what comes back ---- */

static void on_taken(void *arg, uint32_t node) {
    struct command *c = arg;
    struct workload *l = c->agent->load;
    if (c->check == CHECK_KEYS) c->keys = h_keys_now(l->history, node);
    if (c->check != CHECK_ROW) return;
    h_read_now(l->history, node, history_key(l->history, word_of(c, 1)), world_wall_ms(l->world, node), &c->read);
}

static void next(struct world *w, void *arg, uint64_t number);

static void finish(struct agent *a) {
    struct workload *l = a->load;
    a->finish(a);
    a->busy = false;
    if (history_failed(l->history)) {
        world_stop(l->world);
        return;
    }
    uint64_t think = a->reader ? 0 : load_draw(l, l->options.think_us_max + 1);
    world_at(l->world, world_now_us(l->world) + think, next, a, 0);
}

static void on_done(void *arg, const struct reply_info *info) {
    struct command *c = arg;
    buf_clear(&c->reply);
    buf_put(&c->reply, info->reply.p, info->reply.n);
    c->returned = info->reply.n > 0;
    c->taken = info->taken;
    c->called_us = info->invoked_us;
    c->answered_us = info->returned_us;
    if (++c->agent->returned == c->agent->count) finish(c->agent);
}

static void send(struct agent *a) {
    a->returned = 0;
    a->busy = true;
    uint32_t count = a->count;
    for (uint32_t i = 0; i < count; i++) {
        struct command *c = &a->commands[i];
        struct slice argv[WORDS_MAX];
        for (uint32_t j = 0; j < c->words; j++) argv[j] = word_of(c, j);
        struct request_watcher watcher = {on_taken, on_done, c};
        world_request(a->load->world, a->client, argv, c->words, &watcher);
    }
}

static uint32_t rows_to_read(const struct workload *l) { return operation_reads(l); }

static void next(struct world *w, void *arg, uint64_t number) {
    struct agent *a = arg;
    struct workload *l = a->load;
    a->count = a->watches = 0;
    if (a->reader) {
        if (a->next_read >= rows_to_read(l)) return;
        operation_read(a, a->next_read++);
    } else {
        if (!l->going) return;
        operation_draw(a);
    }
    send(a);
}

/* ---- life ---- */

static struct agent *agent_init(struct workload *l, uint32_t node) {
    struct agent *a = &l->agents[l->agents_count++];
    *a = (struct agent){.load = l, .node = node, .client = world_client(l->world, node)};
    return a;
}

struct workload *workload_create(struct world *w, struct history *h, uint64_t seed, const struct workload_options *o) {
    struct workload *l = xcalloc(1, sizeof *l);
    l->world = w;
    l->history = h;
    l->options = *o;
    prng_seed(&l->prng, seed ^ UINT64_C(0x776f726b));
    l->agents = xcalloc(o->agents + h->nodes_count, sizeof *l->agents);
    for (uint32_t i = 0; i < DCS_MAX; i++) snprintf(l->tallies[i].name, sizeof l->tallies[i].name, "c:%u", i);
    uint32_t counter = history_key(h, slice_text("c:0"));
    linear_create(l);
    l->tallies_shared = h->keys[counter].policy == POLICY_MERGE;
    for (uint32_t i = 0; i < o->agents; i++) agent_init(l, i < h->nodes_count ? i : (uint32_t)load_draw(l, h->nodes_count));
    l->readers = h->nodes_count;
    for (uint32_t i = 0; i < l->readers; i++) {
        struct agent *a = agent_init(l, i);
        a->reader = true;
        a->next_read = rows_to_read(l);
    }
    return l;
}

void workload_destroy(struct workload *l) {
    if (!l) return;
    for (uint32_t i = 0; i < l->agents_count; i++)
        for (uint32_t j = 0; j < COMMANDS_MAX; j++) {
            buf_finish(&l->agents[i].commands[j].bytes);
            buf_finish(&l->agents[i].commands[j].reply);
            h_read_finish(&l->agents[i].commands[j].read);
        }
    free(l->agents);
    free(l->writes);
    linear_destroy(l);
    buf_finish(&l->scratch);
    free(l);
}

void workload_go(struct workload *l) {
    l->going = true;
    for (uint32_t i = 0; i < l->options.agents; i++)
        world_at(l->world, world_now_us(l->world) + load_draw(l, l->options.think_us_max + 1), next, &l->agents[i], 0);
}

void workload_stop(struct workload *l) { l->going = false; }

void workload_read_all(struct workload *l) {
    for (uint32_t i = 0; i < l->readers; i++) {
        struct agent *a = &l->agents[l->agents_count - l->readers + i];
        a->next_read = 0;
        world_at(l->world, world_now_us(l->world), next, a, 0);
    }
}

bool workload_idle(const struct workload *l) {
    for (uint32_t i = 0; i < l->agents_count; i++)
        if (l->agents[i].busy || (l->agents[i].reader && l->agents[i].next_read < rows_to_read(l))) return false;
    return true;
}

void workload_check(struct workload *l, bool promised) {
    struct h_event *made = NULL;
    if (promised && !l->history->clock_was_off) linear_check_rest(l); /* stamps are promised by clocks that are right within the bound */
    for (uint32_t i = 0; i < l->writes_count; i++) {
        struct write *w = &l->writes[i];
        struct h_event *e = check_write(l->history, w->key, w->from, slice_text(w->value), w->outcome, promised);
        bool together = i > 0 && w->transaction > 0 && l->writes[i - 1].transaction == w->transaction;
        if (together && e != made)
            history_fail(l->history, "I5", "%s and %s were written in one transaction, but not in one event", l->writes[i - 1].value, w->value);
        if (e && w->watched && w->outcome == OUTCOME_OK) check_watched(l, w, e);
        made = e;
    }
    for (uint32_t i = 0; i < DCS_MAX; i++)
        if (l->tallies[i].ok + l->tallies[i].unknown > 0)
            check_counter(l->history, slice_text(l->tallies[i].name), l->tallies[i].ok, l->tallies[i].unknown, promised && !l->options.flush_all);
}

struct workload_counts workload_counts(const struct workload *l) {
    return l->counts;
}
