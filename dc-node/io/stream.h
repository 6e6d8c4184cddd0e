/* Byte streams over nng: listeners, dialers and connections, driven from the engine's thread alone.
 *
 * nng's callbacks only hand over to the mailbox. A connection reads when asked to, into its own buffer, so that whoever does not ask for more holds
 * back the other side; it writes from a queue, one write under way at a time, with all that has gathered meanwhile in the next. */
#pragma once
#include "../../schemas/bytes.h"
#include "../core/prng.h"
#include "mailbox.h"

#define STREAM_BACKLOG_MARK (256u * 1024)

struct stream;
struct listener;
struct dialer;
struct nng_stream;

/* All streams of a process. */
struct streams {
    struct mailbox *box;
    struct prng prng;  /* jitter */
    uint64_t now_us;   /* set before mails are taken */
    size_t bytes;      /* held in buffers of all connections */
    size_t bytes_soft; /* above it no buffer grows for the sake of speed, and none is kept */
    uint32_t count;
    struct stream *first; /* those that exist */
    struct listener *listeners;
    struct dialer *dialers;
};
void streams_init(struct streams *all, struct mailbox *box, uint64_t entropy);
/* What is due: accepting again, dialing, the cut of those that do not take their last bytes. */
void streams_tick(struct streams *all);
uint64_t streams_wake_us(const struct streams *all);
/* After all were closed: takes mails until they are gone. */
void streams_finish(struct streams *all);

/* ---- listening ---- */
/* `accepted` takes the connection over. 0 or an error text. */
const char *listener_open(struct listener **ret, struct streams *all, const char *host, uint16_t port,
                          void (*accepted)(void *arg, struct nng_stream *raw), void *arg);
void listener_close(struct listener *l); /* NULL is accepted */

/* ---- dialing: one attempt after the other, 50 ms to 2 s apart, with jitter ---- */
struct dialer *dialer_open(struct streams *all, const char *host, uint16_t port, void (*dialed)(void *arg, struct nng_stream *raw),
                           void (*failed)(void *arg, const char *why), void *arg);
void dialer_try(struct dialer *d, bool at_once); /* again, when no attempt is under way: at once, or after the back-off */
void dialer_reached(struct dialer *d);           /* the other side proved good: the back-off starts anew */
void dialer_close(struct dialer *d);             /* NULL is accepted */

/* ---- connections ---- */
struct stream_owner {
    void (*readable)(void *arg);                /* more input is there; nothing is read until stream_read() */
    void (*ended)(void *arg);                   /* the other side sends no more; it may still read. NULL: the stream is closed */
    void (*drained)(void *arg);                 /* the output queue was above STREAM_BACKLOG_MARK, and went below */
    void (*closed)(void *arg, const char *why); /* the last call: the stream is gone after it */
};
struct stream *stream_open(struct streams *all, struct nng_stream *raw, const struct stream_owner *owner, void *arg);
/* "192.0.2.1:7001" */
void stream_address(const struct stream *s, char *out, size_t out_n);
struct slice stream_input(const struct stream *s);
void stream_consume(struct stream *s, size_t n);
/* Reads on. The buffer grows towards `wanted` bytes more, as they come. Nothing happens while a read is under way. */
void stream_read(struct stream *s, size_t wanted);
uint64_t stream_heard_us(const struct stream *s); /* when bytes came last, or it was opened */
/* Appends to the queue; stream_flush() has it written. */
void stream_write(struct stream *s, struct slice bytes);
struct buf *stream_queue(struct stream *s); /* to append in place */
void stream_flush(struct stream *s);
size_t stream_backlog(const struct stream *s);                /* bytes queued or under way */
void stream_close(struct stream *s, const char *why);         /* at once */
void stream_close_written(struct stream *s, const char *why); /* when the queue is written; what comes in is not looked at */
bool stream_closing(const struct stream *s);
/* For those not taken over. */
void stream_refuse(struct nng_stream *raw);
