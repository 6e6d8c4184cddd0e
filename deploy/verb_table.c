/* table: which policy settles the conflicts of a table. */
#include "client.h"
#include "print.h"
#include "run.h"
#include "verb_inbox.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BARRIER_WAIT_MS 5000
#define BARRIER_POLL_MS 100

/* A flat array of names and values; handlers are such arrays within. */
static json_t *object_of(const redisReply *map) {
    json_t *o = json_object();
    for (size_t i = 0; map->type == REDIS_REPLY_ARRAY && i + 1 < map->elements; i += 2) {
        const redisReply *value = map->element[i + 1];
        if (map->element[i]->str == NULL) continue;
        json_t *j = value->type == REDIS_REPLY_ARRAY ? json_array() : reply_as_json(value);
        for (size_t k = 0; value->type == REDIS_REPLY_ARRAY && k < value->elements; k++) json_array_append_new(j, object_of(value->element[k]));
        json_object_set_new(o, map->element[i]->str, j);
    }
    return o;
}

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static void print_tables(const json_t *list) {
    struct table t = {.columns = 5};
    struct buf out = {0};
    size_t i, k;
    json_t *one, *handler;
    static const char *const heads[] = {"TABLE", "POLICY", "DEFINED", "SETTINGS", "REMARKS"};
    for (size_t h = 0; h < t.columns; h++) table_cell(&t, "%s", heads[h]);
    json_array_foreach(list, i, one) {
        struct buf remarks = {0};
        if (json_integer_value(json_object_get(one, "barrier"))) buf_text(&remarks, "refuses writes until every node has its definition; ");
        json_array_foreach(json_object_get(one, "handlers"), k, handler)
            buf_printf(&remarks, "%s%s: %s", k ? "; " : "", text_of(handler, "name"), text_of(handler, "here"));
        table_cell(&t, "%s", text_of(one, "table"));
        table_cell(&t, "%s", text_of(one, "policy"));
        table_cell(&t, "%s", text_of(one, "defined"));
        table_cell(&t, "%s", strcmp(text_of(one, "settings"), "{}") == 0 ? "" : text_of(one, "settings"));
        table_cell(&t, "%.*s", (int)remarks.n, remarks.n ? (const char *)remarks.p : "");
        buf_finish(&remarks);
    }
    table_print(&t, &out);
    fwrite(out.p, 1, out.n, stdout);
    table_finish(&t);
    buf_finish(&out);
}

static int list_tables(struct run *r, uint32_t node) {
    redisReply *reply = run_ask(r, node, 2, (const char *[]){"TRUCE.TABLE", "LIST"}, NULL);
    if (reply == NULL) return EXIT_FAILED;
    json_t *list = json_array();
    for (size_t i = 0; i < reply->elements; i++) json_array_append_new(list, object_of(reply->element[i]));
    if (!r->args.json) print_tables(list);
    json_object_set_new(r->json, "tables", list);
    freeReplyObject(reply);
    return 0;
}

/* Does the table take writes at this node? One that does not answer holds up the others, and they say so. */
static bool takes_writes(struct run *r, uint32_t node) {
    struct buf why = {0};
    redisReply *reply = node_ask(r->local.cluster, node, 3, (const char *[]){"TRUCE.TABLE", "SHOW", r->args.words[1]}, NULL, ASK_TIMEOUT_MS, &why);
    buf_finish(&why);
    if (reply == NULL) return true;
    json_t *table = reply->type == REDIS_REPLY_ARRAY ? object_of(reply) : NULL; /* it does not know of it yet */
    bool takes = table != NULL && json_integer_value(json_object_get(table, "barrier")) == 0;
    json_decref(table);
    freeReplyObject(reply);
    return takes;
}

/* The first node at which it does not; -1: it does everywhere. Waits a little for that. */
static int held_up_at(struct run *r) {
    int held = -1;
    for (unsigned round = 0; round < BARRIER_WAIT_MS / BARRIER_POLL_MS; round++) {
        held = -1;
        for (uint32_t i = 0; i < r->local.cluster->nodes_count && held < 0; i++)
            if (!takes_writes(r, i)) held = (int)i;
        if (held < 0) break;
        nanosleep(&(struct timespec){.tv_nsec = BARRIER_POLL_MS * 1000000L}, NULL);
    }
    return held;
}

static int set_table(struct run *r, uint32_t node) {
    const char *argv[7] = {"TRUCE.TABLE", "SET", r->args.words[1], r->args.words[2]};
    int n = 4;
    if (r->args.settings) {
        argv[n++] = "SETTINGS";
        argv[n++] = r->args.settings;
    }
    if (r->args.force) argv[n++] = "FORCE";
    redisReply *reply = run_ask(r, node, n, argv, NULL);
    if (reply == NULL) return EXIT_FAILED;
    freeReplyObject(reply);
    int held = held_up_at(r);
    say(r, "Table %s is settled by %s.", r->args.words[1], r->args.words[2]);
    if (held >= 0)
        say(r, "At %s its keys refuse writes until every node has the definition, and all agree that they have.",
            node_name(&r->local, (uint32_t)held));
    json_object_set_new(r->json, "takes_writes", json_boolean(held < 0));
    json_object_set_new(r->json, "table", json_string(r->args.words[1]));
    json_object_set_new(r->json, "policy", json_string(r->args.words[2]));
    return 0;
}

static int reset_table(struct run *r, uint32_t node) {
    redisReply *reply = run_ask(r, node, 3, (const char *[]){"TRUCE.TABLE", "RESET", r->args.words[1]}, NULL);
    if (reply == NULL) return EXIT_FAILED;
    bool was = reply->integer == 1;
    freeReplyObject(reply);
    say(r, was ? "The cluster file's definition of %s holds again." : "%s was not defined at run time.", r->args.words[1]);
    json_object_set_new(r->json, "reset", json_boolean(was));
    return 0;
}

int verb_table(struct run *r) {
    const char *word = r->args.words_count > 0 ? r->args.words[0] : "list";
    int (*run)(struct run *, uint32_t) = strcmp(word, "list") == 0 && r->args.words_count <= 1    ? list_tables
                                         : strcmp(word, "set") == 0 && r->args.words_count == 3   ? set_table
                                         : strcmp(word, "reset") == 0 && r->args.words_count == 2 ? reset_table
                                                                                                  : NULL;
    if (run == NULL) return fail(r, EXIT_USAGE, "truce table list | set NAME POLICY | reset NAME");
    int code = run_open(r, false);
    if (code != 0) return code;
    int node = run_node(r);
    return node < 0 ? EXIT_FAILED : run(r, (uint32_t)node);
}
