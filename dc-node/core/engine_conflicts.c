/* TRUCE.CONFLICTS: the inbox, read. Writing is in engine_resolve.c. */
#include "inbox.h"

#define PAGE_RECORDS  256u
#define SCAN_MAX      100000u /* records that one LIST looks at; the cursor goes on from there */
#define LIMIT_DEFAULT 1000

/* ---- parts of the journal ---- */

void scope_begin(struct scope *s, struct engine *e, struct slice text, bool tables) {
    *s = (struct scope){0};
    const struct table_rule *t = tables && text.n ? rules_table(e->rules, text) : NULL;
    if (!t) {
        journal_name_keys(text, &s->prefix);
        return;
    }
    memcpy(s->table, t->name, sizeof s->table);
    struct buf keys = {0};
    if (!slice_is(text, "*")) {
        buf_put(&keys, text.p, text.n);
        buf_text(&keys, ":");
    }
    journal_name_keys(buf_slice_of(&keys), &s->prefix);
    buf_finish(&keys);
}

void scope_finish(struct scope *s) { buf_finish(&s->prefix); }

bool scope_holds(const struct scope *s, const struct engine *e, struct slice key) {
    return !s->table[0] || strcmp(rules_of(e->rules, key)->name, s->table) == 0;
}

/* ---- the journal, loser by loser ---- */

/* One version that readers do not see, and the one that they see. */
struct loser {
    struct slice key, name, policy;
    uint8_t kind;
    struct version v;
    struct dot winner;
    stamp_t winner_stamp;
    const char *outcome;
    uint64_t wall_ms;
};

static void reply_column(struct reply *r, uint8_t kind, struct slice name) {
    if (kind == CELL_FIELD || kind == CELL_MEMBER)
        reply_bulk(r, name);
    else
        reply_null(r);
}

static void reply_loser(struct call *c, const struct loser *l) {
    struct reply *r = c->reply;
    reply_map(r, 11);
    reply_text(r, "key");
    reply_bulk(r, l->key);
    reply_text(r, "loser");
    inbox_reply_dot(r, c->engine, l->v.dot);
    reply_text(r, "loser_dc");
    inbox_reply_dc(r, c->engine, l->v.dot);
    reply_text(r, "loser_stamp");
    inbox_reply_stamp(r, l->v.stamp);
    reply_text(r, "value");
    if (l->kind == CELL_MEMBER)
        reply_bulk(r, l->name);
    else
        inbox_reply_value(r, l->kind, l->v.content);
    reply_text(r, "winner");
    inbox_reply_dot(r, c->engine, l->winner);
    reply_text(r, "winner_stamp");
    inbox_reply_stamp(r, l->winner_stamp);
    reply_text(r, "policy");
    reply_bulk(r, l->policy);
    reply_text(r, "wall_ms");
    reply_integer(r, (int64_t)l->wall_ms);
    reply_text(r, "column");
    reply_column(r, l->kind, l->name);
    reply_text(r, "outcome");
    reply_text(r, l->outcome);
}

/* The live versions of an episode that are not read, those of equal content apart. */
static uint32_t reply_hidden(struct call *c, struct episode *ep, int64_t left) {
    struct engine *e = c->engine;
    struct inbox_case k;
    struct buf policy = {0};
    uint32_t found = 0;
    uint64_t changed_ms = ep->changed_ms;
    if (!case_of_episode(&k, e, ep)) return 0;
    const struct entry *read = NULL;
    for (uint32_t i = 0; i < k.entries_count; i++)
        if (k.entries[i].read) read = &k.entries[i];
    policy_format(k.table->policy, &k.table->chain, &policy);
    for (uint32_t i = 0; i < k.entries_count && found < left; i++) {
        const struct entry *n = &k.entries[i];
        bool same = read && read->kind == n->kind && slice_equal(read->name, n->name) && slice_equal(read->v.content, n->v.content);
        if (!n->live || n->read || same) continue;
        found++;
        reply_loser(c, &(struct loser){.key = k.episode.key,
                                       .name = n->name,
                                       .policy = buf_slice_of(&policy),
                                       .kind = n->kind,
                                       .v = n->v,
                                       .winner = read ? read->v.dot : (struct dot){0},
                                       .winner_stamp = read ? read->v.stamp : 0,
                                       .outcome = "hidden",
                                       .wall_ms = changed_ms});
    }
    buf_finish(&policy);
    case_finish(&k);
    return found;
}

static uint32_t reply_record(struct call *c, char kind, struct slice record, int64_t left) {
    struct loss l;
    struct episode ep;
    if (kind == JOURNAL_EPISODE) {
        if (!episode_decode(record, c->engine->origins, &ep)) return journal_damaged(c->engine);
        uint32_t found = reply_hidden(c, &ep, left);
        episode_finish(&ep);
        return found;
    }
    if (kind != JOURNAL_LOSS) return 0;
    if (!loss_decode(record, c->engine->origins, &l)) return journal_damaged(c->engine);
    if (l.outcome == LOSS_REPLACED) return 0;
    reply_loser(c, &(struct loser){l.key, l.name, l.policy, l.kind, l.loser, l.winner_dot, l.winner_stamp, loss_outcome_name(l.outcome), l.wall_ms});
    return 1;
}

/* Writes go to a body of their own until it is known how many there are. */
static struct buf *begin_body(struct call *c, struct buf *body) {
    struct buf *out = c->reply->out;
    c->reply->out = body;
    return out;
}

static void end_body(struct call *c, struct buf *body, struct buf *out, size_t count) {
    c->reply->out = out;
    reply_array(c->reply, count);
    buf_put(out, body->p, body->n);
    buf_finish(body);
}

static void list_losers(struct call *c) {
    struct slice prefix = {NULL, 0};
    int64_t limit = LIMIT_DEFAULT;
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
    struct scope scope;
    struct journal_walk w;
    struct slice name, record;
    struct buf body = {0}, *out = begin_body(c, &body);
    int64_t found = 0;
    scope_begin(&scope, c->engine, prefix, false);
    walk_begin(&w, c->engine, buf_slice_of(&scope.prefix), SLICE(NULL, 0), PAGE_RECORDS);
    while (found < limit && walk_next(&w, &name, &record)) found += reply_record(c, journal_record_kind(name), record, limit - found);
    walk_finish(&w);
    scope_finish(&scope);
    end_body(c, &body, out, (size_t)found);
}

/* ---- the inbox, episode by episode ---- */

static uint32_t dcs_of(const struct engine *e, const struct episode *ep, const char *ret[DCS_MAX]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < ep->members.ranges_count && n < DCS_MAX; i++) {
        const char *dc = origins_get(e->origins, ep->members.ranges[i].origin)->dc;
        bool known = false;
        for (uint32_t k = 0; k < n; k++) known |= strcmp(ret[k], dc) == 0;
        if (!known) ret[n++] = dc;
    }
    return n;
}

static void reply_head(struct call *c, const struct episode *ep) {
    struct reply *r = c->reply;
    const struct table_rule *table = rules_of(c->engine->rules, ep->key);
    const char *dcs[DCS_MAX];
    uint32_t n = dcs_of(c->engine, ep, dcs);
    reply_text(r, "id");
    inbox_reply_id(r, c->engine, ep);
    reply_text(r, "key");
    reply_bulk(r, ep->key);
    reply_text(r, "table");
    reply_text(r, table->name);
    reply_text(r, "kind");
    reply_text(r, inbox_kind_name(ep->kind));
    reply_text(r, "column");
    reply_column(r, ep->kind, ep->name);
    reply_text(r, "state");
    reply_text(r, ep->open ? "open" : "closed");
    reply_text(r, "policy");
    inbox_reply_policy(r, table);
    reply_text(r, "dcs");
    reply_array(r, n);
    for (uint32_t i = 0; i < n; i++) reply_text(r, dcs[i]);
    reply_text(r, "began");
    inbox_reply_time(r, ep->began_ms);
    reply_text(r, "changed");
    inbox_reply_time(r, ep->changed_ms);
    reply_text(r, "closed_by");
    inbox_reply_dot(r, c->engine, ep->closed_by);
}
#define HEAD_FIELDS 11

/* What readers see of the row, or of the column that the episode is about. */
static void reply_reads(struct call *c, struct inbox_case *k) {
    struct buf made = {0};
    struct slice content = case_view(k, &made).content, value;
    if (k->episode.kind == CELL_FIELD && content.n && content_type(content) == CONTENT_HASH && content_find(content, k->episode.name, &value))
        reply_bulk(c->reply, value);
    else if (k->episode.kind == CELL_FIELD || !content.n)
        reply_null(c->reply);
    else
        inbox_reply_value(c->reply, CELL_ROW, content);
    buf_finish(&made);
}

static bool reply_episode(struct call *c, struct episode *ep) {
    struct inbox_case k;
    if (!case_of_episode(&k, c->engine, ep)) return false;
    uint32_t live = 0;
    for (uint32_t i = 0; i < k.entries_count; i++) live += k.entries[i].live;
    reply_map(c->reply, HEAD_FIELDS + 3);
    reply_head(c, &k.episode);
    reply_text(c->reply, "live");
    reply_integer(c->reply, live);
    reply_text(c->reply, "left");
    reply_integer(c->reply, k.entries_count - live);
    reply_text(c->reply, "reads");
    reply_reads(c, &k);
    case_finish(&k);
    return true;
}

enum state_wanted { WANT_OPEN, WANT_CLOSED, WANT_ALL };

struct listing {
    struct slice what;
    enum state_wanted state;
    int64_t limit;
    struct buf after;
};

static bool parse_hex(struct slice text, struct buf *out) {
    if (text.n % 2) return false;
    for (size_t i = 0; i < text.n; i += 2) {
        uint8_t byte = 0;
        for (size_t k = i; k < i + 2; k++) {
            uint8_t ch = text.p[k];
            if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f'))) return false;
            byte = (uint8_t)(byte << 4 | (ch <= '9' ? ch - '0' : ch - 'a' + 10));
        }
        buf_u8(out, byte);
    }
    return true;
}

/* LIST [table|key-prefix] [OPEN|CLOSED|ALL] [LIMIT n] [AFTER cursor]. False: the error is written. */
static bool parse_listing(struct call *c, struct listing *l) {
    for (uint32_t i = 2; i < c->argc; i++) {
        struct slice s = c->argv[i];
        bool more = i + 1 < c->argc;
        if (slice_is(s, "OPEN")) {
            l->state = WANT_OPEN;
        } else if (slice_is(s, "CLOSED")) {
            l->state = WANT_CLOSED;
        } else if (slice_is(s, "ALL")) {
            l->state = WANT_ALL;
        } else if (slice_is(s, "LIMIT") && more) {
            if (!want_integer(c, c->argv[++i], &l->limit)) return false;
        } else if (slice_is(s, "AFTER") && more) {
            buf_clear(&l->after);
            if (parse_hex(c->argv[++i], &l->after)) continue;
            reply_error(c->reply, "ERR AFTER wants the cursor that the list before gave");
            return false;
        } else if (i == 2) {
            l->what = s;
        } else {
            reply_syntax(c);
            return false;
        }
    }
    return true;
}

static bool state_fits(const struct episode *ep, enum state_wanted want) { return want == WANT_ALL || ep->open == (want == WANT_OPEN); }

/* The entries into the body; the cursor is left in l->after, empty at the end. Returns how many. */
static uint64_t list_scope(struct call *c, struct listing *l, const struct scope *scope) {
    struct engine *e = c->engine;
    struct journal_walk w;
    struct slice name, record;
    struct buf last = {0};
    uint64_t found = 0;
    bool more = false;
    walk_begin(&w, e, buf_slice_of(&scope->prefix), buf_slice_of(&l->after), PAGE_RECORDS);
    for (uint32_t looked = 0; walk_next(&w, &name, &record); looked++) {
        struct episode ep;
        if (found == (uint64_t)l->limit || looked == SCAN_MAX) {
            more = true;
            break;
        }
        buf_clear(&last);
        buf_put(&last, name.p, name.n);
        if (journal_record_kind(name) != JOURNAL_EPISODE) continue;
        if (!episode_decode(record, e->origins, &ep)) {
            journal_damaged(e);
            break;
        }
        if (scope_holds(scope, e, ep.key) && state_fits(&ep, l->state)) found += reply_episode(c, &ep);
        episode_finish(&ep);
    }
    walk_finish(&w);
    buf_finish(&l->after);
    if (more)
        l->after = last;
    else
        buf_finish(&last);
    return found;
}

static void list_episodes(struct call *c) {
    struct listing l = {.limit = LIMIT_DEFAULT};
    if (!parse_listing(c, &l)) {
        buf_finish(&l.after);
        return;
    }
    if (l.limit < 1) l.limit = 1;
    struct scope scope;
    struct buf body = {0}, *out = begin_body(c, &body), cursor = {0};
    scope_begin(&scope, c->engine, l.what, true);
    uint64_t found = list_scope(c, &l, &scope);
    scope_finish(&scope);
    c->reply->out = out;
    for (size_t i = 0; i < l.after.n; i++) buf_printf(&cursor, "%02x", l.after.p[i]);
    reply_array(c->reply, 2);
    reply_bulk(c->reply, buf_slice_of(&cursor));
    end_body(c, &body, out, found);
    buf_finish(&cursor);
    buf_finish(&l.after);
}

/* ---- one episode ---- */

void inbox_reply_version(struct reply *r, const struct inbox_case *k, uint32_t i) {
    const struct engine *e = k->e;
    const struct entry *n = &k->entries[i];
    reply_map(r, 14);
    reply_text(r, "dot");
    inbox_reply_dot(r, e, n->v.dot);
    reply_text(r, "dc");
    inbox_reply_dc(r, e, n->v.dot);
    reply_text(r, "priority");
    reply_integer(r, rules_priority(e->rules, origins_get(e->origins, n->v.dot.origin)));
    reply_text(r, "stamp");
    inbox_reply_stamp(r, n->v.stamp);
    reply_text(r, "time");
    inbox_reply_time(r, stamp_ms(n->v.stamp));
    reply_text(r, "marked");
    reply_integer(r, rules_marked(e->rules, n->v.dot));
    reply_text(r, "kind");
    reply_text(r, inbox_kind_name(n->kind));
    reply_text(r, "column");
    reply_column(r, n->kind, n->name);
    reply_text(r, "state");
    reply_text(r, n->read ? "read" : n->live ? "hidden" : loss_outcome_name(n->loss.outcome));
    reply_text(r, "left_by");
    inbox_reply_dot(r, e, n->live ? (struct dot){0} : n->loss.by);
    reply_text(r, "generation");
    reply_integer(r, n->v.generation);
    reply_text(r, "saw");
    uint32_t saw = 0;
    for (uint32_t b = 0; b < k->entries_count; b++) saw += b != i && case_saw(k, i, b);
    reply_array(r, saw);
    for (uint32_t b = 0; b < k->entries_count; b++)
        if (b != i && case_saw(k, i, b)) inbox_reply_dot(r, e, k->entries[b].v.dot);
    reply_text(r, "value");
    inbox_reply_value(r, n->kind, n->v.content);
    reply_text(r, "content");
    inbox_reply_content(r, n->kind, n->v.content);
}

/* ---- the difference, column by column ---- */

struct side {
    struct slice content;
    bool known; /* false: nothing is known of it; it differs from nothing */
};

/* The value of a column there; of a string the column without a name. False: it has none. */
static bool value_at(const struct side *s, struct slice column, struct slice *ret) {
    if (!s->known || !s->content.n) return false;
    if (content_type(s->content) == CONTENT_STRING) {
        *ret = content_string(s->content);
        return column.n == 0;
    }
    *ret = slice_text("yes"); /* of a set: it is a member */
    return content_find(s->content, column, content_type(s->content) == CONTENT_HASH ? ret : NULL);
}

static int by_name(const void *a, const void *b) { return slice_compare(*(const struct slice *)a, *(const struct slice *)b); }

struct names {
    struct slice *p;
    size_t n, cap;
};

static void add_names(struct names *l, const struct side *s) {
    struct slice name;
    if (!s->known || !s->content.n) return;
    if (content_type(s->content) == CONTENT_STRING) {
        GROW(l->p, l->n, l->cap);
        l->p[l->n++] = SLICE(NULL, 0);
        return;
    }
    struct content_columns each = content_columns(s->content);
    while (content_next(&each, &name, NULL)) {
        GROW(l->p, l->n, l->cap);
        l->p[l->n++] = name;
    }
}

static bool differs(const struct side *sides, uint32_t count, struct slice column) {
    struct slice first = {0}, other = {0};
    bool has = false;
    for (uint32_t i = 0, seen = 0; i < count; i++) {
        if (!sides[i].known) continue;
        bool there = value_at(&sides[i], column, &other);
        if (seen++ && (there != has || (there && !slice_equal(first, other)))) return true;
        has = there;
        first = other;
    }
    return false;
}

static void reply_side(struct call *c, const struct side *s, struct slice column) {
    struct slice value;
    if (value_at(s, column, &value))
        reply_bulk(c->reply, value);
    else
        reply_null(c->reply);
}

/* sides[0] is the base. */
static void reply_diff(struct call *c, const struct side *sides, uint32_t count) {
    struct names names = {0};
    struct buf body = {0}, *out = begin_body(c, &body);
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) add_names(&names, &sides[i]);
    if (names.n > 1) qsort(names.p, names.n, sizeof *names.p, by_name);
    for (size_t i = 0; i < names.n; i++) {
        if ((i && slice_equal(names.p[i], names.p[i - 1])) || !differs(sides, count, names.p[i])) continue;
        found++;
        reply_map(c->reply, 3);
        reply_text(c->reply, "column");
        reply_bulk(c->reply, names.p[i]);
        reply_text(c->reply, "base");
        reply_side(c, &sides[0], names.p[i]);
        reply_text(c->reply, "values");
        reply_array(c->reply, count - 1);
        for (uint32_t k = 1; k < count; k++) reply_side(c, &sides[k], names.p[i]);
    }
    end_body(c, &body, out, found);
    free(names.p);
}

/* Only contents of whole rows have columns; registers of one column are its values. */
static void reply_case_diff(struct call *c, const struct inbox_case *k, const struct version *base) {
    struct side *sides = xcalloc(k->entries_count + 1, sizeof *sides);
    struct buf *made = xcalloc(k->entries_count + 1, sizeof *made);
    if (base) sides[0] = (struct side){base->content, true};
    for (uint32_t i = 0; i < k->entries_count; i++) {
        const struct entry *n = &k->entries[i];
        struct slice content = n->v.content;
        if (n->kind == CELL_STRING) {
            content_make_string(&made[i], 0, content);
        } else if (n->kind != CELL_ROW) {
            struct content_column column = {n->name, content};
            content_make(&made[i], n->kind == CELL_FIELD ? CONTENT_HASH : CONTENT_SET, 0, &column, 1);
        }
        sides[i + 1] = (struct side){n->kind == CELL_ROW ? content : buf_slice_of(&made[i]), true};
    }
    reply_diff(c, sides, k->entries_count + 1);
    for (uint32_t i = 0; i < k->entries_count; i++) buf_finish(&made[i]);
    free(made);
    free(sides);
}

bool inbox_want_case(struct call *c, struct slice text, struct inbox_case *k) {
    uint64_t id;
    if (!inbox_parse_id(text, &id))
        reply_error(c->reply, "ERR an id has 16 hex digits: TRUCE.CONFLICTS LIST shows them");
    else if (!case_open(k, c->engine, id))
        reply_error(c->reply, "ERR there is no conflict %.16s in the journal", (const char *)text.p);
    else
        return true;
    return false;
}

static void show(struct call *c) {
    struct inbox_case k;
    if (c->argc != 3) {
        reply_syntax(c);
        return;
    }
    if (!inbox_want_case(c, c->argv[2], &k)) return;
    const struct version *base = k.episode.kind == CELL_ROW && k.episode.open ? row_base(&k.row) : NULL;
    reply_map(c->reply, HEAD_FIELDS + 6);
    reply_head(c, &k.episode);
    reply_text(c->reply, "context");
    inbox_reply_vv(c->reply, c->engine, &c->engine->vv);
    reply_text(c->reply, "reads");
    reply_reads(c, &k);
    reply_text(c->reply, "recorded");
    if (k.row.recorded && k.episode.open)
        inbox_reply_value(c->reply, CELL_ROW, k.row.recorded_why);
    else
        reply_null(c->reply);
    reply_text(c->reply, "base");
    if (base) {
        reply_map(c->reply, 3);
        reply_text(c->reply, "dot");
        inbox_reply_dot(c->reply, c->engine, base->dot);
        reply_text(c->reply, "value");
        inbox_reply_value(c->reply, CELL_ROW, base->content);
        reply_text(c->reply, "content");
        inbox_reply_content(c->reply, CELL_ROW, base->content);
    } else {
        reply_null(c->reply);
    }
    reply_text(c->reply, "versions");
    reply_array(c->reply, k.entries_count);
    for (uint32_t i = 0; i < k.entries_count; i++) inbox_reply_version(c->reply, &k, i);
    reply_text(c->reply, "diff");
    reply_case_diff(c, &k, base);
    case_finish(&k);
}

/* ---- the command ---- */

void engine_conflicts(struct call *c) {
    if (c->argc >= 2 && slice_is(c->argv[1], "LIST"))
        list_episodes(c);
    else if (c->argc >= 2 && slice_is(c->argv[1], "SHOW"))
        show(c);
    else if (c->argc >= 2 && slice_is(c->argv[1], "COUNT"))
        inbox_count(c);
    else if (c->argc >= 2 && slice_is(c->argv[1], "RESOLVE"))
        inbox_resolve_all(c);
    else if (c->argc >= 2 && slice_is(c->argv[1], "RESTORE"))
        inbox_restore(c);
    else
        list_losers(c);
}
