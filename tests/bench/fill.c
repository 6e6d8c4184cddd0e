/* Fills a place with rows of distinct keys and random values, which do not compress. Usage: fill PORT FIRST COUNT VALUE_BYTES
 * Keys are those of redis-benchmark: key: and 12 digits. In pipelines of 64 over one connection; fails at the first answer that is not +OK. */
#include "measure.h"
#include <hiredis/hiredis.h>
#include <inttypes.h>

#define PIPELINE        64
#define VALUE_BYTES_MAX ((size_t)1 << 20)

static void take_answers(redisContext *c, uint64_t n) {
    for (; n > 0; n--) {
        redisReply *r = NULL;
        if (redisGetReply(c, (void **)&r) != REDIS_OK || r->type != REDIS_REPLY_STATUS) {
            fprintf(stderr, "fill: %s\n", r ? r->str : c->errstr);
            exit(1);
        }
        freeReplyObject(r);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: fill PORT FIRST COUNT VALUE_BYTES\n");
        return 2;
    }
    redisContext *c = redisConnect("127.0.0.1", (int)number_argument(argv[1]));
    uint64_t first = number_argument(argv[2]), count = number_argument(argv[3]), random = first;
    size_t bytes = (size_t)number_argument(argv[4]);
    uint8_t *value = malloc(VALUE_BYTES_MAX);
    if (c == NULL || c->err || value == NULL || bytes > VALUE_BYTES_MAX) {
        fprintf(stderr, "fill: %s\n", c && c->err ? c->errstr : "no memory");
        return 1;
    }
    for (uint64_t i = 0; i < count; i++) {
        random_fill(&random, value, bytes);
        redisAppendCommand(c, "SET key:%012" PRIu64 " %b", first + i, (void *)value, bytes);
        if ((i + 1) % PIPELINE == 0) take_answers(c, PIPELINE);
    }
    take_answers(c, count % PIPELINE);
    free(value);
    redisFree(c);
    return 0;
}
