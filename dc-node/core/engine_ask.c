/* Questions to nodes about rows: who is asked, asking again, what was told. */
#include "asking.h"

#define ASK_AGAIN_US 500000u

struct question *question_create(struct engine *e, enum row_ask what) {
    struct question *q = xcalloc(1, sizeof *q + e->cluster->nodes_count * sizeof *q->told);
    q->e = e;
    q->what = what;
    q->to = UINT64_MAX;
    q->nodes_count = e->cluster->nodes_count;
    return q;
}

static void forget_told(struct told *t) {
    vv_finish(&t->vv);
    buf_finish(&t->args);
    *t = (struct told){0};
}

static void close_question(struct question *q) {
    if (q->id) HASH_DELETE(hh, q->e->questions, q);
    for (uint32_t i = 0; i < q->nodes_count; i++) forget_told(&q->told[i]);
    q->id = 0;
}

void question_destroy(struct question *q) {
    if (!q) return;
    close_question(q);
    vv_finish(&q->vv);
    buf_finish(&q->args);
    free(q);
}

void question_add(struct question *q, struct slice arg) {
    buf_slice(&q->args, arg);
    q->argc++;
}

/* ---- asking ---- */

static void fill(const struct question *q, struct message *m) {
    memset(m, 0, sizeof *m);
    m->type = MESSAGE_ROW_ASK;
    m->row_ask.ask = q->id;
    m->row_ask.what = (uint8_t)q->what;
    m->row_ask.from = q->from;
    m->row_ask.to = q->to;
    m->row_ask.vv = q->vv;
    m->row_ask.argc = q->argc;
    m->row_ask.args = buf_slice_of(&q->args);
}

static void take(struct question *q, uint32_t node, const struct message *m) {
    struct told *t = &q->told[node];
    t->came = true;
    t->outcome = (enum row_outcome)m->row_told.outcome;
    t->upto = m->row_told.upto;
    vv_copy(&t->vv, &m->row_told.vv);
    buf_clear(&t->args);
    buf_put(&t->args, m->row_told.args.p, m->row_told.args.n);
    t->argc = m->row_told.argc;
}

static void ask_self(struct question *q) {
    struct engine *e = q->e;
    struct message ask, told;
    struct buf args = {0};
    fill(q, &ask);
    tell(e, &ask, &told, &args);
    told.row_told.args = buf_slice_of(&args);
    take(q, e->self, &told);
    buf_finish(&args);
}

static void send_to(struct question *q, uint32_t node) {
    struct message m;
    fill(q, &m);
    links_send(q->e, node, &m);
}

void question_ask(struct question *q, const bool *nodes) {
    struct engine *e = q->e;
    close_question(q);
    q->id = ++e->question_ids;
    q->asked_us = e->now.mono_us;
    q->again_us = e->now.mono_us + ASK_AGAIN_US;
    HASH_ADD(hh, e->questions, id, sizeof q->id, q);
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        if (!nodes[i]) continue;
        q->told[i].asked = true;
        if (i == e->self)
            ask_self(q);
        else
            send_to(q, i);
    }
}

bool question_answered(struct question *q) {
    bool again = q->e->now.mono_us >= q->again_us, all = true;
    for (uint32_t i = 0; i < q->nodes_count; i++) {
        if (!q->told[i].asked || q->told[i].came) continue;
        all = false;
        if (again) send_to(q, i);
    }
    if (again) q->again_us = q->e->now.mono_us + ASK_AGAIN_US;
    return all;
}

uint64_t question_wake_us(const struct question *q) { return q->again_us; }

void question_give_up(struct question *q, uint32_t node) {
    if (node < q->nodes_count) forget_told(&q->told[node]);
}

uint32_t nodes_to_ask(const struct engine *e, uint32_t dc, bool *ret) {
    uint32_t members = 0;
    memset(ret, 0, NODES_MAX * sizeof *ret);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct cluster_node *n = &e->cluster->nodes[i];
        bool counts = dc == DCS_MAX ? n->standing != STANDING_REMOVED && n->standing != STANDING_ABSENT : cluster_is_member(e->cluster, i);
        if (!counts || (dc != DCS_MAX && n->dc != dc)) continue;
        members++;
        ret[i] = i == e->self || link_reachable(e, i);
    }
    return members;
}

/* ---- what was told ---- */

struct slice told_arg(const struct told *t, uint32_t i) {
    struct reader r = reader_of(buf_slice_of(&t->args));
    struct slice found = {0};
    for (uint32_t k = 0; k <= i; k++) found = read_slice(&r);
    return found;
}

uint64_t told_u64(struct slice arg, uint32_t i) {
    struct reader r = reader_of(SLICE(arg.p + 8 * (size_t)i, 8));
    return read_u64(&r);
}

/* Is the answer of the form that the question wants? A node of another make might tell anything. */
static bool fits(const struct question *q, const struct message *m) {
    if (m->row_told.what != q->what || m->row_told.upto < q->from || m->row_told.upto > q->to) return false;
    if (m->row_told.outcome != ROW_DONE) return true;
    bool list = q->what == ROW_ASK_LIST;
    uint32_t argc = q->what == ROW_ASK_PARTS ? 1 : q->what == ROW_ASK_REPLACE ? 0 : q->argc;
    size_t width = q->what == ROW_ASK_PARTS ? 8 * (1 + ROW_PARTS) : q->what == ROW_ASK_TERMS ? 16 : 0;
    if (list ? m->row_told.argc % 2 != 0 : m->row_told.argc != argc) return false;
    struct reader r = reader_of(m->row_told.args);
    for (uint32_t i = 0; i < m->row_told.argc; i++) {
        struct slice arg = read_slice(&r);
        if (list ? i % 2 == 1 && arg.n != 8 : width && arg.n != width) return false;
    }
    return true;
}

void ask_take_told(struct engine *e, uint32_t peer, const struct message *m) {
    struct question *q;
    HASH_FIND(hh, e->questions, &m->row_told.ask, sizeof m->row_told.ask, q);
    if (!q || peer >= q->nodes_count || !q->told[peer].asked || q->told[peer].came || !fits(q, m)) return;
    take(q, peer, m);
}

/* ---- jobs of sessions ---- */

void rows_job_begin(struct engine *e, struct session_entry *se, struct rows_job *j) {
    j->e = e;
    se->rows_job = j;
    se->s.wait = WAIT_ROWS;
    se->s.wait_deadline_us = 0;
    e->waits++;
}

void rows_job_finish(struct session_entry *se) {
    struct rows_job *j = se->rows_job;
    se->rows_job = NULL;
    if (j) j->finish(j);
}

bool rows_job_step(struct session_entry *se) {
    if (!se->rows_job->step(se)) return false;
    rows_job_finish(se);
    return true;
}

uint64_t rows_job_wake_us(const struct session_entry *se) { return se->rows_job->wake_us; }
