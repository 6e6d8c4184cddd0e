#include "linear.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TRIED_MAX 400000u
#define NONE      UINT32_MAX

/* Calls and answers in order of time, as a list from which what was placed is taken out. */
struct entry {
    uint32_t op, next, before;
    bool is_answer;
    uint64_t at;
};

struct placed {
    uint32_t entry;
    int64_t row; /* before */
};

struct search {
    const struct linear_op *ops;
    uint32_t count;
    struct entry *entries; /* the first is the head, the last the end */
    uint32_t entries_count;
    uint32_t *answer_of; /* by operation: its entry; NONE: it has no answer */
    uint32_t *twin;      /* one before it without an answer that does the same: it is placed first; NONE */
    uint64_t *done;      /* a bit for each operation */
    uint32_t words;
    int64_t row;
    struct placed *stack;
    uint32_t depth, deepest, stuck;
    /* What was tried: what is done, and the row; rows of words + 1, by hash. */
    uint64_t *tried;
    uint32_t *index;
    uint32_t tried_count, tried_cap, index_size;
};

static bool is_unknown(const struct linear_op *o) { return o->answered == LINEAR_UNKNOWN; }
static bool is_done(const struct search *s, uint32_t op) { return s->done[op / 64] >> op % 64 & 1; }
static void mark(struct search *s, uint32_t op, bool done) {
    if (done)
        s->done[op / 64] |= UINT64_C(1) << op % 64;
    else
        s->done[op / 64] &= ~(UINT64_C(1) << op % 64);
}

/* ---- the row ---- */

/* False: in this row it would have answered otherwise. */
static bool carry_out(const struct linear_op *o, int64_t row, int64_t *ret) {
    bool known = !is_unknown(o);
    *ret = o->value;
    switch (o->kind) {
    case LINEAR_READ: *ret = row; return o->answer == row;
    case LINEAR_WRITE: return true;
    case LINEAR_SWAP: return !known || o->answer == row;
    case LINEAR_SETNX:
        if (known && o->answer == 0) *ret = row;
        return !known || (row == 0) == (o->answer == 1);
    case LINEAR_ADD: *ret = row + o->value; return !known || o->answer == *ret;
    }
    return false;
}

/* ---- what was tried ---- */

static uint64_t hash_of(const struct search *s, const uint64_t *state) { return hash64(SLICE(state, (s->words + 1) * sizeof *state)); }

static void grow(struct search *s) {
    s->tried_cap = s->tried_cap ? s->tried_cap * 2 : 1024;
    s->tried = xrealloc(s->tried, (size_t)s->tried_cap * (s->words + 1) * sizeof *s->tried);
    free(s->index);
    s->index_size = s->tried_cap * 2;
    s->index = xmalloc(s->index_size * sizeof *s->index);
    memset(s->index, 0xff, s->index_size * sizeof *s->index);
    for (uint32_t i = 0; i < s->tried_count; i++) {
        uint64_t at = hash_of(s, s->tried + (size_t)i * (s->words + 1)) % s->index_size;
        while (s->index[at] != NONE) at = (at + 1) % s->index_size;
        s->index[at] = i;
    }
}

/* False: it was tried before, what is done now with this row. */
static bool is_new(struct search *s, int64_t row) {
    size_t width = s->words + 1;
    if (s->tried_count == s->tried_cap) grow(s);
    uint64_t *state = s->tried + s->tried_count * width;
    memcpy(state, s->done, s->words * sizeof *state);
    memcpy(state + s->words, &row, sizeof row);
    uint64_t at = hash_of(s, state) % s->index_size;
    for (; s->index[at] != NONE; at = (at + 1) % s->index_size)
        if (memcmp(s->tried + s->index[at] * width, state, width * sizeof *state) == 0) return false;
    s->index[at] = s->tried_count++;
    return true;
}

/* ---- the list ---- */

static void take_out(struct search *s, uint32_t e) {
    s->entries[s->entries[e].before].next = s->entries[e].next;
    s->entries[s->entries[e].next].before = s->entries[e].before;
}

static void put_back(struct search *s, uint32_t e) {
    s->entries[s->entries[e].before].next = e;
    s->entries[s->entries[e].next].before = e;
}

static void place(struct search *s, uint32_t e, int64_t row) {
    uint32_t op = s->entries[e].op;
    s->stack[s->depth++] = (struct placed){e, s->row};
    s->row = row;
    take_out(s, e);
    if (s->answer_of[op] != NONE) take_out(s, s->answer_of[op]);
}

static uint32_t take_back(struct search *s) {
    struct placed p = s->stack[--s->depth];
    uint32_t op = s->entries[p.entry].op;
    s->row = p.row;
    mark(s, op, false);
    if (s->answer_of[op] != NONE) put_back(s, s->answer_of[op]);
    put_back(s, p.entry);
    return p.entry;
}

/* ---- the search ---- */

static bool try_next(struct search *s, uint32_t e) {
    uint32_t op = s->entries[e].op;
    int64_t row;
    if (s->twin[op] != NONE && !is_done(s, s->twin[op])) return false;
    if (!carry_out(&s->ops[op], s->row, &row)) return false;
    mark(s, op, true);
    if (is_new(s, row)) {
        place(s, e, row);
        return true;
    }
    mark(s, op, false);
    return false;
}

static enum linear_verdict search(struct search *s, uint32_t required) {
    uint32_t e = s->entries[0].next, end = s->entries_count - 1;
    while (required > 0) {
        assert(e != end); /* the answer of one that is required comes first */
        if (s->tried_count >= TRIED_MAX) return LINEAR_TOO_HARD;
        if (!s->entries[e].is_answer) {
            bool known = s->answer_of[s->entries[e].op] != NONE;
            if (try_next(s, e)) {
                required -= known;
                e = s->entries[0].next;
            } else {
                e = s->entries[e].next;
            }
            continue;
        }
        if (s->depth >= s->deepest) {
            s->deepest = s->depth;
            s->stuck = s->entries[e].op;
        }
        if (s->depth == 0) return NOT_LINEAR;
        e = take_back(s);
        required += s->answer_of[s->entries[e].op] != NONE;
        e = s->entries[e].next;
    }
    return LINEAR;
}

/* ---- making it ---- */

static int by_call(const void *a, const void *b) {
    const struct linear_op *x = a, *y = b;
    if (x->called != y->called) return x->called < y->called ? -1 : 1;
    if (x->answered != y->answered) return x->answered < y->answered ? -1 : 1;
    return 0;
}

/* At one moment calls come first: they may have been at once. */
static int by_time(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->is_answer != y->is_answer) return x->is_answer ? 1 : -1;
    return x->op < y->op ? -1 : x->op > y->op;
}

static uint32_t find_twin(const struct linear_op *ops, uint32_t op) {
    const struct linear_op *o = &ops[op];
    for (uint32_t i = op; is_unknown(o) && i-- > 0;)
        if (is_unknown(&ops[i]) && ops[i].kind == o->kind && ops[i].value == o->value) return i;
    return NONE;
}

static void make_list(struct search *s) {
    struct entry *all = s->entries = xcalloc(s->count * 2 + 2, sizeof *all);
    uint32_t n = 1;
    for (uint32_t i = 0; i < s->count; i++) {
        all[n++] = (struct entry){.op = i, .at = s->ops[i].called};
        if (!is_unknown(&s->ops[i])) all[n++] = (struct entry){.op = i, .is_answer = true, .at = s->ops[i].answered};
    }
    qsort(all + 1, n - 1, sizeof *all, by_time);
    s->entries_count = n + 1;
    for (uint32_t i = 0; i <= n; i++) {
        all[i].next = i + 1;
        all[i].before = i - 1;
        if (i < n && all[i].is_answer) s->answer_of[all[i].op] = i;
    }
}

/* Of a register, where nobody asks merely whether there is something, a write of unknown outcome that nobody read need not be placed. */
static uint32_t leave_out_unread(struct linear_op *ops, uint32_t count) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((ops[i].kind == LINEAR_SETNX && !is_unknown(&ops[i]) && ops[i].answer == 0) || ops[i].kind == LINEAR_ADD) return count;
    for (uint32_t i = 0; i < count; i++) {
        bool needed = !is_unknown(&ops[i]) || ops[i].value == 0;
        for (uint32_t k = 0; k < count && !needed; k++) {
            bool reads = ops[k].kind == LINEAR_READ || ops[k].kind == LINEAR_SWAP;
            needed = reads && !is_unknown(&ops[k]) && ops[k].answer == ops[i].value;
        }
        if (!needed) continue;
        struct linear_op o = ops[i]; /* the others go behind, and are not lost */
        ops[i] = ops[n];
        ops[n++] = o;
    }
    qsort(ops, n, sizeof *ops, by_call);
    return n;
}

enum linear_verdict linear_check(struct linear_op *ops, uint32_t count, uint32_t *stuck) {
    if (count == 0) return LINEAR;
    qsort(ops, count, sizeof *ops, by_call);
    count = leave_out_unread(ops, count);
    struct search s = {.ops = ops, .count = count, .words = (count + 63) / 64};
    uint32_t required = 0;
    s.answer_of = xmalloc((count + 1) * sizeof *s.answer_of);
    s.twin = xmalloc((count + 1) * sizeof *s.twin);
    s.stack = xmalloc((count + 1) * sizeof *s.stack);
    s.done = xcalloc(s.words + 1, sizeof *s.done);
    for (uint32_t i = 0; i < count; i++) {
        s.answer_of[i] = NONE;
        s.twin[i] = find_twin(ops, i);
        required += !is_unknown(&ops[i]);
    }
    make_list(&s);
    enum linear_verdict v = search(&s, required);
    if (v == NOT_LINEAR && stuck) *stuck = s.stuck;
    free(s.entries);
    free(s.answer_of);
    free(s.twin);
    free(s.stack);
    free(s.done);
    free(s.tried);
    free(s.index);
    return v;
}
