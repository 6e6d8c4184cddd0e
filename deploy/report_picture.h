/* What a report draws: the spans, marks and curves of a play, found in its record, and how much of them is shown. */
#pragma once
#include "../dc-node/scenario/play.h"

#define SHOWN_WRITES_MAX  4000u
#define SHOWN_APPLIES_MAX 6000u
#define SHOWN_SPANS_MAX   4000u
#define SHOWN_MARKS_MAX   1500u /* conflicts, checks and steps, of each */
#define CURVE_POINTS_MAX  300u

enum lane_state { LANE_LEADER, LANE_RETURNING, LANE_DOWN, LANE_PAUSED, LANE_DISK, LANE_CLOCK };
struct lane_span {
    uint64_t from_us, to_us;
    enum lane_state state;
    uint32_t node;
    const char *text; /* of the moment that began it; borrowed */
};

enum link_fault { FAULT_CUT, FAULT_CLOG, FAULT_SLOW };
const char *link_fault_name(enum link_fault f);
/* Between the nodes of two DCs, or within one: a <= b. */
struct link_span {
    uint64_t from_us, to_us;
    enum link_fault fault;
    uint32_t a, b;
    uint32_t a_to_b, b_to_a; /* how many directed links of `links` each way */
    uint32_t links;
    char *text; /* owned: in words, such as "us > eu: cut" */
};

struct write_mark {
    uint64_t at_us;
    size_t order; /* its moment */
    uint32_t node, step;
    const char *text;     /* borrowed */
    uint32_t first_apply; /* index + 1 */
    uint32_t same;        /* the next of the same node and number, which another run of the node made: index + 1 */
    bool matters, shown;
};
struct apply_mark {
    uint64_t at_us;
    size_t order;
    uint32_t write, node;
    uint32_t next;    /* of the same write: index + 1 */
    bool first_of_dc; /* no node of its DC had it before */
    bool shown;
};

/* A moment at which a row came into conflict, or out of it. */
struct conflict_mark {
    const struct moment *moment;
    int32_t row; /* index in the outcome's rows, -1: none that is known */
};
/* While some node said that the row is in conflict. */
struct row_span {
    uint64_t from_us, to_us;
    uint32_t row; /* index in the outcome's rows */
};

struct curve_point {
    uint64_t at_us, lag_us, backlog, conflicts_open;
};
struct curve { /* of a DC: the greatest of its nodes */
    struct curve_point *points;
    uint32_t count;
    uint64_t *sent_bytes; /* to other DCs, in each of CURVE_POINTS_MAX pieces of the time; NULL: frames were not recorded */
};

struct picture {
    const struct scenario *scenario;
    const struct record *record;
    const struct outcome *outcome;
    uint64_t length_us;
    struct lane_span *lanes;
    size_t lanes_count, lanes_cap;
    struct link_span *links;
    size_t links_count, links_cap;
    struct write_mark *writes;
    size_t writes_count, writes_cap, writes_shown;
    struct apply_mark *applies;
    size_t applies_count, applies_cap, applies_shown;
    uint64_t spans_left_out;
    struct conflict_mark *conflicts;
    size_t conflicts_count, conflicts_cap;
    struct row_span *rows;
    size_t rows_count, rows_cap;
    struct curve curves[DCS_MAX];
    uint64_t piece_us;                 /* of the time, for curves */
    struct text_index *dots, *numbers; /* of writes, by the text of their dots, and by node and number: "us-1#5" */
    struct text_index *keys;           /* of rows that are or were in conflict */
    int64_t wall_ms;                   /* what the clocks showed when the play began, as far as stamps tell */
    bool commands;                     /* nobody saw what nodes wrote: the writes are the commands of steps */
};

void picture_make(struct picture *ret, const struct scenario *s, const struct record *r, const struct outcome *o);
void picture_finish(struct picture *p);

/* The write that made a version of a row's explanation; NULL: it is not in the record. */
struct write_mark *picture_write(const struct picture *p, const json_t *version);
/* Was `seen` at the node of `write` when that was made there? */
bool picture_knew(const struct picture *p, const struct write_mark *write, const struct write_mark *seen);
bool row_in_conflict(const struct final_row *row);

/* report_links.c */
void picture_links(struct picture *p);
