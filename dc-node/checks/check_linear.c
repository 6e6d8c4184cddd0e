/* I14: what was written at `majority` and read linearizably, row by row. */
#include "checks.h"

static const char *name_of(enum linear_kind k) {
    static const char *const names[] = {
        [LINEAR_READ] = "a read", [LINEAR_WRITE] = "a write", [LINEAR_SWAP] = "a swap", [LINEAR_SETNX] = "a SETNX", [LINEAR_ADD] = "an increment"};
    return names[k];
}

bool check_linear(struct history *h, struct slice key, struct linear_op *ops, uint32_t count) {
    uint32_t stuck = 0;
    enum linear_verdict v = linear_check(ops, count, &stuck);
    if (v != NOT_LINEAR) return v == LINEAR;
    const struct linear_op *o = &ops[stuck];
    history_fail(h, "I14", "%.*s: no order of its operations explains %s of %lld that was answered with %lld between %llu and %llu us", (int)key.n,
                 (const char *)key.p, name_of(o->kind), (long long)o->value, (long long)o->answer, (unsigned long long)o->called,
                 (unsigned long long)o->answered);
    return true;
}

/* ---- quorum reads ---- */

static bool is_known(const struct linear_op *o) { return o->answered != LINEAR_UNKNOWN; }
static bool writes(const struct linear_op *o) { return o->kind != LINEAR_READ && (o->kind != LINEAR_SETNX || !is_known(o) || o->answer == 1); }

/* Could what `o` wrote still be there, or there already, when it was read? */
static bool may_show(const struct linear_op *o, const struct linear_op *read, const struct linear_op *ops, uint32_t count) {
    if (o->called > read->answered) return false;
    for (uint32_t i = 0; is_known(o) && i < count; i++)
        if (writes(&ops[i]) && is_known(&ops[i]) && ops[i].called > o->answered && ops[i].answered < read->called) return false;
    return true;
}

static bool explains_value(const struct linear_op *read, const struct linear_op *ops, uint32_t count) {
    static const struct linear_op nothing = {.kind = LINEAR_WRITE};
    if (read->answer == 0 && may_show(&nothing, read, ops, count)) return true;
    for (uint32_t i = 0; i < count; i++)
        if (writes(&ops[i]) && ops[i].value == read->answer && may_show(&ops[i], read, ops, count)) return true;
    return false;
}

static bool explains_sum(const struct linear_op *read, const struct linear_op *ops, uint32_t count) {
    int64_t least = 0, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].kind == LINEAR_READ) continue;
        least += is_known(&ops[i]) && ops[i].answered < read->called ? ops[i].value : 0;
        most += ops[i].called <= read->answered ? ops[i].value : 0;
    }
    return least <= read->answer && read->answer <= most;
}

void check_quorum_reads(struct history *h, struct slice key, const struct linear_op *ops, uint32_t count, const struct linear_op *reads, uint32_t n) {
    bool sums = false;
    for (uint32_t i = 0; i < count; i++) sums |= ops[i].kind == LINEAR_ADD;
    for (uint32_t i = 0; i < n; i++) {
        if ((sums ? explains_sum : explains_value)(&reads[i], ops, count)) continue;
        history_fail(h, "I14", "%.*s: a quorum read between %llu and %llu us was answered with %lld, which lacks what a majority had acknowledged",
                     (int)key.n, (const char *)key.p, (unsigned long long)reads[i].called, (unsigned long long)reads[i].answered,
                     (long long)reads[i].answer);
    }
}

/* ---- at rest ---- */

static const struct h_op *version_in(const struct h_event *e, uint32_t key) {
    for (uint32_t i = 0; i < e->changes_count; i++)
        for (uint32_t k = 0; e->changes[i].key == key && k < e->changes[i].ops_count; k++)
            if (h_makes_version(&e->changes[i].ops[k])) return &e->changes[i].ops[k];
    return NULL;
}

/* Where rows merge, a removal is no version: what it did not know survives it, late as it comes. */
static bool was_removed(const struct history *h, uint32_t key, const struct h_op *op) {
    const struct h_row *row = history_row(h, 0, key);
    for (uint32_t i = 0; i < row->n; i++)
        if (row->v[i].op == op) return false;
    return op->kind != CELL_ROW;
}

void check_not_beaten(struct history *h, uint32_t key) {
    const struct h_elections *el = &h->elections;
    for (uint32_t i = 0; i < el->promises_count; i++) {
        const struct h_event *e = el->promises[i].event;
        const struct h_op *op = e->left ? NULL : version_in(e, key);
        if (!op || was_removed(h, key, op)) continue;
        const struct h_element *winner = h_winner(h, 0, key, op->kind, op->name);
        if (!winner || winner->op->change->event == e || h_covers(winner->op->change, e->dot)) continue;
        history_fail(h, "I14", "%.*s reads as written by %s, which did not know %s; but that was acknowledged by a majority",
                     (int)h->keys[key].name.n, (const char *)h->keys[key].name.p, h_dot(h, winner->op->change->event->dot), h_dot(h, e->dot));
    }
}
