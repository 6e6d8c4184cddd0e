/* Rows that one DC alone writes: what its clients are told of them is to have one order (FAULTS I14). */
#include "workload_state.h"

#include <stdlib.h>
#include <string.h>

void linear_create(struct workload *l) {
    for (uint32_t d = 0; d < l->options.cluster->dcs_count; d++)
        for (uint32_t i = 0; i < LINEAR_ROWS; i++) {
            struct linear_row *r = &l->linear[d][i];
            snprintf(r->name, sizeof r->name, "l:%s:%u", l->options.cluster->dcs[d].name, i);
            r->counts = i + 1 == LINEAR_ROWS && l->options.cluster->rest.policy == POLICY_MERGE; /* else a late increment is a plain write */
            r->key = history_key(l->history, slice_text(r->name));
        }
}

void linear_destroy(struct workload *l) {
    for (uint32_t d = 0; d < l->options.cluster->dcs_count; d++)
        for (uint32_t i = 0; i < LINEAR_ROWS; i++) {
            free(l->linear[d][i].ops.v);
            free(l->linear[d][i].quorum_reads.v);
        }
}

static struct linear_op *add_op(struct linear_ops *ops, enum linear_kind kind, int64_t value) {
    if (ops->count == ops->cap) {
        ops->cap = ops->cap ? ops->cap * 2 : 64;
        ops->v = xrealloc(ops->v, ops->cap * sizeof *ops->v);
    }
    ops->v[ops->count] = (struct linear_op){.kind = kind, .value = value, .answered = LINEAR_UNKNOWN};
    return &ops->v[ops->count++];
}

/* ---- what clients do ---- */

/* Only what a connection was told counts for it, and it may be lost in between: the level is asked for afterwards. Other reads are local. */
static void read_row(struct agent *a) {
    word(say(a, "TRUCE.READ", NULL), load_draw(a->load, 4) ? "linearizable" : "quorum");
    say(a, "GET", a->row->name);
    say(a, "TRUCE.READ", NULL);
    word(say(a, "TRUCE.READ", NULL), "local");
}

static void write_row(struct agent *a) {
    struct workload *l = a->load;
    struct linear_row *r = a->row;
    if (r->counts) {
        struct command *c = say(a, "INCRBY", r->name);
        c->amount = 1 + load_draw(l, 2);
        number_word(c, c->amount);
        return;
    }
    bool is_lock = r == &l->linear[l->options.cluster->nodes[a->node].dc][1]; /* taken and given back */
    uint64_t kind = is_lock ? 2 * load_draw(l, 2) : load_draw(l, 6);
    if (kind == 0) {
        say(a, "DEL", r->name);
        return;
    }
    struct command *c = say(a, kind < 3 ? "SETNX" : "SET", r->name);
    unique_word(c, r->name, 0);
    if (kind == 5) word(c, "GET");
}

/* ---- what they are told ---- */

static bool says(const struct command *c, const char *name) { return slice_is(word_of(c, 0), name); }

/* "t12;" and padding is 12; nothing is 0. */
static int64_t value_in(struct slice text) {
    int64_t value = 0;
    for (size_t i = text.n > 0 && text.p[0] == 't'; i < text.n && text.p[i] != ';'; i++) value = value * 10 + (text.p[i] - '0');
    return value;
}

static int64_t answer_in(const struct command *c) {
    struct resp r[1];
    if (resp_parse(buf_slice_of(&c->reply), r, 1) != 1) return 0;
    return r[0].type == ':' ? r[0].integer : r[0].null ? 0 : value_in(r[0].text);
}

static void note(struct linear_ops *ops, const struct command *c, enum linear_kind kind, int64_t value) {
    enum outcome o = outcome_of(c);
    if (o == OUTCOME_FAILED) return;
    struct linear_op *op = add_op(ops, kind, value);
    op->called = c->called_us;
    if (o == OUTCOME_UNKNOWN) return;
    op->answered = c->answered_us;
    op->answer = answer_in(c);
}

static void finish_read(struct agent *a) {
    struct resp r[1];
    const struct command *get = &a->commands[1], *level = &a->commands[2];
    if (outcome_of(get) != OUTCOME_OK || outcome_of(level) != OUTCOME_OK) return;
    if (resp_parse(buf_slice_of(&level->reply), r, 1) != 1 || slice_is(r[0].text, "local")) return;
    note(slice_is(r[0].text, "quorum") ? &a->row->quorum_reads : &a->row->ops, get, LINEAR_READ, 0);
    a->load->counts.reads++;
}

static void finish_write(struct agent *a) {
    const struct command *c = &a->commands[0];
    if (says(c, "INCRBY"))
        note(&a->row->ops, c, LINEAR_ADD, (int64_t)c->amount);
    else if (says(c, "DEL"))
        note(&a->row->ops, c, LINEAR_WRITE, 0);
    else if (says(c, "SETNX"))
        note(&a->row->ops, c, LINEAR_SETNX, value_in(word_of(c, 2)));
    else
        note(&a->row->ops, c, c->words > 3 ? LINEAR_SWAP : LINEAR_WRITE, value_in(word_of(c, 2)));
    finish_commands(a);
}

void linear_draw(struct agent *a) {
    struct workload *l = a->load;
    a->row = &l->linear[l->options.cluster->nodes[a->node].dc][load_draw(l, LINEAR_ROWS)];
    if (load_draw(l, 2)) {
        read_row(a);
        a->finish = finish_read;
    } else {
        write_row(a);
        a->finish = finish_write;
    }
}

/* ---- at rest ---- */

static bool lost_with_a_disk(const struct history *h, uint32_t key) {
    for (uint32_t i = 0; i < h->keys[key].n; i++)
        if (h->keys[key].changes[i]->event->left) return true;
    return false;
}

/* What is there in the end was read by everybody (workload_read_all). */
static void add_rest(struct workload *l, struct linear_row *r) {
    struct buf content = {0};
    h_view(l->history, 0, r->key, &content);
    struct linear_op *op = add_op(&r->ops, LINEAR_READ, 0);
    op->called = world_now_us(l->world);
    op->answered = op->called + 1;
    if (content.n > 0) op->answer = value_in(content_string(buf_slice_of(&content)));
    buf_finish(&content);
}

void linear_check_rest(struct workload *l) {
    for (uint32_t d = 0; d < l->options.cluster->dcs_count; d++)
        for (uint32_t i = 0; i < LINEAR_ROWS; i++) {
            struct linear_row *r = &l->linear[d][i];
            if (r->ops.count == 0 || lost_with_a_disk(l->history, r->key)) continue;
            add_rest(l, r);
            l->counts.too_hard += !check_linear(l->history, slice_text(r->name), r->ops.v, r->ops.count);
            check_quorum_reads(l->history, slice_text(r->name), r->ops.v, r->ops.count, r->quorum_reads.v, r->quorum_reads.count);
            check_not_beaten(l->history, r->key);
        }
}
