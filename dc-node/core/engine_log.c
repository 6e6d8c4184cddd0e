/* TRUCE.LOG [FROM token] [SINCE ms] [COUNT n] [JSON | BODIES]: the events that this node's log still has, in order of their stamps, which is a causal
 * order. A page ends with a token, the version vector of all that has been told: FROM it the next page begins. */
#include "inbox.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define PAGE_EVENTS      100
#define PAGE_EVENTS_MAX  10000
#define PAGE_BYTES_MAX   (2u * 1024 * 1024)  /* of bodies that are told */
#define LOOKED_BYTES_MAX (32u * 1024 * 1024) /* of bodies that are passed over, before the page ends */
#define READ_BYTES       (256u * 1024)

/* The next event of one origin. */
struct log_head {
    origin_ref origin;
    uint64_t first, next, last; /* in the log; `next` is not yet told */
    struct buf blocks;
    struct reader blocks_left, bodies_left;
    uint64_t body_number; /* of the next of bodies_left */
    uint32_t body_count;
    struct slice body; /* of `next`; n == 0: not yet read */
    stamp_t stamp;
};
struct log_walk {
    struct engine *e;
    struct log_head *heads;
    uint32_t count, cap;
    struct vv told;
    uint64_t since_ms;
    int64_t left; /* events that may still be told */
    size_t told_bytes, looked_bytes;
    bool more;
};

/* ---- reading ---- */

static void add_head(struct log_walk *w, origin_ref o, uint64_t first) {
    uint64_t last = vv_get(&w->e->vv, o), told = vv_get(&w->told, o);
    GROW(w->heads, w->count, w->cap);
    w->heads[w->count++] = (struct log_head){.origin = o, .first = first, .next = told >= first ? told + 1 : first, .last = last};
}

static bool has_head(const struct log_walk *w, origin_ref o) {
    for (uint32_t i = 0; i < w->count; i++)
        if (w->heads[i].origin == o) return true;
    return false;
}

/* Origins in the store's log, and those of which all is still in memory alone. */
static void find_heads(struct log_walk *w) {
    struct engine *e = w->e;
    struct buf stored = {0};
    engine_close_own_block(e);
    int n = e->store->ops->scan_log(e->store, &stored);
    if (n < 0) engine_fail(e, "%s", e->store->why);
    struct reader r = reader_of(buf_slice_of(&stored));
    for (int i = 0; i < n; i++) {
        struct reader name = reader_of(read_slice(&r));
        origin_ref o = origin_decode(&name, e->origins);
        uint64_t first = read_u64(&r);
        read_u64(&r);
        if (o != ORIGIN_NONE) add_head(w, o, first);
    }
    buf_finish(&stored);
    for (uint64_t p = e->tail.begin; p < e->tail.end; p++) {
        const struct tail_block *b = tail_at(&e->tail, p);
        if (!has_head(w, b->origin)) add_head(w, b->origin, b->first);
    }
}

static void read_tail(struct engine *e, struct log_head *h) {
    for (uint64_t p = e->tail.begin; p < e->tail.end && h->blocks.n < READ_BYTES; p++) {
        const struct tail_block *b = tail_at(&e->tail, p);
        if (b->origin == h->origin && b->last >= h->next) buf_slice(&h->blocks, SLICE(b->bytes, b->n));
    }
}

/* Numbers that came as rows are in no log: what comes after them is told next. False: there is nothing after them either. */
static bool pass_hole(const struct engine *e, struct log_head *h) {
    uint64_t upto = vv_get(&e->resumed, h->origin), base = vv_get(&e->tail.base, h->origin);
    if (h->next > base) return false;
    h->next = (h->next <= upto ? upto : base) + 1;
    return h->next <= h->last;
}

/* False: there is no more of this origin, or the store failed. */
static bool read_blocks(struct engine *e, struct log_head *h) {
    if (h->next > h->last) return false;
    buf_clear(&h->blocks);
    if (h->next > vv_get(&e->tail.base, h->origin)) {
        read_tail(e, h);
    } else if (e->store->ops->read_log(e->store, origins_get(e->origins, h->origin), h->next, READ_BYTES, &h->blocks) < 0) {
        engine_fail(e, "%s", e->store->why);
        return false;
    }
    if (!h->blocks.n && pass_hole(e, h)) return read_blocks(e, h);
    h->blocks_left = reader_of(buf_slice_of(&h->blocks));
    return h->blocks.n > 0;
}

static bool open_block(struct engine *e, struct log_head *h) {
    struct block b;
    if (h->blocks_left.p == h->blocks_left.end && !read_blocks(e, h)) return false;
    if (!block_decode(&b, read_slice(&h->blocks_left), e->origins)) {
        engine_fail(e, "a block in the log is malformed");
        return false;
    }
    h->bodies_left = reader_of(b.bodies);
    h->body_number = b.first;
    h->body_count = b.count;
    return true;
}

/* The event `next` is read. False: there is none. */
static bool load_head(struct engine *e, struct log_head *h) {
    while (!h->body.n) {
        if (!h->body_count && !open_block(e, h)) return false;
        struct slice body = read_slice(&h->bodies_left);
        h->body_count--;
        if (h->body_number++ < h->next) continue;
        h->next = h->body_number - 1; /* further on, after a hole */
        struct reader stamp = reader_of(body);
        h->stamp = read_u64(&stamp);
        h->body = body;
    }
    return true;
}

static bool comes_before(const struct engine *e, const struct log_head *a, const struct log_head *b) {
    return a->stamp != b->stamp ? a->stamp < b->stamp : origins_compare(e->origins, a->origin, b->origin) < 0;
}

static struct log_head *least_head(struct log_walk *w) {
    struct log_head *least = NULL;
    for (uint32_t i = 0; i < w->count && !w->e->updates.fatal; i++)
        if (load_head(w->e, &w->heads[i]) && (!least || comes_before(w->e, &w->heads[i], least))) least = &w->heads[i];
    return least;
}

/* The next event to tell into e->event; its body is *ret_body. False: the page is full, or that was all. */
static bool next_event(struct log_walk *w, struct slice *ret_body) {
    struct engine *e = w->e;
    for (struct log_head *h = least_head(w); h; h = least_head(w)) {
        if (w->left == 0 || w->told_bytes >= PAGE_BYTES_MAX || w->looked_bytes >= LOOKED_BYTES_MAX) {
            w->more = true;
            return false;
        }
        struct slice body = h->body;
        struct dot dot = {h->origin, h->next++};
        h->body = (struct slice){0};
        vv_raise(&w->told, dot.origin, dot.n);
        w->looked_bytes += body.n;
        if (stamp_ms(h->stamp) < w->since_ms) continue;
        if (!event_decode(&e->event, dot, body, e->origins)) {
            engine_fail(e, "an event in the log is malformed");
            return false;
        }
        w->left--;
        w->told_bytes += body.n;
        *ret_body = body;
        return true;
    }
    return false;
}

static void walk_end(struct log_walk *w) {
    for (uint32_t i = 0; i < w->count; i++) buf_finish(&w->heads[i].blocks);
    free(w->heads);
    vv_finish(&w->told);
}

/* ---- as JSON ---- */

/* Bytes that are no UTF-8 text: an object, so that nobody takes them for a text. */
static json_t *bytes_json(struct slice s) {
    const char *p = s.n ? (const char *)s.p : "";
    json_t *text = memchr(p, 0, s.n) ? NULL : json_stringn(p, s.n);
    if (text) return text;
    struct buf hex = {0};
    for (size_t i = 0; i < s.n; i++) buf_printf(&hex, "%02x", s.p[i]);
    json_t *j = json_pack("{s:s#}", "hex", (const char *)hex.p, (int)hex.n);
    buf_finish(&hex);
    return j;
}

static json_t *buf_json(struct buf *b) {
    json_t *text = json_stringn((const char *)b->p, b->n);
    buf_finish(b);
    return text;
}

static json_t *dot_json(const struct engine *e, struct dot d) {
    struct buf b = {0};
    dot_format(e->origins, d, &b);
    return buf_json(&b);
}

static json_t *dots_json(const struct engine *e, const struct dot *dots, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) json_array_append_new(list, dot_json(e, dots[i]));
    return list;
}

static json_t *amount_json(amount_t a) {
    char text[AMOUNT_TEXT_MAX];
    return json_stringn(text, amount_format(a, text));
}

static json_t *type_json(enum content_type type) {
    static const char *const names[] = {"none", "string", "hash", "set"};
    return json_string(names[type]);
}

static void add_content(json_t *j, struct slice content) {
    struct slice name, value;
    enum content_type type = content_type(content);
    json_object_set_new(j, "type", type_json(type));
    if (content_expires_ms(content)) json_object_set_new(j, "expires_ms", json_sprintf("%" PRIu64, content_expires_ms(content)));
    if (type == CONTENT_STRING) {
        json_object_set_new(j, "value", bytes_json(content_string(content)));
        return;
    }
    json_t *list = json_array();
    struct content_columns each = content_columns(content);
    while (content_next(&each, &name, &value))
        json_array_append_new(list, type == CONTENT_SET ? bytes_json(name) : json_pack("[o, o]", bytes_json(name), bytes_json(value)));
    json_object_set_new(j, type == CONTENT_SET ? "members" : "columns", list);
}

static json_t *put_json(const struct delta_op *op) {
    if (op->kind != CELL_EXPIRY) return op->kind == CELL_MEMBER ? json_true() : bytes_json(op->value);
    struct reader r = reader_of(op->value);
    return op->value.n ? json_sprintf("%" PRIu64, read_u64(&r)) : json_string("for ever");
}

static json_t *resets_json(const struct engine *e, const struct delta_op *op) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < op->resets_count; i++) {
        const struct counter_reset *r = &op->resets[i];
        json_array_append_new(list, json_pack("{s:o, s:o}", "dot", dot_json(e, (struct dot){r->origin, r->n}), "total", amount_json(r->total)));
    }
    return list;
}

static json_t *op_json(const struct engine *e, const struct delta_op *op) {
    json_t *j = json_pack("{s:s}", "kind", inbox_kind_name((uint8_t)op->kind));
    if (op->kind == CELL_FIELD || op->kind == CELL_MEMBER) json_object_set_new(j, "name", bytes_json(op->name));
    if (op->flags & OP_PUT) json_object_set_new(j, "put", put_json(op));
    if (op->flags & OP_REMOVE) json_object_set_new(j, "remove", json_true());
    if (op->flags & OP_COUNT) {
        json_object_set_new(j, "total", amount_json(op->count.total));
        json_object_set_new(j, "since", json_sprintf("%" PRIu64, op->count.birth));
    }
    if (op->flags & OP_RESET) json_object_set_new(j, "taken_away", resets_json(e, op));
    if (op->flags & OP_UNSEEN) json_object_set_new(j, "unseen", dots_json(e, op->unseen, op->unseen_count));
    return j;
}

static void add_delta(struct engine *e, json_t *j, struct slice bytes) {
    struct delta *d = &e->delta;
    if (!delta_decode(d, bytes, e->event.dot, e->event.stamp, e->origins)) return; /* event_decode() has checked it */
    json_t *ops = json_array();
    for (uint32_t i = 0; i < d->ops_count; i++) json_array_append_new(ops, op_json(e, &d->ops[i]));
    json_object_set_new(j, "clear", json_boolean(d->flags & DELTA_CLEAR));
    json_object_set_new(j, "type", type_json(d->type));
    json_object_set_new(j, "cells", ops);
}

static json_t *change_json(struct engine *e, const struct change *c) {
    json_t *j = json_pack("{s:o, s:s}", "key", bytes_json(c->key), "op", change_op_name(c->op));
    if (c->op == CHANGE_MERGE)
        add_delta(e, j, c->content);
    else if (c->content.n)
        add_content(j, c->content);
    if (c->unseen_count) json_object_set_new(j, c->op == CHANGE_RECORD ? "looked_at" : "unseen", dots_json(e, c->unseen, c->unseen_count));
    return j;
}

static json_t *deps_json(const struct engine *e, const struct event *ev) {
    struct vv deps = {0};
    struct buf text = {0};
    for (uint32_t i = 0; i < ev->deps_count; i++) vv_raise(&deps, ev->deps[i].origin, ev->deps[i].n);
    vv_format(&deps, e->origins, &text);
    vv_finish(&deps);
    return buf_json(&text);
}

static json_t *event_json(struct engine *e) {
    const struct event *ev = &e->event;
    struct buf stamp = {0}, time = {0};
    stamp_format(ev->stamp, &stamp);
    inbox_format_time(stamp_ms(ev->stamp), &time);
    json_t *changes = json_array();
    for (uint32_t i = 0; i < ev->changes_count; i++) json_array_append_new(changes, change_json(e, &ev->changes[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "dot", dot_json(e, ev->dot), "stamp", buf_json(&stamp), "time", buf_json(&time), "deps",
                     deps_json(e, ev), "changes", changes);
}

/* ---- the reply ---- */

static json_t *origins_json(const struct log_walk *w) {
    json_t *j = json_object();
    for (uint32_t i = 0; i < w->count; i++) {
        struct buf name = {0};
        origin_format(origins_get(w->e->origins, w->heads[i].origin), &name);
        json_object_setn_new(
            j, (const char *)name.p, name.n,
            json_pack("{s:o, s:o}", "from", json_sprintf("%" PRIu64, w->heads[i].first), "to", json_sprintf("%" PRIu64, w->heads[i].last)));
        buf_finish(&name);
    }
    return j;
}

static void reply_json(struct reply *r, const json_t *j) {
    const char *key;
    json_t *v;
    size_t i;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        reply_map(r, json_object_size(j));
        json_object_foreach((json_t *)j, key, v) {
            reply_text(r, key);
            reply_json(r, v);
        }
        break;
    case JSON_ARRAY:
        reply_array(r, json_array_size(j));
        json_array_foreach(j, i, v) reply_json(r, v);
        break;
    case JSON_STRING: reply_bulk(r, SLICE(json_string_value(j), json_string_length(j))); break;
    default: reply_integer(r, json_is_true(j));
    }
}

static void tell(struct call *c, struct log_walk *w, bool as_json) {
    struct slice body;
    struct buf token = {0};
    json_t *events = json_array();
    while (next_event(w, &body)) json_array_append_new(events, event_json(w->e));
    vv_format(&w->told, w->e->origins, &token);
    json_t *j = json_pack("{s:s, s:o, s:o, s:b, s:o}", "node", w->e->cluster->nodes[w->e->self].name, "origins", origins_json(w), "token",
                          buf_json(&token), "more", w->more, "events", events);
    if (as_json) {
        char *text = json_dumps(j, JSON_COMPACT);
        reply_text(c->reply, text);
        free(text);
    } else {
        reply_json(c->reply, j);
    }
    json_decref(j);
}

/* For programs that decode events themselves: of each its dot and its body (schemas/event.h). */
static void tell_bodies(struct call *c, struct log_walk *w) {
    struct slice body;
    struct buf events = {0}, token = {0};
    size_t count = 0;
    struct reply r = {.out = &events, .protocol = c->reply->protocol};
    for (; next_event(w, &body); count++) {
        reply_array(&r, 2);
        inbox_reply_dot(&r, w->e, w->e->event.dot);
        reply_bulk(&r, body);
    }
    vv_format(&w->told, w->e->origins, &token);
    json_t *origins = origins_json(w);
    reply_map(c->reply, 4);
    reply_text(c->reply, "origins");
    reply_json(c->reply, origins);
    reply_text(c->reply, "token");
    reply_bulk(c->reply, buf_slice_of(&token));
    reply_text(c->reply, "more");
    reply_integer(c->reply, w->more);
    reply_text(c->reply, "events");
    reply_array(c->reply, count);
    buf_put(c->reply->out, events.p, events.n);
    json_decref(origins);
    buf_finish(&events);
    buf_finish(&token);
}

enum form { FORM_REPLY, FORM_JSON, FORM_BODIES };

/* False: the error is written. */
static bool parse(struct call *c, struct log_walk *w, enum form *ret) {
    for (uint32_t i = 1; i < c->argc; i++) {
        int64_t n;
        bool value = i + 1 < c->argc;
        if (slice_is(c->argv[i], "FROM") && value) {
            if (inbox_parse_context(c->engine, c->argv[++i], &w->told) == CONTEXT_KNOWN) continue;
            reply_error(c->reply, "ERR the token is no version vector that %s knows: take it from TRUCE.LOG or TRUCE.TOKEN",
                        c->engine->cluster->nodes[c->engine->self].name);
            return false;
        } else if (slice_is(c->argv[i], "SINCE") && value) {
            if (!want_integer(c, c->argv[++i], &n)) return false;
            w->since_ms = n > 0 ? (uint64_t)n : 0;
        } else if (slice_is(c->argv[i], "COUNT") && value) {
            if (!want_integer(c, c->argv[++i], &n)) return false;
            w->left = n < 1 ? 1 : n > PAGE_EVENTS_MAX ? PAGE_EVENTS_MAX : n;
        } else if (slice_is(c->argv[i], "JSON")) {
            *ret = FORM_JSON;
        } else if (slice_is(c->argv[i], "BODIES")) {
            *ret = FORM_BODIES;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    return true;
}

void engine_log(struct call *c) {
    struct log_walk w = {.e = c->engine, .left = PAGE_EVENTS};
    enum form form = FORM_REPLY;
    if (parse(c, &w, &form)) {
        find_heads(&w);
        if (form == FORM_BODIES)
            tell_bodies(c, &w);
        else
            tell(c, &w, form == FORM_JSON);
    }
    walk_end(&w);
}
