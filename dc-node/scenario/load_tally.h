/* Numbers that only grow and shrink by known amounts: between which bounds each is. The memory of `counters` and `bank`. */
#pragma once
#include "load_parts.h"

struct tally {
    int64_t ok;              /* the sum of what was answered */
    int64_t more, less;      /* the sums of what was not: of rises, and of falls (negative) */
    int64_t highest, lowest; /* all rises, and all falls, that were not refused: what it can be at any time, anywhere */
    uint32_t asked;
};

static inline void tally_ask(struct tally *t, int64_t amount) {
    t->asked++;
    *(amount > 0 ? &t->highest : &t->lowest) += amount;
    *(amount > 0 ? &t->more : &t->less) += amount;
}

static inline void tally_answer(struct tally *t, int64_t amount, enum load_outcome o) {
    if (o == WENT_UNKNOWN) return;
    *(amount > 0 ? &t->more : &t->less) -= amount;
    if (o == WENT_OK)
        t->ok += amount;
    else
        *(amount > 0 ? &t->highest : &t->lowest) -= amount;
}

/* At rest: every increment counts once (`exact`), or each did at most once. */
static inline bool tally_holds(const struct tally *t, bool exact, int64_t value) {
    return exact ? value >= t->ok + t->less && value <= t->ok + t->more : value >= t->lowest && value <= t->highest;
}

/* "expected 12 to 15 (12 was answered; without an answer: +3, -0)". Appends. */
void tally_expected(const struct tally *t, bool exact, struct buf *out);

struct tallies {
    struct tally *list; /* by key */
    uint32_t count;
};
void tallies_remember(struct load_book *b);
void tallies_forget(struct load_book *b);
void tallies_join(struct load *l);
static inline struct tally *tally_of(const struct load *l, uint32_t key) { return &((struct tallies *)l->book->memory)->list[key]; }
/* Increments add up, and none may be lost: of tables that merge. */
static inline bool tallies_exact(const struct load *l) { return load_policy(l) == POLICY_MERGE && !l->options.loses; }
/* Of a row's number, which is left in *ret, as a node tells it at rest. `verb`: "is", "holds". */
bool tally_row_holds(struct load *l, const struct rest_answer *a, const char *verb, int64_t *ret, struct buf *why);
