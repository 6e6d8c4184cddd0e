/* The result of a replay: expectations, rows and conflicts, the verdict. */
#include "replay_print.h"
#include "print.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_SHOWN 40u
#define RED        "\033[1;31m"
#define GREEN      "\033[32m"
#define PLAIN      "\033[0m"

void print_time(uint64_t us, struct buf *out) {
    char text[32];
    int n = snprintf(text, sizeof text, "%llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
    while (text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    buf_printf(out, "%.*ss", n, text);
}

void print_count(uint64_t n, struct buf *out) {
    if (n >= 1000) {
        print_count(n / 1000, out);
        buf_printf(out, ",%03u", (unsigned)(n % 1000));
    } else {
        buf_printf(out, "%u", (unsigned)n);
    }
}

void print_value(const json_t *value, struct buf *out) {
    if (value == NULL || json_is_null(value)) {
        buf_text(out, "(nil)");
        return;
    }
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    buf_text(out, text != NULL ? text : json_is_string(value) ? json_string_value(value) : "?");
    free(text);
}

void show_text(FILE *file, struct buf *text) {
    if (text->n > 0) fwrite(text->p, 1, text->n, file);
    buf_clear(text);
}

/* ---- expectations ---- */
static void print_expectation(const struct scenario *s, const struct moment *m, bool colours, struct buf *out) {
    bool holds = m->kind == MOMENT_HOLDS;
    buf_printf(out, "  %s%s%s  ", colours ? (holds ? GREEN : RED) : "", holds ? "ok  " : "FAIL", colours ? PLAIN : "");
    if (m->step > 0 && m->step <= s->steps_count) {
        const struct step *step = &s->steps[m->step - 1];
        char place[64] = "";
        if (step->line > 0) snprintf(place, sizeof place, ":%u", step->line);
        buf_printf(out, "%s%s: step %u, at ", s->path, place, m->step);
    } else {
        buf_printf(out, "%s: at ", s->path);
    }
    print_time(m->at_us, out);
    buf_printf(out, ": %s\n", m->text);
}

static void print_expectations(const struct scenario *s, const struct record *r, bool colours, struct buf *out) {
    for (size_t i = 0; i < r->moments_count; i++)
        if (r->moments[i].kind == MOMENT_HOLDS || r->moments[i].kind == MOMENT_FAILS) print_expectation(s, &r->moments[i], colours, out);
}

/* ---- rows ---- */
static void cell_value(struct table *t, const json_t *value) {
    struct buf text = {0};
    print_value(value, &text);
    table_cell(t, "%.*s", (int)(text.n < 60 ? text.n : 60), (const char *)text.p);
    buf_finish(&text);
}

static void row_cells(struct table *t, const struct final_row *row) {
    const char *dc;
    json_t *other;
    table_cell(t, "  %s", row->key);
    cell_value(t, row->shown);
    table_cell(t, "%u", row->siblings);
    table_cell(t, "%u", row->losers);
    table_cell(t, "%s", row->open ? "open" : "");
    json_object_foreach(row->others, dc, other) {
        table_cell(t, "    at %s", dc);
        cell_value(t, other);
        for (int i = 0; i < 3; i++) table_cell(t, "%s", "");
    }
}

static void print_rows(const struct outcome *o, struct buf *out) {
    struct table t = {.columns = 5};
    static const char *const heads[] = {"  ROW", "VALUE", "VERSIONS", "LOSERS", "CONFLICT"};
    uint32_t shown = o->rows_count < ROWS_SHOWN ? o->rows_count : ROWS_SHOWN;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
    for (uint32_t i = 0; i < shown; i++) row_cells(&t, &o->rows[i]);
    buf_printf(out, "\nAt the end, %u row%s, conflicts open: %llu\n", o->rows_count, o->rows_count == 1 ? "" : "s",
               (unsigned long long)o->conflicts_open);
    if (shown > 0) table_print(&t, out);
    if (shown < o->rows_count) buf_printf(out, "  and %u more (--json has them all)\n", o->rows_count - shown);
    table_finish(&t);
}

static void print_notes(const struct outcome *o, struct buf *out) {
    size_t i;
    json_t *note;
    json_array_foreach(o->notes, i, note) {
        buf_text(out, "  note: ");
        print_value(note, out);
        buf_u8(out, '\n');
    }
}

static void print_workloads(const struct outcome *o, struct buf *out) {
    const char *name;
    json_t *w;
    json_object_foreach(o->workloads, name, w) {
        static const char *const counts[] = {"ok", "failed", "unknown", "reads"};
        buf_printf(out, "  workload %s:", name);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            const json_t *n = json_object_get(w, counts[i]);
            if (n == NULL) continue;
            buf_printf(out, "%s %s ", i > 0 ? "," : "", counts[i]);
            print_value(n, out);
        }
        buf_u8(out, '\n');
    }
}

void print_verdict(const struct outcome *o, bool colours, struct buf *out) {
    buf_printf(out, "%s%s%s after ", colours ? (o->verdict == VERDICT_PASS ? GREEN : RED) : "", verdict_words(o->verdict), colours ? PLAIN : "");
    print_time(o->length_us, out);
    buf_text(out, " of the cluster's time");
}

void print_result(const struct scenario *s, const struct record *r, const struct outcome *o, bool colours, struct buf *out) {
    if (r != NULL) print_expectations(s, r, colours, out);
    print_workloads(o, out);
    print_notes(o, out);
    if (o->verdict == VERDICT_PASS) return;
    if (o->verdict != VERDICT_BAD_FILE) print_rows(o, out);
    buf_printf(out, "\n%s\n", o->failure);
}

/* ---- as JSON ---- */
static json_t *row_json(const struct final_row *row) {
    json_t *j = json_pack("{s:s, s:O?, s:i, s:i, s:b}", "key", row->key, "shown", row->shown, "versions", (int)row->siblings, "losers",
                          (int)row->losers, "open", row->open);
    if (row->others != NULL) json_object_set(j, "others", row->others);
    if (row->explain != NULL) json_object_set(j, "explain", row->explain);
    return j;
}

static json_t *rows_json(const struct outcome *o) {
    json_t *rows = json_array();
    for (uint32_t i = 0; i < o->rows_count; i++) json_array_append_new(rows, row_json(&o->rows[i]));
    return rows;
}

json_t *outcome_json(const struct scenario *s, const struct outcome *o) {
    char hash[17], seed[24];
    json_t *j = json_object();
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)o->trace_hash);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    json_object_set_new(j, "outcome", json_string(verdict_words(o->verdict)));
    json_object_set_new(j, "exit", json_integer(o->verdict));
    json_object_set_new(j, "scenario", json_string(s->name));
    json_object_set_new(j, "file", json_string(s->path));
    json_object_set_new(j, "seed", json_string(seed));
    if (o->failure[0] != '\0') json_object_set_new(j, "failure", json_string(o->failure));
    if (o->failed_step > 0) json_object_set_new(j, "failed_step", json_integer(o->failed_step));
    json_object_set_new(j, "length_us", json_integer((json_int_t)o->length_us));
    json_object_set_new(j, "rows", rows_json(o));
    json_object_set_new(j, "conflicts_open", json_integer((json_int_t)o->conflicts_open));
    json_object_set(j, "replies", o->replies);
    json_object_set(j, "workloads", o->workloads);
    json_object_set(j, "notes", o->notes);
    if (o->trace_hash != 0) json_object_set_new(j, "trace_hash", json_string(hash));
    json_object_set_new(j, "happenings", json_integer((json_int_t)o->happenings));
    json_object_set_new(j, "events", json_integer((json_int_t)o->events));
    return j;
}
