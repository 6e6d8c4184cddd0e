/* The journal's records as this step sees them: what the store has, and over it what this step has put and removed. Retention. */
#include "engine_journal.h"

#define COUNTS_NAME        "c" /* u64 conflicts, u64 open ones, u64 entries */
#define PAGE_FIRST         2u  /* most walks are about one row */
#define COLLECT_RECORDS    512u
#define COLLECT_PAGE       64u
#define COLLECT_RESTART_US 60000000u

/* ---- what this step has put: many in order of name, and the latest few, in order too, so that one more is put in quickly ---- */

static struct slice name_of(const struct engine *e, const struct losses *l) { return SLICE(e->loss_bytes.p + l->name_at, l->name_n); }
static struct slice value_of(const struct engine *e, const struct losses *l) {
    return l->value_n ? SLICE(e->loss_bytes.p + l->value_at, l->value_n) : SLICE(NULL, 0);
}

/* The first that is not below `name`, or (after) not at it either. */
static size_t place_of(const struct engine *e, const struct losses *l, size_t count, struct slice name, bool after) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(name_of(e, &l[middle]), name);
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct losses *find_in(const struct engine *e, struct losses *l, size_t count, struct slice name) {
    size_t i = place_of(e, l, count, name, false);
    return i < count && slice_equal(name_of(e, &l[i]), name) ? &l[i] : NULL;
}

static struct losses *find_pending(struct engine *e, struct slice name) {
    struct losses *found = find_in(e, e->losses, e->losses_count, name);
    return found ? found : find_in(e, e->journal.latest, e->journal.latest_count, name);
}

/* The least beyond `name`; NULL: none is. */
static const struct losses *next_pending(const struct engine *e, struct slice name) {
    const struct journal *j = &e->journal;
    size_t i = place_of(e, e->losses, e->losses_count, name, true), k = place_of(e, j->latest, j->latest_count, name, true);
    if (i == e->losses_count) return k == j->latest_count ? NULL : &j->latest[k];
    if (k == j->latest_count) return &e->losses[i];
    return slice_compare(name_of(e, &e->losses[i]), name_of(e, &j->latest[k])) < 0 ? &e->losses[i] : &j->latest[k];
}

void journal_order(struct engine *e) {
    struct journal *j = &e->journal;
    size_t i = e->losses_count, k = j->latest_count, n = i + k;
    if (n > e->losses_cap) e->losses = xrealloc(e->losses, (e->losses_cap = n * 2) * sizeof *e->losses);
    e->losses_count = n;
    while (k > 0) {
        bool main_is_last = i > 0 && slice_compare(name_of(e, &e->losses[i - 1]), name_of(e, &j->latest[k - 1])) > 0;
        e->losses[--n] = main_is_last ? e->losses[--i] : j->latest[--k];
    }
    j->latest_count = 0;
}

static size_t keep_bytes(struct engine *e, struct slice s) {
    size_t at = e->loss_bytes.n;
    buf_put(&e->loss_bytes, s.p, s.n);
    return at;
}

bool journal_just_put(struct engine *e, struct slice name) {
    const struct losses *found = find_pending(e, name);
    return found && found->value_n;
}

void journal_put(struct engine *e, struct slice name, struct slice value) {
    struct journal *j = &e->journal;
    struct losses *at = find_pending(e, name);
    if (!at) {
        if (j->latest_count == JOURNAL_LATEST) journal_order(e);
        size_t i = place_of(e, j->latest, j->latest_count, name, false);
        memmove(j->latest + i + 1, j->latest + i, (j->latest_count - i) * sizeof *j->latest);
        j->latest_count++;
        at = &j->latest[i];
        *at = (struct losses){.name_at = keep_bytes(e, name), .name_n = name.n};
    }
    at->value_n = value.n;
    at->value_at = keep_bytes(e, value);
}

void journal_put_counts(struct engine *e) {
    struct buf *b = &e->journal.value;
    buf_clear(b);
    buf_u64(b, e->count.conflicts);
    buf_u64(b, e->count.open_conflicts);
    buf_u64(b, e->journal.entries);
    journal_put(e, slice_text(COUNTS_NAME), buf_slice_of(b));
}

void journal_clear(struct engine *e) {
    e->losses_count = e->journal.latest_count = 0;
    buf_clear(&e->loss_bytes);
}

/* ---- reading ---- */

void walk_begin(struct journal_walk *w, struct engine *e, struct slice prefix, struct slice after, uint32_t page_records) {
    *w = (struct journal_walk){.e = e, .prefix = prefix, .page_records = page_records, .page_next = PAGE_FIRST, .more = true};
    if (slice_compare(after, prefix) < 0) after = prefix;
    buf_put(&w->after, after.p, after.n);
}

void walk_finish(struct journal_walk *w) {
    buf_finish(&w->after);
    buf_finish(&w->page);
}

/* The next that the store has: into stored_name and stored_record. */
static void read_stored(struct journal_walk *w, struct slice after) {
    if (w->has_stored || w->e->updates.fatal) return;
    if (w->left == 0) {
        if (!w->more) return;
        buf_clear(&w->page);
        uint32_t wanted = w->page_next < w->page_records ? w->page_next : w->page_records;
        w->left = w->e->store->ops->scan_losses(w->e->store, after, wanted, &w->page);
        if (w->left < 0) {
            engine_fail(w->e, "%s", w->e->store->why);
            w->left = 0;
        }
        w->more = w->left == (int)wanted;
        w->page_next *= 4;
        if (w->left == 0) return;
        w->r = reader_of(buf_slice_of(&w->page));
    }
    w->left--;
    w->stored_name = read_slice(&w->r);
    w->stored_record = read_slice(&w->r);
    w->has_stored = true;
}

static bool begins_with(struct slice s, struct slice prefix) { return s.n >= prefix.n && (!prefix.n || memcmp(s.p, prefix.p, prefix.n) == 0); }

bool walk_next(struct journal_walk *w, struct slice *ret_name, struct slice *ret_record) {
    struct engine *e = w->e;
    for (;;) {
        struct slice after = buf_slice_of(&w->after);
        read_stored(w, after);
        const struct losses *pending = next_pending(e, after);
        if (e->updates.fatal || (!pending && !w->has_stored)) return false;
        int order = !pending ? 1 : !w->has_stored ? -1 : slice_compare(name_of(e, pending), w->stored_name);
        struct slice name = order <= 0 ? name_of(e, pending) : w->stored_name;
        struct slice record = order <= 0 ? value_of(e, pending) : w->stored_record;
        if (order >= 0) w->has_stored = false;
        if (!begins_with(name, w->prefix)) return false;
        buf_clear(&w->after);
        buf_put(&w->after, name.p, name.n);
        if (!record.n) continue;
        *ret_name = buf_slice_of(&w->after);
        *ret_record = record;
        return true;
    }
}

bool journal_get(struct engine *e, struct slice name, struct buf *out) {
    const struct losses *pending = find_pending(e, name);
    if (pending) {
        struct slice value = value_of(e, pending);
        buf_put(out, value.p, value.n);
        return value.n > 0;
    }
    int there = e->store->ops->get_loss(e->store, name, out);
    if (there < 0) engine_fail(e, "%s", e->store->why);
    return there > 0;
}

bool journal_damaged(struct engine *e) {
    engine_fail(e, "an entry of the conflict journal in the store is damaged");
    return false;
}

bool journal_find(struct engine *e, uint64_t id, struct buf *record, struct episode *ret) {
    struct buf name = {0};
    bool found = false;
    for (uint64_t last = ~id; id != last;) { /* an id that an episode had before it grew points to the number that it had then */
        struct episode at;
        buf_clear(&name);
        buf_clear(record);
        journal_name_pointer(id, &name);
        found = journal_get(e, buf_slice_of(&name), record);
        if (!found) break;
        if (!pointer_decode(buf_slice_of(record), e->origins, &at)) {
            found = journal_damaged(e);
            break;
        }
        last = id;
        id = episode_id(at.key, at.kind, at.name, at.number, e->origins);
        buf_clear(&name);
        journal_name_episode(at.key, at.kind, at.name, at.number, e->origins, &name);
    }
    if (found) {
        buf_clear(record);
        found = journal_get(e, buf_slice_of(&name), record) && (episode_decode(buf_slice_of(record), e->origins, ret) || journal_damaged(e));
    }
    buf_finish(&name);
    return found;
}

/* ---- recovery ---- */

void journal_recovered(struct engine *e) {
    journal_clear(e);
    e->count.conflicts = e->count.open_conflicts = e->journal.entries = 0;
    struct buf *b = &e->journal.value;
    buf_clear(b);
    if (!journal_get(e, slice_text(COUNTS_NAME), b)) return;
    struct reader r = reader_of(buf_slice_of(b));
    e->count.conflicts = read_u64(&r);
    e->count.open_conflicts = read_u64(&r);
    e->journal.entries = read_u64(&r);
    if (!read_done(&r)) journal_damaged(e);
}

void journal_finish(struct engine *e) {
    free(e->journal.taken);
    struct buf *bufs[] = {&e->journal.name, &e->journal.value, &e->journal.page, &e->journal.collect_after};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
}

/* ---- retention ---- */

/* Nothing can reopen what this event has closed, and no replay will apply it again. */
static bool settled(const struct engine *e, struct dot d) { return vv_covers(&e->stable, d) && vv_covers(&e->flushed_vv, d); }

static void remove_pointer(struct engine *e, const struct episode *ep) {
    buf_clear(&e->journal.name);
    journal_name_pointer(episode_id(ep->key, ep->kind, ep->name, ep->number, e->origins), &e->journal.name);
    journal_put(e, buf_slice_of(&e->journal.name), SLICE(NULL, 0));
}

enum fate { FATE_KEEP, FATE_GO, FATE_STALE /* only its place in the order of time goes */ };

static enum fate fate_of_episode(struct engine *e, struct slice record, uint64_t at_ms) {
    struct episode ep;
    if (!episode_decode(record, e->origins, &ep)) {
        journal_damaged(e);
        return FATE_KEEP;
    }
    enum fate fate = ep.open || ep.changed_ms != at_ms ? FATE_STALE : settled(e, ep.closed_by) ? FATE_GO : FATE_KEEP;
    if (fate == FATE_GO) remove_pointer(e, &ep);
    episode_finish(&ep);
    return fate;
}

/* Is the loser in an episode that is open? Then that is in the stack of its cell. */
static bool in_open_episode(struct engine *e, const struct loss *l) {
    if (!engine_read_row(e, l->key, NULL)) return true;
    const struct row *r = &e->row;
    if (l->kind == CELL_TYPES) return row_types_collide(r);
    const struct cell *c = row_cell(r, (enum cell_kind)l->kind, l->name);
    return c && c->stack && cell_open(r, c) && blocks_episode_of(&r->stacks[c->stack - 1], l->loser.dot);
}

static enum fate fate_of_loss(struct engine *e, struct slice record) {
    struct loss l;
    if (!loss_decode(record, e->origins, &l)) {
        journal_damaged(e);
        return FATE_KEEP;
    }
    return settled(e, l.by) && !in_open_episode(e, &l) ? FATE_GO : FATE_KEEP;
}

/* A pointer by a former id goes when it leads nowhere any more. */
static enum fate fate_of_pointer(struct engine *e, struct slice name) {
    struct episode ep;
    struct buf record = {0};
    uint64_t id = 0;
    for (int i = 1; i <= 8; i++) id = id << 8 | name.p[i];
    bool found = journal_find(e, id, &record, &ep);
    if (found) episode_finish(&ep);
    buf_finish(&record);
    return found ? FATE_KEEP : FATE_GO;
}

static void collect_one(struct engine *e, struct slice time_name, uint64_t at_ms, struct slice name) {
    struct buf record = {0};
    char kind = journal_record_kind(name);
    bool there = journal_get(e, name, &record);
    enum fate fate = !there                    ? FATE_STALE
                     : kind == JOURNAL_EPISODE ? fate_of_episode(e, buf_slice_of(&record), at_ms)
                     : kind == JOURNAL_LOSS    ? fate_of_loss(e, buf_slice_of(&record))
                     : kind == JOURNAL_POINTER ? fate_of_pointer(e, name)
                                               : FATE_STALE;
    if (fate != FATE_KEEP) journal_put(e, time_name, SLICE(NULL, 0));
    if (fate == FATE_GO) {
        journal_put(e, name, SLICE(NULL, 0));
        if (kind != JOURNAL_POINTER) e->journal.entries--;
        journal_put_counts(e);
    }
    buf_finish(&record);
}

void journal_collect(struct engine *e) {
    if (e->now.mono_us >= e->journal.collect_restart_us) { /* what had to stay may go by now */
        e->journal.collect_restart_us = e->now.mono_us + COLLECT_RESTART_US;
        buf_clear(&e->journal.collect_after);
    }
    uint8_t prefix = JOURNAL_TIME;
    uint64_t now_ms = engine_guarded_ms(e); /* a clock that is ahead must not forget */
    struct journal_walk w;
    struct slice name, record, of;
    struct buf copy = {0};
    walk_begin(&w, e, SLICE(&prefix, 1), buf_slice_of(&e->journal.collect_after), COLLECT_PAGE);
    for (uint32_t i = 0; i < COLLECT_RECORDS && walk_next(&w, &name, &record); i++) {
        uint64_t at_ms;
        buf_clear(&copy);
        buf_put(&copy, name.p, name.n);
        if (!journal_time_parse(buf_slice_of(&copy), &at_ms, &of) || !of.n) {
            journal_damaged(e);
            break;
        }
        bool old = now_ms > e->cluster->journal_ms && at_ms < now_ms - e->cluster->journal_ms;
        if (!old && e->journal.entries <= e->cluster->journal_entries_max) break;
        collect_one(e, buf_slice_of(&copy), at_ms, of);
        buf_clear(&e->journal.collect_after);
        buf_put(&e->journal.collect_after, copy.p, copy.n);
    }
    buf_finish(&copy);
    walk_finish(&w);
}
