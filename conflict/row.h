/* Rows: cells with their siblings, what a change does to them, and their bytes (DESIGN, sections 5 and 6).
 *
 * A row of a whole-row table is one cell, CELL_ROW; a row of a table that merges has one for its string, each column, each member and its expiry.
 * Each cell holds its live versions ("siblings"); the version vector of the node does the rest. A version goes only when a later change's context
 * covers it: no policy throws anything away. In CELL_ROW a version without content is a tombstone; elsewhere a removal leaves nothing. Form follows
 * from the change, never from the policy: a MERGE makes the row merged, whatever else makes it whole. Where the form changes (a barrier has seen to
 * it that nothing is concurrent), siblings of a whole row become cells, each column with its version's dot; a merged row is covered wholly. After:
 * DottedDB (Goncalves et al., SRDS 2017), dotted version vectors (Preguica et al. 2010), optimised OR-sets (Bieniusa et al. 2012). */
#pragma once
#include "blocks.h"
#include "counter.h"

enum row_form { ROW_WHOLE = 0, ROW_MERGED = 1 };

struct cell {
    enum cell_kind kind;
    struct slice name;
    uint32_t first, count;                   /* versions, in canonical order of dots */
    uint32_t counters_first, counters_count; /* STRING and FIELD; in canonical order of origins */
    uint32_t stack;                          /* ROW, STRING, FIELD: index into stacks + 1; 0: blocks_of_one of the only version */
};

/* A version that another has superseded, kept beside the row while a handler or a person may ask for it as a base. */
struct below {
    struct version v; /* dot n == 0: there was no row */
    struct dot above; /* the version that came next */
};

struct row {
    enum row_form form;
    struct cell *cells; /* in order of (kind, name) */
    uint32_t cells_count, cells_cap;
    struct version *versions;
    uint32_t versions_count, versions_cap;
    struct counter *counters;
    uint32_t counters_count, counters_cap;
    struct blocks *stacks;
    uint32_t stacks_count, stacks_cap;
    struct below *below; /* ROW_WHOLE, oldest first */
    uint32_t below_count, below_cap;
    /* Why the present siblings are recorded for later, as a RECORD change said: the digest of their dots, and the reason; 0: nothing said so. */
    uint64_t recorded;
    struct slice recorded_why; /* a content, CONTENT_HASH */
    uint8_t *made;             /* bytes that slices above borrow, where a whole row was made into cells */
};
void row_finish(struct row *r);
void row_clear(struct row *r); /* no cells; keeps the memory */

static inline const struct version *cell_versions(const struct row *r, const struct cell *c) { return r->versions + c->first; }
static inline const struct counter *cell_counters(const struct row *r, const struct cell *c) { return r->counters + c->counters_first; }
/* NULL: there is none. */
const struct cell *row_cell(const struct row *r, enum cell_kind kind, struct slice name);
/* A live version of the row, or a counter that counts: it reads as something, unless a delete wins. */
bool row_live(const struct row *r);
bool cell_live(const struct row *r, const struct cell *c);
/* Two or more live versions of different content. */
bool cell_open(const struct row *r, const struct cell *c);
bool row_open(const struct row *r);
/* Live elements of more than one type (ROW_MERGED). */
bool row_types_collide(const struct row *r);
/* hash64 over the live dots of CELL_ROW in canonical order: names what a handler has seen. */
uint64_t row_siblings_hash(const struct row *r, const struct origins *t);
/* What the row's siblings came from: the version just below their episode. NULL: not at hand. ROW_WHOLE. */
const struct version *row_base(const struct row *r);

/* ---- what a change does ---- */

/* Where episodes are that have left a row's stacks: the journal. As closed_episodes, for any cell. */
struct closed_row {
    bool (*take)(void *arg, enum cell_kind kind, struct slice name, struct dot member, struct blocks *ret);
    void *arg;
};

struct row_change {
    struct context context; /* self is the event's dot */
    stamp_t stamp;
    const struct change *change;
    const struct delta *delta;       /* MERGE: decoded */
    const struct vv *stable;         /* what of the stacks may go */
    bool keep_below;                 /* the table's policy asks for bases */
    const struct closed_row *closed; /* NULL: there are none */
    const struct origins *origins;
};

/* What a change did that the journal has to know. Valid as long as both rows. */
struct row_news {
    struct lost { /* versions that left the row though not everybody who overwrote them had seen them win */
        enum cell_kind kind;
        struct slice name;
        struct version v;
        bool by_type; /* an element of a type that was hidden; no episode of its cell */
    } * lost;
    uint32_t lost_count, lost_cap;
    struct cell_news { /* cells of which an episode began, grew, opened or closed */
        enum cell_kind kind;
        struct slice name;
        const struct blocks *before, *after; /* stacks, before collection; NULL: there is nothing but a lone version, or nothing */
        bool open_before, open_after;
        bool has_after;
    } * cells;
    uint32_t cells_count, cells_cap;
    bool types_before, types_after; /* types collide */
    struct blocks *kept;            /* the stacks of `after` */
    uint32_t kept_count, kept_cap;
};
void row_news_finish(struct row_news *n);

/* `ret` becomes what the change makes of `old`; both must be different. Slices of ret borrow from old's and the change's. */
void row_apply(const struct row *old, const struct row_change *how, struct row *ret, struct row_news *ret_news);
/* Counters of a cell or more are there: a change that takes them away must say what it has seen. */
bool row_counts(const struct row *r);
/* May a row without anything live go? Everything in it is stable. */
bool row_collectable(const struct row *r, const struct vv *stable);
/* Row states at two version vectors: the state at both together. For transfers. */
void row_join(const struct row *p, const struct vv *p_vv, const struct row *q, const struct vv *q_vv, struct row *ret, const struct origins *t);
/* A whole row as the cells that it would become. */
void row_as_merged(const struct row *whole, struct row *ret, const struct origins *t);

/* ---- bytes: u8 version (2), u8 form, marks (dot and stamp of every version, each once), cells, beside; u64 checksum. row_bytes.c has the whole ----
 */
void row_encode(const struct row *r, const struct origins *t, struct buf *out);
/* Checks checksum and form when `verify`; slices borrow from `bytes`. False: damaged. */
bool row_decode(struct slice bytes, bool verify, struct origins *t, struct row *ret);

/* The row's term in the digest (DESIGN, section 5): a sum over versions and counting counters; 0 for a row with nothing live. */
uint64_t row_digest(struct slice key, const struct row *r, const struct origins *t);
