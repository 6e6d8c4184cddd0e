/* What the events of a capture did to each row. */
#include "../conflict/rules.h"
#include "capture.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct named_row {
    struct captured_row row; /* first */
    UT_hash_handle hh;
};
struct captured_rows {
    struct named_row *rows;
    struct captured_row **list; /* in order of key */
    size_t count;
};

static struct captured_row *row_of(struct captured_rows *r, struct slice key) {
    struct named_row *one = NULL;
    HASH_FIND(hh, r->rows, key.p, key.n, one);
    if (one) return &one->row;
    one = xcalloc(1, sizeof *one);
    one->row.key = key;
    HASH_ADD_KEYPTR(hh, r->rows, one->row.key.p, one->row.key.n, one);
    return &one->row;
}

struct captured_row *captured_row(const struct captured_rows *r, struct slice key) {
    struct named_row *one = NULL;
    HASH_FIND(hh, r->rows, key.p, key.n, one);
    return one ? &one->row : NULL;
}

size_t captured_rows_count(const struct captured_rows *r) { return r->count; }
struct captured_row *captured_row_at(const struct captured_rows *r, size_t i) {
    return r->list[i];
}

void captured_rows_destroy(struct captured_rows *r) {
    struct named_row *one, *next;
    if (!r) return;
    HASH_ITER(hh, r->rows, one, next) {
        HASH_DELETE(hh, r->rows, one);
        free(one->row.entries);
        free(one);
    }
    free(r->list);
    free(r);
}

/* A MERGE that takes the row away and puts nothing there. */
static bool delta_empties(const struct captured *e, const struct change *ch, struct origins *t) {
    struct delta d = {0};
    bool puts = false, good = delta_decode(&d, ch->content, e->event.dot, e->event.stamp, t);
    for (uint32_t i = 0; good && i < d.ops_count; i++) puts |= (d.ops[i].flags & (OP_PUT | OP_COUNT)) != 0;
    bool empties = good && (d.flags & DELTA_CLEAR) && !puts;
    delta_finish(&d);
    return empties;
}

static bool is_definition(struct slice key) { return key.n > strlen(RULES_PREFIX) && memcmp(key.p, RULES_PREFIX, strlen(RULES_PREFIX)) == 0; }

static void add_entry(struct captured_rows *rows, const struct capture *c, size_t event, uint32_t change) {
    const struct captured *e = &c->events[event];
    const struct change *ch = &e->event.changes[change];
    if (ch->op == CHANGE_RECORD) return;
    struct captured_row *row = row_of(rows, ch->key);
    struct row_entry x = {.event = event, .change = change, .after_all = true, .content = ch->content};
    x.plain = ch->op == CHANGE_PUT || ch->op == CHANGE_ANSWER;
    x.gone = ch->op == CHANGE_DELETE || ch->op == CHANGE_REAP || (x.plain && ch->content.n == 0) ||
             (ch->op == CHANGE_MERGE && delta_empties(e, ch, c->origins));
    for (size_t i = row->count; i-- > 0 && x.after_all;) {
        x.after_all = capture_knew(c, event, row->entries[i].event);
        if (row->entries[i].after_all) break; /* who knows that one knows all before it */
    }
    if (row->count == row->cap) row->entries = xrealloc(row->entries, (row->cap = row->cap ? row->cap * 2 : 4) * sizeof *row->entries);
    row->entries[row->count++] = x;
    row->in_capture |= !e->base || is_definition(ch->key);
    /* Numbers before the first that is there were trimmed: the row may be older. */
    if (row->count == 1)
        for (uint32_t o = 0; o < c->runs_count; o++) row->older |= c->runs[o].first > 1;
}

static int by_key(const void *a, const void *b) {
    return slice_compare((*(struct captured_row *const *)a)->key, (*(struct captured_row *const *)b)->key);
}

struct captured_rows *rows_of_capture(const struct capture *c) {
    struct captured_rows *r = xcalloc(1, sizeof *r);
    struct named_row *one, *next;
    for (size_t i = 0; i < c->count; i++)
        for (uint32_t k = 0; k < c->events[i].event.changes_count; k++) add_entry(r, c, i, k);
    r->list = xcalloc(HASH_COUNT(r->rows) + 1, sizeof *r->list);
    HASH_ITER(hh, r->rows, one, next) r->list[r->count++] = &one->row;
    if (r->count > 1) qsort(r->list, r->count, sizeof *r->list, by_key);
    return r;
}

/* Its live version, where there is just one; *ret_none: there is none. */
static const struct row_entry *only_live(const struct capture *c, const struct captured_row *row, size_t f, bool *ret_none) {
    const struct row_entry *live = NULL;
    *ret_none = true;
    for (size_t i = row->count; i-- > 0;) {
        const struct row_entry *e = &row->entries[i];
        if (e->event >= f || !capture_knew(c, f, e->event)) continue;
        if (live && capture_knew(c, live->event, e->event)) continue;
        if (live) {
            *ret_none = false;
            return NULL;
        }
        live = e;
        *ret_none = false;
        if (e->after_all) return live;
    }
    return live;
}

enum row_before captured_row_before(const struct capture *c, const struct captured_row *row, size_t f, struct slice *ret_content) {
    bool none;
    const struct row_entry *live = row ? only_live(c, row, f, &none) : NULL;
    if (!row || (!live && none)) return row && row->older ? BEFORE_UNKNOWN : BEFORE_ABSENT;
    if (!live) return BEFORE_UNKNOWN;
    if (live->gone) return BEFORE_ABSENT;
    if (!live->plain) return BEFORE_UNKNOWN;
    uint64_t ends_ms = content_expires_ms(live->content);
    if (ends_ms && ends_ms <= stamp_ms(c->events[f].event.stamp)) return BEFORE_UNKNOWN;
    *ret_content = live->content;
    return BEFORE_CONTENT;
}
