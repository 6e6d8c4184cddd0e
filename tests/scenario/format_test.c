/* Scenario files: what is taken and how it is read, what is refused and in which words, and what is drawn. */
#include "../../dc-node/scenario/format.h"
#include "../../schemas/units.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD SOURCE_DIR "/tests/scenario/good/"
#define BAD  SOURCE_DIR "/tests/scenario/bad/"

TestSuite(format);

/* ---- help ---- */
static void read_text(const char *text, struct scenario_file *ret) {
    struct buf why = {0};
    cr_assert(scenario_read("test.json", slice_text(text), ret, &why), "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

static void load(const char *path, struct scenario_file *ret) {
    struct buf why = {0};
    cr_assert(scenario_load(path, ret, &why), "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

static json_t *drawn(const struct scenario_file *f, uint64_t seed) {
    json_t *json;
    struct buf why = {0};
    cr_assert(scenario_draw(f, &seed, &json, &why), "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return json;
}

static void parse(const struct scenario_file *f, json_t *json, struct scenario *ret) {
    struct buf why = {0};
    cr_assert(scenario_parse(f, json, ret, &why), "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

/* Steps without where they stood. */
static void forget_places(json_t *file) {
    json_t *step;
    size_t i;
    json_array_foreach(json_object_get(file, "steps"), i, step) json_object_del(step, "place");
}

static struct slice printed(const json_t *file, struct buf *out) {
    buf_clear(out);
    scenario_print(file, out);
    return buf_slice_of(out);
}

/* A scenario of us 3, eu 2, ap 1 with these steps. */
static void with_steps(const char *steps, struct scenario_file *ret) {
    struct buf text = {0};
    buf_printf(&text, "{\"scenario\": \"t\", \"datacenters\": {\"us\": {\"nodes\": 3}, \"eu\": {\"nodes\": 2}, \"ap\": {}}, \"steps\": [%s]}", steps);
    buf_u8(&text, 0);
    read_text((const char *)text.p, ret);
    buf_finish(&text);
}

static const char *text_of(const json_t *file, size_t step, const char *key) {
    return json_string_value(json_object_get(json_array_get(json_object_get(file, "steps"), step), key));
}

static uint64_t us_of(const json_t *step, const char *key) {
    uint64_t us = 0;
    const char *text = json_string_value(json_object_get(step, key));
    cr_assert(text != NULL && parse_time(text, UINT64_MAX, &us), "%s", text);
    return us;
}

static int count_of(const bool nodes[static NODES_MAX]) {
    int count = 0;
    for (int i = 0; i < NODES_MAX; i++) count += nodes[i];
    return count;
}

/* ---- what is refused ---- */
static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static void read_file(const char *path, struct buf *out) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s cannot be read", path);
    buf_clear(out);
    out->n = fread(buf_reserve(out, 1 << 20), 1, 1 << 20, f);
    fclose(f);
}

static void check_bad_file(const char *name) {
    char path[1024];
    struct buf json = {0}, want = {0}, why = {0};
    struct scenario_file f = {0};
    struct scenario s = {0};
    json_t *file = NULL;
    snprintf(path, sizeof path, BAD "%s", name);
    read_file(path, &json);
    snprintf(path, sizeof path, BAD "%.*s.txt", (int)strlen(name) - 5, name);
    read_file(path, &want);
    bool taken = scenario_read(name, buf_slice_of(&json), &f, &why) && scenario_draw(&f, NULL, &file, &why) && scenario_parse(&f, file, &s, &why);
    cr_assert_not(taken, "%s was taken", name);
    buf_u8(&why, '\n');
    cr_assert(slice_equal(buf_slice_of(&why), buf_slice_of(&want)), "%s\n  got      %.*s  expected %.*s", name, (int)why.n, (const char *)why.p,
              (int)want.n, (const char *)want.p);
    cr_assert_null(memchr(why.p, '\n', why.n - 1), "%s: more than one line", name);
    cr_assert_eq(s.steps_count, 0, "%s: something was written", name);
    scenario_file_finish(&f);
    buf_finish(&json), buf_finish(&want), buf_finish(&why);
}

Test(format, every_bad_file_is_refused_with_its_place_and_what_was_expected) {
    DIR *d = opendir(BAD);
    struct dirent *entry;
    int count = 0;
    cr_assert_not_null(d);
    while ((entry = readdir(d)) != NULL) {
        if (!ends_with(entry->d_name, ".json")) continue;
        check_bad_file(entry->d_name);
        count++;
    }
    closedir(d);
    cr_assert_geq(count, 80);
}

Test(format, a_file_that_cannot_be_read_is_named) {
    struct scenario_file f;
    struct buf why = {0};
    cr_assert_not(scenario_load("/nonexistent/cut.json", &f, &why));
    cr_assert(slice_equal(buf_slice_of(&why), slice_text("/nonexistent/cut.json: No such file or directory")));
    buf_finish(&why);
}

Test(format, a_step_is_named_by_its_number_and_line_in_the_file_also_behind_faults) {
    struct scenario_file f;
    struct buf why = {0};
    struct scenario s;
    read_text("{\"scenario\": \"t\", \"datacenters\": {\"us\": {\"nodes\": 2}},\n\"steps\": [\n{\"at\": \"0s\", \"faults\": [\"pause\"], \"for\": "
              "\"30s\"},\n"
              "{\"kill\": \"us-1\"},\n\n{\"start\": \"us-7\"}]}",
              &f);
    json_t *file = drawn(&f, 1);
    cr_assert_gt(json_array_size(json_object_get(file, "steps")), 5);
    cr_assert_not(scenario_parse(&f, file, &s, &why));
    static const char want[] = "test.json:6: step 3 (start): expected names of nodes or datacenters, or \"*\", got \"us-7\", which is neither";
    cr_assert(slice_equal(buf_slice_of(&why), slice_text(want)), "%.*s", (int)why.n, (const char *)why.p);
    scenario_file_finish(&f);
    buf_finish(&why);
}

/* ---- what is taken ---- */
static const struct step *step_named(const struct scenario *s, enum step_verb verb, const char *text) {
    for (uint32_t i = 0; i < s->steps_count; i++) {
        const char *own = json_string_value(json_object_get(s->steps[i].json, step_verb_name(verb)));
        if (s->steps[i].verb == verb && own != NULL && strcmp(own, text) == 0) return &s->steps[i];
    }
    cr_assert_fail("there is no step %s %s", step_verb_name(verb), text);
    return NULL;
}

static void load_every_key(struct scenario_file *f, struct scenario *s) {
    load(GOOD "every-key.json", f);
    parse(f, drawn(f, 42), s);
}

Test(format, the_head_of_a_file_is_read) {
    struct scenario_file f;
    struct scenario s;
    load_every_key(&f, &s);
    cr_assert_str_eq(s.name, "every verb and every key once");
    cr_assert_str_eq(s.about, "What the reader of scenarios takes, in one file.");
    cr_assert_eq(s.seed, 42u);
    cr_assert(s.no_end);
    cr_assert_eq(s.end_us, 30000000u);
    cr_assert_eq(s.client_us_max, 1000u);
    cr_assert_eq(s.cluster->nodes_count, 6u);
    cr_assert_str_eq(s.cluster->nodes[0].name, "ap-1");
    cr_assert_eq(s.cluster->nodes[0].client_host[0], 0, "there are no addresses");
    cr_assert_eq(s.cluster->dcs[2].priority, 20);
    cr_assert_not(s.cluster->fsync);
    cr_assert_eq(s.cluster->journal_entries_max, 1000u);
    cr_assert_eq(s.cluster->rest.policy, POLICY_LWW);
    cr_assert_str_eq(s.cluster->tables[0].settings, "{\"floor\":0,\"range\":\"1..5\",\"rate\":0.10000000000000001}", "settings are not drawn");
    cr_assert(s.down[0] && s.down[2], "ap is down, and eu-2");
    cr_assert_eq(count_of(s.down), 2);
    cr_assert_eq(s.handlers_count, 1u);
    cr_assert_str_eq(s.handlers[0].path, GOOD "bounded_stock.so");
    scenario_finish(&s);
    scenario_file_finish(&f);
}

static const struct link_options *link_between(const struct scenario *s, const char *from, const char *to) {
    int a = cluster_find(s->cluster, slice_text(from)), b = cluster_find(s->cluster, slice_text(to));
    return &s->links[(uint32_t)a * s->cluster->nodes_count + (uint32_t)b];
}

Test(format, of_links_the_more_precise_entry_goes_first_key_by_key) {
    struct scenario_file f;
    struct scenario s;
    load_every_key(&f, &s);
    cr_assert_eq(link_between(&s, "us-1", "us-2")->latency_us, 300u, "within us");
    cr_assert_eq(link_between(&s, "eu-1", "eu-2")->latency_us, 500u, "within a datacenter, where nothing is said");
    cr_assert_eq(link_between(&s, "eu-1", "eu-2")->jitter_us, 0u, "* is between datacenters");
    cr_assert_eq(link_between(&s, "eu-1", "us-1")->latency_us, 40000u);
    cr_assert_eq(link_between(&s, "us-2", "eu-1")->latency_us, 1500000u, "one direction");
    cr_assert_eq(link_between(&s, "us-2", "eu-1")->jitter_us, 5000u, "the rest is kept");
    cr_assert_eq(link_between(&s, "us-1", "eu-1")->jitter_us, 0u, "between two nodes");
    cr_assert_eq(link_between(&s, "us-1", "eu-1")->latency_us, 1500000u);
    const struct link_options *o = link_between(&s, "ap-1", "us-3");
    cr_assert(o->latency_us == 40000 && o->loss_ppm == 10000 && o->repeat_ppm == 5000 && o->corrupt_ppm == 100 && o->replay_ppm == 20000);
    cr_assert(o->rate_bytes_s == 125000 && o->reorder);
    cr_assert_eq(link_between(&s, "ap-1", "eu-1")->loss_ppm, 0u);
    scenario_finish(&s);
    scenario_file_finish(&f);
}

Test(format, the_order_of_entries_does_not_matter_for_links) {
    struct scenario_file f;
    struct scenario s;
    read_text("{\"scenario\": \"t\", \"datacenters\": {\"us\": {}, \"eu\": {}}, \"links\": {\"us > eu\": {\"latency\": \"3ms\"}, \"eu us\": "
              "{\"latency\": \"2ms\"},"
              " \"*\": {\"latency\": \"1ms\", \"jitter\": \"1ms\"}}, \"steps\": []}",
              &f);
    parse(&f, drawn(&f, 1), &s);
    cr_assert_eq(link_between(&s, "us-1", "eu-1")->latency_us, 3000u);
    cr_assert_eq(link_between(&s, "eu-1", "us-1")->latency_us, 2000u);
    cr_assert_eq(link_between(&s, "eu-1", "us-1")->jitter_us, 1000u);
    scenario_finish(&s);
    scenario_file_finish(&f);
}

Test(format, commands_are_read) {
    struct scenario_file f;
    struct scenario s;
    load_every_key(&f, &s);
    const struct step *first = &s.steps[0];
    cr_assert(first->verb == STEP_DO && first->number == 1 && first->line == 27 && first->when == WHEN_AT && first->when_us == 0);
    cr_assert(first->at_leader && count_of(first->nodes) == 3);
    cr_assert_str_eq(first->command, "SET a 'one word'");
    cr_assert_str_eq(first->label, "first");
    cr_assert(first->length_us == 30000000 && !first->knows_given && first->transaction == NULL);
    cr_assert(first->compare_count == 1 && first->compare[0].how == COMPARE_IS);
    const struct step *get = step_named(&s, STEP_DO, "GET a");
    cr_assert(!get->at_leader && count_of(get->nodes) == 1 && get->when == WHEN_NEXT && get->length_us == 2000000);
    cr_assert_str_eq(get->client, "reader");
    cr_assert_str_eq(get->save, "seen");
    const struct step *knowing = step_named(&s, STEP_DO, "SET b $seen");
    cr_assert(knowing->when == WHEN_AFTER && knowing->when_us == 10000 && knowing->knows_given && knowing->knows_count == 1);
    cr_assert_str_eq(knowing->knows[0], "first");
    const struct step *nothing = step_named(&s, STEP_DO, "SET c 1");
    cr_assert(nothing->knows_given && nothing->knows_count == 0);
    cr_assert_eq(step_named(&s, STEP_DO, "INCR c")->compare_count, 3);
    scenario_finish(&s);
    scenario_file_finish(&f);
}

Test(format, what_happens_to_links_and_nodes_is_read) {
    struct scenario_file f;
    struct scenario s;
    load_every_key(&f, &s);
    const struct step *cut = step_named(&s, STEP_CUT, "us | eu ap"), *clog = step_named(&s, STEP_CLOG, "us > eu");
    cr_assert(count_of(cut->sides.a) == 3 && count_of(cut->sides.b) == 3 && !cut->sides.one_way);
    cr_assert(clog->sides.one_way && count_of(clog->sides.b) == 2);
    cr_assert(step_named(&s, STEP_HEAL, "*")->everywhere && !step_named(&s, STEP_HEAL, "us eu")->everywhere);
    const struct link_options *slow = &step_named(&s, STEP_SLOW, "us-1 | eu-1")->link;
    cr_assert(slow->latency_us == 300000 && slow->jitter_us == 10000 && slow->loss_ppm == 50000 && slow->rate_bytes_s == 32000 && slow->reorder);
    const struct step *kill = step_named(&s, STEP_KILL, "us-1 eu");
    cr_assert(kill->power && count_of(kill->nodes) == 3);
    cr_assert_eq(count_of(step_named(&s, STEP_START, "*")->nodes), 6);
    cr_assert_str_eq(step_named(&s, STEP_BACKUP, "us-1")->name, "monday");
    cr_assert_str_eq(step_named(&s, STEP_RESTORE, "us-1")->name, "monday");
    const struct step *skew = step_named(&s, STEP_SKEW, "us");
    cr_assert(skew->skew_ms == 3600000 && skew->drift_ppm == -200 && !skew->frozen);
    const struct step *disk = step_named(&s, STEP_DISK, "us-1");
    cr_assert(disk->disk == DISK_SLOW && disk->disk_us == 20000);
    scenario_finish(&s);
    scenario_file_finish(&f);
}

Test(format, workloads_and_expectations_are_read) {
    struct scenario_file f;
    struct scenario s;
    load_every_key(&f, &s);
    const struct step *load_step = step_named(&s, STEP_WORKLOAD, "registers");
    cr_assert_str_eq(load_step->name, "r");
    cr_assert(load_step->length_us == 5000000 && count_of(load_step->nodes) == 5);
    cr_assert_str_eq(step_named(&s, STEP_WORKLOAD, "sessions")->name, "sessions");
    const struct step *never = step_named(&s, STEP_NEVER, "GET stock:1");
    cr_assert(never->length_us == 20000 && never->until_us == 60000000 && count_of(never->predicate.in) == 3 && never->predicate.in_named);
    const struct predicate *lag = &step_named(&s, STEP_EXPECT, "lag us > eu")->predicate;
    cr_assert(lag->kind == PREDICATE_LAG && strcmp(s.cluster->dcs[lag->dc].name, "us") == 0 && count_of(lag->in) == 2 && lag->in_named);
    cr_assert_str_eq(lag->subject, "eu");
    const struct predicate *conflicts = &step_named(&s, STEP_EXPECT, "conflicts users")->predicate;
    cr_assert(conflicts->kind == PREDICATE_CONFLICTS && count_of(conflicts->in) == 6 && !conflicts->in_named);
    cr_assert_str_eq(conflicts->subject, "users");
    const struct predicate *command = &step_named(&s, STEP_EXPECT, "HGETALL users:1")->predicate;
    cr_assert(command->kind == PREDICATE_COMMAND && !command->in_named);
    cr_assert_str_eq(command->subject, "HGETALL users:1");
    cr_assert_eq(step_named(&s, STEP_EXPECT, "converged")->length_us, 1000000u);
    cr_assert_eq(step_named(&s, STEP_SETTLE, "10s")->length_us, 10000000u);
    scenario_finish(&s);
    scenario_file_finish(&f);
}

Test(format, what_is_left_out_has_its_default) {
    struct scenario_file f;
    struct scenario s;
    load(GOOD "least.json", &f);
    json_t *file;
    struct buf why = {0};
    cr_assert(scenario_draw(&f, NULL, &file, &why));
    parse(&f, file, &s);
    cr_assert(s.seed == 1 && !s.no_end && s.end_us == 60000000 && s.client_us_max == 0 && s.about == NULL && s.steps_count == 0);
    cr_assert(s.cluster->nodes_count == 1 && s.cluster->rest.policy == POLICY_MERGE && s.cluster->fsync);
    cr_assert_str_eq(s.cluster->nodes[0].name, "us-1");
    scenario_finish(&s);
    scenario_file_finish(&f);
}

/* ---- round trips ---- */
static void check_round_trip(const char *path, uint64_t seed) {
    struct scenario_file f, again;
    struct scenario s;
    struct buf text = {0}, second = {0}, why = {0};
    load(path, &f);
    json_t *file = drawn(&f, seed);
    cr_assert_not(scenario_is_open(file), "%s: something is still open", path);
    printed(file, &text);
    cr_assert(scenario_read(path, buf_slice_of(&text), &again, &why), "%.*s", (int)why.n, (const char *)why.p);
    forget_places(file);
    cr_assert(json_equal(file, again.json), "%s: another file was printed", path);
    json_t *redrawn = drawn(&again, seed);
    forget_places(redrawn);
    cr_assert(json_equal(file, redrawn), "%s: drawing what was drawn changes it", path);
    cr_assert(slice_equal(printed(again.json, &second), buf_slice_of(&text)), "%s: it prints otherwise again", path);
    parse(&again, redrawn, &s);
    cr_assert_eq(s.steps_count, json_array_size(json_object_get(file, "steps")));
    scenario_finish(&s);
    json_decref(file);
    scenario_file_finish(&f);
    scenario_file_finish(&again);
    buf_finish(&text), buf_finish(&second), buf_finish(&why);
}

static int check_folder(const char *folder) {
    DIR *d = opendir(folder);
    struct dirent *entry;
    int count = 0;
    cr_assert_not_null(d, "%s", folder);
    while ((entry = readdir(d)) != NULL) {
        char path[1024];
        if (!ends_with(entry->d_name, ".json")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        for (uint64_t seed = 1; seed <= 5; seed++) check_round_trip(path, seed);
        count++;
    }
    closedir(d);
    return count;
}

Test(format, what_was_drawn_and_printed_is_read_as_the_same) { cr_assert_geq(check_folder(SOURCE_DIR "/tests/scenario/good"), 3); }

Test(format, every_scenario_that_is_delivered_is_taken) { cr_assert_geq(check_folder(SOURCE_DIR "/deploy/scenarios"), 25); }

Test(format, steps_are_printed_on_one_line_each_where_they_fit) {
    struct scenario_file f;
    struct buf text = {0};
    load(GOOD "every-key.json", &f);
    printed(f.json, &text);
    buf_u8(&text, 0);
    cr_assert_not_null(strstr((const char *)text.p,
                              "\n    {\"at\": \"0s\", \"dc\": \"us\", \"do\": \"SET a 'one word'\", \"is\": \"OK\", \"label\": \"first\", "
                              "\"note\": \"a comment\"},\n"));
    for (const char *line = (const char *)text.p; line != NULL && *line != '\0'; line = strchr(line, '\n') == NULL ? NULL : strchr(line, '\n') + 1)
        cr_assert_leq(strcspn(line, "\n"), 152, "%.*s", (int)strcspn(line, "\n"), line);
    cr_assert_not_null(strstr((const char *)text.p, "\"rate\": 0.1,"), "no digits more than are needed");
    scenario_file_finish(&f);
    buf_finish(&text);
}

/* ---- drawing ---- */
Test(format, a_seed_gives_the_same_on_every_machine_and_compiler) {
    static const struct {
        uint64_t seed, hash;
    } golden[] = {{1, UINT64_C(0x4d76249137f0fd44)}, {2, UINT64_C(0xd649bf0d6e0f4a9e)}, {UINT64_MAX, UINT64_C(0x5edb1e057750e469)}};
    struct scenario_file f;
    struct buf text = {0};
    read_text(
        "{\"scenario\": \"t\", \"datacenters\": {\"us\": {\"nodes\": \"3..5\"}, \"eu\": {\"nodes\": 3}, \"ap\": {}}, \"links\": {\"*\": "
        "{\"latency\": "
        "\"10ms..80ms\", \"loss\": \"0%..2%\", \"rate\": \"1mbit..10mbit\"}}, \"steps\": [{\"at\": \"0s..5ms\", \"dc\": \"any\", \"do\": \"SET "
        "a{1..5} "
        "{-10..10}\"}, {\"at\": \"1s\", \"faults\": [\"cut\", \"one-way\", \"clog\", \"flap\", \"disconnect\", \"slow\", \"lossy\", \"kill\", "
        "\"power\", \"pause\", \"skew\", \"disk\", \"wipe\", \"restore\"], \"for\": \"60s\"}, {\"skew\": \"any\", \"by\": \"-1h..+1y\", \"drift\": "
        "\"-200ppm..200ppm\"}]}",
        &f);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        json_t *file = drawn(&f, golden[i].seed);
        uint64_t hash = hash64(printed(file, &text));
        cr_expect_eq(hash, golden[i].hash, "seed %zu: 0x%016llx", i, (unsigned long long)hash);
        json_decref(file);
    }
    scenario_file_finish(&f);
    buf_finish(&text);
}

Test(format, drawn_values_keep_to_their_ranges_and_reach_both_ends) {
    struct scenario_file f;
    with_steps(
        "{\"at\": \"3us..6us\", \"node\": \"us-1\", \"do\": \"SET a {-1..1}\"}, {\"after\": \"1s..1011ms\", \"workload\": \"registers\", \"for\": "
        "\"1s\", \"clients\": \"2..4\"}, {\"slow\": \"us\", \"loss\": \"1%..1.03%\"}, {\"skew\": \"us\", \"by\": \"-1ms..+1ms\", \"drift\": "
        "\"-1ppm..1ppm\"}",
        &f);
    int seen_at[8] = {0}, seen_clients[6] = {0}, seen_value[3] = {0}, seen_drift[3] = {0};
    for (uint64_t seed = 0; seed < 300; seed++) {
        json_t *file = drawn(&f, seed), *steps = json_object_get(file, "steps");
        uint64_t at = us_of(json_array_get(steps, 0), "at");
        cr_assert(at >= 3 && at <= 6);
        seen_at[at]++;
        const char *value = text_of(file, 0, "do");
        cr_assert(strcmp(value, "SET a -1") == 0 || strcmp(value, "SET a 0") == 0 || strcmp(value, "SET a 1") == 0, "%s", value);
        seen_value[value[6] == '-' ? 0 : value[6] == '0' ? 1 : 2]++;
        uint64_t after = us_of(json_array_get(steps, 1), "after");
        cr_assert(after >= 1000000 && after <= 1011000 && after % 1000 == 0, "whole milliseconds");
        json_int_t clients = json_integer_value(json_object_get(json_array_get(steps, 1), "clients"));
        cr_assert(clients >= 2 && clients <= 4);
        seen_clients[clients]++;
        uint32_t ppm;
        cr_assert(parse_share(text_of(file, 2, "loss"), &ppm) && ppm >= 10000 && ppm <= 10300);
        int32_t drift;
        int64_t by;
        cr_assert(parse_drift(text_of(file, 3, "drift"), 1, &drift));
        cr_assert(parse_offset(text_of(file, 3, "by"), 1000, &by));
        seen_drift[drift + 1]++;
        json_decref(file);
    }
    for (int i = 3; i <= 6; i++) cr_assert_neq(seen_at[i], 0);
    for (int i = 2; i <= 4; i++) cr_assert_neq(seen_clients[i], 0);
    for (int i = 0; i < 3; i++) cr_assert(seen_value[i] != 0 && seen_drift[i] != 0);
    scenario_file_finish(&f);
}

Test(format, any_is_each_node_that_fits_and_none_that_is_named_beside_it) {
    struct scenario_file f;
    with_steps("{\"kill\": \"any us, us-1\"}, {\"cut\": \"any eu | any eu\"}, {\"dc\": \"any\", \"do\": \"GET a\"}, {\"pause\": \"any us any\"}", &f);
    bool second = false, third = false, ap = false, paused_ap = false;
    for (uint64_t seed = 0; seed < 100; seed++) {
        json_t *file = drawn(&f, seed);
        const char *kill = text_of(file, 0, "kill"), *cut = text_of(file, 1, "cut"), *pause = text_of(file, 3, "pause");
        cr_assert(strcmp(kill, "us-2, us-1") == 0 || strcmp(kill, "us-3, us-1") == 0, "%s", kill);
        second |= kill[3] == '2';
        third |= kill[3] == '3';
        cr_assert(strcmp(cut, "eu-1 | eu-2") == 0 || strcmp(cut, "eu-2 | eu-1") == 0, "%s", cut);
        ap |= strcmp(text_of(file, 2, "dc"), "ap") == 0;
        cr_assert(strlen(pause) == 9 && memcmp(pause, "us-", 3) == 0 && memcmp(pause, pause + 5, 4) != 0, "%s", pause);
        paused_ap |= strcmp(pause + 5, "ap-1") == 0;
        json_decref(file);
    }
    cr_assert(second && third && ap && paused_ap);
    scenario_file_finish(&f);
}

Test(format, braces_that_are_no_range_stay_as_they_are) {
    struct scenario_file f;
    with_steps("{\"dc\": \"us\", \"do\": \"SET {user1000}.x {}{1}{1..a..b}\"}", &f);
    struct buf why = {0};
    json_t *file;
    cr_assert_not(scenario_draw(&f, NULL, &file, &why), "a range that is not finished is an error");
    scenario_file_finish(&f);
    with_steps("{\"dc\": \"us\", \"do\": \"SET {user1000}.x {}{1}{a..b}{..}\"}", &f);
    cr_assert_not(scenario_is_open(f.json));
    file = drawn(&f, 3);
    cr_assert_str_eq(text_of(file, 0, "do"), "SET {user1000}.x {}{1}{a..b}{..}");
    json_decref(file);
    scenario_file_finish(&f);
    buf_finish(&why);
}

Test(format, the_seed_is_the_files_own_where_none_is_given) {
    struct scenario_file f;
    struct buf why = {0};
    json_t *own, *given = NULL;
    read_text("{\"scenario\": \"t\", \"datacenters\": {\"us\": {}}, \"seed\": \"18446744073709551615\", \"steps\": [{\"settle\": \"1s..1m\"}]}", &f);
    cr_assert(scenario_draw(&f, NULL, &own, &why));
    given = drawn(&f, UINT64_MAX);
    cr_assert(json_equal(own, given));
    cr_assert_str_eq(json_string_value(json_object_get(own, "seed")), "18446744073709551615");
    json_decref(given);
    given = drawn(&f, 7);
    cr_assert_eq(json_integer_value(json_object_get(given, "seed")), 7);
    json_decref(own);
    json_decref(given);
    scenario_file_finish(&f);
}

Test(format, files_know_whether_anything_is_left_open) {
    static const char *const open[] = {"{\"settle\": \"1s..2s\"}", "{\"kill\": \"any\"}", "{\"dc\": \"us\", \"do\": \"SET a {1..2}\"}",
                                       "{\"faults\": [\"cut\"], \"for\": \"1s\"}"};
    static const char *const shut[] = {"{\"settle\": \"1s\"}", "{\"kill\": \"us-1\"}", "{\"dc\": \"us\", \"do\": \"SET a..b c\", \"is\": \"1..2\"}"};
    struct scenario_file f;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        with_steps(open[i], &f);
        cr_assert(scenario_is_open(f.json), "%s", open[i]);
        scenario_file_finish(&f);
    }
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
        with_steps(shut[i], &f);
        cr_assert_not(scenario_is_open(f.json), "%s", shut[i]);
        scenario_file_finish(&f);
    }
}

/* ---- faults, and the order of steps ---- */
Test(format, steps_stand_in_order_of_time_and_those_without_one_stay_behind_theirs) {
    struct scenario_file f;
    with_steps("{\"dc\": \"us\", \"do\": \"SET a 0\"}, {\"at\": \"5s\", \"cut\": \"us\"}, {\"after\": \"1s\", \"heal\": \"*\"}, {\"at\": \"2s\", "
               "\"kill\": \"us-1\"}, "
               "{\"start\": \"us-1\"}, {\"at\": \"5s\", \"settle\": \"1s\"}",
               &f);
    static const char *const order[] = {"do", "kill", "start", "cut", "heal", "settle"};
    json_t *file = drawn(&f, 1);
    for (size_t i = 0; i < 6; i++) cr_assert_not_null(json_object_get(json_array_get(json_object_get(file, "steps"), i), order[i]), "%s", order[i]);
    json_decref(file);
    scenario_file_finish(&f);
}

Test(format, what_follows_faults_waits_until_they_are_over) {
    struct scenario_file f;
    with_steps("{\"at\": \"2s\", \"faults\": [\"pause\"], \"for\": \"10s\", \"every\": \"1s\"}, {\"after\": \"500ms\", \"heal\": \"*\"}, "
               "{\"settle\": \"1s\"}",
               &f);
    json_t *file = drawn(&f, 1), *steps = json_object_get(file, "steps");
    size_t n = json_array_size(steps);
    cr_assert_gt(n, 10);
    cr_assert_str_eq(text_of(file, n - 2, "at"), "12500ms");
    cr_assert_null(json_object_get(json_array_get(steps, n - 2), "after"));
    cr_assert_not_null(json_object_get(json_array_get(steps, n - 1), "settle"));
    json_decref(file);
    scenario_file_finish(&f);

    with_steps("{\"settle\": \"1s\"}, {\"after\": \"3s\", \"faults\": [\"pause\"], \"for\": \"10s\", \"every\": \"4s\", \"length\": \"1s\"}, "
               "{\"heal\": \"*\"}",
               &f);
    file = drawn(&f, 1);
    static const char *const after[] = {NULL, "7s", "1s", "3s", "1s", "1s"}; /* 4 s and 8 s behind the 3 s, and the rest of the 10 s */
    cr_assert_eq(json_array_size(json_object_get(file, "steps")), 6);
    for (size_t i = 1; i < 6; i++) cr_assert_str_eq(text_of(file, i, "after"), after[i]);
    json_decref(file);
    scenario_file_finish(&f);
}

/* What is wrong after the steps so far. */
struct state {
    bool down[NODES_MAX], paused[NODES_MAX], skewed[NODES_MAX], disk[NODES_MAX], cut[NODES_MAX][NODES_MAX];
};

static void change_links(struct state *st, const struct step *s, bool cut) {
    for (int a = 0; a < NODES_MAX; a++) {
        for (int b = 0; b < NODES_MAX; b++) {
            if (!s->sides.a[a] || !s->sides.b[b]) continue;
            st->cut[a][b] = cut;
            if (!s->sides.one_way) st->cut[b][a] = cut;
        }
    }
}

static void play_step(struct state *st, const struct step *s) {
    for (int i = 0; i < NODES_MAX; i++) {
        if (!s->nodes[i]) continue;
        if (s->verb == STEP_KILL) cr_assert(!st->down[i] && !st->paused[i], "a node is killed once");
        if (s->verb == STEP_PAUSE) cr_assert(!st->down[i] && !st->paused[i], "a node is paused once, and while it runs");
        if (s->verb == STEP_WIPE || s->verb == STEP_RESTORE) cr_assert(st->down[i], "data is taken away from nodes that do not run");
        if (s->verb == STEP_KILL || s->verb == STEP_START) st->down[i] = s->verb == STEP_KILL;
        if (s->verb == STEP_PAUSE || s->verb == STEP_RESUME) st->paused[i] = s->verb == STEP_PAUSE;
        if (s->verb == STEP_SKEW) st->skewed[i] = s->skew_ms != 0 || s->drift_ppm != 0 || s->frozen;
        if (s->verb == STEP_DISK) st->disk[i] = s->disk != DISK_OK;
    }
    if (s->verb == STEP_CUT || s->verb == STEP_CLOG || s->verb == STEP_SLOW) change_links(st, s, true);
    if (s->verb == STEP_HEAL) change_links(st, s, false);
}

Test(format, every_fault_is_undone_before_the_time_is_over) {
    static const struct state well;
    static struct state st;
    struct scenario_file f;
    uint32_t seen[32] = {0};
    with_steps("{\"at\": \"1s\", \"faults\": [\"cut\", \"one-way\", \"clog\", \"flap\", \"disconnect\", \"slow\", \"lossy\", \"kill\", \"power\", "
               "\"pause\", "
               "\"skew\", \"disk\", \"wipe\", \"restore\"], \"for\": \"30s\", \"every\": \"10ms..500ms\"}",
               &f);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct scenario s;
        uint64_t last = 0;
        parse(&f, drawn(&f, seed), &s);
        st = well;
        for (uint32_t i = 0; i < s.steps_count; i++) {
            cr_assert(s.steps[i].when == WHEN_AT && s.steps[i].when_us >= last && s.steps[i].when_us >= 1000000 && s.steps[i].when_us <= 31000000);
            last = s.steps[i].when_us;
            seen[s.steps[i].verb]++;
            play_step(&st, &s.steps[i]);
        }
        cr_assert_eq(memcmp(&st, &well, sizeof st), 0, "seed %llu leaves something behind", (unsigned long long)seed);
        scenario_finish(&s);
    }
    static const enum step_verb all[] = {STEP_CUT,   STEP_CLOG,   STEP_HEAL, STEP_SLOW,   STEP_DISCONNECT, STEP_KILL, STEP_START,
                                         STEP_PAUSE, STEP_RESUME, STEP_WIPE, STEP_BACKUP, STEP_RESTORE,    STEP_SKEW, STEP_DISK};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) cr_assert_gt(seen[all[i]], 100, "%s", step_verb_name(all[i]));
    scenario_file_finish(&f);
}

Test(format, faults_keep_to_the_nodes_that_are_named) {
    struct scenario_file f;
    with_steps("{\"at\": \"1s\", \"faults\": [\"cut\", \"kill\", \"pause\", \"skew\", \"disk\"], \"for\": \"60s\", \"every\": \"100ms\", \"in\": "
               "\"eu us-2\"}",
               &f);
    for (uint64_t seed = 0; seed < 20; seed++) {
        json_t *file = drawn(&f, seed), *step;
        size_t i;
        json_array_foreach(json_object_get(file, "steps"), i, step) {
            static const char *const verbs[] = {"kill", "start", "pause", "resume", "skew", "disk"};
            for (size_t k = 0; k < sizeof verbs / sizeof *verbs; k++) {
                const char *who = json_string_value(json_object_get(step, verbs[k]));
                cr_assert(who == NULL || strcmp(who, "us-2") == 0 || memcmp(who, "eu", 2) == 0, "%s", who);
            }
        }
        json_decref(file);
    }
    scenario_file_finish(&f);
}

/* ---- what if ---- */
Test(format, a_tables_policy_is_exchanged) {
    struct scenario_file f;
    struct buf why = {0};
    load(GOOD "every-key.json", &f);
    json_t *tables = json_object_get(f.json, "tables");
    cr_assert(scenario_set_policy(f.json, "users=handler:longest,lww", &why));
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(tables, "users"), "conflict")), "handler:longest,lww");
    cr_assert(scenario_set_policy(f.json, "stock=priority", &why));
    cr_assert_null(json_object_get(json_object_get(tables, "stock"), "settings"), "settings are the handlers'");
    cr_assert(scenario_set_policy(f.json, "*=merge", &why) && scenario_set_policy(f.json, "new=record", &why));
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(tables, "new"), "conflict")), "record");
    struct scenario s;
    parse(&f, drawn(&f, 1), &s);
    cr_assert(s.cluster->rest.policy == POLICY_MERGE && s.cluster->tables_count == 3);
    scenario_finish(&s);
    cr_assert_not(scenario_set_policy(f.json, "users", &why));
    cr_assert(slice_equal(buf_slice_of(&why), slice_text("expected TABLE=POLICY, such as users=record, got \"users\"")));
    cr_assert_not(scenario_set_policy(f.json, "users=newest", &why));
    cr_assert_not(scenario_set_policy(f.json, "Users=lww", &why));
    scenario_file_finish(&f);

    load(GOOD "least.json", &f);
    cr_assert(scenario_set_policy(f.json, "users=lww", &why), "tables come to be");
    cr_assert_eq(json_object_size(json_object_get(f.json, "tables")), 1);
    scenario_file_finish(&f);

    with_steps("{\"dc\": \"us\", \"do\": \"TRUCE.TABLE SET users record\"}, {\"dc\": \"us\", \"do\": [\"truce.table reset users\", \"GET a\"]}, "
               "{\"dc\": \"us\", \"do\": \"TRUCE.TABLE SET others record\"}",
               &f);
    cr_assert(scenario_set_policy(f.json, "users=lww", &why));
    const char *const commands[] = {"TRUCE.TABLE SET users lww", NULL, "TRUCE.TABLE SET others record"};
    json_t *steps = json_object_get(f.json, "steps");
    for (size_t i = 0; i < 3; i++)
        if (commands[i]) cr_assert_str_eq(json_string_value(json_object_get(json_array_get(steps, i), "do")), commands[i]);
    json_t *list = json_object_get(json_array_get(steps, 1), "do");
    cr_assert_str_eq(json_string_value(json_array_get(list, 0)), "TRUCE.TABLE SET users lww");
    cr_assert_str_eq(json_string_value(json_array_get(list, 1)), "GET a");
    scenario_file_finish(&f);
    buf_finish(&why);
}

/* ---- lines ---- */
Test(format, values_are_found_by_their_keys_with_their_lines) {
    static const char text[] = "{\n\"a\": {\"b c\": [1,\n{\"x\": \"}\\\"]\"}], \"b.c\": \n true},\n\n\"steps\": [1, \"two\",\n[3]\n,4]}";
    struct places *p = places_scan(slice_text(text));
    cr_assert_eq(places_line(p, ""), 1u);
    cr_assert_eq(places_line(p, "a"), 2u);
    cr_assert_eq(places_line(p, "a.b c"), 2u);
    cr_assert_eq(places_line(p, "a.b.c"), 4u, "keys may have dots");
    cr_assert_eq(places_line(p, "a.unknown"), 2u, "what is not there stands where its object does");
    cr_assert_eq(places_line(p, "steps"), 6u);
    cr_assert_eq(places_element(p, "steps", 1), 6u);
    cr_assert_eq(places_element(p, "steps", 2), 7u);
    cr_assert_eq(places_element(p, "steps", 3), 8u);
    cr_assert_eq(places_element(p, "steps", 4), 0u);
    cr_assert_eq(places_element(p, "nowhere", 0), 0u);
    cr_assert_eq(places_line(NULL, "a"), 0u);
    places_destroy(p);
    places_destroy(NULL);
}
