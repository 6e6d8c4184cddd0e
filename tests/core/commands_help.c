#include "commands_help.h"
#include <string.h>

struct session *client;
static struct buf last;

void commands_begin(void) {
    memory_reset();
    client = memory_open();
}

void commands_end(void) {
    buf_finish(&last);
    memory_reset();
}

const char *reply_to_last(void) { return (const char *)last.p; }

/* The word at *line, unescaped behind the others in `words`. */
static size_t take_word(const char **line, uint8_t *to) {
    const char *p = *line;
    size_t n = 0;
    if (*p != '"') {
        while (*p && *p != ' ') to[n++] = (uint8_t)*p++;
    } else {
        for (p++; *p != '"'; p++) {
            cr_assert(*p, "a quote is not closed in %s", *line);
            if (*p == '\\') {
                p++;
                to[n++] = (uint8_t)(*p == 'r' ? '\r' : *p == 'n' ? '\n' : *p == '0' ? '\0' : *p);
            } else {
                to[n++] = (uint8_t)*p;
            }
        }
        p++;
    }
    *line = p;
    return n;
}

const char *reply_to(const char *line) {
    struct slice argv[64];
    uint32_t argc = 0;
    uint8_t *bytes = xmalloc(strlen(line) + 1), *at = bytes;
    while (*line) {
        if (*line == ' ') {
            line++;
            continue;
        }
        size_t n = take_word(&line, at);
        argv[argc++] = SLICE(at, n);
        at += n;
        cr_assert(argc < 64);
    }
    buf_clear(&client->out);
    memory_run(client, argv, argc);
    buf_clear(&last);
    buf_put(&last, client->out.p, client->out.n);
    buf_u8(&last, 0);
    free(bytes);
    return reply_to_last();
}
