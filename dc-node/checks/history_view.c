/* What readers see of the oracle's rows: definitions, policies, types, expiry. */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static bool has_greater_stamp(const struct history *h, const struct h_element *a, const struct h_element *b) {
    const struct h_event *x = a->op->change->event, *y = b->op->change->event;
    return x->stamp != y->stamp ? x->stamp > y->stamp : dot_compare(h->origins, x->dot, y->dot) > 0;
}

/* One column of the definition that counts, by (stamp, origin) alone. False: there is none. */
static bool defined(const struct history *h, const struct h_row *definition, const char *column, struct slice *ret) {
    const struct h_element *last = NULL;
    for (uint32_t i = 0; i < definition->n; i++)
        if (!last || has_greater_stamp(h, &definition->v[i], last)) last = &definition->v[i];
    return last && last->value.n && content_type(last->value) == CONTENT_HASH && content_find(last->value, slice_text(column), ret);
}

static bool in_range(struct slice range, uint64_t n) {
    unsigned long long from, to;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)range.n, (const char *)range.p);
    return sscanf(text, "%llu-%llu", &from, &to) == 2 && n >= from && n <= to;
}

/* Does some event say that this number was stamped by a clock that was off? */
static bool is_marked(const struct history *h, uint32_t node, struct dot d) {
    uint32_t key = h->any_mark && d.origin < h->sources_count ? h->sources[d.origin].mark_key : 0;
    const struct h_row *marks = key ? history_row(h, node, key - 1) : NULL;
    for (uint32_t i = 0; marks && i < marks->n; i++) {
        struct slice range;
        if (marks->v[i].value.n == 0) continue;
        struct content_columns each = content_columns(marks->v[i].value);
        while (content_next(&each, &range, NULL))
            if (in_range(range, d.n)) return true;
    }
    return false;
}

static bool is_later(const struct history *h, uint32_t node, const struct h_element *a, const struct h_element *b) {
    bool x = is_marked(h, node, a->op->change->event->dot), y = is_marked(h, node, b->op->change->event->dot);
    return x != y ? y : has_greater_stamp(h, a, b);
}

static int32_t priority_of(const struct history *h, uint32_t node, const struct h_element *e) {
    const char *dc = origins_get(h->origins, e->op->change->event->dot.origin)->dc;
    struct slice text;
    for (uint32_t i = 0; h->cluster && i < h->cluster->dcs_count; i++) {
        if (strcmp(h->cluster->dcs[i].name, dc) != 0) continue;
        if (!h->priority_keys[i] || !defined(h, history_row(h, node, h->priority_keys[i] - 1), "priority", &text)) return h->cluster->dcs[i].priority;
        int32_t priority = 0;
        for (size_t k = 0; k < text.n; k++) priority = priority * 10 + (text.p[k] - '0'); /* clients here give none below 0 */
        return priority;
    }
    return 0;
}

static bool outranks(const struct history *h, uint32_t node, const struct h_element *a, const struct h_element *b) {
    int32_t x = priority_of(h, node, a), y = priority_of(h, node, b);
    return x != y ? x > y : is_later(h, node, a, b);
}

/* ---- definitions ---- */

static enum policy policy_in(const struct h_row *definition, const struct history *h, enum policy otherwise) {
    struct slice text;
    if (!defined(h, definition, "conflict", &text)) return otherwise;
    static const struct {
        const char *text;
        enum policy policy;
    } names[] = {{"lww", POLICY_LWW}, {"priority", POLICY_PRIORITY}, {"merge", POLICY_MERGE}, {"record", POLICY_RECORD}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal(text, slice_text(names[i].text))) return names[i].policy;
    return POLICY_HANDLER;
}

enum policy h_policy(const struct history *h, uint32_t node, uint32_t key) {
    const struct h_key *k = &h->keys[key];
    return k->definition == UINT32_MAX ? k->policy : policy_in(history_row(h, node, k->definition), h, k->policy);
}

/* ---- versions ---- */

static const struct h_element *winner_of(const struct history *h, uint32_t node, const struct h_row *row, bool by_rank, enum cell_kind kind,
                                         struct slice name) {
    const struct h_element *winner = NULL;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        if (e->counts || e->kind != kind || !slice_equal(e->name, name)) continue;
        if (!winner || (by_rank ? outranks(h, node, e, winner) : is_later(h, node, e, winner))) winner = e;
    }
    return winner;
}

const struct h_element *h_winner(const struct history *h, uint32_t node, uint32_t key, enum cell_kind kind, struct slice name) {
    const struct h_row *row = history_row(h, node, key);
    bool by_rank = kind == CELL_ROW && row->n > 1 && h_policy(h, node, key) != POLICY_LWW;
    return winner_of(h, node, row, by_rank, kind, name);
}

enum content_type h_type_of(enum cell_kind kind) {
    return kind == CELL_STRING ? CONTENT_STRING : kind == CELL_FIELD ? CONTENT_HASH : kind == CELL_MEMBER ? CONTENT_SET : CONTENT_NONE;
}

enum content_type h_shown_type(const struct history *h, uint32_t node, const struct h_row *row) {
    const struct h_element *last = NULL;
    for (uint32_t i = 0; i < row->n; i++)
        if (h_type_of(row->v[i].kind) != CONTENT_NONE && (!last || is_later(h, node, &row->v[i], last))) last = &row->v[i];
    return last ? h_type_of(last->kind) : CONTENT_NONE;
}

bool h_row_live(const struct h_row *row) {
    for (uint32_t i = 0; i < row->n; i++)
        if (row->v[i].kind != CELL_EXPIRY && (row->v[i].kind != CELL_ROW || row->v[i].value.n > 0)) return true;
    return false;
}

bool h_row_open(const struct h_row *row) {
    for (uint32_t i = 1; i < row->n; i++)
        if (row->v[i].kind == CELL_ROW && !slice_equal(row->v[i].value, row->v[0].value)) return true;
    return false;
}

uint64_t h_expire_ms(const struct h_row *row) {
    uint64_t longest = 0;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        uint64_t ms = 0;
        if ((e->kind != CELL_ROW && e->kind != CELL_EXPIRY) || (e->kind == CELL_ROW && e->value.n == 0)) continue;
        if (e->kind == CELL_ROW) ms = content_expires_ms(e->value);
        for (int k = 0; e->kind == CELL_EXPIRY && e->value.n && k < 8; k++) ms |= (uint64_t)e->value.p[k] << 8 * k;
        if (ms == 0) return 0;
        if (ms > longest) longest = ms;
    }
    return longest;
}

/* ---- values ---- */

#define NUMBER_TEXT 24

static amount_t number_in(struct slice text) {
    amount_t number = 0;
    bool negative = text.n > 1 && text.p[0] == '-';
    for (size_t i = negative; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || text.n > 18) return 0;
        number = number * 10 + (text.p[i] - '0');
    }
    return (negative ? -number : number) * H_ONE;
}

/* The register, with what was counted on it. Into `text` where it is a sum. */
static struct slice value_of(const struct history *h, uint32_t node, const struct h_row *row, enum cell_kind kind, struct slice name,
                             char text[static NUMBER_TEXT]) {
    const struct h_element *winner = winner_of(h, node, row, false, kind, name);
    amount_t sum = 0;
    bool counted = false;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        if (!e->counts || e->kind != kind || !slice_equal(e->name, name)) continue;
        counted = true;
        sum += e->op->amount;
    }
    if (!counted) return winner->value;
    if (winner) sum += number_in(winner->value);
    return SLICE(text, (size_t)snprintf(text, NUMBER_TEXT, "%lld", (long long)(sum / H_ONE)));
}

static bool named_before(const struct h_row *row, uint32_t at, enum content_type type) {
    for (uint32_t i = 0; i < at; i++)
        if (h_type_of(row->v[i].kind) == type && slice_equal(row->v[i].name, row->v[at].name)) return true;
    return false;
}

static void view_merged(const struct history *h, uint32_t node, const struct h_row *row, struct buf *out) {
    enum content_type type = h_shown_type(h, node, row);
    char text[NUMBER_TEXT];
    if (type == CONTENT_STRING) {
        content_make_string(out, 0, value_of(h, node, row, CELL_STRING, SLICE(NULL, 0), text));
        return;
    }
    struct content_column *columns = xcalloc(row->n + 1, sizeof *columns);
    char(*texts)[NUMBER_TEXT] = xcalloc(row->n + 1, sizeof *texts);
    size_t n = 0;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct h_element *e = &row->v[i];
        if (h_type_of(e->kind) != type || (type == CONTENT_HASH && named_before(row, i, type))) continue;
        columns[n].name = e->name;
        if (type == CONTENT_HASH) columns[n].value = value_of(h, node, row, CELL_FIELD, e->name, texts[n]);
        n++;
    }
    content_make(out, type, 0, columns, n);
    free(columns);
    free(texts);
}

static void view_as_cells(const struct history *h, uint32_t node, const struct h_row *whole, struct buf *out) {
    struct h_row cells = {.n = whole->n, .v = xmalloc(whole->n * sizeof *whole->v)};
    memcpy(cells.v, whole->v, whole->n * sizeof *whole->v);
    h_make_cells(&cells);
    if (h_shown_type(h, node, &cells) != CONTENT_NONE) view_merged(h, node, &cells, out);
    free(cells.v);
}

void h_view(const struct history *h, uint32_t node, uint32_t key, struct buf *out) {
    const struct h_row *row = history_row(h, node, key);
    buf_clear(out);
    if (row->n == 0) return;
    if (row->v[0].kind != CELL_ROW) {
        if (h_shown_type(h, node, row) != CONTENT_NONE) view_merged(h, node, row, out);
        return;
    }
    if (row->n > 1 && h_policy(h, node, key) == POLICY_MERGE) { /* its table merges since, and nobody has written it */
        view_as_cells(h, node, row, out);
        return;
    }
    struct slice content = h_winner(h, node, key, CELL_ROW, SLICE(NULL, 0))->value;
    if (content.n && content_expires_ms(content) > 0)
        content_with_expiry(out, content, 0);
    else
        buf_put(out, content.p, content.n);
}
