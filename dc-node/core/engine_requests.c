/* Clients' sessions: dispatch, MULTI, WATCH, WAIT, and commands that take several steps. */
#include "inbox.h"
#include <stdio.h>

#define QUEUE_BYTES_MAX (8u * 1024 * 1024) /* of commands between MULTI and EXEC */

/* ---- sessions ---- */

struct session_entry *session_create(struct engine *e, uint64_t id) {
    struct session_entry *se = xcalloc(1, sizeof *se);
    se->s.id = id;
    se->s.protocol = 2;
    se->s.opened_ms = e->now.wall_ms;
    se->s.authenticated = !e->cluster->password[0];
    se->s.last_write = (struct dot){ORIGIN_NONE, 0};
    return se;
}

void session_unwatch(struct session *s) {
    for (uint32_t i = 0; i < s->watches_count; i++) buf_finish(&s->watches[i].key);
    s->watches_count = 0;
}

void session_discard(struct session *s) {
    for (uint32_t i = 0; i < s->queue_count; i++) buf_finish(&s->queue[i].args);
    s->queue_count = 0;
    s->queue_bytes = 0;
    s->multi = s->multi_failed = false;
    session_unwatch(s);
}

void session_destroy(struct session_entry *se) {
    session_discard(&se->s);
    inbox_job_finish(se);
    rows_job_finish(se);
    free(se->s.queue);
    free(se->s.watches);
    free(se->deliver);
    buf_finish(&se->s.out);
    buf_finish(&se->s.wait_token);
    buf_finish(&se->stash);
    for (struct remote_request *r = se->remote_queue, *next; r; r = next) {
        next = r->next;
        buf_finish(&r->args);
        vv_finish(&r->vv);
        free(r);
    }
    free(se);
}

static struct session_entry *find_session(const struct engine *e, uint64_t id) {
    struct session_entry *se;
    HASH_FIND(hh, e->sessions, &id, sizeof id, se);
    return se;
}

void requests_finish(struct engine *e) {
    struct session_entry *se, *next;
    HASH_CLEAR(hh_channel, e->channels);
    HASH_ITER(hh, e->sessions, se, next) {
        HASH_DELETE(hh, e->sessions, se);
        ack_close(e, se);
        losses_close(e, se);
        session_destroy(se);
    }
    HASH_ITER(hh_channel, e->remotes, se, next) {
        HASH_DELETE(hh_channel, e->remotes, se);
        ack_close(e, se);
        session_destroy(se);
    }
}

void session_touch_out(struct engine *e, struct session_entry *se) {
    if (se->s.listed_out || se->s.remote) return;
    se->s.listed_out = true;
    GROW(e->out_sessions, e->out_sessions_count, e->out_sessions_cap);
    e->out_sessions[e->out_sessions_count++] = se->s.id;
}

bool engine_session_authenticated(const struct engine *e, uint64_t session) {
    const struct session_entry *se = find_session(e, session);
    return se && se->s.authenticated;
}
bool engine_session_blocked(const struct engine *e, uint64_t session) {
    const struct session_entry *se = find_session(e, session);
    return se && (session_busy(se) || se->stash_argc || session_full(se));
}
uint64_t engine_session_forwards(const struct engine *e, uint64_t session) {
    const struct session_entry *se = find_session(e, session);
    return se ? se->forward_sent - se->forward_answered + ack_holds(se) : 0;
}
size_t engine_session_reply_bytes(const struct engine *e, uint64_t session) {
    const struct session_entry *se = find_session(e, session);
    return se ? se->s.out.n : 0;
}
uint32_t engine_sessions_count(const struct engine *e) { return HASH_CNT(hh, e->sessions); }
void engine_each_session(struct engine *e, void (*each)(void *, const struct session *), void *arg) {
    struct session_entry *se, *next;
    HASH_ITER(hh, e->sessions, se, next) each(arg, &se->s);
}

void args_put(struct buf *out, const struct slice *argv, uint32_t argc) {
    for (uint32_t i = 0; i < argc; i++) buf_slice(out, argv[i]);
}

const struct slice *args_of(struct engine *e, struct slice bytes, uint32_t argc) {
    if (argc > e->argv_cap) e->argv = xrealloc(e->argv, (e->argv_cap = argc + 16) * sizeof *e->argv);
    struct reader r = reader_of(bytes);
    for (uint32_t i = 0; i < argc; i++) e->argv[i] = read_slice(&r);
    assert(!r.bad);
    return e->argv;
}

/* ---- running a command ---- */

static struct reply reply_to(struct session_entry *se) { return (struct reply){.out = &se->s.out, .protocol = se->s.protocol}; }

static void run_in_txn(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct reply reply = reply_to(se);
    struct call c = {.engine = e,
                     .session = &se->s,
                     .txn = &e->txn,
                     .reply = &reply,
                     .argv = argv,
                     .argc = argc,
                     .now_ms = e->txn.now_ms,
                     .wall_ms = e->now.wall_ms,
                     .prng = &e->prng,
                     .running = cmd->run};
    struct txn_mark mark = txn_mark(&e->txn);
    cmd->run(&c);
    if (reply.failed)
        txn_rollback(&e->txn, mark);
    else
        txn_keep(&e->txn, mark);
    txn_end_command(&e->txn);
}

static bool arity_fits(const struct command *cmd, uint32_t argc) {
    return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

static void queue(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct session *s = &se->s;
    struct reply reply = reply_to(se);
    size_t bytes = sizeof(struct queued) + 10 * (size_t)argc;
    for (uint32_t i = 0; i < argc; i++) bytes += argv[i].n;
    if (s->queue_bytes + bytes > QUEUE_BYTES_MAX) {
        s->multi_failed = true;
        reply_error(&reply, "ERR the commands between MULTI and EXEC are more than %u bytes", QUEUE_BYTES_MAX);
        return;
    }
    GROW(s->queue, s->queue_count, s->queue_cap);
    struct queued *q = &s->queue[s->queue_count++];
    *q = (struct queued){.argc = argc, .command = cmd};
    args_put(&q->args, argv, argc);
    s->queue_bytes += bytes;
    reply_simple(&reply, "QUEUED");
}

/* The checks that come before everything else; writes the error. */
static const struct command *admit(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc) {
    struct session *s = &se->s;
    struct reply reply = reply_to(se);
    struct call c = {.engine = e, .session = s, .reply = &reply, .argv = argv, .argc = argc};
    const struct command *cmd = command_find(argv[0]);
    if (!cmd)
        reply_unknown_command(&c);
    else if (!arity_fits(cmd, argc))
        reply_wrong_arity(&c);
    else if (!s->authenticated && !(cmd->flags & CMD_NO_AUTH))
        reply_error(&reply, "NOAUTH Authentication required.");
    else if (e->returning && (cmd->flags & (CMD_READ | CMD_WRITE | CMD_MAY_WRITE)))
        return_refuse(e, &reply);
    else if (e->cluster->nodes[e->self].standing == STANDING_REMOVED && (cmd->flags & (CMD_READ | CMD_WRITE | CMD_MAY_WRITE)))
        members_refuse(e, &reply);
    else if (e->room != ROOM_ENOUGH && (cmd->flags & CMD_WRITE))
        disk_refuse(e, &reply);
    else if (s->multi && (cmd->flags & CMD_NO_MULTI))
        reply_error(&reply, "ERR Command not allowed inside a transaction");
    else
        return cmd;
    if (s->multi) s->multi_failed = true;
    return NULL;
}

static bool writes_now(const struct session *s, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    if (!s->multi) return command_writes(cmd, argv, argc);
    bool writes = false;
    for (uint32_t i = 0; i < s->queue_count; i++) writes |= (s->queue[i].command->flags & CMD_WRITE) != 0;
    return writes && !s->multi_failed && strcmp(cmd->name, "exec") == 0;
}

/* Only a leader that has what its predecessors acknowledged may carry it out. */
static bool needs_lead(const struct engine *e, const struct session *s, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    bool reads = s->multi ? strcmp(cmd->name, "exec") == 0 : (cmd->flags & CMD_READ) != 0;
    return (reads && s->read_level == READ_LINEARIZABLE) || (e->room == ROOM_ENOUGH && writes_now(s, cmd, argv, argc));
}

/* Where it runs: here, at the DC's leader, or at that of its home. False: it was refused. */
static bool find_place(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc,
                       uint32_t *ret_to) {
    *ret_to = e->is_leader || e->alone ? e->self : e->leader;
    if (se->s.pinned && se->forward_session) {
        *ret_to = se->forward_to;
        return true;
    }
    return home_way(e, se, cmd, argv, argc, ret_to) != HOME_REFUSED;
}

static void run(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc) {
    struct session *s = &se->s;
    e->count.commands++;
    size_t mark = s->out.n;
    bool failed = s->multi_failed;
    const struct command *cmd = admit(e, se, argv, argc);
    if (!cmd) {
        if (s->remote || !forward_refused(e, se, argv, argc)) return;
        s->out.n = mark;
        s->multi_failed = failed;
        e->count.commands--;
        return;
    }
    if (forward_lost_transaction(se, cmd)) return;
    uint32_t to;
    if (s->remote ? home_refuses(e, se, cmd, argv, argc) : !find_place(e, se, cmd, argv, argc, &to)) return;
    if (!s->remote && forward_request(e, se, to, cmd, argv, argc)) return;
    if (e->is_leader && !e->alone && !s->remote && needs_lead(e, s, cmd, argv, argc) && !engine_leads(e)) { /* elected, but not yet ready */
        if (forward_wait(e, se, argv, argc)) return;
        struct reply reply = reply_to(se);
        forward_no_leader(e, &reply);
        if (s->multi) session_discard(s);
        return;
    }
    se->patience_us = 0;
    if (s->multi && !(cmd->flags & CMD_NO_QUEUE)) {
        queue(e, se, cmd, argv, argc);
        return;
    }
    if (quorum_read(e, se, cmd, argv, argc)) return;
    request_carry_out(e, se, cmd, argv, argc);
}

void request_carry_out(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct session *s = &se->s;
    size_t mark = s->out.n;
    txn_begin(&e->txn, e, engine_middle_ms(e), NULL); /* a clock that is ahead must not hide rows, or clear what it does not see */
    struct txn_mark before = txn_mark(&e->txn);
    bool writes = writes_now(s, cmd, argv, argc), reads = (cmd->flags & CMD_READ) || s->multi;
    run_in_txn(e, se, cmd, argv, argc);
    if (e->room != ROOM_ENOUGH && e->txn.rows_count) disk_refuse_txn(e, s, mark, cmd);
    ack_begin(e, se);
    if (writes && ack_needs_majority(e, se)) {
        txn_rollback(&e->txn, before);
        s->out.n = mark;
        forward_no_leader(e, &(struct reply){.out = &s->out, .protocol = s->protocol});
    }
    struct dot dot = txn_commit(&e->txn);
    if (dot.n) s->last_write = dot;
    ack_note(e, se, dot, writes, reads);
    losses_note(e, se, dot);
    if (s->quit) forward_close(e, se);
}

void request_run(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc) {
    size_t mark = se->s.out.n;
    run(e, se, argv, argc);
    if (!se->s.remote) ack_end(e, se, mark, NULL);
}

void session_watch(struct call *c, struct slice key) {
    struct session *s = c->session;
    for (uint32_t i = 0; i < s->watches_count; i++)
        if (slice_equal(buf_slice_of(&s->watches[i].key), key)) return; /* as it was when it was watched first */
    GROW(s->watches, s->watches_count, s->watches_cap);
    struct watched *w = &s->watches[s->watches_count++];
    *w = (struct watched){.state = engine_fingerprint(c->engine, key), .absent = !txn_get(c->txn, key).n};
    buf_put(&w->key, key.p, key.n);
}

static bool watched_changed(struct call *c) {
    for (uint32_t i = 0; i < c->session->watches_count; i++) {
        const struct watched *w = &c->session->watches[i];
        struct slice key = buf_slice_of(&w->key);
        if (engine_fingerprint(c->engine, key) != w->state || !txn_get(c->txn, key).n != w->absent) return true;
    }
    return false;
}

void session_exec(struct call *c) {
    struct session *s = c->session;
    struct session_entry *se = (struct session_entry *)s;
    if (watched_changed(c)) {
        session_discard(s);
        reply_null_array(c->reply);
        return;
    }
    struct queued *queued = s->queue;
    uint32_t count = s->queue_count;
    s->queue = NULL;
    s->queue_count = s->queue_cap = 0;
    session_discard(s);
    reply_array(c->reply, count);
    s->in_exec = true;
    for (uint32_t i = 0; i < count; i++) {
        struct slice *argv = xmalloc(queued[i].argc * sizeof *argv);
        memcpy(argv, args_of(c->engine, buf_slice_of(&queued[i].args), queued[i].argc), queued[i].argc * sizeof *argv);
        run_in_txn(c->engine, se, queued[i].command, argv, queued[i].argc);
        free(argv);
        buf_finish(&queued[i].args);
    }
    s->in_exec = false;
    free(queued);
}

/* ---- waiting ---- */

static uint32_t replicas_with(const struct engine *e, struct dot d) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) n += members_counts(e, i) && (d.n == 0 || vv_covers(&e->links[i].on_disk, d));
    return n;
}

static void block(struct call *c, uint32_t replicas, uint64_t timeout_ms) {
    c->session->wait_replicas = replicas;
    c->session->wait_deadline_us = timeout_ms ? c->engine->now.mono_us + timeout_ms * 1000 : 0;
    c->engine->waits++;
}

void session_wait(struct call *c, uint32_t replicas, uint64_t timeout_ms) {
    struct session *s = c->session;
    struct engine *e = c->engine;
    uint32_t n = replicas_with(e, s->last_write);
    if (n >= replicas || s->in_exec) {
        reply_integer(c->reply, n);
        return;
    }
    s->wait = WAIT_REPLICAS;
    block(c, replicas, timeout_ms);
}

/* DCs other than this one with a node that has all of it on disk. */
static uint32_t dcs_with(const struct engine *e, const struct vv *v) {
    uint32_t mask = 0, n = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (members_counts(e, i) && e->cluster->nodes[i].dc != e->self_dc && vv_includes(&e->links[i].on_disk, v))
            mask |= UINT32_C(1) << e->cluster->nodes[i].dc;
    for (; mask; mask &= mask - 1) n++;
    return n;
}

/* KNOWN: all that the token covers is here, and in so many other DCs; BEYOND: not so far. */
static enum context_known find_token(struct engine *e, struct slice token, uint32_t dcs) {
    struct vv covered = {0};
    enum context_known known = inbox_parse_context(e, token, &covered);
    if (known == CONTEXT_KNOWN && dcs_with(e, &covered) < dcs) known = CONTEXT_BEYOND;
    vv_finish(&covered);
    return known;
}

void session_wait_token(struct call *c, struct slice token, uint32_t dcs, uint64_t timeout_ms) {
    switch (find_token(c->engine, token, dcs)) {
    case CONTEXT_MALFORMED: reply_error(c->reply, "ERR the token is no version vector: take it from TRUCE.TOKEN"); return;
    case CONTEXT_KNOWN: reply_integer(c->reply, 1); return;
    case CONTEXT_BEYOND: break;
    }
    buf_clear(&c->session->wait_token);
    buf_put(&c->session->wait_token, token.p, token.n);
    c->session->wait = WAIT_TOKEN;
    block(c, dcs, timeout_ms);
}

void session_flush_all(struct call *c) {
    if (c->session->in_exec) {
        reply_error(c->reply, "ERR FLUSHALL deletes in several steps and is not for use inside a transaction");
        return;
    }
    c->session->wait = WAIT_JOB;
    ((struct session_entry *)c->session)->job_from = ((struct session_entry *)c->session)->job_kept = 0;
    c->engine->waits++;
}

void session_unblocked(struct engine *e, const struct session_entry *se) {
    GROW(e->updates.unblocked, e->updates.unblocked_count, e->unblocked_cap);
    e->updates.unblocked[e->updates.unblocked_count++] = se->s.id;
}

static void unblock(struct engine *e, struct session_entry *se) {
    if (se->s.wait == WAIT_JOB && se->s.last_write.origin == e->own) {
        ack_begin(e, se);
        ack_note(e, se, se->s.last_write, false, false);
    }
    se->s.wait = WAIT_NOTHING;
    e->waits--;
    if (!se->s.remote) ack_end(e, se, se->wait_mark, NULL);
    if (se->s.remote)
        remote_done(e, se);
    else
        request_resume(e, se);
}

void request_resume(struct engine *e, struct session_entry *se) {
    session_touch_out(e, se);
    if (se->stash_argc) {
        struct buf stash = se->stash;
        uint32_t argc = se->stash_argc;
        se->stash = (struct buf){0};
        se->stash_argc = 0;
        struct slice *argv = xmalloc(argc * sizeof *argv);
        memcpy(argv, args_of(e, buf_slice_of(&stash), argc), argc * sizeof *argv);
        request_run(e, se, argv, argc);
        free(argv);
        buf_finish(&stash);
    }
    if (session_busy(se) || se->stash_argc) return;
    session_unblocked(e, se);
}

static void commit_deletes(struct engine *e, struct session_entry *se) {
    struct dot dot = txn_commit(&e->txn);
    if (dot.n) se->s.last_write = dot;
}

/* Keys may be so long that one event cannot name them all. */
static void delete_seen(void *arg, struct slice key, struct slice content) {
    struct session_entry *se = arg;
    struct txn *t = se->job_txn;
    if (txn_delete(t, key)) return;
    commit_deletes(t->engine, se);
    txn_begin(t, t->engine, t->now_ms, NULL);
    if (txn_delete(t, key)) return;
    se->job_kept++;
    snprintf(se->job_why, sizeof se->job_why, "%s", txn_refusal(t));
}

static void flush_all_step(struct engine *e, struct session_entry *se) {
    if (e->updates.refuse_requests) return; /* it makes rows as clients do */
    struct reply reply = reply_to(se);
    if (e->room != ROOM_ENOUGH) {
        disk_refuse(e, &reply);
        unblock(e, se);
        return;
    }
    txn_begin(&e->txn, e, engine_middle_ms(e), NULL);
    struct txn keys = {.engine = e, .now_ms = e->txn.now_ms};
    se->job_txn = &e->txn;
    se->job_from = txn_scan(&keys, se->job_from, FLUSH_ALL_KEYS, delete_seen, se);
    commit_deletes(e, se);
    if (se->job_from) return;
    if (se->job_kept)
        reply_error(&reply, "ERR %llu rows were not deleted: %s", (unsigned long long)se->job_kept, se->job_why);
    else
        reply_ok(&reply);
    unblock(e, se);
}

static void look_at_wait(struct engine *e, struct session_entry *se) {
    struct session *s = &se->s;
    se->wait_mark = s->out.n;
    if (s->wait == WAIT_ROWS) {
        if (rows_job_step(se)) unblock(e, se);
        return;
    }
    if (s->wait == WAIT_JOB && inbox_writes(se) && !engine_leads(e) && !e->cluster->dcs[e->self_dc].leaderless) {
        if (e->is_leader) return; /* it goes on when it is ready */
        struct reply reply = reply_to(se);
        reply_error(&reply, "NOLEADER %s leads no longer: what was done up to here stays", e->cluster->nodes[e->self].name);
        inbox_job_finish(se);
        unblock(e, se);
    } else if (s->wait == WAIT_JOB && se->inbox_job) {
        if (inbox_step(e, se)) unblock(e, se);
    } else if (s->wait == WAIT_JOB) {
        flush_all_step(e, se);
    }
    if (s->wait != WAIT_REPLICAS && s->wait != WAIT_TOKEN) return;
    bool token = s->wait == WAIT_TOKEN, over = s->wait_deadline_us && e->now.mono_us >= s->wait_deadline_us;
    uint32_t n = token ? find_token(e, buf_slice_of(&s->wait_token), s->wait_replicas) == CONTEXT_KNOWN : replicas_with(e, s->last_write);
    if (n < (token ? 1 : s->wait_replicas) && !over) return;
    struct reply reply = reply_to(se);
    reply_integer(&reply, n);
    unblock(e, se);
}

static void look_at_waits(struct engine *e) {
    struct session_entry *se, *next;
    if (!e->waits) return;
    HASH_ITER(hh, e->sessions, se, next) if (se->s.wait != WAIT_NOTHING) look_at_wait(e, se);
    HASH_ITER(hh_channel, e->remotes, se, next) if (se->s.wait != WAIT_NOTHING) look_at_wait(e, se);
}

void requests_tick(struct engine *e) { look_at_waits(e); }

static uint64_t wake_of(const struct engine *e, const struct session *s) {
    if (s->wait == WAIT_ROWS) return rows_job_wake_us((const struct session_entry *)s);
    if (s->wait == WAIT_JOB && !e->updates.refuse_requests) return e->now.mono_us;
    return s->wait != WAIT_NOTHING && s->wait_deadline_us ? s->wait_deadline_us : UINT64_MAX;
}

uint64_t requests_wake_us(const struct engine *e) {
    uint64_t wake = UINT64_MAX;
    if (!e->waits) return wake;
    for (const struct session_entry *se = e->sessions; se; se = se->hh.next)
        if (wake_of(e, &se->s) < wake) wake = wake_of(e, &se->s);
    for (const struct session_entry *se = e->remotes; se; se = se->hh_channel.next)
        if (wake_of(e, &se->s) < wake) wake = wake_of(e, &se->s);
    return wake;
}

/* ---- inputs ---- */

static void open_session(struct engine *e, const struct input *in) {
    struct session_entry *se = session_create(e, in->session);
    snprintf(se->s.address, sizeof se->s.address, "%s", in->address ? in->address : "");
    HASH_ADD(hh, e->sessions, s.id, sizeof se->s.id, se);
    e->count.connections++;
}

static void close_session(struct engine *e, struct session_entry *se) {
    ack_close(e, se);
    if (se->s.wait != WAIT_NOTHING) e->waits--;
    losses_close(e, se);
    forward_close(e, se);
    HASH_DELETE(hh, e->sessions, se);
    session_destroy(se);
}

void requests_step(struct engine *e, const struct input *in) {
    if (in->type == INPUT_OPEN) {
        open_session(e, in);
        return;
    }
    struct session_entry *se = find_session(e, in->session);
    if (!se) return;
    if (in->type == INPUT_CLOSE) {
        close_session(e, se);
        return;
    }
    assert(!session_busy(se) && !se->stash_argc);
    request_run(e, se, in->argv, in->argc);
    if (se->s.out.n || se->s.quit) session_touch_out(e, se);
}

void requests_updates(struct engine *e) {
    look_at_waits(e);
    if (e->remotes_wait && engine_leads(e)) requests_lead(e);
    ack_updates(e);
    losses_updates(e);
    if (e->out_sessions_count > e->answer_bufs_cap) {
        size_t cap = e->out_sessions_count * 2;
        e->answer_bufs = xrealloc(e->answer_bufs, cap * sizeof *e->answer_bufs);
        memset(e->answer_bufs + e->answer_bufs_cap, 0, (cap - e->answer_bufs_cap) * sizeof *e->answer_bufs);
        e->answer_bufs_cap = cap;
    }
    for (size_t i = 0; i < e->out_sessions_count; i++) {
        struct session_entry *se = find_session(e, e->out_sessions[i]);
        if (!se) continue;
        se->s.listed_out = false;
        bool was_full = session_full(se);
        struct buf *bytes = &e->answer_bufs[e->updates.answers_count], swap = *bytes;
        if (swap.cap > 4 * OUT_BYTES_PENDING_MAX) buf_finish(&swap);
        buf_clear(&swap);
        *bytes = se->s.out;
        se->s.out = swap;
        GROW(e->updates.answers, e->updates.answers_count, e->answers_cap);
        e->updates.answers[e->updates.answers_count++] = (struct answer){se->s.id, buf_slice_of(bytes), se->s.quit && !ack_holds(se)};
        if (was_full && !session_full(se) && !session_busy(se) && !se->stash_argc) session_unblocked(e, se);
    }
    e->out_sessions_count = 0;
}

void engine_shutdown(struct engine *e) { e->updates.shutdown = true; }
