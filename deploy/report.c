#include "report.h"
#include "report_parts.h"
#include "report_texts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the head of the page ---- */

/* Nothing may be loaded, and no script runs but the page's own: whoever wrote the data cannot know the number. */
static uint64_t page_number(const struct picture *p) {
    struct buf all = {0};
    for (size_t i = 0; i < p->record->moments_count; i++) buf_text(&all, p->record->moments[i].text);
    buf_u64(&all, p->outcome->trace_hash);
    buf_text(&all, p->outcome->failure);
    uint64_t number = hash64_seeded(buf_slice_of(&all), p->length_us);
    buf_finish(&all);
    return number;
}

static void put_head(const struct picture *p, uint64_t number, struct buf *out) {
    buf_text(out, "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
    buf_printf(out,
               "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-%016" PRIx64
               "'\">\n",
               number);
    HTML(out, "<meta name=viewport content='width=device-width,initial-scale=1'>\n<title>{} · {}</title>\n", p->scenario->name,
         verdict_words(p->outcome->verdict));
    buf_text(out, "<style>\n");
    buf_text(out, text_css);
    buf_text(out, "</style>\n</head>\n");
}

/* A word as a shell takes it. */
static void put_shell(const char *word, struct buf *out) {
    bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%") == strlen(word);
    struct buf quoted = {0};
    if (!plain) buf_u8(&quoted, '\'');
    for (const char *c = word; *c; c++) {
        if (*c == '\'' && !plain)
            buf_text(&quoted, "'\\''");
        else
            buf_u8(&quoted, (uint8_t)*c);
    }
    if (!plain) buf_u8(&quoted, '\'');
    buf_u8(&quoted, 0);
    html_text((const char *)quoted.p, 0, out);
    buf_finish(&quoted);
}

static void fact(const char *name, const char *value, struct buf *out) { HTML(out, "<div><dt>{}</dt><dd>{}</dd></div>", name, value); }

static void count_fact(const char *name, uint64_t n, struct buf *out) {
    char words[COUNT_WORDS_MAX];
    if (n) fact(name, count_words(n, words), out);
}

static void put_facts(const struct picture *p, struct buf *out) {
    char words[TIME_WORDS_MAX], number[32];
    const struct outcome *o = p->outcome;
    buf_text(out, "<dl class=facts>");
    fact("Played", o->happenings ? "in the simulator, virtual time" : "on running nodes", out);
    fact("Length", time_words(o->length_us, words), out);
    snprintf(number, sizeof number, "%" PRIu64, p->scenario->seed);
    fact("Seed", number, out);
    fact("Truce", TRUCE_VERSION, out);
    if (o->trace_hash) {
        snprintf(number, sizeof number, "%016" PRIx64, o->trace_hash);
        fact("Trace", number, out);
    }
    count_fact("Happenings", o->happenings, out);
    count_fact("Events", o->events, out);
    snprintf(number, sizeof number, "%" PRIu64, o->conflicts_open);
    fact("Conflicts open at the end", number, out);
    buf_text(out, "</dl>\n<p class=again>Run it again: <code>truce replay ");
    put_shell(p->scenario->path ? p->scenario->path : "scenario.json", out);
    buf_printf(out, " --seed %" PRIu64 "%s</code></p>\n", p->scenario->seed, o->happenings ? "" : " --live");
}

static void put_title(const struct picture *p, struct buf *out) {
    const struct outcome *o = p->outcome;
    bool passed = o->verdict == VERDICT_PASS;
    HTML(out, "<header>\n<p class=kind>Scenario <code>{}</code></p><h1>{}</h1>\n", p->scenario->path ? p->scenario->path : "", p->scenario->name);
    if (p->scenario->about) HTML(out, "<p class=about>{}</p>\n", p->scenario->about);
    HTML(out, "<div class='verdict {}' role=status>{} <b>{}</b>", passed ? "held" : "failed", passed ? "✓" : "✗", verdict_words(o->verdict));
    if (*o->failure) {
        buf_text(out, "<p>");
        html_text(o->failure, 0, out);
        if (o->failed_step) buf_printf(out, " <a href='#step%u'>step %u</a>", o->failed_step, o->failed_step);
        buf_text(out, "</p>");
    }
    buf_text(out, "</div>\n");
    put_facts(p, out);
    buf_text(out, "</header>\n");
}

/* ---- the picture ---- */

static void put_picture(const struct picture *p, struct buf *out) {
    buf_text(out, "<section id=picture><h2>What happened</h2>\n");
    report_patterns(out);
    buf_text(out, "<div id=tools hidden></div>\n<div id=lanes>\n");
    report_svg(p, out);
    buf_text(out, "</div>\n<div id=detail aria-live=polite></div>\n");
    report_legend(out);
    buf_text(out, "</section>\n");
}

void report_page(const struct scenario *s, const struct record *r, const struct outcome *o, struct buf *out) {
    struct picture p;
    picture_make(&p, s, r, o);
    uint64_t number = page_number(&p);
    put_head(&p, number, out);
    buf_text(out, "<body>\n<main>\n");
    put_title(&p, out);
    put_picture(&p, out);
    report_conflicts(&p, out);
    report_expectations(&p, out);
    report_rows(&p, out);
    report_workloads(&p, out);
    report_steps(&p, out);
    report_writes(&p, out);
    report_notes(&p, out);
    buf_text(out, "</main>\n<script type='application/json' id=data>");
    report_json(&p, out);
    buf_printf(out, "</script>\n<script nonce='%016" PRIx64 "'>\n", number);
    buf_text(out, text_js);
    buf_text(out, "</script>\n</body>\n</html>\n");
    picture_finish(&p);
}

bool report_write(const char *path, const struct scenario *s, const struct record *r, const struct outcome *o, struct buf *why) {
    struct buf page = {0};
    report_page(s, r, o, &page);
    FILE *file = fopen(path, "w");
    bool written = file && fwrite(page.p, 1, page.n, file) == page.n;
    if (file && fclose(file) != 0) written = false;
    if (!written) buf_printf(why, "%s: the report cannot be written: %s", path, strerror(errno));
    buf_finish(&page);
    return written;
}
