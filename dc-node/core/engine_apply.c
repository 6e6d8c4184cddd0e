/* Applying events: causal delivery, rows, journal, digest, stability (DESIGN, sections 4 and 5). */
#include "state.h"
#include <stdio.h>

/* ---- rows ---- */

static struct row *decode_row(struct engine *e, const struct stored_row *row, bool verify) {
    row_clear(&e->row);
    if (row && !row_decode(stored_value(row), verify, e->origins, &e->row)) {
        struct slice key = stored_key(row);
        engine_fail(e, "row %.*s in the store is damaged: its checksum or form is wrong", (int)key.n, (const char *)key.p);
    }
    return &e->row;
}

static struct row_facts describe(const struct engine *e, struct slice key, const struct row *r) {
    uint64_t digest = row_digest(key, r, e->origins);
    bool live = digest || row_live(r);
    return (struct row_facts){
        .live = live, .tombstone = r->cells_count && !live, .digest = digest, .expires_ms = live ? row_expires_ms(r) : 0, .counts = row_counts(r)};
}

int engine_load_row(void *engine, struct stored_row *row) {
    struct engine *e = engine;
    bool good = row_decode(stored_value(row), true, e->origins, &e->row_loaded); /* e->row may be in use: this comes in the midst of things */
    struct slice key = stored_key(row);
    if (good)
        row->facts = describe(e, key, &e->row_loaded);
    else
        engine_fail(e, "row %.*s in the store is damaged: its checksum or form is wrong", (int)key.n, (const char *)key.p);
    return good ? 0 : STORE_FAILED;
}

/* A write asks for its row several times: where there is none, the store is asked but once. */
struct stored_row *engine_get_row(struct engine *e, uint64_t hash, struct slice key) {
    struct stored_row *row = NULL;
    if (e->absent_hash == hash && e->absent.n && slice_equal(buf_slice_of(&e->absent), key)) return NULL;
    if (rows_get(&e->rows, hash, key, &row, engine_load_row, e) != 0) {
        engine_fail(e, "%s", e->store->why);
    } else if (!row) {
        e->absent_hash = hash;
        buf_clear(&e->absent);
        buf_put(&e->absent, key.p, key.n);
    }
    return row;
}

bool engine_read_row(struct engine *e, struct slice key, const struct stored_row **ret_stored) {
    const struct stored_row *row = engine_get_row(e, hash64(key), key);
    decode_row(e, row, false);
    if (ret_stored) *ret_stored = row;
    return !e->updates.fatal;
}

bool engine_is_definition(struct slice key) { return key.n > strlen(RULES_PREFIX) && memcmp(key.p, RULES_PREFIX, strlen(RULES_PREFIX)) == 0; }

struct stored_row *engine_put_row(struct engine *e, uint64_t hash, struct slice key, const struct stored_row *old, const struct row *r,
                                  const struct dot *by) {
    struct row_facts before = old ? old->facts : (struct row_facts){0}, after = describe(e, key, r);
    if (e->rows_noted) rows_note(e, hash, key, &before, &after);
    buf_clear(&e->row_bytes);
    buf_clear(&e->absent);
    if (r->cells_count) row_encode(r, e->origins, &e->row_bytes);
    struct stored_row *row = rows_put(&e->rows, hash, key, buf_slice_of(&e->row_bytes)); /* old, and what r borrows from it, may be gone now */
    row->facts = after;
    if (by) rows_touch(row, *by);
    e->digest += after.digest - before.digest;
    if (!engine_is_definition(key)) e->live_rows += (uint64_t)after.live - (uint64_t)before.live;
    return row;
}

/* ---- one event ---- */

static void plant_in_row(struct engine *e, struct row *r) {
    if (bug(e, BUG_DROP_LOSER) && r->form == ROW_WHOLE && r->versions_count > 1) {
        r->versions[0] = r->versions[policy_winner(r, &r->cells[0], POLICY_LWW, e->rules, e->origins)];
        r->cells[0].count = r->versions_count = 1;
    }
    if (bug(e, BUG_COLLECT_EARLY) && r->cells_count && !row_live(r)) row_clear(r);
}

static bool has_version(const struct row *r, struct dot d) {
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (dot_equal(r->versions[i].dot, d)) return true;
    return false;
}

static void apply_change(struct engine *e, const struct event *ev, const struct change *c, const struct vv *deps, bool replay) {
    uint64_t hash = hash64(c->key);
    struct stored_row *old = engine_get_row(e, hash, c->key);
    struct row *before = decode_row(e, old, false), *after = &e->row_after;
    if (e->updates.fatal) return;
    if (bug(e, BUG_IGNORE_CONTEXT)) row_clear(before);
    const struct table_rule *table = rules_of(e->rules, c->key);
    if (c->op == CHANGE_MERGE) {
        bool good = delta_decode(&e->delta, c->content, ev->dot, ev->stamp, e->origins);
        assert(good); /* checked with the event */
    }
    struct journal_row journal = {e, c->key};
    struct closed_row closed = {journal_take, &journal};
    struct row_change how = {.context = {.deps = deps, .self = ev->dot, .unseen = c->unseen, .unseen_count = c->unseen_count},
                             .stamp = ev->stamp,
                             .change = c,
                             .delta = &e->delta,
                             .stable = &e->stable,
                             .keep_below = table_keeps_below(table),
                             .closed = &closed,
                             .origins = e->origins};
    row_apply(before, &how, after, &e->news);
    plant_in_row(e, after);
    const struct row_news *n = &e->news;
    if (n->lost_count || n->cells_count || n->types_before || n->types_after) journal_follow(e, c->key, n, table, before, after, c, ev->dot);
    bool open = table->policy == POLICY_HANDLER && row_open(after);
    bool pointed = !bug(e, BUG_POINTER_SUPERSEDED) || has_version(after, ev->dot);
    engine_put_row(e, hash, c->key, old, after, pointed ? &ev->dot : NULL);
    if (open) handlers_consider(e, c->key);
    if (c->op == CHANGE_RECORD && !replay) handlers_recorded(e, c->key, c->content);
    if (engine_is_definition(c->key)) rules_follow(e, c->key);
}

void engine_note_moved(struct engine *e, origin_ref o, struct source *src) {
    if (!src->moved && o != e->own) {
        src->moved = true;
        GROW(e->moved, e->moved_count, e->moved_cap);
        e->moved[e->moved_count++] = o;
    }
    if (!src->acked && o != e->own) {
        src->acked = true;
        GROW(e->ack_moved, e->ack_moved_count, e->ack_moved_cap);
        e->ack_moved[e->ack_moved_count++] = o;
    }
}

/* Clocks differ by the bound, and a stamp may be as far ahead of the clock that promised it (topology/election.h). */
void engine_note_stamp(struct engine *e, stamp_t stamp) {
    uint64_t bound = bug(e, BUG_STAMP_DRAGGED) ? UINT64_MAX >> 8 : 2 * e->cluster->clock_bound_ms;
    if (!bug(e, BUG_STAMP_STANDS)) hlc_observe(&e->clock, stamp, e->now.wall_ms, bound);
}

void engine_apply(struct engine *e, const struct event *ev, bool own, bool replay) {
    struct source *src = engine_source(e, ev->dot.origin);
    for (uint32_t i = 0; i < ev->deps_count; i++) vv_raise(&src->deps, ev->deps[i].origin, ev->deps[i].n);
    for (uint32_t i = 0; i < ev->changes_count; i++) apply_change(e, ev, &ev->changes[i], &src->deps, replay);
    if (e->updates.fatal) return;
    vv_raise(&e->vv, ev->dot.origin, ev->dot.n);
    src->checksum = ev->checksum;
    src->stamp = ev->stamp;
    engine_note_moved(e, ev->dot.origin, src);
    if (!own) engine_note_stamp(e, ev->stamp);
    if (replay) return;
    e->count.events_applied++;
    if (e->observer.applied) e->observer.applied(e->observer.arg, ev, own);
}

/* ---- own events ---- */

static int by_origin(const void *a, const void *b, void *origins) { return dot_compare(origins, *(const struct dot *)a, *(const struct dot *)b); }

/* The deps of the next own event, as the difference to the previous one. */
static uint32_t own_deps(struct engine *e) {
    uint32_t n = 0;
    if (e->deps_cap < e->moved_count) e->deps = xrealloc(e->deps, (e->deps_cap = e->moved_count + 16) * sizeof *e->deps);
    for (uint32_t i = 0; i < e->moved_count; i++) {
        engine_source(e, e->moved[i])->moved = false;
        if (e->moved[i] != e->own) e->deps[n++] = (struct dot){e->moved[i], vv_get(&e->vv, e->moved[i])};
    }
    e->moved_count = 0;
    if (n > 1) qsort_r(e->deps, n, sizeof *e->deps, by_origin, e->origins);
    return n;
}

origin_ref engine_name_run(struct engine *e) {
    struct origin o = {.node = e->cluster->nodes[e->self].node, .incarnation = e->incarnation};
    snprintf(o.dc, sizeof o.dc, "%s", e->cluster->dcs[e->self_dc].name);
    return origins_intern(e->origins, &o);
}

static void take_incarnation(struct engine *e) {
    e->own = engine_name_run(e);
    assert(e->own != ORIGIN_NONE); /* it was entered when the run began */
    e->moved_count = 0;
    for (origin_ref r = 0; r < origins_count(e->origins); r++)
        if (r != e->own && vv_get(&e->vv, r)) {
            engine_source(e, r)->moved = true;
            GROW(e->moved, e->moved_count, e->moved_cap);
            e->moved[e->moved_count++] = r;
        }
}

struct dot engine_originate(struct engine *e, const struct change *changes, uint32_t count) {
    if (e->room != ROOM_ENOUGH) engine_fail(e, "an event was made although the disk has no room for it");
    if (e->own == ORIGIN_NONE) take_incarnation(e);
    struct dot dot = {e->own, vv_get(&e->vv, e->own) + 1};
    if (e->floor > e->clock.last) e->clock.last = e->floor;
    stamp_t stamp = hlc_next(&e->clock, lead_wall_ms(e));
    uint32_t deps_count = own_deps(e);
    buf_clear(&e->body);
    event_begin(&e->body, stamp, engine_source(e, e->own)->checksum, e->deps, deps_count, count, e->origins);
    for (uint32_t i = 0; i < count; i++) event_change(&e->body, &changes[i], e->origins);
    struct slice body = buf_slice_of(&e->body);
    assert(body.n <= EVENT_BYTES_MAX); /* txn_bytes_max() has seen to it: no node would take it, nor this one after a restart */
    struct event ev = {.dot = dot,
                       .stamp = stamp,
                       .previous = engine_source(e, e->own)->checksum,
                       .body = body,
                       .checksum = event_checksum(body),
                       .deps = e->deps,
                       .deps_count = deps_count,
                       .changes = (struct change *)changes,
                       .changes_count = count};
    if (!e->own_count) {
        e->own_first = dot.n;
        e->own_stamp = stamp;
    }
    e->own_count++;
    buf_slice(&e->own_bodies, body);
    engine_apply(e, &ev, true, false);
    e->count.events_own++;
    if (e->own_bodies.n > BLOCK_BYTES_MAX) engine_close_own_block(e);
    return dot;
}

/* A run of bodies that was applied becomes a block of the log and of the tail. */
static void log_block(struct engine *e, origin_ref origin, uint64_t first, uint32_t count, stamp_t stamp, struct slice bodies) {
    buf_clear(&e->text);
    block_begin(&e->text, origin, first, count, e->origins);
    struct tail_block *b = tail_add(&e->tail, origin, first, first + count - 1, e->text.n + bodies.n);
    b->stamp = stamp;
    memcpy(b->bytes, e->text.p, e->text.n);
    memcpy(b->bytes + e->text.n, bodies.p, bodies.n);
    GROW(e->blocks, e->updates.commit.blocks_count, e->blocks_cap);
    e->blocks[e->updates.commit.blocks_count++] = (struct log_block){origin, b->first, b->last, SLICE(b->bytes, b->n)};
    e->count.log_bytes += b->n;
}

void engine_close_own_block(struct engine *e) {
    if (!e->own_count) return;
    log_block(e, e->own, e->own_first, e->own_count, e->own_stamp, buf_slice_of(&e->own_bodies));
    e->own_count = 0;
    buf_clear(&e->own_bodies);
}

/* ---- events of others ---- */

static bool deps_covered(struct engine *e, const struct event *ev) {
    if (bug(e, BUG_SKIP_DEPS)) return true;
    for (uint32_t i = 0; i < ev->deps_count; i++)
        if (!vv_covers(&e->vv, ev->deps[i])) return false;
    return true;
}

static void forget_waiting(struct engine *e, struct waiting **at) {
    struct waiting *w = *at;
    *at = w->next;
    e->waiting_bytes -= w->n;
    free(w);
}

/* How far a block lies from what is applied of its origin. */
static uint64_t distance(const struct engine *e, origin_ref o, uint64_t first) {
    uint64_t next = vv_get(&e->vv, o) + 1;
    return first > next ? first - next : 0;
}

/* The waiting block that is farthest from being applied; NULL: none is farther than `least`. */
static struct waiting **farthest(struct engine *e, uint64_t least, origin_ref *ret_origin) {
    struct waiting **found = NULL;
    for (origin_ref o = 0; o < origins_count(e->origins); o++) {
        struct waiting **last = &engine_source(e, o)->waiting;
        while (*last && (*last)->next) last = &(*last)->next;
        if (!*last || distance(e, o, (*last)->first) <= least) continue;
        least = distance(e, o, (*last)->first);
        found = last;
        *ret_origin = o;
    }
    return found;
}

/* What is dropped is asked for again once there is room: of every peer that may have sent it, for a relay may not have it. */
static void note_lost(struct engine *e, origin_ref o) {
    int32_t dc = engine_source(e, o)->dc;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].lost_dcs |= dc < 0 ? SCOPE_ALL : UINT32_C(1) << dc;
}

static bool make_room(struct engine *e, origin_ref o, uint64_t first, size_t n) {
    while (e->waiting_bytes + n > e->waiting_bytes_max) {
        origin_ref victim = o;
        struct waiting **at = farthest(e, distance(e, o, first), &victim);
        if (!at) {
            note_lost(e, o);
            return false;
        }
        forget_waiting(e, at);
        note_lost(e, victim);
    }
    return true;
}

/* Keeps a block that cannot be applied now, in order of its numbers. Where there is no room, the farthest block goes, so that the heads of all
 * origins are there and a least one can always be applied. */
static void keep_waiting(struct engine *e, struct source *src, const struct block *b, struct slice bytes) {
    if (!make_room(e, b->origin, b->first, bytes.n)) return;
    struct waiting **at = &src->waiting;
    while (*at && (*at)->first < b->first) at = &(*at)->next;
    uint64_t last = b->first + b->count - 1;
    if (*at && (*at)->first == b->first && (*at)->last >= last) return; /* came twice */
    struct waiting *w = xmalloc(sizeof *w + bytes.n);
    *w = (struct waiting){.first = b->first, .last = last, .n = bytes.n, .next = *at};
    memcpy(w->bytes, bytes.p, bytes.n);
    *at = w;
    e->waiting_bytes += bytes.n;
    if (!e->waiting_since_us) e->waiting_since_us = e->now.mono_us;
}

void engine_forget_waiting(struct engine *e, origin_ref o, uint64_t above) {
    struct waiting **at = o < e->sources_cap && e->sources[o] ? &e->sources[o]->waiting : NULL;
    while (at && *at)
        if ((*at)->last > above)
            forget_waiting(e, at);
        else
            at = &(*at)->next;
}

void engine_drop_waiting(struct engine *e) {
    for (uint32_t o = 0; o < e->sources_cap; o++) engine_forget_waiting(e, o, 0);
}

enum applied { APPLIED_ALL, APPLIED_PART, APPLIED_BAD };

/* Applies what can be applied of a block, in order. */
static enum applied apply_block(struct engine *e, const struct block *b, bool replay, const char **ret_why) {
    struct reader r = reader_of(b->bodies);
    const uint8_t *run = NULL, *run_end = NULL;
    uint64_t run_first = 0, next = b->first;
    stamp_t run_stamp = 0;
    uint32_t run_count = 0;
    enum applied result = APPLIED_ALL;
    for (uint32_t i = 0; i < b->count; i++, next++) {
        const uint8_t *at = r.p;
        struct slice body = read_slice(&r);
        uint64_t have = vv_get(&e->vv, b->origin);
        if (next <= have && !(bug(e, BUG_APPLY_TWICE) && next == have)) {
            e->count.duplicates++;
            continue;
        }
        if (next > have + 1) {
            result = APPLIED_PART;
            break;
        }
        if (!event_decode(&e->event, (struct dot){b->origin, next}, body, e->origins)) {
            *ret_why = "an event is malformed";
            result = APPLIED_BAD;
            break;
        }
        struct source *src = engine_source(e, b->origin);
        if (e->event.previous != src->checksum && next == have + 1) {
            *ret_why = "an event does not follow the one before it: two runs under one incarnation";
            result = APPLIED_BAD;
            break;
        }
        if (!deps_covered(e, &e->event)) {
            result = APPLIED_PART;
            break;
        }
        if (next == 1 && !replay && return_fences(e, &e->event)) break;
        engine_apply(e, &e->event, false, replay);
        if (e->updates.fatal) break;
        if (!run) {
            run = at;
            run_first = next;
            run_stamp = e->event.stamp;
        }
        run_end = r.p;
        run_count++;
    }
    if (run_count && !replay && !e->updates.fatal) log_block(e, b->origin, run_first, run_count, run_stamp, SLICE(run, (size_t)(run_end - run)));
    return result;
}

/* Whatever became applicable, until nothing more does. */
void engine_apply_waiting(struct engine *e) {
    const char *why = NULL;
    for (bool progress = true; progress && e->waiting_bytes && !e->updates.fatal;) {
        progress = false;
        for (origin_ref o = 0; o < origins_count(e->origins); o++) {
            struct source *src = engine_source(e, o);
            while (src->waiting && src->waiting->first <= vv_get(&e->vv, o) + 1) {
                struct waiting *w = src->waiting;
                struct block b;
                uint64_t before = vv_get(&e->vv, o);
                bool good = block_decode(&b, SLICE(w->bytes, w->n), e->origins);
                assert(good); /* it was decoded when it came */
                enum applied result = apply_block(e, &b, false, &why);
                if (vv_get(&e->vv, o) > before) progress = true;
                if (result == APPLIED_PART) break;
                forget_waiting(e, &src->waiting); /* a bad one will be asked for again */
            }
        }
        if (progress) e->waiting_since_us = e->now.mono_us;
    }
    if (!e->waiting_bytes) e->waiting_since_us = 0;
}

enum ingest engine_ingest(struct engine *e, struct slice bytes, bool replay, const char **ret_why) {
    struct block b;
    if (!block_decode(&b, bytes, e->origins)) {
        *ret_why = "a block of events is malformed";
        return INGEST_BAD;
    }
    struct source *src = engine_source(e, b.origin);
    if (src->fenced) return INGEST_OK;
    if (b.first + b.count - 1 <= vv_get(&e->vv, b.origin) && !bug(e, BUG_APPLY_TWICE)) {
        e->count.duplicates += b.count;
        return INGEST_OK;
    }
    if (b.first <= vv_get(&e->vv, b.origin) + 1 && !e->folding) {
        switch (apply_block(e, &b, replay, ret_why)) {
        case APPLIED_BAD: return INGEST_BAD;
        case APPLIED_ALL:
            if (e->waiting_bytes && !replay) engine_apply_waiting(e);
            return INGEST_OK;
        case APPLIED_PART: break;
        }
    }
    if (replay) return INGEST_GAP;
    keep_waiting(e, src, &b, bytes);
    if (!e->folding) engine_apply_waiting(e);
    return INGEST_OK;
}

/* ---- stability and collection ---- */

/* stable: contained in the VV last reported by every member, when one's own VV contains all those reports (DESIGN, section 2). Where commits are not
 * synced, a crash of a machine may take back a part of a report: only what it cannot take counts as contained. */
void engine_find_stable(struct engine *e) {
    struct vv least = {0};
    uint64_t reported_ms = e->now.wall_ms;
    if (!e->cluster->fsync && rules_barriers(e) && !vv_includes(&e->flushed_vv, &e->vv)) e->flush_wanted = true; /* tables wait for it */
    vv_copy(&least, e->cluster->fsync ? &e->vv : &e->flushed_vv);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        if (!members_report_counts(e, i)) continue;
        const struct link *l = &e->links[i];
        bool known = l->reports && !l->owes && (bug(e, BUG_STABLE_BY_REPORTS) || vv_includes(&e->vv, &l->report));
        if (!known) {
            vv_finish(&least);
            return;
        }
        vv_meet(&least, &l->synced);
        if (l->report_ms < reported_ms) reported_ms = l->report_ms;
    }
    uint32_t barriers = rules_barriers(e);
    vv_join(&e->stable, &least);
    if (rules_barriers(e) < barriers) {
        e->flush_wanted = true; /* the checkpoint has `stable`: a restart need not ask everybody again */
        handlers_sweep(e);
    }
    if (reported_ms > e->stable_ms) e->stable_ms = reported_ms;
    vv_finish(&least);
}

/* What removals leave of a merged row does not carry their dots. All of them are stable once everything is that was flushed with the row as it is. */
static bool removal_is_stable(const struct engine *e, const struct stored_row *row, const struct row *left) {
    if (left->form != ROW_MERGED || !left->versions_count) return true;
    return !row->dirty && !row->frozen && vv_includes(&e->stable, &e->flushed_vv);
}

static void collect_tombstones(struct engine *e) {
    struct buf keys = {0};
    int n = e->store->ops->scan_tombstones(e->store, buf_slice_of(&e->tombstone_after), COLLECT_KEYS, &keys);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&keys));
    buf_clear(&e->tombstone_after);
    for (int i = 0; i < n && !e->updates.fatal; i++) {
        struct slice key = read_slice(&r);
        uint64_t hash = hash64(key);
        struct stored_row *row = engine_get_row(e, hash, key);
        if (row && row->facts.tombstone) {
            struct row *left = decode_row(e, row, false);
            if (row_collectable(left, &e->stable) && removal_is_stable(e, row, left)) {
                row_clear(left);
                engine_put_row(e, hash, key, row, left, NULL);
                e->count.collected++;
            }
        }
        if (i == n - 1 && n == (int)COLLECT_KEYS) buf_put(&e->tombstone_after, key.p, key.n);
    }
    buf_finish(&keys);
}

/* The greatest live version by (stamp, origin) says whose DC reaps. */
static const struct version *latest_version(struct engine *e, const struct row *r) {
    const struct version *found = NULL;
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (!found || version_beats(&r->versions[i], found, e->rules, e->origins)) found = &r->versions[i];
    return found;
}

static bool reap_is_ours(struct engine *e, struct slice key, uint64_t upto_ms) {
    struct stored_row *row = engine_get_row(e, hash64(key), key);
    if (!row || !row->facts.live || !row->facts.expires_ms || row->facts.expires_ms > upto_ms) return false;
    if (rules_barrier(rules_of(e->rules, key), &e->stable)) return false;
    /* A merged row is removed as DEL does it, and would go though a concurrent EXPIRE has made it last: not before all that was written by clocks at
     * which it still lasted is here. */
    if (table_merges(rules_of(e->rules, key)) && row->facts.expires_ms >= e->stable_ms) return false;
    const struct version *latest = latest_version(e, decode_row(e, row, false));
    return latest && engine_source(e, latest->dot.origin)->dc == (int32_t)e->self_dc;
}

/* Rows that merge are removed as DEL does it, for their changes are merged too. */
static void reap(struct engine *e, struct slice key) {
    struct txn *t = &e->txn;
    if (table_merges(rules_of(e->rules, key))) {
        txn_begin(t, e, 0, NULL); /* at no time: so that readers still see the row */
        if (txn_delete(t, key)) txn_commit(t);
    } else {
        engine_originate(e, &(struct change){.op = CHANGE_REAP, .key = key}, 1);
    }
    e->count.reaped++;
}

/* The bug of collecting stable tombstones that lie beside a live sibling, in one row a time. */
static void find_mixed(void *found, struct stored_row *row) {
    if (row->facts.live) *(struct stored_row **)found = row;
}
static void plant_collect_beside_live(struct engine *e) {
    struct stored_row *row = NULL;
    uint64_t from = prng_next(&e->prng);
    rows_each(&e->rows, from, UINT64_MAX, find_mixed, &row);
    if (!row) return;
    struct row *r = decode_row(e, row, false);
    if (r->form != ROW_WHOLE) return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (r->versions[i].content.n || !vv_covers(&e->stable, r->versions[i].dot)) r->versions[kept++] = r->versions[i];
    if (kept == r->versions_count) return;
    r->versions_count = r->cells[0].count = kept;
    struct buf key = {0};
    buf_put(&key, stored_key(row).p, stored_key(row).n);
    engine_put_row(e, row->hash, buf_slice_of(&key), row, r, NULL);
    buf_finish(&key);
}

/* The least that the clocks of this node and of the peers in reach show: a clock that is ahead must not take rows from the others. */
static uint32_t clocks_in_reach(const struct engine *e, uint64_t clocks[static NODES_MAX]) {
    uint32_t n = 0;
    clocks[n++] = e->now.wall_ms;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (i == e->self || !l->reports || !link_reachable(e, i)) continue;
        int64_t theirs = (int64_t)e->now.wall_ms + l->clock_ahead_ms;
        clocks[n++] = theirs > 0 ? (uint64_t)theirs : 0;
    }
    return n;
}

uint64_t engine_guarded_ms(const struct engine *e) {
    uint64_t clocks[NODES_MAX], least = UINT64_MAX;
    uint32_t n = clocks_in_reach(e, clocks);
    for (uint32_t i = 0; i < n; i++)
        if (clocks[i] < least) least = clocks[i];
    return least;
}

static int by_time(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

uint64_t engine_middle_ms(struct engine *e) {
    if (e->middle_due_us <= e->now.mono_us) {
        uint64_t clocks[NODES_MAX];
        uint32_t n = clocks_in_reach(e, clocks);
        qsort(clocks, n, sizeof *clocks, by_time);
        e->middle_ahead_ms = (int64_t)(clocks[(n - 1) / 2] - e->now.wall_ms);
        e->upper_ahead_ms = (int64_t)(clocks[n / 2] - e->now.wall_ms);
        e->middle_due_us = e->now.mono_us + MIDDLE_PERIOD_US;
    }
    int64_t middle = (int64_t)e->now.wall_ms + e->middle_ahead_ms;
    return middle > 0 ? (uint64_t)middle : 0;
}

/* A leader removes rows whose time is up and whose winner was made in its DC. A reap is no version and never wins. */
static void reap_expired(struct engine *e) {
    uint64_t now_ms = engine_guarded_ms(e);
    if (!engine_originates(e) || now_ms < 1000) return;
    struct buf found = {0};
    uint64_t upto = now_ms - 1000;
    if (e->now.mono_us >= e->expiries_restart_us) {
        e->expiries_restart_us = e->now.mono_us + EXPIRIES_RESTART_US;
        e->expired_upto_ms = 0;
    }
    int n = e->store->ops->scan_expiries(e->store, e->expired_upto_ms, upto, e->expiries_page, &found);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&found));
    uint64_t reached = upto;
    for (int i = 0; i < n && !e->updates.fatal; i++) {
        uint64_t at_ms = read_u64(&r);
        struct slice key = read_slice(&r);
        if (i == n - 1 && n == (int)e->expiries_page) reached = at_ms - 1; /* others may have the same time */
        if (reap_is_ours(e, key, upto)) reap(e, key);
    }
    bool stands = n == (int)e->expiries_page && reached <= e->expired_upto_ms; /* a full page of one and the same time */
    e->expiries_page = stands ? e->expiries_page * 2 : COLLECT_KEYS;
    if (!stands) e->expired_upto_ms = reached;
    buf_finish(&found);
}

void engine_collect(struct engine *e) {
    collect_tombstones(e);
    for (int i = 0; i < 32 && bug(e, BUG_COLLECT_BESIDE_LIVE); i++) plant_collect_beside_live(e);
    if (!e->updates.fatal) reap_expired(e);
}
