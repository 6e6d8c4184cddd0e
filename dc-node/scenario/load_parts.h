/* What the workloads' files share: clients that speak in batches, what a family of workloads remembers, and reading at rest. */
#pragma once
#include "../../schemas/vv.h"
#include "../core/prng.h"
#include "load_options.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <string.h>

/* ---- what a family remembers: all workloads of one stage, kind and prefix ---- */

struct load_book {
    struct load_book *next;
    const struct load_ops *ops;
    enum load_kind kind;
    char *prefix; /* owned */
    uint32_t refs;
    void *memory; /* the kind's own */
};

/* ---- clients ---- */

struct load_client {
    struct load *load;
    uint32_t number, node;
    uint32_t *connections; /* by node, + 1; 0: none yet */
    struct prng prng;
    bool busy;
    uint64_t begun_us; /* the operation */
    uint64_t due_us;   /* with a rate: when the next one is to begin */
    bool in_vain;      /* the operation got no answer, or was refused */
    /* the batch that is being asked */
    struct load_request *requests;
    redisReply **coming; /* as they were asked; NULL: none came */
    uint32_t asked, returned, coming_cap;
    struct buf words; /* of the command that is being put together, each ended by 0 */
    uint32_t words_count;
    /* the batch that has been answered, while the kind looks at it */
    redisReply **replies;
    uint32_t replies_count;
    uint64_t returned_us;
    uint32_t phase; /* the kind's own, as is `state` */
    void *state;
};

/* Says one command of a batch; the words end with NULL. Batches are answered as a whole. */
void client_say(struct load_client *c, ...) __attribute__((sentinel));
void client_word(struct load_client *c, const char *text); /* of a longer one */
void client_key(struct load_client *c, uint32_t key);
void client_number(struct load_client *c, int64_t number);
void client_send(struct load_client *c);
/* After a write: the WAIT that `ack` asks for, if it does. */
void client_wait_acked(struct load_client *c);
/* Goes over to another node, with the next command. */
void client_move(struct load_client *c, uint32_t node);

static inline uint64_t client_draw(struct load_client *c, uint64_t below) { return prng_below(&c->prng, below); }
uint32_t client_draw_key(struct load_client *c);

/* ---- outcomes ---- */

enum load_outcome { WENT_UNKNOWN, WENT_OK, WENT_FAILED };
/* Of a command that writes; `wait` is the reply to the WAIT after it, where `ack` was asked for. */
enum load_outcome outcome_of(const redisReply *r);
enum load_outcome outcome_acked(const struct load_client *c, uint32_t reply, uint32_t wait);
void client_count(struct load_client *c, enum load_outcome o);
void client_count_read(struct load_client *c, const redisReply *r);
redisReply *load_parse(struct slice resp); /* NULL: nothing came */
bool reply_is_text(const redisReply *r);   /* a bulk or simple string */
static inline struct slice reply_slice(const redisReply *r) { return SLICE(r->str, (size_t)r->len); }
bool reply_says(const redisReply *r, const char *status);
/* A whole number, also one in a string; nil is 0. False: it is none. */
bool reply_number(const redisReply *r, int64_t *ret);

/* ---- workloads ---- */

struct load {
    struct stage *stage;
    struct load_book *book;
    struct load_options options;
    const char *name; /* the step's */
    uint64_t until_us;
    bool stopped;
    struct load_client *clients;
    uint32_t clients_count, busy;
    uint32_t *nodes, nodes_count; /* the step's */
    uint64_t *zipf;               /* sums of weights */
    uint64_t sequence;
    struct load_counts counts;
    struct buf violation; /* the first that was seen; empty: none */
    uint64_t session_violations;
    uint32_t *rest_connections; /* by node, + 1 */
};

struct load_ops {
    void (*remember)(struct load_book *b); /* makes its memory */
    void (*forget)(struct load_book *b);
    void (*join)(struct load *l);                /* one more of the family begins; may be NULL */
    void (*client_begin)(struct load_client *c); /* may be NULL, as client_end */
    void (*client_end)(struct load_client *c);
    void (*operation)(struct load_client *c); /* says the first batch */
    void (*replies)(struct load_client *c);   /* a batch is answered: says another, or the operation is over */
    bool (*check)(struct load *l, struct buf *why);
    /* Was this written to the key by somebody of the family? For `reads`; may be NULL. */
    bool (*written)(struct load_book *b, uint32_t key, struct slice value);
};
extern const struct load_ops load_registers, load_counters, load_sets, load_carts, load_bank, load_ring, load_sessions, load_reads;

/* Something is wrong now; only the first is kept. */
void load_violated(struct load *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *load_node_name(const struct load *l, uint32_t node);
/* "1.203 s". Into ret, of 32 bytes. */
const char *load_time(uint64_t us, char *ret);
/* Of the table that the prefix names, as the cluster begins. */
enum policy load_policy(const struct load *l);

/* ---- reading at rest ---- */

struct rest {
    struct load *load;
    struct rest_answer {
        struct rest *rest;
        uint32_t node, key;
        struct buf words; /* of the command, each ended by 0 */
        bool came;
        redisReply *reply;
    } * *answers;
    uint32_t answers_count, answers_cap, coming;
    bool nodes[NODES_MAX]; /* those that run */
    uint32_t nodes_count;
};
/* False: *why says that no node runs. */
bool rest_begin(struct rest *r, struct load *l, struct buf *why);
void rest_ask_words(struct rest *r, uint32_t node, uint32_t key, const struct buf *words);
/* Of a command about that key, at all nodes that run: `command prefix:key more`. */
void rest_ask_all(struct rest *r, uint32_t key, const char *command, const char *more);
/* Runs the stage until all is answered. False: a node does not answer. */
bool rest_wait(struct rest *r, struct buf *why);
void rest_clear(struct rest *r); /* what was answered */
void rest_finish(struct rest *r);
/* Each key in turn, `together` at one time: `ask` asks about it, or says false where nothing is to be known; `holds` looks at each answer. */
typedef bool rest_asks(struct rest *r, uint32_t key);
typedef bool rest_holds(struct load *l, const struct rest_answer *a, void *arg, struct buf *why);
bool rest_each(struct load *l, uint32_t keys, uint32_t together, rest_asks *ask, rest_holds *holds, void *arg, struct buf *why);

/* TRUCE.EXPLAIN key JSON: each value in the row (live), and in its journal, but no deletions. False: it is no such reply. */
typedef void explained(void *arg, struct slice value, bool live);
bool rest_explained(const struct rest_answer *a, explained *told, void *arg);
