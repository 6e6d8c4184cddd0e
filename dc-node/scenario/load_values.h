/* Values that are never used twice, and what became of each: the memory of `registers` and `sessions`.
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

/* A new one, under way; *ret_text is as it is written. Returns its index. */
uint32_t values_add(struct load_client *c, uint32_t key, bool removes, struct buf *ret_text);
/* Which value this text is; false: none that was ever written to that key. */
bool values_find(const struct values *v, uint32_t key, struct slice text, uint32_t *ret);
/* The value of a reply + 1, 0: nil. A text that nobody wrote is a violation, and false. */
bool values_read(struct load_client *c, uint32_t key, const redisReply *r, uint32_t *ret);
/* The reply to a write that gives what it replaced. */
void values_replaced(struct load_client *c, uint32_t index, const redisReply *r, enum load_outcome o);
/* "registers-17, written by client 2 at us-1, 1.203 s". Appends. */
void values_name(const struct load *l, uint32_t index, struct buf *out);
bool values_written(struct load_book *b, uint32_t key, struct slice text);
bool values_check(struct load *l, struct buf *why);
