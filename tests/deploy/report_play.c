#include "report_play.h"

#include <stdlib.h>
#include <string.h>

enum { AP_1, EU_1, EU_2, US_1, US_2, US_3 };

static const char cluster_text[] = "{\"cluster\": \"play\", \"datacenters\": {"
                                   "\"ap\": {\"nodes\": {\"1\": {\"client\": \"127.0.0.1:1\", \"peer\": \"127.0.0.1:2\"}}},"
                                   "\"eu\": {\"priority\": 10, \"nodes\": {\"1\": {\"client\": \"127.0.0.1:3\", \"peer\": \"127.0.0.1:4\"},"
                                   "\"2\": {\"client\": \"127.0.0.1:5\", \"peer\": \"127.0.0.1:6\"}}},"
                                   "\"us\": {\"priority\": 20, \"nodes\": {\"1\": {\"client\": \"127.0.0.1:7\", \"peer\": \"127.0.0.1:8\"},"
                                   "\"2\": {\"client\": \"127.0.0.1:9\", \"peer\": \"127.0.0.1:10\"},"
                                   "\"3\": {\"client\": \"127.0.0.1:11\", \"peer\": \"127.0.0.1:12\"}}}}}";

static const struct {
    enum step_verb verb;
    const char *json;
} steps[] = {
    {STEP_DO, "{\"at\": \"0s\", \"dc\": \"us\", \"do\": \"HSET users:1 name Alice\"}"},
    {STEP_CUT, "{\"at\": \"1s\", \"cut\": \"eu | us ap\"}"},
    {STEP_DO, "{\"at\": \"1200ms\", \"dc\": \"us\", \"do\": \"HSET users:1 name 'Alice Smith'\"}"},
    {STEP_DO, "{\"at\": \"1300ms\", \"dc\": \"eu\", \"do\": \"HSET users:1 name 'Alice Jones'\"}"},
    {STEP_CUT, "{\"at\": \"1500ms\", \"cut\": \"us > ap\"}"},
    {STEP_KILL, "{\"at\": \"2s\", \"kill\": \"us-1\"}"},
    {STEP_START, "{\"at\": \"3200ms\", \"start\": \"us-1\"}"},
    {STEP_HEAL, "{\"at\": \"4s\", \"heal\": \"*\"}"},
    {STEP_SETTLE, "{\"settle\": \"5s\"}"},
    {STEP_EXPECT, "{\"expect\": \"converged\"}"},
    {STEP_EXPECT, "{\"expect\": \"HGET users:1 name\", \"is\": \"Alice Jones\", \"in\": \"*\"}"},
    {STEP_EXPECT, "{\"expect\": \"conflicts users\", \"count\": 1}"},
};
#define STEPS (sizeof steps / sizeof *steps)

/* Before what readers see; as TRUCE.EXPLAIN users:1 JSON tells it. */
static const char explain_text[] =
    "{\"key\": \"users:1\", \"node\": \"ap-1\", \"table\": \"users\", \"policy\": \"record\", \"form\": \"whole\", \"reads\": \"name=Alice Smith\","
    "\"conflict\": true, \"cells\": [{\"kind\": \"row\", \"name\": null, \"open\": true, \"versions\": ["
    "{\"dot\": \"eu-1.00000000000000aa:1\", \"dc\": \"eu\", \"priority\": 10, \"stamp\": \"1700000001302.0\", \"marked\": false,"
    "\"state\": \"hidden\", \"value\": \"name=Alice Jones\"},"
    "{\"dot\": \"us-1.00000000000000bb:2\", \"dc\": \"us\", \"priority\": 20, \"stamp\": \"1700000001201.0\", \"marked\": false,"
    "\"state\": \"read\", \"value\": \"name=Alice Smith\"}]}],"
    "\"below\": [], \"episodes\": [{\"id\": \"00c0ffee00c0ffee\", \"kind\": \"row\", \"column\": null, \"open\": true, \"closed_by\": null}],"
    "\"lost\": []}";

/* A row of a table that merges: of two registers of one column the later one is read, the other is in the journal. */
static const char merged_text[] =
    "{\"key\": \"cart:7\", \"node\": \"ap-1\", \"table\": \"*\", \"policy\": \"merge\", \"form\": \"merged\", \"reads\": \"note=call\","
    "\"cells\": [{\"kind\": \"column\", \"name\": \"note\", \"open\": false, \"versions\": ["
    "{\"dot\": \"us-2.00000000000000cc:1\", \"dc\": \"us\", \"priority\": 20, \"stamp\": \"1700000004600.0\", \"state\": \"read\","
    "\"value\": \"call\"}]}], \"episodes\": [{\"id\": \"00c0ffee00c0ffef\", \"kind\": \"column\", \"column\": \"note\", \"open\": false,"
    "\"closed_by\": \"us-2.00000000000000cc:1\"}],"
    "\"lost\": [{\"dot\": \"eu-1.00000000000000aa:2\", \"dc\": \"eu\", \"priority\": 10, \"stamp\": \"1700000001701.0\", \"state\": \"lost\","
    "\"value\": \"ring twice\", \"column\": \"note\", \"lost_to\": \"us-1.00000000000000bb:3\", \"policy\": \"merge\"},"
    "{\"dot\": \"us-1.00000000000000bb:3\", \"dc\": \"us\", \"priority\": 20, \"stamp\": \"1700000001801.0\", \"state\": \"replaced\","
    "\"value\": \"no calls\", \"column\": \"note\", \"lost_to\": null, \"policy\": \"merge\"}]}";

void report_play_moment(struct report_play *p, uint64_t at_ms, enum moment_kind kind, int node, int peer, uint32_t step, const char *text) {
    int32_t dc = node >= 0 ? (int32_t)p->cluster.nodes[node].dc : -1;
    record_add(&p->record, (struct moment){.at_us = at_ms * 1000, .kind = kind, .dc = dc, .node = node, .peer = peer, .step = step, .text = text});
}

static json_t *parse(const char *text) {
    json_t *j = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    if (text && !j) abort();
    return j;
}

void report_play_row(struct report_play *p, const char *key, const char *shown, const char *explain) {
    struct outcome *o = &p->outcome;
    o->rows = xrealloc(o->rows, (o->rows_count + 1) * sizeof *o->rows);
    struct final_row *row = &o->rows[o->rows_count++];
    *row = (struct final_row){.key = xstrdup(key), .shown = json_string(shown), .explain = parse(explain)};
    const json_t *cell = json_array_get(json_object_get(row->explain, "cells"), 0);
    row->siblings = (uint32_t)json_array_size(json_object_get(cell, "versions"));
    row->losers = (uint32_t)json_array_size(json_object_get(row->explain, "lost"));
    row->open = json_is_true(json_object_get(cell, "open"));
}

static void between(struct report_play *p, uint64_t at_ms, int from, int to, const char *text) {
    report_play_moment(p, at_ms, MOMENT_LINK, from, to, 0, text);
    report_play_moment(p, at_ms, MOMENT_LINK, to, from, 0, text);
}

static void step(struct report_play *p, uint64_t at_ms, uint32_t number, const char *text) {
    report_play_moment(p, at_ms, MOMENT_STEP, -1, -1, number, text);
}

static void write_at(struct report_play *p, uint64_t at_ms, int node, const char *dot, const char *what) {
    char text[200];
    snprintf(text, sizeof text, "%s %s", dot, what);
    report_play_moment(p, at_ms, MOMENT_MAKES, node, -1, 0, text);
}

static void arrive(struct report_play *p, uint64_t at_ms, const char *dot, int from, const int *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) report_play_moment(p, at_ms + i, MOMENT_APPLIES, nodes[i], from, 0, dot);
}
#define ARRIVE(p, at, dot, from, ...) arrive(p, at, dot, from, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void begin(struct report_play *p) {
    for (int n = AP_1; n <= US_3; n++) report_play_moment(p, 0, MOMENT_NODE, n, -1, 0, "started");
    report_play_moment(p, 0, MOMENT_ROLE, AP_1, -1, 0, "leader");
    report_play_moment(p, 0, MOMENT_ROLE, EU_1, -1, 0, "leader");
    report_play_moment(p, 0, MOMENT_ROLE, US_1, -1, 0, "leader");
    step(p, 0, 1, "do HSET users:1 name Alice, dc us");
    write_at(p, 1, US_1, "us-1#1", "HSET users:1 name=Alice");
    report_play_moment(p, 2, MOMENT_REPLY, US_1, -1, 1, "(integer) 1");
    ARRIVE(p, 2, "us-1#1", US_1, US_2, US_3);
    ARRIVE(p, 42, "us-1#1", US_1, EU_1, EU_2);
    ARRIVE(p, 91, "us-1#1", US_1, AP_1);
}

static void divide(struct report_play *p) {
    step(p, 1000, 2, "cut eu | us ap");
    for (int eu = EU_1; eu <= EU_2; eu++) {
        between(p, 1000, eu, AP_1, "cut");
        for (int us = US_1; us <= US_3; us++) between(p, 1000, eu, us, "cut");
    }
    step(p, 1200, 3, "do HSET users:1 name 'Alice Smith', dc us");
    write_at(p, 1201, US_1, "us-1#2", "HSET users:1 name=\"Alice Smith\"");
    report_play_moment(p, 1202, MOMENT_REPLY, US_1, -1, 3, "(integer) 0");
    ARRIVE(p, 1203, "us-1#2", US_1, US_2, US_3);
    step(p, 1300, 4, "do HSET users:1 name 'Alice Jones', dc eu");
    write_at(p, 1302, EU_1, "eu-1#1", "HSET users:1 name=\"Alice Jones\"");
    report_play_moment(p, 1302, MOMENT_REPLY, EU_1, -1, 4, "(integer) 0");
    ARRIVE(p, 1303, "eu-1#1", EU_1, EU_2);
    ARRIVE(p, 1291, "us-1#2", US_1, AP_1);
    step(p, 1500, 5, "cut us > ap");
    for (int us = US_1; us <= US_3; us++) report_play_moment(p, 1500, MOMENT_LINK, us, AP_1, 0, "cut");
    write_at(p, 1701, EU_1, "eu-1#2", "HSET cart:7 note=\"ring twice\"");
    ARRIVE(p, 1702, "eu-1#2", EU_1, EU_2);
    write_at(p, 1801, US_1, "us-1#3", "HSET cart:7 note=\"no calls\"");
    ARRIVE(p, 1802, "us-1#3", US_1, US_2, US_3);
}

static void unite(struct report_play *p) {
    step(p, 2000, 6, "kill us-1");
    report_play_moment(p, 2000, MOMENT_NODE, US_1, -1, 0, "killed");
    report_play_moment(p, 2000, MOMENT_ROLE, US_1, -1, 0, "down");
    report_play_moment(p, 2450, MOMENT_ROLE, US_2, -1, 0, "leader");
    step(p, 3200, 7, "start us-1");
    report_play_moment(p, 3200, MOMENT_NODE, US_1, -1, 0, "started");
    report_play_moment(p, 3200, MOMENT_ROLE, US_1, -1, 0, "follower");
    report_play_moment(p, 3400, MOMENT_NODE, EU_2, -1, 0, "paused");
    report_play_moment(p, 3900, MOMENT_NODE, EU_2, -1, 0, "resumed");
    step(p, 4000, 8, "heal *");
    for (int a = AP_1; a <= US_3; a++)
        for (int b = AP_1; b <= US_3; b++)
            if (a != b) report_play_moment(p, 4000, MOMENT_LINK, a, b, 0, "healed");
    ARRIVE(p, 4045, "eu-1#1", EU_1, US_2, US_1, US_3);
    ARRIVE(p, 4046, "us-1#2", US_1, EU_1, EU_2);
    ARRIVE(p, 4050, "eu-1#2", EU_1, US_2, US_1, US_3);
    ARRIVE(p, 4052, "us-1#3", US_1, EU_1, EU_2);
    ARRIVE(p, 4092, "us-1#3", US_1, AP_1);
    ARRIVE(p, 4096, "eu-1#1", EU_1, AP_1);
    ARRIVE(p, 4098, "eu-1#2", EU_1, AP_1);
    for (int n = EU_1; n <= US_3; n++) report_play_moment(p, 4046, MOMENT_CONFLICT, n, -1, 0, "users:1 conflict: eu-1#1 | us-1#2; read is us-1#2");
    report_play_moment(p, 4096, MOMENT_CONFLICT, AP_1, -1, 0, "users:1 conflict: eu-1#1 | us-1#2; read is us-1#2");
    for (int n = AP_1; n <= US_3; n++)
        report_play_moment(p, 4110, MOMENT_CONFLICT, n, -1, 0, "cart:7 column note conflict: eu-1#2 | us-1#3; read is us-1#3");
    write_at(p, 4600, US_2, "us-2#1", "HSET cart:7 note=call");
    ARRIVE(p, 4601, "us-2#1", US_2, US_1, US_3);
    ARRIVE(p, 4642, "us-2#1", US_2, EU_1, EU_2);
    ARRIVE(p, 4690, "us-2#1", US_2, AP_1);
    for (int n = AP_1; n <= US_3; n++)
        report_play_moment(p,
                           n == AP_1   ? 4690
                           : n <= EU_2 ? 4642
                                       : 4601,
                           MOMENT_CLOSED, n, -1, 0, "cart:7 column note settled: eu-1#2 | us-1#3; by us-2#1");
}

static void expect(struct report_play *p) {
    step(p, 4700, 9, "settle 5s");
    step(p, 5100, 10, "expect converged");
    report_play_moment(p, 5100, MOMENT_HOLDS, -1, -1, 10, "converged is true");
    step(p, 5100, 11, "expect HGET users:1 name, is Alice Jones, in *");
    report_play_moment(p, 5101, MOMENT_FAILS, -1, -1, 11, "HGET users:1 name is \"Alice Smith\" at ap-1, expected \"Alice Jones\"");
}

static void sample(struct report_play *p) {
    for (uint64_t at_ms = 0; at_ms <= 5100; at_ms += 50) {
        bool cut = at_ms > 1300 && at_ms < 4050;
        for (uint32_t n = AP_1; n <= US_3; n++) {
            if (n == US_1 && at_ms > 2000 && at_ms < 3200) continue;
            uint64_t since = n == EU_1 || n == EU_2 ? 1201 : n == AP_1 ? 1302 : 1302;
            record_sample(&p->record, (struct sample){.at_us = at_ms * 1000,
                                                      .node = n,
                                                      .lag_us = cut           ? (at_ms - since) * 1000
                                                                : at_ms % 200 ? 0
                                                                              : 2000,
                                                      .backlog = cut ? 1 + (at_ms > 1800) : 0,
                                                      .conflicts_open = at_ms > 4100 ? 1 : 0,
                                                      .events = 3});
        }
    }
}

void report_play_make(struct report_play *ret) {
    struct buf why = {0};
    *ret = (struct report_play){0};
    if (!cluster_parse("play.json", slice_text(cluster_text), &ret->cluster, &why)) abort();
    struct scenario *s = &ret->scenario;
    *s = (struct scenario){
        .path = xstrdup("deploy/scenarios/rename.json"),
        .name = "eu is cut away while both sides rename the same user",
        .about = "Two sides that cannot hear each other change the same row; the table keeps both versions until somebody decides.",
        .seed = 42,
        .cluster = &ret->cluster,
        .steps_count = STEPS};
    s->steps = xcalloc(STEPS, sizeof *s->steps);
    for (uint32_t i = 0; i < STEPS; i++) {
        json_t *json = parse(steps[i].json);
        s->steps[i] = (struct step){
            .verb = steps[i].verb, .number = i + 1, .line = 12 + i, .json = json, .command = json_string_value(json_object_get(json, "do"))};
    }
    begin(ret);
    divide(ret);
    unite(ret);
    expect(ret);
    sample(ret);
    struct outcome *o = &ret->outcome;
    *o = (struct outcome){.verdict = VERDICT_EXPECTATION,
                          .failed_step = 11,
                          .length_us = 5101000,
                          .conflicts_open = 1,
                          .trace_hash = 0x1234567890abcdef,
                          .happenings = 4711,
                          .events = 7};
    snprintf(o->failure, sizeof o->failure, "%s",
             "deploy/scenarios/rename.json:22: step 11 (expect): HGET users:1 name is \"Alice Smith\" at ap-1, expected \"Alice Jones\"");
    report_play_row(ret, "cart:7", "note=call", merged_text);
    report_play_row(ret, "users:1", "name=Alice Smith", explain_text);
    o->rows[1].others = parse("{\"eu\": \"name=Alice Jones\"}");
    report_play_row(ret, "visits", "18", NULL);
    o->workloads = parse("{\"carts\": {\"kind\": \"carts\", \"ok\": 1204, \"failed\": 3, \"unknown\": 1, \"holds\": true, \"why\": \"\"}}");
    o->notes = parse("[\"this machine has no network namespaces: cuts are made inside the nodes\"]");
}

void report_play_finish(struct report_play *p) {
    for (uint32_t i = 0; i < p->scenario.steps_count; i++) json_decref((json_t *)(uintptr_t)p->scenario.steps[i].json);
    for (uint32_t i = 0; i < p->outcome.rows_count; i++) {
        free(p->outcome.rows[i].key);
        json_decref(p->outcome.rows[i].shown);
        json_decref(p->outcome.rows[i].explain);
        json_decref(p->outcome.rows[i].others);
    }
    free(p->outcome.rows);
    json_decref(p->outcome.replies);
    json_decref(p->outcome.workloads);
    json_decref(p->outcome.notes);
    free(p->scenario.steps);
    free(p->scenario.path);
    record_finish(&p->record);
    cluster_finish(&p->cluster);
}
