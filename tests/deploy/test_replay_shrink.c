/* Shrinking: what is left is what the failure needs. */
#include "../../deploy/replay_shrink.h"

#include <criterion/criterion.h>
#include <string.h>

static json_t *read_json(const char *text) {
    json_error_t error;
    json_t *j = json_loads(text, 0, &error);
    cr_assert_not_null(j, "%s", error.text);
    return j;
}

static json_t *steps_of(const json_t *file) { return json_object_get(file, "steps"); }

static const char *text_at(const json_t *file, size_t step, const char *key) {
    return json_string_value(json_object_get(json_array_get(steps_of(file), step), key));
}

static bool has_step(const json_t *file, const char *key, const char *text) {
    for (size_t i = 0; i < json_array_size(steps_of(file)); i++)
        if (text_at(file, i, key) != NULL && strcmp(text_at(file, i, key), text) == 0) return true;
    return false;
}

static const struct shrink_limits limits = {.tries_max = 2000, .seconds_max = 60};

/* ---- fewer steps ---- */
static json_t *many_steps(void) {
    json_t *file = read_json(
        "{\"scenario\": \"many\", \"datacenters\": {\"us\": {\"nodes\": 3}, \"eu\": {}, \"ap\": {}}, \"seed\": 1, \"steps\": []}");
    for (int i = 1; i <= 200; i++) {
        json_t *step = json_pack("{s:o, s:o}", "at", json_sprintf("%dms", i * 100),
                                 i % 50 == 10   ? "cut"
                                 : i % 50 == 30 ? "heal"
                                                : "do",
                                 i % 50 == 10 || i % 50 == 30 ? json_sprintf("us | eu") : json_sprintf("SET k%d v", i));
        if (json_object_get(step, "do") != NULL) json_object_set_new(step, "dc", json_string(i % 2 ? "us" : "eu"));
        json_array_append_new(steps_of(file), step);
    }
    return file;
}

struct needs {
    uint32_t tries;
    const char *const *commands; /* ends with NULL */
    bool cut_and_heal, numbers_hold;
};

static bool fails_with(void *arg, const json_t *file, const uint32_t *numbers, uint32_t steps_count) {
    struct needs *n = arg;
    n->tries++;
    for (uint32_t i = 0; i < steps_count; i++) {
        unsigned number;
        const char *command = text_at(file, i, "do");
        if (command != NULL && sscanf(command, "SET k%u v", &number) == 1 && number != numbers[i]) n->numbers_hold = false;
    }
    for (size_t i = 0; n->commands[i] != NULL; i++)
        if (!has_step(file, "do", n->commands[i])) return false;
    return !n->cut_and_heal || (has_step(file, "cut", "us | eu") && has_step(file, "heal", "us | eu"));
}

Test(shrink, of_two_hundred_steps_those_stay_that_the_failure_needs) {
    static const char *const commands[] = {"SET k17 v", "SET k144 v", NULL};
    struct needs n = {.commands = commands, .numbers_hold = true};
    json_t *file = many_steps();
    uint32_t tries;
    json_t *small = shrink(file, &limits, fails_with, &n, &tries);
    cr_assert_eq(json_array_size(steps_of(small)), 2);
    cr_assert_str_eq(text_at(small, 0, "do"), "SET k17 v");
    cr_assert_str_eq(text_at(small, 1, "do"), "SET k144 v");
    cr_assert(n.numbers_hold, "each try says which step of the first file each of its steps was");
    cr_assert_eq(n.tries, tries);
    cr_assert(tries < 400, "%u tries", tries);
    json_decref(small), json_decref(file);
}

Test(shrink, a_cut_and_its_heal_stay_together_where_both_are_needed) {
    static const char *const commands[] = {"SET k99 v", NULL};
    struct needs n = {.commands = commands, .cut_and_heal = true, .numbers_hold = true};
    json_t *file = many_steps();
    uint32_t tries;
    json_t *small = shrink(file, &limits, fails_with, &n, &tries);
    cr_assert_eq(json_array_size(steps_of(small)), 3);
    json_decref(small), json_decref(file);
}

Test(shrink, datacenters_and_nodes_that_nothing_needs_go_and_times_get_short) {
    static const char *const commands[] = {"SET k2 v", "SET k120 v", NULL};
    struct needs n = {.commands = commands, .numbers_hold = true};
    json_t *file = many_steps();
    uint32_t tries;
    json_t *small = shrink(file, &limits, fails_with, &n, &tries);
    cr_assert_eq(json_object_size(json_object_get(small, "datacenters")), 1);
    cr_assert_not_null(json_object_get(json_object_get(small, "datacenters"), "eu"));
    cr_assert_str_eq(text_at(small, 1, "at"), "0s");
    json_decref(small), json_decref(file);
}

Test(shrink, nothing_is_tried_twice_and_no_more_than_allowed) {
    static const char *const commands[] = {"SET k2 v", "SET k120 v", "SET k121 v", NULL};
    struct needs n = {.commands = commands, .numbers_hold = true};
    struct shrink_limits few = {.tries_max = 25, .seconds_max = 60};
    json_t *file = many_steps();
    uint32_t tries;
    json_t *small = shrink(file, &few, fails_with, &n, &tries);
    cr_assert_eq(tries, 25);
    cr_assert(has_step(small, "do", "SET k121 v"));
    json_decref(small), json_decref(file);
}

/* ---- reductions ---- */
static json_t *reduced_by(const char *name, uint32_t n, const json_t *file) {
    json_t *ret = NULL;
    for (uint32_t i = 0; i < reductions_count; i++)
        if (strcmp(reductions[i].name, name) == 0) cr_assert_eq(reductions[i].make(file, n, &ret), REDUCED, "%s, way %u", name, n);
    cr_assert_not_null(ret, "there is no reduction %s", name);
    return ret;
}

static void expect_steps(json_t *got, const char *wanted) {
    json_t *steps = read_json(wanted);
    char *text = json_dumps(steps_of(got), JSON_COMPACT);
    cr_assert(json_equal(steps, steps_of(got)), "expected %s, got %s", wanted, text);
    free(text);
    json_decref(steps), json_decref(got);
}

Test(reduce, where_a_datacenter_goes_its_name_goes_from_every_step) {
    json_t *file = read_json(
        "{\"datacenters\": {\"us\": {\"nodes\": 2}, \"eu\": {}, \"ap\": {}}, \"links\": {\"*\": {}, \"us eu\": {}, \"us ap\": {}}, \"steps\": ["
        "{\"cut\": \"eu | us ap\"}, {\"cut\": \"eu-1 > us\"}, {\"kill\": \"eu-1 us-2\"}, {\"kill\": \"eu\"}, {\"dc\": \"eu\", \"do\": \"SET eu 1\"},"
        "{\"dc\": \"us\", \"do\": \"SET eu 1\"}, {\"expect\": \"GET eu\", \"in\": \"eu us\"}, {\"expect\": \"lag us > eu\", \"at_most\": \"1s\"},"
        "{\"cut\": \"us | ap eu\"}, {\"heal\": \"*\"}, {\"expect\": \"GET a\", \"in\": [\"eu-1\", \"ap\"]}]}");
    json_t *small = reduced_by("fewer datacenters", 1, file);
    cr_assert_eq(json_object_size(json_object_get(small, "links")), 2);
    cr_assert_null(json_object_get(json_object_get(small, "datacenters"), "eu"));
    expect_steps(small,
                 "[{\"kill\": \"us-2\"}, {\"dc\": \"us\", \"do\": \"SET eu 1\"}, {\"expect\": \"GET eu\", \"in\": \"us\"}, {\"cut\": \"us | ap\"},"
                 "{\"heal\": \"*\"}, {\"expect\": \"GET a\", \"in\": [\"ap\"]}]");
    json_decref(file);
}

Test(reduce, where_nodes_go_steps_at_them_go) {
    json_t *file = read_json("{\"datacenters\": {\"us\": {\"nodes\": 4}}, \"steps\": [{\"kill\": \"us-4\"}, {\"node\": \"us-3\", \"do\": \"GET a\"}, "
                             "{\"kill\": \"us-1\"}]}");
    expect_steps(reduced_by("fewer nodes", 1, file), "[{\"node\": \"us-3\", \"do\": \"GET a\"}, {\"kill\": \"us-1\"}]");
    expect_steps(reduced_by("fewer nodes", 0, file), "[{\"kill\": \"us-1\"}]");
    json_decref(file);
}

Test(reduce, times_come_sooner_and_later_steps_with_them) {
    json_t *file = read_json("{\"datacenters\": {\"us\": {}}, \"steps\": [{\"at\": \"1s\", \"cut\": \"us\"}, {\"at\": \"5s\", \"heal\": \"*\"}, "
                             "{\"after\": \"2s\", \"settle\": \"5s\"},"
                             "{\"at\": \"9s\", \"expect\": \"converged\"}]}");
    expect_steps(reduced_by("shorter times", 0, file),
                 "[{\"at\": \"100ms\", \"cut\": \"us\"}, {\"at\": \"500ms\", \"heal\": \"*\"}, {\"after\": \"200ms\", \"settle\": \"5s\"},"
                 "{\"at\": \"900ms\", \"expect\": \"converged\"}]");
    expect_steps(reduced_by("shorter times", 2 + 6, file),
                 "[{\"at\": \"1s\", \"cut\": \"us\"}, {\"at\": \"1s\", \"heal\": \"*\"}, {\"after\": \"2s\", \"settle\": \"5s\"},"
                 "{\"at\": \"5s\", \"expect\": \"converged\"}]");
    json_decref(file);
}

/* Every way gives something that is smaller, or at least other, or it says that it is none: else shrinking would not end. */
Test(reduce, no_way_gives_the_same_file_again) {
    json_t *file = read_json(
        "{\"datacenters\": {\"us\": {\"nodes\": 3}, \"eu\": {}}, \"links\": {\"*\": {\"latency\": \"1ms\", \"loss\": \"1%\"}}, \"tables\": {\"a\": "
        "{}},"
        "\"steps\": [{\"at\": \"3s\", \"workload\": \"registers\", \"clients\": 4, \"keys\": 7, \"rate\": 100, \"bytes\": 9, \"for\": \"4s\"},"
        "{\"after\": \"1s\", \"slow\": \"us | eu\", \"latency\": \"9ms\", \"jitter\": \"1ms\"}, {\"at\": \"7s\", \"cut\": \"us | eu\"}]}");
    uint32_t made = 0;
    for (uint32_t i = 0; i < reductions_count; i++) {
        json_t *small;
        enum reduced how;
        for (uint32_t n = 0; (how = reductions[i].make(file, n, &small)) != REDUCED_NO_MORE; n++) {
            cr_assert(n < 1000, "%s does not end", reductions[i].name);
            if (how == REDUCED_NOT_SO) continue;
            cr_assert(!json_equal(file, small), "%s, way %u", reductions[i].name, n);
            json_decref(small);
            made++;
        }
    }
    cr_assert(made > 20, "%u ways", made);
    json_decref(file);
}

Test(reduce, steps_that_belong_together_are_known_by_what_they_name) {
    json_t *steps = read_json(
        "[{\"cut\": \"us | eu\"}, {\"do\": \"TRUCE.TOKEN\", \"as\": \"t\"}, {\"cut\": \"us | ap\"}, {\"heal\": \"us | ap\"}, {\"kill\": \"us-1\"},"
        "{\"heal\": \"us | eu\"}, {\"do\": \"TRUCE.WAIT $t 10\"}, {\"start\": \"us-1\"}, {\"do\": \"GET $token\"}, {\"heal\": \"us | eu\"}]");
    static const uint32_t wanted[] = {0, 1, 2, 2, 3, 0, 1, 3, 4, 5};
    uint32_t groups[10];
    cr_assert_eq(step_groups(steps, groups), 6);
    for (size_t i = 0; i < 10; i++) cr_assert_eq(groups[i], wanted[i], "step %zu: group %u", i + 1, groups[i]);
    json_decref(steps);
}

/* ---- what counts as the same failure ---- */
static void expect_kind(const char *failure, const char *wanted) {
    json_t *file = read_json("{\"datacenters\": {\"us\": {}, \"eu\": {}}}");
    struct buf kind = {0};
    failure_kind(failure, file, &kind);
    buf_u8(&kind, 0);
    cr_assert_str_eq((const char *)kind.p, wanted);
    buf_finish(&kind);
    json_decref(file);
}

Test(failure, places_nodes_and_numbers_do_not_count_but_nothing_is_not_something) {
    expect_kind("a/cut.json:21: step 9 (expect): GET a is \"17\" at eu-1, expected \"2\"", "GET a is \"#\" at @, expected \"#\"");
    expect_kind("cut.json: step 2 (expect): GET a is \"0\" at us-12, expected \"20\"", "GET a is \"0\" at @, expected \"#\"");
    expect_kind("cut.json: step 2 (expect): k10 and ap-1 and us", "k# and ap-# and @");
    expect_kind("the replay crashed with signal 6", "the replay crashed with signal #");
}

static void expect_invariant(enum verdict v, const char *failure, const char *wanted) {
    struct brief b = {.verdict = v};
    char got[16];
    snprintf(b.failure, sizeof b.failure, "%s", failure);
    brief_invariant(&b, got);
    cr_assert_str_eq(got, wanted);
}

Test(failure, an_invariant_is_known_by_its_name) {
    expect_invariant(VERDICT_INVARIANT, "cut.json:3: step 2 (settle): I4: a write is lost", "I4");
    expect_invariant(VERDICT_INVARIANT, "I12: stamps", "I12");
    expect_invariant(VERDICT_INVARIANT, "INSERT I am x_I4 I4a", "");
    expect_invariant(VERDICT_EXPECTATION, "I4: GET", "");
}
