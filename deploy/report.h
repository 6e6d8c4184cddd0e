/* A page about one play of a scenario: a single HTML file that needs nothing beside it. */
#pragma once
#include "../dc-node/scenario/play.h"

/* False: it cannot be written, *why says it in one line. Moments and rows beyond what a page can hold are left out, and the page says how many. */
bool report_write(const char *path, const struct scenario *s, const struct record *r, const struct outcome *o, struct buf *why);
/* The page as text. Appends. */
void report_page(const struct scenario *s, const struct record *r, const struct outcome *o, struct buf *out);
