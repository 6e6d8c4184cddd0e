#include "world_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint32_t world_client(struct world *w, uint32_t node) {
    if (w->clients_count == w->clients_cap) {
        w->clients_cap = w->clients_cap ? w->clients_cap * 2 : 16;
        w->clients = xrealloc(w->clients, w->clients_cap * sizeof *w->clients);
        for (uint32_t i = 0; i < w->clients_count; i++) /* the ends of empty lists lie inside what has moved */
            if (!w->clients[i].requests) w->clients[i].requests_end = &w->clients[i].requests;
    }
    struct client *c = &w->clients[w->clients_count];
    *c = (struct client){.node = node};
    c->requests_end = &c->requests;
    return w->clients_count++;
}

void clients_finish(struct world *w) {
    for (uint32_t i = 0; i < w->clients_count; i++) {
        while (w->clients[i].requests) {
            struct request *r = w->clients[i].requests;
            w->clients[i].requests = r->next;
            free(r);
        }
        buf_finish(&w->clients[i].replies);
    }
    free(w->clients);
}

bool world_client_waits(const struct world *w, uint32_t client) { return w->clients[client].requests != NULL; }

static struct client *client_of(struct world *w, uint32_t node, uint64_t session) {
    for (uint32_t i = 0; i < w->clients_count; i++)
        if (w->clients[i].session == session && w->clients[i].node == node) return &w->clients[i];
    return NULL;
}

/* ---- requests ---- */

static struct request *request_create(const struct slice *argv, uint32_t argc) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < argc; i++) bytes += argv[i].n;
    struct request *r = xcalloc(1, sizeof *r + argc * sizeof(struct slice) + bytes);
    r->argc = argc;
    r->argv = (struct slice *)(void *)r->bytes;
    uint8_t *p = r->bytes + argc * sizeof(struct slice);
    for (uint32_t i = 0; i < argc; i++) {
        if (argv[i].n > 0) memcpy(p, argv[i].p, argv[i].n);
        r->argv[i] = SLICE(p, argv[i].n);
        p += argv[i].n;
    }
    return r;
}

void world_request(struct world *w, uint32_t client, const struct slice *argv, uint32_t argc, const struct request_watcher *watcher) {
    assert(argc >= 1);
    struct client *c = &w->clients[client];
    struct request *r = request_create(argv, argc);
    if (watcher) r->watcher = *watcher;
    r->number = ++w->requests_count;
    r->invoked_us = w->now_us;
    *c->requests_end = r;
    c->requests_end = &r->next;
    if (c->session == 0) {
        c->session = ++w->sessions_count;
        c->open = false;
    }
    uint64_t at = w->now_us + world_draw(&w->network, w->options.client_us_max);
    if (at < c->arrival_us) at = c->arrival_us;
    c->arrival_us = at;
    world_schedule(w, at, (struct happening){.kind = HAPPENS_REQUEST, .a = client, .x = c->session});
    if (w->options.client_timeout_us == 0) return;
    at = w->now_us + w->options.client_timeout_us;
    world_schedule(w, at, (struct happening){.kind = HAPPENS_TIMEOUT, .a = client, .x = c->session, .y = r->number});
}

void world_do(struct world *w, uint32_t client, const char *command, const struct request_watcher *watcher) {
    struct slice argv[64];
    uint32_t argc = 0;
    for (const char *p = command; *p;) {
        size_t n = strcspn(p, " ");
        assert(argc < 64);
        if (n > 0) argv[argc++] = SLICE(p, n);
        p += n + (p[n] == ' ');
    }
    world_request(w, client, argv, argc, watcher);
}

static void done(struct world *w, uint32_t client, struct slice reply) {
    struct client *c = &w->clients[client];
    struct request *r = c->requests;
    c->requests = r->next;
    if (!c->requests) c->requests_end = &c->requests;
    struct reply_info info = {c->node, client, r->invoked_us, w->now_us, reply, r->taken};
    if (r->watcher.done) r->watcher.done(r->watcher.arg, &info);
    free(r);
}

/* The connection is gone: nobody will answer what was sent on it. */
static void lose(struct world *w, uint32_t client) {
    struct client *c = &w->clients[client];
    c->session = 0;
    buf_clear(&c->replies);
    struct request *last = NULL;
    for (struct request *r = c->requests; r; r = r->next) last = r;
    for (bool more = last != NULL; more;) { /* what a callback adds is of the next connection */
        more = w->clients[client].requests != last;
        done(w, client, SLICE("", 0));
    }
}

void world_hang_up(struct world *w, uint32_t client) {
    struct client *c = &w->clients[client];
    if (c->session == 0) return;
    if (c->open) node_input(w, &w->nodes[c->node], (struct waiting_input){.type = INPUT_CLOSE, .session = c->session});
    lose(w, client);
}

void clients_arrive(struct world *w, uint32_t client, uint64_t session) {
    struct client *c = &w->clients[client];
    if (c->session != session) return;
    if (!world_alive(w, c->node)) {
        lose(w, client);
        return;
    }
    struct request *r = c->requests;
    while (r && r->arrived) r = r->next;
    if (!r) return;
    r->arrived = true;
    node_input(w, &w->nodes[c->node], (struct waiting_input){.type = INPUT_REQUEST, .client = client, .session = session});
}

void clients_pump(struct world *w, uint32_t client, uint64_t session) {
    struct node *n = &w->nodes[w->clients[client].node];
    for (;;) {
        struct client *c = &w->clients[client];
        if (c->session != session || !node_alive(n) || n->busy) return;
        struct request *r = c->requests;
        while (r && r->taken) r = r->next;
        if (!r || !r->arrived) return;
        if (!c->open) {
            char address[32];
            snprintf(address, sizeof address, "client:%u", client);
            struct input open = {.type = INPUT_OPEN, .session = session, .address = address};
            c->open = true;
            node_step(w, n, &open);
        }
        if (engine_session_blocked(n->engine, session)) return;
        r->taken = true;
        struct input in = {.type = INPUT_REQUEST, .session = session, .argv = r->argv, .argc = r->argc};
        struct request_watcher watcher = r->watcher;
        node_step(w, n, &in);
        if (watcher.taken) watcher.taken(watcher.arg, n->index);
    }
}

void clients_unblocked(struct world *w, uint32_t node, uint64_t session) {
    struct client *c = client_of(w, node, session);
    if (!c) return;
    uint32_t client = (uint32_t)(c - w->clients);
    node_input(w, &w->nodes[node], (struct waiting_input){.type = INPUT_REQUEST, .client = client, .session = session});
}

void clients_timeout(struct world *w, uint32_t client, uint64_t session, uint64_t request) {
    struct client *c = &w->clients[client];
    if (c->session != session) return;
    for (struct request *r = c->requests; r; r = r->next)
        if (r->number == request) {
            trace_note(w, c->node, "a client has waited long enough", client);
            world_hang_up(w, client);
            return;
        }
}

void clients_node_stopped(struct world *w, uint32_t node) {
    for (uint32_t i = 0; i < w->clients_count; i++)
        if (w->clients[i].node == node && w->clients[i].session != 0) lose(w, i);
}

/* ---- replies ---- */

static size_t line_size(struct slice s) {
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '\r' && s.p[i + 1] == '\n') return i + 2;
    return 0;
}

/* The bytes of the first whole reply; 0: it is not whole yet. */
static size_t reply_size(struct slice s) {
    size_t size = line_size(s);
    if (size == 0) return 0;
    long long number = 0;
    for (size_t i = 1; i + 2 < size && i < 18 && s.p[i] >= '0' && s.p[i] <= '9'; i++) number = number * 10 + (s.p[i] - '0');
    if (s.p[1] == '-') number = -1;
    switch (s.p[0]) {
    case '$':
    case '=':
    case '!':
        if (number >= 0) size += (size_t)number + 2;
        return size <= s.n ? size : 0;
    case '%':
    case '|': number *= 2; /* fall through */
    case '*':
    case '~':
    case '>':
        for (long long i = 0; i < number; i++) {
            size_t part = reply_size(SLICE(s.p + size, s.n - size));
            if (part == 0) return 0;
            size += part;
        }
        return size;
    default: return size;
    }
}

void clients_answer(struct world *w, uint32_t node, uint64_t session, struct slice reply, bool close) {
    struct client *c = client_of(w, node, session);
    if (!c) return;
    struct frame *bytes = xmalloc(sizeof *bytes + reply.n);
    bytes->n = reply.n;
    if (reply.n > 0) memcpy(bytes->bytes, reply.p, reply.n);
    uint64_t at = w->now_us + world_draw(&w->network, w->options.client_us_max);
    if (at < c->return_us) at = c->return_us;
    c->return_us = at;
    uint32_t client = (uint32_t)(c - w->clients);
    world_schedule(w, at, (struct happening){.kind = HAPPENS_RETURN, .a = client, .x = session, .y = close, .p = bytes});
}

void clients_returned(struct world *w, uint32_t client, uint64_t session, struct frame *bytes, bool close) {
    struct client *c = &w->clients[client];
    if (c->session != session) return;
    buf_put(&c->replies, bytes->bytes, bytes->n);
    size_t used = 0, size;
    struct buf replies = c->replies;
    c->replies = (struct buf){0};
    while (w->clients[client].requests && (size = reply_size(SLICE(replies.p + used, replies.n - used))) > 0) {
        done(w, client, SLICE(replies.p + used, size));
        used += size;
        if (w->clients[client].session != session) break;
    }
    c = &w->clients[client];
    if (c->session == session) buf_put(&c->replies, replies.p + used, replies.n - used);
    buf_finish(&replies);
    if (close) world_hang_up(w, client);
}
