/* What people are told of handlers: failures that name handler, table and row, alarms of the status, and TRUCE.HANDLERS. */
#include "handling.h"
#include <inttypes.h>
#include <stdio.h>

#define KEY_SHOWN 80

static void copy_column(struct slice content, const char *name, char *out, size_t n) {
    struct slice value;
    if (!content_find(content, slice_text(name), &value)) value.n = 0;
    if (value.n >= n) value.n = n - 1;
    memcpy(out, value.p, value.n);
    out[value.n] = 0;
}

/* A person's turn was chosen by the handler: that is none of its failures. */
static bool is_failure(struct slice content) {
    struct slice outcome;
    if (!content.n || content_type(content) != CONTENT_HASH || !content_find(content, slice_text("outcome"), &outcome)) return false;
    return !slice_is(outcome, "recorded");
}

static bool same_failure(const struct handler_failure *a, const struct handler_failure *b) {
    return strcmp(a->handler, b->handler) == 0 && strcmp(a->reason, b->reason) == 0 && slice_equal(buf_slice_of(&a->key), buf_slice_of(&b->key));
}

static uint32_t kept(const struct handling *h) { return h->failures_kept < FAILURES_KEPT ? (uint32_t)h->failures_kept : FAILURES_KEPT; }

static void keep(struct handling *h, struct slice key, struct slice content) {
    struct handler_failure f = {0};
    copy_column(content, "handler", f.handler, sizeof f.handler);
    copy_column(content, "reason", f.reason, sizeof f.reason);
    buf_put(&f.key, key.p, key.n);
    for (uint32_t i = 0; i < kept(h); i++) {
        if (!same_failure(&f, &h->failures[i])) continue;
        buf_finish(&f.key); /* two datacenters have said so */
        return;
    }
    struct handler_failure *at = &h->failures[h->failures_kept++ % FAILURES_KEPT];
    buf_finish(&at->key);
    *at = f;
}

void handlers_recorded(struct engine *e, struct slice key, struct slice content) {
    struct handling *h = e->handling;
    if (!h || !is_failure(content)) return;
    h->failures_count++;
    keep(h, key, content);
}

void handlers_remember(struct engine *e, struct slice key, struct slice why) {
    if (is_failure(why) && kept(e->handling) < FAILURES_KEPT) keep(e->handling, key, why);
}

uint64_t handlers_failures(const struct engine *e) { return e->handling->failures_count; }

/* ---- alarms ---- */

/* Bytes for people, in text that is JSON too. */
static void show_bytes(struct slice s, struct buf *out) {
    for (size_t i = 0; i < s.n && i < KEY_SHOWN; i++) buf_u8(out, s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?');
    if (s.n > KEY_SHOWN) buf_text(out, "...");
}

/* Nobody has settled the row since. */
static bool stands(struct engine *e, const struct handler_failure *f) {
    if (!engine_read_row(e, buf_slice_of(&f->key), NULL)) return false;
    return e->row.recorded && e->row.recorded == row_siblings_hash(&e->row, e->origins);
}

static void failure_alarm(struct engine *e, const struct handler_failure *f, struct buf *out) {
    struct slice key = buf_slice_of(&f->key);
    buf_clear(out);
    buf_printf(out, "handler %s, table %s, row ", f->handler, rules_of(e->rules, key)->name);
    show_bytes(key, out);
    buf_text(out, ": ");
    show_bytes(slice_text(f->reason), out);
    buf_text(out, "; the row is recorded for later");
    buf_u8(out, 0);
}

/* What tables want and this node lacks. */
static void unusable_alarms(struct engine *e, struct buf *out, void (*each)(void *arg, const char *text), void *arg) {
    for (uint32_t i = 0; i < rules_tables_count(e->rules); i++) {
        const struct table_rule *t = rules_table_at(e->rules, i);
        for (uint32_t k = 0; t->policy == POLICY_HANDLER && k < t->chain.count; k++) {
            const char *name = t->chain.names[k], *why = handler_builtin(name) ? NULL : handler_unusable(e, name, t->handlers_hash[k]);
            if (!why) continue;
            buf_clear(out);
            buf_printf(out, "handler %s of table %s cannot run here: ", name, t->name);
            show_bytes(slice_text(why), out);
            buf_u8(out, 0);
            each(arg, (const char *)out->p);
        }
    }
}

void handlers_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg) {
    struct handling *h = e->handling;
    struct buf text = {0};
    for (uint32_t i = 0; i < kept(h) && !e->updates.fatal; i++) {
        const struct handler_failure *f = &h->failures[(h->failures_kept - 1 - i) % FAILURES_KEPT]; /* the latest first */
        if (!stands(e, f)) continue;
        failure_alarm(e, f, &text);
        each(arg, (const char *)text.p);
    }
    unusable_alarms(e, &text, each, arg);
    buf_finish(&text);
}

/* ---- TRUCE.HANDLERS ---- */

static void reply_handler(struct call *c, const struct handler_here *h) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, h->known.hash);
    reply_map(c->reply, 7);
    reply_text(c->reply, "name");
    reply_text(c->reply, h->known.name);
    reply_text(c->reply, "hash");
    reply_text(c->reply, hash);
    reply_text(c->reply, "usable");
    reply_bool(c->reply, h->known.usable);
    reply_text(c->reply, "wants_base");
    reply_bool(c->reply, h->known.wants_base);
    reply_text(c->reply, "why");
    reply_text(c->reply, h->known.why);
    reply_text(c->reply, "runs");
    reply_integer(c->reply, (int64_t)h->runs);
    reply_text(c->reply, "failures");
    reply_integer(c->reply, (int64_t)h->failures);
}

void engine_reply_handlers(struct call *c) {
    const struct handling *h = c->engine->handling;
    if (c->argc == 2 && slice_is(c->argv[1], "RELOAD")) {
        c->engine->updates.reload_handlers = true;
        reply_ok(c->reply);
        return;
    }
    if (c->argc > 1) {
        reply_syntax(c);
        return;
    }
    uint32_t listed = 0;
    for (uint32_t i = 0; i < h->handlers_count; i++) listed += h->handlers[i].listed;
    reply_array(c->reply, listed);
    for (uint32_t i = 0; i < h->handlers_count; i++)
        if (h->handlers[i].listed) reply_handler(c, &h->handlers[i]);
}
