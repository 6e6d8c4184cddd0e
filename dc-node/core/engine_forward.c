/* Requests of a follower's clients that run at the leader (DESIGN, section 7), and of any node's at the leader of a key's home (engine_home.c).
 *
 * A channel stands for one client: the follower numbers its requests 1, 2, 3..., the leader carries each out once, in order, and answers each. An
 * answer is given to the client when its dot is applied at the follower. When an answer does not come in time, or the link is lost, everything under
 * way on the channel is indeterminate; nobody retries; the next request opens a new channel. */
#include "state.h"

#define LEADER_PATIENCE_US 5000000u /* a request waits so long for a leader */
#define FORWARD_BYTES_MAX  (FRAME_BYTES_MAX - 4096u)

/* ---- at the follower ---- */

static struct reply reply_to(struct session_entry *se) { return (struct reply){.out = &se->s.out, .protocol = se->s.protocol}; }
static uint64_t under_way(const struct session_entry *se) { return se->forward_sent - se->forward_answered; }

/* Names this run and that of the peer: the same at both ends. */
static uint64_t runs_with(const struct engine *e, uint32_t peer) { return e->run ^ e->links[peer].peer_run; }

static void open_channel(struct engine *e, struct session_entry *se, uint32_t to) {
    se->forward_to = to;
    se->forward_session = ++e->channel_ids;
    se->forward_sent = se->forward_answered = 0;
    if (!se->deliver) se->deliver = xcalloc(FORWARDS_MAX, sizeof *se->deliver);
    HASH_ADD(hh_channel, e->channels, forward_session, sizeof se->forward_session, se);
}

static void close_channel(struct engine *e, struct session_entry *se) {
    if (!se->forward_session) return;
    HASH_DELETE(hh_channel, e->channels, se);
    se->forward_session = 0;
    se->forward_sent = se->forward_answered = 0;
    se->s.pinned = se->pin_open = se->pin_multi = false;
}

/* The leader may wait for acknowledgements for so long. */
static uint64_t patience(const struct session_entry *se) {
    return FORWARD_TIMEOUT_US + (se->s.ack.timeout_ms ? (uint64_t)se->s.ack.timeout_ms * 1000 : 0);
}

static void send_forward(struct engine *e, struct session_entry *se, uint32_t to, struct slice args, uint32_t argc, bool deliver) {
    if (!se->forward_session) open_channel(e, se, to);
    struct message m = {.type = MESSAGE_FORWARD};
    se->patience_us = 0;
    m.forward.run = runs_with(e, to);
    m.forward.session = se->forward_session;
    m.forward.request = ++se->forward_sent;
    m.forward.protocol = se->s.protocol;
    m.forward.ack = se->s.ack;
    m.forward.reads = se->s.read_level;
    if (!vv_includes(&e->links[to].report, &e->vv)) m.forward.vv = e->vv; /* borrowed */
    m.forward.argc = argc;
    m.forward.args = args;
    se->deliver[m.forward.request % FORWARDS_MAX] = deliver;
    if (under_way(se) == 1) se->forward_deadline_us = e->now.mono_us + patience(se);
    links_send(e, to, &m);
}

static void forward_args(struct engine *e, struct session_entry *se, uint32_t to, const struct slice *argv, uint32_t argc, bool deliver) {
    buf_clear(&e->page);
    args_put(&e->page, argv, argc);
    send_forward(e, se, to, buf_slice_of(&e->page), argc, deliver);
}

/* The whole queue between a local MULTI and EXEC; only the answer to EXEC is for the client. */
static void forward_queue(struct engine *e, struct session_entry *se, uint32_t to) {
    struct slice word = slice_text("MULTI");
    forward_args(e, se, to, &word, 1, false);
    for (uint32_t i = 0; i < se->s.queue_count; i++) send_forward(e, se, to, buf_slice_of(&se->s.queue[i].args), se->s.queue[i].argc, false);
    word = slice_text("EXEC");
    forward_args(e, se, to, &word, 1, true);
    session_discard(&se->s);
}

static bool queue_writes(const struct session *s) {
    for (uint32_t i = 0; i < s->queue_count; i++)
        if (s->queue[i].command->flags & CMD_WRITE) return true;
    return false;
}

static void stash(struct session_entry *se, const struct slice *argv, uint32_t argc) {
    buf_clear(&se->stash);
    args_put(&se->stash, argv, argc);
    se->stash_argc = argc;
}

static bool is(const struct command *cmd, const char *name) { return strcmp(cmd->name, name) == 0; }

bool forward_lost_transaction(struct session_entry *se, const struct command *cmd) {
    struct reply reply = reply_to(se);
    if (!se->pinned_lost || under_way(se)) return false;
    if (is(cmd, "reset") || is(cmd, "quit")) se->pinned_lost = false; /* a leader's own client has it too */
    if (is(cmd, "multi"))
        reply_ok(&reply);
    else if (is(cmd, "exec"))
        reply_null_array(&reply);
    else if (is(cmd, "discard") || is(cmd, "unwatch"))
        reply_ok(&reply);
    else if ((cmd->flags & (CMD_READ | CMD_WRITE)) || is(cmd, "watch")) {
        reply_error(&reply, "NOLEADER the leader that holds this transaction is gone: EXEC will answer nil");
        return true;
    } else {
        return false;
    }
    if (!is(cmd, "multi")) se->pinned_lost = false;
    return true;
}

static bool stays_here(const struct command *cmd) {
    return is(cmd, "quit") || is(cmd, "reset") || is(cmd, "hello") || is(cmd, "auth") || is(cmd, "client") || is(cmd, "select") ||
           is(cmd, "truce.losses") || is(cmd, "truce.ack") || is(cmd, "truce.read");
}

static void note_pin(struct session_entry *se, const struct command *cmd) {
    if (is(cmd, "multi")) se->pin_multi = true;
    if (is(cmd, "exec") || is(cmd, "discard")) se->pin_multi = false;
    if (is(cmd, "watch") || is(cmd, "multi")) se->pin_open = true;
    if (is(cmd, "exec") || is(cmd, "discard") || (is(cmd, "unwatch") && !se->pin_multi)) se->pin_open = false;
}

static size_t args_bytes(const struct slice *argv, uint32_t argc) {
    size_t n = 0;
    for (uint32_t i = 0; i < argc; i++) n += argv[i].n + 10;
    return n;
}

void forward_close(struct engine *e, struct session_entry *se) {
    if (!se->forward_session) return;
    struct message m = {.type = MESSAGE_FORWARD};
    m.forward.run = runs_with(e, se->forward_to);
    m.forward.session = se->forward_session;
    m.forward.request = se->forward_sent + 1;
    m.forward.protocol = se->s.protocol;
    m.forward.close = 1;
    links_send(e, se->forward_to, &m);
    close_channel(e, se);
}

/* What is under way on a channel is indeterminate: it may have happened, or may still. The leader forgets the channel. */
static void fail_requests(struct engine *e, struct session_entry *se) {
    struct reply reply = reply_to(se);
    size_t mark = se->s.out.n;
    const struct cluster_node *to = &e->cluster->nodes[se->forward_to];
    for (uint64_t r = se->forward_answered + 1; r <= se->forward_sent; r++)
        if (se->deliver[r % FORWARDS_MAX])
            reply_error(&reply, "INDETERMINATE %s, the leader of %s, did not answer in time: the write may have happened, or may still happen",
                        to->name, e->cluster->dcs[to->dc].name);
    ack_end(e, se, mark, NULL);
    se->pinned_lost = se->s.pinned && se->pin_open;
    forward_close(e, se);
}

static void fail_channel(struct engine *e, struct session_entry *se) {
    fail_requests(e, se);
    request_resume(e, se);
}

/* A command that does not reach the leader is refused, and with it the transaction that it belongs to: it is not carried out without it. */
static struct reply refusal(struct engine *e, struct session_entry *se, const struct command *cmd) {
    if (se->s.pinned && se->pin_open) fail_requests(e, se);
    if (is(cmd, "exec") || is(cmd, "discard") || is(cmd, "unwatch")) se->pinned_lost = false;
    return reply_to(se);
}

static bool is_near(const struct engine *e, uint32_t leader) { return leader != ELECTION_NOBODY && link_reachable(e, leader); }

void forward_no_leader(struct engine *e, struct reply *reply) {
    const char *dc = e->cluster->dcs[e->self_dc].name, *self = e->cluster->nodes[e->self].name;
    uint32_t missing = lead_waits_for(e);
    if (e->alone)
        reply_error(reply, "NOLEADER %s finds no majority of %s, and takes writes at level leader alone (TRUCE.ACK leader): nothing was written",
                    self, dc);
    else if (e->leader == ELECTION_NOBODY && missing != ELECTION_NOBODY)
        reply_error(reply, "NOLEADER %s is new, and its first leader is elected by all its nodes, but %s cannot be reached: nothing was written", dc,
                    e->cluster->nodes[missing].name);
    else if (e->leader == ELECTION_NOBODY)
        reply_error(reply, "NOLEADER %s has no leader that %s knows of: nothing was written", dc, self);
    else if (e->is_leader)
        reply_error(reply, "NOLEADER %s leads %s, but no majority has promised it the time that it needs: nothing was written", self, dc);
    else
        reply_error(reply, "NOLEADER %s, the leader of %s, cannot be reached from %s: nothing was written", e->cluster->nodes[e->leader].name, dc,
                    self);
}

bool forward_wait(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc) {
    if (!se->patience_us) se->patience_us = e->now.mono_us + LEADER_PATIENCE_US;
    if (e->now.mono_us >= se->patience_us) {
        se->patience_us = 0;
        return false;
    }
    stash(se, argv, argc);
    e->patient = true;
    return true;
}

/* Stashed requests try again when there is a leader, and once more when their patience is over. */
static void look_at_patient(struct engine *e) {
    struct session_entry *se, *next;
    bool ready = e->alone || (e->is_leader ? engine_leads(e) : is_near(e, e->leader));
    e->patient = false;
    HASH_ITER(hh, e->sessions, se, next) {
        if (!se->patience_us || !se->stash_argc || under_way(se)) continue;
        if (ready || e->now.mono_us >= se->patience_us)
            request_resume(e, se);
        else
            e->patient = true;
    }
}

bool forward_refused(struct engine *e, struct session_entry *se, const struct slice *argv, uint32_t argc) {
    if (under_way(se)) {
        stash(se, argv, argc);
        return true;
    }
    if (se->s.pinned && se->pin_open) fail_requests(e, se); /* the transaction at the leader is not carried out without it */
    return false;
}

bool forward_request(struct engine *e, struct session_entry *se, uint32_t to, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct session *s = &se->s;
    bool linearizable = s->read_level == READ_LINEARIZABLE;
    bool whole_queue = is(cmd, "exec") && s->multi && !s->multi_failed && (queue_writes(s) || linearizable);
    bool at_leader = command_writes(cmd, argv, argc) || is(cmd, "watch") || (linearizable && (cmd->flags & CMD_READ));
    bool wanted = to != e->self && (s->pinned ? !stays_here(cmd) : whole_queue || (at_leader && !s->multi));
    bool elsewhere = se->forward_session && se->forward_to != to;
    uint64_t room = FORWARDS_MAX - under_way(se), need = whole_queue ? (uint64_t)s->queue_count + 2 : 1;
    if (under_way(se) && (!wanted || elsewhere || need > room || se->pinned_lost)) {
        stash(se, argv, argc);
        return true;
    }
    if (is(cmd, "quit") || is(cmd, "reset")) {
        forward_close(e, se);
        se->pinned_lost = false;
    }
    if (!wanted) return false;
    if (elsewhere) forward_close(e, se);
    if (need > FORWARDS_MAX) {
        struct reply reply = reply_to(se);
        reply_error(&reply, "ERR a transaction through a follower holds at most %u commands", FORWARDS_MAX - 2);
        session_discard(s);
    } else if (!is_near(e, to)) {
        if (!(s->pinned && se->pin_open) && forward_wait(e, se, argv, argc)) return true;
        struct reply reply = refusal(e, se, cmd);
        if (to == e->leader)
            forward_no_leader(e, &reply);
        else
            reply_error(&reply, "NOLEADER the home of this key has no leader that can be reached from %s: nothing was written",
                        e->cluster->nodes[e->self].name);
        if (whole_queue) session_discard(s);
    } else if (args_bytes(argv, argc) > FORWARD_BYTES_MAX) {
        struct reply reply = refusal(e, se, cmd);
        reply_error(&reply, "ERR a request of more than %u bytes does not pass through a follower: send it to %s", FORWARD_BYTES_MAX,
                    e->cluster->nodes[to].name);
    } else if (whole_queue) {
        forward_queue(e, se, to);
    } else {
        if (is(cmd, "watch")) s->pinned = true;
        note_pin(se, cmd);
        forward_args(e, se, to, argv, argc, true);
    }
    return true;
}

void requests_answer(struct engine *e, uint32_t peer, const struct message *m) {
    struct session_entry *se;
    HASH_FIND(hh_channel, e->channels, &m->answer.session, sizeof m->answer.session, se);
    if (!se || peer != se->forward_to || m->answer.request <= se->forward_answered || m->answer.request > se->forward_sent) return;
    struct held_answer *h = xcalloc(1, sizeof *h);
    h->session = m->answer.session;
    h->request = m->answer.request;
    h->dot = m->answer.dot;
    h->wrote = m->answer.wrote;
    h->pinned = m->answer.pinned;
    buf_put(&h->reply, m->answer.reply.p, m->answer.reply.n);
    if (!e->held) e->held_end = &e->held;
    *e->held_end = h;
    e->held_end = &h->next;
}

static void give_answer(struct engine *e, struct session_entry *se, const struct held_answer *h) {
    se->forward_answered = h->request;
    se->forward_deadline_us = e->now.mono_us + patience(se);
    if (h->dot.n) se->s.last_write = h->dot;
    if (h->wrote) losses_note(e, se, h->dot);
    size_t mark = se->s.out.n;
    if (se->deliver[h->request % FORWARDS_MAX]) buf_put(&se->s.out, h->reply.p, h->reply.n);
    ack_end(e, se, mark, NULL); /* not before what this node has written for the same client */
    if (!under_way(se)) se->s.pinned = h->pinned;
    session_touch_out(e, se);
    if (se->stash_argc) request_resume(e, se);
}

static void free_held(struct held_answer *h) {
    buf_finish(&h->reply);
    free(h);
}

/* Gives the held answers whose turn it is and whose write is applied here. */
static bool give_answers(struct engine *e) {
    bool given = false;
    for (struct held_answer **at = &e->held; *at;) {
        struct held_answer *h = *at;
        struct session_entry *se;
        HASH_FIND(hh_channel, e->channels, &h->session, sizeof h->session, se);
        bool stale = !se || h->request <= se->forward_answered;
        bool due = !stale && h->request == se->forward_answered + 1 && (!h->dot.n || vv_covers(&e->vv, h->dot));
        if (!stale && !due) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        if (!h->next) e->held_end = at;
        if (due) give_answer(e, se, h);
        given |= due;
        free_held(h);
    }
    return given;
}

void forward_updates(struct engine *e) {
    while (e->held && give_answers(e)) {}
}

void forward_tick(struct engine *e) {
    struct session_entry *se, *next;
    if (e->patient) look_at_patient(e);
    HASH_ITER(hh_channel, e->channels, se, next) if (under_way(se) && e->now.mono_us >= se->forward_deadline_us) fail_channel(e, se);
}

uint64_t forward_wake_us(const struct engine *e) {
    if (e->patient) return e->now.mono_us + 20000;
    return e->channels ? e->now.mono_us + FORWARD_TIMEOUT_US / 4 : UINT64_MAX;
}

void forward_finish(struct engine *e) {
    for (struct held_answer *h = e->held, *next; h; h = next) {
        next = h->next;
        free_held(h);
    }
}

/* ---- at the leader ---- */

static struct session_entry *find_remote(struct engine *e, uint32_t peer, uint64_t session) {
    uint64_t key[2] = {peer, session};
    struct session_entry *se;
    HASH_FIND(hh_channel, e->remotes, key, sizeof key, se);
    return se;
}

static struct session_entry *add_remote(struct engine *e, uint32_t peer, uint64_t session) {
    struct session_entry *se = session_create(e, ++e->remote_ids);
    se->s.remote = se->s.authenticated = true; /* the follower has checked */
    se->remote_key[0] = peer;
    se->remote_key[1] = session;
    HASH_ADD(hh_channel, e->remotes, remote_key, sizeof se->remote_key, se);
    return se;
}

static void remove_remote(struct engine *e, struct session_entry *se) {
    ack_close(e, se);
    if (se->s.wait != WAIT_NOTHING) e->waits--;
    HASH_DELETE(hh_channel, e->remotes, se);
    session_destroy(se);
}

void remote_send_answer(struct engine *e, struct session_entry *se, const struct remote_answer *a) {
    struct message m = {.type = MESSAGE_ANSWER};
    m.answer.session = se->remote_key[1];
    m.answer.request = a->request;
    m.answer.pinned = a->pinned;
    m.answer.dot = a->dot;
    m.answer.wrote = a->wrote;
    m.answer.reply = a->reply;
    links_send(e, (uint32_t)se->remote_key[0], &m);
}

static void remote_answer(struct engine *e, struct session_entry *se) {
    if (se->s.out.n > FORWARD_BYTES_MAX) {
        struct reply reply = reply_to(se);
        buf_clear(&se->s.out);
        reply_error(&reply, "ERR the command was carried out, but its reply is larger than the %u bytes that pass through a follower",
                    FORWARD_BYTES_MAX);
    }
    struct remote_answer a = {.request = se->remote_last, .pinned = se->s.multi || se->s.watches_count, .dot = engine_last_dot(e)};
    a.wrote = a.dot.n && dot_equal(se->s.last_write, a.dot);
    a.reply = buf_slice_of(&se->s.out);
    if (!ack_end(e, se, 0, &a)) remote_send_answer(e, se, &a);
    buf_clear(&se->s.out);
}

static void run_queued(struct engine *e, struct session_entry *se) {
    while (se->remote_queue && se->remote_queue->request == se->remote_last + 1 && !session_busy(se)) {
        if (!engine_leads(e)) {
            e->remotes_wait = true;
            return;
        }
        struct remote_request *r = se->remote_queue;
        if (!vv_includes(&e->vv, &r->vv)) { /* it comes: from that follower, if from nobody else */
            e->remotes_wait = true;
            return;
        }
        se->remote_queue = r->next;
        se->remote_queued--;
        se->remote_last = r->request;
        se->s.protocol = r->protocol;
        se->s.ack = r->ack;
        se->s.read_level = r->reads;
        struct slice *argv = xmalloc(r->argc * sizeof *argv);
        memcpy(argv, args_of(e, buf_slice_of(&r->args), r->argc), r->argc * sizeof *argv);
        request_run(e, se, argv, r->argc);
        free(argv);
        buf_finish(&r->args);
        vv_finish(&r->vv);
        free(r);
        if (!session_busy(se)) remote_answer(e, se);
    }
}

void remote_done(struct engine *e, struct session_entry *se) {
    remote_answer(e, se);
    run_queued(e, se);
}

static void enqueue(struct session_entry *se, const struct message *m) {
    struct remote_request **at = &se->remote_queue;
    while (*at && (*at)->request < m->forward.request) at = &(*at)->next;
    if ((*at && (*at)->request == m->forward.request) || se->remote_queued >= FORWARDS_MAX) return;
    struct remote_request *r = xcalloc(1, sizeof *r);
    *r = (struct remote_request){.next = *at, .request = m->forward.request, .argc = m->forward.argc, .protocol = m->forward.protocol};
    r->ack = m->forward.ack;
    r->reads = m->forward.reads;
    vv_copy(&r->vv, &m->forward.vv);
    buf_put(&r->args, m->forward.args.p, m->forward.args.n);
    *at = r;
    se->remote_queued++;
}

void requests_forward(struct engine *e, uint32_t peer, const struct message *m) {
    if (!e->is_leader || m->forward.run != runs_with(e, peer)) return;
    struct session_entry *se = find_remote(e, peer, m->forward.session);
    if (m->forward.close) {
        if (se) remove_remote(e, se);
        return;
    }
    if (m->forward.argc == 0 || (se && m->forward.request <= se->remote_last)) return;
    if (!se) { /* channels rise: one that is not above all is an old one, closed before */
        if (m->forward.session <= e->links[peer].channel_last) return;
        e->links[peer].channel_last = m->forward.session;
        se = add_remote(e, peer, m->forward.session);
    }
    enqueue(se, m);
    run_queued(e, se);
}

void forward_leader_gone(struct engine *e, uint32_t leader) {
    struct session_entry *se, *next;
    HASH_ITER(hh_channel, e->channels, se, next) if (se->forward_to == leader) fail_channel(e, se);
}

void requests_lead(struct engine *e) {
    struct session_entry *se, *next;
    e->remotes_wait = false;
    HASH_ITER(hh_channel, e->remotes, se, next) run_queued(e, se);
}

/* Followers learn of it by themselves, and what they had sent is indeterminate; transactions of own clients that had begun end in nil. */
void requests_deposed(struct engine *e) {
    struct session_entry *se, *next;
    ack_deposed(e);
    HASH_ITER(hh_channel, e->remotes, se, next) remove_remote(e, se);
    HASH_ITER(hh, e->sessions, se, next) {
        if (!se->s.watches_count) continue;
        session_discard(&se->s);
        se->pinned_lost = true;
    }
}

void requests_peer_lost(struct engine *e, uint32_t peer) {
    struct session_entry *se, *next;
    HASH_ITER(hh_channel, e->remotes, se, next) if (se->remote_key[0] == peer) remove_remote(e, se);
    forward_leader_gone(e, peer);
}
