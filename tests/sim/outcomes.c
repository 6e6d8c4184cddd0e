/* What the replies to clients mean. */
#include "workload_state.h"

#include <assert.h>
#include <string.h>

static bool says(const struct command *c, const char *name) { return slice_is(word_of(c, 0), name); }

enum outcome outcome_of(const struct command *c) {
    struct slice r = buf_slice_of(&c->reply);
    if (!c->returned) return c->taken ? OUTCOME_UNKNOWN : OUTCOME_FAILED; /* the node has never seen it */
    if (r.n > 14 && memcmp(r.p, "-INDETERMINATE", 14) == 0) return OUTCOME_UNKNOWN;
    if (r.p[0] == '-') return OUTCOME_FAILED;
    return OUTCOME_OK;
}

static void count_outcome(struct workload *l, enum outcome o) {
    if (o == OUTCOME_OK) l->counts.ok++;
    if (o == OUTCOME_FAILED) l->counts.failed++;
    if (o == OUTCOME_UNKNOWN) l->counts.unknown++;
}

/* ---- single commands ---- */

static struct slice content_of_reply(struct workload *l, const struct command *c) {
    struct resp r[512];
    uint32_t n = resp_parse(buf_slice_of(&c->reply), r, 512);
    assert(n > 0 && n <= 512);
    buf_clear(&l->scratch);
    if (says(c, "GET")) {
        if (!r[0].null) content_make_string(&l->scratch, 0, r[0].text);
        return buf_slice_of(&l->scratch);
    }
    bool hash = says(c, "HGETALL");
    struct content_column columns[512];
    uint32_t count = 0;
    for (uint32_t i = 1; i < n; i += hash ? 2 : 1) columns[count++] = (struct content_column){r[i].text, hash ? r[i + 1].text : SLICE(NULL, 0)};
    content_make(&l->scratch, hash ? CONTENT_HASH : CONTENT_SET, 0, columns, count);
    return buf_slice_of(&l->scratch);
}

static void check_what_was_read(struct workload *l, struct command *c) {
    struct resp r[512];
    l->counts.reads++;
    if (c->check == CHECK_ROW) {
        c->read.content = content_of_reply(l, c);
        check_read(l->history, &c->read);
        return;
    }
    uint32_t n = resp_parse(buf_slice_of(&c->reply), r, 512);
    if (says(c, "DBSIZE")) {
        check_keys(l->history, c->agent->node, &c->keys, (uint64_t)r[0].integer, NULL);
        return;
    }
    uint64_t sum = 0;
    for (uint32_t i = 1; i < n && i < 512; i++) sum += hash64(r[i].text);
    if (n <= 512) check_keys(l->history, c->agent->node, &c->keys, n - 1, &sum);
}

/* Every write waits for a majority, where its table and its client do not say otherwise. The term is that of the answer, or later. */
static void note_majority(struct workload *l, const struct write *w) {
    struct h_event *e = check_write(l->history, w->key, w->from, slice_text(w->value), OUTCOME_UNKNOWN, false);
    if (!e) return; /* workload_check says so */
    struct engine *leader = world_engine(l->world, e->node);
    check_majority(l->history, e, leader ? engine_term(leader) : UINT64_MAX);
}

static void finish_command(struct command *c) {
    struct workload *l = c->agent->load;
    enum outcome o = outcome_of(c);
    if (o == OUTCOME_OK && says(c, "SETNX") && c->reply.p[1] == '0') o = OUTCOME_FAILED;
    count_outcome(l, o);
    if (c->write > 0) l->writes[c->write - 1].outcome = o;
    if (c->write > 0 && o == OUTCOME_OK && l->options.cluster->ack.level >= ACK_MAJORITY) note_majority(l, &l->writes[c->write - 1]);
    if (c->tally) {
        c->tally->ok += o == OUTCOME_OK ? c->amount : 0;
        c->tally->unknown += o == OUTCOME_UNKNOWN ? c->amount : 0;
    }
    if (o != OUTCOME_OK) return;
    if (c->reply_type && c->reply.p[0] != (uint8_t)c->reply_type)
        history_fail(l->history, "order", "node %u answers %.*s with a reply of type %c: replies are not in the order of requests", c->agent->node,
                     (int)word_of(c, 0).n, (const char *)word_of(c, 0).p, c->reply.p[0]);
    else if (c->check != CHECK_NOTHING)
        check_what_was_read(l, c);
}

void finish_commands(struct agent *a) {
    for (uint32_t i = 0; i < a->count; i++) finish_command(&a->commands[i]);
}

void finish_context(struct agent *a) {
    struct resp r[1];
    struct command *c = &a->commands[0];
    finish_command(c);
    if (outcome_of(c) != OUTCOME_OK || resp_parse(buf_slice_of(&c->reply), r, 1) != 1) return;
    snprintf(a->context, sizeof a->context, "%.*s", r[0].text.n < sizeof a->context ? (int)r[0].text.n : 0, (const char *)r[0].text.p);
}

void finish_wait(struct agent *a) {
    struct workload *l = a->load;
    struct command *set = &a->commands[0], *wait = &a->commands[1];
    struct resp r[1];
    finish_commands(a);
    if (outcome_of(set) != OUTCOME_OK || outcome_of(wait) != OUTCOME_OK || resp_parse(buf_slice_of(&wait->reply), r, 1) != 1) return;
    const struct write *w = &l->writes[set->write - 1];
    struct h_event *e = check_write(l->history, w->key, w->from, slice_text(w->value), OUTCOME_UNKNOWN, false);
    if (e) check_replicas(l->history, e, (uint64_t)r[0].integer);
}

void finish_verify(struct agent *a) {
    struct resp r[512];
    struct command *c = &a->commands[0];
    finish_command(c);
    if (outcome_of(c) != OUTCOME_OK) return;
    uint32_t n = resp_parse(buf_slice_of(&c->reply), r, 512), at = 0;
    a->load->counts.verified++;
    while (at + 1 < n && at + 1 < 512 && !slice_is(r[at].text, "differ")) at++;
    if (at + 1 >= n || r[at + 1].type != '*' || r[at + 1].integer)
        history_fail(a->load->history, "digest", "TRUCE.VERIFY at node %u finds rows that differ, though none is damaged: %.*s", a->node,
                     (int)(c->reply.n < 600 ? c->reply.n : 600), (const char *)c->reply.p);
}

/* ---- transactions ---- */

/* The elements of the last command's reply; *ret is its outcome, an EXEC that answers nil has failed. */
static uint32_t parse_exec(struct agent *a, struct resp *r, uint32_t max, enum outcome *ret) {
    struct command *exec = &a->commands[a->count - 1];
    uint32_t n = resp_parse(buf_slice_of(&exec->reply), r, max);
    *ret = outcome_of(exec);
    if (*ret == OUTCOME_OK && (n == 0 || r[0].null)) *ret = OUTCOME_FAILED;
    count_outcome(a->load, *ret);
    return n;
}

static void note_replaced(struct agent *a, struct write *w) {
    struct resp r[1];
    struct command *get = &a->commands[1];
    bool watches = outcome_of(&a->commands[0]) == OUTCOME_OK; /* else there was no leader to watch it at, and EXEC asked nothing */
    if (!watches || outcome_of(get) != OUTCOME_OK || resp_parse(buf_slice_of(&get->reply), r, 1) != 1 || r[0].type != '$') {
        w->watched = false;
        return;
    }
    size_t n = 0;
    while (!r[0].null && n < r[0].text.n && n + 1 < sizeof w->replaces && (n == 0 || r[0].text.p[n - 1] != ';')) n++;
    if (n > 0) memcpy(w->replaces, r[0].text.p, n);
    w->replaces[n] = 0;
}

void finish_transaction(struct agent *a) {
    struct workload *l = a->load;
    struct resp r[32];
    enum outcome o;
    uint32_t n = parse_exec(a, r, 32, &o);
    for (uint32_t i = a->watches + 1, at = 1; i + 1 < a->count; i++, at++) {
        struct command *c = &a->commands[i];
        if (c->write == 0) continue;
        bool failed = o == OUTCOME_OK && ((at < n && r[at].type == '-') || outcome_of(c) == OUTCOME_FAILED);
        struct write *w = &l->writes[c->write - 1];
        w->outcome = failed ? OUTCOME_FAILED : o;
        if (w->watched) note_replaced(a, w);
    }
}

void finish_group_read(struct agent *a) {
    struct resp r[32];
    enum outcome o;
    struct slice values[GROUP_KEYS];
    uint32_t n = parse_exec(a, r, 32, &o);
    if (o != OUTCOME_OK || n != GROUP_KEYS + 1) return;
    for (uint32_t i = 0; i < GROUP_KEYS; i++) {
        if (r[i + 1].type == '-') return;
        values[i] = r[i + 1].null ? SLICE(NULL, 0) : r[i + 1].text;
    }
    check_group_read(a->load->history, a->node, values, GROUP_KEYS);
}

void check_watched(struct workload *l, const struct write *w, const struct h_event *e) {
    const struct h_change *c = NULL;
    for (uint32_t i = 0; i < e->changes_count; i++)
        if (e->changes[i].key == w->key) c = &e->changes[i];
    struct slice seen = buf_slice_of(&c->was);
    struct slice was = seen.n > 0 && content_type(seen) == CONTENT_STRING ? content_string(seen) : SLICE(NULL, 0);
    size_t n = strlen(w->replaces);
    bool same = n > 0 ? was.n >= n && memcmp(was.p, w->replaces, n) == 0 : was.n == 0 || c->was_ending;
    if (!same)
        history_fail(l->history, "watch", "%s was written because %s had been read under WATCH, but replaced %.*s", w->value,
                     n > 0 ? w->replaces : "nothing", (int)(was.n < 24 ? was.n : 24), (const char *)was.p);
}
