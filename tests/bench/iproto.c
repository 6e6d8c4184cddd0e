/* Load for Tarantool over IPROTO, its binary protocol: REPLACE of (key, value) in space SPACE, random keys of 1 M, values of 128 bytes, over 8
 * connections with DEPTH requests under way on each: what redis-benchmark -c 8 -P DEPTH does. Usage: iproto PORT SPACE WRITES DEPTH Prints one line
 * of JSON: accepted writes per second. Fails at the first answer that is an error. */
#include "measure.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS    8
#define DEPTH_MAX      1024
#define KEYS           1000000u
#define VALUE_BYTES    128
#define GREETING_BYTES 128
#define REQUEST_MAX    256
#define SIZE_BYTES     5 /* 0xce and 32 bits: how every packet begins */
#define IN_BYTES       65536

struct connection {
    int fd;
    uint64_t under_way;
    size_t in_n;
    uint8_t in[IN_BYTES];
};

static uint64_t random_state;
static uint64_t writes_left, answers_left;
static uint32_t space;

static void fail(const char *what) {
    fprintf(stderr, "iproto: %s\n", what);
    exit(1);
}

static void put_u32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* One REPLACE request in MessagePack; returns its length. */
static size_t request_make(uint8_t *p, const uint8_t *value) {
    static const uint8_t header[] = {0x82, 0x00, 0x03, 0x01, 0x00}; /* type: REPLACE, sync: 0 */
    size_t n = SIZE_BYTES;
    memcpy(p + n, header, sizeof header);
    n += sizeof header;
    p[n++] = 0x82; /* the body: a map of the space's number and the tuple */
    p[n++] = 0x10;
    p[n++] = 0xce;
    put_u32(p + n, space);
    n += 4;
    p[n++] = 0x21;
    p[n++] = 0x92;
    p[n++] = 0xa0 | 16; /* a string of 16 */
    char key[40];
    snprintf(key, sizeof key, "key:%012u", (unsigned)(random_next(&random_state) % KEYS));
    memcpy(p + n, key, 16);
    n += 16;
    p[n++] = 0xd9; /* a string with one byte of length */
    p[n++] = VALUE_BYTES;
    memcpy(p + n, value, VALUE_BYTES);
    n += VALUE_BYTES;
    p[0] = 0xce;
    put_u32(p + 1, (uint32_t)(n - SIZE_BYTES));
    return n;
}

static void send_some(struct connection *c, uint64_t depth, const uint8_t *value) {
    static uint8_t out[DEPTH_MAX * REQUEST_MAX];
    size_t n = 0;
    for (; c->under_way < depth && writes_left > 0; c->under_way++, writes_left--) n += request_make(out + n, value);
    for (size_t sent = 0; sent < n;) {
        ssize_t now = write(c->fd, out + sent, n - sent);
        if (now <= 0) fail("sending failed");
        sent += (size_t)now;
    }
}

static void take_answers(struct connection *c) {
    ssize_t got = read(c->fd, c->in + c->in_n, IN_BYTES - c->in_n);
    if (got <= 0) fail("the connection ended");
    c->in_n += (size_t)got;
    size_t at = 0;
    while (c->in_n - at >= SIZE_BYTES) {
        size_t size = get_u32(c->in + at + 1);
        if (c->in[at] != 0xce || size < 7 || size > IN_BYTES / 2) fail("not an answer");
        if (c->in_n - at < SIZE_BYTES + size) break;
        const uint8_t *header = c->in + at + SIZE_BYTES; /* a map that begins with the code: 0 is success */
        if (header[1] != 0x00 || header[2] != 0xce || get_u32(header + 3) != 0) fail("an answer is an error");
        at += SIZE_BYTES + size;
        c->under_way--;
        answers_left--;
    }
    memmove(c->in, c->in + at, c->in_n - at);
    c->in_n -= at;
}

static int connect_to(uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) fail("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint8_t greeting[GREETING_BYTES];
    for (size_t n = 0; n < sizeof greeting;) {
        ssize_t got = read(fd, greeting + n, sizeof greeting - n);
        if (got <= 0) fail("no greeting");
        n += (size_t)got;
    }
    return fd;
}

int main(int argc, char **argv) {
    static struct connection connections[CONNECTIONS];
    if (argc != 5) {
        fprintf(stderr, "usage: iproto PORT SPACE WRITES DEPTH\n");
        return 2;
    }
    uint64_t port = number_argument(argv[1]), writes = number_argument(argv[3]), depth = number_argument(argv[4]);
    space = (uint32_t)number_argument(argv[2]);
    if (depth == 0 || depth > DEPTH_MAX || port > UINT16_MAX) return 2;
    random_state = (uint64_t)getpid();
    writes_left = answers_left = writes;
    uint8_t value[VALUE_BYTES];
    random_fill(&random_state, value, sizeof value);
    for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)('0' + value[i] % 64); /* one value for all, as redis-benchmark does it */
    struct pollfd p[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i].fd = connect_to((uint16_t)port);
        p[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
    }
    uint64_t started = mono_ns();
    for (int i = 0; i < CONNECTIONS; i++) send_some(&connections[i], depth, value);
    while (answers_left > 0) {
        if (poll(p, CONNECTIONS, 10000) <= 0) fail("no answer within 10 s");
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!p[i].revents) continue;
            take_answers(&connections[i]);
            if (connections[i].under_way == 0) send_some(&connections[i], depth, value); /* the next pipeline when the last is answered */
        }
    }
    printf("{\"per_s\": %.0f}\n", (double)writes * 1e9 / (double)(mono_ns() - started));
    for (int i = 0; i < CONNECTIONS; i++) close(connections[i].fd);
    return 0;
}
