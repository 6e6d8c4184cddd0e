#include "admission.h"
#include "handler_load.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GENERATED    600u
#define SHRINKS_MAX  200u /* steps towards the smallest conflict */
#define SLOW_SHRINKS 8u   /* where each costs a process that loops */
#define WIDE(condition)                                                                                                                              \
    { PROBE_CONDITION, CHECK_##condition }

static const struct {
    struct check_probe probe;
    const char *finding, *likely;
} probes[] = {
    {WIDE(FIRST), "It breaks a rule of the ABI", NULL},
    {WIDE(REPEATED), "It answers differently when it is called again", "it remembers earlier calls, or draws random numbers"},
    {WIDE(AGAIN), "It answers differently in another process", "it reads a clock, random numbers, its process, or its addresses"},
    {WIDE(ORDER), "It answers differently after other conflicts", "it remembers earlier calls"},
    {WIDE(MEMORY), "It answers differently where fresh memory holds other bytes", "it reads memory that it never wrote"},
    {WIDE(ADDRESSES), "It answers differently at other addresses", "it makes something of a pointer's value"},
    {WIDE(TIME), "It answers differently at another time", "it reads a clock"},
    {WIDE(PLACE), "It answers differently in another place", "it depends on where it runs"},
    {{PROBE_REGROUP, CHECK_FIRST}, "It claims TRUCE_REGROUPS, but the order of deciding changes the row", NULL},
    {{PROBE_EXPECT, CHECK_FIRST}, "It does not answer as a recorded conflict expects", NULL},
};
#define PROBES (sizeof probes / sizeof probes[0])

/* ---- what was found ---- */
static bool applies(const struct check_handler *h, size_t probe) {
    return probes[probe].probe.kind != PROBE_REGROUP || (h->flags & TRUCE_REGROUPS) != 0;
}

static void take_case(const struct check_cases *from, uint32_t at, struct check_case *ret) { check_case_copy(ret, &from->c[at]); }

/* The first case that shows it, made as small as it goes while it still does. */
static bool look_for(const struct check_handler *h, size_t probe, const struct check_cases *cases, struct check_case *ret, struct check_example *e) {
    if (!check_probe_run(h, probes[probe].probe, cases, e)) return false;
    take_case(cases, e->at, ret);
    uint32_t steps = e->end == CHECK_LOOPED ? SLOW_SHRINKS : SHRINKS_MAX;
    if (probes[probe].probe.kind == PROBE_EXPECT) steps = 0;
    while (steps-- > 0) {
        struct check_cases smaller = {0};
        struct check_example again = {0};
        check_case_smaller(ret, &smaller);
        bool still = check_probe_run(h, probes[probe].probe, &smaller, &again);
        if (still) {
            check_case_finish(ret);
            take_case(&smaller, again.at, ret);
            check_example_finish(e);
            *e = again;
        }
        check_cases_finish(&smaller);
        if (!still) break;
    }
    return true;
}

/* The finding in one sentence. */
static void put_finding(size_t probe, const struct check_example *e, struct buf *out) {
    struct handler_answer a;
    if (e->end == CHECK_CRASHED)
        buf_printf(out, "It crashed: %s (%s)", strsignal(e->signal), sigabbrev_np(e->signal) != NULL ? sigabbrev_np(e->signal) : "?");
    else if (e->end == CHECK_LOOPED)
        buf_printf(out, "It does not come back: a call computed for more than %u ms, or waits", CHECK_CALL_CPU_MS);
    else if (e->end == CHECK_EXITED)
        buf_printf(out, "It ended its process");
    else if (e->end == CHECK_NOT_LOADED)
        buf_printf(out, "It could not be run: %.*s", (int)e->why.n, (const char *)e->why.p);
    else if (e->leaked > 0)
        buf_printf(out, "It leaks: %llu bytes with every call", (unsigned long long)e->leaked);
    else if (handler_answer_decode(buf_slice_of(&e->first), &a) && a.outcome == HANDLER_FAILED)
        buf_printf(out, "It breaks a rule: it %.*s", (int)a.why.n, (const char *)a.why.p);
    else if (e->why.n > 0)
        buf_printf(out, "%s: %.*s", probes[probe].finding, (int)e->why.n, (const char *)e->why.p);
    else if (probes[probe].likely != NULL)
        buf_printf(out, "%s: %s", probes[probe].finding, probes[probe].likely);
    else
        buf_printf(out, "%s", probes[probe].finding);
}

static void put_answer(const struct check_case *c, int number, const struct buf *bytes, const char *how, struct buf *words, json_t *list) {
    struct handler_answer a;
    if (!handler_answer_decode(buf_slice_of(bytes), &a)) return;
    buf_printf(words, "    answer %d (%s): ", number, how);
    check_answer_words(c, &a, words);
    buf_u8(words, '\n');
    json_t *o = check_answer_json(c, &a);
    json_object_set_new(o, "under", json_string(how));
    json_array_append_new(list, o);
}

static void put_example(const struct check_case *c, const struct check_example *e, struct buf *words, json_t *record) {
    json_t *o = check_case_json(c), *answers = json_array();
    buf_text(words, "  The smallest conflict found that shows it, from ");
    check_case_words(c, words);
    put_answer(c, 1, &e->first, e->how_first, words, answers);
    put_answer(c, 2, &e->second, e->how_second, words, answers);
    json_object_set_new(o, "answers", answers);
    json_object_set_new(record, "counterexample", o);
}

/* ---- the record ---- */
static json_t *begin_record(const struct check_handler *h, uint64_t hash, const struct check_cases *cases) {
    char hex[17], at[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    json_t *runs = json_array();
    for (size_t i = 0; i < PROBES; i++)
        if (probes[i].probe.kind == PROBE_CONDITION) json_array_append_new(runs, json_string(check_condition_words(probes[i].probe.condition)));
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:b, s:o, s:i, s:o, s:s}", "handler", h->name, "version", h->version, "summary", h->summary,
                     "abi", TRUCE_HANDLER_ABI, "hash", hex, "wants_base", (h->flags & TRUCE_WANTS_BASE) != 0, "regroups",
                     (h->flags & TRUCE_REGROUPS) != 0, "settings", json_loads(h->settings, 0, NULL), "conflicts", (int)cases->n, "under", runs, "at",
                     at);
}

bool admission_write(const char *path, const json_t *record, struct buf *why) {
    char *name = handler_record_path(path);
    struct buf fresh = {0};
    buf_printf(&fresh, "%s.new", name);
    buf_u8(&fresh, 0);
    bool ok = json_dump_file(record, (const char *)fresh.p, JSON_INDENT(1)) == 0 && rename((const char *)fresh.p, name) == 0;
    if (!ok) buf_printf(why, "%s: %s", name, strerror(errno));
    buf_finish(&fresh);
    free(name);
    return ok;
}

/* ---- the check ---- */
static void add_finding(json_t *findings, const struct buf *line, struct buf *words) {
    json_t *text = json_stringn((const char *)line->p, line->n);
    json_array_append_new(findings, text != NULL ? text : json_string("a finding whose words are no text"));
    buf_printf(words, "  %.*s.\n", (int)line->n, (const char *)line->p);
}

/* Each line of imports: "time()\treads a clock". */
static void find_imports(const struct buf *imports, json_t *findings, struct buf *words) {
    const char *at = (const char *)imports->p, *end = at + imports->n;
    while (imports->n > 0 && at < end) {
        size_t n = strcspn(at, "\n"), tab = strcspn(at, "\t");
        struct buf line = {0};
        buf_printf(&line, "It calls %.*s, which %.*s: a handler must not", (int)tab, at, (int)(n - tab - 1), at + tab + 1);
        add_finding(findings, &line, words);
        buf_finish(&line);
        at += n + 1;
    }
}

/* Everything that is looked for, until the first find. */
static void find_example(const struct check_handler *h, const struct check_cases *cases, json_t *findings, struct buf *words, json_t *record) {
    for (size_t i = 0; i < PROBES; i++) {
        struct check_case c = {0};
        struct check_example e = {0};
        bool found = applies(h, i) && look_for(h, i, cases, &c, &e);
        if (found) {
            struct buf line = {0};
            put_finding(i, &e, &line);
            add_finding(findings, &line, words);
            put_example(&c, &e, words, record);
            buf_finish(&line);
        }
        check_case_finish(&c);
        check_example_finish(&e);
        if (found) return;
    }
}

/* How it answered: tells the author whether the conflicts reached what he wrote. */
static void count_answers(const struct check_handler *h, const struct check_cases *cases, struct buf *words, json_t *record) {
    static const char *const names[] = {"", "pick", "row", "record", "pass", "failed", "absent", "no_base"};
    static const char *const told[] = {"", "picked", "new or deleted rows", "recorded for later", "passed on", "failed", "absent", "without a base"};
    uint32_t counts[sizeof names / sizeof names[0]] = {0};
    struct check_answers a;
    check_run(h, CHECK_FIRST, cases, &a);
    for (uint32_t i = 0; i < a.n; i++) {
        struct handler_answer answer;
        if (handler_answer_decode(buf_slice_of(&a.first[i]), &answer)) counts[answer.outcome]++;
    }
    check_answers_finish(&a);
    json_t *o = json_object();
    const char *mark = "";
    buf_text(words, "  Its answers: ");
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++) {
        if (counts[i] == 0) continue;
        json_object_set_new(o, names[i], json_integer(counts[i]));
        buf_printf(words, "%s%u %s", mark, counts[i], told[i]);
        mark = ", ";
    }
    buf_text(words, ".\n");
    json_object_set_new(record, "answers", o);
}

static enum admission_verdict judge(const struct check_handler *h, const struct check_cases *cases, struct buf *imports, const char *broken,
                                    uint64_t hash, struct buf *words, json_t **ret_record) {
    struct buf found = {0};
    json_t *record = begin_record(h, hash, cases), *findings = json_array();
    buf_u8(imports, 0);
    imports->n--;
    find_imports(imports, findings, &found);
    if (broken != NULL) {
        json_array_append_new(findings, json_string(broken));
        buf_printf(&found, "  %s.\n", broken);
    } else {
        find_example(h, cases, findings, &found, record);
    }
    bool admitted = json_array_size(findings) == 0;
    json_object_set_new(record, "result", json_string(admitted ? "admitted" : "refused"));
    if (!admitted) json_object_set(record, "why", json_array_get(findings, json_array_size(findings) - 1));
    json_object_set_new(record, "findings", findings);
    buf_printf(words, "%s %s: %s\n", h->name, admitted ? "is admitted" : "is refused", h->path);
    if (admitted) {
        buf_printf(words, "  %u conflicts, and the same answers in %zu runs, each in a process of its own with one thing changed.\n", cases->n,
                   json_array_size(json_object_get(record, "under")));
        count_answers(h, cases, words, record);
    }
    buf_put(words, found.p, found.n);
    buf_finish(&found);
    *ret_record = record;
    return admitted ? ADMISSION_ADMITTED : ADMISSION_REJECTED;
}

/* As nodes give them to handlers: compact, keys sorted; where none are given those of the recorded conflicts. NULL: no JSON object. */
static char *settings_of(const struct admission_plan *plan, struct buf *words) {
    char *recorded = plan->settings == NULL && plan->recorded != NULL ? check_cases_settings(plan->recorded) : NULL;
    const char *text = plan->settings != NULL ? plan->settings : recorded != NULL ? recorded : "{}";
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    char *settings = json_is_object(json) ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (settings == NULL) buf_printf(words, "settings: expected a JSON object, got %.200s", text);
    json_decref(json);
    free(recorded);
    return settings;
}

static void name_by_file(struct check_handler *h) {
    const char *slash = strrchr(h->path, '/');
    if (h->name[0] == '\0') snprintf(h->name, sizeof h->name, "%s", slash != NULL ? slash + 1 : h->path);
}

enum admission_verdict admission_check(const struct admission_plan *plan, struct buf *words, json_t **ret_record) {
    char *path = realpath(plan->path, NULL), *settings = settings_of(plan, words);
    struct check_handler h = {.path = path, .settings = settings, .program = plan->program};
    struct check_cases cases = {0};
    struct buf imports = {0}, settings_why = {0}, why = {0};
    uint64_t hash = 0;
    enum admission_verdict verdict = ADMISSION_UNUSABLE;
    *ret_record = NULL;
    if (path == NULL)
        buf_printf(words, "%s: %s", plan->path, strerror(errno));
    else if (settings != NULL && handler_file_hash(path, &hash, words) &&
             (plan->recorded == NULL || check_cases_load(&cases, plan->recorded, words))) {
        bool whole = check_describe(&h, &imports, &settings_why, &why);
        buf_u8(&why, 0);
        name_by_file(&h);
        if (whole) check_cases_generate(&cases, GENERATED, h.settings, (h.flags & TRUCE_WANTS_BASE) != 0);
        if (settings_why.n > 0)
            buf_printf(words, "settings: %s does not take them: %.*s", h.name, (int)settings_why.n, (const char *)settings_why.p);
        else
            verdict = judge(&h, &cases, &imports, whole ? NULL : (const char *)why.p, hash, words, ret_record);
    }
    check_cases_finish(&cases);
    buf_finish(&imports);
    buf_finish(&settings_why);
    buf_finish(&why);
    free(path);
    free(settings);
    return verdict;
}
