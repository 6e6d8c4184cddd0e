/* Building a row piece by piece, in order of cells; shared by the files behind row.h. */
#pragma once
#include "row.h"

/* Makes room for one more in a grown array. */
#define ROW_GROW(array, count, cap)                                                                                                                  \
    do {                                                                                                                                             \
        if ((count) == (cap)) {                                                                                                                      \
            (cap) = (cap) ? (cap)*2 : 4;                                                                                                             \
            (array) = xrealloc((array), (cap) * sizeof *(array));                                                                                    \
        }                                                                                                                                            \
    } while (0)

/* A new cell at the end, without versions. Valid until the next. */
struct cell *row_add_cell(struct row *r, enum cell_kind kind, struct slice name);
/* At the end of the last cell. */
void row_add_version(struct row *r, const struct version *v);
void row_add_counter(struct row *r, const struct counter *c);
/* At its place in canonical order within the last cell; a dot that is there already has this content, so that a set comes out. */
void row_insert_version(struct row *r, const struct version *v, const struct origins *t);
/* An empty stack for the last cell. */
struct blocks *row_add_stack(struct row *r);
void row_drop_stack(struct row *r); /* of the last cell, which has the latest stack */
void row_add_below(struct row *r, const struct below *b);
/* The stack of a cell as it is meant: a copy of it, or of the only version; empty where there is neither. */
void cell_stack(const struct row *r, const struct cell *c, struct blocks *ret);
bool cell_has_episode(const struct row *r, const struct cell *c);
/* <0, 0, >0 by (kind, name). */
int cell_compare(enum cell_kind a_kind, struct slice a_name, enum cell_kind b_kind, struct slice b_name);
enum content_type cell_type(enum cell_kind kind); /* CONTENT_NONE for EXPIRY and ROW */

/* ---- changes: row_whole.c, merge.c ---- */
/* One cell under a change: what was there, and the last cell of `ret`, whose versions are complete. */
struct cell_step {
    const struct row *old;
    const struct cell *before; /* NULL: there was none */
    struct row *ret;
    bool arrives;             /* the change made a version here */
    const struct dot *unseen; /* versions of this cell that its writer had not seen */
    uint32_t unseen_count;
    bool made; /* of a whole row, by this change: the journal knows nothing of the cell */
};
/* The stack of the last cell of ret, and what of it is news. */
void step_stack(const struct cell_step *s, const struct row_change *how, struct row_news *news);
/* A cell that is gone because the row's form has changed. */
void news_of_form(const struct row *old, const struct cell *gone, struct row_news *news);
void news_add_lost(struct row_news *n, const struct cell *c, const struct version *v, bool by_type);
void merge_apply(const struct row *old, const struct row_change *how, struct row *ret, struct row_news *news);
