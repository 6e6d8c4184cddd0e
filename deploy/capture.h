/* A capture: the events that the nodes of a local cluster still have, with what each knew, in an order in which they can be done again.
 *
 * Events are ordered by (stamp, origin), which decides concurrent writes, but never before one that they knew. The context of an event is what its
 * writer knew: its deps and the smaller numbers of its origin, less what a client's own context left out, and closed: who knows an event knows what
 * that one knew. */
#pragma once
#include "../schemas/cluster.h"
#include "../schemas/event.h"

#include <jansson.h>

struct captured {
    struct event event; /* decoded from `body` */
    struct buf body;
    struct vv context;
    uint32_t dc, node;            /* indexes into the cluster, of its origin */
    char label[NAME_LEN_MAX + 1]; /* us-1_12; of a later run of that node us-1_r2_12 */
    bool base;                    /* made before what is captured: it counts only for the rows that are in it */
    bool left_out;                /* nothing of it is done again */
};

/* The events of one run of a node. */
struct captured_run {
    uint64_t first;      /* the least number that some node still has; 0: none */
    size_t *at;          /* number - first: index of the event + 1, 0: it is not there */
    uint64_t count, cap; /* of at */
    unsigned run;        /* of its node, from 1 */
};

struct capture {
    const struct cluster *cluster;
    struct origins *origins;
    struct captured *events; /* after capture_order() in the order in which they are done */
    size_t count, cap;
    struct captured_run *runs; /* by origin_ref */
    uint32_t runs_count;
    uint64_t since_ms;
    json_t *notes; /* a list: what cannot be done again, in words */
};
void capture_init(struct capture *c, const struct cluster *cluster);
void capture_finish(struct capture *c);
void capture_note(struct capture *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes an event that a node told; once more the same is nothing new. False: malformed, or of nobody in this cluster: *why. */
bool capture_add(struct capture *c, struct slice dot, struct slice body, struct buf *why);
/* When all are there: order, contexts, labels. Events with a stamp before since_ms become base. */
void capture_order(struct capture *c, uint64_t since_ms);
/* Index of an event; SIZE_MAX: it is not there. */
size_t capture_find(const struct capture *c, struct dot d);
/* Did event f know event e? */
static inline bool capture_knew(const struct capture *c, size_t f, size_t e) { return vv_covers(&c->events[f].context, c->events[e].event.dot); }
/* The latest event of a datacenter that event f knew; SIZE_MAX: none. */
size_t capture_latest_known(const struct capture *c, size_t f, uint32_t dc);
/* The labels that say what event f knew, as few as possible. The caller owns it. */
json_t *capture_knows(const struct capture *c, size_t f);

/* ---- capture_read.c ---- */
struct local;
/* From all nodes that run. False: *why. */
bool capture_read(struct capture *c, const struct local *l, struct buf *why);

/* ---- capture_rows.c: what events did to each row, in their order ---- */
struct row_entry {
    size_t event;
    uint32_t change; /* its index */
    bool after_all;  /* it knew all entries before it */
    bool gone;       /* it left nothing: the row is absent after it */
    bool plain;      /* `content` is the whole row after it */
    struct slice content;
};
struct captured_row {
    struct slice key;
    struct row_entry *entries;
    size_t count, cap;
    bool in_capture; /* an event after the base has changed it */
    bool inexact;    /* in the replay a writer of it may know more than it did ... */
    bool deleted;    /* ... and a deletion among that */
    bool older;      /* it may have been there before the first entry */
};
struct captured_rows;
struct captured_rows *rows_of_capture(const struct capture *c);
void captured_rows_destroy(struct captured_rows *r);
struct captured_row *captured_row(const struct captured_rows *r, struct slice key); /* NULL: nothing changed it */
size_t captured_rows_count(const struct captured_rows *r);
struct captured_row *captured_row_at(const struct captured_rows *r, size_t i); /* in order of key */
/* The row as event f found it. */
enum row_before { BEFORE_UNKNOWN, BEFORE_ABSENT, BEFORE_CONTENT };
enum row_before captured_row_before(const struct capture *c, const struct captured_row *row, size_t f, struct slice *ret_content);

/* ---- capture_commands.c ---- */
struct command_maker;
struct command_maker *command_maker_create(struct capture *c, const struct captured_rows *rows);
void command_maker_destroy(struct command_maker *m);
/* The commands that do again what the event did, quoted as redis-cli takes them: a list of texts, to be called once for each event, in order. More
 * than one are a transaction. An empty list: there is nothing to do, and notes say why where there is a reason. `exact`: its node will know of its
 * rows just what the event knew; else it may know more, and the commands do without. */
json_t *commands_of_event(struct command_maker *m, size_t event, bool exact);
/* One word, quoted where it has to be. Appends. */
void command_word(struct slice word, struct buf *out);
