#include "replay_whatif.h"
#include "print.h"
#include "replay_print.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

/* What was written and is not read: of the journal, in its order. */
static json_t *losers_of(const struct final_row *row) {
    json_t *list = json_array(), *lost;
    size_t i;
    json_array_foreach(json_object_get(row->explain, "lost"), i, lost) {
        const char *column = json_string_value(json_object_get(lost, "column")), *value = json_string_value(json_object_get(lost, "value"));
        if (column != NULL)
            json_array_append_new(list, json_sprintf("%s %s", column, value != NULL ? value : ""));
        else
            json_array_append(list, json_object_get(lost, "value"));
    }
    return list;
}

static json_t *side_json(const struct final_row *row) {
    if (row == NULL) return json_null();
    return json_pack("{s:O?, s:o, s:b}", "value", row->shown, "losers", losers_of(row), "open", row->open);
}

static void compare_row(const struct final_row *a, const struct final_row *b, json_t *rows, uint32_t *alike) {
    json_t *written = side_json(a), *other = side_json(b);
    if (json_equal(written, other)) {
        json_decref(written), json_decref(other);
        ++*alike;
        return;
    }
    json_array_append_new(rows, json_pack("{s:s, s:o, s:o}", "key", a != NULL ? a->key : b->key, "written", written, "other", other));
}

/* Both are in order of key. */
json_t *whatif_compare(const struct outcome *written, const struct outcome *other, uint32_t *ret_alike) {
    json_t *rows = json_array();
    *ret_alike = 0;
    for (uint32_t i = 0, k = 0; i < written->rows_count || k < other->rows_count;) {
        int order = i == written->rows_count ? 1 : k == other->rows_count ? -1 : strcmp(written->rows[i].key, other->rows[k].key);
        compare_row(order <= 0 ? &written->rows[i] : NULL, order >= 0 ? &other->rows[k] : NULL, rows, ret_alike);
        i += order <= 0;
        k += order >= 0;
    }
    return rows;
}

/* ---- both plays ---- */

/* The step's time stays, so that all others keep theirs. */
static void expect_nothing(json_t *file, uint32_t step) {
    json_t *steps = json_object_get(file, "steps"), *old = json_array_get(steps, step - 1), *fresh = json_pack("{s:s}", "expect", "PING");
    static const char *const times[] = {"at", "after"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (json_object_get(old, times[i]) != NULL) json_object_set(fresh, times[i], json_object_get(old, times[i]));
    json_array_set_new(steps, step - 1, fresh);
}

static bool play_once(const struct scenario_file *f, const json_t *expanded, const struct whatif_plan *p, struct whatif_side *side, struct buf *why) {
    outcome_finish(&side->outcome);
    scenario_finish(&side->scenario);
    side->scenario = (struct scenario){0};
    side->outcome = (struct outcome){0};
    if (!scenario_parse(f, json_deep_copy(expanded), &side->scenario, why)) return false;
    struct handler_files *handlers = handler_files_open(&side->scenario, p->force, why);
    if (handlers == NULL) return false;
    replay_play(&side->scenario, &(struct replay_options){.handlers = handlers, .rows = true}, &side->outcome);
    handler_files_close(handlers);
    return true;
}

static bool play_side(const struct scenario_file *f, const struct whatif_plan *p, struct whatif_side *side, struct buf *why) {
    json_t *expanded;
    char number[16];
    side->failures = json_object();
    if (!scenario_draw(f, p->seed, &expanded, why)) return false;
    bool ok = play_once(f, expanded, p, side, why);
    while (ok && side->outcome.verdict == VERDICT_EXPECTATION && side->outcome.failed_step > 0) {
        snprintf(number, sizeof number, "%u", side->outcome.failed_step);
        if (json_object_get(side->failures, number) != NULL) break;
        json_object_set_new(side->failures, number, json_string(side->outcome.failure));
        expect_nothing(expanded, side->outcome.failed_step);
        ok = play_once(f, expanded, p, side, why);
    }
    side->verdict = side->outcome.verdict;
    if (side->verdict == VERDICT_PASS && json_object_size(side->failures) > 0) side->verdict = VERDICT_EXPECTATION;
    json_decref(expanded);
    return ok;
}

static bool set_policies(const struct whatif_plan *p, json_t *file, struct buf *why) {
    for (uint32_t i = 0; i < p->policies_count; i++)
        if (!scenario_set_policy(file, p->policies[i], why)) return false;
    return true;
}

bool whatif_run(const struct whatif_plan *p, struct whatif *ret, struct buf *why) {
    struct scenario_file changed = {.json = json_deep_copy(p->file->json), .path = p->file->path, .places = p->file->places};
    *ret = (struct whatif){0};
    bool ok = set_policies(p, changed.json, why) && play_side(p->file, p, &ret->written, why) && play_side(&changed, p, &ret->other, why);
    if (ok) ret->rows = whatif_compare(&ret->written.outcome, &ret->other.outcome, &ret->alike);
    json_decref(changed.json);
    if (!ok) whatif_finish(ret);
    return ok;
}

static void side_finish(struct whatif_side *side) {
    outcome_finish(&side->outcome);
    scenario_finish(&side->scenario);
    json_decref(side->failures);
}

void whatif_finish(struct whatif *w) {
    side_finish(&w->written), side_finish(&w->other);
    json_decref(w->rows);
    *w = (struct whatif){0};
}

enum verdict whatif_verdict(const struct whatif *w) {
    if (w->written.verdict != VERDICT_PASS) return w->written.verdict;
    return w->other.verdict == VERDICT_EXPECTATION ? VERDICT_PASS : w->other.verdict;
}

/* ---- for people ---- */
static void print_losers(const json_t *side, struct buf *out) {
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(side, "losers"), i, value) {
        if (i > 0) buf_text(out, ", ");
        print_value(value, out);
    }
    if (json_array_size(json_object_get(side, "losers")) == 0) buf_text(out, "none");
}

static void print_aspect(const json_t *side, const char *aspect, struct buf *out) {
    if (json_is_null(side))
        buf_text(out, "no row");
    else if (strcmp(aspect, "value") == 0)
        print_value(json_object_get(side, aspect), out);
    else if (strcmp(aspect, "losers") == 0)
        print_losers(side, out);
    else
        buf_text(out, json_is_true(json_object_get(side, aspect)) ? "open" : "none open");
    buf_u8(out, 0);
}

static void row_lines(struct table *t, const json_t *row) {
    static const struct { const char *key, *title; } aspects[] = {{"value", "value"}, {"losers", "losers"}, {"open", "conflict"}};
    const json_t *written = json_object_get(row, "written"), *other = json_object_get(row, "other");
    const char *key = json_string_value(json_object_get(row, "key"));
    for (size_t i = 0; i < sizeof aspects / sizeof aspects[0]; i++) {
        struct buf a = {0}, b = {0};
        if (json_equal(json_object_get(written, aspects[i].key), json_object_get(other, aspects[i].key))) continue;
        print_aspect(written, aspects[i].key, &a);
        print_aspect(other, aspects[i].key, &b);
        table_cell(t, "%s", key), table_cell(t, "%s", aspects[i].title);
        table_cell(t, "%s", (const char *)a.p), table_cell(t, "%s", (const char *)b.p);
        buf_finish(&a), buf_finish(&b);
        key = "";
    }
}

/* "users=record", of each table that is asked about. */
static void print_policies(const struct whatif_plan *p, const struct scenario *s, struct buf *out) {
    for (uint32_t i = 0; i < p->policies_count; i++) {
        size_t n = strcspn(p->policies[i], "=");
        const struct cluster_table *table = &s->cluster->rest;
        for (uint32_t k = 0; k < s->cluster->tables_count; k++)
            if (strlen(s->cluster->tables[k].name) == n && strncmp(s->cluster->tables[k].name, p->policies[i], n) == 0)
                table = &s->cluster->tables[k];
        buf_printf(out, "%s%.*s=", i > 0 ? " " : "", (int)n, p->policies[i]);
        policy_format(table->policy, &table->chain, out);
    }
    buf_u8(out, 0);
}

static void print_heads(const struct whatif_plan *p, const struct whatif *w, struct table *t) {
    struct buf written = {0}, other = {0};
    print_policies(p, &w->written.scenario, &written);
    print_policies(p, &w->other.scenario, &other);
    table_cell(t, "ROW"), table_cell(t, "WHAT");
    table_cell(t, "AS WRITTEN: %s", (const char *)written.p), table_cell(t, "WHAT IF: %s", (const char *)other.p);
    buf_finish(&written), buf_finish(&other);
}

static void print_failures(const struct whatif_side *side, const struct whatif_side *than, const char *title, struct buf *out) {
    const char *number;
    json_t *text;
    json_object_foreach(side->failures, number, text) {
        if (json_object_get(than->failures, number) == NULL) buf_printf(out, "  %s: %s\n", title, json_string_value(text));
    }
    if (side->outcome.verdict != VERDICT_PASS) buf_printf(out, "  %s: %s: %s\n", title, verdict_words(side->outcome.verdict), side->outcome.failure);
}

void whatif_print(const struct whatif_plan *p, const struct whatif *w, struct buf *out) {
    struct table t = {.columns = 4};
    size_t i;
    json_t *row;
    print_heads(p, w, &t);
    json_array_foreach(w->rows, i, row) row_lines(&t, row);
    table_print(&t, out);
    table_finish(&t);
    buf_printf(out, "%zu row%s, %u alike; conflicts open: %llu as written, %llu under the other policy\n", json_array_size(w->rows),
               json_array_size(w->rows) == 1 ? " differs" : "s differ", w->alike, (unsigned long long)w->written.outcome.conflicts_open,
               (unsigned long long)w->other.outcome.conflicts_open);
    print_failures(&w->written, &w->other, "as written", out);
    print_failures(&w->other, &w->written, "what if", out);
}

static json_t *side_outcome(const struct whatif_side *side) {
    json_t *j = outcome_json(&side->scenario, &side->outcome);
    json_object_set_new(j, "outcome", json_string(verdict_words(side->verdict)));
    json_object_set_new(j, "exit", json_integer(side->verdict));
    json_object_set(j, "failed_expectations", side->failures);
    return j;
}

json_t *whatif_json(const struct whatif_plan *p, const struct whatif *w) {
    json_t *policies = json_array();
    for (uint32_t i = 0; i < p->policies_count; i++) json_array_append_new(policies, json_string(p->policies[i]));
    return json_pack("{s:o, s:O, s:i, s:o, s:o}", "what_if", policies, "rows", w->rows, "alike", (int)w->alike, "written", side_outcome(&w->written),
                     "other", side_outcome(&w->other));
}
