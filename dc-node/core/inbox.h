/* The conflict inbox: what the commands about conflicts share, how versions are shown, and jobs over many conflicts. */
#pragma once
#include "engine_journal.h"

/* ---- showing (engine_show.c) ---- */
/* A version's content for people: a row's as columns, a register as it is; a tombstone says so. Appends. */
void inbox_format(uint8_t kind, struct slice content, struct buf *out);
void inbox_format_time(uint64_t ms, struct buf *out); /* 2026-11-21T06:15:00.123Z; appends */
void inbox_reply_value(struct reply *r, uint8_t kind, struct slice content);
/* The same for programs: a map with type, expires_ms, and columns (name, value, name...) or members. */
void inbox_reply_content(struct reply *r, uint8_t kind, struct slice content);
void inbox_reply_dot(struct reply *r, const struct engine *e, struct dot d); /* n == 0: null */
void inbox_reply_dc(struct reply *r, const struct engine *e, struct dot d);  /* likewise */
void inbox_reply_stamp(struct reply *r, stamp_t stamp);
void inbox_reply_time(struct reply *r, uint64_t ms);
void inbox_reply_vv(struct reply *r, const struct engine *e, const struct vv *v);
void inbox_reply_policy(struct reply *r, const struct table_rule *table);
void inbox_reply_id(struct reply *r, const struct engine *e, const struct episode *ep);
bool inbox_parse_id(struct slice text, uint64_t *ret);
const char *inbox_kind_name(uint8_t kind); /* of a cell; CELL_TYPES is "types" */

/* ---- what is in the journal and in the row of one episode (engine_case.c) ---- */
/* A version of an episode: live in its row, or in the journal. */
struct entry {
    uint8_t kind;
    struct slice name;
    struct version v;
    bool live, read;  /* read: it is what readers see */
    struct loss loss; /* where it is not live */
    struct buf record;
};
struct inbox_case {
    struct engine *e;
    struct episode episode;
    struct buf record;
    struct row row; /* as it stands */
    const struct table_rule *table;
    struct entry *entries; /* in order of stamps */
    uint32_t entries_count, entries_cap;
    bool *saw; /* entries_count squared; NULL: too many */
};
/* The row as it stands, decoded; it borrows from the rows in memory. False: the store failed. */
bool inbox_row(struct engine *e, struct slice key, struct row *row);
/* False: there is no such episode, or the store failed. It borrows from the store's rows until the row changes. */
bool case_open(struct inbox_case *k, struct engine *e, uint64_t id);
/* Of an episode that was decoded; takes its members. The first: only with what is live. */
bool case_live(struct inbox_case *k, struct engine *e, struct episode *ep);
bool case_of_episode(struct inbox_case *k, struct engine *e, struct episode *ep);
void case_finish(struct inbox_case *k);
/* Did `a` see `b`, as far as it is known: b was taken from the row by a, or by what a saw, or is older and of the same origin. */
bool case_saw(const struct inbox_case *k, uint32_t a, uint32_t b);
struct view case_view(struct inbox_case *k, struct buf *made);

/* ---- parts of the journal ---- */
/* Rows whose keys begin with a text, or all of a table. */
struct scope {
    struct buf prefix;            /* of records */
    char table[NAME_LEN_MAX + 1]; /* empty: whatever the key begins with */
};
void scope_begin(struct scope *s, struct engine *e, struct slice table_or_prefix, bool tables);
void scope_finish(struct scope *s);
bool scope_holds(const struct scope *s, const struct engine *e, struct slice key);

/* ---- commands ---- */
/* A context from a client, into this engine's origins; unknown ones are not entered (engine_truce.c). */
enum context_known { CONTEXT_MALFORMED, CONTEXT_BEYOND, CONTEXT_KNOWN };
enum context_known inbox_parse_context(struct engine *e, struct slice text, struct vv *ret);
/* A version becomes what its cell reads as, through e->txn. False: refused, txn_refusal() says why. */
bool inbox_write(struct engine *e, struct slice key, uint8_t kind, struct slice name, struct slice content);
/* The case that an id in a request names. False: the error is written. */
bool inbox_want_case(struct call *c, struct slice id, struct inbox_case *k);
void inbox_reply_version(struct reply *r, const struct inbox_case *k, uint32_t i);
void inbox_count(struct call *c);       /* COUNT [table] */
void inbox_resolve_all(struct call *c); /* RESOLVE table RULE [LIMIT n] */
void inbox_restore(struct call *c);     /* RESTORE id [dot] */
