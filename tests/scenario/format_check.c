/* Says of each line of its input, a scenario file, whether it is taken: "ok", or what is wrong with it. With --keys: which keys each verb takes. For
 * the test that holds the schema against the reader. */
#include "../../dc-node/scenario/format.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_keys(int verb, const char *name) {
    enum value_kind kind;
    for (size_t i = 0; step_key_at(i) != NULL; i++) {
        if (step_key_find(verb, step_key_at(i), &kind)) printf("%s %s\n", name, step_key_at(i));
    }
}

static void check(struct slice text) {
    struct scenario_file f;
    struct scenario s;
    json_t *drawn;
    struct buf why = {0};
    if (scenario_read("file", text, &f, &why)) {
        if (scenario_draw(&f, NULL, &drawn, &why) && scenario_parse(&f, drawn, &s, &why)) {
            buf_text(&why, "ok");
            scenario_finish(&s);
        }
        scenario_file_finish(&f);
    }
    printf("%.*s\n", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (argc == 2 && strcmp(argv[1], "--keys") == 0) {
        for (int verb = 0; verb <= STEP_NEVER; verb++) print_keys(verb, step_verb_name((enum step_verb)verb));
        print_keys(STEP_FAULTS, "faults");
        return 0;
    }
    while ((n = getline(&line, &cap, stdin)) > 0) check(SLICE(line, (size_t)n));
    free(line);
    return 0;
}
