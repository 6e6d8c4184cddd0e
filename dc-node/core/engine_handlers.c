/* Rows whose siblings a handler is to settle: which are asked about and when, and what becomes of the answers (DESIGN, section 6, "Handlers in C").
 *
 * The leader of the datacenter that wrote the first sibling asks at once; those of the others in turn, if the row is still open then: so that as a
 * rule one answers. An answer is written as an event, and so is that there is none: what readers see never depends on who has asked whom. Nothing
 * here is kept over a restart; a sweep over the open episodes of the journal finds what has been forgotten. */
#include "../../conflict/planted.h"
#include "handling.h"
#include <stdio.h>

/* ---- rows ---- */

static struct open_row **list_of(struct handling *h, const struct open_row *r) {
    switch (r->state) {
    case ROW_READY: return &h->ready;
    case ROW_LATER: return &h->later;
    case ROW_HELD: return &h->handlers[r->handler].held;
    case ROW_ASKED: break;
    }
    return NULL;
}

static void leave_list(struct handling *h, struct open_row *r) {
    struct open_row **list = list_of(h, r);
    if (list) {
        DL_DELETE(*list, r);
        return;
    }
    HASH_DELETE(hh_run, h->asked, r);
    h->handlers[r->handler].asked--;
    h->asked_count--;
    h->asked_bytes -= r->request_bytes;
}

static void move_to(struct handling *h, struct open_row *r, int state) {
    leave_list(h, r);
    r->state = state;
    struct open_row **list = list_of(h, r);
    DL_APPEND(*list, r);
}

static void forget(struct handling *h, struct open_row *r) {
    leave_list(h, r);
    HASH_DELETE(hh, h->rows, r);
    free(r);
}

void handlers_consider(struct engine *e, struct slice key) {
    struct handling *h = e->handling;
    struct open_row *r = NULL;
    if (!h || !engine_originates(e)) return;
    HASH_FIND(hh, h->rows, key.p, key.n, r);
    if (r && r->state == ROW_LATER) move_to(h, r, ROW_READY); /* its siblings may be others now, and so whose turn it is */
    if (r) return;
    if (HASH_COUNT(h->rows) >= OPEN_ROWS_MAX) {
        h->overflowed = true;
        if (h->sweep_due_us > e->now.mono_us + SWEEP_PAGE_US) h->sweep_due_us = e->now.mono_us + SWEEP_PAGE_US;
        return;
    }
    r = xcalloc(1, sizeof *r + key.n);
    r->key_bytes = key.n;
    memcpy(r->key, key.p, key.n);
    r->state = ROW_READY;
    HASH_ADD(hh, h->rows, key, key.n, r);
    DL_APPEND(h->ready, r);
}

/* ---- handlers ---- */

struct handler_here *handler_here(struct engine *e, const char *name) {
    struct handling *h = e->handling;
    for (uint32_t i = 0; i < h->handlers_count; i++)
        if (h->handlers[i].listed && strcmp(h->handlers[i].known.name, name) == 0) return &h->handlers[i];
    return NULL;
}

const char *handler_unusable(struct engine *e, const char *name, uint64_t hash) {
    const struct handler_here *here = handler_here(e, name);
    if (!here) return "it is not installed here";
    if (!here->known.usable) return here->known.why;
    return hash && hash != here->known.hash ? "the table asks for another version of it" : NULL;
}

static void release_held(struct handling *h, struct handler_here *here, uint32_t most) {
    while (here->held && most-- > 0) move_to(h, here->held, ROW_READY);
}

/* The host has said what it has. Who has been forgotten keeps his place: calls of his may be under way. */
static void take_list(struct engine *e, const struct input *in) {
    struct handling *h = e->handling;
    for (uint32_t i = 0; i < h->handlers_count; i++) h->handlers[i].listed = false;
    for (uint32_t k = 0; k < in->handlers_count; k++) {
        uint32_t i = 0;
        while (i < h->handlers_count && strcmp(h->handlers[i].known.name, in->handlers[k].name) != 0) i++;
        if (i == h->handlers_count) {
            GROW(h->handlers, h->handlers_count, h->handlers_cap);
            h->handlers[h->handlers_count++] = (struct handler_here){0};
        }
        h->handlers[i].known = in->handlers[k];
        h->handlers[i].listed = true;
    }
    for (uint32_t i = 0; i < h->handlers_count; i++) release_held(h, &h->handlers[i], UINT32_MAX);
    handlers_sweep(e);
}

/* ---- what is written ---- */

/* The row is in e->row, its key in h->key: nothing may borrow from what the write replaces. */
static const struct cell *siblings_of(const struct engine *e) { return row_cell(&e->row, CELL_ROW, (struct slice){0}); }

static void write_record(struct engine *e, const char *handler, const char *outcome, const char *reason) {
    const struct cell *cell = siblings_of(e);
    struct dot *looked_at = xcalloc(cell->count, sizeof *looked_at);
    for (uint32_t i = 0; i < cell->count; i++) looked_at[i] = cell_versions(&e->row, cell)[i].dot;
    struct content_column columns[] = {
        {slice_text("handler"), slice_text(handler)}, {slice_text("outcome"), slice_text(outcome)}, {slice_text("reason"), slice_text(reason)}};
    content_make(&e->handling->content, CONTENT_HASH, 0, columns, 3);
    struct change c = {.op = CHANGE_RECORD,
                       .key = buf_slice_of(&e->handling->key),
                       .content = buf_slice_of(&e->handling->content),
                       .unseen = looked_at,
                       .unseen_count = cell->count};
    engine_originate(e, &c, 1);
    free(looked_at);
}

static void write_failure(struct engine *e, const char *handler, struct slice why) {
    char reason[HANDLER_REASON_BYTES_MAX + 1];
    size_t n = why.n < sizeof reason ? why.n : sizeof reason - 1;
    struct handler_here *here = handler_here(e, handler);
    if (here) here->failures++;
    for (size_t i = 0; i < n; i++) reason[i] = why.p[i] >= ' ' && why.p[i] <= '~' ? (char)why.p[i] : '?'; /* it is shown as text */
    reason[n] = 0;
    write_record(e, handler, "failed", reason);
}

static uint8_t generation_after(const struct engine *e) {
    const struct cell *cell = siblings_of(e);
    uint8_t most = 0;
    for (uint32_t i = 0; i < cell->count; i++) {
        uint8_t g = cell_versions(&e->row, cell)[i].generation;
        if (g > most) most = g;
    }
    return most < UINT8_MAX ? most + 1 : most;
}

/* h->content becomes the row; nothing: it is deleted. */
static void write_answer(struct engine *e, const struct open_row *r) {
    struct buf inputs = {0};
    buf_u64(&inputs, r->siblings);
    buf_u64(&inputs, r->text_hash);
    buf_u64(&inputs, r->request_hash);
    struct change c = {.op = CHANGE_ANSWER,
                       .key = buf_slice_of(&e->handling->key),
                       .content = buf_slice_of(&e->handling->content),
                       .generation = generation_after(e),
                       .inputs = hash64(buf_slice_of(&inputs))};
    buf_finish(&inputs);
    engine_originate(e, &c, 1);
}

/* A sibling becomes the row, and lasts as long as readers were told. */
static void pick(struct engine *e, uint32_t index) {
    const struct version *v = &cell_versions(&e->row, siblings_of(e))[index];
    buf_clear(&e->handling->content);
    if (v->content.n) content_with_expiry(&e->handling->content, v->content, row_expires_ms(&e->row));
}

enum settled { SETTLED, SETTLED_BY_NEXT /* the next of the chain is to be asked */, SETTLED_ELSEWHERE /* perhaps */ };

/* What becomes of a handler's answer. The row is in e->row, as it was when it was asked about. */
static enum settled settle(struct engine *e, const struct open_row *r, const char *handler, struct slice bytes) {
    struct handling *h = e->handling;
    struct handler_answer a;
    if (!handler_answer_decode(bytes, &a)) a = (struct handler_answer){.outcome = HANDLER_FAILED, .why = slice_text("gave garbage as its answer")};
    if (a.outcome == HANDLER_PICK && a.index >= siblings_of(e)->count)
        a = (struct handler_answer){.outcome = HANDLER_FAILED, .why = slice_text("picked a sibling that is not there")};
    switch (a.outcome) {
    case HANDLER_PASS: return SETTLED_BY_NEXT;
    case HANDLER_ABSENT:
    case HANDLER_NO_BASE: return SETTLED_ELSEWHERE;
    case HANDLER_RECORD: write_record(e, handler, "recorded", "it is for a person to decide"); return SETTLED;
    case HANDLER_FAILED: write_failure(e, handler, a.why); return SETTLED;
    case HANDLER_PICK: pick(e, a.index); break;
    case HANDLER_ROW:
        buf_clear(&h->content);
        buf_put(&h->content, a.content.p, a.content.n);
        break;
    }
    if (h->content.n > ROW_BYTES_MAX)
        write_failure(e, handler, slice_text("gave a row that is too large"));
    else
        write_answer(e, r);
    return SETTLED;
}

/* ---- whose turn it is ---- */

/* DCs in order of name, beginning with the one that wrote the first sibling. */
static uint32_t rank(struct engine *e) {
    const struct cell *cell = siblings_of(e);
    int32_t first = engine_source(e, cell_versions(&e->row, cell)[0].dot.origin)->dc;
    uint32_t before = 0;
    if (first >= 0 && (uint32_t)first == e->self_dc) return 0;
    for (uint32_t d = 0; d < e->cluster->dcs_count; d++)
        before += d != (uint32_t)first && strcmp(e->cluster->dcs[d].name, e->cluster->dcs[e->self_dc].name) < 0;
    return before + (first >= 0);
}

static bool contradict(const struct version *a, const struct version *b) {
    return a->generation && b->generation && a->inputs == b->inputs && !slice_equal(a->content, b->content);
}

/* Live answers that should be equal and are not: then asking again would not help either. NULL: all is well. */
static const char *unsettled(const struct engine *e, const char **ret_outcome) {
    const struct cell *cell = siblings_of(e);
    const struct version *v = cell_versions(&e->row, cell);
    if (conflict_planted == CONFLICT_BUG_ANSWER_AGAIN) return NULL;
    *ret_outcome = "nondeterministic";
    for (uint32_t i = 0; i < cell->count; i++)
        for (uint32_t k = i + 1; k < cell->count; k++)
            if (contradict(&v[i], &v[k])) return "it gave different answers to the same question";
    *ret_outcome = "unsettled";
    return generation_after(e) > GENERATIONS_MAX ? "its answers do not settle" : NULL;
}

/* Reads the row into e->row. Is it still for a handler? */
static const struct table_rule *rule_if_open(struct engine *e, struct slice key) {
    const struct table_rule *table = rules_of(e->rules, key);
    if (table->policy != POLICY_HANDLER || rules_barrier(table, &e->stable) || !engine_read_row(e, key, NULL)) return NULL;
    const struct cell *cell = siblings_of(e);
    if (!cell || !cell_open(&e->row, cell)) return NULL;
    if (e->row.recorded != row_siblings_hash(&e->row, e->origins)) return table;
    handlers_remember(e, key, e->row.recorded_why);
    return NULL;
}

/* Who is to blame where an answer does not say which of the chain gave it. */
static void name_chain(const struct table_rule *table, char *out, size_t n) {
    struct buf text = {0};
    for (uint32_t i = 0; i < table->chain.count; i++) buf_printf(&text, "%s%s", i ? "," : "", table->chain.names[i]);
    snprintf(out, n, "%.*s", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

static bool later(struct engine *e, struct open_row *r) {
    struct handling *h = e->handling;
    uint64_t due = r->since_us + (uint64_t)rank(e) * RANK_DELAY_US;
    if (e->now.mono_us >= due) return false;
    r->due_us = due;
    move_to(h, r, ROW_LATER);
    if (due < h->later_due_us) h->later_due_us = due;
    return true;
}

/* ---- asking ---- */

static void emit(struct engine *e, struct open_row *r, uint32_t handler) {
    struct handling *h = e->handling;
    GROW(h->out_at, h->out_count, h->out_at_cap);
    GROW(h->out, h->out_count, h->out_cap);
    h->out_at[h->out_count] = h->requests.n;
    h->out[h->out_count++] = (struct handler_run){.id = ++h->runs, .hash = h->handlers[handler].known.hash, .request = {NULL, h->request.n}};
    buf_put(&h->requests, h->request.p, h->request.n);
    DL_DELETE(h->ready, r);
    r->state = ROW_ASKED;
    r->handler = handler;
    r->run = h->runs;
    r->request_bytes = h->request.n;
    HASH_ADD(hh_run, h->asked, run, sizeof r->run, r);
    h->handlers[handler].asked++;
    h->handlers[handler].runs++;
    h->asked_count++;
    h->asked_bytes += r->request_bytes;
}

static bool too_large(const struct engine *e) {
    const struct version *base = row_base(&e->row);
    const struct cell *cell = siblings_of(e);
    size_t n = (base ? base->content.n : 0) + e->handling->key.n + cell->count * (DOT_BYTES_MAX + 2 * NAME_LEN_MAX);
    for (uint32_t i = 0; i < cell->count; i++) n += cell_versions(&e->row, cell)[i].content.n;
    return n > HANDLER_REQUEST_BYTES_MAX - 64 * 1024; /* and settings */
}

static enum settled ask_builtin(struct engine *e, const struct open_row *r, const struct truce_handler *builtin) {
    struct handler_request q;
    struct buf answer = {0};
    bool good = handler_request_decode(&q, buf_slice_of(&e->handling->request));
    assert(good); /* it was made right here */
    handler_call(builtin, &q, &answer);
    enum settled s = settle(e, r, builtin->name, buf_slice_of(&answer));
    handler_request_finish(&q);
    buf_finish(&answer);
    return s;
}

enum look { LOOK_DONE /* the row is no longer looked after */, LOOK_KEPT, LOOK_FULL /* no more can be asked now */ };

/* Asks the handler whose turn it is. */
static enum look ask_here(struct engine *e, struct open_row *r, const struct table_rule *table) {
    struct handling *h = e->handling;
    const char *name = table->chain.names[r->at];
    if (handler_unusable(e, name, table->handlers_hash[r->at])) return LOOK_DONE; /* another datacenter may have it */
    struct handler_here *here = handler_here(e, name);
    r->handler = (uint32_t)(here - h->handlers);
    if (here->known.wants_base && !row_base(&e->row)) return LOOK_DONE; /* likewise */
    if (here->asked >= HANDLER_ASKED_MAX) {
        move_to(h, r, ROW_HELD);
        return LOOK_KEPT;
    }
    if (h->asked_count > 0 && h->asked_bytes + h->request.n > h->asked_bytes_max) return LOOK_FULL;
    emit(e, r, r->handler);
    return LOOK_KEPT;
}

static enum look ask(struct engine *e, struct open_row *r, const struct table_rule *table) {
    struct handling *h = e->handling;
    for (; r->at < table->chain.count; r->at++) {
        const char *name = table->chain.names[r->at];
        if (too_large(e)) {
            write_failure(e, name, slice_text("cannot be asked: the siblings are too large together"));
            return LOOK_DONE;
        }
        buf_clear(&h->request);
        handler_request_encode(&e->row, buf_slice_of(&h->key), table, r->at, e->rules, e->origins, &h->request);
        r->request_hash = hash64(buf_slice_of(&h->request)); /* priorities, clock marks and the base are in it too */
        const struct truce_handler *builtin = handler_builtin(name);
        if (!builtin) return ask_here(e, r, table);
        if (ask_builtin(e, r, builtin) != SETTLED_BY_NEXT) return LOOK_DONE;
    }
    write_record(e, table->chain.names[table->chain.count - 1], "recorded", "no handler of the chain has decided");
    return LOOK_DONE;
}

/* Looks at a ready row, and does what is to be done now. */
static enum look look_at(struct engine *e, struct open_row *r) {
    struct handling *h = e->handling;
    buf_clear(&h->key);
    buf_put(&h->key, r->key, r->key_bytes);
    const struct table_rule *table = rule_if_open(e, open_row_key(r));
    if (!table) return LOOK_DONE;
    uint64_t siblings = row_siblings_hash(&e->row, e->origins);
    if (siblings != r->siblings || table->text_hash != r->text_hash) {
        r->siblings = siblings;
        r->text_hash = table->text_hash;
        r->since_us = e->now.mono_us;
        r->at = 0;
    }
    if (later(e, r)) return LOOK_KEPT;
    const char *outcome, *reason = unsettled(e, &outcome);
    if (!reason) return ask(e, r, table);
    char names[FAILURE_NAMES_MAX];
    name_chain(table, names, sizeof names);
    write_record(e, names, outcome, reason);
    return LOOK_DONE;
}

/* ---- answers ---- */

static void take_answer(struct engine *e, const struct input *in) {
    struct handling *h = e->handling;
    struct open_row *r = NULL;
    HASH_FIND(hh_run, h->asked, &in->handler_run, sizeof in->handler_run, r);
    if (!r) return;
    struct handler_here *here = &h->handlers[r->handler];
    char name[NAME_LEN_MAX + 1];
    memcpy(name, here->known.name, sizeof name);
    move_to(h, r, ROW_READY);
    h->full = false;
    release_held(h, here, 1);
    if (!engine_originates(e)) return;
    buf_clear(&h->key);
    buf_put(&h->key, r->key, r->key_bytes);
    const struct table_rule *table = rule_if_open(e, open_row_key(r));
    bool same = table && table->text_hash == r->text_hash && row_siblings_hash(&e->row, e->origins) == r->siblings;
    if (!same && !(table && conflict_planted == CONFLICT_BUG_ANSWER_UNSEEN)) return; /* it is looked at anew */
    if (settle(e, r, name, in->answer) == SETTLED_BY_NEXT)
        r->at++;
    else
        forget(h, r);
}

void handlers_step(struct engine *e, const struct input *in) {
    if (in->type == INPUT_HANDLERS)
        take_list(e, in);
    else
        take_answer(e, in);
}

/* ---- with each run of the engine ---- */

static void wake_later(struct engine *e) {
    struct handling *h = e->handling;
    struct open_row *r, *next;
    if (e->now.mono_us < h->later_due_us) return;
    h->later_due_us = UINT64_MAX;
    DL_FOREACH_SAFE(h->later, r, next) {
        if (r->due_us <= e->now.mono_us)
            move_to(h, r, ROW_READY);
        else if (r->due_us < h->later_due_us)
            h->later_due_us = r->due_us;
    }
    uint64_t soon = e->now.mono_us + RANK_DELAY_US / 10; /* many that are due one by one are looked at together */
    if (h->later_due_us < soon) h->later_due_us = soon;
}

static bool can_ask(const struct engine *e) {
    const struct handling *h = e->handling;
    return engine_originates(e) && h->ready && h->asked_count < HANDLERS_ASKED_MAX && !h->full;
}

void handlers_updates(struct engine *e) {
    struct handling *h = e->handling;
    struct engine_updates *u = &e->updates;
    h->out_count = 0;
    buf_clear(&h->requests);
    wake_later(e);
    for (uint32_t i = 0; i < LOOKS_MAX && can_ask(e) && !u->fatal; i++) {
        struct open_row *r = h->ready;
        enum look look = look_at(e, r);
        if (look == LOOK_DONE) forget(h, r);
        h->full = look == LOOK_FULL;
    }
    for (size_t i = 0; i < h->out_count; i++) {
        struct open_row *r = NULL;
        HASH_FIND(hh_run, h->asked, &h->out[i].id, sizeof h->out[i].id, r);
        h->out[i].name = h->handlers[r->handler].known.name;
        h->out[i].request.p = h->requests.p + h->out_at[i];
    }
    u->handler_runs = h->out;
    u->handler_runs_count = h->out_count;
}

uint64_t handlers_wake_us(const struct engine *e) {
    const struct handling *h = e->handling;
    if (!engine_originates(e)) return UINT64_MAX;
    if (can_ask(e)) return e->now.mono_us;
    return h->later_due_us < h->sweep_due_us ? h->later_due_us : h->sweep_due_us;
}

/* ---- the sweep ---- */

static bool for_handlers(const struct table_rule *t) { return t->policy == POLICY_HANDLER; }

/* What the journal's records of the table's rows begin with. Rows of all tables lie together where table `*` has handlers. */
static void records_of(const struct table_rule *t, struct buf *out) {
    if (strcmp(t->name, "*") == 0) {
        buf_u8(out, 'r');
        return;
    }
    struct buf key = {0};
    buf_printf(&key, "%s:", t->name);
    journal_name_keys(buf_slice_of(&key), out);
    buf_finish(&key);
}

static void consider_episode(struct engine *e, struct slice record) {
    struct episode ep = {0};
    if (!episode_decode(record, e->origins, &ep)) {
        engine_fail(e, "an entry of the conflict journal in the store is damaged");
        return;
    }
    if (ep.open && ep.kind == CELL_ROW && for_handlers(rules_of(e->rules, ep.key))) handlers_consider(e, ep.key);
    episode_finish(&ep);
}

/* A page of the records of one table; false: that was the last. */
static bool sweep_page(struct engine *e, const struct table_rule *t) {
    struct handling *h = e->handling;
    struct buf prefix = {0};
    struct journal_walk w;
    struct slice name, record;
    uint32_t n = 0;
    records_of(t, &prefix);
    walk_begin(&w, e, buf_slice_of(&prefix), buf_slice_of(&h->sweep_after), SWEEP_PAGE);
    while (n < SWEEP_PAGE && !e->updates.fatal && walk_next(&w, &name, &record)) {
        n++;
        if (journal_record_kind(name) == JOURNAL_EPISODE) consider_episode(e, record);
        if (n < SWEEP_PAGE) continue;
        buf_clear(&h->sweep_after);
        buf_put(&h->sweep_after, name.p, name.n);
    }
    walk_finish(&w);
    buf_finish(&prefix);
    return n == SWEEP_PAGE;
}

void handlers_sweep(struct engine *e) {
    struct handling *h = e->handling;
    if (!h) return;
    h->sweep_table = 0;
    buf_clear(&h->sweep_after);
    h->sweep_pages = 0;
    h->sweep_due_us = e->now.mono_us;
}

void handlers_tick(struct engine *e) {
    struct handling *h = e->handling;
    if (!engine_originates(e) || e->now.mono_us < h->sweep_due_us) return;
    h->sweep_due_us = e->now.mono_us + SWEEP_PAGE_US;
    if (HASH_COUNT(h->rows) > OPEN_ROWS_MAX / 2) return;
    if (h->sweep_pages++ == 0) h->overflowed = false;
    uint32_t count = rules_tables_count(e->rules);
    while (h->sweep_table < count && !for_handlers(rules_table_at(e->rules, h->sweep_table))) h->sweep_table++;
    if (h->sweep_table < count) {
        const struct table_rule *t = rules_table_at(e->rules, h->sweep_table);
        if (sweep_page(e, t)) return;
        buf_clear(&h->sweep_after);
        h->sweep_table = strcmp(t->name, "*") == 0 ? count : h->sweep_table + 1; /* `*` is the first, and was of all */
    }
    if (h->sweep_table < count) return;
    if (!h->overflowed) h->sweep_due_us = e->now.mono_us + SWEEP_PERIOD_US + SWEEP_REST_US * h->sweep_pages;
    h->sweep_table = 0;
    h->sweep_pages = 0;
}

/* ---- the engine's life ---- */

void handlers_create(struct engine *e) {
    struct handling *h = e->handling = xcalloc(1, sizeof *h);
    h->asked_bytes_max = e->cluster->memory_bytes_max / 32;
    h->later_due_us = UINT64_MAX;
    handlers_sweep(e);
}

void handlers_finish(struct engine *e) {
    struct handling *h = e->handling;
    struct open_row *r, *next;
    if (!h) return;
    HASH_ITER(hh, h->rows, r, next) forget(h, r);
    for (uint32_t i = 0; i < FAILURES_KEPT; i++) buf_finish(&h->failures[i].key);
    struct buf *bufs[] = {&h->request, &h->content, &h->key, &h->requests, &h->sweep_after};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
    free(h->handlers);
    free(h->out);
    free(h->out_at);
    free(h);
    e->handling = NULL;
}
