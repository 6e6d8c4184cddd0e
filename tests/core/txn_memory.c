#include "txn_memory.h"
#include "../../dc-node/core/engine.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint64_t hash;
    struct buf key, content; /* content.n == 0: deleted */
};
struct undo {
    struct buf key, content;
};
struct txn {
    struct row *rows; /* by hash and key */
    size_t n, cap;
    struct undo *undos;
    size_t undos_n, undos_cap;
};
struct engine {
    int unused;
};

static struct txn rows;
static struct engine engine;
static struct session *sessions[64];
static size_t sessions_n;
static uint64_t next_session;
static struct prng prng;
struct cluster memory_cluster;
uint64_t memory_now_ms;
bool memory_full, memory_shutdown;

#define CLOCK_START_MS UINT64_C(1700000000000)

/* ---- rows ---- */

/* Where a row is, or belongs. */
static size_t place_of(struct txn *t, struct slice key, bool *ret_found) {
    uint64_t hash = hash64(key);
    size_t low = 0, high = t->n;
    *ret_found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct row *r = &t->rows[middle];
        int order = r->hash < hash ? -1 : r->hash > hash ? 1 : slice_compare(buf_slice_of(&r->key), key);
        if (order == 0) *ret_found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool visible(const struct row *r) {
    if (r->content.n == 0) return false;
    uint64_t expires_ms = content_expires_ms(buf_slice_of(&r->content));
    return expires_ms == 0 || expires_ms > memory_now_ms;
}

struct slice txn_get(struct txn *t, struct slice key) {
    bool found;
    size_t at = place_of(t, key, &found);
    return found && visible(&t->rows[at]) ? buf_slice_of(&t->rows[at].content) : (struct slice){0};
}

/* Takes `content`. The old one is freed, so that whoever still reads it is found out. */
static void put(struct txn *t, struct slice key, struct buf content, struct buf *ret_old) {
    bool found;
    size_t at = place_of(t, key, &found);
    if (!found) {
        if (t->n == t->cap) t->rows = xrealloc(t->rows, (t->cap = t->cap * 2 + 16) * sizeof *t->rows);
        memmove(t->rows + at + 1, t->rows + at, (t->n++ - at) * sizeof *t->rows);
        t->rows[at] = (struct row){.hash = hash64(key)};
        buf_put(&t->rows[at].key, key.p, key.n);
    }
    if (ret_old)
        *ret_old = t->rows[at].content;
    else
        buf_finish(&t->rows[at].content);
    t->rows[at].content = content;
}

static bool change(struct txn *t, struct slice key, struct buf content) {
    if (memory_full || key.n > KEY_BYTES_MAX || key.n + content.n > ROW_BYTES_MAX) {
        buf_finish(&content);
        return false;
    }
    assert(content.n == 0 || content_check(buf_slice_of(&content)));
    if (t->undos_n == t->undos_cap) t->undos = xrealloc(t->undos, (t->undos_cap = t->undos_cap * 2 + 16) * sizeof *t->undos);
    struct undo *u = &t->undos[t->undos_n++];
    *u = (struct undo){0};
    struct buf old, copy = {0};
    buf_put(&u->key, key.p, key.n);
    put(t, key, content, &old);
    buf_put(&copy, old.p, old.n); /* a fresh copy, as the old bytes have to die now */
    u->content = copy;
    buf_finish(&old);
    return true;
}

bool txn_merges(struct txn *t, struct slice key) {
    (void)t, (void)key;
    return false;
}

const char *txn_refusal(const struct txn *t) { return "a row is at most 1048576 bytes"; }

bool txn_set_content(struct txn *t, struct slice key, struct slice content) {
    struct buf b = {0};
    buf_put(&b, content.p, content.n);
    return change(t, key, b);
}

bool txn_set_string(struct txn *t, struct slice key, struct slice value, uint64_t expires_ms) {
    struct buf b = {0};
    content_make_string(&b, expires_ms, value);
    return change(t, key, b);
}

bool txn_delete(struct txn *t, struct slice key) { return change(t, key, (struct buf){0}); }

bool txn_set_column(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice value) {
    struct buf b = {0};
    content_with_column(&b, txn_get(t, key), type, name, value);
    return change(t, key, b);
}

bool txn_remove_column(struct txn *t, struct slice key, struct slice name) {
    struct buf b = {0};
    content_without_column(&b, txn_get(t, key), name);
    return change(t, key, b);
}

bool txn_set_columns(struct txn *t, struct slice key, enum content_type type, const struct content_column *columns, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!txn_set_column(t, key, type, columns[i].name, columns[i].value)) return false; /* undone with the command */
    return true;
}

/* The names may lie in the row itself. */
bool txn_remove_columns(struct txn *t, struct slice key, const struct slice *names, size_t count) {
    struct buf copies = {0};
    bool done = true;
    for (size_t i = 0; i < count; i++) buf_slice(&copies, names[i]);
    struct reader r = reader_of(buf_slice_of(&copies));
    while (done && r.p < r.end) {
        struct slice name = read_slice(&r);
        done = txn_get(t, key).n == 0 || txn_remove_column(t, key, name);
    }
    buf_finish(&copies);
    return done;
}

bool txn_set_expiry(struct txn *t, struct slice key, uint64_t expires_ms) {
    struct buf b = {0};
    content_with_expiry(&b, txn_get(t, key), expires_ms);
    return change(t, key, b);
}

bool txn_add(struct txn *t, struct slice key, enum content_type type, struct slice name, struct slice amount, struct slice sum) {
    if (type != CONTENT_STRING) return txn_set_column(t, key, type, name, sum);
    struct slice old = txn_get(t, key);
    return txn_set_string(t, key, sum, old.n ? content_expires_ms(old) : 0);
}

uint64_t txn_scan(struct txn *t, uint64_t from, uint32_t keys_max, void (*each)(void *arg, struct slice key, struct slice content), void *arg) {
    uint32_t given = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct row *r = &t->rows[i];
        if (r->hash < from || !visible(r)) continue;
        if (given >= keys_max && r->hash != t->rows[i - 1].hash) return r->hash;
        each(arg, buf_slice_of(&r->key), buf_slice_of(&r->content));
        given++;
    }
    return 0;
}

uint64_t txn_count(struct txn *t) { return memory_rows(); }

size_t memory_rows(void) {
    size_t n = 0;
    for (size_t i = 0; i < rows.n; i++) n += visible(&rows.rows[i]);
    return n;
}

/* ---- the engine's side ---- */

static void undo_to(struct txn *t, size_t mark, bool apply) {
    while (t->undos_n > mark) {
        struct undo *u = &t->undos[--t->undos_n];
        if (apply)
            put(t, buf_slice_of(&u->key), u->content, NULL);
        else
            buf_finish(&u->content);
        buf_finish(&u->key);
    }
}

static void run(struct session *s, const struct command *command, const struct slice *argv, uint32_t argc) {
    struct reply reply = {.out = &s->out, .protocol = s->protocol};
    struct call c = {
        .engine = &engine, .session = s, .txn = &rows, .reply = &reply, .argv = argv, .argc = argc, .now_ms = memory_now_ms, .prng = &prng};
    size_t mark = rows.undos_n;
    command->run(&c);
    if (reply.failed) undo_to(&rows, mark, true);
}

static void queue(struct session *s, const struct command *command, const struct slice *argv, uint32_t argc) {
    s->queue = xrealloc(s->queue, (s->queue_count + 1) * sizeof *s->queue);
    struct queued *q = &s->queue[s->queue_count++];
    *q = (struct queued){.argc = argc, .command = command};
    for (uint32_t i = 0; i < argc; i++) buf_slice(&q->args, argv[i]);
    buf_text(&s->out, "+QUEUED\r\n");
}

void memory_run(struct session *s, const struct slice *argv, uint32_t argc) {
    struct reply reply = {.out = &s->out, .protocol = s->protocol};
    struct call c = {.engine = &engine, .session = s, .reply = &reply, .argv = argv, .argc = argc};
    const struct command *command = command_find(argv[0]);
    if (command == NULL)
        reply_unknown_command(&c);
    else if (command->arity >= 0 ? argc != (uint32_t)command->arity : argc < (uint32_t)-command->arity)
        reply_wrong_arity(&c);
    else if (!s->authenticated && !(command->flags & CMD_NO_AUTH))
        reply_error(&reply, "NOAUTH Authentication required.");
    else if (s->multi && !(command->flags & CMD_NO_QUEUE))
        queue(s, command, argv, argc);
    else
        run(s, command, argv, argc);
    if (s->multi && reply.failed) s->multi_failed = true;
    undo_to(&rows, 0, false);
}

void session_watch(struct call *c, struct slice key) {
    struct session *s = c->session;
    s->watches = xrealloc(s->watches, (s->watches_count + 1) * sizeof *s->watches);
    struct watched *w = &s->watches[s->watches_count++];
    struct slice content = txn_get(c->txn, key);
    *w = (struct watched){.state = hash64(content), .absent = content.n == 0};
    buf_put(&w->key, key.p, key.n);
}

void session_unwatch(struct session *s) {
    for (uint32_t i = 0; i < s->watches_count; i++) buf_finish(&s->watches[i].key);
    free(s->watches);
    s->watches = NULL;
    s->watches_count = 0;
}

static void drop_queue(struct session *s) {
    for (uint32_t i = 0; i < s->queue_count; i++) buf_finish(&s->queue[i].args);
    free(s->queue);
    s->queue = NULL;
    s->queue_count = 0;
    s->multi = s->multi_failed = false;
}

void session_discard(struct session *s) {
    drop_queue(s);
    session_unwatch(s);
}

void session_exec(struct call *c) {
    struct session *s = c->session;
    bool changed = false;
    for (uint32_t i = 0; i < s->watches_count; i++) changed |= hash64(txn_get(c->txn, buf_slice_of(&s->watches[i].key))) != s->watches[i].state;
    session_unwatch(s);
    if (changed) {
        drop_queue(s);
        reply_null_array(c->reply);
        return;
    }
    struct session all = *s; /* the queue is its own now: what it runs may look at the session */
    s->queue = NULL;
    s->queue_count = 0;
    s->multi = false;
    reply_array(c->reply, all.queue_count);
    for (uint32_t i = 0; i < all.queue_count; i++) {
        struct queued *q = &all.queue[i];
        struct reader r = reader_of(buf_slice_of(&q->args));
        struct slice *argv = xmalloc(q->argc * sizeof *argv);
        for (uint32_t k = 0; k < q->argc; k++) argv[k] = read_slice(&r);
        run(s, q->command, argv, q->argc);
        free(argv);
        buf_finish(&q->args);
    }
    free(all.queue);
}

void session_wait(struct call *c, uint32_t replicas, uint64_t timeout_ms) { reply_integer(c->reply, 0); }
void session_wait_token(struct call *c, struct slice token, uint32_t dcs, uint64_t timeout_ms) { reply_integer(c->reply, 1); }

static void delete_seen(void *keys, struct slice key, struct slice content) { buf_slice(keys, key); }

void session_flush_all(struct call *c) {
    struct buf keys = {0};
    txn_scan(c->txn, 0, UINT32_MAX, delete_seen, &keys);
    struct reader r = reader_of(buf_slice_of(&keys));
    while (r.p < r.end) txn_delete(c->txn, read_slice(&r));
    buf_finish(&keys);
    reply_ok(c->reply);
}

uint32_t engine_sessions_count(const struct engine *e) { return (uint32_t)sessions_n; }
void engine_each_session(struct engine *e, void (*each)(void *arg, const struct session *s), void *arg) {
    for (size_t i = 0; i < sessions_n; i++) each(arg, sessions[i]);
}
void engine_shutdown(struct engine *e) { memory_shutdown = true; }
void engine_status(struct engine *e, struct buf *out) { buf_text(out, "{\"node\":\"us-1\"}"); }
void engine_reply_token(struct call *c) { reply_text(c->reply, "-"); }
void engine_conflicts(struct call *c) { reply_array(c->reply, 0); }
void engine_resolve(struct call *c) { reply_error(c->reply, "ERR there are no conflicts here"); }
void engine_explain(struct call *c) { reply_text(c->reply, ""); }
void engine_read(struct call *c) { reply_ok(c->reply); }
void engine_lead(struct call *c) { reply_ok(c->reply); }
void engine_ack(struct call *c) { reply_ok(c->reply); }
void engine_log(struct call *c) { reply_array(c->reply, 0); }
void engine_losses(struct call *c) { reply_array(c->reply, 0); }
void session_losses_off(struct call *c) {}
void engine_table(struct call *c) { reply_array(c->reply, 0); }
void engine_priority(struct call *c) { reply_integer(c->reply, 0); }
void engine_mark(struct call *c) { reply_ok(c->reply); }
void engine_members(struct call *c) { reply_ok(c->reply); }
void engine_verify(struct call *c) { reply_array(c->reply, 0); }
void engine_repair(struct call *c) { reply_array(c->reply, 0); }
void engine_reply_context(struct call *c) { reply_text(c->reply, "-"); }
void engine_reply_handlers(struct call *c) { reply_array(c->reply, 0); }
void engine_reply_siblings(struct call *c) { reply_array(c->reply, 0); }
void engine_with_context(struct call *c) { reply_error(c->reply, "ERR there are no siblings here"); }
void engine_get_figures(const struct engine *e, struct engine_figures *ret) {
    *ret = (struct engine_figures){.cluster = &memory_cluster, .is_leader = true, .leader = "us-1", .uptime_ms = 5000, .rows = memory_rows()};
}

/* ---- sessions ---- */

struct session *memory_open(void) {
    struct session *s = xcalloc(1, sizeof *s);
    assert(sessions_n < sizeof sessions / sizeof *sessions);
    sessions[sessions_n++] = s;
    s->id = ++next_session;
    s->protocol = 2;
    s->opened_ms = memory_now_ms;
    s->authenticated = !*memory_cluster.password;
    snprintf(s->address, sizeof s->address, "127.0.0.1:50000");
    return s;
}

void memory_close(struct session *s) {
    size_t at = 0;
    while (sessions[at] != s) at++;
    sessions[at] = sessions[--sessions_n];
    session_discard(s);
    buf_finish(&s->out);
    free(s);
}

void memory_reset(void) {
    while (sessions_n) memory_close(sessions[0]);
    for (size_t i = 0; i < rows.n; i++) {
        buf_finish(&rows.rows[i].key);
        buf_finish(&rows.rows[i].content);
    }
    free(rows.rows);
    free(rows.undos);
    rows = (struct txn){0};
    memset(&memory_cluster, 0, sizeof memory_cluster);
    snprintf(memory_cluster.name, sizeof memory_cluster.name, "test");
    snprintf(memory_cluster.dcs[0].name, sizeof memory_cluster.dcs[0].name, "us");
    snprintf(memory_cluster.nodes[0].name, sizeof memory_cluster.nodes[0].name, "us-1");
    memory_cluster.nodes[0].client_port = 7001;
    memory_cluster.dcs_count = memory_cluster.nodes_count = memory_cluster.dcs[0].nodes_count = 1;
    memory_now_ms = CLOCK_START_MS;
    memory_full = memory_shutdown = false;
    next_session = 0;
    prng_seed(&prng, 1);
}
