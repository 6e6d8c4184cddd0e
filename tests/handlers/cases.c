/* The conflicts that the admission check makes up, shrinks and writes down are such as nodes hand to handlers. */
#include "../../conflict/check_case.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT 600u

static int passed, failed;

static void report(const char *title, uint32_t faults) {
    printf("%s %s", faults == 0 ? "ok  " : "FAIL", title);
    printf(faults == 0 ? "\n" : " (%u faults)\n", faults);
    faults == 0 ? passed++ : failed++;
}

static bool same_case(const struct check_case *a, const struct check_case *b) {
    struct buf x = {0}, y = {0};
    check_case_encode(a, "h", "{}", &x);
    check_case_encode(b, "h", "{}", &y);
    bool same = slice_equal(buf_slice_of(&x), buf_slice_of(&y));
    buf_finish(&x), buf_finish(&y);
    return same;
}

/* As a node would: in canonical order, decodable, with two contents. */
static bool sound(const struct check_case *c, struct origins *t) {
    struct buf request = {0};
    struct handler_request q;
    struct dot before = {0}, dot;
    bool ok = check_case_open(c);
    for (uint32_t i = 0; ok && i < c->count; i++) {
        ok = dot_parse(buf_slice_of(&c->siblings[i].dot), t, &dot) && (i == 0 || dot_compare(t, before, dot) < 0);
        before = dot;
    }
    check_case_encode(c, "h", "{}", &request);
    bool decoded = handler_request_decode(&q, buf_slice_of(&request));
    if (decoded) handler_request_finish(&q);
    buf_finish(&request);
    return ok && decoded;
}

static void made_up(const struct check_cases *all, const struct check_cases *again, struct origins *t) {
    uint32_t unsound = 0, other = all->n != COUNT || again->n != COUNT, counts[6] = {0}, deleted = 0, expiring = 0, equal = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct check_case *c = &all->c[i];
        unsound += !sound(c, t);
        other += !same_case(c, &again->c[i]);
        counts[c->count < 6 ? c->count : 0]++;
        for (uint32_t k = 0; k < c->count; k++) {
            struct slice content = buf_slice_of(&c->siblings[k].content);
            deleted += content.n == 0;
            expiring += content.n > 0 && content_expires_ms(content) != 0;
            equal += k > 0 && slice_equal(content, buf_slice_of(&c->siblings[k - 1].content));
        }
    }
    report("made up conflicts are sound", unsound);
    report("they are the same every time", other);
    report("they have 2 to 5 versions, deletes, expiries, and versions of equal content",
           (uint32_t)(counts[0] + (counts[2] == 0) + (counts[3] == 0) + (counts[4] == 0) + (counts[5] == 0) + (deleted == 0) + (expiring == 0) +
                      (equal == 0)));
}

static size_t size_of(const struct check_case *c) {
    size_t n = c->key.n + c->base.content.n;
    for (uint32_t i = 0; i < c->count; i++) n += 10 + c->siblings[i].content.n;
    return n;
}

static void shrunk(const struct check_cases *all, struct origins *t) {
    uint32_t unsound = 0, larger = 0, steps = 0, endless = 0;
    for (uint32_t i = 0; i < COUNT; i += 7) {
        struct check_case c;
        check_case_copy(&c, &all->c[i]);
        for (steps = 0; steps < 1000; steps++) { /* always the last of the smaller ones */
            struct check_cases smaller = {0};
            check_case_smaller(&c, &smaller);
            for (uint32_t k = 0; k < smaller.n; k++) {
                unsound += !sound(&smaller.c[k], t);
                larger += size_of(&smaller.c[k]) >= size_of(&c);
            }
            bool more = smaller.n > 0;
            if (more) check_case_finish(&c), check_case_copy(&c, &smaller.c[smaller.n - 1]);
            check_cases_finish(&smaller);
            if (!more) break;
        }
        endless += steps == 1000;
        check_case_finish(&c);
    }
    report("what they shrink to is sound", unsound);
    report("every step of shrinking makes them smaller", larger);
    report("shrinking comes to an end", endless);
}

static void written_down(const struct check_cases *all, const char *path) {
    json_t *list = json_array();
    struct check_cases back = {0};
    struct buf why = {0};
    uint32_t other = 0;
    for (uint32_t i = 0; i < COUNT; i++) json_array_append_new(list, check_case_json(&all->c[i]));
    json_t *file = json_pack("{s:o, s:{s:i}}", "conflicts", list, "settings", "n", 1);
    bool ok = json_dump_file(file, path, 0) == 0 && check_cases_load(&back, path, &why) && back.n == COUNT;
    for (uint32_t i = 0; ok && i < COUNT; i++) other += !same_case(&all->c[i], &back.c[i]);
    if (!ok) printf("%.*s\n", (int)why.n, why.n > 0 ? (const char *)why.p : "");
    report("as JSON they come back as they were, binary bytes and all", ok ? other : 1);
    char *settings = check_cases_settings(path);
    report("settings are read from the same file", settings == NULL || strcmp(settings, "{\"n\":1}") != 0);
    free(settings);
    json_decref(file);
    check_cases_finish(&back);
    buf_finish(&why);
}

static void malformed(const char *path) {
    static const struct {
        const char *text, *why;
    } list[] = {
        {"{", ":1:1: "},
        {"{}", "expected {\"conflicts\": [...]}"},
        {"[{}]", "recorded conflict 1: key"},
        {"[{\"key\": \"k\", \"siblings\": [{}]}]", "siblings: expected 2 to"},
        {"[{\"key\": \"k\", \"siblings\": [1, 2]}]", "expected an object"},
        {"[{\"key\": \"k\", \"siblings\": [{}, {}]}]", "expected one of value, columns, members, or deleted: true"},
        {"[{\"key\": \"k\", \"siblings\": [{\"value\": \"a\", \"members\": [\"b\"]}, {}]}]", "expected one of value"},
        {"[{\"key\": \"k\", \"siblings\": [{\"value\": 1}, {}]}]", "its bytes"},
        {"[{\"key\": \"k\", \"siblings\": [{\"value\": {\"base64\": \"a=b=\"}}, {}]}]", "its bytes"},
        {"[{\"key\": \"k\", \"siblings\": [{\"columns\": {}}, {}]}]", "its bytes"},
        {"[{\"key\": \"k\", \"siblings\": [{\"type\": \"set\", \"value\": \"a\"}, {}]}]", "type is set, but what it has is a string"},
        {"[{\"key\": \"k\", \"siblings\": [{\"dc\": \"US\", \"value\": \"a\"}, {}]}]", "dc: expected the name"},
        {"[{\"key\": \"k\", \"siblings\": [{\"dot\": \"us\", \"value\": \"a\"}, {\"value\": \"b\"}]}]", "dot: expected"},
        {"[{\"key\": \"k\", \"siblings\": [{\"stamp\": \"x\", \"value\": \"a\"}, {\"value\": \"b\"}]}]", "stamp: expected"},
        {"[{\"key\": \"k\", \"siblings\": [{\"dot\": \"us-1.0000000000000001:1\", \"value\": \"a\"}, {\"dot\": \"us-1.0000000000000001:1\", "
         "\"value\": \"b\"}]}]",
         "two versions have the same dot"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct check_cases cases = {0};
        struct buf why = {0};
        FILE *f = fopen(path, "w");
        bool written = f != NULL && fputs(list[i].text, f) >= 0;
        if (f != NULL) fclose(f);
        bool refused = !check_cases_load(&cases, path, &why);
        buf_u8(&why, 0);
        report(list[i].why, !written || !refused || strstr((const char *)why.p, list[i].why) == NULL);
        check_cases_finish(&cases);
        buf_finish(&why);
    }
}

int main(void) {
    char path[] = "/tmp/truce-cases-XXXXXX";
    int fd = mkstemp(path);
    struct check_cases all = {0}, again = {0};
    struct origins *t = origins_create();
    check_cases_generate(&all, COUNT, "{\"column\": \"body\", \"list\": [\"x:\"]}", true);
    check_cases_generate(&again, COUNT, "{\"column\": \"body\", \"list\": [\"x:\"]}", true);
    made_up(&all, &again, t);
    shrunk(&all, t);
    written_down(&all, path);
    printf("Refused as recorded conflicts, and why:\n");
    malformed(path);
    check_cases_finish(&all);
    check_cases_finish(&again);
    origins_destroy(t);
    if (fd >= 0) close(fd);
    unlink(path);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
