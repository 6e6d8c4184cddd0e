/* Values that are never used twice, and what became of each: the memory of `registers` and `sessions`, of `sets` (their members) and `carts` (their
 * items).
 *
 * A write tells what it replaced (SET ... GET, GETDEL). So a value that was answered is, at rest, in its row, or in the row's journal, or some other
 * write has said that it replaced it. A write without an answer may have replaced one value that nobody else accounts for. */
#pragma once
#include "load_parts.h"

struct value {
    const char *load; /* the name of its workload */
    uint32_t key, client, node, bytes;
    uint32_t place; /* in the list of its key */
    uint64_t invoked_us, returned_us;
    enum load_outcome outcome;
    bool removes;            /* GETDEL: it is no value */
    bool seen;               /* somebody has read it */
    bool tells;              /* what it replaced is known: */
    uint32_t replaces;       /* a value + 1; 0: nothing, or nothing of ours */
    uint32_t replaced_by;    /* likewise */
    bool guarded, has_after; /* sessions: what its session knew before, and after; what it had seen of the key + 1 */
    struct vv before, after;
    uint32_t follows;
    bool removed, maybe_removed; /* sets: somebody has removed it; somebody may have */
};

struct values {
    struct value *list;
    uint32_t count, cap;
    struct value_key {
        uint32_t *list; /* indexes of values, in order of beginning */
        uint32_t count, cap;
    } * keys;
    uint32_t keys_count;
    struct origins *origins; /* of the tokens */
};

void values_remember(struct load_book *b);
void values_forget(struct load_book *b);
void values_join(struct load *l);
static inline struct values *values_of(const struct load *l) { return l->book->memory; }

/* A new one, under way; *ret_text is as it is written, and may be NULL. Returns its index. */
uint32_t values_add(struct load_client *c, uint32_t key, bool removes, struct buf *ret_text);
/* As it is written: `registers-17`, with dots up to its length. Appends. */
void values_text(const struct values *v, uint32_t index, struct buf *out);
/* Which value this text is; false: none that was ever written to that key. */
bool values_find(const struct values *v, uint32_t key, struct slice text, uint32_t *ret);
/* The value of a reply + 1, 0: nil. A text that nobody wrote is a violation, and false. */
bool values_read(struct load_client *c, uint32_t key, const redisReply *r, uint32_t *ret);
/* The reply to a write that gives what it replaced. */
void values_replaced(struct load_client *c, uint32_t index, const redisReply *r, enum load_outcome o);
/* "registers-17, written by client 2 at us-1, 1.203 s"; where a row holds many, "sets-17 of sets:3, added by ...". Appends. */
void values_name(const struct load *l, uint32_t index, struct buf *out);
bool values_written(struct load_book *b, uint32_t key, struct slice text);
bool values_check(struct load *l, struct buf *why);

/* ---- at rest ---- */

/* What a node tells of one row. */
struct looking {
    struct load *load;
    uint32_t key;
    bool *present;      /* by value */
    struct buf foreign; /* the first text that nobody wrote, or its beginning */
};
struct looking looking_begin(struct load *l, const struct rest_answer *a, bool *present);
void looking_foreign(struct looking *k, struct slice text);
/* `foreign`: it matters if nobody wrote it. */
void looking_at(struct looking *k, struct slice text, bool foreign);
/* TRUCE.EXPLAIN was asked. False: it says nothing, or there is something that nobody `wrote` ("wrote there", "put in"). */
bool looking_explained(struct looking *k, const struct rest_answer *a, explained *told, const char *wrote, struct buf *why);

rest_asks values_ask_explained; /* of rows that were written to */
/* `holds` has as its argument an array for looking_begin(). */
bool values_each_row(struct load *l, rest_asks *ask, rest_holds *holds, struct buf *why);
bool values_none_refused_seen(const struct load *l, struct buf *why);
