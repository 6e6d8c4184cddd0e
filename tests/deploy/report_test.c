#include "../../deploy/report.h"
#include "../../deploy/report_text.h"
#include "report_play.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES_MAX (4u * 1024 * 1024)

/* A page as text; the caller frees it. */
static char *page_of(const struct report_play *p) {
    struct buf out = {0};
    report_page(&p->scenario, &p->record, &p->outcome, &out);
    cr_assert_null(memchr(out.p, 0, out.n), "there is a NUL in the page");
    buf_u8(&out, 0);
    return (char *)out.p;
}

static bool has(const char *page, const char *text) { return strstr(page, text) != NULL; }

static uint32_t count(const char *page, const char *text) {
    uint32_t n = 0;
    for (const char *at = strstr(page, text); at; at = strstr(at + 1, text)) n++;
    return n;
}

#define EXPECT_HAS(page, text)   cr_assert(has(page, text), "the page lacks: %s", text)
#define EXPECT_LACKS(page, text) cr_assert(!has(page, text), "the page holds: %s", text)

/* ---- what it tells ---- */

Test(report, the_page_says_how_it_ended_and_where_and_how_to_run_it_again) {
    struct report_play p;
    report_play_make(&p);
    char *page = page_of(&p);
    EXPECT_HAS(page, "<h1>eu is cut away while both sides rename the same user</h1>");
    EXPECT_HAS(page, "<b>an expectation failed</b>");
    EXPECT_HAS(page, "deploy/scenarios/rename.json:22: step 11 (expect): HGET users:1 name is &quot;Alice Smith&quot; at ap-1");
    EXPECT_HAS(page, "<dt>Seed</dt><dd>42</dd>");
    EXPECT_HAS(page, "truce replay deploy/scenarios/rename.json --seed 42</code>");
    EXPECT_HAS(page, "1234567890abcdef");
    free(page);
    report_play_finish(&p);
}

Test(report, a_play_on_running_nodes_is_run_again_live_with_its_path_quoted) {
    struct report_play p;
    report_play_make(&p);
    p.outcome.happenings = 0;
    free(p.scenario.path);
    p.scenario.path = xstrdup("it's here.json");
    char *page = page_of(&p);
    EXPECT_HAS(page, "truce replay &#39;it&#39;\\&#39;&#39;s here.json&#39; --seed 42 --live</code>");
    EXPECT_HAS(page, "on running nodes");
    EXPECT_HAS(page, "are those of the looks");
    free(page);
    report_play_finish(&p);
}

Test(report, lanes_cuts_kills_leaders_and_marks_are_drawn_without_the_script) {
    struct report_play p;
    report_play_make(&p);
    char *page = page_of(&p);
    const char *svg = strstr(page, "<div id=lanes>");
    cr_assert_not_null(svg);
    char *drawing = strndup(svg, (size_t)(strstr(svg, "</svg>") - svg));
    cr_assert_eq(count(drawing, "class='band'"), 3, "a band for each datacenter");
    cr_assert_eq(count(drawing, "class='lane'"), 6, "a lane for each node");
    cr_assert_eq(count(drawing, "class='fault cut'"), 3, "eu is cut off from both, and ap from us one way");
    cr_assert_eq(count(drawing, "class='way'"), 1, "one of them is one-way");
    EXPECT_HAS(drawing, "cut: ap | eu");
    EXPECT_HAS(drawing, "cut: us &gt; ap");
    cr_assert_eq(count(drawing, "class='down'"), 1, "us-1 was killed");
    cr_assert_eq(count(drawing, "class='paused'"), 1, "eu-2 was paused");
    cr_assert_eq(count(drawing, "class='leader "), 4, "three leaders, and the one who came after us-1");
    cr_assert_eq(count(drawing, "class='write "), 6);
    cr_assert_eq(count(drawing, "class='held'"), 1);
    cr_assert_eq(count(drawing, "class='failed'"), 1);
    free(drawing);
    free(page);
    report_play_finish(&p);
}

/* The panel of a row, to the end of it. */
static char *panel_of(const char *page, const char *title) {
    const char *panel = strstr(page, title);
    cr_assert_not_null(panel, "there is no panel %s", title);
    return strndup(panel, (size_t)(strstr(panel, "</details>") - panel));
}

Test(report, a_conflict_shows_who_made_what_knowing_what_and_what_became_of_it) {
    struct report_play p;
    report_play_make(&p);
    char *page = page_of(&p), *open = panel_of(page, "<code>users:1</code>"),
         *closed = panel_of(page, "<code>cart:7</code> column <code>note</code>");
    EXPECT_HAS(open, "Readers see <b>name=Alice Smith</b>: version A, written in us.");
    EXPECT_HAS(open, "1 version is kept beside it and not read.");
    EXPECT_HAS(open, "<span class='chip'>open</span>");
    cr_assert_eq(count(open, "none of them"), 2, "neither side had the other's write");
    EXPECT_HAS(open, "met at 4.046 s");
    cr_assert_eq(count(open, "<line class='knew'"), 0);
    EXPECT_HAS(closed, "<span class='chip'>closed</span>");
    EXPECT_HAS(closed, "<td><b>A</b>, <b>B</b></td><td><b>read</b>");
    EXPECT_HAS(closed, "<td>none of them</td><td><b>lost</b>");
    cr_assert_eq(count(closed, "<line class='knew'"), 2, "C was written where A and B had arrived");
    free(open);
    free(closed);
    free(page);
    report_play_finish(&p);
}

Test(report, expectations_steps_and_rows_stand_in_tables_with_what_was_not_reached) {
    struct report_play p;
    report_play_make(&p);
    char *page = page_of(&p);
    const char *expectations = strstr(page, "<section id=expectations>"), *steps = strstr(page, "<tr id=step4>"),
               *last = strstr(page, "<tr id=step12>");
    cr_assert(expectations && steps && last);
    EXPECT_HAS(expectations, "converged is true");
    EXPECT_HAS(expectations, "<small>not reached</small>");
    EXPECT_HAS(steps, "do HSET users:1 name &#39;Alice Jones&#39;, dc eu");
    EXPECT_HAS(steps, "(integer) 0");
    EXPECT_HAS(last, "not reached");
    EXPECT_HAS(page, "<dt>eu</dt><dd>name=Alice Jones</dd>");
    EXPECT_HAS(page, "<th scope=row>carts</th><td>carts</td><td class=number>1,204</td>");
    EXPECT_HAS(page, "this machine has no network namespaces");
    free(page);
    report_play_finish(&p);
}

/* ---- what nodes do not tell ---- */

Test(report, versions_of_two_runs_of_one_node_are_told_apart_by_their_stamps) {
    struct report_play p;
    report_play_make(&p);
    report_play_moment(&p, 4900, MOMENT_MAKES, 3, -1, 0, "us-1(2)#3 HSET other a=1");
    report_play_row(
        &p, "other", "a=1",
        "{\"cells\": [{\"kind\": \"row\", \"name\": null, \"open\": true, \"versions\": ["
        "{\"dot\": \"us-1.00000000000000dd:3\", \"dc\": \"us\", \"stamp\": \"1700000004900.0\", \"state\": \"read\", \"value\": \"a=1\"}]}],"
        "\"episodes\": [{\"kind\": \"row\", \"column\": null, \"open\": true}], \"lost\": []}");
    char *page = page_of(&p), *panel = panel_of(page, "<code>other</code>");
    EXPECT_HAS(panel, "data-at='4900000'");
    EXPECT_LACKS(panel, "data-at='1801000'");
    free(panel);
    free(page);
    report_play_finish(&p);
}

Test(report, where_nobody_saw_what_nodes_wrote_the_commands_of_steps_are_the_marks) {
    struct report_play p;
    report_play_make(&p);
    for (size_t i = 0; i < p.record.moments_count; i++)
        if (p.record.moments[i].kind == MOMENT_MAKES || p.record.moments[i].kind == MOMENT_APPLIES) p.record.moments[i].kind = MOMENT_CONNECTION;
    char *page = page_of(&p);
    EXPECT_HAS(page, "<h2>Commands</h2>");
    EXPECT_HAS(page, "3 commands of steps");
    EXPECT_HAS(page, "not known");
    free(page);
    report_play_finish(&p);
}

/* ---- what comes from data ---- */

#define EVIL "<script>alert(1)</script>\"'&--><img src=x onerror=alert(2)>"

Test(report, what_comes_from_data_is_text_wherever_it_stands) {
    struct report_play p;
    report_play_make(&p);
    p.scenario.name = EVIL;
    p.scenario.about = EVIL;
    free(p.scenario.path);
    p.scenario.path = xstrdup(EVIL);
    snprintf(p.outcome.failure, sizeof p.outcome.failure, "%s", EVIL);
    for (enum moment_kind k = MOMENT_STEP; k <= MOMENT_NOTE; k++) report_play_moment(&p, 5000, k, 0, 1, k == MOMENT_FAILS ? 0 : 1, EVIL);
    report_play_moment(&p, 5000, MOMENT_MAKES, 0, -1, 0, "</script><script>alert(3)</script>");
    report_play_row(&p, EVIL, EVIL,
                    "{\"policy\": \"<script>\", \"cells\": [{\"kind\": \"column\", \"name\": \"<script>\", \"open\": true, \"versions\": ["
                    "{\"dot\": \"<script>\", \"dc\": \"<script>\", \"stamp\": \"<script>\", \"state\": \"<script>\", \"value\": \"<script>\"}]}],"
                    "\"episodes\": [{\"kind\": \"column\", \"column\": \"<script>\", \"open\": true}],"
                    "\"lost\": [{\"dot\": \"<script>\", \"dc\": \"<script>\", \"state\": \"<script>\", \"value\": \"<script>\", \"column\": null}]}");
    json_object_set_new(p.outcome.workloads, EVIL, json_pack("{s:s, s:b, s:s}", "kind", EVIL, "holds", 0, "why", EVIL));
    json_array_append_new(p.outcome.notes, json_string(EVIL));
    char *page = page_of(&p);
    cr_assert_eq(count(page, "<script"), 2, "the page has its data and its own script, and %u", count(page, "<script"));
    cr_assert_eq(count(page, "</script"), 2);
    EXPECT_LACKS(page, "<img");
    EXPECT_HAS(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;--&gt;&lt;img src=x onerror=alert(2)&gt;");
    EXPECT_HAS(page, "\\u003cscript\\u003e");
    free(page);
    report_play_finish(&p);
}

static void expect_clean(const char *bytes, const char *text) {
    struct buf out = {0};
    html_text(bytes, 0, &out);
    buf_u8(&out, 0);
    cr_assert_str_eq((const char *)out.p, text);
    buf_finish(&out);
}

Test(report, bytes_that_are_no_text_and_signs_that_nobody_sees_are_spelled_out) {
    expect_clean("\xff\xfe", "\\xff\\xfe");
    expect_clean("a\xc3", "a\\xc3");
    expect_clean("\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80", "\\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80");
    expect_clean("a\n\x1b[31m\x7f", "a\\x0a\\x1b[31m\\x7f");
    expect_clean("\xe2\x80\xae"
                 "evil"
                 "\xe2\x80\xa8",
                 "\\u202eevil\\u2028");
    expect_clean("Zo\xc3\xab \xf0\x9f\x98\x80", "Zo\xc3\xab \xf0\x9f\x98\x80");
}

Test(report, keys_and_values_that_are_no_utf8_do_not_break_the_page) {
    struct report_play p;
    report_play_make(&p);
    report_play_moment(&p, 5000, MOMENT_MAKES, 3, -1, 0, "us-1#9 SET \xff\xc3 \x01");
    report_play_row(&p, "\xff\xc3", "x", NULL);
    char *page = page_of(&p);
    struct buf clean = {0};
    clean_text(slice_text("\xff"), 0, &clean);
    for (const char *c = page; *c; c++) cr_assert((uint8_t)*c >= 0x20 || *c == '\n', "a control character");
    EXPECT_HAS(page, "SET \\xff\\xc3 \\x01");
    EXPECT_HAS(page, "SET \\\\xff\\\\xc3 \\\\x01");
    EXPECT_HAS(page, "<code>\\xff\\xc3</code>");
    buf_finish(&clean);
    free(page);
    report_play_finish(&p);
}

Test(report, times_are_told_in_the_unit_that_fits) {
    static const struct {
        uint64_t us;
        const char *text;
    } times[] = {{0, "0"}, {7, "7 µs"}, {1000, "1 ms"}, {41500, "41.5 ms"}, {1250000, "1.25 s"}, {125000000, "2 m 5 s"}, {7500000000, "2 h 5 m"}};
    char words[TIME_WORDS_MAX];
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) cr_assert_str_eq(time_words(times[i].us, words), times[i].text);
    cr_assert_str_eq(count_words(1234567, words), "1,234,567");
    cr_assert_str_eq(count_words(12, words), "12");
}

/* ---- one file, of a bounded size ---- */

Test(report, the_page_needs_nothing_beside_it) {
    struct report_play p;
    report_play_make(&p);
    char *page = page_of(&p);
    static const char *const outside[] = {"src=",      "href='http", "href=\"http", "@import", "url(http",
                                          "url('http", "url(//",     "<link",       "<iframe", "<base"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) EXPECT_LACKS(page, outside[i]);
    EXPECT_HAS(page, "default-src 'none'");
    for (const char *at = strstr(page, "http"); at; at = strstr(at + 1, "http"))
        cr_assert(strncmp(at, "http://www.w3.org/2000/svg", 26) == 0 || strncmp(at, "http-equiv", 10) == 0, "%.40s", at);
    free(page);
    report_play_finish(&p);
}

Test(report, a_page_of_very_many_things_is_of_bounded_size_and_says_what_it_leaves_out) {
    struct report_play p;
    report_play_make(&p);
    char text[600], dot[40];
    for (uint32_t i = 0; i < 60000; i++) {
        snprintf(dot, sizeof dot, "us-3#%u", i + 1);
        snprintf(text, sizeof text, "%s HSET users:%u name=%0*u", dot, i % 5000, 400, i);
        report_play_moment(&p, 100 + i / 15, MOMENT_MAKES, 5, -1, 0, text);
        for (int node = 0; node < 5; node++) report_play_moment(&p, 140 + i / 15, MOMENT_APPLIES, node, 5, 0, dot);
        if (i % 4 == 0) report_play_moment(&p, 150 + i / 15, i % 8 ? MOMENT_CONFLICT : MOMENT_CLOSED, (int)(i % 6), -1, 0, text + strlen(dot) + 6);
        if (i % 4 == 1) report_play_moment(&p, 150 + i / 15, MOMENT_HOLDS, -1, -1, 10, text);
        if (i % 4 == 2) report_play_moment(&p, 150 + i / 15, MOMENT_LINK, (int)(i % 5), 5, 0, i % 8 < 4 ? "cut" : "healed");
        if (i % 4 == 3) report_play_moment(&p, 150 + i / 15, MOMENT_NODE, (int)(i % 5), -1, 0, i % 8 < 4 ? "killed" : "started");
        if (i % 9 == 0) report_play_moment(&p, 150 + i / 15, MOMENT_NOTE, 0, -1, 0, text);
    }
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(dot, sizeof dot, "row:%u", i);
        memset(text, 'v', sizeof text - 1);
        text[sizeof text - 1] = 0;
        report_play_row(&p, dot, text,
                        i % 2 ? "{\"cells\": [], \"episodes\": [{\"kind\": \"row\", \"column\": null, \"open\": true}], \"lost\": []}" : NULL);
    }
    char *page = page_of(&p);
    cr_assert_lt(strlen(page), PAGE_BYTES_MAX, "%zu bytes", strlen(page));
    EXPECT_HAS(page, "Of 60,006 writes the picture shows 4,000");
    EXPECT_HAS(page, "arrivals of those writes the picture shows 6,000");
    EXPECT_HAS(page, "faults and changes of leader are not drawn");
    EXPECT_HAS(page, "more conflicts are not shown here");
    EXPECT_HAS(page, "rows are not shown");
    EXPECT_HAS(page, "more notes are not shown");
    free(page);
    report_play_finish(&p);
}

Test(report, it_is_written_to_a_file_or_says_why_not) {
    struct report_play p;
    struct buf why = {0};
    struct stat is;
    char path[] = "/tmp/truce-report-XXXXXX";
    report_play_make(&p);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert(report_write(path, &p.scenario, &p.record, &p.outcome, &why));
    cr_assert_eq(stat(path, &is), 0);
    cr_assert_geq(is.st_size, 50000);
    unlink(path);
    cr_assert_not(report_write("/nowhere/out.html", &p.scenario, &p.record, &p.outcome, &why));
    buf_u8(&why, 0);
    EXPECT_HAS((const char *)why.p, "/nowhere/out.html: the report cannot be written: No such file or directory");
    buf_finish(&why);
    report_play_finish(&p);
}
