/* Steps, one at a time, and the names that they use of each other. */
#include "../../schemas/shown.h"
#include "../../schemas/units.h"
#include "format.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MIN_US  1000u
#define PATIENCE_US    (UINT64_C(30) * 1000000) /* of `do`, where `within` says nothing */
#define NEVER_EVERY_US (UINT64_C(50) * 1000)
#define DISK_SLOW_US   (UINT64_C(200) * 1000)

static const json_t *value(const struct step *s, const char *key) { return json_object_get(s->json, key); }

/* ---- nodes and sides ---- */
static bool read_nodes(const struct reading *r, const struct scenario *s, struct step *step) {
    return want_nodes(r, s->cluster, "", value(step, r->verb), step->nodes);
}

static bool read_one_node(const struct reading *r, const struct scenario *s, const char *place, const json_t *v, bool nodes[static NODES_MAX]) {
    int node = json_is_string(v) ? cluster_find(s->cluster, slice_text(json_string_value(v))) : -1;
    if (node < 0) return wrong(r, place, "the name of a node, such as \"us-1\"", v);
    nodes[node] = true;
    return true;
}

static bool read_dc(const struct reading *r, const struct scenario *s, const json_t *v, bool nodes[static NODES_MAX]) {
    int dc = json_is_string(v) ? cluster_find_dc(s->cluster, slice_text(json_string_value(v))) : -1;
    return dc >= 0 ? sides_enter(s->cluster, json_string_value(v), nodes) : wrong(r, "dc", "the name of a datacenter", v);
}

static bool read_sides(const struct reading *r, const struct scenario *s, struct step *step) {
    static const char wanted[] = "sides such as \"us | eu ap\" or \"us > eu\"";
    const json_t *v = value(step, r->verb);
    struct buf why = {0}, shown = {0};
    if (!json_is_string(v)) return wrong(r, "", wanted, v);
    char *text = xstrdup(json_string_value(v));
    bool ok = sides_parse(s->cluster, &text, 1, &step->sides, &why);
    free(text);
    shown_value(v, &shown);
    if (!ok) wrong_because(r, "", wanted, "%.*s: %.*s", (int)shown.n, (const char *)shown.p, (int)why.n, (const char *)why.p);
    buf_finish(&shown);
    buf_finish(&why);
    return ok;
}

static bool read_heal(const struct reading *r, const struct scenario *s, struct step *step) {
    const json_t *v = value(step, "heal");
    step->everywhere = json_is_string(v) && strcmp(json_string_value(v), "*") == 0;
    return step->everywhere || read_sides(r, s, step);
}

static bool read_slow(const struct reading *r, const struct scenario *s, struct step *step) {
    static const char *const keys[] = {"latency", "jitter", "loss", "repeat", "corrupt", "replay", "rate", "reorder"};
    bool any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) any = any || value(step, keys[i]) != NULL;
    if (!any) return wrong_because(r, "", "latency, jitter, loss, rate, repeat, corrupt, replay or reorder beside the sides", "none of them");
    return read_sides(r, s, step) && want_link(r, "", step->json, &step->link);
}

/* ---- nodes' lives ---- */
static bool read_kill(const struct reading *r, const struct scenario *s, struct step *step) {
    return read_nodes(r, s, step) && want_flag(r, "power", value(step, "power"), &step->power);
}

static bool want_name(const struct reading *r, const struct step *step, const char *key, const char *expected, const char **ret) {
    const json_t *v = value(step, key);
    return v == NULL ? wrong(r, key, expected, v) : want_word(r, key, v, ret);
}

static bool read_backup(const struct reading *r, const struct scenario *s, struct step *step) {
    return read_one_node(r, s, "", value(step, "backup"), step->nodes) && want_name(r, step, "as", "a name for the backup", &step->name);
}

static bool read_restore(const struct reading *r, const struct scenario *s, struct step *step) {
    return read_one_node(r, s, "", value(step, "restore"), step->nodes) && want_name(r, step, "from", "the name of a backup", &step->name);
}

static bool read_skew(const struct reading *r, const struct scenario *s, struct step *step) {
    const json_t *by = value(step, "by"), *drift = value(step, "drift");
    int64_t us = 0;
    if (by == NULL && drift == NULL && value(step, "frozen") == NULL)
        return wrong_because(r, "", "by, drift or frozen beside the nodes", "none of them");
    if (by != NULL && (!json_is_string(by) || !parse_offset(json_string_value(by), SCENARIO_SKEW_MAX, &us) || us % 1000 != 0))
        return wrong(r, "by", "a time such as \"+1h\" or \"-300ms\", in whole milliseconds, at most 10y", by);
    if (drift != NULL && (!json_is_string(drift) || !parse_drift(json_string_value(drift), SCENARIO_DRIFT_MAX, &step->drift_ppm)))
        return wrong(r, "drift", "a drift such as \"200ppm\" or \"-200ppm\", at most 500000ppm", drift);
    step->skew_ms = us / 1000;
    return read_nodes(r, s, step) && want_flag(r, "frozen", value(step, "frozen"), &step->frozen);
}

static bool read_disk(const struct reading *r, const struct scenario *s, struct step *step) {
    static const char *const states[] = {[DISK_OK] = "ok", [DISK_FULL] = "full", [DISK_SLOW] = "slow", [DISK_FAILING] = "failing"};
    const json_t *state = value(step, "state"), *latency = value(step, "latency");
    size_t i = 0;
    while (i < sizeof states / sizeof *states && !(json_is_string(state) && strcmp(states[i], json_string_value(state)) == 0)) i++;
    if (i == sizeof states / sizeof *states) return wrong(r, "state", "full, slow, failing or ok", state);
    step->disk = (enum disk_state)i;
    step->disk_us = step->disk == DISK_SLOW ? DISK_SLOW_US : 0;
    if (latency != NULL && step->disk != DISK_SLOW) return wrong_because(r, "latency", "none but beside \"state\": \"slow\"", "one");
    return read_nodes(r, s, step) && want_time(r, "latency", latency, 1, SCENARIO_DELAY_MAX, &step->disk_us);
}

/* ---- commands ---- */
static bool read_where(const struct reading *r, const struct scenario *s, struct step *step) {
    const json_t *dc = value(step, "dc"), *node = value(step, "node");
    if ((dc != NULL) == (node != NULL)) return wrong_because(r, "", "either dc or node beside the command", dc != NULL ? "both" : "neither");
    step->at_leader = dc != NULL;
    return dc != NULL ? read_dc(r, s, dc, step->nodes) : read_one_node(r, s, "node", node, step->nodes);
}

static bool read_knows(const struct reading *r, struct step *step) {
    const json_t *knows = value(step, "knows"), *v;
    size_t i;
    if (knows == NULL) return true;
    if (!json_is_array(knows)) return wrong(r, "knows", "a list of labels", knows);
    step->knows_given = true;
    step->knows = xcalloc(json_array_size(knows) + 1, sizeof *step->knows);
    json_array_foreach(knows, i, v) {
        if (!want_word(r, "knows", v, &step->knows[step->knows_count++])) return false;
    }
    return true;
}

/* A command, or the list of those of a transaction. */
static bool read_commands(const struct reading *r, struct step *step) {
    const json_t *commands = value(step, "do"), *one;
    size_t i;
    bool list = json_array_size(commands) > 0;
    if (!list && !command_valid(r, commands)) return false;
    step->command = json_string_value(list ? json_array_get(commands, 0) : commands);
    if (list) step->transaction = xcalloc(json_array_size(commands), sizeof *step->transaction);
    json_array_foreach(commands, i, one) {
        if (!command_valid(r, one)) return false;
        step->transaction[step->transaction_count++] = json_string_value(one);
    }
    return true;
}

static bool read_do(const struct reading *r, const struct scenario *s, struct step *step) {
    if (!read_commands(r, step)) return false;
    step->length_us = PATIENCE_US;
    return read_where(r, s, step) && want_word(r, "client", value(step, "client"), &step->client) &&
           want_word(r, "as", value(step, "as"), &step->save) && want_word(r, "label", value(step, "label"), &step->label) && read_knows(r, step) &&
           want_time(r, "within", value(step, "within"), 1, SCENARIO_TIME_MAX, &step->length_us) &&
           compares_parse(r, step->json, step->compare, &step->compare_count);
}

static bool read_workload(const struct reading *r, const struct scenario *s, struct step *step) {
    const json_t *dc = value(step, "dc"), *node = value(step, "node"), *in = value(step, "in"), *length = value(step, "for");
    struct buf why = {0};
    bool ok = load_options_valid(step->json, &why);
    if (!ok) wrong_said(r, buf_slice_of(&why));
    buf_finish(&why);
    if (!ok) return false;
    if ((dc != NULL) + (node != NULL) + (in != NULL) > 1) return wrong_because(r, "", "one of dc, node and in", "several");
    if (length == NULL) return wrong(r, "for", "a time such as \"5s\"", length);
    step->name = json_string_value(value(step, "workload"));
    if (!want_word(r, "name", value(step, "name"), &step->name) || !want_time(r, "for", length, SETTLE_MIN_US, SCENARIO_TIME_MAX, &step->length_us))
        return false;
    if (dc != NULL) return read_dc(r, s, dc, step->nodes);
    if (node != NULL) return read_one_node(r, s, "node", node, step->nodes);
    if (in != NULL) return want_nodes(r, s->cluster, "in", in, step->nodes);
    for (uint32_t i = 0; i < s->cluster->nodes_count; i++) step->nodes[i] = true;
    return true;
}

/* ---- what is expected ---- */
static bool read_predicate(const struct reading *r, const struct scenario *s, struct step *step) {
    const json_t *v = value(step, r->verb);
    if (json_string_length(v) == 0) return wrong(r, "", "a predicate or a command", v);
    return predicate_parse(r, s, step->json, json_string_value(v), &step->predicate);
}

static bool read_expect(const struct reading *r, const struct scenario *s, struct step *step) {
    return read_predicate(r, s, step) && want_time(r, "within", value(step, "within"), 0, SCENARIO_TIME_MAX, &step->length_us);
}

static bool read_never(const struct reading *r, const struct scenario *s, struct step *step) {
    step->length_us = NEVER_EVERY_US;
    step->until_us = UINT64_MAX;
    return read_predicate(r, s, step) && want_time(r, "every", value(step, "every"), SCENARIO_EVERY_MIN, SCENARIO_TIME_MAX, &step->length_us) &&
           want_time(r, "until", value(step, "until"), 0, SCENARIO_TIME_MAX, &step->until_us);
}

static bool read_settle(const struct reading *r, const struct scenario *s, struct step *step) {
    (void)s;
    return want_time(r, "", value(step, "settle"), SETTLE_MIN_US, SCENARIO_TIME_MAX, &step->length_us);
}

/* ---- steps ---- */
static bool (*const readers[])(const struct reading *r, const struct scenario *s, struct step *step) = {
    [STEP_DO] = read_do,           [STEP_CUT] = read_sides,        [STEP_CLOG] = read_sides,  [STEP_HEAL] = read_heal,
    [STEP_SLOW] = read_slow,       [STEP_DISCONNECT] = read_sides, [STEP_KILL] = read_kill,   [STEP_START] = read_nodes,
    [STEP_PAUSE] = read_nodes,     [STEP_RESUME] = read_nodes,     [STEP_WIPE] = read_nodes,  [STEP_BACKUP] = read_backup,
    [STEP_RESTORE] = read_restore, [STEP_SKEW] = read_skew,        [STEP_DISK] = read_disk,   [STEP_WORKLOAD] = read_workload,
    [STEP_SETTLE] = read_settle,   [STEP_EXPECT] = read_expect,    [STEP_NEVER] = read_never,
};

static bool no_verb(const struct reading *r, const json_t *json) {
    struct buf wanted = {0}, got = {0};
    const char *key;
    json_t *v;
    buf_text(&wanted, "one verb of ");
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) buf_printf(&wanted, "%s, ", step_verb_name((enum step_verb)i));
    buf_text(&wanted, "faults");
    buf_u8(&wanted, 0);
    json_object_foreach((json_t *)(uintptr_t)json, key, v) {
        if (strcmp(key, "place") == 0) continue;
        buf_text(&got, got.n == 0 ? "the keys " : ", ");
        if (got.n > 200) break;
        shown_text(key, &got);
    }
    buf_u8(&got, 0);
    wrong_because(r, "", (const char *)wanted.p, "%s", got.n == 1 ? "no keys" : (const char *)got.p);
    buf_finish(&wanted);
    buf_finish(&got);
    return false;
}

static bool check_keys(const struct reading *r, int verb, const json_t *json) {
    const char *key;
    json_t *v;
    enum value_kind kind;
    json_object_foreach((json_t *)(uintptr_t)json, key, v) {
        if (step_key_find(verb, key, &kind)) continue;
        return wrong_key(r, verb, key);
    }
    return true;
}

static bool read_when(const struct reading *r, struct step *step) {
    const json_t *at = value(step, "at"), *after = value(step, "after");
    if (at != NULL && after != NULL) return wrong_because(r, "after", "either at or after", "both");
    step->when = at != NULL ? WHEN_AT : after != NULL ? WHEN_AFTER : WHEN_NEXT;
    return want_time(r, "at", at, 0, SCENARIO_TIME_MAX, &step->when_us) && want_time(r, "after", after, 0, SCENARIO_TIME_MAX, &step->when_us);
}

static bool read_note(const struct reading *r, const struct step *step) {
    const json_t *note = value(step, "note");
    return note == NULL || json_is_string(note) || wrong(r, "note", "a text", note);
}

bool step_parse(struct reading *r, struct scenario *s, const json_t *json, struct step *ret) {
    int verb = step_verb_of(json);
    if (!json_is_object(json)) return wrong(r, "", "an object with a verb", json);
    if (verb == STEP_VERB_NONE) return no_verb(r, json);
    if (!check_keys(r, verb, json)) return false;
    if (verb == STEP_FAULTS) return wrong_because(r, "", "steps that are drawn from a seed already", "a step that is not");
    ret->verb = (enum step_verb)verb;
    ret->line = r->line;
    ret->json = json;
    return read_when(r, ret) && read_note(r, ret) && readers[verb](r, s, ret);
}

/* ---- names among steps ---- */
/* Names that earlier steps gave, each an object's key. */
struct names {
    json_t *saved, *labels, *workloads, *backups;
};

static bool given(const json_t *names, const char *name) { return json_object_get(names, name) != NULL; }

/* A word that is `$name`, or begins with `$name.`, is hardly meant as it stands. */
static bool check_saved(const struct reading *r, const struct names *names, const char *text) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    for (const char *p = text; (p = strchr(p, '$')) != NULL; p++) {
        char name[NAME_LEN_MAX + 1];
        size_t n = strspn(p + 1, allowed);
        bool begins = p == text || p[-1] == ' ' || p[-1] == '"', ends = p[1 + n] == '\0' || strchr(" .\"", p[1 + n]) != NULL;
        if (!begins || !ends || n == 0 || n > NAME_LEN_MAX || (p[1] >= '0' && p[1] <= '9')) continue;
        memcpy(name, p + 1, n);
        name[n] = '\0';
        if (!given(names->saved, name))
            return wrong_because(r, "", "$ before a name that `as` of an earlier step gives, or $$ for a dollar sign", "$%s", name);
    }
    return true;
}

static bool check_do(const struct reading *r, struct names *names, const struct step *step) {
    if (!check_saved(r, names, step->command)) return false;
    for (uint32_t i = 1; i < step->transaction_count; i++)
        if (!check_saved(r, names, step->transaction[i])) return false;
    for (uint32_t i = 0; i < step->knows_count; i++) {
        if (!given(names->labels, step->knows[i])) return wrong_because(r, "knows", "labels of earlier steps", "\"%s\"", step->knows[i]);
    }
    if (step->label != NULL && given(names->labels, step->label))
        return wrong_because(r, "label", "a label of its own", "\"%s\", which an earlier step has", step->label);
    if (step->label != NULL) json_object_set_new(names->labels, step->label, json_true());
    if (step->save != NULL) json_object_set_new(names->saved, step->save, json_true());
    return true;
}

static bool check_workload(const struct reading *r, struct names *names, const struct step *step) {
    if (given(names->workloads, step->name)) return wrong_because(r, "name", "a name of its own", "\"%s\", which an earlier step has", step->name);
    return json_object_set_new(names->workloads, step->name, json_true()) == 0;
}

static bool check_backup(const struct reading *r, struct names *names, const struct step *step) {
    const char *node = json_string_value(value(step, step->verb == STEP_BACKUP ? "backup" : "restore"));
    char key[2 * NAME_LEN_MAX + 16];
    snprintf(key, sizeof key, "%s %s", node, step->name);
    if (step->verb == STEP_BACKUP) return json_object_set_new(names->backups, key, json_true()) == 0;
    return given(names->backups, key) || wrong_because(r, "from", "the name of an earlier backup of that node", "\"%s\"", step->name);
}

static bool check_asked(const struct reading *r, const struct names *names, const struct predicate *p) {
    if (p->kind == PREDICATE_COMMAND) return check_saved(r, names, p->text);
    if (p->kind != PREDICATE_WORKLOAD || strcmp(p->subject, "*") == 0 || given(names->workloads, p->subject)) return true;
    return wrong_because(r, "", "the name of an earlier workload, or *", "\"%.63s\"", p->subject);
}

static bool check_names(const struct reading *r, struct names *names, const struct step *step) {
    switch (step->verb) {
    case STEP_DO: return check_do(r, names, step);
    case STEP_BACKUP:
    case STEP_RESTORE: return check_backup(r, names, step);
    case STEP_WORKLOAD: return check_workload(r, names, step);
    case STEP_EXPECT:
    case STEP_NEVER: return check_asked(r, names, &step->predicate);
    default: return true;
    }
}

bool steps_check_names(struct reading *r, const struct scenario *s) {
    struct names names = {json_object(), json_object(), json_object(), json_object()};
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->steps_count; i++) {
        reading_step(r, i, s->steps[i].json);
        ok = check_names(r, &names, &s->steps[i]);
    }
    reading_head(r);
    json_decref(names.saved);
    json_decref(names.labels);
    json_decref(names.workloads);
    json_decref(names.backups);
    return ok;
}
