/* Reading what is there at rest, at all nodes that run. */
#include "load_parts.h"

#include <stdlib.h>

#define PATIENCE_US 60000000u

bool rest_begin(struct rest *r, struct load *l, struct buf *why) {
    *r = (struct rest){.load = l};
    for (uint32_t i = 0; i < l->stage->scenario->cluster->nodes_count; i++) {
        struct stage_view v = {0};
        l->stage->ops->look(l->stage, i, &v);
        r->nodes[i] = v.role == ROLE_LEADER || v.role == ROLE_FOLLOWER;
        r->nodes_count += r->nodes[i];
    }
    if (r->nodes_count == 0) buf_text(why, "no node runs that could be asked");
    return r->nodes_count > 0;
}

static void on_done(void *arg, const struct stage_reply *reply) {
    struct rest_answer *a = arg;
    struct rest *r = a->rest;
    if (!r) {
        free(a);
        return;
    }
    a->came = true;
    a->reply = load_parse(reply->resp);
    if (--r->coming == 0) r->load->stage->ops->stop(r->load->stage);
}

static void ask(struct rest *r, uint32_t node, uint32_t key, const struct slice *argv, uint32_t argc) {
    struct load *l = r->load;
    uint32_t *connection = &l->rest_connections[node];
    if (!*connection) *connection = l->stage->ops->client(l->stage, node) + 1;
    if (r->answers_count == r->answers_cap) {
        r->answers_cap = r->answers_cap ? r->answers_cap * 2 : 16;
        r->answers = xrealloc(r->answers, r->answers_cap * sizeof(*r->answers));
    }
    struct rest_answer *a = xcalloc(1, sizeof *a);
    *a = (struct rest_answer){.rest = r, .node = node, .key = key};
    r->answers[r->answers_count++] = a;
    r->coming++;
    l->stage->ops->request(l->stage, *connection - 1, argv, argc, on_done, a);
}

void rest_ask_words(struct rest *r, uint32_t node, uint32_t key, const struct buf *words) {
    struct slice s = buf_slice_of(words);
    uint32_t argc = 0, cap = 0;
    struct slice *argv = NULL;
    for (size_t at = 0; at < s.n; at += argv[argc - 1].n + 1) {
        if (argc == cap) argv = xrealloc(argv, (cap = cap * 2 + 8) * sizeof *argv);
        argv[argc++] = slice_text((const char *)s.p + at);
    }
    ask(r, node, key, argv, argc);
    free(argv);
}

void rest_ask_all(struct rest *r, uint32_t key, const char *command, const char *more) {
    char name[LOAD_PREFIX_MAX + 16];
    snprintf(name, sizeof name, "%s:%u", r->load->options.prefix, key);
    struct slice argv[3] = {slice_text(command), slice_text(name), slice_text(more ? more : "")};
    for (uint32_t i = 0; i < r->load->stage->scenario->cluster->nodes_count; i++)
        if (r->nodes[i]) ask(r, i, key, argv, more ? 3 : 2);
}

bool rest_wait(struct rest *r, struct buf *why) {
    struct stage *s = r->load->stage;
    uint64_t until = s->ops->now_us(s) + PATIENCE_US;
    while (r->coming && s->ops->now_us(s) < until)
        if (!s->ops->run(s, until)) break;
    for (uint32_t i = 0; i < r->answers_count; i++) {
        const struct rest_answer *a = r->answers[i];
        if (a->reply && a->reply->type != REDIS_REPLY_ERROR) continue;
        buf_printf(why, "%s does not tell what %s:%u holds: %s", load_node_name(r->load, a->node), r->load->options.prefix, a->key,
                   a->reply ? a->reply->str : "no answer");
        return false;
    }
    return true;
}

void rest_clear(struct rest *r) {
    for (uint32_t i = 0; i < r->answers_count; i++) {
        struct rest_answer *a = r->answers[i];
        a->rest = NULL; /* one that is still to come frees itself */
        if (!a->came) continue;
        freeReplyObject(a->reply);
        free(a);
    }
    r->answers_count = r->coming = 0;
}

void rest_finish(struct rest *r) {
    rest_clear(r);
    free(r->answers);
    r->answers = NULL;
}

/* ---- TRUCE.EXPLAIN ---- */

static void tell(const json_t *value, bool live, explained *told, void *arg) {
    if (json_is_string(value)) told(arg, SLICE(json_string_value(value), json_string_length(value)), live);
}

bool rest_explained(const struct rest_answer *a, explained *told, void *arg) {
    json_t *j = reply_is_text(a->reply) ? json_loadb(a->reply->str, (size_t)a->reply->len, 0, NULL) : NULL;
    size_t i, k;
    const json_t *cell, *version;
    if (!j) return false;
    json_array_foreach(json_object_get(j, "cells"), i, cell) json_array_foreach(json_object_get(cell, "versions"), k, version)
        tell(json_object_get(version, "value"), true, told, arg);
    json_array_foreach(json_object_get(j, "lost"), i, version) tell(json_object_get(version, "value"), false, told, arg);
    json_decref(j);
    return true;
}
