/* The engine's life: create, step, updates (see engine.h for the contract with the host). */
#include "state.h"
#include <stdarg.h>
#include <stdio.h>

void engine_fail(struct engine *e, const char *format, ...) {
    if (e->updates.fatal) return;
    va_list args;
    va_start(args, format);
    vsnprintf(e->fatal, sizeof e->fatal, format, args);
    va_end(args);
    e->updates.fatal = e->fatal;
    e->store->damaged |= !e->store->broken;
}

struct source *engine_source(struct engine *e, origin_ref o) {
    if (o >= e->sources_cap) {
        uint32_t cap = (o + 16) * 2;
        e->sources = xrealloc(e->sources, cap * sizeof *e->sources);
        memset(e->sources + e->sources_cap, 0, (cap - e->sources_cap) * sizeof *e->sources);
        e->sources_cap = cap;
    }
    if (!e->sources[o]) {
        const char *dc = origins_get(e->origins, o)->dc;
        e->sources[o] = xcalloc(1, sizeof **e->sources);
        e->sources[o]->dc = cluster_find_dc(e->cluster, SLICE(dc, strlen(dc)));
    }
    return e->sources[o];
}

static void size_memory(struct engine *e) {
    size_t all = e->cluster->memory_bytes_max;
    rows_init(&e->rows, e->store, all * 13 / 32);
    e->waiting_bytes_max = all / 16;
}

int engine_create(struct engine **ret, const struct engine_options *options, struct now now, struct buf *why) {
    struct engine *e = xcalloc(1, sizeof *e);
    e->options = *options;
    e->cluster = e->members = cluster_copy(options->cluster);
    e->self = options->node;
    e->self_dc = e->cluster->nodes[e->self].dc;
    e->store = options->store;
    e->now = e->started = now;
    e->own = ORIGIN_NONE;
    prng_seed(&e->prng, options->entropy);
    e->run = prng_next(&e->prng);
    e->incarnation = prng_next(&e->prng);
    e->origins = origins_create();
    e->rules = rules_create(e->cluster);
    e->links = xcalloc(NODES_MAX, sizeof *e->links);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].subscription = (uint32_t)prng_next(&e->prng) | 1;
    e->channel_ids = prng_next(&e->prng) >> 16;
    e->question_ids = prng_next(&e->prng);
    e->catch_ups = xcalloc(NODES_MAX, sizeof *e->catch_ups);
    e->expiries_page = COLLECT_KEYS;
    e->flush_due_us = now.mono_us + FLUSH_AGE_US;
    e->collect_due_us = now.mono_us + COLLECT_PERIOD_US;
    size_memory(e);
    transfer_init(e);
    members_create(e);
    if (engine_recover(e, why) != 0) {
        engine_destroy(e);
        return STORE_FAILED;
    }
    if (engine_name_run(e) == ORIGIN_NONE) { /* now, before peers can fill the table */
        buf_printf(why, "there are %u origins already, and no room for that of this run", ORIGINS_MAX);
        engine_destroy(e);
        return STORE_FAILED;
    }
    tail_init(&e->tail, e->cluster->memory_bytes_max / 16, &e->vv);
    handlers_create(e);
    members_settle(e);
    memcpy(e->voters.before, e->voters.now, sizeof e->voters.before); /* changes are made one by one: those before the last are known */
    return_create(e);
    transfer_create(e);
    if (lead_create(e, why) != 0) {
        engine_destroy(e);
        return STORE_FAILED;
    }
    reports_create(e);
    *ret = e;
    return 0;
}

void engine_destroy(struct engine *e) {
    if (!e) return;
    requests_finish(e);
    forward_finish(e);
    transfer_finish(e);
    handlers_finish(e);
    journal_finish(e);
    losses_finish(e);
    members_finish(e);
    lead_finish(e);
    reports_finish(e);
    engine_drop_waiting(e);
    for (uint32_t o = 0; o < e->sources_cap; o++) {
        if (e->sources[o]) vv_finish(&e->sources[o]->deps);
        free(e->sources[o]);
    }
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        link_finish(&e->links[i]);
        links_end_catch_up(e, i);
    }
    rows_finish(&e->rows);
    tail_finish(&e->tail);
    event_finish(&e->event);
    row_finish(&e->row);
    row_finish(&e->row_after);
    row_finish(&e->row_loaded);
    row_finish(&e->row_told);
    row_news_finish(&e->news);
    delta_finish(&e->delta);
    rules_destroy(e->rules);
    txn_finish(&e->txn);
    origins_destroy(e->origins);
    struct vv *vectors[] = {&e->vv, &e->stable, &e->flushed_vv, &e->freezing_vv, &e->trimmed, &e->with_context, &e->owed, &e->fetch};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) vv_finish(vectors[i]);
    pointers_finish(e);
    struct buf *bufs[] = {&e->row_bytes,       &e->body,     &e->text, &e->page,        &e->own_bodies, &e->loss_bytes,
                          &e->tombstone_after, &e->identity, &e->view, &e->definitions, &e->absent};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
    for (size_t i = 0; i < e->answer_bufs_cap; i++) buf_finish(&e->answer_bufs[i]);
    void *arrays[] = {e->argv,        e->sources,       e->links,       e->catch_ups,       e->deps,
                      e->moved,       e->ack_moved,     e->blocks,      e->losses,          e->loss_records,
                      e->trims,       e->out_sessions,  e->answer_bufs, e->updates.answers, e->updates.unblocked,
                      e->updates.out, e->updates.drops, e->members};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    free(e);
}

/* ---- flushes and trims ---- */

static void flushed(struct engine *e) {
    rows_flushed(&e->rows);
    vv_copy(&e->flushed_vv, &e->freezing_vv);
    transfer_flushed(e);
    log_trim(e);
}

static void start_flush(struct engine *e) {
    struct flush *f = rows_freeze(&e->rows, e->flush_wanted || pointers_want_flush(e));
    if (!f) return;
    pointers_freeze(e, f);
    transfer_freeze(e, f);
    engine_checkpoint(e, &f->checkpoint);
    vv_copy(&e->freezing_vv, transfer_vv(e));
    e->updates.flush = f;
    e->flush_wanted = false;
    e->flush_due_us = e->now.mono_us + FLUSH_AGE_US;
}

static bool flush_is_due(struct engine *e) {
    if (e->rows.flushing) return false;
    return e->flush_wanted || pointers_want_flush(e) || e->rows.dirty_bytes > e->rows.cache_bytes_max / 2 ||
           (e->rows.dirty_count && e->now.mono_us >= e->flush_due_us);
}

bool engine_flush_now(struct engine *e) {
    if (e->rows.flushing) return false;
    e->flush_wanted = true;
    return true;
}
bool engine_flushing(const struct engine *e) { return e->rows.flushing; }
size_t engine_dirty_rows(const struct engine *e) { return e->rows.dirty_count + (e->rows.flushing ? e->rows.flush.rows_count : 0); }

/* ---- steps ---- */

static void clear_updates(struct engine *e) {
    struct engine_updates *u = &e->updates;
    if (u->commit_needed) tail_committed(&e->tail);
    if (u->commit.metas_count) buf_clear(&e->identity);
    u->commit.blocks_count = u->commit.losses_count = u->commit.metas_count = u->commit.trims_count = 0;
    u->commit_needed = false;
    u->out_count = u->answers_count = u->unblocked_count = u->drops_count = u->handler_runs_count = 0;
    u->reload_handlers = u->members_changed = false;
    u->flush = NULL;
    journal_clear(e);
    e->trims_count = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->links[i].out_listed) {
            buf_clear(&e->links[i].out);
            e->links[i].out_listed = 0;
        }
    for (uint32_t i = 0; i < e->ack_moved_count; i++) engine_source(e, e->ack_moved[i])->acked = false;
    e->ack_moved_count = 0;
    rows_evict(&e->rows);
    e->collected = false;
}

static void collect(struct engine *e) {
    engine_collect(e);
    if (!e->updates.fatal) pointers_sweep(e);
    if (!e->updates.fatal) journal_collect(e);
}

static void tick(struct engine *e) {
    links_tick(e);
    fetch_tick(e);
    transfer_tick(e);
    if (e->folding) return;
    return_tick(e);
    members_tick(e);
    lead_tick(e);
    forward_tick(e);
    requests_tick(e);
    if (e->now.mono_us >= e->collect_due_us && !e->updates.fatal) {
        e->collect_due_us = e->now.mono_us + COLLECT_PERIOD_US;
        engine_find_stable(e);
        log_trim(e);
        if (e->room == ROOM_ENOUGH) collect(e);
    }
    if (!e->updates.fatal) handlers_tick(e);
}

void engine_step(struct engine *e, const struct input *in) {
    if (e->collected) clear_updates(e);
    if (e->updates.fatal) return;
    assert(in->now.mono_us >= e->now.mono_us);
    e->now = in->now;
    switch (in->type) {
    case INPUT_TICK: break;
    case INPUT_OPEN:
    case INPUT_CLOSE:
    case INPUT_REQUEST: requests_step(e, in); break;
    case INPUT_LINK_UP:
    case INPUT_LINK_DOWN:
    case INPUT_FRAME: links_step(e, in); break;
    case INPUT_FLUSHED: flushed(e); break;
    case INPUT_DISK: disk_step(e, in); break;
    case INPUT_HANDLERS:
    case INPUT_HANDLED: handlers_step(e, in); break;
    case INPUT_DOUBLED: return_doubled(e, in->peer); break;
    }
    if (!e->updates.fatal) members_settle(e);
    if (in->type == INPUT_TICK && !e->updates.fatal) tick(e);
    if (!e->updates.fatal) members_settle(e);
}

static void collect_commit(struct engine *e) {
    struct commit *c = &e->updates.commit;
    journal_order(e);
    if (e->losses_count > e->loss_records_cap)
        e->loss_records = xrealloc(e->loss_records, (e->loss_records_cap = e->losses_count * 2) * sizeof *e->loss_records);
    for (size_t i = 0; i < e->losses_count; i++) {
        const struct losses *l = &e->losses[i];
        e->loss_records[i] = (struct named_record){SLICE(e->loss_bytes.p + l->name_at, l->name_n), SLICE(e->loss_bytes.p + l->value_at, l->value_n)};
    }
    c->blocks = e->blocks;
    c->losses = e->loss_records;
    c->losses_count = e->losses_count;
    c->trims = e->trims;
    c->trims_count = e->trims_count;
    c->metas = e->metas;
    if (e->identity.n && e->room != ROOM_NONE)
        e->metas[c->metas_count++] = (struct named_record){slice_text(IDENTITY_NAME), buf_slice_of(&e->identity)};
    c->must_sync = lead_record(e, &e->metas[c->metas_count]);
    c->metas_count += c->must_sync;
    transfer_records(e, c);
    e->updates.commit_needed = c->metas_count || c->blocks_count || c->losses_count || c->trims_count;
}

const struct engine_updates *engine_updates(struct engine *e) {
    if (e->collected) clear_updates(e);
    if (!e->updates.fatal) {
        forward_updates(e);
        requests_updates(e);
        handlers_updates(e);
        recount_updates(e);
        e->ack_early_held = bug(e, BUG_ACK_EARLY) && !e->ack_early_held;
        if (!e->ack_early_held) engine_close_own_block(e);
        transfer_updates(e);
        links_updates(e);
        log_mark(e);
        transfer_fold_updates(e);
        if (flush_is_due(e)) start_flush(e);
        collect_commit(e);
    }
    bool crowded = e->rows.flushing && e->rows.dirty_bytes + e->rows.frozen_bytes > e->rows.cache_bytes_max;
    e->updates.refuse_requests = e->folding || (crowded && e->room == ROOM_ENOUGH); /* without room no rows are made, and the flush waits for it */
    e->collected = true;
    return &e->updates;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t engine_wake_us(const struct engine *e) {
    if (e->folding) return least(links_wake_us(e), transfer_wake_us(e)); /* all else waits */
    uint64_t wake = least(e->collect_due_us, least(links_wake_us(e), least(requests_wake_us(e), forward_wake_us(e))));
    wake = least(wake, least(ack_wake_us(e), recount_wake_us(e)));
    wake = least(wake, least(handlers_wake_us(e), least(lead_wake_us(e), transfer_wake_us(e))));
    if (!e->rows.flushing && e->rows.dirty_count) wake = least(wake, e->flush_due_us);
    return wake;
}

/* ---- what others look at ---- */
const struct vv *engine_vv(const struct engine *e) { return &e->vv; }
struct origins *engine_origins(struct engine *e) {
    return e->origins;
}
uint64_t engine_digest(const struct engine *e) { return e->folding ? e->digest_before : e->digest; }
uint64_t engine_run(const struct engine *e) { return e->run; }
struct dot engine_last_dot(const struct engine *e) {
    return (struct dot){e->own, e->own == ORIGIN_NONE ? 0 : vv_get(&e->vv, e->own)};
}
void engine_observe(struct engine *e, struct engine_observer o) { e->observer = o; }
