/* In what the states of one row differ between nodes, in words; and which of them are right, where most nodes say the same. */
#include "asking.h"
#include <stdio.h>

#define WORDS_MAX 8u   /* differences of one node that are told */
#define VALUE_MAX 100u /* bytes of a value that are shown */

uint64_t differ_term(struct engine *e, struct slice key, const struct told *t) {
    return tell_decode(e, told_arg(t, 0), &e->row_told) ? row_digest(key, &e->row_told, e->origins) : 0;
}

bool differ_majority(struct engine *e, struct slice key, const struct question *states, uint64_t *ret_term) {
    uint64_t terms[NODES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < states->nodes_count; i++)
        if (told_well(&states->told[i])) terms[n++] = differ_term(e, key, &states->told[i]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t same = 0;
        for (uint32_t k = 0; k < n; k++) same += terms[k] == terms[i];
        if (2 * same <= n) continue;
        *ret_term = terms[i];
        return true;
    }
    return false;
}

/* ---- words ---- */

struct words {
    struct engine *e;
    struct buf *out;
    uint32_t count;
};

static bool begin(struct words *w) {
    if (w->count++ >= WORDS_MAX) return false;
    if (w->out->n) buf_text(w->out, "; ");
    return true;
}

static void put_version(struct words *w, const struct cell *c, const struct version *v) {
    struct buf value = {0};
    dot_format(w->e->origins, v->dot, w->out);
    if (c->kind == CELL_FIELD || c->kind == CELL_MEMBER)
        buf_printf(w->out, " of %s %.*s", inbox_kind_name(c->kind), (int)(c->name.n < VALUE_MAX ? c->name.n : VALUE_MAX), (const char *)c->name.p);
    if (c->kind != CELL_MEMBER) {
        inbox_format((uint8_t)c->kind, v->content, &value);
        buf_printf(w->out, " (%.*s%s)", (int)(value.n < VALUE_MAX ? value.n : VALUE_MAX), (const char *)value.p, value.n > VALUE_MAX ? "..." : "");
    }
    buf_finish(&value);
}

static const struct version *version_of(const struct row *r, const struct cell *c, struct dot d) {
    for (uint32_t i = 0; c && i < c->count; i++)
        if (dot_equal(cell_versions(r, c)[i].dot, d)) return &cell_versions(r, c)[i];
    return NULL;
}

/* What `a` has and `b` has not. */
static void versions_beyond(struct words *w, const struct row *a, const struct row *b, const char *verb, const char *after, bool contents) {
    for (uint32_t i = 0; i < a->cells_count; i++) {
        const struct cell *c = &a->cells[i], *other = row_cell(b, c->kind, c->name);
        for (uint32_t k = 0; k < c->count; k++) {
            const struct version *v = &cell_versions(a, c)[k], *o = version_of(b, other, v->dot);
            bool differs = o && contents && !slice_equal(v->content, o->content);
            if ((o && !differs) || !begin(w)) continue;
            buf_text(w->out, differs ? "has other content under " : verb);
            put_version(w, c, v);
            if (!differs) buf_text(w->out, after);
        }
    }
}

static void put_amount(struct words *w, const struct counter *c) {
    char text[AMOUNT_TEXT_MAX];
    size_t n = c ? amount_format(amount_add(c->total, -c->reset_total), text) : 0;
    buf_printf(w->out, "%.*s", n ? (int)n : 7, n ? text : "nothing");
}

static const struct counter *counter_of(const struct row *r, const struct cell *c, origin_ref o) {
    for (uint32_t i = 0; c && i < c->counters_count; i++)
        if (cell_counters(r, c)[i].origin == o && counter_live(&cell_counters(r, c)[i])) return &cell_counters(r, c)[i];
    return NULL;
}

static void counters_beside(struct words *w, const struct row *mine, const struct row *theirs, bool missing_only) {
    for (uint32_t i = 0; i < mine->cells_count; i++) {
        const struct cell *c = &mine->cells[i], *other = row_cell(theirs, c->kind, c->name);
        for (uint32_t k = 0; k < c->counters_count; k++) {
            const struct counter *a = &cell_counters(mine, c)[k], *b = counter_of(theirs, other, a->origin);
            bool same = b && !missing_only && a->n == b->n && amount_add(a->total, -a->reset_total) == amount_add(b->total, -b->reset_total);
            if (!counter_live(a) || same || (missing_only && b) || !begin(w)) continue;
            buf_text(w->out, "counts ");
            put_amount(w, missing_only ? NULL : a);
            buf_text(w->out, " by ");
            origin_format(origins_get(w->e->origins, a->origin), w->out);
            buf_text(w->out, " where the others count ");
            put_amount(w, missing_only ? a : b);
        }
    }
}

static void describe(struct engine *e, const struct row *mine, const struct row *others, struct buf *out) {
    struct words w = {.e = e, .out = out};
    if (!row_live(mine)) {
        buf_text(out, "has no such row");
        return;
    }
    if (!row_live(others)) {
        buf_text(out, "has a row that the others do not have");
        return;
    }
    versions_beyond(&w, others, mine, "lacks ", "", false);
    versions_beyond(&w, mine, others, "has ", ", which the others do not have", true);
    counters_beside(&w, mine, others, false);
    counters_beside(&w, others, mine, true);
    if (w.count > WORDS_MAX) buf_printf(out, "; and %u more", w.count - WORDS_MAX);
}

/* ---- the reply ---- */

static void reply_value(struct engine *e, struct reply *r, struct slice key, const struct row *row) {
    struct buf made = {0};
    struct slice content = row_live(row) ? row_view(row, rules_of(e->rules, key), e->rules, e->origins, &made).content : (struct slice){0};
    if (content.n)
        inbox_reply_value(r, CELL_ROW, content);
    else
        reply_null(r);
    buf_finish(&made);
}

static void reply_node(struct engine *e, struct reply *r, struct slice key, const struct question *states, uint32_t node, const struct row *right) {
    struct row row = {0};
    struct buf words = {0};
    const struct told *t = &states->told[node];
    bool good = told_well(t) && tell_decode(e, told_arg(t, 0), &row);
    if (!told_well(t))
        buf_text(&words, "has a row that is too large to be told");
    else if (!good)
        buf_text(&words, "tells a row that is damaged");
    else if (right && row_digest(key, &row, e->origins) != row_digest(key, right, e->origins))
        describe(e, &row, right, &words);
    reply_map(r, 3);
    reply_text(r, "node");
    reply_text(r, e->cluster->nodes[node].name);
    reply_text(r, "value");
    reply_value(e, r, key, &row);
    reply_text(r, "differs");
    if (words.n)
        reply_bulk(r, buf_slice_of(&words));
    else
        reply_null(r);
    buf_finish(&words);
    row_finish(&row);
}

void differ_reply(struct engine *e, struct reply *reply, struct slice key, const struct question *states) {
    struct row right = {0};
    uint64_t term = 0;
    bool majority = differ_majority(e, key, states, &term), found = false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < states->nodes_count; i++) {
        const struct told *t = &states->told[i];
        count += t->came;
        if (majority && !found && told_well(t) && differ_term(e, key, t) == term) found = tell_decode(e, told_arg(t, 0), &right);
    }
    reply_map(reply, 3);
    reply_text(reply, "key");
    reply_bulk(reply, key);
    reply_text(reply, "majority");
    reply_bool(reply, majority);
    reply_text(reply, "nodes");
    reply_array(reply, count);
    for (uint32_t i = 0; i < states->nodes_count; i++)
        if (states->told[i].came) reply_node(e, reply, key, states, i, found ? &right : NULL);
    row_finish(&right);
}
