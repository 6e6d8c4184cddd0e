/* The parts of a report's page. All append; everything that comes from data is escaped. */
#pragma once
#include "report_picture.h"
#include "report_text.h"

/* report_svg.c: the picture as it is without the script. */
void report_svg(const struct picture *p, struct buf *out);
/* report_legend.c: fillings that the picture uses, and what its signs mean. */
void report_patterns(struct buf *out);
void report_legend(struct buf *out);
/* report_json.c: the picture as data for the script. */
void report_json(const struct picture *p, struct buf *out);
/* report_conflicts.c: a panel per conflict. */
void report_conflicts(const struct picture *p, struct buf *out);
/* report_steps.c: what was expected, and what was done. */
enum step_end { STEP_NOT_REACHED, STEP_DONE, STEP_HELD, STEP_FAILED };
void report_expectations(const struct picture *p, struct buf *out);
void report_steps(const struct picture *p, struct buf *out);
/* report_tables.c */
void report_rows(const struct picture *p, struct buf *out);
void report_workloads(const struct picture *p, struct buf *out);
void report_writes(const struct picture *p, struct buf *out);
void report_notes(const struct picture *p, struct buf *out);

/* A button that moves the picture to a time; without the script, the time alone. */
void report_time(uint64_t at_us, struct buf *out);
