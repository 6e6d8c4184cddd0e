/* Reading what is there at rest, at all nodes that run. */
#include "load_parts.h"

#include <stdlib.h>

#define PATIENCE_US 60000000u
#define TRIES       3 /* a connection may have been lost since it was used last */

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
        buf_finish(&a->words);
        free(a);
        return;
    }
    a->came = true;
    a->reply = load_parse(reply->resp);
    if (--r->coming == 0) r->load->stage->ops->stop(r->load->stage);
}

static void send(struct rest *r, struct rest_answer *a) {
    struct load *l = r->load;
    struct slice words = buf_slice_of(&a->words), *argv = NULL;
    uint32_t *connection = &l->rest_connections[a->node], argc = 0, cap = 0;
    if (!*connection) *connection = l->stage->ops->client(l->stage, a->node) + 1;
    for (size_t at = 0; at < words.n; at += argv[argc - 1].n + 1) {
        if (argc == cap) argv = xrealloc(argv, (cap = cap * 2 + 8) * sizeof *argv);
        argv[argc++] = slice_text((const char *)words.p + at);
    }
    a->came = false;
    r->coming++;
    l->stage->ops->request(l->stage, *connection - 1, argv, argc, on_done, a);
    free(argv);
}

void rest_ask_words(struct rest *r, uint32_t node, uint32_t key, const struct buf *words) {
    if (r->answers_count == r->answers_cap) {
        r->answers_cap = r->answers_cap ? r->answers_cap * 2 : 16;
        r->answers = xrealloc(r->answers, r->answers_cap * sizeof(*r->answers));
    }
    struct rest_answer *a = xcalloc(1, sizeof *a);
    *a = (struct rest_answer){.rest = r, .node = node, .key = key};
    buf_put(&a->words, words->p, words->n);
    r->answers[r->answers_count++] = a;
    send(r, a);
}

void rest_ask_all(struct rest *r, uint32_t key, const char *command, const char *more) {
    struct buf words = {0};
    buf_put(&words, command, strlen(command) + 1);
    buf_printf(&words, "%s:%u", r->load->options.prefix, key);
    buf_u8(&words, 0);
    if (more) buf_put(&words, more, strlen(more) + 1);
    for (uint32_t i = 0; i < r->load->stage->scenario->cluster->nodes_count; i++)
        if (r->nodes[i]) rest_ask_words(r, i, key, &words);
    buf_finish(&words);
}

static void wait_once(struct rest *r) {
    struct stage *s = r->load->stage;
    uint64_t until = s->ops->now_us(s) + PATIENCE_US;
    while (r->coming && s->ops->now_us(s) < until)
        if (!s->ops->run(s, until)) break;
}

bool rest_wait(struct rest *r, struct buf *why) {
    wait_once(r);
    for (int again = 1; again < TRIES && r->coming == 0; again++) {
        for (uint32_t i = 0; i < r->answers_count; i++)
            if (!r->answers[i]->reply) send(r, r->answers[i]);
        wait_once(r);
    }
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
        buf_finish(&a->words);
        free(a);
    }
    r->answers_count = r->coming = 0;
}

void rest_finish(struct rest *r) {
    rest_clear(r);
    free(r->answers);
    r->answers = NULL;
}

bool rest_each(struct load *l, uint32_t keys, uint32_t together, rest_asks *ask, rest_holds *look, void *arg, struct buf *why) {
    struct rest r;
    bool holds = rest_begin(&r, l, why);
    for (uint32_t key = 0; holds && key < keys;) {
        for (uint32_t asked = 0; key < keys && asked < together; key++) asked += ask(&r, key);
        holds = rest_wait(&r, why);
        for (uint32_t i = 0; holds && i < r.answers_count; i++) holds = look(l, r.answers[i], arg, why);
        rest_clear(&r);
    }
    rest_finish(&r);
    return holds;
}

/* ---- TRUCE.EXPLAIN ---- */

/* Rows of workloads never end, and say so beside their values where rows merge. */
static void tell(const json_t *value, bool live, explained *told, void *arg) {
    struct slice text = SLICE(json_string_value(value), json_string_length(value));
    if (json_is_string(value) && !slice_is(text, "(for ever)") && !slice_is(text, "(deleted)") && text.n) told(arg, text, live);
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
