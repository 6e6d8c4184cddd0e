/* What a replay shows: the trace, for people and for machines, and the result. */
#pragma once
#include "../dc-node/scenario/play.h"

/* ---- the trace for people: a column for each datacenter, the time at the left ---- */
#define TRACE_WIDTH     120u /* of what is no terminal */
#define TRACE_WIDTH_MIN 80u
#define TRACE_WIDTH_MAX 200u
struct trace {
    const struct scenario *scenario;
    FILE *file;
    uint32_t width; /* of a line, in characters; what does not fit goes on in the next */
    bool colours;
    bool json; /* a line of JSON for each moment instead */
    /* Links of one time and one change, which are shown together: by node, to whom. */
    struct moment links;
    char links_text[128];
    struct buf peers[NODES_MAX];
    bool waiting;
};
/* As wide and as coloured as the file can show it. */
struct trace trace_to(const struct scenario *s, FILE *file, bool json);
void trace_head(const struct trace *t, struct buf *out);
/* Frames are left out, and so are connections that come up before the first step. Links that change alike at one time come together, with the next
 * moment. */
void trace_line(struct trace *t, const struct moment *m, struct buf *out);
void trace_end(struct trace *t, struct buf *out); /* what was still held back; t is empty */
/* For record.told: `arg` is the trace; writes it. */
void trace_told(void *arg, const struct moment *m);

/* `1.2003s`: without the zeros at the end. Appends. */
void print_time(uint64_t us, struct buf *out);
/* `1,234,567`. Appends. */
void print_count(uint64_t n, struct buf *out);
/* A value in one line: a bare text as it is. Appends. */
void print_value(const json_t *value, struct buf *out);

/* ---- the result ---- */

/* Expectations that held or failed, of the record's moments (NULL: they were shown already); then, when it failed, why, the rows and the conflicts.
 * Appends. */
void print_result(const struct scenario *s, const struct record *r, const struct outcome *o, bool colours, struct buf *out);
/* "passed: 4.2s of the cluster's time". Appends. */
void print_verdict(const struct outcome *o, bool colours, struct buf *out);
/* Whose numbers are only a machine's mood is not in it: the same file, seed and version give the same object. The caller owns it. */
json_t *outcome_json(const struct scenario *s, const struct outcome *o);
bool is_coloured(FILE *file);
void show_text(FILE *file, struct buf *text); /* ... which is empty then, and has its memory still */
