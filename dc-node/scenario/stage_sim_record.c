/* What happens on the simulated stage, for the record. */
#include "stage_sim_state.h"

#include <stdlib.h>
#include <string.h>

static struct moment moment_at(const struct sim_stage *s, enum moment_kind kind, uint32_t node) {
    uint32_t dc = s->base.scenario->cluster->nodes[node].dc;
    return (struct moment){.at_us = world_now_us(s->world), .kind = kind, .dc = (int32_t)dc, .node = (int32_t)node, .peer = -1};
}

static void add(struct sim_stage *s, struct moment m) {
    buf_u8(&s->text, 0);
    m.text = (const char *)s->text.p;
    record_add(s->base.record, m);
}

void sim_record_node(struct sim_stage *s, uint32_t node, const char *what) {
    if (!s->base.record) return;
    struct moment m = moment_at(s, MOMENT_NODE, node);
    m.text = what;
    record_add(s->base.record, m);
}

void sim_record_link(struct sim_stage *s, uint32_t from, uint32_t to, const char *what) {
    if (!s->base.record) return;
    struct moment m = moment_at(s, MOMENT_LINK, from);
    m.peer = (int32_t)to;
    m.text = what;
    record_add(s->base.record, m);
}

/* ---- events ---- */

void sim_stage_dot(const struct sim_stage *s, struct dot d, struct buf *out) {
    if (d.origin >= s->sources_count || s->sources[d.origin].n == 0) {
        buf_text(out, "?");
        return;
    }
    const struct sim_source *src = &s->sources[d.origin];
    buf_text(out, s->base.scenario->cluster->nodes[src->node].name);
    if (src->run > 1) buf_printf(out, "(%u)", src->run);
    buf_printf(out, "#%llu", (unsigned long long)d.n);
}

/* What the oracle has of the event that was just made. */
static const struct h_event *known_event(const struct sim_stage *s, const struct event *e) {
    const struct history *h = s->onlooker.history;
    if (!h || history_failed(h) || h->events_count == 0) return NULL;
    const struct h_event *last = h->events[h->events_count - 1];
    return last->checksum == e->checksum && last->changes_count == e->changes_count ? last : NULL;
}

void sim_record_event(struct sim_stage *s, uint32_t node, const struct event *e, bool own, struct dot d) {
    struct moment m = moment_at(s, own ? MOMENT_MAKES : MOMENT_APPLIES, node);
    m.number = d.n;
    if (!own) m.peer = (int32_t)s->sources[d.origin].node;
    buf_clear(&s->text);
    sim_stage_dot(s, d, &s->text);
    const struct h_event *known = own ? known_event(s, e) : NULL;
    struct origins *t = engine_origins(world_engine(s->world, node));
    for (uint32_t i = 0; own && i < e->changes_count; i++) {
        buf_text(&s->text, i == 0 ? " " : "; ");
        if (s->text.n > 1000) {
            buf_printf(&s->text, "and %u more rows", e->changes_count - i);
            break;
        }
        sim_words_change(s, &e->changes[i], e->dot, known ? &known->changes[i] : NULL, t, &s->text);
    }
    add(s, m);
}

/* ---- episodes ---- */

/* The place of an episode, or of the first free slot that it may have. */
static struct sim_episode *seek(struct sim_stage *s, uint64_t id) {
    uint64_t mask = s->episodes_size - 1;
    struct sim_episode *e = &s->episodes[id & mask];
    while (e->id != 0 && e->id != id) e = &s->episodes[((size_t)(e - s->episodes) + 1) & mask];
    return e;
}

static void grow(struct sim_stage *s) {
    struct sim_episode *old = s->episodes;
    uint32_t old_size = s->episodes_size;
    s->episodes_size = old_size ? old_size * 2 : 64;
    s->episodes = xcalloc(s->episodes_size, sizeof *s->episodes);
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].id != 0) *seek(s, old[i].id) = old[i];
    free(old);
}

static struct sim_episode *episode_of(struct sim_stage *s, uint64_t id) {
    if (s->episodes_count * 2 >= s->episodes_size) grow(s);
    struct sim_episode *e = seek(s, id);
    if (e->id == 0) {
        e->id = id;
        s->episodes_count++;
    }
    return e;
}

/* Does the commit take an episode of the same cell away? Then it goes on under a smaller dot. */
static bool replaces_another(const struct commit *c, const struct episode *ep) {
    struct buf cell = {0};
    bool found = false;
    journal_name_cell(ep->key, ep->kind, ep->name, &cell);
    for (size_t i = 0; i < c->losses_count && !found; i++) {
        const struct named_record *r = &c->losses[i];
        bool same = r->name.n > cell.n && memcmp(r->name.p, cell.p, cell.n) == 0;
        found = same && r->value.n == 0 && journal_record_kind(r->name) == JOURNAL_EPISODE;
    }
    buf_finish(&cell);
    return found;
}

static void put_row(const struct episode *ep, struct buf *out) {
    sim_words_text(ep->key, out);
    if (ep->kind != CELL_FIELD) return;
    buf_text(out, " column ");
    sim_words_value(ep->name, out);
}

static void put_reader(struct sim_stage *s, uint32_t node, const struct episode *ep, struct buf *out) {
    struct history *h = s->onlooker.history;
    if (!h || history_failed(h) || ep->kind == CELL_TYPES) return;
    const struct h_element *read = h_winner(h, node, history_key(h, ep->key), (enum cell_kind)ep->kind, ep->name);
    if (!read) return;
    struct dot d = read->op->change->event->dot;
    buf_text(out, "; read is ");
    sim_stage_dot(s, (struct dot){origins_intern(s->origins, origins_get(h->origins, d.origin)), d.n}, out);
}

static void record_episode(struct sim_stage *s, uint32_t node, const struct episode *ep, const char *what, const struct origins *t) {
    struct moment m = moment_at(s, ep->open ? MOMENT_CONFLICT : MOMENT_CLOSED, node);
    buf_clear(&s->text);
    put_row(ep, &s->text);
    buf_printf(&s->text, " %s:", what);
    for (uint32_t i = 0; i < ep->members.ranges_count; i++) {
        const struct range *r = &ep->members.ranges[i];
        buf_text(&s->text, i == 0 ? " " : " | ");
        sim_stage_dot(s, (struct dot){sim_stage_ref(s, node, t, r->origin), r->upto}, &s->text);
    }
    if (ep->open) put_reader(s, node, ep, &s->text);
    if (!ep->open && ep->closed_by.n > 0) {
        buf_text(&s->text, "; by ");
        sim_stage_dot(s, (struct dot){sim_stage_ref(s, node, t, ep->closed_by.origin), ep->closed_by.n}, &s->text);
    }
    add(s, m);
}

static uint64_t members_hash(const struct episode *ep, const struct origins *t) {
    struct buf b = {0};
    for (uint32_t i = 0; i < ep->members.ranges_count; i++) {
        origin_encode(t, ep->members.ranges[i].origin, &b);
        buf_u64(&b, ep->members.ranges[i].after);
        buf_u64(&b, ep->members.ranges[i].upto);
    }
    uint64_t hash = hash64(buf_slice_of(&b));
    buf_finish(&b);
    return hash;
}

static void note_episode(struct sim_stage *s, uint32_t node, const struct commit *c, struct episode *ep, struct origins *t) {
    uint64_t id = episode_id(ep->key, ep->kind, ep->name, ep->number, t) + node * UINT64_C(0x9e3779b97f4a7c15);
    struct sim_episode *e = episode_of(s, id ? id : 1);
    uint64_t members = members_hash(ep, t);
    bool is_new = e->members == 0, was_open = e->open, same = e->members == members;
    e->members = members;
    e->open = ep->open;
    if (same && was_open == ep->open) return;
    if (ep->open) {
        record_episode(s, node, ep, is_new && !replaces_another(c, ep) ? "conflict" : !is_new && !was_open ? "conflict again" : "conflict grows", t);
        return;
    }
    if (is_new && !replaces_another(c, ep)) { /* it came and went between two commits */
        ep->open = true;
        record_episode(s, node, ep, "conflict", t);
        ep->open = false;
    }
    if (is_new || was_open) record_episode(s, node, ep, "settled", t);
}

void sim_record_commit(struct sim_stage *s, uint32_t node, const struct commit *c) {
    struct origins *t = engine_origins(world_engine(s->world, node));
    for (size_t i = 0; i < c->losses_count; i++) {
        struct episode ep;
        if (c->losses[i].value.n == 0 || journal_record_kind(c->losses[i].name) != JOURNAL_EPISODE) continue;
        if (!episode_decode(c->losses[i].value, t, &ep)) continue;
        note_episode(s, node, c, &ep, t);
        episode_finish(&ep);
    }
}

void sim_record_finish(struct sim_stage *s) {
    free(s->episodes);
    delta_finish(&s->delta);
    buf_finish(&s->text);
}
