/* The example handlers do what they say: each answers the conflicts of its own file as that expects, through the same door as in a node, and is
 * admitted with them. Usage: examples TRUCE DIRECTORY_OF_HANDLERS DIRECTORY_OF_CONFLICTS */
#include "../../conflict/check_case.h"
#include "../../conflict/handler_load.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int passed, failed;

static void count(bool ok, const char *name, const char *what, const struct buf *why) {
    printf("%s %s: %s\n", ok ? "ok  " : "FAIL", name, what);
    if (!ok) printf("%.*s\n", (int)why->n, why->n > 0 ? (const char *)why->p : "");
    ok ? passed++ : failed++;
}

static void answer_one(const struct truce_handler *h, const struct check_case *c, const char *settings) {
    struct buf request = {0}, bytes = {0}, why = {0};
    struct handler_request q;
    struct handler_answer a;
    check_case_encode(c, h->name, settings, &request);
    bool ok = handler_request_decode(&q, buf_slice_of(&request));
    if (ok) {
        handler_call(h, &q, &bytes);
        ok = c->expect != NULL && handler_answer_decode(buf_slice_of(&bytes), &a) && check_expected(c, &a, &why);
        handler_request_finish(&q);
    }
    count(ok, h->name, c->title, &why);
    buf_finish(&request), buf_finish(&bytes), buf_finish(&why);
}

static void answer_all(const char *path, const char *conflicts, const char *name) {
    struct loaded_handler l;
    struct check_cases cases = {0};
    struct buf why = {0};
    char *settings = check_cases_settings(conflicts), refusal[256];
    bool ok = handler_load(&l, path, &why) && check_cases_load(&cases, conflicts, &why) && cases.n > 0;
    count(ok, name, "it and its conflicts can be loaded", &why);
    if (ok && l.handler->check_settings != NULL)
        count(l.handler->check_settings(settings != NULL ? settings : "{}", refusal, sizeof refusal) == 0 &&
                  l.handler->check_settings("{\"no such setting\": 1}", refusal, sizeof refusal) != 0 && refusal[0] != '\0',
              name, "it takes its settings, and refuses others", &why);
    for (uint32_t i = 0; ok && i < cases.n; i++) answer_one(l.handler, &cases.c[i], settings != NULL ? settings : "{}");
    handler_unload(&l);
    check_cases_finish(&cases);
    buf_finish(&why);
    free(settings);
}

static void check(const char *truce, const char *path, const char *conflicts, const char *name) {
    struct buf command = {0}, said = {0}, why = {0};
    uint64_t hash;
    buf_printf(&command, "'%s' handler check '%s' --recorded '%s' 2>&1", truce, path, conflicts);
    buf_u8(&command, 0);
    FILE *f = popen((const char *)command.p, "r");
    buf_reserve(&said, 65536);
    if (f != NULL) said.n = fread(said.p, 1, 65536, f);
    int status = f != NULL ? pclose(f) : -1;
    count(WIFEXITED(status) && WEXITSTATUS(status) == 0, name, "it is admitted", &said);
    count(handler_file_hash(path, &hash, &why) && handler_admission(path, hash, &why) == ADMISSION_GRANTED, name, "the record beside it says so",
          &why);
    count(handler_admission(path, hash + 1, &why) == ADMISSION_STALE, name, "the record does not count for another file", &why);
    buf_finish(&command), buf_finish(&said), buf_finish(&why);
}

int main(int argc, char **argv) {
    static const char *const names[] = {"audit", "booking", "bounded_stock", "delete_wins", "json_three_way", "longest_text"};
    if (argc != 4) return 2;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024], conflicts[1024];
        snprintf(path, sizeof path, "%s/%s.so", argv[2], names[i]);
        snprintf(conflicts, sizeof conflicts, "%s/%s.json", argv[3], names[i]);
        answer_all(path, conflicts, names[i]);
        check(argv[1], path, conflicts, names[i]);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
