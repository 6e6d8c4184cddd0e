/* Rows at the end, workloads, the list of writes, and notes. */
#include "report_parts.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX   300u
#define WRITES_MAX 800u
#define NOTES_MAX  100u
#define VALUE_MAX  400u

/* ---- rows ---- */

static void put_value(const json_t *value, struct buf *out) {
    char *words = json_words(value, VALUE_MAX);
    html_text(words, 0, out);
    free(words);
}

static void put_values(const struct final_row *row, struct buf *out) {
    const char *dc;
    json_t *value;
    if (!row->others) {
        put_value(row->shown, out);
        return;
    }
    buf_text(out, "<dl class=values><dt>elsewhere</dt><dd>");
    put_value(row->shown, out);
    buf_text(out, "</dd>");
    json_object_foreach(row->others, dc, value) {
        HTML(out, "<dt>{}</dt><dd>", dc);
        put_value(value, out);
        buf_text(out, "</dd>");
    }
    buf_text(out, "</dl>");
}

/* Values at a key of the versions of a list, as far as one of `state` is wanted (NULL: all). */
static uint32_t put_versions(const json_t *versions, const char *state, uint32_t count, struct buf *out) {
    size_t i;
    const json_t *v;
    json_array_foreach(versions, i, v) {
        if (json_is_null(json_object_get(v, "dot")) || (state && strcmp(json_text_at(v, "state"), state) != 0)) continue;
        if (count++ >= 8) continue;
        buf_text(out, count > 1 ? "<br>" : "");
        char *words = json_words(json_object_get(v, "value"), 160);
        HTML(out, "{} <small>{}{}{}</small>", words, json_text_at(v, "dc"), state ? "" : ", ", state ? "" : json_text_at(v, "state"));
        free(words);
    }
    return count;
}

static void put_row(const struct final_row *row, struct buf *out) {
    size_t i;
    const json_t *cell;
    uint32_t hidden = 0;
    HTML(out, "<tr{}><th scope=row><code>{}</code></th><td class=value>", row->others ? " class=failed" : "", row->key);
    put_values(row, out);
    buf_text(out, "</td><td class=value>");
    json_array_foreach(json_object_get(row->explain, "cells"), i, cell)
        hidden = put_versions(json_object_get(cell, "versions"), "hidden", hidden, out);
    if (hidden > 8) buf_printf(out, "<br><small>and %u more</small>", hidden - 8);
    buf_text(out, "</td><td class=value>");
    uint32_t lost = put_versions(json_object_get(row->explain, "lost"), NULL, 0, out);
    if (lost > 8) buf_printf(out, "<br><small>and %u more</small>", lost - 8);
    HTML(out, "</td><td>{}</td></tr>\n", row->open ? "open conflict" : row->others ? "differs" : row_in_conflict(row) ? "settled" : "");
}

void report_rows(const struct picture *p, struct buf *out) {
    const struct outcome *o = p->outcome;
    uint32_t shown = 0, plain_room = ROWS_MAX, told = 0;
    char words[COUNT_WORDS_MAX];
    buf_text(out, "<section id=rows><h2>Rows at the end</h2>\n");
    if (!o->rows_count) {
        buf_text(out, "<p>None.</p></section>\n");
        return;
    }
    for (uint32_t i = 0; i < o->rows_count; i++) told += row_in_conflict(&o->rows[i]) || o->rows[i].others;
    plain_room = told < ROWS_MAX ? ROWS_MAX - told : 0;
    buf_text(out, "<div class=wide><table><thead><tr><th scope=col>Row</th><th scope=col>Readers see</th><th scope=col>Kept beside it</th>"
                  "<th scope=col>In the journal</th><th scope=col></th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < o->rows_count; i++) {
        bool plain = !row_in_conflict(&o->rows[i]) && !o->rows[i].others;
        if (shown == ROWS_MAX || (plain && plain_room == 0)) continue;
        plain_room -= plain;
        put_row(&o->rows[i], out);
        shown++;
    }
    buf_text(out, "</tbody></table></div>\n");
    if (shown < o->rows_count)
        HTML(out, "<p class=muted>{} rows are not shown: those in conflict came first.</p>\n", count_words(o->rows_count - shown, words));
    buf_text(out, "</section>\n");
}

/* ---- workloads ---- */

static void put_count(const json_t *of, const char *key, struct buf *out) {
    char words[COUNT_WORDS_MAX];
    buf_printf(out, "<td class=number>%s</td>", count_words((uint64_t)json_integer_value(json_object_get(of, key)), words));
}

void report_workloads(const struct picture *p, struct buf *out) {
    const char *name;
    json_t *w;
    if (!json_object_size(p->outcome->workloads)) return;
    buf_text(out, "<section id=workloads><h2>Workloads</h2>\n<div class=wide><table><thead><tr><th scope=col></th><th scope=col>Name</th>"
                  "<th scope=col>Kind</th><th scope=col class=number>Answered</th><th scope=col class=number>Refused</th>"
                  "<th scope=col class=number>Not known</th><th scope=col>Why</th></tr></thead><tbody>\n");
    json_object_foreach(p->outcome->workloads, name, w) {
        bool holds = json_is_true(json_object_get(w, "holds")), asked = json_is_boolean(json_object_get(w, "holds"));
        buf_printf(out, "<tr%s><td class='end %s'>%s</td>", asked && !holds ? " class=failed" : "", holds ? "held" : "failed",
                   !asked  ? ""
                   : holds ? "✓<span class=unseen>all is accounted for</span>"
                           : "✗<span class=unseen>something is missing</span>");
        HTML(out, "<th scope=row>{}</th><td>{}</td>", name, json_text_at(w, "kind"));
        put_count(w, "ok", out);
        put_count(w, "failed", out);
        put_count(w, "unknown", out);
        buf_text(out, "<td>");
        html_text(json_text_at(w, "why"), VALUE_MAX, out);
        buf_text(out, "</td></tr>\n");
    }
    buf_text(out, "</tbody></table></div></section>\n");
}

/* ---- writes ---- */

/* "eu +41 ms, ap +92 ms": where it arrived first. */
static void put_arrivals(const struct picture *p, const struct write_mark *w, struct buf *out) {
    const struct cluster *c = p->scenario->cluster;
    uint32_t count = 0;
    char words[TIME_WORDS_MAX];
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        for (uint32_t i = w->first_apply; i; i = p->applies[i - 1].next) {
            const struct apply_mark *a = &p->applies[i - 1];
            if (!a->first_of_dc || c->nodes[a->node].dc != dc) continue;
            buf_text(out, count++ ? ", " : "");
            HTML(out, "{} +{}", c->dcs[dc].name, time_words(a->at_us - w->at_us, words));
        }
    }
}

void report_writes(const struct picture *p, struct buf *out) {
    char words[COUNT_WORDS_MAX];
    uint32_t shown = 0, plain_room = WRITES_MAX, told = 0;
    for (size_t i = 0; i < p->writes_count; i++) told += p->writes[i].matters;
    plain_room = told < WRITES_MAX ? WRITES_MAX - told : 0;
    HTML(out, "<section id=writes><h2>{}</h2>\n<details{}><summary>{} {}</summary>", p->commands ? "Commands" : "Writes",
         p->writes_count <= 40 ? " open" : "", count_words(p->writes_count, words),
         p->commands ? "commands of steps, and where they were answered"
                     : "writes, where and when they were made, and when they first arrived elsewhere");
    buf_text(out,
             "<div class=wide><table><thead><tr><th scope=col>When</th><th scope=col>At</th><th scope=col>What</th><th scope=col>Arrived</th></tr>"
             "</thead><tbody>\n");
    for (size_t i = 0; i < p->writes_count && shown < WRITES_MAX; i++) {
        const struct write_mark *w = &p->writes[i];
        if (!w->matters && plain_room == 0) continue;
        plain_room -= !w->matters;
        shown++;
        buf_text(out, "<tr><td class=when>");
        report_time(w->at_us, out);
        HTML(out, "</td><td>{}</td><td><code>", p->scenario->cluster->nodes[w->node].name);
        html_text(w->text, VALUE_MAX, out);
        buf_text(out, "</code></td><td>");
        put_arrivals(p, w, out);
        buf_text(out, "</td></tr>\n");
    }
    buf_text(out, "</tbody></table></div>");
    if (shown < p->writes_count)
        HTML(out, "<p class=muted>{} writes are not in this list: those of steps, and of rows in conflict, came first.</p>",
             count_words(p->writes_count - shown, words));
    buf_text(out, "</details></section>\n");
}

/* ---- notes ---- */

static void put_note(const char *text, struct buf *out) { HTML(out, "<li>{}</li>\n", text); }

static void thinned(const struct picture *p, struct buf *out) {
    char some[COUNT_WORDS_MAX], all[COUNT_WORDS_MAX];
    size_t arrivals = 0;
    for (size_t i = 0; i < p->applies_count; i++) arrivals += p->writes[p->applies[i].write].shown;
    if (p->writes_shown < p->writes_count)
        HTML(out, "<li>Of {} writes the picture shows {}, at even distances; those of steps, and of rows in conflict, came first.</li>\n",
             count_words(p->writes_count, all), count_words(p->writes_shown, some));
    if (p->applies_shown < arrivals)
        HTML(out, "<li>Of {} arrivals of those writes the picture shows {}.</li>\n", count_words(arrivals, all), count_words(p->applies_shown, some));
    if (p->conflicts_count > SHOWN_MARKS_MAX)
        HTML(out, "<li>Of {} sightings of conflicts the picture shows {}.</li>\n", count_words(p->conflicts_count, all),
             count_words(SHOWN_MARKS_MAX, some));
    if (p->record->left_out)
        HTML(out, "<li>{} arrivals and frames were not recorded: the record was full.</li>\n", count_words(p->record->left_out, all));
    if (p->spans_left_out)
        HTML(out, "<li>{} faults and changes of leader are not drawn: there are too many.</li>\n", count_words(p->spans_left_out, all));
}

void report_notes(const struct picture *p, struct buf *out) {
    struct buf notes = {0};
    size_t i, shown = 0, left_out = 0;
    const json_t *note;
    thinned(p, &notes);
    if (!p->outcome->happenings)
        put_note("Nodes that really run are looked at now and then: times, and what had arrived where a version was made, are those of the looks.",
                 &notes);
    json_array_foreach(p->outcome->notes, i, note) if (json_is_string(note) && shown++ < NOTES_MAX) put_note(json_string_value(note), &notes);
    for (i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->kind != MOMENT_NOTE) continue;
        if (shown++ >= NOTES_MAX) {
            left_out++;
            continue;
        }
        buf_text(&notes, "<li>");
        report_time(m->at_us, &notes);
        buf_text(&notes, " ");
        html_text(m->text, VALUE_MAX, &notes);
        buf_text(&notes, "</li>\n");
    }
    if (left_out) buf_printf(&notes, "<li>%zu more notes are not shown.</li>\n", left_out);
    if (notes.n) {
        buf_text(out, "<section id=notes><h2>Notes</h2>\n<ul>\n");
        buf_put(out, notes.p, notes.n);
        buf_text(out, "</ul></section>\n");
    }
    buf_finish(&notes);
}
