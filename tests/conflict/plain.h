/* Rows by their plain definition (DESIGN, sections 5 and 6), for small histories: sets of versions that nothing covers, single increments, brute
 * force over concurrency. Nothing of conflict/ is called here; what it computes is compared with this. */
#pragma once
#include "../../schemas/cluster.h"
#include "../../schemas/delta.h"
#include <stdio.h>

#define ORIGINS 3
#define EVENTS  (2 * ORIGINS)

/* What an event does to the row: one column, one member. */
enum act {
    ACT_PUT,      /* whole rows */
    ACT_PUT_SAME, /* a content that several writers write */
    ACT_DELETE,
    ACT_ANSWER, /* a handler's */
    ACT_SET,    /* merged rows */
    ACT_INCR,
    ACT_HSET,
    ACT_HINCR,
    ACT_HDEL,
    ACT_SADD,
    ACT_SREM,
    ACT_DEL,
    ACT_EXPIRE,
    ACT_DEFINE_LWW, /* the row's table, not the row */
    ACT_DEFINE_PRIORITY,
    ACT_DEFINE_RECORD,
};

/* Six events, two of each datacenter: event e is number e % 2 + 1 of origin e / 2. Sets of events are bits. */
struct plain_history {
    uint8_t counts[EVENTS][ORIGINS]; /* deps: how many of each origin's; of its own, all before */
    uint8_t knows[EVENTS];           /* the same as a set */
    stamp_t stamps[EVENTS];
    enum act acts[EVENTS];
    uint8_t absent;       /* events that were made where the row read as absent */
    bool merged_at_first; /* the form of the row before any event */
};

struct plain_row {
    bool merged;
    uint8_t set;              /* events applied */
    uint8_t ever[CELL_KINDS]; /* events that made a version of the cell */
    uint8_t live[CELL_KINDS]; /* those that nothing has covered */
    uint8_t counted[CELL_KINDS];
};

/* What an act does, cell by cell; sets of kinds are bits. */
struct effect {
    bool clear;
    uint8_t puts, removes, resets; /* `removes`: by name; those that a delta of another type covers are in `covers` */
    uint8_t covers;
    int counts; /* a cell kind; 0: none */
    enum content_type type;
};
const char *act_name(enum act a);
bool act_merges(enum act a);
bool act_defines(enum act a);
struct effect effect_of(const struct plain_history *h, int e, bool merged);

void plain_row(const struct plain_history *h, uint8_t set, struct plain_row *ret);
/* The content that event e writes into a whole row. */
void plain_content(const struct plain_history *h, int e, struct buf *out);
struct slice plain_register(int e, char out[static 16]); /* SET, HSET */
int64_t plain_amount(int e);
uint64_t plain_expiry_ms(const struct plain_history *h, int e); /* of whatever writes an expiry; 0: for ever */

/* What readers see: a content, nothing: absent. `marked`: events under a clock mark. */
void plain_view(const struct plain_history *h, const struct plain_row *r, enum policy p, const int *priorities, uint8_t marked, struct buf *out);
/* Whole rows: live versions are of different content. */
bool plain_differs(const struct plain_history *h, const struct plain_row *r);
/* The one that was written last, by (stamp, origin), of a set; -1: it is empty. */
int plain_last(const struct plain_history *h, uint8_t set, uint8_t marked);
/* Sets of two or more versions of the cell, connected by concurrency; returns how many. */
uint32_t plain_episodes(const struct plain_history *h, uint8_t ever, uint8_t ret[static EVENTS]);

/* ---- structures: counts and knows alone ---- */
/* Does whoever knows an event know all that it knew? */
bool plain_is_closed(const struct plain_history *h);
/* Of the histories that differ in the names of datacenters alone, one. */
bool plain_is_first_of_its_renamings(const struct plain_history *h);
/* Stamps above what each event knows; those of concurrent ones are equal, or in some order of datacenters: four ways. */
void plain_set_stamps(struct plain_history *h, uint64_t which);
