/* Clients of the live stage: each one connection to one node, not blocking, its requests answered in order. */
#include "live_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_US   5000u
#define READ_BYTES 65536u

/* ---- whole replies ---- */
static size_t line_size(struct slice s) {
    const uint8_t *end = s.n ? memmem(s.p, s.n, "\r\n", 2) : NULL;
    return end ? (size_t)(end - s.p) + 2 : 0;
}

/* The bytes of the first whole reply (redis.io, "RESP protocol specification"); 0: it is not whole so far. */
static size_t reply_size(struct slice s) {
    size_t size = line_size(s);
    if (size == 0) return 0;
    long long number = strchr("$=!%|*~>", s.p[0]) ? strtoll((const char *)s.p + 1, NULL, 10) : 0;
    switch (s.p[0]) {
    case '$':
    case '=':
    case '!':
        if (number >= 0) size += (size_t)number + 2;
        return size <= s.n ? size : 0;
    case '%':
    case '|': number *= 2; break;
    default: break;
    }
    for (; number > 0; number--) {
        size_t part = reply_size(SLICE(s.p + size, s.n - size));
        if (part == 0) return 0;
        size += part;
    }
    return size;
}

/* ---- the queue ---- */
static struct live_request *take_first(struct live_client *c) {
    struct live_request *r = c->first;
    c->first = r->next;
    if (c->first == NULL) c->last = &c->first;
    return r;
}

static void tell(struct live *l, struct live_request *r, struct slice resp) {
    struct stage_reply reply = {r->node, r->client, r->invoked_us, live_now_us(&l->base), resp};
    if (resp.n) live_look_for_made(l, r->node);
    l->moved = true;
    if (!r->internal) r->done(r->arg, &reply);
    buf_finish(&r->bytes);
    free(r);
}

/* The connection is gone: no answer comes to what was asked on it. Callers are told later, from run(). */
static void lose(struct live *l, struct live_client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->connecting = false;
    c->written = 0;
    buf_clear(&c->in);
    buf_clear(&c->out);
    struct live_request **end = &l->lost;
    while (*end) end = &(*end)->next;
    *end = c->first;
    c->first = NULL;
    c->last = &c->first;
}

void live_tell_lost(struct live *l) {
    while (l->lost) {
        struct live_request *r = l->lost;
        l->lost = r->next;
        tell(l, r, SLICE("", 0));
    }
}

uint32_t live_client(struct stage *s, uint32_t node) {
    struct live *l = live_of(s);
    if (l->clients_count == l->clients_cap) {
        l->clients_cap = l->clients_cap ? 2 * l->clients_cap : 16;
        l->clients = xrealloc(l->clients, l->clients_cap * sizeof *l->clients);
    }
    struct live_client *c = xcalloc(1, sizeof *c);
    c->node = node;
    c->fd = -1;
    c->last = &c->first;
    l->clients[l->clients_count] = c;
    return l->clients_count++;
}

static struct live_request *request_make(const struct slice *argv, uint32_t argc) {
    struct live_request *r = xcalloc(1, sizeof *r);
    buf_printf(&r->bytes, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(&r->bytes, "$%zu\r\n", argv[i].n);
        buf_put(&r->bytes, argv[i].p, argv[i].n);
        buf_text(&r->bytes, "\r\n");
    }
    return r;
}

void live_request(struct stage *s, uint32_t client, const struct slice *argv, uint32_t argc, stage_done *done, void *arg) {
    struct live *l = live_of(s);
    struct live_client *c = l->clients[client];
    struct live_request *r = request_make(argv, argc);
    r->done = done;
    r->arg = arg;
    r->node = c->node;
    r->client = client;
    r->invoked_us = live_now_us(s);
    *c->last = r;
    c->last = &r->next;
}

void live_hang_up(struct stage *s, uint32_t client) {
    struct live *l = live_of(s);
    lose(l, l->clients[client]);
}

/* ---- the connection ---- */
static void sign_in(struct live *l, struct live_client *c) {
    const char *password = l->local.cluster->password;
    if (password[0] == '\0') return;
    struct live_request *r = request_make((const struct slice[]){SLICE("AUTH", 4), slice_text(password)}, 2);
    r->internal = true;
    r->next = c->first;
    if (c->first == NULL) c->last = &r->next;
    c->first = r;
}

/* To a node that is just starting it is tried again; one that is not there answers nothing. */
static void connect_now(struct live *l, struct live_client *c) {
    struct buf address = {0};
    uint64_t now_us = live_mono_us();
    if (l->nodes[c->node].pid == 0) {
        lose(l, c);
        return;
    }
    if (now_us < c->retry_us) return;
    c->retry_us = now_us + RETRY_US;
    c->fd = live_socket(l, c->node, false);
    bool ok = c->fd >= 0 && live_address(l, c->node, &address);
    int result = ok ? connect(c->fd, (const struct sockaddr *)(const void *)address.p, (socklen_t)address.n) : -1;
    c->connecting = result != 0 && errno == EINPROGRESS;
    buf_finish(&address);
    if (result == 0 || c->connecting) {
        sign_in(l, c);
    } else if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

static void connected(struct live *l, struct live_client *c) {
    int error = 0;
    socklen_t n = sizeof error;
    c->connecting = false;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0) return;
    close(c->fd);
    c->fd = -1;
    if (c->first && c->first->internal) {
        struct live_request *r = take_first(c);
        buf_finish(&r->bytes);
        free(r);
    }
}

static void write_out(struct live *l, struct live_client *c) {
    for (struct live_request *r = c->first; r; r = r->next) {
        if (r->sent) continue;
        buf_put(&c->out, r->bytes.p, r->bytes.n);
        r->sent = true;
    }
    if (c->written == c->out.n) return;
    ssize_t n = send(c->fd, c->out.p + c->written, c->out.n - c->written, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose(l, c);
        return;
    }
    if (n > 0) c->written += (size_t)n;
    if (c->written < c->out.n) return;
    c->written = 0;
    buf_clear(&c->out);
}

/* Tells of each whole reply. A callback may hang up, and ask more. */
static void take_replies(struct live *l, struct live_client *c) {
    size_t size;
    while (c->first && c->first->sent && (size = reply_size(buf_slice_of(&c->in))) > 0) {
        struct buf reply = {0};
        buf_put(&reply, c->in.p, size);
        memmove(c->in.p, c->in.p + size, c->in.n - size);
        c->in.n -= size;
        tell(l, take_first(c), buf_slice_of(&reply));
        buf_finish(&reply);
    }
}

static void read_in(struct live *l, struct live_client *c) {
    ssize_t n = 0;
    for (bool more = true; more;) {
        n = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);
        if (n > 0) c->in.n += (size_t)n;
        more = n == READ_BYTES;
    }
    int error = errno;
    bool over = n == 0 || (n < 0 && error != EAGAIN && error != EINTR);
    buf_u8(&c->in, 0); /* the end of numbers in an unfinished line */
    c->in.n--;
    take_replies(l, c);
    if (over && c->fd >= 0) lose(l, c);
}

void live_poll(struct live *l, uint64_t wait_us) {
    struct pollfd *fds = xcalloc(l->clients_count + 1, sizeof *fds);
    struct live_client **of = xcalloc(l->clients_count + 1, sizeof(struct live_client *));
    uint32_t count = 0, known = l->clients_count;
    for (uint32_t i = 0; i < known; i++) {
        struct live_client *c = l->clients[i];
        if (c->fd < 0 && c->first) connect_now(l, c);
        if (c->fd < 0 && c->first && wait_us > RETRY_US) wait_us = RETRY_US;
        if (c->fd >= 0 && !c->connecting) write_out(l, c);
        if (c->fd < 0) continue;
        of[count] = c;
        fds[count++] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (c->connecting || c->written < c->out.n ? POLLOUT : 0))};
    }
    if (l->lost) wait_us = 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
    int ready = ppoll(fds, count, &wait, NULL);
    for (uint32_t i = 0; ready > 0 && i < count; i++) {
        struct live_client *c = of[i];
        if (fds[i].revents == 0 || c->fd != fds[i].fd) continue;
        if (c->connecting) connected(l, c);
        if (c->fd >= 0 && !c->connecting) write_out(l, c);
        if (c->fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR))) read_in(l, c);
    }
    free(fds);
    free(of);
}

void live_clients_finish(struct live *l) {
    for (uint32_t i = 0; i < l->clients_count; i++) {
        struct live_client *c = l->clients[i];
        lose(l, c);
        buf_finish(&c->in);
        buf_finish(&c->out);
        free(c);
    }
    while (l->lost) {
        struct live_request *r = l->lost;
        l->lost = r->next;
        buf_finish(&r->bytes);
        free(r);
    }
    free(l->clients);
}
