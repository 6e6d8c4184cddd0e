/* Handlers from the engine's side: what a handler is asked, what it answered, and the door through which built-in policies go too (DESIGN, section
 * 6).
 *
 * The engine never calls a handler's code: it hands a request to the host, which runs it in a child process (dc-node/io) or as a simulated one
 * (dc-node/sim), and gets the answer back as an input. An answer is written back as an event (CHANGE_ANSWER), so that every datacenter reads the same
 * whatever the handler does. */
#pragma once
#include "policy.h"
#include "truce_handler.h"

#define HANDLER_REQUEST_BYTES_MAX (16u * 1024 * 1024)
#define HANDLER_REASON_BYTES_MAX  256u
#define GENERATIONS_MAX           8u /* answers that settle answers: then the row is recorded for later */

/* The request to handler number `at` of the table's chain, for a row (ROW_WHOLE) whose siblings differ: name of the handler, table, settings, key,
 * reason, siblings in canonical order with DC, priority, stamp, content; the base where it is at hand. The same siblings give the same bytes
 * everywhere, but for the base. Appends; a request beyond HANDLER_REQUEST_BYTES_MAX is malformed to its decoder: the caller looks at its size. */
void handler_request_encode(const struct row *r, struct slice key, const struct table_rule *table, uint32_t at, const struct rules *rules,
                            const struct origins *t, struct buf *out);

/* What a request is made of; the form in which those without a row (tests, the admission check) make one. */
struct handler_sibling {
    struct slice dc, dot;
    int32_t priority;
    stamp_t stamp;
    bool marked;
    struct slice content; /* nothing: a tombstone; as a base: there was no row */
};
struct handler_question {
    struct slice name, table, settings, key;
    const struct handler_sibling *siblings;
    uint32_t count;
    const struct handler_sibling *base; /* NULL: not at hand */
};
/* u8 version, slices name, table, settings, key; varint count, siblings; u8 base?, base. A sibling: slice dc, slice dot, u32 priority, u64 stamp, u8
 * marked, slice content. Appends. */
void handler_question_encode(const struct handler_question *q, struct buf *out);

/* The request as the ABI shows it. Arrays belong to it, slices borrow from the bytes. */
struct handler_request {
    char name[NAME_LEN_MAX + 1];
    struct truce_conflict conflict;
    struct truce_sibling *siblings;    /* of the conflict; the base is the last */
    const struct truce_sibling **list; /* conflict.siblings */
    struct truce_column *columns;
    struct buf text;        /* zero-terminated copies of names and settings */
    struct slice *contents; /* of the siblings, as they came; the base's is the last */
};
void handler_request_finish(struct handler_request *q);
bool handler_request_decode(struct handler_request *q, struct slice bytes); /* false: malformed */

/* Runs one handler's code on it, here and now, and encodes its answer (appends); a handler that breaks the rules of the ABI gives FAILED. */
void handler_call(const struct truce_handler *h, const struct handler_request *q, struct buf *ret_answer);

enum handler_outcome {
    HANDLER_PICK = 1, /* a sibling, by index */
    HANDLER_ROW,      /* a new content; nothing: deleted */
    HANDLER_RECORD,
    HANDLER_PASS,
    HANDLER_FAILED,  /* crashed, looped, garbage...: `why` */
    HANDLER_ABSENT,  /* not here, not admitted, or of another hash than the definition says: another datacenter may answer */
    HANDLER_NO_BASE, /* it asks for the base, which is not at hand here */
};
/* u8 outcome, varint index, slice content, slice why. */
struct handler_answer {
    enum handler_outcome outcome;
    uint32_t index;
    struct slice content;
    struct slice why; /* one line */
};
void handler_answer_encode(const struct handler_answer *a, struct buf *out);
bool handler_answer_decode(struct slice bytes, struct handler_answer *ret);

/* Built-in policies as handlers: "lww", "priority", "record". NULL: none of that name. */
const struct truce_handler *handler_builtin(const char *name);
