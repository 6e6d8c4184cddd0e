/* One episode as a case: its versions, those that are live in the row and those that the journal has, and who saw whom. */
#include "inbox.h"

#define SAW_MAX 256u /* of so many versions it is worked out who saw whom through others */

static struct entry *add_entry(struct inbox_case *k, uint8_t kind, struct slice name, const struct version *v) {
    GROW(k->entries, k->entries_count, k->entries_cap);
    struct entry *n = &k->entries[k->entries_count++];
    *n = (struct entry){.kind = kind, .name = name, .v = *v};
    return n;
}

/* ---- what is live ---- */

static void add_live(struct inbox_case *k, const struct cell *c, bool shown) {
    const struct version *read = cell_read(k->e, k->table, &k->row, c);
    for (uint32_t i = 0; i < c->count; i++) {
        const struct version *v = &cell_versions(&k->row, c)[i];
        if (!block_holds(&k->episode.members, &k->episode.members.b[0], v->dot)) continue;
        struct entry *n = add_entry(k, (uint8_t)c->kind, c->name, v);
        n->live = true;
        n->read = shown && v == read;
    }
}

static void add_counters(struct inbox_case *k, const struct cell *c, bool shown) {
    for (uint32_t i = 0; i < c->counters_count; i++) {
        const struct counter *counter = &cell_counters(&k->row, c)[i];
        char text[AMOUNT_TEXT_MAX];
        if (!counter_live(counter)) continue;
        size_t n = amount_format(amount_add(counter->total, -counter->reset_total), text);
        struct entry *entry = add_entry(k, (uint8_t)c->kind, c->name,
                                        &(struct version){.dot = {counter->origin, counter->n}, .stamp = counter->stamp});
        buf_put(&entry->record, text, n);
        entry->v.content = buf_slice_of(&entry->record);
        entry->live = true;
        entry->read = shown;
    }
}

static enum content_type type_of_cell(enum cell_kind kind) {
    return kind == CELL_STRING ? CONTENT_STRING : kind == CELL_FIELD ? CONTENT_HASH : kind == CELL_MEMBER ? CONTENT_SET : CONTENT_NONE;
}

struct view case_view(struct inbox_case *k, struct buf *made) {
    return row_view(&k->row, k->table, k->e->rules, k->e->origins, made);
}

static void add_elements(struct inbox_case *k) {
    struct buf made = {0};
    struct slice content = case_view(k, &made).content;
    enum content_type shown = content.n ? content_type(content) : CONTENT_NONE;
    for (uint32_t i = 0; k->episode.open && i < k->row.cells_count; i++) {
        const struct cell *c = &k->row.cells[i];
        if (c->kind == CELL_EXPIRY) continue;
        add_live(k, c, type_of_cell(c->kind) == shown);
        add_counters(k, c, type_of_cell(c->kind) == shown);
    }
    buf_finish(&made);
}

/* ---- what the journal has ---- */

static bool add_loss(struct inbox_case *k, struct slice record) {
    struct entry n = {0};
    buf_put(&n.record, record.p, record.n);
    if (!loss_decode(buf_slice_of(&n.record), k->e->origins, &n.loss)) {
        buf_finish(&n.record);
        return journal_damaged(k->e);
    }
    bool types = k->episode.kind == CELL_TYPES;
    if (!block_holds(&k->episode.members, &k->episode.members.b[0], n.loss.loser.dot) || types != (n.loss.outcome == LOSS_TYPE)) {
        buf_finish(&n.record);
        return true;
    }
    n.kind = n.loss.kind;
    n.name = n.loss.name;
    n.v = n.loss.loser;
    GROW(k->entries, k->entries_count, k->entries_cap);
    k->entries[k->entries_count++] = n;
    return true;
}

static void add_losses(struct inbox_case *k) {
    struct journal_walk w;
    struct slice name, record;
    struct buf prefix = {0};
    if (k->episode.kind == CELL_TYPES) {
        journal_name_row(k->episode.key, &prefix);
    } else {
        journal_name_cell(k->episode.key, k->episode.kind, k->episode.name, &prefix);
        buf_u8(&prefix, JOURNAL_LOSS);
    }
    walk_begin(&w, k->e, buf_slice_of(&prefix), SLICE(NULL, 0), 64);
    while (walk_next(&w, &name, &record))
        if (journal_record_kind(name) == JOURNAL_LOSS && !add_loss(k, record)) break;
    walk_finish(&w);
    buf_finish(&prefix);
}

/* ---- who saw whom ---- */

static bool saw_directly(const struct entry *a, const struct entry *b) {
    bool taken = !b->live && dot_equal(b->loss.by, a->v.dot);
    return taken || (a->v.dot.origin == b->v.dot.origin && a->v.dot.n > b->v.dot.n);
}

/* Causes have smaller stamps, so that they come first. */
static void find_saw(struct inbox_case *k) {
    uint32_t n = k->entries_count;
    if (!n || n > SAW_MAX) return;
    k->saw = xcalloc((size_t)n * n, 1);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = 0; b < a; b++) {
            if (!saw_directly(&k->entries[a], &k->entries[b])) continue;
            k->saw[a * n + b] = true;
            for (uint32_t i = 0; i < b; i++) k->saw[a * n + i] |= k->saw[b * n + i];
        }
}

bool case_saw(const struct inbox_case *k, uint32_t a, uint32_t b) {
    return k->saw ? k->saw[a * k->entries_count + b] : saw_directly(&k->entries[a], &k->entries[b]);
}

/* ---- the whole ---- */

static int by_stamp(const void *a, const void *b, void *origins) {
    const struct entry *x = a, *y = b;
    if (x->v.stamp != y->v.stamp) return x->v.stamp < y->v.stamp ? -1 : 1;
    int order = dot_compare(origins, x->v.dot, y->v.dot);
    return order ? order : (int)x->kind - (int)y->kind;
}

bool inbox_row(struct engine *e, struct slice key, struct row *row) {
    const struct stored_row *stored = engine_get_row(e, hash64(key), key);
    row_clear(row);
    if (e->updates.fatal) return false;
    bool good = !stored || row_decode(stored_value(stored), false, e->origins, row);
    assert(good); /* verified when it was loaded */
    return good;
}

bool case_live(struct inbox_case *k, struct engine *e, struct episode *ep) {
    *k = (struct inbox_case){.e = e, .episode = *ep, .table = rules_of(e->rules, ep->key)};
    *ep = (struct episode){0};
    if (!inbox_row(e, k->episode.key, &k->row)) {
        case_finish(k);
        return false;
    }
    const struct cell *c = k->episode.kind == CELL_TYPES ? NULL : row_cell(&k->row, (enum cell_kind)k->episode.kind, k->episode.name);
    if (c) add_live(k, c, true);
    if (k->episode.kind == CELL_TYPES) add_elements(k);
    return true;
}

bool case_of_episode(struct inbox_case *k, struct engine *e, struct episode *ep) {
    if (!case_live(k, e, ep)) return false;
    add_losses(k);
    if (k->entries_count > 1) qsort_r(k->entries, k->entries_count, sizeof *k->entries, by_stamp, e->origins);
    find_saw(k);
    return !e->updates.fatal;
}

bool case_open(struct inbox_case *k, struct engine *e, uint64_t id) {
    struct buf record = {0};
    struct episode ep;
    if (!journal_find(e, id, &record, &ep)) {
        buf_finish(&record);
        return false;
    }
    bool good = case_of_episode(k, e, &ep);
    if (good)
        k->record = record;
    else
        buf_finish(&record);
    return good;
}

void case_finish(struct inbox_case *k) {
    for (uint32_t i = 0; i < k->entries_count; i++) buf_finish(&k->entries[i].record);
    free(k->entries);
    free(k->saw);
    row_finish(&k->row);
    episode_finish(&k->episode);
    buf_finish(&k->record);
}
