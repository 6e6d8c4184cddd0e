#include "policy.h"
#include "planted.h"
#include "row_build.h"
#include <assert.h>

/* ---- order ---- */

bool version_beats(const struct version *a, const struct version *b, const struct rules *rules, const struct origins *t) {
    if (rules && rules_any_mark(rules)) {
        bool a_marked = rules_marked(rules, a->dot), b_marked = rules_marked(rules, b->dot);
        if (a_marked != b_marked) return b_marked;
    }
    return a->stamp != b->stamp ? a->stamp > b->stamp : dot_compare(t, a->dot, b->dot) > 0;
}

bool version_outranks(const struct version *a, const struct version *b, const struct rules *rules, const struct origins *t) {
    int32_t a_priority = rules_priority(rules, origins_get(t, a->dot.origin)), b_priority = rules_priority(rules, origins_get(t, b->dot.origin));
    return a_priority != b_priority ? a_priority > b_priority : version_beats(a, b, rules, t);
}

uint32_t policy_winner(const struct row *r, const struct cell *c, enum policy p, const struct rules *rules, const struct origins *t) {
    assert(c->count >= 1);
    bool by_rank = p == POLICY_PRIORITY || p == POLICY_HANDLER || (p == POLICY_RECORD && conflict_planted != CONFLICT_BUG_RECORD_BY_STAMP);
    const struct version *v = cell_versions(r, c);
    uint32_t winner = 0;
    for (uint32_t i = 1; i < c->count; i++)
        if (by_rank ? version_outranks(&v[i], &v[winner], rules, t) : version_beats(&v[i], &v[winner], rules, t)) winner = i;
    return winner;
}

/* ---- expiry ---- */

static uint64_t expiry_of(struct slice value) {
    struct reader r = reader_of(value);
    return value.n ? read_u64(&r) : 0;
}

static bool counts_more(uint64_t ms, uint64_t than_ms) {
    if (conflict_planted == CONFLICT_BUG_EXPIRY_SHORTEST) return ms && (!than_ms || ms < than_ms);
    return than_ms && (!ms || ms > than_ms);
}

uint64_t row_expires_ms(const struct row *r) {
    bool any = false;
    uint64_t longest = 0;
    if (!r->cells_count) return 0;
    const struct cell *c = r->form == ROW_WHOLE ? &r->cells[0] : &r->cells[r->cells_count - 1];
    if (c->kind != CELL_ROW && c->kind != CELL_EXPIRY) return 0;
    for (uint32_t i = 0; i < c->count; i++) {
        struct slice content = cell_versions(r, c)[i].content;
        if (c->kind == CELL_ROW && !content.n) continue;
        uint64_t ms = c->kind == CELL_ROW ? content_expires_ms(content) : expiry_of(content);
        if (!any || counts_more(ms, longest)) longest = ms;
        any = true;
    }
    return longest;
}

/* ---- merged rows ---- */

struct merged {
    const struct row *r;
    const struct rules *rules;
    const struct origins *t;
};

/* The greatest element of a cell by (stamp, origin), a counter's latest increment being one. False: nothing is live. */
static bool greatest(const struct merged *m, const struct cell *c, struct version *ret) {
    bool any = false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct version *v = &cell_versions(m->r, c)[i];
        if (!any || version_beats(v, ret, m->rules, m->t)) *ret = *v;
        any = true;
    }
    for (uint32_t i = 0; i < c->counters_count; i++) {
        const struct counter *k = &cell_counters(m->r, c)[i];
        struct version v = {.dot = {k->origin, k->n}, .stamp = k->stamp};
        if (!counter_live(k)) continue;
        if (!any || version_beats(&v, ret, m->rules, m->t)) *ret = v;
        any = true;
    }
    return any;
}

/* The type that is shown: of elements of several types, that of the greatest. */
static enum content_type shown_type(const struct merged *m) {
    enum content_type found = CONTENT_NONE;
    bool several = row_types_collide(m->r);
    struct version best = {0}, v;
    for (uint32_t i = 0; i < m->r->cells_count; i++) {
        const struct cell *c = &m->r->cells[i];
        enum content_type type = cell_type(c->kind);
        if (type == CONTENT_NONE || !cell_live(m->r, c)) continue;
        if (!several) return type;
        if (greatest(m, c, &v) && (found == CONTENT_NONE || version_beats(&v, &best, m->rules, m->t))) {
            best = v;
            found = type;
        }
    }
    return found;
}

/* A register with what was counted on it. */
static void put_value(const struct merged *m, const struct cell *c, bool with_length, struct buf *out) {
    struct slice value = {0};
    char text[AMOUNT_TEXT_MAX];
    if (c->count) value = cell_versions(m->r, c)[policy_winner(m->r, c, POLICY_MERGE, m->rules, m->t)].content;
    bool counts = false;
    for (uint32_t i = 0; i < c->counters_count; i++) counts |= counter_live(&cell_counters(m->r, c)[i]);
    if (counts) {
        amount_t base = 0;
        if (!amount_parse(value, &base)) base = 0;
        value = SLICE(text, amount_format(amount_add(base, counters_sum(cell_counters(m->r, c), c->counters_count)), text));
    }
    if (with_length)
        buf_slice(out, value);
    else
        buf_put(out, value.p, value.n);
}

static void view_merged(const struct merged *m, struct buf *out) {
    enum content_type type = shown_type(m);
    buf_clear(out);
    if (type == CONTENT_NONE) return;
    buf_u8(out, (uint8_t)type);
    buf_varint(out, row_expires_ms(m->r));
    uint64_t count = 0;
    for (uint32_t i = 0; i < m->r->cells_count; i++) count += cell_type(m->r->cells[i].kind) == type && cell_live(m->r, &m->r->cells[i]);
    if (type != CONTENT_STRING) buf_varint(out, count);
    for (uint32_t i = 0; i < m->r->cells_count; i++) {
        const struct cell *c = &m->r->cells[i];
        if (cell_type(c->kind) != type || !cell_live(m->r, c)) continue;
        if (type != CONTENT_STRING) buf_slice(out, c->name);
        if (type != CONTENT_SET) put_value(m, c, type == CONTENT_HASH, out);
    }
}

/* ---- views ---- */

static void view_as_merged(const struct row *whole, const struct rules *rules, const struct origins *t, struct buf *scratch) {
    struct row made = {0};
    row_as_merged(whole, &made, t);
    view_merged(&(struct merged){&made, rules, t}, scratch);
    row_finish(&made);
}

struct view row_view(const struct row *r, const struct table_rule *table, const struct rules *rules, const struct origins *t, struct buf *scratch) {
    struct view view = {0};
    if (!r->cells_count) return view;
    if (r->form == ROW_MERGED) {
        view_merged(&(struct merged){r, rules, t}, scratch);
        view.content = buf_slice_of(scratch);
        return view;
    }
    const struct cell *c = &r->cells[0];
    if (!c->count) return view;
    if (table_merges(table) && c->count > 1) {
        view_as_merged(r, rules, t, scratch);
        view.content = buf_slice_of(scratch);
        return view;
    }
    view.content = cell_versions(r, c)[policy_winner(r, c, table->policy, rules, t)].content;
    view.conflict = table_keeps_below(table) && cell_open(r, c);
    if (c->count == 1 || !view.content.n) return view;
    uint64_t expires_ms = row_expires_ms(r);
    if (expires_ms == content_expires_ms(view.content)) return view;
    content_with_expiry(scratch, view.content, expires_ms);
    view.content = buf_slice_of(scratch);
    return view;
}
