/* The conflict journal: episodes, and every version that left its row while it was in one, with its value (DESIGN, section 6, "No silent loss").
 *
 * A live sibling is in its row; what has left it is here. Records lie in the store by name, each with a checksum:
 *   'r' key' kind name' 'E' dot   episode: its block, state, times         key', name': bytes with 00 as 00 ff, ended by 00 01
 *   'r' key' kind name' 'L' dot   loss: a version with its value
 *   'i' u64 id (big endian) 00    pointer to an episode, also by ids that it had before it grew
 *   't' u64 wall ms (big endian) name   order of time, for retention
 * All records of a row, and all rows of a table, lie together. Writing the same twice changes nothing. */
#pragma once
#include "row.h"

#define CELL_TYPES 5u /* as kind: elements of more than one type in one row */

enum journal_record { JOURNAL_EPISODE = 'E', JOURNAL_LOSS = 'L', JOURNAL_POINTER = 'i', JOURNAL_TIME = 't' };

struct episode {
    struct slice key;
    uint8_t kind; /* a cell_kind, or CELL_TYPES */
    struct slice name;
    struct dot number;     /* block_number() */
    struct blocks members; /* one block */
    bool open;
    uint64_t began_ms, changed_ms; /* wall clock of this node */
    struct dot closed_by;          /* the event that closed it; n == 0: open */
};
struct loss {
    struct slice key;
    uint8_t kind;
    struct slice name;
    struct version loser;
    struct dot by;         /* the event that took it from the row */
    struct slice winner;   /* what readers saw then, a content or a register; may be nothing */
    struct dot winner_dot; /* n == 0: nothing was there */
    stamp_t winner_stamp;
    struct slice policy; /* the table's, as text */
    uint8_t outcome;     /* LOSS_... */
    uint64_t wall_ms;
};
#define LOSS_OUTCOMES(X)                                                                                                                             \
    X(LOST, 1, "lost", "overwritten by a write that saw another version win")                                                                        \
    X(RESOLVED, 2, "resolved", "settled by a person or a client, from known context")                                                                \
    X(HANDLED, 3, "handled", "settled by a handler's answer")                                                                                        \
    X(TYPE, 4, "type", "of another type than the row that was written on")                                                                           \
    X(REPLACED, 5, "replaced", "no loss: overwritten by a writer who had seen it win; it was part of the conflict")
enum loss_outcome {
#define X(name, number, text, doc) LOSS_##name = number,
    LOSS_OUTCOMES(X)
#undef X
};
const char *loss_outcome_name(uint8_t outcome);

/* 16 hex digits name an episode in all datacenters: hash64 of key, kind, name and number. */
uint64_t episode_id(struct slice key, uint8_t kind, struct slice name, struct dot number, const struct origins *t);

/* Names; all append. */
void journal_name_episode(struct slice key, uint8_t kind, struct slice name, struct dot number, const struct origins *t, struct buf *out);
void journal_name_loss(struct slice key, uint8_t kind, struct slice name, struct dot loser, const struct origins *t, struct buf *out);
void journal_name_cell(struct slice key, uint8_t kind, struct slice name, struct buf *out); /* what all records of a cell begin with */
void journal_name_row(struct slice key, struct buf *out);
void journal_name_keys(struct slice key_prefix, struct buf *out); /* all rows whose keys begin so */
void journal_name_pointer(uint64_t id, struct buf *out);
void journal_name_time(uint64_t wall_ms, struct slice name, struct buf *out);
/* What a record is, by its name; 0: none of ours. */
char journal_record_kind(struct slice name);
bool journal_time_parse(struct slice name, uint64_t *ret_wall_ms, struct slice *ret_name); /* false: it is no JOURNAL_TIME */

/* Records; encoders append, decoders borrow. False: damaged. */
void episode_encode(const struct episode *e, const struct origins *t, struct buf *out);
bool episode_decode(struct slice record, struct origins *t, struct episode *ret); /* ret->members is the caller's to finish */
void episode_finish(struct episode *e);
void loss_encode(const struct loss *l, const struct origins *t, struct buf *out);
bool loss_decode(struct slice record, struct origins *t, struct loss *ret);
void pointer_encode(const struct episode *e, const struct origins *t, struct buf *out); /* key, kind, name, number */
bool pointer_decode(struct slice record, struct origins *t, struct episode *ret);
