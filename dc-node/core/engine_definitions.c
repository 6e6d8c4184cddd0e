/* TRUCE.TABLE, TRUCE.PRIORITY, TRUCE.MARK: definitions are rows of the table `truce`, and their writes events like any other (conflict/rules.h). */
#include "handling.h"
#include "inbox.h"
#include <inttypes.h>
#include <stdio.h>

/* Columns of a definition row: its text may be in `made`. */
struct columns {
    struct content_column c[8];
    size_t n;
};

static void add_column(struct columns *columns, const char *name, struct slice value) {
    columns->c[columns->n++] = (struct content_column){slice_text(name), value};
}

static bool define(struct call *c, const char *prefix, struct slice name, struct columns *columns) {
    struct buf key = {0}, content = {0};
    buf_text(&key, prefix);
    buf_put(&key, name.p, name.n);
    content_make(&content, CONTENT_HASH, 0, columns->c, columns->n);
    c->txn->may_define = true;
    bool good = txn_set_content(c->txn, buf_slice_of(&key), buf_slice_of(&content));
    c->txn->may_define = false;
    if (!good) txn_refuse(c, buf_slice_of(&key));
    buf_finish(&key);
    buf_finish(&content);
    return good;
}

/* What stands in a definition row now; n == 0: nothing. Valid until the command ends. */
static struct slice defined(struct call *c, const char *prefix, struct slice name) {
    struct buf key = {0};
    buf_text(&key, prefix);
    buf_put(&key, name.p, name.n);
    struct slice content = txn_get(c->txn, buf_slice_of(&key));
    buf_finish(&key);
    return content;
}

static bool show_why(struct call *c, const char *what, struct buf *why) {
    reply_error(c->reply, "ERR %s%.*s", what, (int)why->n, (const char *)why->p);
    buf_finish(why);
    return false;
}

/* ---- TABLE SET ---- */

struct table_plan {
    struct slice name;
    enum policy policy;
    struct handler_chain chain;
    char *settings;
    uint64_t hashes[HANDLERS_CHAIN_MAX];
    bool force;
};

static bool parse_hash(struct slice text, uint64_t *ret) { return inbox_parse_id(text, ret) && *ret; }

static bool set_hash(struct call *c, struct table_plan *p, struct slice name, struct slice hash) {
    for (uint32_t i = 0; i < p->chain.count; i++)
        if (slice_is(name, p->chain.names[i]) && parse_hash(hash, &p->hashes[i])) return true;
    reply_error(c->reply, "ERR HANDLER wants the name of one in the policy's chain, and the hash of its file: 16 hex digits");
    return false;
}

/* TABLE SET name policy [SETTINGS json] [HANDLER name hash]... [FORCE] */
static bool parse_plan(struct call *c, struct table_plan *p) {
    struct buf why = {0};
    p->name = c->argv[2];
    if (!slice_is(p->name, "*") && (!name_allowed(p->name) || slice_is(p->name, "truce"))) {
        reply_error(c->reply, "ERR a table's name is made of a-z, 0-9, _ and -, 63 at most; * is all others; truce is reserved");
        return false;
    }
    if (!policy_parse(c->argv[3], &p->policy, &p->chain, &why)) return show_why(c, "policy: ", &why);
    for (uint32_t i = 4; i < c->argc; i++) {
        if (slice_is(c->argv[i], "SETTINGS") && i + 1 < c->argc && !p->settings) {
            if (!settings_parse(c->argv[++i], &p->settings, &why)) return show_why(c, "settings: ", &why);
        } else if (slice_is(c->argv[i], "HANDLER") && i + 2 < c->argc) {
            if (!set_hash(c, p, c->argv[i + 1], c->argv[i + 2])) return false;
            i += 2;
        } else if (slice_is(c->argv[i], "FORCE")) {
            p->force = true;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    if (!p->settings || p->policy == POLICY_HANDLER) return true;
    reply_error(c->reply, "ERR settings are for handlers: the policy is %s", policy_name(p->policy));
    return false;
}

static bool forced_by_file(const struct cluster *c, const char *name) {
    for (uint32_t i = 0; i < c->handlers_forced_count; i++)
        if (strcmp(c->handlers_forced[i], name) == 0) return true;
    return false;
}

/* Every handler of the chain is here and admitted, and its file's hash becomes part of the definition. False: the error is written. */
static bool check_handlers(struct call *c, struct table_plan *p) {
    for (uint32_t i = 0; i < p->chain.count; i++) {
        const char *name = p->chain.names[i];
        if (handler_builtin(name)) continue;
        const char *why = handler_unusable(c->engine, name, p->hashes[i]);
        const struct handler_here *here = handler_here(c->engine, name);
        if (!p->hashes[i] && here) p->hashes[i] = here->known.hash;
        if (!why || (p->force && forced_by_file(c->engine->cluster, name))) continue;
        reply_error(c->reply, "HANDLER %s is not usable at %s: %s%s", name, c->engine->cluster->nodes[c->engine->self].name, why,
                    p->force ? "; FORCE counts only for those that the cluster file forces by name" : "");
        return false;
    }
    return true;
}

static void put_handlers(const struct table_plan *p, struct buf *out) {
    for (uint32_t i = 0; i < p->chain.count; i++)
        if (p->hashes[i]) buf_printf(out, "%s%s=%016" PRIx64, out->n ? " " : "", p->chain.names[i], p->hashes[i]);
}

/* A definition that comes while the barrier of the one before still stands asks for one as well. */
static bool wants_barrier(const struct engine *e, const struct table_plan *p) {
    const struct table_rule *now = rules_table(e->rules, p->name);
    return rules_needs_barrier(e->rules, p->name, p->policy) || (now && rules_barrier(now, &e->stable));
}

static void table_set(struct call *c) {
    struct table_plan p = {0};
    if (c->argc < 4) {
        reply_syntax(c);
    } else if (parse_plan(c, &p) && check_handlers(c, &p)) {
        struct buf policy = {0}, handlers = {0};
        struct columns columns = {0};
        policy_format(p.policy, &p.chain, &policy);
        put_handlers(&p, &handlers);
        add_column(&columns, "conflict", buf_slice_of(&policy));
        if (p.settings) add_column(&columns, "settings", slice_text(p.settings));
        if (handlers.n) add_column(&columns, "handlers", buf_slice_of(&handlers));
        if (wants_barrier(c->engine, &p)) add_column(&columns, "barrier", slice_text("1"));
        if (define(c, RULES_TABLE_PREFIX, p.name, &columns)) reply_ok(c->reply);
        buf_finish(&policy);
        buf_finish(&handlers);
    }
    free(p.settings);
}

/* The cluster file's definition holds again; of a table that it does not have, nothing. */
static void table_reset(struct call *c) {
    if (c->argc != 3) {
        reply_syntax(c);
        return;
    }
    struct buf key = {0};
    buf_text(&key, RULES_TABLE_PREFIX);
    buf_put(&key, c->argv[2].p, c->argv[2].n);
    bool there = txn_get(c->txn, buf_slice_of(&key)).n > 0;
    c->txn->may_define = true;
    if (there && !txn_delete(c->txn, buf_slice_of(&key)))
        txn_refuse(c, buf_slice_of(&key));
    else
        reply_integer(c->reply, there);
    c->txn->may_define = false;
    buf_finish(&key);
}

/* ---- TABLE LIST, SHOW ---- */

static void reply_handlers(struct call *c, const struct table_rule *t) {
    reply_array(c->reply, t->chain.count);
    for (uint32_t i = 0; i < t->chain.count; i++) {
        const char *name = t->chain.names[i];
        const char *why = handler_builtin(name) ? NULL : handler_unusable(c->engine, name, t->handlers_hash[i]);
        char hash[17];
        snprintf(hash, sizeof hash, "%016" PRIx64, t->handlers_hash[i]);
        reply_map(c->reply, 3);
        reply_text(c->reply, "name");
        reply_text(c->reply, name);
        reply_text(c->reply, "hash");
        if (t->handlers_hash[i])
            reply_text(c->reply, hash);
        else
            reply_null(c->reply);
        reply_text(c->reply, "here");
        reply_text(c->reply, why ? why : handler_builtin(name) ? "built in" : "usable");
    }
}

static void reply_table(struct call *c, const struct table_rule *t) {
    bool from_row = defined(c, RULES_TABLE_PREFIX, slice_text(t->name)).n > 0;
    reply_map(c->reply, 6);
    reply_text(c->reply, "table");
    reply_text(c->reply, t->name);
    reply_text(c->reply, "policy");
    inbox_reply_policy(c->reply, t);
    reply_text(c->reply, "settings");
    reply_text(c->reply, t->settings);
    reply_text(c->reply, "handlers");
    reply_handlers(c, t);
    reply_text(c->reply, "barrier");
    reply_integer(c->reply, rules_barrier(t, &c->engine->stable));
    reply_text(c->reply, "defined");
    reply_text(c->reply, from_row ? "at run time" : "in the cluster file");
}

static void table_list(struct call *c) {
    uint32_t n = rules_tables_count(c->engine->rules);
    if (c->argc != 2) {
        reply_syntax(c);
        return;
    }
    uint32_t declared = 0;
    for (uint32_t i = 0; i < n; i++) declared += !rules_table_at(c->engine->rules, i)->gone;
    reply_array(c->reply, declared);
    for (uint32_t i = 0; i < n; i++)
        if (!rules_table_at(c->engine->rules, i)->gone) reply_table(c, rules_table_at(c->engine->rules, i));
}

static void table_show(struct call *c) {
    const struct table_rule *t = c->argc == 3 ? rules_table(c->engine->rules, c->argv[2]) : NULL;
    if (c->argc != 3)
        reply_syntax(c);
    else if (!t || t->gone)
        reply_error(c->reply, "ERR no table of that name is declared: its keys belong to table *");
    else
        reply_table(c, t);
}

void engine_table(struct call *c) {
    if (slice_is(c->argv[1], "SET"))
        table_set(c);
    else if (slice_is(c->argv[1], "RESET"))
        table_reset(c);
    else if (slice_is(c->argv[1], "LIST"))
        table_list(c);
    else if (slice_is(c->argv[1], "SHOW"))
        table_show(c);
    else
        reply_error(c->reply, "ERR expected TRUCE.TABLE SET name policy [SETTINGS json] [HANDLER name hash] [FORCE], RESET name, SHOW name, or LIST");
}

/* ---- PRIORITY dc [n] ---- */

void engine_priority(struct call *c) {
    struct engine *e = c->engine;
    struct origin o = {.node = 1};
    int64_t priority;
    if (c->argc > 3 || cluster_find_dc(e->cluster, c->argv[1]) < 0) {
        reply_error(c->reply, "ERR expected a datacenter, and its new priority or nothing");
        return;
    }
    memcpy(o.dc, c->argv[1].p, c->argv[1].n);
    if (c->argc == 2) {
        reply_integer(c->reply, rules_priority(e->rules, &o));
        return;
    }
    if (!want_integer(c, c->argv[2], &priority)) return;
    if (priority < INT32_MIN || priority > INT32_MAX) {
        reply_error(c->reply, "ERR a priority is from %d to %d", INT32_MIN, INT32_MAX);
        return;
    }
    char text[24];
    struct columns columns = {0};
    snprintf(text, sizeof text, "%lld", (long long)priority);
    add_column(&columns, "priority", slice_text(text));
    if (define(c, RULES_DC_PREFIX, c->argv[1], &columns)) reply_ok(c->reply);
}

/* ---- MARK origin from to [reason] ---- */

void engine_mark(struct call *c) {
    struct origin o;
    int64_t from, to;
    if (c->argc > 5 || !origin_parse(c->argv[1], &o)) {
        reply_error(c->reply,
                    "ERR expected an origin such as us-1.00c0ffee00c0ffee, the first and the last number that its clock was off for, and a reason");
        return;
    }
    if (!want_integer(c, c->argv[2], &from) || !want_integer(c, c->argv[3], &to)) return;
    if (from < 1 || to < from) {
        reply_error(c->reply, "ERR numbers go from 1, and from the lower to the higher");
        return;
    }
    char range[64];
    snprintf(range, sizeof range, "%lld-%lld", (long long)from, (long long)to);
    struct slice reason = c->argc == 5 ? c->argv[4] : slice_text("its clock was off");
    struct buf key = {0};
    buf_text(&key, RULES_MARK_PREFIX);
    buf_put(&key, c->argv[1].p, c->argv[1].n);
    struct buf joined = {0}, marks = {0};
    c->txn->may_define = true;
    bool good = engine_read_row(c->engine, buf_slice_of(&key), NULL);
    if (good) rules_join_marks(&c->engine->row, &joined);
    content_with_column(&marks, buf_slice_of(&joined), CONTENT_HASH, slice_text(range), reason);
    good = good && txn_set_content(c->txn, buf_slice_of(&key), buf_slice_of(&marks));
    c->txn->may_define = false;
    buf_finish(&joined);
    buf_finish(&marks);
    if (good)
        reply_ok(c->reply);
    else
        txn_refuse(c, buf_slice_of(&key));
    buf_finish(&key);
}
