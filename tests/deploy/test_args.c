#include "../../deploy/args.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The verbs without their bodies: only the command line is looked at here. */
const struct verb verbs[] = {
#define X(name, arguments, options, doc) {#name, arguments, options, doc, NULL},
    VERBS(X)
#undef X
};
const int verbs_count = sizeof verbs / sizeof verbs[0];

/* A command line, split at its spaces; the words stay until the next call. */
static bool parse(struct args *a, char why[static 256], const char *line) {
    static char text[256], *save;
    static char *argv[16];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok_r(text, " ", &save); word != NULL && argc < 16; word = strtok_r(NULL, " ", &save)) argv[argc++] = word;
    return args_parse(argc, argv, a, why);
}

Test(args, options_may_stand_anywhere_and_take_values_both_ways) {
    struct args a;
    char why[256];
    char *argv[] = {(char[]){"truce"},  (char[]){"slow"}, (char[]){"--latency=80ms"}, (char[]){"us"},
                    (char[]){"--json"}, (char[]){"eu"},   (char[]){"--loss"},         (char[]){"1%"}};
    cr_assert(args_parse(8, argv, &a, why));
    cr_assert_str_eq(a.verb, "slow");
    cr_assert_str_eq(a.latency, "80ms");
    cr_assert_str_eq(a.loss, "1%");
    cr_assert_not_null(a.json);
    cr_assert_null(a.rate);
    cr_assert_eq(a.words_count, 2);
    cr_assert_str_eq(a.words[0], "us");
    cr_assert_str_eq(a.words[1], "eu");
}

Test(args, what_follows_two_dashes_is_no_option) {
    struct args a;
    char why[256];
    cr_assert(parse(&a, why, "truce do us -- GET --json"));
    cr_assert_null(a.json);
    cr_assert_eq(a.words_count, 3);
    cr_assert_str_eq(a.words[2], "--json");
}

Test(args, a_fault_is_named) {
    struct args a;
    char why[256];
    cr_assert_not(parse(&a, why, "truce fly"));
    cr_assert_str_eq(why, "unknown verb fly");
    cr_assert_not(parse(&a, why, "truce up --color"));
    cr_assert_str_eq(why, "unknown option --color");
    cr_assert_not(parse(&a, why, "truce up --dir"));
    cr_assert_str_eq(why, "--dir wants a value");
    cr_assert_not(parse(&a, why, "truce cut us eu --latency 1ms"));
    cr_assert_str_eq(why, "cut takes no --latency");
    cr_assert_not(parse(&a, why, "truce status --json=yes"));
    cr_assert_str_eq(why, "--json takes no value");
    cr_assert_not(parse(&a, why, "truce up --port_base 7000"));
    cr_assert_str_eq(why, "unknown option --port_base");
}

Test(args, every_option_that_a_verb_lists_exists) {
    for (int i = 0; i < verbs_count; i++) {
        char list[256], *save;
        strncpy(list, verbs[i].options, sizeof list - 1);
        list[sizeof list - 1] = '\0';
        for (char *name = strtok_r(list, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
            struct args a;
            char why[256] = "", line[128], verb[32];
            option_name(verbs[i].name, verb);
            snprintf(line, sizeof line, "truce %s --%s 1", verb, name);
            cr_assert(parse(&a, why, line), "%s: %s", line, why);
        }
    }
}

Test(args, nothing_at_all_is_a_call_for_help) {
    struct args a;
    char why[256];
    cr_assert(parse(&a, why, "truce"));
    cr_assert_str_eq(a.verb, "help");
    cr_assert(parse(&a, why, "truce --help"));
    cr_assert_str_eq(a.verb, "help");
    cr_assert(parse(&a, why, "truce --version"));
    cr_assert_str_eq(a.verb, "version");
}

Test(args, an_option_may_be_given_again_and_each_value_is_kept_in_order) {
    struct args a;
    char why[256];
    cr_assert(parse(&a, why, "truce replay cut.json --policy a=lww --seed 3 --trace --policy=b=record"));
    cr_assert_eq(a.given_count, 3);
    cr_assert_str_eq(a.given[0].option, "policy");
    cr_assert_str_eq(a.given[0].value, "a=lww");
    cr_assert_str_eq(a.given[1].option, "seed");
    cr_assert_str_eq(a.given[2].value, "b=record");
    cr_assert_str_eq(a.policy, "b=record");
}

Test(args, so_many_options_that_they_cannot_be_kept_are_refused) {
    static char name[] = "--policy", value[] = "a=lww", truce[] = "truce", replay[] = "replay";
    for (int more = 0; more <= 1; more++) {
        struct args a;
        char why[256], *argv[2 + 2 * (ARGS_GIVEN_MAX + 1)] = {truce, replay};
        int argc = 2;
        for (int i = 0; i < ARGS_GIVEN_MAX + more; i++) {
            argv[argc++] = name;
            argv[argc++] = value;
        }
        cr_assert_eq(args_parse(argc, argv, &a, why), more == 0);
        if (more == 1) cr_assert_str_eq(why, "more than 64 options");
    }
}
