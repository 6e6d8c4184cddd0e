/* What was expected and whether it held, and all steps with their replies. */
#include "report_parts.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 600u
#define TEXT_MAX  400u

/* What the record says of a step. */
struct step_seen {
    const struct moment *begun, *reply, *checked;
};

static struct step_seen *look(const struct picture *p) {
    struct step_seen *seen = xcalloc((size_t)p->scenario->steps_count + 1, sizeof *seen);
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->step == 0 || m->step > p->scenario->steps_count) continue;
        struct step_seen *s = &seen[m->step];
        if (m->kind == MOMENT_STEP && !s->begun) s->begun = m;
        if (m->kind == MOMENT_REPLY) s->reply = m;
        if ((m->kind == MOMENT_HOLDS || m->kind == MOMENT_FAILS) && (!s->checked || s->checked->kind == MOMENT_HOLDS)) s->checked = m;
    }
    return seen;
}

static enum step_end end_of(const struct picture *p, const struct step_seen *seen, uint32_t number) {
    if (p->outcome->failed_step == number || (seen[number].checked && seen[number].checked->kind == MOMENT_FAILS)) return STEP_FAILED;
    const struct step *s = &p->scenario->steps[number - 1];
    /* That a `never` holds, or that a reply is as it should be, is told by nobody. */
    bool held = seen[number].checked || (seen[number].begun && s->verb == STEP_NEVER) || (seen[number].reply && s->compare_count);
    return held ? STEP_HELD : seen[number].begun ? STEP_DONE : STEP_NOT_REACHED;
}

static const char *const end_marks[] = {[STEP_NOT_REACHED] = "<td class='end muted' title='not reached'>–</td>",
                                        [STEP_DONE] = "<td class=end></td>",
                                        [STEP_HELD] = "<td class='end held' title='holds'>✓<span class=unseen>holds</span></td>",
                                        [STEP_FAILED] = "<td class='end failed' title='fails'>✗<span class=unseen>fails</span></td>"};

void report_time(uint64_t at_us, struct buf *out) {
    char words[TIME_WORDS_MAX];
    buf_printf(out, "<button type=button class=at data-at='%llu'>%s</button>", (unsigned long long)at_us, time_words(at_us, words));
}

/* The step as it was told when it began; one that was not reached, as it stands in the file. */
static char *step_words(const struct step_seen *seen, const struct step *s) {
    if (seen[s->number].begun) return xstrdup(seen[s->number].begun->text);
    char *text = json_dumps(s->json, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? text : xstrdup("");
}

static void put_place(const struct step *s, struct buf *out) {
    buf_printf(out, "<td class=number>%u", s->number);
    if (s->line) buf_printf(out, "<br><small>line %u</small>", s->line);
    buf_text(out, "</td>");
}

static void put_when(const struct moment *m, struct buf *out) {
    buf_text(out, "<td class=when>");
    if (m) report_time(m->at_us, out);
    buf_text(out, "</td>");
}

/* ---- expectations ---- */

static bool expects(const struct step *s) { return s->verb == STEP_EXPECT || s->verb == STEP_NEVER || s->compare_count; }

static void put_expectation(const struct picture *p, const struct step_seen *seen, const struct step *s, struct buf *out) {
    enum step_end end = end_of(p, seen, s->number);
    char *words = step_words(seen, s);
    buf_printf(out, "<tr%s>%s", end == STEP_FAILED ? " class=failed" : "", end_marks[end]);
    put_when(seen[s->number].checked ? seen[s->number].checked : seen[s->number].begun, out);
    put_place(s, out);
    buf_text(out, "<td><code>");
    html_text(words, TEXT_MAX, out);
    buf_text(out, "</code>");
    free(words);
    if (seen[s->number].checked && *seen[s->number].checked->text) {
        buf_text(out, "<br>");
        html_text(seen[s->number].checked->text, TEXT_MAX, out);
    }
    if (end == STEP_FAILED && p->outcome->failed_step == s->number && !(seen[s->number].checked)) {
        buf_text(out, "<br>");
        html_text(p->outcome->failure, TEXT_MAX, out);
    }
    if (end == STEP_NOT_REACHED) buf_text(out, "<br><small>not reached</small>");
    buf_text(out, "</td></tr>\n");
}

/* What no step asked for: invariants. */
static void put_invariant(const struct moment *m, struct buf *out) {
    buf_printf(out, "<tr class=failed>%s", end_marks[STEP_FAILED]);
    put_when(m, out);
    buf_text(out, "<td></td><td>");
    html_text(m->text, TEXT_MAX, out);
    buf_text(out, "</td></tr>\n");
}

void report_expectations(const struct picture *p, struct buf *out) {
    struct step_seen *seen = look(p);
    uint32_t shown = 0, left_out = 0;
    buf_text(out, "<section id=expectations><h2>Expectations</h2>\n<div class=wide><table><thead><tr><th scope=col></th><th scope=col>When</th>"
                  "<th scope=col>Step</th><th scope=col>What</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < p->record->moments_count; i++)
        if (p->record->moments[i].kind == MOMENT_FAILS && p->record->moments[i].step == 0 && shown++ < STEPS_MAX)
            put_invariant(&p->record->moments[i], out);
    for (uint32_t i = 0; i < p->scenario->steps_count; i++) {
        const struct step *s = &p->scenario->steps[i];
        if (!expects(s)) continue;
        if (shown++ < STEPS_MAX || end_of(p, seen, s->number) == STEP_FAILED)
            put_expectation(p, seen, s, out);
        else
            left_out++;
    }
    buf_text(out, "</tbody></table></div>\n");
    if (!shown) buf_text(out, "<p>None were written down; at the end all nodes had to agree.</p>\n");
    if (left_out) buf_printf(out, "<p class=muted>%u more are not shown.</p>\n", left_out);
    buf_text(out, "</section>\n");
    free(seen);
}

/* ---- steps ---- */

static void put_reply(const struct picture *p, const struct step_seen *seen, const struct step *s, struct buf *out) {
    char number[16];
    snprintf(number, sizeof number, "%u", s->number);
    const json_t *reply = json_object_get(p->outcome->replies, number);
    buf_text(out, "<td><code>");
    if (seen[s->number].reply) {
        html_text(seen[s->number].reply->text, TEXT_MAX, out);
    } else if (reply) {
        char *words = json_words(reply, TEXT_MAX);
        html_text(words, 0, out);
        free(words);
    }
    buf_text(out, "</code></td>");
}

static void put_step(const struct picture *p, const struct step_seen *seen, const struct step *s, struct buf *out) {
    enum step_end end = end_of(p, seen, s->number);
    char *words = step_words(seen, s);
    buf_printf(out, "<tr id=step%u%s>%s", s->number, end == STEP_FAILED ? " class=failed" : "", end_marks[end]);
    put_when(seen[s->number].begun, out);
    put_place(s, out);
    buf_text(out, "<td><code>");
    html_text(words, TEXT_MAX, out);
    buf_text(out, "</code></td>");
    free(words);
    put_reply(p, seen, s, out);
    buf_text(out, "</tr>\n");
}

void report_steps(const struct picture *p, struct buf *out) {
    struct step_seen *seen = look(p);
    uint32_t count = p->scenario->steps_count, failed = p->outcome->failed_step, left_out = 0;
    buf_text(out,
             "<section id=steps><h2>Steps</h2>\n<div class=wide><table><thead><tr><th scope=col></th><th scope=col>When</th><th scope=col>Step</th>"
             "<th scope=col>What</th><th scope=col>Reply</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < count; i++) {
        bool near_failure = failed && i + 20 >= failed && i < failed + 5;
        if (i < STEPS_MAX || near_failure)
            put_step(p, seen, &p->scenario->steps[i], out);
        else
            left_out++;
    }
    buf_text(out, "</tbody></table></div>\n");
    if (left_out) buf_printf(out, "<p class=muted>%u more steps are not shown.</p>\n", left_out);
    buf_text(out, "</section>\n");
    free(seen);
}
