#include "report_picture.h"
#include "report_text.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define GROW(list, count, cap)                                                                                                                       \
    do {                                                                                                                                             \
        if ((count) == (cap)) {                                                                                                                      \
            (cap) = (cap) ? (cap)*2 : 64;                                                                                                            \
            (list) = xrealloc((list), (cap) * sizeof *(list));                                                                                       \
        }                                                                                                                                            \
    } while (0)

struct text_index {
    UT_hash_handle hh;
    uint32_t at;
    char text[];
};

static uint32_t *index_find(struct text_index *t, struct slice text) {
    struct text_index *found = NULL;
    if (text.n) HASH_FIND(hh, t, text.p, text.n, found);
    return found ? &found->at : NULL;
}

/* The first of a name counts. */
static void index_add(struct text_index **t, struct slice text, uint32_t at) {
    if (text.n == 0 || index_find(*t, text)) return;
    struct text_index *entry = xcalloc(1, sizeof *entry + text.n + 1);
    entry->at = at;
    memcpy(entry->text, text.p, text.n);
    HASH_ADD(hh, *t, text, text.n, entry);
}

static void index_finish(struct text_index **t) {
    struct text_index *entry, *next;
    HASH_ITER(hh, *t, entry, next) {
        HASH_DEL(*t, entry);
        free(entry);
    }
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* ---- writes, and where they arrived ---- */

/* The first word of a text is the dot. */
static struct slice dot_of(const char *text) {
    size_t n = strcspn(text, " ,");
    while (n && text[n - 1] == ':') n--;
    return SLICE(text, n);
}

/* "us-1#5" of a moment's "us-1#5" and "us-1(2)#5", and of a whole dot, "us-1.00c0ffee00c0ffee:5". Appends. */
static void put_number(struct slice dot, struct buf *out) {
    size_t name = 0, mark = dot.n;
    while (name < dot.n && !strchr(".(#", dot.p[name])) name++;
    while (mark > name && dot.p[mark - 1] != '#' && dot.p[mark - 1] != ':') mark--;
    if (mark == name) return;
    buf_put(out, dot.p, name);
    buf_u8(out, '#');
    buf_put(out, dot.p + mark, dot.n - mark);
}

static uint32_t *find_number(const struct picture *p, struct slice dot) {
    struct buf number = {0};
    put_number(dot, &number);
    uint32_t *at = index_find(p->numbers, buf_slice_of(&number));
    buf_finish(&number);
    return at;
}

/* What the clock showed that gave the stamp; false: there is none. */
static bool stamp_time(const json_t *version, uint64_t *ret_ms) {
    stamp_t stamp;
    if (!stamp_parse(slice_text(json_text_at(version, "stamp")), &stamp)) return false;
    *ret_ms = stamp_ms(stamp);
    return true;
}

struct write_mark *picture_write(const struct picture *p, const json_t *version) {
    struct slice dot = slice_text(json_text_at(version, "dot"));
    const uint32_t *at = index_find(p->dots, dot);
    if (at) return &p->writes[*at];
    at = find_number(p, dot);
    if (!at) return NULL;
    struct write_mark *best = &p->writes[*at];
    uint64_t ms, best_off = UINT64_MAX;
    if (!best->same || !stamp_time(version, &ms)) return best;
    for (uint32_t i = *at + 1; i; i = p->writes[i - 1].same) { /* of several runs, that whose time is nearest to the stamp */
        int64_t off = (int64_t)ms - p->wall_ms - (int64_t)(p->writes[i - 1].at_us / 1000);
        uint64_t size = (uint64_t)(off < 0 ? -off : off);
        if (size >= best_off) continue;
        best = &p->writes[i - 1];
        best_off = size;
    }
    return best;
}

static void add_write(struct picture *p, const struct moment *m, size_t order, const char *text) {
    if (m->node < 0) return;
    GROW(p->writes, p->writes_count, p->writes_cap);
    struct write_mark *w = &p->writes[p->writes_count];
    *w = (struct write_mark){.at_us = m->at_us, .order = order, .node = (uint32_t)m->node, .step = m->step, .text = text, .matters = m->step != 0};
    if (m->kind == MOMENT_MAKES) {
        struct buf number = {0};
        struct slice dot = dot_of(text);
        put_number(dot, &number);
        uint32_t *earlier = index_find(p->numbers, buf_slice_of(&number));
        if (earlier) {
            w->same = p->writes[*earlier].same;
            p->writes[*earlier].same = (uint32_t)p->writes_count + 1;
        }
        index_add(&p->dots, dot, (uint32_t)p->writes_count);
        index_add(&p->numbers, buf_slice_of(&number), (uint32_t)p->writes_count);
        buf_finish(&number);
    }
    p->writes_count++;
}

static void add_apply(struct picture *p, const struct moment *m, size_t order) {
    const uint32_t *made = index_find(p->dots, dot_of(m->text));
    if (!made || m->node < 0) return;
    struct write_mark *w = &p->writes[*made];
    const struct cluster_node *nodes = p->scenario->cluster->nodes;
    bool first = nodes[m->node].dc != nodes[w->node].dc;
    for (uint32_t i = w->first_apply; i; i = p->applies[i - 1].next) {
        if (p->applies[i - 1].node == (uint32_t)m->node) return;
        if (nodes[p->applies[i - 1].node].dc == nodes[m->node].dc) first = false;
    }
    GROW(p->applies, p->applies_count, p->applies_cap);
    p->applies[p->applies_count++] = (struct apply_mark){
        .at_us = m->at_us, .order = order, .write = *made, .node = (uint32_t)m->node, .next = w->first_apply, .first_of_dc = first};
    w->first_apply = (uint32_t)p->applies_count;
}

bool picture_knew(const struct picture *p, const struct write_mark *write, const struct write_mark *seen) {
    if (seen->node == write->node) return seen->order < write->order;
    for (uint32_t i = seen->first_apply; i; i = p->applies[i - 1].next)
        if (p->applies[i - 1].node == write->node) return p->applies[i - 1].order < write->order;
    return false;
}

/* Which step made which write nobody says; between a step's beginning and its reply, in the DC of its reply, what names the same key is its own. */
static void own_write(struct picture *p, const struct step *s, const struct moment *reply, size_t begun, size_t answered) {
    const struct cluster_node *nodes = p->scenario->cluster->nodes;
    size_t first = 0;
    for (size_t size = p->writes_count; size; size /= 2) /* to the last write before the step, by halves */
        while (first + size <= p->writes_count && p->writes[first + size - 1].order < begun) first += size;
    for (size_t i = first; i < p->writes_count && p->writes[i].order < answered; i++) {
        struct write_mark *w = &p->writes[i];
        const char *verb = strchr(w->text, ' '), *key = verb ? strchr(verb + 1, ' ') : NULL;
        if (w->step || !key || nodes[w->node].dc != nodes[reply->node].dc) continue;
        char word[NAME_LEN_MAX];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(key + 1, " ;"), key + 1);
        if (!strstr(s->command, word)) continue;
        w->step = s->number;
        w->matters = true;
    }
}

static void find_steps(struct picture *p) {
    const struct record *r = p->record;
    uint32_t count = p->scenario->steps_count;
    size_t *begun = xcalloc((size_t)count + 1, sizeof *begun);
    for (size_t i = 0; i < r->moments_count; i++) {
        const struct moment *m = &r->moments[i];
        if (m->step == 0 || m->step > count) continue;
        const struct step *s = &p->scenario->steps[m->step - 1];
        if (m->kind == MOMENT_STEP) begun[m->step] = i;
        if (m->kind == MOMENT_REPLY && m->node >= 0 && s->command) own_write(p, s, m, begun[m->step], i);
    }
    free(begun);
}

/* ---- nodes' states ---- */

struct lane_now {
    const char *leader, *down, *paused, *disk, *clock, *returning; /* the text that began it; NULL: it is not so */
    uint64_t since_us[LANE_CLOCK + 1];
};

static const char **state_of(struct lane_now *n, enum lane_state s) {
    const char **states[] = {&n->leader, &n->returning, &n->down, &n->paused, &n->disk, &n->clock};
    return states[s];
}

static void end_span(struct picture *p, struct lane_now *now, uint32_t node, enum lane_state s, uint64_t at_us) {
    const char **text = state_of(now, s);
    if (*text && p->lanes_count < SHOWN_SPANS_MAX) {
        GROW(p->lanes, p->lanes_count, p->lanes_cap);
        p->lanes[p->lanes_count++] = (struct lane_span){now->since_us[s], at_us, s, node, *text};
    } else if (*text) {
        p->spans_left_out++;
    }
    *text = NULL;
}

static void begin_span(struct lane_now *now, enum lane_state s, uint64_t at_us, const char *text) {
    const char **is = state_of(now, s);
    if (*is) return;
    *is = text;
    now->since_us[s] = at_us;
}

static void see_role(struct picture *p, struct lane_now *now, const struct moment *m) {
    uint32_t node = (uint32_t)m->node;
    bool leads = begins(m->text, "leader"), returns = begins(m->text, "returning");
    if (!leads) end_span(p, now, node, LANE_LEADER, m->at_us);
    if (!returns) end_span(p, now, node, LANE_RETURNING, m->at_us);
    if (leads) begin_span(now, LANE_LEADER, m->at_us, m->text);
    if (returns) begin_span(now, LANE_RETURNING, m->at_us, m->text);
    if (begins(m->text, "down")) begin_span(now, LANE_DOWN, m->at_us, m->text);
    if (leads || returns || begins(m->text, "follower")) end_span(p, now, node, LANE_DOWN, m->at_us);
}

static bool is_one_of(const char *text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (begins(text, words[i])) return true;
    return false;
}
#define IS_ONE_OF(text, ...) is_one_of(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void see_node(struct picture *p, struct lane_now *now, const struct moment *m) {
    uint32_t node = (uint32_t)m->node;
    const char *t = m->text;
    bool stops = IS_ONE_OF(t, "killed", "power cut", "stopped", "ended"), starts = begins(t, "started");
    if (stops || starts) {
        for (enum lane_state s = LANE_LEADER; s <= LANE_PAUSED; s++) end_span(p, now, node, s, m->at_us);
        if (stops) begin_span(now, LANE_DOWN, m->at_us, t);
    }
    if (begins(t, "paused")) begin_span(now, LANE_PAUSED, m->at_us, t);
    if (begins(t, "resumed")) end_span(p, now, node, LANE_PAUSED, m->at_us);
    if (begins(t, "disk")) {
        end_span(p, now, node, LANE_DISK, m->at_us);
        if (!IS_ONE_OF(t, "disk in order", "disk ok")) begin_span(now, LANE_DISK, m->at_us, t);
    }
    if (IS_ONE_OF(t, "clock", "skew")) {
        end_span(p, now, node, LANE_CLOCK, m->at_us);
        if (strcmp(t, "clock +0 ms, drift 0 ppm") != 0) begin_span(now, LANE_CLOCK, m->at_us, t);
    }
}

static void lanes_make(struct picture *p) {
    const struct cluster *c = p->scenario->cluster;
    struct lane_now *now = xcalloc(c->nodes_count + 1, sizeof *now);
    for (uint32_t i = 0; i < c->nodes_count; i++)
        if (p->scenario->down[i]) begin_span(&now[i], LANE_DOWN, 0, "not yet started");
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->node < 0) continue;
        if (m->kind == MOMENT_ROLE) see_role(p, &now[m->node], m);
        if (m->kind == MOMENT_NODE) see_node(p, &now[m->node], m);
    }
    for (uint32_t i = 0; i < c->nodes_count; i++)
        for (enum lane_state s = LANE_LEADER; s <= LANE_CLOCK; s++) end_span(p, &now[i], i, s, p->length_us);
    free(now);
}

/* ---- rows in conflict ---- */

/* (Live versions alone tell nothing: a row that merges has one for each of its elements.) */
bool row_in_conflict(const struct final_row *row) {
    if (!row->explain) return row->open || row->losers;
    return row->open || json_array_size(json_object_get(row->explain, "episodes")) || json_array_size(json_object_get(row->explain, "lost"));
}

#define KEY_WORDS_MAX 8u

/* The longest key that stands in the text as whole words, maybe in quotes. */
static int32_t named_row(const struct picture *p, const char *text) {
    static const char around[] = " \"'`()[],;:.";
    int32_t best = -1;
    size_t best_n = 0;
    for (const char *start = text; *start; start++) {
        if (start > text && !strchr(around, start[-1])) continue;
        const char *end = start;
        for (uint32_t words = 0; *end && words < KEY_WORDS_MAX; words++) {
            end += end > start || strchr(around, *end) ? 1 : 0;
            end += strcspn(end, around);
            const uint32_t *row = index_find(p->keys, SLICE(start, (size_t)(end - start)));
            if (!row || (size_t)(end - start) <= best_n) continue;
            best = (int32_t)*row;
            best_n = (size_t)(end - start);
        }
    }
    return best;
}

static void conflicts_make(struct picture *p) {
    for (uint32_t i = 0; i < p->outcome->rows_count; i++)
        if (row_in_conflict(&p->outcome->rows[i])) index_add(&p->keys, slice_text(p->outcome->rows[i].key), i);
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if ((m->kind != MOMENT_CONFLICT && m->kind != MOMENT_CLOSED) || m->node < 0) continue;
        GROW(p->conflicts, p->conflicts_count, p->conflicts_cap);
        p->conflicts[p->conflicts_count++] = (struct conflict_mark){m, named_row(p, m->text)};
    }
}

static void add_row_span(struct picture *p, uint32_t row, uint64_t from, uint64_t to) {
    if (p->rows_count >= SHOWN_SPANS_MAX) {
        p->spans_left_out++;
        return;
    }
    GROW(p->rows, p->rows_count, p->rows_cap);
    p->rows[p->rows_count++] = (struct row_span){from, to, row};
}

/* A row is in conflict from when some node says so to when none does any more. */
struct row_now {
    bool open[NODES_MAX];
    uint32_t nodes;
    uint64_t since_us, closed_us;
};

static void see_conflict(struct picture *p, struct row_now *now, const struct moment *m, uint32_t row) {
    if (m->kind == MOMENT_CONFLICT && !now->open[m->node]) {
        if (!now->nodes) now->since_us = m->at_us;
        now->open[m->node] = true;
        now->nodes++;
    } else if (m->kind == MOMENT_CLOSED && now->open[m->node]) {
        now->open[m->node] = false;
        now->closed_us = m->at_us;
        if (--now->nodes == 0) add_row_span(p, row, now->since_us, m->at_us);
    }
}

static void rows_make(struct picture *p) {
    uint32_t count = p->outcome->rows_count;
    struct row_now *now = xcalloc(count + 1, sizeof *now);
    for (size_t i = 0; i < p->conflicts_count; i++) {
        const struct conflict_mark *m = &p->conflicts[i];
        if (m->row >= 0) see_conflict(p, &now[m->row], m->moment, (uint32_t)m->row);
    }
    for (uint32_t i = 0; i < count; i++) {
        /* A node that was away when it was settled does not say that it is closed. */
        bool closed = !p->outcome->rows[i].open && now[i].closed_us > now[i].since_us;
        if (now[i].nodes) add_row_span(p, i, now[i].since_us, closed ? now[i].closed_us : p->length_us);
    }
    free(now);
}

/* ---- what is shown ---- */

static void matters(struct picture *p, const json_t *version) {
    struct write_mark *w = picture_write(p, version);
    if (w) w->matters = true;
}

/* Each version of each row that is or was in conflict. */
static void each_version(struct picture *p, void (*call)(struct picture *p, const json_t *version)) {
    size_t i, k;
    const json_t *cell, *version;
    for (uint32_t row = 0; row < p->outcome->rows_count; row++) {
        if (!row_in_conflict(&p->outcome->rows[row])) continue;
        const json_t *explain = p->outcome->rows[row].explain;
        json_array_foreach(json_object_get(explain, "cells"), i, cell) {
            json_array_foreach(json_object_get(cell, "versions"), k, version) call(p, version);
        }
        json_array_foreach(json_object_get(explain, "lost"), i, version) call(p, version);
    }
}

/* Stamps go ahead of the clock, never behind it: the smallest difference is nearest. */
static void learn_clock(struct picture *p, const json_t *version) {
    uint64_t ms;
    const uint32_t *at = find_number(p, slice_text(json_text_at(version, "dot")));
    if (!at || p->writes[*at].same || !stamp_time(version, &ms)) return;
    int64_t off = (int64_t)ms - (int64_t)(p->writes[*at].at_us / 1000);
    if (p->wall_ms == 0 || off < p->wall_ms) p->wall_ms = off;
}

/* A stage that does not see into its nodes: what is known to be written is what steps did. */
static void commands_make(struct picture *p) {
    p->commands = true;
    for (size_t i = 0; i < p->record->moments_count; i++) {
        const struct moment *m = &p->record->moments[i];
        if (m->kind != MOMENT_REPLY || m->step == 0 || m->step > p->scenario->steps_count) continue;
        const char *command = p->scenario->steps[m->step - 1].command;
        if (command) add_write(p, m, i, command);
    }
}

/* Of `count`, those at even distances, `shown` of them. */
static bool is_in_step(size_t i, size_t count, size_t shown) { return count <= shown || i * shown / count != (i + 1) * shown / count; }

static void choose_writes(struct picture *p) {
    size_t that_matter = 0, i_other = 0, i_matters = 0;
    for (size_t i = 0; i < p->writes_count; i++) that_matter += p->writes[i].matters;
    size_t others = p->writes_count - that_matter;
    size_t room_matters = that_matter < SHOWN_WRITES_MAX ? that_matter : SHOWN_WRITES_MAX, room_others = SHOWN_WRITES_MAX - room_matters;
    for (size_t i = 0; i < p->writes_count; i++) {
        struct write_mark *w = &p->writes[i];
        w->shown = w->matters ? is_in_step(i_matters++, that_matter, room_matters) : is_in_step(i_other++, others, room_others);
        p->writes_shown += w->shown;
    }
}

static void choose_applies(struct picture *p) {
    size_t candidates = 0, seen = 0;
    for (size_t i = 0; i < p->applies_count; i++) candidates += p->writes[p->applies[i].write].shown;
    for (size_t i = 0; i < p->applies_count; i++) {
        struct apply_mark *a = &p->applies[i];
        if (!p->writes[a->write].shown) continue;
        a->shown = is_in_step(seen++, candidates, SHOWN_APPLIES_MAX);
        p->applies_shown += a->shown;
    }
}

/* ---- curves ---- */

static void add_sample(struct picture *p, const struct sample *s, uint64_t width_us) {
    struct curve *curve = &p->curves[p->scenario->cluster->nodes[s->node].dc];
    uint64_t at_us = s->at_us / width_us * width_us;
    struct curve_point *last = curve->count ? &curve->points[curve->count - 1] : NULL;
    if (!last || last->at_us < at_us) {
        if (curve->count == CURVE_POINTS_MAX) return;
        last = &curve->points[curve->count++];
        *last = (struct curve_point){.at_us = at_us};
    }
    if (s->lag_us > last->lag_us) last->lag_us = s->lag_us;
    if (s->backlog > last->backlog) last->backlog = s->backlog;
    if (s->conflicts_open > last->conflicts_open) last->conflicts_open = s->conflicts_open;
}

static void add_sent(struct picture *p, const struct moment *m) {
    const struct cluster *c = p->scenario->cluster;
    if (m->node < 0 || m->peer < 0 || c->nodes[m->node].dc == c->nodes[m->peer].dc) return;
    struct curve *curve = &p->curves[c->nodes[m->node].dc];
    if (!curve->sent_bytes) curve->sent_bytes = xcalloc(CURVE_POINTS_MAX, sizeof *curve->sent_bytes);
    curve->sent_bytes[m->at_us / p->piece_us] += m->number;
}

static void curves_make(struct picture *p) {
    const struct cluster *c = p->scenario->cluster;
    p->piece_us = p->length_us / (CURVE_POINTS_MAX - 1) + 1;
    for (uint32_t i = 0; i < c->dcs_count; i++) p->curves[i].points = xcalloc(CURVE_POINTS_MAX, sizeof *p->curves[i].points);
    for (size_t i = 0; i < p->record->samples_count; i++)
        if (p->record->samples[i].node < c->nodes_count) add_sample(p, &p->record->samples[i], p->piece_us);
    for (size_t i = 0; i < p->record->moments_count; i++)
        if (p->record->moments[i].kind == MOMENT_SENT) add_sent(p, &p->record->moments[i]);
}

void picture_make(struct picture *ret, const struct scenario *s, const struct record *r, const struct outcome *o) {
    *ret = (struct picture){.scenario = s, .record = r, .outcome = o, .length_us = o->length_us ? o->length_us : 1};
    for (size_t i = 0; i < r->moments_count; i++) {
        const struct moment *m = &r->moments[i];
        if (m->at_us > ret->length_us) ret->length_us = m->at_us;
        if (m->kind == MOMENT_MAKES) add_write(ret, m, i, m->text);
        if (m->kind == MOMENT_APPLIES) add_apply(ret, m, i);
    }
    find_steps(ret);
    if (!ret->writes_count) commands_make(ret);
    lanes_make(ret);
    picture_links(ret);
    conflicts_make(ret);
    rows_make(ret);
    each_version(ret, learn_clock);
    each_version(ret, matters);
    choose_writes(ret);
    choose_applies(ret);
    curves_make(ret);
}

void picture_finish(struct picture *p) {
    index_finish(&p->dots);
    index_finish(&p->numbers);
    index_finish(&p->keys);
    for (size_t i = 0; i < p->links_count; i++) free(p->links[i].text);
    for (uint32_t i = 0; i < DCS_MAX; i++) {
        free(p->curves[i].points);
        free(p->curves[i].sent_bytes);
    }
    free(p->lanes);
    free(p->links);
    free(p->writes);
    free(p->applies);
    free(p->conflicts);
    free(p->rows);
    *p = (struct picture){0};
}
