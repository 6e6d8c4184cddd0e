#include "predicate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT "1000000"

/* ---- what replies come to ---- */

static bool text_is(const json_t *entry, const char *key, const char *text) {
    const char *s = json_string_value(json_object_get(entry, key));
    return s && strcmp(s, text) == 0;
}

/* Of a page of TRUCE.CONFLICTS LIST, those of the table or the key; a key's other continuations are listed too. */
static uint64_t count_conflicts(const json_t *page, const char *subject) {
    uint64_t n = 0;
    size_t i;
    const json_t *entry;
    bool all = strcmp(subject, "*") == 0;
    json_array_foreach(json_array_get(page, 1), i, entry) n += all || text_is(entry, "table", subject) || text_is(entry, "key", subject);
    return n;
}

struct lost {
    stamp_t stamp;
    struct dot dot;
    json_t *value; /* borrowed */
};

static int by_stamp(const void *a, const void *b, void *origins) {
    const struct lost *x = a, *y = b;
    if (x->stamp != y->stamp) return x->stamp < y->stamp ? -1 : 1;
    return dot_compare(origins, x->dot, y->dot);
}

/* Values of entries, in order of stamp (none: 0) and dot. `key` NULL: all; else those of that row. */
static json_t *values_in_order(struct play *p, const json_t *entries, const char *key, const char *dot_key, const char *stamp_key) {
    size_t i, n = 0;
    json_t *entry, *values = json_array();
    struct lost *all = xcalloc(json_array_size(entries) + 1, sizeof *all);
    json_array_foreach(entries, i, entry) {
        const char *dot = json_string_value(json_object_get(entry, dot_key));
        const char *stamp = stamp_key ? json_string_value(json_object_get(entry, stamp_key)) : NULL;
        if (key && !text_is(entry, "key", key)) continue;
        all[n] = (struct lost){.value = json_object_get(entry, "value")};
        if (dot) dot_parse(slice_text(dot), p->origins, &all[n].dot);
        if (stamp) stamp_parse(slice_text(stamp), &all[n].stamp);
        n++;
    }
    qsort_r(all, n, sizeof *all, by_stamp, p->origins);
    for (i = 0; i < n; i++) json_array_append(values, all[i].value);
    free(all);
    return values;
}

/* ---- asking nodes ---- */

static void ask(struct inquiry *q, uint32_t node);

static void more_conflicts(struct inquiry *q, uint32_t node, const char *cursor) {
    struct slice after[] = {slice_text("AFTER"), slice_text(cursor)};
    struct words words = {.argv = xcalloc(q->words.argc + 2, sizeof *words.argv)};
    for (uint32_t i = 0; i < q->words.argc; i++) words.argv[words.argc++] = q->words.argv[i];
    for (uint32_t i = 0; i < 2; i++) words.argv[words.argc++] = after[i];
    struct words all = q->words;
    q->words = words;
    ask(q, node);
    q->words = all;
    free(words.argv);
}

static void take(struct inquiry *q, uint32_t node, json_t *reply, bool set) {
    struct finding *f = &q->findings[node];
    const char *subject = q->predicate->subject;
    if (q->predicate->kind == PREDICATE_COMMAND || reply_error_text(reply)) {
        finding_finish(f);
        *f = (struct finding){.value = reply, .unordered = set};
        return;
    }
    if (q->predicate->kind == PREDICATE_CONFLICTS) {
        const char *cursor = json_string_value(json_array_get(reply, 0));
        json_int_t before = json_integer_value(f->value);
        finding_finish(f);
        f->value = json_integer(before + (json_int_t)count_conflicts(reply, subject));
        if (cursor && *cursor) more_conflicts(q, node, cursor);
    } else if (q->predicate->kind == PREDICATE_LOSERS) {
        f->value = values_in_order(q->play, reply, subject, "loser", "loser_stamp");
    } else {
        f->value = values_in_order(q->play, json_object_get(reply, "siblings"), NULL, "dot", NULL);
    }
    json_decref(reply);
}

static void answered(void *arg, uint32_t node, struct slice resp) {
    struct inquiry *q = arg;
    bool set;
    q->play->stage->looks -= q->beside;
    json_t *reply = reply_json(resp, q->words.argv, q->words.argc, &set);
    take(q, node, reply, set);
    if (--q->pending == 0) q->done(q->arg, q);
}

static void ask(struct inquiry *q, uint32_t node) {
    q->pending++;
    q->play->stage->looks += q->beside;
    asks_send(&q->play->asks, play_ask_client(q->play, node), q->words.argv, q->words.argc, ASK_PATIENCE_US, answered, q, node);
}

static void put_words(struct inquiry *q, const char *const *words, uint32_t count) {
    struct slice argv[8];
    for (uint32_t i = 0; i < count; i++) argv[i] = slice_text(words[i]);
    words_prepend(&q->words, argv, count);
}

/* False: it cannot be asked. */
static bool find_words(struct inquiry *q) {
    const char *subject = q->predicate->subject;
    switch (q->predicate->kind) {
    case PREDICATE_CONFLICTS:
        put_words(q, (const char *const[]){"OPEN", "LIMIT", LIST_LIMIT}, 3);
        if (strcmp(subject, "*") != 0) put_words(q, &subject, 1);
        put_words(q, (const char *const[]){"TRUCE.CONFLICTS", "LIST"}, 2);
        return true;
    case PREDICATE_LOSERS: put_words(q, (const char *const[]){"TRUCE.CONFLICTS", subject, "LIMIT", LIST_LIMIT}, 4); return true;
    case PREDICATE_SIBLINGS: put_words(q, (const char *const[]){"TRUCE.SIBLINGS", subject}, 2); return true;
    default: return words_split(subject, &q->words, &q->why) && words_expand(&q->words, q->play->names, q->play->saved, &q->why);
    }
}

static bool runs(enum stage_role r) { return r != ROLE_DOWN && r != ROLE_PAUSED; }

static void ask_nodes(struct inquiry *q) {
    if (!find_words(q)) return;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) {
        if (!q->predicate->in[i]) continue;
        if (runs(play_role(q->play, i)))
            ask(q, i);
        else if (q->predicate->in_named)
            q->findings[i].value = reply_error_json(NO_ANSWER);
    }
}

/* ---- looking ---- */

/* LAG, BACKLOG: at nodes of the DC, or at the node, that the subject names. */
static bool is_subject(const struct cluster *c, const char *subject, uint32_t node) {
    return !subject || strcmp(c->nodes[node].name, subject) == 0 || strcmp(c->dcs[c->nodes[node].dc].name, subject) == 0;
}

static void look_at_nodes(struct inquiry *q) {
    struct stage *s = q->play->stage;
    const struct predicate *pred = q->predicate;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) {
        struct stage_view v = {0};
        if (!pred->in[i] || !is_subject(q->play->scenario->cluster, pred->subject, i)) continue;
        s->ops->look(s, i, &v);
        if (!runs(v.role)) continue;
        bool lag = pred->kind == PREDICATE_LAG;
        q->findings[i].value = json_integer((json_int_t)(lag ? v.lag_us[pred->dc] : v.backlog[pred->dc]));
        q->findings[i].time = lag;
    }
}

static bool workload_holds(struct inquiry *q, bool may_run) {
    struct play *p = q->play;
    const char *name = q->predicate->subject;
    bool all = strcmp(name, "*") == 0, found = false;
    for (uint32_t i = 0; i < p->loads_count; i++) {
        const char *own = p->loads[i].step->name;
        if (!all && strcmp(own, name) != 0) continue;
        found = true;
        if (!may_run || !load_idle(p->loads[i].load)) {
            buf_printf(&q->why, "%s still runs", own);
            return false;
        }
        if (!load_check(p->loads[i].load, &q->why)) return false;
    }
    if (!found) buf_text(&q->why, "no such workload has begun");
    return found;
}

static bool sessions_hold(struct inquiry *q) {
    for (uint32_t i = 0; i < q->play->loads_count; i++)
        if (load_session_violations(q->play->loads[i].load, &q->why) > 0) return false;
    return true;
}

static bool digests_agree(struct inquiry *q) {
    struct stage *s = q->play->stage;
    int first = -1;
    uint64_t digest = 0;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) {
        struct stage_view v = {0};
        s->ops->look(s, i, &v);
        if (!runs(v.role)) continue;
        if (first < 0) {
            first = (int)i;
            digest = v.digest;
        }
        if (v.digest == digest) continue;
        buf_printf(&q->why, "%s and %s differ", play_node_name(q->play, (uint32_t)first), play_node_name(q->play, i));
        return false;
    }
    return true;
}

static void look_at_all(struct inquiry *q, bool may_run) {
    struct play *p = q->play;
    json_t *value = NULL;
    int node = 0;
    switch (q->predicate->kind) {
    case PREDICATE_CONVERGED: value = json_boolean(play_agreement(p, true, &q->why) == AGREE); break;
    case PREDICATE_DIGESTS: value = json_boolean(digests_agree(q)); break;
    case PREDICATE_WORKLOAD: value = json_boolean(workload_holds(q, may_run)); break;
    case PREDICATE_SESSIONS: value = json_boolean(sessions_hold(q)); break;
    case PREDICATE_LEADER:
        node = play_leader(p, q->predicate->dc);
        value = node < 0 ? json_null() : json_string(play_node_name(p, (uint32_t)node));
        break;
    default: /* ROLE */
        node = cluster_find(p->scenario->cluster, slice_text(q->predicate->subject));
        value = node < 0 ? json_null() : json_string(stage_role_name(play_role(p, (uint32_t)node)));
    }
    q->findings[0].value = value;
    q->whole = true;
}

struct inquiry *inquiry_begin(struct play *p, const struct predicate *pred, bool may_run, void (*done)(void *arg, struct inquiry *q), void *arg) {
    struct inquiry *q = xcalloc(1, sizeof *q);
    *q = (struct inquiry){.play = p, .predicate = pred, .beside = !may_run, .done = done, .arg = arg};
    q->findings = xcalloc(p->scenario->cluster->nodes_count, sizeof *q->findings);
    switch (pred->kind) {
    case PREDICATE_CONFLICTS:
    case PREDICATE_LOSERS:
    case PREDICATE_SIBLINGS:
    case PREDICATE_COMMAND: ask_nodes(q); break;
    case PREDICATE_LAG:
    case PREDICATE_BACKLOG: look_at_nodes(q); break;
    default: look_at_all(q, may_run);
    }
    return q;
}

void inquiry_destroy(struct inquiry *q) {
    if (!q) return;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) finding_finish(&q->findings[i]);
    free(q->findings);
    words_finish(&q->words);
    buf_finish(&q->why);
    free(q);
}

/* ---- judging ---- */

static void put_found(const struct inquiry *q, uint32_t node, struct buf *text) {
    buf_printf(text, "%s is ", q->predicate->text);
    finding_format(&q->findings[node], text);
    if (!q->whole) buf_printf(text, " at %s", play_node_name(q->play, node));
}

static void put_failed(const struct inquiry *q, uint32_t node, const struct compare *failed, struct buf *text) {
    if (q->why.n) {
        buf_printf(text, "%s: %.*s", q->predicate->text, (int)q->why.n, (const char *)q->why.p);
        return;
    }
    put_found(q, node, text);
    buf_text(text, ", expected ");
    compare_format(failed ? failed : &(struct compare){.how = COMPARE_HOLDS}, text);
}

bool inquiry_holds(const struct inquiry *q, struct buf *text) {
    const struct predicate *pred = q->predicate;
    const struct compare *failed;
    int first = -1;
    bool alike = true;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) {
        if (!q->findings[i].value) continue;
        if (!compare_all(pred->compare, pred->compare_count, &q->findings[i], &failed)) {
            put_failed(q, i, failed, text);
            return false;
        }
        if (first < 0) first = (int)i;
        alike = alike && json_equal(q->findings[i].value, q->findings[first].value);
    }
    buf_text(text, pred->text);
    if (first < 0) {
        if (q->why.n)
            buf_printf(text, ": %.*s", (int)q->why.n, (const char *)q->why.p);
        else
            buf_text(text, ": no node runs that could be asked");
        return false;
    }
    if (!alike || json_is_boolean(q->findings[first].value)) return true;
    buf_text(text, " is ");
    finding_format(&q->findings[first], text);
    return true;
}

bool inquiry_holds_somewhere(const struct inquiry *q, struct buf *text) {
    const struct predicate *pred = q->predicate;
    const struct compare *failed;
    for (uint32_t i = 0; i < q->play->scenario->cluster->nodes_count; i++) {
        if (!q->findings[i].value || !compare_all(pred->compare, pred->compare_count, &q->findings[i], &failed)) continue;
        put_found(q, i, text);
        return true;
    }
    return false;
}
