/* What commands of Truce's own show of the engine: tokens, contexts, siblings, the journal; and figures for INFO. */
#include "state.h"
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

/* Content for people: a string as it is, columns as name=value, members with spaces between; a tombstone says so. */
static void format_content(struct slice c, struct buf *out) {
    struct slice name, value;
    if (!c.n) {
        buf_text(out, "(deleted)");
        return;
    }
    if (content_type(c) == CONTENT_STRING) {
        struct slice s = content_string(c);
        buf_put(out, s.p, s.n);
        return;
    }
    bool hash = content_type(c) == CONTENT_HASH;
    struct content_columns each = content_columns(c);
    for (bool first = true; content_next(&each, &name, &value); first = false) {
        if (!first) buf_text(out, " ");
        buf_put(out, name.p, name.n);
        if (!hash) continue;
        buf_text(out, "=");
        buf_put(out, value.p, value.n);
    }
}

static void reply_content(struct call *c, struct slice content) {
    struct buf text = {0};
    format_content(content, &text);
    reply_bulk(c->reply, buf_slice_of(&text));
    buf_finish(&text);
}

/* ---- the journal ---- */

static void reply_loss(struct call *c, const struct loss *l) {
    const struct origins *t = c->engine->origins;
    reply_map(c->reply, 9);
    reply_text(c->reply, "key");
    reply_bulk(c->reply, l->key);
    reply_text(c->reply, "loser");
    reply_dot(c, l->loser.dot);
    reply_text(c->reply, "loser_dc");
    reply_text(c->reply, origins_get(t, l->loser.dot.origin)->dc);
    reply_text(c->reply, "loser_stamp");
    reply_stamp(c, l->loser.stamp);
    reply_text(c->reply, "value");
    reply_content(c, l->loser.content);
    reply_text(c->reply, "winner");
    reply_dot(c, l->winner);
    reply_text(c->reply, "winner_stamp");
    reply_stamp(c, l->winner_stamp);
    reply_text(c->reply, "policy");
    reply_text(c->reply, policy_name(l->policy));
    reply_text(c->reply, "wall_ms");
    reply_integer(c->reply, (int64_t)l->wall_ms);
}

static bool has_prefix(struct slice s, struct slice prefix) { return !prefix.n || (s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0); }

/* Entries whose key begins with prefix, into the reply; returns how many. */
static uint32_t reply_losses(struct call *c, struct slice prefix, int64_t limit) {
    struct engine *e = c->engine;
    struct buf page = {0}, after = {0};
    uint32_t found = 0;
    for (int n = 1; n > 0 && found < limit && !e->updates.fatal;) {
        buf_clear(&page);
        n = e->store->ops->scan_losses(e->store, buf_slice_of(&after), 1000, &page);
        if (n < 0) engine_fail(e, "%s", e->store->why);
        struct reader r = reader_of(buf_slice_of(&page));
        for (int i = 0; i < n; i++) {
            struct slice name = read_slice(&r), record = read_slice(&r);
            struct loss l;
            if (!loss_decode(record, e->origins, &l)) {
                engine_fail(e, "an entry of the conflict journal in the store is damaged");
                break;
            }
            if (found < limit && has_prefix(l.key, prefix)) {
                reply_loss(c, &l);
                found++;
            }
            buf_clear(&after);
            buf_put(&after, name.p, name.n);
        }
    }
    buf_finish(&page);
    buf_finish(&after);
    return found;
}

void engine_reply_conflicts(struct call *c) {
    struct slice prefix = {NULL, 0};
    int64_t limit = 1000;
    for (uint32_t i = 1; i < c->argc; i++) {
        if (slice_is(c->argv[i], "LIMIT") && i + 1 < c->argc) {
            if (!want_integer(c, c->argv[++i], &limit)) return;
        } else if (i == 1) {
            prefix = c->argv[i];
        } else {
            reply_syntax(c);
            return;
        }
    }
    struct buf body = {0}, *out = c->reply->out;
    c->reply->out = &body;
    uint32_t found = reply_losses(c, prefix, limit);
    c->reply->out = out;
    reply_array(c->reply, found);
    buf_put(out, body.p, body.n);
    buf_finish(&body);
}

/* ---- contexts ---- */

static struct siblings *siblings_of(struct engine *e, struct slice key) {
    struct stored_row *row = engine_get_row(e, hash64(key), key);
    e->siblings.n = 0;
    if (row) {
        bool good = row_decode(stored_value(row), false, e->origins, &e->siblings);
        assert(good);
    }
    return &e->siblings;
}

void engine_reply_context(struct call *c) { reply_vv(c, &c->engine->vv); }

void engine_reply_siblings(struct call *c) {
    struct siblings *s = siblings_of(c->engine, c->argv[1]);
    reply_map(c->reply, 2);
    reply_text(c->reply, "context");
    reply_vv(c, &c->engine->vv);
    reply_text(c->reply, "siblings");
    reply_array(c->reply, s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct version *v = &s->v[i];
        reply_map(c->reply, 4);
        reply_text(c->reply, "dot");
        reply_dot(c, v->dot);
        reply_text(c->reply, "dc");
        reply_text(c->reply, origins_get(c->engine->origins, v->dot.origin)->dc);
        reply_text(c->reply, "stamp");
        reply_stamp(c, v->stamp);
        reply_text(c->reply, "value");
        reply_content(c, v->content);
    }
}

/* More siblings than the cap would be there, or more unseen ones than an event can name: the write is refused. */
static bool over_siblings_cap(struct engine *e, const struct vv *context) {
    size_t bytes = e->txn.bytes;
    for (uint32_t i = 0; i < e->txn.rows_count; i++) {
        const struct siblings *s = siblings_of(e, buf_slice_of(&e->txn.rows[i].key));
        uint32_t kept = 0;
        for (uint32_t k = 0; k < s->n; k++) kept += s->v[k].content.n && !vv_covers(context, s->v[k].dot);
        bytes += kept * DOT_BYTES_MAX;
        if (kept + 1 > e->cluster->siblings_max || bytes > txn_bytes_max(&e->txn)) return true;
    }
    return false;
}

enum context_known { CONTEXT_MALFORMED, CONTEXT_BEYOND, CONTEXT_KNOWN };

/* A context from a client, into this engine's origins; unknown ones are not entered. */
static enum context_known parse_context(struct engine *e, struct slice text, struct vv *ret) {
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

void engine_with_context(struct call *c) {
    struct engine *e = c->engine;
    struct vv *context = &e->with_context;
    if (c->session->in_exec) {
        reply_error(c->reply, "ERR TRUCE.WITH is not for use inside a transaction");
        return;
    }
    enum context_known known = parse_context(e, c->argv[1], context);
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
        if (c->reply->failed || !over_siblings_cap(e, context)) return;
        c->reply->out->n = mark;
        reply_error(c->reply, "SIBLINGS the row would hold more than %u siblings: write with a newer context", e->cluster->siblings_max);
    }
}

/* Changes whenever the row's set of versions does. */
uint64_t engine_fingerprint(struct engine *e, struct slice key) {
    const struct stored_row *row = engine_get_row(e, hash64(key), key);
    return row ? hash64(stored_value(row)) : 0;
}

void engine_get_figures(const struct engine *e, struct engine_figures *ret) {
    *ret = (struct engine_figures){.cluster = e->cluster,
                                   .node = e->self,
                                   .is_leader = e->is_leader,
                                   .leader = e->cluster->nodes[e->leader].name,
                                   .uptime_ms = (e->now.mono_us - e->started.mono_us) / 1000,
                                   .commands = e->count.commands,
                                   .connections = e->count.connections,
                                   .events_own = e->count.events_own,
                                   .events_applied = e->count.events_applied,
                                   .conflicts = e->count.conflicts,
                                   .frames_bad = e->count.frames_bad,
                                   .rows = e->live_rows,
                                   .dirty_rows = engine_dirty_rows(e),
                                   .memory_bytes = e->rows.bytes + e->tail.bytes + e->waiting_bytes,
                                   .reaped = e->count.reaped,
                                   .tombstones_collected = e->count.collected,
                                   .log_bytes_in = e->count.log_bytes,
                                   .expired_reads = e->count.expired_reads};
}
