/* What happened in a play, in order: for traces, reports and comparisons. */
#pragma once
#include "../../schemas/bytes.h"
#include <jansson.h>
#include <stdio.h>

/* name, what the text says */
#define MOMENTS(X)                                                                                                                                   \
    X(STEP, "step", "a step of the scenario begins; text: the step as it reads")                                                                     \
    X(REPLY, "reply", "of a step's command; text: as redis-cli shows it, in one line")                                                               \
    X(LINK, "link", "cut, clogged, slow or healed from node to peer")                                                                                \
    X(CONNECTION, "connection", "node sees its connection to peer come (number 1) or go (0)")                                                        \
    X(NODE, "node", "started, killed, paused, resumed, wiped, restored, skewed, its disk full ...")                                                  \
    X(ROLE, "role", "the node's role has changed; text: it")                                                                                         \
    X(MAKES, "makes", "the node makes event `number`; text: its dot and what it does to which rows")                                                 \
    X(APPLIES, "applies", "the node applies an event that peer's DC made; text: its dot")                                                            \
    X(CONFLICT, "conflict", "an episode is opened or extended at the node; text: on which row, between which versions, and who is read")             \
    X(CLOSED, "closed", "an episode is closed at the node")                                                                                          \
    X(SENT, "sent", "a frame leaves node for peer; number: bytes")                                                                                   \
    X(HOLDS, "holds", "an expectation holds")                                                                                                        \
    X(FAILS, "fails", "an expectation, or an invariant, does not")                                                                                   \
    X(NOTE, "note", "anything else, in words: what this stage cannot do, what a workload did")
enum moment_kind {
#define X(NAME, text, doc) MOMENT_##NAME,
    MOMENTS(X)
#undef X
};
const char *moment_name(enum moment_kind k);

struct moment {
    uint64_t at_us;
    enum moment_kind kind;
    int32_t dc, node, peer; /* indexes in the cluster; -1: none */
    uint32_t step;          /* its number; 0: none */
    uint64_t number;
    const char *text; /* zero-terminated UTF-8 without control characters; the record's own */
};

/* How nodes stood, from time to time. */
struct sample {
    uint64_t at_us;
    uint32_t node;
    uint64_t lag_us, backlog;        /* the greatest over the other DCs */
    uint64_t conflicts_open, events; /* applied so far */
};

#define RECORD_NOT_BEGUN UINT64_MAX
struct record {
    uint64_t zero_us; /* what the stage's clock showed when the scenario's time began; moments and samples count from there, earlier ones are at 0 */
    bool frames;      /* keep SENT too */
    size_t moments_max; /* beyond, moments of APPLIES and SENT are counted and not kept; 0: no bound */
    struct moment *moments;
    size_t moments_count, moments_cap;
    struct sample *samples;
    size_t samples_count, samples_cap;
    uint64_t left_out;
    /* Told of each as it comes, kept or not; NULL: nobody. */
    void (*told)(void *arg, const struct moment *m);
    void *told_arg;
};
void record_finish(struct record *r);
/* Does nothing where r is NULL. The text is copied. */
void record_add(struct record *r, struct moment m);
void record_printf(struct record *r, struct moment m, const char *format, ...) __attribute__((format(printf, 3, 4)));
void record_sample(struct record *r, struct sample s);

/* One moment as a line of JSON, names instead of indexes, with '\n'. Appends. Keys: at_us, kind, dc, node, peer, step, number, text. */
struct cluster;
void moment_json(const struct moment *m, const struct cluster *c, struct buf *out);
