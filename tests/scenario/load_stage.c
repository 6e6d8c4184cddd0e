#include "load_stage.h"

#include "../../dc-node/core/reply.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAY_US    1000u /* to the store, and back */
#define WATCH_MAX 128
#define QUEUE_MAX 128

struct words_of_test {
    uint32_t argc;
    struct slice argv[256];
    struct buf bytes;
};

struct client_of_test {
    uint32_t node, epoch;
    bool multi;
    char *watched[WATCH_MAX];
    json_int_t versions[WATCH_MAX];
    uint32_t watched_count;
    struct words_of_test *queue[QUEUE_MAX];
    uint32_t queue_count;
};

/* A call, a request on its way, or a reply. */
struct happening_of_test {
    struct happening_of_test *next;
    uint64_t at_us, order;
    void (*call)(void *arg, uint64_t number);
    void *arg;
    uint64_t number;
    stage_done *done;
    uint32_t client, epoch;
    struct words_of_test *words; /* NULL: it is a reply */
    struct buf reply;
    uint64_t invoked_us;
};

/* ---- words ---- */

static struct words_of_test *words_copy(const struct slice *argv, uint32_t argc) {
    struct words_of_test *w = xcalloc(1, sizeof *w);
    size_t at[256];
    assert(argc <= 256);
    for (uint32_t i = 0; i < argc; i++) {
        at[i] = w->bytes.n;
        buf_put(&w->bytes, argv[i].p, argv[i].n);
        buf_u8(&w->bytes, 0);
    }
    w->argc = argc;
    for (uint32_t i = 0; i < argc; i++) w->argv[i] = SLICE(w->bytes.p + at[i], argv[i].n);
    return w;
}

static void words_free(struct words_of_test *w) {
    if (w) buf_finish(&w->bytes);
    free(w);
}

static const char *word(const struct words_of_test *w, uint32_t i) { return i < w->argc ? (const char *)w->argv[i].p : ""; }
static bool says(const struct words_of_test *w, const char *name) { return slice_is(w->argv[0], name); }

/* ---- rows ---- */

json_t *load_stage_row(struct load_stage *s, const char *key) { return json_object_get(s->rows, key); }

static json_t *value_of(struct load_stage *s, const char *key) { return json_object_get(load_stage_row(s, key), "value"); }
static json_int_t version_of(struct load_stage *s, const char *key) { return json_integer_value(json_object_get(load_stage_row(s, key), "version")); }

/* Steals the value; NULL: the row goes. */
static void put(struct load_stage *s, const char *key, json_t *value) {
    json_t *row = load_stage_row(s, key);
    if (!row) json_object_set_new(s->rows, key, row = json_object());
    json_t *was = json_object_get(row, "value");
    if (was) json_object_set(row, "before", was);
    if (value)
        json_object_set_new(row, "value", value);
    else
        json_object_del(row, "value");
    json_object_set_new(row, "version", json_integer((json_int_t)++s->writes));
}

/* Of a hash or a set its columns, made at need. */
static json_t *columns(struct load_stage *s, const char *key) {
    json_t *value = value_of(s, key);
    put(s, key, value ? json_incref(value) : json_object());
    return value_of(s, key);
}

/* ---- commands ---- */

static void reply_json(struct reply *r, const json_t *value) {
    if (json_is_string(value))
        reply_bulk(r, SLICE(json_string_value(value), json_string_length(value)));
    else if (json_is_integer(value)) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        reply_text(r, text);
    } else if (json_is_array(value))
        reply_json(r, json_array_get(json_array_get(value, json_array_size(value) - 1), 1));
    else
        reply_null(r);
}

static void get(struct load_stage *s, uint32_t node, const char *key, bool stale, struct reply *r) {
    json_t *row = load_stage_row(s, key), *before = json_object_get(row, "before");
    if (s->lie == LIE_FOREIGN)
        reply_text(r, "registers-99999");
    else if (stale && node == 1 && before)
        reply_json(r, before);
    else if (json_is_object(json_object_get(row, "value")))
        reply_error(r, "WRONGTYPE Operation against a key holding the wrong kind of value");
    else
        reply_json(r, json_object_get(row, "value"));
}

static void explain(struct load_stage *s, const char *key, struct reply *r) {
    json_t *value = value_of(s, key), *lost = json_object_get(load_stage_row(s, key), "lost"), *versions = json_array();
    if (json_is_object(value)) {
        struct buf text = {0};
        const char *name;
        json_t *any;
        json_object_foreach(value, name, any) buf_printf(&text, "%s%s", text.n ? " " : "", name);
        json_array_append_new(versions, json_pack("{s:s%}", "value", text.p ? (char *)text.p : "", text.n));
        buf_finish(&text);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(versions, json_pack("{s:O}", "value", json_array_get(json_array_get(value, i), 1)));
    } else if (value) {
        json_array_append_new(versions, json_pack("{s:O}", "value", value));
    }
    json_t *j = json_pack("{s:[{s:o}], s:[]}", "cells", "versions", versions, "lost");
    for (size_t i = 0; i < json_array_size(lost); i++)
        json_array_append_new(json_object_get(j, "lost"), json_pack("{s:O}", "value", json_array_get(lost, i)));
    char *text = json_dumps(j, JSON_COMPACT);
    reply_text(r, text);
    free(text);
    json_decref(j);
}

static void increment(struct load_stage *s, const char *key, const char *column, const char *amount, struct reply *r) {
    json_t *of = column ? columns(s, key) : NULL;
    json_int_t sum = json_integer_value(column ? json_object_get(of, column) : value_of(s, key)) + atoll(amount);
    if (column)
        json_object_set_new(of, column, json_integer(sum));
    else
        put(s, key, json_integer(sum));
    reply_integer(r, sum);
}

/* A row of siblings is a list of pairs: the number of the write, and the value. The context is the number of the last write of all. */
static void siblings(struct load_stage *s, const char *key, struct reply *r) {
    json_t *list = value_of(s, key), *pair;
    size_t i;
    char context[24];
    snprintf(context, sizeof context, "%llu", (unsigned long long)s->writes);
    reply_map(r, 2);
    reply_text(r, "context");
    reply_text(r, context);
    reply_text(r, "siblings");
    reply_array(r, json_array_size(list));
    json_array_foreach(list, i, pair) {
        reply_map(r, 1);
        reply_text(r, "value");
        reply_json(r, json_array_get(pair, 1));
    }
}

static void put_sibling(struct load_stage *s, const char *key, long long context, const char *value) {
    json_t *kept = json_array(), *pair;
    size_t i;
    json_array_foreach(value_of(s, key), i, pair) if (json_integer_value(json_array_get(pair, 0)) > context) json_array_append(kept, pair);
    json_array_append_new(kept, json_pack("[I, s]", (json_int_t)s->writes + 1, value));
    put(s, key, kept);
}

static bool run_read(struct load_stage *s, uint32_t node, const struct words_of_test *w, struct reply *r) {
    json_t *value = value_of(s, word(w, 1));
    if (says(w, "GET")) {
        get(s, node, word(w, 1), s->lie == LIE_STALE_READS, r);
    } else if (says(w, "MGET")) {
        reply_array(r, w->argc - 1);
        for (uint32_t i = 1; i < w->argc; i++) reply_json(r, value_of(s, word(w, i)));
    } else if (says(w, "HGET")) {
        reply_json(r, json_object_get(value, word(w, 2)));
    } else if (says(w, "SMEMBERS") || says(w, "HGETALL")) {
        const char *name;
        json_t *any;
        reply_array(r, json_object_size(value));
        json_object_foreach(value, name, any) reply_text(r, name);
    } else if (says(w, "SISMEMBER")) {
        reply_integer(r, json_object_get(value, word(w, 2)) != NULL);
    } else if (says(w, "TRUCE.EXPLAIN")) {
        explain(s, word(w, 1), r);
    } else if (says(w, "TRUCE.SIBLINGS")) {
        siblings(s, word(w, 1), r);
    } else if (says(w, "TRUCE.WAIT") || says(w, "WAIT")) {
        reply_integer(r, 1);
    } else if (says(w, "TRUCE.TOKEN")) {
        char text[64];
        snprintf(text, sizeof text, "eu-1.0000000000000001:%llu", (unsigned long long)s->writes + 1);
        reply_text(r, text);
    } else {
        return false;
    }
    return true;
}

static void run_write(struct load_stage *s, uint32_t node, const struct words_of_test *w, struct reply *r) {
    const char *key = word(w, 1);
    if (says(w, "SET")) {
        if (strcmp(word(w, 3), "GET") == 0)
            get(s, node, key, s->lie == LIE_STALE_WRITES, r);
        else
            reply_ok(r);
        put(s, key, json_string(word(w, 2)));
    } else if (says(w, "GETDEL")) {
        get(s, node, key, false, r);
        put(s, key, NULL);
    } else if (says(w, "MSET")) {
        for (uint32_t i = 1; i + 1 < w->argc; i += 2) put(s, word(w, i), json_string(word(w, i + 1)));
        reply_ok(r);
    } else if (says(w, "INCRBY")) {
        increment(s, key, NULL, word(w, 2), r);
    } else if (says(w, "HINCRBY")) {
        increment(s, key, word(w, 2), word(w, 3), r);
    } else if (says(w, "SADD") || says(w, "SREM")) {
        bool adds = says(w, "SADD"), there = json_object_get(value_of(s, key), word(w, 2)) != NULL;
        json_t *of = columns(s, key);
        if (adds)
            json_object_set_new(of, word(w, 2), json_true());
        else
            json_object_del(of, word(w, 2));
        reply_integer(r, adds != there);
    } else if (says(w, "TRUCE.WITH")) {
        put_sibling(s, word(w, 3), atoll(word(w, 1)), word(w, 4));
        reply_ok(r);
    } else {
        reply_error(r, "ERR unknown command '%s'", word(w, 0));
    }
}

static void forget_transaction(struct client_of_test *c) {
    for (uint32_t i = 0; i < c->watched_count; i++) free(c->watched[i]);
    for (uint32_t i = 0; i < c->queue_count; i++) words_free(c->queue[i]);
    c->watched_count = c->queue_count = 0;
    c->multi = false;
}

static void run_any(struct load_stage *s, uint32_t node, const struct words_of_test *w, struct reply *r) {
    if (!run_read(s, node, w, r)) run_write(s, node, w, r);
}

static void exec(struct load_stage *s, struct client_of_test *c, struct reply *r) {
    bool changed = false;
    for (uint32_t i = 0; i < c->watched_count; i++) changed |= version_of(s, c->watched[i]) != c->versions[i];
    if (!c->multi)
        reply_error(r, "ERR EXEC without MULTI");
    else if (changed && s->lie != LIE_NO_WATCH)
        reply_null_array(r);
    else {
        reply_array(r, c->queue_count);
        for (uint32_t i = 0; i < c->queue_count; i++) {
            bool skips = s->lie == LIE_HALF_EXEC && i > 0 && i + 1 == c->queue_count && says(c->queue[i], "HINCRBY");
            if (skips)
                reply_integer(r, 1);
            else
                run_any(s, c->node, c->queue[i], r);
        }
    }
    forget_transaction(c);
}

static void run_request(struct load_stage *s, struct client_of_test *c, const struct words_of_test *w, struct reply *r) {
    static const char *const refused[] = {"SET", "INCRBY", "HINCRBY", "SADD", "SREM", "TRUCE.WITH", "GETDEL"};
    bool refuses = false;
    if (!c->multi && s->refuse_every)
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) refuses |= says(w, refused[i]) && ++s->requests % s->refuse_every == 0;
    if (refuses) {
        reply_error(r, "NOLEADER us-1 cannot be reached: nothing was written");
    } else if (says(w, "MULTI")) {
        c->multi = true;
        reply_ok(r);
    } else if (says(w, "EXEC")) {
        exec(s, c, r);
    } else if (says(w, "DISCARD")) {
        if (c->multi)
            reply_ok(r);
        else
            reply_error(r, "ERR DISCARD without MULTI");
        forget_transaction(c);
    } else if (says(w, "WATCH")) {
        for (uint32_t i = 1; i < w->argc; i++) {
            c->watched[c->watched_count] = xstrdup(word(w, i));
            c->versions[c->watched_count++] = version_of(s, word(w, i));
        }
        reply_ok(r);
    } else if (c->multi) {
        c->queue[c->queue_count++] = words_copy(w->argv, w->argc);
        reply_simple(r, "QUEUED");
    } else {
        run_any(s, c->node, w, r);
    }
}

/* ---- the stage ---- */

static struct load_stage *of(struct stage *s) { return (struct load_stage *)s; }
static uint64_t now_us(struct stage *s) { return of(s)->now_us; }
static void stop(struct stage *s) { of(s)->stop = true; }

static struct happening_of_test *schedule(struct load_stage *s, uint64_t at_us) {
    struct happening_of_test *h = xcalloc(1, sizeof *h), **at = &s->happenings;
    h->at_us = at_us;
    h->order = ++s->order;
    while (*at && (*at)->at_us <= at_us) at = &(*at)->next;
    h->next = *at;
    *at = h;
    return h;
}

static void at(struct stage *st, uint64_t at_us, void (*call)(void *arg, uint64_t number), void *arg, uint64_t number) {
    struct happening_of_test *h = schedule(of(st), at_us);
    h->call = call;
    h->arg = arg;
    h->number = number;
}

static uint32_t client(struct stage *st, uint32_t node) {
    struct load_stage *s = of(st);
    s->clients = xrealloc(s->clients, (s->clients_count + 1) * sizeof *s->clients);
    s->clients[s->clients_count] = (struct client_of_test){.node = node};
    return s->clients_count++;
}

static void request(struct stage *st, uint32_t id, const struct slice *argv, uint32_t argc, stage_done *done, void *arg) {
    struct load_stage *s = of(st);
    struct happening_of_test *h = schedule(s, s->now_us + WAY_US);
    h->done = done;
    h->arg = arg;
    h->client = id;
    h->epoch = s->clients[id].epoch;
    h->words = words_copy(argv, argc);
    h->invoked_us = s->now_us;
}

static void lose_connection(struct load_stage *s, uint32_t id) {
    s->clients[id].epoch++;
    forget_transaction(&s->clients[id]);
}

static void hang_up(struct stage *st, uint32_t id) { lose_connection(of(st), id); }

static void carry_out(struct load_stage *s, struct happening_of_test *h) {
    if (h->call) {
        h->call(h->arg, h->number);
        return;
    }
    bool current = s->clients[h->client].epoch == h->epoch;
    if (h->words) {
        struct happening_of_test *back = schedule(s, s->now_us + WAY_US);
        back->done = h->done;
        back->arg = h->arg;
        back->client = h->client;
        back->epoch = h->epoch;
        back->invoked_us = h->invoked_us;
        struct reply r = {.out = &back->reply, .protocol = 2};
        if (current) run_request(s, &s->clients[h->client], h->words, &r);
        if (current && s->lose_every && ++s->requests % s->lose_every == 0) lose_connection(s, h->client);
        return;
    }
    struct stage_reply r = {s->clients[h->client].node, h->client, h->invoked_us, s->now_us, current ? buf_slice_of(&h->reply) : SLICE(NULL, 0)};
    h->done(h->arg, &r);
}

static void happening_free(struct happening_of_test *h) {
    words_free(h->words);
    buf_finish(&h->reply);
    free(h);
}

static bool run(struct stage *st, uint64_t until_us) {
    struct load_stage *s = of(st);
    s->stop = false;
    while (!s->stop && s->happenings && s->happenings->at_us <= until_us) {
        struct happening_of_test *h = s->happenings;
        s->happenings = h->next;
        if (h->at_us > s->now_us) s->now_us = h->at_us;
        carry_out(s, h);
        happening_free(h);
    }
    if (!s->stop && s->now_us < until_us) s->now_us = until_us;
    return true;
}

static void look(struct stage *s, uint32_t node, struct stage_view *ret) { *ret = (struct stage_view){.role = ROLE_LEADER}; }
static bool settle(struct stage *s, uint64_t max_us) { return run(s, now_us(s) + max_us); }

static const struct stage_ops ops = {
    .name = "made by hand",
    .now_us = now_us,
    .run = run,
    .stop = stop,
    .at = at,
    .client = client,
    .request = request,
    .hang_up = hang_up,
    .look = look,
    .settle = settle,
};

struct load_stage *load_stage_create(enum policy p) {
    struct load_stage *s = xcalloc(1, sizeof *s);
    struct cluster *c = s->cluster = xcalloc(1, sizeof *c);
    static const char *const names[] = {"eu", "us"};
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(c->dcs[i].name, sizeof c->dcs[i].name, "%s", names[i]);
        snprintf(c->nodes[i].name, sizeof c->nodes[i].name, "%s-1", names[i]);
        c->nodes[i].dc = i;
        c->dcs[i].nodes_count = c->nodes[i].node = 1;
    }
    c->dcs_count = c->nodes_count = 2;
    c->rest.policy = p;
    s->scenario.cluster = c;
    s->base.ops = &ops;
    s->base.scenario = &s->scenario;
    s->rows = json_object();
    return s;
}

void load_stage_destroy(struct load_stage *s) {
    while (s->happenings) {
        struct happening_of_test *h = s->happenings;
        s->happenings = h->next;
        happening_free(h);
    }
    for (uint32_t i = 0; i < s->clients_count; i++) forget_transaction(&s->clients[i]);
    free(s->clients);
    json_decref(s->rows);
    free(s->cluster);
    free(s);
}
