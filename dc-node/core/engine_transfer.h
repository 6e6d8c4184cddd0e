/* What the files of transfers share among themselves (ARCHITECTURE.md, "Transfers"). */
#pragma once
#include "engine_journal.h"

/* Records of meta. */
#define TRANSFER_NAME       "transfer"
#define TRANSFER_ROW_PREFIX "transfer-row/" /* u64 hash, most significant byte first, key: what came of that row */

enum transfer_state {
    TRANSFER_NONE,
    TRANSFER_STAGING,
    TRANSFER_FOLDING, /* durable: from here on it will count, whatever happens */
    TRANSFER_CLEARING /* what is staged is removed */
};

struct transfer {
    enum transfer_state state;
    uint32_t peer;
    bool offers[NODES_MAX]; /* peers that have offered one lately */
    uint64_t id, snapshot;  /* snapshot 0: none is known yet */
    uint8_t phase;          /* enum transfer_phase, and the place in it: where the next batch begins */
    struct buf from;
    bool full;
    struct vv vv;         /* of the snapshot */
    uint64_t staged_upto; /* rows of hashes below this are staged as of staged_vv, from an earlier snapshot */
    struct vv staged_vv;
    uint64_t rows, bytes;
    struct buf batch; /* what came of the next */
    uint64_t asked_us, heard_us;
    bool again; /* after the clearing a new one begins */
    bool whole; /* all is staged */

    /* folding */
    struct vv floor, joined; /* the sender's; what the VV will be */
    struct buf sources;
    struct source_news {
        origin_ref origin;
        struct source latest;
    } * news; /* of origins of which the sender has more */
    uint32_t news_count, news_cap;
    enum { FOLD_ROWS, FOLD_OTHERS /* that did not come */, FOLD_DONE } fold;
    struct buf fold_after; /* the name of the latest staged record that was folded in */
    uint64_t fold_hash;    /* OTHERS: where it goes on */
    uint8_t merged_fold;   /* the journal has what was folded in up to here, as of the latest commit */
    struct buf merged_after;
    uint64_t merged_hash;
    bool flushing; /* the flush under way is the last */
    struct row theirs;

    /* for the commit */
    struct record_put {
        size_t name_at, name_n, value_at, value_n;
    } * puts;
    size_t puts_count, puts_cap;
    struct buf put_bytes;
    bool puts_given, changed /* the state's own record */;
    struct named_record *metas;
    size_t metas_cap;
};

void transfer_put(struct engine *e, struct slice name, struct slice value); /* value.n == 0: removes it */
void transfer_clear(struct engine *e, bool again);

/* ---- engine_fold.c ---- */
void fold_begin(struct engine *e);   /* all is staged: it becomes durable that it counts */
bool fold_sources(struct engine *e); /* from t->sources; false: malformed */
void fold_step(struct engine *e);
void fold_row(struct engine *e, struct slice key, struct slice staged, bool journal);
void fold_finish(struct engine *e); /* rows and VV are durable: they count */
