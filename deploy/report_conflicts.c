/* A panel per conflict: its versions with who made them, when, and knowing what; which of them is read, and what became of the others. */
#include "report_panel.h"

#include "../conflict/journal.h"

#include <stdlib.h>
#include <string.h>

#define PANELS_MAX  40u
#define PANELS_OPEN 8u /* the others are folded */
#define VALUE_MAX   1200u

/* ---- what belongs to it ---- */

static bool same_column(const char *a, const json_t *b) {
    const char *text = json_string_value(b);
    return a && text ? strcmp(a, text) == 0 : !a && !text;
}

static void add_version(struct panel *x, const json_t *version, bool live) {
    if (json_is_null(json_object_get(version, "dot"))) return;
    if (x->count == VERSIONS_MAX) {
        x->left_out++;
        return;
    }
    x->versions[x->count++] = (struct known_version){version, picture_write(x->p, version), live};
}

static int by_time(const void *a, const void *b) {
    const struct known_version *x = a, *y = b;
    if (x->write && y->write && x->write->order != y->write->order) return x->write->order < y->write->order ? -1 : 1;
    return strcmp(json_text_at(x->json, "stamp"), json_text_at(y->json, "stamp"));
}

/* Elements of more than one type: all of them are its versions. */
static bool is_of_types(const struct panel *x) { return x->kind && strcmp(x->kind, "types") == 0; }

static bool of_panel(const struct panel *x, const json_t *cell) {
    if (is_of_types(x)) return true;
    return same_column(x->column, json_object_get(cell, "name")) && (!x->kind || strcmp(x->kind, json_text_at(cell, "kind")) == 0);
}

static void gather(struct panel *x) {
    size_t i, k;
    const json_t *cell, *version;
    json_array_foreach(json_object_get(x->row->explain, "cells"), i, cell) {
        if (!of_panel(x, cell)) continue;
        json_array_foreach(json_object_get(cell, "versions"), k, version) add_version(x, version, true);
    }
    json_array_foreach(json_object_get(x->row->explain, "lost"), i,
                       version) if (is_of_types(x) || same_column(x->column, json_object_get(version, "column"))) add_version(x, version, false);
    qsort(x->versions, x->count, sizeof *x->versions, by_time);
    for (size_t m = 0; m < x->p->conflicts_count && !x->met_us; m++) {
        const struct conflict_mark *mark = &x->p->conflicts[m];
        if (mark->row < 0 || &x->p->outcome->rows[mark->row] != x->row || mark->moment->kind != MOMENT_CONFLICT) continue;
        if (!x->column || strstr(mark->moment->text, x->column)) x->met_us = mark->moment->at_us;
    }
}

/* ---- in words ---- */

/* What a policy shows, in the words of its list. */
static const char *policy_does(const char *policy) {
    static const struct {
        const char *name, *does;
    } policies[] = {
#define X(name, text, doc) {text, doc},
        POLICIES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        size_t n = strlen(policies[i].name);
        if (strncmp(policy, policies[i].name, n) == 0 && (policy[n] == 0 || policy[n] == ':')) return policies[i].does;
    }
    return "";
}

/* Words in backquotes are code. */
static void put_doc(const char *doc, struct buf *out) {
    bool code = false;
    for (const char *p = doc; *p; p++) {
        if (*p == '`') code = !code;
        char text[2] = {*p, 0};
        if (*p == '`')
            buf_text(out, code ? "<code>" : "</code>");
        else
            html_text(text, 0, out);
    }
}

static const char *outcome_does(const char *outcome) {
    static const struct {
        const char *name, *does;
    } outcomes[] = {
#define X(name, number, text, doc) {text, doc},
        LOSS_OUTCOMES(X)
#undef X
            {"read", "what readers see"},
        {"hidden", "kept beside it, and not read"},
    };
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcome, outcomes[i].name) == 0) return outcomes[i].does;
    return "";
}

static void summary(const struct panel *x, struct buf *out) {
    const char *policy = json_text_at(x->row->explain, "policy");
    uint32_t hidden = 0, lost = 0;
    int32_t read = -1;
    for (uint32_t i = 0; i < x->count; i++) {
        const char *state = json_text_at(x->versions[i].json, "state");
        if (strcmp(state, "read") == 0) read = (int32_t)i;
        hidden += strcmp(state, "hidden") == 0;
        lost += !x->versions[i].live && strcmp(state, "replaced") != 0;
    }
    const json_t *all = json_object_get(x->row->explain, "reads"); /* of the whole row */
    char *reads = json_words(!x->column ? all : read >= 0 ? json_object_get(x->versions[read].json, "value") : NULL, 200);
    if (read >= 0) {
        char name[2] = {panel_letter((uint32_t)read), 0};
        HTML(out, "<p>Readers see <b>{}</b>: version {}, written in {}. ", reads, name, json_text_at(x->versions[read].json, "dc"));
    } else {
        HTML(out, "<p>Readers see <b>{}</b>. ", reads);
    }
    free(reads);
    if (hidden) buf_printf(out, "%u version%s kept beside it and not read. ", hidden, hidden == 1 ? " is" : "s are");
    if (lost) buf_printf(out, "%u version%s left the row and %s in the journal. ", lost, lost == 1 ? " has" : "s have", lost == 1 ? "is" : "are");
    HTML(out, "<span class=muted>Policy <code>{}</code>: ", policy);
    put_doc(policy_does(policy), out);
    buf_text(out, ".</span></p>");
}

/* Did the step give the context of its write? Then what had arrived at the node does not count. */
static bool has_own_context(const struct picture *p, uint32_t step) {
    if (step == 0 || step > p->scenario->steps_count) return false;
    const struct step *s = &p->scenario->steps[step - 1];
    return s->knows_given || (s->command && (strncasecmp(s->command, "TRUCE.WITH ", 11) == 0 || strncasecmp(s->command, "TRUCE.RESOLVE ", 14) == 0));
}

static bool is_known(const struct panel *x, uint32_t of, uint32_t version) {
    const struct write_mark *w = x->versions[version].write;
    return version != of && w && picture_knew(x->p, x->versions[of].write, w);
}

/* Letters of the versions that had arrived where this one was made. */
static void knew(const struct panel *x, uint32_t of, struct buf *out) {
    uint32_t count = 0;
    if (!x->versions[of].write) {
        buf_text(out, "<span class=muted>not known</span>");
        return;
    }
    for (uint32_t i = 0; i < x->count; i++) {
        uint32_t last = i;
        while (last < x->count && is_known(x, of, last)) last++;
        if (last == i) continue;
        buf_printf(out, "%s<b>%c</b>", count++ ? ", " : "", panel_letter(i));
        if (last - i > 1) buf_printf(out, "%s<b>%c</b>", last - i > 2 ? "–" : ", ", panel_letter(last - 1));
        i = last;
    }
    if (!count) buf_text(out, "none of them");
    uint32_t step = x->versions[of].write->step;
    if (has_own_context(x->p, step)) buf_printf(out, "<br><small>but step <a href='#step%u'>%u</a> said itself what it knew</small>", step, step);
}

static void version_row(const struct panel *x, uint32_t i, struct buf *out) {
    const struct known_version *v = &x->versions[i];
    const char *state = json_text_at(v->json, "state");
    char *value = json_words(json_object_get(v->json, "value"), VALUE_MAX);
    buf_printf(out, "<tr class='%s'><th scope=row>%c</th>", strcmp(state, "read") == 0 ? "read" : v->live ? "hidden" : "gone", panel_letter(i));
    HTML(out, "<td class=value>{}</td><td>{}", value, json_text_at(v->json, "dc"));
    free(value);
    if (v->write) {
        HTML(out, ", at {} ", x->p->scenario->cluster->nodes[v->write->node].name);
        report_time(v->write->at_us, out);
    }
    HTML(out, "<br><small title='{}'>stamp {}", json_text_at(v->json, "dot"), json_text_at(v->json, "stamp"));
    json_int_t priority = json_integer_value(json_object_get(v->json, "priority"));
    if (priority) buf_printf(out, ", priority %lld", (long long)priority);
    if (json_is_true(json_object_get(v->json, "marked"))) buf_text(out, ", by a clock that was off");
    buf_text(out, "</small></td><td>");
    knew(x, i, out);
    HTML(out, "</td><td><b>{}</b><br><small>{}</small></td></tr>\n", state, outcome_does(state));
}

/* ---- panels ---- */

static void put_panel(struct panel *x, bool unfolded, struct buf *out) {
    gather(x);
    HTML(out, "<details class='panel {}'{}><summary><h3><code>{}</code>{}<code>{}</code> <span class='chip'>{}</span></h3></summary>\n",
         x->open ? "open" : "closed", unfolded ? " open" : "", x->row->key, x->column ? " column " : "", x->column ? x->column : "",
         x->open ? "open" : "closed");
    summary(x, out);
    panel_draw(x, out);
    buf_text(out, "<div class=wide><table class=versions><thead><tr><th scope=col><span class=unseen>version</span></th><th scope=col>Value</th>"
                  "<th scope=col>Written</th><th scope=col>Had arrived there</th><th scope=col>What became of it</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < x->count; i++) version_row(x, i, out);
    buf_text(out, "</tbody></table></div>\n");
    if (x->left_out) buf_printf(out, "<p class=muted>%u more versions are not shown.</p>\n", x->left_out);
    buf_text(out, "</details>\n");
}

/* Is there an earlier episode of the same column? They are one panel. */
static bool is_repeated(const json_t *episodes, size_t index) {
    const json_t *column = json_object_get(json_array_get(episodes, index), "column");
    for (size_t i = 0; i < index; i++)
        if (same_column(json_string_value(column), json_object_get(json_array_get(episodes, i), "column"))) return true;
    return false;
}

static bool any_open(const json_t *episodes, const json_t *column) {
    size_t i;
    const json_t *e;
    json_array_foreach(episodes, i, e) if (json_is_true(json_object_get(e, "open")) &&
                                           same_column(json_string_value(column), json_object_get(e, "column"))) return true;
    return false;
}

static void panels_of_row(const struct picture *p, const struct final_row *row, uint32_t *shown, uint32_t *left_out, struct buf *out) {
    const json_t *episodes = json_object_get(row->explain, "episodes"), *e;
    size_t i;
    bool none = json_array_size(episodes) == 0;
    json_array_foreach(episodes, i, e) {
        if (is_repeated(episodes, i)) continue;
        const json_t *column = json_object_get(e, "column");
        struct panel x = {
            .p = p, .row = row, .column = json_string_value(column), .open = any_open(episodes, column), .kind = json_text_at(e, "kind")};
        if ((*shown)++ < PANELS_MAX)
            put_panel(&x, *shown <= PANELS_OPEN, out);
        else
            (*left_out)++;
    }
    /* Losers whose episode is no longer kept. */
    struct panel x = {.p = p, .row = row, .open = row->open};
    if (none && (*shown)++ < PANELS_MAX) put_panel(&x, *shown <= PANELS_OPEN, out);
}

void report_conflicts(const struct picture *p, struct buf *out) {
    uint32_t shown = 0, left_out = 0;
    buf_text(out, "<section id=conflicts><h2>Conflicts</h2>\n");
    for (int open = 1; open >= 0; open--)
        for (uint32_t i = 0; i < p->outcome->rows_count; i++)
            if (row_in_conflict(&p->outcome->rows[i]) && p->outcome->rows[i].open == (open == 1))
                panels_of_row(p, &p->outcome->rows[i], &shown, &left_out, out);
    if (!shown) buf_text(out, "<p>None: no two datacenters changed the same value without knowing of each other.</p>\n");
    if (left_out) buf_printf(out, "<p class=muted>%u more conflicts are not shown here; the rows below tell of them in brief.</p>\n", left_out);
    buf_text(out, "</section>\n");
}
