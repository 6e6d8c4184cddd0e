#include "verb_inbox.h"
#include "client.h"
#include "inbox.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define INBOX_TIMEOUT_MS 600000 /* many conflicts are resolved in one command */

/* ---- asking ---- */
int run_node(struct run *r) {
    const struct cluster *c = r->local.cluster;
    struct buf why = {0};
    int node = r->args.at ? node_to_ask(&r->local, r->args.at, &why) : -1;
    for (uint32_t d = 0; node < 0 && r->args.at == NULL && d < c->dcs_count; d++) {
        buf_clear(&why);
        node = node_to_ask(&r->local, c->dcs[d].name, &why);
    }
    if (node < 0) fail(r, r->args.at ? EXIT_USAGE : EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    if (node >= 0) json_object_set_new(r->json, "node", json_string(node_name(&r->local, (uint32_t)node)));
    buf_finish(&why);
    return node;
}

redisReply *run_ask(struct run *r, uint32_t node, int argc, const char **argv, const size_t *lengths) {
    struct buf why = {0};
    redisReply *reply = node_ask(r->local.cluster, node, argc, argv, lengths, INBOX_TIMEOUT_MS, &why);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        buf_printf(&why, "%s", reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    if (reply == NULL) fail(r, EXIT_FAILED, "%s: %.*s", node_name(&r->local, node), (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return reply;
}

/* SHOW as JSON; NULL: it has said why. */
static json_t *ask_show(struct run *r, uint32_t node, const char *id) {
    redisReply *reply = run_ask(r, node, 3, (const char *[]){"TRUCE.CONFLICTS", "SHOW", id}, NULL);
    json_t *shown = reply != NULL ? inbox_show_json(reply) : NULL;
    freeReplyObject(reply);
    return shown;
}

static void print(const struct run *r, struct buf *text) {
    if (!r->args.json) fwrite(text->p, 1, text->n, stdout);
    buf_finish(text);
}

/* ---- list ---- */
/* Up to `limit` conflicts, page by page; NULL: it has said why. */
static json_t *ask_list(struct run *r, uint32_t node, const char *what, uint64_t limit, bool all, bool *ret_more) {
    json_t *list = json_array();
    char *cursor = xstrdup("");
    *ret_more = true;
    while (*ret_more && json_array_size(list) < limit) {
        char count[24];
        snprintf(count, sizeof count, "%llu", (unsigned long long)(limit - json_array_size(list)));
        const char *argv[] = {"TRUCE.CONFLICTS", "LIST", what, all ? "ALL" : "OPEN", "LIMIT", count, "AFTER", cursor};
        redisReply *reply = run_ask(r, node, *cursor ? 8 : 6, argv, NULL);
        free(cursor);
        cursor = NULL;
        if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
            freeReplyObject(reply);
            json_decref(list);
            return NULL;
        }
        cursor = xstrdup(reply->element[0]->str);
        json_t *page = inbox_list_json(reply->element[1]);
        json_array_extend(list, page);
        json_decref(page);
        freeReplyObject(reply);
        *ret_more = *cursor != '\0';
    }
    free(cursor);
    return list;
}

static int verb_list(struct run *r, uint64_t limit) {
    if (r->args.words_count > 2) return fail(r, EXIT_USAGE, "list conflicts of what? (truce help conflicts)");
    const char *what = r->args.words_count > 1 ? r->args.words[1] : r->args.table ? r->args.table : "";
    int node = run_node(r);
    bool more = false;
    json_t *list = node >= 0 ? ask_list(r, (uint32_t)node, what, limit, r->args.all != NULL, &more) : NULL;
    if (list == NULL) return EXIT_FAILED;
    size_t n = json_array_size(list);
    say(r, "%s conflicts%s%s at %s: %zu%s.", r->args.all ? "All" : "Open", *what ? " of " : "", what, node_name(&r->local, (uint32_t)node), n,
        more ? " of more (--limit)" : "");
    struct buf text = {0};
    if (n > 0) inbox_list_print(list, &text);
    print(r, &text);
    json_object_set_new(r->json, "more", json_boolean(more));
    json_object_set_new(r->json, "conflicts", list);
    return 0;
}

/* ---- show ---- */
static int verb_show(struct run *r, uint64_t limit) {
    (void)limit;
    if (r->args.words_count != 2) return fail(r, EXIT_USAGE, "show which conflict? truce conflicts list gives their ids");
    int node = run_node(r);
    json_t *shown = node >= 0 ? ask_show(r, (uint32_t)node, r->args.words[1]) : NULL;
    if (shown == NULL) return EXIT_FAILED;
    struct buf text = {0};
    inbox_show_print(shown, &text);
    print(r, &text);
    json_object_set_new(r->json, "conflict", shown);
    return 0;
}

/* ---- resolve ---- */
/* TRUCE.CONFLICTS RESOLVE id CONTEXT context and these words. */
static int send_resolution(struct run *r, uint32_t node, const json_t *shown, const struct inbox_words *words) {
    const char *id = json_string_value(json_object_get(shown, "id")), *context = json_string_value(json_object_get(shown, "context"));
    const char *head[] = {"TRUCE.CONFLICTS", "RESOLVE", id, "CONTEXT", context};
    int count = (int)(sizeof head / sizeof head[0]);
    const char **argv = xcalloc((size_t)(count + words->count), sizeof *argv);
    size_t *lengths = xcalloc((size_t)(count + words->count), sizeof *lengths);
    for (int i = 0; i < count; i++) argv[i] = head[i], lengths[i] = strlen(head[i]);
    struct reader in = reader_of(buf_slice_of(&words->bytes));
    for (int i = 0; i < words->count; i++) {
        struct slice s = read_slice(&in);
        argv[count + i] = s.n ? (const char *)s.p : "";
        lengths[count + i] = s.n;
    }
    redisReply *reply = run_ask(r, node, count + words->count, argv, lengths);
    free(argv);
    free(lengths);
    if (reply == NULL) return EXIT_FAILED;
    freeReplyObject(reply);
    say(r, "Conflict %s is resolved; every datacenter takes it over as it does any write.", id);
    json_object_set_new(r->json, "resolved", json_integer(1));
    return 0;
}

static void add_text(struct inbox_words *w, const char *text) { inbox_words_add(w, slice_text(text)); }

static void add_rule(struct inbox_words *w, const char *rule) {
    char word[32];
    size_t n = 0;
    for (; rule[n] && n < sizeof word - 1; n++) word[n] = (char)toupper((unsigned char)rule[n]);
    word[n] = '\0';
    add_text(w, word);
}

/* The editor is the user's own command: with its arguments, as git runs it. */
static bool run_editor(const char *path) {
    const char *editor = getenv("VISUAL");
    if (editor == NULL || *editor == '\0') editor = getenv("EDITOR");
    if (editor == NULL || *editor == '\0') editor = "vi";
    pid_t child = fork();
    if (child == 0) {
        char *command = NULL;
        if (asprintf(&command, "%s \"$1\"", editor) >= 0) execl("/bin/sh", "sh", "-c", command, editor, path, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What the person made of it; NULL: nothing, *why. */
static json_t *edited(const json_t *shown, struct buf *why) {
    char path[] = "/tmp/truce-conflict-XXXXXX.json";
    int file = mkstemps(path, 5);
    json_t *candidate = inbox_edit_json(shown), *result = NULL;
    json_error_t error;
    bool written = file >= 0 && json_dumpfd(candidate, file, JSON_INDENT(2)) == 0 && write(file, "\n", 1) == 1;
    if (file >= 0) close(file);
    if (!written)
        buf_printf(why, "%s: %s", path, strerror(errno));
    else if (!run_editor(path))
        buf_printf(why, "the editor failed: nothing was changed");
    else if ((result = json_load_file(path, 0, &error)) == NULL)
        buf_printf(why, "nothing was changed: line %d: %s", error.line, error.text);
    if (file >= 0) unlink(path);
    json_decref(candidate);
    return result;
}

/* What the options say, as words. False: it has said why. */
static bool choose_words(struct run *r, const json_t *shown, struct inbox_words *w) {
    struct buf why = {0};
    bool ok = true;
    if (r->args.take) {
        add_text(w, "TAKE");
        add_text(w, r->args.take);
    } else if (r->args.rule) {
        add_rule(w, r->args.rule);
    } else {
        add_text(w, "AS");
        json_t *made = r->args.edit ? edited(shown, &why) : NULL;
        ok = r->args.edit ? made != NULL && inbox_edit_words(made, w, &why) : inbox_value_words(shown, r->args.value, w, &why);
        json_decref(made);
    }
    if (!ok) fail(r, EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return ok;
}

static int resolve_one(struct run *r) {
    int node = run_node(r);
    json_t *shown = node >= 0 ? ask_show(r, (uint32_t)node, r->args.words[1]) : NULL;
    if (shown == NULL) return EXIT_FAILED;
    struct inbox_words words = {0};
    int code = choose_words(r, shown, &words) ? send_resolution(r, (uint32_t)node, shown, &words) : EXIT_FAILED;
    buf_finish(&words.bytes);
    json_decref(shown);
    return code;
}

/* Its reply is resolved, how many, skipped, how many, why, text. */
static int resolve_table(struct run *r, uint64_t limit) {
    char count[24];
    snprintf(count, sizeof count, "%llu", (unsigned long long)limit);
    struct inbox_words rule = {0};
    if (r->args.rule) add_rule(&rule, r->args.rule);
    struct reader in = reader_of(buf_slice_of(&rule.bytes));
    struct slice word = r->args.rule ? read_slice(&in) : slice_text("TAKE");
    const char *argv[7] = {"TRUCE.CONFLICTS", "RESOLVE", r->args.table, (const char *)word.p, r->args.take};
    size_t lengths[7] = {15, 7, strlen(r->args.table), word.n, r->args.take ? strlen(r->args.take) : 0};
    int n = r->args.rule ? 4 : 5;
    if (r->args.limit) {
        argv[n] = "LIMIT", lengths[n++] = 5;
        argv[n] = count, lengths[n++] = strlen(count);
    }
    int node = run_node(r);
    redisReply *reply = node >= 0 ? run_ask(r, (uint32_t)node, n, argv, lengths) : NULL;
    buf_finish(&rule.bytes);
    if (reply == NULL) return EXIT_FAILED;
    long long resolved = reply->elements == 6 ? reply->element[1]->integer : 0, skipped = reply->elements == 6 ? reply->element[3]->integer : 0;
    const char *why = reply->elements == 6 && reply->element[5]->str ? reply->element[5]->str : "";
    say(r, "%lld conflicts of table %s are resolved%s.", resolved, r->args.table, skipped ? "" : "; every datacenter takes that over");
    if (skipped) say(r, "%lld stay open: %s", skipped, why);
    json_object_set_new(r->json, "resolved", json_integer(resolved));
    json_object_set_new(r->json, "skipped", json_integer(skipped));
    json_object_set_new(r->json, "why", json_string(why));
    freeReplyObject(reply);
    return 0;
}

static int verb_resolve(struct run *r, uint64_t limit) {
    const struct args *a = &r->args;
    int ways = (a->take != NULL) + (a->rule != NULL) + (a->value != NULL) + (a->edit != NULL);
    bool one = a->words_count == 2 && a->table == NULL, many = a->words_count == 1 && a->table != NULL;
    if ((!one && !many) || ways != 1 || (many && (a->value || a->edit)))
        return fail(r, EXIT_USAGE, "resolve ID with one of --take, --rule, --value, --edit; or --table T with --take or --rule");
    return one ? resolve_one(r) : resolve_table(r, limit);
}

/* ---- export ---- */
/* The table's settings, for whoever checks a handler on its conflicts; NULL: none. */
static json_t *settings_of(struct run *r, uint32_t node, const char *table) {
    redisReply *reply = run_ask(r, node, 3, (const char *[]){"TRUCE.TABLE", "SHOW", table}, NULL);
    json_t *settings = NULL;
    for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2)
        if (reply->element[i]->str && strcmp(reply->element[i]->str, "settings") == 0 && reply->element[i + 1]->str)
            settings = json_loads(reply->element[i + 1]->str, 0, NULL);
    freeReplyObject(reply);
    return settings;
}

static bool add_case(struct run *r, uint32_t node, const char *id, json_t *cases) {
    json_t *shown = ask_show(r, node, id);
    if (shown == NULL) return false;
    json_t *one = inbox_export_json(shown);
    if (one != NULL) json_array_append_new(cases, one);
    json_decref(shown);
    return true;
}

static json_t *export_cases(struct run *r, uint32_t node, uint64_t limit) {
    json_t *cases = json_array(), *list, *episode;
    bool more, ok = true;
    size_t i;
    if (r->args.words_count == 2) {
        ok = add_case(r, node, r->args.words[1], cases);
    } else {
        list = ask_list(r, node, r->args.table ? r->args.table : "", limit, r->args.all != NULL, &more);
        ok = list != NULL;
        json_array_foreach(list, i, episode) ok = ok && add_case(r, node, json_string_value(json_object_get(episode, "id")), cases);
        json_decref(list);
    }
    if (ok) return cases;
    json_decref(cases);
    return NULL;
}

static int verb_export(struct run *r, uint64_t limit) {
    if (r->args.words_count > 2) return fail(r, EXIT_USAGE, "export which conflict? an id, --table T, or nothing for all that are open");
    int node = run_node(r);
    json_t *cases = node >= 0 ? export_cases(r, (uint32_t)node, limit) : NULL;
    if (cases == NULL) return EXIT_FAILED;
    json_t *file = json_pack("{s:o}", "conflicts", cases), *settings = r->args.table ? settings_of(r, (uint32_t)node, r->args.table) : NULL;
    if (settings != NULL) json_object_set_new(file, "settings", settings);
    size_t count = json_array_size(cases);
    int code = 0;
    if (r->args.out != NULL && json_dump_file(file, r->args.out, JSON_INDENT(1)) != 0)
        code = fail(r, EXIT_FAILED, "%s: %s", r->args.out, strerror(errno));
    else if (r->args.out != NULL)
        say(r, "%zu conflicts are in %s.", count, r->args.out);
    else if (!r->args.json)
        json_dumpf(file, stdout, JSON_INDENT(1));
    if (r->args.out == NULL && !r->args.json) putchar('\n');
    json_object_set_new(r->json, "exported", json_integer((json_int_t)count));
    if (r->args.out == NULL) json_object_update(r->json, file);
    json_decref(file);
    return code;
}

/* ---- restore ---- */
static int conflicts_restore(struct run *r, uint64_t limit) {
    (void)limit;
    if (r->args.words_count < 2 || r->args.words_count > 3)
        return fail(r, EXIT_USAGE, "restore ID, and the dot of one of its versions where there are more");
    int node = run_node(r);
    const char *argv[] = {"TRUCE.CONFLICTS", "RESTORE", r->args.words[1], r->args.words_count > 2 ? r->args.words[2] : ""};
    redisReply *reply = node >= 0 ? run_ask(r, (uint32_t)node, r->args.words_count + 1, argv, NULL) : NULL;
    if (reply == NULL) return EXIT_FAILED;
    freeReplyObject(reply);
    say(r, "It is written again, as a new version.");
    json_object_set_new(r->json, "restored", json_true());
    return 0;
}

inbox_verb *inbox_verb_of(const char *word) {
    static const struct {
        const char *word;
        inbox_verb *verb;
    } verbs_within[] = {{"list", verb_list}, {"show", verb_show}, {"resolve", verb_resolve}, {"export", verb_export}, {"restore", conflicts_restore}};
    for (size_t i = 0; i < sizeof verbs_within / sizeof verbs_within[0]; i++)
        if (strcmp(verbs_within[i].word, word) == 0) return verbs_within[i].verb;
    return NULL;
}
