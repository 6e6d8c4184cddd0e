/* The inbox, written: conflicts are resolved one by one and in bulk, losers come back, open conflicts are counted. Every resolution is an ordinary
 * write whose context covers just what was seen: a newer concurrent write stays beside it. */
#include "inbox.h"
#include <stdio.h>

#define STEP_RECORDS 2000u /* of the journal, that a job looks at in a step */
#define STEP_WRITES  500u

/* ---- writing a version back ---- */

static bool refuse_type(struct txn *t, const char *what) {
    snprintf(t->refusal, sizeof t->refusal, "%s", what);
    return false;
}

bool inbox_write(struct engine *e, struct slice key, uint8_t kind, struct slice name, struct slice content) {
    struct txn *t = &e->txn;
    struct slice now = txn_get(t, key);
    enum content_type type = now.n ? content_type(now) : CONTENT_NONE;
    if (kind == CELL_ROW) {
        uint64_t ends = content.n ? content_expires_ms(content) : 0;
        if (!ends || ends > t->now_ms) return content.n ? txn_set_content(t, key, content) : txn_delete(t, key);
        struct buf lasting = {0}; /* its time was up: who brings it back wants it to stay */
        content_with_expiry(&lasting, content, 0);
        bool good = txn_set_content(t, key, buf_slice_of(&lasting));
        buf_finish(&lasting);
        return good;
    }
    if (kind == CELL_STRING) return txn_set_string(t, key, content, type == CONTENT_STRING ? content_expires_ms(now) : 0);
    if (kind == CELL_FIELD)
        return type == CONTENT_NONE || type == CONTENT_HASH ? txn_set_column(t, key, CONTENT_HASH, name, content)
                                                            : refuse_type(t, "the row is no hash any more");
    if (kind == CELL_MEMBER)
        return type == CONTENT_NONE || type == CONTENT_SET ? txn_set_column(t, key, CONTENT_SET, name, SLICE(NULL, 0))
                                                           : refuse_type(t, "the row is no set any more");
    return refuse_type(t, "that is no value");
}

/* ---- choosing ---- */

#define RULES_OF_CHOICE(X)                                                                                                                           \
    X(TAKE, "TAKE", "the version of a datacenter, or of a dot")                                                                                      \
    X(LATEST, "LATEST", "the greatest (stamp, origin)")                                                                                              \
    X(EARLIEST, "EARLIEST", "the least")                                                                                                             \
    X(PRIORITY, "PRIORITY", "the datacenter of highest priority")                                                                                    \
    X(LONGEST, "LONGEST", "the longest content")
enum choice {
#define X(name, text, doc) CHOICE_##name,
    RULES_OF_CHOICE(X)
#undef X
};

struct chooser {
    enum choice rule;
    char take[NAME_LEN_MAX + 64]; /* a datacenter or a dot */
};

/* From argument *i on, which is left behind it. False: the error is written. */
static bool parse_choice(struct call *c, uint32_t *i, struct chooser *ret) {
    static const char *const words[] = {
#define X(name, text, doc) text,
        RULES_OF_CHOICE(X)
#undef X
    };
    for (uint32_t k = 0; *i < c->argc && k < sizeof words / sizeof *words; k++) {
        if (!slice_is(c->argv[*i], words[k])) continue;
        ret->rule = (enum choice)k;
        (*i)++;
        if (ret->rule != CHOICE_TAKE) return true;
        if (*i == c->argc || c->argv[*i].n >= sizeof ret->take) break;
        memcpy(ret->take, c->argv[*i].p, c->argv[*i].n);
        (*i)++;
        return true;
    }
    reply_error(c->reply, "ERR expected TAKE dc, TAKE dot, LATEST, EARLIEST, PRIORITY or LONGEST");
    return false;
}

static bool is_taken_by(const struct engine *e, const struct chooser *how, struct dot d) {
    struct buf text = {0};
    dot_format(e->origins, d, &text);
    bool same = strcmp(how->take, origins_get(e->origins, d.origin)->dc) == 0 || slice_equal(buf_slice_of(&text), slice_text(how->take));
    buf_finish(&text);
    return same;
}

static bool better(const struct engine *e, const struct chooser *how, const struct version *a, const struct version *b) {
    switch (how->rule) {
    case CHOICE_PRIORITY: return version_outranks(a, b, e->rules, e->origins);
    case CHOICE_EARLIEST: return version_beats(b, a, e->rules, e->origins);
    case CHOICE_LONGEST:
        if (a->content.n != b->content.n) return a->content.n > b->content.n;
        return version_beats(a, b, e->rules, e->origins);
    case CHOICE_TAKE:
    case CHOICE_LATEST: break;
    }
    return version_beats(a, b, e->rules, e->origins);
}

/* NULL: nothing fits. */
static const struct entry *choose(const struct inbox_case *k, const struct chooser *how) {
    const struct entry *best = NULL;
    for (uint32_t i = 0; i < k->entries_count; i++) {
        const struct entry *n = &k->entries[i];
        if (!n->live || (how->rule == CHOICE_TAKE && !is_taken_by(k->e, how, n->v.dot))) continue;
        if (!best || better(k->e, how, &n->v, &best->v)) best = n;
    }
    return best;
}

/* ---- one conflict ---- */

/* A register beside counters: what counts goes on counting from there. */
static struct slice with_counters(const struct inbox_case *k, const struct entry *n, char text[static AMOUNT_TEXT_MAX]) {
    const struct cell *c = row_cell(&k->row, (enum cell_kind)n->kind, n->name);
    amount_t amount;
    if (!c || !c->counters_count || !amount_parse(n->v.content, &amount)) return n->v.content;
    amount = amount_add(amount, counters_sum(cell_counters(&k->row, c), c->counters_count));
    return SLICE(text, amount_format(amount, text));
}

static bool is_of_type(const struct cell *c, uint8_t kind) { return c->kind == kind && (c->count || c->counters_count); }

/* All elements of the kind of the chosen one, as the row's content. */
static bool write_type(struct inbox_case *k, const struct entry *chosen) {
    struct content_column *columns = xcalloc(k->row.cells_count + 1, sizeof *columns);
    char(*texts)[AMOUNT_TEXT_MAX] = xcalloc(k->row.cells_count + 1, sizeof *texts);
    size_t count = 0;
    for (uint32_t i = 0; i < k->row.cells_count; i++) {
        const struct cell *c = &k->row.cells[i];
        if (!is_of_type(c, chosen->kind)) continue;
        const struct version *read = cell_read(k->e, k->table, &k->row, c);
        struct entry n = {.kind = (uint8_t)c->kind, .name = c->name, .v = {.content = read ? read->content : slice_text("0")}};
        columns[count] = (struct content_column){c->name, c->kind == CELL_MEMBER ? SLICE(NULL, 0) : with_counters(k, &n, texts[count])};
        count++;
    }
    struct buf content = {0};
    uint64_t ends = row_expires_ms(&k->row);
    if (chosen->kind == CELL_STRING)
        content_make_string(&content, ends, columns[0].value);
    else
        content_make(&content, chosen->kind == CELL_FIELD ? CONTENT_HASH : CONTENT_SET, ends, columns, count);
    bool good = inbox_write(k->e, k->episode.key, CELL_ROW, SLICE(NULL, 0), buf_slice_of(&content));
    buf_finish(&content);
    free(columns);
    free(texts);
    return good;
}

static bool write_chosen(struct inbox_case *k, const struct entry *chosen) {
    char text[AMOUNT_TEXT_MAX];
    if (k->episode.kind == CELL_TYPES) return write_type(k, chosen);
    struct slice value = chosen->kind == CELL_ROW ? chosen->v.content : with_counters(k, chosen, text);
    return inbox_write(k->e, k->episode.key, chosen->kind, chosen->name, value);
}

/* ---- jobs ---- */

struct inbox_job {
    enum { JOB_COUNT, JOB_RESOLVE } kind;
    struct scope scope;
    struct buf after;
    struct chooser how;
    uint64_t limit;
    uint64_t open, entries;     /* COUNT */
    uint64_t resolved, skipped; /* RESOLVE */
    char why[256];              /* of the latest that was skipped */
};

bool inbox_writes(const struct session_entry *se) { return !se->inbox_job || se->inbox_job->kind == JOB_RESOLVE; }

void inbox_job_finish(struct session_entry *se) {
    if (!se->inbox_job) return;
    scope_finish(&se->inbox_job->scope);
    buf_finish(&se->inbox_job->after);
    free(se->inbox_job);
    se->inbox_job = NULL;
}

static struct inbox_job *begin_job(struct call *c, struct slice what) {
    struct session_entry *se = (struct session_entry *)c->session;
    inbox_job_finish(se);
    se->inbox_job = xcalloc(1, sizeof *se->inbox_job);
    scope_begin(&se->inbox_job->scope, c->engine, what, true);
    se->s.wait = WAIT_JOB;
    c->engine->waits++;
    return se->inbox_job;
}

void inbox_count(struct call *c) {
    if (c->argc == 2) {
        reply_map(c->reply, 3);
        reply_text(c->reply, "open");
        reply_integer(c->reply, (int64_t)c->engine->count.open_conflicts);
        reply_text(c->reply, "entries");
        reply_integer(c->reply, (int64_t)c->engine->journal.entries);
        reply_text(c->reply, "ever");
        reply_integer(c->reply, (int64_t)c->engine->count.conflicts);
    } else if (c->argc == 3) {
        begin_job(c, c->argv[2])->kind = JOB_COUNT;
    } else {
        reply_syntax(c);
    }
}

/* What was seen and chosen becomes an event; false: nothing was written, and job->why says why where there is a reason. */
static bool resolve_one(struct engine *e, struct session_entry *se, struct inbox_job *job, struct episode *ep) {
    struct inbox_case k;
    struct dot dot = {ORIGIN_NONE, 0};
    if (e->room != ROOM_ENOUGH) {
        disk_words(e, job->why, sizeof job->why);
        return false;
    }
    if (!case_live(&k, e, ep)) return false;
    const struct entry *chosen = choose(&k, &job->how);
    txn_begin(&e->txn, e, engine_middle_ms(e), NULL);
    if (!chosen)
        snprintf(job->why, sizeof job->why, "no version is from %s", job->how.take);
    else if (write_chosen(&k, chosen))
        dot = txn_commit(&e->txn);
    else
        snprintf(job->why, sizeof job->why, "%s", txn_refusal(&e->txn));
    txn_end_command(&e->txn);
    case_finish(&k);
    if (dot.n) se->s.last_write = dot;
    return dot.n > 0;
}

/* One record; returns whether something was written. */
static bool job_record(struct engine *e, struct session_entry *se, struct slice name, struct slice record) {
    struct inbox_job *job = se->inbox_job;
    struct episode ep;
    struct loss l;
    char kind = journal_record_kind(name);
    if (kind == JOURNAL_LOSS && job->kind == JOB_COUNT && loss_decode(record, e->origins, &l)) job->entries += scope_holds(&job->scope, e, l.key);
    if (kind != JOURNAL_EPISODE) return false;
    struct buf copy = {0}; /* what is written moves the journal's memory */
    buf_put(&copy, record.p, record.n);
    bool written = false;
    if (!episode_decode(buf_slice_of(&copy), e->origins, &ep)) {
        journal_damaged(e);
    } else {
        bool holds = scope_holds(&job->scope, e, ep.key);
        job->entries += holds;
        job->open += holds && ep.open;
        if (job->kind == JOB_RESOLVE && holds && ep.open) {
            written = resolve_one(e, se, job, &ep);
            job->resolved += written;
            job->skipped += !written;
        }
        episode_finish(&ep);
    }
    buf_finish(&copy);
    return written;
}

static void reply_job(struct reply *r, const struct inbox_job *job) {
    bool count = job->kind == JOB_COUNT;
    reply_map(r, count ? 2 : 3);
    reply_text(r, count ? "open" : "resolved");
    reply_integer(r, (int64_t)(count ? job->open : job->resolved));
    reply_text(r, count ? "entries" : "skipped");
    reply_integer(r, (int64_t)(count ? job->entries : job->skipped));
    if (count) return;
    reply_text(r, "why");
    reply_text(r, job->why);
}

bool inbox_step(struct engine *e, struct session_entry *se) {
    struct inbox_job *job = se->inbox_job;
    if (job->kind == JOB_RESOLVE && e->updates.refuse_requests) return false; /* it makes rows as clients do */
    struct journal_walk w;
    struct slice name, record;
    bool more = false;
    uint32_t looked = 0, written = 0;
    walk_begin(&w, e, buf_slice_of(&job->scope.prefix), buf_slice_of(&job->after), STEP_WRITES);
    while (!more && walk_next(&w, &name, &record)) {
        written += job_record(e, se, name, record);
        buf_clear(&job->after);
        buf_put(&job->after, w.after.p, w.after.n);
        if (job->kind == JOB_RESOLVE && job->resolved >= job->limit) break;
        more = ++looked == STEP_RECORDS || written == STEP_WRITES;
    }
    walk_finish(&w);
    if (more && !e->updates.fatal) return false;
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    reply_job(&reply, job);
    inbox_job_finish(se);
    return true;
}

/* ---- RESOLVE ---- */

/* CONTEXT context at argument *i: what it does not cover stays beside what is written. False: the error is written. */
static bool take_context(struct call *c, uint32_t *i) {
    struct engine *e = c->engine;
    if (*i + 1 >= c->argc || !slice_is(c->argv[*i], "CONTEXT")) return true;
    if (inbox_parse_context(e, c->argv[*i + 1], &e->with_context) != CONTEXT_KNOWN) {
        reply_error(c->reply, "ERR the context is no version vector that %s knows", e->cluster->nodes[e->self].name);
        return false;
    }
    c->txn->context = &e->with_context;
    *i += 2;
    return true;
}

/* AS DELETED | STRING value | HASH column value... | SET member...: what the row becomes, in argument i and on. False: the error is written. */
static bool parse_as(struct call *c, uint32_t i, uint64_t ends_ms, struct buf *ret) {
    uint32_t first = i + 2, n = c->argc > first ? c->argc - first : 0;
    struct slice type = i + 1 < c->argc ? c->argv[i + 1] : SLICE(NULL, 0);
    bool hash = slice_is(type, "HASH"), set = slice_is(type, "SET");
    if (slice_is(type, "DELETED") && n == 0) return true;
    if (slice_is(type, "STRING") && n == 1) {
        content_make_string(ret, ends_ms, c->argv[first]);
        return true;
    }
    if (!(hash || set) || n == 0 || (hash && n % 2)) {
        reply_error(c->reply, "ERR expected AS DELETED, AS STRING value, AS HASH column value..., or AS SET member...");
        return false;
    }
    struct content_column *columns = xcalloc(n, sizeof *columns);
    for (uint32_t k = 0; k < n; k += 1 + hash)
        columns[k / (1 + hash)] = (struct content_column){c->argv[first + k], hash ? c->argv[first + k + 1] : SLICE(NULL, 0)};
    content_make(ret, hash ? CONTENT_HASH : CONTENT_SET, ends_ms, columns, n / (1 + hash));
    free(columns);
    return true;
}

/* False: refused, or the error is written. */
static bool write_as(struct call *c, const struct inbox_case *k, uint32_t i) {
    struct buf content = {0};
    const struct episode *ep = &k->episode;
    bool good = parse_as(c, i, row_expires_ms(&k->row), &content);
    if (good && ep->kind == CELL_FIELD) {
        bool string = content.n && content_type(buf_slice_of(&content)) == CONTENT_STRING;
        if (!string) reply_error(c->reply, "ERR the conflict is about one column: AS STRING value");
        good = string && inbox_write(c->engine, ep->key, CELL_FIELD, ep->name, content_string(buf_slice_of(&content)));
    } else if (good) {
        good = inbox_write(c->engine, ep->key, CELL_ROW, SLICE(NULL, 0), buf_slice_of(&content));
    }
    buf_finish(&content);
    return good;
}

/* RESOLVE id [CONTEXT context] RULE | AS ...: one conflict. */
static void resolve_by_id(struct call *c, uint64_t id) {
    struct inbox_case k;
    struct chooser how = {0};
    uint32_t i = 3;
    if (!take_context(c, &i)) return;
    bool as = i < c->argc && slice_is(c->argv[i], "AS");
    if (!as && (!parse_choice(c, &i, &how) || !take_context(c, &i))) return;
    if (!as && i != c->argc) {
        reply_syntax(c);
        return;
    }
    if (!case_open(&k, c->engine, id)) return;
    const struct entry *chosen = k.episode.open && !as ? choose(&k, &how) : NULL;
    size_t mark = c->reply->out->n;
    if (!k.episode.open)
        reply_error(c->reply, "ERR the conflict is closed already");
    else if (!as && !chosen)
        reply_error(c->reply, "ERR none of its versions is from %s", how.take);
    else if (as ? write_as(c, &k, i) : write_chosen(&k, chosen))
        reply_ok(c->reply);
    else if (!c->reply->failed)
        txn_refuse(c, k.episode.key);
    if (!c->reply->failed && c->txn->context) refuse_context(c, c->txn->context, mark);
    case_finish(&k);
}

static bool names_a_case(struct engine *e, struct slice text, uint64_t *ret_id) {
    struct episode ep;
    struct buf record = {0};
    bool found = inbox_parse_id(text, ret_id) && journal_find(e, *ret_id, &record, &ep);
    if (found) episode_finish(&ep);
    buf_finish(&record);
    return found;
}

void inbox_resolve_all(struct call *c) {
    struct chooser how = {0};
    uint32_t i = 3;
    uint64_t id;
    int64_t limit = INT64_MAX;
    if (c->argc < 4) {
        reply_syntax(c);
        return;
    }
    if (names_a_case(c->engine, c->argv[2], &id)) {
        resolve_by_id(c, id);
        return;
    }
    if (!parse_choice(c, &i, &how)) return;
    if (i + 2 == c->argc && slice_is(c->argv[i], "LIMIT")) {
        if (!want_integer(c, c->argv[i + 1], &limit)) return;
        i += 2;
    }
    if (i != c->argc || limit < 1) {
        reply_syntax(c);
        return;
    }
    if (!rules_table(c->engine->rules, c->argv[2])) {
        reply_error(c->reply, "ERR there is no table, and no conflict, of that name: TRUCE.TABLE LIST and TRUCE.CONFLICTS LIST show what there is");
        return;
    }
    struct inbox_job *job = begin_job(c, c->argv[2]);
    job->kind = JOB_RESOLVE;
    job->how = how;
    job->limit = (uint64_t)limit;
}

/* ---- RESTORE ---- */

/* The version that is meant: of that dot, or the only one that readers do not see. False: the error is written. */
static bool find_loser(struct call *c, const struct inbox_case *k, const struct entry **ret) {
    struct buf dots = {0};
    uint32_t found = 0;
    for (uint32_t i = 0; i < k->entries_count; i++) {
        const struct entry *n = &k->entries[i];
        struct buf dot = {0};
        dot_format(c->engine->origins, n->v.dot, &dot);
        bool meant = c->argc == 4 ? slice_equal(buf_slice_of(&dot), c->argv[3]) : !n->read;
        if (meant) *ret = n;
        found += meant;
        if (!n->read && dots.n < 600) buf_printf(&dots, " %.*s", (int)dot.n, (const char *)dot.p);
        buf_finish(&dot);
    }
    if (found == 0)
        reply_error(c->reply, "ERR there is no such version: those that are not read are%.*s", (int)dots.n, (const char *)dots.p);
    else if (found > 1 && c->argc == 3)
        reply_error(c->reply, "ERR which of them?%.*s", (int)dots.n, (const char *)dots.p);
    buf_finish(&dots);
    return found == 1 || (found > 1 && c->argc == 4);
}

void inbox_restore(struct call *c) {
    struct inbox_case k;
    const struct entry *loser = NULL;
    if (c->argc < 3 || c->argc > 4) {
        reply_syntax(c);
        return;
    }
    if (!inbox_want_case(c, c->argv[2], &k)) return;
    if (find_loser(c, &k, &loser)) {
        if (inbox_write(c->engine, k.episode.key, loser->kind, loser->name, loser->v.content))
            reply_ok(c->reply);
        else
            txn_refuse(c, k.episode.key);
    }
    case_finish(&k);
}

/* ---- TRUCE.RESOLVE key context COMMAND... ---- */

/* A live version of an open conflict of the row that the context does not cover. */
static const struct version *newer_than(const struct row *r, const struct vv *context) {
    bool types = row_types_collide(r);
    for (uint32_t i = 0; i < r->cells_count; i++) {
        const struct cell *c = &r->cells[i];
        if (c->kind == CELL_EXPIRY || !(types || cell_open(r, c))) continue;
        for (uint32_t k = 0; k < c->count; k++)
            if (!vv_covers(context, cell_versions(r, c)[k].dot)) return &cell_versions(r, c)[k];
    }
    return NULL;
}

static bool names_key(const struct call *c) {
    for (uint32_t i = 4; i < c->argc; i++)
        if (slice_equal(c->argv[i], c->argv[1])) return true;
    return false;
}

void engine_resolve(struct call *c) {
    struct engine *e = c->engine;
    const struct version *newer;
    struct vv context = {0};
    struct row row = {0};
    struct call with = *c;
    with.argv = c->argv + 1; /* key context command...: as TRUCE.WITH context command... */
    with.argc = c->argc - 1;
    enum context_known known = inbox_parse_context(e, c->argv[2], &context);
    const struct command *cmd = command_find(c->argv[3]);
    if (!names_key(c) || (cmd && strncmp(cmd->name, "truce.", 6) == 0)) {
        reply_error(c->reply, "ERR TRUCE.RESOLVE takes a command that writes the row");
    } else if (known != CONTEXT_KNOWN || !inbox_row(e, c->argv[1], &row)) {
        engine_with_context(&with); /* says what is wrong */
    } else if (!row_open(&row) && !row_types_collide(&row)) {
        reply_error(c->reply, "ERR the row has no open conflict: TRUCE.CONFLICTS LIST shows those that there are");
    } else if ((newer = newer_than(&row, &context))) {
        struct buf dot = {0};
        dot_format(e->origins, newer->dot, &dot);
        reply_error(c->reply, "NEWER %.*s has come from %s since that context was read: look at the row again, nothing was written", (int)dot.n,
                    (const char *)dot.p, origins_get(e->origins, newer->dot.origin)->dc);
        buf_finish(&dot);
    } else {
        engine_with_context(&with);
    }
    row_finish(&row);
    vv_finish(&context);
}
