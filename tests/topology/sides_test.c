#include "../../topology/sides.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char cluster_text[] =
    "{\"cluster\": \"t\", \"datacenters\": {"
    "\"us\": {\"nodes\": {\"1\": {\"client\": \"h:1\", \"peer\": \"h:11\"}, \"2\": {\"client\": \"h:2\", \"peer\": \"h:12\"}}},"
    "\"eu\": {\"nodes\": {\"1\": {\"client\": \"h:3\", \"peer\": \"h:13\"}}},"
    "\"ap\": {\"nodes\": {\"1\": {\"client\": \"h:4\", \"peer\": \"h:14\"}}}}}";
static struct cluster cluster;

static void load(void) {
    struct buf why = {0};
    cr_assert(cluster_parse("test", slice_text(cluster_text), &cluster, &why), "%.*s", (int)why.n, (const char *)why.p);
}

/* What the words, split at ';', come to: "ap-1 | us-1 us-2 ", or "wrong: ". */
static const char *sides_of(const char *line) {
    static char text[512];
    char copy[128], *words[8], *save;
    int count = 0;
    struct sides s;
    struct buf why = {0}, out = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok_r(copy, ";", &save); word != NULL && count < 8; word = strtok_r(NULL, ";", &save)) words[count++] = word;
    if (!sides_parse(&cluster, words, count, &s, &why)) {
        snprintf(text, sizeof text, "wrong: %.*s", (int)why.n, (const char *)why.p);
        buf_finish(&why);
        return text;
    }
    for (uint32_t i = 0; i < cluster.nodes_count; i++)
        if (s.a[i]) buf_printf(&out, "%s ", cluster.nodes[i].name);
    buf_printf(&out, s.one_way ? "> " : "| ");
    for (uint32_t i = 0; i < cluster.nodes_count; i++)
        if (s.b[i]) buf_printf(&out, "%s ", cluster.nodes[i].name);
    snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
    buf_finish(&out);
    return text;
}

TestSuite(sides, .init = load);

Test(sides, two_names_stand_against_each_other) {
    cr_assert_str_eq(sides_of("eu;us"), "eu-1 | us-1 us-2 ");
    cr_assert_str_eq(sides_of("us-2;ap"), "us-2 | ap-1 ");
    cr_assert_str_eq(sides_of("us-1;us-2"), "us-1 | us-2 ");
}

Test(sides, scenarios_spelling_works_in_one_word_or_many) {
    cr_assert_str_eq(sides_of("eu | us ap"), "eu-1 | ap-1 us-1 us-2 ");
    cr_assert_str_eq(sides_of("eu|us,ap"), "eu-1 | ap-1 us-1 us-2 ");
    cr_assert_str_eq(sides_of("eu;|;us;ap"), "eu-1 | ap-1 us-1 us-2 ");
    cr_assert_str_eq(sides_of("eu > us"), "eu-1 > us-1 us-2 ");
}

Test(sides, a_single_name_or_a_star_stands_against_all_others) {
    cr_assert_str_eq(sides_of("us"), "us-1 us-2 | ap-1 eu-1 ");
    cr_assert_str_eq(sides_of("us-1 | *"), "us-1 | ap-1 eu-1 us-2 ");
    cr_assert_str_eq(sides_of("* > ap"), "eu-1 us-1 us-2 > ap-1 ");
}

Test(sides, what_makes_no_sense_is_refused_in_words) {
    static const char *const bad[] = {"eu | mars", "mars", "us | us-1", "eu us ap", "eu | us | ap", "eu > us > ap",
                                      "| us",      "eu |", "* | *",     "",         "us eu ap | *"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *text = sides_of(bad[i]);
        cr_assert_eq(strncmp(text, "wrong: ", 7), 0, "%s gave %s", bad[i], text);
        cr_assert_lt(10, (int)strlen(text), "%s", text);
    }
}
