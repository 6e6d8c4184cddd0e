/* What commands of Truce's own show of the engine: tokens, contexts, siblings; and figures for INFO. */
#include "inbox.h"
#include <stdio.h>

static void reply_vv(struct call *c, const struct vv *v) {
    struct buf text = {0};
    vv_format(v, c->engine->origins, &text);
    reply_bulk(c->reply, buf_slice_of(&text));
    buf_finish(&text);
}

void engine_reply_token(struct call *c) { reply_vv(c, &c->engine->vv); }

static void reply_dot(struct call *c, struct dot d) {
    struct buf text = {0};
    dot_format(c->engine->origins, d, &text);
    reply_bulk(c->reply, buf_slice_of(&text));
    buf_finish(&text);
}

static void reply_stamp(struct call *c, stamp_t stamp) {
    struct buf text = {0};
    stamp_format(stamp, &text);
    reply_bulk(c->reply, buf_slice_of(&text));
    buf_finish(&text);
}

static void reply_content(struct call *c, struct slice content) {
    struct buf text = {0};
    inbox_format(CELL_ROW, content, &text);
    reply_bulk(c->reply, buf_slice_of(&text));
    buf_finish(&text);
}

/* ---- contexts ---- */

void engine_reply_context(struct call *c) { reply_vv(c, &c->engine->vv); }

static void reply_sibling(struct call *c, const struct cell *cell, const struct version *v) {
    reply_map(c->reply, 4 + (cell->kind == CELL_FIELD));
    reply_text(c->reply, "dot");
    reply_dot(c, v->dot);
    reply_text(c->reply, "dc");
    reply_text(c->reply, origins_get(c->engine->origins, v->dot.origin)->dc);
    reply_text(c->reply, "stamp");
    reply_stamp(c, v->stamp);
    if (cell->kind == CELL_FIELD) {
        reply_text(c->reply, "column");
        reply_bulk(c->reply, cell->name);
    }
    reply_text(c->reply, "value");
    if (cell->kind == CELL_ROW)
        reply_content(c, v->content);
    else
        reply_bulk(c->reply, cell->kind == CELL_MEMBER ? cell->name : v->content);
}

/* Of a whole row its siblings; of a merged one the versions of each register and member. */
void engine_reply_siblings(struct call *c) {
    struct engine *e = c->engine;
    if (!engine_read_row(e, c->argv[1], NULL)) return;
    const struct row *r = &e->row;
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->cells_count; i++) count += r->cells[i].kind == CELL_EXPIRY ? 0 : r->cells[i].count;
    reply_map(c->reply, 2);
    reply_text(c->reply, "context");
    reply_vv(c, &e->vv);
    reply_text(c->reply, "siblings");
    reply_array(c->reply, count);
    for (uint32_t i = 0; i < r->cells_count; i++)
        for (uint32_t k = 0; r->cells[i].kind != CELL_EXPIRY && k < r->cells[i].count; k++)
            reply_sibling(c, &r->cells[i], &cell_versions(r, &r->cells[i])[k]);
}

/* Of a merged row that a whole one would replace: does the context leave out a version? Nothing of the old form stays beside the new. */
static bool leaves_old_form(struct engine *e, const struct vv *context, struct slice key) {
    const struct row *r = &e->row;
    if (r->form != ROW_MERGED || !row_live(r) || table_merges(rules_of(e->rules, key))) return false;
    for (uint32_t i = 0; i < r->versions_count; i++)
        if (!vv_covers(context, r->versions[i].dot)) return true;
    return false;
}

static bool over_siblings_cap(struct engine *e, const struct vv *context) {
    size_t bytes = e->txn.bytes;
    for (uint32_t i = 0; i < e->txn.rows_count; i++) {
        if (!engine_read_row(e, buf_slice_of(&e->txn.rows[i].key), NULL)) return true;
        const struct row *r = &e->row;
        for (uint32_t n = 0; n < r->cells_count; n++) {
            const struct cell *cell = &r->cells[n];
            uint32_t kept = 0;
            for (uint32_t k = 0; k < cell->count; k++) {
                const struct version *v = &cell_versions(r, cell)[k];
                kept += (cell->kind != CELL_ROW || v->content.n) && !vv_covers(context, v->dot);
            }
            bytes += 2 * (size_t)kept * DOT_BYTES_MAX; /* of a register they are named twice */
            if (kept + 1 > e->cluster->siblings_max || bytes > txn_bytes_max(&e->txn)) return true;
        }
    }
    return false;
}

void refuse_context(struct call *c, const struct vv *context, size_t mark) {
    struct engine *e = c->engine;
    bool over = over_siblings_cap(e, context), left = false;
    for (uint32_t i = 0; i < e->txn.rows_count && !over && !left; i++) {
        struct slice key = buf_slice_of(&e->txn.rows[i].key);
        left = !engine_read_row(e, key, NULL) || leaves_old_form(e, context, key);
    }
    if (!over && !left) return;
    c->reply->out->n = mark;
    if (over)
        reply_error(c->reply, "SIBLINGS the row would hold more than %u siblings: write with a newer context", e->cluster->siblings_max);
    else
        reply_error(c->reply, "SIBLINGS the row is of the form that its table had before: write it with a context that covers all of it");
}

/* A context from a client, into this engine's origins; unknown ones are not entered. */
enum context_known inbox_parse_context(struct engine *e, struct slice text, struct vv *ret) {
    struct origins *named = origins_create();
    struct vv parsed = {0};
    enum context_known result = vv_parse(text, named, &parsed) ? CONTEXT_KNOWN : CONTEXT_MALFORMED;
    vv_clear(ret);
    for (origin_ref o = 0; result == CONTEXT_KNOWN && o < origins_count(named); o++) {
        origin_ref known = origins_find(e->origins, origins_get(named, o));
        if (known == ORIGIN_NONE || vv_get(&parsed, o) > vv_get(&e->vv, known))
            result = CONTEXT_BEYOND;
        else
            vv_set(ret, known, vv_get(&parsed, o));
    }
    vv_finish(&parsed);
    origins_destroy(named);
    return result;
}

/* A transaction is one event, and has one context: that of its first command, which holds for all that follow. */
static bool fits_transaction(const struct call *c, const struct vv *context) {
    const struct txn *t = &c->engine->txn;
    return !c->session->in_exec || (t->context ? vv_compare(t->context, context) == VV_EQUAL : t->rows_count == 0);
}

static enum context_known take_context(struct call *c) {
    struct engine *e = c->engine;
    struct vv context = {0};
    enum context_known known = inbox_parse_context(e, c->argv[1], &context);
    if (known == CONTEXT_KNOWN && !fits_transaction(c, &context))
        reply_error(c->reply, "ERR a transaction has one context: its first command must have it, and all that name one the same");
    else if (known == CONTEXT_KNOWN)
        vv_copy(&e->with_context, &context);
    vv_finish(&context);
    return known;
}

void engine_with_context(struct call *c) {
    struct engine *e = c->engine;
    struct vv *context = &e->with_context;
    enum context_known known = take_context(c);
    if (c->reply->failed) return;
    if (known == CONTEXT_MALFORMED) {
        reply_error(c->reply, "ERR the context is no version vector: take it from TRUCE.CONTEXT or TRUCE.SIBLINGS");
        return;
    }
    if (known == CONTEXT_BEYOND) {
        reply_error(c->reply, "BEHIND %s has not applied all that the context covers: try again", e->cluster->nodes[e->self].name);
        return;
    }
    struct call inner = *c;
    inner.argv = c->argv + 2;
    inner.argc = c->argc - 2;
    const struct command *cmd = command_find(inner.argv[0]);
    if (!cmd)
        reply_unknown_command(&inner);
    else if (!(cmd->flags & CMD_WRITE) || (cmd->flags & CMD_NO_MULTI) || cmd->run == c->running)
        reply_error(c->reply, "ERR TRUCE.WITH takes a command that writes");
    else if (cmd->arity >= 0 ? inner.argc != (uint32_t)cmd->arity : inner.argc < (uint32_t)-cmd->arity)
        reply_wrong_arity(&inner);
    else {
        size_t mark = c->reply->out->n;
        e->txn.context = context;
        cmd->run(&inner);
        if (!c->reply->failed) refuse_context(c, context, mark);
    }
}

/* Changes whenever the row's set of versions does. */
uint64_t engine_fingerprint(struct engine *e, struct slice key) {
    const struct stored_row *row = engine_get_row(e, hash64(key), key);
    return row && row->facts.live ? hash64(stored_value(row)) : 0; /* tombstones are collected at any time */
}

void engine_get_figures(const struct engine *e, struct engine_figures *ret) {
    *ret = (struct engine_figures){.cluster = e->cluster,
                                   .node = e->self,
                                   .is_leader = e->is_leader,
                                   .leader = e->leader == ELECTION_NOBODY ? NULL : e->cluster->nodes[e->leader].name,
                                   .uptime_ms = (e->now.mono_us - e->started.mono_us) / 1000,
                                   .commands = e->count.commands,
                                   .connections = e->count.connections,
                                   .events_own = e->count.events_own,
                                   .events_applied = e->count.events_applied,
                                   .conflicts = e->count.conflicts,
                                   .open_conflicts = e->count.open_conflicts,
                                   .frames_bad = e->count.frames_bad,
                                   .rows = e->live_rows,
                                   .dirty_rows = engine_dirty_rows(e),
                                   .memory_bytes = e->rows.bytes + e->tail.bytes + e->waiting_bytes,
                                   .reaped = e->count.reaped,
                                   .tombstones_collected = e->count.collected,
                                   .log_bytes_in = e->count.log_bytes,
                                   .expired_reads = e->count.expired_reads};
}
