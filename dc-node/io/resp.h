/* Requests in the Redis protocol (redis.io, "RESP protocol specification"): arrays of bulk strings, and inline commands. Pure and incremental.
 *
 * Arguments are slices into the input; nothing is allocated by a count or a length that the client merely announces. Limits and error texts as Redis,
 * but for the sizes: what is larger is refused as soon as it is announced. */
#pragma once
#include "../../schemas/bytes.h"

#define RESP_ARGUMENT_BYTES_MAX (1024u * 1024 + 64 * 1024) /* a row, and room for the engine to refuse it by name */
#define RESP_ARGUMENTS_MAX      (1024u * 1024)
#define RESP_COMMAND_BYTES_MAX  (16u * 1024 * 1024 - 64 * 1024) /* forwarded, it fits a frame */
#define RESP_LINE_BYTES_MAX     (64u * 1024)

enum resp_result {
    RESP_COMMAND, /* argv is filled, argc >= 1 */
    RESP_MORE,    /* incomplete: *ret_used bytes (empty commands) may go, `wanted` more are needed at least */
    RESP_BAD,     /* not the protocol: `error` is the text for "-ERR ", after which the connection must be closed */
};

/* What was found of a command of which more is to come. All zero is the start. */
struct resp_parser {
    struct slice *argv;
    uint32_t argc, argv_cap;
    int64_t args_left;  /* 0: at the start of a command */
    int64_t bulk_bytes; /* of the argument under way; -1: its length is to come */
    size_t at;          /* bytes of the command that were parsed */
    size_t *ends;       /* where arguments lie while the input may still move: begin, end */
    uint32_t ends_cap;
    struct buf inline_args; /* unquoted copies, of an inline command */
    size_t wanted;
    char error[80];
};
void resp_finish(struct resp_parser *p);
/* The first command of `in`, which begins where the previous one ended, or with the same bytes and more of them as before. argv is valid until the
 * next call, and as long as `in` is. */
enum resp_result resp_parse(struct resp_parser *p, struct slice in, size_t *ret_used);
