#include "load_tally.h"

#include <stdlib.h>

void tallies_remember(struct load_book *b) { b->memory = xcalloc(1, sizeof(struct tallies)); }

void tallies_forget(struct load_book *b) {
    struct tallies *t = b->memory;
    free(t->list);
    free(t);
}

void tallies_join(struct load *l) {
    struct tallies *t = l->book->memory;
    if (l->options.keys <= t->count) return;
    t->list = xrealloc(t->list, l->options.keys * sizeof *t->list);
    memset(t->list + t->count, 0, (l->options.keys - t->count) * sizeof *t->list);
    t->count = l->options.keys;
}

void tally_expected(const struct tally *t, bool exact, struct buf *out) {
    if (exact)
        buf_printf(out, "expected %" PRId64 " to %" PRId64 " (%" PRId64 " was answered; without an answer: +%" PRId64 ", %" PRId64 ")",
                   t->ok + t->less, t->ok + t->more, t->ok, t->more, t->less);
    else
        buf_printf(out, "expected %" PRId64 " to %" PRId64 ", which is all that was ever asked for", t->lowest, t->highest);
}

bool tally_row_holds(struct load *l, const struct rest_answer *a, const char *verb, int64_t *ret, struct buf *why) {
    const struct tally *t = tally_of(l, a->key);
    bool exact = tallies_exact(l);
    if (!reply_number(a->reply, ret)) {
        buf_printf(why, "%s:%u is no number at %s", l->options.prefix, a->key, load_node_name(l, a->node));
        return false;
    }
    if (load_policy(l) == POLICY_HANDLER || tally_holds(t, exact, *ret)) return true;
    buf_printf(why, "%s:%u %s %" PRId64 " at %s: ", l->options.prefix, a->key, verb, *ret, load_node_name(l, a->node));
    tally_expected(t, exact, why);
    return false;
}
