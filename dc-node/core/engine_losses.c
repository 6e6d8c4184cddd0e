/* Tell the loser: a session with TRUCE.LOSSES ON hears when a version that it wrote is hidden by another, or leaves its row unseen (DESIGN, section
 * 6).
 *
 * Notices are made as changes are applied, before it is known which session wrote what: a follower's client learns the dot of its write with the
 * answer. So the latest notices are kept, and met with the latest writes of each session from both sides. */
#include "inbox.h"

#define NOTICES_MAX 1024u /* kept, and queued for a session that takes no push */
#define WRITES_MAX  1024u /* of a session, that are looked at */
#define VALUE_BYTES 1024u /* of the lost value in a notice */

struct loss_notice {
    struct buf key, name, value, policy;
    uint8_t kind;
    struct dot loser, winner, by; /* winner n == 0: nothing is read */
    bool left;                    /* it is no sibling any more */
};

struct loss_watch {
    struct dot writes[WRITES_MAX]; /* a ring */
    uint64_t writes_count;
    struct loss_notice queue[NOTICES_MAX]; /* RESP2: until TRUCE.LOSSES asks; a ring */
    uint64_t queue_first, queue_end, missed;
};

/* ---- notices ---- */

static void notice_finish(struct loss_notice *n) {
    struct buf *bufs[] = {&n->key, &n->name, &n->value, &n->policy};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_finish(bufs[i]);
}

static void put_over(struct buf *to, struct slice s) {
    buf_clear(to);
    buf_put(to, s.p, s.n);
}

static void notice_copy(struct loss_notice *to, const struct loss_notice *from) {
    struct buf *bufs[] = {&to->key, &to->name, &to->value, &to->policy};
    const struct buf *others[] = {&from->key, &from->name, &from->value, &from->policy};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) put_over(bufs[i], buf_slice_of(others[i]));
    to->kind = from->kind;
    to->loser = from->loser;
    to->winner = from->winner;
    to->by = from->by;
    to->left = from->left;
}

struct telling {
    struct engine *e;
    struct slice key;
    const struct table_rule *table;
    const struct row *before, *after;
    struct dot by;
};

static void add_notice(const struct telling *t, uint8_t kind, struct slice name, const struct version *loser, struct dot winner, bool left) {
    struct engine *e = t->e;
    if (!e->loss_notices) e->loss_notices = xcalloc(NOTICES_MAX, sizeof *e->loss_notices);
    struct loss_notice *n = &e->loss_notices[e->loss_notices_count++ % NOTICES_MAX];
    put_over(&n->key, t->key);
    put_over(&n->name, name);
    buf_clear(&n->policy);
    policy_format(t->table->policy, &t->table->chain, &n->policy);
    buf_clear(&n->value);
    inbox_format(kind, loser->content, &n->value);
    if (n->value.n > VALUE_BYTES) n->value.n = VALUE_BYTES;
    n->kind = kind;
    n->loser = loser->dot;
    n->winner = winner;
    n->by = t->by;
    n->left = left;
}

/* What readers see of the cell; NULL: nothing. */
static const struct version *read_of(const struct telling *t, const struct row *r, enum cell_kind kind, struct slice name) {
    const struct cell *c = row_cell(r, kind, name);
    return c ? cell_read(t->e, t->table, r, c) : NULL;
}

static const struct version *version_with(const struct row *r, const struct cell *c, struct dot d) {
    for (uint32_t i = 0; c && i < c->count; i++)
        if (dot_equal(cell_versions(r, c)[i].dot, d)) return &cell_versions(r, c)[i];
    return NULL;
}

static bool is_lost(const struct row_news *news, const struct cell_news *n, struct dot d) {
    for (uint32_t i = 0; i < news->lost_count; i++) {
        const struct lost *l = &news->lost[i];
        if (l->kind == n->kind && slice_equal(l->name, n->name) && dot_equal(l->v.dot, d)) return true;
    }
    return false;
}

/* Whoever was read before and is not now, and the version that has just come and is not. Others were told when they were hidden. */
static void tell_cell(const struct telling *t, const struct row_news *news, const struct cell_news *n) {
    const struct cell *c = row_cell(t->after, n->kind, n->name);
    const struct version *was = read_of(t, t->before, n->kind, n->name), *is = read_of(t, t->after, n->kind, n->name);
    struct dot winner = is ? is->dot : (struct dot){0};
    if (was && (!is || !dot_equal(was->dot, is->dot))) {
        const struct version *stays = version_with(t->after, c, was->dot);
        bool hidden = stays && !slice_equal(stays->content, is->content);
        /* where every version is gone but the new one, its writer has seen this one win */
        bool lost = !stays && is_lost(news, n, was->dot) && c && (c->count > 1 || (c->count == 1 && !dot_equal(is->dot, t->by)));
        if (hidden || lost) add_notice(t, (uint8_t)n->kind, n->name, was, winner, !stays);
    }
    const struct version *came = version_with(t->after, c, t->by);
    if (came && !dot_equal(came->dot, is->dot) && !slice_equal(came->content, is->content))
        add_notice(t, (uint8_t)n->kind, n->name, came, winner, false);
}

void losses_follow(struct engine *e, struct slice key, const struct row_news *news, const struct table_rule *table, const struct row *before,
                   const struct row *after, struct dot by) {
    if (!e->loss_watchers) return;
    struct telling t = {e, key, table, before, after, by};
    for (uint32_t i = 0; i < news->cells_count; i++) tell_cell(&t, news, &news->cells[i]);
    for (uint32_t i = 0; i < news->lost_count; i++)
        if (news->lost[i].by_type) add_notice(&t, (uint8_t)news->lost[i].kind, news->lost[i].name, &news->lost[i].v, by, true);
}

/* ---- telling ---- */

static void reply_notice(struct reply *r, const struct engine *e, const struct loss_notice *n) {
    reply_map(r, 8);
    reply_text(r, "key");
    reply_bulk(r, buf_slice_of(&n->key));
    reply_text(r, "column");
    if (n->kind == CELL_FIELD || n->kind == CELL_MEMBER)
        reply_bulk(r, buf_slice_of(&n->name));
    else
        reply_null(r);
    reply_text(r, "loser");
    inbox_reply_dot(r, e, n->loser);
    reply_text(r, "value");
    reply_bulk(r, buf_slice_of(&n->value));
    reply_text(r, "winner");
    inbox_reply_dot(r, e, n->winner);
    reply_text(r, "winner_dc");
    if (n->winner.n)
        reply_text(r, origins_get(e->origins, n->winner.origin)->dc);
    else
        reply_null(r);
    reply_text(r, "policy");
    reply_bulk(r, buf_slice_of(&n->policy));
    reply_text(r, "outcome");
    reply_text(r, n->left ? "lost" : "hidden");
}

static bool wrote(const struct loss_watch *w, struct dot d) {
    uint64_t n = w->writes_count < WRITES_MAX ? w->writes_count : WRITES_MAX;
    for (uint64_t i = 0; d.n && i < n; i++)
        if (dot_equal(w->writes[i], d)) return true;
    return false;
}

/* A session is not told that it has overwritten itself. */
static void tell(struct engine *e, struct session_entry *se, const struct loss_notice *n) {
    struct loss_watch *w = se->loss_watch;
    bool by_itself = wrote(w, n->by) && !dot_equal(n->by, n->loser);
    if (by_itself || !wrote(w, n->loser)) return;
    if (se->s.protocol >= 3) {
        struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
        reply_push(&reply, 2);
        reply_text(&reply, "truce-loss");
        reply_notice(&reply, e, n);
        session_touch_out(e, se);
        return;
    }
    if (w->queue_end - w->queue_first == NOTICES_MAX) {
        w->queue_first++;
        w->missed++;
    }
    notice_copy(&w->queue[w->queue_end++ % NOTICES_MAX], n);
}

void losses_note(struct engine *e, struct session_entry *se, struct dot write) {
    struct loss_watch *w = se->loss_watch;
    if (!w || !write.n) return;
    w->writes[w->writes_count++ % WRITES_MAX] = write;
    uint64_t from = e->loss_notices_count < NOTICES_MAX ? 0 : e->loss_notices_count - NOTICES_MAX;
    for (uint64_t i = from; i < e->loss_notices_given; i++) {
        const struct loss_notice *n = &e->loss_notices[i % NOTICES_MAX];
        if (dot_equal(n->loser, write)) tell(e, se, n);
    }
}

void losses_updates(struct engine *e) {
    if (e->loss_notices_given == e->loss_notices_count) return;
    uint64_t from = e->loss_notices_given, oldest = e->loss_notices_count < NOTICES_MAX ? 0 : e->loss_notices_count - NOTICES_MAX;
    struct session_entry *se, *next;
    if (e->loss_watchers) HASH_ITER(hh, e->sessions, se, next) {
            if (!se->loss_watch) continue;
            for (uint64_t i = from < oldest ? oldest : from; i < e->loss_notices_count; i++) tell(e, se, &e->loss_notices[i % NOTICES_MAX]);
        }
    e->loss_notices_given = e->loss_notices_count;
}

/* ---- TRUCE.LOSSES ---- */

void losses_close(struct engine *e, struct session_entry *se) {
    if (!se->loss_watch) return;
    for (uint32_t i = 0; i < NOTICES_MAX; i++) notice_finish(&se->loss_watch->queue[i]);
    free(se->loss_watch);
    se->loss_watch = NULL;
    e->loss_watchers--;
}

void losses_finish(struct engine *e) {
    for (uint32_t i = 0; e->loss_notices && i < NOTICES_MAX; i++) notice_finish(&e->loss_notices[i]);
    free(e->loss_notices);
}

void session_losses_off(struct call *c) { losses_close(c->engine, (struct session_entry *)c->session); }

static void reply_queue(struct call *c, struct loss_watch *w) {
    reply_array(c->reply, w->queue_end - w->queue_first + (w->missed > 0));
    if (w->missed) {
        reply_map(c->reply, 1);
        reply_text(c->reply, "missed");
        reply_integer(c->reply, (int64_t)w->missed);
    }
    while (w->queue_first < w->queue_end) reply_notice(c->reply, c->engine, &w->queue[w->queue_first++ % NOTICES_MAX]);
    w->missed = 0;
}

void engine_losses(struct call *c) {
    struct session_entry *se = (struct session_entry *)c->session;
    if (c->argc == 2 && slice_is(c->argv[1], "ON")) {
        if (!se->loss_watch) {
            se->loss_watch = xcalloc(1, sizeof *se->loss_watch);
            c->engine->loss_watchers++;
        }
        reply_ok(c->reply);
    } else if (c->argc == 2 && slice_is(c->argv[1], "OFF")) {
        losses_close(c->engine, se);
        reply_ok(c->reply);
    } else if (c->argc > 1) {
        reply_syntax(c);
    } else if (!se->loss_watch) {
        reply_error(c->reply, "ERR this connection does not ask for losses: TRUCE.LOSSES ON comes first");
    } else {
        reply_queue(c, se->loss_watch);
    }
}
