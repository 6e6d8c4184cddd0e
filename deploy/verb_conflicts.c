/* conflicts: what lost, with its value, and against what; the inbox is in verb_inbox.c. */
#include "../schemas/units.h"
#include "client.h"
#include "print.h"
#include "run.h"
#include "verb_inbox.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LIST_TIMEOUT_MS 60000

/* A journal entry is a flat array of names and values. */
static json_t *entry_json(const redisReply *entry) {
    json_t *o = json_object();
    for (size_t i = 0; entry->type == REDIS_REPLY_ARRAY && i + 1 < entry->elements; i += 2)
        if (entry->element[i]->str != NULL) json_object_set_new(o, entry->element[i]->str, reply_as_json(entry->element[i + 1]));
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

static redisReply *ask_journal(struct run *r, uint32_t node, const char *key, uint64_t limit, struct buf *why) {
    char count[24];
    snprintf(count, sizeof count, "%llu", (unsigned long long)limit + 1);
    const char *argv[] = {"TRUCE.CONFLICTS", key ? key : "", "LIMIT", count};
    redisReply *reply = node_ask(r->local.cluster, node, 4, argv, NULL, LIST_TIMEOUT_MS, why);
    if (reply == NULL || reply->type == REDIS_REPLY_ARRAY) return reply;
    buf_printf(why, "%s", reply->str ? reply->str : "an unexpected reply");
    freeReplyObject(reply);
    return NULL;
}

static void show_journal(struct run *r, const char *node, const char *key, const redisReply *reply, uint64_t limit) {
    bool more = reply->elements > limit;
    size_t count = more ? (size_t)limit : reply->elements;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, entry_json(reply->element[i]));
    say(r, "Conflict journal of %s%s%s: %zu %s%s.", node, key ? ", keys that begin with " : "", key ? key : "", count,
        count == 1 ? "entry" : "entries", more ? " of more (--limit)" : "");
    if (!r->args.json && count > 0) print_entries(list);
    json_object_set_new(r->json, "node", json_string(node));
    json_object_set_new(r->json, "more", json_boolean(more));
    json_object_set_new(r->json, "conflicts", list);
}

static int show_losers(struct run *r, uint64_t limit) {
    int code = 0;
    struct buf why = {0};
    const char *key = NULL;
    int node = node_of_words(r, &key, &why);
    redisReply *reply = node >= 0 ? ask_journal(r, (uint32_t)node, key, limit, &why) : NULL;
    if (reply == NULL)
        code = fail(r, node < 0 ? EXIT_USAGE : EXIT_FAILED, "%.*s", (int)why.n, (const char *)why.p);
    else
        show_journal(r, node_name(&r->local, (uint32_t)node), key, reply, limit);
    freeReplyObject(reply);
    buf_finish(&why);
    return code;
}

int verb_conflicts(struct run *r) {
    uint64_t limit = 1000;
    if (r->args.limit && !parse_count(r->args.limit, 1, UINT32_MAX, &limit))
        return fail(r, EXIT_USAGE, "--limit: expected a number from 1 to %u, got %s", UINT32_MAX, r->args.limit);
    int code = run_open(r, false);
    if (code != 0) return code;
    inbox_verb *verb = r->args.words_count > 0 ? inbox_verb_of(r->args.words[0]) : NULL;
    return verb ? verb(r, limit) : show_losers(r, limit);
}
