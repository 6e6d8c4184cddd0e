/* Quorum reads: a read asks a majority of the datacenter's nodes for its rows and is answered from their join (DESIGN, section 7). With writes that
 * wait for a majority it sees each of them that was acknowledged before it began.
 *
 * A row is never written ahead of its VV: the join is for this one answer. Whoever told less than it is told what VV it comes from, and fetches. */
#include "asking.h"
#include <stdio.h>

#define QUORUM_PATIENCE_US 2000000u
#define FETCH_TRIES_US     10000000u /* what is not there after so long is not fetched by asking again */

struct overlay {
    struct stored_row **rows;
    uint32_t count;
};

struct quorum_job {
    struct rows_job base;
    struct question *q;
    struct buf args;
    uint32_t argc, members, wanted;
    uint64_t deadline_us;
};

static struct quorum_job *of(struct rows_job *j) { return (struct quorum_job *)j; }

/* ---- which rows ---- */

/* The keys of a request, as arguments first, first + step ... last; false: it names none. */
static bool find_keys(const struct command *cmd, const struct slice *argv, uint32_t argc, uint32_t *first, uint32_t *last, uint32_t *step) {
    *first = (uint32_t)cmd->first_key;
    *step = (uint32_t)cmd->key_step;
    *last = cmd->last_key < 0 ? argc - (uint32_t)-cmd->last_key : (uint32_t)cmd->last_key;
    if (cmd->first_key) return true;
    int64_t count;
    if (strcmp(cmd->name, "sintercard") != 0 || !parse_integer(argv[1], &count) || count < 1 || count > (int64_t)argc - 2) return false;
    *first = 2;
    *last = 1 + (uint32_t)count;
    *step = 1;
    return true;
}

static bool is_quorum_read(const struct session *s, const struct command *cmd) {
    return s->read_level == READ_QUORUM && (cmd->flags & CMD_READ) && !(cmd->flags & CMD_WRITE) && !s->multi && strcmp(cmd->group, "truce") != 0;
}

/* ---- the join ---- */

/* A row as it would be in memory; nobody keeps it. */
static struct stored_row *make_row(struct engine *e, struct slice key, const struct row *r) {
    struct buf bytes = {0};
    if (r->cells_count) row_encode(r, e->origins, &bytes);
    struct stored_row *row = xmalloc(sizeof *row + key.n + bytes.n);
    bool live = row_live(r);
    *row = (struct stored_row){.hash = hash64(key),
                               .facts = {.digest = row_digest(key, r, e->origins), .live = live, .expires_ms = live ? row_expires_ms(r) : 0},
                               .key_bytes = (uint32_t)key.n,
                               .row_bytes = (uint32_t)bytes.n};
    memcpy(row->bytes, key.p, key.n);
    if (bytes.n) memcpy(row->bytes + key.n, bytes.p, bytes.n);
    buf_finish(&bytes);
    return row;
}

/* The i-th key's row from all that told well; NULL: what was told is damaged. */
static struct stored_row *join_row(struct engine *e, const struct question *q, uint32_t i, struct slice key) {
    struct row sum = {0}, part = {0}, joined = {0};
    struct vv vv = {0};
    bool good = true;
    for (uint32_t n = 0; n < q->nodes_count && good; n++) {
        const struct told *t = &q->told[n];
        if (!told_well(t)) continue;
        good = tell_decode(e, told_arg(t, i), &part);
        if (!good) break;
        row_join(&sum, &vv, &part, &t->vv, &joined, e->origins);
        vv_join(&vv, &t->vv);
        struct row swap = sum;
        sum = joined;
        joined = swap;
    }
    struct stored_row *row = good ? make_row(e, key, &sum) : NULL;
    row_finish(&sum);
    row_finish(&part);
    row_finish(&joined);
    vv_finish(&vv);
    return row;
}

static uint64_t term_told(struct engine *e, struct slice key, struct slice state) {
    return tell_decode(e, state, &e->row_told) ? row_digest(key, &e->row_told, e->origins) : 0;
}

/* Whoever told another state than the join lacks events that somebody has. */
static void let_stale_fetch(struct engine *e, const struct question *q, const struct overlay *o) {
    struct message m = {.type = MESSAGE_ROW_ASK};
    m.row_ask.what = ROW_ASK_FETCH;
    for (uint32_t n = 0; n < q->nodes_count; n++)
        if (told_well(&q->told[n])) vv_join(&m.row_ask.vv, &q->told[n].vv);
    for (uint32_t n = 0; n < q->nodes_count; n++) {
        bool stale = false;
        for (uint32_t i = 0; i < o->count && told_well(&q->told[n]) && !stale; i++)
            stale = term_told(e, stored_key(o->rows[i]), told_arg(&q->told[n], i)) != o->rows[i]->facts.digest;
        if (stale && n == e->self)
            quorum_fetch(e, &m.row_ask.vv);
        else if (stale)
            links_send(e, n, &m);
    }
    message_finish(&m);
}

const struct stored_row *quorum_row(const struct engine *e, uint64_t hash, struct slice key) {
    for (uint32_t i = 0; i < e->overlay->count; i++)
        if (e->overlay->rows[i]->hash == hash && slice_equal(stored_key(e->overlay->rows[i]), key)) return e->overlay->rows[i];
    return NULL;
}

/* The command runs as if the joined rows were this node's. */
static void run_over(struct session_entry *se, struct quorum_job *j, const struct overlay *o) {
    struct engine *e = j->base.e;
    struct slice *argv = xmalloc(j->argc * sizeof *argv);
    memcpy(argv, args_of(e, buf_slice_of(&j->args), j->argc), j->argc * sizeof *argv);
    e->overlay = o;
    request_carry_out(e, se, command_find(argv[0]), argv, j->argc);
    e->overlay = NULL;
    free(argv);
}

static void answer(struct session_entry *se, struct quorum_job *j) {
    struct engine *e = j->base.e;
    struct overlay o = {.rows = xcalloc(j->q->argc, sizeof *o.rows)};
    struct reader r = reader_of(buf_slice_of(&j->q->args));
    bool good = true;
    for (; o.count < j->q->argc && good; o.count++) {
        o.rows[o.count] = join_row(e, j->q, o.count, read_slice(&r));
        good = o.rows[o.count] != NULL;
    }
    if (good) {
        let_stale_fetch(e, j->q, &o);
        run_over(se, j, &o);
    } else {
        struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
        reply_error(&reply, "ERR a row that another node told is damaged: TRUCE.VERIFY tells which");
    }
    for (uint32_t i = 0; i < o.count; i++) free(o.rows[i]);
    free(o.rows);
}

/* ---- the job ---- */

static void finish(struct rows_job *base) {
    struct quorum_job *j = of(base);
    question_destroy(j->q);
    buf_finish(&j->args);
    free(j);
}

static bool step(struct session_entry *se) {
    struct quorum_job *j = of(se->rows_job);
    struct engine *e = j->base.e;
    uint32_t well = 0;
    bool too_large = false, all = question_answered(j->q);
    for (uint32_t i = 0; i < j->q->nodes_count; i++) {
        well += told_well(&j->q->told[i]);
        too_large |= j->q->told[i].came && j->q->told[i].outcome == ROW_TOO_LARGE;
    }
    if (well >= j->wanted) {
        answer(se, j);
        return true;
    }
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    if (too_large) {
        reply_error(&reply, "ERR a quorum read takes at most %u bytes of rows", ASK_BYTES_MAX);
        return true;
    }
    j->base.wake_us = question_wake_us(j->q) < j->deadline_us ? question_wake_us(j->q) : j->deadline_us;
    if (!all && e->now.mono_us < j->deadline_us) return false;
    reply_error(&reply, "NOQUORUM %u of %u nodes of %s answered, and %u are needed: try again, or read with TRUCE.READ local", well, j->members,
                e->cluster->dcs[e->self_dc].name, j->wanted);
    return true;
}

bool quorum_read(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    uint32_t first, last, each;
    bool nodes[NODES_MAX];
    if (!is_quorum_read(&se->s, cmd) || !find_keys(cmd, argv, argc, &first, &last, &each)) return false;
    uint32_t members = nodes_to_ask(e, e->self_dc, nodes);
    if (members < 2) return false;
    struct quorum_job *j = xcalloc(1, sizeof *j);
    j->base.step = step;
    j->base.finish = finish;
    j->members = members;
    j->wanted = bug(e, BUG_QUORUM_OF_ONE) ? 1 : members / 2 + 1;
    j->deadline_us = e->now.mono_us + QUORUM_PATIENCE_US;
    j->argc = argc;
    args_put(&j->args, argv, argc);
    j->q = question_create(e, ROW_ASK_STATES);
    j->q->from = tell_voters(e);
    for (uint32_t i = first; i <= last; i += each) question_add(j->q, argv[i]);
    if (j->q->args.n > ASK_BYTES_MAX) {
        struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
        reply_error(&reply, "ERR a quorum read takes at most %u bytes of keys", ASK_BYTES_MAX);
        finish(&j->base);
        return true;
    }
    question_ask(j->q, nodes);
    rows_job_begin(e, se, &j->base);
    return true;
}

/* ---- fetching ---- */

/* Events on their way come by themselves; what is still lacking after a while is asked for again. */
void quorum_fetch(struct engine *e, const struct vv *vv) {
    if (vv_includes(&e->vv, vv)) return;
    if (!e->fetch_us) e->fetch_us = e->fetch_since_us = e->now.mono_us;
    vv_join(&e->fetch, vv);
}

void fetch_tick(struct engine *e) {
    if (!e->fetch_us || e->now.mono_us - e->fetch_us < LOSS_PATIENCE_US) return;
    uint32_t lacking = 0;
    for (origin_ref o = 0; o < e->fetch.len; o++) {
        if (vv_get(&e->fetch, o) <= vv_get(&e->vv, o)) continue;
        int32_t dc = engine_source(e, o)->dc;
        lacking |= dc < 0 ? SCOPE_ALL : UINT32_C(1) << dc;
    }
    e->fetch_us = e->now.mono_us;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].lost_dcs |= lacking;
    if (lacking && e->now.mono_us - e->fetch_since_us < FETCH_TRIES_US) return;
    e->fetch_us = 0;
    vv_clear(&e->fetch);
}
