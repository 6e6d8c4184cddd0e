#include "clients.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOT_BITS         20u
#define SLOT_MASK         ((1u << SLOT_BITS) - 1)
#define OUTPUT_BYTES_MAX  (64u * 1024 * 1024)
#define WATCHED_BYTES_MAX 4096u /* of a client that must wait this much is still read, to see whether it goes */
#define LARGE_REQUEST     65536u
#define REFUSED_MAX       64u
#define RUN_REPLY_BYTES   (4u * 1024 * 1024) /* of all clients in one run; a single client's is STREAM_BACKLOG_MARK */
#define ENDED_US          10000000u          /* one that sends no more is waited for so long */
#define LOOK_US           100000u
#define STALLED_US        1000000u /* replies unread for so long make a client one to close when memory is short */

struct client {
    struct clients *clients;
    struct stream *stream;
    struct client *next; /* ready */
    uint64_t session;    /* 0: refused, no session of the engine */
    struct resp_parser parser;
    size_t wanted;
    bool ready;
    bool blocked; /* by the engine */
    bool backlogged;
    bool ended;                                                    /* sends no more; what is left of its requests is carried out and answered */
    bool done;                                                     /* and all of them were given to the engine */
    enum { LATER_NOTHING, LATER_OWN, LATER_BAD, LATER_END } later; /* what comes next, when all before it is answered */
    uint64_t ended_us, backlogged_us;
    char address[64];
};

static struct client *client_of(const struct clients *all, uint64_t session) {
    uint32_t slot = (uint32_t)session & SLOT_MASK;
    struct client *c = slot < all->slots_count ? all->slots[slot] : NULL;
    return c && c->session == session ? c : NULL;
}

static void make_ready(struct client *c) {
    struct clients *all = c->clients;
    if (c->ready) return;
    c->ready = true;
    c->next = NULL;
    *all->ready_last = c;
    all->ready_last = &c->next;
}

static void not_ready(struct client *c) {
    struct clients *all = c->clients;
    if (!c->ready) return;
    struct client **at = &all->ready_first;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    if (all->ready_last == &c->next) all->ready_last = at;
    c->ready = false;
}

/* ---- input ---- */
static bool must_wait(const struct client *c) { return c->blocked || c->backlogged || c->later != LATER_NOTHING || stream_closing(c->stream); }

static void error_and_close(struct client *c, const char *error, const char *why) {
    buf_printf(stream_queue(c->stream), "-ERR %s\r\n", error);
    stream_close_written(c->stream, why);
}

static void read_on(struct client *c) {
    struct clients *all = c->clients;
    if (stream_closing(c->stream)) return;
    size_t there = stream_input(c->stream).n;
    if (must_wait(c)) {
        if (there < WATCHED_BYTES_MAX) stream_read(c->stream, 1);
        return;
    }
    if (c->wanted > LARGE_REQUEST && all->all->bytes > all->bytes_max) {
        log_warning("client %s: closed: no memory for its request", c->address);
        error_and_close(c, "no memory for a request of this size now", "no memory for its request");
        return;
    }
    stream_read(c->stream, c->wanted);
}

/* Returns the bytes of input that were used; *reply_bytes grows by those of the replies. */
static size_t run_client(struct client *c, size_t *reply_bytes) {
    const struct clients_owner *owner = c->clients->owner;
    void *arg = c->clients->arg;
    struct slice in = stream_input(c->stream);
    size_t all_used = 0, used, replied = 0;
    c->blocked = owner->blocked(arg, c->session); /* perhaps not by its own request: what it waits for may be lost, and asked for again */
    while (!must_wait(c) && replied <= STREAM_BACKLOG_MARK) {
        enum resp_result r = resp_parse(&c->parser, SLICE(in.p + all_used, in.n - all_used), &used);
        if (r == RESP_BAD) {
            c->later = LATER_BAD;
        } else if (r == RESP_MORE) {
            c->wanted = c->parser.wanted;
            if (c->ended) c->later = LATER_END;
            all_used += used;
            break;
        } else if (owner->is_own(c->parser.argv, c->parser.argc)) {
            c->later = LATER_OWN; /* parsed again then */
        } else {
            owner->request(arg, c->session, c->parser.argv, c->parser.argc);
            c->blocked = owner->blocked(arg, c->session);
            replied = owner->reply_bytes(arg, c->session);
            all_used += used;
        }
    }
    *reply_bytes += replied;
    stream_consume(c->stream, all_used);
    if (replied > STREAM_BACKLOG_MARK && !must_wait(c))
        make_ready(c); /* goes on in the next run, if what it got by then is on its way */
    else
        read_on(c);
    return all_used;
}

void clients_run(struct clients *all, size_t bytes_max) {
    struct client *first = all->ready_first, **last = all->ready_last;
    all->ready_first = NULL;
    all->ready_last = &all->ready_first;
    size_t reply_bytes = 0;
    for (size_t bytes = 0; first && bytes < bytes_max && reply_bytes < RUN_REPLY_BYTES;) {
        struct client *c = first;
        first = c->next;
        c->ready = false;
        bytes += run_client(c, &reply_bytes);
        if (c->later != LATER_NOTHING) make_ready(c); /* for clients_settle() */
    }
    if (first == NULL) return;
    *last = all->ready_first; /* those left come first the next time */
    if (all->ready_first == NULL) all->ready_last = last;
    all->ready_first = first;
}

bool clients_ready(const struct clients *all) { return all->ready_first != NULL; }

static void close_when_answered(struct client *c) {
    if (c->done && !c->blocked && c->clients->owner->forwards(c->clients->arg, c->session) == 0)
        stream_close_written(c->stream, "closed by the other side");
}

static void settle(struct client *c) {
    const struct clients *all = c->clients;
    size_t used;
    if (c->later == LATER_BAD) {
        log_warning("client %s: closed: %s", c->address, c->parser.error);
        error_and_close(c, c->parser.error, c->parser.error);
    } else if (c->later == LATER_END) {
        c->done = true;
        close_when_answered(c);
    } else if (resp_parse(&c->parser, stream_input(c->stream), &used) == RESP_COMMAND) {
        all->owner->run_own(all->arg, c->session, c->parser.argv, c->parser.argc, stream_queue(c->stream));
        stream_consume(c->stream, used);
        stream_flush(c->stream);
    }
    c->later = LATER_NOTHING; /* it stays ready: the next run reads on */
}

void clients_settle(struct clients *all) {
    for (struct client *c = all->ready_first; c; c = c->next)
        if (c->later != LATER_NOTHING && !c->blocked && !stream_closing(c->stream)) settle(c);
}

/* ---- answers ---- */
void clients_answer(struct clients *all, const struct answer *a) {
    struct client *c = client_of(all, a->session);
    if (c == NULL || stream_closing(c->stream)) return;
    stream_write(c->stream, a->reply);
    if (a->close)
        stream_close_written(c->stream, "the session ended");
    else
        stream_flush(c->stream);
    size_t backlog = stream_backlog(c->stream);
    if (backlog > STREAM_BACKLOG_MARK && !c->backlogged) c->backlogged_us = all->all->now_us;
    c->backlogged = backlog > STREAM_BACKLOG_MARK;
    if (backlog > OUTPUT_BYTES_MAX) {
        log_warning("client %s: closed: it does not read its replies", c->address);
        stream_close(c->stream, "it does not read its replies");
    }
    close_when_answered(c);
}

static struct client *longest_stalled(const struct clients *all) {
    struct client *found = NULL;
    for (uint32_t i = 0; i < all->slots_count; i++) {
        struct client *c = all->slots[i];
        if (c == NULL || !c->backlogged || stream_closing(c->stream) || all->all->now_us - c->backlogged_us < STALLED_US) continue;
        if (found == NULL || c->backlogged_us < found->backlogged_us) found = c;
    }
    return found;
}

void clients_tick(struct clients *all) {
    if (all->all->now_us - all->looked_us < LOOK_US) return;
    all->looked_us = all->all->now_us;
    for (uint32_t i = 0; i < all->slots_count; i++) {
        struct client *c = all->slots[i];
        if (c && c->ended && all->all->now_us - c->ended_us > ENDED_US) stream_close(c->stream, "closed by the other side");
    }
    struct client *stalled = all->all->bytes > all->bytes_max ? longest_stalled(all) : NULL;
    if (stalled == NULL) return;
    log_warning("client %s: closed: it does not read its replies, and memory is short", stalled->address);
    stream_close(stalled->stream, "it does not read its replies");
}

void clients_unblock(struct clients *all, uint64_t session) {
    struct client *c = client_of(all, session);
    if (c == NULL) return;
    c->blocked = false;
    make_ready(c);
}

/* ---- connections ---- */
static void client_readable(void *arg) {
    struct client *c = arg;
    if (c->blocked || c->backlogged)
        read_on(c);
    else
        make_ready(c);
}

static void client_ended(void *arg) {
    struct client *c = arg;
    c->ended = true;
    c->ended_us = c->clients->all->now_us;
    if (!c->blocked && !c->backlogged) make_ready(c);
}

static void client_drained(void *arg) {
    struct client *c = arg;
    c->backlogged = false;
    make_ready(c);
}

static void client_closed(void *arg, const char *why) {
    struct client *c = arg;
    struct clients *all = c->clients;
    not_ready(c);
    if (c->session) {
        uint32_t slot = (uint32_t)c->session & SLOT_MASK;
        all->owner->close(all->arg, c->session);
        all->slots[slot] = NULL;
        all->free_slots[all->free_count++] = slot;
        all->count--;
    }
    resp_finish(&c->parser);
    free(c);
}

static const struct stream_owner client_owner = {client_readable, client_ended, client_drained, client_closed};

static uint32_t slot_take(struct clients *all) {
    if (all->free_count == 0) {
        uint32_t more = all->slots_count ? all->slots_count : 64;
        all->slots = xrealloc(all->slots, (all->slots_count + more) * sizeof(struct client *));
        all->free_slots = xrealloc(all->free_slots, (all->slots_count + more) * sizeof *all->free_slots);
        for (uint32_t i = 0; i < more; i++) {
            all->slots[all->slots_count + i] = NULL;
            all->free_slots[all->free_count++] = all->slots_count + more - 1 - i;
        }
        all->slots_count += more;
    }
    return all->free_slots[--all->free_count];
}

static void accepted(void *arg, struct nng_stream *raw) {
    struct clients *all = arg;
    bool full = all->count >= all->clients_max;
    if (full && all->all->count >= all->clients_max + REFUSED_MAX) {
        stream_refuse(raw);
        return;
    }
    struct client *c = xcalloc(1, sizeof *c);
    c->clients = all;
    c->wanted = 1;
    c->stream = stream_open(all->all, raw, &client_owner, c);
    stream_address(c->stream, c->address, sizeof c->address);
    if (full) {
        if (all->refused++ % 1000 == 0)
            log_warning("client %s: refused: there are %u clients (%llu refused so far)", c->address, all->count, (unsigned long long)all->refused);
        error_and_close(c, "max number of clients reached", "max number of clients reached");
        return;
    }
    uint32_t slot = slot_take(all);
    c->session = ++all->sessions << SLOT_BITS | slot;
    all->slots[slot] = c;
    all->count++;
    all->owner->open(all->arg, c->session, c->address);
    stream_read(c->stream, 1);
}

const char *clients_start(struct clients *all, struct streams *streams, const struct cluster *cluster, uint32_t self,
                          const struct clients_owner *owner, void *arg) {
    all->all = streams;
    all->clients_max = cluster->clients_max < SLOT_MASK ? cluster->clients_max : SLOT_MASK;
    all->bytes_max = cluster->memory_bytes_max / 8;
    all->owner = owner;
    all->arg = arg;
    all->ready_last = &all->ready_first;
    return listener_open(&all->listener, streams, cluster->nodes[self].client_host, cluster->nodes[self].client_port, accepted, all);
}

void clients_stop(struct clients *all) {
    listener_close(all->listener);
    all->listener = NULL;
    for (uint32_t i = 0; i < all->slots_count; i++)
        if (all->slots[i]) stream_close_written(all->slots[i]->stream, "this node stops");
}

void clients_finish(struct clients *all) {
    free(all->slots);
    free(all->free_slots);
}
