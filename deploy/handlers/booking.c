/* booking: a calendar is a hash, a booking a column: 2026-11-21T10:00/2026-11-21T11:00 -> who. Bookings and cancellations of all sides count; where
 * two of them overlap, or the same time went to two people, a person decides.
 *
 * Columns without a slash are merged like the others. Times are compared as text: write all in one form, as ISO 8601 is. */
#include "three_way.h"

struct slot {
    struct truce_bytes start, end;
};

/* False: this column is no booking. */
static bool slot_of(struct truce_bytes name, struct slot *ret) {
    const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;
    if (slash == NULL) return false;
    size_t n = (size_t)(slash - name.p);
    *ret = (struct slot){{name.p, n}, {slash + 1, name.n - n - 1}};
    return true;
}

/* Columns come in order of their names, so of their starts: the latest end so far tells whether one overlaps. */
static bool mergeable(const struct truce_conflict *c, size_t *ret_columns) {
    struct truce_bytes latest = {"", 0};
    *ret_columns = 0;
    for (const struct truce_bytes *name = three_way_next(c, NULL); name != NULL; name = three_way_next(c, name)) {
        const struct truce_column *column;
        struct slot slot;
        if (!three_way_column(c, *name, &column)) return false;
        if (column == NULL) continue;
        (*ret_columns)++;
        if (!slot_of(*name, &slot)) continue;
        if (truce_compare(slot.start, slot.end) >= 0 || truce_compare(slot.start, latest) < 0) return false;
        latest = slot.end;
    }
    return true;
}

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    size_t columns;
    if (!three_way_hashes(c)) return a->ops->pass(a);
    if (!mergeable(c, &columns)) return a->ops->record(a);
    if (columns == 0) return a->ops->remove(a); /* all was cancelled */
    int result = a->ops->begin(a, TRUCE_HASH, three_way_expiry(c));
    for (const struct truce_bytes *name = three_way_next(c, NULL); name != NULL; name = three_way_next(c, name)) {
        const struct truce_column *column;
        if (three_way_column(c, *name, &column) && column != NULL) result = a->ops->column(a, column->name, column->value);
    }
    return result;
}

TRUCE_HANDLER_EXPORT const struct truce_handler truce_handler = {
    .abi = TRUCE_HANDLER_ABI,
    .flags = TRUCE_WANTS_BASE | TRUCE_REGROUPS,
    .struct_size = sizeof(struct truce_handler),
    .name = "booking",
    .version = "1",
    .summary = "bookings of all sides count; double bookings are recorded for later",
    .decide = decide,
};
