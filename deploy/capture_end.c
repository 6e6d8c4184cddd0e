/* What a cluster has at the end of a capture, as expectations of its scenario. */
#include "../schemas/shown.h"
#include "capture_steps.h"
#include "client.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define END_TIMEOUT_MS 10000
#define REST_TRIES     100   /* of 100 ms: so long may nodes be under way to each other */
#define SOON_MS        60000 /* a row that ends so soon may read as absent when it is asked for again */

static json_t *text_of(const redisReply *r) { return shown_bytes(SLICE(r->str, r->str ? r->len : 0)); }

static int by_text(const void *a, const void *b) { return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b)); }

static json_t *sorted(json_t *list) {
    size_t n = json_array_size(list);
    json_t **all = xcalloc(n + 1, sizeof *all), *ret = json_array();
    for (size_t i = 0; i < n; i++) all[i] = json_array_get(list, i);
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 0; i < n; i++) json_array_append(ret, all[i]);
    free(all);
    json_decref(list);
    return ret;
}

static json_t *list_of(const redisReply *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->elements; i++) json_array_append_new(list, text_of(r->element[i]));
    return list;
}

static json_t *pairs_of(const redisReply *r) {
    json_t *o = json_object();
    for (size_t i = 0; i + 1 < r->elements; i += 2) {
        json_t *name = text_of(r->element[i]);
        json_object_set_new(o, json_string_value(name), text_of(r->element[i + 1]));
        json_decref(name);
    }
    return o;
}

static const redisReply *member(const redisReply *map, const char *name) {
    for (size_t i = 0; map && i + 1 < map->elements; i += 2)
        if (map->element[i]->str && strcmp(map->element[i]->str, name) == 0) return map->element[i + 1];
    return NULL;
}

/* ---- what one node has ---- */

/* The command that reads the row, and what it gives. */
struct reading {
    const char *command; /* NULL: it cannot be told */
    json_t *value;
};

static redisReply *ask(redisContext *rc, const char *command, struct slice key, const char *more) {
    redisReply *r = more ? redisCommand(rc, "%s %b LIMIT %s", command, key.p, key.n, more) : redisCommand(rc, "%s %b", command, key.p, key.n);
    if (r && r->type != REDIS_REPLY_ERROR) return r;
    freeReplyObject(r);
    return NULL;
}

static struct reading read_row(redisContext *rc, struct slice key) {
    struct reading ret = {0};
    redisReply *type = ask(rc, "TYPE", key, NULL), *left = ask(rc, "PTTL", key, NULL), *value = NULL;
    bool lasts = left && (left->integer < 0 || left->integer > SOON_MS);
    const char *t = type && type->str ? type->str : "";
    ret.command = !lasts ? NULL : !strcmp(t, "hash") ? "HGETALL" : !strcmp(t, "set") ? "SMEMBERS" : "GET";
    if (ret.command) value = ask(rc, ret.command, key, NULL);
    if (!value)
        ret.command = NULL;
    else if (value->type == REDIS_REPLY_NIL)
        ret.value = json_null();
    else
        ret.value = !strcmp(t, "hash") ? pairs_of(value) : !strcmp(t, "set") ? sorted(list_of(value)) : text_of(value);
    freeReplyObject(type);
    freeReplyObject(left);
    freeReplyObject(value);
    return ret;
}

struct lost {
    stamp_t stamp;
    struct dot dot;
    json_t *value;
};

static int by_stamp(const void *a, const void *b, void *origins) {
    const struct lost *x = a, *y = b;
    return x->stamp != y->stamp ? (x->stamp < y->stamp ? -1 : 1) : dot_compare(origins, x->dot, y->dot);
}

/* Values of the row that lost, in order of stamp. NULL: there are some that were made before the capture. */
static json_t *read_losers(struct capture *c, redisContext *rc, struct slice key) {
    redisReply *all = ask(rc, "TRUCE.CONFLICTS", key, "1000000");
    struct lost *lost = xcalloc((all ? all->elements : 0) + 1, sizeof *lost);
    size_t n = 0;
    bool known = all != NULL;
    for (size_t i = 0; all && i < all->elements; i++) {
        const redisReply *one = all->element[i], *of = member(one, "key"), *dot = member(one, "loser"), *stamp = member(one, "loser_stamp");
        const redisReply *value = member(one, "value");
        if (!of || !of->str || !slice_equal(SLICE(of->str, of->len), key)) continue;
        struct lost l = {0};
        if (dot && dot->str) dot_parse(SLICE(dot->str, dot->len), c->origins, &l.dot);
        if (stamp && stamp->str) stamp_parse(SLICE(stamp->str, stamp->len), &l.stamp);
        size_t event = l.dot.n ? capture_find(c, l.dot) : SIZE_MAX;
        known = known && event != SIZE_MAX && !c->events[event].left_out && value;
        if (value) l.value = text_of(value);
        if (value) lost[n++] = l;
    }
    if (n > 1) qsort_r(lost, n, sizeof *lost, by_stamp, c->origins);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, lost[i].value);
    free(lost);
    freeReplyObject(all);
    if (known) return list;
    json_decref(list);
    return NULL;
}

static json_t *read_open(redisContext *rc, struct slice key) {
    redisReply *page = redisCommand(rc, "TRUCE.CONFLICTS LIST %b OPEN LIMIT 1000000", key.p, key.n);
    json_int_t open = 0;
    for (size_t i = 0; page && page->elements == 2 && i < page->element[1]->elements; i++) {
        const redisReply *of = member(page->element[1]->element[i], "key");
        open += of && of->str && slice_equal(SLICE(of->str, of->len), key);
    }
    freeReplyObject(page);
    return json_integer(open);
}

/* ---- all nodes ---- */

struct ending {
    struct capture *c;
    const struct local *l;
    redisContext *rc[NODES_MAX]; /* of those that run */
    json_t *steps;
    bool alike, inexact; /* all nodes have the same events; struct captured_steps */
};

/* One expectation where all nodes say the same, else one for each. */
static void put(struct ending *e, const char *text, json_t *values[static NODES_MAX]) {
    int first = -1;
    bool same = true;
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++) {
        if (!values[i]) continue;
        if (first < 0) first = (int)i;
        same &= json_equal(values[i], values[first]);
    }
    if (first < 0) return;
    if (same && e->alike) {
        json_array_append_new(e->steps, json_pack("{s:s, s:O}", "expect", text, "is", values[first]));
        return;
    }
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++)
        if (values[i]) json_array_append_new(e->steps, json_pack("{s:s, s:O, s:s}", "expect", text, "is", values[i], "in", node_name(e->l, i)));
}

static bool is_in(const json_t *list, const json_t *value) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) if (json_equal(one, value)) return true;
    return false;
}

/* Lists of what every node has at least: a node may keep more, as things came to it. */
static void put_least(struct ending *e, const char *text, json_t *lists[static NODES_MAX]) {
    json_t *least = NULL;
    bool same = true;
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++) {
        if (!lists[i]) continue;
        if (!least) least = json_copy(lists[i]);
        same &= json_equal(least, lists[i]);
        for (size_t k = json_array_size(least); k-- > 0;)
            if (!is_in(lists[i], json_array_get(least, k))) json_array_remove(least, k);
    }
    if (json_array_size(least))
        json_array_append_new(e->steps, json_pack("{s:s, s:O}", "expect", text, same && !e->inexact ? "is" : "contains", least));
    json_decref(least);
}

static void finish_values(json_t *values[static NODES_MAX]) {
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        json_decref(values[i]);
        values[i] = NULL;
    }
}

static void expect_value(struct ending *e, struct slice key) {
    json_t *values[NODES_MAX] = {0};
    const char *command = NULL;
    bool told = true;
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++) {
        if (!e->rc[i]) continue;
        struct reading r = read_row(e->rc[i], key);
        told &= r.command && (!command || strcmp(command, r.command) == 0);
        command = r.command;
        values[i] = r.value;
    }
    if (told && command) {
        struct buf text = {0};
        buf_printf(&text, "%s ", command);
        command_word(key, &text);
        buf_u8(&text, 0);
        put(e, (const char *)text.p, values);
        buf_finish(&text);
    }
    finish_values(values);
}

/* Predicates name a key as it stands. */
static bool plain_key(struct slice key) {
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] <= ' ' || key.p[i] > '~' || strchr("\"'\\{}$*", key.p[i])) return false;
    return key.n > 0;
}

static void expect_conflicts(struct ending *e, const struct captured_row *row) {
    struct slice key = row->key;
    json_t *losers[NODES_MAX] = {0}, *open[NODES_MAX] = {0};
    char text[1024];
    bool any_lost = false, any_open = false, known = true;
    if (!plain_key(key) || key.n > 900) return;
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++) {
        if (!e->rc[i]) continue;
        losers[i] = read_losers(e->c, e->rc[i], key);
        open[i] = read_open(e->rc[i], key);
        known &= losers[i] != NULL;
        any_lost |= json_array_size(losers[i]) > 0;
        any_open |= json_integer_value(open[i]) > 0;
    }
    snprintf(text, sizeof text, "losers %.*s", (int)key.n, (const char *)key.p);
    if (any_lost && known && e->alike && !row->inexact) put_least(e, text, losers);
    snprintf(text, sizeof text, "conflicts %.*s", (int)key.n, (const char *)key.p);
    if (any_open || any_lost) put(e, text, open);
    finish_values(losers);
    finish_values(open);
}

/* All nodes, or all that run, have the same events. */
static bool have_the_same(const struct ending *e, bool all) {
    struct buf first = {0};
    bool same = true;
    for (uint32_t i = 0; i < e->l->cluster->nodes_count; i++) {
        if (!e->rc[i] && !all) continue;
        redisReply *r = e->rc[i] ? redisCommand(e->rc[i], "TRUCE.TOKEN") : NULL;
        if (!r || !r->str) {
            same = false;
        } else if (!first.n) {
            buf_put(&first, r->str, r->len);
        } else {
            same &= slice_equal(buf_slice_of(&first), SLICE(r->str, r->len));
        }
        freeReplyObject(r);
    }
    buf_finish(&first);
    return same;
}

/* What is still under way would be there in a replay. */
static bool come_to_rest(const struct ending *e) {
    for (int i = 0; i < REST_TRIES; i++) {
        if (have_the_same(e, false)) return true;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return false;
}

void capture_expect(struct capture *c, const struct local *l, const struct captured_rows *rows, const struct captured_steps *s, json_t *steps) {
    struct ending e = {.c = c, .l = l, .steps = steps, .inexact = s->inexact};
    struct buf ignored = {0};
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++) {
        struct process p = process_of(l, i);
        if (p.pid != 0 && !p.paused && s->running[i]) e.rc[i] = node_connect(l->cluster, i, END_TIMEOUT_MS, &ignored);
    }
    bool rests = s->apart || come_to_rest(&e);
    e.alike = have_the_same(&e, true);
    if (e.alike && !s->apart) json_array_append_new(steps, json_pack("{s:s}", "settle", "60s"));
    size_t first = json_array_size(steps), unsure = 0;
    if (!rests) capture_note(c, "nothing is expected at the end: events were still under way when it was captured");
    for (size_t i = 0; i < captured_rows_count(rows) && rests; i++) {
        const struct captured_row *row = captured_row_at(rows, i);
        if (!row->in_capture || (row->key.n >= 6 && memcmp(row->key.p, "truce:", 6) == 0)) continue;
        if (row->deleted) {
            unsure++;
            continue;
        }
        expect_value(&e, row->key);
        expect_conflicts(&e, row);
    }
    if (unsure)
        capture_note(c, "nothing is expected of %zu rows: a writer of theirs may know too early that others have deleted them, and would cover that",
                     unsure);
    /* Where they are apart there is nothing to settle: they get time for what can arrive. */
    if (first < json_array_size(steps) && !(e.alike && !s->apart)) json_object_set_new(json_array_get(steps, first), "after", json_string("5s"));
    for (uint32_t i = 0; i < l->cluster->nodes_count; i++)
        if (e.rc[i]) redisFree(e.rc[i]);
    buf_finish(&ignored);
}
