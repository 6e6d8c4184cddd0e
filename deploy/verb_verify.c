/* verify: all replicas compared while writes go on; rows that differ are named, and repaired on demand. */
#include "client.h"
#include "print.h"
#include "settled.h"
#include "verb_inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST_LOOKS     5
#define DIGEST_PERIOD_NS 250000000

struct verified {
    struct run *r;
    uint32_t node; /* that is asked */
    json_t *nodes, *missing, *unsettled, *differ;
    json_t *reached, *away; /* by the node that is asked: names; names and why not */
    json_int_t rows, rows_here;
    uint32_t left; /* that differ and were not repaired */
};

/* The value of a name in a flat array of names and values. */
static const redisReply *field(const redisReply *map, const char *name) {
    for (size_t i = 0; map->type == REDIS_REPLY_ARRAY && i + 1 < map->elements; i += 2)
        if (map->element[i]->str && strcmp(map->element[i]->str, name) == 0) return map->element[i + 1];
    return NULL;
}

static json_t *json_field(const redisReply *map, const char *name) {
    const redisReply *value = field(map, name);
    return value ? reply_as_json(value) : json_null();
}

static void put_key(const redisReply *key, struct buf *out) {
    bool plain = key->len > 0;
    for (size_t i = 0; i < key->len; i++) plain &= key->str[i] > ' ' && key->str[i] <= '~';
    if (plain)
        buf_put(out, key->str, key->len);
    else
        quote(SLICE(key->str, key->len), out);
}

/* ---- one row ---- */

static void tell_nodes(const struct run *r, const redisReply *nodes, bool majority, json_t *list) {
    for (size_t i = 0; i < nodes->elements; i++) {
        const redisReply *node = nodes->element[i], *name = field(node, "node"), *value = field(node, "value"), *differs = field(node, "differs");
        json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "node", json_field(node, "node"), "value", json_field(node, "value"), "differs",
                                              json_field(node, "differs")));
        if (majority && differs->type != REDIS_REPLY_STRING) continue;
        struct buf text = {0};
        if (value->type == REDIS_REPLY_STRING)
            quote(SLICE(value->str, value->len), &text);
        else
            buf_text(&text, "nothing");
        if (majority)
            say(r, "  %s %.*s", name->str, (int)differs->len, differs->str);
        else
            say(r, "  %s reads %.*s", name->str, (int)text.n, (const char *)text.p);
        buf_finish(&text);
    }
}

/* True: it is repaired, or nothing is to be repaired any more. */
static bool repair(struct verified *v, const redisReply *key, json_t *row) {
    const char *from = v->r->args.from;
    const char *argv[] = {"TRUCE.REPAIR", key->str, "FROM", from};
    const size_t lengths[] = {12, key->len, 4, from ? strlen(from) : 0};
    struct buf why = {0};
    redisReply *reply = node_ask(v->r->local.cluster, v->node, from ? 4 : 2, argv, lengths, 60000, &why);
    bool good = reply != NULL && reply->type == REDIS_REPLY_ARRAY;
    if (reply != NULL && !good) buf_printf(&why, "%s", reply->str ? reply->str : "an unexpected reply");
    if (good) json_object_set_new(row, "repaired", reply_as_json(reply));
    for (size_t i = 0; good && i < reply->elements; i++) say(v->r, "  repaired on %s", reply->element[i]->str);
    if (!good) {
        json_object_set_new(row, "why_not_repaired", json_stringn((const char *)why.p, why.n));
        say(v->r, "  not repaired: %.*s", (int)why.n, (const char *)why.p);
    }
    freeReplyObject(reply);
    buf_finish(&why);
    return good;
}

static bool told_before(const struct verified *v, const redisReply *key) {
    json_t *name = reply_as_json(key), *row;
    size_t i;
    bool before = false;
    json_array_foreach(v->differ, i, row) before |= json_equal(json_object_get(row, "key"), name);
    json_decref(name);
    return before;
}

static void take_row(struct verified *v, const redisReply *found) {
    const redisReply *key = field(found, "key"), *majority = field(found, "majority"), *nodes = field(found, "nodes");
    if (!key || !majority || !nodes) return;
    if (told_before(v, key)) return;
    struct buf name = {0};
    json_t *list = json_array(), *row = json_pack("{s:o, s:b, s:o}", "key", reply_as_json(key), "majority", (int)majority->integer, "nodes", list);
    put_key(key, &name);
    say(v->r, "%.*s differs%s", (int)name.n, (const char *)name.p, majority->integer ? ":" : ", and no state of it is that of most nodes:");
    tell_nodes(v->r, nodes, majority->integer, list);
    v->left += !v->r->args.repair || !repair(v, key, row);
    json_array_append_new(v->differ, row);
    buf_finish(&name);
}

/* ---- pages ---- */

static bool has_name(const json_t *names, const json_t *name) {
    size_t i;
    json_t *one;
    json_array_foreach(names, i, one) if (json_equal(json_is_object(one) ? json_object_get(one, "node") : one, name)) return true;
    return false;
}

/* Who was compared in every page, and who was not in some. */
static void take_nodes(struct verified *v, const redisReply *page) {
    const redisReply *missing = field(page, "missing");
    json_decref(v->reached);
    v->reached = json_field(page, "nodes");
    for (size_t i = 0; missing && i < missing->elements; i++) {
        json_t *name = json_field(missing->element[i], "node");
        if (!has_name(v->away, name))
            json_array_append_new(v->away, json_pack("{s:O, s:o}", "node", name, "why", json_field(missing->element[i], "why")));
        json_decref(name);
    }
}

static void take_unsettled(struct verified *v, const redisReply *key) {
    json_t *name = reply_as_json(key);
    if (!has_name(v->unsettled, name)) json_array_append(v->unsettled, name);
    json_decref(name);
}

/* Compares all rows, on the nodes that this one reaches. False: it has said why. */
static bool compare_from(struct verified *v) {
    char cursor[32] = "0";
    do {
        redisReply *page = run_ask(v->r, v->node, 2, (const char *[]){"TRUCE.VERIFY", cursor}, NULL);
        if (page == NULL) return false;
        const redisReply *next = field(page, "cursor"), *rows = field(page, "rows"), *differ = field(page, "differ"),
                         *open = field(page, "unsettled");
        bool good = next && next->type == REDIS_REPLY_STRING && rows && differ && open;
        if (good) {
            take_nodes(v, page);
            v->rows_here += rows->integer;
            for (size_t i = 0; i < open->elements; i++) take_unsettled(v, open->element[i]);
            for (size_t i = 0; i < differ->elements; i++) take_row(v, differ->element[i]);
            snprintf(cursor, sizeof cursor, "%s", next->str);
        }
        freeReplyObject(page);
        if (!good) {
            fail(v->r, EXIT_FAILED, "%s: an unexpected reply to TRUCE.VERIFY", node_name(&v->r->local, v->node));
            return false;
        }
    } while (strcmp(cursor, "0") != 0);
    return true;
}

/* Those that were reached belong to the rest if one of them does: then all of them have been compared with each other. */
static void join_reached(struct verified *v) {
    size_t i;
    json_t *one;
    bool joined = json_array_size(v->nodes) == 0;
    json_array_foreach(v->reached, i, one) joined |= has_name(v->nodes, one);
    json_array_foreach(v->reached, i, one) if (joined && !has_name(v->nodes, one)) json_array_append(v->nodes, one);
    json_array_foreach(v->away, i, one) if (!has_name(v->missing, json_object_get(one, "node"))) json_array_append(v->missing, one);
    for (i = json_array_size(v->missing); i-- > 0;)
        if (has_name(v->nodes, json_object_get(json_array_get(v->missing, i), "node"))) json_array_remove(v->missing, i);
    if (v->rows_here > v->rows) v->rows = v->rows_here;
    v->rows_here = 0;
    json_array_clear(v->away);
}

static bool answers(const struct verified *v, uint32_t node) {
    struct buf why = {0};
    json_t *status = node_status(v->r->local.cluster, node, &why);
    bool good = status != NULL;
    json_decref(status);
    buf_finish(&why);
    return good;
}

/* In a ring no node reaches all others: those that are missing are asked too. */
static bool compare(struct verified *v) {
    const struct cluster *c = v->r->local.cluster;
    bool asked[NODES_MAX] = {0};
    for (int next = (int)v->node; next >= 0;) {
        v->node = (uint32_t)next;
        asked[next] = true;
        if (!compare_from(v)) return false;
        join_reached(v);
        next = -1;
        for (size_t i = 0; i < json_array_size(v->missing) && next < 0; i++) {
            int node = cluster_find(c, slice_text(json_string_value(json_object_get(json_array_get(v->missing, i), "node"))));
            if (node < 0 || asked[node]) continue;
            asked[node] = true;
            if (answers(v, (uint32_t)node)) next = node;
        }
    }
    return true;
}

/* ---- digests ---- */

/* Some node says that another has its version vector and another digest. */
static bool digests_differ(const json_t *nodes) {
    size_t i, k;
    json_t *node, *peer;
    bool differ = false;
    json_array_foreach(nodes, i, node) {
        json_array_foreach(json_object_get(json_object_get(node, "status"), "peers"), k, peer)
            differ |= json_is_true(json_object_get(peer, "diverged"));
    }
    return differ;
}

static const char *text_of(const redisReply *map, const char *name) {
    const redisReply *value = field(map, name);
    return value && value->str ? value->str : "";
}

/* Every node makes its digest anew from its rows. */
static void recount(struct verified *v) {
    const struct cluster *c = v->r->local.cluster;
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct buf why = {0};
        redisReply *reply = node_ask(c, i, 2, (const char *[]){"TRUCE.VERIFY", "DIGEST"}, NULL, 600000, &why);
        if (reply && reply->type == REDIS_REPLY_ARRAY && strcmp(text_of(reply, "was"), text_of(reply, "digest")) != 0) {
            say(v->r, "the digest of %s was not that of its rows, and is now", c->nodes[i].name);
            json_array_append_new(list, json_string(c->nodes[i].name));
        }
        freeReplyObject(reply);
        buf_finish(&why);
    }
    json_object_set_new(v->r->json, "digests_repaired", list);
}

/* What heartbeats say is a moment old. */
static bool look_at_digests(struct verified *v) {
    bool differ = true;
    for (int i = 0; i < DIGEST_LOOKS && differ; i++) {
        if (i) nanosleep(&(struct timespec){.tv_nsec = DIGEST_PERIOD_NS}, NULL);
        json_t *nodes = ask_nodes(&v->r->local);
        differ = digests_differ(nodes);
        json_decref(nodes);
    }
    json_object_set_new(v->r->json, "digests_differ", json_boolean(differ));
    if (differ && v->r->args.repair)
        recount(v);
    else if (differ)
        say(v->r, "Digests differ at equal version vectors (truce verify --repair makes them anew from the rows).");
    return differ && !v->r->args.repair;
}

/* ---- the verb ---- */

static int conclude(struct verified *v, bool digests) {
    const struct run *r = v->r;
    size_t i;
    json_t *one;
    struct buf names = {0};
    json_array_foreach(v->nodes, i, one) buf_printf(&names, "%s%s", i ? ", " : "", json_string_value(one));
    say(r, "%lld rows were compared on %.*s.", (long long)v->rows, (int)names.n, (const char *)names.p);
    buf_finish(&names);
    json_array_foreach(v->missing, i, one)
        say(r, "%s was not compared: %s.", json_string_value(json_object_get(one, "node")), json_string_value(json_object_get(one, "why")));
    if (json_array_size(v->unsettled))
        say(r, "%zu rows were written all the while, or their writes were on their way: they could not be compared.", json_array_size(v->unsettled));
    if (v->left)
        say(r, "%u of them differ%s.", v->left, r->args.repair ? " still" : " (truce verify --repair)");
    else
        say(r, json_array_size(v->differ) ? "All that differed are repaired." : "They are equal.");
    if (v->left || digests) return EXIT_FAILED;
    return json_array_size(v->missing) || json_array_size(v->unsettled) ? EXIT_NOT_SETTLED : 0;
}

int verb_verify(struct run *r) {
    if (r->args.words_count) return fail(r, EXIT_USAGE, "verify takes no words, but options: truce help verify");
    if (r->args.from && !r->args.repair) return fail(r, EXIT_USAGE, "--from says where to repair from: it goes with --repair");
    int code = run_open(r, false), node = code == 0 ? run_node(r) : -1;
    if (node < 0) return code ? code : EXIT_FAILED;
    struct verified v = {.r = r,
                         .node = (uint32_t)node,
                         .nodes = json_array(),
                         .missing = json_array(),
                         .unsettled = json_array(),
                         .differ = json_array(),
                         .reached = json_null(),
                         .away = json_array()};
    bool good = compare(&v), digests = good && look_at_digests(&v);
    code = good ? conclude(&v, digests) : EXIT_FAILED;
    json_object_set_new(r->json, "rows", json_integer(v.rows));
    json_object_set_new(r->json, "nodes", v.nodes);
    json_object_set_new(r->json, "missing", v.missing);
    json_object_set_new(r->json, "unsettled", v.unsettled);
    json_object_set_new(r->json, "differ", v.differ);
    json_object_set_new(r->json, "equal", json_boolean(good && code == 0));
    json_decref(v.reached);
    json_decref(v.away);
    return code;
}
