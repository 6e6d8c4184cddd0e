/* What this node tells of its rows: their states, digests of ranges of hashes; a row that is watched, and put in the place of a damaged one. */
#include "asking.h"

#define WALK_PAGE     1024u
#define TOLD_ROWS_MAX 4096u /* of a range, at most about so many in one answer */
#define RECOUNT_ROWS  1000u /* in one go */

/* ---- rows in any order ---- */

struct walk {
    struct engine *e;
    uint64_t upto;
    size_t left;
    void (*each)(void *arg, uint64_t hash, struct slice key, struct slice row);
    void *arg;
};

static void give(struct walk *w, uint64_t hash, struct slice key, struct slice row) {
    if (!row.n) return; /* it is gone */
    w->each(w->arg, hash, key, row);
    if (w->left) w->left--;
}

static void give_from_memory(void *arg, struct stored_row *row) { give(arg, row->hash, stored_key(row), stored_value(row)); }

/* What memory has is what the node goes by. */
static void give_from_store(struct walk *w, struct slice page) {
    struct reader r = reader_of(page);
    while (r.p < r.end && !w->e->updates.fatal) {
        uint64_t hash = read_u64(&r);
        struct slice key = read_slice(&r), row = read_slice(&r);
        if (r.bad) engine_fail(w->e, "the store's scan of rows is malformed");
        if (!r.bad && hash <= w->upto && !rows_peek(&w->e->rows, hash, key)) give(w, hash, key, row);
    }
}

/* One page; returns the hash up to which it reaches. */
static uint64_t walk_page(struct walk *w, uint64_t from, uint64_t to) {
    struct engine *e = w->e;
    struct buf page = {0};
    uint64_t next = 0;
    int more = e->store->ops->scan_rows(e->store, from, WALK_PAGE, &page, &next);
    if (more < 0) engine_fail(e, "%s", e->store->why);
    w->upto = more > 0 && next - 1 < to ? next - 1 : to;
    if (e->rows.count > WALK_PAGE) { /* memory may hold more than is wanted: a share of the hashes in proportion */
        uint64_t share = UINT64_MAX / (e->rows.count / WALK_PAGE + 1);
        if (share < w->upto - from) w->upto = from + share;
    }
    give_from_store(w, buf_slice_of(&page));
    if (!e->updates.fatal) rows_each(&e->rows, from, w->upto, give_from_memory, w);
    buf_finish(&page);
    return w->upto;
}

uint64_t rows_walk(struct engine *e, uint64_t from, uint64_t to, size_t rows_max, void (*each)(void *, uint64_t, struct slice, struct slice),
                   void *arg) {
    struct walk w = {.e = e, .left = rows_max, .each = each, .arg = arg};
    uint64_t upto = walk_page(&w, from, to);
    while (upto < to && w.left && !e->updates.fatal) upto = walk_page(&w, upto + 1, to);
    return upto;
}

/* ---- answers ---- */

bool tell_decode(struct engine *e, struct slice bytes, struct row *ret) {
    row_clear(ret);
    return !bytes.n || row_decode(bytes, true, e->origins, ret);
}

/* From the bytes, not from what was once made of them. */
static uint64_t term_of(struct engine *e, struct slice key, struct slice row) {
    if (tell_decode(e, row, &e->row_told)) return row_digest(key, &e->row_told, e->origins);
    engine_fail(e, "row %.*s is damaged: its checksum or form is wrong", (int)key.n, (const char *)key.p);
    return 0;
}

struct ranged {
    struct engine *e;
    uint64_t from, width; /* of a part */
    uint64_t count, parts[ROW_PARTS];
    struct buf *list; /* NULL: parts */
    uint32_t argc;
};

static void add_ranged(void *arg, uint64_t hash, struct slice key, struct slice row) {
    struct ranged *r = arg;
    uint64_t term = term_of(r->e, key, row);
    r->count++;
    if (!r->list) {
        r->parts[(hash - r->from) / r->width] += term;
    } else if (term) {
        struct buf bytes = {0};
        buf_u64(&bytes, term);
        buf_slice(r->list, key);
        buf_slice(r->list, buf_slice_of(&bytes));
        buf_finish(&bytes);
        r->argc += 2;
    }
}

static void tell_range(struct engine *e, const struct message *ask, struct message *told, struct buf *args) {
    uint64_t from = ask->row_ask.from, to = ask->row_ask.to < from ? from : ask->row_ask.to;
    struct ranged r = {.e = e, .from = from, .width = (to - from) / ROW_PARTS + 1, .list = ask->row_ask.what == ROW_ASK_LIST ? args : NULL};
    told->row_told.upto = rows_walk(e, from, to, TOLD_ROWS_MAX, add_ranged, &r);
    if (!r.list) {
        struct buf bytes = {0};
        buf_u64(&bytes, r.count);
        for (uint32_t i = 0; i < ROW_PARTS; i++) buf_u64(&bytes, r.parts[i]);
        buf_slice(args, buf_slice_of(&bytes));
        buf_finish(&bytes);
        r.argc = 1;
    }
    told->row_told.argc = r.argc;
}

static struct slice state_of(struct engine *e, struct slice key) {
    const struct stored_row *row = engine_get_row(e, hash64(key), key);
    return row ? stored_value(row) : (struct slice){0};
}

static void tell_keys(struct engine *e, const struct message *ask, struct message *told, struct buf *args) {
    struct reader r = reader_of(ask->row_ask.args);
    for (uint32_t i = 0; i < ask->row_ask.argc && !e->updates.fatal; i++) {
        struct slice key = read_slice(&r), state = state_of(e, key);
        if (ask->row_ask.what != ROW_ASK_TERMS) {
            if (args->n + state.n > ASK_BYTES_MAX) {
                told->row_told.outcome = ROW_TOO_LARGE;
                return;
            }
            buf_slice(args, state);
        } else {
            struct buf bytes = {0};
            buf_u64(&bytes, term_of(e, key, state));
            buf_u64(&bytes, state.n ? hash64(state) : 0);
            buf_slice(args, buf_slice_of(&bytes));
            buf_finish(&bytes);
        }
        told->row_told.argc++;
    }
}

/* Asked again, because the answer was lost, it does not stand anew: what was told holds from the first time on. */
static void watch(struct engine *e, const struct message *ask) {
    struct reader r = reader_of(ask->row_ask.args);
    struct slice key = read_slice(&r);
    if (e->watched.ask == ask->row_ask.ask) return;
    e->watched = (struct watched_row){.ask = ask->row_ask.ask, .hash = hash64(key), .stands = true};
    e->rows_noted = true;
}

/* A state that holds at a VV which is applied here, and no event has changed the row since it was watched: then the state is of just the events of
 * this row that are applied here. */
static enum row_outcome replace(struct engine *e, const struct message *ask) {
    struct reader r = reader_of(ask->row_ask.args);
    struct slice key = read_slice(&r), state = read_slice(&r);
    const struct watched_row *w = &e->watched;
    if (ask->row_ask.argc != 2 || !w->stands || w->ask != ask->row_ask.from || w->hash != hash64(key)) return ROW_CHANGED;
    if (!vv_includes(&e->vv, &ask->row_ask.vv)) return ROW_BEHIND;
    struct row row = {0};
    bool good = tell_decode(e, state, &row), open = row_open(&row);
    if (good) engine_put_row(e, w->hash, key, engine_get_row(e, w->hash, key), &row, NULL);
    row_finish(&row);
    if (!good) return ROW_CHANGED;
    if (open && rules_of(e->rules, key)->policy == POLICY_HANDLER) handlers_consider(e, key);
    if (engine_is_definition(key)) rules_follow(e, key);
    e->flush_wanted = true;
    recount_begin(e);
    return ROW_DONE;
}

uint64_t tell_voters(const struct engine *e) {
    uint64_t sum = 1;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->election.is_member[i]) sum += hash64(slice_text(e->cluster->nodes[i].name)) >> 8;
    return sum;
}

void tell(struct engine *e, const struct message *ask, struct message *told, struct buf *args) {
    memset(told, 0, sizeof *told);
    told->type = MESSAGE_ROW_TOLD;
    told->row_told.ask = ask->row_ask.ask;
    told->row_told.what = ask->row_ask.what;
    told->row_told.upto = ask->row_ask.to;
    told->row_told.vv = e->vv;                                               /* borrowed */
    bool counted = ask->row_ask.what == ROW_ASK_STATES && ask->row_ask.from; /* towards a majority of the voters whom the asker knows */
    bool forgetful = !e->election.durable.admitted;                          /* it may have acknowledged what it does not have */
    if (e->owing || e->folding || (counted && (forgetful || ask->row_ask.from != tell_voters(e)))) {
        told->row_told.outcome = ROW_RETURNING;
        return;
    }
    switch ((enum row_ask)ask->row_ask.what) {
    case ROW_ASK_WATCHED: watch(e, ask); /* fall through */
    case ROW_ASK_STATES:
    case ROW_ASK_TERMS: tell_keys(e, ask, told, args); break;
    case ROW_ASK_PARTS:
    case ROW_ASK_LIST: tell_range(e, ask, told, args); break;
    case ROW_ASK_REPLACE: told->row_told.outcome = (uint8_t)replace(e, ask); break;
    case ROW_ASK_FETCH: break;
    }
    if (told->row_told.outcome == ROW_DONE) return;
    buf_clear(args);
    told->row_told.argc = 0;
}

void tell_ask(struct engine *e, uint32_t peer, const struct message *m) {
    if (m->row_ask.what == ROW_ASK_FETCH) {
        quorum_fetch(e, &m->row_ask.vv);
        return;
    }
    struct message told;
    struct buf args = {0};
    tell(e, m, &told, &args);
    told.row_told.args = buf_slice_of(&args);
    if (!e->updates.fatal) links_send(e, peer, &told);
    buf_finish(&args);
}

/* ---- what changes rows meanwhile ---- */

void rows_note(struct engine *e, uint64_t hash, struct slice key, const struct row_facts *before, const struct row_facts *after) {
    if (e->watched.hash == hash) e->watched.stands = false;
    struct recount *r = &e->recount;
    if (!r->active || hash >= r->next) return;
    r->digest += after->digest - before->digest;
    if (!engine_is_definition(key)) r->live += (uint64_t)after->live - (uint64_t)before->live;
}

/* ---- the digest, from the rows ---- */

void recount_begin(struct engine *e) {
    e->recount = (struct recount){.active = true};
    e->rows_noted = true;
}

static void add_counted(void *arg, uint64_t hash, struct slice key, struct slice row) {
    struct engine *e = arg;
    uint64_t term = term_of(e, key, row);
    e->recount.digest += term;
    e->recount.live += (term || row_live(&e->row_told)) && !engine_is_definition(key);
}

/* All rows up to `next` are counted, and followed as they change. */
void recount_updates(struct engine *e) {
    struct recount *r = &e->recount;
    if (!r->active || e->folding) return;
    uint64_t upto = rows_walk(e, r->next, UINT64_MAX, RECOUNT_ROWS, add_counted, e);
    if (e->updates.fatal) return;
    if (upto < UINT64_MAX) {
        r->next = upto + 1;
        return;
    }
    r->active = false;
    r->was = e->digest;
    r->live_was = e->live_rows;
    if (e->digest == r->digest && e->live_rows == r->live) return;
    e->digest = r->digest;
    e->live_rows = r->live;
    memset(e->history, 0, sizeof e->history); /* of the wrong one */
    e->flush_wanted = true;                   /* the checkpoint has it */
}

uint64_t recount_wake_us(const struct engine *e) { return e->recount.active && !e->folding ? e->now.mono_us : UINT64_MAX; }
