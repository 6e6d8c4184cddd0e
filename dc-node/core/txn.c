/* Transactions at the leader: an overlay of the rows that were touched, and at the end one event. */
#include "state.h"
#include <stdio.h>

#define HEAD_BYTES_MAX   64u          /* of an event before its deps, their count included */
#define KEPT_BYTES_MAX   (64u * 1024) /* of one content, for the next transaction */
#define CHANGE_BYTES_MAX 16u          /* of a change beside its key, its content and what it has not seen */

static uint32_t *bucket_of(const struct txn *t, uint64_t hash) { return &t->buckets[hash & (t->buckets_count - 1)]; }

/* The latest rows go, until n are left. */
static void cut_to(struct txn *t, uint32_t n) {
    while (t->rows_count > n) {
        const struct txn_row *row = &t->rows[--t->rows_count];
        *bucket_of(t, row->hash) = row->below;
    }
}

/* Do not hold on to what a few large rows needed. */
static void drop_large(struct txn *t) {
    for (uint32_t i = 0; i < t->rows_count; i++) {
        if (t->rows[i].content.cap > KEPT_BYTES_MAX) buf_finish(&t->rows[i].content);
        if (t->rows[i].ops.cap > KEPT_BYTES_MAX) buf_finish(&t->rows[i].ops);
    }
}

void txn_begin(struct txn *t, struct engine *e, uint64_t now_ms, const struct vv *context) {
    t->engine = e;
    cut_to(t, 0);
    t->bytes = t->held = 0;
    t->context = context;
    t->now_ms = now_ms;
    t->refusal[0] = 0;
    t->may_define = false;
}

void txn_finish(struct txn *t) {
    for (uint32_t i = 0; i < t->rows_cap; i++) {
        buf_finish(&t->rows[i].key);
        buf_finish(&t->rows[i].content);
        buf_finish(&t->rows[i].ops);
    }
    for (uint32_t i = 0; i < t->views_cap; i++) buf_finish(&t->views[i]);
    free(t->rows);
    free(t->buckets);
    free(t->views);
    buf_finish(&t->scratch);
    buf_finish(&t->deltas);
}

#define VIEWS_KEPT 16u /* buffers of so many views stay for the next command */

void txn_end_command(struct txn *t) {
    for (uint32_t i = VIEWS_KEPT; i < t->views_count; i++) buf_finish(&t->views[i]);
    for (uint32_t i = 0; i < t->views_count && i < VIEWS_KEPT; i++)
        if (t->views[i].cap > ROW_BYTES_MAX) buf_finish(&t->views[i]);
    t->views_count = 0;
}

static struct buf *new_view(struct txn *t) {
    if (t->views_count == t->views_cap) {
        uint32_t cap = t->views_cap ? t->views_cap * 2 : VIEWS_KEPT;
        t->views = xrealloc(t->views, cap * sizeof *t->views);
        memset(t->views + t->views_cap, 0, (cap - t->views_cap) * sizeof *t->views);
        t->views_cap = cap;
    }
    return &t->views[t->views_count++];
}

/* ---- reading ---- */

struct slice engine_view(struct engine *e, const struct stored_row *row, uint64_t now_ms, struct buf *made) {
    if (!row || !row->facts.live) return SLICE(NULL, 0);
    if (row->facts.expires_ms && row->facts.expires_ms <= now_ms) {
        e->count.expired_reads++;
        return SLICE(NULL, 0);
    }
    bool good = row_decode(stored_value(row), false, e->origins, &e->row);
    assert(good); /* verified when it was loaded */
    return row_view(&e->row, rules_of(e->rules, stored_key(row)), e->rules, e->origins, made).content;
}

static struct txn_row *find(const struct txn *t, uint64_t hash, struct slice key) {
    for (uint32_t i = t->rows_count ? *bucket_of(t, hash) : 0; i; i = t->rows[i - 1].below) /* the latest state of a row comes first */
        if (t->rows[i - 1].hash == hash && slice_equal(buf_slice_of(&t->rows[i - 1].key), key)) return &t->rows[i - 1];
    return NULL;
}

static struct slice view_below(struct txn *t, uint64_t hash, struct slice key) {
    const struct stored_row *row = t->engine->overlay ? quorum_row(t->engine, hash, key) : engine_get_row(t->engine, hash, key);
    if (!row || !row->facts.live) return SLICE(NULL, 0);
    return engine_view(t->engine, row, t->now_ms, new_view(t));
}

struct slice txn_get(struct txn *t, struct slice key) {
    uint64_t hash = hash64(key);
    const struct txn_row *row = find(t, hash, key);
    return row ? buf_slice_of(&row->content) : view_below(t, hash, key);
}

/* ---- changing ---- */

struct txn_mark txn_mark(struct txn *t) {
    return (struct txn_mark){t->rows_count, t->bytes, t->held};
}

void txn_rollback(struct txn *t, struct txn_mark m) {
    cut_to(t, m.rows_count);
    t->bytes = m.bytes;
    t->held = m.held;
    t->refusal[0] = 0;
}

static void put_in_bucket(struct txn *t, uint32_t i) {
    uint32_t *bucket = bucket_of(t, t->rows[i].hash);
    t->rows[i].below = *bucket;
    *bucket = i + 1;
}

static void double_buckets(struct txn *t) {
    free(t->buckets);
    t->buckets_count = t->buckets_count ? t->buckets_count * 2 : 16;
    t->buckets = xcalloc(t->buckets_count, sizeof *t->buckets);
    for (uint32_t i = 0; i < t->rows_count; i++) put_in_bucket(t, i);
}

/* A change is a new entry, even where the row has one: a rollback cuts the list. */
static struct txn_row *add(struct txn *t, uint64_t hash, struct slice key) {
    if (t->rows_count == t->rows_cap) {
        uint32_t cap = t->rows_cap ? t->rows_cap * 2 : 8;
        t->rows = xrealloc(t->rows, cap * sizeof *t->rows);
        memset(t->rows + t->rows_cap, 0, (cap - t->rows_cap) * sizeof *t->rows);
        t->rows_cap = cap;
    }
    if (t->rows_count == t->buckets_count) double_buckets(t);
    struct txn_row *row = &t->rows[t->rows_count];
    row->hash = hash;
    put_in_bucket(t, t->rows_count++);
    buf_clear(&row->key);
    buf_put(&row->key, key.p, key.n);
    buf_clear(&row->content);
    buf_clear(&row->ops);
    row->merges = table_merges(rules_of(t->engine->rules, key));
    row->clear = false;
    row->type = CONTENT_NONE;
    return row;
}

/* What changes may take in an event, beside the deps that it will have. */
size_t txn_bytes_max(const struct txn *t) {
    const struct engine *e = t->engine;
    size_t deps = e->own == ORIGIN_NONE ? origins_count(e->origins) : e->moved_count;
    return EVENT_BYTES_MAX - HEAD_BYTES_MAX - deps * DOT_BYTES_MAX;
}

/* `bytes` of content, `logged` of it in the event. */
static bool fits(struct txn *t, struct slice key, size_t bytes, size_t logged) {
    if (rules_refuse(t->engine, t, key, t->refusal, sizeof t->refusal)) return false;
    if (key.n + bytes > ROW_BYTES_MAX || key.n > KEY_BYTES_MAX)
        snprintf(t->refusal, sizeof t->refusal, "a row is at most %u bytes and a key at most %u", ROW_BYTES_MAX, KEY_BYTES_MAX);
    else if (t->bytes + key.n + logged + CHANGE_BYTES_MAX > txn_bytes_max(t))
        snprintf(t->refusal, sizeof t->refusal, "a transaction changes at most %zu bytes", txn_bytes_max(t));
    else
        return true;
    return false;
}

#define OP_BYTES_MAX      20u  /* of an operation beside its name and value */
#define COUNTED_BYTES_MAX 256u /* of a running total */

#define HELD_BYTES_MAX (4 * (size_t)EVENT_BYTES_MAX) /* of contents that a transaction has made on its way */

/* t->scratch becomes the row's content; NULL: it does not fit. Of a row that merges the operations are logged, `ops` of them with names and values of
 * `ops_bytes`, and of its counters at most what the row has. */
static struct txn_row *put_scratch(struct txn *t, uint64_t hash, struct slice key, size_t ops, size_t ops_bytes) {
    size_t logged = t->scratch.n;
    if (txn_merges(t, key)) {
        const struct stored_row *stored = find(t, hash, key) ? NULL : engine_get_row(t->engine, hash, key);
        logged = ops_bytes + (ops + 1) * OP_BYTES_MAX + COUNTED_BYTES_MAX + (stored && stored->facts.counts ? stored->row_bytes : 0);
    }
    if (!fits(t, key, t->scratch.n, logged)) return NULL;
    if (t->held + t->scratch.n > HELD_BYTES_MAX) {
        snprintf(t->refusal, sizeof t->refusal, "a transaction works on at most %zu bytes of rows, each change of a row counted anew",
                 HELD_BYTES_MAX);
        return NULL;
    }
    t->held += t->scratch.n;
    struct txn_row *row = add(t, hash, key);
    struct buf swap = row->content;
    row->content = t->scratch;
    t->scratch = swap;
    t->bytes += key.n + logged + CHANGE_BYTES_MAX;
    return row;
}

/* The change replaces whatever the row is with its content. */
static bool replaces(struct txn_row *row) {
    if (!row) return false;
    if (row->merges) txn_op_replace(row);
    return true;
}

bool txn_set_string(struct txn *t, struct slice key, struct slice value, uint64_t expires_ms) {
    if (!fits(t, key, value.n, value.n)) return false;
    content_make_string(&t->scratch, expires_ms, value);
    return replaces(put_scratch(t, hash64(key), key, 1, value.n));
}

bool txn_set_content(struct txn *t, struct slice key, struct slice content) {
    if (!fits(t, key, content.n, content.n)) return false;
    buf_clear(&t->scratch);
    buf_put(&t->scratch, content.p, content.n);
    return replaces(put_scratch(t, hash64(key), key, content.n ? content_count(content) : 0, content.n));
}

bool txn_delete(struct txn *t, struct slice key) { return txn_set_content(t, key, SLICE(NULL, 0)); }

bool txn_set_expiry(struct txn *t, struct slice key, uint64_t expires_ms) {
    struct slice c = txn_get(t, key);
    assert(c.n);
    content_with_expiry(&t->scratch, c, expires_ms);
    struct txn_row *row = put_scratch(t, hash64(key), key, 1, 8);
    if (row && row->merges) txn_op_expiry(row, expires_ms);
    return row;
}

bool txn_set_column(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice value) {
    return txn_set_columns(t, key, type, &(struct content_column){name, value}, 1);
}

bool txn_remove_column(struct txn *t, struct slice key, struct slice name) { return txn_remove_columns(t, key, &name, 1); }

/* c with `columns` set, into t->scratch. */
static void with_columns(struct txn *t, struct slice c, enum content_type type, const struct content_column *columns, size_t count) {
    if (count == 1) {
        content_with_column(&t->scratch, c, type, columns[0].name, columns[0].value);
        return;
    }
    size_t had = c.n ? content_count(c) : 0;
    struct content_column *all = xmalloc((had + count) * sizeof *all);
    if (had) {
        struct content_columns each = content_columns(c);
        for (size_t i = 0; i < had; i++) content_next(&each, &all[i].name, &all[i].value);
    }
    memcpy(all + had, columns, count * sizeof *all);
    content_make(&t->scratch, type, c.n ? content_expires_ms(c) : 0, all, had + count);
    free(all);
}

bool txn_set_columns(struct txn *t, struct slice key, enum content_type type, const struct content_column *columns, size_t count) {
    struct slice c = txn_get(t, key);
    bool absent = !c.n;
    size_t more = 0;
    for (size_t i = 0; i < count; i++) more += columns[i].name.n + columns[i].value.n;
    if (!fits(t, key, more, more)) return false;
    with_columns(t, c, type, columns, count);
    struct txn_row *row = put_scratch(t, hash64(key), key, count, more);
    if (row && row->merges) txn_op_columns(row, absent, type, columns, count);
    return row;
}

static int by_name(const void *a, const void *b) { return slice_compare(*(const struct slice *)a, *(const struct slice *)b); }

/* c without `names`, into t->scratch. */
static void without_columns(struct txn *t, struct slice c, const struct slice *names, size_t count) {
    if (count == 1) {
        content_without_column(&t->scratch, c, names[0]);
        return;
    }
    struct slice *gone = xmalloc(count * sizeof *gone);
    memcpy(gone, names, count * sizeof *gone);
    qsort(gone, count, sizeof *gone, by_name);
    struct content_column *kept = xmalloc(content_count(c) * sizeof *kept);
    size_t n = 0;
    struct content_columns each = content_columns(c);
    while (content_next(&each, &kept[n].name, &kept[n].value))
        if (!bsearch(&kept[n].name, gone, count, sizeof *gone, by_name)) n++;
    content_make(&t->scratch, content_type(c), content_expires_ms(c), kept, n);
    free(kept);
    free(gone);
}

bool txn_remove_columns(struct txn *t, struct slice key, const struct slice *names, size_t count) {
    struct slice c = txn_get(t, key);
    assert(c.n);
    enum content_type type = content_type(c);
    size_t more = 0;
    for (size_t i = 0; i < count; i++) more += names[i].n;
    without_columns(t, c, names, count);
    struct txn_row *row = put_scratch(t, hash64(key), key, count, more);
    if (row && row->merges) txn_op_remove(row, type, names, count);
    return row;
}

bool txn_merges(struct txn *t, struct slice key) { return table_merges(rules_of(t->engine->rules, key)); }

bool txn_add(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice amount, struct slice sum) {
    bool merges = txn_merges(t, key);
    amount_t counted;
    if (merges && !amount_parse(amount, &counted)) {
        snprintf(t->refusal, sizeof t->refusal, "counters of tables that merge have at most 21 digits before the point and 17 behind it");
        return false;
    }
    if (!merges && type == CONTENT_HASH) return txn_set_column(t, key, type, name, sum);
    struct slice c = txn_get(t, key);
    bool absent = !c.n;
    if (!merges) return txn_set_string(t, key, sum, absent ? 0 : content_expires_ms(c));
    if (type == CONTENT_HASH)
        content_with_column(&t->scratch, c, type, name, sum);
    else
        content_make_string(&t->scratch, absent ? 0 : content_expires_ms(c), sum);
    struct txn_row *row = put_scratch(t, hash64(key), key, 1, name.n + sizeof counted);
    if (row) txn_op_add(row, absent, type, name, counted);
    return row;
}

const char *txn_refusal(const struct txn *t) { return t->refusal; }

/* ---- the end ---- */

static int by_dot(const void *a, const void *b, void *origins) { return dot_compare(origins, *(const struct dot *)a, *(const struct dot *)b); }

/* Live siblings that a WITH context does not cover. Tombstones, and what is left of a merged row that is gone, are covered whatever it says. */
static void find_unseen(struct engine *e, const struct vv *context, struct slice key, uint64_t hash, struct change *c) {
    struct stored_row *row = engine_get_row(e, hash, key);
    if (!row || !row->facts.live) return;
    row_decode(stored_value(row), false, e->origins, &e->row);
    struct dot *unseen = xmalloc((e->row.versions_count + 1) * sizeof *unseen);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < e->row.versions_count; i++) {
        const struct version *v = &e->row.versions[i];
        if ((e->row.form == ROW_MERGED || v->content.n) && !vv_covers(context, v->dot)) unseen[n++] = v->dot;
    }
    if (n > 1) qsort_r(unseen, n, sizeof *unseen, by_dot, e->origins);
    for (uint32_t i = 0; i < n; i++)
        if (!kept || !dot_equal(unseen[i], unseen[kept - 1])) unseen[kept++] = unseen[i];
    c->unseen = unseen;
    c->unseen_count = kept;
}

static int by_hash_then_latest(const void *a, const void *b) {
    const struct txn_row *x = *(struct txn_row *const *)a, *y = *(struct txn_row *const *)b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    int c = slice_compare(buf_slice_of(&x->key), buf_slice_of(&y->key));
    return c ? c : (x > y ? -1 : 1);
}

static bool same_row(const struct txn_row *a, const struct txn_row *b) {
    return a->hash == b->hash && slice_equal(buf_slice_of(&a->key), buf_slice_of(&b->key));
}

/* A row that reads as deleted, though it has siblings that are not: to delete it settles that. */
static bool hides_siblings(struct txn *t, struct slice key) { return engine_read_row(t->engine, key, NULL) && row_open(&t->engine->row); }

/* Of each row the latest content counts, and all operations. */
void txn_keep(struct txn *t, struct txn_mark m) {
    for (uint32_t i = m.rows_count; i < t->rows_count; i++)
        for (uint32_t k = t->rows[i].below; k; k = t->rows[k - 1].below) {
            struct txn_row *older = &t->rows[k - 1];
            if (!same_row(older, &t->rows[i])) continue;
            t->held -= older->content.n;
            buf_finish(&older->content);
            break; /* those before it went with it */
        }
}

/* As view_below() says, without keeping the view. */
static bool reads_absent(struct txn *t, uint64_t hash, struct slice key) {
    return !engine_view(t->engine, engine_get_row(t->engine, hash, key), t->now_ms, &t->engine->view).n;
}

/* The last state of each row, as changes. A row that was and is absent is none; but under a context of its own a deletion counts, for who wrote it
 * need not have seen that others had deleted the row too. */
static uint32_t fold(struct txn *t, struct change *changes) {
    struct txn_row **rows = xmalloc(t->rows_count * sizeof *rows);
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->rows_count; i++) rows[i] = &t->rows[i];
    if (t->rows_count > 1) qsort(rows, t->rows_count, sizeof *rows, by_hash_then_latest);
    for (uint32_t i = 0, same = 1; i < t->rows_count; i += same) {
        for (same = 1; i + same < t->rows_count && same_row(rows[i], rows[i + same]); same++) {}
        struct slice key = buf_slice_of(&rows[i]->key), content = buf_slice_of(&rows[i]->content);
        if (!content.n && !t->context && reads_absent(t, rows[i]->hash, key) && !hides_siblings(t, key)) continue;
        changes[n] = (struct change){.op = content.n ? CHANGE_PUT : CHANGE_DELETE, .key = key, .content = content};
        if (rows[i]->merges) txn_fold_merge(t, rows + i, same, &changes[n]);
        if (t->context) find_unseen(t->engine, t->context, key, rows[i]->hash, &changes[n]);
        n++;
    }
    for (uint32_t i = 0; i < n; i++)
        if (changes[i].op == CHANGE_MERGE)
            changes[i].content.p = t->deltas.p + (size_t)changes[i].content.p; /* offsets until nothing moves any more */
    free(rows);
    return n;
}

struct dot txn_commit(struct txn *t) {
    struct dot dot = {ORIGIN_NONE, 0};
    if (!t->rows_count) return dot;
    struct change one, *changes = t->rows_count == 1 ? &one : xmalloc(t->rows_count * sizeof *changes);
    buf_clear(&t->deltas);
    uint32_t n = fold(t, changes);
    if (bug(t->engine, BUG_SPLIT_TRANSACTION))
        for (uint32_t i = 0; i < n; i++) dot = engine_originate(t->engine, &changes[i], 1);
    else if (n)
        dot = engine_originate(t->engine, changes, n);
    for (uint32_t i = 0; i < n; i++) free((void *)changes[i].unseen);
    if (changes != &one) free(changes);
    drop_large(t);
    cut_to(t, 0);
    txn_end_command(t); /* of what was looked at for the commit nothing is needed any more */
    return dot;
}

/* ---- scanning ---- */

struct scan {
    struct engine *e;
    struct txn *t;
    struct reader stored;
    bool has_stored;
    uint64_t stored_hash;
    struct slice stored_key, stored_row;
    void (*each)(void *, struct slice, struct slice);
    void *arg;
};

static void next_stored(struct scan *s) {
    s->has_stored = s->stored.p < s->stored.end;
    if (!s->has_stored) return;
    s->stored_hash = read_u64(&s->stored);
    s->stored_key = read_slice(&s->stored);
    s->stored_row = read_slice(&s->stored);
    if (s->stored.bad) engine_fail(s->e, "the store's scan of rows is malformed");
}

static void emit(struct scan *s, uint64_t hash, struct slice key, struct slice content) {
    if (key.n > strlen(RULES_PREFIX) && memcmp(key.p, RULES_PREFIX, strlen(RULES_PREFIX)) == 0) return; /* definitions are not the clients' */
    const struct txn_row *changed = s->t->rows_count ? find(s->t, hash, key) : NULL;
    if (changed) content = buf_slice_of(&changed->content);
    if (content.n) s->each(s->arg, key, content);
}

static void emit_stored(struct scan *s) {
    struct engine *e = s->e;
    if (!row_decode(s->stored_row, true, e->origins, &e->row)) {
        engine_fail(e, "row %.*s in the store is damaged: its checksum or form is wrong", (int)s->stored_key.n, (const char *)s->stored_key.p);
        return;
    }
    uint64_t expires_ms = row_expires_ms(&e->row);
    if (expires_ms && expires_ms <= s->t->now_ms) return;
    emit(s, s->stored_hash, s->stored_key, row_view(&e->row, rules_of(e->rules, s->stored_key), e->rules, e->origins, &e->view).content);
}

static void merge_memory(void *arg, struct stored_row *row) {
    struct scan *s = arg;
    while (s->has_stored && !s->e->updates.fatal) { /* stored rows below this one that memory does not have */
        int order = s->stored_hash != row->hash ? (s->stored_hash < row->hash ? -1 : 1) : slice_compare(s->stored_key, stored_key(row));
        if (order > 0) break;
        if (order < 0) emit_stored(s);
        next_stored(s);
    }
    emit(s, row->hash, stored_key(row), engine_view(s->e, row, s->t->now_ms, &s->e->view));
}

/* Rows that only this transaction has made are not shown by its own scans: SCAN promises nothing about rows that come during it. */
uint64_t txn_scan(struct txn *t, uint64_t from, uint32_t keys_max, void (*each)(void *, struct slice, struct slice), void *arg) {
    struct engine *e = t->engine;
    struct buf page = {0};
    uint64_t next = 0;
    int more = e->store->ops->scan_rows(e->store, from, keys_max, &page, &next);
    if (more < 0) engine_fail(e, "%s", e->store->why);
    uint64_t to = more > 0 ? next - 1 : UINT64_MAX;
    if (e->rows.count > keys_max) { /* memory may hold more than is wanted: a share of the hashes in proportion */
        uint64_t share = UINT64_MAX / (e->rows.count / keys_max + 1);
        if (share < to - from) to = from + share;
    }
    struct scan s = {.e = e, .t = t, .stored = reader_of(buf_slice_of(&page)), .each = each, .arg = arg};
    next_stored(&s);
    if (!e->updates.fatal) rows_each(&e->rows, from, to, merge_memory, &s);
    while (s.has_stored && s.stored_hash <= to && !e->updates.fatal) {
        emit_stored(&s);
        next_stored(&s);
    }
    buf_finish(&page);
    return to == UINT64_MAX ? 0 : to + 1;
}

uint64_t txn_count(struct txn *t) { return t->engine->live_rows; }
