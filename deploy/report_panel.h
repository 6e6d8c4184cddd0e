/* A conflict as the report shows it: the versions of one row, or of one of its columns. */
#pragma once
#include "report_parts.h"

#define VERSIONS_MAX 16u

struct known_version {
    const json_t *json;             /* of the row's explanation */
    const struct write_mark *write; /* NULL: not in the record */
    bool live;
};

struct panel {
    const struct picture *p;
    const struct final_row *row;
    const char *column; /* NULL: the whole row, or its string */
    const char *kind;   /* of its cell, as the explanation has it; NULL: any */
    bool open;
    struct known_version versions[VERSIONS_MAX]; /* in the order in which they were made */
    uint32_t count, left_out;
    uint64_t met_us; /* when a node first saw that it is one; 0: not known */
};

static inline char panel_letter(uint32_t version) { return (char)('A' + version); }

/* report_causal.c: when and where the versions were made, with lines from those that had arrived. Appends. */
void panel_draw(const struct panel *x, struct buf *out);
