/* Lag: a value is written in one place, and another place is read over a second connection, again and again, until it shows.
 *
 * Usage: lag PORT_A PORT_B SAMPLES PAUSE_US
 * Of each sample two durations are taken: from the moment the write was sent, and from the moment its answer was there, both until the first answer
 * of the reader that holds the value had come. Nothing is subtracted: the reader's own round trip is in them. A value may be seen in the other place
 * before its writer has the answer; such a sample counts 0 from the answer. Prints one line of JSON, in microseconds. */
#include "measure.h"
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE_TIMEOUT_NS (UINT64_C(10) * 1000000000)

struct sample {
    uint64_t sent_ns, answered_ns, seen_ns;
};

static void fail(const char *what, const redisContext *c) {
    fprintf(stderr, "%s: %s\n", what, c && c->err ? c->errstr : "unexpected answer");
    exit(1);
}

static redisContext *connect_to(uint64_t port) {
    redisContext *c = redisConnect("127.0.0.1", (int)port);
    if (c == NULL || c->err) fail("connecting", c);
    return c;
}

static void send_all(redisContext *c) {
    for (int done = 0; !done;)
        if (redisBufferWrite(c, &done) != REDIS_OK) fail("sending", c);
}

/* One answer that is there; NULL when it is not whole. The caller frees it. */
static redisReply *take_answer(redisContext *c) {
    void *reply = NULL;
    if (redisBufferRead(c) != REDIS_OK || redisGetReplyFromReader(c, &reply) != REDIS_OK) fail("receiving", c);
    return reply;
}

static void read_again(redisContext *reader) {
    redisAppendCommand(reader, "GET bench:lag");
    send_all(reader);
}

static struct sample sample_one(redisContext *writer, redisContext *reader, uint64_t number) {
    char value[40];
    snprintf(value, sizeof value, "%" PRIu64 "-%d", number, (int)getpid());
    redisAppendCommand(writer, "SET bench:lag %s", value);
    struct sample s = {.sent_ns = mono_ns()};
    send_all(writer);
    read_again(reader);
    struct pollfd p[] = {{.fd = writer->fd, .events = POLLIN}, {.fd = reader->fd, .events = POLLIN}};
    while (!s.answered_ns || !s.seen_ns) {
        p[1].fd = s.seen_ns ? -1 : reader->fd;
        if (poll(p, 2, 1000) < 0) fail("waiting", NULL);
        uint64_t now = mono_ns();
        if (now - s.sent_ns > SAMPLE_TIMEOUT_NS) fail("a value did not come to the other place within 10 s", NULL);
        redisReply *r;
        if (!s.answered_ns && p[0].revents && (r = take_answer(writer)) != NULL) {
            if (r->type != REDIS_REPLY_STATUS) fail("writing", NULL);
            s.answered_ns = now;
            freeReplyObject(r);
        }
        if (!s.seen_ns && p[1].revents && (r = take_answer(reader)) != NULL) {
            bool seen = r->type == REDIS_REPLY_STRING && strcmp(r->str, value) == 0;
            if (r->type == REDIS_REPLY_ERROR) fail(r->str, NULL);
            freeReplyObject(r);
            if (seen)
                s.seen_ns = now;
            else
                read_again(reader);
        }
    }
    return s;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: lag PORT_A PORT_B SAMPLES PAUSE_US\n");
        return 2;
    }
    redisContext *writer = connect_to(number_argument(argv[1])), *reader = connect_to(number_argument(argv[2]));
    size_t n = (size_t)number_argument(argv[3]);
    uint64_t pause_us = number_argument(argv[4]);
    if (n == 0) return 2;
    uint64_t *from_sent = calloc(n, sizeof *from_sent), *from_answer = calloc(n, sizeof *from_answer), *answer = calloc(n, sizeof *answer);
    if (!from_sent || !from_answer || !answer) return 1;
    for (size_t i = 0; i < n; i++) {
        struct sample s = sample_one(writer, reader, i);
        from_sent[i] = s.seen_ns - s.sent_ns;
        from_answer[i] = s.seen_ns > s.answered_ns ? s.seen_ns - s.answered_ns : 0;
        answer[i] = s.answered_ns - s.sent_ns;
        usleep((useconds_t)pause_us);
    }
    printf("{\"samples\": %zu", n);
    struct {
        const char *name;
        uint64_t *v;
    } series[] = {{"sent", from_sent}, {"answered", from_answer}, {"answer", answer}};
    for (size_t i = 0; i < 3; i++) {
        printf(", \"%s_p50_us\": %.1f", series[i].name, (double)percentile(series[i].v, n, 500) / 1000);
        printf(", \"%s_p99_us\": %.1f", series[i].name, (double)percentile(series[i].v, n, 990) / 1000);
        free(series[i].v);
    }
    printf("}\n");
    redisFree(writer);
    redisFree(reader);
    return 0;
}
