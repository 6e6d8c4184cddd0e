/* conflicts: what lost, with its value, and against what. */
#include "client.h"
#include "print.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LIST_TIMEOUT_MS 60000

/* A journal entry is a flat array of names and values. */
static json_t *entry_json(const redisReply *entry) {
    json_t *o = json_object();
    for (size_t i = 0; entry->type == REDIS_REPLY_ARRAY && i + 1 < entry->elements; i += 2)
        if (entry->element[i]->str != NULL) json_object_set_new(o, entry->element[i]->str, reply_json(entry->element[i + 1]));
    return o;
}

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static void print_entries(const json_t *list) {
    struct table t = {.columns = 6};
    struct buf out = {0};
    static const char *const heads[] = {"KEY", "LOST VALUE", "FROM", "LOSER", "WINNER", "POLICY"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        table_cell(&t, "%s", text_of(entry, "key"));
        table_cell(&t, "%s", text_of(entry, "value"));
        table_cell(&t, "%s", text_of(entry, "loser_dc"));
        table_cell(&t, "%s", text_of(entry, "loser"));
        table_cell(&t, "%s", text_of(entry, "winner"));
        table_cell(&t, "%s", text_of(entry, "policy"));
    }
    table_print(&t, &out);
    fwrite(out.p, 1, out.n, stdout);
    table_finish(&t);
    buf_finish(&out);
}

/* The node named by the words, or the first that answers; *ret_key what is left of the words. */
static int node_of_words(struct run *r, const char **ret_key, struct buf *why) {
    const struct cluster *c = r->local.cluster;
    char **words = r->args.words;
    int count = r->args.words_count;
    bool named = count > 0 && (cluster_find(c, slice_text(words[0])) >= 0 || cluster_find_dc(c, slice_text(words[0])) >= 0);
    *ret_key = count > named ? words[named] : NULL;
    if (count > named + 1) buf_printf(why, "conflicts of what? (truce help conflicts)");
    if (count > named + 1) return -1;
    if (named) return node_to_ask(&r->local, words[0], why);
    for (uint32_t d = 0; d < c->dcs_count; d++) {
        buf_clear(why);
        int node = node_to_ask(&r->local, c->dcs[d].name, why);
        if (node >= 0) return node;
    }
    return -1;
}

int verb_conflicts(struct run *r) {
    int code = run_open(r, false);
    if (code != 0) return code;
    struct buf why = {0};
    const char *key = NULL;
    redisReply *reply = NULL;
    int node = node_of_words(r, &key, &why);
    if (node >= 0)
        reply = node_ask(r->local.cluster, (uint32_t)node, key ? 2 : 1, (const char *[]){"TRUCE.CONFLICTS", key}, NULL, LIST_TIMEOUT_MS, &why);
    if (reply != NULL && reply->type != REDIS_REPLY_ARRAY) buf_printf(&why, "%s", reply->str ? reply->str : "an unexpected reply");
    if (why.n > 0) code = fail(r, node < 0 ? EXIT_USAGE : EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    if (code == 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < reply->elements; i++) json_array_append_new(list, entry_json(reply->element[i]));
        say(r, "Conflict journal of %s: %zu %s%s%s.", node_name(&r->local, (uint32_t)node), reply->elements,
            reply->elements == 1 ? "entry" : "entries", key ? " for " : "", key ? key : "");
        if (!r->args.json && reply->elements > 0) print_entries(list);
        json_object_set_new(r->json, "node", json_string(node_name(&r->local, (uint32_t)node)));
        json_object_set_new(r->json, "conflicts", list);
    }
    freeReplyObject(reply);
    buf_finish(&why);
    return code;
}
