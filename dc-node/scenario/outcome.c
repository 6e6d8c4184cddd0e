/* What is there in the end: the rows, as the first running node of each DC shows them. */
#include "play_state.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256u
#define ROWS_MAX   20000u /* beyond, a note says so */
#define LIST_LIMIT "1000000"

void outcome_finish(struct outcome *o) {
    for (uint32_t i = 0; i < o->rows_count; i++) {
        free(o->rows[i].key);
        json_decref(o->rows[i].shown);
        json_decref(o->rows[i].explain);
        json_decref(o->rows[i].others);
    }
    free(o->rows);
    json_decref(o->replies);
    json_decref(o->workloads);
    json_decref(o->notes);
    *o = (struct outcome){0};
}

/* ---- asking: many at a time, then waiting for all ---- */

struct reading {
    struct play *play;
    int nodes[DCS_MAX]; /* by DC, -1: none runs */
    int first;          /* the first of those, -1: none */
    uint32_t pending;
    json_t *keys; /* an object whose names they are */
};

struct question {
    struct reading *reading;
    struct words words;
    json_t **answer;
};

static void answered(void *arg, uint32_t number, struct slice resp) {
    struct question *k = arg;
    *k->answer = reply_json(resp, k->words.argv, k->words.argc, NULL);
    if (--k->reading->pending == 0) k->reading->play->stage->ops->stop(k->reading->play->stage);
    words_finish(&k->words);
    free(k);
}

static void ask(struct reading *r, int node, const char *const *words, uint32_t count, json_t **answer) {
    struct question *k = xcalloc(1, sizeof *k);
    struct slice argv[6];
    for (uint32_t i = 0; i < count; i++) argv[i] = slice_text(words[i]);
    *k = (struct question){.reading = r, .answer = answer};
    words_prepend(&k->words, argv, count);
    r->pending++;
    asks_send(&r->play->asks, play_ask_client(r->play, (uint32_t)node), k->words.argv, count, ASK_PATIENCE_US, answered, k, 0);
}

/* False: the stage cannot go on. Every question has been answered, or given up. */
static bool wait_for_all(struct reading *r) {
    struct stage *s = r->play->stage;
    bool goes_on = true;
    while (r->pending && goes_on) goes_on = s->ops->run(s, s->ops->now_us(s) + ASK_PATIENCE_US);
    if (r->pending) asks_drain(&r->play->asks);
    return goes_on && r->pending == 0;
}

static json_t *ask_one(struct reading *r, int node, const char *const *words, uint32_t count) {
    json_t *answer = NULL;
    ask(r, node, words, count, &answer);
    if (wait_for_all(r)) return answer;
    json_decref(answer);
    return NULL;
}

/* ---- which rows there are ---- */

static void add_keys(struct reading *r, const json_t *list) {
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry) {
        const char *key = json_string_value(json_is_object(entry) ? json_object_get(entry, "key") : entry);
        if (key) json_object_set_new(r->keys, key, json_true());
    }
}

static void scan(struct reading *r, int node) {
    char cursor[32] = "0";
    do {
        json_t *page = ask_one(r, node, (const char *const[]){"SCAN", cursor, "COUNT", "1000"}, 4);
        const char *next = json_string_value(json_array_get(page, 0));
        add_keys(r, json_array_get(page, 1));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "0");
        json_decref(page);
    } while (strcmp(cursor, "0") != 0 && json_object_size(r->keys) <= ROWS_MAX);
}

/* Rows that read as absent, and have losers. */
static void add_journal_keys(struct reading *r, int node) {
    json_t *page = ask_one(r, node, (const char *const[]){"TRUCE.CONFLICTS", "LIST", "ALL", "LIMIT", LIST_LIMIT}, 5);
    json_t *losers = ask_one(r, node, (const char *const[]){"TRUCE.CONFLICTS", "", "LIMIT", LIST_LIMIT}, 4);
    add_keys(r, json_array_get(page, 1));
    add_keys(r, losers);
    json_decref(page);
    json_decref(losers);
}

static int by_key(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* In order; owned, the texts are those of r->keys. */
static const char **sorted_keys(struct reading *r, uint32_t *ret_count) {
    const char **keys = xcalloc(json_object_size(r->keys) + 1, sizeof *keys), *key;
    json_t *value;
    uint32_t n = 0;
    json_object_foreach(r->keys, key, value) keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_key);
    *ret_count = n;
    return keys;
}

/* ---- what they hold ---- */

struct row_answers {
    json_t *types[DCS_MAX], *values[DCS_MAX], *explain;
};

static void row_answers_finish(struct row_answers *a) {
    for (uint32_t dc = 0; dc < DCS_MAX; dc++) {
        json_decref(a->types[dc]);
        json_decref(a->values[dc]);
    }
    json_decref(a->explain);
}

static const char *reading_command(const json_t *type) {
    const char *name = json_string_value(type);
    if (!name) return NULL;
    return strcmp(name, "string") == 0 ? "GET" : strcmp(name, "hash") == 0 ? "HGETALL" : strcmp(name, "set") == 0 ? "SMEMBERS" : NULL;
}

static bool ask_rows(struct reading *r, const char **keys, uint32_t count, struct row_answers *ret) {
    uint32_t dcs = r->play->scenario->cluster->dcs_count;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t dc = 0; dc < dcs; dc++)
            if (r->nodes[dc] >= 0) ask(r, r->nodes[dc], (const char *const[]){"TYPE", keys[i]}, 2, &ret[i].types[dc]);
        ask(r, r->first, (const char *const[]){"TRUCE.EXPLAIN", keys[i], "JSON"}, 3, &ret[i].explain);
    }
    if (!wait_for_all(r)) return false;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t dc = 0; dc < dcs; dc++) {
            const char *command = reading_command(ret[i].types[dc]);
            if (command)
                ask(r, r->nodes[dc], (const char *const[]){command, keys[i]}, 2, &ret[i].values[dc]);
            else
                ret[i].values[dc] = reply_error_text(ret[i].types[dc]) ? json_incref(ret[i].types[dc]) : json_null();
        }
    return wait_for_all(r);
}

static void count_versions(struct final_row *row) {
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(row->explain, "cells"), i, part) {
        const char *kind = json_string_value(json_object_get(part, "kind"));
        if (!kind || strcmp(kind, "expiry") != 0) row->siblings += (uint32_t)json_array_size(json_object_get(part, "versions"));
        row->open = row->open || json_is_true(json_object_get(part, "open"));
    }
    json_array_foreach(json_object_get(row->explain, "episodes"), i, part) row->open = row->open || json_is_true(json_object_get(part, "open"));
    row->losers = (uint32_t)json_array_size(json_object_get(row->explain, "lost"));
}

static void put_row(struct reading *r, const char *key, const struct row_answers *a, struct final_row *row) {
    const struct cluster *c = r->play->scenario->cluster;
    uint32_t first = c->nodes[r->first].dc;
    *row = (struct final_row){.key = xstrdup(key), .shown = json_incref(a->values[first])};
    if (json_is_string(a->explain)) row->explain = json_loads(json_string_value(a->explain), 0, NULL);
    count_versions(row);
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        if (dc == first || r->nodes[dc] < 0 || json_equal(a->values[dc], row->shown)) continue;
        if (!row->others) row->others = json_object();
        json_object_set(row->others, c->dcs[dc].name, a->values[dc]);
    }
}

static void read_rows(struct reading *r, const char **keys, uint32_t count) {
    struct outcome *o = r->play->outcome;
    struct row_answers *answers = xcalloc(BATCH_ROWS, sizeof *answers);
    o->rows = xcalloc(count ? count : 1, sizeof *o->rows);
    bool goes_on = true;
    for (uint32_t at = 0; at < count && goes_on; at += BATCH_ROWS) {
        uint32_t n = count - at < BATCH_ROWS ? count - at : BATCH_ROWS;
        goes_on = ask_rows(r, keys + at, n, answers);
        for (uint32_t i = 0; i < n && goes_on; i++) put_row(r, keys[at + i], &answers[i], &o->rows[o->rows_count++]);
        for (uint32_t i = 0; i < n; i++) row_answers_finish(&answers[i]);
        memset(answers, 0, BATCH_ROWS * sizeof *answers);
    }
    free(answers);
}

static void find_nodes(struct reading *r) {
    const struct cluster *c = r->play->scenario->cluster;
    r->first = -1;
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        r->nodes[dc] = -1;
        for (uint32_t i = 0; i < c->nodes_count; i++) {
            enum stage_role role = c->nodes[i].dc == dc && r->nodes[dc] < 0 ? play_role(r->play, i) : ROLE_DOWN;
            if (role != ROLE_DOWN && role != ROLE_PAUSED) r->nodes[dc] = (int)i;
        }
        if (r->first < 0) r->first = r->nodes[dc];
    }
}

void outcome_fill(struct play *p) {
    struct reading r = {.play = p};
    struct stage_view v = {0};
    uint32_t count;
    find_nodes(&r);
    if (r.first < 0) return;
    p->stage->ops->look(p->stage, (uint32_t)r.first, &v);
    p->outcome->conflicts_open = v.conflicts_open;
    p->outcome->events = v.events;
    if (!p->options->rows || p->stage->failure[0]) return;
    r.keys = json_object();
    for (uint32_t dc = 0; dc < p->scenario->cluster->dcs_count; dc++)
        if (r.nodes[dc] >= 0) scan(&r, r.nodes[dc]);
    add_journal_keys(&r, r.first);
    const char **keys = sorted_keys(&r, &count);
    if (count > ROWS_MAX) {
        play_note(p, NULL, "the outcome holds the first %u of %u rows", ROWS_MAX, count);
        count = ROWS_MAX;
    }
    read_rows(&r, keys, count);
    free(keys);
    json_decref(r.keys);
}
