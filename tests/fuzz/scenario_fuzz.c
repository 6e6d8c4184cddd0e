/* The input is a scenario file: read, drawn, parsed and printed. */
#include "../../dc-node/scenario/format.h"
#include "fuzz.h"
#include <string.h>

static void expect_reason(const struct buf *why) {
    EXPECT(why->n > 5 && memcmp(why->p, "file:", 5) == 0, "a reason that begins with the file");
    EXPECT(memchr(why->p, '\n', why->n) == NULL, "one line");
    EXPECT(memchr(why->p, '\0', why->n) == NULL, "text");
}

static void check_taken(const struct scenario *s) {
    uint32_t nodes = s->cluster->nodes_count;
    EXPECT(s->name != NULL && s->name[0] != '\0' && nodes >= 1 && nodes <= NODES_MAX, "a title and nodes");
    for (uint32_t i = 0; i < s->steps_count; i++) {
        const struct step *step = &s->steps[i];
        EXPECT(step->number == i + 1 && step_verb_of(step->json) == (int)step->verb, "steps in order, each of its verb");
        for (uint32_t n = 0; n < NODES_MAX; n++) {
            EXPECT(n < nodes || (!step->nodes[n] && !step->sides.a[n] && !step->sides.b[n]), "nodes of the cluster alone");
            EXPECT(!step->sides.a[n] || !step->sides.b[n], "no node on both sides");
        }
        EXPECT(step->verb != STEP_DO || step->command != NULL, "a command");
        EXPECT((step->verb != STEP_EXPECT && step->verb != STEP_NEVER) || step->predicate.text != NULL, "a predicate");
    }
}

/* What was drawn is closed, and comes back from its own print. */
static void check_print(const json_t *drawn) {
    struct scenario_file again;
    struct buf text = {0}, twice = {0}, why = {0};
    EXPECT(!scenario_is_open(drawn), "nothing that is still open");
    scenario_print(drawn, &text);
    EXPECT(scenario_read("file", buf_slice_of(&text), &again, &why), "a file that is read again");
    scenario_print(again.json, &twice);
    expect_bytes(buf_slice_of(&twice), buf_slice_of(&text), "the same print again");
    scenario_file_finish(&again);
    buf_finish(&text), buf_finish(&twice), buf_finish(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct scenario_file f = {0};
    struct scenario s;
    json_t *drawn;
    struct buf why = {0};
    uint64_t seed = 1;
    if (!scenario_read("file", SLICE(data, size), &f, &why) || !scenario_draw(&f, &seed, &drawn, &why)) {
        expect_reason(&why);
    } else {
        check_print(drawn);
        if (scenario_parse(&f, drawn, &s, &why)) {
            check_taken(&s);
            scenario_finish(&s);
        } else {
            expect_reason(&why);
        }
    }
    scenario_file_finish(&f);
    buf_finish(&why);
    return 0;
}
