#include "stream.h"

#include <assert.h>
#include <nng/nng.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_AT_FIRST    1024u
#define INPUT_GROWN_MAX   (256u * 1024) /* grown this far because reads fill it; further only for what is wanted */
#define INPUT_PRESSED_MAX 4096u         /* the same when memory is short */
#define OUTPUT_KEPT       (64u * 1024)
#define LINGER_US         5000000u
#define ACCEPT_BACKOFF_US 100000u
#define DIAL_FIRST_US     50000u
#define DIAL_MOST_US      2000000u
#define DIAL_TIMEOUT_MS   3000
#define NEVER             UINT64_MAX

/* Who may touch `sending`: at IDLE the engine's thread; else nng and its callback, which tells the engine's thread at the end if it is wanted. */
enum { SEND_IDLE, SEND_UNDER_WAY, SEND_WANTED };

struct stream {
    struct streams *all;
    struct stream *next, **link;
    nng_stream *raw;
    nng_aio *receive, *send;
    struct mail received, sent, gone;
    const struct stream_owner *owner;
    void *arg;

    struct buf in; /* in.n bytes are there, of which in_used are done with */
    size_t in_used;
    bool ended;     /* the other side sends no more */
    bool receiving; /* nng writes behind in.n */
    uint64_t heard_us;

    struct buf queue;
    struct buf sending;
    size_t sent_n;    /* of `sending` */
    size_t sending_n; /* the engine's thread's own note of it, 0 when idle as far as it knows */
    _Atomic int send_state;
    _Atomic int send_error;
    bool backlogged;
    size_t counted; /* in all->bytes */

    bool closing, written_first, gone_posted;
    uint64_t linger_until_us;
    char why[80];
};

struct listener {
    struct streams *all;
    struct listener *next;
    nng_stream_listener *raw;
    nng_aio *aio;
    struct mail accepted_mail;
    void (*accepted)(void *arg, struct nng_stream *raw);
    void *arg;
    bool waiting;
    uint64_t again_us;
};

struct dialer {
    struct streams *all;
    struct dialer *next;
    nng_stream_dialer *raw;
    nng_aio *aio;
    struct mail dialed_mail;
    void (*dialed)(void *arg, struct nng_stream *raw);
    void (*failed)(void *arg, const char *why);
    void *arg;
    bool dialing;
    uint64_t again_us, delay_us;
};

#define owner_of(mail, type, member) ((type *)(void *)((char *)(mail)-offsetof(type, member)))

static nng_aio *aio_make(void (*callback)(void *), void *arg) {
    nng_aio *aio;
    if (nng_aio_alloc(&aio, callback, arg) != 0) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return aio;
}

/* ---- all streams ---- */
static bool pressed(const struct streams *all) { return all->bytes > all->bytes_soft; }
static size_t output_kept(const struct streams *all) { return pressed(all) ? 0 : OUTPUT_KEPT; }

void streams_init(struct streams *all, struct mailbox *box, uint64_t entropy) {
    *all = (struct streams){.box = box, .now_us = clock_mono_us(), .bytes_soft = SIZE_MAX};
    prng_seed(&all->prng, entropy);
}

void streams_finish(struct streams *all) {
    while (all->first) mails_take(mailbox_wait(all->box, clock_mono_us() + 1000000));
}

static void count_bytes(struct stream *s) {
    size_t now = s->in.cap + s->queue.cap + s->sending.cap;
    s->all->bytes += now - s->counted;
    s->counted = now;
}

/* ---- the end of a stream ---- */
static void gone_take(struct mail *m) {
    struct stream *s = owner_of(m, struct stream, gone);
    struct streams *all = s->all;
    nng_aio_free(s->receive);
    nng_aio_free(s->send);
    nng_stream_free(s->raw);
    s->owner->closed(s->arg, s->why);
    buf_finish(&s->in);
    buf_finish(&s->queue);
    buf_finish(&s->sending);
    all->bytes -= s->counted;
    all->count--;
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    free(s);
}

/* The end comes as a mail, so that nobody on the way here loses the stream under his hands. */
static void gone_when_quiet(struct stream *s) {
    if (!s->closing || s->receiving || s->gone_posted || atomic_load(&s->send_state) != SEND_IDLE) return;
    s->gone_posted = true;
    mailbox_post(s->all->box, &s->gone);
}

/* Has the end of the write under way told to the engine's thread; false: none is. */
static bool tell_end(struct stream *s) {
    int under_way = SEND_UNDER_WAY;
    return atomic_compare_exchange_strong(&s->send_state, &under_way, SEND_WANTED) || under_way == SEND_WANTED;
}

static void close_now(struct stream *s) {
    s->closing = true;
    s->linger_until_us = NEVER;
    tell_end(s);
    nng_stream_close(s->raw);
    gone_when_quiet(s);
}

void stream_close(struct stream *s, const char *why) {
    if (s->closing) return;
    if (!s->written_first) snprintf(s->why, sizeof s->why, "%s", why);
    close_now(s);
}

void stream_close_written(struct stream *s, const char *why) {
    if (s->closing || s->written_first) return;
    s->written_first = true;
    snprintf(s->why, sizeof s->why, "%s", why);
    s->linger_until_us = s->all->now_us + LINGER_US;
    stream_flush(s);
    if (stream_backlog(s) == 0) close_now(s);
}

bool stream_closing(const struct stream *s) { return s->closing || s->written_first; }

/* ---- output ---- */
static void send_more(struct stream *s) {
    nng_iov iov = {.iov_buf = s->sending.p + s->sent_n, .iov_len = s->sending.n - s->sent_n};
    nng_aio_set_iov(s->send, 1, &iov);
    nng_stream_send(s->raw, s->send);
}

/* On a thread of nng's. */
static void send_callback(void *arg) {
    struct stream *s = arg;
    int error = nng_aio_result(s->send);
    if (error == 0) {
        s->sent_n += nng_aio_count(s->send);
        if (s->sent_n < s->sending.n) {
            send_more(s);
            return;
        }
    }
    /* after this exchange the stream belongs to the engine's thread, unless it wants to be told */
    if (error) {
        atomic_store(&s->send_error, error);
        atomic_store(&s->send_state, SEND_WANTED);
        mailbox_post(s->all->box, &s->sent);
        return;
    }
    int under_way = SEND_UNDER_WAY;
    if (!atomic_compare_exchange_strong(&s->send_state, &under_way, SEND_IDLE)) mailbox_post(s->all->box, &s->sent);
}

static void send_start(struct stream *s) {
    struct buf done = s->sending;
    s->sending = s->queue;
    s->queue = done;
    buf_clear(&s->queue);
    if (s->queue.cap > output_kept(s->all)) buf_finish(&s->queue);
    count_bytes(s);
    s->sent_n = 0;
    s->sending_n = s->sending.n;
    /* the end of a large one is told, so that its memory does not stay with an idle connection */
    atomic_store(&s->send_state, s->sending.cap > output_kept(s->all) ? SEND_WANTED : SEND_UNDER_WAY);
    send_more(s);
}

void stream_flush(struct stream *s) {
    if (s->closing) return;
    if (s->counted != s->in.cap + s->queue.cap + s->sending.cap) count_bytes(s);
    if ((s->queue.n > 0 || s->written_first) && tell_end(s)) {
        s->backlogged |= stream_backlog(s) > STREAM_BACKLOG_MARK;
        return;
    }
    if (atomic_load(&s->send_state) != SEND_IDLE) return;
    s->sending_n = 0;
    if (s->queue.n > 0) send_start(s);
    if (stream_backlog(s) > STREAM_BACKLOG_MARK) s->backlogged = tell_end(s);
}

static void sent_take(struct mail *m) {
    struct stream *s = owner_of(m, struct stream, sent);
    int error = atomic_load(&s->send_error);
    atomic_store(&s->send_state, SEND_IDLE);
    s->sending_n = 0;
    buf_clear(&s->sending);
    if (s->sending.cap > output_kept(s->all)) buf_finish(&s->sending);
    count_bytes(s);
    if (s->closing) {
        gone_when_quiet(s);
        return;
    }
    if (error) {
        stream_close(s, nng_strerror(error));
        return;
    }
    if (s->queue.n > 0)
        stream_flush(s);
    else if (s->written_first)
        close_now(s);
    if (s->closing || !s->backlogged || stream_backlog(s) > STREAM_BACKLOG_MARK) return;
    s->backlogged = false;
    s->owner->drained(s->arg);
}

void stream_write(struct stream *s, struct slice bytes) {
    if (!stream_closing(s)) buf_put(&s->queue, bytes.p, bytes.n);
}

struct buf *stream_queue(struct stream *s) {
    return &s->queue;
}

size_t stream_backlog(const struct stream *s) { return s->queue.n + (atomic_load(&s->send_state) == SEND_IDLE ? 0 : s->sending_n); }

/* ---- input ---- */
static void receive_callback(void *arg) {
    struct stream *s = arg;
    mailbox_post(s->all->box, &s->received);
}

static void received_take(struct mail *m) {
    struct stream *s = owner_of(m, struct stream, received);
    s->receiving = false;
    int error = nng_aio_result(s->receive);
    if (s->closing) {
        gone_when_quiet(s);
        return;
    }
    if (error == NNG_ECONNSHUT && (s->written_first || s->owner->ended)) {
        s->ended = true;
        if (!s->written_first) s->owner->ended(s->arg);
        return;
    }
    if (error) {
        stream_close(s, error == NNG_ECONNSHUT || error == NNG_ECLOSED ? "closed by the other side" : nng_strerror(error));
        return;
    }
    s->in.n += nng_aio_count(s->receive);
    s->heard_us = s->all->now_us;
    if (s->written_first) {
        s->in.n = s->in_used = 0;
        stream_read(s, 1);
        return;
    }
    s->owner->readable(s->arg);
}

struct slice stream_input(const struct stream *s) {
    return SLICE(s->in.p + s->in_used, s->in.n - s->in_used);
}

void stream_consume(struct stream *s, size_t n) {
    assert(n <= s->in.n - s->in_used);
    s->in_used += n;
}

static void input_room(struct stream *s, size_t wanted) {
    bool filled = s->in.n == s->in.cap;
    size_t rest = s->in.n - s->in_used, cap = s->in.cap;
    if (s->in_used > 0 && rest > 0) memmove(s->in.p, s->in.p + s->in_used, rest);
    bool roomy = rest == 0 && s->in.n < cap / 8 && cap > INPUT_AT_FIRST; /* this much was not needed lately */
    s->in.n = rest;
    s->in_used = 0;
    if (roomy) cap = pressed(s->all) ? INPUT_AT_FIRST : cap / 2;
    if (filled && cap < (pressed(s->all) ? INPUT_PRESSED_MAX : INPUT_GROWN_MAX)) cap *= 2;
    if (cap < INPUT_AT_FIRST) cap = INPUT_AT_FIRST;
    if (wanted > rest + INPUT_GROWN_MAX) wanted = rest + INPUT_GROWN_MAX; /* what is announced gets its room as it comes */
    if (cap < rest + wanted) cap = rest + wanted;
    if (cap == s->in.cap) return;
    s->in.p = xrealloc(s->in.p, cap);
    s->in.cap = cap;
    count_bytes(s);
}

void stream_read(struct stream *s, size_t wanted) {
    if (s->receiving || s->closing || s->ended) return;
    input_room(s, wanted ? wanted : 1);
    nng_iov iov = {.iov_buf = s->in.p + s->in.n, .iov_len = s->in.cap - s->in.n};
    s->receiving = true;
    nng_aio_set_iov(s->receive, 1, &iov);
    nng_stream_recv(s->raw, s->receive);
}

uint64_t stream_heard_us(const struct stream *s) { return s->heard_us; }

/* ---- opening ---- */
struct stream *stream_open(struct streams *all, nng_stream *raw, const struct stream_owner *owner, void *arg) {
    struct stream *s = xcalloc(1, sizeof *s);
    *s = (struct stream){.all = all, .raw = raw, .owner = owner, .arg = arg, .heard_us = all->now_us, .linger_until_us = NEVER};
    s->received.take = received_take;
    s->sent.take = sent_take;
    s->gone.take = gone_take;
    s->receive = aio_make(receive_callback, s);
    s->send = aio_make(send_callback, s);
    nng_aio_set_timeout(s->receive, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(s->send, NNG_DURATION_INFINITE);
    nng_stream_set_bool(raw, NNG_OPT_TCP_NODELAY, true);
    nng_stream_set_bool(raw, NNG_OPT_TCP_KEEPALIVE, true);
    s->next = all->first;
    s->link = &all->first;
    if (s->next) s->next->link = &s->next;
    all->first = s;
    all->count++;
    return s;
}

void stream_address(const struct stream *s, char *out, size_t out_n) {
    nng_sockaddr a;
    if (nng_stream_get_addr(s->raw, NNG_OPT_REMADDR, &a) != 0) {
        snprintf(out, out_n, "?:0");
    } else if (a.s_family == NNG_AF_INET) {
        const uint8_t *p = (const uint8_t *)&a.s_in.sa_addr, *port = (const uint8_t *)&a.s_in.sa_port;
        snprintf(out, out_n, "%u.%u.%u.%u:%u", p[0], p[1], p[2], p[3], port[0] << 8 | port[1]);
    } else if (a.s_family == NNG_AF_INET6) {
        const uint8_t *p = a.s_in6.sa_addr, *port = (const uint8_t *)&a.s_in6.sa_port;
        size_t n = (size_t)snprintf(out, out_n, "[");
        for (int i = 0; i < 16 && n + 12 < out_n; i += 2) n += (size_t)snprintf(out + n, out_n - n, i ? ":%x" : "%x", p[i] << 8 | p[i + 1]);
        snprintf(out + n, out_n - n, "]:%u", port[0] << 8 | port[1]);
    } else {
        snprintf(out, out_n, "?:0");
    }
}

void stream_refuse(nng_stream *raw) {
    nng_stream_close(raw);
    nng_stream_free(raw);
}

static void url_make(char *out, size_t out_n, const char *host, uint16_t port) {
    bool literal = strchr(host, ':') && host[0] != '[';
    snprintf(out, out_n, literal ? "tcp://[%s]:%u" : "tcp://%s:%u", host, port);
}

/* ---- listening ---- */
static void accept_callback(void *arg) {
    struct listener *l = arg;
    mailbox_post(l->all->box, &l->accepted_mail);
}

static void accept_next(struct listener *l) {
    l->waiting = true;
    l->again_us = NEVER;
    nng_stream_listener_accept(l->raw, l->aio);
}

static void accepted_take(struct mail *m) {
    struct listener *l = owner_of(m, struct listener, accepted_mail);
    l->waiting = false;
    int error = nng_aio_result(l->aio);
    if (error == 0) {
        nng_stream *raw = nng_aio_get_output(l->aio, 0);
        accept_next(l);
        l->accepted(l->arg, raw);
    } else if (error != NNG_ECLOSED) {
        l->again_us = l->all->now_us + ACCEPT_BACKOFF_US; /* out of file descriptors or memory: those who are here go first */
    }
}

const char *listener_open(struct listener **ret, struct streams *all, const char *host, uint16_t port,
                          void (*accepted)(void *arg, struct nng_stream *raw), void *arg) {
    char url[300];
    nng_stream_listener *raw;
    url_make(url, sizeof url, host, port);
    int error = nng_stream_listener_alloc(&raw, url);
    if (error == 0 && (error = nng_stream_listener_listen(raw)) != 0) nng_stream_listener_free(raw);
    if (error) return nng_strerror(error);
    struct listener *l = xcalloc(1, sizeof *l);
    *l = (struct listener){.all = all, .raw = raw, .accepted = accepted, .arg = arg, .accepted_mail.take = accepted_take, .next = all->listeners};
    l->aio = aio_make(accept_callback, l);
    all->listeners = l;
    accept_next(l);
    *ret = l;
    return NULL;
}

void listener_close(struct listener *l) {
    if (l == NULL) return;
    nng_stream_listener_close(l->raw);
    while (l->waiting) mails_take(mailbox_wait(l->all->box, clock_mono_us() + 1000000));
    struct listener **at = &l->all->listeners;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
    nng_aio_free(l->aio);
    nng_stream_listener_free(l->raw);
    free(l);
}

/* ---- dialing ---- */
static void dial_callback(void *arg) {
    struct dialer *d = arg;
    mailbox_post(d->all->box, &d->dialed_mail);
}

static void dial_now(struct dialer *d) {
    d->dialing = true;
    d->again_us = NEVER;
    nng_aio_set_timeout(d->aio, DIAL_TIMEOUT_MS);
    nng_stream_dialer_dial(d->raw, d->aio);
}

static void dialed_take(struct mail *m) {
    struct dialer *d = owner_of(m, struct dialer, dialed_mail);
    d->dialing = false;
    int error = nng_aio_result(d->aio);
    if (error == 0)
        d->dialed(d->arg, nng_aio_get_output(d->aio, 0));
    else if (error != NNG_ECLOSED)
        d->failed(d->arg, nng_strerror(error));
}

struct dialer *dialer_open(struct streams *all, const char *host, uint16_t port, void (*dialed)(void *arg, struct nng_stream *raw),
                           void (*failed)(void *arg, const char *why), void *arg) {
    char url[300];
    struct dialer *d = xcalloc(1, sizeof *d);
    *d = (struct dialer){.all = all, .dialed = dialed, .failed = failed, .arg = arg, .dialed_mail.take = dialed_take, .next = all->dialers};
    url_make(url, sizeof url, host, port);
    if (nng_stream_dialer_alloc(&d->raw, url) != 0) {
        free(d);
        return NULL;
    }
    d->aio = aio_make(dial_callback, d);
    d->again_us = NEVER;
    d->delay_us = DIAL_FIRST_US;
    all->dialers = d;
    return d;
}

void dialer_try(struct dialer *d, bool at_once) {
    if (d->dialing) return;
    if (at_once) {
        dial_now(d);
        return;
    }
    if (d->again_us != NEVER) return;
    d->again_us = d->all->now_us + d->delay_us / 2 + prng_below(&d->all->prng, d->delay_us);
    d->delay_us = 2 * d->delay_us < DIAL_MOST_US ? 2 * d->delay_us : DIAL_MOST_US;
}

void dialer_reached(struct dialer *d) { d->delay_us = DIAL_FIRST_US; }

void dialer_close(struct dialer *d) {
    if (d == NULL) return;
    nng_stream_dialer_close(d->raw);
    while (d->dialing) mails_take(mailbox_wait(d->all->box, clock_mono_us() + 1000000));
    struct dialer **at = &d->all->dialers;
    while (*at != d) at = &(*at)->next;
    *at = d->next;
    nng_aio_free(d->aio);
    nng_stream_dialer_free(d->raw);
    free(d);
}

/* ---- timers ---- */
void streams_tick(struct streams *all) {
    for (struct listener *l = all->listeners; l; l = l->next)
        if (!l->waiting && l->again_us <= all->now_us) accept_next(l);
    for (struct dialer *d = all->dialers; d; d = d->next)
        if (!d->dialing && d->again_us <= all->now_us) dial_now(d);
    for (struct stream *s = all->first; s; s = s->next)
        if (!s->closing && s->linger_until_us <= all->now_us) close_now(s);
}

uint64_t streams_wake_us(const struct streams *all) {
    uint64_t wake = NEVER;
    for (const struct listener *l = all->listeners; l; l = l->next)
        if (!l->waiting && l->again_us < wake) wake = l->again_us;
    for (const struct dialer *d = all->dialers; d; d = d->next)
        if (!d->dialing && d->again_us < wake) wake = d->again_us;
    return wake;
}
